/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The table against the file. inih finds the lines and what they assign; everything that may be
 * wrong with that is judged here. */
#include "host/conf.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host/guard.h"
#include "host/text.h"

static const char neither[] = "neither \"key = value\" nor \"[section]\" nor a comment";

struct reading {
    const char *path;
    const struct pnd_conf_key *keys;
    size_t count;
    char *values; /* the copy that is filled */
    char *place;  /* in it: the values of the [section NAME] that is read */
    char *text;   /* the file */
    size_t len, at, line;
    bool continued;                   /* the line starts with a blank */
    size_t set_at[PND_CONF_KEYS_MAX]; /* line that set it; 0: not yet */
    int err;
    struct pnd_why *why;
};

__attribute__((format(printf, 2, 3))) static void fail(struct reading *reading, const char *fmt,
                                                       ...)
{
    char what[400];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    reading->err =
        pnd_why(reading->why, PND_E_FORMAT, 0, "%s:%zu: %s", reading->path, reading->line, what);
}

/* Is the key one of this section? */
static bool belongs(const struct pnd_conf_key *key, const char *section, size_t len)
{
    size_t own = strlen(key->section);

    if (len < own || memcmp(key->section, section, own) != 0)
        return false;
    return key->named ? len > own + 1 && section[own] == ' ' : len == own;
}

/* @return the first of the section's keys; NULL: there is no such section */
static const struct pnd_conf_key *section_known(const struct reading *reading, const char *section,
                                                size_t len)
{
    for (size_t i = 0; i < reading->count; i++)
        if (belongs(&reading->keys[i], section, len))
            return &reading->keys[i];
    return NULL;
}

static void fail_section(struct reading *reading, const char *section, size_t len)
{
    char list[256] = "", safe[64];
    size_t used = 0;

    for (size_t i = 0; i < reading->count && used < sizeof(list); i++) {
        bool first = true;

        for (size_t j = 0; j < i; j++)
            first &= strcmp(reading->keys[j].section, reading->keys[i].section) != 0;
        if (first)
            used +=
                (size_t)snprintf(list + used, sizeof(list) - used, " [%s%s]",
                                 reading->keys[i].section, reading->keys[i].named ? " NAME" : "");
    }
    fail(reading, "unknown section [%s]; allowed:%s",
         pnd_text_escape(safe, sizeof(safe), section, len), list);
}

/* Is the rest of the section for other programs? */
static bool section_open(const struct reading *reading, const char *section)
{
    for (size_t i = 0; i < reading->count; i++)
        if (!reading->keys[i].key && belongs(&reading->keys[i], section, strlen(section)))
            return true;
    return false;
}

static void fail_key(struct reading *reading, const char *section, const char *key)
{
    char list[256] = "", safe[64];
    size_t used = 0;

    for (size_t i = 0; i < reading->count && used < sizeof(list); i++)
        if (belongs(&reading->keys[i], section, strlen(section)))
            used += (size_t)snprintf(list + used, sizeof(list) - used, " %s", reading->keys[i].key);
    fail(reading, "[%s] has no key \"%s\"; it has:%s", section,
         pnd_text_escape(safe, sizeof(safe), key, strlen(key)), list);
}

/* A bound as it would be typed: in the largest unit that gives a whole number. */
static const char *bound_text(char dst[32], enum pnd_conf_type type, uint64_t value)
{
    static const struct {
        enum pnd_conf_type type;
        uint64_t unit;
        const char *name;
    } units[] = {
        {PND_CONF_SIZE, UINT64_C(1) << 40, "T"},
        {PND_CONF_SIZE, 1 << 30, "G"},
        {PND_CONF_SIZE, 1 << 20, "M"},
        {PND_CONF_SIZE, 1 << 10, "K"},
        {PND_CONF_DURATION, 60000, "min"},
        {PND_CONF_DURATION, 1000, "s"},
        {PND_CONF_DURATION, 1, "ms"},
    };
    uint64_t unit = 1;
    const char *name = "";

    for (size_t i = 0; value > 0 && i < sizeof(units) / sizeof(units[0]); i++) {
        if (units[i].type != type || value % units[i].unit != 0)
            continue;
        unit = units[i].unit;
        name = units[i].name;
        break;
    }
    snprintf(dst, 32, "%" PRIu64 "%s", value / unit, name);
    return dst;
}

