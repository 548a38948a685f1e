/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Many packets for one pass through the kernel: beside the frames of a packet socket, a UDP socket
 * that takes trains (UDP_SEGMENT). The kernel cuts them, and the card sums what it can, which in a
 * crash kernel with its one processor is most of the work. Only what goes out in numbers goes by
 * it, and only as long as answers come: they, whatever is alone, and all else go by frames, which
 * need nothing of the kernel but the driver. Nothing is set up before a server has answered to
 * frames, so that the first way to it waits for nothing. */
#ifndef PND_CAPTURE_TRAINS_H
#define PND_CAPTURE_TRAINS_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/packet.h"
#include "sender/udp.h"

/* When no answer to trains has come for PND_TRAINS_SILENCE_US, frames it is until one comes; after
 * PND_TRAINS_RESTS_MAX times for good. */
#define PND_TRAINS_SILENCE_US UINT64_C(1000000)

enum {
    PND_TRAINS_RESTS_MAX = 4,
    PND_TRAINS_LOOK = 1024, /* packets: if half as many were repetitions, frames it is for good */
    PND_TRAINS_MIN = 4,     /* packets that are worth the way */
};

/* May trains be used? Bytes and times only, so that a test can play them. */
struct pnd_trains_trust {
    bool resting;
    unsigned rests;
    uint64_t rested_us;                /* when it began to rest */
    uint64_t unanswered_us;            /* of the first train since something was heard; 0: none */
    uint64_t packets, retransmissions; /* of the dump, when they were last looked at */
};

/* What the sender knows at that moment. */
struct pnd_trains_moment {
    uint64_t now_us, heard_us; /* on one clock; when the last answer came */
    uint64_t packets, retransmissions;
};

struct pnd_trains {
    const struct pnd_packet *packet; /* NULL: not open */
    struct pnd_udp udp;
    struct pnd_link link;
    struct pnd_trains_trust trust;
    uint32_t server_ip;
    bool own_fd;  /* the socket is not the one that holds the packet's port */
    bool running; /* the kernel has noticed the link, and its queue takes packets */
};

/* A socket that sends as @p own_ip, which need not be an address of this kernel, from @p own_port
 * to @p server_ip over the interface of @p packet, straight to @p mac; that is a permanent entry
 * among its neighbours until it is closed. Needs CAP_NET_ADMIN (root).
 *   @return PND_OK, and @p trains uses @p packet until it is closed; PND_E_SYS; PND_E_LINK frames
 *           have a VLAN tag */
int pnd_trains_open(struct pnd_trains *trains, const struct pnd_packet *packet, uint32_t own_ip,
                    uint16_t own_port, uint32_t server_ip, const uint8_t mac[6],
                    struct pnd_why *why);

/* @return whether it has sent them; false: they are to go by frames */
bool pnd_trains_send(struct pnd_trains *trains, struct pnd_endpoint to,
                     const struct pnd_datagram *packets, unsigned count,
                     const struct pnd_trains_moment *moment);

/* One that is not open, or all bytes 0, is closed already. */
void pnd_trains_close(struct pnd_trains *trains);

/* Is the next one to go by a train? One that goes is noted as on its way. */
bool pnd_trains_trusted(struct pnd_trains_trust *trust, const struct pnd_trains_moment *moment);

/* The kernel did not take one: as if it had not been answered. */
void pnd_trains_rest(struct pnd_trains_trust *trust, uint64_t now_us);

#endif
