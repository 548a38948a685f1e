/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A file that no server received, into the directory. It is first made under a hidden name, which
 * nothing takes for a dump, and then given its place and its row in one go by whoever hands out
 * ids: the server, asked over its control socket, or, when none runs, the program itself with the
 * spool's lock. Killed at any step, the file is a whole dump or none; what stays under a hidden
 * name is no loss, as its source is there, and is swept away by the next one who looks. Not so a
 * stream, which nobody may be able to send again: its hidden file has a name of its own from the
 * first byte on, and what is left of it becomes an incomplete dump. */
#ifndef PND_STORE_IMPORT_H
#define PND_STORE_IMPORT_H

#include "store/catalog.h"

#define PND_IMPORT_PREFIX        ".import-"
#define PND_IMPORT_STREAM_PREFIX PND_IMPORT_PREFIX "stream-"

enum {
    PND_IMPORT_STAGED_CAP = 64,
    PND_IMPORT_REQUEST_CAP = 4096, /* with NUL, without the line feed */
};

/* The request of the control socket: "import STAGED {...}", JSON of what is taken from @p dump:
 * name, state, reason, peer, peer_port, protocol, started_ms. @return PND_OK; PND_E_RANGE it is too
 * long */
int pnd_import_request(char ret[PND_IMPORT_REQUEST_CAP], const char *staged,
                       const struct pnd_dump *dump);

/* What follows "import ". Fields that are not named above are zero, and the state is RECEIVING or
 * INCOMPLETE. @return PND_OK; PND_E_NAME the hidden name is none; PND_E_FORMAT */
int pnd_import_parse(const char *text, char ret_staged[PND_IMPORT_STAGED_CAP],
                     struct pnd_dump *ret);

/* Hidden name -> dump: label, fsync, rename. The directory is synced, and the row put, by the
 * caller, in that order.
 *   @param dump  in: id, and what pnd_import_request() names; out: file, bytes too. The file's
 *                name is made from the name that is asked for
 *   @return PND_OK; PND_E_NOTFOUND it is not there, or no file; PND_E_EXISTS; PND_E_NOSPACE;
 *           PND_E_SYS (nothing was renamed) */
int pnd_import_place(const struct pnd_spool *spool, const char *staged, struct pnd_dump *dump,
                     struct pnd_why *why);

/* The whole of it, with the lock of @p spool held and no server: an id that neither the catalog
 * nor a journal speaks for, the place, the row. @p dump as above; out: id too.
 *   @return as pnd_import_place(), pnd_catalog_put() */
int pnd_import_alone(const struct pnd_spool *spool, struct pnd_catalog *catalog, const char *staged,
                     struct pnd_dump *dump, struct pnd_why *why);

/* The first half of that: a file that got its place, and whose server or importer was killed before
 * it put the row, gets one. With the lock held. */
int pnd_import_reconcile(const struct pnd_spool *spool, struct pnd_catalog *catalog,
                         struct pnd_why *why);

/* Removes hidden files that nobody works on: who does has flock() on them. Not streams.
 *   @return how many */
unsigned pnd_import_sweep(const struct pnd_spool *spool);

/* Labels the open file of a stream that has just begun: it says of itself that it is incomplete,
 * until pnd_import_place() says otherwise. No label costs its name if it is killed, nothing else.
 */
void pnd_import_label_stream(int fd, const struct pnd_dump *dump);

/* A stream whose receiver was killed, and nobody works on: its hidden name, and what its label
 * says of it, INCOMPLETE with a reason. Empty ones are removed on the way.
 *   @param ret_fd  open, with flock() on it: the caller's to close
 *   @return PND_OK; PND_E_NOTFOUND none (any more); PND_E_SYS */
int pnd_import_find_orphan(const struct pnd_spool *spool, char ret_staged[PND_IMPORT_STAGED_CAP],
                           struct pnd_dump *ret, int *ret_fd);

/* For the server when it starts: all of them become dumps, with ids from @p next_id on.
 *   @param next_id  in: an id that is nobody's; out: the next one
 *   @return PND_OK; as pnd_import_place(), pnd_catalog_put() */
int pnd_import_adopt_orphans(const struct pnd_spool *spool, struct pnd_catalog *catalog,
                             uint64_t *next_id, struct pnd_why *why);

#endif
