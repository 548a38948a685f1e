/* SPDX-License-Identifier: BSD-2-Clause
 *
 * When a receiving session says an ACK again by time, and when it never does. Every call goes
 * through tests/sim/rule.c as well. */
#include "unit/rx_bench.h"

static const char core[] = "core-xnu-3789.72.11-192.168.136.130-a5001516.gz";

enum { ACKS_MAX = 32 };

/* What was said while time passed, and when, counted from its start. */
struct said {
    unsigned count;
    uint64_t ms[ACKS_MAX];
    char text[64]; /* the last one */
};

static void open_recovering(struct bench *bench)
{
    bench_open(bench);
    bench->owner.limits.recover = true;
    bench_wrq(bench, core, 3, 1406);
}

static struct said listen(struct bench *bench, uint64_t ms)
{
    uint64_t start_ms = bench->now_ms, until_ms = start_ms + ms;
    struct said said = {0};

    for (int turns = 0; owner_deadline_ms(&bench->owner) <= until_ms && turns < 100; turns++) {
        if (owner_deadline_ms(&bench->owner) > bench->now_ms)
            bench->now_ms = owner_deadline_ms(&bench->owner);
        owner_tick(&bench->owner, bench->now_ms);
        if (bench->owner.reply_len && said.count < ACKS_MAX) {
            said.ms[said.count++] = bench->now_ms - start_ms;
            snprintf(said.text, sizeof(said.text), "%s", bench_reply(bench));
        }
    }
    bench->now_ms = until_ms;
    bench->owner.reply_len = 0;
    return said;
}

/* Blocks [first, end), one every @p gap_ms; each must be acknowledged. */
static void send_blocks(struct bench *bench, uint32_t first, uint32_t end, uint64_t gap_ms)
{
    for (uint32_t block = first; block < end; block++) {
        char want[16];

        snprintf(want, sizeof(want), "ack %" PRIu32, block);
        bench_wait(bench, gap_ms);
        if (bench_data(bench, block, "abcd")[0] == '\0') /* behind a repetition */
            CHECK_STR(bench_wait(bench, PND_KDP_ORDER_MS), want);
        else
            CHECK_STR(bench_reply(bench), want);
    }
}

static void a_silence_draws_the_last_ack_four_times_at_growing_distance_and_once_more(void)
{
    struct bench bench;
    struct said said;

    open_recovering(&bench);
    send_blocks(&bench, 1, 60, 0);
    said = listen(&bench, 119999);
    CHECK_EQ(said.count, 5);
    CHECK(said.ms[0] >= 2 && said.ms[0] <= 4);
    CHECK_EQ(said.ms[1], 2 * said.ms[0]);
    CHECK_EQ(said.ms[2], 4 * said.ms[0]);
    CHECK_EQ(said.ms[3], 8 * said.ms[0]);
    CHECK_EQ(said.ms[4], 2000);
    CHECK_STR(said.text, "ack 59");
    bench_close(&bench);
}

static void of_a_sender_that_nothing_is_known_of_more_patience_is_had(void)
{
    struct bench bench;

    open_recovering(&bench);
    bench_data(&bench, 1, "x");
    CHECK_EQ(listen(&bench, 74).count, 0);
    CHECK_EQ(listen(&bench, 1).count, 1);
    bench_close(&bench);
}

static void a_sender_that_is_regularly_slow_is_left_in_peace(void)
{
    struct bench bench;
    unsigned before;

    open_recovering(&bench);
    send_blocks(&bench, 1, 30, 60);
    before = bench.owner.replies;
    send_blocks(&bench, 30, 60, 60);
    CHECK_EQ(bench.owner.replies - before, 30);
    CHECK_EQ(bench.owner.rx.repeats, 0);
    bench_close(&bench);
}

static void a_sender_that_takes_a_second_for_a_block_is_not_helped(void)
{
    struct bench bench;
    struct said said;

    open_recovering(&bench);
    send_blocks(&bench, 1, 40, 1500);
    said = listen(&bench, 100000);
    CHECK_EQ(said.count, 1);
    CHECK_EQ(said.ms[0], 2000);
    bench_close(&bench);
}

