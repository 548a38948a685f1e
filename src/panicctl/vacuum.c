/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl vacuum: what goes, and why what stays stays. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/clock.h"
#include "host/text.h"
#include "panicctl/print.h"
#include "panicctl/remove.h"
#include "store/catalog_facts.h"

enum stay {
    STAY_NOT, /* it may go */
    STAY_UNCHECKED,
    STAY_UNREAD,
    STAY_FIRST,
    STAY_LAST,
    STAY_WHOLE,
    STAY_COUNT,
};

static const struct {
    const char *key, *text;
} stays[] = {
    [STAY_UNCHECKED] = {"unchecked", "not checked yet"},
    [STAY_UNREAD] = {"unread", "not read yet (start panicd, which does)"},
    [STAY_FIRST] = {"first", "the first of their group"},
    [STAY_LAST] = {"last", "the last of their group"},
    [STAY_WHOLE] = {"whole", "the last complete one of their group"},
};

enum limit { LIMIT_NONE, LIMIT_AGE, LIMIT_COUNT, LIMIT_BYTES };

static const char *const limit_keys[] = {
    [LIMIT_AGE] = "age", [LIMIT_COUNT] = "count", [LIMIT_BYTES] = "bytes"};

struct item {
    struct pnd_dump dump;
    char group[PND_SIGNATURE_CAP]; /* "": none */
    enum stay stay;
    enum limit goes; /* NONE: it stays */
};

struct vacuum {
    struct pnd_ctl *ctl;
    bool by_count, by_age, by_bytes, dry_run;
    uint64_t count_max, age_max_ms, bytes_max;
    const char *age_text, *bytes_text;
    struct item *items;
    size_t item_count, item_cap;
    uint64_t kept, kept_bytes, removed, freed;
    uint64_t old; /* of those kept: older than they may be */
    json_t *json;
    struct pnd_why why;
    int err;
};

/* ---- what is there ---- */

static bool gather(const struct pnd_dump *dump, void *ctx)
{
    struct vacuum *vacuum = ctx;
    struct pnd_facts_line line;
    struct item *item;

    if (vacuum->item_count == vacuum->item_cap) {
        size_t cap = vacuum->item_cap ? vacuum->item_cap * 2 : 64;
        struct item *grown = reallocarray(vacuum->items, cap, sizeof(*grown));

        if (!grown) {
            vacuum->err = pnd_why(&vacuum->why, PND_E_SYS, ENOMEM, "look at the dumps");
            return false;
        }
        vacuum->items = grown;
        vacuum->item_cap = cap;
    }
    item = &vacuum->items[vacuum->item_count];
    *item = (struct item){.dump = *dump};
    vacuum->err = pnd_catalog_facts_line(vacuum->ctl->catalog, dump->id, &line, &vacuum->why);
    if (vacuum->err && vacuum->err != PND_E_NOTFOUND)
        return false;
    if (!dump->checked || dump->state == PND_DUMP_RECEIVING)
        item->stay = STAY_UNCHECKED;
    else if (vacuum->err || !line.final)
        item->stay = STAY_UNREAD;
    else
        memcpy(item->group, line.signature.id, sizeof(item->group));
    vacuum->err = PND_OK;
    vacuum->item_count++;
    vacuum->kept++;
    vacuum->kept_bytes += dump->bytes;
    return true;
}

static int64_t ended_ms(const struct item *item)
{
    return item->dump.received_ms ? item->dump.received_ms : item->dump.started_ms;
}

static int compare_time(const struct item *a, const struct item *b)
{
    if (ended_ms(a) != ended_ms(b))
        return ended_ms(a) < ended_ms(b) ? -1 : 1;
    return a->dump.id < b->dump.id ? -1 : a->dump.id > b->dump.id;
}

static int by_group(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    int order = strcmp(x->group, y->group);

    return order ? order : compare_time(x, y);
}

/* Incomplete ones first, then the oldest first. */
static int by_worth(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    int order = (x->dump.state == PND_DUMP_COMPLETE) - (y->dump.state == PND_DUMP_COMPLETE);

    return order ? order : compare_time(x, y);
}

/* One group, in order of time: its first and last, and its last complete one. */
static void protect_group(struct item *items, size_t count)
{
    size_t whole = count;

    items[count - 1].stay = STAY_LAST;
    items[0].stay = STAY_FIRST;
    while (whole > 0 && items[whole - 1].dump.state != PND_DUMP_COMPLETE)
        whole--;
    if (whole > 0 && items[whole - 1].stay == STAY_NOT)
        items[whole - 1].stay = STAY_WHOLE;
}

