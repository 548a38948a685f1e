/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The start of a server: whatever the journal knows goes on where it was. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/log.h"
#include "panicd/transfer.h"
#include "wire/cursor.h"

enum {
    WHO_VERSION = 2,
    WHO_VERSION_LENGTH = 1, /* without the protocol: the session's length told it */
    TURN_BYTES = 8,         /* behind the session */
};

_Static_assert((int)PND_SESSION_SAVED_CAP + (int)TURN_BYTES <= (int)PND_JOURNAL_WHERE_CAP,
               "a session fits its record");
_Static_assert(72 + (int)PND_RX_NAME_CAP + (int)PND_SPOOL_NAME_CAP <= (int)PND_JOURNAL_WHO_CAP,
               "peer and names fit their record");

static void put_text(struct pnd_wr *wr, const char *text)
{
    size_t len = strlen(text);

    pnd_wr_be16(wr, (uint16_t)len);
    pnd_wr_bytes(wr, text, len);
}

static void get_text(struct pnd_rd *rd, char *ret, size_t cap)
{
    size_t len = pnd_rd_be16(rd);
    const uint8_t *text = pnd_rd_bytes(rd, len);

    memset(ret, 0, cap);
    if (len >= cap)
        rd->bad = true;
    else if (text)
        memcpy(ret, text, len);
}

void pnd_server_save_who(struct pnd_server *server, const struct pnd_slot *slot)
{
    uint8_t who[PND_JOURNAL_WHO_CAP];
    struct pnd_wr wr = pnd_wr(who, sizeof(who));

    pnd_wr_u8(&wr, WHO_VERSION);
    pnd_wr_u8(&wr, slot->origin.sock);
    pnd_wr_be16(&wr, slot->origin.port);
    pnd_wr_bytes(&wr, slot->origin.peer.b, sizeof(slot->origin.peer.b));
    pnd_wr_bytes(&wr, slot->origin.local.b, sizeof(slot->origin.local.b));
    assert(pnd_wr_len(&wr) == PND_JOURNAL_ID_AT);
    pnd_wr_be64(&wr, slot->id);
    pnd_wr_be64(&wr, (uint64_t)slot->started_ms);
    put_text(&wr, pnd_session_name(&slot->session));
    put_text(&wr, slot->file);
    pnd_wr_u8(&wr, (uint8_t)slot->session.protocol->id);
    pnd_journal_put(server->journal, slot->index, PND_JOURNAL_WHO, slot->generation, who,
                    pnd_wr_len(&wr));
}

void pnd_server_save_where(struct pnd_server *server, struct pnd_slot *slot)
{
    uint8_t where[PND_JOURNAL_WHERE_CAP];
    size_t len = pnd_session_save(&slot->session, where);
    struct pnd_wr wr = pnd_wr(where + len, TURN_BYTES);

    slot->turn = server->next_turn++;
    pnd_wr_be64(&wr, slot->turn);
    pnd_journal_put(server->journal, slot->index, PND_JOURNAL_WHERE, slot->generation, where,
                    len + TURN_BYTES);
}

