/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The picture of memory: which rows and cells there are, what each shows, and windows of it. */
#include "facts/map.h"

#include "tap.h"

enum { PAGE = PND_MAP_CELL_MIN, P = PND_MEMORY_PRESENT, Z = PND_MEMORY_ZERO };

static const struct pnd_map_window everything = {0, UINT64_MAX};

static void add(struct pnd_facts *facts, uint64_t start, uint64_t end, enum pnd_memory_kind kind)
{
    pnd_facts_add_range(facts, start, end, kind);
}

static struct pnd_map make(const struct pnd_facts *facts, uint64_t start, uint64_t end,
                           unsigned columns, unsigned rows_max)
{
    struct pnd_map map = {0};

    CHECK_EQ(pnd_map_make(facts, (struct pnd_map_window){start, end}, columns, rows_max, &map),
             PND_OK);
    return map;
}

/* A letter for each cell of a row: of its kind, or ' '; "..." for rows left out. */
static const char *row_text(const struct pnd_map *map, unsigned row)
{
    static char text[PND_MAP_COLUMNS_MAX + 1];

    if (row >= map->row_count)
        return "no such row";
    if (map->rows[row].gap_bytes)
        return "...";
    for (unsigned i = 0; i < map->columns; i++)
        text[i] = "PZEUM "[map->kinds[row * map->columns + i]];
    text[map->columns] = '\0';
    return text;
}

static void a_cell_is_a_page_when_there_is_room(void)
{
    struct pnd_facts facts = {0};
    struct pnd_map map;

    add(&facts, 0, 2 * PAGE, PND_MEMORY_PRESENT);
    add(&facts, 2 * PAGE, 3 * PAGE, PND_MEMORY_ZERO);
    add(&facts, 5 * PAGE, 6 * PAGE, PND_MEMORY_EXCLUDED);
    map = make(&facts, 0, UINT64_MAX, 4, 8);
    CHECK_EQ(map.cell_bytes, PAGE);
    CHECK_EQ(map.row_count, 2);
    CHECK_STR(row_text(&map, 0), "PPZ ");
    CHECK_STR(row_text(&map, 1), " E  ");
    CHECK(!map.mixed);
    CHECK_EQ(map.sums[P], 2 * PAGE);
    pnd_map_deinit(&map);
    pnd_facts_deinit(&facts);
}

static void what_lies_far_apart_has_a_line_between(void)
{
    struct pnd_facts facts = {0};
    struct pnd_map map;

    add(&facts, 0, PAGE, PND_MEMORY_PRESENT);
    add(&facts, UINT64_C(1) << 40, (UINT64_C(1) << 40) + PAGE, PND_MEMORY_ZERO);
    map = make(&facts, 0, UINT64_MAX, 4, 8);
    CHECK_EQ(map.row_count, 3);
    CHECK_STR(row_text(&map, 0), "P   ");
    CHECK_STR(row_text(&map, 1), "...");
    CHECK_EQ(map.rows[1].start, 4 * PAGE);
    CHECK_EQ(map.rows[1].gap_bytes, (UINT64_C(1) << 40) - 4 * PAGE);
    CHECK_STR(row_text(&map, 2), "Z   ");
    pnd_map_deinit(&map);
    pnd_facts_deinit(&facts);
}

static void more_memory_makes_larger_cells_and_never_more_rows(void)
{
    struct pnd_facts facts = {0};

    for (unsigned bits = 12; bits < 64; bits++) {
        struct pnd_map map;

        add(&facts, 0, UINT64_C(1) << bits, PND_MEMORY_PRESENT);
        map = make(&facts, 0, UINT64_MAX, 16, 8);
        CHECK(map.row_count <= 8);
        CHECK(map.row_count == 8 || map.cell_bytes == PAGE);
        pnd_map_deinit(&map);
    }
    pnd_facts_deinit(&facts);
}

