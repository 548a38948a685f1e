/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Ethernet, ARP, IPv4 and UDP: see frame.h. */
#include "wire/frame.h"

#include "wire/cursor.h"

enum {
    ARP_ETHERNET = 1,
    ARP_LENGTHS = PND_MAC_BYTES << 8 | 4,
    IPV4_VERSION = 4,
    IPV4_DF = 0x4000,
    IPV4_FRAGMENT = 0x3fff, /* "more fragments" and the fragment offset */
    IPV4_UDP = 17,
};

/* RFC 1071: the sum of 16-bit words, the carries folded in by sum_end(). @p len is at most
 * 65535, so 32 bits do not overflow. */
static uint32_t sum_bytes(uint32_t sum, const uint8_t *buf, size_t len)
{
    size_t i;

    for (i = 0; i + 1 < len; i += 2)
        sum += (uint32_t)buf[i] << 8 | buf[i + 1];
    if (i < len)
        sum += (uint32_t)buf[i] << 8;
    return sum;
}

static uint16_t sum_end(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static uint32_t address_sum(uint32_t ip)
{
    return (ip >> 16) + (ip & 0xffff);
}

static uint16_t udp_sum(uint32_t from_ip, uint32_t to_ip, const uint8_t *udp, size_t len)
{
    uint32_t sum = IPV4_UDP + (uint32_t)len + address_sum(from_ip) + address_sum(to_ip);

    return sum_end(sum_bytes(sum, udp, len));
}

static void rd_mac(struct pnd_rd *rd, uint8_t ret[PND_MAC_BYTES])
{
    const uint8_t *mac = pnd_rd_bytes(rd, PND_MAC_BYTES);

    if (mac)
        memcpy(ret, mac, PND_MAC_BYTES);
}

int pnd_eth_parse(const void *frame, size_t len, struct pnd_eth *ret)
{
    struct pnd_rd rd = pnd_rd(frame, len);
    struct pnd_eth out = {0};

    rd_mac(&rd, out.to);
    rd_mac(&rd, out.from);
    out.type = pnd_rd_be16(&rd);
    if (!pnd_rd_ok(&rd))
        return PND_E_SHORT;
    out.payload_len = pnd_rd_left(&rd);
    out.payload = pnd_rd_bytes(&rd, out.payload_len);
    *ret = out;
    return PND_OK;
}

int pnd_arp_parse(const void *buf, size_t len, struct pnd_arp *ret)
{
    struct pnd_rd rd = pnd_rd(buf, len);
    struct pnd_arp out = {0};
    uint16_t hardware = pnd_rd_be16(&rd);
    uint16_t protocol = pnd_rd_be16(&rd);
    uint16_t lengths = pnd_rd_be16(&rd);

    out.op = pnd_rd_be16(&rd);
    rd_mac(&rd, out.from_mac);
    out.from_ip = pnd_rd_be32(&rd);
    rd_mac(&rd, out.to_mac);
    out.to_ip = pnd_rd_be32(&rd);
    if (!pnd_rd_ok(&rd))
        return PND_E_SHORT;
    if (hardware != ARP_ETHERNET || protocol != PND_ETH_IPV4 || lengths != ARP_LENGTHS)
        return PND_E_TYPE;
    *ret = out;
    return PND_OK;
}

/* The UDP part of an IPv4 packet whose addresses are already in @p out. */
static int parse_udp(const uint8_t *buf, size_t len, struct pnd_udp4 *out)
{
    struct pnd_rd rd = pnd_rd(buf, len);
    uint16_t udp_len, checksum;

    out->from_port = pnd_rd_be16(&rd);
    out->to_port = pnd_rd_be16(&rd);
    udp_len = pnd_rd_be16(&rd);
    checksum = pnd_rd_be16(&rd);
    if (!pnd_rd_ok(&rd))
        return PND_E_SHORT;
    if (udp_len < PND_UDP_BYTES || udp_len > len)
        return PND_E_LENGTH;
    if (checksum && udp_sum(out->from_ip, out->to_ip, buf, udp_len) != 0)
        return PND_E_FORMAT;
    out->unchecked = !checksum;
    out->payload_len = udp_len - PND_UDP_BYTES;
    out->payload = pnd_rd_bytes(&rd, out->payload_len);
    return PND_OK;
}

int pnd_udp4_parse(const void *buf, size_t len, struct pnd_udp4 *ret)
{
    const uint8_t *packet = buf;
    struct pnd_rd rd = pnd_rd(buf, len);
    struct pnd_udp4 out = {0};
    uint8_t version = pnd_rd_u8(&rd);
    size_t header_len = (size_t)(version & 0xf) * 4;
    uint16_t total_len, fragment;
    uint8_t protocol;
    int err;

    pnd_rd_u8(&rd); /* type of service */
    total_len = pnd_rd_be16(&rd);
    out.id = pnd_rd_be16(&rd);
    fragment = pnd_rd_be16(&rd);
    pnd_rd_u8(&rd); /* time to live */
    protocol = pnd_rd_u8(&rd);
    pnd_rd_be16(&rd); /* checksum: checked as a whole below */
    out.from_ip = pnd_rd_be32(&rd);
    out.to_ip = pnd_rd_be32(&rd);
    if (!pnd_rd_ok(&rd))
        return PND_E_SHORT;
    if (version >> 4 != IPV4_VERSION)
        return PND_E_TYPE;
    if (header_len < PND_IPV4_BYTES || total_len < header_len || total_len > len)
        return PND_E_LENGTH;
    if (sum_end(sum_bytes(0, packet, header_len)) != 0)
        return PND_E_FORMAT;
    if (protocol != IPV4_UDP || fragment & IPV4_FRAGMENT)
        return PND_E_TYPE;
    err = parse_udp(packet + header_len, total_len - header_len, &out);
    if (err)
        return err;
    *ret = out;
    return PND_OK;
}

static void wr_eth(struct pnd_wr *wr, const uint8_t *to, const uint8_t *from, uint16_t type)
{
    pnd_wr_bytes(wr, to, PND_MAC_BYTES);
    pnd_wr_bytes(wr, from, PND_MAC_BYTES);
    pnd_wr_be16(wr, type);
}

static int finish(struct pnd_wr *wr)
{
    while (pnd_wr_ok(wr) && pnd_wr_len(wr) < PND_ETH_MIN)
        pnd_wr_u8(wr, 0);
    return pnd_wr_ok(wr) ? (int)pnd_wr_len(wr) : PND_E_FULL;
}

int pnd_arp_build(void *frame, size_t cap, const uint8_t to[PND_MAC_BYTES],
                  const struct pnd_arp *arp)
{
    struct pnd_wr wr = pnd_wr(frame, cap);

    wr_eth(&wr, to, arp->from_mac, PND_ETH_ARP);
    pnd_wr_be16(&wr, ARP_ETHERNET);
    pnd_wr_be16(&wr, PND_ETH_IPV4);
    pnd_wr_be16(&wr, ARP_LENGTHS);
    pnd_wr_be16(&wr, arp->op);
    pnd_wr_bytes(&wr, arp->from_mac, PND_MAC_BYTES);
    pnd_wr_be32(&wr, arp->from_ip);
    pnd_wr_bytes(&wr, arp->to_mac, PND_MAC_BYTES);
    pnd_wr_be32(&wr, arp->to_ip);
    return finish(&wr);
}

static void put_be16(uint8_t *at, uint16_t v)
{
    at[0] = (uint8_t)(v >> 8);
    at[1] = (uint8_t)v;
}

/* @param copied  the payload stands behind the headers; else only its sum counts */
static int build_udp4(struct pnd_wr *wr, const uint8_t *to, const uint8_t *from,
                      const struct pnd_udp4 *udp, const uint8_t *front, size_t front_len,
                      bool copied)
{
    size_t udp_len = PND_UDP_BYTES + front_len + udp->payload_len;
    uint8_t *ip, *datagram;
    uint32_t sum = IPV4_UDP + (uint32_t)udp_len;
    uint16_t checksum;

    if (udp_len > UINT16_MAX - PND_IPV4_BYTES)
        return PND_E_FULL;
    wr_eth(wr, to, from, PND_ETH_IPV4);
    ip = wr->at;
    pnd_wr_be16(wr, (IPV4_VERSION << 4 | PND_IPV4_BYTES / 4) << 8);
    pnd_wr_be16(wr, (uint16_t)(PND_IPV4_BYTES + udp_len));
    pnd_wr_be16(wr, udp->id);
    pnd_wr_be16(wr, IPV4_DF);
    pnd_wr_be16(wr, PND_IPV4_TTL << 8 | IPV4_UDP);
    pnd_wr_be16(wr, 0);
    pnd_wr_be32(wr, udp->from_ip);
    pnd_wr_be32(wr, udp->to_ip);
    datagram = wr->at;
    pnd_wr_be16(wr, udp->from_port);
    pnd_wr_be16(wr, udp->to_port);
    pnd_wr_be16(wr, (uint16_t)udp_len);
    pnd_wr_be16(wr, 0);
    pnd_wr_bytes(wr, front, front_len);
    if (copied)
        pnd_wr_bytes(wr, udp->payload, udp->payload_len);
    if (!pnd_wr_ok(wr))
        return PND_E_FULL;
    put_be16(ip + 10, sum_end(sum_bytes(0, ip, PND_IPV4_BYTES)));
    sum += address_sum(udp->from_ip) + address_sum(udp->to_ip);
    sum = sum_bytes(sum, datagram, PND_UDP_BYTES + front_len);
    checksum = sum_end(sum_bytes(sum, udp->payload, udp->payload_len));
    put_be16(datagram + 6, checksum ? checksum : 0xffff); /* 0 on the wire means "none" */
    return PND_OK;
}

int pnd_udp4_build(void *frame, size_t cap, const uint8_t to[PND_MAC_BYTES],
                   const uint8_t from[PND_MAC_BYTES], const struct pnd_udp4 *udp)
{
    struct pnd_wr wr = pnd_wr(frame, cap);
    int err = build_udp4(&wr, to, from, udp, NULL, 0, true);

    return err ? err : finish(&wr);
}

int pnd_udp4_build_front(void *header, size_t cap, const uint8_t to[PND_MAC_BYTES],
                         const uint8_t from[PND_MAC_BYTES], const struct pnd_udp4 *udp,
                         const void *front, size_t front_len)
{
    struct pnd_wr wr = pnd_wr(header, cap);
    int err = build_udp4(&wr, to, from, udp, front, front_len, false);

    return err ? err : (int)pnd_wr_len(&wr);
}
