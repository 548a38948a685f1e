/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicdump arm: from the address of a server to a crash kernel that sends to it. */
#include "arm/arm.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/text.h"
#include "panicdump/page.h"
#include "panicdump/panicdump.h"

struct arm_options {
    struct pnd_arm_request request;
    const char *servers[PND_CAPTURE_SERVERS_MAX];
    uint16_t port;
    const char *save; /* --initramfs */
    bool dry_run;
};

static const char help[] =
    "usage: panicdump arm --server ADDRESS[:PORT] [--server ...] [OPTION...]\n"
    "\n"
    "Loads a crash kernel that sends this machine's memory there when it panics, and\n"
    "shows what it found out and did. Until the next start of the machine. Root only.\n"
    "\n"
    "  --server ADDRESS[:PORT]  of panicd; several are tried in their order\n"
    "  --port N                 for those that name none (1069)\n"
    "  --interface NAME         send through this one, not as routed\n"
    "  --filter LEVEL           leave out pages as makedumpfile -d does: 1 zero, 2 and\n"
    "                           4 cache, 8 user, 16 free; 31 all of these (0)\n"
    "  --on-nmi                 an NMI panics, too\n"
    "  --reboot, --poweroff, --shell\n"
    "                           what comes after the dump (--reboot)\n"
    "  --also-local DIR         when no server takes it; or a partition\n"
    "  --force                  through a port that should not be taken\n"
    "  --kernel FILE            the image, when it is not where it usually is\n"
    "  --append TEXT            to the crash kernel's command line\n"
    "  -n, --dry-run            show everything, load nothing\n"
    "  --initramfs FILE         write the initramfs there, load nothing\n"
    "\n"
    "Exit status: 0 armed (or shown); 2 could not. See panicdump(8).\n";

enum { KERNEL = 1, APPEND, FILTER, LOCAL, SAVE };

static const struct option longs[] = {{"server", required_argument, NULL, 's'},
                                      {"port", required_argument, NULL, 'p'},
                                      {"interface", required_argument, NULL, 'i'},
                                      {"filter", required_argument, NULL, FILTER},
                                      {"on-nmi", no_argument, NULL, 'N'},
                                      {"reboot", no_argument, NULL, 'R'},
                                      {"poweroff", no_argument, NULL, 'P'},
                                      {"shell", no_argument, NULL, 'S'},
                                      {"also-local", required_argument, NULL, LOCAL},
                                      {"force", no_argument, NULL, 'F'},
                                      {"kernel", required_argument, NULL, KERNEL},
                                      {"append", required_argument, NULL, APPEND},
                                      {"dry-run", no_argument, NULL, 'n'},
                                      {"initramfs", required_argument, NULL, SAVE},
                                      {"help", no_argument, NULL, 'h'},
                                      {NULL, 0, NULL, 0}};

/* ---- what was asked for */

static int take_server(struct arm_options *o, const char *text)
{
    if (o->request.server_count == PND_CAPTURE_SERVERS_MAX)
        return pnd_complain(PND_EXIT_CANNOT, "more than %d servers", PND_CAPTURE_SERVERS_MAX);
    o->servers[o->request.server_count++] = text;
    return PND_EXIT_OK;
}

static int take_filter(struct arm_options *o, const char *text)
{
    uint64_t level;

    if (pnd_text_parse_uint(text, &level) || level > PND_CAPTURE_FILTER_MAX)
        return pnd_complain(PND_EXIT_CANNOT, "--filter %s: say a level from 0 to %d", text,
                            PND_CAPTURE_FILTER_MAX);
    o->request.filter = (unsigned)level;
    return PND_EXIT_OK;
}

/* @return PND_EXIT_OK; another to end with */
static int take(struct arm_options *o, int option)
{
    struct pnd_why why;

    switch (option) {
    case 's':
        return take_server(o, optarg);
    case 'p':
        if (pnd_port_parse(optarg, &o->port, &why))
            return pnd_complain(PND_EXIT_CANNOT, "--port: %s", why.text);
        break;
    case 'i':
        o->request.interface = optarg;
        break;
    case FILTER:
        return take_filter(o, optarg);
    case 'N':
        o->request.on_nmi = true;
        break;
    case 'R':
        o->request.after = PND_AFTER_REBOOT;
        break;
    case 'P':
        o->request.after = PND_AFTER_POWEROFF;
        break;
    case 'S':
        o->request.after = PND_AFTER_SHELL;
        break;
    case LOCAL:
        o->request.also_local = optarg;
        break;
    case 'F':
        o->request.force = true;
        break;
    case KERNEL:
        o->request.kernel = optarg;
        break;
    case APPEND:
        o->request.append = optarg;
        break;
    case 'n':
        o->dry_run = true;
        break;
    case SAVE:
        o->save = optarg;
        break;
    default:
        fputs(help, stderr);
        return PND_EXIT_CANNOT;
    }
    return PND_EXIT_OK;
}

