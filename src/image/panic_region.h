/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The header before a panic log in the memory where Apple's kernel keeps it over a reset, and as a
 * file of its own in the disk corefile; and the 7-bit packing of logs in the NVRAM of Macs without
 * a T2 chip. Freestanding.
 * @source PROTOCOL.md#kdp-9.4 */
#ifndef PND_IMAGE_PANIC_REGION_H
#define PND_IMAGE_PANIC_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panicd/err.h"

enum pnd_panic_region_kind {
    PND_PANIC_REGION_EMBEDDED, /* arm64, T2: 177 bytes; older ones have a part of it */
    PND_PANIC_REGION_MACOS,    /* x86: 56 bytes */
};

struct pnd_panic_part {
    uint32_t offset, len; /* from the start of the header; len 0: none */
};

struct pnd_panic_region {
    enum pnd_panic_region_kind kind;
    uint32_t version;
    uint64_t flags;
    uint64_t roots;                                           /* installed, a bitmap */
    bool intact;                                              /* the checksum is right */
    struct pnd_panic_part log, stackshot, other, more;        /* more: the log's later addition */
    char os_version[33], macos_version[33], boot_session[38]; /* "": not there. Text from outside */
};

enum {
    PND_PANIC_REGION_HEAD = 56, /* bytes that are enough to know it, and where its log is */
    PND_PANIC_REGION_MAX = 16 << 20,
};

/* The header alone: its parts as it announces them; intact stays false.
 * @return PND_OK; PND_E_TYPE no such header; PND_E_SHORT fewer than PND_PANIC_REGION_HEAD bytes;
 *         PND_E_FORMAT the log would lie in the header */
int pnd_panic_region_parse(const void *head, size_t len, struct pnd_panic_region *ret);

/* The region, of which @p len bytes are there: what its parts announce beyond them is cut off, and
 * the checksum is compared. @return as above */
int pnd_panic_region_read(const void *buf, size_t len, struct pnd_panic_region *ret);

/* What bit @p bit of the flags says: "the core dump is complete"; NULL: nothing known. */
const char *pnd_panic_region_flag(enum pnd_panic_region_kind kind, unsigned bit);

/* A packed log: of each 8 characters their 7 bits, in 7 bytes. Which end comes first is taken from
 * what becomes text. @return the bytes in @p ret, at most @p cap, up to the first that is no text;
 * 0: no text either way. No NUL is added */
size_t pnd_panic_unpack(const void *packed, size_t len, char *ret, size_t cap);

#endif
