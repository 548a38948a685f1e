/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Complaints: see complain.h. */
#include "capture/complain.h"

#include <stdarg.h>
#include <stdio.h>

#include "sender/stop.h"

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

int pnd_failure_exit(const struct pnd_failure *failure)
{
    if (failure->err == PND_E_ABORTED && pnd_stop_signal())
        return 128 + pnd_stop_signal();
    if (failure->err == PND_E_NAME || failure->err == PND_E_ARG)
        return PND_EXIT_CANNOT;
    return PND_EXIT_NO;
}
