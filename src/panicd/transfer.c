/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicd/transfer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/log.h"
#include "host/text.h"
#include "panicd/control.h"
#include "panicd/service.h"
#include "store/beside.h"

static const struct pnd_outcome fine;

void pnd_transfer_log(const char *event, const struct pnd_dump *dump)
{
    char name[256], file[256], reason[256];

    pnd_text_escape(name, sizeof(name), dump->name, strlen(dump->name));
    pnd_text_escape(file, sizeof(file), dump->file, strlen(dump->file));
    pnd_text_escape(reason, sizeof(reason), dump->reason, strlen(dump->reason));
    pnd_log(PND_INFO, event,
            "id=%" PRIu64 " peer=%s bytes=%" PRIu64 " name=\"%s\" file=\"%s\"%s%s%s", dump->id,
            dump->peer, dump->bytes, name, file, reason[0] ? " reason=\"" : "", reason,
            reason[0] ? "\"" : "");
}

/* A flood of openings must not become a flood of log lines. */
static void log_refusal(struct pnd_server *server, const char *peer, enum pnd_rule rule)
{
    uint64_t now_s = pnd_clock_ms() / 1000;
    bool logged;

    server->counters.refused++;
    server->counters.refused_by[rule]++;
    if (server->refusals_s != now_s) {
        if (server->refusals_unlogged)
            pnd_log(PND_WARNING, "refused-more", "count=%" PRIu64, server->refusals_unlogged);
        server->refusals_s = now_s;
        server->refusals_logged = server->refusals_unlogged = 0;
    }
    logged = server->refusals_logged++ < PND_SERVER_REFUSALS_S;
    pnd_control_refused(server->control, peer, rule, logged);
    if (logged)
        pnd_log(PND_WARNING, "refused", "peer=%s rule=%s", peer, pnd_rule_name(rule));
    else
        server->refusals_unlogged++;
}

void pnd_transfer_refuse(struct pnd_server *server, const struct pnd_origin *from,
                         enum pnd_rule rule)
{
    const struct pnd_protocol *protocol = pnd_protocol(pnd_service(from->service)->protocol);
    uint8_t reply[PND_ACTIONS_REPLY_CAP];
    char peer[PND_PEER_TEXT_CAP];

    pnd_addr_text(&from->peer, peer);
    log_refusal(server, peer, rule);
    if (protocol->build_refusal)
        pnd_net_reply(
            server->net, from, reply,
            protocol->build_refusal(reply, pnd_rule_refusal(rule), pnd_rule_message(rule)));
}

/* What the protocol knows to be missing, and the dump itself may not tell of. */
static void name_missing(const struct pnd_session *session, struct pnd_dump *dump)
{
    struct pnd_span span;
    uint64_t from = 0;

    if (!session->protocol->missing)
        return;
    while (dump->missing_count < PND_DUMP_MISSING_CAP &&
           session->protocol->missing(session, from, &span) == PND_OK) {
        dump->missing[dump->missing_count++] = (struct pnd_dump_range){span.start, span.end};
        from = span.end;
    }
    if (dump->missing_count == PND_DUMP_MISSING_CAP &&
        session->protocol->missing(session, from, &span) == PND_OK)
        dump->missing[PND_DUMP_MISSING_CAP - 1].end = UINT64_MAX;
}

void pnd_transfer_fill_job(struct pnd_slot *slot, const struct pnd_session *session,
                           enum pnd_job_kind kind, const char *why, struct pnd_job *job)
{
    const struct pnd_protocol *protocol = session->protocol;

    job->kind = kind;
    job->fd = slot->fd;
    job->to = pnd_session_end(session);
    job->grows = protocol->grows;
    job->companions = protocol->beside != NULL;
    job->beside = protocol->beside ? protocol->beside(session) : 0;
    pnd_server_describe(slot, &job->dump);
    if (why)
        snprintf(job->dump.reason, sizeof(job->dump.reason), "%s", why);
    if (kind == PND_JOB_ABANDON)
        name_missing(session, &job->dump);
    slot->fd = -1;
}

