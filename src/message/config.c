/* SPDX-License-Identifier: BSD-2-Clause */
#include "message/config.h"

#include <libgen.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host/text.h"
#include "message/template.h"

#define HOUR_MS (UINT64_C(3600) * 1000)
#define DAY_MS  (24 * HOUR_MS)
#define GIB     (UINT64_C(1) << 30)

#define AT(member)       offsetof(struct pnd_message_channel, member)
#define TEXT_CAP(member) sizeof(((struct pnd_message_channel *)0)->member)
#define EVENT(kind)      (1U << (kind))

enum { SAMPLE_MS = 1000 };

static void *add_channel(void *dst, const char *name, struct pnd_why *why)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    struct pnd_message_config *config = dst;
    struct pnd_message_channel *channel = &config->at[config->count];

    if (name[strspn(name, allowed)]) {
        pnd_why(why, PND_E_NAME, 0, "a name has letters, digits, \"-\" and \"_\"");
        return NULL;
    }
    for (unsigned i = 0; i < config->count; i++) {
        if (strcmp(config->at[i].name, name) == 0) {
            pnd_why(why, PND_E_EXISTS, 0, "there is one of this name already");
            return NULL;
        }
    }
    if (config->count == PND_MESSAGE_CHANNELS_MAX) {
        pnd_why(why, PND_E_FULL, 0, "more than %d of them", PND_MESSAGE_CHANNELS_MAX);
        return NULL;
    }
    *channel = (struct pnd_message_channel){
        .events = (1U << PND_MESSAGE_KINDS) - 1 - EVENT(PND_MESSAGE_COMPLETE),
        .again_ms = HOUR_MS,
        .expire_ms = 3 * DAY_MS,
        .time_ms = 30 * 1000,
        .room_bytes = 2 * GIB,
    };
    snprintf(channel->name, sizeof(channel->name), "%s", name);
    config->count++;
    return channel;
}

static int add_event(void *value, const char *item, struct pnd_why *why)
{
    for (unsigned i = 0; i < PND_MESSAGE_KINDS; i++) {
        if (strcmp(item, pnd_message_kind_name(i)) == 0) {
            *(unsigned *)value |= EVENT(i);
            return PND_OK;
        }
    }
    if (strcmp(item, "all") != 0)
        return pnd_why(why, PND_E_FORMAT, 0, "\"%s\" is none of them", item);
    *(unsigned *)value = (1U << PND_MESSAGE_KINDS) - 1;
    return PND_OK;
}

static void clear_events(void *value)
{
    *(unsigned *)value = 0;
}

/* What stands between < and > in SMTP: no blank, no control byte, no bracket. */
static bool is_address(const char *text)
{
    const char *sign = strrchr(text, '@');

    for (const char *at = text; *at; at++)
        if ((uint8_t)*at <= ' ' || (uint8_t)*at >= 0x7f || strchr("<>(),;:\\\"[]", *at))
            return false;
    return sign && sign > text && sign[1];
}

static int add_to(void *value, const char *item, struct pnd_why *why)
{
    struct pnd_message_to *to = value;

    if (!is_address(item) || strlen(item) >= PND_MESSAGE_ADDRESS_CAP)
        return pnd_why(why, PND_E_FORMAT, 0, "\"%s\" is no address", item);
    if (to->count == PND_MESSAGE_TO_MAX)
        return pnd_why(why, PND_E_FULL, 0, "more than %d addresses", PND_MESSAGE_TO_MAX);
    snprintf(to->at[to->count++], PND_MESSAGE_ADDRESS_CAP, "%s", item);
    return PND_OK;
}

#define TEXT(its_key, member, says)                                                                \
    {                                                                                              \
        .section = "message", .named = add_channel, .key = (its_key), .type = PND_CONF_STRING,     \
        .offset = AT(member), .min = 1, .max = TEXT_CAP(member), .allowed = (says)                 \
    }
#define NUMBER(its_key, its_type, member, least, most, says)                                       \
    {                                                                                              \
        .section = "message", .named = add_channel, .key = (its_key), .type = PND_CONF_##its_type, \
        .offset = AT(member), .min = (least), .max = (most), .allowed = (says)                     \
    }
#define LINES(its_key, member)                                                                     \
    {                                                                                              \
        .section = "message", .named = add_channel, .key = (its_key), .type = PND_CONF_LINES,      \
        .offset = AT(member), .min = 1, .max = TEXT_CAP(member), .check = pnd_template_check,      \
        .allowed = "a text with fields such as ${machine}"                                         \
    }

