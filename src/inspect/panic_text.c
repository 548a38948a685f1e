/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a panic log of a Darwin kernel, or of panicbox in the same form, says as facts.
 * @source PROTOCOL.md#kdp-9.1, #kdp-9.2, #kdp-9.3, #kdp-9.5 */
#include <inttypes.h>
#include <string.h>

#include "image/kext_name.h"
#include "image/panic_log.h"
#include "inspect/reader.h"

enum {
    NS_PER_MS = 1000000,
    MS_PER_S = 1000,
    PANICKED = 0, /* its index among the CPUs */
};

struct reading {
    struct pnd_facts *facts;
    bool string;         /* a panic string was read */
    bool trap;           /* and it is of a trap */
    bool frames_done;    /* those of the thread that panicked */
    bool task;           /* with its process id */
    bool slide;          /* was told */
    uint64_t boot_s;     /* when the machine started, since 1970; 0: not told */
    uint64_t cpu_number; /* that panicked */
};

/* Registers as the log names them, and as debuggers do. */
static const struct {
    const char *log, *name;
} registers[] = {
    {"RAX", "rax"}, {"RBX", "rbx"},       {"RCX", "rcx"},          {"RDX", "rdx"}, {"RSP", "rsp"},
    {"RBP", "rbp"}, {"RSI", "rsi"},       {"RDI", "rdi"},          {"R8", "r8"},   {"R9", "r9"},
    {"R10", "r10"}, {"R11", "r11"},       {"R12", "r12"},          {"R13", "r13"}, {"R14", "r14"},
    {"R15", "r15"}, {"RFL", "rflags"},    {"RIP", "rip"},          {"EAX", "eax"}, {"EBX", "ebx"},
    {"ECX", "ecx"}, {"EDX", "edx"},       {"ESP", "esp"},          {"EBP", "ebp"}, {"ESI", "esi"},
    {"EDI", "edi"}, {"EFL", "eflags"},    {"EIP", "eip"},          {"CS", "cs"},   {"SS", "ss"},
    {"DS", "ds"},   {"ES", "es"},         {"CR0", "cr0"},          {"CR2", "cr2"}, {"CR3", "cr3"},
    {"CR4", "cr4"}, {"Fault CR2", "cr2"}, {"Error code", "error"}, {"fp", "fp"},   {"lr", "lr"},
    {"sp", "sp"},   {"pc", "pc"},         {"cpsr", "cpsr"},        {"esr", "esr"}, {"far", "far"},
};

static struct pnd_fact_cpu *find_cpu(struct pnd_facts *facts, uint64_t number)
{
    for (unsigned i = 0; i < facts->cpu_count; i++)
        if (facts->cpus[i].number == number)
            return &facts->cpus[i];
    return NULL;
}

static struct pnd_fact_cpu *need_cpu(struct pnd_facts *facts, uint64_t number, bool panicked)
{
    struct pnd_fact_cpu *cpu = find_cpu(facts, number);

    if (cpu || number > UINT32_MAX)
        return cpu;
    return pnd_facts_add_cpu(facts, (unsigned)number, panicked);
}

/* Twice told, the first counts: "Fault CR2" is CR2 again. */
static void add_register(struct pnd_facts *facts, struct pnd_fact_cpu *cpu, const char *name,
                         uint64_t value)
{
    if (!cpu)
        return;
    for (unsigned i = 0; i < cpu->register_count; i++)
        if (strcmp(cpu->registers[i].name, name) == 0)
            return;
    pnd_facts_add_register(facts, cpu, name, value);
}

static void on_register(struct reading *reading, const struct pnd_panic_event *event)
{
    struct pnd_fact_cpu *cpu = need_cpu(reading->facts, reading->cpu_number, true);
    struct pnd_str digits = event->name;
    uint64_t number;
    char name[8];

    for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++)
        if (pnd_str_is(event->name, registers[i].log)) {
            add_register(reading->facts, cpu, registers[i].name, event->number);
            return;
        }
    if (pnd_str_take(&digits, "x") && pnd_str_decimal(&digits, &number) && number < 31) {
        snprintf(name, sizeof(name), "x%u", (unsigned)number);
        add_register(reading->facts, cpu, name, event->number);
    }
}

static bool contains(struct pnd_str text, const char *word)
{
    return pnd_str_find(text, word, &(size_t){0});
}

/* Without the registers, which are facts of their own. */
static void set_panic(struct pnd_facts *facts, struct pnd_str message)
{
    char text[PND_FACT_TEXT_MAX + 2];
    struct pnd_str line;
    size_t len = 0;

    while (pnd_panic_string_next(&message, &line) && len < sizeof(text) - 1) {
        size_t room = sizeof(text) - 1 - len, take = line.len < room ? line.len : room;

        memcpy(text + len, line.at, take);
        len += take;
        text[len++] = '\n';
    }
    line = pnd_str_trim((struct pnd_str){text, len});
    pnd_facts_set(facts, PND_FACT_PANIC, line.at, line.len);
}

