/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What panicweb keeps of its rights once it serves: it reads the directory, talks over the sockets
 * it has and to panicd's, and nothing else. In two steps, because Landlock holds for a thread and
 * those it starts, and the system calls of starting threads are among those that go. A build with a
 * sanitizer, which looks around when it ends, is not caged. */
#ifndef PND_PANICWEB_CAGE_H
#define PND_PANICWEB_CAGE_H

#include "host/why.h"
#include "store/spool.h"

/* Landlock, before any thread: the directory can be read, and nothing can be written anywhere, nor
 * TCP be connected or bound. No new privileges. What this kernel does not know is gone without.
 *   @return PND_OK; PND_E_SYS */
int pnd_web_cage_files(const struct pnd_spool *spool, struct pnd_why *why);

/* seccomp, for all threads: no program can be started, no thread, no socket made but to panicd,
 * nothing be opened but for reading. What is not allowed fails with EPERM.
 *   @return PND_OK; PND_E_SYS */
int pnd_web_cage_calls(struct pnd_why *why);

#endif
