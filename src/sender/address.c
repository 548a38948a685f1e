/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where a dump goes to, and who says so: see address.h. */
#include "sender/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/text.h"

enum { HOST_CAP = 256 }; /* a name of DNS has 253 bytes at most */

static int parse_numeric(const char *text, uint32_t *ret)
{
    struct in_addr addr;

    if (inet_pton(AF_INET, text, &addr) != 1 || addr.s_addr == htonl(INADDR_ANY))
        return PND_E_ARG;
    *ret = ntohl(addr.s_addr);
    return PND_OK;
}

int pnd_address_parse(const char *text, uint32_t *ret, struct pnd_why *why)
{
    if (parse_numeric(text, ret) == PND_OK)
        return PND_OK;
#ifdef PND_NUMERIC_ONLY
    return pnd_why(
        why, PND_E_ARG, 0,
        "\"%s\" is not an IPv4 address like 10.0.40.2 (this static panicdump resolves no "
        "names)",
        text);
#else
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_DGRAM}, *list = NULL;
    struct sockaddr_in sin;
    int err = getaddrinfo(text, NULL, &hints, &list);

    if (err)
        return pnd_why(why, PND_E_ARG, 0, "no IPv4 address for the server \"%s\": %s", text,
                       gai_strerror(err));
    memcpy(&sin, list->ai_addr, sizeof(sin));
    freeaddrinfo(list);
    if (sin.sin_addr.s_addr == htonl(INADDR_ANY))
        return pnd_why(why, PND_E_ARG, 0, "\"%s\" is not an address a dump can be sent to", text);
    *ret = ntohl(sin.sin_addr.s_addr);
    return PND_OK;
#endif
}

const char *pnd_address_format(char dst[PND_ADDRESS_CAP], uint32_t ip)
{
    snprintf(dst, PND_ADDRESS_CAP, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 0xff, ip >> 8 & 0xff,
             ip & 0xff);
    return dst;
}

int pnd_port_parse(const char *text, uint16_t *ret, struct pnd_why *why)
{
    uint64_t port = 0;

    if (pnd_text_parse_uint(text, &port) != PND_OK || port == 0 || port > UINT16_MAX)
        return pnd_why(why, PND_E_ARG, 0, "\"%s\" is not a port from 1 to 65535", text);
    *ret = (uint16_t)port;
    return PND_OK;
}

int pnd_endpoint_parse(const char *text, struct pnd_endpoint *ret, struct pnd_why *why)
{
    struct pnd_endpoint at = *ret;
    const char *colon = strrchr(text, ':');
    char host[HOST_CAP];
    int err;

    if (snprintf(host, sizeof(host), "%.*s", (int)(colon ? colon - text : (ptrdiff_t)strlen(text)),
                 text) >= (int)sizeof(host))
        return pnd_why(why, PND_E_ARG, 0, "the name of the server is too long");
    if (colon && pnd_port_parse(colon + 1, &at.port, why))
        return pnd_why_add(why, PND_E_ARG, "%s", text);
    err = pnd_address_parse(host, &at.ip, why);
    if (err)
        return err;
    *ret = at;
    return PND_OK;
}

const char *pnd_hostname(char *dst, size_t cap)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-";

    if (gethostname(dst, cap) < 0)
        dst[0] = '\0';
    dst[cap - 1] = '\0';
    for (size_t i = 0; dst[i]; i++)
        if (!strchr(safe, dst[i]))
            dst[i] = '_';
    if (!dst[0])
        memcpy(dst, "host", 5);
    return dst;
}
