/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One datagram to the discard port of the server, so that this kernel learns what it only learns
 * by sending: the MAC of the next hop, and from routers which packets are too large for them. */
#ifndef PND_ARM_ROUTE_WAKE_H
#define PND_ARM_ROUTE_WAKE_H

#include <stdbool.h>
#include <stdint.h>

struct pnd_wake {
    uint32_t server_ip, own_ip;
    const char *interface;       /* NULL: as the kernel would send */
    bool routed;                 /* through a router: as large as the MTU, not to be fragmented */
    bool (*is_known)(void *ctx); /* the MAC; asked again and again, for up to 2 s */
    void *ctx;
};

/* @param mtu  in and out: bytes of the largest IPv4 packet. It never grows, nor gets below 576.
 *             An answer of a router is waited for for 300 ms, once the MAC is known.
 * Fails silently: a machine that may not send learns nothing. */
void pnd_route_wake(const struct pnd_wake *wake, uint16_t *mtu);

#endif
