/* SPDX-License-Identifier: BSD-2-Clause
 *
 * LZ4 in the framing of Apple's disk corefile (blocks `bv41`, `bv4-`, end `bv4$`), by liblz4.
 * Blocks of 64 KiB, none of which needs another. All memory is in the struct.
 * PROTOCOL.md#kdp-7.3. Freestanding, but for liblz4. */
#ifndef PND_CODEC_LZ4_H
#define PND_CODEC_LZ4_H

#include <stddef.h>
#include <stdint.h>

#include "panicd/stage.h"

enum {
    PND_LZ4_BLOCK = 65536,
    PND_LZ4_STATE = 16416, /* LZ4_sizeofState() and a little more */
};

struct pnd_lz4 {
    struct pnd_codec codec; /* what to use; its ctx is this struct, which must not move */
    const struct pnd_sink *next;
    size_t len; /* bytes in the block so far */
    _Alignas(16) uint8_t state[PND_LZ4_STATE];
    uint8_t block[PND_LZ4_BLOCK];
    uint8_t out[12 + PND_LZ4_BLOCK]; /* a block that does not shrink is stored */
};

/*   @return PND_OK; PND_E_FULL this liblz4 wants more than PND_LZ4_STATE */
int pnd_lz4_init(struct pnd_lz4 *lz4);

#endif
