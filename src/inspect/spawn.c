/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Children that read one file; see spawn.h. */
#include "inspect/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "inspect/sandbox.h"
#include "inspect/sanitizer.h"

enum {
    FD_ABOVE = 10, /* copies that dup2 to 3 and 4 cannot overwrite */
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

static int spawn_child(char *const argv[], int dump, int answer, pid_t *ret_pid)
{
    char *env[ENV_CAP + 1];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;
    int err;

    pick_environment(env);
    sigemptyset(&none);
    sigfillset(&all);
    err = posix_spawn_file_actions_init(&actions);
    if (err)
        return err;
    err = posix_spawnattr_init(&attr);
    if (err) {
        posix_spawn_file_actions_destroy(&actions);
        return err;
    }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDOUT_FILENO);
    if (!PND_SANITIZED)
        posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDERR_FILENO);
    posix_spawn_file_actions_adddup2(&actions, dump, PND_SANDBOX_DUMP_FD);
    posix_spawn_file_actions_adddup2(&actions, answer, PND_SANDBOX_ANSWER_FD);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    err = posix_spawn(ret_pid, "/proc/self/exe", &actions, &attr, argv, env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return err;
}

int pnd_spawn(char *const argv[], int fd, struct pnd_spawn *ret, struct pnd_why *why)
{
    int pipes[2], dump, answer, err = 0;
    pid_t pid = -1;

    if (pipe2(pipes, O_CLOEXEC) != 0)
        return pnd_why(why, PND_E_SYS, errno, "make a pipe for %s", argv[0]);
    dump = fcntl(fd, F_DUPFD_CLOEXEC, FD_ABOVE);
    answer = fcntl(pipes[1], F_DUPFD_CLOEXEC, FD_ABOVE);
    if (dump < 0 || answer < 0)
        err = errno;
    else
        err = spawn_child(argv, dump, answer, &pid);
    if (dump >= 0)
        close(dump);
    if (answer >= 0)
        close(answer);
    close(pipes[1]);
    if (err) {
        close(pipes[0]);
        return pnd_why(why, PND_E_SYS, err, "start %s", argv[0]);
    }
    *ret = (struct pnd_spawn){.pid = pid, .result_fd = pipes[0]};
    return PND_OK;
}

int pnd_spawn_reap(struct pnd_spawn *spawn)
{
    int status = 0;
    pid_t pid;

    kill(spawn->pid, SIGKILL);
    do
        pid = waitpid(spawn->pid, &status, 0);
    while (pid < 0 && errno == EINTR);
    close(spawn->result_fd);
    *spawn = (struct pnd_spawn){.pid = -1, .result_fd = -1};
    return pid < 0 ? -1 : status;
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
