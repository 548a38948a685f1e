/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The verbs of panicdump. */
#ifndef PND_PANICDUMP_PANICDUMP_H
#define PND_PANICDUMP_PANICDUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panicd/client.h"

#include "capture/complain.h"
#include "host/why.h"
#include "sender/address.h"
#include "sender/stop.h"

/* The verbs. argv[0] is the verb's name. @return the exit code */
int pnd_verb_send(int argc, char **argv);
int pnd_verb_test(int argc, char **argv);
int pnd_verb_capture(int argc, char **argv);

/* Of the program on the running system; the static one, for the initramfs, has none of them. */
int pnd_verb_arm(int argc, char **argv);
int pnd_verb_disarm(int argc, char **argv);
int pnd_verb_status(int argc, char **argv);
int pnd_verb_test_armed(int argc, char **argv); /* with --server: pnd_verb_test() */

#endif
