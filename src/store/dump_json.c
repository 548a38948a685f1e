/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Dumps as JSON, and the label that a file carries. */
#include "store/dump_json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <time.h>

#include "host/text.h"

enum {
    LABEL_BYTES_MAX = 4000, /* ext4 has room for about 4 KiB of attributes per file */
    ID_MAX_BITS = 48,       /* a label cannot use up the ids */
};

static const char label_name[] = "user.panicd";
static const char *const state_texts[] = {
    [PND_DUMP_RECEIVING] = "receiving",
    [PND_DUMP_COMPLETE] = "complete",
    [PND_DUMP_INCOMPLETE] = "incomplete",
};

bool pnd_dump_knows_holes(const struct pnd_dump *dump)
{
    return dump->missing_count > 1 ||
           (dump->missing_count == 1 && dump->missing[0].end != UINT64_MAX);
}

const char *pnd_dump_state_text(enum pnd_dump_state state)
{
    return state_texts[state];
}

bool pnd_dump_state_parse(const char *text, enum pnd_dump_state *ret)
{
    *ret = PND_DUMP_RECEIVING;
    for (size_t i = 0; i < sizeof(state_texts) / sizeof(state_texts[0]); i++) {
        if (strcmp(text, state_texts[i]) == 0) {
            *ret = (enum pnd_dump_state)i;
            return true;
        }
    }
    return false;
}

/* ---- out ---- */

static json_t *number_to_json(uint64_t number)
{
    return json_integer((json_int_t)(number > INT64_MAX ? INT64_MAX : number));
}

static json_t *time_to_json(int64_t ms)
{
    char text[PND_TEXT_TIME_CAP];

    return ms ? json_string(pnd_text_time_utc(text, sizeof(text), ms)) : json_null();
}

/* As text when it is UTF-8, else in hexadecimal, under another key, so that no byte is lost. */
static int set_bytes(json_t *json, const char *key, const char *bytes)
{
    static const char digits[] = "0123456789abcdef";
    char hex[2 * PND_SPOOL_NAME_CAP], hex_key[32];
    json_t *text = json_string(bytes);
    size_t len = strlen(bytes);

    if (text)
        return json_object_set_new(json, key, text);
    for (size_t i = 0; i < len; i++) {
        hex[2 * i] = digits[(uint8_t)bytes[i] >> 4];
        hex[2 * i + 1] = digits[(uint8_t)bytes[i] & 15];
    }
    hex[2 * len] = '\0';
    snprintf(hex_key, sizeof(hex_key), "%s_hex", key);
    return json_object_set_new(json, hex_key, json_string(hex));
}

/* Our own texts are UTF-8, but one that quotes something from outside may not be. */
static json_t *text_to_json(const char *text)
{
    char safe[1024];
    json_t *json = json_string(text);

    return json ? json : json_string(pnd_text_escape(safe, sizeof(safe), text, strlen(text)));
}

json_t *pnd_dump_ranges_to_json(const struct pnd_dump_range *ranges, unsigned count)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < count; i++)
        json_array_append_new(
            list,
            json_pack("{s:o, s:o}", "start", number_to_json(ranges[i].start), "end",
                      ranges[i].end == UINT64_MAX ? json_null() : number_to_json(ranges[i].end)));
    return list;
}

json_t *pnd_dump_to_json(const struct pnd_dump *dump)
{
    json_t *json = json_object();
    int err = json ? 0 : -1;

    err |= json_object_set_new(json, "id", number_to_json(dump->id));
    err |= set_bytes(json, "name", dump->name);
    err |= json_object_set_new(json, "state", json_string(pnd_dump_state_text(dump->state)));
    err |= json_object_set_new(json, "checked", json_boolean(dump->checked));
    err |= json_object_set_new(json, "reason", text_to_json(dump->reason));
    err |= json_object_set_new(json, "format", text_to_json(dump->format));
    err |= json_object_set_new(json, "sha256", text_to_json(dump->sha256));
    err |= json_object_set_new(json, "bytes", number_to_json(dump->bytes));
    err |= json_object_set_new(json, "peer", text_to_json(dump->peer));
    err |= json_object_set_new(json, "peer_port", number_to_json(dump->peer_port));
    err |= json_object_set_new(json, "protocol", text_to_json(dump->protocol));
    err |= json_object_set_new(json, "started_at", time_to_json(dump->started_ms));
    err |= json_object_set_new(json, "received_at", time_to_json(dump->received_ms));
    err |= json_object_set_new(json, "packets", number_to_json(dump->packets));
    err |= json_object_set_new(json, "repeats", number_to_json(dump->repeats));
    err |= json_object_set_new(json, "missing",
                               pnd_dump_ranges_to_json(dump->missing, dump->missing_count));
    if (!err)
        return json;
    json_decref(json);
    return NULL;
}

/* ---- in ---- */

static uint64_t number_from_json(const json_t *json, const char *key)
{
    json_int_t number = json_integer_value(json_object_get(json, key));

    return number > 0 ? (uint64_t)number : 0;
}

static void text_from_json(const json_t *json, const char *key, char *ret, size_t cap)
{
    const json_t *value = json_object_get(json, key);

    ret[0] = '\0';
    /* a NUL in it would hide what follows */
    if (json_string_length(value) < cap &&
        json_string_length(value) == strlen(json_is_string(value) ? json_string_value(value) : ""))
        snprintf(ret, cap, "%s", json_is_string(value) ? json_string_value(value) : "");
}

