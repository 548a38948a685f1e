/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ELF core files, 32 and 64 bit, both byte orders: the header and the program headers, read from
 * the first bytes of the file. Nothing is copied and nothing trusted: every field goes through
 * the cursor, every sum is tested. Freestanding.
 * @source System V ABI, "Object Files" and "Program Loading"; PN_XNUM: elf(5) */
#ifndef PND_IMAGE_ELF_H
#define PND_IMAGE_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panicd/err.h"

enum {
    PND_ELF_TYPE_CORE = 4,
    PND_ELF_PT_LOAD = 1,
    PND_ELF_PT_NOTE = 4,
    PND_ELF_XNUM = 0xffff,          /* the count is in section header 0, sh_info */
    PND_ELF_SEGMENTS_MAX = 1 << 20, /* 56 MiB of table; a kernel has a few dozen */
    PND_ELF_MAGIC_LEN = 4,
};

struct pnd_elf {
    bool is64, big;
    uint16_t type, machine;
    uint64_t phoff;     /* bytes from the start of the file */
    uint16_t phentsize; /* at least what the class needs */
    uint32_t phnum;
    bool phnum_unknown; /* PN_XNUM, and section header 0 is not among the bytes given */
    uint64_t table_end; /* phoff + phnum * phentsize */
};

struct pnd_elf_segment {
    uint32_t type;
    uint64_t offset, filesz; /* offset + filesz does not overflow */
    uint64_t vaddr, paddr, memsz;
};

bool pnd_elf_is(const void *head, size_t len);

/* @param head  the first @p len bytes of the file
 * @return PND_OK; PND_E_TYPE no ELF file; PND_E_SHORT the header is not all there;
 *         PND_E_FORMAT a class, byte order, entry size or table that cannot be;
 *         PND_E_RANGE more than PND_ELF_SEGMENTS_MAX segments */
int pnd_elf_parse(const void *head, size_t len, struct pnd_elf *ret);

/* The type alone, which stands in the first 18 bytes. @return PND_OK; PND_E_TYPE; PND_E_SHORT;
 * PND_E_FORMAT */
int pnd_elf_type(const void *head, size_t len, uint16_t *ret);

/* Program header @p index.
 * @return PND_OK; PND_E_NOTFOUND there are no more; PND_E_SHORT it is not within @p len bytes;
 *         PND_E_FORMAT its offset and size overflow */
int pnd_elf_segment(const struct pnd_elf *elf, const void *head, size_t len, uint32_t index,
                    struct pnd_elf_segment *ret);

#endif
