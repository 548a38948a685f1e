/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the server says to the sending session of ext_tx.h: what arrived, what is lost by that, and
 * what a server says that was started anew. */
#include <string.h>

#include "client/ext_tx_parts.h"

enum { REORDER_CAP = 512 };

/* a < b, of numbers that wrap */
static bool before(uint32_t a, uint32_t b)
{
    return (a - b) >> 31;
}

void pnd_ext_tx_measure(struct pnd_ext_tx *tx, uint64_t rtt_us)
{
    uint64_t delta;

    if (!tx->measured) {
        tx->srtt_us = rtt_us;
        tx->rttvar_us = rtt_us / 2;
        tx->measured = true;
        return;
    }
    delta = rtt_us > tx->srtt_us ? rtt_us - tx->srtt_us : tx->srtt_us - rtt_us;
    tx->rttvar_us = (3 * tx->rttvar_us + delta) / 4;
    tx->srtt_us = (7 * tx->srtt_us + rtt_us) / 8;
}

void pnd_ext_tx_lose(struct pnd_ext_tx *tx, struct pnd_piece *piece, bool guessed)
{
    piece->guessed = guessed;
    pnd_window_remove(&tx->window, &tx->window.flying, piece);
    pnd_window_append(&tx->window, &tx->window.lost, piece);
    piece->state = PND_PIECE_LOST;
    pnd_pace_lost(&tx->pace, piece->wire);
}

/* Paths that reorder: how late was it? */
static void came_late(struct pnd_ext_tx *tx, uint32_t by)
{
    tx->stats.late++;
    if (by > REORDER_CAP)
        by = REORDER_CAP;
    if (tx->reorder < by)
        tx->reorder = by;
}

/* Of what left at @p sent_us, and was the last to arrive; the ACK came just now. */
static uint64_t rtt_of(const struct pnd_ext_tx *tx, const struct pnd_ext_ack *ack, uint32_t sent_us)
{
    uint32_t passed_us = (uint32_t)tx->quiet_us - sent_us;

    return passed_us > ack->age_us ? passed_us - ack->age_us : 1;
}

static void arrived(struct pnd_ext_tx *tx, struct pnd_piece *piece, const struct pnd_ext_ack *ack)
{
    bool early;

    if (piece->state == PND_PIECE_FLYING) {
        pnd_window_remove(&tx->window, &tx->window.flying, piece);
        /* the repetition cannot have arrived yet, so it was superfluous, and its mark tells nothing
         */
        early = before(ack->number, piece->number);
        pnd_pace_arrived(&tx->pace, piece->wire, early ? NULL : &piece->mark);
        if (early && piece->tries > 1 && !piece->guessed)
            came_late(tx, 2 * tx->reorder);
        if (piece->number == ack->number)
            tx->sample_us = rtt_of(tx, ack, piece->mark.sent_us);
    } else {
        pnd_window_remove(&tx->window, &tx->window.lost, piece);
        pnd_pace_late(&tx->pace, piece->wire);
        if (!piece->guessed)
            came_late(tx, ack->number - piece->number + 1);
    }
    piece->state = PND_PIECE_ARRIVED;
    tx->arrived += piece->len;
    if (piece->zero)
        tx->stats.skipped += piece->len;
    else
        tx->stats.sent_bytes += piece->len;
    if (pnd_ext_tx_packet_of(tx, piece) >= tx->miss_size)
        tx->misses = 0;
    tx->progress_us = tx->quiet_us;
}

/* Everything before held: also what a restarted server has forgotten can be in there. */
static void take_held(struct pnd_ext_tx *tx, const struct pnd_ext_ack *ack)
{
    uint32_t sent = tx->window.count - tx->window.unsent - tx->window.open;

    for (uint32_t i = 0; i < sent; i++) {
        struct pnd_piece *piece = pnd_window_piece(&tx->window, i);

        if (piece->offset + piece->len > ack->held)
            break;
        if (piece->state != PND_PIECE_ARRIVED)
            arrived(tx, piece, ack);
        tx->arrived -= piece->len;
    }
    pnd_window_release(&tx->window, ack->held);
    tx->held = ack->held;
}

static void take_range(struct pnd_ext_tx *tx, const struct pnd_ext_ack *ack,
                       const struct pnd_ext_range *range)
{
    uint32_t sent = tx->window.count - tx->window.unsent - tx->window.open;
    uint32_t i = pnd_window_find(&tx->window, range->start);

    for (; i < sent; i++) {
        struct pnd_piece *piece = pnd_window_piece(&tx->window, i);

        if (piece->offset + piece->len > range->end)
            return;
        if (piece->offset >= range->start && piece->state != PND_PIECE_ARRIVED)
            arrived(tx, piece, ack);
    }
}

/* A server that was started anew knows what is held, and nothing of the ranges. */
static void forget(struct pnd_ext_tx *tx)
{
    uint32_t sent = tx->window.count - tx->window.unsent - tx->window.open;

    for (uint32_t i = 0; i < sent; i++) {
        struct pnd_piece *piece = pnd_window_piece(&tx->window, i);

        if (piece->state != PND_PIECE_ARRIVED)
            continue;
        piece->state = PND_PIECE_LOST;
        piece->guessed = true;
        pnd_window_append(&tx->window, &tx->window.lost, piece);
    }
    tx->arrived = 0;
}

/* What lies before it is told. */
static uint64_t end_of(const struct pnd_ext_ack *ack)
{
    return ack->count ? ack->range[ack->count - 1].end : ack->from;
}

