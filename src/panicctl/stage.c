/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Files without a name; see stage.h. */
#include "panicctl/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/guard.h"

enum { TRIES_MAX = 1000 };

static int failed(struct pnd_why *why, const char *what)
{
    return pnd_why(why, errno == ENOSPC || errno == EDQUOT ? PND_E_NOSPACE : PND_E_SYS, errno, "%s",
                   what);
}

static void hidden_name(const char *prefix, unsigned number, char ret[PND_STAGE_NAME_CAP])
{
    snprintf(ret, PND_STAGE_NAME_CAP, "%.40s%ld-%u", prefix, (long)getpid(), number);
}

/* Where there is no way to a file without a name, one with a hidden name. */
static int create_hidden(struct pnd_stage *stage, const char *prefix, struct pnd_why *why)
{
    for (unsigned i = 0; i < TRIES_MAX; i++) {
        hidden_name(prefix, i, stage->temp);
        stage->fd = openat(stage->dir_fd, stage->temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (stage->fd >= 0)
            return PND_OK;
        if (errno != EEXIST)
            break;
    }
    stage->temp[0] = '\0';
    return failed(why, "create a file");
}

int pnd_stage_open(struct pnd_stage *ret, int dir_fd, const char *prefix, struct pnd_why *why)
{
    struct pnd_stage stage = {.dir_fd = dir_fd};
    int err = PND_OK;

    stage.fd = openat(dir_fd, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    if (stage.fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT))
        err = create_hidden(&stage, prefix, why);
    else if (stage.fd < 0)
        err = failed(why, "create a file");
    if (err) {
        ret->fd = -1;
        return err;
    }
    flock(stage.fd, LOCK_EX | LOCK_NB); /* nobody else can have it */
    *ret = stage;
    return PND_OK;
}

/* @return 0; -1 and errno */
static int link_fd(int fd, int dir_fd, const char *name)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, path, dir_fd, name, AT_SYMLINK_FOLLOW);
}

int pnd_stage_hide(struct pnd_stage *stage, const char *prefix, struct pnd_why *why)
{
    for (unsigned i = 0; i < TRIES_MAX && !stage->temp[0]; i++) {
        hidden_name(prefix, i, stage->temp);
        if (link_fd(stage->fd, stage->dir_fd, stage->temp) == 0)
            return PND_OK;
        stage->temp[0] = '\0';
        if (errno != EEXIST)
            break;
    }
    return stage->temp[0] ? PND_OK : failed(why, "give the file a name");
}

int pnd_stage_link(struct pnd_stage *ret, int dir_fd, int fd, const char *prefix,
                   struct pnd_why *why)
{
    struct pnd_stage stage = {.dir_fd = dir_fd, .fd = fd};
    int err;

    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return pnd_why(why, PND_E_SYS, errno, "lock the file");
    err = pnd_stage_hide(&stage, prefix, why);
    if (!err)
        *ret = stage;
    return err;
}

int pnd_stage_name(struct pnd_stage *stage, const char *name, bool replace, struct pnd_why *why)
{
    int err = PND_OK, failure;

    if (fsync(stage->fd) != 0 && errno != EINVAL)
        return failed(why, "write it to the disk");
    if (!stage->temp[0] && !replace) {
        failure = link_fd(stage->fd, stage->dir_fd, name);
    } else {
        err = pnd_stage_hide(stage, ".panicctl-", why);
        if (err)
            return err;
        failure =
            replace ? renameat(stage->dir_fd, stage->temp, stage->dir_fd, name)
                    : renameat2(stage->dir_fd, stage->temp, stage->dir_fd, name, RENAME_NOREPLACE);
        if (failure && !replace && errno == EINVAL) /* a file system that cannot say so */
            failure = linkat(stage->dir_fd, stage->temp, stage->dir_fd, name, 0) ||
                      unlinkat(stage->dir_fd, stage->temp, 0);
        if (!failure)
            stage->temp[0] = '\0';
    }
    if (failure && errno == EEXIST)
        return pnd_why(why, PND_E_EXISTS, 0, "%s is there already", name);
    if (failure)
        return failed(why, "give the file its name");
    return fsync(stage->dir_fd) == 0 ? PND_OK : failed(why, "write the directory to the disk");
}

void pnd_stage_close(struct pnd_stage *stage)
{
    if (stage->temp[0])
        unlinkat(stage->dir_fd, stage->temp, 0);
    stage->temp[0] = '\0';
    pnd_guard_close(&stage->fd);
    stage->fd = -1;
}
