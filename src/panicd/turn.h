/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Datagrams of one transfer that come in one batch, taken together: the session is copied once,
 * what is written becomes few large writes, the journal has one record, and then the replies leave.
 */
#ifndef PND_PANICD_TURN_H
#define PND_PANICD_TURN_H

#include "panicd/net.h"
#include "panicd/session.h"

enum {
    /* What is on its way to the disk of one transfer before its sender is held back: by the room
     * that its ACKs tell, or, where they tell none, by the ACK itself. */
    PND_TURN_BACKLOG = 256 << 20,
    /* How far all transfers may be ahead of what is held of them, shared evenly: enough for
     * 5 Gbit/s over 100 ms. Each may be so far at least. */
    PND_TURN_ROOM = 64 << 20,
    PND_TURN_ROOM_MIN = 64 << 10,
    PND_TURN_CHUNK = 64 << 10, /* bytes written at a time, if so many come together */
};

struct pnd_server;
struct pnd_slot;

/* A turn under way: bytes of @p slot's dump that are not written yet, replies that wait for that,
 * and the session that the slot will have then. */
struct pnd_turn {
    struct pnd_slot *slot; /* NULL: none */
    struct pnd_origin from;
    struct pnd_session next;
    bool failed;     /* the rest of the turn is dropped */
    bool moved;      /* something is to be journaled */
    uint64_t offset; /* where chunk[0, len) goes */
    size_t len;
    size_t reply_len, reply_each; /* replies: datagrams of reply_each bytes */
    uint8_t reply[PND_ACTIONS_REPLY_CAP];
    /* Packets' headers part what belongs together: to copy it first costs less than a write of many
     * small pieces does. */
    uint8_t chunk[PND_TURN_CHUNK];
};

/* A datagram of @p slot's sender, for its session. The turn of another slot ends. */
void pnd_turn_take(struct pnd_server *server, struct pnd_slot *slot, const struct pnd_origin *from,
                   const uint8_t *dgram, size_t len, uint64_t now_us);

/* One that is a turn by itself. None may be under way. */
void pnd_turn_alone(struct pnd_server *server, struct pnd_slot *slot, const struct pnd_origin *from,
                    const uint8_t *dgram, size_t len, uint64_t now_us);

/* Writes, journals, answers. After it slots may be taken and freed. No turn may be under way when
 * anything but a batch of datagrams comes. */
void pnd_turn_end(struct pnd_server *server);

/* The slot's disk has caught up: a sender that was held back hears that it may go on. */
void pnd_turn_room(struct pnd_server *server, struct pnd_slot *slot);

#endif
