/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Files from elsewhere; see import.h. */
#include "store/import.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/guard.h"
#include "store/dump_json.h"
#include "store/journal.h"
#include "store/spool_name.h"

enum { SAFE_LEN_MAX = 200 };

static const char incomplete_suffix[] = ".incomplete";
static const char killed_reason[] = "its receiver was killed while it came";

static bool ends_in(const char *text, const char *suffix)
{
    size_t len = strlen(text), suffix_len = strlen(suffix);

    return len >= suffix_len && strcmp(text + len - suffix_len, suffix) == 0;
}

/* ---- the request ---- */

static bool staged_name(const char *name)
{
    size_t prefix = strlen(PND_IMPORT_PREFIX);

    return strncmp(name, PND_IMPORT_PREFIX, prefix) == 0 && pnd_spool_name_safe(name + prefix);
}

int pnd_import_request(char ret[PND_IMPORT_REQUEST_CAP], const char *staged,
                       const struct pnd_dump *dump)
{
    struct pnd_dump asked = {
        .id = 1, .state = dump->state, .started_ms = dump->started_ms}; /* an id is given there */
    json_t *json;
    char *text;
    int len;

    memcpy(asked.name, dump->name, sizeof(asked.name));
    memcpy(asked.reason, dump->reason, sizeof(asked.reason));
    memcpy(asked.protocol, dump->protocol, sizeof(asked.protocol));
    memcpy(asked.peer, dump->peer, sizeof(asked.peer));
    asked.peer_port = dump->peer_port;
    json = pnd_dump_to_json(&asked);
    text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    len = text ? snprintf(ret, PND_IMPORT_REQUEST_CAP, "import %s %s", staged, text) : -1;
    free(text);
    json_decref(json);
    return len > 0 && len < PND_IMPORT_REQUEST_CAP ? PND_OK : PND_E_RANGE;
}

int pnd_import_parse(const char *text, char ret_staged[PND_IMPORT_STAGED_CAP], struct pnd_dump *ret)
{
    struct pnd_dump got = {0}, out = {0};
    const char *space = strchr(text, ' ');
    size_t len = space ? (size_t)(space - text) : 0;
    char staged[PND_IMPORT_STAGED_CAP];
    json_t *json;
    int err;

    if (len == 0 || len >= sizeof(staged))
        return PND_E_NAME;
    memcpy(staged, text, len);
    staged[len] = '\0';
    if (!staged_name(staged))
        return PND_E_NAME;
    json = json_loads(space + 1, JSON_REJECT_DUPLICATES, NULL);
    err = pnd_dump_from_json(json, &got);
    json_decref(json);
    if (err || !got.name[0])
        return PND_E_FORMAT;
    memcpy(out.name, got.name, sizeof(out.name));
    memcpy(out.protocol, got.protocol, sizeof(out.protocol));
    memcpy(out.peer, got.peer, sizeof(out.peer));
    out.peer_port = got.peer_port;
    out.started_ms = got.started_ms;
    if (got.state == PND_DUMP_INCOMPLETE) {
        out.state = PND_DUMP_INCOMPLETE;
        memcpy(out.reason, got.reason, sizeof(out.reason));
    }
    memcpy(ret_staged, staged, sizeof(staged));
    *ret = out;
    return PND_OK;
}

/* ---- the place ---- */

/* The nearest name that the directory takes: "my dump (1).gz" -> "my_dump__1_.gz". */
static void make_safe(const char *name, char ret[PND_SPOOL_NAME_CAP])
{
    size_t len = strnlen(name, SAFE_LEN_MAX);

    memcpy(ret, name, len);
    ret[len] = '\0';
    while (ends_in(ret, incomplete_suffix) || ends_in(ret, ".part"))
        *strrchr(ret, '.') = '\0';
    for (size_t i = 0; ret[i]; i++) {
        char one[3] = {'a', ret[i], '\0'};

        if (!pnd_spool_name_safe(i ? one : one + 1))
            ret[i] = '_';
    }
}

static int place(const struct pnd_spool *spool, const char *staged, struct pnd_dump *dump,
                 struct pnd_why *why)
{
    char wanted[PND_SPOOL_NAME_CAP], file[PND_SPOOL_NAME_CAP];
    const char *suffix = dump->state == PND_DUMP_INCOMPLETE ? incomplete_suffix : "";
    int err;

