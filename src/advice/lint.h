/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Mistakes that are made with boot-args, what to write instead, and the line with that written. */
#ifndef PND_ADVICE_LINT_H
#define PND_ADVICE_LINT_H

#include "advice/argline.h"

enum {
    PND_LINT_MAX = 64,
    PND_LINT_TEXT_CAP = 512,
};

enum pnd_fix_kind {
    PND_FIX_NONE,  /* a person has to say something first */
    PND_FIX_PLAIN, /* the line as pnd_lint.plain has it */
    PND_FIX_BITS,  /* take bits from debug=, and add others */
    PND_FIX_SPAN,  /* write text in the place of some bytes */
    PND_FIX_PUT,   /* text is the one word of its name */
    PND_FIX_DROP,  /* no word of the name that text is */
};

struct pnd_fix {
    enum pnd_fix_kind kind;
    uint32_t without, with; /* PND_FIX_BITS */
    size_t at, len;         /* PND_FIX_SPAN: of pnd_lint.plain */
    char text[PND_LINT_TEXT_CAP];
};

struct pnd_lint_finding {
    const char *trap; /* its short name */
    char text[PND_LINT_TEXT_CAP], instead[PND_LINT_TEXT_CAP];
    struct pnd_fix fix;
};

struct pnd_lint {
    struct pnd_lint_finding at[PND_LINT_MAX];
    unsigned count;
    uint32_t debug, debug_instead; /* equal: nothing to change in the value */
    bool value_only;
    char plain[PND_ARGLINE_CAP]; /* the line without the quotes and dashes of a web page */
};

void pnd_lint(const struct pnd_argline *line, struct pnd_lint *ret);

/* The line with one finding put right, and nothing else; of a value alone, the value.
 *   @param index  below lint->count
 *   @param ret    PND_ARGLINE_CAP bytes; written on success only
 *   @return PND_OK; PND_E_NOTFOUND a person has to say something first; PND_E_RANGE the line would
 *           be longer than it may be */
int pnd_lint_fix(const struct pnd_lint *lint, unsigned index, char *ret);

#endif
