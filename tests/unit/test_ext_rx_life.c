/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The receiving session of the extension: how a dump waits, is given up, and lives through the end
 * of its process; and what draws nothing. PROTOCOL.md#kdp-12.3 and #kdp-12.5 */
#include "unit/ext_bench.h"

static void a_packet_with_another_token_draws_nothing_in_any_phase(void)
{
    static const enum pnd_ext_op ops[] = {PND_EXT_DATA, PND_EXT_ZERO, PND_EXT_END, PND_EXT_PROBE};
    struct bench bench;

    bench_open(&bench);
    for (int phase = 0; phase < 4; phase++) {
        if (phase == 0)
            bench_hello(&bench);
        else if (phase == 1)
            bench_data(&bench, 0, 10);
        else if (phase == 2)
            bench_end(&bench, 10);
        else
            bench_restart(&bench);
        bench.token ^= 1;
        for (unsigned i = 0; i < 4; i++) {
            bench_packet(&bench, ops[i], 20, 30, 0, 1);
            CHECK_EQ(bench.owner.err, PND_E_TYPE);
            CHECK_STR(bench_turn(&bench), "");
        }
        bench_stop(&bench);
        CHECK_EQ(bench.owner.err, PND_E_TYPE);
        CHECK(!bench.owner.rx.quit);
        bench.token ^= 1;
    }
    CHECK_EQ(bench.owner.rx.strays, 20);
    CHECK_EQ(bench.owner.rx.bytes, 10);
    bench_close(&bench);
}

static void what_only_a_server_sends_and_what_is_no_packet_draws_nothing(void)
{
    struct bench bench;
    uint8_t dgram[PND_EXT_ACK_BYTES] = {0};

    bench_open(&bench);
    bench_hello(&bench);
    for (unsigned op = 0; op < 0x20; op++) {
        for (size_t len = 0; len <= sizeof(dgram); len++) {
            if (op == PND_EXT_OPEN || op == PND_EXT_STOP ||
                (op >= PND_EXT_DATA && op <= PND_EXT_PROBE && len >= PND_EXT_HEADER_BYTES))
                continue;
            dgram[1] = (uint8_t)op;
            bench_put(&bench, dgram, len);
            CHECK(bench.owner.err == PND_E_TYPE || bench.owner.err == PND_E_SHORT);
            CHECK_STR(bench_turn(&bench), "");
        }
    }
    CHECK_EQ(bench.owner.rx.phase, PND_RX_ASKED);
    bench_close(&bench);
}

static void a_probe_is_answered_with_the_largest_size_that_came(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_hello(&bench);
    bench_packet(&bench, PND_EXT_PROBE, 0, 4052, 0, 0);
    CHECK_STR(bench_turn(&bench), "ack 0");
    CHECK_EQ(bench_ack(&bench)->probed, 4052);
    bench_packet(&bench, PND_EXT_PROBE, 0, 65507, 0, 0);
    bench_packet(&bench, PND_EXT_PROBE, 0, 508, 0, 0);
    bench_turn(&bench);
    CHECK_EQ(bench_ack(&bench)->probed, 65507);
    CHECK_EQ(bench_ack(&bench)->number, 3);
    CHECK_EQ(bench_ack(&bench)->packets, 0);
    CHECK_EQ(bench.owner.rx.phase, PND_RX_ASKED);
    CHECK_EQ(bench.owner.opens, 0);
    bench_close(&bench);
}

static void an_ack_tells_the_highest_number_its_age_and_how_many_came(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_hello(&bench);
    bench.number = UINT32_MAX - 2;
    bench_data(&bench, 0, 10);
    bench_data(&bench, 10, 20); /* UINT32_MAX */
    bench_ask(&bench, 20, 30);  /* 0: no number */
    bench_ask(&bench, 30, 40);
    CHECK_EQ(bench_ack(&bench)->number, 1);
    CHECK_EQ(bench_ack(&bench)->packets, 4);
    bench.number = UINT32_MAX - 1;
    bench.now_us += 777;
    bench_ask(&bench, 0, 10); /* an old one, late */
    CHECK_EQ(bench_ack(&bench)->number, 1);
    CHECK_EQ(bench_ack(&bench)->age_us, 777);
    CHECK_EQ(bench_ack(&bench)->packets, 5);
    bench.now_us += UINT64_C(1) << 33;
    bench_ask(&bench, 0, 10);
    CHECK_EQ(bench_ack(&bench)->age_us, UINT32_MAX);
    bench_close(&bench);
}

