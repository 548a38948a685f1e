/* SPDX-License-Identifier: BSD-2-Clause
 *
 * FreeBSD's netdump client and a server on a virtual link: ours, or a plain one that writes and
 * acknowledges each packet when it comes. */
#ifndef PND_TESTS_SIM_NETDUMP_WORLD_H
#define PND_TESTS_SIM_NETDUMP_WORLD_H

#include "sim/netdump_client.h"
#include "sim/netdump_owner.h"
#include "sim/pipe.h"

struct netdump_plan {
    uint64_t seed;
    size_t image_len; /* of the dump, a multiple of 4096 */
    size_t unit;      /* the client's longest payload */
    size_t send_bytes;
    unsigned flushes;
    bool shifts_right, kdh_first, has_key;
    size_t padding; /* of image_len, what the header does not count */
    uint64_t first_lies;
    struct pipe_faults to_server, to_client;
    uint64_t rtt_ns, rate;
    bool plain;
    unsigned restarts; /* of 100,000 datagrams, at so many the server dies */
    uint64_t down_ns;  /* for up to so long */
    uint64_t full_at_ns, full_ns;
    unsigned forged; /* of 1000 datagrams, so many are followed by one that anybody sent */
    unsigned
        lies; /* of 1000 datagrams, so many are acknowledged by somebody else: as lost as not */
    uint64_t finish_ms;
    unsigned cut_at; /* die at this datagram; 0: never */
    enum netdump_crash cut_point;
};

struct netdump_world {
    const struct netdump_plan *plan;
    struct rng rng;
    struct pipe to_server, to_client;
    uint64_t now_ns, up_ns, end_ns; /* end_ns: the client's */
    struct netdump_client client;
    struct netdump_owner owner;
    uint8_t *image, key[600];
    bool heard;    /* the client has something to look at */
    uint8_t *here; /* the plain server's: 1 where something was written */
    uint64_t sends_believed, sends_wrong, packets_missing; /* of VMCORE */
    unsigned restarts;
    bool completed; /* a dump was; late copies may begin another one behind it */
    bool exact;     /* it was what the client meant */
    uint64_t datagrams;
    const char *failure;
};

/* Runs until nothing more happens. @return NULL, or the sentence that does not hold */
const char *netdump_world_run(struct netdump_world *w, const struct netdump_plan *plan);
void netdump_world_deinit(struct netdump_world *w);

/* @return whether what the server keeps is what the client meant, byte for byte */
bool netdump_world_is_exact(const struct netdump_world *w);

#endif
