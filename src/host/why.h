/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Errors that a person reads: each level prepends what it was doing. */
#ifndef PND_HOST_WHY_H
#define PND_HOST_WHY_H

#include <stdarg.h>

#include "panicd/err.h"

struct pnd_why {
    char text[512]; /* "open catalog: create /x/.panicd: Permission denied"; never NULL-less */
};

/* Sets @p why (may be NULL) to the formatted text, followed by ": " and strerror(errnum) when
 * @p errnum is not 0. @return @p err, so that a failure is one statement. */
__attribute__((format(printf, 4, 5))) int pnd_why(struct pnd_why *why, int err, int errnum,
                                                  const char *fmt, ...);

/* Prepends "context: ". @return @p err */
__attribute__((format(printf, 3, 4))) int pnd_why_add(struct pnd_why *why, int err, const char *fmt,
                                                      ...);

#endif