static void set_trigger(struct pnd_facts *facts, const char *word)
{
    pnd_facts_set(facts, PND_FACT_TRIGGER, word, strlen(word));
}

/* Until a trap says more. */
static void guess_trigger(struct pnd_facts *facts, struct pnd_str text)
{
    if (contains(text, "watchdog timeout") || contains(text, "WDT timeout"))
        set_trigger(facts, "watchdog");
    else
        set_trigger(facts, pnd_str_starts(text, "NMI") ? "nmi" : "panic");
}

static void on_string(struct reading *reading, const struct pnd_panic_event *event)
{
    if (reading->string) /* a panic within the panic */
        return;
    reading->string = true;
    reading->cpu_number = event->number;
    set_panic(reading->facts, event->text);
    need_cpu(reading->facts, event->number, true);
    guess_trigger(reading->facts, event->text);
}

static void on_debugger(struct reading *reading, const struct pnd_panic_event *event)
{
    if (reading->string || pnd_str_is(event->text, "panic"))
        return;
    pnd_facts_set(reading->facts, PND_FACT_PANIC, event->text.at, event->text.len);
    guess_trigger(reading->facts, event->text);
}

/* The CPU that panicked stands first. */
static void on_panicked(struct reading *reading, uint64_t number)
{
    struct pnd_facts *facts = reading->facts;
    struct pnd_fact_cpu *cpu = need_cpu(facts, number, true), moved;

    if (!cpu)
        return;
    for (unsigned i = 0; i < facts->cpu_count; i++)
        facts->cpus[i].panicked = false;
    cpu->panicked = true;
    moved = *cpu;
    *cpu = facts->cpus[PANICKED];
    facts->cpus[PANICKED] = moved;
}

static void on_core(struct reading *reading, const struct pnd_panic_event *event)
{
    struct pnd_fact_cpu *cpu = need_cpu(reading->facts, event->number, false);

    add_register(reading->facts, cpu, "pc", event->address);
    add_register(reading->facts, cpu, "lr", event->end);
    add_register(reading->facts, cpu, "fp", event->start);
}

static void on_frame(struct reading *reading, const struct pnd_panic_event *event)
{
    bool kernel = event->name.len == 0 || pnd_str_is(event->name, "mach_kernel");

    if (!reading->frames_done)
        pnd_facts_add_frame(reading->facts, event->address, event->start,
                            event->text.len > 0 ? event->text.at : NULL, event->text.len,
                            kernel ? NULL : event->name.at, event->name.len);
}

/* Other backtraces are of other threads and CPUs. */
static void on_backtrace(struct reading *reading)
{
    if (reading->facts->frame_count > 0)
        reading->frames_done = true;
}

static struct pnd_fact_module *find_module(struct pnd_facts *facts, const char *name)
{
    for (unsigned i = 0; i < facts->module_count; i++)
        if (facts->modules[i].name && strcmp(facts->modules[i].name, name) == 0)
            return &facts->modules[i];
    return NULL;
}

/* A kext is told up to three times; each time adds what was not known. */
static void on_kext(struct reading *reading, const struct pnd_panic_event *event)
{
    struct pnd_facts *facts = reading->facts;
    struct pnd_fact_module *module;
    char name[PND_KEXT_NAME_CAP];
    size_t len = pnd_kext_name_expand(event->name.at, event->name.len, name, sizeof(name));

    module = find_module(facts, name);
    if (!module)
        module = pnd_facts_add_module(facts, name, len);
    if (!module)
        return;
    if (!module->version)
        pnd_facts_set_word(facts, &module->version, event->version.at, event->version.len);
    if (!module->id)
        pnd_facts_set_word(facts, &module->id, event->uuid.at, event->uuid.len);
    if (module->start == 0 && module->end == 0 && event->end > event->start) {
        module->start = event->start;
        module->end = event->end;
    }
    module->in_backtrace |= event->kind == PND_PANIC_KEXT;
}

static void on_task(struct reading *reading, const struct pnd_panic_event *event)
{
    reading->task = true;
    if (event->number == 0)
        pnd_facts_set(reading->facts, PND_FACT_TASK, event->name.at, event->name.len);
    else
        pnd_facts_setf(reading->facts, PND_FACT_TASK, "%.*s (pid %" PRIu64 ")",
                       (int)event->name.len, event->name.at, event->number);
}

