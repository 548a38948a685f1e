/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl receive --listen: a process for each connection, which receives one dump and ends; so
 * one that is hung, killed or taken over costs its own dump. Who comes when there are as many as
 * may be waits in the kernel's queue. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/guard.h"
#include "host/log.h"
#include "host/text.h"
#include "panicctl/cage.h"
#include "panicctl/importer.h"
#include "panicctl/listener.h"
#include "panicctl/print.h"
#include "panicctl/receive.h"

enum {
    ADDRESS_CAP = 128,
    ANSWER_CAP = 384,
    ANSWER_MS = 5000, /* for a sender that does not read its answer */
};

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at;
    socklen_t len;
};

struct listener {
    struct pnd_ctl *ctl;
    const struct pnd_receive *receive;
    int fd;
    pid_t senders[PND_RECEIVE_SENDERS_MAX];
    unsigned count;
    bool orphans; /* one of them was killed */
};

/* ---- where ---- */

/* "10.0.40.2:1069", "[fe80::2]:1069". No names: this opens a port, and says which. */
static int parse_address(const char *text, struct address *ret)
{
    const char *colon = strrchr(text, ':');
    char host[INET6_ADDRSTRLEN + 2];
    struct address out = {0};
    size_t len = colon ? (size_t)(colon - text) : 0;
    uint64_t port;

    if (len == 0 || len >= sizeof(host) || pnd_text_parse_uint(colon + 1, &port) || port == 0 ||
        port > UINT16_MAX)
        return PND_E_FORMAT;
    memcpy(host, text, len);
    host[len] = '\0';
    if (host[0] == '[' && host[len - 1] == ']') {
        host[len - 1] = '\0';
        out.at.v6.sin6_family = AF_INET6;
        out.at.v6.sin6_port = htons((uint16_t)port);
        out.len = sizeof(out.at.v6);
        if (inet_pton(AF_INET6, host + 1, &out.at.v6.sin6_addr) != 1)
            return PND_E_FORMAT;
    } else {
        out.at.v4.sin_family = AF_INET;
        out.at.v4.sin_port = htons((uint16_t)port);
        out.len = sizeof(out.at.v4);
        if (inet_pton(AF_INET, host, &out.at.v4.sin_addr) != 1)
            return PND_E_FORMAT;
    }
    *ret = out;
    return PND_OK;
}

static uint16_t port_of(const struct address *address)
{
    return ntohs(address->at.any.sa_family == AF_INET6 ? address->at.v6.sin6_port
                                                       : address->at.v4.sin_port);
}

static bool is_loopback(const struct address *address)
{
    if (address->at.any.sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&address->at.v6.sin6_addr);
    return ntohl(address->at.v4.sin_addr.s_addr) >> 24 == 127;
}

/* RFC 1918, 3927; 4193, 4291: what no router of the Internet passes on. */
static bool is_private(const struct address *address)
{
    uint32_t ip = ntohl(address->at.v4.sin_addr.s_addr);
    const uint8_t *v6 = address->at.v6.sin6_addr.s6_addr;

    if (address->at.any.sa_family == AF_INET6)
        return (v6[0] & 0xfe) == 0xfc || (v6[0] == 0xfe && (v6[1] & 0xc0) == 0x80);
    return ip >> 24 == 10 || ip >> 20 == 0xac1 || ip >> 16 == 0xc0a8 || ip >> 16 == 0xa9fe;
}

/* @return -1 go on; else leave with this exit code */
static int judge(const struct pnd_receive *receive, const struct address *address)
{
    bool tls = receive->certificate || receive->key || receive->clients;

    if (tls && receive->plain)
        return pnd_ctl_misused("receive", "--plain is for connections without TLS");
    if (tls && !(receive->certificate && receive->key && receive->clients))
        return pnd_ctl_misused("receive", "TLS takes --tls-certificate, --tls-key and --clients");
    if (tls || is_loopback(address))
        return -1;
    if (!is_private(address))
        return pnd_ctl_fail("%s can be reached from anywhere: there it takes TLS "
                            "(--tls-certificate, --tls-key, --clients)",
                            receive->listen);
    if (!receive->plain)
        return pnd_ctl_fail("whoever reaches %s could send a dump, and read those of others on "
                            "the wire; if that is meant, say --plain",
                            receive->listen);
    return -1;
}

