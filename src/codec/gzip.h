/* SPDX-License-Identifier: BSD-2-Clause
 *
 * gzip by zlib: one member, deflate level 1, no name and no time. With the numbers of Apple's
 * kernel (a window of 4 KiB, memLevel 3) in the memory of the struct, PROTOCOL.md#kdp-6.4; or with
 * zlib's own (a window of 32 KiB, memLevel 8) in more memory, which is more than twice as fast on
 * memory of a Linux machine and makes it smaller by a tenth.
 *
 * The level does not follow the wire. Who sends gzip waits for the answer to each packet and packs
 * in between: where an answer takes a millisecond, level 4 ends 5 % sooner, and higher ones later
 * than that again; where it takes a tenth of it, each level is slower than the one below.
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
    PND_GZIP_LARGE_MEMORY = 272 << 10, /* the same with zlib's own numbers */
};

struct pnd_gzip {
    struct pnd_codec codec; /* what to use; its ctx is this struct, which must not move */
    const struct pnd_sink *next;
    z_stream z;
    uint8_t *from; /* the memory it has, of which used bytes are taken */
    size_t cap, used;
    _Alignas(16) uint8_t memory[PND_GZIP_MEMORY];
    uint8_t out[PND_GZIP_OUT];
};

/* Takes the memory; no other call does.
 *   @return PND_OK; PND_E_FULL this zlib wants more than PND_GZIP_MEMORY */
int pnd_gzip_init(struct pnd_gzip *gzip);

/* Likewise, with zlib's own numbers.
 *   @param memory  @p bytes (PND_GZIP_LARGE_MEMORY are enough) at a multiple of 16, which the
 *                  codec keeps */
int pnd_gzip_init_large(struct pnd_gzip *gzip, void *memory, size_t bytes);

#endif
