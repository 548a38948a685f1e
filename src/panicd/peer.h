/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Who sent a datagram, and where it came in. IPv4 addresses are kept as IPv4-mapped IPv6 ones,
 * so that there is one form of address in the whole daemon. */
#ifndef PND_PANICD_PEER_H
#define PND_PANICD_PEER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum { PND_PEER_TEXT_CAP = 46 };

struct pnd_addr {
    uint8_t b[16];
};

/* A transfer belongs to (peer, port) of one service; the reply leaves from local by sock. */
struct pnd_origin {
    struct pnd_addr peer;
    struct pnd_addr local; /* where the datagram was sent to; all zero: not known */
    uint16_t port;         /* the peer's, host order */
    uint8_t sock;          /* index of the socket that it came to */
    uint8_t service;       /* enum pnd_service: what listens there */
};

/* Of the same service, too. */
bool pnd_origin_same_peer(const struct pnd_origin *a, const struct pnd_origin *b);

/* "10.0.40.7" or "2001:db8::7" */
void pnd_addr_text(const struct pnd_addr *addr, char ret[PND_PEER_TEXT_CAP]);
void pnd_addr_from_sockaddr(const struct sockaddr_storage *sa, struct pnd_addr *ret,
                            uint16_t *ret_port);

/* @return the length of the address written to @p ret, of @p family's kind */
socklen_t pnd_addr_to_sockaddr(const struct pnd_addr *addr, uint16_t port, int family,
                               struct sockaddr_storage *ret);
bool pnd_addr_is_v4(const struct pnd_addr *addr);

/* "10.0.40.0/24", "fe80::/10", "10.0.0.7". */
struct pnd_cidr {
    struct pnd_addr addr;
    uint8_t bits; /* 0 to 128, of the mapped form */
};

/* @return PND_OK; PND_E_ARG not an address, or a prefix length out of range */
int pnd_cidr_parse(const char *text, struct pnd_cidr *ret);
bool pnd_cidr_has(const struct pnd_cidr *cidr, const struct pnd_addr *addr);

#endif
