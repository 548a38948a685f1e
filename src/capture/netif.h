/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Network interfaces of this machine: which one, and its address. */
#ifndef PND_CAPTURE_NETIF_H
#define PND_CAPTURE_NETIF_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "host/why.h"

/* Waits until there is the interface asked for, and takes it up: the one called @p match_name; or
 * with the MAC @p match_mac (12 hexadecimal digits, any case); or, with both empty, an Ethernet
 * interface - of several the first that gets a link.
 *   @return PND_OK; PND_E_LINK none such in @p wait_ms; PND_E_SYS it cannot be taken up */
int pnd_netif_find(const char *match_name, const char *match_mac, uint64_t wait_ms,
                   char ret[IFNAMSIZ], struct pnd_why *why);

/* Its IPv4 address. @return PND_OK; PND_E_SYS it has none, or does not exist */
int pnd_netif_address(const char *name, uint32_t *ret, struct pnd_why *why);

/* Gives it an address, and the kernel the way to @p server_ip through it: the least that a socket
 * needs. An interface that has another address is left alone, and so is the way to a server that
 * the kernel knows; with this address, it is only the way that may be missing: to another server
 * than the one before.
 *   @param prefix     of its network, bits; 0: not known, and then nothing but the server (or the
 *                     router) is taken to be in it
 *   @param router_ip  0: the server is in the same network
 *   @return PND_OK; PND_E_SYS */
int pnd_netif_configure(const char *name, uint32_t own_ip, unsigned prefix, uint32_t router_ip,
                        uint32_t server_ip, struct pnd_why *why);

#endif
