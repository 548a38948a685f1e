/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What every part of panicdump says when something fails, and with which code it ends. */
#ifndef PND_CAPTURE_COMPLAIN_H
#define PND_CAPTURE_COMPLAIN_H

#include "sender/failure.h"

enum pnd_panicdump_exit {
    PND_EXIT_OK = 0,
    PND_EXIT_NO = 1,     /* the server refused, gave up, or never answered */
    PND_EXIT_CANNOT = 2, /* wrong usage, a file that cannot be read, no such interface */
};

/* "panicdump: SENTENCE" on standard error. @return @p exit_code */
__attribute__((format(printf, 2, 3))) int pnd_complain(int exit_code, const char *fmt, ...);

/* The exit code of a failed dump: that of the signal if one came, else PND_EXIT_NO. */
int pnd_failure_exit(const struct pnd_failure *failure);

#endif
