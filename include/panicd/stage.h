/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the parts of a dump hand to each other, and what the platform gives them: memory to be
 * dumped, a disk, a compressor, and sinks for bytes. The chain of a dump is
 *
 *     core writer (core.h) -> codec -> network (client.h) or disk corefile (corefile.h)
 *
 * Every function here is called in a panic: with interrupts off, on one CPU. It must not sleep,
 * lock or allocate. ctx is handed back to each. Functions that return int return PND_OK or a
 * negative enum pnd_err, which ends the dump. */
#ifndef PANICD_STAGE_H
#define PANICD_STAGE_H

#include <stddef.h>
#include <stdint.h>

#include "panicd/err.h"

/* Takes bytes, in order. After an error nothing more is written to it.
 *   write  @p len may be 0, which does nothing
 *   end    no more will come; once, and only after writes that succeeded */
struct pnd_sink {
    void *ctx;
    int (*write)(void *ctx, const void *buf, size_t len);
    int (*end)(void *ctx);
};

/* A compressor: a stage between the core writer and a sink. All its memory is taken before the
 * panic. It may be begun again at any time; what was under way is forgotten.
 *   begin  a new stream whose output goes to @p next, which stays valid until it ends
 *   write, finish  as a sink's; finish writes what is left of the stream, and does not end next */
struct pnd_codec {
    void *ctx;
    int (*begin)(void *ctx, const struct pnd_sink *next);
    int (*write)(void *ctx, const void *buf, size_t len);
    int (*finish)(void *ctx);
};

/* A run of memory that belongs into the dump: page-aligned, and never empty.
 * @source PROTOCOL.md#kdp-6.3 */
struct pnd_region {
    uint64_t address; /* virtual */
    uint64_t physical;
    uint64_t len;
};

/* The memory to be dumped. Regions are asked for several times, in ascending order of address, and
 * must be the same each time.
 *   page_bytes  a power of two, 4096 to 65536
 *   next  the first region that begins at @p from or behind it.
 *         @return PND_OK; PND_E_NOTFOUND there is none
 *   map   where the page at virtual @p address, of a region, can be read; NULL: it cannot be, and
 *         is dumped as bytes `X`. The pointer is used until the next call */
struct pnd_memory {
    void *ctx;
    uint32_t page_bytes;
    int (*next)(void *ctx, uint64_t from, struct pnd_region *ret);
    const void *(*map)(void *ctx, uint64_t address);
};

/* A place on a disk: a partition, or the extents of a file, seen as one. It was opened before the
 * panic, and is written by polling.
 *   sector_bytes  512 to 4096, a power of two: what is written whole or not at all
 *   bytes  its size, used up to the last whole 4096
 *   write  @p offset and @p len are multiples of sector_bytes; @p buf may lie across two pages. It
 *          may be held in a cache
 *   flush  all that was written is on the medium */
struct pnd_disk {
    void *ctx;
    uint32_t sector_bytes;
    uint64_t bytes;
    int (*write)(void *ctx, uint64_t offset, const void *buf, size_t len);
    int (*flush)(void *ctx);
};

#endif
