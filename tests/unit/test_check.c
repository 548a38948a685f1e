/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The check of a finished dump: what it says of whole, cut and damaged files, and that the child
 * which does it can do nothing else. */
#include "inspect/check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zlib.h>

#include "inspect/answer.h"
#include "inspect/core.h"
#include "inspect/sandbox.h"
#include "tap.h"

enum {
    ELF_LEN = 0x3000,   /* what make_elf() promises */
    MACHO_LEN = 0x2028, /* what make_macho() promises: the last thing is a note */
    PACKED_CAP = 1 << 16,
};

static void set_le(uint8_t *at, uint64_t v, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(v >> (8 * i));
}

/* Bytes that no compressor shortens much, so that cuts fall within data. */
static void fill_noise(uint8_t *at, size_t len)
{
    uint32_t x = 0x12345678;

    for (size_t i = 0; i < len; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        at[i] = (uint8_t)x;
    }
}

/* A note at 0x1000 of 0x800, a load at 0x2000 of 0x1000. */
static void make_elf(uint8_t buf[ELF_LEN])
{
    const uint8_t ident[7] = {0x7f, 'E', 'L', 'F', 2, 1, 1};

    memset(buf, 0, 0x1000);
    fill_noise(buf + 0x1000, ELF_LEN - 0x1000);
    memcpy(buf, ident, sizeof(ident));
    set_le(buf + 16, 4, 2);
    set_le(buf + 18, 62, 2);
    set_le(buf + 32, 64, 8);
    set_le(buf + 54, 56, 2);
    set_le(buf + 56, 2, 2);
    set_le(buf + 64, 4, 4);
    set_le(buf + 64 + 8, 0x1000, 8);
    set_le(buf + 64 + 32, 0x800, 8);
    set_le(buf + 120, 1, 4);
    set_le(buf + 120 + 8, 0x2000, 8);
    set_le(buf + 120 + 32, 0x1000, 8);
}

/* A segment at 0x1000 of 0x1000, a thread, a note at 0x2000 of 40. */
static void make_macho(uint8_t buf[MACHO_LEN])
{
    uint8_t *at = buf + 32;

    memset(buf, 0, 0x1000);
    fill_noise(buf + 0x1000, MACHO_LEN - 0x1000);
    set_le(buf, 0xfeedfacf, 4);
    set_le(buf + 4, 0x01000007, 4);
    set_le(buf + 12, 4, 4);
    set_le(buf + 16, 3, 4);
    set_le(buf + 20, 72 + 16 + 40, 4);
    set_le(at, 0x19, 4);
    set_le(at + 4, 72, 4);
    set_le(at + 32, 0x1000, 8);
    set_le(at + 40, 0x1000, 8);
    set_le(at + 48, 0x1000, 8);
    set_le(at + 56, 1, 4);
    at += 72;
    set_le(at, 4, 4);
    set_le(at + 4, 16, 4);
    at += 16;
    set_le(at, 0x31, 4);
    set_le(at + 4, 40, 4);
    set_le(at + 24, 0x2000, 8);
    set_le(at + 32, 40, 8);
}

