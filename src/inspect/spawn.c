/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Children that read one file; see spawn.h. */
#include "inspect/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/guard.h"
#include "host/run.h"
#include "inspect/sandbox.h"
#include "inspect/sanitizer.h"

enum {
    FD_ABOVE = 10, /* copies that dup2 to 3, 4 and 5 cannot overwrite */
    ENV_CAP = 8,
};

/* The child gets nothing of the environment that it does not need to start. */
static void pick_environment(char *ret[ENV_CAP + 1])
{
    static const char *const wanted[] = {
        "LD_LIBRARY_PATH=", "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "TSAN_OPTIONS="};
    size_t count = 0;

    for (char **e = environ; e && *e; e++) {
        for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted) && count < ENV_CAP; i++) {
            if (strncmp(*e, wanted[i], strlen(wanted[i])) == 0)
                ret[count++] = *e;
        }
    }
    ret[count] = NULL;
}

/* What the child is given, above the places where it finds them. */
struct gifts {
    int dump, answer, go; /* go: -1 none */
};

static int spawn_child(char *const argv[], const struct gifts *gifts, pid_t *ret_pid)
{
    char *env[ENV_CAP + 1];
    posix_spawn_file_actions_t actions;
    int err = posix_spawn_file_actions_init(&actions);

    if (err)
        return err;
    pick_environment(env);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDOUT_FILENO);
    if (!PND_SANITIZED)
        posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDERR_FILENO);
    posix_spawn_file_actions_adddup2(&actions, gifts->dump, PND_SANDBOX_DUMP_FD);
    posix_spawn_file_actions_adddup2(&actions, gifts->answer, PND_SANDBOX_ANSWER_FD);
    if (gifts->go >= 0)
        posix_spawn_file_actions_adddup2(&actions, gifts->go, PND_SANDBOX_GO_FD);
    err = pnd_run_spawn("/proc/self/exe", &actions, false, argv, env, ret_pid);
    posix_spawn_file_actions_destroy(&actions);
    return err;
}

static void close_gifts(struct gifts *gifts)
{
    pnd_guard_close(&gifts->dump);
    pnd_guard_close(&gifts->answer);
    pnd_guard_close(&gifts->go);
}

int pnd_spawn(char *const argv[], int fd, bool go, struct pnd_spawn *ret, struct pnd_why *why)
{
    int pipes[2] = {-1, -1}, pair[2] = {-1, -1}, err = 0;
    struct gifts gifts = {-1, -1, -1};
    pid_t pid = -1;

    if (pipe2(pipes, O_CLOEXEC) != 0 ||
        (go && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0))
        err = errno;
    if (!err) {
        gifts.dump = fcntl(fd, F_DUPFD_CLOEXEC, FD_ABOVE);
        gifts.answer = fcntl(pipes[1], F_DUPFD_CLOEXEC, FD_ABOVE);
        gifts.go = go ? fcntl(pair[1], F_DUPFD_CLOEXEC, FD_ABOVE) : -1;
        if (gifts.dump < 0 || gifts.answer < 0 || (go && gifts.go < 0))
            err = errno;
    }
    if (!err)
        err = spawn_child(argv, &gifts, &pid);
    close_gifts(&gifts);
    pnd_guard_close(&pipes[1]);
    pnd_guard_close(&pair[1]);
    if (err) {
        pnd_guard_close(&pipes[0]);
        pnd_guard_close(&pair[0]);
        return pnd_why(why, PND_E_SYS, err, "start %s", argv[0]);
    }
    *ret = (struct pnd_spawn){.pid = pid, .result_fd = pipes[0], .go_fd = pair[0]};
    return PND_OK;
}

int pnd_spawn_wait(struct pnd_spawn *spawn)
{
    int status = 0;
    pid_t pid;

    do
        pid = waitpid(spawn->pid, &status, 0);
    while (pid < 0 && errno == EINTR);
    spawn->pid = -1;
    return pid < 0 ? -1 : status;
}

int pnd_spawn_reap(struct pnd_spawn *spawn)
{
    int status = -1;

    if (spawn->pid >= 0) {
        kill(spawn->pid, SIGKILL);
        status = pnd_spawn_wait(spawn);
    }
    pnd_guard_close(&spawn->result_fd);
    pnd_guard_close(&spawn->go_fd);
    *spawn = (struct pnd_spawn){.pid = -1, .result_fd = -1, .go_fd = -1};
    return status;
}

int pnd_spawn_died(int status, const char *what, struct pnd_why *why)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
        return pnd_why(why, PND_E_FORMAT, 0, "the %s took more processor time than it may", what);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        return pnd_why(why, PND_E_FORMAT, 0,
                       "the %s was stopped: it tried what its sandbox forbids", what);
    if (WIFSIGNALED(status))
        return pnd_why(why, PND_E_FORMAT, 0, "the %s process was killed by signal %d (%s)", what,
                       WTERMSIG(status), strsignal(WTERMSIG(status)));
    return pnd_why(why, PND_E_FORMAT, 0, "the %s process ended with status %d", what,
                   WEXITSTATUS(status));
}
