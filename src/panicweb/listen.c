/* SPDX-License-Identifier: BSD-2-Clause
 *
 * An address, a port, a socket; see listen.h. */
#include "panicweb/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/guard.h"

enum { BACKLOG = 256 };

union address {
    struct sockaddr sa;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool parse(const char *text, uint16_t port, union address *ret, socklen_t *ret_len)
{
    memset(ret, 0, sizeof(*ret));
    if (strcmp(text, "localhost") == 0)
        text = "127.0.0.1";
    if (inet_pton(AF_INET, text, &ret->v4.sin_addr) == 1) {
        ret->v4.sin_family = AF_INET;
        ret->v4.sin_port = htons(port);
        *ret_len = sizeof(ret->v4);
        return true;
    }
    if (inet_pton(AF_INET6, text, &ret->v6.sin6_addr) != 1)
        return false;
    ret->v6.sin6_family = AF_INET6;
    ret->v6.sin6_port = htons(port);
    *ret_len = sizeof(ret->v6);
    return true;
}

static bool is_local(const union address *address)
{
    if (address->sa.sa_family == AF_INET)
        return ntohl(address->v4.sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
}

static void describe(const union address *address, char ret[PND_LISTEN_URL_CAP])
{
    char text[INET6_ADDRSTRLEN] = "";

    if (address->sa.sa_family == AF_INET) {
        inet_ntop(AF_INET, &address->v4.sin_addr, text, sizeof(text));
        snprintf(ret, PND_LISTEN_URL_CAP, "%s:%u", text, ntohs(address->v4.sin_port));
    } else {
        inet_ntop(AF_INET6, &address->v6.sin6_addr, text, sizeof(text));
        snprintf(ret, PND_LISTEN_URL_CAP, "[%s]:%u", text, ntohs(address->v6.sin6_port));
    }
}

int pnd_listen_open(const char *address, uint16_t port, struct pnd_listen *ret, struct pnd_why *why)
{
    union address at;
    socklen_t len = 0;
    const int on = 1;

    if (!parse(address, port, &at, &len))
        return pnd_why(why, PND_E_ARG, 0,
                       "\"%.64s\" is no address: one of this machine such as 127.0.0.1 or ::1",
                       address);
    PND_AUTO_CLOSE int fd = socket(at.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return pnd_why(why, PND_E_SYS, errno, "make a socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, &at.sa, len) != 0 || listen(fd, BACKLOG) != 0) {
        if (errno == EADDRINUSE)
            return pnd_why(why, PND_E_BUSY, 0,
                           "port %u of %s is taken: another panicweb? Choose one with --port", port,
                           address);
        return pnd_why(why, PND_E_SYS, errno, "listen on %s port %u", address, port);
    }
    len = sizeof(at);
    if (getsockname(fd, &at.sa, &len) != 0)
        return pnd_why(why, PND_E_SYS, errno, "ask for the port");
    ret->local = is_local(&at);
    describe(&at, ret->host);
    ret->fd = pnd_steal_fd(&fd);
    return PND_OK;
}
