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
#include "panicd/cookie.h"
#include "panicd/counters.h"
#include "panicd/keeper.h"
#include "panicd/messenger.h"
#include "panicd/net.h"
#include "panicd/table.h"
#include "panicd/turn.h"
#include "store/journal.h"
#include "store/spool.h"

enum {
    PND_SERVER_WRITE_BACK = 8 << 20, /* bytes after which write-back is started */
    /* With so many processors, one is free to read what arrives. With fewer, so many bytes of every
     * dump are read while it arrives, and the rest only if it does not come faster than so many
     * bytes per second. With one, which the sender may need as well, what comes faster than that is
     * not read at all before its end. */
    PND_SERVER_SPARE_CPUS = 4,
    PND_SERVER_FOLLOW_FREE = 16 << 20,
    PND_SERVER_FOLLOW_RATE = 256 << 20,
    PND_SERVER_FOLLOW_RATE_ONE = 32 << 20,
    PND_SERVER_REFUSALS_S = 10, /* refusals logged per second; the rest is counted */
    PND_SERVER_WHY_CAP = 512,
    PND_SERVER_TICKS_MS = 64, /* dumps that arrive whose deadlines are looked at per ms */
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
    struct pnd_handover handover; /* the checker's */
    struct pnd_control *control;
    struct pnd_messenger messenger;
    uint64_t next_id, next_generation, next_turn;
    uint64_t next_tick_ms;      /* no dump that arrives has a deadline before this, */
    uint64_t no_tick_before_ms; /* nor is looked after before that; */
    uint64_t next_sweep_ms;     /* no other slot has one before this */
    int64_t started_ms;         /* wall clock */
    uint64_t room_free, room_total;
    unsigned resumed;                               /* transfers taken over from the journal */
    char unheard[PND_SERVICES][PND_SERVER_WHY_CAP]; /* why nobody listens for it; "" otherwise */
    uint64_t refusals_s, refusals_logged, refusals_unlogged;
    struct pnd_counters counters;
    uint32_t finishing; /* dumps that are being kept */
    uint32_t ending;    /* dumps that have no slot any more, and no row yet */
    int cpus;           /* that it may use */
    struct pnd_cookie_key cookie_key;
    struct pnd_turn turn;
    bool lockstep; /* the last packet was one of a sender that waits for the answer to each */
};

/* Spool, journal, catalog, slots, and what the journal says was under way; no sockets yet.
 *   @return PND_OK; PND_E_BUSY another server has the directory; PND_E_NOSPACE; PND_E_SYS */
int pnd_server_open(struct pnd_server *server, const char *directory, struct pnd_why *why);

/* Live transfers stay in the journal; what is finishing is finished. */
void pnd_server_close(struct pnd_server *server);

/* Deadlines. When they are due, first hear what waits in the sockets: a packet that nobody has
 * read yet is no silence. pnd_server_timeout_ms(): until the next one, at most 1000. */
bool pnd_server_tick_due(const struct pnd_server *server);
void pnd_server_tick(struct pnd_server *server);
int pnd_server_timeout_ms(const struct pnd_server *server);

/* @return how many dumps arrive, those that are only being kept left out */
uint32_t pnd_server_hurried(const struct pnd_server *server);

/* The slot's session has a deadline: the next tick is not later. */
void pnd_server_mind_deadline(struct pnd_server *server, const struct pnd_slot *slot);

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