static int open_listener(const struct address *address, struct pnd_why *why)
{
    PND_AUTO_CLOSE int fd =
        socket(address->at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int on = 1;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, &address->at.any, address->len) != 0 || listen(fd, PND_RECEIVE_WAITING) != 0)
        return pnd_why(why, PND_E_SYS, errno, "listen");
    return pnd_steal_fd(&fd);
}

/* ---- a sender, in its own process ---- */

static void set_timeouts(int fd, uint64_t ms)
{
    const struct timeval in = {.tv_sec = (time_t)(ms / 1000),
                               .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
    const struct timeval out = {.tv_sec = ANSWER_MS / 1000};

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &in, sizeof(in));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &out, sizeof(out));
}

static long read_plain(void *ctx, void *buf, size_t len, struct pnd_why *why)
{
    const int *fd = ctx;
    ssize_t n;

    do {
        n = recv(*fd, buf, len, 0);
    } while (n < 0 && errno == EINTR && !pnd_stream_ended);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return pnd_why(why, PND_E_TIMEOUT, 0, "its sender fell silent");
    return n >= 0 ? (long)n : pnd_why(why, PND_E_SOURCE, errno, "the connection broke");
}

/* "node7-20261123-101112": a name that has no end which could be taken for a file's. */
static void make_name(struct pnd_dump *dump)
{
    time_t now = (time_t)(pnd_clock_wall_ms() / 1000);
    struct tm tm;
    size_t len = (size_t)snprintf(dump->name, sizeof(dump->name), "%s", dump->peer);

    for (size_t i = 0; i < len; i++) {
        if (dump->name[i] == '.' || dump->name[i] == ':' || dump->name[i] == ' ')
            dump->name[i] = '-';
    }
    if (gmtime_r(&now, &tm))
        strftime(dump->name + len, sizeof(dump->name) - len, "-%Y%m%d-%H%M%S", &tm);
}

static void say_result(const struct pnd_dump *dump, char answer[ANSWER_CAP])
{
    char name[PND_PRINT_NAME_CAP], reason[PND_PRINT_NAME_CAP];
    bool incomplete = dump->state == PND_DUMP_INCOMPLETE;

    pnd_log(incomplete ? PND_WARNING : PND_INFO, incomplete ? "incomplete" : "received",
            "id=%" PRIu64 " name=\"%s\" bytes=%" PRIu64 " why=\"%s\"", dump->id,
            pnd_print_name(name, dump->name), dump->bytes, pnd_print_name(reason, dump->reason));
    snprintf(answer, ANSWER_CAP, "dump %" PRIu64 "%s%s\n", dump->id,
             incomplete ? " incomplete: " : "", incomplete ? dump->reason : "");
}

/* All that takes more than the directory is done before the sender says a word. */
static int lock_in(const struct listener *to, int fd, struct pnd_tls **ret_tls)
{
    struct pnd_why why = {0};
    int err = fd < 0 ? pnd_why(&why, PND_E_SYS, errno, "move the connection") : PND_OK;

    if (!err && to->receive->certificate)
        err = pnd_tls_create(to->receive, ret_tls, &why);
    if (!err)
        err = pnd_importer_prepare(to->ctl, &why);
    if (!err)
        err = pnd_cage_enter(&to->ctl->spool, fd, &why);
    if (err)
        pnd_log(PND_ERR, "not-received", "why=\"%s\"", why.text);
    return err;
}

static int shake_hands(struct pnd_tls *tls, int fd, struct pnd_dump *from)
{
    char peer[sizeof(from->peer)];
    struct pnd_why why = {0};
    int err;

    alarm(PND_RECEIVE_HANDSHAKE_MS / 1000); /* ends the process; it has nothing to lose yet */
    err = pnd_tls_accept(tls, fd, peer, sizeof(peer), &why);
    alarm(0);
    if (err)
        pnd_log(PND_WARNING, "refused", "peer=%s why=\"%s\"", from->peer, why.text);
    else
        memcpy(from->peer, peer, sizeof(peer));
    return err;
}

