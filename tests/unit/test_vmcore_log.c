/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Whole logs of Linux kernels. The texts that are expected are what vmcore-dmesg prints of the same
 * logs. */
#include "tap.h"

#include "image/vmcore_layout.h"
#include "image/vmcore_log.h"
#include "unit/linux_log.h"

static const uint64_t base = UINT64_C(0xffff888000100000);

static uint8_t bytes[LOG_BYTES];
static struct log_memory log_memory;
static unsigned reads;
static size_t readable = LOG_BYTES;
static struct pnd_vmcore_range ranges[PND_LAYOUT_FIRST_MAX];
static size_t range_count; /* 0: all memory can be read; else what lies in one of them */

static bool in_a_range(uint64_t address, size_t len)
{
    for (size_t i = 0; i < range_count; i++)
        if (address >= ranges[i].vaddr && address - ranges[i].vaddr <= ranges[i].bytes &&
            len <= ranges[i].bytes - (address - ranges[i].vaddr))
            return true;
    return range_count == 0;
}

static int read_memory(void *ctx, uint64_t address, void *buf, size_t len)
{
    (void)ctx;
    reads++;
    if (!in_a_range(address, len))
        return PND_E_NOTFOUND;
    if (address < log_memory.base || address - log_memory.base > readable ||
        len > readable - (address - log_memory.base))
        return PND_E_NOTFOUND;
    memcpy(buf, bytes + (address - log_memory.base), len);
    return PND_OK;
}

static void start(void)
{
    log_memory = (struct log_memory){.at = bytes, .base = base};
    readable = LOG_BYTES;
    range_count = 0;
    reads = 0;
}

static void attach(struct pnd_vmcore *vmcore)
{
    struct pnd_vmcore_source memory = {.read = read_memory};

    pnd_vmcore_attach(vmcore, log_memory.info, strlen(log_memory.info), log_memory.is32,
                      log_memory.big, &memory);
}

/* The log in pieces of at most @p cap bytes. @return what ended it */
static int read_log(size_t cap, char *ret, size_t ret_cap)
{
    static struct pnd_vmcore vmcore;
    static struct pnd_vmcore_log log;
    char piece[4096];
    size_t used = 0, len = 1;
    int err;

    attach(&vmcore);
    ret[0] = '\0';
    err = pnd_vmcore_log_open(&vmcore, &log);
    while (!err && len > 0) {
        err = pnd_vmcore_log_text(&log, piece, cap, &len);
        if (err)
            break;
        CHECK(len <= cap && used + len < ret_cap);
        memcpy(ret + used, piece, len);
        used += len;
        ret[used] = '\0';
    }
    return err;
}

/* The log is the same in pieces of any size. */
static void expect(const char *wanted)
{
    static const size_t caps[] = {64, 65, 77, 4096};
    static char text[65536];

    for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
        CHECK_EQ(read_log(caps[i], text, sizeof(text)), PND_OK);
        CHECK_STR(text, wanted);
    }
}

static void every_record_is_a_line_with_its_time(void)
{
    start();
    log_make_ring(&log_memory);
    log_line(&log_memory, 0, "Linux version 6.1");
    log_line(&log_memory, 1234567890, "two\nlines");
    log_line(&log_memory, UINT64_C(99999999999999), "late");
    log_line(&log_memory, UINT64_C(1000000000000000000), "");
    log_line(&log_memory, 9999, "last");
    expect("[    0.000000] Linux version 6.1\n[    1.234567] two\nlines\n[99999.999999] late\n"
           "[1000000000.000000] \n[    0.000009] last\n");
}

static void bytes_that_are_no_text_are_escaped(void)
{
    const char odd[] = "ctl \x01\x1b[0m\x7f \xff\xc3\xa9 \\ tab\t\r\x0b\x0c nul\0end";

    start();
    log_make_ring(&log_memory);
    log_record(&log_memory, 0, odd, sizeof(odd) - 1, LOG_FINALIZED);
    expect(
        "[    0.000000] ctl \\x01\\x1b[0m\\x7f \\xff\\xc3\\xa9 \\ tab\t\r\x0b\x0c nul\\x00end\n");
}

