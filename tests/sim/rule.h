/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a receiving session may ever do, as one function: unit tests, simulator and fuzzer put
 * every call of a session through it. It is written from PROTOCOL.md#kdp-1.12, not from the
 * session. */
#ifndef PND_TESTS_SIM_RULE_H
#define PND_TESTS_SIM_RULE_H

#include "proto/kdp_rx.h"

enum rule_call { RULE_DATAGRAM, RULE_TICK, RULE_REFUSE_WRITE, RULE_FINISHED };

/* @param before, after  the session around the call; @param dgram  NULL unless RULE_DATAGRAM
 * @return NULL, or a sentence: the rule that was broken */
const char *rule_broken(enum rule_call call, const struct pnd_kdp_rx *before,
                        const struct pnd_kdp_rx *after, const uint8_t *dgram, size_t len,
                        const struct pnd_actions *actions);

/* What a session has said so far, and when: what no single call shows. It counts and times the
 * ACKs by itself. All zero at the start of a session. */
struct rule_watch {
    unsigned said, timed, rhythmic; /* ACKs of the last block: all; by time; of these not the last
                                       resort */
    uint64_t said_ms, timed_ms;     /* the last of them */
    uint64_t first_ms;              /* when it was first said */
    uint64_t alive_ms;              /* the last block accepted, or its copy */
    uint64_t before_ms;             /* the last timed ACK of the block before; 0: none */
    bool owes;                      /* the last block is held, and not acknowledged yet */
    bool ahead, reorders;           /* what the sender's numbers showed */
    bool restarted;                 /* the last block came before that */
    bool last_resort, clean;        /* clean: the ACK was said once, at once */
    double mean_ms;                 /* of the clean gaps */
};

/* One call that has taken effect, before its REPLY leaves. @return as rule_broken() */
const char *rule_watched(struct rule_watch *watch, enum rule_call call,
                         const struct pnd_kdp_rx *before, const struct pnd_kdp_rx *after,
                         const uint8_t *dgram, size_t len, const struct pnd_actions *actions,
                         uint64_t now_ms);

/* A new process has loaded the session. */
void rule_watch_restart(struct rule_watch *watch, uint64_t now_ms);

#endif
