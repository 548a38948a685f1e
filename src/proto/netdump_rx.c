/* SPDX-License-Identifier: BSD-2-Clause */
#include "proto/netdump_rx.h"

#include <string.h>

_Static_assert((int)PND_ACTIONS_REPLY_CAP >= PND_NETDUMP_SEND_PACKETS * PND_NETDUMP_ACK_BYTES,
               "the ACKs of a whole send fit the reply");

static struct pnd_action *add(struct pnd_actions *ret, enum pnd_action_kind kind)
{
    struct pnd_action *action = &ret->at[ret->count++];

    *action = (struct pnd_action){.kind = kind};
    return action;
}

/* Each is a datagram of its own. The last action is REPLY, or becomes it. */
static void add_ack(struct pnd_actions *ret, uint32_t seqno)
{
    struct pnd_action *action = ret->count ? &ret->at[ret->count - 1] : NULL;

    if (!action || action->kind != PND_ACT_REPLY) {
        action = add(ret, PND_ACT_REPLY);
        action->data = ret->reply;
        action->each = PND_NETDUMP_ACK_BYTES;
    }
    pnd_netdump_build_ack(ret->reply + action->len, PND_NETDUMP_ACK_BYTES, seqno);
    action->len += PND_NETDUMP_ACK_BYTES;
}

static void add_acks(struct pnd_netdump_rx *rx, uint64_t map, struct pnd_actions *ret)
{
    for (unsigned i = 0; i < PND_NETDUMP_SEND_PACKETS; i++)
        if (map >> i & 1)
            add_ack(ret, rx->burst.base + i);
    rx->burst.acked |= map;
}

void pnd_netdump_rx_init(struct pnd_netdump_rx *rx, const struct pnd_rx_limits *limits)
{
    memset(rx, 0, sizeof(*rx));
    rx->limits = limits;
}

void pnd_netdump_rx_copy(struct pnd_netdump_rx *ret, const struct pnd_netdump_rx *from)
{
    memcpy(ret, from,
           offsetof(struct pnd_netdump_rx, ranges.at) +
               from->ranges.count * sizeof(struct pnd_span));
}

/* Notes that [@p start, @p end) of the dump is held. */
static void keep(struct pnd_netdump_rx *rx, uint64_t start, uint64_t end)
{
    struct pnd_span piece;

    while (pnd_ranges_missing(&rx->ranges, start, end, &piece) == PND_OK) {
        if (pnd_ranges_add(&rx->ranges, &piece) != PND_OK)
            rx->blurred = true;
        start = piece.end;
    }
}

/* The send under way is over, for the client at least: what has arrived of it becomes ranges, what
 * has not is lost. */
static void settle(struct pnd_netdump_rx *rx, uint64_t now_ms)
{
    struct pnd_netdump_burst *burst = &rx->burst;
    unsigned count = pnd_netdump_burst_count(burst);
    uint64_t start, end;

    rx->lost += pnd_netdump_burst_missing(burst);
    for (unsigned i = 0; i < count && burst->type == PND_NETDUMP_VMCORE; i++) {
        if (!(burst->received >> i & 1))
            continue;
        pnd_netdump_burst_span(burst, i, &start, &end);
        keep(rx, start, end);
    }
    pnd_netdump_burst_begin(burst, burst->base + count, now_ms);
}

static void settle_if_whole(struct pnd_netdump_rx *rx, uint64_t now_ms)
{
    if (pnd_netdump_burst_whole(&rx->burst))
        settle(rx, now_ms);
}

bool pnd_netdump_rx_may_go(const struct pnd_netdump_rx *rx, uint64_t now_ms)
{
    if (rx->phase == PND_RX_FINISHING)
        return false;
    return rx->phase != PND_RX_LIVE || now_ms - rx->last_ms >= rx->limits->takeover_ms;
}

