/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From ranges to cells; see map.h. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "panicctl/map.h"

const uint8_t pnd_map_colours[PND_MEMORY_COUNT + 2][3] = {
    [PND_MEMORY_PRESENT] = {0x2e, 0x8b, 0x57},  [PND_MEMORY_ZERO] = {0xc8, 0xd6, 0xcf},
    [PND_MEMORY_EXCLUDED] = {0x46, 0x82, 0xb4}, [PND_MEMORY_UNREADABLE] = {0xe0, 0x9f, 0x1f},
    [PND_MEMORY_MISSING] = {0xc0, 0x27, 0x2d},  [PND_MAP_NOTHING] = {0xff, 0xff, 0xff},
    [PND_MAP_NOTHING + 1] = {0x80, 0x80, 0x80},
};

/* Rows as numbers of row_bytes, so that the end of the address space needs no care. */
struct span {
    uint64_t first, last;
};

static struct span rows_of(const struct pnd_fact_range *range, uint64_t row_bytes)
{
    return (struct span){range->start / row_bytes, (range->end - 1) / row_bytes};
}

/* How many rows and lines between them a row size makes; more than @p max are not counted. */
static uint64_t count_rows(const struct pnd_facts *facts, uint64_t row_bytes, uint64_t max)
{
    uint64_t count = 0, next = 0; /* next: behind the last row */

    for (unsigned i = 0; i < facts->range_count && count <= max; i++) {
        struct span span = rows_of(&facts->ranges[i], row_bytes);

        if (span.first > next && count > 0)
            count++; /* the line between */
        if (count == 0 || span.first >= next)
            next = span.first;
        if (span.last < next)
            continue;
        if (span.last - next >= max)
            return max + 1;
        count += span.last - next + 1;
        next = span.last + 1;
    }
    return count;
}

/* With rows of half the address space there are two. */
static uint64_t choose_cell(const struct pnd_facts *facts, unsigned columns, unsigned rows_max)
{
    uint64_t cell = PND_MAP_CELL_MIN;

    while (cell * columns < UINT64_C(1) << 63 &&
           count_rows(facts, cell * columns, rows_max) > rows_max)
        cell *= 2;
    return cell;
}

static void make_rows(const struct pnd_facts *facts, uint64_t row_bytes, struct pnd_map *map)
{
    uint64_t next = 0;

    for (unsigned i = 0; i < facts->range_count; i++) {
        struct span span = rows_of(&facts->ranges[i], row_bytes);

        if (map->row_count > 0 && span.first > next)
            map->rows[map->row_count++] = (struct pnd_map_row){
                .start = next * row_bytes, .gap_bytes = (span.first - next) * row_bytes};
        if (map->row_count == 0 || span.first >= next)
            next = span.first;
        for (; next <= span.last; next++)
            map->rows[map->row_count++] = (struct pnd_map_row){.start = next * row_bytes};
    }
}

/* ---- the cells ---- */

struct cell {
    double bytes[PND_MEMORY_COUNT];
    bool sure[PND_MEMORY_COUNT]; /* by a range that is nothing else */
};

static void share(const struct pnd_fact_range *range, uint64_t first, uint64_t last,
                  struct cell *cell)
{
    uint64_t from = range->start > first ? range->start : first;
    uint64_t to = range->end - 1 < last ? range->end - 1 : last; /* the last byte */
    uint64_t len = range->end - range->start;
    double part = ((double)(to - from) + 1) / (double)len;

    for (unsigned k = 0; k < PND_MEMORY_COUNT; k++) {
        cell->bytes[k] += (double)range->bytes[k] * part;
        cell->sure[k] = cell->sure[k] || range->bytes[k] == len;
    }
}

static uint8_t kind_of(const struct cell *cell)
{
    uint8_t most = PND_MAP_NOTHING;
    double bytes = 0;

    if (cell->sure[PND_MEMORY_MISSING])
        return PND_MEMORY_MISSING;
    if (cell->sure[PND_MEMORY_UNREADABLE])
        return PND_MEMORY_UNREADABLE;
    for (unsigned k = 0; k < PND_MEMORY_COUNT; k++) {
        if (cell->bytes[k] > bytes) {
            most = (uint8_t)k;
            bytes = cell->bytes[k];
        }
    }
    return most;
}

static void make_cells(const struct pnd_facts *facts, struct pnd_map *map)
{
    unsigned range = 0; /* the first that does not end before the cell */

    for (unsigned row = 0; row < map->row_count; row++) {
        for (unsigned column = 0; column < map->columns; column++) {
            uint64_t first = map->rows[row].start + column * map->cell_bytes;
            uint64_t last = first + (map->cell_bytes - 1);
            struct cell cell = {0};

            while (range < facts->range_count && facts->ranges[range].end - 1 < first)
                range++;
            for (unsigned i = range; !map->rows[row].gap_bytes && i < facts->range_count &&
                                     facts->ranges[i].start <= last;
                 i++)
                share(&facts->ranges[i], first, last, &cell);
            map->kinds[row * map->columns + column] = kind_of(&cell);
        }
    }
}

int pnd_map_make(const struct pnd_facts *facts, unsigned columns, unsigned rows_max,
                 struct pnd_map *ret)
{
    struct pnd_map map = {.columns = columns};

    *ret = map;
    if (facts->range_count == 0)
        return PND_E_NOTFOUND;
    map.cell_bytes = choose_cell(facts, columns, rows_max);
    map.rows = calloc((size_t)rows_max + 1, sizeof(*map.rows));
    map.kinds = calloc((size_t)rows_max + 1, columns);
    if (!map.rows || !map.kinds) {
        pnd_map_deinit(&map);
        return PND_E_SYS;
    }
    make_rows(facts, map.cell_bytes * columns, &map);
    make_cells(facts, &map);
    for (unsigned i = 0; i < facts->range_count; i++) {
        for (unsigned k = 0; k < PND_MEMORY_COUNT; k++)
            map.sums[k] += facts->ranges[i].bytes[k];
    }
    *ret = map;
    return PND_OK;
}

void pnd_map_deinit(struct pnd_map *map)
{
    free(map->rows);
    free(map->kinds);
    *map = (struct pnd_map){0};
}
