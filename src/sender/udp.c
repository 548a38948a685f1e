/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A link over a UDP socket: see udp.h. */
#include "sender/udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "host/clock.h"
#include "sender/stop.h"

enum {
    ERRORS_MAX = 64, /* taken from the error queue at a time */
    SEND_BUFFER = 4 << 20,
    OVERHEAD = 28,        /* IPv4 and UDP */
    LOOPBACK_MTU = 65535, /* what IP_MTU says of it; larger datagrams are no faster there */
    LOOPBACK_DGRAM = 1472,
    MANY_MAX = 64,           /* packets in a call, and segments that the kernel makes of one */
    TRAIN_BYTES_MAX = 65507, /* of all of them */
    GSO_FAILURES_MAX = 8,    /* then it is not tried again */
    FULL_WAIT_MS = 20,
};

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

/* Packets to one place, as messages of sendmmsg: one for each, or one for a train of them. */
struct batch {
    struct sockaddr_in to;
    struct mmsghdr messages[MANY_MAX];
    struct iovec iov[2 * MANY_MAX];
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(uint16_t))];
    } control[MANY_MAX];
    unsigned count;
};

static size_t bytes_of(const struct pnd_datagram *packet)
{
    return packet->header_len + (size_t)packet->payload_len;
}

/* How many from @p packets on are one train: of one size, but for the last, which may be shorter.
 */
static unsigned train_of(const struct pnd_datagram *packets, unsigned count)
{
    size_t size = bytes_of(&packets[0]), total = size;
    unsigned n = 1;

    while (n < count && bytes_of(&packets[n]) <= size &&
           total + bytes_of(&packets[n]) <= TRAIN_BYTES_MAX) {
        total += bytes_of(&packets[n++]);
        if (bytes_of(&packets[n - 1]) < size)
            break;
    }
    return n;
}

static void add_message(struct batch *batch, const struct pnd_datagram *packets, unsigned n,
                        struct iovec *iov)
{
    unsigned i = batch->count++;
    struct msghdr *msg = &batch->messages[i].msg_hdr;
    uint16_t size = (uint16_t)bytes_of(&packets[0]);
    struct cmsghdr *cmsg;

    *msg = (struct msghdr){.msg_name = &batch->to,
                           .msg_namelen = sizeof(batch->to),
                           .msg_iov = iov,
                           .msg_iovlen = 2 * (size_t)n};
    for (unsigned k = 0; k < n; k++) {
        iov[2 * k] = (struct iovec){.iov_base = (void *)(uintptr_t)packets[k].header,
                                    .iov_len = packets[k].header_len};
        iov[2 * k + 1] = (struct iovec){.iov_base = (void *)(uintptr_t)packets[k].payload,
                                        .iov_len = packets[k].payload_len};
    }
    if (n == 1)
        return;
    msg->msg_control = batch->control[i].bytes;
    msg->msg_controllen = sizeof(batch->control[i].bytes);
    cmsg = CMSG_FIRSTHDR(msg);
    cmsg->cmsg_level = IPPROTO_UDP;
    cmsg->cmsg_type = UDP_SEGMENT;
    cmsg->cmsg_len = CMSG_LEN(sizeof(size));
    memcpy(CMSG_DATA(cmsg), &size, sizeof(size));
}

static void fill_batch(struct batch *batch, const struct pnd_datagram *packets, unsigned count,
                       bool trains)
{
    unsigned n;

    batch->count = 0;
    for (unsigned i = 0; i < count; i += n) {
        n = trains ? train_of(packets + i, count - i) : 1;
        add_message(batch, packets + i, n, &batch->iov[2 * i]);
    }
}

/* A send buffer that is full is the network's pace: it is waited for, not long. */
static bool wait_writable(struct pnd_udp *udp)
{
    struct pollfd pfd = {.fd = udp->fd, .events = POLLOUT};

    return poll(&pfd, 1, FULL_WAIT_MS) > 0 && pfd.revents & POLLOUT;
}

/* @return how many messages from @p from on are done with: sent, or lost on the way out; 0 for a
 * train that the kernel does not take */
static unsigned send_batch(struct pnd_udp *udp, struct batch *batch, unsigned from)
{
    int n = sendmmsg(udp->fd, batch->messages + from, batch->count - from, MSG_DONTWAIT);

    if (n > 0)
        return (unsigned)n;
    if (errno == EAGAIN || errno == EINTR)
        return wait_writable(udp) || pnd_stop_signal() ? 0 : 1;
    if ((errno == EINVAL || errno == EIO) && batch->messages[from].msg_hdr.msg_control) {
        udp->gso_failures++;
        return 0;
    }
    if (errno == ECONNREFUSED)
        drain_errors(udp);
    else
        udp->last_errno = errno;
    return 1;
}

