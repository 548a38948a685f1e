/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The polled stack over an Ethernet of our own, under a clock of our own: who answers ARP, which
 * frames are for us, and what a dump over it looks like. */
#include "tap.h"

#include "panicd/client.h"

#include "wire/frame.h"
#include "wire/kdp.h"

enum {
    OWN = 0x0a002801,
    SERVER = 0x0a002802,
    ROUTER = 0x0a0028fe,
    STRANGER = 0x0a002803,
    PORT = 1069,
    QUEUE_CAP = 16,
    MS = 1000,
};

static const uint8_t own_mac[6] = {2, 0, 0, 0, 0, 1}, server_mac[6] = {2, 0, 0, 0, 0, 2},
                     router_mac[6] = {2, 0, 0, 0, 0, 0xfe}, all[6] = {255, 255, 255, 255, 255, 255};

struct waiting {
    uint64_t at_us;
    size_t len;
    uint8_t frame[PND_ETH_CAP];
};

static struct wire {
    uint64_t now_us;
    uint32_t answers_arp; /* this address, with server_mac or router_mac */
    unsigned arp_deaf;    /* so many requests are lost first */
    unsigned requests[3]; /* seen for server, router, anybody else */
    unsigned arp_replies; /* of the stack's own */
    struct pnd_eth sent_eth;
    struct pnd_udp4 sent; /* the last datagram of the stack */
    uint8_t sent_frame[PND_ETH_CAP];
    size_t sent_len;
    unsigned datagrams, calls;
    struct waiting queue[QUEUE_CAP];
    unsigned count;
    int send_err, receive_err;
    uint64_t down_from_us, down_until_us; /* the link; asking takes a millisecond */
    bool asking_takes_nothing;
    uint64_t poll_us; /* receive looks once, which takes so long; 0: it waits */
    uint64_t arp_takes_us;
    void (*on_datagram)(struct wire *wire);
} wire;

static bool many; /* the nic takes many frames at a time */

static void arrive(uint64_t at_us, const uint8_t *frame, int len)
{
    CHECK(len > 0 && wire.count < QUEUE_CAP);
    wire.queue[wire.count].at_us = at_us;
    wire.queue[wire.count].len = (size_t)len;
    memcpy(wire.queue[wire.count++].frame, frame, (size_t)len);
}

static void arrive_arp(uint64_t at_us, uint16_t op, uint32_t from_ip, const uint8_t *from,
                       uint32_t to_ip, const uint8_t *to)
{
    struct pnd_arp arp = {.op = op, .from_ip = from_ip, .to_ip = to_ip};
    uint8_t frame[PND_ETH_CAP];
    int len;

    memcpy(arp.from_mac, from, 6);
    memcpy(arp.to_mac, to, 6);
    len = pnd_arp_build(frame, sizeof(frame), to, &arp);
    arrive(at_us, frame, len);
}

static struct pnd_udp4 from_server(const char *text)
{
    return (struct pnd_udp4){.from_ip = SERVER,
                             .to_ip = OWN,
                             .from_port = PORT,
                             .to_port = PORT,
                             .payload = (const uint8_t *)text,
                             .payload_len = strlen(text)};
}

static void arrive_udp(const struct pnd_udp4 *udp, const uint8_t *to, int damage)
{
    uint8_t frame[PND_ETH_CAP];
    int len = pnd_udp4_build(frame, sizeof(frame), to, server_mac, udp);

    if (damage)
        frame[damage] ^= 0x10;
    arrive(wire.now_us + 1, frame, len);
}

static uint64_t nic_now_us(void *ctx)
{
    return ((struct wire *)ctx)->now_us;
}

static void take_arp(struct wire *w, const struct pnd_eth *eth)
{
    struct pnd_arp arp = {0};

    CHECK_EQ(pnd_arp_parse(eth->payload, eth->payload_len, &arp), PND_OK);
    CHECK_EQ(arp.from_ip, OWN);
    if (arp.op == PND_ARP_REPLY) {
        w->arp_replies++;
        return;
    }
    CHECK_MEM(eth->to, all, 6);
    CHECK_MEM(arp.to_mac, all, 6);
    w->requests[arp.to_ip == SERVER ? 0 : arp.to_ip == ROUTER ? 1 : 2]++;
    if (arp.to_ip != w->answers_arp || (w->arp_deaf && w->arp_deaf--))
        return;
    arrive_arp(w->now_us + (w->arp_takes_us ? w->arp_takes_us : 200), PND_ARP_REPLY, arp.to_ip,
               arp.to_ip == SERVER ? server_mac : router_mac, OWN, own_mac);
}

