/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What makedumpfile writes: see content.h. It gets the vmcore as /proc/self/fd/N, and says what
 * went wrong into a file in memory, of which the last line is kept. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture/content.h"
#include "capture/options.h"
#include "host/guard.h"
#include "sender/stop.h"

enum {
    PATH_CAP = 256,
    PIPE_BYTES = 64 * 1024,
    SAID_CAP = 400,
};

static struct makedumpfile {
    struct pnd_vmcore_file *file;
    struct pnd_why *why;
    unsigned level;
    char path[PATH_CAP];
    uint8_t buf[PIPE_BYTES];
} makedumpfile;

/* The program, as the shell finds it. */
static bool find_program(const char *name, char ret[PATH_CAP])
{
    static const char *const places[] = {"", "/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/"};

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (i == 0 && !strchr(name, '/'))
            continue;
        if (snprintf(ret, PATH_CAP, "%s%s", places[i], name) < PATH_CAP && access(ret, X_OK) == 0)
            return true;
    }
    return false;
}

/* With @p out and @p said as its standard output and error. */
static int start(const struct makedumpfile *m, int out, int said, pid_t *ret)
{
    char level[16], core[32];
    char *const argv[] = {(char[]){"makedumpfile"},
                          (char[]){"-F"},
                          (char[]){"-c"},
                          (char[]){"-d"},
                          level,
                          (char[]){"--message-level"},
                          (char[]){"4"},
                          core,
                          NULL};
    char *const envp[] = {NULL};
    posix_spawn_file_actions_t actions;
    int errnum;

    snprintf(level, sizeof(level), "%u", m->level);
    snprintf(core, sizeof(core), "/proc/self/fd/%d", STDERR_FILENO + 1);
    if (posix_spawn_file_actions_init(&actions))
        return PND_E_SYS;
    errnum = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!errnum)
        errnum = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (!errnum)
        errnum = posix_spawn_file_actions_adddup2(&actions, said, STDERR_FILENO);
    if (!errnum)
        errnum = posix_spawn_file_actions_adddup2(&actions, m->file->fd, STDERR_FILENO + 1);
    if (!errnum)
        errnum = posix_spawn(ret, m->path, &actions, NULL, argv, envp);
    posix_spawn_file_actions_destroy(&actions);
    errno = errnum;
    return errnum ? PND_E_SYS : PND_OK;
}

/* The last line that has something to say. */
static void last_line(int said, char ret[SAID_CAP])
{
    char text[SAID_CAP];
    struct stat st = {0};
    ssize_t len = 0;
    char *line;

    ret[0] = '\0';
    if (fstat(said, &st) == 0)
        len = pread(said, text, sizeof(text) - 1,
                    st.st_size >= SAID_CAP ? st.st_size - (SAID_CAP - 1) : 0);
    text[len > 0 ? len : 0] = '\0';
    for (char *end = text + strlen(text); end > text && (end[-1] == '\n' || end[-1] == ' ');)
        *--end = '\0';
    line = strrchr(text, '\n');
    line = line ? line + 1 : text;
    for (size_t i = 0; line[i]; i++)
        ret[i] = line[i] < 0x20 || line[i] > 0x7e ? '?' : line[i], ret[i + 1] = '\0';
}

/* @return PND_OK: all that it had came through */
static int pass_on(struct makedumpfile *m, int from, const struct pnd_sink *sink)
{
    for (;;) {
        ssize_t n = read(from, m->buf, sizeof(m->buf));
        int err;

        if (n == 0)
            return PND_OK;
        if (n < 0 && errno == EINTR && !pnd_stop_signal())
            continue;
        if (n < 0)
            return pnd_stop_signal() ? PND_E_ABORTED : PND_E_SOURCE;
        err = sink->write(sink->ctx, m->buf, (size_t)n);
        if (err)
            return err;
    }
}

/* What came of the program @p pid, of which everything was read, or nothing more is wanted. */
static int judge(struct makedumpfile *m, pid_t pid, int said, int err)
{
    char line[SAID_CAP];
    int status = 0;

    if (err)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (err || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
        return err;
    last_line(said, line);
    if (WIFSIGNALED(status))
        return pnd_why(m->why, PND_E_SOURCE, 0, "makedumpfile was ended by signal %d%s%s",
                       WTERMSIG(status), line[0] ? ": " : "", line);
    return pnd_why(m->why, PND_E_SOURCE, 0, "makedumpfile: exit code %d: %s", WEXITSTATUS(status),
                   line);
}

static int write_flattened(void *ctx, const struct pnd_sink *sink)
{
    struct makedumpfile *m = ctx;
    PND_AUTO_CLOSE int said = memfd_create("said", MFD_CLOEXEC);
    int ends[2], err;
    pid_t pid;

    if (said < 0 || pipe2(ends, O_CLOEXEC) < 0)
        return pnd_why(m->why, PND_E_SYS, errno, "a pipe for makedumpfile");
    err = start(m, ends[1], said, &pid);
    if (err)
        pnd_why(m->why, err, errno, "start %s", m->path);
    close(ends[1]);
    if (!err)
        err = judge(m, pid, said, pass_on(m, ends[0], sink));
    close(ends[0]);
    return err;
}

int pnd_content_makedumpfile(struct pnd_vmcore_file *file, const char *path, unsigned level,
                             struct pnd_content *ret, struct pnd_why *why)
{
    struct makedumpfile *m = &makedumpfile;

    if (level > PND_CAPTURE_FILTER_MAX)
        return pnd_why(why, PND_E_ARG, 0, "level %u", level);
    if (!find_program(path, m->path))
        return pnd_why(why, PND_E_NOTFOUND, 0, "%s is not in this system", path);
    m->file = file;
    m->why = why;
    m->level = level;
    *ret = (struct pnd_content){.ctx = m, .bytes = 0, .write = write_flattened};
    return PND_OK;
}
