/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Partition tables written here field by field, whole and damaged, on disks of both sector
 * sizes. */
#include "image/gpt.h"
#include "tap.h"
#include "wire/crc32.h"
#include "wire/cursor.h"

enum {
    DISK_CAP = 1 << 20,
    ENTRIES = 128,
    ENTRY = 128,
    FAILS_NOWHERE = -1,
};

static const uint8_t other_type[16] = {0xa2, 0xa0, 0xd0, 0xeb, 0xe5, 0xb9, 0x33, 0x44,
                                       0x87, 0xc0, 0x68, 0xb6, 0xb7, 0x26, 0x99, 0xc7};

struct model {
    uint32_t sector;
    uint64_t bytes;
    int64_t fails_at; /* a sector that cannot be read */
    int reads;
    bool bad;
    uint8_t disk[DISK_CAP];
};

/* What the header says; a test changes it before it is written. */
struct table {
    uint32_t revision, header_bytes, entries, entry_bytes;
    uint64_t first, last, alternate;
};

static struct model model;
static struct pnd_gpt gpt;
static struct pnd_gpt_partition found;

static int model_read(void *ctx, uint64_t offset, void *buf, size_t len)
{
    struct model *m = ctx;

    m->reads++;
    if (offset % m->sector || len == 0 || len % m->sector || len > PND_GPT_SECTOR_MAX ||
        offset > m->bytes || len > m->bytes - offset) {
        m->bad = true;
        return PND_E_ARG;
    }
    if (m->fails_at == (int64_t)(offset / m->sector))
        return PND_E_SYS;
    memcpy(buf, m->disk + offset, len);
    return PND_OK;
}

static uint64_t total(void)
{
    return model.bytes / model.sector;
}

static uint64_t table_sectors(void)
{
    return (ENTRIES * ENTRY + model.sector - 1) / model.sector;
}

static void put_entry(unsigned index, const uint8_t type[16], uint64_t first, uint64_t last)
{
    for (int backup = 0; backup < 2; backup++) {
        uint64_t lba = backup ? total() - 1 - table_sectors() : 2;
        struct pnd_wr wr = pnd_wr(model.disk + lba * model.sector + (size_t)index * ENTRY, ENTRY);

        pnd_wr_bytes(&wr, type, 16);
        pnd_wr_bytes(&wr, "0123456789abcde", 15);
        pnd_wr_u8(&wr, (uint8_t)index);
        pnd_wr_le64(&wr, first);
        pnd_wr_le64(&wr, last);
    }
}

static void put_header(const struct table *table, bool backup)
{
    uint64_t own = backup ? total() - 1 : 1;
    uint64_t lba = backup ? total() - 1 - table_sectors() : 2;
    uint8_t *at = model.disk + own * model.sector;
    struct pnd_wr wr = pnd_wr(at, model.sector);
    size_t crc_bytes = (size_t)table->entries * table->entry_bytes;

    if (crc_bytes > DISK_CAP - lba * model.sector)
        crc_bytes = 0; /* a table that cannot be has no sum */
    pnd_wr_bytes(&wr, "EFI PART", 8);
    pnd_wr_le32(&wr, table->revision);
    pnd_wr_le32(&wr, table->header_bytes);
    pnd_wr_le32(&wr, 0);
    pnd_wr_le32(&wr, 0);
    pnd_wr_le64(&wr, own);
    pnd_wr_le64(&wr, backup ? 1 : table->alternate);
    pnd_wr_le64(&wr, table->first);
    pnd_wr_le64(&wr, table->last);
    pnd_wr_bytes(&wr, "disk-guid-of-16b", 16);
    pnd_wr_le64(&wr, lba);
    pnd_wr_le32(&wr, table->entries);
    pnd_wr_le32(&wr, table->entry_bytes);
    pnd_wr_le32(&wr, pnd_crc32(0, model.disk + lba * model.sector, crc_bytes));
    wr = pnd_wr(at + 16, 4);
    pnd_wr_le32(&wr, pnd_crc32(0, at, table->header_bytes <= 4096 ? table->header_bytes : 0));
}

