/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What stands behind the '?' of a request. */
#ifndef PND_PANICWEB_QUERY_H
#define PND_PANICWEB_QUERY_H

#include "panicweb/web.h"
#include "store/catalog_query.h"

/* A decimal number, or one in hexadecimal behind "0x", all of @p text.
 *   @return PND_OK; PND_E_FORMAT; PND_E_RANGE */
int pnd_query_parse_number(const char *text, uint64_t *ret);

/* The argument @p name, of @p min to @p max. @param ret  left as it is when there is none
 *   @return PND_OK; PND_E_ARG (why is for the person who asked) */
int pnd_query_number(const struct pnd_request *request, const char *name, uint64_t min,
                     uint64_t max, uint64_t *ret, struct pnd_why *why);

/* The argument @p name as text, "" when there is none. @return PND_OK; PND_E_ARG too long, not
 * UTF-8, or with a NUL in it */
int pnd_query_text(const struct pnd_request *request, const char *name, size_t cap, char *ret,
                   struct pnd_why *why);

/* Is it there, with or without a value? */
bool pnd_query_has(const struct pnd_request *request, const char *name);

/* machine, os, kernel, text, group, state. @return PND_OK; PND_E_ARG */
int pnd_query_filter(const struct pnd_request *request, struct pnd_filter *ret,
                     struct pnd_why *why);

#endif
