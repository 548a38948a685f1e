/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a check has found, into a dump's row and its file's name. */
#ifndef PND_PANICD_VERDICT_H
#define PND_PANICD_VERDICT_H

#include "host/why.h"
#include "inspect/check.h"
#include "store/catalog.h"

/* @param err   PND_OK: @p check is the verdict; else the file defeats the check (@p why says how):
 *              it is kept, and said so
 * @param fd    of the file
 * @param dump  in: the row, not checked yet; out: as it is now, checked. Neither the catalog
 *              nor the file's label is touched */
void pnd_verdict_judge(const struct pnd_spool *spool, int fd, int err,
                       const struct pnd_check *check, const struct pnd_why *why,
                       struct pnd_dump *dump);

/* What the header that came with the dump says, and the dump does not: PND_BESIDE_HEADER of
 * @p file, as in struct pnd_dump. One that is not there, or is none, adds nothing. */
void pnd_verdict_add_header(const struct pnd_spool *spool, const char *file,
                            struct pnd_facts *facts);

#endif
