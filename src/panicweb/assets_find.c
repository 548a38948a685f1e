/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A file of the page; see assets.h. */
#include <stdlib.h>
#include <string.h>

#include "panicweb/assets.h"

static int compare(const void *key, const void *at)
{
    return strcmp(key, ((const struct pnd_asset *)at)->path);
}

const struct pnd_asset *pnd_asset_find(const char *path)
{
    return bsearch(path, pnd_assets, pnd_asset_count, sizeof(*pnd_assets), compare);
}
