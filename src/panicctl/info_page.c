/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl info: the page that a person reads. A usual dump fits a screen; a line for each thing
 * that is known, and none for what is not. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/text.h"
#include "panicctl/info.h"
#include "store/beside.h"

enum {
    HEADLINE_CAP = 240,
    LINE_CAP = 512,
    PANIC_LINES = 3, /* of the panic string, and */
    FRAMES = 5,      /* of the backtrace, without --all */
    MODULES = 3,
    WIDE_CAP = PND_FACT_TEXT_MAX + 1,
};

/* Parts of a line, with commas between them. */
struct line {
    char text[LINE_CAP];
};

__attribute__((format(printf, 2, 3))) static void add(struct line *line, const char *fmt, ...)
{
    size_t len = strlen(line->text);
    va_list ap;

    if (len > 0 && len + 2 < LINE_CAP) {
        memcpy(line->text + len, ", ", 3);
        len += 2;
    }
    va_start(ap, fmt);
    vsnprintf(line->text + len, LINE_CAP - len, fmt, ap);
    va_end(ap);
}

static void add_fact(struct line *line, const struct pnd_info *info, const char *before,
                     enum pnd_fact fact)
{
    const char *text = pnd_facts_text(&info->facts, fact);
    char clean[LINE_CAP / 2];

    if (text[0])
        add(line, "%s%s", before, pnd_print_line(clean, sizeof(clean), text));
}

static void print_line(const char *label, const struct line *line)
{
    if (line->text[0])
        printf("  %-10s %s\n", label, line->text);
}

/* ---- why it died ---- */

static void print_headline(const struct pnd_ctl *ctl, const struct pnd_info *info, bool all)
{
    const char *at = pnd_facts_text(&info->facts, PND_FACT_PANIC);
    size_t cap = all ? WIDE_CAP : HEADLINE_CAP;
    char text[WIDE_CAP], clean[WIDE_CAP];

    for (unsigned i = 0; at[0] && (all || i < PANIC_LINES); i++) {
        size_t len = strcspn(at, "\n");

        snprintf(text, sizeof(text), "%.*s", (int)len, at);
        pnd_print_line(clean, cap, text);
        if (i == 0 && ctl->colour)
            printf("\033[1m%s\033[0m\n", clean);
        else
            printf("%s%s\n", i ? "  " : "", clean);
        at += len + (at[len] == '\n');
    }
    if (at[0])
        puts("  ...");
}

/* Those on top that say no more than that it panicked are left out. */
static unsigned first_frame(const struct pnd_facts *facts)
{
    static const char *const plain[] = {"dump_stack", "panic", "Debugger", "handle_debugger_trap"};
    unsigned first = 0;

    for (; first + 1 < facts->frame_count; first++) {
        const char *text = facts->frames[first].text;
        bool is_plain = false;

        for (size_t i = 0; text && i < sizeof(plain) / sizeof(*plain); i++)
            is_plain = is_plain || strstr(text, plain[i]);
        if (!is_plain)
            return first;
    }
    return 0;
}

static void print_frames(const struct pnd_info *info, bool all)
{
    const struct pnd_facts *facts = &info->facts;
    unsigned first = all ? 0 : first_frame(facts), end = facts->frame_count;

    if (!all && end - first > FRAMES)
        end = first + FRAMES;
    for (unsigned i = first; i < end; i++) {
        const struct pnd_fact_frame *frame = &facts->frames[i];
        char text[LINE_CAP], module[LINE_CAP];

        printf("  %-10s ", i == first ? "where" : "");
        if (frame->address && (all || !frame->text))
            printf("0x%016" PRIx64 "%s", frame->address, frame->text ? " " : "");
        if (frame->text)
            fputs(pnd_print_line(text, sizeof(text), frame->text), stdout);
        if (frame->module)
            printf(" (%s)", pnd_print_line(module, sizeof(module), frame->module));
        putchar('\n');
    }
    if (end - first < facts->frame_count)
        printf("  %-10s %u more: --all\n", "", facts->frame_count - (end - first));
}