/* The client was compressing: it finds three ACKs too many, and sends the block twice more. */
static void copies_that_repetitions_drew_draw_nothing_and_show_that_the_sender_was_slow(void)
{
    struct bench bench;
    uint32_t silence_ms;

    open_recovering(&bench);
    send_blocks(&bench, 1, 40, 0);
    CHECK_EQ(listen(&bench, 30).count, 4);
    CHECK_STR(bench_data(&bench, 40, "abcd"), "ack 40");
    silence_ms = pnd_kdp_rhythm_silence_ms(&bench.owner.rx.rhythm);
    CHECK(silence_ms < 5);
    CHECK_STR(bench_data(&bench, 40, "abcd"), "");
    CHECK_STR(bench_data(&bench, 40, "abcd"), "");
    CHECK(pnd_kdp_rhythm_silence_ms(&bench.owner.rx.rhythm) > 30);
    CHECK_STR(bench_data(&bench, 41, "abcd"), "ack 41");
    send_blocks(&bench, 42, 80, 0);
    CHECK(pnd_kdp_rhythm_silence_ms(&bench.owner.rx.rhythm) < 10); /* quick again */
    bench_close(&bench);
}

static void a_copy_that_comes_late_was_not_drawn_and_is_answered(void)
{
    struct bench bench;

    open_recovering(&bench);
    send_blocks(&bench, 1, 40, 0);
    listen(&bench, 1900);
    CHECK_STR(bench_data(&bench, 39, "abcd"), "ack 39");
    CHECK_STR(bench_data(&bench, 39, "abcd"), "");
    bench_close(&bench);
}

static void an_ack_stays_behind_the_repetitions_of_the_one_before(void)
{
    struct bench bench;
    struct said said;

    open_recovering(&bench);
    send_blocks(&bench, 1, 40, 0);
    while (bench_wait(&bench, 1)[0] == '\0')
        ;
    CHECK_STR(bench_data(&bench, 40, "abcd"), "");
    CHECK_STR(bench_data(&bench, 40, "abcd"), ""); /* a copy does not hasten it */
    CHECK_STR(bench_wait(&bench, PND_KDP_ORDER_MS - 1), "");
    CHECK_STR(bench_wait(&bench, 1), "ack 40");
    said = listen(&bench, 1000);
    CHECK_EQ(said.count, 4);
    bench_close(&bench);
}

static void so_does_the_ack_of_an_eof(void)
{
    struct bench bench;

    open_recovering(&bench);
    send_blocks(&bench, 1, 40, 0);
    while (bench_wait(&bench, 1)[0] == '\0')
        ;
    CHECK_STR(bench_end(&bench, 40), "");
    CHECK_EQ(bench.owner.rx.phase, PND_RX_DONE);
    CHECK_STR(bench_eof(&bench, 40), "");
    CHECK_STR(bench_wait(&bench, PND_KDP_ORDER_MS - 1), "");
    CHECK_STR(bench_wait(&bench, 1), "ack 40");
    CHECK_EQ(listen(&bench, 60000).count, 0);
    CHECK_STR(bench_eof(&bench, 40), "ack 40");
    CHECK_EQ(bench.owner.dump_count, 1);
    bench_close(&bench);
}

static void nothing_is_repeated_before_block_1_nor_after_the_eof(void)
{
    struct bench bench;

    open_recovering(&bench);
    CHECK_EQ(listen(&bench, 59999).count, 0);
    CHECK_STR(bench_data(&bench, 1, "x"), "ack 1");
    bench.owner.finish_ms = 5000;
    CHECK_STR(bench_eof(&bench, 2), "");
    CHECK_EQ(listen(&bench, 4999).count, 0);
    CHECK_STR(bench_wait(&bench, 1), "ack 2");
    CHECK_EQ(listen(&bench, 89999).count, 0);
    bench_close(&bench);
}

/* To it, the last ACK would be another success. */
static void nothing_is_repeated_to_a_sender_that_is_ahead(void)
{
    struct bench bench;

    for (int way = 0; way < 3; way++) {
        open_recovering(&bench);
        send_blocks(&bench, 1, 40, 0);
        CHECK_STR(way == 0   ? bench_data(&bench, 41, "x")
                  : way == 1 ? bench_seek(&bench, 42, 0, true)
                             : bench_eof(&bench, 39),
                  "");
        bench_restart(&bench);
        CHECK_EQ(listen(&bench, 100000).count, 0);
        CHECK_STR(bench_data(&bench, 40, "abcd"), "ack 40"); /* its packet was overtaken */
        CHECK_EQ(listen(&bench, 1999).count, 0);
        CHECK_EQ(listen(&bench, 1).count, 1);
        bench_close(&bench);
    }
}

