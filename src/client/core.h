/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the two core formats share: the walk over the regions, the way to the sink, and where the
 * parts of a file stand. A format is a table of functions. Freestanding. */
#ifndef PND_CLIENT_CORE_H
#define PND_CLIENT_CORE_H

#include <stddef.h>
#include <stdint.h>

#include "panicd/core.h"

struct pnd_core {
    const struct pnd_core_config *config;
    const struct pnd_sink *sink;
    struct pnd_core_summary *summary; /* of what was written so far */
    /* The plan, made by the first walk: */
    uint32_t regions;
    uint64_t memory_bytes;
    uint64_t fingerprint; /* of all regions, in order */
    uint64_t head_bytes;  /* in front of the padding that leads to the first page's data */
    uint64_t data_at;     /* in the file: a multiple of page_bytes */
    uint64_t total;       /* bytes of the file */
};

/* The file, in the order in which it is written:
 *   head      what stands in front of the regions' descriptions
 *   describe  one region, whose pages will stand at @p offset of the file
 *   behind    what follows the last description; together with the two above, head_bytes
 *   tail      what follows the last page; NULL: nothing does
 * (region_bytes: of one description; fixed_bytes: of head and behind; tail_bytes: of tail.)
 * Each returns PND_OK or what the sink returned. */
struct pnd_core_writer {
    uint32_t regions_max, region_bytes, fixed_bytes, tail_bytes;
    int (*head)(struct pnd_core *core);
    int (*describe)(struct pnd_core *core, const struct pnd_region *region, uint64_t offset);
    int (*behind)(struct pnd_core *core);
    int (*tail)(struct pnd_core *core);
};

extern const struct pnd_core_writer pnd_core_macho, pnd_core_elf;

/* The next bytes of the file.
 *   @param len  not 0: no part of a core is empty
 *   @return PND_OK; what the sink returned */
int pnd_core_put(struct pnd_core *core, const void *buf, size_t len);

#endif
