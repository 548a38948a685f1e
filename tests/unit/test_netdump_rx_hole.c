/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which ACKs are held back, and that a hole is told whatever the client believes:
 * PROTOCOL.md#netdump-8. A send of 46 packets has the numbers 2 to 47. */
#include "netdump_bench.h"

static struct bench bench;

static void begin(void)
{
    bench_open(&bench);
    CHECK_STR(bench_herald(&bench), "1");
}

static void of_two_packets_32_apart_none_is_acknowledged_alone(void)
{
    char both[32], alone[16];

    begin();
    for (unsigned i = 0; i < 32; i++) {
        snprintf(alone, sizeof(alone), "%u", 2 + i);
        CHECK_STR(bench_46(&bench, 2, 0, i), i < 14 ? "" : alone);
    }
    for (unsigned i = 32; i < BENCH_COUNT; i++) {
        snprintf(both, sizeof(both), "%u %u", 2 + i - 32, 2 + i);
        CHECK_STR(bench_46(&bench, 2, 0, i), both);
    }
    CHECK_EQ(pnd_netdump_rx_solid(&bench.owner.rx), BENCH_SEND);
    bench_close(&bench);
}

static void the_order_in_which_a_pair_arrives_does_not_matter(void)
{
    char both[32];

    begin();
    for (unsigned i = BENCH_COUNT; i-- > 32;)
        CHECK_STR(bench_46(&bench, 2, 0, i), "");
    for (unsigned i = 32; i-- > 14;)
        bench_46(&bench, 2, 0, i);
    for (unsigned i = 14; i-- > 0;) {
        snprintf(both, sizeof(both), "%u %u", 2 + i, 2 + i + 32);
        CHECK_STR(bench_46(&bench, 2, 0, i), both);
    }
    CHECK_EQ(pnd_netdump_rx_solid(&bench.owner.rx), BENCH_SEND);
    bench_close(&bench);
}

static void a_lost_packet_costs_its_pair_a_repetition_and_nothing_else(void)
{
    begin();
    bench_all_but(&bench, 2, 0, BENCH_SEND, BENCH_UNIT, 40, 41);
    CHECK_STR(bench_46(&bench, 2, 0, 8), ""); /* a second later */
    CHECK_STR(bench_46(&bench, 2, 0, 40), "10 42");
    CHECK_EQ(pnd_netdump_rx_solid(&bench.owner.rx), BENCH_SEND);
    bench_close(&bench);
}

static void both_of_a_pair_are_said_again_when_one_comes_again(void)
{
    begin();
    bench_all_but(&bench, 2, 0, BENCH_SEND, BENCH_UNIT, 20, 21);
    CHECK_STR(bench_46(&bench, 2, 0, 3), "5 37");
    CHECK_STR(bench_46(&bench, 2, 0, 35), "5 37");
    CHECK_STR(bench_46(&bench, 2, 0, 30), "32");
    CHECK_STR(bench_46(&bench, 2, 0, 20), "22");
    CHECK_STR(bench_46(&bench, 2, 0, 35), "37"); /* the send is over: everything is held */
    CHECK_EQ(bench.owner.rx.repeats, 4);
    bench_close(&bench);
}

static void a_short_send_is_acknowledged_when_its_end_comes(void)
{
    begin();
    for (unsigned i = 0; i < 5; i++)
        CHECK_STR(bench_packet(&bench, 2, 0, 8192, BENCH_UNIT, i), "");
    CHECK_STR(bench_packet(&bench, 2, 0, 8192, BENCH_UNIT, 5), "2-7");
    bench_close(&bench);
}

static void a_send_of_40_packets_holds_only_pairs_once_its_end_is_known(void)
{
    enum { SEND = 57344 }; /* 40 packets */

    begin();
    bench_whole(&bench, 2, 0, BENCH_SEND);
    bench_packet(&bench, 48, BENCH_SEND, SEND, BENCH_UNIT, 10);
    CHECK_EQ(bench.owner.ack_count, 0);
    CHECK_STR(bench_packet(&bench, 48, BENCH_SEND, SEND, BENCH_UNIT, 39), "58");
    CHECK_STR(bench_packet(&bench, 48, BENCH_SEND, SEND, BENCH_UNIT, 8), "56");
    CHECK_STR(bench_packet(&bench, 48, BENCH_SEND, SEND, BENCH_UNIT, 7), "55 87");
    bench_close(&bench);
}

