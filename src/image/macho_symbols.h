/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The symbol table of a Mach-O kernel, kext or dSYM; of one part of a fat file; of one entry of a
 * kernel collection, in which the kernel and its kexts stand together. 32 and 64 bit, both byte
 * orders. Nothing is allocated: the caller brings a table of its own. Freestanding.
 * @source PROTOCOL.md#kdp-9.5 */
#ifndef PND_IMAGE_MACHO_SYMBOLS_H
#define PND_IMAGE_MACHO_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panicd/err.h"

enum {
    PND_MACHO_SEGMENTS_MAX = 64,     /* of one image; further ones are passed over */
    PND_MACHO_SLICES_MAX = 64,       /* of a fat file */
    PND_MACHO_SYMBOLS_MAX = 1 << 22, /* of one image: 64 MiB of table */
    PND_MACHO_ENTRY_NAME_CAP = 256,
    PND_MACHO_CPU_X86 = 7,
    PND_MACHO_CPU_ARM = 12,
    PND_MACHO_CPU_64 = 0x01000000, /* in addition */
};

/* Where the file is read. @return PND_OK all @p len bytes are in @p buf; else the code that is
 * passed on. */
struct pnd_macho_source {
    void *ctx;
    uint64_t bytes; /* of the file */
    int (*read)(void *ctx, uint64_t offset, void *buf, size_t len);
};

struct pnd_macho_slice {
    uint64_t offset, bytes; /* in the file */
    uint32_t cputype;
};

struct pnd_macho_segment {
    char name[17];
    uint64_t vmaddr, vmsize; /* linked; the sum does not overflow */
};

struct pnd_macho_image {
    const struct pnd_macho_source *source;
    struct pnd_macho_slice slice; /* whose start its file offsets count from */
    bool is64, big;
    uint32_t cputype, filetype, ncmds;
    uint64_t commands_at, commands_end; /* in the file */
    bool has_uuid;
    uint8_t uuid[16];
    unsigned segment_count;
    struct pnd_macho_segment segments[PND_MACHO_SEGMENTS_MAX];
    uint32_t symbol_count; /* entries of its table; 0: none */
    uint32_t strings_bytes;
    uint64_t symbols_at, strings_at; /* in the file */
    uint32_t entry_count;            /* images within it: a kernel collection */
};

struct pnd_macho_entry {
    char name[PND_MACHO_ENTRY_NAME_CAP]; /* "com.apple.kernel"; text from outside */
    uint64_t header;                     /* offset from the start of the slice */
};

struct pnd_macho_entries { /* a walk over them */
    const struct pnd_macho_image *image;
    uint64_t at;
    uint32_t index;
};

struct pnd_macho_section {
    char segment[17], name[17];
    uint64_t at, bytes; /* in the file; within it */
};

struct pnd_macho_sections { /* a walk over them */
    const struct pnd_macho_image *image;
    uint64_t at; /* of the next command */
    uint32_t index;
    uint64_t section_at; /* of the next section of the segment before it */
    uint32_t left;
};

struct pnd_macho_symbol {
    uint64_t address; /* linked */
    uint32_t name;    /* offset among the strings */
};

/* Part @p index of the file: a fat one has several, any other one is its own part 0.
 *   @return PND_OK; PND_E_NOTFOUND it has no such part; PND_E_TYPE no Mach-O file;
 *           PND_E_SHORT it ends too early; PND_E_FORMAT a part beyond its end; the source's */
int pnd_macho_slice(const struct pnd_macho_source *source, unsigned index,
                    struct pnd_macho_slice *ret);

/* @param header  0, or what an entry says. @p source must live as long as @p ret
 * @return as above; PND_E_RANGE more commands or symbols than the limits */
int pnd_macho_image_open(const struct pnd_macho_source *source, const struct pnd_macho_slice *slice,
                         uint64_t header, struct pnd_macho_image *ret);

/* The images within it. @return PND_OK; PND_E_NOTFOUND no more; PND_E_FORMAT; the source's */
void pnd_macho_entries_init(struct pnd_macho_entries *walk, const struct pnd_macho_image *image);
int pnd_macho_entries_next(struct pnd_macho_entries *walk, struct pnd_macho_entry *ret);

/* NULL: it has no segment of that name. */
const struct pnd_macho_segment *pnd_macho_find_segment(const struct pnd_macho_image *image,
                                                       const char *name);
/* The segment that @p address is in; NULL: none. */
const struct pnd_macho_segment *pnd_macho_segment_at(const struct pnd_macho_image *image,
                                                     uint64_t address);

/* The sections of all segments. @return PND_OK; PND_E_NOTFOUND no more; PND_E_FORMAT one that is
 * not in the file; the source's */
void pnd_macho_sections_init(struct pnd_macho_sections *walk, const struct pnd_macho_image *image);
int pnd_macho_sections_next(struct pnd_macho_sections *walk, struct pnd_macho_section *ret);

/* All symbols that stand in a section, debugging entries left out, sorted by address.
 *   @param symbols  room for @p cap; symbol_count are enough
 *   @return PND_OK; PND_E_FULL; PND_E_SHORT the table is beyond the end; the source's */
int pnd_macho_symbols_read(const struct pnd_macho_image *image, struct pnd_macho_symbol *symbols,
                           size_t cap, size_t *ret_count);

/* The nearest one at or before @p address, in the same segment; NULL: none. */
const struct pnd_macho_symbol *pnd_macho_symbols_find(const struct pnd_macho_image *image,
                                                      const struct pnd_macho_symbol *symbols,
                                                      size_t count, uint64_t address);

/* As the linker knows it ("_panic"), with its NUL; cut to @p cap. Text from outside.
 *   @return PND_OK; PND_E_FORMAT it is not among the strings; the source's */
int pnd_macho_symbol_name(const struct pnd_macho_image *image,
                          const struct pnd_macho_symbol *symbol, char *ret, size_t cap);

#endif