static void print_modules(const struct pnd_info *info, bool all)
{
    const struct pnd_facts *facts = &info->facts;
    unsigned shown = 0;

    for (unsigned i = 0; i < facts->module_count; i++) {
        const struct pnd_fact_module *module = &facts->modules[i];
        char name[LINE_CAP], version[LINE_CAP];

        if (!all && (!module->in_backtrace || shown == MODULES))
            continue;
        printf("  %-10s %s", shown == 0 ? "modules" : "",
               pnd_print_line(name, sizeof(name), module->name ? module->name : "?"));
        if (module->version)
            printf(" %s", pnd_print_line(version, sizeof(version), module->version));
        if (all && (module->start || module->end))
            printf(" at 0x%" PRIx64 "-0x%" PRIx64, module->start, module->end);
        if (all && module->id)
            printf(" %s", pnd_print_line(version, sizeof(version), module->id));
        if (all && module->in_backtrace)
            fputs(" (in the backtrace)", stdout);
        putchar('\n');
        shown++;
    }
}

static void print_registers(const struct pnd_info *info)
{
    const struct pnd_facts *facts = &info->facts;

    for (unsigned i = 0; i < facts->cpu_count; i++) {
        const struct pnd_fact_cpu *cpu = &facts->cpus[i];

        if (!cpu->register_count)
            continue;
        printf("  CPU %-6u %s\n", cpu->number, cpu->panicked ? "the one that panicked" : "");
        for (unsigned k = 0; k < cpu->register_count; k++) {
            char name[64];

            printf("%s%8s %016" PRIx64 "%s", k % 3 ? "" : "  ",
                   pnd_print_line(name, sizeof(name), cpu->registers[k].name),
                   cpu->registers[k].value, k % 3 == 2 || k + 1 == cpu->register_count ? "\n" : "");
        }
    }
}

/* ---- who, when, and whether before ---- */

static void print_machine(const struct pnd_info *info)
{
    struct line machine = {0}, kernel = {0}, when = {0};
    const char *time = pnd_facts_text(&info->facts, PND_FACT_CRASH_TIME),
               *uptime = pnd_facts_text(&info->facts, PND_FACT_UPTIME),
               *release = pnd_facts_text(&info->facts, PND_FACT_KERNEL);
    char text[PND_PRINT_TIME_CAP], span[PND_TEXT_TIME_CAP];

    add_fact(&machine, info, "", PND_FACT_HOST);
    add_fact(&machine, info, "", PND_FACT_MODEL);
    add_fact(&machine, info, "", PND_FACT_ARCH);
    print_line("machine", &machine);
    add_fact(&kernel, info, "", PND_FACT_OS);
    add_fact(&kernel, info, "", PND_FACT_OS_VERSION);
    if (strcmp(release, pnd_facts_text(&info->facts, PND_FACT_OS_VERSION)) != 0)
        add_fact(&kernel, info, "", PND_FACT_KERNEL);
    add_fact(&kernel, info, "build ", PND_FACT_BUILD_ID);
    print_line("kernel", &kernel);
    if (time[0] && strlen(time) < 18)
        add(&when, "%s", pnd_print_time(text, strtoll(time, NULL, 10) * 1000));
    if (uptime[0])
        add(&when, "up %s", pnd_text_duration(span, sizeof(span), strtoull(uptime, NULL, 10)));
    add_fact(&when, info, "by ", PND_FACT_TRIGGER);
    add_fact(&when, info, "in ", PND_FACT_TASK);
    print_line("when", &when);
}

