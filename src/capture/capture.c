/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The capture: see capture.h. */
#include "capture/capture.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "capture/content.h"
#include "capture/netif.h"
#include "capture/packet.h"
#include "capture/vmcore_file.h"
#include "codec/gzip.h"
#include "host/clock.h"
#include "host/progress.h"
#include "host/text.h"
#include "sender/address.h"
#include "sender/failure.h"

enum {
    ATTEMPTS_MAX = 3,
    ATTEMPT_PAUSE_S = 2,
    INTERFACE_WAIT_MS = 10000,
};

struct capture {
    const struct pnd_capture_options *options;
    uint32_t own_ip;
    struct pnd_packet packet;
    struct pnd_nic nic;
    struct pnd_stack stack;
    struct pnd_link link;
    struct pnd_client client;
    struct pnd_progress progress;
    struct pnd_vmcore_file file;
    struct pnd_content content;
    uint64_t given; /* bytes of content that have gone into the sink */
    bool packed;
    struct pnd_gzip gzip;
    struct pnd_sink sink; /* what the content is written to: gzip, or the client */
    char name[PND_KDP_NAME_CAP];
    _Alignas(16) uint8_t gzip_memory[PND_GZIP_LARGE_MEMORY];
};

static int count_given(void *ctx, const void *buf, size_t len)
{
    struct capture *c = ctx;
    int err = c->sink.write(c->sink.ctx, buf, len);

    c->given += err ? 0 : len;
    pnd_progress_update(&c->progress, c->given);
    return err;
}

static int stream(struct capture *c)
{
    struct pnd_client_config config = {.server = c->options->servers[0].at, .name = c->name};
    const struct pnd_codec *gzip = &c->gzip.codec;
    const struct pnd_sink counted = {.ctx = c, .write = count_given};
    struct pnd_sink wire;
    int err = pnd_client_open(&c->client, &c->link, &config);

    c->given = 0;
    pnd_client_sink(&c->client, !c->packed, &wire);
    c->sink = c->packed ? (struct pnd_sink){.ctx = gzip->ctx, .write = gzip->write} : wire;
    if (!err && c->packed)
        err = gzip->begin(gzip->ctx, &wire);
    if (!err)
        err = c->content.write(c->content.ctx, &counted);
    if (!err && c->packed)
        err = gzip->finish(gzip->ctx);
    if (!err)
        err = wire.end(wire.ctx);
    if (err)
        pnd_client_abort(&c->client);
    return err;
}

/* Interface, ARP, dump. @p ret_client: the client has been opened, so it knows more. */
static int attempt(struct capture *c, const char *interface, const struct pnd_client **ret_client,
                   struct pnd_why *why)
{
    struct pnd_stack_config config = {
        .own_ip = c->own_ip,
        .own_port = c->options->servers[0].at.port,
        .server_ip = c->options->servers[0].at.ip,
        .router_ip = c->options->router_ip,
    };
    uint16_t port = config.own_port;
    int err = pnd_packet_open(&c->packet, interface, &c->nic, why);

    *ret_client = NULL;
    if (err)
        return err;
    /* By hand, this kernel may own the address, and then it must not answer for the port. */
    (void)pnd_packet_hold_port(&c->packet, c->own_ip, &port, NULL);
    why->text[0] = '\0';
    err = pnd_stack_open(&c->stack, &c->nic, &config, &c->link);
    if (!err) {
        *ret_client = &c->client;
        err = stream(c);
    }
    pnd_packet_close(&c->packet);
    return err;
}

static void say_done(const struct capture *c, uint64_t us)
{
    struct pnd_client_stats stats;
    char rate[PND_TEXT_BYTES_CAP];

    pnd_client_stats(&c->client, &stats);
    pnd_text_bytes(rate, sizeof(rate), us ? (uint64_t)((double)c->given * 1e6 / (double)us) : 0);
    printf("panicdump: sent %s: %" PRIu64 " bytes in %.2f s, %s/s, as %" PRIu64 " bytes, %" PRIu64
           " retransmissions\n",
           c->name, c->given, (double)us / 1e6, rate, stats.sent_bytes, stats.retransmissions);
    if (c->file.unreadable_pages)
        printf("panicdump: %" PRIu64 " pages could not be read and were sent as X\n",
               c->file.unreadable_pages);
}

