/* SPDX-License-Identifier: BSD-2-Clause
 *
 * XXH32; see xxh32.h. The names of the primes are those of the specification. */
#include "codec/xxh32.h"

#include <string.h>

#define P32_1 UINT32_C(0x9e3779b1)
#define P32_2 UINT32_C(0x85ebca77)
#define P32_3 UINT32_C(0xc2b2ae3d)
#define P32_4 UINT32_C(0x27d4eb2f)
#define P32_5 UINT32_C(0x165667b1)

/* The cursor checks each field; here a stripe has been checked as a whole, and the compiler makes
 * one load of it where the machine allows. */
static uint32_t le32(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint32_t rol32(uint32_t v, unsigned by)
{
    return v << by | v >> (32 - by);
}

static uint32_t round32(uint32_t lane, uint32_t input)
{
    return rol32(lane + input * P32_2, 13) * P32_1;
}

void pnd_xxh32_begin(struct pnd_xxh32 *xxh)
{
    *xxh = (struct pnd_xxh32){.lane = {P32_1 + P32_2, P32_2, 0, 0 - P32_1}};
}

/* @return @p buf behind the whole stripes of @p len bytes */
static const uint8_t *add_stripes(uint32_t *lane, const uint8_t *buf, size_t len)
{
    uint32_t a = lane[0], b = lane[1], c = lane[2], d = lane[3];

    for (; len >= PND_XXH32_STRIPE; len -= PND_XXH32_STRIPE, buf += PND_XXH32_STRIPE) {
        a = round32(a, le32(buf));
        b = round32(b, le32(buf + 4));
        c = round32(c, le32(buf + 8));
        d = round32(d, le32(buf + 12));
        /* four lanes look like a vector to a compiler, but without a product of 32 bits on vectors,
         * as in SSE2, that is four times as slow */
        __asm__("" : "+r"(a), "+r"(b));
        __asm__("" : "+r"(c), "+r"(d));
    }
    lane[0] = a, lane[1] = b, lane[2] = c, lane[3] = d;
    return buf;
}

void pnd_xxh32_add(struct pnd_xxh32 *xxh, const void *buf, size_t len)
{
    size_t have = (size_t)(xxh->bytes % PND_XXH32_STRIPE), room = PND_XXH32_STRIPE - have;
    const uint8_t *at = buf, *end = at + len;

    if (len == 0)
        return;
    xxh->bytes += len;
    if (have > 0) {
        room = room < len ? room : len;
        memcpy(xxh->rest + have, at, room);
        at += room;
        if (have + room < PND_XXH32_STRIPE)
            return;
        add_stripes(xxh->lane, xxh->rest, PND_XXH32_STRIPE);
    }
    at = add_stripes(xxh->lane, at, (size_t)(end - at));
    memcpy(xxh->rest, at, (size_t)(end - at));
}

uint32_t pnd_xxh32_end(const struct pnd_xxh32 *xxh)
{
    const uint8_t *at = xxh->rest, *end = at + xxh->bytes % PND_XXH32_STRIPE;
    uint32_t h = P32_5;

    if (xxh->bytes >= PND_XXH32_STRIPE)
        h = rol32(xxh->lane[0], 1) + rol32(xxh->lane[1], 7) + rol32(xxh->lane[2], 12) +
            rol32(xxh->lane[3], 18);
    h += (uint32_t)xxh->bytes;
    for (; end - at >= 4; at += 4)
        h = rol32(h + le32(at) * P32_3, 17) * P32_4;
    for (; at < end; at++)
        h = rol32(h + *at * P32_5, 11) * P32_1;
    h = (h ^ h >> 15) * P32_2;
    h = (h ^ h >> 13) * P32_3;
    return h ^ h >> 16;
}

uint32_t pnd_xxh32(const void *buf, size_t len)
{
    struct pnd_xxh32 xxh;

    pnd_xxh32_begin(&xxh);
    pnd_xxh32_add(&xxh, buf, len);
    return pnd_xxh32_end(&xxh);
}