static void print_group(const struct pnd_info *info)
{
    const struct pnd_group *group = &info->group;
    char first[PND_PRINT_TIME_CAP], last[PND_PRINT_TIME_CAP], clean[LINE_CAP];
    unsigned named =
        info->machine_count < PND_INFO_MACHINES_MAX ? info->machine_count : PND_INFO_MACHINES_MAX;
    struct line others = {0};

    if (!group->count)
        return;
    if (group->count == 1 && info->subject.row)
        printf("  %-10s for the first time (group %s)\n", "seen", group->signature.id);
    else
        printf("  %-10s %" PRIu64 " time%s on %" PRIu64 " machine%s, %s to %s (group %s)\n", "seen",
               group->count, group->count == 1 ? "" : "s", group->machines,
               group->machines == 1 ? "" : "s", pnd_print_time(first, group->first_ms),
               pnd_print_time(last, group->last_ms), group->signature.id);
    for (unsigned i = 0; i < named; i++)
        add(&others, "%s", pnd_print_line(clean, sizeof(clean), info->machines[i]));
    if (group->machines > (uint64_t)named + 1 && named > 0)
        add(&others, "and others");
    print_line("also on", &others);
    if (group->note[0])
        printf("  %-10s %s\n", "note", pnd_print_line(clean, sizeof(clean), group->note));
}

/* ---- the memory ---- */

static void print_memory(const struct pnd_info *info, bool all)
{
    uint64_t sums[PND_MEMORY_COUNT] = {0};
    struct line memory = {0}, load = {0};
    char bytes[PND_TEXT_BYTES_CAP];

    for (unsigned i = 0; i < info->facts.range_count; i++) {
        for (unsigned k = 0; k < PND_MEMORY_COUNT; k++)
            sums[k] += info->facts.ranges[i].bytes[k];
    }
    for (unsigned k = 0; k < PND_MEMORY_COUNT; k++) {
        if (sums[k])
            add(&memory, "%s %s", pnd_text_bytes(bytes, sizeof(bytes), sums[k]),
                pnd_memory_name((enum pnd_memory_kind)k));
    }
    print_line("memory", &memory);
    add_fact(&load, info, "at ", PND_FACT_LOAD);
    add_fact(&load, info, "slide ", PND_FACT_SLIDE);
    print_line("loaded", &load);
    if (all) {
        struct line version = {0}, args = {0};

        add_fact(&version, info, "", PND_FACT_KERNEL_VERSION);
        print_line("version", &version);
        add_fact(&args, info, "", PND_FACT_BOOT_ARGS);
        print_line("boot-args", &args);
    }
}

/* ---- the file ---- */

static void print_received(const struct pnd_dump *dump)
{
    char start[PND_PRINT_TIME_CAP], end[PND_PRINT_TIME_CAP], rate[PND_TEXT_BYTES_CAP];
    int64_t ms = dump->received_ms - dump->started_ms;

    if (dump->received_ms == 0) {
        printf("  started    %s\n", pnd_print_time(start, dump->started_ms));
        return;
    }
    printf("  received   %s", pnd_print_time(end, dump->received_ms));
    if (dump->started_ms && ms > 0)
        printf(", in %.1f s (%s/s)", (double)ms / 1000,
               pnd_text_bytes(rate, sizeof(rate),
                              (uint64_t)((double)dump->bytes * 1000 / (double)ms)));
    putchar('\n');
    if (dump->packets)
        printf("  packets    %" PRIu64 ", of which %" PRIu64 " came more than once\n",
               dump->packets, dump->repeats);
}

static void print_missing_range(uint64_t start, uint64_t end)
{
    if (end == UINT64_MAX)
        printf("  missing    from byte %" PRIu64 " on\n", start);
    else
        printf("  missing    bytes %" PRIu64 " to %" PRIu64 "\n", start, end - 1);
}

