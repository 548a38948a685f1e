/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl bootargs decode: what each bit and each word of a line means, and what the machine then
 * does, on which release. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libsmartcols.h>

#include "panicctl/bootargs.h"
#include "panicctl/print.h"

enum {
    RELEASES_MAX = 20,
    GROUPS_MAX = RELEASES_MAX * 2,
    ARM_SINCE = 7195,
    BITS = 32,
    NOTE_CAP = 400,
    MEANING_WIDTH = 34, /* beside the longest name */
};

/* ---- the bits ---- */

struct bit_row {
    uint32_t bit;
    const struct pnd_debug_flag *flag; /* NULL: nobody knows it */
    bool works;                        /* in the train that is asked about */
    char note[NOTE_CAP];
};

static const struct pnd_debug_flag *flag_of(uint32_t bit)
{
    const struct pnd_debug_flag *flag;

    for (unsigned i = 0; (flag = pnd_debug_flag(i)); i++) {
        if (flag->bit == bit)
            return flag;
    }
    return NULL;
}

static void describe_bit(uint32_t bit, uint32_t xnu, struct bit_row *ret)
{
    const struct pnd_debug_flag *flag = flag_of(bit);

    ret->bit = bit;
    ret->flag = flag;
    ret->works = pnd_debug_effective(bit, xnu) != 0;
    if (!flag)
        snprintf(ret->note, sizeof(ret->note), "unknown: no release has it");
    else if (ret->works)
        snprintf(ret->note, sizeof(ret->note), "%s", flag->meaning);
    else if (flag->until && xnu > flag->until)
        snprintf(ret->note, sizeof(ret->note), "%s; ignored since macOS %s", flag->meaning,
                 pnd_macos_after(flag->until));
    else
        snprintf(ret->note, sizeof(ret->note), "%s; not before xnu %u (macOS %s)", flag->meaning,
                 flag->since, pnd_macos_of(flag->since));
}

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
        struct bit_row row;

        if (!(debug & UINT32_C(1) << i))
            continue;
        describe_bit(UINT32_C(1) << i, xnu, &row);
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

static json_t *json_bits(uint32_t debug, uint32_t xnu)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < BITS; i++) {
        const struct pnd_debug_flag *flag;
        struct bit_row row;
        json_t *one;

        if (!(debug & UINT32_C(1) << i))
            continue;
        describe_bit(UINT32_C(1) << i, xnu, &row);
        flag = row.flag;
        one = json_pack("{s:I, s:s?, s:s?, s:b}", "value", (json_int_t)row.bit, "name",
                        flag ? flag->name : NULL, "meaning", flag ? flag->meaning : NULL,
                        "effective", (int)row.works);
        json_object_set_new(one, "since", flag ? json_integer(flag->since) : json_null());
        json_object_set_new(one, "until",
                            flag && flag->until ? json_integer(flag->until) : json_null());
        json_array_append_new(list, one);
    }
    return list;
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

static void word_note(const struct pnd_arg *arg, uint32_t xnu, char *ret, size_t cap)
{
    if (!arg)
        snprintf(ret, cap, "unknown here: nothing about dumps");
    else if (xnu < arg->since)
        snprintf(ret, cap, "%s; not before xnu %u (macOS %s)", arg->meaning, arg->since,
                 pnd_macos_of(arg->since));
    else
        snprintf(ret, cap, "%s", arg->meaning);
}

static int print_words(const struct pnd_ctl *ctl, const struct pnd_argline *line)
{
    static const char *const titles[] = {"BOOT-ARG", "VALUE", "MEANING"};
    struct libscols_table *table = new_table(ctl, titles, 3);
    struct pnd_argline_word word;
    int err = table ? 0 : -1;

    for (const char *at = line->text; !err && pnd_argline_next(&at, &word);) {
        char name[PND_PRINT_NAME_CAP], value[PND_PRINT_NAME_CAP], text[NOTE_CAP];

        word_texts(&word, name, value);
        word_note(pnd_arg_find(word.text, word.name_len), line->xnu, text, sizeof(text));
        break_lines(text, MEANING_WIDTH);
        err = add_row(table, (const char *[]){name, value, text}, 3);
    }
    if (!err)
        err = scols_print_table(table);
    scols_unref_table(table);
    return err;
}

static json_t *json_words(const struct pnd_argline *line)
{
    struct pnd_argline_word word;
    json_t *list = json_array();

    for (const char *at = line->text; pnd_argline_next(&at, &word);) {
        char name[PND_PRINT_NAME_CAP], value[PND_PRINT_NAME_CAP];
        const struct pnd_arg *arg = pnd_arg_find(word.text, word.name_len);
        json_t *one;

        word_texts(&word, name, value);
        one = json_pack("{s:s, s:s?, s:b, s:s?}", "name", name, "value",
                        word.has_value ? value : NULL, "known", arg != NULL, "meaning",
                        arg ? arg->meaning : NULL);
        json_object_set_new(one, "since",
                            arg && arg->since ? json_integer(arg->since) : json_null());
        json_array_append_new(list, one);
    }
    return list;
}

