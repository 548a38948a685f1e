/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The blocking client over FreeBSD's netdump: a session (netdump_tx.h) driven over a link. Both are
 * in the window. What dump.c tells is what the session of Apple's protocol counted, which is idle.
 */
#include "client/dump_parts.h"
#include "client/netdump_tx.h"

#include <string.h>

enum { DRAIN_MAX = 64 }; /* datagrams taken between two looks at what is to be sent */

/* What stands at the beginning of the memory, behind what the protocols share. */
struct place {
    struct pnd_netdump_tx tx;
    bool has_header;
    uint8_t header[PND_NETDUMP_KDH_BYTES];
    uint8_t dgram[PND_NETDUMP_HEADER_BYTES + PND_NETDUMP_TX_UNIT_MAX];
};

_Static_assert(sizeof(struct place) + PND_NETDUMP_BLOCK_BYTES <= PND_WINDOW_MIN,
               "the smallest window is large enough");
_Static_assert((int)PND_CLIENT_HEADER_BYTES == (int)PND_NETDUMP_KDH_BYTES, "the same header");

static const uint8_t zeros[256];

static struct place *place_of(const struct pnd_dump *d)
{
    return d->memory;
}

/* Sends what is to be sent now. @return PND_OK, or what the link says */
static int push(struct pnd_dump *d, uint64_t now)
{
    struct place *place = place_of(d);
    struct pnd_datagram packet;
    int err = PND_OK;

    while (!err && pnd_netdump_tx_output(&place_of(d)->tx, now, &packet)) {
        memcpy(place->dgram, packet.header, packet.header_len);
        if (packet.payload_len)
            memcpy(place->dgram + packet.header_len, packet.payload, packet.payload_len);
        err = d->link.send(d->link.ctx, d->peer, place->dgram,
                           packet.header_len + packet.payload_len);
    }
    return err;
}

/* Takes what has come; waits for the first of it up to @p wait_us.
 *   @return PND_OK, or what the link says */
static int drain(struct pnd_dump *d, uint64_t wait_us)
{
    uint8_t buf[PND_NETDUMP_ACK_BYTES + 1]; /* what is longer is no ACK */
    struct pnd_endpoint from = {0};

    for (unsigned i = 0; i < DRAIN_MAX; i++) {
        int n = d->link.receive(d->link.ctx, buf, sizeof(buf), i ? 0 : wait_us, &from);

        if (n == PND_E_TIMEOUT)
            break;
        if (n < 0)
            return n;
        if (pnd_dump_is_peer(d, from) &&
            pnd_netdump_tx_datagram(&place_of(d)->tx, buf, (size_t)n, pnd_dump_now_us(d)))
            pnd_dump_heard(d, from);
        if (place_of(d)->tx.phase != PND_NETDUMP_TX_WAIT)
            break;
    }
    return PND_OK;
}

/* @return PND_OK or the error */
static int failed(struct pnd_dump *d, int err)
{
    const struct pnd_netdump_tx *tx = &place_of(d)->tx;

    if (err == PND_OK && tx->phase == PND_NETDUMP_TX_FAILED)
        err = tx->err;
    if (d->err == PND_OK)
        d->err = err;
    d->tx.kdp.stats = tx->stats;
    return d->err;
}

/* Until the session takes something again, or has ended. */
static int settle(struct pnd_dump *d)
{
    struct pnd_netdump_tx *tx = &place_of(d)->tx;
    uint64_t now = pnd_dump_now_us(d), before_us = now, deadline_us;
    uint32_t still = 0;
    int err = PND_OK;

    while (err == PND_OK && tx->phase == PND_NETDUMP_TX_WAIT) {
        err = push(d, now);
        if (err)
            break;
        deadline_us = pnd_netdump_tx_deadline_us(tx);
        err = drain(d, deadline_us > now ? deadline_us - now : 0);
        now = pnd_dump_now_us(d);
        pnd_netdump_tx_tick(tx, now);
        still = now == before_us ? still + 1 : 0;
        before_us = now;
        if (still > PND_DUMP_STILL_MAX)
            err = PND_E_LINK;
    }
    failed(d, err);
    pnd_dump_report(d, now);
    return d->err;
}

