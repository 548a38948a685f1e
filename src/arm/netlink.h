/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Questions to the kernel about its network, by rtnetlink: needs no privilege, changes nothing.
 * @source rtnetlink(7), netlink(7) */
#ifndef PND_ARM_NETLINK_H
#define PND_ARM_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/why.h"

enum {
    PND_NETLINK_BODY_MAX = 256,     /* bytes of a question behind its header */
    PND_NETLINK_DATAGRAM = 1 << 16, /* bytes of an answer; the kernel's are at most half of it */
};

struct pnd_netlink {
    int fd;
    uint32_t sequence;
    uint8_t buf[PND_NETLINK_DATAGRAM];
};

/* An attribute of an answer; data NULL: it is not there. */
struct pnd_netlink_attr {
    const uint8_t *data;
    size_t len;
};

/* Each message of the answer, behind its header: the struct of its type, and attributes.
 *   @return PND_OK; anything else ends the reading, and pnd_netlink_ask() returns it */
typedef int pnd_netlink_each(void *ctx, uint16_t type, const uint8_t *body, size_t len);

/* @return PND_OK; PND_E_SYS */
int pnd_netlink_open(struct pnd_netlink *netlink, struct pnd_why *why);
void pnd_netlink_close(struct pnd_netlink *netlink);

/* Asks, and hears the whole answer.
 *   @param type  RTM_GETLINK, ...   @param flags  0, or NLM_F_DUMP for all there are
 *   @param body  what stands behind the header, at most PND_NETLINK_BODY_MAX bytes
 *   @return PND_OK; what @p each returned; PND_E_SYS, errno says what the kernel refused with */
int pnd_netlink_ask(struct pnd_netlink *netlink, uint16_t type, uint16_t flags, const void *body,
                    size_t len, pnd_netlink_each *each, void *ctx);

/* The attributes in @p data, those that the caller knows: @p ret[type] for each type below
 * @p count, the others of it not there. What is cut off is not read. */
void pnd_netlink_attrs(const uint8_t *data, size_t len, struct pnd_netlink_attr *ret, size_t count);

/* Its number in the byte order of this machine, or 0 when it is not there or has another size. */
uint32_t pnd_netlink_u32(struct pnd_netlink_attr attr);
uint16_t pnd_netlink_u16(struct pnd_netlink_attr attr);
uint8_t pnd_netlink_u8(struct pnd_netlink_attr attr);

/* Its IPv4 address, in the byte order of this machine; 0: none. */
uint32_t pnd_netlink_ipv4(struct pnd_netlink_attr attr);

/* Its text, cut at @p cap - 1 bytes; "" when it is not there. */
void pnd_netlink_text(struct pnd_netlink_attr attr, char *dst, size_t cap);

/* A hardware address of 6 bytes, else zeros. */
void pnd_netlink_mac(struct pnd_netlink_attr attr, uint8_t ret[6]);

#endif
