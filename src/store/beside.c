/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/beside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/guard.h"
#include "store/spool_name.h"

static const char *const suffixes[PND_BESIDE_COUNT] = {
    [PND_BESIDE_HEADER] = ".kdh",
    [PND_BESIDE_KEY] = ".key",
};

static bool ends_in(const char *text, size_t len, const char *suffix)
{
    size_t suffix_len = strlen(suffix);

    return len > suffix_len && memcmp(text + len - suffix_len, suffix, suffix_len) == 0;
}

bool pnd_beside_is(const char *file)
{
    for (unsigned i = 0; i < PND_BESIDE_COUNT; i++)
        if (ends_in(file, strlen(file), suffixes[i]))
            return true;
    return false;
}

const char *pnd_beside_name(const char *file, enum pnd_beside which, char ret[PND_SPOOL_NAME_CAP])
{
    static const char *const forms[] = {".part", ".incomplete"};
    size_t len = strnlen(file, PND_SPOOL_NAME_CAP - 1), room;

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (ends_in(file, len, forms[i])) {
            len -= strlen(forms[i]);
            break;
        }
    }
    room = PND_SPOOL_NAME_CAP - 1 - strlen(suffixes[which]);
    snprintf(ret, PND_SPOOL_NAME_CAP, "%.*s%s", (int)(len < room ? len : room), file,
             suffixes[which]);
    return ret;
}

/* @return fd; PND_E_NOTFOUND; PND_E_NOSPACE; PND_E_SYS (errno) */
static int open_it(const struct pnd_spool *spool, const char *file, enum pnd_beside which,
                   int flags)
{
    char name[PND_SPOOL_NAME_CAP];
    struct stat st;
    PND_AUTO_CLOSE int fd = openat(spool->dir_fd, pnd_beside_name(file, which, name),
                                   flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);

    if (fd < 0 && errno == ENOENT)
        return PND_E_NOTFOUND;
    if (fd < 0)
        return errno == ENOSPC || errno == EDQUOT ? PND_E_NOSPACE : PND_E_SYS;
    if (fstat(fd, &st) < 0)
        return PND_E_SYS;
    if (!S_ISREG(st.st_mode)) {
        errno = EEXIST;
        return PND_E_SYS;
    }
    return pnd_steal_fd(&fd);
}

int pnd_beside_write(const struct pnd_spool *spool, const char *file, enum pnd_beside which,
                     const void *data, size_t len, uint64_t offset)
{
    if (offset > PND_BESIDE_BYTES_MAX || len > PND_BESIDE_BYTES_MAX - offset) {
        errno = EFBIG;
        return PND_E_RANGE;
    }
    PND_AUTO_CLOSE int fd = open_it(spool, file, which, O_RDWR | O_CREAT);
    return fd < 0 ? fd : pnd_spool_write(fd, data, len, offset);
}

int pnd_beside_keep(const struct pnd_spool *spool, const char *file, enum pnd_beside which,
                    struct pnd_why *why)
{
    char name[PND_SPOOL_NAME_CAP];
    PND_AUTO_CLOSE int fd = open_it(spool, file, which, O_RDONLY);

    pnd_beside_name(file, which, name);
    if (fd < 0)
        return pnd_why(why, fd, errno, "open %s", name);
    if (fsync(fd) < 0)
        return pnd_why(why, errno == ENOSPC || errno == EDQUOT ? PND_E_NOSPACE : PND_E_SYS, errno,
                       "write %s to the disk", name);
    if (which == PND_BESIDE_KEY && fchmod(fd, 0400) < 0)
        return pnd_why(why, PND_E_SYS, errno, "make %s read-only", name);
    return PND_OK;
}

bool pnd_beside_there(const struct pnd_spool *spool, const char *file, enum pnd_beside which)
{
    char name[PND_SPOOL_NAME_CAP];

    return faccessat(spool->dir_fd, pnd_beside_name(file, which, name), F_OK,
                     AT_SYMLINK_NOFOLLOW) == 0;
}

