/* SPDX-License-Identifier: BSD-2-Clause */
#include "proto/ext_rx.h"

#include <string.h>

#include "wire/divide.h"
#include "wire/sum.h"

_Static_assert((int)PND_ACTIONS_REPLY_CAP >= PND_EXT_RX_PARTS * (int)PND_EXT_ACK_CAP,
               "an ACK of all its parts fits the reply");
_Static_assert(PND_EXT_RX_PARTS *(int)PND_EXT_RANGES_CAP >= (int)PND_RANGES_CAP,
               "all ranges are told");

enum {
    US_PER_MS = 1000,
    SILENT_US = 1000 * 1000, /* without a packet: whoever sends OPEN is another, or starts anew */
};

static struct pnd_action *add(struct pnd_actions *ret, enum pnd_action_kind kind)
{
    struct pnd_action *action = &ret->at[ret->count++];

    *action = (struct pnd_action){.kind = kind};
    return action;
}

static void add_reply(struct pnd_actions *ret, int len)
{
    struct pnd_action *action = add(ret, PND_ACT_REPLY);

    action->data = ret->reply;
    action->len = (size_t)len;
}

static void add_stop(const struct pnd_ext_rx *rx, enum pnd_kdp_error code, const char *why,
                     struct pnd_actions *ret)
{
    add_reply(ret,
              pnd_ext_build_stop(ret->reply, sizeof(ret->reply), rx->token, (uint16_t)code, why));
}

/* What of the ranges one datagram has room for, from @p at and that of index @p next on. Where one
 * is longer, or further away, than the packet's form can say, it takes several.
 *   @return the index of the first that is not told to its end */
static unsigned tell_ranges(const struct pnd_ranges *ranges, unsigned next, uint64_t at,
                            struct pnd_ext_ack *ack)
{
    ack->from = at;
    for (ack->count = 0; ack->count < PND_EXT_RANGES_CAP && next < ranges->count;) {
        const struct pnd_span *span = &ranges->at[next];
        struct pnd_ext_range *range = &ack->range[ack->count++];

        range->start = span->start > at ? span->start : at;
        range->end = span->end;
        if (range->start - at > UINT32_MAX)
            range->start = range->end = at + UINT32_MAX;
        if (range->end - range->start > UINT32_MAX)
            range->end = range->start + UINT32_MAX;
        at = range->end;
        next += at == span->end;
    }
    return next;
}

static void add_ack(struct pnd_ext_rx *rx, uint64_t limit, uint64_t now_us, struct pnd_actions *ret)
{
    uint64_t age_us = rx->number ? now_us - rx->number_us : 0;
    struct pnd_ext_ack ack; /* not cleared: its ranges are a KiB */
    uint64_t at = rx->held;
    unsigned next = 0, parts = 0;
    size_t len = 0;

    ack.flags = rx->phase == PND_RX_DONE ? PND_EXT_DONE : 0;
    ack.token = rx->token;
    ack.number = rx->number;
    ack.age_us = age_us < UINT32_MAX ? (uint32_t)age_us : UINT32_MAX;
    ack.held = rx->held;
    ack.limit = limit;
    ack.packets = rx->packets;
    ack.probed = rx->probed;
    do {
        next = tell_ranges(&rx->ranges, next, at, &ack);
        if (next < rx->ranges.count)
            ack.flags |= PND_EXT_MORE;
        else
            ack.flags &= (uint16_t)~PND_EXT_MORE;
        len += (size_t)pnd_ext_build_ack(ret->reply + len, sizeof(ret->reply) - len, &ack);
        ack.probed = 0;
        if (ack.count)
            at = ack.range[ack.count - 1].end;
    } while (ack.flags & PND_EXT_MORE && ++parts < PND_EXT_RX_PARTS);
    add_reply(ret, (int)len);
    if (len > PND_EXT_ACK_CAP)
        ret->at[ret->count - 1].each = PND_EXT_ACK_CAP;
    rx->probed = 0;
    rx->answer = false;
    rx->unanswered = 0;
}

