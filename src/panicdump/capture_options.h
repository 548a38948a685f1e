/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the crash kernel's command line says about the dump. Apple's names where Apple has one. */
#ifndef PND_PANICDUMP_CAPTURE_OPTIONS_H
#define PND_PANICDUMP_CAPTURE_OPTIONS_H

#include <net/if.h>
#include <stdint.h>

#include "panicdump/boot.h"
#include "panicdump/panicdump.h"
#include "wire/kdp.h"

struct pnd_capture_options {
    struct pnd_endpoint server;      /* _panicd_ip, panicd_port */
    uint32_t router_ip, own_ip;      /* _router_ip, kdp_ip_addr; 0: not given */
    char match_name[IFNAMSIZ];       /* kdp_match_name */
    char match_mac[13];              /* kdp_match_mac */
    char corename[PND_KDP_NAME_CAP]; /* _panicd_corename */
    char vmcore[256];                /* panicd_vmcore; /proc/vmcore */
    enum pnd_after after;            /* panicd_after, debug */
};

/* @p ret is filled as far as possible also when an option is not usable, so that `after` holds.
 *   @return PND_OK; PND_E_ARG, and @p why says which option, and what it should look like */
int pnd_capture_options_parse(const char *cmdline, struct pnd_capture_options *ret,
                              struct pnd_why *why);

#endif
