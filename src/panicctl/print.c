/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Tables, words and JSON; see print.h. */
#include "panicctl/print.h"

#include <stdio.h>
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