/* Given up by us. What is to be said of it is said by say_failed(): take() has no actions. */
static void fail(struct pnd_ext_rx *rx, uint64_t now_us, enum pnd_kdp_error error, const char *why)
{
    rx->abandons = rx->phase == PND_RX_LIVE || rx->phase == PND_RX_FINISHING;
    rx->phase = PND_RX_FAILED;
    rx->error = error;
    rx->why = why;
    rx->last_us = now_us;
    rx->answer = true;
}

static void say_failed(struct pnd_ext_rx *rx, struct pnd_actions *ret)
{
    if (rx->abandons)
        add(ret, PND_ACT_ABANDON)->why = rx->why;
    add_stop(rx, rx->error, rx->why ? rx->why : "this dump was given up by the server", ret);
    rx->why = NULL;
    rx->abandons = rx->answer = false;
    rx->unanswered = 0;
}

void pnd_ext_rx_copy(struct pnd_ext_rx *ret, const struct pnd_ext_rx *from)
{
    memcpy(ret, from,
           offsetof(struct pnd_ext_rx, ranges.at) + from->ranges.count * sizeof(struct pnd_span));
}

static void begin(struct pnd_ext_rx *rx, const struct pnd_rx_limits *limits,
                  const struct pnd_ext_open *open, uint32_t token, uint64_t now_us,
                  struct pnd_actions *ret)
{
    size_t name_len = open->name_len < PND_RX_NAME_CAP ? open->name_len : PND_RX_NAME_CAP - 1;

    add(ret, PND_ACT_ADMIT);
    if (rx->phase == PND_RX_LIVE)
        add(ret, PND_ACT_ABANDON)->why = memcmp(rx->id, open->id, sizeof(rx->id)) == 0
                                             ? "the sender began this dump anew"
                                             : "the sender started another dump";
    memset(rx, 0, offsetof(struct pnd_ext_rx, ranges.at));
    rx->limits = limits;
    rx->phase = PND_RX_ASKED;
    rx->token = token;
    memcpy(rx->id, open->id, sizeof(rx->id));
    memcpy(rx->name, open->name, name_len);
    rx->last_us = rx->number_us = now_us;
}

static bool is_silent(const struct pnd_ext_rx *rx, uint64_t now_us)
{
    return rx->quit || now_us - rx->number_us >= SILENT_US;
}

static bool is_copy(const struct pnd_ext_rx *rx, const struct pnd_ext_open *open)
{
    return memcmp(rx->cookie, open->cookie, sizeof(rx->cookie)) == 0 &&
           rx->fresh == !!(open->flags & PND_EXT_FRESH);
}

bool pnd_ext_rx_may_go(const struct pnd_ext_rx *rx, uint64_t now_us)
{
    uint64_t wait_ms;

    if (rx->phase == PND_RX_FINISHING || rx->phase == PND_RX_RESUMING)
        return false;
    if (rx->phase != PND_RX_LIVE)
        return true;
    wait_ms = rx->quit ? rx->limits->quit_takeover_ms : rx->limits->takeover_ms;
    return now_us - rx->last_us >= wait_ms * US_PER_MS;
}

enum opening { GOES_ON, BEGINS, RESUMES, DRAWS_NOTHING };

/* A dump that makes progress is not taken away by an OPEN: the late copy of an old one would end
 * it. Who really starts anew asks again. */
static enum opening what_opens(const struct pnd_ext_rx *rx, const struct pnd_ext_open *open,
                               uint64_t now_us)
{
    if (rx->phase == PND_RX_NEW || memcmp(rx->id, open->id, sizeof(rx->id)) != 0)
        return pnd_ext_rx_may_go(rx, now_us) ? BEGINS : DRAWS_NOTHING;
    if (rx->phase == PND_RX_FAILED)
        return BEGINS;
    if (rx->phase == PND_RX_LEFT)
        return open->flags & PND_EXT_FRESH && !is_copy(rx, open) ? BEGINS : RESUMES;
    if (rx->phase == PND_RX_RESUMING)
        return DRAWS_NOTHING;
    if (!(open->flags & PND_EXT_FRESH) || rx->phase == PND_RX_ASKED)
        return GOES_ON;
    if (rx->phase == PND_RX_FINISHING)
        return DRAWS_NOTHING;
    if (is_copy(rx, open))
        return rx->phase == PND_RX_LIVE && pnd_ext_rx_may_go(rx, now_us) ? BEGINS : GOES_ON;
    return rx->phase == PND_RX_DONE || is_silent(rx, now_us) ? BEGINS : DRAWS_NOTHING;
}

