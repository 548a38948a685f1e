/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The sending session of netdump: what it sends together, what it takes as an answer, when it sends
 * again, when it gives up. */
#include "tap.h"

#include "client/netdump_tx.h"

enum { MS = 1000, S = 1000000, SENT_CAP = 64, BLOCK = 4096 };

static struct pnd_netdump_tx tx;
static uint8_t memory[65536 + 1000], data[200000];
static struct sent {
    struct pnd_netdump_packet packet;
    size_t len;
    uint8_t bytes[PND_NETDUMP_HEADER_BYTES + PND_NETDUMP_TX_UNIT_MAX];
} sent[SENT_CAP];
static unsigned sent_count;

static int start(uint32_t unit, const char *path)
{
    struct pnd_netdump_tx_config config = {
        .unit = unit, .path = path, .memory = memory, .memory_bytes = 65536};

    return pnd_netdump_tx_init(&tx, &config);
}

/* All that is to be sent now. @return how many packets */
static unsigned out(uint64_t now_us)
{
    struct pnd_datagram packet;

    for (sent_count = 0; pnd_netdump_tx_output(&tx, now_us, &packet); sent_count++) {
        struct sent *s = &sent[sent_count < SENT_CAP ? sent_count : 0];

        memcpy(s->bytes, packet.header, packet.header_len);
        if (packet.payload_len)
            memcpy(s->bytes + packet.header_len, packet.payload, packet.payload_len);
        s->len = packet.header_len + packet.payload_len;
        CHECK_EQ(pnd_netdump_parse(s->bytes, s->len, &s->packet), PND_OK);
    }
    return sent_count;
}

static bool ack(uint32_t number, uint64_t now_us)
{
    uint8_t buf[PND_NETDUMP_ACK_BYTES];

    pnd_netdump_build_ack(buf, sizeof(buf), number);
    return pnd_netdump_tx_datagram(&tx, buf, sizeof(buf), now_us);
}

static void ack_all(uint64_t now_us)
{
    for (unsigned i = 0; i < sent_count; i++)
        CHECK(ack(sent[i].packet.seqno, now_us));
}

/* A session whose herald went out at 0 and was answered at 1 ms. */
static void open_session(uint32_t unit)
{
    CHECK_EQ(start(unit, NULL), PND_OK);
    CHECK_EQ(out(0), 1);
    CHECK(ack(1, 1 * MS));
    CHECK_EQ(tx.phase, PND_NETDUMP_TX_READY);
}

static void fill_data(void)
{
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 13 >> 3);
}

static void the_first_packet_is_a_herald(void)
{
    static const uint8_t plain[24] = {0, 0, 0, 1, 0, 0, 0, 1};
    static const uint8_t with_path[] = "\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\6\0\0\0\0lab/1";

    CHECK_EQ(start(0, NULL), PND_OK);
    CHECK_EQ(pnd_netdump_tx_deadline_us(&tx), 0);
    CHECK_EQ(out(5), 1);
    CHECK_EQ(sent[0].len, sizeof(plain));
    CHECK_MEM(sent[0].bytes, plain, sizeof(plain));
    CHECK_EQ(out(5), 0);
    CHECK_EQ(pnd_netdump_tx_write(&tx, "x", 1), 0);
    CHECK(!pnd_netdump_tx_object(&tx, PND_NETDUMP_FINISHED, NULL, 0));
    CHECK_EQ(start(0, ""), PND_OK);
    CHECK_EQ(out(5), 1);
    CHECK_EQ(sent[0].len, sizeof(plain));
    CHECK_EQ(start(0, "lab/1"), PND_OK);
    CHECK_EQ(out(5), 1);
    CHECK_EQ(sent[0].len, sizeof(with_path));
    CHECK_MEM(sent[0].bytes, with_path, sizeof(with_path));
}

