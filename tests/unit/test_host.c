/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Errors, log, text and configuration. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/conf.h"
#include "host/log.h"
#include "host/text.h"
#include "tap.h"

/* ---- why ---- */

static void an_error_says_what_failed_and_each_level_prepends_its_own(void)
{
    struct pnd_why why;

    CHECK_EQ(pnd_why(&why, PND_E_SYS, EACCES, "create %s", "/x"), PND_E_SYS);
    CHECK_STR(why.text, "create /x: Permission denied");
    CHECK_EQ(pnd_why_add(&why, PND_E_SYS, "open %s", "catalog"), PND_E_SYS);
    CHECK_STR(why.text, "open catalog: create /x: Permission denied");
    CHECK_EQ(pnd_why(&why, PND_E_BUSY, 0, "taken"), PND_E_BUSY);
    CHECK_STR(why.text, "taken");
}

static void an_error_longer_than_its_room_is_cut_and_ended(void)
{
    struct pnd_why why;
    char big[2000];

    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    pnd_why(&why, PND_E_SYS, ENOSPC, "%s", big);
    CHECK_EQ(strlen(why.text), sizeof(why.text) - 1);
    pnd_why_add(&why, PND_E_SYS, "%s", big);
    CHECK_EQ(strlen(why.text), sizeof(why.text) - 1);
}

static void an_error_that_nobody_wants_is_still_returned_and_errno_stays(void)
{
    errno = EPIPE;
    CHECK_EQ(pnd_why(NULL, PND_E_SYS, EACCES, "x"), PND_E_SYS);
    CHECK_EQ(pnd_why_add(NULL, PND_E_SYS, "x"), PND_E_SYS);
    CHECK_EQ(errno, EPIPE);
}

/* ---- text ---- */

static const char *escaped(const char *src, size_t len, size_t cap)
{
    static char dst[256];

    memset(dst, '~', sizeof(dst));
    pnd_text_escape(dst, cap, src, len);
    CHECK_EQ(dst[cap], '~');
    return dst;
}

#define ESCAPED(literal) escaped(literal, sizeof(literal) - 1, 200)

static void several_lines_from_outside_can_be_printed_when_they_are_clean(void)
{
    char text[] = "a\x1b[2J\tb\n\0\xff\xc3\xa4\xe2\x80\xae\xc2\x9b";
    size_t len = pnd_text_clean(text, text, sizeof(text) - 1);

    CHECK_EQ(len, 14);
    CHECK_MEM(text, "a?[2J\tb\n??\xc3\xa4??", len);
    CHECK_EQ(pnd_text_clean(text, text, 0), 0);
}

