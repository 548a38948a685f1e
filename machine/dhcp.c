/* SPDX-License-Identifier: BSD-2-Clause
 *
 * DHCP and ARP at boot: see dhcp.h. */
#include "dhcp.h"

#include <stdbool.h>
#include <string.h>

#include "wire/cursor.h"
#include "wire/frame.h"

enum {
    PORT_SERVER = 67,
    PORT_CLIENT = 68,
    OP_REQUEST = 1,
    OP_REPLY = 2,
    ETHERNET = 1,
    HARDWARE_BYTES = 16,
    SERVER_NAME_BYTES = 64,
    FILE_BYTES = 128,
    OPTION_PAD = 0,
    OPTION_NETMASK = 1,
    OPTION_ROUTER = 3,
    OPTION_REQUESTED_IP = 50,
    OPTION_TYPE = 53,
    OPTION_SERVER = 54,
    OPTION_WANTED = 55,
    OPTION_END = 255,
    MESSAGE_MIN = 300, /* what the oldest relays expect: RFC 1542, 2.1 */
    REPEAT_US = 250000,
    FRAMES_MAX = 4096, /* foreign frames in one wait: a flood, or a clock that stands still */
};

static const uint32_t COOKIE = UINT32_C(0x63825363);
static const uint32_t EVERYBODY = UINT32_MAX;
static const uint8_t broadcast[PND_MAC_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

struct options {
    struct box_lease lease;
    uint8_t type;
};

/* An address that one machine can have: not 0.x, 127.x, multicast or broadcast. */
static bool usable(uint32_t ip)
{
    return ip >> 24 != 0 && ip >> 24 != 127 && ip >> 24 < 224;
}

static int parse_option(uint8_t code, struct pnd_rd value, struct options *out)
{
    switch (code) {
    case OPTION_TYPE:
        out->type = pnd_rd_u8(&value);
        break;
    case OPTION_NETMASK:
        out->lease.netmask = pnd_rd_be32(&value);
        break;
    case OPTION_SERVER:
        out->lease.server = pnd_rd_be32(&value);
        break;
    case OPTION_ROUTER: /* a list: the first is the one to use */
        out->lease.router = pnd_rd_be32(&value);
        if (pnd_rd_left(&value) % 4 == 0)
            pnd_rd_bytes(&value, pnd_rd_left(&value));
        break;
    default:
        return PND_OK;
    }
    return pnd_rd_ok(&value) && pnd_rd_left(&value) == 0 ? PND_OK : PND_E_LENGTH;
}

static int parse_options(struct pnd_rd *rd, struct options *out)
{
    while (pnd_rd_left(rd)) {
        uint8_t code = pnd_rd_u8(rd), len;
        const uint8_t *value;
        int err;

        if (code == OPTION_PAD)
            continue;
        if (code == OPTION_END)
            return PND_OK;
        len = pnd_rd_u8(rd);
        value = pnd_rd_bytes(rd, len);
        if (!value)
            return PND_E_SHORT;
        err = parse_option(code, pnd_rd(value, len), out);
        if (err)
            return err;
    }
    return PND_E_SHORT; /* without its end, it was cut */
}

int box_dhcp_parse(const void *buf, size_t len, uint32_t xid, const uint8_t mac[6],
                   enum box_dhcp_type *ret_type, struct box_lease *ret)
{
    struct pnd_rd rd = pnd_rd(buf, len);
    uint8_t op = pnd_rd_u8(&rd), hardware = pnd_rd_u8(&rd), hardware_len = pnd_rd_u8(&rd);
    struct options out = {0};
    const uint8_t *to;
    uint32_t to_xid, cookie;
    int err;

    pnd_rd_u8(&rd); /* hops */
    to_xid = pnd_rd_be32(&rd);
    pnd_rd_be32(&rd); /* seconds, flags */
    pnd_rd_be32(&rd); /* the client's address as it said it */
    out.lease.ip = pnd_rd_be32(&rd);
    pnd_rd_be32(&rd); /* the next server */
    pnd_rd_be32(&rd); /* the relay */
    to = pnd_rd_bytes(&rd, HARDWARE_BYTES);
    pnd_rd_bytes(&rd, SERVER_NAME_BYTES + FILE_BYTES);
    cookie = pnd_rd_be32(&rd);
    if (!pnd_rd_ok(&rd))
        return PND_E_SHORT;
    if (op != OP_REPLY || hardware != ETHERNET || hardware_len != PND_MAC_BYTES || to_xid != xid ||
        cookie != COOKIE || memcmp(to, mac, PND_MAC_BYTES) != 0)
        return PND_E_TYPE;
    err = parse_options(&rd, &out);
    if (err)
        return err;
    if (out.type != BOX_DHCP_OFFER && out.type != BOX_DHCP_ACK && out.type != BOX_DHCP_NAK)
        return PND_E_TYPE;
    if (!usable(out.lease.server) || (out.type != BOX_DHCP_NAK && !usable(out.lease.ip)) ||
        (out.lease.router && !usable(out.lease.router)))
        return PND_E_FORMAT;
    *ret_type = (enum box_dhcp_type)out.type;
    *ret = out.lease;
    return PND_OK;
}

/* @param offer  of a REQUEST: what was offered */
static size_t build(uint8_t *buf, size_t cap, enum box_dhcp_type type, uint32_t xid,
                    const uint8_t *mac, const struct box_lease *offer)
{
    struct pnd_wr wr = pnd_wr(buf, cap);

    pnd_wr_u8(&wr, OP_REQUEST);
    pnd_wr_u8(&wr, ETHERNET);
    pnd_wr_u8(&wr, PND_MAC_BYTES);
    pnd_wr_u8(&wr, 0); /* hops */
    pnd_wr_be32(&wr, xid);
    pnd_wr_zeros(&wr, 20); /* seconds, flags, four addresses */
    pnd_wr_bytes(&wr, mac, PND_MAC_BYTES);
    pnd_wr_zeros(&wr, HARDWARE_BYTES - PND_MAC_BYTES + SERVER_NAME_BYTES + FILE_BYTES);
    pnd_wr_be32(&wr, COOKIE);
    pnd_wr_u8(&wr, OPTION_TYPE);
    pnd_wr_u8(&wr, 1);
    pnd_wr_u8(&wr, (uint8_t)type);
    pnd_wr_u8(&wr, OPTION_WANTED);
    pnd_wr_u8(&wr, 2);
    pnd_wr_u8(&wr, OPTION_NETMASK);
    pnd_wr_u8(&wr, OPTION_ROUTER);
    if (type == BOX_DHCP_REQUEST) {
        pnd_wr_u8(&wr, OPTION_REQUESTED_IP);
        pnd_wr_u8(&wr, 4);
        pnd_wr_be32(&wr, offer->ip);
        pnd_wr_u8(&wr, OPTION_SERVER);
        pnd_wr_u8(&wr, 4);
        pnd_wr_be32(&wr, offer->server);
    }
    pnd_wr_u8(&wr, OPTION_END);
    if (pnd_wr_len(&wr) < MESSAGE_MIN)
        pnd_wr_zeros(&wr, MESSAGE_MIN - pnd_wr_len(&wr));
    return pnd_wr_len(&wr);
}

static int send(const struct pnd_nic *nic, enum box_dhcp_type type, uint32_t xid,
                const struct box_lease *offer)
{
    uint8_t frame[PND_ETH_BYTES + PND_UDP_OVERHEAD + MESSAGE_MIN], message[MESSAGE_MIN];
    struct pnd_udp4 udp = {
        .to_ip = EVERYBODY,
        .from_port = PORT_CLIENT,
        .to_port = PORT_SERVER,
        .payload = message,
        .payload_len = build(message, sizeof(message), type, xid, nic->mac, offer),
    };
    int len = pnd_udp4_build(frame, sizeof(frame), broadcast, nic->mac, &udp);

    return len < 0 ? len : nic->send(nic->ctx, frame, (size_t)len);
}

static uint64_t left_us(const struct pnd_nic *nic, uint64_t start_us, uint64_t budget_us)
{
    uint64_t gone_us = nic->now_us(nic->ctx) - start_us;

    return gone_us < budget_us ? budget_us - gone_us : 0;
}

/* Hands frames to @p take until it has what it wants, or until the time is over. */
static int await(const struct pnd_nic *nic, uint64_t timeout_us,
                 bool (*take)(void *ctx, const struct pnd_eth *eth), void *ctx)
{
    uint64_t start_us = nic->now_us(nic->ctx), wait_us = timeout_us;
    uint8_t frame[PND_ETH_CAP];

    for (unsigned i = 0; i < FRAMES_MAX && wait_us; i++) {
        int len = nic->receive(nic->ctx, frame, sizeof(frame), wait_us);
        struct pnd_eth eth;

        if (len < 0 && len != PND_E_TIMEOUT)
            return len;
        if (len >= 0 && pnd_eth_parse(frame, (size_t)len, &eth) == PND_OK && take(ctx, &eth))
            return PND_OK;
        wait_us = left_us(nic, start_us, timeout_us);
    }
    return PND_E_TIMEOUT;
}

struct answer {
    const uint8_t *mac;
    uint32_t xid;
    enum box_dhcp_type want, type;
    struct box_lease lease;
};

static bool take_answer(void *ctx, const struct pnd_eth *eth)
{
    struct answer *answer = ctx;
    struct pnd_udp4 udp;

    if (eth->type != PND_ETH_IPV4 || pnd_udp4_parse(eth->payload, eth->payload_len, &udp))
        return false;
    if (udp.from_port != PORT_SERVER || udp.to_port != PORT_CLIENT)
        return false;
    if (box_dhcp_parse(udp.payload, udp.payload_len, answer->xid, answer->mac, &answer->type,
                       &answer->lease))
        return false;
    return answer->type == answer->want ||
           (answer->want == BOX_DHCP_ACK && answer->type == BOX_DHCP_NAK);
}

int box_dhcp(const struct pnd_nic *nic, uint64_t budget_us, struct box_lease *ret)
{
    uint64_t start_us = nic->now_us(nic->ctx), left;
    struct box_lease offer = {0};
    struct answer answer = {
        .mac = nic->mac,
        .xid = (uint32_t)start_us ^ (uint32_t)nic->mac[4] << 24 ^ (uint32_t)nic->mac[5] << 16,
        .want = BOX_DHCP_OFFER,
    };

    while ((left = left_us(nic, start_us, budget_us))) {
        enum box_dhcp_type ask =
            answer.want == BOX_DHCP_OFFER ? BOX_DHCP_DISCOVER : BOX_DHCP_REQUEST;
        int err = send(nic, ask, answer.xid, &offer);

        if (err)
            return err;
        err = await(nic, left < REPEAT_US ? left : REPEAT_US, take_answer, &answer);
        if (err == PND_E_TIMEOUT)
            continue;
        if (err)
            return err;
        if (answer.type == BOX_DHCP_ACK) {
            *ret = answer.lease;
            return PND_OK;
        }
        offer = answer.lease;
        answer.want = answer.type == BOX_DHCP_OFFER ? BOX_DHCP_ACK : BOX_DHCP_OFFER;
    }
    return PND_E_TIMEOUT;
}

struct arp_answer {
    uint32_t ip;
    uint8_t mac[PND_MAC_BYTES];
};

static bool take_arp(void *ctx, const struct pnd_eth *eth)
{
    static const uint8_t none[PND_MAC_BYTES];
    struct arp_answer *answer = ctx;
    struct pnd_arp arp;

    if (eth->type != PND_ETH_ARP || pnd_arp_parse(eth->payload, eth->payload_len, &arp))
        return false;
    if (arp.op != PND_ARP_REPLY || arp.from_ip != answer->ip || arp.from_mac[0] & 1 ||
        memcmp(arp.from_mac, none, sizeof(none)) == 0)
        return false;
    memcpy(answer->mac, arp.from_mac, PND_MAC_BYTES);
    return true;
}

int box_arp(const struct pnd_nic *nic, uint32_t own_ip, uint32_t ip, uint64_t budget_us,
            uint8_t ret_mac[6])
{
    uint64_t start_us = nic->now_us(nic->ctx), left;
    struct pnd_arp arp = {.op = PND_ARP_REQUEST, .from_ip = own_ip, .to_ip = ip};
    struct arp_answer answer = {.ip = ip};
    uint8_t frame[PND_ETH_MIN];
    int len;

    memcpy(arp.from_mac, nic->mac, PND_MAC_BYTES);
    memcpy(arp.to_mac, broadcast, PND_MAC_BYTES); /* as in a panic: PROTOCOL.md#kdp-2.5 */
    len = pnd_arp_build(frame, sizeof(frame), broadcast, &arp);
    if (len < 0)
        return len;
    while ((left = left_us(nic, start_us, budget_us))) {
        int err = nic->send(nic->ctx, frame, (size_t)len);

        if (err)
            return err;
        err = await(nic, left < REPEAT_US ? left : REPEAT_US, take_arp, &answer);
        if (err == PND_OK)
            memcpy(ret_mac, answer.mac, PND_MAC_BYTES);
        if (err != PND_E_TIMEOUT)
            return err;
    }
    return PND_E_TIMEOUT;
}
