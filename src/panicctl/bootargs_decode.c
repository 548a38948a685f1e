/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl bootargs decode: what each bit and each word of a line means, and what the machine then
 * does, on which release; for people. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libsmartcols.h>

#include "advice/known.h"
#include "panicctl/bootargs.h"
#include "panicctl/print.h"

enum {
    BITS = 32,
    MEANING_WIDTH = 34, /* beside the longest name */
};

static void trains_of(const struct pnd_debug_flag *flag, char *ret, size_t cap)
{
    if (!flag)
        snprintf(ret, cap, "-");
    else if (flag->until)
        snprintf(ret, cap, "%u-%u", flag->since, flag->until);
    else
        snprintf(ret, cap, "%u-", flag->since);
}

/* Breaks @p text at blanks into lines of @p width columns, as far as words allow. */
static void break_lines(char *text, size_t width)
{
    size_t column = 0;
    char *blank = NULL;

    for (char *at = text; *at; at++, column++) {
        if (*at == ' ') {
            if (column > width && blank) {
                *blank = '\n';
                column = (size_t)(at - blank) - 1;
            }
            blank = at;
        }
    }
    if (column > width && blank)
        *blank = '\n';
}

/* The last column is the one that is broken into lines. */
static struct libscols_table *new_table(const struct pnd_ctl *ctl, const char *const *titles,
                                        unsigned count)
{
    struct libscols_table *table = scols_new_table();

    if (!table)
        return NULL;
    scols_table_enable_noencoding(table, 1); /* the cells are escaped here */
    scols_table_enable_colors(table, ctl->colour);
    for (unsigned i = 0; i < count; i++) {
        bool last = i + 1 == count;
        struct libscols_column *column =
            scols_table_new_column(table, titles[i], 0, last ? SCOLS_FL_WRAP : 0);

        if (!column || (last && (scols_column_set_safechars(column, "\n") ||
                                 scols_column_set_wrapfunc(column, scols_wrapnl_chunksize,
                                                           scols_wrapnl_nextchunk, NULL)))) {
            scols_unref_table(table);
            return NULL;
        }
    }
    return table;
}

static int add_row(struct libscols_table *table, const char *const *cells, unsigned count)
{
    struct libscols_line *line = scols_table_new_line(table, NULL);
    int err = line ? 0 : -1;

    for (unsigned i = 0; !err && i < count; i++)
        err = scols_line_set_data(line, i, cells[i]);
    return err;
}

static int print_bits(const struct pnd_ctl *ctl, uint32_t debug, uint32_t xnu)
{
    static const char *const titles[] = {"BIT", "NAME", "XNU", "MEANING"};
    struct libscols_table *table = new_table(ctl, titles, 4);
    int err = table ? 0 : -1;

    for (unsigned i = 0; !err && i < BITS; i++) {
        char value[16], trains[24];
        struct pnd_bit row;

        if (!(debug & UINT32_C(1) << i))
            continue;
        pnd_bit_describe(UINT32_C(1) << i, xnu, &row);
        snprintf(value, sizeof(value), "0x%x", row.bit);
        trains_of(row.flag, trains, sizeof(trains));
        break_lines(row.note, MEANING_WIDTH);
        err = add_row(
            table, (const char *[]){value, row.flag ? row.flag->name : "-", trains, row.note}, 4);
    }
    if (!err)
        err = scols_print_table(table);
    scols_unref_table(table);
    return err;
}

/* ---- the words ---- */

static void word_texts(const struct pnd_argline_word *word, char *name, char *value)
{
    char raw[PND_ARGLINE_CAP];

    snprintf(raw, sizeof(raw), "%.*s", (int)word->name_len, word->text);
    pnd_print_name(name, raw);
    value[0] = '\0';
    if (!word->has_value)
        return;
    snprintf(raw, sizeof(raw), "%.*s", (int)(word->len - word->name_len - 1),
             word->text + word->name_len + 1);
    pnd_print_name(value, raw);
}

