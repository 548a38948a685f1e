/* SPDX-License-Identifier: BSD-2-Clause
 *
 * FreeBSD's dumps as readers see them: minidump, text dump, and a dump between its headers; whole,
 * cut at every byte, and damaged. */
#include "image/kdh.h"
#include "inspect/reader.h"
#include "minidump_fixture.h"

static struct file file;
static struct pnd_content content;
static struct pnd_scan scan;
static struct pnd_check check;
static struct pnd_facts facts;
static struct pnd_reader_input in = {.content = &content, .scan = &scan};

static const char log_text[] = "FreeBSD 13.0-RELEASE #0 x: Fri Apr  9\n"
                               "    root@b:/usr/obj/usr/src/sys/GENERIC amd64\n"
                               "panic: page fault\ncpuid = 1\ntime = 1618812840\n"
                               "#0 0xffffffff80c1d397 at kdb_backtrace+0x67\n";

static int content_read(void *ctx, uint64_t offset, void *buf, size_t len)
{
    return file_read(ctx, offset, buf, len);
}

static void look_at(uint64_t len)
{
    file.len = len;
    content = (struct pnd_content){.ctx = &file,
                                   .bytes = len,
                                   .final = true,
                                   .head = file.bytes,
                                   .head_len = len < 4096 ? (size_t)len : 4096,
                                   .fd = 0,
                                   .read = content_read};
}

static int run_check(const struct pnd_reader *reader, uint64_t len)
{
    look_at(len);
    memset(&check, 0, sizeof(check));
    check.verdict = PND_VERDICT_COMPLETE;
    check.bytes = check.content_bytes = len;
    return reader->check(&in, &check);
}

static int run_facts(const struct pnd_reader *reader, uint64_t len)
{
    look_at(len);
    pnd_facts_deinit(&facts);
    memset(&facts, 0, sizeof(facts));
    return reader->facts(&in, &facts);
}

/* A verdict that is not COMPLETE says why and where; every byte of a cut is missing. */
static void expect_cut(const struct pnd_reader *reader, uint64_t len)
{
    CHECK_EQ(run_check(reader, len), PND_OK);
    CHECK_EQ(check.verdict, PND_VERDICT_INCOMPLETE);
    CHECK(check.reason[0] != '\0');
    CHECK(check.missing_count == 1 && check.missing[0].start == len && check.missing[0].end > len);
}

static const char *fact(enum pnd_fact which)
{
    return pnd_facts_text(&facts, which);
}

/* ---- a minidump ---- */

static const unsigned bits[] = {1, 2, 9};

static void a_whole_minidump_is_complete_and_says_why_it_died(void)
{
    const struct pnd_reader *reader = &pnd_reader_freebsd_minidump;

    make_plain(&file, log_text, bits, 3);
    CHECK(reader->is(file.bytes, 64) && !reader->is(file.bytes, 16));
    CHECK_EQ(run_check(reader, file.len), PND_OK);
    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
    CHECK_STR(check.note, "");
    CHECK_EQ(run_facts(reader, file.len), PND_OK);
    CHECK_STR(fact(PND_FACT_OS), "FreeBSD");
    CHECK_STR(fact(PND_FACT_ARCH), "amd64");
    CHECK_STR(fact(PND_FACT_PANIC), "page fault");
    CHECK_STR(fact(PND_FACT_CRASH_TIME), "1618812840");
    CHECK_EQ(facts.frame_count, 1);
    CHECK(facts.map_physical);
}

static void its_pages_come_with_their_physical_addresses(void)
{
    make_plain(&file, log_text, bits, 3);
    CHECK_EQ(run_facts(&pnd_reader_freebsd_minidump, file.len - 100), PND_OK);
    CHECK_EQ(facts.range_count, 3);
    if (facts.range_count != 3)
        return;
    CHECK(facts.ranges[0].start == PAGE && facts.ranges[0].end == 3 * PAGE);
    CHECK_EQ(facts.ranges[0].bytes[PND_MEMORY_PRESENT], 2 * PAGE);
    CHECK(facts.ranges[1].start == 9 * PAGE && facts.ranges[1].end == 10 * PAGE - 100);
    CHECK_EQ(facts.ranges[1].bytes[PND_MEMORY_PRESENT], PAGE - 100);
    CHECK(facts.ranges[2].end == 10 * PAGE);
    CHECK_EQ(facts.ranges[2].bytes[PND_MEMORY_MISSING], 100);
}

static void a_minidump_that_is_cut_anywhere_is_not_complete(void)
{
    make_plain(&file, log_text, bits, 3);
    for (uint64_t len = 0, full = file.len; len < full; len++)
        expect_cut(&pnd_reader_freebsd_minidump, len);
    make_listed(&file, "arm64", log_text, bits, 3);
    for (uint64_t len = 0, full = file.len; len < full; len++)
        expect_cut(&pnd_reader_freebsd_minidump, len);
}

