/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A program of this machine with the libraries that it is linked to, for the crash initramfs. */
#ifndef PND_ARM_PROGRAM_H
#define PND_ARM_PROGRAM_H

#include <limits.h>
#include <stddef.h>

#include "host/why.h"

enum { PND_PROGRAM_FILES_MAX = 24 };

struct pnd_program {
    size_t count;
    char files[PND_PROGRAM_FILES_MAX][PATH_MAX]; /* paths; the first is the program */
};

/* Looks for @p name where programs are, and asks the dynamic linker, which it starts, what else it
 * loads. A static program has nothing but itself.
 *   @source ld.so(8), LD_TRACE_LOADED_OBJECTS
 *   @return PND_OK; PND_E_NOTFOUND it is not installed, or a library of it is not; PND_E_FULL more
 *           than PND_PROGRAM_FILES_MAX; PND_E_FORMAT no ELF program; PND_E_SYS */
int pnd_program_find(const char *name, struct pnd_program *ret, struct pnd_why *why);

/* What the dynamic linker prints, a line: the path of what it loads.
 *   @param ret  "": a line that names no file, as that of the vDSO does not
 *   @return PND_OK; PND_E_NOTFOUND it says that it has not found it; PND_E_RANGE too long */
int pnd_program_parse(const char *line, char ret[PATH_MAX]);

#endif
