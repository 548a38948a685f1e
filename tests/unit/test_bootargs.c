/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The rules of boot-args, row by row. */
#include "tap.h"

#include "panicd/bootargs.h"

static const char *string(const char *line, const char *name)
{
    static char buf[100];

    memcpy(buf, "(none)", 7);
    pnd_bootargs_string(line, name, buf, sizeof(buf));
    return buf;
}

/* The number, or @p line's value as it stays when there is none. */
enum { UNTOUCHED = 0x1234567 };

static uint64_t number(const char *line, const char *name)
{
    uint64_t value = UNTOUCHED;

    pnd_bootargs_integer(line, name, 8, &value);
    return value;
}

static void blanks_and_tabs_separate(void)
{
    CHECK_EQ(number("a=1\tb=2  \t c=3", "b"), 2);
    CHECK_EQ(number(" \t a=1\tb=2  \t c=3 ", "c"), 3);
    CHECK_EQ(number("", "a"), UNTOUCHED);
    CHECK_EQ(number("a=1\nb=2", "b"), UNTOUCHED);
}

static void names_are_compared_whole_and_case_sensitively(void)
{
    CHECK_EQ(number("debug=1", "debug"), 1);
    CHECK_EQ(number("debugger=1 xdebug=2 Debug=3", "debug"), UNTOUCHED);
    CHECK_EQ(number("debug=1", "debugger"), UNTOUCHED);
    CHECK_EQ(number("debug=1", ""), UNTOUCHED);
}

static void of_a_dash_the_first_counts_and_is_one(void)
{
    CHECK_EQ(number("-v -s", "-v"), 1);
    CHECK_EQ(number("-x -s", "-v"), UNTOUCHED);
    CHECK_EQ(number("-verbose", "-v"), UNTOUCHED);
    CHECK_EQ(number("v", "-v"), UNTOUCHED);
    CHECK_EQ(number("-v", "v"), UNTOUCHED);
    CHECK_EQ(number("-v =7", "-v"), 1);
}

static void of_an_underscore_the_first_counts_and_is_text(void)
{
    CHECK_STR(string("_panicd_ip=10.0.40.2 _panicd_ip=10.0.40.3", "_panicd_ip"), "10.0.40.2");
    CHECK_STR(string("_n=0x10", "_n"), "0x10");
    CHECK_STR(string("a=1 _e= b=2", "_e"), "");
}

static void of_any_other_the_last_counts(void)
{
    CHECK_EQ(number("debug=1 x debug=0x144", "debug"), 0x144);
    CHECK_STR(string("kdp_match_name=en0 kdp_match_name=en7", "kdp_match_name"), "en7");
    CHECK_EQ(number("debug=5 debug", "debug"), 1);
}

static void a_bare_name_is_one(void)
{
    CHECK_EQ(number("keepsyms", "keepsyms"), 1);
    CHECK_STR(string("keepsyms", "keepsyms"), "1");
}

static void a_bare_underscore_swallows_the_next_token_but_its_first_byte(void)
{
    CHECK_STR(string("_router_ip debug=1", "_router_ip"), "ebug=1");
    CHECK_STR(string("_router_ip \t =10.0.0.1", "_router_ip"), "10.0.0.1");
    CHECK_STR(string("debug _router_ip", "_router_ip"), "");
    CHECK_EQ(number("_router_ip debug=1", "debug"), 1);
}

static void a_blank_before_the_equals_sign_is_nothing(void)
{
    CHECK_EQ(number("debug =1", "debug"), UNTOUCHED);
    CHECK_EQ(number("debug=2 debug =1", "debug"), 2);
}

static void an_empty_value_is_an_empty_string(void)
{
    uint64_t value = 0x11223344;

    CHECK_STR(string("name= debug=1", "name"), "");
    CHECK_EQ(pnd_bootargs_integer("name= x", "name", 4, &value), PND_E_FORMAT);
    CHECK_EQ(value, 0x11223300); /* the NUL of the string */
}

static void numbers_have_four_bases(void)
{
    CHECK_EQ(number("n=0", "n"), 0);
    CHECK_EQ(number("n=1234567890", "n"), 1234567890);
    CHECK_EQ(number("n=0xDeadBeef", "n"), 0xdeadbeef);
    CHECK_EQ(number("n=0b1011", "n"), 11);
    CHECK_EQ(number("n=0777", "n"), 511);
    CHECK_EQ(number("n=00", "n"), 0);
    CHECK_EQ(number("n=18446744073709551615", "n"), UINT64_MAX);
}

