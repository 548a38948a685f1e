/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The receiving session of the extension: how a dump begins, is gone on with, begins anew, and
 * makes room for another. PROTOCOL.md#kdp-12.2 */
#include "unit/ext_bench.h"

static void a_repeated_open_draws_the_same_answer(void)
{
    struct bench bench;
    uint32_t token;

    bench_open(&bench);
    CHECK_STR(bench_hello(&bench), "opened 0");
    token = bench.token;
    CHECK_STR(bench_hello(&bench), "opened 0");
    CHECK_EQ(bench.token, token);
    bench_data(&bench, 0, 10);
    bench_data(&bench, 20, 30);
    CHECK_STR(bench_hello(&bench), "opened 10"); /* a late copy moves nothing */
    CHECK_EQ(bench.token, token);
    CHECK_STR(bench_data(&bench, 10, 20), "ack 30");
    CHECK_EQ(bench_ack(&bench)->number, bench.number);
    CHECK_EQ(bench_ack(&bench)->packets, 3);
    CHECK_EQ(bench.owner.opens, 1);
    CHECK_STR(bench_end(&bench, 30), "ack 30 done");
    bench_check(&bench, EXT_OWNER_COMPLETE, 30);
    bench_close(&bench);
}

static void a_sender_that_was_started_again_goes_on_and_counts_from_1(void)
{
    for (int way = 0; way < 3; way++) {
        struct bench bench;
        struct pnd_ext_opened opened;

        bench_open(&bench);
        bench_hello(&bench);
        bench.number = 1000;
        bench_data(&bench, 0, 10);
        bench_data(&bench, 20, 30);
        if (way == 0)
            bench.cookie++; /* another port */
        else if (way == 1)
            bench_wait(&bench, 1000);
        else
            bench_stop(&bench);
        bench.number = 0;
        CHECK_STR(bench_hello(&bench), "opened 10");
        CHECK_EQ(pnd_ext_parse_opened(bench.owner.reply, bench.owner.reply_len, &opened), PND_OK);
        CHECK(opened.sum == bench_sum(0, 10));
        CHECK_EQ(opened.dgram_max, 65507);
        CHECK_STR(bench_ask(&bench, 10, 15), "ack 15 20-30");
        CHECK_EQ(bench_ack(&bench)->number, 1);
        CHECK_EQ(bench_ack(&bench)->packets, 1);
        CHECK_STR(bench_data(&bench, 15, 20), "ack 30");
        CHECK_STR(bench_end(&bench, 30), "ack 30 done");
        CHECK_EQ(bench.owner.opens, 1);
        bench_close(&bench);
    }
}

static void fresh_begins_the_dump_anew_once_its_packets_have_ended(void)
{
    struct bench bench;
    uint32_t token;

    bench_open(&bench);
    bench_hello(&bench);
    bench_data(&bench, 0, 100);
    token = bench.token;
    bench.cookie++;
    CHECK_STR(bench_open_as(&bench, "id", "core", 0), "opened 100");
    CHECK_STR(bench_open_as(&bench, "id", "core", PND_EXT_FRESH), ""); /* the other may live */
    bench_wait(&bench, 1000);
    CHECK_STR(bench_open_as(&bench, "id", "core", PND_EXT_FRESH), "opened 0");
    CHECK(bench.token != token);
    CHECK_STR(bench_why(&bench), "the sender began this dump anew");
    bench_check(&bench, EXT_OWNER_INCOMPLETE, 100);
    token = bench.token;
    CHECK_STR(bench_open_as(&bench, "id", "core", PND_EXT_FRESH), "opened 0");
    CHECK_EQ(bench.token, token);
    bench_data(&bench, 0, 50);
    /* Late copies of the OPEN that began it, however late. */
    CHECK_STR(bench_open_as(&bench, "id", "core", PND_EXT_FRESH), "opened 50");
    bench_wait(&bench, 5000);
    CHECK_STR(bench_open_as(&bench, "id", "core", PND_EXT_FRESH), "opened 50");
    CHECK_EQ(bench.token, token);
    CHECK_STR(bench_end(&bench, 50), "ack 50 done");
    CHECK_STR(bench_open_as(&bench, "id", "core", PND_EXT_FRESH), "opened 50");
    CHECK_STR(bench_end(&bench, 50), "ack 50 done");
    bench_check(&bench, EXT_OWNER_COMPLETE, 50);
    bench.cookie++;
    CHECK_STR(bench_open_as(&bench, "id", "core", PND_EXT_FRESH), "opened 0");
    CHECK_EQ(bench.owner.dump_count, 2);
    bench_close(&bench);
}

