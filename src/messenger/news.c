/* SPDX-License-Identifier: BSD-2-Clause */
#include "messenger/news.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "host/clock.h"
#include "host/log.h"
#include "message/config.h"

int pnd_news_init(struct pnd_news *ret, int fd, const struct pnd_spool *spool,
                  struct pnd_catalog *catalog, struct pnd_queue *queue)
{
    *ret = (struct pnd_news){.fd = fd,
                             .spool = spool,
                             .catalog = catalog,
                             .queue = queue,
                             .line = malloc(PND_NEWS_LINE_MAX)};
    return ret->line ? PND_OK : PND_E_SYS;
}

void pnd_news_deinit(struct pnd_news *news)
{
    free(news->line);
    news->line = NULL;
}

static int tell(struct pnd_news *news, struct pnd_queue_event *event, struct pnd_why *why)
{
    bool fresh = false;
    int err;

    if (!event->fields)
        return pnd_why(why, PND_E_SYS, ENOMEM, "an event");
    pnd_fields_settle(event->fields);
    err = pnd_queue_tell(news->queue, event, pnd_clock_wall_ms(), &fresh, why);
    news->told += !err && fresh;
    return err;
}

/* ---- dumps that arrive ---- */

static void copy_texts(json_t *fields, const json_t *from)
{
    static const char *const keys[] = {"name", "file", "path", "peer", "protocol", "started_at"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        const char *text = json_string_value(json_object_get(from, keys[i]));

        if (text)
            pnd_fields_set(fields, keys[i], text);
    }
}

static int on_transfer(struct pnd_news *news, const json_t *transfer, struct pnd_why *why)
{
    json_int_t id = json_integer_value(json_object_get(transfer, "id"));
    const char *peer = json_string_value(json_object_get(transfer, "peer"));
    int64_t now_ms = pnd_clock_wall_ms();
    struct pnd_queue_event event = {.kind = PND_MESSAGE_BEGIN,
                                    .dump = (uint64_t)id,
                                    .since_ms = now_ms,
                                    .group = peer ? peer : ""};
    int err;

    if (id <= 0)
        return PND_OK;
    event.fields = pnd_fields_create(PND_MESSAGE_BEGIN, now_ms, news->spool->path);
    if (event.fields) {
        json_object_set_new(event.fields, "id", json_integer(id));
        copy_texts(event.fields, transfer);
    }
    err = tell(news, &event, why);
    if (!err)
        err = pnd_queue_put_arriving(news->queue, event.dump, event.fields, why);
    json_decref(event.fields);
    return err;
}

/* What the catalog knows of a dump besides its row. @return PND_OK, also when that is nothing */
static int add_facts(struct pnd_news *news, uint64_t id, json_t *fields, struct pnd_group *ret,
                     struct pnd_why *why)
{
    struct pnd_facts_line line;
    int err = pnd_catalog_facts_line(news->catalog, id, &line, why);

    *ret = (struct pnd_group){0};
    if (err)
        return err == PND_E_NOTFOUND ? PND_OK : err;
    pnd_fields_set_facts(fields, &line);
    err = pnd_catalog_group_of(news->catalog, id, ret, why);
    if (err == PND_E_NOTFOUND) {
        *ret = (struct pnd_group){0};
        err = PND_OK;
    }
    pnd_fields_set_group(fields, ret);
    return err;
}

static int tell_panic(struct pnd_news *news, uint64_t id, const struct pnd_group *group,
                      json_t *fields, int64_t since_ms, struct pnd_why *why)
{
    struct pnd_queue_event event = {.kind = PND_MESSAGE_PANIC,
                                    .dump = id,
                                    .since_ms = since_ms,
                                    .group = group->signature.id,
                                    .fields = fields};

    return group->signature.id[0] ? tell(news, &event, why) : PND_OK;
}

