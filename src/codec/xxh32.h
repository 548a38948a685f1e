/* SPDX-License-Identifier: BSD-2-Clause
 *
 * XXH32 with seed 0: the checksum of LZ4 frames. Freestanding.
 * @source xxHash fast digest algorithm, specification 0.1.1 */
#ifndef PND_CODEC_XXH32_H
#define PND_CODEC_XXH32_H

#include <stddef.h>
#include <stdint.h>

enum { PND_XXH32_STRIPE = 16 };

/* Of bytes that come in pieces. */
struct pnd_xxh32 {
    uint32_t lane[4];
    uint64_t bytes;
    uint8_t rest[PND_XXH32_STRIPE]; /* of which bytes % PND_XXH32_STRIPE are there */
};

void pnd_xxh32_begin(struct pnd_xxh32 *xxh);
void pnd_xxh32_add(struct pnd_xxh32 *xxh, const void *buf, size_t len);
uint32_t pnd_xxh32_end(const struct pnd_xxh32 *xxh);

/* Of all there is. */
uint32_t pnd_xxh32(const void *buf, size_t len);

#endif
