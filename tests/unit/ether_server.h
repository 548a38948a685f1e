/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A dump server on an Ethernet in memory: what is transmitted goes through wire/frame.h to the
 * model owner, its answers wait to be polled. It answers ARP for itself. */
#ifndef PND_TESTS_ETHER_SERVER_H
#define PND_TESTS_ETHER_SERVER_H

#include "sim/owner.h"
#include "tap.h"
#include "wire/frame.h"

enum { ETHER_QUEUE_CAP = 4 };

struct ether_server {
    struct owner owner;
    uint32_t ip;
    uint8_t mac[PND_MAC_BYTES];
    uint64_t now_us; /* the owner's clock */
    unsigned frames; /* that were transmitted */
    unsigned count;  /* of those that wait */
    size_t lens[ETHER_QUEUE_CAP];
    uint8_t queue[ETHER_QUEUE_CAP][PND_ETH_CAP];
};

static inline void ether_server_open(struct ether_server *server, uint32_t ip)
{
    static const uint8_t mac[PND_MAC_BYTES] = {2, 0, 0, 0, 0, 0x99};

    memset(server, 0, sizeof(*server));
    owner_init(&server->owner);
    server->ip = ip;
    memcpy(server->mac, mac, sizeof(mac));
}

static inline void ether_server_close(struct ether_server *server)
{
    CHECK(server->owner.broken == NULL);
    owner_deinit(&server->owner);
}

static inline void ether_server_answer(struct ether_server *server, int len)
{
    CHECK(len > 0 && server->count < ETHER_QUEUE_CAP);
    server->lens[server->count++] = (size_t)len;
}

static inline void ether_server_arp(struct ether_server *server, const struct pnd_eth *eth)
{
    struct pnd_arp arp, reply;

    if (pnd_arp_parse(eth->payload, eth->payload_len, &arp) != PND_OK ||
        arp.op != PND_ARP_REQUEST || arp.to_ip != server->ip)
        return;
    reply = (struct pnd_arp){.op = PND_ARP_REPLY, .from_ip = server->ip, .to_ip = arp.from_ip};
    memcpy(reply.from_mac, server->mac, PND_MAC_BYTES);
    memcpy(reply.to_mac, arp.from_mac, PND_MAC_BYTES);
    ether_server_answer(
        server, pnd_arp_build(server->queue[server->count], PND_ETH_CAP, arp.from_mac, &reply));
}

/* What the owner's last call drew. */
static inline void ether_server_reply(struct ether_server *server, const struct pnd_eth *eth,
                                      const struct pnd_udp4 *udp)
{
    struct pnd_udp4 reply = {.from_ip = udp->to_ip,
                             .to_ip = udp->from_ip,
                             .from_port = udp->to_port,
                             .to_port = udp->from_port,
                             .payload = server->owner.reply,
                             .payload_len = server->owner.reply_len};

    if (server->owner.reply_len == 0)
        return;
    ether_server_answer(server, pnd_udp4_build(server->queue[server->count], PND_ETH_CAP, eth->from,
                                               server->mac, &reply));
}

/* A frame that the machine sends. */
static inline void ether_server_take(struct ether_server *server, const void *frame, size_t len)
{
    struct pnd_eth eth;
    struct pnd_udp4 udp;

    server->frames++;
    CHECK_EQ(pnd_eth_parse(frame, len, &eth), PND_OK);
    if (eth.type == PND_ETH_ARP) {
        ether_server_arp(server, &eth);
        return;
    }
    if (pnd_udp4_parse(eth.payload, eth.payload_len, &udp) != PND_OK || udp.to_ip != server->ip ||
        udp.to_port != PND_KDP_PORT || memcmp(eth.to, server->mac, PND_MAC_BYTES) != 0)
        return;
    owner_datagram(&server->owner, udp.payload, udp.payload_len, server->now_us / 1000);
    ether_server_reply(server, &eth, &udp);
    owner_tick(&server->owner, server->now_us / 1000); /* the end of a dump is answered here */
    ether_server_reply(server, &eth, &udp);
}

/* The next frame for the machine. @return its length; 0: none waits */
static inline size_t ether_server_poll(struct ether_server *server, void *buf, size_t cap)
{
    size_t len;

    if (server->count == 0)
        return 0;
    len = server->lens[0] < cap ? server->lens[0] : cap;
    memcpy(buf, server->queue[0], len);
    server->count--;
    memmove(server->lens, server->lens + 1, server->count * sizeof(server->lens[0]));
    memmove(server->queue, server->queue + 1, server->count * sizeof(server->queue[0]));
    return len;
}

#endif
