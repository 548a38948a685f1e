/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicd/turn.h"

#include <string.h>

#include "host/clock.h"
#include "panicd/transfer.h"

_Static_assert((int)PND_NET_BUFFER <= (int)PND_TURN_CHUNK, "a datagram fits the chunk");

/* How many bytes behind what is held the slot's sender may send now: its share of what all may,
 * and less when its disk is behind. */
static uint64_t room_of(const struct pnd_server *server, const struct pnd_slot *slot,
                        const struct pnd_session *session)
{
    uint64_t backlog = pnd_session_solid(session) - slot->written_back, left = UINT64_MAX;
    uint32_t arriving = pnd_server_hurried(server);
    uint64_t share = PND_TURN_ROOM / (arriving ? arriving : 1);

    if (share < PND_TURN_ROOM_MIN)
        share = PND_TURN_ROOM_MIN;
    if (slot->write_back_pending)
        left = backlog < PND_TURN_BACKLOG ? PND_TURN_BACKLOG - backlog : 0;
    return share < left ? share : left;
}

static void fail(struct pnd_server *server, const struct pnd_outcome *outcome)
{
    struct pnd_turn *turn = &server->turn;

    turn->failed = true;
    turn->len = turn->reply_len = 0;
    pnd_transfer_fail(server, turn->slot, outcome, &turn->from);
}

static void write_chunk(struct pnd_server *server)
{
    struct pnd_turn *turn = &server->turn;
    struct pnd_outcome outcome;

    if (turn->len == 0)
        return;
    outcome =
        pnd_transfer_write(server, turn->slot, &turn->next, turn->chunk, turn->len, turn->offset);
    turn->len = 0;
    if (outcome.err)
        fail(server, &outcome);
}

static void add_bytes(struct pnd_server *server, const struct pnd_action *write)
{
    struct pnd_turn *turn = &server->turn;

    if (turn->len + write->len > sizeof(turn->chunk) ||
        (turn->len && turn->offset + turn->len != write->offset))
        write_chunk(server);
    if (turn->failed)
        return;
    if (turn->len == 0)
        turn->offset = write->offset;
    memcpy(turn->chunk + turn->len, write->data, write->len);
    turn->len += write->len;
}

/* The slot's session becomes that of the turn, and the replies leave. The turn can go on. */
static void commit(struct pnd_server *server)
{
    struct pnd_turn *turn = &server->turn;
    struct pnd_actions actions;

    actions.count = 0;
    if (turn->reply_len)
        actions.at[actions.count++] = (struct pnd_action){.kind = PND_ACT_REPLY,
                                                          .data = turn->reply,
                                                          .len = turn->reply_len,
                                                          .each = turn->reply_each};
    if (turn->moved) {
        pnd_transfer_run(server, turn->slot, &turn->next, &actions, &turn->from);
    } else { /* counters: nothing that a reply covers */
        pnd_counters_moved(&server->counters, &turn->slot->session, &turn->next);
        pnd_session_copy(&turn->slot->session, &turn->next);
        pnd_server_mind_deadline(server, turn->slot);
    }
    turn->moved = false;
    turn->reply_len = 0;
}

static void add_reply(struct pnd_server *server, const struct pnd_action *reply)
{
    struct pnd_turn *turn = &server->turn;
    size_t each = reply->each ? reply->each : reply->len;

    if (turn->reply_len && (turn->reply_each != each || turn->reply_len % each ||
                            turn->reply_len + reply->len > sizeof(turn->reply))) {
        write_chunk(server);
        if (!turn->failed)
            commit(server);
    }
    if (turn->failed)
        return;
    turn->moved = true;
    turn->reply_each = each;
    memcpy(turn->reply + turn->reply_len, reply->data, reply->len);
    turn->reply_len += reply->len;
}

/* Such actions of many datagrams can be run together; a file that is opened twice is opened once.
 */
static bool can_wait(const struct pnd_actions *actions)
{
    for (unsigned i = 0; i < actions->count; i++) {
        enum pnd_action_kind kind = actions->at[i].kind;

        if (kind != PND_ACT_OPEN && kind != PND_ACT_WRITE && kind != PND_ACT_REPLY)
            return false;
    }
    return true;
}

