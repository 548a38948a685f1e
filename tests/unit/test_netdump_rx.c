/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A netdump from its herald to the ACK of its FINISHED: PROTOCOL.md#netdump-1 to #netdump-5. */
#include "netdump_bench.h"

static struct bench bench;

static void a_dump_of_two_sends_arrives(void)
{
    uint32_t next;

    bench_open(&bench);
    CHECK_STR(bench_herald(&bench), "1");
    CHECK_EQ(bench.owner.opens, 0);
    next = bench_whole(&bench, 2, 0, BENCH_SEND);
    CHECK_EQ(bench.owner.opens, 1);
    next = bench_whole(&bench, next, BENCH_SEND, 8192);
    CHECK_STR(bench_end(&bench, next), "54");
    bench_check(&bench, NETDUMP_COMPLETE, BENCH_SEND + 8192);
    CHECK_EQ(bench.owner.rx.packets, 52);
    CHECK_EQ(bench.owner.rx.bytes, BENCH_SEND + 8192);
    CHECK_EQ(bench.owner.rx.strays + bench.owner.rx.repeats, 0);
    bench_close(&bench);
}

static void a_path_is_kept_and_one_that_climbs_is_none_but_the_dump_is_taken(void)
{
    char longest[PND_NETDUMP_RX_PATH_CAP + 1];

    bench_open(&bench);
    CHECK_STR(bench_send(&bench, PND_NETDUMP_HERALD, 1, 0, "lab/rack1", 10), "1");
    CHECK_STR(bench.owner.rx.path, "lab/rack1");
    CHECK(!bench.owner.rx.path_refused);
    CHECK_STR(bench_send(&bench, PND_NETDUMP_HERALD, 7, 0, "../etc", 7), "7");
    CHECK_STR(bench.owner.rx.path, "");
    CHECK(bench.owner.rx.path_refused);
    memset(longest, 'a', sizeof(longest));
    longest[PND_NETDUMP_RX_PATH_CAP] = '\0';
    CHECK_STR(bench_send(&bench, PND_NETDUMP_HERALD, 8, 0, longest, sizeof(longest)), "8");
    CHECK(bench.owner.rx.path_refused);
    CHECK_STR(bench_send(&bench, PND_NETDUMP_HERALD, 9, 0, longest + 1, sizeof(longest) - 1), "9");
    CHECK_STR(bench.owner.rx.path, longest + 1);
    bench_close(&bench);
}

static void a_herald_that_comes_again_before_data_is_answered_again(void)
{
    bench_open(&bench);
    CHECK_STR(bench_herald(&bench), "1");
    CHECK_STR(bench_herald(&bench), "1");
    CHECK_EQ(bench.owner.rx.repeats, 1);
    bench_close(&bench);
}

static void nothing_but_a_herald_begins_a_dump(void)
{
    static const enum pnd_netdump_type types[] = {PND_NETDUMP_FINISHED, PND_NETDUMP_VMCORE,
                                                  PND_NETDUMP_KDH, PND_NETDUMP_EKCD_KEY};

    bench_open(&bench);
    for (unsigned i = 0; i < 4; i++)
        CHECK_STR(bench_send(&bench, types[i], 2, 0, "core", 4), "");
    CHECK(!bench.owner.slot);
    CHECK_EQ(netdump_owner_deadline_ms(&bench.owner) == UINT64_MAX, true);
    bench_close(&bench);
}

static void policy_that_says_no_says_nothing(void)
{
    bench_open(&bench);
    bench.owner.refuses = true;
    CHECK_STR(bench_herald(&bench), "");
    CHECK(!bench.owner.slot);
    bench.owner.refuses = false;
    CHECK_STR(bench_herald(&bench), "1");
    bench_close(&bench);
}

static void a_herald_during_a_dump_ends_nothing_until_it_has_been_silent_for_20_s(void)
{
    uint32_t next;

    bench_open(&bench);
    bench_herald(&bench);
    next = bench_whole(&bench, 2, 0, 4096);
    bench_wait(&bench, 19999);
    CHECK_STR(bench_herald(&bench), "");
    CHECK_STR(bench_send(&bench, PND_NETDUMP_HERALD, 77, 0, "other", 6), "");
    bench_check(&bench, NETDUMP_RECEIVING, 4096);
    bench_whole(&bench, next, 4096, 4096);
    bench_wait(&bench, 19999);
    CHECK_STR(bench_herald(&bench), "");
    bench_wait(&bench, 1);
    CHECK_STR(bench_herald(&bench), "1");
    CHECK_EQ(bench.owner.state, NETDUMP_INCOMPLETE);
    CHECK_STR(bench.owner.why, "the sender started another dump");
    CHECK_EQ(bench.owner.rx.phase, PND_RX_ASKED);
    bench_close(&bench);
}

