/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is known of every dump that has ended: SQLite in WAL mode, .panicd/catalog.db. The
 * directory is the truth, the catalog its index: a lost one is rebuilt from the files, and from
 * the extended attribute "user.panicd" (JSON of the row) that each file carries where the file
 * system has them. One catalog handle belongs to one thread; other threads with handles of their
 * own and other processes may read and write at the same time. Every call that asks the catalog may
 * return PND_E_BUSY (another program held it for more than 5 s) and PND_E_FORMAT (damaged). */
#ifndef PND_STORE_CATALOG_H
#define PND_STORE_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/why.h"
#include "store/spool.h"

enum pnd_dump_state {
    PND_DUMP_RECEIVING,  /* still arriving, or arrived and not yet checked (see checked) */
    PND_DUMP_COMPLETE,   /* every byte came, and the container checks out */
    PND_DUMP_INCOMPLETE, /* reason and missing say what lacks */
};

enum {
    PND_DUMP_MISSING_CAP = 16, /* ranges named; the last one stands for all behind it */
};

struct pnd_dump_range {
    uint64_t start, end; /* end UINT64_MAX: nobody knows how much should have followed */
};

struct pnd_dump {
    uint64_t id;                   /* counts up from 1, never used twice */
    char file[PND_SPOOL_NAME_CAP]; /* in the directory, with .part or .incomplete */
    char name[PND_SPOOL_NAME_CAP]; /* as the sender gave it; bytes of any kind but NUL */
    enum pnd_dump_state state;
    bool checked;     /* sha256, format and verdict are final */
    char reason[256]; /* INCOMPLETE: why; else "" */
    char format[32];  /* "gzip", "elf", "macho", "data", ...; "" until checked */
    char sha256[65];  /* lower-case hex of the file as stored; "" until checked */
    uint64_t bytes;   /* size of the file */
    char peer[64];    /* "10.0.40.7" */
    uint16_t peer_port;
    char protocol[16];   /* "kdp" */
    int64_t started_ms;  /* wall clock, ms since 1970: first packet */
    int64_t received_ms; /* when it ended; 0 while it arrives */
    uint64_t packets, repeats;
    unsigned missing_count;
    struct pnd_dump_range missing[PND_DUMP_MISSING_CAP];
};

/* Are the missing parts of an incomplete dump those that its receiver knows? They are better than
 * what a check finds: a hole looks like zeros. That all behind some byte is missing a check knows
 * better, if it knows where the end is. */
bool pnd_dump_knows_holes(const struct pnd_dump *dump);

struct pnd_catalog;

/* Opens or, unless @p readonly, creates it. A damaged file is set aside as catalog.db.bad-<time>
 * and an empty one made (the caller then rebuilds; @p ret_fresh, which may be NULL, says so), but
 * only for the server, i.e. with a @p spool that holds the lock. Readonly works beside a server,
 * without one, and where this user may not write.
 *   @return PND_OK; PND_E_NOTFOUND readonly and there is none, or none with a schema yet;
 *           PND_E_FORMAT damaged, and not ours to set aside; PND_E_NOSPACE; PND_E_SYS (also: made
 *           by a newer panicd, or a directory of more than about 480 bytes) */
int pnd_catalog_open(const struct pnd_spool *spool, bool readonly, struct pnd_catalog **ret,
                     bool *ret_fresh, struct pnd_why *why);
void pnd_catalog_close(struct pnd_catalog *catalog); /* NULL is fine */

/* The highest id ever given out, deleted rows included; 0 for none. */
int pnd_catalog_last_id(struct pnd_catalog *catalog, uint64_t *ret, struct pnd_why *why);

/* All or nothing, durable on return (synchronous=FULL). A row whose id is there is replaced, and
 * so is one with the same file name: its file is not there any more. Ids are 1 to 2^63-1. */
int pnd_catalog_put(struct pnd_catalog *catalog, const struct pnd_dump *dumps, size_t count,
                    struct pnd_why *why);

/* @p sel: a decimal id, "latest" (highest id), a file name (with or without its .incomplete) or
 * a sender's name (the latest with it). @return PND_OK; PND_E_NOTFOUND (why says what was looked
 * for and what to type); PND_E_SYS */
int pnd_catalog_find(struct pnd_catalog *catalog, const char *sel, struct pnd_dump *ret,
                     struct pnd_why *why);

/* Rows in order of id. @p each returns false to stop, and may use the catalog, also to change it.
 * @p unchecked_only: those with !checked. */
int pnd_catalog_each(struct pnd_catalog *catalog, bool unchecked_only,
                     bool (*each)(const struct pnd_dump *dump, void *ctx), void *ctx,
                     struct pnd_why *why);
int pnd_catalog_remove(struct pnd_catalog *catalog, uint64_t id, struct pnd_why *why);

/* Removes the row that @p dump was read from; one of the same id that another ending has put there
 * since (received_ms tells) stays. @return PND_OK; PND_E_NOTFOUND */
int pnd_catalog_forget(struct pnd_catalog *catalog, const struct pnd_dump *dump,
                       struct pnd_why *why);

/* Brings the rows into agreement with the directory: a file without a row gets one (from its
 * attribute, as far as the file's name and size bear it out, with its id unless that is taken;
 * else id new, peer "", times from the file; state COMPLETE-to-be, i.e. RECEIVING and unchecked,
 * for a plain name; INCOMPLETE for *.incomplete), a row without its file is removed. Files that
 * start with '.', what is no regular file, and what lies beside a dump (store/beside.h) are none.
 * *.part files that @p live (may be NULL) does not claim are abandoned: their server died and
 * no journal knows them. In a directory that was no spool before
 * (pnd_spool.foreign) only files named like dumps count. @p first_id is the lowest id that may be
 * given to a new row.
 *   @param ret_changed  rows added or removed */
int pnd_catalog_reconcile(struct pnd_catalog *catalog, const struct pnd_spool *spool,
                          bool (*live)(const char *part_file, void *ctx), void *ctx,
                          uint64_t first_id, unsigned *ret_changed, struct pnd_why *why);

/* The row into the file's extended attribute; any descriptor of the file will do.
 * @return PND_OK; PND_E_NOSPACE no room for attributes; PND_E_SYS (also: not supported) */
int pnd_catalog_label(int fd, const struct pnd_dump *dump);

const char *pnd_dump_state_text(enum pnd_dump_state state); /* "receiving", ... */

#endif
