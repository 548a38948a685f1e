/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From a route's device down to an Ethernet port, on machines made of a table of devices and of a
 * /sys of a few files. */
#include "arm/port.h"

#include <errno.h>
#include <limits.h>
#include <linux/if_bonding.h>
#include <net/if_arp.h>
#include <sys/stat.h>

#include "arm/port_kind.h"
#include "tap.h"
#include "tmpdir.h"

enum { DEVICES_MAX = 16 };

static struct pnd_netdev devices[DEVICES_MAX];
static struct pnd_netdevs all = {.list = devices};
static char root[512];
static struct pnd_port port;
static struct pnd_why why;

/* @p below: what it is stacked on; @p master: what it is a port of; 0: nothing */
static unsigned add(const char *name, const char *kind, unsigned below, unsigned master)
{
    struct pnd_netdev *dev = &devices[all.count++];

    *dev = (struct pnd_netdev){.index = (unsigned)all.count,
                               .lower = below,
                               .master = master,
                               .hardware = ARPHRD_ETHER,
                               .link = true,
                               .mtu = 1500};
    snprintf(dev->name, sizeof(dev->name), "%s", name);
    snprintf(dev->kind, sizeof(dev->kind), "%s", kind);
    return dev->index;
}

static struct pnd_netdev *at(unsigned index)
{
    return &devices[index - 1];
}

/* Directories, all that are missing. @p path is below the root */
static void make(const char *path)
{
    char whole[PATH_MAX];
    char *slash;

    snprintf(whole, sizeof(whole), "%s/%s/", root, path);
    for (slash = whole + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        if (mkdir(whole, 0755) < 0 && errno != EEXIST)
            abort();
        *slash = '/';
    }
}

static void make_link(const char *target, const char *path)
{
    char whole[PATH_MAX];

    snprintf(whole, sizeof(whole), "%s/%s", root, path);
    if (symlink(target, whole) < 0 && errno != EEXIST)
        abort();
}

/* A port with a driver, hanging on @p bus. */
static unsigned add_port(const char *name, const char *bus, const char *driver)
{
    char net[256], device[256], link[512], text[1024];

    snprintf(net, sizeof(net), "sys/class/net/%s", name);
    snprintf(device, sizeof(device), "sys/devices/%s/%s", bus, name);
    make(net);
    make(device);
    snprintf(text, sizeof(text), "sys/drivers/%s", driver);
    make(text);
    snprintf(text, sizeof(text), "%s/sys/drivers/%s", root, driver);
    snprintf(link, sizeof(link), "%s/driver", device);
    make_link(text, link);
    snprintf(text, sizeof(text), "../../../devices/%s/%s", bus, name);
    snprintf(link, sizeof(link), "%s/device", net);
    make_link(text, link);
    return add(name, "", 0, 0);
}

static int find(unsigned from, const char *chosen, bool force)
{
    struct pnd_port_wish wish = {.root = root, .force = force};

    if (chosen)
        wish.chosen = pnd_netdev_named(&all, chosen)->index;
    memset(&port, 0, sizeof(port));
    why.text[0] = '\0';
    return pnd_port_find(&all, at(from), &wish, &port, &why);
}

static void begin(void)
{
    all.count = 0;
}

static bool says(const char *text, const char *words)
{
    bool good = strstr(text, words) != NULL;

    if (!good)
        printf("# \"%s\" is not in \"%s\"\n", words, text);
    return good;
}

static void a_port_of_the_machine_is_used_as_it_is(void)
{
    static const struct {
        const char *bus, *driver;
    } wired[] = {{"pci0000:00/0000:00:03.0/virtio0", "virtio_net"},
                 {"pci0000:00/0000:00:1f.6", "e1000e"},
                 {"LNXSYSTM:00/VMBUS:00/0a1b", "hv_netvsc"},
                 {"vif-0", "xen_netfront"},
                 {"pci0000:00/0000:00:05.0", "ena"},
                 {"platform/fd580000.ethernet", "bcmgenet"}};

    for (size_t i = 0; i < sizeof(wired) / sizeof(wired[0]); i++) {
        char name[IFNAMSIZ];
        unsigned eth;

        begin();
        snprintf(name, sizeof(name), "wired%zu", i);
        eth = add_port(name, wired[i].bus, wired[i].driver);
        CHECK_EQ(find(eth, NULL, false), PND_OK);
        CHECK(port.device == at(eth));
        CHECK_STR(port.driver, wired[i].driver);
        CHECK_EQ(port.vlan, 0);
        CHECK_STR(port.note, "");
    }
}