static void unusable_settings_are_refused(void)
{
    struct pnd_netdump_tx_config config = {.memory = memory, .memory_bytes = BLOCK - 1};
    char path[600];

    CHECK_EQ(pnd_netdump_tx_init(&tx, &config), PND_E_ARG);
    config.memory_bytes = BLOCK;
    CHECK_EQ(pnd_netdump_tx_init(&tx, &config), PND_OK);
    config.unit = 511;
    CHECK_EQ(pnd_netdump_tx_init(&tx, &config), PND_E_ARG);
    config.unit = 8949;
    CHECK_EQ(pnd_netdump_tx_init(&tx, &config), PND_E_ARG);
    config.unit = 0;
    config.rto_min_us = 2 * S;
    CHECK_EQ(pnd_netdump_tx_init(&tx, &config), PND_E_ARG);
    config.rto_min_us = 0;
    config.patience_us = UINT64_MAX;
    CHECK_EQ(pnd_netdump_tx_init(&tx, &config), PND_E_ARG);
    CHECK_EQ(start(0, "/var/crash"), PND_E_NAME);
    CHECK_EQ(start(0, "lab/../.."), PND_E_NAME);
    memset(path, 'p', sizeof(path));
    path[524] = '\0';
    CHECK_EQ(start(524, path), PND_E_NAME);
    path[523] = '\0';
    CHECK_EQ(start(524, path), PND_OK);
}

static void a_dump_is_sends_a_header_and_an_end(void)
{
    uint64_t offset = 0;
    uint32_t number = 2;

    fill_data();
    open_session(1448);
    CHECK_EQ(pnd_netdump_tx_write(&tx, data, sizeof(data)), 45056);
    CHECK_EQ(pnd_netdump_tx_write(&tx, data, 1), 0);
    CHECK_EQ(out(2 * MS), 32);
    for (unsigned i = 0; i < 32; i++) {
        const struct pnd_netdump_packet *p = &sent[i].packet;

        CHECK_EQ(p->type, PND_NETDUMP_VMCORE);
        CHECK_EQ(p->seqno, number++);
        CHECK_EQ(p->offset, offset);
        CHECK_EQ(p->data_len, i < 31 ? 1448 : 168);
        CHECK_MEM(p->data, data + offset, p->data_len);
        offset += p->data_len;
    }
    ack_all(3 * MS);
    CHECK_EQ(pnd_netdump_tx_write(&tx, data + 45056, 5000), 5000);
    CHECK_EQ(pnd_netdump_tx_deadline_us(&tx), UINT64_MAX);
    CHECK(!pnd_netdump_tx_object(&tx, PND_NETDUMP_KDH, data, 512)); /* the dump first */
    CHECK_EQ(out(4 * MS), 6);
    CHECK_EQ(sent[0].packet.offset, 45056);
    CHECK_EQ(sent[0].packet.seqno, 34);
    CHECK_EQ(sent[5].packet.offset + sent[5].packet.data_len, 45056 + 2 * BLOCK);
    for (size_t i = 0; i < sent[4].packet.data_len; i++) /* 5000 are behind 3 * 1448 + 656 */
        CHECK_EQ(sent[4].packet.data[i], 0);
    ack_all(5 * MS);
    CHECK_EQ(tx.stats.data_bytes, 50056);
    CHECK(pnd_netdump_tx_object(&tx, PND_NETDUMP_KDH, data, 512));
    CHECK_EQ(out(6 * MS), 1);
    CHECK_EQ(sent[0].packet.type, PND_NETDUMP_KDH);
    CHECK_EQ(sent[0].packet.offset, 0);
    CHECK_EQ(sent[0].packet.data_len, 512);
    ack_all(7 * MS);
    CHECK(pnd_netdump_tx_object(&tx, PND_NETDUMP_FINISHED, NULL, 0));
    CHECK_EQ(out(8 * MS), 1);
    CHECK_EQ(sent[0].packet.type, PND_NETDUMP_FINISHED);
    CHECK_EQ(sent[0].packet.seqno, 41);
    CHECK_EQ(sent[0].len, 24);
    CHECK_EQ(tx.phase, PND_NETDUMP_TX_WAIT);
    ack_all(9 * MS);
    CHECK_EQ(tx.phase, PND_NETDUMP_TX_DONE);
    CHECK_EQ(tx.stats.packets, 41);
    CHECK_EQ(tx.stats.retransmissions, 0);
    CHECK_EQ(pnd_netdump_tx_deadline_us(&tx), UINT64_MAX);
    CHECK(!ack(41, 9 * MS));
}

/* Whatever the path carries, a server sees where a send of whole blocks ends, and no two packets
 * share an acknowledgement. */
