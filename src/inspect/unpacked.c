/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Random access to packed content; see unpacked.h. */
#include "inspect/unpacked.h"
#include "host/io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    BLOCK = PND_UNPACKED_BLOCK,
    IN_LEN = 64 << 10,
    KEEP_BEHIND = 8 * BLOCK, /* bytes before a place that are kept on the way there */
};

void pnd_unpacked_init(struct pnd_unpacked *unpacked, int fd, enum pnd_packed_kind kind,
                       const struct pnd_packed_index *index)
{
    *unpacked = (struct pnd_unpacked){.fd = fd, .kind = kind, .index = index};
}

void pnd_unpacked_deinit(struct pnd_unpacked *unpacked)
{
    pnd_packed_deinit(&unpacked->packed);
    for (size_t i = 0; i < PND_UNPACKED_BLOCKS; i++)
        free(unpacked->blocks[i].data);
    free(unpacked->in);
    free(unpacked->scratch);
}

static int make_buffers(struct pnd_unpacked *unpacked)
{
    if (!unpacked->in)
        unpacked->in = malloc(IN_LEN);
    if (!unpacked->scratch)
        unpacked->scratch = malloc(BLOCK);
    return unpacked->in && unpacked->scratch ? PND_OK : PND_E_SYS;
}

/* Goes on where it is when that is the shorter way, else at a point. */
static int go_near(struct pnd_unpacked *unpacked, uint64_t content)
{
    const struct pnd_packed_point *point = pnd_packed_index_find(unpacked->index, content);

    if (unpacked->live && unpacked->content <= content &&
        (!point || unpacked->content >= point->content))
        return PND_OK;
    unpacked->live = false;
    if (!point)
        return PND_E_SOURCE;
    if (pnd_packed_resume(&unpacked->packed, unpacked->kind, point))
        return PND_E_SYS;
    unpacked->live = true;
    unpacked->stored = point->stored;
    unpacked->content = point->content;
    unpacked->in_len = 0;
    return PND_OK;
}

static int read_more(struct pnd_unpacked *unpacked, uint64_t stored_end)
{
    uint64_t left = stored_end - unpacked->stored;
    ssize_t n;

    if (left == 0 || unpacked->budget < IN_LEN)
        return PND_E_SOURCE;
    unpacked->budget -= IN_LEN;
    n = pnd_io_read_at(unpacked->fd, unpacked->stored, unpacked->in,
                       left < IN_LEN ? (size_t)left : (size_t)IN_LEN);
    if (n <= 0)
        return PND_E_SOURCE;
    unpacked->in_at = unpacked->in;
    unpacked->in_len = (size_t)n;
    return PND_OK;
}

/* Unpacks @p len bytes, all of which the pass has seen. */
static int unpack(struct pnd_unpacked *unpacked, uint64_t stored_end, uint8_t *out, size_t len)
{
    struct pnd_packed_io io = {.out = out, .out_len = len};
    enum pnd_packed_result result;
    int err;

    if (!unpacked->live || len > unpacked->budget)
        return PND_E_SOURCE;
    unpacked->budget -= len;
    while (io.out_len > 0) {
        size_t before = io.out_len;

        if (unpacked->in_len == 0) {
            err = read_more(unpacked, stored_end);
            if (err && unpacked->stored != stored_end)
                return err; /* else: what was used may still have something to give */
        }
        io.in = unpacked->in_at;
        io.in_len = unpacked->in_len;
        result = pnd_packed_step(&unpacked->packed, &io, false);
        unpacked->stored += unpacked->in_len - io.in_len;
        unpacked->content += before - io.out_len;
        if (result == PND_PACKED_NO_MEMORY)
            return PND_E_SYS;
        if (result != PND_PACKED_MORE && result != PND_PACKED_ENDED) {
            unpacked->live = false; /* what came before the damage is good */
            return io.out_len ? PND_E_SOURCE : PND_OK;
        }
        if (io.in_len == unpacked->in_len && io.out_len == before && result == PND_PACKED_MORE)
            return PND_E_SOURCE; /* no way on */
        unpacked->in_at = io.in;
        unpacked->in_len = io.in_len;
        if (result == PND_PACKED_ENDED && pnd_packed_start(&unpacked->packed, unpacked->kind))
            return PND_E_SYS;
    }
    return PND_OK;
}

static struct pnd_unpacked_block *find_block(struct pnd_unpacked *unpacked, uint64_t start)
{
    struct pnd_unpacked_block *oldest = &unpacked->blocks[0];

    for (size_t i = 0; i < PND_UNPACKED_BLOCKS; i++) {
        struct pnd_unpacked_block *block = &unpacked->blocks[i];

        if (block->used && block->start == start)
            return block;
        if (block->used < oldest->used)
            oldest = block;
    }
    if (!oldest->data)
        oldest->data = malloc(BLOCK);
    if (!oldest->data)
        return NULL;
    oldest->start = start;
    oldest->len = 0;
    return oldest;
}

/* A whole block on the way, kept: who has read here often reads what stands before it. */
static int keep_block(struct pnd_unpacked *unpacked, uint64_t stored_end)
{
    struct pnd_unpacked_block *block = find_block(unpacked, unpacked->content);
    int err = block ? unpack(unpacked, stored_end, block->data, BLOCK) : PND_E_SYS;

    if (!err) {
        block->len = BLOCK;
        block->used = ++unpacked->clock;
    }
    return err;
}

/* What is unpacked on the way to a place. */
static int skip_to(struct pnd_unpacked *unpacked, uint64_t stored_end, uint64_t content)
{
    int err = PND_OK;

    while (!err && unpacked->content < content) {
        uint64_t left = content - unpacked->content;
        size_t in_block = BLOCK - (size_t)(unpacked->content % BLOCK);

        if (in_block == BLOCK && left >= BLOCK && left <= KEEP_BEHIND)
            err = keep_block(unpacked, stored_end);
        else
            err = unpack(unpacked, stored_end, unpacked->scratch,
                         left < in_block ? (size_t)left : in_block);
    }
    return err;
}

/* Has the block at @p start as far as the content goes. */
static int get_block(struct pnd_unpacked *unpacked, uint64_t stored, uint64_t content,
                     uint64_t start, struct pnd_unpacked_block **ret)
{
    size_t want = content - start < BLOCK ? (size_t)(content - start) : (size_t)BLOCK;
    struct pnd_unpacked_block *block = find_block(unpacked, start);
    int err = PND_OK;

    if (!block)
        return PND_E_SYS;
    block->used = ++unpacked->clock;
    if (block->len < want) {
        err = go_near(unpacked, start + block->len);
        if (!err)
            err = skip_to(unpacked, stored, start + block->len);
        if (!err)
            err = unpack(unpacked, stored, block->data + block->len, want - block->len);
        if (!err)
            block->len = want;
        else
            unpacked->live = false;
    }
    *ret = block;
    return err;
}

int pnd_unpacked_read(struct pnd_unpacked *unpacked, uint64_t stored, uint64_t content,
                      uint64_t offset, void *buf, size_t len)
{
    struct pnd_unpacked_block *block = NULL;
    uint8_t *out = buf;
    int err = make_buffers(unpacked);

    if (offset > content || len > content - offset)
        return PND_E_SHORT;
    while (!err && len > 0) {
        size_t at = (size_t)(offset % BLOCK), part = BLOCK - at < len ? BLOCK - at : len;

        err = get_block(unpacked, stored, content, offset - at, &block);
        if (err)
            break;
        memcpy(out, block->data + at, part);
        out += part;
        offset += part;
        len -= part;
    }
    return err;
}