static void sends_of_32_packets_or_fewer_are_acknowledged_at_once(void)
{
    static const size_t units[] = {2048, 4096, 8948};
    char own[16];

    for (unsigned u = 0; u < 3; u++) {
        begin();
        for (unsigned i = 0; i * units[u] < BENCH_SEND; i++) {
            snprintf(own, sizeof(own), "%u", 2 + i);
            CHECK_STR(bench_packet(&bench, 2, 0, BENCH_SEND, units[u], i), own);
        }
        CHECK_EQ(pnd_netdump_rx_solid(&bench.owner.rx), BENCH_SEND);
        bench_close(&bench);
    }
}

static void sixty_four_packets_are_the_most_and_the_next_begins_another_send(void)
{
    begin();
    bench_all_but(&bench, 2, 0, 64 * 524, 524, 0, 0);
    CHECK_EQ(bench.owner.rx.burst.base, 66);
    CHECK_EQ(pnd_netdump_rx_solid(&bench.owner.rx), 64 * 524);
    CHECK_STR(bench_data(&bench, 66, 64 * 524, 100), "66");
    bench_close(&bench);
}

static void of_a_client_whose_sends_are_longer_all_pairs_are_held_from_the_second_on(void)
{
    enum { SEND = 64 * BENCH_UNIT };

    begin();
    CHECK_STR(bench_packet(&bench, 2, 0, SEND, BENCH_UNIT, 20), "22");
    bench_all_but(&bench, 2, 0, SEND, BENCH_UNIT, 20, 21);
    CHECK_EQ(pnd_netdump_rx_solid(&bench.owner.rx), SEND);
    CHECK_STR(bench_packet(&bench, 66, SEND, SEND, BENCH_UNIT, 20), "");
    CHECK_STR(bench_packet(&bench, 66, SEND, SEND, BENCH_UNIT, 52), "86 118");
    bench_restart(&bench);
    CHECK_STR(bench_packet(&bench, 66, SEND, SEND, BENCH_UNIT, 31), "86 118"); /* and not 97 */
    bench_close(&bench);
}

static void a_number_far_ahead_leaves_all_before_it_behind(void)
{
    begin();
    bench_whole(&bench, 2, 0, BENCH_SEND);
    CHECK_STR(bench_46(&bench, 48 + PND_NETDUMP_REACH, BENCH_SEND, 0), "");
    CHECK_EQ(bench.owner.rx.lost, 0);
    CHECK_STR(bench_data(&bench, 48 + 100, BENCH_SEND, 1200), "148");
    CHECK_EQ(bench.owner.rx.lost, 100);
    CHECK_STR(bench_end(&bench, 149), "");
    CHECK_EQ(bench.owner.state, NETDUMP_INCOMPLETE);
    bench_close(&bench);
}

static void at_an_mtu_of_1076_a_silence_of_50_ms_behind_whole_blocks_is_an_end(void)
{
    begin();
    for (unsigned i = 0; i < 8; i++)
        CHECK_STR(bench_packet(&bench, 2, 0, 8192, 1024, i), "");
    CHECK_STR(bench_wait(&bench, 49), "");
    CHECK_STR(bench_wait(&bench, 1), "2-9");
    for (unsigned i = 0; i < 7; i++)
        CHECK_STR(bench_packet(&bench, 10, 8192, 8192, 1024, i), "");
    CHECK_STR(bench_wait(&bench, 5000), ""); /* a block is not whole */
    CHECK_STR(bench_packet(&bench, 10, 8192, 8192, 1024, 7), "");
    CHECK_STR(bench_wait(&bench, 50), "10-17");
    CHECK_STR(bench_end(&bench, 18), "18");
    bench_check(&bench, NETDUMP_COMPLETE, 16384);
    bench_close(&bench);
}

