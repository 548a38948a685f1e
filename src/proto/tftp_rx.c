/* SPDX-License-Identifier: BSD-2-Clause */
#include "proto/tftp_rx.h"

#include <string.h>

#include "wire/divide.h"

_Static_assert((int)PND_ACTIONS_REPLY_CAP >= (int)PND_TFTP_ERROR_CAP &&
                   (int)PND_ACTIONS_REPLY_CAP >= (int)PND_TFTP_OACK_CAP,
               "what is said fits the reply");
_Static_assert((int)PND_TFTP_NAME_CAP == (int)PND_RX_NAME_CAP, "what can be said can be kept");
_Static_assert((int)PND_TFTP_RX_WINDOW_MAX <= 0x4000, "a number says which window it is of");

enum { FAR = 0x10000 }; /* no block is so far from another */

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

static void add_error(struct pnd_actions *ret, enum pnd_tftp_error code, const char *message)
{
    add_reply(ret, pnd_tftp_build_error(ret->reply, sizeof(ret->reply), code, message));
}

/* The sender's next window begins behind the last block. */
static void say_ack(struct pnd_tftp_rx *rx, uint64_t now_ms, struct pnd_actions *ret)
{
    rx->left = rx->window;
    rx->answered_ms = now_ms;
    add_reply(ret, pnd_tftp_build_ack(ret->reply, sizeof(ret->reply), rx->last));
}

static void say_request_is_granted(struct pnd_tftp_rx *rx, uint64_t now_ms, struct pnd_actions *ret)
{
    if (rx->granted.said == 0) {
        say_ack(rx, now_ms, ret);
        return;
    }
    rx->answered_ms = now_ms;
    add_reply(ret, pnd_tftp_build_oack(ret->reply, sizeof(ret->reply), &rx->granted));
}

/* A silence that is one, from the sender's own gaps: as the retransmission timer of TCP. */
static uint64_t silence_ms(const struct pnd_tftp_rx *rx)
{
    int64_t ms = rx->mean_ms8 / 8 + rx->deviation_ms4;

    if (rx->mean_ms8 < 0)
        return PND_TFTP_RX_SILENCE_FIRST_MS;
    if (ms < PND_TFTP_RX_SILENCE_MIN_MS)
        return PND_TFTP_RX_SILENCE_MIN_MS;
    return ms < PND_TFTP_RX_SILENCE_MAX_MS ? (uint64_t)ms : PND_TFTP_RX_SILENCE_MAX_MS;
}

/* The first block behind an ACK that was said once. */
static void sample_gap(struct pnd_tftp_rx *rx, uint64_t now_ms)
{
    uint64_t gap_ms = now_ms - rx->answered_ms;
    int32_t gap, off;

    if (!rx->sampled)
        return;
    rx->sampled = false;
    rx->shift = 0;
    gap = gap_ms < PND_TFTP_RX_SILENCE_MAX_MS ? (int32_t)gap_ms : PND_TFTP_RX_SILENCE_MAX_MS;
    if (rx->mean_ms8 < 0) {
        rx->mean_ms8 = gap * 8;
        rx->deviation_ms4 = gap * 2;
        return;
    }
    off = gap - rx->mean_ms8 / 8;
    rx->mean_ms8 += off;
    rx->deviation_ms4 += (off < 0 ? -off : off) - rx->deviation_ms4 / 4;
}

/* What of the request is taken: nothing that was not asked for, and no window that would not fit
 * where datagrams wait to be read. */
static void grant(struct pnd_tftp_rx *rx, const struct pnd_tftp_options *asked)
{
    uint64_t rest, most;

    rx->granted = *asked;
    if (asked->said & PND_TFTP_BLKSIZE)
        rx->block_bytes = asked->block_bytes;
    if (!(asked->said & PND_TFTP_WINDOWSIZE))
        return;
    most = pnd_divide(PND_TFTP_RX_WINDOW_BYTES, rx->block_bytes, &rest);
    if (most > PND_TFTP_RX_WINDOW_MAX)
        most = PND_TFTP_RX_WINDOW_MAX;
    rx->window = asked->window < most ? asked->window : (uint16_t)most;
    rx->granted.window = rx->window;
}

static void take_name(struct pnd_tftp_rx *rx, const struct pnd_tftp_packet *wrq)
{
    size_t len = wrq->name_len < PND_RX_NAME_CAP ? wrq->name_len : PND_RX_NAME_CAP - 1;

    memcpy(rx->name, wrq->name, len);
}

