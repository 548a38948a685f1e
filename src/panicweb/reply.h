/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Answers, with the headers that every one of them has. */
#ifndef PND_PANICWEB_REPLY_H
#define PND_PANICWEB_REPLY_H

#include <jansson.h>

#include "panicweb/web.h"

enum { PND_REPLY_GZIP_MIN = 1024 }; /* bytes that are worth packing */

/* The headers of everything: what a browser may do with the page, and with nothing else.
 *   @param caching  "no-store", or what Cache-Control says instead */
void pnd_reply_dress(struct MHD_Response *response, const char *caching);

/* A response that has @p json as its body and drops it. @return NULL: no memory */
struct MHD_Response *pnd_reply_json(json_t *json, bool gzip);

/* Text of @p len bytes, copied. @return NULL: no memory */
struct MHD_Response *pnd_reply_text(const char *text, size_t len, const char *type, bool gzip);

/* Sends and drops @p response; NULL: says that there is no memory. */
enum MHD_Result pnd_reply_send(const struct pnd_request *request, unsigned status,
                               struct MHD_Response *response);

/* {"error","do"}. @param what_to_do  NULL: nothing can be done */
enum MHD_Result pnd_reply_error(const struct pnd_request *request, unsigned status,
                                const char *error, const char *what_to_do);

/* For an error of a question (PND_E_ARG), the catalog, the directory or the server: 400, 404 or
 * 503. */
enum MHD_Result pnd_reply_why(const struct pnd_request *request, int err,
                              const struct pnd_why *why);

#endif
