/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl map: the picture of a dump's memory, in the terminal or as a PNG file. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <langinfo.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/guard.h"
#include "host/progress.h"
#include "host/text.h"
#include "panicctl/info.h"
#include "panicctl/map_png.h"

enum {
    ROWS_MAX = 14, /* with heading and legend less than a screen */
    COLUMNS = 32,
    COLUMNS_WIDE = 64,
    LABEL_LEN = 2 + 16 + 2,
};

struct map {
    const char *png; /* NULL: to the terminal */
    bool force;
    struct pnd_subject subject;
    struct pnd_facts facts;
    struct pnd_check check;
};

/* What stands for a kind: in UTF-8, elsewhere, and in which colour. */
static const struct {
    const char *block, *letter, *colour;
} looks[PND_MEMORY_COUNT + 1] = {
    [PND_MEMORY_PRESENT] = {"\u2588", "#", "\033[32m"},
    [PND_MEMORY_ZERO] = {"\u2591", ".", "\033[2m"},
    [PND_MEMORY_EXCLUDED] = {"\u2592", "-", "\033[34m"},
    [PND_MEMORY_UNREADABLE] = {"X", "X", "\033[33m"},
    [PND_MEMORY_MISSING] = {"?", "?", "\033[31m"},
    [PND_MAP_NOTHING] = {" ", " ", ""},
};

static const char *look(uint8_t kind)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0 ? looks[kind].block : looks[kind].letter;
}

static void print_cells(const struct pnd_ctl *ctl, const uint8_t *kinds, unsigned count)
{
    uint8_t before = PND_MAP_NOTHING;

    while (count > 0 && kinds[count - 1] == PND_MAP_NOTHING)
        count--;
    for (unsigned i = 0; i < count; i++) {
        if (ctl->colour && kinds[i] != before)
            printf("\033[0m%s", looks[kinds[i]].colour);
        fputs(look(kinds[i]), stdout);
        before = kinds[i];
    }
    if (ctl->colour && count > 0)
        fputs("\033[0m", stdout);
    putchar('\n');
}

static void print_legend(const struct pnd_ctl *ctl, const struct pnd_map *map)
{
    char bytes[PND_TEXT_BYTES_CAP];

    putchar('\n');
    for (unsigned k = 0; k < PND_MEMORY_COUNT; k++) {
        if (!map->sums[k])
            continue;
        printf("  %s%s%s %-10s %10s\n", ctl->colour ? looks[k].colour : "", look((uint8_t)k),
               ctl->colour ? "\033[0m" : "", pnd_memory_name((enum pnd_memory_kind)k),
               pnd_text_bytes(bytes, sizeof(bytes), map->sums[k]));
    }
}

static void print_picture(const struct pnd_ctl *ctl, const struct map *map,
                          const struct pnd_map *picture)
{
    char name[PND_SPOOL_NAME_CAP], shown[PND_PRINT_NAME_CAP], bytes[PND_TEXT_BYTES_CAP];

    pnd_subject_name(&map->subject, name, sizeof(name));
    printf("%s %s: %s memory, a character is %s\n", map->subject.row ? "Dump" : "File",
           pnd_print_name(shown, name), map->facts.map_physical ? "physical" : "virtual",
           pnd_text_bytes(bytes, sizeof(bytes), picture->cell_bytes));
    for (unsigned i = 0; i < picture->row_count; i++) {
        const struct pnd_map_row *row = &picture->rows[i];

        if (row->gap_bytes) {
            printf("  %16s  %s of addresses without memory\n", "...",
                   pnd_text_bytes(bytes, sizeof(bytes), row->gap_bytes));
            continue;
        }
        printf("  %016" PRIx64 "  ", row->start);
        print_cells(ctl, picture->kinds + (size_t)i * picture->columns, picture->columns);
    }
    print_legend(ctl, picture);
}

/* ---- JSON ---- */

static json_t *counts_json(const uint64_t bytes[PND_MEMORY_COUNT])
{
    json_t *json = json_object();

    for (unsigned k = 0; k < PND_MEMORY_COUNT; k++) {
        if (bytes[k])
            json_object_set_new(json, pnd_memory_name((enum pnd_memory_kind)k),
                                json_integer((json_int_t)bytes[k]));
    }
    return json;
}

static int map_json(const struct map *map)
{
    const struct pnd_dump *dump = &map->subject.view.dump;
    uint64_t sums[PND_MEMORY_COUNT] = {0};
    json_t *ranges = json_array();

    for (unsigned i = 0; i < map->facts.range_count; i++) {
        const struct pnd_fact_range *range = &map->facts.ranges[i];
        json_t *json = counts_json(range->bytes);
        char start[24], end[24];

        snprintf(start, sizeof(start), "0x%" PRIx64, range->start);
        snprintf(end, sizeof(end), "0x%" PRIx64, range->end);
        json_object_set_new(json, "start", json_string(start));
        json_object_set_new(json, "end", json_string(end));
        json_array_append_new(ranges, json);
        for (unsigned k = 0; k < PND_MEMORY_COUNT; k++)
            sums[k] += range->bytes[k];
    }
    return pnd_print_json(
        json_pack("{s:o, s:s, s:o, s:o}", "id",
                  map->subject.row && dump->id ? json_integer((json_int_t)dump->id) : json_null(),
                  "space", map->facts.map_physical ? "physical" : "virtual", "sums",
                  counts_json(sums), "ranges", ranges));
}

