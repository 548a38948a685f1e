/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How much effort a block is worth where blocks are packed beside sending, by other threads than
 * the one that sends: as much as keeps both at work. While the wire has nothing to do because a
 * block is still being packed, the next ones get less effort, the more the longer that is; while
 * what is packed waits for the wire, they get more. So the wire is full, and what crosses it is as
 * small as the processors can make it meanwhile; or, where they are slower than the wire, some
 * blocks are stored and some packed, as many as they can.
 *
 * An effort between two is a mixture of blocks with either. What does not shrink is no reason for
 * effort: the block after it gets the lightest. Freestanding. */
#ifndef PND_CODEC_BALANCE_H
#define PND_CODEC_BALANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PND_BALANCE_STORE = 0, /* as it is, without packing; from 1 on, the codec's efforts */
    PND_BALANCE_UNIT = 256,
};

/* What became of a block, when it has been passed on. Times are since the one before was. */
struct pnd_balance_block {
    unsigned effort; /* that it was given */
    size_t len, out; /* bytes that it had, and has now */
    uint64_t all_us;
    uint64_t idle_us;    /* the wire had nothing to do, because this block was not packed yet */
    uint64_t blocked_us; /* the wire took nothing more, although much was packed */
};

/* Efforts, none above the top.
 *   start  of the first blocks
 *   worth  more than that brings little: it is reached slowly, and left as soon as the wire is idle
 *   depth  blocks that are chosen for before the first of them is told of; at least 1. The more,
 *          the less each of them changes */
struct pnd_balance_config {
    unsigned start, worth, top, depth;
};

struct pnd_balance {
    unsigned top, worth, depth;
    unsigned effort; /* times PND_BALANCE_UNIT */
    unsigned part;   /* of a unit, that blocks were given too little so far */
    unsigned run;    /* blocks at which the wire took nothing more, and was never idle since */
    bool noise;      /* the last block that was packed did not shrink */
};

void pnd_balance_init(struct pnd_balance *balance, const struct pnd_balance_config *config);

/* @return the effort for the next block */
unsigned pnd_balance_choose(struct pnd_balance *balance);

/* Of each block in its turn; many may have been chosen for meanwhile. */
void pnd_balance_tell(struct pnd_balance *balance, const struct pnd_balance_block *block);

#endif
