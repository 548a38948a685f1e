/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Messages on their way out, and how each channel does; see queue.h. */
#include "message/queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message/queue_db.h"

int pnd_queue_set_channels(struct pnd_queue *queue, const struct pnd_message_config *config,
                           unsigned *ret_dropped, struct pnd_why *why)
{
    json_t *names = json_array();
    char target[PND_QUEUE_TARGET_CAP];
    int err = PND_OK, before;

    queue->config = config;
    for (unsigned i = 0; !err && i < config->count; i++) {
        const struct pnd_message_channel *channel = &config->at[i];

        json_array_append_new(names, json_string(channel->name));
        err = pnd_queue_run(queue, why,
                            "INSERT INTO channel (name, way, target) VALUES (?1, ?2, ?3)"
                            " ON CONFLICT (name) DO UPDATE SET way = ?2, target = ?3",
                            "sss", channel->name, pnd_message_way_name(channel->way),
                            pnd_message_target(channel, target, sizeof(target)));
    }
    if (!err)
        err = pnd_queue_run(queue, why,
                            "DELETE FROM channel WHERE name NOT IN"
                            " (SELECT value FROM json_each(?1))",
                            "j", names);
    if (!err)
        err = pnd_queue_run(queue, why,
                            "DELETE FROM gathered WHERE channel NOT IN"
                            " (SELECT value FROM json_each(?1))",
                            "j", names);
    before = sqlite3_total_changes(queue->db.db);
    if (!err)
        err = pnd_queue_run(queue, why,
                            "DELETE FROM message WHERE channel NOT IN"
                            " (SELECT value FROM json_each(?1))",
                            "j", names);
    *ret_dropped = (unsigned)(sqlite3_total_changes(queue->db.db) - before);
    json_decref(names);
    return err;
}

int64_t pnd_queue_backoff_ms(unsigned failures)
{
    int64_t ms = PND_QUEUE_RETRY_MS;

    for (unsigned i = 1; i < failures && ms < PND_QUEUE_RETRY_MAX_MS; i++)
        ms *= 2;
    return ms < PND_QUEUE_RETRY_MAX_MS ? ms : PND_QUEUE_RETRY_MAX_MS;
}

int pnd_queue_next(struct pnd_queue *queue, const char *channel, int64_t now_ms,
                   struct pnd_queue_message *ret, int64_t *ret_next_ms, struct pnd_why *why)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    int err = pnd_queue_bind(queue, &stmt, why,
                             "SELECT number, id, test, attempts, created_ms, fields FROM message"
                             " WHERE channel = ?1 AND (next_ms <= ?2 OR next_ms > ?3)"
                             " ORDER BY test DESC, number LIMIT 1",
                             "sii", channel, now_ms, now_ms + PND_QUEUE_AFTER_MAX_MS);

    *ret_next_ms = INT64_MAX;
    if (!err)
        err = pnd_queue_step(queue, stmt, why);
    if (err == PND_E_NOTFOUND) {
        int failed =
            pnd_queue_number(queue, INT64_MAX, ret_next_ms, why,
                             "SELECT min(next_ms) FROM message WHERE channel = ?1", "s", channel);

        return failed ? failed : PND_E_NOTFOUND;
    }
    if (err)
        return err;
    *ret = (struct pnd_queue_message){.number = sqlite3_column_int64(stmt, 0),
                                      .test = sqlite3_column_int(stmt, 2),
                                      .attempts = (unsigned)sqlite3_column_int(stmt, 3),
                                      .created_ms = sqlite3_column_int64(stmt, 4),
                                      .fields = pnd_queue_column_json(stmt, 5)};
    pnd_db_column_text(stmt, 1, ret->id, sizeof(ret->id));
    return PND_OK;
}

void pnd_queue_message_deinit(struct pnd_queue_message *message)
{
    json_decref(message->fields);
    message->fields = NULL;
}

static int answer_test(struct pnd_queue *queue, const char *id, bool sent, const char *said,
                       int64_t now_ms, struct pnd_why *why)
{
    return pnd_queue_run(queue, why, "INSERT OR REPLACE INTO answer VALUES (?1, ?2, ?3, ?4)",
                         "sisi", id, (int64_t)sent, said, now_ms);
}

static int remove_message(struct pnd_queue *queue, int64_t number, struct pnd_why *why)
{
    return pnd_queue_run(queue, why, "DELETE FROM message WHERE number = ?1", "i", number);
}

