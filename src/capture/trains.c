/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Trains of packets out of a crash kernel: see trains.h. */
#include "capture/trains.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire/frame.h"

/* ---- whether they are used */

void pnd_trains_rest(struct pnd_trains_trust *trust, uint64_t now_us)
{
    trust->resting = true;
    trust->rests++;
    trust->rested_us = now_us;
    trust->unanswered_us = 0;
}

/* A train that is lost whole costs as many repetitions as it has packets, on a way that loses
 * single ones nothing like that. */
static bool arrives(struct pnd_trains_trust *trust, const struct pnd_trains_moment *moment)
{
    uint64_t packets = moment->packets - trust->packets;
    uint64_t repeated = moment->retransmissions - trust->retransmissions;

    if (packets < PND_TRAINS_LOOK)
        return true;
    trust->packets = moment->packets;
    trust->retransmissions = moment->retransmissions;
    return repeated < packets / 2;
}

bool pnd_trains_trusted(struct pnd_trains_trust *trust, const struct pnd_trains_moment *moment)
{
    if (trust->rests >= PND_TRAINS_RESTS_MAX)
        return false;
    if (trust->resting) {
        if (moment->heard_us <= trust->rested_us)
            return false;
        trust->resting = false;
    }
    if (!arrives(trust, moment)) {
        trust->rests = PND_TRAINS_RESTS_MAX;
        return false;
    }
    if (trust->unanswered_us && moment->heard_us >= trust->unanswered_us)
        trust->unanswered_us = 0;
    if (!trust->unanswered_us) {
        trust->unanswered_us = moment->now_us;
        return true;
    }
    if (moment->now_us - trust->unanswered_us < PND_TRAINS_SILENCE_US)
        return true;
    pnd_trains_rest(trust, moment->now_us);
    return false;
}

/* ---- the socket */

static struct sockaddr address_of(uint32_t ip, uint16_t port)
{
    struct sockaddr_in sin = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(ip)};
    struct sockaddr ret;

    memcpy(&ret, &sin, sizeof(ret));
    return ret;
}

static int neighbour(const struct pnd_trains *t, unsigned long request, const uint8_t *mac)
{
    struct arpreq arp = {.arp_pa = address_of(t->server_ip, 0), .arp_flags = ATF_PERM | ATF_COM};

    arp.arp_ha.sa_family = ARPHRD_ETHER;
    memcpy(arp.arp_ha.sa_data, mac, PND_MAC_BYTES);
    memcpy(arp.arp_dev, t->packet->name, sizeof(t->packet->name));
    return ioctl(t->udp.fd, request, &arp);
}

/* Without any address at all this kernel takes each for one of a broadcast, and would send as
 * 0.0.0.0: one of its own is enough. */
static void take_up_loopback(int fd)
{
    struct ifreq ifr = {.ifr_name = "lo"};

    if (ioctl(fd, SIOCGIFFLAGS, &ifr) < 0 || ifr.ifr_flags & IFF_UP)
        return;
    ifr.ifr_flags |= IFF_UP;
    (void)ioctl(fd, SIOCSIFFLAGS, &ifr);
}

/* Transparent: it may send as an address that this kernel does not have, and so would not answer
 * for. Bound to the interface, and without a route. */
static int set_up(int fd, const struct pnd_packet *packet)
{
    int on = 1;

    if (setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof(on)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_DONTROUTE, &on, sizeof(on)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, packet->name, (socklen_t)strlen(packet->name)) <
            0)
        return -1;
    /* What comes is read by the packet socket: the least is kept here. */
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &on, sizeof(on));
    return 0;
}

static int open_socket(struct pnd_trains *t, uint32_t own_ip, uint16_t own_port)
{
    struct sockaddr own = address_of(own_ip, own_port);
    int fd = t->packet->port_fd;

    t->own_fd = fd < 0;
    if (t->own_fd)
        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    pnd_udp_over(&t->udp, fd, &t->link);
    if (fd < 0 || set_up(fd, t->packet) < 0)
        return -1;
    take_up_loopback(fd);
    return t->own_fd ? bind(fd, &own, sizeof(own)) : 0;
}

int pnd_trains_open(struct pnd_trains *trains, const struct pnd_packet *packet, uint32_t own_ip,
                    uint16_t own_port, uint32_t server_ip, const uint8_t mac[6],
                    struct pnd_why *why)
{
    int err;

    *trains = (struct pnd_trains){.packet = packet, .server_ip = server_ip, .udp.fd = -1};
    if (packet->vlan) {
        trains->packet = NULL;
        return pnd_why(why, PND_E_LINK, 0, "packets of VLAN %u need a packet socket", packet->vlan);
    }
    if (open_socket(trains, own_ip, own_port) == 0 && neighbour(trains, SIOCSARP, mac) == 0)
        return PND_OK;
    err = pnd_why(why, PND_E_SYS, errno, "set up a UDP socket on %s", packet->name);
    pnd_trains_close(trains);
    return err;
}

void pnd_trains_close(struct pnd_trains *trains)
{
    static const uint8_t any[PND_MAC_BYTES];

    if (!trains->packet)
        return;
    if (trains->udp.fd >= 0)
        (void)neighbour(trains, SIOCDARP, any);
    if (trains->own_fd)
        pnd_udp_close(&trains->udp);
    trains->packet = NULL;
}

/* The driver knows of a link up to a second before the queue takes packets, and drops them all
 * until then. */
static bool is_running(struct pnd_trains *t)
{
    struct ifreq ifr = {0};

    if (t->running)
        return true;
    memcpy(ifr.ifr_name, t->packet->name, sizeof(ifr.ifr_name));
    t->running = ioctl(t->udp.fd, SIOCGIFFLAGS, &ifr) == 0 && ifr.ifr_flags & IFF_RUNNING;
    return t->running;
}

bool pnd_trains_send(struct pnd_trains *trains, struct pnd_endpoint to,
                     const struct pnd_datagram *packets, unsigned count,
                     const struct pnd_trains_moment *moment)
{
    struct pnd_trains *t = trains;

    if (!t->packet || count < PND_TRAINS_MIN || !is_running(t))
        return false;
    if (!pnd_trains_trusted(&t->trust, moment)) {
        t->running = false;
        return false;
    }
    t->udp.last_errno = 0;
    (void)t->link.send_many(t->link.ctx, to, packets, count); /* receiving tells of a signal */
    if (t->udp.last_errno)
        pnd_trains_rest(&t->trust, moment->now_us);
    /* Packets that it takes one by one are no cheaper than frames. */
    if (t->udp.gso_failures)
        t->trust.rests = PND_TRAINS_RESTS_MAX;
    return true;
}