static void a_herald_alone_is_forgotten_after_a_minute_and_leaves_no_file(void)
{
    bench_open(&bench);
    bench_herald(&bench);
    bench_wait(&bench, 59999);
    CHECK(bench.owner.slot);
    bench_wait(&bench, 1);
    CHECK(!bench.owner.slot);
    CHECK_EQ(bench.owner.opens, 0);
    bench_close(&bench);
}

static void a_dump_that_falls_silent_is_kept_as_incomplete_after_2_minutes(void)
{
    bench_open(&bench);
    bench_herald(&bench);
    bench_whole(&bench, 2, 0, 4096);
    bench_wait(&bench, 119999);
    bench_check(&bench, NETDUMP_RECEIVING, 4096);
    bench_wait(&bench, 1);
    bench_check(&bench, NETDUMP_INCOMPLETE, 4096);
    CHECK_STR(bench.owner.why, "the sender fell silent");
    CHECK(!bench.owner.slot);
    bench_close(&bench);
}

static void a_header_may_come_before_the_data_behind_it_and_twice(void)
{
    uint8_t kdh[512] = "FreeBSD Kernel Dump";
    uint32_t next;

    bench_open(&bench);
    bench_herald(&bench);
    CHECK_STR(bench_send(&bench, PND_NETDUMP_KDH, 2, 0, kdh, sizeof(kdh)), "2");
    CHECK_EQ(bench.owner.opens, 1);
    next = bench_whole(&bench, 3, 0, BENCH_SEND);
    CHECK_EQ(next, 49);
    kdh[100] = 7;
    CHECK_STR(bench_send(&bench, PND_NETDUMP_KDH, 49, 0, kdh, sizeof(kdh)), "49");
    CHECK_STR(bench_send(&bench, PND_NETDUMP_KDH, 49, 0, kdh, sizeof(kdh)), "49");
    CHECK_EQ(bench.owner.kdh_len, 512);
    CHECK_MEM(bench.owner.kdh, kdh, 512);
    CHECK_STR(bench_end(&bench, 50), "50");
    bench_check(&bench, NETDUMP_COMPLETE, BENCH_SEND);
    bench_close(&bench);
}

static void a_header_in_pieces_is_put_together_and_what_is_longer_is_cut(void)
{
    uint8_t kdh[1000];

    for (size_t i = 0; i < sizeof(kdh); i++)
        kdh[i] = (uint8_t)i;
    bench_open(&bench);
    bench_herald(&bench);
    CHECK_STR(bench_send(&bench, PND_NETDUMP_KDH, 2, 0, kdh, 400), "2");
    CHECK_STR(bench_send(&bench, PND_NETDUMP_KDH, 3, 400, kdh + 400, 400), "3");
    CHECK_STR(bench_send(&bench, PND_NETDUMP_KDH, 4, 800, kdh + 800, 200), "4");
    CHECK_EQ(bench.owner.kdh_len, 512);
    CHECK_MEM(bench.owner.kdh, kdh, 512);
    bench_close(&bench);
}

static void padding_behind_the_length_in_the_header_is_cut_off(void)
{
    static const struct {
        size_t length, kept;
    } rows[] = {{8192, 8192}, {8191, 8191}, {4097, 4097}, {4096, 8192}, {0, 8192}, {9000, 8192}};

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t kdh[512] = "FreeBSD Kernel Dump";

        kdh[46] = (uint8_t)(rows[i].length >> 8);
        kdh[47] = (uint8_t)rows[i].length;
        bench_open(&bench);
        bench_herald(&bench);
        bench_whole(&bench, 2, 0, 8192);
        bench_send(&bench, PND_NETDUMP_KDH, 8, 0, kdh, sizeof(kdh));
        CHECK_STR(bench_end(&bench, 9), "9");
        bench_check(&bench, NETDUMP_COMPLETE, rows[i].kept);
        bench_close(&bench);
    }
}

