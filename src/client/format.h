/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Text for a console that has no printf: the few conversions that a panic needs. Freestanding:
 * 64-bit numbers are divided without the compiler's library, which a kernel may not have. */
#ifndef PND_CLIENT_FORMAT_H
#define PND_CLIENT_FORMAT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* As snprintf, with %s (and %.*s) %c %d %u %x %X %p %%, the lengths l, ll and z, a width, and the
 * flags 0, - and #. Anything else is copied as it stands. @p ret always ends in a NUL.
 *   @param cap  at least 1
 *   @return the length of the text in @p ret, without its NUL; never more than @p cap - 1 */
size_t pnd_format(char *ret, size_t cap, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
size_t pnd_vformat(char *ret, size_t cap, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

#endif
