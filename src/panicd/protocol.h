/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the server knows of a protocol: facts, and functions over its sessions. One struct for each,
 * in protocol_NAME.c; slots, turns, policy and journal ask nothing else. Times are microseconds of
 * a monotonic clock unless the name says otherwise. */
#ifndef PND_PANICD_PROTOCOL_H
#define PND_PANICD_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/actions.h"
#include "proto/ranges.h"
#include "proto/rx.h"

/* As they stand in the journal: a number is never used for another one. */
enum pnd_protocol_id {
    PND_PROTOCOL_KDP = 1,     /* as Apple's client speaks it */
    PND_PROTOCOL_EXT = 2,     /* with the extension */
    PND_PROTOCOL_NETDUMP = 3, /* FreeBSD's */
    PND_PROTOCOL_TFTP = 4,
    PND_PROTOCOLS,
};

/* Who listens on a port of its own. The same peer on two of them has two transfers. */
enum pnd_service {
    PND_SERVICE_KDP, /* Apple's protocol, and its extension */
    PND_SERVICE_NETDUMP,
    PND_SERVICE_TFTP,
    PND_SERVICES,
};

struct pnd_session;

struct pnd_protocol {
    enum pnd_protocol_id id;
    enum pnd_service service;
    const char *name;   /* for people, rows and JSON: "kdp"; fits pnd_dump.protocol */
    size_t saved_bytes; /* of a saved session */
    /* The datagrams of one batch make one turn (panicd/turn.h); else each is one by itself, as its
     * sender waits for the answer to it. */
    bool turns;
    bool grows; /* zeros at the end of a dump may not have been written */
    /* Dumps have no name of their sender's: they are called PREFIX-ADDRESS-TIME, and dump_name is
     * the directory in which he would like his. NULL: dump_name is a name. */
    const char *prefix;
    /* What may be on its way to the disk of one transfer before its ACKs are held back, if it has
     * `answer`: what a slow disk writes within the patience of a sender. 0: PND_TURN_BACKLOG. */
    uint64_t backlog_bytes;

    /* Is this datagram one for a session that is there? NULL: all are. */
    bool (*is_own)(const uint8_t *dgram, size_t len);
    /* May this datagram of an unknown peer make a session? NULL: none may. */
    bool (*opens)(const uint8_t *dgram, size_t len);
    /* What a sender hears that is refused before it has a session, PND_ACTIONS_REPLY_CAP bytes at
     * most; NULL: it hears nothing. @return the length */
    size_t (*build_refusal)(uint8_t *ret, enum pnd_refusal refusal, const char *message);

    void (*init)(struct pnd_session *session, const struct pnd_rx_limits *limits);
    void (*copy)(struct pnd_session *ret, const struct pnd_session *session);
    void (*datagram)(struct pnd_session *session, const uint8_t *dgram, size_t len, uint64_t now_us,
                     struct pnd_actions *ret);
    /* The end of a turn: what is to be done and said. @p room is how many bytes behind what is held
     * the sender may send, @p due that it is to hear so in any case. NULL: datagrams are answered
     * one by one, and what holds a sender back is an ACK that comes late. */
    void (*answer)(struct pnd_session *session, uint64_t room, bool due, uint64_t now_us,
                   struct pnd_actions *ret);
    void (*tick)(struct pnd_session *session, uint64_t now_us, struct pnd_actions *ret);
    uint64_t (*deadline_ms)(const struct pnd_session *session);
    void (*refuse_write)(struct pnd_session *session, uint64_t now_us, bool final,
                         enum pnd_refusal refusal, const char *message, struct pnd_actions *ret);
    void (*finished)(struct pnd_session *session, bool durable, uint64_t now_us,
                     struct pnd_actions *ret);
    bool (*may_go)(const struct pnd_session *session, uint64_t now_us);

    /* A dump that was LEFT comes back. All NULL: it does not, and RESUME is never asked for. */
    struct {
        void (*resumed)(struct pnd_session *session, bool ok, uint64_t now_us,
                        struct pnd_actions *ret);
        /* Its file has at least *ret_from bytes, and what lies behind *ret_to goes. */
        void (*span)(const struct pnd_session *session, uint64_t *ret_from, uint64_t *ret_to);
        const char *(*why)(const struct pnd_session *session);
    } left;

    /* After a restart: what lies behind the return value is not known any more, and is cut off.
     * NULL: nothing was forgotten. */
    uint64_t (*cut)(struct pnd_session *session);

    void (*save)(const struct pnd_session *session, uint8_t *ret); /* saved_bytes */
    int (*load)(struct pnd_session *session, const struct pnd_rx_limits *limits,
                const uint8_t *saved, size_t len, const char *name, uint64_t now_us);

    /* What lies beside the dump for sure: bits 1 << enum pnd_beside. NULL: never anything does. */
    unsigned (*beside)(const struct pnd_session *session);
    /* If the dump ended now: the first part that was never received, and begins at or behind
     * @p from; to UINT64_MAX: from there on nothing is known. NULL: there are no such parts that
     * the dump itself does not tell of. @return PND_OK; PND_E_NOTFOUND */
    int (*missing)(const struct pnd_session *session, uint64_t from, struct pnd_span *ret);

    /* What panicd/session.h asks under the same names. */
    enum pnd_rx_phase (*phase)(const struct pnd_session *session);
    const char *(*dump_name)(const struct pnd_session *session);
    uint64_t (*end)(const struct pnd_session *session);
    uint64_t (*total)(const struct pnd_session *session); /* NULL: no sender of this says it */
    uint64_t (*solid)(const struct pnd_session *session);
    uint64_t (*written)(const struct pnd_session *session);
    uint64_t (*bytes)(const struct pnd_session *session);
    uint64_t (*repeats)(const struct pnd_session *session);
    uint64_t (*packets)(const struct pnd_session *session);
    uint64_t (*last_ms)(const struct pnd_session *session);
};

extern const struct pnd_protocol pnd_protocol_kdp, pnd_protocol_ext, pnd_protocol_netdump,
    pnd_protocol_tftp;

/* @return NULL: there is none of this number */
const struct pnd_protocol *pnd_protocol(unsigned id);

#endif
