/* SPDX-License-Identifier: BSD-2-Clause
 *
 * gzip by zlib, in memory that was there before the panic; see gzip.h. */
#include "codec/gzip.h"

#include <limits.h>
#include <string.h>

enum {
    LEVEL = 1,
    APPLES_WINDOW_BITS = 12,
    APPLES_MEM_LEVEL = 3,
    LARGE_WINDOW_BITS = 15,
    LARGE_MEM_LEVEL = 8,
    GZIP_HEADER = 16, /* added to the window bits: a gzip header and trailer around the data */
    ALIGN = 16,
};

static void *take(void *ctx, unsigned items, unsigned size)
{
    struct pnd_gzip *gzip = ctx;
    size_t left = gzip->cap - gzip->used;
    uint64_t len = (uint64_t)items * size;
    void *at = gzip->from + gzip->used;

    if (len > left)
        return NULL;
    len = (len + ALIGN - 1) & ~(uint64_t)(ALIGN - 1);
    gzip->used += len < left ? (size_t)len : left;
    return at;
}

static void *refuse(void *ctx, unsigned items, unsigned size)
{
    (void)ctx, (void)items, (void)size;
    return NULL;
}

static void keep(void *ctx, void *at)
{
    (void)ctx, (void)at;
}

/* After an error, and before a beginning, the stream takes nothing. */
static int failed(struct pnd_gzip *gzip, int err)
{
    gzip->next = NULL;
    return err;
}

static void empty_out(struct pnd_gzip *gzip)
{
    gzip->z.next_out = gzip->out;
    gzip->z.avail_out = sizeof(gzip->out);
}

static int pass_on(struct pnd_gzip *gzip)
{
    size_t len = sizeof(gzip->out) - gzip->z.avail_out;
    int err = len ? gzip->next->write(gzip->next->ctx, gzip->out, len) : PND_OK;

    empty_out(gzip);
    return err;
}

static int gzip_begin(void *ctx, const struct pnd_sink *next)
{
    struct pnd_gzip *gzip = ctx;

    if (deflateReset(&gzip->z) != Z_OK)
        return failed(gzip, PND_E_ARG);
    gzip->next = next;
    empty_out(gzip);
    return PND_OK;
}

/* Takes the input; what comes out waits until there is a whole buffer of it. */
static int take_input(struct pnd_gzip *gzip)
{
    while (gzip->z.avail_in > 0) {
        int err;

        if (deflate(&gzip->z, Z_NO_FLUSH) != Z_OK)
            return PND_E_ARG;
        err = gzip->z.avail_out == 0 ? pass_on(gzip) : PND_OK;
        if (err)
            return err;
    }
    return PND_OK;
}

static int gzip_write(void *ctx, const void *buf, size_t len)
{
    struct pnd_gzip *gzip = ctx;
    const uint8_t *at = buf;

    if (!gzip->next)
        return PND_E_ARG;
    while (len > 0) {
        size_t part = len < INT_MAX ? len : INT_MAX;
        int err;

        gzip->z.next_in = (uint8_t *)(uintptr_t)at; /* which zlib does not write to */
        gzip->z.avail_in = (unsigned)part;
        err = take_input(gzip);
        if (err)
            return failed(gzip, err);
        at += part;
        len -= part;
    }
    return PND_OK;
}

static int gzip_finish(void *ctx)
{
    struct pnd_gzip *gzip = ctx;
    int status, err;

    if (!gzip->next)
        return PND_E_ARG;
    gzip->z.next_in = NULL;
    gzip->z.avail_in = 0;
    do {
        status = deflate(&gzip->z, Z_FINISH);
        if (status != Z_OK && status != Z_STREAM_END)
            return failed(gzip, PND_E_ARG);
        err = pass_on(gzip);
    } while (!err && status != Z_STREAM_END);
    return failed(gzip, err); /* it is over, whatever came of it */
}

static int init(struct pnd_gzip *gzip, int window_bits, int mem_level)
{
    gzip->codec = (struct pnd_codec){
        .ctx = gzip, .begin = gzip_begin, .write = gzip_write, .finish = gzip_finish};
    gzip->z.zalloc = take;
    gzip->z.zfree = keep;
    gzip->z.opaque = gzip;
    if (deflateInit2(&gzip->z, LEVEL, Z_DEFLATED, window_bits + GZIP_HEADER, mem_level,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return PND_E_FULL;
    gzip->z.zalloc = refuse;
    return PND_OK;
}

int pnd_gzip_init(struct pnd_gzip *gzip)
{
    memset(gzip, 0, sizeof(*gzip));
    gzip->from = gzip->memory;
    gzip->cap = sizeof(gzip->memory);
    return init(gzip, APPLES_WINDOW_BITS, APPLES_MEM_LEVEL);
}

int pnd_gzip_init_large(struct pnd_gzip *gzip, void *memory, size_t bytes)
{
    memset(gzip, 0, sizeof(*gzip));
    gzip->from = memory;
    gzip->cap = bytes;
    return init(gzip, LARGE_WINDOW_BITS, LARGE_MEM_LEVEL);
}