static void after_a_restart_or_a_full_disk_the_client_is_given_time_to_repeat_itself(void)
{
    for (int full = 0; full < 2; full++) {
        begin();
        for (unsigned i = 0; i < 8; i++)
            bench_packet(&bench, 2, 0, 16384, 1024, i);
        bench.owner.disk_full = full;
        if (full)
            bench_packet(&bench, 2, 0, 16384, 1024, 8);
        else
            bench_restart(&bench);
        CHECK_STR(bench_wait(&bench, 1199), "");
        bench.owner.disk_full = false;
        CHECK_STR(bench_wait(&bench, 1), "2-9");
        bench_close(&bench);
    }
}

/* @return in which repetition of the client all that it has sent is acknowledged */
static unsigned repetitions_until_free(unsigned count)
{
    for (unsigned round = 1; round < 20; round++) {
        unsigned acks = 0;

        bench_wait(&bench, 1000);
        for (unsigned i = 0; i < count; i++) {
            bench_data(&bench, 2 + i, i * UINT64_C(1000), 1000);
            acks += bench.owner.ack_count;
        }
        if (acks >= count)
            return round;
    }
    return 0;
}

static void a_send_whose_end_cannot_be_seen_is_waited_for_seven_times_or_three(void)
{
    begin();
    for (unsigned i = 0; i < 30; i++)
        CHECK_STR(bench_data(&bench, 2 + i, i * UINT64_C(1000), 1000), "");
    CHECK_EQ(repetitions_until_free(30), 7);
    bench_close(&bench);
    begin();
    CHECK_STR(bench_data(&bench, 2, 0, 1000), "");
    CHECK_EQ(repetitions_until_free(1), 3);
    /* From then on, a silence will do. */
    CHECK_STR(bench_data(&bench, 3, 1000, 1000), "");
    CHECK_STR(bench_wait(&bench, 50), "3");
    /* Until an end is seen. */
    bench_data(&bench, 4, 2000, 1000);
    CHECK_STR(bench_data(&bench, 5, 3000, 500), "4-5");
    CHECK_STR(bench_data(&bench, 6, 3500, 1000), "");
    CHECK_STR(bench_wait(&bench, 5000), "");
    bench_close(&bench);
}

static void what_comes_of_a_round_together_is_one_round(void)
{
    begin();
    bench_data(&bench, 2, 0, 1000);
    bench_wait(&bench, 1000);
    for (unsigned i = 0; i < 100; i++)
        CHECK_STR(bench_data(&bench, 2, 0, 1000), "");
    bench_close(&bench);
}

/* What the client does when somebody else has acknowledged a packet, or the receiver has given up
 * to wait for it. */
static uint32_t go_on_without(unsigned from, unsigned to)
{
    uint32_t next = bench_all_but(&bench, 2, 0, BENCH_SEND, BENCH_UNIT, from, to);

    return bench_whole(&bench, next, BENCH_SEND, BENCH_SEND);
}

static void a_packet_that_was_left_behind_makes_the_dump_incomplete_and_is_named(void)
{
    struct pnd_span span;
    uint32_t next;

    begin();
    next = go_on_without(40, 42);
    CHECK_STR(bench_end(&bench, next), "");
    bench_check(&bench, NETDUMP_INCOMPLETE, 2 * BENCH_SEND);
    CHECK_STR(bench.owner.why, "packets were lost that the sender took for acknowledged");
    CHECK_EQ(bench.owner.rx.lost, 2);
    CHECK_EQ(pnd_netdump_rx_missing(&bench.owner.rx, 0, &span), PND_OK);
    CHECK_EQ(span.start, 40 * BENCH_UNIT);
    CHECK_EQ(span.end, 42 * BENCH_UNIT);
    CHECK_EQ(pnd_netdump_rx_missing(&bench.owner.rx, span.end, &span), PND_E_NOTFOUND);
    CHECK_STR(bench_finished(&bench, next), "");
    bench_close(&bench);
}

