/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The blocking client over the extension: the beginning (greet.h), and a session (ext_tx.h) driven
 * over a link. */
#include "client/dump_parts.h"

#include <string.h>

#include "wire/sum.h"

enum {
    WRITE_BYTES = 64 * 1024, /* taken between two looks at the network */
    DRAIN_MAX = 64,          /* datagrams taken between two looks at what is to be sent */
};

static int send_each(struct pnd_dump *d, const struct pnd_datagram *packets, unsigned count)
{
    uint8_t *buf = d->window->tx;
    int err = PND_OK;

    for (unsigned i = 0; i < count && !err; i++) {
        const struct pnd_datagram *p = &packets[i];

        memcpy(buf, p->header, p->header_len);
        if (p->payload_len)
            memcpy(buf + p->header_len, p->payload, p->payload_len);
        err = d->link.send(d->link.ctx, d->peer, buf, p->header_len + p->payload_len);
    }
    return err;
}

/* Sends what is to be sent now. @return how many packets, or an error */
static int push(struct pnd_dump *d, uint64_t now)
{
    struct pnd_datagram *packets = d->window->packets;
    unsigned n = pnd_ext_tx_output(&d->tx.ext, now, packets, PND_EXT_TX_PACKETS_CAP);
    int err = PND_OK;

    if (n && d->link.send_many)
        err = d->link.send_many(d->link.ctx, d->peer, packets, n);
    else if (n)
        err = send_each(d, packets, n);
    return err ? err : (int)n;
}

/* Takes what has come, at most DRAIN_MAX; waits for the first up to @p wait_us.
 *   @return how many datagrams, or an error */
static int drain(struct pnd_dump *d, uint64_t wait_us)
{
    struct pnd_dump_window *w = d->window;
    struct pnd_endpoint from = {0};
    int n = 0;

    while (n < DRAIN_MAX) {
        int len = d->link.receive(d->link.ctx, w->rx, sizeof(w->rx), n ? 0 : wait_us, &from);

        if (len == PND_E_TIMEOUT)
            break;
        if (len < 0)
            return len;
        if (pnd_dump_is_peer(d, from))
            pnd_ext_tx_datagram(&d->tx.ext, w->rx, (size_t)len, pnd_dump_now_us(d));
        n++;
    }
    return n;
}

static int failed(struct pnd_dump *d, int err)
{
    if (d->err == PND_OK && err < 0)
        d->err = err;
    if (d->err == PND_OK && d->tx.ext.phase == PND_EXT_TX_FAILED)
        d->err = d->tx.ext.err;
    return d->err;
}

/* Moves the dump on as far as that goes; if @p wait, until something has come or was sent. What
 * has come is taken first: it may be what a tick would ask for, and it makes room.
 *   @return PND_OK or the error */
static int pump(struct pnd_dump *d, bool wait)
{
    uint64_t now = pnd_dump_now_us(d), before_us = now, wait_us = 0, deadline_us;
    uint32_t still = 0;
    int n, got;

    do {
        got = drain(d, wait_us);
        if (failed(d, got))
            return d->err;
        now = pnd_dump_now_us(d);
        pnd_ext_tx_tick(&d->tx.ext, now);
        n = push(d, now);
        if (failed(d, n))
            return d->err;
        deadline_us = pnd_ext_tx_deadline_us(&d->tx.ext, now);
        wait_us = deadline_us > now ? deadline_us - now : 0;
        still = now == before_us && !got ? still + 1 : 0;
        before_us = now;
        if (still > PND_DUMP_STILL_MAX)
            return failed(d, PND_E_LINK);
        /* a dump that has ended has nothing to wait for, and no deadline */
    } while (wait && !n && !got && d->tx.ext.phase < PND_EXT_TX_DONE);
    pnd_dump_report(d, now);
    return d->err;
}

/* What the server holds already is only summed. At the end of it the sums must agree.
 *   @param at  NULL: zeros
 *   @return how many of @p len bytes are among that */
