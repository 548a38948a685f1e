/* SPDX-License-Identifier: BSD-2-Clause
 *
 * makedumpfile's dumps, compressed and flattened: what they say, and every way in which they are
 * not whole. */
#include "unit/linux_image.h"

static const enum pnd_kdump_packing packings[] = {PND_KDUMP_PLAIN, PND_KDUMP_ZLIB, PND_KDUMP_LZO,
                                                  PND_KDUMP_SNAPPY, PND_KDUMP_ZSTD};

enum {
    PACKINGS = sizeof(packings) / sizeof(packings[0]),
    DESCS_AT = 4 * IMAGE_PAGE,
};

static void every_packing_is_read(void)
{
    image_make(2, false);
    for (size_t i = 0; i < PACKINGS; i++) {
        make_kdump(&(struct kdump_how){.packing = packings[i], .info = true});
        look(file_len);
        CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
        CHECK_STR(check.format, "kdump");
        expect_machine();
    }
}

static void vmcoreinfo_is_looked_for_when_no_header_tells_where(void)
{
    image_make(2, false);
    for (size_t i = 0; i < PACKINGS; i++) {
        make_kdump(&(struct kdump_how){.packing = packings[i]});
        look(file_len);
        expect_machine();
    }
}

static void pages_that_were_left_out_are_in_the_map(void)
{
    image_make(2, false);
    make_kdump(&(struct kdump_how){
        .packing = PND_KDUMP_ZLIB, .info = true, .excluded = UINT64_C(0xfff0000000000000)});
    look(file_len);
    expect_machine();
    CHECK(facts.map_physical);
    CHECK_EQ(facts.range_count, 2);
    CHECK_EQ(facts.ranges[0].bytes[PND_MEMORY_PRESENT], 52 * IMAGE_PAGE);
    CHECK_EQ(facts.ranges[1].start, 52 * IMAGE_PAGE);
    CHECK_EQ(facts.ranges[1].bytes[PND_MEMORY_EXCLUDED], 12 * IMAGE_PAGE);
}

static void a_dump_without_its_page_tables_says_what_it_can(void)
{
    image_make(2, false);
    make_kdump(&(struct kdump_how){
        .packing = PND_KDUMP_ZLIB, .info = true, .excluded = UINT64_C(0xfffffffffff3fffc)});
    look(file_len);
    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
    CHECK_STR(fact(PND_FACT_KERNEL), "6.1.0-test");
    CHECK_STR(fact(PND_FACT_SLIDE), "0x1c000000");
    CHECK_STR(fact(PND_FACT_PANIC), "");
}

static void its_writer_may_say_that_it_is_not_whole(void)
{
    image_make(2, false);
    make_kdump(&(struct kdump_how){
        .packing = PND_KDUMP_ZLIB, .info = true, .status = PND_KDUMP_INCOMPLETE | 1});
    look(file_len);
    CHECK_EQ(check.verdict, PND_VERDICT_INCOMPLETE);
    CHECK(strstr(check.reason, "could not write") != NULL);
    expect_machine();
}

static void every_cut_is_noticed(void)
{
    size_t whole, told = 0;

    image_make(2, false);
    make_kdump(&(struct kdump_how){.packing = PND_KDUMP_LZO, .info = true});
    whole = file_len;
    for (size_t len = 8; len < whole; len += len < DESCS_AT + 2000 ? 61 : 411) {
        look(len);
        CHECK_EQ(check.verdict, PND_VERDICT_INCOMPLETE);
        CHECK(check.missing_count >= 1 && check.missing[0].start == len);
        if (fact(PND_FACT_KERNEL)[0] && told == 0)
            told = len;
    }
    look(whole - 1);
    CHECK_EQ(check.verdict, PND_VERDICT_INCOMPLETE);
    CHECK_EQ(check.missing[0].end, whole);
    CHECK(told > 0 && told < 2 * IMAGE_PAGE); /* with the header */
}

