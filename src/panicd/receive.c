/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicd/receive.h"

#include <string.h>
#include <sys/random.h>

#include "host/clock.h"
#include "panicd/transfer.h"
#include "wire/ext.h"

/* How many bytes behind what is held the slot's sender may send now: its share of what all may,
 * and less when its disk is behind. */
static uint64_t room_of(const struct pnd_server *server, const struct pnd_slot *slot,
                        const struct pnd_session *session)
{
    uint64_t backlog = pnd_session_solid(session) - slot->written_back, left = UINT64_MAX;
    uint32_t arriving = pnd_server_hurried(server);
    uint64_t share = PND_RECEIVE_ROOM / (arriving ? arriving : 1);

    if (share < PND_RECEIVE_ROOM_MIN)
        share = PND_RECEIVE_ROOM_MIN;
    if (slot->write_back_pending)
        left = backlog < PND_RECEIVE_BACKLOG ? PND_RECEIVE_BACKLOG - backlog : 0;
    return share < left ? share : left;
}

static void turn_fail(struct pnd_server *server, const struct pnd_outcome *outcome)
{
    struct pnd_turn *turn = &server->turn;

    turn->failed = true;
    turn->len = 0;
    pnd_transfer_fail(server, turn->slot, outcome, &turn->from);
}

static void turn_write(struct pnd_server *server)
{
    struct pnd_turn *turn = &server->turn;
    struct pnd_outcome outcome;

    if (turn->len == 0)
        return;
    outcome =
        pnd_transfer_write(server, turn->slot, &turn->next, turn->chunk, turn->len, turn->offset);
    turn->len = 0;
    if (outcome.err)
        turn_fail(server, &outcome);
}

static void turn_add(struct pnd_server *server, uint64_t offset, const uint8_t *data, size_t len)
{
    struct pnd_turn *turn = &server->turn;

    _Static_assert((int)PND_EXT_DGRAM_CAP <= (int)PND_RECEIVE_CHUNK, "a datagram fits the chunk");
    if (turn->len + len > sizeof(turn->chunk) || (turn->len && turn->offset + turn->len != offset))
        turn_write(server);
    if (turn->failed)
        return;
    if (turn->len == 0)
        turn->offset = offset;
    memcpy(turn->chunk + turn->len, data, len);
    turn->len += len;
}

static void turn_end(struct pnd_server *server)
{
    struct pnd_turn *turn = &server->turn;
    struct pnd_slot *slot = turn->slot;
    struct pnd_actions actions;

    if (!slot)
        return;
    server->lockstep = false;
    turn_write(server);
    if (!turn->failed) {
        pnd_ext_rx_answer(&turn->next.ext, room_of(server, slot, &turn->next), pnd_clock_us(),
                          &actions);
        pnd_transfer_run(server, slot, &turn->next, &actions, &turn->from);
    }
    pnd_transfer_settle(server, slot);
    turn->slot = NULL;
}

static void turn_begin(struct pnd_server *server, struct pnd_slot *slot,
                       const struct pnd_origin *from)
{
    struct pnd_turn *turn = &server->turn;

    if (turn->slot != slot) {
        turn_end(server);
        turn->slot = slot;
        turn->failed = false;
        pnd_session_copy(&turn->next, &slot->session);
    }
    turn->from = *from;
}

static void turn_take(struct pnd_server *server, const uint8_t *data, size_t len, uint64_t now_us)
{
    struct pnd_turn *turn = &server->turn;
    struct pnd_ext_rx_news news;
    struct pnd_outcome outcome;

    turn->slot->packets++;
    if (pnd_ext_rx_take(&turn->next.ext, data, len, now_us, &news))
        return;
    if (news.begins) {
        outcome = pnd_transfer_open_file(server, turn->slot);
        if (outcome.err) {
            turn_fail(server, &outcome);
            return;
        }
    }
    for (unsigned i = 0; i < news.count && !turn->failed; i++)
        turn_add(server, news.at[i].offset, news.at[i].data, news.at[i].len);
}

static struct pnd_slot *take_slot(struct pnd_server *server, const struct pnd_origin *from,
                                  enum pnd_protocol protocol)
{
    struct pnd_slot displaced, *slot = pnd_table_take(server->table, from, &displaced);

