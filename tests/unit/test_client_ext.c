/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The blocking client over the extension, against a server in memory: it is used when both sides
 * know it, done without when not, and resumed. */
#include "tap.h"

#include "panicd/client.h"

#include "proto/ext_rx.h"
#include "wire/sum.h"

enum {
    SERVER = 0x7f000001,
    PORT = 1069,
    FILE_BYTES = 310000,
    WINDOW = 65536,
    QUEUE_CAP = 64,
    TOKEN = 77,
    CHUNK = 12288,
    PAGE = 4096,
    WAIT_MAX_US = 60000000,
};

static const struct pnd_rx_limits limits = PND_RX_LIMITS_DEFAULT;

struct answer {
    size_t len;
    uint8_t bytes[PND_EXT_ACK_CAP];
};

static struct server {
    uint64_t now_us;
    bool old, refuses, silent_open;
    uint64_t stops_at; /* STOP from so many bytes on; 0: never */
    unsigned wrqs, plain_wrqs, opens, datas, zeros, many, lose_every;
    bool fresh, stopped;
    struct pnd_ext_rx rx;
    struct answer queue[QUEUE_CAP];
    unsigned head, count;
    uint8_t file[FILE_BYTES];
} server;

static struct pnd_client client;
static uint64_t window[WINDOW / 8];
static uint8_t image[FILE_BYTES];

static void answer(const void *bytes, size_t len)
{
    struct answer *a = &server.queue[(server.head + server.count) % QUEUE_CAP];

    if (server.count == QUEUE_CAP)
        return;
    server.count++;
    a->len = len;
    memcpy(a->bytes, bytes, len);
}

static void run(const struct pnd_actions *actions)
{
    struct pnd_actions last;

    for (unsigned i = 0; i < actions->count; i++) {
        if (actions->at[i].kind == PND_ACT_REPLY)
            answer(actions->at[i].data, actions->at[i].len);
        if (actions->at[i].kind == PND_ACT_FINISH) {
            pnd_ext_rx_finished(&server.rx, true, server.now_us, &last);
            answer(last.at[0].data, last.at[0].len);
        }
    }
}

static void take_wrq(const struct pnd_kdp_packet *wrq)
{
    static const uint8_t cookie[PND_EXT_COOKIE_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8};
    uint8_t buf[64] = {0};

    server.wrqs++;
    server.plain_wrqs += !(wrq->features & PND_EXT_FEATURE);
    if (server.old || !(wrq->features & PND_EXT_FEATURE))
        answer(buf, (size_t)pnd_kdp_build_ack(buf, sizeof(buf), 0, PND_KDP_FEATURES));
    else
        answer(buf, (size_t)pnd_ext_build_grant(buf, sizeof(buf), PND_KDP_FEATURES, cookie));
}

static void take_open(const struct pnd_ext_open *open)
{
    struct pnd_actions actions;
    uint8_t buf[PND_KDP_ERROR_CAP] = {0};

    server.opens++;
    server.fresh |= open->flags & PND_EXT_FRESH;
    if (server.silent_open)
        return;
    if (server.refuses) {
        answer(buf, (size_t)pnd_kdp_build_error(buf, sizeof(buf), PND_KDP_E_ACCESS, "not you"));
        return;
    }
    pnd_ext_rx_open(&server.rx, &limits, open, TOKEN, 65507, server.now_us, &actions);
    run(&actions);
}

static void take_ext(const uint8_t *dgram, size_t len)
{
    struct pnd_ext_rx_news news;
    struct pnd_actions actions;
    uint8_t stop[PND_EXT_STOP_CAP] = {0};

    server.datas += pnd_ext_op(dgram, len) == PND_EXT_DATA;
    server.zeros += pnd_ext_op(dgram, len) == PND_EXT_ZERO;
    server.stopped |= pnd_ext_op(dgram, len) == PND_EXT_STOP;
    if (server.lose_every && rand() % (int)server.lose_every == 0)
        return;
    if (server.stops_at && server.rx.held >= server.stops_at) {
        answer(stop,
               (size_t)pnd_ext_build_stop(stop, sizeof(stop), TOKEN, PND_KDP_E_NOSPACE, "no room"));
        return;
    }
    if (pnd_ext_rx_take(&server.rx, dgram, len, server.now_us, &news) != PND_OK)
        return;
    for (unsigned i = 0; i < news.count; i++)
        if (news.at[i].offset + news.at[i].len <= FILE_BYTES)
            memcpy(server.file + news.at[i].offset, news.at[i].data, news.at[i].len);
    pnd_ext_rx_answer(&server.rx, UINT64_MAX, server.now_us, &actions);
    run(&actions);
}

