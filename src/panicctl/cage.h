/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A process that takes one dump of one sender, and can do nothing but write it beneath the
 * directory and ask the server for its row. What this kernel does not have (Landlock) is gone
 * without; seccomp must be there. */
#ifndef PND_PANICCTL_CAGE_H
#define PND_PANICCTL_CAGE_H

#include "store/spool.h"

enum { PND_CAGE_SENDER_FD = 64 }; /* no descriptor below it is the sender's connection */

/* For good. The system calls that a dump takes are left; programs, processes, signals to others,
 * sockets but those of AF_UNIX, which the server's is, other copies of a descriptor, and whatever
 * changes who this is, kill the process with SIGSYS; any other call fails with EPERM. Files beneath
 * the directory can be opened, and no others (host/landlock.h).
 *   @param sender_fd  the connection, at PND_CAGE_SENDER_FD or above, and no copy of it is below:
 *                     it cannot be connected to anything else; -1: a pipe, or what sshd gives
 *   @return PND_OK; PND_E_SYS (the process is then confined in part; it should end) */
int pnd_cage_enter(const struct pnd_spool *spool, int sender_fd, struct pnd_why *why);

#endif
