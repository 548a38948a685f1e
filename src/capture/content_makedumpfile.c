/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What makedumpfile writes: see content.h. It gets the vmcore as /proc/self/fd/N, and says what
 * went wrong into a file in memory, of which the last line is kept. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture/child.h"
#include "capture/content.h"
#include "capture/options.h"
#include "host/guard.h"
#include "sender/stop.h"

enum {
    PATH_CAP = 256,
    PIPE_BYTES = 64 * 1024,
    SAID_CAP = 400,
    LOOK_MS = 500,
    SILENT_MIN_MS = 120000,
    SLOWEST_BYTES_PER_S = 16 << 20, /* of a crash kernel that reads memory page by page */
};

static struct makedumpfile {
    struct pnd_vmcore_file *file;
    struct pnd_why *why;
    unsigned level;
    bool nothing; /* was written */
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
        return PND_E_SOURCE;
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
    return errnum ? PND_E_SOURCE : PND_OK;
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

/* It reads all of the memory, perhaps twice, before it has a word to say. */
static uint64_t silent_max_ms(const struct makedumpfile *m)
{
    return SILENT_MIN_MS + m->file->bytes / SLOWEST_BYTES_PER_S * 1000;
}

/* @return PND_OK there is something to read, or its end */
static int await(struct makedumpfile *m, struct pnd_child *child, int from)
{
    struct pollfd pfd = {.fd = from, .events = POLLIN};

    for (;;) {
        if (poll(&pfd, 1, LOOK_MS) > 0)
            return PND_OK;
        if (pnd_stop_signal())
            return PND_E_ABORTED;
        if (pnd_child_hangs(child))
            return pnd_why(m->why, PND_E_SOURCE, 0, "makedumpfile hangs: it is ended");
    }
}

/* @return PND_OK: all that it had came through */
static int pass_on(struct makedumpfile *m, struct pnd_child *child, int from,
                   const struct pnd_sink *sink)
{
    bool any = false;

    for (;; any = true) {
        int err = await(m, child, from);
        ssize_t n = err ? 0 : read(from, m->buf, sizeof(m->buf));

        if (n < 0)
            return pnd_why(m->why, PND_E_SOURCE, errno, "read from makedumpfile");
        if (n == 0 && !err && !any)
            m->nothing = true;
        if (err || n == 0)
            return err;
        err = sink->write(sink->ctx, m->buf, (size_t)n);
        if (err)
            return err;
        pnd_child_heard(child); /* it may have waited for us */
    }
}

/* What came of the program, of which everything was read, or nothing more is wanted. */
static int judge(struct makedumpfile *m, struct pnd_child *child, int said, int err)
{
    char line[SAID_CAP];
    int status = 0;

    if (err) {
        pnd_child_kill(child, &status);
        return err;
    }
    err = pnd_child_wait(child, &status);
    if (err == PND_E_TIMEOUT)
        return pnd_why(m->why, PND_E_SOURCE, 0, "makedumpfile does not end");
    if (err || (WIFEXITED(status) && WEXITSTATUS(status) == 0 && !m->nothing))
        return err;
    last_line(said, line);
    if (WIFSIGNALED(status))
        return pnd_why(m->why, PND_E_SOURCE, 0, "makedumpfile was ended by signal %d%s%s",
                       WTERMSIG(status), line[0] ? ": " : "", line);
    return pnd_why(m->why, PND_E_SOURCE, 0, "makedumpfile: exit code %d%s%s%s", WEXITSTATUS(status),
                   m->nothing ? ", and it wrote nothing" : "", line[0] ? ": " : "", line);
}

static int write_flattened(void *ctx, const struct pnd_sink *sink)
{
    struct makedumpfile *m = ctx;
    PND_AUTO_CLOSE int said = memfd_create("said", MFD_CLOEXEC);
    struct pnd_child child;
    int ends[2], err;
    pid_t pid;

    m->nothing = false;
    if (said < 0 || pipe2(ends, O_CLOEXEC) < 0)
        return pnd_why(m->why, PND_E_SOURCE, errno, "a pipe for makedumpfile");
    err = start(m, ends[1], said, &pid);
    if (err)
        pnd_why(m->why, err, errno, "start %s", m->path);
    close(ends[1]);
    if (!err) {
        pnd_child_watch(&child, pid, silent_max_ms(m));
        err = judge(m, &child, said, pass_on(m, &child, ends[0], sink));
    }
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