static int on_cause(struct pnd_news *news, const json_t *arriving, struct pnd_why *why)
{
    json_int_t id = json_integer_value(json_object_get(arriving, "id"));
    int64_t now_ms = pnd_clock_wall_ms();
    struct pnd_group group;
    json_t *known = NULL, *fields;
    int err = id > 0 ? pnd_queue_get_arriving(news->queue, (uint64_t)id, &known, why) : PND_OK;

    if (err || id <= 0)
        return err;
    fields = pnd_fields_create(PND_MESSAGE_PANIC, now_ms, news->spool->path);
    if (fields && known)
        json_object_update_missing(fields, known);
    json_decref(known);
    if (!fields)
        return pnd_why(why, PND_E_SYS, ENOMEM, "an event");
    json_object_set_new(fields, "id", json_integer(id));
    err = add_facts(news, (uint64_t)id, fields, &group, why);
    if (!err)
        err = tell_panic(news, (uint64_t)id, &group, fields, now_ms, why);
    json_decref(fields);
    return err;
}

/* ---- dumps that have ended ---- */

static int mark(struct pnd_news *news, const struct pnd_dump *dump, enum pnd_message_kind verdict,
                struct pnd_why *why)
{
    int64_t now_ms = pnd_clock_wall_ms();
    int err = pnd_queue_mark(news->queue, verdict, dump->id, dump->received_ms, now_ms, why);

    return err ? err : pnd_queue_mark(news->queue, PND_MESSAGE_PANIC, dump->id, 0, now_ms, why);
}

/* What a person has imported is known to a person. */
static int on_dump(struct pnd_news *news, const struct pnd_dump *dump, int64_t since_ms,
                   struct pnd_why *why)
{
    enum pnd_message_kind verdict =
        dump->state == PND_DUMP_COMPLETE ? PND_MESSAGE_COMPLETE : PND_MESSAGE_INCOMPLETE;
    struct pnd_queue_event event = {.kind = verdict,
                                    .dump = dump->id,
                                    .at_ms = dump->received_ms,
                                    .since_ms = dump->received_ms};
    struct pnd_group group;
    bool told = false;
    int err;

    if (!dump->checked || strcmp(dump->protocol, "import") == 0)
        return PND_OK;
    if (dump->received_ms < since_ms)
        return mark(news, dump, verdict, why);
    err = pnd_queue_told(news->queue, verdict, dump->id, dump->received_ms, &told, why);
    if (err || told) /* its panic was, too: that comes first */
        return err;
    event.fields = pnd_fields_create(PND_MESSAGE_PANIC, pnd_clock_wall_ms(), news->spool->path);
    if (!event.fields)
        return pnd_why(why, PND_E_SYS, ENOMEM, "an event");
    pnd_fields_set_dump(event.fields, dump, news->spool->path);
    err = add_facts(news, dump->id, event.fields, &group, why);
    event.group = group.signature.id[0] ? group.signature.id : dump->peer;
    if (!err)
        err = tell_panic(news, dump->id, &group, event.fields, dump->received_ms, why);
    if (!err) {
        pnd_fields_set(event.fields, "event", pnd_message_kind_name(verdict));
        err = tell(news, &event, why);
    }
    if (!err)
        err = pnd_queue_drop_arriving(news->queue, dump->id, why);
    json_decref(event.fields);
    return err;
}

static int on_checked(struct pnd_news *news, const json_t *row, struct pnd_why *why)
{
    json_int_t id = json_integer_value(json_object_get(row, "id"));
    struct pnd_dump dump;
    char sel[24];
    int err;

    snprintf(sel, sizeof(sel), "%" JSON_INTEGER_FORMAT, id);
    err = id > 0 ? pnd_catalog_find(news->catalog, sel, &dump, why) : PND_E_NOTFOUND;
    if (err)
        return err == PND_E_NOTFOUND ? PND_OK : err; /* removed meanwhile */
    return dump.id == (uint64_t)id ? on_dump(news, &dump, 0, why) : PND_OK;
}

struct catching_up {
    struct pnd_news *news;
    struct pnd_why *why;
    int64_t since_ms;
    int err;
};

