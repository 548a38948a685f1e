/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The dumps of a directory as a person sees them: the rows of the catalog, what the server says
 * is arriving, and, without a server, the .part files that wait for one. */
#ifndef PND_VIEW_VIEW_H
#define PND_VIEW_VIEW_H

#include <jansson.h>

#include "store/catalog.h"
#include "store/spool.h"

enum {
    PND_VIEW_WAIT_MS = 5000, /* for the verdict on a dump that has just ended */
    PND_VIEW_POLL_MS = 20,
};

struct pnd_view {
    struct pnd_dump dump; /* id 0: none known; reason is filled in also while it arrives */
    bool arriving;        /* bytes may still come: not in the catalog yet */
    bool resumed;
    uint64_t rate, idle_ms; /* of a transfer: bytes a second, ms since the last packet */
};

struct pnd_views {
    struct pnd_view *at; /* in order of id, those without one last */
    size_t count, cap;
    bool serving; /* a server answered */
};

/* All of them. Rows whose check is under way are waited for, at most @p wait_ms.
 *   @return PND_OK (free with pnd_views_deinit()); PND_E_SYS */
int pnd_views_read(const struct pnd_spool *spool, struct pnd_catalog *catalog, unsigned wait_ms,
                   struct pnd_views *ret, struct pnd_why *why);
void pnd_views_deinit(struct pnd_views *views);

/* The one that @p sel names, as pnd_catalog_find() understands it; else among those arriving.
 * Waits as above.
 *   @return PND_OK; PND_E_NOTFOUND; PND_E_SYS */
int pnd_view_find(const struct pnd_spool *spool, struct pnd_catalog *catalog, const char *sel,
                  unsigned wait_ms, struct pnd_view *ret, struct pnd_why *why);

/* Into the reason of a row whose check is to come or under way: that it is so. */
void pnd_view_say_unchecked(struct pnd_dump *dump, bool serving);

/* A transfer as the control socket describes it. What is missing or of a wrong type counts as
 * not known. */
void pnd_view_from_json(const json_t *transfer, struct pnd_view *ret);

/* The time at @p key, RFC 3339 in UTC with ms. @return ms since 1970; 0 when it is none */
int64_t pnd_view_time(const json_t *from, const char *key);

#endif
