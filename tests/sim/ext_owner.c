/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The model owner: see ext_owner.h. */
#include "sim/ext_owner.h"

#include <stdlib.h>
#include <string.h>

#include "wire/sum.h"

static void break_rule(struct ext_owner *owner, const char *rule)
{
    if (!owner->broken)
        owner->broken = rule;
}

static void *zeros(size_t len)
{
    void *bytes = calloc(1, len);

    if (!bytes)
        abort();
    return bytes;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void ext_owner_init(struct ext_owner *owner, size_t window)
{
    static const struct pnd_rx_limits limits = PND_RX_LIMITS_DEFAULT;

    memset(owner, 0, sizeof(*owner));
    owner->limits = limits;
    owner->window = window;
    owner->room = 16 << 20;
    owner->next_token = 0x70ce0001;
    owner->file.bytes = zeros(window);
    owner->file.heard = zeros(window);
    owner->file.said = zeros(window);
    owner->file.taken = zeros(window);
}

void ext_owner_deinit(struct ext_owner *owner)
{
    free(owner->file.bytes);
    free(owner->file.heard);
    free(owner->file.said);
    free(owner->file.taken);
    for (unsigned i = 0; i < owner->dump_count; i++)
        free(owner->dumps[i].bytes);
}

/* ---- the file ---- */

static void file_cut(struct ext_file *file, uint64_t len)
{
    unsigned kept = 0;

    if (len < file->high)
        memset(file->bytes + len, 0, file->high - (size_t)len);
    for (unsigned i = 0; i < file->far_count; i++)
        if (file->far[i].offset < len)
            file->far[kept++] = file->far[i];
    file->far_count = kept;
    file->len = len;
}

static void file_begin(struct ext_owner *owner)
{
    file_cut(&owner->file, 0);
    memset(owner->file.heard, 0, owner->file.high);
    memset(owner->file.taken, 0, owner->file.high);
    owner->file.high = 0;
    owner->file.state = EXT_OWNER_NONE;
    owner->lies = owner->failed_once = false;
}

static void file_end(struct ext_owner *owner, enum ext_state state, const char *why)
{
    struct ext_file *file = &owner->file;
    unsigned at = owner->dump_count;

    if (file->state != EXT_OWNER_RECEIVING) {
        break_rule(owner, "a dump ended that had no file");
        return;
    }
    if (at == EXT_OWNER_DUMPS_CAP) {
        free(owner->dumps[0].bytes);
        memmove(&owner->dumps[0], &owner->dumps[1], (at - 1) * sizeof(owner->dumps[0]));
        at--;
    }
    owner->dumps[at].state = state;
    owner->dumps[at].len = file->len;
    owner->dumps[at].why = why;
    memcpy(owner->dumps[at].name, owner->rx.name, sizeof(owner->rx.name));
    owner->dumps[at].bytes = zeros(owner->window);
    memcpy(owner->dumps[at].bytes, file->bytes, file->high);
    owner->dump_count = at + 1;
    file->state = EXT_OWNER_NONE;
}

static void write_far(struct ext_owner *owner, uint64_t offset, const uint8_t *data, size_t len)
{
    struct ext_file *file = &owner->file;

    for (unsigned i = 0; i < file->far_count; i++)
        if (offset < file->far[i].offset + file->far[i].len && file->far[i].offset < offset + len)
            break_rule(owner, "a far byte was written twice");
    if (file->far_count < EXT_OWNER_FAR_CAP)
        file->far[file->far_count++] = (struct ext_far){offset, len, pnd_sum(offset, data, len)};
}

static void write_near(struct ext_owner *owner, uint64_t offset, const uint8_t *data, size_t len)
{
    struct ext_file *file = &owner->file;

    memcpy(file->bytes + offset, data, len);
    for (size_t i = 0; i < len; i++)
        if (!file->heard[offset + i])
            break_rule(owner, "a byte was written that no packet had");
    if (memchr(file->taken + offset, 1, len))
        break_rule(owner, "a byte was written twice");
    memset(file->taken + offset, 1, len);
}

static void write_piece(struct ext_owner *owner, uint64_t offset, const uint8_t *data, size_t len)
{
    size_t near = offset < owner->window ? (size_t)least(len, owner->window - offset) : 0;

    owner->written++;
    if (owner->disk_full) {
        owner->turn_failed = true;
        near /= 2;
        len = near;
    }
    if (near)
        write_near(owner, offset, data, near);
    if (len > near)
        write_far(owner, offset + near, data + near, len - near);
    if (len && offset + len > owner->file.len)
        owner->file.len = offset + len;
}

uint64_t ext_owner_sum(const struct ext_owner *owner, uint64_t len)
{
    const struct ext_file *file = &owner->file;
    uint64_t sum = pnd_sum(0, file->bytes, (size_t)least(len, owner->window));

    for (unsigned i = 0; i < file->far_count; i++)
        if (file->far[i].offset + file->far[i].len <= len)
            sum += file->far[i].sum;
    return sum;
}

/* ---- what a session may say ---- */

static bool all_heard(const struct ext_owner *owner, uint64_t start, uint64_t end)
{
    end = least(end, owner->window);
    return start >= end || !memchr(owner->file.heard + start, 0, (size_t)(end - start));
}

static bool any_taken(const struct ext_owner *owner, uint64_t start, uint64_t end)
{
    end = least(end, owner->window);
    return start < end && memchr(owner->file.taken + start, 1, (size_t)(end - start));
}

/* One part of it. @p at: where the one before ended; where this one does */
static void check_ack(struct ext_owner *owner, const struct pnd_ext_rx *rx, const uint8_t *part,
                      size_t len, uint64_t *at)
{
    static struct pnd_ext_ack ack;
    uint64_t last;

    if (pnd_ext_parse_ack(part, len, &ack) != PND_OK) {
        break_rule(owner, "an ACK is none");
        return;
    }
    last = ack.from;
    if (ack.from != (part == owner->reply ? ack.held : *at))
        break_rule(owner, "a part of an ACK begins where the one before did not end");
    if (ack.token != rx->token || ack.held != rx->held)
        break_rule(owner, "an ACK is of another session");
    if (!all_heard(owner, 0, ack.held))
        break_rule(owner, "a byte is said to be held that never came");
    for (unsigned i = 0; i < ack.count; i++) {
        if (!all_heard(owner, ack.range[i].start, ack.range[i].end))
            break_rule(owner, "a byte is said to have arrived that never came");
        if (any_taken(owner, last, ack.range[i].start))
            break_rule(owner, "the ranges are not complete");
        last = ack.range[i].end;
    }
    *at = last;
    if (!(ack.flags & PND_EXT_MORE) && any_taken(owner, last, owner->window))
        break_rule(owner, "an ACK does not say that more has arrived");
    if (ack.limit < ack.held)
        break_rule(owner, "the limit is before what is held");
    if (ack.flags & PND_EXT_DONE &&
        (owner->file.state != EXT_OWNER_NONE || owner->dump_count == 0 ||
         owner->dumps[owner->dump_count - 1].state != EXT_OWNER_COMPLETE))
        break_rule(owner, "done was said of a dump that is not complete");
}

static void reply(struct ext_owner *owner, const struct pnd_ext_rx *rx,
                  const struct pnd_action *action)
{
    size_t each = action->each ? action->each : action->len, len;
    uint64_t at_offset = 0;

    memcpy(owner->reply, action->data, action->len);
    owner->reply_len = action->len;
    owner->replies++;
    for (size_t at = 0; at < action->len; at += each) {
        len = each < action->len - at ? each : action->len - at;
        if (pnd_ext_op(owner->reply + at, len) == PND_EXT_ACK)
            check_ack(owner, rx, owner->reply + at, len, &at_offset);
        if (owner->send)
            owner->send(owner->ctx, owner->reply + at, len);
    }
}

static void commit(struct ext_owner *owner, const struct pnd_ext_rx *next)
{
    bool journals = next->phase >= PND_RX_LIVE || owner->journal_used;

    pnd_ext_rx_copy(&owner->rx, next);
    owner->journal_used = journals;
    if (journals) {
        pnd_ext_rx_save(next, owner->journal);
        memcpy(owner->journal_name, next->name, sizeof(owner->journal_name));
    }
}

/* In their order; what changes the file was done by then but for what only ends it. */
static void run(struct ext_owner *owner, struct pnd_ext_rx *next, const struct pnd_actions *actions)
{
    for (unsigned i = 0; i < actions->count; i++) {
        const struct pnd_action *action = &actions->at[i];

        if (action->kind == PND_ACT_REPLY && i + 1 != actions->count)
            break_rule(owner, "a REPLY was not the last action");
        switch (action->kind) {
        case PND_ACT_ADMIT:
            if (owner->refuses)
                return;
            break;
        case PND_ACT_ABANDON:
            file_end(owner, EXT_OWNER_INCOMPLETE, action->why);
            break;
        case PND_ACT_SIZE:
            file_cut(&owner->file, action->offset);
            break;
        case PND_ACT_FINISH:
            owner->finishing = true;
            if (owner->file.len != next->length ||
                (ext_owner_sum(owner, next->length) != next->whole_sum &&
                 !(owner->lies && owner->failed_once)))
                break_rule(owner, "a dump finishes that is not what END said");
            if (!all_heard(owner, 0, owner->file.len))
                break_rule(owner, "a dump finishes with bytes that never came");
            break;
        case PND_ACT_RELEASE:
            commit(owner, next);
            owner->slot = owner->journal_used = false;
            return;
        case PND_ACT_RESUME:
            if (owner->refuses)
                return;
            if (owner->rx.phase != PND_RX_LEFT || actions->count != 1)
                break_rule(owner, "a dump is taken up that was not left");
            owner->resuming = true;
            break;
        case PND_ACT_OPEN:
        case PND_ACT_WRITE:
            break_rule(owner, "an action of another protocol");
            break;
        case PND_ACT_REPLY:
            break;
        }
    }
    if (actions->count && actions->at[0].kind == PND_ACT_ADMIT)
        file_begin(owner);
    commit(owner, next);
    if (actions->count && actions->at[actions->count - 1].kind == PND_ACT_REPLY)
        reply(owner, next, &actions->at[actions->count - 1]);
}

/* ---- turns ---- */

static void on_open(struct ext_owner *owner, const struct pnd_ext_open *open, uint64_t now_us)
{
    static struct pnd_ext_rx next;
    struct pnd_actions actions;
    uint64_t held = owner->rx.held;

    if (owner->slot)
        pnd_ext_rx_copy(&next, &owner->rx);
    else
        memset(&next, 0, sizeof(next));
    pnd_ext_rx_open(&next, &owner->limits, open, (uint32_t)owner->next_token++, 65507, now_us,
                    &actions);
    if (actions.count && actions.at[0].kind != PND_ACT_ADMIT && next.held != held)
        break_rule(owner, "an OPEN moved what is held");
    if (actions.count && actions.at[0].kind == PND_ACT_ADMIT && next.held != 0)
        break_rule(owner, "a dump began with bytes");
    run(owner, &next, &actions);
    if (actions.count && !(owner->refuses && actions.at[0].kind == PND_ACT_ADMIT))
        owner->slot = true;
    if (owner->resuming && !owner->holds_resume)
        ext_owner_resume(owner, now_us);
}

/* What came in a packet that the session understood, whatever it makes of it. */
static void note_heard(struct ext_owner *owner, const void *dgram, size_t len)
{
    struct ext_file *file = &owner->file;
    struct pnd_ext_packet packet;
    size_t end;

    if (pnd_ext_parse(dgram, len, &packet) != PND_OK || packet.token != owner->rx.token ||
        (packet.op != PND_EXT_DATA && packet.op != PND_EXT_ZERO))
        return;
    end = (size_t)least(packet.offset + packet.len, owner->window);
    if (end > file->high)
        file->high = end;
    for (uint64_t at = packet.offset; at < least(packet.offset + packet.len, owner->window); at++) {
        uint8_t byte = packet.data ? packet.data[at - packet.offset] : 0;

        if (file->heard[at] && file->said[at] != byte)
            owner->lies = true;
        if (!file->heard[at])
            file->said[at] = byte;
        file->heard[at] = 1;
    }
}

static void check_news(struct ext_owner *owner, const void *dgram, size_t len,
                       const struct pnd_ext_rx_news *news, uint64_t held)
{
    struct pnd_ext_packet packet;

    if (owner->turn.held < held)
        break_rule(owner, "held went back");
    if (news->count > PND_EXT_RX_PIECES_CAP)
        break_rule(owner, "too many pieces");
    if (news->begins ? owner->file.state == EXT_OWNER_RECEIVING
                     : news->count && owner->file.state != EXT_OWNER_RECEIVING)
        break_rule(owner, "a piece without a file, or a second file");
    if (news->count == 0)
        return;
    if (pnd_ext_parse(dgram, len, &packet) != PND_OK || packet.op != PND_EXT_DATA ||
        packet.token != owner->rx.token) {
        break_rule(owner, "news from a packet that has none");
        return;
    }
    for (unsigned i = 0; i < news->count && i < PND_EXT_RX_PIECES_CAP; i++)
        if (news->at[i].offset < packet.offset || news->at[i].len == 0 ||
            news->at[i].offset - packet.offset + news->at[i].len > packet.len ||
            news->at[i].data != packet.data + (news->at[i].offset - packet.offset))
            break_rule(owner, "news that are not the packet's bytes");
}

void ext_owner_datagram(struct ext_owner *owner, const void *dgram, size_t len, uint64_t now_us)
{
    struct pnd_ext_rx_news news;
    struct pnd_ext_open open;
    uint64_t held;

    owner->reply_len = 0;
    if (pnd_ext_op(dgram, len) == PND_EXT_OPEN) {
        ext_owner_end_turn(owner, now_us);
        owner->err = pnd_ext_parse_open(dgram, len, &open);
        if (!owner->err)
            on_open(owner, &open, now_us);
        return;
    }
    if (!owner->slot) {
        owner->err = PND_E_NOTFOUND;
        return;
    }
    if (!owner->in_turn) {
        pnd_ext_rx_copy(&owner->turn, &owner->rx);
        owner->in_turn = true;
        owner->turn_failed = owner->turn_opened = false;
        owner->turn_far = owner->file.far_count;
    }
    if (owner->turn_failed)
        return;
    note_heard(owner, dgram, len);
    held = owner->turn.held;
    owner->err = pnd_ext_rx_take(&owner->turn, dgram, len, now_us, &news);
    if (owner->err && (news.count || news.begins))
        break_rule(owner, "a refused packet had news");
    check_news(owner, dgram, len, &news, held);
    if (news.begins) {
        owner->file.state = EXT_OWNER_RECEIVING;
        owner->turn_opened = true;
        owner->opens++;
    }
    for (unsigned i = 0; i < news.count; i++)
        write_piece(owner, news.at[i].offset, news.at[i].data, news.at[i].len);
}

/* Which bytes the session that stands now has: those before held, and those in its ranges. */
static void note_taken(struct ext_owner *owner)
{
    const struct pnd_ext_rx *rx = &owner->rx;

    memset(owner->file.taken, 0, owner->file.high);
    memset(owner->file.taken, 1, (size_t)least(rx->held, owner->window));
    for (unsigned i = 0; i < rx->ranges.count; i++)
        for (uint64_t at = rx->ranges.at[i].start; at < least(rx->ranges.at[i].end, owner->window);
             at++)
            owner->file.taken[at] = 1;
}

void ext_owner_end_turn(struct ext_owner *owner, uint64_t now_us)
{
    struct pnd_actions actions;

    if (!owner->in_turn)
        return;
    owner->in_turn = false;
    owner->reply_len = 0;
    if (owner->turn_failed) {
        /* What was written of it stays written; the same bytes come again. */
        owner->failed_once = true;
        owner->file.far_count = owner->turn_far;
        if (owner->turn_opened)
            owner->file.state = EXT_OWNER_NONE;
        pnd_ext_rx_copy(&owner->turn, &owner->rx);
        pnd_ext_rx_refuse_write(&owner->turn, now_us, false, PND_REFUSAL_NO_ROOM, "disk full",
                                &actions);
    } else {
        pnd_ext_rx_answer(&owner->turn, owner->room, now_us, &actions);
    }
    run(owner, &owner->turn, &actions);
    note_taken(owner);
    if (owner->finishing && !owner->holds_finish)
        ext_owner_finish(owner, now_us);
}

void ext_owner_finish(struct ext_owner *owner, uint64_t now_us)
{
    struct pnd_actions actions;

    if (!owner->finishing)
        return;
    owner->finishing = false;
    if (!owner->fsync_fails)
        file_end(owner, EXT_OWNER_COMPLETE, NULL);
    pnd_ext_rx_copy(&owner->turn, &owner->rx);
    pnd_ext_rx_finished(&owner->turn, !owner->fsync_fails, now_us, &actions);
    run(owner, &owner->turn, &actions);
}

/* What was kept as incomplete is the file again. */
void ext_owner_resume(struct ext_owner *owner, uint64_t now_us)
{
    struct pnd_actions actions;
    unsigned at = owner->dump_count - 1;

    if (!owner->resuming)
        return;
    owner->resuming = false;
    owner->in_turn = false;
    if (!owner->left_is_gone) {
        if (owner->dump_count == 0 || owner->dumps[at].state != EXT_OWNER_INCOMPLETE ||
            owner->file.state != EXT_OWNER_NONE || owner->file.len < owner->rx.written) {
            break_rule(owner, "a dump is taken up that was not kept");
            return;
        }
        free(owner->dumps[at].bytes);
        owner->dump_count = at;
        owner->file.state = EXT_OWNER_RECEIVING;
        if (owner->rx.ranges.count == 0)
            file_cut(&owner->file, least(owner->file.len, owner->rx.held));
    }
    pnd_ext_rx_copy(&owner->turn, &owner->rx);
    pnd_ext_rx_resumed(&owner->turn, !owner->left_is_gone, 65507, now_us, &actions);
    run(owner, &owner->turn, &actions);
    note_taken(owner);
}

void ext_owner_tick(struct ext_owner *owner, uint64_t now_us)
{
    struct pnd_actions actions;

    ext_owner_end_turn(owner, now_us);
    owner->reply_len = 0;
    if (!owner->slot)
        return;
    pnd_ext_rx_copy(&owner->turn, &owner->rx);
    pnd_ext_rx_tick(&owner->turn, now_us, &actions);
    if (actions.count && now_us / 1000 < pnd_ext_rx_deadline_ms(&owner->rx))
        break_rule(owner, "a tick did something before its deadline");
    run(owner, &owner->turn, &actions);
}

uint64_t ext_owner_deadline_ms(const struct ext_owner *owner)
{
    return owner->slot ? pnd_ext_rx_deadline_ms(&owner->rx) : UINT64_MAX;
}

void ext_owner_restart(struct ext_owner *owner, uint64_t now_us)
{
    owner->in_turn = owner->turn_failed = owner->resuming = false;
    owner->reply_len = 0;
    owner->slot = owner->journal_used;
    memset(&owner->rx, 0, sizeof(owner->rx));
    if (!owner->slot) {
        if (owner->file.state == EXT_OWNER_RECEIVING)
            owner->file.state = EXT_OWNER_NONE;
        return;
    }
    if (pnd_ext_rx_load(&owner->rx, &owner->limits, owner->journal, sizeof(owner->journal),
                        owner->journal_name, now_us) != PND_OK) {
        break_rule(owner, "a saved session cannot be loaded");
        owner->slot = false;
        return;
    }
    if (owner->rx.phase == PND_RX_LIVE && owner->file.len < owner->rx.written)
        break_rule(owner, "the file is shorter than what was written");
    if (owner->rx.phase == PND_RX_LIVE) {
        uint64_t held = pnd_ext_rx_cut(&owner->rx);

        pnd_ext_rx_save(&owner->rx, owner->journal);
        file_cut(&owner->file, least(owner->file.len, held));
    } else if (owner->rx.phase == PND_RX_LEFT) { /* cut when it is taken up */
        pnd_ext_rx_cut(&owner->rx);
        pnd_ext_rx_save(&owner->rx, owner->journal);
    } else if (owner->rx.phase == PND_RX_ASKED) { /* made in a turn that never ended */
        owner->file.state = EXT_OWNER_NONE;
    }
    note_taken(owner);
    /* What was finishing is finished by the new process. */
    if (owner->rx.phase == PND_RX_FINISHING) {
        owner->finishing = true;
        if (!owner->holds_finish)
            ext_owner_finish(owner, now_us);
    }
}
