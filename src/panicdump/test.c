/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicdump test: a small dump, marked as a test, over the very path that a real one takes. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "host/clock.h"
#include "capture/netif.h"
#include "panicdump/panicdump.h"
#include "capture/packet.h"
#include "panicdump/sender.h"
#include "sender/test_dump.h"
#include "wire/kdp.h"

struct test {
    const char *server_text, *interface;
    struct pnd_sender sender;
    struct pnd_packet packet;
    struct pnd_nic nic;
    struct pnd_stack stack;
    struct pnd_test_dump dump;
};

static struct test test_state;

static const char usage[] =
    "usage: panicdump test --server ADDRESS [--port N] [--interface NAME]\n";

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
    if (pnd_address_parse(t->server_text, &t->sender.server.ip, &why))
        return pnd_complain(PND_EXIT_CANNOT, "%s", why.text);
    return PND_EXIT_OK;
}

/* The path of a crash kernel: frames of our own, with ARP of our own. */
static int open_interface(struct test *t)
{
    struct pnd_stack_config config = {.server_ip = t->sender.server.ip};
    struct pnd_why why;
    int err = pnd_netif_address(t->interface, &config.own_ip, &why);

    if (!err)
        err = pnd_packet_open(&t->packet, t->interface, &t->nic, &why);
    if (!err)
        err = pnd_packet_hold_port(&t->packet, config.own_ip, &config.own_port, &why);
    if (err)
        return pnd_complain(PND_EXIT_CANNOT, "%s", why.text);
    config.router_ip = pnd_netif_router(t->interface);
    err = pnd_stack_open(&t->stack, &t->nic, &config, &t->sender.link);
    if (err) {
        struct pnd_failure failure = {.err = err, .server = t->sender.server};
        char text[PND_FAILURE_CAP];

        return pnd_complain(pnd_failure_exit(&failure), "%s: %s", t->interface,
                            pnd_failure_text(text, &failure));
    }
    return PND_EXIT_OK;
}

static void print_route(const struct test *t)
{
    static const char *const who[] = {
        [PND_ROUTE_SERVER] = "the server (or a proxy)",
        [PND_ROUTE_ROUTER] = "the router",
        [PND_ROUTE_GATEWAY] = "the gateway",
    };
    uint8_t m[6];
    enum pnd_stack_route route = pnd_stack_route(&t->stack, m);

    printf(", on %s by way of %s at %02x:%02x:%02x:%02x:%02x:%02x", t->interface, who[route], m[0],
           m[1], m[2], m[3], m[4], m[5]);
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
    printf("ok: %s:%u holds %s, %" PRIu64 " bytes in %.1f ms, round trip %.2f ms",
           pnd_address_format(ip, t->sender.server.ip), t->sender.server.port, t->dump.name,
           stats.bytes, (double)us / 1000, (double)stats.rtt_us / 1000);
    if (stats.retransmissions)
        printf(", %" PRIu64 " retransmissions", stats.retransmissions);
    if (t->interface)
        print_route(t);
    putchar('\n');
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
