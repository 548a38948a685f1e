/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Events that become messages, and windows in which the same again is gathered; see queue.h. */
#include "message/queue.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message/queue_db.h"

enum { FORGET_EACH = 256 }; /* dumps that one sweep forgets */

#define DAY_MS (INT64_C(24) * 3600 * 1000)

/* ---- messages ---- */

/* The oldest of a channel that has as many as may wait gives way. */
static int make_room(struct pnd_queue *queue, const char *channel, struct pnd_why *why)
{
    int64_t waiting = 0;
    int err = pnd_queue_number(queue, 0, &waiting, why,
                               "SELECT count(*) FROM message WHERE channel = ?1", "s", channel);

    if (err || waiting < PND_QUEUE_WAITING_MAX)
        return err;
    err = pnd_queue_run(queue, why,
                        "DELETE FROM message WHERE number ="
                        " (SELECT min(number) FROM message WHERE channel = ?1)",
                        "s", channel);
    return err ? err
               : pnd_queue_run(queue, why, "UPDATE channel SET lost = lost + 1 WHERE name = ?1",
                               "s", channel);
}

static int put_message(struct pnd_queue *queue, const struct pnd_message_channel *channel,
                       const char *id, json_t *fields, int64_t since_ms, int64_t now_ms,
                       struct pnd_why *why)
{
    int err = make_room(queue, channel->name, why);

    json_object_set_new(fields, "event_id", json_string(id));
    return err ? err
               : pnd_queue_run(queue, why,
                               "INSERT INTO message (channel, id, test, created_ms, expires_ms,"
                               " attempts, next_ms, fields) VALUES (?1, ?2, 0, ?3, ?4, 0, 0, ?5)",
                               "ssiij", channel->name, id, now_ms,
                               since_ms + (int64_t)channel->expire_ms, fields);
}

/* ---- windows ---- */

struct window {
    int64_t until_ms, count, since_ms;
    json_t *ids, *machines;
};

static void deinit(struct window *window)
{
    json_decref(window->ids);
    json_decref(window->machines);
}

/* @return PND_OK; PND_E_NOTFOUND there is none */
static int get_window(struct pnd_queue *queue, const char *channel, const char *key,
                      struct window *ret, struct pnd_why *why)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    int err = pnd_queue_bind(queue, &stmt, why,
                             "SELECT until_ms, count, since_ms, ids, machines FROM gathered"
                             " WHERE channel = ?1 AND key = ?2",
                             "ss", channel, key);

    if (!err)
        err = pnd_queue_step(queue, stmt, why);
    if (err)
        return err;
    *ret = (struct window){.until_ms = sqlite3_column_int64(stmt, 0),
                           .count = sqlite3_column_int64(stmt, 1),
                           .since_ms = sqlite3_column_int64(stmt, 2),
                           .ids = pnd_queue_column_json(stmt, 3),
                           .machines = pnd_queue_column_json(stmt, 4)};
    return PND_OK;
}

/* What happens from now on is gathered. Where there are too many windows, it is not. */
static int open_window(struct pnd_queue *queue, const struct pnd_message_channel *channel,
                       const char *key, int64_t now_ms, struct pnd_why *why)
{
    return pnd_queue_run(queue, why,
                         "INSERT OR REPLACE INTO gathered SELECT ?1, ?2, ?3, 0, 0, '', '[]', '[]',"
                         " '{}' WHERE (SELECT count(*) FROM gathered WHERE channel = ?1) < ?4",
                         "ssii", channel->name, key, now_ms + (int64_t)channel->again_ms,
                         (int64_t)PND_QUEUE_WINDOWS_MAX);
}

static void add_once(json_t *list, const json_t *value)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item) if (json_equal(item, value)) return;
    if (value && json_array_size(list) < PND_QUEUE_LIST_MAX)
        json_array_append(list, (json_t *)(uintptr_t)value);
}

