/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The receiving session of TFTP: what it answers, what it never answers, and when it gives up. */
#include "unit/tftp_bench.h"

static void a_dump_of_three_blocks_arrives_and_its_last_is_acknowledged_when_durable(void)
{
    struct tftp_bench bench;

    bench_open(&bench);
    bench.owner.finish_ms = 300;
    CHECK_STR(bench_wrq(&bench, "switch-core", ""), "ack 0");
    CHECK_STR(bench_data(&bench, 1, 'a', 512), "ack 1");
    CHECK_STR(bench_data(&bench, 2, 'b', 512), "ack 2");
    CHECK_STR(bench_data(&bench, 3, 'c', 5), "");
    CHECK_STR(bench_data(&bench, 3, 'c', 5), ""); /* repeated while the disk works */
    CHECK_STR(bench_wrq(&bench, "switch-core", ""), "");
    CHECK_STR(bench_wait(&bench, 299), "");
    CHECK_STR(bench_wait(&bench, 1), "ack 3");
    bench_check(&bench, TFTP_OWNER_COMPLETE, "a512b512c5");
    CHECK_STR(tftp_owner_last(&bench.owner)->name, "switch-core");
    bench_close(&bench);
}

static void a_dump_of_whole_blocks_ends_with_an_empty_one_and_an_empty_dump_is_that_alone(void)
{
    struct tftp_bench bench;

    bench_open(&bench);
    bench_wrq(&bench, "core", "");
    CHECK_STR(bench_data(&bench, 1, 'a', 512), "ack 1");
    CHECK_STR(bench_end(&bench, 2, 0, 0), "ack 2");
    bench_check(&bench, TFTP_OWNER_COMPLETE, "a512");
    bench_wait(&bench, 100000);
    CHECK(!bench.owner.slot);
    bench_wrq(&bench, "empty", "");
    CHECK_STR(bench_end(&bench, 1, 0, 0), "ack 1");
    bench_check(&bench, TFTP_OWNER_COMPLETE, "");
    bench_close(&bench);
}

static void the_options_are_granted_as_far_as_they_can_be(void)
{
    static const struct {
        const char *asked, *drawn;
        uint32_t block_bytes;
        uint16_t window;
    } rows[] = {
        {"blksize 1428", "oack blksize 1428", 1428, 1},
        {"BlkSize 8", "oack blksize 8", 8, 1},
        {"blksize 7", "ack 0", 512, 1},
        {"blksize 65464", "oack blksize 65464", 65464, 1},
        {"blksize 65465", "oack blksize 65464", 65464, 1},
        {"blksize 99999999999999999999", "ack 0", 512, 1},
        {"blksize 512", "oack blksize 512", 512, 1},
        {"blksize 1428 blksize 600", "oack blksize 1428", 1428, 1},
        {"tsize 0", "oack tsize 0", 512, 1},
        {"tsize 5000", "oack tsize 5000", 512, 1},
        {"timeout 1", "oack timeout 1", 512, 1},
        {"timeout 255", "oack timeout 255", 512, 1},
        {"timeout 0", "ack 0", 512, 1},
        {"timeout 256", "ack 0", 512, 1},
        {"windowsize 1", "oack windowsize 1", 512, 1},
        {"windowsize 64", "oack windowsize 64", 512, 64},
        {"windowsize 65535", "oack windowsize 512", 512, 512},
        {"windowsize 65536", "ack 0", 512, 1},
        {"windowsize 0", "ack 0", 512, 1},
        {"windowsize 65535 blksize 8192", "oack blksize 8192 windowsize 128", 8192, 128},
        {"windowsize 64 blksize 65464", "oack blksize 65464 windowsize 16", 65464, 16},
        {"multicast 1 x y timeout 3", "oack timeout 3", 512, 1},
        {"blksize", "ack 0", 512, 1},
        {"blksize -8 tsize +5 timeout 0x5", "ack 0", 512, 1},
        {"timeout 2 blksize 1024 rollover 1 tsize 7 windowsize 4",
         "oack blksize 1024 tsize 7 timeout 2 windowsize 4", 1024, 4},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tftp_bench bench;

        bench_open(&bench);
        CHECK_STR(bench_wrq(&bench, "core", rows[i].asked), rows[i].drawn);
        CHECK_EQ(bench.owner.rx.block_bytes, rows[i].block_bytes);
        CHECK_EQ(bench.owner.rx.window, rows[i].window);
        CHECK_STR(bench_wrq(&bench, "core", rows[i].asked), rows[i].drawn);
        CHECK_EQ(bench.owner.rx.repeats, 1);
        bench_close(&bench);
    }
}

