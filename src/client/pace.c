/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The pace of pace.h. Gains are in 1/256. */
#include "client/pace.h"

#include "wire/divide.h"

enum {
    START_PACKETS = 64, /* in the first round trip */
    START_LONG = 256, /* where that takes so long: the others would take a second to become many */
    LONG_RTT_US = 50000,
    CAP_PACKETS = 4,   /* never less may be on its way */
    CAP_RTT_US = 1000, /* nor less than this takes: both ends sleep and wake in such times */
    GAIN_ONE = 256,
    GAIN_START = 739, /* 2 / ln 2: what arrives doubles with each round trip */
    GAIN_DRAIN = 128,
    GAIN_CAP = 512,
    GAIN_LEAST = 288,
    GAIN_RIVAL = 320,
    RIVAL_US = 1000, /* of queue that is never gone: it is not ours */
    RIVAL_CUT = 179, /* 0.7, as CUBIC does */
    ROOT_MAX = 100,
    FULL_ROUNDS = 3,
    OVERFLOW_PACKETS = 16, /* fewer are no proof of it */
    REST_MIN = 6,          /* phases of a cycle without a trial */
    REST_MAX = 96, /* when trials end in losses: who shares the queue pays for them as well */
    PHASE_MIN_US = 500,
    SLOT_MIN_US = 2000,
    SAMPLE_PACKETS = 256,
    LOSS_MORE = 20,    /* of 1024: so much, and a queue, is congestion */
    LOSS_SURE = 51,    /* without a queue: so much beyond twice what the path loses anyway */
    LOSS_MOST = 160,   /* more than that is no property of a path */
    FLOOR_CAP = 102,   /* more is not made up for */
    TRAIN_US = 512,    /* longer than that no train waits to become longer */
    LATE_US = 256,     /* that much of lateness is made up for, */
    LATE_PACKETS = 16, /* or so much */
    LISTEN_US = 100000,
    FORGET_US = 10000000,
    RTT_UNKNOWN_US = 1000,
    QUEUE_MIN_US = 1000,
};

static uint64_t min64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t max64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t scale(uint64_t value, unsigned gain)
{
    return (value >> 8) * gain + ((value & 255) * gain >> 8);
}

void pnd_pace_init(struct pnd_pace *pace, uint32_t packet, uint64_t rtt_us, uint64_t now_us)
{
    uint64_t rest;
    unsigned packets;

    *pace = (struct pnd_pace){
        .packet = packet,
        .rtt_us = rtt_us ? rtt_us : RTT_UNKNOWN_US,
        .rtt_at_us = now_us,
        .ceiling = UINT64_MAX,
        .step = packet,
        .rest = REST_MIN,
        .slot_us = now_us,
        .credit_us = now_us,
        .credit = packet,
        .first_us = (uint32_t)now_us,
        .delivered_us = (uint32_t)now_us,
    };
    packets = rtt_us >= LONG_RTT_US ? START_LONG : START_PACKETS;
    pace->rate =
        pnd_divide((uint64_t)packets * packet << 20, max64(pace->rtt_us, CAP_RTT_US), &rest);
    for (unsigned i = 0; i < PND_PACE_FLOORS; i++)
        pace->floors[i] = UINT16_MAX;
}

static uint64_t product(const struct pnd_pace *pace)
{
    return pace->rate * min64(pace->rtt_us, 1 << 20) >> 20;
}

/* What may be on its way, but for the trains. */
static uint64_t base_cap(const struct pnd_pace *pace)
{
    uint64_t cap;

    if (pace->mode == PND_PACE_LISTEN)
        return product(pace) / 2;
    if (pace->mode == PND_PACE_CRUISE && pace->rival)
        return pace->window;
    cap = pace->rate * min64(max64(pace->rtt_us, CAP_RTT_US), 1 << 20) >> 20;
    return scale(cap, pace->mode == PND_PACE_CRUISE ? GAIN_CAP : GAIN_START);
}

/* Bytes that leave together: a system call, or an interrupt, for each packet would cost more. */
static uint64_t train(const struct pnd_pace *pace)
{
    uint64_t bytes = min64(min64(pace->rate * TRAIN_US >> 20, product(pace)), PND_PACE_TRAIN);

    return max64(bytes, 2 * (uint64_t)pace->packet);
}

/* On a busy machine it takes longer than that until it is our turn again: so much is made up for,
 * a quarter of what may be on its way, which makes no queue worth the name. */