static void fail(struct pnd_netdump_rx *rx, uint64_t now_ms, const char *why,
                 struct pnd_actions *ret)
{
    if (rx->phase == PND_RX_LIVE)
        settle(rx, now_ms);
    if (rx->phase == PND_RX_LIVE || rx->phase == PND_RX_FINISHING)
        add(ret, PND_ACT_ABANDON)->why = why;
    rx->phase = PND_RX_FAILED;
    rx->last_ms = now_ms;
}

static void begin(struct pnd_netdump_rx *rx, const struct pnd_netdump_packet *herald,
                  uint64_t now_ms, struct pnd_actions *ret)
{
    uint32_t finish = rx->phase == PND_RX_DONE ? rx->finish : 0;
    const char *path;
    size_t len = 0;

    add(ret, PND_ACT_ADMIT);
    if (rx->phase == PND_RX_LIVE)
        add(ret, PND_ACT_ABANDON)->why = "the sender started another dump";
    pnd_netdump_rx_init(rx, rx->limits);
    if (pnd_netdump_path(herald, &path, &len) != PND_OK || len >= PND_NETDUMP_RX_PATH_CAP)
        rx->path_refused = true;
    else
        memcpy(rx->path, path, len);
    rx->phase = PND_RX_ASKED;
    rx->finish = finish;
    rx->last_ms = now_ms;
    pnd_netdump_burst_begin(&rx->burst, herald->seqno + 1, now_ms);
    add_ack(ret, herald->seqno);
}

/* A herald has no name: before the first data, one of the same number is a copy. */
static void on_herald(struct pnd_netdump_rx *rx, const struct pnd_netdump_packet *herald,
                      uint64_t now_ms, struct pnd_actions *ret)
{
    if (rx->phase == PND_RX_ASKED && herald->seqno + 1 == rx->burst.base) {
        rx->repeats++;
        rx->last_ms = now_ms;
        add_ack(ret, herald->seqno);
    } else if (pnd_netdump_rx_may_go(rx, now_ms)) {
        begin(rx, herald, now_ms, ret);
    } else {
        rx->strays++;
    }
}

/* What of a key or header is kept; of what lies behind the cap of a header only the ACK. */
static void write_beside(struct pnd_netdump_rx *rx, const struct pnd_netdump_packet *packet,
                         struct pnd_actions *ret)
{
    bool header = packet->type == PND_NETDUMP_KDH;
    uint64_t cap = header ? PND_NETDUMP_RX_HEADER_CAP : PND_NETDUMP_RX_KEY_CAP;
    struct pnd_action *write;
    uint64_t length;

    if (header && packet->offset == 0 &&
        pnd_netdump_dump_length(packet->data, packet->data_len, &length) == PND_OK)
        rx->length = length;
    if (packet->offset >= cap || packet->data_len == 0)
        return;
    write = add(ret, PND_ACT_WRITE);
    write->object = header ? PND_OBJECT_KDH : PND_OBJECT_EKCD_KEY;
    write->offset = packet->offset;
    write->data = packet->data;
    write->len =
        packet->data_len < cap - packet->offset ? packet->data_len : (size_t)(cap - packet->offset);
    rx->has_header |= header;
    rx->has_key |= !header;
}

static void store(struct pnd_netdump_rx *rx, const struct pnd_netdump_packet *packet,
                  uint64_t now_ms, struct pnd_actions *ret)
{
    struct pnd_action *write;

    if (rx->phase == PND_RX_ASKED)
        add(ret, PND_ACT_OPEN);
    rx->phase = PND_RX_LIVE;
    rx->last_ms = now_ms;
    rx->stalled_ms = 0;
    rx->packets++;
    if (packet->type != PND_NETDUMP_VMCORE) {
        write_beside(rx, packet, ret);
    } else if (packet->data_len) {
        write = add(ret, PND_ACT_WRITE);
        write->offset = packet->offset;
        write->data = packet->data;
        write->len = packet->data_len;
        rx->bytes += packet->data_len;
        if (packet->offset + packet->data_len > rx->end)
            rx->end = packet->offset + packet->data_len;
    }
}

