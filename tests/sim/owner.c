/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The model owner: see owner.h. */
#include "sim/owner.h"

#include <stdlib.h>
#include <string.h>

static void dump_free(struct owner_dump *dump)
{
    free(dump->bytes);
    free(dump->tainted);
    memset(dump, 0, sizeof(*dump));
}

void owner_init(struct owner *owner)
{
    static const struct pnd_rx_limits limits = PND_RX_LIMITS_DEFAULT;

    memset(owner, 0, sizeof(*owner));
    owner->limits = limits;
    owner->file_bytes_cap = OWNER_DUMP_BYTES_CAP;
}

void owner_deinit(struct owner *owner)
{
    dump_free(&owner->live);
    for (unsigned i = 0; i < OWNER_DUMPS_CAP; i++)
        dump_free(&owner->dumps[i]);
}

const struct owner_dump *owner_last(const struct owner *owner)
{
    return owner->dump_count ? &owner->dumps[owner->dump_count - 1] : NULL;
}

struct call {
    enum rule_call call;
    const uint8_t *dgram;
    size_t len;
};

static void break_rule(struct owner *owner, const char *rule)
{
    if (!owner->broken)
        owner->broken = rule;
}

static bool grow(struct owner_dump *dump, size_t len, size_t max)
{
    size_t cap = dump->cap ? dump->cap : 4096;

    if (len > max)
        return false;
    while (cap < len)
        cap *= 2;
    if (cap > dump->cap) {
        dump->bytes = realloc(dump->bytes, cap);
        dump->tainted = realloc(dump->tainted, cap);
        if (!dump->bytes || !dump->tainted)
            abort();
        dump->cap = cap;
    }
    if (len > dump->len) {
        memset(dump->bytes + dump->len, 0, len - dump->len);
        memset(dump->tainted + dump->len, 0, len - dump->len);
        dump->len = len;
    }
    return true;
}

static bool store(struct owner *owner, const struct pnd_action *write)
{
    size_t len = owner->disk_full ? write->len / 2 : write->len, end = owner->live.len;

    if (owner->live.state != OWNER_RECEIVING)
        break_rule(owner, "a WRITE goes to an open file");
    if (write->offset > owner->file_bytes_cap ||
        !grow(&owner->live, write->offset + len, owner->file_bytes_cap))
        return false;
    memcpy(owner->live.bytes + write->offset, write->data, len);
    memset(owner->live.tainted + write->offset, owner->damaged, len);
    if (owner->disk_full)
        owner->live.len = end; /* a file never grows by what is not acknowledged */
    return !owner->disk_full;
}

static void end_live(struct owner *owner, enum owner_state state, const char *why)
{
    if (owner->live.state != OWNER_RECEIVING)
        return;
    if (owner->dump_count == OWNER_DUMPS_CAP) {
        dump_free(&owner->dumps[0]);
        memmove(owner->dumps, owner->dumps + 1, sizeof(owner->dumps[0]) * (OWNER_DUMPS_CAP - 1));
        owner->dump_count--;
    }
    owner->live.state = state;
    owner->live.why = why;
    owner->dumps[owner->dump_count++] = owner->live;
    memset(&owner->live, 0, sizeof(owner->live));
}

/* Everything but the REPLY. */
static bool run_one(struct owner *owner, const struct pnd_kdp_rx *copy,
                    const struct pnd_action *action, uint64_t now_ms)
{
    switch (action->kind) {
    case PND_ACT_ADMIT:
        return !owner->refuses;
    case PND_ACT_OPEN:
        dump_free(&owner->live);
        owner->live.state = OWNER_RECEIVING;
        memcpy(owner->live.name, copy->name, sizeof(copy->name));
        owner->opens++;
        return true;
    case PND_ACT_WRITE:
        return store(owner, action);
    case PND_ACT_SIZE:
        if (action->offset > owner->live.len)
            break_rule(owner, "SIZE cuts, it does not lengthen");
        owner->live.len = action->offset;
        return true;
    case PND_ACT_FINISH:
        owner->finishing = true;
        owner->finish_at_ms = now_ms + owner->finish_ms;
        if (owner->live.len != copy->end)
            break_rule(owner, "a finished file ends where the session says");
        return true;
    case PND_ACT_ABANDON:
        end_live(owner, OWNER_INCOMPLETE, action->why);
        return true;
    case PND_ACT_RESUME:
        break_rule(owner, "an action of another protocol");
        break;
    case PND_ACT_REPLY:
    case PND_ACT_RELEASE:
        return true;
    }
    return false;
}

