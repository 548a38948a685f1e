/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The model owner: see tftp_owner.h. */
#include "sim/tftp_owner.h"

#include <string.h>

void tftp_owner_init(struct tftp_owner *owner)
{
    static const struct pnd_rx_limits limits = PND_RX_LIMITS_DEFAULT;

    memset(owner, 0, sizeof(*owner));
    owner->limits = limits;
}

const struct tftp_owner_dump *tftp_owner_last(const struct tftp_owner *owner)
{
    return owner->dump_count ? &owner->dumps[owner->dump_count - 1] : NULL;
}

static void require(struct tftp_owner *owner, bool holds, const char *rule)
{
    if (!holds && !owner->broken)
        owner->broken = rule;
}

static void store(struct tftp_owner *owner, const struct pnd_action *write, size_t len)
{
    struct tftp_owner_dump *live = &owner->live;

    if (owner->verify && !owner->verify(owner->ctx, write->offset, write->data, len))
        live->foreign = true;
    if (write->offset < TFTP_OWNER_BYTES_CAP) {
        size_t room = TFTP_OWNER_BYTES_CAP - (size_t)write->offset;

        memcpy(live->bytes + write->offset, write->data, len < room ? len : room);
    }
}

static void end_live(struct tftp_owner *owner, enum tftp_owner_state state, const char *why)
{
    if (owner->live.state != TFTP_OWNER_RECEIVING)
        return;
    if (owner->dump_count == TFTP_OWNER_DUMPS_CAP) {
        memmove(owner->dumps, owner->dumps + 1,
                sizeof(owner->dumps[0]) * (TFTP_OWNER_DUMPS_CAP - 1));
        owner->dump_count--;
    }
    owner->live.state = state;
    owner->live.why = why;
    owner->dumps[owner->dump_count++] = owner->live;
    memset(&owner->live, 0, sizeof(owner->live));
}

/* Everything but the REPLY. */
static bool run_one(struct tftp_owner *owner, const struct pnd_tftp_rx *copy,
                    const struct pnd_action *action, uint64_t now_ms)
{
    switch (action->kind) {
    case PND_ACT_ADMIT:
        return !owner->refuses;
    case PND_ACT_OPEN:
        require(owner, owner->live.state == TFTP_OWNER_NONE, "a dump is opened once");
        memset(&owner->live, 0, sizeof(owner->live));
        owner->live.state = TFTP_OWNER_RECEIVING;
        memcpy(owner->live.name, copy->name, sizeof(copy->name));
        owner->opens++;
        return true;
    case PND_ACT_WRITE:
        require(owner, owner->live.state == TFTP_OWNER_RECEIVING, "a WRITE goes to an open file");
        require(owner, action->offset == owner->live.len, "what is written follows what is held");
        store(owner, action, owner->disk_full ? action->len / 2 : action->len);
        if (!owner->disk_full)
            owner->live.len += action->len;
        return !owner->disk_full;
    case PND_ACT_FINISH:
        owner->finishing = true;
        owner->finish_at_ms = now_ms + owner->finish_ms;
        return true;
    case PND_ACT_ABANDON:
        end_live(owner, TFTP_OWNER_INCOMPLETE, action->why);
        return true;
    case PND_ACT_REPLY:
    case PND_ACT_RELEASE:
        return true;
    case PND_ACT_SIZE:
    case PND_ACT_RESUME:
        require(owner, false, "an action of another protocol");
        break;
    }
    return false;
}

static bool dies(struct tftp_owner *owner, enum tftp_owner_crash point)
{
    if (owner->crash != point)
        return false;
    owner->dead = true;
    owner->crash = TFTP_CRASH_NEVER;
    return true;
}

static void write_journal(struct tftp_owner *owner)
{
    owner->journal_used = owner->slot;
    if (!owner->slot)
        return;
    pnd_tftp_rx_save(&owner->rx, owner->journal);
    memcpy(owner->journal_name, owner->rx.name, sizeof(owner->rx.name));
}

