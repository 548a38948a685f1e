/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The questions that a page asks, their answers as JSON, and lines whose traps are put right.
 * What the answers say is panicctl's, and tested with it. */
#include <jansson.h>

#include "advice/advice.h"
#include "host/text.h"
#include "tap.h"

static struct pnd_advice work;
static char answer[PND_ADVICE_CAP];

/* @p question: pairs, with a newline behind each but the last. */
static json_t *ask(const char *question)
{
    static char pairs[3 * PND_ARGLINE_CAP];
    size_t len = strlen(question) + 1, got;
    json_t *json;

    memcpy(pairs, question, len);
    for (char *at = pairs; (at = memchr(at, '\n', (size_t)(pairs + len - at))) != NULL;)
        *at = '\0';
    got = pnd_advice_ask(&work, pairs, len, answer);
    json = json_loads(answer, 0, NULL);
    CHECK_EQ(got, strlen(answer));
    CHECK(json_is_object(json));
    return json;
}

static const char *text_of(const json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}

static void says(const char *question, const char *key, const char *want)
{
    json_t *json = ask(question);

    CHECK_STR(text_of(json, key), want);
    json_decref(json);
}

/* ---- the writer ---- */

static void write_sample(struct pnd_json *json)
{
    pnd_json_open(json, NULL, '{');
    pnd_json_text(json, "a", "\"\\\n\x01/\x7f");
    pnd_json_text(json, "b", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    pnd_json_text(json, "c", "\xff\xc3\xa9\"");
    pnd_json_text(json, "d", NULL);
    pnd_json_number(json, "e", INT64_MIN);
    pnd_json_bool(json, "f", true);
    pnd_json_open(json, "g", '[');
    pnd_json_bool(json, NULL, false);
    pnd_json_open(json, NULL, '{');
    pnd_json_close(json, '}');
    pnd_json_null(json, NULL);
    pnd_json_close(json, ']');
    pnd_json_close(json, '}');
}

static const char sample[] = "{\"a\":\"\\\"\\\\\\u000a\\u0001/\\u007f\",\"b\":\"\\u00e9\\u20ac"
                             "\\ud83d\\ude00\",\"c\":\"\\\\xff\\u00e9\\\\\\\"\",\"d\":null,"
                             "\"e\":-9223372036854775808,\"f\":true,\"g\":[false,{},null]}";

static void json_is_ascii_whatever_the_text(void)
{
    struct pnd_json json;

    pnd_json_init(&json, answer, sizeof(answer));
    write_sample(&json);
    CHECK(!json.full);
    CHECK_STR(answer, sample);
}

static void what_does_not_fit_is_an_error_that_stays(void)
{
    char text[sizeof(sample) + 1];
    struct pnd_json json;

    for (size_t cap = 1; cap <= sizeof(sample); cap++) {
        memset(text, 'x', sizeof(text));
        pnd_json_init(&json, text, cap);
        write_sample(&json);
        CHECK_EQ(json.full, cap < sizeof(sample));
        CHECK(strlen(text) == json.len && json.len < cap);
        CHECK_EQ(strncmp(text, sample, json.len), 0);
        CHECK_EQ(text[cap], 'x');
    }
}

static void any_bytes_are_a_string_that_jansson_reads(void)
{
    uint32_t state = 1;

    for (unsigned round = 0; round < 20000; round++) {
        char bytes[12], want[4 * sizeof(bytes) + 4], text[256];
        struct pnd_json json;
        json_t *read, *plain;
        size_t len = round % sizeof(bytes);

        for (size_t i = 0; i < len; i++) {
            static const char some[] =
                "a\"\\\n\x7f\xc3\xa9\xe2\x80\xa8\xf0\x9f\x98\x80\xff\xed\xa0";

            state = state * 1664525 + 1013904223;
            bytes[i] = some[(state >> 16) % (sizeof(some) - 1)];
        }
        bytes[len] = '\0';
        plain = json_string(bytes);
        if (!plain)
            plain = json_string(pnd_text_escape(want, sizeof(want), bytes, len));
        pnd_json_init(&json, text, sizeof(text));
        pnd_json_text(&json, NULL, bytes);
        read = json_loads(text, JSON_DECODE_ANY, NULL);
        CHECK(json_equal(read, plain));
        json_decref(read);
        json_decref(plain);
    }
}

/* ---- questions ---- */

static void a_question_that_is_none_is_answered(void)
{
    static const char none[] = "there is no such question: known, decode, lint, debug or setup";
    char many[512];
    size_t used;

    says("", "error", "the question is not made of NAME=VALUE");
    says("ask", "error", "the question is not made of NAME=VALUE");
    says("ask=", "error", none);
    says("ask=anything", "error", none);
    says("line=0xd44\nask=decode", "error", none);
    CHECK(pnd_advice_ask(&work, "ask=known", strlen("ask=known"), answer) > 0);
    CHECK_STR(answer, "{\"error\":\"the question is too long, or cut\"}");
    pnd_advice_ask(&work, NULL, 0, answer);
    CHECK(strstr(answer, none));
    used = (size_t)snprintf(many, sizeof(many), "ask=known");
    for (unsigned i = 0; i < PND_ADVICE_PAIRS_MAX; i++)
        used += (size_t)snprintf(many + used, sizeof(many) - used, "\na=b");
    says(many, "error", "the question is not made of NAME=VALUE");
}

static void what_cannot_be_is_said_as_panicctl_says_it(void)
{
    says("ask=decode\nxnu=1", "error",
         "--xnu takes the first number of a kernel's version, 123 to 65535: \"uname -a\" says "
         "xnu-11417.101.15, type --xnu 11417");
    says("ask=lint\narch=ppc", "error", "--arch takes x86_64 (Intel) or arm64 (Apple silicon)");
    says("ask=debug\nline=\nvalue=-1", "error", "value takes a number of 32 bits");
    says("ask=debug\nline=\nvalue=4294967296", "error", "value takes a number of 32 bits");
    says("ask=debug\nline=", "error", "value takes a number of 32 bits");
    says("ask=setup\nserver=10.0.40.2", "error", "--for takes macos, freebsd, linux or tftp");
    says("ask=setup\nfor=beos", "error", "--for takes macos, freebsd, linux or tftp");
    says("ask=setup\nfor=macos\nport=65536", "error",
         "--port takes a UDP port, 1 to 65535: --port 1069");
    says("ask=setup\nfor=macos\nbrief=1", "error", "setup has no such option");
    says("ask=setup\nfor=linux\nserver=nobody", "error",
         "--server takes this machine's address, four decimal numbers with dots: "
         "--server 10.0.40.2");
}

static void a_line_may_have_2041_bytes(void)
{
    static char question[2 * PND_ARGLINE_CAP];
    size_t head = (size_t)snprintf(question, sizeof(question), "ask=debug\nvalue=4\nline=");
    json_t *json;

    memset(question + head, 'y', PND_ARGLINE_TYPED_MAX);
    says(question, "error", "the line is too long: at most 2041 bytes"); /* with debug= in it */
    memcpy(question + head, "debug=0x44444 ", strlen("debug=0x44444 "));
    json = ask(question);
    CHECK_EQ(strlen(text_of(json, "line")), PND_ARGLINE_TYPED_MAX - strlen("44444") + 1);
    json_decref(json);
    question[head + PND_ARGLINE_TYPED_MAX] = 'y';
    says(question, "error", "the line is too long: at most 2041 bytes");
}

static void all_that_is_known_is_told(void)
{
    json_t *json = ask("ask=known\nxnu=3789");

    CHECK_EQ(json_array_size(json_object_get(json, "flags")), 24);
    CHECK_EQ(json_array_size(json_object_get(json, "releases")), 16);
    CHECK_STR(text_of(json_array_get(json_object_get(json, "flags"), 23), "note"),
              "for the boot loader; not before xnu 8796 (macOS 13)");
    json_decref(json);
}

static void bits_go_into_the_line_that_is_there(void)
{
    says("ask=debug\nvalue=3396\nline=", "line", "debug=0xd44");
    says("ask=debug\nvalue=3396\nline=0x4", "line", "0xd44");
    says("ask=debug\nvalue=0\nline=nmi arp", "line", "0x0");
    says("ask=debug\nvalue=4\nline=-v debug=0xd44  wdt=-1", "line", "-v debug=0x4 wdt=-1");
    says("ask=debug\nvalue=4\nline=-v", "line", "-v debug=0x4");
    says("ask=debug\nvalue=4\nline=debug=1 -v debug debug=9", "line", "debug=0x4 -v");
    says("ask=debug\nvalue=4\nline=sudo nvram boot-args=\"debug=1 -v\"", "line", "debug=0x4 -v");
}

/* ---- traps that are put right ---- */

static void is_fixed(const char *line, const char *trap, const char *want)
{
    char question[PND_ARGLINE_CAP + 64];
    const char *fixed = NULL;
    json_t *json, *one;
    size_t i;

    snprintf(question, sizeof(question), "ask=lint\nline=%s", line);
    json = ask(question);
    json_array_foreach(json_object_get(json, "traps"), i, one)
    {
        if (!fixed && strcmp(text_of(one, "trap"), trap) == 0)
            fixed = json_is_null(json_object_get(one, "fixed")) ? "(none)" : text_of(one, "fixed");
    }
    CHECK_STR(fixed, want);
    json_decref(json);
}

#define REST " _panicd_ip=10.0.40.2 kdp_match_name=en0"

static void each_trap_is_put_right_by_itself(void)
{
    is_fixed("0x104c44", "reboot-always", "0x24c44");
    is_fixed("debug=0x104c44" REST, "reboot-always", "debug=0x24c44" REST);
    is_fixed("debug=0x4444" REST, "local-core-first", "debug=0x24444" REST);
    is_fixed("debug=0xd44" REST, "obsolete", "debug=0xc44" REST);
    is_fixed("debug=0xc44" REST, "watchdog", "debug=0xc44" REST " wdt=-1");
    is_fixed("wdt=1 debug=0xc44" REST, "watchdog", "wdt=-1 debug=0xc44" REST);
    is_fixed("debug=0xc04" REST, "no-arp", "debug=0xc44" REST);
    is_fixed("-v", "no-debug", "-v debug=0x24c44");
    is_fixed("\xe2\x80\x9c"
             "debug=0x444\xe2\x80\x9d \xe2\x80\x93v",
             "typography", "debug=0x444 -v");
    is_fixed("debug=0x444" REST " _panicd_port=1070", "port-name",
             "debug=0x444" REST " panicd_port=1070");
    is_fixed("debug=0x444 kdp_match_nam=en0 -v", "misspelt", "debug=0x444 kdp_match_name=en0 -v");
    is_fixed("debug =0x444 -v", "blank", "debug=0x444 -v");
    is_fixed("debug=0x444 _panicd_ip= 10.0.40.2 -v", "blank",
             "debug=0x444 _panicd_ip=10.0.40.2 -v");
    is_fixed("debug=0x444 _panicd_ip 10.0.40.2", "blank", "debug=0x444 _panicd_ip=10.0.40.2");
    is_fixed("debug=0x444 _panicd_ip -v", "blank", "(none)");
    is_fixed("debug=08 -v", "no-number", "debug=8 -v");
    is_fixed("debug=0X444 -v", "no-number", "debug=0x444 -v");
    is_fixed("debug=DB_NMI|DB_ARP -v", "no-number", "debug=0x44 -v");
    is_fixed("debug=lots -v", "no-number", "(none)");
    is_fixed("debug=0x444 debug=0x44 -v", "twice", "debug=0x44 -v");
    is_fixed("-v=1 debug=0x444 -v=2", "twice", "-v=1 debug=0x444");
    is_fixed("debug=0x444" REST " panicd_port=0", "port", "debug=0x444" REST " panicd_port=1069");
    is_fixed("_panicd_corename=a debug=0x444" REST, "corename", "debug=0x444" REST);
    is_fixed("debug=0x44" REST, "nothing-sent", "debug=0x444" REST);
    is_fixed("debug=0x444 kdp_match_name=en0", "no-server", "(none)");
    is_fixed("debug=0x444 _panicd_ip=10.0.40.2", "no-interface", "(none)");
    is_fixed("debug=0x444" REST "0 kdp_match_name=serial", "serial", "(none)");
    is_fixed("debug=0x444 _panicd_ip=there kdp_match_name=en0", "no-address", "(none)");
}

static const char *const mistakes[] = {
    "0xd44",
    "0xffffffff",
    "0X44",
    "debug",
    "debug=0xd44 debug=08 -v -v=2 _panicd_port=3 wdt",
    "debug=0x104c44" REST " _panicd_corename=x _panicd_corename=y",
    "\xe2\x80\x9c"
    "debug =0xd44\xe2\x80\x9d _panicd_ip= 10.0.40.2",
    "debug=0xd44\xe2\x80\x99",
    "_panicd_ip 10.0.40.2 kdp_matchname en0 debg=0x44",
    "panicd_port=99999 panicd_port=0" REST " debug=0x800",
    "kdp_match_name=serial = == =x keepsym=1",
};

/* Whatever is applied, its trap is gone, and all of them come to an end. */
static void a_trap_that_was_put_right_is_gone(void)
{
    static struct pnd_lint lint, again;
    static const char *const trains[] = {"1228", "3247", "3789", "4570", "6153", "11215"};
    struct pnd_argline line, better;

    for (size_t i = 0; i < sizeof(mistakes) / sizeof(*mistakes) * 6; i++) {
        char fixed[PND_ARGLINE_CAP] = "";
        unsigned rounds = 0, at = 0;

        pnd_argline_init(&line);
        pnd_argline_xnu(&line, trains[i % 6]);
        CHECK_EQ(pnd_argline_type(&line, mistakes[i / 6]), PND_OK);
        pnd_lint(&line, &lint);
        while (at < lint.count && rounds++ < PND_LINT_MAX) {
            if (pnd_lint_fix(&lint, at, fixed) != PND_OK) {
                at++;
                continue;
            }
            better = line;
            CHECK_EQ(pnd_argline_type(&better, fixed), PND_OK);
            pnd_lint(&better, &again);
            for (unsigned n = 0; n < again.count; n++)
                CHECK(strcmp(again.at[n].trap, lint.at[at].trap) != 0 ||
                      strcmp(again.at[n].text, lint.at[at].text) != 0);
            line = better;
            lint = again;
            at = 0;
        }
        CHECK(rounds < PND_LINT_MAX);
    }
}

static void the_longest_answer_fits(void)
{
    static char question[2 * PND_ARGLINE_CAP];
    size_t head = (size_t)snprintf(question, sizeof(question), "ask=decode\nline=");
    json_t *json;

    for (size_t i = 0; i < PND_ARGLINE_TYPED_MAX; i++)
        question[head + i] = i % 2 ? ' ' : '\xff';
    json = ask(question);
    CHECK_EQ(json_array_size(json_object_get(json, "arguments")), (PND_ARGLINE_TYPED_MAX + 1) / 2);
    json_decref(json);
    memset(question + head, '\xff', PND_ARGLINE_TYPED_MAX);
    json = ask(question);
    CHECK(json_object_get(json, "actions"));
    json_decref(json);
}

int main(void)
{
    RUN(json_is_ascii_whatever_the_text);
    RUN(what_does_not_fit_is_an_error_that_stays);
    RUN(any_bytes_are_a_string_that_jansson_reads);
    RUN(a_question_that_is_none_is_answered);
    RUN(what_cannot_be_is_said_as_panicctl_says_it);
    RUN(a_line_may_have_2041_bytes);
    RUN(all_that_is_known_is_told);
    RUN(bits_go_into_the_line_that_is_there);
    RUN(each_trap_is_put_right_by_itself);
    RUN(a_trap_that_was_put_right_is_gone);
    RUN(the_longest_answer_fits);
    return tap_done();
}
