/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The sending session of the extension: see ext_tx.h. */
#include "client/ext_tx.h"

#include <string.h>

#include "client/ext_tx_parts.h"
#include "wire/sum.h"

enum {
    REORDER_START = 3,
    TAIL_MIN_US = 10000,
    TAIL_MAX_US = 1000000,
    UNKNOWN_RTT_US = 200000,
    HOLES_MAX = 448, /* the server keeps 512 ranges: PROTOCOL.md#kdp-12.3 */
    SMALL_BYTES = 512 * 1024,
    ACK_PARTS = 8,        /* answers to each window of what may be on its way */
    ASK_US = 250,         /* as often whoever has sent all that there is asks */
    UNSENT_MIN = 1 << 20, /* bytes; and what is sent in 4096 us, of the rate's 2^20: */
    UNSENT_SHIFT = 8,
};

int pnd_ext_tx_init(struct pnd_ext_tx *tx, const struct pnd_ext_tx_config *config, uint64_t now_us)
{
    uint8_t *memory = config->window;
    size_t ack_bytes = (sizeof(*tx->ack) + 7) / 8 * 8;
    int err;

    if (config->window_bytes < ack_bytes || (uintptr_t)memory % 8 ||
        config->dgram_max < PND_EXT_DGRAM_MIN)
        return PND_E_ARG;
    *tx = (struct pnd_ext_tx){
        .token = config->token,
        .reorder = REORDER_START,
        .held = config->offset,
        .limit = UINT64_MAX,
        .sent_end = config->offset,
        .offset = config->offset,
        .sum = config->sum,
        .resumed = config->resumed,
        .quiet_us = now_us,
        .progress_us = now_us,
        .patience_us = config->patience_us ? config->patience_us : PND_EXT_TX_PATIENCE_US,
        .ack = (struct pnd_ext_ack *)(void *)memory,
    };
    err = pnd_window_init(&tx->window, memory + ack_bytes, config->window_bytes - ack_bytes,
                          config->offset);
    if (err)
        return err;
    if (config->rtt_us)
        pnd_ext_tx_measure(tx, config->rtt_us);
    pnd_ext_tx_size_init(tx, config->dgram_max, now_us);
    pnd_pace_init(&tx->pace, tx->dgram, config->rtt_us, now_us);
    return PND_OK;
}

/* Few pieces in a small window would make it stop and go. */
static size_t piece_max(const struct pnd_ext_tx *tx)
{
    size_t most = tx->window.ring_cap / 8, payload = tx->dgram - PND_EXT_HEADER_BYTES;

    return payload < most ? payload : most;
}

/* Holes keep what is behind them, so that more than what is on its way has to fit. */
static size_t want(const struct pnd_ext_tx *tx)
{
    uint64_t cap = pnd_pace_cap(&tx->pace), bytes = cap > SMALL_BYTES ? 8 * cap : 4 * cap;

    return bytes < tx->window.ring_cap ? (size_t)bytes : tx->window.ring_cap;
}

/* More is not taken than is sent soon: who compresses finds out by that what the path carries, and
 * would take a window that grows for a path that has become faster. */
static bool has_enough(const struct pnd_ext_tx *tx)
{
    uint64_t bytes = (uint64_t)tx->window.unsent * piece_max(tx);

    return bytes > UNSENT_MIN && bytes > tx->pace.rate >> UNSENT_SHIFT;
}

size_t pnd_ext_tx_write(struct pnd_ext_tx *tx, const void *buf, size_t len)
{
    uint64_t offset = tx->window.end;
    size_t taken;

    if (tx->phase != PND_EXT_TX_RUN || has_enough(tx))
        return 0;
    taken = pnd_window_write(&tx->window, buf, len, piece_max(tx), want(tx));
    tx->sum += pnd_sum(offset, buf, taken);
    return taken;
}

bool pnd_ext_tx_zero(struct pnd_ext_tx *tx, uint64_t len)
{
    return tx->phase == PND_EXT_TX_RUN && (len == 0 || pnd_window_zero(&tx->window, len));
}

void pnd_ext_tx_finish(struct pnd_ext_tx *tx)
{
    if (tx->phase != PND_EXT_TX_RUN)
        return;
    pnd_window_flush(&tx->window);
    tx->phase = PND_EXT_TX_END;
    tx->end_due = true;
}

