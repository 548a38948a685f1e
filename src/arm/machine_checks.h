/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Parts of pnd_machine_check() that are in files of their own. */
#ifndef PND_ARM_MACHINE_CHECKS_H
#define PND_ARM_MACHINE_CHECKS_H

#include "arm/machine.h"

/* One more check, without text. There is room for all that there are. */
struct pnd_machine_check *pnd_machine_add(struct pnd_machine *machine, const char *name,
                                          enum pnd_machine_result result);

/* kdump-tools, kdump, and what is loaded and not by panicdump. */
void pnd_machine_check_others(struct pnd_machine *machine);

/* What an oops and an NMI do; what runs between a panic and the crash kernel. */
void pnd_machine_check_panics(struct pnd_machine *machine);

/* The file of sysctl.d(5) that sets kernel.@p name; of several the one that counts.
 *   @return PND_OK; PND_E_NOTFOUND */
int pnd_machine_sysctl_file(const char *root, const char *name, char *dst, size_t cap);

#endif