static const struct pnd_conf_key keys[] = {
    {.section = "message",
     .named = add_channel,
     .key = "events",
     .type = PND_CONF_LIST,
     .offset = AT(events),
     .allowed = "begin, panic, complete, incomplete, refused, room; or all",
     .add = add_event,
     .clear = clear_events},
    NUMBER("again", DURATION, again_ms, 0, 30 * DAY_MS,
           "a time such as 1h, 30d at most; 0 for each"),
    NUMBER("expire", DURATION, expire_ms, 1000, 30 * DAY_MS, "a time such as 3d, from 1s to 30d"),
    NUMBER("time", DURATION, time_ms, 100, 600 * 1000, "a time such as 30s, from 100ms to 10min"),
    NUMBER("room", SIZE, room_bytes, 0, UINT64_C(1) << 60, "a size such as 2G"),
    NUMBER("plain", BOOL, plain, 0, 0, "yes or no"),
    TEXT("program", program, "the absolute path of a program"),
    TEXT("url", url, "a URL that begins with http://, https://, smtp:// or smtps://"),
    TEXT("page", page, "the URL of panicweb's page"),
    TEXT("secret-file", secret_file, "a path"),
    TEXT("ca-file", ca_file, "a path"),
    TEXT("from", from, "an address of e-mail"),
    TEXT("user", user, "a name"),
    TEXT("password-file", password_file, "a path"),
    {.section = "message",
     .named = add_channel,
     .key = "to",
     .type = PND_CONF_LIST,
     .offset = AT(to),
     .allowed = "addresses of e-mail",
     .add = add_to},
    LINES("subject", subject),
    LINES("body", body),
    {.section = "receive"}, /* the others are panicd's */
    {.section = "policy"},
    {.section = "time"},
    {.section = "stream"},
};

/* ---- what only the whole section tells ---- */

static int find_way(struct pnd_message_channel *channel, struct pnd_why *why)
{
    static const struct {
        const char *start;
        enum pnd_message_way way;
    } starts[] = {{"https://", PND_MESSAGE_WEBHOOK},
                  {"http://", PND_MESSAGE_WEBHOOK},
                  {"smtps://", PND_MESSAGE_MAIL},
                  {"smtp://", PND_MESSAGE_MAIL}};

    if (!channel->program[0] == !channel->url[0])
        return pnd_why(why, PND_E_FORMAT, 0, "it takes either program or url");
    if (channel->program[0] && channel->program[0] != '/')
        return pnd_why(why, PND_E_FORMAT, 0, "program %s: write its absolute path",
                       channel->program);
    channel->way = PND_MESSAGE_HOOK;
    if (channel->program[0])
        return PND_OK;
    for (const char *at = channel->url; *at; at++)
        if ((uint8_t)*at <= ' ' || (uint8_t)*at >= 0x7f)
            return pnd_why(why, PND_E_FORMAT, 0, "url has a blank, or a byte that is not ASCII");
    for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++) {
        size_t len = strlen(starts[i].start);

        if (strncasecmp(channel->url, starts[i].start, len) == 0 && channel->url[len]) {
            channel->way = starts[i].way;
            return PND_OK;
        }
    }
    return pnd_why(why, PND_E_FORMAT, 0,
                   "url begins with http://, https://, smtp:// or smtps://, and names a host");
}

/* Keys that this way has no use for are mistakes. */
static int check_use(const struct pnd_message_channel *channel, struct pnd_why *why)
{
    bool mail = channel->way == PND_MESSAGE_MAIL, web = channel->way == PND_MESSAGE_WEBHOOK;
    const struct {
        const char *key;
        bool given, used;
    } uses[] = {
        {"secret-file", channel->secret_file[0], web},
        {"ca-file", channel->ca_file[0], web || mail},
        {"from", channel->from[0], mail},
        {"to", channel->to.count, mail},
        {"user", channel->user[0], mail},
        {"password-file", channel->password_file[0], mail},
        {"plain", channel->plain, mail},
        {"subject", channel->subject[0], mail},
        {"body", channel->body[0], web || mail},
    };

    for (size_t i = 0; i < sizeof(uses) / sizeof(*uses); i++)
        if (uses[i].given && !uses[i].used)
            return pnd_why(why, PND_E_FORMAT, 0, "%s is nothing for a %s", uses[i].key,
                           pnd_message_way_name(channel->way));
    if (mail && (!is_address(channel->from) || !channel->to.count))
        return pnd_why(why, PND_E_FORMAT, 0, "e-mail takes from, an address, and to");
    if (strchr(channel->subject, '\n'))
        return pnd_why(why, PND_E_FORMAT, 0, "subject is one line");
    if (!channel->user[0] != !channel->password_file[0])
        return pnd_why(why, PND_E_FORMAT, 0, "user and password-file go together");
    return PND_OK;
}

