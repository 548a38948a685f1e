/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a kill leaves is named by the record, which is made before the link and goes after it: the
 * next start takes both away. A dump that is removed while its link is made is looked for again
 * when it is made; whoever removes takes the file first, so that one of the two sees the other. */
#include "store/paths.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/guard.h"
#include "store/savecore.h"
#include "store/spool_name.h"

static const char records[] = "paths"; /* in .panicd */
static const char up[] = "../";

enum { LINK_CAP = PND_PATHS_DEPTH_MAX * (sizeof(up) - 1) + PND_SPOOL_NAME_CAP };

/* The directories of a path, as far as they are there. */
struct way {
    char text[PND_PATHS_PATH_CAP]; /* the names, each with its NUL */
    const char *names[PND_PATHS_DEPTH_MAX];
    int fds[PND_PATHS_DEPTH_MAX];
    unsigned depth, there;
};

/* ---- what a path may be ---- */

/* @param ret  room for @p len bytes and a NUL */
static int clean_component(const char *component, size_t len, bool first, char *ret,
                           struct pnd_why *why)
{
    for (size_t i = 0; i < len; i++)
        ret[i] = pnd_spool_char_safe(component[i]) ? component[i] : '_';
    ret[len] = '\0';
    if (ret[0] == '-')
        ret[0] = '_';
    if (!pnd_spool_name_safe(ret) || (first && pnd_savecore_reserves(ret)))
        return pnd_why(why, PND_E_NAME, 0, "no directory is called %s here", ret);
    return PND_OK;
}

int pnd_paths_clean(const char *path, char ret[PND_PATHS_PATH_CAP], struct pnd_why *why)
{
    char out[PND_PATHS_PATH_CAP] = "";
    size_t at = 0;
    unsigned depth = 0;

    if (*path == '/')
        return pnd_why(why, PND_E_NAME, 0, "its path is absolute");
    while (*path) {
        size_t len = strcspn(path, "/");
        int err;

        if (len > 1 || (len == 1 && *path != '.')) {
            if (++depth > PND_PATHS_DEPTH_MAX)
                return pnd_why(why, PND_E_NAME, 0, "its path has more than %d components",
                               PND_PATHS_DEPTH_MAX);
            if (at + (at > 0) + len >= sizeof(out))
                return pnd_why(why, PND_E_NAME, 0, "its path has more than %d bytes",
                               PND_PATHS_PATH_CAP - 1);
            if (at)
                out[at++] = '/';
            err = clean_component(path, len, depth == 1, out + at, why);
            if (err)
                return err;
            at += len;
        }
        path += len + (path[len] == '/');
    }
    memcpy(ret, out, sizeof(out));
    return PND_OK;
}

static bool is_clean(const char *path)
{
    char clean[PND_PATHS_PATH_CAP];

    return *path && pnd_paths_clean(path, clean, NULL) == PND_OK && strcmp(path, clean) == 0;
}

/* ---- the way there ---- */

/* @param path  clean */
static void begin_way(const char *path, struct way *ret)
{
    char *at = ret->text;

    *ret = (struct way){0};
    memcpy(ret->text, path, strlen(path) + 1);
    while (at) {
        char *slash = strchr(at, '/');

        if (slash)
            *slash++ = '\0';
        ret->names[ret->depth++] = at;
        at = slash;
    }
}

static int parent_of(const struct pnd_spool *spool, const struct way *way, unsigned i)
{
    return i ? way->fds[i - 1] : spool->dir_fd;
}

static void leave(struct way *way)
{
    while (way->there)
        close(way->fds[--way->there]);
}

static int failed(struct pnd_why *why, const char *what, const char *name)
{
    return pnd_why(why, errno == ENOSPC || errno == EDQUOT ? PND_E_NOSPACE : PND_E_SYS, errno,
                   "%s %s", what, name);
}

/* @param make  what is not there is made
 * @return PND_OK; PND_E_NOTFOUND a directory is not there, with @p make: not any more; PND_E_EXISTS
 *         one is something else; PND_E_NOSPACE; PND_E_SYS. The way is as long as it came. */
