/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Tests as sentences: RUN(a_function_named_as_a_sentence) prints one TAP line. A failed CHECK
 * says what and where, and the test goes on, so that one run shows every failure. */
#ifndef PND_TESTS_TAP_H
#define PND_TESTS_TAP_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tap_count, tap_failures;
static bool tap_ok;
static const char *tap_skip;

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            tap_ok = false;                                                                        \
            printf("# %s:%d: %s is false\n", __FILE__, __LINE__, #cond);                           \
        }                                                                                          \
    } while (0)

#define CHECK_EQ(got, want)                                                                        \
    do {                                                                                           \
        long long tap_got = (long long)(got), tap_want = (long long)(want);                        \
        if (tap_got != tap_want) {                                                                 \
            tap_ok = false;                                                                        \
            printf("# %s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #got, tap_got,           \
                   tap_want);                                                                      \
        }                                                                                          \
    } while (0)

#define CHECK_STR(got, want)                                                                       \
    do {                                                                                           \
        const char *tap_got = (got), *tap_want = (want);                                           \
        if (!tap_got || strcmp(tap_got, tap_want) != 0) {                                          \
            tap_ok = false;                                                                        \
            printf("# %s:%d: %s is \"%s\", not \"%s\"\n", __FILE__, __LINE__, #got,                \
                   tap_got ? tap_got : "(null)", tap_want);                                        \
        }                                                                                          \
    } while (0)

#define CHECK_MEM(got, want, len)                                                                  \
    do {                                                                                           \
        if (memcmp((got), (want), (len)) != 0) {                                                   \
            tap_ok = false;                                                                        \
            printf("# %s:%d: %s differs from %s\n", __FILE__, __LINE__, #got, #want);              \
        }                                                                                          \
    } while (0)

/* In a test: SKIP("needs root") and return. */
#define SKIP(why)                                                                                  \
    do {                                                                                           \
        tap_skip = (why);                                                                          \
        return;                                                                                    \
    } while (0)

#define RUN(test) tap_run(#test, test)

static inline void tap_run(const char *name, void (*test)(void))
{
    char sentence[256];

    snprintf(sentence, sizeof(sentence), "%s", name);
    for (char *at = sentence; (at = strchr(at, '_')) != NULL;)
        *at = ' ';
    tap_ok = true;
    tap_skip = NULL;
    test();
    tap_count++;
    tap_failures += !tap_ok;
    printf("%sok %d - %s%s%s\n", tap_ok ? "" : "not ", tap_count, sentence,
           tap_skip ? " # SKIP " : "", tap_skip ? tap_skip : "");
    fflush(stdout);
}

/* The last statement of main(): return tap_done(). */
static inline int tap_done(void)
{
    printf("1..%d\n", tap_count);
    return tap_failures ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
