/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The other process, which starts panicctl; see packer.h. A request is a message with an id and two
 * descriptors: the pipe that becomes panicctl's output, and a socket on which one byte says how it
 * went. When the other end of that socket is closed, nobody wants the zip any more. */
#include "panicweb/packer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
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
#include "panicweb/data.h"
#include "panicweb/feed.h"
#include "panicweb/reply.h"

enum {
    FDS = 2, /* of a request */
    BLOCK_BYTES = 64 << 10,
    PACK_NICE = 10,
    EXIT_EXEC = 127,
    OWN_FD = 3, /* of the other process: its end of the socket */
};

struct job {
    pid_t pid; /* 0: unused */
    int pid_fd, status_fd;
};

struct pnd_packer {
    pid_t pid;
    int fd;
    atomic_uint under_way;
    char program[PATH_MAX]; /* of the other process alone */
    const char *directory;
};

/* ---- the other process ---- */

static void become_panicctl(const struct pnd_packer *packer, uint64_t id, int out_fd)
{
    char number[24];
    const char *const argv[] = {"panicctl", "--directory", packer->directory, "pack", number, "-o",
                                "-",        NULL};
    sigset_t none;

    snprintf(number, sizeof(number), "%" PRIu64, id);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpriority(PRIO_PROCESS, 0, PACK_NICE);
    if (dup2(out_fd, STDOUT_FILENO) == STDOUT_FILENO)
        execv(packer->program, (char *const *)(uintptr_t)argv);
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
    /* 1: the dump is not what was received, which the zip says itself */
    well = WIFEXITED(status) && WEXITSTATUS(status) <= 1;
    (void)!send(job->status_fd, &well, 1, MSG_NOSIGNAL);
    close(job->status_fd);
    close(job->pid_fd);
    *job = (struct job){0};
}

/* Takes both descriptors. */
static void begin_job(const struct pnd_packer *packer, struct job *job, uint64_t id,
                      const int fds[FDS])
{
    pid_t pid = fork();

    if (pid == 0)
        become_panicctl(packer, id, fds[0]);
    close(fds[0]);
    if (pid > 0) {
        *job = (struct job){.pid = pid, .status_fd = fds[1]};
        job->pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (job->pid_fd < 0)
            end_job(job, true);
        return;
    }
    close(fds[1]);
}

/* @return false: panicweb is gone */
static bool take_request(const struct pnd_packer *packer, struct job *jobs)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(FDS * sizeof(int))];
    } control = {0};
    uint64_t id = 0;
    struct iovec iov = {.iov_base = &id, .iov_len = sizeof(id)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    ssize_t n = recvmsg(packer->fd, &msg, MSG_CMSG_CLOEXEC);
    const struct cmsghdr *cmsg = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
    int fds[FDS];

    if (n == 0 || (n < 0 && errno != EINTR))
        return false;
    if (n != sizeof(id) || !cmsg || cmsg->cmsg_len != CMSG_LEN(sizeof(fds)))
        return true;
    memcpy(fds, CMSG_DATA(cmsg), sizeof(fds));
    for (unsigned i = 0; i < PND_WEB_ZIPS_MAX; i++) {
        if (jobs[i].pid)
            continue;
        begin_job(packer, &jobs[i], id, fds);
        return true;
    }
    close(fds[0]);
    close(fds[1]);
    return true;
}