static void what_does_not_begin_a_dump_is_refused_and_leaves_nothing(void)
{
    struct tftp_bench bench;
    static const uint8_t no_nul[] = {0, 2, 'a', 'b', 'c'};

    bench_open(&bench);
    CHECK_STR(bench_request(&bench, PND_TFTP_RRQ, "core", "octet", ""), "error 2");
    CHECK_EQ(bench.owner.err, PND_E_REFUSED);
    CHECK(strstr((const char *)bench.owner.reply + 4, "takes crash dumps") != NULL);
    CHECK_STR(bench_request(&bench, PND_TFTP_RRQ, "core", "netascii", "tsize 0"), "error 2");
    CHECK_STR(bench_request(&bench, PND_TFTP_WRQ, "core", "netascii", ""), "error 4");
    CHECK_EQ(bench.owner.err, PND_E_MODE);
    CHECK_STR(bench_request(&bench, PND_TFTP_WRQ, "somebody", "mail", ""), "error 4");
    CHECK_STR(bench_send(&bench, no_nul, sizeof(no_nul)), "error 4");
    CHECK_EQ(bench.owner.err, PND_E_NAME);
    CHECK_STR(bench_data(&bench, 1, 'a', 512), "");
    CHECK_STR(bench_error(&bench, PND_TFTP_E_UNDEFINED), "");
    CHECK_STR(bench_send(&bench, "\0\4\0\1", 4), "");
    CHECK_EQ(bench.owner.err, PND_E_TYPE);
    CHECK_STR(bench_send(&bench, "\0\6\0\1", 4), "");
    CHECK_STR(bench_send(&bench, "\0\2", 2), "error 4");
    CHECK_STR(bench_send(&bench, "\0", 1), "");
    CHECK_STR(bench_send(&bench, "", 0), "");
    CHECK(!bench.owner.slot);
    CHECK_STR(bench_request(&bench, PND_TFTP_WRQ, "core", "OcTeT", ""), "ack 0");
    CHECK_STR(bench_request(&bench, PND_TFTP_RRQ, "core", "octet", ""), "");
    CHECK_STR(bench_request(&bench, PND_TFTP_WRQ, "core", "netascii", ""), "");
    CHECK_EQ(bench.owner.opens, 0);
    bench_close(&bench);
}

/* Who puts a file and then asks for one does so from the same port. */
static void it_is_refused_also_where_a_dump_has_ended_and_never_during_one(void)
{
    struct tftp_bench bench;

    bench_open(&bench);
    bench_wrq(&bench, "core", "");
    for (int live = 0; live < 2; live++) {
        CHECK_STR(bench_request(&bench, PND_TFTP_RRQ, "core", "octet", ""), "");
        CHECK_STR(bench_request(&bench, PND_TFTP_WRQ, "core", "netascii", ""), "");
        CHECK_STR(bench_data(&bench, 1, 'a', 512), live ? "" : "ack 1");
    }
    CHECK_STR(bench_data(&bench, 2, 'b', 3), "");
    CHECK_STR(bench_request(&bench, PND_TFTP_RRQ, "core", "octet", ""), "");
    tftp_owner_tick(&bench.owner, bench.now_ms);
    CHECK_STR(bench_reply(&bench), "ack 2");
    CHECK_STR(bench_request(&bench, PND_TFTP_RRQ, "core", "octet", ""), "error 2");
    CHECK_STR(bench_request(&bench, PND_TFTP_WRQ, "core", "netascii", ""), "error 4");
    bench.now_ms += 5;
    CHECK_STR(bench_data(&bench, 2, 'b', 3), "ack 2");
    bench_check(&bench, TFTP_OWNER_COMPLETE, "a512b3");
    bench_close(&bench);

    bench_open(&bench);
    bench.owner.fsync_fails = true;
    bench_wrq(&bench, "core", "");
    CHECK_STR(bench_end(&bench, 1, 'a', 5), "error 3");
    CHECK_STR(bench_request(&bench, PND_TFTP_RRQ, "core", "octet", ""), "error 2");
    bench_close(&bench);
}

