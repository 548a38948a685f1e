/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The lines of a kernel's log, whatever its writer puts before each: "<4>", "[    1.234567] ",
 * "[    1.234567][    T1] ", or nothing. */
#ifndef PND_INSPECT_LINUX_LINES_H
#define PND_INSPECT_LINUX_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Some bytes of the log; never NUL-terminated. */
struct pnd_span {
    const char *at;
    size_t len;
};

struct pnd_linux_line {
    struct pnd_span text;  /* behind the stamp, without blanks at its end */
    struct pnd_span stamp; /* "1.234567"; empty: none */
};

static inline struct pnd_span pnd_span(const char *at, size_t len)
{
    return (struct pnd_span){.at = at, .len = len};
}

static inline struct pnd_span pnd_span_skip(struct pnd_span span, size_t len)
{
    len = len < span.len ? len : span.len;
    return pnd_span(span.at + len, span.len - len);
}

static inline bool pnd_span_starts(struct pnd_span span, const char *with)
{
    size_t len = strlen(with);

    return span.len >= len && memcmp(span.at, with, len) == 0;
}

/* @return where @p word begins; span.len: it is not there */
static inline size_t pnd_span_find(struct pnd_span span, const char *word)
{
    const char *found = span.len ? memmem(span.at, span.len, word, strlen(word)) : NULL;

    return found ? (size_t)(found - span.at) : span.len;
}

static inline bool pnd_span_has(struct pnd_span span, const char *word)
{
    return pnd_span_find(span, word) < span.len;
}

/* What stands behind @p word; empty when it is not there. */
static inline struct pnd_span pnd_span_behind(struct pnd_span span, const char *word)
{
    return pnd_span_skip(span, pnd_span_find(span, word) + strlen(word));
}

static inline struct pnd_span pnd_span_until(struct pnd_span span, const char *word)
{
    return pnd_span(span.at, pnd_span_find(span, word));
}

struct pnd_span pnd_span_trim(struct pnd_span span);

/* @return false: that was all; else @p left moves behind the line */
bool pnd_linux_next_line(struct pnd_span *left, struct pnd_linux_line *ret);

#endif
