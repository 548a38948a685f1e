/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The way to a dump server: see route.h. */
#include "arm/route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arm/port.h"
#include "arm/route_wake.h"
#include "sender/address.h"

enum {
    MTU_MIN = 576,
    MTU_MAX = 9000,
    LIST_CAP = 160,
};

/* What the kernel said of the way. */
struct way {
    unsigned index; /* of the device that it leads over */
    unsigned type;  /* RTN_UNICAST, ... */
    unsigned table;
    uint32_t source, gateway;
    uint8_t gateway6[16]; /* a router with an IPv6 address only; all 0: none */
    uint32_t mtu;         /* known of the way; 0: nothing */
    bool wrapped;         /* in another protocol */
};

struct search {
    struct pnd_netlink netlink;
    struct pnd_netdevs all;
    const struct pnd_netdev *named, *over;
    struct way way;
    struct pnd_why *why;
    char server[PND_ADDRESS_CAP];
};

static const uint8_t none[16];

static int hear_route(void *ctx, uint16_t type, const uint8_t *body, size_t len)
{
    struct way *way = ctx;
    struct pnd_netlink_attr a[RTA_MAX + 1], metrics[RTAX_MAX + 1], via;
    struct rtmsg route;

    if (type != RTM_NEWROUTE || len < sizeof(route))
        return PND_OK;
    memcpy(&route, body, sizeof(route));
    pnd_netlink_attrs(body + sizeof(route), len - sizeof(route), a, RTA_MAX + 1);
    pnd_netlink_attrs(a[RTA_METRICS].data, a[RTA_METRICS].len, metrics, RTAX_MAX + 1);
    via = a[RTA_VIA];
    way->index = pnd_netlink_u32(a[RTA_OIF]);
    way->type = route.rtm_type;
    way->table = a[RTA_TABLE].data ? pnd_netlink_u32(a[RTA_TABLE]) : route.rtm_table;
    way->source = pnd_netlink_ipv4(a[RTA_PREFSRC]);
    way->gateway = pnd_netlink_ipv4(a[RTA_GATEWAY]);
    way->mtu = pnd_netlink_u32(metrics[RTAX_MTU]);
    way->wrapped = a[RTA_ENCAP].data != NULL;
    if (via.data && via.len == 2 + sizeof(way->gateway6)) /* the family, then the address */
        memcpy(way->gateway6, via.data + 2, sizeof(way->gateway6));
    return PND_OK;
}

/* @param flags  RTM_F_FIB_MATCH: also fails when the kernel would only guess, as it does for a
 *               device without a route */
static int ask_route(struct search *s, uint32_t server_ip, unsigned over, unsigned flags)
{
    struct {
        struct rtmsg route;
        struct rtattr to_head;
        uint32_t to;
        struct rtattr over_head;
        uint32_t over;
    } question = {
        .route = {.rtm_family = AF_INET,
                  .rtm_dst_len = 32,
                  .rtm_flags = RTM_F_LOOKUP_TABLE | flags},
        .to_head = {.rta_len = sizeof(struct rtattr) + 4, .rta_type = RTA_DST},
        .to = htonl(server_ip),
        .over_head = {.rta_len = sizeof(struct rtattr) + 4, .rta_type = RTA_OIF},
        .over = over,
    };
    size_t len = sizeof(question);

    if (!over)
        len -= sizeof(struct rtattr) + 4;
    s->way = (struct way){0};
    return pnd_netlink_ask(&s->netlink, RTM_GETROUTE, 0, &question, len, hear_route, &s->way);
}

static int no_route(struct search *s, int errnum)
{
    const char *over = s->named ? s->named->name : "";
    char name[PND_NETDEV_TEXT_CAP];

    if (errnum != ENETUNREACH && errnum != EHOSTUNREACH && errnum != EACCES && errnum != EINVAL)
        return pnd_why(s->why, PND_E_SYS, errnum, "ask the kernel for the route to %s", s->server);
    pnd_netdev_text(name, over);
    return pnd_why(s->why, PND_E_NOROUTE, 0,
                   "this machine has no route to %s%s%s: see `ip route get %s%s%s`", s->server,
                   over[0] ? " over " : "", name, s->server, over[0] ? " oif " : "", name);
}

static int find_named(struct search *s, const char *interface)
{
    char list[LIST_CAP] = "", name[PND_NETDEV_TEXT_CAP];
    size_t len = 0;

    s->named = pnd_netdev_named(&s->all, interface);
    if (s->named)
        return PND_OK;
    for (size_t i = 0; i < s->all.count && len < LIST_CAP - sizeof(name) - 2; i++)
        len += (size_t)snprintf(list + len, LIST_CAP - len, "%s%s", len ? ", " : "",
                                pnd_netdev_text(name, s->all.list[i].name));
    pnd_netdev_text(name, interface);
    return pnd_why(s->why, PND_E_NOTFOUND, 0, "there is no interface \"%s\"; there is %s", name,
                   list);
}

