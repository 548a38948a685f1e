/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What panicd.conf(5) and the command line say. Plain data: a re-read makes a new one. */
#ifndef PND_PANICD_CONFIG_H
#define PND_PANICD_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "host/why.h"
#include "panicd/peer.h"
#include "panicd/protocol.h"

enum {
    PND_CONFIG_ADDRESSES_MAX = 8,
    PND_CONFIG_ALLOW_MAX = 64,
    PND_CONFIG_SLOTS_MAX = 16384,
    /* Nobody said which: the service's own, and if that is taken, it may be done without it. */
    PND_CONFIG_PORT_UNSAID = 65536,
};

struct pnd_config_addresses {
    char at[PND_CONFIG_ADDRESSES_MAX][PND_PEER_TEXT_CAP];
    unsigned count;
};

struct pnd_config_allow {
    struct pnd_cidr at[PND_CONFIG_ALLOW_MAX];
    unsigned count; /* 0: every address may send */
};

/* Whose dumps have netdumpd's names (store/savecore.h). */
enum pnd_config_names { PND_CONFIG_NAMES_OWN, PND_CONFIG_NAMES_NETDUMP, PND_CONFIG_NAMES_ALL };

struct pnd_config {
    /* [receive]: taken at start only */
    char directory[4096]; /* "": the command line or ./PanicDumps decides */
    struct pnd_config_addresses addresses;
    uint64_t ports[PND_SERVICES]; /* 0: nobody listens for it; PND_CONFIG_PORT_UNSAID */
    uint64_t slots;               /* transfers remembered, ended ones and openings included */
    enum pnd_config_names names;
    bool paths;       /* what a herald calls its directory becomes one */
    char hook[4096];  /* an absolute path; "": none */
    uint64_t hook_ms; /* that one call may take; [time], but at start only */
    /* [policy] and [time]: taken again on SIGHUP */
    struct pnd_config_allow allow;
    uint64_t transfers_max;      /* live at a time */
    bool extension;              /* is granted to senders that know it */
    uint64_t source_bytes_max;   /* kept of one address; 0: no limit */
    uint64_t total_bytes_max;    /* kept in all; 0: no limit */
    uint64_t floor_bytes;        /* stay free on the disk */
    struct pnd_rx_limits limits; /* dump_bytes_max among them */
};

void pnd_config_init(struct pnd_config *ret);

/* The port of the service; 0: none. */
uint16_t pnd_config_port(const struct pnd_config *config, enum pnd_service service);

/* @p ret is changed only when the whole file is good.
 *   @return PND_OK; PND_E_FORMAT a line that means nothing (why names it); PND_E_SYS */
int pnd_config_read(const char *path, struct pnd_config *ret, struct pnd_why *why);

#endif
