/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What happens, to everybody who looks: one watcher on the control socket of panicd, as long as
 * there is a viewer, whose events all streams share. A viewer who does not read is dropped when
 * PND_FEED_EVENTS later ones are there; the browser comes back by itself, and is told to look at
 * everything again. */
#ifndef PND_PANICWEB_FEED_H
#define PND_PANICWEB_FEED_H

#include "panicweb/web.h"

enum {
    PND_FEED_EVENTS = 4096,       /* kept for viewers who are behind */
    PND_FEED_BYTES_MAX = 8 << 20, /* of them */
    PND_FEED_LINE_MAX = 1 << 20,  /* of panicd */
    PND_FEED_GATHER_MS = 100,     /* progress is sent on together */
    PND_FEED_STATUS_MS = 10000,
    PND_FEED_STATUS_SOON_MS = 1000, /* for somebody new, since the last one */
    PND_FEED_COMMENT_MS = 15000,
    PND_FEED_RETRY_MS = 500,    /* before panicd is looked for again */
    PND_FEED_LINGER_MS = 10000, /* the last viewer may come back */
};

/* Starts its thread. @param guests  looked through once a second */
int pnd_feed_start(const struct pnd_spool *spool, struct pnd_guests *guests, struct pnd_feed **ret,
                   struct pnd_why *why);

/* No further event: every stream ends. Before MHD_stop_daemon(). */
void pnd_feed_stop(struct pnd_feed *feed);
void pnd_feed_destroy(struct pnd_feed *feed); /* NULL is fine */

/* How many look on at the moment. */
unsigned pnd_feed_viewers(struct pnd_feed *feed);

/* A file descriptor that a response waits for: @p connection, suspended by its thread, is resumed
 * when @p fd can be read or its other end is gone.
 *   @return PND_OK; PND_E_FULL; PND_E_SYS */
int pnd_feed_await(struct pnd_feed *feed, int fd, struct MHD_Connection *connection);

#endif
