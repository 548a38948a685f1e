/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the verbs of panicdump share: exit codes, and complaints. */
#ifndef PND_PANICDUMP_PANICDUMP_H
#define PND_PANICDUMP_PANICDUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panicd/client.h"

#include "host/why.h"
#include "sender/address.h"
#include "sender/failure.h"
#include "sender/stop.h"

enum pnd_panicdump_exit {
    PND_EXIT_OK = 0,
    PND_EXIT_NO = 1,     /* the server refused, gave up, or never answered */
    PND_EXIT_CANNOT = 2, /* wrong usage, a file that cannot be read, no such interface */
};

/* The verbs. argv[0] is the verb's name. @return the exit code */
int pnd_verb_send(int argc, char **argv);
int pnd_verb_test(int argc, char **argv);
int pnd_verb_capture(int argc, char **argv);

/* "panicdump: SENTENCE" on standard error. @return @p exit_code */
__attribute__((format(printf, 2, 3))) int pnd_complain(int exit_code, const char *fmt, ...);

/* The exit code of a failed dump: that of the signal if one came, else PND_EXIT_NO. */
int pnd_failure_exit(const struct pnd_failure *failure);

#endif
