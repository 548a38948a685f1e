/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A dump whose sender fell silent is kept as incomplete, and taken up where it was left when the
 * sender comes back. PROTOCOL.md#kdp-12.2, clause 4. */
#include "unit/ext_bench.h"

/* [0, 100) is held, [200, 300) came out of its turn, and the sender is gone. */
static void leave(struct bench *bench)
{
    bench_open(bench);
    bench_hello(bench);
    bench_data(bench, 0, 100);
    bench_data(bench, 200, 300);
    bench_wait(bench, 120000);
    CHECK_EQ(bench->owner.rx.phase, PND_RX_LEFT);
    CHECK_EQ(bench->owner.dump_count, 1);
    CHECK_STR(bench_why(bench), "the sender fell silent");
}

static void a_dump_that_was_left_goes_on_where_it_was(void)
{
    struct bench bench;

    leave(&bench);
    bench_wait(&bench, 80000000);
    bench.cookie++;
    CHECK_STR(bench_hello(&bench), "opened 100");
    CHECK_EQ(bench.owner.dump_count, 0);
    bench.number = 0;
    CHECK_STR(bench_data(&bench, 100, 200), "ack 300");
    CHECK_EQ(bench_ack(&bench)->number, 1); /* of this sender */
    CHECK_EQ(bench_ack(&bench)->packets, 1);
    CHECK_STR(bench_end(&bench, 300), "ack 300 done");
    bench_check(&bench, EXT_OWNER_COMPLETE, 300);
    CHECK_EQ(bench.owner.dump_count, 1);
    bench_close(&bench);
}

static void also_after_restarts_without_what_had_not_been_held(void)
{
    for (int when = 0; when < 3; when++) { /* before it is left, then, and while it is taken up */
        struct bench bench;

        bench_open(&bench);
        bench_hello(&bench);
        bench_data(&bench, 0, 100);
        bench_data(&bench, 200, 300);
        if (when == 0)
            bench_restart(&bench);
        bench_wait(&bench, 120000);
        if (when == 1)
            bench_restart(&bench);
        if (when == 2) {
            bench.owner.holds_resume = true;
            CHECK_STR(bench_hello(&bench), "");
            CHECK_EQ(bench.owner.rx.phase, PND_RX_RESUMING);
            bench_restart(&bench);
            CHECK_EQ(bench.owner.rx.phase, PND_RX_LEFT);
            bench.owner.holds_resume = false;
        }
        CHECK_STR(bench_hello(&bench), "opened 100");
        CHECK_EQ(bench.owner.file.len, 100);
        CHECK_STR(bench_zero(&bench, 100, 250), ""); /* forgotten bytes do not shine through */
        CHECK_STR(bench_data(&bench, 250, 300), "");
        CHECK_STR(bench_end_as(&bench, 300, bench_sum(0, 100) + bench_sum(250, 300)),
                  "ack 300 done");
        bench_check_but(&bench, EXT_OWNER_COMPLETE, 300, 100, 250);
        bench_close(&bench);
    }
}

static void it_can_be_left_and_taken_up_again_and_again(void)
{
    struct bench bench;

    leave(&bench);
    for (uint64_t at = 100; at < 1000; at += 100) {
        char opened[32];

        snprintf(opened, sizeof(opened), "opened %" PRIu64, at == 200 ? 300 : at);
        CHECK_STR(bench_hello(&bench), opened);
        bench_data(&bench, at, at + 100);
        bench_wait(&bench, at % 200 ? 120000 : 5000000);
        if (at == 500)
            bench_restart(&bench);
        CHECK_EQ(bench.owner.dump_count, 1);
    }
    bench_hello(&bench);
    CHECK_STR(bench_end(&bench, 1000), "ack 1000 done");
    bench_check(&bench, EXT_OWNER_COMPLETE, 1000);
    CHECK_EQ(bench.owner.dump_count, 1);
    bench_close(&bench);
}

