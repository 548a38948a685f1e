/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicdump test, of what is armed: a small dump by the very frames of the crash kernel, or the
 * real thing. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "arm/arm.h"
#include "capture/packet.h"
#include "host/clock.h"
#include "host/guard.h"
#include "panicdump/page.h"
#include "panicdump/panicdump.h"
#include "sender/failure.h"
#include "sender/test_dump.h"

static const char help[] =
    "usage: panicdump test\n"
    "       panicdump test --crash [--yes-really]\n"
    "       panicdump test --server ADDRESS[:PORT] [--port N] [--interface NAME]\n"
    "\n"
    "Of what is armed: sends each server a small dump, marked as a test, by the port,\n"
    "the address and the next hop that the crash kernel carries. Root only.\n"
    "\n"
    "  --crash            panic this machine, so that all of it is tested; asks twice\n"
    "  --yes-really       does not ask; for scripts\n"
    "\n"
    "With --server nothing needs to be armed:\n"
    "\n"
    "  --server ADDRESS   through a socket; --port N its UDP port (1069)\n"
    "  --interface NAME   a crash kernel's packet path: raw Ethernet (root)\n"
    "\n"
    "Exit status: 0 every server holds the test dump; 1 at least one does not, or\n"
    "nothing is armed; 2 could not.\n";

enum { ANSWER_CAP = 80 };

struct armed {
    struct pnd_state state;
    struct pnd_capture_options options;
    struct pnd_test_dump dump;
    struct pnd_packet packet;
    struct pnd_nic nic;
    struct pnd_stack stack;
    struct pnd_link link;
    struct pnd_client client;
};

static struct armed armed_state; /* too large for the stack */

static int read_armed(struct armed *a)
{
    struct pnd_why why;
    int err;

    if (geteuid() != 0)
        return pnd_complain(PND_EXIT_CANNOT, "this needs root: sudo panicdump test; or say "
                                             "--server ADDRESS");
    err = pnd_state_read("", &a->state, &why);
    if (err == PND_E_NOTFOUND || (!err && !pnd_kernel_loaded("")))
        return pnd_complain(PND_EXIT_NO, "nothing is armed: panicdump arm --server ADDRESS; or "
                                         "test the way to a server: panicdump test --server "
                                         "ADDRESS");
    if (!err && a->state.unfinished)
        return pnd_complain(PND_EXIT_NO, "panicdump arm was cut off in the middle, and which crash "
                                         "kernel is loaded is not known: arm again");
    if (!err)
        err = pnd_capture_options_parse(a->state.options, &a->options, &why);
    return err ? pnd_complain(PND_EXIT_CANNOT, "%s", why.text) : PND_EXIT_OK;
}

/* ---- the small dump */

static bool has_mac(const uint8_t mac[6])
{
    static const uint8_t none[6];

    return memcmp(mac, none, sizeof(none)) != 0;
}

/* @param carried  to the MAC that the crash kernel has, unasked; else by ARP */
static int send_by(struct armed *a, const struct pnd_capture_server *server, bool carried,
                   uint16_t own_port)
{
    struct pnd_stack_config config = {
        .own_ip = a->options.own_ip,
        .own_port = own_port,
        .server_ip = server->at.ip,
        .router_ip = a->options.router_ip,
        .gateway_first = carried,
    };
    int err;

    memcpy(config.gateway_mac, server->via, sizeof(config.gateway_mac));
    err = pnd_stack_open(&a->stack, &a->nic, &config, &a->link);
    return err ? err : pnd_test_dump_send(&a->dump, &a->link, server->at, &a->client);
}

static void print_sent(const struct armed *a, const struct pnd_capture_server *server, bool carried,
                       uint64_t us)
{
    char at[PND_PAGE_SERVER_CAP], mac_text[PND_PAGE_MAC_CAP], tag[24] = "";
    struct pnd_client_stats stats;
    uint8_t mac[6];

    pnd_client_stats(&a->client, &stats);
    pnd_stack_route(&a->stack, mac);
    if (a->options.vlan)
        snprintf(tag, sizeof(tag), " with tag %u", a->options.vlan);
    printf("ok: %s holds %s, %" PRIu64 " bytes in %.1f ms%s, round trip %.2f ms, on %s%s by way of "
           "%s\n",
           pnd_page_server(at, server->at), a->dump.name, stats.bytes, (double)us / 1000,
           pnd_test_dump_manner(&a->client), (double)stats.rtt_us / 1000, a->state.port, tag,
           pnd_page_mac(mac_text, mac));
    if (!carried && has_mac(server->via))
        printf("    The crash kernel carries another next hop, %s, where nobody answers: it would\n"
               "    find this one some seconds later. panicdump arm again puts that right.\n",
               pnd_page_mac(mac_text, server->via));
}

