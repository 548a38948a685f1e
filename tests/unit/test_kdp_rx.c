/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The receiving session: what it answers, what it never answers, and when it gives up.
 * Every call goes through tests/sim/rule.c as well. */
#include "unit/rx_bench.h"

static const char core[] = "core-xnu-3789.72.11-192.168.136.130-a5001516.gz";

static void a_dump_of_three_blocks_arrives_and_its_eof_is_acknowledged_when_durable(void)
{
    struct bench bench;

    bench_open(&bench);
    bench.owner.finish_ms = 300;
    CHECK_STR(bench_wrq(&bench, core, 3, 1406), "ack 0 features 3");
    CHECK_STR(bench_data(&bench, 1, "one "), "ack 1");
    CHECK_STR(bench_data(&bench, 2, ""), "ack 2");
    CHECK_STR(bench_data(&bench, 3, "three"), "ack 3");
    CHECK_STR(bench_eof(&bench, 4), "");
    CHECK_STR(bench_eof(&bench, 4), ""); /* repeated while the disk works */
    CHECK_STR(bench_wrq(&bench, core, 3, 1406), "");
    CHECK_STR(bench_wait(&bench, 299), "");
    CHECK_STR(bench_wait(&bench, 1), "ack 4");
    bench_check(&bench, OWNER_COMPLETE, "one three", 9);
    CHECK_STR(bench.owner.dump_count ? owner_last(&bench.owner)->name : NULL, core);
    bench_close(&bench);
}

static void a_repeated_write_request_is_answered_again_with_the_same_features(void)
{
    struct bench bench;

    bench_open(&bench);
    for (int i = 0; i < 14; i++) {
        CHECK_STR(bench_wrq(&bench, core, 0xffffffff, 1406), "ack 0 features 3");
        if (i == 5)
            bench_restart(&bench);
        bench_wait(&bench, 3000);
    }
    CHECK_STR(bench_data(&bench, 1, "x"), "ack 1");
    CHECK_STR(bench_wrq(&bench, core, 3, 1406), ""); /* a late copy: the dump goes on */
    CHECK_STR(bench_data(&bench, 2, "y"), "ack 2");
    CHECK_STR(bench_end(&bench, 3), "ack 3");
    bench_check(&bench, OWNER_COMPLETE, "xy", 2);
    CHECK_EQ(bench.owner.opens, 1);
    bench_close(&bench);
}

static void a_lost_ack_is_sent_again_when_its_block_is_repeated_also_after_a_restart(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_wrq(&bench, core, 3, 1406);
    for (uint32_t block = 1; block < 6; block++) {
        char want[16];

        snprintf(want, sizeof(want), "ack %u", block);
        CHECK_STR(bench_data(&bench, block, "abcd"), want);
        bench_pause(&bench);
        CHECK_STR(bench_data(&bench, block, "abcd"), want);
        bench_restart(&bench);
        CHECK_STR(bench_data(&bench, block, "abcd"), want);
    }
    CHECK_STR(bench_seek(&bench, 6, 4, true), "ack 6");
    bench_pause(&bench);
    CHECK_STR(bench_seek(&bench, 6, 4, true), "ack 6");
    CHECK_STR(bench_data(&bench, 7, "WXYZ"), "ack 7");
    CHECK_STR(bench_end(&bench, 8), "ack 8");
    bench_check(&bench, OWNER_COMPLETE, "abcdWXYZabcdabcdabcd", 20);
    bench_close(&bench);
}

