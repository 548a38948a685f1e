/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The blocking client over Apple's protocol: a session (kdp_tx.h) driven over a link, with SEEKs
 * where zeros are. */
#include "client/dump_parts.h"

static const uint8_t zeros[256]; /* many pieces make a block */

static void take_datagram(struct pnd_dump *d, const uint8_t *buf, size_t len,
                          struct pnd_endpoint from, uint64_t now)
{
    if (!pnd_dump_is_peer(d, from))
        return;
    if (pnd_kdp_tx_datagram(&d->tx.kdp, buf, len, now))
        pnd_dump_heard(d, from);
}

/* Sends what is to be sent, then waits for one datagram or the next deadline. */
static int turn(struct pnd_dump *d, uint64_t now)
{
    uint8_t buf[PND_DUMP_RX_CAP];
    struct pnd_endpoint from = {0};
    size_t packet_len = 0;
    const uint8_t *packet = pnd_kdp_tx_output(&d->tx.kdp, now, &packet_len);
    uint64_t deadline_us;
    int n;

    if (packet) {
        n = d->link.send(d->link.ctx, d->peer, packet, packet_len);
        if (n < 0)
            return n;
    }
    deadline_us = pnd_kdp_tx_deadline_us(&d->tx.kdp);
    n = d->link.receive(d->link.ctx, buf, sizeof(buf), deadline_us > now ? deadline_us - now : 0,
                        &from);
    if (n == PND_E_TIMEOUT)
        return PND_OK;
    if (n < 0)
        return n;
    take_datagram(d, buf, (size_t)n, from, pnd_dump_now_us(d));
    return PND_OK;
}

/* Until the session takes something again, or has ended. */
static int settle(struct pnd_dump *d)
{
    uint64_t now = pnd_dump_now_us(d), before_us = now;
    uint32_t still = 0;

    while (d->err == PND_OK && d->tx.kdp.phase == PND_KDP_TX_WAIT) {
        d->err = turn(d, now);
        now = pnd_dump_now_us(d);
        pnd_kdp_tx_tick(&d->tx.kdp, now);
        still = now == before_us ? still + 1 : 0;
        before_us = now;
        if (still > PND_DUMP_STILL_MAX)
            d->err = PND_E_LINK;
    }
    if (d->err == PND_OK && d->tx.kdp.phase == PND_KDP_TX_FAILED)
        d->err = d->tx.kdp.err;
    pnd_dump_report(d, now);
    return d->err;
}

int pnd_dump_kdp_open(struct pnd_dump *d)
{
    return settle(d);
}

int pnd_dump_kdp_write(struct pnd_dump *d, const uint8_t *at, size_t len)
{
    while (len > 0) {
        size_t taken;

        if (settle(d))
            return d->err;
        taken = pnd_kdp_tx_write(&d->tx.kdp, at, len);
        at += taken;
        len -= taken;
    }
    return d->err;
}

static int write_zeros(struct pnd_dump *d, uint64_t len)
{
    while (len > 0 && d->err == PND_OK) {
        size_t part = len < sizeof(zeros) ? (size_t)len : sizeof(zeros);

        pnd_dump_kdp_write(d, zeros, part);
        len -= part;
    }
    return d->err;
}

static int seek(struct pnd_dump *d, uint64_t offset)
{
    do {
        if (settle(d))
            return d->err;
    } while (!pnd_kdp_tx_seek(&d->tx.kdp, offset));
    return PND_OK;
}

/* The zeros that were held back. At the end of the dump the last of them are sent as data. */
int pnd_dump_kdp_hole(struct pnd_dump *d, bool is_end)
{
    uint64_t hole = d->hole, end = d->tx.kdp.offset + hole, keep = 0;

    if (is_end)
        keep = hole < d->tx.kdp.block_max ? hole : d->tx.kdp.block_max;
    d->hole = 0;
    if (hole < PND_DUMP_HOLE_MIN || !pnd_kdp_tx_can_seek(&d->tx.kdp, end - keep))
        return write_zeros(d, hole);
    d->skipped += hole - keep;
    if (seek(d, end - keep))
        return d->err;
    return write_zeros(d, keep);
}

int pnd_dump_kdp_finish(struct pnd_dump *d)
{
    do {
        if (settle(d))
            return d->err;
    } while (!pnd_kdp_tx_eof(&d->tx.kdp));
    d->progress_next_us = 0; /* the last report is never held back */
    return settle(d);
}