static void a_page_descriptor_that_cannot_be_is_corrupt(void)
{
    static const struct {
        size_t at, size;
        uint64_t value;
    } defects[] = {
        {0, 8, 0},          /* within the headers */
        {0, 8, UINT64_MAX}, /* negative */
        {8, 4, 0},          /* no data */
        {8, 4, 4097},       /* more than a page */
        {12, 4, 0x40},      /* a packing nobody knows */
        {12, 4, 3},         /* two of them */
        {12, 4, 0},         /* plain, and shorter than a page */
    };

    image_make(2, false);
    for (size_t i = 0; i < sizeof(defects) / sizeof(defects[0]); i++) {
        make_kdump(&(struct kdump_how){.packing = PND_KDUMP_ZLIB, .info = true});
        put_le(file_bytes + DESCS_AT + 5 * PND_KDUMP_DESC_BYTES + defects[i].at, defects[i].value,
               defects[i].size);
        look(file_len);
        CHECK_EQ(check.verdict, PND_VERDICT_CORRUPT);
        CHECK_EQ(check.offset, DESCS_AT + 5 * PND_KDUMP_DESC_BYTES);
        CHECK(strstr(check.reason, "page descriptor 5 of 64") != NULL);
    }
}

static void data_that_does_not_unpack_is_no_fact(void)
{
    image_make(2, false);
    make_kdump(&(struct kdump_how){.packing = PND_KDUMP_ZSTD, .info = true});
    memset(file_bytes + DESCS_AT + 64 * PND_KDUMP_DESC_BYTES, 0xa5,
           file_len - DESCS_AT - 64 * (size_t)PND_KDUMP_DESC_BYTES);
    look(file_len);
    CHECK_STR(fact(PND_FACT_KERNEL), "6.1.0-test");
    CHECK_STR(fact(PND_FACT_PANIC), "");
    CHECK_EQ(facts.cpu_count, 2);
}

static void headers_of_other_machines_are_read(void)
{
    struct pnd_kdump kdump;

    image_make(2, false);
    for (unsigned i = 0; i < 4; i++) {
        struct kdump_how how = {
            .packing = PND_KDUMP_ZLIB, .info = true, .is32 = i & 1, .big = i & 2};

        make_kdump(&how);
        CHECK_EQ(pnd_kdump_parse(file_bytes, file_len, &kdump), PND_OK);
        CHECK_EQ(kdump.is32, how.is32);
        CHECK_EQ(kdump.big, how.big);
        CHECK_EQ(kdump.pages, IMAGE_PAGES);
        CHECK_EQ(kdump.info_bytes, strlen(image.info));
        CHECK_EQ(kdump.descs, DESCS_AT);
        CHECK_STR(kdump.machine, "x86_64");
        CHECK(memcmp(file_bytes + kdump.info, image.info, kdump.info_bytes) == 0);
        for (size_t len = 0; len < IMAGE_PAGE + 104; len++)
            CHECK_EQ(pnd_kdump_parse(file_bytes, len, &kdump), PND_E_SHORT);
    }
}

static void a_flattened_dump_is_the_dump(void)
{
    static const size_t pieces[] = {500, 4096, 10007, 1 << 19};

    image_make(2, false);
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        make_kdump(&(struct kdump_how){.packing = PND_KDUMP_ZLIB, .info = true});
        flatten(pieces[i]);
        look(file_len);
        CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
        CHECK_STR(check.format, "flattened");
        expect_machine();
        make_elf_core(&(struct elf_how){.info = true, .virtual = true});
        flatten(pieces[i]);
        look(file_len);
        CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
        expect_machine();
    }
}

static void a_flattened_dump_ends_with_its_last_record(void)
{
    size_t whole;

    image_make(2, false);
    make_kdump(&(struct kdump_how){.packing = PND_KDUMP_ZLIB, .info = true});
    flatten(5000);
    whole = file_len;
    for (size_t len = 16; len < whole; len += 301) {
        look(len);
        CHECK_EQ(check.verdict, PND_VERDICT_INCOMPLETE);
        CHECK_EQ(check.missing[0].start, len);
        CHECK_EQ(check.missing[0].end, UINT64_MAX);
    }
    look(whole - 1);
    CHECK_EQ(check.verdict, PND_VERDICT_INCOMPLETE);
}

