/* SPDX-License-Identifier: BSD-2-Clause
 *
 * SQLite as the catalog uses it: for store/catalog*.c alone. */
#ifndef PND_STORE_CATALOG_DB_H
#define PND_STORE_CATALOG_DB_H

#include <sqlite3.h>

#include "store/catalog_facts.h"

struct pnd_catalog {
    sqlite3 *db;
    int64_t schema;       /* 1: readonly, and made by a panicd that knew no facts yet */
    char directory[4096]; /* for messages */
};

/* The code for what SQLite says, with its words in @p why. @p err is a result of SQLite. */
__attribute__((format(printf, 4, 5))) int pnd_db_why(const struct pnd_catalog *catalog,
                                                     struct pnd_why *why, int err, const char *fmt,
                                                     ...);

/* @return PND_OK; else as pnd_db_why() */
int pnd_db_exec(const struct pnd_catalog *catalog, const char *sql, struct pnd_why *why);
int pnd_db_prepare(const struct pnd_catalog *catalog, const char *sql, sqlite3_stmt **ret,
                   struct pnd_why *why);

/* A text or bytes, as much of it as there is room for. */
void pnd_db_column_text(sqlite3_stmt *stmt, int column, char *ret, size_t cap);

/* The columns of pnd_db_columns, in its order, out of a row and into a statement from ?1 on. */
extern const char pnd_db_columns[];
void pnd_db_read_row(sqlite3_stmt *stmt, struct pnd_dump *ret);
int pnd_db_put_row(const struct pnd_catalog *catalog, const struct pnd_dump *dump,
                   struct pnd_why *why);
int pnd_db_last_id(const struct pnd_catalog *catalog, uint64_t *ret, struct pnd_why *why);

/* Opens, judges, sets aside, creates, migrates: pnd_catalog_open() without the memory. */
int pnd_db_open(struct pnd_catalog *catalog, const struct pnd_spool *spool, bool readonly,
                bool *ret_fresh, struct pnd_why *why);

/* The groups, from the sightings that %s leaves. The facts of a dump go with it, so they tell
 * whether it is still there. */
#define PND_DB_GROUPS                                                                              \
    "SELECT g.signature, (SELECT title FROM sighting WHERE signature = g.signature ORDER BY "      \
    "seen_ms DESC, dump DESC LIMIT 1), g.count, g.machines, g.kept, g.first_ms, g.last_ms, "       \
    "(SELECT dump FROM sighting WHERE signature = g.signature ORDER BY seen_ms, dump LIMIT 1), "   \
    "(SELECT dump FROM sighting WHERE signature = g.signature ORDER BY seen_ms DESC, dump DESC "   \
    "LIMIT 1) AS last_id, (SELECT text FROM note WHERE signature = g.signature) FROM "             \
    "(SELECT signature, COUNT(*) AS count, COUNT(DISTINCT machine) AS machines, "                  \
    "SUM(EXISTS (SELECT 1 FROM facts WHERE facts.dump = sighting.dump)) AS kept, "                 \
    "MIN(seen_ms) AS first_ms, MAX(seen_ms) AS last_ms FROM sighting %s GROUP BY signature) g "    \
    "ORDER BY g.last_ms, last_id"

/* Each row of a PND_DB_GROUPS; nothing is held open while @p each does what it likes. */
int pnd_db_each_group(const struct pnd_catalog *catalog, sqlite3_stmt *stmt,
                      bool (*each)(const struct pnd_group *group, void *ctx), void *ctx,
                      struct pnd_why *why);

static inline void pnd_db_finalize(sqlite3_stmt **stmt)
{
    sqlite3_finalize(*stmt);
}

#define PND_AUTO_STMT __attribute__((cleanup(pnd_db_finalize))) /* sqlite3_stmt *stmt = NULL; */

#endif
