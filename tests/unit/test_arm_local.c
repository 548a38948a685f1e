/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From a directory or device of the running system to the word that a crash kernel understands; and
 * every place that it could not use is refused, with the reason. */
#include "arm/local.h"
#include "arm/mounts.h"
#include "capture/target_local.h"
#include "unit/disk_machine.h"
#include "wire/corefile.h"

static const char pci[] = "pci0000:00/0000:00:04.0/virtio1";
static const uint8_t linux_type[16] = "linux filesystem";
static struct pnd_local local;
static struct pnd_local_word word;
static struct pnd_why why;
static char mounts[8192];

enum { DISK_BYTES = 8 * MACHINE_MIB, PART_BYTES = 2 * MACHINE_MIB };

static void mounted(const char *line)
{
    size_t len = strlen(mounts);

    snprintf(mounts + len, sizeof(mounts) - len, "%s\n", line);
    machine_file("proc/self/mountinfo", "%s", mounts);
}

static void put_ext(const char *name, uint8_t first)
{
    uint8_t uuid[16] = {first, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 1, 2, 3, 4, 5, 6, 7, 8};

    machine_put(name, 1024 + 56, "\x53\xef", 2);
    machine_put(name, 1024 + 104, uuid, sizeof(uuid));
}

static void number(unsigned minor, const char *name)
{
    char path[64], to[64];

    snprintf(path, sizeof(path), "sys/dev/block/254:%u", minor);
    snprintf(to, sizeof(to), "../../class/block/%s", name);
    machine_link(to, path);
}

/* A machine as Debian installs it: one disk, ext4 at /, a partition for dumps; 128 MiB of memory.
 */
static void setup(void)
{
    const struct machine_entry entries[] = {
        {linux_type, 1 * MACHINE_MIB, PART_BYTES, "guid of the one."},
        {pnd_gpt_kernel_core_dump, 4 * MACHINE_MIB, PART_BYTES, "GUID OF THE TWO."},
        {linux_type, 6 * MACHINE_MIB, MACHINE_MIB, "guid of three..."},
    };

    tmp_make();
    memset(&why, 0, sizeof(why));
    memset(&local, 0, sizeof(local));
    mounts[0] = '\0';
    machine_mkdirs("proc/self");
    machine_mkdirs("var/crash");
    machine_disk(pci, "vda", DISK_BYTES, 512);
    machine_partition(pci, "vda", "vda1", 1, 1 * MACHINE_MIB, PART_BYTES);
    machine_partition(pci, "vda", "vda2", 2, 4 * MACHINE_MIB, PART_BYTES);
    machine_partition(pci, "vda", "vda3", 3, 6 * MACHINE_MIB, MACHINE_MIB);
    machine_gpt("vda", DISK_BYTES, 512, entries, 3);
    put_ext("vda1", 0x12);
    number(0, "vda");
    number(1, "vda1");
    number(2, "vda2");
    number(3, "vda3");
    mounted("22 27 0:21 / /proc rw,relatime - proc proc rw");
    mounted("27 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw");
    machine_file("proc/swaps", "Filename Type Size Used Priority\n");
    machine_file("proc/meminfo", "MemFree:  1 kB\nMemTotal:       2048 kB\n");
}

static int find(const char *what)
{
    why.text[0] = '\0';
    return pnd_local_find(tmp_path, what, &local, &why);
}

/* The crash kernel understands the word. */
static void check_word(const char *wanted)
{
    struct pnd_why not ;

    CHECK_STR(local.word, wanted);
    CHECK_EQ(pnd_local_parse(local.word, &word, &not ), PND_OK);
}

static bool refused(const char *what, int err, const char *reason)
{
    int got = find(what);

    CHECK_EQ(got, err);
    if (strstr(why.text, reason))
        return true;
    printf("# it says: %s\n", why.text);
    return false;
}

