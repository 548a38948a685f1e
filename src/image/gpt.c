/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The partition table of a disk; see gpt.h. */
#include "image/gpt.h"

#include "wire/crc32.h"
#include "wire/cursor.h"

enum {
    HEADER_BYTES = 92, /* what is defined; a header may be longer */
    CRC_AT = 16,
    SECTOR_MIN = 512,
    ENTRY_BYTES_MIN = 128,
    PRIMARY_LBA = 1,
};

#define REVISION_MAJOR UINT32_C(1)

const uint8_t pnd_gpt_freebsd_swap[PND_GPT_GUID_BYTES] = {
    0xb5, 0x7c, 0x6e, 0x51, 0xcf, 0x6e, 0xd6, 0x11, 0x8f, 0xf8, 0x00, 0x02, 0x2d, 0x09, 0x71, 0x2b,
};

const uint8_t pnd_gpt_kernel_core_dump[PND_GPT_GUID_BYTES] = {
    0x4d, 0x64, 0x61, 0x53, 0x63, 0x61, 0xaa, 0x11, 0xaa, 0x11, 0x00, 0x30, 0x65, 0x43, 0xec, 0xac,
};

/* Whole sectors in @p bytes. Shifts, because a 64-bit division is a function from outside on
 * 32-bit machines. */
static uint64_t sectors_in(const struct pnd_gpt *gpt, uint64_t bytes)
{
    for (uint32_t size = gpt->source.sector_bytes; size > 1; size >>= 1)
        bytes >>= 1;
    return bytes;
}

static uint64_t sectors_of(const struct pnd_gpt *gpt)
{
    return sectors_in(gpt, gpt->source.bytes);
}

static int read_sector(struct pnd_gpt *gpt, uint64_t lba)
{
    if (lba >= sectors_of(gpt))
        return PND_E_FORMAT;
    return gpt->source.read(gpt->source.ctx, lba * gpt->source.sector_bytes, gpt->sector,
                            gpt->source.sector_bytes);
}

static bool is_power_of_two(uint32_t v)
{
    return v != 0 && (v & (v - 1)) == 0;
}

/* The table lies on the disk, and what is for partitions lies clear of it and of both headers,
 * with room for the other table as well. */
static bool table_lies_well(const struct pnd_gpt *gpt)
{
    uint64_t bytes = (uint64_t)gpt->entries * gpt->entry_bytes;
    uint64_t count = sectors_in(gpt, bytes + gpt->source.sector_bytes - 1);
    uint64_t total = sectors_of(gpt);

    if (total < 2 * (count + 1 + PRIMARY_LBA) || gpt->table_lba <= PRIMARY_LBA ||
        gpt->table_lba >= total || count > total - gpt->table_lba)
        return false;
    if (gpt->first_lba <= PRIMARY_LBA + count || gpt->first_lba > gpt->last_lba ||
        gpt->last_lba >= total - 1 - count)
        return false;
    return gpt->table_lba + count <= gpt->first_lba || gpt->table_lba > gpt->last_lba;
}

/* The header in gpt->sector, which was read from @p lba.
 * @return PND_OK; PND_E_TYPE it is none; PND_E_FORMAT it is damaged */
static int read_header(struct pnd_gpt *gpt, uint64_t lba, uint64_t *ret_alternate)
{
    static const char signature[] = "EFI PART";
    struct pnd_rd rd = pnd_rd(gpt->sector, gpt->source.sector_bytes);
    const uint8_t *start = pnd_rd_bytes(&rd, sizeof(signature) - 1);
    uint32_t revision, bytes, crc;
    uint64_t my_lba;

    if (memcmp(start, signature, sizeof(signature) - 1) != 0)
        return PND_E_TYPE;
    revision = pnd_rd_le32(&rd);
    bytes = pnd_rd_le32(&rd);
    crc = pnd_rd_le32(&rd);
    if (revision >> 16 != REVISION_MAJOR || bytes < HEADER_BYTES ||
        bytes > gpt->source.sector_bytes)
        return PND_E_FORMAT;
    memset(gpt->sector + CRC_AT, 0, 4); /* its own field counts as zero */
    if (pnd_crc32(0, gpt->sector, bytes) != crc)
        return PND_E_FORMAT;
    pnd_rd_bytes(&rd, 4); /* reserved */
    my_lba = pnd_rd_le64(&rd);
    *ret_alternate = pnd_rd_le64(&rd);
    gpt->first_lba = pnd_rd_le64(&rd);
    gpt->last_lba = pnd_rd_le64(&rd);
    pnd_rd_bytes(&rd, PND_GPT_GUID_BYTES);
    gpt->table_lba = pnd_rd_le64(&rd);
    gpt->entries = pnd_rd_le32(&rd);
    gpt->entry_bytes = pnd_rd_le32(&rd);
    gpt->table_crc = pnd_rd_le32(&rd);
    if (!pnd_rd_ok(&rd) || my_lba != lba || gpt->entries == 0 ||
        gpt->entries > PND_GPT_ENTRIES_MAX || gpt->entry_bytes < ENTRY_BYTES_MIN ||
        gpt->entry_bytes > PND_GPT_ENTRY_BYTES_MAX || !is_power_of_two(gpt->entry_bytes) ||
        !table_lies_well(gpt))
        return PND_E_FORMAT;
    return PND_OK;
}

