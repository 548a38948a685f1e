/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A sender and a server of the extension on a virtual link: the greeting, the sending session, the
 * receiving one with a journal, and a person who kills either. */
#ifndef PND_TESTS_SIM_EXT_WORLD_H
#define PND_TESTS_SIM_EXT_WORLD_H

#include "client/ext_tx.h"
#include "client/greet.h"
#include "proto/ext_rx.h"
#include "sim/pipe.h"

struct ext_plan {
    uint64_t seed;
    uint64_t bytes; /* of the dump */
    size_t window_bytes;
    bool sparse;          /* runs of zeros among them */
    bool stored;          /* the server keeps the bytes, and they are compared */
    uint64_t rate, queue; /* of the way to the server: bytes a second, bytes */
    uint64_t rtt_ns;
    struct pipe_faults to_server, to_client;
    uint64_t sender_rate; /* bytes a second that the sender's processor can send; 0: any */
    uint32_t dgram_max;
    uint64_t mtu_at; /* from so many bytes on, what is longer than mtu vanishes; 0: never */
    size_t mtu;
    uint64_t wide_at;     /* from so many bytes on nothing vanishes any more; 0: never */
    unsigned server_dies; /* of 100,000 turns of the server, it is killed before its answer */
    unsigned sender_dies; /* of 100,000 outputs; it is started again, and resumes */
    uint64_t room;        /* the server's; 0: any */
    uint64_t closed_at, closed_ns; /* from so many bytes on it takes nothing for so long */
    uint64_t durable_ns;           /* what fsync takes */
    uint64_t patience_us;
};

struct ext_world {
    const struct ext_plan *plan;
    struct rng rng;
    struct pipe to_server, to_client;
    uint64_t now_ns;
    /* the sender */
    struct pnd_greet greet;
    struct pnd_ext_tx tx;
    bool opened, failed, done;
    bool fell_back; /* failed: to Apple's protocol, which would go on there */
    int err;
    uint64_t fed;     /* bytes of the dump that the session was given */
    uint64_t free_ns; /* when its processor has sent what it was given */
    void *window;
    unsigned restarts;
    /* the server */
    struct pnd_ext_rx rx;
    bool alive_rx;
    uint8_t saved[PND_EXT_RX_SAVED_BYTES];
    bool has_saved;
    uint8_t cookie[PND_EXT_COOKIE_BYTES];
    uint64_t finish_ns; /* when it will be durable; 0: nothing is */
    uint64_t reopen_ns; /* it takes nothing until then */
    bool closed_once;
    bool finished;
    uint64_t file_end;
    uint8_t *file, *image; /* NULL unless stored */
    unsigned server_restarts;
    uint64_t acks;
    /* results */
    uint64_t begin_ns, end_ns;
};

/* Runs until the sender has ended, or @p until_ns. @return whether it ended */
bool ext_world_run(struct ext_world *w, const struct ext_plan *plan, uint64_t until_ns);
void ext_world_deinit(struct ext_world *w);

/* Bytes a second, of the dump. */
uint64_t ext_world_rate(const struct ext_world *w);

#endif
