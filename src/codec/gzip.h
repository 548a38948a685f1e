/* SPDX-License-Identifier: BSD-2-Clause
 *
 * gzip as Apple's kernel makes it: one member, deflate level 1, a window of 4 KiB, memLevel 3, no
 * name and no time; by zlib. All memory is in the struct. PROTOCOL.md#kdp-6.4
 * Freestanding, but for zlib. */
#ifndef PND_CODEC_GZIP_H
#define PND_CODEC_GZIP_H

#include <stddef.h>
#include <stdint.h>

#include <zlib.h>

#include "panicd/stage.h"

enum {
    PND_GZIP_MEMORY = 40960, /* what deflateInit2() takes with these numbers, and a little more */
    PND_GZIP_OUT = 4096,
};

struct pnd_gzip {
    struct pnd_codec codec; /* what to use; its ctx is this struct, which must not move */
    const struct pnd_sink *next;
    z_stream z;
    size_t used;
    _Alignas(16) uint8_t memory[PND_GZIP_MEMORY];
    uint8_t out[PND_GZIP_OUT];
};

/* Takes the memory; no other call does.
 *   @return PND_OK; PND_E_FULL this zlib wants more than PND_GZIP_MEMORY */
int pnd_gzip_init(struct pnd_gzip *gzip);

#endif