static int nic_send(void *ctx, const void *frame, size_t len)
{
    struct wire *w = ctx;
    struct pnd_eth eth = {0};

    if (w->send_err)
        return w->send_err;
    CHECK(len >= PND_ETH_MIN && len <= PND_ETH_CAP);
    memcpy(w->sent_frame, frame, len);
    w->sent_len = len;
    CHECK_EQ(pnd_eth_parse(w->sent_frame, len, &eth), PND_OK);
    CHECK_MEM(eth.from, own_mac, 6);
    if (eth.type == PND_ETH_ARP) {
        take_arp(w, &eth);
        return PND_OK;
    }
    CHECK_EQ(pnd_udp4_parse(eth.payload, eth.payload_len, &w->sent), PND_OK);
    w->sent_eth = eth;
    w->datagrams++;
    if (w->on_datagram)
        w->on_datagram(w);
    return PND_OK;
}

static int nic_send_many(void *ctx, const struct pnd_frame *frames, unsigned count)
{
    struct wire *w = ctx;
    int err = PND_OK;

    w->calls++;
    for (unsigned i = 0; i < count && !err; i++) {
        uint8_t frame[PND_ETH_CAP];

        CHECK(frames[i].header_len + frames[i].payload_len <= sizeof(frame));
        memcpy(frame, frames[i].header, frames[i].header_len);
        memcpy(frame + frames[i].header_len, frames[i].payload, frames[i].payload_len);
        err = nic_send(w, frame, frames[i].header_len + frames[i].payload_len);
    }
    return err;
}

static int nic_receive(void *ctx, void *buf, size_t cap, uint64_t timeout_us)
{
    struct wire *w = ctx;
    size_t len;

    if (w->receive_err)
        return w->receive_err;
    if (w->poll_us && w->poll_us < timeout_us)
        timeout_us = w->poll_us;
    if (w->count == 0 || w->queue[0].at_us > w->now_us + timeout_us) {
        w->now_us += timeout_us;
        return PND_E_TIMEOUT;
    }
    if (w->queue[0].at_us > w->now_us)
        w->now_us = w->queue[0].at_us;
    len = w->queue[0].len < cap ? w->queue[0].len : cap;
    memcpy(buf, w->queue[0].frame, len);
    memmove(w->queue, w->queue + 1, --w->count * sizeof(w->queue[0]));
    return (int)len;
}

static struct pnd_stack stack;
static struct pnd_link link_;

static unsigned deaf;
static uint64_t poll_us, arp_takes_us;

static int open_stack(uint32_t answers_arp, uint32_t router_ip, const uint8_t *gateway_mac)
{
    struct pnd_nic nic = {
        .ctx = &wire, .now_us = nic_now_us, .send = nic_send, .receive = nic_receive, .mtu = 1500};
    struct pnd_stack_config config = {
        .own_ip = OWN, .own_port = PORT, .server_ip = SERVER, .router_ip = router_ip};

    nic.send_many = many ? nic_send_many : NULL;
    memcpy(nic.mac, own_mac, 6);
    if (gateway_mac)
        memcpy(config.gateway_mac, gateway_mac, 6);
    memset(&wire, 0, sizeof(wire));
    wire.poll_us = poll_us;
    wire.arp_takes_us = arp_takes_us;
    memset(&stack, 0xa5, sizeof(stack));
    wire.answers_arp = answers_arp;
    wire.arp_deaf = deaf;
    return pnd_stack_open(&stack, &nic, &config, &link_);
}

static int receive(char *buf, size_t cap, uint64_t timeout_us)
{
    struct pnd_endpoint from = {0};
    int n = link_.receive(link_.ctx, buf, cap, timeout_us, &from);

    if (n >= 0)
        CHECK(from.ip == SERVER && from.port == PORT);
    return n;
}

