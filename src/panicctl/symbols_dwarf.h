/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One ELF file with symbols, and maybe with DWARF: a kernel or a module. Through libdw. */
#ifndef PND_PANICCTL_SYMBOLS_DWARF_H
#define PND_PANICCTL_SYMBOLS_DWARF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/why.h"

enum { PND_DWARF_ID_CAP = 65 }; /* a build-id of 32 bytes as hex, and NUL */

struct pnd_dwarf;

/* @param module  it must be a module (an object file), else a kernel. Free with
 * pnd_dwarf_close().
 *   @return PND_OK; PND_E_TYPE another kind of file; PND_E_FORMAT a damaged one; PND_E_SYS */
int pnd_dwarf_open(const char *path, bool module, struct pnd_dwarf **ret, struct pnd_why *why);
void pnd_dwarf_close(struct pnd_dwarf *dwarf); /* NULL is fine */

/* The build-id in lower-case hex; "": it has none. */
const char *pnd_dwarf_id(const struct pnd_dwarf *dwarf);

/* A function of this name; of several the one of this size, else the first.
 *   @return its address in the file; 0: there is none */
uint64_t pnd_dwarf_function(struct pnd_dwarf *dwarf, const char *name, size_t name_len,
                            uint64_t size);

/* The function that holds @p address. @return its name, or NULL */
const char *pnd_dwarf_name(struct pnd_dwarf *dwarf, uint64_t address, uint64_t *ret_offset);

/* Lines for @p address of @p function: what was inlined there, innermost first, "name (file:line)"
 * each; the last is "function + 0xoffset (file:line)". Without DWARF that is all there is.
 *   @param name  of the function, as the backtrace has it */
void pnd_dwarf_text(struct pnd_dwarf *dwarf, uint64_t address, const char *name, uint64_t offset,
                    char *ret, size_t cap);

#endif