static void fail_value(struct reading *reading, const struct pnd_conf_key *key, const char *value,
                       const char *detail)
{
    static const char *const kinds[] = {
        [PND_CONF_BOOL] = "yes or no",
        [PND_CONF_UINT] = "a whole number",
        [PND_CONF_SIZE] = "a size such as 10G, 512M or 4096",
        [PND_CONF_DURATION] = "a duration such as 20s, 2min or 500ms",
        [PND_CONF_STRING] = "a text",
        [PND_CONF_LIST] = "a list, its items parted by blanks or commas",
        [PND_CONF_LINES] = "a text",
    };
    char safe[80], low[32], high[32], range[80] = "";

    if (key->type == PND_CONF_STRING || key->type == PND_CONF_LINES)
        snprintf(range, sizeof(range), " of %" PRIu64 " to %" PRIu64 " bytes", key->min,
                 key->max - 1);
    else if (key->max && key->type != PND_CONF_BOOL && key->type != PND_CONF_LIST)
        snprintf(range, sizeof(range), ", %s to %s", bound_text(low, key->type, key->min),
                 bound_text(high, key->type, key->max));
    else if (key->min && key->type != PND_CONF_BOOL && key->type != PND_CONF_LIST)
        snprintf(range, sizeof(range), ", at least %s", bound_text(low, key->type, key->min));
    fail(reading, "[%s] %s = \"%s\"%s%s; allowed: %s%s", key->section, key->key,
         pnd_text_escape(safe, sizeof(safe), value, strlen(value)), *detail ? ": " : "", detail,
         key->allowed ? key->allowed : kinds[key->type], key->allowed ? "" : range);
}

static bool parse_bool(const char *value, bool *ret)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasecmp(value, words[i]) == 0) {
            *ret = i & 1;
            return true;
        }
    }
    return false;
}

/* Where the key's value goes. */
static char *value_of(const struct reading *reading, const struct pnd_conf_key *key)
{
    return (key->named ? reading->place : reading->values) + key->offset;
}

static void take_number(struct reading *reading, const struct pnd_conf_key *key, const char *value)
{
    uint64_t number;
    int err = key->type == PND_CONF_UINT   ? pnd_text_parse_uint(value, &number)
              : key->type == PND_CONF_SIZE ? pnd_text_parse_size(value, &number)
                                           : pnd_text_parse_duration(value, &number);

    if (!err && number < key->min)
        fail_value(reading, key, value, "too small");
    else if (err == PND_E_RANGE || (!err && key->max && number > key->max))
        fail_value(reading, key, value, "too large");
    else if (err)
        fail_value(reading, key, value, "");
    else
        memcpy(value_of(reading, key), &number, sizeof(number));
}

static void take_list(struct reading *reading, const struct pnd_conf_key *key, const char *value)
{
    char item[256];
    struct pnd_why detail;

    while (!reading->err) {
        size_t len;

        value += strspn(value, " \t,");
        len = strcspn(value, " \t,");
        if (len == 0)
            return;
        snprintf(item, sizeof(item), "%.*s", (int)len, value);
        detail.text[0] = '\0';
        if (len >= sizeof(item))
            fail_value(reading, key, item, "too long");
        else if (key->add(value_of(reading, key), item, &detail) != PND_OK)
            fail_value(reading, key, item, detail.text);
        value += len;
    }
}

static void take_line(struct reading *reading, const struct pnd_conf_key *key, const char *value)
{
    char *text = value_of(reading, key);
    size_t len = reading->continued ? strlen(text) + 1 : 0; /* what is there, and its line feed */
    struct pnd_why detail = {0};

    if (reading->continued && strcmp(value, ".") == 0)
        value = "";
    if (len + strlen(value) >= key->max) {
        fail_value(reading, key, value, "too long");
    } else if (key->check && key->check(value, &detail)) {
        fail_value(reading, key, value, detail.text);
    } else {
        if (len)
            text[len - 1] = '\n';
        memcpy(text + len, value, strlen(value) + 1);
    }
}

static void take(struct reading *reading, const struct pnd_conf_key *key, const char *value)
{
    bool flag;

    switch (key->type) {
    case PND_CONF_BOOL:
        if (parse_bool(value, &flag))
            memcpy(value_of(reading, key), &flag, sizeof(flag));
        else
            fail_value(reading, key, value, "");
        return;
    case PND_CONF_UINT:
    case PND_CONF_SIZE:
    case PND_CONF_DURATION:
        take_number(reading, key, value);
        return;
    case PND_CONF_STRING:
        if (strlen(value) >= key->max)
            fail_value(reading, key, value, "too long");
        else if (strlen(value) < key->min)
            fail_value(reading, key, value, "too short");
        else
            memcpy(value_of(reading, key), value, strlen(value) + 1);
        return;
    case PND_CONF_LIST:
        take_list(reading, key, value);
        return;
    case PND_CONF_LINES:
        take_line(reading, key, value);
        return;
    }
}

/* inih's handler; it is called again with the same name for a line that starts with a blank. */
static int assign(void *ctx, const char *section, const char *name, const char *value)
{
    struct reading *reading = ctx;
    size_t i = 0;

    if (reading->err)
        return 1;
    while (i < reading->count &&
           (!reading->keys[i].key || !belongs(&reading->keys[i], section, strlen(section)) ||
            strcmp(reading->keys[i].key, name) != 0))
        i++;
    if (i == reading->count && section_open(reading, section))
        return 1;
    if (!section_known(reading, section, strlen(section)))
        fail_section(reading, section, strlen(section));
    else if (i == reading->count)
        fail_key(reading, section, name);
    else if (reading->set_at[i] && !reading->continued)
        fail(reading, "[%s] %s is already set in line %zu; remove one of them", section, name,
             reading->set_at[i]);
    else if (reading->set_at[i] && reading->keys[i].type != PND_CONF_LIST &&
             reading->keys[i].type != PND_CONF_LINES)
        fail_value(reading, &reading->keys[i], value, "a second line");
    if (reading->err)
        return 1;
    if (!reading->set_at[i] && reading->keys[i].clear)
        reading->keys[i].clear(value_of(reading, &reading->keys[i]));
    if (!reading->set_at[i])
        reading->set_at[i] = reading->line;
    take(reading, &reading->keys[i], value);
    return 1;
}