static struct table usual_table(void)
{
    return (struct table){
        0x10000,    92, ENTRIES, ENTRY, 2 + table_sectors(), total() - 2 - table_sectors(),
        total() - 1};
}

/* Three partitions: an ordinary one, two for corefiles in entries 1 and 100. */
static void make_disk(uint32_t sector)
{
    struct table table;

    memset(&model, 0, sizeof(model));
    model.sector = sector;
    model.bytes = DISK_CAP;
    model.fails_at = FAILS_NOWHERE;
    put_entry(0, other_type, usual_table().first, usual_table().first + 9);
    put_entry(1, pnd_gpt_kernel_core_dump, usual_table().first + 10, usual_table().first + 59);
    put_entry(100, pnd_gpt_kernel_core_dump, usual_table().first + 60, usual_table().last);
    table = usual_table();
    put_header(&table, false);
    put_header(&table, true);
}

static int open_disk(void)
{
    const struct pnd_gpt_source source = {&model, model.sector, model.bytes, model_read};
    int err = pnd_gpt_open(&gpt, &source);

    CHECK(!model.bad);
    return err;
}

static void check_found(void)
{
    uint64_t start = (usual_table().first + 10) * model.sector;

    CHECK_EQ(pnd_gpt_find(&gpt, pnd_gpt_kernel_core_dump, 0, &found), PND_OK);
    CHECK_EQ(found.index, 1);
    CHECK_EQ(found.offset, start);
    CHECK_EQ(found.bytes, 50 * (uint64_t)model.sector);
    CHECK_MEM(found.guid, "0123456789abcde\1", 16);
    CHECK_EQ(pnd_gpt_find(&gpt, pnd_gpt_kernel_core_dump, 2, &found), PND_OK);
    CHECK_EQ(found.index, 100);
    CHECK_EQ(found.offset + found.bytes, (usual_table().last + 1) * model.sector);
    CHECK_EQ(pnd_gpt_find(&gpt, pnd_gpt_kernel_core_dump, 101, &found), PND_E_NOTFOUND);
    CHECK_EQ(pnd_gpt_find(&gpt, other_type, 1, &found), PND_E_NOTFOUND);
    CHECK_EQ(pnd_gpt_find(&gpt, pnd_gpt_kernel_core_dump, UINT32_MAX, &found), PND_E_NOTFOUND);
    CHECK(!model.bad);
}

static void finds_partitions_by_type_on_both_sector_sizes(void)
{
    static const uint32_t sectors[] = {512, 1024, 4096};

    for (size_t i = 0; i < sizeof(sectors) / sizeof(sectors[0]); i++) {
        make_disk(sectors[i]);
        CHECK_EQ(open_disk(), PND_OK);
        CHECK(!gpt.backup);
        check_found();
    }
}

static void an_entry_is_had_by_its_index_whatever_its_type(void)
{
    make_disk(512);
    CHECK_EQ(open_disk(), PND_OK);
    CHECK_EQ(pnd_gpt_entry(&gpt, 0, &found), PND_OK);
    CHECK_MEM(found.type, other_type, sizeof(other_type));
    CHECK_EQ(found.offset, usual_table().first * 512);
    CHECK_EQ(found.bytes, 10 * 512);
    CHECK_EQ(pnd_gpt_entry(&gpt, 100, &found), PND_OK);
    CHECK_MEM(found.type, pnd_gpt_kernel_core_dump, sizeof(found.type));
    CHECK_MEM(found.guid, "0123456789abcded", 16);
    CHECK_EQ(found.index, 100);
    CHECK_EQ(pnd_gpt_entry(&gpt, 2, &found), PND_E_NOTFOUND);
    CHECK_EQ(pnd_gpt_entry(&gpt, ENTRIES, &found), PND_E_RANGE);
    CHECK_EQ(found.index, 100);
    put_entry(2, other_type, usual_table().last, usual_table().last + 1);
    CHECK_EQ(pnd_gpt_entry(&gpt, 2, &found), PND_E_FORMAT);
    CHECK(!model.bad);
}

