/* SPDX-License-Identifier: BSD-2-Clause
 *
 * LZ4 by liblz4, in memory that was there before the panic; see lz4.h. */
#include "codec/lz4.h"

#include <string.h>

#include <lz4.h>

#include "wire/cursor.h"

enum {
    MAGIC_LEN = 4,
    PACKED_HEADER = MAGIC_LEN + 4 + 4,
    STORED_HEADER = MAGIC_LEN + 4,
    ACCELERATION = 1, /* liblz4's own default */
};

static int pass_on(struct pnd_lz4 *lz4, const void *buf, size_t len)
{
    return lz4->next->write(lz4->next->ctx, buf, len);
}

static int put_stored(struct pnd_lz4 *lz4)
{
    struct pnd_wr wr = pnd_wr(lz4->out, STORED_HEADER);
    int err;

    pnd_wr_bytes(&wr, "bv4-", MAGIC_LEN);
    pnd_wr_le32(&wr, (uint32_t)lz4->len);
    err = pass_on(lz4, lz4->out, pnd_wr_len(&wr));
    return err ? err : pass_on(lz4, lz4->block, lz4->len);
}

/* The block, if there is one: packed when that is shorter. */
static int put_block(struct pnd_lz4 *lz4)
{
    /* what takes as much as the block itself, or more, is no gain */
    int room = (int)lz4->len - 1, packed;
    struct pnd_wr wr = pnd_wr(lz4->out, PACKED_HEADER);
    int err;

    if (lz4->len == 0)
        return PND_OK;
    packed = room > 0 ? LZ4_compress_fast_extState(lz4->state, (const char *)lz4->block,
                                                   (char *)lz4->out + PACKED_HEADER, (int)lz4->len,
                                                   room, ACCELERATION)
                      : 0;
    if (packed > 0) {
        pnd_wr_bytes(&wr, "bv41", MAGIC_LEN);
        pnd_wr_le32(&wr, (uint32_t)lz4->len);
        pnd_wr_le32(&wr, (uint32_t)packed);
        err = pass_on(lz4, lz4->out, PACKED_HEADER + (size_t)packed);
    } else {
        err = put_stored(lz4);
    }
    lz4->len = 0;
    return err;
}

static int lz4_begin(void *ctx, const struct pnd_sink *next)
{
    struct pnd_lz4 *lz4 = ctx;

    lz4->next = next;
    lz4->len = 0;
    return PND_OK;
}

static int lz4_write(void *ctx, const void *buf, size_t len)
{
    struct pnd_lz4 *lz4 = ctx;
    const uint8_t *at = buf;

    if (!lz4->next)
        return PND_E_ARG;
    while (len > 0) {
        size_t part = sizeof(lz4->block) - lz4->len;
        int err = PND_OK;

        if (part > len)
            part = len;
        memcpy(lz4->block + lz4->len, at, part);
        lz4->len += part;
        at += part;
        len -= part;
        if (lz4->len == sizeof(lz4->block))
            err = put_block(lz4);
        if (err) {
            lz4->next = NULL;
            return err;
        }
    }
    return PND_OK;
}

static int lz4_finish(void *ctx)
{
    struct pnd_lz4 *lz4 = ctx;
    int err;

    if (!lz4->next)
        return PND_E_ARG;
    err = put_block(lz4);
    if (!err)
        err = pass_on(lz4, "bv4$", MAGIC_LEN);
    lz4->next = NULL;
    return err;
}

int pnd_lz4_init(struct pnd_lz4 *lz4)
{
    memset(lz4, 0, sizeof(*lz4));
    lz4->codec = (struct pnd_codec){
        .ctx = lz4, .begin = lz4_begin, .write = lz4_write, .finish = lz4_finish};
    if ((size_t)LZ4_sizeofState() > sizeof(lz4->state))
        return PND_E_FULL;
    return PND_OK;
}
