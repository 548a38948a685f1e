/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The interfaces: en0, en1, ... in the order of the PCI bus, and the choice of the one that is
 * registered for dumps. PROTOCOL.md#kdp-2.1, #kdp-2.2 */
#ifndef BOX_NETIF_H
#define BOX_NETIF_H

#include <stdbool.h>
#include <stdint.h>

#include "panicd/bootargs.h"
#include "panicd/client.h"

enum box_netif_kind {
    BOX_BUILT_IN,    /* a NIC on the first bus */
    BOX_THUNDERBOLT, /* behind a bridge: a NIC that was plugged in */
    BOX_USB,         /* said by the property opt/panicbox/enN of fw_cfg: QEMU's USB and wireless */
    BOX_WIRELESS,    /* devices have no polled driver anywhere */
};

enum { BOX_NETIF_CAP = 8 };

struct box_netif {
    char name[8];        /* "en0" */
    const char *driver;  /* "virtio-net", "e1000", "e1000e"; NULL: none of ours fits */
    const char *trouble; /* why the driver cannot use it, and what to do; NULL: it can */
    uint16_t pci_vendor, pci_device;
    enum box_netif_kind kind;
    bool polled; /* it can send and receive in a panic, and its kind is registered for that */
    struct pnd_nic nic;           /* of one with a driver and without trouble */
    uint32_t ip, netmask, router; /* host order; 0: none */
    uint8_t router_mac[6];        /* zeros: never resolved */
};

/* Finds the interfaces, starts their drivers, and prints a line for each. Once, before
 * box_memory_fill(), when console and clock work. @return how many there are */
unsigned box_netif_init(void);
/* @return NULL when @p index is past the last */
struct box_netif *box_netif(unsigned index);

/* The interface for dumps, by kdp_match_name, kdp_match_mac, or the first that is built in; NULL
 * and a printed sentence that says why and what to type, when there is none. The name "serial" is
 * the second serial line, which box_netif() does not have. */
struct box_netif *box_netif_choose(const struct pnd_bootargs *args);

/* Gives it an address as the running system would have: kdp_ip_addr; the property
 * opt/panicbox/_kdp_ipstr of fw_cfg, which is its NVRAM; replaced by what DHCP gives (2 s; not
 * with kdp_ip_addr). The serial line has kdp_ip_addr or BOX_SERIAL_IP, and no router. The router -
 * of DHCP, or opt/panicbox/router - is resolved by ARP. */
void box_netif_configure(struct box_netif *netif, const struct pnd_bootargs *args);

#endif
