/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A disk for tests, with a cache that loses and reorders what was not flushed. It records every
 * operation, and can then be cut at any of them: what was flushed is there; of what was not, each
 * sector is or is not, and of two writes to one sector either may be the last. */
#ifndef PND_TESTS_COREFILE_DISK_H
#define PND_TESTS_COREFILE_DISK_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "panicd/corefile.h"

enum { DISK_CAP = 1 << 20, DISK_OPS_CAP = 1024, DISK_PIECE = 4096, DISK_NEVER = -1 };

struct disk_op {
    uint64_t offset;
    size_t len; /* 0: a flush */
    bool failed;
    uint8_t data[DISK_PIECE];
};

struct disk {
    struct pnd_disk disk; /* to be handed to the writer */
    uint64_t seed;
    int fail_at;    /* the operation that fails, or DISK_NEVER */
    bool fail_ever; /* and all behind it */
    int fault_at;   /* in the operation, the machine panics anew: on to `fault` */
    jmp_buf fault;
    int count;
    bool bad; /* the writer did what no disk can do */
    struct disk_op ops[DISK_OPS_CAP];
    uint8_t first[DISK_CAP];   /* what it held before the first operation */
    uint8_t durable[DISK_CAP]; /* what it holds for sure, at the cut that is looked at */
    uint8_t cut[DISK_CAP];     /* one of the things it may hold there */
};

static inline uint32_t disk_random(struct disk *disk)
{
    disk->seed = disk->seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(disk->seed >> 33);
}

static inline struct disk_op *disk_record(struct disk *disk, uint64_t offset, size_t len)
{
    struct disk_op *op = &disk->ops[disk->count];

    if (disk->count == DISK_OPS_CAP)
        abort(); /* the test is too long for the model */
    op->offset = offset;
    op->len = len;
    op->failed = disk->fail_at != DISK_NEVER &&
                 (disk->fail_ever ? disk->count >= disk->fail_at : disk->count == disk->fail_at);
    disk->count++;
    return op;
}

static inline void disk_fault(struct disk *disk)
{
    if (disk->fault_at == disk->count - 1)
        longjmp(disk->fault, 1);
}

static inline int disk_write(void *ctx, uint64_t offset, const void *buf, size_t len)
{
    struct disk *disk = ctx;
    struct disk_op *op;

    if (len == 0 || len > DISK_PIECE || offset % disk->disk.sector_bytes != 0 ||
        len % disk->disk.sector_bytes != 0 || offset > disk->disk.bytes ||
        len > disk->disk.bytes - offset) {
        disk->bad = true;
        return PND_E_ARG;
    }
    op = disk_record(disk, offset, len);
    memcpy(op->data, buf, len);
    disk_fault(disk);
    return op->failed ? PND_E_SYS : PND_OK;
}

static inline int disk_flush(void *ctx)
{
    struct disk *disk = ctx;
    struct disk_op *op = disk_record(disk, 0, 0);

    if (disk->fault_at == disk->count - 1)
        op->failed = true; /* nobody waited for it */
    disk_fault(disk);
    return op->failed ? PND_E_SYS : PND_OK;
}

/* An empty disk without a past. */
static inline void disk_init(struct disk *disk, uint32_t sector_bytes, uint64_t bytes)
{
    if (bytes > DISK_CAP)
        abort();
    memset(disk, 0, sizeof(*disk));
    disk->disk = (struct pnd_disk){.ctx = disk,
                                   .sector_bytes = sector_bytes,
                                   .bytes = bytes,
                                   .write = disk_write,
                                   .flush = disk_flush};
    disk->fail_at = disk->fault_at = DISK_NEVER;
    disk->seed = 1;
}

static inline void disk_apply(uint8_t *image, const struct disk_op *op, size_t from, size_t len)
{
    memcpy(image + op->offset + from, op->data + from, len);
}

/* Sets disk->durable and disk->cut. A write that failed has reached the medium or not, sector by
 * sector; so has one before a flush that failed, whatever later flushes say.
 * @return the first operation that is uncertain at the cut before operation @p at */
static inline int disk_settle(struct disk *disk, int at)
{
    size_t sector = disk->disk.sector_bytes;
    int from = 0, dropped_to = 0;

    memcpy(disk->durable, disk->first, disk->disk.bytes);
    for (int i = 0; i < at; i++) {
        if (disk->ops[i].len > 0)
            continue;
        if (disk->ops[i].failed) {
            dropped_to = i;
            continue;
        }
        for (; from < i; from++) {
            bool certain = !disk->ops[from].failed && from >= dropped_to;

            for (size_t s = 0; s < disk->ops[from].len; s += sector)
                if (certain || disk_random(disk) % 2)
                    disk_apply(disk->durable, &disk->ops[from], s, sector);
        }
    }
    memcpy(disk->cut, disk->durable, disk->disk.bytes);
    return from;
}

/* disk->cut is disk->durable again: the last cut touched what these operations did, at most. */
static inline void disk_uncut(struct disk *disk, int from, int at)
{
    for (int i = from; i < at; i++)
        memcpy(disk->cut + disk->ops[i].offset, disk->durable + disk->ops[i].offset,
               disk->ops[i].len);
}

/* Sets disk->cut to what the disk may hold at the cut before operation @p at: behind what is
 * certain, a part of the sectors from operation @p from on, in any order. disk_settle() comes
 * first, and gives @p from. */
static inline void disk_cut(struct disk *disk, int from, int at)
{
    size_t sector = disk->disk.sector_bytes;
    uint32_t keep = disk_random(disk) % 9; /* of eight: none, few, half, most, all */

    disk_uncut(disk, from, at);
    for (int pass = 0; pass < 2; pass++) { /* what the second one writes came late */
        for (int i = from; i < at; i++) {
            for (size_t s = 0; s < disk->ops[i].len; s += sector)
                if (disk_random(disk) % 8 < keep && disk_random(disk) % 2)
                    disk_apply(disk->cut, &disk->ops[i], s, sector);
        }
    }
}

/* The same without reordering: the writes in order, and of the last one its first @p sectors. */
static inline void disk_cut_in_order(struct disk *disk, int from, int at, size_t sectors)
{
    disk_uncut(disk, from, at);
    for (int i = from; i < at; i++) {
        size_t len = disk->ops[i].len;

        if (i == at - 1 && sectors * disk->disk.sector_bytes < len)
            len = sectors * disk->disk.sector_bytes;
        disk_apply(disk->cut, &disk->ops[i], 0, len);
    }
}

/* Everything that was written is there: a new past begins. */
static inline void disk_restart(struct disk *disk)
{
    for (int i = 0; i < disk->count; i++)
        disk_apply(disk->first, &disk->ops[i], 0, disk->ops[i].len);
    disk->count = 0;
}

#endif
