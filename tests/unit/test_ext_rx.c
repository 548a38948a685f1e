/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The receiving session of the extension: what it takes of the packets of a dump, when it answers
 * and when the dump is whole. Every call goes through tests/sim/ext_owner.c, which knows what was
 * in the packets. PROTOCOL.md#kdp-12.3 */
#include "unit/ext_bench.h"

static uint64_t seed;

static uint64_t draw(uint64_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % below;
}

static void a_dump_arrives_in_order_and_done_comes_when_it_is_durable(void)
{
    struct bench bench;

    bench_open(&bench);
    bench.owner.holds_finish = true;
    CHECK_STR(bench_hello(&bench), "opened 0");
    CHECK_STR(bench_data(&bench, 0, 1000), ""); /* nobody asked */
    CHECK_STR(bench_data(&bench, 1000, 2000), "");
    CHECK_STR(bench_ask(&bench, 2000, 2500), "ack 2500");
    CHECK_STR(bench_end(&bench, 2500), "ack 2500");
    CHECK_STR(bench_end(&bench, 2500), "ack 2500"); /* heard, and not done */
    ext_owner_finish(&bench.owner, bench.now_us);
    CHECK_STR(bench_reply(&bench), "ack 2500 done");
    bench_check(&bench, EXT_OWNER_COMPLETE, 2500);
    CHECK_EQ(bench.owner.opens, 1);
    CHECK_EQ(bench.owner.written, 3);
    CHECK_EQ(bench.owner.rx.bytes, 2500);
    CHECK_STR(bench.owner.dumps[0].name, "core");
    bench_close(&bench);
}

static void a_packet_that_leaves_a_hole_fills_one_or_came_before_is_answered_at_once(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_hello(&bench);
    CHECK_STR(bench_data(&bench, 0, 10), "");
    CHECK_STR(bench_data(&bench, 20, 30), "ack 10 20-30"); /* leaves one */
    CHECK_STR(bench_data(&bench, 30, 40), "");             /* goes on behind it */
    CHECK_STR(bench_data(&bench, 40, 50), "");
    CHECK_STR(bench_data(&bench, 60, 70), "ack 10 20-50 60-70");
    CHECK_STR(bench_data(&bench, 10, 15), "ack 15 20-50 60-70");
    CHECK_STR(bench_data(&bench, 15, 20), "ack 50 60-70");
    CHECK_STR(bench_data(&bench, 60, 70), "ack 50 60-70"); /* came before */
    CHECK_STR(bench_data(&bench, 0, 10), "ack 50 60-70");
    CHECK_STR(bench_data(&bench, 50, 60), "ack 70");
    CHECK_STR(bench_data(&bench, 70, 80), "");
    CHECK_STR(bench_zero(&bench, 80, 90), "");
    CHECK_EQ(bench.owner.rx.repeats, 2);
    CHECK_EQ(bench.owner.rx.bytes, 80);
    bench_close(&bench);
}

static void what_came_since_the_last_ack_draws_one_when_it_is_256_kib(void)
{
    struct bench bench;
    uint64_t at = 0;

    bench_open(&bench);
    bench_hello(&bench);
    for (int acks = 0; acks < 4; acks++) {
        unsigned packets = 0;

        do {
            packets++;
            at += 8000;
        } while (bench_data(&bench, at - 8000, at)[0] == '\0' && packets < 1000);
        CHECK_EQ(packets, (PND_EXT_RX_ANSWER_BYTES + 8019) / 8020);
        CHECK_EQ(bench_ack(&bench)->held, at);
    }
    bench_close(&bench);
}

static void many_packets_in_one_turn_draw_one_answer(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_hello(&bench);
    for (uint64_t i = 0; i < 100; i++)
        bench_packet(&bench, PND_EXT_DATA, i * 100, 100, 0, PND_EXT_ACK_NOW);
    CHECK_STR(bench_turn(&bench), "ack 10000");
    CHECK_EQ(bench.owner.replies, 2);
    CHECK_STR(bench_turn(&bench), "ack 10000"); /* no turn: the reply of the one before */
    CHECK_EQ(bench.owner.replies, 2);
    bench_close(&bench);
}