static void one_missing_page_is_seen_among_a_terabyte(void)
{
    const uint64_t at = UINT64_C(0x8000000000), end = UINT64_C(1) << 40;
    struct pnd_facts facts = {0};
    struct pnd_map map;

    add(&facts, at, at + PAGE, PND_MEMORY_MISSING);
    add(&facts, 0, end, PND_MEMORY_PRESENT);
    map = make(&facts, 0, UINT64_MAX, 16, 8);
    CHECK_STR(row_text(&map, 4), "MPPPPPPPPPPPPPPP");
    pnd_map_deinit(&map);

    /* and a window around it shows it as what it is: a page */
    map = make(&facts, at - 2 * PAGE, at + 2 * PAGE, 16, 8);
    CHECK_EQ(map.cell_bytes, PAGE);
    CHECK_EQ(map.row_count, 2);
    CHECK_STR(row_text(&map, 0), "PPPPPPPPPPPPPPPP");
    CHECK_STR(row_text(&map, 1), "MPPPPPPPPPPPPPPP");
    CHECK_EQ(map.rows[1].start, at);
    pnd_map_deinit(&map);
    pnd_facts_deinit(&facts);
}

static void a_window_has_the_sums_of_what_is_in_it(void)
{
    struct pnd_facts facts = {0};
    struct pnd_map map;

    add(&facts, 0, 100 * PAGE, PND_MEMORY_PRESENT);
    add(&facts, 100 * PAGE, 200 * PAGE, PND_MEMORY_ZERO);
    map = make(&facts, 90 * PAGE, 103 * PAGE, 4, 8);
    CHECK_EQ(map.sums[P], 10 * PAGE);
    CHECK_EQ(map.sums[Z], 3 * PAGE);
    CHECK_EQ(map.cell_bytes, PAGE);
    CHECK_EQ(map.rows[0].start, 88 * PAGE); /* rows are whole */
    CHECK_STR(row_text(&map, 3), "ZZZZ");
    pnd_map_deinit(&map);
    pnd_facts_deinit(&facts);
}

static void windows_side_by_side_have_all_of_it(void)
{
    struct pnd_facts facts = {0};
    uint64_t sums[PND_MEMORY_COUNT] = {0};

    for (unsigned i = 0; i < 40; i++)
        add(&facts, 3 * i * PAGE, (3 * i + 1 + i % 3) * PAGE, i % PND_MEMORY_COUNT);
    for (uint64_t at = 0; at < 120 * PAGE; at += 5 * PAGE) {
        struct pnd_map map = {0};

        if (pnd_map_make(&facts, (struct pnd_map_window){at, at + 5 * PAGE}, 8, 8, &map) == PND_OK)
            for (unsigned k = 0; k < PND_MEMORY_COUNT; k++)
                sums[k] += map.sums[k];
        pnd_map_deinit(&map);
    }
    struct pnd_map whole = make(&facts, 0, UINT64_MAX, 8, 8);
    CHECK_MEM(sums, whole.sums, sizeof(sums));
    pnd_map_deinit(&whole);
    pnd_facts_deinit(&facts);
}

static void a_range_of_several_kinds_shows_what_most_of_it_is_and_says_so(void)
{
    struct pnd_facts facts = {0};
    struct pnd_fact_range range = {.start = 0, .end = 64 * PAGE};
    struct pnd_map map;

    range.bytes[PND_MEMORY_PRESENT] = 40 * PAGE;
    range.bytes[PND_MEMORY_ZERO] = 24 * PAGE;
    pnd_facts_append_range(&facts, &range);
    add(&facts, 64 * PAGE, 68 * PAGE, PND_MEMORY_ZERO);
    map = make(&facts, 0, 32 * PAGE, 8, 8);
    CHECK(map.mixed);
    CHECK_STR(row_text(&map, 0), "PPPPPPPP");
    CHECK_EQ(map.sums[P], 20 * PAGE);
    CHECK_EQ(map.sums[Z], 12 * PAGE);
    pnd_map_deinit(&map);
    map = make(&facts, 64 * PAGE, 66 * PAGE, 8, 8);
    CHECK(!map.mixed);
    pnd_map_deinit(&map);
    pnd_facts_deinit(&facts);
}

static void the_end_of_the_address_space_is_no_edge_to_fall_from(void)
{
    struct pnd_facts facts = {0};
    struct pnd_map map;

    add(&facts, UINT64_MAX - PAGE + 1, UINT64_MAX, PND_MEMORY_MISSING);
    add(&facts, 0, PAGE, PND_MEMORY_PRESENT);
    map = make(&facts, 0, UINT64_MAX, 1024, 8);
    CHECK_EQ(map.row_count, 3);
    CHECK_EQ(map.kinds[3 * 1024 - 1], PND_MEMORY_MISSING);
    pnd_map_deinit(&map);
    map = make(&facts, UINT64_MAX - 1, UINT64_MAX, 4, 8);
    CHECK_EQ(map.row_count, 1);
    CHECK_EQ(map.sums[PND_MEMORY_MISSING], 1);
    pnd_map_deinit(&map);
    pnd_facts_deinit(&facts);
}