static void the_server_that_answers_arp_is_used(void)
{
    uint8_t mac[6];

    CHECK_EQ(open_stack(SERVER, ROUTER, router_mac), PND_OK);
    CHECK_EQ(wire.requests[0], 1);
    CHECK_EQ(wire.requests[1], 0);
    CHECK_EQ(wire.now_us, 200);
    CHECK_EQ(pnd_stack_route(&stack, mac), PND_ROUTE_SERVER);
    CHECK_MEM(mac, server_mac, 6);
    CHECK_EQ(link_.dgram_max, 1472);
}

static void three_lost_requests_are_borne(void)
{
    deaf = 3;
    CHECK_EQ(open_stack(SERVER, 0, NULL), PND_OK);
    deaf = 0;
    CHECK_EQ(wire.requests[0], 4);
    CHECK_EQ(wire.now_us, 3 * 765 * MS + 200);
}

static void a_silent_server_is_reached_through_the_router(void)
{
    uint8_t mac[6];

    CHECK_EQ(open_stack(ROUTER, ROUTER, NULL), PND_OK);
    CHECK_EQ(wire.requests[0], 4);
    CHECK_EQ(wire.requests[1], 1);
    CHECK_EQ(wire.now_us, 4 * 765 * MS + 200);
    CHECK_EQ(pnd_stack_route(&stack, mac), PND_ROUTE_ROUTER);
    CHECK_MEM(mac, router_mac, 6);
}

static void a_silent_router_leaves_the_gateway(void)
{
    static const uint8_t gateway[6] = {2, 9, 9, 9, 9, 9};
    uint8_t mac[6];

    CHECK_EQ(open_stack(0, ROUTER, gateway), PND_OK);
    CHECK_EQ(wire.requests[0], 4);
    CHECK_EQ(wire.requests[1], 4);
    CHECK_EQ(pnd_stack_route(&stack, mac), PND_ROUTE_GATEWAY);
    CHECK_MEM(mac, gateway, 6);
}

static void without_any_way_it_says_so(void)
{
    CHECK_EQ(open_stack(0, 0, NULL), PND_E_NOROUTE);
    CHECK_EQ(wire.requests[0], 4);
    CHECK_EQ(wire.requests[1] + wire.requests[2], 0);
    CHECK_EQ(open_stack(0, ROUTER, NULL), PND_E_NOROUTE);
}

static void unusable_settings_are_refused(void)
{
    struct pnd_nic nic = {.now_us = nic_now_us, .send = nic_send, .receive = nic_receive};
    struct pnd_stack_config config = {.own_ip = OWN, .own_port = PORT, .server_ip = SERVER};

    nic.ctx = &wire;
    nic.mtu = 1500;
    CHECK_EQ(pnd_stack_open(&stack, &nic, &config, &link_), PND_E_ARG); /* no MAC */
    memcpy(nic.mac, own_mac, 6);
    nic.mtu = 575;
    CHECK_EQ(pnd_stack_open(&stack, &nic, &config, &link_), PND_E_ARG);
    nic.mtu = 1500;
    config.own_ip = 0;
    CHECK_EQ(pnd_stack_open(&stack, &nic, &config, &link_), PND_E_ARG);
    config.own_ip = OWN;
    config.own_port = 0;
    CHECK_EQ(pnd_stack_open(&stack, &nic, &config, &link_), PND_E_ARG);
    config.own_port = PORT;
    config.server_ip = 0;
    CHECK_EQ(pnd_stack_open(&stack, &nic, &config, &link_), PND_E_ARG);
}

static void a_broken_nic_ends_it(void)
{
    struct pnd_endpoint to = {.ip = SERVER, .port = PORT};
    char buf[16];

    CHECK_EQ(open_stack(SERVER, 0, NULL), PND_OK);
    wire.send_err = PND_E_LINK;
    CHECK_EQ(link_.send(link_.ctx, to, "x", 1), PND_E_LINK);
    wire.receive_err = PND_E_ABORTED;
    CHECK_EQ(receive(buf, sizeof(buf), 1), PND_E_ABORTED);
}

