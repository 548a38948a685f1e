/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a network device is made of: see port_kind.h. */
#include "arm/port_kind.h"

#include <limits.h>
#include <net/if_arp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* @return false: the path would be too long */
static bool sysfs_path(const char *root, const struct pnd_netdev *dev, const char *what,
                       char ret[PATH_MAX])
{
    int n = snprintf(ret, PATH_MAX, "%s/sys/class/net/%s/%s", root, dev->name, what);

    return n > 0 && n < PATH_MAX;
}

static bool has(const char *root, const struct pnd_netdev *dev, const char *what)
{
    char path[PATH_MAX];

    return sysfs_path(root, dev, what, path) && access(path, F_OK) == 0;
}

/* Where the link leads, from the root on. */
static bool leads_to(const char *root, const struct pnd_netdev *dev, const char *what,
                     char ret[PATH_MAX])
{
    char path[PATH_MAX];

    return sysfs_path(root, dev, what, path) && realpath(path, ret) != NULL;
}

static const char *last_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* On the way to the device there is a USB bus: ".../usb2/2-1/2-1:1.0". */
static bool hangs_on_usb(const char *path)
{
    for (const char *at = strstr(path, "/usb"); at; at = strstr(at + 1, "/usb"))
        if (at[4] >= '0' && at[4] <= '9')
            return true;
    return false;
}

enum pnd_port_kind pnd_port_kind(const char *root, const struct pnd_netdev *dev)
{
    char path[PATH_MAX];

    if (dev->hardware != ARPHRD_ETHER)
        return PND_PORT_FOREIGN;
    if (has(root, dev, "phy80211") || has(root, dev, "wireless"))
        return PND_PORT_WIRELESS;
    if (dev->kind[0] || !leads_to(root, dev, "device", path))
        return PND_PORT_VIRTUAL;
    if (hangs_on_usb(path))
        return PND_PORT_USB;
    return PND_PORT_WIRED;
}

void pnd_port_driver(const char *root, const struct pnd_netdev *dev, char *ret, size_t cap)
{
    char path[PATH_MAX];

    ret[0] = '\0';
    if (leads_to(root, dev, "device/driver/module", path) ||
        leads_to(root, dev, "device/driver", path))
        snprintf(ret, cap, "%s", last_of(path));
}

static const char *foreign_reason(const struct pnd_netdev *dev)
{
    switch (dev->hardware) {
    case ARPHRD_LOOPBACK:
        return "is the loopback, which leads nowhere";
    case ARPHRD_INFINIBAND:
        return "is InfiniBand, and the crash kernel speaks Ethernet only";
    case ARPHRD_PPP:
        return "is a PPP connection, whose session ends with this kernel";
    case ARPHRD_NONE:
        return strcmp(dev->kind, "wireguard") == 0
                   ? "is a WireGuard tunnel, whose keys the crash kernel does not have"
                   : "is a tunnel without Ethernet, which ends with this kernel";
    default:
        return "is not Ethernet";
    }
}

static const char *virtual_reason(const struct pnd_netdev *dev)
{
    static const struct {
        const char *kind, *reason;
    } known[] = {
        {"dummy", "is a dummy, behind which nothing is"},
        {"geneve", "is a tunnel of this kernel, which ends with it"},
        {"gretap", "is a tunnel of this kernel, which ends with it"},
        {"ipvlan", "shares a port under it by IPVLAN, which ends with this kernel"},
        {"macvlan", "shares a port under it under another MAC, which ends with this kernel"},
        {"macvtap", "shares a port under it under another MAC, which ends with this kernel"},
        {"openvswitch", "is a port inside of Open vSwitch, which ends with this kernel"},
        {"tun", "is a program's (tun or tap), which ends with this kernel"},
        {"veth", "is a cable between containers, which ends with this kernel"},
        {"vxlan", "is a tunnel of this kernel, which ends with it"},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(dev->kind, known[i].kind) == 0)
            return known[i].reason;
    return "is virtual: there is no device under it that a driver could bring up";
}

const char *pnd_port_reason(enum pnd_port_kind kind, const struct pnd_netdev *dev)
{
    switch (kind) {
    case PND_PORT_WIRELESS:
        return "is wireless: a crash kernel has no keys, and no program to join a network with";
    case PND_PORT_USB:
        return "hangs on USB, which a crash kernel does not always get going again";
    case PND_PORT_VIRTUAL:
        return virtual_reason(dev);
    case PND_PORT_FOREIGN:
        return foreign_reason(dev);
    case PND_PORT_WIRED:
        break;
    }
    return "can be used";
}
