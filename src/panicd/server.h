/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The receiving server as a whole, and the way a datagram takes through it: slot, session,
 * actions, journal, reply. One thread; the keeper and the checker work beside it. */
#ifndef PND_PANICD_SERVER_H
#define PND_PANICD_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "host/why.h"
#include "panicd/checker.h"
#include "panicd/config.h"
#include "panicd/keeper.h"
#include "panicd/net.h"
#include "panicd/table.h"
#include "store/journal.h"
#include "store/spool.h"

enum {
    PND_SERVER_WRITE_BACK = 8 << 20, /* bytes after which write-back is started */
    PND_SERVER_REFUSALS_S = 10,      /* refusals logged per second; the rest is counted */
};

struct pnd_counters {
    uint64_t complete, incomplete, refused, bytes, garbage;
};

struct pnd_control;

struct pnd_server {
    struct pnd_config config;
    struct pnd_spool spool;
    struct pnd_journal *journal;
    struct pnd_table *table;
    struct pnd_net *net;
    struct pnd_keeper *keeper;
    struct pnd_checker *checker;
    struct pnd_control *control;
    uint64_t next_id, next_generation, next_turn;
    uint64_t next_tick_ms; /* no slot has a deadline before this */
    int64_t started_ms;    /* wall clock */
    uint64_t room_free, room_total;
    unsigned resumed; /* transfers taken over from the journal */
    uint64_t refusals_s, refusals_logged, refusals_unlogged;
    struct pnd_counters counters;
    uint32_t ending; /* dumps that have no slot any more, and no row yet */
};

/* Spool, journal, catalog, slots, and what the journal says was under way; no sockets yet.
 *   @return PND_OK; PND_E_BUSY another server has the directory; PND_E_NOSPACE; PND_E_SYS */
int pnd_server_open(struct pnd_server *server, const char *directory, struct pnd_why *why);

/* Live transfers stay in the journal; what is finishing is finished. */
void pnd_server_close(struct pnd_server *server);

/* One datagram of a peer (the callback of pnd_net_receive(); @p ctx is the server). */
void pnd_server_datagram(const struct pnd_origin *from, const uint8_t *data, size_t len, void *ctx);

/* Deadlines. @return milliseconds until the next one, at most 1000 */
int pnd_server_tick(struct pnd_server *server);

/* Results of the keeper, verdicts of the checker. */
void pnd_server_kept(struct pnd_server *server);
void pnd_server_checked(struct pnd_server *server);

/* A file that a tool has put under a hidden name becomes a dump (store/import.h): it gets its id
 * here, the rest is the keeper's, and pnd_control_imported() has the answer for @p token.
 *   @return NULL; or why it is not even begun, for a person */
const char *pnd_server_import(struct pnd_server *server, const char *request, uint64_t token);

/* The row of a dump that still arrives, as the tools show it. */
void pnd_server_describe(const struct pnd_slot *slot, struct pnd_dump *ret);

/* Takes the journal's records into the table (recover.c).
 *   @param ret_last_id  the highest dump id seen */
int pnd_server_recover(struct pnd_server *server, uint64_t *ret_last_id, struct pnd_why *why);

/* The slot's "who" into the journal: peer, names, ids; and its "where": the session. */
void pnd_server_save_who(struct pnd_server *server, const struct pnd_slot *slot);
void pnd_server_save_where(struct pnd_server *server, struct pnd_slot *slot);

#endif
