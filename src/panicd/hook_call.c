/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicd/hook_call.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/guard.h"
#include "host/io.h"
#include "host/text.h"

enum {
    NAME_CAP = 32,
    CALL_CAP = sizeof(struct pnd_hook_call) + 16,
    PATH_CAP = sizeof(((struct pnd_spool *)0)->path) + 1 + PND_SPOOL_NAME_CAP,
    ARGS = 5,
};

static const char prefix[] = "hook-", temporary[] = "hook.new";

static const char *name_of(uint64_t id, char ret[NAME_CAP])
{
    snprintf(ret, NAME_CAP, "%s%" PRIu64, prefix, id);
    return ret;
}

/* ---- on the disk: the five texts, each with its NUL ---- */

static int failed(struct pnd_why *why, const char *what, const char *file)
{
    return pnd_why(why, errno == ENOSPC || errno == EDQUOT ? PND_E_NOSPACE : PND_E_SYS, errno,
                   "%s .panicd/%s", what, file);
}

int pnd_hook_call_write(const struct pnd_spool *spool, const struct pnd_hook_call *call,
                        struct pnd_why *why)
{
    const char *const texts[ARGS] = {call->reason, call->address, call->host, call->info,
                                     call->core};
    char name[NAME_CAP], bytes[CALL_CAP];
    size_t len = 0;

