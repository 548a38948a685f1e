/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The blocking client against a server in memory, under a clock of our own: what arrives is what
 * was given, holes are seeks, and only the server's own answers count. */
#include "tap.h"

#include "panicd/client.h"

#include "wire/kdp.h"

enum {
    SERVER = 0x7f000001,
    OTHER = 0x7f000002,
    FILE_CAP = 1 << 20,
    QUEUE_CAP = 8,
    PAGE = 4096,
    MS = 1000,
};

struct answer {
    struct pnd_endpoint from;
    size_t len;
    uint8_t bytes[64];
};

static struct server {
    uint64_t now_us;
    uint8_t granted;
    uint32_t expected;
    uint16_t reply_port;
    bool silent, forge, last_was_data;
    uint32_t silent_from; /* no answers from this block on; 0: never */
    int receive_err;
    uint64_t at, end;
    unsigned seeks, data_packets, errors, datagrams, wrong_port;
    bool done, clock_stands;
    char name[PND_KDP_NAME_CAP];
    struct answer queue[QUEUE_CAP];
    unsigned count;
    uint8_t file[FILE_CAP];
} server;

static struct pnd_client client;

static uint64_t link_now_us(void *ctx)
{
    (void)ctx;
    return server.now_us;
}

static void answer_from(uint32_t ip, uint16_t port, const uint8_t *bytes, size_t len)
{
    struct answer *a = &server.queue[server.count];

    if (server.count == QUEUE_CAP)
        return;
    server.count++;
    *a = (struct answer){.from = {.ip = ip, .port = port}, .len = len};
    memcpy(a->bytes, bytes, len);
}

static void answer_ack(uint32_t ip, uint16_t port, uint32_t block, uint8_t features)
{
    uint8_t buf[PND_KDP_ACK_BYTES];

    pnd_kdp_build_ack(buf, sizeof(buf), block, features);
    answer_from(ip, port, buf, sizeof(buf));
}

static void store(const struct pnd_kdp_packet *packet)
{
    server.last_was_data = packet->op == PND_KDP_DATA;
    if (packet->op == PND_KDP_DATA) {
        CHECK(packet->data_len <= (server.granted & PND_KDP_LARGE ? 1406 : 512));
        if (server.at + packet->data_len <= FILE_CAP)
            memcpy(server.file + server.at, packet->data, packet->data_len);
        server.at += packet->data_len;
        if (server.at > server.end)
            server.end = server.at;
        server.data_packets++;
    } else if (packet->op == PND_KDP_SEEK) {
        CHECK_EQ(pnd_kdp_seek_offset(packet, server.granted & PND_KDP_SEEK64, &server.at), PND_OK);
        CHECK_EQ(packet->data_len, server.granted & PND_KDP_SEEK64 ? 8 : 4);
        server.seeks++;
    } else if (packet->op == PND_KDP_EOF) {
        server.done = true;
    }
}

static int link_send(void *ctx, struct pnd_endpoint to, const void *dgram, size_t len)
{
    struct pnd_kdp_packet packet;

    (void)ctx;
    server.datagrams++;
    CHECK_EQ(to.ip, SERVER);
    CHECK_EQ(pnd_kdp_parse(dgram, len, &packet), PND_OK);
    if (packet.op == PND_KDP_ERROR) {
        CHECK_STR((const char *)packet.data, "aborted by the sender");
        server.errors++;
        return PND_OK;
    }
    server.wrong_port += to.port != (packet.op == PND_KDP_WRQ ? PND_KDP_PORT : server.reply_port);
    if (server.silent || (server.silent_from && packet.block >= server.silent_from))
        return PND_OK;
    if (server.forge) {
        answer_ack(OTHER, server.reply_port, packet.block, 0);
        if (packet.op != PND_KDP_WRQ)
            answer_ack(SERVER, (uint16_t)(server.reply_port + 1), packet.block, 0);
        answer_ack(SERVER, server.reply_port, packet.block + 1, 0);
        answer_ack(SERVER, server.reply_port, packet.block - 1, 0);
    }
    if (packet.op == PND_KDP_WRQ) {
        memcpy(server.name, packet.name, packet.name_len + 1);
        answer_ack(SERVER, server.reply_port, 0, server.granted);
        server.expected = 1;
        return PND_OK;
    }
    if (packet.block == server.expected) {
        server.expected++;
        store(&packet);
    }
    answer_ack(SERVER, server.reply_port, server.expected - 1, 0);
    return PND_OK;
}