static int go(const struct pnd_spool *spool, struct way *way, bool make, struct pnd_why *why)
{
    while (way->there < way->depth) {
        const char *name = way->names[way->there];
        int parent = parent_of(spool, way, way->there), fd;
        bool made = make && mkdirat(parent, name, 0700) == 0;

        if (make && !made && errno != EEXIST && errno != ENOENT)
            return failed(why, "make the directory", name);
        fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
            return pnd_why(why, PND_E_EXISTS, 0, "%s is there, and no directory", name);
        if (fd < 0 && errno == ENOENT)
            return pnd_why(why, PND_E_NOTFOUND, 0, "the directory %s is gone", name);
        if (fd < 0)
            return failed(why, "open the directory", name);
        if (made)
            (void)pnd_spool_give(spool, fd); /* a root that may not still has its own spool */
        way->fds[way->there++] = fd;
    }
    return PND_OK;
}

static void name_target(const struct way *way, const char *file, char ret[LINK_CAP])
{
    size_t at = 0;

    for (unsigned i = 0; i < way->depth; i++, at += sizeof(up) - 1)
        memcpy(ret + at, up, sizeof(up));
    snprintf(ret + at, LINK_CAP - at, "%s", file);
}

/* At the end of the way: is it a link that was made here? */
static bool is_ours(const struct way *way, const char *file)
{
    char want[LINK_CAP], to[LINK_CAP];
    ssize_t len = readlinkat(way->fds[way->depth - 1], file, to, sizeof(to));

    name_target(way, file, want);
    return len > 0 && (size_t)len == strlen(want) && memcmp(to, want, (size_t)len) == 0;
}

/* ---- records ---- */

