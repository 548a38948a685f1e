/* SPDX-License-Identifier: BSD-2-Clause */
#include "proto/kdp_rx.h"

#include <string.h>

_Static_assert((int)PND_ACTIONS_REPLY_CAP >= (int)PND_KDP_ERROR_CAP, "an ERROR fits the reply");

enum {
    FRAME_MAX = 1500, /* bytes of an IP packet that every Ethernet carries */
    UDP_IP_BYTES = 28,
    LOG_FILLER = 'Y',
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

static void add_ack(struct pnd_actions *ret, uint32_t block, uint32_t features)
{
    add_reply(ret, pnd_kdp_build_ack(ret->reply, sizeof(ret->reply), block, (uint8_t)features));
}

static void add_error(struct pnd_actions *ret, enum pnd_kdp_error code, const char *message)
{
    add_reply(ret, pnd_kdp_build_error(ret->reply, sizeof(ret->reply), code, message));
}

static size_t bounded_len(const char *s, size_t cap)
{
    size_t len = 0;

    while (len < cap && s[len])
        len++;
    return len;
}

static bool starts_with(const char *s, const char *prefix)
{
    while (*prefix)
        if (*s++ != *prefix++)
            return false;
    return true;
}

/* Panic-log and system-log dumps drag name length + 1 bytes behind every block (kdp-1.9). */
static bool is_log_name(const char *name)
{
    return starts_with(name, "paniclog-") || starts_with(name, "systemlog-");
}

static void grant(struct pnd_kdp_rx *rx, const struct pnd_kdp_packet *wrq)
{
    uint32_t block_max = wrq->block_max;

    if (block_max == 0)
        block_max = PND_KDP_BLOCK_LARGE;
    rx->features = wrq->features & PND_KDP_FEATURES;
    /* A log block with its junk must fit a frame, or a switch drops every one of them. And who
     * wants blocks larger than are taken here must not be promised any. */
    if (block_max > PND_KDP_BLOCK_CAP ||
        (is_log_name(rx->name) &&
         PND_KDP_HEADER_BYTES + block_max + wrq->name_len + 1 + UDP_IP_BYTES > FRAME_MAX))
        rx->features &= ~(uint32_t)PND_KDP_LARGE;
    rx->block_max = rx->features & PND_KDP_LARGE ? block_max : PND_KDP_BLOCK_SMALL;
}

static bool same_name(const struct pnd_kdp_rx *rx, const struct pnd_kdp_packet *wrq)
{
    size_t len = wrq->name_len < PND_RX_NAME_CAP ? wrq->name_len : PND_RX_NAME_CAP - 1;

    return bounded_len(rx->name, PND_RX_NAME_CAP) == len && memcmp(rx->name, wrq->name, len) == 0;
}

/* The answer to a copy of DATA or SEEK may make Apple's client repeat its next packet, whose copy
 * would draw another, until the client runs out of transmissions. One superfluous ACK in a block
 * it tolerates, so the first copy is always answered; more of them that come so soon were not
 * sent for want of an answer, and the chain ends here. */
static void repeat_ack(struct pnd_kdp_rx *rx, uint32_t block, uint64_t now_ms,
                       struct pnd_actions *ret)
{
    rx->repeats++;
    if (rx->held_ms ||
        (rx->limits->recover && pnd_kdp_rhythm_drew(&rx->rhythm, now_ms, rx->answered_ms)))
        return;
    if (rx->repeated && now_ms - rx->answered_ms < rx->limits->repeat_ms)
        return;
    rx->repeated = true;
    rx->answered_ms = now_ms;
    pnd_kdp_rhythm_said(&rx->rhythm, now_ms);
    add_ack(ret, block, 0);
}

/* WRQ and EOF are repeated for want of an answer alone: each copy gets one. */
static void answer_again(struct pnd_kdp_rx *rx, uint32_t block, uint32_t features, uint64_t now_ms,
                         struct pnd_actions *ret)
{
    rx->repeats++;
    if (rx->held_ms)
        return;
    pnd_kdp_rhythm_said(&rx->rhythm, now_ms);
    add_ack(ret, block, features);
}

/* The ACK of a block that is held now. On a path that re-orders a little it must not overtake the
 * repetitions of the one before: the client would take those for the answer to its next block. */
static void answer_first(struct pnd_kdp_rx *rx, uint32_t block, uint64_t held_until_ms,
                         uint64_t now_ms, struct pnd_actions *ret)
{
    if (now_ms < held_until_ms) {
        rx->held_ms = held_until_ms;
        return;
    }
    rx->answered_ms = now_ms;
    pnd_kdp_rhythm_said(&rx->rhythm, now_ms);
    rx->held_ms = 0;
    add_ack(ret, block, 0);
}

static void begin(struct pnd_kdp_rx *rx, const struct pnd_kdp_packet *wrq, uint64_t now_ms,
                  struct pnd_actions *ret)
{
    bool abandons = rx->phase == PND_RX_LIVE;
    /* A late copy of a finished dump's own WRQ must not silence the answers to its EOF. */
    bool copy = rx->phase == PND_RX_DONE && same_name(rx, wrq);
    uint32_t previous_eof = copy ? rx->expected : 0;
    size_t len = wrq->name_len < PND_RX_NAME_CAP ? wrq->name_len : PND_RX_NAME_CAP - 1;

