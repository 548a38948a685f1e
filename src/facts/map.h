/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A picture of memory: rows of cells, each for the same number of bytes, from the ranges of the
 * facts; of all of it, or of a window of addresses. */
#ifndef PND_FACTS_MAP_H
#define PND_FACTS_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "facts/facts.h"

enum {
    PND_MAP_CELL_MIN = 4096,            /* bytes: a page */
    PND_MAP_NOTHING = PND_MEMORY_COUNT, /* of a cell: none of its addresses is in the ranges */
    PND_MAP_COLUMNS_MAX = 1024,
    PND_MAP_ROWS_MIN = 8,
    PND_MAP_ROWS_MAX = 1024,
};

/* Addresses [start, end). No range ends beyond UINT64_MAX, so {0, UINT64_MAX} is everything. */
struct pnd_map_window {
    uint64_t start, end;
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
    uint64_t sums[PND_MEMORY_COUNT]; /* in the window; of a range that it cuts, its part */
    bool mixed; /* in the window is a range of more than one kind: where in it what is, is not
                 * known, and its cells show what most of it is */
};

/* The finest picture of at most @p rows_max rows. A cell shows what most of it is; but what is
 * missing or unreadable for sure is seen, however little it is. Rows begin at a multiple of their
 * size and are shown whole, so those at the edges of the window reach beyond it.
 *   @param columns   a power of two, at most PND_MAP_COLUMNS_MAX
 *   @param rows_max  PND_MAP_ROWS_MIN to PND_MAP_ROWS_MAX
 *   @return PND_OK (free with pnd_map_deinit()); PND_E_ARG an empty window, or columns or rows_max
 *           out of bounds; PND_E_NOTFOUND no range is in the window; PND_E_SYS no memory */
int pnd_map_make(const struct pnd_facts *facts, struct pnd_map_window window, unsigned columns,
                 unsigned rows_max, struct pnd_map *ret);
void pnd_map_deinit(struct pnd_map *map);

/* {"space":"physical","columns":64,"cell_bytes":4096,"mixed":false,
 *  "kinds":["present",..],"sums":{"present":N,..},
 *  "rows":[{"start":"0x0","cells":[0,0,-1,..]},{"start":"0x..","gap_bytes":N},..]}
 * A cell is an index of "kinds", or -1: nothing.
 *   @param physical  as pnd_facts.map_physical. @return the caller's; NULL no memory */
json_t *pnd_map_to_json(const struct pnd_map *map, bool physical);

#endif
