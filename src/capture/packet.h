/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A nic over an AF_PACKET socket, for the polled stack: the packet path of a crash kernel. Needs
 * CAP_NET_RAW (root). */
#ifndef PND_CAPTURE_PACKET_H
#define PND_CAPTURE_PACKET_H

#include <net/if.h>

#include "panicd/client.h"

#include "host/why.h"

enum { PND_PACKET_FRAME_CAP = 1518 }; /* a frame and its tag */

struct pnd_packet {
    int fd;
    int port_fd; /* holds the source port, so that this kernel sends no "port unreachable" */
    int ifindex;
    char name[IFNAMSIZ];
    uint16_t vlan;     /* 0: untagged */
    bool link_ignored; /* see pnd_packet_ignore_link() */
    uint64_t heard_us; /* when the last frame came: the link was up then */
    uint8_t tagged[PND_PACKET_FRAME_CAP];
};

/* Opens the Ethernet interface @p name, which is up. No hardware or software offload may be left
 * between us and the wire: a frame is sent as it is given.
 *   @return PND_OK, and @p ret uses @p packet until it is closed; PND_E_SYS, PND_E_LINK not an
 *           Ethernet interface, or its MTU is too small */
int pnd_packet_open(struct pnd_packet *packet, const char *name, struct pnd_nic *ret,
                    struct pnd_why *why);

/* Binds a UDP port of this kernel that is never read, when @p own_ip is an address of this
 * machine. Without it the kernel would answer every ACK with ICMP.
 *   @param port  in: the port wanted, 0 any; out: the port held
 *   @return PND_OK; PND_E_SYS the port is in use, or @p own_ip is not an address of this machine */
int pnd_packet_hold_port(struct pnd_packet *packet, uint32_t own_ip, uint16_t *port,
                         struct pnd_why *why);
void pnd_packet_close(struct pnd_packet *packet);

/* Every frame is sent with the 802.1Q tag @p vlan, and only frames with it are received; 0: those
 * without one. The interface hears everything then, because a filter of VLANs would otherwise drop
 * what no device of this kernel asked for.
 *   @param vlan  0 to 4094. @return PND_OK; PND_E_SYS */
int pnd_packet_set_vlan(struct pnd_packet *packet, uint16_t vlan, struct pnd_why *why);

/* Makes @p nic, of this @p packet, say whether there is a link: what the driver knows, a second
 * before the rest of the kernel is told. A driver that does not know has one. */
void pnd_packet_watch_link(struct pnd_packet *packet, struct pnd_nic *nic);

/* @return there is one within @p wait_ms. If not, the driver is not believed any more: what is
 * sent may arrive all the same. */
bool pnd_packet_await_link(struct pnd_packet *packet, uint64_t wait_ms);

#endif
