/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The process that tells people (panicd-messenger): started, and started anew whenever it has
 * ended. It is given a connection of the control socket, and reads what goes wrong while it is away
 * from the catalog; the server waits for it in nothing. */
#ifndef PND_PANICD_MESSENGER_H
#define PND_PANICD_MESSENGER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "host/why.h"

struct pnd_server;

enum {
    PND_MESSENGER_LOOK_MS = 500,   /* how soon its end is noticed */
    PND_MESSENGER_PAUSE_MS = 1000, /* before it is started anew; twice that the next time ... */
    PND_MESSENGER_PAUSE_MAX_MS = 60000, /* ... */
    PND_MESSENGER_WELL_MS = 60000,      /* one that ran so long began well */
    PND_MESSENGER_STOP_MS = 3000,       /* for its end, when the server ends */
};

struct pnd_messenger {
    char config_path[4096]; /* absolute; "": nobody is to be told */
    char program[4096];
    int64_t since_ms; /* wall clock: somebody is to be told; of its last start */
    pid_t pid;        /* 0: it does not run */
    uint64_t look_ms, start_ms, pause_ms;
};

/* Is anybody to be told, and can that be? The settings are read, and hooks looked for.
 *   @param config_path  NULL: there are none   @return PND_OK; as pnd_conf_read() */
int pnd_messenger_configure(const char *config_path, struct pnd_messenger *ret,
                            struct pnd_why *why);

/* Starts it when it does not run, and is due. Cheap. */
void pnd_messenger_tick(struct pnd_server *server, uint64_t now_ms);

/* Other settings: it ends, and is started anew with them. */
void pnd_messenger_reload(struct pnd_messenger *messenger, const struct pnd_messenger *fresh);

/* Its connection is closed already: it takes what it was told, and ends. */
void pnd_messenger_stop(struct pnd_messenger *messenger);

#endif
