/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is known of each dump: put, packed, and read again. The groups are in catalog_groups.c. */
#include "store/catalog_facts.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "host/clock.h"
#include "store/catalog_db.h"

enum { PACK_MIN = 4096 }; /* shorter texts stay as they are, for sqlite3(1) and a person */

static int done(const struct pnd_catalog *catalog, int err, uint64_t id, struct pnd_why *why)
{
    return err == SQLITE_DONE
               ? PND_OK
               : pnd_db_why(catalog, why, err, "keep what is known of dump %" PRIu64, id);
}

/* ---- put ---- */

/* Binds @p text, packed when that is shorter, at @p at + 1 and its length at @p at. */
static int bind_packed(sqlite3_stmt *stmt, int at, const char *text, size_t len)
{
    uLongf packed_len = compressBound(len);
    Bytef *packed = len >= PACK_MIN ? malloc(packed_len) : NULL;

    if (sqlite3_bind_int64(stmt, at, (int64_t)len))
        goto plain;
    if (!packed || compress2(packed, &packed_len, (const Bytef *)text, len, Z_BEST_SPEED) != Z_OK ||
        packed_len >= len)
        goto plain;
    return sqlite3_bind_blob64(stmt, at + 1, packed, packed_len, free);
plain:
    free(packed);
    return sqlite3_bind_blob64(stmt, at + 1, text, len, SQLITE_TRANSIENT);
}

/* At most @p max bytes, cut between characters; @p text is UTF-8. */
static int bind_cut(sqlite3_stmt *stmt, int at, const char *text, size_t max)
{
    size_t len = strlen(text);

    if (len > max) {
        len = max;
        while (len > 0 && ((uint8_t)text[len] & 0xc0) == 0x80)
            len--;
    }
    return sqlite3_bind_text(stmt, at, text, (int)len, SQLITE_TRANSIENT);
}

static int put_row(const struct pnd_catalog *catalog, uint64_t id, const struct pnd_facts *facts,
                   bool final, const struct pnd_signature *signature, struct pnd_why *why)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    struct pnd_facts_line *line; /* for its bounds */
    json_t *json = pnd_facts_to_json(facts, false);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    int err = pnd_db_prepare(catalog,
                             "INSERT OR REPLACE INTO facts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, "
                             "?8, ?9, ?10)",
                             &stmt, why);

    json_decref(json);
    if (err || !text || strlen(text) > PND_FACT_JSON_MAX) {
        bool long_text = text != NULL;

        free(text);
        return err ? err
                   : pnd_why(why, PND_E_SYS, long_text ? E2BIG : ENOMEM,
                             "keep what is known of dump %" PRIu64, id);
    }
    err = sqlite3_bind_int64(stmt, 1, (int64_t)id) | sqlite3_bind_int(stmt, 2, final) |
          bind_cut(stmt, 3, signature->id, PND_SIGNATURE_CAP - 1) |
          sqlite3_bind_int(stmt, 4, PND_SIGNATURE_VERSION) |
          bind_cut(stmt, 5, signature->title, PND_SIGNATURE_TITLE - 1) |
          bind_cut(stmt, 6, pnd_facts_text(facts, PND_FACT_OS), sizeof(line->os) - 1) |
          bind_cut(stmt, 7, pnd_facts_text(facts, PND_FACT_KERNEL), sizeof(line->kernel) - 1) |
          bind_cut(stmt, 8, pnd_facts_text(facts, PND_FACT_HOST), sizeof(line->host) - 1) |
          bind_packed(stmt, 9, text, strlen(text));
    free(text);
    return done(catalog, err ? err : sqlite3_step(stmt), id, why);
}

static int put_log(const struct pnd_catalog *catalog, uint64_t id, const struct pnd_facts *facts,
                   struct pnd_why *why)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    bool any = facts->log && facts->log_len > 0;
    int err = pnd_db_prepare(catalog,
                             any ? "INSERT OR REPLACE INTO facts_log VALUES (?1, ?2, ?3)"
                                 : "DELETE FROM facts_log WHERE dump = ?1",
                             &stmt, why);

    if (err)
        return err;
    err = sqlite3_bind_int64(stmt, 1, (int64_t)id);
    if (!err && any)
        err = bind_packed(stmt, 2, facts->log, facts->log_len);
    return done(catalog, err ? err : sqlite3_step(stmt), id, why);
}