    make_safe(dump->name, wanted);
    for (unsigned tries = 0; tries < PND_SPOOL_TRIES_MAX; tries++) {
        err = pnd_spool_pick(spool, wanted, "import", pnd_clock_wall_ms() / 1000, file, why);
        if (err)
            return err;
        strncat(file, suffix, sizeof(file) - strlen(file) - 1); /* there is room: see pick */
        if (pnd_spool_rename_noreplace(spool->dir_fd, staged, file) == 0) {
            memcpy(dump->file, file, sizeof(file));
            return PND_OK;
        }
        if (errno != EEXIST)
            return pnd_why(why, errno == ENOSPC || errno == EDQUOT ? PND_E_NOSPACE : PND_E_SYS,
                           errno, "rename %s to %s in %s", staged, file, spool->path);
    }
    return pnd_why(why, PND_E_EXISTS, 0, "%s is taken in %s each time it is tried", wanted,
                   spool->path);
}

int pnd_import_place(const struct pnd_spool *spool, const char *staged, struct pnd_dump *dump,
                     struct pnd_why *why)
{
    PND_AUTO_CLOSE int fd = pnd_spool_open_file(spool, staged);
    struct stat st;

    if (fd < 0)
        return pnd_why(why, fd, errno, "open %s in %s", staged, spool->path);
    if (fstat(fd, &st) < 0)
        return pnd_why(why, PND_E_SYS, errno, "look at %s", staged);
    dump->bytes = (uint64_t)st.st_size;
    dump->received_ms = pnd_clock_wall_ms();
    pnd_catalog_label(fd, dump);
    if (fsync(fd) < 0)
        return pnd_why(why, errno == ENOSPC || errno == EDQUOT ? PND_E_NOSPACE : PND_E_SYS, errno,
                       "write %s to the disk", staged);
    return place(spool, staged, dump, why);
}

static bool arriving(const char *part_file, void *ctx)
{
    (void)part_file;
    (void)ctx;
    return true; /* the journal of the next server may know it: not ours to judge */
}

/* @param ret_next  an id that is nobody's */
static int reconcile(const struct pnd_spool *spool, struct pnd_catalog *catalog, uint64_t *ret_next,
                     struct pnd_why *why)
{
    uint64_t journaled, kept = 0;
    int err = pnd_journal_last_id(spool, &journaled, why);

    if (!err)
        err = pnd_catalog_last_id(catalog, &kept, why);
    if (!err)
        err = pnd_catalog_reconcile(catalog, spool, arriving, NULL,
                                    (kept > journaled ? kept : journaled) + 1, NULL, why);
    if (!err)
        err = pnd_catalog_last_id(catalog, &kept, why);
    *ret_next = (kept > journaled ? kept : journaled) + 1;
    return err;
}

int pnd_import_reconcile(const struct pnd_spool *spool, struct pnd_catalog *catalog,
                         struct pnd_why *why)
{
    uint64_t next;

    return reconcile(spool, catalog, &next, why);
}

int pnd_import_alone(const struct pnd_spool *spool, struct pnd_catalog *catalog, const char *staged,
                     struct pnd_dump *dump, struct pnd_why *why)
{
    int err = reconcile(spool, catalog, &dump->id, why);

    if (err)
        return err;
    err = pnd_import_place(spool, staged, dump, why);
    if (!err)
        err = pnd_spool_sync(spool, why);
    return err ? err : pnd_catalog_put(catalog, dump, 1, why);
}

static bool is_stream(const char *name)
{
    return staged_name(name) &&
           strncmp(name, PND_IMPORT_STREAM_PREFIX, strlen(PND_IMPORT_STREAM_PREFIX)) == 0;
}

