/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The world of ext_world.h. */
#include "sim/ext_world.h"

#include <stdlib.h>
#include <string.h>

enum { PATTERN = 1 << 20, PACKETS = PND_EXT_TX_PACKETS_CAP, HOLE = 8192, NS = 1000 };

static const struct pnd_rx_limits limits = PND_RX_LIMITS_DEFAULT;
static uint8_t pattern[PATTERN];

static uint64_t now_us(const struct ext_world *w)
{
    return w->now_ns / NS;
}

/* Every seventh to tenth stretch of a sparse dump is zeros. */
static bool is_hole(const struct ext_world *w, uint64_t offset, uint64_t *ret_end)
{
    uint64_t stretch = offset / HOLE;

    *ret_end = (stretch + 1) * HOLE;
    if (*ret_end > w->plan->bytes)
        *ret_end = w->plan->bytes;
    return w->plan->sparse && (stretch * 0x9e3779b1u >> 8) % 16 < 5;
}

static const uint8_t *content(const struct ext_world *w, uint64_t offset, size_t *len)
{
    uint64_t end = w->plan->bytes;

    if (w->image)
        return w->image + offset;
    if (*len > PATTERN - offset % PATTERN)
        *len = PATTERN - (size_t)(offset % PATTERN);
    if (*len > end - offset)
        *len = (size_t)(end - offset);
    return pattern + offset % PATTERN;
}

static void feed(struct ext_world *w)
{
    uint64_t end;

    while (w->fed < w->plan->bytes) {
        bool hole = is_hole(w, w->fed, &end);
        size_t len, taken;

        if (hole && w->fed < w->tx.offset) { /* the server has it */
            w->fed = end;
        } else if (hole) {
            if (!pnd_ext_tx_zero(&w->tx, end - w->fed))
                return;
            w->fed = end;
        } else {
            len = w->plan->sparse ? (size_t)(end - w->fed) : 64 * 1024;
            if (len > w->plan->bytes - w->fed)
                len = (size_t)(w->plan->bytes - w->fed);
            taken = len;
            if (w->fed >= w->tx.offset) {
                const uint8_t *from = content(w, w->fed, &len);

                taken = pnd_ext_tx_write(&w->tx, from, len);
            } else if (taken > w->tx.offset - w->fed) {
                taken = (size_t)(w->tx.offset - w->fed);
            }
            w->fed += taken;
            if (taken == 0)
                return;
        }
    }
    pnd_ext_tx_finish(&w->tx);
}

static void start_sender(struct ext_world *w)
{
    struct pnd_greet_config config = {
        .name = "vmcore-1",
        .block_max = 1406,
        .dgram_max = w->plan->dgram_max,
        .id = {1, 2, 3},
        .resume = true,
        .rto_initial_us = 1000000,
        .rto_max_us = 3000000,
        .patience_us = 50000000,
    };

    w->opened = false;
    w->fed = 0;
    /* it has another port, and so a cookie; or the same, and the server takes its OPEN for a copy
     */
    if (w->restarts == 0 || rng_chance(&w->rng, 500))
        for (unsigned i = 0; i < PND_EXT_COOKIE_BYTES; i++)
            w->cookie[i] = (uint8_t)rng_u64(&w->rng);
    if (pnd_greet_init(&w->greet, &config) != PND_OK)
        abort();
}

static void send_greeting(struct ext_world *w)
{
    const uint8_t *packet;
    size_t len;

    pnd_greet_tick(&w->greet, now_us(w));
    packet = pnd_greet_output(&w->greet, now_us(w), &len);
    if (packet)
        pipe_send(&w->to_server, w->now_ns, 0, packet, len, NULL, 0);
    if (w->greet.phase == PND_GREET_TIMEOUT || w->greet.phase == PND_GREET_PLAIN) {
        w->failed = true;
        w->fell_back = w->greet.phase == PND_GREET_PLAIN;
        w->err = PND_E_TIMEOUT;
    }
}

static void begin_session(struct ext_world *w)
{
    struct pnd_ext_tx_config config = {
        .token = w->greet.opened.token,
        .offset = w->greet.opened.offset,
        .sum = w->greet.opened.sum,
        .resumed = true,
        .dgram_max = w->greet.opened.dgram_max < w->plan->dgram_max ? w->greet.opened.dgram_max
                                                                    : w->plan->dgram_max,
        .rtt_us = w->greet.rtt_us,
        .patience_us = w->plan->patience_us,
        .window = w->window,
        .window_bytes = w->plan->window_bytes,
    };

    if (pnd_ext_tx_init(&w->tx, &config, now_us(w)) != PND_OK)
        abort();
    w->opened = true;
    if (w->begin_ns == 0)
        w->begin_ns = w->now_ns;
}