/* The line of history; none when there is nothing to group by. */
static int put_sighting(const struct pnd_catalog *catalog, uint64_t id,
                        const struct pnd_facts *facts, const struct pnd_signature *signature,
                        int64_t seen_ms, const char *machine, struct pnd_why *why)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    struct pnd_sighting *sighting; /* for its bounds */
    bool any = signature->id[0] != '\0';
    int err = pnd_db_prepare(catalog,
                             any ? "INSERT OR REPLACE INTO sighting VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
                                 : "DELETE FROM sighting WHERE dump = ?1",
                             &stmt, why);

    if (err)
        return err;
    err = sqlite3_bind_int64(stmt, 1, (int64_t)id);
    if (any)
        err |=
            bind_cut(stmt, 2, signature->id, PND_SIGNATURE_CAP - 1) |
            bind_cut(stmt, 3, signature->title, PND_SIGNATURE_TITLE - 1) |
            sqlite3_bind_int64(stmt, 4, seen_ms) |
            bind_cut(stmt, 5, machine ? machine : "", sizeof(sighting->machine) - 1) |
            bind_cut(stmt, 6, pnd_facts_text(facts, PND_FACT_KERNEL), sizeof(sighting->kernel) - 1);
    return done(catalog, err ? err : sqlite3_step(stmt), id, why);
}

/* All of it, within a transaction. */
static int put_all(const struct pnd_catalog *catalog, uint64_t id, const struct pnd_facts *facts,
                   bool final, int64_t seen_ms, const char *machine, struct pnd_why *why)
{
    struct pnd_signature signature;
    int err;

    assert(id > 0 && id <= INT64_MAX);
    pnd_signature(facts, &signature);
    err = put_row(catalog, id, facts, final, &signature, why);
    if (!err)
        err = put_log(catalog, id, facts, why);
    return err ? err : put_sighting(catalog, id, facts, &signature, seen_ms, machine, why);
}

static int put_all_of(const struct pnd_catalog *catalog, const struct pnd_dump *dump,
                      const struct pnd_facts *facts, bool final, struct pnd_why *why)
{
    const char *host = pnd_facts_text(facts, PND_FACT_HOST);
    int64_t seen_ms = dump->received_ms ? dump->received_ms : dump->started_ms;

    return put_all(catalog, dump->id, facts, final, seen_ms ? seen_ms : pnd_clock_wall_ms(),
                   host[0] ? host : dump->peer, why);
}

/* Ends the transaction as @p err says. */
static int commit(const struct pnd_catalog *catalog, int err, struct pnd_why *why)
{
    if (!err)
        err = pnd_db_exec(catalog, "COMMIT", why);
    if (err)
        sqlite3_exec(catalog->db, "ROLLBACK", NULL, NULL, NULL);
    return err;
}

int pnd_catalog_put_facts(struct pnd_catalog *catalog, uint64_t id, const struct pnd_facts *facts,
                          bool final, int64_t seen_ms, const char *machine, struct pnd_why *why)
{
    int err = pnd_db_exec(catalog, "BEGIN IMMEDIATE", why);

    if (err)
        return err;
    return commit(catalog, put_all(catalog, id, facts, final, seen_ms, machine, why), why);
}

int pnd_catalog_put_dump_facts(struct pnd_catalog *catalog, const struct pnd_dump *dump,
                               const struct pnd_facts *facts, bool final, struct pnd_why *why)
{
    int err = pnd_db_exec(catalog, "BEGIN IMMEDIATE", why);

    return err ? err : commit(catalog, put_all_of(catalog, dump, facts, final, why), why);
}

/* A dump that was taken up again and has ended anew is another, though its id is the same.
 * @return PND_OK; PND_E_NOTFOUND */