static void what_a_dump_would_lack_if_it_ended_now_is_known(void)
{
    struct pnd_span span;

    begin();
    bench_all_but(&bench, 2, 0, BENCH_SEND, BENCH_UNIT, 40, 41);
    CHECK_EQ(pnd_netdump_rx_missing(&bench.owner.rx, 0, &span), PND_OK);
    CHECK_EQ(span.start, 40 * BENCH_UNIT);
    CHECK_EQ(span.end, 41 * BENCH_UNIT);
    CHECK_EQ(pnd_netdump_rx_missing(&bench.owner.rx, span.end, &span), PND_E_NOTFOUND);
    CHECK_EQ(bench.owner.rx.lost, 0); /* to ask changes nothing */
    CHECK_STR(bench_46(&bench, 2, 0, 40), "10 42");
    CHECK_EQ(pnd_netdump_rx_missing(&bench.owner.rx, 0, &span), PND_E_NOTFOUND);
    CHECK_STR(bench_end(&bench, 48), "48");
    bench_check(&bench, NETDUMP_COMPLETE, BENCH_SEND);
    bench_close(&bench);
}

static void a_packet_that_was_left_behind_and_still_comes_is_not_missing(void)
{
    uint32_t next;

    begin();
    next = go_on_without(40, 42);
    CHECK_EQ(bench.owner.rx.lost, 2);
    CHECK_STR(bench_46(&bench, 2, 0, 41), "43");
    CHECK_STR(bench_46(&bench, 2, 0, 41), "43");
    CHECK_EQ(bench.owner.rx.lost, 1);
    CHECK_STR(bench_46(&bench, 2, 0, 40), "42");
    CHECK_STR(bench_end(&bench, next), "94");
    bench_check(&bench, NETDUMP_COMPLETE, 2 * BENCH_SEND);
    bench_close(&bench);
}

static void the_last_packets_of_a_dump_are_missed_too(void)
{
    begin();
    bench_all_but(&bench, 2, 0, BENCH_SEND, BENCH_UNIT, 45, 46);
    CHECK_STR(bench_end(&bench, 48), "");
    CHECK_EQ(bench.owner.state, NETDUMP_INCOMPLETE);
    CHECK_EQ(bench.owner.rx.lost, 1);
    bench_close(&bench);
}

static void the_last_packets_are_missed_when_the_header_follows(void)
{
    uint8_t kdh[512] = "FreeBSD Kernel Dump";

    begin();
    bench_all_but(&bench, 2, 0, BENCH_SEND, BENCH_UNIT, 44, 46);
    CHECK_STR(bench_send(&bench, PND_NETDUMP_KDH, 48, 0, kdh, sizeof(kdh)), "48");
    bench_restart(&bench);
    CHECK_STR(bench_end(&bench, 49), "");
    CHECK_EQ(bench.owner.state, NETDUMP_INCOMPLETE);
    CHECK_EQ(bench.owner.rx.lost, 2);
    bench_close(&bench);
}

static void a_dump_without_its_start_or_with_a_gap_is_not_whole(void)
{
    struct pnd_span span;

    begin();
    bench_whole(&bench, 2, 4096, 4096);
    CHECK_STR(bench_end(&bench, 5), "");
    CHECK_STR(bench.owner.why, "nothing came for the start of the dump");
    CHECK_EQ(pnd_netdump_rx_missing(&bench.owner.rx, 0, &span), PND_OK);
    CHECK_EQ(span.end, 4096);
    bench_close(&bench);
    begin();
    bench_whole(&bench, 2, 0, 4096);
    bench_whole(&bench, 5, 8192, 4096);
    CHECK_STR(bench_end(&bench, 8), "");
    CHECK_STR(bench.owner.why, "parts of the dump were never sent");
    bench_close(&bench);
    begin();
    bench_send(&bench, PND_NETDUMP_KDH, 2, 0, "no header", 9);
    CHECK_STR(bench_end(&bench, 3), "");
    CHECK_STR(bench.owner.why, "nothing came for the start of the dump");
    bench_close(&bench);
}

static void sends_may_come_in_any_order_and_twice(void)
{
    begin();
    bench_whole(&bench, 2, 8192, 4096);
    bench_whole(&bench, 5, 4096, 4096);
    bench_whole(&bench, 8, 0, 4096);
    bench_whole(&bench, 11, 4096, 4096);
    CHECK_STR(bench_end(&bench, 14), "14");
    bench_check(&bench, NETDUMP_COMPLETE, 12288);
    bench_close(&bench);
}

