/* SPDX-License-Identifier: BSD-2-Clause
 *
 * zstd, a frame for each block; see zstd.h. @source RFC 8878, 3.1.1 */
#include "codec/zstd.h"

#include <string.h>

#define ZSTD_STATIC_LINKING_ONLY /* memory that was there before, and how much of it */
#include <zstd.h>

#include "wire/cursor.h"

enum {
    ALIGN = 16,

    /* a frame of our own */
    FRAME_HEAD = 9,    /* magic, descriptor, length */
    DESCRIPTOR = 0xa0, /* the length has 4 bytes and is the window; there is no checksum, which
                          would take longer than some networks */
    BLOCK_HEAD = 3,
    RAW_MAX = 128 << 10, /* bytes of a block in it */
    BLOCK_RAW = 0,
    BLOCK_RLE = 1,
    TYPE_SHIFT = 1,
    LENGTH_SHIFT = 3,
    ZEROS_FRAME = FRAME_HEAD + PND_ZSTD_BLOCK_MAX / RAW_MAX * (BLOCK_HEAD + 1),
};

#define MAGIC UINT32_C(0xfd2fb528)

/* On memory of kernels the lightest is as fast as storing into a slow network; from level 3 on,
 * twice the time takes a fiftieth off the size; and more than level 6 takes twice the memory, too.
 */
static const int levels[PND_ZSTD_EFFORTS] = {[1] = -20, [2] = 1, [3] = 3, [4] = 5, [5] = 6};