    add(ret, PND_ACT_ADMIT);
    if (abandons)
        add(ret, PND_ACT_ABANDON)->why = "the sender started another dump";
    pnd_kdp_rx_init(rx, rx->limits);
    memcpy(rx->name, wrq->name, len);
    grant(rx, wrq);
    rx->phase = PND_RX_ASKED;
    rx->expected = 1;
    rx->previous_eof = previous_eof;
    rx->last_ms = rx->answered_ms = now_ms;
    pnd_kdp_rhythm_said(&rx->rhythm, now_ms);
    add_ack(ret, 0, rx->features);
}

bool pnd_kdp_rx_may_go(const struct pnd_kdp_rx *rx, uint64_t now_ms)
{
    if (rx->phase == PND_RX_FINISHING)
        return false;
    /* ERROR shortens the wait, no more: anybody can forge that, too. */
    return rx->phase != PND_RX_LIVE ||
           now_ms - rx->last_ms >=
               (rx->quit ? rx->limits->quit_takeover_ms : rx->limits->takeover_ms);
}

/* A machine that really starts anew asks again, until the dump before it may go. */
static void on_wrq(struct pnd_kdp_rx *rx, const struct pnd_kdp_packet *wrq, uint64_t now_ms,
                   struct pnd_actions *ret)
{
    if (rx->phase == PND_RX_ASKED && same_name(rx, wrq))
        answer_again(rx, 0, rx->features, now_ms, ret);
    else if (pnd_kdp_rx_may_go(rx, now_ms))
        begin(rx, wrq, now_ms, ret);
    else
        rx->strays++;
}

static void fail(struct pnd_kdp_rx *rx, uint64_t now_ms, enum pnd_kdp_error error,
                 const char *message, struct pnd_actions *ret)
{
    if (rx->phase == PND_RX_LIVE || rx->phase == PND_RX_FINISHING)
        add(ret, PND_ACT_ABANDON)->why = message;
    rx->phase = PND_RX_FAILED;
    rx->error = error;
    rx->last_ms = now_ms;
    add_error(ret, error, message);
}

static void accept_block(struct pnd_kdp_rx *rx, uint64_t now_ms, struct pnd_actions *ret)
{
    uint64_t held_until_ms = pnd_kdp_rhythm_held_until_ms(&rx->rhythm);

    pnd_kdp_rhythm_accepted(&rx->rhythm, now_ms);
    rx->phase = PND_RX_LIVE;
    rx->last_ms = now_ms;
    rx->held_ms = rx->stalled_ms = 0;
    rx->reacked = rx->repeated = false;
    rx->quit = false;
    answer_first(rx, rx->expected++, held_until_ms, now_ms, ret);
}

static uint32_t filler_run(const uint8_t *data, size_t len)
{
    uint32_t run = 0;

    while (run < len && data[len - 1 - run] == LOG_FILLER)
        run++;
    return run;
}

static int on_data(struct pnd_kdp_rx *rx, const struct pnd_kdp_packet *packet, uint64_t now_ms,
                   struct pnd_actions *ret)
{
    size_t len = packet->data_len < rx->block_max ? packet->data_len : rx->block_max;
    struct pnd_action *write;

    if (len > rx->limits->dump_bytes_max || rx->position > rx->limits->dump_bytes_max - len) {
        fail(rx, now_ms, PND_KDP_E_NOSPACE, "the dump is larger than the server allows", ret);
        return PND_E_RANGE;
    }
    if (rx->phase == PND_RX_ASKED)
        add(ret, PND_ACT_OPEN);
    if (len) {
        write = add(ret, PND_ACT_WRITE);
        write->offset = rx->position;
        write->data = packet->data;
        write->len = len;
        rx->tail_start = rx->position;
        rx->tail_raw = (uint32_t)packet->data_len;
        rx->tail_filler = is_log_name(rx->name) ? filler_run(packet->data, len) : 0;
        rx->position += len;
        rx->bytes += len;
        if (rx->position > rx->end)
            rx->end = rx->position;
    }
    accept_block(rx, now_ms, ret);
    return PND_OK;
}

static int on_seek(struct pnd_kdp_rx *rx, const struct pnd_kdp_packet *packet, uint64_t now_ms,
                   struct pnd_actions *ret)
{
    uint64_t offset;
    int err = pnd_kdp_seek_offset(packet, rx->features & PND_KDP_SEEK64, &offset);

