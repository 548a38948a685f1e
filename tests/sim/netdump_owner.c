/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The model owner: see netdump_owner.h. */
#include "sim/netdump_owner.h"

#include <stdlib.h>
#include <string.h>

#include "wire/cursor.h"

/* What is being done: the packet at hand, if it is one. */
struct call {
    bool is_packet;
    struct pnd_netdump_packet packet;
};

static void break_rule(struct netdump_owner *owner, const char *rule)
{
    if (!owner->broken)
        owner->broken = rule;
}

void netdump_owner_init(struct netdump_owner *owner)
{
    static const struct pnd_rx_limits limits = PND_RX_LIMITS_DEFAULT;

    memset(owner, 0, sizeof(*owner));
    owner->limits = limits;
    owner->limits.dump_bytes_max = NETDUMP_OWNER_BYTES_CAP;
    owner->numbers = calloc(NETDUMP_OWNER_NUMBERS_CAP, sizeof(owner->numbers[0]));
    if (!owner->numbers)
        abort();
}

void netdump_owner_deinit(struct netdump_owner *owner)
{
    free(owner->bytes);
    free(owner->held);
    free(owner->numbers);
}

static struct netdump_number *number_of(const struct netdump_owner *owner, uint32_t number)
{
    return &owner->numbers[number % NETDUMP_OWNER_NUMBERS_CAP];
}

static void grow(struct netdump_owner *owner, size_t len)
{
    size_t cap = owner->cap ? owner->cap : 65536;

    while (cap < len)
        cap *= 2;
    if (cap > owner->cap) {
        owner->bytes = realloc(owner->bytes, cap);
        owner->held = realloc(owner->held, cap);
        if (!owner->bytes || !owner->held)
            abort();
        owner->cap = cap;
    }
    if (len > owner->len) {
        memset(owner->bytes + owner->len, 0, len - owner->len);
        memset(owner->held + owner->len, 0, len - owner->len);
        owner->len = len;
    }
}

static bool all_held(const struct netdump_owner *owner, uint64_t offset, size_t len)
{
    if (len == 0)
        return true;
    return offset + len <= owner->len && !memchr(owner->held + offset, 0, len);
}

bool netdump_owner_holds(const struct netdump_owner *owner, uint32_t number)
{
    const struct netdump_number *at = number_of(owner, number);

    return at->written && all_held(owner, at->offset, at->len);
}

static bool store_beside(struct netdump_owner *owner, const struct pnd_action *write)
{
    bool kdh = write->object == PND_OBJECT_KDH;
    size_t cap = kdh ? sizeof(owner->kdh) : sizeof(owner->key);
    size_t *len = kdh ? &owner->kdh_len : &owner->key_len;

    if (write->offset + write->len > cap) {
        break_rule(owner, "what is kept beside a dump is not longer than its bound");
        return false;
    }
    if (owner->disk_full)
        return false;
    memcpy((kdh ? owner->kdh : owner->key) + write->offset, write->data, write->len);
    if (write->offset + write->len > *len)
        *len = write->offset + write->len;
    return true;
}

static bool store(struct netdump_owner *owner, const struct call *call,
                  const struct pnd_action *write)
{
    size_t was = owner->len;

    if (owner->state != NETDUMP_RECEIVING)
        break_rule(owner, "a WRITE goes to an open file");
    if (!call->is_packet || write->data != call->packet.data || write->len > call->packet.data_len)
        break_rule(owner, "what is written is what the packet brought");
    if (write->object != PND_OBJECT_DUMP)
        return store_beside(owner, write);
    if (write->offset != call->packet.offset || write->len != call->packet.data_len)
        break_rule(owner, "all of it is written, and where the packet says");
    grow(owner, write->offset + write->len);
    if (owner->disk_full) {
        memcpy(owner->bytes + write->offset, write->data, write->len / 2);
        owner->len = was; /* nobody relies on it */
        return false;
    }
    memcpy(owner->bytes + write->offset, write->data, write->len);
    memset(owner->held + write->offset, 1, write->len);
    *number_of(owner, call->packet.seqno) = (struct netdump_number){
        .written = true, .offset = write->offset, .len = (uint32_t)write->len};
    return true;
}

static void file_open(struct netdump_owner *owner)
{
    owner->state = NETDUMP_RECEIVING;
    owner->len = owner->kdh_len = owner->key_len = 0;
    owner->why = NULL;
    owner->opens++;
    memset(owner->numbers, 0, NETDUMP_OWNER_NUMBERS_CAP * sizeof(owner->numbers[0]));
}

static void file_end(struct netdump_owner *owner, enum netdump_state state, const char *why)
{
    if (owner->state != NETDUMP_RECEIVING)
        break_rule(owner, "only a dump that arrives can end");
    if (state == NETDUMP_COMPLETE && !all_held(owner, 0, owner->len))
        break_rule(owner, "a complete dump has no hole");
    owner->state = state;
    owner->why = why;
    owner->ended++;
}

