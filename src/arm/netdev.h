/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The network devices of this machine, what each is made of, and which hang on which. */
#ifndef PND_ARM_NETDEV_H
#define PND_ARM_NETDEV_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arm/netlink.h"
#include "host/why.h"

enum { PND_NETDEV_KIND_CAP = 16, PND_NETDEVS_MAX = 65536, PND_NETDEV_TEXT_CAP = 4 * IFNAMSIZ };

/* The bits that a person would see in `ip -d link show`. */
struct pnd_netdev {
    unsigned index;       /* of the kernel, from 1 */
    unsigned lower;       /* index of what it is stacked on (VLAN, macvlan); 0: nothing */
    bool lower_elsewhere; /* and that is in another network namespace */
    unsigned master;      /* index of the bond or bridge that it is a port of; 0: none */
    unsigned hardware;    /* ARPHRD_ETHER, ... */
    bool link;            /* it is up, and so is its cable */
    uint32_t mtu;
    uint8_t mac[6], burnt_in[6]; /* burnt_in is all 0 when the kernel does not know it */
    uint16_t vlan;               /* kind "vlan": its tag */
    bool service_tag;            /* of 802.1ad, which is not the tag that a switch port takes */
    uint8_t bond_mode;    /* kind "bond": BOND_MODE_ACTIVEBACKUP, ... of <linux/if_bonding.h> */
    unsigned bond_active; /* index of its active port; 0: none, or all are */
    char name[IFNAMSIZ];
    char
        kind[PND_NETDEV_KIND_CAP]; /* "vlan", "bond", "bridge", "veth", ...; "": hardware, mostly */
};

struct pnd_netdevs {
    struct pnd_netdev *list; /* malloc'ed */
    size_t count, cap;
};

/* @return PND_OK; PND_E_SYS; PND_E_FULL more than PND_NETDEVS_MAX */
int pnd_netdevs_read(struct pnd_netlink *netlink, struct pnd_netdevs *ret, struct pnd_why *why);
void pnd_netdevs_free(struct pnd_netdevs *all);

/* NULL: there is none. */
const struct pnd_netdev *pnd_netdev_at(const struct pnd_netdevs *all, unsigned index);
const struct pnd_netdev *pnd_netdev_named(const struct pnd_netdevs *all, const char *name);

/* Its name, which may hold any byte but a slash and blanks, as can be printed. @return @p dst */
const char *pnd_netdev_text(char dst[PND_NETDEV_TEXT_CAP], const char *name);

#endif
