/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The blocking client: a session (kdp_tx.h) driven over a link, with holes where zeros are. */
#include "panicd/client.h"

#include <stdbool.h>
#include <string.h>

#include "client/kdp_tx.h"

enum {
    PAGE = 4096,
    /* A hole costs one SEEK and cuts one block short; shorter runs are cheaper as data. */
    HOLE_MIN = PAGE,
    /* Receives in one wait without the clock moving: the clock, or the link, is broken. */
    STILL_MAX = 1000000,
    PROGRESS_US = 100000,
    RX_CAP = PND_KDP_HEADER_BYTES + PND_KDP_TX_MESSAGE_CAP,
};

struct client {
    struct pnd_link link;
    struct pnd_endpoint peer; /* where packets go, and answers come from */
    bool peer_known;          /* false until the answer to the WRQ told its port */
    int err;                  /* the first one: every later call returns it */
    uint64_t hole;            /* zeros behind tx.offset that were not sent yet */
    uint64_t skipped;
    pnd_client_progress *progress;
    void *progress_ctx;
    uint64_t progress_us, progress_next_us;
    struct pnd_kdp_tx tx;
};

_Static_assert(sizeof(struct client) <= sizeof(struct pnd_client), "the public struct holds it");

static const uint8_t zeros[256]; /* many pieces make a block */

static struct client *client_of(struct pnd_client *client)
{
    return (struct client *)(void *)client;
}

static const struct client *const_client_of(const struct pnd_client *client)
{
    return (const struct client *)(const void *)client;
}

static uint64_t now_us(const struct client *c)
{
    return c->link.now_us(c->link.ctx);
}

static void fill_stats(const struct client *c, struct pnd_client_stats *ret)
{
    *ret = (struct pnd_client_stats){
        .packets = c->tx.stats.packets,
        .retransmissions = c->tx.stats.retransmissions,
        .bytes = c->tx.offset + c->hole,
        .sent_bytes = c->tx.stats.data_bytes,
        .skipped_bytes = c->skipped,
        .noise = c->tx.stats.noise,
        .rtt_us = c->tx.stats.srtt_us,
    };
}

static void report(struct client *c, uint64_t now)
{
    struct pnd_client_stats stats;

    if (!c->progress || now < c->progress_next_us)
        return;
    c->progress_next_us = now + c->progress_us;
    fill_stats(c, &stats);
    c->progress(c->progress_ctx, &stats);
}

/* The server may answer from a port of its own; the first answer tells which, and from then on
 * only that one counts. @source PROTOCOL.md#kdp-1.8, #kdp-11 */
static void take_datagram(struct client *c, const uint8_t *buf, size_t len,
                          struct pnd_endpoint from, uint64_t now)
{
    if (from.ip != c->peer.ip || (c->peer_known && from.port != c->peer.port)) {
        c->tx.stats.noise++;
        return;
    }
    if (pnd_kdp_tx_datagram(&c->tx, buf, len, now) && !c->peer_known) {
        c->peer = from;
        c->peer_known = true;
    }
}

/* Sends what is to be sent, then waits for one datagram or the next deadline. */
static int turn(struct client *c, uint64_t now)
{
    uint8_t buf[RX_CAP];
    struct pnd_endpoint from = {0};
    size_t packet_len = 0;
    const uint8_t *packet = pnd_kdp_tx_output(&c->tx, now, &packet_len);
    uint64_t deadline_us;
    int n;

    if (packet) {
        n = c->link.send(c->link.ctx, c->peer, packet, packet_len);
        if (n < 0)
            return n;
    }
    deadline_us = pnd_kdp_tx_deadline_us(&c->tx);
    n = c->link.receive(c->link.ctx, buf, sizeof(buf), deadline_us > now ? deadline_us - now : 0,
                        &from);
    if (n == PND_E_TIMEOUT)
        return PND_OK;
    if (n < 0)
        return n;
    take_datagram(c, buf, (size_t)n, from, now_us(c));
    return PND_OK;
}

/* Until the session takes something again, or has ended. */
static int settle(struct client *c)
{
    uint64_t now = now_us(c), before_us = now;
    uint32_t still = 0;

    while (c->err == PND_OK && c->tx.phase == PND_KDP_TX_WAIT) {
        c->err = turn(c, now);
        now = now_us(c);
        pnd_kdp_tx_tick(&c->tx, now);
        still = now == before_us ? still + 1 : 0;
        before_us = now;
        if (still > STILL_MAX)
            c->err = PND_E_LINK;
    }
    if (c->err == PND_OK && c->tx.phase == PND_KDP_TX_FAILED)
        c->err = c->tx.err;
    report(c, now);
    return c->err;
}

int pnd_client_open(struct pnd_client *client, const struct pnd_link *link,
                    const struct pnd_client_config *config)
{
    struct client *c = client_of(client);
    struct pnd_kdp_tx_config tx_config = {
        .name = config->name,
        .features = PND_KDP_FEATURES,
        .block_max = config->block_max ? config->block_max : PND_KDP_BLOCK_LARGE,
        .rto_initial_us = config->rto_initial_us,
        .rto_min_us = config->rto_min_us,
        .rto_max_us = config->rto_max_us,
        .patience_us = config->patience_us,
    };

    memset(c, 0, sizeof(*c));
    c->link = *link;
    c->peer = config->server;
    if (c->peer.port == 0)
        c->peer.port = PND_KDP_PORT;
    c->progress = config->progress;
    c->progress_ctx = config->progress_ctx;
    c->progress_us = config->progress_us ? config->progress_us : PROGRESS_US;
    if (link->dgram_max && link->dgram_max <= PND_KDP_HEADER_BYTES)
        return c->err = PND_E_ARG;
    if (link->dgram_max && tx_config.block_max > link->dgram_max - PND_KDP_HEADER_BYTES)
        tx_config.block_max = (uint32_t)(link->dgram_max - PND_KDP_HEADER_BYTES);
    c->err = pnd_kdp_tx_init(&c->tx, &tx_config);
    if (c->err)
        return c->err;
    return settle(c);
}

