/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The clock that only goes forward, and the one on the wall. */
#ifndef PND_HOST_CLOCK_H
#define PND_HOST_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds since some start. */
static inline uint64_t pnd_clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The same in microseconds. */
static inline uint64_t pnd_clock_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Milliseconds since 1970, as far as this machine knows. */
static inline int64_t pnd_clock_wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif
