/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What disks and partitions hold, and which is meant: superblocks, UUIDs, partition tables; and
 * which of them a dump may be written over. */
#include "capture/block.h"

#include "unit/disk_machine.h"
#include "wire/corefile.h"

static const char bus[] = "pci0000:00/0000:00:04.0/virtio1", usb[] = "pci0000:00/usb1/1-1";
static const uint8_t linux_type[16] = "linux filesystem";
static struct pnd_volume volume;
static struct pnd_block block;
static struct pnd_why why;

enum { DISK_BYTES = 8 * MACHINE_MIB, PART_BYTES = 2 * MACHINE_MIB };

static void setup(void)
{
    tmp_make();
    memset(&why, 0, sizeof(why));
}

static const char *root(void)
{
    return tmp_path;
}

static int probe(const char *name)
{
    uint64_t bytes = 0;
    int fd, err;

    CHECK_EQ(pnd_block_named(root(), name, &block), PND_OK);
    fd = pnd_block_open(root(), &block, O_RDONLY, &bytes);
    CHECK(fd >= 0);
    err = pnd_volume_probe(fd, bytes, &volume);
    close(fd);
    return err;
}

/* A disk of @p bytes with @p len bytes of @p mark at @p at. */
static void probe_mark(uint64_t bytes, uint64_t at, const char *mark, size_t len)
{
    setup();
    machine_disk(bus, "vda", bytes, 512);
    if (len > 0)
        machine_put("vda", at, mark, len);
    CHECK_EQ(probe("vda"), PND_OK);
    tmp_remove();
}

static void put_ext(const char *name)
{
    static const uint8_t uuid[16] = {0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0,
                                     1,    2,    3,    4,    5,    6,    7,    8};

    machine_put(name, 1024 + 56, "\x53\xef", 2);
    machine_put(name, 1024 + 104, uuid, sizeof(uuid));
}

static void file_systems_are_known_with_their_uuid(void)
{
    setup();
    machine_disk(bus, "vda", DISK_BYTES, 512);
    put_ext("vda");
    CHECK_EQ(probe("vda"), PND_OK);
    CHECK_EQ(volume.kind, PND_VOLUME_FILES);
    CHECK_STR(volume.type, "ext");
    CHECK_STR(volume.uuid, "12345678-9abc-def0-0102-030405060708");
    tmp_remove();
    probe_mark(DISK_BYTES, 0, "XFSB0123456789abcdef0123456789abABCDEFGHIJKLMNOP", 48);
    CHECK_STR(volume.type, "xfs");
    CHECK_STR(volume.uuid, "41424344-4546-4748-494a-4b4c4d4e4f50");
    setup();
    machine_disk(bus, "vda", DISK_BYTES, 512);
    machine_put("vda", 510, "\x55\xaa", 2);
    machine_put("vda", 82, "FAT32   ", 8);
    machine_put("vda", 67, "\x34\x12\xef\xbe", 4);
    CHECK_EQ(probe("vda"), PND_OK);
    CHECK_STR(volume.type, "vfat");
    CHECK_STR(volume.uuid, "BEEF-1234");
    tmp_remove();
}

/* With the largest of all, XFS, in mind: 300 MiB. */
static void check_mkfs(const char *make, const char *type, const char *uuid, unsigned *made)
{
    char command[512];

    setup();
    machine_disk(bus, "vda", 300 * (uint64_t)MACHINE_MIB, 512);
    snprintf(command, sizeof(command), "PATH=$PATH:/sbin:/usr/sbin %s %s/dev/vda >/dev/null 2>&1",
             make, tmp_path);
    if (system(command) == 0) { /* else it is not installed */
        (*made)++;
        CHECK_EQ(probe("vda"), PND_OK);
        CHECK_STR(volume.type, type);
        CHECK_STR(volume.uuid, uuid);
    }
    tmp_remove();
}

