/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Lines of a panic log; see panic_line.h. */
#include "image/panic_line.h"

enum {
    REGISTER_NAME_MAX = 12, /* "Error code" */
    REMARK_MAX = 32,        /* looked through for every register, so bounded */
};

bool pnd_panic_line_string(struct pnd_str *line, struct pnd_panic_event *ret)
{
    struct pnd_panic_event event = {.kind = PND_PANIC_STRING};
    struct pnd_str rest = *line;

    pnd_str_blanks(&rest);
    if (!pnd_str_take(&rest, "panic(cpu ") || !pnd_str_decimal(&rest, &event.number))
        return false;
    if (pnd_str_take(&rest, " caller "))
        pnd_str_hex(&rest, &event.address);
    if (!pnd_str_take(&rest, "):"))
        return false;
    pnd_str_blanks(&rest);
    *line = rest;
    *ret = event;
    return true;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* A name of letters and digits, maybe two words ("Fault CPU", "Error code"), and its colon. */
static bool take_register_name(struct pnd_str *line, struct pnd_str *ret)
{
    struct pnd_str rest = *line, near, name;

    pnd_str_blanks(&rest);
    near = (struct pnd_str){rest.at, rest.len < REMARK_MAX ? rest.len : REMARK_MAX};
    if (!pnd_str_until(&near, ":", &name))
        return false;
    pnd_str_skip(&rest, name.len + 1);
    name = pnd_str_trim(name);
    if (name.len == 0 || name.len > REGISTER_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!is_name_char(name.at[i]) && name.at[i] != ' ')
            return false;
    *line = rest;
    *ret = name;
    return true;
}

/* What stands behind a number and is neither it nor the next name: " VMM", a comma, ",...". */
static void skip_remark(struct pnd_str *line)
{
    struct pnd_str remark, near = {line->at, line->len < REMARK_MAX ? line->len : REMARK_MAX};

    if (pnd_str_take(line, ","))
        return;
    if (line->len > 0 && line->at[0] != ' ' && line->at[0] != '\t')
        *line = (struct pnd_str){line->at, 0};
    else if (pnd_str_until(&near, ",", &remark) && !pnd_str_find(remark, ":", &(size_t){0}))
        pnd_str_skip(line, remark.len + 1);
}

bool pnd_panic_line_register(struct pnd_str *line, struct pnd_panic_event *ret)
{
    struct pnd_panic_event event = {.kind = PND_PANIC_REGISTER};
    struct pnd_str rest = *line;

    if (!take_register_name(&rest, &event.name))
        return false;
    pnd_str_blanks(&rest);
    if (!pnd_str_address(&rest, &event.number) && !pnd_str_decimal(&rest, &event.number))
        return false;
    skip_remark(&rest);
    *line = rest;
    *ret = event;
    return true;
}

/* ", type = 14=page fault, registers:", ", type 14=page fault, registers:" */
static void read_trap_type(struct pnd_str rest, struct pnd_panic_event *event)
{
    struct pnd_str before, type;
    uint64_t number;

    if (!pnd_str_until(&rest, "type ", &before))
        return;
    pnd_str_take(&rest, "= ");
    if (!pnd_str_decimal(&rest, &number) || !pnd_str_take(&rest, "="))
        return;
    event->number = number;
    if (pnd_str_until(&rest, ",", &type))
        event->text = type;
}

bool pnd_panic_line_trap(struct pnd_str line, struct pnd_panic_event *ret)
{
    struct pnd_panic_event event = {.kind = PND_PANIC_TRAP, .number = UINT64_MAX};
    struct pnd_str rest = line;

    if (pnd_str_until(&rest, " at pc 0x", &event.text)) {
        if (!pnd_str_hex(&rest, &event.address) || !pnd_str_take(&rest, ", lr "))
            return false;
        event.name = event.text;
        *ret = event;
        return true;
    }
    if (!pnd_str_until(&rest, " at 0x", &event.name) || !pnd_str_hex(&rest, &event.address))
        return false;
    if (!pnd_str_find(rest, "registers:", &(size_t){0}))
        return false;
    event.text = event.name;
    read_trap_type(rest, &event);
    *ret = event;
    return true;
}

bool pnd_panic_line_backtrace(struct pnd_str line, struct pnd_panic_event *ret)
{
    struct pnd_panic_event event = {.kind = PND_PANIC_BACKTRACE};
    struct pnd_str skipped;

    if (pnd_str_take(&line, "Panicked thread: ")) {
        event.kind = PND_PANIC_THREAD;
        if (!pnd_str_hex(&line, &event.address))
            return false;
        if (pnd_str_until(&line, "tid: ", &skipped))
            pnd_str_decimal(&line, &event.number);
        *ret = event;
        return true;
    }
    if (!pnd_str_take(&line, "Backtrace (CPU ") || !pnd_str_decimal(&line, &event.number))
        return false;
    if (pnd_str_until(&line, "thread: ", &skipped))
        pnd_str_hex(&line, &event.address);
    *ret = event;
    return true;
}

bool pnd_panic_line_backtrace_end(struct pnd_str line, struct pnd_panic_event *ret)
{
    struct pnd_panic_event event = {.kind = PND_PANIC_BACKTRACE_END};

    event.text = pnd_str_trim(line);
    if (!pnd_str_starts(event.text, "Backtrace continues") &&
        !pnd_str_starts(event.text, "Backtrace terminated"))
        return false;
    *ret = event;
    return true;
}

/* "mach_kernel : _panic + 0x1f"; the four arguments that old kernels show are no such thing. */
static void read_frame_symbol(struct pnd_str rest, struct pnd_panic_event *event)
{
    struct pnd_str name;

    pnd_str_blanks(&rest);
    if (pnd_str_starts(rest, "(") || !pnd_str_until(&rest, " : ", &name))
        return;
    event->name = pnd_str_trim(name);
    event->text = pnd_str_trim(rest);
}

bool pnd_panic_line_frame(struct pnd_str line, struct pnd_panic_event *ret)
{
    struct pnd_panic_event event = {.kind = PND_PANIC_FRAME};

    pnd_str_blanks(&line);
    if (pnd_str_take(&line, "lr: ")) {
        if (!pnd_str_address(&line, &event.address))
            return false;
        pnd_str_blanks(&line);
        if (!pnd_str_take(&line, "fp: ") || !pnd_str_address(&line, &event.start))
            return false;
        *ret = event;
        return true;
    }
    if (!pnd_str_address(&line, &event.start))
        return false;
    pnd_str_blanks(&line);
    if (!pnd_str_take(&line, ": ") || !pnd_str_address(&line, &event.address))
        return false;
    read_frame_symbol(line, &event);
    *ret = event;
    return true;
}

bool pnd_panic_line_kext(struct pnd_str line, struct pnd_panic_event *ret)
{
    struct pnd_panic_event event = {.kind = PND_PANIC_KEXT};

    pnd_str_blanks(&line);
    if (pnd_str_take(&line, "dependency: "))
        event.kind = PND_PANIC_DEPENDENCY;
    if (!pnd_str_until(&line, "(", &event.name) || !pnd_str_until(&line, ")", &event.version))
        return false;
    if (event.name.len == 0 || pnd_str_find(event.name, " ", &(size_t){0}))
        return false;
    if (pnd_str_take(&line, "[") && !pnd_str_until(&line, "]", &event.uuid))
        return false;
    if (!pnd_str_take(&line, "@") || !pnd_str_hex(&line, &event.start))
        return false;
    if (pnd_str_take(&line, "->") && pnd_str_hex(&line, &event.end) && event.end < UINT64_MAX)
        event.end++; /* the text has the last address */
    if (event.end <= event.start)
        event.end = 0;
    *ret = event;
    return true;
}

bool pnd_panic_line_last_kext(struct pnd_str line, struct pnd_panic_event *ret)
{
    struct pnd_panic_event event = {.kind = PND_PANIC_LAST_STARTED};
    struct pnd_str words;
    uint64_t size;
    size_t at;

    pnd_str_take(&line, "last ");
    if (pnd_str_take(&line, "stopped kext at ") || pnd_str_take(&line, "unloaded kext at "))
        event.kind = PND_PANIC_LAST_STOPPED;
    else if (!pnd_str_take(&line, "started kext at ") && !pnd_str_take(&line, "loaded kext at "))
        return false;
    if (!pnd_str_decimal(&line, &event.number) || !pnd_str_take(&line, ": "))
        return false;
    words = line;
    if (pnd_str_until(&line, "(addr ", &words) && pnd_str_hex(&line, &event.start) &&
        pnd_str_take(&line, ", size ") && pnd_str_decimal(&line, &size) &&
        size <= UINT64_MAX - event.start)
        event.end = event.start + size;
    words = pnd_str_trim(words);
    event.name = words;
    if (pnd_str_find(words, "\t", &at) || pnd_str_find(words, " ", &at)) {
        event.name.len = at;
        pnd_str_skip(&words, at);
        event.version = pnd_str_trim(words);
    }
    *ret = event;
    return event.name.len > 0;
}

/* A bundle id, maybe shortened; a word without a dot or a mark is text of something else. */
static bool is_kext_name(struct pnd_str name)
{
    bool dotted = false;

    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];
        bool mark = c == '.' || (i == 0 && (c == '>' || c == '|' || c == '$' || c == '@'));

        dotted |= mark;
        if (!mark && !is_name_char(c) && c != '!' && c != '-')
            return false;
    }
    return dotted;
}