/* ADDRESS or ADDRESS:PORT. */
static int resolve(struct arm_options *o)
{
    for (size_t i = 0; i < o->request.server_count; i++) {
        struct pnd_endpoint *at = &o->request.servers[i];
        char name[256];
        const char *colon = strchr(o->servers[i], ':');
        struct pnd_why why;

        at->port = o->port;
        snprintf(name, sizeof(name), "%.*s",
                 colon ? (int)(colon - o->servers[i]) : (int)strlen(o->servers[i]), o->servers[i]);
        if (colon && pnd_port_parse(colon + 1, &at->port, &why))
            return pnd_complain(PND_EXIT_CANNOT, "--server %s: %s", o->servers[i], why.text);
        if (pnd_address_parse(name, &at->ip, &why))
            return pnd_complain(PND_EXIT_CANNOT, "%s", why.text);
    }
    return PND_EXIT_OK;
}

static int parse_options(int argc, char **argv, struct arm_options *o)
{
    int option, status;

    o->request.root = "";
    o->port = PND_KDP_PORT;
    while ((option = getopt_long(argc, argv, "s:p:i:nh", longs, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            return -1;
        }
        status = take(o, option);
        if (status)
            return status;
    }
    if (optind != argc || !o->request.server_count)
        return pnd_complain(PND_EXIT_CANNOT, "say --server ADDRESS of the machine where panicd "
                                             "runs; panicdump arm --help tells more");
    return resolve(o);
}

/* ---- what is shown */

static void print_way(const struct pnd_arm *arm)
{
    const struct pnd_route *r = &arm->routes[0];
    char server[PND_PAGE_SERVER_CAP], mac[PND_PAGE_MAC_CAP], ip[PND_ADDRESS_CAP], tag[24] = "";

    for (size_t i = 0; i < arm->request.server_count; i++) {
        const struct pnd_route *to = &arm->routes[i];
        static const uint8_t none[6];
        bool known = memcmp(to->via, none, sizeof(none)) != 0;

        pnd_page_field(i ? "" : "server", "%s, %s%s%s%s%s",
                       pnd_page_server(server, arm->request.servers[i]),
                       to->router_ip ? "through router " : "in the same network",
                       to->router_ip ? pnd_address_format(ip, to->router_ip) : "",
                       known ? " at " : "; nobody answers ARP now, the crash kernel will ask again",
                       known ? pnd_page_mac(mac, to->via) : "", "");
    }
    if (r->vlan)
        snprintf(tag, sizeof(tag), ", VLAN %u", r->vlan);
    pnd_page_field("way", "%s%s%s, %s (%s), from %s/%u%s, MTU %u", r->interface,
                   strcmp(r->interface, r->port) ? " on " : "",
                   strcmp(r->interface, r->port) ? r->port : "", pnd_page_mac(mac, r->port_mac),
                   r->driver[0] ? r->driver : "no driver", pnd_address_format(ip, r->own_ip),
                   r->prefix, tag, arm->options.mtu);
    if (r->note[0])
        pnd_page_field("", "%s", r->note);
    if (arm->local_note[0])
        pnd_page_field("also", "%s", arm->local_note);
}

static void print_initramfs(const struct pnd_arm *arm)
{
    char size[PND_TEXT_BYTES_CAP], list[4096] = "";
    size_t len = 0;

    for (size_t i = 0; i < arm->modules.count && len < sizeof(list); i++)
        len += (size_t)snprintf(list + len, sizeof(list) - len, " %s", arm->modules.list[i].name);
    for (size_t i = 0; i < arm->modules.firmware_count && len < sizeof(list); i++)
        len +=
            (size_t)snprintf(list + len, sizeof(list) - len, " %s", arm->modules.firmware[i].name);
    pnd_page_field("initramfs", "%s: panicdump%s%s",
                   pnd_text_bytes(size, sizeof(size), arm->initramfs_bytes),
                   arm->shell[0] ? ", a shell" : "", list[0] ? "," : ", no modules are needed");
    if (list[0])
        pnd_page_field("", "%s", list + 1);
}

static void print_cmdline(const struct pnd_arm *arm, bool reasons)
{
    const struct pnd_cmdline_word *word;

    pnd_page_field("command line", "%s", arm->cmdline);
    for (size_t i = 0; reasons && (word = pnd_cmdline_added(i)); i++)
        printf("  %-27s %s\n", word->word, word->reason);
    pnd_page_field("options", "%s", arm->options_text);
}

static void print_nmi(const struct pnd_arm *arm)
{
    char list[256] = "";
    size_t len = 0;

    if (!arm->request.on_nmi)
        return;
    for (int i = 0; i < PND_NMI_SETTINGS; i++)
        if (arm->nmi_before.value[i] != PND_NMI_ABSENT)
            len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s=1 (was %d)",
                                    len ? ", " : "", pnd_nmi_name(i), arm->nmi_before.value[i]);
    pnd_page_field("nmi", "panics: %s", list);
}

