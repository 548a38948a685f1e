/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Rows in and out. */
#include "store/catalog.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/text.h"
#include "store/catalog_db.h"
#include "store/dump_json.h"

const char pnd_db_columns[] =
    "id, file, name, state, checked, reason, format, sha256, bytes, peer, peer_port, protocol, "
    "started_ms, received_ms, packets, repeats, missing";

int pnd_catalog_open(const struct pnd_spool *spool, bool readonly, struct pnd_catalog **ret,
                     bool *ret_fresh, struct pnd_why *why)
{
    struct pnd_catalog *catalog = calloc(1, sizeof(*catalog));
    bool fresh = false;
    int err;

    if (!catalog)
        return pnd_why(why, PND_E_SYS, errno, "open the catalog of %s", spool->path);
    err = pnd_db_open(catalog, spool, readonly, &fresh, why);
    if (err) {
        pnd_catalog_close(catalog);
        return err;
    }
    *ret = catalog;
    if (ret_fresh)
        *ret_fresh = fresh;
    return PND_OK;
}

void pnd_catalog_close(struct pnd_catalog *catalog)
{
    if (!catalog)
        return;
    sqlite3_close(catalog->db);
    free(catalog);
}

/* ---- rows ---- */

static uint64_t column_number(sqlite3_stmt *stmt, int column)
{
    int64_t number = sqlite3_column_int64(stmt, column);

    return number > 0 ? (uint64_t)number : 0;
}

void pnd_db_column_text(sqlite3_stmt *stmt, int column, char *ret, size_t cap)
{
    const char *text = sqlite3_column_blob(stmt, column);
    size_t len = (size_t)sqlite3_column_bytes(stmt, column);

    if (len >= cap)
        len = cap - 1;
    if (len > 0)
        memcpy(ret, text, len);
    ret[len] = '\0';
}

void pnd_db_read_row(sqlite3_stmt *stmt, struct pnd_dump *ret)
{
    struct pnd_dump out = {.id = column_number(stmt, 0)};
    char state[16];
    json_t *missing;

    pnd_db_column_text(stmt, 1, out.file, sizeof(out.file));
    pnd_db_column_text(stmt, 2, out.name, sizeof(out.name));
    pnd_db_column_text(stmt, 3, state, sizeof(state));
    pnd_dump_state_parse(state, &out.state);
    out.checked = sqlite3_column_int(stmt, 4) != 0;
    pnd_db_column_text(stmt, 5, out.reason, sizeof(out.reason));
    pnd_db_column_text(stmt, 6, out.format, sizeof(out.format));
    pnd_db_column_text(stmt, 7, out.sha256, sizeof(out.sha256));
    out.bytes = column_number(stmt, 8);
    pnd_db_column_text(stmt, 9, out.peer, sizeof(out.peer));
    out.peer_port = (uint16_t)column_number(stmt, 10);
    pnd_db_column_text(stmt, 11, out.protocol, sizeof(out.protocol));
    out.started_ms = sqlite3_column_int64(stmt, 12);
    out.received_ms = sqlite3_column_int64(stmt, 13);
    out.packets = column_number(stmt, 14);
    out.repeats = column_number(stmt, 15);
    missing = json_loads((const char *)sqlite3_column_text(stmt, 16), 0, NULL);
    out.missing_count = pnd_dump_ranges_from_json(missing, out.missing);
    json_decref(missing);
    *ret = out;
}

static int bind_number(sqlite3_stmt *stmt, int at, uint64_t number)
{
    return sqlite3_bind_int64(stmt, at, number > INT64_MAX ? INT64_MAX : (int64_t)number);
}

static int bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
    return sqlite3_bind_text(stmt, at, text, -1, SQLITE_TRANSIENT);
}

static int bind_bytes(sqlite3_stmt *stmt, int at, const char *bytes)
{
    return sqlite3_bind_blob(stmt, at, bytes, (int)strlen(bytes), SQLITE_TRANSIENT);
}

