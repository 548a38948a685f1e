/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a network device is made of, as far as a crash kernel cares: from its kind, and from /sys.
 */
#ifndef PND_ARM_PORT_KIND_H
#define PND_ARM_PORT_KIND_H

#include <stddef.h>

#include "arm/netdev.h"

enum pnd_port_kind {
    PND_PORT_WIRED,    /* Ethernet that is part of the machine, virtual machines' included */
    PND_PORT_WIRELESS, /* needs keys, and a program that negotiates */
    PND_PORT_USB,      /* needs a host controller brought up anew, on a bus that can be unplugged */
    PND_PORT_VIRTUAL,  /* made by the kernel or a program, and gone with them */
    PND_PORT_FOREIGN,  /* no Ethernet */
};

/* Of a device that is no VLAN, bond, team or bridge; they are virtual, here. */
enum pnd_port_kind pnd_port_kind(const char *root, const struct pnd_netdev *dev);

/* "" without one. Its module's name where it has one: xen_netfront's driver is called "vif". */
void pnd_port_driver(const char *root, const struct pnd_netdev *dev, char *ret, size_t cap);

/* Why a crash kernel cannot use it, with the device as the subject: "is wireless: ...". */
const char *pnd_port_reason(enum pnd_port_kind kind, const struct pnd_netdev *dev);

#endif
