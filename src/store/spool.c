/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Opening the directory and the files in it. Their names are spool_name.c's. */
#include "store/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/guard.h"
#include "store/spool_name.h"

static int err_of(int errnum)
{
    switch (errnum) {
    case ENOSPC:
    case EDQUOT:
        return PND_E_NOSPACE;
    case EFBIG:
        return PND_E_RANGE;
    case EEXIST:
        return PND_E_EXISTS;
    default:
        return PND_E_SYS;
    }
}

/* One path component beneath @p dir_fd, never through a link. The kernel's own refusal is asked
 * for where it exists; older kernels and seccomp filters get the flags that all of them know. */
static int open_beneath(int dir_fd, const char *name, int flags)
{
    struct open_how how = {
        .flags = (uint64_t)(flags | O_NOFOLLOW | O_CLOEXEC),
        .mode = flags & O_CREAT ? 0600 : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
    };
    int fd;

    if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        errno = EINVAL;
        return -1;
    }
    fd = (int)syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));
    if (fd >= 0 || (errno != ENOSYS && errno != EPERM && errno != E2BIG))
        return fd;
    return openat(dir_fd, name, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/* The way to the directory as the kernel sees it, so that messages stay true after a chdir. */
static int name_directory(struct pnd_spool *spool, const char *path, struct pnd_why *why)
{
    char link[64];
    ssize_t len;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", spool->dir_fd);
    len = readlink(link, spool->path, sizeof(spool->path));
    if (len > 0 && (size_t)len < sizeof(spool->path)) {
        spool->path[len] = '\0';
        return PND_OK;
    }
    if (strlen(path) >= sizeof(spool->path))
        return pnd_why(why, PND_E_SYS, ENAMETOOLONG, "open %.100s...", path);
    memcpy(spool->path, path, strlen(path) + 1);
    return PND_OK;
}

/* Whoever may write in .panicd can make the server forget or invent dumps. */
static int check_state_dir(const struct pnd_spool *spool, struct pnd_why *why)
{
    struct stat st;

    if (fstat(spool->state_fd, &st) < 0)
        return pnd_why(why, PND_E_SYS, errno, "look at %s/.panicd", spool->path);
    if (st.st_uid != geteuid() && geteuid() != 0)
        return pnd_why(why, PND_E_SYS, 0,
                       "%s/.panicd belongs to user %u, this is user %u: run panicd as that user "
                       "or choose another directory",
                       spool->path, (unsigned)st.st_uid, (unsigned)geteuid());
    if ((st.st_mode & 077) != 0 && fchmod(spool->state_fd, 0700) < 0)
        return pnd_why(why, PND_E_SYS, errno, "make %s/.panicd private", spool->path);
    return PND_OK;
}

/* @p fd becomes the property of whose @p dir_fd is. */
static int give(int dir_fd, int fd)
{
    struct stat dir, st;

    if (geteuid() != 0)
        return PND_OK;
    if (fstat(dir_fd, &dir) != 0 || fstat(fd, &st) != 0)
        return PND_E_SYS;
    if (st.st_uid == dir.st_uid)
        return PND_OK;
    return fchown(fd, dir.st_uid, dir.st_gid) == 0 ? PND_OK : PND_E_SYS;
}

int pnd_spool_give(const struct pnd_spool *spool, int fd)
{
    return give(spool->state_fd, fd);
}

static long pid_in_lock(int fd)
{
    char text[32];
    ssize_t len = pread(fd, text, sizeof(text) - 1, 0);

    text[len > 0 ? len : 0] = '\0';
    return strtol(text, NULL, 10);
}

/* A record lock of the process, not of the open file: a child that outlives a killed server (one
 * that is reading a dump) must not keep the next server out. The kernel also tells who holds it. */
static int take_lock(struct pnd_spool *spool, struct pnd_why *why)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct flock held = lock;
    char text[32];
    int len;

    spool->lock_fd = open_beneath(spool->state_fd, "lock", O_RDWR | O_CREAT);
    if (spool->lock_fd < 0)
        return pnd_why(why, err_of(errno), errno, "create %s/.panicd/lock", spool->path);
    (void)pnd_spool_give(spool, spool->lock_fd); /* a root that may not still has its own spool */
    if (fcntl(spool->lock_fd, F_SETLK, &lock) < 0) {
        if (errno != EAGAIN && errno != EACCES)
            return pnd_why(why, PND_E_SYS, errno, "lock %s/.panicd/lock", spool->path);
        if (fcntl(spool->lock_fd, F_GETLK, &held) < 0 || held.l_type == F_UNLCK || held.l_pid <= 0)
            held.l_pid = (pid_t)pid_in_lock(spool->lock_fd);
        return pnd_why(why, PND_E_BUSY, 0,
                       "another panicd (pid %ld) serves %s: stop it or choose another directory",
                       (long)held.l_pid, spool->path);
    }
    len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    /* The pid is for people; a disk too full for it must not stop a server. */
    if (ftruncate(spool->lock_fd, 0) < 0 || pwrite(spool->lock_fd, text, (size_t)len, 0) < 0)
        errno = 0;
    return PND_OK;
}