unsigned pnd_import_sweep(const struct pnd_spool *spool)
{
    PND_AUTO_CLOSE int at = openat(spool->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = at >= 0 ? fdopendir(at) : NULL;
    const struct dirent *entry;
    unsigned swept = 0;

    if (!dir)
        return 0;
    pnd_steal_fd(&at);
    while ((entry = readdir(dir))) {
        PND_AUTO_CLOSE int fd = staged_name(entry->d_name) && !is_stream(entry->d_name)
                                    ? pnd_spool_open_file(spool, entry->d_name)
                                    : -1;

        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
            swept += unlinkat(spool->dir_fd, entry->d_name, 0) == 0;
    }
    closedir(dir);
    return swept;
}

/* ---- streams ---- */

void pnd_import_label_stream(int fd, const struct pnd_dump *dump)
{
    struct pnd_dump label = *dump;

    label.id = 1; /* a label without one is none; it gets its own when it ends */
    label.state = PND_DUMP_INCOMPLETE;
    snprintf(label.reason, sizeof(label.reason), "%s", killed_reason);
    pnd_catalog_label(fd, &label);
}

/* What is known of it: the label, as far as there is one, or its age. */
static void describe_orphan(int fd, const struct stat *st, struct pnd_dump *ret)
{
    struct pnd_dump label = {0}, out = {.state = PND_DUMP_INCOMPLETE};

    out.started_ms = (int64_t)st->st_mtim.tv_sec * 1000;
    snprintf(out.name, sizeof(out.name), "stream");
    snprintf(out.protocol, sizeof(out.protocol), "import");
    snprintf(out.reason, sizeof(out.reason), "%s", killed_reason);
    if (pnd_dump_read_label(fd, &label) == PND_OK && label.name[0]) {
        memcpy(out.name, label.name, sizeof(out.name));
        memcpy(out.protocol, label.protocol, sizeof(out.protocol));
        memcpy(out.peer, label.peer, sizeof(out.peer));
        out.peer_port = label.peer_port;
        out.started_ms = label.started_ms;
    }
    *ret = out;
}

/* @return PND_OK; PND_E_NOTFOUND not this one */
static int take_orphan(const struct pnd_spool *spool, const char *name, struct pnd_dump *ret,
                       int *ret_fd)
{
    PND_AUTO_CLOSE int fd = is_stream(name) ? pnd_spool_open_file(spool, name) : -1;
    struct stat st, named;

    if (fd < 0 || strlen(name) >= PND_IMPORT_STAGED_CAP || flock(fd, LOCK_EX | LOCK_NB) != 0 ||
        fstat(fd, &st) != 0)
        return PND_E_NOTFOUND;
    if (fstatat(spool->dir_fd, name, &named, AT_SYMLINK_NOFOLLOW) != 0 ||
        named.st_ino != st.st_ino) /* its receiver ended it while we came */
        return PND_E_NOTFOUND;
    if (st.st_size == 0) {
        unlinkat(spool->dir_fd, name, 0);
        return PND_E_NOTFOUND;
    }
    describe_orphan(fd, &st, ret);
    *ret_fd = pnd_steal_fd(&fd);
    return PND_OK;
}

int pnd_import_find_orphan(const struct pnd_spool *spool, char ret_staged[PND_IMPORT_STAGED_CAP],
                           struct pnd_dump *ret, int *ret_fd)
{
    PND_AUTO_CLOSE int at = openat(spool->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = at >= 0 ? fdopendir(at) : NULL;
    const struct dirent *entry;
    int err = PND_E_NOTFOUND;

    if (!dir)
        return PND_E_SYS;
    pnd_steal_fd(&at);
    while (err == PND_E_NOTFOUND && (entry = readdir(dir))) {
        err = take_orphan(spool, entry->d_name, ret, ret_fd);
        if (!err)
            memcpy(ret_staged, entry->d_name, strlen(entry->d_name) + 1);
    }
    closedir(dir);
    return err;
}

int pnd_import_adopt_orphans(const struct pnd_spool *spool, struct pnd_catalog *catalog,
                             uint64_t *next_id, struct pnd_why *why)
{
    char staged[PND_IMPORT_STAGED_CAP];
    struct pnd_dump dump;
    int fd, err;

    while ((err = pnd_import_find_orphan(spool, staged, &dump, &fd)) == PND_OK) {
        dump.id = (*next_id)++;
        err = pnd_import_place(spool, staged, &dump, why);
        if (!err)
            err = pnd_spool_sync(spool, why);
        if (!err)
            err = pnd_catalog_put(catalog, &dump, 1, why);
        close(fd);
        if (err)
            return err;
    }
    return err == PND_E_NOTFOUND ? PND_OK : pnd_why(why, err, errno, "look for streams");
}
