/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A debugger for a dump: which one fits and is installed (debug_choose.c), the file with the
 * kernel's symbols (debug_symbols.c), and its start (debug.c). */
#ifndef PND_PANICCTL_DEBUG_H
#define PND_PANICCTL_DEBUG_H

#include <stdbool.h>
#include <stddef.h>

#include "facts/facts.h"
#include "host/why.h"
#include "inspect/unpack.h"

enum {
    PND_DEBUG_PATH_CAP = 4096,
    PND_DEBUG_ID_CAP = 80,          /* a build-id of 20 bytes in hex, or a UUID with dashes */
    PND_DEBUG_SEARCH_MAX = 1 << 16, /* files and folders looked at below the configured ones */
    PND_DEBUG_SEARCH_DEPTH = 12,
    PND_DEBUG_ARGS_MAX = 64, /* of a debugger, those of the user included */
    PND_DEBUG_PACKAGES_MAX = 4,
};

/* ---- debug_symbols.c ---- */

struct pnd_debug_symbols {
    char path[PND_DEBUG_PATH_CAP]; /* "": none was found */
    char id[PND_DEBUG_ID_CAP];     /* of the file; "" it has none */
    bool elf;                      /* else Mach-O */
    bool differs;                  /* its id is another than that of the dump */
};

/* The build-id or UUID of a file, as pnd_facts has it. @return false: no such file, or no id; then
 * @p ret is "". @param ret_elf  may be NULL; set whenever the file could be read */
bool pnd_debug_file_id(const char *path, char ret[PND_DEBUG_ID_CAP], bool *ret_elf);

/* The file with the symbols of the kernel that died: @p named (a file, or a directory to search),
 * else in the directories of PANICD_SYMBOLS (parted by colons), in @p own (may be NULL), and where
 * this system and Apple's kits keep them: by id when the dump has one, else by name. A file that
 * somebody named is taken as it is.
 *   @return PND_OK, found or not; PND_E_NOTFOUND @p named is not there */
int pnd_debug_find_symbols(const struct pnd_facts *facts, const char *named, const char *own,
                           struct pnd_debug_symbols *ret, struct pnd_why *why);

/* Where they would be found once the package with them is installed, or a word that stands for
 * them. */
void pnd_debug_expect_symbols(const struct pnd_facts *facts, struct pnd_debug_symbols *ret);

/* ---- debug_choose.c ---- */

struct pnd_debug_wish {
    const char *format;   /* of the dump, as in struct pnd_check */
    const char *debugger; /* the only one that will do; NULL: any */
    bool osabi;           /* an ELF core says whose it is */
    const struct pnd_facts *facts;
    const struct pnd_debug_symbols *symbols;
};

struct pnd_debug_choice {
    const char *debugger; /* the one to start; or, not installed, the one that would fit best; NULL:
                             no debugger opens such a dump */
    bool installed;
    bool lacks_symbols;        /* it needs them, and there are none */
    enum pnd_unpack_form form; /* what it wants to read */
    /* What somebody installs; the names of Debian's packages, "" where it ends. */
    char packages[PND_DEBUG_PACKAGES_MAX][160];
    const char *advice; /* with no debugger: what to do instead; NULL: nothing */
};

/* The first that fits, is installed, and has the symbols it needs; else the first that fits. */
void pnd_debug_choose(const struct pnd_debug_wish *wish, struct pnd_debug_choice *ret);

/* Its arguments: @p argv of PND_DEBUG_ARGS_MAX + 1 pointers, which may point into @p text (cap
 * bytes) and at what is given. @param more  NULL at its end, behind all others
 *   @return PND_OK; PND_E_FULL */
int pnd_debug_arguments(const struct pnd_debug_wish *wish, const struct pnd_debug_choice *choice,
                        const char *core, char *const *more, const char *argv[], char *text,
                        size_t cap);

/* Where Debian's lldb has its Python, which it does not find by itself. @return false: not needed
 */
bool pnd_debug_python(const char *debugger, char *ret, size_t cap);

/* A word for a shell: as it is when it needs no quotes. What could steer a terminal is escaped.
 * Returns @p dst. */
const char *pnd_debug_quote(char *dst, size_t cap, const char *word);

#endif
