/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The queue's file: opened, made, locked; see queue.h. */
#include "message/queue_db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/guard.h"

enum { BUSY_MS = 5000, VERSION = 1, PATH_BYTES_MAX = 500 };

static const char file[] = "messages.db", lock_file[] = "messages.lock";

/* What was told, about which dump; what waits; what is gathered; how each channel does. */
static const char schema[] =
    "CREATE TABLE own (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;"
    "CREATE TABLE told ("
    " kind TEXT NOT NULL, dump INTEGER NOT NULL, at_ms INTEGER NOT NULL, told_ms INTEGER NOT NULL,"
    " PRIMARY KEY (dump, kind, at_ms)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE arriving (dump INTEGER PRIMARY KEY, fields TEXT NOT NULL) STRICT;"
    "CREATE TABLE message ("
    " number INTEGER PRIMARY KEY AUTOINCREMENT,"
    " channel TEXT NOT NULL, id TEXT NOT NULL, test INTEGER NOT NULL, created_ms INTEGER NOT NULL,"
    " expires_ms INTEGER NOT NULL, attempts INTEGER NOT NULL, next_ms INTEGER NOT NULL,"
    " fields TEXT NOT NULL"
    ") STRICT;"
    "CREATE INDEX message_by_channel ON message (channel, number);"
    "CREATE TABLE gathered (" /* count 0: the first has just been told */
    " channel TEXT NOT NULL, key TEXT NOT NULL, until_ms INTEGER NOT NULL, count INTEGER NOT NULL,"
    " since_ms INTEGER NOT NULL, id TEXT NOT NULL, ids TEXT NOT NULL, machines TEXT NOT NULL,"
    " fields TEXT NOT NULL, PRIMARY KEY (channel, key)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE channel ("
    " name TEXT PRIMARY KEY, way TEXT NOT NULL, target TEXT NOT NULL,"
    " sent INTEGER NOT NULL DEFAULT 0, refused INTEGER NOT NULL DEFAULT 0,"
    " lost INTEGER NOT NULL DEFAULT 0, sent_ms INTEGER NOT NULL DEFAULT 0,"
    " failing_ms INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '',"
    " low INTEGER NOT NULL DEFAULT 0" /* little room has been told */
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE answer ("
    " id TEXT PRIMARY KEY, sent INTEGER NOT NULL, said TEXT NOT NULL, at_ms INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "PRAGMA user_version = 1;";

static int bind_all(const struct pnd_queue *queue, sqlite3_stmt **ret, struct pnd_why *why,
                    const char *sql, const char *types, va_list ap)
{
    int err = pnd_db_prepare(&queue->db, sql, ret, why);

    for (int at = 1; !err && types[at - 1]; at++) {
        const char *text;
        char *json;

        switch (types[at - 1]) {
        case 'i':
            sqlite3_bind_int64(*ret, at, va_arg(ap, int64_t));
            break;
        case 's':
            text = va_arg(ap, const char *);
            sqlite3_bind_text(*ret, at, text, -1, SQLITE_TRANSIENT);
            break;
        default:
            json = json_dumps(va_arg(ap, const json_t *), JSON_COMPACT);
            sqlite3_bind_text(*ret, at, json, -1, free); /* without memory it is NULL: not taken */
        }
    }
    return err;
}

int pnd_queue_bind(const struct pnd_queue *queue, sqlite3_stmt **ret, struct pnd_why *why,
                   const char *sql, const char *types, ...)
{
    va_list ap;
    int err;

    va_start(ap, types);
    err = bind_all(queue, ret, why, sql, types, ap);
    va_end(ap);
    return err;
}

int pnd_queue_step(const struct pnd_queue *queue, sqlite3_stmt *stmt, struct pnd_why *why)
{
    int got = sqlite3_step(stmt);

    if (got == SQLITE_ROW)
        return PND_OK;
    return got == SQLITE_DONE ? PND_E_NOTFOUND
                              : pnd_db_why(&queue->db, why, got, "the queue of messages");
}

int pnd_queue_run(const struct pnd_queue *queue, struct pnd_why *why, const char *sql,
                  const char *types, ...)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    va_list ap;
    int err;

    va_start(ap, types);
    err = bind_all(queue, &stmt, why, sql, types, ap);
    va_end(ap);
    while (!err)
        err = pnd_queue_step(queue, stmt, why);
    return err == PND_E_NOTFOUND ? PND_OK : err;
}