static void work(const struct pnd_packer *packer)
{
    struct job jobs[PND_WEB_ZIPS_MAX] = {0};
    bool going = true;

    while (going) {
        struct pollfd polled[1 + 2 * PND_WEB_ZIPS_MAX];

        polled[0] = (struct pollfd){.fd = packer->fd, .events = POLLIN};
        for (unsigned i = 0; i < PND_WEB_ZIPS_MAX; i++) {
            bool used = jobs[i].pid != 0;

            polled[1 + 2 * i] = (struct pollfd){.fd = used ? jobs[i].pid_fd : -1, .events = POLLIN};
            polled[2 + 2 * i] = (struct pollfd){.fd = used ? jobs[i].status_fd : -1};
        }
        if (poll(polled, 1 + 2 * PND_WEB_ZIPS_MAX, -1) <= 0)
            continue;
        for (unsigned i = 0; i < PND_WEB_ZIPS_MAX; i++)
            if (polled[1 + 2 * i].revents || polled[2 + 2 * i].revents)
                end_job(&jobs[i], !polled[1 + 2 * i].revents);
        if (polled[0].revents)
            going = take_request(packer, jobs);
    }
    for (unsigned i = 0; i < PND_WEB_ZIPS_MAX; i++)
        if (jobs[i].pid)
            end_job(&jobs[i], true);
}

