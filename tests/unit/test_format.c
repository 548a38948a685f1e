/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Text for a console without printf: held against the C library's, which a kernel does not have. */
#include "tap.h"

#include "client/format.h"
#include "wire/divide.h"

/* What both make of the same format and the same arguments. */
#define SAME(...)                                                                                  \
    do {                                                                                           \
        char ours[128], theirs[128];                                                               \
        size_t len = pnd_format(ours, sizeof(ours), __VA_ARGS__);                                  \
        snprintf(theirs, sizeof(theirs), __VA_ARGS__);                                             \
        CHECK_STR(ours, theirs);                                                                   \
        CHECK_EQ(len, strlen(theirs));                                                             \
    } while (0)

static void strings_and_characters(void)
{
    SAME("plain");
    SAME("%s", "");
    SAME("%s and %s", "one", "two");
    SAME("[%8s] [%-8s] [%2s]", "abc", "abc", "abc");
    SAME("[%.*s] [%.2s] [%6.2s]", 3, "abcdef", "abcdef", "abcdef");
    SAME("[%.*s]", -1, "all of it");
    SAME("%c%c[%3c][%-3c]", 'a', 'b', 'c', 'd');
    SAME("100 %%");
}

static void numbers_of_every_length(void)
{
    SAME("%d %d %d", 0, 2147483647, -2147483647 - 1);
    SAME("%u %u", 0u, 4294967295u);
    SAME("%x %X %#x %#x", 0xbeefu, 0xbeefu, 0xbeefu, 0u);
    SAME("%ld %lu %lx", -5L, 7UL, 0xffUL);
    SAME("%lld %llu %llx %#llx", (long long)INT64_MIN, UINT64_MAX + 0ULL, UINT64_MAX + 0ULL,
         UINT64_C(0x8000000000000000) + 0ULL);
    SAME("%zu %zd %zx", (size_t)-1, (ssize_t)-3, (size_t)255);
    SAME("%" PRIu64 " %" PRIx64 " %" PRIu32, UINT64_C(18446744073709551557), UINT64_C(16),
         UINT32_C(10));
    SAME("%p", (void *)&tap_ok);
}

static void widths_and_flags(void)
{
    SAME("[%5d] [%-5d] [%05d]", 42, 42, 42);
    SAME("[%5d] [%-5d] [%05d]", -42, -42, -42);
    SAME("[%02x:%02x] [%08llx] [%#010x]", 1u, 255u, 0x1234ULL, 0xabu);
    SAME("[%2d] [%02d]", 12345, 12345);
    SAME("[%-#8x] [%#8x]", 0x1fu, 0x1fu);
}

static void every_power_of_ten_and_its_neighbours(void)
{
    for (uint64_t v = 1, i = 0; i < 20; v *= 10, i++)
        SAME("%llu %llu %llu", v - 1ULL, v + 0ULL, v + 1ULL);
}

static void what_is_too_long_is_cut_and_ends_in_nul(void)
{
    for (size_t cap = 1; cap < 16; cap++) {
        char text[17];

        memset(text, '#', sizeof(text));
        CHECK_EQ(pnd_format(text, cap, "%s %05d", "twelve", 99), cap - 1 < 12 ? cap - 1 : 12);
        CHECK(memchr(text, '\0', cap) != NULL);
        CHECK_EQ(text[cap], '#');
    }
}

static void what_it_does_not_know_is_copied(void)
{
    static const char *const odd[] = {"%f", "%", "%5", "%-", "%.3", "%ll", "100%", "%q and on"};
    size_t (*format)(char *, size_t, const char *, ...) = pnd_format; /* not looked into */
    char text[32];

    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        format(text, sizeof(text), odd[i]);
        CHECK_STR(text, odd[i]);
    }
}

static void a_missing_string_is_said_to_be_one(void)
{
    const char *volatile none = NULL;
    char text[32];

    CHECK_EQ(pnd_format(text, sizeof(text), "<%s>", none), 8);
    CHECK_STR(text, "<(null)>");
}

static void division_is_that_of_the_machine(void)
{
    static const uint64_t of[] = {0,          1,          9,          10,
                                  UINT32_MAX, 1000000007, UINT64_MAX, UINT64_C(1) << 63};

    for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
        for (size_t k = 0; k < sizeof(of) / sizeof(of[0]); k++) {
            uint64_t rest = 1, got = pnd_divide(of[i], of[k], &rest);

            if (of[k] == 0)
                CHECK(got == 0 && rest == 0);
            else
                CHECK(got == of[i] / of[k] && rest == of[i] % of[k]);
        }
    }
}

int main(void)
{
    RUN(strings_and_characters);
    RUN(numbers_of_every_length);
    RUN(widths_and_flags);
    RUN(every_power_of_ten_and_its_neighbours);
    RUN(what_is_too_long_is_cut_and_ends_in_nul);
    RUN(what_it_does_not_know_is_copied);
    RUN(a_missing_string_is_said_to_be_one);
    RUN(division_is_that_of_the_machine);
    return tap_done();
}
