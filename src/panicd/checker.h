/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The thread that reads dumps, each in a caged child, far from the packets. Those that have ended
 * get their SHA-256, format and verdict, one at a time: the catalog is the queue, it takes the rows
 * that are not checked yet, so that a restart forgets none. Those that still arrive are followed, a
 * few at a time: what the machine was and why it died is in the catalog as soon as the bytes that
 * say so are there, and at the end the verdict is near. It also adds up what is kept, for the
 * policy. */
#ifndef PND_PANICD_CHECKER_H
#define PND_PANICD_CHECKER_H

#include <stdbool.h>
#include <stdint.h>

#include "host/why.h"
#include "panicd/handover.h"
#include "panicd/peer.h"
#include "panicd/usage.h"
#include "store/catalog.h"
#include "store/catalog_facts.h"
#include "store/spool.h"

struct pnd_checker;

/* @param handover  outlives the checker; NULL: nobody asks for netdumpd's names */
int pnd_checker_start(const struct pnd_spool *spool, const struct pnd_handover *handover,
                      struct pnd_checker **ret, struct pnd_why *why);

/* Ends the check that is running; it starts anew next time. NULL is fine. */
void pnd_checker_stop(struct pnd_checker *checker);

/* There may be rows to check. Cheap; any thread. */
void pnd_checker_wake(struct pnd_checker *checker);

enum {
    PND_CHECKER_FOLLOWED_MAX = 2,           /* dumps that are read while they arrive */
    PND_CHECKER_FOLLOW_FIRST = 256 << 10,   /* bytes that must be there before it is worth it */
    PND_CHECKER_FOLLOW_STEP = 1 << 20,      /* and how often the checker is told of more */
    PND_CHECKER_FOLLOW_IDLE_MS = 60 * 1000, /* a dump without more for so long is given up on */
};

/* The first @p bytes of dump @p id of @p peer lie in NAME.part, @p file being NAME, and will not
 * change. When it is followed, or there is room for one more, the checker reads on. Cheap; network
 * thread. */
void pnd_checker_arriving(struct pnd_checker *checker, uint64_t id, const char *file,
                          const struct pnd_addr *peer, uint64_t bytes);

/* Bytes of @p id that were told of have changed: it is read anew when it has ended, not before. */
void pnd_checker_changed(struct pnd_checker *checker, uint64_t id);

/* The row of @p dump, which was kept, is gone: it arrives again. Network thread. */
void pnd_checker_taken_up(struct pnd_checker *checker, const struct pnd_dump *dump);

/* Readable when pnd_checker_next() has something. */
int pnd_checker_fd(const struct pnd_checker *checker);

/* What has become known of a dump: its verdict, or, while it arrives, why its machine died. */
struct pnd_checker_news {
    bool verdict;
    bool known;             /* why the machine died was told while the dump arrived */
    struct pnd_dump dump;   /* without a verdict only the id is set */
    struct pnd_group group; /* signature.id "": none */
};

/* @return false: none */
bool pnd_checker_next(struct pnd_checker *checker, struct pnd_checker_news *ret);

/* Bytes kept: in all, and of one source. At most PND_CHECKER_USAGE_S seconds old. */
enum { PND_CHECKER_USAGE_S = 10 };

void pnd_checker_usage(struct pnd_checker *checker, const struct pnd_addr *source,
                       uint64_t *ret_source, uint64_t *ret_total);

/* Dumps that wait for a check, the one under way included. */
unsigned pnd_checker_pending(struct pnd_checker *checker);

/* What is kept, of the same age. */
void pnd_checker_kept(struct pnd_checker *checker, struct pnd_usage_kept *ret);

#endif
