/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The headers of a kdump-compressed file of version 6, of a little-endian 64-bit machine: bytes
 * out of numbers. What reads them is kdump.h. In the file's order:
 *
 *     first header, a block        pnd_kdump_write_first()
 *     second header, notes         pnd_kdump_write_second(), padded to blocks
 *     bitmap: frames of memory     bit i of byte j is frame 8j + i
 *     bitmap: frames in the dump   as long
 *     descriptors                  pnd_kdump_write_desc(), one for each bit of the second bitmap
 *     data                         from a block on, of the pages
 *
 * Freestanding. @source makedumpfile IMPLEMENTATION ("The kdump-compressed format");
 * PROTOCOL.md#linux-1 */
#ifndef PND_IMAGE_KDUMP_WRITE_H
#define PND_IMAGE_KDUMP_WRITE_H

#include <stdint.h>

#include "image/kdump.h"

enum {
    PND_KDUMP_FIRST_BYTES = 464, /* of the first header; the rest of its block is zeros */
    PND_KDUMP_SECOND_BYTES = 104,
    PND_KDUMP_UTS_FIELDS = 6, /* of uname(2): sysname to domainname */
    PND_KDUMP_NOTES_MAX = 8 << 20,
};

/* What is to be told. */
struct pnd_kdump_what {
    uint32_t block;          /* bytes of a page: a power of two, 4096 to PND_KDUMP_BLOCK_MAX */
    uint32_t level;          /* of makedumpfile -d */
    uint64_t frames, dumped; /* of the machine, from 0 on; that are in the dump */
    uint64_t phys_base, time_s;
    uint64_t notes_bytes;         /* as in the ELF core */
    uint64_t info_at, info_bytes; /* VMCOREINFO, within the notes */
    char uts[PND_KDUMP_UTS_FIELDS][PND_KDUMP_UTS_CAP];
};

/* Where everything goes. */
struct pnd_kdump_places {
    uint64_t second, notes, exists, dumped, bitmap_bytes, descs, data;
};

/* @return PND_OK; PND_E_RANGE more frames than PND_KDUMP_PAGES_MAX, more notes than
 *         PND_KDUMP_NOTES_MAX, or a block or a VMCOREINFO that cannot be */
int pnd_kdump_places(const struct pnd_kdump_what *what, struct pnd_kdump_places *ret);

/* Of a file whose places are known: all bytes of @p ret are written. */
void pnd_kdump_write_first(const struct pnd_kdump_what *what, const struct pnd_kdump_places *places,
                           uint8_t ret[PND_KDUMP_FIRST_BYTES]);
void pnd_kdump_write_second(const struct pnd_kdump_what *what,
                            const struct pnd_kdump_places *places,
                            uint8_t ret[PND_KDUMP_SECOND_BYTES]);

/* Of a page whose @p bytes of data are plain, at @p offset of the file. */
void pnd_kdump_write_desc(uint64_t offset, uint32_t bytes, uint8_t ret[PND_KDUMP_DESC_BYTES]);

#endif
