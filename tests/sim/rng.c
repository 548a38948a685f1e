/* SPDX-License-Identifier: BSD-2-Clause */
#include "sim/rng.h"

#include <string.h>

/* splitmix64, by Sebastiano Vigna, public domain. */
uint64_t rng_u64(struct rng *rng)
{
    uint64_t z = rng->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint32_t rng_below(struct rng *rng, uint32_t bound)
{
    return (uint32_t)((rng_u64(rng) >> 32) * bound >> 32);
}

uint32_t rng_between(struct rng *rng, uint32_t low, uint32_t high)
{
    return low + rng_below(rng, high - low + 1);
}

bool rng_chance(struct rng *rng, unsigned permille)
{
    return permille && rng_below(rng, 1000) < permille;
}

void rng_fill(struct rng *rng, void *buf, size_t len)
{
    uint8_t *p = buf;

    for (size_t i = 0; i < len; i += 8) {
        uint64_t v = rng_u64(rng);

        memcpy(p + i, &v, len - i < 8 ? len - i : 8);
    }
}