static void every_send_ends_with_a_shorter_packet_and_has_32_at_most(void)
{
    for (uint32_t unit = PND_NETDUMP_TX_UNIT_MIN; unit <= PND_NETDUMP_TX_UNIT_MAX; unit++) {
        CHECK_EQ(start(unit, NULL), PND_OK);
        CHECK(tx.unit <= unit && unit - tx.unit < 8 && tx.cap > 0 && tx.cap % BLOCK == 0);
        CHECK(tx.cap <= 65536 && (tx.cap + tx.unit - 1) / tx.unit <= 32);
        CHECK(tx.cap == 65536 || tx.cap + BLOCK > 32 * (size_t)tx.unit);
        for (size_t len = BLOCK; len <= tx.cap; len += BLOCK)
            CHECK(len % tx.unit != 0);
    }
}

static void what_was_lent_bounds_a_send(void)
{
    struct pnd_netdump_tx_config config = {.memory = memory, .memory_bytes = 3 * BLOCK + 4095};

    CHECK_EQ(pnd_netdump_tx_init(&tx, &config), PND_OK);
    CHECK_EQ(out(0), 1);
    CHECK(ack(1, 1));
    CHECK_EQ(pnd_netdump_tx_write(&tx, data, sizeof(data)), 3 * BLOCK);
    CHECK_EQ(out(2), 9);
}

static void a_key_is_cut_into_packets_of_its_own(void)
{
    open_session(1448);
    CHECK(pnd_netdump_tx_object(&tx, PND_NETDUMP_EKCD_KEY, data, BLOCK));
    CHECK_EQ(out(2 * MS), 3);
    CHECK_EQ(sent[2].packet.type, PND_NETDUMP_EKCD_KEY);
    CHECK_EQ(sent[2].packet.offset, 2896);
    CHECK_EQ(sent[2].packet.data_len, 1200);
    ack_all(3 * MS);
    CHECK_EQ(pnd_netdump_tx_write(&tx, data, 10), 10);
    CHECK(!pnd_netdump_tx_object(&tx, PND_NETDUMP_FINISHED, NULL, 0));
    CHECK_EQ(out(4 * MS), 3);
    CHECK_EQ(sent[0].packet.offset, 0); /* of the dump */
    open_session(1448);
    pnd_netdump_tx_object(&tx, PND_NETDUMP_EKCD_KEY, data, 32 * 1448 + 1);
    CHECK_EQ(tx.phase, PND_NETDUMP_TX_FAILED);
    CHECK_EQ(tx.err, PND_E_ARG);
    open_session(1448);
    pnd_netdump_tx_object(&tx, PND_NETDUMP_EKCD_KEY, data, SIZE_MAX); /* no number wraps */
    CHECK_EQ(tx.phase, PND_NETDUMP_TX_FAILED);
    CHECK_EQ(tx.err, PND_E_ARG);
    CHECK_EQ(out(9 * MS), 0);
}

static void only_what_is_not_acknowledged_is_repeated(void)
{
    open_session(1448);
    tx.rto_us = 100 * MS;
    CHECK_EQ(pnd_netdump_tx_write(&tx, data, 45056), 45056);
    CHECK_EQ(out(2 * MS), 32);
    for (uint32_t n = 2; n < 34; n++)
        CHECK(n == 7 || n == 33 || ack(n, 3 * MS));
    CHECK_EQ(tx.phase, PND_NETDUMP_TX_WAIT);
    CHECK_EQ(pnd_netdump_tx_deadline_us(&tx), 102 * MS);
    pnd_netdump_tx_tick(&tx, 102 * MS - 1);
    CHECK_EQ(out(102 * MS - 1), 0);
    pnd_netdump_tx_tick(&tx, 102 * MS);
    CHECK_EQ(pnd_netdump_tx_deadline_us(&tx), 0);
    CHECK_EQ(out(102 * MS), 2);
    CHECK_EQ(sent[0].packet.seqno, 7);
    CHECK_EQ(sent[1].packet.seqno, 33);
    CHECK_EQ(sent[1].packet.data_len, 168);
    CHECK(ack(33, 103 * MS));
    CHECK_EQ(pnd_netdump_tx_deadline_us(&tx), 302 * MS); /* it waits twice as long */
    pnd_netdump_tx_tick(&tx, 302 * MS);
    CHECK_EQ(out(302 * MS), 1);
    CHECK(ack(7, 303 * MS));
    CHECK_EQ(tx.phase, PND_NETDUMP_TX_READY);
    CHECK_EQ(tx.stats.retransmissions, 3);
    CHECK_EQ(tx.rto_us, 11 * MS); /* those that were sent once are a measure */
}

