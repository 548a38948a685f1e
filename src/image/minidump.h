/* SPDX-License-Identifier: BSD-2-Clause
 *
 * FreeBSD's minidump: header, message buffer, a bitmap of the pages that are kept, the last level
 * of the page tables, and those pages. What is published is the layout of amd64, version 2. Later
 * versions and other machines begin alike; what lies behind the message buffer is taken for a list
 * of memory ranges and a bitmap over them only where the bytes themselves bear it out, and else
 * said to be unknown. Read through a callback; all memory is in struct pnd_minidump.
 * Freestanding. @source PROTOCOL.md#netdump-9 */
#ifndef PND_IMAGE_MINIDUMP_H
#define PND_IMAGE_MINIDUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panicd/err.h"

enum {
    PND_MINIDUMP_HEADER_BYTES = 64, /* what is read of it */
    PND_MINIDUMP_PAGE = 4096,
    PND_MINIDUMP_ARCH_CAP = 12,
    PND_MINIDUMP_RANGES_MAX = 255, /* of memory */
    PND_MINIDUMP_PIECE = 4096,     /* bytes of bitmap at a time */
};

/* How the pages are found. */
enum pnd_minidump_layout {
    PND_MINIDUMP_UNKNOWN, /* nothing but the message buffer is */
    PND_MINIDUMP_PLAIN,   /* a bit of the bitmap for each page from address 0 on */
    PND_MINIDUMP_LISTED,  /* a bit for each page of the ranges in the list ahead of it */
};

/* @return PND_OK all @p len bytes are in @p buf; PND_E_SHORT they are not there, or not yet; else
 * they cannot be read. What is not PND_OK is passed on. */
struct pnd_minidump_source {
    void *ctx;
    int (*read)(void *ctx, uint64_t offset, void *buf, size_t len);
};

struct pnd_minidump {
    struct pnd_minidump_source source;
    char arch[PND_MINIDUMP_ARCH_CAP]; /* "amd64"; printable ASCII; what the magic says */
    uint32_t version;                 /* 0: the machine's header is not known here */
    enum pnd_minidump_layout layout;
    uint64_t log_offset, log_bytes;       /* the message buffer; both 0: not known */
    uint64_t bitmap_offset, bitmap_bytes; /* from here on 0 when the layout is unknown */
    uint64_t tables_offset, tables_bytes;
    uint64_t pages_offset;
    uint64_t kernel_base, direct_base, direct_end; /* amd64 only */
    unsigned range_count;
    struct {
        uint64_t start, end; /* physical, whole pages, ascending, disjoint */
    } ranges[PND_MINIDUMP_RANGES_MAX];
    uint8_t piece[PND_MINIDUMP_PIECE];
};

/* Pages that are kept and follow each other in memory and in the file. */
struct pnd_minidump_run {
    uint64_t start, end; /* physical [start, end) */
    uint64_t offset;     /* of the first in the file */
};

/* Where pnd_minidump_next() is. Zeroed: at the start. */
struct pnd_minidump_walk {
    uint64_t bit, pages; /* of the bitmap; pages behind us */
    uint64_t piece;      /* 1 + the index of the piece in minidump->piece; 0: none */
    unsigned range;
    uint64_t range_bits; /* bits of the ranges ahead of range */
};

bool pnd_minidump_is(const void *head, size_t len);

/* Reads the header and finds the layout.
 *   @return PND_OK; PND_E_TYPE no minidump; PND_E_SHORT; what the source returned */
int pnd_minidump_open(struct pnd_minidump *minidump, const struct pnd_minidump_source *source);

/* The next run, in the order of the file. Reads each piece of the bitmap once.
 *   @return PND_OK; PND_E_NOTFOUND there are no more (walk->pages is their sum), or the layout is
 *           unknown; what the source returned */
int pnd_minidump_next(struct pnd_minidump *minidump, struct pnd_minidump_walk *walk,
                      struct pnd_minidump_run *ret);

#endif
