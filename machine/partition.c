/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The place of the corefile on a disk. It is found at boot; the panic only writes there.
 * PROTOCOL.md#kdp-7.4 */
#include "devices.h"

#include "console.h"
#include "image/gpt.h"
#include "memory.h"
#include "virtio_blk.h"

static struct partition {
    struct box_blk *blk;
    uint64_t offset;
    struct pnd_disk disk;
} partition;

static struct pnd_gpt gpt; /* too large for a stack, and the device reads into it */

static int disk_write(void *ctx, uint64_t offset, const void *buf, size_t len)
{
    const struct partition *p = ctx;

    if (offset > p->disk.bytes || len > p->disk.bytes - offset)
        return PND_E_ARG; /* what is behind the partition is somebody else's */
    return box_blk_write(p->blk, p->offset + offset, buf, len);
}

static int disk_flush(void *ctx)
{
    const struct partition *p = ctx;

    return box_blk_flush(p->blk);
}

static int read_table(void *ctx, uint64_t offset, void *buf, size_t len)
{
    return box_blk_read(ctx, offset, buf, len);
}

/* @return PND_OK with the partition in @p ret; PND_E_NOTFOUND; and what is wrong in @p ret_why */
static int find(struct box_blk *blk, struct pnd_gpt_partition *ret, const char **ret_why)
{
    const struct pnd_gpt_source source = {
        .ctx = blk,
        .sector_bytes = box_blk_sector_bytes(blk),
        .bytes = box_blk_bytes(blk),
        .read = read_table,
    };
    int err = pnd_gpt_open(&gpt, &source);

    if (err == PND_E_TYPE) {
        *ret_why = "the disk has no GUID partition table";
        return PND_E_NOTFOUND;
    }
    if (!err)
        err = pnd_gpt_find(&gpt, pnd_gpt_kernel_core_dump, 0, ret);
    if (err == PND_E_NOTFOUND)
        *ret_why = "no Apple_KernelCoreDump partition";
    else if (err == PND_E_FORMAT)
        *ret_why = "the partition table is damaged";
    else if (err)
        *ret_why = "the partition table cannot be read";
    if (!err && box_blk_read_only(blk)) {
        *ret_why = "the disk is read-only";
        return PND_E_ARG;
    }
    return err;
}

static void use(struct box_blk *blk, const struct pnd_gpt_partition *found)
{
    partition = (struct partition){
        .blk = blk,
        .offset = found->offset,
        .disk =
            {
                .ctx = &partition,
                .sector_bytes = box_blk_sector_bytes(blk),
                .bytes = found->bytes,
                .write = disk_write,
                .flush = disk_flush,
            },
    };
}

const struct pnd_disk *box_corefile_partition(const char **ret_why)
{
    struct box_blk *blk;

    *ret_why = "no disk";
    for (unsigned i = 0; (blk = box_blk(i)); i++) {
        struct pnd_gpt_partition found;
        const char *why;
        int err = find(blk, &found, &why);

        if (!err) {
            use(blk, &found);
            box_printf("panicbox: disk%u: Apple_KernelCoreDump is partition %u, %llu MiB%s\n", i,
                       (unsigned)found.index + 1, (unsigned long long)(found.bytes >> 20),
                       gpt.backup ? " (by the backup table: the first is damaged)" : "");
            return &partition.disk;
        }
        if (i == 0 || err != PND_E_NOTFOUND)
            *ret_why = why; /* one that is there and cannot be used says more than none */
    }
    return NULL;
}
