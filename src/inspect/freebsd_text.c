/* SPDX-License-Identifier: BSD-2-Clause
 *
 * FreeBSD's panic messages; see freebsd_text.h, and reader.h for pnd_facts_from_freebsd_log(). */
#include "inspect/freebsd_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/reader.h"

enum {
    PANIC_LINES_MAX = 8,
    REGISTER_DIGITS_MIN = 8,
    DIGITS_MAX = 16,
};

struct line {
    const char *at;
    size_t len;
};

/* ---- lines and words ---- */

/* The next line of [*at, end), without its end and without the "<118>" that log(9) puts in front.
 * @return false: there are no more */
static bool next_line(const char **at, const char *end, struct line *ret)
{
    const char *start = *at, *stop;
    size_t digits = 0;

    if (start >= end)
        return false;
    stop = memchr(start, '\n', (size_t)(end - start));
    *at = stop ? stop + 1 : end;
    stop = stop ? stop : end;
    if (stop > start && stop[-1] == '\r')
        stop--;
    if (stop - start > 2 && *start == '<') {
        while (digits < 4 && start + 1 + digits < stop && start[1 + digits] >= '0' &&
               start[1 + digits] <= '9')
            digits++;
        if (digits > 0 && digits < 4 && start + 1 + digits < stop && start[1 + digits] == '>')
            start += digits + 2;
    }
    *ret = (struct line){start, (size_t)(stop - start)};
    return true;
}

static bool begins(const struct line *line, const char *with)
{
    size_t len = strlen(with);

    return line->len >= len && memcmp(line->at, with, len) == 0;
}

