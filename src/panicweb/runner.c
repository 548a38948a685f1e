/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The other process, which starts panicctl; see runner.h. A request is a message of a verb, an id
 * and two descriptors: the pipe that becomes panicctl's output, and a socket on which one byte says
 * how it went. When the other end of that socket is closed, nobody wants the output any more. */
#include "panicweb/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/guard.h"
#include "host/landlock.h"
#include "inspect/sanitizer.h"

enum {
    FDS = 2, /* of a request */
    JOBS_MAX = PND_WEB_ZIPS_MAX + PND_WEB_NAMINGS_MAX,
    ARGS_MAX = 4, /* of a verb, itself included */
    RUN_NICE = 10,
    EXIT_EXEC = 127,
    OWN_FD = 3, /* of the other process: its end of the socket */
};

/* Stand for what is said of a request, and what panicweb was started with. */
static const char the_id[] = "ID", the_symbols[] = "SYMBOLS";

/* All that panicctl is started for. */
static const struct {
    const char *args[ARGS_MAX];
    int well_max; /* exit codes up to this one say that the output is whole */
} verbs[PND_RUN_VERBS] = {
    /* 1: the dump is not what was received, which the zip says itself */
    [PND_RUN_PACK] = {{"pack", the_id, "-o", "-"}, 1},
    [PND_RUN_LOG] = {{"log", the_id, "--symbols", the_symbols}, 0},
};

struct wish {
    uint64_t verb, id;
};

struct job {
    pid_t pid; /* 0: unused */
    int pid_fd, status_fd, well_max;
};

struct pnd_runner {
    pid_t pid;
    int fd;
    char program[PATH_MAX]; /* of the other process alone */
    const char *directory, *symbols;
};

/* ---- the other process ---- */

static void become_panicctl(const struct pnd_runner *runner, const struct wish *wish, int out_fd)
{
    const char *argv[3 + ARGS_MAX + 1] = {"panicctl", "--directory", runner->directory};
    char number[24];
    sigset_t none;

    snprintf(number, sizeof(number), "%" PRIu64, wish->id);
    for (unsigned i = 0; i < ARGS_MAX; i++) {
        const char *arg = verbs[wish->verb].args[i];

        argv[3 + i] = arg == the_id ? number : arg == the_symbols ? runner->symbols : arg;
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpriority(PRIO_PROCESS, 0, RUN_NICE);
    if (dup2(out_fd, STDOUT_FILENO) == STDOUT_FILENO)
        execv(runner->program, (char *const *)(uintptr_t)argv);
    _exit(EXIT_EXEC);
}

static void end_job(struct job *job, bool kill_it)
{
    int status = 0;
    char well;

    if (kill_it)
        kill(job->pid, SIGKILL);
    while (waitpid(job->pid, &status, 0) < 0 && errno == EINTR)
        ;
    well = WIFEXITED(status) && WEXITSTATUS(status) <= job->well_max;
    (void)!send(job->status_fd, &well, 1, MSG_NOSIGNAL);
    close(job->status_fd);
    close(job->pid_fd);
    *job = (struct job){0};
}

/* Takes both descriptors. */
static void begin_job(const struct pnd_runner *runner, struct job *job, const struct wish *wish,
                      const int fds[FDS])
{
    pid_t pid = fork();

    if (pid == 0)
        become_panicctl(runner, wish, fds[0]);
    close(fds[0]);
    if (pid > 0) {
        *job =
            (struct job){.pid = pid, .status_fd = fds[1], .well_max = verbs[wish->verb].well_max};
        job->pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (job->pid_fd < 0)
            end_job(job, true);
        return;
    }
    close(fds[1]);
}

/* Is it one of the table? */
static bool may_be(const struct pnd_runner *runner, const struct wish *wish, ssize_t len)
{
    return len == sizeof(*wish) && wish->verb < PND_RUN_VERBS &&
           (wish->verb != PND_RUN_LOG || runner->symbols);
}

/* @return false: panicweb is gone */
static bool take_request(const struct pnd_runner *runner, struct job *jobs)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(FDS * sizeof(int))];
    } control = {0};
    struct wish wish = {0};
    struct iovec iov = {.iov_base = &wish, .iov_len = sizeof(wish)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    ssize_t n = recvmsg(runner->fd, &msg, MSG_CMSG_CLOEXEC);
    const struct cmsghdr *cmsg = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
    int fds[FDS];

    if (n == 0 || (n < 0 && errno != EINTR))
        return false;
    if (!cmsg || cmsg->cmsg_len != CMSG_LEN(sizeof(fds)))
        return true;
    memcpy(fds, CMSG_DATA(cmsg), sizeof(fds));
    for (unsigned i = 0; may_be(runner, &wish, n) && i < JOBS_MAX; i++) {
        if (jobs[i].pid)
            continue;
        begin_job(runner, &jobs[i], &wish, fds);
        return true;
    }
    close(fds[0]);
    close(fds[1]);
    return true;
}