static void what_was_sent_twice_measures_nothing(void)
{
    CHECK_EQ(start(1448, NULL), PND_OK);
    CHECK_EQ(out(0), 1);
    pnd_netdump_tx_tick(&tx, 1 * S);
    CHECK_EQ(out(1 * S), 1);
    CHECK(ack(1, 1 * S + 5));
    CHECK_EQ(tx.stats.srtt_us, 0);
    CHECK_EQ(tx.rto_us, 1 * S);
}

static void an_ack_that_comes_between_saves_a_repetition(void)
{
    struct pnd_datagram packet;

    open_session(1448);
    CHECK_EQ(pnd_netdump_tx_write(&tx, data, 45056), 45056);
    CHECK_EQ(out(2 * MS), 32);
    pnd_netdump_tx_tick(&tx, 2 * S);
    CHECK(pnd_netdump_tx_output(&tx, 2 * S, &packet));
    for (uint32_t n = 2; n < 34; n++)
        CHECK(ack(n, 2 * S));
    CHECK(!pnd_netdump_tx_output(&tx, 2 * S, &packet));
    CHECK_EQ(tx.phase, PND_NETDUMP_TX_READY);
}

static void what_is_no_answer_is_noise(void)
{
    static const uint8_t ack2[] = {0, 0, 0, 2, 0};
    uint64_t noise;

    CHECK_EQ(start(0, NULL), PND_OK);
    CHECK(!ack(1, 0)); /* it was not sent yet */
    CHECK_EQ(out(0), 1);
    CHECK(!ack(0, 1));
    CHECK(!ack(2, 1));
    CHECK(ack(1, 1));
    CHECK(!ack(1, 2));
    CHECK_EQ(pnd_netdump_tx_write(&tx, data, 45056), 45056);
    CHECK(!ack(2, 2));
    CHECK_EQ(out(3), 32);
    noise = tx.stats.noise;
    for (size_t len = 0; len <= sizeof(ack2); len++)
        CHECK_EQ(pnd_netdump_tx_datagram(&tx, ack2, len, 4), len == 4);
    CHECK(!ack(2, 5)); /* again */
    CHECK(!ack(1, 5));
    CHECK(!ack(34, 5));
    CHECK(!ack(66, 5)); /* 2 + 64: FreeBSD's client complains of it */
    CHECK(!ack(UINT32_MAX, 5));
    CHECK_EQ(tx.stats.noise, noise + 10);
    CHECK_EQ(tx.acked, 1);
}

/* FreeBSD's client on amd64 takes the one for the other: PROTOCOL.md#netdump-8. */
static void no_ack_stands_for_another_packet(void)
{
    for (uint32_t n = 2; n < 34; n++) {
        open_session(1448);
        CHECK_EQ(pnd_netdump_tx_write(&tx, data, 45056), 45056);
        CHECK_EQ(out(2 * MS), 32);
        for (uint32_t other = 2; other < 34; other++)
            CHECK(other == n || ack(other, 3 * MS));
        CHECK_EQ(tx.phase, PND_NETDUMP_TX_WAIT);
        CHECK(!ack(n + 32, 3 * MS));
        CHECK(!ack(n - 32, 3 * MS));
        pnd_netdump_tx_tick(&tx, 5 * S);
        CHECK_EQ(out(5 * S), 1);
        CHECK_EQ(sent[0].packet.seqno, n);
    }
}