static void what_mkfs_makes_is_known_here(void)
{
    static const char uuid[] = "01234567-89ab-cdef-0123-456789abcdef", serial[] = "0123-4567";
    unsigned made = 0;

    check_mkfs("mke2fs -q -F -t ext2 -U 01234567-89ab-cdef-0123-456789abcdef", "ext", uuid, &made);
    check_mkfs("mke2fs -q -F -t ext4 -U 01234567-89ab-cdef-0123-456789abcdef", "ext", uuid, &made);
    check_mkfs("mkfs.xfs -q -f -m uuid=01234567-89ab-cdef-0123-456789abcdef", "xfs", uuid, &made);
    check_mkfs("mkfs.vfat -F 16 -i 01234567", "vfat", serial, &made);
    check_mkfs("mkfs.vfat -F 32 -i 01234567", "vfat", serial, &made);
    check_mkfs("mkswap", "swap space", "", &made);
    if (made == 0)
        SKIP("neither mke2fs nor mkfs.xfs nor mkfs.vfat is here");
    printf("# %u of 6 could be made\n", made);
}

static void what_is_somebodys_is_known_by_its_mark(void)
{
    static const struct {
        uint64_t at;
        const char *mark, *type;
    } cases[] = {
        {4086, "SWAPSPACE2", "swap space"},
        {65526, "SWAPSPACE2", "swap space"},
        {0x10040, "_BHRfS_M", "a btrfs file system"},
        {0, "LUKS\xba\xbe", "encrypted data (LUKS)"},
        {512, "EFI PART", "a partition table"},
        {4096, "\xfc\x4e\x2b\xa9", "a part of a RAID"},
        {DISK_BYTES - 65536, "\xfc\x4e\x2b\xa9", "a part of a RAID"}, /* 0.90 */
        {DISK_BYTES - 8192, "\xfc\x4e\x2b\xa9", "a part of a RAID"},  /* 1.0 */
        {510, "\x55\xaa", "a boot sector"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        probe_mark(DISK_BYTES, cases[i].at, cases[i].mark, strlen(cases[i].mark));
        CHECK_EQ(volume.kind, PND_VOLUME_TAKEN);
        CHECK_STR(volume.type, cases[i].type);
    }
    probe_mark(DISK_BYTES, 512, "LABELONE0123456789012345LVM2 001", 32);
    CHECK_STR(volume.type, "a physical volume of LVM");
}

static void the_half_of_a_mirror_is_no_file_system(void)
{
    setup();
    machine_disk(bus, "vda", DISK_BYTES, 512);
    put_ext("vda");
    machine_put("vda", DISK_BYTES - 8192, "\xfc\x4e\x2b\xa9", 4);
    CHECK_EQ(probe("vda"), PND_OK);
    CHECK_EQ(volume.kind, PND_VOLUME_TAKEN);
    tmp_remove();
}

static void blank_is_zeros_at_both_ends(void)
{
    probe_mark(DISK_BYTES, 0, "", 0);
    CHECK_EQ(volume.kind, PND_VOLUME_BLANK);
    probe_mark(DISK_BYTES, DISK_BYTES / 2, "x", 1);
    CHECK_EQ(volume.kind, PND_VOLUME_BLANK);
    probe_mark(DISK_BYTES, 0, "x", 1);
    CHECK_EQ(volume.kind, PND_VOLUME_UNKNOWN);
    probe_mark(DISK_BYTES, PND_VOLUME_EDGE - 1, "x", 1);
    CHECK_EQ(volume.kind, PND_VOLUME_UNKNOWN);
    probe_mark(DISK_BYTES, DISK_BYTES - 1, "x", 1);
    CHECK_EQ(volume.kind, PND_VOLUME_UNKNOWN);
    for (uint64_t bytes = 0; bytes < 3 * 512; bytes += 511) {
        probe_mark(bytes, 0, "", 0);
        CHECK_EQ(volume.kind, PND_VOLUME_BLANK);
    }
}

static void a_guid_is_read_as_it_is_written(void)
{
    uint8_t guid[16];
    char text[PND_GUID_TEXT_CAP];

    CHECK_EQ(pnd_guid_parse("5361644d-6163-11AA-aa11-00306543ECAC", guid), PND_OK);
    CHECK_MEM(guid, pnd_gpt_kernel_core_dump, 16);
    pnd_guid_format(guid, text);
    CHECK_STR(text, "5361644D-6163-11AA-AA11-00306543ECAC");
    CHECK_EQ(pnd_guid_parse("", guid), PND_E_FORMAT);
    CHECK_EQ(pnd_guid_parse("5361644D-6163-11AA-AA11-00306543ECA", guid), PND_E_FORMAT);
    CHECK_EQ(pnd_guid_parse("5361644D-6163-11AA-AA11-00306543ECACA", guid), PND_E_FORMAT);
    CHECK_EQ(pnd_guid_parse("5361644D-6163-11AA-AA11-00306543ECAG", guid), PND_E_FORMAT);
    CHECK_EQ(pnd_guid_parse("5361644D+6163-11AA-AA11-00306543ECAC", guid), PND_E_FORMAT);
    CHECK_EQ(pnd_guid_parse("5361644D-6163-11AA-AA11-00306543EC-1", guid), PND_E_FORMAT);
}

/* Two partitions: one for Linux, one for dumps. */
static void make_parted(unsigned sector)
{
    const struct machine_entry entries[] = {
        {linux_type, 1 * MACHINE_MIB, PART_BYTES, "guid of the one."},
        {pnd_gpt_kernel_core_dump, 4 * MACHINE_MIB, PART_BYTES, "GUID OF THE TWO."},
    };

    setup();
    machine_disk(bus, "vda", DISK_BYTES, sector);
    machine_partition(bus, "vda", "vda1", 1, 1 * MACHINE_MIB, PART_BYTES);
    machine_partition(bus, "vda", "vda2", 2, 4 * MACHINE_MIB, PART_BYTES);
    machine_gpt("vda", DISK_BYTES, sector, entries, 2);
}

static void a_partition_is_found_by_its_guid_on_both_sector_sizes(void)
{
    static const unsigned sectors[] = {512, 4096};
    struct pnd_gpt_partition partition;
    char guid[PND_GUID_TEXT_CAP];

    pnd_guid_format((const uint8_t *)"GUID OF THE TWO.", guid);
    for (size_t i = 0; i < 2; i++) {
        make_parted(sectors[i]);
        CHECK_EQ(pnd_block_by_partuuid(root(), guid, &block, &why), PND_OK);
        CHECK_STR(block.name, "vda2");
        CHECK_STR(block.disk, "vda");
        CHECK_EQ(block.partition, 2);
        CHECK_EQ(pnd_block_sector_bytes(root(), &block), sectors[i]);
        CHECK_EQ(pnd_block_gpt(root(), &block, &partition), PND_OK);
        CHECK_MEM(partition.type, pnd_gpt_kernel_core_dump, 16);
        guid[0] = guid[0] == '1' ? '2' : '1';
        CHECK_EQ(pnd_block_by_partuuid(root(), guid, &block, &why), PND_E_NOTFOUND);
        pnd_guid_format((const uint8_t *)"GUID OF THE TWO.", guid);
        CHECK_EQ(pnd_block_by_partuuid(root(), "1234abcd-02", &block, &why), PND_E_NOTFOUND);
        tmp_remove();
    }
}

static void a_partition_that_the_table_has_elsewhere_is_not_the_one(void)
{
    struct pnd_gpt_partition partition;

    make_parted(512);
    machine_partition(bus, "vda", "vda3", 3, 7 * MACHINE_MIB, 512);
    CHECK_EQ(pnd_block_named(root(), "vda3", &block), PND_OK);
    CHECK_EQ(pnd_block_gpt(root(), &block, &partition), PND_E_NOTFOUND);
    machine_file("sys/devices/pci0000:00/0000:00:04.0/virtio1/block/vda/vda2/start", "1\n");
    CHECK_EQ(pnd_block_named(root(), "vda2", &block), PND_OK);
    CHECK_EQ(pnd_block_gpt(root(), &block, &partition), PND_E_NOTFOUND);
    tmp_remove();
}

static void a_file_system_is_found_by_its_uuid_unless_two_have_it(void)
{
    static const char uuid[] = "12345678-9ABC-def0-0102-030405060708";

    make_parted(512);
    CHECK_EQ(pnd_block_by_uuid(root(), uuid, &block, &why), PND_E_NOTFOUND);
    put_ext("vda1");
    CHECK_EQ(pnd_block_by_uuid(root(), uuid, &block, &why), PND_OK);
    CHECK_STR(block.name, "vda1");
    machine_disk("virtual", "loop0", DISK_BYTES, 512);
    put_ext("loop0");
    CHECK_EQ(pnd_block_by_uuid(root(), uuid, &block, &why), PND_OK);
    CHECK_STR(block.name, "vda1");
    machine_disk(usb, "sda", DISK_BYTES, 512);
    put_ext("sda");
    CHECK_EQ(pnd_block_by_uuid(root(), uuid, &block, &why), PND_E_EXISTS);
    CHECK(strstr(why.text, "/dev/sda") && strstr(why.text, "/dev/vda1"));
    tmp_remove();
}

static void a_device_that_is_not_there_is_not_found(void)
{
    setup();
    CHECK_EQ(pnd_block_named(root(), "vda", &block), PND_E_NOTFOUND);
    CHECK_EQ(pnd_block_named(root(), "", &block), PND_E_NAME);
    CHECK_EQ(pnd_block_named(root(), "../vda", &block), PND_E_NAME);
    CHECK_EQ(pnd_block_named(root(), "..", &block), PND_E_NAME);
    CHECK_EQ(pnd_block_by_uuid(root(), "12345678", &block, &why), PND_E_NOTFOUND);
    tmp_remove();
}

static const char *refusal(const char *name)
{
    why.text[0] = '\0';
    CHECK_EQ(probe(name), PND_OK);
    return pnd_block_refusal(root(), &block, &volume, &why);
}

static void put_corefile(const char *name, unsigned files, uint64_t log_length)
{
    uint8_t head[PND_COREFILE_HEADER_BYTES] = {0};
    struct pnd_wr wr = pnd_wr(head, sizeof(head));
    const struct pnd_corefile_header header = {
        .files = files, .log_offset = 4096, .log_length = log_length};

    pnd_corefile_put_head(&wr, &header);
    machine_put(name, 0, head, sizeof(head));
}

static void a_dump_goes_only_where_nothing_is_lost(void)
{
    make_parted(512);
    CHECK(!refusal("vda1")); /* blank */
    put_ext("vda1");
    CHECK(refusal("vda1") && strstr(why.text, "a file system (ext)") &&
          strstr(why.text, "sfdisk --part-type /dev/vda 1 5361644D-6163-11AA-AA11-00306543ECAC"));
    put_ext("vda2");
    CHECK(!refusal("vda2")); /* its type says that it is for dumps */
    machine_put("vda2", 0, "what is this?", 13);
    CHECK(!refusal("vda2"));
    CHECK(refusal("vda") && strstr(why.text, "a partition table"));
    tmp_remove();
}

static void a_dump_that_is_whole_is_not_overwritten(void)
{
    make_parted(512);
    put_corefile("vda2", 1, 0);
    CHECK(refusal("vda2") && strstr(why.text, "panicctl extract /dev/vda2") &&
          strstr(why.text, "dd if=/dev/zero of=/dev/vda2 bs=4096 count=1"));
    put_corefile("vda2", 0, 17); /* a log alone */
    CHECK(refusal("vda2"));
    put_corefile("vda2", 0, 0); /* one that did not end */
    CHECK(!refusal("vda2"));
    put_corefile("vda1", 0, 0);
    CHECK(!refusal("vda1"));
    put_corefile("vda1", 1, 0);
    CHECK(refusal("vda1"));
    tmp_remove();
}

int main(void)
{
    RUN(file_systems_are_known_with_their_uuid);
    RUN(what_mkfs_makes_is_known_here);
    RUN(what_is_somebodys_is_known_by_its_mark);
    RUN(the_half_of_a_mirror_is_no_file_system);
    RUN(blank_is_zeros_at_both_ends);
    RUN(a_guid_is_read_as_it_is_written);
    RUN(a_partition_is_found_by_its_guid_on_both_sector_sizes);
    RUN(a_partition_that_the_table_has_elsewhere_is_not_the_one);
    RUN(a_file_system_is_found_by_its_uuid_unless_two_have_it);
    RUN(a_device_that_is_not_there_is_not_found);
    RUN(a_dump_goes_only_where_nothing_is_lost);
    RUN(a_dump_that_is_whole_is_not_overwritten);
    return tap_done();
}
