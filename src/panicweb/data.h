/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The catalog, for all threads: one handle, opened readonly, behind a lock; opened anew when its
 * file is another, or when the files beside it that tell of changes have come or gone. */
#ifndef PND_PANICWEB_DATA_H
#define PND_PANICWEB_DATA_H

#include "store/catalog.h"

struct pnd_data;

int pnd_data_create(const struct pnd_spool *spool, struct pnd_data **ret, struct pnd_why *why);
void pnd_data_destroy(struct pnd_data *data); /* NULL is fine */

/* Takes the lock, also on error. @param ret  NULL while there is no catalog yet, which is no error
 *   @return PND_OK; errors of pnd_catalog_open() */
int pnd_data_lock(struct pnd_data *data, struct pnd_catalog **ret, struct pnd_why *why);
void pnd_data_unlock(struct pnd_data *data);

/* With the lock: a number that changes when the catalog has. */
int64_t pnd_data_version(struct pnd_data *data);

#endif