static void its_packets_draw_nothing_until_it_is_taken_up(void)
{
    struct bench bench;

    leave(&bench);
    bench.owner.holds_resume = true;
    for (int way = 0; way < 2; way++) {
        CHECK_STR(bench_ask(&bench, 100, 200), "");
        CHECK_STR(bench_zero(&bench, 100, 200), "");
        CHECK_STR(bench_end(&bench, 100), "");
        CHECK_STR(bench_stop(&bench), "");
        CHECK_EQ(bench.owner.rx.held, 100);
        CHECK_STR(bench_hello(&bench), ""); /* the first asks for it, the others wait */
        CHECK_STR(bench_open_as(&bench, "id", "core", PND_EXT_FRESH), "");
        CHECK_EQ(bench.owner.rx.phase, PND_RX_RESUMING);
        CHECK_EQ(ext_owner_deadline_ms(&bench.owner), UINT64_MAX);
        CHECK(!pnd_ext_rx_may_go(&bench.owner.rx, UINT64_MAX));
    }
    ext_owner_resume(&bench.owner, bench.now_us);
    CHECK_STR(bench_reply(&bench), "opened 100");
    CHECK_STR(bench_data(&bench, 100, 200), "ack 300");
    bench_close(&bench);
}

static void what_is_gone_begins_anew_and_the_sender_hears_that_from_its_next_open(void)
{
    struct bench bench;

    leave(&bench);
    bench.owner.left_is_gone = true;
    CHECK_STR(bench_hello(&bench), "");
    CHECK(!bench.owner.slot);
    CHECK_STR(bench_hello(&bench), "opened 0");
    bench_data(&bench, 0, 50);
    CHECK_STR(bench_end(&bench, 50), "ack 50 done");
    bench_check(&bench, EXT_OWNER_COMPLETE, 50);
    CHECK_EQ(bench.owner.dump_count, 2);
    bench_close(&bench);
}

static void fresh_and_another_id_begin_anew_and_what_was_left_stays(void)
{
    for (int way = 0; way < 2; way++) {
        struct bench bench;

        leave(&bench);
        CHECK_STR(bench_open_as(&bench, way ? "other" : "id", "core", way ? 0 : PND_EXT_FRESH),
                  "opened 0");
        bench_data(&bench, 0, 10);
        CHECK_STR(bench_end(&bench, 10), "ack 10 done");
        CHECK_EQ(bench.owner.dump_count, 2);
        CHECK_EQ(bench.owner.dumps[0].state, EXT_OWNER_INCOMPLETE);
        CHECK_EQ(bench.owner.dumps[0].len, 300);
        bench_close(&bench);
    }
}

static void the_copy_of_the_fresh_open_that_began_it_takes_it_up(void)
{
    struct bench bench;

    bench_open(&bench);
    CHECK_STR(bench_open_as(&bench, "id", "core", PND_EXT_FRESH), "opened 0");
    bench_data(&bench, 0, 100);
    bench_wait(&bench, 120000);
    CHECK_STR(bench_open_as(&bench, "id", "core", PND_EXT_FRESH), "opened 100");
    bench_close(&bench);
}

static void policy_may_say_no_and_it_stays_left(void)
{
    struct bench bench;

    leave(&bench);
    bench.owner.refuses = true;
    CHECK_STR(bench_hello(&bench), "");
    CHECK_EQ(bench.owner.rx.phase, PND_RX_LEFT);
    bench.owner.refuses = false;
    CHECK_STR(bench_hello(&bench), "opened 100");
    bench_close(&bench);
}

static void after_a_day_it_is_forgotten_and_if_it_is_not_to_be_at_once(void)
{
    struct bench bench;

    leave(&bench);
    bench_wait(&bench, 86399999);
    CHECK(bench.owner.slot);
    bench_wait(&bench, 1);
    CHECK(!bench.owner.slot);
    CHECK_EQ(bench.owner.dump_count, 1);
    bench.owner.limits.resume_ms = 0;
    bench_hello(&bench);
    bench_data(&bench, 0, 10);
    bench_wait(&bench, 120000);
    CHECK(!bench.owner.slot);
    CHECK_EQ(bench.owner.dump_count, 2);
    CHECK_STR(bench_hello(&bench), "opened 0");
    bench_close(&bench);
}

int main(void)
{
    RUN(a_dump_that_was_left_goes_on_where_it_was);
    RUN(also_after_restarts_without_what_had_not_been_held);
    RUN(it_can_be_left_and_taken_up_again_and_again);
    RUN(its_packets_draw_nothing_until_it_is_taken_up);
    RUN(what_is_gone_begins_anew_and_the_sender_hears_that_from_its_next_open);
    RUN(fresh_and_another_id_begin_anew_and_what_was_left_stays);
    RUN(the_copy_of_the_fresh_open_that_began_it_takes_it_up);
    RUN(policy_may_say_no_and_it_stays_left);
    RUN(after_a_day_it_is_forgotten_and_if_it_is_not_to_be_at_once);
    return tap_done();
}
