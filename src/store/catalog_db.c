/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The catalog's file: opened whatever state it is in, and of the version that this program knows.
 */
#include "store/catalog_db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host/guard.h"

enum {
    BUSY_MS = 5000,
    BUSY_STEP_MS = 20,
    PATH_BYTES_MAX = 500, /* SQLite's own limit is 512 */
};

static const char db_name[] = "catalog.db";

/* What takes the schema from version i to i + 1: once shipped, a row never changes. */
static const char *const migrations[] = {
    "CREATE TABLE dump ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT CHECK (id > 0),"
    " file BLOB NOT NULL UNIQUE," /* bytes, not text: nothing says that a name is UTF-8 */
    " name BLOB NOT NULL,"
    " state TEXT NOT NULL CHECK (state IN ('receiving', 'complete', 'incomplete')),"
    " checked INTEGER NOT NULL CHECK (checked IN (0, 1)),"
    " reason TEXT NOT NULL,"
    " format TEXT NOT NULL,"
    " sha256 TEXT NOT NULL,"
    " bytes INTEGER NOT NULL,"
    " peer TEXT NOT NULL,"
    " peer_port INTEGER NOT NULL,"
    " protocol TEXT NOT NULL,"
    " started_ms INTEGER NOT NULL,"
    " received_ms INTEGER NOT NULL,"
    " packets INTEGER NOT NULL,"
    " repeats INTEGER NOT NULL,"
    " missing TEXT NOT NULL" /* JSON: [{"start":0,"end":512}, ...] */
    ") STRICT;"
    "CREATE INDEX dump_by_name ON dump (name);"
    "CREATE INDEX dump_unchecked ON dump (id) WHERE checked = 0;",

    /* Facts may be there before their dump's row is, so nothing refers to it; they go with it. A
     * text is packed by zlib when its blob is shorter than it says. */
    "CREATE TABLE facts ("
    " dump INTEGER PRIMARY KEY,"
    " final INTEGER NOT NULL CHECK (final IN (0, 1)),"
    " signature TEXT NOT NULL," /* '': nothing to group by */
    " signature_version INTEGER NOT NULL,"
    " title TEXT NOT NULL,"
    " os TEXT NOT NULL,"
    " kernel TEXT NOT NULL,"
    " host TEXT NOT NULL,"
    " json_bytes INTEGER NOT NULL,"
    " json BLOB NOT NULL" /* last: what is before it is read without it */
    ") STRICT;"
    "CREATE TABLE facts_log ("
    " dump INTEGER PRIMARY KEY,"
    " log_bytes INTEGER NOT NULL,"
    " log BLOB NOT NULL"
    ") STRICT;"
    /* One for each dump that ever belonged to a group: this is what stays of it. */
    "CREATE TABLE sighting ("
    " dump INTEGER PRIMARY KEY,"
    " signature TEXT NOT NULL,"
    " title TEXT NOT NULL,"
    " seen_ms INTEGER NOT NULL,"
    " machine TEXT NOT NULL,"
    " kernel TEXT NOT NULL"
    ") STRICT;"
    "CREATE INDEX sighting_by_signature ON sighting (signature, seen_ms, dump);"
    "CREATE TABLE note ("
    " signature TEXT PRIMARY KEY,"
    " text TEXT NOT NULL,"
    " changed_ms INTEGER NOT NULL"
    ") STRICT;"
    "CREATE TRIGGER facts_go_with_their_dump AFTER DELETE ON dump BEGIN"
    " DELETE FROM facts WHERE dump = OLD.id;"
    " END;"
    "CREATE TRIGGER log_goes_with_the_facts AFTER DELETE ON facts BEGIN"
    " DELETE FROM facts_log WHERE dump = OLD.dump;"
    " END;",
};

enum { SCHEMA_VERSION = sizeof(migrations) / sizeof(migrations[0]) };

