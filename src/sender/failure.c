/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Why a dump did not arrive, in a sentence that says what to do. */
#include "sender/failure.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host/text.h"
#include "sender/address.h"
#include "wire/kdp.h"
#include "wire/netdump.h"

static const char *refusal_text(char dst[PND_FAILURE_CAP], const struct pnd_failure *failure,
                                const char *address)
{
    uint32_t code = 0;
    const char *message = pnd_client_refusal(failure->client, &code);
    char escaped[512];

    pnd_text_escape(escaped, sizeof(escaped), message, strlen(message));
    switch (code) {
    case PND_KDP_E_ACCESS:
        snprintf(dst, PND_FAILURE_CAP,
                 "%s refused the dump by its policy: \"%s\" - see panicd's log there, and "
                 "panicd.conf(5)",
                 address, escaped);
        break;
    case PND_KDP_E_NOSPACE:
        snprintf(dst, PND_FAILURE_CAP,
                 "%s has no room for the dump: \"%s\" - free disk space there, or see `panicctl "
                 "status`",
                 address, escaped);
        break;
    case PND_KDP_E_EXISTS:
        snprintf(dst, PND_FAILURE_CAP,
                 "%s already has a dump of this name: \"%s\" - choose another with %s", address,
                 escaped, failure->crash_kernel ? "_panicd_corename=" : "--name");
        break;
    default:
        snprintf(dst, PND_FAILURE_CAP, "%s refused the dump (error %u): \"%s\"", address, code,
                 escaped);
    }
    return dst;
}

static const char *silence_text(char dst[PND_FAILURE_CAP], const struct pnd_failure *failure,
                                const char *address)
{
    struct pnd_client_stats stats = {0};

    if (failure->client)
        pnd_client_stats(failure->client, &stats);
    if (failure->netdump && stats.rtt_us)
        snprintf(dst, PND_FAILURE_CAP,
                 "%s stopped answering after %llu bytes, which is also how netdump says no - does "
                 "panicd's log there tell of its policy, of no room, or of a dump with a hole?",
                 address, (unsigned long long)stats.bytes);
    else if (failure->netdump)
        snprintf(dst, PND_FAILURE_CAP,
                 "no answer from %s - is the machine up, does a server of netdump run there "
                 "(`panicctl status`), and does every firewall on the way let UDP ports %u and %d "
                 "through?",
                 address, failure->server.port, PND_NETDUMP_CLIENT_PORT);
    else if (stats.rtt_us || stats.sent_bytes)
        snprintf(dst, PND_FAILURE_CAP,
                 "%s stopped answering after %llu bytes - is panicd still running there? It has "
                 "kept what arrived, as incomplete",
                 address, (unsigned long long)stats.bytes);
    else
        snprintf(
            dst, PND_FAILURE_CAP,
            "no answer from %s - is the machine up, does panicd run there (`panicctl status`), "
            "and does every firewall on the way let UDP port %u through?",
            address, failure->server.port);
    return dst;
}

static const char *no_route_text(char dst[PND_FAILURE_CAP], const struct pnd_failure *failure,
                                 const char *ip)
{
    if (failure->crash_kernel)
        snprintf(dst, PND_FAILURE_CAP,
                 "no route to %s (no answer to ARP) - check the cable, and on the crash kernel's "
                 "command line kdp_match_name= (this interface?), kdp_ip_addr= (an address of "
                 "this network?) and, when the server is in another network, _router_ip=",
                 ip);
    else
        snprintf(dst, PND_FAILURE_CAP,
                 "no route to %s%s%s - check `ip route get %s`, the cable, and the address", ip,
                 failure->sys_errno ? ": " : " (no answer to ARP)",
                 failure->sys_errno ? strerror(failure->sys_errno) : "", ip);
    return dst;
}

const char *pnd_failure_text(char dst[PND_FAILURE_CAP], const struct pnd_failure *failure)
{
    char ip[PND_ADDRESS_CAP], address[PND_ADDRESS_CAP + 8];

    pnd_address_format(ip, failure->server.ip);
    snprintf(address, sizeof(address), "%s:%u", ip, failure->server.port);
    if (failure->nobody_listens && failure->err != PND_E_REFUSED && failure->err != PND_E_ABORTED) {
        snprintf(dst, PND_FAILURE_CAP,
                 "nothing is listening on UDP port %u at %s: start it there with `panicd`",
                 failure->server.port, ip);
        return dst;
    }
    switch (failure->err) {
    case PND_E_REFUSED:
        return refusal_text(dst, failure, address);
    case PND_E_TIMEOUT:
        return silence_text(dst, failure, address);
    case PND_E_NOROUTE:
        return no_route_text(dst, failure, ip);
    case PND_E_ABORTED:
        snprintf(dst, PND_FAILURE_CAP,
                 failure->netdump ? "interrupted; %s finds out by the silence"
                                  : "interrupted; %s was told",
                 address);
        break;
    default:
        snprintf(dst, PND_FAILURE_CAP, "sending to %s: %s%s%s", address, pnd_err_text(failure->err),
                 failure->sys_errno ? ": " : "",
                 failure->sys_errno ? strerror(failure->sys_errno) : "");
    }
    return dst;
}
