/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a restart needs: whatever was acknowledged is held. PROTOCOL.md#netdump-8, clause 6. */
#include "netdump_bench.h"

static struct bench bench;

/* Saved, loaded and saved again: the same bytes. */
static void check_round_trip(void)
{
    uint8_t first[PND_NETDUMP_RX_SAVED_BYTES], second[PND_NETDUMP_RX_SAVED_BYTES];
    struct pnd_netdump_rx rx;

    pnd_netdump_rx_save(&bench.owner.rx, first);
    CHECK_EQ(
        pnd_netdump_rx_load(&rx, &bench.owner.limits, first, sizeof(first), bench.owner.rx.path, 5),
        PND_OK);
    pnd_netdump_rx_save(&rx, second);
    CHECK_MEM(first, second, sizeof(first));
    CHECK_STR(rx.path, bench.owner.rx.path);
    CHECK(rx.end == bench.owner.rx.end || bench.owner.rx.phase == PND_RX_ASKED);
}

static void a_server_killed_between_any_two_packets_goes_on(void)
{
    for (unsigned at = 0; at <= 60; at++) {
        uint32_t next = 2;

        bench_open(&bench);
        bench_send(&bench, PND_NETDUMP_HERALD, 1, 0, "lab", 4);
        for (unsigned i = 0; i < 60; i++) {
            if (i == at) {
                check_round_trip();
                bench_restart(&bench);
                CHECK_STR(bench.owner.rx.path, "lab");
            }
            if (i < BENCH_COUNT)
                bench_46(&bench, 2, 0, i);
            else
                bench_packet(&bench, 48, BENCH_SEND, 20480, BENCH_UNIT, i - BENCH_COUNT);
        }
        next = 48 + 15;
        bench_packet(&bench, 48, BENCH_SEND, 20480, BENCH_UNIT, 14);
        CHECK_STR(bench_end(&bench, next), "63");
        check_round_trip();
        bench_check(&bench, NETDUMP_COMPLETE, BENCH_SEND + 20480);
        bench_close(&bench);
    }
}

static void a_loaded_session_says_again_what_is_ready(void)
{
    bench_open(&bench);
    bench_herald(&bench);
    for (unsigned i = 0; i < 40; i++)
        bench_46(&bench, 2, 0, i);
    bench_restart(&bench);
    CHECK_STR(bench_46(&bench, 2, 0, 40), "2-10 16-42");
    bench_close(&bench);
}

static void a_send_of_which_every_other_packet_came_is_kept_as_such(void)
{
    bench_open(&bench);
    bench_herald(&bench);
    for (unsigned i = 0; i < BENCH_COUNT; i += 2)
        bench_46(&bench, 2, 0, i);
    check_round_trip();
    bench_restart(&bench);
    for (unsigned i = 1; i < BENCH_COUNT; i += 2)
        bench_46(&bench, 2, 0, i);
    CHECK_EQ(bench.owner.rx.repeats, 0);
    CHECK_STR(bench_end(&bench, 48), "48");
    bench_check(&bench, NETDUMP_COMPLETE, BENCH_SEND);
    bench_close(&bench);
}

static void of_three_ranges_all_are_kept_of_more_the_holes_are_blurred(void)
{
    for (unsigned count = 1; count <= 5; count++) {
        struct pnd_span span;
        uint32_t next = 2;

        bench_open(&bench);
        bench_herald(&bench);
        for (unsigned i = 0; i < count; i++)
            next = bench_whole(&bench, next, i * UINT64_C(8192), 4096);
        bench_restart(&bench);
        CHECK_EQ(bench.owner.rx.blurred, count > 3);
        CHECK_EQ(bench.owner.rx.end, (count - 1) * 8192 + 4096);
        CHECK_EQ(pnd_netdump_rx_missing(&bench.owner.rx, 0, &span),
                 count == 2 || count == 3 ? PND_OK : PND_E_NOTFOUND); /* else not known */
        /* What is not known to be held is written again, not taken on trust. */
        if (count >= 3) /* of five it is the one that is not known of */
            CHECK_STR(bench_packet(&bench, 8, 2 * UINT64_C(8192), 4096, BENCH_UNIT, 0), "8");
        CHECK_STR(bench_end(&bench, next), count == 1 ? "5" : "");
        CHECK_EQ(bench.owner.state, count == 1 ? NETDUMP_COMPLETE : NETDUMP_INCOMPLETE);
        bench_close(&bench);
    }
}

