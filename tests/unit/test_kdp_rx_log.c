/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The junk behind the blocks of panic-log and system-log dumps (PROTOCOL.md#kdp-1.9): none of it
 * enters a file, and nothing but it is removed. */
#include "unit/rx_bench.h"

static const char paniclog[] = "paniclog-xnu-3789.72.11-192.168.136.130-a5001516";
enum { N = sizeof(paniclog) - 1 };

/* Text that no filler byte occurs in. */
static const char *text(size_t len)
{
    static char bytes[8192];

    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)('a' + i * 7 % 20);
    return bytes;
}

/* Sends @p len bytes of @p bytes in blocks of @p max, each with @p junk_len bytes of @p filler
 * behind it, and the EOF. */
static void send_log(struct bench *bench, const char *bytes, size_t len, size_t max, char filler,
                     size_t junk_len)
{
    uint32_t block = 1;

    for (size_t at = 0; at < len; at += max) {
        size_t part = len - at < max ? len - at : max;

        CHECK(bench_junked(bench, block++, bytes + at, part, filler, junk_len)[0] == 'a');
    }
    CHECK(bench_end(bench, block)[0] == 'a');
}

static void a_panic_log_of_every_length_arrives_without_its_junk(void)
{
    static const struct {
        uint32_t features, block_max;
        size_t cut;
    } rows[] = {{3, 1406, 1406}, {0, 0, 512}, {3, 600, 600}, {3, 100, 100}, {3, 40, 40}};
    struct bench bench;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (size_t junk = N; junk <= N + 1; junk++)
            for (size_t len = 1; len <= 2 * rows[i].cut + 2; len += rows[i].cut > 600 ? 3 : 1) {
                bench_open(&bench);
                bench_wrq(&bench, paniclog, rows[i].features, rows[i].block_max);
                send_log(&bench, text(len), len, rows[i].cut, 'Y', junk);
                bench_check(&bench, OWNER_COMPLETE, text(len), len);
                bench_close(&bench);
            }
}

static void text_that_itself_ends_in_the_filler_keeps_it(void)
{
    char bytes[300];
    struct bench bench;

    for (size_t run = 1; run <= sizeof(bytes); run++) {
        memcpy(bytes, text(sizeof(bytes)), sizeof(bytes));
        memset(bytes + sizeof(bytes) - run, 'Y', run);
        bench_open(&bench);
        bench_wrq(&bench, paniclog, 3, 1406);
        send_log(&bench, bytes, sizeof(bytes), 1406, 'Y', N + 1);
        bench_check(&bench, OWNER_COMPLETE, bytes, sizeof(bytes));
        bench_close(&bench);
    }
}

static void a_full_last_block_that_ends_in_the_filler_keeps_it(void)
{
    char bytes[1406];
    struct bench bench;

    memset(bytes, 'Y', sizeof(bytes));
    for (size_t junk = N; junk <= N + 1; junk++) {
        bench_open(&bench);
        bench_wrq(&bench, paniclog, 3, 1406);
        send_log(&bench, bytes, sizeof(bytes), 1406, 'Y', junk);
        /* With n bytes of junk this is the same packet as 1405 bytes of text and n + 1. */
        bench_check(&bench, OWNER_COMPLETE, bytes, junk == N ? 1405 : 1406);
        bench_close(&bench);
    }
}

static void junk_that_is_not_the_filler_is_kept_because_it_may_be_text(void)
{
    char bytes[100 + N + 1];
    struct bench bench;

    memcpy(bytes, text(100), 100);
    memset(bytes + 100, 'X', N + 1);
    bench_open(&bench);
    bench_wrq(&bench, paniclog, 0, 0);
    send_log(&bench, bytes, 100, 512, 'X', N + 1); /* 1486 and 1504 */
    bench_check(&bench, OWNER_COMPLETE, bytes, 100 + N + 1);
    bench_close(&bench);

    memset(bytes + 100, 'Y', N + 1);
    for (size_t run = 0; run < N; run++) { /* a run shorter than any junk */
        bench_open(&bench);
        bench_wrq(&bench, paniclog, 3, 1406);
        send_log(&bench, bytes, 100 + run, 1406, 0, 0);
        bench_check(&bench, OWNER_COMPLETE, bytes, 100 + run);
        bench_close(&bench);
    }
    bench_open(&bench); /* the filler belongs to logs: a core may end in any byte */
    bench_wrq(&bench, "core-xnu-1-10.0.0.1-ff", 3, 1406);
    send_log(&bench, bytes, 100 + N + 1, 1406, 0, 0);
    bench_check(&bench, OWNER_COMPLETE, bytes, 100 + N + 1);
    bench_close(&bench);
}