static uint64_t give_again(struct pnd_dump *d, const uint8_t *at, uint64_t len)
{
    uint64_t part = d->resume_offset - d->again;

    if (part > len)
        part = len;
    if (part == 0)
        return 0;
    if (at)
        d->again_sum += pnd_sum(d->again, at, (size_t)part);
    d->again += part;
    if (d->again == d->resume_offset && d->again_sum != d->resume_sum)
        d->err = PND_E_FORMAT;
    return part;
}

static int write_new(struct pnd_dump *d, const uint8_t *at, size_t len)
{
    while (len > 0) {
        size_t part = len < WRITE_BYTES ? len : WRITE_BYTES;
        size_t taken = pnd_ext_tx_write(&d->tx.ext, at, part);

        at += taken;
        len -= taken;
        if (pump(d, taken == 0))
            return d->err;
    }
    return PND_OK;
}

static int ext_write(struct pnd_dump *d, const uint8_t *at, size_t len)
{
    size_t again = (size_t)give_again(d, at, len);

    return d->err ? d->err : write_new(d, at + again, len - again);
}

static int ext_poll(struct pnd_dump *d)
{
    return pump(d, false);
}

static int ext_hole(struct pnd_dump *d)
{
    static const uint8_t zeros[256];
    uint64_t hole = d->hole - give_again(d, NULL, d->hole);

    d->hole = 0;
    if (d->err || hole == 0)
        return d->err;
    if (hole >= PND_DUMP_HOLE_MIN) {
        while (!pnd_ext_tx_zero(&d->tx.ext, hole))
            if (pump(d, true))
                return d->err;
        d->skipped += hole;
        return PND_OK; /* something is written behind it, or it ends: both send */
    }
    for (; hole; hole -= hole < sizeof(zeros) ? hole : sizeof(zeros))
        if (write_new(d, zeros, hole < sizeof(zeros) ? (size_t)hole : sizeof(zeros)))
            return d->err;
    return PND_OK;
}

static int ext_finish(struct pnd_dump *d)
{
    if (d->again < d->resume_offset) /* the server holds more than there is */
        return d->err = PND_E_FORMAT;
    pnd_ext_tx_finish(&d->tx.ext);
    while (d->tx.ext.phase == PND_EXT_TX_END)
        if (pump(d, true))
            return d->err;
    if (failed(d, PND_OK))
        return d->err;
    d->progress_next_us = 0; /* the last report is never held back */
    pnd_dump_report(d, pnd_dump_now_us(d));
    return PND_OK;
}

static uint64_t ext_position(const struct pnd_dump *d)
{
    return d->again < d->resume_offset ? d->again : d->tx.ext.window.end;
}

static int ext_stop(const struct pnd_dump *d, void *buf, size_t cap, const char *why)
{
    return pnd_ext_build_stop(buf, cap, d->tx.ext.token, PND_KDP_E_UNDEFINED, why);
}

/* One packet of the beginning, and one datagram: whose length is in @p ret_len if it was the
 * answer of a server without the extension. */
static int greet_turn(struct pnd_dump *d, struct pnd_greet *greet, uint64_t now, size_t *ret_len)
{
    struct pnd_endpoint from = {0};
    size_t packet_len = 0;
    const uint8_t *packet = pnd_greet_output(greet, now, &packet_len);
    uint64_t deadline_us;
    int n;

    if (packet) {
        n = d->link.send(d->link.ctx, d->peer, packet, packet_len);
        if (n < 0)
            return n;
        d->packets = greet->packets; /* whoever stops from here on says so */
        d->retransmissions = greet->retransmissions;
    }
    deadline_us = pnd_greet_deadline_us(greet);
    n = d->link.receive(d->link.ctx, d->window->rx, sizeof(d->window->rx),
                        deadline_us > now ? deadline_us - now : 0, &from);
    if (n == PND_E_TIMEOUT)
        return PND_OK;
    if (n < 0 || !pnd_dump_is_peer(d, from))
        return n < 0 ? n : PND_OK;
    if (pnd_greet_datagram(greet, d->window->rx, (size_t)n, pnd_dump_now_us(d)))
        pnd_dump_heard(d, from);
    else
        d->noise++;
    *ret_len = (size_t)n;
    return PND_OK;
}

