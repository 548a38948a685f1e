/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicd/server.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/log.h"
#include "host/text.h"
#include "panicd/control.h"
#include "panicd/policy.h"

/* How one action ended: what the sender is to be told, if it failed. */
struct outcome {
    int err;
    bool final; /* waiting will not help */
    enum pnd_kdp_error error;
    const char *message;
};

static const struct outcome fine;

void pnd_server_describe(const struct pnd_slot *slot, struct pnd_dump *ret)
{
    *ret = (struct pnd_dump){
        .id = slot->id,
        .state = PND_DUMP_RECEIVING,
        .bytes = slot->rx.end,
        .peer_port = slot->origin.port,
        .protocol = "kdp",
        .started_ms = slot->started_ms,
        .packets = slot->packets,
        .repeats = slot->rx.repeats,
    };
    memcpy(ret->file, slot->file, sizeof(ret->file));
    memcpy(ret->name, slot->rx.name, sizeof(ret->name));
    pnd_addr_text(&slot->origin.peer, ret->peer);
}

static void log_dump(const char *event, const struct pnd_dump *dump)
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

    server->counters.refused++;
    pnd_control_refused(server->control, peer, rule);
    if (server->refusals_s != now_s) {
        if (server->refusals_unlogged)
            pnd_log(PND_WARNING, "refused-more", "count=%" PRIu64, server->refusals_unlogged);
        server->refusals_s = now_s;
        server->refusals_logged = server->refusals_unlogged = 0;
    }
    if (server->refusals_logged++ < PND_SERVER_REFUSALS_S)
        pnd_log(PND_WARNING, "refused", "peer=%s rule=%s", peer, pnd_rule_name(rule));
    else
        server->refusals_unlogged++;
}

static void refuse(struct pnd_server *server, const struct pnd_origin *from, enum pnd_rule rule)
{
    uint8_t reply[PND_KDP_ERROR_CAP];
    char peer[PND_PEER_TEXT_CAP];
    int len =
        pnd_kdp_build_error(reply, sizeof(reply), pnd_rule_error(rule), pnd_rule_message(rule));

    pnd_addr_text(&from->peer, peer);
    log_refusal(server, peer, rule);
    pnd_net_reply(server->net, from, reply, (size_t)len);
}

/* Hands the slot's file and row over to the keeper. @return false: no job is free */
static bool hand_over(struct pnd_server *server, struct pnd_slot *slot, enum pnd_job_kind kind,
                      const char *why)
{
    struct pnd_job *job = pnd_keeper_job(server->keeper);

    if (!job)
        return false;
    job->kind = kind;
    job->slot = kind == PND_JOB_FINISH ? slot->index : PND_SLOT_NONE;
    job->generation = slot->generation;
    job->fd = slot->fd;
    job->to = slot->rx.end;
    pnd_server_describe(slot, &job->dump);
    if (why)
        snprintf(job->dump.reason, sizeof(job->dump.reason), "%s", why);
    slot->fd = -1;
    server->ending += kind == PND_JOB_ABANDON;
    pnd_keeper_submit(server->keeper, job);
    return true;
}

/* The slot's file is given up: ABANDON keeps it as incomplete, DISCARD is for an opening that never
 * got a byte. Without a free job it stays as it is, and the next start finds it. */
static void let_go(struct pnd_server *server, struct pnd_slot *slot, enum pnd_job_kind kind,
                   const char *why)
{
    if (slot->fd < 0 || hand_over(server, slot, kind, why))
        return;
    pnd_log(PND_ERR, "left-behind", "id=%" PRIu64, slot->id);
    close(slot->fd);
    slot->fd = -1;
}

static struct outcome system_outcome(int err)
{
    if (err == PND_E_NOSPACE)
        return (struct outcome){err, false, PND_KDP_E_NOSPACE, "disk full"};
    if (err == PND_E_RANGE)
        return (struct outcome){err, true, PND_KDP_E_NOSPACE,
                                "the file system cannot hold a file of this size"};
    return (struct outcome){err, false, PND_KDP_E_UNDEFINED, "the server cannot write its disk"};
}