static void numbers_may_be_negative(void)
{
    CHECK_EQ((int64_t)number("wdt=-1", "wdt"), -1);
    CHECK_EQ((int64_t)number("n=-0x10", "n"), -16);
    CHECK_EQ((int64_t)number("n=-2k", "n"), -2048);
}

static void numbers_may_have_one_suffix(void)
{
    CHECK_EQ(number("n=3k", "n"), 3072);
    CHECK_EQ(number("n=3K", "n"), 3072);
    CHECK_EQ(number("n=2m", "n"), 2097152);
    CHECK_EQ(number("n=2M", "n"), 2097152);
    CHECK_EQ(number("n=1g", "n"), 1073741824);
    CHECK_EQ(number("n=1G", "n"), 1073741824);
    CHECK_EQ(number("n=0x10k", "n"), 16384);
}

static void everything_else_is_text(void)
{
    static const char *const texts[] = {"08",  "0X1f", "0k",  "0x", "0b",  "0b2",
                                        "0xg", "1kk",  "1kb", "k",  "-",   "--1",
                                        "1.5", "1t",   "en0", "+1", "0o7", "1-"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct pnd_bootarg arg = {0};
        char line[32];

        snprintf(line, sizeof(line), "n=%s", texts[i]);
        CHECK_EQ(pnd_bootargs_find(line, "n", &arg), PND_OK);
        CHECK(!arg.is_number);
        CHECK_STR(string(line, "n"), texts[i]);
    }
}

static void text_lands_even_in_an_integer(void)
{
    uint64_t value = 0xffffffff;

    CHECK_EQ(pnd_bootargs_integer("n=08", "n", 4, &value), PND_E_FORMAT);
    CHECK_EQ(value, 0xff003830); /* '0' '8' NUL, and what was there */
    value = 0xffffffff;
    CHECK_EQ(pnd_bootargs_integer("n=abcdefgh", "n", 4, &value), PND_E_FORMAT);
    CHECK_EQ(value, 0x00636261);
    value = 0xff;
    CHECK_EQ(pnd_bootargs_integer("n=abc", "n", 1, &value), PND_E_FORMAT);
    CHECK_EQ(value, 0);
}

static void integers_are_cut_to_their_size(void)
{
    static const struct {
        size_t size;
        uint64_t want;
    } rows[] = {{1, 0x88},       {2, 0x7788},     {3, 0x667788},   {4, 0x55667788},
                {5, 0x55667788}, {7, 0x55667788}, {0, 0x55667788}, {8, 0x1122334455667788}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t value = 0;

        CHECK_EQ(pnd_bootargs_integer("n=0x1122334455667788", "n", rows[i].size, &value), PND_OK);
        CHECK_EQ(value, rows[i].want);
    }
}

static void a_string_is_cut_to_its_buffer(void)
{
    char buf[5] = "keep";

    CHECK_EQ(pnd_bootargs_string("a=1", "_x", buf, sizeof(buf)), PND_E_NOTFOUND);
    CHECK_STR(buf, "keep");
    CHECK_EQ(pnd_bootargs_string("_x=0123456789", "_x", buf, sizeof(buf)), PND_OK);
    CHECK_STR(buf, "0123");
    CHECK_EQ(pnd_bootargs_string("_x=0123456789", "_x", buf, 1), PND_OK);
    CHECK_STR(buf, "");
}

int main(void)
{
    RUN(blanks_and_tabs_separate);
    RUN(names_are_compared_whole_and_case_sensitively);
    RUN(of_a_dash_the_first_counts_and_is_one);
    RUN(of_an_underscore_the_first_counts_and_is_text);
    RUN(of_any_other_the_last_counts);
    RUN(a_bare_name_is_one);
    RUN(a_bare_underscore_swallows_the_next_token_but_its_first_byte);
    RUN(a_blank_before_the_equals_sign_is_nothing);
    RUN(an_empty_value_is_an_empty_string);
    RUN(numbers_have_four_bases);
    RUN(numbers_may_be_negative);
    RUN(numbers_may_have_one_suffix);
    RUN(everything_else_is_text);
    RUN(text_lands_even_in_an_integer);
    RUN(integers_are_cut_to_their_size);
    RUN(a_string_is_cut_to_its_buffer);
    return tap_done();
}
