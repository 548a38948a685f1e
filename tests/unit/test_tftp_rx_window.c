/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Windows of TFTP: one ACK for each, or where a block is missing; and what follows block 65535. */
#include "unit/tftp_bench.h"

static void open_window(struct tftp_bench *bench, const char *options)
{
    bench_open(bench);
    bench_wrq(bench, "core", options);
}

/* Blocks [from, to) of 8 bytes each. @return the last reply that is none of "" */
static const char *send_blocks(struct tftp_bench *bench, uint32_t from, uint32_t to)
{
    static char last[160];

    last[0] = '\0';
    for (uint32_t block = from; block < to; block++) {
        bench_data(bench, (uint16_t)block, 'a', 8);
        if (bench->owner.reply_len)
            snprintf(last, sizeof(last), "%s", bench_reply(bench));
    }
    return last;
}

static void a_window_draws_one_ack_when_it_is_whole(void)
{
    struct tftp_bench bench;

    open_window(&bench, "blksize 8 windowsize 4");
    for (uint16_t block = 1; block <= 40; block++) {
        char want[16] = "";

        if (block % 4 == 0)
            snprintf(want, sizeof(want), "ack %u", block);
        CHECK_STR(bench_data(&bench, block, 'a', 8), want);
    }
    CHECK_STR(bench_data(&bench, 41, 'b', 8), "");
    CHECK_STR(bench_end(&bench, 42, 'b', 1), "ack 42");
    bench_check(&bench, TFTP_OWNER_COMPLETE, "a320b9");
    bench_close(&bench);
}

static void a_gap_is_told_once_in_each_go_of_the_sender(void)
{
    struct tftp_bench bench;

    open_window(&bench, "blksize 8 windowsize 6");
    CHECK_STR(send_blocks(&bench, 1, 3), "");
    CHECK_STR(bench_data(&bench, 4, 'a', 8), "ack 2"); /* 3 is missing */
    CHECK_STR(send_blocks(&bench, 5, 7), "");
    CHECK_STR(bench_data(&bench, 6, 'a', 8), ""); /* a copy made on the way */
    bench.now_ms += 10;
    CHECK_STR(bench_data(&bench, 4, 'a', 8), "ack 2"); /* 3 again */
    CHECK_STR(send_blocks(&bench, 5, 9), "");
    CHECK_STR(send_blocks(&bench, 3, 9), "ack 8");
    bench_close(&bench);
}

static void a_first_window_without_its_first_block_is_told_as_well(void)
{
    struct tftp_bench bench;

    open_window(&bench, "blksize 8 windowsize 4");
    CHECK_STR(bench_data(&bench, 2, 'a', 8), "ack 0");
    CHECK_STR(send_blocks(&bench, 3, 5), "");
    CHECK_EQ(bench.owner.opens, 0);
    CHECK_STR(send_blocks(&bench, 1, 5), "ack 4");
    bench_close(&bench);
}

static void blocks_beyond_the_window_and_far_behind_it_draw_nothing(void)
{
    struct tftp_bench bench;

    open_window(&bench, "blksize 8 windowsize 4");
    CHECK_STR(send_blocks(&bench, 1, 101), "ack 100");
    bench.now_ms += 1000;
    CHECK_STR(bench_data(&bench, 105, 'x', 8), "");
    CHECK_STR(bench_data(&bench, 0, 'x', 8), "");
    CHECK_STR(bench_data(&bench, 92, 'x', 8), "");
    CHECK_STR(bench_data(&bench, 40000, 'x', 8), "");
    CHECK_EQ(bench.owner.rx.strays, 4);
    CHECK_STR(bench_data(&bench, 104, 'x', 8), "ack 100");
    bench_close(&bench);
}

static void a_window_whose_ack_was_lost_draws_it_again_once(void)
{
    struct tftp_bench bench;

    open_window(&bench, "blksize 8 windowsize 4");
    CHECK_STR(send_blocks(&bench, 1, 5), "ack 4");
    bench.now_ms += 300;
    CHECK_STR(send_blocks(&bench, 1, 4), "");
    CHECK_STR(bench_data(&bench, 4, 'a', 8), "ack 4");
    CHECK_STR(send_blocks(&bench, 1, 5), ""); /* a copy of it, made on the way */
    CHECK_STR(send_blocks(&bench, 5, 9), "ack 8");
    CHECK_STR(send_blocks(&bench, 5, 9), ""); /* drawn by the copy of ACK 4 */
    CHECK_STR(send_blocks(&bench, 9, 13), "ack 12");
    bench_close(&bench);
}