static void only_a_reply_of_the_address_asked_for_is_taken(void)
{
    struct pnd_nic nic = {
        .ctx = &wire, .now_us = nic_now_us, .send = nic_send, .receive = nic_receive, .mtu = 1500};
    struct pnd_stack_config config = {.own_ip = OWN, .own_port = PORT, .server_ip = SERVER};
    static const uint8_t none[6];
    uint8_t mac[6];

    memcpy(nic.mac, own_mac, 6);
    memset(&wire, 0, sizeof(wire));
    arrive_arp(1, PND_ARP_REPLY, STRANGER, router_mac, OWN, own_mac);
    arrive_arp(2, PND_ARP_REQUEST, SERVER, router_mac, STRANGER, all);
    arrive_arp(3, PND_ARP_REPLY, SERVER, none, OWN, own_mac);
    arrive_arp(4, PND_ARP_REPLY, SERVER, router_mac, OWN, router_mac); /* not sent to us */
    arrive_arp(5, PND_ARP_REPLY, SERVER, server_mac, OWN, own_mac);
    CHECK_EQ(pnd_stack_open(&stack, &nic, &config, &link_), PND_OK);
    pnd_stack_route(&stack, mac);
    CHECK_MEM(mac, server_mac, 6);
    CHECK_EQ(wire.now_us, 5);
}

static void it_answers_arp_for_itself_while_it_waits(void)
{
    char buf[16];

    CHECK_EQ(open_stack(SERVER, 0, NULL), PND_OK);
    arrive_arp(wire.now_us + 10, PND_ARP_REQUEST, STRANGER, router_mac, OWN, all);
    arrive_arp(wire.now_us + 20, PND_ARP_REQUEST, STRANGER, router_mac, ROUTER, all);
    CHECK_EQ(receive(buf, sizeof(buf), 50 * MS), PND_E_TIMEOUT);
    CHECK_EQ(wire.arp_replies, 1);
    CHECK_MEM(wire.sent_frame, router_mac, 6);
    CHECK_EQ(wire.now_us, 200 + 50 * MS);
}

static void a_datagram_leaves_as_it_should(void)
{
    struct pnd_endpoint to = {.ip = SERVER, .port = 4711};

    CHECK_EQ(open_stack(SERVER, 0, NULL), PND_OK);
    for (uint16_t id = 0; id < 3; id++) {
        CHECK_EQ(link_.send(link_.ctx, to, "panic", 5), PND_OK);
        CHECK(wire.sent.from_ip == OWN && wire.sent.to_ip == SERVER && wire.sent.id == id);
        CHECK(wire.sent.from_port == PORT && wire.sent.to_port == 4711 && !wire.sent.unchecked);
        CHECK_EQ(wire.sent.payload_len, 5);
        CHECK_MEM(wire.sent.payload, "panic", 5);
        CHECK_MEM(wire.sent_eth.to, server_mac, 6);
        CHECK_EQ(wire.sent_len, 60);
        CHECK_EQ(wire.sent_frame[14 + 6], 0x40); /* DF */
        CHECK_EQ(wire.sent_frame[14 + 8], 60);   /* TTL */
    }
}

static void count_up(struct wire *w)
{
    uint8_t want[1472];
    unsigned number = w->datagrams - 1;
    size_t len = number % 20 == 19 ? 28 : number % 20 == 18 ? 30 : 20 + 1400 + number;

    memset(want, (int)number, sizeof(want));
    memset(want, 'h', len == 28 ? 28 : 20);
    CHECK_EQ(w->sent.payload_len, len);
    CHECK_EQ(w->sent.id, number);
    CHECK(!w->sent.unchecked && w->sent.to_port == 4711);
    CHECK_MEM(w->sent.payload, want, len);
}