/* The name is journaled before the file exists: a server killed in between knows its own file. */
static struct outcome open_file(struct pnd_server *server, struct pnd_slot *slot)
{
    struct pnd_why why;
    char label[PND_PEER_TEXT_CAP];
    int err = PND_OK;

    if (slot->fd >= 0)
        return fine;
    pnd_addr_text(&slot->origin.peer, label);
    for (unsigned tries = 0; tries < PND_SPOOL_TRIES_MAX; tries++) {
        err = pnd_spool_pick(&server->spool, slot->rx.name, label, pnd_clock_wall_ms() / 1000,
                             slot->file, &why);
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

static struct outcome write_data(struct pnd_server *server, struct pnd_slot *slot,
                                 const struct pnd_kdp_rx *next, const struct pnd_action *action)
{
    enum pnd_rule rule;
    int err;

    while (next->bytes > slot->leased_bytes) {
        rule = pnd_policy_lease(server, slot);
        if (rule != PND_RULE_NONE)
            return (struct outcome){PND_E_NOSPACE, rule != PND_RULE_FLOOR, pnd_rule_error(rule),
                                    pnd_rule_message(rule)};
    }
    if (action->offset < slot->told) { /* an old kernel goes back; what was read is not the dump */
        pnd_checker_changed(server->checker, slot->id);
        slot->told = 0;
        slot->tell_next = UINT64_MAX;
    }
    err = pnd_spool_write(slot->fd, action->data, action->len, action->offset);
    if (err)
        return system_outcome(err);
    server->counters.bytes += action->len;
    slot->stall_logged = false;
    return fine;
}

static void start_write_back(struct pnd_server *server, struct pnd_slot *slot)
{
    struct pnd_job *job;

    if (slot->rx.end < slot->written_back + PND_SERVER_WRITE_BACK || slot->fd < 0 ||
        slot->write_back_pending)
        return;
    job = pnd_keeper_job(server->keeper);
    if (!job)
        return;
    job->kind = PND_JOB_WRITE_BACK;
    job->slot = slot->index;
    job->generation = slot->generation;
    job->fd = slot->fd;
    job->from = slot->written_back;
    job->to = slot->rx.end;
    slot->written_back = slot->rx.end;
    slot->write_back_pending = true;
    pnd_keeper_submit(server->keeper, job);
}

static void tell_checker(struct pnd_server *server, struct pnd_slot *slot)
{
    if (slot->fd < 0 || slot->rx.end < slot->tell_next)
        return;
    slot->told = slot->rx.end;
    slot->tell_next = slot->told + PND_CHECKER_FOLLOW_STEP;
    pnd_checker_arriving(server->checker, slot->id, slot->file, &slot->origin.peer, slot->told);
}

static enum pnd_class class_of(const struct pnd_kdp_rx *rx)
{
    if (rx->phase == PND_KDP_RX_LIVE || rx->phase == PND_KDP_RX_FINISHING)
        return PND_CLASS_BUSY;
    if (rx->phase == PND_KDP_RX_DONE || rx->phase == PND_KDP_RX_FAILED)
        return PND_CLASS_RESTING;
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
    slot->resumed = slot->stall_logged = slot->write_back_pending = false;
}

static void mind_deadline(struct pnd_server *server, const struct pnd_kdp_rx *rx)
{
    uint64_t deadline_ms = pnd_kdp_rx_deadline_ms(rx);

    if (deadline_ms < server->next_tick_ms)
        server->next_tick_ms = deadline_ms;
}

/* The session moves on, and the journal with it; after this a reply may leave. */
static void commit(struct pnd_server *server, struct pnd_slot *slot, const struct pnd_kdp_rx *next,
                   bool admitted)
{
    bool begins = slot->rx.phase == PND_KDP_RX_ASKED && next->phase == PND_KDP_RX_LIVE;

    if (admitted)
        start_anew(server, slot);
    slot->rx = *next;
    pnd_table_classify(server->table, slot, class_of(next));
    if (next->phase == PND_KDP_RX_NEW)
        return;
    if (admitted)
        pnd_server_save_who(server, slot);
    pnd_server_save_where(server, slot);
    mind_deadline(server, next);
    if (begins) {
        struct pnd_dump dump;

        pnd_server_describe(slot, &dump);
        log_dump("begin", &dump);
        pnd_control_begin(server->control, slot);
    }
}

static struct outcome run_action(struct pnd_server *server, struct pnd_slot *slot,
                                 const struct pnd_kdp_rx *next, const struct pnd_action *action)
{
    static const struct outcome busy = {PND_E_BUSY, false, PND_KDP_E_UNDEFINED,
                                        "the server is overloaded"};

    switch (action->kind) {
    case PND_ACT_OPEN:
        return open_file(server, slot);
    case PND_ACT_WRITE:
        return write_data(server, slot, next, action);
    case PND_ACT_FINISH:
        return pnd_keeper_has_job(server->keeper) ? fine : busy;
    case PND_ACT_ABANDON:
        let_go(server, slot, PND_JOB_ABANDON, action->why);
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

static void run_actions(struct pnd_server *server, struct pnd_slot *slot,
                        const struct pnd_kdp_rx *next, const struct pnd_actions *actions,
                        const struct pnd_origin *from);

/* An action failed: the session is where it was, and says what the sender hears. */
static void run_failure(struct pnd_server *server, struct pnd_slot *slot,
                        const struct outcome *outcome, const struct pnd_origin *from)
{
    struct pnd_kdp_rx next = slot->rx;
    struct pnd_actions actions;

    if (!slot->stall_logged)
        pnd_log(PND_WARNING, "stalled", "id=%" PRIu64 " why=\"%s\"", slot->id, outcome->message);
    slot->stall_logged = true;
    pnd_kdp_rx_refuse_write(&next, pnd_clock_ms(), outcome->final, outcome->error, outcome->message,
                            &actions);
    run_actions(server, slot, &next, &actions, from);
    if (next.phase == PND_KDP_RX_FAILED)
        let_go(server, slot, PND_JOB_DISCARD, NULL);
}

static void run_actions(struct pnd_server *server, struct pnd_slot *slot,
                        const struct pnd_kdp_rx *next, const struct pnd_actions *actions,
                        const struct pnd_origin *from)
{
    bool admitted = false, committed = false, finish = false;
    struct outcome outcome;
    enum pnd_rule rule;

    for (unsigned i = 0; i < actions->count; i++) {
        const struct pnd_action *action = &actions->at[i];

        if (action->kind == PND_ACT_ADMIT) {
            rule = pnd_policy_admit(server, from);
            if (rule != PND_RULE_NONE) {
                refuse(server, from, rule);
                return;
            }
            admitted = true;
        } else if (action->kind == PND_ACT_RELEASE) {
            slot->released = true;
        } else if (action->kind == PND_ACT_REPLY) {
            commit(server, slot, next, admitted);
            committed = true;
            pnd_net_reply(server->net, from, action->data, action->len);
        } else {
            finish |= action->kind == PND_ACT_FINISH;
            outcome = run_action(server, slot, next, action);
            if (outcome.err) {
                run_failure(server, slot, &outcome, from);
                return;
            }
        }
    }
    if (!committed)
        commit(server, slot, next, admitted);
    /* Journaled as finishing first: a server killed now finishes at its next start. */
    if (finish)
        hand_over(server, slot, PND_JOB_FINISH, NULL);
    start_write_back(server, slot);
    tell_checker(server, slot);
}

/* The end of a slot's turn: what was released, or never became anything, is free again. */
static void settle(struct pnd_server *server, struct pnd_slot *slot)
{
    if (!slot->released && slot->rx.phase != PND_KDP_RX_NEW)
        return;
    let_go(server, slot, PND_JOB_DISCARD, NULL);
    pnd_journal_clear(server->journal, slot->index);
    pnd_table_free(server->table, slot);
}

static struct pnd_slot *take_slot(struct pnd_server *server, const struct pnd_origin *from)
{
    struct pnd_slot displaced, *slot = pnd_table_take(server->table, from, &displaced);

    if (displaced.class != PND_CLASS_FREE) {
        let_go(server, &displaced, PND_JOB_DISCARD, NULL);
        pnd_journal_clear(server->journal, displaced.index);
    }
    if (slot)
        pnd_kdp_rx_init(&slot->rx, &server->config.limits);
    return slot;
}

static bool is_wrq(const uint8_t *data, size_t len)
{
    return len >= 2 && data[0] == 0 && data[1] == PND_KDP_WRQ;
}

void pnd_server_datagram(const struct pnd_origin *from, const uint8_t *data, size_t len, void *ctx)
{
    struct pnd_server *server = ctx;
    struct pnd_slot *slot = pnd_table_find(server->table, from);
    struct pnd_actions actions;
    struct pnd_kdp_rx next;

    if (!slot) {
        if (!is_wrq(data, len)) {
            server->counters.garbage++;
            return;
        }
        slot = take_slot(server, from);
        if (!slot) {
            refuse(server, from, PND_RULE_TRANSFERS);
            return;
        }
    }
    next = slot->rx;
    pnd_kdp_rx_datagram(&next, data, len, pnd_clock_ms(), &actions);
    slot->packets++;
    slot->origin.sock = from->sock;
    slot->origin.local = from->local;
    if (actions.count) {
        run_actions(server, slot, &next, &actions, from);
    } else { /* counters, or a sender's ERROR: nothing that a reply covers */
        slot->rx = next;
        mind_deadline(server, &next);
    }
    settle(server, slot);
}

static void tick_slot(struct pnd_server *server, struct pnd_slot *slot, uint64_t now_ms)
{
    struct pnd_kdp_rx next = slot->rx;
    struct pnd_actions actions;
    struct pnd_origin to = slot->origin;

    pnd_kdp_rx_tick(&next, now_ms, &actions);
    if (!actions.count)
        return;
    run_actions(server, slot, &next, &actions, &to);
    settle(server, slot);
}

int pnd_server_tick(struct pnd_server *server)
{
    uint64_t now_ms = pnd_clock_ms(), next_ms = UINT64_MAX, deadline_ms;

    if (now_ms >= server->next_tick_ms) {
        for (uint32_t i = 0; i < pnd_table_size(server->table); i++) {
            struct pnd_slot *slot = pnd_table_at(server->table, i);

            if (slot->class == PND_CLASS_FREE)
                continue;
            if (now_ms >= pnd_kdp_rx_deadline_ms(&slot->rx))
                tick_slot(server, slot, now_ms);
            if (slot->class == PND_CLASS_FREE)
                continue;
            deadline_ms = pnd_kdp_rx_deadline_ms(&slot->rx);
            if (deadline_ms < next_ms)
                next_ms = deadline_ms;
        }
        server->next_tick_ms = next_ms;
        pnd_net_flush(server->net);
    }
    if (server->next_tick_ms <= now_ms)
        return 1;
    return server->next_tick_ms - now_ms > 1000 ? 1000 : (int)(server->next_tick_ms - now_ms);
}

static void dump_ended(struct pnd_server *server, const struct pnd_job *job)
{
    bool whole = job->kind == PND_JOB_FINISH && job->result == PND_OK;

    server->ending -= job->kind == PND_JOB_ABANDON;
    log_dump(whole ? "received" : "incomplete", &job->dump);
    pnd_control_dump(server->control, whole ? "complete" : "incomplete", &job->dump);
    pnd_checker_wake(server->checker);
}

const char *pnd_server_import(struct pnd_server *server, const char *request, uint64_t token)
{
    char staged[PND_IMPORT_STAGED_CAP];
    struct pnd_dump dump;
    struct pnd_job *job;

    if (pnd_import_parse(request, staged, &dump))
        return "the request to import is not understood";
    job = pnd_keeper_job(server->keeper);
    if (!job)
        return "the server is overloaded; try again";
    job->kind = PND_JOB_IMPORT;
    job->generation = token;
    job->dump = dump;
    job->dump.id = server->next_id++;
    memcpy(job->staged, staged, sizeof(job->staged));
    pnd_keeper_submit(server->keeper, job);
    return NULL;
}

static void import_ended(struct pnd_server *server, const struct pnd_job *job)
{
    if (job->result)
        pnd_log(PND_ERR, "import-failed", "why=\"%s\"", job->why.text);
    else
        log_dump("imported", &job->dump);
    pnd_control_imported(server->control, job->generation, &job->dump,
                         job->result ? job->why.text : NULL);
    if (job->result)
        return;
    pnd_control_dump(server->control,
                     job->dump.state == PND_DUMP_INCOMPLETE ? "incomplete" : "complete",
                     &job->dump);
    pnd_checker_wake(server->checker);
}

/* The slot that waits for a job, unless another dump has it by now. */
static struct pnd_slot *waiting_slot(struct pnd_server *server, const struct pnd_job *job)
{
    struct pnd_slot *slot;

    if (job->slot == PND_SLOT_NONE)
        return NULL;
    slot = pnd_table_at(server->table, job->slot);
    return slot->class == PND_CLASS_BUSY && slot->generation == job->generation ? slot : NULL;
}

void pnd_server_kept(struct pnd_server *server)
{
    struct pnd_actions actions;
    struct pnd_job *job;

    while ((job = pnd_keeper_done(server->keeper))) {
        struct pnd_slot *slot = waiting_slot(server, job);

        if (job->kind == PND_JOB_FINISH || job->kind == PND_JOB_ABANDON)
            dump_ended(server, job);
        else if (job->kind == PND_JOB_IMPORT)
            import_ended(server, job);
        if (slot && job->kind == PND_JOB_WRITE_BACK) {
            slot->write_back_pending = false;
        } else if (slot) {
            struct pnd_kdp_rx next = slot->rx;
            struct pnd_origin to = slot->origin;

            pnd_kdp_rx_finished(&next, job->result == PND_OK, pnd_clock_ms(), &actions);
            run_actions(server, slot, &next, &actions, &to);
            settle(server, slot);
        }
        pnd_keeper_recycle(server->keeper, job);
    }
    pnd_net_flush(server->net);
}

/* Why the machine died, and whether that is known. */
static void log_group(const struct pnd_checker_news *news)
{
    const struct pnd_group *group = &news->group;
    char title[512], note[2048];

    if (!group->signature.id[0])
        return;
    pnd_text_escape(title, sizeof(title), group->signature.title, strlen(group->signature.title));
    pnd_text_escape(note, sizeof(note), group->note, strlen(group->note));
    pnd_log(PND_INFO, news->verdict ? "panic" : "cause",
            "id=%" PRIu64 " group=%s seen=%" PRIu64 " machines=%" PRIu64 " title=\"%s\"%s%s%s",
            news->dump.id, group->signature.id, group->count, group->machines, title,
            note[0] ? " note=\"" : "", note, note[0] ? "\"" : "");
}

void pnd_server_checked(struct pnd_server *server)
{
    struct pnd_checker_news news;

    while (pnd_checker_next(server->checker, &news)) {
        if (!news.verdict) {
            log_group(&news);
            pnd_control_checked(server->control, &news);
            continue;
        }
        if (news.dump.state == PND_DUMP_COMPLETE)
            server->counters.complete++;
        else
            server->counters.incomplete++;
        log_dump(news.dump.state == PND_DUMP_COMPLETE ? "complete" : "not-whole", &news.dump);
        log_group(&news);
        pnd_control_checked(server->control, &news);
    }
}

void pnd_server_close(struct pnd_server *server)
{
    if (server->keeper && server->checker) {
        pnd_keeper_stop(server->keeper);
        pnd_server_kept(server); /* the last answers of what was finishing */
    }
    pnd_keeper_destroy(server->keeper);
    pnd_checker_stop(server->checker);
    pnd_control_close(server->control);
    pnd_net_destroy(server->net);
    pnd_table_destroy(server->table);
    pnd_journal_close(server->journal);
    pnd_spool_close(&server->spool);
}