/* Who has not heard the ACK at a gap counts its window from further back. */
static void an_ack_comes_where_the_senders_window_ends(void)
{
    struct tftp_bench bench;

    open_window(&bench, "blksize 8 windowsize 8");
    send_blocks(&bench, 1, 5);
    CHECK_STR(bench_data(&bench, 6, 'a', 8), "ack 4"); /* and this is lost */
    CHECK_STR(bench_wait(&bench, 0), "");
    CHECK_STR(send_blocks(&bench, 1, 8), "");
    CHECK_STR(bench_data(&bench, 8, 'a', 8), "ack 8");
    CHECK_STR(send_blocks(&bench, 9, 17), "ack 16");
    bench_close(&bench);
}

static void a_window_that_lost_its_end_is_acknowledged_as_far_as_it_came_after_a_silence(void)
{
    struct tftp_bench bench;

    open_window(&bench, "blksize 8 windowsize 8");
    for (uint32_t window = 0; window < 20; window++) { /* 10 ms from ACK to block */
        bench.now_ms += 10;
        send_blocks(&bench, 8 * window + 1, 8 * window + 9);
    }
    bench.now_ms += 10;
    send_blocks(&bench, 161, 166);
    CHECK_STR(bench_wait(&bench, PND_TFTP_RX_SILENCE_MIN_MS - 1), "");
    CHECK_STR(bench_wait(&bench, 1), "ack 165");
    CHECK_STR(bench_wait(&bench, 2 * PND_TFTP_RX_SILENCE_MIN_MS - 1), "");
    CHECK_STR(bench_wait(&bench, 1), "ack 165");
    CHECK_STR(bench_wait(&bench, 100000), "ack 165");
    CHECK_EQ(bench.owner.rx.asks, PND_TFTP_RX_ASKS_MAX);
    CHECK_STR(send_blocks(&bench, 166, 174), "ack 173");
    send_blocks(&bench, 174, 176); /* a gap that needed no repetition: silences are short again */
    CHECK_STR(bench_wait(&bench, PND_TFTP_RX_SILENCE_MIN_MS + 5), "ack 175");
    bench_close(&bench);
}

static void a_silence_follows_the_senders_rhythm_and_grows_until_it_is_known(void)
{
    struct tftp_bench bench;

    open_window(&bench, "blksize 8 windowsize 2");
    for (uint32_t window = 0; window < 50; window++) {
        bench.now_ms += 400;
        send_blocks(&bench, 2 * window + 1, 2 * window + 3);
    }
    CHECK_STR(bench_wait(&bench, 399), "");
    CHECK_STR(bench_wait(&bench, 600), "ack 100");
    bench_close(&bench);

    open_window(&bench, "blksize 8 windowsize 2"); /* slower than any silence of ours */
    bench.owner.limits.idle_ms = 1000000;
    for (uint32_t window = 0; window < 10; window++) {
        bench_wait(&bench, 30000);
        send_blocks(&bench, 2 * window + 1, 2 * window + 3);
    }
    CHECK(bench.owner.replies <= 10 + 10 * PND_TFTP_RX_ASKS_MAX);
    bench_close(&bench);
}

static void without_recovery_only_the_timeout_repeats_an_ack(void)
{
    struct tftp_bench bench;

    open_window(&bench, "blksize 8 windowsize 8 timeout 3");
    bench.owner.limits.recover = false;
    send_blocks(&bench, 1, 4);
    CHECK_STR(bench_wait(&bench, 2999), "");
    CHECK_STR(bench_wait(&bench, 1), "ack 3");
    bench_close(&bench);
    open_window(&bench, "blksize 8 windowsize 8");
    bench.owner.limits.recover = false;
    bench.owner.limits.reack_ms = 0;
    send_blocks(&bench, 1, 4);
    CHECK_STR(bench_wait(&bench, 110000), "");
    bench_close(&bench);
}

static void a_restart_in_the_middle_of_a_window_goes_on_from_what_is_held(void)
{
    struct tftp_bench bench;

    open_window(&bench, "blksize 8 windowsize 16");
    send_blocks(&bench, 1, 20);
    bench_restart(&bench);
    CHECK_STR(bench_wait(&bench, PND_TFTP_RX_SILENCE_FIRST_MS), "ack 19");
    CHECK_STR(send_blocks(&bench, 20, 36), "ack 35");
    bench_restart(&bench);
    CHECK_STR(bench_data(&bench, 38, 'a', 8), "ack 35");
    CHECK_STR(send_blocks(&bench, 36, 52), "ack 51");
    bench_close(&bench);
}

/* The number of block @p index, from 1 on. */
static uint16_t rolled(uint64_t index, bool to_one)
{
    return (uint16_t)(to_one ? (index - 1) % 65535 + 1 : index);
}