/* It has nothing of what panicweb has open, and writes nowhere. */
static _Noreturn void be_the_packer(struct pnd_packer *packer)
{
    struct pnd_why why = {0};
    bool well = dup3(packer->fd, OWN_FD, O_CLOEXEC) == OWN_FD || packer->fd == OWN_FD;
    int root;

    packer->fd = OWN_FD;
    well = well && close_range(OWN_FD + 1, UINT_MAX, 0) == 0 &&
           prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
    root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    well = well && root >= 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (well && !PND_SANITIZED)
        well = pnd_landlock_enter_running(root, &why) == PND_OK;
    if (well)
        work(packer);
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

int pnd_packer_start(const struct pnd_spool *spool, struct pnd_packer **ret, struct pnd_why *why)
{
    struct pnd_packer *packer = calloc(1, sizeof(*packer));
    int fds[2];

    if (!packer)
        return pnd_why(why, PND_E_SYS, ENOMEM, "start the packer");
    packer->directory = spool->path;
    if (!find_panicctl(packer->program)) {
        free(packer);
        return pnd_why(why, PND_E_NOTFOUND, 0, "panicctl is not installed beside panicweb");
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) {
        free(packer);
        return pnd_why(why, PND_E_SYS, errno, "make a socket");
    }
    packer->pid = fork();
    if (packer->pid == 0) {
        close(fds[0]);
        packer->fd = fds[1];
        be_the_packer(packer);
    }
    close(fds[1]);
    packer->fd = fds[0];
    if (packer->pid < 0) {
        close(fds[0]);
        free(packer);
        return pnd_why(why, PND_E_SYS, errno, "start the packer");
    }
    *ret = packer;
    return PND_OK;
}

void pnd_packer_stop(struct pnd_packer *packer)
{
    if (!packer)
        return;
    close(packer->fd);
    while (waitpid(packer->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    free(packer);
}

struct zip {
    struct pnd_packer *packer;
    struct pnd_feed *feed;
    struct MHD_Connection *connection;
    int out_fd, status_fd;
    bool ended; /* all bytes came: how it went is to come */
};

static ssize_t wait_for(const struct zip *zip, int fd)
{
    return pnd_feed_await(zip->feed, fd, zip->connection) ? MHD_CONTENT_READER_END_WITH_ERROR : 0;
}

static ssize_t read_zip(void *cls, uint64_t pos, char *buf, size_t max)
{
    struct zip *zip = cls;
    char well = 0;
    ssize_t n;

    (void)pos;
    if (!zip->ended) {
        n = read(zip->out_fd, buf, max);
        if (n > 0)
            return n;
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return wait_for(zip, zip->out_fd);
        zip->ended = true;
    }
    n = recv(zip->status_fd, &well, 1, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return wait_for(zip, zip->status_fd);
    return n == 1 && well ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void close_zip(void *cls)
{
    struct zip *zip = cls;

    close(zip->out_fd);
    close(zip->status_fd);
    atomic_fetch_sub(&zip->packer->under_way, 1);
    free(zip);
}

/* @return NULL: errno says why */
static struct zip *begin_zip(const struct pnd_request *request)
{
    struct pnd_packer *packer = request->web->packer;
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(FDS * sizeof(int))];
    } control = {0};
    uint64_t id = request->id;
    struct iovec iov = {.iov_base = &id, .iov_len = sizeof(id)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
    struct zip *zip = calloc(1, sizeof(*zip));
    int out[2] = {-1, -1}, status[2] = {-1, -1};
    bool sent = false;

    *cmsg = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(FDS * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    if (zip && pipe2(out, O_CLOEXEC) == 0 && fcntl(out[0], F_SETFL, O_NONBLOCK) == 0 &&
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, status) == 0) {
        memcpy(CMSG_DATA(cmsg), &out[1], sizeof(int));
        memcpy(CMSG_DATA(cmsg) + sizeof(int), &status[1], sizeof(int));
        sent = sendmsg(packer->fd, &msg, MSG_NOSIGNAL) == sizeof(id);
    }
    pnd_guard_close(&out[1]);
    pnd_guard_close(&status[1]);
    if (!sent) {
        pnd_guard_close(&out[0]);
        pnd_guard_close(&status[0]);
        free(zip);
        return NULL;
    }
    *zip = (struct zip){.packer = packer,
                        .feed = request->web->feed,
                        .connection = request->connection,
                        .out_fd = out[0],
                        .status_fd = status[0]};
    return zip;
}

/* Is there such a dump, and has it ended? */
static int look_for(const struct pnd_request *request, struct pnd_why *why)
{
    struct pnd_catalog *catalog = NULL;
    struct pnd_dump dump = {0};
    char id[24];
    int err = pnd_data_lock(request->web->data, &catalog, why);

    snprintf(id, sizeof(id), "%" PRIu64, request->id);
    if (!err)
        err = catalog ? pnd_catalog_find(catalog, id, &dump, why) : PND_E_NOTFOUND;
    pnd_data_unlock(request->web->data);
    if (err == PND_E_NOTFOUND || (!err && dump.id != request->id))
        return pnd_why(why, PND_E_NOTFOUND, 0, "there is no dump %s", id);
    return err;
}

static enum MHD_Result send_zip(struct pnd_request *request, struct MHD_Response *response)
{
    char text[96];

    snprintf(text, sizeof(text), "attachment; filename=\"dump-%" PRIu64 ".zip\"", request->id);
    pnd_reply_dress(response, "no-store");
    MHD_add_response_header(response, "Content-Type", "application/zip");
    MHD_add_response_header(response, "Content-Disposition", text);
    return pnd_reply_send(request, MHD_HTTP_OK, response);
}

enum MHD_Result pnd_packer_zip(struct pnd_request *request)
{
    struct pnd_packer *packer = request->web->packer;
    struct MHD_Response *response;
    struct pnd_why why = {0};
    struct zip *zip;
    int err = look_for(request, &why);

    if (err)
        return pnd_reply_why(request, err, &why);
    if (!packer)
        return pnd_reply_error(request, MHD_HTTP_NOT_IMPLEMENTED,
                               "zips are made by panicctl, which is not installed beside panicweb",
                               "install panicctl, and start panicweb again");
    if (request->head) {
        response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
        return response ? send_zip(request, response) : MHD_NO;
    }
    if (atomic_fetch_add(&packer->under_way, 1) >= PND_WEB_ZIPS_MAX) {
        atomic_fetch_sub(&packer->under_way, 1);
        return pnd_reply_error(request, MHD_HTTP_SERVICE_UNAVAILABLE,
                               "as many zips as this server makes are being made",
                               "try again when one of them is ready");
    }
    zip = begin_zip(request);
    if (!zip) {
        atomic_fetch_sub(&packer->under_way, 1);
        return pnd_reply_error(request, MHD_HTTP_SERVICE_UNAVAILABLE, strerror(errno), NULL);
    }
    response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_zip, zip, close_zip);
    if (!response) {
        close_zip(zip);
        return MHD_NO;
    }
    return send_zip(request, response);
}