static void pieces_in_any_order_any_cut_and_any_number_of_copies_make_the_same_dump(void)
{
    for (uint64_t run = 1; run <= 300; run++) {
        struct bench bench;
        uint64_t length, held = 0;

        seed = run * 7919;
        length = 1 + draw(20000);
        bench_open(&bench);
        bench_hello(&bench);
        if (draw(4) == 0)
            bench_end(&bench, length);
        for (int i = 0; i < 400; i++) {
            uint64_t start = draw(length), end = start + 1 + draw(draw(2) ? 300 : 3000);

            bench_packet(&bench, PND_EXT_DATA, start, (end < length ? end : length) - start, 0, 0);
            if (draw(3) == 0)
                bench_turn(&bench);
            CHECK(bench.owner.rx.held >= held);
            held = bench.owner.rx.held;
        }
        bench_turn(&bench);
        while (bench.owner.rx.held < length && !bench.owner.broken) {
            uint64_t start = bench.owner.rx.held - draw(bench.owner.rx.held + 1);

            bench_data(&bench, start, start + 2000 < length ? start + 2000 : length);
        }
        CHECK_EQ(bench.owner.rx.held, length);
        CHECK_EQ(bench.owner.rx.bytes, length);
        bench_end(&bench, length);
        bench_check(&bench, EXT_OWNER_COMPLETE, length);
        bench_close(&bench);
    }
}

static void a_packet_over_several_holes_fills_two_of_them_and_its_copy_the_others(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_hello(&bench);
    for (uint64_t i = 1; i <= 5; i++)
        bench_data(&bench, i * 20, i * 20 + 10);
    CHECK_STR(bench_data(&bench, 0, 115), "ack 50 60-70 80-90 100-110");
    CHECK_EQ(bench.owner.rx.end, 110);
    CHECK_STR(bench_data(&bench, 5, 115), "ack 90 100-110");
    CHECK_STR(bench_data(&bench, 5, 115), "ack 115");
    CHECK_STR(bench_data(&bench, 5, 115), "ack 115");
    CHECK_EQ(bench.owner.rx.bytes, 115);
    bench_end(&bench, 115);
    bench_check(&bench, EXT_OWNER_COMPLETE, 115);
    bench_close(&bench);
}

static void a_run_of_zeros_over_any_number_of_holes_fills_them_all(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_hello(&bench);
    for (uint64_t i = 1; i <= 100; i++)
        bench_zero(&bench, i * 20, i * 20 + 10);
    bench_data(&bench, 2010, 2100);
    CHECK_STR(bench_zero(&bench, 0, 2010), "ack 2100");
    CHECK_EQ(bench.owner.rx.bytes, 90);
    CHECK_EQ(bench.owner.written, 1);
    bench_end_as(&bench, 2100, bench_sum(2010, 2100));
    bench_check_but(&bench, EXT_OWNER_COMPLETE, 2100, 0, 2010);
    bench_close(&bench);
}

static void the_513th_range_is_not_taken_and_what_joins_one_is(void)
{
    const uint64_t last = 10 * PND_RANGES_CAP, far = 2 * last;
    struct bench bench;

    bench_open(&bench);
    bench_hello(&bench);
    for (uint64_t i = 1; i <= PND_RANGES_CAP; i++) {
        bench_data(&bench, i * 10, i * 10 + 5);
        CHECK_EQ(bench.owner.err, PND_OK);
    }
    bench_data(&bench, far, far + 5);
    CHECK_EQ(bench.owner.err, PND_E_FULL);
    bench_zero(&bench, far, far + 5);
    CHECK_EQ(bench.owner.err, PND_E_FULL);
    bench_data(&bench, 6, 9);
    CHECK_EQ(bench.owner.err, PND_E_FULL);
    CHECK_EQ(bench.owner.rx.ranges.count, PND_RANGES_CAP);
    CHECK_EQ(bench.owner.rx.bytes, 5 * PND_RANGES_CAP);
    bench_data(&bench, last + 5, last + 10); /* behind the last one */
    CHECK_EQ(bench.owner.err, PND_OK);
    /* The first gap joins, the second would be one range too many. */
    bench_data(&bench, last + 10, last + 11);
    bench_data(&bench, far, far + 10);
    CHECK_EQ(bench.owner.err, PND_E_FULL);
    bench_data(&bench, 0, 10);
    CHECK_EQ(bench.owner.rx.held, 15);
    CHECK_EQ(bench.owner.rx.ranges.count, PND_RANGES_CAP - 1);
    bench_data(&bench, far, far + 10);
    CHECK_EQ(bench.owner.err, PND_OK);
    for (uint64_t start = 0; start < far + 10; start += 5)
        bench_data(&bench, start, start + 5);
    bench_end(&bench, far + 10);
    bench_check(&bench, EXT_OWNER_COMPLETE, far + 10);
    bench_close(&bench);
}

