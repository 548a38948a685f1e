/* SPDX-License-Identifier: BSD-2-Clause
 *
 * FreeBSD's minidump: the layout that is published, the one that must prove itself, and others. */
#include "minidump_fixture.h"

static struct file file;
static struct pnd_minidump md;
static struct pnd_minidump_walk walk;
static struct pnd_minidump_run run;

static int open_file(void)
{
    const struct pnd_minidump_source source = {.ctx = &file, .read = file_read};

    memset(&walk, 0, sizeof(walk));
    return pnd_minidump_open(&md, &source);
}

static void expect(uint64_t start, uint64_t end)
{
    CHECK_EQ(pnd_minidump_next(&md, &walk, &run), PND_OK);
    CHECK_EQ(run.start, start);
    CHECK_EQ(run.end, end);
}

/* The page at @p address of memory has the number of its bit. */
static void expect_page(uint64_t offset, unsigned bit)
{
    CHECK_EQ(file.bytes[offset], bit + 1);
    CHECK_EQ(file.bytes[offset + PAGE - 4], bit + 1);
}

static void pages_of_version_2_are_found_by_their_bits(void)
{
    static const unsigned bits[] = {0, 1, 7, 8, 9, 64, 100, 199};

    make_plain(&file, "the log", bits, 8);
    CHECK_EQ(open_file(), PND_OK);
    CHECK_STR(md.arch, "amd64");
    CHECK_EQ(md.version, 2);
    CHECK_EQ(md.layout, PND_MINIDUMP_PLAIN);
    CHECK_EQ(md.log_offset, PAGE);
    CHECK_EQ(md.log_bytes, LOG_BYTES);
    CHECK_EQ(md.bitmap_offset, BITMAP_AT_PLAIN);
    CHECK_EQ(md.tables_offset, 5 * PAGE);
    CHECK_EQ(md.tables_bytes, TABLE_BYTES);
    CHECK_EQ(md.pages_offset, 7 * PAGE);
    CHECK(md.kernel_base == UINT64_C(0xfffffe0000000000));
    CHECK(md.direct_base == UINT64_C(0xfffff80000000000));
    CHECK(md.direct_end == UINT64_C(0xfffff80100000000));
    expect(0, 2 * PAGE);
    expect_page(run.offset, 0);
    expect(7 * PAGE, 10 * PAGE);
    expect_page(run.offset, 7);
    expect(64 * PAGE, 65 * PAGE);
    expect_page(run.offset, 64);
    expect(100 * PAGE, 101 * PAGE);
    expect(199 * PAGE, 200 * PAGE);
    expect_page(run.offset, 199);
    CHECK_EQ(pnd_minidump_next(&md, &walk, &run), PND_E_NOTFOUND);
    CHECK_EQ(walk.pages, 8);
    CHECK_EQ(md.pages_offset + 8 * PAGE, file.len);
}

static void a_bitmap_of_several_pieces_is_read_once(void)
{
    static const unsigned bits[] = {8 * PAGE - 1, 8 * PAGE, 8 * 3 * PAGE - 1};

    make_head(&file, "amd64", 2, 3 * PAGE, "");
    add_pages(&file, 3 * PAGE, bits, 3);
    CHECK_EQ(open_file(), PND_OK);
    file.reads = 0;
    expect((uint64_t)bits[0] * PAGE, (uint64_t)bits[1] * PAGE + PAGE);
    CHECK_EQ(run.offset, md.pages_offset);
    expect((uint64_t)bits[2] * PAGE, (uint64_t)bits[2] * PAGE + PAGE);
    CHECK_EQ(pnd_minidump_next(&md, &walk, &run), PND_E_NOTFOUND);
    CHECK_EQ(file.reads, 3);
}

static void a_list_of_ranges_says_which_page_a_bit_is(void)
{
    static const unsigned bits[] = {1, 2, 3, 4, 5, 18, 19};
    static const char *const machines[] = {"amd64", "arm64", "riscv", "i386"};

    for (size_t i = 0; i < 4; i++) {
        make_listed(&file, machines[i], "log", bits, 7);
        CHECK_EQ(open_file(), PND_OK);
        CHECK_STR(md.arch, machines[i]);
        CHECK_EQ(md.layout, PND_MINIDUMP_LISTED);
        CHECK_EQ(md.range_count, 2);
        expect(0x2000, 0x5000);
        expect_page(run.offset, 1);
        expect(0x100000, 0x102000);
        expect_page(run.offset, 4);
        expect(0x10e000, 0x110000);
        expect_page(run.offset, 18);
        CHECK_EQ(pnd_minidump_next(&md, &walk, &run), PND_E_NOTFOUND);
        CHECK_EQ(md.pages_offset + walk.pages * PAGE, file.len);
    }
}

static void bits_behind_the_ranges_stand_for_nothing(void)
{
    static const unsigned bits[] = {19, 20, 4000};

    make_listed(&file, "amd64", "", bits, 3);
    CHECK_EQ(open_file(), PND_OK);
    expect(0x10f000, 0x110000);
    CHECK_EQ(pnd_minidump_next(&md, &walk, &run), PND_E_NOTFOUND);
    CHECK_EQ(walk.pages, 1);
}