/* ---- what the machine does ---- */

struct cell {
    uint32_t xnu;
    char text[2][PND_PLAY_TEXT_CAP]; /* with, without a file for the local core */
};

/* Releases next to each other, newest first, in which the same happens. */
struct group {
    unsigned first, last; /* of cells: the newest, the oldest */
    bool arm64;
    bool both; /* holds for either kind of machine */
};

struct story {
    const struct pnd_argline *line;
    enum pnd_trigger trigger;
    struct cell cells[2][RELEASES_MAX]; /* [arm64]; newest first */
    unsigned counts[2];
    struct group groups[GROUPS_MAX];
    unsigned group_count;
};

static bool same(const struct cell *a, const struct cell *b)
{
    return strcmp(a->text[0], b->text[0]) == 0 && strcmp(a->text[1], b->text[1]) == 0;
}

static void play_cell(struct story *story, bool arm64, uint32_t xnu, struct pnd_play *play)
{
    struct cell *cell = &story->cells[arm64][story->counts[arm64]++];

    cell->xnu = xnu;
    for (unsigned i = 0; i < 2; i++) {
        pnd_play(story->line, xnu, story->trigger, arm64, i == 0, play);
        memcpy(cell->text[i], play->at[0].text, sizeof(cell->text[i]));
    }
}

static void play_releases(struct story *story, bool arm64, struct pnd_play *play)
{
    const struct pnd_macos *release;
    unsigned count = 0;

    if (story->line->xnu_given) {
        play_cell(story, arm64, story->line->xnu, play);
        return;
    }
    while (pnd_macos(count))
        count++;
    while (count-- > 0) {
        release = pnd_macos(count);
        if (!arm64 || release->xnu >= ARM_SINCE)
            play_cell(story, arm64, release->xnu, play);
    }
}

/* Does a Mac of either kind do the same, wherever there are both? */
static bool kinds_agree(const struct story *story)
{
    if (story->counts[0] == 0 || story->counts[1] == 0)
        return true;
    for (unsigned i = 0; i < story->counts[0] && i < story->counts[1]; i++) {
        if (!same(&story->cells[0][i], &story->cells[1][i]))
            return false;
    }
    return true;
}

static void make_groups(struct story *story)
{
    bool agree = kinds_agree(story);

    for (unsigned kind = 0; kind < 2; kind++) {
        const struct cell *cells = story->cells[kind];

        if (kind == 1 && agree && story->counts[0] > 0)
            break;
        for (unsigned i = 0; i < story->counts[kind]; i++) {
            if (i > 0 && same(&cells[i - 1], &cells[i]))
                story->groups[story->group_count - 1].last = i;
            else
                story->groups[story->group_count++] =
                    (struct group){.first = i, .last = i, .arm64 = kind == 1, .both = agree};
        }
    }
}

static void tell_story(struct story *story, const struct pnd_argline *line,
                       enum pnd_trigger trigger, struct pnd_play *play)
{
    memset(story, 0, sizeof(*story));
    story->line = line;
    story->trigger = trigger;
    if (line->x86_64)
        play_releases(story, false, play);
    if (line->arm64 && (!line->xnu_given || line->xnu >= ARM_SINCE || !line->x86_64))
        play_releases(story, true, play);
    make_groups(story);
}

static void group_title(const struct story *story, const struct group *group, char *ret, size_t cap)
{
    const struct cell *cells = story->cells[group->arm64];
    uint32_t newest = cells[group->first].xnu, oldest = cells[group->last].xnu;
    const char *kind = group->both ? "" : group->arm64 ? ", Apple silicon" : ", Intel";

    if (story->line->xnu_given)
        snprintf(ret, cap, "xnu %u (macOS %s)%s", newest, pnd_macos_of(newest), kind);
    else if (group->first == 0)
        snprintf(ret, cap, "macOS %s and newer%s", pnd_macos_of(oldest), kind);
    else if (newest == oldest)
        snprintf(ret, cap, "macOS %s%s", pnd_macos_of(oldest), kind);
    else
        snprintf(ret, cap, "macOS %s to %s%s", pnd_macos_of(oldest), pnd_macos_of(newest), kind);
}

static const struct {
    enum pnd_trigger trigger;
    const char *title, *name;
} triggers[] = {
    {PND_TRIGGER_PANIC, "On a panic the machine", "panic"},
    {PND_TRIGGER_NMI, "On an NMI (keys, button) it", "nmi"},
    {PND_TRIGGER_DEBUGGER, "When something calls Debugger() it", "debugger"},
};

enum { TRIGGER_COUNT = sizeof(triggers) / sizeof(triggers[0]) };