static bool catch_up_with(const struct pnd_dump *dump, void *ctx)
{
    struct catching_up *catching_up = ctx;

    catching_up->err = on_dump(catching_up->news, dump, catching_up->since_ms, catching_up->why);
    return !catching_up->err;
}

int pnd_news_catch_up(struct pnd_news *news, int64_t since_ms, struct pnd_why *why)
{
    struct catching_up catching_up = {.news = news, .why = why, .since_ms = since_ms};
    int err = pnd_queue_begin(news->queue, why);

    news->told = 0;
    if (err)
        return err;
    err = pnd_catalog_each(news->catalog, false, catch_up_with, &catching_up, why);
    if (!err)
        err = catching_up.err;
    if (!err)
        err = pnd_queue_commit(news->queue, why);
    if (err)
        pnd_queue_rollback(news->queue);
    return err;
}

/* ---- the server's words ---- */

static int on_refused(struct pnd_news *news, const json_t *json, struct pnd_why *why)
{
    const char *peer = json_string_value(json_object_get(json, "peer"));
    const char *rule = json_string_value(json_object_get(json, "rule"));
    int64_t now_ms = pnd_clock_wall_ms();
    struct pnd_queue_event event = {
        .kind = PND_MESSAGE_REFUSED, .since_ms = now_ms, .group = rule ? rule : ""};
    int err;

    event.fields = pnd_fields_create(PND_MESSAGE_REFUSED, now_ms, news->spool->path);
    if (event.fields) {
        pnd_fields_set(event.fields, "peer", peer ? peer : "");
        pnd_fields_set(event.fields, "rule", event.group);
    }
    err = tell(news, &event, why);
    json_decref(event.fields);
    return err;
}

static int on_line(struct pnd_news *news, const char *line, size_t len, struct pnd_why *why)
{
    json_t *json = json_loadb(line, len, 0, NULL);
    const char *event = json_string_value(json_object_get(json, "event"));
    int err = PND_OK;

    if (!event)
        pnd_log(PND_WARNING, "not-understood", "bytes=%zu", len);
    else if (strcmp(event, "begin") == 0 || strcmp(event, "progress") == 0)
        err = on_transfer(news, json_object_get(json, "transfer"), why);
    else if (strcmp(event, "cause") == 0)
        err = on_cause(news, json_object_get(json, "arriving"), why);
    else if (strcmp(event, "checked") == 0)
        err = on_checked(news, json_object_get(json, "dump"), why);
    else if (strcmp(event, "refused") == 0)
        err = on_refused(news, json, why);
    json_decref(json);
    return err;
}

/* The lines that are whole. */
static int take_lines(struct pnd_news *news, struct pnd_why *why)
{
    const char *at = news->line, *end;
    size_t left = news->len;
    int err = PND_OK;

    while (!err && (end = memchr(at, '\n', left))) {
        err = on_line(news, at, (size_t)(end - at), why);
        left -= (size_t)(end + 1 - at);
        at = end + 1;
    }
    memmove(news->line, at, left);
    news->len = left;
    return err;
}

int pnd_news_hear(struct pnd_news *news, bool *ret_over, struct pnd_why *why)
{
    ssize_t got =
        recv(news->fd, news->line + news->len, PND_NEWS_LINE_MAX - news->len, MSG_DONTWAIT);
    int err;

    news->told = 0;
    *ret_over = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
    if (got <= 0)
        return PND_OK;
    news->len += (size_t)got;
    if (!memchr(news->line + news->len - (size_t)got, '\n', (size_t)got))
        return news->len < PND_NEWS_LINE_MAX
                   ? PND_OK
                   : pnd_why(why, PND_E_FORMAT, 0, "the server said more than %d bytes at once",
                             PND_NEWS_LINE_MAX);
    err = pnd_queue_begin(news->queue, why);
    if (err)
        return err;
    err = take_lines(news, why);
    if (!err)
        err = pnd_queue_commit(news->queue, why);
    if (err)
        pnd_queue_rollback(news->queue);
    return err;
}