static void a_directory_becomes_the_uuid_and_the_path_in_its_file_system(void)
{
    setup();
    CHECK_EQ(find("/var/crash"), PND_OK);
    check_word("UUID=12345678-9abc-def0-0102-030405060708:ext4:/var/crash");
    CHECK_STR(local.text, "/var/crash on /dev/vda1 (ext4)");
    CHECK_STR(local.note, "");
    CHECK_EQ(local.module_count, 1);
    CHECK_STR(local.modules[0].name, "fs-ext4");
    CHECK(strlen(local.sysfs) > 20 &&
          strcmp(local.sysfs + strlen(local.sysfs) - 20, "0000:00:04.0/virtio1") == 0);
    CHECK_EQ(find("/"), PND_OK);
    check_word("UUID=12345678-9abc-def0-0102-030405060708:ext4:/");
    tmp_remove();
}

static void the_deepest_mount_counts_and_of_two_the_later(void)
{
    setup();
    put_ext("vda3", 0xaa);
    machine_mkdirs("var/crash/deep");
    mounted("30 27 0:44 / /var/crash rw - tmpfs tmpfs rw");
    mounted("31 27 254:3 / /var/crash rw - ext4 /dev/vda3 rw");
    mounted("32 27 0:45 / /var/cra rw - tmpfs tmpfs rw");
    CHECK_EQ(find("/var/crash"), PND_OK);
    check_word("UUID=aa345678-9abc-def0-0102-030405060708:ext4:/");
    CHECK_EQ(find("/var/crash/deep"), PND_OK);
    check_word("UUID=aa345678-9abc-def0-0102-030405060708:ext4:/deep");
    tmp_remove();
}

static void a_bind_mount_and_a_link_lead_to_where_it_really_is(void)
{
    setup();
    machine_mkdirs("dumps/a b");
    machine_link("../dumps/a b", "var/link");
    mounted("31 27 254:1 /srv/store /dumps rw - ext4 /dev/vda1 rw");
    CHECK_EQ(find("/dumps"), PND_OK);
    check_word("UUID=12345678-9abc-def0-0102-030405060708:ext4:/srv/store");
    CHECK_EQ(find("/var/link"), PND_OK);
    check_word("UUID=12345678-9abc-def0-0102-030405060708:ext4:/srv/store/a\\040b");
    CHECK_STR(word.path, "srv/store/a b");
    tmp_remove();
}

static void fat_brings_its_character_sets_and_its_limit(void)
{
    setup();
    machine_put("vda3", 510, "\x55\xaa", 2);
    machine_put("vda3", 82, "FAT32   ", 8);
    machine_put("vda3", 67, "\x34\x12\xef\xbe", 4);
    machine_mkdirs("boot/efi");
    mounted("31 27 254:3 / /boot/efi rw - vfat /dev/vda3 rw");
    CHECK_EQ(find("/boot/efi"), PND_OK);
    check_word("UUID=BEEF-1234:vfat:/");
    CHECK(local.module_count == 5 && local.modules[1].optional && !local.modules[0].optional);
    CHECK(strstr(local.note, "4 GiB"));
    tmp_remove();
}

