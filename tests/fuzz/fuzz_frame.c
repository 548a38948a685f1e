/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes as a frame: what is taken for a datagram or an ARP packet can be built again, and is
 * then the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_udp(const struct pnd_eth *eth)
{
    struct pnd_udp4 udp, again;
    struct pnd_eth built;
    uint8_t frame[PND_ETH_CAP];
    int bytes;

    if (pnd_udp4_parse(eth->payload, eth->payload_len, &udp) != PND_OK)
        return;
    if (udp.payload_len > eth->payload_len || udp.payload < eth->payload)
        abort();
    bytes = pnd_udp4_build(frame, sizeof(frame), eth->to, eth->from, &udp);
    if (bytes == PND_E_FULL)
        return;
    if (bytes < PND_ETH_MIN || pnd_eth_parse(frame, (size_t)bytes, &built) != PND_OK ||
        pnd_udp4_parse(built.payload, built.payload_len, &again) != PND_OK)
        abort();
    if (again.from_ip != udp.from_ip || again.to_ip != udp.to_ip ||
        again.from_port != udp.from_port || again.to_port != udp.to_port || again.unchecked ||
        again.payload_len != udp.payload_len ||
        memcmp(again.payload, udp.payload, udp.payload_len) != 0)
        abort();
}

static void check_arp(const struct pnd_eth *eth)
{
    struct pnd_arp arp, again;
    struct pnd_eth built;
    uint8_t frame[PND_ETH_CAP];
    int bytes;

    if (pnd_arp_parse(eth->payload, eth->payload_len, &arp) != PND_OK)
        return;
    bytes = pnd_arp_build(frame, sizeof(frame), eth->to, &arp);
    if (bytes < 0 || pnd_eth_parse(frame, (size_t)bytes, &built) != PND_OK ||
        pnd_arp_parse(built.payload, built.payload_len, &again) != PND_OK)
        abort();
    if (again.op != arp.op || again.from_ip != arp.from_ip || again.to_ip != arp.to_ip ||
        memcmp(again.from_mac, arp.from_mac, PND_MAC_BYTES) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct pnd_eth eth;

    if (pnd_eth_parse(data, len, &eth) != PND_OK)
        return 0;
    if (eth.payload_len > len)
        abort();
    check_udp(&eth);
    check_arp(&eth);
    return 0;
}
