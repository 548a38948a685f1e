/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The local place of a dump, with what tests change; everybody else calls pnd_target_local(). */
#ifndef PND_CAPTURE_TARGET_LOCAL_H
#define PND_CAPTURE_TARGET_LOCAL_H

#include "capture/block.h"
#include "capture/local_file.h"
#include "capture/local_place.h"
#include "capture/target.h"

enum {
    PND_LOCAL_WAIT_MS = 30000, /* for the device to appear */
    PND_LOCAL_FSTYPE_CAP = 16,
};

enum pnd_local_kind { PND_LOCAL_UUID, PND_LOCAL_PARTUUID, PND_LOCAL_NAME };

/* panicd_local=, taken apart. */
struct pnd_local_word {
    enum pnd_local_kind kind;
    char id[PND_VOLUME_UUID_CAP + PND_BLOCK_NAME_CAP]; /* UUID, PARTUUID, or name in /dev */
    char fstype[PND_LOCAL_FSTYPE_CAP];                 /* of UUID: "ext4" */
    char path[PND_CAPTURE_LOCAL_CAP];                  /* of UUID: "var/crash"; "": the root */
};

struct pnd_local_target {
    struct pnd_local_word word;
    const char *root, *mountpoint; /* "", and a directory of the initramfs */
    uint64_t wait_ms;
    struct pnd_block block; /* what was found */
    bool mounted;
    int dir;
    union {
        struct pnd_local_file file;
        struct pnd_local_place place;
    };
};

/* "\040" in a path is a blank, as in fstab(5): a word of boot-args has none.
 *   @return PND_OK; PND_E_ARG, and @p why says what it should look like */
int pnd_local_parse(const char *text, struct pnd_local_word *ret, struct pnd_why *why);

/* @p target  its word, root, mountpoint and wait_ms are set */
void pnd_target_local_init(struct pnd_local_target *target, struct pnd_target *ret);

#endif