static void a_vlan_is_a_tag_on_its_port(void)
{
    unsigned eth, vlan;

    begin();
    eth = add_port("eth0", "pci0/0", "e1000");
    vlan = add("eth0.40", "vlan", eth, 0);
    at(vlan)->vlan = 40;
    CHECK_EQ(find(vlan, NULL, false), PND_OK);
    CHECK(port.device == at(eth));
    CHECK_EQ(port.vlan, 40);
}

static void two_tags_and_tags_of_providers_are_refused(void)
{
    unsigned eth, outer, inner;

    begin();
    eth = add_port("eth0", "pci0/0", "e1000");
    outer = add("outer", "vlan", eth, 0);
    at(outer)->vlan = 40;
    inner = add("inner", "vlan", outer, 0);
    at(inner)->vlan = 41;
    CHECK_EQ(find(inner, NULL, true), PND_E_LINK);
    CHECK(says(why.text, "inner is a VLAN on another one, outer"));
    at(outer)->service_tag = true;
    CHECK_EQ(find(outer, NULL, true), PND_E_LINK);
    CHECK(says(why.text, "802.1ad"));
    CHECK(says(why.text, "--interface eth0"));
}

static void what_is_stacked_on_another_namespace_is_refused(void)
{
    unsigned vlan;

    begin();
    add_port("eth0", "pci0/0", "e1000");
    vlan = add("in", "vlan", 77, 0);
    at(vlan)->vlan = 5;
    at(vlan)->lower_elsewhere = true;
    CHECK_EQ(find(vlan, NULL, true), PND_E_LINK);
    CHECK(says(why.text, "another network namespace"));
}

static unsigned bond_of_two(uint8_t mode, unsigned ports[2])
{
    unsigned bond;

    begin();
    bond = add("bond0", "bond", 0, 0);
    at(bond)->bond_mode = mode;
    ports[0] = add_port("eth0", "pci0/0", "e1000");
    ports[1] = add_port("eth1", "pci0/1", "e1000e");
    at(ports[0])->master = at(ports[1])->master = bond;
    return bond;
}

static void of_a_bond_the_active_port_is_used(void)
{
    unsigned ports[2], bond = bond_of_two(BOND_MODE_ACTIVEBACKUP, ports);

    at(bond)->bond_active = ports[1];
    CHECK_EQ(find(bond, NULL, false), PND_OK);
    CHECK(port.device == at(ports[1]));
    CHECK_STR(port.driver, "e1000e");
    CHECK_STR(port.note, "eth1 of bond0, the active one");
    CHECK_EQ(find(bond, "eth0", false), PND_OK);
    CHECK(port.device == at(ports[0]));
    CHECK_STR(port.note, "eth0 of bond0, as chosen, not the active one");
}

static void of_a_bond_without_an_active_port_one_with_a_link_is_used(void)
{
    unsigned ports[2], bond = bond_of_two(BOND_MODE_ACTIVEBACKUP, ports);

    at(ports[0])->link = false;
    CHECK_EQ(find(bond, NULL, false), PND_OK);
    CHECK(port.device == at(ports[1]));
    at(ports[1])->link = false;
    CHECK_EQ(find(bond, NULL, false), PND_E_LINK);
    CHECK(says(why.text, "no port of bond0 has a link"));
    CHECK_EQ(find(bond, "eth0", false), PND_OK);
    CHECK(says(port.note, "eth0 has no link now"));
}

static void of_lacp_any_port_with_a_link_is_used_and_the_switch_is_mentioned(void)
{
    unsigned ports[2], bond = bond_of_two(BOND_MODE_8023AD, ports);

    at(ports[0])->link = false;
    CHECK_EQ(find(bond, NULL, false), PND_OK);
    CHECK(port.device == at(ports[1]));
    CHECK(says(port.note, "eth1 of bond0 (LACP)"));
    CHECK(says(port.note, "the switch must take frames from a single port"));
    at(bond)->bond_mode = BOND_MODE_ROUNDROBIN;
    CHECK_EQ(find(bond, NULL, false), PND_OK);
    CHECK(says(port.note, "the switch must send to this one port"));
}

static void a_bond_without_ports_is_refused(void)
{
    unsigned bond;

    begin();
    bond = add("bond0", "bond", 0, 0);
    CHECK_EQ(find(bond, NULL, true), PND_E_LINK);
    CHECK(says(why.text, "bond0 has no port"));
    CHECK(says(why.text, "no wired Ethernet port"));
}

