/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicd/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONTROL_BYTES = 256 };

struct reply {
    struct sockaddr_storage to;
    struct iovec iov;
    uint8_t data[PND_NET_REPLY_MAX];
    _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

struct sock {
    int fd, family;
    uint8_t service;
    uint32_t drops_seen;
};

struct pnd_net {
    struct sock socks[PND_NET_SOCKS_MAX];
    unsigned sock_count;
    struct pnd_net_counters counters;
    struct mmsghdr in[PND_NET_BATCH];
    struct iovec in_iov[PND_NET_BATCH];
    struct sockaddr_storage in_from[PND_NET_BATCH];
    _Alignas(struct cmsghdr) uint8_t in_control[PND_NET_BATCH][CONTROL_BYTES];
    uint8_t *buffers; /* PND_NET_BATCH * PND_NET_BUFFER */
    struct mmsghdr out[PND_NET_REPLIES];
    struct reply replies[PND_NET_REPLIES];
    uint8_t out_sock[PND_NET_REPLIES];
    unsigned out_count;
};

/* The first @p count messages, which the kernel has filled in, can be received into again. */
static void prepare(struct pnd_net *net, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        net->in_iov[i] = (struct iovec){net->buffers + (size_t)i * PND_NET_BUFFER, PND_NET_BUFFER};
        net->in[i].msg_hdr = (struct msghdr){
            .msg_name = &net->in_from[i],
            .msg_namelen = sizeof(net->in_from[i]),
            .msg_iov = &net->in_iov[i],
            .msg_iovlen = 1,
            .msg_control = net->in_control[i],
            .msg_controllen = CONTROL_BYTES,
        };
    }
}

struct pnd_net *pnd_net_create(void)
{
    struct pnd_net *net = calloc(1, sizeof(*net));

    if (!net)
        return NULL;
    net->buffers = malloc((size_t)PND_NET_BATCH * PND_NET_BUFFER);
    if (!net->buffers) {
        free(net);
        return NULL;
    }
    prepare(net, PND_NET_BATCH);
    return net;
}

void pnd_net_destroy(struct pnd_net *net)
{
    if (!net)
        return;
    for (unsigned i = 0; i < net->sock_count; i++)
        close(net->socks[i].fd);
    free(net->buffers);
    free(net);
}

static void turn_on(int fd, int level, int option)
{
    int on = 1;

    setsockopt(fd, level, option, &on, sizeof(on));
}

/* Such a socket need not be asked for each datagram where it came to, nor told for each reply where
 * to leave from. */
static bool has_one_address(int fd)
{
    static const struct pnd_addr any6, any4 = {{[10] = 0xff, [11] = 0xff}};
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof(sa);
    struct pnd_addr addr;
    uint16_t port;

    if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
        return false;
    pnd_addr_from_sockaddr(&sa, &addr, &port);
    return memcmp(&addr, &any6, sizeof(addr)) != 0 && memcmp(&addr, &any4, sizeof(addr)) != 0;
}

/* Options that help; a kernel without one of them still receives. */
static void tune(int fd, int family)
{
    const struct timeval wait = {.tv_usec = PND_NET_WAIT_MS * 1000};
    int size = PND_NET_RCVBUF;

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));

    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    turn_on(fd, SOL_SOCKET, SO_RXQ_OVFL);
    turn_on(fd, IPPROTO_UDP, UDP_GRO);
    if (has_one_address(fd))
        return;
    if (family == AF_INET)
        turn_on(fd, IPPROTO_IP, IP_PKTINFO);
    else
        turn_on(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO);
}

static int add_sock(struct pnd_net *net, unsigned service, int fd, int family)
{
    tune(fd, family);
    net->socks[net->sock_count++] =
        (struct sock){.fd = fd, .family = family, .service = (uint8_t)service};
    return PND_OK;
}

int pnd_net_bind(struct pnd_net *net, unsigned service, const char *address, uint16_t port,
                 struct pnd_why *why)
{
    struct sockaddr_storage sa = {0};
    struct sockaddr_in *in = (void *)&sa;
    struct sockaddr_in6 *in6 = (void *)&sa;
    socklen_t sa_len;
    int fd, err, off = 0;

