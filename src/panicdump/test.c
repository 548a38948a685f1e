/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicdump test: a small dump, marked as a test, over the very path that a real one takes. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "arm/netdev.h"
#include "arm/route.h"
#include "capture/packet.h"
#include "host/clock.h"
#include "panicdump/panicdump.h"
#include "panicdump/sender.h"
#include "sender/test_dump.h"
#include "wire/kdp.h"

struct test {
    const char *server_text, *interface;
    struct pnd_route route;
    struct pnd_sender sender;
    struct pnd_packet packet;
    struct pnd_nic nic;
    struct pnd_stack stack;
    struct pnd_test_dump dump;
};

static struct test test_state;

static const char usage[] =
    "usage: panicdump test --server ADDRESS[:PORT] [--port N] [--interface NAME]\n";

static int parse_options(int argc, char **argv, struct test *t)
{
    static const struct option longs[] = {{"server", required_argument, NULL, 's'},
                                          {"port", required_argument, NULL, 'p'},
                                          {"interface", required_argument, NULL, 'i'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct pnd_why why;
    int c;

    t->sender.server.port = PND_KDP_PORT;
    while ((c = getopt_long(argc, argv, "s:p:i:h", longs, NULL)) != -1) {
        switch (c) {
        case 's':
            t->server_text = optarg;
            break;
        case 'p':
            if (pnd_port_parse(optarg, &t->sender.server.port, &why))
                return pnd_complain(PND_EXIT_CANNOT, "--port: %s", why.text);
            break;
        case 'i':
            t->interface = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            return -1;
        default:
            fputs(usage, stderr);
            return PND_EXIT_CANNOT;
        }
    }
    if (optind != argc || !t->server_text) {
        fputs(usage, stderr);
        return pnd_complain(PND_EXIT_CANNOT, "say --server ADDRESS of the machine where panicd "
                                             "runs, and nothing else");
    }
    if (pnd_endpoint_parse(t->server_text, &t->sender.server, &why))
        return pnd_complain(PND_EXIT_CANNOT, "%s", why.text);
    return PND_EXIT_OK;
}

/* The path of a crash kernel: frames of our own on the port, with ARP and the tag of our own. What
 * this kernel stacks on the port is gone around. */
static int open_interface(struct test *t)
{
    struct pnd_stack_config config = {.server_ip = t->sender.server.ip};
    struct pnd_why why;
    int err = pnd_route_find(config.server_ip, t->interface, true, &t->route, &why);

    if (err)
        return pnd_complain(err == PND_E_NOROUTE ? PND_EXIT_NO : PND_EXIT_CANNOT, "%s", why.text);
    config.own_ip = t->route.own_ip;
    config.router_ip = t->route.router_ip;
    memcpy(config.gateway_mac, t->route.via, sizeof(config.gateway_mac));
    err = pnd_packet_open(&t->packet, t->route.port, &t->nic, &why);
    if (!err)
        err = pnd_packet_set_vlan(&t->packet, t->route.vlan, &why);
    if (!err)
        err = pnd_packet_hold_port(&t->packet, config.own_ip, &config.own_port, &why);
    if (err)
        return pnd_complain(PND_EXIT_CANNOT, "%s", why.text);
    if (t->route.mtu < t->nic.mtu)
        t->nic.mtu = t->route.mtu;
    err = pnd_stack_open(&t->stack, &t->nic, &config, &t->sender.link);
    if (err) {
        struct pnd_failure failure = {.err = err, .server = t->sender.server};
        char text[PND_FAILURE_CAP], name[PND_NETDEV_TEXT_CAP];

        return pnd_complain(pnd_failure_exit(&failure), "%s: %s",
                            pnd_netdev_text(name, t->route.port), pnd_failure_text(text, &failure));
    }
    return PND_EXIT_OK;
}

static void print_frames(const struct test *t)
{
    static const char *const who[] = {
        [PND_ROUTE_SERVER] = "the server (or a proxy)",
        [PND_ROUTE_ROUTER] = "the router",
        [PND_ROUTE_GATEWAY] = "the gateway",
    };
    char name[PND_NETDEV_TEXT_CAP];
    uint8_t m[6];
    enum pnd_stack_route route = pnd_stack_route(&t->stack, m);

    printf(", on %s by way of %s at %02x:%02x:%02x:%02x:%02x:%02x",
           pnd_netdev_text(name, t->route.port), who[route], m[0], m[1], m[2], m[3], m[4], m[5]);
    if (t->route.vlan)
        printf(", VLAN %u", t->route.vlan);
}

/* The socket's way: the kernel chose it, and can say so now that the neighbour is known. */
static void print_chosen(struct test *t)
{
    char name[PND_NETDEV_TEXT_CAP], ip[PND_ADDRESS_CAP];

    if (pnd_route_find(t->sender.server.ip, NULL, true, &t->route, NULL))
        return; /* such as a server on this machine: the dump has arrived all the same */
    printf(", over %s", pnd_netdev_text(name, t->route.interface));
    if (t->route.router_ip)
        printf(" by way of the router %s", pnd_address_format(ip, t->route.router_ip));
}

static int run(struct test *t)
{
    uint64_t start_us = pnd_clock_us(), us;
    struct pnd_client_stats stats;
    char ip[PND_ADDRESS_CAP];
    int err = pnd_test_dump_send(&t->dump, &t->sender.link, t->sender.server, &t->sender.client);

    if (err)
        return pnd_sender_failed(&t->sender, err);
    us = pnd_clock_us() - start_us;
    pnd_client_stats(&t->sender.client, &stats);
    printf("ok: %s:%u holds %s, %" PRIu64 " bytes in %.1f ms%s, round trip %.2f ms",
           pnd_address_format(ip, t->sender.server.ip), t->sender.server.port, t->dump.name,
           stats.bytes, (double)us / 1000, pnd_test_dump_manner(&t->sender.client),
           (double)stats.rtt_us / 1000);
    if (stats.retransmissions)
        printf(", %" PRIu64 " retransmissions", stats.retransmissions);
    if (t->interface)
        print_frames(t);
    else
        print_chosen(t);
    putchar('\n');
    if (t->interface && t->route.note[0])
        printf("note: %s\n", t->route.note);
    return PND_EXIT_OK;
}

int pnd_verb_test(int argc, char **argv)
{
    struct test *t = &test_state;
    struct pnd_why why;
    int status = parse_options(argc, argv, t);

    if (status)
        return status < 0 ? PND_EXIT_OK : status;
    pnd_stop_init();
    pnd_test_dump_init(&t->dump, "panicdump test");
    t->packet.fd = t->packet.port_fd = t->sender.udp.fd = -1;
    if (t->interface)
        status = open_interface(t);
    else if (pnd_udp_open(&t->sender.udp, PND_TEST_REFUSED_MAX, &t->sender.link, &why))
        status = pnd_complain(PND_EXIT_CANNOT, "%s", why.text);
    if (!status)
        status = run(t);
    pnd_udp_close(&t->sender.udp);
    pnd_packet_close(&t->packet);
    return status;
}