    if (err)
        return err;
    if (offset > rx->limits->dump_bytes_max) {
        fail(rx, now_ms, PND_KDP_E_NOSPACE, "SEEK beyond the size that the server allows", ret);
        return PND_E_RANGE;
    }
    if (rx->phase == PND_RX_ASKED)
        add(ret, PND_ACT_OPEN);
    rx->position = offset;
    accept_block(rx, now_ms, ret);
    return PND_OK;
}

/* Where a log dump really ends: before the run of filler that its last block carries.
 * @return rx->end when there is no junk to be seen */
static uint64_t end_without_junk(const struct pnd_kdp_rx *rx)
{
    uint64_t name_len = bounded_len(rx->name, PND_RX_NAME_CAP);
    uint64_t kept = rx->tail_raw < rx->block_max ? rx->tail_raw : rx->block_max;

    if (!is_log_name(rx->name) || rx->tail_start + kept != rx->end)
        return rx->end;
    for (uint64_t junk = name_len + 1; junk >= name_len; junk--) {
        uint64_t len = rx->tail_raw - junk;

        if (rx->tail_raw < junk)
            continue;
        if (len >= kept) /* a full block: its junk was cut off on arrival */
            return rx->end;
        if (rx->tail_filler >= kept - len)
            return rx->tail_start + len;
    }
    return rx->end;
}

static void on_eof(struct pnd_kdp_rx *rx, uint64_t now_ms, struct pnd_actions *ret)
{
    uint64_t end = end_without_junk(rx);

    if (rx->phase == PND_RX_ASKED)
        add(ret, PND_ACT_OPEN);
    if (end != rx->end) {
        add(ret, PND_ACT_SIZE)->offset = end;
        rx->end = end;
    }
    add(ret, PND_ACT_FINISH);
    rx->phase = PND_RX_FINISHING;
    rx->last_ms = now_ms;
    rx->held_ms = rx->stalled_ms = 0;
}

/* Longer than what was granted and the junk that kernels drag behind it (kdp-1.9: name length + 1
 * bytes, and one more up to 1504): a sender that has not understood the grant, whose data would
 * be lost by the cut, or a damaged opcode. */
static bool is_too_long(const struct pnd_kdp_rx *rx, const struct pnd_kdp_packet *packet)
{
    size_t name_len = bounded_len(rx->name, PND_RX_NAME_CAP);
    size_t meant = packet->op == PND_KDP_DATA ? rx->block_max : packet->op == PND_KDP_SEEK ? 8 : 0;

    if (name_len == PND_RX_NAME_CAP - 1) /* perhaps cut: the junk may be longer */
        return false;
    return packet->data_len > meant + name_len + 2;
}

/* DATA, SEEK and EOF while a dump is open: only the expected block moves anything, and only the
 * one before is answered again. Anything older is dropped: to a client that waits for block b,
 * every ACK but those of b and b-1 means success. */
static int on_block(struct pnd_kdp_rx *rx, const struct pnd_kdp_packet *packet, uint64_t now_ms,
                    struct pnd_actions *ret)
{
    if (is_too_long(rx, packet)) {
        rx->strays++;
        return PND_E_LENGTH;
    }
    if (packet->block == rx->expected) {
        if (packet->op == PND_KDP_DATA)
            return on_data(rx, packet, now_ms, ret);
        if (packet->op == PND_KDP_SEEK)
            return on_seek(rx, packet, now_ms, ret);
        on_eof(rx, now_ms, ret);
        return PND_OK;
    }
    if (rx->phase == PND_RX_LIVE && packet->op != PND_KDP_EOF &&
        packet->block == rx->expected - 1) {
        rx->quit = false;
        rx->last_ms = now_ms;
        repeat_ack(rx, packet->block, now_ms, ret);
        return PND_OK;
    }
    if (rx->phase == PND_RX_ASKED && packet->op == PND_KDP_EOF && rx->previous_eof &&
        packet->block == rx->previous_eof) {
        answer_again(rx, packet->block, 0, now_ms, ret);
        return PND_OK;
    }
    /* An EOF of another number is of a sender that gave a block up: to it, the last ACK may mean
     * success just as to one that is ahead. */
    if (rx->phase == PND_RX_LIVE)
        pnd_kdp_rhythm_stray(&rx->rhythm,
                             packet->op == PND_KDP_EOF ? 1 : packet->block - rx->expected);
    rx->strays++;
    return PND_OK;
}

static int on_transfer_packet(struct pnd_kdp_rx *rx, const struct pnd_kdp_packet *packet,
                              uint64_t now_ms, struct pnd_actions *ret)
{
    switch (rx->phase) {
    case PND_RX_ASKED:
    case PND_RX_LIVE:
        return on_block(rx, packet, now_ms, ret);
    case PND_RX_DONE:
        if (packet->op == PND_KDP_EOF && packet->block == rx->expected) {
            answer_again(rx, packet->block, 0, now_ms, ret);
            return PND_OK;
        }
        break;
    case PND_RX_FAILED:
        add_error(ret, rx->error, "this dump was given up by the server");
        break;
    case PND_RX_NEW:
    case PND_RX_FINISHING:
    case PND_RX_LEFT:
    case PND_RX_RESUMING:
        break;
    }
    rx->strays++;
    return PND_OK;
}

/* Nobody but our own sender says ERROR, and anybody can forge it: so it shortens the wait
 * instead of ending the dump, and the next good block takes it back. */
static void on_error(struct pnd_kdp_rx *rx, uint64_t now_ms)
{
    if (rx->phase != PND_RX_LIVE || rx->quit)
        return;
    rx->quit = true;
    rx->last_ms = now_ms; /* the shorter wait begins here, however long the silence was */
}

static bool looks_like_wrq(const uint8_t *dgram, size_t len)
{
    return len >= 2 && dgram[0] == 0 && dgram[1] == PND_KDP_WRQ;
}

enum pnd_kdp_error pnd_kdp_rx_error(enum pnd_refusal refusal)
{
    switch (refusal) {
    case PND_REFUSAL_ACCESS:
        return PND_KDP_E_ACCESS;
    case PND_REFUSAL_NO_ROOM:
        return PND_KDP_E_NOSPACE;
    case PND_REFUSAL_OTHER:
        break;
    }
    return PND_KDP_E_UNDEFINED;
}

void pnd_kdp_rx_init(struct pnd_kdp_rx *rx, const struct pnd_rx_limits *limits)
{
    memset(rx, 0, sizeof(*rx));
    rx->limits = limits;
    rx->block_max = PND_KDP_BLOCK_SMALL;
    pnd_kdp_rhythm_init(&rx->rhythm);
}

int pnd_kdp_rx_datagram(struct pnd_kdp_rx *rx, const void *dgram, size_t len, uint64_t now_ms,
                        struct pnd_actions *ret)
{
    struct pnd_kdp_packet packet;
    int err;

