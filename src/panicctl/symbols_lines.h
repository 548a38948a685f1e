/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The source lines of a dSYM: the DWARF that is within a Mach-O file, read by libdw, which knows
 * ELF alone and is given an ELF file in memory with the same sections. */
#ifndef PND_PANICCTL_SYMBOLS_LINES_H
#define PND_PANICCTL_SYMBOLS_LINES_H

#include <stdbool.h>

#include "image/macho_symbols.h"

enum { PND_LINES_BYTES_MAX = 1 << 30 }; /* of DWARF; a kernel has a fifth of that */

struct pnd_lines;

/* @return NULL: it has none, or none that can be read */
struct pnd_lines *pnd_lines_open(const struct pnd_macho_image *image);
void pnd_lines_close(struct pnd_lines *lines); /* NULL is fine */

/* "kern/debug.c" is told as "debug.c:612". @p address as linked. Text from outside.
 * @return false: no line is known there */
bool pnd_lines_find(struct pnd_lines *lines, uint64_t address, char *ret, size_t cap);

#endif