static void a_vlan_on_a_bond_under_a_bridge_is_unwound(void)
{
    unsigned ports[2], bond = bond_of_two(BOND_MODE_ACTIVEBACKUP, ports);
    unsigned bridge = add("br5", "bridge", 0, 0), vlan = add("bond0.5", "vlan", bond, bridge);

    at(bond)->bond_active = ports[0];
    at(vlan)->vlan = 5;
    add("vnet0", "tun", 0, bridge);
    CHECK_EQ(find(bridge, NULL, false), PND_OK);
    CHECK(port.device == at(ports[0]));
    CHECK_EQ(port.vlan, 5);
    CHECK_STR(port.note, "bond0.5 of bridge br5; eth0 of bond0, the active one");
}

static void of_a_bridge_its_only_wired_port_is_used(void)
{
    unsigned bridge, eth;

    begin();
    bridge = add("br0", "bridge", 0, 0);
    add("veth7", "veth", 0, bridge);
    eth = add_port("eth0", "pci0/0", "e1000");
    at(eth)->master = bridge;
    add("tap0", "tun", 0, bridge);
    CHECK_EQ(find(bridge, NULL, false), PND_OK);
    CHECK(port.device == at(eth));
    CHECK_STR(port.note, "eth0 of bridge br0");
}

static void of_a_bridge_with_several_one_must_be_chosen(void)
{
    unsigned bridge, first, second;

    begin();
    bridge = add("br0", "bridge", 0, 0);
    first = add_port("eth0", "pci0/0", "e1000");
    second = add_port("eth1", "pci0/1", "e1000e");
    at(first)->master = at(second)->master = bridge;
    CHECK_EQ(find(bridge, NULL, false), PND_E_LINK);
    CHECK(says(why.text, "several ports (eth0, eth1)"));
    CHECK(says(why.text, "--interface eth0"));
    CHECK_EQ(find(bridge, "eth1", false), PND_OK);
    CHECK(port.device == at(second));
    CHECK(pnd_port_owner(&all, at(second)) == at(bridge));
    CHECK(pnd_port_owner(&all, at(bridge)) == at(bridge));
}

static void a_bridge_without_wired_ports_is_refused(void)
{
    unsigned bridge;

    begin();
    add_port("eth0", "pci0/0", "e1000");
    bridge = add("docker0", "bridge", 0, 0);
    add("veth1", "veth", 0, bridge);
    CHECK_EQ(find(bridge, NULL, false), PND_E_LINK);
    CHECK(says(why.text, "docker0 is a bridge without a wired port"));
    CHECK(says(why.text, "over eth0: --interface eth0"));
}

static void what_is_virtual_is_refused_with_its_reason(void)
{
    static const char *const kinds[][2] = {
        {"veth", "a cable between containers"}, {"tun", "a program's"},
        {"macvlan", "under another MAC"},       {"ipvlan", "by IPVLAN"},
        {"vxlan", "a tunnel of this kernel"},   {"dummy", "behind which nothing is"},
        {"openvswitch", "Open vSwitch"},        {"", "is virtual"}};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        unsigned dev;

        begin();
        add_port("eth0", "pci0/0", "e1000");
        dev = add("odd", kinds[i][0], 0, 0);
        CHECK_EQ(find(dev, NULL, false), PND_E_LINK);
        CHECK(says(why.text, kinds[i][1]));
        CHECK(says(why.text, "--force"));
        CHECK(says(why.text, "--interface eth0"));
        CHECK_EQ(find(dev, NULL, true), PND_OK);
        CHECK(port.device == at(dev));
        CHECK_STR(port.driver, "");
        CHECK(says(port.note, "forced: "));
    }
}

static void macvlan_by_force_is_the_port_under_it(void)
{
    unsigned eth, mac;

    begin();
    eth = add_port("eth0", "pci0/0", "e1000");
    mac = add("mac0", "macvlan", eth, 0);
    CHECK_EQ(find(mac, NULL, true), PND_OK);
    CHECK(port.device == at(eth));
    CHECK_STR(port.driver, "e1000");
}