/* Large ones, and between them some that are short for a frame, and that have a header alone. */
static void many_datagrams_leave_in_their_order_and_few_calls(void)
{
    struct pnd_endpoint to = {.ip = SERVER, .port = 4711};
    struct pnd_datagram packets[40];
    static uint8_t payloads[40][1472];

    CHECK_EQ(open_stack(SERVER, 0, NULL), PND_OK);
    CHECK(!link_.send_many);
    many = true;
    CHECK_EQ(open_stack(SERVER, 0, NULL), PND_OK);
    many = false;
    for (unsigned i = 0; i < 40; i++) {
        packets[i] = (struct pnd_datagram){.payload = payloads[i], .header_len = 20};
        packets[i].payload_len = i % 20 == 18 ? 10 : 1400 + i;
        memset(packets[i].header, 'h', sizeof(packets[i].header));
        memset(payloads[i], (int)i, sizeof(payloads[i]));
        if (i % 20 == 19) {
            packets[i].header_len = 28;
            packets[i].payload_len = 0;
        }
    }
    wire.on_datagram = count_up;
    CHECK_EQ(link_.send_many(link_.ctx, to, packets, 40), PND_OK);
    CHECK_EQ(wire.datagrams, 40);
    CHECK(wire.calls <= 8);
    wire.send_err = PND_E_LINK;
    CHECK_EQ(link_.send_many(link_.ctx, to, packets, 40), PND_E_LINK);
}

static void only_what_is_for_us_is_received(void)
{
    struct pnd_udp4 udp;
    char buf[16];

    CHECK_EQ(open_stack(SERVER, 0, NULL), PND_OK);
    udp = from_server("stranger");
    udp.from_ip = STRANGER;
    arrive_udp(&udp, own_mac, 0);
    udp = from_server("not my ip");
    udp.to_ip = STRANGER;
    arrive_udp(&udp, own_mac, 0);
    udp = from_server("not my port");
    udp.to_port = 1070;
    arrive_udp(&udp, own_mac, 0);
    udp = from_server("not my mac");
    arrive_udp(&udp, router_mac, 0);
    udp = from_server("bad udp sum");
    arrive_udp(&udp, own_mac, 14 + 28 + 2);
    arrive_udp(&udp, own_mac, 14 + 8); /* bad IP sum */
    arrive(wire.now_us + 1, all, 6);   /* not even a header */
    CHECK_EQ(receive(buf, sizeof(buf), 10 * MS), PND_E_TIMEOUT);
    CHECK_EQ(wire.count, 0);
    udp = from_server("for us");
    arrive_udp(&udp, own_mac, 0);
    CHECK_EQ(receive(buf, sizeof(buf), 10 * MS), 6);
    CHECK_MEM(buf, "for us", 6);
    arrive_udp(&udp, own_mac, 0);
    CHECK_EQ(receive(buf, 3, 10 * MS), 3);
}

static void answer_flood(struct wire *w)
{
    struct pnd_udp4 udp = from_server("x");

    (void)w;
    udp.to_port = 1;
    for (unsigned i = wire.count; i < QUEUE_CAP; i++)
        arrive_udp(&udp, own_mac, 0);
}

static int flood_receive(void *ctx, void *buf, size_t cap, uint64_t timeout_us)
{
    answer_flood(ctx);
    wire.now_us = 0; /* a clock that stands still */
    return nic_receive(ctx, buf, cap, timeout_us);
}

static void a_flood_and_a_standing_clock_do_not_hold_it(void)
{
    struct pnd_nic nic = {.ctx = &wire,
                          .now_us = nic_now_us,
                          .send = nic_send,
                          .receive = flood_receive,
                          .mtu = 1500};
    struct pnd_stack_config config = {.own_ip = OWN, .own_port = PORT, .server_ip = SERVER};

    memcpy(nic.mac, own_mac, 6);
    memset(&wire, 0, sizeof(wire));
    CHECK_EQ(pnd_stack_open(&stack, &nic, &config, &link_), PND_E_NOROUTE);
    CHECK_EQ(wire.requests[0], 4);
}

/* A server that answers from a port of its own. */
static void serve(struct wire *w)
{
    struct pnd_kdp_packet packet;
    uint8_t ack[PND_KDP_ACK_BYTES];
    struct pnd_udp4 udp = from_server("");

    CHECK_EQ(pnd_kdp_parse(w->sent.payload, w->sent.payload_len, &packet), PND_OK);
    CHECK_EQ(w->sent.to_port, packet.op == PND_KDP_WRQ ? PND_KDP_PORT : 50000);
    udp.from_port = 50000;
    udp.payload = ack;
    udp.payload_len =
        (size_t)pnd_kdp_build_ack(ack, sizeof(ack), packet.block, packet.op == PND_KDP_WRQ ? 3 : 0);
    arrive_udp(&udp, own_mac, 0);
}

