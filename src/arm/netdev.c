/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The network devices of this machine: see netdev.h. */
#include "arm/netdev.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_bonding.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "host/text.h"

static void read_vlan(struct pnd_netlink_attr data, struct pnd_netdev *dev)
{
    struct pnd_netlink_attr a[IFLA_VLAN_MAX + 1];

    pnd_netlink_attrs(data.data, data.len, a, IFLA_VLAN_MAX + 1);
    dev->vlan = pnd_netlink_u16(a[IFLA_VLAN_ID]);
    dev->service_tag = ntohs(pnd_netlink_u16(a[IFLA_VLAN_PROTOCOL])) == ETH_P_8021AD;
}

static void read_bond(struct pnd_netlink_attr data, struct pnd_netdev *dev)
{
    struct pnd_netlink_attr a[IFLA_BOND_MAX + 1];

    pnd_netlink_attrs(data.data, data.len, a, IFLA_BOND_MAX + 1);
    dev->bond_mode = pnd_netlink_u8(a[IFLA_BOND_MODE]);
    dev->bond_active = pnd_netlink_u32(a[IFLA_BOND_ACTIVE_SLAVE]);
}

/* A port of a bond carries the bond's address; the bond remembers what it was. */
static void read_bond_port(struct pnd_netlink_attr data, struct pnd_netdev *dev)
{
    struct pnd_netlink_attr a[IFLA_BOND_SLAVE_MAX + 1];

    pnd_netlink_attrs(data.data, data.len, a, IFLA_BOND_SLAVE_MAX + 1);
    pnd_netlink_mac(a[IFLA_BOND_SLAVE_PERM_HWADDR], dev->burnt_in);
}

static void read_kind(struct pnd_netlink_attr info, struct pnd_netdev *dev)
{
    static const uint8_t none[6];
    struct pnd_netlink_attr a[IFLA_INFO_MAX + 1];
    char of[PND_NETDEV_KIND_CAP];

    pnd_netlink_attrs(info.data, info.len, a, IFLA_INFO_MAX + 1);
    pnd_netlink_text(a[IFLA_INFO_KIND], dev->kind, sizeof(dev->kind));
    pnd_netlink_text(a[IFLA_INFO_SLAVE_KIND], of, sizeof(of));
    if (strcmp(dev->kind, "vlan") == 0)
        read_vlan(a[IFLA_INFO_DATA], dev);
    else if (strcmp(dev->kind, "bond") == 0)
        read_bond(a[IFLA_INFO_DATA], dev);
    if (strcmp(of, "bond") == 0 && memcmp(dev->burnt_in, none, sizeof(none)) == 0)
        read_bond_port(a[IFLA_INFO_SLAVE_DATA], dev);
}

static void read_device(const struct ifinfomsg *info, const struct pnd_netlink_attr *a,
                        struct pnd_netdev *dev)
{
    const unsigned both = IFF_UP | 0x10000; /* IFF_LOWER_UP of <linux/if.h>, which <net/if.h> has
                                               no room for */

    *dev = (struct pnd_netdev){
        .index = (unsigned)info->ifi_index,
        .lower = pnd_netlink_u32(a[IFLA_LINK]),
        .lower_elsewhere = a[IFLA_LINK_NETNSID].data != NULL,
        .master = pnd_netlink_u32(a[IFLA_MASTER]),
        .hardware = info->ifi_type,
        .link = (info->ifi_flags & both) == both,
        .mtu = pnd_netlink_u32(a[IFLA_MTU]),
    };
    pnd_netlink_text(a[IFLA_IFNAME], dev->name, sizeof(dev->name));
    pnd_netlink_mac(a[IFLA_ADDRESS], dev->mac);
    pnd_netlink_mac(a[IFLA_PERM_ADDRESS], dev->burnt_in);
    if (a[IFLA_LINKINFO].data)
        read_kind(a[IFLA_LINKINFO], dev);
}

static int make_room(struct pnd_netdevs *all)
{
    size_t cap = all->cap ? all->cap * 2 : 64;
    struct pnd_netdev *list;

    if (all->count < all->cap)
        return PND_OK;
    if (cap > PND_NETDEVS_MAX)
        return PND_E_FULL;
    list = realloc(all->list, cap * sizeof(*list));
    if (!list)
        return PND_E_SYS;
    all->list = list;
    all->cap = cap;
    return PND_OK;
}

static int hear(void *ctx, uint16_t type, const uint8_t *body, size_t len)
{
    struct pnd_netdevs *all = ctx;
    struct pnd_netlink_attr a[IFLA_PERM_ADDRESS + 1];
    struct ifinfomsg info;
    int err;

    if (type != RTM_NEWLINK || len < sizeof(info))
        return PND_OK;
    err = make_room(all);
    if (err)
        return err;
    memcpy(&info, body, sizeof(info));
    pnd_netlink_attrs(body + NLMSG_ALIGN(sizeof(info)), len - NLMSG_ALIGN(sizeof(info)), a,
                      IFLA_PERM_ADDRESS + 1);
    read_device(&info, a, &all->list[all->count++]);
    return PND_OK;
}

int pnd_netdevs_read(struct pnd_netlink *netlink, struct pnd_netdevs *ret, struct pnd_why *why)
{
    struct ifinfomsg question = {.ifi_family = AF_UNSPEC};
    struct pnd_netdevs all = {0};
    int err =
        pnd_netlink_ask(netlink, RTM_GETLINK, NLM_F_DUMP, &question, sizeof(question), hear, &all);

    if (err) {
        pnd_why(why, err, err == PND_E_SYS ? errno : 0, "ask the kernel for its network devices%s",
                err == PND_E_FULL ? ": there are too many" : "");
        pnd_netdevs_free(&all);
        return err;
    }
    *ret = all;
    return PND_OK;
}

void pnd_netdevs_free(struct pnd_netdevs *all)
{
    free(all->list);
    *all = (struct pnd_netdevs){0};
}

const struct pnd_netdev *pnd_netdev_at(const struct pnd_netdevs *all, unsigned index)
{
    for (size_t i = 0; i < all->count; i++)
        if (index && all->list[i].index == index)
            return &all->list[i];
    return NULL;
}

const struct pnd_netdev *pnd_netdev_named(const struct pnd_netdevs *all, const char *name)
{
    for (size_t i = 0; i < all->count; i++)
        if (strcmp(all->list[i].name, name) == 0)
            return &all->list[i];
    return NULL;
}

const char *pnd_netdev_text(char dst[PND_NETDEV_TEXT_CAP], const char *name)
{
    return pnd_text_escape(dst, PND_NETDEV_TEXT_CAP, name, strlen(name));
}