/* A copy of the request that this session is of. */
static bool is_same(const struct pnd_tftp_rx *rx, const struct pnd_tftp_packet *wrq)
{
    struct pnd_tftp_rx asked;

    pnd_tftp_rx_init(&asked, rx->limits);
    take_name(&asked, wrq);
    grant(&asked, &wrq->options);
    return memcmp(asked.name, rx->name, sizeof(rx->name)) == 0 &&
           asked.granted.said == rx->granted.said && asked.block_bytes == rx->block_bytes &&
           asked.window == rx->window && asked.granted.timeout_s == rx->granted.timeout_s &&
           asked.granted.total_bytes == rx->granted.total_bytes;
}

static void begin(struct pnd_tftp_rx *rx, const struct pnd_tftp_packet *wrq, uint64_t now_ms,
                  struct pnd_actions *ret)
{
    bool abandons = rx->phase == PND_RX_LIVE;
    /* A late copy of a finished dump's own request must not silence the answers to its end. */
    uint16_t previous_last = rx->phase == PND_RX_DONE && is_same(rx, wrq) ? rx->last : 0;

    add(ret, PND_ACT_ADMIT);
    if (abandons)
        add(ret, PND_ACT_ABANDON)->why = "the sender started another dump";
    pnd_tftp_rx_init(rx, rx->limits);
    take_name(rx, wrq);
    grant(rx, &wrq->options);
    rx->phase = PND_RX_ASKED;
    rx->left = rx->window;
    rx->previous_last = previous_last;
    rx->last_ms = now_ms;
    rx->sampled = true;
    say_request_is_granted(rx, now_ms, ret);
}

bool pnd_tftp_rx_may_go(const struct pnd_tftp_rx *rx, uint64_t now_ms)
{
    if (rx->phase == PND_RX_FINISHING)
        return false;
    return rx->phase != PND_RX_LIVE ||
           now_ms - rx->last_ms >=
               (rx->quit ? rx->limits->quit_takeover_ms : rx->limits->takeover_ms);
}

static int on_wrq(struct pnd_tftp_rx *rx, const struct pnd_tftp_packet *wrq, uint64_t now_ms,
                  struct pnd_actions *ret)
{
    bool copy = rx->phase == PND_RX_ASKED && is_same(rx, wrq);

    if (!copy && !pnd_tftp_rx_may_go(rx, now_ms)) {
        rx->strays++;
        return PND_OK;
    }
    if (wrq->options.total_bytes > rx->limits->dump_bytes_max) {
        add_error(ret, PND_TFTP_E_NOSPACE, "the dump is larger than the server allows");
        return PND_E_RANGE;
    }
    if (!copy) {
        begin(rx, wrq, now_ms, ret);
        return PND_OK;
    }
    rx->repeats++;
    rx->sampled = false;
    say_request_is_granted(rx, now_ms, ret);
    return PND_OK;
}

static void fail(struct pnd_tftp_rx *rx, uint64_t now_ms, enum pnd_tftp_error error,
                 const char *message, struct pnd_actions *ret)
{
    if (rx->phase == PND_RX_LIVE || rx->phase == PND_RX_FINISHING)
        add(ret, PND_ACT_ABANDON)->why = message;
    rx->phase = PND_RX_FAILED;
    rx->error = error;
    rx->last_ms = rx->answered_ms = now_ms;
    add_error(ret, error, message);
}

static uint16_t next_number(const struct pnd_tftp_rx *rx)
{
    if (rx->last == UINT16_MAX)
        return rx->roll == PND_TFTP_ROLL_ONE ? 1 : 0;
    return (uint16_t)(rx->last + 1);
}

/* @return how far @p number lies behind the next one (0: it is that; < 0: it came before), or FAR
 *         for one that this sender has no block of */
static int32_t distance_of(const struct pnd_tftp_rx *rx, uint16_t number)
{
    bool one = rx->roll == PND_TFTP_ROLL_ONE;
    int32_t numbers = one ? 65535 : 65536, distance;

    if (one && number == 0)
        return FAR;
    distance = (int32_t)number - next_number(rx);
    if (distance > numbers / 2)
        distance -= numbers;
    if (distance < -(numbers / 2))
        distance += numbers;
    return distance;
}

/* The sender is told from where to go on: once in each of its goes, which show by their numbers
 * falling. A stalled disk is waited out in silence. */
