/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Mach-O core files, 32 and 64 bit, both byte orders: the header and the load commands that say
 * where in the file something stands, read from the first bytes of the file. Freestanding.
 * @source PROTOCOL.md#kdp-6.1, #kdp-6.5 */
#ifndef PND_IMAGE_MACHO_H
#define PND_IMAGE_MACHO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panicd/err.h"

enum {
    PND_MACHO_TYPE_CORE = 4,
    PND_MACHO_LC_SEGMENT = 0x01,
    PND_MACHO_LC_THREAD = 0x04,
    PND_MACHO_LC_SEGMENT_64 = 0x19,
    PND_MACHO_LC_NOTE = 0x31,
    PND_MACHO_COMMANDS_MAX = 1 << 20, /* 72 MiB of commands; a kernel has thousands */
};

struct pnd_macho {
    bool is64, big;
    uint32_t cputype, cpusubtype, filetype;
    uint32_t ncmds, sizeofcmds; /* sizeofcmds in bytes */
    uint32_t commands_at;       /* 28 or 32 */
    uint64_t commands_end;      /* commands_at + sizeofcmds */
};

enum pnd_macho_kind {
    PND_MACHO_SEGMENT,
    PND_MACHO_NOTE,
    PND_MACHO_THREAD,
    PND_MACHO_OTHER,
    PND_MACHO_ZERO, /* cmd 0, cmdsize 0: announced, never written; nothing follows it */
};

struct pnd_macho_cmd {
    enum pnd_macho_kind kind;
    uint32_t index, cmd;
    uint32_t len;          /* of the whole command */
    uint64_t at;           /* of the command in the file */
    uint64_t offset, size; /* SEGMENT and NOTE: in the file; the sum does not overflow */
    uint64_t vmaddr, vmsize;
    uint32_t maxprot;
};

struct pnd_macho_walk {
    const struct pnd_macho *macho;
    const uint8_t *head;
    size_t len;
    uint32_t index; /* of the next command */
    uint64_t at;    /* of the next command in the file; after an error: where it is */
    bool ended;
};

bool pnd_macho_is(const void *head, size_t len);

/* @param head  the first @p len bytes of the file
 * @return PND_OK; PND_E_TYPE no Mach-O file; PND_E_SHORT the header is not all there;
 *         PND_E_FORMAT fewer bytes of commands than their count needs;
 *         PND_E_RANGE more than PND_MACHO_COMMANDS_MAX commands */
int pnd_macho_parse(const void *head, size_t len, struct pnd_macho *ret);

/* The file type alone, which stands in the first 16 bytes.
 * @return PND_OK; PND_E_TYPE; PND_E_SHORT */
int pnd_macho_filetype(const void *head, size_t len, uint32_t *ret);

/* @p macho and @p head must live as long as @p walk. */
void pnd_macho_walk_init(struct pnd_macho_walk *walk, const struct pnd_macho *macho,
                         const void *head, size_t len);

/* The next load command, in file order; at most ncmds of them.
 * @return PND_OK; PND_E_NOTFOUND there are no more; PND_E_SHORT it is not within the bytes given;
 *         PND_E_FORMAT a size that cannot be, or a sum that overflows (walk->at, walk->index say
 *         which) */
int pnd_macho_walk_next(struct pnd_macho_walk *walk, struct pnd_macho_cmd *ret);

#endif