/* In a step of its own. */
static int conclude(struct pnd_queue *queue, const char *channel,
                    const struct pnd_queue_message *message, enum pnd_queue_outcome outcome,
                    const char *said, int64_t retry_ms, int64_t now_ms, struct pnd_why *why)
{
    int err = PND_OK;

    if (message->test)
        err = answer_test(queue, message->id, outcome == PND_QUEUE_SENT, said, now_ms, why);
    if (err)
        return err;
    if (outcome == PND_QUEUE_SENT)
        err = pnd_queue_run(queue, why,
                            "UPDATE channel SET sent = sent + 1, sent_ms = ?2, failing_ms = 0,"
                            " error = '' WHERE name = ?1",
                            "si", channel, now_ms);
    else
        err = pnd_queue_run(queue, why,
                            "UPDATE channel SET refused = refused + ?4, error = ?3, failing_ms ="
                            " CASE failing_ms WHEN 0 THEN ?2 ELSE failing_ms END WHERE name = ?1",
                            "sisi", channel, now_ms, said, (int64_t)(outcome == PND_QUEUE_REFUSED));
    if (err)
        return err;
    if (outcome != PND_QUEUE_LATER || message->test)
        return remove_message(queue, message->number, why);
    return pnd_queue_run(queue, why,
                         "UPDATE message SET attempts = attempts + 1, next_ms = ?2"
                         " WHERE number = ?1",
                         "ii", message->number, now_ms + retry_ms);
}

int pnd_queue_done(struct pnd_queue *queue, const char *channel,
                   const struct pnd_queue_message *message, enum pnd_queue_outcome outcome,
                   const char *said, int64_t retry_ms, int64_t now_ms, struct pnd_why *why)
{
    int err = pnd_queue_begin(queue, why);

    if (err)
        return err;
    err = conclude(queue, channel, message, outcome, said, retry_ms, now_ms, why);
    if (!err)
        err = pnd_queue_commit(queue, why);
    if (err)
        pnd_queue_rollback(queue);
    return err;
}

/* ---- for the tools ---- */

int pnd_queue_channels(struct pnd_queue *queue,
                       struct pnd_queue_channel ret[PND_MESSAGE_CHANNELS_MAX], unsigned *ret_count,
                       struct pnd_why *why)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    unsigned count = 0;
    int err = pnd_queue_bind(queue, &stmt, why,
                             "SELECT name, way, target, sent, refused, lost, sent_ms, failing_ms,"
                             " error, (SELECT count(*) FROM message WHERE channel = name),"
                             " (SELECT ifnull(sum(count), 0) FROM gathered WHERE channel = name)"
                             " FROM channel ORDER BY name",
                             "");

    while (!err && count < PND_MESSAGE_CHANNELS_MAX && !(err = pnd_queue_step(queue, stmt, why))) {
        struct pnd_queue_channel *at = &ret[count++];

        pnd_db_column_text(stmt, 0, at->name, sizeof(at->name));
        pnd_db_column_text(stmt, 1, at->way, sizeof(at->way));
        pnd_db_column_text(stmt, 2, at->target, sizeof(at->target));
        at->sent = (uint64_t)sqlite3_column_int64(stmt, 3);
        at->refused = (uint64_t)sqlite3_column_int64(stmt, 4);
        at->lost = (uint64_t)sqlite3_column_int64(stmt, 5);
        at->sent_ms = sqlite3_column_int64(stmt, 6);
        at->failing_ms = sqlite3_column_int64(stmt, 7);
        pnd_db_column_text(stmt, 8, at->error, sizeof(at->error));
        at->waiting = (uint64_t)sqlite3_column_int64(stmt, 9);
        at->gathered = (uint64_t)sqlite3_column_int64(stmt, 10);
    }
    *ret_count = count;
    return err == PND_E_NOTFOUND ? PND_OK : err;
}

int pnd_queue_test(struct pnd_queue *queue, const char *channel, const char *id, json_t *fields,
                   int64_t now_ms, struct pnd_why *why)
{
    const int64_t expires_ms = now_ms + PND_QUEUE_AFTER_MAX_MS;

    json_object_set_new(fields, "event_id", json_string(id));
    return pnd_queue_run(queue, why,
                         "INSERT INTO message (channel, id, test, created_ms, expires_ms, attempts,"
                         " next_ms, fields) VALUES (?1, ?2, 1, ?3, ?4, 0, 0, ?5)",
                         "ssiij", channel, id, now_ms, expires_ms, fields);
}

int pnd_queue_tested(struct pnd_queue *queue, const char *channel, bool *ret, struct pnd_why *why)
{
    int64_t waits = 0;
    int err = pnd_queue_number(queue, 0, &waits, why,
                               "SELECT 1 FROM message WHERE channel = ?1 AND test", "s", channel);

    *ret = waits;
    return err;
}

int pnd_queue_answer(struct pnd_queue *queue, const char *id, bool *ret_sent,
                     char ret_said[PND_QUEUE_ERROR_CAP], struct pnd_why *why)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    int err =
        pnd_queue_bind(queue, &stmt, why, "SELECT sent, said FROM answer WHERE id = ?1", "s", id);

    if (!err)
        err = pnd_queue_step(queue, stmt, why);
    if (err)
        return err;
    *ret_sent = sqlite3_column_int(stmt, 0);
    pnd_db_column_text(stmt, 1, ret_said, PND_QUEUE_ERROR_CAP);
    return PND_OK;
}
