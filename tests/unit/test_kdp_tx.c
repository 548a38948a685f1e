/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The sending session: what it takes as an answer, when it sends again, when it gives up. */
#include "tap.h"

#include "client/kdp_tx.h"

enum { MS = 1000, S = 1000000 };

static struct pnd_kdp_tx tx;
static const uint8_t *packet;
static size_t packet_len;

static void start(uint32_t features, uint32_t block_max)
{
    struct pnd_kdp_tx_config config = {
        .name = "core-1", .features = features, .block_max = block_max};

    CHECK_EQ(pnd_kdp_tx_init(&tx, &config), PND_OK);
}

static bool out(uint64_t now_us)
{
    packet = pnd_kdp_tx_output(&tx, now_us, &packet_len);
    return packet != NULL;
}

static bool ack(uint32_t block, uint8_t features, uint64_t now_us)
{
    uint8_t buf[PND_KDP_ACK_BYTES];

    pnd_kdp_build_ack(buf, sizeof(buf), block, features);
    return pnd_kdp_tx_datagram(&tx, buf, sizeof(buf), now_us);
}

/* A session whose WRQ went out at 0 and was answered at 1 ms. */
static void open_session(uint8_t granted)
{
    start(PND_KDP_FEATURES, 0);
    CHECK(out(0));
    CHECK(ack(0, granted, 1 * MS));
    CHECK_EQ(tx.phase, PND_KDP_TX_READY);
}

static void the_first_packet_is_the_write_request(void)
{
    static const uint8_t want[] = "\0\2core-1\0octet\0features\0\0\0\0\3\0\0\5\x7e";

    start(PND_KDP_FEATURES, 0);
    CHECK_EQ(pnd_kdp_tx_deadline_us(&tx), 0);
    CHECK(out(5));
    CHECK_EQ(packet_len, sizeof(want) - 1);
    CHECK_MEM(packet, want, sizeof(want) - 1);
    CHECK(!out(5));
    CHECK_EQ(pnd_kdp_tx_write(&tx, "x", 1), 0);
    CHECK(!pnd_kdp_tx_seek(&tx, 1));
    CHECK(!pnd_kdp_tx_eof(&tx));
}

static void unusable_settings_are_refused(void)
{
    struct pnd_kdp_tx_config config = {.name = "x", .block_max = 1407};
    char name[PND_KDP_NAME_CAP + 1];

    CHECK_EQ(pnd_kdp_tx_init(&tx, &config), PND_E_ARG);
    config = (struct pnd_kdp_tx_config){.name = "x", .features = 4};
    CHECK_EQ(pnd_kdp_tx_init(&tx, &config), PND_E_ARG);
    config = (struct pnd_kdp_tx_config){.name = "x", .rto_min_us = 2, .rto_max_us = 1};
    CHECK_EQ(pnd_kdp_tx_init(&tx, &config), PND_E_ARG);
    config = (struct pnd_kdp_tx_config){.name = ""};
    CHECK_EQ(pnd_kdp_tx_init(&tx, &config), PND_E_NAME);
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    config.name = name;
    CHECK_EQ(pnd_kdp_tx_init(&tx, &config), PND_E_NAME);
    name[PND_KDP_NAME_CAP - 1] = '\0';
    CHECK_EQ(pnd_kdp_tx_init(&tx, &config), PND_OK);
}

static void a_dump_is_blocks_and_an_end(void)
{
    uint8_t data[3000];

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 13 >> 3);
    open_session(3);
    CHECK_EQ(pnd_kdp_tx_write(&tx, data, sizeof(data)), 1406);
    CHECK(out(2 * MS));
    CHECK_EQ(packet_len, 1412);
    CHECK_MEM(packet, "\0\3\0\0\0\1", 6);
    CHECK_MEM(packet + 6, data, 1406);
    CHECK_EQ(pnd_kdp_tx_write(&tx, data + 1406, 1594), 0);
    CHECK(ack(1, 0, 3 * MS));
    CHECK_EQ(pnd_kdp_tx_write(&tx, data + 1406, 100), 100);
    CHECK(!out(3 * MS));
    CHECK_EQ(pnd_kdp_tx_deadline_us(&tx), UINT64_MAX);
    CHECK_EQ(pnd_kdp_tx_write(&tx, data + 1506, 1494), 1306);
    CHECK(out(3 * MS));
    CHECK_MEM(packet, "\0\3\0\0\0\2", 6);
    CHECK_MEM(packet + 6, data + 1406, 1406);
    CHECK(ack(2, 0, 4 * MS));
    CHECK_EQ(pnd_kdp_tx_write(&tx, data + 2812, 188), 188);
    CHECK(!pnd_kdp_tx_eof(&tx)); /* the short block first */
    CHECK(out(5 * MS));
    CHECK_EQ(packet_len, 194);
    CHECK(ack(3, 0, 6 * MS));
    CHECK(pnd_kdp_tx_eof(&tx));
    CHECK(out(7 * MS));
    CHECK_EQ(packet_len, 6);
    CHECK_MEM(packet, "\0\7\0\0\0\4", 6);
    CHECK_EQ(tx.phase, PND_KDP_TX_WAIT);
    CHECK(ack(4, 0, 8 * MS));
    CHECK_EQ(tx.phase, PND_KDP_TX_DONE);
    CHECK_EQ(tx.stats.data_bytes, 3000);
    CHECK_EQ(tx.stats.packets, 5);
    CHECK_EQ(tx.stats.retransmissions, 0);
    CHECK_EQ(pnd_kdp_tx_deadline_us(&tx), UINT64_MAX);
    CHECK(!ack(4, 0, 9 * MS));
}