/* A record as a slot that stands alone; its file is not opened yet. */
static int load_record(struct pnd_server *server, uint32_t index, struct pnd_slot *ret)
{
    uint8_t who[PND_JOURNAL_WHO_CAP], where[PND_JOURNAL_WHERE_CAP];
    char name[PND_RX_NAME_CAP];
    size_t who_len, where_len;
    struct pnd_slot slot = {.index = index, .fd = -1};
    struct pnd_rd rd;
    uint8_t version, protocol;
    const uint8_t *bytes;
    int err =
        pnd_journal_get(server->journal, index, &slot.generation, who, &who_len, where, &where_len);

    if (err)
        return err;
    rd = pnd_rd(who, who_len);
    version = pnd_rd_u8(&rd);
    slot.origin.sock = pnd_rd_u8(&rd);
    slot.origin.port = pnd_rd_be16(&rd);
    bytes = pnd_rd_bytes(&rd, sizeof(slot.origin.peer.b));
    if (bytes)
        memcpy(slot.origin.peer.b, bytes, sizeof(slot.origin.peer.b));
    bytes = pnd_rd_bytes(&rd, sizeof(slot.origin.local.b));
    if (bytes)
        memcpy(slot.origin.local.b, bytes, sizeof(slot.origin.local.b));
    slot.id = pnd_rd_be64(&rd);
    slot.started_ms = (int64_t)pnd_rd_be64(&rd);
    get_text(&rd, name, sizeof(name));
    get_text(&rd, slot.file, sizeof(slot.file));
    protocol = version == WHO_VERSION ? pnd_rd_u8(&rd) : 0;
    if (!pnd_rd_ok(&rd) || where_len < TURN_BYTES ||
        (version != WHO_VERSION && version != WHO_VERSION_LENGTH))
        return PND_E_FORMAT;
    where_len -= TURN_BYTES;
    if (version == WHO_VERSION_LENGTH)
        protocol = where_len == PND_EXT_RX_SAVED_BYTES ? PND_PROTOCOL_EXT : PND_PROTOCOL_KDP;
    rd = pnd_rd(where + where_len, TURN_BYTES);
    slot.turn = pnd_rd_be64(&rd);
    err = pnd_session_load(&slot.session, protocol, &server->config.limits, where, where_len, name,
                           pnd_clock_us());
    if (err)
        return err;
    slot.origin.service = (uint8_t)slot.session.protocol->service;
    *ret = slot;
    return PND_OK;
}