/* Exactly what pnd_text_time_utc() writes; 0 for anything else. */
static int64_t time_from_json(const json_t *json, const char *key)
{
    static const char form[] = "0000-00-00T00:00:00.000Z";
    static const size_t starts[] = {0, 5, 8, 11, 14, 17, 20};
    int fields[sizeof(starts) / sizeof(starts[0])] = {0};
    char text[PND_TEXT_TIME_CAP];
    struct tm tm = {0};

    text_from_json(json, key, text, sizeof(text));
    if (strlen(text) != sizeof(form) - 1)
        return 0;
    for (size_t i = 0, field = 0; form[i]; i++) {
        if (form[i] != '0' ? text[i] != form[i] : text[i] < '0' || text[i] > '9')
            return 0;
        if (field + 1 < sizeof(starts) / sizeof(starts[0]) && i >= starts[field + 1])
            field++;
        if (form[i] == '0')
            fields[field] = fields[field] * 10 + (text[i] - '0');
    }
    tm.tm_year = fields[0] - 1900;
    tm.tm_mon = fields[1] - 1;
    tm.tm_mday = fields[2];
    tm.tm_hour = fields[3];
    tm.tm_min = fields[4];
    tm.tm_sec = fields[5];
    return (int64_t)timegm(&tm) * 1000 + fields[6];
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void bytes_from_json(const json_t *json, const char *key, char *ret, size_t cap)
{
    char hex_key[32], hex[2 * PND_SPOOL_NAME_CAP] = "", out[PND_SPOOL_NAME_CAP];
    size_t len;

    text_from_json(json, key, ret, cap);
    snprintf(hex_key, sizeof(hex_key), "%s_hex", key);
    text_from_json(json, hex_key, hex, sizeof(hex));
    len = strlen(hex) / 2;
    if (len == 0 || len >= cap)
        return;
    for (size_t i = 0; i < len; i++) {
        int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);

        if (high < 0 || low < 0 || high + low == 0)
            return;
        out[i] = (char)(high << 4 | low);
    }
    memcpy(ret, out, len);
    ret[len] = '\0';
}

unsigned pnd_dump_ranges_from_json(const json_t *json, struct pnd_dump_range *ret)
{
    unsigned count = 0;
    size_t i;
    const json_t *range;

    json_array_foreach(json, i, range)
    {
        if (count == PND_DUMP_MISSING_CAP)
            break;
        ret[count].start = number_from_json(range, "start");
        ret[count].end = json_is_integer(json_object_get(range, "end"))
                             ? number_from_json(range, "end")
                             : UINT64_MAX;
        count++;
    }
    return count;
}

int pnd_dump_from_json(const json_t *json, struct pnd_dump *ret)
{
    struct pnd_dump out = {.id = number_from_json(json, "id")};
    char state[16];

    if (!json_is_object(json) || out.id == 0 || out.id >> ID_MAX_BITS)
        return PND_E_FORMAT;
    memcpy(out.file, ret->file, sizeof(out.file));
    bytes_from_json(json, "name", out.name, sizeof(out.name));
    text_from_json(json, "state", state, sizeof(state));
    pnd_dump_state_parse(state, &out.state);
    out.checked = json_is_true(json_object_get(json, "checked"));
    text_from_json(json, "reason", out.reason, sizeof(out.reason));
    text_from_json(json, "format", out.format, sizeof(out.format));
    text_from_json(json, "sha256", out.sha256, sizeof(out.sha256));
    out.bytes = number_from_json(json, "bytes");
    text_from_json(json, "peer", out.peer, sizeof(out.peer));
    out.peer_port = (uint16_t)number_from_json(json, "peer_port");
    text_from_json(json, "protocol", out.protocol, sizeof(out.protocol));
    out.started_ms = time_from_json(json, "started_at");
    out.received_ms = time_from_json(json, "received_at");
    out.packets = number_from_json(json, "packets");
    out.repeats = number_from_json(json, "repeats");
    out.missing_count = pnd_dump_ranges_from_json(json_object_get(json, "missing"), out.missing);
    *ret = out;
    return PND_OK;
}

/* ---- the label ---- */

int pnd_catalog_label(int fd, const struct pnd_dump *dump)
{
    json_t *json = pnd_dump_to_json(dump);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    int err = PND_OK;

    if (!text) {
        errno = ENOMEM;
        err = PND_E_SYS;
    } else if (fsetxattr(fd, label_name, text, strlen(text), 0) < 0) {
        err = errno == ENOSPC || errno == EDQUOT ? PND_E_NOSPACE : PND_E_SYS;
    }
    free(text);
    json_decref(json);
    return err;
}

int pnd_dump_read_label(int fd, struct pnd_dump *ret)
{
    char text[LABEL_BYTES_MAX];
    ssize_t len = fgetxattr(fd, label_name, text, sizeof(text));
    json_t *json;
    int err;

    if (len < 0)
        return errno == ENODATA || errno == EOPNOTSUPP ? PND_E_NOTFOUND
               : errno == ERANGE                       ? PND_E_FORMAT
                                                       : PND_E_SYS;
    json = json_loadb(text, (size_t)len, 0, NULL);
    err = pnd_dump_from_json(json, ret);
    json_decref(json);
    return err;
}