static uint64_t late_bytes(const struct pnd_pace *pace)
{
    uint64_t bytes = min64(base_cap(pace) / 4, (uint64_t)LATE_PACKETS * pace->packet);

    return max64(bytes, pace->rate * LATE_US >> 20);
}

uint64_t pnd_pace_cap(const struct pnd_pace *pace)
{
    uint64_t least = (uint64_t)CAP_PACKETS * pace->packet, cap = base_cap(pace);

    if (pace->mode == PND_PACE_LISTEN || (pace->mode == PND_PACE_CRUISE && pace->rival))
        return max64(cap, least);
    cap += 2 * train(pace);
    if (pace->mode == PND_PACE_START)
        cap = max64(cap, (uint64_t)START_PACKETS * pace->packet);
    return max64(min64(cap, pace->ceiling), least);
}

/* What the path loses anyway: the least of the last samples. */
static unsigned floor_of(const struct pnd_pace *pace)
{
    unsigned floor = UINT16_MAX;

    for (unsigned i = 0; i < PND_PACE_FLOORS; i++)
        if (pace->floors[i] < floor)
            floor = pace->floors[i];
    return floor;
}

unsigned pnd_pace_loss(const struct pnd_pace *pace)
{
    unsigned floor = floor_of(pace);

    return floor == UINT16_MAX ? 0 : floor;
}

static uint64_t send_rate(const struct pnd_pace *pace)
{
    unsigned gain = GAIN_ONE;

    if (pace->mode == PND_PACE_START)
        gain = GAIN_START;
    else if (pace->mode == PND_PACE_DRAIN)
        gain = GAIN_DRAIN;
    else if (pace->mode == PND_PACE_CRUISE && pace->rival)
        gain = GAIN_RIVAL;
    else if (pace->mode == PND_PACE_CRUISE && pace->phase < 2)
        gain = pace->phase == 0 ? GAIN_ONE + 64 : GAIN_ONE - 64;
    /* so much of it will be lost, and what arrives was measured */
    gain += gain * (unsigned)min64(pnd_pace_loss(pace), FLOOR_CAP) >> 10;
    return max64(scale(pace->rate, gain), pace->packet);
}

uint64_t pnd_pace_room(struct pnd_pace *pace, uint64_t now_us)
{
    uint64_t rate = send_rate(pace), passed_us = now_us - pace->credit_us, added, cap;
    uint64_t whole = train(pace);
    int64_t most = (int64_t)(whole + late_bytes(pace));

    added = rate * min64(passed_us, 1 << 20) >> 20;
    if (added >= 256 || passed_us >= 1 << 20) { /* else the rounding would show */
        pace->credit += (int64_t)added;
        pace->credit_us = now_us;
    }
    if (pace->credit > most)
        pace->credit = most;
    cap = pnd_pace_cap(pace);
    if (pace->flying >= cap) {
        pace->reached = true;
        return 0;
    }
    if (pace->credit < (int64_t)whole)
        return 0;
    return min64(cap - pace->flying, (uint64_t)pace->credit);
}

uint64_t pnd_pace_next_us(const struct pnd_pace *pace, uint64_t now_us)
{
    int64_t need = (int64_t)train(pace) - pace->credit;
    uint64_t rest, at_us;

    if (pace->flying >= pnd_pace_cap(pace))
        return UINT64_MAX;
    if (need <= 0)
        return now_us;
    at_us = pace->credit_us + 1 + pnd_divide((uint64_t)need << 20, send_rate(pace), &rest);
    return at_us > now_us ? at_us : now_us + 1;
}

void pnd_pace_sent(struct pnd_pace *pace, uint32_t bytes, uint64_t now_us,
                   struct pnd_pace_mark *ret)
{
    if (pace->flying == 0)
        pace->first_us = pace->delivered_us = (uint32_t)now_us;
    *ret = (struct pnd_pace_mark){
        .sent_us = (uint32_t)now_us,
        .first_us = pace->first_us,
        .delivered_us = pace->delivered_us,
        .delivered = (uint32_t)pace->delivered,
        .limited = pace->idle,
    };
    pace->flying += bytes;
    pace->peak = max64(pace->peak, pace->flying);
    pace->credit -= bytes;
}

void pnd_pace_idle(struct pnd_pace *pace)
{
    pace->idle = true;
    pace->idle_until = (uint32_t)(pace->delivered + pace->flying);
}