static int link_receive(void *ctx, void *buf, size_t cap, uint64_t timeout_us,
                        struct pnd_endpoint *ret_from)
{
    size_t len;

    (void)ctx;
    if (server.receive_err)
        return server.receive_err;
    if (server.count == 0) {
        server.now_us += server.clock_stands ? 0 : timeout_us;
        return PND_E_TIMEOUT;
    }
    server.now_us += server.clock_stands ? 0 : 100;
    len = server.queue[0].len < cap ? server.queue[0].len : cap;
    memcpy(buf, server.queue[0].bytes, len);
    *ret_from = server.queue[0].from;
    memmove(server.queue, server.queue + 1, --server.count * sizeof(server.queue[0]));
    return (int)len;
}

static const struct pnd_link link_ = {
    .now_us = link_now_us, .send = link_send, .receive = link_receive};

static void reset(uint8_t granted)
{
    memset(&server, 0, sizeof(server));
    memset(&client, 0xa5, sizeof(client));
    server.granted = granted;
    server.reply_port = PND_KDP_PORT;
}

static int open_client(void)
{
    struct pnd_client_config config = {.server = {.ip = SERVER}, .name = "core-1"};

    return pnd_client_open(&client, &link_, &config);
}

static struct pnd_client_stats stats(void)
{
    struct pnd_client_stats out;

    pnd_client_stats(&client, &out);
    return out;
}

static void what_is_written_arrives_in_whatever_pieces(void)
{
    static uint8_t data[20011];

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * i >> 5);
    for (size_t piece = 1; piece <= sizeof(data); piece = piece * 3 + 1) {
        reset(3);
        CHECK_EQ(open_client(), PND_OK);
        for (size_t at = 0; at < sizeof(data); at += piece) {
            size_t len = sizeof(data) - at < piece ? sizeof(data) - at : piece;

            CHECK_EQ(pnd_client_write(&client, data + at, len), PND_OK);
        }
        CHECK_EQ(pnd_client_finish(&client), PND_OK);
        CHECK(server.done && server.end == sizeof(data));
        CHECK_MEM(server.file, data, sizeof(data));
        CHECK_EQ(server.data_packets, 15); /* full ones, whatever the pieces were */
        CHECK_EQ(pnd_client_finish(&client), PND_OK);
    }
    CHECK_STR(server.name, "core-1");
}

static void an_empty_dump_is_a_request_and_an_end(void)
{
    reset(3);
    CHECK_EQ(open_client(), PND_OK);
    CHECK_EQ(pnd_client_write(&client, "", 0), PND_OK);
    CHECK_EQ(pnd_client_finish(&client), PND_OK);
    CHECK(server.done && server.end == 0);
    CHECK_EQ(server.datagrams, 2);
}

static void after_the_end_nothing_is_taken(void)
{
    reset(3);
    CHECK_EQ(open_client(), PND_OK);
    CHECK_EQ(pnd_client_finish(&client), PND_OK);
    CHECK_EQ(pnd_client_write(&client, "x", 1), PND_E_ARG);
    CHECK_EQ(pnd_client_skip(&client, 1), PND_E_ARG);
    CHECK_EQ(pnd_client_write_sparse(&client, "x", 1), PND_E_ARG);
    CHECK_EQ(pnd_client_finish(&client), PND_OK);
    CHECK_EQ(server.datagrams, 2);
}

static void a_server_without_features_gets_small_blocks(void)
{
    static const uint8_t data[3000] = {1};

    reset(0);
    CHECK_EQ(open_client(), PND_OK);
    CHECK_EQ(pnd_client_write(&client, data, sizeof(data)), PND_OK);
    CHECK_EQ(pnd_client_finish(&client), PND_OK);
    CHECK_EQ(server.data_packets, 6);
    CHECK_EQ(server.end, 3000);
}

