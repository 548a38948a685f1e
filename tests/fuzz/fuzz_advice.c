/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes as a question of the page, and as a line: there is always an answer, it is JSON, and a
 * trap that can be put right leaves a line that can be typed. */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "advice/advice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct pnd_advice advice;
static char answer[PND_ADVICE_CAP];

static void ask(const char *question, size_t len)
{
    size_t got = pnd_advice_ask(&advice, question, len, answer);
    json_t *json;

    if (got != strlen(answer))
        abort();
    json = json_loads(answer, 0, NULL);
    if (!json_is_object(json))
        abort();
    json_decref(json);
}

static void fix(const char *typed)
{
    static struct pnd_lint lint;
    struct pnd_argline line;
    char fixed[PND_ARGLINE_CAP];

    pnd_argline_init(&line);
    if (pnd_argline_type(&line, typed))
        return;
    pnd_lint(&line, &lint);
    for (unsigned i = 0; i < lint.count; i++) {
        int err = pnd_lint_fix(&lint, i, fixed);

        if (err == PND_OK && pnd_argline_type(&line, fixed))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char head[] = "ask=decode\0line=";
    char question[3 * PND_ARGLINE_CAP];

    ask((const char *)data, len);
    if (len >= sizeof(question) - sizeof(head))
        return 0;
    memcpy(question, head, sizeof(head) - 1);
    memcpy(question + sizeof(head) - 1, data, len);
    question[sizeof(head) - 1 + len] = '\0';
    fix(question + sizeof(head) - 1);
    if (memchr(data, '\0', len) == NULL)
        ask(question, sizeof(head) + len);
    return 0;
}