static void sender_turn(struct ext_world *w)
{
    struct pnd_datagram packets[PACKETS];
    uint64_t bytes = 0;
    unsigned n;

    if (w->done || w->failed)
        return;
    if (!w->opened) {
        send_greeting(w);
        return;
    }
    pnd_ext_tx_tick(&w->tx, now_us(w));
    feed(w);
    if (w->now_ns >= w->free_ns) {
        n = pnd_ext_tx_output(&w->tx, now_us(w), packets, PACKETS);
        for (unsigned i = 0; i < n; i++) {
            pipe_send(&w->to_server, w->now_ns, 0, packets[i].header, packets[i].header_len,
                      packets[i].payload, packets[i].payload_len);
            bytes += packets[i].header_len + packets[i].payload_len + PIPE_OVERHEAD;
        }
        if (w->plan->sender_rate)
            w->free_ns = w->now_ns + bytes * 1000000000 / w->plan->sender_rate;
        if (n && w->plan->sender_dies && rng_below(&w->rng, 100000) < w->plan->sender_dies) {
            w->restarts++;
            start_sender(w);
            return;
        }
    }
    if (w->tx.phase == PND_EXT_TX_DONE || w->tx.phase == PND_EXT_TX_FAILED) {
        w->done = w->tx.phase == PND_EXT_TX_DONE;
        w->failed = !w->done;
        w->err = w->tx.err;
        w->end_ns = w->now_ns;
    }
}

static uint64_t sender_next_ns(const struct ext_world *w)
{
    uint64_t at_us =
        w->opened ? pnd_ext_tx_deadline_us(&w->tx, now_us(w)) : pnd_greet_deadline_us(&w->greet);
    uint64_t at_ns = at_us > UINT64_MAX / NS ? UINT64_MAX : at_us * NS;

    if (at_ns < w->free_ns)
        at_ns = w->free_ns;
    return at_ns < w->now_ns ? w->now_ns : at_ns;
}

/* ---- the server */

static void reply(struct ext_world *w, const uint8_t *bytes, size_t len)
{
    w->acks++;
    pipe_send(&w->to_client, w->now_ns, 0, bytes, len, NULL, 0);
}

static void kill_server(struct ext_world *w)
{
    w->server_restarts++;
    for (unsigned i = 0; i < PND_EXT_COOKIE_BYTES; i++)
        w->cookie[i] = (uint8_t)rng_u64(&w->rng);
    w->finish_ns = 0;
    memset(&w->rx, 0, sizeof(w->rx));
    if (!w->has_saved)
        return;
    if (pnd_ext_rx_load(&w->rx, &limits, w->saved, sizeof(w->saved), "vmcore-1", now_us(w)) !=
        PND_OK)
        abort();
    if (w->file) /* what was not held is gone, or is not */
        memset(w->file + w->rx.held, 0, (size_t)(w->plan->bytes - w->rx.held));
    if (w->rx.phase == PND_RX_FINISHING)
        w->finish_ns = w->now_ns + w->plan->durable_ns;
}

/* @return whether it lived */
static bool run_actions(struct ext_world *w, const struct pnd_actions *actions)
{
    for (unsigned i = 0; i < actions->count; i++) {
        const struct pnd_action *a = &actions->at[i];
        size_t each;

        if (a->kind == PND_ACT_FINISH)
            w->finish_ns = w->now_ns + w->plan->durable_ns;
        if (a->kind != PND_ACT_REPLY)
            continue;
        pnd_ext_rx_save(&w->rx, w->saved);
        w->has_saved = w->rx.phase != PND_RX_NEW;
        if (w->plan->server_dies && rng_below(&w->rng, 100000) < w->plan->server_dies) {
            kill_server(w);
            return false;
        }
        each = a->each ? a->each : a->len;
        for (size_t at = 0; at < a->len; at += each)
            reply(w, a->data + at, each < a->len - at ? each : a->len - at);
    }
    return true;
}

static void server_open(struct ext_world *w, const void *dgram, size_t len)
{
    struct pnd_actions actions;
    struct pnd_ext_open open;
    uint8_t grant[PND_EXT_GRANT_BYTES];

    if (pnd_ext_parse_open(dgram, len, &open) != PND_OK)
        return;
    if (memcmp(open.cookie, w->cookie, sizeof(w->cookie)) != 0) {
        pnd_ext_build_grant(grant, sizeof(grant), PND_KDP_FEATURES, w->cookie);
        reply(w, grant, sizeof(grant));
        return;
    }
    pnd_ext_rx_open(&w->rx, &limits, &open, (uint32_t)rng_u64(&w->rng) | 1, 65507, now_us(w),
                    &actions);
    run_actions(w, &actions);
}

static void server_take(struct ext_world *w, const struct pipe_packet *packet)
{
    struct pnd_ext_rx_news news;
    struct pnd_kdp_packet wrq = {0};
    uint8_t grant[PND_EXT_GRANT_BYTES];
    unsigned op = pnd_ext_op(packet->bytes, packet->len);

    if (op == PND_EXT_OPEN) {
        server_open(w, packet->bytes, packet->len);
    } else if (op) {
        if (pnd_ext_rx_take(&w->rx, packet->bytes, packet->len, now_us(w), &news) != PND_OK)
            return;
        for (unsigned i = 0; i < news.count && w->file; i++) {
            if (news.at[i].offset + news.at[i].len > w->plan->bytes)
                continue;
            memcpy(w->file + news.at[i].offset, news.at[i].data, news.at[i].len);
        }
    } else if (pnd_kdp_parse(packet->bytes, packet->len, &wrq) == PND_OK && wrq.op == PND_KDP_WRQ &&
               wrq.features & PND_EXT_FEATURE) {
        pnd_ext_build_grant(grant, sizeof(grant), PND_KDP_FEATURES, w->cookie);
        reply(w, grant, sizeof(grant));
    } else if (op == 0 && wrq.op == PND_KDP_WRQ) {
        reply(w, grant, (size_t)pnd_kdp_build_ack(grant, sizeof(grant), 0, PND_KDP_FEATURES));
    }
}

