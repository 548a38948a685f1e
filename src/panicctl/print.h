/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How dumps are shown: tables, states in colour, times, JSON. Everything that came from outside
 * is escaped here. */
#ifndef PND_PANICCTL_PRINT_H
#define PND_PANICCTL_PRINT_H

#include <stdio.h>

#include <jansson.h>

#include "panicctl/panicctl.h"
#include "view/json.h"
#include "view/text.h"

enum {
    PND_PRINT_NAME_CAP = 4 * PND_SPOOL_NAME_CAP, /* an escaped name */
    PND_PRINT_TIME_CAP = 48,
};

/* @p src escaped, in @p dst of PND_PRINT_NAME_CAP bytes; returns @p dst. */
const char *pnd_print_name(char *dst, const char *src);

/* "2026-11-22 06:30:00 UTC", in this user's time zone; "-" for 0. Returns @p dst. */
const char *pnd_print_time(char dst[PND_PRINT_TIME_CAP], int64_t ms);

/* The word in its colour, when there are colours: complete green, incomplete yellow, corrupt
 * red, receiving blue. */
void pnd_print_state(const struct pnd_ctl *ctl, const char *word);

/* The dumps from @p first on, as a table; on a wide terminal also their groups. @return PND_OK;
 * PND_E_SYS */
int pnd_print_table(const struct pnd_ctl *ctl, const struct pnd_views *views, size_t first);

/* Writes the document and drops it. @return PND_EXIT_OK; PND_EXIT_COULD_NOT (said so) */
int pnd_print_json(json_t *json);

#endif