static void an_answer_has_as_many_parts_as_its_ranges_need(void)
{
    struct bench bench;
    unsigned told = 0, part;

    bench_open(&bench);
    bench_hello(&bench);
    for (uint64_t i = 1; i <= PND_RANGES_CAP; i++) {
        bench_zero(&bench, i * 10, i * 10 + 5);
        if (i == PND_EXT_RANGES_CAP) /* from here on not each draws one */
            CHECK_EQ(bench.owner.reply_len, PND_EXT_ACK_CAP);
        if (i > PND_EXT_RANGES_CAP)
            CHECK_EQ(bench.owner.reply_len, 0);
    }
    bench_packet(&bench, PND_EXT_ZERO, 10, 5, 0, PND_EXT_ACK_NOW); /* a copy that asks */
    bench_turn(&bench);
    for (part = 0; part < PND_EXT_RX_PARTS; part++) {
        const struct pnd_ext_ack *ack = bench_ack_part(&bench, part);

        CHECK_EQ(ack->from, told ? 10 * told + 5 : 0);
        CHECK_EQ(ack->flags, told + ack->count < PND_RANGES_CAP ? PND_EXT_MORE : 0);
        for (unsigned i = 0; i < ack->count; i++, told++) {
            CHECK_EQ(ack->range[i].start, 10 * (told + 1));
            CHECK_EQ(ack->range[i].end, 10 * (told + 1) + 5);
        }
    }
    CHECK_EQ(told, PND_RANGES_CAP);
    bench_close(&bench);
}

static void a_range_that_is_longer_or_further_away_than_an_ack_can_say_takes_several(void)
{
    const uint64_t far = UINT64_C(3) << 32, end = far + (UINT64_C(5) << 32);
    struct bench bench;
    const struct pnd_ext_ack *ack;

    bench_open(&bench);
    bench_hello(&bench);
    bench_zero(&bench, far, end);
    ack = bench_ack(&bench);
    CHECK_EQ(ack->flags, 0);
    CHECK_EQ(ack->count, 4); /* three that are empty */
    CHECK_EQ(ack->range[ack->count - 1].start, far);
    CHECK_EQ(ack->range[ack->count - 1].end, end);
    bench_zero(&bench, 0, far);
    CHECK_EQ(bench.owner.rx.held, end);
    bench_zero(&bench, UINT64_C(1) << 42, (UINT64_C(1) << 42) + 1); /* further than all parts say */
    CHECK_EQ(bench.owner.reply_len, PND_EXT_RX_PARTS * PND_EXT_ACK_CAP);
    ack = bench_ack_part(&bench, PND_EXT_RX_PARTS - 1);
    CHECK_EQ(ack->flags, PND_EXT_MORE);
    CHECK_EQ(ack->range[ack->count - 1].start, ack->range[ack->count - 1].end);
    bench_close(&bench);
}

static void a_packet_whose_second_new_part_has_no_range_left_counts_with_its_first(void)
{
    const uint64_t last = 10 * (PND_RANGES_CAP - 1), far = 2 * last;
    struct bench bench;

    bench_open(&bench);
    bench_hello(&bench);
    for (uint64_t i = 1; i < PND_RANGES_CAP; i++)
        bench_data(&bench, i * 10, i * 10 + 5);
    bench_data(&bench, far, far + 10);
    CHECK_EQ(bench.owner.rx.ranges.count, PND_RANGES_CAP);
    bench_data(&bench, last + 5, last + 10); /* touches the range before it */
    CHECK_EQ(bench.owner.err, PND_OK);
    bench_data(&bench, far - 10, far + 20); /* reaches beyond the last */
    CHECK_EQ(bench.owner.err, PND_OK);
    CHECK_EQ(bench.owner.rx.end, far + 20);
    CHECK_EQ(bench.owner.rx.ranges.count, PND_RANGES_CAP);
    bench_close(&bench);
}