static bool exists(const struct pnd_server *server, const char *file, const char *suffix)
{
    char path[PND_SPOOL_NAME_CAP + 16];

    snprintf(path, sizeof(path), "%s%s", file, suffix);
    return faccessat(server->spool.dir_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool run_job(struct pnd_server *server, struct pnd_slot *slot, enum pnd_job_kind kind,
                    const char *why)
{
    struct pnd_job *job = pnd_keeper_job(server->keeper);
    bool ok;

    if (!job)
        return false;
    pnd_transfer_fill_job(slot, &slot->session, kind, why, job);
    pnd_keeper_run(server->keeper, job);
    ok = job->result == PND_OK;
    if (!ok)
        pnd_log(PND_ERR, "recover-failed", "id=%" PRIu64 " why=\"%s\"", slot->id, job->why.text);
    pnd_keeper_recycle(server->keeper, job);
    return ok;
}

/* Its row says that it is kept, under a name that the checker has given it since. */
static bool is_kept(struct pnd_server *server, const struct pnd_slot *slot)
{
    struct pnd_dump dump;
    struct pnd_why why;
    char id[24];

    snprintf(id, sizeof(id), "%" PRIu64, slot->id);
    return pnd_catalog_find(pnd_keeper_catalog(server->keeper), id, &dump, &why) == PND_OK &&
           dump.id == slot->id && dump.state != PND_DUMP_INCOMPLETE &&
           strcmp(dump.file, slot->file) != 0 && exists(server, dump.file, "");
}

/* EOF had come, the final ACK had not left: end what was begun. The reply goes out when the
 * sender repeats its EOF. */
static void recover_finishing(struct pnd_server *server, struct pnd_slot *slot)
{
    struct pnd_actions ignored;
    struct pnd_why why;
    bool durable = false;

    if (exists(server, slot->file, ".part") &&
        pnd_spool_create(&server->spool, slot->file, true, &slot->fd, &why) == PND_OK) {
        durable = run_job(server, slot, PND_JOB_FINISH, NULL);
    } else if (exists(server, slot->file, "")) {
        struct pnd_dump dump;
        struct stat st;

        pnd_server_describe(slot, &dump);
        dump.received_ms = pnd_clock_wall_ms();
        if (fstatat(server->spool.dir_fd, slot->file, &st, AT_SYMLINK_NOFOLLOW) == 0)
            dump.bytes = (uint64_t)st.st_size;
        durable = pnd_spool_sync(&server->spool, &why) == PND_OK;
        pnd_catalog_put(pnd_keeper_catalog(server->keeper), &dump, 1, &why);
    } else {
        durable = is_kept(server, slot);
    }
    slot->session.protocol->finished(&slot->session, durable, pnd_clock_us(), &ignored);
    pnd_server_save_where(server, slot);
}

/* What the session has forgotten goes. The record comes first: the next start must not miss what is
 * cut off. */
static bool forget(struct pnd_server *server, struct pnd_slot *slot, uint64_t file_bytes)
{
    uint64_t held;

    if (!slot->session.protocol->cut)
        return true;
    held = slot->session.protocol->cut(&slot->session);
    pnd_server_save_where(server, slot);
    return file_bytes <= held || ftruncate(slot->fd, (off_t)held) == 0;
}

/* @return false: the file is not what the journal says, and the transfer cannot go on */
static bool recover_live(struct pnd_server *server, struct pnd_slot *slot)
{
    struct pnd_why why;
    struct stat st;

    if (!exists(server, slot->file, ".part") ||
        pnd_spool_create(&server->spool, slot->file, true, &slot->fd, &why)) {
        pnd_log(PND_ERR, "part-gone", "id=%" PRIu64, slot->id);
        return false;
    }
    if (fstat(slot->fd, &st) < 0 || (uint64_t)st.st_size < pnd_session_written(&slot->session)) {
        (void)run_job(server, slot, PND_JOB_ABANDON,
                      "the file is shorter than what had been received");
        return false;
    }
    if (!forget(server, slot, (uint64_t)st.st_size)) {
        (void)run_job(server, slot, PND_JOB_ABANDON, "the file could not be cut to what is held");
        return false;
    }
    slot->packets = pnd_session_packets(&slot->session);
    slot->leased_bytes = pnd_session_bytes(&slot->session);
    slot->written_back = pnd_session_solid(&slot->session);
    slot->tell_next = PND_CHECKER_FOLLOW_FIRST;
    return true;
}

static void recover_slot(struct pnd_server *server, struct pnd_slot *record)
{
    struct pnd_slot *slot = pnd_table_take_at(server->table, record->index, &record->origin);
    enum pnd_class class = PND_CLASS_ASKED;

    if (!slot)
        return;
    slot->generation = record->generation;
    slot->turn = record->turn;
    slot->id = record->id;
    slot->started_ms = record->started_ms;
    pnd_session_copy(&slot->session, &record->session);
    slot->resumed = true;
    memcpy(slot->file, record->file, sizeof(slot->file));
    switch (pnd_session_phase(&slot->session)) {
    case PND_RX_LIVE:
        class = PND_CLASS_BUSY;
        if (!recover_live(server, slot)) {
            pnd_journal_clear(server->journal, slot->index);
            pnd_table_free(server->table, slot);
            return;
        }
        server->resumed++;
        pnd_log(PND_INFO, "resumed", "id=%" PRIu64 " bytes=%" PRIu64, slot->id,
                pnd_session_end(&slot->session));
        break;
    case PND_RX_FINISHING:
        recover_finishing(server, slot);
        class = PND_CLASS_RESTING;
        break;
    case PND_RX_LEFT: /* recover_left(), once all are there */
        slot->packets = pnd_session_packets(&slot->session);
        slot->leased_bytes = pnd_session_bytes(&slot->session);
        slot->session.protocol->cut(&slot->session);
        pnd_server_save_where(server, slot);
        class = PND_CLASS_RESTING;
        break;
    case PND_RX_DONE:
    case PND_RX_FAILED:
        class = PND_CLASS_RESTING;
        break;
    case PND_RX_ASKED:
        if (slot->file[0]) /* made, but its first block was not acknowledged: it comes again */
            run_job(server, slot, PND_JOB_DISCARD, NULL);
        slot->file[0] = '\0';
        break;
    case PND_RX_NEW:
    case PND_RX_RESUMING: /* is saved as LEFT */
        break;
    }
    pnd_table_classify(server->table, slot, class);
}

/* Has a later dump the slot's file name? Then the slot's own file was removed before that began. */
static bool named_again(const struct pnd_server *server, const struct pnd_slot *slot)
{
    for (uint32_t i = 0; i < pnd_table_size(server->table); i++) {
        const struct pnd_slot *other = pnd_table_at(server->table, i);

        if (other->class != PND_CLASS_FREE && other->id > slot->id &&
            strcmp(other->file, slot->file) == 0)
            return true;
    }
    return false;
}

/* The row of a dump that was renamed, and not more, when the server was killed. */
static void restore_row(struct pnd_server *server, const struct pnd_slot *slot)
{
    struct pnd_catalog *catalog = pnd_keeper_catalog(server->keeper);
    struct pnd_dump dump, found;
    char id[24], file[PND_SPOOL_NAME_CAP + 16];
    struct pnd_why why;
    struct stat st;

    snprintf(id, sizeof(id), "%" PRIu64, slot->id);
    snprintf(file, sizeof(file), "%s.incomplete", slot->file);
    if ((pnd_catalog_find(catalog, id, &found, &why) == PND_OK && found.id == slot->id) ||
        pnd_catalog_find(catalog, file, &found, &why) == PND_OK ||
        fstatat(server->spool.dir_fd, file, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
        strlen(file) >= sizeof(dump.file))
        return;
    pnd_server_describe(slot, &dump);
    memcpy(dump.file, file, strlen(file) + 1);
    dump.state = PND_DUMP_INCOMPLETE;
    snprintf(dump.reason, sizeof(dump.reason), "%s",
             slot->session.protocol->left.why(&slot->session));
    dump.bytes = (uint64_t)st.st_size;
    dump.received_ms = pnd_clock_wall_ms();
    if (pnd_catalog_put(catalog, &dump, 1, &why))
        pnd_log(PND_ERR, "recover-failed", "id=%" PRIu64 " why=\"%s\"", slot->id, why.text);
}

/* A dump that was left is kept as incomplete, also when the server was killed while it was about to
 * be, or about to arrive again. Its sender may still come back. */
static void recover_left(struct pnd_server *server, struct pnd_slot *slot)
{
    struct pnd_why why;

    if (!slot->file[0] || named_again(server, slot))
        return;
    if (!exists(server, slot->file, ".part"))
        restore_row(server, slot);
    else if (pnd_spool_create(&server->spool, slot->file, true, &slot->fd, &why) == PND_OK)
        (void)run_job(server, slot, PND_JOB_ABANDON,
                      slot->session.protocol->left.why(&slot->session));
}

struct found {
    uint64_t turn;
    uint32_t index;
};

static int compare_found(const void *a, const void *b)
{
    const struct found *one = a, *two = b;

    return (one->turn > two->turn) - (one->turn < two->turn);
}

/* The records that can be read, those that were used longest ago first. */
static uint32_t find_records(struct pnd_server *server, struct found *ret, uint64_t *ret_last_id)
{
    struct pnd_slot record;
    uint32_t count = 0;
    int err;

    for (uint32_t i = 0; i < pnd_table_size(server->table); i++) {
        err = load_record(server, i, &record);
        if (err == PND_E_NOTFOUND)
            continue;
        if (err) {
            pnd_log(PND_ERR, "journal-record", "slot=%u why=\"%s\"", i, pnd_err_text(err));
            pnd_journal_clear(server->journal, i);
            continue;
        }
        if (record.generation >= server->next_generation)
            server->next_generation = record.generation + 1;
        if (record.turn >= server->next_turn)
            server->next_turn = record.turn + 1;
        if (record.id > *ret_last_id)
            *ret_last_id = record.id;
        ret[count++] = (struct found){record.turn, i};
    }
    qsort(ret, count, sizeof(ret[0]), compare_found);
    return count;
}

/* In the order in which they were used, as the table displaces in that order: the dump that has
 * just ended is the one whose sender may still ask for its last answer. */
int pnd_server_recover(struct pnd_server *server, uint64_t *ret_last_id, struct pnd_why *why)
{
    struct found *found = calloc(pnd_table_size(server->table), sizeof(*found));
    struct pnd_slot record;
    uint32_t count;

    *ret_last_id = 0;
    if (!found)
        return pnd_why(why, PND_E_SYS, errno, "read the journal");
    count = find_records(server, found, ret_last_id);
    for (uint32_t i = 0; i < count; i++)
        if (load_record(server, found[i].index, &record) == PND_OK)
            recover_slot(server, &record);
    free(found);
    for (uint32_t i = 0; i < pnd_table_size(server->table); i++)
        if (pnd_session_is_left(&pnd_table_at(server->table, i)->session))
            recover_left(server, pnd_table_at(server->table, i));
    server->next_tick_ms = server->next_sweep_ms = 0;
    return PND_OK;
}