static struct line behind(const struct line *line, size_t len)
{
    return (struct line){line->at + len, line->len - len};
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f');
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Takes a number off the front. @return digits that it had; 0: there is none */
static size_t take_number(struct line *line, unsigned base, uint64_t *ret)
{
    size_t digits = 0;
    uint64_t value = 0;

    while (digits < line->len && digits < DIGITS_MAX &&
           (base == 16 ? is_hex(line->at[digits]) : is_digit(line->at[digits]))) {
        char c = line->at[digits++];

        value = value * base + (uint64_t)(is_digit(c) ? c - '0' : c - 'a' + 10);
    }
    *line = behind(line, digits);
    *ret = value;
    return digits;
}

static bool take_word(struct line *line, const char *word)
{
    if (!begins(line, word))
        return false;
    *line = behind(line, strlen(word));
    return true;
}

static void skip_blanks(struct line *line)
{
    while (line->len > 0 && is_blank(*line->at))
        *line = behind(line, 1);
}

/* What stands behind "name<blanks>= ". */
static bool value_of(const struct line *line, const char *name, struct line *ret)
{
    struct line rest = *line;

    if (!take_word(&rest, name))
        return false;
    skip_blanks(&rest);
    if (!take_word(&rest, "="))
        return false;
    skip_blanks(&rest);
    *ret = rest;
    return true;
}

static const char *find(const struct line *line, const char *what)
{
    return memmem(line->at, line->len, what, strlen(what));
}

/* ---- the version ---- */

/* "root@host:/usr/obj/usr/src/amd64.amd64/sys/GENERIC amd64", or what boot prints in its place:
 * "root@... amd64" */
static void machine_of(const struct line *line, struct pnd_facts *facts)
{
    const char *blank = memrchr(line->at, ' ', line->len);

    if (!blank || !find(line, "@") || !find(line, ":/") ||
        line->at + line->len - (blank + 1) > PND_KDH_ARCH_CAP ||
        pnd_facts_text(facts, PND_FACT_ARCH)[0])
        return;
    pnd_facts_set(facts, PND_FACT_ARCH, blank + 1, (size_t)(line->at + line->len - (blank + 1)));
}

static bool is_version(const struct line *line)
{
    struct line rest = *line;

    return take_word(&rest, "FreeBSD ") && rest.len > 0 && is_digit(*rest.at) &&
           memchr(rest.at, '-', rest.len < 8 ? rest.len : 8);
}

bool pnd_freebsd_version(const char *text, size_t len, struct pnd_facts *facts)
{
    const char *at = text, *end = text + len;
    struct line line, word;

    while (next_line(&at, end, &line)) {
        if (!is_version(&line))
            continue;
        while (line.len > 0 && (is_blank(line.at[line.len - 1]) || !line.at[line.len - 1]))
            line.len--;
        word = behind(&line, strlen("FreeBSD "));
        for (size_t i = 0; i < word.len; i++) {
            if (is_blank(word.at[i]))
                word.len = i;
        }
        pnd_facts_set(facts, PND_FACT_OS, "FreeBSD", strlen("FreeBSD"));
        pnd_facts_set(facts, PND_FACT_OS_VERSION, word.at, word.len);
        pnd_facts_set(facts, PND_FACT_KERNEL, word.at, word.len);
        pnd_facts_set(facts, PND_FACT_KERNEL_VERSION, line.at, line.len);
        if (next_line(&at, end, &line))
            machine_of(&line, facts);
        return true;
    }
    return false;
}

/* ---- the backtrace ---- */

/* "#0 0xffffffff80c1d397 at kdb_backtrace+0x67". @param facts  NULL: only, is it one? */
static bool kdb_frame(const struct line *line, struct pnd_facts *facts)
{
    struct line rest = *line;
    uint64_t number, address;

    if (!take_word(&rest, "#") || !take_number(&rest, 10, &number))
        return false;
    skip_blanks(&rest);
    if (!take_word(&rest, "0x") || !take_number(&rest, 16, &address) || !take_word(&rest, " at ") ||
        rest.len == 0)
        return false;
    if (facts)
        pnd_facts_add_frame(facts, address, 0, rest.at, rest.len, NULL, 0);
    return true;
}

/* "vpanic() at vpanic+0x17f/frame 0xfffffe00a1b2c3d0". The text is what stands behind "at". */
static bool ddb_frame(const struct line *line, struct pnd_facts *facts)
{
    static const char frame_word[] = "/frame 0x";
    const char *open = memchr(line->at, '(', line->len), *at, *frame;
    struct line rest, number;
    uint64_t base = 0;

    if (!open || open == line->at || is_blank(*line->at))
        return false;
    rest = behind(line, (size_t)(open - line->at));
    at = find(&rest, ") at ");
    if (!at)
        return false;
    rest = behind(&rest, (size_t)(at - rest.at) + strlen(") at "));
    if (rest.len == 0 || !find(&rest, "+0x"))
        return false;
    frame = find(&rest, frame_word);
    if (frame) {
        number = behind(&rest, (size_t)(frame - rest.at) + strlen(frame_word));
        take_number(&number, 16, &base);
        rest.len = (size_t)(frame - rest.at);
    }
    if (facts)
        pnd_facts_add_frame(facts, 0, base, rest.at, rest.len, NULL, 0);
    return true;
}

static bool take_frame(const struct line *line, struct pnd_facts *facts)
{
    return kdb_frame(line, facts) || ddb_frame(line, facts);
}

bool pnd_freebsd_frames(const char *text, size_t len, struct pnd_facts *facts)
{
    const char *at = text, *end = text + len;
    bool any = false;
    struct line line;

    while (next_line(&at, end, &line)) {
        if (take_frame(&line, facts))
            any = true;
        else if (any && !begins(&line, "--- ")) /* "--- trap 0xc, rip = 0x... ---" */
            break;
    }
    return any;
}

/* ---- the message ---- */

/* Since the last start of the machine: the buffer survives a restart. */
static const char *last_boot(const char *log, const char *end)
{
    const char *at = log, *from = log, *start = log;
    struct line line;

    while (next_line(&at, end, &line)) {
        if (begins(&line, "---<<BOOT>>---") || begins(&line, "Copyright (c) 1992-"))
            from = start;
        start = at;
    }
    return from;
}

static bool ends_panic(const struct line *line)
{
    return begins(line, "cpuid = ") || begins(line, "time = ") || begins(line, "KDB: ") ||
           begins(line, "Uptime: ") || begins(line, "#0 ") || begins(line, "Dumping ") ||
           line->len == 0;
}

/* The panic string may have several lines. @param at  behind the first */
static void take_panic(const struct line *first, const char *at, const char *end,
                       struct pnd_facts *facts)
{
    char text[PND_FACT_TEXT_MAX];
    size_t len = first->len < sizeof(text) ? first->len : sizeof(text);
    struct line line;