static int gather(struct pnd_queue *queue, const char *channel, const char *key, const char *id,
                  const struct pnd_queue_event *event, struct window *window, struct pnd_why *why)
{
    add_once(window->ids, json_object_get(event->fields, "id"));
    add_once(window->machines, json_object_get(event->fields, "machine"));
    return pnd_queue_run(queue, why,
                         "UPDATE gathered SET count = count + 1, id = ?3, ids = ?4, machines = ?5,"
                         " fields = ?6, since_ms = ?7 WHERE channel = ?1 AND key = ?2",
                         "sssjjji", channel, key, id, window->ids, window->machines, event->fields,
                         window->count ? window->since_ms : event->since_ms);
}

/* All that was gathered as one message: the last of it, and of how many it is. */
static int tell_window(struct pnd_queue *queue, const struct pnd_message_channel *channel,
                       sqlite3_stmt *stmt, int64_t now_ms, struct pnd_why *why)
{
    json_t *fields = pnd_queue_column_json(stmt, 5);
    int64_t count = sqlite3_column_int64(stmt, 1), since_ms = sqlite3_column_int64(stmt, 2);
    char id[PND_QUEUE_ID_CAP];
    int err;

    if (!json_is_object(fields)) {
        json_decref(fields);
        return PND_OK; /* nothing that we have written */
    }
    snprintf(id, sizeof(id), "%s-%" PRId64, (const char *)sqlite3_column_text(stmt, 6), count);
    json_object_set_new(fields, "count", json_integer(count));
    json_object_set_new(fields, "ids", pnd_queue_column_json(stmt, 3));
    json_object_set_new(fields, "machine_names", pnd_queue_column_json(stmt, 4));
    pnd_fields_set_time(fields, "since", since_ms);
    pnd_fields_settle(fields);
    err = put_message(queue, channel, id, fields, now_ms, now_ms, why);
    json_decref(fields);
    return err;
}

/* @return PND_OK; PND_E_NOTFOUND none of the channel's has ended */
static int end_window(struct pnd_queue *queue, const struct pnd_message_channel *channel,
                      int64_t now_ms, struct pnd_why *why)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    int err = pnd_queue_bind(queue, &stmt, why,
                             "SELECT key, count, since_ms, ids, machines, fields, id FROM gathered"
                             " WHERE channel = ?1 AND (until_ms <= ?2 OR until_ms > ?3)"
                             " ORDER BY until_ms LIMIT 1",
                             "sii", channel->name, now_ms, now_ms + (int64_t)channel->again_ms);
    char key[PND_QUEUE_KEY_CAP];
    int64_t count;

    if (!err)
        err = pnd_queue_step(queue, stmt, why);
    if (err)
        return err;
    pnd_db_column_text(stmt, 0, key, sizeof(key));
    count = sqlite3_column_int64(stmt, 1);
    if (count)
        err = tell_window(queue, channel, stmt, now_ms, why);
    if (!err)
        err = pnd_queue_run(queue, why, "DELETE FROM gathered WHERE channel = ?1 AND key = ?2",
                            "ss", channel->name, key);
    if (!err && count && channel->again_ms)
        err = open_window(queue, channel, key, now_ms, why);
    return err;
}