/* A sender that was started again counts its transmissions from 1. */
static void forget_sender(struct pnd_ext_rx *rx)
{
    rx->number = rx->packets = 0;
    rx->probed = 0;
    rx->unanswered = 0;
    rx->answer = false;
}

static void add_opened(const struct pnd_ext_rx *rx, uint16_t dgram_max, struct pnd_actions *ret)
{
    struct pnd_ext_opened opened = {
        .token = rx->token, .dgram_max = dgram_max, .offset = rx->held, .sum = rx->sum};

    add_reply(ret, pnd_ext_build_opened(ret->reply, sizeof(ret->reply), &opened));
}

void pnd_ext_rx_open(struct pnd_ext_rx *rx, const struct pnd_rx_limits *limits,
                     const struct pnd_ext_open *open, uint32_t token, uint16_t dgram_max,
                     uint64_t now_us, struct pnd_actions *ret)
{
    enum opening opening = what_opens(rx, open, now_us);

    ret->count = 0;
    if (opening == DRAWS_NOTHING) {
        rx->strays++;
        return;
    }
    if (opening == BEGINS)
        begin(rx, limits, open, token, now_us, ret);
    else if (opening == RESUMES || is_silent(rx, now_us) || !is_copy(rx, open))
        forget_sender(rx);
    if (opening == RESUMES)
        rx->phase = PND_RX_RESUMING;
    if (rx->phase == PND_RX_ASKED || rx->phase == PND_RX_LIVE)
        rx->last_us = now_us;
    memcpy(rx->cookie, open->cookie, sizeof(rx->cookie));
    rx->fresh = open->flags & PND_EXT_FRESH;
    rx->quit = false;
    if (opening == RESUMES)
        add(ret, PND_ACT_RESUME);
    else
        add_opened(rx, dgram_max, ret);
}

void pnd_ext_rx_resumed(struct pnd_ext_rx *rx, bool ok, uint16_t dgram_max, uint64_t now_us,
                        struct pnd_actions *ret)
{
    ret->count = 0;
    if (rx->phase != PND_RX_RESUMING)
        return;
    rx->last_us = now_us;
    if (!ok) {
        rx->phase = PND_RX_LEFT;
        add(ret, PND_ACT_RELEASE);
        return;
    }
    rx->phase = PND_RX_LIVE;
    add_opened(rx, dgram_max, ret);
}

/* The first part of [@p start, @p end) that has not arrived. */
static int missing(const struct pnd_ext_rx *rx, uint64_t start, uint64_t end, struct pnd_span *ret)
{
    if (start < rx->held)
        start = rx->held;
    if (rx->ranges.count)
        return pnd_ranges_missing(&rx->ranges, start, end, ret);
    *ret = (struct pnd_span){.start = start, .end = end, .sum = 0};
    return start < end ? PND_OK : PND_E_NOTFOUND;
}

static int keep(struct pnd_ext_rx *rx, const struct pnd_span *piece)
{
    struct pnd_span next = *piece;

    if (piece->start != rx->held)
        return pnd_ranges_add(&rx->ranges, piece);
    do {
        rx->held = next.end;
        rx->sum += next.sum;
    } while (rx->ranges.count && pnd_ranges_take(&rx->ranges, rx->held, &next) == PND_OK);
    return PND_OK;
}

/* @return PND_OK something of it was new; PND_E_NOTFOUND nothing was; PND_E_FULL it was, but there
 *         is no range left for it */
static int take_pieces(struct pnd_ext_rx *rx, const struct pnd_ext_packet *packet,
                       struct pnd_ext_rx_news *ret)
{
    uint64_t at = packet->offset, end = packet->offset + packet->len;
    int err = PND_E_NOTFOUND;
    struct pnd_span piece;

