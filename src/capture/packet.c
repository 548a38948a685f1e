/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A nic over an AF_PACKET socket: see packet.h. */
#include "capture/packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "capture/watchdog.h"
#include "host/clock.h"
#include "sender/stop.h"
#include "wire/frame.h"

enum {
    VLAN_TAG_BYTES = 4,
    VLAN_ETHERTYPE = 0x8100,
    VLAN_ID_MASK = 0xfff,
    MACS_BYTES = 2 * PND_MAC_BYTES, /* the tag stands behind them */
    LINK_POLL_MS = 10,
    LINK_FRESH_US = 100000, /* a link over which a frame came this recently is up */
};

static uint64_t packet_now_us(void *ctx)
{
    (void)ctx;
    return pnd_clock_us();
}

static void put_tag(const struct pnd_packet *packet, uint8_t *at)
{
    at[0] = VLAN_ETHERTYPE >> 8;
    at[1] = VLAN_ETHERTYPE & 0xff;
    at[2] = (uint8_t)(packet->vlan >> 8);
    at[3] = (uint8_t)packet->vlan;
}

/* @return the frame with the tag, @p len grown by it */
static const void *add_tag(struct pnd_packet *packet, const uint8_t *frame, size_t *len)
{
    uint8_t *at = packet->tagged;

    if (*len < MACS_BYTES || *len > sizeof(packet->tagged) - VLAN_TAG_BYTES)
        return frame;
    memcpy(at, frame, MACS_BYTES);
    put_tag(packet, at + MACS_BYTES);
    memcpy(at + MACS_BYTES + VLAN_TAG_BYTES, frame + MACS_BYTES, *len - MACS_BYTES);
    *len += VLAN_TAG_BYTES;
    return at;
}

/* A full queue, or a link that is not up yet, is a lost frame: it will be repeated. */
static bool is_loss(int error)
{
    return error == ENOBUFS || error == EAGAIN || error == EINTR || error == ENETDOWN;
}

static int packet_send(void *ctx, const void *frame, size_t len)
{
    struct pnd_packet *packet = ctx;

    /* Also when somebody asked to stop, which receiving tells: the server is to hear of it. */
    if (packet->vlan)
        frame = add_tag(packet, frame, &len);
    if (send(packet->fd, frame, len, 0) >= 0)
        return PND_OK;
    return is_loss(errno) ? PND_OK : PND_E_LINK;
}

enum { PARTS = 4, FRAMES_MAX = 64 }; /* MACs, tag, the rest of the header, payload */

static void fill_message(struct pnd_packet *packet, const struct pnd_frame *frame,
                         struct iovec iov[PARTS], struct msghdr *ret)
{
    uint8_t *header = (uint8_t *)(uintptr_t)frame->header; /* which sending does not write to */
    size_t n = 0;

    if (packet->vlan) {
        iov[n++] = (struct iovec){.iov_base = header, .iov_len = MACS_BYTES};
        iov[n++] = (struct iovec){.iov_base = packet->tagged, .iov_len = VLAN_TAG_BYTES};
        iov[n++] = (struct iovec){.iov_base = header + MACS_BYTES,
                                  .iov_len = frame->header_len - MACS_BYTES};
    } else {
        iov[n++] = (struct iovec){.iov_base = header, .iov_len = frame->header_len};
    }
    iov[n++] = (struct iovec){.iov_base = (void *)(uintptr_t)frame->payload,
                              .iov_len = frame->payload_len};
    *ret = (struct msghdr){.msg_iov = iov, .msg_iovlen = n};
}

/* One system call. What the queue has no room for is dropped from the first frame on that found
 * none: it will be repeated. */
static int packet_send_many(void *ctx, const struct pnd_frame *frames, unsigned count)
{
    struct pnd_packet *packet = ctx;
    struct mmsghdr messages[FRAMES_MAX] = {0};
    struct iovec iov[FRAMES_MAX][PARTS];

    put_tag(packet, packet->tagged);
    for (unsigned done = 0; done < count;) {
        unsigned part = count - done < FRAMES_MAX ? count - done : FRAMES_MAX;
        int n;

        for (unsigned i = 0; i < part; i++)
            fill_message(packet, &frames[done + i], iov[i], &messages[i].msg_hdr);
        n = sendmmsg(packet->fd, messages, part, 0);
        if (n < 0)
            return is_loss(errno) ? PND_OK : PND_E_LINK;
        done += (unsigned)n;
    }
    return PND_OK;
}

/* A sender in the same machine leaves the checksum to hardware that it never meets: 0 says that
 * there is none. */