static void more_holes_than_can_be_kept_still_are_holes(void)
{
    uint32_t next = 2;

    begin();
    for (unsigned i = 0; i < PND_RANGES_CAP + 10; i++)
        next = bench_whole(&bench, next, i * UINT64_C(8192), 4096);
    CHECK(bench.owner.rx.blurred);
    for (unsigned i = 0; i < PND_RANGES_CAP + 10; i++)
        next = bench_whole(&bench, next, i * UINT64_C(8192) + 4096, 4096);
    CHECK_STR(bench_packet(&bench, 2, 0, 4096, BENCH_UNIT, 0), "2");
    CHECK_STR(bench_end(&bench, next), "");
    CHECK_EQ(bench.owner.state, NETDUMP_INCOMPLETE);
    bench_close(&bench);
}

static void an_old_number_with_other_bytes_is_of_another_dump(void)
{
    begin();
    bench_whole(&bench, 2, 0, BENCH_SEND);
    CHECK_STR(bench_data(&bench, 3, BENCH_SEND, 1448), "");
    CHECK_STR(bench_send(&bench, PND_NETDUMP_KDH, 3, 0, "x", 1), "");
    CHECK_STR(bench_send(&bench, PND_NETDUMP_EKCD_KEY, 3, 0, "x", 1), "");
    bench_46(&bench, 48, BENCH_SEND, 5);
    CHECK_STR(bench_data(&bench, 53, BENCH_SEND, 1448), ""); /* that number, another place */
    CHECK_STR(bench_data(&bench, 49, BENCH_SEND, 1448), ""); /* that place is not its own */
    CHECK_EQ(bench.owner.rx.strays, 5);
    bench_check(&bench, NETDUMP_RECEIVING, BENCH_SEND + 6 * BENCH_UNIT);
    bench_close(&bench);
}

static void a_send_without_payload_is_one_packet(void)
{
    begin();
    CHECK_STR(bench_data(&bench, 2, 0, 0), "2");
    bench_whole(&bench, 3, 0, 4096);
    CHECK_STR(bench_data(&bench, 6, 4096, 0), "6");
    CHECK_STR(bench_end(&bench, 7), "7");
    bench_check(&bench, NETDUMP_COMPLETE, 4096);
    bench_close(&bench);
}

int main(void)
{
    RUN(of_two_packets_32_apart_none_is_acknowledged_alone);
    RUN(the_order_in_which_a_pair_arrives_does_not_matter);
    RUN(a_lost_packet_costs_its_pair_a_repetition_and_nothing_else);
    RUN(both_of_a_pair_are_said_again_when_one_comes_again);
    RUN(a_short_send_is_acknowledged_when_its_end_comes);
    RUN(a_send_of_40_packets_holds_only_pairs_once_its_end_is_known);
    RUN(sends_of_32_packets_or_fewer_are_acknowledged_at_once);
    RUN(sixty_four_packets_are_the_most_and_the_next_begins_another_send);
    RUN(of_a_client_whose_sends_are_longer_all_pairs_are_held_from_the_second_on);
    RUN(a_number_far_ahead_leaves_all_before_it_behind);
    RUN(at_an_mtu_of_1076_a_silence_of_50_ms_behind_whole_blocks_is_an_end);
    RUN(after_a_restart_or_a_full_disk_the_client_is_given_time_to_repeat_itself);
    RUN(a_send_whose_end_cannot_be_seen_is_waited_for_seven_times_or_three);
    RUN(what_comes_of_a_round_together_is_one_round);
    RUN(a_packet_that_was_left_behind_makes_the_dump_incomplete_and_is_named);
    RUN(what_a_dump_would_lack_if_it_ended_now_is_known);
    RUN(a_packet_that_was_left_behind_and_still_comes_is_not_missing);
    RUN(the_last_packets_of_a_dump_are_missed_too);
    RUN(the_last_packets_are_missed_when_the_header_follows);
    RUN(a_dump_without_its_start_or_with_a_gap_is_not_whole);
    RUN(sends_may_come_in_any_order_and_twice);
    RUN(more_holes_than_can_be_kept_still_are_holes);
    RUN(an_old_number_with_other_bytes_is_of_another_dump);
    RUN(a_send_without_payload_is_one_packet);
    return tap_done();
}