/* A packet of a send that is over here. If it was one of those that were lost, it is one less. */
static void on_past(struct pnd_netdump_rx *rx, const struct pnd_netdump_packet *packet,
                    uint64_t now_ms, struct pnd_actions *ret)
{
    uint64_t end = packet->offset + packet->data_len;
    bool core = packet->type == PND_NETDUMP_VMCORE;
    struct pnd_span piece;

    if (rx->phase != PND_RX_LIVE || (packet->type == PND_NETDUMP_KDH && !rx->has_header) ||
        (packet->type == PND_NETDUMP_EKCD_KEY && !rx->has_key)) {
        rx->strays++;
        return;
    }
    if (core && pnd_ranges_missing(&rx->ranges, packet->offset, end, &piece) == PND_OK) {
        if ((rx->lost == 0 && !rx->blurred) || end > rx->limits->dump_bytes_max) {
            rx->strays++;
            return;
        }
        store(rx, packet, now_ms, ret);
        keep(rx, packet->offset, end);
        rx->lost -= !rx->blurred; /* else it may have been held, and not known of */
    } else {
        rx->repeats++;
        rx->last_ms = now_ms;
    }
    add_ack(ret, packet->seqno);
}

/* A packet that has not arrived before. */
static void accept(struct pnd_netdump_rx *rx, const struct pnd_netdump_packet *packet,
                   uint64_t now_ms, struct pnd_actions *ret)
{
    store(rx, packet, now_ms, ret);
    pnd_netdump_burst_put(&rx->burst, packet, now_ms);
    add_acks(rx, pnd_netdump_burst_ready(&rx->burst) & ~rx->burst.acked, ret);
    settle_if_whole(rx, now_ms);
}

/* The first packet of a send. It needs not be the one that arrives first; but what the client does
 * not wait for together with it was lost. */
static void begin_send(struct pnd_netdump_rx *rx, uint32_t seqno, uint64_t now_ms)
{
    settle(rx, now_ms);
    if (seqno - rx->burst.base >= PND_NETDUMP_SEND_PACKETS) {
        rx->lost += seqno - rx->burst.base;
        pnd_netdump_burst_begin(&rx->burst, seqno, now_ms);
    }
}

/* Its ACK is said again, and that of the packet which the client cannot tell from it. */
static void on_copy(struct pnd_netdump_rx *rx, const struct pnd_netdump_packet *packet,
                    uint64_t now_ms, struct pnd_actions *ret)
{
    unsigned index = packet->seqno - rx->burst.base;
    uint64_t pair = UINT64_C(1) << index, ready;

    pair |= UINT64_C(1) << (index + PND_NETDUMP_ALIAS) % PND_NETDUMP_SEND_PACKETS;
    rx->repeats++;
    rx->last_ms = now_ms;
    if (!rx->stalled_ms) /* else what is waited for may have come, and found no room */
        pnd_netdump_burst_copy(&rx->burst, now_ms);
    ready = pnd_netdump_burst_ready(&rx->burst);
    add_acks(rx, ready & (~rx->burst.acked | pair), ret);
    settle_if_whole(rx, now_ms);
}

