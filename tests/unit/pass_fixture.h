/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Content as a pass meets it, and the ways to pack it. */
#ifndef PND_TESTS_PASS_FIXTURE_H
#define PND_TESTS_PASS_FIXTURE_H

#include <zstd.h>

#include "inspect/reader.h"
#include "unit/check_fixture.h"

enum {
    CONTENT_LEN = 6 << 20,
    PAGE = PND_PASS_PAGE,
};

static uint32_t random_state = 1;

static inline uint32_t random_below(uint32_t n)
{
    random_state = random_state * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)random_state * n >> 32);
}

/* Memory as it is: pages of zeros and of 'X', noise, text that repeats, and what is looked for. */
static inline uint8_t *make_content(size_t len)
{
    static const char words[] = "the quick brown fox jumps over the lazy kernel ";
    static const char *const texts[] = {
        "Darwin Kernel Version 21.1.0: root:xnu-8019.41.5~1/RELEASE",
        "panic(cpu 2 caller 0xffffff8000123456): oh",
        "Linux version 6.1.0-18-amd64 (x)",
        "OSRELEASE=6.1.0\nPAGESIZE=4096\n",
        "Kernel panic - not syncing: dead",
        "\npanic: page fault\n",
        "FreeBSD 14.1-RELEASE #0",
        "panicbox 0.1.0\n",
        "Debugger message: panic\n",
    };
    uint8_t *content = calloc(1, len + 64);

    if (!content)
        abort();
    for (size_t at = 0; at + PAGE <= len; at += PAGE) {
        switch (random_below(5)) {
        case 0:
            break;
        case 1:
            memset(content + at, 'X', PAGE);
            break;
        case 2:
            fill_noise(content + at, PAGE);
            content[at] = (uint8_t)at;
            break;
        default:
            for (size_t i = 0; i < PAGE; i++)
                content[at + i] = (uint8_t)words[(i + at / PAGE) % (sizeof(words) - 1)];
        }
    }
    for (unsigned i = 0; i < 200; i++) {
        const char *text = texts[random_below(9)];

        put_text(content + random_below((uint32_t)len - 64), text);
    }
    return content;
}

/* ---- packing ---- */

struct bytes {
    uint8_t *data;
    size_t len;
};

static inline void add_gzip(struct bytes *to, const uint8_t *data, size_t len, int level,
                            int window)
{
    size_t cap = len + len / 100 + 4096;
    z_stream z = {0};

    to->data = realloc(to->data, to->len + cap);
    if (!to->data ||
        deflateInit2(&z, level, Z_DEFLATED, window + 16, 3, Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
    z.next_in = (z_const Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)len;
    z.next_out = to->data + to->len;
    z.avail_out = (uInt)cap;
    if (deflate(&z, Z_FINISH) != Z_STREAM_END)
        abort();
    to->len += cap - z.avail_out;
    deflateEnd(&z);
}

static inline void add_zstd(struct bytes *to, const uint8_t *data, size_t len, int window_log)
{
    size_t cap = ZSTD_compressBound(len) + 64, n;
    ZSTD_CCtx *zstd = ZSTD_createCCtx();

    to->data = realloc(to->data, to->len + cap);
    if (!to->data || !zstd)
        abort();
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_contentSizeFlag, 0);
    if (window_log) {
        ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, window_log);
        ZSTD_CCtx_setParameter(zstd, ZSTD_c_enableLongDistanceMatching, 0);
    }
    {
        ZSTD_inBuffer in = {.src = data, .size = len};
        ZSTD_outBuffer out = {.dst = to->data + to->len, .size = cap};

        n = ZSTD_compressStream2(zstd, &out, &in, ZSTD_e_continue);
        if (ZSTD_isError(n))
            abort();
        n = ZSTD_compressStream2(zstd, &out, &in, ZSTD_e_end);
        if (n != 0)
            abort();
        to->len += out.pos;
    }
    ZSTD_freeCCtx(zstd);
}

enum packing {
    RAW,
    GZIP_APPLE,   /* one member, level 1, window of 4 KiB */
    GZIP_BEST,    /* one member, window of 32 KiB */
    GZIP_MEMBERS, /* many */
    ZSTD_ONE,
    ZSTD_FRAMES,
    PACKINGS,
};

static inline struct bytes pack_as(enum packing packing, const uint8_t *data, size_t len)
{
    struct bytes packed = {0};

    switch (packing) {
    case RAW:
        packed.data = malloc(len);
        if (!packed.data)
            abort();
        memcpy(packed.data, data, len);
        packed.len = len;
        break;
    case GZIP_APPLE:
        add_gzip(&packed, data, len, 1, 12);
        break;
    case GZIP_BEST:
        add_gzip(&packed, data, len, 6, 15);
        break;
    case ZSTD_ONE:
        add_zstd(&packed, data, len, 0);
        break;
    default:
        for (size_t at = 0, part; at < len; at += part) {
            part = 1 + random_below(1 << 20);
            part = part < len - at ? part : len - at;
            if (packing == GZIP_MEMBERS)
                add_gzip(&packed, data + at, part, 1, 15);
            else
                add_zstd(&packed, data + at, part, 0);
        }
    }
    return packed;
}

#endif