static void a_lost_ack_is_said_again_when_its_block_is_repeated_also_after_a_restart(void)
{
    struct tftp_bench bench;

    bench_open(&bench);
    bench_wrq(&bench, "core", "");
    for (uint16_t block = 1; block < 6; block++) {
        char want[16];

        snprintf(want, sizeof(want), "ack %u", block);
        CHECK_STR(bench_data(&bench, block, 'a', 512), want);
        bench.now_ms += 1000;
        CHECK_STR(bench_data(&bench, block, 'a', 512), want);
        bench_restart(&bench);
        bench.now_ms += 1000;
        CHECK_STR(bench_data(&bench, block, 'a', 512), want);
    }
    CHECK_STR(bench_end(&bench, 6, 'b', 1), "ack 6");
    bench_check(&bench, TFTP_OWNER_COMPLETE, "a2560b1");
    bench_close(&bench);
}

/* A sender that repeats a block for each ACK that it has heard already would never end. */
static void a_copy_that_follows_its_ack_at_once_draws_nothing(void)
{
    struct tftp_bench bench;

    bench_open(&bench);
    bench_wrq(&bench, "core", "");
    CHECK_STR(bench_data(&bench, 1, 'a', 512), "ack 1");
    for (int copy = 0; copy < 5; copy++)
        CHECK_STR(bench_data(&bench, 1, 'a', 512), "");
    bench.now_ms += PND_TFTP_RX_SILENCE_MIN_MS;
    CHECK_STR(bench_data(&bench, 1, 'a', 512), "ack 1");
    CHECK_STR(bench_data(&bench, 1, 'a', 512), "");
    CHECK_EQ(bench.owner.rx.repeats, 7);
    CHECK_STR(bench_data(&bench, 2, 'b', 512), "ack 2");
    CHECK_STR(bench_data(&bench, 1, 'a', 512), "");
    bench_close(&bench);
}

static void an_ack_is_repeated_by_time_at_growing_distances_and_not_for_ever(void)
{
    static const struct {
        const char *options;
        uint64_t first_ms;
    } rows[] = {{"", 2000}, {"timeout 1", 1000}, {"timeout 7", 7000}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tftp_bench bench;
        uint64_t wait_ms = rows[i].first_ms;

        bench_open(&bench);
        bench.owner.limits.idle_ms = 10000000;
        bench_wrq(&bench, "core", rows[i].options);
        CHECK_STR(bench_wait(&bench, 59999), ""); /* nothing before a block came */
        bench_data(&bench, 1, 'a', 512);
        for (int ask = 0; ask < PND_TFTP_RX_ASKS_MAX; ask++, wait_ms *= 2) {
            CHECK_STR(bench_wait(&bench, wait_ms - 1), "");
            CHECK_STR(bench_wait(&bench, 1), "ack 1");
        }
        CHECK_STR(bench_wait(&bench, 9000000), "");
        CHECK_STR(bench_data(&bench, 2, 'a', 512), "ack 2");
        CHECK_STR(bench_wait(&bench, rows[i].first_ms), "ack 2");
        bench_close(&bench);
    }
}

static void a_lost_final_ack_is_said_again_for_more_than_a_minute_also_after_a_restart(void)
{
    struct tftp_bench bench;

    bench_open(&bench);
    bench_wrq(&bench, "core", "");
    bench_data(&bench, 1, 'a', 512);
    CHECK_STR(bench_end(&bench, 2, 'b', 1), "ack 2");
    for (int i = 0; i < 22; i++) {
        CHECK_STR(bench_wait(&bench, 3000), "");
        if (i == 10)
            bench_restart(&bench);
        bench.now_ms += 10;
        CHECK_STR(bench_data(&bench, 2, 'b', 1), "ack 2");
        CHECK_STR(bench_data(&bench, 2, 'b', 1), "");
    }
    CHECK_STR(bench_data(&bench, 3, 'b', 1), "");
    CHECK_STR(bench_wait(&bench, 100000), "");
    CHECK(!bench.owner.slot);
    CHECK_STR(bench_data(&bench, 2, 'b', 1), "");
    bench_close(&bench);
}