    memcpy(text, first->at, len);
    for (unsigned i = 1; i < PANIC_LINES_MAX && next_line(&at, end, &line); i++) {
        if (ends_panic(&line) || line.len >= sizeof(text) - len)
            break;
        text[len++] = '\n';
        memcpy(text + len, line.at, line.len);
        len += line.len;
    }
    pnd_facts_set(facts, PND_FACT_PANIC, text, len);
}

struct trap {
    bool seen, nmi;
    struct pnd_fact_cpu *cpu;
};

static bool known_register(const char *name)
{
    for (size_t i = 0; name[i]; i++) {
        if (!(name[i] >= 'a' && name[i] <= 'z') && !(i > 0 && is_digit(name[i])))
            return false;
    }
    return name[0] != '\0';
}

/* "rdi: fffff80003c59000 rsi: 0000000000000000 rdx: ..." */
static void take_registers(struct line line, const struct trap *trap, struct pnd_facts *facts)
{
    while (trap->cpu && line.len > 0) {
        char name[sizeof(((struct pnd_fact_register *)0)->name)] = "";
        size_t len = 0;
        uint64_t value;

        skip_blanks(&line);
        while (len < line.len && len + 1 < sizeof(name) && line.at[len] != ':') {
            name[len] = line.at[len];
            len++;
        }
        name[len] = '\0';
        line = behind(&line, len);
        if (!known_register(name) || !take_word(&line, ":"))
            return;
        skip_blanks(&line);
        take_word(&line, "0x");
        if (take_number(&line, 16, &value) < REGISTER_DIGITS_MIN)
            return;
        pnd_facts_add_register(facts, trap->cpu, name, value);
    }
}

/* "instruction pointer = 0x20:0xffffffff80b4a2c1": the segment stays out. */
static void take_pointer(struct line value, const char *wide, const char *narrow,
                         const struct trap *trap, struct pnd_facts *facts)
{
    const char *colon = memchr(value.at, ':', value.len);
    uint64_t number;
    size_t digits;

    if (colon)
        value = behind(&value, (size_t)(colon + 1 - value.at));
    if (!trap->cpu || !take_word(&value, "0x"))
        return;
    digits = take_number(&value, 16, &number);
    if (digits)
        pnd_facts_add_register(facts, trap->cpu, digits > 8 ? wide : narrow, number);
}

/* "712 (sh)" */
static void take_task(struct line value, struct pnd_facts *facts)
{
    uint64_t pid;

    if (!take_number(&value, 10, &pid))
        return;
    skip_blanks(&value);
    if (value.len > 2 && value.at[0] == '(' && value.at[value.len - 1] == ')' &&
        value.len <= PND_FACT_WORD_MAX)
        pnd_facts_setf(facts, PND_FACT_TASK, "%.*s (pid %" PRIu64 ")", (int)value.len - 2,
                       value.at + 1, pid);
}

static void take_cpu(struct line value, struct trap *trap, struct pnd_facts *facts)
{
    uint64_t number;

    if (!trap->cpu && take_number(&value, 10, &number) && number < PND_FACT_CPUS_MAX)
        trap->cpu = pnd_facts_add_cpu(facts, (unsigned)number, true);
}

/* A line of "Fatal trap 12: page fault while in kernel mode" and what follows it. */
static void take_trap_line(const struct line *line, struct trap *trap, struct pnd_facts *facts)
{
    struct line value;

    if (begins(line, "Fatal trap ") || begins(line, "Fatal double fault")) {
        trap->seen = true;
        trap->nmi = find(line, "non-maskable interrupt") != NULL;
        return;
    }
    if (begins(line, "NMI ") && !trap->seen)
        trap->nmi = true;
    if (!trap->seen)
        return;
    if (value_of(line, "cpuid", &value))
        take_cpu(value, trap, facts);
    else if (value_of(line, "instruction pointer", &value))
        take_pointer(value, "rip", "eip", trap, facts);
    else if (value_of(line, "stack pointer", &value))
        take_pointer(value, "rsp", "esp", trap, facts);
    else if (value_of(line, "frame pointer", &value))
        take_pointer(value, "rbp", "ebp", trap, facts);
    else if (value_of(line, "fault virtual address", &value))
        take_pointer(value, "cr2", "cr2", trap, facts);
    else if (value_of(line, "current process", &value))
        take_task(value, facts);
    else
        take_registers(*line, trap, facts);
}

/* "Uptime: 3d2h15m7s" */
static void take_uptime(struct line value, struct pnd_facts *facts)
{
    static const struct {
        char letter;
        uint32_t seconds;
    } units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
    uint64_t sum = 0, number;
    bool any = false;

    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
        struct line rest = value;
        size_t digits = take_number(&rest, 10, &number);

        if (digits == 0 || digits > 9 || rest.len == 0 || *rest.at != units[i].letter)
            continue;
        sum += number * units[i].seconds;
        value = behind(&rest, 1);
        any = true;
    }
    if (any)
        pnd_facts_setf(facts, PND_FACT_UPTIME, "%" PRIu64, sum);
}

/* What follows the panic string. */
static void take_after(const char *at, const char *end, struct trap *trap, struct pnd_facts *facts)
{
    bool frames = facts->frame_count > 0;
    struct line line, value;

    for (;;) {
        const char *start = at;
        uint64_t number;

        if (!next_line(&at, end, &line))
            return;
        if (value_of(&line, "cpuid", &value)) {
            take_cpu(value, trap, facts);
        } else if (value_of(&line, "time", &value) && take_number(&value, 10, &number)) {
            pnd_facts_setf(facts, PND_FACT_CRASH_TIME, "%" PRIu64, number);
        } else if (begins(&line, "Uptime: ")) {
            take_uptime(behind(&line, strlen("Uptime: ")), facts);
        } else if (!frames && take_frame(&line, NULL)) {
            pnd_freebsd_frames(start, (size_t)(end - start), facts);
            frames = true;
        }
    }
}

