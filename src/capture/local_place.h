/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A dump as the content of a partition or disk: a disk corefile, so that `panicctl extract` finds
 * it after the reboot, as the one file "vmcore"; how that is packed is seen by its first bytes.
 * Memory: the struct, and at most PND_PLACE_WINDOW twice of the page cache. */
#ifndef PND_CAPTURE_LOCAL_PLACE_H
#define PND_CAPTURE_LOCAL_PLACE_H

#include <stdint.h>

#include "panicd/corefile.h"

#include "capture/block.h"
#include "host/why.h"

enum { PND_PLACE_WINDOW = 4 << 20 };

struct pnd_local_place {
    int fd; /* -1: none */
    uint64_t bytes, written, looked_at;
    struct pnd_sink inner;
    struct pnd_why why; /* of the first thing that went wrong */
    struct pnd_corefile corefile;
};

/* Begins the dump, when nothing is lost by it: see pnd_block_refusal(). A device that is mounted,
 * or part of another, is refused by the kernel.
 *   @return PND_OK; PND_E_EXISTS it holds something; PND_E_BUSY it is in use; PND_E_NOSPACE it is
 *           too small for any dump; PND_E_SYS */
int pnd_local_place_open(struct pnd_local_place *place, const char *root,
                         const struct pnd_block *block, struct pnd_why *why);

/* The way in. write: PND_E_NOSPACE the place is full; what is in it is named by the header, and
 * safe. end: PND_OK when the dump and the header that names it are on the disk; PND_E_SHORT nothing
 * was written. */
void pnd_local_place_sink(struct pnd_local_place *place, struct pnd_sink *ret);

/* Closes the device; a dump that ended early for another reason than want of room is not named by
 * the header. @p why gets what went
 * wrong with the disk, if anything did. */
void pnd_local_place_close(struct pnd_local_place *place, struct pnd_why *why);

#endif