static void a_dump_goes_over_it(void)
{
    static struct pnd_client client;
    static uint8_t data[10000];
    struct pnd_client_config config = {.server = {.ip = SERVER}, .name = "core-1"};
    struct pnd_client_stats stats;

    CHECK_EQ(open_stack(SERVER, 0, NULL), PND_OK);
    wire.on_datagram = serve;
    memset(data, 7, sizeof(data));
    CHECK_EQ(pnd_client_open(&client, &link_, &config), PND_OK);
    CHECK_EQ(pnd_client_write(&client, data, sizeof(data)), PND_OK);
    CHECK_EQ(pnd_client_finish(&client), PND_OK);
    pnd_client_stats(&client, &stats);
    CHECK_EQ(stats.sent_bytes, sizeof(data));
    CHECK_EQ(stats.packets, 10);
    CHECK_EQ(stats.retransmissions, 0);
    CHECK_EQ(wire.datagrams, 10);
}

static bool nic_link_up(void *ctx)
{
    struct wire *w = ctx;
    bool up = w->now_us < w->down_from_us || w->now_us >= w->down_until_us;

    if (!up && !w->asking_takes_nothing)
        w->now_us += MS;
    return up;
}

static unsigned waits;

static void count_wait(void *ctx)
{
    CHECK(ctx == &waits);
    waits++;
}

static struct pnd_nic linked_nic(void)
{
    struct pnd_nic nic = {.ctx = &wire,
                          .now_us = nic_now_us,
                          .send = nic_send,
                          .receive = nic_receive,
                          .link_up = nic_link_up,
                          .mtu = 1500};

    memcpy(nic.mac, own_mac, 6);
    memset(&wire, 0, sizeof(wire));
    memset(&stack, 0xa5, sizeof(stack));
    wire.answers_arp = SERVER;
    waits = 0;
    return nic;
}

static struct pnd_stack_config linked_config(void)
{
    return (struct pnd_stack_config){.own_ip = OWN,
                                     .own_port = PORT,
                                     .server_ip = SERVER,
                                     .waiting = count_wait,
                                     .waiting_ctx = &waits};
}

static void a_link_that_is_down_is_waited_for_and_costs_no_time(void)
{
    struct pnd_nic nic = linked_nic();
    struct pnd_stack_config config = linked_config();
    struct pnd_endpoint to = {.ip = SERVER, .port = PORT};
    uint64_t before_us;
    char buf[16];

    wire.down_until_us = 20000 * MS;
    CHECK_EQ(pnd_stack_open(&stack, &nic, &config, &link_), PND_OK);
    CHECK_EQ(waits, 1);
    CHECK_EQ(wire.requests[0], 1); /* asked once it was up, and answered at once */
    CHECK(wire.now_us >= 20000 * MS && wire.now_us < 20010 * MS);
    before_us = link_.now_us(link_.ctx);
    CHECK(before_us < 10 * MS);
    wire.down_from_us = wire.now_us;
    wire.down_until_us = wire.now_us + 60000 * MS;
    CHECK_EQ(link_.send(link_.ctx, to, "x", 1), PND_OK);
    wire.down_until_us = wire.now_us + 60000 * MS;
    CHECK_EQ(receive(buf, sizeof(buf), 5 * MS), PND_E_TIMEOUT);
    CHECK_EQ(waits, 3);
    CHECK_EQ(link_.now_us(link_.ctx) - before_us, 5 * MS);
}