int pnd_queue_number(const struct pnd_queue *queue, int64_t otherwise, int64_t *ret,
                     struct pnd_why *why, const char *sql, const char *types, ...)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    va_list ap;
    int err;

    va_start(ap, types);
    err = bind_all(queue, &stmt, why, sql, types, ap);
    va_end(ap);
    if (!err)
        err = pnd_queue_step(queue, stmt, why);
    if (err && err != PND_E_NOTFOUND)
        return err;
    *ret = err || sqlite3_column_type(stmt, 0) == SQLITE_NULL ? otherwise
                                                              : sqlite3_column_int64(stmt, 0);
    return PND_OK;
}

json_t *pnd_queue_column_json(sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);

    return text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
}

static int exec(struct pnd_queue *queue, const char *sql, struct pnd_why *why)
{
    int err = sqlite3_exec(queue->db.db, sql, NULL, NULL, NULL);

    return err ? pnd_db_why(&queue->db, why, err, "the queue of messages") : PND_OK;
}

/* ---- the file ---- */

static int make_instance(struct pnd_queue *queue, struct pnd_why *why)
{
    uint8_t random[8];

    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return pnd_why(why, PND_E_SYS, errno, "random numbers");
    for (size_t i = 0; i < sizeof(random); i++)
        snprintf(queue->instance + 2 * i, 3, "%02x", random[i]);
    return pnd_queue_run(queue, why, "INSERT INTO own VALUES ('instance', ?1)", "s",
                         queue->instance);
}

static int make(struct pnd_queue *queue, struct pnd_why *why)
{
    int err = exec(queue, "BEGIN IMMEDIATE", why);

    if (!err)
        err = exec(queue, schema, why);
    if (!err)
        err = make_instance(queue, why);
    if (!err)
        err = exec(queue, "COMMIT", why);
    return err;
}

static int read_instance(struct pnd_queue *queue, struct pnd_why *why)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    int err = pnd_queue_bind(queue, &stmt, why, "SELECT value FROM own WHERE key = 'instance'", "");

    if (!err)
        err = pnd_queue_step(queue, stmt, why);
    if (!err)
        pnd_db_column_text(stmt, 0, queue->instance, sizeof(queue->instance));
    return err == PND_E_NOTFOUND ? pnd_why(why, PND_E_FORMAT, 0, "the queue has no name") : err;
}

static int open_once(struct pnd_queue *queue, const char *path, bool existing, bool *ret_fresh,
                     struct pnd_why *why)
{
    int flags = SQLITE_OPEN_READWRITE | (existing ? 0 : SQLITE_OPEN_CREATE);
    int err = sqlite3_open_v2(path, &queue->db.db, flags, NULL);
    int64_t version = 0;

    if (err && existing && access(path, F_OK) < 0 && errno == ENOENT)
        return pnd_why(why, PND_E_NOTFOUND, 0, "no messages are sent for this directory");
    if (err)
        return pnd_db_why(&queue->db, why, err, "open .panicd/%s", file);
    sqlite3_extended_result_codes(queue->db.db, 1);
    sqlite3_busy_timeout(queue->db.db, BUSY_MS);
    err = exec(queue,
               "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
               "PRAGMA journal_size_limit = 4194304; PRAGMA temp_store = MEMORY;",
               why);
    if (!err)
        err = pnd_queue_number(queue, 0, &version, why, "PRAGMA user_version", "");
    if (!err && version > VERSION)
        return pnd_why(why, PND_E_SYS, 0, ".panicd/%s was made by a newer panicd", file);
    *ret_fresh = !err && version == 0;
    if (*ret_fresh && existing)
        return pnd_why(why, PND_E_NOTFOUND, 0, "no messages are sent for this directory");
    if (*ret_fresh)
        return make(queue, why);
    return err ? err : read_instance(queue, why);
}