static void print_state(const struct pnd_ctl *ctl, const struct pnd_info *info)
{
    static const char *const verdicts[] = {"complete", "incomplete", "corrupt"};
    const struct pnd_dump *dump = &info->subject.view.dump;
    const struct pnd_check *check = &info->check;
    bool row = info->subject.row;
    char name[PND_PRINT_NAME_CAP];

    if (!row)
        printf("File %s: ", pnd_print_name(name, info->subject.path));
    else if (dump->id)
        printf("Dump %" PRIu64 ": ", dump->id);
    else
        printf("Dump without a number: ");
    pnd_print_state(ctl, row ? pnd_dump_state_text(dump->state) : verdicts[check->verdict]);
    putchar('\n');
    if (row ? dump->reason[0] : check->reason[0])
        printf("  reason     %s\n", pnd_print_name(name, row ? dump->reason : check->reason));
    for (unsigned i = 0; row && i < dump->missing_count; i++)
        print_missing_range(dump->missing[i].start, dump->missing[i].end);
    for (unsigned i = 0; !row && i < check->missing_count; i++)
        print_missing_range(check->missing[i].start, check->missing[i].end);
}

static void print_beside(const struct pnd_ctl *ctl, const struct pnd_info *info)
{
    char name[PND_SPOOL_NAME_CAP], clean[PND_PRINT_NAME_CAP];
    struct line with = {0};

    for (unsigned i = 0; info->subject.row && i < PND_BESIDE_COUNT; i++)
        if (pnd_beside_there(&ctl->spool, info->subject.view.dump.file, i))
            add(&with, "%s",
                pnd_print_name(clean, pnd_beside_name(info->subject.view.dump.file, i, name)));
    print_line("with it", &with);
}

static void print_file(const struct pnd_ctl *ctl, const struct pnd_info *info)
{
    const struct pnd_dump *dump = &info->subject.view.dump;
    const char *format = pnd_subject_format(&info->subject, &info->check), *what;
    const char *sha256 = info->subject.row ? dump->sha256 : info->check.sha256;
    uint64_t bytes = info->subject.row ? dump->bytes : info->check.bytes;
    char name[PND_PRINT_NAME_CAP], size[PND_TEXT_BYTES_CAP], text[128];

    if (info->subject.row) {
        if (strcmp(dump->name, dump->file) != 0)
            printf("  name       %s\n", pnd_print_name(name, dump->name));
        printf("  file       %s/", ctl->spool.path);
        printf("%s\n", pnd_print_name(name, dump->file));
    }
    what = pnd_info_format(format, text, sizeof(text));
    printf("  size       %s (%" PRIu64 " bytes)%s%s%s%s\n",
           pnd_text_bytes(size, sizeof(size), bytes), bytes, format[0] ? ", " : "", format,
           what ? ": " : "", what ? what : "");
    print_beside(ctl, info);
    if (dump->peer[0])
        printf("  sender     %s port %u, by %s\n", pnd_print_name(name, dump->peer),
               dump->peer_port, dump->protocol);
    if (info->subject.row)
        print_received(dump);
    if (sha256[0])
        printf("  SHA-256    %s\n", sha256);
    pnd_encrypted_print(&info->encrypted, info->name);
}

static void print_next(const struct pnd_info *info)
{
    bool opens = pnd_info_opens(pnd_subject_format(&info->subject, &info->check));
    bool packs = info->subject.row && info->subject.view.dump.id && !info->subject.view.arriving;

    if (info->subject.row && !packs)
        return;
    if (opens)
        printf("\nTo open it:      panicctl debug %s\n", info->name);
    if (packs)
        printf("%sTo report it:    panicctl pack %s\n", opens ? "" : "\n", info->name);
}

void pnd_info_page(const struct pnd_ctl *ctl, const struct pnd_info *info, bool all)
{
    print_headline(ctl, info, all);
    print_state(ctl, info);
    print_machine(info);
    print_frames(info, all);
    print_modules(info, all);
    print_group(info);
    print_memory(info, all);
    if (all)
        print_registers(info);
    print_file(ctl, info);
    print_next(info);
}
