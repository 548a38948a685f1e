/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From a route's device down to an Ethernet port: see port.h. */
#include "arm/port.h"

#include <linux/if_bonding.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "arm/port_kind.h"

enum {
    DEPTH_MAX = 16, /* the kernel stacks no more than 8 */
    NAME_CAP = PND_NETDEV_TEXT_CAP,
    LIST_CAP = 160,
};

/* The way down: where it is, and how it came there. */
struct descent {
    const struct pnd_netdevs *all;
    const struct pnd_port_wish *wish;
    const struct pnd_netdev *from, *at;
    struct pnd_port *ret;
    struct pnd_why *why;
};

static const char *printable(char dst[NAME_CAP], const struct pnd_netdev *dev)
{
    return pnd_netdev_text(dst, dev->name);
}

void pnd_route_note(char note[PND_ROUTE_NOTE_CAP], const char *fmt, ...)
{
    size_t len = strlen(note);
    size_t room = PND_ROUTE_NOTE_CAP - len;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = snprintf(note + len, room, len ? "; " : "%s", "");
    if (n >= 0 && (size_t)n < room) {
        int m = vsnprintf(note + len + n, room - (size_t)n, fmt, ap);

        if (m < 0 || (size_t)m >= room - (size_t)n)
            note[len] = '\0';
    }
    va_end(ap);
}

static bool is_kind(const struct pnd_netdev *dev, const char *kind)
{
    return strcmp(dev->kind, kind) == 0;
}

static bool has_ports(const struct pnd_netdev *dev)
{
    return is_kind(dev, "bond") || is_kind(dev, "team") || is_kind(dev, "bridge");
}

static bool shares_port(const struct pnd_netdev *dev)
{
    return is_kind(dev, "macvlan") || is_kind(dev, "macvtap") || is_kind(dev, "ipvlan");
}

const struct pnd_netdev *pnd_port_owner(const struct pnd_netdevs *all,
                                        const struct pnd_netdev *named)
{
    for (int depth = 0; depth < DEPTH_MAX; depth++) {
        const struct pnd_netdev *master = pnd_netdev_at(all, named->master);

        if (!master || !has_ports(master)) /* a VRF has members, but they keep their addresses */
            break;
        named = master;
    }
    return named;
}

/* Is @p dev, or a master of it, a port of @p master? @return that port; NULL: no */
static const struct pnd_netdev *port_towards(const struct pnd_netdevs *all,
                                             const struct pnd_netdev *master,
                                             const struct pnd_netdev *dev)
{
    for (int depth = 0; dev && depth < DEPTH_MAX; depth++) {
        if (dev->master == master->index)
            return dev;
        dev = pnd_netdev_at(all, dev->master);
    }
    return NULL;
}

/* Could it end at a real port? Of what is stacked, only the end tells. */
static bool may_be_real(const struct descent *d, const struct pnd_netdev *dev)
{
    return has_ports(dev) || (is_kind(dev, "vlan") && !dev->lower_elsewhere) ||
           pnd_port_kind(d->wish->root, dev) == PND_PORT_WIRED;
}

/* "eth0, eth1": the ports of @p master that may be real; all real ones, when it is NULL. */
static size_t list_real(const struct descent *d, const struct pnd_netdev *master,
                        char ret[LIST_CAP], const struct pnd_netdev **ret_first)
{
    char name[NAME_CAP];
    size_t count = 0, len = 0;

    ret[0] = '\0';
    *ret_first = NULL;
    for (size_t i = 0; i < d->all->count; i++) {
        const struct pnd_netdev *dev = &d->all->list[i];

        if (master ? dev->master != master->index || !may_be_real(d, dev)
                   : pnd_port_kind(d->wish->root, dev) != PND_PORT_WIRED)
            continue;
        if (!*ret_first || (dev->link && !(*ret_first)->link))
            *ret_first = dev;
        if (len < LIST_CAP - NAME_CAP - 8)
            len += (size_t)snprintf(ret + len, LIST_CAP - len, "%s%s", count ? ", " : "",
                                    printable(name, dev));
        else if (ret[len - 1] != '.')
            len += (size_t)snprintf(ret + len, LIST_CAP - len, ", ...");
        count++;
    }
    return count;
}

