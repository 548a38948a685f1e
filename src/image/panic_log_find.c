/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where a panic log begins and ends within memory; see panic_log.h. */
#include "image/panic_line.h"
#include "image/panic_log.h"

/* The last line of a log of macOS 10.15 and later. */
#define LAST_LINE "Please go to https://panic.apple.com to report this panic"

static bool is_text(uint8_t c)
{
    return (c >= 0x20 && c < 0x7f) || c == '\t' || c == '\n' || c == '\r';
}

/* The bytes of the UTF-8 character at @p at; 0: it is none, or not all there. */
static size_t character_len(const uint8_t *at, size_t left)
{
    size_t len = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;

    if (at[0] < 0x80)
        return is_text(at[0]) ? 1 : 0;
    if (at[0] < 0xc2 || at[0] > 0xf4 || left < len)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

size_t pnd_panic_text_len(const void *buf, size_t len)
{
    const uint8_t *bytes = buf;
    size_t at = 0;

    while (at < len) {
        size_t step = character_len(bytes + at, len - at);

        if (step == 0)
            break;
        at += step;
    }
    return at;
}

size_t pnd_panic_text_len_back(const void *buf, size_t len)
{
    const uint8_t *bytes = buf;
    size_t at = len;

    while (at > 0) {
        size_t back = 1;

        while (back < 4 && back < at && (bytes[at - back] & 0xc0) == 0x80)
            back++;
        if (character_len(bytes + at - back, back) != back)
            break;
        at -= back;
    }
    return len - at;
}

/* Is it the first line of a log? */
static bool is_first(struct pnd_str line)
{
    struct pnd_panic_event event;

    return pnd_panic_line_string(&line, &event) || pnd_str_starts(line, "Debugger called: <");
}

bool pnd_panic_log_find(struct pnd_str text, struct pnd_str *ret)
{
    struct pnd_str found = {NULL, 0}, line;

    while (pnd_str_line(&text, &line)) {
        if (!found.at && is_first(line))
            found.at = line.at;
        if (found.at)
            found.len = (size_t)(text.at - found.at);
        if (found.at && pnd_str_starts(line, LAST_LINE))
            break;
    }
    if (!found.at)
        return false;
    *ret = found;
    return true;
}

unsigned pnd_panic_log_score(const char *text, size_t len)
{
    uint64_t kinds = 0, fields = 0;
    struct pnd_panic_event event;
    struct pnd_panic_log log;
    unsigned count = 0;

    pnd_panic_log_init(&log, text, len);
    while (pnd_panic_log_next(&log, &event)) {
        if (event.kind == PND_PANIC_FIELD)
            fields |= UINT64_C(1) << event.field;
        else
            kinds |= UINT64_C(1) << event.kind;
    }
    if (!(kinds & (UINT64_C(1) << PND_PANIC_STRING | UINT64_C(1) << PND_PANIC_DEBUGGER)))
        return 0;
    for (unsigned i = 0; i < 64; i++)
        count += (unsigned)(kinds >> i & 1) + (unsigned)(fields >> i & 1);
    return count;
}
