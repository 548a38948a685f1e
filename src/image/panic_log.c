/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The reader of panic logs: which line is what; see panic_log.h. */
#include "image/panic_log.h"

#include "image/panic_line.h"

/* What the lines are, where the line alone does not say it. */
enum section {
    SECTION_ANY,
    SECTION_REGISTERS, /* of a trap */
    SECTION_LOADED,    /* kexts */
};

enum how {
    HOW_TEXT,
    HOW_NEXT_LINE, /* of the same line if there is something, else of the next */
    HOW_HEX,
    HOW_DECIMAL,
};

/* Lines that begin so, after blanks. The longer of two that begin alike stands first. */
static const struct {
    const char *key;
    enum pnd_panic_field field;
    enum how how;
} fields[] = {
    {"BSD process name corresponding to current thread", PND_PANIC_PROCESS, HOW_TEXT},
    {"Process name corresponding to current thread", PND_PANIC_PROCESS, HOW_TEXT},
    {"Boot args:", PND_PANIC_BOOT_ARGS, HOW_TEXT},
    {"Mac OS version:", PND_PANIC_MAC_OS_VERSION, HOW_NEXT_LINE},
    {"macOS version:", PND_PANIC_MACOS_VERSION, HOW_TEXT},
    {"OS release type:", PND_PANIC_OS_RELEASE_TYPE, HOW_TEXT},
    {"OS version:", PND_PANIC_OS_VERSION, HOW_TEXT},
    {"Kernel version:", PND_PANIC_KERNEL_VERSION, HOW_NEXT_LINE},
    {"Fileset Kernelcache UUID:", PND_PANIC_FILESET_UUID, HOW_TEXT},
    {"KernelCache UUID:", PND_PANIC_FILESET_UUID, HOW_TEXT},
    {"Kernel UUID:", PND_PANIC_KERNEL_UUID, HOW_TEXT},
    {"Boot session UUID:", PND_PANIC_BOOT_SESSION, HOW_TEXT},
    {"System model name:", PND_PANIC_MODEL, HOW_TEXT},
    {"Device:", PND_PANIC_DEVICE, HOW_TEXT},
    {"Hardware Model:", PND_PANIC_HARDWARE, HOW_TEXT},
    {"iBoot version:", PND_PANIC_IBOOT, HOW_TEXT},
    {"System uptime in nanoseconds:", PND_PANIC_UPTIME_NS, HOW_DECIMAL},
    {"mach_absolute_time:", PND_PANIC_ABSOLUTE_TIME, HOW_HEX},
    {"Boot    :", PND_PANIC_EPOCH_BOOT, HOW_HEX},
    {"Sleep   :", PND_PANIC_EPOCH_SLEEP, HOW_HEX},
    {"Wake    :", PND_PANIC_EPOCH_WAKE, HOW_HEX},
    {"Calendar:", PND_PANIC_EPOCH_CALENDAR, HOW_HEX},
    {"KernelCache slide:", PND_PANIC_CACHE_SLIDE, HOW_HEX},
    {"KernelCache base:", PND_PANIC_CACHE_BASE, HOW_HEX},
    {"Kernel slide:", PND_PANIC_KERNEL_SLIDE, HOW_HEX},
    {"Kernel text base:", PND_PANIC_KERNEL_BASE, HOW_HEX},
    {"Kernel text exec slide:", PND_PANIC_EXEC_SLIDE, HOW_HEX},
    {"Kernel text exec base:", PND_PANIC_EXEC_BASE, HOW_HEX},
    {"__HIB  text base:", PND_PANIC_HIB_BASE, HOW_HEX},
    {"System shutdown begun:", PND_PANIC_SHUTDOWN, HOW_TEXT},
};

enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };

/* What else ends a panic string. */
static const char *const ends[] = {
    "panic(cpu ",        "Debugger message: ",   "Debugger called: ",
    "Panicked task ",    "Backtrace (CPU ",      "Latest stack backtrace",
    "Panicked thread: ", "Backtrace continues",  "ECID:",
    "Memory ID:",        "Backtrace terminated", "Paniclog version:",
};

void pnd_panic_log_init(struct pnd_panic_log *log, const char *text, size_t len)
{
    *log = (struct pnd_panic_log){.rest = {text, len}};
}

static unsigned find_field(struct pnd_str line)
{
    for (unsigned i = 0; i < FIELDS; i++)
        if (pnd_str_starts(line, fields[i].key))
            return i;
    return FIELDS;
}

static bool ends_string(struct pnd_str line)
{
    pnd_str_blanks(&line);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        if (pnd_str_starts(line, ends[i]))
            return true;
    return find_field(line) < FIELDS;
}

/* The whole message: the rest of its first line, and the lines that are nothing else. */
static struct pnd_str whole_message(struct pnd_str first, struct pnd_str rest)
{
    struct pnd_str text = first, line;

    while (pnd_str_line(&rest, &line) && !ends_string(line)) {
        size_t len = (size_t)(line.at + line.len - text.at);

        if (len > PND_PANIC_STRING_MAX)
            break;
        text.len = len;
    }
    return pnd_str_trim(text);
}

