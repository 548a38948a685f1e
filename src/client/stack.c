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
};

struct stack {
    struct pnd_nic nic;
    struct pnd_stack_config config;
    uint8_t peer_mac[PND_MAC_BYTES];
    enum pnd_stack_route route;
    uint16_t id;
    uint8_t rx[PND_ETH_CAP];
    uint8_t tx[PND_ETH_CAP];
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

static int send_arp(struct stack *s, uint16_t op, const uint8_t *to, uint32_t to_ip)
{
    struct pnd_arp arp = {.op = op, .from_ip = s->config.own_ip, .to_ip = to_ip};
    int len;

    memcpy(arp.from_mac, s->nic.mac, PND_MAC_BYTES);
    memcpy(arp.to_mac, to, PND_MAC_BYTES);
    len = pnd_arp_build(s->tx, sizeof(s->tx), to, &arp);
    return s->nic.send(s->nic.ctx, s->tx, (size_t)len);
}

/* One frame from the nic, if there is one in time; requests for our own address are answered on
 * the way. @return PND_OK with @p ret filled; PND_E_TYPE not for us; what the nic returned */
static int receive_frame(struct stack *s, uint64_t timeout_us, struct pnd_eth *ret,
                         struct pnd_arp *ret_arp)
{
    int len = s->nic.receive(s->nic.ctx, s->rx, sizeof(s->rx), timeout_us);

    if (len < 0)
        return len;
    if (pnd_eth_parse(s->rx, (size_t)len, ret) != PND_OK)
        return PND_E_TYPE;
    if (memcmp(ret->to, s->nic.mac, PND_MAC_BYTES) != 0 &&
        memcmp(ret->to, broadcast, PND_MAC_BYTES) != 0)
        return PND_E_TYPE;
    if (ret->type != PND_ETH_ARP)
        return PND_OK;
    if (pnd_arp_parse(ret->payload, ret->payload_len, ret_arp) != PND_OK)
        return PND_E_TYPE;
    if (ret_arp->op != PND_ARP_REQUEST || ret_arp->to_ip != s->config.own_ip)
        return PND_OK;
    /* If the answer is lost, they ask again. */
    (void)send_arp(s, PND_ARP_REPLY, ret_arp->from_mac, ret_arp->from_ip);
    return PND_E_TYPE;
}

static uint64_t left_us(const struct stack *s, uint64_t start_us, uint64_t timeout_us)
{
    uint64_t gone_us = s->nic.now_us(s->nic.ctx) - start_us;

    return gone_us < timeout_us ? timeout_us - gone_us : 0;
}

/* Waits for one ARP reply from @p ip. @return PND_OK, PND_E_TIMEOUT, or what the nic returned */
static int await_arp(struct stack *s, uint32_t ip, uint64_t timeout_us)
{
    uint64_t start_us = s->nic.now_us(s->nic.ctx), wait_us = timeout_us;

    for (unsigned i = 0; i < FRAMES_MAX; i++) {
        struct pnd_arp arp;
        struct pnd_eth eth;
        int err = receive_frame(s, wait_us, &eth, &arp);

        if (err == PND_OK && eth.type == PND_ETH_ARP && arp.op == PND_ARP_REPLY &&
            arp.from_ip == ip && mac_known(arp.from_mac)) {
            memcpy(s->peer_mac, arp.from_mac, PND_MAC_BYTES);
            return PND_OK;
        }
        if (err != PND_OK && err != PND_E_TYPE && err != PND_E_TIMEOUT)
            return err;
        wait_us = left_us(s, start_us, timeout_us);
        if (wait_us == 0)
            break;
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
    int err = resolve(s, s->config.server_ip);

    s->route = PND_ROUTE_SERVER;
    if (err == PND_E_TIMEOUT && s->config.router_ip) {
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
    const struct stack *s = stack_of(ctx);

    return s->nic.now_us(s->nic.ctx);
}

static int link_send(void *ctx, struct pnd_endpoint to, const void *dgram, size_t len)
{
    struct stack *s = stack_of(ctx);
    struct pnd_udp4 udp = {
        .from_ip = s->config.own_ip,
        .from_port = s->config.own_port,
        .to_ip = to.ip,
        .to_port = to.port,
        .id = s->id++,
        .payload = dgram,
        .payload_len = len,
    };
    int frame_len = pnd_udp4_build(s->tx, sizeof(s->tx), s->peer_mac, s->nic.mac, &udp);

    if (frame_len < 0)
        return frame_len;
    return s->nic.send(s->nic.ctx, s->tx, (size_t)frame_len);
}

static bool for_us(const struct stack *s, const struct pnd_udp4 *udp)
{
    return udp->to_ip == s->config.own_ip && udp->to_port == s->config.own_port &&
           udp->from_ip == s->config.server_ip;
}

static int link_receive(void *ctx, void *buf, size_t cap, uint64_t timeout_us,
                        struct pnd_endpoint *ret_from)
{
    struct stack *s = stack_of(ctx);
    uint64_t start_us = s->nic.now_us(s->nic.ctx), wait_us = timeout_us;

    for (unsigned i = 0; i < FRAMES_MAX; i++) {
        struct pnd_arp arp;
        struct pnd_eth eth;
        struct pnd_udp4 udp;
        int err = receive_frame(s, wait_us, &eth, &arp);

        if (err == PND_OK && eth.type == PND_ETH_IPV4 &&
            pnd_udp4_parse(eth.payload, eth.payload_len, &udp) == PND_OK && for_us(s, &udp)) {
            size_t len = udp.payload_len < cap ? udp.payload_len : cap;

            if (len)
                memcpy(buf, udp.payload, len);
            *ret_from = (struct pnd_endpoint){.ip = udp.from_ip, .port = udp.from_port};
            return (int)len;
        }
        if (err != PND_OK && err != PND_E_TYPE)
            return err;
        wait_us = left_us(s, start_us, timeout_us);
        if (wait_us == 0)
            break;
    }
    return PND_E_TIMEOUT;
}

int pnd_stack_open(struct pnd_stack *stack, const struct pnd_nic *nic,
                   const struct pnd_stack_config *config, struct pnd_link *ret)
{
    struct stack *s = stack_of(stack);
    size_t mtu = nic->mtu < PND_ETH_CAP - PND_ETH_BYTES ? nic->mtu : PND_ETH_CAP - PND_ETH_BYTES;
    int err;

    if (!config->own_ip || !config->own_port || !config->server_ip || mtu < MTU_MIN ||
        !mac_known(nic->mac))
        return PND_E_ARG;
    memset(s, 0, sizeof(*s));
    s->nic = *nic;
    s->config = *config;
    if (s->config.arp_wait_us == 0)
        s->config.arp_wait_us = ARP_WAIT_US;
    err = find_route(s);
    if (err)
        return err;
    *ret = (struct pnd_link){
        .ctx = s,
        .now_us = link_now_us,
        .send = link_send,
        .receive = link_receive,
        .dgram_max = mtu - PND_UDP_OVERHEAD,
    };
    return PND_OK;
}

enum pnd_stack_route pnd_stack_route(const struct pnd_stack *stack, uint8_t ret_mac[6])
{
    const struct stack *s = (const struct stack *)(const void *)stack;

    memcpy(ret_mac, s->peer_mac, PND_MAC_BYTES);
    return s->route;
}
