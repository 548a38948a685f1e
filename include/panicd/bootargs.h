/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Boot-args, the debug= flags, and the decision: what a machine does when it panics, is sent an
 * NMI, or calls Debugger(). Everything here is a pure function of its arguments: no state, no
 * memory but the caller's, less than 512 bytes of stack; all of it may be called in a panic.
 *
 * The line is a string of tokens `name`, `name=value`, `-name`, separated by blanks and tabs:
 *   - names are compared whole and case-sensitively
 *   - of `-name` and `_name` the first occurrence counts, of any other name the last
 *   - `name` alone is the number 1; `_name` alone takes the next token without its first byte
 *   - `name =value` is nothing; `name=` is an empty string
 *   - numbers: an optional minus sign, then 0x hexadecimal, 0b binary, 0 and octal digits, or
 *     decimal, then one optional k, m or g in either case; anything else is a string
 * PROTOCOL.md#kdp-3.1, #kdp-3.2, #kdp-4, #kdp-2.8, #kdp-2.9 */
#ifndef PANICD_BOOTARGS_H
#define PANICD_BOOTARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panicd/err.h"

struct pnd_bootarg {
    const char *text; /* the value, in the line; not NUL-terminated */
    size_t len;
    bool is_number;
    uint64_t number; /* modulo 2^64; a negative one is its two's complement */
};

/* @p line ends at its NUL.
 *   @param name  as in the line: "debug", "_panicd_ip", "-v"
 *   @return PND_OK; PND_E_NOTFOUND */
int pnd_bootargs_find(const char *line, const char *name, struct pnd_bootarg *ret);

/* The value as text, cut at @p cap - 1 bytes, with its NUL. A bare name gives "1", like the
 * number it is.
 *   @param cap  at least 1
 *   @return PND_OK; PND_E_NOTFOUND, and @p ret is left as it was */
int pnd_bootargs_string(const char *line, const char *name, char *ret, size_t cap);

/* The value as Apple's kernel stores it in an integer of @p size bytes (1, 2, 3, 4 or 8; any
 * other counts as 4): a number is cut to that size; of a string, size - 1 bytes and a NUL are
 * copied over it, least significant first, and what it held before remains behind them.
 *   @param value  in: what the variable holds; out: what it holds then
 *   @return PND_OK; PND_E_NOTFOUND, and @p value is left as it was; PND_E_FORMAT it was a string:
 *           stored all the same, for those who want the original's mistake */
int pnd_bootargs_integer(const char *line, const char *name, size_t size, uint64_t *value);

enum pnd_debug_bit {
    PND_DB_HALT = 0x1,
    PND_DB_PRT = 0x2,
    PND_DB_NMI = 0x4,
    PND_DB_KPRT = 0x8,
    PND_DB_KDB = 0x10,
    PND_DB_SLOG = 0x20,
    PND_DB_ARP = 0x40,
    PND_DB_KDP_BP_DIS = 0x80,
    PND_DB_LOG_PI_SCRN = 0x100,
    PND_DB_KDP_GETC_ENA = 0x200,
    PND_DB_KERN_DUMP_ON_PANIC = 0x400,
    PND_DB_KERN_DUMP_ON_NMI = 0x800,
    PND_DB_DBG_POST_CORE = 0x1000,
    PND_DB_PANICLOG_DUMP = 0x2000,
    PND_DB_REBOOT_POST_CORE = 0x4000,
    PND_DB_NMI_BTN_ENA = 0x8000,
    PND_DB_PRT_KDEBUG = 0x10000,
    PND_DB_DISABLE_LOCAL_CORE = 0x20000,
    PND_DB_DISABLE_GZIP_CORE = 0x40000,
    PND_DB_DISABLE_CROSS_PANIC = 0x80000,
    PND_DB_REBOOT_ALWAYS = 0x100000,
    PND_DB_DISABLE_STACKSHOT_TO_DISK = 0x200000,
    PND_DB_DEBUG_IP_INIT = 0x400000,
    PND_DB_SOC_HALT_ENABLE = 0x800000,
};

struct pnd_debug_flag {
    uint32_t bit;
    const char *name;      /* "DB_HALT" */
    uint16_t since, until; /* trains of xnu that have it; until 0: still */
    const char *meaning;   /* without a full stop */
};

/* The flags in the order of their bits. @return NULL when @p index is past the last */
const struct pnd_debug_flag *pnd_debug_flag(unsigned index);

/* The bits of @p debug that mean something in train @p xnu (0: the current one). Any bit at all,
 * even one that means nothing, still makes debug= "not 0". */
uint32_t pnd_debug_effective(uint32_t debug, uint32_t xnu);

enum { PND_XNU_CURRENT = 11417 };

/* Every boot-arg that touches a dump, as that train of xnu reads it. What a train does not know
 * yet, or the line does not have, holds its default: what is said here, else 0, false or "".
 * Texts are cut at the end of their array; a text in a number's place lands in it, byte by byte, as
 * in the original. @source PROTOCOL.md#kdp-3.2 */