/* @return fd; PND_E_NOTFOUND; PND_E_NOSPACE; PND_E_SYS (errno) */
static int open_records(const struct pnd_spool *spool, bool make)
{
    bool made = make && mkdirat(spool->state_fd, records, 0700) == 0;
    int fd;

    if (make && !made && errno != EEXIST)
        return errno == ENOSPC || errno == EDQUOT ? PND_E_NOSPACE : PND_E_SYS;
    fd = openat(spool->state_fd, records, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? PND_E_NOTFOUND : PND_E_SYS;
    if (made && (pnd_spool_give(spool, fd) || fsync(spool->state_fd)))
        errno = 0; /* whose it is, and a power cut, cost no more than a link */
    return fd;
}

/* @return PND_OK; PND_E_NOTFOUND; PND_E_FORMAT it was not made here; PND_E_SYS */
static int read_record(int records_fd, const char *file, char ret[PND_PATHS_PATH_CAP])
{
    ssize_t len = readlinkat(records_fd, file, ret, PND_PATHS_PATH_CAP);

    if (len < 0)
        return errno == ENOENT ? PND_E_NOTFOUND : errno == EINVAL ? PND_E_FORMAT : PND_E_SYS;
    if (len == PND_PATHS_PATH_CAP)
        return PND_E_FORMAT;
    ret[len] = '\0';
    return is_clean(ret) ? PND_OK : PND_E_FORMAT;
}

/* ---- taking away ---- */

/* From the end, until one is not empty; that is written to the disk. */
static void remove_empty(const struct pnd_spool *spool, struct way *way)
{
    unsigned i = way->there;

    while (i > 0 && unlinkat(parent_of(spool, way, i - 1), way->names[i - 1], AT_REMOVEDIR) == 0)
        i--;
    if (fsync(parent_of(spool, way, i)) < 0)
        errno = 0; /* what comes back after a power cut is a link that leads nowhere */
}

static int take_away(const struct pnd_spool *spool, const char *file, const char *path,
                     struct pnd_why *why)
{
    struct way way;
    int err;

    begin_way(path, &way);
    err = go(spool, &way, false, why);
    if (err == PND_E_NOTFOUND || err == PND_E_EXISTS) /* somebody has put things in order */
        err = PND_OK;
    if (!err && way.there == way.depth && is_ours(&way, file) &&
        unlinkat(way.fds[way.depth - 1], file, 0) < 0 && errno != ENOENT)
        err = pnd_why(why, PND_E_SYS, errno, "remove %s/%s", path, file);
    if (!err)
        remove_empty(spool, &way);
    leave(&way);
    return err;
}

int pnd_paths_remove(const struct pnd_spool *spool, const char *file, struct pnd_why *why)
{
    char path[PND_PATHS_PATH_CAP];
    PND_AUTO_CLOSE int fd = open_records(spool, false);
    int err;

    if (fd == PND_E_NOTFOUND)
        return PND_OK;
    if (fd < 0)
        return pnd_why(why, PND_E_SYS, errno, "open %s/.panicd/%s", spool->path, records);
    err = read_record(fd, file, path);
    if (err == PND_E_NOTFOUND)
        return PND_OK;
    if (err == PND_E_SYS)
        return pnd_why(why, PND_E_SYS, errno, "read %s/.panicd/%s/%s", spool->path, records, file);
    err = err ? PND_OK : take_away(spool, file, path, why);
    if (!err && unlinkat(fd, file, 0) < 0 && errno != ENOENT)
        err = pnd_why(why, PND_E_SYS, errno, "remove %s/.panicd/%s/%s", spool->path, records, file);
    return err;
}

/* ---- making ---- */

static bool is_there(const struct pnd_spool *spool, const char *file)
{
    struct stat st;

    return fstatat(spool->dir_fd, file, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

/* Says where the link will be, before it is. */
static int put_record(const struct pnd_spool *spool, const char *file, const char *path,
                      struct pnd_why *why)
{
    char had[PND_PATHS_PATH_CAP];
    PND_AUTO_CLOSE int fd = open_records(spool, true);
    int err;

    if (fd < 0)
        return pnd_why(why, fd == PND_E_NOTFOUND ? PND_E_SYS : fd, errno, "make %s/.panicd/%s",
                       spool->path, records);
    if (read_record(fd, file, had) || strcmp(had, path) != 0) {
        err = pnd_paths_remove(spool, file, why);
        if (err)
            return err;
        if (symlinkat(path, fd, file) < 0)
            return failed(why, "note the path of", file);
    }
    return fsync(fd) < 0 ? failed(why, "note the path of", file) : PND_OK;
}

/* @return PND_OK; PND_E_NOTFOUND a directory went meanwhile; PND_E_EXISTS; PND_E_NOSPACE;
 *         PND_E_SYS */
static int put_link(const struct pnd_spool *spool, const char *file, struct way *way,
                    struct pnd_why *why)
{
    char target[LINK_CAP];
    int err = go(spool, way, true, why), fd;

    if (err)
        return err;
    fd = way->fds[way->depth - 1];
    name_target(way, file, target);
    if (symlinkat(target, fd, file) < 0) {
        if (errno == EEXIST && !is_ours(way, file))
            return pnd_why(why, PND_E_EXISTS, 0, "%s is there already in that directory", file);
        if (errno == ENOENT)
            return pnd_why(why, PND_E_NOTFOUND, 0, "the directory is gone");
        if (errno != EEXIST)
            return failed(why, "make the link", file);
    }
    for (unsigned i = 0; i < way->depth; i++)
        if (fsync(way->fds[i]) < 0)
            return failed(why, "write the link to the disk for", file);
    return pnd_spool_sync(spool, why);
}

static int place(const struct pnd_spool *spool, const char *file, const char *path,
                 struct pnd_why *why)
{
    int err = put_record(spool, file, path, why);
    unsigned tries = 0;

    if (err)
        return err;
    do {
        struct way way;

        begin_way(path, &way);
        err = put_link(spool, file, &way, why);
        leave(&way);
    } while (err == PND_E_NOTFOUND && ++tries < PND_PATHS_TRIES_MAX);
    if (err == PND_E_NOTFOUND)
        return pnd_why_add(why, PND_E_BUSY, "after %d attempts", PND_PATHS_TRIES_MAX);
    if (!err && !is_there(spool, file))
        return pnd_why(why, PND_E_NOTFOUND, 0, "%s is gone", file);
    return err;
}

int pnd_paths_place(const struct pnd_spool *spool, const char *file, const char *path,
                    struct pnd_why *why)
{
    int err;

    if (!is_clean(path))
        return pnd_why(why, PND_E_NAME, 0, "its path cannot be used");
    if (!is_there(spool, file))
        return pnd_why(why, PND_E_NOTFOUND, 0, "%s is gone", file);
    err = place(spool, file, path, why);
    if (err) { /* whoever removed the dump may have taken the record before the link was there */
        (void)take_away(spool, file, path, NULL);
        (void)pnd_paths_remove(spool, file, NULL); /* or the next start does it */
    }
    return err;
}

void pnd_paths_sweep(const struct pnd_spool *spool)
{
    int fd = open_records(spool, false);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;

    if (!dir) {
        pnd_guard_close(&fd);
        return;
    }
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.' && !is_there(spool, entry->d_name))
            (void)pnd_paths_remove(spool, entry->d_name, NULL);
    closedir(dir);
}