static void protect(struct vacuum *vacuum)
{
    size_t start = 0, end;

    qsort(vacuum->items, vacuum->item_count, sizeof(*vacuum->items), by_group);
    for (; start < vacuum->item_count; start = end) {
        for (end = start + 1; end < vacuum->item_count; end++) {
            if (strcmp(vacuum->items[start].group, vacuum->items[end].group) != 0)
                break;
        }
        if (vacuum->items[start].group[0])
            protect_group(vacuum->items + start, end - start);
    }
}

/* ---- what goes ---- */

static bool is_old(const struct vacuum *vacuum, const struct item *item, int64_t now_ms)
{
    return vacuum->by_age && now_ms > ended_ms(item) &&
           (uint64_t)(now_ms - ended_ms(item)) > vacuum->age_max_ms;
}

/* The limit that is not kept. */
static enum limit beyond(const struct vacuum *vacuum)
{
    if (vacuum->by_count && vacuum->kept > vacuum->count_max)
        return LIMIT_COUNT;
    return vacuum->by_bytes && vacuum->kept_bytes > vacuum->bytes_max ? LIMIT_BYTES : LIMIT_NONE;
}

static void take(struct vacuum *vacuum, struct item *item, enum limit limit)
{
    item->goes = limit;
    vacuum->kept--;
    vacuum->kept_bytes -= item->dump.bytes;
}

static void choose(struct vacuum *vacuum)
{
    int64_t now_ms = pnd_clock_wall_ms();

    qsort(vacuum->items, vacuum->item_count, sizeof(*vacuum->items), by_worth);
    for (size_t i = 0; i < vacuum->item_count; i++) {
        if (!is_old(vacuum, &vacuum->items[i], now_ms))
            continue;
        if (vacuum->items[i].stay == STAY_NOT)
            take(vacuum, &vacuum->items[i], LIMIT_AGE);
        else
            vacuum->old++;
    }
    for (size_t i = 0; i < vacuum->item_count && beyond(vacuum); i++) {
        if (vacuum->items[i].stay == STAY_NOT && !vacuum->items[i].goes)
            take(vacuum, &vacuum->items[i], beyond(vacuum));
    }
}

/* ---- doing it, and saying so ---- */

static void say_removed(const struct vacuum *vacuum, const struct item *item)
{
    char name[PND_PRINT_NAME_CAP], bytes[PND_TEXT_BYTES_CAP];

    printf("%s dump %" PRIu64 "  %s  %s  ", vacuum->dry_run ? "would remove" : "removed",
           item->dump.id, pnd_text_bytes(bytes, sizeof(bytes), item->dump.bytes),
           pnd_print_name(name, item->dump.file));
    if (item->goes == LIMIT_AGE)
        printf("older than %s\n", vacuum->age_text);
    else if (item->goes == LIMIT_COUNT)
        printf("more than %" PRIu64 " dumps\n", vacuum->count_max);
    else
        printf("more than %s\n", vacuum->bytes_text);
}

static int remove_chosen(struct vacuum *vacuum)
{
    for (size_t i = 0; i < vacuum->item_count; i++) {
        const struct item *item = &vacuum->items[i];

        if (!item->goes)
            continue;
        if (!vacuum->dry_run) {
            int err = pnd_remove_dump(vacuum->ctl, &item->dump, &vacuum->why);

            if (err)
                return err;
        }
        vacuum->removed++;
        vacuum->freed += item->dump.bytes;
        json_array_append_new(
            vacuum->json,
            json_pack("{s:I, s:o, s:I, s:s?, s:s}", "id", (json_int_t)item->dump.id, "file",
                      pnd_print_json_text(item->dump.file), "bytes", (json_int_t)item->dump.bytes,
                      "group", item->group[0] ? item->group : NULL, "why", limit_keys[item->goes]));
        if (!vacuum->ctl->json)
            say_removed(vacuum, item);
    }
    return vacuum->removed && !vacuum->dry_run ? pnd_spool_sync(&vacuum->ctl->spool, &vacuum->why)
                                               : PND_OK;
}

static void count_stays(const struct vacuum *vacuum, uint64_t ret[STAY_COUNT])
{
    memset(ret, 0, STAY_COUNT * sizeof(*ret));
    for (size_t i = 0; i < vacuum->item_count; i++)
        ret[vacuum->items[i].stay] += vacuum->items[i].goes == LIMIT_NONE;
}

