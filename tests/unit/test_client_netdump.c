/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The blocking client over netdump against a server in memory that knows nothing but offsets and
 * numbers, under a clock of our own: what arrives is what was given, the header says how long it
 * is, and only the server's own answers count. */
#include "tap.h"

#include "image/kdh.h"
#include "panicd/client.h"
#include "wire/netdump.h"

enum {
    SERVER = 0x7f000001,
    OTHER = 0x7f000002,
    FILE_CAP = 1 << 20,
    QUEUE_CAP = 128,
    WINDOW = 65536,
    MS = 1000,
};

struct answer {
    struct pnd_endpoint from;
    size_t len;
    uint8_t bytes[8];
};

static struct server {
    uint64_t now_us;
    uint16_t reply_port;
    bool silent, forge, clock_stands, silent_at_the_end;
    unsigned lose; /* each so many'th packet; 0: none */
    int receive_err, send_err;
    unsigned datagrams, heralds, wrong_port;
    size_t largest;
    uint64_t end;
    bool finished, key_late;
    uint32_t finished_number, highest;
    char path[64];
    uint8_t kdh[512], key[8192];
    size_t kdh_len, key_len;
    struct answer queue[QUEUE_CAP];
    unsigned count;
    uint8_t file[FILE_CAP];
} server;

static struct pnd_client client;
static uint64_t window[WINDOW / 8];
static uint8_t data[300000];

static uint64_t link_now_us(void *ctx)
{
    (void)ctx;
    return server.now_us;
}

static void answer_from(uint32_t ip, uint16_t port, uint32_t number, size_t len)
{
    struct answer *a = &server.queue[server.count];

    if (server.count == QUEUE_CAP)
        return;
    server.count++;
    *a = (struct answer){.from = {.ip = ip, .port = port}, .len = len};
    pnd_netdump_build_ack(a->bytes, sizeof(a->bytes), number);
}

static void store(const struct pnd_netdump_packet *packet)
{
    size_t end = (size_t)packet->offset + packet->data_len;

    switch (packet->type) {
    case PND_NETDUMP_HERALD:
        server.heralds++;
        memcpy(server.path, packet->data, packet->data_len);
        break;
    case PND_NETDUMP_VMCORE:
        CHECK(end <= FILE_CAP);
        memcpy(server.file + packet->offset, packet->data, packet->data_len);
        server.end = end > server.end ? end : server.end;
        break;
    case PND_NETDUMP_KDH:
        memcpy(server.kdh + packet->offset, packet->data, packet->data_len);
        server.kdh_len = end > server.kdh_len ? end : server.kdh_len;
        break;
    case PND_NETDUMP_EKCD_KEY:
        memcpy(server.key + packet->offset, packet->data, packet->data_len);
        server.key_len = end > server.key_len ? end : server.key_len;
        server.key_late |= server.end > 0;
        break;
    case PND_NETDUMP_FINISHED:
        CHECK(packet->data_len == 0);
        server.finished = true;
        server.finished_number = packet->seqno;
        break;
    }
}

static int link_send(void *ctx, struct pnd_endpoint to, const void *dgram, size_t len)
{
    struct pnd_netdump_packet packet;

    (void)ctx;
    if (server.send_err)
        return server.send_err;
    server.datagrams++;
    CHECK_EQ(to.ip, SERVER);
    CHECK_EQ(pnd_netdump_parse(dgram, len, &packet), PND_OK);
    server.largest = len > server.largest ? len : server.largest;
    if (server.silent || (server.lose && server.datagrams % server.lose == 0) ||
        (server.silent_at_the_end && packet.type == PND_NETDUMP_FINISHED))
        return PND_OK;
    server.wrong_port +=
        to.port != (packet.type == PND_NETDUMP_HERALD ? PND_NETDUMP_PORT : server.reply_port);
    if (server.forge) {
        answer_from(OTHER, server.reply_port, packet.seqno, 4);
        if (packet.type != PND_NETDUMP_HERALD)
            answer_from(SERVER, (uint16_t)(server.reply_port + 1), packet.seqno, 4);
        answer_from(SERVER, server.reply_port, packet.seqno, 5);
        answer_from(SERVER, server.reply_port, packet.seqno, 3);
        if (server.datagrams % 3)
            return PND_OK; /* lost: nothing of these may count */
    }
    server.highest = packet.seqno > server.highest ? packet.seqno : server.highest;
    store(&packet);
    answer_from(SERVER, server.reply_port, packet.seqno, 4);
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
    server.now_us += server.clock_stands ? 0 : 20;
    len = server.queue[0].len < cap ? server.queue[0].len : cap;
    memcpy(buf, server.queue[0].bytes, len);
    *ret_from = server.queue[0].from;
    memmove(server.queue, server.queue + 1, --server.count * sizeof(server.queue[0]));
    return (int)len;
}

static struct pnd_link link_ = {.now_us = link_now_us, .send = link_send, .receive = link_receive};

