/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The interfaces: see netif.h. */
#include "netif.h"

#include <stddef.h>
#include <string.h>

#include "console.h"
#include "devices.h"
#include "dhcp.h"
#include "memory.h"
#include "nic.h"
#include "pci.h"
#include "text.h"

enum {
    DHCP_US = 2000000,
    LINK_POLL_US = 1000,
    ROUTER_US = 1500000, /* longer than QEMU's e1000 is deaf after its start */
    MAC_DIGITS = 12,
};

/* Copied into struct pnd_panic at boot; the address and the router's MAC are all that changes. */
static struct box_netif netifs[BOX_NETIF_CAP];
static unsigned netif_count;
static struct box_netif serial_netif = {.name = "serial"};

static const char *const kind_names[] = {
    [BOX_BUILT_IN] = "built-in",
    [BOX_THUNDERBOLT] = "Thunderbolt",
    [BOX_USB] = "USB",
    [BOX_WIRELESS] = "wireless",
};

static const char *const kind_properties[] = {
    [BOX_BUILT_IN] = "built-in",
    [BOX_THUNDERBOLT] = "thunderbolt",
    [BOX_USB] = "usb",
    [BOX_WIRELESS] = "wireless",
};

enum { KIND_COUNT = sizeof(kind_names) / sizeof(kind_names[0]), PROPERTY_CAP = 32 };

static void append(char *ret, size_t cap, const char *text)
{
    size_t at = 0;

    while (at < cap && ret[at])
        at++;
    for (; at + 1 < cap && *text; at++, text++)
        ret[at] = *text;
    if (at < cap)
        ret[at] = '\0';
}

/* What is behind a bridge was plugged in - unless whoever starts QEMU says otherwise. */
static enum box_netif_kind kind_of(const struct box_pci *pci, const char *name)
{
    enum box_netif_kind kind = pci->bus == 0 ? BOX_BUILT_IN : BOX_THUNDERBOLT;
    char property[PROPERTY_CAP] = "opt/panicbox/", said[PROPERTY_CAP];

    append(property, sizeof(property), name);
    if (!box_property(property, said, sizeof(said)))
        return kind;
    for (unsigned i = 0; i < KIND_COUNT; i++) {
        if (box_same_text(said, kind_properties[i]))
            return (enum box_netif_kind)i;
    }
    box_printf("panicbox: %s=%s: not a kind of interface; it is built-in, thunderbolt, usb or "
               "wireless\n",
               property, said);
    return kind;
}

static void open_driver(const struct box_pci *pci, struct box_netif *netif)
{
    bool opened = false;

    if ((netif->driver = box_virtio_net_fits(pci)))
        opened = box_virtio_net_open(pci, &netif->nic, &netif->trouble);
    else if ((netif->driver = box_e1000_fits(pci)))
        opened = box_e1000_open(pci, &netif->nic, &netif->trouble);
    netif->polled = opened && (netif->kind == BOX_BUILT_IN || netif->kind == BOX_THUNDERBOLT);
}

