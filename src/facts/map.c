/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From ranges to cells; see map.h. */
#include "facts/map.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* What is drawn: the ranges of which a part is in the window. */
struct scene {
    const struct pnd_fact_range *ranges;
    unsigned count;
    struct pnd_map_window window;
};

/* Sorted and disjoint as ranges are, those in a window stand together. */
static struct scene scene_of(const struct pnd_facts *facts, struct pnd_map_window window)
{
    unsigned first = 0, end;

    while (first < facts->range_count && facts->ranges[first].end <= window.start)
        first++;
    for (end = first; end < facts->range_count && facts->ranges[end].start < window.end;)
        end++;
    return (struct scene){end > first ? facts->ranges + first : NULL, end - first, window};
}

/* The bytes [first, last] that the window leaves of a range. */
struct span {
    uint64_t first, last;
};

static struct span seen_of(const struct scene *scene, unsigned i)
{
    const struct pnd_fact_range *range = &scene->ranges[i];
    const struct pnd_map_window *window = &scene->window;

    return (struct span){range->start > window->start ? range->start : window->start,
                         (range->end < window->end ? range->end : window->end) - 1};
}

/* Rows as numbers of row_bytes, so that the end of the address space needs no care. */
static struct span rows_of(const struct scene *scene, unsigned i, uint64_t row_bytes)
{
    struct span seen = seen_of(scene, i);

    return (struct span){seen.first / row_bytes, seen.last / row_bytes};
}

/* How many rows and lines between them a row size makes; more than @p max are not counted. */
static uint64_t count_rows(const struct scene *scene, uint64_t row_bytes, uint64_t max)
{
    uint64_t count = 0, next = 0; /* next: behind the last row */

    for (unsigned i = 0; i < scene->count && count <= max; i++) {
        struct span span = rows_of(scene, i, row_bytes);

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
static uint64_t choose_cell(const struct scene *scene, unsigned columns, unsigned rows_max)
{
    uint64_t cell = PND_MAP_CELL_MIN;

    while (cell * columns < UINT64_C(1) << 63 &&
           count_rows(scene, cell * columns, rows_max) > rows_max)
        cell *= 2;
    return cell;
}

static void make_rows(const struct scene *scene, uint64_t row_bytes, struct pnd_map *map)
{
    uint64_t next = 0;

    for (unsigned i = 0; i < scene->count; i++) {
        struct span span = rows_of(scene, i, row_bytes);

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

/* ---- the sums ---- */

static void add_sums(const struct scene *scene, struct pnd_map *map)
{
    for (unsigned i = 0; i < scene->count; i++) {
        const struct pnd_fact_range *range = &scene->ranges[i];
        struct span seen = seen_of(scene, i);
        uint64_t len = range->end - range->start, part = seen.last - seen.first + 1;
        unsigned kinds = 0;

        for (unsigned k = 0; k < PND_MEMORY_COUNT; k++) {
            uint64_t bytes = range->bytes[k];

            kinds += bytes > 0;
            if (part < len) /* exact where all of it is one kind */
                bytes =
                    bytes == len ? part : (uint64_t)((double)bytes * ((double)part / (double)len));
            map->sums[k] += bytes;
        }
        map->mixed = map->mixed || kinds > 1;
    }
}

static bool in_bounds(struct pnd_map_window window, unsigned columns, unsigned rows_max)
{
    return window.start < window.end && columns > 0 && columns <= PND_MAP_COLUMNS_MAX &&
           (columns & (columns - 1)) == 0 && rows_max >= PND_MAP_ROWS_MIN &&
           rows_max <= PND_MAP_ROWS_MAX;
}

int pnd_map_make(const struct pnd_facts *facts, struct pnd_map_window window, unsigned columns,
                 unsigned rows_max, struct pnd_map *ret)
{
    struct pnd_map map = {.columns = columns};
    struct scene scene = scene_of(facts, window);

    *ret = (struct pnd_map){0};
    if (!in_bounds(window, columns, rows_max))
        return PND_E_ARG;
    if (scene.count == 0)
        return PND_E_NOTFOUND;
    map.cell_bytes = choose_cell(&scene, columns, rows_max);
    map.rows = calloc((size_t)rows_max + 1, sizeof(*map.rows));
    map.kinds = calloc((size_t)rows_max + 1, columns);
    if (!map.rows || !map.kinds) {
        pnd_map_deinit(&map);
        return PND_E_SYS;
    }
    make_rows(&scene, map.cell_bytes * columns, &map);
    make_cells(facts, &map);
    add_sums(&scene, &map);
    *ret = map;
    return PND_OK;
}

void pnd_map_deinit(struct pnd_map *map)
{
    free(map->rows);
    free(map->kinds);
    *map = (struct pnd_map){0};
}

/* ---- JSON ---- */

static json_t *row_to_json(const struct pnd_map *map, unsigned row)
{
    const uint8_t *kinds = map->kinds + (size_t)row * map->columns;
    json_t *cells;
    char start[2 + 16 + 1];

    snprintf(start, sizeof(start), "0x%" PRIx64, map->rows[row].start);
    if (map->rows[row].gap_bytes)
        return json_pack("{s:s, s:I}", "start", start, "gap_bytes",
                         (json_int_t)(map->rows[row].gap_bytes & (uint64_t)INT64_MAX));
    cells = json_array();
    for (unsigned i = 0; i < map->columns; i++)
        json_array_append_new(cells, json_integer(kinds[i] == PND_MAP_NOTHING ? -1 : kinds[i]));
    if (json_array_size(cells) != map->columns) {
        json_decref(cells);
        return NULL;
    }
    return json_pack("{s:s, s:o}", "start", start, "cells", cells);
}

json_t *pnd_map_to_json(const struct pnd_map *map, bool physical)
{
    json_t *kinds = json_array(), *sums = json_object(), *rows = json_array();
    int bad = 0;

    for (unsigned k = 0; k < PND_MEMORY_COUNT; k++) {
        const char *name = pnd_memory_name((enum pnd_memory_kind)k);

        bad |= json_array_append_new(kinds, json_string(name));
        bad |= json_object_set_new(sums, name,
                                   json_integer((json_int_t)(map->sums[k] & (uint64_t)INT64_MAX)));
    }
    for (unsigned i = 0; i < map->row_count; i++)
        bad |= json_array_append_new(rows, row_to_json(map, i));
    if (bad) {
        json_decref(kinds);
        json_decref(sums);
        json_decref(rows);
        return NULL;
    }
    return json_pack("{s:s, s:i, s:I, s:b, s:o, s:o, s:o}", "space",
                     physical ? "physical" : "virtual", "columns", (int)map->columns, "cell_bytes",
                     (json_int_t)map->cell_bytes, "mixed", (int)map->mixed, "kinds", kinds, "sums",
                     sums, "rows", rows);
}
