/* SPDX-License-Identifier: BSD-2-Clause
 *
 * All that is known of a dump, gathered (info.c) and shown as a page (info_page.c). */
#ifndef PND_PANICCTL_INFO_H
#define PND_PANICCTL_INFO_H

#include "panicctl/print.h"
#include "panicctl/debug.h"
#include "panicctl/subject.h"
#include "store/catalog_facts.h"
#include "view/encrypted.h"
#include "view/known.h"

enum { PND_INFO_MACHINES_MAX = 3 }; /* others of the group that are named */

struct pnd_info {
    struct pnd_subject subject;
    struct pnd_facts facts;                   /* without the log */
    struct pnd_check check;                   /* of a file; else its format is "" */
    struct pnd_group group;                   /* count 0: none */
    char machines[PND_INFO_MACHINES_MAX][64]; /* where else, the latest first */
    unsigned machine_count;                   /* of them, also those not named */
    char name[2 * PND_DEBUG_PATH_CAP];        /* of the dump, in a command; escaped */
    struct pnd_encrypted encrypted;
};

/* @param all  nothing is left out for the sake of the screen */
void pnd_info_page(const struct pnd_ctl *ctl, const struct pnd_info *info, bool all);

#endif
