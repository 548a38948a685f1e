/* SPDX-License-Identifier: BSD-2-Clause
 *
 * makedumpfile's flattened form, read as the file that it stands for: an index of the records, of
 * which each says where its bytes belong. @source PROTOCOL.md#linux-2 */
#ifndef PND_INSPECT_FLATTENED_H
#define PND_INSPECT_FLATTENED_H

#include <stdbool.h>
#include <stdint.h>

#include "inspect/content.h"

enum {
    PND_FLATTENED_RECORDS_MAX = 1 << 21, /* 48 MiB of index; makedumpfile writes 64 KiB a record */
    PND_FLATTENED_HEAD = 4 << 20,
    PND_FLATTENED_GAP_MAX = 1 << 16, /* bytes between records that are zeros: the rest of a block */
};

struct pnd_flattened_record {
    uint64_t start, bytes; /* of the file that it stands for */
    uint64_t at;           /* in the content */
};

struct pnd_flattened {
    const struct pnd_content *outer;
    struct pnd_flattened_record *records; /* by start; of the same start, the last is the last */
    size_t count;
    bool ended;              /* the record that ends it is there */
    bool full;               /* there are more records than are kept */
    bool damaged;            /* no record begins at stop */
    uint64_t stop;           /* in the content, behind the last record that was looked at */
    uint64_t whole;          /* bytes of the file that the records make */
    uint64_t hole, hole_end; /* the first gap that is larger than that; equal: none */
    uint8_t *head;
    struct pnd_content content; /* the file itself, as far as it is there */
};

/* Walks the records of @p outer, as far as they are there. Free with pnd_flattened_deinit(),
 * whatever this returns; @p ret must not move. @return PND_OK; PND_E_SYS no memory; PND_E_SOURCE
 * the content cannot be read */
int pnd_flattened_init(struct pnd_flattened *ret, const struct pnd_content *outer);
void pnd_flattened_deinit(struct pnd_flattened *flat);

#endif
