/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A model of what owns a receiving session of netdump: it runs the actions on a file in memory as
 * proto/actions.h says, keeps a journal, runs out of disk and dies when told to. Whatever it
 * acknowledges must be held. One peer. */
#ifndef PND_TESTS_SIM_NETDUMP_OWNER_H
#define PND_TESTS_SIM_NETDUMP_OWNER_H

#include "proto/netdump_rx.h"

enum {
    NETDUMP_OWNER_NUMBERS_CAP = 1 << 12, /* packets of a dump that are watched */
    NETDUMP_OWNER_BYTES_CAP = 16 << 20,  /* of a file; what lies behind is not stored */
    NETDUMP_OWNER_KEY_CAP = 65536,
};

enum netdump_state {
    NETDUMP_NONE,
    NETDUMP_RECEIVING,
    NETDUMP_COMPLETE,
    NETDUMP_INCOMPLETE,
};

enum netdump_crash {
    NETDUMP_LIVES,
    NETDUMP_DIES_BEFORE_JOURNAL,
    NETDUMP_DIES_BEFORE_REPLY,
    NETDUMP_DIES_AFTER,
};

struct netdump_number {
    bool written;
    uint64_t offset;
    uint32_t len;
};

struct netdump_owner {
    struct pnd_rx_limits limits;
    struct pnd_netdump_rx rx;
    bool slot; /* rx holds a session */
    /* The dump that arrives, or the last one that ended. */
    enum netdump_state state;
    const char *why;       /* INCOMPLETE */
    uint8_t *bytes, *held; /* held: 1 where something was written */
    size_t len, cap;
    uint8_t kdh[512], key[NETDUMP_OWNER_KEY_CAP];
    size_t kdh_len, key_len;
    bool finishing;
    uint64_t finish_at_ms;

    bool journal_used;
    uint8_t journal[PND_NETDUMP_RX_SAVED_BYTES];
    char journal_path[PND_NETDUMP_RX_PATH_CAP];

    bool refuses;             /* policy says no to new dumps */
    bool disk_full;           /* a WRITE stores half of its bytes and fails */
    bool fsync_fails;         /* FINISH does */
    uint64_t finish_ms;       /* how long FINISH takes */
    enum netdump_crash crash; /* in the next call that does something */
    bool dead;

    void (*send)(void *ctx, uint32_t number); /* an ACK; NULL: they are only kept */
    void *ctx;
    uint32_t acks[PND_NETDUMP_SEND_PACKETS]; /* of the last call */
    unsigned ack_count;
    unsigned opens, ended, datagrams, replies;
    int err;            /* of the last datagram */
    const char *broken; /* the first broken rule, or NULL */
    struct netdump_number *numbers;
};

void netdump_owner_init(struct netdump_owner *owner);
void netdump_owner_deinit(struct netdump_owner *owner);
void netdump_owner_datagram(struct netdump_owner *owner, const void *dgram, size_t len,
                            uint64_t now_ms);
void netdump_owner_tick(struct netdump_owner *owner, uint64_t now_ms);
uint64_t netdump_owner_deadline_ms(const struct netdump_owner *owner); /* UINT64_MAX: none */

/* What a new process finds: the file and the journal, nothing else. */
void netdump_owner_restart(struct netdump_owner *owner, uint64_t now_ms);

/* @return whether all of packet @p number is in the file */
bool netdump_owner_holds(const struct netdump_owner *owner, uint32_t number);

#endif