static void file_systems_that_a_crash_kernel_cannot_have_are_refused_with_the_reason(void)
{
    static const struct {
        const char *line, *reason;
    } cases[] = {
        {"31 27 0:44 / /x rw - tmpfs tmpfs rw", "it is tmpfs, which lies in memory"},
        {"31 27 0:44 / /x rw - nfs4 srv:/x rw", "it is nfs4, which is on another machine"},
        {"31 27 0:44 / /x rw - cifs //srv/x rw", "on another machine"},
        {"31 27 0:44 / /x rw - overlay overlay rw", "lies upon another"},
        {"31 27 0:44 /@ /x rw - btrfs /dev/vda3 rw", "may extend over several disks"},
        {"31 27 0:44 / /x rw - zfs pool/x rw", "needs programs"},
        {"31 27 0:44 / /x rw - some\\040thing none rw", "it is some thing, which a crash kernel"},
        {"31 27 0:44 / /x rw - ext4 /dev/root rw", "it is on /dev/root, which is no disk"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        setup();
        machine_mkdirs("x");
        mounted(cases[i].line);
        CHECK(refused("/x", PND_E_ARG, cases[i].reason));
        CHECK(strstr(why.text, "/x: ") == why.text);
        CHECK(strstr(why.text, "ext4") != NULL); /* what to do instead */
        tmp_remove();
    }
}

static void disks_made_of_other_disks_are_refused_with_the_reason(void)
{
    static const struct {
        const char *name, *uuid, *reason;
    } cases[] = {
        {"dm-0", "LVM-abc", "a logical volume (LVM)"},
        {"dm-0", "CRYPT-LUKS2-abc", "encrypted"},
        {"dm-0", "mpath-3600", "several ways"},
        {"md0", NULL, "a RAID"},
        {"loop0", NULL, "a file that is seen as a disk"},
        {"zram0", NULL, "in memory"},
        {"nbd0", NULL, "on another machine"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char path[128];

        setup();
        machine_mkdirs("x");
        machine_disk("virtual", cases[i].name, PART_BYTES, 512);
        put_ext(cases[i].name, 0xaa);
        if (cases[i].uuid) {
            snprintf(path, sizeof(path), "sys/devices/virtual/block/%s/dm", cases[i].name);
            machine_mkdirs(path);
            snprintf(path, sizeof(path), "sys/devices/virtual/block/%s/dm/uuid", cases[i].name);
            machine_file(path, "%s\n", cases[i].uuid);
        }
        number(9, cases[i].name);
        mounted("31 27 254:9 / /x rw - ext4 /dev/mapper/x rw");
        CHECK(refused("/x", PND_E_ARG, cases[i].reason));
        snprintf(path, sizeof(path), "/dev/%s", cases[i].name);
        CHECK(refused(path, PND_E_ARG, cases[i].reason));
        tmp_remove();
    }
    setup();
    machine_disk("platform/host3/session1/target3:0:0/3:0:0:1", "sdz", PART_BYTES, 512);
    CHECK(refused("/dev/sdz", PND_E_ARG, "another machine (iSCSI)"));
    tmp_remove();
}

static void a_disk_of_several_ways_leads_to_its_controller(void)
{
    setup();
    machine_disk("virtual/nvme-subsystem/nvme-subsys0", "nvme0n1", PART_BYTES, 4096);
    tmp_file("");
    CHECK_EQ(unlink(tmp_file("sys/devices/virtual/nvme-subsystem/nvme-subsys0/block/nvme0n1/"
                             "device")),
             0);
    machine_link("../..", "sys/devices/virtual/nvme-subsystem/nvme-subsys0/block/nvme0n1/device");
    machine_mkdirs("sys/devices/pci0000:00/0000:00:05.0/nvme/nvme0");
    machine_link("../../../pci0000:00/0000:00:05.0/nvme/nvme0",
                 "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0");
    CHECK_EQ(find("/dev/nvme0n1"), PND_OK);
    CHECK(strstr(local.sysfs, "/sys/devices/pci0000:00/0000:00:05.0/nvme/nvme0") != NULL);
    tmp_remove();
}

static void a_file_system_that_two_disks_have_is_refused(void)
{
    setup();
    machine_disk("pci0000:00/0000:00:09.0/ata1", "sda", PART_BYTES, 512);
    put_ext("sda", 0x12);
    CHECK(refused("/var/crash", PND_E_EXISTS, "both have it"));
    tmp_remove();
}

static void a_partition_for_dumps_becomes_its_guid(void)
{
    setup();
    CHECK_EQ(find("/dev/vda2"), PND_OK);
    check_word("PARTUUID=44495547-4F20-2046-5448-452054574F2E");
    CHECK_STR(local.text, "/dev/vda2, all of it");
    CHECK_EQ(local.free_bytes, PART_BYTES);
    CHECK_EQ(local.module_count, 0);
    CHECK_STR(local.note, "");
    machine_file("proc/meminfo", "MemTotal: 16384 kB\n");
    CHECK_EQ(find("/dev/vda2"), PND_OK);
    CHECK(strstr(local.note, "it has 2.0 MiB free, and this machine 16.0 MiB of memory"));
    tmp_remove();
}

static void a_disk_without_a_table_is_known_by_its_name_and_said_so(void)
{
    setup();
    machine_disk("pci0000:00/0000:00:05.0/virtio2", "vdb", PART_BYTES, 512);
    CHECK_EQ(find("/dev/vdb"), PND_OK);
    check_word("/dev/vdb");
    CHECK(strstr(local.note, "known by its name alone"));
    tmp_remove();
}

static void a_dump_that_waits_is_said_and_what_is_somebodys_refused(void)
{
    uint8_t head[64];
    struct pnd_wr wr = pnd_wr(head, sizeof(head));
    const struct pnd_corefile_header header = {.files = 1};

    setup();
    pnd_corefile_put_head(&wr, &header);
    machine_put("vda2", 0, head, sizeof(head));
    CHECK_EQ(find("/dev/vda2"), PND_OK);
    CHECK(strstr(local.note, "panicctl extract /dev/vda2"));
    machine_put("vda3", 4086, "SWAPSPACE2", 10);
    CHECK(refused("/dev/vda3", PND_E_EXISTS, "holds swap space"));
    machine_file("proc/swaps", "Filename Type Size Used Priority\n/dev/vda3   partition 1 0 -2\n");
    CHECK(refused("/dev/vda3", PND_E_BUSY, "swap space"));
    CHECK(refused("/dev/vda1", PND_E_BUSY, "it is mounted"));
    CHECK(refused("/dev/vda", PND_E_EXISTS, "a partition table"));
    tmp_remove();
}

static void what_is_not_there_is_said(void)
{
    setup();
    machine_file("var/file", "x");
    CHECK(refused("/var/none", PND_E_NOTFOUND, "mkdir -p"));
    CHECK(refused("/dev/vdx", PND_E_NOTFOUND, "no directory or device"));
    CHECK(refused("crash", PND_E_NOTFOUND, "the whole path"));
    CHECK(refused("/var/file", PND_E_ARG, "neither a directory"));
    unlink(tmp_file("proc/self/mountinfo"));
    CHECK(refused("/var/crash", PND_E_SYS, "mountinfo"));
    tmp_remove();
}

static void a_path_that_is_too_long_for_a_word_is_refused(void)
{
    char path[300] = "/";

    setup();
    memset(path + 1, 'a', 250);
    machine_mkdirs(path + 1);
    CHECK(refused(path, PND_E_ARG, "longer than the 255 bytes"));
    tmp_remove();
}

static void watchdogs_with_a_device_are_found(void)
{
    char path[PND_LOCAL_SYSFS_CAP];

    setup();
    machine_mkdirs("sys/class/watchdog");
    machine_mkdirs("sys/devices/virtual/watchdog/watchdog0");
    machine_mkdirs("sys/devices/pci0000:00/0000:00:06.0/watchdog/watchdog1");
    machine_link("../../devices/virtual/watchdog/watchdog0", "sys/class/watchdog/watchdog0");
    machine_link("../../devices/pci0000:00/0000:00:06.0/watchdog/watchdog1",
                 "sys/class/watchdog/watchdog1");
    machine_link("../..", "sys/devices/pci0000:00/0000:00:06.0/watchdog/watchdog1/device");
    CHECK_EQ(pnd_local_watchdog(tmp_path, 0, path), PND_OK);
    CHECK(strstr(path, "/sys/devices/pci0000:00/0000:00:06.0") != NULL);
    CHECK_EQ(pnd_local_watchdog(tmp_path, 1, path), PND_E_NOTFOUND);
    tmp_remove();
}

int main(void)
{
    RUN(a_directory_becomes_the_uuid_and_the_path_in_its_file_system);
    RUN(the_deepest_mount_counts_and_of_two_the_later);
    RUN(a_bind_mount_and_a_link_lead_to_where_it_really_is);
    RUN(fat_brings_its_character_sets_and_its_limit);
    RUN(file_systems_that_a_crash_kernel_cannot_have_are_refused_with_the_reason);
    RUN(disks_made_of_other_disks_are_refused_with_the_reason);
    RUN(a_disk_of_several_ways_leads_to_its_controller);
    RUN(a_file_system_that_two_disks_have_is_refused);
    RUN(a_partition_for_dumps_becomes_its_guid);
    RUN(a_disk_without_a_table_is_known_by_its_name_and_said_so);
    RUN(a_dump_that_waits_is_said_and_what_is_somebodys_refused);
    RUN(what_is_not_there_is_said);
    RUN(a_path_that_is_too_long_for_a_word_is_refused);
    RUN(watchdogs_with_a_device_are_found);
    return tap_done();
}