static void facts_are_there_as_soon_as_their_bytes_are(void)
{
    make_plain(&file, log_text, bits, 3);
    for (uint64_t len = 0, full = file.len; len < full; len += 61) {
        CHECK_EQ(run_facts(&pnd_reader_freebsd_minidump, len), PND_OK);
        CHECK_EQ(fact(PND_FACT_OS)[0] != '\0', len >= PND_MINIDUMP_HEADER_BYTES);
        CHECK_EQ(fact(PND_FACT_PANIC)[0] != '\0', len >= PAGE + LOG_BYTES);
    }
}

static void a_bit_more_or_less_in_the_bitmap_is_seen(void)
{
    make_plain(&file, log_text, bits, 3);
    file.bytes[BITMAP_AT_PLAIN + 100] = 1;
    CHECK_EQ(run_check(&pnd_reader_freebsd_minidump, file.len), PND_OK);
    CHECK_EQ(check.verdict, PND_VERDICT_INCOMPLETE);
    CHECK_EQ(check.missing[0].end - check.missing[0].start, PAGE);
    file.bytes[BITMAP_AT_PLAIN + 100] = 0;
    file.bytes[BITMAP_AT_PLAIN] = 0;
    CHECK_EQ(run_check(&pnd_reader_freebsd_minidump, file.len), PND_OK);
    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
    CHECK_STR(check.note, "8192 bytes follow the last page of the minidump");
}

static void a_layout_that_is_not_known_is_said_and_the_log_still_read(void)
{
    make_head(&file, "amd64", 9, PAGE, log_text);
    memset(file.bytes + file.len, 0x77, PAGE);
    CHECK_EQ(run_check(&pnd_reader_freebsd_minidump, 20 * PAGE), PND_OK);
    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
    CHECK(strstr(check.note, "amd64 of this version") && strstr(check.note, "not known here"));
    CHECK_EQ(run_facts(&pnd_reader_freebsd_minidump, 20 * PAGE), PND_OK);
    CHECK_STR(fact(PND_FACT_PANIC), "page fault");
    CHECK_EQ(facts.range_count, 0);
    make_head(&file, "powerpc64", 0, 0, log_text);
    scan.count[PND_SCAN_BSD_PANIC] = 1;
    scan.at[PND_SCAN_BSD_PANIC][0] = PAGE + (uint64_t)(strstr(log_text, "panic: ") - log_text);
    CHECK_EQ(run_facts(&pnd_reader_freebsd_minidump, 20 * PAGE), PND_OK);
    scan.count[PND_SCAN_BSD_PANIC] = 0;
    CHECK_STR(fact(PND_FACT_PANIC), "page fault");
    CHECK_STR(fact(PND_FACT_OS_VERSION), "13.0-RELEASE");
    CHECK_STR(fact(PND_FACT_ARCH), "powerpc");
}

static void what_cannot_be_read_is_corrupt(void)
{
    make_plain(&file, log_text, bits, 3);
    file.fails_at = BITMAP_AT_PLAIN + 5;
    CHECK_EQ(run_check(&pnd_reader_freebsd_minidump, file.len), PND_OK);
    CHECK_EQ(check.verdict, PND_VERDICT_CORRUPT);
    CHECK(check.reason[0] != '\0');
}

/* ---- a text dump ---- */

static void add_member(const char *name, const char *text)
{
    uint8_t *at = file.bytes + file.len;
    size_t len = strlen(text);
    unsigned sum = 0;

    snprintf((char *)at, 100, "%s", name);
    snprintf((char *)at + 124, 12, "%011o", (unsigned)len);
    set_text(at + 257, "ustar");
    memset(at + 148, ' ', 8);
    for (unsigned i = 0; i < 512; i++)
        sum += at[i];
    snprintf((char *)at + 148, 8, "%06o", sum);
    set_text(at + 512, text);
    file.len += 512 + (len + 511) / 512 * 512;
}

/* @return its length without the end mark */
static uint64_t make_textdump(void)
{
    memset(&file, 0, sizeof(file));
    add_member("ddb.txt", "db> bt\nTracing pid 1\nkdb_enter() at kdb_enter+0x37/frame 0x12\n");
    add_member("config.txt", "");
    add_member("msgbuf.txt", "Copyright (c) 1992-2021\npanic: page\ncpuid = 2\nUptime: 61s\n");
    add_member("panic.txt", "page fault\n");
    add_member("version.txt", "FreeBSD 12.2-STABLE r1 GENERIC\n");
    return file.len;
}

