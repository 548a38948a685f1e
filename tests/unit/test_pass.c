/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The pass over a dump: packed or not, at once or in steps, it sees the same, and finds every byte
 * of it again. */
#include <zstd.h>

#include "inspect/packed.h"
#include "inspect/pass.h"
#include "inspect/pass_state.h"
#include "inspect/runs.h"
#include "inspect/scanner.h"
#include "unit/check_fixture.h"

enum {
    CONTENT_LEN = 6 << 20,
    PAGE = PND_PASS_PAGE,
};

static uint32_t random_state = 1;

static uint32_t random_below(uint32_t n)
{
    random_state = random_state * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)random_state * n >> 32);
}

/* Memory as it is: pages of zeros and of 'X', noise, text that repeats, and what is looked for. */
static uint8_t *make_content(size_t len)
{
    static const char words[] = "the quick brown fox jumps over the lazy kernel ";
    static const char *const texts[] = {
        "Darwin Kernel Version 21.1.0: root:xnu-8019.41.5~1/RELEASE",
        "panic(cpu 2 caller 0xffffff8000123456): oh",
        "Linux version 6.1.0-18-amd64 (x)",
        "OSRELEASE=6.1.0\nPAGESIZE=4096\n",
        "Kernel panic - not syncing: dead",
        "\npanic: page fault\n",
        "FreeBSD 14.1-RELEASE #0",
        "panicbox 0.1.0\n",
        "Debugger message: panic\n",
    };
    uint8_t *content = calloc(1, len + 64);

    if (!content)
        abort();
    for (size_t at = 0; at + PAGE <= len; at += PAGE) {
        switch (random_below(5)) {
        case 0:
            break;
        case 1:
            memset(content + at, 'X', PAGE);
            break;
        case 2:
            fill_noise(content + at, PAGE);
            content[at] = (uint8_t)at;
            break;
        default:
            for (size_t i = 0; i < PAGE; i++)
                content[at + i] = (uint8_t)words[(i + at / PAGE) % (sizeof(words) - 1)];
        }
    }
    for (unsigned i = 0; i < 200; i++) {
        const char *text = texts[random_below(9)];

        memcpy(content + random_below((uint32_t)len - 64), text, strlen(text));
    }
    return content;
}

/* ---- packing ---- */

struct bytes {
    uint8_t *data;
    size_t len;
};

static void add_gzip(struct bytes *to, const uint8_t *data, size_t len, int level, int window)
{
    size_t cap = len + len / 100 + 4096;
    z_stream z = {0};

    to->data = realloc(to->data, to->len + cap);
    if (!to->data ||
        deflateInit2(&z, level, Z_DEFLATED, window + 16, 3, Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
    z.next_in = (z_const Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)len;
    z.next_out = to->data + to->len;
    z.avail_out = (uInt)cap;
    if (deflate(&z, Z_FINISH) != Z_STREAM_END)
        abort();
    to->len += cap - z.avail_out;
    deflateEnd(&z);
}

static void add_zstd(struct bytes *to, const uint8_t *data, size_t len, int window_log)
{
    size_t cap = ZSTD_compressBound(len) + 64, n;
    ZSTD_CCtx *zstd = ZSTD_createCCtx();

    to->data = realloc(to->data, to->len + cap);
    if (!to->data || !zstd)
        abort();
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_contentSizeFlag, 0);
    if (window_log) {
        ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, window_log);
        ZSTD_CCtx_setParameter(zstd, ZSTD_c_enableLongDistanceMatching, 0);
    }
    {
        ZSTD_inBuffer in = {.src = data, .size = len};
        ZSTD_outBuffer out = {.dst = to->data + to->len, .size = cap};

        n = ZSTD_compressStream2(zstd, &out, &in, ZSTD_e_continue);
        if (ZSTD_isError(n))
            abort();
        n = ZSTD_compressStream2(zstd, &out, &in, ZSTD_e_end);
        if (n != 0)
            abort();
        to->len += out.pos;
    }
    ZSTD_freeCCtx(zstd);
}

enum packing {
    RAW,
    GZIP_APPLE,   /* one member, level 1, window of 4 KiB */
    GZIP_BEST,    /* one member, window of 32 KiB */
    GZIP_MEMBERS, /* many */
    ZSTD_ONE,
    ZSTD_FRAMES,
    PACKINGS,
};

static struct bytes pack_as(enum packing packing, const uint8_t *data, size_t len)
{
    struct bytes packed = {0};