/* May the server take it now? Zeros need no room, so that a long run of them does not wait for
 * room that it would never get. */
static bool within_limit(const struct pnd_ext_tx *tx, const struct pnd_piece *piece)
{
    return piece->zero ? piece->offset < tx->limit : piece->offset + piece->len <= tx->limit;
}

/* The server keeps a bounded number of ranges: so many holes that there would be more are not made.
 * What is on its way will make some. */
static bool may_make_holes(const struct pnd_ext_tx *tx)
{
    uint64_t coming = (uint64_t)tx->window.flying.count * pnd_pace_loss(&tx->pace) >> 10;

    return tx->ranges + coming < HOLES_MAX;
}

static struct pnd_piece *next_piece(const struct pnd_ext_tx *tx)
{
    struct pnd_piece *piece = pnd_window_first(&tx->window, &tx->window.lost);

    /* The limit may have been higher when they left: what is before it must not wait for them. */
    while (piece && !within_limit(tx, piece))
        piece = pnd_window_after(&tx->window, piece);
    if (!piece && tx->window.lost.count == 0 && may_make_holes(tx))
        piece = pnd_window_next(&tx->window);
    return piece && within_limit(tx, piece) ? piece : NULL;
}

static void build(struct pnd_ext_tx *tx, struct pnd_ext_packet *packet, const void *payload,
                  size_t payload_len, struct pnd_datagram *ret)
{
    packet->token = tx->token;
    packet->number = ++tx->number;
    ret->header_len = (uint8_t)pnd_ext_build(ret->header, sizeof(ret->header), packet);
    ret->payload = payload;
    ret->payload_len = (uint32_t)payload_len;
    tx->stats.packets++;
}

/* The answer to a repetition is waited for: unless it is one of many. */
static bool asks(const struct pnd_ext_tx *tx, const struct pnd_piece *piece)
{
    return piece->tries && tx->ranges < PND_EXT_RANGES_CAP;
}

/* A piece goes out, in several packets if it was cut before packets had to become smaller.
 *   @return packets, at most @p cap; 0: it needs more */
static unsigned send_piece(struct pnd_ext_tx *tx, struct pnd_piece *piece, uint64_t now_us,
                           struct pnd_datagram *ret, unsigned cap)
{
    struct pnd_ext_packet packet = {.op = piece->zero ? PND_EXT_ZERO : PND_EXT_DATA,
                                    .flags = asks(tx, piece) ? PND_EXT_ACK_NOW : 0};
    uint32_t payload = tx->dgram - PND_EXT_HEADER_BYTES;
    uint64_t done = 0, part;
    unsigned n = 0;

    if (!piece->zero && piece->len > (uint64_t)payload * cap)
        return 0;
    if (piece->tries)
        pnd_window_remove(&tx->window, &tx->window.lost, piece);
    else
        tx->window.unsent--;
    if (tx->window.flying.count == 0 && tx->phase == PND_EXT_TX_RUN && piece->tries == 0)
        tx->progress_us = now_us; /* it had nothing to do before */
    for (piece->wire = 0; done < piece->len; done += part) {
        part = piece->len - done;
        if (!piece->zero && part > payload)
            part = payload;
        packet.offset = piece->offset + done;
        packet.len = part;
        build(tx, &packet, piece->zero ? NULL : tx->window.ring + piece->at + done,
              piece->zero ? 0 : (size_t)part, &ret[n]);
        piece->wire += ret[n].header_len + ret[n].payload_len;
        n++;
    }
    piece->number = tx->number;
    tx->stats.retransmissions += piece->tries ? n : 0;
    if (piece->tries < UINT16_MAX)
        piece->tries++;
    piece->state = PND_PIECE_FLYING;
    pnd_window_append(&tx->window, &tx->window.flying, piece);
    pnd_pace_sent(&tx->pace, piece->wire, now_us, &piece->mark);
    if (tx->sent_end < piece->offset + piece->len)
        tx->sent_end = piece->offset + piece->len;
    return n;
}

