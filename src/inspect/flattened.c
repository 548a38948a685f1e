/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The flattened form; see flattened.h. */
#include "inspect/flattened.h"

#include <stdlib.h>
#include <string.h>

#include "image/kdump.h"

enum { FIRST_CAP = 1024 };

/* Records come in order but for a few headers, so the sort has little to do; of the same start,
 * the one that came last stands last. */
static int by_start(const void *left, const void *right)
{
    const struct pnd_flattened_record *a = left, *b = right;

    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    return (a->at > b->at) - (a->at < b->at);
}

/* What has come of a record: an earlier one that it replaces counts where it has not. */
static int keep(struct pnd_flattened *flat, size_t *cap, uint64_t start, uint64_t bytes)
{
    uint64_t come = flat->outer->bytes > flat->stop ? flat->outer->bytes - flat->stop : 0;

    bytes = bytes < come ? bytes : come;
    if (bytes == 0)
        return PND_OK;
    if (flat->count == PND_FLATTENED_RECORDS_MAX) {
        flat->full = true;
        return PND_OK;
    }
    if (flat->count == *cap) {
        size_t more = *cap ? *cap * 2 : FIRST_CAP;
        void *grown = reallocarray(flat->records, more, sizeof(flat->records[0]));

        if (!grown)
            return PND_E_SYS;
        flat->records = grown;
        *cap = more;
    }
    flat->records[flat->count++] =
        (struct pnd_flattened_record){.start = start, .bytes = bytes, .at = flat->stop};
    return PND_OK;
}

static int walk(struct pnd_flattened *flat)
{
    const struct pnd_content *outer = flat->outer;
    uint8_t head[PND_FLAT_RECORD_BYTES];
    uint64_t start = 0, bytes = 0;
    size_t cap = 0;

    flat->stop = PND_FLAT_START_BYTES;
    for (;;) {
        int err = outer->read(outer->ctx, flat->stop, head, sizeof(head));

        if (err)
            return err == PND_E_SHORT ? PND_OK : err;
        err = pnd_flat_record(head, &start, &bytes);
        flat->ended = err == PND_E_NOTFOUND;
        flat->damaged = err == PND_E_FORMAT;
        if (flat->damaged)
            return PND_OK;
        flat->stop += sizeof(head);
        if (flat->ended)
            return PND_OK;
        err = keep(flat, &cap, start, bytes);
        if (err)
            return err;
        flat->whole = start + bytes > flat->whole ? start + bytes : flat->whole;
        if (bytes > UINT64_MAX - flat->stop)
            return PND_OK;
        flat->stop += bytes;
    }
}

/* @return how many records begin at @p offset or before it */
static size_t count_before(const struct pnd_flattened *flat, uint64_t offset)
{
    size_t low = 0, high = flat->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (flat->records[middle].start <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* What follows @p offset: part of a record, or zeros (@p ret NULL). Where two records hold it, the
 * one that begins later.
 *   @return bytes; 0: it is not there */
static uint64_t find(const struct pnd_flattened *flat, uint64_t offset,
                     const struct pnd_flattened_record **ret)
{
    enum { BACK_MAX = 16 }; /* over records that lie within an earlier one */
    size_t before = count_before(flat, offset);
    uint64_t next = before < flat->count ? flat->records[before].start : UINT64_MAX, end = 0;

    for (size_t i = 0; i < BACK_MAX && i < before; i++) {
        const struct pnd_flattened_record *record = &flat->records[before - 1 - i];
        uint64_t left = record->start + record->bytes;

        if (left > offset) {
            *ret = record;
            return (left < next ? left : next) - offset;
        }
        end = left > end ? left : end;
    }
    *ret = NULL;
    return next != UINT64_MAX && next - end < PND_FLATTENED_GAP_MAX ? next - offset : 0;
}

static int read_flat(void *ctx, uint64_t offset, void *buf, size_t len)
{
    const struct pnd_flattened *flat = ctx;

    for (size_t done = 0; done < len;) {
        const struct pnd_flattened_record *record;
        uint64_t at = offset + done, left = find(flat, at, &record);
        size_t now = len - done < left ? len - done : (size_t)left;
        char *to = (char *)buf + done;
        int err = PND_OK;

        if (left == 0)
            return PND_E_SHORT;
        if (record)
            err = flat->outer->read(flat->outer->ctx, record->at + (at - record->start), to, now);
        else
            memset(to, 0, now);
        if (err)
            return err;
        done += now;
    }
    return PND_OK;
}

static void find_hole(struct pnd_flattened *flat)
{
    uint64_t end = 0;

    for (size_t i = 0; i < flat->count && flat->hole == flat->hole_end; i++) {
        const struct pnd_flattened_record *record = &flat->records[i];

        if (record->start > end && record->start - end >= PND_FLATTENED_GAP_MAX) {
            flat->hole = end;
            flat->hole_end = record->start;
        }
        end = record->start + record->bytes > end ? record->start + record->bytes : end;
    }
}

/* The first bytes, as far as they follow each other. */
static int read_head(struct pnd_flattened *flat)
{
    size_t len = 0;

    flat->head = malloc(PND_FLATTENED_HEAD);
    if (!flat->head)
        return PND_E_SYS;
    while (len < PND_FLATTENED_HEAD) {
        const struct pnd_flattened_record *record;
        uint64_t left = find(flat, len, &record);
        size_t now = PND_FLATTENED_HEAD - len;

        now = now < left ? now : (size_t)left;
        if (now == 0 || read_flat(flat, len, flat->head + len, now) != PND_OK)
            break;
        len += now;
    }
    flat->content.head = flat->head;
    flat->content.head_len = len;
    return PND_OK;
}

int pnd_flattened_init(struct pnd_flattened *ret, const struct pnd_content *outer)
{
    int err;

    memset(ret, 0, sizeof(*ret));
    ret->outer = outer;
    ret->content = (struct pnd_content){.ctx = ret, .fd = -1, .read = read_flat};
    err = walk(ret);
    if (err)
        return err;
    if (ret->count > 0)
        qsort(ret->records, ret->count, sizeof(ret->records[0]), by_start);
    find_hole(ret);
    ret->content.bytes = ret->whole;
    ret->content.final = outer->final;
    return read_head(ret);
}

void pnd_flattened_deinit(struct pnd_flattened *flat)
{
    free(flat->records);
    free(flat->head);
}