static void print_mac(const uint8_t mac[6])
{
    box_printf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static void print_netif(const struct box_netif *netif)
{
    if (!netif->driver) {
        box_printf("panicbox: %s: %s, no driver for PCI device %04x:%04x\n", netif->name,
                   kind_names[netif->kind], netif->pci_vendor, netif->pci_device);
    } else if (netif->trouble) {
        box_printf("panicbox: %s: %s, %s, not usable: %s\n", netif->name, netif->driver,
                   kind_names[netif->kind], netif->trouble);
    } else {
        box_printf("panicbox: %s: %s, %s, ", netif->name, netif->driver, kind_names[netif->kind]);
        print_mac(netif->nic.mac);
        box_printf("\n");
    }
}

unsigned box_netif_init(void)
{
    const struct box_pci *pci;

    for (unsigned i = 0; (pci = box_pci(i)); i++) {
        struct box_netif *netif = &netifs[netif_count];

        if (pci->base_class != BOX_PCI_NETWORK)
            continue;
        if (netif_count == BOX_NETIF_CAP) {
            box_printf("panicbox: more than %u interfaces: the others are not used\n",
                       (unsigned)BOX_NETIF_CAP);
            break;
        }
        *netif = (struct box_netif){
            .name = {'e', 'n', (char)('0' + netif_count)},
            .pci_vendor = pci->vendor,
            .pci_device = pci->device,
        };
        netif->kind = kind_of(pci, netif->name);
        open_driver(pci, netif);
        print_netif(netif);
        netif_count++;
    }
    return netif_count;
}

struct box_netif *box_netif(unsigned index)
{
    return index < netif_count ? &netifs[index] : NULL;
}

/* "Use a built-in or Thunderbolt interface: en0, en2" */
static void print_usable(void)
{
    const char *before = "Use a built-in or Thunderbolt interface: ";

    for (unsigned i = 0; i < netif_count; i++) {
        if (!netifs[i].polled)
            continue;
        box_printf("%s%s", before, netifs[i].name);
        before = ", ";
    }
    if (before[0] == 'U')
        box_printf("This machine has no other that can: give QEMU -device e1000");
    box_printf("\n");
}

/* "There are: en0 (e1000, built-in), ..." */
static void print_all(void)
{
    const char *before = "There are: ";

    for (unsigned i = 0; i < netif_count; i++) {
        box_printf("%s%s (%s, %s)", before, netifs[i].name,
                   netifs[i].driver ? netifs[i].driver : "no driver", kind_names[netifs[i].kind]);
        before = ", ";
    }
    if (netif_count == 0)
        box_printf("This machine has none: give QEMU -device e1000");
    box_printf("\n");
}

/* @param arg, value  the boot-arg that chose @p netif
 * @return it, or NULL when it cannot send in a panic, which is printed */
static struct box_netif *accept(struct box_netif *netif, const char *arg, const char *value)
{
    if (netif->polled)
        return netif;
    box_printf("%s=%s: %s ", arg, value, netif->name);
    if (!netif->driver)
        box_printf("has no driver here (PCI device %04x:%04x; there are drivers for virtio-net, "
                   "e1000 and e1000e). ",
                   netif->pci_vendor, netif->pci_device);
    else if (netif->trouble)
        box_printf("is not usable: %s. ", netif->trouble);
    else
        box_printf("is a %s interface; its driver cannot send in a panic. ",
                   kind_names[netif->kind]);
    print_usable();
    return NULL;
}

/* It is an interface only when it is named: the line may be for something else. */
static struct box_netif *choose_serial(void)
{
    if (!box_serial_nic_open(&serial_netif.nic, &serial_netif.trouble)) {
        box_printf("kdp_match_name=serial: %s\n", serial_netif.trouble);
        return NULL;
    }
    box_printf("panicbox: serial: the second serial line, ");
    print_mac(serial_netif.nic.mac);
    box_printf("\n");
    return &serial_netif;
}

static struct box_netif *choose_by_name(const char *name)
{
    if (box_same_text(name, serial_netif.name))
        return choose_serial();
    for (unsigned i = 0; i < netif_count; i++) {
        if (box_same_text(name, netifs[i].name))
            return accept(&netifs[i], "kdp_match_name", name);
    }
    box_printf("kdp_match_name=%s: there is no such interface. ", name);
    print_all();
    return NULL;
}

/* @return the value of a hexadecimal digit, or -1 */
static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* @source PROTOCOL.md#kdp-2.1: 12 digits without separators, in either case */
static bool read_mac(const char *text, uint8_t ret[6])
{
    for (unsigned i = 0; i < MAC_DIGITS; i++) {
        int v = digit(text[i]);

        if (v < 0)
            return false;
        ret[i / 2] = (uint8_t)(i % 2 ? ret[i / 2] << 4 | v : v);
    }
    return text[MAC_DIGITS] == '\0';
}

static struct box_netif *choose_by_mac(const char *text)
{
    uint8_t mac[6] = {0};

    if (!read_mac(text, mac)) {
        box_printf("kdp_match_mac=%s: not a MAC address: 12 hexadecimal digits without "
                   "separators, as in kdp_match_mac=525400123456\n",
                   text);
        return NULL;
    }
    for (unsigned i = 0; i < netif_count; i++) {
        if (netifs[i].driver && !netifs[i].trouble &&
            memcmp(netifs[i].nic.mac, mac, sizeof(mac)) == 0)
            return accept(&netifs[i], "kdp_match_mac", text);
    }
    box_printf("kdp_match_mac=%s: no interface has this address. ", text);
    print_all();
    return NULL;
}

struct box_netif *box_netif_choose(const struct pnd_bootargs *args)
{
    if (args->has_match_name)
        return choose_by_name(args->match_name);
    if (args->has_match_mac)
        return choose_by_mac(args->match_mac);
    for (unsigned i = 0; i < netif_count; i++) {
        if (netifs[i].polled && netifs[i].kind == BOX_BUILT_IN)
            return &netifs[i];
    }
    box_printf("No built-in interface can send in a panic; another is used only when it is named "
               "with kdp_match_name. ");
    print_all();
    return NULL;
}

static void print_ip(uint32_t ip)
{
    box_printf("%u.%u.%u.%u", ip >> 24, ip >> 16 & 0xff, ip >> 8 & 0xff, ip & 0xff);
}

/* An address that a property of fw_cfg gives. @return 0: none */
static uint32_t property_ip(const char *name)
{
    char text[PROPERTY_CAP];
    uint32_t ip;

    if (!box_property(name, text, sizeof(text)))
        return 0;
    if (pnd_dotted_quad(text, &ip) == PND_OK)
        return ip;
    box_printf("panicbox: %s=%s: not an IPv4 address, ignored\n", name, text);
    return 0;
}

static void lease_address(struct box_netif *netif)
{
    const struct pnd_nic *nic = &netif->nic;
    uint64_t start_us = nic->now_us(nic->ctx), gone_us = 0;
    struct box_lease lease;

    while (!nic->link_up(nic->ctx) && gone_us < DHCP_US)
        gone_us = nic->now_us(nic->ctx) - start_us;
    if (gone_us >= DHCP_US) {
        box_printf("panicbox: %s: the link is down: no DHCP\n", netif->name);
        return;
    }
    if (box_dhcp(nic, DHCP_US - gone_us, &lease)) {
        box_printf("panicbox: %s: no answer to DHCP\n", netif->name);
        return;
    }
    netif->ip = lease.ip;
    netif->netmask = lease.netmask;
    if (lease.router)
        netif->router = lease.router;
    box_kprintf("panicbox: %s: DHCP server %u.%u.%u.%u, after %u ms\n", netif->name,
                lease.server >> 24, lease.server >> 16 & 0xff, lease.server >> 8 & 0xff,
                lease.server & 0xff, (unsigned)((nic->now_us(nic->ctx) - start_us) / 1000));
}

static void print_address(const struct box_netif *netif)
{
    static const uint8_t none[6];

    if (!netif->ip) {
        box_printf("panicbox: %s: no address; give it one with kdp_ip_addr=\n", netif->name);
        return;
    }
    box_printf("panicbox: %s: address ", netif->name);
    print_ip(netif->ip);
    if (netif->router) {
        box_printf(", router ");
        print_ip(netif->router);
        if (memcmp(netif->router_mac, none, sizeof(none)) == 0)
            box_printf(" (no answer to ARP)");
        else {
            box_printf(" (");
            print_mac(netif->router_mac);
            box_printf(")");
        }
    }
    box_printf("\n");
}

static void give_address(struct box_netif *netif, const struct pnd_bootargs *args)
{
    if (args->has_ip_addr) {
        netif->ip = args->own;
        if (!netif->ip)
            box_printf("panicbox: kdp_ip_addr=%s: not an IPv4 address\n", args->ip_addr);
    } else if (netif == &serial_netif) {
        netif->ip = BOX_SERIAL_IP;
    } else {
        netif->ip = property_ip("opt/panicbox/_kdp_ipstr");
        lease_address(netif);
    }
}

void box_netif_configure(struct box_netif *netif, const struct pnd_bootargs *args)
{
    if (netif != &serial_netif)
        netif->router = property_ip("opt/panicbox/router");
    give_address(netif, args);
    if (netif->ip && netif->router &&
        box_arp(&netif->nic, netif->ip, netif->router, ROUTER_US, netif->router_mac))
        memset(netif->router_mac, 0, sizeof(netif->router_mac));
    print_address(netif);
}