static void a_header_that_is_written_again_replaces_the_first(void)
{
    size_t whole, end;

    image_make(2, false);
    make_kdump(&(struct kdump_how){.packing = PND_KDUMP_ZLIB, .info = true});
    flatten(5000);
    end = file_len - 16;
    put_be(file_bytes + end, 0, 8);
    put_be(file_bytes + end + 8, 464, 8);
    memcpy(file_bytes + end + 16, "KDUMP   ", 8);
    for (size_t i = 8; i < 464; i++) /* the first header lies in the record before the end */
        file_bytes[end + 16 + i] = file_bytes[end - 5000 + i];
    file_bytes[end + 16 + 12 + 130] = '9'; /* "9.1.0-test" */
    memset(file_bytes + end + 16 + 464, 0xff, 16);
    whole = end + 16 + 464 + 16;
    look(whole);
    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
    CHECK_STR(fact(PND_FACT_KERNEL_VERSION),
              "Linux version 6.1.0-test (somebody@somewhere) #1 SMP Test 6.1");
    look(end + 16 + 8); /* the new header has begun: the rest is that of the first */
    CHECK_EQ(check.verdict, PND_VERDICT_INCOMPLETE);
    CHECK_STR(fact(PND_FACT_PANIC), "test crash");
}

static void a_flattened_dump_with_a_hole_is_corrupt(void)
{
    image_make(2, false);
    make_kdump(&(struct kdump_how){.packing = PND_KDUMP_PLAIN, .info = true});
    flatten(80000);
    put_be(file_bytes + 4096, UINT64_C(1) << 40, 8); /* a record that belongs elsewhere */
    look(file_len);
    CHECK_EQ(check.verdict, PND_VERDICT_CORRUPT);
    CHECK(strstr(check.reason, "no record") != NULL);
    make_kdump(&(struct kdump_how){.packing = PND_KDUMP_PLAIN, .info = true});
    flatten(80000);
    put_be(file_bytes + 4096 + 8, UINT64_C(1) << 63, 8); /* a length that cannot be */
    look(file_len);
    CHECK_EQ(check.verdict, PND_VERDICT_CORRUPT);
    CHECK_EQ(check.offset, 4096);
}

static void flattened_in_flattened_ends(void)
{
    image_make(1, false);
    make_kdump(&(struct kdump_how){.packing = PND_KDUMP_ZLIB, .info = true});
    for (unsigned i = 0; i < 4; i++)
        flatten(1 << 18);
    look(file_len);
    CHECK_STR(check.format, "flattened");
    CHECK_STR(fact(PND_FACT_PANIC), "");
}

static void no_flipped_byte_is_more_than_a_wrong_fact(void)
{
    image_make(2, false);
    for (size_t at = 0; at < DESCS_AT + 2000; at += at < 9000 ? 7 : 23) {
        make_kdump(&(struct kdump_how){.packing = packings[at % PACKINGS], .info = at & 1});
        if (at & 2)
            flatten(4000);
        file_bytes[at] ^= 0xff;
        look(file_len);
    }
}

static void no_cut_and_no_flip_anywhere_is_wrongly_whole(void)
{
    uint32_t x = 1;
    size_t whole;

    image_make(2, false);
    make_kdump(&(struct kdump_how){.packing = PND_KDUMP_ZLIB, .info = true});
    flatten(3000);
    whole = file_len;
    for (unsigned i = 0; i < 1000; i++) {
        x = x * 1664525 + 1013904223;
        look(16 + (size_t)((uint64_t)x * (whole - 16) >> 32));
        CHECK_EQ(check.verdict, PND_VERDICT_INCOMPLETE);
    }
}

int main(void)
{
    RUN(every_packing_is_read);
    RUN(vmcoreinfo_is_looked_for_when_no_header_tells_where);
    RUN(pages_that_were_left_out_are_in_the_map);
    RUN(a_dump_without_its_page_tables_says_what_it_can);
    RUN(its_writer_may_say_that_it_is_not_whole);
    RUN(every_cut_is_noticed);
    RUN(a_page_descriptor_that_cannot_be_is_corrupt);
    RUN(data_that_does_not_unpack_is_no_fact);
    RUN(headers_of_other_machines_are_read);
    RUN(a_flattened_dump_is_the_dump);
    RUN(a_flattened_dump_ends_with_its_last_record);
    RUN(a_header_that_is_written_again_replaces_the_first);
    RUN(a_flattened_dump_with_a_hole_is_corrupt);
    RUN(flattened_in_flattened_ends);
    RUN(no_flipped_byte_is_more_than_a_wrong_fact);
    RUN(no_cut_and_no_flip_anywhere_is_wrongly_whole);
    pnd_facts_deinit(&facts);
    return tap_done();
}
