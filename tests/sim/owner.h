/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A model of what owns a receiving session: it runs the actions on files in memory as
 * proto/actions.h says, keeps a journal, runs out of disk and dies when told to. One peer. */
#ifndef PND_TESTS_SIM_OWNER_H
#define PND_TESTS_SIM_OWNER_H

#include "proto/kdp_rx.h"
#include "sim/rule.h"

enum {
    OWNER_DUMPS_CAP = 4,
    OWNER_DUMP_BYTES_CAP = 1 << 20, /* of a model file; dumps in tests are smaller */
};

enum owner_state { OWNER_NONE, OWNER_RECEIVING, OWNER_COMPLETE, OWNER_INCOMPLETE };

struct owner_dump {
    enum owner_state state;
    char name[PND_KDP_NAME_CAP];
    uint8_t *bytes, *tainted; /* tainted: 1 where a byte came in a damaged datagram */
    size_t len, cap;
    const char *why; /* INCOMPLETE */
};

/* When to die, in the next call that does something. */
enum owner_crash { CRASH_NEVER, CRASH_BEFORE_JOURNAL, CRASH_BEFORE_REPLY, CRASH_AFTER };

struct owner {
    struct pnd_rx_limits limits;
    struct pnd_kdp_rx rx;
    struct rule_watch watch;
    bool slot; /* rx holds a session */
    struct owner_dump live;
    struct owner_dump dumps[OWNER_DUMPS_CAP]; /* ended, oldest first */
    unsigned dump_count;
    bool finishing;
    uint64_t finish_at_ms;

    bool journal_used;
    uint8_t journal[PND_KDP_RX_SAVED_BYTES];
    char journal_name[PND_KDP_NAME_CAP];

    bool refuses;        /* policy says no to new dumps */
    bool disk_full;      /* a WRITE stores half of its bytes and fails */
    bool fsync_fails;    /* FINISH does */
    bool damaged;        /* the datagram at hand has flipped bits */
    bool damaged_header; /* among its first six bytes */
    bool misled;         /* one of those drew something, and was not plain DATA */
    uint64_t finish_ms;  /* how long FINISH takes */
    enum owner_crash crash;
    bool dead;
    uint32_t reached;      /* the highest number that was waited for */
    size_t file_bytes_cap; /* larger files are not stored */

    void (*send)(void *ctx, const uint8_t *dgram, size_t len); /* NULL: replies are only kept */
    void *ctx;
    uint8_t reply[PND_ACTIONS_REPLY_CAP]; /* the last one */
    size_t reply_len;                     /* 0: the last call drew none */
    unsigned datagrams, replies, accepted, opens;
    const char *broken; /* the first broken rule, or NULL */
};

void owner_init(struct owner *owner);
void owner_deinit(struct owner *owner);
void owner_datagram(struct owner *owner, const void *dgram, size_t len, uint64_t now_ms);
void owner_tick(struct owner *owner, uint64_t now_ms);
uint64_t owner_deadline_ms(const struct owner *owner); /* UINT64_MAX: none */

/* What a new process finds: the files and the journal, nothing else. */
void owner_restart(struct owner *owner, uint64_t now_ms);

/* @return the last dump that ended, or NULL */
const struct owner_dump *owner_last(const struct owner *owner);

#endif