static void nothing_behind_the_limit_is_taken_but_zeros_and_what_was_said_once_holds(void)
{
    struct bench bench;

    bench_open(&bench);
    bench.owner.room = 1000;
    bench_hello(&bench);
    bench_data(&bench, 5000, 5010); /* no limit was said yet */
    CHECK_EQ(bench.owner.err, PND_OK);
    CHECK_EQ(bench_ack(&bench)->limit, 1000);
    bench_data(&bench, 1000, 1001);
    CHECK_EQ(bench.owner.err, PND_E_FULL);
    CHECK_STR(bench_reply(&bench), "ack 0 5000-5010");
    bench_data(&bench, 999, 1100);
    CHECK_EQ(bench.owner.err, PND_OK);
    bench_zero(&bench, 2000, 3000);
    CHECK_EQ(bench.owner.err, PND_OK);
    bench.owner.room = 0;
    bench_data(&bench, 0, 100);
    CHECK_EQ(bench_ack(&bench)->limit, 100);
    bench_data(&bench, 900, 999);
    CHECK_EQ(bench.owner.err, PND_OK);
    CHECK_STR(bench_data(&bench, 100, 900), "ack 1100 2000-3000 5000-5010");
    CHECK_EQ(bench_ack(&bench)->limit, 1100);
    bench_data(&bench, 1100, 1200);
    CHECK_EQ(bench.owner.err, PND_E_FULL);
    bench_close(&bench);
}

static void a_dump_larger_than_allowed_is_given_up_and_what_came_is_kept(void)
{
    for (int way = 0; way < 4; way++) {
        struct bench bench;

        bench_open(&bench);
        bench.owner.limits.dump_bytes_max = 1000;
        bench_hello(&bench);
        if (way != 3)
            bench_data(&bench, 0, 500);
        bench_ask(&bench, 500, 1000);
        CHECK_EQ(bench.owner.err, PND_OK);
        if (way == 0)
            bench_packet(&bench, PND_EXT_DATA, 1000, 1, 0, 0);
        else if (way == 1)
            bench_packet(&bench, PND_EXT_ZERO, 500, 501, 0, 0);
        else
            bench_packet(&bench, PND_EXT_END, 1001, 0, 0, 0);
        CHECK_EQ(bench.owner.err, PND_E_RANGE);
        CHECK_STR(bench_turn(&bench), "stop 3 the dump is larger than the server allows");
        bench_check_but(&bench, EXT_OWNER_INCOMPLETE, 1000, 0, way == 3 ? 500 : 0);
        CHECK_STR(bench_why(&bench), "the dump is larger than the server allows");
        bench_close(&bench);
    }
}

static void a_first_packet_that_is_too_far_leaves_no_file(void)
{
    struct bench bench;

    bench_open(&bench);
    bench.owner.limits.dump_bytes_max = 1000;
    bench_hello(&bench);
    CHECK_STR(bench_data(&bench, 999, 1001), "stop 3 the dump is larger than the server allows");
    CHECK_EQ(bench.owner.opens, 0);
    CHECK_EQ(bench.owner.dump_count, 0);
    bench_close(&bench);
}

/* What was above held is forgotten, the sender sends it again, and the dump is whole. */
static void a_restart_after_any_packet_loses_nothing_that_was_said_to_be_held(void)
{
    enum { PIECES = 40, EACH = 100 };

    for (unsigned step = 0; step <= PIECES; step++) {
        struct bench bench;
        uint64_t held = 0;

        bench_open(&bench);
        bench_hello(&bench);
        bench_ask(&bench, 0, EACH);
        for (unsigned i = 0; i < PIECES; i++) {
            uint64_t piece = i * 17 % PIECES; /* every one once, out of order */

            if (i == step) {
                held = bench.owner.rx.held;
                bench_restart(&bench);
                CHECK_EQ(bench.owner.rx.held, held);
                CHECK_EQ(bench.owner.rx.ranges.count, 0);
                CHECK_EQ(bench.owner.rx.phase, PND_RX_LIVE);
            }
            if (piece == 5) /* lost */
                continue;
            bench_ask(&bench, piece * EACH, piece * EACH + EACH);
            CHECK(bench_ack(&bench)->held >= held);
        }
        bench_end(&bench, PIECES * EACH);
        if (step == PIECES)
            bench_restart(&bench);
        for (uint64_t piece = 0; piece < PIECES; piece++)
            bench_ask(&bench, piece * EACH, piece * EACH + EACH);
        CHECK_STR(bench_reply(&bench), "ack 4000 done");
        bench_check(&bench, EXT_OWNER_COMPLETE, PIECES * EACH);
        CHECK_EQ(bench.owner.opens, 1);
        bench_close(&bench);
    }
}