static bool before(uint32_t a, uint32_t b)
{
    return (a - b) >> 31;
}

void pnd_pace_arrived(struct pnd_pace *pace, uint32_t bytes, const struct pnd_pace_mark *mark)
{
    pace->flying -= bytes;
    pace->delivered += bytes;
    if (!mark)
        return;
    if (!pace->fresh || !before(mark->sent_us, pace->best.sent_us))
        pace->best = *mark;
    pace->fresh = true;
}

void pnd_pace_late(struct pnd_pace *pace, uint32_t bytes)
{
    pace->delivered += bytes;
    pace->lost -= min64(bytes, pace->lost);
}

void pnd_pace_lost(struct pnd_pace *pace, uint32_t bytes)
{
    pace->flying -= bytes;
    pace->lost += bytes;
}

static void take_rate(struct pnd_pace *pace, uint64_t now_us)
{
    const struct pnd_pace_mark *best = &pace->best;
    uint32_t left_us = best->sent_us - best->first_us;
    uint32_t came_us = (uint32_t)now_us - best->delivered_us, over_us, bytes;
    uint64_t rate, rest;

    pace->first_us = best->sent_us;
    pace->delivered_us = (uint32_t)now_us;
    bytes = (uint32_t)pace->delivered - best->delivered;
    over_us = left_us > came_us ? left_us : came_us;
    if (over_us == 0 || over_us < pace->rtt_us)
        return;
    rate = pnd_divide((uint64_t)bytes << 20, over_us, &rest);
    if (best->limited && rate < pace->rate)
        return;
    pace->slots[pace->slot] = max64(pace->slots[pace->slot], rate);
    pace->rate = max64(pace->rate, rate);
}

/* The maximum forgets its oldest slot. */
static void next_slot(struct pnd_pace *pace, uint64_t now_us)
{
    uint64_t most = 0;

    if (now_us - pace->slot_us < SLOT_MIN_US || pace->slots[pace->slot] == 0)
        return;
    pace->slot = (pace->slot + 1) % PND_PACE_SLOTS;
    pace->slots[pace->slot] = 0;
    pace->slot_us = now_us;
    for (unsigned i = 0; i < PND_PACE_SLOTS; i++)
        most = max64(most, pace->slots[i]);
    pace->rate = most;
}

static void enter(struct pnd_pace *pace, enum pnd_pace_mode mode, uint64_t now_us)
{
    pace->mode = mode;
    pace->phase = 2;
    pace->phase_us = now_us;
}

/* Lost of each 1024 bytes since a moment. */
static unsigned loss_since(const struct pnd_pace *pace, uint64_t delivered, uint64_t lost)
{
    uint64_t gone = pace->lost > lost ? pace->lost - lost : 0, rest;
    uint64_t all = pace->delivered - delivered + gone;

    return (unsigned)pnd_divide(gone << 10, all ? all : 1, &rest);
}

/* START: does faster still help? */
static void check_full(struct pnd_pace *pace, uint64_t now_us)
{
    if (pace->mode != PND_PACE_START || pace->best.limited)
        return;
    if (pace->rate >= pace->full_rate + pace->full_rate / 4) {
        pace->full_rate = pace->rate;
        pace->full_rounds = 0;
        return;
    }
    if (++pace->full_rounds >= FULL_ROUNDS)
        enter(pace, PND_PACE_DRAIN, now_us);
}

/* Not below what the path carries: if others take that, it is measured. */
static void cut(struct pnd_pace *pace)
{
    uint64_t most = min64(pace->ceiling, max64(pace->peak, pace->flying));
    uint64_t least = max64(scale(product(pace), GAIN_LEAST), (uint64_t)CAP_PACKETS * pace->packet);

    pace->ceiling = max64(most - most / 8, least);
    pace->step = pace->packet;
    pace->deaf = true;
}

static void grow(struct pnd_pace *pace)
{
    if (pace->ceiling == UINT64_MAX || !pace->reached || pace->mode != PND_PACE_CRUISE)
        return;
    pace->ceiling += pace->step;
    pace->step = min64(2 * pace->step, pace->ceiling / 8);
    pace->step = max64(pace->step, pace->packet);
}

/* Is it more than the path loses anyway? As long as that is not known, only much is. */
static bool is_too_much(unsigned loss, unsigned floor)
{
    return loss > 2 * floor + LOSS_SURE || loss > LOSS_MOST;
}