static void zero_pages_become_one_seek(void)
{
    static uint8_t data[64 * PAGE];

    memset(data, 1, sizeof(data));
    memset(data + 3 * PAGE, 0, 40 * PAGE);
    data[50 * PAGE + 17] = 0;
    for (size_t piece = PAGE / 2; piece <= sizeof(data); piece *= 2) {
        reset(3);
        CHECK_EQ(open_client(), PND_OK);
        for (size_t at = 0; at < sizeof(data); at += piece)
            CHECK_EQ(pnd_client_write_sparse(&client, data + at, piece), PND_OK);
        CHECK_EQ(pnd_client_finish(&client), PND_OK);
        CHECK_EQ(server.end, sizeof(data));
        CHECK_MEM(server.file, data, sizeof(data));
        CHECK_EQ(server.seeks, piece < PAGE ? 0 : 1);
        CHECK_EQ(stats().skipped_bytes, piece < PAGE ? 0 : 40 * PAGE);
        CHECK_EQ(stats().bytes, sizeof(data));
    }
}

static void zeros_are_found_at_page_boundaries_of_the_dump(void)
{
    static uint8_t data[4 * PAGE + 100];

    memset(data, 0, sizeof(data));
    reset(3);
    CHECK_EQ(open_client(), PND_OK);
    CHECK_EQ(pnd_client_write(&client, "x", 1), PND_OK);
    CHECK_EQ(pnd_client_write_sparse(&client, data, sizeof(data)), PND_OK);
    CHECK_EQ(pnd_client_write(&client, "y", 1), PND_OK);
    CHECK_EQ(pnd_client_finish(&client), PND_OK);
    CHECK_EQ(server.seeks, 1);
    CHECK_EQ(stats().skipped_bytes, 3 * PAGE);
    CHECK_EQ(server.end, sizeof(data) + 2);
    CHECK(server.file[0] == 'x' && server.file[sizeof(data) + 1] == 'y');
    CHECK_MEM(server.file + 1, data, sizeof(data));
}

static void the_end_of_a_dump_is_always_data(void)
{
    static const uint64_t lens[] = {1, 511, 1405, 1406, 1407, PAGE - 1, PAGE, PAGE + 1, 100000};

    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        for (unsigned before = 0; before < 2; before++) {
            reset(3);
            CHECK_EQ(open_client(), PND_OK);
            CHECK_EQ(pnd_client_write(&client, "head", before ? 4 : 0), PND_OK);
            CHECK_EQ(pnd_client_skip(&client, lens[i]), PND_OK);
            CHECK_EQ(pnd_client_finish(&client), PND_OK);
            CHECK(server.done);
            CHECK_EQ(server.end, lens[i] + (before ? 4 : 0));
            CHECK_EQ(server.seeks, lens[i] >= PAGE ? 1 : 0);
        }
    }
}

static void skips_add_up_to_one_seek(void)
{
    reset(3);
    CHECK_EQ(open_client(), PND_OK);
    for (unsigned i = 0; i < 100; i++)
        CHECK_EQ(pnd_client_skip(&client, 1000), PND_OK);
    CHECK_EQ(pnd_client_write(&client, "end", 3), PND_OK);
    CHECK_EQ(pnd_client_finish(&client), PND_OK);
    CHECK_EQ(server.seeks, 1);
    CHECK_EQ(server.end, 100003);
}

static void beyond_4_gib_a_server_without_wide_seeks_gets_zeros(void)
{
    const uint64_t gib4 = UINT64_C(1) << 32;

    reset(PND_KDP_LARGE);
    CHECK_EQ(open_client(), PND_OK);
    CHECK_EQ(pnd_client_skip(&client, gib4 - 1), PND_OK);
    CHECK_EQ(pnd_client_write(&client, "x", 1), PND_OK);
    CHECK_EQ(pnd_client_skip(&client, 5 * PAGE), PND_OK);
    CHECK_EQ(pnd_client_write(&client, "y", 1), PND_OK);
    CHECK_EQ(pnd_client_finish(&client), PND_OK);
    CHECK_EQ(server.seeks, 1);
    CHECK_EQ(server.data_packets, 15); /* 1 + 20480 + 1 bytes in a row */
    CHECK_EQ(server.end, gib4 + 5 * PAGE + 1);
}

static void a_dump_beyond_2_to_the_64_is_refused(void)
{
    reset(3);
    CHECK_EQ(open_client(), PND_OK);
    CHECK_EQ(pnd_client_skip(&client, UINT64_MAX), PND_OK);
    CHECK_EQ(pnd_client_write(&client, "x", 1), PND_E_RANGE);
    CHECK_EQ(pnd_client_finish(&client), PND_E_RANGE);
}

