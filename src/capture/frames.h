/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The memory of /proc/vmcore by page frames: which of them are there, and what is in them. The
 * kernel's text, which two segments have, is there once. */
#ifndef PND_CAPTURE_FRAMES_H
#define PND_CAPTURE_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/vmcore_file.h"

enum {
    PND_FRAMES_RUNS_MAX = 2048, /* segments */
};

struct pnd_frames {
    struct pnd_vmcore_file *file;
    unsigned shift; /* a frame is 1 << shift bytes */
    uint64_t count; /* one more than the last frame */
    uint32_t run_count;
    struct pnd_frames_run {
        uint64_t paddr, offset, bytes;
    } runs[PND_FRAMES_RUNS_MAX]; /* ascending, disjoint */
};

/* @param file  understood; in use as long as @p ret
 *   @return PND_OK; PND_E_FULL more segments than PND_FRAMES_RUNS_MAX; PND_E_FORMAT one that wraps
 *           around, no memory at all, or a page size that cannot be; as the file's source */
int pnd_frames_open(struct pnd_vmcore_file *file, struct pnd_frames *ret);

/* Is any of the @p count frames from @p first on memory? */
bool pnd_frames_any(const struct pnd_frames *frames, uint64_t first, uint64_t count);

/* The first frame from @p at on that is memory; frames->count: none is. */
uint64_t pnd_frames_next(const struct pnd_frames *frames, uint64_t at);

/* How many of them there are, parts of one as a whole. */
uint64_t pnd_frames_present(const struct pnd_frames *frames);

/* Bit i of @p ret (LSB first) is set when frame @p first + i is memory, if only a part of it.
 *   @param count  of bits, a multiple of 8 */
void pnd_frames_bitmap(const struct pnd_frames *frames, uint64_t first, uint64_t count,
                       uint8_t *ret);

/* What is in @p count frames from @p first on; what is not in the file is zeros.
 *   @return as pnd_vmcore_file_read() */
int pnd_frames_read(const struct pnd_frames *frames, uint64_t first, uint64_t count, void *buf);

#endif
