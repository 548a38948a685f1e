/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The Mach-O files that belong to a Darwin backtrace: the kernel's and each kext's, found by UUID.
 * For symbols_macho.c alone. */
#ifndef PND_PANICCTL_SYMBOLS_IMAGES_H
#define PND_PANICCTL_SYMBOLS_IMAGES_H

#include "facts/facts.h"
#include "host/why.h"
#include "image/macho_symbols.h"
#include "image/panic_log.h"
#include "panicctl/symbols.h"
#include "panicctl/symbols_lines.h"

enum {
    PND_UUID_BYTES = 16,
    PND_UUID_CAP = 37, /* as text, with NUL */
};

/* What is looked for, and then what was found: an image within a file. */
struct pnd_image {
    char *what;    /* "kernel", or a kext's bundle id */
    bool has_uuid; /* of the dump */
    uint8_t uuid[PND_UUID_BYTES];
    uint64_t start, end; /* of a kext, in the dump's addresses */

    char *path, *part; /* NULL path: nothing found. part: of the file, or NULL */
    struct pnd_macho_slice slice;
    uint64_t header;
    uint64_t weight; /* of two that fit, the one with more symbols is taken; then the dSYM */
    bool fits;       /* by its UUID; else it is only one that may be taken by force */
    uint8_t found_uuid[PND_UUID_BYTES];
    bool found_has_uuid;

    int fd, file; /* file: index among the pnd_symbols files; -1: none */
    struct pnd_macho_source source;
    struct pnd_macho_image macho;
    struct pnd_macho_symbol *symbols;
    size_t symbol_count;
    struct pnd_lines *lines; /* NULL: it has none */
};

struct pnd_images {
    struct pnd_image *at; /* the kernel first */
    unsigned count;
    uint32_t cputype;  /* of the dump; 0: not known */
    uint32_t searched; /* files and folders */
};

/* What the frames of @p facts are in. @return PND_OK; PND_E_SYS. Free it in either case */
int pnd_images_init(struct pnd_images *images, const struct pnd_facts *facts, struct pnd_why *why);
void pnd_images_deinit(struct pnd_images *images);

/* Errors as of pnd_symbols_find(). */
int pnd_images_search(struct pnd_images *images, const char *path, bool force, struct pnd_why *why);

/* Reads the symbols of what was found, and tells @p ret of the files. */
int pnd_images_load(struct pnd_images *images, struct pnd_symbols *ret, struct pnd_why *why);

/* What turns "_ZN9IOService5startEPS_" into C++, from the library of this machine; or NULL. The
 * result is the caller's, or NULL: no such name. */
char *(*pnd_images_demangler(void))(const char *mangled);

#endif