static int bind_row(sqlite3_stmt *stmt, const struct pnd_dump *dump)
{
    json_t *ranges = pnd_dump_ranges_to_json(dump->missing, dump->missing_count);
    char *missing = ranges ? json_dumps(ranges, JSON_COMPACT) : NULL;
    int err = missing ? SQLITE_OK : SQLITE_NOMEM;

    err |= bind_number(stmt, 1, dump->id);
    err |= bind_bytes(stmt, 2, dump->file);
    err |= bind_bytes(stmt, 3, dump->name);
    err |= bind_text(stmt, 4, pnd_dump_state_text(dump->state));
    err |= sqlite3_bind_int(stmt, 5, dump->checked);
    err |= bind_text(stmt, 6, dump->reason);
    err |= bind_text(stmt, 7, dump->format);
    err |= bind_text(stmt, 8, dump->sha256);
    err |= bind_number(stmt, 9, dump->bytes);
    err |= bind_text(stmt, 10, dump->peer);
    err |= bind_number(stmt, 11, dump->peer_port);
    err |= bind_text(stmt, 12, dump->protocol);
    err |= sqlite3_bind_int64(stmt, 13, dump->started_ms);
    err |= sqlite3_bind_int64(stmt, 14, dump->received_ms);
    err |= bind_number(stmt, 15, dump->packets);
    err |= bind_number(stmt, 16, dump->repeats);
    err |= bind_text(stmt, 17, missing ? missing : "[]");
    free(missing);
    json_decref(ranges);
    return err;
}

/* REPLACE runs no trigger: another dump that had this file name takes its facts along here. */
static int drop_namesake(const struct pnd_catalog *catalog, const struct pnd_dump *dump,
                         struct pnd_why *why)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    int err = pnd_db_prepare(catalog, "DELETE FROM dump WHERE file = ?2 AND id <> ?1", &stmt, why);

    if (err)
        return err;
    if (bind_number(stmt, 1, dump->id) || bind_bytes(stmt, 2, dump->file))
        return pnd_db_why(catalog, why, SQLITE_NOMEM, "put dump %" PRIu64, dump->id);
    err = sqlite3_step(stmt);
    return err == SQLITE_DONE ? PND_OK
                              : pnd_db_why(catalog, why, err, "put dump %" PRIu64, dump->id);
}

int pnd_db_put_row(const struct pnd_catalog *catalog, const struct pnd_dump *dump,
                   struct pnd_why *why)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    char sql[512];
    int err = drop_namesake(catalog, dump, why);

    if (err)
        return err;
    assert(dump->id > 0 && dump->id <= INT64_MAX && dump->missing_count <= PND_DUMP_MISSING_CAP);
    snprintf(sql, sizeof(sql),
             "INSERT OR REPLACE INTO dump (%s) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, "
             "?11, ?12, ?13, ?14, ?15, ?16, ?17)",
             pnd_db_columns);
    err = pnd_db_prepare(catalog, sql, &stmt, why);
    if (err)
        return err;
    err = bind_row(stmt, dump);
    if (!err)
        err = sqlite3_step(stmt);
    return err == SQLITE_DONE ? PND_OK
                              : pnd_db_why(catalog, why, err, "put dump %" PRIu64, dump->id);
}

/* ---- the interface ---- */

int pnd_db_last_id(const struct pnd_catalog *catalog, uint64_t *ret, struct pnd_why *why)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    int err =
        pnd_db_prepare(catalog, "SELECT seq FROM sqlite_sequence WHERE name = 'dump'", &stmt, why);

    if (err)
        return err;
    err = sqlite3_step(stmt);
    if (err != SQLITE_ROW && err != SQLITE_DONE)
        return pnd_db_why(catalog, why, err, "ask for the last id");
    *ret = err == SQLITE_ROW ? column_number(stmt, 0) : 0;
    return PND_OK;
}

int pnd_catalog_last_id(struct pnd_catalog *catalog, uint64_t *ret, struct pnd_why *why)
{
    return pnd_db_last_id(catalog, ret, why);
}

int pnd_catalog_put(struct pnd_catalog *catalog, const struct pnd_dump *dumps, size_t count,
                    struct pnd_why *why)
{
    int err = pnd_db_exec(catalog, "BEGIN IMMEDIATE", why);

    if (err)
        return err;
    for (size_t i = 0; i < count && !err; i++)
        err = pnd_db_put_row(catalog, &dumps[i], why);
    if (!err)
        err = pnd_db_exec(catalog, "COMMIT", why);
    if (err)
        sqlite3_exec(catalog->db, "ROLLBACK", NULL, NULL, NULL);
    return err;
}

