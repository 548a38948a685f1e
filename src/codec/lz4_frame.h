/* SPDX-License-Identifier: BSD-2-Clause
 *
 * LZ4 as a file that `lz4 -d` opens: one frame, blocks none of which needs another, and a checksum
 * of the content. A block that does not shrink is stored in it as it is, and so is one for which
 * there is no time, if a clock tells (adapt.h): so it is a stage for a panic as well as for a
 * sender that has time. All memory is the caller's.
 * Freestanding, but for liblz4. @source LZ4 Frame Format Description 1.6 */
#ifndef PND_CODEC_LZ4_FRAME_H
#define PND_CODEC_LZ4_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "codec/blocks.h"
#include "codec/xxh32.h"

enum {
    PND_LZ4_FRAME_BLOCK_MIN = 64 << 10, /* for a panic */
    PND_LZ4_FRAME_BLOCK_MAX = 4 << 20,
    PND_LZ4_FRAME_STATE = 16416, /* LZ4_sizeofState() and a little more */
    PND_LZ4_FRAME_EFFORTS = 3,   /* stored, faster, liblz4's own default */
};

/* Bytes of memory beside the struct, for blocks of so many. */
#define PND_LZ4_FRAME_MEMORY(block_bytes) (2 * (size_t)(block_bytes) + 8)

struct pnd_lz4_frame {
    struct pnd_codec codec; /* what to use; its ctx is this struct, which must not move */
    struct pnd_blocks blocks;
    struct pnd_xxh32 content;
    uint8_t *out; /* the length of a block, and the block */
    _Alignas(16) uint8_t state[PND_LZ4_FRAME_STATE];
};

/*   @param block_bytes  64 or 256 KiB, 1 or 4 MiB: the format knows no other
 *   @param memory  @p bytes, PND_LZ4_FRAME_MEMORY(block_bytes) of them, which the codec keeps
 *   @param clock  NULL: always the default, so that the same bytes give the same file
 *   @return PND_OK; PND_E_ARG another block; PND_E_FULL more memory is wanted, there or, by this
 *           liblz4, in PND_LZ4_FRAME_STATE */
int pnd_lz4_frame_init(struct pnd_lz4_frame *lz4, size_t block_bytes, void *memory, size_t bytes,
                       const struct pnd_adapt_clock *clock);

#endif
