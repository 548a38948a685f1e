/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Into the directory; see importer.h. */
#include "panicctl/importer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/guard.h"
#include "view/socket.h"
#include "store/import.h"

enum {
    ANSWER_S = 600, /* the keeper may have a long fsync before us */
    PAUSE_MS = 50,
    CHECK_S = 60,           /* for the server's check, and ... */
    CHECK_BYTES_MS = 10000, /* ... a millisecond more for so many bytes */
};

static void pause_ms(long ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

    nanosleep(&pause, NULL);
}

static bool is_service_directory(const struct pnd_ctl *ctl)
{
    return strcmp(ctl->directory, "/var/lib/panicd") == 0;
}

/* Without a server: a file whose import was killed before its row was there gets one. */
static void heal(const struct pnd_ctl *ctl)
{
    struct pnd_catalog *catalog = NULL;
    struct pnd_spool locked;

    if (pnd_spool_open(&locked, ctl->spool.path, NULL))
        return;
    if (pnd_catalog_open(&locked, false, &catalog, NULL, NULL) == PND_OK)
        pnd_import_reconcile(&locked, catalog, NULL);
    pnd_catalog_close(catalog);
    pnd_spool_close(&locked);
}

/* @return also PND_E_BUSY: a server that just starts makes it */
static int open_or_make(struct pnd_ctl *ctl, struct pnd_why *why)
{
    struct pnd_spool made;
    int err = pnd_ctl_open(ctl, true, why);

    /* The service's own is made by its package, with the right owner. */
    if (err != PND_E_NOTFOUND || is_service_directory(ctl))
        return err;
    err = pnd_spool_open(&made, ctl->directory, why);
    if (err)
        return err;
    pnd_spool_close(&made);
    return pnd_ctl_open(ctl, true, why);
}

/* Streams whose receiver was killed. Whoever fails to keep one leaves it to the next. */
static void adopt_orphans(struct pnd_ctl *ctl)
{
    struct pnd_importer importer = {.stage = {.dir_fd = ctl->spool.dir_fd}};
    struct pnd_why why;

    while (pnd_import_find_orphan(&ctl->spool, importer.stage.temp, &importer.dump,
                                  &importer.stage.fd) == PND_OK) {
        int err = pnd_importer_commit(ctl, &importer, &why);

        close(importer.stage.fd);
        if (err) {
            pnd_ctl_warn("a stream that was interrupted stays hidden: %s", why.text);
            return;
        }
        pnd_ctl_warn("a stream that was interrupted is dump %" PRIu64 " now, incomplete",
                     importer.dump.id);
    }
}

int pnd_importer_prepare(struct pnd_ctl *ctl, struct pnd_why *why)
{
    uint64_t end_ms = pnd_clock_ms() + PND_IMPORTER_PATIENCE_S * 1000;
    int err;

    while ((err = open_or_make(ctl, why)) == PND_E_BUSY && pnd_clock_ms() < end_ms)
        pause_ms(PAUSE_MS);
    if (err)
        return err;
    pnd_import_sweep(&ctl->spool);
    heal(ctl);
    adopt_orphans(ctl);
    return PND_OK;
}

static int give_away(const struct pnd_ctl *ctl, int fd, struct pnd_why *why)
{
    if (fchmod(fd, 0600) != 0)
        return pnd_why(why, PND_E_SYS, errno, "make the file private");
    return pnd_spool_give(&ctl->spool, fd) == PND_OK
               ? PND_OK
               : pnd_why(why, PND_E_SYS, errno, "give the file to the owner of %s",
                         ctl->spool.path);
}

int pnd_importer_begin(struct pnd_ctl *ctl, const char *name, const char *protocol,
                       struct pnd_importer *ret, struct pnd_why *why)
{
    struct pnd_importer importer = {.dump = {.started_ms = pnd_clock_wall_ms()}};
    int err = pnd_stage_open(&importer.stage, ctl->spool.dir_fd, PND_IMPORT_PREFIX, why);

    if (err)
        return pnd_why_add(why, err, "import into %s", ctl->spool.path);
    snprintf(importer.dump.name, sizeof(importer.dump.name), "%s", name);
    snprintf(importer.dump.protocol, sizeof(importer.dump.protocol), "%s", protocol);
    *ret = importer;
    return PND_OK;
}

int pnd_importer_begin_stream(struct pnd_ctl *ctl, const struct pnd_dump *dump,
                              struct pnd_importer *ret, struct pnd_why *why)
{
    struct pnd_importer importer = {.dump = *dump};
    int err = pnd_stage_open(&importer.stage, ctl->spool.dir_fd, PND_IMPORT_STREAM_PREFIX, why);

    importer.dump.started_ms = pnd_clock_wall_ms();
    if (!err) {
        pnd_import_label_stream(importer.stage.fd, &importer.dump);
        err = pnd_stage_hide(&importer.stage, PND_IMPORT_STREAM_PREFIX, why);
        if (err)
            pnd_stage_close(&importer.stage);
    }
    if (err)
        return pnd_why_add(why, err, "receive into %s", ctl->spool.path);
    *ret = importer;
    return PND_OK;
}