static void a_lost_final_ack_is_sent_again_for_more_than_a_minute_also_after_a_restart(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_wrq(&bench, core, 3, 1406);
    bench_data(&bench, 1, "x");
    CHECK_STR(bench_end(&bench, 2), "ack 2");
    for (int i = 0; i < 22; i++) {
        CHECK_STR(bench_wait(&bench, 3000), "");
        if (i == 10)
            bench_restart(&bench);
        CHECK_STR(bench_eof(&bench, 2), "ack 2");
    }
    CHECK_STR(bench_eof(&bench, 1), "");
    CHECK_STR(bench_eof(&bench, 3), "");
    CHECK_STR(bench_data(&bench, 2, "x"), "");
    CHECK_STR(bench_wait(&bench, 100000), "");
    CHECK(!bench.owner.slot);
    CHECK_STR(bench_eof(&bench, 2), "");
    bench_close(&bench);
}

/* Two superfluous answers make Apple's client repeat its next packet, and so on: a chain. */
static void the_first_copy_of_a_block_is_answered_and_no_burst_of_copies_after_it(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_wrq(&bench, core, 3, 1406);
    CHECK_STR(bench_data(&bench, 1, "x"), "ack 1");
    CHECK_STR(bench_data(&bench, 1, "x"), "ack 1");
    for (int repetition = 0; repetition < 5; repetition++) {
        for (int copy = 0; copy < 5; copy++) {
            CHECK_STR(bench_data(&bench, 1, "x"), "");
            bench.now_ms++;
        }
        CHECK_STR(bench_data(&bench, 1, "x"), "ack 1");
    }
    CHECK_STR(bench_data(&bench, 2, "y"), "ack 2");
    CHECK_STR(bench_data(&bench, 2, "y"), "ack 2");
    CHECK_STR(bench_wait(&bench, 2000), "ack 2");
    CHECK_STR(bench_data(&bench, 2, "y"), "");
    CHECK_EQ(bench.owner.rx.repeats, 33);
    bench_pause(&bench);
    CHECK_STR(bench_end(&bench, 3), "ack 3");
    bench_close(&bench);
}

static void every_copy_of_a_write_request_and_of_the_final_eof_is_answered(void)
{
    struct bench bench;

    bench_open(&bench);
    for (int copy = 0; copy < 5; copy++)
        CHECK_STR(bench_wrq(&bench, core, 3, 1406), "ack 0 features 3");
    bench_end(&bench, 1);
    for (int copy = 0; copy < 5; copy++)
        CHECK_STR(bench_eof(&bench, 1), "ack 1");
    bench_close(&bench);
}

static void a_write_request_alone_makes_no_file_and_is_forgotten(void)
{
    struct bench bench;

    bench_open(&bench);
    CHECK_STR(bench_wrq(&bench, core, 3, 1406), "ack 0 features 3");
    CHECK_STR(bench_wait(&bench, 59999), ""); /* and nothing is sent by itself */
    CHECK(bench.owner.slot);
    CHECK_STR(bench_wait(&bench, 1), "");
    CHECK(!bench.owner.slot);
    CHECK_EQ(bench.owner.opens, 0);
    CHECK_EQ(bench.owner.dump_count, 0);
    bench_close(&bench);
}

static void an_empty_dump_is_a_file_of_no_bytes(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_wrq(&bench, core, 3, 1406);
    CHECK_STR(bench_end(&bench, 1), "ack 1");
    bench_check(&bench, OWNER_COMPLETE, "", 0);
    bench_close(&bench);
}