static void send_end(struct pnd_ext_tx *tx, uint64_t now_us, struct pnd_datagram *ret)
{
    struct pnd_ext_packet packet = {.op = PND_EXT_END, .offset = tx->window.end, .sum = tx->sum};

    build(tx, &packet, NULL, 0, ret);
    tx->end_due = false;
    tx->end_number = tx->number;
    tx->end_us = (uint32_t)now_us;
}

static bool all_sent(const struct pnd_ext_tx *tx)
{
    return tx->window.unsent == 0 && tx->window.lost.count == 0;
}

/* One packet of these asks for an answer. */
static void ask(struct pnd_ext_tx *tx, struct pnd_datagram *packet, uint64_t now_us)
{
    if (packet->header[1] == PND_EXT_DATA || packet->header[1] == PND_EXT_ZERO)
        packet->header[3] |= PND_EXT_ACK_NOW;
    tx->asked = 0;
    tx->asked_us = now_us;
}

/* Whoever has to wait for an answer now must ask for one. While more is written as fast as it can
 * be sent, now and then will do. */
static bool must_ask(const struct pnd_ext_tx *tx, uint64_t now_us)
{
    if (next_piece(tx))
        return pnd_pace_next_us(&tx->pace, now_us) == UINT64_MAX;
    return tx->window.unsent || tx->phase == PND_EXT_TX_END || now_us - tx->asked_us >= ASK_US ||
           2 * tx->window.ring_used > tx->window.ring_cap;
}

/* Nothing more was written after all, and what was sent last has not asked. */
static bool ask_due(const struct pnd_ext_tx *tx)
{
    return tx->asked && tx->window.flying.count && !next_piece(tx);
}

/* After so many bytes one is asked for anyway. */
static uint64_t ask_each(const struct pnd_ext_tx *tx)
{
    uint64_t part = pnd_pace_cap(&tx->pace) / ACK_PARTS, most = tx->window.ring_cap / 4;

    return part < most ? part : most;
}

/* What moves the dump forward, as far as pace and limit let it. */
static unsigned send_pieces(struct pnd_ext_tx *tx, uint64_t now_us, struct pnd_datagram *ret,
                            unsigned cap)
{
    uint64_t room = pnd_pace_room(&tx->pace, now_us), part = ask_each(tx);
    struct pnd_piece *piece = next_piece(tx);
    unsigned n = 0;

    for (; n < cap && piece && (room || tx->urgent); piece = next_piece(tx)) {
        unsigned sent = send_piece(tx, piece, now_us, ret + n, cap - n);

        if (!sent)
            return n;
        n += sent;
        tx->urgent = false;
        tx->asked += piece->wire;
        if (tx->asked >= part)
            ask(tx, &ret[n - 1], now_us);
        room = piece->wire < room ? room - piece->wire : 0;
    }
    if (!piece && room && tx->window.unsent == 0)
        pnd_pace_idle(&tx->pace);
    if (n && must_ask(tx, now_us))
        ask(tx, &ret[n - 1], now_us);
    return n;
}

unsigned pnd_ext_tx_output(struct pnd_ext_tx *tx, uint64_t now_us, struct pnd_datagram *ret,
                           unsigned cap)
{
    unsigned n = 0;

    if (tx->phase == PND_EXT_TX_DONE || tx->phase == PND_EXT_TX_FAILED)
        return 0;
    n = send_pieces(tx, now_us, ret, cap);
    if (n < cap && tx->end_due && all_sent(tx)) {
        send_end(tx, now_us, &ret[n++]);
        tx->urgent = false;
    }
    if (n == 0 && ask_due(tx) && now_us - tx->asked_us >= ASK_US) {
        tx->asked = 0;
        tx->asked_us = now_us;
        pnd_ext_tx_ask_only(tx);
    }
    if (n < cap && pnd_ext_tx_probe_due(tx, now_us))
        build(tx, &(struct pnd_ext_packet){.op = PND_EXT_PROBE, .offset = 0}, tx->window.ring,
              pnd_ext_tx_probe(tx, now_us) - PND_EXT_HEADER_BYTES, &ret[n++]);
    if (n)
        tx->quiet_us = now_us;
    return n;
}