static void runs_of_zeros_reach_to_the_end_of_all_offsets(void)
{
    struct bench bench;
    uint64_t far = UINT64_C(1) << 63;

    bench_open(&bench);
    bench.owner.limits.dump_bytes_max = UINT64_MAX;
    bench.owner.room = UINT64_MAX;
    bench_hello(&bench);
    /* so much of it one part of an ACK says */
    CHECK_STR(bench_zero(&bench, 1000, far), "ack 0 1000-244813136815");
    CHECK_EQ(bench.owner.rx.ranges.at[0].end, far);
    bench_data(&bench, far, far + 1000);
    bench_data(&bench, 0, 1000);
    CHECK(bench.owner.rx.held == far + 1000);
    bench_zero(&bench, far + 1000, UINT64_MAX);
    CHECK(bench.owner.rx.held == UINT64_MAX);
    CHECK_EQ(bench.owner.rx.bytes, 2000);
    bench_end_as(&bench, UINT64_MAX, bench_sum(0, 1000) + bench_sum(far, far + 1000));
    CHECK_EQ(bench.owner.rx.phase, PND_RX_DONE);
    CHECK(bench.owner.dumps[0].len == UINT64_MAX);
    bench_close(&bench);
}

static void a_dump_that_ends_in_zeros_and_one_of_nothing_have_their_length(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_hello(&bench);
    bench_data(&bench, 0, 100);
    bench_zero(&bench, 100, 5000);
    CHECK_STR(bench_end_as(&bench, 5000, bench_sum(0, 100)), "ack 5000 done");
    bench_check_but(&bench, EXT_OWNER_COMPLETE, 5000, 100, 5000);
    CHECK_STR(bench_open_as(&bench, "another", "empty", 0), "opened 0");
    CHECK_STR(bench_end(&bench, 0), "ack 0 done");
    bench_check(&bench, EXT_OWNER_COMPLETE, 0);
    CHECK_EQ(bench.owner.opens, 2);
    CHECK_EQ(bench.owner.dump_count, 2);
    bench_close(&bench);
}

static void end_may_come_first_and_the_last_byte_completes_the_dump(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_hello(&bench);
    CHECK_STR(bench_end(&bench, 300), "ack 0");
    CHECK_EQ(bench.owner.opens, 1);
    CHECK_STR(bench_data(&bench, 200, 300), "ack 0 200-300");
    CHECK_STR(bench_data(&bench, 0, 100), "ack 100 200-300");
    CHECK_STR(bench_data(&bench, 100, 200), "ack 300 done");
    bench_check(&bench, EXT_OWNER_COMPLETE, 300);
    bench_close(&bench);
}

static void a_sum_that_differs_ends_the_dump_as_incomplete_and_the_sender_hears_why(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_hello(&bench);
    bench_data(&bench, 0, 300);
    CHECK_STR(bench_end_as(&bench, 300, bench_sum(0, 300) + 1),
              "stop 0 what arrived is not what was sent: the sums of sender and server differ");
    bench_check(&bench, EXT_OWNER_INCOMPLETE, 300);
    CHECK_STR(bench_why(&bench),
              "what arrived is not what was sent: the sums of sender and server differ");
    CHECK_EQ(bench.owner.rx.phase, PND_RX_FAILED);
    CHECK_STR(bench_end(&bench, 300), "stop 0 this dump was given up by the server");
    CHECK_EQ(bench.owner.dump_count, 1);
    bench_close(&bench);
}

static void a_flipped_bit_is_found_at_the_end(void)
{
    for (unsigned bit = 0; bit < 8 * 40; bit += 3) {
        uint8_t dgram[PND_EXT_HEADER_BYTES + 40];
        struct pnd_ext_packet packet = {.op = PND_EXT_DATA, .number = 1, .offset = 60};
        struct bench bench;

        bench_open(&bench);
        bench_hello(&bench);
        bench_data(&bench, 0, 60);
        packet.token = bench.token;
        pnd_ext_build(dgram, sizeof(dgram), &packet);
        for (uint64_t i = 0; i < 40; i++)
            dgram[PND_EXT_HEADER_BYTES + i] = bench_byte(60 + i);
        dgram[PND_EXT_HEADER_BYTES + bit / 8] ^= (uint8_t)(1U << bit % 8);
        bench_put(&bench, dgram, sizeof(dgram));
        bench_end(&bench, 100);
        CHECK_EQ(bench.owner.rx.phase, PND_RX_FAILED);
        CHECK_EQ(bench.owner.dump_count, 1);
        CHECK_EQ(bench.owner.dumps[0].state, EXT_OWNER_INCOMPLETE);
        bench_close(&bench);
    }
}

