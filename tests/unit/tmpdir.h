/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A directory for one test, and what can be done to it. */
#ifndef PND_TESTS_TMPDIR_H
#define PND_TESTS_TMPDIR_H

#include <fcntl.h>
#include <ftw.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

static char tmp_path[256];

static inline int tmp_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void tmp_make(void)
{
    const char *base = getenv("TMPDIR");

    snprintf(tmp_path, sizeof(tmp_path), "%s/pnd-test-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(tmp_path)) {
        printf("Bail out! no directory for tests: set TMPDIR\n");
        exit(EXIT_FAILURE);
    }
}

static inline void tmp_remove(void)
{
    nftw(tmp_path, tmp_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A file system of its own under the directory, @p options as for mount(8). */
static inline bool tmp_mount(const char *options)
{
    return mount("none", tmp_path, "tmpfs", 0, options) == 0;
}

static inline void tmp_unmount(void)
{
    umount2(tmp_path, MNT_DETACH);
}

/* Ends in a static buffer: one at a time. */
static inline const char *tmp_file(const char *name)
{
    static char path[4096];

    snprintf(path, sizeof(path), "%s/%s", tmp_path, name);
    return path;
}

static inline void tmp_write(const char *name, const void *data, size_t len)
{
    int fd = open(tmp_file(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

    CHECK(fd >= 0 && write(fd, data, len) == (ssize_t)len);
    close(fd);
}

static inline bool tmp_exists(const char *name)
{
    struct stat st;

    return lstat(tmp_file(name), &st) == 0;
}

/* Fills the file system until not a byte is left; remove tmp_file("filler") to undo. */
static inline void tmp_fill(void)
{
    static const char block[65536];
    int fd = open(tmp_file("filler"), O_WRONLY | O_CREAT, 0600);
    size_t len = sizeof(block);

    while (len > 0)
        if (write(fd, block, len) <= 0)
            len /= 2;
    close(fd);
}

/* The child's exit status; it must not die otherwise. */
static inline int tmp_wait(pid_t child)
{
    int status = -1;

    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status));
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#endif