/* An ACK of a dump that arrives says what stands in the file; that of its last block, that it is
 * kept. */
static void check_reply(struct tftp_owner *owner, const struct pnd_tftp_rx *copy,
                        const struct pnd_action *reply)
{
    struct pnd_tftp_packet packet;
    int err = pnd_tftp_parse(reply->data, reply->len, &packet);

    require(owner, err == PND_OK, "what is said can be read");
    if (err)
        return;
    if (packet.op == PND_TFTP_OACK) {
        require(owner, copy->phase == PND_RX_ASKED, "options are agreed on before any block");
        require(owner, (packet.options.said & ~copy->granted.said) == 0, "only what is granted");
    } else if (packet.op == PND_TFTP_ACK && copy->phase == PND_RX_LIVE) {
        require(owner, packet.block == copy->last, "the last block held is acknowledged");
        require(owner, copy->end == owner->live.len, "what is acknowledged is held");
        require(owner, copy->end == copy->blocks * copy->block_bytes, "whole blocks are held");
    } else if (packet.op == PND_TFTP_ACK && copy->phase == PND_RX_DONE) {
        require(owner, packet.block == copy->last, "the last block is acknowledged again");
        require(owner, owner->live.state == TFTP_OWNER_NONE, "what is acknowledged is kept");
    } else if (packet.op == PND_TFTP_ACK) {
        require(owner, copy->phase == PND_RX_ASKED, "nothing is acknowledged while it is kept");
        require(owner, packet.block == 0 || packet.block == copy->previous_last,
                "an open request has number 0");
    } else {
        require(owner, packet.op == PND_TFTP_ERROR, "a server's packet is sent");
    }
}

/* @return false: an action failed, and nothing has changed but bytes that nobody relies on */
static bool run(struct tftp_owner *owner, const struct pnd_tftp_rx *copy,
                const struct pnd_actions *actions, uint64_t now_ms)
{
    const struct pnd_action *last = actions->count ? &actions->at[actions->count - 1] : NULL;
    bool does_something = actions->count > 0;

    require(owner, actions->count <= PND_ACTIONS_CAP, "there is room for the actions");
    for (unsigned i = 0; i < actions->count; i++) {
        require(owner, actions->at[i].kind != PND_ACT_REPLY || &actions->at[i] == last,
                "a REPLY is last");
        if (!run_one(owner, copy, &actions->at[i], now_ms))
            return false;
    }
    if (does_something && dies(owner, TFTP_CRASH_BEFORE_JOURNAL))
        return true;
    if (last && last->kind == PND_ACT_REPLY)
        check_reply(owner, copy, last);
    owner->accepted += copy->blocks != owner->rx.blocks;
    owner->rx = *copy;
    owner->slot = copy->phase != PND_RX_NEW && !(last && last->kind == PND_ACT_RELEASE);
    write_journal(owner);
    if (does_something && dies(owner, TFTP_CRASH_BEFORE_REPLY))
        return true;
    if (last && last->kind == PND_ACT_REPLY) {
        memcpy(owner->reply, last->data, last->len);
        owner->reply_len = last->len;
        owner->replies++;
        if (owner->send)
            owner->send(owner->ctx, owner->reply, owner->reply_len);
    }
    if (does_something)
        dies(owner, TFTP_CRASH_AFTER);
    require(owner,
            owner->replies <=
                owner->datagrams + PND_TFTP_RX_ASKS_MAX * (owner->accepted + owner->restarts + 1),
            "no more replies than datagrams, and five per block and process");
    return true;
}

static void refuse(struct tftp_owner *owner, const struct pnd_actions *tried, uint64_t now_ms)
{
    struct pnd_tftp_rx copy = owner->rx;
    struct pnd_actions actions;

    if (tried->at[0].kind == PND_ACT_ADMIT)
        return;                            /* policy answers by itself */
    if (tried->at[0].kind == PND_ACT_OPEN) /* what fails is undone */
        memset(&owner->live, 0, sizeof(owner->live));
    pnd_tftp_rx_refuse_write(&copy, now_ms, false, PND_REFUSAL_NO_ROOM, "disk full", &actions);
    run(owner, &copy, &actions, now_ms);
}