/* Everything but the REPLY. */
static bool run_one(struct netdump_owner *owner, const struct call *call,
                    const struct pnd_netdump_rx *copy, const struct pnd_action *action,
                    uint64_t now_ms)
{
    switch (action->kind) {
    case PND_ACT_ADMIT:
        return !owner->refuses;
    case PND_ACT_OPEN:
        file_open(owner);
        return true;
    case PND_ACT_WRITE:
        return store(owner, call, action);
    case PND_ACT_SIZE:
        if (action->offset > owner->len)
            break_rule(owner, "SIZE cuts, it does not lengthen");
        owner->len = action->offset;
        return true;
    case PND_ACT_FINISH:
        owner->finishing = true;
        owner->finish_at_ms = now_ms + owner->finish_ms;
        if (owner->len != copy->end)
            break_rule(owner, "a finished file ends where the session says");
        if (!all_held(owner, 0, owner->len))
            break_rule(owner, "a dump that finishes has no hole");
        return true;
    case PND_ACT_ABANDON:
        file_end(owner, NETDUMP_INCOMPLETE, action->why);
        return true;
    case PND_ACT_REPLY:
    case PND_ACT_RELEASE:
        return true;
    case PND_ACT_RESUME:
        break;
    }
    break_rule(owner, "an action of another protocol");
    return false;
}

static bool dies(struct netdump_owner *owner, enum netdump_crash point)
{
    if (owner->crash != point)
        return false;
    owner->dead = true;
    owner->crash = NETDUMP_LIVES;
    return true;
}

static void write_journal(struct netdump_owner *owner)
{
    owner->journal_used = owner->slot;
    if (!owner->slot)
        return;
    pnd_netdump_rx_save(&owner->rx, owner->journal);
    memcpy(owner->journal_path, owner->rx.path, sizeof(owner->journal_path));
}

/* Nothing is acknowledged but the herald, what is held, and the end of a complete dump. */
static void check_ack(struct netdump_owner *owner, const struct call *call, uint32_t number)
{
    bool own = call->is_packet && call->packet.seqno == number;

    if (own && call->packet.type == PND_NETDUMP_HERALD) {
        if (owner->rx.phase != PND_RX_ASKED)
            break_rule(owner, "a herald is only acknowledged before the first data");
        return;
    }
    if (owner->rx.phase == PND_RX_DONE) {
        if (owner->state != NETDUMP_COMPLETE || number != owner->rx.finish)
            break_rule(owner, "a dump that is done draws the ACK of its FINISHED alone");
        return;
    }
    if (own && call->packet.type == PND_NETDUMP_FINISHED) {
        if (owner->rx.phase != PND_RX_ASKED || number != owner->rx.finish)
            break_rule(owner, "FINISHED is acknowledged when the dump is durable");
        return;
    }
    if (own && call->packet.type == PND_NETDUMP_VMCORE &&
        !all_held(owner, call->packet.offset, call->packet.data_len))
        break_rule(owner, "what is acknowledged is held");
    if (!own && number_of(owner, number)->written && !netdump_owner_holds(owner, number))
        break_rule(owner, "what is acknowledged is held");
}

static void reply(struct netdump_owner *owner, const struct call *call,
                  const struct pnd_action *action)
{
    struct pnd_rd rd = pnd_rd(action->data, action->len);

    if (action->each != PND_NETDUMP_ACK_BYTES || action->len == 0 ||
        action->len % PND_NETDUMP_ACK_BYTES ||
        action->len / PND_NETDUMP_ACK_BYTES > PND_NETDUMP_SEND_PACKETS) {
        break_rule(owner, "a reply is one ACK or some, of four bytes each");
        return;
    }
    while (pnd_rd_left(&rd)) {
        uint32_t number = pnd_rd_be32(&rd);

        check_ack(owner, call, number);
        owner->acks[owner->ack_count++] = number;
        owner->replies++;
        if (owner->send)
            owner->send(owner->ctx, number);
    }
}

/* @return false: an action failed, and nothing has changed but bytes that nobody relies on */
static bool run(struct netdump_owner *owner, const struct call *call,
                const struct pnd_netdump_rx *copy, const struct pnd_actions *actions,
                uint64_t now_ms)
{
    const struct pnd_action *last = actions->count ? &actions->at[actions->count - 1] : NULL;
    bool does_something = actions->count > 0;

    for (unsigned i = 0; i < actions->count; i++) {
        if (actions->at[i].kind == PND_ACT_REPLY && i + 1 != actions->count)
            break_rule(owner, "a REPLY is last");
        if (!run_one(owner, call, copy, &actions->at[i], now_ms))
            return false;
    }
    if (does_something && dies(owner, NETDUMP_DIES_BEFORE_JOURNAL))
        return true;
    pnd_netdump_rx_copy(&owner->rx, copy);
    owner->slot = copy->phase != PND_RX_NEW && !(last && last->kind == PND_ACT_RELEASE);
    write_journal(owner);
    if (does_something && dies(owner, NETDUMP_DIES_BEFORE_REPLY))
        return true;
    if (last && last->kind == PND_ACT_REPLY)
        reply(owner, call, last);
    if (does_something)
        dies(owner, NETDUMP_DIES_AFTER);
    return true;
}

