/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Would a dump find its way now: see way.h. */
#include "panicdump/way.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "arm/route.h"
#include "capture/packet.h"
#include "panicdump/page.h"
#include "sender/address.h"
#include "sender/probe.h"
#include "sender/udp.h"

enum { ARP_WAIT_US = 150000, REFUSED_MAX = 1 };

struct look {
    const struct pnd_state *state;
    const struct pnd_capture_options *options;
    const struct pnd_capture_server *server;
    struct pnd_way *ret;
    struct pnd_route now;
    struct pnd_packet packet;
    struct pnd_nic nic;
    struct pnd_stack stack;
    struct pnd_udp udp;
    uint16_t own_port;
    uint64_t us; /* until it answered */
};

static struct look look_state; /* too large for the stack */

static const char again[] = "\"panicdump arm\" again puts that right";

__attribute__((format(printf, 2, 3))) static void say(struct look *l, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(l->ret->text, sizeof(l->ret->text), fmt, ap);
    va_end(ap);
}

static bool has_mac(const uint8_t mac[6])
{
    static const uint8_t none[6];

    return memcmp(mac, none, sizeof(none)) != 0;
}

/* ---- the route */

/* @return it is the one that the crash kernel carries */
static bool is_same_route(struct look *l)
{
    char now_ip[PND_ADDRESS_CAP], was_ip[PND_ADDRESS_CAP];
    struct pnd_why why;

    if (pnd_route_find(l->server->at.ip, l->state->interface, true, &l->now, &why))
        say(l, "closed: %s", why.text);
    else if (strcmp(l->now.port, l->state->port) != 0)
        say(l, "it leads through port %s now, and the crash kernel goes through %s: %s",
            l->now.port, l->state->port, again);
    else if (l->now.vlan != l->options->vlan)
        say(l, "it has VLAN %u now (0: none), and the crash kernel %u: %s", l->now.vlan,
            l->options->vlan, again);
    else if (l->now.own_ip != l->options->own_ip)
        say(l, "this machine's address is %s now, and the crash kernel has %s: %s",
            pnd_address_format(now_ip, l->now.own_ip),
            pnd_address_format(was_ip, l->options->own_ip), again);
    else
        return true;
    return false;
}

/* ---- the server, by the frames of the crash kernel */

static int open_port(struct look *l, struct pnd_why *why)
{
    int err = pnd_packet_open(&l->packet, l->state->port, &l->nic, why);

    if (!err)
        err = pnd_packet_set_vlan(&l->packet, l->options->vlan, why);
    return err ? err : pnd_packet_hold_port(&l->packet, l->options->own_ip, &l->own_port, why);
}

/* @param carried  to the MAC that the crash kernel has, unasked; else by ARP */
static int ask_by_frames(struct look *l, bool carried)
{
    struct pnd_stack_config config = {
        .own_ip = l->options->own_ip,
        .own_port = l->own_port,
        .server_ip = l->server->at.ip,
        .router_ip = l->options->router_ip,
        .arp_wait_us = ARP_WAIT_US,
        .link_wait_us = 1,
        .gateway_first = carried,
    };
    struct pnd_link link;
    int err;

    if (carried)
        memcpy(config.gateway_mac, l->server->via, sizeof(config.gateway_mac));
    err = pnd_stack_open(&l->stack, &l->nic, &config, &link);
    return err ? err : pnd_probe(&link, l->server->at, &l->us);
}

/* ---- the same by this kernel's network: also says whether anybody listens */

static int ask_by_socket(struct look *l)
{
    struct pnd_link link;
    int err = pnd_udp_open(&l->udp, REFUSED_MAX, &link, NULL);

    if (!err)
        err = pnd_probe(&link, l->server->at, &l->us);
    pnd_udp_close(&l->udp);
    return err;
}

static void say_silent(struct look *l, int err)
{
    char mac[PND_PAGE_MAC_CAP];

    if (!err)
        say(l, "it answers this kernel, and not the frames of the crash kernel: a firewall, or a "
               "switch that wants another VLAN? \"panicdump test\" tells more");
    else if (err == PND_E_LINK && l->udp.last_errno == ECONNREFUSED)
        say(l, "nobody listens at port %u there: is panicd started?", l->server->at.port);
    else if (!has_mac(l->now.via))
        say(l, "nobody answers ARP at the other end");
    else
        say(l,
            "the next hop, %s, is there, and the server does not answer: is it on, is panicd "
            "started, does a firewall let UDP port %u through? \"panicctl doctor\" there tells",
            pnd_page_mac(mac, l->now.via), l->server->at.port);
}

static void look_by_frames(struct look *l)
{
    bool carried = has_mac(l->server->via);
    char mac[PND_PAGE_MAC_CAP], was[PND_PAGE_MAC_CAP];
    uint8_t via[6];
    struct pnd_why why;
    int err = open_port(l, &why);

    if (err) {
        say(l, "closed: %s", why.text);
        return;
    }
    l->ret->frames = true;
    err = ask_by_frames(l, carried);
    if (err == PND_E_TIMEOUT && carried) {
        carried = false;
        err = ask_by_frames(l, false);
    }
    if (err) {
        say_silent(l, ask_by_socket(l));
        return;
    }
    l->ret->open = true;
    pnd_stack_route(&l->stack, via);
    pnd_page_mac(mac, via);
    if (carried || !has_mac(l->server->via))
        say(l, "open: it answers in %.1f ms, by way of %s", (double)l->us / 1000, mac);
    else
        say(l,
            "open: it answers by way of %s, and the crash kernel carries %s, where nobody does; it "
            "would start some seconds later: %s",
            mac, pnd_page_mac(was, l->server->via), again);
}

static void look_by_socket(struct look *l)
{
    char mac[PND_PAGE_MAC_CAP], was[PND_PAGE_MAC_CAP];
    int err = ask_by_socket(l);

    if (err) {
        say_silent(l, err);
        return;
    }
    l->ret->open = true;
    if (has_mac(l->server->via) && has_mac(l->now.via) &&
        memcmp(l->server->via, l->now.via, sizeof(l->now.via)) != 0)
        say(l, "open: it answers, but the next hop is %s now, and the crash kernel carries %s: %s",
            pnd_page_mac(mac, l->now.via), pnd_page_mac(was, l->server->via), again);
    else
        say(l, "open: it answers in %.1f ms (as root it is asked by the crash kernel's own frames)",
            (double)l->us / 1000);
}

void pnd_way_look(const struct pnd_state *state, const struct pnd_capture_options *options,
                  size_t index, struct pnd_way *ret)
{
    struct look *l = &look_state;

    memset(l, 0, sizeof(*l));
    memset(ret, 0, sizeof(*ret));
    l->state = state;
    l->options = options;
    l->server = &options->servers[index];
    l->ret = ret;
    l->packet.fd = l->packet.port_fd = l->udp.fd = -1;
    if (!is_same_route(l))
        return;
    if (geteuid() == 0)
        look_by_frames(l);
    else
        look_by_socket(l);
    pnd_packet_close(&l->packet);
}