static void on_a_path_that_reorders_only_the_last_resort_is_left(void)
{
    struct bench bench;
    struct said said;

    open_recovering(&bench);
    send_blocks(&bench, 1, 40, 0);
    CHECK_STR(bench_data(&bench, 38, "abcd"), "");
    for (uint32_t block = 40; block < 43; block++) {
        said = listen(&bench, 100000);
        CHECK_EQ(said.count, 1);
        CHECK_EQ(said.ms[0], 2000);
        CHECK_STR(bench_data(&bench, block, "abcd"), block % 2 ? "ack 41" : bench_reply(&bench));
        bench_restart(&bench);
    }
    bench_close(&bench);
}

static void on_a_path_that_makes_copies_an_ack_is_repeated_once(void)
{
    struct bench bench;

    open_recovering(&bench);
    for (uint32_t block = 1; block < 60; block++) {
        bench_data(&bench, block, "abcd");
        bench_data(&bench, block, "abcd");
    }
    CHECK_EQ(listen(&bench, 1999).count, 1);
    bench_close(&bench);
}

static void a_full_disk_and_a_sender_that_gave_up_are_no_silence(void)
{
    struct bench bench;

    open_recovering(&bench);
    send_blocks(&bench, 1, 40, 0);
    bench.owner.disk_full = true;
    CHECK_STR(bench_data(&bench, 40, "abcd"), "");
    CHECK_EQ(listen(&bench, 19999).count, 0);
    bench.owner.disk_full = false;
    CHECK_STR(bench_data(&bench, 40, "abcd"), "ack 40");
    CHECK(pnd_kdp_rhythm_silence_ms(&bench.owner.rx.rhythm) < 5); /* the disk's time, not its own */
    bench_send(&bench, "\0\5\0\0\0\0", 6);
    CHECK_EQ(listen(&bench, 14999).count, 0);
    bench_close(&bench);
}

/* A server that dies at each repetition must not use up the sender's transmissions. */
static void restarts_do_not_repeat_more_often(void)
{
    struct bench bench;
    unsigned count = 0;

    open_recovering(&bench);
    send_blocks(&bench, 1, 40, 0);
    for (int i = 0; i < 40; i++) {
        bench_restart(&bench);
        count += listen(&bench, i < 20 ? 150 : 2500).count;
    }
    CHECK(count >= 4);
    CHECK(count < PND_KDP_SAID_MAX);
    CHECK(bench.owner.watch.said <= PND_KDP_SAID_MAX);
    CHECK_STR(bench_data(&bench, 39, "abcd"), "ack 39");
    CHECK_STR(bench_data(&bench, 40, "abcd"), "ack 40");
    bench_close(&bench);
}

static void switched_off_only_the_last_resort_is_left(void)
{
    struct bench bench;
    struct said said;

    open_recovering(&bench);
    bench.owner.limits.recover = false;
    send_blocks(&bench, 1, 40, 0);
    CHECK_STR(bench_data(&bench, 39, "abcd"), "ack 39");
    said = listen(&bench, 119999);
    CHECK_EQ(said.count, 1);
    CHECK_EQ(said.ms[0], 2000);
    bench.owner.limits.reack_ms = 0;
    CHECK_STR(bench_data(&bench, 40, "abcd"), "ack 40");
    CHECK_EQ(listen(&bench, 119999).count, 0);
    bench_close(&bench);
}

int main(void)
{
    RUN(a_silence_draws_the_last_ack_four_times_at_growing_distance_and_once_more);
    RUN(of_a_sender_that_nothing_is_known_of_more_patience_is_had);
    RUN(a_sender_that_is_regularly_slow_is_left_in_peace);
    RUN(a_sender_that_takes_a_second_for_a_block_is_not_helped);
    RUN(copies_that_repetitions_drew_draw_nothing_and_show_that_the_sender_was_slow);
    RUN(a_copy_that_comes_late_was_not_drawn_and_is_answered);
    RUN(an_ack_stays_behind_the_repetitions_of_the_one_before);
    RUN(so_does_the_ack_of_an_eof);
    RUN(nothing_is_repeated_before_block_1_nor_after_the_eof);
    RUN(nothing_is_repeated_to_a_sender_that_is_ahead);
    RUN(on_a_path_that_reorders_only_the_last_resort_is_left);
    RUN(on_a_path_that_makes_copies_an_ack_is_repeated_once);
    RUN(a_full_disk_and_a_sender_that_gave_up_are_no_silence);
    RUN(restarts_do_not_repeat_more_often);
    RUN(switched_off_only_the_last_resort_is_left);
    return tap_done();
}
