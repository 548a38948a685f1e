/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The pass over a dump: packed or not, at once or in steps, it sees the same, and finds every byte
 * of it again. */
#include "inspect/packed.h"
#include "inspect/pass.h"
#include "inspect/pass_state.h"
#include "unit/pass_fixture.h"

static struct pnd_pass *pass_over(int fd)
{
    struct pnd_pass *pass = NULL;
    struct pnd_why why = {0};

    CHECK_EQ(pnd_pass_create(fd, &pass, &why), PND_OK);
    CHECK_EQ(pnd_pass_advance(pass, UINT64_MAX, true, NULL, NULL, &why), PND_OK);
    return pass;
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

static void enters_an_lz4_frame_at_its_blocks_where_they_need_nothing(void)
{
    static const struct {
        enum packing packing;
        unsigned points; /* at least: one each MiB, or one in all */
    } kinds[] = {{LZ4_ONE, 5}, {LZ4_SUMS, 5}, {LZ4_LINKED, 1}};
    uint8_t *content = make_content(CONTENT_LEN);

    for (size_t i = 0; i < 3; i++) {
        struct bytes packed = pack_as(kinds[i].packing, content, CONTENT_LEN);
        int fd = file_of(packed.data, packed.len);
        struct pnd_pass *pass = pass_over(fd);

        CHECK(pass->index.count >= kinds[i].points);
        CHECK(kinds[i].points > 1 || pass->index.count == 1);
        pnd_pass_destroy(pass);
        close(fd);
        free(packed.data);
    }
    free(content);
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
            CHECK_MEM(pass->scanner.scan.count, whole->scanner.scan.count,
                      sizeof(whole->scanner.scan.count));
            CHECK_MEM(pass->scanner.scan.at, whole->scanner.scan.at,
                      sizeof(whole->scanner.scan.at));
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

/* ---- LZ4 ---- */

static const LZ4F_frameInfo_t with_sum = {.blockMode = LZ4F_blockIndependent,
                                          .contentChecksumFlag = LZ4F_contentChecksumEnabled};
static const LZ4F_frameInfo_t with_block_sums = {.blockMode = LZ4F_blockIndependent,
                                                 .blockChecksumFlag = LZ4F_blockChecksumEnabled};

static void looks_into_lz4(void)
{
    struct bytes packed = {0};
    uint8_t macho[MACHO_LEN];
    struct pnd_check check;
    size_t first, whole;

    make_macho(macho);
    add_lz4(&packed, macho, 0x1800, &with_sum);
    first = packed.len;
    check = check_bytes(packed.data, first);
    CHECK_STR(check.format, "lz4+macho");
    CHECK_EQ(check.verdict, PND_VERDICT_INCOMPLETE);
    CHECK_EQ(check.missing[0].start, 0x1800);
    add_lz4(&packed, macho + 0x1800, MACHO_LEN - 0x1800, &with_block_sums);
    whole = packed.len;
    check = check_bytes(packed.data, whole);
    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
    CHECK_EQ(check.content_bytes, MACHO_LEN);
    packed.data[whole] = 'x';
    check = check_bytes(packed.data, whole + 1);
    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
    CHECK_STR(check.note, "1 bytes behind the end of the compressed data do not belong to it");
    packed.data[whole - 5] ^= 1; /* of the last block; the end mark follows */
    check = check_bytes(packed.data, whole);
    CHECK_EQ(check.verdict, PND_VERDICT_CORRUPT);
    CHECK(strstr(check.reason, "a block's checksum does not agree") != NULL);
    packed.data[first - 1] ^= 1; /* of the first frame's content */
    check = check_bytes(packed.data, whole);
    CHECK_EQ(check.verdict, PND_VERDICT_CORRUPT);
    CHECK(strstr(check.reason, "(its checksum does not agree)") != NULL);
    CHECK(check.offset <= first && check.offset >= first - 8);
    free(packed.data);
}

static void finds_every_cut_of_an_lz4_frame_incomplete(void)
{
    static const LZ4F_frameInfo_t *const infos[] = {&with_sum, &with_block_sums};
    uint8_t noise[900];

    fill_noise(noise, sizeof(noise));
    memset(noise + 100, 0, 500);
    for (size_t i = 0; i < 2; i++) {
        struct bytes packed = {0};

        add_lz4(&packed, noise, sizeof(noise), infos[i]);
        for (size_t cut = 4; cut < packed.len; cut++) {
            struct pnd_check check = check_bytes(packed.data, cut);

            CHECK_EQ(check.verdict, PND_VERDICT_INCOMPLETE);
            CHECK_STR(check.format, "lz4");
            CHECK(strstr(check.reason, "before the end of its LZ4 frame") != NULL);
            CHECK_EQ(check.missing[0].start, check.content_bytes);
        }
        CHECK_EQ(check_bytes(packed.data, packed.len).verdict, PND_VERDICT_COMPLETE);
        free(packed.data);
    }
}

/* Whatever is turned: it ends, and what is called complete is what it was. */
static void bears_any_byte_of_lz4_turned(void)
{
    struct bytes packed = {0};
    uint8_t *content = make_content(1 << 20);

    add_lz4(&packed, content, 300000, &with_sum);
    for (size_t at = 0; at < packed.len; at += at < 100 ? 1 : 601) {
        uint8_t was = packed.data[at];

        for (unsigned bit = 0; bit < 8; bit++) {
            struct pnd_check check;

            packed.data[at] ^= (uint8_t)(1 << bit);
            check = check_bytes(packed.data, packed.len);
            CHECK(check.verdict != PND_VERDICT_COMPLETE || at < 4);
            packed.data[at] = was;
        }
    }
    free(packed.data);
    free(content);
}

static void an_lz4_block_of_nothing_leads_on(void)
{
    static const uint8_t frame[] = {0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82, /* header */
                                    0,    0,    0,    0x80,                   /* nothing */
                                    5,    0,    0,    0x80, 'h',  'e',  'l',
                                    'l',  'o', /* as it is */
                                    0,    0,    0,    0};
    struct pnd_check check = check_bytes(frame, sizeof(frame));

    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
    CHECK_EQ(check.content_bytes, 5);
    CHECK_EQ(check_bytes(frame, 11).verdict, PND_VERDICT_INCOMPLETE);
}

/* ---- large windows ---- */

static void says_when_a_zstd_window_is_too_large_to_look(void)
{
    /* a frame header that asks for 2 GiB: windowLog 31 */
    static const uint8_t frame[] = {0x28, 0xb5, 0x2f, 0xfd, 0, (31 - 10) << 3, 1, 0, 0};
    struct pnd_check check = check_bytes(frame, sizeof(frame));

    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
    CHECK(strstr(check.note, "zstd -d --long=31") != NULL);
}

/* Two unpackers with such a window would not fit; when all has come, one is enough. */
/* By hand: blocks of every kind, a checksum, a frame to be skipped, and one without a window. */
static void finds_every_cut_of_a_zstd_frame_that_is_too_large(void)
{
    static const uint8_t frames[] = {
        0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x90,                /* with a checksum, window of 256 MiB */
        0x20, 0,    0,    'a',  'b',  'c',  'd',           /* raw */
        0x02, 0x40, 0,    'e',                             /* RLE */
        0x0d, 0,    0,    0,    1,    2,    3,    4,       /* the last, of one byte; checksum */
        0x53, 0x2a, 0x4d, 0x18, 2,    0,    0,    0, 9, 9, /* skipped */
        0x28, 0xb5, 0x2f, 0xfd, 0x20, 1,    0x09, 0, 0, 'f'}; /* one segment of one byte */
    static const size_t ends[] = {25, 35, sizeof(frames)};    /* of a frame */
    uint8_t bad[sizeof(frames)];
    struct pnd_check check;
    unsigned next = 0;

    for (size_t len = 6; len <= sizeof(frames); len++) {
        bool whole = next < 3 && len >= ends[next] && len < ends[next] + 4;

        check = check_bytes(frames, len);
        CHECK_STR(check.format, "zstd");
        CHECK_EQ(check.verdict, whole ? PND_VERDICT_COMPLETE : PND_VERDICT_INCOMPLETE);
        CHECK(strstr(check.note, "zstd -d --long=31") != NULL);
        next += next < 3 && len + 1 == ends[next] + 4;
    }
    memcpy(bad, frames, sizeof(bad));
    bad[6] |= 6;
    check = check_bytes(bad, sizeof(bad));
    CHECK_EQ(check.verdict, PND_VERDICT_CORRUPT);
    CHECK_EQ(check.offset, 6);
}

static void waits_for_the_end_to_read_again_what_a_large_window_packs(void)
{
    uint8_t *content = make_content(CONTENT_LEN);
    const struct pnd_content *got;
    struct bytes packed = {0};
    struct pnd_pass *pass = NULL;
    struct pnd_why why = {0};
    uint8_t byte;
    int fd;

    add_zstd(&packed, content, CONTENT_LEN, 27);
    fd = file_of(packed.data, packed.len);
    CHECK_EQ(pnd_pass_create(fd, &pass, &why), PND_OK);
    CHECK_EQ(pnd_pass_advance(pass, packed.len - 5, false, NULL, NULL, &why), PND_OK);
    got = pnd_pass_input(pass)->content;
    CHECK(got->bytes > PND_CHECK_HEAD_CAP);
    CHECK_EQ(got->read(got->ctx, 77, &byte, 1), PND_OK); /* of the head */
    CHECK_EQ(got->read(got->ctx, got->bytes - 1, &byte, 1), PND_E_SHORT);
    CHECK_EQ(pnd_content_some(got, got->bytes - 1, &byte, 1), 0);
    CHECK_EQ(pnd_pass_advance(pass, packed.len, true, NULL, NULL, &why), PND_OK);
    expect_reads(pnd_pass_input(pass)->content, content, CONTENT_LEN, 10);
    pnd_pass_destroy(pass);
    close(fd);
    free(packed.data);
    free(content);
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
    RUN(reads_any_part_of_packed_content_as_of_plain_content);
    RUN(keeps_the_index_within_its_bounds_however_much_is_packed);
    RUN(enters_an_lz4_frame_at_its_blocks_where_they_need_nothing);
    RUN(stops_readers_that_would_unpack_for_ever);
    RUN(sees_the_same_in_steps_as_at_once);
    RUN(tells_what_it_is_from_a_first_byte_that_comes_alone);
    RUN(looks_into_zstd);
    RUN(finds_every_cut_of_a_zstd_frame_incomplete);
    RUN(looks_into_lz4);
    RUN(finds_every_cut_of_an_lz4_frame_incomplete);
    RUN(bears_any_byte_of_lz4_turned);
    RUN(an_lz4_block_of_nothing_leads_on);
    RUN(says_when_a_zstd_window_is_too_large_to_look);
    RUN(finds_every_cut_of_a_zstd_frame_that_is_too_large);
    RUN(waits_for_the_end_to_read_again_what_a_large_window_packs);
    RUN(reads_what_comes_before_damage_and_no_further);
    RUN(says_that_a_file_is_not_what_it_was_when_it_changes_behind_its_back);
    RUN(reads_a_file_of_holes_as_runs_of_zeros);
    return tap_done();
}