static void say_total(const struct vacuum *vacuum, bool within)
{
    char freed[PND_TEXT_BYTES_CAP], kept[PND_TEXT_BYTES_CAP];
    uint64_t counts[STAY_COUNT];

    printf("%" PRIu64 " dump%s, %s %s; %" PRIu64 ", %s stay%s", vacuum->removed,
           vacuum->removed == 1 ? "" : "s", pnd_text_bytes(freed, sizeof(freed), vacuum->freed),
           vacuum->dry_run ? "would be freed" : "freed", vacuum->kept,
           pnd_text_bytes(kept, sizeof(kept), vacuum->kept_bytes), vacuum->kept == 1 ? "s" : "");
    if (vacuum->old)
        printf(", %" PRIu64 " of them older than %s", vacuum->old, vacuum->age_text);
    putchar('\n');
    if (within)
        return;
    count_stays(vacuum, counts);
    puts("What has to stay is more than that:");
    for (int i = STAY_UNCHECKED; i < STAY_COUNT; i++) {
        if (counts[i])
            printf("  %" PRIu64 " %s\n", counts[i], stays[i].text);
    }
}

static json_t *total_json(const struct vacuum *vacuum, bool within)
{
    uint64_t counts[STAY_COUNT];
    json_t *stay = json_object();

    count_stays(vacuum, counts);
    for (int i = STAY_UNCHECKED; i < STAY_COUNT; i++)
        json_object_set_new(stay, stays[i].key, json_integer((json_int_t)counts[i]));
    return json_pack("{s:O, s:I, s:I, s:I, s:I, s:b, s:b, s:o}", "removed", vacuum->json, "freed",
                     (json_int_t)vacuum->freed, "kept", (json_int_t)vacuum->kept, "kept_bytes",
                     (json_int_t)vacuum->kept_bytes, "old", (json_int_t)vacuum->old, "dry_run",
                     (int)vacuum->dry_run, "within", (int)within, "must_stay", stay);
}

static int run(struct vacuum *vacuum)
{
    bool within;
    int err = pnd_ctl_open(vacuum->ctl, !vacuum->dry_run, &vacuum->why);

    if (!err)
        err = pnd_catalog_each(vacuum->ctl->catalog, false, gather, vacuum, &vacuum->why);
    if (!err)
        err = vacuum->err;
    if (err)
        return pnd_ctl_fail("%s", vacuum->why.text);
    if (vacuum->item_count) {
        protect(vacuum);
        choose(vacuum);
    }
    within = !beyond(vacuum);
    err = remove_chosen(vacuum);
    if (err)
        return pnd_ctl_fail("%s; %" PRIu64 " dumps were removed before that", vacuum->why.text,
                            vacuum->removed);
    if (!vacuum->ctl->json)
        say_total(vacuum, within);
    else if (pnd_print_json(total_json(vacuum, within)))
        return PND_EXIT_COULD_NOT;
    return within ? PND_EXIT_OK : PND_EXIT_NO;
}

/* @return -1 fine; else leave with this exit code */
static int take_limit(struct vacuum *vacuum, int option, const char *text)
{
    switch (option) {
    case 'k':
        vacuum->by_count = true;
        if (pnd_text_parse_uint(text, &vacuum->count_max))
            return pnd_ctl_misused("vacuum", "--keep wants a number, not \"%s\"", text);
        return -1;
    case 'o':
        vacuum->by_age = true;
        vacuum->age_text = text;
        if (pnd_text_parse_duration(text, &vacuum->age_max_ms))
            return pnd_ctl_misused("vacuum", "--older-than wants a time such as 90d, not \"%s\"",
                                   text);
        return -1;
    default:
        vacuum->by_bytes = true;
        vacuum->bytes_text = text;
        if (pnd_text_parse_size(text, &vacuum->bytes_max))
            return pnd_ctl_misused("vacuum", "--bytes wants a size such as 50G, not \"%s\"", text);
        return -1;
    }
}

int pnd_verb_vacuum(struct pnd_ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {{"keep", required_argument, NULL, 'k'},
                                            {"older-than", required_argument, NULL, 'o'},
                                            {"bytes", required_argument, NULL, 'b'},
                                            {"dry-run", no_argument, NULL, 'n'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct vacuum vacuum = {.ctl = ctl};
    int option, code;

    while ((option = getopt_long(argc, argv, "njh", options, NULL)) != -1) {
        if (option == 'k' || option == 'o' || option == 'b')
            code = take_limit(&vacuum, option, optarg);
        else if (option == 'n')
            code = (vacuum.dry_run = true, -1);
        else
            code = pnd_ctl_common_option(ctl, argv[0], option);
        if (code >= 0)
            return code;
    }
    if (optind < argc)
        return pnd_ctl_misused(argv[0], "vacuum takes limits, no ID; for one dump type \"panicctl "
                                        "rm ID\"");
    if (!vacuum.by_count && !vacuum.by_age && !vacuum.by_bytes)
        return pnd_ctl_misused(argv[0], "vacuum wants a limit, such as --older-than 90d; with "
                                        "--dry-run it only says what would go");
    vacuum.json = json_array();
    code = run(&vacuum);
    json_decref(vacuum.json);
    free(vacuum.items);
    return code;
}
