/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The receiving session when things go wrong: silence, other dumps, ERRORs, full and failing
 * disks. Every call goes through tests/sim/rule.c as well. */
#include "unit/rx_bench.h"

static const char core[] = "core-xnu-3789.72.11-192.168.136.130-a5001516.gz";

static void silence_draws_one_repeated_ack_per_block_and_then_the_dump_is_incomplete(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_wrq(&bench, core, 3, 1406);
    bench_data(&bench, 1, "x");
    CHECK_STR(bench_wait(&bench, 1999), "");
    CHECK_STR(bench_wait(&bench, 1), "ack 1");
    CHECK_STR(bench_wait(&bench, 100000), "");
    CHECK_STR(bench_data(&bench, 2, "y"), "ack 2");
    CHECK_STR(bench_wait(&bench, 2000), "ack 2");
    CHECK_EQ(bench.owner.replies, 5);
    CHECK_STR(bench_wait(&bench, 117999), "");
    CHECK(bench.owner.slot);
    CHECK_STR(bench_wait(&bench, 1), "");
    CHECK(!bench.owner.slot);
    bench_check(&bench, OWNER_INCOMPLETE, "xy", 2);
    CHECK_STR(bench_why(&bench), "the sender fell silent");
    CHECK_STR(bench_data(&bench, 3, "z"), "");
    bench_close(&bench);
}

static void no_ack_is_repeated_by_time_when_that_is_switched_off_or_happened_before_a_restart(void)
{
    struct bench bench;

    bench_open(&bench);
    bench.owner.limits.reack_ms = 0;
    bench_wrq(&bench, core, 3, 1406);
    bench_data(&bench, 1, "x");
    CHECK_STR(bench_wait(&bench, 119999), "");
    CHECK(bench.owner.slot);
    bench_close(&bench);

    bench_open(&bench);
    bench_wrq(&bench, core, 3, 1406);
    bench_data(&bench, 1, "x");
    CHECK_STR(bench_wait(&bench, 2000), "ack 1");
    bench_restart(&bench);
    CHECK_STR(bench_wait(&bench, 60000), "");
    bench_close(&bench);
}

static void a_write_request_takes_over_only_what_makes_no_progress(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_wrq(&bench, core, 3, 1406);
    CHECK_STR(bench_wrq(&bench, "core-other", 1, 1406), "ack 0 features 1"); /* no file yet */
    bench_data(&bench, 1, "x");
    bench_wait(&bench, 19999);
    CHECK_STR(bench_wrq(&bench, "core-third", 3, 1406), "");
    bench.now_ms++;
    CHECK_STR(bench_wrq(&bench, "core-third", 3, 1406), "ack 0 features 3");
    bench_check(&bench, OWNER_INCOMPLETE, "x", 1);
    CHECK_STR(bench.owner.dump_count ? owner_last(&bench.owner)->name : NULL, "core-other");
    CHECK_STR(bench_why(&bench), "the sender started another dump");
    CHECK_EQ(bench.owner.opens, 1);
    CHECK_STR(bench_data(&bench, 1, "third"), "ack 1");
    CHECK_STR(bench_end(&bench, 2), "ack 2");
    bench_check(&bench, OWNER_COMPLETE, "third", 5);
    CHECK_STR(bench_wrq(&bench, "core-fourth", 3, 1406), "ack 0 features 3"); /* after DONE */
    CHECK_STR(bench_seek(&bench, 1, UINT64_MAX, true), "error 3");
    CHECK_STR(bench_wrq(&bench, "core-fifth", 3, 1406), "ack 0 features 3"); /* after FAILED */
    bench_close(&bench);
}

static void policy_that_refuses_a_takeover_leaves_the_running_dump_alone(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_wrq(&bench, core, 3, 1406);
    bench_data(&bench, 1, "x");
    bench_wait(&bench, 30000);
    bench.owner.refuses = true;
    CHECK_STR(bench_wrq(&bench, "core-other", 3, 1406), "");
    CHECK_STR(bench_data(&bench, 2, "y"), "ack 2");
    CHECK_EQ(bench.owner.dump_count, 0);
    bench_close(&bench);
}

