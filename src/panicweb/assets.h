/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The files of the page, which are part of the program: a table made by tools/embed-web.py. */
#ifndef PND_PANICWEB_ASSETS_H
#define PND_PANICWEB_ASSETS_H

#include <stdbool.h>
#include <stddef.h>

struct pnd_asset {
    const char *path; /* "/index.html", "/assets/main-2KQ7.js" */
    const char *type; /* "text/javascript; charset=utf-8" */
    const char *etag; /* strong, with its quotes; of the plain bytes */
    bool forever;     /* the name has a hash of the content in it */
    const unsigned char *gzip;
    size_t gzip_len;
    const unsigned char *plain; /* for who does not take gzip */
    size_t plain_len;
};

/* In order of path, so that it can be searched. */
extern const struct pnd_asset pnd_assets[];
extern const size_t pnd_asset_count;

/* @return the one at exactly this path; NULL none */
const struct pnd_asset *pnd_asset_find(const char *path);

#endif