static void add_action(struct pnd_server *server, const struct pnd_action *action)
{
    struct pnd_turn *turn = &server->turn;
    struct pnd_outcome outcome;

    turn->moved = true;
    if (action->kind == PND_ACT_OPEN) {
        outcome = pnd_transfer_open_file(server, turn->slot);
        if (outcome.err)
            fail(server, &outcome);
    } else if (action->kind == PND_ACT_WRITE && action->object != PND_OBJECT_DUMP) {
        outcome = pnd_transfer_write_beside(server, turn->slot, action);
        if (outcome.err)
            fail(server, &outcome);
    } else if (action->kind == PND_ACT_WRITE) {
        add_bytes(server, action);
    } else {
        add_reply(server, action);
    }
}

static void settle(struct pnd_server *server)
{
    struct pnd_turn *turn = &server->turn;

    pnd_transfer_settle(server, turn->slot);
    turn->slot = NULL;
}

/* What cannot wait ends the turn. The replies to what came before it are covered by its record. */
static void end_with(struct pnd_server *server, const struct pnd_actions *actions)
{
    struct pnd_turn *turn = &server->turn;

    write_chunk(server);
    if (!turn->failed && pnd_transfer_run(server, turn->slot, &turn->next, actions, &turn->from) &&
        turn->reply_len)
        commit(server);
    settle(server);
}

void pnd_turn_end(struct pnd_server *server)
{
    struct pnd_turn *turn = &server->turn;
    struct pnd_slot *slot = turn->slot;
    struct pnd_actions actions;

    if (!slot)
        return;
    write_chunk(server);
    if (!turn->failed && turn->next.protocol->answer) {
        turn->next.protocol->answer(&turn->next, room_of(server, slot, &turn->next), false,
                                    pnd_clock_us(), &actions);
        pnd_transfer_run(server, slot, &turn->next, &actions, &turn->from);
    } else if (!turn->failed) {
        commit(server);
    }
    settle(server);
}

static void begin(struct pnd_server *server, struct pnd_slot *slot, const struct pnd_origin *from)
{
    struct pnd_turn *turn = &server->turn;

    if (turn->slot != slot) {
        pnd_turn_end(server);
        turn->slot = slot;
        turn->failed = turn->moved = false;
        turn->len = turn->reply_len = 0;
        pnd_session_copy(&turn->next, &slot->session);
        server->lockstep = false;
    }
    turn->from = *from;
    slot->origin.sock = from->sock;
    slot->origin.local = from->local;
}

void pnd_turn_take(struct pnd_server *server, struct pnd_slot *slot, const struct pnd_origin *from,
                   const uint8_t *dgram, size_t len, uint64_t now_us)
{
    struct pnd_turn *turn = &server->turn;
    struct pnd_actions actions;

    begin(server, slot, from);
    if (turn->failed)
        return;
    slot->packets++;
    server->counters.of[turn->next.protocol->id].packets++;
    turn->next.protocol->datagram(&turn->next, dgram, len, now_us, &actions);
    if (!can_wait(&actions)) {
        end_with(server, &actions);
        return;
    }
    for (unsigned i = 0; i < actions.count && !turn->failed; i++)
        add_action(server, &actions.at[i]);
}

void pnd_turn_alone(struct pnd_server *server, struct pnd_slot *slot, const struct pnd_origin *from,
                    const uint8_t *dgram, size_t len, uint64_t now_us)
{
    struct pnd_actions actions;
    struct pnd_session next;

    pnd_session_copy(&next, &slot->session);
    next.protocol->datagram(&next, dgram, len, now_us, &actions);
    server->lockstep = true;
    slot->packets++;
    server->counters.of[next.protocol->id].packets++;
    slot->origin.sock = from->sock;
    slot->origin.local = from->local;
    if (actions.count) {
        pnd_transfer_run(server, slot, &next, &actions, from);
    } else { /* counters, or a sender's ERROR: nothing that a reply covers */
        pnd_counters_moved(&server->counters, &slot->session, &next);
        pnd_session_copy(&slot->session, &next);
        pnd_server_mind_deadline(server, slot);
    }
    pnd_transfer_settle(server, slot);
}

void pnd_turn_room(struct pnd_server *server, struct pnd_slot *slot)
{
    struct pnd_origin to = slot->origin;
    struct pnd_actions actions;
    struct pnd_session next;

    if (!slot->session.protocol->answer) {
        pnd_transfer_ack(server, slot);
        return;
    }
    pnd_session_copy(&next, &slot->session);
    next.protocol->answer(&next, room_of(server, slot, &next), true, pnd_clock_us(), &actions);
    pnd_transfer_run(server, slot, &next, &actions, &to);
}
