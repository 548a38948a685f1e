/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes as a disk. The first byte says the size of its sectors (0: 512, 1: 1024, 2: 2048,
 * 3: 4096), and whether the checksums are put right first (4), without which a fuzzer would
 * hardly come behind them. What follows lies from sector 1 on; the disk ends with it. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/gpt.h"
#include "wire/crc32.h"
#include "wire/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { SECTOR_512 = 9, MEND = 4, HEADER_BYTES = 92, DISK_CAP = 256 << 10 };

struct disk {
    uint8_t bytes[DISK_CAP];
    uint64_t len;
    uint32_t sector;
    unsigned reads;
};

static int disk_read(void *ctx, uint64_t offset, void *buf, size_t len)
{
    struct disk *disk = ctx;

    if (offset % disk->sector != 0 || len != disk->sector || offset > disk->len ||
        len > disk->len - offset || disk->reads++ > 100000)
        abort();
    memcpy(buf, disk->bytes + offset, len);
    return PND_OK;
}

/* Puts the sums of the header at @p at right, as far as its fields let them be computed. */
static void mend(struct disk *disk, uint64_t at)
{
    struct pnd_rd rd = pnd_rd(disk->bytes + at, HEADER_BYTES);
    struct pnd_wr wr;
    uint64_t lba, entries_bytes, header_bytes;

    pnd_rd_bytes(&rd, 12);
    header_bytes = pnd_rd_le32(&rd);
    pnd_rd_bytes(&rd, 56);
    lba = pnd_rd_le64(&rd);
    entries_bytes = (uint64_t)pnd_rd_le32(&rd) * pnd_rd_le32(&rd);
    if (lba < disk->len / disk->sector && entries_bytes <= disk->len - lba * disk->sector) {
        wr = pnd_wr(disk->bytes + at + 88, 4);
        pnd_wr_le32(&wr, pnd_crc32(0, disk->bytes + lba * disk->sector, entries_bytes));
    }
    if (header_bytes <= disk->sector) {
        wr = pnd_wr(disk->bytes + at + 16, 4);
        pnd_wr_zeros(&wr, 4);
        wr = pnd_wr(disk->bytes + at + 16, 4);
        pnd_wr_le32(&wr, pnd_crc32(0, disk->bytes + at, header_bytes));
    }
}

/* Where no partition may lie, whoever says so. */
static bool lies_well(const struct disk *disk, const struct pnd_gpt_partition *partition)
{
    return partition->bytes > 0 && partition->offset >= 2 * disk->sector &&
           partition->offset < disk->len &&
           partition->bytes <= disk->len - disk->sector - partition->offset;
}

/* Every entry, of whatever type; and there are no more than the table says. */
static void look_at_entries(struct pnd_gpt *gpt, const struct disk *disk)
{
    struct pnd_gpt_partition partition;

    for (uint32_t i = 0; i <= gpt->entries; i++) {
        int err = pnd_gpt_entry(gpt, i, &partition);

        if ((err == PND_E_RANGE) != (i == gpt->entries) ||
            (err == PND_OK && (partition.index != i || !lies_well(disk, &partition))))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct disk disk;
    static struct pnd_gpt gpt;
    struct pnd_gpt_source source = {.ctx = &disk, .read = disk_read};
    struct pnd_gpt_partition partition;
    uint32_t from = 0;

    if (len < 1)
        return 0;
    disk.sector = UINT32_C(1) << (SECTOR_512 + (data[0] & 3));
    disk.reads = 0;
    if (len - 1 > DISK_CAP - 2 * disk.sector)
        return 0;
    disk.len = (disk.sector + len - 1 + disk.sector - 1) / disk.sector * disk.sector;
    memset(disk.bytes, 0, sizeof(disk.bytes));
    memcpy(disk.bytes + disk.sector, data + 1, len - 1);
    if (data[0] & MEND && disk.len >= 2 * disk.sector) {
        mend(&disk, disk.len - disk.sector);
        mend(&disk, disk.sector);
    }
    source.sector_bytes = disk.sector;
    source.bytes = disk.len;
    if (pnd_gpt_open(&gpt, &source) != PND_OK)
        return 0;
    look_at_entries(&gpt, &disk);
    while (from < PND_GPT_ENTRIES_MAX) {
        int err = pnd_gpt_find(&gpt, pnd_gpt_kernel_core_dump, from, &partition);

        if (err == PND_E_FORMAT) {
            if (partition.index < from)
                abort();
            from = partition.index + 1;
            continue;
        }
        if (err == PND_E_NOTFOUND)
            break;
        if (err != PND_OK || partition.index < from || !lies_well(&disk, &partition))
            abort();
        from = partition.index + 1;
    }
    return 0;
}
