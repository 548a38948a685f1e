/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a crash kernel is told about the dump: words of boot-args, Apple's names where Apple has
 * one. `panicdump arm` writes them into PND_CAPTURE_OPTIONS_PATH of the initramfs (a command line
 * is short, 2 KiB on x86); the crash kernel's own command line is read first, and wins. */
#ifndef PND_CAPTURE_OPTIONS_H
#define PND_CAPTURE_OPTIONS_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "panicd/client.h"

#include "capture/boot.h"
#include "host/why.h"
#include "wire/kdp.h"

#define PND_CAPTURE_OPTIONS_PATH "/lib/panicd/options"
#define PND_CAPTURE_VMCORE       "/proc/vmcore"

enum {
    PND_CAPTURE_SERVERS_MAX = 8,
    PND_CAPTURE_LOCAL_CAP = 256,
    PND_CAPTURE_OPTIONS_CAP = 8192, /* bytes of both texts together */
    PND_CAPTURE_FILTER_MAX = 31,
    PND_CAPTURE_VLAN_MAX = 4094,
    PND_CAPTURE_MTU_MIN = 576,
    PND_CAPTURE_MTU_MAX = 9000,
    PND_CAPTURE_SECONDS_MAX = 7 * 24 * 3600,
    PND_CAPTURE_RETRY_S = 600,    /* panicd_retry, unless it is said */
    PND_CAPTURE_WATCHDOG_S = 120, /* panicd_watchdog, unless it is said */
};

struct pnd_capture_server {
    struct pnd_endpoint at;
    uint8_t via[6]; /* the MAC of the next hop, as it was when this was armed; all 0: ask by ARP */
};

enum pnd_capture_packing {
    PND_PACKING_AUTO, /* gzip; over the extension lz4, as far as there is time for it */
    PND_PACKING_GZIP,
    PND_PACKING_LZ4,
    PND_PACKING_NONE,
};

struct pnd_capture_options {
    /* _panicd_ip=ADDRESS[:PORT][,...], in the order they are tried; panicd_port= for those that
     * name none; panicd_via=MAC[,...], one for each server, "-" for none */
    struct pnd_capture_server servers[PND_CAPTURE_SERVERS_MAX];
    size_t server_count;
    uint32_t router_ip;                /* _router_ip; 0: none */
    uint32_t own_ip;                   /* kdp_ip_addr=ADDRESS[/PREFIX]; 0: not given */
    unsigned prefix;                   /* bits; 0: not given. Only the socket's way needs it */
    char match_name[IFNAMSIZ];         /* kdp_match_name */
    char match_mac[13];                /* kdp_match_mac: 12 digits; arm writes colons as well */
    uint16_t vlan;                     /* panicd_vlan=1 to 4094; 0: untagged */
    uint16_t mtu;                      /* panicd_mtu=576 to 9000, of the way; 0: the interface's */
    char corename[PND_KDP_NAME_CAP];   /* _panicd_corename */
    char vmcore[256];                  /* panicd_vmcore; /proc/vmcore */
    unsigned filter;                   /* panicd_filter=0 to 31, makedumpfile's -d; 0: everything */
    enum pnd_capture_packing packing;  /* panicd_compress=auto|gzip|lz4|none */
    bool plain;                        /* panicd_plain=1: Apple's protocol only */
    char local[PND_CAPTURE_LOCAL_CAP]; /* panicd_local: see target.h; "": none */
    uint32_t retry_s;     /* panicd_retry: seconds after the start until it is given up */
    uint32_t watchdog_s;  /* panicd_watchdog: seconds without a sign of life; 0: none */
    enum pnd_after after; /* panicd_after=reboot|poweroff|halt|wait|shell, debug= */
};

/* @p text: words NAME=VALUE with blanks between; of a word that stands twice the first counts, and
 * one without a value says nothing. @p ret is filled also when an option is not usable: that one
 * stays as if it had not been given, so that a dump need not be lost for it.
 *   @return PND_OK; PND_E_ARG, and @p why says each option that is not usable and what it should
 *           look like, or that there is neither a server nor a local place */
int pnd_capture_options_parse(const char *text, struct pnd_capture_options *ret,
                              struct pnd_why *why);

/* The words of @p options, as pnd_capture_options_parse() reads them, without those that say what
 * is so anyway.
 *   @return PND_OK; PND_E_RANGE they do not fit; PND_E_ARG a text holds a blank, or a choice is
 *           none. @p dst is empty then */
int pnd_capture_options_format(const struct pnd_capture_options *options, char *dst, size_t cap);

#endif