    switch (packing) {
    case RAW:
        packed.data = malloc(len);
        if (!packed.data)
            abort();
        memcpy(packed.data, data, len);
        packed.len = len;
        break;
    case GZIP_APPLE:
        add_gzip(&packed, data, len, 1, 12);
        break;
    case GZIP_BEST:
        add_gzip(&packed, data, len, 6, 15);
        break;
    case ZSTD_ONE:
        add_zstd(&packed, data, len, 0);
        break;
    default:
        for (size_t at = 0, part; at < len; at += part) {
            part = 1 + random_below(1 << 20);
            part = part < len - at ? part : len - at;
            if (packing == GZIP_MEMBERS)
                add_gzip(&packed, data + at, part, 1, 15);
            else
                add_zstd(&packed, data + at, part, 0);
        }
    }
    return packed;
}

static struct pnd_pass *pass_over(int fd)
{
    struct pnd_pass *pass = NULL;
    struct pnd_why why = {0};

    CHECK_EQ(pnd_pass_create(fd, &pass, &why), PND_OK);
    CHECK_EQ(pnd_pass_advance(pass, UINT64_MAX, true, NULL, NULL, &why), PND_OK);
    return pass;
}

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
        memcpy(buf + at, text, 9);
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

/* ---- random access ---- */

static void expect_reads(const struct pnd_content *content, const uint8_t *want, size_t len,
                         unsigned times)
{
    static uint8_t buf[300000];

    for (unsigned i = 0; i < times; i++) {
        uint64_t at = random_below((uint32_t)len);
        size_t part = random_below(i % 3 ? 64 : sizeof(buf));

        part = part < len - at ? part : (size_t)(len - at);
        CHECK_EQ(content->read(content->ctx, at, buf, part), PND_OK);
        CHECK_MEM(buf, want + at, part);
    }
}

static void reads_any_part_of_packed_content_as_of_plain_content(void)
{
    uint8_t *content = make_content(CONTENT_LEN);

    for (enum packing packing = RAW; packing < PACKINGS; packing++) {
        struct bytes packed = pack_as(packing, content, CONTENT_LEN);
        int fd = file_of(packed.data, packed.len);
        struct pnd_pass *pass = pass_over(fd);
        const struct pnd_content *got = pnd_pass_input(pass)->content;
        uint8_t byte;

        CHECK_EQ(got->bytes, CONTENT_LEN);
        CHECK_EQ(got->final, true);
        CHECK_EQ(got->head_len, PND_CHECK_HEAD_CAP);
        CHECK_MEM(got->head, content, PND_CHECK_HEAD_CAP);
        CHECK_EQ(got->fd, packing == RAW ? fd : -1);
        expect_reads(got, content, CONTENT_LEN, 100);
        CHECK_EQ(got->read(got->ctx, CONTENT_LEN - 1, &byte, 1), PND_OK);
        CHECK_EQ(got->read(got->ctx, CONTENT_LEN, &byte, 1), PND_E_SHORT);
        CHECK_EQ(got->read(got->ctx, UINT64_MAX, &byte, 1), PND_E_SHORT);
        CHECK_EQ(got->read(got->ctx, CONTENT_LEN, &byte, 0), PND_OK);
        CHECK_EQ(pnd_content_some(got, CONTENT_LEN - 1, &byte, 9), 1);
        CHECK_EQ(pnd_content_some(got, CONTENT_LEN + 5, &byte, 1), 0);
        pnd_pass_destroy(pass);
        close(fd);
        free(packed.data);
    }
    free(content);
}

static void keeps_the_index_within_its_bounds_however_much_is_packed(void)
{
    static uint8_t chunk[1 << 20], buf[4096];
    struct bytes packed = {0};
    struct pnd_pass *pass;
    const struct pnd_content *content;
    int fd;

    for (unsigned i = 0; i < 600; i++) { /* 600 MiB, 5 MiB packed */
        memset(chunk, 0, sizeof(chunk));
        memcpy(chunk + 4242, &i, sizeof(i));
        add_gzip(&packed, chunk, sizeof(chunk), 1, 15);
    }
    fd = file_of(packed.data, packed.len);
    pass = pass_over(fd);
    content = pnd_pass_input(pass)->content;
    CHECK(pass->index.count <= PND_PASS_POINTS_MAX);
    CHECK(pass->index.count >= PND_PASS_POINTS_MAX / 2);
    CHECK_EQ(content->bytes, UINT64_C(600) << 20);
    for (unsigned i = 0; i < 600; i += 37) {
        unsigned n;

        CHECK_EQ(content->read(content->ctx, ((uint64_t)i << 20) + 4242, &n, sizeof(n)), PND_OK);
        CHECK_EQ(n, i);
        CHECK_EQ(content->read(content->ctx, ((uint64_t)i << 20) + 9000, buf, 4096), PND_OK);
        CHECK_EQ(buf[17], 0);
    }
    pnd_pass_destroy(pass);
    close(fd);
    free(packed.data);
}