/* Whatever the kernel gives. DF, because who sends many finds out by itself what the path carries.
 */
static void prepare_many(struct pnd_udp *udp)
{
    int probe = IP_PMTUDISC_PROBE, buffer = SEND_BUFFER;

    udp->many = true;
    (void)setsockopt(udp->fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
    (void)setsockopt(udp->fd, IPPROTO_IP, IP_MTU_DISCOVER, &probe, sizeof(probe));
}

static int udp_send_many(void *ctx, struct pnd_endpoint to, const struct pnd_datagram *packets,
                         unsigned count)
{
    struct pnd_udp *udp = ctx;
    struct batch batch;
    unsigned failures = udp->gso_failures, done = 0;

    if (!udp->many)
        prepare_many(udp);
    batch.to = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(to.port), .sin_addr.s_addr = htonl(to.ip)};
    for (unsigned i = 0; i < count; i += MANY_MAX) {
        unsigned part = count - i < MANY_MAX ? count - i : MANY_MAX;

        fill_batch(&batch, packets + i, part, udp->gso_failures < GSO_FAILURES_MAX);
        for (done = 0; done < batch.count && !pnd_stop_signal();) {
            done += send_batch(udp, &batch, done);
            if (udp->gso_failures != failures) {
                /* from the first: what is sent twice harms nobody */
                failures = udp->gso_failures;
                fill_batch(&batch, packets + i, part, false);
                done = 0;
            }
        }
    }
    return verdict(udp);
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
    /* While much is sent, answers are looked for between: then one call has to do. */
    ssize_t n = recvfrom(udp->fd, buf, cap, MSG_DONTWAIT, (struct sockaddr *)&sin, &sin_len);
    int err;

    if (n < 0) {
        if (timeout_us == 0 && (errno == EAGAIN || errno == EINTR))
            return pnd_stop_signal() ? PND_E_ABORTED : PND_E_TIMEOUT;
        err = wait_readable(udp, timeout_us);
        if (err)
            return err;
        n = recvfrom(udp->fd, buf, cap, MSG_DONTWAIT, (struct sockaddr *)&sin, &sin_len);
    }
    if (n < 0)
        return PND_E_TIMEOUT; /* a bad checksum, or an ICMP error that is in the queue */
    udp->heard = true;
    udp->refused = 0;
    udp->last_errno = 0;
    *ret_from =
        (struct pnd_endpoint){.ip = ntohl(sin.sin_addr.s_addr), .port = ntohs(sin.sin_port)};
    return (int)n;
}

void pnd_udp_over(struct pnd_udp *udp, int fd, struct pnd_link *ret)
{
    *udp = (struct pnd_udp){.fd = fd};
    *ret = (struct pnd_link){.ctx = udp,
                             .now_us = udp_now_us,
                             .send = udp_send,
                             .receive = udp_receive,
                             .send_many = udp_send_many};
}

int pnd_udp_open(struct pnd_udp *udp, unsigned refused_max, struct pnd_link *ret,
                 struct pnd_why *why)
{
    int on = 1;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct pnd_link link;

    pnd_udp_over(udp, fd, &link);
    udp->refused_max = refused_max;
    if (fd < 0)
        return pnd_why(why, PND_E_SYS, errno, "open a UDP socket");
    if (setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)) < 0) {
        pnd_why(why, PND_E_SYS, errno, "ask for ICMP errors on a UDP socket");
        pnd_udp_close(udp);
        return PND_E_SYS;
    }
    *ret = link;
    return PND_OK;
}

bool pnd_udp_bind(struct pnd_udp *udp, uint16_t port)
{
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};

    return bind(udp->fd, (struct sockaddr *)&sin, sizeof(sin)) == 0;
}

void pnd_udp_fit(struct pnd_endpoint server, struct pnd_link *link)
{
    struct sockaddr_in sin = {
        .sin_family = AF_INET, .sin_port = htons(server.port), .sin_addr.s_addr = htonl(server.ip)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), mtu = 0;
    socklen_t len = sizeof(mtu);

    if (fd < 0)
        return;
    if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0 &&
        getsockopt(fd, IPPROTO_IP, IP_MTU, &mtu, &len) == 0 && mtu > OVERHEAD)
        link->dgram_max = mtu >= LOOPBACK_MTU ? LOOPBACK_DGRAM : (size_t)mtu - OVERHEAD;
    close(fd);
}

void pnd_udp_close(struct pnd_udp *udp)
{
    if (udp->fd >= 0)
        close(udp->fd);
    udp->fd = -1;
}