static void a_late_copy_of_the_request_does_not_silence_the_answers_to_the_end(void)
{
    struct tftp_bench bench;

    bench_open(&bench);
    bench_wrq(&bench, "core", "blksize 8");
    bench_data(&bench, 1, 'a', 8);
    CHECK_STR(bench_end(&bench, 2, 'b', 1), "ack 2");
    CHECK_STR(bench_wrq(&bench, "core", "blksize 8"), "oack blksize 8");
    bench.now_ms += 5;
    CHECK_STR(bench_data(&bench, 2, 'b', 1), "ack 2");
    CHECK_STR(bench_data(&bench, 2, 'b', 1), "");
    bench_restart(&bench);
    bench.now_ms += 5;
    CHECK_STR(bench_data(&bench, 2, 'b', 1), "ack 2");
    CHECK_EQ(bench.owner.opens, 1);
    CHECK_STR(bench_data(&bench, 1, 'c', 8), "ack 1"); /* it was none: another dump */
    CHECK_STR(bench_end(&bench, 2, 'd', 2), "ack 2");
    bench_check(&bench, TFTP_OWNER_COMPLETE, "c8d2");
    CHECK_EQ(bench.owner.dump_count, 2);
    bench_close(&bench);
}

static void a_request_alone_makes_no_file_and_is_forgotten(void)
{
    struct tftp_bench bench;

    bench_open(&bench);
    CHECK_STR(bench_wrq(&bench, "core", "timeout 1 windowsize 8"), "oack timeout 1 windowsize 8");
    CHECK_STR(bench_error(&bench, PND_TFTP_E_OPTIONS), "");
    CHECK_STR(bench_wait(&bench, 59999), ""); /* and nothing is sent by itself */
    CHECK(bench.owner.slot);
    CHECK_STR(bench_wrq(&bench, "core", ""), "ack 0"); /* without what was not wanted */
    CHECK_STR(bench_wait(&bench, 60000), "");
    CHECK(!bench.owner.slot);
    CHECK_EQ(bench.owner.opens, 0);
    bench_close(&bench);
}

static void a_request_replaces_a_live_dump_only_when_that_has_been_silent(void)
{
    struct tftp_bench bench;

    bench_open(&bench);
    bench_wrq(&bench, "core", "");
    bench_data(&bench, 1, 'a', 512);
    CHECK_STR(bench_wrq(&bench, "core", ""), "");
    bench.now_ms += 19999;
    CHECK_STR(bench_wrq(&bench, "other", ""), "");
    bench.now_ms += 1;
    CHECK_STR(bench_wrq(&bench, "other", ""), "ack 0");
    bench_check(&bench, TFTP_OWNER_INCOMPLETE, "a512");
    CHECK_STR(bench_why(&bench), "the sender started another dump");
    CHECK_STR(bench_end(&bench, 1, 'b', 9), "ack 1");
    bench_check(&bench, TFTP_OWNER_COMPLETE, "b9");
    bench_close(&bench);
}

static void a_senders_error_ends_its_dump_soon_unless_blocks_come(void)
{
    struct tftp_bench bench;

    bench_open(&bench);
    bench_wrq(&bench, "core", "");
    bench_data(&bench, 1, 'a', 512);
    CHECK_STR(bench_error(&bench, PND_TFTP_E_UNDEFINED), "");
    CHECK_STR(bench_wait(&bench, 14000), ""); /* nothing is said to who has left */
    CHECK_STR(bench_data(&bench, 2, 'b', 512), "ack 2");
    CHECK_STR(bench_error(&bench, PND_TFTP_E_UNDEFINED), "");
    bench_restart(&bench);
    CHECK_STR(bench_wait(&bench, 14999), "");
    CHECK_EQ(bench.owner.dump_count, 0);
    CHECK_STR(bench_wait(&bench, 1), "");
    bench_check(&bench, TFTP_OWNER_INCOMPLETE, "a512b512");
    CHECK_STR(bench_why(&bench), "the sender gave up");
    CHECK(!bench.owner.slot);
    bench_close(&bench);
}

static void a_silent_sender_leaves_an_incomplete_dump(void)
{
    struct tftp_bench bench;

    bench_open(&bench);
    bench_wrq(&bench, "core", "windowsize 4");
    bench_data(&bench, 1, 'a', 512);
    bench_wait(&bench, 119999);
    CHECK_EQ(bench.owner.dump_count, 0);
    bench_wait(&bench, 1);
    bench_check(&bench, TFTP_OWNER_INCOMPLETE, "a512");
    CHECK_STR(bench_why(&bench), "the sender fell silent");
    bench_close(&bench);
}