static void any_flipped_bit_of_the_primary_leads_to_the_backup(void)
{
    make_disk(512);
    for (size_t at = 512; at < 1024 + ENTRIES * ENTRY; at += at < 512 + 91 ? 1 : 97) {
        if (at >= 512 + 92 && at < 1024)
            continue; /* behind the header nothing is checked */
        model.disk[at] ^= (uint8_t)(1 << at % 8);
        CHECK_EQ(open_disk(), PND_OK);
        CHECK(gpt.backup);
        check_found();
        model.disk[at] ^= (uint8_t)(1 << at % 8);
    }
}

static void a_sector_that_cannot_be_read_leads_to_the_backup(void)
{
    for (int lba = 1; lba < 34; lba++) {
        make_disk(512);
        model.fails_at = lba;
        CHECK_EQ(open_disk(), PND_OK);
        CHECK(gpt.backup);
        check_found();
    }
}

static void the_backup_of_a_smaller_past_is_found_through_the_primary(void)
{
    make_disk(512);
    model.bytes = DISK_CAP / 2;
    memset(model.disk, 0, sizeof(model.disk));
    put_entry(1, pnd_gpt_kernel_core_dump, usual_table().first + 10, usual_table().first + 59);
    put_entry(100, pnd_gpt_kernel_core_dump, usual_table().first + 60, usual_table().last);
    for (int backup = 0; backup < 2; backup++) {
        struct table table = usual_table();

        put_header(&table, backup);
    }
    model.disk[1024 + 5] ^= 1; /* the primary's entries, not its header */
    model.bytes = DISK_CAP;
    CHECK_EQ(open_disk(), PND_OK);
    CHECK(gpt.backup);
    CHECK_EQ(pnd_gpt_find(&gpt, pnd_gpt_kernel_core_dump, 0, &found), PND_OK);
    CHECK_EQ(found.index, 1);
}

static void says_what_is_wrong_with_both(void)
{
    make_disk(512);
    memset(model.disk, 0, sizeof(model.disk));
    CHECK_EQ(open_disk(), PND_E_TYPE);
    make_disk(512);
    memset(model.disk + 512, 0, 512);
    model.disk[DISK_CAP - 512 + 40] ^= 1;
    CHECK_EQ(open_disk(), PND_E_FORMAT);
    make_disk(512);
    model.disk[512 + 40] ^= 1;
    memset(model.disk + DISK_CAP - 512, 0, 512);
    CHECK_EQ(open_disk(), PND_E_FORMAT);
    model.fails_at = 1;
    CHECK_EQ(open_disk(), PND_E_SYS);
    model.fails_at = (int64_t)total() - 1;
    CHECK_EQ(open_disk(), PND_E_SYS);
}

/* Each is a header whose sums are right. */
static void headers_that_cannot_be_are_refused_whatever_their_sum(void)
{
    enum { CASES = 14 };

    for (int i = 0; i < CASES; i++) {
        struct table table;

        make_disk(512);
        table = usual_table();
        switch (i) {
        case 0:
            table.revision = 0x20000;
            break;
        case 1:
            table.header_bytes = 91;
            break;
        case 2:
            table.header_bytes = 513;
            break;
        case 3:
            table.header_bytes = UINT32_MAX;
            break;
        case 4:
            table.entries = 0;
            break;
        case 5:
            table.entries = PND_GPT_ENTRIES_MAX + 1;
            break;
        case 6:
            table.entries = UINT32_MAX;
            break;
        case 7:
            table.entry_bytes = 64;
            break;
        case 8:
            table.entry_bytes = 192;
            break;
        case 9:
            table.entry_bytes = UINT32_C(1) << 31;
            break;
        case 10:
            table.first = table.last + 1;
            break;
        case 11:
            table.last = total();
            break;
        case 12:
            table.first = 10;
            table.last = 1000;
            break; /* over the table */
        default:
            table.first = 1;
            break;
        }
        put_header(&table, false);
        put_header(&table, true);
        CHECK_EQ(open_disk(), PND_E_FORMAT);
        CHECK(model.reads <= 2 * (1 + 256));
    }
}