static void a_link_that_stays_down_is_not_waited_for_for_ever(void)
{
    struct pnd_nic nic = linked_nic();
    struct pnd_stack_config config = linked_config();

    wire.down_until_us = UINT64_MAX;
    config.link_wait_us = 30000 * MS;
    CHECK_EQ(pnd_stack_open(&stack, &nic, &config, &link_), PND_E_LINK);
    CHECK(wire.now_us >= 30000 * MS && wire.now_us < 30010 * MS);
    nic = linked_nic();
    config.link_wait_us = 0;
    wire.down_until_us = UINT64_MAX;
    CHECK_EQ(pnd_stack_open(&stack, &nic, &config, &link_), PND_E_LINK);
    CHECK(wire.now_us >= UINT64_C(3600000) * MS && wire.now_us < UINT64_C(3600010) * MS);
    nic = linked_nic();
    wire.down_until_us = UINT64_MAX;
    wire.asking_takes_nothing = true; /* a clock that stands still */
    CHECK_EQ(pnd_stack_open(&stack, &nic, &config, &link_), PND_E_LINK);
    CHECK_EQ(wire.now_us, 0);
}

static void without_arp_nobody_is_asked_and_nobody_answered(void)
{
    struct pnd_nic nic = linked_nic();
    struct pnd_stack_config config = linked_config();
    char buf[16];
    uint8_t mac[6];

    config.no_arp = true;
    config.router_ip = ROUTER;
    CHECK_EQ(pnd_stack_open(&stack, &nic, &config, &link_), PND_E_NOROUTE);
    CHECK_EQ(wire.now_us, 0);
    memcpy(config.gateway_mac, router_mac, 6);
    CHECK_EQ(pnd_stack_open(&stack, &nic, &config, &link_), PND_OK);
    CHECK_EQ(pnd_stack_route(&stack, mac), PND_ROUTE_GATEWAY);
    CHECK_MEM(mac, router_mac, 6);
    arrive_arp(wire.now_us + 10, PND_ARP_REQUEST, STRANGER, router_mac, OWN, all);
    CHECK_EQ(receive(buf, sizeof(buf), 50 * MS), PND_E_TIMEOUT);
    CHECK_EQ(wire.count, 0);
    CHECK_EQ(wire.arp_replies + wire.requests[0] + wire.requests[1], 0);
}

static void a_gateway_that_is_known_is_taken_unasked_and_we_still_answer(void)
{
    struct pnd_nic nic = linked_nic();
    struct pnd_stack_config config = linked_config();
    uint8_t mac[6];
    char buf[16];

    config.gateway_first = true;
    config.router_ip = ROUTER;
    CHECK_EQ(pnd_stack_open(&stack, &nic, &config, &link_), PND_E_NOROUTE); /* none is known */
    memcpy(config.gateway_mac, router_mac, 6);
    CHECK_EQ(pnd_stack_open(&stack, &nic, &config, &link_), PND_OK);
    CHECK_EQ(wire.now_us, 0);
    CHECK_EQ(pnd_stack_route(&stack, mac), PND_ROUTE_GATEWAY);
    CHECK_MEM(mac, router_mac, 6);
    arrive_arp(wire.now_us + 10, PND_ARP_REQUEST, STRANGER, router_mac, OWN, all);
    CHECK_EQ(receive(buf, sizeof(buf), 50 * MS), PND_E_TIMEOUT);
    CHECK_EQ(wire.arp_replies, 1);
    CHECK_EQ(wire.requests[0] + wire.requests[1], 0);
}

static void a_datagram_to_the_debuggers_port_ends_it(void)
{
    struct pnd_nic nic = linked_nic();
    struct pnd_stack_config config = linked_config();
    struct pnd_udp4 udp = from_server("x");
    char buf[16];

    config.debugger_port = 41139;
    udp.from_ip = STRANGER;
    udp.to_port = 41139;
    CHECK_EQ(pnd_stack_open(&stack, &nic, &config, &link_), PND_OK);
    udp.to_ip = STRANGER; /* not to us */
    arrive_udp(&udp, own_mac, 0);
    CHECK_EQ(receive(buf, sizeof(buf), 5 * MS), PND_E_TIMEOUT);
    udp.to_ip = OWN;
    arrive_udp(&udp, own_mac, 0);
    CHECK_EQ(receive(buf, sizeof(buf), 5 * MS), PND_E_ABORTED);
    arrive_udp(&udp, own_mac, 0); /* also while the way is looked for */
    wire.answers_arp = 0;
    CHECK_EQ(pnd_stack_open(&stack, &nic, &config, &link_), PND_E_ABORTED);
    config.debugger_port = 0;
    wire.answers_arp = SERVER;
    CHECK_EQ(pnd_stack_open(&stack, &nic, &config, &link_), PND_OK);
    arrive_udp(&udp, own_mac, 0);
    CHECK_EQ(receive(buf, sizeof(buf), 5 * MS), PND_E_TIMEOUT);
}

