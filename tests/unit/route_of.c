/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What pnd_route_find() finds, a line for each field, for tests that make a network first:
 * route-of SERVER [INTERFACE|- [force]]. Exit status 0, or the error without its sign and why. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "arm/route.h"
#include "sender/address.h"

static void print_mac(const char *key, const uint8_t mac[6])
{
    printf("%s=%02x:%02x:%02x:%02x:%02x:%02x\n", key, mac[0], mac[1], mac[2], mac[3], mac[4],
           mac[5]);
}

int main(int argc, char **argv)
{
    const char *interface = argc > 2 && strcmp(argv[2], "-") != 0 ? argv[2] : NULL;
    struct pnd_route route;
    struct pnd_why why = {.text = ""};
    char ip[PND_ADDRESS_CAP];
    uint32_t server;
    int err;

    if (argc < 2 || pnd_address_parse(argv[1], &server, &why))
        return 127;
    err =
        pnd_route_find(server, interface, argc > 3 && strcmp(argv[3], "force") == 0, &route, &why);
    if (err) {
        printf("error=%d\nwhy=%s\n", err, why.text);
        return -err;
    }
    printf("interface=%s\nport=%s\n", route.interface, route.port);
    print_mac("port_mac", route.port_mac);
    printf("driver=%s\nvlan=%u\nmtu=%u\n", route.driver, route.vlan, route.mtu);
    printf("own_ip=%s/%u\n", pnd_address_format(ip, route.own_ip), route.prefix);
    printf("router_ip=%s\n", route.router_ip ? pnd_address_format(ip, route.router_ip) : "");
    print_mac("via", route.via);
    printf("note=%s\n", route.note);
    return 0;
}