bool pnd_panic_line_loaded(struct pnd_str line, struct pnd_panic_event *ret)
{
    struct pnd_panic_event event = {.kind = PND_PANIC_LOADED, .name = line};
    size_t at;

    if (pnd_str_find(line, "\t", &at)) {
        event.name.len = at;
        pnd_str_skip(&line, at + 1);
        event.version = pnd_str_trim(line);
    }
    if (!is_kext_name(event.name))
        return false;
    *ret = event;
    return true;
}

bool pnd_panic_line_task(struct pnd_str line, struct pnd_panic_event *ret)
{
    struct pnd_panic_event event = {.kind = PND_PANIC_TASK};
    struct pnd_str skipped;

    if (!pnd_str_take(&line, "Panicked task ") || !pnd_str_hex(&line, &event.address))
        return false;
    if (!pnd_str_until(&line, "pid ", &skipped) || !pnd_str_decimal(&line, &event.number) ||
        !pnd_str_take(&line, ": "))
        return false;
    event.name = pnd_str_trim(line);
    *ret = event;
    return true;
}

bool pnd_panic_line_core(struct pnd_str line, struct pnd_panic_event *ret)
{
    struct pnd_panic_event event = {.kind = PND_PANIC_CORE};

    if (!pnd_str_take(&line, "CORE ") || !pnd_str_decimal(&line, &event.number))
        return false;
    if (pnd_str_starts(line, " is the one that panicked")) {
        event.kind = PND_PANIC_CORE_PANICKED;
        *ret = event;
        return true;
    }
    if (!pnd_str_take(&line, ": PC=") || !pnd_str_hex(&line, &event.address))
        return false;
    if (pnd_str_take(&line, ", LR="))
        pnd_str_hex(&line, &event.end);
    if (pnd_str_take(&line, ", FP="))
        pnd_str_hex(&line, &event.start);
    *ret = event;
    return true;
}