/* Is there anything in the directory but what we have just made? */
static bool has_files(const struct pnd_spool *spool)
{
    PND_AUTO_CLOSE int fd = openat(spool->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const struct dirent *entry;
    bool any = false;
    DIR *dir;

    dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) /* whoever cannot look must be careful */
        return true;
    pnd_steal_fd(&fd);
    while (!any && (entry = readdir(dir)))
        any = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
              strcmp(entry->d_name, ".panicd") != 0;
    closedir(dir);
    return any;
}

static int open_all(struct pnd_spool *spool, const char *path, struct pnd_why *why)
{
    bool made = mkdir(path, 0700) == 0, made_state;
    int err;

    if (!made && errno != EEXIST) {
        if (errno == ENOENT)
            return pnd_why(why, PND_E_SYS, 0,
                           "create %s: the directory it is to be in does not exist; type: "
                           "mkdir -p %s",
                           path, path);
        return pnd_why(why, err_of(errno), errno, "create %s", path);
    }
    spool->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (spool->dir_fd < 0)
        return pnd_why(why, PND_E_SYS, errno, "open %s", path);
    err = name_directory(spool, path, why);
    if (err)
        return err;
    made_state = mkdirat(spool->dir_fd, ".panicd", 0700) == 0;
    if (made_state)
        spool->foreign = !made && has_files(spool);
    else if (errno != EEXIST)
        return pnd_why(why, err_of(errno), errno, "create %s/.panicd", spool->path);
    spool->state_fd = open_beneath(spool->dir_fd, ".panicd", O_RDONLY | O_DIRECTORY);
    if (spool->state_fd < 0)
        return pnd_why(why, PND_E_SYS, errno, "open %s/.panicd", spool->path);
    if (made_state)
        (void)give(spool->dir_fd, spool->state_fd);
    err = check_state_dir(spool, why);
    if (err)
        return err;
    return take_lock(spool, why);
}

int pnd_spool_open(struct pnd_spool *ret, const char *path, struct pnd_why *why)
{
    struct pnd_spool spool = {.dir_fd = -1, .state_fd = -1, .lock_fd = -1};
    int err = open_all(&spool, path, why);

    if (err) {
        pnd_spool_close(&spool);
        return err;
    }
    *ret = spool;
    return PND_OK;
}

int pnd_spool_open_readonly(struct pnd_spool *ret, const char *path, struct pnd_why *why)
{
    struct pnd_spool spool = {.dir_fd = -1, .state_fd = -1, .lock_fd = -1};
    int err = PND_E_SYS;

    spool.dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (spool.dir_fd < 0)
        return pnd_why(why, errno == ENOENT || errno == ENOTDIR ? PND_E_NOTFOUND : PND_E_SYS, errno,
                       "open %s", path);
    err = name_directory(&spool, path, why);
    if (!err)
        spool.state_fd = open_beneath(spool.dir_fd, ".panicd", O_RDONLY | O_DIRECTORY);
    if (!err && spool.state_fd < 0)
        err = errno == ENOENT
                  ? pnd_why(why, PND_E_NOTFOUND, 0,
                            "no panicd has ever received into %s (it has no .panicd)", spool.path)
                  : pnd_why(why, PND_E_SYS, errno, "open %s/.panicd", spool.path);
    if (err) {
        pnd_spool_close(&spool);
        return err;
    }
    *ret = spool;
    return PND_OK;
}

void pnd_spool_close(struct pnd_spool *spool)
{
    pnd_guard_close(&spool->lock_fd);
    pnd_guard_close(&spool->state_fd);
    pnd_guard_close(&spool->dir_fd);
    spool->dir_fd = spool->state_fd = spool->lock_fd = -1;
}

int pnd_spool_create(const struct pnd_spool *spool, const char *name, bool resume, int *ret_fd,
                     struct pnd_why *why)
{
    char part[PND_SPOOL_NAME_CAP];
    struct stat st;
    int len = snprintf(part, sizeof(part), "%s.part", name);

    if (len < 0 || (size_t)len >= sizeof(part)) {
        errno = ENAMETOOLONG;
        return pnd_why(why, PND_E_SYS, errno, "create %.64s....part", name);
    }
    PND_AUTO_CLOSE int fd =
        open_beneath(spool->dir_fd, part, O_RDWR | O_CREAT | O_NONBLOCK | (resume ? 0 : O_EXCL));
    if (fd < 0)
        return pnd_why(why, err_of(errno), errno, "create %s", part);
    if (fstat(fd, &st) < 0)
        return pnd_why(why, PND_E_SYS, errno, "look at %s", part);
    if (!S_ISREG(st.st_mode)) {
        errno = EEXIST;
        return pnd_why(why, PND_E_EXISTS, 0, "create %s: it is there and no file", part);
    }
    *ret_fd = pnd_steal_fd(&fd);
    return PND_OK;
}