static void without_large_packets_blocks_have_512_bytes(void)
{
    static const uint8_t data[600];

    open_session(PND_KDP_SEEK64);
    CHECK_EQ(pnd_kdp_tx_write(&tx, data, sizeof(data)), 512);
    CHECK(out(0));
    CHECK_EQ(packet_len, 518);
    start(PND_KDP_FEATURES, 300);
    CHECK(out(0));
    CHECK(ack(0, 0, 1));
    CHECK_EQ(pnd_kdp_tx_write(&tx, data, sizeof(data)), 300);
}

static void features_that_were_not_offered_are_not_believed(void)
{
    start(0, 0);
    CHECK(out(0));
    CHECK(ack(0, 0xff, 1));
    CHECK_EQ(tx.granted, 0);
    CHECK_EQ(tx.block_max, 512);
}

static void seeks_are_as_wide_as_granted(void)
{
    open_session(3);
    CHECK(pnd_kdp_tx_can_seek(&tx, UINT64_MAX));
    CHECK(pnd_kdp_tx_seek(&tx, 0x123456789a));
    CHECK(out(0));
    CHECK_EQ(packet_len, 14);
    CHECK_MEM(packet, "\0\6\0\0\0\1\0\0\0\x12\x34\x56\x78\x9a", 14);
    CHECK_EQ(tx.offset, 0x123456789a);
    open_session(PND_KDP_LARGE);
    CHECK(!pnd_kdp_tx_can_seek(&tx, UINT64_C(1) << 32));
    CHECK(pnd_kdp_tx_can_seek(&tx, UINT32_MAX));
    CHECK(pnd_kdp_tx_seek(&tx, UINT32_MAX));
    CHECK(out(0));
    CHECK_EQ(packet_len, 10);
    CHECK_MEM(packet, "\0\6\0\0\0\1\xff\xff\xff\xff", 10);
    CHECK(ack(1, 0, 1));
    CHECK(!pnd_kdp_tx_seek(&tx, UINT64_C(1) << 32));
    CHECK_EQ(tx.phase, PND_KDP_TX_FAILED);
    CHECK_EQ(tx.err, PND_E_RANGE);
}

static void a_seek_sends_the_short_block_before_it_first(void)
{
    open_session(3);
    CHECK_EQ(pnd_kdp_tx_write(&tx, "abc", 3), 3);
    CHECK(!pnd_kdp_tx_seek(&tx, 8192));
    CHECK(out(0));
    CHECK_EQ(packet_len, 9);
    CHECK(ack(1, 0, 1));
    CHECK(pnd_kdp_tx_seek(&tx, 8192));
    CHECK(out(2));
    CHECK_MEM(packet, "\0\6\0\0\0\2", 6);
}

static void nothing_but_the_right_ack_is_success(void)
{
    static const uint8_t data[1406];
    static const uint32_t others[] = {0, 1, 3, 4, UINT32_MAX};
    uint8_t buf[PND_KDP_ACK_BYTES];

    open_session(3);
    CHECK_EQ(pnd_kdp_tx_write(&tx, data, sizeof(data)), 1406);
    CHECK(out(0));
    CHECK(ack(1, 0, 1));
    CHECK_EQ(pnd_kdp_tx_write(&tx, data, sizeof(data)), 1406);
    CHECK(!ack(2, 0, 2)); /* not sent yet, so nobody can have it */
    CHECK(out(2));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        CHECK(!ack(others[i], 0, 3));
    CHECK(!ack(2, 3, 3)); /* features belong to the first ACK */
    for (uint16_t op = 0; op < 300; op++) {
        memset(buf, 0, sizeof(buf));
        buf[5] = 2;
        buf[0] = (uint8_t)(op >> 8);
        buf[1] = (uint8_t)op;
        if ((op & 0xff) != PND_KDP_ACK && op != PND_KDP_ERROR)
            CHECK(!pnd_kdp_tx_datagram(&tx, buf, sizeof(buf), 3));
    }
    pnd_kdp_build_ack(buf, sizeof(buf), 2, 0);
    for (size_t len = 0; len < sizeof(buf); len++)
        CHECK(!pnd_kdp_tx_datagram(&tx, buf, len, 3));
    CHECK_EQ(tx.phase, PND_KDP_TX_WAIT);
    CHECK_EQ(tx.stats.noise, 1 + 5 + 1 + (300 - 2 - 1) + 6);
    CHECK(ack(2, 0, 4));
    CHECK_EQ(tx.phase, PND_KDP_TX_READY);
}

