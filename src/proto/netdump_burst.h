/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One send of FreeBSD's netdump client: up to 64 packets that it transmits together and waits for
 * together. Its kernel on amd64 takes the ACK of packet k of a send for that of packet k + 32 as
 * well, and the other way round; so neither is said before both have arrived. For that the receiver
 * has to know where a send ends, which no packet says: PROTOCOL.md#netdump-8. Freestanding. */
#ifndef PND_PROTO_NETDUMP_BURST_H
#define PND_PROTO_NETDUMP_BURST_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/netdump.h"

enum {
    PND_NETDUMP_ALIAS = 32,       /* packets that far apart share an ACK */
    PND_NETDUMP_REACH = 128,      /* a number so far ahead is of no send that can be under way */
    PND_NETDUMP_ROUND_MS = 500,   /* copies that far apart were not sent together */
    PND_NETDUMP_ROUNDS_MAX = 6,   /* the end of a send is waited for so often */
    PND_NETDUMP_ROUNDS_SHORT = 2, /* the same when eight packets or more would have to be lost */
    PND_NETDUMP_ROUNDS_SHORT_TO = 24, /* of a send of which that many packets are known at most */
    PND_NETDUMP_QUIET_MS = 50,       /* after such a silence a send has ended, where none says so */
    PND_NETDUMP_DISTURBED_MS = 1200, /* the same in a send that was: the client repeats itself */
};

/* Copied freely. Bit i of a map is packet base + i. */
struct pnd_netdump_burst {
    uint32_t base; /* number of the first packet */
    enum pnd_netdump_type type;
    uint64_t received, acked;
    unsigned top; /* the last one of those received; 0: also none */
    uint64_t top_offset;
    uint32_t top_len;
    uint32_t unit;     /* the longest payload of the dump so far: all but the last of a send are */
    bool large;        /* sends of this client are longer than 64 KiB */
    bool unmarked;     /* the end of its last send could not be seen */
    bool free;         /* nothing is held back any more */
    bool disturbed;    /* packets of this send may have been lost here, many in a row */
    unsigned rounds;   /* how often the client has repeated this send, and brought nothing new */
    uint64_t new_ms;   /* when something new came last */
    uint64_t round_ms; /* when something did, or the last round began */
};

enum pnd_netdump_place {
    PND_NETDUMP_NEW,   /* a packet of this send that had not arrived */
    PND_NETDUMP_COPY,  /* it had */
    PND_NETDUMP_NEXT,  /* of another send, which begins */
    PND_NETDUMP_PAST,  /* of a send before */
    PND_NETDUMP_STRAY, /* it fits nowhere */
};

/* Another send begins at @p base; what is known of the client stays. */
void pnd_netdump_burst_begin(struct pnd_netdump_burst *burst, uint32_t base, uint64_t now_ms);

enum pnd_netdump_place pnd_netdump_burst_place(const struct pnd_netdump_burst *burst,
                                               const struct pnd_netdump_packet *packet);

/* Takes a packet that is PND_NETDUMP_NEW. */
void pnd_netdump_burst_put(struct pnd_netdump_burst *burst, const struct pnd_netdump_packet *packet,
                           uint64_t now_ms);

/* Notes a PND_NETDUMP_COPY. What is held back is given free if the client has repeated itself so
 * often that what it is waited for cannot have been lost each time. */
void pnd_netdump_burst_copy(struct pnd_netdump_burst *burst, uint64_t now_ms);

/* The server was killed during the send, or could not write. */
void pnd_netdump_burst_disturb(struct pnd_netdump_burst *burst, uint64_t now_ms);

/* @return which packets may be acknowledged, if they were or not */
uint64_t pnd_netdump_burst_ready(const struct pnd_netdump_burst *burst);

/* @return whether the send has ended, and all of it is here */
bool pnd_netdump_burst_whole(const struct pnd_netdump_burst *burst);

/* @return how many packets it has, as far as is known */
unsigned pnd_netdump_burst_count(const struct pnd_netdump_burst *burst);

/* @return how many of those have not arrived */
unsigned pnd_netdump_burst_missing(const struct pnd_netdump_burst *burst);

/* Where the data of packet @p index, which has arrived, lies: [*ret_start, *ret_end). */
void pnd_netdump_burst_span(const struct pnd_netdump_burst *burst, unsigned index,
                            uint64_t *ret_start, uint64_t *ret_end);

/* @return when pnd_netdump_burst_quiet() is to be called; UINT64_MAX: not at all */
uint64_t pnd_netdump_burst_deadline_ms(const struct pnd_netdump_burst *burst);

/* Nothing came until then: the send has ended. */
void pnd_netdump_burst_quiet(struct pnd_netdump_burst *burst);

#endif
