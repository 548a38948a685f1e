/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Boot-args: one string of tokens `name`, `name=value`, `-name`, separated by blanks and tabs,
 * looked up by name with the rules (and the surprises) of Apple's kernel.
 *   - names are compared whole and case-sensitively
 *   - of `-name` and `_name` the first occurrence counts, of any other name the last
 *   - `name` alone is the number 1; `_name` alone takes the next token without its first byte
 *   - `name =value` is nothing; `name=` is an empty string
 *   - numbers: an optional minus sign, then 0x hexadecimal, 0b binary, 0 and octal digits, or
 *     decimal, then one optional k, m or g in either case; anything else is a string
 * PROTOCOL.md#kdp-3.1. Freestanding. */
#ifndef PND_BOOTARGS_PARSE_H
#define PND_BOOTARGS_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panicd/err.h"

struct pnd_bootarg {
    const char *text; /* the value, in the line; not NUL-terminated */
    size_t len;
    bool is_number;
    uint64_t number; /* modulo 2^64; a negative one is its two's complement */
};

/* @p line ends at its NUL.
 *   @param name  as in the line: "debug", "_panicd_ip", "-v"
 *   @return PND_OK; PND_E_NOTFOUND */
int pnd_bootargs_find(const char *line, const char *name, struct pnd_bootarg *ret);

/* The value as text, cut at @p cap - 1 bytes, with its NUL. A bare name gives "1", like the
 * number it is.
 *   @param cap  at least 1
 *   @return PND_OK; PND_E_NOTFOUND, and @p ret is left as it was */
int pnd_bootargs_string(const char *line, const char *name, char *ret, size_t cap);

/* The value as Apple's kernel stores it in an integer of @p size bytes (1, 2, 3, 4 or 8; any
 * other counts as 4): a number is cut to that size; of a string, size - 1 bytes and a NUL are
 * copied over it, least significant first, and what it held before remains behind them.
 *   @param value  in: what the variable holds; out: what it holds then
 *   @return PND_OK; PND_E_NOTFOUND, and @p value is left as it was; PND_E_FORMAT it was a string:
 *           stored all the same, for those who want the original's mistake */
int pnd_bootargs_integer(const char *line, const char *name, size_t size, uint64_t *value);

#endif
