/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The headers of a kdump-compressed file: what is written is what is read. */
#include "tap.h"

#include "image/kdump_write.h"

static uint8_t head[PND_KDUMP_HEAD_MIN];

static struct pnd_kdump_what what(void)
{
    return (struct pnd_kdump_what){
        .block = 4096,
        .level = 31,
        .frames = 1000000,
        .dumped = 700,
        .phys_base = UINT64_C(0x12000000),
        .time_s = 1700000000,
        .notes_bytes = 5000,
        .info_at = 300,
        .info_bytes = 3300,
        .uts = {"Linux", "node", "6.1.0-test", "#1 SMP", "x86_64", "(none)"},
    };
}

static int write_and_parse(const struct pnd_kdump_what *told, struct pnd_kdump_places *places,
                           struct pnd_kdump *ret)
{
    int err = pnd_kdump_places(told, places);

    if (err)
        return err;
    memset(head, 0, sizeof(head));
    pnd_kdump_write_first(told, places, head);
    pnd_kdump_write_second(told, places, head + places->second);
    return pnd_kdump_parse(head, sizeof(head), ret);
}

static void what_is_written_is_what_is_read(void)
{
    for (uint32_t block = 4096; block <= PND_KDUMP_BLOCK_MAX; block *= 4) {
        struct pnd_kdump_what told = what();
        struct pnd_kdump_places places = {0};
        struct pnd_kdump read = {0};

        told.block = block;
        CHECK_EQ(write_and_parse(&told, &places, &read), PND_OK);
        CHECK(!read.is32 && !read.big);
        CHECK_EQ(read.version, 6);
        CHECK_EQ(read.status, 0);
        CHECK_EQ(read.block, block);
        CHECK_EQ(read.time_s, told.time_s);
        CHECK_EQ(read.pages, told.frames);
        CHECK_EQ(read.first, 0);
        CHECK_EQ(read.end, told.frames);
        CHECK_EQ(read.exists, places.exists);
        CHECK_EQ(read.dumped, places.dumped);
        CHECK_EQ(read.bitmap_bytes, places.bitmap_bytes);
        CHECK_EQ(read.descs, places.descs);
        CHECK_EQ(read.notes, places.notes);
        CHECK_EQ(read.notes_bytes, told.notes_bytes);
        CHECK_EQ(read.info, places.notes + told.info_at);
        CHECK_EQ(read.info_bytes, told.info_bytes);
        CHECK_STR(read.node, "node");
        CHECK_STR(read.release, "6.1.0-test");
        CHECK_STR(read.kernel, "#1 SMP");
        CHECK_STR(read.machine, "x86_64");
    }
}

static void everything_lies_in_its_order_and_begins_at_a_block(void)
{
    static const uint64_t frames[] = {1, 8, 32768, 32769, 1 << 20, PND_KDUMP_PAGES_MAX};

    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        for (uint64_t notes = 0; notes < 10000; notes += 1999) {
            struct pnd_kdump_what told = what();
            struct pnd_kdump_places at = {0};
            struct pnd_kdump read = {0};

            told.frames = told.dumped = frames[i];
            told.notes_bytes = notes;
            told.info_at = told.info_bytes = 0;
            CHECK_EQ(write_and_parse(&told, &at, &read), PND_OK);
            CHECK(at.exists % 4096 == 0 && at.bitmap_bytes % 4096 == 0 && at.data % 4096 == 0);
            CHECK(at.exists >= at.notes + notes && at.exists < at.notes + notes + 4096);
            CHECK(at.bitmap_bytes * 8 >= frames[i]);
            CHECK(at.data >= at.descs + frames[i] * PND_KDUMP_DESC_BYTES);
            CHECK_EQ(read.pages, frames[i]);
            CHECK_EQ(read.info, 0);
        }
    }
}

static void a_page_is_where_its_descriptor_says(void)
{
    struct pnd_kdump kdump = {.block = 4096};
    struct pnd_kdump_page page;
    uint8_t desc[PND_KDUMP_DESC_BYTES];

    pnd_kdump_write_desc(UINT64_C(0x123456789000), 4096, desc);
    CHECK_EQ(pnd_kdump_page(&kdump, desc, &page), PND_OK);
    CHECK_EQ(page.offset, UINT64_C(0x123456789000));
    CHECK_EQ(page.bytes, 4096);
    CHECK_EQ(page.flags, PND_KDUMP_PLAIN);
}

static void a_file_that_cannot_be_is_refused(void)
{
    struct pnd_kdump_places places;
    struct pnd_kdump_what bad;

#define REFUSED(field, value)                                                                      \
    do {                                                                                           \
        bad = what();                                                                              \
        bad.field = (value);                                                                       \
        CHECK_EQ(pnd_kdump_places(&bad, &places), PND_E_RANGE);                                    \
    } while (0)
    REFUSED(block, 0);
    REFUSED(block, 2048);
    REFUSED(block, 4097);
    REFUSED(block, 2 * PND_KDUMP_BLOCK_MAX);
    REFUSED(frames, 0);
    REFUSED(frames, PND_KDUMP_PAGES_MAX + 1);
    REFUSED(frames, UINT64_MAX);
    REFUSED(dumped, 1000001);
    REFUSED(notes_bytes, PND_KDUMP_NOTES_MAX + 1);
    REFUSED(info_at, 5001);
    REFUSED(info_bytes, 4701);
    REFUSED(info_bytes, UINT64_MAX);
#undef REFUSED
}

int main(void)
{
    RUN(what_is_written_is_what_is_read);
    RUN(everything_lies_in_its_order_and_begins_at_a_block);
    RUN(a_page_is_where_its_descriptor_says);
    RUN(a_file_that_cannot_be_is_refused);
    return tap_done();
}