struct pnd_bootargs {
    uint32_t xnu;   /* the train whose rules hold */
    uint32_t debug; /* as given; ask pnd_debug_effective() */
    bool has_panicd_ip, has_router_ip, has_corename, has_ip_addr, has_match_name, has_match_mac;
    uint32_t server, router, own;   /* the addresses, in host order; 0: none, or no dotted quad */
    uint16_t port;                  /* 1069; as given, were it 0 */
    uint32_t block_bytes;           /* 1406; as given, were it 0; before 7195 also more */
    bool keepsyms;                  /* backtraces get names */
    uint64_t corefile_mb;           /* 0: not given */
    uint32_t coredump_encryption;   /* 1; bit 0: can be had, bit 1: no local core without */
    uint64_t phys_carveout_mb;      /* a contiguous area for debugging */
    bool phys_carveout_core;        /* true: cores have that area */
    bool verbose_panic_flow;        /* say more about each step */
    uint32_t nested_panic_max;      /* 2 */
    uint32_t panic_restart_timeout; /* seconds; 0: not given */
    uint16_t panic_io_port, pvpanic_io_port; /* 0: not given */
    bool watchdog_off;                       /* wdt=-1: none bites during a long dump */
    char panicd_ip[20], router_ip[20];       /* as given */
    char corename[100]; /* whole name of every dump; before 3789 49 bytes of it */
    char ip_addr[20];
    char match_name[32], match_mac[18];
};

/*   @param xnu  the train, 123 to 65535; 0: PND_XNU_CURRENT */
void pnd_bootargs_read(const char *line, uint32_t xnu, struct pnd_bootargs *ret);

/* Exactly four decimal numbers of one to three digits, up to 255, with dots between.
 *   @return PND_OK; PND_E_FORMAT */
int pnd_dotted_quad(const char *text, uint32_t *ret);

enum pnd_trigger {
    PND_TRIGGER_PANIC,
    PND_TRIGGER_NMI,
    PND_TRIGGER_DEBUGGER, /* Debugger() was called */
    PND_TRIGGER_BOOT,     /* the machine comes up: DB_HALT */
};

/* One dump to the network, asked for by whoever sits at the machine or at its debugger.
 * @source PROTOCOL.md#kdp-2.3 */
enum pnd_asked { PND_ASKED_NOTHING = 0, PND_ASKED_CORE, PND_ASKED_LOG, PND_ASKED_SYSTEM_LOG };

enum pnd_step {
    PND_STEP_LOCAL_CORE,     /* write the disk corefile */
    PND_STEP_NET_CORE,       /* send a core */
    PND_STEP_NET_LOG,        /* send the panic log */
    PND_STEP_NET_SYSTEM_LOG, /* send the system log; only when it was asked for */
    PND_STEP_WAIT,           /* for a debugger, for ever */
    PND_STEP_CONTINUE,       /* the machine goes on as if nothing had been */
    PND_STEP_REBOOT,
    PND_STEP_SPIN, /* the machine stands; panic_restart_timeout may end that */
};

enum pnd_done { PND_NOT_DONE = 0, PND_DONE_OK, PND_DONE_FAILED };

/* What the machine knows when it has to decide. */
struct pnd_situation {
    const struct pnd_bootargs *args;
    enum pnd_trigger trigger;
    bool arm64;
    bool restricted;                        /* kernel debugging is not allowed on this machine */
    bool transport;                         /* an interface can be had for dumps and the debugger */
    bool corefile;                          /* the corefile was opened before the panic */
    bool no_panic_log;                      /* there is no panic string */
    bool debugger;                          /* a debugger is connected */
    bool reboot_only;                       /* the panic asked for its log and a reboot */
    bool skip_local;                        /* the panic asked for no local core */
    enum pnd_asked asked;                   /* this, and nothing else, whatever debug= says */
    enum pnd_done local, net_core, net_log; /* steps that were taken already; either log */
    bool aborted; /* a second panic during a dump, or the debugger, ended it: no more dumps */
};

struct pnd_decision {
    enum pnd_step step;
    const char *why;      /* one sentence, without a full stop: the flag, or the rule */
    const char *no_local; /* why there is no local core, in the same manner. NULL: it is this step,
                             it was tried, or the order does not come to it */
};

/* The next step. Ask, do it, note the result in the situation, ask again, until a step that does
 * not return: WAIT, CONTINUE, REBOOT or SPIN. It never answers with a dump that was done, and at
 * most two dumps come before the end: the local one, then one to the network.
 *
 * args->xnu chooses the order: from 4570 on that of PROTOCOL.md#kdp-2.8, before it the older ones
 * of the same clause. Without `debug`, or restricted, nothing is registered and nothing dumped.
 *
 * It asks about flags, not about addresses: NET_CORE and NET_LOG are answered also when _panicd_ip
 * is absent or no address. The step itself then says so on the console, and has failed. */
void pnd_decide(const struct pnd_situation *situation, struct pnd_decision *ret);

#endif