static void reset(size_t dgram_max)
{
    memset(&server, 0, sizeof(server));
    memset(&client, 0xa5, sizeof(client));
    server.reply_port = 40000;
    link_.dgram_max = dgram_max;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * i >> 5);
}

static int open_with(const struct pnd_client_netdump_config *with, size_t window_bytes)
{
    struct pnd_client_config config = {
        .server = {.ip = SERVER},
        .name = "core-1",
        .extension = &pnd_client_netdump,
        .netdump = with,
        .window = window_bytes ? window : NULL,
        .window_bytes = window_bytes,
    };

    return pnd_client_open(&client, &link_, &config);
}

static struct pnd_client_stats stats(void)
{
    struct pnd_client_stats out;

    pnd_client_stats(&client, &out);
    return out;
}

static void make_header(uint8_t ret[512])
{
    struct pnd_kdh kdh = {.version = 4,
                          .architecture_version = 2,
                          .block_bytes = 4096,
                          .time_s = 1700000000,
                          .architecture = "amd64",
                          .host = "lab",
                          .os = "one",
                          .panic = "two"};

    CHECK_EQ(pnd_kdh_write(&kdh, ret), PND_OK);
}

static void what_is_written_arrives_in_whatever_pieces(void)
{
    static const size_t paths[] = {548, 1472, 8972, 0};
    uint8_t header[512];
    struct pnd_client_netdump_config with = {.path = "lab", .header = header};
    struct pnd_kdh kdh;

    make_header(header);
    for (unsigned i = 0; i < 4; i++) {
        for (size_t piece = 11; piece <= sizeof(data); piece = piece * 17 + 1) {
            reset(paths[i]);
            CHECK_EQ(open_with(&with, WINDOW), PND_OK);
            for (size_t at = 0; at < sizeof(data); at += piece) {
                size_t len = sizeof(data) - at < piece ? sizeof(data) - at : piece;

                CHECK_EQ(pnd_client_write(&client, data + at, len), PND_OK);
            }
            CHECK_EQ(pnd_client_finish(&client), PND_OK);
            CHECK(server.finished && server.finished_number == server.highest);
            CHECK_EQ(server.end, 303104); /* whole blocks */
            CHECK_MEM(server.file, data, sizeof(data));
            CHECK(server.largest <= (paths[i] ? paths[i] : 1472));
            CHECK_EQ(server.datagrams, server.highest);
            CHECK_EQ(server.wrong_port, 0);
            CHECK_EQ(pnd_kdh_read(server.kdh, server.kdh_len, &kdh), PND_OK);
            CHECK(kdh.parity_ok && kdh.dump_bytes == sizeof(data));
            CHECK_STR(kdh.panic, "two");
            CHECK_EQ(stats().bytes, sizeof(data));
            CHECK_EQ(stats().sent_bytes, sizeof(data));
            CHECK(!stats().extended && stats().skipped_bytes == 0);
            CHECK_EQ(pnd_client_finish(&client), PND_OK);
            CHECK_EQ(pnd_client_write(&client, "x", 1), PND_E_ARG);
        }
    }
    CHECK_STR(server.path, "lab");
}

static void zeros_are_sent_because_a_hole_is_a_loss(void)
{
    static const uint8_t page[4096];

    reset(0);
    CHECK_EQ(open_with(NULL, WINDOW), PND_OK);
    CHECK_EQ(pnd_client_write(&client, "x", 1), PND_OK);
    CHECK_EQ(pnd_client_skip(&client, 100000), PND_OK);
    CHECK_EQ(pnd_client_write_sparse(&client, page, sizeof(page)), PND_OK);
    CHECK_EQ(pnd_client_write(&client, "y", 1), PND_OK);
    CHECK_EQ(pnd_client_skip(&client, 50000), PND_OK);
    CHECK_EQ(pnd_client_finish(&client), PND_OK);
    CHECK(server.finished && server.kdh_len == 0);
    CHECK_EQ(stats().bytes, 154098);
    CHECK_EQ(server.end, 155648);
    CHECK(server.file[0] == 'x' && server.file[104097] == 'y');
    CHECK_EQ(server.datagrams, server.highest);
}

static void a_key_goes_before_the_dump(void)
{
    uint8_t header[512];
    struct pnd_client_netdump_config with = {.header = header, .key = data, .key_bytes = 4096};

    make_header(header);
    reset(548);
    CHECK_EQ(open_with(&with, PND_CLIENT_WINDOW_MIN), PND_OK);
    CHECK_EQ(server.key_len, 4096);
    CHECK_EQ(pnd_client_write(&client, data, 5000), PND_OK);
    CHECK_EQ(pnd_client_finish(&client), PND_OK);
    CHECK_MEM(server.key, data, 4096);
    CHECK_MEM(server.file, data, 5000);
    CHECK(!server.key_late);
    with.key_bytes = 32 * 524 + 1;
    reset(548);
    CHECK_EQ(open_with(&with, WINDOW), PND_E_ARG);
}

