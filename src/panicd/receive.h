/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From datagrams to sessions: which slot, which protocol, who may begin. */
#ifndef PND_PANICD_RECEIVE_H
#define PND_PANICD_RECEIVE_H

#include "panicd/net.h"
#include "panicd/protocol.h"

struct pnd_server;
struct pnd_slot;

/* What pnd_net_receive() calls, for @p server. */
struct pnd_net_handler pnd_receive_handler(struct pnd_server *server);

/* A slot for a sender that has none, with a session that is NEW. NULL: every slot is busy, and the
 * sender has heard so. */
struct pnd_slot *pnd_receive_take_slot(struct pnd_server *server, const struct pnd_origin *from,
                                       const struct pnd_protocol *protocol);

/* A sender begins in another protocol than it spoke before. @return whether it may; if policy does
 * not let it, it has heard so */
bool pnd_receive_may_replace(struct pnd_server *server, const struct pnd_slot *slot,
                             const struct pnd_origin *from);

/* The slot's dump, of which nothing new comes, goes; what came of it is kept. */
void pnd_receive_clear_slot(struct pnd_server *server, struct pnd_slot *slot);

#endif