static bool read_string(struct pnd_panic_log *log, struct pnd_str line, struct pnd_panic_event *ret)
{
    if (!pnd_panic_line_string(&line, ret))
        return false;
    log->message = line;
    ret->text = whole_message(line, log->rest);
    return true;
}

/* "Debugger called: <message>", "Debugger message: panic" */
static bool read_debugger(struct pnd_str line, struct pnd_panic_event *ret)
{
    struct pnd_panic_event event = {.kind = PND_PANIC_DEBUGGER};

    if (pnd_str_take(&line, "Debugger called: ")) {
        pnd_str_take(&line, "<");
        if (line.len > 0 && line.at[line.len - 1] == '>')
            line.len--;
    } else if (!pnd_str_take(&line, "Debugger message: ")) {
        return false;
    }
    event.text = pnd_str_trim(line);
    *ret = event;
    return true;
}

/* "(0x..): name", ": name" */
static struct pnd_str process_name(struct pnd_str text)
{
    struct pnd_str thread;

    pnd_str_blanks(&text);
    if (pnd_str_take(&text, "(") && !pnd_str_until(&text, ")", &thread))
        text.len = 0;
    pnd_str_take(&text, ":");
    return pnd_str_trim(text);
}

static bool field_event(unsigned index, struct pnd_str text, struct pnd_panic_event *ret)
{
    struct pnd_panic_event event = {.kind = PND_PANIC_FIELD, .field = fields[index].field};
    struct pnd_str number;

    event.text = fields[index].field == PND_PANIC_PROCESS ? process_name(text) : pnd_str_trim(text);
    if (event.text.len == 0)
        return false;
    number = event.text;
    if (fields[index].how == HOW_HEX && !pnd_str_hex(&number, &event.number))
        return false;
    if (fields[index].how == HOW_DECIMAL && !pnd_str_decimal(&number, &event.number))
        return false;
    *ret = event;
    return true;
}

static bool read_field(struct pnd_panic_log *log, struct pnd_str line, struct pnd_panic_event *ret)
{
    unsigned index;

    pnd_str_blanks(&line);
    index = find_field(line);
    if (index == FIELDS)
        return false;
    pnd_str_take(&line, fields[index].key);
    log->section = SECTION_ANY;
    if (field_event(index, line, ret))
        return true;
    if (fields[index].how == HOW_NEXT_LINE)
        log->deferred = index + 1;
    return false;
}

/* Lines that are what they are by their form. */
static bool read_form(struct pnd_str line, struct pnd_panic_event *ret)
{
    return pnd_panic_line_frame(line, ret) || pnd_panic_line_kext(line, ret) ||
           pnd_panic_line_backtrace(line, ret) || pnd_panic_line_backtrace_end(line, ret) ||
           pnd_panic_line_task(line, ret) || pnd_panic_line_core(line, ret) ||
           pnd_panic_line_last_kext(line, ret) || read_debugger(line, ret);
}

/* Lines that are told by where they are. */
static bool read_section(struct pnd_panic_log *log, struct pnd_str line,
                         struct pnd_panic_event *ret)
{
    if (log->section == SECTION_REGISTERS && pnd_panic_line_register(&line, ret)) {
        log->pending = line;
        return true;
    }
    if (log->section == SECTION_LOADED) {
        if (pnd_panic_line_loaded(line, ret))
            return true;
        log->section = SECTION_ANY;
    }
    if (pnd_str_starts(line, "loaded kexts:"))
        log->section = SECTION_LOADED;
    return false;
}

static bool read_line(struct pnd_panic_log *log, struct pnd_str line, struct pnd_panic_event *ret)
{
    unsigned deferred = log->deferred;

    log->deferred = 0;
    if (deferred > 0 && find_field(line) == FIELDS && field_event(deferred - 1, line, ret))
        return true;
    if (read_string(log, line, ret) || read_field(log, line, ret))
        return true;
    if (read_form(line, ret)) {
        log->section = SECTION_ANY;
        return true;
    }
    return read_section(log, line, ret);
}

/* What is still to be told of a line that has been read. */
static bool read_more(struct pnd_panic_log *log, struct pnd_panic_event *ret)
{
    struct pnd_str message = log->message;

    log->message.len = 0;
    if (message.len > 0 && pnd_panic_line_trap(message, ret)) {
        log->section = SECTION_REGISTERS;
        return true;
    }
    return pnd_panic_line_register(&log->pending, ret);
}

bool pnd_panic_log_next(struct pnd_panic_log *log, struct pnd_panic_event *ret)
{
    struct pnd_str line;

    if (log->message.len + log->pending.len > 0 && read_more(log, ret))
        return true;
    log->pending.len = 0;
    while (pnd_str_line(&log->rest, &line))
        if (read_line(log, line, ret))
            return true;
    return false;
}

bool pnd_panic_string_next(struct pnd_str *message, struct pnd_str *ret)
{
    struct pnd_panic_event event;

    while (pnd_str_line(message, ret)) {
        struct pnd_str line = *ret;

        if (!pnd_panic_line_register(&line, &event) || !pnd_str_find(*ret, "0x", &(size_t){0}))
            return true;
    }
    return false;
}