    if (displaced.class != PND_CLASS_FREE) {
        pnd_transfer_let_go(server, &displaced, PND_JOB_DISCARD, NULL);
        pnd_journal_clear(server->journal, displaced.index);
    }
    if (slot)
        pnd_session_init(&slot->session, protocol, &server->config.limits);
    else
        pnd_transfer_refuse(server, from, PND_RULE_TRANSFERS);
    return slot;
}

/* The slot's dump, of which nothing new comes, goes; what came of it is kept. */
static void clear_slot(struct pnd_server *server, struct pnd_slot *slot)
{
    if (pnd_session_phase(&slot->session) == PND_RX_LIVE)
        pnd_transfer_let_go(server, slot, PND_JOB_ABANDON, "the sender started another dump");
    pnd_transfer_let_go(server, slot, PND_JOB_DISCARD, NULL);
    pnd_journal_clear(server->journal, slot->index);
    pnd_table_free(server->table, slot);
}

/* A sender that begins in another protocol than it spoke before. @return whether it may */
static bool may_replace(struct pnd_server *server, struct pnd_slot *slot,
                        const struct pnd_origin *from)
{
    enum pnd_rule rule;

    if (!pnd_session_may_go(&slot->session, pnd_clock_us()))
        return false;
    rule = pnd_policy_admit(server, from);
    if (rule == PND_RULE_NONE)
        return true;
    pnd_transfer_refuse(server, from, rule);
    return false;
}

static bool is_wrq(const uint8_t *data, size_t len)
{
    return len >= 2 && data[0] == 0 && data[1] == PND_KDP_WRQ;
}

/* A packet of Apple's protocol. */
static void on_kdp(struct pnd_server *server, struct pnd_slot *slot, const struct pnd_origin *from,
                   const uint8_t *data, size_t len)
{
    struct pnd_actions actions;
    struct pnd_session next;

    if (slot && slot->session.protocol != PND_PROTOCOL_KDP) {
        if (!is_wrq(data, len) || !may_replace(server, slot, from))
            return;
        clear_slot(server, slot);
        slot = NULL;
    }
    if (!slot) {
        if (!is_wrq(data, len)) {
            server->counters.garbage++;
            return;
        }
        slot = take_slot(server, from, PND_PROTOCOL_KDP);
        if (!slot)
            return;
    }
    pnd_session_copy(&next, &slot->session);
    pnd_kdp_rx_datagram(&next.kdp, data, len, pnd_clock_ms(), &actions);
    server->lockstep = true;
    slot->packets++;
    slot->origin.sock = from->sock;
    slot->origin.local = from->local;
    if (actions.count) {
        pnd_transfer_run(server, slot, &next, &actions, from);
    } else { /* counters, or a sender's ERROR: nothing that a reply covers */
        pnd_session_copy(&slot->session, &next);
        pnd_server_mind_deadline(server, slot);
    }
    pnd_transfer_settle(server, slot);
}

/* The sender is asked to show that it hears us; nothing is kept of it. */
static void send_grant(struct pnd_server *server, const struct pnd_origin *from)
{
    uint8_t reply[PND_EXT_GRANT_BYTES], cookie[PND_EXT_COOKIE_BYTES];

    if (pnd_cookie_make(&server->cookie_key, from, pnd_clock_ms(), cookie))
        return;
    pnd_ext_build_grant(reply, sizeof(reply), PND_KDP_FEATURES, cookie);
    pnd_net_reply(server->net, from, reply, sizeof(reply));
}

static bool is_extended_wrq(const struct pnd_server *server, const uint8_t *data, size_t len)
{
    struct pnd_kdp_packet wrq;

    return server->config.extension && is_wrq(data, len) && !pnd_kdp_parse(data, len, &wrq) &&
           wrq.features & PND_EXT_FEATURE;
}