static void a_key_comes_first_in_pieces_and_is_kept(void)
{
    uint8_t key[4096];

    for (size_t i = 0; i < sizeof(key); i++)
        key[i] = (uint8_t)(i * 7);
    bench_open(&bench);
    bench_herald(&bench);
    CHECK_STR(bench_send(&bench, PND_NETDUMP_EKCD_KEY, 3, 1448, key + 1448, 1448), "3");
    CHECK_STR(bench_send(&bench, PND_NETDUMP_EKCD_KEY, 4, 2896, key + 2896, 1200), "4");
    CHECK_STR(bench_send(&bench, PND_NETDUMP_EKCD_KEY, 2, 0, key, 1448), "2");
    CHECK_EQ(bench.owner.key_len, sizeof(key));
    CHECK_MEM(bench.owner.key, key, sizeof(key));
    bench_whole(&bench, 5, 0, 4096);
    CHECK_STR(bench_end(&bench, 8), "8");
    bench_check(&bench, NETDUMP_COMPLETE, 4096);
    bench_close(&bench);
}

static void a_key_that_is_longer_than_64_kib_draws_nothing(void)
{
    static uint8_t key[65536];

    bench_open(&bench);
    bench_herald(&bench);
    CHECK_STR(bench_send(&bench, PND_NETDUMP_EKCD_KEY, 2, 1, key, 65535), "2");
    CHECK_STR(bench_send(&bench, PND_NETDUMP_EKCD_KEY, 3, 65536, key, 1), "");
    CHECK_EQ(bench.owner.err, PND_E_RANGE);
    bench_close(&bench);
}

static void jumbo_frames_and_the_largest_datagrams_are_taken(void)
{
    uint32_t next;

    bench_open(&bench);
    bench_herald(&bench);
    next = bench_all_but(&bench, 2, 0, BENCH_SEND, 8948, 0, 0);
    CHECK_EQ(next, 10);
    CHECK_STR(bench_data(&bench, next, BENCH_SEND, 65472), "10");
    CHECK_STR(bench_end(&bench, 11), "11");
    bench_check(&bench, NETDUMP_COMPLETE, BENCH_SEND + 65472);
    bench_close(&bench);
}

static void what_is_no_packet_draws_nothing_and_changes_nothing(void)
{
    uint8_t dgram[32] = {0};

    bench_open(&bench);
    bench_herald(&bench);
    bench_whole(&bench, 2, 0, 4096);
    for (size_t len = 0; len < sizeof(dgram); len++)
        CHECK_STR(bench_raw(&bench, dgram, len), "");
    CHECK_EQ(bench.owner.rx.strays, sizeof(dgram));
    CHECK_STR(bench_end(&bench, 5), "5");
    bench_close(&bench);
}

static void finished_is_only_acknowledged_when_the_dump_is_durable(void)
{
    bench_open(&bench);
    bench.owner.finish_ms = 5000;
    bench_herald(&bench);
    bench_whole(&bench, 2, 0, 4096);
    CHECK_STR(bench_finished(&bench, 5), "");
    CHECK(pnd_netdump_rx_deadline_ms(&bench.owner.rx) == UINT64_MAX);
    bench_wait(&bench, 1000);
    CHECK_STR(bench_finished(&bench, 5), "");
    CHECK_STR(bench_herald(&bench), "");
    CHECK_STR(bench_wait(&bench, 4000), "5");
    bench_check(&bench, NETDUMP_COMPLETE, 4096);
    bench_close(&bench);
}

static void finished_is_acknowledged_again_for_90_s_and_nothing_else_is(void)
{
    bench_open(&bench);
    bench_herald(&bench);
    bench_whole(&bench, 2, 0, 4096);
    CHECK_STR(bench_end(&bench, 5), "5");
    CHECK_STR(bench_finished(&bench, 5), "5");
    CHECK_STR(bench_finished(&bench, 6), "");
    CHECK_STR(bench_data(&bench, 4, 2896, 1200), "");
    bench_wait(&bench, 89999);
    CHECK_STR(bench_finished(&bench, 5), "5");
    bench_wait(&bench, 1);
    CHECK(!bench.owner.slot);
    CHECK_STR(bench_finished(&bench, 5), "");
    bench_close(&bench);
}

static void a_late_copy_of_its_herald_does_not_silence_the_answers_to_finished(void)
{
    bench_open(&bench);
    bench_herald(&bench);
    bench_whole(&bench, 2, 0, 4096);
    CHECK_STR(bench_end(&bench, 5), "5");
    CHECK_STR(bench_herald(&bench), "1");
    CHECK_STR(bench_finished(&bench, 5), "5");
    CHECK_STR(bench_finished(&bench, 2), "");
    CHECK_EQ(bench.owner.opens, 1);
    /* And if it was a new dump, it is one. */
    bench_whole(&bench, 2, 0, 8192);
    CHECK_STR(bench_end(&bench, 8), "8");
    bench_check(&bench, NETDUMP_COMPLETE, 8192);
    CHECK_EQ(bench.owner.ended, 2);
    bench_close(&bench);
}

