/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How a dump goes: for rm and vacuum. */
#ifndef PND_PANICCTL_REMOVE_H
#define PND_PANICCTL_REMOVE_H

#include "panicctl/panicctl.h"

/* The file, its row and what is known of it; a sighting of its group stays. Gone already is fine.
 * The caller ends with pnd_spool_sync(). @p ctl is open to write.
 *   @return PND_OK; PND_E_SYS; what the catalog says */
int pnd_remove_dump(struct pnd_ctl *ctl, const struct pnd_dump *dump, struct pnd_why *why);

#endif