static struct pnd_slot *find_dump(struct pnd_server *server, const uint8_t id[PND_EXT_ID_BYTES])
{
    for (uint32_t i = 0; i < pnd_table_size(server->table); i++) {
        struct pnd_slot *slot = pnd_table_at(server->table, i);

        if (slot->class != PND_CLASS_FREE && slot->session.protocol == PND_PROTOCOL_EXT &&
            memcmp(slot->session.ext.id, id, PND_EXT_ID_BYTES) == 0)
            return slot;
    }
    return NULL;
}

/* The slot that an OPEN is for: that of its dump, moved to where the sender is now, or one for a
 * dump that begins. NULL: none, and the sender has heard what there is to say. */
static struct pnd_slot *slot_for(struct pnd_server *server, const struct pnd_origin *from,
                                 const struct pnd_ext_open *open)
{
    struct pnd_slot *here = pnd_table_find(server->table, from);
    struct pnd_slot *slot = find_dump(server, open->id);

    if (slot && slot == here)
        return slot;
    if (here) {
        if (!may_replace(server, here, from))
            return NULL;
        clear_slot(server, here);
    }
    if (!slot)
        return take_slot(server, from, PND_PROTOCOL_EXT);
    pnd_table_move(server->table, slot, from);
    pnd_server_save_who(server, slot);
    return slot;
}

static void on_open(struct pnd_server *server, const struct pnd_origin *from, const uint8_t *data,
                    size_t len)
{
    struct pnd_actions actions;
    struct pnd_ext_open open;
    struct pnd_session next;
    struct pnd_slot *slot;
    uint32_t token;

    if (!server->config.extension || pnd_ext_parse_open(data, len, &open) ||
        getrandom(&token, sizeof(token), 0) != (ssize_t)sizeof(token)) {
        server->counters.garbage++;
        return;
    }
    if (!pnd_cookie_right(&server->cookie_key, from, pnd_clock_ms(), open.cookie)) {
        send_grant(server, from);
        return;
    }
    slot = slot_for(server, from, &open);
    if (!slot)
        return;
    slot->packets++;
    slot->origin.sock = from->sock;
    slot->origin.local = from->local;
    pnd_session_copy(&next, &slot->session);
    pnd_ext_rx_open(&next.ext, &server->config.limits, &open, token, PND_EXT_DGRAM_CAP,
                    pnd_clock_us(), &actions);
    pnd_transfer_run(server, slot, &next, &actions, from);
    pnd_transfer_settle(server, slot);
}

static void on_datagrams(const struct pnd_origin *from, const uint8_t *data, size_t len,
                         size_t segment, void *ctx)
{
    struct pnd_server *server = ctx;
    struct pnd_slot *slot = pnd_table_find(server->table, from);
    uint64_t now_us = pnd_clock_us();

    do {
        size_t part = segment && segment < len ? segment : len;
        unsigned op = pnd_ext_op(data, part);

        if (op > PND_EXT_OPEN && slot && slot->session.protocol == PND_PROTOCOL_EXT) {
            turn_begin(server, slot, from);
            if (!server->turn.failed)
                turn_take(server, data, part, now_us);
        } else {
            turn_end(server);
            if (op == PND_EXT_OPEN)
                on_open(server, from, data, part);
            else if (is_extended_wrq(server, data, part))
                send_grant(server, from);
            else
                on_kdp(server, pnd_table_find(server->table, from), from, data, part);
            slot = pnd_table_find(server->table, from);
        }
        data += part;
        len -= part;
    } while (len);
}

static void on_batch_end(void *ctx)
{
    turn_end(ctx);
}

struct pnd_net_handler pnd_receive_handler(struct pnd_server *server)
{
    return (struct pnd_net_handler){
        .datagrams = on_datagrams, .batch_end = on_batch_end, .ctx = server};
}

void pnd_receive_room(struct pnd_server *server, struct pnd_slot *slot)
{
    struct pnd_origin to = slot->origin;
    struct pnd_actions actions;
    struct pnd_session next;

    if (slot->session.protocol != PND_PROTOCOL_EXT) {
        pnd_transfer_ack(server, slot);
        return;
    }
    pnd_session_copy(&next, &slot->session);
    next.ext.answer = true;
    pnd_ext_rx_answer(&next.ext, room_of(server, slot, &next), pnd_clock_us(), &actions);
    pnd_transfer_run(server, slot, &next, &actions, &to);
}