static void set_address(struct pnd_facts *facts, enum pnd_fact fact, uint64_t address)
{
    pnd_facts_setf(facts, fact, "0x%" PRIx64, address);
}

/* "Darwin Kernel Version 21.4.0: ...; root:xnu-8020.101.4~15/RELEASE_X86_64" */
static void on_kernel_version(struct pnd_facts *facts, struct pnd_str text)
{
    static const struct {
        const char *word, *arch;
    } archs[] = {{"X86_64", "x86_64"}, {"ARM64", "arm64"}, {"I386", "i386"}, {"PPC", "ppc"}};
    struct pnd_str rest = text, skipped;
    size_t len = 0;

    pnd_facts_set(facts, PND_FACT_KERNEL_VERSION, text.at, text.len);
    if (!facts->text[PND_FACT_OS])
        pnd_facts_setf(facts, PND_FACT_OS, "%s",
                       pnd_str_starts(text, "Panicbox") ? "panicbox" : "Darwin");
    if (!pnd_str_until(&rest, "root:", &skipped))
        return;
    while (len < rest.len && rest.at[len] != '~' && rest.at[len] != '/' && rest.at[len] != ' ')
        len++;
    pnd_facts_set(facts, PND_FACT_KERNEL, rest.at, len);
    pnd_str_skip(&rest, len);
    for (size_t i = 0; i < sizeof(archs) / sizeof(archs[0]); i++)
        if (contains(rest, archs[i].word)) {
            pnd_facts_setf(facts, PND_FACT_ARCH, "%s", archs[i].arch);
            break;
        }
}

static void on_os_version(struct pnd_facts *facts, const struct pnd_panic_event *event)
{
    struct pnd_str text = event->text;

    if (pnd_str_take(&text, "panicbox "))
        pnd_facts_setf(facts, PND_FACT_OS, "panicbox");
    else if (event->field == PND_PANIC_MAC_OS_VERSION)
        pnd_facts_setf(facts, PND_FACT_OS, "macOS");
    if (!pnd_str_is(text, "Not yet set")) /* a panic early at boot */
        pnd_facts_set(facts, PND_FACT_OS_VERSION, text.at, text.len);
}

static void on_device(struct pnd_facts *facts, const struct pnd_panic_event *event)
{
    const char *known = pnd_facts_text(facts, PND_FACT_MODEL);
    char before[PND_FACT_WORD_MAX + 1];

    if (event->field == PND_PANIC_HARDWARE && known[0]) {
        snprintf(before, sizeof(before), "%s", known);
        pnd_facts_setf(facts, PND_FACT_MODEL, "%s (%.*s)", before, (int)event->text.len,
                       event->text.at);
    } else {
        pnd_facts_set(facts, PND_FACT_MODEL, event->text.at, event->text.len);
    }
    if (pnd_str_starts(event->text, "Mac") || pnd_str_starts(event->text, "iMac"))
        pnd_facts_setf(facts, PND_FACT_OS, "macOS");
}

static void on_time(struct reading *reading, const struct pnd_panic_event *event)
{
    struct pnd_facts *facts = reading->facts;
    uint64_t s = event->number;

    if (event->field == PND_PANIC_EPOCH_BOOT) {
        reading->boot_s = s;
    } else if (event->field == PND_PANIC_EPOCH_CALENDAR && s > 0) {
        pnd_facts_setf(facts, PND_FACT_CRASH_TIME, "%" PRIu64, s);
        if (reading->boot_s > 0 && s >= reading->boot_s && !facts->text[PND_FACT_UPTIME])
            pnd_facts_setf(facts, PND_FACT_UPTIME, "%" PRIu64, s - reading->boot_s);
    } else if (event->field == PND_PANIC_UPTIME_NS) {
        uint64_t ms = event->number / NS_PER_MS;

        pnd_facts_setf(facts, PND_FACT_UPTIME, "%" PRIu64 ".%03u", ms / MS_PER_S,
                       (unsigned)(ms % MS_PER_S));
    }
}

static void on_address(struct reading *reading, const struct pnd_panic_event *event)
{
    if (event->field == PND_PANIC_KERNEL_SLIDE) {
        set_address(reading->facts, PND_FACT_SLIDE, event->number);
        reading->slide = true;
        return;
    }
    set_address(reading->facts, PND_FACT_LOAD, event->number);
    if (!reading->slide) /* it stands before this line, unless it is 0 */
        set_address(reading->facts, PND_FACT_SLIDE, 0);
}