static void send_rolled(struct tftp_bench *bench, uint64_t from, uint64_t to, bool to_one)
{
    for (uint64_t index = from; index < to; index++)
        bench_data(bench, rolled(index, to_one), (char)('a' + index % 2), 8);
}

static void block_numbers_roll_over_to_0_and_to_1_as_often_as_they_like(void)
{
    static const char *const options[] = {"blksize 8", "blksize 8 windowsize 2",
                                          "blksize 8 windowsize 512"};

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        for (int to_one = 0; to_one < 2; to_one++) {
            struct tftp_bench bench;

            open_window(&bench, options[i]);
            for (uint64_t held = 0; held < 200000;) {
                send_rolled(&bench, held + 1, held + 1 + bench.owner.rx.window, to_one);
                held = bench.owner.rx.blocks;
                bench.now_ms += 30;
            }
            CHECK_EQ(bench.owner.rx.roll, to_one ? PND_TFTP_ROLL_ONE : PND_TFTP_ROLL_ZERO);
            CHECK_EQ(bench.owner.rx.end, 8 * bench.owner.rx.blocks);
            CHECK(bench.owner.rx.strays <= 2u * bench.owner.rx.window);
            bench_close(&bench);
        }
}

/* Both send 1 and 2 behind 65535, and of one of them a block was lost. */
static void a_lost_block_0_is_not_taken_for_a_roll_over_to_1(void)
{
    struct tftp_bench bench;

    open_window(&bench, "blksize 8 windowsize 4");
    send_rolled(&bench, 1, 65533, false);
    CHECK_EQ(bench.owner.rx.blocks, 65532);
    for (int go = 0; go < 6; go++) {
        CHECK_STR(send_blocks(&bench, 65533, 65536), "");
        CHECK_STR(bench_data(&bench, 1, 'x', 8), "ack 65535");
        CHECK_STR(bench_data(&bench, 2, 'x', 8), "");
        CHECK_STR(bench_data(&bench, 3, 'x', 8), "");
        CHECK_EQ(bench.owner.rx.blocks, 65535);
        bench.now_ms += 1000;
        bench_restart(&bench);
    }
    CHECK_STR(send_blocks(&bench, 65536, 65540), "ack 3");
    CHECK_EQ(bench.owner.rx.roll, PND_TFTP_ROLL_ZERO);
    bench_close(&bench);
}

static void a_block_of_the_windows_number_shows_a_roll_over_to_1(void)
{
    struct tftp_bench bench;

    open_window(&bench, "blksize 8 windowsize 4");
    send_rolled(&bench, 1, 65536, false);
    CHECK_STR(bench_data(&bench, 1, 'x', 8), "ack 65535");
    CHECK_STR(send_blocks(&bench, 2, 4), "");
    CHECK_EQ(bench.owner.rx.roll, PND_TFTP_ROLL_UNKNOWN);
    CHECK_STR(bench_data(&bench, 4, 'x', 8), "");
    CHECK_EQ(bench.owner.rx.roll, PND_TFTP_ROLL_ONE);
    bench_restart(&bench);
    CHECK_EQ(bench.owner.rx.roll, PND_TFTP_ROLL_ONE);
    CHECK_EQ(bench.owner.rx.blocks, 65535);
    CHECK_STR(send_blocks(&bench, 1, 5), "ack 4");
    CHECK_STR(bench_data(&bench, 0, 'x', 8), "");
    CHECK_STR(bench_end(&bench, 5, 'x', 3), "ack 5");
    CHECK_EQ(tftp_owner_last(&bench.owner)->len, 8 * 65539 + 3);
    bench_close(&bench);
}

/* It ends before it could show the number that only it can have. */
static void a_dump_that_ends_behind_a_roll_over_to_1_arrives_when_its_size_was_announced(void)
{
    static const uint64_t blocks = 65535 + 5;
    struct tftp_bench bench;
    char options[64];

    for (int said = 0; said < 3; said++) {
        bench_open(&bench);
        snprintf(options, sizeof(options), "blksize 8 windowsize 16 tsize %" PRIu64,
                 said ? 8 * blocks + 3 + (said == 2) : 0);
        bench_wrq(&bench, "core", options);
        send_rolled(&bench, 1, 65536, true);
        CHECK_STR(send_blocks(&bench, 1, 6), "ack 65535");
        CHECK_STR(bench_data(&bench, 6, 'e', 3), "");
        CHECK_EQ(bench.owner.rx.roll, said == 1 ? PND_TFTP_ROLL_ONE : PND_TFTP_ROLL_UNKNOWN);
        CHECK_EQ(bench.owner.rx.blocks, 65535);
        send_blocks(&bench, 1, 6);
        bench_data(&bench, 6, 'e', 3);
        bench_wait(&bench, 130000);
        CHECK_EQ(tftp_owner_last(&bench.owner)->state,
                 said == 1 ? TFTP_OWNER_COMPLETE : TFTP_OWNER_INCOMPLETE);
        CHECK_EQ(tftp_owner_last(&bench.owner)->len, said == 1 ? 8 * blocks + 3 : 8 * 65535);
        bench_close(&bench);
    }
}