/* Is this round, or what has come since the last sample, one of congestion? */
static bool congested(struct pnd_pace *pace)
{
    unsigned loss = loss_since(pace, pace->round_delivered, pace->round_lost), floor;
    uint64_t slow_us = pace->rtt_us + max64(pace->rtt_us / 4, QUEUE_MIN_US);
    bool queue = pace->round_rtt_us > slow_us && loss > LOSS_MORE;

    if (pace->delivered + pace->lost - pace->sample_delivered - pace->sample_lost <
        (uint64_t)SAMPLE_PACKETS * pace->packet)
        return queue;
    floor = floor_of(pace);
    loss = loss_since(pace, pace->sample_delivered, pace->sample_lost);
    pace->floors[pace->floor_at] = (uint16_t)loss;
    pace->floor_at = (pace->floor_at + 1) % PND_PACE_FLOORS;
    pace->sample_delivered = pace->delivered;
    pace->sample_lost = pace->lost;
    return queue || is_too_much(loss, floor);
}

/* One packet for each round trip, or what CUBIC (RFC 9438) grows by on the way back to where it was
 * cut, if that is more: the third root of its square, a third of that each second. */
static uint64_t rival_step(const struct pnd_pace *pace)
{
    uint64_t rest, packets = pnd_divide(pace->window, pace->packet, &rest), root = 1;

    while (root < ROOT_MAX && root * root * root < packets)
        root++;
    return pace->packet * max64(root * root * min64(pace->round_top_us, 1 << 20) >> 21, 1);
}

/* With a rival: as a TCP does it, and less only when the queue is full. */
static void next_rival_round(struct pnd_pace *pace)
{
    unsigned loss = loss_since(pace, pace->round_delivered, pace->round_lost);
    uint64_t queue_us = pace->top_us - min64(pace->rtt_us, pace->top_us);
    bool full = pace->round_top_us >= pace->top_us - queue_us / 4;

    pace->top_us -= min64(pace->top_us - min64(pace->round_top_us, pace->top_us), queue_us / 64);
    if (pace->deaf) {
        pace->deaf = false;
    } else if (pace->lost > pace->round_lost && (full || loss > LOSS_MORE)) {
        pace->window = scale(min64(pace->window, pace->peak), RIVAL_CUT);
        pace->window = max64(pace->window, (uint64_t)CAP_PACKETS * pace->packet);
        pace->peak = pace->flying;
        pace->deaf = true;
    } else if (pace->reached) {
        pace->window += rival_step(pace);
    }
}

static void next_own_round(struct pnd_pace *pace, bool is_congested, uint64_t now_us)
{
    if (pace->deaf) { /* what is told in the round after a cut was lost before it */
        pace->deaf = false;
    } else if (is_congested) {
        cut(pace);
        pace->peak = pace->flying;
        pace->rest = pace->rest < REST_MAX ? 2 * pace->rest : REST_MAX;
        if (pace->mode == PND_PACE_START)
            enter(pace, PND_PACE_DRAIN, now_us);
    } else {
        grow(pace);
    }
}

static void next_round(struct pnd_pace *pace, uint64_t now_us)
{
    bool is_congested = congested(pace);

    pace->round_end = (uint32_t)pace->delivered;
    next_slot(pace, now_us);
    check_full(pace, now_us);
    if (pace->rival)
        next_rival_round(pace);
    else
        next_own_round(pace, is_congested, now_us);
    pace->round_delivered = pace->delivered;
    pace->round_lost = pace->lost;
    pace->round_rtt_us = pace->round_top_us = 0;
    pace->reached = false;
}

static void take_rtt(struct pnd_pace *pace, uint64_t rtt_us, uint64_t now_us)
{
    if (rtt_us == 0)
        return;
    if (pace->round_rtt_us == 0 || rtt_us < pace->round_rtt_us)
        pace->round_rtt_us = rtt_us;
    if (rtt_us > pace->round_top_us)
        pace->round_top_us = rtt_us;
    if (rtt_us > pace->top_us)
        pace->top_us = rtt_us;
    if (pace->cycle_rtt_us == 0 || rtt_us < pace->cycle_rtt_us)
        pace->cycle_rtt_us = rtt_us;
    if (pace->listen_rtt_us == 0 || rtt_us < pace->listen_rtt_us)
        pace->listen_rtt_us = rtt_us;
    if (rtt_us <= pace->rtt_us + pace->rtt_us / 8 + 20)
        pace->rtt_at_us = now_us;
    if (rtt_us < pace->rtt_us)
        pace->rtt_us = rtt_us;
}

