/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The window of window.h. */
#include "client/window.h"

#include <string.h>

#define NONE UINT32_MAX

enum {
    PIECE_MIN = 1024,     /* a record for so many bytes of ring: smaller pieces fill less of it */
    RING_START = 1 << 20, /* as long as more is not of use, the ring stays in the caches */
    RING_CAP = 1 << 30,   /* offsets in it have 32 bits */
    PIECES_START = 2048,
};

int pnd_window_init(struct pnd_window *w, void *memory, size_t bytes, uint64_t offset)
{
    size_t cap;

    if (bytes < PND_WINDOW_MIN || (uintptr_t)memory % 8)
        return PND_E_ARG;
    if (bytes > RING_CAP)
        bytes = RING_CAP;
    cap = (uint32_t)bytes / (PIECE_MIN + (uint32_t)sizeof(struct pnd_piece));
    *w = (struct pnd_window){
        .pieces = memory,
        .cap = (uint32_t)cap,
        .ring = (uint8_t *)memory + cap * sizeof(struct pnd_piece),
        .ring_cap = bytes - cap * sizeof(struct pnd_piece),
        .end = offset,
        .flying = {.first = NONE, .last = NONE},
        .lost = {.first = NONE, .last = NONE},
    };
    w->ring_size = w->ring_cap < RING_START ? w->ring_cap : RING_START;
    w->size = w->cap < PIECES_START ? w->cap : PIECES_START;
    return PND_OK;
}

/* Indices and slots: @p index counts from the lowest piece. */
static uint32_t slot_of(const struct pnd_window *w, uint32_t index)
{
    uint32_t slot = w->head + index;

    return slot < w->size ? slot : slot - w->size;
}

struct pnd_piece *pnd_window_piece(const struct pnd_window *w, uint32_t index)
{
    return &w->pieces[slot_of(w, index)];
}

uint32_t pnd_window_index(const struct pnd_window *w, const struct pnd_piece *piece)
{
    uint32_t slot = (uint32_t)(piece - w->pieces);

    return slot >= w->head ? slot - w->head : slot + w->size - w->head;
}

/* Is there a record for one piece more? More of them are used when the next would wrap. */
static bool has_record(struct pnd_window *w)
{
    if (w->head + w->count == w->size && 2 * w->count > w->size && w->size < w->cap)
        w->size = w->cap / 2 < w->size ? w->cap : 2 * w->size;
    return w->count < w->size;
}

static struct pnd_piece *add_piece(struct pnd_window *w)
{
    struct pnd_piece *piece = pnd_window_piece(w, w->count++);

    *piece = (struct pnd_piece){.offset = w->end, .next = NONE, .prev = NONE};
    return piece;
}

void pnd_window_flush(struct pnd_window *w)
{
    w->unsent += w->open;
    w->open = false;
}

static void wrap(struct pnd_window *w, size_t want)
{
    if (w->ring_at < w->ring_size)
        return;
    if (w->ring_size < want && w->ring_size < w->ring_cap)
        w->ring_size = w->ring_cap / 2 < w->ring_size ? w->ring_cap : 2 * w->ring_size;
    else
        w->ring_at = 0;
}

static bool open_piece(struct pnd_window *w, size_t piece_max, size_t want)
{
    struct pnd_piece *piece;
    size_t room;

    wrap(w, want);
    room = w->ring_size - w->ring_at;
    if (room > piece_max)
        room = piece_max;
    if (w->ring_size - w->ring_used < room || !has_record(w))
        return false;
    piece = add_piece(w);
    piece->at = (uint32_t)w->ring_at;
    w->open = true;
    w->open_cap = room;
    return true;
}

size_t pnd_window_write(struct pnd_window *w, const void *buf, size_t len, size_t piece_max,
                        size_t want)
{
    const uint8_t *from = buf;
    size_t taken = 0;

    while (taken < len && (w->open || open_piece(w, piece_max, want))) {
        struct pnd_piece *piece = pnd_window_piece(w, w->count - 1);
        size_t part = w->open_cap - (size_t)piece->len;

        if (part > len - taken)
            part = len - taken;
        memcpy(w->ring + w->ring_at, from + taken, part);
        piece->len += part;
        w->ring_at += part;
        w->ring_used += part;
        w->end += part;
        taken += part;
        if (piece->len == w->open_cap)
            pnd_window_flush(w);
    }
    return taken;
}

bool pnd_window_zero(struct pnd_window *w, uint64_t len)
{
    struct pnd_piece *piece;

    if (!has_record(w))
        return false;
    pnd_window_flush(w);
    piece = add_piece(w);
    piece->zero = true;
    piece->len = len;
    w->end += len;
    w->unsent++;
    return true;
}

void pnd_window_release(struct pnd_window *w, uint64_t held)
{
    while (w->count > w->unsent + w->open) {
        const struct pnd_piece *piece = pnd_window_piece(w, 0);

        if (piece->offset + piece->len > held || piece->state != PND_PIECE_ARRIVED)
            return;
        if (!piece->zero)
            w->ring_used -= (size_t)piece->len;
        w->head = slot_of(w, 1);
        w->count--;
    }
}

uint32_t pnd_window_find(const struct pnd_window *w, uint64_t offset)
{
    uint32_t low = 0, high = w->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct pnd_piece *piece = pnd_window_piece(w, middle);

        if (piece->offset + piece->len <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct pnd_piece *pnd_window_next(const struct pnd_window *w)
{
    return w->unsent ? pnd_window_piece(w, w->count - w->open - w->unsent) : NULL;
}

void pnd_window_append(struct pnd_window *w, struct pnd_piece_list *list, struct pnd_piece *piece)
{
    uint32_t slot = (uint32_t)(piece - w->pieces);

    piece->prev = list->last;
    piece->next = NONE;
    if (list->last == NONE)
        list->first = slot;
    else
        w->pieces[list->last].next = slot;
    list->last = slot;
    list->count++;
}

void pnd_window_remove(struct pnd_window *w, struct pnd_piece_list *list, struct pnd_piece *piece)
{
    if (piece->prev == NONE)
        list->first = piece->next;
    else
        w->pieces[piece->prev].next = piece->next;
    if (piece->next == NONE)
        list->last = piece->prev;
    else
        w->pieces[piece->next].prev = piece->prev;
    list->count--;
}

struct pnd_piece *pnd_window_first(const struct pnd_window *w, const struct pnd_piece_list *list)
{
    return list->first == NONE ? NULL : &w->pieces[list->first];
}

struct pnd_piece *pnd_window_after(const struct pnd_window *w, const struct pnd_piece *piece)
{
    return piece->next == NONE ? NULL : &w->pieces[piece->next];
}