static void on_gap(struct pnd_tftp_rx *rx, uint16_t ahead, uint64_t now_ms, struct pnd_actions *ret)
{
    bool goes_on = rx->ahead && ahead > rx->ahead;

    rx->strays++;
    if (goes_on) {
        rx->ahead = ahead;
        return;
    }
    if (rx->stalled_ms || rx->gaps >= PND_TFTP_RX_GAPS_MAX ||
        (rx->ahead && now_ms - rx->answered_ms < rx->limits->repeat_ms))
        return;
    rx->ahead = ahead;
    rx->gaps++;
    rx->sampled = false;
    say_ack(rx, now_ms, ret);
}

/* Behind block 65535 comes 0 or 1, and 1 also where 0 was lost. Who calls it 0 cannot send a block
 * of the window's number before it was acknowledged; and of a last block the announced size may say
 * which it is. Until one of them shows it the block is not taken.
 * @return it is known now, or the block is none of those */
static bool find_roll(struct pnd_tftp_rx *rx, const struct pnd_tftp_packet *packet, uint64_t now_ms,
                      struct pnd_actions *ret)
{
    uint64_t end = rx->end + packet->data_len;
    bool last = packet->data_len < rx->block_bytes && rx->granted.total_bytes >= end;

    if (packet->block == 0) {
        rx->roll = PND_TFTP_ROLL_ZERO;
    } else if (packet->block == rx->window ||
               (packet->block < rx->window && last &&
                rx->granted.total_bytes - end == (packet->block - UINT64_C(1)) * rx->block_bytes)) {
        rx->roll = PND_TFTP_ROLL_ONE;
    } else if (packet->block < rx->window) {
        on_gap(rx, packet->block, now_ms, ret);
        return false;
    }
    return true;
}

/* Of a window that is sent again the sender has not heard the ACK, and gets it at the window's end;
 * unless it was said just now: an answer to a copy that was made on the way, or drawn by an answer,
 * would draw another. A window that is sent again in part ends so much later. */
static void on_repeated(struct pnd_tftp_rx *rx, uint16_t behind, uint64_t now_ms,
                        struct pnd_actions *ret)
{
    bool goes_on = rx->behind && behind < rx->behind;
    uint64_t drawn_ms = silence_ms(rx);

    rx->repeats++;
    rx->last_ms = now_ms;
    rx->quit = false;
    rx->behind = behind;
    if (!goes_on && behind < rx->window) {
        rx->until = 0;
        if (rx->left > rx->window - behind)
            rx->left = (uint16_t)(rx->window - behind);
    } else if (!goes_on) {
        rx->until = (uint16_t)(behind - rx->window + 1);
    }
    if (rx->until == 0 || behind > rx->until)
        return;
    rx->until = 0;
    rx->sampled = false;
    if (drawn_ms > PND_TFTP_RX_DRAWN_MS)
        drawn_ms = PND_TFTP_RX_DRAWN_MS;
    if (rx->stalled_ms == 0 && now_ms - rx->answered_ms >= drawn_ms)
        say_ack(rx, now_ms, ret);
}

static int end_file(struct pnd_tftp_rx *rx, uint64_t now_ms, struct pnd_actions *ret)
{
    if (rx->end < rx->granted.total_bytes) {
        fail(rx, now_ms, PND_TFTP_E_UNDEFINED, "the file ended before its announced size", ret);
        return PND_E_FORMAT;
    }
    rx->phase = PND_RX_FINISHING;
    add(ret, PND_ACT_FINISH);
    return PND_OK;
}

static int accept_block(struct pnd_tftp_rx *rx, const struct pnd_tftp_packet *packet,
                        uint64_t now_ms, struct pnd_actions *ret)
{
    size_t len = packet->data_len;
    struct pnd_action *write;

    if (len > rx->limits->dump_bytes_max || rx->end > rx->limits->dump_bytes_max - len) {
        fail(rx, now_ms, PND_TFTP_E_NOSPACE, "the dump is larger than the server allows", ret);
        return PND_E_RANGE;
    }
    if (rx->phase == PND_RX_ASKED)
        add(ret, PND_ACT_OPEN);
    if (len) {
        write = add(ret, PND_ACT_WRITE);
        write->offset = rx->end;
        write->data = packet->data;
        write->len = len;
        rx->end += len;
    }
    sample_gap(rx, now_ms);
    rx->phase = PND_RX_LIVE;
    rx->last = packet->block;
    rx->blocks++;
    rx->last_ms = now_ms;
    rx->stalled_ms = 0;
    rx->ahead = rx->behind = rx->until = 0;
    rx->gaps = rx->asks = 0;
    rx->quit = false;
    if (len < rx->block_bytes)
        return end_file(rx, now_ms, ret);
    if (--rx->left == 0) {
        rx->sampled = true;
        say_ack(rx, now_ms, ret);
    }
    return PND_OK;
}

