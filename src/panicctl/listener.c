/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Files of listeners; see listener.h. */
#include "panicctl/listener.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/guard.h"
#include "panicctl/print.h"

#define PREFIX "stream-"

/* ---- one's own ---- */

/* As any process may open it. */
static json_t *absolute(const char *path)
{
    char whole[PATH_MAX];

    return path ? pnd_print_json_text(realpath(path, whole) ? whole : path) : json_null();
}

static int describe(int fd, const struct pnd_receive *receive)
{
    json_t *json = json_pack("{s:s, s:I, s:i, s:o, s:o, s:o}", "address", receive->listen, "pid",
                             (json_int_t)getpid(), "senders", (int)receive->senders, "certificate",
                             absolute(receive->certificate), "key", absolute(receive->key),
                             "clients", absolute(receive->clients));
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    int err =
        text && ftruncate(fd, 0) == 0 ? pnd_spool_write(fd, text, strlen(text), 0) : PND_E_SYS;

    free(text);
    json_decref(json);
    return err;
}

int pnd_listener_hold(const struct pnd_spool *spool, uint16_t port,
                      const struct pnd_receive *receive, struct pnd_listener_hold *ret,
                      struct pnd_why *why)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    PND_AUTO_CLOSE int dir_fd = fcntl(spool->state_fd, F_DUPFD_CLOEXEC, 0);
    PND_AUTO_CLOSE int fd = -1;

    *ret = (struct pnd_listener_hold){.dir_fd = -1, .fd = -1};
    snprintf(ret->file, sizeof(ret->file), PREFIX "%u", port);
    if (dir_fd >= 0)
        fd = openat(dir_fd, ret->file, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return pnd_why(why, PND_E_SYS, errno, "make .panicd/%s", ret->file);
    if (fcntl(fd, F_SETLK, &lock) < 0)
        return pnd_why(why, errno == EACCES || errno == EAGAIN ? PND_E_BUSY : PND_E_SYS, errno,
                       "lock .panicd/%s", ret->file);
    (void)pnd_spool_give(spool, fd);
    if (describe(fd, receive)) {
        unlinkat(dir_fd, ret->file, 0);
        return pnd_why(why, PND_E_SYS, errno, "write .panicd/%s", ret->file);
    }
    ret->dir_fd = pnd_steal_fd(&dir_fd);
    ret->fd = pnd_steal_fd(&fd);
    return PND_OK;
}

void pnd_listener_release(struct pnd_listener_hold *hold)
{
    if (hold->fd < 0)
        return;
    unlinkat(hold->dir_fd, hold->file, 0);
    pnd_guard_close(&hold->fd);
    pnd_guard_close(&hold->dir_fd);
}

/* ---- those of a directory ---- */

static bool take_text(const json_t *json, const char *key, char *ret, size_t cap)
{
    const char *text = json_string_value(json_object_get(json, key));

    if (!text || strlen(text) >= cap)
        return false;
    memcpy(ret, text, strlen(text) + 1);
    return true;
}

static bool read_one(int fd, struct pnd_listener *ret)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char text[PND_LISTENER_BYTES_MAX];
    ssize_t len = pread(fd, text, sizeof(text), 0);
    json_t *json = len > 0 ? json_loadb(text, (size_t)len, 0, NULL) : NULL;
    bool taken = take_text(json, "address", ret->address, sizeof(ret->address));

    ret->tls = take_text(json, "certificate", ret->certificate, sizeof(ret->certificate)) &&
               take_text(json, "key", ret->key, sizeof(ret->key)) &&
               take_text(json, "clients", ret->clients, sizeof(ret->clients));
    ret->pid = (pid_t)json_integer_value(json_object_get(json, "pid"));
    ret->senders = (unsigned)json_integer_value(json_object_get(json, "senders"));
    ret->alive = fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    json_decref(json);
    return taken;
}

unsigned pnd_listener_read(const struct pnd_spool *spool,
                           struct pnd_listener ret[PND_LISTENERS_MAX])
{
    PND_AUTO_CLOSE int at = openat(spool->state_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = at >= 0 ? fdopendir(at) : NULL;
    const struct dirent *entry;
    unsigned count = 0;

    if (!dir)
        return 0;
    pnd_steal_fd(&at);
    while (count < PND_LISTENERS_MAX && (entry = readdir(dir))) {
        struct pnd_listener listener = {0};
        size_t len = strlen(entry->d_name);

        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0 || len >= sizeof(listener.file))
            continue;
        PND_AUTO_CLOSE int fd =
            openat(dirfd(dir), entry->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        memcpy(listener.file, entry->d_name, len + 1);
        if (fd >= 0 && read_one(fd, &listener))
            ret[count++] = listener;
    }
    closedir(dir);
    return count;
}
