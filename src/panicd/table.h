/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The transfers a server knows: a fixed number of slots, made before the server says ready,
 * found by the peer's address, its port and the service that it speaks to. Each slot stands in the
 * list of its class, oldest first; a full table displaces openings and ended dumps, never one that
 * arrives. */
#ifndef PND_PANICD_TABLE_H
#define PND_PANICD_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "panicd/peer.h"
#include "panicd/session.h"
#include "store/spool.h"

enum pnd_class {
    PND_CLASS_FREE,
    PND_CLASS_ASKED,   /* an opening without data; displaced first when openings are many */
    PND_CLASS_RESTING, /* ended, remembered for repeated packets; displaced first otherwise */
    PND_CLASS_BUSY,    /* live or finishing; never displaced */
    PND_CLASSES,
};

enum {
    PND_SLOT_NONE = UINT32_MAX,
    PND_SLOT_ACK_CAP = 256, /* of ACKs that wait for the disk; more are lost, and asked for again */
    PND_TABLE_ASKED_SHARE = 4, /* openings may fill one slot in so many before they are many */
};

struct pnd_slot {
    uint32_t index, bucket_next, prev, next;
    enum pnd_class class;
    struct pnd_origin origin;
    uint64_t generation;           /* of the journal's record; another for every dump */
    uint64_t turn;                 /* when it was last journaled, in turns of the server */
    uint64_t id;                   /* 0 until the dump has a file */
    int fd;                        /* of the .part file, or -1 */
    char file[PND_SPOOL_NAME_CAP]; /* as picked, without .part; "": none yet */
    int64_t started_ms;            /* wall clock */
    uint64_t packets;
    uint64_t leased_bytes;   /* DATA bytes that policy has let through so far */
    uint64_t written_back;   /* write-back was started up to here */
    uint64_t told;           /* bytes that the checker knows to be there; they must not change */
    uint64_t tell_next;      /* it is told of more from here on; UINT64_MAX: no more */
    bool write_back_pending; /* a keeper's job for it is under way */
    bool resumed;            /* carried over a restart */
    bool stall_logged;
    bool released; /* freed at the end of this turn */
    uint16_t ack_len,
        ack_each; /* of the ACKs that wait for the disk: datagrams of ack_each bytes */
    uint8_t ack[PND_SLOT_ACK_CAP];
    uint64_t rate_ms, rate_bytes, rate; /* progress: bytes per second, last sample */
    struct pnd_session session;
};

struct pnd_table;

struct pnd_table *pnd_table_create(uint32_t slots); /* NULL: no memory */
void pnd_table_destroy(struct pnd_table *table);

/* @return the peer's slot, or NULL */
struct pnd_slot *pnd_table_find(struct pnd_table *table, const struct pnd_origin *origin);

/* A cleared slot for this peer, which has none. @p ret_displaced gets the contents of the slot
 * that had to make room, if one had to (class FREE if none): its owner drops what it held.
 *   @return NULL when every slot is busy */
struct pnd_slot *pnd_table_take(struct pnd_table *table, const struct pnd_origin *origin,
                                struct pnd_slot *ret_displaced);

/* The slot with index @p index, for a record of the journal. @return NULL if it is not free */
struct pnd_slot *pnd_table_take_at(struct pnd_table *table, uint32_t index,
                                   const struct pnd_origin *origin);

/* The slot's peer is elsewhere now, where no slot is. */
void pnd_table_move(struct pnd_table *table, struct pnd_slot *slot,
                    const struct pnd_origin *origin);
void pnd_table_free(struct pnd_table *table, struct pnd_slot *slot);

/* Puts the slot at the young end of the list of @p class, if it is not in that list. */
void pnd_table_classify(struct pnd_table *table, struct pnd_slot *slot, enum pnd_class class);

/* The slots of a class, oldest first; NULL: that was the last. Take the next one before the slot
 * at hand changes its class. */
struct pnd_slot *pnd_table_first(struct pnd_table *table, enum pnd_class class);
struct pnd_slot *pnd_table_next(struct pnd_table *table, const struct pnd_slot *slot);

struct pnd_slot *pnd_table_at(struct pnd_table *table, uint32_t index);
uint32_t pnd_table_size(const struct pnd_table *table);
uint32_t pnd_table_count(const struct pnd_table *table, enum pnd_class class);

#endif
