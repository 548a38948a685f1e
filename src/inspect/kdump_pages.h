/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The pages of a kdump-compressed dump: which there are, and what is in them. In bounded memory:
 * 8 bytes for each 4 KiB of bitmap, and a few unpacked pages. @source PROTOCOL.md#linux-1 */
#ifndef PND_INSPECT_KDUMP_PAGES_H
#define PND_INSPECT_KDUMP_PAGES_H

#include "image/kdump.h"
#include "inspect/content.h"

enum {
    PND_KDUMP_PIECE = 4096, /* bytes of a bitmap that are looked at in one go */
    PND_KDUMP_SLOTS = 32,   /* unpacked pages that are kept */
};

struct pnd_kdump_pages {
    const struct pnd_content *content;
    struct pnd_kdump kdump;
    uint64_t *ranks; /* dumped frames before each piece of the bitmap; one more than pieces */
    uint64_t pieces, dumped;
    uint8_t piece[PND_KDUMP_PIECE]; /* number piece_at of the bitmap */
    uint64_t piece_at;
    uint8_t *packed; /* a block */
    uint8_t *slots;  /* PND_KDUMP_SLOTS blocks */
    uint64_t frames[PND_KDUMP_SLOTS];
    bool valid[PND_KDUMP_SLOTS];
};

/* Free with pnd_kdump_pages_deinit(), whatever this returns.
 *   @return PND_OK; PND_E_SHORT the bitmaps are not all there (yet); PND_E_FORMAT; PND_E_SYS;
 *           PND_E_SOURCE */
int pnd_kdump_pages_init(struct pnd_kdump_pages *ret, const struct pnd_content *content,
                         const struct pnd_kdump *kdump);
void pnd_kdump_pages_deinit(struct pnd_kdump_pages *pages);

/* Physical memory; never over a boundary of a block. @return PND_OK; PND_E_NOTFOUND the page is
 * not in the dump; PND_E_SHORT it is not there (yet); PND_E_FORMAT it does not unpack */
int pnd_kdump_pages_read(struct pnd_kdump_pages *pages, uint64_t address, void *buf, size_t len);

#endif