    if (net->sock_count == PND_NET_SOCKS_MAX)
        return pnd_why(why, PND_E_FULL, 0, "more than %d sockets", PND_NET_SOCKS_MAX);
    if (inet_pton(AF_INET, address, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        sa_len = sizeof(*in);
    } else if (inet_pton(AF_INET6, address, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        sa_len = sizeof(*in6);
    } else {
        return pnd_why(why, PND_E_ARG, 0,
                       "\"%s\" is no IP address; 0.0.0.0 means all of this machine's", address);
    }
    fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return pnd_why(why, PND_E_SYS, errno, "UDP socket");
    if (sa.ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, (struct sockaddr *)&sa, sa_len) < 0) {
        err = errno;
        close(fd);
        if (err == EADDRINUSE)
            return pnd_why(why, PND_E_BUSY, 0,
                           "UDP port %u of %s is in use by another program; "
                           "\"ss -ulpn sport = :%u\" shows which",
                           port, address, port);
        return pnd_why(why, PND_E_SYS, err, "bind UDP port %u of %s", port, address);
    }
    return add_sock(net, service, fd, sa.ss_family);
}

int pnd_net_adopt(struct pnd_net *net, unsigned service, int fd, struct pnd_why *why)
{
    int type = 0, family = 0;
    socklen_t len = sizeof(int);

    if (net->sock_count == PND_NET_SOCKS_MAX)
        return pnd_why(why, PND_E_FULL, 0, "more than %d sockets", PND_NET_SOCKS_MAX);
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_DGRAM ||
        getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) < 0 ||
        (family != AF_INET && family != AF_INET6))
        return pnd_why(why, PND_E_ARG, 0,
                       "descriptor %d from the service manager is no UDP socket; "
                       "the .socket unit needs ListenDatagram=",
                       fd);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return add_sock(net, service, fd, family);
}

unsigned pnd_net_sock_count(const struct pnd_net *net)
{
    return net->sock_count;
}

unsigned pnd_net_sock_service(const struct pnd_net *net, unsigned sock)
{
    return net->socks[sock].service;
}

int pnd_net_sock_fd(const struct pnd_net *net, unsigned sock)
{
    return net->socks[sock].fd;
}

void pnd_net_sock_name(const struct pnd_net *net, unsigned sock, char ret_addr[PND_PEER_TEXT_CAP],
                       uint16_t *ret_port)
{
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof(sa);
    struct pnd_addr addr;

    getsockname(net->socks[sock].fd, (struct sockaddr *)&sa, &len);
    pnd_addr_from_sockaddr(&sa, &addr, ret_port);
    pnd_addr_text(&addr, ret_addr);
}

/* @return the size of each datagram of a GRO train; 0: this is a single datagram */
static size_t read_control(struct pnd_net *net, unsigned sock, struct msghdr *msg,
                           struct pnd_origin *origin)
{
    size_t segment = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
            int size;

            memcpy(&size, CMSG_DATA(c), sizeof(size));
            segment = size > 0 ? (size_t)size : 0;
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            struct sockaddr_storage sa = {.ss_family = AF_INET};
            uint16_t port;

            memcpy(&info, CMSG_DATA(c), sizeof(info));
            ((struct sockaddr_in *)(void *)&sa)->sin_addr = info.ipi_spec_dst;
            pnd_addr_from_sockaddr(&sa, &origin->local, &port);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;

            memcpy(&info, CMSG_DATA(c), sizeof(info));
            memcpy(origin->local.b, &info.ipi6_addr, 16);
        } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
            uint32_t drops;

            memcpy(&drops, CMSG_DATA(c), sizeof(drops));
            net->counters.receive_drops += drops - net->socks[sock].drops_seen;
            net->socks[sock].drops_seen = drops;
        }
    }
    return segment;
}

static void deliver(struct pnd_net *net, unsigned sock, unsigned i,
                    const struct pnd_net_handler *handler)
{
    struct pnd_origin from = {.sock = (uint8_t)sock, .service = net->socks[sock].service};
    size_t len = net->in[i].msg_len;
    size_t segment = read_control(net, sock, &net->in[i].msg_hdr, &from);

    if (segment == 0 || segment > len)
        segment = len;
    pnd_addr_from_sockaddr(&net->in_from[i], &from.peer, &from.port);
    net->counters.received_bytes += len;
    net->counters.datagrams += segment ? (len + segment - 1) / segment : 1;
    handler->datagrams(&from, net->in_iov[i].iov_base, len, segment, handler->ctx);
}

static int receive_one(struct pnd_net *net, int fd, int flags)
{
    ssize_t len = recvmsg(fd, &net->in[0].msg_hdr, flags);

    if (len < 0)
        return -1;
    net->in[0].msg_len = (unsigned)len;
    return 1;
}

