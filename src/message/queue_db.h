/* SPDX-License-Identifier: BSD-2-Clause
 *
 * SQLite as the queue uses it, in the catalog's manner: for message/queue*.c alone. */
#ifndef PND_MESSAGE_QUEUE_DB_H
#define PND_MESSAGE_QUEUE_DB_H

#include "message/queue.h"
#include "store/catalog_db.h"

struct pnd_queue {
    struct pnd_catalog db; /* the handle that store/catalog_db.h's functions take */
    char instance[33];     /* of this queue, in ids: hexadecimal */
    unsigned sequence;     /* of events that are about no dump */
    const struct pnd_message_config *config; /* NULL: not set */
};

/* A statement with its values: 'i' int64_t, 's' text, 'j' const json_t *; NULL text is NULL.
 *   @return PND_OK, @p ret is to be stepped and finalized */
int pnd_queue_bind(const struct pnd_queue *queue, sqlite3_stmt **ret, struct pnd_why *why,
                   const char *sql, const char *types, ...);
/* The same, run to its end. */
int pnd_queue_run(const struct pnd_queue *queue, struct pnd_why *why, const char *sql,
                  const char *types, ...);
/* The same, of which the first column of the first row is wanted. @p otherwise: there is none */
int pnd_queue_number(const struct pnd_queue *queue, int64_t otherwise, int64_t *ret,
                     struct pnd_why *why, const char *sql, const char *types, ...);

/* A row. @return PND_OK; PND_E_NOTFOUND there is none any more; else the error */
int pnd_queue_step(const struct pnd_queue *queue, sqlite3_stmt *stmt, struct pnd_why *why);
json_t *pnd_queue_column_json(sqlite3_stmt *stmt, int column);

#endif
