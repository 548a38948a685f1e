/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What of a dump was taken from the caller and is not yet held by the server: its bytes in a ring,
 * cut into pieces of at most one packet, and a record for each piece. Runs of zeros are pieces
 * without bytes. All of it stands in memory that the caller lends. A piece is new, on its way,
 * lost, or arrived; those on their way, and those that are lost, are lists. Freestanding. */
#ifndef PND_CLIENT_WINDOW_H
#define PND_CLIENT_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/pace.h"
#include "panicd/err.h"

enum {
    PND_WINDOW_MIN = 16 * 1024, /* bytes of memory that a window needs */
};

enum pnd_piece_state {
    PND_PIECE_NEW,
    PND_PIECE_FLYING,
    PND_PIECE_LOST,
    PND_PIECE_ARRIVED, /* the server has it, but a restarted one would not */
};

struct pnd_piece {
    uint64_t offset, len; /* of the dump; len > 0 */
    uint32_t at;          /* in the ring, unless zero */
    uint32_t number;      /* of its last transmission */
    uint32_t next, prev;  /* in its list */
    uint32_t wire;        /* bytes that its last transmission put on the wire */
    struct pnd_pace_mark mark;
    uint16_t tries;
    uint8_t state; /* enum pnd_piece_state */
    bool zero;
    bool guessed; /* the last time that it was taken for lost, nothing but time said so */
};

struct pnd_piece_list {
    uint32_t first, last, count;
};

struct pnd_window {
    uint8_t *ring;
    size_t ring_cap, ring_size; /* there is; is used. It grows when it wraps */
    size_t ring_at, ring_used;
    struct pnd_piece *pieces;
    uint32_t cap, size, head, count; /* circular, by ascending offset; size of them in use */
    uint32_t unsent;                 /* how many of them at the end are new */
    bool open; /* the last piece may still grow, and does not count as new yet */
    size_t open_cap;
    uint64_t end; /* one past the last byte taken */
    struct pnd_piece_list flying, lost;
};

/* @p offset: where the first byte stands that will be taken.
 *   @return PND_OK; PND_E_ARG less than PND_WINDOW_MIN, or not aligned to 8 */
int pnd_window_init(struct pnd_window *w, void *memory, size_t bytes, uint64_t offset);

/* Takes as many of the next bytes of the dump as there is room for, in pieces of @p piece_max.
 *   @param want  how large the ring should be, in bytes: more memory is used when it wraps
 *   @return how many */
size_t pnd_window_write(struct pnd_window *w, const void *buf, size_t len, size_t piece_max,
                        size_t want);

/* The next @p len bytes are zeros, len > 0. @return false: no room now */
bool pnd_window_zero(struct pnd_window *w, uint64_t len);

/* The last piece is whole as it is. */
void pnd_window_flush(struct pnd_window *w);

/* Forgets the leading pieces that end at or before @p held and are in no list. */
void pnd_window_release(struct pnd_window *w, uint64_t held);

/* @return the record of piece @p index, 0 is the lowest */
struct pnd_piece *pnd_window_piece(const struct pnd_window *w, uint32_t index);
uint32_t pnd_window_index(const struct pnd_window *w, const struct pnd_piece *piece);

/* @return the index of the first piece that ends behind @p offset; count: none does */
uint32_t pnd_window_find(const struct pnd_window *w, uint64_t offset);

/* @return the lowest new piece that is whole; NULL: none */
struct pnd_piece *pnd_window_next(const struct pnd_window *w);

void pnd_window_append(struct pnd_window *w, struct pnd_piece_list *list, struct pnd_piece *piece);
void pnd_window_remove(struct pnd_window *w, struct pnd_piece_list *list, struct pnd_piece *piece);

/* @return the first of a list, or the one behind @p piece; NULL: the end */
struct pnd_piece *pnd_window_first(const struct pnd_window *w, const struct pnd_piece_list *list);
struct pnd_piece *pnd_window_after(const struct pnd_window *w, const struct pnd_piece *piece);

#endif