static void a_late_copy_of_the_write_request_does_not_stop_the_answer_to_the_eof(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_wrq(&bench, core, 3, 1406);
    bench_data(&bench, 1, "x");
    bench_end(&bench, 2);
    CHECK_STR(bench_wrq(&bench, core, 3, 1406), "ack 0 features 3");
    CHECK_STR(bench_eof(&bench, 2), "ack 2");
    bench_restart(&bench);
    CHECK_STR(bench_wrq(&bench, core, 3, 1406), "ack 0 features 3");
    bench_pause(&bench);
    CHECK_STR(bench_eof(&bench, 2), "ack 2");
    CHECK_EQ(bench.owner.opens, 1);
    bench_close(&bench);
}

static void another_dump_is_never_told_the_eof_of_the_one_before(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_wrq(&bench, core, 3, 1406);
    bench_data(&bench, 1, "x");
    bench_end(&bench, 2);
    CHECK_STR(bench_wrq(&bench, "core-other", 3, 1406), "ack 0 features 3");
    /* To a sender whose block 1 was lost this would say that its whole dump is held. */
    CHECK_STR(bench_eof(&bench, 2), "");
    bench_close(&bench);
}

static void a_forged_error_ends_no_dump_that_goes_on(void)
{
    struct bench bench;

    bench_open(&bench);
    CHECK_STR(bench_wrq(&bench, core, 3, 1406), "ack 0 features 3");
    CHECK_STR(bench_send(&bench, "\0\5\0\0\0\0bye", 10), "");
    CHECK_STR(bench_data(&bench, 1, "x"), "ack 1");
    bench_wait(&bench, 40000); /* the sender is between two of its repetitions */
    CHECK_STR(bench_send(&bench, "\0\5\0\0\0\0bye", 10), "");
    bench_wait(&bench, 10000);
    bench_send(&bench, "\0\5\0\0\0\0bye", 10);
    CHECK_STR(bench_data(&bench, 1, "x"), "ack 1"); /* a repetition is a sign of life as well */
    CHECK_STR(bench_wrq(&bench, "core-other", 3, 1406), "");
    bench_wait(&bench, 19999);
    CHECK_STR(bench_wrq(&bench, "core-other", 3, 1406), "");
    CHECK_STR(bench_data(&bench, 2, "y"), "ack 2");
    bench_send(&bench, "\0\5\0\0\0\0bye", 10);
    CHECK_STR(bench_data(&bench, 3, "z"), "ack 3");
    bench_wait(&bench, 100000);
    CHECK_STR(bench_end(&bench, 4), "ack 4");
    bench_check(&bench, OWNER_COMPLETE, "xyz", 3);
    bench_close(&bench);
}

static void a_sender_that_says_error_and_falls_silent_has_given_up(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_wrq(&bench, core, 3, 1406);
    bench_data(&bench, 1, "x");
    bench_send(&bench, "\0\5\0\0\0\0bye", 10);
    CHECK_STR(bench_wait(&bench, 10000), "");
    bench_send(&bench, "\0\5\0\0\0\0bye", 10); /* again: the wait is not made longer */
    CHECK_STR(bench_wait(&bench, 5000), "");
    bench_check(&bench, OWNER_INCOMPLETE, "x", 1);
    CHECK_STR(bench_why(&bench), "the sender gave up");
    CHECK(!bench.owner.slot);
    bench_close(&bench);

    bench_open(&bench); /* and may start anew soon, also when the server starts anew */
    bench_wrq(&bench, core, 3, 1406);
    bench_data(&bench, 1, "x");
    bench_send(&bench, "\0\5\0\0\0\0bye", 10);
    bench_restart(&bench);
    CHECK_STR(bench_wrq(&bench, "again", 3, 1406), ""); /* the ERROR may be a stranger's */
    CHECK_STR(bench_wait(&bench, 2999), "");
    CHECK_STR(bench_wrq(&bench, "again", 3, 1406), "");
    CHECK_STR(bench_wait(&bench, 1), "");
    CHECK_STR(bench_wrq(&bench, "again", 3, 1406), "ack 0 features 3");
    bench_check(&bench, OWNER_INCOMPLETE, "x", 1);
    bench_close(&bench);
}

