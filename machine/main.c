/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicbox: a kernel whose only purpose is to panic. It boots in QEMU (-kernel), finds its memory,
 * disk and interfaces, fills its memory with a pattern, and waits to be panicked.
 *
 * Boot-args of its own, besides those of panicd/bootargs.h (PROTOCOL.md#kdp-3.2):
 *
 *     panic=HOW               dies once it is up: now nullptr gpf stack assert nested skip-local
 *                             reboot
 *     debugger=1              calls Debugger() once it is up
 *     panicd_xnu=N            what a panic does, in the order of that train of xnu
 *     panicd_format=FORMAT    macho (the default) or elf
 *     panicd_patience_ms=N    how long one packet is repeated
 *     panicd_plain=1          Apple's protocol only, also with a server that knows the extension
 *     panicd_protocol=netdump FreeBSD's netdump instead; the port is 20023 unless panicd_port= says
 *     panicd_follow=1         a packet to the debugger's port ends a dump
 *     box_exit=1              each end of the machine ends QEMU, by isa-debug-exit (devices.h)
 *     box_unreadable=1        a page of memory cannot be read: a dump has X in its place
 *     -v                      drivers say what they find
 *
 * When it is idle, it takes words from the console; `help` lists them. */
#include <string.h>

#include "clock.h"
#include "codec/gzip.h"
#include "codec/lz4.h"
#include "console.h"
#include "devices.h"
#include "die.h"
#include "image/kdh.h"
#include "main.h"
#include "memory.h"
#include "netif.h"
#include "panic.h"
#include "panic_log.h"
#include "symbols.h"
#include "text.h"
#include "trap.h"

enum {
    WORD_CAP = 32,
    XNU_LZ4_SINCE = 8792,
    MS = 1000,
    SECOND_US = 1000000,
    MIB = 1 << 20,
    DELETE = 0x7f,
    BACKSPACE = 0x08,
    BLOCK = 4096,            /* of a dump over netdump */
    WINDOW_BYTES = 64 << 10, /* as large as one can be that is set aside for a panic */
};

extern const char box_text_start[];

static BOX_WORK struct pnd_gzip gzip;
static BOX_WORK struct pnd_lz4 lz4;
static BOX_WORK uint8_t window[WINDOW_BYTES];
static BOX_WORK uint8_t kdh[PND_KDH_BYTES];
static struct pnd_client_netdump_config netdump = {.header = kdh};

static uint64_t number_arg(const char *name)
{
    uint64_t value = 0;

    (void)pnd_bootargs_integer(box_command_line(), name, sizeof(uint32_t), &value);
    return value;
}

static bool arg_is(const char *name, const char *text)
{
    char value[WORD_CAP];

    return pnd_bootargs_string(box_command_line(), name, value, sizeof(value)) == PND_OK &&
           box_same_text(value, text);
}

static void print(void *ctx, const char *text, size_t len)
{
    static const char waiting[] = "Waiting for remote debugger connection.";
    bool waits = len >= sizeof(waiting) - 1 && memcmp(text, waiting, sizeof(waiting) - 1) == 0;

    (void)ctx;
    if (waits) /* for ever: the library returns from all other ends */
        box_panic_print_stack();
    box_print(text, len);
    if (waits)
        box_exit(BOX_EXIT_WAIT);
}

/* Asked for only while the machine waits for a debugger: it need not keep a processor busy. */
static int key(void *ctx)
{
    int typed = box_key();

    (void)ctx;
    if (typed < 0)
        box_doze();
    return typed;
}

static uint64_t now_us(void *ctx)
{
    (void)ctx;
    return box_now_us();
}

static uint64_t ticks(void *ctx)
{
    (void)ctx;
    return box_ticks();
}

static const void *printed(void *ctx, size_t *ret_len)
{
    (void)ctx;
    return box_console_printed(ret_len);
}

static const void *the_system_log(void *ctx, unsigned part, size_t *ret_len)
{
    (void)ctx;
    return box_system_log(part, ret_len);
}

static void find_netif(const struct pnd_bootargs *args, struct pnd_platform *platform)
{
    struct box_netif *netif;

    (void)box_netif_init();
    netif = box_netif_choose(args);
    if (!netif)
        return;
    box_netif_configure(netif, args);
    platform->nic = &netif->nic;
    platform->own_ip = netif->ip;
    memcpy(platform->gateway_mac, netif->router_mac, sizeof(platform->gateway_mac));
}

/* @source PROTOCOL.md#kdp-2.8, the end: when the stage for the network is there. Before LZ4 came,
 * the disk needed it as well: #kdp-7.3 */
static void make_codecs(const struct pnd_bootargs *args, struct pnd_platform *platform)
{
    uint32_t flags = pnd_debug_effective(args->debug, args->xnu);

    if (pnd_lz4_init(&lz4) == PND_OK)
        platform->lz4 = &lz4.codec;
    else
        box_printf("panicbox: this liblz4 wants more memory than PND_LZ4_STATE\n");
    if (args->debug == 0 || ((flags & PND_DB_REBOOT_ALWAYS) && args->xnu >= XNU_LZ4_SINCE))
        return;
    if (pnd_gzip_init(&gzip) == PND_OK)
        platform->gzip = &gzip.codec;
    else
        box_printf("panicbox: this zlib wants more memory than PND_GZIP_MEMORY\n");
}

/* FreeBSD's protocol: what is known of a dump before there is one goes into its header. */
static void choose_netdump(struct pnd_platform *platform)
{
    struct pnd_kdh header = {.version = PND_KDH_VERSION_MAX,
                             .architecture = "amd64",
                             .block_bytes = BLOCK,
                             .host = "panicbox",
                             .os = BOX_KERNEL_VERSION};

    if (!arg_is("panicd_protocol", "netdump"))
        return;
    if (pnd_kdh_write(&header, kdh) != PND_OK)
        box_printf("panicbox: there is no such header of a dump\n");
    platform->extension = &pnd_client_netdump;
    platform->netdump = &netdump;
}

static void bring_up(const struct pnd_bootargs *args)
{
    struct pnd_platform platform = {
        .print = print,
        .key = key,
        .now_us = now_us,
        .ticks = ticks,
        .printed = printed,
        .system_log = the_system_log,
        .memory = box_memory(),
        .version = BOX_KERNEL_VERSION,
        .image_address = (uint64_t)(uintptr_t)box_text_start,
        .format = arg_is("panicd_format", "elf") ? PND_CORE_ELF : PND_CORE_MACHO,
        .patience_us = number_arg("panicd_patience_ms") * MS,
        .extension = number_arg("panicd_plain") ? NULL : &pnd_client_extension,
        .window = window,
        .window_bytes = sizeof(window),
        .follow_debugger_packets = number_arg("panicd_follow") != 0,
    };

    choose_netdump(&platform);
    memcpy(platform.uuid, box_uuid, sizeof(platform.uuid));
    box_power_init();
    box_exit_enable(number_arg("box_exit") != 0);
    find_netif(args, &platform);
    platform.disk = box_corefile_partition(&platform.disk_why);
    make_codecs(args, &platform);
    box_memory_fill();
    if (number_arg("box_unreadable"))
        box_memory_poison(false);
    box_panic_init(&platform, (uint32_t)number_arg("panicd_xnu"), box_idle);
}

/* What the boot-args ask for, of what a machine can do to itself. */
static void obey(const struct pnd_bootargs *args)
{
    char how[WORD_CAP];

    if (pnd_debug_effective(args->debug, args->xnu) & PND_DB_HALT)
        box_halt_at_boot();
    if (number_arg("debugger"))
        box_debugger("debugger=1");
    if (pnd_bootargs_string(box_command_line(), "panic", how, sizeof(how)) != PND_OK)
        return;
    box_die(how);
    box_printf("panicbox: panic=%s is no way to die: " BOX_WAYS_TO_DIE "\n", how);
}

void box_main(uint64_t start_info)
{
    static struct pnd_bootargs args;
    struct pnd_bootarg verbose;

    box_console_init();
    box_trap_init();
    box_memory_init(start_info);
    box_clock_init();
    pnd_bootargs_read(box_command_line(), (uint32_t)number_arg("panicd_xnu"), &args);
    box_console_verbose((args.debug & PND_DB_KPRT) ||
                        pnd_bootargs_find(box_command_line(), "-v", &verbose) == PND_OK);
    box_printf("panicbox %s: %llu MiB\n", PND_VERSION,
               (unsigned long long)((box_ram_bytes() + MIB - 1) / MIB));
    bring_up(&args);
    obey(&args);
    box_idle();
}

static void power_button(void)
{
    if (pnd_debug_effective(box_panic_args()->debug, box_panic_args()->xnu) & PND_DB_NMI_BTN_ENA) {
        __asm__ volatile("int $2" : : : "memory");
        return;
    }
    box_printf("panicbox: switching off\n");
    box_poweroff();
}

static void obey_word(const char *word)
{
    if (box_same_text(word, "help"))
        box_printf("help " BOX_WAYS_TO_DIE " nmi debugger core paniclog systemlog poweroff\n");
    else if (box_same_text(word, "nmi"))
        __asm__ volatile("int $2" : : : "memory");
    else if (box_same_text(word, "debugger"))
        box_debugger("typed");
    else if (box_same_text(word, "core"))
        box_ask(PND_ASKED_CORE);
    else if (box_same_text(word, "paniclog"))
        box_ask(PND_ASKED_LOG);
    else if (box_same_text(word, "systemlog"))
        box_ask(PND_ASKED_SYSTEM_LOG);
    else if (box_same_text(word, "reboot")) {
        box_printf("panicbox: restarting\n");
        box_reboot();
    } else if (box_same_text(word, "poweroff")) {
        box_printf("panicbox: switching off\n");
        box_poweroff();
    } else if (word[0] != '\0') {
        box_die(word);
        box_printf("panicbox: no such word; type help\n");
    }
}

/* Takes what was typed, with an echo. @return a whole line; NULL: none yet */
static const char *read_word(bool *ret_begun)
{
    static char word[WORD_CAP];
    static size_t len;
    int typed;

    while ((typed = box_key()) >= 0) {
        char c = (char)typed;

        if (c == '\r' || c == '\n') {
            box_print("\n", 1);
            word[len] = '\0';
            len = 0;
            *ret_begun = false;
            return word;
        }
        if ((c == BACKSPACE || c == DELETE) && len > 0) {
            len--;
            box_print("\b \b", 3);
        } else if (c > ' ' && c < DELETE && len < sizeof(word) - 1) {
            word[len++] = c;
            box_print(&c, 1);
        }
    }
    *ret_begun = len > 0;
    return NULL;
}

void box_idle(void)
{
    uint64_t next = box_now_us() + SECOND_US;
    unsigned seconds = 0;

    box_printf("panicbox: ready\n");
    for (;;) {
        bool begun;
        const char *word = read_word(&begun);

        if (word)
            obey_word(word);
        if (box_power_button())
            power_button();
        if (box_now_us() >= next) {
            next += SECOND_US;
            seconds++;
            if (!begun) /* it would tear the word apart */
                box_printf("panicbox: alive %u\n", seconds);
        }
        box_doze();
    }
}
