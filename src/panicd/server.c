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
#include "panicd/transfer.h"

/* As the sender gave it; or the directory that he named, and in it the name that was made here. */
static void name_dump(const struct pnd_slot *slot, char ret[PND_SPOOL_NAME_CAP])
{
    const char *said = pnd_session_name(&slot->session);
    size_t len = strlen(said), file_len = strlen(slot->file);

    memcpy(ret, said, len + 1);
    if (!slot->session.protocol->prefix || !file_len || len + 1 + file_len >= PND_SPOOL_NAME_CAP)
        return;
    if (len)
        ret[len++] = '/';
    memcpy(ret + len, slot->file, file_len + 1);
}

void pnd_server_describe(const struct pnd_slot *slot, struct pnd_dump *ret)
{
    *ret = (struct pnd_dump){
        .id = slot->id,
        .state = PND_DUMP_RECEIVING,
        .bytes = pnd_session_end(&slot->session),
        .peer_port = slot->origin.port,
        .started_ms = slot->started_ms,
        .packets = slot->packets,
        .repeats = pnd_session_repeats(&slot->session),
    };
    snprintf(ret->protocol, sizeof(ret->protocol), "%s", slot->session.protocol->name);
    memcpy(ret->file, slot->file, sizeof(ret->file));
    name_dump(slot, ret->name);
    pnd_addr_text(&slot->origin.peer, ret->peer);
}

/* Dumps that arrive have deadlines of milliseconds, which move with every packet; the others wait
 * for a minute. So they are looked after apart. */
void pnd_server_mind_deadline(struct pnd_server *server, const struct pnd_slot *slot)
{
    uint64_t *next_ms =
        slot->class == PND_CLASS_BUSY ? &server->next_tick_ms : &server->next_sweep_ms;
    uint64_t deadline_ms = slot->session.protocol->deadline_ms(&slot->session);

    if (deadline_ms < *next_ms)
        *next_ms = deadline_ms;
}

uint32_t pnd_server_hurried(const struct pnd_server *server)
{
    uint32_t busy = pnd_table_count(server->table, PND_CLASS_BUSY);

    return busy > server->finishing ? busy - server->finishing : 0;
}

static void tick_slot(struct pnd_server *server, struct pnd_slot *slot, uint64_t now_us)
{
    struct pnd_session next;
    struct pnd_actions actions;
    struct pnd_origin to = slot->origin;

    pnd_session_copy(&next, &slot->session);
    next.protocol->tick(&next, now_us, &actions);
    if (!actions.count)
        return;
    pnd_transfer_run(server, slot, &next, &actions, &to);
    pnd_transfer_settle(server, slot);
}

/* @return when the slots of this class have their next deadline; UINT64_MAX: none has one */
static uint64_t tick_class(struct pnd_server *server, enum pnd_class class, uint64_t now_us)
{
    uint64_t next_ms = UINT64_MAX, deadline_ms;
    struct pnd_slot *slot = pnd_table_first(server->table, class), *next;

    for (; slot; slot = next) {
        next = pnd_table_next(server->table, slot);
        if (now_us / 1000 >= slot->session.protocol->deadline_ms(&slot->session))
            tick_slot(server, slot, now_us);
        if (slot->class == PND_CLASS_FREE)
            continue;
        deadline_ms = slot->session.protocol->deadline_ms(&slot->session);
        if (deadline_ms < next_ms)
            next_ms = deadline_ms;
    }
    return next_ms;
}

static uint64_t next_turn_ms(const struct pnd_server *server)
{
    uint64_t tick_ms = server->next_tick_ms;

    if (tick_ms < server->no_tick_before_ms)
        tick_ms = server->no_tick_before_ms;
    return tick_ms < server->next_sweep_ms ? tick_ms : server->next_sweep_ms;
}

bool pnd_server_tick_due(const struct pnd_server *server)
{
    return pnd_clock_ms() >= next_turn_ms(server);
}

void pnd_server_tick(struct pnd_server *server)
{
    uint64_t now_us = pnd_clock_us(), now_ms = now_us / 1000, asked_ms;

    if (now_ms < next_turn_ms(server))
        return;
    if (now_ms >= server->next_sweep_ms) {
        asked_ms = tick_class(server, PND_CLASS_ASKED, now_us);
        server->next_sweep_ms = tick_class(server, PND_CLASS_RESTING, now_us);
        if (asked_ms < server->next_sweep_ms)
            server->next_sweep_ms = asked_ms;
    }
    if (now_ms >= server->next_tick_ms && now_ms >= server->no_tick_before_ms) {
        /* The more of them there are, the slower each is, and the more there is to look at. */
        server->no_tick_before_ms =
            now_ms + pnd_table_count(server->table, PND_CLASS_BUSY) / PND_SERVER_TICKS_MS;
        server->next_tick_ms = tick_class(server, PND_CLASS_BUSY, now_us);
    }
    pnd_net_flush(server->net);
}

int pnd_server_timeout_ms(const struct pnd_server *server)
{
    uint64_t now_ms = pnd_clock_ms(), next_ms = next_turn_ms(server);

    if (next_ms <= now_ms)
        return 1;
    return next_ms - now_ms > 1000 ? 1000 : (int)(next_ms - now_ms);
}