static void who_only_listens_answers_arp_and_asks_nobody(void)
{
    struct pnd_nic nic = linked_nic();
    struct pnd_stack_config config = {.own_ip = OWN, .debugger_port = 41139};
    struct pnd_udp4 udp = from_server("x");

    CHECK_EQ(pnd_stack_listen(&stack, &nic, &config), PND_OK);
    arrive_arp(10, PND_ARP_REQUEST, STRANGER, router_mac, OWN, all);
    arrive_arp(20, PND_ARP_REQUEST, STRANGER, router_mac, OWN, all);
    CHECK_EQ(pnd_stack_serve(&stack, 30 * MS), PND_OK);
    CHECK_EQ(wire.arp_replies, 2);
    CHECK_EQ(wire.now_us, 30 * MS);
    CHECK_EQ(wire.requests[0] + wire.requests[1] + wire.requests[2], 0);
    wire.down_from_us = wire.now_us;
    wire.down_until_us = UINT64_MAX;
    CHECK_EQ(pnd_stack_serve(&stack, 30 * MS), PND_OK); /* no longer than it was told */
    CHECK(wire.now_us >= 60 * MS && wire.now_us < 62 * MS);
    wire.down_until_us = 0;
    udp.to_port = 41139;
    arrive_udp(&udp, own_mac, 0);
    CHECK_EQ(pnd_stack_serve(&stack, 30 * MS), PND_E_ABORTED);
    wire.receive_err = PND_E_LINK;
    CHECK_EQ(pnd_stack_serve(&stack, 30 * MS), PND_E_LINK);
    config.own_ip = 0;
    CHECK_EQ(pnd_stack_listen(&stack, &nic, &config), PND_E_ARG);
    config.own_ip = OWN;
    nic.mtu = 575;
    CHECK_EQ(pnd_stack_listen(&stack, &nic, &config), PND_E_ARG);
}

static void a_nic_that_only_looks_is_asked_until_the_time_is_up(void)
{
    poll_us = 1;
    arp_takes_us = 500000;
    CHECK_EQ(open_stack(SERVER, 0, NULL), PND_OK);
    CHECK_EQ(wire.requests[0], 1);
    CHECK(wire.now_us >= 500000);
    CHECK_EQ(open_stack(0, 0, NULL), PND_E_NOROUTE);
    CHECK_EQ(wire.now_us, 4 * 765000);
    poll_us = arp_takes_us = 0;
}

int main(void)
{
    RUN(the_server_that_answers_arp_is_used);
    RUN(three_lost_requests_are_borne);
    RUN(a_silent_server_is_reached_through_the_router);
    RUN(a_silent_router_leaves_the_gateway);
    RUN(without_any_way_it_says_so);
    RUN(unusable_settings_are_refused);
    RUN(a_broken_nic_ends_it);
    RUN(only_a_reply_of_the_address_asked_for_is_taken);
    RUN(it_answers_arp_for_itself_while_it_waits);
    RUN(a_datagram_leaves_as_it_should);
    RUN(many_datagrams_leave_in_their_order_and_few_calls);
    RUN(only_what_is_for_us_is_received);
    RUN(a_flood_and_a_standing_clock_do_not_hold_it);
    RUN(a_dump_goes_over_it);
    RUN(a_link_that_is_down_is_waited_for_and_costs_no_time);
    RUN(a_link_that_stays_down_is_not_waited_for_for_ever);
    RUN(without_arp_nobody_is_asked_and_nobody_answered);
    RUN(a_gateway_that_is_known_is_taken_unasked_and_we_still_answer);
    RUN(a_datagram_to_the_debuggers_port_ends_it);
    RUN(who_only_listens_answers_arp_and_asks_nobody);
    RUN(a_nic_that_only_looks_is_asked_until_the_time_is_up);
    return tap_done();
}
