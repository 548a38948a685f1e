/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is found while content goes by: known texts and runs of equal pages, in pieces of any size,
 * as a search byte by byte finds them. */
#include "inspect/pass.h"
#include "inspect/runs.h"
#include "inspect/scanner.h"
#include "unit/pass_fixture.h"

/* ---- the scanner ---- */

struct wanted {
    enum pnd_scan_text text;
    const char *bytes;
    size_t len, skip;
};

/* As scan.h says it, byte by byte. */
static void search_slowly(const uint8_t *data, size_t len, struct pnd_scan *ret)
{
    static const struct wanted all[] = {
        {PND_SCAN_XNU_PANIC, "panic(cpu ", 10, 0},
        {PND_SCAN_XNU_DEBUGGER, "Debugger message: ", 18, 0},
        {PND_SCAN_XNU_VERSION, "Darwin Kernel Version ", 22, 0},
        {PND_SCAN_LINUX_INFO, "OSRELEASE=", 10, 0},
        {PND_SCAN_LINUX_VERSION, "Linux version ", 14, 0},
        {PND_SCAN_LINUX_PANIC, "Kernel panic - not syncing: ", 28, 0},
        {PND_SCAN_BSD_PANIC, "\npanic: ", 8, 1},
        {PND_SCAN_BSD_PANIC, "\0panic: ", 8, 1},
        {PND_SCAN_BSD_VERSION, "FreeBSD ", 8, 0},
        {PND_SCAN_PANICBOX, "panicbox ", 9, 0},
    };

    memset(ret, 0, sizeof(*ret));
    for (size_t at = 0; at < len; at++) {
        for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
            enum pnd_scan_text text = all[i].text;
            size_t end = at + all[i].len;

            if (len - at < all[i].len || memcmp(data + at, all[i].bytes, all[i].len) != 0)
                continue;
            if ((text == PND_SCAN_XNU_PANIC || text == PND_SCAN_XNU_VERSION ||
                 text == PND_SCAN_LINUX_INFO || text == PND_SCAN_LINUX_VERSION ||
                 text == PND_SCAN_PANICBOX || text == PND_SCAN_BSD_VERSION) &&
                (end >= len || data[end] < '0' || data[end] > '9'))
                continue;
            if (text == PND_SCAN_BSD_VERSION &&
                !memchr(data + end + 1, '-', len - end - 1 < 8 ? len - end - 1 : 8))
                continue;
            if (ret->count[text] == PND_SCAN_HITS) {
                memmove(&ret->at[text][16], &ret->at[text][17], 15 * sizeof(uint64_t));
                ret->count[text]--;
            }
            ret->at[text][ret->count[text]++] = at + all[i].skip;
        }
    }
}

static void feed_in_pieces(const uint8_t *data, size_t len, uint32_t piece_max,
                           struct pnd_scanner *ret)
{
    pnd_scanner_init(ret);
    for (size_t at = 0, part; at < len; at += part) {
        part = 1 + random_below(piece_max);
        part = part < len - at ? part : len - at;
        pnd_scanner_feed(ret, data + at, part);
    }
    pnd_scanner_end(ret);
}

static void finds_the_same_texts_in_pieces_of_any_size(void)
{
    static const uint32_t sizes[] = {1, 2, 7, 31, 32, 33, 64, 100, 5000, 1 << 20};
    static struct pnd_scanner scanner;
    uint8_t *content = make_content(1 << 20);
    struct pnd_scan slow;

    search_slowly(content, 1 << 20, &slow);
    for (size_t i = 0; i < PND_SCAN_COUNT; i++)
        CHECK(slow.count[i] > 3);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        feed_in_pieces(content, 1 << 20, sizes[i], &scanner);
        CHECK_MEM(scanner.scan.count, slow.count, sizeof(slow.count));
        for (size_t t = 0; t < PND_SCAN_COUNT; t++)
            CHECK_MEM(scanner.scan.at[t], slow.at[t], slow.count[t] * sizeof(uint64_t));
    }
    free(content);
}