int pnd_beside_read(const struct pnd_spool *spool, const char *file, enum pnd_beside which,
                    void *ret, size_t cap, size_t *ret_len)
{
    PND_AUTO_CLOSE int fd = open_it(spool, file, which, O_RDONLY);
    size_t len = 0;

    if (fd < 0)
        return fd == PND_E_NOTFOUND ? PND_E_NOTFOUND : PND_E_SYS;
    while (len < cap) {
        ssize_t got = pread(fd, (uint8_t *)ret + len, cap - len, (off_t)len);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return PND_E_SYS;
        if (got == 0)
            break;
        len += (size_t)got;
    }
    *ret_len = len;
    return PND_OK;
}

int pnd_beside_remove(const struct pnd_spool *spool, const char *file, struct pnd_why *why)
{
    char name[PND_SPOOL_NAME_CAP];
    int err = PND_OK;

    for (unsigned i = 0; i < PND_BESIDE_COUNT; i++)
        if (unlinkat(spool->dir_fd, pnd_beside_name(file, i, name), 0) < 0 && errno != ENOENT)
            err = pnd_why(why, PND_E_SYS, errno, "remove %s", name);
    return err;
}

void pnd_beside_rename(const struct pnd_spool *spool, const char *from, const char *to)
{
    char old[PND_SPOOL_NAME_CAP], new[PND_SPOOL_NAME_CAP];

    for (unsigned i = 0; i < PND_BESIDE_COUNT; i++)
        (void)pnd_spool_rename_noreplace(spool->dir_fd, pnd_beside_name(from, i, old),
                                         pnd_beside_name(to, i, new));
}

static bool is_same(const struct pnd_spool *spool, const char *one, const char *two)
{
    struct stat a, b;

    return fstatat(spool->dir_fd, one, &a, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstatat(spool->dir_fd, two, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

static bool is_there(const struct pnd_spool *spool, const char *file)
{
    return faccessat(spool->dir_fd, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

int pnd_beside_link(const struct pnd_spool *spool, const char *from, const char *to)
{
    char old[PND_SPOOL_NAME_CAP], new[PND_SPOOL_NAME_CAP];

    for (unsigned i = 0; i < PND_BESIDE_COUNT;
         i++) /* also of what there is none: it would be its */
        if (is_there(spool, pnd_beside_name(to, i, new)) &&
            !is_same(spool, pnd_beside_name(from, i, old), new))
            return PND_E_EXISTS;
    for (unsigned i = 0; i < PND_BESIDE_COUNT; i++) {
        pnd_beside_name(from, i, old);
        pnd_beside_name(to, i, new);
        if (linkat(spool->dir_fd, old, spool->dir_fd, new, 0) == 0 || errno == ENOENT ||
            errno == EEXIST)
            continue;
        if ((errno != EPERM && errno != EOPNOTSUPP) ||
            pnd_spool_rename_noreplace(spool->dir_fd, old, new) < 0)
            return errno == ENOSPC || errno == EDQUOT ? PND_E_NOSPACE : PND_E_SYS;
    }
    return PND_OK;
}

/* NAME of NAME.kdh or NAME.key. @return its length */
static size_t stem_len(const char *file)
{
    size_t len = strlen(file);

    for (unsigned i = 0; i < PND_BESIDE_COUNT; i++)
        if (ends_in(file, len, suffixes[i]))
            return len - strlen(suffixes[i]);
    return len;
}

static bool has_dump(const struct pnd_spool *spool, const char *file)
{
    static const char *const forms[] = {"", ".part", ".incomplete"};
    char name[PND_SPOOL_NAME_CAP + sizeof(".incomplete")];

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        snprintf(name, sizeof(name), "%.*s%s", (int)stem_len(file), file, forms[i]);
        if (is_there(spool, name))
            return true;
    }
    return false;
}

void pnd_beside_sweep(const struct pnd_spool *spool)
{
    int fd = openat(spool->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;
    struct stat st;

    if (!dir) {
        pnd_guard_close(&fd);
        return;
    }
    while ((entry = readdir(dir))) {
        if (strlen(entry->d_name) < PND_SPOOL_NAME_CAP && pnd_beside_is(entry->d_name) &&
            fstatat(spool->dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode) && st.st_nlink > 1 && !has_dump(spool, entry->d_name))
            unlinkat(spool->dir_fd, entry->d_name, 0);
    }
    closedir(dir);
}
