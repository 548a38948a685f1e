/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Dumps and groups as JSON; see json.h. */
#include "view/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/text.h"

json_t *pnd_print_json_text(const char *text)
{
    char *escaped;
    json_t *json = json_string(text);
    size_t len = strlen(text);

    if (json)
        return json;
    escaped = malloc(4 * len + 4);
    if (!escaped)
        return NULL;
    json = json_string(pnd_text_escape(escaped, 4 * len + 4, text, len));
    free(escaped);
    return json;
}

json_t *pnd_print_json_ranges(const struct pnd_dump_range *ranges, unsigned count)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < count; i++)
        json_array_append_new(
            list, json_pack("{s:I, s:o}", "start", (json_int_t)ranges[i].start, "end",
                            ranges[i].end == UINT64_MAX ? json_null()
                                                        : json_integer((json_int_t)ranges[i].end)));
    return list;
}

json_t *pnd_print_json_time(int64_t ms)
{
    char text[PND_TEXT_TIME_CAP];

    return ms ? json_string(pnd_text_time_utc(text, sizeof(text), ms)) : json_null();
}

static json_t *json_known(const char *text)
{
    return text[0] ? pnd_print_json_text(text) : json_null();
}

/* What is known of it; all empty for nothing. */
static void read_line(struct pnd_catalog *catalog, const struct pnd_dump *dump,
                      struct pnd_facts_line *ret)
{
    if (!catalog || !dump->id || pnd_catalog_facts_line(catalog, dump->id, ret, NULL) != PND_OK)
        memset(ret, 0, sizeof(*ret));
}

json_t *pnd_view_line_json(const struct pnd_spool *spool, const struct pnd_view *view,
                           const struct pnd_facts_line *line)
{
    const struct pnd_dump *dump = &view->dump;
    char path[sizeof(spool->path) + PND_SPOOL_NAME_CAP + 1];
    json_t *json;

    snprintf(path, sizeof(path), "%s/%s", spool->path, dump->file);
    json = json_pack(
        "{s:o, s:o, s:o, s:o, s:s, s:o, s:s?, s:I, s:o, s:i, s:o, s:o, s:o, s:s?, s:o}", "id",
        dump->id ? json_integer((json_int_t)dump->id) : json_null(), "name",
        pnd_print_json_text(dump->name), "file", pnd_print_json_text(dump->file), "path",
        pnd_print_json_text(path), "state", pnd_dump_state_text(dump->state), "reason",
        pnd_print_json_text(dump->reason), "format", dump->format[0] ? dump->format : NULL, "bytes",
        (json_int_t)dump->bytes, "peer", pnd_print_json_text(dump->peer), "peer_port",
        (int)dump->peer_port, "protocol", pnd_print_json_text(dump->protocol), "started_at",
        pnd_print_json_time(dump->started_ms), "received_at",
        pnd_print_json_time(dump->received_ms), "sha256", dump->sha256[0] ? dump->sha256 : NULL,
        "missing", pnd_print_json_ranges(dump->missing, dump->missing_count));
    if (json)
        json_object_update_new(
            json, json_pack("{s:s?, s:o, s:o, s:o, s:o}", "group",
                            line->signature.id[0] ? line->signature.id : NULL, "title",
                            json_known(line->signature.title), "os", json_known(line->os), "kernel",
                            json_known(line->kernel), "host", json_known(line->host)));
    if (json && view->arriving)
        json_object_update_new(json, json_pack("{s:I, s:I, s:b}", "rate", (json_int_t)view->rate,
                                               "idle_ms", (json_int_t)view->idle_ms, "resumed",
                                               (int)view->resumed));
    return json;
}

json_t *pnd_view_json(const struct pnd_spool *spool, struct pnd_catalog *catalog,
                      const struct pnd_view *view)
{
    struct pnd_facts_line line;

    read_line(catalog, &view->dump, &line);
    return pnd_view_line_json(spool, view, &line);
}

json_t *pnd_group_json(const struct pnd_group *group)
{
    return json_pack(
        "{s:s, s:o, s:I, s:I, s:I, s:o, s:o, s:I, s:I, s:o}", "group", group->signature.id, "title",
        pnd_print_json_text(group->signature.title), "count", (json_int_t)group->count, "machines",
        (json_int_t)group->machines, "kept", (json_int_t)group->kept, "first_seen",
        pnd_print_json_time(group->first_ms), "last_seen", pnd_print_json_time(group->last_ms),
        "first_id", (json_int_t)group->first_id, "last_id", (json_int_t)group->last_id, "note",
        group->note[0] ? pnd_print_json_text(group->note) : json_null());
}
