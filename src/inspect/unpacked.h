/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Packed content at any offset: unpacked again from the nearest point of the index, with the last
 * few MiB kept. */
#ifndef PND_INSPECT_UNPACKED_H
#define PND_INSPECT_UNPACKED_H

#include "inspect/packed.h"

enum {
    PND_UNPACKED_BLOCK = 64 << 10,
    PND_UNPACKED_BLOCKS = PND_PASS_CACHE_BYTES / PND_UNPACKED_BLOCK,
};

struct pnd_unpacked_block {
    uint64_t start; /* a multiple of PND_UNPACKED_BLOCK */
    size_t len;     /* less than a block where the content went no further */
    uint64_t used;  /* when; 0: never */
    uint8_t *data;
};

struct pnd_unpacked {
    int fd;
    enum pnd_packed_kind kind;
    const struct pnd_packed_index *index;
    struct pnd_packed packed;
    bool live;                /* packed goes on at: */
    uint64_t stored, content; /* of what packed has used and made */
    uint8_t *in, *scratch;
    const uint8_t *in_at; /* what was read and is not used yet */
    size_t in_len;
    uint64_t clock, budget; /* budget: bytes that may still be unpacked */
    struct pnd_unpacked_block blocks[PND_UNPACKED_BLOCKS];
};

void pnd_unpacked_init(struct pnd_unpacked *unpacked, int fd, enum pnd_packed_kind kind,
                       const struct pnd_packed_index *index);
void pnd_unpacked_deinit(struct pnd_unpacked *unpacked);

/* @param stored, content  how far the pass has come: nothing beyond is read
 * @return PND_OK; PND_E_SHORT beyond content; PND_E_SOURCE the file cannot be read, is not what it
 *         was, or the budget is used up; PND_E_SYS no memory */
int pnd_unpacked_read(struct pnd_unpacked *unpacked, uint64_t stored, uint64_t content,
                      uint64_t offset, void *buf, size_t len);

#endif
