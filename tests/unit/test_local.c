/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A dump on a disk of this machine: as a file of a directory, or as the content of a partition. */
#include <errno.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include "capture/target_local.h"
#include "unit/disk_machine.h"
#include "wire/corefile.h"

static const char bus[] = "pci0000:00/0000:00:04.0/virtio1";
static struct pnd_why why;
static struct pnd_sink sink;
static struct pnd_local_file file;
static struct pnd_local_word word;
static struct pnd_local_target target;
static struct pnd_target out;
static int dir;

static void setup(void)
{
    tmp_make();
    memset(&why, 0, sizeof(why));
    dir = open(tmp_path, O_RDONLY | O_DIRECTORY);
    pnd_local_file_init(&file);
}

static void teardown(void)
{
    close(dir);
    tmp_remove();
}

/* ---- what is said ---- */

static void the_three_ways_to_name_a_place_are_understood(void)
{
    CHECK_EQ(pnd_local_parse("UUID=12345678-9abc:ext4:/var/crash", &word, &why), PND_OK);
    CHECK_EQ(word.kind, PND_LOCAL_UUID);
    CHECK_STR(word.id, "12345678-9abc");
    CHECK_STR(word.fstype, "ext4");
    CHECK_STR(word.path, "var/crash");
    CHECK_EQ(pnd_local_parse("UUID=AB:xfs:/", &word, &why), PND_OK);
    CHECK_STR(word.path, "");
    CHECK_EQ(pnd_local_parse("UUID=AB:vfat:/a\\040b\\134:c", &word, &why), PND_OK);
    CHECK_STR(word.path, "a b\\:c");
    CHECK_EQ(pnd_local_parse("PARTUUID=5361644d-6163-11AA-AA11-00306543ECAC", &word, &why), PND_OK);
    CHECK_EQ(word.kind, PND_LOCAL_PARTUUID);
    CHECK_STR(word.id, "5361644d-6163-11AA-AA11-00306543ECAC");
    CHECK_EQ(pnd_local_parse("/dev/nvme0n1p3", &word, &why), PND_OK);
    CHECK_EQ(word.kind, PND_LOCAL_NAME);
    CHECK_STR(word.id, "nvme0n1p3");
}

static void everything_else_is_refused_with_what_to_say(void)
{
    static const char *const bad[] = {
        "",
        "UUID=",
        "UUID=1",
        "UUID=1:ext4",
        "UUID=:ext4:/a",
        "UUID=1:ext4:",
        "UUID=1:ext4:a",
        "UUID=1:btrfs:/a",
        "UUID=1::/a",
        "UUID=1:ext4ext4ext4ext4:/a",
        "UUID=0123456789012345678901234567890123456789:ext4:/a",
        "UUID=1:ext4:/a\\000b",
        "PARTUUID=",
        "PARTUUID=1234abcd-01",
        "/dev/",
        "/dev/../sda",
        "/dev/mapper/x",
        "/var/crash",
        "vda1",
        "LABEL=x",
    };
    char path[PND_CAPTURE_LOCAL_CAP + 64] = "UUID=1:ext4:/";

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        why.text[0] = '\0';
        CHECK_EQ(pnd_local_parse(bad[i], &word, &why), PND_E_ARG);
        CHECK(strstr(why.text, "panicd_local=") && strstr(why.text, "UUID=...:ext4:/var/crash"));
    }
    memset(path + 13, 'a', PND_CAPTURE_LOCAL_CAP);
    CHECK_EQ(pnd_local_parse(path, &word, &why), PND_E_ARG);
}

/* At most its directory is a shorter one. */
static void a_word_that_is_cut_never_means_another_disk(void)
{
    static const char *const whole[] = {"UUID=12345678-9abc:ext4:/var/crash",
                                        "PARTUUID=5361644d-6163-11AA-AA11-00306543ECAC"};

    for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
        struct pnd_local_word all, cut;

        CHECK_EQ(pnd_local_parse(whole[i], &all, &why), PND_OK);
        for (size_t len = 0; len < strlen(whole[i]); len++) {
            char *text = strndup(whole[i], len);

            CHECK(text != NULL);
            if (pnd_local_parse(text, &cut, &why) == PND_OK) {
                CHECK_EQ(cut.kind, all.kind);
                CHECK_STR(cut.id, all.id);
                CHECK_STR(cut.fstype, all.fstype);
                CHECK(strncmp(cut.path, all.path, strlen(cut.path)) == 0);
            }
            free(text);
        }
    }
}

