/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicdump capture: in a crash kernel, sends the memory of the kernel that crashed. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/guard.h"
#include "host/progress.h"
#include "host/text.h"
#include "image/vmcore.h"
#include "panicdump/capture_options.h"
#include "panicdump/netif.h"
#include "panicdump/panicdump.h"
#include "panicdump/platform_packet.h"

enum {
    READ_BYTES = 256 * 1024,
    PAGE_BYTES = 4096,
    UNREADABLE = 'X', /* @source PROTOCOL.md#kdp-1.4 */
    ATTEMPTS_MAX = 3,
    ATTEMPT_PAUSE_S = 2,
    INTERFACE_WAIT_MS = 10000,
    CMDLINE_CAP = 4096,
};

struct capture {
    struct pnd_capture_options options;
    struct pnd_packet packet;
    struct pnd_nic nic;
    struct pnd_stack stack;
    struct pnd_link link;
    struct pnd_client client;
    struct pnd_progress progress;
    struct pnd_vmcore vmcore;
    int fd;
    uint64_t total, unreadable_pages;
    char name[PND_KDP_NAME_CAP], cmdline[CMDLINE_CAP];
    uint8_t buf[READ_BYTES];
};

static struct capture capture_state;

static int read_vmcore(void *ctx, uint64_t offset, void *buf, size_t len)
{
    const int *fd = ctx;
    char *at = buf;

    while (len > 0) {
        ssize_t n = pread(*fd, at, len, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return PND_E_SOURCE;
        at += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return PND_OK;
}

static int open_vmcore(struct capture *c)
{
    struct stat st;

    c->fd = open(c->options.vmcore, O_RDONLY | O_CLOEXEC);
    if (c->fd < 0 || fstat(c->fd, &st) < 0)
        return pnd_complain(PND_EXIT_CANNOT, "open %s: %s%s", c->options.vmcore, strerror(errno),
                            errno == ENOENT ? " - is this a crash kernel, started by kexec with "
                                              "elfcorehdr=?"
                                            : "");
    c->total = (uint64_t)st.st_size;
    return PND_EXIT_OK;
}

/* core-linux-RELEASE-IP-REASON-TIME. @source PROTOCOL.md#kdp-5, the shape of Apple's names */
static void choose_name(struct capture *c, const char *why_word)
{
    char release[PND_VMCORE_RELEASE_CAP] = "unknown", ip[PND_ADDRESS_CAP];
    uint64_t when_s = c->vmcore.crash_time_s ? c->vmcore.crash_time_s : (uint64_t)time(NULL);
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+_";

    if (c->vmcore.release[0])
        memcpy(release, c->vmcore.release, sizeof(release));
    for (size_t i = 0; release[i]; i++)
        if (!strchr(safe, release[i]))
            release[i] = '_';
    if (c->options.corename[0])
        memcpy(c->name, c->options.corename, sizeof(c->name));
    else
        snprintf(c->name, sizeof(c->name), "core-linux-%s-%s-%s-%" PRIx64, release,
                 pnd_address_format(ip, c->options.own_ip), why_word, when_s);
}

/* What the dump says of itself; a dump that cannot be understood is sent all the same. */
static void describe(struct capture *c)
{
    struct pnd_vmcore_source source = {.ctx = &c->fd, .read = read_vmcore};
    char reason[PND_VMCORE_REASON_CAP] = "";
    bool nmi = false;
    int err = pnd_vmcore_open(&c->vmcore, &source);

    if (!err)
        err = pnd_vmcore_reason(&c->vmcore, reason);
    if (err) {
        printf("panicdump: why the kernel died is not found in %s: %s\n", c->options.vmcore,
               pnd_err_text(err));
    } else {
        nmi = pnd_vmcore_reason_is_nmi(reason);
        printf("panicdump: Linux %s died by %s: %s\n", c->vmcore.release, nmi ? "NMI" : "panic",
               reason);
    }
    choose_name(c, nmi ? "nmi" : "panic");
}

/* Reads up to the size of the buffer at @p offset; a page that cannot be read becomes X.
 *   @return bytes; 0 at the end; negative: unreadable, and no size tells where it would end */
static ssize_t read_part(struct capture *c, uint64_t offset)
{
    uint64_t left = c->total > offset ? c->total - offset : 0;
    size_t page = PAGE_BYTES - (size_t)(offset % PAGE_BYTES);
    ssize_t n;

    do
        n = pread(c->fd, c->buf, sizeof(c->buf), (off_t)offset);
    while (n < 0 && errno == EINTR && !pnd_stop_signal());
    if (n < 0 && errno != EINTR)
        n = pread(c->fd, c->buf, page, (off_t)offset);
    if (n > 0 || (n == 0 && left == 0))
        return n;
    if (left == 0 || pnd_stop_signal())
        return PND_E_SOURCE;
    if (page > left)
        page = (size_t)left;
    memset(c->buf, UNREADABLE, page);
    c->unreadable_pages++;
    return (ssize_t)page;
}

static void on_progress(void *ctx, const struct pnd_client_stats *stats)
{
    struct capture *c = ctx;

    pnd_progress_update(&c->progress, stats->bytes);
}

static int stream(struct capture *c)
{
    struct pnd_client_config config = {
        .server = c->options.server,
        .name = c->name,
        .progress = on_progress,
        .progress_ctx = c,
    };
    uint64_t offset = 0;
    int err = pnd_client_open(&c->client, &c->link, &config);

    c->unreadable_pages = 0;
    while (!err) {
        ssize_t n = read_part(c, offset);

        if (n == 0)
            return pnd_client_finish(&c->client);
        err = n < 0 ? PND_E_SOURCE : pnd_client_write_sparse(&c->client, c->buf, (size_t)n);
        offset += n > 0 ? (uint64_t)n : 0;
    }
    pnd_client_abort(&c->client);
    return err;
}

/* Interface, ARP, dump. @p ret_client: the client has been opened, so it knows more. */
static int attempt(struct capture *c, const char *interface, const struct pnd_client **ret_client,
                   struct pnd_why *why)
{
    struct pnd_stack_config config = {
        .own_ip = c->options.own_ip,
        .own_port = c->options.server.port,
        .server_ip = c->options.server.ip,
        .router_ip = c->options.router_ip,
    };
    uint16_t port = config.own_port;
    int err = pnd_packet_open(&c->packet, interface, &c->nic, why);

    *ret_client = NULL;
    if (err)
        return err;
    /* By hand, this kernel may own the address, and then it must not answer for the port. */
    (void)pnd_packet_hold_port(&c->packet, c->options.own_ip, &port, NULL);
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
    pnd_text_bytes(rate, sizeof(rate), us ? (uint64_t)((double)stats.bytes * 1e6 / (double)us) : 0);
    printf("panicdump: sent %s: %" PRIu64 " bytes in %.2f s, %s/s, %" PRIu64
           " of them zeros not sent, %" PRIu64 " retransmissions\n",
           c->name, stats.bytes, (double)us / 1e6, rate, stats.skipped_bytes,
           stats.retransmissions);
    if (c->unreadable_pages)
        printf("panicdump: %" PRIu64 " pages could not be read and were sent as X\n",
               c->unreadable_pages);
}

static int send_dump(struct capture *c, const char *interface)
{
    char server[PND_ADDRESS_CAP], text[PND_FAILURE_CAP];
    struct pnd_failure failure = {.server = c->options.server, .crash_kernel = true};

    printf("panicdump: sending %s to %s:%u over %s\n", c->name,
           pnd_address_format(server, c->options.server.ip), c->options.server.port, interface);
    for (unsigned i = 1; i <= ATTEMPTS_MAX; i++) {
        struct pnd_why why = {.text = ""};
        uint64_t start_us = pnd_clock_us();

        pnd_progress_init(&c->progress, "panicdump: dump", c->total, false);
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

static int run(struct capture *c)
{
    char interface[IFNAMSIZ] = "";
    struct pnd_why why;
    int status = open_vmcore(c);

    if (status)
        return status;
    if (pnd_netif_find(c->options.match_name, c->options.match_mac, INTERFACE_WAIT_MS, interface,
                       &why))
        return pnd_complain(PND_EXIT_CANNOT, "%s", why.text);
    if (!c->options.own_ip && pnd_netif_address(interface, &c->options.own_ip, NULL))
        return pnd_complain(PND_EXIT_CANNOT,
                            "%s has no address: add kdp_ip_addr=ADDRESS to the crash kernel's "
                            "command line",
                            interface);
    describe(c);
    return send_dump(c, interface);
}

/* --cmdline, or /proc/cmdline. */
static int read_cmdline(struct capture *c, int argc, char **argv)
{
    static const struct option longs[] = {{"cmdline", required_argument, NULL, 'c'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    PND_AUTO_CLOSE int fd = -1;
    const char *given = NULL;
    ssize_t n;
    int option;

    while ((option = getopt_long(argc, argv, "c:h", longs, NULL)) != -1) {
        if (option != 'c') {
            fputs("usage: panicdump capture [--cmdline TEXT]\n", option == 'h' ? stdout : stderr);
            return option == 'h' ? -1 : PND_EXIT_CANNOT;
        }
        given = optarg;
    }
    if (given) {
        snprintf(c->cmdline, sizeof(c->cmdline), "%s", given);
        return PND_EXIT_OK;
    }
    fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : read(fd, c->cmdline, sizeof(c->cmdline) - 1);
    if (n < 0)
        return pnd_complain(PND_EXIT_CANNOT, "read /proc/cmdline: %s", strerror(errno));
    c->cmdline[n] = '\0';
    c->cmdline[strcspn(c->cmdline, "\n")] = '\0';
    return PND_EXIT_OK;
}

int pnd_verb_capture(int argc, char **argv)
{
    struct capture *c = &capture_state;
    bool init = getpid() == 1;
    struct pnd_why why;
    int status;

    c->fd = -1;
    if (init)
        pnd_boot_init();
    else
        pnd_stop_init();
    status = read_cmdline(c, argc, argv);
    if (status && !init)
        return status < 0 ? PND_EXIT_OK : status;
    if (pnd_capture_options_parse(c->cmdline, &c->options, &why))
        status = pnd_complain(PND_EXIT_CANNOT, "%s", why.text);
    if (init)
        pnd_boot_modules();
    if (!status)
        status = run(c);
    if (c->fd >= 0)
        close(c->fd);
    if (init)
        pnd_boot_end(c->options.after);
    return status;
}
