/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Not there yet. */
#include "panicctl/symbols.h"

int pnd_symbols_elf(const struct pnd_facts *facts, const char *path, bool force,
                    struct pnd_symbols *ret, struct pnd_why *why)
{
    (void)facts;
    (void)force;
    (void)ret;
    return pnd_why(why, PND_E_TYPE, 0, "%s is an ELF file; only Mach-O is read here", path);
}
