/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Answers that many ask for at the same time are made once. */
#ifndef PND_PANICWEB_CACHE_H
#define PND_PANICWEB_CACHE_H

#include <jansson.h>

#include "panicweb/web.h"
#include "store/catalog.h"

enum {
    PND_CACHE_COUNT = 64,     /* answers */
    PND_CACHE_KEY_CAP = 512,  /* a longer question is answered, and not kept */
    PND_CACHE_FRESH_MS = 250, /* so old an answer will do, whatever happened since */
    PND_CACHE_OLD_MS = 1000,  /* and one so old will not, also when nothing did */
};

int pnd_cache_create(struct pnd_cache **ret, struct pnd_why *why);
void pnd_cache_destroy(struct pnd_cache *cache); /* NULL is fine */

/* Makes the object that answers. @p catalog is NULL when there is none yet.
 *   @return PND_OK; an error that pnd_reply_why() explains */
typedef int (*pnd_maker)(struct pnd_request *request, struct pnd_catalog *catalog, json_t **ret,
                         struct pnd_why *why);

/* Answers with what @p make makes, or has made for the same question of somebody with the same
 * rights. */
enum MHD_Result pnd_cache_answer(struct pnd_request *request, pnd_maker make);

/* Answers with what is kept for it, if that still does: else the caller does first what would keep
 * the catalog from others. @return false: there is none, and @p ret is not set */
bool pnd_cache_answer_kept(struct pnd_request *request, enum MHD_Result *ret);

#endif
