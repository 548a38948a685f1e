/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A nic over an AF_PACKET socket, for the polled stack: the packet path of a crash kernel. Needs
 * CAP_NET_RAW (root). */
#ifndef PND_CAPTURE_PACKET_H
#define PND_CAPTURE_PACKET_H

#include "panicd/client.h"

#include "host/why.h"

struct pnd_packet {
    int fd;
    int port_fd; /* holds the source port, so that this kernel sends no "port unreachable" */
    int ifindex;
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

#endif
