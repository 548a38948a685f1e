/* SPDX-License-Identifier: BSD-2-Clause
 *
 * An NMI - of a button, a BMC, a hypervisor - that panics, so that a machine that hangs can be
 * dumped. What the settings were is kept, and put back.
 * @source Linux Documentation/admin-guide/sysctl/kernel.rst */
#ifndef PND_ARM_NMI_H
#define PND_ARM_NMI_H

#include <stdbool.h>

#include "host/why.h"

enum { PND_NMI_SETTINGS = 3, PND_NMI_ABSENT = -1 };

struct pnd_nmi {
    int value[PND_NMI_SETTINGS]; /* PND_NMI_ABSENT: this kernel has no such setting */
};

/* "kernel.unknown_nmi_panic". @param index  below PND_NMI_SETTINGS */
const char *pnd_nmi_name(int index);

/* As they are now. */
void pnd_nmi_read(const char *root, struct pnd_nmi *ret);

/* @return PND_OK; PND_E_NOTFOUND this kernel has none of them, and @p why says what to do */
int pnd_nmi_check(const char *root, struct pnd_why *why);

/* @return there is one, and all that there are are not 0: an NMI panics now */
bool pnd_nmi_panics(const char *root);

/* Each that is there to 1. @return PND_OK; PND_E_NOTFOUND there is none; PND_E_SYS */
int pnd_nmi_panic(const char *root, struct pnd_why *why);

/* Each that is there, and in @p as, as it says. @return PND_OK; PND_E_SYS */
int pnd_nmi_restore(const char *root, const struct pnd_nmi *as, struct pnd_why *why);

#endif
