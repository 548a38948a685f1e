/* SPDX-License-Identifier: BSD-2-Clause
 *
 * JSON, written only. @source RFC 8259 */
#include "advice/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "host/text.h"

static void put(struct pnd_json *json, const char *text, size_t len)
{
    if (json->full || json->len + len >= json->cap) {
        json->full = true;
        return;
    }
    memcpy(json->text + json->len, text, len);
    json->len += len;
    json->text[json->len] = '\0';
}

static void put_key(struct pnd_json *json, const char *key)
{
    if (json->len > 0 && !strchr("{[", json->text[json->len - 1]))
        put(json, ",", 1);
    if (!key)
        return;
    put(json, "\"", 1);
    put(json, key, strlen(key));
    put(json, "\":", 2);
}

void pnd_json_init(struct pnd_json *json, char *text, size_t cap)
{
    *json = (struct pnd_json){.text = text, .cap = cap};
    text[0] = '\0';
}

void pnd_json_open(struct pnd_json *json, const char *key, char bracket)
{
    put_key(json, key);
    put(json, &bracket, 1);
}

void pnd_json_close(struct pnd_json *json, char bracket)
{
    put(json, &bracket, 1);
}

void pnd_json_number(struct pnd_json *json, const char *key, int64_t number)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "%" PRId64, number);

    put_key(json, key);
    put(json, text, (size_t)len);
}

void pnd_json_bool(struct pnd_json *json, const char *key, bool value)
{
    put_key(json, key);
    put(json, value ? "true" : "false", value ? 4 : 5);
}

void pnd_json_null(struct pnd_json *json, const char *key)
{
    put_key(json, key);
    put(json, "null", 4);
}

static void put_unit(struct pnd_json *json, unsigned unit)
{
    static const char hex[] = "0123456789abcdef";
    const char text[] = {
        '\\', 'u', hex[unit >> 12 & 15], hex[unit >> 8 & 15], hex[unit >> 4 & 15], hex[unit & 15]};

    put(json, text, sizeof(text));
}

/* @p code as it stands in a string of ASCII: beyond the first plane as two units. */
static void put_code(struct pnd_json *json, uint32_t code)
{
    char plain[2] = {'\\', (char)code};

    if (code == '"' || code == '\\') {
        put(json, plain, 2);
    } else if (code >= ' ' && code < 0x7f) {
        put(json, plain + 1, 1);
    } else if (code < 0x10000) {
        put_unit(json, code);
    } else {
        put_unit(json, 0xd800 + ((code - 0x10000) >> 10));
        put_unit(json, 0xdc00 + ((code - 0x10000) & 0x3ff));
    }
}

static bool is_utf8(const char *text, size_t len)
{
    uint32_t code;
    size_t used;

    for (size_t at = 0; at < len; at += used) {
        used = pnd_text_utf8_next(text + at, len - at, &code);
        if (used == 0)
            return false;
    }
    return true;
}

static void put_utf8(struct pnd_json *json, const char *text, size_t len)
{
    uint32_t code = 0;
    size_t used;

    for (size_t at = 0; at < len; at += used) {
        used = pnd_text_utf8_next(text + at, len - at, &code);
        put_code(json, code);
    }
}

/* A character at a time, as no buffer is as long as the text. */
static void put_escaped(struct pnd_json *json, const char *text, size_t len)
{
    size_t used;

    for (size_t at = 0; at < len; at += used) {
        char piece[32];
        uint32_t code;

        used = pnd_text_utf8_next(text + at, len - at, &code);
        used = used ? used : 1;
        pnd_text_escape(piece, sizeof(piece), text + at, used);
        put_utf8(json, piece, strlen(piece));
    }
}

void pnd_json_bytes(struct pnd_json *json, const char *key, const char *text, size_t len)
{
    put_key(json, key);
    put(json, "\"", 1);
    if (is_utf8(text, len))
        put_utf8(json, text, len);
    else
        put_escaped(json, text, len);
    put(json, "\"", 1);
}

void pnd_json_text(struct pnd_json *json, const char *key, const char *text)
{
    if (text)
        pnd_json_bytes(json, key, text, strlen(text));
    else
        pnd_json_null(json, key);
}