uint64_t pnd_ext_tx_patient_us(const struct pnd_ext_tx *tx)
{
    uint64_t wait_us =
        tx->measured ? tx->srtt_us + tx->srtt_us / 2 + 4 * tx->rttvar_us : UNKNOWN_RTT_US;

    return wait_us > TAIL_MIN_US ? wait_us : TAIL_MIN_US;
}

/* The same, longer with each time that there was none. */
static uint64_t tail_us(const struct pnd_ext_tx *tx)
{
    uint64_t wait_us = pnd_ext_tx_patient_us(tx);
    uint64_t most_us = wait_us > TAIL_MAX_US ? wait_us : TAIL_MAX_US;

    wait_us <<= tx->silent < 16 ? tx->silent : 16;
    return wait_us < most_us ? wait_us : most_us;
}

/* Is there something that an answer is waited for? A limit that lets nothing through, too; and what
 * arrived and is not held, because a server that was started anew has forgotten that. */
static bool waits(const struct pnd_ext_tx *tx)
{
    return tx->window.count > tx->window.open || tx->phase == PND_EXT_TX_END;
}

/* A pace that is at rest without anything on its way sends without being asked. */
static bool answer_due(const struct pnd_ext_tx *tx)
{
    return waits(tx) && (tx->window.flying.count || !next_piece(tx));
}

static void fail(struct pnd_ext_tx *tx, int err)
{
    tx->phase = PND_EXT_TX_FAILED;
    tx->err = err;
}

/* No answer: the oldest packet is repeated, END, or, when the server takes nothing now, a PROBE. */
static void repeat(struct pnd_ext_tx *tx, uint64_t now_us)
{
    struct pnd_piece *piece = pnd_window_first(&tx->window, &tx->window.flying);

    tx->quiet_us = now_us;
    if (tx->asked && tx->silent == 0) { /* nobody was asked for an answer that is missed */
        tx->asked = 0;
        pnd_ext_tx_ask_only(tx);
        return;
    }
    tx->stats.timeouts++;
    tx->silent++;
    if (piece) {
        /* If the path has become narrower, the server hears the PROBE that goes along. */
        pnd_ext_tx_missed(tx, piece);
        pnd_ext_tx_lose(tx, piece, true);
        pnd_ext_tx_shrink(tx, now_us);
        tx->urgent = true;
        pnd_ext_tx_ask_only(tx);
    } else if (tx->phase == PND_EXT_TX_END && all_sent(tx)) {
        tx->end_due = true;
    } else {
        pnd_ext_tx_ask_only(tx);
    }
}

void pnd_ext_tx_tick(struct pnd_ext_tx *tx, uint64_t now_us)
{
    if (tx->phase == PND_EXT_TX_DONE || tx->phase == PND_EXT_TX_FAILED)
        return;
    if (!answer_due(tx))
        return;
    if (now_us - tx->progress_us >= tx->patience_us)
        fail(tx, PND_E_TIMEOUT);
    else if (now_us - tx->quiet_us >= tail_us(tx))
        repeat(tx, now_us);
}

uint64_t pnd_ext_tx_deadline_us(const struct pnd_ext_tx *tx, uint64_t now_us)
{
    uint64_t at_us = UINT64_MAX, next_us;

    if (tx->phase == PND_EXT_TX_DONE || tx->phase == PND_EXT_TX_FAILED)
        return UINT64_MAX;
    if ((tx->urgent && next_piece(tx)) || tx->ask_only || (tx->end_due && all_sent(tx)))
        return 0;
    if (answer_due(tx)) {
        at_us = tx->quiet_us + tail_us(tx);
        if (at_us > tx->progress_us + tx->patience_us)
            at_us = tx->progress_us + tx->patience_us;
    }
    if (tx->probe.size && tx->probe.next_us < at_us)
        at_us = tx->probe.next_us;
    if (ask_due(tx) && tx->asked_us + ASK_US < at_us)
        at_us = tx->asked_us + ASK_US;
    if (next_piece(tx)) {
        next_us = pnd_pace_next_us(&tx->pace, now_us);
        at_us = next_us < at_us ? next_us : at_us;
    }
    return at_us;
}

uint64_t pnd_ext_tx_held(const struct pnd_ext_tx *tx)
{
    return tx->held;
}
