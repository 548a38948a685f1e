/* SPDX-License-Identifier: BSD-2-Clause
 *
 * /api/groups and /api/timeline: the same panics, over machines and time. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/clock.h"
#include "panicweb/cache.h"
#include "panicweb/query.h"
#include "view/json.h"

enum {
    SPARK_DAYS = 30,
    SPARK_DAYS_MAX = 366,
    TIMELINE_DAYS = 90,
    MACHINE_NAMES_MAX = 20,
    MACHINES_MAX = 2000, /* on a timeline; those beyond are one */
    DAY_MS = 86400000,
};

/* ---- the groups ---- */

struct groups {
    struct pnd_catalog *catalog;
    json_t *list;
    struct pnd_group *at;
    size_t count, cap;
    unsigned days;
    int64_t start_ms; /* of the first day of a spark */
    int err;
};

static bool keep_group(const struct pnd_group *group, void *ctx)
{
    struct groups *groups = ctx;

    if (groups->count == groups->cap) {
        size_t cap = groups->cap ? groups->cap * 2 : 32;
        struct pnd_group *grown = reallocarray(groups->at, cap, sizeof(*grown));

        if (!grown) {
            groups->err = PND_E_SYS;
            return false;
        }
        groups->at = grown;
        groups->cap = cap;
    }
    groups->at[groups->count++] = *group;
    return true;
}

/* Of one group: how often on which day, and where. */
struct spark {
    const struct groups *groups;
    unsigned per_day[SPARK_DAYS_MAX];
    json_t *machines;
};

static bool add_sighting(const struct pnd_sighting *sighting, void *ctx)
{
    struct spark *spark = ctx;
    int64_t day = sighting->seen_ms < spark->groups->start_ms
                      ? -1
                      : (sighting->seen_ms - spark->groups->start_ms) / DAY_MS;
    json_t *name;
    size_t i;

    if (day >= 0 && day < (int64_t)spark->groups->days)
        spark->per_day[day]++;
    if (!sighting->machine[0] || json_array_size(spark->machines) == MACHINE_NAMES_MAX)
        return true;
    json_array_foreach(spark->machines, i, name)
    {
        if (strcmp(json_string_value(name), sighting->machine) == 0)
            return true;
    }
    json_array_append_new(spark->machines, pnd_print_json_text(sighting->machine));
    return true;
}

static int add_group(struct groups *groups, const struct pnd_group *group, struct pnd_why *why)
{
    struct spark spark = {.groups = groups, .machines = json_array()};
    json_t *json, *days;
    int err =
        pnd_catalog_sightings(groups->catalog, group->signature.id, add_sighting, &spark, why);

    if (err) {
        json_decref(spark.machines);
        return err;
    }
    days = json_array();
    for (unsigned i = 0; i < groups->days; i++)
        json_array_append_new(days, json_integer(spark.per_day[i]));
    json = pnd_group_json(group);
    json_object_set_new(json, "spark", days);
    json_object_set_new(json, "machine_names", spark.machines);
    json_array_append_new(groups->list, json);
    return PND_OK;
}

static int make_groups(struct pnd_request *request, struct pnd_catalog *catalog, json_t **ret,
                       struct pnd_why *why)
{
    struct groups groups = {.catalog = catalog};
    uint64_t days = SPARK_DAYS;
    struct pnd_filter filter;
    size_t left;
    int err = pnd_query_filter(request, &filter, why);

    if (!err)
        err = pnd_query_number(request, "days", 1, SPARK_DAYS_MAX, &days, why);
    if (!err && catalog)
        err = pnd_catalog_groups_select(catalog, &filter, keep_group, &groups, why);
    if (!err && groups.err)
        err = pnd_why(why, PND_E_SYS, ENOMEM, "list the groups");
    groups.days = (unsigned)days;
    groups.start_ms = (pnd_clock_wall_ms() / DAY_MS + 1 - (int64_t)days) * DAY_MS;
    groups.list = json_array();
    left = groups.count;
    while (!err && left > 0 && groups.count - left < PND_WEB_GROUPS_MAX)
        err = add_group(&groups, &groups.at[--left], why);
    free(groups.at);
    if (err) {
        json_decref(groups.list);
        return err;
    }
    *ret = json_pack("{s:o, s:I, s:b}", "groups", groups.list, "total", (json_int_t)groups.count,
                     "cut", left > 0);
    return PND_OK;
}

enum MHD_Result pnd_api_groups(struct pnd_request *request)
{
    return pnd_cache_answer(request, make_groups);
}

/* ---- the timeline ---- */

struct timeline {
    json_t *machines, *points, *index; /* index: a machine's place by its name */
    size_t count;
    bool cut;
};

static json_int_t machine_index(struct timeline *timeline, const char *name)
{
    const json_t *known = json_object_get(timeline->index, name);
    size_t count = json_array_size(timeline->machines);

    if (known)
        return json_integer_value(known);
    if (count == MACHINES_MAX)
        return MACHINES_MAX - 1;
    json_array_append_new(timeline->machines, pnd_print_json_text(name));
    json_object_set_new(timeline->index, name, json_integer((json_int_t)count));
    return (json_int_t)count;
}

static bool add_point(const struct pnd_point *point, void *ctx)
{
    struct timeline *timeline = ctx;

    if (timeline->count == PND_WEB_POINTS_MAX) {
        timeline->cut = true;
        return false;
    }
    timeline->count++;
    json_array_append_new(timeline->points,
                          json_pack("[I, I, I, s?, b]", (json_int_t)point->ms,
                                    machine_index(timeline, point->machine), (json_int_t)point->id,
                                    point->group[0] ? point->group : NULL, (int)point->kept));
    return true;
}

static int make_timeline(struct pnd_request *request, struct pnd_catalog *catalog, json_t **ret,
                         struct pnd_why *why)
{
    struct timeline timeline = {0};
    uint64_t days = TIMELINE_DAYS;
    struct pnd_filter filter;
    int err = pnd_query_filter(request, &filter, why);

    if (!err)
        err = pnd_query_number(request, "days", 1, PND_WEB_DAYS_MAX, &days, why);
    if (err)
        return err;
    timeline.machines = json_array();
    timeline.points = json_array();
    timeline.index = json_object();
    if (catalog)
        err = pnd_catalog_points(catalog, &filter, pnd_clock_wall_ms() - (int64_t)days * DAY_MS,
                                 PND_WEB_POINTS_MAX + 1, add_point, &timeline, why);
    json_decref(timeline.index);
    if (err) {
        json_decref(timeline.machines);
        json_decref(timeline.points);
        return err;
    }
    *ret = json_pack("{s:o, s:o, s:b}", "machines", timeline.machines, "points", timeline.points,
                     "cut", (int)timeline.cut);
    return PND_OK;
}

enum MHD_Result pnd_api_timeline(struct pnd_request *request)
{
    return pnd_cache_answer(request, make_timeline);
}
