/* SPDX-License-Identifier: BSD-2-Clause */
#include "message/fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/text.h"

enum { SENTENCE_CAP = 2 * PND_FIELD_TEXT_MAX, HOST_CAP = 65 };

static const char *const kinds[] = {"begin",   "panic", "complete", "incomplete",
                                    "refused", "room",  "test"};

/* In the order in which a person reads them. */
static const char *const names[] = {
    "text",     "event",         "machine",     "title",     "os",   "kernel",  "note",  "group",
    "seen",     "machines",      "first_seen",  "id",        "name", "file",    "path",  "url",
    "state",    "reason",        "format",      "bytes",     "size", "sha256",  "host",  "peer",
    "protocol", "started_at",    "received_at", "rule",      "free", "total",   "count", "since",
    "ids",      "machine_names", "server",      "directory", "time", "event_id"};

const char *pnd_message_kind_name(enum pnd_message_kind kind)
{
    return kinds[kind];
}

const char *pnd_field_name(unsigned at)
{
    return at < sizeof(names) / sizeof(*names) ? names[at] : NULL;
}

bool pnd_field_known(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
            return true;
    return false;
}

void pnd_fields_set(json_t *fields, const char *name, const char *text)
{
    char clean[PND_FIELD_TEXT_MAX];
    size_t len = strlen(text);

    if (!len)
        return;
    if (len > sizeof(clean))
        for (len = sizeof(clean); len > 1 && ((uint8_t)text[len] & 0xc0) == 0x80;)
            len--; /* no character is cut in two */
    len = pnd_text_clean(clean, text, len);
    for (size_t i = 0; i < len; i++)
        clean[i] = clean[i] == '\n' || clean[i] == '\t' ? ' ' : clean[i];
    json_object_set_new(fields, name, json_stringn(clean, len));
}

void pnd_fields_set_time(json_t *fields, const char *name, int64_t ms)
{
    char text[PND_TEXT_TIME_CAP];

    if (ms)
        pnd_fields_set(fields, name, pnd_text_time_utc(text, sizeof(text), ms));
}

static void set_number(json_t *fields, const char *name, uint64_t number)
{
    json_object_set_new(fields, name, json_integer((json_int_t)number));
}

static void set_bytes(json_t *fields, const char *name, uint64_t bytes)
{
    char text[PND_TEXT_BYTES_CAP];

    pnd_fields_set(fields, name, pnd_text_bytes(text, sizeof(text), bytes));
}

json_t *pnd_fields_create(enum pnd_message_kind kind, int64_t now_ms, const char *directory)
{
    json_t *fields = json_object();
    char host[HOST_CAP] = "";

    if (!fields)
        return NULL;
    gethostname(host, sizeof(host) - 1);
    pnd_fields_set(fields, "event", kinds[kind]);
    pnd_fields_set_time(fields, "time", now_ms);
    pnd_fields_set(fields, "server", host);
    pnd_fields_set(fields, "directory", directory);
    return fields;
}

void pnd_fields_set_dump(json_t *fields, const struct pnd_dump *dump, const char *directory)
{
    char path[sizeof(((struct pnd_spool *)0)->path) + PND_SPOOL_NAME_CAP + 1];

    snprintf(path, sizeof(path), "%s/%s", directory, dump->file);
    set_number(fields, "id", dump->id);
    pnd_fields_set(fields, "name", dump->name);
    pnd_fields_set(fields, "file", dump->file);
    pnd_fields_set(fields, "path", path);
    pnd_fields_set(fields, "reason", dump->reason);
    pnd_fields_set(fields, "format", dump->format);
    pnd_fields_set(fields, "sha256", dump->sha256);
    pnd_fields_set(fields, "peer", dump->peer);
    pnd_fields_set(fields, "protocol", dump->protocol);
    pnd_fields_set(fields, "state", pnd_dump_state_text(dump->state));
    set_number(fields, "bytes", dump->bytes);
    set_bytes(fields, "size", dump->bytes);
    pnd_fields_set_time(fields, "started_at", dump->started_ms);
    pnd_fields_set_time(fields, "received_at", dump->received_ms);
}

void pnd_fields_set_facts(json_t *fields, const struct pnd_facts_line *line)
{
    pnd_fields_set(fields, "os", line->os);
    pnd_fields_set(fields, "kernel", line->kernel);
    pnd_fields_set(fields, "host", line->host);
}

