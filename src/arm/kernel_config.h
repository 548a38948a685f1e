/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How a kernel was configured: the file that distributions put beside it, or what the running one
 * says of itself. */
#ifndef PND_ARM_KERNEL_CONFIG_H
#define PND_ARM_KERNEL_CONFIG_H

#include <stddef.h>

#include "host/why.h"

enum { PND_KERNEL_CONFIG_BYTES_MAX = 4 << 20 };

struct pnd_kernel_config {
    char *text; /* malloc'ed */
    size_t len;
    char path[256]; /* where it was found: "/proc/config.gz" */
};

/* Looks for the configuration of @p release in /boot, /lib/modules and /usr/lib/modules; in
 * /proc/config.gz when that kernel is the one that runs.
 *   @param release  its name: no "/" in it
 *   @return PND_OK; PND_E_NOTFOUND none of the files is there; PND_E_RANGE; PND_E_SYS */
int pnd_kernel_config_open(const char *root, const char *release, struct pnd_kernel_config *ret,
                           struct pnd_why *why);
void pnd_kernel_config_close(struct pnd_kernel_config *config);

/* @param name  "KEXEC_FILE". @return 'y', 'm' or 'n'; also 'n' for what is not in the file, which
 *              is how an option looks whose conditions are not met */
char pnd_kernel_config_get(const struct pnd_kernel_config *config, const char *name);

#endif