static int print_words(const struct pnd_ctl *ctl, const struct pnd_argline *line)
{
    static const char *const titles[] = {"BOOT-ARG", "VALUE", "MEANING"};
    struct libscols_table *table = new_table(ctl, titles, 3);
    struct pnd_argline_word word;
    int err = table ? 0 : -1;

    for (const char *at = line->text; !err && pnd_argline_next(&at, &word);) {
        char name[PND_PRINT_NAME_CAP], value[PND_PRINT_NAME_CAP], text[PND_NOTE_CAP];

        word_texts(&word, name, value);
        pnd_arg_note(pnd_arg_find(word.text, word.name_len), line->xnu, text);
        break_lines(text, MEANING_WIDTH);
        err = add_row(table, (const char *[]){name, value, text}, 3);
    }
    if (!err)
        err = scols_print_table(table);
    scols_unref_table(table);
    return err;
}

/* ---- what the machine does ---- */

static void print_story(const struct pnd_story *story, const char *title)
{
    printf("\n%s\n", title);
    for (unsigned i = 0; i < story->group_count; i++) {
        const struct pnd_story_group *group = &story->groups[i];
        const struct pnd_story_cell *cell = &story->cells[group->arm64][group->first];
        char head[PND_STORY_TITLE_CAP];

        pnd_story_title(story, group, head);
        printf("  %s\n", head);
        if (strcmp(cell->text[0], cell->text[1]) == 0) {
            pnd_bootargs_wrap("    ", 6, cell->text[0]);
            continue;
        }
        pnd_bootargs_wrap("    with a core file: ", 6, cell->text[0]);
        pnd_bootargs_wrap("    without one: ", 6, cell->text[1]);
    }
}

/* ---- the whole ---- */

static void decode_json(struct pnd_advice *advice, struct pnd_json *json)
{
    pnd_advice_decode(advice, PND_ADVICE_FOR_PROGRAMS, json);
}

static int decode_text(const struct pnd_ctl *ctl, struct pnd_advice *advice)
{
    const struct pnd_argline *line = &advice->line;
    const struct pnd_story_trigger *trigger;
    struct pnd_bootargs args;
    int err = 0;

    pnd_bootargs_read(line->text, line->xnu, &args);
    if (!line->value_only) {
        err = print_words(ctl, line);
        putchar('\n');
    }
    printf("debug=0x%x, as xnu %u (macOS %s) reads it\n", args.debug, line->xnu,
           pnd_macos_of(line->xnu));
    if (!err && args.debug)
        err = print_bits(ctl, args.debug, line->xnu);
    if (err)
        return pnd_ctl_fail("could not make the table");
    for (unsigned i = 0; (trigger = pnd_story_trigger(i)); i++) {
        pnd_story_tell(line, trigger->trigger, &advice->story);
        print_story(&advice->story, trigger->title);
    }
    putchar('\n');
    pnd_bootargs_wrap("", 0,
                      line->value_only
                          ? "Taken for given: _panicd_ip= and kdp_match_name=, an interface that "
                            "works in a panic, and that debugging is allowed (csrutil)."
                          : "Taken for given: an interface that works in a panic, and that "
                            "debugging is allowed (csrutil).");
    if (advice->lint.count > 0) {
        printf("\nTraps in it:\n");
        pnd_bootargs_print_traps(&advice->lint);
    }
    return PND_EXIT_OK;
}

int pnd_bootargs_decode(struct pnd_ctl *ctl, int argc, char **argv)
{
    struct pnd_advice *advice = calloc(1, sizeof(*advice));
    int code;

    if (!advice)
        return pnd_ctl_fail("out of memory");
    code = pnd_bootargs_line(ctl, argc, argv, &advice->line);
    if (code < 0) {
        pnd_lint(&advice->line, &advice->lint);
        code = ctl->json ? pnd_bootargs_print_json(advice, decode_json) : decode_text(ctl, advice);
    }
    free(advice);
    return code;
}