/* @return PND_OK: it is kept, and its sender knows */
static int receive_one(const struct listener *to, int fd, struct pnd_tls *tls,
                       const struct pnd_dump *from)
{
    struct pnd_stream stream = {.as_it_came = to->receive->as_it_came,
                                .quiet = true,
                                .bytes_max = to->receive->bytes_max,
                                .floor_bytes = to->receive->floor_bytes,
                                .source = {.ctx = &fd, .read = read_plain},
                                .dump = *from};
    char answer[ANSWER_CAP] = "not kept\n";
    struct pnd_why why = {0};
    int err;

    if (tls)
        stream.source = (struct pnd_stream_source){.ctx = tls, .read = pnd_tls_read};
    make_name(&stream.dump);
    if (to->receive->name)
        snprintf(stream.dump.name, sizeof(stream.dump.name), "%s", to->receive->name);
    err = pnd_stream_receive(to->ctl, &stream, &why);
    if (err)
        pnd_log(PND_ERR, "not-received", "why=\"%s\"", why.text);
    else
        say_result(&stream.dump, answer);
    if (tls)
        pnd_tls_close(tls, answer, !err && stream.dump.state != PND_DUMP_INCOMPLETE);
    else if (send(fd, answer, strlen(answer), MSG_NOSIGNAL) < 0)
        pnd_log(PND_DEBUG, "no-answer", "peer=%s", from->peer);
    return err;
}

/* @param accepted  becomes this function's
 *   @return the exit code of the process */
static int serve(const struct listener *to, int accepted, struct pnd_dump *from)
{
    PND_AUTO_CLOSE int fd = fcntl(accepted, F_DUPFD_CLOEXEC, PND_CAGE_SENDER_FD);
    struct pnd_tls *tls = NULL;
    int code = PND_EXIT_COULD_NOT;

    close(accepted);
    set_timeouts(fd, to->receive->idle_ms);
    if (lock_in(to, fd, &tls) == PND_OK) {
        if (tls && shake_hands(tls, fd, from))
            code = PND_EXIT_NO;
        else if (receive_one(to, fd, tls, from) == PND_OK)
            code = PND_EXIT_OK;
    }
    pnd_tls_destroy(tls);
    return code;
}

/* ---- all of them ---- */

static void reap(struct listener *to, int options)
{
    int status;
    pid_t pid;

    while (to->count > 0 && (pid = waitpid(-1, &status, options)) != 0) {
        if (pid < 0 && errno == EINTR)
            continue;
        if (pid < 0)
            return;
        for (unsigned i = 0; i < to->count; i++) {
            if (to->senders[i] == pid) {
                to->senders[i] = to->senders[--to->count];
                break;
            }
        }
        if (WIFSIGNALED(status)) {
            pnd_log(PND_WARNING, "sender-ended", "pid=%ld signal=%d", (long)pid, WTERMSIG(status));
            to->orphans = true;
        }
    }
}

/* In the child: signals are as they were before they were held back. */
static void begin_child(const struct listener *to, const sigset_t *unblocked)
{
    signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_SETMASK, unblocked, NULL);
    close(to->fd);
}

/* What a process that was killed had received becomes an incomplete dump. */
static void adopt(struct listener *to, const sigset_t *unblocked)
{
    struct pnd_why why;
    pid_t pid = fork();

    if (pid == 0) {
        begin_child(to, unblocked);
        _exit(pnd_importer_prepare(to->ctl, &why) ? PND_EXIT_COULD_NOT : PND_EXIT_OK);
    }
    if (pid > 0)
        to->senders[to->count++] = pid;
    to->orphans = false;
}