static void stops_readers_that_would_unpack_for_ever(void)
{
    uint8_t *content = make_content(CONTENT_LEN);
    struct bytes packed = {0};
    const struct pnd_content *got;
    struct pnd_pass *pass;
    unsigned reads = 0;
    uint8_t byte;
    int fd, err;

    for (int i = 0; i < 4; i++)
        add_zstd(&packed, content, CONTENT_LEN, 0);
    fd = file_of(packed.data, packed.len);
    pass = pass_over(fd);
    got = pnd_pass_input(pass)->content;
    do /* all over the place */
        err = got->read(got->ctx, random_below(CONTENT_LEN * 4), &byte, 1);
    while (err == PND_OK && ++reads < 100000);
    CHECK_EQ(err, PND_E_SOURCE);
    CHECK(reads > 10);
    pnd_pass_destroy(pass);
    close(fd);
    free(packed.data);
    free(content);
}

/* ---- in steps ---- */

static char *facts_text(struct pnd_pass *pass)
{
    struct pnd_why why = {0};
    struct pnd_facts facts;
    json_t *json;
    char *text;

    CHECK_EQ(pnd_pass_facts(pass, &facts, &why), PND_OK);
    json = pnd_facts_to_json(&facts, true);
    text = json_dumps(json, JSON_SORT_KEYS);
    json_decref(json);
    pnd_facts_deinit(&facts);
    return text;
}

/* As the bytes of a dump arrive: the file is written just before it is read. */
static struct pnd_pass *pass_in_steps(const struct bytes *packed, uint32_t step_max, int *ret_fd)
{
    struct pnd_pass *pass = NULL;
    struct pnd_why why = {0};
    size_t at = 0;

    *ret_fd = memfd_create("grows", MFD_CLOEXEC);
    CHECK_EQ(pnd_pass_create(*ret_fd, &pass, &why), PND_OK);
    while (at < packed->len) {
        size_t part = 1 + random_below(step_max);

        part = part < packed->len - at ? part : packed->len - at;
        CHECK_EQ(pwrite(*ret_fd, packed->data + at, part, (off_t)at), part);
        at += part;
        CHECK_EQ(pnd_pass_advance(pass, at, false, NULL, NULL, &why), PND_OK);
        if (random_below(50) == 0)
            free(facts_text(pass)); /* on the way, which must not disturb */
    }
    CHECK_EQ(pnd_pass_advance(pass, at, true, NULL, NULL, &why), PND_OK);
    return pass;
}

static void sees_the_same_in_steps_as_at_once(void)
{
    static const uint32_t steps[] = {20000, 300000, 2 << 20};
    uint8_t *content = make_content(CONTENT_LEN);
    struct pnd_why why = {0};

    make_macho(content);
    for (enum packing packing = RAW; packing < PACKINGS; packing++) {
        struct bytes packed = pack_as(packing, content, CONTENT_LEN);
        int fd = file_of(packed.data, packed.len);
        struct pnd_pass *whole = pass_over(fd);
        struct pnd_check at_once, in_steps;
        char *facts = facts_text(whole);

        CHECK_EQ(pnd_pass_check(whole, &at_once, &why), PND_OK);
        CHECK_EQ(at_once.verdict, PND_VERDICT_COMPLETE);
        for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
            int other;
            struct pnd_pass *pass = pass_in_steps(&packed, steps[i], &other);
            char *theirs = facts_text(pass);

            CHECK_EQ(pnd_pass_check(pass, &in_steps, &why), PND_OK);
            CHECK_STR(in_steps.sha256, at_once.sha256);
            CHECK_STR(in_steps.format, at_once.format);
            CHECK_EQ(in_steps.content_bytes, CONTENT_LEN);
            CHECK_EQ(in_steps.verdict, at_once.verdict);
            CHECK_STR(theirs, facts);
            CHECK_MEM(&pass->scanner.scan, &whole->scanner.scan, sizeof(struct pnd_scan));
            CHECK(pnd_pass_news(pass) > 0);
            expect_reads(pnd_pass_input(pass)->content, content, CONTENT_LEN, 5);
            free(theirs);
            pnd_pass_destroy(pass);
            close(other);
        }
        free(facts);
        pnd_pass_destroy(whole);
        close(fd);
        free(packed.data);
    }
    free(content);
}

