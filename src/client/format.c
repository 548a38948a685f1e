/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Text for a console that has no printf: see format.h. */
#include "client/format.h"
#include "wire/divide.h"

#include <stdbool.h>

enum {
    NUMBER_CAP = 24, /* the digits of 2^64 in base 10, a sign, 0x */
    WIDTH_MAX = 4096,
};

struct out {
    char *at, *end; /* the last byte is kept for the NUL */
};

/* What stands between % and the conversion. */
struct spec {
    bool zeros, left, prefix;
    unsigned width;
    bool limited; /* a precision was given */
    size_t limit;
    unsigned longs; /* l: 1, ll: 2 */
    bool size;      /* z */
};

static void put(struct out *out, char c)
{
    if (out->at < out->end)
        *out->at++ = c;
}

static void put_fill(struct out *out, char c, size_t count)
{
    while (count-- > 0)
        put(out, c);
}

/* A va_list of ours, so that a pointer to it means the same on every machine. */
struct args {
    va_list list;
};

/* @param kept  bytes at the front (a sign, 0x) that stay in front of zeros */
static void put_padded(struct out *out, const struct spec *spec, const char *text, size_t len,
                       size_t kept)
{
    size_t fill = spec->width > len ? spec->width - len : 0;
    bool zeros = spec->zeros && !spec->left;
    size_t i = 0;

    if (!spec->left && !zeros)
        put_fill(out, ' ', fill);
    while (i < kept)
        put(out, text[i++]);
    if (zeros)
        put_fill(out, '0', fill);
    while (i < len)
        put(out, text[i++]);
    if (spec->left)
        put_fill(out, ' ', fill);
}

static void put_number(struct out *out, const struct spec *spec, uint64_t v, bool negative,
                       char conversion)
{
    const char *digits = conversion == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    bool decimal = conversion == 'd' || conversion == 'u';
    char text[NUMBER_CAP], *at = text + sizeof(text);
    size_t kept = 0;
    bool prefix = spec->prefix && !decimal && v != 0;

    do {
        uint64_t digit = v & 15;

        if (decimal)
            v = pnd_divide(v, 10, &digit);
        else
            v >>= 4;
        *--at = digits[digit];
    } while (v != 0);
    if (prefix) {
        *--at = conversion;
        *--at = '0';
        kept = 2;
    }
    if (negative) {
        *--at = '-';
        kept = 1;
    }
    put_padded(out, spec, at, (size_t)(text + sizeof(text) - at), kept);
}

static void put_string(struct out *out, const struct spec *spec, const char *text)
{
    struct spec blank = *spec;
    size_t len = 0;

    if (!text)
        text = "(null)";
    while ((!spec->limited || len < spec->limit) && text[len] != '\0')
        len++;
    blank.zeros = false;
    put_padded(out, &blank, text, len, 0);
}

static unsigned read_number(const char **format)
{
    unsigned v = 0;

    for (; **format >= '0' && **format <= '9'; ++*format) {
        if (v < WIDTH_MAX)
            v = v * 10 + (unsigned)(**format - '0');
    }
    return v < WIDTH_MAX ? v : WIDTH_MAX;
}

static void read_flags(const char **format, struct spec *spec)
{
    for (;; ++*format) {
        if (**format == '0')
            spec->zeros = true;
        else if (**format == '-')
            spec->left = true;
        else if (**format == '#')
            spec->prefix = true;
        else
            return;
    }
}

static void read_lengths(const char **format, struct spec *spec)
{
    for (;; ++*format) {
        if (**format == 'l' && spec->longs < 2)
            spec->longs++;
        else if (**format == 'z')
            spec->size = true;
        else
            return;
    }
}

/* long and size_t are as wide as one of the two, and are passed like it. */
static uint64_t next_number(struct args *args, const struct spec *spec, bool is_signed)
{
    size_t size = spec->size         ? sizeof(size_t)
                  : spec->longs == 1 ? sizeof(long)
                  : spec->longs == 2 ? sizeof(long long)
                                     : sizeof(int);
    unsigned v;

    if (size > sizeof(int))
        return va_arg(args->list, unsigned long long);
    v = va_arg(args->list, unsigned);
    return is_signed ? (uint64_t)(int64_t)(int)v : v;
}

/* What stands behind the %, up to the conversion. */
static const char *read_spec(const char *format, struct args *args, struct spec *spec)
{
    read_flags(&format, spec);
    spec->width = read_number(&format);
    if (*format == '.' && format[1] == '*') {
        int limit = va_arg(args->list, int);

        spec->limited = limit >= 0;
        spec->limit = limit >= 0 ? (size_t)limit : 0;
        format += 2;
    } else if (*format == '.') {
        format++;
        spec->limited = true;
        spec->limit = read_number(&format);
    }
    read_lengths(&format, spec);
    return format;
}

/* @return false: not one of ours, and nothing was taken */
static bool convert(struct out *out, struct spec *spec, char conversion, struct args *args)
{
    uint64_t v;
    char c;

    switch (conversion) {
    case 's':
        put_string(out, spec, va_arg(args->list, const char *));
        return true;
    case 'c':
        c = (char)va_arg(args->list, int);
        spec->zeros = false;
        put_padded(out, spec, &c, 1, 0);
        return true;
    case 'd':
        v = next_number(args, spec, true);
        put_number(out, spec, v >> 63 ? 0 - v : v, v >> 63, 'd');
        return true;
    case 'u':
    case 'x':
    case 'X':
        put_number(out, spec, next_number(args, spec, false), false, conversion);
        return true;
    case 'p':
        spec->prefix = true;
        put_number(out, spec, (uintptr_t)va_arg(args->list, void *), false, 'x');
        return true;
    case '%':
        put(out, '%');
        return true;
    default:
        return false;
    }
}

size_t pnd_vformat(char *ret, size_t cap, const char *format, va_list args)
{
    struct out out = {.at = ret, .end = ret + cap - 1};
    struct args mine;

    va_copy(mine.list, args);
    while (*format != '\0') {
        const char *start = format;
        struct spec spec = {0};

        if (*format++ != '%') {
            put(&out, *start);
            continue;
        }
        format = read_spec(format, &mine, &spec);
        if (convert(&out, &spec, *format, &mine)) {
            format++;
            continue;
        }
        while (start < format)
            put(&out, *start++);
    }
    va_end(mine.list);
    *out.at = '\0';
    return (size_t)(out.at - ret);
}

size_t pnd_format(char *ret, size_t cap, const char *format, ...)
{
    va_list args;
    size_t len;

    va_start(args, format);
    len = pnd_vformat(ret, cap, format, args);
    va_end(args);
    return len;
}
