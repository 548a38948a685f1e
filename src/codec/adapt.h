/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How much effort a block is worth: none (it is stored as it is), little, or more. What counts is
 * the time that a block takes, packing and writing together, so a compressor never makes a dump
 * slower than the wire alone for long, and is at work whenever the wire is what is waited for.
 *
 * It stays with the effort that took the least time, and now and then tries the next lighter or
 * heavier one for some blocks, where what was measured does not speak against it: with growing
 * distance while that does not pay, soon again when the time that blocks take has doubled or
 * halved. Apart from that, while trying takes time that the wire does not take anyway, what does
 * not shrink is stored without trying: at first one block, then two, four, eight, until one
 * shrinks.
 *
 * Time is the sum of what it is told. Without a clock every block gets the same effort, and the
 * same content gives the same output. Freestanding; no floating point. */
#ifndef PND_CODEC_ADAPT_H
#define PND_CODEC_ADAPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PND_ADAPT_STORE = 0,
    PND_ADAPT_EFFORTS_MAX = 4,       /* with STORE */
    PND_ADAPT_SKIP_MAX = 8,          /* blocks stored between two tries at what does not shrink */
    PND_ADAPT_WAIT_MIN = 8,          /* blocks between two trials of an effort: at first ... */
    PND_ADAPT_WAIT_MAX = 512,        /* ... and at last */
    PND_ADAPT_TRIAL_BYTES = 2 << 20, /* until what is queued has settled, and as much is counted */
};

/* Microseconds from any start, which only go forward. now_us NULL: there is none. */
struct pnd_adapt_clock {
    void *ctx;
    uint64_t (*now_us)(void *ctx);
};

struct pnd_adapt_block {
    size_t len, out;            /* bytes that went in, and came out */
    uint64_t pack_us, write_us; /* spent in the compressor, and in the sink */
};

/* Means over the last blocks, times 16. */
struct pnd_adapt_effort {
    bool known;
    uint64_t pack_us, write_us, out;
};

struct pnd_adapt_way { /* towards the next lighter or heavier effort */
    unsigned wait, distance;
};

struct pnd_adapt {
    bool timed;
    size_t block_bytes;
    unsigned top;    /* the highest effort */
    unsigned effort; /* what is used ... */
    unsigned trial;  /* ... or tried: the same when nothing is */
    unsigned settle_left, count_left, count;
    uint64_t trial_us;  /* of the blocks counted */
    uint64_t spent_us;  /* of all since the trial began; times 16 */
    uint64_t tried;     /* blocks */
    uint64_t before_us; /* a block took when the trial began; times 16 */
    uint64_t reference_us;
    unsigned skip_left, skip_next;
    bool skipped; /* the block that is under way */
    struct pnd_adapt_effort efforts[PND_ADAPT_EFFORTS_MAX];
    struct pnd_adapt_way ways[2];
};

/*   @param timed  false: always @p top
 *   @param top  1 to PND_ADAPT_EFFORTS_MAX - 1, and begins with 1; where it is not timed, any
 *   @param block_bytes  of all blocks but the last; 1 to 16 MiB */
void pnd_adapt_init(struct pnd_adapt *adapt, bool timed, unsigned top, size_t block_bytes);

/* The effort for the next block; pnd_adapt_tell() has to follow. */
unsigned pnd_adapt_choose(struct pnd_adapt *adapt);
void pnd_adapt_tell(struct pnd_adapt *adapt, const struct pnd_adapt_block *block);

#endif
