/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is known, done and wrong, as JSON. */
#include "advice/advice.h"

#include <stdio.h>
#include <string.h>

#include "advice/known.h"
#include "host/text.h"

enum { BITS = 32 };

static void put_number_or_null(struct pnd_json *json, const char *key, unsigned number)
{
    if (number)
        pnd_json_number(json, key, number);
    else
        pnd_json_null(json, key);
}

/* ---- bits and words ---- */

static void put_bit(const struct pnd_bit *bit, struct pnd_json *json)
{
    const struct pnd_debug_flag *flag = bit->flag;

    pnd_json_number(json, "value", bit->bit);
    pnd_json_text(json, "name", flag ? flag->name : NULL);
    pnd_json_text(json, "meaning", flag ? flag->meaning : NULL);
    pnd_json_bool(json, "effective", bit->works);
    put_number_or_null(json, "since", flag ? flag->since : 0);
    put_number_or_null(json, "until", flag ? flag->until : 0);
}

static void put_bits(uint32_t debug, uint32_t xnu, struct pnd_json *json)
{
    pnd_json_open(json, "flags", '[');
    for (unsigned i = 0; i < BITS; i++) {
        struct pnd_bit bit;

        if (!(debug & UINT32_C(1) << i))
            continue;
        pnd_bit_describe(UINT32_C(1) << i, xnu, &bit);
        pnd_json_open(json, NULL, '{');
        put_bit(&bit, json);
        pnd_json_close(json, '}');
    }
    pnd_json_close(json, ']');
}

static void put_word(const struct pnd_argline_word *word, const struct pnd_arg *arg,
                     struct pnd_json *json)
{
    char escaped[PND_ADVICE_WORD_CAP];

    pnd_json_text(json, "name",
                  pnd_text_escape(escaped, sizeof(escaped), word->text, word->name_len));
    if (word->has_value)
        pnd_json_text(json, "value",
                      pnd_text_escape(escaped, sizeof(escaped), word->text + word->name_len + 1,
                                      word->len - word->name_len - 1));
    else
        pnd_json_null(json, "value");
    pnd_json_bool(json, "known", arg != NULL);
    pnd_json_text(json, "meaning", arg ? arg->meaning : NULL);
    put_number_or_null(json, "since", arg ? arg->since : 0);
}

static void put_words(const struct pnd_argline *line, enum pnd_advice_for whom,
                      struct pnd_json *json)
{
    struct pnd_argline_word word;

    pnd_json_open(json, "arguments", '[');
    for (const char *at = line->text; pnd_argline_next(&at, &word);) {
        const struct pnd_arg *arg = pnd_arg_find(word.text, word.name_len);
        char note[PND_NOTE_CAP];

        pnd_json_open(json, NULL, '{');
        put_word(&word, arg, json);
        if (whom == PND_ADVICE_FOR_PAGE) {
            pnd_arg_note(arg, line->xnu, note);
            pnd_json_text(json, "note", note);
        }
        pnd_json_close(json, '}');
    }
    pnd_json_close(json, ']');
}

/* ---- what the machine does ---- */

/* At most three deep: two dumps and an end. */
static void put_play(const struct pnd_play *play, const char *key, unsigned i,
                     struct pnd_json *json)
{
    const struct pnd_decision *decision = &play->at[i].decision;
    unsigned ok = 2 * i + 1, failed = 2 * i + 2;

    pnd_json_open(json, key, '{');
    pnd_json_text(json, "step", pnd_play_step_name(decision->step));
    pnd_json_text(json, "why", decision->why);
    pnd_json_text(json, "no_local_core", decision->no_local);
    if (ok < PND_PLAY_NODES && play->at[ok].used)
        put_play(play, "success", ok, json);
    if (failed < PND_PLAY_NODES && play->at[failed].used)
        put_play(play, "failure", failed, json);
    pnd_json_close(json, '}');
}

static void put_group(struct pnd_story *story, const struct pnd_story_group *group,
                      const struct pnd_story_trigger *trigger, bool corefile,
                      enum pnd_advice_for whom, struct pnd_json *json)
{
    const struct pnd_story_cell *cells = story->cells[group->arm64];
    char title[PND_STORY_TITLE_CAP];

    pnd_json_open(json, NULL, '{');
    pnd_json_text(json, "trigger", trigger->name);
    pnd_json_open(json, "xnu", '[');
    for (unsigned i = group->last + 1; i-- > group->first;)
        pnd_json_number(json, NULL, cells[i].xnu);
    pnd_json_close(json, ']');
    pnd_json_open(json, "macos", '[');
    for (unsigned i = group->last + 1; i-- > group->first;)
        pnd_json_text(json, NULL, pnd_macos_of(cells[i].xnu));
    pnd_json_close(json, ']');
    pnd_json_open(json, "arch", '[');
    if (pnd_story_has_kind(story, group, false))
        pnd_json_text(json, NULL, "x86_64");
    if (pnd_story_has_kind(story, group, true))
        pnd_json_text(json, NULL, "arm64");
    pnd_json_close(json, ']');
    pnd_json_bool(json, "core_file", corefile);
    pnd_json_text(json, "text", cells[group->first].text[!corefile]);
    if (whom == PND_ADVICE_FOR_PAGE) {
        pnd_story_title(story, group, title);
        pnd_json_text(json, "title", title);
        pnd_json_text(json, "when", trigger->title);
    }
    pnd_play(story->line, cells[group->first].xnu, story->trigger, group->arm64, corefile,
             &story->play);
    put_play(&story->play, "steps", 0, json);
    pnd_json_close(json, '}');
}

