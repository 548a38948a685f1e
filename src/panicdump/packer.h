/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A codec (stage.h) whose blocks are packed by threads of their own while others are read and sent.
 * What comes out is the codec's own file, block by block in the order in which they came: with an
 * effort that is fixed the same bytes with any number of threads.
 *
 * The thread that writes to it also sends, and is the only one that calls the sink or any function
 * given here; the others take no signals. Each of them has one lane, and there are 2 + 2 x lanes
 * blocks, packed and not: their memory is all that it holds back. */
#ifndef PND_PANICDUMP_PACKER_H
#define PND_PANICDUMP_PACKER_H

#include <stdbool.h>
#include <stddef.h>

#include "codec/blocks.h"
#include "host/why.h"
#include "panicd/stage.h"

enum {
    PND_PACKER_LANES_MAX = 8,
    PND_PACKER_POLL_US = 250, /* between two polls, while a block is waited for */
    PND_PACKER_IDLE = 1,
};

struct pnd_packer_config {
    const struct pnd_codec *stream; /* whose begin and finish make what stands around the blocks */
    struct pnd_blocks *blocks;      /* of it */
    struct pnd_blocks *lanes[PND_PACKER_LANES_MAX]; /* like these, one for each thread */
    unsigned count;                                 /* of lanes; at least 1 */
    unsigned threads;    /* 0: blocks are packed where they are written, in lane 0; or count */
    unsigned effort;     /* of all blocks, or where it is chosen of the first ones */
    unsigned worth, top; /* as in balance.h, which chooses; top 0: the effort is fixed */

    /* Called while a block is waited for; NULL: nothing is to be done, nor known.
     * @return PND_OK; PND_PACKER_IDLE nearly all that was written is sent; an error ends it */
    int (*poll)(void *ctx);
    void *poll_ctx;
};

struct pnd_packer;

/* Starts the threads; where the system lets it start none, it does without, and without choosing.
 *   @return PND_OK; PND_E_SYS no memory */
int pnd_packer_create(struct pnd_packer **ret, const struct pnd_packer_config *config,
                      struct pnd_why *why);
void pnd_packer_destroy(struct pnd_packer *packer);

/* Its functions return what the sink, poll or the lanes return, and PND_E_ARG when it was not
 * begun, has ended, or has failed. */
const struct pnd_codec *pnd_packer_codec(struct pnd_packer *packer);

#endif