static void print_story(const struct story *story, const char *title)
{
    printf("\n%s\n", title);
    for (unsigned i = 0; i < story->group_count; i++) {
        const struct group *group = &story->groups[i];
        const struct cell *cell = &story->cells[group->arm64][group->first];
        char head[80];

        group_title(story, group, head, sizeof(head));
        printf("  %s\n", head);
        if (strcmp(cell->text[0], cell->text[1]) == 0) {
            pnd_bootargs_wrap("    ", 6, cell->text[0]);
            continue;
        }
        pnd_bootargs_wrap("    with a core file: ", 6, cell->text[0]);
        pnd_bootargs_wrap("    without one: ", 6, cell->text[1]);
    }
}

static json_t *json_group(const struct story *story, const struct group *group, const char *name,
                          unsigned without, struct pnd_play *play)
{
    const struct cell *cells = story->cells[group->arm64];
    json_t *trains = json_array(), *releases = json_array(), *kinds = json_array();

    for (unsigned i = group->last + 1; i-- > group->first;) {
        json_array_append_new(trains, json_integer(cells[i].xnu));
        json_array_append_new(releases, json_string(pnd_macos_of(cells[i].xnu)));
    }
    if (story->line->x86_64 && (group->both || !group->arm64))
        json_array_append_new(kinds, json_string("x86_64"));
    if (story->line->arm64 && (group->both || group->arm64) && cells[group->first].xnu >= ARM_SINCE)
        json_array_append_new(kinds, json_string("arm64"));
    pnd_play(story->line, cells[group->first].xnu, story->trigger, group->arm64, without == 0,
             play);
    return json_pack("{s:s, s:o, s:o, s:o, s:b, s:s, s:o}", "trigger", name, "xnu", trains, "macos",
                     releases, "arch", kinds, "core_file", without == 0, "text",
                     cells[group->first].text[without], "steps", pnd_play_json(play));
}

static void json_story(const struct story *story, const char *name, struct pnd_play *play,
                       json_t *list)
{
    for (unsigned i = 0; i < story->group_count; i++) {
        for (unsigned without = 0; without < 2; without++)
            json_array_append_new(list, json_group(story, &story->groups[i], name, without, play));
    }
}

/* ---- the whole ---- */

struct work {
    struct pnd_argline line;
    struct pnd_bootargs args;
    struct pnd_play play;
    struct story story;
    struct pnd_lint lint;
};

static int decode_json(struct work *work)
{
    json_t *actions = json_array();

    for (unsigned i = 0; i < TRIGGER_COUNT; i++) {
        tell_story(&work->story, &work->line, triggers[i].trigger, &work->play);
        json_story(&work->story, triggers[i].name, &work->play, actions);
    }
    return pnd_print_json(
        json_pack("{s:o, s:I, s:b, s:I, s:s, s:o, s:o, s:o, s:o}", "line",
                  pnd_print_json_text(work->line.text), "debug", (json_int_t)work->args.debug,
                  "value_only", (int)work->line.value_only, "xnu", (json_int_t)work->line.xnu,
                  "macos", pnd_macos_of(work->line.xnu), "flags",
                  json_bits(work->args.debug, work->line.xnu), "arguments", json_words(&work->line),
                  "actions", actions, "traps", pnd_lint_json(&work->lint)));
}

static int decode_text(const struct pnd_ctl *ctl, struct work *work)
{
    int err = 0;

    if (!work->line.value_only) {
        err = print_words(ctl, &work->line);
        putchar('\n');
    }
    printf("debug=0x%x, as xnu %u (macOS %s) reads it\n", work->args.debug, work->line.xnu,
           pnd_macos_of(work->line.xnu));
    if (!err && work->args.debug)
        err = print_bits(ctl, work->args.debug, work->line.xnu);
    if (err)
        return pnd_ctl_fail("could not make the table");
    for (unsigned i = 0; i < TRIGGER_COUNT; i++) {
        tell_story(&work->story, &work->line, triggers[i].trigger, &work->play);
        print_story(&work->story, triggers[i].title);
    }
    putchar('\n');
    pnd_bootargs_wrap("", 0,
                      work->line.value_only
                          ? "Taken for given: _panicd_ip= and kdp_match_name=, an interface that "
                            "works in a panic, and that debugging is allowed (csrutil)."
                          : "Taken for given: an interface that works in a panic, and that "
                            "debugging is allowed (csrutil).");
    if (work->lint.count > 0) {
        printf("\nTraps in it:\n");
        pnd_lint_print(&work->lint);
    }
    return PND_EXIT_OK;
}

int pnd_bootargs_decode(struct pnd_ctl *ctl, int argc, char **argv)
{
    struct work *work = calloc(1, sizeof(*work));
    int code;

    if (!work)
        return pnd_ctl_fail("out of memory");
    code = pnd_argline_read(ctl, argc, argv, &work->line);
    if (code < 0) {
        pnd_bootargs_read(work->line.text, work->line.xnu, &work->args);
        pnd_lint(&work->line, &work->lint);
        code = ctl->json ? decode_json(work) : decode_text(ctl, work);
    }
    free(work);
    return code;
}
