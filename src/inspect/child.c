/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The check in a process of its own; see check.h. */
#include "inspect/check.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "inspect/answer.h"
#include "inspect/sandbox.h"
#include "inspect/sanitizer.h"

enum {
    FD_ABOVE = 10, /* copies that dup2 to 3 and 4 cannot overwrite */
    CPU_S_BASE = 60,
    CPU_BYTES_PER_S = 128 << 10, /* deflate packs 1032 to 1 at most: 129 MiB of zeros a second */
    ANSWER_WAIT_MS = 2000,       /* from the first byte of an answer to its end */
    ENV_CAP = 8,
};

/* ---- the child's side ---- */

/* libcrypto finds its algorithms when they are first used, which needs more system calls than the
 * sandbox leaves. */
static void warm_up(void)
{
    unsigned char digest[EVP_MAX_MD_SIZE];

    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
    EVP_Digest("", 0, digest, NULL, EVP_sha256(), NULL);
}

void pnd_check_child_main(int argc, char **argv)
{
    struct pnd_sandbox sandbox = {.memory_max = PND_CHECK_MEMORY_MAX, .cpu_s_max = CPU_S_BASE};
    uint8_t answer[PND_ANSWER_LEN];
    struct pnd_check check = {0};
    struct pnd_why why = {0};
    struct stat st;
    int err = PND_OK;

    if (argc < 1 || strcmp(argv[0], PND_CHECK_CHILD_NAME) != 0)
        return;
    if (fstat(PND_SANDBOX_DUMP_FD, &st) != 0 || fcntl(PND_SANDBOX_ANSWER_FD, F_GETFD) < 0)
        _exit(EXIT_FAILURE); /* started by hand */
    if (st.st_size > 0)
        sandbox.cpu_s_max += (uint64_t)st.st_size / CPU_BYTES_PER_S;
    warm_up();

    err = pnd_sandbox_enter(&sandbox, &why);
    if (!err)
        err = pnd_check_file(PND_SANDBOX_DUMP_FD, NULL, NULL, &check, &why);
    pnd_answer_encode(err, &check, &why, answer);
    if (write(PND_SANDBOX_ANSWER_FD, answer, sizeof(answer)) != (ssize_t)sizeof(answer))
        _exit(EXIT_FAILURE);
    _exit(EXIT_SUCCESS);
}

/* ---- the parent's side ---- */

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

static int spawn_child(int dump, int answer, pid_t *ret_pid)
{
    char name[] = PND_CHECK_CHILD_NAME;
    char *argv[] = {name, NULL}, *env[ENV_CAP + 1];
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

int pnd_check_start(int fd, struct pnd_check_child *ret, struct pnd_why *why)
{
    int pipes[2], dump, answer, err = 0;
    pid_t pid = -1;

    if (pipe2(pipes, O_CLOEXEC) != 0)
        return pnd_why(why, PND_E_SYS, errno, "make a pipe for the check");
    dump = fcntl(fd, F_DUPFD_CLOEXEC, FD_ABOVE);
    answer = fcntl(pipes[1], F_DUPFD_CLOEXEC, FD_ABOVE);
    if (dump < 0 || answer < 0)
        err = errno;
    else
        err = spawn_child(dump, answer, &pid);
    if (dump >= 0)
        close(dump);
    if (answer >= 0)
        close(answer);
    close(pipes[1]);
    if (err) {
        close(pipes[0]);
        return pnd_why(why, PND_E_SYS, err, "start the check process");
    }
    *ret = (struct pnd_check_child){.pid = pid, .result_fd = pipes[0]};
    return PND_OK;
}

/* Reads until the pipe ends, the answer is too long, or its rest does not come in time.
 *   @return bytes in @p buf */
static size_t read_answer(int fd, uint8_t *buf, size_t cap)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    size_t len = 0;

    while (len < cap) {
        int ready = poll(&poller, 1, len ? ANSWER_WAIT_MS : -1);
        ssize_t n;

        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            break;
        n = read(fd, buf + len, cap - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    return len;
}

static int died(int status, struct pnd_why *why)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
        return pnd_why(why, PND_E_FORMAT, 0, "the check took more processor time than it may");
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        return pnd_why(why, PND_E_FORMAT, 0,
                       "the check was stopped: it tried what its sandbox forbids");
    if (WIFSIGNALED(status))
        return pnd_why(why, PND_E_FORMAT, 0, "the check process was killed by signal %d (%s)",
                       WTERMSIG(status), strsignal(WTERMSIG(status)));
    return pnd_why(why, PND_E_FORMAT, 0, "the check process ended with status %d",
                   WEXITSTATUS(status));
}

int pnd_check_collect(struct pnd_check_child *child, struct pnd_check *ret, struct pnd_why *why)
{
    uint8_t answer[PND_ANSWER_LEN + 1];
    size_t len = read_answer(child->result_fd, answer, sizeof(answer));
    int status = 0;
    pid_t pid;

    /* One that has answered is gone or going; one that lingers has no business to. */
    kill(child->pid, SIGKILL);
    do
        pid = waitpid(child->pid, &status, 0);
    while (pid < 0 && errno == EINTR);
    close(child->result_fd);
    *child = (struct pnd_check_child){.pid = -1, .result_fd = -1};

    if (len == 0 && pid >= 0)
        return died(status, why);
    return pnd_answer_decode(answer, len, ret, why);
}
