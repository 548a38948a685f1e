/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Tables, words and JSON; see print.h. */
#include "panicctl/print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <libsmartcols.h>

#include "host/progress.h"
#include "host/text.h"
#include "store/catalog_facts.h"

static const struct {
    const char *word, *colour, *escape; /* as libsmartcols names it, as a terminal wants it */
} colours[] = {
    {"complete", "green", "\033[32m"},  {"incomplete", "yellow", "\033[33m"},
    {"corrupt", "red", "\033[31m"},     {"receiving", "blue", "\033[34m"},
    {"listening", "green", "\033[32m"}, {"not listening", "red", "\033[31m"},
};

const char *pnd_print_name(char *dst, const char *src)
{
    return pnd_text_escape(dst, PND_PRINT_NAME_CAP, src, strlen(src));
}

enum { CHARACTER_MAX = 4, ESCAPED_CAP = 4 * CHARACTER_MAX + 1 };

/* How many bytes at @p text, of which @p len are left, are looked at together. */
static size_t character_len(const char *text, size_t len)
{
    uint8_t first = (uint8_t)text[0];
    size_t want = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1, n = 1;

    while (n < want && n < len && ((uint8_t)text[n] & 0xc0) == 0x80)
        n++;
    return n;
}

static bool is_plain(char c)
{
    return (uint8_t)c >= ' ' && (uint8_t)c < 0x7f;
}

const char *pnd_print_line(char *dst, size_t cap, const char *src)
{
    size_t left = strlen(src), at = 0, fits = 0; /* fits: where "..." still has room */

    while (left > 0) {
        size_t n = character_len(src, left), len;
        char escaped[ESCAPED_CAP] = {src[0] == '\n' || src[0] == '\t' ? ' ' : src[0]};

        if (!is_plain(escaped[0]))
            pnd_text_escape(escaped, sizeof(escaped), src, n);
        len = strlen(escaped);
        if (at + len >= cap) {
            snprintf(dst + fits, cap - fits, "...");
            return dst;
        }
        memcpy(dst + at, escaped, len);
        at += len;
        fits = at + 3 < cap ? at : fits;
        src += n;
        left -= n;
    }
    dst[at] = '\0';
    return dst;
}

void pnd_print_text(FILE *out, const char *text, size_t len)
{
    while (len > 0) {
        char escaped[ESCAPED_CAP];
        size_t n = 0;

        while (n < len && (is_plain(text[n]) || text[n] == '\n' || text[n] == '\t'))
            n++;
        if (n > 0) {
            fwrite(text, 1, n, out);
        } else {
            n = character_len(text, len);
            fputs(pnd_text_escape(escaped, sizeof(escaped), text, n), out);
        }
        text += n;
        len -= n;
    }
}

const char *pnd_print_time(char dst[PND_PRINT_TIME_CAP], int64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;

    if (ms == 0 || !localtime_r(&seconds, &tm) ||
        strftime(dst, PND_PRINT_TIME_CAP, "%Y-%m-%d %H:%M:%S %Z", &tm) == 0)
        snprintf(dst, PND_PRINT_TIME_CAP, "-");
    return dst;
}

void pnd_print_state(const struct pnd_ctl *ctl, const char *word)
{
    for (size_t i = 0; ctl->colour && i < sizeof(colours) / sizeof(*colours); i++) {
        if (strcmp(colours[i].word, word) == 0) {
            printf("%s%s\033[0m", colours[i].escape, word);
            return;
        }
    }
    fputs(word, stdout);
}

/* ---- the table ---- */

enum column {
    COL_ID,
    COL_STATE,
    COL_RECEIVED,
    COL_PEER,
    COL_BYTES,
    COL_NAME,
    COL_REASON,
    COL_GROUP, /* from here on: where there is room */
    COL_TITLE,
};

enum { WIDE_COLUMNS = 140 }; /* of a terminal that has room for all of them */

static const struct {
    const char *title;
    double width;
    int flags;
} columns[] = {
    [COL_ID] = {"ID", 1, SCOLS_FL_RIGHT},
    [COL_STATE] = {"STATE", 1, 0},
    [COL_RECEIVED] = {"RECEIVED", 1, 0},
    [COL_PEER] = {"PEER", 1, 0},
    [COL_BYTES] = {"BYTES", 1, SCOLS_FL_RIGHT},
    [COL_NAME] = {"NAME", 0.4, SCOLS_FL_TRUNC},
    [COL_REASON] = {"REASON", 0.3, SCOLS_FL_TRUNC},
    [COL_GROUP] = {"GROUP", 1, 0},
    [COL_TITLE] = {"PANIC", 0.4, SCOLS_FL_TRUNC},
};

