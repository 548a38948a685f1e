/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Pages of a kdump-compressed dump; see kdump_pages.h. */
#include "inspect/kdump_pages.h"

#include <stdlib.h>
#include <string.h>

#include <lzo/lzo1x.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

enum { PIECE_BITS = PND_KDUMP_PIECE * 8 };

/* Bits of frames that this file has: a split dump has those of a part only. */
static void mask_split(const struct pnd_kdump *kdump, uint8_t *piece, uint64_t number)
{
    uint64_t start = number * PIECE_BITS;

    if (start >= kdump->first && start + PIECE_BITS <= kdump->end)
        return;
    for (uint64_t i = 0; i < PIECE_BITS; i++)
        if (start + i < kdump->first || start + i >= kdump->end)
            piece[i / 8] &= (uint8_t) ~(1U << (i % 8));
}

static int load_piece(struct pnd_kdump_pages *pages, uint64_t number)
{
    int err;

    if (number == pages->piece_at)
        return PND_OK;
    pages->piece_at = UINT64_MAX;
    err = pages->content->read(pages->content->ctx, pages->kdump.dumped + number * PND_KDUMP_PIECE,
                               pages->piece, PND_KDUMP_PIECE);
    if (err)
        return err;
    mask_split(&pages->kdump, pages->piece, number);
    pages->piece_at = number;
    return PND_OK;
}

/* Bits set among the first @p bits. */
static uint64_t count_bits(const uint8_t *at, uint64_t bits)
{
    uint64_t count = 0, i = 0, word;

    for (; i + 64 <= bits; i += 64) {
        memcpy(&word, at + i / 8, sizeof(word));
        count += (uint64_t)__builtin_popcountll(word);
    }
    for (; i < bits; i++)
        count += at[i / 8] >> i % 8 & 1;
    return count;
}

int pnd_kdump_pages_init(struct pnd_kdump_pages *ret, const struct pnd_content *content,
                         const struct pnd_kdump *kdump)
{
    memset(ret, 0, sizeof(*ret));
    ret->content = content;
    ret->kdump = *kdump;
    ret->piece_at = UINT64_MAX;
    ret->pieces = (kdump->pages + PIECE_BITS - 1) / PIECE_BITS;
    /* no table for a bitmap that is not there */
    if (kdump->descs > content->bytes)
        return PND_E_SHORT;
    ret->ranks = calloc(ret->pieces + 1, sizeof(ret->ranks[0]));
    ret->packed = malloc(kdump->block);
    ret->slots = malloc((size_t)kdump->block * PND_KDUMP_SLOTS);
    if (!ret->ranks || !ret->packed || !ret->slots)
        return PND_E_SYS;
    for (uint64_t i = 0; i < ret->pieces; i++) {
        int err = load_piece(ret, i);

        if (err)
            return err;
        ret->ranks[i] = ret->dumped;
        ret->dumped += count_bits(ret->piece, PIECE_BITS);
    }
    ret->ranks[ret->pieces] = ret->dumped;
    return PND_OK;
}

void pnd_kdump_pages_deinit(struct pnd_kdump_pages *pages)
{
    free(pages->ranks);
    free(pages->packed);
    free(pages->slots);
}

/* Where the descriptor of a frame is. */
static int find_desc(struct pnd_kdump_pages *pages, uint64_t frame, uint64_t *ret)
{
    uint64_t piece = frame / PIECE_BITS, bit = frame % PIECE_BITS;
    int err;

    if (frame >= pages->kdump.pages)
        return PND_E_NOTFOUND;
    err = load_piece(pages, piece);
    if (err)
        return err;
    if (!(pages->piece[bit / 8] >> bit % 8 & 1))
        return PND_E_NOTFOUND;
    *ret = pages->kdump.descs +
           (pages->ranks[piece] + count_bits(pages->piece, bit)) * PND_KDUMP_DESC_BYTES;
    return PND_OK;
}

static bool unpack(const struct pnd_kdump_page *page, const uint8_t *packed, uint8_t *ret,
                   size_t block)
{
    uLongf zlib_len = block;
    lzo_uint lzo_len = block;
    size_t len = block;

    switch (page->flags) {
    case PND_KDUMP_PLAIN:
        memcpy(ret, packed, block);
        return true;
    case PND_KDUMP_ZLIB:
        return uncompress(ret, &zlib_len, packed, page->bytes) == Z_OK && zlib_len == block;
    case PND_KDUMP_LZO:
        return lzo1x_decompress_safe(packed, page->bytes, ret, &lzo_len, NULL) == LZO_E_OK &&
               lzo_len == block;
    case PND_KDUMP_SNAPPY:
        return snappy_uncompress((const char *)packed, page->bytes, (char *)ret, &len) ==
                   SNAPPY_OK &&
               len == block;
    case PND_KDUMP_ZSTD:
        return ZSTD_decompress(ret, block, packed, page->bytes) == block;
    default:
        return false;
    }
}

int pnd_kdump_pages_read(struct pnd_kdump_pages *pages, uint64_t address, void *buf, size_t len)
{
    size_t block = pages->kdump.block;
    uint64_t frame = address / block, at = 0;
    unsigned slot = (unsigned)(frame % PND_KDUMP_SLOTS);
    uint8_t *page_bytes = pages->slots + slot * block, desc[PND_KDUMP_DESC_BYTES];
    struct pnd_kdump_page page;
    int err;

    if (address % block + len > block)
        return PND_E_ARG;
    if (!pages->valid[slot] || pages->frames[slot] != frame) {
        const struct pnd_content *content = pages->content;

        pages->valid[slot] = false;
        err = find_desc(pages, frame, &at);
        if (!err)
            err = content->read(content->ctx, at, desc, sizeof(desc));
        if (!err)
            err = pnd_kdump_page(&pages->kdump, desc, &page);
        if (!err)
            err = content->read(content->ctx, page.offset, pages->packed, page.bytes);
        if (!err && !unpack(&page, pages->packed, page_bytes, block))
            err = PND_E_FORMAT;
        if (err)
            return err;
        pages->frames[slot] = frame;
        pages->valid[slot] = true;
    }
    memcpy(buf, page_bytes + address % block, len);
    return PND_OK;
}
