/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A model of what owns a receiving session of TFTP: it runs the actions as proto/actions.h says,
 * keeps a journal, runs out of disk and dies when told to, and holds what is acknowledged against
 * what was written. Only the beginning of a file is kept. One peer. */
#ifndef PND_TESTS_SIM_TFTP_OWNER_H
#define PND_TESTS_SIM_TFTP_OWNER_H

#include "proto/tftp_rx.h"

enum {
    TFTP_OWNER_BYTES_CAP = 8192, /* of a file that are kept */
    TFTP_OWNER_DUMPS_CAP = 8,
};

enum tftp_owner_state {
    TFTP_OWNER_NONE,
    TFTP_OWNER_RECEIVING,
    TFTP_OWNER_COMPLETE,
    TFTP_OWNER_INCOMPLETE,
};

struct tftp_owner_dump {
    enum tftp_owner_state state;
    uint64_t len;
    bool foreign; /* something was written that verify() did not know */
    uint8_t bytes[TFTP_OWNER_BYTES_CAP];
    const char *why; /* INCOMPLETE */
    char name[PND_RX_NAME_CAP];
};

/* When to die, in the next call that does something. */
enum tftp_owner_crash {
    TFTP_CRASH_NEVER,
    TFTP_CRASH_BEFORE_JOURNAL,
    TFTP_CRASH_BEFORE_REPLY,
    TFTP_CRASH_AFTER,
};

struct tftp_owner {
    struct pnd_rx_limits limits;
    struct pnd_tftp_rx rx;
    bool slot; /* rx holds a session */
    struct tftp_owner_dump live;
    struct tftp_owner_dump dumps[TFTP_OWNER_DUMPS_CAP]; /* ended, oldest first */
    unsigned dump_count;
    bool finishing;
    uint64_t finish_at_ms;

    bool journal_used;
    uint8_t journal[PND_TFTP_RX_SAVED_BYTES];
    char journal_name[PND_RX_NAME_CAP];

    bool refuses;       /* policy says no to new dumps */
    bool disk_full;     /* a WRITE stores half of its bytes and fails */
    bool fsync_fails;   /* FINISH does */
    uint64_t finish_ms; /* how long FINISH takes */
    enum tftp_owner_crash crash;
    bool dead;

    /* Are these the bytes that were to be sent? NULL: nobody knows */
    bool (*verify)(void *ctx, uint64_t offset, const uint8_t *data, size_t len);
    void (*send)(void *ctx, const uint8_t *dgram, size_t len); /* NULL: replies are only kept */
    void *ctx;
    uint8_t reply[PND_ACTIONS_REPLY_CAP]; /* the last one */
    size_t reply_len;                     /* 0: the last call drew none */
    int err;                              /* of the last datagram */
    uint64_t datagrams, replies, accepted, restarts;
    unsigned opens;
    const char *broken; /* the first broken rule, or NULL */
};

void tftp_owner_init(struct tftp_owner *owner);
void tftp_owner_datagram(struct tftp_owner *owner, const void *dgram, size_t len, uint64_t now_ms);
void tftp_owner_tick(struct tftp_owner *owner, uint64_t now_ms);
uint64_t tftp_owner_deadline_ms(const struct tftp_owner *owner); /* UINT64_MAX: none */

/* What a new process finds: the files and the journal, nothing else. */
void tftp_owner_restart(struct tftp_owner *owner, uint64_t now_ms);

/* @return the last dump that ended, or NULL */
const struct tftp_owner_dump *tftp_owner_last(const struct tftp_owner *owner);

#endif
