/* SPDX-License-Identifier: BSD-2-Clause */
#include "wire/sum.h"

enum {
    WORDS = 64, /* of 4 bytes: a cell */
    CELL = 4 * WORDS,
    SOME = 4, /* words that are summed together, where a cell is not whole */
};

/* For each processor that it is compiled for, not once for all of them. */
#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Odd numbers without a pattern: the first 32 bits behind the point of the cube roots of the first
 * 64 primes, the lowest bit set. */
static const uint32_t keys[WORDS] = {
    /* clang-format off */
    0x428a2f99, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a5, 0xab1c5ed5,
    0xd807aa99, 0x12835b01, 0x243185bf, 0x550c7dc3, 0x72be5d75, 0x80deb1ff, 0x9bdc06a7, 0xc19bf175,
    0xe49b69c1, 0xefbe4787, 0x0fc19dc7, 0x240ca1cd, 0x2de92c6f, 0x4a7484ab, 0x5cb0a9dd, 0x76f988db,
    0x983e5153, 0xa831c66d, 0xb00327c9, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2139, 0x4d2c6dfd, 0x53380d13, 0x650a7355, 0x766a0abb, 0x81c2c92f, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b71, 0xc76c51a3, 0xd192e819, 0xd6990625, 0xf40e3585, 0x106aa071,
    0x19a4c117, 0x1e376c09, 0x2748774d, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4b, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ef, 0x78a5636f, 0x84c87815, 0x8cc70209, 0x90befffb, 0xa4506ceb, 0xbef9a3f7, 0xc67178f3,
    /* clang-format on */
};

/* The factor of a cell: splitmix64 of its number, made odd. */
static uint64_t factor(uint64_t cell)
{
    uint64_t z = (cell + 1) * UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) | 1;
}

ALWAYS_INLINE uint32_t word(const uint8_t *at)
{
    uint32_t w;

    /* By its own name: a freestanding compiler takes memcpy for a call, and that for every word. */
    __builtin_memcpy(&w, at, sizeof(w));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    w = __builtin_bswap32(w);
#endif
    return w;
}

/* How a loop is to be compiled. */
enum manner { VECTORS, WORD_BY_WORD };

/* @p count words from @p at on, times their keys; a constant count becomes vectors. */
ALWAYS_INLINE uint64_t sum_words(const uint8_t *at, const uint32_t *key, unsigned count,
                                 enum manner manner)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < count; i++) {
        sum += (uint64_t)word(at + (size_t)4 * i) * key[i];
        if (manner == WORD_BY_WORD)
            __asm__("" : "+r"(sum)); /* no sum but this one */
    }
    return sum;
}

/* Part of a cell, from @p start bytes into it. */
ALWAYS_INLINE uint64_t part_of_cell(unsigned start, const uint8_t *at, size_t len)
{
    uint64_t sum = 0;
    size_t i = 0;

    for (; i < len && (start + i) % 4; i++)
        sum += ((uint64_t)at[i] << 8 * ((start + i) % 4)) * keys[(start + i) / 4];
    for (; len - i >= 4 * SOME; i += 4 * SOME)
        sum += sum_words(at + i, keys + (start + i) / 4, SOME, VECTORS);
    for (; len - i >= 4; i += 4)
        sum += sum_words(at + i, keys + (start + i) / 4, 1, VECTORS);
    for (; i < len; i++)
        sum += ((uint64_t)at[i] << 8 * ((start + i) % 4)) * keys[(start + i) / 4];
    return sum;
}

ALWAYS_INLINE uint64_t sum_bytes(uint64_t offset, const void *buf, size_t len, enum manner manner)
{
    const uint8_t *at = buf;
    uint64_t sum = 0, cell = offset / CELL;
    unsigned start = (unsigned)(offset % CELL);

    while (len > 0) {
        size_t part = CELL - start;

        if (part > len)
            part = len;
        sum += (part == CELL ? sum_words(at, keys, WORDS, manner) : part_of_cell(start, at, part)) *
               factor(cell++);
        at += part;
        len -= part;
        start = 0;
    }
    return sum;
}

#ifdef PND_SUM_CHOICE
#ifndef PND_SUM_WIDE /* a test says something else */
#define PND_SUM_WIDE __builtin_cpu_supports("avx2")
#endif

__attribute__((target("avx2"))) static uint64_t sum_wide(uint64_t offset, const void *buf,
                                                         size_t len)
{
    return sum_bytes(offset, buf, len, VECTORS);
}
#endif

/* Without AVX2 it is an old processor, where words are half as fast as its short vectors and fast
 * enough, or one made by software, where they are four times as fast. */
uint64_t pnd_sum(uint64_t offset, const void *buf, size_t len)
{
#ifdef PND_SUM_CHOICE
    if (PND_SUM_WIDE)
        return sum_wide(offset, buf, len);
    return sum_bytes(offset, buf, len, WORD_BY_WORD);
#else
    return sum_bytes(offset, buf, len, VECTORS);
#endif
}
