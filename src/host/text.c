/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Text for people. Integers only, so that a figure is the same on every machine. */
#include "host/text.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "panicd/err.h"

size_t pnd_text_utf8_next(const void *text, size_t left, uint32_t *ret)
{
    const uint8_t *at = text;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len;
    uint32_t code;

    if (at[0] < 0x80) {
        *ret = at[0];
        return 1;
    }
    if (at[0] < 0xc2 || at[0] > 0xf4)
        return 0;
    len = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (len > left)
        return 0;
    code = at[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (at[i] & 0x3fu);
    }
    if (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    *ret = code;
    return len;
}

/* Characters that move the cursor, start a command, or change what is read around them. */
static bool code_harmful(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x061c || code == 0x200e ||
           code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

/* The text for what stands at @p at. @return bytes of the source that it stands for */
static size_t escape_next(const uint8_t *at, size_t left, char ret[16], size_t *ret_len)
{
    static const char hex[] = "0123456789abcdef";
    uint32_t code = 0;
    size_t used = pnd_text_utf8_next(at, left, &code), len = 0;
    bool raw = used != 0 && !code_harmful(code);

    if (used == 0)
        used = 1;
    for (size_t i = 0; i < used; i++) {
        if (raw) {
            if (at[i] == '"' || at[i] == '\\')
                ret[len++] = '\\';
            ret[len++] = (char)at[i];
            continue;
        }
        ret[len++] = '\\';
        ret[len++] = 'x';
        ret[len++] = hex[at[i] >> 4];
        ret[len++] = hex[at[i] & 15];
    }
    *ret_len = len;
    return used;
}

const char *pnd_text_escape(char *dst, size_t cap, const void *src, size_t len)
{
    static const char cut[] = "...";
    const uint8_t *at = src;
    size_t out = 0, before_cut = 0, used, piece_len;
    char piece[16];

    assert(cap >= sizeof(cut));
    while (len > 0) {
        used = escape_next(at, len, piece, &piece_len);
        if (out + piece_len >= cap) {
            memcpy(dst + before_cut, cut, sizeof(cut));
            return dst;
        }
        memcpy(dst + out, piece, piece_len);
        out += piece_len;
        if (out + sizeof(cut) <= cap)
            before_cut = out;
        at += used;
        len -= used;
    }
    dst[out] = '\0';
    return dst;
}

size_t pnd_text_clean(char *dst, const void *src, size_t len)
{
    const uint8_t *at = src;
    size_t out = 0, used;
    uint32_t code;

    for (size_t i = 0; i < len; i += used) {
        used = pnd_text_utf8_next(at + i, len - i, &code);
        if (used && (!code_harmful(code) || code == '\n' || code == '\t')) {
            memmove(dst + out, at + i, used);
            out += used;
        } else {
            dst[out++] = '?';
            used = used ? used : 1;
        }
    }
    return out;
}

const char *pnd_text_bytes(char *dst, size_t cap, uint64_t bytes)
{
    static const char units[] = "KMGTPE";
    uint64_t whole = bytes, rest = 0;
    size_t unit = 0;

    if (bytes < 1024) {
        snprintf(dst, cap, "%" PRIu64 " B", bytes);
        return dst;
    }
    for (; whole >= 1024; unit++) {
        rest = whole % 1024;
        whole /= 1024;
    }
    if (whole < 100)
        snprintf(dst, cap, "%" PRIu64 ".%" PRIu64 " %ciB", whole, rest * 10 / 1024,
                 units[unit - 1]);
    else
        snprintf(dst, cap, "%" PRIu64 " %ciB", whole, units[unit - 1]);
    return dst;
}

const char *pnd_text_duration(char *dst, size_t cap, uint64_t s)
{
    if (s >= UINT64_C(100) * 3600)
        snprintf(dst, cap, "%" PRIu64 "d%02uh", s / 86400, (unsigned)(s / 3600 % 24));
    else if (s >= 3600)
        snprintf(dst, cap, "%" PRIu64 ":%02u:%02u", s / 3600, (unsigned)(s / 60 % 60),
                 (unsigned)(s % 60));
    else
        snprintf(dst, cap, "%u:%02u", (unsigned)(s / 60), (unsigned)(s % 60));
    return dst;
}

const char *pnd_text_time_utc(char *dst, size_t cap, int64_t ms)
{
    int64_t rest = ms % 1000 < 0 ? ms % 1000 + 1000 : ms % 1000;
    time_t seconds = (time_t)(ms / 1000 - (ms % 1000 < 0));
    char text[24];
    struct tm tm;

    dst[0] = '\0';
    if (!gmtime_r(&seconds, &tm) || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900)
        return dst;
    strftime(text, sizeof(text), "%m-%dT%H:%M:%S", &tm);
    snprintf(dst, cap, "%04d-%s.%03dZ", tm.tm_year + 1900, text, (int)rest);
    return dst;
}

/* Leading digits. @return PND_OK and the text behind them */
static int parse_number(const char *text, uint64_t *ret, const char **ret_rest)
{
    uint64_t value = 0;

    if (!isdigit((unsigned char)*text))
        return PND_E_FORMAT;
    for (; isdigit((unsigned char)*text); text++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
            return PND_E_RANGE;
    *ret = value;
    *ret_rest = text;
    return PND_OK;
}

int pnd_text_parse_uint(const char *text, uint64_t *ret)
{
    uint64_t value;
    const char *rest;
    int err = parse_number(text, &value, &rest);

    if (err)
        return err;
    if (*rest)
        return PND_E_FORMAT;
    *ret = value;
    return PND_OK;
}

/* A number before a unit; one blank may stand between. */
static int parse_amount(const char *text, uint64_t *ret, const char **ret_unit)
{
    int err = parse_number(text, ret, ret_unit);

    if (!err && **ret_unit == ' ')
        ++*ret_unit;
    return err;
}

int pnd_text_parse_size(const char *text, uint64_t *ret)
{
    static const char units[] = "KMGTPE";
    uint64_t value;
    const char *rest;
    int err = parse_amount(text, &value, &rest);

    if (err)
        return err;
    if (*rest && strcasecmp(rest, "B") != 0) {
        const char *unit = strchr(units, toupper((unsigned char)*rest));

        if (!unit || (rest[1] && strcasecmp(rest + 1, "B") != 0 && strcasecmp(rest + 1, "iB") != 0))
            return PND_E_FORMAT;
        if (__builtin_mul_overflow(value, UINT64_C(1024) << (10 * (unit - units)), &value))
            return PND_E_RANGE;
    }
    *ret = value;
    return PND_OK;
}

int pnd_text_parse_duration(const char *text, uint64_t *ret_ms)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {
        {"ms", 1},      {"s", 1000},    {"sec", 1000},   {"m", 60000},
        {"min", 60000}, {"h", 3600000}, {"d", 86400000},
    };
    uint64_t value;
    const char *rest;
    int err = parse_amount(text, &value, &rest);

    if (err)
        return err;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(rest, units[i].name) != 0)
            continue;
        if (__builtin_mul_overflow(value, units[i].ms, &value))
            return PND_E_RANGE;
        *ret_ms = value;
        return PND_OK;
    }
    if (*rest || value != 0)
        return PND_E_FORMAT;
    *ret_ms = 0;
    return PND_OK;
}