static void a_dump_that_cannot_be_made_durable_is_never_acknowledged(void)
{
    bench_open(&bench);
    bench.owner.fsync_fails = true;
    bench_herald(&bench);
    bench_whole(&bench, 2, 0, 4096);
    CHECK_STR(bench_end(&bench, 5), "");
    bench_check(&bench, NETDUMP_INCOMPLETE, 4096);
    CHECK_STR(bench.owner.why, "the dump could not be made durable");
    CHECK_STR(bench_finished(&bench, 5), "");
    CHECK_STR(bench_herald(&bench), "1");
    bench_close(&bench);
}

/* Whoever sees nothing of a dump can send it: both ports are known. */
static void finished_without_a_number_ends_nothing(void)
{
    bench_open(&bench);
    bench_herald(&bench);
    bench_whole(&bench, 2, 0, 4096);
    CHECK_STR(bench_finished(&bench, 0), "");
    CHECK_EQ(bench.owner.rx.phase, PND_RX_LIVE);
    bench_whole(&bench, 5, 4096, 4096);
    CHECK_STR(bench_end(&bench, 8), "8");
    bench_check(&bench, NETDUMP_COMPLETE, 8192);
    bench_close(&bench);
}

static void finished_before_data_or_of_an_older_dump_ends_nothing(void)
{
    bench_open(&bench);
    bench_herald(&bench);
    CHECK_STR(bench_finished(&bench, 2), "");
    CHECK_EQ(bench.owner.rx.phase, PND_RX_ASKED);
    bench_whole(&bench, 2, 0, 4096);
    CHECK_STR(bench_finished(&bench, 4), "");
    CHECK_STR(bench_finished(&bench, 5 + PND_NETDUMP_REACH), "");
    CHECK_EQ(bench.owner.rx.phase, PND_RX_LIVE);
    CHECK_STR(bench_end(&bench, 5), "5");
    bench_close(&bench);
}

static void data_beyond_the_limit_fails_the_dump_unless_it_is_a_stray(void)
{
    bench_open(&bench);
    bench.owner.limits.dump_bytes_max = 8192;
    bench_herald(&bench);
    bench_whole(&bench, 2, 0, 8192);
    CHECK_STR(bench_data(&bench, 2, 8192, 1), "");   /* of a send before */
    CHECK_STR(bench_data(&bench, 500, 8192, 1), ""); /* of none */
    CHECK_EQ(bench.owner.rx.phase, PND_RX_LIVE);
    CHECK_STR(bench_data(&bench, 8, 8192, 1), "");
    CHECK_EQ(bench.owner.err, PND_E_RANGE);
    bench_check(&bench, NETDUMP_INCOMPLETE, 8192);
    CHECK_STR(bench.owner.why, "the dump is larger than the server allows");
    CHECK_STR(bench_data(&bench, 8, 8192, 1), "");
    bench_close(&bench);
}

static void a_full_disk_is_waited_out_by_the_clients_repetitions(void)
{
    bench_open(&bench);
    bench_herald(&bench);
    bench.owner.disk_full = true;
    CHECK_STR(bench_data(&bench, 2, 0, 1448), "");
    CHECK_EQ(bench.owner.rx.phase, PND_RX_ASKED);
    bench_wait(&bench, 8000);
    CHECK_STR(bench_data(&bench, 2, 0, 1448), "");
    bench.owner.disk_full = false;
    bench_whole(&bench, 2, 0, 4096);
    CHECK_STR(bench_end(&bench, 5), "5");
    bench_check(&bench, NETDUMP_COMPLETE, 4096);
    bench_close(&bench);
}

static void a_disk_that_stays_full_ends_the_dump_with_what_there_is(void)
{
    bench_open(&bench);
    bench_herald(&bench);
    bench_whole(&bench, 2, 0, 4096);
    bench.owner.disk_full = true;
    CHECK_STR(bench_data(&bench, 5, 4096, 1448), "");
    bench_wait(&bench, 20000);
    CHECK_STR(bench_data(&bench, 5, 4096, 1448), "");
    bench_check(&bench, NETDUMP_INCOMPLETE, 4096);
    CHECK_STR(bench.owner.why, "disk full");
    bench_wait(&bench, 90000);
    CHECK(!bench.owner.slot);
    bench_close(&bench);
}