static void a_gap_that_never_closes_is_not_told_for_ever(void)
{
    struct tftp_bench bench;

    open_window(&bench, "blksize 8 windowsize 4");
    send_blocks(&bench, 1, 5);
    for (int go = 0; go < 200; go++) {
        bench.now_ms += 5;
        CHECK_STR(bench_data(&bench, 7, 'a', 8), go < PND_TFTP_RX_GAPS_MAX ? "ack 4" : "");
    }
    CHECK_STR(send_blocks(&bench, 5, 9), "ack 8");
    bench.now_ms += 5;
    CHECK_STR(bench_data(&bench, 11, 'a', 8), "ack 8");
    bench_close(&bench);
}

static void a_file_ends_in_any_block_around_the_roll_over(void)
{
    for (int to_one = 0; to_one < 2; to_one++)
        for (uint64_t blocks = 65533; blocks < 65540; blocks++) {
            struct tftp_bench bench;

            open_window(&bench, "blksize 8");
            send_rolled(&bench, 1, blocks, to_one);
            CHECK_STR(bench_data(&bench, rolled(blocks, to_one), 'e', 3), "");
            tftp_owner_tick(&bench.owner, bench.now_ms);
            CHECK_EQ(bench.owner.rx.phase, PND_RX_DONE);
            bench.now_ms += 100;
            CHECK(*bench_data(&bench, rolled(blocks, to_one), 'e', 3) != '\0');
            CHECK_EQ(tftp_owner_last(&bench.owner)->len, 8 * (blocks - 1) + 3);
            bench_close(&bench);
        }
}

static void a_dump_of_more_than_4_gib_arrives_in_blocks_of_the_largest_size(void)
{
    struct tftp_bench bench;
    uint64_t blocks = (UINT64_C(4) << 30) / PND_TFTP_BLOCK_MAX + 100;

    open_window(&bench, "blksize 65464 tsize 4300000000");
    CHECK_EQ(bench.owner.rx.granted.total_bytes, UINT64_C(4300000000));
    for (uint64_t index = 1; index <= blocks; index++)
        bench_data(&bench, (uint16_t)index, 'a', PND_TFTP_BLOCK_MAX);
    CHECK_STR(bench_end(&bench, (uint16_t)(blocks + 1), 'b', 1), "ack 173");
    CHECK_EQ(tftp_owner_last(&bench.owner)->len, blocks * PND_TFTP_BLOCK_MAX + 1);
    CHECK_EQ(tftp_owner_last(&bench.owner)->state, TFTP_OWNER_COMPLETE);
    bench_close(&bench);
}

int main(void)
{
    RUN(a_window_draws_one_ack_when_it_is_whole);
    RUN(a_gap_is_told_once_in_each_go_of_the_sender);
    RUN(a_first_window_without_its_first_block_is_told_as_well);
    RUN(blocks_beyond_the_window_and_far_behind_it_draw_nothing);
    RUN(a_window_whose_ack_was_lost_draws_it_again_once);
    RUN(an_ack_comes_where_the_senders_window_ends);
    RUN(a_window_that_lost_its_end_is_acknowledged_as_far_as_it_came_after_a_silence);
    RUN(a_silence_follows_the_senders_rhythm_and_grows_until_it_is_known);
    RUN(without_recovery_only_the_timeout_repeats_an_ack);
    RUN(a_restart_in_the_middle_of_a_window_goes_on_from_what_is_held);
    RUN(block_numbers_roll_over_to_0_and_to_1_as_often_as_they_like);
    RUN(a_lost_block_0_is_not_taken_for_a_roll_over_to_1);
    RUN(a_block_of_the_windows_number_shows_a_roll_over_to_1);
    RUN(a_dump_that_ends_behind_a_roll_over_to_1_arrives_when_its_size_was_announced);
    RUN(a_gap_that_never_closes_is_not_told_for_ever);
    RUN(a_file_ends_in_any_block_around_the_roll_over);
    RUN(a_dump_of_more_than_4_gib_arrives_in_blocks_of_the_largest_size);
    return tap_done();
}