static void records_that_are_not_there_are_left_out(void)
{
    start();
    log_make_ring(&log_memory);
    log_line(&log_memory, 0, "whole");
    log_record(&log_memory, 0, "half written", 12, LOG_RESERVED);
    log_record(&log_memory, 0, "may go on", 9, LOG_COMMITTED);
    log_record(&log_memory, 0, "reused", 6, LOG_REUSABLE);
    log_line(&log_memory, 0, "end");
    expect("[    0.000000] whole\n[    0.000000] may go on\n[    0.000000] end\n");
}

static void a_record_without_text_is_an_empty_line(void)
{
    start();
    log_make_ring(&log_memory);
    log_line(&log_memory, 0, "one");
    log_line(&log_memory, 1000, "two");
    log_put(&log_memory, LOG_DESCS + ((log_memory.next_id - 1) & 31) * 24 + 8, 1, 8);
    log_put(&log_memory, LOG_DESCS + ((log_memory.next_id - 1) & 31) * 24 + 16, 1, 8);
    expect("[    0.000000] one\n[    0.000001] \n");
}

static void a_length_beyond_its_block_is_cut_to_it(void)
{
    start();
    log_make_ring(&log_memory);
    log_line(&log_memory, 0, "12345");
    log_put(&log_memory, LOG_INFOS + ((log_memory.next_id - 1) & 31) * LOG_INFO_BYTES + 16, 500, 2);
    expect("[    0.000000] 12345###\n");
}

/* Or else a few MiB of records would be a few TiB of text. */
static void records_never_make_more_text_than_their_buffer_holds(void)
{
    static char text[1 << 20];

    start();
    log_make_ring(&log_memory);
    for (unsigned i = 0; i < 1 << LOG_DESC_BITS; i++) {
        log_line(&log_memory, 0, "x");
        log_put(&log_memory, LOG_DESCS + ((log_memory.next_id - 1) & 31) * 24 + 8, 0, 8);
        log_put(&log_memory, LOG_DESCS + ((log_memory.next_id - 1) & 31) * 24 + 16, 2048, 8);
        log_put(&log_memory, LOG_INFOS + ((log_memory.next_id - 1) & 31) * LOG_INFO_BYTES + 16,
                2000, 2);
    }
    CHECK_EQ(read_log(4096, text, sizeof(text)), PND_E_FORMAT);
    CHECK(strlen(text) < 5 * (1 << LOG_DATA_BITS)); /* four for each byte that is no text */
    start();
    log_make_records(&log_memory, "printk_log", 0);
    for (unsigned i = 0; i < 40; i++) {
        log_old_record(&log_memory, 0, "abcd", "");
        log_put(&log_memory, LOG_OLD_BUFFER + log_memory.next - 20 + 10, 900, 2);
    }
    CHECK_EQ(read_log(4096, text, sizeof(text)), PND_OK);
    CHECK_EQ(strlen(text), 40 * strlen("[    0.000000] abcd\n"));
}

static void the_ring_is_followed_around_its_ends(void)
{
    static char wanted[65536], line[64];

    for (unsigned records = 1; records < 150; records++) {
        size_t used = 0;

        start();
        log_make_ring(&log_memory);
        for (unsigned i = 0; i < records; i++) {
            snprintf(line, sizeof(line), "line %u of some length %.*s", i, (int)(i % 11),
                     "abcdefghijk");
            log_line(&log_memory, i * UINT64_C(1000000000), line);
        }
        for (unsigned i = records > 32 ? records - 32 : 0; i < records; i++)
            used += (size_t)snprintf(wanted + used, sizeof(wanted) - used,
                                     "[%5u.000000] line %u of some length %.*s\n", i, i,
                                     (int)(i % 11), "abcdefghijk");
        expect(wanted);
    }
}

static void other_machines_have_other_words(void)
{
    for (unsigned i = 1; i < 4; i++) {
        start();
        log_memory.is32 = i & 1;
        log_memory.big = i & 2;
        log_memory.base = log_memory.is32 ? UINT64_C(0xc0100000) : base;
        log_make_ring(&log_memory);
        log_line(&log_memory, 1000000, "first");
        log_line(&log_memory, 2000000, "second");
        expect("[    0.001000] first\n[    0.002000] second\n");
    }
}