static bool dies(struct owner *owner, enum owner_crash point)
{
    if (owner->crash != point)
        return false;
    owner->dead = true;
    owner->crash = CRASH_NEVER;
    return true;
}

static void write_journal(struct owner *owner)
{
    owner->journal_used = owner->slot;
    if (!owner->slot)
        return;
    pnd_kdp_rx_save(&owner->rx, owner->journal);
    memcpy(owner->journal_name, owner->rx.name, sizeof(owner->rx.name));
}

/* What is about to take effect. */
static void watch(struct owner *owner, const struct call *call, const struct pnd_kdp_rx *copy,
                  const struct pnd_actions *actions, uint64_t now_ms)
{
    const char *rule = rule_watched(&owner->watch, call->call, &owner->rx, copy, call->dgram,
                                    call->len, actions, now_ms);

    if (rule)
        break_rule(owner, rule);
}

/* @return false: an action failed, and nothing has changed but bytes that nobody relies on */
static bool run(struct owner *owner, const struct call *call, const struct pnd_kdp_rx *copy,
                const struct pnd_actions *actions, uint64_t now_ms)
{
    const struct pnd_action *last = actions->count ? &actions->at[actions->count - 1] : NULL;
    bool does_something = actions->count > 0;

    for (unsigned i = 0; i < actions->count; i++)
        if (!run_one(owner, copy, &actions->at[i], now_ms))
            return false;
    if (does_something && dies(owner, CRASH_BEFORE_JOURNAL))
        return true;
    watch(owner, call, copy, actions, now_ms);
    owner->accepted += copy->expected != owner->rx.expected;
    owner->rx = *copy;
    if (copy->expected > owner->reached)
        owner->reached = copy->expected;
    owner->slot = copy->phase != PND_RX_NEW && !(last && last->kind == PND_ACT_RELEASE);
    write_journal(owner);
    if (does_something && dies(owner, CRASH_BEFORE_REPLY))
        return true;
    if (last && last->kind == PND_ACT_REPLY) {
        memcpy(owner->reply, last->data, last->len);
        owner->reply_len = last->len;
        owner->replies++;
        if (owner->send)
            owner->send(owner->ctx, owner->reply, owner->reply_len);
    }
    if (does_something)
        dies(owner, CRASH_AFTER);
    return true;
}

static void check(struct owner *owner, const struct call *call, const struct pnd_kdp_rx *after,
                  const struct pnd_actions *actions)
{
    const char *rule = rule_broken(call->call, &owner->rx, after, call->dgram, call->len, actions);

    if (rule)
        break_rule(owner, rule);
}

static void refuse(struct owner *owner, const struct pnd_actions *tried, uint64_t now_ms)
{
    const struct call call = {.call = RULE_REFUSE_WRITE};
    struct pnd_kdp_rx copy = owner->rx;
    struct pnd_actions actions;

    if (tried->at[0].kind == PND_ACT_ADMIT)
        return; /* policy answers by itself */
    if (tried->at[0].kind == PND_ACT_OPEN)
        dump_free(&owner->live); /* what fails is undone: the session asks for its OPEN again */
    pnd_kdp_rx_refuse_write(&copy, now_ms, false, PND_REFUSAL_NO_ROOM, "disk full", &actions);
    check(owner, &call, &copy, &actions);
    run(owner, &call, &copy, &actions, now_ms);
}

/* Damage in a header or in a packet that steers a dump can lead anywhere; damage in the bytes of
 * DATA stays in them. */
