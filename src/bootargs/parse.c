/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The line of boot-args: see bootargs.h. */
#include "panicd/bootargs.h"

#include <string.h>

static bool is_separator(char c)
{
    return c == ' ' || c == '\t';
}

static const char *skip_separators(const char *at)
{
    while (is_separator(*at))
        at++;
    return at;
}

static size_t token_len(const char *at)
{
    size_t len = 0;

    while (at[len] && !is_separator(at[len]))
        len++;
    return len;
}

static size_t text_len(const char *text)
{
    size_t len = 0;

    while (text[len])
        len++;
    return len;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return 16;
}

static unsigned shift_of(char suffix)
{
    switch (suffix) {
    case 'k':
    case 'K':
        return 10;
    case 'm':
    case 'M':
        return 20;
    case 'g':
    case 'G':
        return 30;
    default:
        return 0;
    }
}

/* The base that the prefix at @p text tells; its length in @p ret_prefix. A zero that is not a
 * whole number by itself has to be followed by x, b or an octal digit. */
static int base_of(const char *text, size_t len, size_t *ret_prefix)
{
    *ret_prefix = 0;
    if (len < 2 || text[0] != '0')
        return 10;
    *ret_prefix = 2;
    if (text[1] == 'x')
        return 16;
    if (text[1] == 'b')
        return 2;
    *ret_prefix = 1;
    return 8;
}

static bool parse_number(const char *text, size_t len, uint64_t *ret)
{
    bool negative = len > 0 && text[0] == '-';
    uint64_t value = 0;
    size_t prefix, i;
    int base;

    text += negative;
    len -= negative;
    base = base_of(text, len, &prefix);
    for (i = prefix; i < len && digit_of(text[i]) < base; i++)
        value = value * (unsigned)base + (unsigned)digit_of(text[i]);
    if (i == prefix)
        return false;
    if (i < len) {
        unsigned shift = shift_of(text[i]);

        if (shift == 0 || i + 1 != len)
            return false;
        value <<= shift;
    }
    *ret = negative ? 0 - value : value;
    return true;
}

static void set_value(struct pnd_bootarg *arg, const char *text, size_t len)
{
    arg->text = text;
    arg->len = len;
    arg->is_number = parse_number(text, len, &arg->number);
}

/* Is the token at @p at, @p len bytes, one for @p name? Then its value is in @p ret. */
static bool match(const char *at, size_t len, const char *name, size_t name_len,
                  struct pnd_bootarg *ret)
{
    struct pnd_bootarg out = {.len = 1, .is_number = true, .number = 1};
    const char *next;

    out.text = "1"; /* not above: gcc makes writable data of an initializer with an address */

    if (len < name_len || memcmp(at, name, name_len) != 0)
        return false;
    if (len > name_len) {
        if (at[name_len] != '=' || name[0] == '-')
            return false;
        set_value(&out, at + name_len + 1, len - name_len - 1);
    } else if (name[0] != '-') {
        next = skip_separators(at + len);
        if (name[0] == '_') {
            if (*next)
                set_value(&out, next + 1, token_len(next) - 1);
            else
                set_value(&out, next, 0);
        } else if (*next == '=') {
            return false;
        }
    }
    if (name[0] == '_')
        out.is_number = false;
    *ret = out;
    return true;
}

int pnd_bootargs_find(const char *line, const char *name, struct pnd_bootarg *ret)
{
    bool first_wins = name[0] == '-' || name[0] == '_', found = false;
    size_t name_len = text_len(name), len;
    struct pnd_bootarg out;

    if (name_len == 0)
        return PND_E_NOTFOUND;
    for (const char *at = skip_separators(line); *at; at = skip_separators(at + len)) {
        len = token_len(at);
        if (!match(at, len, name, name_len, &out))
            continue;
        *ret = out;
        found = true;
        if (first_wins)
            break;
    }
    return found ? PND_OK : PND_E_NOTFOUND;
}

int pnd_bootargs_string(const char *line, const char *name, char *ret, size_t cap)
{
    struct pnd_bootarg arg;
    int err = pnd_bootargs_find(line, name, &arg);

    if (err)
        return err;
    if (arg.len > cap - 1)
        arg.len = cap - 1;
    memcpy(ret, arg.text, arg.len);
    ret[arg.len] = '\0';
    return PND_OK;
}

int pnd_bootargs_integer(const char *line, const char *name, size_t size, uint64_t *value)
{
    struct pnd_bootarg arg;
    int err = pnd_bootargs_find(line, name, &arg);
    size_t len;

    if (err)
        return err;
    if (size != 1 && size != 2 && size != 3 && size != 8)
        size = 4;
    if (arg.is_number) {
        *value = size == 8 ? arg.number : arg.number & ((UINT64_C(1) << size * 8) - 1);
        return PND_OK;
    }
    len = arg.len < size - 1 ? arg.len : size - 1;
    for (size_t i = 0; i <= len; i++) {
        uint64_t byte = i < len ? (uint8_t)arg.text[i] : 0;

        *value = (*value & ~(UINT64_C(0xff) << i * 8)) | byte << i * 8;
    }
    return PND_E_FORMAT;
}
