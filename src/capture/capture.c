/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The capture: see capture.h. */
#include "capture/capture.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "capture/content.h"
#include "capture/deliver.h"
#include "capture/memory.h"
#include "capture/netif.h"
#include "capture/target.h"
#include "capture/vmcore_file.h"
#include "capture/watchdog.h"
#include "codec/gzip.h"
#include "codec/lz4_frame.h"
#include "host/clock.h"
#include "host/text.h"
#include "image/page_select.h"

enum {
    INTERFACE_WAIT_MS = 10000, /* its driver has just been loaded */
    TARGETS_MAX = PND_CAPTURE_SERVERS_MAX + 1,
    LZ4_BLOCK = 256 << 10,
    LZ4_NOTES = 256 << 10, /* of 4 blocks each: 256 GiB of a dump */
};

/* What is sent: one that fails is followed by the next. */
enum choice { BY_MAKEDUMPFILE, BY_OURSELVES, EVERYTHING };

struct capture {
    const struct pnd_capture_options *options;
    enum pnd_capture_how how;
    uint32_t own_ip; /* 0: not known */
    struct pnd_vmcore_file file;
    struct pnd_target targets[TARGETS_MAX];
    struct pnd_content content;
    enum choice choice;
    struct pnd_why why; /* of the content: it may be told late */
    struct pnd_delivery delivery;
    char name[PND_KDP_NAME_CAP];
    struct pnd_gzip gzip;
    _Alignas(16) uint8_t gzip_memory[PND_GZIP_LARGE_MEMORY];
    struct pnd_lz4_frame lz4;
    _Alignas(16) uint8_t lz4_memory[PND_LZ4_FRAME_MEMORY(LZ4_BLOCK)];
    uint8_t lz4_notes[LZ4_NOTES];
};

/* The content, from its start: what was counted in another attempt does not count. */
static int write_content(void *ctx, const struct pnd_sink *sink)
{
    struct capture *c = ctx;

    c->file.unreadable_pages = 0;
    return c->content.write(c->content.ctx, sink);
}

/* Of an odd level, without the pages of zeros: they cost little, packed. */
static int choose_ourselves(struct capture *c, unsigned *level)
{
    int err = pnd_content_filtered(&c->file, *level, &c->content, &c->why);

    if (err != PND_E_FULL || !(*level & PND_PAGE_ZERO) || *level == PND_PAGE_ZERO)
        return err;
    pnd_complain(0, "%s: pages of zeros are kept", c->why.text);
    *level &= ~(unsigned)PND_PAGE_ZERO;
    return pnd_content_filtered(&c->file, *level, &c->content, &c->why);
}

static bool choose_filtered(struct capture *c)
{
    unsigned level = c->options->filter;
    bool theirs = c->choice == BY_MAKEDUMPFILE;
    int err = theirs
                  ? pnd_content_makedumpfile(&c->file, "makedumpfile", level, &c->content, &c->why)
                  : choose_ourselves(c, &level);

    if (!err)
        printf("panicdump: filtered at level %u by %s\n", level,
               theirs ? "makedumpfile" : "the kernel's own lists of pages");
    else if (!theirs && err != PND_E_ABORTED)
        pnd_complain(0, "panicd_filter=%u cannot be done: %s: sending everything", level,
                     c->why.text);
    return !err;
}

static void choose_everything(struct capture *c)
{
    int err = pnd_content_elf(&c->file, &c->content);

    if (err && c->how != PND_CAPTURE_PLAINLY)
        pnd_complain(0,
                     "the dump goes as it stands, and the log is not first: its headers are "
                     "%s",
                     c->file.understood ? pnd_err_text(err) : "not understood");
}