static void describe(const struct address *from, struct pnd_dump *ret)
{
    bool v6 = from->at.any.sa_family == AF_INET6;
    const void *ip = v6 ? (const void *)&from->at.v6.sin6_addr : &from->at.v4.sin_addr;

    if (v6 && IN6_IS_ADDR_V4MAPPED(&from->at.v6.sin6_addr))
        inet_ntop(AF_INET, from->at.v6.sin6_addr.s6_addr + 12, ret->peer, sizeof(ret->peer));
    else
        inet_ntop(from->at.any.sa_family, ip, ret->peer, sizeof(ret->peer));
    ret->peer_port = port_of(from);
}

static void take_sender(struct listener *to, const sigset_t *unblocked)
{
    struct address from = {.len = sizeof(from.at)};
    struct pnd_dump dump = {0};
    PND_AUTO_CLOSE int fd = accept4(to->fd, &from.at.any, &from.len, SOCK_CLOEXEC);
    pid_t pid;

    if (fd < 0)
        return;
    describe(&from, &dump);
    snprintf(dump.protocol, sizeof(dump.protocol), "%s", to->receive->certificate ? "tls" : "tcp");
    pid = fork();
    if (pid == 0) {
        begin_child(to, unblocked);
        _exit(serve(to, pnd_steal_fd(&fd), &dump));
    }
    if (pid > 0)
        to->senders[to->count++] = pid;
    pnd_log(pid > 0 ? PND_INFO : PND_ERR, pid > 0 ? "connected" : "fork-failed",
            "peer=%s port=%u senders=%u", dump.peer, dump.peer_port, to->count);
}

static void on_child(int number)
{
    (void)number; /* ppoll() ends */
}

static void listen_on(struct listener *to)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD};
    const struct sigaction action = {.sa_handler = on_child};
    struct pollfd poll = {.fd = to->fd, .events = POLLIN};
    sigset_t blocked, unblocked;

    sigaction(SIGCHLD, &action, NULL);
    sigemptyset(&blocked);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        sigaddset(&blocked, numbers[i]);
    sigprocmask(SIG_BLOCK, &blocked, &unblocked);
    while (!pnd_stream_ended) {
        int ready = ppoll(&poll, to->count < to->receive->senders, NULL, &unblocked);

        reap(to, WNOHANG);
        if (to->orphans && to->count < to->receive->senders)
            adopt(to, &unblocked);
        if (ready > 0 && to->count < to->receive->senders)
            take_sender(to, &unblocked);
    }
    for (unsigned i = 0; i < to->count; i++) /* each keeps what it has */
        kill(to->senders[i], SIGTERM);
    reap(to, 0);
}

int pnd_receive_tcp(struct pnd_ctl *ctl, const struct pnd_receive *receive)
{
    struct listener to = {.ctl = ctl, .receive = receive};
    struct pnd_listener_hold hold;
    struct pnd_tls *tls = NULL;
    struct pnd_why why = {0};
    struct address address;
    int code;

    if (parse_address(receive->listen, &address))
        return pnd_ctl_misused("receive",
                               "--listen: \"%s\" is not an address and a port such as "
                               "10.0.40.2:1069 or [::]:1069",
                               receive->listen);
    code = judge(receive, &address);
    if (code >= 0)
        return code;
    pnd_log_init(PND_INFO);
    /* What is wrong with directory or certificates is said now, and not to the first sender. */
    if (pnd_importer_prepare(ctl, &why) ||
        (receive->certificate && pnd_tls_create(receive, &tls, &why)))
        return pnd_ctl_fail("%s", why.text);
    pnd_tls_destroy(tls);
    to.fd = open_listener(&address, &why);
    if (to.fd < 0)
        return pnd_ctl_fail("%s: %s", receive->listen, why.text);
    if (pnd_listener_hold(&ctl->spool, port_of(&address), receive, &hold, &why))
        pnd_log(PND_WARNING, "not-known", "why=\"%s\"", why.text); /* status will not tell of it */
    pnd_ctl_close(ctl);                                            /* each process opens its own */
    pnd_log(PND_NOTICE, "listening", "address=%s tls=%s senders=%u", receive->listen,
            receive->certificate ? "yes" : "no", receive->senders);
    listen_on(&to);
    pnd_listener_release(&hold);
    close(to.fd);
    return PND_EXIT_OK;
}
