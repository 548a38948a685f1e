/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A dump as a file: see local_file.h. */
#include "capture/local_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "host/guard.h"
#include "host/text.h"

enum { BLOCK = 4096 /* the unit of holes */ };

static const char part[] = ".part", incomplete[] = ".incomplete";

void pnd_local_file_init(struct pnd_local_file *file)
{
    memset(file, 0, sizeof(*file));
    file->dir = file->fd = -1;
}

/* @return @p name with @p suffix, which fits: pick() has seen to it */
static const char *with(char ret[PND_LOCAL_NAME_CAP], const char *name, const char *suffix)
{
    snprintf(ret, PND_LOCAL_NAME_CAP, "%.*s%s", (int)(PND_LOCAL_NAME_CAP - sizeof(incomplete)),
             name, suffix);
    return ret;
}

/* What an earlier attempt left is not in the way of the next. */
static bool is_ours(const struct pnd_local_file *file, const char *name)
{
    return file->left_behind[0] && strcmp(name, file->left_behind) == 0;
}

static bool taken(int dir, const char *name)
{
    struct stat st;

    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

/* The first form of @p name that nothing has: "core.gz", "core.1.gz", ... */
static int pick(struct pnd_local_file *file, const char *name)
{
    size_t len = strlen(name), gz = len > 3 && strcmp(name + len - 3, ".gz") == 0 ? 3 : 0;
    char number[8] = "", other[PND_LOCAL_NAME_CAP];

    if (len == 0 || name[0] == '.' || strchr(name, '/') ||
        len + sizeof(number) + sizeof(incomplete) > PND_LOCAL_NAME_CAP)
        return PND_E_NAME;
    for (unsigned i = 0; i <= PND_LOCAL_NUMBER_MAX; i++) {
        if (i > 0)
            snprintf(number, sizeof(number), ".%u", i);
        snprintf(file->name, sizeof(file->name), "%.*s%s%s", (int)(len - gz), name, number,
                 name + len - gz);
        if (taken(file->dir, file->name) || taken(file->dir, with(other, file->name, part)))
            continue;
        with(other, file->name, incomplete);
        if (is_ours(file, other) || !taken(file->dir, other))
            return PND_OK;
    }
    return PND_E_FULL;
}

/* Bytes that may be written before only the floor is left. */
static uint64_t room(const struct pnd_local_file *file)
{
    struct statvfs fs;
    uint64_t bytes;

    if (fstatvfs(file->dir, &fs) < 0)
        return UINT64_MAX; /* then the writes will tell */
    bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    return bytes < PND_LOCAL_FLOOR ? 0 : bytes - PND_LOCAL_FLOOR;
}

static int refuse_full(struct pnd_local_file *file)
{
    char done[PND_TEXT_BYTES_CAP], floor[PND_TEXT_BYTES_CAP];

    file->cut_to = PND_LOCAL_KEPT;
    return pnd_why(&file->why, PND_E_NOSPACE, 0,
                   "the disk is full after %s of the dump (%s stay free for the machine)",
                   pnd_text_bytes(done, sizeof(done), file->written),
                   pnd_text_bytes(floor, sizeof(floor), PND_LOCAL_FLOOR));
}

static int refuse_errno(struct pnd_local_file *file, const char *what)
{
    if (errno == ENOSPC || errno == EDQUOT)
        return refuse_full(file);
    if (errno == EFBIG)
        return pnd_why(&file->why, PND_E_RANGE, 0,
                       "this file system has no files of more than %" PRIu64 " bytes (FAT: 4 GiB)",
                       file->written);
    return pnd_why(&file->why, PND_E_SYS, errno, "%s %s%s", what, file->name, part);
}

static void cut_left_behind(struct pnd_local_file *file)
{
    PND_AUTO_CLOSE int fd = -1;

    if (!file->left_behind[0] || file->left_bytes <= PND_LOCAL_KEPT)
        return;
    fd = openat(file->dir, file->left_behind, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && ftruncate(fd, PND_LOCAL_KEPT) == 0)
        file->left_bytes = PND_LOCAL_KEPT;
}

static void remove_left_behind(struct pnd_local_file *file)
{
    if (file->left_behind[0])
        unlinkat(file->dir, file->left_behind, 0);
    file->left_behind[0] = '\0';
}

int pnd_local_file_open(struct pnd_local_file *file, int dir, const char *name, struct pnd_why *why)
{
    char path[PND_LOCAL_NAME_CAP];
    int err;

    file->dir = dir;
    file->bytes = file->written = file->looked_at = file->cut_to = 0;
    file->fill = 0;
    file->why.text[0] = '\0';
    cut_left_behind(file);
    err = pick(file, name);
    if (err)
        return pnd_why(why, err, 0, "%s cannot be the name of a file there: %s", name,
                       pnd_err_text(err));
    if (room(file) == 0) {
        err = refuse_full(file);
        *why = file->why;
        return err;
    }
    with(path, file->name, part);
    file->fd = openat(dir, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return file->fd < 0 ? pnd_why(why, PND_E_SYS, errno, "create %s", path) : PND_OK;
}

/* ---- writing ---- */

/* What is written goes to the disk now, and what was written before that leaves the memory, which a
 * crash kernel has little of. */
static int look_at_disk(struct pnd_local_file *file)
{
    uint64_t before = file->looked_at;

    if (file->written - before < PND_LOCAL_WINDOW)
        return PND_OK;
    file->looked_at = file->written;
    sync_file_range(file->fd, (off_t)before, (off_t)(file->written - before),
                    SYNC_FILE_RANGE_WRITE);
    if (before > 0) {
        uint64_t old = before > PND_LOCAL_WINDOW ? before - PND_LOCAL_WINDOW : 0;

        sync_file_range(file->fd, (off_t)old, (off_t)(before - old),
                        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                            SYNC_FILE_RANGE_WAIT_AFTER);
        posix_fadvise(file->fd, (off_t)old, (off_t)(before - old), POSIX_FADV_DONTNEED);
    }
    return room(file) == 0 ? refuse_full(file) : PND_OK;
}

static bool is_zero(const uint8_t *at, size_t len)
{
    return at[0] == 0 && memcmp(at, at + 1, len - 1) == 0;
}

static int write_run(struct pnd_local_file *file, const uint8_t *at, size_t len, uint64_t offset)
{
    while (len > 0) {
        ssize_t n = pwrite(file->fd, at, len, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = EIO;
        if (n <= 0)
            return refuse_errno(file, "write");
        at += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return PND_OK;
}

/* Blocks of zeros are left out; the buffer begins at a multiple of a block. */
static int write_buffer(struct pnd_local_file *file)
{
    size_t at = 0;
    int err = PND_OK;

    while (!err && at < file->fill) {
        size_t end = at;

        while (end < file->fill) {
            size_t len = file->fill - end < BLOCK ? file->fill - end : BLOCK;

            if (is_zero(file->buffer + end, len))
                break;
            end += len;
        }
        err = write_run(file, file->buffer + at, end - at, file->written + at);
        at = end + BLOCK;
    }
    if (err)
        return err;
    file->written += file->fill;
    file->fill = 0;
    return look_at_disk(file);
}

static int take(void *ctx, const void *buf, size_t len)
{
    struct pnd_local_file *file = ctx;
    const uint8_t *from = buf;
    int err = PND_OK;

    while (!err && len > 0) {
        size_t free = sizeof(file->buffer) - file->fill, n = len < free ? len : free;

        memcpy(file->buffer + file->fill, from, n);
        file->fill += n;
        file->bytes += n;
        from += n;
        len -= n;
        if (file->fill == sizeof(file->buffer))
            err = write_buffer(file);
    }
    return err;
}

/* NAME.part becomes @p name; what has that name meanwhile stays. */
static int settle(struct pnd_local_file *file, const char *name)
{
    char from[PND_LOCAL_NAME_CAP];

    with(from, file->name, part);
    if (renameat2(file->dir, from, file->dir, name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (taken(file->dir, name)) { /* a file system that knows no RENAME_NOREPLACE */
        errno = EEXIST;
        return -1;
    }
    return renameat(file->dir, from, file->dir, name);
}

static int end(void *ctx)
{
    struct pnd_local_file *file = ctx;
    int err = write_buffer(file);

    if (err)
        return err;
    if (ftruncate(file->fd, (off_t)file->written) < 0)
        return refuse_errno(file, "end");
    if (fsync(file->fd) < 0)
        return refuse_errno(file, "sync");
    if (settle(file, file->name) < 0)
        return refuse_errno(file, "rename");
    close(file->fd);
    file->fd = -1;
    remove_left_behind(file);
    if (fsync(file->dir) < 0)
        return pnd_why(&file->why, PND_E_SYS, errno, "sync the directory of %s", file->name);
    return PND_OK;
}

void pnd_local_file_sink(struct pnd_local_file *file, struct pnd_sink *ret)
{
    *ret = (struct pnd_sink){.ctx = file, .write = take, .end = end};
}

/* ---- what did not end ---- */

/* @return bytes that are kept */
static uint64_t keep(struct pnd_local_file *file)
{
    uint64_t bytes = file->written;

    if (!file->cut_to) {
        if (write_run(file, file->buffer, file->fill, bytes) == PND_OK)
            bytes += file->fill;
    } else if (bytes > file->cut_to) {
        bytes = file->cut_to;
    }
    if (ftruncate(file->fd, (off_t)bytes) < 0 || fsync(file->fd) < 0)
        pnd_why_add(&file->why, PND_E_SYS, "what was written may be lost (%s); ", strerror(errno));
    return bytes;
}

/* Of this attempt and of one before, the better. */
static void leave_behind(struct pnd_local_file *file, uint64_t bytes)
{
    char from[PND_LOCAL_NAME_CAP], to[PND_LOCAL_NAME_CAP];

    with(from, file->name, part);
    with(to, file->name, incomplete);
    if (bytes == 0 || (file->left_behind[0] && bytes <= file->left_bytes)) {
        unlinkat(file->dir, from, 0);
        return;
    }
    if (is_ours(file, to) ? renameat(file->dir, from, file->dir, to) < 0 : settle(file, to) < 0)
        memcpy(to, from, sizeof(to));
    if (!is_ours(file, to))
        remove_left_behind(file);
    memcpy(file->left_behind, to, sizeof(to));
    file->left_bytes = bytes;
    fsync(file->dir);
}

void pnd_local_file_close(struct pnd_local_file *file, struct pnd_why *why)
{
    char size[PND_TEXT_BYTES_CAP];
    struct pnd_why what;

    if (file->why.text[0])
        *why = file->why;
    if (file->fd < 0)
        return;
    leave_behind(file, keep(file));
    close(file->fd);
    file->fd = -1;
    if (!file->left_behind[0])
        return;
    what = file->why.text[0] ? file->why : *why;
    pnd_why(why, PND_OK, 0, "%.300s; its first %s are kept as %s",
            what.text[0] ? what.text : "the dump did not end",
            pnd_text_bytes(size, sizeof(size), file->left_bytes), file->left_behind);
}
