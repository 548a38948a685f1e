/* SPDX-License-Identifier: BSD-2-Clause
 *
 * LZ4 frames, by liblz4; see packed.h. What is added to it is to know where a block begins, for
 * where blocks do not need each other, unpacking can start at any of them.
 * @source LZ4 Frame Format Description 1.6 */
#include "inspect/packed.h"

#include <string.h>

#include "wire/cursor.h"

enum {
    MAGIC_LEN = 4,
    FLG_AT = MAGIC_LEN,
    BD_AT,
    HEAD_MIN = 7, /* magic, FLG, BD and their checksum */
    WORD = 4,

    FLG_VERSION = 0x40,
    FLG_INDEPENDENT = 0x20,
    FLG_BLOCK_SUM = 0x10,
    FLG_LENGTH = 0x08,
    FLG_SUM = 0x04,
    FLG_DICTIONARY = 0x01,
    BD_64_KIB = 4,
    BD_SHIFT = 4,
    BD_MASK = 3,
};

enum stage {
    HEAD,  /* of the frame */
    WORDS, /* the length of a block */
    BODY,
    SUM,  /* of a block: alone, so that what comes before it is out when it does not agree */
    REST, /* nothing that is looked at here: what follows the last block, or a skippable frame */
};

#define MAGIC    UINT32_C(0x184d2204)
#define STORED   UINT32_C(0x80000000) /* in a block's length */
#define SKIP_ANY UINT32_C(0xfffffff0)
#define SKIP     UINT32_C(0x184d2a50) /* and the 15 after it */

bool pnd_packed_lz4_is(const void *head, size_t len, bool skippable)
{
    struct pnd_rd rd = pnd_rd(head, len);
    uint32_t magic = pnd_rd_le32(&rd);

    return pnd_rd_ok(&rd) && (magic == MAGIC || (skippable && (magic & SKIP_ANY) == SKIP));
}

int pnd_packed_lz4_start(struct pnd_packed *packed)
{
    if (!packed->lz4.dctx &&
        LZ4F_isError(LZ4F_createDecompressionContext(&packed->lz4.dctx, LZ4F_VERSION)))
        return PND_E_SYS;
    LZ4F_resetDecompressionContext(packed->lz4.dctx);
    packed->raw = false;
    packed->trailer_left = 0;
    packed->lz4.stage = HEAD;
    packed->lz4.have = 0;
    return PND_OK;
}

/* As if the frame began here: with a header that promises no checksum of the content, because what
 * came before is not part of it. */
int pnd_packed_lz4_resume(struct pnd_packed *packed, const struct pnd_packed_point *point)
{
    /* the second byte of XXH32 over FLG and BD, for blocks without a checksum and with one */
    static const uint8_t sums[2][BD_MASK + 1] = {{0x82, 0xfb, 0x51, 0x73},
                                                 {0xad, 0x84, 0x33, 0x72}};
    unsigned block_sum = (point->lz4_flg & FLG_BLOCK_SUM) != 0;
    unsigned size = point->lz4_bd >> BD_SHIFT & BD_MASK;
    uint8_t head[HEAD_MIN], none;
    struct pnd_wr wr = pnd_wr(head, sizeof(head));
    size_t used = sizeof(head), made = 0;
    int err = pnd_packed_lz4_start(packed);

    if (err)
        return err;
    pnd_wr_le32(&wr, MAGIC);
    pnd_wr_u8(&wr, (uint8_t)(FLG_VERSION | FLG_INDEPENDENT | (block_sum ? FLG_BLOCK_SUM : 0)));
    pnd_wr_u8(&wr, (uint8_t)((BD_64_KIB + size) << BD_SHIFT));
    pnd_wr_u8(&wr, sums[block_sum][size]);
    if (LZ4F_isError(LZ4F_decompress(packed->lz4.dctx, &none, &made, head, &used, NULL)) ||
        used != sizeof(head))
        return PND_E_SYS;
    packed->raw = true;
    packed->lz4.flg = point->lz4_flg;
    packed->lz4.bd = point->lz4_bd;
    packed->lz4.stage = WORDS;
    return PND_OK;
}

bool pnd_packed_lz4_mark(const struct pnd_packed *packed, struct pnd_packed_point *ret)
{
    if (!(packed->lz4.flg & FLG_INDEPENDENT))
        return false;
    ret->lz4_flg = packed->lz4.flg;
    ret->lz4_bd = packed->lz4.bd;
    return true;
}

/* Bytes of the header, as far as they are known to belong to it. */
static size_t head_len(const struct pnd_packed_lz4 *lz4)
{
    uint8_t flg = lz4->head[FLG_AT];

    if (lz4->have <= FLG_AT)
        return FLG_AT + 1;
    return HEAD_MIN + (flg & FLG_LENGTH ? 8 : 0) + (flg & FLG_DICTIONARY ? 4 : 0);
}

