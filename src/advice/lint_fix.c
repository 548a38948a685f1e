/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A line with one of its traps put right. */
#include "advice/lint.h"

#include <stdio.h>
#include <string.h>

static int put_span(const struct pnd_lint *lint, const struct pnd_fix *fix, char *ret)
{
    const char *behind = lint->plain + fix->at + fix->len;
    size_t len = strlen(fix->text);

    if (fix->at + len + strlen(behind) > PND_ARGLINE_TYPED_MAX)
        return PND_E_RANGE;
    memcpy(ret, lint->plain, fix->at);
    memcpy(ret + fix->at, fix->text, len);
    memcpy(ret + fix->at + len, behind, strlen(behind) + 1);
    return PND_OK;
}

static int put_word(const struct pnd_lint *lint, const char *word, char *ret)
{
    char name[PND_LINT_TEXT_CAP];

    snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
    return pnd_argline_put(lint->plain, name, word, ret);
}

static int fixed(const struct pnd_lint *lint, const struct pnd_fix *fix, char *ret)
{
    char word[32];

    switch (fix->kind) {
    case PND_FIX_PLAIN:
        memcpy(ret, lint->plain, sizeof(lint->plain));
        return PND_OK;
    case PND_FIX_BITS:
        snprintf(word, sizeof(word), "debug=0x%x", (lint->debug & ~fix->without) | fix->with);
        return put_word(lint, word, ret);
    case PND_FIX_SPAN:
        return put_span(lint, fix, ret);
    case PND_FIX_PUT:
        return put_word(lint, fix->text, ret);
    case PND_FIX_DROP:
        return pnd_argline_put(lint->plain, fix->text, NULL, ret);
    case PND_FIX_NONE:
        break;
    }
    return PND_E_NOTFOUND;
}

int pnd_lint_fix(const struct pnd_lint *lint, unsigned index, char *ret)
{
    char line[PND_ARGLINE_CAP];
    int err = fixed(lint, &lint->at[index].fix, line);
    size_t head;

    if (err)
        return err;
    head = lint->value_only && !strpbrk(line, " \t") ? strlen("debug=") : 0;
    memcpy(ret, line + head, strlen(line + head) + 1);
    return PND_OK;
}