__attribute__((format(printf, 2, 3))) static int refuse(const struct descent *d, const char *fmt,
                                                        ...)
{
    const struct pnd_netdev *first;
    char reason[320], list[LIST_CAP], name[NAME_CAP];
    size_t count = list_real(d, NULL, list, &first);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(reason, sizeof(reason), fmt, ap);
    va_end(ap);
    if (count == 0)
        return pnd_why(d->why, PND_E_LINK, 0, "%s (this machine has no wired Ethernet port)",
                       reason);
    if (count == 1 && first == d->at)
        return pnd_why(d->why, PND_E_LINK, 0, "%s", reason);
    return pnd_why(d->why, PND_E_LINK, 0,
                   "%s; if the server can be reached over %s: --interface %s", reason, list,
                   printable(name, first));
}

static int go_below(struct descent *d)
{
    const struct pnd_netdev *below = pnd_netdev_at(d->all, d->at->lower);
    char name[NAME_CAP];

    printable(name, d->at);
    if (d->at->lower_elsewhere || !below)
        return refuse(d,
                      "%s is stacked on a port of another network namespace: arm the machine "
                      "outside of the container",
                      name);
    d->at = below;
    return PND_OK;
}

static int go_through_vlan(struct descent *d)
{
    char name[NAME_CAP], from[NAME_CAP];

    printable(name, d->at);
    printable(from, d->from);
    if (d->at->service_tag)
        return refuse(d, "%s has a tag of 802.1ad, and the crash kernel sends those of 802.1Q only",
                      name);
    if (d->ret->vlan)
        return refuse(d, "%s is a VLAN on another one, %s, and the crash kernel sends one tag only",
                      from, name);
    d->ret->vlan = d->at->vlan;
    return go_below(d);
}

static bool one_is_active(const struct pnd_netdev *bond)
{
    return is_kind(bond, "bond") &&
           (bond->bond_mode == BOND_MODE_ACTIVEBACKUP || bond->bond_mode == BOND_MODE_TLB ||
            bond->bond_mode == BOND_MODE_ALB);
}

/* The bond ends with this kernel; what the switch does then depends on how it was made. */
static void note_bond(struct descent *d, const struct pnd_netdev *bond,
                      const struct pnd_netdev *port, bool chosen)
{
    char name[NAME_CAP], bond_name[NAME_CAP];

    printable(name, port);
    printable(bond_name, bond);
    if (one_is_active(bond))
        pnd_route_note(d->ret->note, "%s of %s, %s", name, bond_name,
                       port->index == bond->bond_active ? "the active one"
                       : chosen                         ? "as chosen, not the active one"
                                                        : "of which none is active now");
    else if (is_kind(bond, "bond") && bond->bond_mode == BOND_MODE_8023AD)
        pnd_route_note(
            d->ret->note,
            "%s of %s (LACP): the crash kernel speaks no LACP, so the switch must take "
            "frames from a single port (\"LACP fallback\", \"no lacp suspend-individual\")",
            name, bond_name);
    else
        pnd_route_note(d->ret->note,
                       "%s of %s: the switch must send to this one port when the others are down",
                       name, bond_name);
}

static int go_into_bond(struct descent *d, const struct pnd_netdev *chosen)
{
    const struct pnd_netdev *bond = d->at, *port = chosen;
    char name[NAME_CAP];

    if (!port && one_is_active(bond))
        port = pnd_netdev_at(d->all, bond->bond_active);
    for (size_t i = 0; i < d->all->count && !(port && (port->link || chosen)); i++) {
        const struct pnd_netdev *dev = &d->all->list[i];

        if (dev->master == bond->index && (dev->link || !port))
            port = dev;
    }
    if (!port)
        return refuse(d, "%s has no port", printable(name, bond));
    if (!port->link && !chosen)
        return refuse(d, "no port of %s has a link", printable(name, bond));
    note_bond(d, bond, port, chosen != NULL);
    d->at = port;
    return PND_OK;
}