/* What is known of it; all empty for nothing. */
static void facts_line(const struct pnd_ctl *ctl, const struct pnd_dump *dump,
                       struct pnd_facts_line *ret)
{
    if (!ctl->catalog || !dump->id ||
        pnd_catalog_facts_line(ctl->catalog, dump->id, ret, NULL) != PND_OK)
        memset(ret, 0, sizeof(*ret));
}

static int fill_group(const struct pnd_ctl *ctl, struct libscols_line *line,
                      const struct pnd_dump *dump)
{
    char text[PND_PRINT_NAME_CAP];
    struct pnd_facts_line known;

    facts_line(ctl, dump, &known);
    return scols_line_set_data(line, COL_GROUP, known.signature.id) |
           scols_line_set_data(line, COL_TITLE, pnd_print_name(text, known.signature.title));
}

static int fill_line(const struct pnd_ctl *ctl, struct libscols_line *line,
                     const struct pnd_view *view)
{
    const struct pnd_dump *dump = &view->dump;
    const char *state = pnd_dump_state_text(dump->state);
    char text[PND_PRINT_NAME_CAP], time_text[PND_PRINT_TIME_CAP], bytes[PND_TEXT_BYTES_CAP];
    int err = 0;

    snprintf(text, sizeof(text), "%llu", (unsigned long long)dump->id);
    err |= scols_line_set_data(line, COL_ID, dump->id ? text : "-");
    err |= scols_line_set_data(line, COL_STATE, state);
    for (size_t i = 0; ctl->colour && i < sizeof(colours) / sizeof(*colours); i++) {
        if (strcmp(colours[i].word, state) == 0)
            err |= scols_cell_set_color(scols_line_get_cell(line, COL_STATE), colours[i].colour);
    }
    err |= scols_line_set_data(line, COL_RECEIVED, pnd_print_time(time_text, dump->received_ms));
    err |=
        scols_line_set_data(line, COL_PEER, dump->peer[0] ? pnd_print_name(text, dump->peer) : "-");
    err |= scols_line_set_data(line, COL_BYTES, pnd_text_bytes(bytes, sizeof(bytes), dump->bytes));
    err |= scols_line_set_data(line, COL_NAME, pnd_print_name(text, dump->name));
    err |= scols_line_set_data(line, COL_REASON, pnd_print_name(text, dump->reason));
    return err;
}

int pnd_print_table(const struct pnd_ctl *ctl, const struct pnd_views *views, size_t first)
{
    struct libscols_table *table = scols_new_table();
    bool wide = ctl->terminal && pnd_progress_columns(STDOUT_FILENO) >= WIDE_COLUMNS;
    size_t column_count = wide ? sizeof(columns) / sizeof(*columns) : COL_GROUP;
    int err = table ? 0 : -1;

    if (!err)
        err = scols_table_enable_noencoding(table, 1); /* the cells are escaped here */
    if (!err)
        err = scols_table_enable_colors(table, ctl->colour);
    for (size_t i = 0; !err && i < column_count; i++) {
        if (!scols_table_new_column(table, columns[i].title, columns[i].width, columns[i].flags))
            err = -1;
    }
    for (size_t i = first; !err && i < views->count; i++) {
        struct libscols_line *line = scols_table_new_line(table, NULL);

        err = line ? fill_line(ctl, line, &views->at[i]) : -1;
        if (!err && wide)
            err = fill_group(ctl, line, &views->at[i].dump);
    }
    if (!err)
        err = scols_print_table(table);
    scols_unref_table(table);
    return err ? PND_E_SYS : PND_OK;
}

/* ---- JSON ---- */

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

json_t *pnd_print_json_view(const struct pnd_ctl *ctl, const struct pnd_view *view)
{
    const struct pnd_dump *dump = &view->dump;
    struct pnd_facts_line known;
    char path[sizeof(ctl->spool.path) + PND_SPOOL_NAME_CAP + 1];
    json_t *json;

    snprintf(path, sizeof(path), "%s/%s", ctl->spool.path, dump->file);
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
    if (json) {
        facts_line(ctl, dump, &known);
        json_object_update_new(json,
                               json_pack("{s:s?, s:o, s:o, s:o}", "group",
                                         known.signature.id[0] ? known.signature.id : NULL, "title",
                                         json_known(known.signature.title), "os",
                                         json_known(known.os), "kernel", json_known(known.kernel)));
    }
    if (json && view->arriving)
        json_object_update_new(json, json_pack("{s:I, s:I, s:b}", "rate", (json_int_t)view->rate,
                                               "idle_ms", (json_int_t)view->idle_ms, "resumed",
                                               (int)view->resumed));
    return json;
}

int pnd_print_json(json_t *json)
{
    /* ASCII, so that nothing in it can steer a terminal. */
    int err = json ? json_dumpf(json, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII) : -1;

    json_decref(json);
    if (err)
        return pnd_ctl_fail("could not write the answer as JSON");
    putchar('\n');
    return PND_EXIT_OK;
}