static void every_error_ends_the_dump_at_once(void)
{
    for (uint32_t code = 0; code <= 7; code++) {
        uint8_t buf[PND_KDP_ERROR_CAP];
        int len = pnd_kdp_build_error(buf, sizeof(buf), code, "no room\x1b");

        open_session(3);
        CHECK_EQ(pnd_kdp_tx_write(&tx, "abc", 3), 3);
        CHECK(!pnd_kdp_tx_eof(&tx));
        CHECK(out(1));
        CHECK(pnd_kdp_tx_datagram(&tx, buf, (size_t)len, 2));
        CHECK_EQ(tx.phase, PND_KDP_TX_FAILED);
        CHECK_EQ(tx.err, PND_E_REFUSED);
        CHECK_EQ(tx.error, code);
        CHECK_STR(tx.message, "no room\x1b");
        CHECK(!out(3));
        CHECK(!ack(1, 0, 3));
        CHECK_EQ(pnd_kdp_tx_deadline_us(&tx), UINT64_MAX);
    }
}

static void an_error_of_apples_server_is_understood(void)
{
    uint8_t buf[300] = {0, 5, 0, 2, 0, 0};

    memset(buf + 6, 'm', sizeof(buf) - 6);
    start(3, 0);
    CHECK(out(0));
    CHECK(pnd_kdp_tx_datagram(&tx, buf, sizeof(buf), 1));
    CHECK_EQ(tx.error, PND_KDP_E_ACCESS);
    CHECK_EQ(strlen(tx.message), PND_KDP_TX_MESSAGE_CAP - 1);
}

/* Asserts that, left alone, the session sends again at exactly these times, and not before. */
static void sends_again_at(const uint64_t *us, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        CHECK_EQ(pnd_kdp_tx_deadline_us(&tx), us[i]);
        pnd_kdp_tx_tick(&tx, us[i] - 1);
        CHECK(!out(us[i] - 1));
        pnd_kdp_tx_tick(&tx, us[i]);
        CHECK(out(us[i]));
    }
}

static void an_unanswered_request_is_repeated_at_1_3_6_9_seconds(void)
{
    static const uint64_t us[] = {1 * S,  3 * S,  6 * S,  9 * S,  12 * S, 15 * S,
                                  18 * S, 21 * S, 24 * S, 27 * S, 30 * S, 33 * S,
                                  36 * S, 39 * S, 42 * S, 45 * S, 48 * S};

    start(3, 0);
    CHECK(out(0));
    sends_again_at(us, sizeof(us) / sizeof(us[0]));
    CHECK_EQ(pnd_kdp_tx_deadline_us(&tx), 50 * S);
    pnd_kdp_tx_tick(&tx, 50 * S - 1);
    CHECK_EQ(tx.phase, PND_KDP_TX_WAIT);
    pnd_kdp_tx_tick(&tx, 50 * S);
    CHECK_EQ(tx.phase, PND_KDP_TX_FAILED);
    CHECK_EQ(tx.err, PND_E_TIMEOUT);
    CHECK_EQ(tx.stats.packets, 18);
    CHECK_EQ(tx.stats.retransmissions, 17);
}

static void patience_counts_for_each_packet_alone(void)
{
    open_session(3);
    CHECK_EQ(pnd_kdp_tx_write(&tx, "x", 1), 1);
    CHECK(!pnd_kdp_tx_eof(&tx));
    CHECK(out(40 * S));
    pnd_kdp_tx_tick(&tx, 89 * S);
    CHECK_EQ(tx.phase, PND_KDP_TX_WAIT);
    CHECK(ack(1, 0, 89 * S));
    CHECK(pnd_kdp_tx_eof(&tx));
    CHECK(out(89 * S));
    pnd_kdp_tx_tick(&tx, 138 * S);
    CHECK_EQ(tx.phase, PND_KDP_TX_WAIT);
    pnd_kdp_tx_tick(&tx, 139 * S);
    CHECK_EQ(tx.err, PND_E_TIMEOUT);
}

/* One block, sent at @p now_us, answered @p rtt_us later. @return the RTO after it */
static uint64_t one_round(uint64_t now_us, uint64_t rtt_us)
{
    static const uint8_t data[1406];

    CHECK_EQ(pnd_kdp_tx_write(&tx, data, sizeof(data)), 1406);
    CHECK(out(now_us));
    CHECK(ack(tx.block, 0, now_us + rtt_us));
    return tx.rto_us;
}