/* Hands the slot's file and row over to the keeper. @return false: no job is free */
static bool hand_over(struct pnd_server *server, struct pnd_slot *slot,
                      const struct pnd_session *session, enum pnd_job_kind kind, const char *why)
{
    struct pnd_job *job = pnd_keeper_job(server->keeper);

    if (!job)
        return false;
    pnd_transfer_fill_job(slot, session, kind, why, job);
    job->slot = kind == PND_JOB_FINISH ? slot->index : PND_SLOT_NONE;
    job->generation = slot->generation;
    server->ending += kind == PND_JOB_ABANDON;
    server->finishing += kind == PND_JOB_FINISH;
    pnd_keeper_submit(server->keeper, job);
    return true;
}

static void let_go(struct pnd_server *server, struct pnd_slot *slot,
                   const struct pnd_session *session, enum pnd_job_kind kind, const char *why)
{
    if (slot->fd < 0 || hand_over(server, slot, session, kind, why))
        return;
    pnd_log(PND_ERR, "left-behind", "id=%" PRIu64, slot->id);
    close(slot->fd);
    slot->fd = -1;
}

/* The slot's file is given up: ABANDON keeps it as incomplete, DISCARD is for an opening that never
 * got a byte. Without a free job it stays as it is, and the next start finds it. */
void pnd_transfer_let_go(struct pnd_server *server, struct pnd_slot *slot, enum pnd_job_kind kind,
                         const char *why)
{
    let_go(server, slot, &slot->session, kind, why);
}

/* Asks the keeper for the file of a dump that was left. */
static void take_up(struct pnd_server *server, const struct pnd_slot *slot)
{
    struct pnd_job *job = pnd_keeper_job(server->keeper);

    job->kind = PND_JOB_RESUME;
    job->slot = slot->index;
    job->generation = slot->generation;
    job->dump.id = slot->id;
    slot->session.protocol->left.span(&slot->session, &job->from, &job->to);
    pnd_keeper_submit(server->keeper, job);
}

static struct pnd_outcome system_outcome(int err)
{
    if (err == PND_E_NOSPACE)
        return (struct pnd_outcome){err, false, PND_REFUSAL_NO_ROOM, "disk full"};
    if (err == PND_E_RANGE)
        return (struct pnd_outcome){err, true, PND_REFUSAL_NO_ROOM,
                                    "the file system cannot hold a file of this size"};
    return (struct pnd_outcome){err, false, PND_REFUSAL_OTHER, "the server cannot write its disk"};
}

/* The name is journaled before the file exists: a server killed in between knows its own file. */
struct pnd_outcome pnd_transfer_open_file(struct pnd_server *server, struct pnd_slot *slot)
{
    const char *prefix = slot->session.protocol->prefix;
    char label[PND_PEER_TEXT_CAP], made[PND_SPOOL_NAME_CAP];
    int64_t now_s = pnd_clock_wall_ms() / 1000;
    struct pnd_why why;
    int err = PND_OK;

    if (slot->fd >= 0)
        return fine;
    pnd_addr_text(&slot->origin.peer, label);
    if (prefix)
        pnd_spool_make_name(prefix, label, now_s, made);
    for (unsigned tries = 0; tries < PND_SPOOL_TRIES_MAX; tries++) {
        err = pnd_spool_pick(&server->spool, prefix ? made : pnd_session_name(&slot->session),
                             label, now_s, slot->file, &why);
        if (err)
            break;
        if (!slot->id)
            slot->id = server->next_id++;
        pnd_server_save_who(server, slot);
        err = pnd_spool_create(&server->spool, slot->file, false, &slot->fd, &why);
        if (err != PND_E_EXISTS)
            break;
    }
    if (!err)
        return fine;
    slot->file[0] = '\0';
    if (!slot->stall_logged)
        pnd_log(PND_ERR, "open-failed", "peer=%s why=\"%s\"", label, why.text);
    slot->stall_logged = true;
    return system_outcome(err);
}

