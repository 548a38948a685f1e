/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The control socket, from the client's side; see socket.h. */
#include "view/socket.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/guard.h"

enum { CHUNK = 64 << 10 };

/* @return 0; -1: errno */
static int reach(const struct pnd_spool *spool, int fd)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    /* Through the descriptor: a socket's path may have no more than 107 bytes. */
    snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/control", spool->state_fd);
    return connect(fd, (const struct sockaddr *)&addr, sizeof(addr));
}

/* Also to be connected takes @p wait_s at most: a server that hangs has a queue that fills. */
static int ask_within(const struct pnd_spool *spool, const char *request, unsigned wait_s,
                      struct pnd_why *why)
{
    struct timeval wait = {.tv_sec = wait_s};
    struct iovec line[] = {{.iov_base = (void *)(uintptr_t)request, .iov_len = strlen(request)},
                           {.iov_base = (char[]){'\n'}, .iov_len = 1}};
    struct msghdr msg = {.msg_iov = line, .msg_iovlen = 2};
    PND_AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return pnd_why(why, PND_E_SYS, errno, "make a socket");
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
    if (reach(spool, fd) != 0) {
        if (errno == ENOENT || errno == ECONNREFUSED)
            return pnd_why(why, PND_E_NOTFOUND, 0, "no panicd is running for %s", spool->path);
        return errno == EAGAIN
                   ? pnd_why(why, PND_E_SYS, 0, "panicd does not answer")
                   : pnd_why(why, PND_E_SYS, errno, "ask the panicd of %s", spool->path);
    }
    if (sendmsg(fd, &msg, MSG_NOSIGNAL) != (ssize_t)(line[0].iov_len + line[1].iov_len))
        return pnd_why(why, PND_E_SYS, errno, "ask the panicd of %s", spool->path);
    return pnd_steal_fd(&fd);
}

int pnd_socket_ask(const struct pnd_spool *spool, const char *request, struct pnd_why *why)
{
    return ask_within(spool, request, PND_SOCKET_WAIT_S, why);
}

/* One with so many who ask that no other is let in is there, too. */
bool pnd_socket_there(const struct pnd_spool *spool)
{
    PND_AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    return fd >= 0 && (reach(spool, fd) == 0 || errno == EAGAIN);
}

/* Everything until the end, in a buffer that the caller frees. */
static int read_all(int fd, char **ret, size_t *ret_len, struct pnd_why *why)
{
    size_t len = 0, cap = 0;
    char *buf = NULL;

    for (;;) {
        ssize_t n;

        if (cap - len < CHUNK) {
            char *grown = realloc(buf, cap + CHUNK * 2 + cap);

            if (!grown || cap > PND_SOCKET_ANSWER_MAX) {
                free(grown ? grown : buf);
                return pnd_why(why, PND_E_FORMAT, 0, "the answer of panicd is too long");
            }
            buf = grown;
            cap += CHUNK * 2 + cap;
        }
        n = read(fd, buf + len, cap - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            free(buf);
            return errno == EAGAIN ? pnd_why(why, PND_E_SYS, 0, "panicd does not answer")
                                   : pnd_why(why, PND_E_SYS, errno, "read from panicd");
        }
        if (n == 0)
            break;
        len += (size_t)n;
    }
    *ret = buf;
    *ret_len = len;
    return PND_OK;
}

int pnd_socket_get(const struct pnd_spool *spool, const char *request, json_t **ret,
                   struct pnd_why *why)
{
    return pnd_socket_get_within(spool, request, PND_SOCKET_WAIT_S, ret, why);
}

int pnd_socket_get_within(const struct pnd_spool *spool, const char *request, unsigned wait_s,
                          json_t **ret, struct pnd_why *why)
{
    char *text = NULL;
    size_t len = 0;
    json_t *got;
    int err;
    PND_AUTO_CLOSE int fd = ask_within(spool, request, wait_s, why);

    if (fd < 0)
        return fd;
    err = read_all(fd, &text, &len, why);
    if (err)
        return err;
    got = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    if (!json_is_object(got)) {
        json_decref(got);
        return pnd_why(why, PND_E_FORMAT, 0, "panicd gave no proper answer to \"%.32s\"", request);
    }
    *ret = got;
    return PND_OK;
}