int pnd_db_why(const struct pnd_catalog *catalog, struct pnd_why *why, int err, const char *fmt,
               ...)
{
    char what[256];
    int errnum = catalog->db ? sqlite3_system_errno(catalog->db) : 0, code = PND_E_SYS;
    const char *words = catalog->db ? sqlite3_errmsg(catalog->db) : sqlite3_errstr(err);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    switch (err & 0xff) {
    case SQLITE_FULL:
        code = PND_E_NOSPACE;
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return pnd_why(why, PND_E_BUSY, 0, "%s: another program has held it for %d s", what,
                       BUSY_MS / 1000);
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        code = PND_E_FORMAT;
        break;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        if (errnum == ENOSPC || errnum == EDQUOT)
            code = PND_E_NOSPACE;
        return pnd_why(why, code, errnum, "%s: %s", what, words);
    default:
        break;
    }
    return pnd_why(why, code, 0, "%s: %s", what, words);
}

int pnd_db_exec(const struct pnd_catalog *catalog, const char *sql, struct pnd_why *why)
{
    int err = sqlite3_exec(catalog->db, sql, NULL, NULL, NULL);

    return err ? pnd_db_why(catalog, why, err, "catalog") : PND_OK;
}

int pnd_db_prepare(const struct pnd_catalog *catalog, const char *sql, sqlite3_stmt **ret,
                   struct pnd_why *why)
{
    int err = sqlite3_prepare_v2(catalog->db, sql, -1, ret, NULL);

    return err ? pnd_db_why(catalog, why, err, "catalog") : PND_OK;
}

/* One integer of the first row. */
static int query_number(const struct pnd_catalog *catalog, const char *sql, int64_t *ret,
                        struct pnd_why *why)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    int err = pnd_db_prepare(catalog, sql, &stmt, why);

    if (err)
        return err;
    err = sqlite3_step(stmt);
    if (err != SQLITE_ROW)
        return pnd_db_why(catalog, why, err, "catalog");
    *ret = sqlite3_column_int64(stmt, 0);
    return PND_OK;
}

/* Damage that would show later, in the middle of something, shows here. */
static int check_pages(const struct pnd_catalog *catalog, struct pnd_why *why)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    int err = pnd_db_prepare(catalog, "PRAGMA quick_check(1)", &stmt, why);

    if (err)
        return err;
    err = sqlite3_step(stmt);
    if (err != SQLITE_ROW)
        return pnd_db_why(catalog, why, err, "catalog");
    if (strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") != 0)
        return pnd_why(why, PND_E_FORMAT, 0, "catalog: %s",
                       (const char *)sqlite3_column_text(stmt, 0));
    return PND_OK;
}

static int check_version(const struct pnd_catalog *catalog, bool readonly, int64_t *ret,
                         struct pnd_why *why)
{
    int err = query_number(catalog, "PRAGMA user_version", ret, why);

    if (err)
        return err;
    if (*ret > SCHEMA_VERSION)
        return pnd_why(why, PND_E_SYS, 0,
                       "the catalog of %s is of a newer panicd (schema %d, this one knows %d): use "
                       "that one",
                       catalog->directory, (int)*ret, (int)SCHEMA_VERSION);
    if (readonly && *ret == 0)
        return pnd_why(why, PND_E_NOTFOUND, 0, "the catalog of %s is still empty",
                       catalog->directory);
    return PND_OK; /* an older one can be read: it has less to say */
}

static int migrate(struct pnd_catalog *catalog, bool *ret_fresh, struct pnd_why *why)
{
    int64_t version = 0;
    char set[64];
    int err = pnd_db_exec(catalog, "BEGIN IMMEDIATE", why);

    if (err)
        return err;
    err = check_version(catalog, false, &version, why);
    *ret_fresh = !err && version == 0;
    for (; !err && version < SCHEMA_VERSION; version++)
        err = pnd_db_exec(catalog, migrations[version], why);
    snprintf(set, sizeof(set), "PRAGMA user_version = %d", (int)SCHEMA_VERSION);
    if (!err)
        err = pnd_db_exec(catalog, set, why);
    if (!err)
        err = pnd_db_exec(catalog, "COMMIT", why);
    if (err)
        sqlite3_exec(catalog->db, "ROLLBACK", NULL, NULL, NULL);
    catalog->schema = SCHEMA_VERSION;
    return err;
}

