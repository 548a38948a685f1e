/* SPDX-License-Identifier: BSD-2-Clause */
#include "host/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/guard.h"

/* ---- what it prints ---- */

static void say_line(struct pnd_run *run)
{
    if (run->len > 0 && run->lines < PND_RUN_LINES_MAX) {
        run->lines++;
        run->say(run->line, run->len, run->ctx);
    } else if (run->len > 0) {
        run->lines_dropped++;
    }
    run->len = 0;
}

static void take_output(struct pnd_run *run, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\n') {
            say_line(run);
            continue;
        }
        run->line[run->len++] = text[i];
        if (run->len == sizeof(run->line))
            say_line(run);
    }
}

void pnd_run_hear(struct pnd_run *run)
{
    char text[4096];
    ssize_t got = read(run->out_fd, text, sizeof(text));

    if (got > 0) {
        take_output(run, text, (size_t)got);
    } else if (got == 0 || (errno != EINTR && errno != EAGAIN)) {
        say_line(run);
        pnd_guard_close(&run->out_fd);
        run->out_fd = -1;
    }
}

/* ---- from its start to its end ---- */

static int add_actions(posix_spawn_file_actions_t *actions, int dir_fd, int in_fd, int out_fd)
{
    int err = posix_spawn_file_actions_addfchdir_np(actions, dir_fd);

    if (!err)
        err = posix_spawn_file_actions_adddup2(actions, out_fd, STDOUT_FILENO);
    if (!err)
        err = posix_spawn_file_actions_adddup2(actions, out_fd, STDERR_FILENO);
    if (!err && in_fd >= 0)
        err = posix_spawn_file_actions_adddup2(actions, in_fd, STDIN_FILENO);
    else if (!err)
        err = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!err)
        err = posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
    return err;
}

int pnd_run_spawn(const char *path, const posix_spawn_file_actions_t *actions, bool leads,
                  char *const argv[], char *const env[], pid_t *ret)
{
    int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    posix_spawnattr_t attr;
    sigset_t none, all;
    int err = posix_spawnattr_init(&attr);

    if (err)
        return err;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setflags(&attr, (short)(leads ? flags | POSIX_SPAWN_SETPGROUP : flags));
    err = posix_spawn(ret, path, actions, &attr, argv, env);
    posix_spawnattr_destroy(&attr);
    return err;
}

static int spawn(char *const argv[], char *const env[], int dir_fd, int in_fd, int out_fd,
                 pid_t *ret)
{
    posix_spawn_file_actions_t actions;
    int err = posix_spawn_file_actions_init(&actions);

    if (err)
        return err;
    err = add_actions(&actions, dir_fd, in_fd, out_fd);
    if (!err)
        err = pnd_run_spawn(argv[0], &actions, true, argv, env, ret);
    posix_spawn_file_actions_destroy(&actions);
    return err;
}

int pnd_run_start(char *const argv[], char *const env[], int dir_fd, int in_fd,
                  uint64_t patience_ms, void (*say)(const char *line, size_t len, void *ctx),
                  void *ctx, struct pnd_run *ret, struct pnd_why *why)
{
    int pipes[2], err;
    pid_t pid = 0;

    if (pipe2(pipes, O_CLOEXEC) < 0)
        return pnd_why(why, PND_E_SYS, errno, "pipe");
    err = fcntl(pipes[0], F_SETFL, O_NONBLOCK) < 0 ? errno : 0;
    if (!err)
        err = spawn(argv, env, dir_fd, in_fd, pipes[1], &pid);
    close(pipes[1]);
    if (err) {
        close(pipes[0]);
        return pnd_why(why, PND_E_SYS, err, "start %s", argv[0]);
    }
    *ret = (struct pnd_run){.pid = pid,
                            .out_fd = pipes[0],
                            .started_ms = pnd_clock_ms(),
                            .kill_ms = UINT64_MAX,
                            .say = say,
                            .ctx = ctx};
    ret->term_ms = ret->started_ms + patience_ms;
    return PND_OK;
}

/* @return whether its own process has ended; it is not reaped */
static bool has_exited(const struct pnd_run *run)
{
    siginfo_t info = {0};

    return waitid(P_PID, (id_t)run->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid;
}

bool pnd_run_look(struct pnd_run *run)
{
    uint64_t now_ms = pnd_clock_ms();

    run->exited = run->exited || has_exited(run);
    if (run->exited && (run->out_fd < 0 || run->killed))
        return true;
    if (!run->termed && now_ms >= run->term_ms) {
        run->termed = true;
        run->kill_ms = now_ms + PND_RUN_GRACE_MS;
        kill(-run->pid, SIGTERM);
    }
    if (!run->killed && now_ms >= run->kill_ms) {
        run->killed = true;
        kill(-run->pid, SIGKILL);
    }
    return false;
}

void pnd_run_term(struct pnd_run *run)
{
    kill(-run->pid, SIGTERM);
}

void pnd_run_kill(struct pnd_run *run, uint64_t until_ms)
{
    const struct timespec pause = {.tv_nsec = 10 * 1000000L};

    while (!has_exited(run) && pnd_clock_ms() < until_ms)
        nanosleep(&pause, NULL);
    kill(-run->pid, SIGKILL);
}

void pnd_run_finish(struct pnd_run *run, struct pnd_run_end *ret)
{
    int status = 0;

    if (run->out_fd >= 0)
        close(run->out_fd);
    say_line(run);
    while (waitpid(run->pid, &status, 0) < 0 && errno == EINTR) {
    }
    *ret = (struct pnd_run_end){.status = WIFEXITED(status) ? WEXITSTATUS(status) : 0,
                                .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
                                .late = run->termed,
                                .lines_dropped = run->lines_dropped,
                                .took_ms = pnd_clock_ms() - run->started_ms};
    *run = (struct pnd_run){.out_fd = -1};
}