static void a_window_without_memory_is_not_found(void)
{
    struct pnd_facts facts = {0};
    struct pnd_map map;

    CHECK_EQ(pnd_map_make(&facts, everything, 4, 8, &map), PND_E_NOTFOUND);
    add(&facts, 10 * PAGE, 20 * PAGE, PND_MEMORY_PRESENT);
    CHECK_EQ(pnd_map_make(&facts, (struct pnd_map_window){0, 10 * PAGE}, 4, 8, &map),
             PND_E_NOTFOUND);
    CHECK_EQ(pnd_map_make(&facts, (struct pnd_map_window){20 * PAGE, 21 * PAGE}, 4, 8, &map),
             PND_E_NOTFOUND);
    CHECK_EQ(map.row_count, 0);
    pnd_facts_deinit(&facts);
}

static void what_cannot_be_drawn_is_refused(void)
{
    struct pnd_facts facts = {0};
    struct pnd_map map;

    add(&facts, 0, PAGE, PND_MEMORY_PRESENT);
    CHECK_EQ(pnd_map_make(&facts, everything, 0, 8, &map), PND_E_ARG);
    CHECK_EQ(pnd_map_make(&facts, everything, 3, 8, &map), PND_E_ARG);
    CHECK_EQ(pnd_map_make(&facts, everything, 2 * PND_MAP_COLUMNS_MAX, 8, &map), PND_E_ARG);
    CHECK_EQ(pnd_map_make(&facts, everything, 4, PND_MAP_ROWS_MIN - 1, &map), PND_E_ARG);
    CHECK_EQ(pnd_map_make(&facts, everything, 4, PND_MAP_ROWS_MAX + 1, &map), PND_E_ARG);
    CHECK_EQ(pnd_map_make(&facts, (struct pnd_map_window){PAGE, PAGE}, 4, 8, &map), PND_E_ARG);
    CHECK_EQ(pnd_map_make(&facts, (struct pnd_map_window){2, 1}, 4, 8, &map), PND_E_ARG);
    pnd_facts_deinit(&facts);
}

static void as_json_it_names_kinds_and_counts_cells(void)
{
    struct pnd_facts facts = {0};
    struct pnd_map map;
    json_t *json;
    char *text;

    add(&facts, 0, 2 * PAGE, PND_MEMORY_PRESENT);
    add(&facts, UINT64_C(1) << 63, (UINT64_C(1) << 63) + PAGE, PND_MEMORY_MISSING);
    map = make(&facts, 0, UINT64_MAX, 4, 8);
    json = pnd_map_to_json(&map, true);
    text = json_dumps(json, JSON_COMPACT);
    CHECK_STR(text, "{\"space\":\"physical\",\"columns\":4,\"cell_bytes\":4096,\"mixed\":false,"
                    "\"kinds\":[\"present\",\"zero\",\"excluded\",\"unreadable\",\"missing\"],"
                    "\"sums\":{\"present\":8192,\"zero\":0,\"excluded\":0,\"unreadable\":0,"
                    "\"missing\":4096},\"rows\":[{\"start\":\"0x0\",\"cells\":[0,0,-1,-1]},"
                    "{\"start\":\"0x4000\",\"gap_bytes\":9223372036854759424},"
                    "{\"start\":\"0x8000000000000000\",\"cells\":[4,-1,-1,-1]}]}");
    free(text);
    json_decref(json);
    pnd_map_deinit(&map);
    pnd_facts_deinit(&facts);
}

int main(void)
{
    RUN(a_cell_is_a_page_when_there_is_room);
    RUN(what_lies_far_apart_has_a_line_between);
    RUN(more_memory_makes_larger_cells_and_never_more_rows);
    RUN(one_missing_page_is_seen_among_a_terabyte);
    RUN(a_window_has_the_sums_of_what_is_in_it);
    RUN(windows_side_by_side_have_all_of_it);
    RUN(a_range_of_several_kinds_shows_what_most_of_it_is_and_says_so);
    RUN(the_end_of_the_address_space_is_no_edge_to_fall_from);
    RUN(a_window_without_memory_is_not_found);
    RUN(what_cannot_be_drawn_is_refused);
    RUN(as_json_it_names_kinds_and_counts_cells);
    return tap_done();
}
