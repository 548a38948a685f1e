/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The line for what is wanted, or why that cannot be had.
 * @source PROTOCOL.md#kdp-2.8, #kdp-4.1 */
#include "advice/wish.h"

#include <stdio.h>
#include <string.h>

#include "host/text.h"

enum {
    XNU_REBOOT_POST_CORE = 1456,
    XNU_LOCAL_CORE = 3247,
    XNU_GZIP = 3789,
    XNU_CURRENT_ORDER = 4570,
    XNU_NMI_REPAIRED = 4903,
};

/* Two wishes that exclude each other, or one that nothing can meet. @return NULL: there is none */
static const char *impossible(const struct pnd_wish *w)
{
    bool current = w->line.xnu >= XNU_CURRENT_ORDER;

    if (!w->network && !w->local)
        return "say where the dump is to go: --network, --local, or both";
    if (!w->on_panic && !w->on_nmi)
        return "say when to dump: --on-panic, --on-nmi, or both";
    if (w->reboot && w->stay)
        return "--reboot and --stay exclude each other: restart after the core, or stay for a "
               "debugger";
    if (w->paniclog && !w->network)
        return "--paniclog needs --network: the panic log is sent, a disk gets only cores";
    if (w->paniclog && !w->on_panic)
        return "--paniclog needs --on-panic: an NMI sends a core, never the panic log";
    if (w->network && w->local && w->reboot && current)
        return "--network --local --reboot cannot be had together: the machine restarts as soon as "
               "the local core is written, and sends nothing; leave out --local or --reboot";
    if (w->paniclog && w->reboot && current)
        return "--paniclog and --reboot exclude each other: only a core is followed by a restart, "
               "a panic log by the wait for a debugger";
    if (w->keys && w->reboot && !w->network && w->line.xnu >= XNU_NMI_REPAIRED)
        return "--keys and --local --reboot exclude each other: the keys work while the machine "
               "waits, and it never does";
    if (w->stay && w->on_nmi && !w->network && w->line.arm64)
        return "--local --on-nmi --stay: without an interface Apple silicon goes on after the "
               "core; "
               "add --network, or --arch x86_64 for an Intel Mac";
    return NULL;
}

/* What this train of xnu has not. */
static const char *not_in_train(const struct pnd_wish *w)
{
    uint32_t xnu = w->line.xnu;

    if (w->local && xnu < XNU_LOCAL_CORE)
        return "--local: there is no local core before macOS 10.11 (xnu 3247)";
    if (w->reboot && xnu < XNU_REBOOT_POST_CORE)
        return "--reboot: no flag restarts the machine before macOS 10.6 (xnu 1456)";
    if (w->no_gzip && xnu < XNU_GZIP)
        return "--no-gzip: there is no flag for it before macOS 10.12 (xnu 3789)";
    if (w->network && w->on_nmi && xnu >= XNU_CURRENT_ORDER && xnu < XNU_NMI_REPAIRED)
        return "--network --on-nmi: macOS 10.13 sends no core on an NMI; leave out --on-nmi";
    return NULL;
}

static bool is_interface(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len <= PND_ADVICE_INTERFACE_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == len &&
           strcmp(name, "serial") != 0;
}

static const char *wrong_operand(const struct pnd_wish *w)
{
    uint32_t address;

    if (!w->network && (w->server || w->interface || w->port))
        return "--server, --interface and --port need --network";
    if (!w->network)
        return NULL;
    if (!w->server)
        return "--network needs the server's address: --server 10.0.40.2";
    if (pnd_dotted_quad(w->server, &address) || address == 0)
        return "--server takes an address, four decimal numbers with dots: --server 10.0.40.2";
    if (!w->interface)
        return "--network needs the interface of the Mac that may panic: --interface en0";
    if (!is_interface(w->interface))
        return "--interface takes the name of a wired interface, as \"ifconfig -l\" lists it on "
               "that Mac: --interface en0";
    return NULL;
}

const char *pnd_wish_wrong(const struct pnd_wish *w)
{
    const char *wrong = impossible(w);

    if (!wrong)
        wrong = not_in_train(w);
    return wrong ? wrong : wrong_operand(w);
}

uint32_t pnd_wish_value(const struct pnd_wish *w)
{
    uint32_t value = 0;

    if (w->network)
        value |= PND_DB_ARP;
    if (w->network && !w->local && w->line.xnu >= XNU_LOCAL_CORE)
        value |= PND_DB_DISABLE_LOCAL_CORE;
    if (w->on_panic && (!w->paniclog || w->local))
        value |= PND_DB_KERN_DUMP_ON_PANIC;
    if (w->paniclog)
        value |= PND_DB_PANICLOG_DUMP;
    if (w->on_nmi)
        value |= PND_DB_KERN_DUMP_ON_NMI | PND_DB_NMI;
    if (w->reboot)
        value |= PND_DB_REBOOT_POST_CORE;
    if (w->reboot && !w->network && w->line.xnu >= XNU_NMI_REPAIRED)
        value |= PND_DB_REBOOT_ALWAYS; /* there is nothing to send, and nothing to wait for */
    if (w->stay)
        value |= PND_DB_NMI | (w->on_nmi ? PND_DB_DBG_POST_CORE : 0);
    if (w->keys)
        value |= PND_DB_KDP_GETC_ENA;
    if (w->no_gzip)
        value |= PND_DB_DISABLE_GZIP_CORE;
    return value;
}

void pnd_wish_line(const struct pnd_wish *w, char *ret, size_t cap)
{
    size_t used = (size_t)snprintf(ret, cap, "debug=0x%x", pnd_wish_value(w));

    if (w->network)
        used += (size_t)snprintf(ret + used, cap - used, " _panicd_ip=%s kdp_match_name=%s",
                                 w->server, w->interface);
    if (w->port)
        used += (size_t)snprintf(ret + used, cap - used, " panicd_port=%u", (unsigned)w->port);
    if (w->on_nmi)
        used += (size_t)snprintf(ret + used, cap - used, " wdt=-1");
    if (w->keepsyms)
        snprintf(ret + used, cap - used, " keepsyms=1");
}

const char *pnd_advice_port(const char *text, uint64_t *ret)
{
    uint64_t port;

    if (pnd_text_parse_uint(text, &port) || port == 0 || port > PND_ADVICE_PORT_MAX)
        return "--port takes a UDP port, 1 to 65535: --port 1069";
    *ret = port;
    return NULL;
}
