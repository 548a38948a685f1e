/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl bootargs lint: what is wrong with a line, for people. */
#include <stdio.h>
#include <stdlib.h>

#include "advice/known.h"
#include "panicctl/bootargs.h"

void pnd_bootargs_print_traps(const struct pnd_lint *lint)
{
    for (unsigned i = 0; i < lint->count; i++) {
        const struct pnd_lint_finding *finding = &lint->at[i];
        char head[64];

        snprintf(head, sizeof(head), "  %s: ", finding->trap);
        pnd_bootargs_wrap(head, 4, finding->text);
        pnd_bootargs_wrap("    instead: ", 6, finding->instead);
    }
    if (lint->debug_instead != lint->debug)
        printf("  With all of that: debug=0x%x\n", lint->debug_instead);
}

static void lint_text(const struct pnd_argline *line, const struct pnd_lint *lint)
{
    if (lint->count == 0) {
        printf("No traps in it, as xnu %u (macOS %s) reads it.\n", line->xnu,
               pnd_macos_of(line->xnu));
        return;
    }
    printf("%u trap%s in it, as xnu %u (macOS %s) reads it:\n", lint->count,
           lint->count == 1 ? "" : "s", line->xnu, pnd_macos_of(line->xnu));
    pnd_bootargs_print_traps(lint);
}

static void lint_json(struct pnd_advice *advice, struct pnd_json *json)
{
    pnd_advice_lint(advice, PND_ADVICE_FOR_PROGRAMS, json);
}

int pnd_bootargs_lint(struct pnd_ctl *ctl, int argc, char **argv)
{
    struct pnd_advice *advice = calloc(1, sizeof(*advice));
    int code;

    if (!advice)
        return pnd_ctl_fail("out of memory");
    code = pnd_bootargs_line(ctl, argc, argv, &advice->line);
    if (code < 0) {
        pnd_lint(&advice->line, &advice->lint);
        code = advice->lint.count > 0 ? PND_EXIT_NO : PND_EXIT_OK;
        if (!ctl->json)
            lint_text(&advice->line, &advice->lint);
        else if (pnd_bootargs_print_json(advice, lint_json) != PND_EXIT_OK)
            code = PND_EXIT_COULD_NOT;
    }
    free(advice);
    return code;
}
