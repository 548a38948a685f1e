/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A model of what owns a receiving session of the extension: it runs turns of datagrams on a copy
 * of the session, keeps a file in memory and a journal, runs out of disk and dies when told to.
 * Whatever the session does is held against what was in the packets. One peer. */
#ifndef PND_TESTS_SIM_EXT_OWNER_H
#define PND_TESTS_SIM_EXT_OWNER_H

#include "proto/ext_rx.h"

enum {
    EXT_OWNER_FAR_CAP = 256, /* writes behind the window */
    EXT_OWNER_DUMPS_CAP = 8,
};

enum ext_state { EXT_OWNER_NONE, EXT_OWNER_RECEIVING, EXT_OWNER_COMPLETE, EXT_OWNER_INCOMPLETE };

struct ext_far {
    uint64_t offset;
    size_t len;
    uint64_t sum;
};

/* The bytes of a dump, and of each of them whether it came in a packet since the dump began, and
 * whether the session that stands now has taken it. */
struct ext_file {
    enum ext_state state;
    uint8_t *bytes, *heard, *said, *taken; /* the owner's window each; said: the first value */
    struct ext_far far[EXT_OWNER_FAR_CAP];
    unsigned far_count;
    uint64_t len;
    size_t high; /* of the model, what lies behind it was never touched */
};

struct ext_owner {
    struct pnd_rx_limits limits;
    struct pnd_ext_rx rx, turn; /* the session, and its copy during a turn */
    bool slot, in_turn;
    struct ext_file file;
    struct { /* ended, oldest first */
        enum ext_state state;
        uint64_t len;
        const char *why;
        char name[PND_KDP_NAME_CAP];
        uint8_t *bytes; /* what of it is modelled */
    } dumps[EXT_OWNER_DUMPS_CAP];
    unsigned dump_count;
    bool finishing, resuming;
    uint64_t room, next_token;
    size_t window; /* bytes from the start of a dump that are modelled one by one */

    bool journal_used;
    uint8_t journal[PND_EXT_RX_SAVED_BYTES];
    char journal_name[PND_KDP_NAME_CAP];

    bool refuses;      /* policy says no to new dumps */
    bool disk_full;    /* a write stores half of its bytes and fails */
    bool turn_failed;  /* one did in this turn */
    bool turn_opened;  /* the file was made in this turn */
    unsigned turn_far; /* far writes before this turn */
    bool failed_once;  /* bytes may stand in the file that the session does not know of */
    bool fsync_fails;  /* FINISH does */
    bool lies;         /* zeros came over bytes: the sender contradicts itself */
    bool holds_finish; /* FINISH is not done until ext_owner_finish() */
    bool holds_resume; /* RESUME is not done until ext_owner_resume() */
    bool left_is_gone; /* somebody removed what was kept of a dump that was left */

    void (*send)(void *ctx, const uint8_t *dgram, size_t len); /* NULL: replies are only kept */
    void *ctx;
    uint8_t reply[PND_ACTIONS_REPLY_CAP]; /* the last one */
    size_t reply_len;                     /* 0: the last call drew none */
    unsigned replies, opens, written;     /* written: calls of write */
    int err;                              /* of the last packet */
    const char *broken;                   /* the first broken rule, or NULL */
};

void ext_owner_init(struct ext_owner *owner, size_t window);
void ext_owner_deinit(struct ext_owner *owner);

/* One datagram of a turn; the first begins it. An OPEN is a turn of its own. */
void ext_owner_datagram(struct ext_owner *owner, const void *dgram, size_t len, uint64_t now_us);
void ext_owner_end_turn(struct ext_owner *owner, uint64_t now_us);

void ext_owner_tick(struct ext_owner *owner, uint64_t now_us);
void ext_owner_finish(struct ext_owner *owner, uint64_t now_us);
void ext_owner_resume(struct ext_owner *owner, uint64_t now_us);

/* The sum of the first @p len bytes of the file, computed anew. */
uint64_t ext_owner_sum(const struct ext_owner *owner, uint64_t len);
uint64_t ext_owner_deadline_ms(const struct ext_owner *owner); /* UINT64_MAX: none */

/* What a new process finds: the file, cut to what is held, and the journal. */
void ext_owner_restart(struct ext_owner *owner, uint64_t now_us);

#endif