    ret->count = 0;
    err = pnd_kdp_parse(dgram, len, &packet);
    if (err) {
        if (rx->phase == PND_RX_NEW && looks_like_wrq(dgram, len))
            add_error(ret, PND_KDP_E_ILLEGAL,
                      err == PND_E_MODE ? "only mode octet is known here" : "malformed WRQ");
        rx->strays++;
        return err;
    }
    switch (packet.op) {
    case PND_KDP_WRQ:
        on_wrq(rx, &packet, now_ms, ret);
        return PND_OK;
    case PND_KDP_DATA:
    case PND_KDP_SEEK:
    case PND_KDP_EOF:
        return on_transfer_packet(rx, &packet, now_ms, ret);
    case PND_KDP_ERROR:
        on_error(rx, now_ms);
        return PND_OK;
    case PND_KDP_RRQ:
    case PND_KDP_ACK:
        break;
    }
    rx->strays++;
    return PND_E_TYPE;
}

static uint64_t idle_deadline_ms(const struct pnd_kdp_rx *rx)
{
    uint64_t wait = rx->quit ? rx->limits->quit_ms : rx->limits->idle_ms;

    /* A full disk is waited out in full before silence counts. */
    if (rx->stalled_ms && rx->stalled_ms + rx->limits->stall_ms > rx->last_ms + wait)
        return rx->stalled_ms + rx->limits->stall_ms;
    return rx->last_ms + wait;
}

/* @return when the last ACK of a live dump is said again; UINT64_MAX: it is not */
static uint64_t repetition_ms(const struct pnd_kdp_rx *rx)
{
    uint64_t at_ms = UINT64_MAX;

    if (rx->stalled_ms || rx->quit || rx->rhythm.ahead)
        return UINT64_MAX;
    if (rx->limits->recover)
        at_ms = pnd_kdp_rhythm_due_ms(&rx->rhythm, rx->answered_ms);
    if (rx->limits->reack_ms && !rx->reacked && rx->last_ms + rx->limits->reack_ms < at_ms)
        at_ms = rx->last_ms + rx->limits->reack_ms;
    return at_ms;
}

static void repeat_by_time(struct pnd_kdp_rx *rx, uint64_t now_ms, struct pnd_actions *ret)
{
    rx->reacked |= rx->limits->reack_ms && now_ms >= rx->last_ms + rx->limits->reack_ms;
    rx->answered_ms = now_ms;
    pnd_kdp_rhythm_asked(&rx->rhythm, now_ms);
    add_ack(ret, rx->expected - 1, 0);
}

void pnd_kdp_rx_tick(struct pnd_kdp_rx *rx, uint64_t now_ms, struct pnd_actions *ret)
{
    ret->count = 0;
    switch (rx->phase) {
    case PND_RX_ASKED:
        if (now_ms >= rx->last_ms + rx->limits->asked_ms)
            add(ret, PND_ACT_RELEASE);
        return;
    case PND_RX_LIVE:
        if (now_ms >= idle_deadline_ms(rx)) {
            if (rx->stalled_ms) { /* the sender may still be asking: it hears what was wrong */
                fail(rx, now_ms, PND_KDP_E_NOSPACE, "disk full", ret);
                return;
            }
            add(ret, PND_ACT_ABANDON)->why =
                rx->quit ? "the sender gave up" : "the sender fell silent";
            add(ret, PND_ACT_RELEASE);
        } else if (rx->held_ms && now_ms >= rx->held_ms) {
            answer_first(rx, rx->expected - 1, rx->held_ms, now_ms, ret);
        } else if (!rx->held_ms && now_ms >= repetition_ms(rx)) {
            repeat_by_time(rx, now_ms, ret);
        }
        return;
    case PND_RX_DONE:
        if (rx->held_ms && now_ms >= rx->held_ms) {
            answer_first(rx, rx->expected, rx->held_ms, now_ms, ret);
            return;
        }
        /* fall through */
    case PND_RX_FAILED:
        if (now_ms >= rx->last_ms + rx->limits->done_ms)
            add(ret, PND_ACT_RELEASE);
        return;
    case PND_RX_NEW:
    case PND_RX_FINISHING:
    case PND_RX_LEFT:
    case PND_RX_RESUMING:
        return;
    }
}

uint64_t pnd_kdp_rx_deadline_ms(const struct pnd_kdp_rx *rx)
{
    uint64_t at_ms;

    switch (rx->phase) {
    case PND_RX_ASKED:
        return rx->last_ms + rx->limits->asked_ms;
    case PND_RX_LIVE:
        at_ms = rx->held_ms ? rx->held_ms : repetition_ms(rx);
        return at_ms < idle_deadline_ms(rx) ? at_ms : idle_deadline_ms(rx);
    case PND_RX_DONE:
        if (rx->held_ms)
            return rx->held_ms;
        /* fall through */
    case PND_RX_FAILED:
        return rx->last_ms + rx->limits->done_ms;
    case PND_RX_NEW:
    case PND_RX_FINISHING:
    case PND_RX_LEFT:
    case PND_RX_RESUMING:
        break;
    }
    return UINT64_MAX;
}

void pnd_kdp_rx_refuse_write(struct pnd_kdp_rx *rx, uint64_t now_ms, bool final,
                             enum pnd_refusal refusal, const char *message, struct pnd_actions *ret)
{
    ret->count = 0;
    rx->rhythm.clean = false;
    if (rx->stalled_ms == 0)
        rx->stalled_ms = now_ms ? now_ms : 1;
    if (final || now_ms >= rx->stalled_ms + rx->limits->stall_ms)
        fail(rx, now_ms, pnd_kdp_rx_error(refusal), message, ret);
}

void pnd_kdp_rx_finished(struct pnd_kdp_rx *rx, bool durable, uint64_t now_ms,
                         struct pnd_actions *ret)
{
    ret->count = 0;
    if (rx->phase != PND_RX_FINISHING)
        return;
    if (!durable) {
        fail(rx, now_ms, PND_KDP_E_NOSPACE, "the dump could not be made durable", ret);
        return;
    }
    rx->phase = PND_RX_DONE;
    rx->last_ms = now_ms;
    answer_first(rx, rx->expected, pnd_kdp_rhythm_held_until_ms(&rx->rhythm), now_ms, ret);
}
