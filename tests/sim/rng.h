/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Random numbers from a seed, the same on every machine. */
#ifndef PND_TESTS_SIM_RNG_H
#define PND_TESTS_SIM_RNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t state;
};

uint64_t rng_u64(struct rng *rng);
uint32_t rng_below(struct rng *rng, uint32_t bound); /* bound > 0 */
uint32_t rng_between(struct rng *rng, uint32_t low, uint32_t high);
bool rng_chance(struct rng *rng, unsigned permille);
void rng_fill(struct rng *rng, void *buf, size_t len);

#endif