static int link_send(void *ctx, struct pnd_endpoint to, const void *dgram, size_t len)
{
    struct pnd_kdp_packet packet;
    struct pnd_ext_open open;

    (void)ctx;
    CHECK_EQ(to.ip, SERVER);
    if (pnd_ext_parse_open(dgram, len, &open) == PND_OK)
        take_open(&open);
    else if (pnd_ext_op(dgram, len))
        take_ext(dgram, len);
    else if (pnd_kdp_parse(dgram, len, &packet) == PND_OK) {
        uint8_t ack[PND_KDP_ACK_BYTES] = {0};

        if (packet.op == PND_KDP_WRQ)
            take_wrq(&packet);
        else if (packet.op == PND_KDP_DATA || packet.op == PND_KDP_EOF)
            answer(ack, (size_t)pnd_kdp_build_ack(ack, sizeof(ack), packet.block, 0));
    }
    return PND_OK;
}

static int link_send_many(void *ctx, struct pnd_endpoint to, const struct pnd_datagram *packets,
                          unsigned count)
{
    uint8_t buf[65536];

    server.many++;
    for (unsigned i = 0; i < count; i++) {
        memcpy(buf, packets[i].header, packets[i].header_len);
        if (packets[i].payload_len)
            memcpy(buf + packets[i].header_len, packets[i].payload, packets[i].payload_len);
        link_send(ctx, to, buf, packets[i].header_len + packets[i].payload_len);
    }
    return PND_OK;
}

static int link_receive(void *ctx, void *buf, size_t cap, uint64_t timeout_us,
                        struct pnd_endpoint *ret_from)
{
    const struct answer *a = &server.queue[server.head];
    size_t len = a->len < cap ? a->len : cap;

    (void)ctx;
    server.now_us += 10;
    if (server.count == 0) {
        CHECK(timeout_us <= WAIT_MAX_US); /* what comes to no end is no wait */
        server.now_us += timeout_us;
        return PND_E_TIMEOUT;
    }
    memcpy(buf, a->bytes, len);
    server.head = (server.head + 1) % QUEUE_CAP;
    server.count--;
    *ret_from = (struct pnd_endpoint){.ip = SERVER, .port = PORT};
    return (int)len;
}

static uint64_t link_now_us(void *ctx)
{
    (void)ctx;
    return server.now_us;
}

static struct pnd_link link_to_server(bool many)
{
    return (struct pnd_link){.now_us = link_now_us,
                             .send = link_send,
                             .receive = link_receive,
                             .send_many = many ? link_send_many : NULL};
}

static struct pnd_client_config config_of(bool resume)
{
    return (struct pnd_client_config){.server = {.ip = SERVER},
                                      .name = "vmcore",
                                      .extension = &pnd_client_extension,
                                      .window = window,
                                      .window_bytes = WINDOW,
                                      .id = {1, 2, 3},
                                      .resume = resume};
}

static void begin(void)
{
    memset(&server, 0, sizeof(server));
    server.now_us = 1000;
    for (unsigned i = 0; i < FILE_BYTES; i++)
        image[i] = (uint8_t)(i * 2654435761u >> 24);
}

static int open_it(bool resume, bool many)
{
    struct pnd_client_config config = config_of(resume);
    struct pnd_link link = link_to_server(many);

    return pnd_client_open(&client, &link, &config);
}

static int send_it(size_t len)
{
    int err = PND_OK;

    for (size_t at = 0; at < len && !err; at += CHUNK)
        err = pnd_client_write_sparse(&client, image + at, len - at < CHUNK ? len - at : CHUNK);
    return err;
}

static void check_whole(void)
{
    struct pnd_client_stats stats;

    pnd_client_stats(&client, &stats);
    CHECK(stats.extended);
    CHECK_EQ(stats.bytes, FILE_BYTES);
    CHECK_EQ(server.rx.length, FILE_BYTES);
    CHECK_MEM(server.file, image, FILE_BYTES);
}

