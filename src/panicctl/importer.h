/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What was not received becomes a dump of the directory: beside a running server, which is asked
 * for the id, and without one. The file is made first, without a name (stage.h); then it gets name
 * and row in one step (store/import.h). */
#ifndef PND_PANICCTL_IMPORTER_H
#define PND_PANICCTL_IMPORTER_H

#include "panicctl/panicctl.h"
#include "panicctl/stage.h"

enum { PND_IMPORTER_PATIENCE_S = 60 }; /* for a server that starts, ends or is busy */

struct pnd_importer {
    struct pnd_stage stage;
    struct pnd_dump dump; /* in: name, state and reason, protocol; out: the row */
};

/* Opens the directory for importing; it is made when it was named and is not there, and what an
 * import left that was killed is removed; what is left of a stream becomes an incomplete dump.
 *   @return as pnd_ctl_open() */
int pnd_importer_prepare(struct pnd_ctl *ctl, struct pnd_why *why);

/* An empty file in the directory: stage.fd is to be written. @p name: what the dump is called,
 * any bytes. The caller ends it with commit and then close, or close alone.
 *   @return PND_OK; PND_E_NOSPACE; PND_E_SYS */
int pnd_importer_begin(struct pnd_ctl *ctl, const char *name, const char *protocol,
                       struct pnd_importer *ret, struct pnd_why *why);

/* The same for a stream, which cannot be had again: what is in the file when this program is killed
 * becomes an incomplete dump. @param dump  name, protocol, peer, peer_port */
int pnd_importer_begin_stream(struct pnd_ctl *ctl, const struct pnd_dump *dump,
                              struct pnd_importer *ret, struct pnd_why *why);

/* It becomes a dump: durable, in the list, with an id.
 *   @return PND_OK; PND_E_NOSPACE; PND_E_BUSY a server has the directory and does not answer;
 *           PND_E_REFUSED it does not know how; PND_E_SYS */
int pnd_importer_commit(struct pnd_ctl *ctl, struct pnd_importer *importer, struct pnd_why *why);
void pnd_importer_close(struct pnd_importer *importer);

/* Waits for the verdict, by the server or, without one, made here.
 *   @return PND_OK; PND_E_TIMEOUT, PND_E_SYS the row stays unchecked, which costs nothing else */
int pnd_importer_settle(struct pnd_ctl *ctl, struct pnd_importer *importer, struct pnd_why *why);

/* The lowest id of another dump with the same SHA-256. @return 0: there is none */
uint64_t pnd_importer_same(struct pnd_ctl *ctl, const struct pnd_dump *dump);

/* The file of the directory that is the same as the open @p fd. @return false: none */
bool pnd_importer_find_file(const struct pnd_ctl *ctl, int fd, char ret[PND_SPOOL_NAME_CAP]);

/* The row of exactly that file; pnd_catalog_find() takes a sender's name for one, too.
 *   @return PND_OK; PND_E_NOTFOUND; as pnd_catalog_each() */
int pnd_importer_find_row(struct pnd_catalog *catalog, const char *file, struct pnd_dump *ret,
                          struct pnd_why *why);

#endif