static void text_from_outside_cannot_break_out_of_quotes_or_reach_the_terminal(void)
{
    CHECK_STR(ESCAPED("core-xnu_1.gz"), "core-xnu_1.gz");
    CHECK_STR(ESCAPED("a\"b\\c"), "a\\\"b\\\\c");
    CHECK_STR(ESCAPED("\x1b[2J\n\0\x7f"), "\\x1b[2J\\x0a\\x00\\x7f");
    CHECK_STR(ESCAPED("\xc3\xa4\xe2\x82\xac\xf0\x9f\x92\xa5"),
              "\xc3\xa4\xe2\x82\xac\xf0\x9f\x92\xa5");
    CHECK_STR(ESCAPED("\xc2\x9b"), "\\xc2\\x9b");                   /* C1: CSI */
    CHECK_STR(ESCAPED("\xe2\x80\xae"), "\\xe2\\x80\\xae");          /* right-to-left override */
    CHECK_STR(ESCAPED("\xc0\xaf"), "\\xc0\\xaf");                   /* overlong '/' */
    CHECK_STR(ESCAPED("\xe0\x80\xaf"), "\\xe0\\x80\\xaf");          /* overlong '/' */
    CHECK_STR(ESCAPED("\xed\xa0\x80"), "\\xed\\xa0\\x80");          /* surrogate */
    CHECK_STR(ESCAPED("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80"); /* above U+10FFFF */
    CHECK_STR(ESCAPED("a\xe2\x82"), "a\\xe2\\x82");                 /* cut */
    CHECK_STR(ESCAPED("\xff"), "\\xff");
    CHECK_STR(ESCAPED(""), "");
}

static void escaped_text_that_does_not_fit_is_cut_between_characters(void)
{
    CHECK_STR(escaped("abcdef", 6, 7), "abcdef");
    CHECK_STR(escaped("abcdef", 6, 6), "ab...");
    CHECK_STR(escaped("abcdef", 6, 4), "...");
    CHECK_STR(escaped("abc", 3, 4), "abc");
    CHECK_STR(escaped("a\nbcdef", 7, 8), "a...");
    CHECK_STR(escaped("\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac", 9, 9), "\xe2\x82\xac...");
}

/* Whatever the bytes and the room: ended, within bounds, and nothing but printable characters. */
static void no_bytes_escape_from_escaping(void)
{
    uint32_t seed = 1;

    for (int round = 0; round < 20000; round++) {
        char src[40];
        const char *got;
        size_t len = (size_t)round % sizeof(src), cap = 4 + (size_t)round % 60;

        for (size_t i = 0; i < len; i++) {
            seed = seed * 1664525 + 1013904223;
            src[i] = (char)(seed >> 24);
        }
        got = escaped(src, len, cap);
        CHECK(strlen(got) < cap);
        for (; *got; got++)
            CHECK((unsigned char)*got >= 0x20 && *got != 0x7f);
    }
}

static const char *bytes_text(uint64_t bytes)
{
    static char text[PND_TEXT_BYTES_CAP];

    return pnd_text_bytes(text, sizeof(text), bytes);
}

static void sizes_are_short_and_never_rounded_up(void)
{
    CHECK_STR(bytes_text(0), "0 B");
    CHECK_STR(bytes_text(1023), "1023 B");
    CHECK_STR(bytes_text(1024), "1.0 KiB");
    CHECK_STR(bytes_text(1024 * 1024 - 1), "1023 KiB");
    CHECK_STR(bytes_text(UINT64_C(1433) << 20), "1.3 GiB");
    CHECK_STR(bytes_text(UINT64_C(1434) << 20), "1.4 GiB");
    CHECK_STR(bytes_text(UINT64_C(100) << 30), "100 GiB");
    CHECK_STR(bytes_text(UINT64_MAX), "15.9 EiB");
}

static const char *time_text(int64_t ms)
{
    static char text[PND_TEXT_TIME_CAP];

    return pnd_text_time_utc(text, sizeof(text), ms);
}

static void times_are_rfc_3339_with_milliseconds(void)
{
    CHECK_STR(time_text(0), "1970-01-01T00:00:00.000Z");
    CHECK_STR(time_text(-1), "1969-12-31T23:59:59.999Z");
    CHECK_STR(time_text(INT64_C(1795329000123)), "2026-11-22T06:30:00.123Z");
    CHECK_STR(time_text(INT64_C(253402300799999)), "9999-12-31T23:59:59.999Z");
    CHECK_STR(time_text(INT64_C(253402300800000)), "");
    CHECK_STR(time_text(INT64_MAX), "");
    CHECK_STR(time_text(INT64_MIN), "");
}

static const char *duration_text(uint64_t s)
{
    static char text[PND_TEXT_TIME_CAP];

    return pnd_text_duration(text, sizeof(text), s);
}

static void durations_stay_short_however_long_they_are(void)
{
    CHECK_STR(duration_text(0), "0:00");
    CHECK_STR(duration_text(3599), "59:59");
    CHECK_STR(duration_text(3600), "1:00:00");
    CHECK_STR(duration_text(359999), "99:59:59");
    CHECK_STR(duration_text(360000), "4d04h");
    CHECK_STR(duration_text(86400 * UINT64_C(99999) + 86399), "99999d23h");
    CHECK_STR(duration_text(UINT64_MAX), "213503982334601d07h");
}

static void sizes_are_read_as_people_type_them(void)
{
    static const struct {
        const char *text;
        int err;
        uint64_t value;
    } rows[] = {
        {"0", 0, 0},
        {"1073741824", 0, 1 << 30},
        {"10G", 0, UINT64_C(10) << 30},
        {"512M", 0, 512 << 20},
        {"64KiB", 0, 65536},
        {"64kb", 0, 65536},
        {"2 T", 0, UINT64_C(2) << 40},
        {"7B", 0, 7},
        {"15E", 0, UINT64_C(15) << 60},
        {"16E", PND_E_RANGE, 0},
        {"18446744073709551616", PND_E_RANGE, 0},
        {"", PND_E_FORMAT, 0},
        {"G", PND_E_FORMAT, 0},
        {"-1", PND_E_FORMAT, 0},
        {" 1", PND_E_FORMAT, 0},
        {"1.5G", PND_E_FORMAT, 0},
        {"10X", PND_E_FORMAT, 0},
        {"10GG", PND_E_FORMAT, 0},
        {"10 ", 0, 10},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t value = 0;

        CHECK_EQ(pnd_text_parse_size(rows[i].text, &value), rows[i].err);
        CHECK_EQ(value, rows[i].value);
    }
}

static void durations_are_read_as_people_type_them(void)
{
    static const struct {
        const char *text;
        int err;
        uint64_t value;
    } rows[] = {
        {"20s", 0, 20000},
        {"2min", 0, 120000},
        {"500ms", 0, 500},
        {"1h", 0, 3600000},
        {"1d", 0, 86400000},
        {"0", 0, 0},
        {"3 s", 0, 3000},
        {"5", PND_E_FORMAT, 0},
        {"5x", PND_E_FORMAT, 0},
        {"s", PND_E_FORMAT, 0},
        {"999999999999999999d", PND_E_RANGE, 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t value = 0;

        CHECK_EQ(pnd_text_parse_duration(rows[i].text, &value), rows[i].err);
        CHECK_EQ(value, rows[i].value);
    }
}

/* ---- log ---- */

/* What @p run writes to standard error. */
static const char *logged(void (*run)(void), bool as_journal)
{
    static char text[8192];
    int fds[2];
    size_t len = 0;
    ssize_t got;
    pid_t child;

    text[0] = '\0';
    if (pipe(fds) < 0)
        return "no pipe";
    child = fork();
    if (child == 0) {
        struct stat st;
        char stream[64];

        dup2(fds[1], STDERR_FILENO);
        fstat(fds[1], &st);
        snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev,
                 (uintmax_t)st.st_ino + !as_journal);
        setenv("JOURNAL_STREAM", stream, 1);
        pnd_log_init(PND_INFO);
        errno = EXDEV;
        run();
        _exit(errno == EXDEV ? 0 : 1);
    }
    close(fds[1]);
    while (len < sizeof(text) - 1 && (got = read(fds[0], text + len, sizeof(text) - 1 - len)) > 0)
        len += (size_t)got;
    text[len] = '\0';
    close(fds[0]);
    int status = -1;
    waitpid(child, &status, 0);
    CHECK_EQ(status, 0);
    return text;
}

static void log_one(void)
{
    pnd_log(PND_WARNING, "transfer-done", "id=%u name=\"%s\"", 7, "a\nb");
    pnd_log(PND_DEBUG, "noise", "x=1");
    pnd_log(PND_INFO, "bare", "%s", "");
}

static void log_long(void)
{
    char big[3000];

    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    pnd_log(PND_INFO, "long", "value=%s", big);
}

static void a_log_line_has_a_time_and_a_level_on_a_terminal(void)
{
    const char *text = logged(log_one, false);

    CHECK(strlen(text) > 25 && text[4] == '-' && text[23] == 'Z');
    CHECK(strncmp(text + 24, " warning transfer-done id=7 name=\"a b\"\n", 39) == 0);
    CHECK(!strstr(text, "noise"));
}

static void a_log_line_has_a_priority_under_systemd(void)
{
    CHECK_STR(logged(log_one, true), "<4>transfer-done id=7 name=\"a b\"\n<6>bare \n");
}

static void a_log_line_that_is_too_long_is_cut(void)
{
    const char *text = logged(log_long, true);

    CHECK_EQ(strlen(text), PND_LOG_LINE_MAX);
    CHECK_STR(text + strlen(text) - 5, "x...\n");
}

/* ---- conf ---- */

struct settings {
    bool flag;
    uint64_t number, size, wait_ms;
    char text[8];
    unsigned items;
    char item[4][16];
};

static int add_item(void *value, const char *item, struct pnd_why *why)
{
    struct settings *settings =
        (struct settings *)(void *)((char *)value - offsetof(struct settings, items));

    if (strlen(item) > 15 || item[0] == '!')
        return pnd_why(why, PND_E_FORMAT, 0, "starts with \"!\"");
    if (settings->items == 4)
        return pnd_why(why, PND_E_FULL, 0, "more than 4 items");
    memcpy(settings->item[settings->items++], item, strlen(item) + 1);
    return PND_OK;
}

static void clear_items(void *value)
{
    *(unsigned *)value = 0;
}

#define KEY(its_section, its_key, its_type, member)                                                \
    .section = (its_section), .key = (its_key), .type = PND_CONF_##its_type,                       \
    .offset = offsetof(struct settings, member)

static const struct pnd_conf_key keys[] = {
    {KEY("one", "flag", BOOL, flag)},
    {KEY("one", "number", UINT, number), .min = 1, .max = 65535},
    {KEY("two", "size", SIZE, size), .min = 65536, .max = UINT64_C(1) << 40},
    {KEY("two", "wait", DURATION, wait_ms), .min = 500, .max = 120000},
    {KEY("two", "text", STRING, text), .min = 1, .max = 8},
    {KEY("two", "items", LIST, items), .allowed = "words", .add = add_item, .clear = clear_items},
};

static const struct settings defaults = {true, 5, 1 << 20, 1000, "def", 1, {"default"}};
static struct settings settings;
static struct pnd_why conf_why;

static bool is_default(const struct settings *s)
{
    return s->flag == defaults.flag && s->number == defaults.number && s->size == defaults.size &&
           s->wait_ms == defaults.wait_ms && strcmp(s->text, defaults.text) == 0 &&
           s->items == defaults.items && strcmp(s->item[0], defaults.item[0]) == 0;
}

static int read_conf_of(const struct pnd_conf_key *of, size_t count, const char *text, size_t len)
{
    char path[] = "/tmp/pnd-test-conf-XXXXXX";
    int fd = mkstemp(path), err;

    settings = defaults;
    conf_why.text[0] = '\0';
    CHECK(fd >= 0 && write(fd, text, len) == (ssize_t)len);
    close(fd);
    err = pnd_conf_read(path, of, count, &settings, sizeof(settings), &conf_why);
    if (err) {
        CHECK(strncmp(conf_why.text, path, strlen(path)) == 0);
        memmove(conf_why.text, conf_why.text + strlen(path),
                strlen(conf_why.text + strlen(path)) + 1);
        CHECK(is_default(&settings));
    }
    unlink(path);
    return err;
}

static int read_conf_bytes(const char *text, size_t len)
{
    return read_conf_of(keys, sizeof(keys) / sizeof(keys[0]), text, len);
}

static int read_conf(const char *text)
{
    return read_conf_bytes(text, strlen(text));
}

static void a_configuration_sets_what_it_names_and_keeps_the_rest(void)
{
    CHECK_EQ(read_conf("# a comment\n[one]\nflag = No\n\n[two]\nsize = 10G ; why\nwait=2min\n"
                       "items = a, b\n  c\n"),
             PND_OK);
    CHECK_EQ(settings.flag, false);
    CHECK_EQ(settings.number, 5);
    CHECK_EQ(settings.size, INT64_C(10) << 30);
    CHECK_EQ(settings.wait_ms, 120000);
    CHECK_STR(settings.text, "def");
    CHECK_EQ(settings.items, 3);
    CHECK_STR(settings.item[0], "a");
    CHECK_STR(settings.item[2], "c");
    CHECK_EQ(read_conf(""), PND_OK);
    CHECK(is_default(&settings));
    CHECK_EQ(read_conf("[one]\nnumber = 7"), PND_OK);
    CHECK_EQ(settings.number, 7);
    CHECK_EQ(read_conf("[two]\nitems =\n"), PND_OK);
    CHECK_EQ(settings.items, 0);
}

static void a_wrong_configuration_is_refused_whole_and_says_where_and_what(void)
{
    static const char *const rows[][2] = {
        {"[one]\nflag = no\n[three]\n", ":3: unknown section [three]; allowed: [one] [two]"},
        {"x = 1\n", ":1: unknown section []; allowed: [one] [two]"},
        {"[one]\nflag = no\nflug = no\n", ":3: [one] has no key \"flug\"; it has: flag number"},
        {"[one]\nsize = 1G\n", ":2: [one] has no key \"size\"; it has: flag number"},
        {"[one]\nflag = no\nflag = no\n",
         ":3: [one] flag is already set in line 2; remove one of them"},
        {"[one]\nflag = no\n[two]\ntext = a\n[one]\nflag = yes\n",
         ":6: [one] flag is already set in line 2; remove one of them"},
        {"[one]\nflag = maybe\n", ":2: [one] flag = \"maybe\"; allowed: yes or no"},
        {"[one]\nnumber = 65536\n",
         ":2: [one] number = \"65536\": too large; allowed: a whole number, 1 to 65535"},
        {"[one]\nnumber = 0\n",
         ":2: [one] number = \"0\": too small; allowed: a whole number, 1 to 65535"},
        {"[one]\nnumber = 1x\n", ":2: [one] number = \"1x\"; allowed: a whole number, 1 to 65535"},
        {"[one]\nnumber = 99999999999999999999\n",
         ":2: [one] number = \"99999999999999999999\": too large; allowed: a whole number, 1 to "
         "65535"},
        {"[two]\nsize = 1K\n", ":2: [two] size = \"1K\": too small; allowed: a size such as 10G, "
                               "512M or 4096, 64K to 1T"},
        {"[two]\nwait = 5\n", ":2: [two] wait = \"5\"; allowed: a duration such as 20s, 2min or "
                              "500ms, 500ms to 2min"},
        {"[two]\ntext = 12345678\n",
         ":2: [two] text = \"12345678\": too long; allowed: a text of 1 to 7 bytes"},
        {"[two]\ntext =\n", ":2: [two] text = \"\": too short; allowed: a text of 1 to 7 bytes"},
        {"[two]\ntext = a\n  b\n",
         ":3: [two] text = \"b\": a second line; allowed: a text of 1 to 7 bytes"},
        {"[two]\nitems = a !b\n", ":2: [two] items = \"!b\": starts with \"!\"; allowed: words"},
        {"[two]\nitems = a b\n c d e\n",
         ":3: [two] items = \"e\": more than 4 items; allowed: words"},
        {"[two]\ntext = \x1b[2J\n\n[four]\n", ":4: unknown section [four]; allowed: [one] [two]"},
        {"[one]\nflag = \x1b\"\n", ":2: [one] flag = \"\\x1b\\\"\"; allowed: yes or no"},
        {"[one]\nflag\n", ":2: neither \"key = value\" nor \"[section]\" nor a comment"},
        {"[one\nflag = no\n", ":1: neither \"key = value\" nor \"[section]\" nor a comment"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CHECK_EQ(read_conf(rows[i][0]), PND_E_FORMAT);
        CHECK_STR(conf_why.text, rows[i][1]);
    }
    CHECK_EQ(read_conf_bytes("[one]\n\0flag = no\n", 17), PND_E_FORMAT);
    CHECK_STR(conf_why.text, ":2: a NUL byte: this is no text file");
}

static void a_line_too_long_for_the_parser_is_an_error_not_two_lines(void)
{
    char text[5000] = "[two]\nitems = ";

    memset(text + strlen(text), 'x', 4000);
    CHECK_EQ(read_conf(text), PND_E_FORMAT);
    CHECK(strncmp(conf_why.text, ":2: the line has 4008 bytes, at most", 36) == 0);
}

/* Two programs, one file: each has its keys, and says of others' only what no program can mean. */
static void what_is_another_programs_is_left_to_it(void)
{
    static const struct pnd_conf_key shared[] = {
        {KEY("one", "number", UINT, number), .min = 1, .max = 65535},
        {.section = "one"},
        {.section = "theirs"},
        {KEY("two", "text", STRING, text), .min = 1, .max = 8},
    };
    static const char *const rows[][2] = {
        {"[one]\nflag = maybe\nflag = no\nnumber = 8\n[theirs]\nx = 1\n  2\n", NULL},
        {"[theirs]\n[one]\nx =\n", NULL},
        {"[one]\nnumber = 0\n",
         ":2: [one] number = \"0\": too small; allowed: a whole number, 1 to 65535"},
        {"[two]\nflag = no\n", ":2: [two] has no key \"flag\"; it has: text"},
        {"[three]\n", ":1: unknown section [three]; allowed: [one] [theirs] [two]"},
        {"[theirs]\nx\n", ":2: neither \"key = value\" nor \"[section]\" nor a comment"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int err = read_conf_of(shared, sizeof(shared) / sizeof(shared[0]), rows[i][0],
                               strlen(rows[i][0]));

        CHECK_EQ(err, rows[i][1] ? PND_E_FORMAT : PND_OK);
        if (err && rows[i][1])
            CHECK_STR(conf_why.text, rows[i][1]);
        CHECK_EQ(settings.number, i == 0 ? 8 : 5);
    }
}

/* ---- sections of which there are many, and texts of several lines ---- */

struct thing {
    char name[PND_CONF_NAME_CAP], lines[16];
    uint64_t number;
};

struct things {
    struct thing at[2];
    unsigned count;
};

static void *add_thing(void *dst, const char *name, struct pnd_why *detail)
{
    struct things *things = dst;

    for (unsigned i = 0; i < things->count; i++)
        if (strcmp(things->at[i].name, name) == 0)
            return pnd_why(detail, PND_E_EXISTS, 0, "is there already") ? NULL : dst;
    if (things->count == 2)
        return pnd_why(detail, PND_E_FULL, 0, "more than 2") ? NULL : dst;
    snprintf(things->at[things->count].name, PND_CONF_NAME_CAP, "%s", name);
    return &things->at[things->count++];
}

static int check_line(const char *line, struct pnd_why *detail)
{
    return strchr(line, '!') ? pnd_why(detail, PND_E_FORMAT, 0, "a \"!\"") : PND_OK;
}

static const struct pnd_conf_key thing_keys[] = {
    {.section = "other"},
    {.section = "theirs", .named = pnd_conf_any_name},
    {.section = "thing",
     .key = "number",
     .type = PND_CONF_UINT,
     .offset = offsetof(struct thing, number),
     .named = add_thing},
    {.section = "thing",
     .key = "lines",
     .type = PND_CONF_LINES,
     .offset = offsetof(struct thing, lines),
     .max = sizeof(((struct thing *)0)->lines),
     .check = check_line,
     .named = add_thing},
};

static struct things things;

static int read_things(const char *text)
{
    char path[] = "/tmp/pnd-test-conf-XXXXXX";
    int fd = mkstemp(path), err;

    memset(&things, 0, sizeof(things));
    conf_why.text[0] = '\0';
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    err = pnd_conf_read(path, thing_keys, 4, &things, sizeof(things), &conf_why);
    if (err)
        memmove(conf_why.text, conf_why.text + strlen(path),
                strlen(conf_why.text + strlen(path)) + 1);
    unlink(path);
    return err;
}

static void a_section_with_a_name_has_values_of_its_own(void)
{
    static const char *const rows[][2] = {
        {"[thing]\n", ":1: unknown section [thing]; allowed: [other] [theirs NAME] [thing NAME]"},
        {"[things a]\n",
         ":1: unknown section [things a]; allowed: [other] [theirs NAME] [thing NAME]"},
        {"[thing a]\n[thing a]\n", ":2: [thing a]: is there already"},
        {"[thing a]\n[thing b]\n[thing c]\n", ":3: [thing c]: more than 2"},
        {"[thing 123456789012345678901234567890123]\n",
         ":1: [thing 12345678901234567890123456789012]: at most 32 bytes"},
        {"[thing a]\nx = 1\n", ":2: [thing a] has no key \"x\"; it has: number lines"},
        {"[thing a]\nnumber = 1\nnumber = 1\n",
         ":3: [thing a] number is already set in line 2; remove one of them"},
    };

    CHECK_EQ(read_things("[thing a]\nnumber = 1\n[other]\nx = 1\n[theirs one]\nx = 2\n"
                         "[thing b c]\nnumber = 2\n"),
             PND_OK);
    CHECK_EQ(things.count, 2);
    CHECK_STR(things.at[0].name, "a");
    CHECK_EQ(things.at[0].number, 1);
    CHECK_STR(things.at[1].name, "b c");
    CHECK_EQ(things.at[1].number, 2);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CHECK_EQ(read_things(rows[i][0]), PND_E_FORMAT);
        CHECK_STR(conf_why.text, rows[i][1]);
        CHECK_EQ(things.count, 0);
    }
}

static void a_text_may_have_lines_and_each_of_them_is_looked_at(void)
{
    CHECK_EQ(read_things("[thing a]\nlines = one\n  two\n  .\n  three\nnumber = 3\n"), PND_OK);
    CHECK_STR(things.at[0].lines, "one\ntwo\n\nthree");
    CHECK_EQ(things.at[0].number, 3);
    CHECK_EQ(read_things("[thing a]\nlines = one\n  tw!\n"), PND_E_FORMAT);
    CHECK_STR(conf_why.text,
              ":3: [thing] lines = \"tw!\": a \"!\"; allowed: a text of 0 to 15 bytes");
    CHECK_EQ(read_things("[thing a]\nlines = 12345678\n 1234567\n"), PND_E_FORMAT);
    CHECK_EQ(read_things("[thing a]\nlines = 12345678\n 123456\n"), PND_OK);
    CHECK_EQ(read_things("[thing a]\nlines = a\nlines = b\n"), PND_E_FORMAT);
}

static void a_configuration_that_is_not_there_is_told_from_one_that_cannot_be_read(void)
{
    CHECK_EQ(pnd_conf_read("/nonexistent/x.conf", keys, 1, &settings, sizeof(settings), &conf_why),
             PND_E_NOTFOUND);
    CHECK_STR(conf_why.text, "read /nonexistent/x.conf: No such file or directory");
    CHECK_EQ(pnd_conf_read("/tmp", keys, 1, &settings, sizeof(settings), &conf_why), PND_E_SYS);
    CHECK_STR(conf_why.text, "read /tmp: Is a directory");
}

int main(void)
{
    RUN(an_error_says_what_failed_and_each_level_prepends_its_own);
    RUN(an_error_longer_than_its_room_is_cut_and_ended);
    RUN(an_error_that_nobody_wants_is_still_returned_and_errno_stays);
    RUN(several_lines_from_outside_can_be_printed_when_they_are_clean);
    RUN(text_from_outside_cannot_break_out_of_quotes_or_reach_the_terminal);
    RUN(escaped_text_that_does_not_fit_is_cut_between_characters);
    RUN(no_bytes_escape_from_escaping);
    RUN(sizes_are_short_and_never_rounded_up);
    RUN(times_are_rfc_3339_with_milliseconds);
    RUN(sizes_are_read_as_people_type_them);
    RUN(durations_stay_short_however_long_they_are);
    RUN(durations_are_read_as_people_type_them);
    RUN(a_log_line_has_a_time_and_a_level_on_a_terminal);
    RUN(a_log_line_has_a_priority_under_systemd);
    RUN(a_log_line_that_is_too_long_is_cut);
    RUN(a_configuration_sets_what_it_names_and_keeps_the_rest);
    RUN(a_wrong_configuration_is_refused_whole_and_says_where_and_what);
    RUN(a_line_too_long_for_the_parser_is_an_error_not_two_lines);
    RUN(what_is_another_programs_is_left_to_it);
    RUN(a_section_with_a_name_has_values_of_its_own);
    RUN(a_text_may_have_lines_and_each_of_them_is_looked_at);
    RUN(a_configuration_that_is_not_there_is_told_from_one_that_cannot_be_read);
    return tap_done();
}