static void strangers_and_wrong_answers_are_noise(void)
{
    static uint8_t data[30000];

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 31 >> 4);
    reset(3);
    server.forge = true;
    server.reply_port = 50000;
    CHECK_EQ(open_client(), PND_OK);
    CHECK_EQ(pnd_client_write(&client, data, sizeof(data)), PND_OK);
    CHECK_EQ(pnd_client_finish(&client), PND_OK);
    CHECK_EQ(server.end, sizeof(data));
    CHECK_MEM(server.file, data, sizeof(data));
    CHECK_EQ(server.wrong_port, 0);
    CHECK_EQ(stats().retransmissions, 0);
    CHECK(stats().noise >= 3 * 22);
}

static void a_silent_server_ends_it_after_50_seconds(void)
{
    reset(3);
    server.silent = true;
    CHECK_EQ(open_client(), PND_E_TIMEOUT);
    CHECK_EQ(server.now_us, 50000000);
    CHECK_EQ(server.datagrams, 18);
    CHECK_EQ(pnd_client_write(&client, "x", 1), PND_E_TIMEOUT);
    CHECK_EQ(pnd_client_skip(&client, 1), PND_E_TIMEOUT);
    CHECK_EQ(pnd_client_finish(&client), PND_E_TIMEOUT);
    pnd_client_abort(&client);
    CHECK_EQ(server.errors, 0);
}

static void a_server_that_dies_midway_ends_it(void)
{
    static const uint8_t data[10000] = {1};

    reset(3);
    server.silent_from = 3;
    CHECK_EQ(open_client(), PND_OK);
    CHECK_EQ(pnd_client_write(&client, data, sizeof(data)), PND_E_TIMEOUT);
    CHECK(!server.done);
    CHECK_EQ(stats().sent_bytes, 2 * 1406);
}

static void an_abort_is_told_to_the_server_once(void)
{
    reset(3);
    CHECK_EQ(open_client(), PND_OK);
    CHECK_EQ(pnd_client_write(&client, "x", 1), PND_OK);
    pnd_client_abort(&client);
    pnd_client_abort(&client);
    CHECK_EQ(server.errors, 1);
    CHECK_EQ(pnd_client_write(&client, "x", 1), PND_E_ABORTED);
    CHECK_EQ(pnd_client_finish(&client), PND_E_ABORTED);
    CHECK(!server.done);
    reset(3);
    CHECK_EQ(open_client(), PND_OK);
    CHECK_EQ(pnd_client_finish(&client), PND_OK);
    pnd_client_abort(&client);
    CHECK_EQ(server.errors, 0);
}

static void a_signal_while_it_waits_ends_it(void)
{
    reset(3);
    CHECK_EQ(open_client(), PND_OK);
    CHECK_EQ(pnd_client_write(&client, "x", 1), PND_OK);
    server.receive_err = PND_E_ABORTED;
    CHECK_EQ(pnd_client_finish(&client), PND_E_ABORTED);
    pnd_client_abort(&client);
    CHECK_EQ(server.errors, 1);
}

static void a_clock_that_stands_still_ends_it(void)
{
    reset(3);
    server.silent = true;
    server.clock_stands = true;
    CHECK_EQ(open_client(), PND_E_LINK);
}

static void a_refusal_keeps_the_servers_words(void)
{
    uint8_t buf[PND_KDP_ERROR_CAP];
    uint32_t code = 0;
    int len = pnd_kdp_build_error(buf, sizeof(buf), PND_KDP_E_NOSPACE, "the disk is full");

    reset(3);
    server.silent = true;
    answer_from(SERVER, 1234, buf, (size_t)len);
    CHECK_EQ(open_client(), PND_E_REFUSED);
    CHECK_STR(pnd_client_refusal(&client, &code), "the disk is full");
    CHECK_EQ(code, PND_KDP_E_NOSPACE);
    CHECK_EQ(server.datagrams, 1);
}

static unsigned reports;
static uint64_t reported_bytes;

static void on_progress(void *ctx, const struct pnd_client_stats *now)
{
    CHECK(ctx == &reports);
    CHECK(now->bytes >= reported_bytes);
    reports++;
    reported_bytes = now->bytes;
}

