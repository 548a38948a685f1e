/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Content as a pass meets it, and the ways to pack it. */
#ifndef PND_TESTS_PASS_FIXTURE_H
#define PND_TESTS_PASS_FIXTURE_H

#include <lz4frame.h>
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

/* As a sender does that has a block at a time. */
static inline void add_lz4(struct bytes *to, const uint8_t *data, size_t len,
                           const LZ4F_frameInfo_t *info)
{
    LZ4F_preferences_t prefs = {.frameInfo = *info, .autoFlush = 1};
    size_t piece = 64 << 10, cap = LZ4F_HEADER_SIZE_MAX + 64, n;
    LZ4F_cctx *lz4 = NULL;

    for (size_t at = 0; at < len; at += piece)
        cap += LZ4F_compressBound(piece, &prefs);
    to->data = realloc(to->data, to->len + cap);
    if (!to->data || LZ4F_isError(LZ4F_createCompressionContext(&lz4, LZ4F_VERSION)))
        abort();
    n = LZ4F_compressBegin(lz4, to->data + to->len, cap, &prefs);
    for (size_t at = 0; at <= len && !LZ4F_isError(n); at += piece) {
        to->len += n;
        cap -= n;
        if (len - at < piece)
            piece = len - at;
        if (piece == 0)
            break;
        n = LZ4F_compressUpdate(lz4, to->data + to->len, cap, data + at, piece, NULL);
    }
    if (!LZ4F_isError(n))
        n = LZ4F_compressEnd(lz4, to->data + to->len, cap, NULL);
    if (LZ4F_isError(n))
        abort();
    to->len += n;
    LZ4F_freeCompressionContext(lz4);
}

enum packing {
    RAW,
    GZIP_APPLE,   /* one member, level 1, window of 4 KiB */
    GZIP_BEST,    /* one member, window of 32 KiB */
    GZIP_MEMBERS, /* many */
    ZSTD_ONE,
    ZSTD_FRAMES,
    LZ4_ONE,    /* blocks of 64 KiB that do not need each other, the content has a checksum */
    LZ4_SUMS,   /* of 1 MiB, and each block has one, too */
    LZ4_LINKED, /* each block needs the one before */
    LZ4_FRAMES,
    PACKINGS,
};

static inline struct bytes pack_as(enum packing packing, const uint8_t *data, size_t len)
{
    static const LZ4F_frameInfo_t one = {.blockMode = LZ4F_blockIndependent,
                                         .contentChecksumFlag = LZ4F_contentChecksumEnabled},
                                  sums = {.blockMode = LZ4F_blockIndependent,
                                          .blockSizeID = LZ4F_max1MB,
                                          .blockChecksumFlag = LZ4F_blockChecksumEnabled},
                                  linked = {.blockSizeID = LZ4F_max256KB};
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
    case LZ4_ONE:
        add_lz4(&packed, data, len, &one);
        break;
    case LZ4_SUMS:
        add_lz4(&packed, data, len, &sums);
        break;
    case LZ4_LINKED:
        add_lz4(&packed, data, len, &linked);
        break;
    default:
        for (size_t at = 0, part; at < len; at += part) {
            part = 1 + random_below(1 << 20);
            part = part < len - at ? part : len - at;
            if (packing == GZIP_MEMBERS)
                add_gzip(&packed, data + at, part, 1, 15);
            else if (packing == LZ4_FRAMES)
                add_lz4(&packed, data + at, part, part % 2 ? &one : &sums);
            else
                add_zstd(&packed, data + at, part, 0);
        }
    }
    return packed;
}

#endif