static void tells_what_it_is_from_a_first_byte_that_comes_alone(void)
{
    struct pnd_why why = {0};
    struct bytes packed = {0};
    struct pnd_check check;

    add_zstd(&packed, (const uint8_t *)"hello", 5, 0);
    for (int empty = 0; empty < 2; empty++) {
        struct pnd_pass *pass;
        int fd = memfd_create("x", MFD_CLOEXEC);

        CHECK_EQ(pnd_pass_create(fd, &pass, &why), PND_OK);
        CHECK_EQ(pnd_pass_advance(pass, 0, false, NULL, NULL, &why), PND_OK);
        for (size_t at = 0; at < packed.len && !empty; at++) {
            CHECK_EQ(pwrite(fd, packed.data + at, 1, (off_t)at), 1);
            CHECK_EQ(pnd_pass_advance(pass, at + 1, false, NULL, NULL, &why), PND_OK);
        }
        CHECK_EQ(pnd_pass_advance(pass, UINT64_MAX, true, NULL, NULL, &why), PND_OK);
        CHECK_EQ(pnd_pass_check(pass, &check, &why), PND_OK);
        CHECK_STR(check.format, empty ? "empty" : "zstd");
        CHECK_EQ(check.content_bytes, empty ? 0 : 5);
        CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
        pnd_pass_destroy(pass);
        close(fd);
    }
    free(packed.data);
}

/* ---- zstd ---- */

static void looks_into_zstd(void)
{
    struct bytes packed = {0};
    uint8_t macho[MACHO_LEN];
    struct pnd_check check;
    size_t whole;

    make_macho(macho);
    add_zstd(&packed, macho, 0x1800, 0);
    check = check_bytes(packed.data, packed.len);
    CHECK_STR(check.format, "zstd+macho");
    CHECK_EQ(check.verdict, PND_VERDICT_INCOMPLETE);
    CHECK_EQ(check.missing[0].start, 0x1800);
    add_zstd(&packed, macho + 0x1800, MACHO_LEN - 0x1800, 0);
    whole = packed.len;
    check = check_bytes(packed.data, whole);
    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
    CHECK_EQ(check.content_bytes, MACHO_LEN);
    packed.data[whole] = 'x';
    check = check_bytes(packed.data, whole + 1);
    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
    CHECK_STR(check.note, "1 bytes behind the end of the compressed data do not belong to it");
    packed.data[whole - 1] ^= 1; /* the checksum */
    check = check_bytes(packed.data, whole);
    CHECK_EQ(check.verdict, PND_VERDICT_CORRUPT);
    CHECK(strstr(check.reason, "checksum") != NULL);
    CHECK(check.offset <= whole && check.offset > 0);
    free(packed.data);
}

static void finds_every_cut_of_a_zstd_frame_incomplete(void)
{
    struct bytes packed = {0};
    uint8_t noise[900];

    fill_noise(noise, sizeof(noise));
    add_zstd(&packed, noise, sizeof(noise), 0);
    for (size_t cut = 4; cut < packed.len; cut++) {
        struct pnd_check check = check_bytes(packed.data, cut);

        CHECK_EQ(check.verdict, PND_VERDICT_INCOMPLETE);
        CHECK_STR(check.format, "zstd");
        CHECK(strstr(check.reason, "before the end of its zstd frame") != NULL);
        CHECK_EQ(check.missing[0].start, check.content_bytes);
    }
    free(packed.data);
}

static void says_when_a_zstd_window_is_too_large_to_look(void)
{
    /* a frame header that asks for 2 GiB: windowLog 31 */
    static const uint8_t frame[] = {0x28, 0xb5, 0x2f, 0xfd, 0, (31 - 10) << 3, 1, 0, 0};
    struct pnd_check check = check_bytes(frame, sizeof(frame));

    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
    CHECK(strstr(check.note, "zstd -d --long=31") != NULL);
}

/* ---- damage, holes ---- */