struct pnd_outcome pnd_transfer_write(struct pnd_server *server, struct pnd_slot *slot,
                                      const struct pnd_session *next, const void *data, size_t len,
                                      uint64_t offset)
{
    enum pnd_rule rule;
    int err;

    while (pnd_session_bytes(next) > slot->leased_bytes) {
        rule = pnd_policy_lease(server, slot);
        if (rule != PND_RULE_NONE)
            return (struct pnd_outcome){PND_E_NOSPACE, rule != PND_RULE_FLOOR,
                                        pnd_rule_refusal(rule), pnd_rule_message(rule)};
    }
    if (offset < slot->told) { /* an old kernel goes back; what was read is not the dump */
        pnd_checker_changed(server->checker, slot->id);
        slot->told = 0;
        slot->tell_next = UINT64_MAX;
    }
    err = pnd_spool_write(slot->fd, data, len, offset);
    if (err)
        return system_outcome(err);
    server->counters.bytes += len;
    server->counters.of[next->protocol->id].bytes += len;
    slot->stall_logged = false;
    return fine;
}

/* It is let in as a dump of at least one byte, if no byte of the dump itself came before. */
struct pnd_outcome pnd_transfer_write_beside(struct pnd_server *server, struct pnd_slot *slot,
                                             const struct pnd_action *write)
{
    static const enum pnd_beside places[] = {
        [PND_OBJECT_KDH] = PND_BESIDE_HEADER, [PND_OBJECT_EKCD_KEY] = PND_BESIDE_KEY};
    enum pnd_rule rule = slot->leased_bytes ? PND_RULE_NONE : pnd_policy_lease(server, slot);
    int err;

    if (rule != PND_RULE_NONE)
        return (struct pnd_outcome){PND_E_NOSPACE, rule != PND_RULE_FLOOR, pnd_rule_refusal(rule),
                                    pnd_rule_message(rule)};
    err = pnd_beside_write(&server->spool, slot->file, places[write->object], write->data,
                           write->len, write->offset);
    if (err)
        return system_outcome(err);
    slot->stall_logged = false;
    return fine;
}

static void start_write_back(struct pnd_server *server, struct pnd_slot *slot)
{
    struct pnd_job *job;

    if (pnd_session_solid(&slot->session) < slot->written_back + PND_SERVER_WRITE_BACK ||
        slot->fd < 0 || slot->write_back_pending)
        return;
    job = pnd_keeper_job(server->keeper);
    if (!job)
        return;
    job->kind = PND_JOB_WRITE_BACK;
    job->slot = slot->index;
    job->generation = slot->generation;
    job->fd = slot->fd;
    job->from = slot->written_back;
    job->to = pnd_session_solid(&slot->session);
    slot->written_back = pnd_session_solid(&slot->session);
    slot->write_back_pending = true;
    pnd_keeper_submit(server->keeper, job);
}

/* A dump that comes as fast as this machine can take it: to read it meanwhile would slow it down,
 * where there is no processor to spare. What people want to know soon is in its first part. */
static bool outruns_checker(const struct pnd_server *server, const struct pnd_slot *slot)
{
    uint64_t bytes = pnd_session_solid(&slot->session);
    uint64_t free = server->cpus == 1 ? 0 : PND_SERVER_FOLLOW_FREE;
    uint64_t rate = server->cpus == 1 ? PND_SERVER_FOLLOW_RATE_ONE : PND_SERVER_FOLLOW_RATE;
    int64_t ms = pnd_clock_wall_ms() - slot->started_ms;

    return server->cpus < PND_SERVER_SPARE_CPUS && bytes >= free &&
           bytes > rate / 1000 * (uint64_t)(ms > 0 ? ms : 1);
}

static void tell_checker(struct pnd_server *server, struct pnd_slot *slot)
{
    uint64_t solid = pnd_session_solid(&slot->session);

    if (slot->fd < 0 || solid < slot->tell_next)
        return;
    slot->tell_next = solid + PND_CHECKER_FOLLOW_STEP;
    if (outruns_checker(server, slot))
        return;
    slot->told = solid;
    pnd_checker_arriving(server->checker, slot->id, slot->file, &slot->origin.peer, slot->told);
}

static enum pnd_class class_of(enum pnd_rx_phase phase)
{
    switch (phase) {
    case PND_RX_LIVE:
    case PND_RX_FINISHING:
    case PND_RX_RESUMING:
        return PND_CLASS_BUSY;
    case PND_RX_DONE:
    case PND_RX_FAILED:
    case PND_RX_LEFT:
        return PND_CLASS_RESTING;
    case PND_RX_NEW:
    case PND_RX_ASKED:
        break;
    }
    return PND_CLASS_ASKED;
}