static void a_file_shorter_than_announced_is_incomplete_and_its_sender_hears_so(void)
{
    struct tftp_bench bench;

    bench_open(&bench);
    CHECK_STR(bench_wrq(&bench, "core", "tsize 600"), "oack tsize 600");
    bench_data(&bench, 1, 'a', 512);
    CHECK_STR(bench_data(&bench, 2, 'b', 87), "error 0");
    CHECK_EQ(bench.owner.err, PND_E_FORMAT);
    bench_check(&bench, TFTP_OWNER_INCOMPLETE, "a512b87");
    CHECK_STR(bench_why(&bench), "the file ended before its announced size");
    bench.now_ms += 5;
    CHECK_STR(bench_data(&bench, 2, 'b', 87), "error 0");
    CHECK_STR(bench_data(&bench, 2, 'b', 87), "");
    bench_wait(&bench, 90000);
    CHECK(!bench.owner.slot);
    bench_close(&bench);
}

static void a_file_as_long_as_announced_or_longer_is_whole(void)
{
    static const char *const options[] = {"tsize 513", "tsize 512", "tsize 0"};

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        struct tftp_bench bench;

        bench_open(&bench);
        bench_wrq(&bench, "core", options[i]);
        bench_data(&bench, 1, 'a', 512);
        CHECK_STR(bench_end(&bench, 2, 'b', 1), "ack 2");
        bench_check(&bench, TFTP_OWNER_COMPLETE, "a512b1");
        bench_close(&bench);
    }
}

static void what_is_larger_than_allowed_is_refused_when_announced_and_fails_when_it_comes(void)
{
    struct tftp_bench bench;

    bench_open(&bench);
    bench.owner.limits.dump_bytes_max = 1000;
    CHECK_STR(bench_wrq(&bench, "core", "tsize 1001"), "error 3");
    CHECK_EQ(bench.owner.err, PND_E_RANGE);
    CHECK(!bench.owner.slot);
    CHECK_STR(bench_wrq(&bench, "core", "tsize 1000"), "oack tsize 1000");
    bench_data(&bench, 1, 'a', 512);
    CHECK_STR(bench_data(&bench, 2, 'b', 489), "error 3");
    CHECK_EQ(bench.owner.err, PND_E_RANGE);
    bench_check(&bench, TFTP_OWNER_INCOMPLETE, "a512");
    CHECK_STR(bench_why(&bench), "the dump is larger than the server allows");
    CHECK_STR(bench_wrq(&bench, "core", ""), "ack 0"); /* it may try again */
    bench_close(&bench);
}

static void a_block_longer_than_agreed_draws_nothing(void)
{
    struct tftp_bench bench;

    bench_open(&bench);
    bench_wrq(&bench, "core", "blksize 100");
    CHECK_STR(bench_data(&bench, 1, 'a', 101), "");
    CHECK_EQ(bench.owner.err, PND_E_LENGTH);
    CHECK_STR(bench_data(&bench, 1, 'a', 100), "ack 1");
    CHECK_STR(bench_data(&bench, 2, 'a', 512), "");
    CHECK_EQ(bench.owner.rx.strays, 2);
    bench_close(&bench);
}

static void a_full_disk_is_waited_out_in_silence_and_then_told(void)
{
    struct tftp_bench bench;

    bench_open(&bench);
    bench_wrq(&bench, "core", "windowsize 4");
    bench_data(&bench, 1, 'a', 512);
    bench.owner.disk_full = true;
    for (int i = 0; i < 4; i++) {
        CHECK_STR(bench_data(&bench, 2, 'b', 512), "");
        CHECK_STR(bench_data(&bench, 3, 'c', 512), "");
        CHECK_STR(bench_data(&bench, 1, 'a', 512), "");
        CHECK_STR(bench_wait(&bench, 4000), "");
    }
    bench.owner.disk_full = false;
    CHECK_STR(bench_data(&bench, 2, 'b', 512), "");
    bench.owner.disk_full = true;
    CHECK_STR(bench_data(&bench, 3, 'c', 512), "");
    CHECK_STR(bench_wait(&bench, 19999), "");
    CHECK_STR(bench_data(&bench, 3, 'c', 512), "");
    bench.now_ms++;
    CHECK_STR(bench_data(&bench, 3, 'c', 512), "error 3");
    bench_check(&bench, TFTP_OWNER_INCOMPLETE, "a512b512");
    CHECK_STR(bench_why(&bench), "disk full");
    bench_close(&bench);
}