static void reads_what_comes_before_damage_and_no_further(void)
{
    uint8_t *content = make_content(CONTENT_LEN);
    struct bytes packed = {0};
    const struct pnd_content *got;
    struct pnd_pass *pass;
    struct pnd_why why = {0};
    struct pnd_check check;
    uint8_t byte;
    int fd;

    add_gzip(&packed, content, CONTENT_LEN, 1, 12);
    for (size_t i = packed.len * 9 / 10; i < packed.len * 9 / 10 + 64; i++)
        packed.data[i] ^= 0xff;
    fd = file_of(packed.data, packed.len);
    pass = pass_over(fd);
    got = pnd_pass_input(pass)->content;
    CHECK_EQ(pnd_pass_check(pass, &check, &why), PND_OK);
    CHECK_EQ(check.verdict, PND_VERDICT_CORRUPT);
    CHECK(check.offset > packed.len * 9 / 10 - 1);
    CHECK(got->bytes > CONTENT_LEN * 7 / 10);
    expect_reads(got, content, CONTENT_LEN * 7 / 10, 20);
    CHECK_EQ(got->read(got->ctx, got->bytes - 1, &byte, 1), PND_OK);
    CHECK_EQ(got->read(got->ctx, got->bytes, &byte, 1), PND_E_SHORT);
    pnd_pass_destroy(pass);
    close(fd);
    free(packed.data);
    free(content);
}

static void says_that_a_file_is_not_what_it_was_when_it_changes_behind_its_back(void)
{
    uint8_t *content = make_content(CONTENT_LEN), byte;
    struct bytes packed = {0};
    const struct pnd_content *got;
    struct pnd_pass *pass;
    int fd;

    add_gzip(&packed, content, CONTENT_LEN, 1, 12);
    fd = file_of(packed.data, packed.len);
    pass = pass_over(fd);
    got = pnd_pass_input(pass)->content;
    CHECK_EQ(ftruncate(fd, 1000), 0);
    CHECK_EQ(got->read(got->ctx, CONTENT_LEN - 1, &byte, 1), PND_E_SOURCE);
    pnd_pass_destroy(pass);
    close(fd);
    free(packed.data);
    free(content);
}

static void reads_a_file_of_holes_as_runs_of_zeros(void)
{
    const struct pnd_reader_input *in;
    struct pnd_pass *pass;
    int fd = memfd_create("holes", MFD_CLOEXEC);

    CHECK_EQ(ftruncate(fd, 64 << 20), 0);
    CHECK_EQ(pwrite(fd, "panic(cpu 1 caller", 18, (32 << 20) + 5), 18);
    pass = pass_over(fd);
    in = pnd_pass_input(pass);
    CHECK_EQ(in->run_count, 2);
    CHECK_EQ(in->runs[0].end, 32 << 20);
    CHECK_EQ(in->runs[1].start, (32 << 20) + PAGE);
    CHECK_EQ(in->runs[1].end, 64 << 20);
    CHECK_EQ(in->scan->count[PND_SCAN_XNU_PANIC], 1);
    CHECK_EQ(in->scan->at[PND_SCAN_XNU_PANIC][0], (32 << 20) + 5);
    pnd_pass_destroy(pass);
    close(fd);
}

int main(void)
{
    RUN(finds_the_same_texts_in_pieces_of_any_size);
    RUN(finds_a_text_at_every_offset_and_at_the_very_end);
    RUN(asks_for_what_must_follow_a_text);
    RUN(finds_the_runs_of_equal_pages_in_pieces_of_any_size);
    RUN(keeps_the_long_runs_when_there_are_too_many);
    RUN(reads_any_part_of_packed_content_as_of_plain_content);
    RUN(keeps_the_index_within_its_bounds_however_much_is_packed);
    RUN(stops_readers_that_would_unpack_for_ever);
    RUN(sees_the_same_in_steps_as_at_once);
    RUN(tells_what_it_is_from_a_first_byte_that_comes_alone);
    RUN(looks_into_zstd);
    RUN(finds_every_cut_of_a_zstd_frame_incomplete);
    RUN(says_when_a_zstd_window_is_too_large_to_look);
    RUN(reads_what_comes_before_damage_and_no_further);
    RUN(says_that_a_file_is_not_what_it_was_when_it_changes_behind_its_back);
    RUN(reads_a_file_of_holes_as_runs_of_zeros);
    return tap_done();
}