/* The end of the dump before, of the same name. */
static void repeat_previous(struct pnd_tftp_rx *rx, uint64_t now_ms, struct pnd_actions *ret)
{
    rx->repeats++;
    if (now_ms - rx->answered_ms < rx->limits->repeat_ms)
        return;
    rx->answered_ms = now_ms;
    rx->sampled = false;
    add_reply(ret, pnd_tftp_build_ack(ret->reply, sizeof(ret->reply), rx->previous_last));
}

/* DATA while a dump is open. */
static int on_block(struct pnd_tftp_rx *rx, const struct pnd_tftp_packet *packet, uint64_t now_ms,
                    struct pnd_actions *ret)
{
    int32_t distance;

    if (packet->data_len > rx->block_bytes) {
        rx->strays++;
        return PND_E_LENGTH;
    }
    if (rx->last == UINT16_MAX && rx->roll == PND_TFTP_ROLL_UNKNOWN &&
        !find_roll(rx, packet, now_ms, ret))
        return PND_OK;
    distance = distance_of(rx, packet->block);
    if (distance == 0)
        return accept_block(rx, packet, now_ms, ret);
    if (rx->previous_last && packet->block == rx->previous_last && rx->phase == PND_RX_ASKED)
        repeat_previous(rx, now_ms, ret);
    else if (distance > 0 && distance < rx->window)
        on_gap(rx, (uint16_t)distance, now_ms, ret);
    else if (rx->phase == PND_RX_LIVE && distance < 0 && -distance <= 2 * rx->window)
        on_repeated(rx, (uint16_t)-distance, now_ms, ret);
    else
        rx->strays++;
    return PND_OK;
}

