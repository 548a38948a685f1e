/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A dump that has its verdict, handed over to a site that had FreeBSD's netdumpd: under its names,
 * in the directories that its clients name, and to its script. PROTOCOL.md#netdump-4, #netdump-11.
 */
#ifndef PND_PANICD_HANDOVER_H
#define PND_PANICD_HANDOVER_H

#include "facts/facts.h"
#include "panicd/config.h"
#include "panicd/hook.h"
#include "store/catalog.h"

struct pnd_handover {
    enum pnd_config_names names;
    bool paths; /* dumps of netdump lie in the directories that their heralds name, too */
    struct pnd_hook *hook; /* NULL: there is none */
};

/* The program that an option names (NULL: none does), or else the settings, can be run.
 *   @param config  in, out: hook
 *   @return PND_OK; PND_E_FORMAT; PND_E_SYS */
int pnd_handover_configure(const char *option, struct pnd_config *config, struct pnd_why *why);

/* @param config  outlives it. @return PND_OK; as pnd_hook_start() */
int pnd_handover_open(const struct pnd_config *config, const struct pnd_spool *spool,
                      struct pnd_handover *ret, struct pnd_why *why);
void pnd_handover_close(struct pnd_handover *handover);

/* The dump gets its names and its directory, and the call is queued. What cannot be done is logged:
 * the dump is kept in any case. Checker's thread.
 *   @param dump  with its verdict; out: file, if it has another name now */
void pnd_handover_judged(const struct pnd_handover *handover, const struct pnd_spool *spool,
                         const struct pnd_facts *facts, struct pnd_dump *dump);

/* Its row is put: the program may look. */
void pnd_handover_concluded(const struct pnd_handover *handover);

#endif