static void dump_ended(struct pnd_server *server, const struct pnd_job *job)
{
    bool whole = job->kind == PND_JOB_FINISH && job->result == PND_OK;

    server->ending -= job->kind == PND_JOB_ABANDON;
    if (whole)
        pnd_counters_kept(&server->counters, &job->dump, pnd_clock_wall_ms());
    pnd_transfer_log(whole ? "received" : "incomplete", &job->dump);
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
        pnd_transfer_log("imported", &job->dump);
    pnd_control_imported(server->control, job->generation, &job->dump,
                         job->result ? job->why.text : NULL);
    if (job->result)
        return;
    server->counters.of[PND_COUNTERS_IMPORT].bytes += job->dump.bytes;
    pnd_control_dump(server->control,
                     job->dump.state == PND_DUMP_INCOMPLETE ? "incomplete" : "complete",
                     &job->dump);
    pnd_checker_wake(server->checker);
}

/* A dump that was left: its file arrives again, or there is nothing to go on with. */
static void resume_ended(struct pnd_server *server, struct pnd_slot *slot, struct pnd_job *job)
{
    bool ok = job->result == PND_OK;
    struct pnd_origin to;
    struct pnd_session next;
    struct pnd_actions actions;

    if (!ok)
        pnd_log(PND_NOTICE, "not-taken-up", "id=%" PRIu64 " why=\"%s\"", job->dump.id,
                job->why.text);
    if (!slot) { /* nobody displaces it meanwhile; if somebody did, the next start keeps the file */
        if (ok)
            close(job->fd);
        return;
    }
    to = slot->origin;
    if (ok) {
        slot->fd = job->fd;
        memcpy(slot->file, job->dump.file, sizeof(slot->file));
        slot->resumed = true;
        slot->stall_logged = slot->write_back_pending = false;
        slot->written_back = pnd_session_solid(&slot->session);
        slot->told = 0;
        slot->tell_next = PND_CHECKER_FOLLOW_FIRST;
        pnd_server_save_who(server, slot);
        pnd_checker_taken_up(server->checker, &job->dump);
    }
    pnd_session_copy(&next, &slot->session);
    next.protocol->left.resumed(&next, ok, pnd_clock_us(), &actions);
    pnd_transfer_run(server, slot, &next, &actions, &to);
    pnd_transfer_settle(server, slot);
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

        server->finishing -= job->kind == PND_JOB_FINISH;
        if (job->kind == PND_JOB_FINISH || job->kind == PND_JOB_ABANDON)
            dump_ended(server, job);
        else if (job->kind == PND_JOB_IMPORT)
            import_ended(server, job);
        if (job->kind == PND_JOB_RESUME) {
            resume_ended(server, slot, job);
        } else if (slot && job->kind == PND_JOB_WRITE_BACK) {
            slot->write_back_pending = false;
            pnd_turn_room(server, slot);
        } else if (slot) {
            struct pnd_origin to = slot->origin;
            struct pnd_session next;

            pnd_session_copy(&next, &slot->session);
            next.protocol->finished(&next, job->result == PND_OK, pnd_clock_us(), &actions);
            pnd_transfer_run(server, slot, &next, &actions, &to);
            pnd_transfer_settle(server, slot);
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

/* A dump that a tool brought in began when its machine died, or nobody knows when. */
static void count_cause(struct pnd_server *server, const struct pnd_dump *dump)
{
    if (pnd_counters_index(dump->protocol) != PND_COUNTERS_IMPORT)
        pnd_counters_caused(&server->counters, dump->protocol, dump->started_ms,
                            pnd_clock_wall_ms());
}

/* The same of a dump that arrives, or has just ended. */
static void count_cause_of(struct pnd_server *server, uint64_t id)
{
    static const enum pnd_class classes[] = {PND_CLASS_BUSY, PND_CLASS_RESTING};
    struct pnd_dump dump;

    for (unsigned i = 0; i < sizeof(classes) / sizeof(*classes); i++) {
        const struct pnd_slot *slot = pnd_table_first(server->table, classes[i]);

        while (slot && slot->id != id)
            slot = pnd_table_next(server->table, slot);
        if (!slot)
            continue;
        pnd_server_describe(slot, &dump);
        count_cause(server, &dump);
        return;
    }
}

void pnd_server_checked(struct pnd_server *server)
{
    struct pnd_checker_news news;

    while (pnd_checker_next(server->checker, &news)) {
        if (!news.verdict) {
            count_cause_of(server, news.dump.id);
            log_group(&news);
            pnd_control_checked(server->control, &news);
            continue;
        }
        pnd_counters_judged(&server->counters, &news.dump);
        if (news.group.signature.id[0] && !news.known)
            count_cause(server, &news.dump);
        pnd_transfer_log(news.dump.state == PND_DUMP_COMPLETE ? "complete" : "not-whole",
                         &news.dump);
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
    pnd_handover_close(&server->handover);
    pnd_control_close(server->control);
    pnd_messenger_stop(&server->messenger);
    pnd_net_destroy(server->net);
    pnd_table_destroy(server->table);
    pnd_journal_close(server->journal);
    pnd_spool_close(&server->spool);
}