static void the_rto_follows_rfc_6298(void)
{
    start(3, 0);
    CHECK(out(0));
    CHECK(ack(0, 3, 100 * MS)); /* SRTT 100, RTTVAR 50 */
    CHECK_EQ(tx.rto_us, 300 * MS);
    CHECK_EQ(one_round(1 * S, 100 * MS), 250 * MS); /* 100, 37.5 */
    CHECK_EQ(one_round(2 * S, 180 * MS), 302500);   /* 37.5*3/4 + 80/4 = 48.125; 110 */
    CHECK_EQ(tx.stats.srtt_us, 110 * MS);
    CHECK_EQ(one_round(3 * S, 10 * S), 3 * S); /* the cap */
}

static void the_rto_has_a_floor(void)
{
    open_session(3); /* answered in 1 ms: 1 + 4 * 0.5 = 3 */
    CHECK_EQ(tx.rto_us, PND_KDP_TX_RTO_MIN_US);
}

static void a_repeated_packet_measures_nothing_and_keeps_the_longer_wait(void)
{
    static const uint8_t data[1406];
    static const uint64_t us[] = {1 * S + 10 * MS, 1 * S + 30 * MS, 1 * S + 70 * MS};

    open_session(3);
    CHECK_EQ(pnd_kdp_tx_write(&tx, data, sizeof(data)), 1406);
    CHECK(out(1 * S));
    sends_again_at(us, 3);
    CHECK(ack(1, 0, 1 * S + 71 * MS));
    CHECK_EQ(tx.stats.srtt_us, 1 * MS);
    CHECK_EQ(tx.rto_us, 80 * MS);
    CHECK_EQ(one_round(2 * S, 1 * MS), PND_KDP_TX_RTO_MIN_US);
}

static void a_repetition_is_the_same_packet(void)
{
    uint8_t first[1412];
    static const uint8_t data[1406] = {1, 2, 3};

    open_session(3);
    CHECK_EQ(pnd_kdp_tx_write(&tx, data, sizeof(data)), 1406);
    CHECK(out(0));
    memcpy(first, packet, sizeof(first));
    pnd_kdp_tx_tick(&tx, 1 * S);
    CHECK(out(1 * S));
    CHECK_EQ(packet_len, sizeof(first));
    CHECK_MEM(packet, first, sizeof(first));
}

static void an_answer_that_crosses_a_repetition_stops_it(void)
{
    open_session(3);
    CHECK_EQ(pnd_kdp_tx_write(&tx, "x", 1), 1);
    CHECK(!pnd_kdp_tx_eof(&tx));
    CHECK(out(0));
    pnd_kdp_tx_tick(&tx, 1 * S);
    CHECK(ack(1, 0, 1 * S));
    CHECK(!out(1 * S));
}

static void block_numbers_do_not_wrap(void)
{
    static const uint8_t data[1406];

    open_session(3);
    tx.block = UINT32_MAX - 1;
    CHECK_EQ(pnd_kdp_tx_write(&tx, data, sizeof(data)), 1406);
    CHECK(out(0));
    CHECK_MEM(packet, "\0\3\xff\xff\xff\xff", 6);
    CHECK(ack(UINT32_MAX, 0, 1));
    CHECK_EQ(pnd_kdp_tx_write(&tx, data, sizeof(data)), 1406);
    CHECK_EQ(tx.phase, PND_KDP_TX_FAILED);
    CHECK_EQ(tx.err, PND_E_RANGE);
    CHECK(!out(2));
}

int main(void)
{
    RUN(the_first_packet_is_the_write_request);
    RUN(unusable_settings_are_refused);
    RUN(a_dump_is_blocks_and_an_end);
    RUN(without_large_packets_blocks_have_512_bytes);
    RUN(features_that_were_not_offered_are_not_believed);
    RUN(seeks_are_as_wide_as_granted);
    RUN(a_seek_sends_the_short_block_before_it_first);
    RUN(nothing_but_the_right_ack_is_success);
    RUN(every_error_ends_the_dump_at_once);
    RUN(an_error_of_apples_server_is_understood);
    RUN(an_unanswered_request_is_repeated_at_1_3_6_9_seconds);
    RUN(patience_counts_for_each_packet_alone);
    RUN(the_rto_follows_rfc_6298);
    RUN(the_rto_has_a_floor);
    RUN(a_repeated_packet_measures_nothing_and_keeps_the_longer_wait);
    RUN(a_repetition_is_the_same_packet);
    RUN(an_answer_that_crosses_a_repetition_stops_it);
    RUN(block_numbers_do_not_wrap);
    return tap_done();
}