static void records_before_5_10_are_read(void)
{
    static const char *const names[] = {"printk_log", "log"};

    for (size_t i = 0; i < 2; i++) {
        start();
        log_make_records(&log_memory, names[i], 0);
        log_old_record(&log_memory, 0, "one", "");
        log_old_record(&log_memory, 1234567890, "two\nlines \x01\xff", "SUBSYSTEM=pci");
        log_old_record(&log_memory, 3, "", "");
        expect("[    0.000000] one\n[    1.234567] two\nlines \\x01\\xff\n[    0.000000] \n");
    }
    start();
    log_make_records(&log_memory, "printk_log", 0);
    expect("");
}

static void an_old_buffer_goes_on_at_its_start(void)
{
    start();
    log_make_records(&log_memory, "printk_log", 960);
    log_old_record(&log_memory, 0, "before the end", "");
    log_old_record(&log_memory, 1000, "at the start again", "");
    /* the empty header that says so is a line to vmcore-dmesg, too */
    expect("[    0.000000] before the end\n[    0.000000] \n[    0.000001] at the start again\n");
}

static void an_old_log_that_runs_in_a_circle_ends(void)
{
    char text[65536];

    start();
    log_make_records(&log_memory, "printk_log", 0);
    log_old_record(&log_memory, 0, "one", "");
    log_put(&log_memory, LOG_VARIABLES + 24, 1020, 4); /* never reached */
    CHECK_EQ(read_log(4096, text, sizeof(text)), PND_E_FORMAT);
    CHECK(strstr(text, "one\n") == text + 15);
}

static void characters_are_printed_as_they_stand(void)
{
    static char many[3000], wanted[LOG_OLD_BYTES + 1];

    start();
    log_make_characters(&log_memory, "<6>[    0.000000] hello\n<4>bye \x01\xff\n", 34);
    expect("<6>[    0.000000] hello\n<4>bye \x01\xff\n");
    for (size_t i = 0; i < sizeof(many); i++)
        many[i] = (char)('0' + i % 10);
    for (size_t count = 1000; count < 2100; count += 75) {
        size_t from = count > LOG_OLD_BYTES ? count - LOG_OLD_BYTES : 0;

        start();
        log_make_characters(&log_memory, many, count);
        memcpy(wanted, many + from, count - from);
        wanted[count - from] = '\0';
        expect(wanted);
    }
}

static void a_dump_that_tells_of_no_log_has_none(void)
{
    char text[64];

    start();
    strcpy(log_memory.info, "OSRELEASE=6.1.0\n");
    CHECK_EQ(read_log(64, text, sizeof(text)), PND_E_NOTFOUND);
    start();
    log_make_ring(&log_memory);
    *strstr(log_memory.info, "SIZE(prb_desc)") = 'X';
    CHECK_EQ(read_log(64, text, sizeof(text)), PND_E_FORMAT);
}

static void what_comes_before_a_hole_in_memory_is_good(void)
{
    static char whole[65536], text[65536];
    int err;

    start();
    log_make_ring(&log_memory);
    for (unsigned i = 0; i < 20; i++)
        log_line(&log_memory, 0, "a line of the log");
    CHECK_EQ(read_log(4096, whole, sizeof(whole)), PND_OK);
    for (readable = 0; readable < LOG_BYTES; readable += 3) {
        err = read_log(64, text, sizeof(text));
        CHECK(err == PND_OK || err == PND_E_NOTFOUND);
        CHECK(strncmp(text, whole, strlen(text)) == 0);
    }
}

