/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Finds the texts of scan.h while the content goes by, in pieces of any size: a text that lies
 * across two of them is found all the same. */
#ifndef PND_INSPECT_SCANNER_H
#define PND_INSPECT_SCANNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inspect/scan.h"

enum {
    PND_SCANNER_EXTENT = 32, /* bytes from the start of a text within which it is decided */
    PND_SCANNER_HASH_BITS = 13,
};

struct pnd_scanner {
    struct pnd_scan scan;
    uint64_t at;       /* bytes that have gone by */
    uint64_t last_hit; /* of any text; UINT64_MAX: none */
    size_t tail_len;   /* the last bytes, in which a text may have begun */
    uint8_t tail[2 * PND_SCANNER_EXTENT];
    uint8_t maybe[1 << PND_SCANNER_HASH_BITS]; /* by the hash of four bytes: part of a text? */
};

void pnd_scanner_init(struct pnd_scanner *scanner);

void pnd_scanner_feed(struct pnd_scanner *scanner, const uint8_t *data, size_t len);

/* @p len bytes, at least PND_SCANNER_EXTENT, that are all @p byte, which is 0 or 'X'. */
void pnd_scanner_skip(struct pnd_scanner *scanner, uint8_t byte, uint64_t len);

/* Nothing follows: what stands at the very end is decided, too. */
void pnd_scanner_end(struct pnd_scanner *scanner);

#endif