static void the_grant_follows_what_the_sender_asks_for(void)
{
    static const struct {
        const char *name;
        uint32_t features, block_max, granted, cut;
    } rows[] = {
        {core, 3, 1406, 3, 1406},
        {core, 0xffffffff, 1406, 3, 1406},
        {core, 3, 0, 3, 1406}, /* the size field of 1699 never arrives */
        {core, 3, 1000, 3, 1000},
        {core, 3, 1, 3, 1},
        {core, 3, 8960, 3, 8960},
        {core, 1, 1406, 1, 512},
        {core, 2, 1406, 2, 1406},
        {core, 0, 0, 0, 512},
        {core, 0, 100, 0, 512},
        /* a size that is not believed: with 1406 granted, its longer blocks would be cut */
        {core, 3, 8961, 1, 512},
        {core, 3, UINT32_MAX, 1, 512},
        /* 59 bytes of log name: block and junk just fit 1500; 60 do not */
        {"paniclog-xnu-3789.72.11-192.168.136.130-0123456789abcdef012", 3, 1406, 3, 1406},
        {"paniclog-xnu-3789.72.11-192.168.136.130-0123456789abcdef0123", 3, 1406, 1, 512},
        {"systemlog-nu-3789.72.11-192.168.136.130-0123456789abcdef0123", 3, 1406, 1, 512},
        {"paniclog-xnu-3789.72.11-192.168.136.130-0123456789abcdef0123", 3, 1405, 3, 1405},
        {"paniclog-a", 3, 8000, 1, 512},
        {"core-xnu-3789.72.11-192.168.136.130-0123456789abcdef012345678", 3, 1406, 3, 1406},
    };
    struct bench bench;
    char want[32];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bench_open(&bench);
        snprintf(want, sizeof(want), rows[i].granted ? "ack 0 features %u" : "ack %u",
                 rows[i].granted);
        CHECK_STR(bench_wrq(&bench, rows[i].name, rows[i].features, rows[i].block_max), want);
        CHECK_EQ(bench.owner.rx.block_max, rows[i].cut);
        bench_close(&bench);
    }
}

static void a_seek_of_64_bits_leaves_a_hole_and_one_of_32_bits_is_shorter(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_wrq(&bench, core, 3, 1406);
    CHECK_STR(bench_seek(&bench, 1, 5, true), "ack 1");
    CHECK_EQ(bench.owner.opens, 1);
    CHECK_STR(bench_data(&bench, 2, "end"), "ack 2");
    CHECK_STR(bench_seek(&bench, 3, 1, true), "ack 3");
    CHECK_STR(bench_data(&bench, 4, "a"), "ack 4");
    CHECK_STR(bench_seek(&bench, 5, 900000, true), "ack 5"); /* alone, it lengthens nothing */
    CHECK_STR(bench_end(&bench, 6), "ack 6");
    bench_check(&bench, OWNER_COMPLETE, "\0a\0\0\0end", 8);
    bench_close(&bench);

    bench_open(&bench);
    bench_wrq(&bench, core, 0, 0);
    CHECK_STR(bench_seek(&bench, 1, 2, false), "ack 1");
    CHECK_STR(bench_data(&bench, 2, "x"), "ack 2");
    /* Kernels up to 2782 send four stale bytes behind a short offset. */
    CHECK_STR(bench_send(&bench, "\0\6\0\0\0\3\0\0\0\1\xde\xad\xbe\xef", 14), "ack 3");
    CHECK_STR(bench_data(&bench, 4, "y"), "ack 4");
    CHECK_STR(bench_end(&bench, 5), "ack 5");
    bench_check(&bench, OWNER_COMPLETE, "\0yx", 3);
    bench_close(&bench);
}

static void a_block_of_no_bytes_makes_no_file_longer_and_hides_no_junk(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_wrq(&bench, "paniclog-a", 3, 1406);
    CHECK_STR(bench_junked(&bench, 1, "text", 4, 'Y', 11), "ack 1");
    CHECK_STR(bench_data(&bench, 2, ""), "ack 2");
    CHECK_STR(bench_seek(&bench, 3, 4096, true), "ack 3");
    CHECK_STR(bench_data(&bench, 4, ""), "ack 4");
    CHECK_EQ(bench.owner.rx.end, bench.owner.live.len);
    CHECK_STR(bench_end(&bench, 5), "ack 5");
    bench_check(&bench, OWNER_COMPLETE, "text", 4);
    bench_close(&bench);
}