static int db_path(const struct pnd_spool *spool, char ret[PATH_BYTES_MAX], struct pnd_why *why)
{
    int len = snprintf(ret, PATH_BYTES_MAX, "%s/.panicd/%s", spool->path, db_name);

    if (len < 0 || len >= PATH_BYTES_MAX)
        return pnd_why(why, PND_E_SYS, ENAMETOOLONG,
                       "open the catalog of %.100s... (SQLite allows %d bytes)", spool->path,
                       PATH_BYTES_MAX);
    return PND_OK;
}

/* SQLite would create it readable by all. An existing one is not opened here: closing any
 * descriptor of it would release the locks of this process's other handles. */
static int create_private(const struct pnd_spool *spool, bool readonly, struct pnd_why *why)
{
    struct stat st;

    if (fstatat(spool->state_fd, db_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return S_ISREG(st.st_mode)
                   ? PND_OK
                   : pnd_why(why, PND_E_SYS, 0, "%s/.panicd/%s is no file", spool->path, db_name);
    if (errno == ENOENT && readonly)
        return pnd_why(why, PND_E_NOTFOUND, 0, "%s has no catalog", spool->path);
    if (errno != ENOENT)
        return pnd_why(why, PND_E_SYS, errno, "look at %s/.panicd/%s", spool->path, db_name);
    PND_AUTO_CLOSE int fd =
        openat(spool->state_fd, db_name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST)
        return pnd_why(why, errno == ENOSPC || errno == EDQUOT ? PND_E_NOSPACE : PND_E_SYS, errno,
                       "create %s/.panicd/%s", spool->path, db_name);
    if (fd >= 0)
        (void)pnd_spool_give(spool, fd);
    return PND_OK;
}

/* SQLite does not wait when two programs meet in this step (each holds what the other needs); so
 * it is tried again. Where the file system has no shared memory, the rollback journal stays, which
 * is as safe. */
static int use_wal(const struct pnd_catalog *catalog, struct pnd_why *why)
{
    int err = PND_E_BUSY;

    for (int waited_ms = 0; err == PND_E_BUSY && waited_ms < BUSY_MS; waited_ms += BUSY_STEP_MS) {
        if (waited_ms)
            nanosleep(&(struct timespec){.tv_nsec = BUSY_STEP_MS * 1000000}, NULL);
        err = pnd_db_exec(catalog, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", why);
    }
    return err;
}

static int open_writable(struct pnd_catalog *catalog, const struct pnd_spool *spool,
                         bool *ret_fresh, struct pnd_why *why)
{
    char path[PATH_BYTES_MAX];
    int err = db_path(spool, path, why);

    if (!err)
        err = create_private(spool, false, why);
    if (err)
        return err;
    err = sqlite3_open_v2(path, &catalog->db, SQLITE_OPEN_READWRITE, NULL);
    if (err)
        return pnd_db_why(catalog, why, err, "open %s", path);
    sqlite3_extended_result_codes(catalog->db, 1);
    sqlite3_busy_timeout(catalog->db, BUSY_MS);
    err = use_wal(catalog, why);
    if (!err)
        err = check_pages(catalog, why);
    if (!err)
        err = migrate(catalog, ret_fresh, why);
    if (!err && *ret_fresh && (fsync(spool->state_fd) < 0 || fsync(spool->dir_fd) < 0))
        err = pnd_why(why, PND_E_SYS, errno, "write %s/.panicd to the disk", spool->path);
    return err;
}

static int set_aside(const struct pnd_spool *spool, struct pnd_why *why)
{
    char bad[64], bad_wal[80];
    time_t now = time(NULL);
    struct tm tm;

    if (!gmtime_r(&now, &tm))
        return pnd_why(why, PND_E_SYS, errno, "tell the time");
    strftime(bad, sizeof(bad), "catalog.db.bad-%Y%m%dT%H%M%SZ", &tm);
    snprintf(bad_wal, sizeof(bad_wal), "%s-wal", bad);
    if (renameat(spool->state_fd, db_name, spool->state_fd, bad) < 0)
        return pnd_why(why, PND_E_SYS, errno, "set the damaged catalog of %s aside", spool->path);
    /* a log left behind would be applied to the new file */
    if ((renameat(spool->state_fd, "catalog.db-wal", spool->state_fd, bad_wal) < 0 &&
         errno != ENOENT) ||
        (unlinkat(spool->state_fd, "catalog.db-shm", 0) < 0 && errno != ENOENT))
        return pnd_why(why, PND_E_SYS, errno, "set the damaged catalog of %s aside", spool->path);
    return PND_OK;
}

/* file: URI with everything escaped that means something in one. */
static void uri_of(const char *path, const char *query, char *ret, size_t cap)
{
    size_t len = (size_t)snprintf(ret, cap, "file:");

    for (; *path && len + 4 < cap; path++) {
        bool plain = (*path >= 'a' && *path <= 'z') || (*path >= 'A' && *path <= 'Z') ||
                     (*path >= '0' && *path <= '9') || strchr("/._-", *path);

        len += (size_t)snprintf(ret + len, cap - len, plain ? "%c" : "%%%02x",
                                plain ? *path : (uint8_t)*path);
    }
    snprintf(ret + len, cap - len, "?%s", query);
}

static int open_uri(struct pnd_catalog *catalog, const char *path, const char *query, bool alone,
                    struct pnd_why *why)
{
    char uri[3 * PATH_BYTES_MAX + 64];
    int err;

    sqlite3_close(catalog->db);
    catalog->db = NULL;
    uri_of(path, query, uri, sizeof(uri));
    err = sqlite3_open_v2(uri, &catalog->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
    if (err)
        return pnd_db_why(catalog, why, err, "open %s", path);
    sqlite3_extended_result_codes(catalog->db, 1);
    sqlite3_busy_timeout(catalog->db, BUSY_MS);
    if (alone)
        sqlite3_exec(catalog->db, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL);
    return check_version(catalog, true, &catalog->schema, why);
}

static int open_readonly(struct pnd_catalog *catalog, const struct pnd_spool *spool,
                         struct pnd_why *why)
{
    char path[PATH_BYTES_MAX];
    int err = db_path(spool, path, why);

    if (!err)
        err = create_private(spool, true, why);
    if (err)
        return err;
    err = open_uri(catalog, path, "mode=ro", false, why);
    if (err != PND_E_SYS)
        return err;
    /* A place where we may not create the files that readers share: nobody writes there either,
     * or they would be there. So it can be read without locks; with its log, if one is left;
     * without a log there is only the file. */
    err = open_uri(catalog, path, "mode=ro&vfs=unix-none", true, why);
    if (err == PND_E_SYS)
        err = open_uri(catalog, path, "mode=ro&immutable=1", false, why);
    return err;
}

int pnd_db_open(struct pnd_catalog *catalog, const struct pnd_spool *spool, bool readonly,
                bool *ret_fresh, struct pnd_why *why)
{
    int err;

    *ret_fresh = false;
    snprintf(catalog->directory, sizeof(catalog->directory), "%s", spool->path);
    err = readonly ? open_readonly(catalog, spool, why)
                   : open_writable(catalog, spool, ret_fresh, why);
    if (err != PND_E_FORMAT)
        return err;
    if (readonly || spool->lock_fd < 0) /* only the server may take it from under the others */
        return pnd_why_add(
            why, err, "the catalog of %s is damaged; start panicd, which rebuilds it", spool->path);
    sqlite3_close(catalog->db);
    catalog->db = NULL;
    err = set_aside(spool, why);
    if (!err)
        err = open_writable(catalog, spool, ret_fresh, why);
    return err;
}