static void refuse(struct netdump_owner *owner, const struct pnd_actions *tried, uint64_t now_ms)
{
    const struct call call = {0};
    struct pnd_actions actions;
    struct pnd_netdump_rx copy;

    if (tried->at[0].kind == PND_ACT_ADMIT)
        return; /* policy has no word to say it with */
    if (tried->at[0].kind == PND_ACT_OPEN)
        owner->state = NETDUMP_NONE; /* what fails is undone */
    pnd_netdump_rx_copy(&copy, &owner->rx);
    pnd_netdump_rx_refuse_write(&copy, now_ms, false, "disk full", &actions);
    run(owner, &call, &copy, &actions, now_ms);
}

static void finish(struct netdump_owner *owner, uint64_t now_ms)
{
    const struct call call = {0};
    struct pnd_actions actions;
    struct pnd_netdump_rx copy;

    owner->finishing = false;
    if (!owner->fsync_fails && owner->state != NETDUMP_COMPLETE) /* killed in between, it is */
        file_end(owner, NETDUMP_COMPLETE, NULL);
    pnd_netdump_rx_copy(&copy, &owner->rx);
    pnd_netdump_rx_finished(&copy, !owner->fsync_fails, now_ms, &actions);
    run(owner, &call, &copy, &actions, now_ms);
}

void netdump_owner_datagram(struct netdump_owner *owner, const void *dgram, size_t len,
                            uint64_t now_ms)
{
    struct pnd_actions actions;
    struct pnd_netdump_rx copy;
    struct call call;

    owner->ack_count = 0;
    if (owner->dead)
        return;
    owner->datagrams++;
    if (!owner->slot)
        pnd_netdump_rx_init(&owner->rx, &owner->limits);
    call.is_packet = pnd_netdump_parse(dgram, len, &call.packet) == PND_OK;
    pnd_netdump_rx_copy(&copy, &owner->rx);
    owner->err = pnd_netdump_rx_datagram(&copy, dgram, len, now_ms, &actions);
    if (!run(owner, &call, &copy, &actions, now_ms))
        refuse(owner, &actions, now_ms);
}

void netdump_owner_tick(struct netdump_owner *owner, uint64_t now_ms)
{
    const struct call call = {0};
    struct pnd_actions actions;
    struct pnd_netdump_rx copy;

    owner->ack_count = 0;
    if (owner->dead || !owner->slot)
        return;
    if (owner->finishing && now_ms >= owner->finish_at_ms) {
        finish(owner, now_ms);
        return;
    }
    pnd_netdump_rx_copy(&copy, &owner->rx);
    pnd_netdump_rx_tick(&copy, now_ms, &actions);
    if (actions.count && now_ms < pnd_netdump_rx_deadline_ms(&owner->rx))
        break_rule(owner, "a tick does nothing before its deadline");
    run(owner, &call, &copy, &actions, now_ms);
}

uint64_t netdump_owner_deadline_ms(const struct netdump_owner *owner)
{
    if (owner->dead || !owner->slot)
        return UINT64_MAX;
    return owner->finishing ? owner->finish_at_ms : pnd_netdump_rx_deadline_ms(&owner->rx);
}

void netdump_owner_restart(struct netdump_owner *owner, uint64_t now_ms)
{
    owner->dead = owner->finishing = false;
    owner->ack_count = 0;
    owner->slot = owner->journal_used;
    pnd_netdump_rx_init(&owner->rx, &owner->limits);
    if (owner->slot &&
        pnd_netdump_rx_load(&owner->rx, &owner->limits, owner->journal, sizeof(owner->journal),
                            owner->journal_path, now_ms) != PND_OK) {
        break_rule(owner, "what was saved can be loaded");
        owner->slot = false;
    }
    /* A file that got its name in a turn that never ended. */
    if (owner->state == NETDUMP_RECEIVING && (!owner->slot || owner->rx.phase == PND_RX_ASKED))
        owner->state = NETDUMP_NONE;
    /* One that ended in a turn that never did. */
    if (owner->slot && owner->rx.phase == PND_RX_LIVE && owner->state == NETDUMP_INCOMPLETE)
        owner->state = NETDUMP_RECEIVING;
    if (owner->slot && owner->rx.phase == PND_RX_FINISHING) {
        owner->finishing = true;
        owner->finish_at_ms = now_ms;
        if (owner->len > owner->rx.end)
            owner->len = owner->rx.end;
    }
}
