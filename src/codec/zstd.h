/* SPDX-License-Identifier: BSD-2-Clause
 *
 * zstd as a file that `zstd -d` opens: a frame for each block, with its length and, where it is
 * packed, a checksum, so that each block can have an effort of its own (adapt.h) and a reader can
 * begin at any of them. On memory of a kernel that packs as well as one long frame, in less memory,
 * for there is no window to be kept. A block for which there is no time is stored in its frame as
 * it is. All memory is the caller's. Freestanding, but for libzstd and its functions for static
 * memory.
 * @source RFC 8878 */
#ifndef PND_CODEC_ZSTD_H
#define PND_CODEC_ZSTD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/blocks.h"

enum {
    PND_ZSTD_BLOCK_MIN = 16 << 10,
    PND_ZSTD_BLOCK_MAX = 4 << 20,
    PND_ZSTD_EFFORTS = 6,      /* stored, level -20, level 1, level 3, level 5, level 6 */
    PND_ZSTD_EFFORT_FIRST = 3, /* for whoever will find out what there is time for */
    PND_ZSTD_EFFORT = 3,       /* for whoever will not */
};

struct pnd_zstd {
    struct pnd_codec codec; /* what to use; its ctx is this struct, which must not move */
    struct pnd_blocks blocks;
    void *zstd; /* libzstd's, at the begin of the memory */
    uint8_t *out;
    size_t out_cap;
    bool any; /* bytes have come */
};

/* Bytes of memory for blocks of so many, beside the struct: 1.5 MiB for 256 KiB at top 3, at top 2
 * (level 1) 1.1 MiB; 5.6 MiB for 1 MiB at the highest. */
size_t pnd_zstd_memory(size_t block_bytes, unsigned top);

/*   @param block_bytes  PND_ZSTD_BLOCK_MIN to PND_ZSTD_BLOCK_MAX
 *   @param top  the highest effort, 1 to PND_ZSTD_EFFORTS - 1; with a clock at most
 *               PND_ADAPT_EFFORTS_MAX - 1
 *   @param memory  @p bytes, pnd_zstd_memory() of them, at a multiple of 16; the codec keeps it
 *   @param clock  NULL: always the highest effort, so that the same bytes give the same file
 *   @return PND_OK; PND_E_ARG a block or effort out of range; PND_E_FULL more memory is wanted */
int pnd_zstd_init(struct pnd_zstd *zstd, size_t block_bytes, unsigned top, void *memory,
                  size_t bytes, const struct pnd_adapt_clock *clock);

#endif