static void zeros_after_a_restart_are_zeros_where_forgotten_bytes_stood(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_hello(&bench);
    bench_data(&bench, 0, 10);
    bench_data(&bench, 50, 100);
    CHECK_EQ(bench.owner.rx.written, 100);
    bench_restart(&bench);
    CHECK_EQ(bench.owner.rx.written, 10);
    bench_restart(&bench); /* again, before anything comes */
    bench_zero(&bench, 10, 100);
    CHECK_EQ(bench.owner.rx.written, 10);
    CHECK_STR(bench_end_as(&bench, 100, bench_sum(0, 10)), "ack 100 done");
    bench_check_but(&bench, EXT_OWNER_COMPLETE, 100, 10, 100);
    bench_close(&bench);
}

static void a_restart_while_the_dump_finishes_finishes_it(void)
{
    struct bench bench;

    bench_open(&bench);
    bench.owner.holds_finish = true;
    bench_hello(&bench);
    bench_data(&bench, 0, 10);
    bench_end(&bench, 10);
    bench_restart(&bench);
    CHECK_EQ(bench.owner.rx.phase, PND_RX_FINISHING);
    CHECK_STR(bench_end(&bench, 10), "ack 10");
    ext_owner_finish(&bench.owner, bench.now_us);
    CHECK_STR(bench_reply(&bench), "ack 10 done");
    bench_restart(&bench);
    CHECK_STR(bench_end(&bench, 10), "ack 10 done");
    bench_check(&bench, EXT_OWNER_COMPLETE, 10);
    bench_close(&bench);
}

static void what_a_full_disk_did_not_take_comes_again(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_hello(&bench);
    bench_data(&bench, 0, 100);
    bench.owner.disk_full = true;
    bench_packet(&bench, PND_EXT_DATA, 100, 100, 0, 0);
    bench_packet(&bench, PND_EXT_DATA, 300, 100, 0, PND_EXT_ACK_NOW);
    CHECK_STR(bench_turn(&bench), "");
    CHECK_EQ(bench.owner.rx.held, 100);
    CHECK_EQ(bench.owner.rx.ranges.count, 0);
    bench_wait(&bench, 19000);
    CHECK_STR(bench_ask(&bench, 100, 200), "");
    bench.owner.disk_full = false;
    CHECK_STR(bench_ask(&bench, 100, 200), "ack 200");
    CHECK_EQ(bench.owner.rx.stalled_us, 0);
    bench.owner.disk_full = true; /* the patience begins anew */
    bench_wait(&bench, 5000);
    CHECK_STR(bench_ask(&bench, 200, 300), "");
    bench.owner.disk_full = false;
    bench_data(&bench, 200, 300);
    CHECK_STR(bench_end(&bench, 300), "ack 300 done");
    bench_check(&bench, EXT_OWNER_COMPLETE, 300);
    bench_close(&bench);
}

static void a_disk_that_stays_full_ends_the_dump_with_a_packet_or_with_time(void)
{
    for (int way = 0; way < 2; way++) {
        struct bench bench;
        const char *said;

        bench_open(&bench);
        bench_hello(&bench);
        bench_data(&bench, 0, 100);
        bench.owner.disk_full = true;
        bench_ask(&bench, 100, 200);
        if (way == 0) {
            CHECK_STR(bench_wait(&bench, 20000), "");
            said = bench_ask(&bench, 100, 200);
        } else {
            CHECK_STR(bench_wait(&bench, 119000), "");
            said = bench_wait(&bench, 1000);
        }
        CHECK_STR(said, "stop 3 disk full");
        CHECK_STR(bench_why(&bench), "disk full");
        CHECK_EQ(bench.owner.dumps[0].state, EXT_OWNER_INCOMPLETE);
        bench_close(&bench);
    }
}

static void what_cannot_be_written_at_all_is_given_up_at_once(void)
{
    struct pnd_rx_limits limits = PND_RX_LIMITS_DEFAULT;
    struct pnd_ext_open open = {.name = "core", .name_len = 4};
    static struct pnd_ext_rx rx;
    struct pnd_actions actions;

    pnd_ext_rx_open(&rx, &limits, &open, 7, 1472, 0, &actions);
    CHECK_EQ(actions.count, 2);
    CHECK_EQ(actions.at[0].kind, PND_ACT_ADMIT);
    pnd_ext_rx_refuse_write(&rx, 0, false, PND_REFUSAL_NO_ROOM, "disk full", &actions);
    CHECK_EQ(actions.count, 0);
    CHECK(rx.stalled_us != 0);
    pnd_ext_rx_refuse_write(&rx, 5, true, PND_REFUSAL_ACCESS, "a reason", &actions);
    CHECK_EQ(actions.count, 1); /* there was no file to abandon */
    CHECK_EQ(actions.at[0].kind, PND_ACT_REPLY);
    CHECK_EQ(rx.error, PND_KDP_E_ACCESS);
    CHECK_EQ(rx.phase, PND_RX_FAILED);
}