static void a_dump_goes_over_the_extension_when_both_know_it(void)
{
    for (int many = 0; many < 2; many++) {
        begin();
        CHECK_EQ(open_it(false, many), PND_OK);
        CHECK_EQ(send_it(FILE_BYTES), PND_OK);
        CHECK_EQ(pnd_client_finish(&client), PND_OK);
        check_whole();
        CHECK_EQ(server.wrqs, 1);
        CHECK_EQ(server.opens, 1);
        CHECK_EQ(server.many > 0, many);
    }
}

static void lost_packets_are_repeated(void)
{
    begin();
    server.lose_every = 5;
    CHECK_EQ(open_it(false, true), PND_OK);
    CHECK_EQ(send_it(FILE_BYTES), PND_OK);
    CHECK_EQ(pnd_client_finish(&client), PND_OK);
    check_whole();
}

static void a_server_that_does_not_know_it_is_sent_a_plain_dump(void)
{
    struct pnd_client_stats stats;

    begin();
    server.old = true;
    CHECK_EQ(open_it(false, true), PND_OK);
    CHECK_EQ(send_it(20000), PND_OK);
    CHECK_EQ(pnd_client_finish(&client), PND_OK);
    pnd_client_stats(&client, &stats);
    CHECK(!stats.extended);
    CHECK_EQ(server.wrqs, 1);
    CHECK_EQ(server.opens, 0);
    CHECK_EQ(stats.packets, 1 + (20000 + 1405) / 1406 + 1);
}

static void a_server_that_grants_it_and_never_opens_is_sent_a_plain_dump(void)
{
    begin();
    server.silent_open = true;
    CHECK_EQ(open_it(false, true), PND_OK);
    CHECK_EQ(send_it(5000), PND_OK);
    CHECK_EQ(pnd_client_finish(&client), PND_OK);
    CHECK_EQ(server.plain_wrqs, 1);
}

static void a_refusal_says_why(void)
{
    uint32_t code;

    begin();
    server.refuses = true;
    CHECK_EQ(open_it(false, true), PND_E_REFUSED);
    CHECK_STR(pnd_client_refusal(&client, &code), "not you");
    CHECK_EQ(code, PND_KDP_E_ACCESS);
    begin();
    server.stops_at = 100000;
    CHECK_EQ(open_it(false, true), PND_OK);
    CHECK_EQ(send_it(FILE_BYTES), PND_E_REFUSED);
    CHECK_STR(pnd_client_refusal(&client, &code), "no room");
    CHECK_EQ(code, PND_KDP_E_NOSPACE);
}

static void zeros_are_told_not_sent(void)
{
    begin();
    memset(image + 5 * PAGE, 0, (size_t)20 * PAGE);
    CHECK_EQ(open_it(false, true), PND_OK);
    CHECK_EQ(send_it(FILE_BYTES), PND_OK);
    CHECK_EQ(pnd_client_skip(&client, UINT64_C(1) << 40), PND_OK);
    CHECK_EQ(pnd_client_finish(&client), PND_OK);
    CHECK_EQ(server.zeros, 2);
    CHECK_EQ(server.rx.length, FILE_BYTES + (UINT64_C(1) << 40));
    CHECK_MEM(server.file, image, FILE_BYTES);
}

/* Whoever has nothing to write for a while does not let the rest wait for it. */
static void a_poll_moves_on_what_was_written(void)
{
    struct pnd_client_stats stats;
    uint64_t unsent;
    size_t at = 0;

    begin();
    CHECK_EQ(open_it(false, true), PND_OK);
    do {
        CHECK_EQ(pnd_client_write_sparse(&client, image + at, CHUNK), PND_OK);
        at += CHUNK;
        pnd_client_stats(&client, &stats);
    } while (stats.unsent_bytes < 4096 && at + CHUNK <= FILE_BYTES);
    unsent = stats.unsent_bytes;
    CHECK(unsent >= 4096);
    for (unsigned i = 0; i < 100; i++) {
        uint64_t start_us = server.now_us;

        CHECK_EQ(pnd_client_poll(&client), PND_OK);
        CHECK(server.now_us - start_us <= 64 * 10); /* it waits for nothing */
        server.now_us += 1000;
    }
    pnd_client_stats(&client, &stats);
    CHECK(stats.unsent_bytes < unsent / 2); /* a piece that is not full yet */
    CHECK_EQ(stats.sent_bytes + stats.unsent_bytes, at);
    CHECK_EQ(pnd_client_write_sparse(&client, image + at, FILE_BYTES - at), PND_OK);
    CHECK_EQ(pnd_client_finish(&client), PND_OK);
    CHECK_EQ(pnd_client_poll(&client), PND_OK);
    check_whole();
}