/* Less is there than was: bytes in ranges, or packets. The ACK is newer than the last one. */
static bool was_restarted(const struct pnd_ext_tx *tx, const struct pnd_ext_ack *ack)
{
    uint64_t there = ack->from - tx->held; /* what another part tells of may be there */

    if (before(ack->packets, tx->heard_packets))
        return true;
    if (ack->flags & PND_EXT_MORE)
        return false;
    for (unsigned i = 0; i < ack->count; i++)
        there += ack->range[i].end - ack->range[i].start;
    return there < tx->arrived;
}

/* What left long before something that has arrived, and has not, is lost. What the ACK says nothing
 * of may become as old as an answer is waited for: another part was lost on its way, or the server
 * had no room for the piece. */
static void take_losses(struct pnd_ext_tx *tx, const struct pnd_ext_ack *ack, uint64_t now_us)
{
    struct pnd_piece *missed = NULL;
    uint64_t known = ack->flags & PND_EXT_MORE ? end_of(ack) : UINT64_MAX;
    uint64_t long_us = pnd_ext_tx_patient_us(tx);
    struct pnd_piece *piece = pnd_window_first(&tx->window, &tx->window.flying), *next;
    bool unknown;

    for (; piece && !before(ack->number, piece->number + tx->reorder); piece = next) {
        next = pnd_window_after(&tx->window, piece);
        unknown = piece->offset < ack->from || piece->offset + piece->len > known;
        if (unknown && (uint32_t)now_us - piece->mark.sent_us < long_us)
            continue;
        if (piece->tries > 1 && pnd_ext_tx_packet_of(tx, piece) > PND_EXT_DGRAM_MIN)
            missed = piece;
        pnd_ext_tx_lose(tx, piece, unknown);
    }
    if (missed)
        pnd_ext_tx_missed(tx, missed);
}

/* Somebody counted further under this token: we were started again, from the same port, and the
 * server has taken our OPEN for a copy, or what was on its way then came behind it. Until we count
 * on from there it tells nothing of what we send. */
static void count_on(struct pnd_ext_tx *tx, const struct pnd_ext_ack *ack)
{
    if (tx->heard_number == 0 && ack->number > tx->number)
        tx->number = ack->number;
}

/* Nothing that it says was ever sent, or it is older than another. */
static bool is_usable(const struct pnd_ext_tx *tx, const struct pnd_ext_ack *ack)
{
    if (ack->number == 0 || before(tx->number, ack->number) ||
        before(ack->number, tx->heard_number))
        return false;
    if (ack->number == tx->heard_number && before(ack->packets, tx->heard_packets))
        return false;
    return ack->held >= tx->held && (end_of(ack) <= tx->sent_end || tx->resumed);
}

static void take_ack(struct pnd_ext_tx *tx, const struct pnd_ext_ack *ack, uint64_t now_us)
{
    bool newer = ack->number != tx->heard_number;

    if (newer && was_restarted(tx, ack))
        forget(tx);
    tx->sample_us = 0;
    tx->heard_number = ack->number;
    tx->heard_packets = ack->packets;
    tx->limit = ack->limit;
    tx->silent = 0;
    tx->quiet_us = now_us;
    take_held(tx, ack);
    for (unsigned i = 0; i < ack->count; i++)
        take_range(tx, ack, &ack->range[i]);
    if (newer && ack->number == tx->end_number)
        tx->sample_us = rtt_of(tx, ack, tx->end_us);
    take_losses(tx, ack, now_us);
    tx->ranges = ack->count + (ack->from > ack->held ? tx->ranges : 0);
    if (tx->sample_us)
        pnd_ext_tx_measure(tx, tx->sample_us);
    pnd_pace_end(&tx->pace, tx->sample_us, now_us);
    pnd_ext_tx_probed(tx, ack->probed, now_us);
    pnd_ext_tx_shrink(tx, now_us);
    /* A server that takes nothing now, or makes the dump durable, is not silent. */
    if (tx->window.flying.count == 0)
        tx->progress_us = now_us;
}

static bool take_stop(struct pnd_ext_tx *tx, const void *dgram, size_t len)
{
    struct pnd_ext_stop stop;
    size_t text_len;

    if (pnd_ext_parse_stop(dgram, len, &stop) != PND_OK || stop.token != tx->token)
        return false;
    text_len = stop.text_len < sizeof(tx->message) ? stop.text_len : sizeof(tx->message) - 1;
    memset(tx->message, 0, sizeof(tx->message));
    if (text_len)
        memcpy(tx->message, stop.text, text_len);
    tx->error = stop.code;
    tx->err = PND_E_REFUSED;
    tx->phase = PND_EXT_TX_FAILED;
    return true;
}

bool pnd_ext_tx_datagram(struct pnd_ext_tx *tx, const void *dgram, size_t len, uint64_t now_us)
{
    struct pnd_ext_ack *ack = tx->ack;

    if (tx->phase == PND_EXT_TX_DONE || tx->phase == PND_EXT_TX_FAILED)
        goto noise;
    if (take_stop(tx, dgram, len))
        return true;
    if (pnd_ext_parse_ack(dgram, len, ack) != PND_OK || ack->token != tx->token)
        goto noise;
    if (ack->flags & PND_EXT_DONE && tx->phase == PND_EXT_TX_END && ack->held == tx->window.end) {
        tx->phase = PND_EXT_TX_DONE;
        tx->held = ack->held;
        return true;
    }
    count_on(tx, ack);
    if (!is_usable(tx, ack))
        goto noise;
    take_ack(tx, ack, now_us);
    return true;
noise:
    tx->stats.noise++;
    return false;
}