static void a_full_disk_is_waited_out_in_silence_and_the_dump_goes_on(void)
{
    struct bench bench;

    for (uint32_t first = 1; first < 3; first++) {
        bench_open(&bench);
        bench_wrq(&bench, core, 3, 1406);
        if (first == 2)
            bench_data(&bench, 1, "one ");
        bench.owner.disk_full = true;
        for (int i = 0; i < 6; i++) {
            CHECK_STR(bench_data(&bench, first, "next"), "");
            CHECK_STR(bench_wait(&bench, 3000), ""); /* nor is an ACK repeated */
        }
        bench.owner.disk_full = false;
        CHECK_STR(bench_data(&bench, first, "next"), first == 1 ? "ack 1" : "ack 2");
        CHECK_STR(bench_end(&bench, first + 1), first == 1 ? "ack 2" : "ack 3");
        bench_check(&bench, OWNER_COMPLETE, first == 1 ? "next" : "one next", 4 * first);
        bench_close(&bench);
    }
}

static void each_spell_of_a_full_disk_is_waited_out_anew(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_wrq(&bench, core, 3, 1406);
    for (uint32_t block = 1; block < 5; block++) {
        bench.owner.disk_full = true;
        CHECK_STR(bench_data(&bench, block, "next"), "");
        bench_wait(&bench, 15000);
        bench.owner.disk_full = false;
        CHECK(bench_data(&bench, block, "next")[0] == 'a');
        CHECK(bench_wait(&bench, 3000)[0] == 'a'); /* and its ACK is repeated by time again */
    }
    CHECK_STR(bench_end(&bench, 5), "ack 5");
    bench_check(&bench, OWNER_COMPLETE, "nextnextnextnext", 16);
    bench_close(&bench);
}

static void a_disk_that_stays_full_draws_error_3_and_keeps_what_came(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_wrq(&bench, core, 3, 1406);
    bench_data(&bench, 1, "one ");
    bench.owner.disk_full = true;
    CHECK_STR(bench_data(&bench, 2, "xx"), "");
    bench_wait(&bench, 19999);
    CHECK_STR(bench_data(&bench, 2, "xx"), "");
    bench_wait(&bench, 1);
    CHECK_STR(bench_data(&bench, 2, "xx"), "error 3");
    CHECK_STR((char *)bench.owner.reply + 6, "disk full");
    bench_check(&bench, OWNER_INCOMPLETE, "one ", 4);
    CHECK_STR(bench_data(&bench, 2, "xx"), "error 3");
    bench_restart(&bench);
    CHECK_STR(bench_data(&bench, 2, "xx"), "error 3");
    CHECK_STR(bench_wait(&bench, 90000), "");
    CHECK(!bench.owner.slot);
    bench_close(&bench);

    bench_open(&bench); /* the sender falls silent first */
    bench.now_ms = 0;
    bench_wrq(&bench, core, 3, 1406);
    bench_data(&bench, 1, "one ");
    bench.owner.disk_full = true;
    bench_data(&bench, 2, "xx");
    CHECK_STR(bench_wait(&bench, 119999), "");
    CHECK_STR(bench_wait(&bench, 1), "error 3");
    CHECK_STR(bench_why(&bench), "disk full");
    CHECK_STR(bench_data(&bench, 2, "xx"), "error 3");
    bench_close(&bench);
}

