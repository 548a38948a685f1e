/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Network interfaces: see netif.h. */
#include "capture/netif.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "capture/watchdog.h"
#include "host/clock.h"
#include "host/guard.h"

enum {
    POLL_MS = 20,
    CARRIER_MS = 4000, /* of several interfaces, how long the first link is waited for */
};

static int ask(int fd, unsigned long request, const char *name, struct ifreq *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (strlen(name) >= sizeof(ret->ifr_name)) {
        errno = ENODEV;
        return -1;
    }
    memcpy(ret->ifr_name, name, strlen(name));
    return ioctl(fd, request, ret);
}

static bool has_mac(int fd, const char *name, const char *mac)
{
    struct ifreq ifr;
    const unsigned char *m;
    char text[13];

    if (ask(fd, SIOCGIFHWADDR, name, &ifr) < 0)
        return false;
    m = (const unsigned char *)ifr.ifr_hwaddr.sa_data;
    snprintf(text, sizeof(text), "%02x%02x%02x%02x%02x%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
    return strcasecmp(text, mac) == 0;
}

static bool is_ethernet(int fd, const char *name)
{
    struct ifreq ifr;

    return ask(fd, SIOCGIFHWADDR, name, &ifr) == 0 && ifr.ifr_hwaddr.sa_family == ARPHRD_ETHER;
}

static bool has_link(int fd, const char *name)
{
    struct ifreq ifr;

    return ask(fd, SIOCGIFFLAGS, name, &ifr) == 0 && ifr.ifr_flags & IFF_RUNNING;
}

static int take_up(int fd, const char *name)
{
    struct ifreq ifr;

    if (ask(fd, SIOCGIFFLAGS, name, &ifr) < 0)
        return -1;
    if (ifr.ifr_flags & IFF_UP)
        return 0;
    ifr.ifr_flags |= IFF_UP;
    return ioctl(fd, SIOCSIFFLAGS, &ifr);
}

static bool wanted(int fd, const char *name, const char *match_name, const char *match_mac)
{
    if (match_name[0])
        return strcmp(name, match_name) == 0;
    if (match_mac[0])
        return has_mac(fd, name, match_mac);
    return is_ethernet(fd, name);
}

/* Takes up all that are wanted. @return how many; @p ret the first with a link, else the first */
static unsigned look(int fd, const char *match_name, const char *match_mac, char ret[IFNAMSIZ],
                     bool *ret_link, int *ret_errno)
{
    struct if_nameindex *list = if_nameindex();
    unsigned count = 0;

    *ret_link = false;
    for (const struct if_nameindex *at = list; at && at->if_name; at++) {
        bool link;

        if (!wanted(fd, at->if_name, match_name, match_mac))
            continue;
        if (take_up(fd, at->if_name) < 0) {
            *ret_errno = errno;
            continue;
        }
        link = has_link(fd, at->if_name);
        if (count == 0 || (link && !*ret_link))
            snprintf(ret, IFNAMSIZ, "%s", at->if_name);
        *ret_link |= link;
        count++;
    }
    if_freenameindex(list);
    return count;
}

int pnd_netif_find(const char *match_name, const char *match_mac, uint64_t wait_ms,
                   char ret[IFNAMSIZ], struct pnd_why *why)
{
    PND_AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    uint64_t start_us = pnd_clock_us();
    int errnum = 0;

    if (fd < 0)
        return pnd_why(why, PND_E_SYS, errno, "open a socket to look for interfaces");
    for (;;) {
        struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
        uint64_t gone_ms = (pnd_clock_us() - start_us) / 1000;
        bool link = false;
        unsigned count = look(fd, match_name, match_mac, ret, &link, &errnum);

        /* The only one is used at once: its link may come while ARP is being asked. */
        if (count == 1 || (count > 1 && (link || gone_ms >= CARRIER_MS)))
            return PND_OK;
        if (gone_ms >= wait_ms)
            break;
        pnd_watchdog_alive();
        nanosleep(&pause, NULL);
    }
    if (errnum)
        return pnd_why(why, PND_E_SYS, errnum, "take up the interface (as root?)");
    return pnd_why(why, PND_E_LINK, 0,
                   "no Ethernet interface%s%s%s%s after %u s - is its driver among the modules?",
                   match_name[0] ? " called " : "", match_name,
                   !match_name[0] && match_mac[0] ? " with the MAC " : "",
                   !match_name[0] ? match_mac : "", (unsigned)(wait_ms / 1000));
}

int pnd_netif_address(const char *name, uint32_t *ret, struct pnd_why *why)
{
    PND_AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in sin;
    struct ifreq ifr;

    if (fd < 0)
        return pnd_why(why, PND_E_SYS, errno, "open a socket to ask for an address");
    if (ask(fd, SIOCGIFADDR, name, &ifr) < 0)
        return pnd_why(why, PND_E_SYS, errno, "the IPv4 address of %s", name);
    memcpy(&sin, &ifr.ifr_addr, sizeof(sin));
    *ret = ntohl(sin.sin_addr.s_addr);
    return PND_OK;
}

static struct sockaddr address_of(uint32_t ip)
{
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(ip)};
    struct sockaddr ret;

    memcpy(&ret, &sin, sizeof(ret));
    return ret;
}

static int set_address(int fd, const char *name, unsigned long request, uint32_t ip)
{
    struct ifreq ifr = {.ifr_addr = address_of(ip)};

    memcpy(ifr.ifr_name, name, strlen(name));
    return ioctl(fd, request, &ifr);
}

/* Does this kernel know a way to it? Nothing is sent to find out. */
static bool has_route(uint32_t ip)
{
    struct sockaddr_in sin = {
        .sin_family = AF_INET, .sin_port = htons(1), .sin_addr.s_addr = htonl(ip)};
    PND_AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    return fd >= 0 && connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0;
}

/* To one machine, behind @p router_ip unless that is 0. */
static int add_route(int fd, char *name, uint32_t ip, uint32_t router_ip)
{
    struct rtentry route = {
        .rt_dst = address_of(ip),
        .rt_genmask = address_of(UINT32_MAX),
        .rt_gateway = address_of(router_ip),
        .rt_flags = (unsigned short)(RTF_UP | RTF_HOST | (router_ip ? RTF_GATEWAY : 0)),
        .rt_dev = name,
    };

    return ioctl(fd, SIOCADDRT, &route) < 0 && errno != EEXIST ? -1 : 0;
}

int pnd_netif_configure(const char *name, uint32_t own_ip, unsigned prefix, uint32_t router_ip,
                        uint32_t server_ip, struct pnd_why *why)
{
    PND_AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    uint32_t has = 0, mask = UINT32_MAX << (prefix ? 32 - prefix : 0);
    char device[IFNAMSIZ];

    if (fd < 0)
        return pnd_why(why, PND_E_SYS, errno, "open a socket to set an address");
    snprintf(device, sizeof(device), "%s", name);
    if (pnd_netif_address(name, &has, NULL) == PND_OK && (has != own_ip || has_route(server_ip)))
        return PND_OK;
    if (!has && (set_address(fd, device, SIOCSIFADDR, own_ip) < 0 ||
                 set_address(fd, device, SIOCSIFNETMASK, mask) < 0))
        return pnd_why(why, PND_E_SYS, errno, "give %s an address", device);
    if (add_route(fd, device, router_ip ? router_ip : server_ip, 0) < 0 ||
        (router_ip && add_route(fd, device, server_ip, router_ip) < 0))
        return pnd_why(why, PND_E_SYS, errno, "set the route through %s", device);
    return PND_OK;
}