/* Once in a cycle, and after listening: is the queue never gone, whatever we do? Our own would be,
 * because we leave it alone for one phase, and never make more of it than a round trip. */
static void look_for_rival(struct pnd_pace *pace)
{
    uint64_t rtt_us = pace->cycle_rtt_us, rest;
    uint64_t train_us = pnd_divide(train(pace) << 20, pace->rate, &rest);

    pace->cycle_rtt_us = 0;
    if (rtt_us == 0)
        return;
    if (!pace->rival && rtt_us > 2 * pace->rtt_us + RIVAL_US + train_us) {
        pace->rival = true;
        pace->window = max64(pace->peak, pace->flying);
        pace->top_us = pace->round_top_us;
        pace->ceiling = UINT64_MAX;
    } else if (pace->rival && rtt_us < pace->rtt_us + pace->rtt_us / 2 + RIVAL_US / 2) {
        pace->rival = false;
    }
}

/* As long as more brings more, more is tried: two phases of it, because the answer to the first
 * comes in the second. */
static void next_phase(struct pnd_pace *pace, uint64_t now_us)
{
    unsigned phase = (pace->phase + 1) % (2 + pace->rest);

    if (phase == 0) {
        look_for_rival(pace);
        pace->probe_rate = pace->rate;
        pace->probed = false;
    } else if (phase == 1 && !pace->probed) {
        phase = 0;
        pace->probed = true;
    } else if (phase == 1 && pace->rate > pace->probe_rate + pace->probe_rate / 8) {
        phase = 0;
        pace->probe_rate = pace->rate;
        pace->rest = REST_MIN;
    }
    pace->phase = phase;
    pace->phase_us = now_us;
}

/* The shortest round trip was not seen for long: a queue may stand on the way. */
static void listen(struct pnd_pace *pace, uint64_t now_us)
{
    if (pace->mode == PND_PACE_LISTEN) {
        if (now_us - pace->phase_us < max64(LISTEN_US, 2 * pace->rtt_us))
            return;
        pace->cycle_rtt_us = pace->listen_rtt_us;
        look_for_rival(pace);
        if (!pace->rival && pace->listen_rtt_us)
            pace->rtt_us = pace->listen_rtt_us;
        pace->rtt_at_us = now_us;
        enter(pace, PND_PACE_CRUISE, now_us);
    } else if (pace->mode == PND_PACE_CRUISE && now_us - pace->rtt_at_us > FORGET_US) {
        enter(pace, PND_PACE_LISTEN, now_us);
        pace->listen_rtt_us = 0;
    }
}

static void advance(struct pnd_pace *pace, uint64_t now_us)
{
    uint64_t phase_us = max64(pace->rtt_us, PHASE_MIN_US);

    if (pace->mode == PND_PACE_DRAIN &&
        (pace->flying <= product(pace) || now_us - pace->phase_us > 4 * phase_us))
        enter(pace, PND_PACE_CRUISE, now_us);
    if (pace->mode == PND_PACE_CRUISE && now_us - pace->phase_us > phase_us)
        next_phase(pace, now_us);
    listen(pace, now_us);
}

/* START: a queue that overflows is full, before the round has ended in which that shows. */
static void check_overflow(struct pnd_pace *pace, uint64_t now_us)
{
    uint64_t gone = pace->lost - min64(pace->round_lost, pace->lost);

    if (pace->mode == PND_PACE_START && gone > (uint64_t)OVERFLOW_PACKETS * pace->packet &&
        is_too_much(loss_since(pace, pace->round_delivered, pace->round_lost), floor_of(pace)))
        enter(pace, PND_PACE_DRAIN, now_us);
}

void pnd_pace_end(struct pnd_pace *pace, uint64_t rtt_us, uint64_t now_us)
{
    take_rtt(pace, rtt_us, now_us);
    if (pace->idle && !before((uint32_t)pace->delivered, pace->idle_until))
        pace->idle = false;
    if (pace->fresh) {
        take_rate(pace, now_us);
        if (!before(pace->best.delivered, pace->round_end))
            next_round(pace, now_us);
        pace->fresh = false;
    }
    check_overflow(pace, now_us);
    advance(pace, now_us);
}