static int send_dump(struct capture *c, const char *interface)
{
    char server[PND_ADDRESS_CAP], text[PND_FAILURE_CAP];
    struct pnd_failure failure = {.server = c->options->servers[0].at, .crash_kernel = true};

    printf("panicdump: sending %s to %s:%u over %s\n", c->name,
           pnd_address_format(server, c->options->servers[0].at.ip), c->options->servers[0].at.port,
           interface);
    for (unsigned i = 1; i <= ATTEMPTS_MAX; i++) {
        struct pnd_why why = {.text = ""};
        uint64_t start_us = pnd_clock_us();

        pnd_progress_init(&c->progress, "panicdump: dump", c->content.bytes, false);
        failure.err = attempt(c, interface, &failure.client, &why);
        pnd_progress_clear(&c->progress);
        if (failure.err == PND_OK) {
            say_done(c, pnd_clock_us() - start_us);
            return PND_EXIT_OK;
        }
        pnd_complain(0, "attempt %u of %u: %s", i, ATTEMPTS_MAX,
                     why.text[0] ? why.text : pnd_failure_text(text, &failure));
        if (failure.err != PND_E_TIMEOUT && failure.err != PND_E_NOROUTE)
            break;
        if (i < ATTEMPTS_MAX)
            sleep(ATTEMPT_PAUSE_S);
    }
    return pnd_failure_exit(&failure);
}

static void describe(struct capture *c, const struct pnd_why *why)
{
    if (c->file.reason[0])
        printf("panicdump: Linux %s died by %s: %s\n", c->file.vmcore.release,
               c->file.nmi ? "NMI" : "panic", c->file.reason);
    else
        printf("panicdump: %s\n", why->text);
    if (c->options->corename[0])
        snprintf(c->name, sizeof(c->name), "%s", c->options->corename);
    else
        pnd_vmcore_file_name(&c->file, c->own_ip, c->name, sizeof(c->name));
}

/* What is sent, and how. Without compression, rather than not at all. */
static void prepare(struct capture *c)
{
    static const char suffix[] = ".gz";
    size_t len = strlen(c->name);

    pnd_content_elf(&c->file, &c->content);
    c->packed = c->options->packing == PND_PACKING_GZIP &&
                pnd_gzip_init_large(&c->gzip, c->gzip_memory, sizeof(c->gzip_memory)) == PND_OK;
    if (!c->packed)
        return;
    if (len > sizeof(c->name) - sizeof(suffix))
        len = sizeof(c->name) - sizeof(suffix);
    memcpy(c->name + len, suffix, sizeof(suffix));
}

static int run(struct capture *c)
{
    char interface[IFNAMSIZ] = "";
    struct pnd_why why = {.text = ""}, saw;

    if (pnd_vmcore_file_open(&c->file, c->options->vmcore, &saw))
        return pnd_complain(PND_EXIT_CANNOT, "%s", saw.text);
    if (pnd_netif_find(c->options->match_name, c->options->match_mac, INTERFACE_WAIT_MS, interface,
                       &why))
        return pnd_complain(PND_EXIT_CANNOT, "%s", why.text);
    if (!c->own_ip && pnd_netif_address(interface, &c->own_ip, NULL))
        return pnd_complain(PND_EXIT_CANNOT,
                            "%s has no address: add kdp_ip_addr=ADDRESS to the crash kernel's "
                            "command line",
                            interface);
    describe(c, &saw);
    prepare(c);
    return send_dump(c, interface);
}

int pnd_capture_run(const struct pnd_capture_options *options)
{
    static struct capture capture;
    int status;

    capture.options = options;
    capture.own_ip = options->own_ip;
    status = run(&capture);
    pnd_vmcore_file_close(&capture.file);
    return status;
}