static void put_actions(struct pnd_advice *advice, enum pnd_advice_for whom, struct pnd_json *json)
{
    const struct pnd_story_trigger *trigger;
    struct pnd_story *story = &advice->story;

    pnd_json_open(json, "actions", '[');
    for (unsigned i = 0; (trigger = pnd_story_trigger(i)); i++) {
        pnd_story_tell(&advice->line, trigger->trigger, story);
        for (unsigned g = 0; g < story->group_count; g++) {
            put_group(story, &story->groups[g], trigger, true, whom, json);
            put_group(story, &story->groups[g], trigger, false, whom, json);
        }
    }
    pnd_json_close(json, ']');
}

/* ---- what is wrong ---- */

static void put_traps(const struct pnd_lint *lint, enum pnd_advice_for whom, struct pnd_json *json)
{
    pnd_json_open(json, "traps", '[');
    for (unsigned i = 0; i < lint->count; i++) {
        char fixed[PND_ARGLINE_CAP];

        pnd_json_open(json, NULL, '{');
        pnd_json_text(json, "trap", lint->at[i].trap);
        pnd_json_text(json, "text", lint->at[i].text);
        pnd_json_text(json, "instead", lint->at[i].instead);
        if (whom == PND_ADVICE_FOR_PAGE)
            pnd_json_text(json, "fixed", pnd_lint_fix(lint, i, fixed) == PND_OK ? fixed : NULL);
        pnd_json_close(json, '}');
    }
    pnd_json_close(json, ']');
}

void pnd_advice_lint(const struct pnd_advice *advice, enum pnd_advice_for whom,
                     struct pnd_json *json)
{
    const struct pnd_argline *line = &advice->line;

    pnd_json_open(json, NULL, '{');
    pnd_json_text(json, "line", line->text);
    pnd_json_number(json, "xnu", line->xnu);
    pnd_json_text(json, "macos", pnd_macos_of(line->xnu));
    pnd_json_number(json, "debug", advice->lint.debug);
    pnd_json_number(json, "debug_instead", advice->lint.debug_instead);
    put_traps(&advice->lint, whom, json);
    pnd_json_close(json, '}');
}

void pnd_advice_decode(struct pnd_advice *advice, enum pnd_advice_for whom, struct pnd_json *json)
{
    const struct pnd_argline *line = &advice->line;
    struct pnd_bootargs args;

    pnd_bootargs_read(line->text, line->xnu, &args);
    pnd_json_open(json, NULL, '{');
    pnd_json_text(json, "line", line->text);
    pnd_json_number(json, "debug", args.debug);
    pnd_json_bool(json, "value_only", line->value_only);
    pnd_json_number(json, "xnu", line->xnu);
    pnd_json_text(json, "macos", pnd_macos_of(line->xnu));
    put_bits(args.debug, line->xnu, json);
    put_words(line, whom, json);
    put_actions(advice, whom, json);
    put_traps(&advice->lint, whom, json);
    if (whom == PND_ADVICE_FOR_PAGE)
        pnd_json_number(json, "debug_instead", advice->lint.debug_instead);
    pnd_json_close(json, '}');
}

/* ---- what is to be done ---- */

static void put_text_or_null(struct pnd_json *json, const char *key, const char *text)
{
    pnd_json_text(json, key, text[0] ? text : NULL);
}

void pnd_advice_setup(const struct pnd_advice *advice, struct pnd_json *json)
{
    const struct pnd_setup *setup = &advice->setup;

    pnd_json_open(json, NULL, '{');
    pnd_json_text(json, "for", advice->want.system);
    pnd_json_open(json, "about", '[');
    for (unsigned i = 0; i < setup->about_count; i++)
        pnd_json_text(json, NULL, setup->about[i]);
    pnd_json_close(json, ']');
    pnd_json_open(json, "steps", '[');
    for (unsigned i = 0; i < setup->count; i++) {
        const struct pnd_setup_step *step = &setup->steps[i];

        pnd_json_open(json, NULL, '{');
        pnd_json_text(json, "title", step->title);
        put_text_or_null(json, "how", step->how);
        put_text_or_null(json, "do", step->act);
        put_text_or_null(json, "check", step->check);
        put_text_or_null(json, "undo", step->undo);
        put_text_or_null(json, "why", step->why);
        pnd_json_close(json, '}');
    }
    pnd_json_close(json, ']');
    pnd_json_close(json, '}');
}
