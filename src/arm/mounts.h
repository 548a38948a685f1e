/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is mounted on this machine, and what of it is used otherwise.
 * @source proc_pid_mountinfo(5), proc_swaps(5), proc_meminfo(5) */
#ifndef PND_ARM_MOUNTS_H
#define PND_ARM_MOUNTS_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/block.h"
#include "host/why.h"

enum { PND_MOUNT_PATH_CAP = 4096, PND_MOUNT_TYPE_CAP = 64 };

struct pnd_mount {
    unsigned major, minor;
    char root[PND_MOUNT_PATH_CAP];  /* which directory of the file system is mounted */
    char point[PND_MOUNT_PATH_CAP]; /* where */
    char fstype[PND_MOUNT_TYPE_CAP];
    char source[PND_MOUNT_PATH_CAP]; /* as the file system wants it shown */
};

/* The mount that the directory @p dir (a real path) is in.
 *   @return PND_OK; PND_E_SYS mountinfo cannot be read; PND_E_NOTFOUND */
int pnd_mount_of(const char *root, const char *dir, struct pnd_mount *ret, struct pnd_why *why);

/* Its device. @return PND_OK; PND_E_NOTFOUND it has none */
int pnd_mount_block(const char *root, const struct pnd_mount *mount, struct pnd_block *ret);

/* Is /dev/NAME mounted, or swap space? */
bool pnd_mount_uses(const char *root, const char *name);

/* Why a file system of a type that is not for dumps is not: "which lies in memory". A constant. */
const char *pnd_mount_kind(const struct pnd_mount *mount);

/* All memory of this machine; 0: not known. */
uint64_t pnd_memory_bytes(const char *root);

#endif