static int test_server(struct armed *a, size_t index)
{
    const struct pnd_capture_server *server = &a->options.servers[index];
    bool carried = has_mac(server->via);
    uint64_t start_us = pnd_clock_us();
    uint16_t own_port = 0;
    struct pnd_why why;
    int err = pnd_packet_open(&a->packet, a->state.port, &a->nic, &why);

    if (!err)
        err = pnd_packet_set_vlan(&a->packet, a->options.vlan, &why);
    if (!err)
        err = pnd_packet_hold_port(&a->packet, a->options.own_ip, &own_port, &why);
    if (err) {
        pnd_packet_close(&a->packet);
        return pnd_complain(PND_EXIT_NO, "%s; panicdump arm again finds the way anew", why.text);
    }
    if (a->options.mtu && a->options.mtu < a->nic.mtu)
        a->nic.mtu = a->options.mtu;
    err = send_by(a, server, carried, own_port);
    if (err == PND_E_TIMEOUT && carried) {
        carried = false;
        err = send_by(a, server, false, own_port);
    }
    pnd_packet_close(&a->packet);
    if (err) {
        struct pnd_failure failure = {.err = err, .server = server->at};
        char text[PND_FAILURE_CAP];

        return pnd_complain(pnd_failure_exit(&failure), "%s", pnd_failure_text(text, &failure));
    }
    print_sent(a, server, carried, pnd_clock_us() - start_us);
    return PND_EXIT_OK;
}

static int test_servers(struct armed *a)
{
    int status = PND_EXIT_OK;

    pnd_stop_init();
    pnd_test_dump_init(&a->dump, "panicdump test");
    for (size_t i = 0; i < a->options.server_count && !pnd_stop_signal(); i++) {
        int one = test_server(a, i);

        if (one > status)
            status = one;
    }
    return status;
}

/* ---- the real thing */

/* @return the line typed is @p wanted */
static bool asked(const char *question, const char *wanted)
{
    char answer[ANSWER_CAP];

    printf("%s", question);
    fflush(stdout);
    if (!fgets(answer, sizeof(answer), stdin))
        return false;
    answer[strcspn(answer, "\n")] = '\0';
    return strcmp(answer, wanted) == 0;
}

static int make_sure(const struct armed *a)
{
    char server[PND_PAGE_SERVER_CAP], host[65], question[160];

    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return pnd_complain(PND_EXIT_CANNOT, "this would panic the machine, and nobody can be "
                                             "asked here: say --yes-really as well");
    pnd_hostname(host, sizeof(host));
    printf("This kernel panics at once. Every program ends as it is, and what was not saved is "
           "lost.\nIts memory goes to %s%s; that takes from seconds to minutes.\n",
           pnd_page_server(server, a->options.servers[0].at),
           a->options.server_count > 1 ? ", or to the next" : "");
    pnd_page_dump(&a->options);
    snprintf(question, sizeof(question), "\nType the name of this machine, %s, to go on: ", host);
    if (!asked(question, host) || !asked("Panic now? Type yes: ", "yes"))
        return pnd_complain(PND_EXIT_CANNOT, "nothing was done");
    return PND_EXIT_OK;
}

static int crash(const struct armed *a, bool really)
{
    int status = really ? PND_EXIT_OK : make_sure(a);

    if (status)
        return status;
    puts("panicdump: panic");
    fflush(NULL);
    sync(); /* a test need not cost a file system its journal */
    if (pnd_rooted_write("", "/proc/sysrq-trigger", "c"))
        return pnd_complain(PND_EXIT_CANNOT,
                            "write /proc/sysrq-trigger: %s (is CONFIG_MAGIC_SYSRQ "
                            "set?)",
                            strerror(errno));
    return pnd_complain(PND_EXIT_CANNOT, "the kernel did not panic");
}

int pnd_verb_test_armed(int argc, char **argv)
{
    static const struct option longs[] = {{"crash", no_argument, NULL, 'c'},
                                          {"yes-really", no_argument, NULL, 'y'},
                                          {"server", required_argument, NULL, 's'},
                                          {"port", required_argument, NULL, 'p'},
                                          {"interface", required_argument, NULL, 'i'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct armed *a = &armed_state;
    bool panics = false, really = false, server = false, wrong = false;
    int option, status;

    while ((option = getopt_long(argc, argv, "s:p:i:h", longs, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            return PND_EXIT_OK;
        }
        panics |= option == 'c';
        really |= option == 'y';
        server |= option == 's';
        wrong |= option == '?' || option == 'p' || option == 'i';
    }
    if (server && !panics && !really) {
        optind = 0; /* from the start, for glibc */
        return pnd_verb_test(argc, argv);
    }
    if (wrong || server || optind != argc || (really && !panics)) {
        fputs(help, stderr);
        return PND_EXIT_CANNOT;
    }
    status = read_armed(a);
    if (status)
        return status;
    return panics ? crash(a, really) : test_servers(a);
}
