/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The names of a backtrace's frames, from a file with symbols that a person has: a Mach-O kernel,
 * kext or dSYM (symbols_macho.c), or an ELF kernel with DWARF (symbols_elf.c). Which of them reads
 * a path is said by the file's first bytes, and for a directory by the dump's OS.
 * @source PROTOCOL.md#kdp-9.5 */
#ifndef PND_PANICCTL_SYMBOLS_H
#define PND_PANICCTL_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "facts/facts.h"
#include "host/why.h"

enum {
    PND_SYMBOLS_FILES_MAX = 256,      /* that are used for one backtrace */
    PND_SYMBOLS_TEXT_MAX = 4096,      /* bytes of the text of a frame */
    PND_SYMBOLS_SEARCH_MAX = 1 << 16, /* files and folders looked at below a directory */
};

/* One frame, as facts->frames of the same index. */
struct pnd_symbol {
    uint64_t linked; /* its address in the file that was asked; 0: no file covers it */
    int file;        /* index of that file; -1: none */
    char *text;      /* "_panic + 0x1f" or "sysrq_handle_crash + 0x16 (sysrq.c:154)", what was
                        inlined there before it, each in a line of its own; NULL: no name */
};

/* A file that was used. */
struct pnd_symbol_file {
    char *path;   /* of a fat file or a kernel collection: with ":" and the part behind it */
    char *what;   /* "kernel", or the name of a module of the facts */
    char *id;     /* its UUID with dashes, or its build-id; NULL: it has none */
    bool differs; /* the dump names another id; used only because of force */
};

struct pnd_symbols {
    unsigned frame_count, file_count;
    unsigned named; /* frames that have a text */
    struct pnd_symbol *frames;
    struct pnd_symbol_file *files;
};

/* Looks up each frame of @p facts in @p path: a file, or a directory that is searched for what
 * has the ids that @p facts names. @p ret is overwritten; free it with pnd_symbols_deinit(). A
 * frame without a name is no error; that no file fits is one.
 *   @param force  a file whose id is not that of the dump is used all the same (and marked)
 *   @return PND_OK; PND_E_ARG @p facts has no frames; PND_E_NOTFOUND nothing in @p path fits;
 *           PND_E_NAME the id differs, and not @p force; PND_E_TYPE a file of another kind;
 *           PND_E_FORMAT a damaged one; PND_E_SYS. @p why names what to do next */
int pnd_symbols_find(const struct pnd_facts *facts, const char *path, bool force,
                     struct pnd_symbols *ret, struct pnd_why *why);

void pnd_symbols_deinit(struct pnd_symbols *symbols);

/* The log of @p facts, and below each line with a frame the frame's text and linked address; the
 * frames alone when there is no log. First the files that were used, with what differs. Text from
 * outside is escaped. */
void pnd_symbols_print(FILE *out, const struct pnd_facts *facts, const struct pnd_symbols *symbols);

/* ---- for the two sides ---- */

/* @p ret comes with frame_count empty frames. Errors as above. */
int pnd_symbols_macho(const struct pnd_facts *facts, const char *path, bool force,
                      struct pnd_symbols *ret, struct pnd_why *why);
int pnd_symbols_elf(const struct pnd_facts *facts, const char *path, bool force,
                    struct pnd_symbols *ret, struct pnd_why *why);

/* Copies all of it. @param id  NULL: none. @return its index; -1 full or no memory */
int pnd_symbols_add_file(struct pnd_symbols *symbols, const char *path, const char *what,
                         const char *id, bool differs);

/* Names frame @p index. @param text  NULL: the file covers it and has no symbol there */
void pnd_symbols_set(struct pnd_symbols *symbols, unsigned index, int file, uint64_t linked,
                     const char *text);

/* The address to look up for frame @p index: a return address points behind the call, so it is
 * moved back into it - by 4 on machines whose instructions have 4 bytes, else by 1 - unless the
 * frame is the instruction itself: where the registers of the CPU that panicked were taken. */
uint64_t pnd_symbols_call(const struct pnd_facts *facts, unsigned index);

#endif
