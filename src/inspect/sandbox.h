/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A process that can only read one file and answer. What is not there in this kernel (Landlock)
 * is gone without; seccomp must be there. */
#ifndef PND_INSPECT_SANDBOX_H
#define PND_INSPECT_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "host/why.h"

enum {
    PND_SANDBOX_DUMP_FD = 3,   /* the only descriptor that may be read */
    PND_SANDBOX_ANSWER_FD = 4, /* the only one that may be written */
    PND_SANDBOX_GO_FD = 5,     /* may be read, too, when go is set */
};

struct pnd_sandbox {
    uint64_t memory_max; /* bytes of address space; not under a sanitizer, which needs terabytes */
    uint64_t cpu_s_max;  /* seconds of CPU time, then SIGXCPU; 0: the parent sees to it */
    bool go;             /* PND_SANDBOX_GO_FD stays */
};

/* Closes all descriptors but these, sets the limits, takes away new privileges, the file system
 * and the network (Landlock, as much as this kernel knows) and every system call but reading,
 * answering, memory, clock and exit; any other kills the process with SIGSYS.
 *   @return PND_OK; PND_E_SYS (the process is then confined in part; it should exit) */
int pnd_sandbox_enter(const struct pnd_sandbox *sandbox, struct pnd_why *why);

#endif