    for (unsigned i = 0; i < ARGS; i++) {
        size_t text_len = strlen(texts[i]) + 1;

        memcpy(bytes + len, texts[i], text_len);
        len += text_len;
    }
    name_of(call->id, name);
    unlinkat(spool->state_fd, temporary, 0);
    PND_AUTO_CLOSE int fd = openat(spool->state_fd, temporary,
                                   O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return failed(why, "create", name);
    if (pnd_io_write(fd, bytes, len) || fsync(fd) < 0 ||
        renameat(spool->state_fd, temporary, spool->state_fd, name) < 0 ||
        fsync(spool->state_fd) < 0) {
        int err = failed(why, "write", name);

        unlinkat(spool->state_fd, temporary, 0);
        return err;
    }
    return PND_OK;
}

/* The next text. @return false: it does not end, or is too long */
static bool take_text(const char **at, const char *end, char *ret, size_t cap)
{
    size_t len = strnlen(*at, (size_t)(end - *at));

    if (len == (size_t)(end - *at) || len >= cap)
        return false;
    memcpy(ret, *at, len + 1);
    *at += len + 1;
    return true;
}

int pnd_hook_call_read(const struct pnd_spool *spool, uint64_t id, struct pnd_hook_call *ret,
                       ino_t *ret_file, struct pnd_why *why)
{
    struct stat st;
    struct pnd_hook_call call = {.id = id};
    char name[NAME_CAP], bytes[CALL_CAP];
    const char *at = bytes, *end;
    ssize_t len;

    name_of(id, name);
    PND_AUTO_CLOSE int fd =
        openat(spool->state_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return pnd_why(why, errno == ENOENT ? PND_E_NOTFOUND : PND_E_SYS, errno, "open .panicd/%s",
                       name);
    len = fstat(fd, &st) == 0 ? pnd_io_read_at(fd, 0, bytes, sizeof(bytes)) : -1;
    if (len < 0)
        return pnd_why(why, PND_E_SYS, errno, "read .panicd/%s", name);
    end = bytes + len;
    if (!take_text(&at, end, call.reason, sizeof(call.reason)) ||
        !take_text(&at, end, call.address, sizeof(call.address)) ||
        !take_text(&at, end, call.host, sizeof(call.host)) ||
        !take_text(&at, end, call.info, sizeof(call.info)) ||
        !take_text(&at, end, call.core, sizeof(call.core)) || at != end)
        return pnd_why(why, PND_E_FORMAT, 0, ".panicd/%s is damaged", name);
    *ret_file = st.st_ino;
    *ret = call;
    return PND_OK;
}

int pnd_hook_call_drop(const struct pnd_spool *spool, uint64_t id, ino_t file, struct pnd_why *why)
{
    char name[NAME_CAP];
    struct stat st;

    name_of(id, name);
    if (file && (fstatat(spool->state_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_ino != file))
        return PND_OK;
    if (unlinkat(spool->state_fd, name, 0) == 0 || errno == ENOENT)
        return PND_OK;
    return pnd_why(why, PND_E_SYS, errno, "remove .panicd/%s", name);
}

/* @return false: it is no call's, or not called so by this */
static bool read_name(const char *file, uint64_t *ret)
{
    char name[NAME_CAP];

    return strncmp(file, prefix, strlen(prefix)) == 0 &&
           pnd_text_parse_uint(file + strlen(prefix), ret) == PND_OK &&
           strcmp(file, name_of(*ret, name)) == 0;
}

/* @return NULL: it cannot be read */
static DIR *open_state(const struct pnd_spool *spool)
{
    int fd = openat(spool->state_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

    if (!dir)
        pnd_guard_close(&fd);
    return dir;
}

unsigned pnd_hook_call_count(const struct pnd_spool *spool)
{
    DIR *dir = open_state(spool);
    const struct dirent *entry;
    unsigned count = 0;
    uint64_t id;

    if (!dir)
        return 0;
    for (unsigned i = 0; i < PND_HOOK_FILES_MAX && (entry = readdir(dir)); i++)
        count += read_name(entry->d_name, &id);
    closedir(dir);
    return count;
}

bool pnd_hook_call_next(const struct pnd_spool *spool, bool (*busy)(uint64_t id, void *ctx),
                        void *ctx, uint64_t *ret)
{
    DIR *dir = open_state(spool);
    const struct dirent *entry;
    uint64_t lowest = UINT64_MAX, id;

    if (!dir)
        return false;
    for (unsigned i = 0; i < PND_HOOK_FILES_MAX && (entry = readdir(dir)); i++) {
        if (read_name(entry->d_name, &id) && id < lowest && !busy(id, ctx))
            lowest = id;
    }
    closedir(dir);
    *ret = lowest;
    return lowest != UINT64_MAX;
}

static bool is_idle(uint64_t id, void *ctx)
{
    (void)id;
    (void)ctx;
    return false;
}

void pnd_hook_forget(const struct pnd_spool *spool)
{
    uint64_t id;

    for (unsigned i = 0; i < PND_HOOK_FILES_MAX && pnd_hook_call_next(spool, is_idle, NULL, &id);
         i++)
        if (pnd_hook_call_drop(spool, id, 0, NULL))
            return;
}

/* ---- as a process ---- */

static void path_of(const struct pnd_spool *spool, const char *file, char ret[PATH_CAP])
{
    if (*file)
        snprintf(ret, PATH_CAP, "%s/%s", spool->path, file);
    else
        ret[0] = '\0';
}

int pnd_hook_call_start(const struct pnd_spool *spool, const char *program,
                        const struct pnd_hook_call *call, uint64_t patience_ms,
                        void (*say)(const char *line, size_t len, void *ctx), void *ctx,
                        struct pnd_run *ret, struct pnd_why *why)
{
    char info[PATH_CAP], core[PATH_CAP];
    char *env[] = {NULL};
    char *argv[] = {(char *)(uintptr_t)program,
                    (char *)(uintptr_t)call->reason,
                    (char *)(uintptr_t)call->address,
                    (char *)(uintptr_t)call->host,
                    info,
                    core,
                    NULL};

    if (faccessat(spool->dir_fd, call->core, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
        return pnd_why(why, PND_E_NOTFOUND, 0, "%s is gone", call->core);
    path_of(spool, call->info, info);
    path_of(spool, call->core, core);
    return pnd_run_start(argv, env, spool->dir_fd, -1, patience_ms, say, ctx, ret, why);
}
