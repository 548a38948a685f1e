/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The directory is the truth: rows follow the files. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/guard.h"
#include "store/beside.h"
#include "store/catalog_db.h"
#include "store/dump_json.h"
#include "store/savecore.h"

struct pass {
    struct pnd_catalog *catalog;
    const struct pnd_spool *spool;
    DIR *dir;
    bool (*live)(const char *part_file, void *ctx);
    void *ctx;
    uint64_t next_id;
    unsigned changed;
    struct pnd_why *why;
};

static const char part_suffix[] = ".part", incomplete_suffix[] = ".incomplete";

static bool ends_in(const char *text, const char *suffix)
{
    size_t len = strlen(text), suffix_len = strlen(suffix);

    return len > suffix_len && strcmp(text + len - suffix_len, suffix) == 0;
}

/* A directory that was somebody's before it became a spool: only what is named like a dump is
 * taken for one, so that "panicd ~/Downloads" leaves the downloads alone. */
static bool may_be_dump(const struct pnd_spool *spool, const char *file)
{
    static const char *const prefixes[] = {"core-",  "paniclog-",    "systemlog-",  "unnamed-",
                                           "vmcore", "textdump.tar", "panicd-test-"};

    if (!spool->foreign)
        return true;
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        if (strncmp(file, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

static int list_open(struct pass *pass)
{
    PND_AUTO_CLOSE int fd = openat(pass->spool->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    pass->dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!pass->dir)
        return pnd_why(pass->why, PND_E_SYS, errno, "list %s", pass->spool->path);
    pnd_steal_fd(&fd);
    return PND_OK;
}

/* The next regular file that may be a dump. @return PND_OK; PND_E_NOTFOUND the end; PND_E_SYS */
static int list_next(struct pass *pass, char ret[PND_SPOOL_NAME_CAP], struct stat *ret_st)
{
    for (;;) {
        const struct dirent *entry;

        errno = 0;
        entry = readdir(pass->dir);
        if (!entry)
            return errno ? pnd_why(pass->why, PND_E_SYS, errno, "list %s", pass->spool->path)
                         : PND_E_NOTFOUND;
        if (entry->d_name[0] == '.' || strlen(entry->d_name) >= PND_SPOOL_NAME_CAP ||
            pnd_beside_is(entry->d_name) || pnd_savecore_is_beside(entry->d_name))
            continue;
        if (fstatat(pass->spool->dir_fd, entry->d_name, ret_st, AT_SYMLINK_NOFOLLOW) < 0) {
            if (errno == ENOENT) /* gone meanwhile */
                continue;
            return pnd_why(pass->why, PND_E_SYS, errno, "look at %.64s", entry->d_name);
        }
        if (!S_ISREG(ret_st->st_mode))
            continue;
        memcpy(ret, entry->d_name, strlen(entry->d_name) + 1);
        return PND_OK;
    }
}

static int abandon_orphans(struct pass *pass)
{
    char file[PND_SPOOL_NAME_CAP];
    struct stat st = {0};
    bool any = false;
    int err;

    rewinddir(pass->dir);
    while ((err = list_next(pass, file, &st)) == PND_OK) {
        if (!ends_in(file, part_suffix) || !may_be_dump(pass->spool, file) ||
            (pass->live && pass->live(file, pass->ctx)))
            continue;
        file[strlen(file) - strlen(part_suffix)] = '\0';
        err = pnd_spool_abandon(pass->spool, -1, false, file, pass->why);
        if (err)
            return err;
        any = true;
    }
    if (err != PND_E_NOTFOUND)
        return err;
    return any ? pnd_spool_sync(pass->spool, pass->why) : PND_OK;
}

static int remove_rows_without_file(struct pass *pass)
{
    PND_AUTO_STMT sqlite3_stmt *rows = NULL;
    char file[PND_SPOOL_NAME_CAP];
    struct stat st = {0};
    int err =
        pnd_db_prepare(pass->catalog, "SELECT id, file FROM dump ORDER BY id", &rows, pass->why);

    if (err)
        return err;
    while ((err = sqlite3_step(rows)) == SQLITE_ROW) {
        uint64_t id = (uint64_t)sqlite3_column_int64(rows, 0);
        const void *bytes = sqlite3_column_blob(rows, 1);
        size_t len = (size_t)sqlite3_column_bytes(rows, 1);

        snprintf(file, sizeof(file), "%.*s", (int)len, len ? (const char *)bytes : "");
        errno = 0;
        if (*file && fstatat(pass->spool->dir_fd, file, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode))
            continue;
        if (*file && errno != ENOENT && errno != 0)
            return pnd_why(pass->why, PND_E_SYS, errno, "look at dump %" PRIu64, id);
        err = pnd_catalog_remove(pass->catalog, id, pass->why);
        if (err)
            return err;
        pass->changed++;
    }
    return err == SQLITE_DONE ? PND_OK
                              : pnd_db_why(pass->catalog, pass->why, err, "read the catalog");
}

/* @return 1 there is a row, 0 none, or an error */
static int has_row(const struct pass *pass, const char *where, const char *file, uint64_t id)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    int err = pnd_db_prepare(pass->catalog, where, &stmt, pass->why);

    if (err)
        return err;
    err = file ? sqlite3_bind_blob(stmt, 1, file, (int)strlen(file), SQLITE_STATIC)
               : sqlite3_bind_int64(stmt, 1, (int64_t)id);
    if (!err)
        err = sqlite3_step(stmt);
    if (err == SQLITE_ROW || err == SQLITE_DONE)
        return err == SQLITE_ROW;
    return pnd_db_why(pass->catalog, pass->why, err, "read the catalog");
}

/* A row from nothing but the file. */
static void row_from_file(const char *file, const struct stat *st, struct pnd_dump *ret)
{
    struct pnd_dump out = {
        .bytes = (uint64_t)st->st_size,
        .started_ms = (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000,
    };

    out.received_ms = out.started_ms;
    memcpy(out.file, file, strlen(file) + 1);
    memcpy(out.name, file, strlen(file) + 1);
    if (ends_in(file, incomplete_suffix)) {
        out.name[strlen(file) - strlen(incomplete_suffix)] = '\0';
        out.state = PND_DUMP_INCOMPLETE;
        snprintf(out.reason, sizeof(out.reason), "the server ended before the dump did");
    }
    *ret = out;
}

/* What the label says, as far as the file's name and size bear it out: the name is changed
 * before the label is. */
static void believe_file(const char *file, const struct stat *st, struct pnd_dump *dump)
{
    struct pnd_dump bare;
    bool same_state;

    row_from_file(file, st, &bare);
    same_state = (bare.state == PND_DUMP_INCOMPLETE) == (dump->state == PND_DUMP_INCOMPLETE);
    if (!same_state || dump->bytes != bare.bytes) {
        dump->checked = false;
        dump->sha256[0] = dump->format[0] = '\0';
        dump->missing_count = 0;
        dump->state = bare.state;
    }
    if (!dump->checked && dump->state == PND_DUMP_COMPLETE)
        dump->state = PND_DUMP_RECEIVING;
    if (dump->state != PND_DUMP_INCOMPLETE)
        dump->reason[0] = '\0';
    else if (!dump->reason[0])
        memcpy(dump->reason, bare.reason, sizeof(dump->reason));
    dump->bytes = bare.bytes;
    if (!dump->received_ms)
        dump->received_ms = bare.received_ms;
}

static int add_file(struct pass *pass, const char *file, const struct stat *st, bool labelled)
{
    struct pnd_dump dump;
    int taken;
    PND_AUTO_CLOSE int fd = pnd_spool_open_file(pass->spool, file);

    row_from_file(file, st, &dump);
    if (fd < 0 || pnd_dump_read_label(fd, &dump) != PND_OK) {
        if (labelled || !may_be_dump(pass->spool, file)) /* labels have their turn first */
            return PND_OK;
        dump.id = 0;
    } else {
        believe_file(file, st, &dump);
    }
    taken = dump.id ? has_row(pass, "SELECT 1 FROM dump WHERE id = ?1", NULL, dump.id) : 1;
    if (taken < 0)
        return taken;
    if (taken && labelled) /* a copy of a labelled file */
        return PND_OK;
    if (taken) {
        uint64_t last;
        int err = pnd_db_last_id(pass->catalog, &last, pass->why);

        if (err)
            return err;
        dump.id = last >= pass->next_id ? last + 1 : pass->next_id;
    }
    pass->changed++;
    return pnd_db_put_row(pass->catalog, &dump, pass->why);
}

static int add_files(struct pass *pass, bool labelled)
{
    char file[PND_SPOOL_NAME_CAP];
    struct stat st = {0};
    int err;

    rewinddir(pass->dir);
    while ((err = list_next(pass, file, &st)) == PND_OK) {
        int known;

        if (ends_in(file, part_suffix))
            continue;
        known = has_row(pass, "SELECT 1 FROM dump WHERE file = ?1", file, 0);
        if (known < 0)
            return known;
        err = known ? PND_OK : add_file(pass, file, &st, labelled);
        if (err)
            return err;
    }
    return err == PND_E_NOTFOUND ? PND_OK : err;
}

int pnd_catalog_reconcile(struct pnd_catalog *catalog, const struct pnd_spool *spool,
                          bool (*live)(const char *part_file, void *ctx), void *ctx,
                          uint64_t first_id, unsigned *ret_changed, struct pnd_why *why)
{
    struct pass pass = {.catalog = catalog,
                        .spool = spool,
                        .live = live,
                        .ctx = ctx,
                        .next_id = first_id ? first_id : 1,
                        .why = why};
    int err = list_open(&pass);

    if (err || !pass.dir)
        return err;
    err = abandon_orphans(&pass);
    if (!err)
        err = pnd_db_exec(catalog, "BEGIN IMMEDIATE", why);
    if (!err) {
        err = remove_rows_without_file(&pass);
        if (!err) /* of dumps that arrived when a server died: they are read anew */
            err = pnd_db_exec(catalog, "DELETE FROM facts WHERE dump NOT IN (SELECT id FROM dump)",
                              why);
        if (!err)
            err = add_files(&pass, true); /* labels first: their ids are spoken for */
        if (!err)
            err = add_files(&pass, false);
        if (!err)
            err = pnd_db_exec(catalog, "COMMIT", why);
        if (err)
            sqlite3_exec(catalog->db, "ROLLBACK", NULL, NULL, NULL);
    }
    closedir(pass.dir);
    if (err)
        return pnd_why_add(why, err, "bring the catalog into agreement with %s", spool->path);
    if (ret_changed)
        *ret_changed = pass.changed;
    return PND_OK;
}
