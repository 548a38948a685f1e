/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a browser calls. It writes a question to where pnd_web_question() says, and finds the answer
 * where pnd_web_answer() says. The module asks for nothing: no clock, no file, no random number. */
#include <stddef.h>
#include <stdint.h>

#include "advice/advice.h"

enum { QUESTION_CAP = 2 * PND_ARGLINE_CAP };

#define EXPORT(name) __attribute__((export_name(name)))

static struct pnd_advice work;
static char question[QUESTION_CAP], answer[PND_ADVICE_CAP];

char *pnd_web_question(void);
size_t pnd_web_question_cap(void);
size_t pnd_web_ask(size_t len);
const char *pnd_web_answer(void);

/* Where the C library would say on standard error what is wrong, and what it takes for that. Here
 * is nobody to tell, and without these it would ask the browser for files: the call ends by a trap,
 * which the page hears of. */
_Noreturn void __assert_fail(const char *expr, const char *file, int line, const char *function);
_Noreturn int fputs(const char *text, void *file);
extern char __stderr_FILE[1];
char __stderr_FILE[1];

_Noreturn void __assert_fail(const char *expr, const char *file, int line, const char *function)
{
    (void)expr, (void)file, (void)line, (void)function;
    __builtin_trap();
}

_Noreturn int fputs(const char *text, void *file)
{
    (void)text, (void)file;
    __builtin_trap();
}

EXPORT("question") char *pnd_web_question(void)
{
    return question;
}

EXPORT("question_cap") size_t pnd_web_question_cap(void)
{
    return sizeof(question);
}

/* @return bytes of the answer */
EXPORT("ask") size_t pnd_web_ask(size_t len)
{
    return pnd_advice_ask(&work, question, len < sizeof(question) ? len : sizeof(question), answer);
}

EXPORT("answer") const char *pnd_web_answer(void)
{
    return answer;
}
