/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A machine for the panic routine to run on, without hardware: a console that is kept, keys that
 * were written down before, an Ethernet with a real receiving session behind it, a disk in memory,
 * and a clock that moves when somebody waits. */
#ifndef PND_TESTS_PANIC_MACHINE_H
#define PND_TESTS_PANIC_MACHINE_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "panicd/panic.h"
#include "sim/owner.h"

enum {
    OWN = 0x0a002801,    /* 10.0.40.1 */
    SERVER = 0x0a002802, /* 10.0.40.2 */
    ROUTER = 0x0a0028fe, /* 10.0.40.254 */
    MEMORY_PAGES = 40,
    HOLE_PAGE = 7, /* cannot be read */
    CONSOLE_CAP = 16384,
    DISK_BYTES = 1 << 20,
    FRAMES_CAP = 16,
    RESUMED = 100, /* how a run ends that never returns: the machine waits */
};

struct machine {
    struct pnd_panic panic;
    struct pnd_platform platform;
    struct pnd_event event;
    struct pnd_nic nic;
    struct pnd_disk disk;
    struct pnd_memory memory;
    struct pnd_codec gzip, lz4;
    uint64_t now_us, step_us; /* step_us: the clock moves so far when it is looked at */
    uint64_t ticks;
    int end;     /* how the run ended */
    jmp_buf out; /* where a run ends that would never return */

    char console[CONSOLE_CAP + 1];
    size_t console_len, mark; /* mark: where this run began */
    const char *keys;         /* typed one after the other, '.' for none; then the run ends */
    unsigned keys_asked;

    /* the wire */
    struct owner owner; /* the server; silent unless serves */
    bool serves, answers_arp, router_answers_arp;
    uint32_t refuses_code; /* with refusal: its answer to every packet */
    const char *refusal;
    unsigned silent_after;   /* datagrams that it still answers; 0: all */
    unsigned debugger_after; /* datagrams after which one comes to port 41139; 0: none does */
    uint64_t down_from_us, down_until_us; /* the link */
    int send_err;
    unsigned arp_requests, arp_replies, datagrams, errors;
    uint16_t from_port, to_port; /* of the last datagram */
    size_t block_max;            /* the largest DATA */
    uint8_t last_mac[6];         /* where the last datagram went */
    struct {
        size_t len;
        uint8_t bytes[1514];
    } frames[FRAMES_CAP];
    unsigned frame_count;

    /* the disk */
    uint8_t disk_bytes[DISK_BYTES];
    unsigned disk_writes, disk_fails_from; /* 0: never */

    /* the codecs: a mark in front, and the bytes as they are */
    const struct pnd_sink *next;
    unsigned begun;

    /* called when a page is read, a frame is sent, or the disk is written; by number from 1 on */
    void (*on_map)(struct machine *m, unsigned number);
    void (*on_send)(struct machine *m, unsigned number);
    void (*on_write)(struct machine *m, unsigned number);
    unsigned maps, sends;
};

extern struct machine machine;

/* A machine with everything, whose server answers. */
void machine_reset(void);
/* The boot-args are read, and the routine runs. @return how it ended, or RESUMED */
int machine_panic(const char *boot_args);
int machine_panic_xnu(const char *boot_args, uint32_t xnu);
/* Once more, with what is there. */
int machine_again(void);
/* From a callback: another panic, whose end is that of the whole run. */
void machine_panic_again(void);

/* Is @p text on the console of the last run? And all of these, in this order? */
bool console_has(const char *text);
bool console_has_all(const char *const *texts); /* NULL ends them */
#define CONSOLE_HAS_IN_ORDER(...) console_has_all((const char *const[]){__VA_ARGS__, NULL})

/* The core that is to arrive; @p prefix is the codec's mark, or "". @return its length */
size_t machine_core(uint8_t *ret, size_t cap, const char *prefix);

#endif