    while (ret->count < PND_EXT_RX_PIECES_CAP && missing(rx, at, end, &piece) == PND_OK) {
        const uint8_t *data = NULL;
        size_t len = 0;

        if (packet->data) {
            data = packet->data + (size_t)(piece.start - packet->offset);
            len = (size_t)(piece.end - piece.start);
            piece.sum = pnd_sum(piece.start, data, len);
        }
        if (keep(rx, &piece) != PND_OK) {
            err = err ? PND_E_FULL : PND_OK;
            break;
        }
        if (data) {
            ret->at[ret->count].offset = piece.start;
            ret->at[ret->count].data = data;
            ret->at[ret->count++].len = len;
            rx->bytes += len;
            if (piece.end > rx->written)
                rx->written = piece.end;
        }
        at = piece.end;
        err = PND_OK;
    }
    if (err == PND_OK && at > rx->end)
        rx->end = at;
    return err;
}

static int too_large(struct pnd_ext_rx *rx, uint64_t now_us)
{
    fail(rx, now_us, PND_KDP_E_NOSPACE, "the dump is larger than the server allows");
    return PND_E_RANGE;
}

static int on_piece(struct pnd_ext_rx *rx, const struct pnd_ext_packet *packet, uint64_t now_us,
                    struct pnd_ext_rx_news *ret)
{
    bool in_turn = packet->offset == rx->end; /* else it leaves a hole, fills one, or came before */
    int err;

    if (packet->offset + packet->len > rx->limits->dump_bytes_max)
        return too_large(rx, now_us);
    if (packet->flags & PND_EXT_ACK_NOW)
        rx->answer = true;
    /* Zeros cost nothing: they need not wait. */
    if (packet->data && rx->limit && packet->offset >= rx->limit) {
        rx->answer = true;
        return PND_E_FULL;
    }
    err = take_pieces(rx, packet, ret);
    /* With so many holes that an answer is long, not each draws one. */
    if (!in_turn &&
        (rx->ranges.count <= PND_EXT_RANGES_CAP || rx->unanswered >= PND_EXT_RX_ANSWER_MIN))
        rx->answer = true;
    if (err == PND_E_NOTFOUND) {
        rx->repeats++;
        return PND_OK;
    }
    if (err)
        return err;
    ret->begins = rx->phase == PND_RX_ASKED;
    rx->phase = PND_RX_LIVE;
    if (packet->data)
        rx->stalled_us = 0;
    return PND_OK;
}

/* The last END counts: a sender that was started again knows better. */
static int on_end(struct pnd_ext_rx *rx, const struct pnd_ext_packet *packet, uint64_t now_us,
                  struct pnd_ext_rx_news *ret)
{
    if (packet->offset > rx->limits->dump_bytes_max)
        return too_large(rx, now_us);
    ret->begins = rx->phase == PND_RX_ASKED;
    rx->phase = PND_RX_LIVE;
    rx->ended = true;
    rx->length = packet->offset;
    rx->whole_sum = packet->sum;
    rx->answer = true;
    return PND_OK;
}

/* The dump is whole. Somebody for whom it is not must not take our word for it. */
static void on_late(struct pnd_ext_rx *rx, const struct pnd_ext_packet *packet)
{
    bool agrees = packet->op == PND_EXT_END
                      ? packet->offset == rx->length && packet->sum == rx->whole_sum
                      : packet->op == PND_EXT_PROBE || packet->offset + packet->len <= rx->length;

    rx->repeats++;
    rx->answer = true;
    if (!agrees)
        rx->why = "another dump of this id is complete here";
}

/* Who sent STOP may be forged, as an ERROR may: it shortens the wait, and the next packet of the
 * dump takes it back. */
static int on_stop(struct pnd_ext_rx *rx, const void *dgram, size_t len, uint64_t now_us)
{
    struct pnd_ext_stop stop;
    int err = pnd_ext_parse_stop(dgram, len, &stop);

    if (!err && (rx->phase == PND_RX_NEW || stop.token != rx->token))
        err = PND_E_TYPE;
    if (err) {
        rx->strays++;
        return err;
    }
    if (rx->phase == PND_RX_LIVE && !rx->quit) {
        rx->quit = true;
        rx->last_us = now_us; /* the shorter wait begins here, however long the silence was */
    }
    return PND_OK;
}

