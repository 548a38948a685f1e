/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Small files that belong to a dump, beside it in the directory: NAME.kdh, FreeBSD's dump header,
 * and NAME.key, the key of an encrypted dump. They are called so whatever form NAME has at the time
 * (NAME.part, NAME.incomplete), are no dumps themselves, and no dump is given such a name. Their
 * bytes are as durable as the dump's once pnd_beside_keep() has returned. Every call may run on any
 * thread; none allocates. */
#ifndef PND_STORE_BESIDE_H
#define PND_STORE_BESIDE_H

#include "store/spool.h"

enum pnd_beside {
    PND_BESIDE_HEADER,
    PND_BESIDE_KEY, /* only its owner reads it, and nobody changes it once the dump has ended */
    PND_BESIDE_COUNT,
};

enum { PND_BESIDE_BYTES_MAX = 65536 };

/* Is this the name of such a file? */
bool pnd_beside_is(const char *file);

/* @param file  the dump's, as picked or with .part or .incomplete. @return @p ret */
const char *pnd_beside_name(const char *file, enum pnd_beside which, char ret[PND_SPOOL_NAME_CAP]);

/* data[0, len) at @p offset, into a file that is made if it is not there.
 *   @return as pnd_spool_write(); PND_E_RANGE also beyond PND_BESIDE_BYTES_MAX; PND_E_SYS also what
 *           is there is no file */
int pnd_beside_write(const struct pnd_spool *spool, const char *file, enum pnd_beside which,
                     const void *data, size_t len, uint64_t offset);

/* The dump has ended: fsync; of a key, mode 0400. The directory is synced by pnd_spool_sync().
 *   @return PND_OK; PND_E_NOTFOUND it is not there; PND_E_NOSPACE; PND_E_SYS */
int pnd_beside_keep(const struct pnd_spool *spool, const char *file, enum pnd_beside which,
                    struct pnd_why *why);

bool pnd_beside_there(const struct pnd_spool *spool, const char *file, enum pnd_beside which);

/* At most @p cap bytes of it. @return PND_OK; PND_E_NOTFOUND; PND_E_SYS */
int pnd_beside_read(const struct pnd_spool *spool, const char *file, enum pnd_beside which,
                    void *ret, size_t cap, size_t *ret_len);

/* All that there are go. @return PND_OK, also when there was none; PND_E_SYS */
int pnd_beside_remove(const struct pnd_spool *spool, const char *file, struct pnd_why *why);

/* The dump is about to be called @p to: they have both names until pnd_beside_remove(@p from), so
 * that a kill in between loses none. Where files cannot have two names they are renamed.
 *   @return PND_OK; PND_E_EXISTS something else has such a name; PND_E_NOSPACE; PND_E_SYS */
int pnd_beside_link(const struct pnd_spool *spool, const char *from, const char *to);

/* What a kill in between has left: other names of files that lie beside a dump, with no dump. */
void pnd_beside_sweep(const struct pnd_spool *spool);

/* The dump is called @p to by now: so are they. Errors cost nothing but the way to them. */
void pnd_beside_rename(const struct pnd_spool *spool, const char *from, const char *to);

#endif