void tftp_owner_datagram(struct tftp_owner *owner, const void *dgram, size_t len, uint64_t now_ms)
{
    struct pnd_tftp_rx copy;
    struct pnd_actions actions;

    if (owner->dead)
        return;
    if (!owner->slot)
        pnd_tftp_rx_init(&owner->rx, &owner->limits);
    owner->datagrams++;
    owner->reply_len = 0;
    copy = owner->rx;
    owner->err = pnd_tftp_rx_datagram(&copy, dgram, len, now_ms, &actions);
    if (!run(owner, &copy, &actions, now_ms))
        refuse(owner, &actions, now_ms);
}

static void finish(struct tftp_owner *owner, uint64_t now_ms)
{
    struct pnd_tftp_rx copy = owner->rx;
    struct pnd_actions actions;

    owner->finishing = false;
    require(owner, owner->live.state == TFTP_OWNER_NONE || owner->live.len == copy.end,
            "a finished file ends where the session says");
    if (!owner->fsync_fails)
        end_live(owner, TFTP_OWNER_COMPLETE, NULL);
    pnd_tftp_rx_finished(&copy, !owner->fsync_fails, now_ms, &actions);
    run(owner, &copy, &actions, now_ms);
}

void tftp_owner_tick(struct tftp_owner *owner, uint64_t now_ms)
{
    struct pnd_tftp_rx copy = owner->rx;
    struct pnd_actions actions;

    owner->reply_len = 0;
    if (owner->dead || !owner->slot)
        return;
    if (owner->finishing && now_ms >= owner->finish_at_ms) {
        finish(owner, now_ms);
        return;
    }
    pnd_tftp_rx_tick(&copy, now_ms, &actions);
    run(owner, &copy, &actions, now_ms);
}

uint64_t tftp_owner_deadline_ms(const struct tftp_owner *owner)
{
    uint64_t deadline_ms;

    if (owner->dead || !owner->slot)
        return UINT64_MAX;
    deadline_ms = pnd_tftp_rx_deadline_ms(&owner->rx);
    return owner->finishing && owner->finish_at_ms < deadline_ms ? owner->finish_at_ms
                                                                 : deadline_ms;
}

void tftp_owner_restart(struct tftp_owner *owner, uint64_t now_ms)
{
    owner->dead = false;
    owner->restarts++;
    owner->crash = TFTP_CRASH_NEVER;
    owner->finishing = false;
    memset(&owner->rx, 0xa5, sizeof(owner->rx));
    owner->slot = owner->journal_used &&
                  pnd_tftp_rx_load(&owner->rx, &owner->limits, owner->journal,
                                   sizeof(owner->journal), owner->journal_name, now_ms) == PND_OK;
    require(owner, owner->slot == owner->journal_used, "what was saved can be loaded");
    if (!owner->slot)
        pnd_tftp_rx_init(&owner->rx, &owner->limits);
    /* Died between the end of a file and the journal's word of it: the file counts. */
    if (owner->slot && owner->rx.phase == PND_RX_LIVE && owner->live.state == TFTP_OWNER_NONE)
        owner->slot = owner->journal_used = false;
    if (owner->rx.phase != PND_RX_LIVE && owner->rx.phase != PND_RX_FINISHING)
        memset(&owner->live, 0, sizeof(owner->live));
    /* A WRITE that the journal does not know was never acknowledged. */
    if (owner->live.len > owner->rx.end)
        owner->live.len = owner->rx.end;
    if (owner->slot && owner->rx.phase == PND_RX_FINISHING) {
        owner->finishing = true;
        owner->finish_at_ms = now_ms + owner->finish_ms;
    }
}