uint64_t pnd_net_receive(struct pnd_net *net, unsigned sock, enum pnd_net_look look,
                         const struct pnd_net_handler *handler)
{
    bool one = look == PND_NET_ONE || look == PND_NET_WAIT_ONE;
    bool wait = look == PND_NET_WAIT || look == PND_NET_WAIT_ONE;
    uint64_t before = net->counters.datagrams;
    int count, fd = net->socks[sock].fd;

    for (unsigned round = 0; round < PND_NET_ROUNDS_MAX; round++, wait = false) {
        if (one)
            count = receive_one(net, fd, wait ? 0 : MSG_DONTWAIT);
        else
            count =
                recvmmsg(fd, net->in, PND_NET_BATCH, wait ? MSG_WAITFORONE : MSG_DONTWAIT, NULL);
        if (count <= 0)
            break;
        for (int i = 0; i < count; i++)
            deliver(net, sock, (unsigned)i, handler);
        handler->batch_end(handler->ctx);
        prepare(net, (unsigned)count);
        pnd_net_flush(net);
        if (count < PND_NET_BATCH)
            break;
    }
    return net->counters.datagrams - before;
}

/* A reply must leave from the address that was asked, or a client behind a firewall, and every
 * client that compares, takes it for a stranger's. */
static void set_source(struct msghdr *msg, struct reply *reply, const struct pnd_addr *local,
                       int family)
{
    static const struct pnd_addr unknown;
    struct cmsghdr *c;

    if (memcmp(local->b, unknown.b, sizeof(unknown.b)) == 0)
        return;
    memset(reply->control, 0, sizeof(reply->control));
    msg->msg_control = reply->control;
    if (family == AF_INET) {
        struct in_pktinfo info = {0};

        memcpy(&info.ipi_spec_dst, local->b + 12, 4);
        msg->msg_controllen = CMSG_SPACE(sizeof(info));
        c = CMSG_FIRSTHDR(msg);
        *c = (struct cmsghdr){CMSG_LEN(sizeof(info)), IPPROTO_IP, IP_PKTINFO};
        memcpy(CMSG_DATA(c), &info, sizeof(info));
    } else {
        struct in6_pktinfo info = {0};

        memcpy(&info.ipi6_addr, local->b, 16);
        msg->msg_controllen = CMSG_SPACE(sizeof(info));
        c = CMSG_FIRSTHDR(msg);
        *c = (struct cmsghdr){CMSG_LEN(sizeof(info)), IPPROTO_IPV6, IPV6_PKTINFO};
        memcpy(CMSG_DATA(c), &info, sizeof(info));
    }
}

static unsigned sock_for(const struct pnd_net *net, const struct pnd_origin *to)
{
    unsigned i = 0;

    if (to->sock < net->sock_count && net->socks[to->sock].service == to->service)
        return to->sock;
    while (i < net->sock_count && net->socks[i].service != to->service)
        i++;
    return i;
}

void pnd_net_reply(struct pnd_net *net, const struct pnd_origin *to, const void *data, size_t len)
{
    struct reply *reply;
    struct msghdr *msg;
    unsigned sock = sock_for(net, to);
    int family;

    if (len > PND_NET_REPLY_MAX || sock == net->sock_count)
        return;
    if (net->out_count == PND_NET_REPLIES)
        pnd_net_flush(net);
    family = net->socks[sock].family;
    reply = &net->replies[net->out_count];
    memcpy(reply->data, data, len);
    reply->iov = (struct iovec){reply->data, len};
    msg = &net->out[net->out_count].msg_hdr;
    *msg = (struct msghdr){.msg_name = &reply->to, .msg_iov = &reply->iov, .msg_iovlen = 1};
    msg->msg_namelen = pnd_addr_to_sockaddr(&to->peer, to->port, family, &reply->to);
    set_source(msg, reply, &to->local, family);
    net->out_sock[net->out_count++] = (uint8_t)sock;
}

/* One reply is most of what an old sender waits for: it takes the shorter way.
 *   @return how many left; 0 or below: the first one could not */
static int send_run(int fd, struct mmsghdr *run, unsigned count)
{
    if (count > 1)
        return sendmmsg(fd, run, count, MSG_DONTWAIT);
    return sendmsg(fd, &run->msg_hdr, MSG_DONTWAIT) < 0 ? -1 : 1;
}

/* Runs of replies of one socket leave in one call. What the kernel does not take is lost like a
 * datagram on the wire: the sender asks again. */
void pnd_net_flush(struct pnd_net *net)
{
    unsigned at = 0, end;
    int sent;

    while (at < net->out_count) {
        for (end = at + 1; end < net->out_count && net->out_sock[end] == net->out_sock[at]; end++)
            ;
        sent = send_run(net->socks[net->out_sock[at]].fd, net->out + at, end - at);
        if (sent <= 0) {
            net->counters.replies_lost++;
            sent = 1;
        } else {
            net->counters.replies += (uint64_t)sent;
        }
        at += (unsigned)sent;
    }
    net->out_count = 0;
}

const struct pnd_net_counters *pnd_net_counters(const struct pnd_net *net)
{
    return &net->counters;
}
