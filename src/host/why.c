/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Error texts; both calls leave errno as they found it. */
#include "host/why.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int pnd_why(struct pnd_why *why, int err, int errnum, const char *fmt, ...)
{
    int saved = errno;
    char number[64];
    size_t len;
    va_list ap;

    if (!why)
        return err;
    va_start(ap, fmt);
    vsnprintf(why->text, sizeof(why->text), fmt, ap);
    va_end(ap);
    len = strlen(why->text);
    if (errnum)
        snprintf(why->text + len, sizeof(why->text) - len, ": %s",
                 strerror_r(errnum, number, sizeof(number)));
    errno = saved;
    return err;
}

int pnd_why_add(struct pnd_why *why, int err, const char *fmt, ...)
{
    int saved = errno;
    char tail[sizeof(why->text)];
    size_t len;
    va_list ap;

    if (!why)
        return err;
    memcpy(tail, why->text, sizeof(tail));
    tail[sizeof(tail) - 1] = '\0';
    va_start(ap, fmt);
    vsnprintf(why->text, sizeof(why->text), fmt, ap);
    va_end(ap);
    len = strlen(why->text);
    snprintf(why->text + len, sizeof(why->text) - len, ": %s", tail);
    errno = saved;
    return err;
}