/* A line "[section]" or "[section NAME]": each NAME has keys of its own. */
static void enter_section(struct reading *reading, const char *section, size_t len)
{
    const struct pnd_conf_key *first = section_known(reading, section, len);
    char name[PND_CONF_NAME_CAP], safe[4 * PND_CONF_NAME_CAP];
    struct pnd_why detail = {0};
    size_t own;

    if (!first) {
        fail_section(reading, section, len);
        return;
    }
    if (!first->named)
        return;
    own = strlen(first->section) + 1;
    snprintf(name, sizeof(name), "%.*s", (int)(len - own), section + own);
    if (len - own >= sizeof(name))
        snprintf(detail.text, sizeof(detail.text), "at most %d bytes", PND_CONF_NAME_CAP - 1);
    else
        reading->place = first->named(reading->values, name, &detail);
    if (detail.text[0])
        fail(reading, "[%s %s]: %s", first->section,
             pnd_text_escape(safe, sizeof(safe), name, strlen(name)), detail.text);
    for (size_t i = 0; i < reading->count; i++)
        if (reading->keys[i].named)
            reading->set_at[i] = 0;
}

void *pnd_conf_any_name(void *dst, const char *name, struct pnd_why *why)
{
    (void)name;
    (void)why;
    return dst;
}

/* inih's reader, as fgets(3). Sees what the handler is not told: long lines, sections without
 * keys. */
static char *next_line(char *dst, int cap, void *ctx)
{
    struct reading *reading = ctx;
    const char *line = reading->text + reading->at, *end;
    size_t left = reading->len - reading->at, len;

    if (reading->err || left == 0)
        return NULL;
    reading->line++;
    end = memchr(line, '\n', left);
    len = end ? (size_t)(end - line) + 1 : left;
    if (memchr(line, '\0', len)) {
        fail(reading, "a NUL byte: this is no text file");
        return NULL;
    }
    if (len + 1 > (size_t)cap) {
        fail(reading,
             "the line has %zu bytes, at most %d are allowed; continue a list in the next "
             "line, after a blank",
             len, cap - 1);
        return NULL;
    }
    end = memchr(line, ']', len);
    if (line[0] == '[' && !end) {
        fail(reading, "%s", neither);
        return NULL;
    }
    if (line[0] == '[')
        enter_section(reading, line + 1, (size_t)(end - line) - 1);
    if (reading->err)
        return NULL;
    reading->continued = isspace((unsigned char)line[0]);
    memcpy(dst, line, len);
    dst[len] = '\0';
    reading->at += len;
    return dst;
}

static int load(struct reading *reading)
{
    PND_AUTO_FCLOSE FILE *file = fopen(reading->path, "re");

    if (!file)
        return pnd_why(reading->why, errno == ENOENT ? PND_E_NOTFOUND : PND_E_SYS, errno, "read %s",
                       reading->path);
    reading->text = malloc(PND_CONF_FILE_MAX + 1);
    if (!reading->text)
        return pnd_why(reading->why, PND_E_SYS, errno, "read %s", reading->path);
    reading->len = fread(reading->text, 1, PND_CONF_FILE_MAX + 1, file);
    if (ferror(file))
        return pnd_why(reading->why, PND_E_SYS, errno, "read %s", reading->path);
    if (reading->len > PND_CONF_FILE_MAX)
        return pnd_why(reading->why, PND_E_FORMAT, 0, "%s has more than %d bytes", reading->path,
                       PND_CONF_FILE_MAX);
    return PND_OK;
}

static int parse(struct reading *reading)
{
    int bad_line = ini_parse_stream(next_line, reading, assign, reading);

    if (reading->err)
        return reading->err;
    if (bad_line < 0)
        return pnd_why(reading->why, PND_E_SYS, ENOMEM, "read %s", reading->path);
    if (bad_line > 0) {
        reading->line = (size_t)bad_line;
        fail(reading, "%s", neither);
        return reading->err;
    }
    return PND_OK;
}

int pnd_conf_read(const char *path, const struct pnd_conf_key *keys, size_t count, void *dst,
                  size_t dst_size, struct pnd_why *why)
{
    struct reading reading = {.path = path, .keys = keys, .count = count, .why = why};
    int err;

    assert(count <= PND_CONF_KEYS_MAX);
    err = load(&reading);
    if (!err) {
        reading.values = malloc(dst_size);
        if (!reading.values)
            err = pnd_why(why, PND_E_SYS, errno, "read %s", path);
    }
    if (!err && reading.values) {
        memcpy(reading.values, dst, dst_size);
        err = parse(&reading);
    }
    if (!err && reading.values)
        memcpy(dst, reading.values, dst_size);
    free(reading.values);
    free(reading.text);
    return err;
}