static int has_row(const struct pnd_catalog *catalog, const struct pnd_dump *dump,
                   struct pnd_why *why)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    int err = pnd_db_prepare(catalog, "SELECT 1 FROM dump WHERE id = ?1 AND received_ms = ?2",
                             &stmt, why);

    if (err)
        return err;
    err = sqlite3_bind_int64(stmt, 1, (int64_t)dump->id);
    if (!err)
        err = sqlite3_bind_int64(stmt, 2, dump->received_ms);
    if (!err)
        err = sqlite3_step(stmt);
    if (err == SQLITE_DONE)
        return pnd_why(why, PND_E_NOTFOUND, 0, "dump %" PRIu64 " was removed", dump->id);
    return err == SQLITE_ROW ? PND_OK : pnd_db_why(catalog, why, err, "read the catalog");
}

int pnd_catalog_conclude(struct pnd_catalog *catalog, const struct pnd_dump *dump,
                         const struct pnd_facts *facts, struct pnd_why *why)
{
    int err = pnd_db_exec(catalog, "BEGIN IMMEDIATE", why);

    if (err)
        return err;
    err = has_row(catalog, dump, why);
    if (!err)
        err = pnd_db_put_row(catalog, dump, why);
    if (!err)
        err = put_all_of(catalog, dump, facts, true, why);
    return commit(catalog, err, why);
}

/* ---- get ---- */

/* A row of @p sql for dump @p id. @return PND_OK; PND_E_NOTFOUND; else as pnd_db_why() */
static int select_row(const struct pnd_catalog *catalog, const char *sql, uint64_t id,
                      sqlite3_stmt **ret, struct pnd_why *why)
{
    int err;

    if (catalog->schema < 2)
        return pnd_why(why, PND_E_NOTFOUND, 0,
                       "the catalog of %s is of an older panicd, which knew nothing of what is in "
                       "a dump; start panicd, which reads them all",
                       catalog->directory);
    err = pnd_db_prepare(catalog, sql, ret, why);
    if (err)
        return err;
    err = id > INT64_MAX ? SQLITE_DONE : sqlite3_bind_int64(*ret, 1, (int64_t)id);
    if (!err)
        err = sqlite3_step(*ret);
    if (err == SQLITE_ROW)
        return PND_OK;
    return err == SQLITE_DONE
               ? pnd_why(why, PND_E_NOTFOUND, 0, "nothing is known of what is in dump %" PRIu64, id)
               : pnd_db_why(catalog, why, err, "read the catalog");
}

/* What bind_packed() has put at @p at. @return the caller's, NUL-terminated; NULL: damaged, or no
 * memory */
static char *column_packed(sqlite3_stmt *stmt, int at, size_t max, size_t *ret_len)
{
    int64_t len = sqlite3_column_int64(stmt, at);
    const void *blob = sqlite3_column_blob(stmt, at + 1);
    size_t blob_len = (size_t)sqlite3_column_bytes(stmt, at + 1);
    uLongf text_len = (uLongf)len;
    char *text;

    if (len < 0 || (uint64_t)len > max || blob_len > (uint64_t)len || (!blob && len > 0))
        return NULL;
    text = malloc((size_t)len + 1);
    if (!text)
        return NULL;
    if (blob_len == (uint64_t)len) {
        memcpy(text, blob ? blob : "", blob_len);
    } else if (uncompress((Bytef *)text, &text_len, blob, blob_len) != Z_OK ||
               text_len != (uint64_t)len) {
        free(text);
        return NULL;
    }
    text[len] = '\0';
    *ret_len = (size_t)len;
    return text;
}

static int damaged(uint64_t id, struct pnd_why *why)
{
    return pnd_why(why, PND_E_NOTFOUND, 0,
                   "what was known of dump %" PRIu64 " is damaged; to read the dump again type: "
                   "panicctl verify %" PRIu64,
                   id, id);
}

