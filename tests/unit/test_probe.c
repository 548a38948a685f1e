/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The question whether a server is there: what it looks like on the wire, what it does to a server,
 * and which answers count. */
#include "sender/probe.h"
#include "proto/kdp_rx.h"

#include "tap.h"

enum { SERVER = 0x0a002802, STRANGER = 0x0a002803 };

static struct {
    uint64_t now_us;
    int sent;
    uint8_t dgram[64];
    size_t len;
    /* what comes back for the question of this number, from 1 on */
    int answer_at, answer_from, send_err, receive_err;
    const char *answer;
    size_t answer_len;
    bool answered;
} net;

static uint64_t now_us(void *ctx)
{
    (void)ctx;
    return net.now_us;
}

static int send_dgram(void *ctx, struct pnd_endpoint to, const void *dgram, size_t len)
{
    (void)ctx;
    CHECK(to.ip == SERVER && to.port == 1069 && len <= sizeof(net.dgram));
    memcpy(net.dgram, dgram, len);
    net.len = len;
    net.sent++;
    net.answered = false;
    return net.send_err;
}

static int receive(void *ctx, void *buf, size_t cap, uint64_t timeout_us, struct pnd_endpoint *from)
{
    (void)ctx;
    if (net.receive_err)
        return net.receive_err;
    if (net.sent != net.answer_at || net.answered) {
        net.now_us += timeout_us;
        return PND_E_TIMEOUT;
    }
    net.answered = true;
    net.now_us += 700;
    CHECK(net.answer_len <= cap);
    memcpy(buf, net.answer, net.answer_len);
    *from = (struct pnd_endpoint){(uint32_t)net.answer_from, 40000};
    return (int)net.answer_len;
}

static int probe(int at, int from, const char *answer, size_t len, uint64_t *ret_us)
{
    static const struct pnd_link link = {.now_us = now_us, .send = send_dgram, .receive = receive};

    memset(&net, 0, sizeof(net));
    net.now_us = 5000000;
    net.answer_at = at;
    net.answer_from = from;
    net.answer = answer;
    net.answer_len = len;
    *ret_us = 0;
    return pnd_probe(&link, (struct pnd_endpoint){SERVER, 1069}, ret_us);
}

#define PROBE(at, from, text, ret_us) probe(at, from, text, sizeof(text) - 1, ret_us)

static void an_error_and_an_ack_are_answers(void)
{
    uint64_t us;

    CHECK_EQ(PROBE(1, SERVER, "\0\5\0\0\0\4no\0", &us), PND_OK);
    CHECK_EQ(us, 700);
    CHECK_EQ(net.sent, 1);
    CHECK_EQ(PROBE(3, SERVER, "\0\4\0\0\0\0", &us), PND_OK);
    CHECK_EQ(us, 2 * PND_PROBE_STEP_US + 700);
}

static void nothing_else_is_and_it_ends_in_its_time(void)
{
    uint64_t us;

    CHECK_EQ(PROBE(0, SERVER, "", &us), PND_E_TIMEOUT);
    CHECK_EQ(net.sent, PND_PROBE_TRIES);
    CHECK_EQ(net.now_us - 5000000, PND_PROBE_TRIES * PND_PROBE_STEP_US);
    CHECK_EQ(PROBE(2, STRANGER, "\0\5\0\0\0\4no\0", &us), PND_E_TIMEOUT);
    CHECK_EQ(PROBE(1, SERVER, "\0\3\0\0\0\1data", &us), PND_E_TIMEOUT);
    CHECK_EQ(PROBE(1, SERVER, "", &us), PND_E_TIMEOUT);
    CHECK_EQ(us, 0);
}

static void what_the_link_says_ends_it(void)
{
    static const struct pnd_link link = {.now_us = now_us, .send = send_dgram, .receive = receive};
    uint64_t us = 0;

    memset(&net, 0, sizeof(net));
    net.send_err = PND_E_NOROUTE;
    CHECK_EQ(pnd_probe(&link, (struct pnd_endpoint){SERVER, 1069}, &us), PND_E_NOROUTE);
    net.send_err = 0;
    net.receive_err = PND_E_LINK;
    CHECK_EQ(pnd_probe(&link, (struct pnd_endpoint){SERVER, 1069}, &us), PND_E_LINK);
    CHECK_EQ(net.sent, 2);
}

/* No room, no policy, no file: the slot that it took is free again at the end of its turn. */
static void a_server_answers_it_with_an_error_and_nothing_comes_of_it(void)
{
    static const struct pnd_rx_limits limits = {.dump_bytes_max = 1 << 20};
    struct pnd_kdp_rx rx;
    struct pnd_actions actions;
    uint64_t us;

    PROBE(0, SERVER, "", &us);
    pnd_kdp_rx_init(&rx, &limits);
    CHECK_EQ(pnd_kdp_rx_datagram(&rx, net.dgram, net.len, 1, &actions), PND_E_MODE);
    CHECK(actions.count == 1 && actions.at[0].kind == PND_ACT_REPLY);
    CHECK(actions.at[0].len > 6 && memcmp(actions.at[0].data, "\0\5\0\0\0\4", 6) == 0);
    CHECK_EQ(rx.phase, PND_RX_NEW);
    CHECK_EQ(PROBE(1, SERVER, "", &us), PND_E_TIMEOUT);
    CHECK_EQ(probe(1, SERVER, (const char *)actions.at[0].data, actions.at[0].len, &us), PND_OK);
}

int main(void)
{
    RUN(an_error_and_an_ack_are_answers);
    RUN(nothing_else_is_and_it_ends_in_its_time);
    RUN(what_the_link_says_ends_it);
    RUN(a_server_answers_it_with_an_error_and_nothing_comes_of_it);
    return tap_done();
}