int pnd_queue_turn(struct pnd_queue *queue, int64_t now_ms, unsigned *ret_expired,
                   int64_t *ret_next_ms, struct pnd_why *why)
{
    int64_t next_ms = INT64_MAX;
    int err = PND_OK, before;

    for (unsigned i = 0; !err && i < queue->config->count; i++) {
        while (!(err = end_window(queue, &queue->config->at[i], now_ms, why)))
            ;
        err = err == PND_E_NOTFOUND ? PND_OK : err;
    }
    if (!err)
        err = pnd_queue_run(queue, why,
                            "UPDATE channel SET lost = lost + (SELECT count(*) FROM message"
                            " WHERE channel = name AND expires_ms <= ?1) WHERE EXISTS"
                            " (SELECT 1 FROM message WHERE channel = name AND expires_ms <= ?1)",
                            "i", now_ms);
    before = sqlite3_total_changes(queue->db.db);
    if (!err)
        err = pnd_queue_run(queue, why, "DELETE FROM message WHERE expires_ms <= ?1", "i", now_ms);
    *ret_expired = (unsigned)(sqlite3_total_changes(queue->db.db) - before);
    if (!err)
        err = pnd_queue_number(queue, INT64_MAX, &next_ms, why,
                               "SELECT min(at) FROM (SELECT min(until_ms) AS at FROM gathered"
                               " UNION ALL SELECT min(expires_ms) FROM message)",
                               "");
    *ret_next_ms = next_ms;
    return err;
}

/* ---- events ---- */

static int tell_channel(struct pnd_queue *queue, const struct pnd_message_channel *channel,
                        const char *id, const struct pnd_queue_event *event, int64_t now_ms,
                        struct pnd_why *why)
{
    char key[PND_QUEUE_KEY_CAP];
    struct window window;
    int err;

    if (!channel->again_ms || !event->group[0])
        return put_message(queue, channel, id, event->fields, event->since_ms, now_ms, why);
    snprintf(key, sizeof(key), "%s %.120s", pnd_message_kind_name(event->kind), event->group);
    err = get_window(queue, channel->name, key, &window, why);
    if (!err) {
        err = gather(queue, channel->name, key, id, event, &window, why);
        deinit(&window);
        return err;
    }
    if (err != PND_E_NOTFOUND)
        return err;
    err = put_message(queue, channel, id, event->fields, event->since_ms, now_ms, why);
    return err ? err : open_window(queue, channel, key, now_ms, why);
}

int pnd_queue_mark(struct pnd_queue *queue, enum pnd_message_kind kind, uint64_t dump,
                   int64_t at_ms, int64_t now_ms, struct pnd_why *why)
{
    return pnd_queue_run(queue, why, "INSERT OR IGNORE INTO told VALUES (?1, ?2, ?3, ?4)", "siii",
                         pnd_message_kind_name(kind), (int64_t)dump, at_ms, now_ms);
}

int pnd_queue_told(struct pnd_queue *queue, enum pnd_message_kind kind, uint64_t dump,
                   int64_t at_ms, bool *ret, struct pnd_why *why)
{
    int64_t told = 0;
    int err = pnd_queue_number(queue, 0, &told, why,
                               "SELECT 1 FROM told WHERE dump = ?1 AND kind = ?2 AND at_ms = ?3",
                               "isi", (int64_t)dump, pnd_message_kind_name(kind), at_ms);

    *ret = told;
    return err;
}

int pnd_queue_tell(struct pnd_queue *queue, const struct pnd_queue_event *event, int64_t now_ms,
                   bool *ret_new, struct pnd_why *why)
{
    char id[PND_QUEUE_ID_CAP];
    bool told = false;
    int err = PND_OK;

    if (event->dump)
        err = pnd_queue_told(queue, event->kind, event->dump, event->at_ms, &told, why);
    *ret_new = !told;
    if (err || told)
        return err;
    if (event->dump)
        snprintf(id, sizeof(id), "%s-%s-%" PRIu64 "-%" PRId64, queue->instance,
                 pnd_message_kind_name(event->kind), event->dump, event->at_ms);
    else
        snprintf(id, sizeof(id), "%s-%s-%" PRId64 "-%u", queue->instance,
                 pnd_message_kind_name(event->kind), now_ms, queue->sequence++);
    for (unsigned i = 0; !err && i < queue->config->count; i++) {
        const struct pnd_message_channel *channel = &queue->config->at[i];

        if (channel->events & 1U << event->kind &&
            event->since_ms + (int64_t)channel->expire_ms > now_ms)
            err = tell_channel(queue, channel, id, event, now_ms, why);
    }
    if (!err && event->dump)
        err = pnd_queue_mark(queue, event->kind, event->dump, event->at_ms, now_ms, why);
    return err;
}

