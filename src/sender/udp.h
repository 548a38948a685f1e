/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A link over the operating system's UDP socket. */
#ifndef PND_SENDER_UDP_H
#define PND_SENDER_UDP_H

#include <stdbool.h>

#include "panicd/client.h"

#include "host/why.h"

struct pnd_udp {
    int fd;
    /* How often "port unreachable" may come before the server has said a word, until it is taken
     * for the answer. 0: never; the server may be restarting. */
    unsigned refused_max;
    unsigned refused;              /* how often it came since the server was last heard */
    bool heard;                    /* the server has answered */
    int last_errno;                /* of what the network said last; 0: nothing */
    unsigned gso_failures;         /* trains that the kernel would not take */
    bool many;                     /* the socket is set up for many packets at a time */
    void (*on_refused)(void *ctx); /* NULL, or called at the first of a row of refusals */
    void *on_refused_ctx;
};

/* An unconnected IPv4 socket with a source port of its own, because a server may answer from
 * another port than the one it was asked on.
 *   @return PND_OK, and @p ret uses @p udp until it is closed; PND_E_SYS */
int pnd_udp_open(struct pnd_udp *udp, unsigned refused_max, struct pnd_link *ret,
                 struct pnd_why *why);

/* Datagrams leave from @p port, and answers come there. @return false: something else has it */
bool pnd_udp_bind(struct pnd_udp *udp, uint16_t port);

/* The same over a socket that somebody has opened and set up; -1: none yet. */
void pnd_udp_over(struct pnd_udp *udp, int fd, struct pnd_link *ret);

/* The route to @p server says how large datagrams may be: link->dgram_max. Without a route nothing
 * is changed: sending will say so. */
void pnd_udp_fit(struct pnd_endpoint server, struct pnd_link *link);
void pnd_udp_close(struct pnd_udp *udp);

#endif