static uint64_t room(struct ext_world *w)
{
    if (w->plan->closed_at && w->rx.held >= w->plan->closed_at && !w->closed_once) {
        w->closed_once = true;
        w->reopen_ns = w->now_ns + w->plan->closed_ns;
    }
    if (w->now_ns < w->reopen_ns)
        return 0;
    return w->plan->room ? w->plan->room : UINT64_MAX;
}

static void server_turn(struct ext_world *w)
{
    struct pipe_packet packet;
    struct pnd_actions actions;

    while (pipe_take(&w->to_server, w->now_ns, &packet)) {
        server_take(w, &packet);
        free(packet.bytes);
    }
    pnd_ext_rx_answer(&w->rx, room(w), now_us(w), &actions);
    run_actions(w, &actions);
    if (w->finish_ns && w->now_ns >= w->finish_ns) {
        w->finish_ns = 0;
        w->finished = true;
        w->file_end = w->rx.length;
        pnd_ext_rx_finished(&w->rx, true, now_us(w), &actions);
        run_actions(w, &actions);
    }
}

static void client_take(struct ext_world *w)
{
    struct pipe_packet packet;

    while (pipe_take(&w->to_client, w->now_ns, &packet)) {
        if (w->opened)
            pnd_ext_tx_datagram(&w->tx, packet.bytes, packet.len, now_us(w));
        else
            pnd_greet_datagram(&w->greet, packet.bytes, packet.len, now_us(w));
        if (!w->opened && w->greet.phase == PND_GREET_OPENED)
            begin_session(w);
        free(packet.bytes);
    }
}

static void setup(struct ext_world *w, const struct ext_plan *plan)
{
    memset(w, 0, sizeof(*w));
    w->plan = plan;
    w->rng.state = plan->seed;
    pipe_init(&w->to_server, &w->rng);
    pipe_init(&w->to_client, &w->rng);
    w->to_server.bytes_per_s = plan->rate;
    w->to_server.queue_bytes = plan->queue;
    w->to_server.delay_ns = w->to_client.delay_ns = plan->rtt_ns / 2;
    w->to_server.faults = plan->to_server;
    w->to_client.faults = plan->to_client;
    w->window = calloc(1, plan->window_bytes);
    if (pattern[0] == 0)
        rng_fill(&(struct rng){.state = 1}, pattern, sizeof(pattern));
    pattern[0] |= 1;
    if (plan->stored) {
        w->file = calloc(1, plan->bytes + 1);
        w->image = calloc(1, plan->bytes + 8);
        rng_fill(&w->rng, w->image, plan->bytes);
        for (uint64_t at = 0, end; at < plan->bytes; at = end)
            if (is_hole(w, at, &end))
                memset(w->image + at, 0, (size_t)(end - at));
    }
    w->now_ns = 1000000;
    start_sender(w);
}

bool ext_world_run(struct ext_world *w, const struct ext_plan *plan, uint64_t until_ns)
{
    uint64_t next_ns, at_ns;

    setup(w, plan);
    while (!w->done && !w->failed && w->now_ns < until_ns) {
        sender_turn(w);
        if (plan->mtu_at && w->rx.held >= plan->mtu_at)
            w->to_server.faults.mtu = plan->wide_at && w->rx.held >= plan->wide_at ? 0 : plan->mtu;
        next_ns = sender_next_ns(w);
        at_ns = pipe_next_ns(&w->to_server);
        next_ns = at_ns < next_ns ? at_ns : next_ns;
        at_ns = pipe_next_ns(&w->to_client);
        next_ns = at_ns < next_ns ? at_ns : next_ns;
        if (w->finish_ns && w->finish_ns < next_ns)
            next_ns = w->finish_ns;
        if (next_ns == UINT64_MAX)
            break;
        if (next_ns > w->now_ns)
            w->now_ns = next_ns;
        if (pipe_next_ns(&w->to_server) <= w->now_ns || (w->finish_ns && w->finish_ns <= w->now_ns))
            server_turn(w);
        client_take(w);
    }
    return w->done || w->failed;
}

void ext_world_deinit(struct ext_world *w)
{
    pipe_deinit(&w->to_server);
    pipe_deinit(&w->to_client);
    free(w->window);
    free(w->file);
    free(w->image);
}

uint64_t ext_world_rate(const struct ext_world *w)
{
    uint64_t ns = w->end_ns - w->begin_ns;

    return ns ? (uint64_t)((double)w->plan->bytes * 1e9 / (double)ns) : 0;
}