static void a_seek_that_is_cut_draws_nothing(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_wrq(&bench, core, 3, 1406);
    for (size_t len = 6; len < 14; len++)
        CHECK_STR(bench_send(&bench, "\0\6\0\0\0\1\0\0\0\0\0\0\0\7", len), "");
    CHECK_EQ(bench.owner.opens, 0);
    CHECK_STR(bench_send(&bench, "\0\6\0\0\0\1\0\0\0\0\0\0\0\7", 14), "ack 1");
    CHECK_EQ(bench.owner.rx.position, 7);
    bench_close(&bench);
}

static void no_byte_lies_at_or_behind_the_limit(void)
{
    struct bench bench;

    bench_open(&bench);
    bench.owner.limits.dump_bytes_max = 10;
    bench_wrq(&bench, core, 3, 1406);
    CHECK_STR(bench_data(&bench, 1, "0123456789"), "ack 1");
    CHECK_STR(bench_data(&bench, 2, ""), "ack 2");
    CHECK_STR(bench_seek(&bench, 3, 10, true), "ack 3");
    CHECK_STR(bench_data(&bench, 4, "x"), "error 3");
    bench_check(&bench, OWNER_INCOMPLETE, "0123456789", 10);
    CHECK_STR(bench_data(&bench, 4, "x"), "error 3");
    bench_close(&bench);

    for (unsigned bit = 4; bit < 64; bit++) {
        bench_open(&bench);
        bench.owner.limits.dump_bytes_max = 10;
        bench_wrq(&bench, core, 3, 1406);
        if (bit % 2)
            bench_data(&bench, 1, "x");
        CHECK_STR(bench_seek(&bench, 1 + bit % 2, UINT64_C(1) << bit, true), "error 3");
        CHECK_EQ(bench.owner.dump_count, bit % 2);
        bench_close(&bench);
    }
    bench_open(&bench); /* the limit in force when nothing is configured */
    bench_wrq(&bench, core, 3, 1406);
    bench_data(&bench, 1, "x");
    CHECK_STR(bench_seek(&bench, 2, UINT64_C(1) << 62, true), "error 3");
    CHECK_STR(bench_why(&bench), "SEEK beyond the size that the server allows");
    bench_close(&bench);
}

/* Brings a fresh session to @p phase; 5 is then the block that LIVE expects. */
static void reach(struct bench *bench, enum pnd_rx_phase phase)
{
    bench_open(bench);
    bench->owner.finish_ms = 1000000;
    if (phase == PND_RX_NEW)
        return;
    bench_wrq(bench, core, 3, 1406);
    if (phase == PND_RX_ASKED)
        return;
    for (uint32_t block = 1; block < 5; block++)
        bench_data(bench, block, "abcd");
    if (phase == PND_RX_FAILED)
        bench_seek(bench, 5, UINT64_MAX, true);
    if (phase == PND_RX_FINISHING || phase == PND_RX_DONE)
        bench_eof(bench, 5);
    if (phase == PND_RX_DONE) {
        bench->owner.finish_at_ms = 0;
        owner_tick(&bench->owner, bench->now_ms);
    }
    CHECK_EQ(bench->owner.rx.phase, phase);
    bench_pause(bench);
}

/* What a packet of @p op with @p block must draw: Apple's client takes all else for success. */
static const char *allowed(enum pnd_rx_phase phase, uint8_t op, uint32_t block)
{
    bool moves = op == PND_KDP_DATA || op == PND_KDP_SEEK;

    if (phase == PND_RX_ASKED && moves && block == 1)
        return "ack 1";
    if (phase == PND_RX_LIVE && moves && block == 4)
        return "ack 4";
    if (phase == PND_RX_LIVE && moves && block == 5)
        return "ack 5";
    if (phase == PND_RX_DONE && op == PND_KDP_EOF && block == 5)
        return "ack 5";
    if (phase == PND_RX_FAILED && (moves || op == PND_KDP_EOF))
        return "error 3";
    return "";
}