static void stop_from_the_sender_shortens_the_wait_and_is_not_answered(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_hello(&bench);
    CHECK_STR(bench_stop(&bench), "");
    CHECK(!bench.owner.rx.quit); /* nothing to keep yet */
    bench_data(&bench, 0, 10);
    CHECK_STR(bench_stop(&bench), "");
    bench_wait(&bench, 10000);
    CHECK_STR(bench_stop(&bench), ""); /* repeated: the wait is not longer for it */
    CHECK_STR(bench_wait(&bench, 4999), "");
    CHECK_EQ(bench.owner.dump_count, 0);
    bench_wait(&bench, 1);
    CHECK_STR(bench_why(&bench), "the sender gave up");
    CHECK_EQ(bench.owner.rx.phase, PND_RX_LEFT);
    bench_close(&bench);
}

static void a_packet_after_stop_takes_it_back(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_hello(&bench);
    bench_data(&bench, 0, 10);
    bench_stop(&bench);
    bench_data(&bench, 10, 20);
    bench_wait(&bench, 100000);
    CHECK_STR(bench_end(&bench, 20), "ack 20 done");
    bench_close(&bench);
}

static void silence_ends_a_dump_as_incomplete_and_forgets_one_without_data(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_hello(&bench);
    bench_packet(&bench, PND_EXT_PROBE, 0, 1472, 0, 0);
    bench_turn(&bench);
    bench_wait(&bench, 59999);
    CHECK(bench.owner.slot);
    bench_wait(&bench, 1);
    CHECK(!bench.owner.slot);
    CHECK_EQ(bench.owner.dump_count, 0);
    bench_hello(&bench);
    bench_data(&bench, 0, 10);
    bench_data(&bench, 20, 30);
    bench_wait(&bench, 100000);
    CHECK_STR(bench_hello(&bench), "opened 10"); /* begins the wait anew */
    CHECK_STR(bench_wait(&bench, 119999), "");
    CHECK(bench.owner.slot);
    CHECK_STR(bench_wait(&bench, 1), "");
    CHECK_STR(bench_why(&bench), "the sender fell silent");
    CHECK_EQ(bench.owner.dumps[0].len, 30);
    CHECK_EQ(bench.owner.rx.phase, PND_RX_LEFT);
    bench_close(&bench);
}

static void a_dump_that_was_given_up_says_so_for_90_s_and_may_begin_anew(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_hello(&bench);
    bench_data(&bench, 0, 10);
    bench_end_as(&bench, 10, 1);
    for (int i = 0; i < 8; i++) {
        CHECK_STR(bench_wait(&bench, 10000), "");
        CHECK_STR(bench_data(&bench, 0, 10), "stop 0 this dump was given up by the server");
        if (i == 3)
            bench_restart(&bench);
    }
    CHECK_STR(bench_hello(&bench), "opened 0");
    bench_data(&bench, 0, 10);
    CHECK_STR(bench_end(&bench, 10), "ack 10 done");
    bench_check(&bench, EXT_OWNER_COMPLETE, 10);
    CHECK_EQ(bench.owner.dump_count, 2);
    bench_close(&bench);
}

int main(void)
{
    RUN(a_packet_with_another_token_draws_nothing_in_any_phase);
    RUN(what_only_a_server_sends_and_what_is_no_packet_draws_nothing);
    RUN(a_probe_is_answered_with_the_largest_size_that_came);
    RUN(an_ack_tells_the_highest_number_its_age_and_how_many_came);
    RUN(nothing_behind_the_limit_is_taken_but_zeros_and_what_was_said_once_holds);
    RUN(a_dump_larger_than_allowed_is_given_up_and_what_came_is_kept);
    RUN(a_first_packet_that_is_too_far_leaves_no_file);
    RUN(a_restart_after_any_packet_loses_nothing_that_was_said_to_be_held);
    RUN(zeros_after_a_restart_are_zeros_where_forgotten_bytes_stood);
    RUN(a_restart_while_the_dump_finishes_finishes_it);
    RUN(what_a_full_disk_did_not_take_comes_again);
    RUN(a_disk_that_stays_full_ends_the_dump_with_a_packet_or_with_time);
    RUN(what_cannot_be_written_at_all_is_given_up_at_once);
    RUN(stop_from_the_sender_shortens_the_wait_and_is_not_answered);
    RUN(a_packet_after_stop_takes_it_back);
    RUN(silence_ends_a_dump_as_incomplete_and_forgets_one_without_data);
    RUN(a_dump_that_was_given_up_says_so_for_90_s_and_may_begin_anew);
    return tap_done();
}
