/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a Linux log says of a crash. One pass finds the lines that matter - the last panic, the
 * last oops and the traces that belong to them - and the facts are taken from those.
 * @source Linux Documentation/admin-guide/bug-hunting; lines that kernels 2.6.32 to 6.12 print */
#include "inspect/linux_text.h"

#include "inspect/linux_lines.h"
#include "inspect/reader.h"

static const char panic_says[] = "Kernel panic - not syncing: ";

/* What a kernel that is about to oops, or finds that it hangs, says first. */
static const char *const trouble_says[] = {
    "BUG: ",
    "kernel BUG at ",
    "Oops: ",
    "Oops[",
    "Oops - ",
    "general protection fault",
    "Unable to handle kernel ",
    "Internal error: ",
    "watchdog: BUG: ",
    "NMI watchdog: BUG: ",
    "NMI watchdog: Watchdog detected ",
    "Watchdog detected ",
    "divide error: ",
    "invalid opcode: ",
    "stack segment: ",
    "double fault: ",
};

/* A panic that says no more than that something bad happened before. */
static const char *const panic_after_trouble[] = {"Fatal exception", "Attempted to kill ",
                                                  "Oops: ", "Aiee, killing interrupt handler"};

static const char *const watchdog_says[] = {"softlockup", "soft lockup", "ard LOCKUP",
                                            "hung_task",  "RCU Stall",   "blocked tasks",
                                            "watchdog"};

/* Where in the log something begins; at NULL: nowhere. */
struct found {
    struct pnd_span version, command_line, hardware, modules;
    struct pnd_linux_line panic, trouble, last;
    struct pnd_span after_panic, after_trouble; /* all that follows them */
    bool has_panic, has_trouble, in_trouble;
};

static bool starts_with_any(struct pnd_span text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (pnd_span_starts(text, words[i]))
            return true;
    return false;
}

static bool has_any(struct pnd_span text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (pnd_span_has(text, words[i]))
            return true;
    return false;
}

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static void look_at(const struct pnd_linux_line *line, struct pnd_span left, struct found *found)
{
    struct pnd_span text = pnd_span_trim(line->text);

    if (line->stamp.len > 0)
        found->last = *line;
    if (pnd_span_starts(text, panic_says)) {
        found->panic = *line;
        found->panic.text = pnd_span_trim(pnd_span_skip(text, sizeof(panic_says) - 1));
        found->after_panic = left;
        found->has_panic = true;
        found->in_trouble = false;
    } else if (starts_with_any(text, trouble_says, COUNT(trouble_says))) {
        if (!found->in_trouble) { /* "BUG:" and then "Oops:" are one */
            found->trouble = *line;
            found->trouble.text = text;
            found->after_trouble = left;
        }
        found->has_trouble = found->in_trouble = true;
    } else if (pnd_span_starts(text, "Linux version ")) {
        found->version = text;
    } else if (pnd_span_starts(text, "Kernel command line: ") ||
               pnd_span_starts(text, "Command line: ")) {
        found->command_line = pnd_span_behind(text, "ommand line: ");
    } else if (pnd_span_starts(text, "Hardware name: ")) {
        found->hardware = pnd_span_until(pnd_span_behind(text, ": "), ", BIOS ");
    } else if (pnd_span_starts(text, "Modules linked in:")) {
        found->modules = pnd_span_behind(text, ":");
    }
    if (pnd_span_starts(text, "---[ end ") || pnd_span_has(text, "Call Trace:") ||
        pnd_span_has(text, "Call trace:"))
        found->in_trouble = false;
}

static struct found look_through(const char *log, size_t len)
{
    static const char nothing[] = "";
    struct pnd_span empty = pnd_span(nothing, 0), left = pnd_span(log, len);
    struct found found = {.version = empty,
                          .command_line = empty,
                          .hardware = empty,
                          .modules = empty,
                          .after_panic = empty,
                          .after_trouble = empty};
    struct pnd_linux_line line;

    found.panic.text = found.panic.stamp = empty;
    found.last = found.trouble = found.panic;
    while (pnd_linux_next_line(&left, &line))
        look_at(&line, left, &found);
    return found;
}