static int go_into_bridge(struct descent *d, const struct pnd_netdev *chosen)
{
    const struct pnd_netdev *bridge = d->at, *port = chosen;
    char name[NAME_CAP], port_name[NAME_CAP], list[LIST_CAP];

    printable(name, bridge);
    if (!port) {
        size_t count = list_real(d, bridge, list, &port);

        if (count == 0)
            return refuse(d, "%s is a bridge without a wired port", name);
        if (count > 1)
            return pnd_why(d->why, PND_E_LINK, 0,
                           "%s is a bridge with several ports (%s), and the crash kernel uses one: "
                           "say which with --interface, such as --interface %s",
                           name, list, printable(port_name, port));
    }
    pnd_route_note(d->ret->note, "%s of bridge %s", printable(port_name, port), name);
    d->at = port;
    return PND_OK;
}

static int step_down(struct descent *d)
{
    const struct pnd_netdev *chosen =
        d->wish->chosen ? port_towards(d->all, d->at, pnd_netdev_at(d->all, d->wish->chosen))
                        : NULL;

    if (is_kind(d->at, "vlan"))
        return go_through_vlan(d);
    if (is_kind(d->at, "bridge"))
        return go_into_bridge(d, chosen);
    if (has_ports(d->at))
        return go_into_bond(d, chosen);
    return go_below(d); /* shares_port(), and forced */
}

/* What is left is no stack any more. */
static int judge_end(struct descent *d)
{
    enum pnd_port_kind kind = pnd_port_kind(d->wish->root, d->at);
    char name[NAME_CAP], of[NAME_CAP + 8] = "";

    printable(name, d->at);
    if (d->at != d->from) {
        char from[NAME_CAP];

        snprintf(of, sizeof(of), ", under %s,", printable(from, d->from));
    }
    if (kind == PND_PORT_FOREIGN)
        return refuse(d, "%s%s %s", name, of, pnd_port_reason(kind, d->at));
    if (kind != PND_PORT_WIRED && !d->wish->force)
        return refuse(d, "%s%s %s; --force tries it all the same", name, of,
                      pnd_port_reason(kind, d->at));
    if (kind != PND_PORT_WIRED)
        pnd_route_note(d->ret->note, "forced: %s %s", name, pnd_port_reason(kind, d->at));
    else if (!d->at->link)
        pnd_route_note(d->ret->note, "%s has no link now", name);
    pnd_port_driver(d->wish->root, d->at, d->ret->driver, sizeof(d->ret->driver));
    d->ret->device = d->at;
    return PND_OK;
}

int pnd_port_find(const struct pnd_netdevs *all, const struct pnd_netdev *from,
                  const struct pnd_port_wish *wish, struct pnd_port *ret, struct pnd_why *why)
{
    struct pnd_port port = {.vlan = 0};
    struct descent d = {
        .all = all, .wish = wish, .from = from, .at = from, .ret = &port, .why = why};
    int err = PND_OK;

    for (int depth = 0; !err; depth++) {
        bool stacked = is_kind(d.at, "vlan") || has_ports(d.at) ||
                       (wish->force && shares_port(d.at) && d.at->lower);

        if (!stacked)
            break;
        if (depth == DEPTH_MAX)
            return refuse(&d, "devices are stacked too deep");
        if (shares_port(d.at))
            pnd_route_note(port.note, "forced: %s", pnd_port_reason(PND_PORT_VIRTUAL, d.at));
        err = step_down(&d);
    }
    if (!err)
        err = judge_end(&d);
    if (!err)
        *ret = port;
    return err;
}