/* As the panicking kernel does it: level 1, 4 KiB window. */
static size_t pack(const uint8_t *data, size_t len, uint8_t packed[PACKED_CAP])
{
    z_stream z = {0};
    size_t got;

    if (deflateInit2(&z, 1, Z_DEFLATED, 12 + 16, 3, Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
    z.next_in = (z_const Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)len;
    z.next_out = packed;
    z.avail_out = PACKED_CAP;
    if (deflate(&z, Z_FINISH) != Z_STREAM_END)
        abort();
    got = PACKED_CAP - z.avail_out;
    deflateEnd(&z);
    return got;
}

static int file_of(const void *data, size_t len)
{
    int fd = memfd_create("dump", MFD_CLOEXEC);

    if (fd < 0 || pwrite(fd, data, len, 0) != (ssize_t)len)
        abort();
    return fd;
}

static struct pnd_check check_bytes(const void *data, size_t len)
{
    struct pnd_check check = {0};
    struct pnd_why why = {0};
    int fd = file_of(data, len);

    CHECK_EQ(pnd_check_file(fd, NULL, NULL, &check, &why), PND_OK);
    CHECK_STR(why.text, "");
    CHECK_EQ(check.bytes, len);
    close(fd);
    return check;
}

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
    CHECK_EQ(pnd_check_file(fd, NULL, NULL, &check, &why), PND_OK);
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

static void answers_from_the_child_as_from_this_process(void)
{
    static uint8_t packed[PACKED_CAP];
    struct pnd_check here, there = {0};
    struct pnd_check_child child;
    struct pnd_why why = {0};
    uint8_t elf[ELF_LEN];
    size_t len;
    int fd;

    make_elf(elf);
    for (size_t cut = 0; cut <= ELF_LEN; cut += 0x800) {
        len = pack(elf, cut, packed);
        here = check_bytes(packed, len);
        fd = file_of(packed, len);
        CHECK_EQ(pnd_check_start(fd, &child, &why), PND_OK);
        CHECK_EQ(pnd_check_collect(&child, &there, &why), PND_OK);
        CHECK_STR(why.text, "");
        CHECK_EQ(there.verdict, here.verdict);
        CHECK_STR(there.format, here.format);
        CHECK_STR(there.reason, here.reason);
        CHECK_STR(there.sha256, here.sha256);
        CHECK_EQ(there.bytes, here.bytes);
        CHECK_EQ(there.content_bytes, here.content_bytes);
        CHECK_EQ(there.missing_count, here.missing_count);
        CHECK_MEM(there.missing, here.missing, sizeof(here.missing));
        CHECK_EQ(lseek(fd, 0, SEEK_CUR), len); /* the progress, seen from here */
        close(fd);
    }
}

static void survives_a_bomb_in_the_child_within_its_memory(void)
{
    static uint8_t zeros[1 << 20], packed[PACKED_CAP];
    struct pnd_check_child child;
    struct pnd_check check = {0};
    struct pnd_why why = {0};
    size_t len = pack(zeros, sizeof(zeros), packed);
    int fd = memfd_create("bomb", MFD_CLOEXEC);

    for (int i = 0; i < 256; i++)
        CHECK_EQ(pwrite(fd, packed, len, (off_t)(len * (size_t)i)), len);
    CHECK_EQ(pnd_check_start(fd, &child, &why), PND_OK);
    CHECK_EQ(pnd_check_collect(&child, &check, &why), PND_OK);
    CHECK_EQ(check.content_bytes, UINT64_C(256) << 20);
    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
    close(fd);
}

static void survives_a_child_that_dies(void)
{
    struct pnd_check_child child;
    struct pnd_check check = {0};
    struct pnd_why why = {0};
    int fd = memfd_create("large", MFD_CLOEXEC);

    CHECK_EQ(ftruncate(fd, (off_t)64 << 30), 0);
    CHECK_EQ(pnd_check_start(fd, &child, &why), PND_OK);
    kill(child.pid, SIGSEGV);
    CHECK_EQ(pnd_check_collect(&child, &check, &why), PND_E_FORMAT);
    CHECK(strstr(why.text, "the check process ") != NULL);
    CHECK_EQ(child.result_fd, -1);
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left behind */
    CHECK_EQ(errno, ECHILD);
    close(fd);
}

static void says_why_a_file_cannot_be_read_by_the_child(void)
{
    struct pnd_check_child child;
    struct pnd_check check = {0};
    struct pnd_why why = {0};
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    CHECK_EQ(pnd_check_start(fd, &child, &why), PND_OK);
    CHECK_EQ(pnd_check_collect(&child, &check, &why), PND_E_SYS);
    CHECK_STR(why.text, "read the dump at byte 0: Is a directory");
    close(fd);
}

/* A child that says @p len bytes at @p msg and then sleeps. */
static void speak(const void *msg, size_t len, struct pnd_check_child *ret)
{
    int pipes[2];

    if (pipe(pipes) != 0)
        abort();
    ret->pid = fork();
    if (ret->pid == 0) {
        if (write(pipes[1], msg, len) != (ssize_t)len)
            _exit(1);
        pause();
        _exit(0);
    }
    close(pipes[1]);
    ret->result_fd = pipes[0];
}

static void refuses_answers_without_sense(void)
{
    uint8_t good[PND_ANSWER_LEN], bad[PND_ANSWER_LEN + 1] = {0};
    struct pnd_check check = check_bytes("abc", 3), got;
    struct pnd_why none = {0}, why;
    struct pnd_check_child child;

    pnd_answer_encode(PND_OK, &check, &none, good);
    CHECK_EQ(pnd_answer_decode(good, sizeof(good), &got, &why), PND_OK);
    for (size_t len = 0; len < sizeof(good); len += 7)
        CHECK_EQ(pnd_answer_decode(good, len, &got, &why), PND_E_FORMAT);
    memcpy(bad, good, sizeof(good));
    CHECK_EQ(pnd_answer_decode(bad, sizeof(bad), &got, &why), PND_E_FORMAT);
    for (size_t i = 0; i < 40; i++) { /* the numbers in front of the texts */
        memcpy(bad, good, sizeof(good));
        bad[i] ^= 0x40;
        CHECK(pnd_answer_decode(bad, sizeof(good), &got, &why) != PND_OK || (i >= 12 && i < 36));
    }
    memcpy(bad, good, sizeof(good));
    bad[40] = '\x1b'; /* into the format */
    CHECK_EQ(pnd_answer_decode(bad, sizeof(good), &got, &why), PND_E_FORMAT);

    speak(bad, sizeof(bad), &child);
    CHECK_EQ(pnd_check_collect(&child, &got, &why), PND_E_FORMAT);
    CHECK_STR(why.text, "the check process gave no proper answer");
    speak(good, 100, &child);
    CHECK_EQ(pnd_check_collect(&child, &got, &why), PND_E_FORMAT);
}

/* In a forked child: into the sandbox, and then what is given. @return the wait status */
static int confined(void (*act)(void))
{
    struct pnd_sandbox sandbox = {.memory_max = PND_CHECK_MEMORY_MAX, .cpu_s_max = 5};
    struct pnd_why why = {0};
    int status = 0, fd = file_of("abc", 3), pipes[2];
    pid_t pid;

    fflush(stdout);
    if (pipe(pipes) != 0)
        abort();
    pid = fork();
    if (pid == 0) {
        int dump = fcntl(fd, F_DUPFD, 10), answer = fcntl(pipes[1], F_DUPFD, 10);

        dup2(dump, PND_SANDBOX_DUMP_FD);
        dup2(answer, PND_SANDBOX_ANSWER_FD);
        if (pnd_sandbox_enter(&sandbox, &why))
            _exit(9);
        act();
        _exit(0);
    }
    close(fd);
    close(pipes[0]);
    close(pipes[1]);
    waitpid(pid, &status, 0);
    return status;
}

static void act_harmless(void)
{
    char byte;

    if (read(PND_SANDBOX_DUMP_FD, &byte, 1) != 1 || byte != 'a')
        _exit(1);
}

static void act_open(void)
{
    open("/etc/passwd", O_RDONLY);
}

static void act_fork(void)
{
    fork();
}

static void act_write_elsewhere(void)
{
    if (write(STDERR_FILENO + 7, "x", 1) != 1)
        _exit(0);
}

static void act_exec_memory(void)
{
    (void)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void act_signal(void)
{
    kill(getppid(), SIGTERM);
}

static void kills_a_child_that_tries_anything_but_reading_and_answering(void)
{
    static void (*const acts[])(void) = {act_open, act_fork, act_write_elsewhere, act_exec_memory,
                                         act_signal};
    int status = confined(act_harmless);

    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
    for (size_t i = 0; i < sizeof(acts) / sizeof(*acts); i++) {
        status = confined(acts[i]);
        CHECK(WIFSIGNALED(status));
        CHECK_EQ(WTERMSIG(status), SIGSYS);
    }
}

int main(int argc, char **argv)
{
    pnd_check_child_main(argc, argv);
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
    RUN(answers_from_the_child_as_from_this_process);
    RUN(survives_a_bomb_in_the_child_within_its_memory);
    RUN(survives_a_child_that_dies);
    RUN(says_why_a_file_cannot_be_read_by_the_child);
    RUN(refuses_answers_without_sense);
    RUN(kills_a_child_that_tries_anything_but_reading_and_answering);
    return tap_done();
}