/* The panic, or the NMI or timer that led to it, came from what had happened before. */
static bool is_after_trouble(const struct found *found)
{
    return found->has_trouble &&
           (!found->has_panic ||
            starts_with_any(found->panic.text, panic_after_trouble, COUNT(panic_after_trouble)));
}

/* ---- frames ---- */

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static size_t hex_number(struct pnd_span text, uint64_t *ret)
{
    size_t len = 0;

    *ret = 0;
    while (len < text.len && len < 16 && is_hex(text.at[len])) {
        char c = text.at[len++];

        *ret = *ret << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return len;
}

/* "name+0x16/0x20", not longer than a name may be */
static bool is_place(struct pnd_span word)
{
    size_t plus = pnd_span_find(word, "+0x"), slash = pnd_span_find(word, "/0x");

    return plus > 0 && plus < slash && slash < word.len && word.len <= PND_FACT_WORD_MAX;
}

/* "[<ffffffff8135bb8d>] " before the name, in kernels up to 4.9; also twice. */
static struct pnd_span skip_address(struct pnd_span text, uint64_t *address)
{
    for (int i = 0; i < 2 && pnd_span_starts(text, "[<"); i++) {
        hex_number(pnd_span_skip(text, 2), address);
        text = pnd_span_trim(pnd_span_behind(text, ">]"));
    }
    return text;
}

static void set_module_id(struct pnd_facts *facts, struct pnd_span name, struct pnd_span id)
{
    for (unsigned i = 0; i < facts->module_count; i++) {
        struct pnd_fact_module *module = &facts->modules[i];

        if (strlen(module->name) != name.len || memcmp(module->name, name.at, name.len) != 0)
            continue;
        module->in_backtrace = true;
        if (id.len > 0)
            pnd_facts_set_word(facts, &module->id, id.at, id.len);
    }
}

/* "name+0x16/0x20 [module buildid]", maybe with an address before; or an address alone.
 *   @return false: it is no frame */
static bool add_frame(struct pnd_facts *facts, struct pnd_span text)
{
    struct pnd_span place, module = pnd_span(text.at, 0), id = module;
    uint64_t address = 0;

    text = skip_address(pnd_span_trim(text), &address);
    place = pnd_span_until(text, " ");
    if (pnd_span_starts(place, "0x") && place.len > 10 &&
        hex_number(pnd_span_skip(place, 2), &address) == place.len - 2) {
        pnd_facts_add_frame(facts, address, 0, NULL, 0, NULL, 0);
        return true;
    }
    if (!is_place(place))
        return false;
    text = pnd_span_trim(pnd_span_skip(text, place.len));
    if (pnd_span_starts(text, "[")) {
        module = pnd_span_until(pnd_span_skip(text, 1), "]");
        id = pnd_span_trim(pnd_span_skip(module, pnd_span_find(module, " ")));
        module = pnd_span_until(module, " ");
    }
    pnd_facts_add_frame(facts, address, 0, place.at, place.len, module.len ? module.at : NULL,
                        module.len);
    if (module.len > 0)
        set_module_id(facts, module, id);
    return true;
}

/* The instruction, of the kernel's own: "RIP: 0010:f+0x7/0x10", "pc : f+0x7/0x10", "PC is at f+..".
 * A selector that ends in 3 or b is that of a program.
 *   @return what follows; empty: it is no such line */
static struct pnd_span instruction(struct pnd_span text)
{
    static const char *const says[] = {"EIP is at ", "PC is at ", "pc : ", "EIP: "};
    uint64_t selector;

    if ((pnd_span_starts(text, "RIP: ") || pnd_span_starts(text, "EIP: ")) && text.len > 10 &&
        hex_number(pnd_span(text.at + 5, 4), &selector) == 4 && text.at[9] == ':') {
        bool user = (selector & 3) == 3;

        return user ? pnd_span(text.at, 0) : pnd_span_trim(pnd_span_skip(text, 10));
    }
    for (size_t i = 0; i < COUNT(says); i++)
        if (pnd_span_starts(text, says[i]))
            return pnd_span_trim(pnd_span_skip(text, strlen(says[i])));
    return pnd_span(text.at, 0);
}

/* "RSP: 0018:...", "R13: ...", "x29: ...", "Code: ..." and the like, among the frames. */
static bool is_among_frames(struct pnd_span text)
{
    static const char *const says[] = {
        "Code: ", "FS:",      "CS:",   "DS: ",  "CR2: ",    "DR", "PKRU: ",
        "RIP: ",  "pstate: ", "lr : ", "sp : ", "EFLAGS: ", "<"};
    size_t colon = pnd_span_find(text, ": ");

    return starts_with_any(text, says, COUNT(says)) ||
           (colon <= 4 && colon < text.len &&
            (text.at[0] == 'R' || text.at[0] == 'E' || text.at[0] == 'x'));
}

static bool is_trace(struct pnd_span text)
{
    return pnd_span_starts(text, "Call Trace:") || pnd_span_starts(text, "Call trace:") ||
           pnd_span_starts(text, "Backtrace:");
}

/* One line of a trace. @return false: the trace has ended */
static bool add_line(struct pnd_facts *facts, struct pnd_span text, struct pnd_span first)
{
    struct pnd_span at = instruction(text);

    if (at.len > 0)
        text = at;
    if (text.len == 0 || pnd_span_starts(text, "?") || pnd_span_has(text, ">] ? "))
        return true;
    if (facts->frame_count == 1 && first.len > 0 && text.len >= first.len &&
        memcmp(text.at, first.at, first.len) == 0)
        return true; /* aarch64 begins its trace with the instruction */
    return add_frame(facts, text) || is_among_frames(text);
}

/* The frames of the first trace in @p left: the instruction, then what called it. What the kernel
 * marks with "?" was on the stack by chance. */
static void add_trace(struct pnd_facts *facts, struct pnd_span left)
{
    struct pnd_span first = pnd_span(left.at, 0);
    struct pnd_linux_line line;
    bool inside = false, more = true;

    while (more && pnd_linux_next_line(&left, &line)) {
        struct pnd_span text = pnd_span_trim(line.text), at = instruction(text);

        if (inside) {
            more = !is_trace(text) && add_line(facts, text, first);
        } else if (is_trace(text)) {
            inside = true;
            text = pnd_span_trim(pnd_span_behind(text, ":"));
            more = text.len == 0 || add_line(facts, text, first);
        } else if (at.len > 0 && first.len == 0 && add_frame(facts, at)) {
            first = pnd_span_until(at, " ");
        }
    }
}

/* ---- the rest ---- */

/* "failover(E+) virtio_net net_failover [last unloaded: foo]" */
static void add_modules(struct pnd_facts *facts, struct pnd_span text)
{
    text = pnd_span_until(text, "[last unloaded");
    for (text = pnd_span_trim(text); text.len > 0; text = pnd_span_trim(text)) {
        struct pnd_span name = pnd_span_until(text, " ");

        text = pnd_span_skip(text, name.len);
        name = pnd_span_until(name, "(");
        if (name.len > 0 && name.len <= PND_FACT_WORD_MAX)
            pnd_facts_add_module(facts, name.at, name.len);
    }
}

/* "CPU: 0 UID: 0 PID: 712 Comm: kworker/0:1 Kdump: loaded Tainted: G ...", or, before 3.11,
 * "Pid: 712, comm: bash Not tainted ..." */
static bool find_task(struct pnd_span left, struct pnd_span *ret)
{
    struct pnd_linux_line line;

    while (pnd_linux_next_line(&left, &line)) {
        struct pnd_span text = pnd_span_trim(line.text);

        if ((pnd_span_has(text, "PID: ") && pnd_span_has(text, "Comm: ") &&
             (pnd_span_starts(text, "CPU: ") || pnd_span_starts(text, "PID: "))) ||
            (pnd_span_starts(text, "Pid: ") && pnd_span_has(text, "comm: "))) {
            *ret = text;
            return true;
        }
    }
    return false;
}

static struct pnd_span digits(struct pnd_span text)
{
    size_t len = 0;

    while (len < text.len && text.at[len] >= '0' && text.at[len] <= '9')
        len++;
    return pnd_span(text.at, len);
}

static void set_task(struct pnd_facts *facts, struct pnd_span text)
{
    bool old = pnd_span_starts(text, "Pid: ");
    struct pnd_span pid = digits(pnd_span_behind(text, old ? "Pid: " : "PID: "));
    struct pnd_span name = pnd_span_behind(text, old ? "comm: " : "Comm: ");

    name = pnd_span_until(name, " Kdump: ");
    name = pnd_span_until(name, " Not tainted");
    name = pnd_span_trim(pnd_span_until(name, " Tainted: "));
    if (name.len > 0 && pid.len > 0)
        pnd_facts_setf(facts, PND_FACT_TASK, "%.*s (pid %.*s)", (int)name.len, name.at,
                       (int)pid.len, pid.at);
}

static struct pnd_span from_crash(const struct found *found)
{
    return is_after_trouble(found) || !found->has_panic ? found->after_trouble : found->after_panic;
}

static const char *trigger(const struct found *found)
{
    struct pnd_span says = found->has_panic ? found->panic.text : found->trouble.text;

    if (has_any(says, watchdog_says, COUNT(watchdog_says)) ||
        (is_after_trouble(found) &&
         has_any(found->trouble.text, watchdog_says, COUNT(watchdog_says))))
        return "watchdog";
    if (pnd_span_has(says, "NMI"))
        return "nmi";
    return is_after_trouble(found) ? "oops" : "panic";
}

static void set_panic(struct pnd_facts *facts, const struct found *found)
{
    const struct pnd_linux_line *line = found->has_panic ? &found->panic : &found->trouble;

    if (!found->has_panic && !found->has_trouble)
        return;
    if (found->has_panic && is_after_trouble(found))
        pnd_facts_setf(facts, PND_FACT_PANIC, "%.*s\n%.*s", (int)found->trouble.text.len,
                       found->trouble.text.at, (int)found->panic.text.len, found->panic.text.at);
    else
        pnd_facts_set(facts, PND_FACT_PANIC, line->text.at, line->text.len);
    pnd_facts_setf(facts, PND_FACT_TRIGGER, "%s", trigger(found));
    if (line->stamp.len > 0)
        pnd_facts_set(facts, PND_FACT_UPTIME, line->stamp.at, line->stamp.len);
}

static void set_span(struct pnd_facts *facts, enum pnd_fact fact, struct pnd_span text)
{
    text = pnd_span_trim(text);
    if (text.len > 0)
        pnd_facts_set(facts, fact, text.at, text.len);
}

static struct pnd_span end_of_log(const char *log, size_t len)
{
    size_t scan = len < PND_LINUX_LOG_SCAN ? len : PND_LINUX_LOG_SCAN;

    return pnd_span(log + (len - scan), scan);
}

void pnd_facts_from_linux_log(const char *log, size_t len, struct pnd_facts *facts)
{
    struct pnd_span end = end_of_log(log, len), task;
    struct found found = look_through(end.at, end.len);

    pnd_facts_set(facts, PND_FACT_OS, "Linux", 5);
    if (found.version.len > 0) {
        set_span(facts, PND_FACT_KERNEL_VERSION, found.version);
        set_span(facts, PND_FACT_KERNEL,
                 pnd_span_until(pnd_span_behind(found.version, "Linux version "), " "));
    }
    set_span(facts, PND_FACT_BOOT_ARGS, found.command_line);
    set_span(facts, PND_FACT_MODEL, found.hardware);
    if (found.last.stamp.len > 0)
        pnd_facts_set(facts, PND_FACT_UPTIME, found.last.stamp.at, found.last.stamp.len);
    set_panic(facts, &found);
    add_modules(facts, found.modules);
    if (found.has_panic || found.has_trouble) {
        if (find_task(from_crash(&found), &task))
            set_task(facts, task);
        add_trace(facts, from_crash(&found));
    }
    pnd_facts_set_log(facts, log, len);
}

int pnd_linux_log_cpu(const char *log, size_t len)
{
    struct pnd_span end = end_of_log(log, len), task, cpu;
    struct found found = look_through(end.at, end.len);
    int number = 0;

    if ((!found.has_panic && !found.has_trouble) || !find_task(from_crash(&found), &task))
        return -1;
    cpu = digits(pnd_span_behind(task, "CPU: "));
    if (cpu.len == 0 || cpu.len > 5)
        return -1;
    for (size_t i = 0; i < cpu.len; i++)
        number = number * 10 + (cpu.at[i] - '0');
    return number;
}