static int greet_all(struct pnd_dump *d, struct pnd_greet *greet, size_t *ret_len)
{
    uint64_t now = pnd_dump_now_us(d), before_us = now;
    uint32_t still = 0;

    while (greet->phase == PND_GREET_ASK || greet->phase == PND_GREET_OPEN) {
        int err = greet_turn(d, greet, now, ret_len);

        if (err)
            return err;
        now = pnd_dump_now_us(d);
        pnd_greet_tick(greet, now);
        still = now == before_us ? still + 1 : 0;
        before_us = now;
        if (still > PND_DUMP_STILL_MAX)
            return PND_E_LINK;
    }
    return greet->phase == PND_GREET_TIMEOUT ? PND_E_TIMEOUT : PND_OK;
}

/* The server speaks Apple's protocol only, or refused: its answer to our WRQ is the same as to one
 * that offers nothing. */
static int fall_back(struct pnd_dump *d, const struct pnd_greet *greet, size_t answer_len)
{
    uint64_t sent_us = greet->last_us, now = pnd_dump_now_us(d);
    size_t len;

    d->packets--; /* it counts that one */
    (void)pnd_kdp_tx_output(&d->tx.kdp, sent_us, &len);
    (void)pnd_kdp_tx_datagram(&d->tx.kdp, d->window->rx, answer_len, now);
    if (d->tx.kdp.phase == PND_KDP_TX_FAILED)
        d->err = d->tx.kdp.err;
    return d->err;
}

static uint32_t dgram_max(const struct pnd_dump *d)
{
    size_t most = d->link.dgram_max;

    if (most == 0 || most > PND_EXT_DGRAM_CAP)
        most = PND_EXT_DGRAM_CAP;
    if (!d->link.send_many && most > PND_EXT_TX_DGRAM_START)
        most = PND_EXT_TX_DGRAM_START;
    return (uint32_t)most;
}

static int ext_open(struct pnd_dump *d, const struct pnd_client_config *config,
                    const struct pnd_kdp_tx_config *plain)
{
    struct pnd_greet *greet = d->memory; /* the window is not in use before the session begins */
    struct pnd_greet_config greeting = {
        .name = config->name,
        .open_name = config->extended_name,
        .block_max = plain->block_max,
        .dgram_max = dgram_max(d),
        .resume = config->resume,
        .rto_initial_us =
            config->rto_initial_us ? config->rto_initial_us : PND_KDP_TX_RTO_INITIAL_US,
        .rto_max_us = config->rto_max_us ? config->rto_max_us : PND_KDP_TX_RTO_MAX_US,
        .patience_us = config->patience_us ? config->patience_us : PND_KDP_TX_PATIENCE_US,
    };
    struct pnd_ext_tx_config session;
    size_t answer_len = 0;

    if (!d->window || (d->link.dgram_max && d->link.dgram_max < PND_EXT_DGRAM_MIN))
        return pnd_dump_kdp_open(d);
    memcpy(greeting.id, config->id, sizeof(greeting.id));
    d->err = pnd_greet_init(greet, &greeting);
    if (d->err == PND_OK)
        d->err = greet_all(d, greet, &answer_len);
    if (d->err)
        return d->err;
    if (greet->phase == PND_GREET_PLAIN)
        return fall_back(d, greet, answer_len);
    session = (struct pnd_ext_tx_config){
        .token = greet->opened.token,
        .offset = greet->opened.offset,
        .sum = greet->opened.sum,
        .resumed = config->resume,
        .dgram_max = greet->opened.dgram_max < greeting.dgram_max ? greet->opened.dgram_max
                                                                  : greeting.dgram_max,
        .rtt_us = greet->rtt_us,
        .patience_us = greeting.patience_us,
        .window = d->memory,
        .window_bytes = d->memory_bytes,
    };
    d->resume_offset = session.offset;
    d->resume_sum = session.sum;
    d->extended = true;
    d->extension = &pnd_client_extension;
    return failed(d, pnd_ext_tx_init(&d->tx.ext, &session, pnd_dump_now_us(d)));
}

const struct pnd_client_extension pnd_client_extension = {
    .open = ext_open,
    .write = ext_write,
    .poll = ext_poll,
    .hole = ext_hole,
    .finish = ext_finish,
    .position = ext_position,
    .stop = ext_stop,
};