static void a_repeated_last_block_loses_its_junk_once_also_after_a_restart(void)
{
    struct bench bench;

    bench_open(&bench);
    bench_wrq(&bench, paniclog, 3, 1406);
    CHECK_STR(bench_junked(&bench, 1, text(50), 50, 'Y', N + 1), "ack 1");
    bench_pause(&bench);
    CHECK_STR(bench_junked(&bench, 1, text(50), 50, 'Y', N + 1), "ack 1");
    bench_restart(&bench);
    CHECK_STR(bench_junked(&bench, 1, text(50), 50, 'Y', N + 1), "ack 1");
    CHECK_STR(bench_end(&bench, 2), "ack 2");
    bench_check(&bench, OWNER_COMPLETE, text(50), 50);
    bench_close(&bench);
}

/* The message buffer is a ring: its old half, a SEEK to the true end of that, the new half. */
static void a_wrapped_system_log_is_repaired_by_its_seek(void)
{
    static const char name[] = "systemlog-xnu-3789.72.11-192.168.136.130-a5001516";
    size_t junk = sizeof(name); /* n + 1 */
    uint8_t seek[14 + sizeof(name)];
    struct bench bench;

    for (size_t old_half = 1; old_half < 400; old_half += 13)
        for (size_t new_half = 0; new_half < 400; new_half += 7) {
            bench_open(&bench);
            bench_wrq(&bench, name, 3, 1406);
            bench_junked(&bench, 1, text(400), old_half, 'Y', junk);
            memset(seek, 'Y', sizeof(seek));
            pnd_kdp_build_seek(seek, sizeof(seek), 2, old_half, true);
            CHECK_STR(bench_send(&bench, seek, sizeof(seek)), "ack 2");
            if (new_half)
                bench_junked(&bench, 3, text(400), new_half, 'Y', junk);
            bench_end(&bench, new_half ? 4 : 3);
            CHECK_EQ(owner_last(&bench.owner)->len, old_half + new_half);
            CHECK_MEM(owner_last(&bench.owner)->bytes, text(400), old_half);
            CHECK_MEM(owner_last(&bench.owner)->bytes + old_half, text(400), new_half);
            bench_close(&bench);
        }
}

static void nothing_is_removed_behind_a_block_that_is_not_the_end(void)
{
    char filler[200];
    struct bench bench;

    memset(filler, 'Y', sizeof(filler));
    bench_open(&bench);
    bench_wrq(&bench, paniclog, 3, 1406);
    bench_seek(&bench, 1, 1000, true);
    bench_data(&bench, 2, "end");
    bench_seek(&bench, 3, 0, true);
    bench_junked(&bench, 4, filler, sizeof(filler), 0, 0);
    bench_end(&bench, 5);
    CHECK_EQ(owner_last(&bench.owner)->len, 1003);
    CHECK_MEM(owner_last(&bench.owner)->bytes, filler, sizeof(filler));
    bench_close(&bench);
}

static void a_disk_that_fails_the_cut_of_the_junk_leaves_the_eof_to_be_repeated(void)
{
    static const struct pnd_rx_limits limits = PND_RX_LIMITS_DEFAULT;
    struct bench bench;
    struct pnd_actions actions;
    struct pnd_kdp_rx copy;

    bench_open(&bench);
    bench_wrq(&bench, paniclog, 3, 1406);
    bench_junked(&bench, 1, text(50), 50, 'Y', N + 1);
    copy = bench.owner.rx;
    CHECK_EQ(pnd_kdp_rx_datagram(&copy, "\0\7\0\0\0\2", 6, bench.now_ms, &actions), PND_OK);
    CHECK_EQ(actions.count, 2);
    CHECK_EQ(actions.at[0].kind, PND_ACT_SIZE);
    CHECK_EQ(actions.at[0].offset, 50);
    CHECK_EQ(actions.at[1].kind, PND_ACT_FINISH);
    copy = bench.owner.rx; /* SIZE failed */
    copy.limits = &limits;
    pnd_kdp_rx_refuse_write(&copy, bench.now_ms, false, PND_REFUSAL_NO_ROOM, "disk full", &actions);
    CHECK_EQ(actions.count, 0);
    CHECK_EQ(pnd_kdp_rx_datagram(&copy, "\0\7\0\0\0\2", 6, bench.now_ms, &actions), PND_OK);
    CHECK_EQ(actions.at[0].kind, PND_ACT_SIZE);
    CHECK_EQ(actions.at[0].offset, 50);
    bench_close(&bench);
}

int main(void)
{
    RUN(a_panic_log_of_every_length_arrives_without_its_junk);
    RUN(text_that_itself_ends_in_the_filler_keeps_it);
    RUN(a_full_last_block_that_ends_in_the_filler_keeps_it);
    RUN(junk_that_is_not_the_filler_is_kept_because_it_may_be_text);
    RUN(a_repeated_last_block_loses_its_junk_once_also_after_a_restart);
    RUN(a_wrapped_system_log_is_repaired_by_its_seek);
    RUN(nothing_is_removed_behind_a_block_that_is_not_the_end);
    RUN(a_disk_that_fails_the_cut_of_the_junk_leaves_the_eof_to_be_repeated);
    return tap_done();
}