static void drop_unready_checksum(uint8_t *frame, size_t len)
{
    size_t header = len > PND_ETH_BYTES ? (size_t)(frame[PND_ETH_BYTES] & 0xf) * 4 : 0;
    size_t at = PND_ETH_BYTES + header + 6;

    if (len < PND_ETH_BYTES + PND_IPV4_BYTES || frame[12] != PND_ETH_IPV4 >> 8 || frame[13] != 0 ||
        frame[PND_ETH_BYTES + 9] != IPPROTO_UDP || at + 2 > len)
        return;
    frame[at] = 0;
    frame[at + 1] = 0;
}

/* What the kernel tells of this frame that is not in its bytes, if it does. */
static void find_aux(struct msghdr *msg, struct tpacket_auxdata *ret)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
            continue;
        memcpy(ret, CMSG_DATA(c), sizeof(*ret));
        return;
    }
}

/* The VLAN of a frame, whose tag hardware or the kernel has always taken out; priority tags are of
 * none. */
static uint16_t vlan_of(const struct tpacket_auxdata *aux)
{
    return aux->tp_status & TP_STATUS_VLAN_VALID ? aux->tp_vlan_tci & VLAN_ID_MASK : 0;
}

/* What has come, with what the kernel tells of it. @return its length; -1 with errno */
static ssize_t take_frame(struct pnd_packet *packet, void *buf, size_t cap,
                          struct tpacket_auxdata *ret)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
    } control;
    struct iovec iov = {.iov_base = buf, .iov_len = cap};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    ssize_t len = recvmsg(packet->fd, &msg, MSG_DONTWAIT);

    if (len >= 0)
        find_aux(&msg, ret);
    return len;
}

/* @return PND_OK there is something; PND_E_TIMEOUT; PND_E_LINK */
static int await_frame(const struct pnd_packet *packet, uint64_t timeout_us)
{
    struct pollfd pfd = {.fd = packet->fd, .events = POLLIN};
    struct timespec timeout = {.tv_sec = (time_t)(timeout_us / 1000000),
                               .tv_nsec = (long)(timeout_us % 1000000) * 1000};
    int n = ppoll(&pfd, 1, &timeout, NULL);

    if (n > 0)
        return PND_OK;
    return n < 0 && errno != EINTR ? PND_E_LINK : PND_E_TIMEOUT;
}

/* While much is sent, answers are looked for between: then one call has to do. */
static int packet_receive(void *ctx, void *buf, size_t cap, uint64_t timeout_us)
{
    struct pnd_packet *packet = ctx;
    struct tpacket_auxdata aux = {0};
    ssize_t len = pnd_stop_signal() ? 0 : take_frame(packet, buf, cap, &aux);

    if (len < 0 && errno == EAGAIN && timeout_us > 0) {
        int err = await_frame(packet, timeout_us);

        if (err && !pnd_stop_signal())
            return err;
        len = take_frame(packet, buf, cap, &aux);
    }
    if (pnd_stop_signal())
        return PND_E_ABORTED;
    if (len < 0) /* ENETDOWN: somebody took the interface down; it may come back */
        return errno == EAGAIN || errno == EINTR || errno == ENETDOWN ? PND_E_TIMEOUT : PND_E_LINK;
    packet->heard_us = pnd_clock_us();
    if (vlan_of(&aux) != packet->vlan)
        return PND_E_TIMEOUT; /* of another network */
    if (aux.tp_status & TP_STATUS_CSUMNOTREADY)
        drop_unready_checksum(buf, (size_t)len);
    return (int)len;
}

static int read_interface(struct pnd_packet *packet, const char *name, struct pnd_nic *nic,
                          struct pnd_why *why)
{
    struct ifreq ifr = {0};

    if (strlen(name) >= sizeof(ifr.ifr_name))
        return pnd_why(why, PND_E_SYS, 0, "\"%s\" is too long for the name of an interface", name);
    memcpy(ifr.ifr_name, name, strlen(name));
    memcpy(packet->name, ifr.ifr_name, sizeof(packet->name));
    if (ioctl(packet->fd, SIOCGIFINDEX, &ifr) < 0)
        return pnd_why(why, PND_E_SYS, errno, "interface %s", name);
    packet->ifindex = ifr.ifr_ifindex;
    if (ioctl(packet->fd, SIOCGIFHWADDR, &ifr) < 0)
        return pnd_why(why, PND_E_SYS, errno, "the MAC of %s", name);
    if (ifr.ifr_hwaddr.sa_family != ARPHRD_ETHER)
        return pnd_why(why, PND_E_LINK, 0, "%s is not an Ethernet interface", name);
    memcpy(nic->mac, ifr.ifr_hwaddr.sa_data, sizeof(nic->mac));
    if (ioctl(packet->fd, SIOCGIFMTU, &ifr) < 0)
        return pnd_why(why, PND_E_SYS, errno, "the MTU of %s", name);
    nic->mtu = ifr.ifr_mtu > UINT16_MAX ? UINT16_MAX : (uint16_t)ifr.ifr_mtu;
    return PND_OK;
}

