/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the server listens for, each on a port of its own. */
#ifndef PND_PANICD_SERVICE_H
#define PND_PANICD_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panicd/peer.h"
#include "panicd/protocol.h"

struct pnd_server;

struct pnd_service_is {
    const char *name;              /* for people, in JSON, and of a socket: FileDescriptorName= */
    const char *port_option;       /* what chooses another port, for people */
    uint16_t port;                 /* by default; 0: none is listened on */
    bool needed;                   /* no server without it, by whatever port it has */
    enum pnd_protocol_id protocol; /* that of a sender who is not known yet */
    /* A datagram that is for no session, or is to be looked at before one is found. @return whether
     * it was one. NULL: there are none */
    bool (*aside)(struct pnd_server *server, const struct pnd_origin *from, const uint8_t *dgram,
                  size_t len);
};

const struct pnd_service_is *pnd_service(enum pnd_service service);

/* The service of this name. @return PND_OK; PND_E_NOTFOUND */
int pnd_service_find(const char *name, enum pnd_service *ret);

#endif
