/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The check of a finished dump: what it says of whole, cut and damaged files. */

#include "inspect/core.h"
#include "unit/check_fixture.h"

static void calls_an_empty_file_empty_and_complete(void)
{
    struct pnd_check check = check_bytes("", 0);

    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
    CHECK_STR(check.format, "empty");
    CHECK_STR(check.sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void calls_other_content_data_and_complete(void)
{
    static const char *const samples[] = {"abc", "\x7f\x45LG", "\x1f\x8b", "\xcf\xfa\xed"};
    struct pnd_check check = check_bytes("abc", 3);

    CHECK_STR(check.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    for (size_t i = 0; i < sizeof(samples) / sizeof(*samples); i++) {
        check = check_bytes(samples[i], strlen(samples[i]));
        CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
        CHECK_STR(check.format, "data");
        CHECK_STR(check.reason, "");
    }
}

static void calls_programs_and_libraries_data_because_they_may_leave_parts_out(void)
{
    uint8_t elf[ELF_LEN], macho[MACHO_LEN];
    struct pnd_check check;

    make_elf(elf);
    set_le(elf + 16, 2, 2);
    check = check_bytes(elf, 200);
    CHECK_STR(check.format, "data");
    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
    make_macho(macho);
    set_le(macho + 12, 10, 4);
    check = check_bytes(macho, 200);
    CHECK_STR(check.format, "data");
    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
}

static void finds_whole_cores_complete_also_with_junk_behind(void)
{
    uint8_t elf[ELF_LEN + 9] = {0}, macho[MACHO_LEN + 9] = {0};

    make_elf(elf);
    make_macho(macho);
    for (size_t junk = 0; junk < 10; junk += 3) {
        struct pnd_check check = check_bytes(elf, ELF_LEN + junk);

        CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
        CHECK_STR(check.format, "elf");
        CHECK_EQ(check.content_bytes, ELF_LEN + junk);
        check = check_bytes(macho, MACHO_LEN + junk);
        CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
        CHECK_STR(check.format, "macho");
        CHECK_EQ(check.missing_count, 0);
    }
}

/* At every length from the magic on: incomplete, and the missing ranges start where it ends. */
static void expect_every_cut_incomplete(const uint8_t *data, size_t len, const char *format)
{
    for (size_t cut = 4; cut < len; cut += cut < 300 ? 1 : 131) {
        struct pnd_check check = check_bytes(data, cut);

        CHECK_EQ(check.verdict, PND_VERDICT_INCOMPLETE);
        CHECK_STR(check.format, format);
        CHECK(check.missing_count >= 1);
        CHECK(check.missing[0].start >= cut);
        CHECK(check.missing[check.missing_count - 1].end >= len);
        CHECK(check.reason[0] != '\0');
    }
}

static void finds_every_cut_of_an_elf_core_incomplete(void)
{
    struct pnd_check check;
    uint8_t elf[ELF_LEN];

    make_elf(elf);
    expect_every_cut_incomplete(elf, sizeof(elf), "elf");
    check = check_bytes(elf, 0x1100);
    CHECK_EQ(check.missing_count, 2);
    CHECK_EQ(check.missing[0].start, 0x1100);
    CHECK_EQ(check.missing[0].end, 0x1800);
    CHECK_EQ(check.missing[1].start, 0x2000);
    CHECK_EQ(check.missing[1].end, 0x3000);
    CHECK_STR(check.reason,
              "the ELF headers promise 12288 bytes, and the content ends at byte 4352");
}

static void finds_every_cut_of_a_macho_core_incomplete(void)
{
    struct pnd_check check;
    uint8_t macho[MACHO_LEN];

    make_macho(macho);
    expect_every_cut_incomplete(macho, sizeof(macho), "macho");
    check = check_bytes(macho, 0x2001);
    CHECK_EQ(check.missing_count, 1);
    CHECK_EQ(check.missing[0].start, 0x2001);
    CHECK_EQ(check.missing[0].end, 0x2028);
}

static void finds_a_macho_core_with_unwritten_commands_incomplete(void)
{
    struct pnd_check check;
    uint8_t macho[MACHO_LEN];

    make_macho(macho);
    memset(macho + 32 + 72, 0, 16 + 40);
    check = check_bytes(macho, sizeof(macho));
    CHECK_EQ(check.verdict, PND_VERDICT_INCOMPLETE);
    CHECK_STR(check.reason, "the sender stopped after 1 of 3 load commands; those behind are zero");
}

static void accepts_unwritten_commands_behind_the_thread_of_an_old_kernel(void)
{
    struct pnd_check check;
    uint8_t macho[MACHO_LEN];

    make_macho(macho);
    memset(macho + 32 + 72 + 16, 0, 40);
    check = check_bytes(macho, sizeof(macho));
    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
}

static void says_that_an_old_kernels_missing_end_may_be_device_memory(void)
{
    struct pnd_check check;
    uint8_t macho[MACHO_LEN];

    make_macho(macho);
    set_le(macho + 32 + 56, 3, 4);
    check = check_bytes(macho, 0x1800);
    CHECK_EQ(check.verdict, PND_VERDICT_INCOMPLETE);
    CHECK(strstr(check.note, "device memory") != NULL);
}

static void finds_headers_that_contradict_themselves_corrupt(void)
{
    uint8_t elf[ELF_LEN], macho[MACHO_LEN];
    struct pnd_check check;

    make_elf(elf);
    set_le(elf + 120 + 8, UINT64_MAX, 8);
    check = check_bytes(elf, sizeof(elf));
    CHECK_EQ(check.verdict, PND_VERDICT_CORRUPT);
    CHECK_EQ(check.offset, 120);
    make_macho(macho);
    set_le(macho + 32 + 72 + 4, 7, 4);
    check = check_bytes(macho, sizeof(macho));
    CHECK_EQ(check.verdict, PND_VERDICT_CORRUPT);
    CHECK_EQ(check.offset, 32 + 72);
    CHECK_EQ(check.missing_count, 0);
}

static void looks_into_gzip(void)
{
    static uint8_t packed[PACKED_CAP];
    uint8_t elf[ELF_LEN], macho[MACHO_LEN];
    struct pnd_check check;

    make_elf(elf);
    make_macho(macho);
    check = check_bytes(packed, pack((const uint8_t *)"hello", 5, packed));
    CHECK_STR(check.format, "gzip");
    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
    CHECK_EQ(check.content_bytes, 5);
    check = check_bytes(packed, pack(elf, sizeof(elf), packed));
    CHECK_STR(check.format, "gzip+elf");
    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
    CHECK_EQ(check.content_bytes, ELF_LEN);
    check = check_bytes(packed, pack(macho, sizeof(macho), packed));
    CHECK_STR(check.format, "gzip+macho");
    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
    check = check_bytes(packed, pack(macho, 0x1234, packed));
    CHECK_EQ(check.verdict, PND_VERDICT_INCOMPLETE);
    CHECK_EQ(check.missing[0].start, 0x1234);
    CHECK_EQ(check.missing[0].end, MACHO_LEN);
}

static void finds_every_cut_of_a_gzip_member_incomplete(void)
{
    static uint8_t packed[PACKED_CAP];
    uint8_t noise[900];
    size_t len;

    fill_noise(noise, sizeof(noise));
    len = pack(noise, sizeof(noise), packed);
    for (size_t cut = 3; cut < len; cut++) {
        struct pnd_check check = check_bytes(packed, cut);

        CHECK_EQ(check.verdict, PND_VERDICT_INCOMPLETE);
        CHECK_STR(check.format, "gzip");
        CHECK_EQ(check.missing_count, 1);
        CHECK_EQ(check.missing[0].start, check.content_bytes);
        CHECK(check.missing[0].end == UINT64_MAX);
        CHECK(cut < len - 8 || check.content_bytes == sizeof(noise));
    }
}

static bool inflates_to(const uint8_t *packed, size_t len, const uint8_t *want, size_t want_len)
{
    uint8_t got[1024] = {0};
    z_stream z = {0};
    bool same;

    if (want_len > sizeof(got) || inflateInit2(&z, 31) != Z_OK)
        abort();
    z.next_in = (z_const Bytef *)(uintptr_t)packed;
    z.avail_in = (uInt)len;
    z.next_out = got;
    z.avail_out = sizeof(got);
    same = inflate(&z, Z_FINISH) == Z_STREAM_END && z.total_out == want_len &&
           memcmp(got, want, want_len) == 0;
    inflateEnd(&z);
    return same;
}

/* A few bits of deflate mean nothing (the padding before a stored block). */
static void finds_every_flipped_bit_of_a_gzip_member_that_means_something(void)
{
    static uint8_t packed[PACKED_CAP];
    uint8_t noise[600];
    size_t len;

    fill_noise(noise, sizeof(noise));
    len = pack(noise, sizeof(noise), packed);
    for (size_t bit = 80; bit < len * 8; bit++) {
        struct pnd_check check;

        packed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        check = check_bytes(packed, len);
        CHECK(check.verdict != PND_VERDICT_COMPLETE ||
              inflates_to(packed, len, noise, sizeof(noise)));
        CHECK(check.verdict != PND_VERDICT_CORRUPT || check.offset <= len);
        packed[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void says_where_and_why_a_gzip_member_is_damaged(void)
{
    static uint8_t packed[PACKED_CAP];
    struct pnd_check check;
    size_t len = pack((const uint8_t *)"hello", 5, packed);

    packed[len - 8] ^= 1;
    check = check_bytes(packed, len);
    CHECK_EQ(check.verdict, PND_VERDICT_CORRUPT);
    CHECK_EQ(check.offset, len - 4);
    CHECK(strstr(check.reason, "(incorrect data check)") != NULL);
    packed[len - 8] ^= 1;
    packed[len - 1] ^= 1;
    check = check_bytes(packed, len);
    CHECK_EQ(check.verdict, PND_VERDICT_CORRUPT);
    CHECK(strstr(check.reason, "(incorrect length check)") != NULL);
    packed[len - 1] ^= 1;
    packed[10] = 7; /* a block of a type that does not exist */
    check = check_bytes(packed, len);
    CHECK_EQ(check.verdict, PND_VERDICT_CORRUPT);
    CHECK_EQ(check.offset, 11);
    CHECK(strstr(check.reason, "(invalid block type)") != NULL);
}

static void goes_on_with_further_gzip_members(void)
{
    static uint8_t packed[PACKED_CAP], both[PACKED_CAP];
    struct pnd_check check;
    uint8_t elf[ELF_LEN];
    size_t first, second;

    make_elf(elf);
    first = pack(elf, 0x1800, both);
    second = pack(elf + 0x1800, ELF_LEN - 0x1800, packed);
    memcpy(both + first, packed, second);
    check = check_bytes(both, first + second);
    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
    CHECK_STR(check.format, "gzip+elf");
    CHECK_EQ(check.content_bytes, ELF_LEN);
    check = check_bytes(both, first);
    CHECK_EQ(check.verdict, PND_VERDICT_INCOMPLETE);
    check = check_bytes(both, first + second - 1);
    CHECK_EQ(check.verdict, PND_VERDICT_INCOMPLETE);
    CHECK(strstr(check.reason, "before its gzip trailer") != NULL);
}

static void notes_bytes_behind_the_last_gzip_member(void)
{
    static uint8_t packed[PACKED_CAP];
    size_t len = pack((const uint8_t *)"hello", 5, packed);

    for (size_t junk = 1; junk < 9; junk++) {
        struct pnd_check check;
        char want[80];

        memset(packed + len, 'x', junk);
        check = check_bytes(packed, len + junk);
        CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
        snprintf(want, sizeof(want),
                 "%zu bytes behind the end of the compressed data do not belong to it", junk);
        CHECK_STR(check.note, want);
    }
}

static void reads_holes_as_the_zeros_they_are(void)
{
    struct pnd_check check = {0}, dense;
    struct pnd_why why = {0};
    static uint8_t zeros[1 << 20];
    int fd = memfd_create("dump", MFD_CLOEXEC);

    CHECK_EQ(ftruncate(fd, sizeof(zeros)), 0);
    CHECK_EQ(pnd_check_file(fd, NULL, NULL, &check, NULL, &why), PND_OK);
    dense = check_bytes(zeros, sizeof(zeros));
    CHECK_STR(check.sha256, dense.sha256);
    CHECK_STR(check.format, "data");
    close(fd);
}

static void merges_and_bounds_the_missing_ranges(void)
{
    struct pnd_check check = {0};

    pnd_check_add_missing(&check, 10, 20);
    pnd_check_add_missing(&check, 30, 40);
    pnd_check_add_missing(&check, 0, 5);
    CHECK_EQ(check.missing_count, 3);
    pnd_check_add_missing(&check, 20, 30);
    CHECK_EQ(check.missing_count, 2);
    CHECK_EQ(check.missing[1].start, 10);
    CHECK_EQ(check.missing[1].end, 40);
    for (uint64_t i = 0; i < 100; i++)
        pnd_check_add_missing(&check, 100 + 10 * i, 105 + 10 * i);
    CHECK_EQ(check.missing_count, PND_CHECK_MISSING_CAP);
    CHECK_EQ(check.missing[PND_CHECK_MISSING_CAP - 1].end, 105 + 10 * 99);
    for (unsigned i = 1; i < check.missing_count; i++)
        CHECK(check.missing[i - 1].end < check.missing[i].start);
}

int main(void)
{
    RUN(calls_an_empty_file_empty_and_complete);
    RUN(calls_other_content_data_and_complete);
    RUN(calls_programs_and_libraries_data_because_they_may_leave_parts_out);
    RUN(finds_whole_cores_complete_also_with_junk_behind);
    RUN(finds_every_cut_of_an_elf_core_incomplete);
    RUN(finds_every_cut_of_a_macho_core_incomplete);
    RUN(finds_a_macho_core_with_unwritten_commands_incomplete);
    RUN(accepts_unwritten_commands_behind_the_thread_of_an_old_kernel);
    RUN(says_that_an_old_kernels_missing_end_may_be_device_memory);
    RUN(finds_headers_that_contradict_themselves_corrupt);
    RUN(looks_into_gzip);
    RUN(finds_every_cut_of_a_gzip_member_incomplete);
    RUN(finds_every_flipped_bit_of_a_gzip_member_that_means_something);
    RUN(says_where_and_why_a_gzip_member_is_damaged);
    RUN(goes_on_with_further_gzip_members);
    RUN(notes_bytes_behind_the_last_gzip_member);
    RUN(reads_holes_as_the_zeros_they_are);
    RUN(merges_and_bounds_the_missing_ranges);
    return tap_done();
}