static void hear(struct pnd_ext_rx *rx, const struct pnd_ext_packet *packet, size_t len,
                 uint64_t now_us)
{
    bool newer = rx->number == 0 || packet->number - rx->number - 1 < UINT32_MAX / 2;

    if (packet->number && newer) { /* 0 in an ACK means none: nobody has it */
        rx->number = packet->number;
        rx->number_us = now_us;
    }
    if (packet->op == PND_EXT_DATA || packet->op == PND_EXT_ZERO)
        rx->packets++;
    if (packet->op == PND_EXT_PROBE && len > rx->probed)
        rx->probed = len < UINT16_MAX ? (uint16_t)len : UINT16_MAX;
    rx->unanswered += len;
}

int pnd_ext_rx_take(struct pnd_ext_rx *rx, const void *dgram, size_t len, uint64_t now_us,
                    struct pnd_ext_rx_news *ret)
{
    struct pnd_ext_packet packet;
    int err;

    ret->begins = false;
    ret->count = 0;
    if (pnd_ext_op(dgram, len) == PND_EXT_STOP)
        return on_stop(rx, dgram, len, now_us);
    err = pnd_ext_parse(dgram, len, &packet);
    if (!err && (rx->phase == PND_RX_NEW || packet.token != rx->token))
        err = PND_E_TYPE;
    if (err) {
        rx->strays++;
        return err;
    }
    if (rx->phase == PND_RX_LEFT || rx->phase == PND_RX_RESUMING) {
        rx->strays++;
        return PND_E_TYPE;
    }
    hear(rx, &packet, len, now_us);
    switch (rx->phase) {
    case PND_RX_ASKED:
    case PND_RX_LIVE:
        rx->last_us = now_us;
        rx->quit = false;
        if (packet.op == PND_EXT_END)
            return on_end(rx, &packet, now_us, ret);
        if (packet.op != PND_EXT_PROBE)
            return on_piece(rx, &packet, now_us, ret);
        rx->answer = true;
        return PND_OK;
    case PND_RX_FINISHING:
    case PND_RX_DONE:
        on_late(rx, &packet);
        return PND_OK;
    case PND_RX_FAILED:
        rx->strays++;
        rx->answer = true;
        return PND_OK;
    case PND_RX_NEW:
    case PND_RX_LEFT:
    case PND_RX_RESUMING:
        break;
    }
    return PND_E_TYPE;
}

/* Every byte before the length that END said is here. */
static void conclude(struct pnd_ext_rx *rx, uint64_t now_us, struct pnd_actions *ret)
{
    if (rx->held > rx->length || rx->ranges.count) {
        fail(rx, now_us, PND_KDP_E_UNDEFINED, "bytes came from behind the end of the dump");
    } else if (rx->sum != rx->whole_sum) {
        fail(rx, now_us, PND_KDP_E_UNDEFINED,
             "what arrived is not what was sent: the sums of sender and server differ");
    } else {
        add(ret, PND_ACT_SIZE)->offset = rx->length;
        add(ret, PND_ACT_FINISH);
        rx->phase = PND_RX_FINISHING;
        rx->end = rx->length;
        rx->last_us = now_us;
        rx->stalled_us = 0;
    }
}

void pnd_ext_rx_answer(struct pnd_ext_rx *rx, uint64_t room, uint64_t now_us,
                       struct pnd_actions *ret)
{
    uint64_t limit = room < UINT64_MAX - rx->held ? rx->held + room : UINT64_MAX;