static void a_poll_over_apples_protocol_does_nothing_and_after_a_failure_says_it(void)
{
    struct pnd_client_stats stats;
    uint64_t start_us;

    begin();
    server.old = true;
    CHECK_EQ(open_it(false, true), PND_OK);
    CHECK_EQ(send_it(20000), PND_OK);
    start_us = server.now_us;
    CHECK_EQ(pnd_client_poll(&client), PND_OK);
    CHECK_EQ(server.now_us, start_us);
    pnd_client_stats(&client, &stats);
    CHECK_EQ(stats.unsent_bytes, 0);

    begin();
    server.stops_at = 1;
    CHECK_EQ(open_it(false, true), PND_OK);
    CHECK_EQ(send_it(FILE_BYTES), PND_E_REFUSED);
    CHECK_EQ(pnd_client_poll(&client), PND_E_REFUSED);
}

static void an_interrupted_dump_is_resumed(void)
{
    struct pnd_client_stats stats;
    unsigned datas;

    begin();
    CHECK_EQ(open_it(true, true), PND_OK);
    CHECK_EQ(send_it(200000), PND_OK);
    datas = server.datas;
    server.count = 0;
    server.now_us += 5000000;
    CHECK_EQ(open_it(true, true), PND_OK);
    CHECK_EQ(send_it(FILE_BYTES), PND_OK);
    CHECK_EQ(pnd_client_finish(&client), PND_OK);
    check_whole();
    pnd_client_stats(&client, &stats);
    CHECK(stats.resumed_bytes > 100000);
    CHECK(server.datas - datas < datas);
    CHECK(!server.fresh);
}

static void what_was_changed_since_begins_anew(void)
{
    begin();
    CHECK_EQ(open_it(true, true), PND_OK);
    CHECK_EQ(send_it(200000), PND_OK);
    image[5] ^= 1;
    server.count = 0;
    server.now_us += 5000000;
    CHECK_EQ(open_it(true, true), PND_OK);
    CHECK_EQ(send_it(FILE_BYTES), PND_E_FORMAT);
    server.count = 0;
    server.now_us += 5000000;
    CHECK_EQ(open_it(false, true), PND_OK);
    CHECK(server.fresh);
    CHECK_EQ(send_it(FILE_BYTES), PND_OK);
    CHECK_EQ(pnd_client_finish(&client), PND_OK);
    check_whole();
}

static void who_gives_up_says_so(void)
{
    begin();
    CHECK_EQ(open_it(false, true), PND_OK);
    CHECK_EQ(send_it(50000), PND_OK);
    pnd_client_abort(&client);
    CHECK(server.stopped);
    CHECK_EQ(pnd_client_write(&client, image, 1), PND_E_ABORTED);
}

static void a_window_that_is_too_small_is_refused(void)
{
    struct pnd_client_config config = config_of(false);
    struct pnd_link link = link_to_server(true);

    begin();
    config.window_bytes = PND_CLIENT_WINDOW_MIN - 1;
    CHECK_EQ(pnd_client_open(&client, &link, &config), PND_E_ARG);
    config.window_bytes = PND_CLIENT_WINDOW_MIN;
    config.window = (uint8_t *)window + 1;
    CHECK_EQ(pnd_client_open(&client, &link, &config), PND_E_ARG);
    CHECK_EQ(server.wrqs, 0);
}

int main(void)
{
    RUN(a_dump_goes_over_the_extension_when_both_know_it);
    RUN(lost_packets_are_repeated);
    RUN(a_server_that_does_not_know_it_is_sent_a_plain_dump);
    RUN(a_server_that_grants_it_and_never_opens_is_sent_a_plain_dump);
    RUN(a_refusal_says_why);
    RUN(zeros_are_told_not_sent);
    RUN(a_poll_moves_on_what_was_written);
    RUN(a_poll_over_apples_protocol_does_nothing_and_after_a_failure_says_it);
    RUN(an_interrupted_dump_is_resumed);
    RUN(what_was_changed_since_begins_anew);
    RUN(who_gives_up_says_so);
    RUN(a_window_that_is_too_small_is_refused);
    return tap_done();
}
