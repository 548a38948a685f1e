/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicdump arm: from the address of a server to a crash kernel that sends to it. */
#include "arm/arm.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/guard.h"
#include "host/text.h"
#include "panicdump/arm_options.h"
#include "panicdump/page.h"
#include "panicdump/panicdump.h"

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
    if (arm->local.word[0])
        pnd_page_field("also", "%s, when no server takes it", arm->local.text);
    if (arm->local.note[0])
        pnd_page_field("", "%s", arm->local.note);
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
    pnd_page_field("initramfs", "%s: panicdump%s%s%s",
                   pnd_text_bytes(size, sizeof(size), arm->initramfs_bytes),
                   arm->shell[0] ? ", a shell" : "",
                   arm->makedumpfile.count ? ", makedumpfile and its libraries" : "",
                   list[0] ? "," : ", no modules are needed");
    if (list[0])
        pnd_page_field("", "%s", list + 1);
}

static void print_cmdline(const struct pnd_arm *arm, bool reasons)
{
    const struct pnd_cmdline_word *word;

    pnd_page_field("command line", "%s", arm->cmdline);
    for (size_t i = 0; reasons && (word = pnd_cmdline_added(i)); i++)
        printf("  %s: %s\n", word->word, word->reason);
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

static void print_page(const struct pnd_arm_options *o, const struct pnd_arm *arm)
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

static int load(const struct pnd_arm_options *o, struct pnd_arm *arm)
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
    if (o->persist) {
        int status = pnd_arm_options_persist(o);

        if (status)
            return status;
    }
    pnd_page_field("next boot", pnd_persist_is_enabled("")
                                    ? "armed again, as " PND_PERSIST_CONF " says"
                                    : "not armed any more; with --persist it would be");
    puts("\nDoes the way work? panicdump test. The whole of it? panicdump test --crash.");
    return PND_EXIT_OK;
}

static int show(const struct pnd_arm_options *o, const struct pnd_arm *arm)
{
    struct pnd_why why;

    if (o->save && pnd_arm_save_initramfs(arm, o->save, &why))
        return pnd_complain(PND_EXIT_CANNOT, "%s", why.text);
    puts("Nothing was loaded. This would be:\n");
    print_page(o, arm);
    return PND_EXIT_OK;
}

/* What may be otherwise in a minute is no mistake of whoever typed it; nor is it, at boot, what was
 * right when it was kept: an interface, a link or a disk that comes late. */
static int cannot(const struct pnd_arm_options *o, const struct pnd_arm *arm, int err,
                  const struct pnd_why *why)
{
    bool later = err == PND_E_NOROUTE || (o->from_kept && arm->may_come);

    return pnd_complain(later ? PND_EXIT_NO : PND_EXIT_CANNOT, "%s", why->text);
}

static int prepare_and_load(const struct pnd_arm_options *o, struct pnd_arm *arm)
{
    PND_AUTO_CLOSE int lock = -1;
    bool shows = o->dry_run || o->save;
    struct pnd_why why;
    int err, status;

    umask(022); /* what is written is for everybody to read: status needs no root */
    err = shows ? PND_OK : pnd_state_lock("", PND_STATE_WAIT_MS, &lock, &why);
    if (err)
        return pnd_complain(err == PND_E_BUSY ? PND_EXIT_NO : PND_EXIT_CANNOT, "%s", why.text);
    err = pnd_arm_prepare(arm, &o->request, &why);
    if (err)
        status = cannot(o, arm, err, &why);
    else
        status = shows ? show(o, arm) : load(o, arm);
    pnd_arm_deinit(arm);
    return status;
}

int pnd_verb_arm(int argc, char **argv)
{
    static struct pnd_arm_options options;
    static struct pnd_arm arm;
    int status = pnd_arm_options_parse(argc, argv, &options);

    if (status)
        return status < 0 ? PND_EXIT_OK : status;
    if (geteuid() != 0 && !options.dry_run && !options.save)
        return pnd_complain(PND_EXIT_CANNOT, "arming needs root: sudo panicdump arm ...; "
                                             "--dry-run shows what it would do");
    return prepare_and_load(&options, &arm);
}