/* The log is read again, of which nothing but its ranges is there. */
static void expect_of_ranges(size_t count)
{
    static char whole[65536], text[65536];
    static struct pnd_vmcore vmcore;
    uint64_t total = 0;
    size_t found = 0;

    CHECK_EQ(read_log(4096, whole, sizeof(whole)), PND_OK);
    CHECK(strlen(whole) > 20);
    attach(&vmcore);
    CHECK_EQ(pnd_vmcore_log_ranges(&vmcore, ranges, &found), PND_OK);
    CHECK_EQ(found, count);
    for (size_t i = 0; i < found; i++) {
        total += ranges[i].bytes;
        CHECK(ranges[i].vaddr >= log_memory.base);
    }
    CHECK(total <= LOG_BYTES);
    range_count = found;
    CHECK_EQ(read_log(4096, text, sizeof(text)), PND_OK);
    CHECK_STR(text, whole);
}

static void the_ranges_of_a_log_are_all_that_its_reader_needs(void)
{
    start();
    log_make_ring(&log_memory);
    for (unsigned i = 0; i < 60; i++)
        log_line(&log_memory, i, "a line of the log");
    expect_of_ranges(5); /* prb, the struct, descriptors, infos, text */
    start();
    log_memory.is32 = log_memory.big = true;
    log_memory.base = UINT64_C(0xc0100000);
    log_make_ring(&log_memory);
    log_line(&log_memory, 0, "a line of a log of 32 bits");
    expect_of_ranges(5);
    start();
    log_make_records(&log_memory, "printk_log", 960);
    log_old_record(&log_memory, 0, "before the end", "");
    log_old_record(&log_memory, 1000, "at the start again", "");
    expect_of_ranges(2); /* the variables, which follow on each other; the buffer */
    start();
    log_make_characters(&log_memory, "<6>[    0.000000] hello, hello\n", 31);
    expect_of_ranges(2);
}

static void a_dump_without_a_log_has_no_ranges_of_it(void)
{
    static struct pnd_vmcore vmcore;
    size_t found = 77;

    start();
    strcpy(log_memory.info, "OSRELEASE=6.1.0\n");
    attach(&vmcore);
    CHECK_EQ(pnd_vmcore_log_ranges(&vmcore, ranges, &found), PND_E_NOTFOUND);
    start();
    log_make_ring(&log_memory);
    readable = LOG_RING; /* prb points to what is not in the dump */
    attach(&vmcore);
    CHECK_EQ(pnd_vmcore_log_ranges(&vmcore, ranges, &found), PND_E_NOTFOUND);
    CHECK_EQ(found, 77);
}

static void every_flipped_byte_ends_in_bounded_time(void)
{
    static char text[1 << 20];

    for (unsigned kind = 0; kind < 2; kind++) {
        for (size_t at = LOG_VARIABLES; at < LOG_BYTES; at++) {
            start();
            if (kind == 0)
                log_make_ring(&log_memory);
            else
                log_make_records(&log_memory, "printk_log", 0);
            for (unsigned i = 0; i < 5; i++) {
                if (kind == 0)
                    log_line(&log_memory, i, "some text");
                else
                    log_old_record(&log_memory, i, "some text", "");
            }
            bytes[at] ^= 0xff;
            (void)read_log(4096, text, sizeof(text));
            CHECK(reads < 5000);
        }
    }
}

int main(void)
{
    RUN(every_record_is_a_line_with_its_time);
    RUN(bytes_that_are_no_text_are_escaped);
    RUN(records_that_are_not_there_are_left_out);
    RUN(a_record_without_text_is_an_empty_line);
    RUN(a_length_beyond_its_block_is_cut_to_it);
    RUN(records_never_make_more_text_than_their_buffer_holds);
    RUN(the_ring_is_followed_around_its_ends);
    RUN(other_machines_have_other_words);
    RUN(records_before_5_10_are_read);
    RUN(an_old_buffer_goes_on_at_its_start);
    RUN(an_old_log_that_runs_in_a_circle_ends);
    RUN(characters_are_printed_as_they_stand);
    RUN(a_dump_that_tells_of_no_log_has_none);
    RUN(what_comes_before_a_hole_in_memory_is_good);
    RUN(the_ranges_of_a_log_are_all_that_its_reader_needs);
    RUN(a_dump_without_a_log_has_no_ranges_of_it);
    RUN(every_flipped_byte_ends_in_bounded_time);
    return tap_done();
}
