/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Complaints: see panicdump.h. */
#include "panicdump/panicdump.h"

#include <stdarg.h>
#include <stdio.h>

int pnd_complain(int exit_code, const char *fmt, ...)
{
    char text[1280];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    fprintf(stderr, "panicdump: %s\n", text);
    return exit_code;
}
