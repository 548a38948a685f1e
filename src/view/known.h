/* SPDX-License-Identifier: BSD-2-Clause
 *
 * All that is known of a dump, in the words of "panicctl info". */
#ifndef PND_VIEW_KNOWN_H
#define PND_VIEW_KNOWN_H

#include "view/encrypted.h"
#include "view/json.h"

/* "an ELF core, compressed with gzip": what a format is; NULL for one that is not known here. */
const char *pnd_info_format(const char *format, char *dst, size_t cap);

/* Does a debugger open it? */
bool pnd_info_opens(const char *format);

struct pnd_known {
    const struct pnd_facts *facts; /* the log stays out */
    const struct pnd_group *group; /* NULL: none */
    const struct pnd_encrypted *encrypted;
    const char *format; /* as in struct pnd_check; "" not known */
    const char *name;   /* of the dump in a command, quoted for a shell */
    bool packs;         /* "panicctl pack" takes it */
};

/* What "panicctl info --json" says of a dump of the directory before its facts: the fields of
 * "list --json", packets, repeats, and the names of what lies beside it. */
json_t *pnd_known_row_json(const struct pnd_spool *spool, struct pnd_catalog *catalog,
                           const struct pnd_view *view);

/* {"facts","seen","encrypted","open","pack"}: the rest. */
json_t *pnd_known_json(const struct pnd_known *known);

#endif