static int find_way(struct search *s, uint32_t server_ip)
{
    unsigned over = s->named ? pnd_port_owner(&s->all, s->named)->index : 0;
    int err = over ? ask_route(s, server_ip, over, RTM_F_FIB_MATCH) : PND_OK;

    if (!err)
        err = ask_route(s, server_ip, over, 0);
    if (err)
        return no_route(s, errno);
    if (s->way.type == RTN_LOCAL)
        return pnd_why(s->why, PND_E_NOROUTE, 0,
                       "%s is this machine itself, which cannot receive while it is dead",
                       s->server);
    if (s->way.type != RTN_UNICAST)
        return pnd_why(s->why, PND_E_NOROUTE, 0, "%s is not the address of one machine", s->server);
    s->over = pnd_netdev_at(&s->all, s->way.index);
    if (!s->over || !s->way.source)
        return no_route(s, ENETUNREACH);
    if (s->way.wrapped)
        return pnd_why(s->why, PND_E_LINK, 0,
                       "the route to %s wraps packets in another protocol (see `ip route get %s`), "
                       "which the crash kernel does not",
                       s->server, s->server);
    return PND_OK;
}

struct own_network {
    uint32_t ip;
    unsigned index, prefix;
    bool found;
};

static int hear_address(void *ctx, uint16_t type, const uint8_t *body, size_t len)
{
    struct own_network *own = ctx;
    struct pnd_netlink_attr a[IFA_MAX + 1];
    struct ifaddrmsg address;

    if (type != RTM_NEWADDR || len < sizeof(address))
        return PND_OK;
    memcpy(&address, body, sizeof(address));
    pnd_netlink_attrs(body + sizeof(address), len - sizeof(address), a, IFA_MAX + 1);
    /* The same address may stand on several; the one that sends counts. */
    if (pnd_netlink_ipv4(a[IFA_LOCAL]) == own->ip &&
        (!own->found || address.ifa_index == own->index)) {
        own->prefix = address.ifa_prefixlen;
        own->found = true;
    }
    return PND_OK;
}

static int find_prefix(struct search *s, struct pnd_route *route)
{
    struct ifaddrmsg question = {.ifa_family = AF_INET};
    struct own_network own = {.ip = route->own_ip, .index = s->way.index, .prefix = 32};
    int err = pnd_netlink_ask(&s->netlink, RTM_GETADDR, NLM_F_DUMP, &question, sizeof(question),
                              hear_address, &own);

    if (err)
        return pnd_why(s->why, err, errno, "ask the kernel for its addresses");
    route->prefix = own.prefix;
    return PND_OK;
}

struct neighbour {
    unsigned index;
    size_t address_len;
    uint8_t address[16];
    uint8_t ret[6];
};

static int hear_neighbour(void *ctx, uint16_t type, const uint8_t *body, size_t len)
{
    const unsigned known = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT;
    struct neighbour *n = ctx;
    struct pnd_netlink_attr a[NDA_MAX + 1];
    struct ndmsg entry;

    if (type != RTM_NEWNEIGH || len < sizeof(entry))
        return PND_OK;
    memcpy(&entry, body, sizeof(entry));
    pnd_netlink_attrs(body + sizeof(entry), len - sizeof(entry), a, NDA_MAX + 1);
    if ((unsigned)entry.ndm_ifindex == n->index && entry.ndm_state & known && a[NDA_DST].data &&
        a[NDA_DST].len == n->address_len &&
        memcmp(a[NDA_DST].data, n->address, n->address_len) == 0)
        pnd_netlink_mac(a[NDA_LLADDR], n->ret);
    return PND_OK;
}

/* @return PND_OK, also when it is not known: then it is all 0 */
static int find_neighbour(struct search *s, uint32_t server_ip, uint8_t ret[6])
{
    bool by6 = memcmp(s->way.gateway6, none, sizeof(s->way.gateway6)) != 0;
    uint32_t hop = htonl(s->way.gateway ? s->way.gateway : server_ip);
    struct ndmsg question = {.ndm_family = by6 ? AF_INET6 : AF_INET};
    struct neighbour n = {.index = s->way.index, .address_len = by6 ? 16 : sizeof(hop)};
    int err;

    memcpy(n.address, by6 ? (const void *)s->way.gateway6 : &hop, n.address_len);
    err = pnd_netlink_ask(&s->netlink, RTM_GETNEIGH, NLM_F_DUMP, &question, sizeof(question),
                          hear_neighbour, &n);
    if (err)
        return pnd_why(s->why, err, errno, "ask the kernel for its neighbours");
    memcpy(ret, n.ret, sizeof(n.ret));
    return PND_OK;
}

struct waiting {
    struct search *search;
    struct pnd_route *route;
    uint32_t server_ip;
    int err;
};

static bool is_known(void *ctx)
{
    struct waiting *w = ctx;

    w->err = find_neighbour(w->search, w->server_ip, w->route->via);
    return w->err || memcmp(w->route->via, none, sizeof(w->route->via)) != 0;
}