static void tables_of_other_shapes_are_read(void)
{
    struct table table;

    make_disk(512);
    table = usual_table();
    table.revision = 0x10001; /* a minor one that does not exist yet */
    table.header_bytes = 512;
    table.entries = 101; /* the last sector is not full */
    put_header(&table, false);
    CHECK_EQ(open_disk(), PND_OK);
    CHECK(!gpt.backup);
    check_found();
    make_disk(512);
    table = usual_table();
    table.entries = 16; /* of 1024 bytes, two sectors each */
    table.entry_bytes = 1024;
    put_entry(8, pnd_gpt_kernel_core_dump, table.first, table.first);
    put_header(&table, false);
    CHECK_EQ(open_disk(), PND_OK);
    CHECK(!gpt.backup);
    CHECK_EQ(pnd_gpt_find(&gpt, pnd_gpt_kernel_core_dump, 0, &found), PND_OK);
    CHECK_EQ(found.index, 1); /* the one that was the eighth */
}

static void a_partition_with_impossible_bounds_is_refused(void)
{
    static const int64_t bounds[][2] = {{0, 50}, {5, 50}, {60, 50}, {60, -1}, {60, 2040}};

    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        struct table table;

        make_disk(512);
        table = usual_table();
        put_entry(1, pnd_gpt_kernel_core_dump, (uint64_t)bounds[i][0], (uint64_t)bounds[i][1]);
        put_header(&table, false);
        CHECK_EQ(open_disk(), PND_OK);
        CHECK(!gpt.backup);
        CHECK_EQ(pnd_gpt_find(&gpt, pnd_gpt_kernel_core_dump, 0, &found), PND_E_FORMAT);
        CHECK(found.index == 1 && found.offset == 0 && found.bytes == 0);
        CHECK_EQ(pnd_gpt_find(&gpt, pnd_gpt_kernel_core_dump, found.index + 1, &found), PND_OK);
        CHECK_EQ(found.index, 100);
    }
}

static void disks_that_cannot_be_are_refused(void)
{
    static const uint32_t bad_sectors[] = {0, 256, 513, 8192};

    for (size_t i = 0; i < sizeof(bad_sectors) / sizeof(bad_sectors[0]); i++) {
        const struct pnd_gpt_source source = {&model, bad_sectors[i], DISK_CAP, model_read};

        CHECK_EQ(pnd_gpt_open(&gpt, &source), PND_E_ARG);
    }
    make_disk(512);
    for (uint64_t bytes = 0; bytes < 40 * 512; bytes += 256) { /* cut short */
        model.bytes = bytes;
        CHECK(open_disk() != PND_OK);
    }
}

static void a_read_error_while_searching_is_passed_on(void)
{
    make_disk(512);
    CHECK_EQ(open_disk(), PND_OK);
    model.fails_at = 10;
    CHECK_EQ(pnd_gpt_find(&gpt, pnd_gpt_kernel_core_dump, 0, &found), PND_OK);
    CHECK_EQ(pnd_gpt_find(&gpt, pnd_gpt_kernel_core_dump, 2, &found), PND_E_SYS);
}

int main(void)
{
    RUN(finds_partitions_by_type_on_both_sector_sizes);
    RUN(an_entry_is_had_by_its_index_whatever_its_type);
    RUN(any_flipped_bit_of_the_primary_leads_to_the_backup);
    RUN(a_sector_that_cannot_be_read_leads_to_the_backup);
    RUN(the_backup_of_a_smaller_past_is_found_through_the_primary);
    RUN(says_what_is_wrong_with_both);
    RUN(headers_that_cannot_be_are_refused_whatever_their_sum);
    RUN(tables_of_other_shapes_are_read);
    RUN(a_partition_with_impossible_bounds_is_refused);
    RUN(disks_that_cannot_be_are_refused);
    RUN(a_read_error_while_searching_is_passed_on);
    return tap_done();
}
