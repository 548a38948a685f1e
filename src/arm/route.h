/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The way from this machine to a dump server, in terms that a crash kernel can use: a real
 * Ethernet port, addresses, and the MAC of the next hop. Asked of the kernel by rtnetlink, which
 * needs no privilege; only an unanswered neighbour is woken with a datagram. */
#ifndef PND_ARM_ROUTE_H
#define PND_ARM_ROUTE_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "host/why.h"

enum { PND_ROUTE_DRIVER_CAP = 64, PND_ROUTE_NOTE_CAP = 512 };

struct pnd_route {
    char interface[IFNAMSIZ];          /* where the route leads: perhaps a VLAN, a bond, a bridge */
    char port[IFNAMSIZ];               /* the Ethernet port under it */
    uint8_t port_mac[6];               /* burnt in: what the crash kernel will see */
    char driver[PND_ROUTE_DRIVER_CAP]; /* of the port; "": none (a virtual one, with force) */
    uint16_t vlan;                     /* tag on the port; 0: none */
    uint16_t mtu;                      /* of the way, 576 to 9000 */
    uint32_t own_ip;                   /* source address that the kernel would use */
    unsigned prefix;                   /* of its network, bits */
    uint32_t router_ip;                /* next hop; 0: the server is in the same network */
    uint8_t via[6];                    /* MAC of the server or router; all 0: nobody answered */
    char note[PND_ROUTE_NOTE_CAP]; /* what a person should know: "eth1 of bond0, the active one" */
};

/* @param interface  NULL: as the kernel would send
 * @param force      also over a wireless, USB or virtual port
 *   @return PND_OK; PND_E_NOROUTE no route, or this machine itself; PND_E_NOTFOUND no such
 *           interface; PND_E_LINK a port that a crash kernel cannot use, and @p why says why and
 *           which other would do; PND_E_SYS */
int pnd_route_find(uint32_t server_ip, const char *interface, bool force, struct pnd_route *ret,
                   struct pnd_why *why);

#endif