    ret->count = 0;
    if (rx->phase == PND_RX_LEFT || rx->phase == PND_RX_RESUMING)
        return;
    if (rx->phase == PND_RX_LIVE && rx->ended && rx->held >= rx->length)
        conclude(rx, now_us, ret);
    if (rx->phase == PND_RX_FAILED) {
        if (rx->answer)
            say_failed(rx, ret);
    } else if (rx->why) {
        add_stop(rx, PND_KDP_E_EXISTS, rx->why, ret);
        rx->why = NULL;
        rx->answer = false;
    } else if (rx->answer || rx->unanswered >= PND_EXT_RX_ANSWER_BYTES) {
        if (limit > rx->limit)
            rx->limit = limit;
        add_ack(rx, limit, now_us, ret);
    }
}

static uint64_t idle_deadline_us(const struct pnd_ext_rx *rx)
{
    uint64_t wait_ms = rx->quit ? rx->limits->quit_ms : rx->limits->idle_ms;
    uint64_t at_us = rx->last_us + wait_ms * US_PER_MS;
    uint64_t stall_us = rx->stalled_us + rx->limits->stall_ms * US_PER_MS;

    /* A full disk is waited out in full before silence counts. */
    return rx->stalled_us && stall_us > at_us ? stall_us : at_us;
}

static uint64_t deadline_us(const struct pnd_ext_rx *rx)
{
    switch (rx->phase) {
    case PND_RX_ASKED:
        return rx->last_us + rx->limits->asked_ms * US_PER_MS;
    case PND_RX_LIVE:
        return idle_deadline_us(rx);
    case PND_RX_DONE:
    case PND_RX_FAILED:
        return rx->last_us + rx->limits->done_ms * US_PER_MS;
    case PND_RX_LEFT:
        return rx->last_us + rx->limits->resume_ms * US_PER_MS;
    case PND_RX_NEW:
    case PND_RX_FINISHING:
    case PND_RX_RESUMING:
        break;
    }
    return UINT64_MAX;
}

const char *pnd_ext_rx_why_left(const struct pnd_ext_rx *rx)
{
    return rx->quit ? "the sender gave up" : "the sender fell silent";
}

void pnd_ext_rx_tick(struct pnd_ext_rx *rx, uint64_t now_us, struct pnd_actions *ret)
{
    uint64_t at_us = deadline_us(rx);

    ret->count = 0;
    if (at_us == UINT64_MAX || now_us < at_us)
        return;
    if (rx->phase == PND_RX_LIVE) {
        if (rx->stalled_us) { /* the sender may still be asking: it hears what was wrong */
            fail(rx, now_us, PND_KDP_E_NOSPACE, "disk full");
            say_failed(rx, ret);
            return;
        }
        add(ret, PND_ACT_ABANDON)->why = pnd_ext_rx_why_left(rx);
        if (rx->limits->resume_ms) {
            rx->phase = PND_RX_LEFT;
            rx->last_us = now_us;
            return;
        }
    }
    add(ret, PND_ACT_RELEASE);
}

uint64_t pnd_ext_rx_deadline_ms(const struct pnd_ext_rx *rx)
{
    uint64_t at_us = deadline_us(rx), rest, ms;

    if (at_us == UINT64_MAX)
        return at_us;
    ms = pnd_divide(at_us, US_PER_MS, &rest);
    return ms + (rest != 0);
}

void pnd_ext_rx_refuse_write(struct pnd_ext_rx *rx, uint64_t now_us, bool final,
                             enum pnd_refusal refusal, const char *message, struct pnd_actions *ret)
{
    ret->count = 0;
    if (rx->stalled_us == 0)
        rx->stalled_us = now_us ? now_us : 1;
    if (final || now_us >= rx->stalled_us + rx->limits->stall_ms * US_PER_MS) {
        fail(rx, now_us, pnd_kdp_rx_error(refusal), message);
        say_failed(rx, ret);
    }
}

void pnd_ext_rx_finished(struct pnd_ext_rx *rx, bool durable, uint64_t now_us,
                         struct pnd_actions *ret)
{
    ret->count = 0;
    if (rx->phase != PND_RX_FINISHING)
        return;
    if (!durable) {
        fail(rx, now_us, PND_KDP_E_NOSPACE, "the dump could not be made durable");
        say_failed(rx, ret);
        return;
    }
    rx->phase = PND_RX_DONE;
    rx->last_us = now_us;
    add_ack(rx, rx->held, now_us, ret);
}
