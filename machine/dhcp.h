/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a running system has done long before it panics: an address by DHCP, and the router's MAC
 * by ARP. For the boot only.
 * @source RFC 2131, RFC 2132, RFC 3396 (not needed: our options are short), RFC 826 */
#ifndef BOX_DHCP_H
#define BOX_DHCP_H

#include <stddef.h>
#include <stdint.h>

#include "panicd/client.h"

struct box_lease {
    uint32_t ip, netmask, router, server; /* host order; netmask and router 0: not given */
};

enum box_dhcp_type {
    BOX_DHCP_DISCOVER = 1,
    BOX_DHCP_OFFER = 2,
    BOX_DHCP_REQUEST = 3,
    BOX_DHCP_ACK = 5,
    BOX_DHCP_NAK = 6,
};

/* Reads a server's message, the payload of a UDP datagram. Pure.
 * @param xid, mac  ours: others' messages are PND_E_TYPE
 * @param ret_type  OFFER, ACK or NAK
 * @param ret  of a NAK only the server
 * @return PND_OK; PND_E_SHORT; PND_E_TYPE not for us, or no DHCP; PND_E_LENGTH an option with a
 *         length it cannot have; PND_E_FORMAT no server, or an address that no machine can have */
int box_dhcp_parse(const void *buf, size_t len, uint32_t xid, const uint8_t mac[6],
                   enum box_dhcp_type *ret_type, struct box_lease *ret);

/* Asks for an address, again and again, for @p budget_us in all.
 * @return PND_OK; PND_E_TIMEOUT nobody gave one; what the nic returned */
int box_dhcp(const struct pnd_nic *nic, uint64_t budget_us, struct box_lease *ret);

/* Asks who has @p ip, again and again, for @p budget_us in all.
 * @return PND_OK; PND_E_TIMEOUT nobody answered; what the nic returned */
int box_arp(const struct pnd_nic *nic, uint32_t own_ip, uint32_t ip, uint64_t budget_us,
            uint8_t ret_mac[6]);

#endif
