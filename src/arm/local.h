/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A directory or device of the running system as a place that a crash kernel can write a dump to:
 * by names that hold there (UUIDs), with the modules that are needed. What a crash kernel cannot
 * mount - what needs other programs, or a network - is refused, with what to do instead. Every
 * path is below a root, "" for the real one. */
#ifndef PND_ARM_LOCAL_H
#define PND_ARM_LOCAL_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/options.h"
#include "host/why.h"

enum {
    PND_LOCAL_SYSFS_CAP = 4096,
    PND_LOCAL_TEXT_CAP = 512,
    PND_LOCAL_MODULES_MAX = 8,
};

/* @see pnd_modules_add() */
struct pnd_local_module {
    const char *name; /* or alias; a constant */
    bool optional;    /* it is fine if there is none */
};

struct pnd_local {
    char word[PND_CAPTURE_LOCAL_CAP]; /* what panicd_local= is to say */
    char sysfs[PND_LOCAL_SYSFS_CAP];  /* of the disk, for pnd_modules_add_device(); with the root */
    struct pnd_local_module modules[PND_LOCAL_MODULES_MAX]; /* of the file system */
    size_t module_count;
    uint64_t free_bytes;           /* there now, of the file system or the partition */
    char text[PND_LOCAL_TEXT_CAP]; /* for people: "/var/crash on /dev/vda1 (ext4)" */
    char note[PND_LOCAL_TEXT_CAP]; /* what they should know, perhaps a dump that waits; "" */
};

/* @param what  a directory, or a partition or disk in /dev
 *   @return PND_OK; PND_E_NOTFOUND there is no such; PND_E_ARG a place that a crash kernel cannot
 *           use; PND_E_EXISTS a device that holds what would be lost; PND_E_BUSY one that is in
 *           use; PND_E_SYS. @p why says why, and what to do */
int pnd_local_find(const char *root, const char *what, struct pnd_local *ret, struct pnd_why *why);

/* The machine's own watchdogs, for pnd_modules_add_device(): a crash kernel that does not drive the
 * one that runs is reset by it in the middle of the dump.
 *   @param index  0, 1, ...
 *   @return PND_OK; PND_E_NOTFOUND there are no more. One without a device, such as softdog, is
 *           passed over: it does not outlive a kernel */
int pnd_local_watchdog(const char *root, unsigned index, char ret[PND_LOCAL_SYSFS_CAP]);

#endif