/* ---- a file ---- */

static int begin(const char *name)
{
    int err = pnd_local_file_open(&file, dir, name, &why);

    if (!err)
        pnd_local_file_sink(&file, &sink);
    return err;
}

static int put(const void *data, size_t len)
{
    return sink.write(sink.ctx, data, len);
}

/* The file @p name holds @p data. */
static bool holds(const char *name, const void *data, size_t len)
{
    int fd = open(tmp_file(name), O_RDONLY);
    char *got = malloc(len + 1);
    bool same = fd >= 0 && read(fd, got, len + 1) == (ssize_t)len && memcmp(got, data, len) == 0;

    close(fd);
    free(got);
    return same;
}

static void a_dump_has_its_name_only_when_it_is_whole(void)
{
    setup();
    CHECK_EQ(begin("core.gz"), PND_OK);
    CHECK(tmp_exists("core.gz.part") && !tmp_exists("core.gz"));
    CHECK_EQ(put("hello, ", 7), PND_OK);
    CHECK_EQ(put("dump", 4), PND_OK);
    CHECK(!tmp_exists("core.gz"));
    CHECK_EQ(sink.end(sink.ctx), PND_OK);
    pnd_local_file_close(&file, &why);
    CHECK(!tmp_exists("core.gz.part") && holds("core.gz", "hello, dump", 11));
    CHECK_STR(why.text, "");
    teardown();
}

static void what_is_there_is_never_overwritten(void)
{
    setup();
    tmp_write("core.gz", "first", 5);
    tmp_write("core.1.gz.part", "cut", 3);
    tmp_write("core.2.gz.incomplete", "full", 4);
    tmp_write("core", "plain", 5);
    CHECK_EQ(begin("core.gz"), PND_OK);
    CHECK_EQ(put("fourth", 6), PND_OK);
    CHECK_EQ(sink.end(sink.ctx), PND_OK);
    pnd_local_file_close(&file, &why);
    CHECK(holds("core.gz", "first", 5) && holds("core.3.gz", "fourth", 6));
    CHECK(holds("core.1.gz.part", "cut", 3) && holds("core.2.gz.incomplete", "full", 4));
    CHECK_EQ(begin("core"), PND_OK);
    CHECK_EQ(put("other", 5), PND_OK);
    tmp_write("core.1", "from elsewhere", 14); /* meanwhile */
    CHECK(sink.end(sink.ctx) != PND_OK);
    pnd_local_file_close(&file, &why);
    CHECK(holds("core.1", "from elsewhere", 14) && holds("core.1.incomplete", "other", 5));
    teardown();
}

