/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl groups */
#include "panicctl/groups.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <libsmartcols.h>

#include "host/text.h"
#include "panicctl/print.h"

struct listing {
    const struct pnd_ctl *ctl;
    struct libscols_table *table; /* NULL: as JSON */
    json_t *json;
    size_t count;
    int err;
};

struct column {
    const char *title;
    double width;
    int flags;
};

/* ---- tables ---- */

static struct libscols_table *new_table(const struct column *columns, size_t count)
{
    struct libscols_table *table = scols_new_table();
    int err = table ? scols_table_enable_noencoding(table, 1) : -1; /* cells are escaped here */

    for (size_t i = 0; !err && i < count; i++) {
        if (!scols_table_new_column(table, columns[i].title, columns[i].width, columns[i].flags))
            err = -1;
    }
    if (!err)
        return table;
    scols_unref_table(table);
    return NULL;
}

static int set_number(struct libscols_line *line, size_t column, uint64_t number)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64, number);
    return scols_line_set_data(line, column, text);
}

static int set_text(struct libscols_line *line, size_t column, const char *text)
{
    char safe[PND_GROUP_TEXT_CAP];

    return scols_line_set_data(line, column,
                               pnd_text_escape(safe, sizeof(safe), text, strlen(text)));
}

/* Prints and drops it. @return enum pnd_exit */
static int end_table(struct libscols_table *table, int err)
{
    if (!err)
        err = scols_print_table(table);
    scols_unref_table(table);
    return err ? pnd_ctl_fail("could not make the table") : PND_EXIT_OK;
}

/* ---- all of them ---- */

static const struct column group_columns[] = {
    {"GROUP", 1, 0},
    {"SEEN", 1, SCOLS_FL_RIGHT},
    {"KEPT", 1, SCOLS_FL_RIGHT},
    {"MACHINES", 1, SCOLS_FL_RIGHT},
    {"LAST SEEN", 1, 0},
    {"PANIC", 0.5, SCOLS_FL_TRUNC},
    {"NOTE", 0.3, SCOLS_FL_TRUNC},
};

static bool add_group(const struct pnd_group *group, void *ctx)
{
    struct listing *listing = ctx;
    struct libscols_line *line;
    char time_text[PND_PRINT_TIME_CAP];
    int err;

    listing->count++;
    if (!listing->table) {
        json_array_append_new(listing->json, pnd_group_json(group));
        return true;
    }
    line = scols_table_new_line(listing->table, NULL);
    err = line ? scols_line_set_data(line, 0, group->signature.id) : -1;
    if (!err)
        err = set_number(line, 1, group->count) | set_number(line, 2, group->kept) |
              set_number(line, 3, group->machines) |
              scols_line_set_data(line, 4, pnd_print_time(time_text, group->last_ms)) |
              set_text(line, 5, group->signature.title) | set_text(line, 6, group->note);
    listing->err |= err;
    return !err;
}

static bool count_dump(const struct pnd_dump *dump, void *ctx)
{
    (void)dump;
    ++*(size_t *)ctx;
    return true;
}

static int say_none(const struct pnd_ctl *ctl)
{
    size_t unread = 0;

    printf("No panic is known in %s yet.\n", ctl->spool.path);
    if (pnd_catalog_each_unread(ctl->catalog, count_dump, &unread, NULL) == PND_OK && unread)
        printf("%zu dump%s not been read yet: start panicd, which does.\n", unread,
               unread == 1 ? " has" : "s have");
    return PND_EXIT_OK;
}

static int list_groups(struct pnd_ctl *ctl)
{
    struct listing listing = {.ctl = ctl};
    struct pnd_why why = {0};

    if (ctl->json)
        listing.json = json_array();
    else
        listing.table = new_table(group_columns, sizeof(group_columns) / sizeof(*group_columns));
    if (!listing.json && !listing.table)
        return pnd_ctl_fail("could not make the table");
    if (pnd_catalog_groups(ctl->catalog, add_group, &listing, &why)) {
        json_decref(listing.json);
        scols_unref_table(listing.table);
        return pnd_ctl_fail("%s", why.text);
    }
    if (ctl->json)
        return pnd_print_json(json_pack("{s:o}", "groups", listing.json));
    if (listing.count)
        return end_table(listing.table, listing.err);
    scols_unref_table(listing.table);
    return say_none(ctl);
}