static void print_page(const struct arm_options *o, const struct pnd_arm *arm)
{
    char size[PND_TEXT_BYTES_CAP], reserved[PND_TEXT_BYTES_CAP], needed[PND_TEXT_BYTES_CAP];
    bool show = o->dry_run || o->save;

    print_way(arm);
    pnd_page_field("kernel", "%s, %s (%s)%s%s", arm->kernel.release, arm->kernel.path,
                   pnd_text_bytes(size, sizeof(size), arm->kernel.bytes),
                   arm->loader[0] ? ", loaded by " : "", arm->loader);
    print_initramfs(arm);
    pnd_page_field("memory", "%s reserved, %s needed",
                   pnd_text_bytes(reserved, sizeof(reserved), arm->machine.reserved_bytes),
                   pnd_text_bytes(needed, sizeof(needed), arm->machine.needed_bytes));
    pnd_page_dump(&arm->options);
    print_nmi(arm);
    print_cmdline(arm, show);
    pnd_page_checks(&arm->machine, show);
}

/* ---- the verb */

static int load(struct arm_options *o, struct pnd_arm *arm)
{
    char server[PND_PAGE_SERVER_CAP];
    struct pnd_why why;
    int err;

    if (!arm->machine_ok) {
        pnd_page_checks(&arm->machine, false);
        return pnd_complain(PND_EXIT_CANNOT, "this machine is not ready, see above; nothing was "
                                             "changed (--dry-run shows the rest)");
    }
    err = pnd_arm_load(arm, &why);
    if (err)
        return pnd_complain(PND_EXIT_CANNOT, "%s", why.text);
    printf("Armed: when this kernel panics, its memory goes to %s.\n\n",
           pnd_page_server(server, o->request.servers[0]));
    print_page(o, arm);
    puts("\nDoes the way work? panicdump test. The whole of it? panicdump test --crash.");
    return PND_EXIT_OK;
}

static int show(const struct arm_options *o, const struct pnd_arm *arm)
{
    struct pnd_why why;

    if (o->save && pnd_arm_save_initramfs(arm, o->save, &why))
        return pnd_complain(PND_EXIT_CANNOT, "%s", why.text);
    puts("Nothing was loaded. This would be:\n");
    print_page(o, arm);
    return PND_EXIT_OK;
}

int pnd_verb_arm(int argc, char **argv)
{
    static struct arm_options options;
    static struct pnd_arm arm;
    struct pnd_why why;
    int status = parse_options(argc, argv, &options);

    if (status)
        return status < 0 ? PND_EXIT_OK : status;
    if (geteuid() != 0 && !options.dry_run && !options.save)
        return pnd_complain(PND_EXIT_CANNOT, "arming needs root: sudo panicdump arm ...; "
                                             "--dry-run shows what it would do");
    if (pnd_arm_prepare(&arm, &options.request, &why))
        status = pnd_complain(PND_EXIT_CANNOT, "%s", why.text);
    else if (options.dry_run || options.save)
        status = show(&options, &arm);
    else
        status = load(&options, &arm);
    pnd_arm_deinit(&arm);
    return status;
}