static void an_open_of_a_dump_that_is_whole_says_so_and_end_is_answered_with_done(void)
{
    struct bench bench;

    bench_open(&bench);
    bench.owner.holds_finish = true;
    bench_hello(&bench);
    bench_data(&bench, 0, 100);
    bench_end(&bench, 100);
    bench.cookie++;
    CHECK_STR(bench_hello(&bench), "opened 100");
    CHECK_STR(bench_open_as(&bench, "id", "core", PND_EXT_FRESH), ""); /* while it finishes */
    CHECK_STR(bench_open_as(&bench, "other", "core", 0), "");
    CHECK_STR(bench_end(&bench, 100), "ack 100");
    ext_owner_finish(&bench.owner, bench.now_us);
    CHECK_STR(bench_reply(&bench), "ack 100 done");
    CHECK_STR(bench_hello(&bench), "opened 100");
    CHECK_STR(bench_end(&bench, 100), "ack 100 done");
    CHECK_EQ(bench.owner.dump_count, 1);
    bench_close(&bench);
}

static void another_dump_takes_over_after_silence_alone(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_hello(&bench);
    CHECK_STR(bench_open_as(&bench, "other", "b", 0), "opened 0"); /* nothing had come */
    bench_data(&bench, 0, 10);
    CHECK_STR(bench_hello(&bench), "");
    bench_wait(&bench, 19999);
    CHECK_STR(bench_hello(&bench), "");
    CHECK(!pnd_ext_rx_may_go(&bench.owner.rx, bench.now_us));
    bench_wait(&bench, 1);
    CHECK(pnd_ext_rx_may_go(&bench.owner.rx, bench.now_us));
    CHECK_STR(bench_hello(&bench), "opened 0");
    CHECK_STR(bench_why(&bench), "the sender started another dump");
    CHECK_STR(bench.owner.dumps[0].name, "b");
    bench_data(&bench, 0, 10);
    bench_stop(&bench);
    bench_wait(&bench, 2999);
    CHECK_STR(bench_open_as(&bench, "third", "c", 0), "");
    bench_wait(&bench, 1);
    CHECK_STR(bench_open_as(&bench, "third", "c", 0), "opened 0");
    CHECK_EQ(bench.owner.dump_count, 2);
    bench_close(&bench);
}

static void a_refusal_of_policy_leaves_everything_as_it_was(void)
{
    struct bench bench;

    bench_open(&bench);
    bench.owner.refuses = true;
    CHECK_STR(bench_hello(&bench), "");
    CHECK(!bench.owner.slot);
    bench.owner.refuses = false;
    bench_hello(&bench);
    bench_data(&bench, 0, 10);
    bench_wait(&bench, 30000);
    bench.owner.refuses = true;
    bench_open_as(&bench, "other", "b", 0);
    CHECK_EQ(bench.owner.dump_count, 0);
    bench.owner.refuses = false;
    CHECK_STR(bench_end(&bench, 10), "ack 10 done");
    bench_close(&bench);
}

static void a_long_name_is_cut_and_an_empty_one_is_kept(void)
{
    struct pnd_rx_limits limits = PND_RX_LIMITS_DEFAULT;
    struct pnd_ext_open open = {.name = ""};
    static struct pnd_ext_rx rx;
    struct pnd_actions actions;
    char name[400];

    pnd_ext_rx_open(&rx, &limits, &open, 7, 1472, 0, &actions);
    CHECK_STR(rx.name, "");
    memset(name, 'n', sizeof(name));
    open.name = name;
    open.name_len = sizeof(name);
    open.id[0] = 1;
    pnd_ext_rx_open(&rx, &limits, &open, 8, 1472, 0, &actions);
    CHECK_EQ(strlen(rx.name), PND_KDP_NAME_CAP - 1);
}

static void a_session_to_which_nothing_was_said_takes_nothing(void)
{
    static struct pnd_ext_rx rx;
    struct pnd_ext_packet packet = {.op = PND_EXT_DATA, .number = 1};
    uint8_t dgram[PND_EXT_HEADER_BYTES + 1] = {0};
    struct pnd_ext_rx_news news;

    pnd_ext_build(dgram, sizeof(dgram), &packet);
    CHECK_EQ(pnd_ext_rx_take(&rx, dgram, sizeof(dgram), 0, &news), PND_E_TYPE);
    CHECK_EQ(rx.phase, PND_RX_NEW);
    CHECK(pnd_ext_rx_deadline_ms(&rx) == UINT64_MAX);
    CHECK(pnd_ext_rx_may_go(&rx, 0));
}

int main(void)
{
    RUN(a_repeated_open_draws_the_same_answer);
    RUN(a_sender_that_was_started_again_goes_on_and_counts_from_1);
    RUN(fresh_begins_the_dump_anew_once_its_packets_have_ended);
    RUN(an_open_of_a_dump_that_is_whole_says_so_and_end_is_answered_with_done);
    RUN(another_dump_takes_over_after_silence_alone);
    RUN(a_refusal_of_policy_leaves_everything_as_it_was);
    RUN(a_long_name_is_cut_and_an_empty_one_is_kept);
    RUN(a_session_to_which_nothing_was_said_takes_nothing);
    return tap_done();
}