static void an_empty_dump_there_is_not(void)
{
    reset(0);
    CHECK_EQ(open_with(NULL, WINDOW), PND_OK);
    CHECK_EQ(pnd_client_finish(&client), PND_E_ARG);
    CHECK(!server.finished);
}

static void it_never_falls_back_to_another_protocol(void)
{
    reset(0);
    CHECK_EQ(open_with(NULL, 0), PND_E_ARG);
    CHECK_EQ(open_with(NULL, PND_CLIENT_WINDOW_MIN - 1), PND_E_ARG);
    reset(535);
    CHECK_EQ(open_with(NULL, WINDOW), PND_E_ARG);
    reset(536);
    CHECK_EQ(open_with(NULL, PND_CLIENT_WINDOW_MIN), PND_OK);
    reset(0);
    server.silent = true;
    CHECK_EQ(open_with(NULL, WINDOW), PND_E_TIMEOUT);
    CHECK(server.datagrams == 50 && server.now_us == 50000 * MS); /* each of them a herald */
    CHECK_EQ(server.count, 0);
}

static void strangers_and_wrong_answers_are_noise(void)
{
    reset(0);
    server.forge = true;
    CHECK_EQ(open_with(NULL, WINDOW), PND_OK);
    CHECK_EQ(pnd_client_write(&client, data, sizeof(data)), PND_OK);
    CHECK_EQ(pnd_client_finish(&client), PND_OK);
    CHECK_MEM(server.file, data, sizeof(data));
    CHECK(stats().noise > 0 && server.finished);
}

static void what_is_lost_is_repeated(void)
{
    for (unsigned lose = 2; lose < 40; lose++) {
        reset(0);
        server.lose = lose;
        CHECK_EQ(open_with(NULL, WINDOW), PND_OK);
        CHECK_EQ(pnd_client_write(&client, data, sizeof(data)), PND_OK);
        CHECK_EQ(pnd_client_finish(&client), PND_OK);
        CHECK_MEM(server.file, data, sizeof(data));
        CHECK(server.finished && stats().retransmissions > 0);
    }
}

static void a_server_that_falls_silent_is_given_up(void)
{
    uint32_t code = 7;

    reset(0);
    CHECK_EQ(open_with(NULL, WINDOW), PND_OK);
    CHECK_EQ(pnd_client_write(&client, data, sizeof(data)), PND_OK);
    server.silent = true;
    CHECK_EQ(pnd_client_finish(&client), PND_E_TIMEOUT);
    CHECK_EQ(pnd_client_write(&client, data, 1), PND_E_TIMEOUT);
    CHECK_STR(pnd_client_refusal(&client, &code), "");
    CHECK_EQ(code, 0);
    /* One that refuses a dump with a hole does not acknowledge its end. */
    reset(0);
    server.silent_at_the_end = true;
    CHECK_EQ(open_with(NULL, WINDOW), PND_OK);
    CHECK_EQ(pnd_client_write(&client, data, 100), PND_OK);
    CHECK_EQ(pnd_client_finish(&client), PND_E_TIMEOUT);
}

static void the_links_errors_end_it(void)
{
    reset(0);
    server.send_err = PND_E_NOROUTE;
    CHECK_EQ(open_with(NULL, WINDOW), PND_E_NOROUTE);
    reset(0);
    CHECK_EQ(open_with(NULL, WINDOW), PND_OK);
    server.receive_err = PND_E_ABORTED;
    CHECK_EQ(pnd_client_write(&client, data, sizeof(data)), PND_E_ABORTED);
    CHECK_EQ(pnd_client_finish(&client), PND_E_ABORTED);
    reset(0);
    CHECK_EQ(open_with(NULL, WINDOW), PND_OK);
    server.silent = server.clock_stands = true;
    CHECK_EQ(pnd_client_write(&client, data, sizeof(data)), PND_E_LINK);
}

static void an_abort_says_nothing_because_nothing_can_be_said(void)
{
    unsigned before;

    reset(0);
    CHECK_EQ(open_with(NULL, WINDOW), PND_OK);
    CHECK_EQ(pnd_client_write(&client, data, 5000), PND_OK);
    CHECK_EQ(pnd_client_poll(&client), PND_OK);
    before = server.datagrams;
    pnd_client_abort(&client);
    CHECK_EQ(server.datagrams, before);
    CHECK_EQ(pnd_client_write(&client, data, 1), PND_E_ABORTED);
}

int main(void)
{
    RUN(what_is_written_arrives_in_whatever_pieces);
    RUN(zeros_are_sent_because_a_hole_is_a_loss);
    RUN(a_key_goes_before_the_dump);
    RUN(an_empty_dump_there_is_not);
    RUN(it_never_falls_back_to_another_protocol);
    RUN(strangers_and_wrong_answers_are_noise);
    RUN(what_is_lost_is_repeated);
    RUN(a_server_that_falls_silent_is_given_up);
    RUN(the_links_errors_end_it);
    RUN(an_abort_says_nothing_because_nothing_can_be_said);
    return tap_done();
}
