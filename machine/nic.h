/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The drivers of network interfaces, as netif.c sees them. Each takes a function of the bus, sets
 * the hardware up and gives struct pnd_nic. All of it is polled, and may be interrupted anywhere
 * and used again: what is in the device and in its rings is the only state. */
#ifndef BOX_NIC_H
#define BOX_NIC_H

#include <stdbool.h>

#include "panicd/client.h"
#include "pci.h"

enum {
    BOX_NIC_RX = 32, /* frames that wait while nobody receives */
    BOX_NIC_TX = 16, /* frames that are on their way out */
    BOX_NIC_MTU = 1500,
    BOX_NIC_SEND_US = 200000, /* a device that takes no frame for so long: the frame is lost */
};

/* Is it one of this driver's? @return the driver's name, or NULL */
const char *box_virtio_net_fits(const struct box_pci *pci);
const char *box_e1000_fits(const struct box_pci *pci);

/* @return true, and the interface in @p ret; false, and in @p ret_why what is wrong: a clause
 *         that goes on after a colon, with what to do about it */
bool box_virtio_net_open(const struct box_pci *pci, struct pnd_nic *ret, const char **ret_why);
bool box_e1000_open(const struct box_pci *pci, struct pnd_nic *ret, const char **ret_why);
bool box_serial_nic_open(struct pnd_nic *ret, const char **ret_why);

/* The address that goes with the serial line's MAC: 0xABADBABE in the memory of a little-endian
 * machine. @source PROTOCOL.md#kdp-2.10 */
#define BOX_SERIAL_IP UINT32_C(0xbebaadab)

#endif