/* The MAC, and what a router says about the size of a packet that it should pass on. */
static int find_next_hop(struct search *s, uint32_t server_ip, struct pnd_route *route)
{
    struct waiting w = {.search = s, .route = route, .server_ip = server_ip};
    bool routed = s->way.gateway || memcmp(s->way.gateway6, none, sizeof(s->way.gateway6)) != 0;
    char hop[PND_ADDRESS_CAP];

    if (is_known(&w) && (w.err || !routed))
        return w.err;
    pnd_route_wake(&(struct pnd_wake){.server_ip = server_ip,
                                      .own_ip = route->own_ip,
                                      .interface = s->named ? s->over->name : NULL,
                                      .routed = routed,
                                      .is_known = is_known,
                                      .ctx = &w},
                   &route->mtu);
    if (w.err || memcmp(route->via, none, sizeof(route->via)) != 0)
        return w.err;
    pnd_route_note(route->note, "%s %s does not answer ARP now",
                   route->router_ip ? "the router" : "the server",
                   pnd_address_format(hop, route->router_ip ? route->router_ip : server_ip));
    return PND_OK;
}

static int limit_mtu(struct search *s, const struct pnd_netdev *port, struct pnd_route *route)
{
    uint32_t mtu = port->mtu < s->over->mtu ? port->mtu : s->over->mtu;
    char name[PND_NETDEV_TEXT_CAP];

    if (s->way.mtu && s->way.mtu < mtu)
        mtu = s->way.mtu;
    if (mtu < MTU_MIN)
        return pnd_why(s->why, PND_E_LINK, 0,
                       "the MTU of the way to %s is %u, and a dump needs %u: `ip link set %s mtu "
                       "1500`",
                       s->server, mtu, MTU_MIN, pnd_netdev_text(name, s->over->name));
    route->mtu = mtu < MTU_MAX ? (uint16_t)mtu : MTU_MAX;
    return PND_OK;
}

static void fill(struct search *s, const struct pnd_port *port, struct pnd_route *route)
{
    const struct pnd_netdev *dev = port->device;
    bool burnt_in = memcmp(dev->burnt_in, none, sizeof(dev->burnt_in)) != 0;
    char name[PND_NETDEV_TEXT_CAP];

    snprintf(route->interface, sizeof(route->interface), "%s", s->over->name);
    snprintf(route->port, sizeof(route->port), "%s", dev->name);
    snprintf(route->driver, sizeof(route->driver), "%s", port->driver);
    snprintf(route->note, sizeof(route->note), "%s", port->note);
    memcpy(route->port_mac, burnt_in ? dev->burnt_in : dev->mac, sizeof(route->port_mac));
    route->vlan = port->vlan;
    route->own_ip = s->way.source;
    route->router_ip = s->way.gateway;
    if (burnt_in && !dev->master && memcmp(dev->burnt_in, dev->mac, sizeof(dev->mac)) != 0)
        pnd_route_note(route->note,
                       "the MAC of %s was changed, and the crash kernel has the one "
                       "that is burnt in",
                       pnd_netdev_text(name, dev->name));
    if (s->way.table != RT_TABLE_MAIN && s->way.table != RT_TABLE_DEFAULT)
        pnd_route_note(route->note, "by a rule of `ip rule`, from table %u", s->way.table);
    if (!s->way.gateway && memcmp(s->way.gateway6, none, sizeof(s->way.gateway6)) != 0)
        pnd_route_note(route->note, "its router has an IPv6 address, so only its MAC is known to "
                                    "the crash kernel");
}

static int search(struct search *s, uint32_t server_ip, const char *interface, bool force,
                  struct pnd_route *route)
{
    struct pnd_port_wish wish = {.root = "", .force = force};
    struct pnd_port port;
    int err = pnd_netdevs_read(&s->netlink, &s->all, s->why);

    if (!err && interface)
        err = find_named(s, interface);
    if (!err)
        err = find_way(s, server_ip);
    wish.chosen = s->named ? s->named->index : 0;
    if (!err)
        err = pnd_port_find(&s->all, s->over, &wish, &port, s->why);
    if (!err)
        err = limit_mtu(s, port.device, route);
    if (err)
        return err;
    fill(s, &port, route);
    err = find_prefix(s, route);
    return err ? err : find_next_hop(s, server_ip, route);
}

int pnd_route_find(uint32_t server_ip, const char *interface, bool force, struct pnd_route *ret,
                   struct pnd_why *why)
{
    struct search *s = calloc(1, sizeof(*s));
    struct pnd_route route = {.vlan = 0};
    int err;

    if (!s)
        return pnd_why(why, PND_E_SYS, errno, "look for the way to the server");
    s->why = why;
    pnd_address_format(s->server, server_ip);
    err = pnd_netlink_open(&s->netlink, why);
    if (!err)
        err = search(s, server_ip, interface, force, &route);
    pnd_netlink_close(&s->netlink);
    pnd_netdevs_free(&s->all);
    free(s);
    if (!err)
        *ret = route;
    return err;
}