static int check_table(struct pnd_gpt *gpt)
{
    uint64_t left = (uint64_t)gpt->entries * gpt->entry_bytes;
    uint32_t crc = 0;

    for (uint64_t lba = gpt->table_lba; left > 0; lba++) {
        size_t part = left < gpt->source.sector_bytes ? (size_t)left : gpt->source.sector_bytes;
        int err = read_sector(gpt, lba);

        if (err != PND_OK)
            return err;
        crc = pnd_crc32(crc, gpt->sector, part);
        left -= part;
    }
    return crc == gpt->table_crc ? PND_OK : PND_E_FORMAT;
}

/* @param ret_alternate  where the other header is; written when this one is whole */
static int try_header(struct pnd_gpt *gpt, uint64_t lba, uint64_t *ret_alternate)
{
    int err = read_sector(gpt, lba);

    if (err == PND_OK)
        err = read_header(gpt, lba, ret_alternate);
    return err != PND_OK ? err : check_table(gpt);
}

/* Of two failures: "not one" says less than "damaged", and that less than "cannot be read". */
static int worse(int a, int b)
{
    if (a == PND_E_TYPE)
        return b;
    if (a == PND_E_FORMAT)
        return b == PND_E_TYPE ? a : b;
    return a;
}

int pnd_gpt_open(struct pnd_gpt *gpt, const struct pnd_gpt_source *source)
{
    uint64_t last, alternate, ignored;
    int err, second;

    if (source->sector_bytes < SECTOR_MIN || source->sector_bytes > PND_GPT_SECTOR_MAX ||
        !is_power_of_two(source->sector_bytes))
        return PND_E_ARG;
    memset(gpt, 0, sizeof(*gpt));
    gpt->source = *source;
    if (sectors_of(gpt) <= PRIMARY_LBA)
        return PND_E_TYPE;
    last = alternate = sectors_of(gpt) - 1;
    err = try_header(gpt, PRIMARY_LBA, &alternate);
    if (err == PND_OK)
        return PND_OK;
    /* The disk may have grown since the backup was put at its end: a primary header that is whole
     * knows where that was. */
    gpt->backup = true;
    second = try_header(gpt, alternate, &ignored);
    if (second != PND_OK && alternate != last)
        second = try_header(gpt, last, &ignored);
    return second == PND_OK ? PND_OK : worse(err, second);
}

static int read_bounds(const struct pnd_gpt *gpt, struct pnd_rd *rd,
                       struct pnd_gpt_partition *partition)
{
    const uint8_t *guid = pnd_rd_bytes(rd, PND_GPT_GUID_BYTES);
    uint64_t first = pnd_rd_le64(rd), last = pnd_rd_le64(rd);

    if (!pnd_rd_ok(rd) || first < gpt->first_lba || last > gpt->last_lba || first > last)
        return PND_E_FORMAT;
    memcpy(partition->guid, guid, PND_GPT_GUID_BYTES);
    partition->offset = first * gpt->source.sector_bytes;
    partition->bytes = (last - first + 1) * gpt->source.sector_bytes;
    return PND_OK;
}

/* @param held  the sector that is in gpt->sector; UINT64_MAX: none
 * @return PND_OK and @p rd behind the type of entry @p index, which is at @p ret_type */
static int read_type(struct pnd_gpt *gpt, uint32_t index, uint64_t *held, struct pnd_rd *rd,
                     const uint8_t **ret_type)
{
    uint32_t sector = gpt->source.sector_bytes;
    uint64_t at = (uint64_t)index * gpt->entry_bytes, lba = gpt->table_lba + sectors_in(gpt, at);
    int err = lba == *held ? PND_OK : read_sector(gpt, lba);

    if (err != PND_OK)
        return err;
    *held = lba;
    *rd = pnd_rd(gpt->sector, sector);
    pnd_rd_bytes(rd, (size_t)(at & (sector - 1)));
    *ret_type = pnd_rd_bytes(rd, PND_GPT_GUID_BYTES);
    return *ret_type ? PND_OK : PND_E_FORMAT;
}

int pnd_gpt_find(struct pnd_gpt *gpt, const uint8_t type[PND_GPT_GUID_BYTES], uint32_t from,
                 struct pnd_gpt_partition *ret)
{
    uint64_t held = UINT64_MAX;

    for (uint32_t i = from; i < gpt->entries; i++) {
        struct pnd_gpt_partition partition = {.index = i};
        const uint8_t *found;
        struct pnd_rd rd;
        int err = read_type(gpt, i, &held, &rd, &found);

        if (err != PND_OK)
            return err;
        if (memcmp(found, type, PND_GPT_GUID_BYTES) != 0)
            continue;
        memcpy(partition.type, type, PND_GPT_GUID_BYTES);
        err = read_bounds(gpt, &rd, &partition);
        *ret = partition;
        return err;
    }
    return PND_E_NOTFOUND;
}

int pnd_gpt_entry(struct pnd_gpt *gpt, uint32_t index, struct pnd_gpt_partition *ret)
{
    static const uint8_t unused[PND_GPT_GUID_BYTES];
    struct pnd_gpt_partition partition = {.index = index};
    uint64_t held = UINT64_MAX;
    const uint8_t *found;
    struct pnd_rd rd;
    int err = index < gpt->entries ? read_type(gpt, index, &held, &rd, &found) : PND_E_RANGE;

    if (err != PND_OK)
        return err;
    if (memcmp(found, unused, PND_GPT_GUID_BYTES) == 0)
        return PND_E_NOTFOUND;
    memcpy(partition.type, found, PND_GPT_GUID_BYTES);
    err = read_bounds(gpt, &rd, &partition);
    if (err == PND_OK)
        *ret = partition;
    return err;
}
