/* SPDX-License-Identifier: BSD-2-Clause
 *
 * This program started anew, as a child that reads one file and answers through a pipe: how the
 * children of check.h and unpack.h come and go. What they may do is in sandbox.h. */
#ifndef PND_INSPECT_SPAWN_H
#define PND_INSPECT_SPAWN_H

#include <stdbool.h>

#include "host/why.h"

struct pnd_spawn {
    int pid;
    int result_fd; /* what the child writes to PND_SANDBOX_ANSWER_FD */
    int go_fd;     /* the other end of its PND_SANDBOX_GO_FD, a SOCK_SEQPACKET; or -1 */
};

/* Starts /proc/self/exe as @p argv, of which argv[0] is what the child knows itself by. It gets
 * @p fd as PND_SANDBOX_DUMP_FD, nothing of the environment but what a loader or sanitizer needs,
 * no blocked signal, and /dev/null as its standard files. With @p go there is also a way to talk
 * to it.
 *   @return PND_OK; PND_E_SYS */
int pnd_spawn(char *const argv[], int fd, bool go, struct pnd_spawn *ret, struct pnd_why *why);

/* Waits for one that has closed its pipe, and so is about to end. The pipe stays.
 * @return as pnd_spawn_reap() */
int pnd_spawn_wait(struct pnd_spawn *spawn);

/* Kills it, if it is still there, and closes the pipe. @return its status, as waitpid() has it;
 * -1 when somebody else has reaped it */
int pnd_spawn_reap(struct pnd_spawn *spawn);

/* For a child that ended without an answer: how. @param what  "check". @return PND_E_FORMAT */
int pnd_spawn_died(int status, const char *what, struct pnd_why *why);

#endif