static int get_log(const struct pnd_catalog *catalog, uint64_t id, struct pnd_facts *facts,
                   struct pnd_why *why)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    int err =
        select_row(catalog, "SELECT log_bytes, log FROM facts_log WHERE dump = ?1", id, &stmt, why);
    size_t len;
    char *log;

    if (err)
        return err == PND_E_NOTFOUND ? PND_OK : err;
    log = column_packed(stmt, 0, PND_FACT_LOG_MAX, &len);
    if (!log)
        return damaged(id, why);
    pnd_facts_set_log(facts, log, len);
    free(log);
    return PND_OK;
}

int pnd_catalog_get_facts(struct pnd_catalog *catalog, uint64_t id, bool with_log,
                          struct pnd_facts *ret, struct pnd_why *why)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    struct pnd_facts facts = {0};
    char *text = NULL;
    json_t *json = NULL;
    size_t len = 0;
    int err =
        select_row(catalog, "SELECT json_bytes, json FROM facts WHERE dump = ?1", id, &stmt, why);

    *ret = (struct pnd_facts){0};
    if (err)
        return err;
    text = column_packed(stmt, 0, PND_FACT_JSON_MAX, &len);
    if (text)
        json = json_loadb(text, len, 0, NULL);
    free(text);
    err = json ? pnd_facts_from_json(json, &facts) : PND_E_FORMAT;
    json_decref(json);
    if (err == PND_E_FORMAT)
        err = damaged(id, why);
    else if (err)
        pnd_why(why, err, ENOMEM, "read what is known of dump %" PRIu64, id);
    if (!err && with_log)
        err = get_log(catalog, id, &facts, why);
    if (err)
        pnd_facts_deinit(&facts);
    else
        *ret = facts;
    return err;
}

int pnd_catalog_facts_line(struct pnd_catalog *catalog, uint64_t id, struct pnd_facts_line *ret,
                           struct pnd_why *why)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    struct pnd_facts_line line = {0};
    int err = select_row(
        catalog, "SELECT signature, title, os, kernel, host, final FROM facts WHERE dump = ?1", id,
        &stmt, why);

    if (err)
        return err;
    pnd_db_column_text(stmt, 0, line.signature.id, sizeof(line.signature.id));
    pnd_db_column_text(stmt, 1, line.signature.title, sizeof(line.signature.title));
    pnd_db_column_text(stmt, 2, line.os, sizeof(line.os));
    pnd_db_column_text(stmt, 3, line.kernel, sizeof(line.kernel));
    pnd_db_column_text(stmt, 4, line.host, sizeof(line.host));
    line.final = sqlite3_column_int(stmt, 5) != 0;
    *ret = line;
    return PND_OK;
}

/* The next row behind @p dump. @return PND_OK; PND_E_NOTFOUND (why is untouched); else */
static int next_unread(const struct pnd_catalog *catalog, struct pnd_dump *dump,
                       struct pnd_why *why)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    char sql[512];
    int err;

    snprintf(sql, sizeof(sql), "SELECT %s FROM dump WHERE id > ?1 AND checked = 1 %s LIMIT 1",
             pnd_db_columns,
             catalog->schema < 2 ? "ORDER BY id"
                                 : "AND NOT EXISTS (SELECT 1 FROM facts WHERE facts.dump = dump.id "
                                   "AND final = 1) ORDER BY id");
    err = pnd_db_prepare(catalog, sql, &stmt, why);
    if (err)
        return err;
    err = sqlite3_bind_int64(stmt, 1, (int64_t)dump->id);
    if (!err)
        err = sqlite3_step(stmt);
    if (err == SQLITE_DONE)
        return PND_E_NOTFOUND;
    if (err != SQLITE_ROW)
        return pnd_db_why(catalog, why, err, "read the catalog");
    pnd_db_read_row(stmt, dump);
    return PND_OK;
}

int pnd_catalog_each_unread(struct pnd_catalog *catalog,
                            bool (*each)(const struct pnd_dump *dump, void *ctx), void *ctx,
                            struct pnd_why *why)
{
    struct pnd_dump dump = {0};
    int err;

    do /* a question per row, as pnd_catalog_each() does */
        err = next_unread(catalog, &dump, why);
    while (!err && each(&dump, ctx));
    return err == PND_E_NOTFOUND ? PND_OK : err;
}
