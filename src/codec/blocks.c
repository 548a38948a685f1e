/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Bytes become blocks; see blocks.h. */
#include "codec/blocks.h"

#include <string.h>

static uint64_t now_us(const struct pnd_blocks *blocks)
{
    return blocks->clock.now_us ? blocks->clock.now_us(blocks->clock.ctx) : 0;
}

int pnd_blocks_end(struct pnd_blocks *blocks, int err)
{
    blocks->next = NULL;
    return err;
}

int pnd_blocks_out(struct pnd_blocks *blocks, const void *buf, size_t len)
{
    uint64_t start_us = now_us(blocks);
    int err = len ? blocks->next->write(blocks->next->ctx, buf, len) : PND_OK;

    blocks->out += len;
    blocks->write_us += now_us(blocks) - start_us;
    return err;
}

static bool is_zeros(const uint8_t *data, size_t len)
{
    return data[0] == 0 && memcmp(data, data + 1, len - 1) == 0;
}

enum { NOTES = 4, NOTE_BITS = 2, NOTE_MASK = 3 };

_Static_assert(PND_ADAPT_EFFORTS_MAX - 1 <= NOTE_MASK, "a note holds every effort");

/* @return true: it was decided before, and the clock has no say in it */
static bool is_noted(struct pnd_blocks *blocks, unsigned *ret_effort)
{
    size_t at = blocks->at;

    if (!blocks->notes)
        return false;
    blocks->at++;
    if (at >= blocks->notes_cap) {
        *ret_effort = 1;
        return true;
    }
    if (at >= blocks->noted)
        return false;
    *ret_effort = blocks->notes[at / NOTES] >> at % NOTES * NOTE_BITS & NOTE_MASK;
    return true;
}

static void note(struct pnd_blocks *blocks, unsigned effort)
{
    size_t at = blocks->noted;
    unsigned shift = (unsigned)(at % NOTES * NOTE_BITS);
    uint8_t *byte;

    if (!blocks->notes)
        return;
    byte = &blocks->notes[at / NOTES];
    *byte = (uint8_t)((*byte & ~(NOTE_MASK << shift)) | effort << shift);
    blocks->noted++;
}

/* Zeros are no decision, and what they take tells nothing of other blocks. */
static int put(struct pnd_blocks *blocks, const uint8_t *data, size_t len)
{
    struct pnd_adapt_block told = {.len = len};
    uint64_t start_us;
    unsigned effort;
    int err;

    if (is_zeros(data, len))
        return blocks->put(blocks, data, len, PND_BLOCKS_ZEROS);
    if (is_noted(blocks, &effort))
        return blocks->put(blocks, data, len, effort);
    effort = pnd_adapt_choose(&blocks->adapt);
    note(blocks, effort);
    blocks->out = 0;
    blocks->write_us = 0;
    start_us = now_us(blocks);
    err = blocks->put(blocks, data, len, effort);
    told.out = blocks->out;
    told.write_us = blocks->write_us;
    told.pack_us = now_us(blocks) - start_us - blocks->write_us;
    pnd_adapt_tell(&blocks->adapt, &told);
    return err;
}

int pnd_blocks_flush(struct pnd_blocks *blocks)
{
    int err = PND_OK;

    if (!blocks->next)
        return PND_E_ARG;
    if (blocks->len > 0)
        err = put(blocks, blocks->block, blocks->len);
    blocks->len = 0;
    return err ? pnd_blocks_end(blocks, err) : PND_OK;
}

/* A whole block in the caller's memory is put from there. */
void pnd_blocks_see(struct pnd_blocks *blocks, const uint8_t *data, size_t len)
{
    if (blocks->see && len > 0)
        blocks->see(blocks, data, len);
}

int pnd_blocks_one(struct pnd_blocks *blocks, const uint8_t *data, size_t len, unsigned effort,
                   const struct pnd_sink *next)
{
    const struct pnd_sink *stream = blocks->next;
    int err;

    blocks->next = next;
    err = blocks->put(blocks, data, len, is_zeros(data, len) ? PND_BLOCKS_ZEROS : effort);
    blocks->next = stream;
    return err;
}

int pnd_blocks_write(struct pnd_blocks *blocks, const void *buf, size_t len)
{
    const uint8_t *at = buf;

    if (!blocks->next)
        return PND_E_ARG;
    pnd_blocks_see(blocks, at, len);
    while (len > 0) {
        size_t room = blocks->cap - blocks->len, part = room < len ? room : len;
        int err = PND_OK;

        if (part == blocks->cap) {
            err = put(blocks, at, part);
        } else {
            memcpy(blocks->block + blocks->len, at, part);
            blocks->len += part;
            if (blocks->len == blocks->cap)
                err = pnd_blocks_flush(blocks);
        }
        if (err)
            return pnd_blocks_end(blocks, err);
        at += part;
        len -= part;
    }
    return PND_OK;
}

void pnd_blocks_note(struct pnd_blocks *blocks, uint8_t *notes, size_t bytes)
{
    blocks->notes = notes;
    blocks->notes_cap = NOTES * bytes;
    blocks->noted = 0;
}

void pnd_blocks_begin(struct pnd_blocks *blocks, const struct pnd_sink *next)
{
    blocks->next = next;
    blocks->len = 0;
    blocks->at = 0;
    pnd_adapt_init(&blocks->adapt, blocks->clock.now_us != NULL, blocks->top, blocks->cap);
}

void pnd_blocks_init(struct pnd_blocks *blocks, void *ctx, uint8_t *block, size_t cap, unsigned top,
                     const struct pnd_adapt_clock *clock)
{
    memset(blocks, 0, sizeof(*blocks));
    blocks->ctx = ctx;
    blocks->block = block;
    blocks->cap = cap;
    blocks->top = top;
    if (clock)
        blocks->clock = *clock;
}
