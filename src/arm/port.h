/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From the device that a route leads over down to the Ethernet port that a crash kernel can drive:
 * VLANs, bonds and bridges are things of the running kernel, and gone in the next one. */
#ifndef PND_ARM_PORT_H
#define PND_ARM_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "arm/netdev.h"
#include "arm/route.h"
#include "host/why.h"

struct pnd_port_wish {
    const char *root; /* of /sys; "" for the real one */
    unsigned chosen;  /* index of the device that a person named; 0: none was */
    bool force;       /* also wireless, USB and virtual ports, as far as they are Ethernet */
};

struct pnd_port {
    const struct pnd_netdev *device; /* of the table that was given */
    uint16_t vlan;                   /* 0: none */
    char driver[PND_ROUTE_DRIVER_CAP];
    char note[PND_ROUTE_NOTE_CAP]; /* what a person should know; "": nothing */
};

/* The device whose route is asked for when a person names @p named: itself, or the bond or bridge
 * that it is a port of. */
const struct pnd_netdev *pnd_port_owner(const struct pnd_netdevs *all,
                                        const struct pnd_netdev *named);

/* @p from is where the route leads, a device of @p all.
 *   @return PND_OK; PND_E_LINK: @p why says why not, and what would do */
int pnd_port_find(const struct pnd_netdevs *all, const struct pnd_netdev *from,
                  const struct pnd_port_wish *wish, struct pnd_port *ret, struct pnd_why *why);

/* Adds a sentence to a note, behind "; ". What does not fit is left out. */
__attribute__((format(printf, 2, 3))) void pnd_route_note(char note[PND_ROUTE_NOTE_CAP],
                                                          const char *fmt, ...);

#endif
