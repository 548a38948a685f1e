/* SPDX-License-Identifier: BSD-2-Clause
 *
 * LZ4 frames; see lz4_frame.h. @source LZ4 Frame Format Description 1.6 */
#include "codec/lz4_frame.h"

#include <string.h>

#include <lz4.h>

#include "wire/cursor.h"

enum {
    WORD = 4,       /* a block's length, the end mark, the content's checksum */
    HEADER_LEN = 7, /* magic, FLG, BD, checksum of those two */
    FLG = 0x64,     /* version 01, blocks are independent, the content has a checksum */
    BD_64_KIB = 4,  /* in bits 4 to 6; each further one is four times as much */
    BD_SHIFT = 4,
    BD_COUNT = 4,
    FASTER = 8, /* acceleration: half as fast again for a tenth more bytes, on kernels' memory */
};

#define MAGIC  UINT32_C(0x184d2204)
#define STORED UINT32_C(0x80000000) /* in a block's length */

static int put_stored(struct pnd_lz4_frame *lz4, const uint8_t *data, size_t len)
{
    uint8_t word[WORD];
    struct pnd_wr wr = pnd_wr(word, WORD);
    int err;

    pnd_wr_le32(&wr, (uint32_t)len | STORED);
    err = pnd_blocks_out(&lz4->blocks, word, WORD);
    return err ? err : pnd_blocks_out(&lz4->blocks, data, len);
}

static int put_block(struct pnd_blocks *blocks, const uint8_t *data, size_t len, unsigned effort)
{
    struct pnd_lz4_frame *lz4 = blocks->ctx;
    struct pnd_wr wr = pnd_wr(lz4->out, WORD);
    int room = (int)len - 1, packed = 0; /* what takes as much as the block itself is no gain */

    if (effort != PND_ADAPT_STORE && room > 0)
        packed = LZ4_compress_fast_extState(lz4->state, (const char *)data, (char *)lz4->out + WORD,
                                            (int)len, room, effort == 1 ? FASTER : 1);
    if (packed <= 0)
        return put_stored(lz4, data, len);
    pnd_wr_le32(&wr, (uint32_t)packed);
    return pnd_blocks_out(blocks, lz4->out, WORD + (size_t)packed);
}

static void see(struct pnd_blocks *blocks, const uint8_t *data, size_t len)
{
    struct pnd_lz4_frame *lz4 = blocks->ctx;

    pnd_xxh32_add(&lz4->content, data, len);
}

static unsigned bd_of(size_t block_bytes)
{
    unsigned i = 0;

    while (i < BD_COUNT && (size_t)PND_LZ4_FRAME_BLOCK_MIN << 2 * i != block_bytes)
        i++;
    return i;
}

static int lz4_begin(void *ctx, const struct pnd_sink *next)
{
    struct pnd_lz4_frame *lz4 = ctx;
    uint8_t header[HEADER_LEN];
    struct pnd_wr wr = pnd_wr(header, HEADER_LEN);
    int err;

    pnd_blocks_begin(&lz4->blocks, next);
    pnd_xxh32_begin(&lz4->content);
    pnd_wr_le32(&wr, MAGIC);
    pnd_wr_u8(&wr, FLG);
    pnd_wr_u8(&wr, (uint8_t)((BD_64_KIB + bd_of(lz4->blocks.cap)) << BD_SHIFT));
    pnd_wr_u8(&wr, (uint8_t)(pnd_xxh32(header + WORD, 2) >> 8));
    err = pnd_blocks_out(&lz4->blocks, header, HEADER_LEN);
    return err ? pnd_blocks_end(&lz4->blocks, err) : PND_OK;
}

static int lz4_write(void *ctx, const void *buf, size_t len)
{
    struct pnd_lz4_frame *lz4 = ctx;

    return pnd_blocks_write(&lz4->blocks, buf, len);
}

static int lz4_finish(void *ctx)
{
    struct pnd_lz4_frame *lz4 = ctx;
    uint8_t end[2 * WORD];
    struct pnd_wr wr = pnd_wr(end, sizeof(end));
    int err = pnd_blocks_flush(&lz4->blocks);

    if (err)
        return err;
    pnd_wr_le32(&wr, 0);
    pnd_wr_le32(&wr, pnd_xxh32_end(&lz4->content));
    return pnd_blocks_end(&lz4->blocks, pnd_blocks_out(&lz4->blocks, end, sizeof(end)));
}

int pnd_lz4_frame_init(struct pnd_lz4_frame *lz4, size_t block_bytes, void *memory, size_t bytes,
                       const struct pnd_adapt_clock *clock)
{
    memset(lz4, 0, sizeof(*lz4));
    lz4->codec = (struct pnd_codec){
        .ctx = lz4, .begin = lz4_begin, .write = lz4_write, .finish = lz4_finish};
    if (bd_of(block_bytes) == BD_COUNT)
        return PND_E_ARG;
    if (bytes < PND_LZ4_FRAME_MEMORY(block_bytes) || (size_t)LZ4_sizeofState() > sizeof(lz4->state))
        return PND_E_FULL;
    pnd_blocks_init(&lz4->blocks, lz4, memory, block_bytes, PND_LZ4_FRAME_EFFORTS - 1, clock);
    lz4->blocks.put = put_block;
    lz4->blocks.see = see;
    lz4->out = (uint8_t *)memory + block_bytes;
    return PND_OK;
}