static void set_trigger(const struct trap *trap, struct pnd_facts *facts)
{
    const char *panic = pnd_facts_text(facts, PND_FACT_PANIC);
    const char *trigger = trap->nmi                            ? "nmi"
                          : trap->seen                         ? "trap"
                          : strncmp(panic, "watchdog", 8) == 0 ? "watchdog"
                          : strncmp(panic, "NMI", 3) == 0      ? "nmi"
                                                               : "panic";

    pnd_facts_set(facts, PND_FACT_TRIGGER, trigger, strlen(trigger));
}

static void take_message(const char *from, const char *end, struct pnd_facts *facts)
{
    struct trap trap = {0};
    const char *at = from;
    struct line line, text;

    while (next_line(&at, end, &line)) {
        take_trap_line(&line, &trap, facts);
        text = line;
        if (!take_word(&text, "panic: "))
            continue;
        take_panic(&text, at, end, facts);
        take_after(at, end, &trap, facts);
        set_trigger(&trap, facts);
        return;
    }
}

void pnd_facts_from_freebsd_log(const char *log, size_t len, struct pnd_facts *facts)
{
    /* Not a panic of an earlier start. */
    const char *end = log + len, *from = last_boot(log, end);

    if (len == 0)
        return;
    pnd_facts_set(facts, PND_FACT_OS, "FreeBSD", strlen("FreeBSD"));
    if (!pnd_freebsd_version(from, (size_t)(end - from), facts))
        pnd_freebsd_version(log, len, facts);
    take_message(from, end, facts);
    pnd_facts_set_log(facts, log, len);
}

/* ---- the header ---- */

static void set_if_unknown(struct pnd_facts *facts, enum pnd_fact fact, const char *text)
{
    if (!pnd_facts_text(facts, fact)[0])
        pnd_facts_set(facts, fact, text, strlen(text));
}

void pnd_facts_from_kdh(const struct pnd_kdh *kdh, struct pnd_facts *facts)
{
    set_if_unknown(facts, PND_FACT_OS, "FreeBSD");
    if (!pnd_facts_text(facts, PND_FACT_OS_VERSION)[0])
        pnd_freebsd_version(kdh->os, strlen(kdh->os), facts);
    set_if_unknown(facts, PND_FACT_KERNEL_VERSION, kdh->os);
    set_if_unknown(facts, PND_FACT_ARCH, kdh->architecture);
    set_if_unknown(facts, PND_FACT_HOST, kdh->host);
    set_if_unknown(facts, PND_FACT_PANIC, kdh->panic);
    if (kdh->time_s && kdh->time_s <= INT64_MAX && !pnd_facts_text(facts, PND_FACT_CRASH_TIME)[0])
        pnd_facts_setf(facts, PND_FACT_CRASH_TIME, "%" PRIu64, kdh->time_s);
}

bool pnd_facts_from_kdh_bytes(const void *buf, size_t len, struct pnd_facts *facts)
{
    struct pnd_kdh kdh;

    if (pnd_kdh_read(buf, len, &kdh))
        return false;
    pnd_facts_from_kdh(&kdh, facts);
    return true;
}

/* ---- the ring ---- */

static void reverse(char *at, size_t len)
{
    for (size_t i = 0; i < len / 2; i++) {
        char c = at[i];

        at[i] = at[len - 1 - i];
        at[len - 1 - i] = c;
    }
}

/* The last thing that is said before the buffer is copied: "Dumping 335 out of 4062 MB:".
 * @return where it ends; 0: nowhere */
static size_t seam(const char *ring, size_t len)
{
    static const char first[] = "Dumping ", last[] = " MB:";
    size_t found = 0;

    for (const char *at = ring;
         (at = memmem(at, len - (size_t)(at - ring), first, sizeof(first) - 1)) != NULL; at++) {
        size_t left = len - (size_t)(at - ring);
        const char *end = memmem(at, left < 64 ? left : 64, last, sizeof(last) - 1);

        if (end)
            found = (size_t)(end - ring) + sizeof(last) - 1;
    }
    return found;
}

size_t pnd_freebsd_straighten(char *ring, size_t len)
{
    size_t to = 0, cut;

    /* Once it is full there is no NUL left, and its end stands ahead of its beginning. */
    if (len > 0 && !memchr(ring, '\0', len)) {
        cut = seam(ring, len);
        reverse(ring, cut);
        reverse(ring + cut, len - cut);
        reverse(ring, len);
        return len;
    }
    for (size_t i = 0; i < len; i++) {
        if (ring[i])
            ring[to++] = ring[i];
    }
    return to;
}