/* ---- one of them ---- */

static const struct column sighting_columns[] = {
    {"ID", 1, SCOLS_FL_RIGHT},       {"SEEN", 1, 0}, {"MACHINE", 1, 0},
    {"KERNEL", 0.4, SCOLS_FL_TRUNC}, {"DUMP", 1, 0},
};

static bool add_sighting(const struct pnd_sighting *sighting, void *ctx)
{
    struct listing *listing = ctx;
    struct libscols_line *line;
    char time_text[PND_PRINT_TIME_CAP];
    int err;

    if (!listing->table) {
        json_array_append_new(listing->json,
                              json_pack("{s:I, s:o, s:o, s:o, s:b}", "id", (json_int_t)sighting->id,
                                        "seen_at", pnd_print_json_time(sighting->seen_ms),
                                        "machine", pnd_print_json_text(sighting->machine), "kernel",
                                        pnd_print_json_text(sighting->kernel), "kept",
                                        (int)sighting->kept));
        return true;
    }
    line = scols_table_new_line(listing->table, NULL);
    err = line ? set_number(line, 0, sighting->id) : -1;
    if (!err)
        err = scols_line_set_data(line, 1, pnd_print_time(time_text, sighting->seen_ms)) |
              set_text(line, 2, sighting->machine[0] ? sighting->machine : "-") |
              set_text(line, 3, sighting->kernel) |
              scols_line_set_data(line, 4, sighting->kept ? "kept" : "removed");
    listing->err |= err;
    return !err;
}

static void print_head(const struct pnd_group *group)
{
    char text[PND_GROUP_TEXT_CAP], first[PND_PRINT_TIME_CAP], last[PND_PRINT_TIME_CAP];
    bool one = group->count == 1;

    printf("Group %s: %" PRIu64 " dump%s of %" PRIu64 " machine%s, %" PRIu64 " still there\n",
           group->signature.id, group->count, one ? "" : "s", group->machines,
           group->machines == 1 ? "" : "s", group->kept);
    printf("  panic      %s\n", pnd_text_escape(text, sizeof(text), group->signature.title,
                                                strlen(group->signature.title)));
    printf("  first      %s, dump %" PRIu64 "\n", pnd_print_time(first, group->first_ms),
           group->first_id);
    if (!one)
        printf("  last       %s, dump %" PRIu64 "\n", pnd_print_time(last, group->last_ms),
               group->last_id);
    if (group->note[0])
        printf("  note       %s\n",
               pnd_text_escape(text, sizeof(text), group->note, strlen(group->note)));
    else
        printf("  note       none; to attach one type: panicctl note %s TEXT\n",
               group->signature.id);
    putchar('\n');
}

static int show_group(struct pnd_ctl *ctl, const char *sel)
{
    struct listing listing = {.ctl = ctl};
    struct pnd_group group;
    struct pnd_why why = {0};
    json_t *json;

    if (pnd_catalog_group_find(ctl->catalog, sel, &group, &why))
        return pnd_ctl_fail("%s", why.text);
    if (ctl->json)
        listing.json = json_array();
    else
        listing.table =
            new_table(sighting_columns, sizeof(sighting_columns) / sizeof(*sighting_columns));
    if (!listing.json && !listing.table)
        return pnd_ctl_fail("could not make the table");
    if (pnd_catalog_sightings(ctl->catalog, group.signature.id, add_sighting, &listing, &why)) {
        json_decref(listing.json);
        scols_unref_table(listing.table);
        return pnd_ctl_fail("%s", why.text);
    }
    if (ctl->json) {
        json = pnd_group_json(&group);
        json_object_set_new(json, "sightings", listing.json);
        return pnd_print_json(json);
    }
    print_head(&group);
    return end_table(listing.table, listing.err);
}

int pnd_verb_groups(struct pnd_ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    struct pnd_why why = {0};
    int option, code;

    while ((option = getopt_long(argc, argv, "jh", options, NULL)) != -1) {
        code = pnd_ctl_common_option(ctl, argv[0], option);
        if (code >= 0)
            return code;
    }
    if (argc - optind > 1)
        return pnd_ctl_misused(argv[0], "groups takes one GROUP");
    if (pnd_ctl_open(ctl, false, &why))
        return pnd_ctl_fail("%s", why.text);
    return optind < argc ? show_group(ctl, argv[optind]) : list_groups(ctl);
}
