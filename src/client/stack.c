/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The polled stack: a link of datagrams out of an Ethernet interface. One peer, one port, no
 * fragments, no ICMP; what is not for us is dropped where it is found not to be. */
#include "panicd/client.h"

#include <stdbool.h>
#include <string.h>

#include "wire/frame.h"

enum {
    ARP_REQUESTS = 4,
    ARP_WAIT_US = 765000, /* @source PROTOCOL.md#kdp-2.5: 255 polls of 3 ms */
    MTU_MIN = 576,
    FRAMES_MAX = 4096, /* foreign frames in one receive: a flood, or a clock that stands still */
    MANY_CAP = 14,     /* frames that go out together */
    HEADER_CAP = PND_ETH_BYTES + PND_UDP_OVERHEAD + sizeof(((struct pnd_datagram *)0)->header),
    LINK_STILL_MAX = 10000000, /* questions to a link that is down, without the clock moving */
};

#define LINK_WAIT_US UINT64_C(3600000000)

struct stack {
    struct pnd_nic nic;
    struct pnd_stack_config config;
    uint8_t peer_mac[PND_MAC_BYTES];
    enum pnd_stack_route route;
    uint16_t id;
    uint64_t down_us; /* how long the link was waited for: not a time of the dump */
    uint8_t rx[PND_ETH_CAP];
    union { /* a frame that goes out, or the headers of some */
        uint8_t tx[PND_ETH_CAP];
        struct {
            struct pnd_frame frames[MANY_CAP];
            uint8_t headers[MANY_CAP][HEADER_CAP];
        } many;
    };
};

_Static_assert(sizeof(struct stack) <= sizeof(struct pnd_stack), "the public struct holds it");