static void wireless_and_usb_are_refused_unless_forced(void)
{
    unsigned wlan, usb;

    begin();
    wlan = add_port("wlan0", "pci0/2", "iwlwifi");
    make("sys/class/net/wlan0/phy80211");
    usb = add_port("enx1", "pci0/3/usb2/2-1/2-1:1.0", "r8152");
    CHECK_EQ(find(wlan, NULL, false), PND_E_LINK);
    CHECK(says(why.text, "wlan0 is wireless"));
    CHECK(says(why.text, "no wired Ethernet port"));
    CHECK_EQ(find(usb, NULL, false), PND_E_LINK);
    CHECK(says(why.text, "enx1 hangs on USB"));
    CHECK_EQ(find(usb, NULL, true), PND_OK);
    CHECK_STR(port.driver, "r8152");
    CHECK_EQ(find(wlan, NULL, true), PND_OK);
    CHECK_STR(port.driver, "iwlwifi");
}

static void what_is_no_ethernet_is_refused_even_by_force(void)
{
    static const struct {
        unsigned hardware;
        const char *kind, *words;
    } foreign[] = {
        {ARPHRD_NONE, "wireguard", "whose keys"}, {ARPHRD_NONE, "tun", "a tunnel without Ethernet"},
        {ARPHRD_PPP, "ppp", "a PPP connection"},  {ARPHRD_INFINIBAND, "", "InfiniBand"},
        {ARPHRD_LOOPBACK, "", "the loopback"},    {ARPHRD_SIT, "sit", "is not Ethernet"}};

    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        unsigned dev;

        begin();
        dev = add("odd", foreign[i].kind, 0, 0);
        at(dev)->hardware = foreign[i].hardware;
        CHECK_EQ(find(dev, NULL, true), PND_E_LINK);
        CHECK(says(why.text, foreign[i].words));
        CHECK(strstr(why.text, "--force") == NULL);
    }
}

static void a_ring_of_devices_ends(void)
{
    unsigned first, second;

    begin();
    first = add("br0", "bridge", 0, 0);
    second = add("br1", "bridge", 0, first);
    at(first)->master = second;
    CHECK_EQ(find(first, NULL, true), PND_E_LINK);
    CHECK(pnd_port_owner(&all, at(first)) != NULL);
}

static void the_members_of_a_vrf_keep_their_own_routes(void)
{
    unsigned vrf, eth;

    begin();
    vrf = add("blue", "vrf", 0, 0);
    eth = add_port("eth0", "pci0/0", "e1000");
    at(eth)->master = vrf;
    CHECK(pnd_port_owner(&all, at(eth)) == at(eth));
}

static void names_from_outside_are_escaped(void)
{
    unsigned dev;

    begin();
    dev = add("a\033[1m", "veth", 0, 0);
    CHECK_EQ(find(dev, NULL, false), PND_E_LINK);
    CHECK(says(why.text, "a\\x1b[1m is a cable"));
}

static void a_note_that_does_not_fit_is_left_out(void)
{
    char note[PND_ROUTE_NOTE_CAP] = "", before[PND_ROUTE_NOTE_CAP];

    pnd_route_note(note, "%s", "one");
    pnd_route_note(note, "%s", "two");
    CHECK_STR(note, "one; two");
    memcpy(before, note, sizeof(note));
    pnd_route_note(note, "%*s", PND_ROUTE_NOTE_CAP, "long");
    CHECK_STR(note, before);
}

int main(void)
{
    tmp_make();
    snprintf(root, sizeof(root), "%s", tmp_path);
    RUN(a_port_of_the_machine_is_used_as_it_is);
    RUN(a_vlan_is_a_tag_on_its_port);
    RUN(two_tags_and_tags_of_providers_are_refused);
    RUN(what_is_stacked_on_another_namespace_is_refused);
    RUN(of_a_bond_the_active_port_is_used);
    RUN(of_a_bond_without_an_active_port_one_with_a_link_is_used);
    RUN(of_lacp_any_port_with_a_link_is_used_and_the_switch_is_mentioned);
    RUN(a_bond_without_ports_is_refused);
    RUN(a_vlan_on_a_bond_under_a_bridge_is_unwound);
    RUN(of_a_bridge_its_only_wired_port_is_used);
    RUN(of_a_bridge_with_several_one_must_be_chosen);
    RUN(a_bridge_without_wired_ports_is_refused);
    RUN(what_is_virtual_is_refused_with_its_reason);
    RUN(macvlan_by_force_is_the_port_under_it);
    RUN(wireless_and_usb_are_refused_unless_forced);
    RUN(what_is_no_ethernet_is_refused_even_by_force);
    RUN(a_ring_of_devices_ends);
    RUN(the_members_of_a_vrf_keep_their_own_routes);
    RUN(names_from_outside_are_escaped);
    RUN(a_note_that_does_not_fit_is_left_out);
    tmp_remove();
    return tap_done();
}
