/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From datagrams to sessions: which slot, which protocol, who may begin. Datagrams of the extension
 * that come in one batch make one turn of their transfer: one write, one record, one answer. */
#ifndef PND_PANICD_RECEIVE_H
#define PND_PANICD_RECEIVE_H

#include "panicd/net.h"
#include "panicd/session.h"

enum {
    /* What is on its way to the disk of one transfer before its sender is held back: by the room
     * that its ACKs tell, or, without the extension, by the ACK itself. */
    PND_RECEIVE_BACKLOG = 256 << 20,
    /* How far all transfers may be ahead of what is held of them, shared evenly: enough for
     * 5 Gbit/s over 100 ms. Each may be so far at least. */
    PND_RECEIVE_ROOM = 64 << 20,
    PND_RECEIVE_ROOM_MIN = 64 << 10,
    PND_RECEIVE_CHUNK = 64 << 10, /* bytes written at a time, if so many come together */
};

struct pnd_server;
struct pnd_slot;

/* A turn under way: bytes of @p slot's dump that are not written yet, and the session that it will
 * have when they are. */
struct pnd_turn {
    struct pnd_slot *slot; /* NULL: none */
    struct pnd_origin from;
    struct pnd_session next;
    bool failed;     /* the rest of the turn is dropped */
    uint64_t offset; /* where chunk[0, len) goes */
    size_t len;
    /* Packets' headers part what belongs together: to copy it first costs less than a write of many
     * small pieces does. */
    uint8_t chunk[PND_RECEIVE_CHUNK];
};

/* What pnd_net_receive() calls, for @p server. */
struct pnd_net_handler pnd_receive_handler(struct pnd_server *server);

/* The slot's disk has caught up: a sender that was held back hears that it may go on. */
void pnd_receive_room(struct pnd_server *server, struct pnd_slot *slot);

#endif