static int on_data(struct pnd_tftp_rx *rx, const struct pnd_tftp_packet *packet, uint64_t now_ms,
                   struct pnd_actions *ret)
{
    switch (rx->phase) {
    case PND_RX_ASKED:
    case PND_RX_LIVE:
        return on_block(rx, packet, now_ms, ret);
    case PND_RX_DONE:
        if (packet->block != rx->last)
            break;
        rx->repeats++;
        if (now_ms - rx->answered_ms >= rx->limits->repeat_ms)
            say_ack(rx, now_ms, ret);
        return PND_OK;
    case PND_RX_FAILED:
        if (now_ms - rx->answered_ms >= rx->limits->repeat_ms) {
            rx->answered_ms = now_ms;
            add_error(ret, rx->error, "this dump was given up by the server");
        }
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

/* A sender that ends its dump says so; anybody can forge it: so it shortens the wait instead, and
 * the next good block takes it back. */
static void on_error(struct pnd_tftp_rx *rx, uint64_t now_ms)
{
    if (rx->phase != PND_RX_LIVE || rx->quit)
        return;
    rx->quit = true;
    rx->last_ms = now_ms; /* the shorter wait begins here, however long the silence was */
}

/* No dump is under way that an answer to somebody's forged packet would end. */
static bool may_hear_error(const struct pnd_tftp_rx *rx)
{
    return rx->phase == PND_RX_NEW || rx->phase == PND_RX_DONE || rx->phase == PND_RX_FAILED;
}

static bool looks_like_wrq(const uint8_t *dgram, size_t len)
{
    return len >= 2 && dgram[0] == 0 && dgram[1] == PND_TFTP_WRQ;
}

enum pnd_tftp_error pnd_tftp_rx_error(enum pnd_refusal refusal)
{
    switch (refusal) {
    case PND_REFUSAL_ACCESS:
        return PND_TFTP_E_ACCESS;
    case PND_REFUSAL_NO_ROOM:
        return PND_TFTP_E_NOSPACE;
    case PND_REFUSAL_OTHER:
        break;
    }
    return PND_TFTP_E_UNDEFINED;
}

void pnd_tftp_rx_init(struct pnd_tftp_rx *rx, const struct pnd_rx_limits *limits)
{
    memset(rx, 0, sizeof(*rx));
    rx->limits = limits;
    rx->block_bytes = PND_TFTP_BLOCK_DEFAULT;
    rx->window = rx->left = 1;
    rx->mean_ms8 = -1;
}

int pnd_tftp_rx_datagram(struct pnd_tftp_rx *rx, const void *dgram, size_t len, uint64_t now_ms,
                         struct pnd_actions *ret)
{
    struct pnd_tftp_packet packet;
    int err;

    ret->count = 0;
    err = pnd_tftp_parse(dgram, len, &packet);
    if (err) {
        if (may_hear_error(rx) && looks_like_wrq(dgram, len))
            add_error(ret, PND_TFTP_E_ILLEGAL,
                      err == PND_E_MODE ? "only mode octet is known here" : "malformed WRQ");
        rx->strays++;
        return err;
    }
    switch (packet.op) {
    case PND_TFTP_WRQ:
        return on_wrq(rx, &packet, now_ms, ret);
    case PND_TFTP_DATA:
        return on_data(rx, &packet, now_ms, ret);
    case PND_TFTP_ERROR:
        on_error(rx, now_ms);
        return PND_OK;
    case PND_TFTP_RRQ:
        if (may_hear_error(rx))
            add_error(ret, PND_TFTP_E_ACCESS, "this server takes crash dumps and gives nothing");
        rx->strays++;
        return PND_E_REFUSED;
    case PND_TFTP_ACK:
    case PND_TFTP_OACK:
        break;
    }
    rx->strays++;
    return PND_E_TYPE;
}

static uint64_t idle_deadline_ms(const struct pnd_tftp_rx *rx)
{
    uint64_t wait = rx->quit ? rx->limits->quit_ms : rx->limits->idle_ms;

    /* A full disk is waited out in full before silence counts. */
    if (rx->stalled_ms && rx->stalled_ms + rx->limits->stall_ms > rx->last_ms + wait)
        return rx->stalled_ms + rx->limits->stall_ms;
    return rx->last_ms + wait;
}

/* @return when the last ACK of a live dump is said by time; UINT64_MAX: it is not. A sender
 *         without windows is to ignore an ACK that it has heard, so nothing is gained by haste */
static uint64_t repetition_ms(const struct pnd_tftp_rx *rx)
{
    uint64_t from_ms = rx->last_ms > rx->answered_ms ? rx->last_ms : rx->answered_ms;
    uint64_t wait_ms = rx->granted.timeout_s * UINT64_C(1000);

    if (rx->stalled_ms || rx->quit || rx->asks >= PND_TFTP_RX_ASKS_MAX)
        return UINT64_MAX;
    if (wait_ms == 0)
        wait_ms = rx->limits->reack_ms;
    if (rx->window > 1 && rx->limits->recover)
        return from_ms + (silence_ms(rx) << rx->shift);
    return wait_ms ? from_ms + (wait_ms << rx->asks) : UINT64_MAX;
}

void pnd_tftp_rx_tick(struct pnd_tftp_rx *rx, uint64_t now_ms, struct pnd_actions *ret)
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
                fail(rx, now_ms, PND_TFTP_E_NOSPACE, "disk full", ret);
                return;
            }
            add(ret, PND_ACT_ABANDON)->why =
                rx->quit ? "the sender gave up" : "the sender fell silent";
            add(ret, PND_ACT_RELEASE);
        } else if (now_ms >= repetition_ms(rx)) {
            rx->asks++;
            if (rx->shift < PND_TFTP_RX_ASKS_MAX)
                rx->shift++;
            rx->sampled = false;
            say_ack(rx, now_ms, ret);
        }
        return;
    case PND_RX_DONE:
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

uint64_t pnd_tftp_rx_deadline_ms(const struct pnd_tftp_rx *rx)
{
    uint64_t at_ms;

    switch (rx->phase) {
    case PND_RX_ASKED:
        return rx->last_ms + rx->limits->asked_ms;
    case PND_RX_LIVE:
        at_ms = repetition_ms(rx);
        return at_ms < idle_deadline_ms(rx) ? at_ms : idle_deadline_ms(rx);
    case PND_RX_DONE:
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

void pnd_tftp_rx_refuse_write(struct pnd_tftp_rx *rx, uint64_t now_ms, bool final,
                              enum pnd_refusal refusal, const char *message,
                              struct pnd_actions *ret)
{
    ret->count = 0;
    rx->sampled = false;
    if (rx->stalled_ms == 0)
        rx->stalled_ms = now_ms ? now_ms : 1;
    if (final || now_ms >= rx->stalled_ms + rx->limits->stall_ms)
        fail(rx, now_ms, pnd_tftp_rx_error(refusal), message, ret);
}

void pnd_tftp_rx_finished(struct pnd_tftp_rx *rx, bool durable, uint64_t now_ms,
                          struct pnd_actions *ret)
{
    ret->count = 0;
    if (rx->phase != PND_RX_FINISHING)
        return;
    if (!durable) {
        fail(rx, now_ms, PND_TFTP_E_NOSPACE, "the dump could not be made durable", ret);
        return;
    }
    rx->phase = PND_RX_DONE;
    rx->last_ms = now_ms;
    say_ack(rx, now_ms, ret);
}
