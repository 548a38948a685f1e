/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Lines of a kernel's log; see linux_lines.h. */
#include "inspect/linux_lines.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\0';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

struct pnd_span pnd_span_trim(struct pnd_span span)
{
    while (span.len > 0 && is_blank(span.at[0]))
        span = pnd_span_skip(span, 1);
    while (span.len > 0 && is_blank(span.at[span.len - 1]))
        span.len--;
    return span;
}

/* "[    1.234567]". @return its length, or 0 */
static size_t find_stamp(struct pnd_span text, struct pnd_span *ret)
{
    size_t at = 1, start, dots = 0;

    if (text.len == 0 || text.at[0] != '[')
        return 0;
    while (at < text.len && text.at[at] == ' ')
        at++;
    for (start = at; at < text.len && (is_digit(text.at[at]) || text.at[at] == '.'); at++)
        dots += text.at[at] == '.';
    if (dots != 1 || at == text.len || text.at[at] != ']' || !is_digit(text.at[start]))
        return 0;
    *ret = pnd_span(text.at + start, at - start);
    return at + 1;
}

/* "[    T1]", "[  C0]": who printed it, right behind the stamp. @return its length, or 0 */
static size_t find_caller(struct pnd_span text)
{
    size_t at = 1;

    if (text.len == 0 || text.at[0] != '[')
        return 0;
    while (at < text.len && text.at[at] == ' ')
        at++;
    if (at == text.len || (text.at[at] != 'T' && text.at[at] != 'C'))
        return 0;
    for (at++; at < text.len && is_digit(text.at[at]); at++)
        ;
    return at < text.len && text.at[at] == ']' ? at + 1 : 0;
}

bool pnd_linux_next_line(struct pnd_span *left, struct pnd_linux_line *ret)
{
    struct pnd_span text = pnd_span_until(*left, "\n");
    size_t skip;

    if (left->len == 0)
        return false;
    *left = pnd_span_skip(*left, text.len + 1);
    ret->stamp = pnd_span(text.at, 0);
    if (text.len >= 3 && text.at[0] == '<' && is_digit(text.at[1]))
        text = pnd_span_behind(text, ">");
    skip = find_stamp(text, &ret->stamp);
    text = pnd_span_skip(text, skip);
    if (skip > 0) {
        text = pnd_span_skip(text, find_caller(text));
        text = pnd_span_skip(text, text.len > 0 && text.at[0] == ' ');
    }
    while (text.len > 0 && is_blank(text.at[text.len - 1]))
        text.len--;
    ret->text = text;
    return true;
}
