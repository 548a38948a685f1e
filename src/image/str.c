/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Text within a buffer; see str.h. */
#include "image/str.h"

#include <string.h>

static size_t word_len(const char *word)
{
    size_t len = 0;

    while (word[len])
        len++;
    return len;
}

void pnd_str_skip(struct pnd_str *text, size_t len)
{
    if (len > text->len)
        len = text->len;
    text->at += len;
    text->len -= len;
}

bool pnd_str_line(struct pnd_str *text, struct pnd_str *ret)
{
    struct pnd_str line = {text->at, 0};

    if (text->len == 0)
        return false;
    while (line.len < text->len && text->at[line.len] != '\n')
        line.len++;
    pnd_str_skip(text, line.len + 1);
    if (line.len > 0 && line.at[line.len - 1] == '\r')
        line.len--;
    *ret = line;
    return true;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

struct pnd_str pnd_str_trim(struct pnd_str text)
{
    while (text.len > 0 && is_space(text.at[0]))
        pnd_str_skip(&text, 1);
    while (text.len > 0 && is_space(text.at[text.len - 1]))
        text.len--;
    return text;
}

bool pnd_str_starts(struct pnd_str text, const char *word)
{
    size_t len = word_len(word);

    return text.len >= len && memcmp(text.at, word, len) == 0;
}

bool pnd_str_is(struct pnd_str text, const char *word)
{
    return text.len == word_len(word) && pnd_str_starts(text, word);
}

bool pnd_str_find(struct pnd_str text, const char *word, size_t *ret)
{
    const char *start = text.at;
    size_t len = word_len(word);

    for (; text.len >= len; pnd_str_skip(&text, 1)) {
        if (memcmp(text.at, word, len) == 0) {
            *ret = (size_t)(text.at - start);
            return true;
        }
        if (text.len == 0)
            break;
    }
    return false;
}

void pnd_str_blanks(struct pnd_str *text)
{
    while (text->len > 0 && (text->at[0] == ' ' || text->at[0] == '\t'))
        pnd_str_skip(text, 1);
}

bool pnd_str_take(struct pnd_str *text, const char *word)
{
    if (!pnd_str_starts(*text, word))
        return false;
    pnd_str_skip(text, word_len(word));
    return true;
}

bool pnd_str_until(struct pnd_str *text, const char *word, struct pnd_str *ret)
{
    size_t at;

    if (!pnd_str_find(*text, word, &at))
        return false;
    *ret = (struct pnd_str){text->at, at};
    pnd_str_skip(text, at + word_len(word));
    return true;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* At least one digit; more than fit make it no number. */
static bool take_number(struct pnd_str *text, unsigned base, uint64_t *ret)
{
    const uint64_t most = base == 16 ? UINT64_MAX / 16 : UINT64_MAX / 10;
    struct pnd_str rest = *text;
    uint64_t value = 0;
    size_t count = 0;

    for (; rest.len > 0; count++) {
        int digit = digit_of(rest.at[0]);

        if (digit < 0 || (unsigned)digit >= base)
            break;
        if (value > most || value * base > UINT64_MAX - (unsigned)digit)
            return false;
        value = value * base + (unsigned)digit;
        pnd_str_skip(&rest, 1);
    }
    if (count == 0)
        return false;
    *text = rest;
    *ret = value;
    return true;
}

bool pnd_str_address(struct pnd_str *text, uint64_t *ret)
{
    struct pnd_str rest = *text;

    if (!pnd_str_take(&rest, "0x") || !take_number(&rest, 16, ret))
        return false;
    *text = rest;
    return true;
}

bool pnd_str_hex(struct pnd_str *text, uint64_t *ret)
{
    return pnd_str_address(text, ret) || take_number(text, 16, ret);
}

bool pnd_str_decimal(struct pnd_str *text, uint64_t *ret)
{
    return take_number(text, 10, ret);
}
