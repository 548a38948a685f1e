/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicd/peer.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "panicd/err.h"

static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool pnd_origin_same_peer(const struct pnd_origin *a, const struct pnd_origin *b)
{
    return a->port == b->port && a->service == b->service &&
           memcmp(a->peer.b, b->peer.b, sizeof(a->peer.b)) == 0;
}

bool pnd_addr_is_v4(const struct pnd_addr *addr)
{
    return memcmp(addr->b, v4_prefix, sizeof(v4_prefix)) == 0;
}

void pnd_addr_text(const struct pnd_addr *addr, char ret[PND_PEER_TEXT_CAP])
{
    if (pnd_addr_is_v4(addr))
        inet_ntop(AF_INET, addr->b + 12, ret, PND_PEER_TEXT_CAP);
    else
        inet_ntop(AF_INET6, addr->b, ret, PND_PEER_TEXT_CAP);
}

void pnd_addr_from_sockaddr(const struct sockaddr_storage *sa, struct pnd_addr *ret,
                            uint16_t *ret_port)
{
    if (sa->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)sa;

        memcpy(ret->b, v4_prefix, sizeof(v4_prefix));
        memcpy(ret->b + 12, &in->sin_addr, 4);
        *ret_port = ntohs(in->sin_port);
    } else {
        const struct sockaddr_in6 *in6 = (const void *)sa;

        memcpy(ret->b, &in6->sin6_addr, 16);
        *ret_port = ntohs(in6->sin6_port);
    }
}

socklen_t pnd_addr_to_sockaddr(const struct pnd_addr *addr, uint16_t port, int family,
                               struct sockaddr_storage *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (family == AF_INET) {
        struct sockaddr_in *in = (void *)ret;

        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        memcpy(&in->sin_addr, addr->b + 12, 4);
        return sizeof(*in);
    }
    struct sockaddr_in6 *in6 = (void *)ret;

    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    memcpy(&in6->sin6_addr, addr->b, 16);
    return sizeof(*in6);
}

int pnd_cidr_parse(const char *text, struct pnd_cidr *ret)
{
    struct pnd_cidr out = {.bits = 128};
    char addr[PND_PEER_TEXT_CAP], *end;
    size_t len = strcspn(text, "/");
    unsigned long bits, most;

    if (len >= sizeof(addr))
        return PND_E_ARG;
    memcpy(addr, text, len);
    addr[len] = '\0';
    if (inet_pton(AF_INET, addr, out.addr.b + 12) == 1) {
        memcpy(out.addr.b, v4_prefix, sizeof(v4_prefix));
        most = 32;
    } else if (inet_pton(AF_INET6, addr, out.addr.b) == 1) {
        most = 128;
    } else {
        return PND_E_ARG;
    }
    if (text[len] == '/') {
        bits = strtoul(text + len + 1, &end, 10);
        if (text[len + 1] < '0' || text[len + 1] > '9' || *end || bits > most)
            return PND_E_ARG;
        out.bits = (uint8_t)(128 - most + bits);
    }
    *ret = out;
    return PND_OK;
}

bool pnd_cidr_has(const struct pnd_cidr *cidr, const struct pnd_addr *addr)
{
    unsigned whole = cidr->bits / 8, rest = cidr->bits % 8;

    if (memcmp(cidr->addr.b, addr->b, whole) != 0)
        return false;
    return rest == 0 || (cidr->addr.b[whole] ^ addr->b[whole]) >> (8 - rest) == 0;
}