static void only_the_expected_block_and_the_one_before_draw_an_answer_in_every_phase(void)
{
    static const uint32_t blocks[] = {0, 1, 2, 3, 4, 5, 6, 7, 0x105, 0x500, 0xfffffffe, UINT32_MAX};
    struct bench bench;

    for (int phase = PND_RX_NEW; phase <= PND_RX_FAILED; phase++)
        for (unsigned op = 0; op < 0x300; op++) {
            if ((op & 0xff) > 9 || op == PND_KDP_WRQ)
                continue;
            for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
                uint8_t dgram[14] = {(uint8_t)(op >> 8), (uint8_t)op};

                pnd_kdp_build_eof(dgram, sizeof(dgram), blocks[i]);
                dgram[0] = (uint8_t)(op >> 8);
                dgram[1] = (uint8_t)op;
                reach(&bench, phase);
                CHECK_STR(bench_send(&bench, dgram, sizeof(dgram)),
                          op < 0x100 ? allowed(phase, (uint8_t)op, blocks[i]) : "");
                bench_close(&bench);
            }
        }
}

static void packets_shorter_than_their_header_draw_nothing(void)
{
    struct bench bench;

    for (int phase = PND_RX_NEW; phase <= PND_RX_FAILED; phase++)
        for (uint8_t op = 0; op < 9; op++)
            for (size_t len = 0; len < 6; len++) {
                uint8_t dgram[6] = {0, op, 0, 0, 0, 5};
                bool opens = phase == PND_RX_NEW && op == PND_KDP_WRQ && len >= 2;

                reach(&bench, phase);
                CHECK_STR(bench_send(&bench, dgram, len), opens ? "error 4" : "");
                bench_close(&bench);
            }
}

static void a_block_longer_than_its_grant_and_any_junk_draws_nothing(void)
{
    static const struct {
        uint32_t features, block_max;
        size_t cut;
    } rows[] = {{3, 1406, 1406}, {0, 0, 512}, {3, 700, 700}, {3, 8960, 8960}};
    static char bytes[16384];
    struct bench bench;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bench_open(&bench);
        bench_wrq(&bench, core, rows[i].features, rows[i].block_max);
        /* The sender has not understood the grant: to cut this would lose what it means. */
        CHECK_STR(bench_junked(&bench, 1, bytes, rows[i].cut, 'Y', strlen(core) + 3), "");
        CHECK_STR(bench_junked(&bench, 1, bytes, sizeof(bytes), 0, 0), "");
        CHECK_EQ(bench.owner.opens, 0);
        CHECK_STR(bench_junked(&bench, 1, bytes, rows[i].cut, 'Y', strlen(core) + 2), "ack 1");
        CHECK_STR(bench_end(&bench, 2), "ack 2");
        bench_check(&bench, OWNER_COMPLETE, bytes, rows[i].cut);
        bench_close(&bench);
    }
}

static void an_eof_that_drags_a_whole_block_is_none(void)
{
    static uint8_t dgram[1412] = {0, 7, 0, 0, 0, 2};
    struct bench bench;

    bench_open(&bench);
    bench_wrq(&bench, core, 3, 1406);
    bench_data(&bench, 1, "x");
    CHECK_STR(bench_send(&bench, dgram, sizeof(dgram)), "");
    CHECK_EQ(bench.owner.rx.phase, PND_RX_LIVE);
    CHECK_STR(bench_send(&bench, dgram, 7), ""); /* kernels up to 1504 drag a byte */
    CHECK_EQ(bench.owner.rx.phase, PND_RX_FINISHING);
    bench_close(&bench);
}

static void a_malformed_write_request_draws_a_whole_error_and_no_state(void)
{
    struct bench bench;

    bench_open(&bench);
    CHECK_STR(bench_send(&bench, "\0\2name\0netascii\0", 16), "error 4");
    CHECK_EQ(bench.owner.reply_len, 6 + strlen("only mode octet is known here") + 1);
    CHECK_STR((char *)bench.owner.reply + 6, "only mode octet is known here");
    CHECK(!bench.owner.slot);
    CHECK_STR(bench_send(&bench, "\0\2name", 6), "error 4");
    CHECK(!bench.owner.slot);
    CHECK_STR(bench_wrq(&bench, core, 3, 1406), "ack 0 features 3");
    CHECK_STR(bench_send(&bench, "\0\2name\0netascii\0", 16), "");
    bench_close(&bench);
}

