/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The owner's loop of client/kdp_tx.h over the simulated link. */
#include "sim/own_client.h"

#include <string.h>

#include "wire/kdp.h"

enum { HOLE_BYTES = 4096 };

/* Offers the session all that it takes now. */
static void feed(struct own_client *own)
{
    const struct client_image *image = own->image;
    struct pnd_kdp_tx *tx = &own->tx;
    size_t end = own->at;

    if (tx->phase != PND_KDP_TX_READY)
        return;
    if (own->at == image->len) {
        pnd_kdp_tx_eof(tx);
        return;
    }
    if (!image->sent[own->at]) {
        while (end < image->len && !image->sent[end])
            end++;
        if (pnd_kdp_tx_seek(tx, end))
            own->at = end;
        return;
    }
    while (end < image->len && image->sent[end])
        end++;
    own->at += pnd_kdp_tx_write(tx, image->bytes + own->at, end - own->at);
}

static void own_step(struct client *client)
{
    struct own_client *own = (struct own_client *)client;
    const uint8_t *packet;
    size_t len;

    if (client->state != CLIENT_RUNNING)
        return;
    pnd_kdp_tx_tick(&own->tx, client->net->now_us);
    while (own->tx.phase == PND_KDP_TX_READY)
        feed(own);
    packet = pnd_kdp_tx_output(&own->tx, client->net->now_us, &len);
    if (packet)
        net_send(client->net, NET_TO_SERVER, client->reply_port, packet, len);
    if (own->tx.phase == PND_KDP_TX_DONE)
        client->state = CLIENT_SUCCESS;
    else if (own->tx.phase == PND_KDP_TX_FAILED)
        client->state = CLIENT_FAILED;
}

static uint64_t own_deadline_us(const struct client *client)
{
    const struct own_client *own = (const struct own_client *)client;
    uint64_t deadline_us = pnd_kdp_tx_deadline_us(&own->tx);

    if (client->state != CLIENT_RUNNING)
        return UINT64_MAX;
    return deadline_us < client->net->now_us ? client->net->now_us : deadline_us;
}

/* The owner of a session checks where a datagram comes from, as client/dump.c does: the first
 * answer tells the server's port, the others come from there. */
static void own_receive(struct client *client, uint16_t port, const uint8_t *dgram, size_t len)
{
    struct own_client *own = (struct own_client *)client;

    if (client->state != CLIENT_RUNNING || (own->peer_known && port != client->reply_port))
        return;
    if (pnd_kdp_tx_datagram(&own->tx, dgram, len, client->net->now_us)) {
        own->peer_known = true;
        client->reply_port = port;
    }
    own_step(client);
}

int own_init(struct own_client *own, const struct pnd_kdp_tx_config *config,
             struct client_image *image, size_t len, bool sparse, struct net *net, struct rng *rng)
{
    struct pnd_kdp_tx_config named = *config;

    memset(own, 0, sizeof(*own));
    own->client = (struct client){.net = net,
                                  .reply_port = PND_KDP_PORT,
                                  .step = own_step,
                                  .deadline_us = own_deadline_us,
                                  .receive = own_receive};
    own->image = image;
    memcpy(image->name, "vmcore-1", sizeof("vmcore-1"));
    image->len = len;
    rng_fill(rng, image->bytes, len);
    memset(image->sent, true, len);
    for (size_t at = 0; sparse && at + HOLE_BYTES < len; at += HOLE_BYTES)
        if (rng_chance(rng, 400)) {
            memset(image->sent + at, false, HOLE_BYTES);
            memset(image->bytes + at, 0, HOLE_BYTES);
        }
    named.name = image->name;
    return pnd_kdp_tx_init(&own->tx, &named);
}