static int not_found(const struct pnd_catalog *catalog, const char *sel, struct pnd_why *why)
{
    char safe[128];
    uint64_t last = 0;

    if (pnd_db_last_id(catalog, &last, why))
        return PND_E_SYS;
    if (last == 0)
        return pnd_why(why, PND_E_NOTFOUND, 0,
                       "no dump has been received in %s yet; type: panicctl status",
                       catalog->directory);
    return pnd_why(why, PND_E_NOTFOUND, 0, "no dump \"%s\" in %s; type: panicctl list",
                   pnd_text_escape(safe, sizeof(safe), sel, strlen(sel)), catalog->directory);
}

/* @p where  the rest of the SELECT, its ?1 and ?2 are @p number and @p text (NULL: none)
 * @return PND_OK; PND_E_NOTFOUND (why is untouched); else as pnd_db_why() */
static int select_one(const struct pnd_catalog *catalog, const char *where, uint64_t number,
                      const char *text, struct pnd_dump *ret, struct pnd_why *why)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    char sql[512];
    int err;

    snprintf(sql, sizeof(sql), "SELECT %s FROM dump %s LIMIT 1", pnd_db_columns, where);
    err = pnd_db_prepare(catalog, sql, &stmt, why);
    if (err)
        return err;
    if (bind_number(stmt, 1, number) || (text && bind_bytes(stmt, 2, text)))
        return pnd_db_why(catalog, why, SQLITE_NOMEM, "read the catalog");
    err = sqlite3_step(stmt);
    if (err == SQLITE_DONE)
        return PND_E_NOTFOUND;
    if (err != SQLITE_ROW)
        return pnd_db_why(catalog, why, err, "read the catalog");
    pnd_db_read_row(stmt, ret);
    return PND_OK;
}

int pnd_catalog_find(struct pnd_catalog *catalog, const char *sel, struct pnd_dump *ret,
                     struct pnd_why *why)
{
    uint64_t id;
    int err = PND_E_NOTFOUND;

    if (strcmp(sel, "latest") == 0)
        err = select_one(catalog, "WHERE id > ?1 ORDER BY id DESC", 0, NULL, ret, why);
    else if (pnd_text_parse_uint(sel, &id) == PND_OK)
        err = select_one(catalog, "WHERE id = ?1", id, NULL, ret, why);
    if (err == PND_E_NOTFOUND)
        err = select_one(catalog,
                         "WHERE id > ?1 AND (file = ?2 OR name = ?2 OR "
                         "file = CAST(?2 || '.incomplete' AS BLOB)) ORDER BY id DESC",
                         0, sel, ret, why);
    return err == PND_E_NOTFOUND ? not_found(catalog, sel, why) : err;
}

int pnd_catalog_each(struct pnd_catalog *catalog, bool unchecked_only,
                     bool (*each)(const struct pnd_dump *dump, void *ctx), void *ctx,
                     struct pnd_why *why)
{
    struct pnd_dump dump = {0};
    int err;

    /* a question per row, so that nothing is held while the callback does what it likes */
    do {
        err = select_one(catalog,
                         unchecked_only ? "WHERE id > ?1 AND checked = 0 ORDER BY id"
                                        : "WHERE id > ?1 ORDER BY id",
                         dump.id, NULL, &dump, why);
    } while (!err && each(&dump, ctx));
    return err == PND_E_NOTFOUND ? PND_OK : err;
}

static int remove_row(const struct pnd_catalog *catalog, uint64_t id, const int64_t *received_ms,
                      struct pnd_why *why)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    int err = pnd_db_prepare(catalog,
                             received_ms ? "DELETE FROM dump WHERE id = ?1 AND received_ms = ?2"
                                         : "DELETE FROM dump WHERE id = ?1",
                             &stmt, why);

    if (err)
        return err;
    err = bind_number(stmt, 1, id);
    if (!err && received_ms)
        err = sqlite3_bind_int64(stmt, 2, *received_ms);
    if (!err)
        err = sqlite3_step(stmt);
    if (err != SQLITE_DONE)
        return pnd_db_why(catalog, why, err, "remove dump %" PRIu64, id);
    return sqlite3_changes(catalog->db)
               ? PND_OK
               : pnd_why(why, PND_E_NOTFOUND, 0, "no dump %" PRIu64 " in %s; type: panicctl list",
                         id, catalog->directory);
}

int pnd_catalog_remove(struct pnd_catalog *catalog, uint64_t id, struct pnd_why *why)
{
    return remove_row(catalog, id, NULL, why);
}

int pnd_catalog_forget(struct pnd_catalog *catalog, const struct pnd_dump *dump,
                       struct pnd_why *why)
{
    return remove_row(catalog, dump->id, &dump->received_ms, why);
}
