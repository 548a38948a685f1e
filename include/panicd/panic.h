/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The whole routine: a kernel gives what it has - memory, an interface, a disk, compressors, a
 * console - and when it panics, this does what its boot-args say: dumps, texts, file names, order,
 * and what comes after. The parts can be used alone: bootargs.h, core.h, corefile.h, client.h.
 *
 *     at boot:     pnd_panic_init(&panic, &platform, boot_args_line);
 *     in a panic:  switch (pnd_panic_run(&panic, &event)) ... continue, reboot, or stand still
 *
 * Memory: struct pnd_panic, 12 KiB, static; it belongs to what is not dumped (it changes while the
 * dump is written), like the codecs' memory and the driver's rings. Stack: less than 4 KiB besides
 * what the platform's functions take. All bounds of client.h, core.h and corefile.h hold.
 * PROTOCOL.md#kdp-2.3 to #kdp-2.9 */
#ifndef PANICD_PANIC_H
#define PANICD_PANIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panicd/bootargs.h"
#include "panicd/client.h"
#include "panicd/core.h"
#include "panicd/stage.h"

/* What a machine brings. Everything pointed to stays valid; what is NULL is not there.
 *   print  to the console, at once; lines end in \n. In a panic it works without interrupts
 *   key    a key that was pressed on the console, or -1. While the machine waits for a debugger
 *          it is asked at least every 20 ms, also where no key counts: a test may leave there
 *   now_us a clock that only goes forward
 *   ticks  the absolute time counter, for the stamp in file names
 *   printed  what print was given since the run began, for the corefile. NULL: nobody keeps it
 *   system_log  the messages of the running system, oldest first: a ring has two parts, 0 and 1.
 *          @return the part; NULL: there are no more. NULL as the function: there is no such log */
struct pnd_platform {
    void *ctx;
    void (*print)(void *ctx, const char *text, size_t len);
    int (*key)(void *ctx);
    uint64_t (*now_us)(void *ctx);
    uint64_t (*ticks)(void *ctx);
    const void *(*printed)(void *ctx, size_t *ret_len);
    const void *(*system_log)(void *ctx, unsigned part, size_t *ret_len);
    const struct pnd_nic *nic;   /* the one interface that is registered for dumps */
    uint32_t own_ip;             /* of the interface; 0: it has none, and kdp_ip_addr counts */
    uint8_t gateway_mac[6];      /* of the default route; zeros: never learned */
    const struct pnd_disk *disk; /* the corefile's place */
    const char *disk_why;        /* no disk: why not, for the panic log. NULL: "not found" */
    const struct pnd_memory *memory;
    const struct pnd_codec *gzip; /* PROTOCOL.md#kdp-6.4 */
    const struct pnd_codec *lz4;  /* PROTOCOL.md#kdp-7.3; NULL: gzip is used on the disk as well */
    const char *version;          /* of the kernel; "xnu-1234.5" in it goes into file names */
    uint64_t image_address;       /* as in struct pnd_core_config */
    uint8_t uuid[16];
    enum pnd_core_format format;
    uint64_t patience_us; /* for one packet; 0: that of client.h */
    /* As in struct pnd_client_config; NULL: Apple's protocol only. The window is not dumped. With
     * &pnd_client_netdump there is also netdump: then panicd_port= is 20023 unless said. */
    const struct pnd_client_extension *extension;
    const struct pnd_client_netdump_config *netdump;
    void *window;
    size_t window_bytes;
    bool arm64, restricted;
    bool follow_debugger_packets; /* PROTOCOL.md#kdp-2.7: off unless a debugger's side exists */
};

struct pnd_event {
    enum pnd_trigger trigger;
    struct pnd_regs_x86_64 regs;
    const char *log; /* the panic log, as text; NULL: there is none */
    size_t log_len;
    const void *panic_region; /* the panic area with its header (PROTOCOL.md#kdp-9.4), the first */
    size_t panic_region_len;  /* file of the corefile; NULL: there is none */
    bool reboot_only, skip_local; /* what the caller of panic() asked for */
    enum pnd_asked asked;         /* only this; the machine then goes on, or waits if it panicked */
};

enum pnd_panic_end {
    PND_PANIC_CONTINUE, /* return from the trap */
    PND_PANIC_REBOOT,
    PND_PANIC_SPIN, /* stand still, for ever: with panic_restart_timeout it waits in here, and the
                       end is PND_PANIC_REBOOT */
};

enum { PND_PANIC_BYTES = 12288 };

struct pnd_panic {
    uint64_t opaque[PND_PANIC_BYTES / 8];
};

/*   @param platform  copied (not what it points to)
 *   @param line      the boot-args; copied as far as they matter
 *   @param xnu       the train whose order holds; 0: the current one
 *   @return PND_OK; PND_E_ARG print, now_us, ticks or memory is missing */
int pnd_panic_init(struct pnd_panic *panic, const struct pnd_platform *platform, const char *line,
                   uint32_t xnu);

/* The interface got an address or a gateway, or went away (NULL). With NMIs off, or at boot. */
void pnd_panic_set_nic(struct pnd_panic *panic, const struct pnd_nic *nic, uint32_t own_ip,
                       const uint8_t gateway_mac[6]);

const struct pnd_bootargs *pnd_panic_args(const struct pnd_panic *panic);

/* Dumps, and waits for a debugger if that is what the boot-args say. It returns when the machine
 * is to go on, reboot, or stand still.
 * A panic within it - a fault in the memory that is dumped, in a driver - calls it again, on the
 * same struct: the dump under way is aborted ("System dump aborted."; the server is told once, the
 * corefile keeps the files that are whole), no other is begun, and what follows is decided by that
 * inner call, which is the one that ends: the outer ones must not go on. If the fault came from a
 * function of the nic, none of them is called any more. More than nested_panic_max of them:
 * PND_PANIC_SPIN at once, with one word to the console and none to any other device.
 * An NMI within it is no panic: PND_PANIC_CONTINUE at once, and the outer run goes on - except in a
 * machine that waits without having panicked, where anything is a new run. If that ends in
 * PND_PANIC_CONTINUE, the wait goes on.
 * Once it has returned, it can run again, and dump again, under another name.
 *   @param event  stays valid until the end; so does what it points to */
enum pnd_panic_end pnd_panic_run(struct pnd_panic *panic, const struct pnd_event *event);

/* What the last run did, for tests and status lines. */
struct pnd_panic_report {
    enum pnd_done local, net_core, net_log;
    bool aborted;
    int err;        /* of the last dump that failed */
    char name[256]; /* of the last dump that was sent */
    struct pnd_client_stats net;
    struct pnd_core_summary core;
};

void pnd_panic_report(const struct pnd_panic *panic, struct pnd_panic_report *ret);

#endif
