/* SPDX-License-Identifier: BSD-2-Clause
 *
 * "panicctl bootargs" and "panicctl setup": options, and how src/advice is shown. Nothing here
 * needs a directory of dumps. */
#ifndef PND_PANICCTL_BOOTARGS_H
#define PND_PANICCTL_BOOTARGS_H

#include "advice/advice.h"
#include "panicctl/panicctl.h"

/* The words behind a sub-verb and its options. Options begin with two dashes, because a boot-arg
 * may begin with one.
 *   @return -1 go on; else leave with this exit code */
int pnd_bootargs_line(struct pnd_ctl *ctl, int argc, char **argv, struct pnd_argline *ret);

/* @p text in lines of at most 79 columns: the first begins with @p head, the others with as many
 * blanks as @p indent says. */
void pnd_bootargs_wrap(const char *head, unsigned indent, const char *text);

void pnd_bootargs_print_traps(const struct pnd_lint *lint);

/* What @p put makes of @p advice, as every verb prints its JSON. @return enum pnd_exit */
int pnd_bootargs_print_json(struct pnd_advice *advice,
                            void (*put)(struct pnd_advice *advice, struct pnd_json *json));

/* @p argv[0] is the sub-verb. @return enum pnd_exit */
int pnd_bootargs_decode(struct pnd_ctl *ctl, int argc, char **argv);
int pnd_bootargs_lint(struct pnd_ctl *ctl, int argc, char **argv);
int pnd_bootargs_encode(struct pnd_ctl *ctl, int argc, char **argv);

#endif