static int write_data(struct client *c, const uint8_t *at, size_t len)
{
    while (len > 0) {
        size_t taken;

        if (settle(c))
            return c->err;
        taken = pnd_kdp_tx_write(&c->tx, at, len);
        at += taken;
        len -= taken;
    }
    return c->err;
}

static int write_zeros(struct client *c, uint64_t len)
{
    while (len > 0 && c->err == PND_OK) {
        size_t part = len < sizeof(zeros) ? (size_t)len : sizeof(zeros);

        write_data(c, zeros, part);
        len -= part;
    }
    return c->err;
}

static int seek(struct client *c, uint64_t offset)
{
    do {
        if (settle(c))
            return c->err;
    } while (!pnd_kdp_tx_seek(&c->tx, offset));
    return PND_OK;
}

/* The zeros that were held back, except the last @p keep bytes, which are sent as data. */
static int close_hole(struct client *c, uint64_t keep)
{
    uint64_t hole = c->hole, end = c->tx.offset + hole;

    c->hole = 0;
    if (hole < HOLE_MIN || !pnd_kdp_tx_can_seek(&c->tx, end - keep))
        return write_zeros(c, hole);
    c->skipped += hole - keep;
    if (seek(c, end - keep))
        return c->err;
    return write_zeros(c, keep);
}

static int grow(struct client *c, uint64_t len)
{
    if (c->err == PND_OK && c->tx.phase == PND_KDP_TX_DONE)
        return PND_E_ARG;
    if (c->err == PND_OK && len > UINT64_MAX - c->tx.offset - c->hole)
        c->err = PND_E_RANGE;
    return c->err;
}

int pnd_client_write(struct pnd_client *client, const void *buf, size_t len)
{
    struct client *c = client_of(client);
    int err = grow(c, len);

    if (err || len == 0)
        return err;
    if (c->hole && close_hole(c, 0))
        return c->err;
    return write_data(c, buf, len);
}

int pnd_client_skip(struct pnd_client *client, uint64_t len)
{
    struct client *c = client_of(client);
    int err = grow(c, len);

    if (err == PND_OK)
        c->hole += len;
    return err;
}

static bool is_zero(const uint8_t *page)
{
    return page[0] == 0 && memcmp(page, page + 1, PAGE - 1) == 0;
}

int pnd_client_write_sparse(struct pnd_client *client, const void *buf, size_t len)
{
    struct client *c = client_of(client);
    const uint8_t *at = buf;
    int err = c->err;

    while (len > 0 && err == PND_OK) {
        /* up to the next page boundary of the dump, or a whole page, or what is left */
        size_t part = PAGE - (size_t)((c->tx.offset + c->hole) % PAGE);

        if (part > len)
            part = len;
        if (part == PAGE && is_zero(at))
            err = pnd_client_skip(client, PAGE);
        else
            err = pnd_client_write(client, at, part);
        at += part;
        len -= part;
    }
    return err;
}

int pnd_client_finish(struct pnd_client *client)
{
    struct client *c = client_of(client);

    if (c->err || c->tx.phase == PND_KDP_TX_DONE)
        return c->err;
    if (c->hole) {
        uint64_t keep = c->hole < c->tx.block_max ? c->hole : c->tx.block_max;

        if (close_hole(c, keep))
            return c->err;
    }
    do {
        if (settle(c))
            return c->err;
    } while (!pnd_kdp_tx_eof(&c->tx));
    c->progress_next_us = 0; /* the last report is never held back */
    return settle(c);
}

static int sink_write(void *ctx, const void *buf, size_t len)
{
    return pnd_client_write(ctx, buf, len);
}

static int sink_write_sparse(void *ctx, const void *buf, size_t len)
{
    return pnd_client_write_sparse(ctx, buf, len);
}

static int sink_end(void *ctx)
{
    return pnd_client_finish(ctx);
}

void pnd_client_sink(struct pnd_client *client, bool sparse, struct pnd_sink *ret)
{
    *ret = (struct pnd_sink){
        .ctx = client, .write = sparse ? sink_write_sparse : sink_write, .end = sink_end};
}

void pnd_client_abort(struct pnd_client *client)
{
    struct client *c = client_of(client);
    uint8_t packet[PND_KDP_ERROR_CAP];
    int len;

    /* A server that refused, or never answered, has nothing to be told. */
    if (c->tx.phase == PND_KDP_TX_DONE || c->tx.phase == PND_KDP_TX_FAILED)
        return;
    len = pnd_kdp_build_error(packet, sizeof(packet), PND_KDP_E_UNDEFINED, "aborted by the sender");
    if (c->tx.stats.packets > 0)
        (void)c->link.send(c->link.ctx, c->peer, packet, (size_t)len);
    c->tx.phase = PND_KDP_TX_FAILED;
    c->tx.err = PND_E_ABORTED;
    if (c->err == PND_OK)
        c->err = PND_E_ABORTED;
}

void pnd_client_stats(const struct pnd_client *client, struct pnd_client_stats *ret)
{
    fill_stats(const_client_of(client), ret);
}

const char *pnd_client_refusal(const struct pnd_client *client, uint32_t *ret_code)
{
    const struct client *c = const_client_of(client);

    *ret_code = c->tx.error;
    return c->tx.message;
}
