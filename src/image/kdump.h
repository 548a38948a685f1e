/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The headers of makedumpfile's kdump-compressed format, which QEMU writes too, and of its
 * "flattened" form, in which the same bytes come in order through a pipe. What is here: where
 * everything lies. Nothing is copied, nothing unpacked, nothing trusted. Freestanding.
 * @source makedumpfile IMPLEMENTATION ("The kdump-compressed format", "The flattened format");
 * PROTOCOL.md#linux-1, #linux-2 */
#ifndef PND_IMAGE_KDUMP_H
#define PND_IMAGE_KDUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panicd/err.h"

/* Page frames: 256 TiB of pages of 4 KiB. Who indexes the bitmap needs 8 bytes for each piece. */
#define PND_KDUMP_PAGES_MAX (UINT64_C(1) << 36)

enum {
    PND_KDUMP_HEAD_MIN = 1 << 17, /* bytes of the start that hold both headers, at any block size */
    PND_KDUMP_BLOCK_MAX = 1 << 16,
    PND_KDUMP_DESC_BYTES = 24,
    PND_KDUMP_UTS_CAP = 66,
    PND_KDUMP_INCOMPLETE = 8, /* in status: makedumpfile ran out of room */

    PND_FLAT_START_BYTES = 4096, /* before the first record */
    PND_FLAT_RECORD_BYTES = 16,  /* before each record's data */
};

/* How a page is packed. @source as above, page_desc.flags */
enum pnd_kdump_packing {
    PND_KDUMP_PLAIN = 0,
    PND_KDUMP_ZLIB = 1,
    PND_KDUMP_LZO = 2,
    PND_KDUMP_SNAPPY = 4,
    PND_KDUMP_ZSTD = 32,
};

struct pnd_kdump {
    bool is32, big;
    unsigned version;
    uint32_t status, block;    /* flags; bytes of a page and of what everything is aligned to */
    uint64_t time_s;           /* when it was written, since 1970 */
    uint64_t pages;            /* page frames, from 0 */
    uint64_t first, end;       /* those whose data is here, of a split dump: [first, end) */
    uint64_t bitmap_bytes;     /* of each of the two bitmaps */
    uint64_t exists, dumped;   /* where they begin: frames that are memory; that are in the dump */
    uint64_t descs;            /* where the page descriptors begin, one for each dumped frame */
    uint64_t info, info_bytes; /* VMCOREINFO; 0: none */
    uint64_t notes, notes_bytes;
    char node[PND_KDUMP_UTS_CAP], release[PND_KDUMP_UTS_CAP], kernel[PND_KDUMP_UTS_CAP],
        machine[PND_KDUMP_UTS_CAP];
};

struct pnd_kdump_page {
    uint64_t offset; /* of its data; offset + bytes does not overflow */
    uint32_t bytes, flags;
};

bool pnd_kdump_is(const void *head, size_t len);

/* @param head  the first @p len bytes; PND_KDUMP_HEAD_MIN are always enough
 * @return PND_OK; PND_E_TYPE another format; PND_E_SHORT the headers are not all there;
 *         PND_E_FORMAT they contradict themselves, or there are more frames than
 * PND_KDUMP_PAGES_MAX
 */
int pnd_kdump_parse(const void *head, size_t len, struct pnd_kdump *ret);

/* A page descriptor, of PND_KDUMP_DESC_BYTES.
 * @return PND_OK; PND_E_FORMAT a size, packing or offset that cannot be */
int pnd_kdump_page(const struct pnd_kdump *kdump, const void *desc, struct pnd_kdump_page *ret);

bool pnd_flat_is(const void *head, size_t len);

/* The head of a record: @p ret_bytes bytes follow it, which belong at @p ret_offset.
 * @param head  PND_FLAT_RECORD_BYTES
 * @return PND_OK; PND_E_NOTFOUND it is the end; PND_E_FORMAT no record begins like this */
int pnd_flat_record(const void *head, uint64_t *ret_offset, uint64_t *ret_bytes);

#endif