static void a_whole_text_dump_is_complete_and_every_text_counts(void)
{
    const struct pnd_reader *reader = &pnd_reader_freebsd_textdump;
    uint64_t len = make_textdump();

    CHECK(reader->is(file.bytes, 512) && !reader->is(file.bytes, 511));
    CHECK_EQ(run_check(reader, len + 1024), PND_OK);
    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
    CHECK_STR(check.note, "");
    CHECK_EQ(run_facts(reader, len + 1024), PND_OK);
    CHECK_STR(fact(PND_FACT_PANIC), "page fault");
    CHECK_STR(fact(PND_FACT_OS_VERSION), "12.2-STABLE");
    CHECK_STR(fact(PND_FACT_UPTIME), "61");
    CHECK_EQ(facts.frame_count, 1);
    CHECK(facts.frame_count == 1 && strcmp(facts.frames[0].text, "kdb_enter+0x37") == 0);
    CHECK(facts.log && strstr(facts.log, "panic: page\n"));
    CHECK(facts.cpu_count == 1 && facts.cpus[0].number == 2);
}

static void a_text_dump_that_is_cut_anywhere_is_not_complete(void)
{
    uint64_t full = make_textdump();

    for (uint64_t len = 0; len < full; len++) {
        expect_cut(&pnd_reader_freebsd_textdump, len);
        if (len % 61 == 0)
            CHECK_EQ(run_facts(&pnd_reader_freebsd_textdump, len), PND_OK);
    }
    CHECK_EQ(run_check(&pnd_reader_freebsd_textdump, full), PND_OK);
    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE); /* the last member is whole */
    CHECK(strstr(check.note, "no end mark"));
}

static void damage_to_a_header_of_the_archive_is_told_with_its_place(void)
{
    uint64_t full = make_textdump();

    for (unsigned at = 0; at < 512; at++) {
        file.bytes[1024 + at] ^= 1;
        CHECK_EQ(run_check(&pnd_reader_freebsd_textdump, full + 1024), PND_OK);
        CHECK(check.verdict == PND_VERDICT_CORRUPT && check.offset == 1024);
        file.bytes[1024 + at] ^= 1;
    }
}

static void a_tar_of_something_else_is_no_text_dump(void)
{
    memset(&file, 0, sizeof(file));
    add_member("etc/passwd", "root");
    CHECK(!pnd_reader_freebsd_textdump.is(file.bytes, 512));
}

/* ---- a dump between its headers ---- */

static struct pnd_kdh kdh;

static void put_headers(uint64_t data_bytes)
{
    uint64_t block = kdh.block_bytes, data = block + kdh.key_bytes;

    kdh.dump_bytes = data_bytes;
    memmove(file.bytes + data, file.bytes, data_bytes);
    memset(file.bytes, 0, data);
    CHECK_EQ(pnd_kdh_write(&kdh, file.bytes), PND_OK);
    file.len = data + (data_bytes + block - 1) / block * block;
    memset(file.bytes + data + data_bytes, 0, block);
    memcpy(file.bytes + file.len, file.bytes, PND_KDH_BYTES);
    file.len += block;
}

static void make_device(unsigned version, uint32_t key_bytes, uint8_t packing)
{
    kdh = (struct pnd_kdh){.kind = PND_KDH_KERNEL,
                           .version = version,
                           .architecture_version = 2,
                           .key_bytes = key_bytes,
                           .block_bytes = 512,
                           .time_s = 9,
                           .packing = packing,
                           .architecture = "amd64",
                           .host = "crash",
                           .os = "FreeBSD 13.0-RELEASE #0 x",
                           .panic = "from the header"};
    make_plain(&file, log_text, bits, 3);
    put_headers(file.len);
}

static void a_dump_between_its_headers_is_read_with_them(void)
{
    const struct pnd_reader *reader = &pnd_reader_freebsd_device;

    for (unsigned version = 1; version <= 4; version++) {
        make_device(version, 0, 0);
        CHECK(reader->is(file.bytes, 64));
        CHECK_EQ(run_check(reader, file.len), PND_OK);
        CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
        CHECK_STR(check.note, "");
        CHECK_EQ(run_facts(reader, file.len), PND_OK);
        CHECK_STR(fact(PND_FACT_PANIC), "page fault");
        CHECK_STR(fact(PND_FACT_HOST), "crash");
        CHECK_STR(fact(PND_FACT_CRASH_TIME), "1618812840");
        CHECK_EQ(facts.frame_count, 1);
    }
}

static void a_dump_between_its_headers_that_is_cut_is_not_complete(void)
{
    uint64_t end;

    make_device(4, 0, 0);
    end = 512 + kdh.dump_bytes;
    for (uint64_t len = 0; len < end; len++)
        expect_cut(&pnd_reader_freebsd_device, len);
    CHECK_EQ(run_check(&pnd_reader_freebsd_device, end), PND_OK);
    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
    CHECK_STR(check.note, "the second header is not there");
}