static int on_object(struct pnd_netdump_rx *rx, const struct pnd_netdump_packet *packet,
                     uint64_t now_ms, struct pnd_actions *ret)
{
    uint64_t end = packet->offset + packet->data_len;
    enum pnd_netdump_place place;

    if (rx->phase != PND_RX_ASKED && rx->phase != PND_RX_LIVE) {
        rx->strays++;
        return PND_OK;
    }
    place = pnd_netdump_burst_place(&rx->burst, packet);
    if (place == PND_NETDUMP_STRAY ||
        (packet->type == PND_NETDUMP_EKCD_KEY && end > PND_NETDUMP_RX_KEY_CAP)) {
        rx->strays++;
        return place == PND_NETDUMP_STRAY ? PND_OK : PND_E_RANGE;
    }
    if (packet->type == PND_NETDUMP_VMCORE && end > rx->limits->dump_bytes_max &&
        place != PND_NETDUMP_PAST) {
        fail(rx, now_ms, "the dump is larger than the server allows", ret);
        return PND_E_RANGE;
    }
    switch (place) {
    case PND_NETDUMP_PAST:
        on_past(rx, packet, now_ms, ret);
        break;
    case PND_NETDUMP_COPY:
        on_copy(rx, packet, now_ms, ret);
        break;
    case PND_NETDUMP_NEXT:
        begin_send(rx, packet->seqno, now_ms);
        accept(rx, packet, now_ms, ret);
        break;
    case PND_NETDUMP_NEW:
        accept(rx, packet, now_ms, ret);
        break;
    case PND_NETDUMP_STRAY:
        break;
    }
    return PND_OK;
}

/* @return why a dump whose client has ended it is not whole; NULL: it is */
static const char *what_is_missing(const struct pnd_netdump_rx *rx)
{
    if (rx->lost)
        return "packets were lost that the sender took for acknowledged";
    if (rx->ranges.count == 0 || rx->ranges.at[0].start)
        return "nothing came for the start of the dump";
    if (rx->ranges.count > 1 || rx->blurred)
        return "parts of the dump were never sent";
    return NULL;
}

static void conclude(struct pnd_netdump_rx *rx, uint32_t seqno, uint64_t now_ms,
                     struct pnd_actions *ret)
{
    const char *why;

    settle(rx, now_ms);
    rx->lost += seqno - rx->burst.base;
    why = what_is_missing(rx);
    if (why) {
        fail(rx, now_ms, why, ret);
        return;
    }
    if (rx->length && rx->length < rx->end && rx->end - rx->length <= PND_NETDUMP_RX_PADDING_MAX) {
        add(ret, PND_ACT_SIZE)->offset = rx->length;
        rx->end = rx->ranges.at[0].end = rx->length;
    }
    add(ret, PND_ACT_FINISH);
    rx->phase = PND_RX_FINISHING;
    rx->finish = seqno;
    rx->last_ms = now_ms;
    rx->stalled_ms = 0;
}

/* One behind everything that has arrived; an older one is of another dump. */
static bool is_in_order(const struct pnd_netdump_rx *rx, uint32_t seqno)
{
    uint32_t next = rx->burst.base + pnd_netdump_burst_count(&rx->burst);

    return seqno - next < PND_NETDUMP_REACH;
}

static void on_finished(struct pnd_netdump_rx *rx, const struct pnd_netdump_packet *packet,
                        uint64_t now_ms, struct pnd_actions *ret)
{
    bool before = rx->phase == PND_RX_ASKED && rx->finish;

    if ((before || rx->phase == PND_RX_DONE) && packet->seqno == rx->finish) {
        rx->repeats++;
        add_ack(ret, packet->seqno);
    } else if (rx->phase == PND_RX_FINISHING && packet->seqno == rx->finish) {
        rx->repeats++;
    } else if (rx->phase == PND_RX_LIVE && is_in_order(rx, packet->seqno)) {
        conclude(rx, packet->seqno, now_ms, ret);
    } else {
        rx->strays++;
    }
}

int pnd_netdump_rx_datagram(struct pnd_netdump_rx *rx, const void *dgram, size_t len,
                            uint64_t now_ms, struct pnd_actions *ret)
{
    struct pnd_netdump_packet packet;
    int err = pnd_netdump_parse(dgram, len, &packet);

    ret->count = 0;
    if (err) {
        rx->strays++;
        return err;
    }
    switch (packet.type) {
    case PND_NETDUMP_HERALD:
        on_herald(rx, &packet, now_ms, ret);
        return PND_OK;
    case PND_NETDUMP_FINISHED:
        on_finished(rx, &packet, now_ms, ret);
        return PND_OK;
    case PND_NETDUMP_VMCORE:
    case PND_NETDUMP_KDH:
    case PND_NETDUMP_EKCD_KEY:
        break;
    }
    return on_object(rx, &packet, now_ms, ret);
}

