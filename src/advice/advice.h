/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The same answers for panicctl --json and for the page in a browser, as JSON. */
#ifndef PND_ADVICE_ADVICE_H
#define PND_ADVICE_ADVICE_H

#include "advice/json.h"
#include "advice/lint.h"
#include "advice/play.h"
#include "advice/setup.h"

enum {
    PND_ADVICE_CAP = 1 << 20,   /* fits every answer */
    PND_ADVICE_WORD_CAP = 1024, /* a word or its value, escaped; what is longer is cut */
    PND_ADVICE_PAIRS_MAX = 32,
};

/* Where an answer is worked out. */
struct pnd_advice {
    struct pnd_argline line;
    struct pnd_setup_want want;
    struct pnd_setup setup;
    struct pnd_story story;
    struct pnd_lint lint;
};

/* Whom the answer is for. The page gets more: titles, and lines with one trap put right. */
enum pnd_advice_for { PND_ADVICE_FOR_PROGRAMS, PND_ADVICE_FOR_PAGE };

/* Of advice->line: what each bit and word means and what the machine then does; what is wrong with
 * it; and of advice->setup, what is to be done on a system. One object each. Linted before:
 * advice->lint, for the first two; advice->story is written over. */
void pnd_advice_decode(struct pnd_advice *advice, enum pnd_advice_for whom, struct pnd_json *json);
void pnd_advice_lint(const struct pnd_advice *advice, enum pnd_advice_for whom,
                     struct pnd_json *json);
void pnd_advice_setup(const struct pnd_advice *advice, struct pnd_json *json);

/* Answers a question of the page: "NAME=VALUE" pairs, each with its NUL. The first is "ask":
 *   known            every bit, as train "xnu" has it, every boot-arg, every release
 *   decode           as panicctl bootargs decode; "line", "xnu", "arch"
 *   debug            {"line"}: "line" with "value", a number, for its debug=
 *   setup            as panicctl setup; its options
 * "xnu", "arch" and what setup takes can be left out. {"error"}: why there is no answer.
 *   @param question  of any bytes; @p len of them
 *   @param ret       PND_ADVICE_CAP bytes; gets a NUL
 *   @return bytes in @p ret, without the NUL */
size_t pnd_advice_ask(struct pnd_advice *advice, const char *question, size_t len, char *ret);

#endif