/* Bound before it can receive, so that no frame of another interface slips in. */
static int bind_interface(struct pnd_packet *packet, const char *name, struct pnd_why *why)
{
    struct sockaddr_ll sll = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = packet->ifindex};
    int on = 1;

    if (setsockopt(packet->fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) < 0 ||
        setsockopt(packet->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0)
        return pnd_why(why, PND_E_SYS, errno, "set up a packet socket on %s", name);
    if (bind(packet->fd, (struct sockaddr *)&sll, sizeof(sll)) < 0)
        return pnd_why(why, PND_E_SYS, errno, "bind a packet socket to %s", name);
    /* Not through the queue, which takes nothing before the kernel has noticed the link, up to a
     * second after the driver. Where that cannot be had, the first frames are lost. */
    setsockopt(packet->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
    return PND_OK;
}

int pnd_packet_open(struct pnd_packet *packet, const char *name, struct pnd_nic *ret,
                    struct pnd_why *why)
{
    struct pnd_nic nic = {.ctx = packet,
                          .now_us = packet_now_us,
                          .send = packet_send,
                          .receive = packet_receive,
                          .send_many = packet_send_many};
    int err;

    memset(packet, 0, sizeof(*packet));
    packet->port_fd = -1;
    packet->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (packet->fd < 0)
        return pnd_why(why, PND_E_SYS, errno, "open a packet socket (as root?)");
    err = read_interface(packet, name, &nic, why);
    if (!err)
        err = bind_interface(packet, name, why);
    if (err) {
        pnd_packet_close(packet);
        return err;
    }
    *ret = nic;
    return PND_OK;
}

int pnd_packet_hold_port(struct pnd_packet *packet, uint32_t own_ip, uint16_t *port,
                         struct pnd_why *why)
{
    struct sockaddr_in sin = {
        .sin_family = AF_INET, .sin_port = htons(*port), .sin_addr.s_addr = htonl(own_ip)};
    socklen_t len = sizeof(sin);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return pnd_why(why, PND_E_SYS, errno, "open a UDP socket");
    if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0 ||
        getsockname(fd, (struct sockaddr *)&sin, &len) < 0) {
        pnd_why(why, PND_E_SYS, errno, "hold UDP port %u", *port);
        close(fd);
        return PND_E_SYS;
    }
    *port = ntohs(sin.sin_port);
    packet->port_fd = fd;
    return PND_OK;
}

void pnd_packet_close(struct pnd_packet *packet)
{
    if (packet->fd >= 0)
        close(packet->fd);
    if (packet->port_fd >= 0)
        close(packet->port_fd);
    packet->fd = packet->port_fd = -1;
}

int pnd_packet_set_vlan(struct pnd_packet *packet, uint16_t vlan, struct pnd_why *why)
{
    struct packet_mreq all = {.mr_ifindex = packet->ifindex, .mr_type = PACKET_MR_PROMISC};

    if (vlan && setsockopt(packet->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) < 0)
        return pnd_why(why, PND_E_SYS, errno, "make %s hear tagged frames", packet->name);
    packet->vlan = vlan;
    return PND_OK;
}

/* ETHTOOL_GLINK asks the driver; IFF_RUNNING is what the kernel has noticed of it so far. */
static bool has_link(const struct pnd_packet *packet)
{
    struct ethtool_value value = {.cmd = ETHTOOL_GLINK};
    struct ifreq ifr = {.ifr_data = (char *)&value};

    memcpy(ifr.ifr_name, packet->name, sizeof(ifr.ifr_name));
    return packet->link_ignored || ioctl(packet->fd, SIOCETHTOOL, &ifr) < 0 || value.data;
}

/* The stack asks again and again while it is down: not in a tight loop. */
static bool packet_link_up(void *ctx)
{
    const struct pnd_packet *packet = ctx;
    struct timespec pause = {.tv_nsec = LINK_POLL_MS * 1000000L};

    if (pnd_clock_us() - packet->heard_us < LINK_FRESH_US || has_link(packet))
        return true;
    pnd_watchdog_alive();
    nanosleep(&pause, NULL);
    return pnd_stop_signal() != 0; /* which receiving then meets */
}

void pnd_packet_watch_link(struct pnd_packet *packet, struct pnd_nic *nic)
{
    (void)packet;
    nic->link_up = packet_link_up;
}

bool pnd_packet_await_link(struct pnd_packet *packet, uint64_t wait_ms)
{
    uint64_t start_ms = pnd_clock_ms();

    while (!packet_link_up(packet)) {
        if (pnd_clock_ms() - start_ms < wait_ms)
            continue;
        packet->link_ignored = true;
        return false;
    }
    return true;
}