static uint64_t idle_deadline_ms(const struct pnd_netdump_rx *rx)
{
    /* A full disk is waited out in full before silence counts. */
    if (rx->stalled_ms && rx->stalled_ms + rx->limits->stall_ms > rx->last_ms + rx->limits->idle_ms)
        return rx->stalled_ms + rx->limits->stall_ms;
    return rx->last_ms + rx->limits->idle_ms;
}

uint64_t pnd_netdump_rx_deadline_ms(const struct pnd_netdump_rx *rx)
{
    uint64_t quiet_ms;

    switch (rx->phase) {
    case PND_RX_ASKED:
        return rx->last_ms + rx->limits->asked_ms;
    case PND_RX_LIVE:
        quiet_ms = pnd_netdump_burst_deadline_ms(&rx->burst);
        return quiet_ms < idle_deadline_ms(rx) ? quiet_ms : idle_deadline_ms(rx);
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

void pnd_netdump_rx_tick(struct pnd_netdump_rx *rx, uint64_t now_ms, struct pnd_actions *ret)
{
    uint64_t at_ms = pnd_netdump_rx_deadline_ms(rx);

    ret->count = 0;
    if (at_ms == UINT64_MAX || now_ms < at_ms)
        return;
    if (rx->phase == PND_RX_LIVE && now_ms < idle_deadline_ms(rx)) {
        pnd_netdump_burst_quiet(&rx->burst);
        add_acks(rx, pnd_netdump_burst_ready(&rx->burst) & ~rx->burst.acked, ret);
        settle_if_whole(rx, now_ms);
        return;
    }
    if (rx->phase == PND_RX_LIVE)
        fail(rx, now_ms, rx->stalled_ms ? "disk full" : "the sender fell silent", ret);
    add(ret, PND_ACT_RELEASE);
}

void pnd_netdump_rx_refuse_write(struct pnd_netdump_rx *rx, uint64_t now_ms, bool final,
                                 const char *message, struct pnd_actions *ret)
{
    ret->count = 0;
    if (rx->stalled_ms == 0)
        rx->stalled_ms = now_ms ? now_ms : 1;
    pnd_netdump_burst_disturb(&rx->burst, now_ms);
    if (final || now_ms >= rx->stalled_ms + rx->limits->stall_ms)
        fail(rx, now_ms, message, ret);
}

void pnd_netdump_rx_finished(struct pnd_netdump_rx *rx, bool durable, uint64_t now_ms,
                             struct pnd_actions *ret)
{
    ret->count = 0;
    if (rx->phase != PND_RX_FINISHING)
        return;
    if (!durable) {
        fail(rx, now_ms, "the dump could not be made durable", ret);
        return;
    }
    rx->phase = PND_RX_DONE;
    rx->last_ms = now_ms;
    add_ack(ret, rx->finish);
}

uint64_t pnd_netdump_rx_solid(const struct pnd_netdump_rx *rx)
{
    const struct pnd_span *span = rx->ranges.at;

    return rx->ranges.count && span->start == 0 ? span->end : 0;
}

int pnd_netdump_rx_missing(const struct pnd_netdump_rx *rx, uint64_t from, struct pnd_span *ret)
{
    struct pnd_netdump_rx ended;

    pnd_netdump_rx_copy(&ended, rx);
    if (ended.phase == PND_RX_LIVE)
        settle(&ended, ended.last_ms);
    if (ended.blurred)
        return PND_E_NOTFOUND;
    return pnd_ranges_missing(&ended.ranges, from, ended.end, ret);
}