static void finds_a_text_at_every_offset_and_at_the_very_end(void)
{
    static const char text[] = "\npanic: x";
    static struct pnd_scanner scanner;
    uint8_t buf[160];

    for (size_t at = 0; at <= sizeof(buf) - 9; at++) {
        memset(buf, 'p', sizeof(buf));
        put_text(buf + at, text);
        for (size_t cut = 0; cut < sizeof(buf); cut += 11) {
            pnd_scanner_init(&scanner);
            pnd_scanner_feed(&scanner, buf, cut);
            pnd_scanner_feed(&scanner, buf + cut, sizeof(buf) - cut);
            pnd_scanner_end(&scanner);
            CHECK_EQ(scanner.scan.count[PND_SCAN_BSD_PANIC], 1);
            CHECK_EQ(scanner.scan.at[PND_SCAN_BSD_PANIC][0], at + 1);
        }
    }
}

static void asks_for_what_must_follow_a_text(void)
{
    static const char *const no[] = {
        "panic(cpu x", "Linux version six", "OSRELEASE=%s",           "FreeBSD 14 without the rest",
        "FreeBSD -1",  " panic: x",         "Darwin Kernel Version ", "panicbox version"};
    static struct pnd_scanner scanner;

    for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++) {
        pnd_scanner_init(&scanner);
        pnd_scanner_feed(&scanner, (const uint8_t *)no[i], strlen(no[i]));
        pnd_scanner_end(&scanner);
        for (size_t t = 0; t < PND_SCAN_COUNT; t++)
            CHECK_EQ(scanner.scan.count[t], 0);
    }
}

/* ---- runs ---- */

static void finds_the_runs_of_equal_pages_in_pieces_of_any_size(void)
{
    static const uint32_t sizes[] = {1, 100, PAGE, 3 * PAGE + 5, 1 << 20};
    size_t len = 1 << 20;
    uint8_t *content = make_content(len);

    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        const struct pnd_pass_run *list;
        struct pnd_runs runs;
        size_t count, at = 0, part;
        bool same;

        pnd_runs_init(&runs);
        while (at < len) {
            size_t piece = 1 + random_below(sizes[i]);

            piece = piece < len - at ? piece : len - at;
            for (size_t done = 0; done < piece; done += part) {
                part = pnd_runs_take(&runs, content + at + done, piece - done, &same);
                CHECK(part >= 1 && part <= piece - done);
            }
            at += piece;
        }
        count = pnd_runs_list(&runs, &list);
        at = 0;
        for (size_t page = 0; page < len; page += PAGE) {
            uint8_t first = content[page];
            bool equal = (first == 0 || first == 'X') &&
                         memcmp(content + page, content + page + 1, PAGE - 1) == 0;
            bool listed;

            while (at < count && list[at].end <= page)
                at++;
            listed = at < count && list[at].start <= page;
            CHECK_EQ(listed, equal);
            if (listed)
                CHECK_EQ(list[at].kind, first ? PND_MEMORY_UNREADABLE : PND_MEMORY_ZERO);
        }
        pnd_runs_deinit(&runs);
    }
    free(content);
}

static void keeps_the_long_runs_when_there_are_too_many(void)
{
    static uint8_t zeros[64 * PAGE], noise[PAGE];
    const struct pnd_pass_run *list;
    struct pnd_runs runs;
    size_t count;
    bool same;

    pnd_runs_init(&runs);
    memset(noise, 'n', sizeof(noise));
    for (size_t i = 0; i < 200000; i++) {
        pnd_runs_take(&runs, zeros, i % 1000 == 7 ? sizeof(zeros) : PAGE, &same);
        pnd_runs_take(&runs, noise, PAGE, &same);
    }
    count = pnd_runs_list(&runs, &list);
    CHECK(count <= PND_PASS_RUNS_MAX);
    for (size_t i = 0, large = 0; i <= count; i++) {
        if (i == count)
            CHECK_EQ(large, 200);
        else if (list[i].end - list[i].start == sizeof(zeros))
            large++;
        if (i && i < count)
            CHECK(list[i - 1].end < list[i].start);
    }
    pnd_runs_deinit(&runs);
}

int main(void)
{
    RUN(finds_the_same_texts_in_pieces_of_any_size);
    RUN(finds_a_text_at_every_offset_and_at_the_very_end);
    RUN(asks_for_what_must_follow_a_text);
    RUN(finds_the_runs_of_equal_pages_in_pieces_of_any_size);
    RUN(keeps_the_long_runs_when_there_are_too_many);
    return tap_done();
}
