/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A picture of memory: rows of cells, each for the same number of bytes, from the ranges of the
 * facts (map_cells.c); and the picture as a PNG file (map_png.c). */
#ifndef PND_PANICCTL_MAP_H
#define PND_PANICCTL_MAP_H

#include <stdint.h>

#include "facts/facts.h"
#include "host/why.h"

enum {
    PND_MAP_CELL_MIN = 4096,            /* bytes: a page */
    PND_MAP_NOTHING = PND_MEMORY_COUNT, /* of a cell: none of its addresses is in the ranges */

    PND_MAP_PNG_COLUMNS = 256, /* cells of a row */
    PND_MAP_PNG_ROWS = 256,    /* at most, those between parts included */
    PND_MAP_PNG_CELL = 3,      /* pixels of a cell, across and down */
};

/* Addresses of columns * cell_bytes bytes; or, with gap_bytes, rows that are left out because
 * nothing is in them. */
struct pnd_map_row {
    uint64_t start;
    uint64_t gap_bytes; /* 0: a row with cells */
};

struct pnd_map {
    unsigned columns, row_count;
    uint64_t cell_bytes; /* a power of two */
    struct pnd_map_row *rows;
    uint8_t *kinds; /* row_count * columns: enum pnd_memory_kind, or PND_MAP_NOTHING */
    uint64_t sums[PND_MEMORY_COUNT];
};

/* The finest picture of at most @p rows_max rows. A cell shows what most of it is; but what is
 * missing or unreadable for sure is seen, however little it is.
 *   @param columns  a power of two. @param rows_max  at least 8
 *   @return PND_OK (free with pnd_map_deinit()); PND_E_NOTFOUND no ranges; PND_E_SYS no memory */
int pnd_map_make(const struct pnd_facts *facts, unsigned columns, unsigned rows_max,
                 struct pnd_map *ret);
void pnd_map_deinit(struct pnd_map *map);

/* Red, green and blue of a kind, PND_MAP_NOTHING included; one more: of the rows left out. */
extern const uint8_t pnd_map_colours[PND_MEMORY_COUNT + 2][3];

/* Writes the picture to an open file: PND_MAP_PNG_CELL pixels for a cell, 8 bits with a palette in
 * the order of enum pnd_memory_kind, and the first address and the scale as its description.
 *   @return PND_OK; PND_E_SYS; PND_E_NOSPACE */
int pnd_map_write_png(const struct pnd_map *map, int fd, struct pnd_why *why);

#endif
