/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The smallest complete use of libpanicdump in a kernel. With the boot-args
 *
 *     debug=0x64c44 _panicd_ip=10.0.40.2
 *
 * a kernel that has this file, libpanicdump.a and the functions in embed.h sends its memory to
 * panicd on 10.0.40.2 when it panics (0x20000: not to a local disk; 0x40000: as it is, because no
 * compressor is given here), and restarts when the server holds all of it (0x4000). Nothing here
 * needs a C library, but for memcpy, memmove, memset and memcmp. Compile it, and the library, as
 * the rest of your kernel; the flags in tools/meson.build make 26 KiB of it, without the extension.
 *
 * Replace what is marked YOURS; keep the rest. */
#include "embed.h"

enum { PAGE = 4096 };

/* All the memory the dump takes, set aside now, because nothing can be allocated in a panic. It
 * changes while the dump is written: it has pages of its own, so that they can be left out. */
static _Alignas(PAGE) struct pnd_panic panic;

/* Console, clock and NIC. ctx, the first argument of each, is for those who have several: it is
 * what the struct below says. Here it is not needed. */
static void print(void *ctx, const char *text, size_t len)
{
    (void)ctx;
    hw_console_write(text, len); /* YOURS: a serial line, a frame buffer */
}

static uint64_t now_us(void *ctx)
{
    (void)ctx;
    return hw_time_us(); /* YOURS: a counter that runs without interrupts, in microseconds */
}

/* A frame that the ring cannot take is lost, like one that the wire loses: it is repeated. An
 * error ends the dump: return PND_E_LINK when the hardware is gone. */
static int nic_send(void *ctx, const void *frame, size_t len)
{
    (void)ctx;
    (void)hw_nic_transmit(frame, len); /* YOURS: put it into the ring, ring the bell, wait for it */
    return PND_OK;
}

/* Waits for one frame by looking at the ring, again and again, until the time is up. Take what the
 * running system had left in the ring for frames like any other: the library sorts them out. */
static int nic_receive(void *ctx, void *buf, size_t cap, uint64_t timeout_us)
{
    uint64_t start_us = now_us(ctx);

    do {
        size_t len = hw_nic_poll(buf, cap); /* YOURS: has the next descriptor been filled? */

        if (len > 0)
            return (int)len;
    } while (now_us(ctx) - start_us < timeout_us);
    return PND_E_TIMEOUT;
}

/* The memory to be dumped. The library asks for one region after the other, in ascending order;
 * it walks them three times and must find the same each time. */
static int region_next(void *ctx, uint64_t from, struct pnd_region *ret)
{
    struct pnd_region region;

    (void)ctx;
    /* YOURS: the blocks of RAM, or better: the page tables, so that all virtual memory is there */
    for (unsigned i = 0; hw_memory_block(i, &region.address, &region.physical, &region.len); i++) {
        if (region.address >= from) {
            *ret = region;
            return PND_OK;
        }
    }
    return PND_E_NOTFOUND;
}

/* A page that cannot be read is dumped as bytes `X`, and so are the pages of our own. */
static const void *region_map(void *ctx, uint64_t address)
{
    (void)ctx;
    if (address - (uintptr_t)&panic < sizeof(panic))
        return NULL;
    return hw_memory_page(address); /* YOURS: often the address itself, as a pointer */
}

static const struct pnd_memory memory = {
    .page_bytes = PAGE, .next = region_next, .map = region_map};

static struct pnd_nic nic = {
    .now_us = now_us, .send = nic_send, .receive = nic_receive, .mtu = 1500};

/* At boot. What is 0 or NULL is not there: a disk for a local core, compressors, keys, a counter
 * finer than the clock. panicd/panic.h says what each of them adds. */
int embed_boot(const char *boot_args)
{
    struct pnd_platform platform = {
        .print = print,
        .now_us = now_us,
        .ticks = now_us,
        .memory = &memory,
        .version = "Example Kernel 1.0", /* YOURS */
        .image_address = UINT64_MAX,     /* YOURS: where the kernel's image lies, and below its */
        .uuid = {0},                     /* UUID; a debugger finds the symbols by them */
        .format = PND_CORE_MACHO,        /* for lldb; PND_CORE_ELF for gdb and lldb */
    };

    return pnd_panic_init(&panic, &platform, boot_args, 0);
}

/* In a panic nobody can ask for an address: the library takes the one that the system had last.
 * Call it again when that changes. */
void embed_network_is_up(uint32_t own_ip, const uint8_t gateway_mac[6])
{
    for (unsigned i = 0; i < sizeof(nic.mac); i++)
        nic.mac[i] = hw_nic_mac[i];
    pnd_panic_set_nic(&panic, &nic, own_ip, gateway_mac);
}

/* In a panic, on one CPU, with the others stopped and interrupts off. A fault in here comes back
 * here, by your trap handler: the library sees that it was called within itself, gives the dump
 * up, and does not fault a third time. The deepest call takes 4 KiB of stack, and yours below. */
void embed_panic(const char *log, size_t log_len, const struct pnd_regs_x86_64 *regs)
{
    struct pnd_event event = {
        .trigger = PND_TRIGGER_PANIC, /* PND_TRIGGER_NMI when the NMI button was pressed */
        .regs = *regs,                /* as they were when it panicked, from the trap frame */
        .log = log,                   /* what a person should read, as text */
        .log_len = log_len,
    };

    switch (pnd_panic_run(&panic, &event)) {
    case PND_PANIC_CONTINUE: /* an NMI, and the boot-args said: dump and go on */
        return;
    case PND_PANIC_REBOOT:
        hw_reboot(); /* YOURS */
    case PND_PANIC_SPIN:
        break;
    }
    hw_halt(); /* YOURS */
}