static const uint8_t broadcast[PND_MAC_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static struct stack *stack_of(void *opaque)
{
    return opaque;
}

static bool mac_known(const uint8_t *mac)
{
    static const uint8_t none[PND_MAC_BYTES];

    return memcmp(mac, none, sizeof(none)) != 0;
}

static bool link_up(const struct stack *s)
{
    return !s->nic.link_up || s->nic.link_up(s->nic.ctx);
}

/* The dump's own time: it stands while the link is down. */
static uint64_t stack_now_us(const struct stack *s)
{
    return s->nic.now_us(s->nic.ctx) - s->down_us;
}

/* @param start_us  when the link was found to be down
 * @return PND_OK the link is up; PND_E_LINK it was not within @p timeout_us
 *   @source PROTOCOL.md#kdp-2.6 */
static int await_link(struct stack *s, uint64_t start_us, uint64_t timeout_us)
{
    uint64_t now_us = s->nic.now_us(s->nic.ctx), before_us = now_us;
    uint32_t still = 0;
    bool up = false;

    while (!up && now_us - start_us < timeout_us && still < LINK_STILL_MAX) {
        up = link_up(s);
        now_us = s->nic.now_us(s->nic.ctx);
        still = now_us == before_us ? still + 1 : 0;
        before_us = now_us;
    }
    s->down_us += now_us - start_us;
    return up ? PND_OK : PND_E_LINK;
}

static int need_link(struct stack *s)
{
    uint64_t start_us = s->nic.now_us(s->nic.ctx);

    if (link_up(s))
        return PND_OK;
    if (s->config.waiting)
        s->config.waiting(s->config.waiting_ctx);
    return await_link(s, start_us, s->config.link_wait_us);
}

static int send_frame(struct stack *s, int len)
{
    int err = len < 0 ? len : need_link(s);

    return err ? err : s->nic.send(s->nic.ctx, s->tx, (size_t)len);
}

static int send_arp(struct stack *s, uint16_t op, const uint8_t *to, uint32_t to_ip)
{
    struct pnd_arp arp = {.op = op, .from_ip = s->config.own_ip, .to_ip = to_ip};

    memcpy(arp.from_mac, s->nic.mac, PND_MAC_BYTES);
    memcpy(arp.to_mac, to, PND_MAC_BYTES);
    return send_frame(s, pnd_arp_build(s->tx, sizeof(s->tx), to, &arp));
}

/* A frame that came, as far as it may be for us. */
struct frame {
    enum { FRAME_OTHER, FRAME_ARP_REPLY, FRAME_UDP } kind;
    struct pnd_arp arp;
    struct pnd_udp4 udp;
};

/* Requests for our own address are answered here. */
static void take_arp(struct stack *s, const struct pnd_eth *eth, struct frame *ret)
{
    if (s->config.no_arp || pnd_arp_parse(eth->payload, eth->payload_len, &ret->arp) != PND_OK)
        return;
    if (ret->arp.op == PND_ARP_REPLY)
        ret->kind = FRAME_ARP_REPLY;
    else if (ret->arp.op == PND_ARP_REQUEST && ret->arp.to_ip == s->config.own_ip && link_up(s))
        /* If the answer is lost, they ask again. */
        (void)send_arp(s, PND_ARP_REPLY, ret->arp.from_mac, ret->arp.from_ip);
}

/* One frame from the nic, if there is one in time. @return PND_OK with @p ret filled;
 * PND_E_ABORTED it was for the debugger's port; what the nic returned */
static int receive_frame(struct stack *s, uint64_t timeout_us, struct frame *ret)
{
    struct pnd_eth eth;
    int len = s->nic.receive(s->nic.ctx, s->rx, sizeof(s->rx), timeout_us);

    ret->kind = FRAME_OTHER;
    if (len < 0)
        return len;
    if ((size_t)len > sizeof(s->rx)) /* a nic that says how long it was before it was cut */
        len = (int)sizeof(s->rx);
    if (pnd_eth_parse(s->rx, (size_t)len, &eth) != PND_OK)
        return PND_OK;
    if (memcmp(eth.to, s->nic.mac, PND_MAC_BYTES) != 0 &&
        memcmp(eth.to, broadcast, PND_MAC_BYTES) != 0)
        return PND_OK;
    if (eth.type == PND_ETH_ARP)
        take_arp(s, &eth, ret);
    if (eth.type != PND_ETH_IPV4 ||
        pnd_udp4_parse(eth.payload, eth.payload_len, &ret->udp) != PND_OK ||
        ret->udp.to_ip != s->config.own_ip)
        return PND_OK;
    if (s->config.debugger_port && ret->udp.to_port == s->config.debugger_port)
        return PND_E_ABORTED;
    ret->kind = FRAME_UDP;
    return PND_OK;
}

static uint64_t left_us(const struct stack *s, uint64_t start_us, uint64_t timeout_us)
{
    uint64_t gone_us = stack_now_us(s) - start_us;

    return gone_us < timeout_us ? timeout_us - gone_us : 0;
}

/* Waits for one ARP reply from @p ip. @return PND_OK, PND_E_TIMEOUT, or what the nic returned */
static int await_arp(struct stack *s, uint32_t ip, uint64_t timeout_us)
{
    uint64_t start_us = stack_now_us(s), wait_us = timeout_us;
    uint32_t frames = 0, still = 0;

    while (frames < FRAMES_MAX && still < LINK_STILL_MAX && wait_us > 0) {
        uint64_t before_us = wait_us;
        struct frame frame;
        int err = need_link(s);

        if (err == PND_OK)
            err = receive_frame(s, wait_us, &frame);
        if (err == PND_OK && frame.kind == FRAME_ARP_REPLY && frame.arp.from_ip == ip &&
            mac_known(frame.arp.from_mac)) {
            memcpy(s->peer_mac, frame.arp.from_mac, PND_MAC_BYTES);
            return PND_OK;
        }
        if (err != PND_OK && err != PND_E_TIMEOUT)
            return err;
        frames +=
            err == PND_OK; /* a nic may say early that nothing has come, any number of times */
        wait_us = left_us(s, start_us, timeout_us);
        still = wait_us == before_us ? still + 1 : 0;
    }
    return PND_E_TIMEOUT;
}

/* @return PND_OK; PND_E_TIMEOUT nobody has this address; what the nic returned */
static int resolve(struct stack *s, uint32_t ip)
{
    int err = PND_E_TIMEOUT;

    for (unsigned i = 0; i < ARP_REQUESTS && err == PND_E_TIMEOUT; i++) {
        err = send_arp(s, PND_ARP_REQUEST, broadcast, ip);
        if (err)
            return err;
        err = await_arp(s, ip, s->config.arp_wait_us);
    }
    return err;
}

static int find_route(struct stack *s)
{
    bool ask = !s->config.no_arp && !s->config.gateway_first;
    int err = PND_E_TIMEOUT;

    s->route = PND_ROUTE_SERVER;
    if (ask)
        err = resolve(s, s->config.server_ip);
    if (err == PND_E_TIMEOUT && s->config.router_ip && ask) {
        err = resolve(s, s->config.router_ip);
        s->route = PND_ROUTE_ROUTER;
    }
    if (err != PND_E_TIMEOUT)
        return err;
    if (!mac_known(s->config.gateway_mac))
        return PND_E_NOROUTE;
    memcpy(s->peer_mac, s->config.gateway_mac, PND_MAC_BYTES);
    s->route = PND_ROUTE_GATEWAY;
    return PND_OK;
}

static uint64_t link_now_us(void *ctx)
{
    return stack_now_us(stack_of(ctx));
}

static struct pnd_udp4 udp_to(struct stack *s, struct pnd_endpoint to)
{
    return (struct pnd_udp4){
        .from_ip = s->config.own_ip,
        .from_port = s->config.own_port,
        .to_ip = to.ip,
        .to_port = to.port,
        .id = s->id++,
    };
}

static int link_send(void *ctx, struct pnd_endpoint to, const void *dgram, size_t len)
{
    struct stack *s = stack_of(ctx);
    struct pnd_udp4 udp = udp_to(s, to);

    udp.payload = dgram;
    udp.payload_len = len;
    return send_frame(s, pnd_udp4_build(s->tx, sizeof(s->tx), s->peer_mac, s->nic.mac, &udp));
}

/* Is it one whose payload can stay where it is? */
static bool has_parts(const struct pnd_datagram *packet)
{
    return packet->header_len % 2 == 0 &&
           PND_ETH_BYTES + PND_UDP_OVERHEAD + packet->header_len + packet->payload_len >=
               PND_ETH_MIN;
}

/* The headers of the next frames. @return how many of @p count packets have one */
static unsigned fill_frames(struct stack *s, struct pnd_endpoint to,
                            const struct pnd_datagram *packets, unsigned count)
{
    unsigned n = 0;

    for (; n < count && n < MANY_CAP && has_parts(&packets[n]); n++) {
        const struct pnd_datagram *p = &packets[n];
        uint8_t *at = s->many.headers[n];
        struct pnd_udp4 udp = udp_to(s, to);
        int len;

        udp.payload = p->payload;
        udp.payload_len = p->payload_len;
        len = pnd_udp4_build_front(at, HEADER_CAP, s->peer_mac, s->nic.mac, &udp, p->header,
                                   p->header_len);
        s->many.frames[n] = (struct pnd_frame){.header = at,
                                               .header_len = (size_t)len,
                                               .payload = p->payload,
                                               .payload_len = p->payload_len};
    }
    return n;
}

/* One that is too short for a frame, or has no payload. */
static int send_whole(struct stack *s, struct pnd_endpoint to, const struct pnd_datagram *packet)
{
    uint8_t dgram[sizeof(packet->header) + PND_ETH_MIN];
    size_t len = packet->header_len + packet->payload_len;

    if (len > sizeof(dgram))
        return PND_E_ARG;
    memcpy(dgram, packet->header, packet->header_len);
    if (packet->payload_len)
        memcpy(dgram + packet->header_len, packet->payload, packet->payload_len);
    return link_send(s, to, dgram, len);
}

static int link_send_many(void *ctx, struct pnd_endpoint to, const struct pnd_datagram *packets,
                          unsigned count)
{
    struct stack *s = stack_of(ctx);
    int err = need_link(s);

    for (unsigned i = 0, n; i < count && !err; i += n) {
        n = fill_frames(s, to, packets + i, count - i);
        if (n)
            err = s->nic.send_many(s->nic.ctx, s->many.frames, n);
        else
            err = send_whole(s, to, &packets[i]);
        n += n == 0;
    }
    return err;
}

static bool for_us(const struct stack *s, const struct pnd_udp4 *udp)
{
    return udp->to_port == s->config.own_port && udp->from_ip == s->config.server_ip;
}

static int link_receive(void *ctx, void *buf, size_t cap, uint64_t timeout_us,
                        struct pnd_endpoint *ret_from)
{
    struct stack *s = stack_of(ctx);
    uint64_t start_us = stack_now_us(s), wait_us = timeout_us;

    for (unsigned i = 0; i < FRAMES_MAX; i++) {
        struct frame frame;
        int err = need_link(s);

        if (err == PND_OK)
            err = receive_frame(s, wait_us, &frame);
        if (err)
            return err;
        if (frame.kind == FRAME_UDP && for_us(s, &frame.udp)) {
            size_t len = frame.udp.payload_len < cap ? frame.udp.payload_len : cap;

            if (len)
                memcpy(buf, frame.udp.payload, len);
            *ret_from = (struct pnd_endpoint){.ip = frame.udp.from_ip, .port = frame.udp.from_port};
            return (int)len;
        }
        wait_us = left_us(s, start_us, timeout_us);
        if (wait_us == 0)
            break;
    }
    return PND_E_TIMEOUT;
}

static size_t mtu_of(const struct pnd_nic *nic)
{
    return nic->mtu < PND_ETH_CAP - PND_ETH_BYTES ? nic->mtu : PND_ETH_CAP - PND_ETH_BYTES;
}

int pnd_stack_listen(struct pnd_stack *stack, const struct pnd_nic *nic,
                     const struct pnd_stack_config *config)
{
    struct stack *s = stack_of(stack);

    if (!config->own_ip || mtu_of(nic) < MTU_MIN || !mac_known(nic->mac))
        return PND_E_ARG;
    memset(s, 0, sizeof(*s));
    s->nic = *nic;
    s->config = *config;
    if (s->config.arp_wait_us == 0)
        s->config.arp_wait_us = ARP_WAIT_US;
    if (s->config.link_wait_us == 0)
        s->config.link_wait_us = LINK_WAIT_US;
    return PND_OK;
}

int pnd_stack_open(struct pnd_stack *stack, const struct pnd_nic *nic,
                   const struct pnd_stack_config *config, struct pnd_link *ret)
{
    int err = PND_E_ARG;

    if (config->own_port && config->server_ip)
        err = pnd_stack_listen(stack, nic, config);
    if (err == PND_OK)
        err = find_route(stack_of(stack));
    if (err)
        return err;
    *ret = (struct pnd_link){
        .ctx = stack,
        .now_us = link_now_us,
        .send = link_send,
        .receive = link_receive,
        .send_many = nic->send_many ? link_send_many : NULL,
        .dgram_max = mtu_of(nic) - PND_UDP_OVERHEAD,
    };
    return PND_OK;
}

int pnd_stack_serve(struct pnd_stack *stack, uint64_t timeout_us)
{
    struct stack *s = stack_of(stack);
    uint64_t start_us = s->nic.now_us(s->nic.ctx);

    for (unsigned i = 0; i < FRAMES_MAX; i++) {
        uint64_t now_us = s->nic.now_us(s->nic.ctx), left = timeout_us - (now_us - start_us);
        struct frame frame;
        int err;

        if (now_us - start_us >= timeout_us)
            break;
        if (!link_up(s) && await_link(s, now_us, left) != PND_OK)
            break;
        err = receive_frame(s, left, &frame);
        if (err != PND_OK && err != PND_E_TIMEOUT)
            return err;
    }
    return PND_OK;
}

enum pnd_stack_route pnd_stack_route(const struct pnd_stack *stack, uint8_t ret_mac[6])
{
    const struct stack *s = (const struct stack *)(const void *)stack;

    memcpy(ret_mac, s->peer_mac, PND_MAC_BYTES);
    return s->route;
}
