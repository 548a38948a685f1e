/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A question of the page, and its answer. */
#include "advice/advice.h"

#include <stdio.h>
#include <string.h>

#include "advice/known.h"
#include "advice/wish.h"
#include "host/text.h"

struct question {
    struct {
        char *name, *value;
    } pairs[PND_ADVICE_PAIRS_MAX];
    unsigned count;
    char text[2 * PND_ARGLINE_CAP];
};

static const char *value_of(const struct question *question, const char *name)
{
    for (unsigned i = 0; i < question->count; i++) {
        if (strcmp(question->pairs[i].name, name) == 0)
            return question->pairs[i].value;
    }
    return NULL;
}

/* @return NULL: it is in @p ret; else what is wrong with it */
static const char *take_apart(const char *text, size_t len, struct question *ret)
{
    ret->count = 0;
    if (len > sizeof(ret->text) || (len > 0 && text[len - 1] != '\0'))
        return "the question is too long, or cut";
    if (len > 0)
        memcpy(ret->text, text, len);
    for (size_t at = 0; at < len; at += strlen(ret->text + at) + 1) {
        char *equals = strchr(ret->text + at, '=');

        if (!equals || ret->count == PND_ADVICE_PAIRS_MAX)
            return "the question is not made of NAME=VALUE";
        ret->pairs[ret->count].name = ret->text + at;
        ret->pairs[ret->count++].value = equals;
    }
    for (unsigned i = 0; i < ret->count; i++)
        *ret->pairs[i].value++ = '\0';
    return NULL;
}

/* "line", "xnu" and "arch". @return NULL; else what is wrong with them */
static const char *read_line(struct pnd_argline *line, const struct question *question)
{
    const char *text = value_of(question, "line"), *xnu = value_of(question, "xnu"),
               *arch = value_of(question, "arch"), *wrong = NULL;

    pnd_argline_init(line);
    if (text && pnd_argline_type(line, text))
        return "the line is too long: at most 2041 bytes";
    if (xnu)
        wrong = pnd_argline_xnu(line, xnu);
    if (!wrong && arch)
        wrong = pnd_argline_arch(line, arch);
    return wrong;
}

static void put_known_bits(uint32_t xnu, struct pnd_json *json)
{
    const struct pnd_debug_flag *flag;

    pnd_json_open(json, "flags", '[');
    for (unsigned i = 0; (flag = pnd_debug_flag(i)); i++) {
        struct pnd_bit bit;

        pnd_bit_describe(flag->bit, xnu, &bit);
        pnd_json_open(json, NULL, '{');
        pnd_json_number(json, "value", flag->bit);
        pnd_json_text(json, "name", flag->name);
        pnd_json_text(json, "note", bit.note);
        pnd_json_bool(json, "effective", bit.works);
        pnd_json_text(json, "since", pnd_macos_of(flag->since));
        pnd_json_text(json, "until", flag->until ? pnd_macos_of(flag->until) : NULL);
        pnd_json_close(json, '}');
    }
    pnd_json_close(json, ']');
}

static const char *ask_known(struct pnd_advice *advice, const struct question *question,
                             struct pnd_json *json)
{
    const char *wrong = read_line(&advice->line, question);
    const struct pnd_macos *release;

    if (wrong)
        return wrong;
    pnd_json_open(json, NULL, '{');
    pnd_json_open(json, "releases", '[');
    for (unsigned i = 0; (release = pnd_macos(i)); i++) {
        pnd_json_open(json, NULL, '{');
        pnd_json_number(json, "xnu", release->xnu);
        pnd_json_text(json, "name", release->name);
        pnd_json_close(json, '}');
    }
    pnd_json_close(json, ']');
    put_known_bits(advice->line.xnu, json);
    pnd_json_close(json, '}');
    return NULL;
}

static const char *ask_decode(struct pnd_advice *advice, const struct question *question,
                              struct pnd_json *json)
{
    const char *wrong = read_line(&advice->line, question);

    if (wrong)
        return wrong;
    pnd_lint(&advice->line, &advice->lint);
    pnd_advice_decode(advice, PND_ADVICE_FOR_PAGE, json);
    return NULL;
}

static const char *ask_lint(struct pnd_advice *advice, const struct question *question,
                            struct pnd_json *json)
{
    const char *wrong = read_line(&advice->line, question);

    if (wrong)
        return wrong;
    pnd_lint(&advice->line, &advice->lint);
    pnd_advice_lint(advice, PND_ADVICE_FOR_PAGE, json);
    return NULL;
}

static const char *ask_debug(struct pnd_advice *advice, const struct question *question,
                             struct pnd_json *json)
{
    const char *value = value_of(question, "value"), *wrong = read_line(&advice->line, question);
    char word[32], line[PND_ARGLINE_CAP];
    uint64_t number;

    if (wrong)
        return wrong;
    if (!value || pnd_text_parse_uint(value, &number) || number > UINT32_MAX)
        return "value takes a number of 32 bits";
    snprintf(word, sizeof(word), "debug=0x%x", (unsigned)number);
    if (pnd_argline_put(advice->line.text, "debug", word, line))
        return "the line is too long: at most 2041 bytes";
    memcpy(advice->line.text, line, strlen(line) + 1);
    pnd_json_open(json, NULL, '{');
    pnd_json_text(json, "line", pnd_argline_shown(&advice->line));
    pnd_json_close(json, '}');
    return NULL;
}

static const char *ask_setup(struct pnd_advice *advice, const struct question *question,
                             struct pnd_json *json)
{
    const char *wrong = NULL;

    pnd_setup_want_init(&advice->want);
    for (unsigned i = 1; !wrong && i < question->count; i++)
        wrong =
            pnd_setup_want_set(&advice->want, question->pairs[i].name, question->pairs[i].value);
    if (!wrong && !advice->want.system)
        wrong = "--for takes macos, freebsd, linux or tftp";
    if (!wrong)
        wrong = pnd_setup_make(&advice->want, &advice->setup);
    if (!wrong)
        pnd_advice_setup(advice, json);
    return wrong;
}

size_t pnd_advice_ask(struct pnd_advice *advice, const char *question, size_t len, char *ret)
{
    static const struct {
        const char *name;
        const char *(*run)(struct pnd_advice *advice, const struct question *question,
                           struct pnd_json *json);
    } asks[] = {{"known", ask_known},
                {"decode", ask_decode},
                {"lint", ask_lint},
                {"debug", ask_debug},
                {"setup", ask_setup}};
    struct question parts;
    struct pnd_json json;
    const char *wrong = take_apart(question, len, &parts);
    bool first = !wrong && parts.count > 0 && strcmp(parts.pairs[0].name, "ask") == 0;
    size_t i = 0;

    pnd_json_init(&json, ret, PND_ADVICE_CAP);
    while (first && i < sizeof(asks) / sizeof(*asks) &&
           strcmp(asks[i].name, parts.pairs[0].value) != 0)
        i++;
    if (!wrong && (!first || i == sizeof(asks) / sizeof(*asks)))
        wrong = "there is no such question: known, decode, lint, debug or setup";
    if (!wrong)
        wrong = asks[i].run(advice, &parts, &json);
    if (!wrong && json.full)
        wrong = "the answer is too long";
    if (wrong) {
        pnd_json_init(&json, ret, PND_ADVICE_CAP);
        pnd_json_open(&json, NULL, '{');
        pnd_json_text(&json, "error", wrong);
        pnd_json_close(&json, '}');
    }
    return json.len;
}
