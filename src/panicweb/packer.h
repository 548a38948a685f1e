/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The zip of a dump, made by "panicctl pack" while it is sent. A process of its own, forked before
 * anything else is there, starts it: the one that speaks HTTP can start nothing. It reads and
 * executes, and writes nowhere (Landlock), and what it starts does neither. */
#ifndef PND_PANICWEB_PACKER_H
#define PND_PANICWEB_PACKER_H

#include "panicweb/web.h"

struct pnd_packer;

/* Forks; before any thread. panicctl is the one that stands beside this program, or in a build
 * directory in its neighbour's.
 *   @return PND_OK; PND_E_NOTFOUND there is none: no zips; PND_E_SYS */
int pnd_packer_start(const struct pnd_spool *spool, struct pnd_packer **ret, struct pnd_why *why);

/* All zips end, and it does. NULL is fine. */
void pnd_packer_stop(struct pnd_packer *packer);

/* /dumps/ID/zip */
enum MHD_Result pnd_packer_zip(struct pnd_request *request);

#endif