/* How far it is to the next place where something is looked at. */
static size_t next_place(const struct pnd_packed_lz4 *lz4)
{
    switch ((enum stage)lz4->stage) {
    case HEAD:
        return head_len(lz4) - lz4->have;
    case WORDS:
        return WORD - lz4->have;
    case BODY:
    case SUM:
        return lz4->left;
    default:
        return SIZE_MAX;
    }
}

static void end_head(struct pnd_packed_lz4 *lz4)
{
    lz4->flg = lz4->head[FLG_AT];
    lz4->bd = lz4->head[BD_AT];
    lz4->stage = WORDS;
    lz4->have = 0;
}

/* @return a block has ended */
static bool end_body(struct pnd_packed_lz4 *lz4)
{
    if (lz4->stage == BODY && (lz4->flg & FLG_BLOCK_SUM)) {
        lz4->stage = SUM;
        lz4->left = WORD;
        return false;
    }
    lz4->stage = WORDS;
    return true;
}

static void end_word(struct pnd_packed_lz4 *lz4)
{
    struct pnd_rd rd = pnd_rd(lz4->head, WORD);
    uint32_t word = pnd_rd_le32(&rd);

    lz4->left = word & ~STORED;
    lz4->stage = word == 0 ? REST : BODY;
    lz4->have = 0;
    if (word != 0 && lz4->left == 0) /* a block of nothing */
        end_body(lz4);
}

/* @p len bytes at @p at, at most next_place(), have been used. @return a block has ended */
static bool move_on(struct pnd_packed_lz4 *lz4, const uint8_t *at, size_t len)
{
    switch ((enum stage)lz4->stage) {
    case HEAD:
    case WORDS:
        memcpy(lz4->head + lz4->have, at, len);
        lz4->have += (unsigned)len;
        if (lz4->stage == HEAD && lz4->have >= MAGIC_LEN &&
            !pnd_packed_lz4_is(lz4->head, lz4->have, false))
            lz4->stage = REST;
        else if (next_place(lz4) == 0 && lz4->stage == HEAD)
            end_head(lz4);
        else if (next_place(lz4) == 0)
            end_word(lz4);
        return false;
    case BODY:
    case SUM:
        lz4->left -= (uint32_t)len;
        return lz4->left == 0 && end_body(lz4);
    default:
        return false;
    }
}

static enum pnd_packed_result failed(struct pnd_packed *packed, size_t code)
{
    static const struct {
        const char *name, *text;
    } texts[] = {
        {"ERROR_contentChecksum_invalid", "its checksum does not agree"},
        {"ERROR_blockChecksum_invalid", "a block's checksum does not agree"},
        {"ERROR_headerChecksum_invalid", "its header's checksum does not agree"},
        {"ERROR_decompressionFailed", "within a block"},
        {"ERROR_maxBlockSize_invalid", "a block is too large"},
        {"ERROR_frameSize_wrong", "its length is not the one that it says"},
    };
    const char *name = LZ4F_getErrorName(code);

    if (strcmp(name, "ERROR_allocation_failed") == 0)
        return PND_PACKED_NO_MEMORY;
    packed->why = name;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (strcmp(name, texts[i].name) == 0)
            packed->why = texts[i].text;
    }
    return PND_PACKED_BAD;
}

enum pnd_packed_result pnd_packed_lz4_step(struct pnd_packed *packed, struct pnd_packed_io *io,
                                           bool to_block)
{
    struct pnd_packed_lz4 *lz4 = &packed->lz4;
    bool ended = false;

    if (packed->trailer_left)
        return pnd_packed_skip_trailer(packed, io);
    for (;;) {
        size_t place = next_place(lz4), used = io->in_len < place ? io->in_len : place;
        size_t made = io->out_len;
        size_t left = LZ4F_decompress(lz4->dctx, io->out, &made, io->in, &used, NULL);

        if (LZ4F_isError(left))
            return failed(packed, left);
        ended |= move_on(lz4, io->in, used);
        io->in += used;
        io->in_len -= used;
        io->out += made;
        io->out_len -= made;
        if (left == 0 && packed->raw && (lz4->flg & FLG_SUM)) {
            packed->trailer_left = WORD;
            return pnd_packed_skip_trailer(packed, io);
        }
        if (left == 0)
            return PND_PACKED_ENDED;
        if (io->out_len == 0 || (used == 0 && made == 0 && io->in_len == 0))
            return PND_PACKED_MORE;
        if (used == 0 && made == 0) {
            packed->why = "it leads nowhere";
            return PND_PACKED_BAD;
        }
        if (to_block && ended && (lz4->flg & FLG_INDEPENDENT))
            return PND_PACKED_BLOCK;
    }
}