static int send_object(struct pnd_dump *d, enum pnd_netdump_type type, const void *bytes,
                       size_t len)
{
    do {
        if (settle(d))
            return d->err;
    } while (!pnd_netdump_tx_object(&place_of(d)->tx, type, bytes, len));
    return settle(d);
}

static int netdump_write(struct pnd_dump *d, const uint8_t *at, size_t len)
{
    while (len > 0) {
        size_t taken;

        if (settle(d))
            return d->err;
        taken = pnd_netdump_tx_write(&place_of(d)->tx, at, len);
        at += taken;
        len -= taken;
    }
    /* on its way while the caller finds more */
    return failed(d, push(d, pnd_dump_now_us(d)));
}

static int netdump_poll(struct pnd_dump *d)
{
    return d->err;
}

static int netdump_hole(struct pnd_dump *d)
{
    uint64_t hole = d->hole;

    d->hole = 0;
    while (hole > 0 && d->err == PND_OK) {
        size_t part = hole < sizeof(zeros) ? (size_t)hole : sizeof(zeros);

        netdump_write(d, zeros, part);
        hole -= part;
    }
    return d->err;
}

static int netdump_finish(struct pnd_dump *d)
{
    struct place *place = place_of(d);

    if (place_of(d)->tx.taken == 0)
        return d->err = PND_E_ARG;
    if (place->has_header) {
        pnd_netdump_set_dump_length(place->header, place_of(d)->tx.taken);
        if (send_object(d, PND_NETDUMP_KDH, place->header, sizeof(place->header)))
            return d->err;
    }
    d->progress_next_us = 0; /* the last report is never held back */
    return send_object(d, PND_NETDUMP_FINISHED, NULL, 0);
}

static uint64_t netdump_position(const struct pnd_dump *d)
{
    return place_of(d)->tx.taken;
}

/* A server learns by its own patience that no more comes. */
static int netdump_stop(const struct pnd_dump *d, void *buf, size_t cap, const char *why)
{
    (void)d, (void)buf, (void)cap, (void)why;
    return 0;
}

/* @return 0: the link carries too little */
static uint32_t unit_of(const struct pnd_dump *d)
{
    size_t most = d->link.dgram_max;

    if (most == 0)
        return PND_NETDUMP_TX_UNIT;
    if (most < PND_NETDUMP_HEADER_BYTES + PND_NETDUMP_TX_UNIT_MIN)
        return 0;
    most -= PND_NETDUMP_HEADER_BYTES;
    return most < PND_NETDUMP_TX_UNIT_MAX ? (uint32_t)most : PND_NETDUMP_TX_UNIT_MAX;
}

static int netdump_open(struct pnd_dump *d, const struct pnd_client_config *config,
                        const struct pnd_kdp_tx_config *plain)
{
    static const struct pnd_client_netdump_config none;
    const struct pnd_client_netdump_config *with = config->netdump ? config->netdump : &none;
    struct place *place = place_of(d);
    struct pnd_netdump_tx_config session = {
        .path = with->path,
        .unit = unit_of(d),
        .rto_initial_us = plain->rto_initial_us,
        .rto_min_us = plain->rto_min_us,
        .rto_max_us = plain->rto_max_us,
        .patience_us = plain->patience_us,
    };

    if (!d->window || session.unit == 0)
        return d->err = PND_E_ARG;
    session.memory = place + 1;
    session.memory_bytes = d->memory_bytes - sizeof(*place);
    if (config->server.port == 0)
        d->peer.port = PND_NETDUMP_PORT;
    place->has_header = with->header;
    if (with->header)
        memcpy(place->header, with->header, sizeof(place->header));
    d->err = pnd_netdump_tx_init(&place->tx, &session);
    if (d->err)
        return d->err;
    d->extension = &pnd_client_netdump;
    if (settle(d) || !with->key)
        return d->err;
    return send_object(d, PND_NETDUMP_EKCD_KEY, with->key, with->key_bytes);
}

const struct pnd_client_extension pnd_client_netdump = {
    .open = netdump_open,
    .write = netdump_write,
    .poll = netdump_poll,
    .hole = netdump_hole,
    .finish = netdump_finish,
    .position = netdump_position,
    .stop = netdump_stop,
};