static void the_last_end_counts_until_the_dump_is_whole(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_hello(&bench);
    bench_data(&bench, 0, 200);
    CHECK_STR(bench_end(&bench, 400), "ack 200");
    CHECK_STR(bench_end_as(&bench, 300, 12345), "ack 200");
    CHECK_STR(bench_end(&bench, 300), "ack 200");
    CHECK_STR(bench_data(&bench, 200, 300), "ack 300 done");
    bench_check(&bench, EXT_OWNER_COMPLETE, 300);
    bench_close(&bench);
}

static void bytes_behind_the_end_are_a_contradiction_whether_they_touch_it_or_not(void)
{
    for (int apart = 0; apart < 2; apart++) {
        struct bench bench;

        bench_open(&bench);
        bench_hello(&bench);
        bench_data(&bench, 0, 200);
        bench_data(&bench, 300 + (uint64_t)apart, 400);
        bench_data(&bench, 200, 300);
        CHECK_STR(bench_end(&bench, 300), "stop 0 bytes came from behind the end of the dump");
        CHECK_EQ(bench.owner.dumps[0].state, EXT_OWNER_INCOMPLETE);
        bench_close(&bench);
    }
}

static void done_is_said_again_to_every_end_and_late_copy_but_not_to_another_dump(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_hello(&bench);
    bench_data(&bench, 0, 300);
    CHECK_STR(bench_end(&bench, 300), "ack 300 done");
    for (int i = 0; i < 80; i++) {
        CHECK_STR(bench_wait(&bench, 1000), "");
        CHECK_STR(bench_end(&bench, 300), "ack 300 done");
        CHECK_STR(bench_data(&bench, 100, 300), "ack 300 done");
        if (i == 40)
            bench_restart(&bench);
    }
    CHECK_STR(bench_end(&bench, 301), "stop 6 another dump of this id is complete here");
    CHECK_STR(bench_end_as(&bench, 300, 1), "stop 6 another dump of this id is complete here");
    CHECK_STR(bench_data(&bench, 200, 301), "stop 6 another dump of this id is complete here");
    CHECK_STR(bench_end(&bench, 300), "ack 300 done");
    CHECK_STR(bench_wait(&bench, 60000), "");
    CHECK(!bench.owner.slot);
    CHECK_EQ(bench.owner.dump_count, 1);
    bench_close(&bench);
}

static void a_dump_that_cannot_be_made_durable_is_never_said_to_be_done(void)
{
    struct bench bench;

    bench_open(&bench);
    bench.owner.fsync_fails = true;
    bench_hello(&bench);
    bench_data(&bench, 0, 300);
    CHECK_STR(bench_end(&bench, 300), "stop 3 the dump could not be made durable");
    CHECK_STR(bench_end(&bench, 300), "stop 3 this dump was given up by the server");
    bench_check(&bench, EXT_OWNER_INCOMPLETE, 300);
    bench_close(&bench);
}

int main(void)
{
    RUN(a_dump_arrives_in_order_and_done_comes_when_it_is_durable);
    RUN(a_packet_that_leaves_a_hole_fills_one_or_came_before_is_answered_at_once);
    RUN(what_came_since_the_last_ack_draws_one_when_it_is_256_kib);
    RUN(many_packets_in_one_turn_draw_one_answer);
    RUN(pieces_in_any_order_any_cut_and_any_number_of_copies_make_the_same_dump);
    RUN(a_packet_over_several_holes_fills_two_of_them_and_its_copy_the_others);
    RUN(a_run_of_zeros_over_any_number_of_holes_fills_them_all);
    RUN(the_513th_range_is_not_taken_and_what_joins_one_is);
    RUN(an_answer_has_as_many_parts_as_its_ranges_need);
    RUN(a_range_that_is_longer_or_further_away_than_an_ack_can_say_takes_several);
    RUN(a_packet_whose_second_new_part_has_no_range_left_counts_with_its_first);
    RUN(runs_of_zeros_reach_to_the_end_of_all_offsets);
    RUN(a_dump_that_ends_in_zeros_and_one_of_nothing_have_their_length);
    RUN(end_may_come_first_and_the_last_byte_completes_the_dump);
    RUN(a_sum_that_differs_ends_the_dump_as_incomplete_and_the_sender_hears_why);
    RUN(a_flipped_bit_is_found_at_the_end);
    RUN(the_last_end_counts_until_the_dump_is_whole);
    RUN(bytes_behind_the_end_are_a_contradiction_whether_they_touch_it_or_not);
    RUN(done_is_said_again_to_every_end_and_late_copy_but_not_to_another_dump);
    RUN(a_dump_that_cannot_be_made_durable_is_never_said_to_be_done);
    return tap_done();
}