void pnd_importer_close(struct pnd_importer *importer)
{
    pnd_stage_close(&importer->stage);
}

/* ---- id, name and row ---- */

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

bool pnd_importer_find_file(const struct pnd_ctl *ctl, int fd, char ret[PND_SPOOL_NAME_CAP])
{
    PND_AUTO_CLOSE int at = openat(ctl->spool.dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = at >= 0 ? fdopendir(at) : NULL;
    const struct dirent *entry;
    struct stat ours, other;
    bool found = false;

    if (!dir)
        return false;
    pnd_steal_fd(&at);
    while (!found && fstat(fd, &ours) == 0 && (entry = readdir(dir))) {
        if (entry->d_name[0] == '.' || strlen(entry->d_name) >= PND_SPOOL_NAME_CAP)
            continue;
        found = fstatat(ctl->spool.dir_fd, entry->d_name, &other, AT_SYMLINK_NOFOLLOW) == 0 &&
                same_file(&ours, &other);
        if (found)
            memcpy(ret, entry->d_name, strlen(entry->d_name) + 1);
    }
    closedir(dir);
    return found;
}

static bool still_hidden(const struct pnd_importer *importer)
{
    return faccessat(importer->stage.dir_fd, importer->stage.temp, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Nobody serves the directory. @return also PND_E_BUSY: somebody does, by now */
static int commit_alone(struct pnd_ctl *ctl, struct pnd_importer *importer, struct pnd_why *why)
{
    struct pnd_catalog *catalog = NULL;
    struct pnd_spool locked;
    int err = pnd_spool_open(&locked, ctl->spool.path, why);

    if (err)
        return err;
    err = pnd_catalog_open(&locked, false, &catalog, NULL, why);
    if (!err)
        err = pnd_import_alone(&locked, catalog, importer->stage.temp, &importer->dump, why);
    pnd_catalog_close(catalog);
    pnd_spool_close(&locked);
    return err;
}

/* @return also PND_E_NOTFOUND: there is no server to ask; PND_E_ABORTED: it said no */
static int commit_asked(struct pnd_ctl *ctl, struct pnd_importer *importer, struct pnd_why *why)
{
    char request[PND_IMPORT_REQUEST_CAP], id[24];
    const char *error;
    json_t *answer = NULL;
    int err = pnd_import_request(request, importer->stage.temp, &importer->dump);

    if (err)
        return pnd_why(why, err, 0, "the name is too long");
    err = pnd_socket_get_within(&ctl->spool, request, ANSWER_S, &answer, why);
    if (err)
        return err;
    error = json_string_value(json_object_get(answer, "error"));
    snprintf(id, sizeof(id), "%" JSON_INTEGER_FORMAT,
             json_integer_value(json_object_get(answer, "id")));
    if (error && strstr(error, "the requests are"))
        err = pnd_why(why, PND_E_REFUSED, 0,
                      "the panicd that serves %s is older than this panicctl; restart it",
                      ctl->spool.path);
    else if (error)
        err = pnd_why(why, PND_E_ABORTED, 0, "panicd: %s", error);
    else
        err = pnd_catalog_find(ctl->catalog, id, &importer->dump, why);
    json_decref(answer);
    return err == PND_E_NOTFOUND ? PND_E_SYS : err; /* a row that is late: adopt() finds it */
}

struct wanted {
    const char *file;
    struct pnd_dump *ret;
    bool found;
};

static bool is_wanted(const struct pnd_dump *dump, void *ctx)
{
    struct wanted *wanted = ctx;

    wanted->found = strcmp(dump->file, wanted->file) == 0;
    if (wanted->found)
        *wanted->ret = *dump;
    return !wanted->found;
}

int pnd_importer_find_row(struct pnd_catalog *catalog, const char *file, struct pnd_dump *ret,
                          struct pnd_why *why)
{
    struct wanted wanted = {.file = file, .ret = ret};
    int err = pnd_catalog_each(catalog, false, is_wanted, &wanted, why);

    if (err || wanted.found)
        return err;
    return pnd_why(why, PND_E_NOTFOUND, 0, "%s is not in the catalog", file);
}

/* The file has its name, and whoever gave it did not live to say so, or to put its row. */
static int adopt(struct pnd_ctl *ctl, struct pnd_importer *importer, struct pnd_why *why)
{
    struct pnd_catalog *catalog = NULL;
    char file[PND_SPOOL_NAME_CAP];
    struct pnd_spool locked;
    int err;

    if (!pnd_importer_find_file(ctl, importer->stage.fd, file))
        return pnd_why(why, PND_E_SYS, 0, "somebody removed the file from %s meanwhile",
                       ctl->spool.path);
    if (pnd_importer_find_row(ctl->catalog, file, &importer->dump, why) == PND_OK)
        return PND_OK;
    err = pnd_spool_open(&locked, ctl->spool.path, why);
    if (err)
        return err;
    err = pnd_catalog_open(&locked, false, &catalog, NULL, why);
    if (!err)
        err = pnd_import_reconcile(&locked, catalog, why);
    if (!err)
        err = pnd_importer_find_row(catalog, file, &importer->dump, why);
    pnd_catalog_close(catalog);
    pnd_spool_close(&locked);
    return err;
}

/* @param ret_again  a server came, went, or was killed meanwhile: another attempt is worth it */
static int commit_once(struct pnd_ctl *ctl, struct pnd_importer *importer, bool *ret_again,
                       struct pnd_why *why)
{
    int err;

    if (!still_hidden(importer)) {
        err = adopt(ctl, importer, why);
        *ret_again = err == PND_E_BUSY;
        return err;
    }
    err = commit_asked(ctl, importer, why);
    if (err == PND_E_NOTFOUND) {
        err = commit_alone(ctl, importer, why);
        *ret_again = err == PND_E_BUSY;
        return err;
    }
    *ret_again = err == PND_E_FORMAT || err == PND_E_SYS || !still_hidden(importer);
    return err;
}

int pnd_importer_commit(struct pnd_ctl *ctl, struct pnd_importer *importer, struct pnd_why *why)
{
    uint64_t end_ms = pnd_clock_ms() + PND_IMPORTER_PATIENCE_S * 1000;
    bool again = true;
    int err = give_away(ctl, importer->stage.fd, why);

    if (!err && fsync(importer->stage.fd) != 0)
        err = pnd_why(why, errno == ENOSPC || errno == EDQUOT ? PND_E_NOSPACE : PND_E_SYS, errno,
                      "write it to the disk");
    if (!err)
        err = pnd_stage_hide(&importer->stage, PND_IMPORT_PREFIX, why);
    if (err)
        return err;
    while ((err = commit_once(ctl, importer, &again, why)) && again && pnd_clock_ms() < end_ms)
        pause_ms(PAUSE_MS);
    if (!err)
        importer->stage.temp[0] = '\0'; /* it is a dump now */
    return err;
}

/* ---- the verdict ---- */

/* Without a server nobody checks: our own "verify" does, and settles the row. It shows its
 * progress where ours was. */
static int check_here(const struct pnd_ctl *ctl, uint64_t id)
{
    char number[24];
    const char *const words[] = {"panicctl", "--directory", ctl->spool.path,
                                 "verify",   number,        NULL};
    posix_spawn_file_actions_t actions;
    int status = 0, err;
    pid_t pid;

    snprintf(number, sizeof(number), "%" PRIu64, id);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    err = posix_spawn(&pid, "/proc/self/exe", &actions, NULL, (char *const *)(uintptr_t)words,
                      environ);
    posix_spawn_file_actions_destroy(&actions);
    if (err)
        return PND_E_SYS;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) && WEXITSTATUS(status) < PND_EXIT_COULD_NOT ? PND_OK : PND_E_SYS;
}

static bool served(const struct pnd_ctl *ctl)
{
    struct pnd_why ignored;
    json_t *answer = NULL;
    int err = pnd_socket_get(&ctl->spool, "transfers", &answer, &ignored);

    json_decref(answer);
    return err != PND_E_NOTFOUND;
}

int pnd_importer_settle(struct pnd_ctl *ctl, struct pnd_importer *importer, struct pnd_why *why)
{
    uint64_t start_ms = pnd_clock_ms(), patience_ms;
    bool tried = false;
    char id[24];
    int err;

    snprintf(id, sizeof(id), "%" PRIu64, importer->dump.id);
    for (;;) {
        err = pnd_catalog_find(ctl->catalog, id, &importer->dump, why);
        if (err || importer->dump.checked)
            return err;
        patience_ms = CHECK_S * 1000 + importer->dump.bytes / CHECK_BYTES_MS;
        if (served(ctl)) {
            if (pnd_clock_ms() - start_ms > patience_ms)
                return pnd_why(why, PND_E_TIMEOUT, 0,
                               "dump %s is not checked yet; \"panicctl info %s\" says when it is",
                               id, id);
            pause_ms(PAUSE_MS);
            continue;
        }
        if (tried)
            return pnd_why(why, PND_E_SYS, 0,
                           "dump %s could not be checked; type: panicctl verify %s", id, id);
        tried = true;
        check_here(ctl, importer->dump.id);
    }
}

struct same {
    const struct pnd_dump *dump;
    uint64_t id;
};

static bool compare(const struct pnd_dump *other, void *ctx)
{
    struct same *same = ctx;

    if (other->id != same->dump->id && strcmp(other->sha256, same->dump->sha256) == 0)
        same->id = other->id;
    return same->id == 0;
}

uint64_t pnd_importer_same(struct pnd_ctl *ctl, const struct pnd_dump *dump)
{
    struct same same = {.dump = dump};

    if (dump->sha256[0])
        pnd_catalog_each(ctl->catalog, false, compare, &same, NULL);
    return same.id;
}
