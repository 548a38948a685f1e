/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A model of the sender in Apple's kernels, defects included: PROTOCOL.md#kdp-1.12 for its waits
 * and what it takes for success, #kdp-1.9 for the junk it sends, #kdp-1.2 for its WRQs. */
#ifndef PND_TESTS_SIM_APPLE_CLIENT_H
#define PND_TESTS_SIM_APPLE_CLIENT_H

#include "sim/client.h"

enum apple_tail { APPLE_TAIL_NONE, APPLE_TAIL_MASK, APPLE_TAIL_CUT, APPLE_TAIL_WHOLE };

/* One row per kind of kernel that sends different bytes. */
struct apple_kernel {
    const char *trains;
    enum apple_tail tail;
    size_t wrq_junk;    /* behind the WRQ */
    uint32_t features;  /* asked for */
    size_t every_junk;  /* behind every packet without a name: struct of 7 bytes */
    size_t log_junk;    /* behind log DATA and SEEK: name length and this; */
    char filler;        /* of this byte, 0: of whatever lay there */
    bool random_access; /* cores are written with SEEKs */
    bool long_seek;     /* a 32-bit SEEK carries four stale bytes */
    bool buffered;      /* a 1406-byte stage sits before the network */
};

extern const struct apple_kernel apple_kernels[];
extern const unsigned apple_kernel_count;

enum apple_kind { APPLE_CORE, APPLE_PANICLOG, APPLE_SYSTEMLOG, APPLE_KINDS };

struct apple_config {
    const struct apple_kernel *kernel;
    enum apple_kind kind;
    uint32_t block_max; /* boot-arg; 1406 */
    bool skips_number;  /* the EOF of an aborted dump has the next number, not the failed one's */
    uint32_t gap_us;    /* it makes the next packet in less */
    unsigned pause;     /* per mille of the packets before which it compresses for long */
    uint32_t pause_us;  /* at most */
};

enum { APPLE_RING_CAP = 32, APPLE_FRAME_CAP = 64 };

struct apple_piece {
    bool seek;
    size_t at, len;
};

struct apple_client {
    struct client client; /* first: the others are reached through it */
    struct apple_config config;
    const struct client_image *image;
    struct rng *rng;
    struct apple_piece pieces[CLIENT_PIECES_CAP];
    unsigned piece_count, piece; /* piece_count: the EOF is due */
    size_t done;                 /* bytes of the piece that were sent */
    size_t stage_left;
    uint32_t block, limit, features;
    bool aborted; /* a packet was given up; the EOF may still go out */
    bool finished_eof;
    /* the packet in flight */
    uint8_t packet[NET_DGRAM_CAP];
    size_t packet_len, data_len;
    unsigned transmissions, transmissions_most, early;
    uint64_t poll_us, polls_left; /* the poll that runs began then */
    uint64_t resume_us;           /* compressing until then: frames wait in the ring */
    bool waiting;
    struct {
        uint16_t port;
        size_t len;
        uint8_t bytes[APPLE_FRAME_CAP];
    } ring[APPLE_RING_CAP];
    unsigned ring_count;
    unsigned retransmissions, strays_taken; /* strays_taken: for success */
};

/* Fills @p image with a dump of this kind, of up to @p len bytes, and starts sending it. */
void apple_init(struct apple_client *apple, const struct apple_config *config,
                struct client_image *image, size_t len, struct net *net, struct rng *rng);

/* The same for an image that is given with its name: all of its bytes, in one piece. */
void apple_init_given(struct apple_client *apple, const struct apple_config *config,
                      struct client_image *image, struct net *net, struct rng *rng);

/* Frames that are not for it: each ends one poll. */
void apple_noise(struct apple_client *apple, unsigned frames);

#endif