static void set_aside(const struct pnd_spool *spool)
{
    char wal[32], shm[32], bad[32];

    snprintf(wal, sizeof(wal), "%s-wal", file);
    snprintf(shm, sizeof(shm), "%s-shm", file);
    snprintf(bad, sizeof(bad), "%s.bad", file);
    renameat(spool->state_fd, file, spool->state_fd, bad);
    unlinkat(spool->state_fd, wal, 0);
    unlinkat(spool->state_fd, shm, 0);
}

int pnd_queue_open(const struct pnd_spool *spool, bool existing, struct pnd_queue **ret,
                   bool *ret_fresh, struct pnd_why *why)
{
    struct pnd_queue *queue = calloc(1, sizeof(*queue));
    char path[sizeof(spool->path) + 32];
    mode_t before = umask(077);
    bool fresh = false;
    int err;

    if (!queue)
        return pnd_why(why, PND_E_SYS, ENOMEM, "queue of messages");
    snprintf(queue->db.directory, sizeof(queue->db.directory), "%s", spool->path);
    snprintf(path, sizeof(path), "%s/.panicd/%s", spool->path, file);
    err = strlen(path) > PATH_BYTES_MAX
              ? pnd_why(why, PND_E_NAME, 0, "%s is too long a path", spool->path)
              : open_once(queue, path, existing, &fresh, why);
    if (err == PND_E_FORMAT && !existing) {
        sqlite3_close(queue->db.db);
        queue->db.db = NULL;
        set_aside(spool);
        err = open_once(queue, path, false, &fresh, why);
    }
    umask(before);
    if (err) {
        pnd_queue_close(queue);
        return err;
    }
    if (ret_fresh)
        *ret_fresh = fresh;
    *ret = queue;
    return PND_OK;
}

void pnd_queue_close(struct pnd_queue *queue)
{
    if (!queue)
        return;
    sqlite3_close(queue->db.db);
    free(queue);
}

int pnd_queue_begin(struct pnd_queue *queue, struct pnd_why *why)
{
    return exec(queue, "BEGIN IMMEDIATE", why);
}

int pnd_queue_commit(struct pnd_queue *queue, struct pnd_why *why)
{
    return exec(queue, "COMMIT", why);
}

void pnd_queue_rollback(struct pnd_queue *queue)
{
    sqlite3_exec(queue->db.db, "ROLLBACK", NULL, NULL, NULL);
}

int64_t pnd_queue_version(struct pnd_queue *queue)
{
    int64_t version = 0;

    (void)pnd_queue_number(queue, 0, &version, NULL, "PRAGMA data_version", "");
    return version;
}

/* ---- who serves it ---- */

int pnd_queue_lock(const struct pnd_spool *spool, struct pnd_why *why)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    PND_AUTO_CLOSE int fd =
        openat(spool->state_fd, lock_file, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0)
        return pnd_why(why, PND_E_SYS, errno, "make .panicd/%s", lock_file);
    if (fcntl(fd, F_SETLK, &lock) < 0)
        return pnd_why(why, errno == EACCES || errno == EAGAIN ? PND_E_BUSY : PND_E_SYS, errno,
                       "lock .panicd/%s", lock_file);
    return pnd_steal_fd(&fd);
}

/* The file is made once, and never written. */
int64_t pnd_queue_since(const struct pnd_spool *spool)
{
    PND_AUTO_CLOSE int fd =
        openat(spool->state_fd, lock_file, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return pnd_clock_wall_ms();
    return (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
}

bool pnd_queue_served(const struct pnd_spool *spool)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    PND_AUTO_CLOSE int fd =
        openat(spool->state_fd, lock_file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0600);

    return fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}