static void silence_ends_it_after_50_s_and_progress_does_not(void)
{
    uint64_t now;

    CHECK_EQ(start(0, NULL), PND_OK);
    CHECK_EQ(out(7), 1);
    for (now = 7; tx.phase == PND_NETDUMP_TX_WAIT && now < 100 * S;) {
        now = pnd_netdump_tx_deadline_us(&tx);
        pnd_netdump_tx_tick(&tx, now);
        out(now);
    }
    CHECK_EQ(now, 50 * S + 7);
    CHECK_EQ(tx.err, PND_E_TIMEOUT);
    CHECK_EQ(tx.stats.packets, 50); /* each second, as FreeBSD's */
    CHECK_EQ(pnd_netdump_tx_deadline_us(&tx), UINT64_MAX);
    CHECK(!ack(1, now));
    open_session(1448);
    CHECK_EQ(pnd_netdump_tx_write(&tx, data, 45056), 45056);
    out(2 * MS);
    for (uint32_t n = 2; n < 34; n++) {
        now = n * 49ULL * S;
        CHECK_EQ(tx.phase, PND_NETDUMP_TX_WAIT);
        CHECK(ack(n, now));
        pnd_netdump_tx_tick(&tx, now + 1);
        out(now + 1);
    }
    CHECK_EQ(tx.phase, PND_NETDUMP_TX_READY);
}

static void the_round_trip_sets_the_pace(void)
{
    uint64_t now = 10 * S;

    CHECK_EQ(start(1448, NULL), PND_OK);
    CHECK_EQ(tx.rto_us, 1 * S);
    CHECK_EQ(out(0), 1);
    CHECK(ack(1, 400));
    CHECK_EQ(tx.rto_us, 10400); /* with room for a send that takes longer */
    for (unsigned i = 0; i < 50; i++, now += S) {
        CHECK_EQ(pnd_netdump_tx_write(&tx, data, 45056), 45056);
        out(now);
        ack_all(now + 80 * MS);
    }
    CHECK(tx.stats.srtt_us > 79 * MS && tx.stats.srtt_us <= 80 * MS);
    CHECK(tx.rto_us >= 89 * MS && tx.rto_us <= 90 * MS);
    out(now);
    CHECK_EQ(pnd_netdump_tx_write(&tx, data, 45056), 45056);
    out(now);
    ack_all(now + 30 * S);
    CHECK_EQ(tx.rto_us, 1 * S); /* the ceiling */
}

static void packets_beyond_2_to_the_32_end_it(void)
{
    open_session(1448);
    tx.base = UINT32_MAX - 32;
    CHECK_EQ(pnd_netdump_tx_write(&tx, data, 45056), 45056);
    CHECK_EQ(tx.phase, PND_NETDUMP_TX_WAIT);
    out(2 * MS);
    ack_all(3 * MS);
    CHECK_EQ(tx.base, UINT32_MAX);
    CHECK(pnd_netdump_tx_object(&tx, PND_NETDUMP_FINISHED, NULL, 0));
    CHECK_EQ(tx.phase, PND_NETDUMP_TX_FAILED);
    CHECK_EQ(tx.err, PND_E_RANGE);
    CHECK_EQ(out(4 * MS), 0);
}

static void a_copy_of_the_session_goes_on(void)
{
    struct pnd_netdump_tx copy;

    open_session(1448);
    CHECK_EQ(pnd_netdump_tx_write(&tx, data, 45056), 45056);
    out(2 * MS);
    copy = tx;
    memset(&tx, 0, sizeof(tx));
    tx = copy;
    ack_all(3 * MS);
    CHECK_EQ(tx.phase, PND_NETDUMP_TX_READY);
}

int main(void)
{
    RUN(the_first_packet_is_a_herald);
    RUN(unusable_settings_are_refused);
    RUN(a_dump_is_sends_a_header_and_an_end);
    RUN(every_send_ends_with_a_shorter_packet_and_has_32_at_most);
    RUN(what_was_lent_bounds_a_send);
    RUN(a_key_is_cut_into_packets_of_its_own);
    RUN(only_what_is_not_acknowledged_is_repeated);
    RUN(what_was_sent_twice_measures_nothing);
    RUN(an_ack_that_comes_between_saves_a_repetition);
    RUN(what_is_no_answer_is_noise);
    RUN(no_ack_stands_for_another_packet);
    RUN(silence_ends_it_after_50_s_and_progress_does_not);
    RUN(the_round_trip_sets_the_pace);
    RUN(packets_beyond_2_to_the_32_end_it);
    RUN(a_copy_of_the_session_goes_on);
    return tap_done();
}
