/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Dumps that this machine could not read (its disk, its memory): each is tried again, but ever less
 * often, so that a bad sector behind 100 GB does not keep the disk busy for ever. */
#ifndef PND_PANICD_RESTING_H
#define PND_PANICD_RESTING_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PND_RESTING_MAX = 32, /* beyond it, the one that is due first is tried early */
    PND_RESTING_FIRST_MS = 10 * 1000,
    PND_RESTING_LAST_MS = 3600 * 1000, /* twice as long each time, up to this */
};

/* All zeros is empty. */
struct pnd_resting {
    struct {
        uint64_t id, until_ms, pause_ms;
    } at[PND_RESTING_MAX];
};

/* Dump @p id, 1 or more, could not be read. */
void pnd_resting_add(struct pnd_resting *resting, uint64_t id, uint64_t now_ms);
bool pnd_resting_has(const struct pnd_resting *resting, uint64_t id, uint64_t now_ms);

#endif