static void names_that_lead_elsewhere_are_refused(void)
{
    char name[300];

    setup();
    CHECK_EQ(begin(""), PND_E_NAME);
    CHECK_EQ(begin("../core"), PND_E_NAME);
    CHECK_EQ(begin(".core"), PND_E_NAME);
    memset(name, 'a', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    CHECK_EQ(begin(name), PND_E_NAME);
    name[230] = '\0';
    CHECK_EQ(begin(name), PND_OK);
    pnd_local_file_close(&file, &why);
    teardown();
}

static void a_dump_that_does_not_end_is_kept_as_incomplete(void)
{
    setup();
    CHECK_EQ(begin("core.gz"), PND_OK);
    CHECK_EQ(put("half a ", 7), PND_OK);
    pnd_local_file_close(&file, &why);
    CHECK(holds("core.gz.incomplete", "half a ", 7));
    CHECK(!tmp_exists("core.gz.part") && !tmp_exists("core.gz"));
    CHECK(strstr(why.text, "its first 7 B are kept as core.gz.incomplete"));
    CHECK_EQ(begin("core.gz"), PND_OK); /* the next attempt does not come as far, ... */
    CHECK_EQ(put("less", 4), PND_OK);
    pnd_local_file_close(&file, &why);
    CHECK(holds("core.gz.incomplete", "half a ", 7) && !tmp_exists("core.gz.part"));
    CHECK(strstr(why.text, "its first 7 B are kept as core.gz.incomplete"));
    CHECK_EQ(begin("core.gz"), PND_OK); /* ... the next further, ... */
    CHECK_EQ(put("all but o", 9), PND_OK);
    pnd_local_file_close(&file, &why);
    CHECK(holds("core.gz.incomplete", "all but o", 9) && !tmp_exists("core.gz.part"));
    CHECK_EQ(begin("core.gz"), PND_OK); /* ... and the last needs no number for its name */
    CHECK_EQ(put("a whole", 7), PND_OK);
    CHECK_EQ(sink.end(sink.ctx), PND_OK);
    pnd_local_file_close(&file, &why);
    CHECK(holds("core.gz", "a whole", 7) && !tmp_exists("core.gz.incomplete"));
    CHECK_EQ(begin("empty"), PND_OK);
    pnd_local_file_close(&file, &why);
    CHECK(!tmp_exists("empty.incomplete") && !tmp_exists("empty.part"));
    teardown();
}

static void zeros_are_holes_and_all_bytes_are_where_they_were(void)
{
    enum { LEN = 3 * PND_LOCAL_BUFFER + 12345 };
    uint8_t *data = calloc(1, LEN);
    struct stat st;
    uint32_t x = 1;

    for (size_t at = 0; at < LEN; at += 4096) {
        x = x * 1664525 + 1013904223;
        if (x >> 30 == 0)
            memset(data + at, 'd', LEN - at < 4096 ? LEN - at : 4096);
    }
    data[LEN - 12345] = 1;
    for (int tail = 0; tail < 2; tail++) { /* the last bytes are zeros; or not */
        setup();
        data[LEN - 1] = (uint8_t)tail;
        CHECK_EQ(begin("core"), PND_OK);
        for (size_t at = 0, len = 1; at < LEN; at += len, len = len * 7 % 50021 + 1)
            CHECK_EQ(put(data + at, LEN - at < len ? LEN - at : len), PND_OK);
        CHECK_EQ(sink.end(sink.ctx), PND_OK);
        pnd_local_file_close(&file, &why);
        CHECK(holds("core", data, LEN));
        CHECK(stat(tmp_file("core"), &st) == 0 && st.st_blocks * 512 < LEN / 2);
        teardown();
    }
    free(data);
}

/* 40 MiB, of which 16 stay free. */
static void a_full_disk_keeps_the_beginning_and_the_machine_its_room(void)
{
    static uint8_t block[65536];
    struct statvfs fs;
    int err = PND_OK;
    uint64_t bytes = 0;

    setup();
    if (!tmp_mount("size=40m")) {
        teardown();
        SKIP("needs root, to mount a small file system");
    }
    close(dir);
    dir = open(tmp_path, O_RDONLY | O_DIRECTORY);
    memset(block, 'x', sizeof(block));
    CHECK_EQ(begin("core.gz"), PND_OK);
    for (; !err && bytes < 64 * MACHINE_MIB; bytes += sizeof(block))
        err = put(block, sizeof(block));
    CHECK_EQ(err, PND_E_NOSPACE);
    pnd_local_file_close(&file, &why);
    CHECK(strstr(why.text, "the disk is full after ") && strstr(why.text, "core.gz.incomplete"));
    CHECK(tmp_exists("core.gz.incomplete") && !tmp_exists("core.gz.part"));
    CHECK(statvfs(tmp_path, &fs) == 0 && fs.f_bavail * fs.f_frsize >= PND_LOCAL_FLOOR);
    CHECK_EQ(begin("core.gz"), PND_OK);
    pnd_local_file_close(&file, &why);
    CHECK(tmp_exists("core.gz.incomplete")); /* the new one came to nothing */
    tmp_fill();
    CHECK_EQ(begin("core.gz"), PND_E_NOSPACE);
    CHECK(strstr(why.text, "the disk is full"));
    pnd_local_file_close(&file, &why);
    close(dir);
    tmp_unmount();
    dir = -1;
    teardown();
}

static void what_is_kept_of_a_dump_too_large_is_bounded(void)
{
    static uint8_t block[65536];
    struct stat st;
    int err = PND_OK;

    setup();
    if (!tmp_mount("size=64m")) {
        teardown();
        SKIP("needs root, to mount a small file system");
    }
    close(dir);
    dir = open(tmp_path, O_RDONLY | O_DIRECTORY);
    memset(block, 'x', sizeof(block));
    CHECK_EQ(begin("core"), PND_OK);
    for (uint64_t bytes = 0; !err && bytes < 64 * MACHINE_MIB; bytes += sizeof(block))
        err = put(block, sizeof(block));
    CHECK_EQ(err, PND_E_NOSPACE);
    pnd_local_file_close(&file, &why);
    CHECK(stat(tmp_file("core.incomplete"), &st) == 0 && st.st_size == PND_LOCAL_KEPT);
    close(dir);
    tmp_unmount();
    dir = -1;
    teardown();
}

/* ---- a place ---- */

static const uint8_t gzip_head[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0};

static void set_target(const char *text)
{
    memset(&target, 0, sizeof(target));
    CHECK_EQ(pnd_local_parse(text, &target.word, &why), PND_OK);
    target.root = tmp_path;
    target.mountpoint = "";
    pnd_target_local_init(&target, &out);
}

static int send_dump(const void *data, size_t len)
{
    struct pnd_target_dump dump = {.name = "core-linux.gz"};
    int err;

    why.text[0] = '\0';
    err = out.open(out.ctx, &dump, &sink, &why);
    if (!err)
        err = put(data, len);
    if (!err)
        err = sink.end(sink.ctx);
    return out.close(out.ctx, err, &why);
}

static void read_entry(const char *device, struct pnd_corefile_header *header,
                       struct pnd_corefile_entry *entry)
{
    uint8_t head[PND_COREFILE_HEADER_BYTES];
    int fd = open(tmp_file(device), O_RDONLY);

    CHECK(pread(fd, head, sizeof(head), 0) == sizeof(head));
    close(fd);
    CHECK_EQ(pnd_corefile_read(head, sizeof(head), 4 * MACHINE_MIB, header), PND_OK);
    CHECK_EQ(pnd_corefile_entry(header, head, sizeof(head), 0, entry), PND_OK);
}

static void a_blank_device_becomes_a_corefile(void)
{
    struct pnd_corefile_header header;
    struct pnd_corefile_entry entry;

    setup();
    machine_disk(bus, "vdb", 4 * MACHINE_MIB, 512);
    set_target("/dev/vdb");
    CHECK_STR(out.label, "/dev/vdb");
    CHECK_EQ(send_dump(gzip_head, sizeof(gzip_head)), PND_OK);
    read_entry("dev/vdb", &header, &entry);
    CHECK_EQ(header.files, 1);
    CHECK_STR(entry.name, "vmcore");
    CHECK_EQ(entry.flags, PND_COREFILE_GZIP);
    CHECK_EQ(entry.length, sizeof(gzip_head));
    CHECK_EQ(send_dump("again", 5), PND_E_EXISTS); /* the first dump stays */
    CHECK(strstr(why.text, "panicctl extract /dev/vdb"));
    teardown();
}

static void a_dump_that_did_not_end_leaves_the_place_free(void)
{
    struct pnd_corefile_header header;
    struct pnd_corefile_entry entry;

    setup();
    machine_disk(bus, "vdb", 4 * MACHINE_MIB, 512);
    set_target("/dev/vdb");
    CHECK_EQ(out.open(out.ctx, &(struct pnd_target_dump){.name = "core"}, &sink, &why), PND_OK);
    CHECK_EQ(put("half", 4), PND_OK);
    CHECK_EQ(out.close(out.ctx, PND_E_SOURCE, &why), PND_E_SOURCE);
    CHECK_EQ(send_dump("not packed", 10), PND_OK);
    read_entry("dev/vdb", &header, &entry);
    CHECK_EQ(entry.flags, PND_COREFILE_RAW);
    teardown();
}

static void of_a_dump_that_does_not_fit_what_fits_is_kept(void)
{
    static uint8_t block[MACHINE_MIB];
    uint8_t head[PND_COREFILE_HEADER_BYTES];
    struct pnd_corefile_header header;
    struct pnd_corefile_entry entry;
    int fd;

    setup();
    machine_disk(bus, "vdb", MACHINE_MIB, 4096);
    machine_disk(bus, "vdc", 8192, 512);
    memset(block, 'x', sizeof(block));
    set_target("/dev/vdb");
    CHECK_EQ(send_dump(block, sizeof(block)), PND_E_NOSPACE);
    CHECK_STR(why.text, "the dump does not fit: it has 1.0 MiB; the first 1004 KiB are kept there");
    CHECK_EQ(send_dump(block, 1), PND_E_EXISTS); /* and stay there */
    fd = open(tmp_file("dev/vdb"), O_RDONLY);
    CHECK(pread(fd, head, sizeof(head), 0) == sizeof(head));
    CHECK_EQ(pnd_corefile_read(head, sizeof(head), MACHINE_MIB, &header), PND_OK);
    CHECK_EQ(pnd_corefile_entry(&header, head, sizeof(head), 0, &entry), PND_OK);
    CHECK_EQ(entry.offset + entry.length, MACHINE_MIB);
    CHECK(pread(fd, block, 5, MACHINE_MIB - 5) == 5 && memcmp(block, "xxxxx", 5) == 0);
    close(fd);
    set_target("/dev/vdc");
    CHECK_EQ(send_dump(block, 1), PND_E_NOSPACE);
    CHECK_STR(why.text, "/dev/vdc has only 8192 bytes");
    teardown();
}

static void somebodys_device_is_left_as_it_is(void)
{
    setup();
    machine_disk(bus, "vdb", 4 * MACHINE_MIB, 512);
    machine_put("vdb", 4086, "SWAPSPACE2", 10);
    set_target("/dev/vdb");
    CHECK_EQ(send_dump("dump", 4), PND_E_EXISTS);
    CHECK(strstr(why.text, "/dev/vdb holds swap space"));
    machine_disk(bus, "vdc", 4 * MACHINE_MIB, 512);
    set_target("/dev/vdd");
    CHECK_EQ(send_dump("dump", 4), PND_E_NOTFOUND);
    CHECK(strstr(why.text, "/dev/vdd: not among the disks of this kernel"));
    teardown();
}

static void a_device_is_waited_for(void)
{
    pid_t child;

    setup();
    machine_disk(bus, "vdb", 4 * MACHINE_MIB, 512);
    set_target("/dev/vdc");
    target.wait_ms = 20000;
    child = fork();
    if (child == 0) {
        usleep(700 * 1000);
        machine_disk(bus, "vdc", 4 * MACHINE_MIB, 512);
        _exit(tap_ok ? 0 : 1);
    }
    CHECK_EQ(send_dump("dump", 4), PND_OK);
    CHECK_EQ(tmp_wait(child), 0);
    teardown();
}

/* ---- a directory of a file system ---- */

struct loop {
    int control, fd;
    char path[32];
};

static bool loop_open(struct loop *loop, const char *image)
{
    int number, backing = open(image, O_RDWR | O_CLOEXEC);

    loop->control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    number = loop->control < 0 ? -1 : ioctl(loop->control, LOOP_CTL_GET_FREE);
    snprintf(loop->path, sizeof(loop->path), "/dev/loop%d", number);
    loop->fd = number < 0 ? -1 : open(loop->path, O_RDWR | O_CLOEXEC);
    if (loop->fd >= 0 && ioctl(loop->fd, LOOP_SET_FD, backing) < 0) {
        close(loop->fd);
        loop->fd = -1;
    }
    close(backing);
    if (loop->fd < 0)
        close(loop->control);
    return loop->fd >= 0;
}

static void loop_close(struct loop *loop)
{
    ioctl(loop->fd, LOOP_CLR_FD);
    close(loop->fd);
    close(loop->control);
}

/* /dev/vda is the loop device behind an ext4 file system of 48 MiB. */
static bool make_ext4(struct loop *loop)
{
    char command[512];

    machine_disk(bus, "vda", 48 * (uint64_t)MACHINE_MIB, 512);
    snprintf(command, sizeof(command),
             "PATH=$PATH:/sbin:/usr/sbin mke2fs -q -F -t ext4 "
             "-U 01234567-89ab-cdef-0123-456789abcdef %s/dev/vda >/dev/null 2>&1",
             tmp_path);
    if (system(command) != 0 || !loop_open(loop, tmp_file("dev/vda")))
        return false;
    snprintf(command, sizeof(command), "%s/dev/image", tmp_path);
    CHECK_EQ(rename(tmp_file("dev/vda"), command), 0);
    machine_link(loop->path, "dev/vda");
    return true;
}

static void set_directory(const char *text)
{
    static char mountpoint[300];

    set_target(text);
    snprintf(mountpoint, sizeof(mountpoint), "%s/mnt", tmp_path);
    target.mountpoint = mountpoint;
}

static void check_in_directory(struct loop *loop)
{
    set_directory("UUID=01234567-89AB-cdef-0123-456789abcdef:ext4:/dumps");
    CHECK_STR(out.label, "/dumps on UUID=01234567-89AB-cdef-0123-456789abcdef (ext4)");
    CHECK_EQ(send_dump("the dump", 8), PND_OK);
    CHECK_STR(why.text, "");
    CHECK_EQ(send_dump("the second", 10), PND_OK);
    CHECK(!tmp_exists("mnt/dumps")); /* it is unmounted */
    CHECK_EQ(mount(loop->path, target.mountpoint, "ext4", 0, NULL), 0);
    CHECK(holds("mnt/dumps/core-linux.gz", "the dump", 8));
    CHECK(holds("mnt/dumps/core-linux.1.gz", "the second", 10));
    CHECK_EQ(symlink("/tmp", tmp_file("mnt/away")), 0);
    CHECK_EQ(umount(target.mountpoint), 0);
    set_directory("UUID=01234567-89ab-cdef-0123-456789abcdef:ext4:/away");
    CHECK(send_dump("the dump", 8) != PND_OK);
    CHECK(access("/tmp/core-linux.gz", F_OK) < 0);
    set_directory("UUID=01234567-89ab-cdef-0123-456789abcdef:xfs:/");
    CHECK(send_dump("the dump", 8) != PND_OK);
    CHECK(strstr(why.text, "it is ext, not xfs"));
}

static void a_file_system_is_found_mounted_and_left_unmounted(void)
{
    struct loop loop;

    setup();
    if (!make_ext4(&loop)) {
        teardown();
        SKIP("needs root, loop devices and mke2fs");
    }
    check_in_directory(&loop);
    loop_close(&loop);
    teardown();
}

/* XFS of 300 MiB, the least that its mkfs makes. */
static void xfs_takes_a_dump_as_well(void)
{
    char command[512];
    struct loop loop;

    setup();
    machine_disk(bus, "vda", 300 * (uint64_t)MACHINE_MIB, 512);
    snprintf(command, sizeof(command),
             "PATH=$PATH:/sbin:/usr/sbin mkfs.xfs -q -m uuid=01234567-89ab-cdef-0123-456789abcdef "
             "%s/dev/vda >/dev/null 2>&1",
             tmp_path);
    if (system(command) != 0 || !loop_open(&loop, tmp_file("dev/vda"))) {
        teardown();
        SKIP("needs root, loop devices and mkfs.xfs");
    }
    snprintf(command, sizeof(command), "%s/dev/image", tmp_path);
    CHECK_EQ(rename(tmp_file("dev/vda"), command), 0);
    machine_link(loop.path, "dev/vda");
    set_directory("UUID=01234567-89ab-cdef-0123-456789abcdef:xfs:/");
    CHECK_EQ(send_dump("the dump", 8), PND_OK);
    CHECK_EQ(mount(loop.path, target.mountpoint, "xfs", 0, NULL), 0);
    CHECK(holds("mnt/core-linux.gz", "the dump", 8));
    CHECK_EQ(umount(target.mountpoint), 0);
    loop_close(&loop);
    teardown();
}

static void a_file_system_that_is_mounted_is_no_place(void)
{
    struct loop loop;

    setup();
    if (!make_ext4(&loop)) {
        teardown();
        SKIP("needs root, loop devices and mke2fs");
    }
    mkdir(tmp_file("mnt"), 0755);
    CHECK_EQ(mount(loop.path, tmp_file("mnt"), "ext4", 0, NULL), 0);
    set_target("/dev/vda");
    CHECK_EQ(send_dump("the dump", 8), PND_E_BUSY);
    CHECK(strstr(why.text, "/dev/vda is in use"));
    CHECK_EQ(umount(tmp_file("mnt")), 0);
    CHECK_EQ(send_dump("the dump", 8), PND_E_EXISTS);
    loop_close(&loop);
    teardown();
}

int main(void)
{
    RUN(the_three_ways_to_name_a_place_are_understood);
    RUN(everything_else_is_refused_with_what_to_say);
    RUN(a_word_that_is_cut_never_means_another_disk);
    RUN(a_dump_has_its_name_only_when_it_is_whole);
    RUN(what_is_there_is_never_overwritten);
    RUN(names_that_lead_elsewhere_are_refused);
    RUN(a_dump_that_does_not_end_is_kept_as_incomplete);
    RUN(zeros_are_holes_and_all_bytes_are_where_they_were);
    RUN(a_full_disk_keeps_the_beginning_and_the_machine_its_room);
    RUN(what_is_kept_of_a_dump_too_large_is_bounded);
    RUN(a_blank_device_becomes_a_corefile);
    RUN(a_dump_that_did_not_end_leaves_the_place_free);
    RUN(of_a_dump_that_does_not_fit_what_fits_is_kept);
    RUN(somebodys_device_is_left_as_it_is);
    RUN(a_device_is_waited_for);
    RUN(a_file_system_is_found_mounted_and_left_unmounted);
    RUN(xfs_takes_a_dump_as_well);
    RUN(a_file_system_that_is_mounted_is_no_place);
    return tap_done();
}