static void what_is_lost_is_remembered(void)
{
    bench_open(&bench);
    bench_herald(&bench);
    bench_all_but(&bench, 2, 0, BENCH_SEND, BENCH_UNIT, 40, 42);
    bench_whole(&bench, 48, BENCH_SEND, BENCH_SEND);
    bench_restart(&bench);
    CHECK_EQ(bench.owner.rx.lost, 2);
    bench_46(&bench, 2, 0, 40);
    bench_46(&bench, 2, 0, 41);
    CHECK_STR(bench_end(&bench, 94), "94");
    bench_check(&bench, NETDUMP_COMPLETE, 2 * BENCH_SEND);
    bench_close(&bench);
}

static void what_was_finishing_is_finished_and_its_end_said_again(void)
{
    uint8_t kdh[512] = "FreeBSD Kernel Dump";

    kdh[46] = 0x0f;
    bench_open(&bench);
    bench_herald(&bench);
    bench_whole(&bench, 2, 0, 4096);
    bench_send(&bench, PND_NETDUMP_KDH, 5, 0, kdh, sizeof(kdh));
    bench.owner.finish_ms = 5000;
    CHECK_STR(bench_finished(&bench, 6), "");
    bench_restart(&bench);
    CHECK_STR(bench_wait(&bench, 0), "6");
    bench_check(&bench, NETDUMP_COMPLETE, 0x0f00);
    bench_restart(&bench);
    CHECK_STR(bench_finished(&bench, 6), "6");
    bench_close(&bench);
}

/* Else the file would be shorter than what is said to be in it. */
static void where_a_packet_of_no_bytes_lies_the_dump_does_not_end(void)
{
    bench_open(&bench);
    bench_herald(&bench);
    CHECK_EQ(bench_whole(&bench, 2, 0, 4096), 5);
    bench_data(&bench, 8, 4096 + 3 * BENCH_UNIT, 0);
    bench_restart(&bench);
    CHECK_EQ(bench.owner.rx.end, 4096);
    bench_data(&bench, 6, 4096 + BENCH_UNIT, BENCH_UNIT);
    bench_restart(&bench);
    CHECK_EQ(bench.owner.rx.end, 4096 + 2 * BENCH_UNIT);
    bench_data(&bench, 5, 4096, BENCH_UNIT);
    bench_data(&bench, 7, 4096 + 2 * BENCH_UNIT, BENCH_UNIT);
    CHECK_STR(bench_end(&bench, 9), "9");
    bench_check(&bench, NETDUMP_COMPLETE, 4096 + 3 * BENCH_UNIT);
    bench_close(&bench);
}

static void any_bytes_that_are_no_session_are_refused(void)
{
    uint8_t saved[PND_NETDUMP_RX_SAVED_BYTES], bad[PND_NETDUMP_RX_SAVED_BYTES + 1] = {0};
    struct pnd_netdump_rx rx;
    static const struct {
        size_t at;
        uint8_t value;
    } rows[] = {
        {0, 1},                /* version */
        {1, 0},                /* phase NEW */
        {1, 6},                /* phase LEFT */
        {2, 0xff},             /* flags */
        {3, 2},                /* type of the send */
        {3, 6},    {24, 0xff}, /* a last packet longer than the longest */
        {20, 0},               /* packets before the start of the dump */
        {63, 4},               /* ranges */
    };

    bench_open(&bench);
    bench_herald(&bench);
    bench_whole(&bench, 2, 0, 4096);
    bench_46(&bench, 5, 4096, 0);
    bench_46(&bench, 5, 4096, 9);
    pnd_netdump_rx_save(&bench.owner.rx, saved);
    for (size_t len = 0; len < sizeof(saved); len++)
        CHECK_EQ(pnd_netdump_rx_load(&rx, &bench.owner.limits, saved, len, "", 0), PND_E_SHORT);
    memcpy(bad, saved, sizeof(saved));
    CHECK_EQ(pnd_netdump_rx_load(&rx, &bench.owner.limits, bad, sizeof(bad), "", 0), PND_E_SHORT);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        memcpy(bad, saved, sizeof(saved));
        bad[rows[i].at] = rows[i].value;
        if (rows[i].at == 20)
            memset(bad + 16, 0, 8);
        CHECK_EQ(pnd_netdump_rx_load(&rx, &bench.owner.limits, bad, sizeof(saved), "", 0),
                 PND_E_FORMAT);
    }
    bench_close(&bench);
}

int main(void)
{
    RUN(a_server_killed_between_any_two_packets_goes_on);
    RUN(a_loaded_session_says_again_what_is_ready);
    RUN(a_send_of_which_every_other_packet_came_is_kept_as_such);
    RUN(of_three_ranges_all_are_kept_of_more_the_holes_are_blurred);
    RUN(what_is_lost_is_remembered);
    RUN(what_was_finishing_is_finished_and_its_end_said_again);
    RUN(where_a_packet_of_no_bytes_lies_the_dump_does_not_end);
    RUN(any_bytes_that_are_no_session_are_refused);
    return tap_done();
}
