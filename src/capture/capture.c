/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The capture: see capture.h. */
#include "capture/capture.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "capture/content.h"
#include "capture/deliver.h"
#include "capture/netif.h"
#include "capture/target.h"
#include "capture/vmcore_file.h"
#include "capture/watchdog.h"
#include "codec/gzip.h"
#include "host/text.h"

enum {
    INTERFACE_WAIT_MS = 10000, /* its driver has just been loaded */
    TARGETS_MAX = PND_CAPTURE_SERVERS_MAX + 1,
};

struct capture {
    const struct pnd_capture_options *options;
    uint32_t own_ip; /* 0: not known */
    struct pnd_vmcore_file file;
    struct pnd_target targets[TARGETS_MAX];
    struct pnd_content content;
    bool filtered, packs_itself; /* what the content is */
    struct pnd_why why;          /* of the content: it may be told late */
    struct pnd_delivery delivery;
    char name[PND_KDP_NAME_CAP];
    struct pnd_gzip gzip;
    _Alignas(16) uint8_t gzip_memory[PND_GZIP_LARGE_MEMORY];
};

/* The content, from its start: what was counted in another attempt does not count. */
static int write_content(void *ctx, const struct pnd_sink *sink)
{
    struct capture *c = ctx;

    c->file.unreadable_pages = 0;
    return c->content.write(c->content.ctx, sink);
}

/* By makedumpfile, when this initramfs has it; else by our own selection. */
static int choose_filtered(struct capture *c)
{
    unsigned level = c->options->filter;
    int err = pnd_content_makedumpfile(&c->file, "makedumpfile", level, &c->content, &c->why);

    c->packs_itself = !err;
    if (err == PND_E_NOTFOUND)
        err = pnd_content_filtered(&c->file, level, &c->content, &c->why);
    if (!err)
        printf("panicdump: filtered at level %u by %s\n", level,
               c->packs_itself ? "makedumpfile" : "the kernel's own lists of pages");
    return err;
}

static void choose_everything(struct capture *c)
{
    c->filtered = c->packs_itself = false;
    pnd_content_elf(&c->file, &c->content);
}

/* Too much is better than nothing. */
static void choose_content(struct capture *c)
{
    c->why.text[0] = '\0';
    c->filtered = c->options->filter && choose_filtered(c) == PND_OK;
    if (c->filtered)
        return;
    if (c->options->filter)
        pnd_complain(0, "panicd_filter=%u cannot be done: %s: sending everything",
                     c->options->filter, c->why.text);
    choose_everything(c);
}

static void say_reason(const struct capture *c, const struct pnd_why *why)
{
    char release[256], reason[512];

    if (!c->file.reason[0]) {
        printf("panicdump: %s\n", why->text);
        return;
    }
    pnd_text_escape(release, sizeof(release), c->file.vmcore.release,
                    strlen(c->file.vmcore.release));
    pnd_text_escape(reason, sizeof(reason), c->file.reason, strlen(c->file.reason));
    printf("panicdump: Linux %s died by %s: %s\n", release, c->file.nmi ? "NMI" : "panic", reason);
}

/* The address that stands in the dump's name, when it is not among the options: that of the
 * interface, which only a kernel that somebody set up has. */
static int find_own_ip(struct capture *c, struct pnd_why *why)
{
    const struct pnd_capture_options *o = c->options;
    char interface[IFNAMSIZ] = "";
    int err;

    c->own_ip = o->own_ip;
    if (c->own_ip || o->server_count == 0)
        return PND_OK;
    err = pnd_netif_find(o->match_name, o->match_mac, INTERFACE_WAIT_MS, interface, why);
    if (!err && pnd_netif_address(interface, &c->own_ip, NULL))
        err = pnd_why(why, PND_E_NOTFOUND, 0,
                      "%s has no address: add kdp_ip_addr=ADDRESS to the crash kernel's command "
                      "line",
                      interface);
    return err;
}

static size_t set_targets(struct capture *c, bool with_servers)
{
    const struct pnd_capture_options *o = c->options;
    struct pnd_why why;
    size_t count = 0;

    for (size_t i = 0; with_servers && i < o->server_count; i++)
        pnd_target_server(o, i, &c->targets[count++]);
    if (o->local[0]) {
        if (pnd_target_local(o, &c->targets[count], &why) == PND_OK)
            count++;
        else
            pnd_complain(0, "%s", why.text);
    }
    return count;
}

static void alive(void *ctx)
{
    (void)ctx;
    pnd_watchdog_alive();
}

static void set_delivery(struct capture *c, size_t targets)
{
    struct pnd_delivery *d = &c->delivery;
    const struct pnd_capture_options *o = c->options;

    *d = (struct pnd_delivery){
        .targets = c->targets,
        .target_count = targets,
        .content = {.ctx = c, .bytes = c->content.bytes, .write = write_content},
        .name = c->name,
        .name_is_whole = o->corename[0] != '\0',
        .retry_s = o->retry_s,
        .alive = alive,
    };
    if (o->packing == PND_PACKING_GZIP && !c->packs_itself) {
        if (pnd_gzip_init_large(&c->gzip, c->gzip_memory, sizeof(c->gzip_memory)) == PND_OK)
            d->codec = &c->gzip.codec;
        else
            pnd_complain(0, "this zlib wants more memory than there is: sent unpacked");
    }
    if (o->corename[0])
        snprintf(c->name, sizeof(c->name), "%s", o->corename);
    else
        pnd_vmcore_file_name(&c->file, c->own_ip, c->name, sizeof(c->name));
}

static int deliver(struct capture *c)
{
    int err = pnd_deliver(&c->delivery);
    struct pnd_failure failure;

    if (err == PND_E_SOURCE && c->filtered) {
        pnd_complain(0, "the filtered dump failed: %s: sending everything", c->why.text);
        choose_everything(c);
        set_delivery(c, c->delivery.target_count);
        err = pnd_deliver(&c->delivery);
    }
    failure = (struct pnd_failure){.err = err};
    if (!err && c->file.unreadable_pages)
        printf("panicdump: %" PRIu64 " pages could not be read and were sent as X\n",
               c->file.unreadable_pages);
    return err ? pnd_failure_exit(&failure) : PND_EXIT_OK;
}

static int run(struct capture *c)
{
    struct pnd_why why = {.text = ""}, saw = {.text = ""};
    size_t targets;
    int err;

    if (pnd_vmcore_file_open(&c->file, c->options->vmcore, &saw))
        return pnd_complain(PND_EXIT_CANNOT, "%s", saw.text);
    say_reason(c, &saw);
    err = find_own_ip(c, &why);
    if (err)
        pnd_complain(0, "%s", why.text);
    targets = set_targets(c, !err);
    if (targets == 0)
        return err ? PND_EXIT_CANNOT : pnd_complain(PND_EXIT_CANNOT, "the dump can go nowhere");
    choose_content(c);
    set_delivery(c, targets);
    return deliver(c);
}

int pnd_capture_run(const struct pnd_capture_options *options)
{
    static struct capture capture;
    int status;

    capture.options = options;
    status = run(&capture);
    pnd_vmcore_file_close(&capture.file);
    return status;
}
