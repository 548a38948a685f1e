/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One datagram that wakes the next hop: see route_wake.h. */
#include "arm/route_wake.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "host/clock.h"
#include "host/guard.h"

enum {
    DISCARD_PORT = 9, /* RFC 863 */
    HEADERS = 28,     /* IPv4 and UDP */
    MTU_MIN = 576,
    MTU_MAX = 9000,
    STEP_MS = 20,
    KNOWN_MS = 2000,
    ROUTER_MS = 300,
    ROUNDS_MAX = 4, /* each narrower link of the way tells about itself only */
};

static int open_socket(const struct pnd_wake *wake)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(wake->own_ip)};
    struct sockaddr_in server = {.sin_family = AF_INET,
                                 .sin_port = htons(DISCARD_PORT),
                                 .sin_addr.s_addr = htonl(wake->server_ip)};
    PND_AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int whole = IP_PMTUDISC_DO;

    if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof(own)) < 0)
        return -1;
    if (wake->interface && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, wake->interface,
                                      (socklen_t)strlen(wake->interface)) < 0)
        return -1;
    if (setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &whole, sizeof(whole)) < 0 ||
        connect(fd, (struct sockaddr *)&server, sizeof(server)) < 0)
        return -1;
    return pnd_steal_fd(&fd);
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

/* What this kernel knows of the way by now. */
static void take_mtu(int fd, uint16_t *mtu)
{
    socklen_t len = sizeof(int);
    int known = 0;

    if (getsockopt(fd, IPPROTO_IP, IP_MTU, &known, &len) == 0 && known >= MTU_MIN && known < *mtu)
        *mtu = (uint16_t)known;
}

/* @return the server, or somebody for it, has answered: it came through */
static bool answered(int fd)
{
    socklen_t len = sizeof(int);
    int err = 0;

    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0 && err == ECONNREFUSED;
}

static bool wait_known(const struct pnd_wake *wake)
{
    uint64_t end_us = pnd_clock_us() + KNOWN_MS * 1000;

    while (!wake->is_known(wake->ctx)) {
        if (pnd_clock_us() >= end_us)
            return false;
        pause_ms(STEP_MS);
    }
    return true;
}

/* @return a router wants smaller ones */
static bool wait_router(int fd, uint16_t *mtu)
{
    uint64_t end_us = pnd_clock_us() + ROUTER_MS * 1000;
    uint16_t before = *mtu;

    while (*mtu == before && pnd_clock_us() < end_us && !answered(fd)) {
        pause_ms(STEP_MS);
        take_mtu(fd, mtu);
    }
    return *mtu < before;
}

void pnd_route_wake(const struct pnd_wake *wake, uint16_t *mtu)
{
    static const uint8_t nothing[MTU_MAX];
    PND_AUTO_CLOSE int fd = open_socket(wake);

    if (fd < 0)
        return;
    take_mtu(fd, mtu);
    for (int round = 0; round < ROUNDS_MAX; round++) {
        size_t len = wake->routed ? (size_t)*mtu - HEADERS : 1;

        /* EMSGSIZE: the kernel has just learnt that it is too large; it says so below. */
        if (send(fd, nothing, len, 0) < 0 && errno != EMSGSIZE)
            return;
        if (!wait_known(wake) || !wake->routed || !wait_router(fd, mtu))
            return;
    }
}