static void start_anew(struct pnd_server *server, struct pnd_slot *slot)
{
    slot->generation = server->next_generation++;
    slot->id = 0;
    slot->file[0] = '\0';
    slot->started_ms = pnd_clock_wall_ms();
    slot->packets = 1;
    slot->leased_bytes = slot->written_back = slot->told = 0;
    slot->tell_next = PND_CHECKER_FOLLOW_FIRST;
    slot->rate = slot->rate_bytes = slot->rate_ms = 0;
    slot->ack_len = 0;
    slot->resumed = slot->stall_logged = slot->write_back_pending = false;
}

/* The session moves on, and the journal with it; after this a reply may leave. */
static void commit(struct pnd_server *server, struct pnd_slot *slot, const struct pnd_session *next,
                   bool admitted)
{
    enum pnd_rx_phase before = pnd_session_phase(&slot->session);
    enum pnd_rx_phase after = pnd_session_phase(next);

    if (admitted)
        start_anew(server, slot);
    pnd_counters_moved(&server->counters, &slot->session, next);
    pnd_session_copy(&slot->session, next);
    pnd_table_classify(server->table, slot, class_of(after));
    if (after == PND_RX_NEW)
        return;
    if (admitted)
        pnd_server_save_who(server, slot);
    pnd_server_save_where(server, slot);
    pnd_server_mind_deadline(server, slot);
    if ((before == PND_RX_ASKED || before == PND_RX_RESUMING) && after == PND_RX_LIVE) {
        struct pnd_dump dump;

        pnd_server_describe(slot, &dump);
        pnd_transfer_log(before == PND_RX_ASKED ? "begin" : "taken-up", &dump);
        pnd_control_begin(server->control, slot);
    }
}

static struct pnd_outcome run_action(struct pnd_server *server, struct pnd_slot *slot,
                                     const struct pnd_session *next,
                                     const struct pnd_action *action)
{
    static const struct pnd_outcome busy = {PND_E_BUSY, false, PND_REFUSAL_OTHER,
                                            "the server is overloaded"};

    switch (action->kind) {
    case PND_ACT_OPEN:
        return pnd_transfer_open_file(server, slot);
    case PND_ACT_WRITE:
        if (action->object != PND_OBJECT_DUMP)
            return pnd_transfer_write_beside(server, slot, action);
        return pnd_transfer_write(server, slot, next, action->data, action->len, action->offset);
    case PND_ACT_FINISH:
        return pnd_keeper_has_job(server->keeper) ? fine : busy;
    case PND_ACT_ABANDON:
        /* What is new in this turn counts, unless another dump begins. */
        let_go(server, slot, pnd_session_phase(next) == PND_RX_ASKED ? &slot->session : next,
               PND_JOB_ABANDON, action->why);
        return fine;
    case PND_ACT_SIZE: /* the keeper cuts: a server killed in between would miss the bytes */
    case PND_ACT_ADMIT:
    case PND_ACT_RESUME:
    case PND_ACT_REPLY:
    case PND_ACT_RELEASE:
        break;
    }
    return fine;
}

/* An action failed: the session is where it was, and says what the sender hears. */
void pnd_transfer_fail(struct pnd_server *server, struct pnd_slot *slot,
                       const struct pnd_outcome *outcome, const struct pnd_origin *from)
{
    struct pnd_session next;
    struct pnd_actions actions;

    if (!slot->stall_logged) {
        server->counters.stalls++;
        pnd_log(PND_WARNING, "stalled", "id=%" PRIu64 " why=\"%s\"", slot->id, outcome->message);
    }
    slot->stall_logged = true;
    pnd_session_copy(&next, &slot->session);
    next.protocol->refuse_write(&next, pnd_clock_us(), outcome->final, outcome->refusal,
                                outcome->message, &actions);
    pnd_transfer_run(server, slot, &next, &actions, from);
    if (pnd_session_phase(&next) == PND_RX_FAILED)
        pnd_transfer_let_go(server, slot, PND_JOB_DISCARD, NULL);
}