static void work(const struct pnd_runner *runner)
{
    struct job jobs[JOBS_MAX] = {0};
    bool going = true;

    while (going) {
        struct pollfd polled[1 + 2 * JOBS_MAX];

        polled[0] = (struct pollfd){.fd = runner->fd, .events = POLLIN};
        for (unsigned i = 0; i < JOBS_MAX; i++) {
            bool used = jobs[i].pid != 0;

            polled[1 + 2 * i] = (struct pollfd){.fd = used ? jobs[i].pid_fd : -1, .events = POLLIN};
            polled[2 + 2 * i] = (struct pollfd){.fd = used ? jobs[i].status_fd : -1};
        }
        if (poll(polled, 1 + 2 * JOBS_MAX, -1) <= 0)
            continue;
        for (unsigned i = 0; i < JOBS_MAX; i++)
            if (polled[1 + 2 * i].revents || polled[2 + 2 * i].revents)
                end_job(&jobs[i], !polled[1 + 2 * i].revents);
        if (polled[0].revents)
            going = take_request(runner, jobs);
    }
    for (unsigned i = 0; i < JOBS_MAX; i++)
        if (jobs[i].pid)
            end_job(&jobs[i], true);
}

/* It has nothing of what panicweb has open, and writes nowhere. */
static _Noreturn void be_the_runner(struct pnd_runner *runner)
{
    struct pnd_why why = {0};
    bool well = dup3(runner->fd, OWN_FD, O_CLOEXEC) == OWN_FD || runner->fd == OWN_FD;
    int root;

    runner->fd = OWN_FD;
    well = well && close_range(OWN_FD + 1, UINT_MAX, 0) == 0 &&
           prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
    root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    well = well && root >= 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (well && !PND_SANITIZED)
        well = pnd_landlock_enter_running(root, &why) == PND_OK;
    if (well)
        work(runner);
    _exit(well ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* ---- panicweb's side ---- */

static bool find_panicctl(char ret[PATH_MAX])
{
    static const char *const places[] = {"panicctl", "../panicctl/panicctl"};
    char own[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", own, sizeof(own) - 1);
    char *slash;

    own[len > 0 ? len : 0] = '\0';
    slash = strrchr(own, '/');
    if (!slash)
        return false;
    slash[1] = '\0';
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
        if (snprintf(ret, PATH_MAX, "%s%s", own, places[i]) < PATH_MAX && access(ret, X_OK) == 0)
            return true;
    return false;
}

int pnd_runner_start(const struct pnd_spool *spool, const char *symbols, struct pnd_runner **ret,
                     struct pnd_why *why)
{
    struct pnd_runner *runner = calloc(1, sizeof(*runner));
    int fds[2];

    if (!runner)
        return pnd_why(why, PND_E_SYS, ENOMEM, "start the runner");
    runner->directory = spool->path;
    runner->symbols = symbols;
    if (!find_panicctl(runner->program)) {
        free(runner);
        return pnd_why(why, PND_E_NOTFOUND, 0, "panicctl is not installed beside panicweb");
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) {
        free(runner);
        return pnd_why(why, PND_E_SYS, errno, "make a socket");
    }
    runner->pid = fork();
    if (runner->pid == 0) {
        close(fds[0]);
        runner->fd = fds[1];
        be_the_runner(runner);
    }
    close(fds[1]);
    runner->fd = fds[0];
    if (runner->pid < 0) {
        close(fds[0]);
        free(runner);
        return pnd_why(why, PND_E_SYS, errno, "start the runner");
    }
    *ret = runner;
    return PND_OK;
}

void pnd_runner_stop(struct pnd_runner *runner)
{
    if (!runner)
        return;
    close(runner->fd);
    while (waitpid(runner->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    free(runner);
}

int pnd_runner_begin(const struct pnd_runner *runner, enum pnd_run_verb verb, uint64_t id,
                     struct pnd_run *ret)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(FDS * sizeof(int))];
    } control = {0};
    struct wish wish = {.verb = verb, .id = id};
    struct iovec iov = {.iov_base = &wish, .iov_len = sizeof(wish)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
    int out[2] = {-1, -1}, status[2] = {-1, -1};
    bool sent = false;

    *cmsg = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(FDS * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    if (pipe2(out, O_CLOEXEC) == 0 && fcntl(out[0], F_SETFL, O_NONBLOCK) == 0 &&
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, status) == 0) {
        memcpy(CMSG_DATA(cmsg), &out[1], sizeof(int));
        memcpy(CMSG_DATA(cmsg) + sizeof(int), &status[1], sizeof(int));
        sent = sendmsg(runner->fd, &msg, MSG_NOSIGNAL) == sizeof(wish);
    }
    pnd_guard_close(&out[1]);
    pnd_guard_close(&status[1]);
    if (!sent) {
        pnd_guard_close(&out[0]);
        pnd_guard_close(&status[0]);
        return PND_E_SYS;
    }
    *ret = (struct pnd_run){.out_fd = out[0], .status_fd = status[0]};
    return PND_OK;
}

enum pnd_run_end pnd_run_ended(const struct pnd_run *run)
{
    char well = 0;
    ssize_t n = recv(run->status_fd, &well, 1, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return PND_RUN_GOES_ON;
    return n == 1 && well ? PND_RUN_WELL : PND_RUN_BADLY;
}

void pnd_run_close(struct pnd_run *run)
{
    close(run->out_fd);
    close(run->status_fd);
}
