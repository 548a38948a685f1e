/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A lossy link between one sender and the receiver under a virtual clock, from a seed: the same
 * seed gives the same run everywhere. Times are in microseconds. */
#ifndef PND_TESTS_SIM_NET_H
#define PND_TESTS_SIM_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/rng.h"

enum net_way { NET_TO_SERVER, NET_TO_CLIENT };

enum {
    NET_QUEUE_CAP = 128, /* datagrams under way; more are lost, as in a switch */
    NET_DGRAM_CAP = 9216,
    NET_COPIES_MAX = 4, /* of one datagram, besides itself */
    NET_FATES = 4096,
};

/* Chances are per mille of the datagrams of one way. */
struct net_faults {
    unsigned loss, dup, corrupt, reorder;
    uint32_t delay_us, jitter_us; /* each datagram: delay and up to jitter */
    uint32_t late_us;             /* a reordered or duplicated one: up to this much more */
    bool fifo;                    /* none overtakes another, copies included */
    bool checksum;                /* a damaged datagram is lost instead of delivered */
};

struct net_dgram {
    uint64_t at_us, order;
    enum net_way way;
    uint16_t port; /* source port of those to the client, destination port of the others */
    bool damaged, damaged_header; /* _header: among its first six bytes */
    size_t len;
    uint8_t bytes[NET_DGRAM_CAP];
};

struct net {
    struct rng *rng;
    struct net_faults faults[2];
    uint64_t now_us, order;
    uint64_t last_us[2]; /* latest arrival so far */
    unsigned count;
    struct net_dgram *queue[NET_QUEUE_CAP];
    struct net_dgram *unused[NET_QUEUE_CAP];
    uint64_t sent, lost;
    /* fated: what happens to the nth datagram with the same first six bytes follows from the seed
     * and these alone, not from what else was sent: so that two worlds can be compared. */
    bool fated;
    uint64_t fate_seed;
    uint16_t times[2][NET_FATES];
    struct net_dgram storage[NET_QUEUE_CAP];
};

void net_init(struct net *net, struct rng *rng);
void net_send(struct net *net, enum net_way way, uint16_t port, const void *dgram, size_t len);

/* @return when the next datagram arrives; UINT64_MAX: none is under way */
uint64_t net_next_us(const struct net *net);

/* @return the datagram that arrives at or before net->now_us, valid until the next call; NULL */
const struct net_dgram *net_take(struct net *net);

#endif