/* Does policy let a dump in? If not, its sender hears why. */
static bool admit(struct pnd_server *server, const struct pnd_origin *from)
{
    enum pnd_rule rule = pnd_policy_admit(server, from);

    if (rule != PND_RULE_NONE)
        pnd_transfer_refuse(server, from, rule);
    return rule == PND_RULE_NONE;
}

/* A sender that hears nothing of room is held back by an ACK that comes late. */
static bool disk_is_behind(const struct pnd_slot *slot)
{
    const struct pnd_protocol *protocol = slot->session.protocol;
    uint64_t most = protocol->backlog_bytes ? protocol->backlog_bytes : PND_TURN_BACKLOG;

    return slot->write_back_pending && !protocol->answer &&
           pnd_session_phase(&slot->session) == PND_RX_LIVE &&
           pnd_session_solid(&slot->session) - slot->written_back >= most;
}

static void send_each(struct pnd_server *server, const struct pnd_origin *to, const uint8_t *data,
                      size_t len, size_t each)
{
    for (size_t at = 0; at < len; at += each)
        pnd_net_reply(server->net, to, data + at, each < len - at ? each : len - at);
}

/* The answer to a packet that came alone takes the place of the one before, which says no more. */
static void hold_ack(struct pnd_slot *slot, const struct pnd_action *action)
{
    size_t each = action->each ? action->each : action->len;

    if (!action->each || slot->ack_each != each)
        slot->ack_len = 0;
    if (action->len > sizeof(slot->ack) - slot->ack_len)
        return;
    memcpy(slot->ack + slot->ack_len, action->data, action->len);
    slot->ack_len = (uint16_t)(slot->ack_len + action->len);
    slot->ack_each = (uint16_t)each;
}

static void reply(struct pnd_server *server, struct pnd_slot *slot, const struct pnd_action *action,
                  const struct pnd_origin *to)
{
    if (action->len <= sizeof(slot->ack) && disk_is_behind(slot))
        hold_ack(slot, action);
    else
        send_each(server, to, action->data, action->len, action->each ? action->each : action->len);
}

void pnd_transfer_ack(struct pnd_server *server, struct pnd_slot *slot)
{
    send_each(server, &slot->origin, slot->ack, slot->ack_len, slot->ack_each);
    slot->ack_len = 0;
}

bool pnd_transfer_run(struct pnd_server *server, struct pnd_slot *slot,
                      const struct pnd_session *next, const struct pnd_actions *actions,
                      const struct pnd_origin *from)
{
    bool admitted = false, committed = false, finish = false, resume = false;
    struct pnd_outcome outcome;

    for (unsigned i = 0; i < actions->count; i++) {
        const struct pnd_action *action = &actions->at[i];

        if (action->kind == PND_ACT_ADMIT) {
            if (!admit(server, from))
                return false;
            admitted = true;
        } else if (action->kind == PND_ACT_RESUME) {
            /* Without a free job it stays as it is: the sender asks again. */
            if (!admit(server, from) || !pnd_keeper_has_job(server->keeper))
                return false;
            resume = true;
        } else if (action->kind == PND_ACT_RELEASE) {
            slot->released = true;
        } else if (action->kind == PND_ACT_REPLY) {
            commit(server, slot, next, admitted);
            committed = true;
            reply(server, slot, action, from);
        } else {
            finish |= action->kind == PND_ACT_FINISH;
            outcome = run_action(server, slot, next, action);
            if (outcome.err) {
                pnd_transfer_fail(server, slot, &outcome, from);
                return false;
            }
        }
    }
    if (!committed)
        commit(server, slot, next, admitted);
    /* Journaled as finishing first: a server killed now finishes at its next start. */
    if (finish)
        hand_over(server, slot, &slot->session, PND_JOB_FINISH, NULL);
    if (resume)
        take_up(server, slot);
    start_write_back(server, slot);
    tell_checker(server, slot);
    return true;
}

/* The end of a slot's turn: what was released, or never became anything, is free again. */
void pnd_transfer_settle(struct pnd_server *server, struct pnd_slot *slot)
{
    if (!slot->released && pnd_session_phase(&slot->session) != PND_RX_NEW)
        return;
    pnd_transfer_let_go(server, slot, PND_JOB_DISCARD, NULL);
    pnd_journal_clear(server->journal, slot->index);
    pnd_table_free(server->table, slot);
}
