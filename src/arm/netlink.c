/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Questions to the kernel about its network: see netlink.h. */
#include "arm/netlink.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int pnd_netlink_open(struct pnd_netlink *netlink, struct pnd_why *why)
{
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

    netlink->sequence = 0;
    netlink->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (netlink->fd < 0)
        return pnd_why(why, PND_E_SYS, errno, "open a socket to ask the kernel about its network");
    /* Connected: nobody but the kernel is heard. */
    if (connect(netlink->fd, (struct sockaddr *)&kernel, sizeof(kernel)) < 0) {
        pnd_why(why, PND_E_SYS, errno, "ask the kernel about its network");
        pnd_netlink_close(netlink);
        return PND_E_SYS;
    }
    return PND_OK;
}

void pnd_netlink_close(struct pnd_netlink *netlink)
{
    if (netlink->fd >= 0)
        close(netlink->fd);
    netlink->fd = -1;
}

static int ask(struct pnd_netlink *netlink, uint16_t type, uint16_t flags, const void *body,
               size_t len)
{
    struct nlmsghdr header = {
        .nlmsg_len = (uint32_t)(NLMSG_HDRLEN + len),
        .nlmsg_type = type,
        .nlmsg_flags = NLM_F_REQUEST | flags,
        .nlmsg_seq = ++netlink->sequence,
    };
    uint8_t buf[NLMSG_HDRLEN + PND_NETLINK_BODY_MAX];

    assert(len <= PND_NETLINK_BODY_MAX);
    memcpy(buf, &header, sizeof(header));
    memcpy(buf + NLMSG_HDRLEN, body, len);
    return send(netlink->fd, buf, NLMSG_HDRLEN + len, 0) < 0 ? PND_E_SYS : PND_OK;
}

/* @return PND_OK it goes on; 1 the end; PND_E_SYS; what @p each returned */
static int hear_message(const struct nlmsghdr *header, const uint8_t *body, size_t len,
                        pnd_netlink_each *each, void *ctx)
{
    int refused = 0;
    int err;

    if (header->nlmsg_type == NLMSG_NOOP)
        return PND_OK;
    if (header->nlmsg_type == NLMSG_DONE)
        return 1;
    if (header->nlmsg_type == NLMSG_ERROR) {
        if (len >= sizeof(refused))
            memcpy(&refused, body, sizeof(refused));
        errno = refused ? -refused : EPROTO;
        return PND_E_SYS;
    }
    err = each(ctx, header->nlmsg_type, body, len);
    return err || header->nlmsg_flags & NLM_F_MULTI ? err : 1;
}

static int hear_datagram(const struct pnd_netlink *netlink, size_t left, pnd_netlink_each *each,
                         void *ctx)
{
    const uint8_t *at = netlink->buf;

    while (left >= NLMSG_HDRLEN) {
        struct nlmsghdr header;
        size_t step;
        int err;

        memcpy(&header, at, sizeof(header));
        if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > left)
            break;
        if (header.nlmsg_seq == netlink->sequence) {
            err = hear_message(&header, at + NLMSG_HDRLEN, header.nlmsg_len - NLMSG_HDRLEN, each,
                               ctx);
            if (err)
                return err;
        }
        step = NLMSG_ALIGN(header.nlmsg_len);
        step = step < left ? step : left;
        at += step;
        left -= step;
    }
    return PND_OK;
}

int pnd_netlink_ask(struct pnd_netlink *netlink, uint16_t type, uint16_t flags, const void *body,
                    size_t len, pnd_netlink_each *each, void *ctx)
{
    int err = ask(netlink, type, flags, body, len);

    while (!err) {
        ssize_t n = recv(netlink->fd, netlink->buf, sizeof(netlink->buf), MSG_TRUNC);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return PND_E_SYS;
        if ((size_t)n > sizeof(netlink->buf)) {
            errno = EMSGSIZE;
            return PND_E_SYS;
        }
        err = hear_datagram(netlink, (size_t)n, each, ctx);
    }
    return err == 1 ? PND_OK : err;
}

void pnd_netlink_attrs(const uint8_t *data, size_t len, struct pnd_netlink_attr *ret, size_t count)
{
    memset(ret, 0, count * sizeof(*ret));
    while (len >= NLA_HDRLEN) {
        struct nlattr attr;
        size_t step, type;

        memcpy(&attr, data, sizeof(attr));
        if (attr.nla_len < NLA_HDRLEN || attr.nla_len > len)
            return;
        type = attr.nla_type & NLA_TYPE_MASK;
        if (type < count)
            ret[type] = (struct pnd_netlink_attr){data + NLA_HDRLEN, attr.nla_len - NLA_HDRLEN};
        step = NLA_ALIGN(attr.nla_len);
        step = step < len ? step : len;
        data += step;
        len -= step;
    }
}

static void number(struct pnd_netlink_attr attr, void *ret, size_t bytes)
{
    if (attr.data && attr.len == bytes)
        memcpy(ret, attr.data, bytes);
}

uint32_t pnd_netlink_u32(struct pnd_netlink_attr attr)
{
    uint32_t ret = 0;

    number(attr, &ret, sizeof(ret));
    return ret;
}

uint16_t pnd_netlink_u16(struct pnd_netlink_attr attr)
{
    uint16_t ret = 0;

    number(attr, &ret, sizeof(ret));
    return ret;
}

uint8_t pnd_netlink_u8(struct pnd_netlink_attr attr)
{
    uint8_t ret = 0;

    number(attr, &ret, sizeof(ret));
    return ret;
}

uint32_t pnd_netlink_ipv4(struct pnd_netlink_attr attr)
{
    return ntohl(pnd_netlink_u32(attr));
}

void pnd_netlink_text(struct pnd_netlink_attr attr, char *dst, size_t cap)
{
    size_t len = 0;

    if (attr.data) {
        len = strnlen((const char *)attr.data, attr.len);
        len = len < cap ? len : cap - 1;
        memcpy(dst, attr.data, len);
    }
    dst[len] = '\0';
}

void pnd_netlink_mac(struct pnd_netlink_attr attr, uint8_t ret[6])
{
    memset(ret, 0, 6);
    number(attr, ret, 6);
}