static size_t aligned(size_t bytes)
{
    return (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

static size_t workspace_bytes(size_t block_bytes, unsigned top)
{
    size_t most = 0;

    for (unsigned i = 1; i <= top; i++) {
        ZSTD_compressionParameters params = ZSTD_getCParams(levels[i], block_bytes, 0);
        size_t bytes = ZSTD_estimateCCtxSize_usingCParams(params);

        most = bytes > most ? bytes : most;
    }
    return aligned(most);
}

/* ---- frames without libzstd ---- */

static void put_frame_head(struct pnd_wr *wr, size_t len)
{
    pnd_wr_le32(wr, MAGIC);
    pnd_wr_u8(wr, DESCRIPTOR);
    pnd_wr_le32(wr, (uint32_t)len);
}

/* @param left  bytes of the content from here on. @return those of this block */
static size_t put_block_head(struct pnd_wr *wr, unsigned type, size_t left)
{
    size_t len = left < RAW_MAX ? left : (size_t)RAW_MAX;

    pnd_wr_le(wr, (uint64_t)len << LENGTH_SHIFT | type << TYPE_SHIFT | (len == left), BLOCK_HEAD);
    return len;
}

static int put_zeros(struct pnd_zstd *zstd, size_t len)
{
    uint8_t frame[ZEROS_FRAME];
    struct pnd_wr wr = pnd_wr(frame, sizeof(frame));

    put_frame_head(&wr, len);
    while (len > 0) {
        len -= put_block_head(&wr, BLOCK_RLE, len);
        pnd_wr_u8(&wr, 0);
    }
    return pnd_blocks_out(&zstd->blocks, frame, pnd_wr_len(&wr));
}

static int put_stored(struct pnd_zstd *zstd, const uint8_t *data, size_t len)
{
    uint8_t head[FRAME_HEAD + BLOCK_HEAD];
    struct pnd_wr wr = pnd_wr(head, sizeof(head));
    int err = PND_OK;

    put_frame_head(&wr, len);
    while (!err && len > 0) {
        size_t part = put_block_head(&wr, BLOCK_RAW, len);

        err = pnd_blocks_out(&zstd->blocks, head, pnd_wr_len(&wr));
        if (!err)
            err = pnd_blocks_out(&zstd->blocks, data, part);
        data += part;
        len -= part;
        wr = pnd_wr(head, sizeof(head));
    }
    return err;
}

/* ---- frames by libzstd ---- */

static int put_packed(struct pnd_zstd *zstd, const uint8_t *data, size_t len, int level)
{
    size_t packed;

    if (ZSTD_isError(ZSTD_CCtx_setParameter(zstd->zstd, ZSTD_c_compressionLevel, level)))
        return PND_E_ARG;
    packed = ZSTD_compress2(zstd->zstd, zstd->out, zstd->out_cap, data, len);
    if (ZSTD_isError(packed))
        return PND_E_ARG;
    return pnd_blocks_out(&zstd->blocks, zstd->out, packed);
}

static int put_block(struct pnd_blocks *blocks, const uint8_t *data, size_t len, unsigned effort)
{
    struct pnd_zstd *zstd = blocks->ctx;

    if (effort == PND_ADAPT_STORE)
        return put_stored(zstd, data, len);
    if (effort == PND_BLOCKS_ZEROS && len == blocks->cap)
        return put_zeros(zstd, len);
    return put_packed(zstd, data, len, levels[effort == PND_BLOCKS_ZEROS ? 1 : effort]);
}

static void see(struct pnd_blocks *blocks, const uint8_t *data, size_t len)
{
    struct pnd_zstd *zstd = blocks->ctx;

    (void)data, (void)len;
    zstd->any = true;
}

/* Not a single frame is no file of zstd's: nothing at all becomes a frame of nothing. */
static int zstd_begin(void *ctx, const struct pnd_sink *next)
{
    struct pnd_zstd *zstd = ctx;

    pnd_blocks_begin(&zstd->blocks, next);
    zstd->any = false;
    return PND_OK;
}

static int zstd_write(void *ctx, const void *buf, size_t len)
{
    struct pnd_zstd *zstd = ctx;

    return pnd_blocks_write(&zstd->blocks, buf, len);
}

static int zstd_finish(void *ctx)
{
    struct pnd_zstd *zstd = ctx;
    int err = pnd_blocks_flush(&zstd->blocks);

    if (!err && !zstd->any)
        err = put_packed(zstd, zstd->out, 0, levels[1]);
    return pnd_blocks_end(&zstd->blocks, err);
}

static int make_workspace(struct pnd_zstd *zstd, void *memory, size_t bytes)
{
    zstd->zstd = ZSTD_initStaticCCtx(memory, bytes);
    if (!zstd->zstd)
        return PND_E_FULL;
    if (ZSTD_isError(ZSTD_CCtx_setParameter(zstd->zstd, ZSTD_c_checksumFlag, 1)))
        return PND_E_ARG;
    return PND_OK;
}

size_t pnd_zstd_memory(size_t block_bytes, unsigned top)
{
    return workspace_bytes(block_bytes, top) + aligned(block_bytes) +
           aligned(ZSTD_compressBound(block_bytes));
}

int pnd_zstd_init(struct pnd_zstd *zstd, size_t block_bytes, unsigned top, void *memory,
                  size_t bytes, const struct pnd_adapt_clock *clock)
{
    uint8_t *at = memory;
    size_t workspace;

    memset(zstd, 0, sizeof(*zstd));
    zstd->codec = (struct pnd_codec){
        .ctx = zstd, .begin = zstd_begin, .write = zstd_write, .finish = zstd_finish};
    if (block_bytes < PND_ZSTD_BLOCK_MIN || block_bytes > PND_ZSTD_BLOCK_MAX || top == 0 ||
        top >= (clock ? (unsigned)PND_ADAPT_EFFORTS_MAX : (unsigned)PND_ZSTD_EFFORTS))
        return PND_E_ARG;
    if (bytes < pnd_zstd_memory(block_bytes, top))
        return PND_E_FULL;
    workspace = workspace_bytes(block_bytes, top);
    zstd->out = at + workspace + aligned(block_bytes);
    zstd->out_cap = ZSTD_compressBound(block_bytes);
    pnd_blocks_init(&zstd->blocks, zstd, at + workspace, block_bytes, top, clock);
    zstd->blocks.put = put_block;
    zstd->blocks.see = see;
    return make_workspace(zstd, memory, workspace);
}