static void on_field(struct reading *reading, const struct pnd_panic_event *event)
{
    struct pnd_facts *facts = reading->facts;

    switch (event->field) {
    case PND_PANIC_PROCESS:
        if (!reading->task)
            pnd_facts_set(facts, PND_FACT_TASK, event->text.at, event->text.len);
        break;
    case PND_PANIC_BOOT_ARGS:
        pnd_facts_set(facts, PND_FACT_BOOT_ARGS, event->text.at, event->text.len);
        break;
    case PND_PANIC_MAC_OS_VERSION:
    case PND_PANIC_OS_VERSION:
        on_os_version(facts, event);
        break;
    case PND_PANIC_KERNEL_VERSION:
        on_kernel_version(facts, event->text);
        break;
    case PND_PANIC_KERNEL_UUID:
        pnd_facts_set(facts, PND_FACT_BUILD_ID, event->text.at, event->text.len);
        break;
    case PND_PANIC_MODEL:
    case PND_PANIC_DEVICE:
    case PND_PANIC_HARDWARE:
        on_device(facts, event);
        break;
    case PND_PANIC_UPTIME_NS:
    case PND_PANIC_EPOCH_BOOT:
    case PND_PANIC_EPOCH_CALENDAR:
        on_time(reading, event);
        break;
    case PND_PANIC_KERNEL_SLIDE:
    case PND_PANIC_KERNEL_BASE:
        on_address(reading, event);
        break;
    default:
        break;
    }
}

static void on_event(struct reading *reading, const struct pnd_panic_event *event)
{
    switch (event->kind) {
    case PND_PANIC_STRING:
        on_string(reading, event);
        break;
    case PND_PANIC_DEBUGGER:
        on_debugger(reading, event);
        break;
    case PND_PANIC_TRAP:
        if (!reading->trap &&
            strcmp(pnd_facts_text(reading->facts, PND_FACT_TRIGGER), "panic") == 0)
            set_trigger(reading->facts, "trap");
        reading->trap = true;
        break;
    case PND_PANIC_REGISTER:
        on_register(reading, event);
        break;
    case PND_PANIC_TASK:
        on_task(reading, event);
        break;
    case PND_PANIC_THREAD:
    case PND_PANIC_BACKTRACE:
    case PND_PANIC_BACKTRACE_END:
        on_backtrace(reading);
        break;
    case PND_PANIC_FRAME:
        on_frame(reading, event);
        break;
    case PND_PANIC_KEXT:
    case PND_PANIC_DEPENDENCY:
    case PND_PANIC_LAST_STARTED:
    case PND_PANIC_LOADED:
        on_kext(reading, event);
        break;
    case PND_PANIC_CORE:
        on_core(reading, event);
        break;
    case PND_PANIC_CORE_PANICKED:
        on_panicked(reading, event->number);
        break;
    case PND_PANIC_FIELD:
        on_field(reading, event);
        break;
    case PND_PANIC_LAST_STOPPED:
    case PND_PANIC_KINDS:
        break;
    }
}

/* What is called in a kext's range is in the kext, though the log says no more of it. */
static void place_frames(struct pnd_facts *facts)
{
    for (unsigned f = 0; f < facts->frame_count; f++) {
        struct pnd_fact_frame *frame = &facts->frames[f];
        uint64_t call = frame->address > 0 ? frame->address - 1 : 0;

        for (unsigned m = 0; m < facts->module_count && !frame->module && !frame->text; m++) {
            const struct pnd_fact_module *module = &facts->modules[m];

            if (module->name && call >= module->start && call < module->end)
                pnd_facts_set_word(facts, &frame->module, module->name, strlen(module->name));
        }
    }
}

/* The kernel's version tells it; a log that is cut may have no version. */
static void guess_arch(struct pnd_facts *facts)
{
    static const struct {
        const char *name, *arch;
    } marks[] = {{"rip", "x86_64"}, {"eip", "i386"}, {"x0", "arm64"}, {"pc", "arm64"}};

    if (facts->text[PND_FACT_ARCH] || facts->cpu_count == 0)
        return;
    for (unsigned i = 0; i < facts->cpus[PANICKED].register_count; i++)
        for (size_t m = 0; m < sizeof(marks) / sizeof(marks[0]); m++)
            if (strcmp(facts->cpus[PANICKED].registers[i].name, marks[m].name) == 0)
                pnd_facts_setf(facts, PND_FACT_ARCH, "%s", marks[m].arch);
}

void pnd_facts_from_panic_log(const char *log, size_t len, struct pnd_facts *facts)
{
    struct reading reading = {.facts = facts};
    struct pnd_panic_event event;
    struct pnd_panic_log reader;

    pnd_panic_log_init(&reader, log, len);
    while (pnd_panic_log_next(&reader, &event))
        on_event(&reading, &event);
    place_frames(facts);
    guess_arch(facts);
    pnd_facts_set_log(facts, log, len);
}
