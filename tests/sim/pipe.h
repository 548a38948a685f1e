/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A link in one direction, with a rate, a queue before it that is bounded, a delay, and faults: for
 * senders that have many packets on their way. Times are in nanoseconds. */
#ifndef PND_TESTS_SIM_PIPE_H
#define PND_TESTS_SIM_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/net.h"

enum { PIPE_OVERHEAD = 66, PIPE_HEAP_CAP = 1 << 18 }; /* Ethernet, IPv4, UDP, and the gap */

struct pipe_faults {
    unsigned loss, dup, corrupt, reorder; /* of 10,000 packets */
    uint64_t late_ns;                     /* a reordered or second one comes up to so much later */
    bool checksum;                        /* a damaged packet is lost */
    size_t mtu;                           /* larger payloads vanish; 0: none do */
};

struct pipe_packet {
    uint64_t at_ns, order;
    int flow;
    size_t len;
    uint8_t *bytes; /* NULL: nobody looks at them */
};

struct pipe {
    struct rng *rng;
    uint64_t bytes_per_s; /* 0: as fast as anything */
    uint64_t queue_bytes; /* before the rate; 0: without an end */
    uint64_t delay_ns;
    struct pipe_faults faults;
    uint64_t busy_ns, order;
    uint64_t sent, lost, overflowed, peak_bytes;
    size_t count;
    struct pipe_packet *heap;
};

void pipe_init(struct pipe *pipe, struct rng *rng);
void pipe_deinit(struct pipe *pipe);

/* Two parts of a packet, as a sender has them. @p header NULL: only the length counts. */
void pipe_send(struct pipe *pipe, uint64_t now_ns, int flow, const void *header, size_t header_len,
               const void *payload, size_t payload_len);

/* @return when the next one arrives; UINT64_MAX: none is under way */
uint64_t pipe_next_ns(const struct pipe *pipe);

/* @return whether one has arrived; its bytes are the caller's to free() */
bool pipe_take(struct pipe *pipe, uint64_t now_ns, struct pipe_packet *ret);

#endif