int pnd_queue_set_low(struct pnd_queue *queue, const struct pnd_message_channel *channel, bool low,
                      json_t *fields, int64_t now_ms, struct pnd_why *why)
{
    char id[PND_QUEUE_ID_CAP];
    int64_t told = 0;
    int err = pnd_queue_number(queue, 0, &told, why, "SELECT low FROM channel WHERE name = ?1", "s",
                               channel->name);

    if (err || (told != 0) == low)
        return err;
    snprintf(id, sizeof(id), "%s-room-%" PRId64, queue->instance, now_ms);
    if (low)
        err = put_message(queue, channel, id, fields, now_ms, now_ms, why);
    return err ? err
               : pnd_queue_run(queue, why, "UPDATE channel SET low = ?2 WHERE name = ?1", "si",
                               channel->name, (int64_t)low);
}

/* ---- dumps that arrive, and those that are gone ---- */

int pnd_queue_put_arriving(struct pnd_queue *queue, uint64_t dump, const json_t *fields,
                           struct pnd_why *why)
{
    return pnd_queue_run(queue, why, "INSERT OR REPLACE INTO arriving VALUES (?1, ?2)", "ij",
                         (int64_t)dump, fields);
}

int pnd_queue_get_arriving(struct pnd_queue *queue, uint64_t dump, json_t **ret,
                           struct pnd_why *why)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    int err = pnd_queue_bind(queue, &stmt, why, "SELECT fields FROM arriving WHERE dump = ?1", "i",
                             (int64_t)dump);

    if (!err)
        err = pnd_queue_step(queue, stmt, why);
    *ret = err ? NULL : pnd_queue_column_json(stmt, 0);
    return err == PND_E_NOTFOUND ? PND_OK : err;
}

int pnd_queue_drop_arriving(struct pnd_queue *queue, uint64_t dump, struct pnd_why *why)
{
    return pnd_queue_run(queue, why, "DELETE FROM arriving WHERE dump = ?1", "i", (int64_t)dump);
}

int pnd_queue_sweep(struct pnd_queue *queue, struct pnd_catalog *catalog, int64_t now_ms,
                    struct pnd_why *why)
{
    uint64_t ids[FORGET_EACH];
    unsigned count = 0;
    int err;

    {
        PND_AUTO_STMT sqlite3_stmt *stmt = NULL;

        err = pnd_queue_bind(queue, &stmt, why,
                             "SELECT DISTINCT dump FROM told WHERE told_ms < ?1 LIMIT ?2", "ii",
                             now_ms - PND_QUEUE_TOLD_DAYS * DAY_MS, (int64_t)FORGET_EACH);
        while (!err && !(err = pnd_queue_step(queue, stmt, why)))
            ids[count++] = (uint64_t)sqlite3_column_int64(stmt, 0);
    }
    err = err == PND_E_NOTFOUND ? PND_OK : err;
    for (unsigned i = 0; !err && i < count; i++) {
        struct pnd_dump dump;
        char sel[24];

        snprintf(sel, sizeof(sel), "%" PRIu64, ids[i]);
        err = pnd_catalog_find(catalog, sel, &dump, NULL);
        if (err == PND_E_NOTFOUND || (!err && dump.id != ids[i]))
            err =
                pnd_queue_run(queue, why, "DELETE FROM told WHERE dump = ?1", "i", (int64_t)ids[i]);
        else if (!err) /* it is there: asked again when as much time has passed */
            err = pnd_queue_run(queue, why, "UPDATE told SET told_ms = ?2 WHERE dump = ?1", "ii",
                                (int64_t)ids[i], now_ms);
    }
    return err ? err
               : pnd_queue_run(queue, why, "DELETE FROM answer WHERE at_ms < ?1", "i",
                               now_ms - DAY_MS);
}