static void every_flipped_bit_of_either_header_is_corrupt(void)
{
    for (unsigned bit = 20 * 8; bit < 512 * 8; bit++) {
        static uint8_t flipped;

        if (bit == 20 * 8)
            make_device(4, 0, 0);
        flipped = (uint8_t)(1u << bit % 8);
        file.bytes[bit / 8] ^= flipped;
        CHECK_EQ(run_check(&pnd_reader_freebsd_device, file.len), PND_OK);
        CHECK_EQ(check.verdict, PND_VERDICT_CORRUPT);
        CHECK_EQ(run_facts(&pnd_reader_freebsd_device, file.len), PND_OK);
        file.bytes[bit / 8] ^= flipped;
        file.bytes[file.len - 512 + bit / 8] ^= flipped;
        CHECK_EQ(run_check(&pnd_reader_freebsd_device, file.len), PND_OK);
        CHECK(check.verdict == PND_VERDICT_CORRUPT && check.offset == file.len - 512);
        file.bytes[file.len - 512 + bit / 8] ^= flipped;
    }
}

static void what_is_missing_of_the_dump_within_is_told_in_offsets_of_the_whole(void)
{
    make_plain(&file, log_text, bits, 3);
    put_headers(file.len - PAGE); /* a page less than the bitmap says */
    CHECK_EQ(run_check(&pnd_reader_freebsd_device, file.len), PND_OK);
    CHECK_EQ(check.verdict, PND_VERDICT_INCOMPLETE);
    CHECK_EQ(check.missing[0].start, 512 + kdh.dump_bytes);
    CHECK_EQ(check.missing[0].end, 512 + kdh.dump_bytes + PAGE);
}

static void packed_and_encrypted_dumps_say_so_and_are_not_looked_into(void)
{
    make_device(4, 0, PND_KDH_ZSTD);
    CHECK_EQ(run_check(&pnd_reader_freebsd_device, file.len), PND_OK);
    CHECK(check.verdict == PND_VERDICT_COMPLETE && strstr(check.note, "packed"));
    CHECK_EQ(run_facts(&pnd_reader_freebsd_device, file.len), PND_OK);
    CHECK_STR(fact(PND_FACT_PANIC), "from the header");
    CHECK_STR(fact(PND_FACT_CRASH_TIME), "9");
    make_device(2, 1024, 0);
    CHECK_EQ(run_check(&pnd_reader_freebsd_device, file.len), PND_OK);
    CHECK(check.verdict == PND_VERDICT_COMPLETE && strstr(check.note, "encrypted"));
}

static void lengths_that_cannot_be_are_answers(void)
{
    static const uint64_t lengths[] = {UINT64_MAX, UINT64_MAX - 512, UINT64_C(1) << 63, 1 << 30};

    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        make_device(4, 0, 0);
        kdh.dump_bytes = lengths[i];
        kdh.block_bytes = i % 2 ? 0 : UINT32_MAX;
        CHECK_EQ(pnd_kdh_write(&kdh, file.bytes), PND_OK);
        CHECK_EQ(run_check(&pnd_reader_freebsd_device, file.len), PND_OK);
        CHECK(check.verdict != PND_VERDICT_COMPLETE);
        CHECK_EQ(run_facts(&pnd_reader_freebsd_device, file.len), PND_OK);
    }
}

int main(void)
{
    RUN(a_whole_minidump_is_complete_and_says_why_it_died);
    RUN(its_pages_come_with_their_physical_addresses);
    RUN(a_minidump_that_is_cut_anywhere_is_not_complete);
    RUN(facts_are_there_as_soon_as_their_bytes_are);
    RUN(a_bit_more_or_less_in_the_bitmap_is_seen);
    RUN(a_layout_that_is_not_known_is_said_and_the_log_still_read);
    RUN(what_cannot_be_read_is_corrupt);
    RUN(a_whole_text_dump_is_complete_and_every_text_counts);
    RUN(a_text_dump_that_is_cut_anywhere_is_not_complete);
    RUN(damage_to_a_header_of_the_archive_is_told_with_its_place);
    RUN(a_tar_of_something_else_is_no_text_dump);
    RUN(a_dump_between_its_headers_is_read_with_them);
    RUN(a_dump_between_its_headers_that_is_cut_is_not_complete);
    RUN(every_flipped_bit_of_either_header_is_corrupt);
    RUN(what_is_missing_of_the_dump_within_is_told_in_offsets_of_the_whole);
    RUN(packed_and_encrypted_dumps_say_so_and_are_not_looked_into);
    RUN(lengths_that_cannot_be_are_answers);
    pnd_facts_deinit(&facts);
    return tap_done();
}
