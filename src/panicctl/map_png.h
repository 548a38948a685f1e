/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The picture of memory as a PNG file. */
#ifndef PND_PANICCTL_MAP_PNG_H
#define PND_PANICCTL_MAP_PNG_H

#include "facts/map.h"
#include "host/why.h"

enum {
    PND_MAP_PNG_COLUMNS = 256, /* cells of a row */
    PND_MAP_PNG_ROWS = 256,    /* at most, those between parts included */
    PND_MAP_PNG_CELL = 3,      /* pixels of a cell, across and down */
};

/* Writes the picture to an open file: PND_MAP_PNG_CELL pixels for a cell, 8 bits with a palette in
 * the order of enum pnd_memory_kind, and the first address and the scale as its description.
 *   @return PND_OK; PND_E_SYS; PND_E_NOSPACE */
int pnd_map_write_png(const struct pnd_map *map, int fd, struct pnd_why *why);

#endif
