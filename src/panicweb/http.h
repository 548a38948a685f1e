/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Header fields that are read here and not by libmicrohttpd. They come from anybody: text of any
 * bytes but NUL. @source RFC 9110, RFC 8187, RFC 7617, RFC 6750 */
#ifndef PND_PANICWEB_HTTP_H
#define PND_PANICWEB_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PND_HTTP_NAME_CAP = 128,   /* of a person, with NUL */
    PND_HTTP_SECRET_CAP = 512, /* a password or a token, with NUL */
};

/* ---- Host ---- */

/* Is it localhost, 127.0.0.1, [::1] or one of @p names, with any port or none? */
bool pnd_http_host_known(const char *host, const char *const *names, unsigned name_count);

/* ---- Range ---- */

enum pnd_range_kind {
    PND_RANGE_WHOLE, /* nothing was asked for that can be had in part: all of it */
    PND_RANGE_PART,
    PND_RANGE_BEYOND, /* 416 */
};

struct pnd_range {
    enum pnd_range_kind kind;
    uint64_t start, end; /* [start, end) of the file, also of the whole; BEYOND: both 0 */
};

/* @param header  NULL: none. Several ranges, other units and what makes no sense are the whole, as
 * RFC 9110 14.2 lets a server do. */
void pnd_http_range(const char *header, uint64_t size, struct pnd_range *ret);

/* Is @p etag (strong, with its quotes) in the list of an If-None-Match or If-Match, or the list
 * "*"? @param weak  W/"x" stands for "x", too: If-None-Match */
bool pnd_http_etag_listed(const char *header, const char *etag, bool weak);

/* ---- Content-Disposition ---- */

/* attachment; filename="..."; filename*=UTF-8''...: @p name is of any bytes. @return @p ret */
const char *pnd_http_attachment(const char *name, char *ret, size_t cap);

/* ---- Authorization ---- */

enum pnd_credentials_kind { PND_CREDENTIALS_NONE, PND_CREDENTIALS_BASIC, PND_CREDENTIALS_BEARER };

struct pnd_credentials {
    enum pnd_credentials_kind kind;
    char name[PND_HTTP_NAME_CAP]; /* BASIC */
    char secret[PND_HTTP_SECRET_CAP];
};

/* @param header  NULL: none. What is too long or makes no sense is NONE. */
void pnd_http_credentials(const char *header, struct pnd_credentials *ret);

#endif
