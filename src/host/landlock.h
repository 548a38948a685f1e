/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The file system, and what else Landlock knows, taken from this process and its children for good.
 * @source Linux Documentation/userspace-api/landlock.rst */
#ifndef PND_HOST_LANDLOCK_H
#define PND_HOST_LANDLOCK_H

#include <stdbool.h>

#include "host/why.h"

/* Nothing can be opened, made or removed any more, but beneath @p dir_fd (-1: nowhere): there
 * regular files can be read, written, made, renamed and removed, and directories read. Nor, as far
 * as this kernel knows how to forbid it, can TCP be connected or bound to a port, or a signal be
 * sent to a process outside. Descriptors that are open keep what they can. Takes no_new_privs.
 *   @return PND_OK, also when this kernel has no Landlock; PND_E_SYS */
int pnd_landlock_enter(int dir_fd, struct pnd_why *why);

/* The same, but beneath @p dir_fd files and directories can only be read. */
int pnd_landlock_enter_reading(int dir_fd, struct pnd_why *why);

/* The same, but beneath @p dir_fd programs can be started, too, in the same confinement. */
int pnd_landlock_enter_running(int dir_fd, struct pnd_why *why);

/* Like pnd_landlock_enter(), for one that has to read what others have written, and to speak to
 * others: files can be read everywhere, and TCP is as it was; beneath @p dir_fd as above. No
 * program can be started.
 *   @return as above */
int pnd_landlock_enter_sending(int dir_fd, struct pnd_why *why);

/* Does this kernel have it? */
bool pnd_landlock_known(void);

#endif