int pnd_spool_write(int fd, const void *data, size_t len, uint64_t offset)
{
    const uint8_t *at = data;

    if (offset > INT64_MAX || len > INT64_MAX - offset) {
        errno = EFBIG;
        return PND_E_RANGE;
    }
    while (len > 0) {
        ssize_t wrote = pwrite(fd, at, len, (off_t)offset);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return err_of(errno);
        if (wrote == 0) { /* no file system should; a loop without end would be worse */
            errno = EIO;
            return PND_E_SYS;
        }
        at += wrote;
        len -= (size_t)wrote;
        offset += (uint64_t)wrote;
    }
    return PND_OK;
}

int pnd_spool_finish(const struct pnd_spool *spool, int fd, char name[PND_SPOOL_NAME_CAP],
                     struct pnd_why *why)
{
    if (fsync(fd) < 0)
        return pnd_why(why, err_of(errno), errno, "write %s.part to the disk", name);
    return pnd_spool_rename(spool, name, ".part", "", why);
}

int pnd_spool_abandon(const struct pnd_spool *spool, int fd, bool from_final,
                      char name[PND_SPOOL_NAME_CAP], struct pnd_why *why)
{
    int sync_errno = 0, err;
    char was[PND_SPOOL_NAME_CAP];

    if (why)
        why->text[0] = '\0';
    if (fd >= 0 && fsync(fd) < 0)
        sync_errno = errno;
    memcpy(was, name, sizeof(was));
    err = pnd_spool_rename(spool, name, from_final ? "" : ".part", ".incomplete", why);
    if (!err && sync_errno)
        pnd_why(why, PND_OK, sync_errno, "write %s to the disk", was);
    return err;
}

static int check_untouched(int fd, const char *file, uint64_t bytes, int64_t kept_ms,
                           struct pnd_why *why)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return pnd_why(why, PND_E_SYS, errno, "look at %s", file);
    if (!S_ISREG(st.st_mode))
        return pnd_why(why, PND_E_NOTFOUND, 0, "%s is no file", file);
    if ((uint64_t)st.st_size < bytes ||
        (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000 > kept_ms)
        return pnd_why(why, PND_E_NOTFOUND, 0, "%s was changed since it was kept", file);
    return PND_OK;
}

int pnd_spool_take_back(const struct pnd_spool *spool, const char *file, uint64_t bytes,
                        int64_t kept_ms, char ret_name[PND_SPOOL_NAME_CAP], int *ret_fd,
                        struct pnd_why *why)
{
    static const char suffix[] = ".incomplete";
    char name[PND_SPOOL_NAME_CAP], part[PND_SPOOL_NAME_CAP];
    size_t len = strnlen(file, PND_SPOOL_NAME_CAP);
    int err;

    if (len <= sizeof(suffix) - 1 || len == PND_SPOOL_NAME_CAP ||
        strcmp(file + len - (sizeof(suffix) - 1), suffix) != 0)
        return pnd_why(why, PND_E_NOTFOUND, 0, "%.64s is not named %s", file, suffix);
    len -= sizeof(suffix) - 1;
    memcpy(name, file, len);
    name[len] = '\0';
    snprintf(part, sizeof(part), "%.*s.part", (int)len, file);
    PND_AUTO_CLOSE int fd = open_beneath(spool->dir_fd, file, O_RDWR | O_NONBLOCK);
    if (fd < 0)
        return pnd_why(why, errno == ENOENT || errno == ELOOP ? PND_E_NOTFOUND : PND_E_SYS, errno,
                       "open %s", file);
    err = check_untouched(fd, file, bytes, kept_ms, why);
    if (err)
        return err;
    if (pnd_spool_rename_noreplace(spool->dir_fd, file, part) < 0)
        return pnd_why(why, err_of(errno), errno, "rename %s to %s in %s", file, part, spool->path);
    memcpy(ret_name, name, len + 1);
    *ret_fd = pnd_steal_fd(&fd);
    return PND_OK;
}

int pnd_spool_sync(const struct pnd_spool *spool, struct pnd_why *why)
{
    if (fsync(spool->dir_fd) < 0)
        return pnd_why(why, err_of(errno), errno, "write the directory %s to the disk",
                       spool->path);
    return PND_OK;
}

int pnd_spool_open_file(const struct pnd_spool *spool, const char *file)
{
    PND_AUTO_CLOSE int fd = open_beneath(spool->dir_fd, file, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0)
        return errno == ENOENT || errno == EINVAL || errno == ENAMETOOLONG || errno == ELOOP
                   ? PND_E_NOTFOUND
                   : PND_E_SYS;
    if (fstat(fd, &st) < 0)
        return PND_E_SYS;
    if (!S_ISREG(st.st_mode))
        return PND_E_NOTFOUND;
    return pnd_steal_fd(&fd);
}

int pnd_spool_room(const struct pnd_spool *spool, uint64_t *ret_free, uint64_t *ret_total)
{
    struct statvfs vfs;

    if (fstatvfs(spool->dir_fd, &vfs) < 0)
        return PND_E_SYS;
    *ret_free = (uint64_t)vfs.f_bavail * vfs.f_frsize;
    *ret_total = (uint64_t)vfs.f_blocks * vfs.f_frsize;
    return PND_OK;
}