/* What a later version puts there is only taken for a list when it is one. */
static void what_is_no_list_leaves_the_layout_unknown(void)
{
    static const unsigned bits[] = {1};
    static const struct {
        unsigned at;
        uint64_t value;
    } spoils[] = {
        {0, 0x6000},          /* it ends before it starts */
        {16, 0x4000},         /* it starts within the one before */
        {24, UINT64_MAX - 1}, /* it ends nowhere */
        {24, 0x80000000},     /* too many for the bitmap */
        {40, 1},              /* something behind the end */
        {4088, 1},
    };

    for (size_t i = 0; i < sizeof(spoils) / sizeof(*spoils); i++) {
        make_listed(&file, "amd64", "log", bits, 1);
        set_le(file.bytes + BITMAP_AT_PLAIN + spoils[i].at, spoils[i].value, 8);
        CHECK_EQ(open_file(), PND_OK);
        CHECK_EQ(md.layout, PND_MINIDUMP_UNKNOWN);
        CHECK_EQ(md.log_bytes, LOG_BYTES);
        CHECK_EQ(pnd_minidump_next(&md, &walk, &run), PND_E_NOTFOUND);
    }
    make_listed(&file, "amd64", "log", bits, 1);
    memset(file.bytes + BITMAP_AT_PLAIN, 0, PAGE);
    CHECK_EQ(open_file(), PND_OK);
    CHECK_EQ(md.layout, PND_MINIDUMP_UNKNOWN);
    for (unsigned i = 0; i < PAGE / 16; i++) { /* no end */
        set_le(file.bytes + BITMAP_AT_PLAIN + (size_t)16 * i, (uint64_t)2 * i * PAGE, 8);
        set_le(file.bytes + BITMAP_AT_PLAIN + (size_t)16 * i + 8, (uint64_t)(2 * i + 1) * PAGE, 8);
    }
    CHECK_EQ(open_file(), PND_OK);
    CHECK_EQ(md.layout, PND_MINIDUMP_UNKNOWN);
}

static void other_machines_are_recognised_by_name_alone(void)
{
    static const char *const machines[] = {"powerpc64", "arm", "mips", "sparc64"};

    for (size_t i = 0; i < 4; i++) {
        make_head(&file, machines[i], 1, PAGE, "");
        memset(file.bytes + 24, 0, 40);
        snprintf((char *)file.bytes, 40, "minidump FreeBSD/%s", machines[i]);
        CHECK_EQ(open_file(), PND_OK);
        CHECK_STR(md.arch, machines[i]);
        CHECK_EQ(md.version, 0);
        CHECK_EQ(md.layout, PND_MINIDUMP_UNKNOWN);
        CHECK_EQ(md.log_bytes, 0);
    }
    memcpy(file.bytes, "minidump FreeBSD/\x1b[31m", 23);
    CHECK_EQ(open_file(), PND_OK);
    CHECK_STR(md.arch, "?[31m");
}

static void every_truncation_is_an_answer(void)
{
    static const unsigned bits[] = {1, 3};

    make_listed(&file, "amd64", "log", bits, 2);
    for (uint64_t len = 0, full = file.len; len <= full; len++) {
        int err;

        file.len = len;
        err = open_file();
        CHECK_EQ(err, len < 64 || (len >= 64 && len < 5 * PAGE) ? PND_E_SHORT : PND_OK);
        if (err)
            continue;
        while ((err = pnd_minidump_next(&md, &walk, &run)) == PND_OK)
            ;
        CHECK_EQ(err, len < 6 * PAGE ? PND_E_SHORT : PND_E_NOTFOUND);
    }
}

static void what_cannot_be_read_is_passed_on(void)
{
    static const unsigned bits[] = {1, 3};

    make_plain(&file, "log", bits, 2);
    file.fails_at = 3;
    CHECK_EQ(open_file(), PND_E_SOURCE);
    file.fails_at = BITMAP_AT_PLAIN + 9;
    CHECK_EQ(open_file(), PND_OK);
    CHECK_EQ(pnd_minidump_next(&md, &walk, &run), PND_E_SOURCE);
    file.bytes[0] = 'M';
    file.fails_at = 0;
    CHECK_EQ(open_file(), PND_E_TYPE);
}

static void a_header_of_the_greatest_numbers_does_no_harm(void)
{
    static const unsigned bits[] = {0};

    make_plain(&file, "log", bits, 1);
    memset(file.bytes + 28, 0xff, 12);
    CHECK_EQ(open_file(), PND_OK);
    CHECK_EQ(md.bitmap_offset, PAGE + UINT64_C(0x100000000));
    CHECK_EQ(pnd_minidump_next(&md, &walk, &run), PND_E_SHORT);
    set_le(file.bytes + 24, 3, 4);
    CHECK_EQ(open_file(), PND_E_SHORT);
}

int main(void)
{
    RUN(pages_of_version_2_are_found_by_their_bits);
    RUN(a_bitmap_of_several_pieces_is_read_once);
    RUN(a_list_of_ranges_says_which_page_a_bit_is);
    RUN(bits_behind_the_ranges_stand_for_nothing);
    RUN(what_is_no_list_leaves_the_layout_unknown);
    RUN(other_machines_are_recognised_by_name_alone);
    RUN(every_truncation_is_an_answer);
    RUN(what_cannot_be_read_is_passed_on);
    RUN(a_header_of_the_greatest_numbers_does_no_harm);
    return tap_done();
}