static void a_full_disk_is_waited_out_also_when_the_silence_ends_earlier(void)
{
    struct bench bench;

    bench_open(&bench);
    bench.owner.limits.idle_ms = 5000;
    bench_wrq(&bench, core, 3, 1406);
    bench_data(&bench, 1, "x");
    bench.owner.disk_full = true;
    bench_wait(&bench, 4000);
    bench_data(&bench, 2, "y");
    bench_wait(&bench, 19999);
    CHECK_EQ(bench.owner.rx.phase, PND_RX_LIVE);
    CHECK_STR(bench_wait(&bench, 1), "error 3");
    CHECK_STR(bench_wait(&bench, 90000), "");
    CHECK(!bench.owner.slot);
    bench_close(&bench);
}

static void what_cannot_be_written_for_good_is_refused_at_once(void)
{
    static const struct pnd_rx_limits limits = PND_RX_LIMITS_DEFAULT;
    struct pnd_actions actions;
    struct pnd_kdp_rx rx;
    uint8_t wrq[64];
    int len = pnd_kdp_build_wrq(wrq, sizeof(wrq), "n", 3, 1406);

    pnd_kdp_rx_init(&rx, &limits);
    CHECK_EQ(pnd_kdp_rx_deadline_ms(&rx), UINT64_MAX);
    pnd_kdp_rx_tick(&rx, 10, &actions);
    CHECK_EQ(actions.count, 0);
    CHECK_EQ(pnd_kdp_rx_datagram(&rx, wrq, (size_t)len, 10, &actions), PND_OK);
    pnd_kdp_rx_refuse_write(&rx, 10, true, PND_REFUSAL_ACCESS, "may not write here", &actions);
    CHECK_EQ(actions.count, 1); /* there is no file to abandon */
    CHECK_EQ(actions.at[0].kind, PND_ACT_REPLY);
    CHECK_MEM(actions.at[0].data, "\0\5\0\0\0\2may not write here\0", 25);
    CHECK_EQ(rx.phase, PND_RX_FAILED);
    pnd_kdp_rx_finished(&rx, true, 10, &actions); /* no FINISH was asked for */
    CHECK_EQ(actions.count, 0);
}

static void a_dump_that_cannot_be_made_durable_is_not_acknowledged(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_wrq(&bench, core, 3, 1406);
    bench_data(&bench, 1, "x");
    bench.owner.fsync_fails = true;
    CHECK_STR(bench_end(&bench, 2), "error 3");
    bench_check(&bench, OWNER_INCOMPLETE, "x", 1);
    CHECK_STR(bench_eof(&bench, 2), "error 3");
    bench_close(&bench);
}

int main(void)
{
    RUN(silence_draws_one_repeated_ack_per_block_and_then_the_dump_is_incomplete);
    RUN(no_ack_is_repeated_by_time_when_that_is_switched_off_or_happened_before_a_restart);
    RUN(a_write_request_takes_over_only_what_makes_no_progress);
    RUN(policy_that_refuses_a_takeover_leaves_the_running_dump_alone);
    RUN(a_late_copy_of_the_write_request_does_not_stop_the_answer_to_the_eof);
    RUN(another_dump_is_never_told_the_eof_of_the_one_before);
    RUN(a_forged_error_ends_no_dump_that_goes_on);
    RUN(a_sender_that_says_error_and_falls_silent_has_given_up);
    RUN(a_full_disk_is_waited_out_in_silence_and_the_dump_goes_on);
    RUN(each_spell_of_a_full_disk_is_waited_out_anew);
    RUN(a_disk_that_stays_full_draws_error_3_and_keeps_what_came);
    RUN(a_full_disk_is_waited_out_also_when_the_silence_ends_earlier);
    RUN(what_cannot_be_written_for_good_is_refused_at_once);
    RUN(a_dump_that_cannot_be_made_durable_is_not_acknowledged);
    return tap_done();
}