static void a_full_disk_is_told_also_to_a_sender_that_fell_silent(void)
{
    struct tftp_bench bench;

    bench_open(&bench);
    bench.owner.limits.idle_ms = 1000;
    bench_wrq(&bench, "core", "");
    bench_data(&bench, 1, 'a', 512);
    bench.owner.disk_full = true;
    bench_data(&bench, 2, 'b', 512);
    CHECK_STR(bench_wait(&bench, 19999), "");
    CHECK_STR(bench_wait(&bench, 1), "error 3");
    CHECK_STR(bench_why(&bench), "disk full");
    bench_close(&bench);
}

static void a_dump_that_cannot_be_made_durable_is_not_acknowledged(void)
{
    struct tftp_bench bench;

    bench_open(&bench);
    bench.owner.fsync_fails = true;
    bench_wrq(&bench, "core", "");
    CHECK_STR(bench_end(&bench, 1, 'a', 5), "error 3");
    bench_check(&bench, TFTP_OWNER_INCOMPLETE, "a5");
    bench.now_ms += 5;
    CHECK_STR(bench_data(&bench, 1, 'a', 5), "error 3");
    bench_close(&bench);
}

static void policy_is_asked_before_anything_is_answered(void)
{
    struct tftp_bench bench;

    bench_open(&bench);
    bench.owner.refuses = true;
    CHECK_STR(bench_wrq(&bench, "core", "blksize 1428"), "");
    CHECK(!bench.owner.slot);
    bench_close(&bench);
}

static void a_name_is_kept_as_far_as_it_fits(void)
{
    struct tftp_bench bench;
    char name[400];

    bench_open(&bench);
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    CHECK_STR(bench_wrq(&bench, name, ""), "ack 0");
    CHECK_EQ(strlen(bench.owner.rx.name), PND_RX_NAME_CAP - 1);
    CHECK_STR(bench_wrq(&bench, name, ""), "ack 0");
    CHECK_EQ(bench.owner.rx.repeats, 1);
    bench_close(&bench);
}

int main(void)
{
    RUN(a_dump_of_three_blocks_arrives_and_its_last_is_acknowledged_when_durable);
    RUN(a_dump_of_whole_blocks_ends_with_an_empty_one_and_an_empty_dump_is_that_alone);
    RUN(the_options_are_granted_as_far_as_they_can_be);
    RUN(what_does_not_begin_a_dump_is_refused_and_leaves_nothing);
    RUN(it_is_refused_also_where_a_dump_has_ended_and_never_during_one);
    RUN(a_lost_ack_is_said_again_when_its_block_is_repeated_also_after_a_restart);
    RUN(a_copy_that_follows_its_ack_at_once_draws_nothing);
    RUN(an_ack_is_repeated_by_time_at_growing_distances_and_not_for_ever);
    RUN(a_lost_final_ack_is_said_again_for_more_than_a_minute_also_after_a_restart);
    RUN(a_late_copy_of_the_request_does_not_silence_the_answers_to_the_end);
    RUN(a_request_alone_makes_no_file_and_is_forgotten);
    RUN(a_request_replaces_a_live_dump_only_when_that_has_been_silent);
    RUN(a_senders_error_ends_its_dump_soon_unless_blocks_come);
    RUN(a_silent_sender_leaves_an_incomplete_dump);
    RUN(a_file_shorter_than_announced_is_incomplete_and_its_sender_hears_so);
    RUN(a_file_as_long_as_announced_or_longer_is_whole);
    RUN(what_is_larger_than_allowed_is_refused_when_announced_and_fails_when_it_comes);
    RUN(a_block_longer_than_agreed_draws_nothing);
    RUN(a_full_disk_is_waited_out_in_silence_and_then_told);
    RUN(a_full_disk_is_told_also_to_a_sender_that_fell_silent);
    RUN(a_dump_that_cannot_be_made_durable_is_not_acknowledged);
    RUN(policy_is_asked_before_anything_is_answered);
    RUN(a_name_is_kept_as_far_as_it_fits);
    return tap_done();
}
