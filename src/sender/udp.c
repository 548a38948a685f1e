/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A link over a UDP socket: see udp.h. */
#include "sender/udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "host/clock.h"
#include "sender/stop.h"

enum { ERRORS_MAX = 64 }; /* taken from the error queue at a time */

static uint64_t udp_now_us(void *ctx)
{
    (void)ctx;
    return pnd_clock_us();
}

static bool is_no_route(int errnum)
{
    return errnum == ENETUNREACH || errnum == EHOSTUNREACH || errnum == ENETDOWN ||
           errnum == EHOSTDOWN || errnum == EACCES || errnum == EADDRNOTAVAIL;
}

static void note_error(struct pnd_udp *udp, int errnum)
{
    udp->last_errno = errnum;
    if (errnum == ECONNREFUSED && udp->refused++ == 0 && udp->on_refused)
        udp->on_refused(udp->on_refused_ctx);
}

/* What ICMP had to say. Reading it also clears the socket's error, which would otherwise make
 * every poll return at once. */
static void drain_errors(struct pnd_udp *udp)
{
    for (unsigned i = 0; i < ERRORS_MAX; i++) {
        union {
            struct cmsghdr align;
            char bytes[512];
        } control;
        char payload[64];
        struct iovec iov = {.iov_base = payload, .iov_len = sizeof(payload)};
        struct msghdr msg = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};

        if (recvmsg(udp->fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
            return;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
            struct sock_extended_err extended;

            if (c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_RECVERR)
                continue;
            memcpy(&extended, CMSG_DATA(c), sizeof(extended));
            note_error(udp, (int)extended.ee_errno);
        }
    }
}

static int verdict(const struct pnd_udp *udp)
{
    if (pnd_stop_signal())
        return PND_E_ABORTED;
    if (udp->refused_max && udp->refused >= udp->refused_max)
        return PND_E_LINK;
    return PND_OK;
}

static int udp_send(void *ctx, struct pnd_endpoint to, const void *dgram, size_t len)
{
    struct pnd_udp *udp = ctx;
    struct sockaddr_in sin = {
        .sin_family = AF_INET, .sin_port = htons(to.port), .sin_addr.s_addr = htonl(to.ip)};

    drain_errors(udp);
    if (sendto(udp->fd, dgram, len, MSG_DONTWAIT, (struct sockaddr *)&sin, sizeof(sin)) >= 0)
        return PND_OK;
    /* Later, a route that goes away may come back; at the start it is a mistake to report. */
    if (is_no_route(errno) && !udp->heard) {
        udp->last_errno = errno;
        return PND_E_NOROUTE;
    }
    if (errno != ECONNREFUSED) /* that one is in the error queue, too */
        udp->last_errno = errno;
    return PND_OK;
}

static int wait_readable(struct pnd_udp *udp, uint64_t timeout_us)
{
    struct pollfd pfd = {.fd = udp->fd, .events = POLLIN};
    struct timespec timeout = {.tv_sec = (time_t)(timeout_us / 1000000),
                               .tv_nsec = (long)(timeout_us % 1000000) * 1000};
    int n = ppoll(&pfd, 1, &timeout, NULL), err;

    if (n < 0 && errno != EINTR) {
        udp->last_errno = errno;
        return PND_E_LINK;
    }
    if (n > 0 && pfd.revents & POLLERR)
        drain_errors(udp);
    err = verdict(udp);
    if (err)
        return err;
    if (is_no_route(udp->last_errno) && !udp->heard)
        return PND_E_NOROUTE;
    return n > 0 && pfd.revents & POLLIN ? PND_OK : PND_E_TIMEOUT;
}

static int udp_receive(void *ctx, void *buf, size_t cap, uint64_t timeout_us,
                       struct pnd_endpoint *ret_from)
{
    struct pnd_udp *udp = ctx;
    struct sockaddr_in sin = {0};
    socklen_t sin_len = sizeof(sin);
    ssize_t n;
    int err = wait_readable(udp, timeout_us);

    if (err)
        return err;
    n = recvfrom(udp->fd, buf, cap, MSG_DONTWAIT, (struct sockaddr *)&sin, &sin_len);
    if (n < 0)
        return PND_E_TIMEOUT; /* a bad checksum, or an ICMP error that is in the queue */
    udp->heard = true;
    udp->refused = 0;
    udp->last_errno = 0;
    *ret_from =
        (struct pnd_endpoint){.ip = ntohl(sin.sin_addr.s_addr), .port = ntohs(sin.sin_port)};
    return (int)n;
}

int pnd_udp_open(struct pnd_udp *udp, unsigned refused_max, struct pnd_link *ret,
                 struct pnd_why *why)
{
    int on = 1;

    *udp = (struct pnd_udp){.refused_max = refused_max};
    udp->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (udp->fd < 0)
        return pnd_why(why, PND_E_SYS, errno, "open a UDP socket");
    if (setsockopt(udp->fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)) < 0) {
        pnd_why(why, PND_E_SYS, errno, "ask for ICMP errors on a UDP socket");
        pnd_udp_close(udp);
        return PND_E_SYS;
    }
    *ret = (struct pnd_link){
        .ctx = udp, .now_us = udp_now_us, .send = udp_send, .receive = udp_receive};
    return PND_OK;
}

void pnd_udp_close(struct pnd_udp *udp)
{
    if (udp->fd >= 0)
        close(udp->fd);
    udp->fd = -1;
}
