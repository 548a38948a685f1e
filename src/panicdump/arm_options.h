/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What `panicdump arm` is told: by its options, or by the file that --persist has written. */
#ifndef PND_PANICDUMP_ARM_OPTIONS_H
#define PND_PANICDUMP_ARM_OPTIONS_H

#include <stdbool.h>

#include "arm/arm.h"
#include "arm/persist.h"

struct pnd_arm_options {
    struct pnd_arm_request request;               /* its strings are of argv, or of kept */
    const char *servers[PND_CAPTURE_SERVERS_MAX]; /* as they were typed */
    uint16_t port;
    const char *save; /* --initramfs; NULL: not said */
    bool dry_run, persist;
    bool from_kept;          /* the servers are those of the file */
    struct pnd_persist kept; /* what the file says, or is to say */
};

/* @param ret  filled as far as it goes. @return PND_EXIT_OK; -1 --help was said; an exit code,
 *             after saying why */
int pnd_arm_options_parse(int argc, char **argv, struct pnd_arm_options *ret);

/* Keeps them for every boot. @return PND_EXIT_OK; an exit code, after saying why */
int pnd_arm_options_persist(const struct pnd_arm_options *options);

#endif
