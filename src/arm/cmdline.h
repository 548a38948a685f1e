/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The command line of the crash kernel: that of the running one, because a machine may need what
 * is there to start at all; without what takes memory, names a root file system, or is meant for
 * somebody else; and with what a crash kernel needs.
 * @source Linux Documentation/admin-guide/kernel-parameters.rst, kdump/kdump.rst */
#ifndef PND_ARM_CMDLINE_H
#define PND_ARM_CMDLINE_H

#include <stddef.h>

#include "host/why.h"

/* Bytes with NUL: x86 takes 2048, of which kexec wants some for what it adds itself
 * (elfcorehdr=, memmap=). */
enum { PND_CMDLINE_CAP = 1800 };

struct pnd_cmdline_word {
    const char *word;
    const char *reason;
};

/* What is added, in its order. @return NULL behind the last */
const struct pnd_cmdline_word *pnd_cmdline_added(size_t index);

/* @param running  of the running kernel
 *   @param append   more words, last; "": none
 *   @return PND_OK; PND_E_RANGE it is too long */
int pnd_cmdline_crash(const char *running, const char *append, char ret[PND_CMDLINE_CAP],
                      struct pnd_why *why);

#endif