void pnd_fields_set_group(json_t *fields, const struct pnd_group *group)
{
    if (!group->signature.id[0])
        return;
    pnd_fields_set(fields, "group", group->signature.id);
    pnd_fields_set(fields, "title", group->signature.title);
    set_number(fields, "seen", group->count);
    set_number(fields, "machines", group->machines);
    pnd_fields_set_time(fields, "first_seen", group->first_ms);
    pnd_fields_set(fields, "note", group->note);
}

/* ---- the sentence ---- */

static const char *text_of(const json_t *fields, const char *name, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(fields, name));

    return text ? text : otherwise;
}

static void say(const json_t *fields, char ret[SENTENCE_CAP])
{
    const char *event = text_of(fields, "event", ""), *machine = text_of(fields, "machine", "?"),
               *title = text_of(fields, "title", "");

    if (strcmp(event, kinds[PND_MESSAGE_BEGIN]) == 0)
        snprintf(ret, SENTENCE_CAP, "a dump of %s begins to arrive", machine);
    else if (strcmp(event, kinds[PND_MESSAGE_PANIC]) == 0)
        snprintf(ret, SENTENCE_CAP, "%s: %s", machine, title);
    else if (strcmp(event, kinds[PND_MESSAGE_COMPLETE]) == 0)
        snprintf(ret, SENTENCE_CAP, "the dump of %s is complete, %s%s%s", machine,
                 text_of(fields, "size", "?"), title[0] ? ": " : "", title);
    else if (strcmp(event, kinds[PND_MESSAGE_INCOMPLETE]) == 0)
        snprintf(ret, SENTENCE_CAP, "the dump of %s is incomplete: %s", machine,
                 text_of(fields, "reason", "?"));
    else if (strcmp(event, kinds[PND_MESSAGE_REFUSED]) == 0)
        snprintf(ret, SENTENCE_CAP, "%s was refused: %s", machine, text_of(fields, "rule", "?"));
    else if (strcmp(event, kinds[PND_MESSAGE_ROOM]) == 0)
        snprintf(ret, SENTENCE_CAP, "only %s of %s are free for dumps",
                 text_of(fields, "free", "?"), text_of(fields, "total", "?"));
    else
        snprintf(ret, SENTENCE_CAP, "a test message of %s", text_of(fields, "server", "?"));
}

void pnd_fields_settle(json_t *fields)
{
    json_int_t count = json_integer_value(json_object_get(fields, "count"));
    size_t machines = json_array_size(json_object_get(fields, "machine_names"));
    char sentence[SENTENCE_CAP], all[SENTENCE_CAP + 64];
    const char *host = text_of(fields, "host", text_of(fields, "peer", NULL));

    if (host)
        json_object_set_new(fields, "machine", json_string(host));
    say(fields, sentence);
    if (count > 1)
        snprintf(all, sizeof(all), "%lld more, of %zu machine%s; the last: %s", (long long)count,
                 machines, machines == 1 ? "" : "s", sentence);
    else
        snprintf(all, sizeof(all), "%s", sentence);
    pnd_fields_set(fields, "text", all);
}

/* ---- for readers ---- */

static void put_value(FILE *to, const json_t *value)
{
    const json_t *item;
    size_t i;

    if (json_is_string(value))
        fwrite(json_string_value(value), 1, json_string_length(value), to);
    else if (json_is_integer(value))
        fprintf(to, "%lld", (long long)json_integer_value(value));
    json_array_foreach(value, i, item)
    {
        if (i)
            fputs(", ", to);
        if (json_is_string(item))
            fputs(json_string_value(item), to);
        else
            fprintf(to, "%lld", (long long)json_integer_value(item));
    }
}

char *pnd_field_text(const json_t *fields, const char *name, size_t len)
{
    char key[64], *text = NULL;
    size_t text_len;
    FILE *to = open_memstream(&text, &text_len);

    if (!to)
        return NULL;
    snprintf(key, sizeof(key), "%.*s", (int)len, name);
    put_value(to, json_object_get(fields, key));
    if (fclose(to) == 0)
        return text;
    free(text);
    return NULL;
}

char *pnd_fields_page(const json_t *fields)
{
    char *text = NULL;
    size_t len;
    FILE *to = open_memstream(&text, &len);

    if (!to)
        return NULL;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        const json_t *value = json_object_get(fields, names[i]);

        if (!value)
            continue;
        if (i > 0)
            fprintf(to, "%-13s ", names[i]);
        put_value(to, value);
        fputs(i > 0 ? "\n" : "\n\n", to);
    }
    if (fclose(to) == 0)
        return text;
    free(text);
    return NULL;
}
