/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The project's own sending session as a client of the simulator. */
#ifndef PND_TESTS_SIM_OWN_CLIENT_H
#define PND_TESTS_SIM_OWN_CLIENT_H

#include "client/kdp_tx.h"
#include "sim/client.h"

struct own_client {
    struct client client; /* first: the others are reached through it */
    struct pnd_kdp_tx tx;
    const struct client_image *image;
    bool peer_known; /* client.reply_port is the server's */
    size_t at;       /* bytes of the image taken by the session */
};

/* Fills @p image with a dump of @p len bytes, with holes if @p sparse, and starts sending it.
 * @return what pnd_kdp_tx_init() returned */
int own_init(struct own_client *own, const struct pnd_kdp_tx_config *config,
             struct client_image *image, size_t len, bool sparse, struct net *net, struct rng *rng);

#endif