/* The best that there is, from c->choice on. Too much is better than nothing. */
static void choose_content(struct capture *c)
{
    c->why.text[0] = '\0';
    if (c->how == PND_CAPTURE_PLAINLY || !c->options->filter)
        c->choice = EVERYTHING;
    while (c->choice != EVERYTHING && !choose_filtered(c))
        c->choice++;
    if (c->choice == EVERYTHING)
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

/* One name for all attempts: the server knows by it that they are the same dump. */
static void choose_name(struct capture *c)
{
    if (c->options->corename[0])
        snprintf(c->name, sizeof(c->name), "%s", c->options->corename);
    else
        pnd_vmcore_file_name(&c->file, c->own_ip, c->name, sizeof(c->name));
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

static uint64_t now_us(void *ctx)
{
    (void)ctx;
    return pnd_clock_us();
}

static void set_gzip(struct capture *c)
{
    if (pnd_gzip_init_large(&c->gzip, c->gzip_memory, sizeof(c->gzip_memory)) == PND_OK)
        c->delivery.codec = &c->gzip.codec;
    else
        pnd_complain(0, "this zlib wants more memory than there is: sent unpacked");
    c->delivery.suffix = c->delivery.codec ? ".gz" : NULL;
}

static void set_lz4(struct capture *c)
{
    static const struct pnd_adapt_clock clock = {.now_us = now_us};

    if (pnd_lz4_frame_init(&c->lz4, LZ4_BLOCK, c->lz4_memory, sizeof(c->lz4_memory), &clock)) {
        pnd_complain(0, "this liblz4 wants more memory than there is: sent unpacked");
        return;
    }
    pnd_blocks_note(&c->lz4.blocks, c->lz4_notes, sizeof(c->lz4_notes));
    c->delivery.extended_codec = &c->lz4.codec;
    c->delivery.extended_suffix = ".lz4";
}

/* By itself: what any server and any tool of its kind opens, where a packet is waited for anyway;
 * and what costs least, where it is not. */
static void set_codecs(struct capture *c, enum pnd_capture_packing packing)
{
    struct pnd_delivery *d = &c->delivery;

    if (packing == PND_PACKING_AUTO || packing == PND_PACKING_GZIP)
        set_gzip(c);
    if (packing == PND_PACKING_AUTO || packing == PND_PACKING_LZ4)
        set_lz4(c);
    if (packing == PND_PACKING_GZIP) {
        d->extended_codec = d->codec;
        d->extended_suffix = d->suffix;
    } else if (packing == PND_PACKING_LZ4) {
        d->codec = d->extended_codec;
        d->suffix = d->extended_suffix;
    }
}

/* So early, a kernel may have no random numbers yet; then no two crashes are at the same time at
 * the same address. */
static void make_id(const struct capture *c, uint8_t ret[PND_CLIENT_ID_BYTES])
{
    uint64_t us = pnd_clock_us();
    struct timespec wall = {0};

    if (getrandom(ret, PND_CLIENT_ID_BYTES, GRND_NONBLOCK) == PND_CLIENT_ID_BYTES)
        return;
    clock_gettime(CLOCK_REALTIME, &wall);
    us ^= (uint64_t)wall.tv_sec << 20 ^ (uint64_t)wall.tv_nsec << 32;
    memcpy(ret, &us, sizeof(us));
    us = (uint64_t)c->own_ip << 32 ^ c->file.bytes;
    memcpy(ret + sizeof(us), &us, sizeof(us));
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
    make_id(c, d->id);
    if (c->choice != BY_MAKEDUMPFILE)
        set_codecs(c, o->packing);
}

/* The content that is chosen; when it fails, the next. */
static int deliver(struct capture *c, size_t targets)
{
    for (;;) {
        int err;

        choose_content(c);
        set_delivery(c, targets);
        err = pnd_deliver(&c->delivery);
        if (err != PND_E_SOURCE || c->choice == EVERYTHING)
            return err;
        pnd_complain(0, "the filtered dump failed: %s: trying without %s",
                     c->why.text[0] ? c->why.text : pnd_err_text(err),
                     c->choice == BY_MAKEDUMPFILE ? "makedumpfile" : "a filter");
        c->choice++;
    }
}

static void say_end(const struct capture *c, int err)
{
    char used[PND_TEXT_BYTES_CAP];
    uint64_t bytes;

    if (!err && c->file.unreadable_pages)
        printf("panicdump: %" PRIu64 " pages could not be read and were sent as X\n",
               c->file.unreadable_pages);
    if (pnd_memory_used_max(&bytes))
        printf("panicdump: used %s of memory at most\n", pnd_text_bytes(used, sizeof(used), bytes));
}

static int open_file(struct capture *c, struct pnd_why *why)
{
    const char *path = c->options->vmcore;

    if (c->how != PND_CAPTURE_PLAINLY)
        return pnd_vmcore_file_open(&c->file, path, why);
    pnd_why(why, PND_OK, 0, "why the kernel died is left to who receives the dump");
    return pnd_vmcore_file_open_plain(&c->file, path, why);
}

static int run(struct capture *c)
{
    struct pnd_why why = {.text = ""}, saw = {.text = ""};
    struct pnd_failure failure = {.err = PND_OK};
    size_t targets;
    int err;

    if (open_file(c, &saw))
        return pnd_complain(PND_EXIT_CANNOT, "%s", saw.text);
    if (c->file.bytes == 0)
        return pnd_complain(PND_EXIT_CANNOT, "%s is empty", c->options->vmcore);
    say_reason(c, &saw);
    err = find_own_ip(c, &why);
    if (err)
        pnd_complain(0, "%s", why.text);
    /* By hand it can be put right; else the interface may still come, with its address. */
    targets = set_targets(c, !err || c->how != PND_CAPTURE_BY_HAND);
    if (targets == 0)
        return err ? PND_EXIT_CANNOT : pnd_complain(PND_EXIT_CANNOT, "the dump can go nowhere");
    choose_name(c);
    failure.err = deliver(c, targets);
    say_end(c, failure.err);
    return failure.err ? pnd_failure_exit(&failure) : PND_EXIT_OK;
}

int pnd_capture_run(const struct pnd_capture_options *options, enum pnd_capture_how how)
{
    static struct capture capture;
    int status;

    capture.options = options;
    capture.how = how;
    status = run(&capture);
    pnd_vmcore_file_close(&capture.file);
    return status;
}