static void a_client_that_gives_up_on_a_full_disk_is_told_from_one_that_falls_silent(void)
{
    bench_open(&bench);
    bench_herald(&bench);
    bench_whole(&bench, 2, 0, 4096);
    bench.owner.disk_full = true;
    bench_data(&bench, 5, 4096, 1448);
    bench_wait(&bench, 120000);
    CHECK_STR(bench.owner.why, "disk full");
    bench_close(&bench);
}

static void a_full_disk_is_waited_out_in_full_before_silence_counts(void)
{
    bench_open(&bench);
    bench.owner.limits.idle_ms = 1000;
    bench_herald(&bench);
    bench_whole(&bench, 2, 0, 4096);
    bench.owner.disk_full = true;
    bench_data(&bench, 5, 4096, 1448);
    bench_wait(&bench, 19999);
    CHECK_EQ(bench.owner.state, NETDUMP_RECEIVING);
    bench_wait(&bench, 1);
    CHECK_STR(bench.owner.why, "disk full");
    bench_close(&bench);
}

static void an_outcome_that_nobody_waits_for_changes_nothing(void)
{
    struct pnd_actions actions;

    bench_open(&bench);
    bench_herald(&bench);
    bench_whole(&bench, 2, 0, 4096);
    pnd_netdump_rx_finished(&bench.owner.rx, true, bench.now_ms, &actions);
    CHECK_EQ(actions.count, 0);
    CHECK_EQ(bench.owner.rx.phase, PND_RX_LIVE);
    bench_close(&bench);
}

static void numbers_wrap(void)
{
    bench_open(&bench);
    CHECK_STR(bench_send(&bench, PND_NETDUMP_HERALD, UINT32_MAX - 20, 0, NULL, 0), "4294967275");
    CHECK_EQ(bench_whole(&bench, UINT32_MAX - 19, 0, BENCH_SEND), 26);
    CHECK_EQ(bench.owner.rx.lost, 0);
    CHECK_STR(bench_end(&bench, 26), "26");
    bench_check(&bench, NETDUMP_COMPLETE, BENCH_SEND);
    bench_close(&bench);
}

int main(void)
{
    RUN(a_dump_of_two_sends_arrives);
    RUN(a_path_is_kept_and_one_that_climbs_is_none_but_the_dump_is_taken);
    RUN(a_herald_that_comes_again_before_data_is_answered_again);
    RUN(nothing_but_a_herald_begins_a_dump);
    RUN(policy_that_says_no_says_nothing);
    RUN(a_herald_during_a_dump_ends_nothing_until_it_has_been_silent_for_20_s);
    RUN(a_herald_alone_is_forgotten_after_a_minute_and_leaves_no_file);
    RUN(a_dump_that_falls_silent_is_kept_as_incomplete_after_2_minutes);
    RUN(a_header_may_come_before_the_data_behind_it_and_twice);
    RUN(a_header_in_pieces_is_put_together_and_what_is_longer_is_cut);
    RUN(padding_behind_the_length_in_the_header_is_cut_off);
    RUN(a_key_comes_first_in_pieces_and_is_kept);
    RUN(a_key_that_is_longer_than_64_kib_draws_nothing);
    RUN(jumbo_frames_and_the_largest_datagrams_are_taken);
    RUN(what_is_no_packet_draws_nothing_and_changes_nothing);
    RUN(finished_is_only_acknowledged_when_the_dump_is_durable);
    RUN(finished_is_acknowledged_again_for_90_s_and_nothing_else_is);
    RUN(a_late_copy_of_its_herald_does_not_silence_the_answers_to_finished);
    RUN(a_dump_that_cannot_be_made_durable_is_never_acknowledged);
    RUN(finished_without_a_number_ends_nothing);
    RUN(finished_before_data_or_of_an_older_dump_ends_nothing);
    RUN(data_beyond_the_limit_fails_the_dump_unless_it_is_a_stray);
    RUN(a_full_disk_is_waited_out_by_the_clients_repetitions);
    RUN(a_disk_that_stays_full_ends_the_dump_with_what_there_is);
    RUN(a_client_that_gives_up_on_a_full_disk_is_told_from_one_that_falls_silent);
    RUN(a_full_disk_is_waited_out_in_full_before_silence_counts);
    RUN(an_outcome_that_nobody_waits_for_changes_nothing);
    RUN(numbers_wrap);
    return tap_done();
}