/* ---- PNG ---- */

static int open_png(const struct map *map)
{
    int fd = open(map->png, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0 && errno == EEXIST && map->force)
        fd = open(map->png, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (fd < 0 && errno == EEXIST)
        pnd_ctl_fail("%s is there already; --force replaces it", map->png);
    else if (fd < 0)
        pnd_ctl_fail("create %s: %s", map->png, strerror(errno));
    return fd;
}

static int write_png(const struct pnd_ctl *ctl, const struct map *map,
                     const struct pnd_map *picture)
{
    char name[PND_PRINT_NAME_CAP], bytes[PND_TEXT_BYTES_CAP];
    struct pnd_why why = {0};
    int err;

    PND_AUTO_CLOSE int fd = open_png(map);
    if (fd < 0)
        return PND_EXIT_COULD_NOT;
    err = pnd_map_write_png(picture, fd, &why);
    if (!err && fsync(fd) != 0 && errno != EINVAL)
        err = pnd_why(&why, PND_E_SYS, errno, "fsync %s", map->png);
    if (err) {
        unlink(map->png);
        return pnd_ctl_fail("%s", why.text);
    }
    if (ctl->json)
        return PND_EXIT_OK;
    printf("%s: %u by %u pixels, a square is %s\n", pnd_print_name(name, map->png),
           picture->columns * PND_MAP_PNG_CELL, picture->row_count * PND_MAP_PNG_CELL,
           pnd_text_bytes(bytes, sizeof(bytes), picture->cell_bytes));
    return PND_EXIT_OK;
}

/* ---- the verb ---- */

static int no_ranges(const struct map *map)
{
    const char *format = pnd_subject_format(&map->subject, &map->check);
    char name[PND_SPOOL_NAME_CAP], shown[PND_PRINT_NAME_CAP];

    pnd_subject_name(&map->subject, name, sizeof(name));
    pnd_print_name(shown, name);
    if (map->subject.row && map->subject.view.arriving)
        pnd_ctl_fail("the headers of %s have not come yet; \"panicctl watch\" shows it", shown);
    else
        pnd_ctl_fail("no memory is described in %s%s%s; \"panicctl info %s\" says what is known",
                     shown, format[0] ? ", which is " : "", format, shown);
    return PND_EXIT_NO;
}

static int run(struct pnd_ctl *ctl, const char *what, struct map *map)
{
    bool png = map->png != NULL;
    unsigned columns =
        pnd_progress_columns(STDOUT_FILENO) >= LABEL_LEN + COLUMNS_WIDE ? COLUMNS_WIDE : COLUMNS;
    struct pnd_map picture;
    struct pnd_why why = {0};
    int err = pnd_subject_find(ctl, what, &map->subject, &why), code = PND_EXIT_OK;

    if (!err)
        err = pnd_subject_facts(ctl, &map->subject, false, &map->facts, &map->check, &why);
    if (err)
        return pnd_ctl_fail("%s", why.text);
    err = pnd_map_make(&map->facts, (struct pnd_map_window){0, UINT64_MAX},
                       png ? PND_MAP_PNG_COLUMNS : columns, png ? PND_MAP_PNG_ROWS : ROWS_MAX,
                       &picture);
    if (err == PND_E_NOTFOUND)
        return no_ranges(map);
    if (err)
        return pnd_ctl_fail("no memory is left for a picture");
    if (png)
        code = write_png(ctl, map, &picture);
    else if (!ctl->json)
        print_picture(ctl, map, &picture);
    if (ctl->json && !code)
        code = map_json(map);
    pnd_map_deinit(&picture);
    return code;
}

int pnd_verb_map(struct pnd_ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {{"png", required_argument, NULL, 'p'},
                                            {"force", no_argument, NULL, 'f'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct map map = {.subject.fd = -1};
    int option, code;

    while ((option = getopt_long(argc, argv, "p:fjh", options, NULL)) != -1) {
        if (option == 'p')
            map.png = optarg;
        else if (option == 'f')
            map.force = true;
        else if ((code = pnd_ctl_common_option(ctl, argv[0], option)) >= 0)
            return code;
    }
    if (argc - optind > 1)
        return pnd_ctl_misused(argv[0], "map takes one ID or FILE");

    code = run(ctl, optind < argc ? argv[optind] : "latest", &map);
    pnd_facts_deinit(&map.facts);
    pnd_subject_deinit(&map.subject);
    return code;
}
