/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Ethernet, ARP, IPv4 and UDP: frames <-> structs, checksums made and checked. IPv4 addresses and
 * ports are numbers in host order. No VLAN tags, no fragments, no IP options sent.
 * PROTOCOL.md#kdp-2.5, #kdp-2.6. Freestanding. */
#ifndef PND_WIRE_FRAME_H
#define PND_WIRE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panicd/err.h"

enum {
    PND_MAC_BYTES = 6,
    PND_ETH_BYTES = 14,
    PND_ETH_MIN = 60,   /* a frame without its FCS is never shorter on the wire */
    PND_ETH_CAP = 1514, /* header and 1500 bytes: the largest frame sent or taken here */
    PND_ETH_ARP = 0x0806,
    PND_ETH_IPV4 = 0x0800,
    PND_ARP_BYTES = 28,
    PND_ARP_REQUEST = 1,
    PND_ARP_REPLY = 2,
    PND_IPV4_BYTES = 20,
    PND_IPV4_TTL = 60, /* @source PROTOCOL.md#kdp-2.6 */
    PND_UDP_BYTES = 8,
    PND_UDP_OVERHEAD = PND_IPV4_BYTES + PND_UDP_BYTES,
};

struct pnd_eth {
    uint8_t to[PND_MAC_BYTES], from[PND_MAC_BYTES];
    uint16_t type;
    const uint8_t *payload; /* in the frame, with the padding of short frames */
    size_t payload_len;
};

struct pnd_arp {
    uint16_t op;
    uint8_t from_mac[PND_MAC_BYTES], to_mac[PND_MAC_BYTES];
    uint32_t from_ip, to_ip;
};

struct pnd_udp4 {
    uint32_t from_ip, to_ip;
    uint16_t from_port, to_port;
    uint16_t id;    /* IPv4 identification */
    bool unchecked; /* received without a UDP checksum */
    const uint8_t *payload;
    size_t payload_len;
};

/*   @return PND_OK; PND_E_SHORT fewer than 14 bytes */
int pnd_eth_parse(const void *frame, size_t len, struct pnd_eth *ret);

/* @p buf is what follows the Ethernet header; padding behind it is ignored.
 *   @return PND_OK; PND_E_SHORT fewer than 28 bytes; PND_E_TYPE not IPv4 over Ethernet */
int pnd_arp_parse(const void *buf, size_t len, struct pnd_arp *ret);

/* An IPv4 packet that is one whole UDP datagram; padding behind it is ignored.
 *   @return PND_OK; PND_E_SHORT the headers are not all there; PND_E_TYPE not IPv4, not UDP, or a
 *           fragment; PND_E_LENGTH the IP or UDP length does not fit what was received;
 *           PND_E_FORMAT a checksum is wrong (a UDP checksum of 0 means none, and passes) */
int pnd_udp4_parse(const void *buf, size_t len, struct pnd_udp4 *ret);

/* Each builder writes a whole frame, padded to 60 bytes, and returns its length, or PND_E_FULL
 * when @p cap is too small. The IPv4 header has DF set, TTL 60; the UDP checksum is always sent. */
int pnd_arp_build(void *frame, size_t cap, const uint8_t to[PND_MAC_BYTES],
                  const struct pnd_arp *arp);
int pnd_udp4_build(void *frame, size_t cap, const uint8_t to[PND_MAC_BYTES],
                   const uint8_t from[PND_MAC_BYTES], const struct pnd_udp4 *udp);

/* The same for a datagram in two parts, of which the second, the payload of @p udp, is not copied:
 * it is to follow on the wire. @p front_len is even, and the whole frame has PND_ETH_MIN bytes or
 * more. */
int pnd_udp4_build_front(void *header, size_t cap, const uint8_t to[PND_MAC_BYTES],
                         const uint8_t from[PND_MAC_BYTES], const struct pnd_udp4 *udp,
                         const void *front, size_t front_len);

#endif
