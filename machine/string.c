/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The four functions that every freestanding C program must have, and what Debian's libz.a and
 * liblz4.a name besides. Compiled with -fno-tree-loop-distribute-patterns, or the loops below
 * would become calls of themselves. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "panic.h"

typedef uint64_t words __attribute__((vector_size(16), aligned(1), may_alias));

enum { WORDS = sizeof(words) };

void *memcpy(void *restrict ret, const void *restrict from, size_t len)
{
    uint8_t *to = ret;
    const uint8_t *at = from;

    for (; len >= WORDS; len -= WORDS, to += WORDS, at += WORDS)
        *(words *)to = *(const words *)at;
    for (; len > 0; len--)
        *to++ = *at++;
    return ret;
}

void *memmove(void *ret, const void *from, size_t len)
{
    uint8_t *to = ret;
    const uint8_t *at = from;

    if ((uintptr_t)to - (uintptr_t)at >= len) /* forwards is right: also when to lies before at */
        return memcpy(ret, from, len);
    while (len > 0) {
        len--;
        to[len] = at[len];
    }
    return ret;
}

void *memset(void *ret, int value, size_t len)
{
    uint8_t *to = ret;
    uint64_t word = (uint8_t)value * UINT64_C(0x0101010101010101);
    words pair = {word, word};

    for (; len >= WORDS; len -= WORDS, to += WORDS)
        *(words *)to = pair;
    for (; len > 0; len--)
        *to++ = (uint8_t)value;
    return ret;
}

int memcmp(const void *a, const void *b, size_t len)
{
    const uint8_t *p = a, *q = b;

    for (size_t i = 0; i < len; i++)
        if (p[i] != q[i])
            return p[i] < q[i] ? -1 : 1;
    return 0;
}

/* zlib and lz4 take memory only where nobody gave them any: here everybody does. */
void *malloc(size_t len)
{
    box_panic("malloc(%zu): a codec was not given its memory", len);
}

void *calloc(size_t count, size_t len)
{
    box_panic("calloc(%zu, %zu): a codec was not given its memory", count, len);
}

void free(void *p)
{
    if (p)
        box_panic("free(%p): nobody allocates", p);
}

void __stack_chk_fail(void); /* only a compiler calls it */

void __stack_chk_fail(void)
{
    box_panic("a stack frame of a codec was overwritten");
}
