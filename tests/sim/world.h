/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One sender, one receiver, the link between them and what happens to all three, from one seed;
 * and the properties that must hold whatever happens. */
#ifndef PND_TESTS_SIM_WORLD_H
#define PND_TESTS_SIM_WORLD_H

#include "sim/apple_client.h"
#include "sim/kdumpd.h"
#include "sim/net.h"
#include "sim/own_client.h"
#include "sim/owner.h"

enum world_who { WORLD_APPLE, WORLD_OWN };

/* What may happen; each number is the most, and a seed draws from 0 up to it. Chances are per
 * mille. A scenario also says which outcomes it promises. */
struct scenario {
    const char *name, *what;
    unsigned loss, dup, corrupt, reorder;
    uint32_t jitter_us, late_us;
    bool fifo, checksum;
    unsigned restarts;     /* chance per datagram that the server dies at it */
    uint32_t down_us;      /* and for how long */
    uint32_t disk_full_us; /* one spell of a full disk */
    unsigned pause;        /* chance per packet that the sender compresses for long */
    unsigned forged;       /* chance per datagram of a stray one from the sender's address */
    unsigned strangers;    /* chance per datagram of junk from another port to the client */
    bool apple_completes, own_completes;
    /* Apple's client may take a stray packet for success: it then believes in a dump that the
     * server rightly calls incomplete. Otherwise what a client believes is so. */
    bool apple_may_be_fooled;
};

struct world {
    const struct scenario *scenario;
    enum world_who who;
    struct rng rng;
    struct net net;
    struct owner owner;
    struct kdumpd kdumpd;
    bool apples_server; /* kdumpd receives, and no property is checked */
    struct client_image image;
    uint8_t image_bytes[CLIENT_IMAGE_CAP];
    bool image_sent[CLIENT_IMAGE_CAP];
    union {
        struct client client;
        struct apple_client apple;
        struct own_client own;
    };
    struct apple_config apple_config;
    uint64_t up_us;                /* when a dead server starts again */
    uint64_t full_us, not_full_us; /* the spell of a full disk */
    unsigned restarts, restart_chance, forged_chance, stranger_chance;
    unsigned cut_at; /* die at this datagram; 0: never */
    enum owner_crash cut_point;
    bool strayed; /* the client was sent something that no server said */
    unsigned steps;
    uint32_t granted;  /* in the last ACK 0 */
    uint64_t ended_us; /* when the client ended */
    const char *failure;
};

/* Sets a world up from a seed. The caller may change it before world_run(). */
void world_init(struct world *world, const struct scenario *scenario, enum world_who who,
                uint64_t seed);

/* Runs until nothing more happens. @return NULL, or the sentence that does not hold */
const char *world_run(struct world *world);
void world_deinit(struct world *world);

/* @return whether the client believes in another grant than the server gave */
bool world_is_other_form(const struct world *world);

/* @return whether Apple's client went on without a block that the server does not have */
bool world_has_skipped(const struct world *world);

/* @return with Apple's server: whether its file is what the sender meant */
bool world_kdumpd_is_exact(const struct world *world);

/* @return whether the server ended with a complete dump */
bool world_is_complete(const struct world *world);

#endif