/* Whatever the fields say, it is to be JSON: each stands in a string, for what is a number today is
 * nothing tomorrow, and a title that somebody else writes is never one. */
static int check_json(const struct pnd_message_channel *channel, struct pnd_why *why)
{
    json_t *fields = pnd_fields_create(PND_MESSAGE_TEST, SAMPLE_MS, "/"), *json = NULL;
    char *text = NULL;
    json_error_t error = {.text = "no memory"};

    for (unsigned i = 0; fields && pnd_field_name(i); i++)
        pnd_fields_set(fields, pnd_field_name(i), "x"); /* nothing outside a string */
    if (fields)
        text = pnd_template_render(channel->body, fields, PND_TEMPLATE_JSON);
    if (text)
        json = json_loads(text, 0, &error);
    free(text);
    json_decref(fields);
    if (!json)
        return pnd_why(why, PND_E_FORMAT, 0, "body is no JSON, in its line %d: %s", error.line,
                       error.text);
    json_decref(json);
    return PND_OK;
}

static int place(char path[PND_MESSAGE_PATH_CAP], const char *file, struct pnd_why *why)
{
    char copy[4096], out[sizeof(copy) + PND_MESSAGE_PATH_CAP];

    if (!path[0] || path[0] == '/')
        return PND_OK;
    snprintf(copy, sizeof(copy), "%s", file);
    snprintf(out, sizeof(out), "%s/%s", dirname(copy), path);
    if (strlen(out) >= PND_MESSAGE_PATH_CAP)
        return pnd_why(why, PND_E_NAME, 0, "%s is too long", path);
    memcpy(path, out, strlen(out) + 1);
    return PND_OK;
}

static int settle(struct pnd_message_channel *channel, const char *file, struct pnd_why *why)
{
    char *paths[] = {channel->secret_file, channel->ca_file, channel->password_file};
    int err = find_way(channel, why);

    if (!err)
        err = check_use(channel, why);
    for (size_t i = 0; !err && i < sizeof(paths) / sizeof(*paths); i++)
        err = place(paths[i], file, why);
    if (!err && channel->way == PND_MESSAGE_WEBHOOK && channel->body[0])
        err = check_json(channel, why);
    return err ? pnd_why_add(why, err, "%s: [message %s]", file, channel->name) : PND_OK;
}

int pnd_message_config_read(const char *path, struct pnd_message_config *ret, struct pnd_why *why)
{
    struct pnd_message_config *config = calloc(1, sizeof(*config));
    int err;

    if (!config)
        return pnd_why(why, PND_E_SYS, 0, "no memory");
    err = pnd_conf_read(path, keys, sizeof(keys) / sizeof(*keys), config, sizeof(*config), why);
    for (unsigned i = 0; !err && i < config->count; i++)
        err = settle(&config->at[i], path, why);
    if (!err)
        *ret = *config;
    free(config);
    return err;
}

const char *pnd_message_way_name(enum pnd_message_way way)
{
    static const char *const ways[] = {"hook", "webhook", "e-mail"};

    return ways[way];
}

const char *pnd_message_target(const struct pnd_message_channel *channel, char *ret, size_t cap)
{
    const char *text = channel->program, *end;
    size_t len = strlen(text);

    if (channel->way == PND_MESSAGE_MAIL) {
        text = channel->to.at[0];
        len = strlen(text);
    } else if (channel->way == PND_MESSAGE_WEBHOOK) { /* what is behind the host may be a secret */
        text = strstr(channel->url, "://") + 3;
        len = strcspn(text, "/?#");
        end = memchr(text, '@', len);
        if (end) {
            len -= (size_t)(end + 1 - text);
            text = end + 1;
        }
    }
    return pnd_text_escape(ret, cap, text, len);
}