static void progress_is_told_now_and_then_and_at_the_end(void)
{
    static const uint8_t data[14060] = {1};
    struct pnd_client_config config = {.server = {.ip = SERVER},
                                       .name = "core-1",
                                       .progress = on_progress,
                                       .progress_ctx = &reports,
                                       .progress_us = 500};

    reset(3);
    reports = 0;
    reported_bytes = 0;
    CHECK_EQ(pnd_client_open(&client, &link_, &config), PND_OK);
    CHECK_EQ(pnd_client_write(&client, data, sizeof(data)), PND_OK);
    CHECK_EQ(pnd_client_finish(&client), PND_OK);
    CHECK_EQ(server.now_us, 12 * 100);
    CHECK_EQ(reports, 4); /* 100, 600, 1100 us, and the end */
    CHECK_EQ(reported_bytes, sizeof(data));
}

static void a_link_of_short_datagrams_gets_short_blocks(void)
{
    static const uint8_t data[2000] = {1};
    struct pnd_client_config config = {.server = {.ip = SERVER}, .name = "core-1"};
    struct pnd_link small = link_;

    small.dgram_max = 548;
    reset(3);
    CHECK_EQ(pnd_client_open(&client, &small, &config), PND_OK);
    CHECK_EQ(pnd_client_write(&client, data, sizeof(data)), PND_OK);
    CHECK_EQ(pnd_client_finish(&client), PND_OK);
    CHECK_EQ(server.data_packets, 4); /* 542 * 3 + 374 */
}

static void a_link_without_room_for_a_byte_of_dump_is_refused(void)
{
    struct pnd_client_config config = {.server = {.ip = SERVER}, .name = "x"};
    struct pnd_link tiny = link_;

    reset(3);
    for (tiny.dgram_max = 1; tiny.dgram_max <= PND_KDP_HEADER_BYTES; tiny.dgram_max++) {
        CHECK_EQ(pnd_client_open(&client, &tiny, &config), PND_E_ARG);
        CHECK_EQ(pnd_client_write(&client, "x", 1), PND_E_ARG);
        pnd_client_abort(&client);
        CHECK_EQ(pnd_client_finish(&client), PND_E_ARG);
    }
    CHECK_EQ(server.datagrams, 0);
    CHECK_EQ(pnd_client_open(&client, &tiny, &config), PND_OK);
    CHECK_EQ(pnd_client_write(&client, "abc", 3), PND_OK);
    CHECK_EQ(pnd_client_finish(&client), PND_OK);
    CHECK_EQ(server.data_packets, 3);
}

static void unusable_names_and_sizes_are_refused(void)
{
    struct pnd_client_config config = {.server = {.ip = SERVER}, .name = ""};

    reset(3);
    CHECK_EQ(pnd_client_open(&client, &link_, &config), PND_E_NAME);
    CHECK_EQ(pnd_client_write(&client, "x", 1), PND_E_NAME);
    pnd_client_abort(&client);
    config.name = "x";
    config.block_max = 1407;
    CHECK_EQ(pnd_client_open(&client, &link_, &config), PND_E_ARG);
    CHECK_EQ(server.datagrams, 0);
}

int main(void)
{
    RUN(what_is_written_arrives_in_whatever_pieces);
    RUN(an_empty_dump_is_a_request_and_an_end);
    RUN(after_the_end_nothing_is_taken);
    RUN(a_server_without_features_gets_small_blocks);
    RUN(zero_pages_become_one_seek);
    RUN(zeros_are_found_at_page_boundaries_of_the_dump);
    RUN(the_end_of_a_dump_is_always_data);
    RUN(skips_add_up_to_one_seek);
    RUN(beyond_4_gib_a_server_without_wide_seeks_gets_zeros);
    RUN(a_dump_beyond_2_to_the_64_is_refused);
    RUN(strangers_and_wrong_answers_are_noise);
    RUN(a_silent_server_ends_it_after_50_seconds);
    RUN(a_server_that_dies_midway_ends_it);
    RUN(an_abort_is_told_to_the_server_once);
    RUN(a_signal_while_it_waits_ends_it);
    RUN(a_clock_that_stands_still_ends_it);
    RUN(a_refusal_keeps_the_servers_words);
    RUN(progress_is_told_now_and_then_and_at_the_end);
    RUN(a_link_of_short_datagrams_gets_short_blocks);
    RUN(a_link_without_room_for_a_byte_of_dump_is_refused);
    RUN(unusable_names_and_sizes_are_refused);
    return tap_done();
}