static void block_numbers_wrap_at_2_to_the_32(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_wrq(&bench, core, 3, 1406);
    bench_data(&bench, 1, "0");
    bench.owner.rx.expected = 0xfffffffe;
    CHECK_STR(bench_data(&bench, 0xfffffffe, "1"), "ack 4294967294");
    CHECK_STR(bench_data(&bench, UINT32_MAX, "2"), "ack 4294967295");
    bench_pause(&bench);
    CHECK_STR(bench_data(&bench, UINT32_MAX, "2"), "ack 4294967295");
    CHECK_STR(bench_data(&bench, 0, "3"), "ack 0"); /* no features: this answers no WRQ */
    bench_pause(&bench);
    CHECK_STR(bench_data(&bench, 0, "3"), "ack 0");
    CHECK_STR(bench_data(&bench, 1, "4"), "ack 1");
    CHECK_STR(bench_end(&bench, 2), "ack 2");
    bench_check(&bench, OWNER_COMPLETE, "01234", 5);
    bench_close(&bench);
}

static void a_name_longer_than_is_kept_still_opens_one_dump(void)
{
    uint8_t wrq[2 + 400 + 1 + 6];
    struct bench bench;

    memset(wrq, 'n', sizeof(wrq));
    wrq[0] = 0;
    wrq[1] = PND_KDP_WRQ;
    memcpy(wrq + 402, "\0octet", 7);
    bench_open(&bench);
    CHECK_STR(bench_send(&bench, wrq, sizeof(wrq)), "ack 0");
    CHECK_EQ(strlen(bench.owner.rx.name), 255);
    bench_pause(&bench);
    CHECK_STR(bench_send(&bench, wrq, sizeof(wrq)), "ack 0");
    CHECK_EQ(bench.owner.rx.repeats, 1);
    bench_close(&bench);
}

int main(void)
{
    RUN(a_dump_of_three_blocks_arrives_and_its_eof_is_acknowledged_when_durable);
    RUN(a_repeated_write_request_is_answered_again_with_the_same_features);
    RUN(a_lost_ack_is_sent_again_when_its_block_is_repeated_also_after_a_restart);
    RUN(a_lost_final_ack_is_sent_again_for_more_than_a_minute_also_after_a_restart);
    RUN(the_first_copy_of_a_block_is_answered_and_no_burst_of_copies_after_it);
    RUN(every_copy_of_a_write_request_and_of_the_final_eof_is_answered);
    RUN(a_write_request_alone_makes_no_file_and_is_forgotten);
    RUN(an_empty_dump_is_a_file_of_no_bytes);
    RUN(the_grant_follows_what_the_sender_asks_for);
    RUN(a_seek_of_64_bits_leaves_a_hole_and_one_of_32_bits_is_shorter);
    RUN(a_block_of_no_bytes_makes_no_file_longer_and_hides_no_junk);
    RUN(a_seek_that_is_cut_draws_nothing);
    RUN(no_byte_lies_at_or_behind_the_limit);
    RUN(only_the_expected_block_and_the_one_before_draw_an_answer_in_every_phase);
    RUN(packets_shorter_than_their_header_draw_nothing);
    RUN(a_block_longer_than_its_grant_and_any_junk_draws_nothing);
    RUN(an_eof_that_drags_a_whole_block_is_none);
    RUN(a_malformed_write_request_draws_a_whole_error_and_no_state);
    RUN(block_numbers_wrap_at_2_to_the_32);
    RUN(a_name_longer_than_is_kept_still_opens_one_dump);
    return tap_done();
}