static void note_damage(struct owner *owner, const struct pnd_actions *actions, bool moved,
                        const void *dgram, size_t len)
{
    struct pnd_kdp_packet packet;

    if (owner->damaged && (actions->count || moved) &&
        pnd_kdp_parse(dgram, len, &packet) == PND_OK &&
        (packet.op != PND_KDP_DATA || owner->damaged_header))
        owner->misled = true;
}

void owner_datagram(struct owner *owner, const void *dgram, size_t len, uint64_t now_ms)
{
    const struct call call = {RULE_DATAGRAM, dgram, len};
    struct pnd_kdp_rx copy;
    struct pnd_actions actions;

    if (owner->dead)
        return;
    if (!owner->slot)
        pnd_kdp_rx_init(&owner->rx, &owner->limits);
    owner->datagrams++;
    owner->reply_len = 0;
    copy = owner->rx;
    pnd_kdp_rx_datagram(&copy, dgram, len, now_ms, &actions);
    check(owner, &call, &copy, &actions);
    note_damage(owner, &actions, copy.expected != owner->rx.expected, dgram, len);
    if (!run(owner, &call, &copy, &actions, now_ms))
        refuse(owner, &actions, now_ms);
}

static void finish(struct owner *owner, uint64_t now_ms)
{
    const struct call call = {.call = RULE_FINISHED};
    struct pnd_kdp_rx copy = owner->rx;
    struct pnd_actions actions;

    owner->finishing = false;
    if (!owner->fsync_fails)
        end_live(owner, OWNER_COMPLETE, NULL);
    pnd_kdp_rx_finished(&copy, !owner->fsync_fails, now_ms, &actions);
    check(owner, &call, &copy, &actions);
    run(owner, &call, &copy, &actions, now_ms);
}

void owner_tick(struct owner *owner, uint64_t now_ms)
{
    const struct call call = {.call = RULE_TICK};
    struct pnd_kdp_rx copy = owner->rx;
    struct pnd_actions actions;

    owner->reply_len = 0;
    if (owner->dead || !owner->slot)
        return;
    if (owner->finishing && now_ms >= owner->finish_at_ms) {
        finish(owner, now_ms);
        return;
    }
    pnd_kdp_rx_tick(&copy, now_ms, &actions);
    check(owner, &call, &copy, &actions);
    run(owner, &call, &copy, &actions, now_ms);
}

uint64_t owner_deadline_ms(const struct owner *owner)
{
    uint64_t deadline_ms;

    if (owner->dead || !owner->slot)
        return UINT64_MAX;
    deadline_ms = pnd_kdp_rx_deadline_ms(&owner->rx);
    return owner->finishing && owner->finish_at_ms < deadline_ms ? owner->finish_at_ms
                                                                 : deadline_ms;
}

void owner_restart(struct owner *owner, uint64_t now_ms)
{
    owner->dead = false;
    owner->crash = CRASH_NEVER;
    owner->finishing = false;
    rule_watch_restart(&owner->watch, now_ms);
    memset(&owner->rx, 0xa5, sizeof(owner->rx));
    owner->slot = owner->journal_used &&
                  pnd_kdp_rx_load(&owner->rx, &owner->limits, owner->journal,
                                  sizeof(owner->journal), owner->journal_name, now_ms) == PND_OK;
    if (owner->slot != owner->journal_used)
        break_rule(owner, "what was saved can be loaded");
    if (!owner->slot)
        pnd_kdp_rx_init(&owner->rx, &owner->limits);
    /* Died between the end of a file and the journal's word of it: the file counts. */
    if (owner->slot && owner->rx.phase == PND_RX_LIVE && owner->live.state == OWNER_NONE)
        owner->slot = owner->journal_used = false;
    if (owner->rx.phase != PND_RX_LIVE && owner->rx.phase != PND_RX_FINISHING)
        dump_free(&owner->live);
    /* A WRITE that the journal does not know was never acknowledged. */
    if (owner->live.len > owner->rx.end)
        owner->live.len = owner->rx.end;
    if (owner->slot && owner->rx.phase == PND_RX_FINISHING) {
        owner->finishing = true;
        owner->finish_at_ms = now_ms + owner->finish_ms;
    }
}
