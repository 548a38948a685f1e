/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A machine with disks, made of files below tmp_path: /sys as Linux shows it, and /dev, where a
 * disk is a file. */
#ifndef PND_TESTS_DISK_MACHINE_H
#define PND_TESTS_DISK_MACHINE_H

#include <limits.h>
#include <stdarg.h>

#include "image/gpt.h"
#include "unit/tmpdir.h"
#include "wire/crc32.h"
#include "wire/cursor.h"

enum {
    MACHINE_ENTRIES = 8,
    MACHINE_ENTRY = 128,
    MACHINE_SECTOR_MAX = 4096,
    MACHINE_MIB = 1 << 20,
    MACHINE_PATH_CAP = 512,
};

static inline void machine_mkdirs(const char *path)
{
    char whole[PATH_MAX];

    snprintf(whole, sizeof(whole), "%s/%s/", tmp_path, path);
    for (char *at = whole + strlen(tmp_path) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        mkdir(whole, 0755);
        *at = '/';
    }
}

__attribute__((format(printf, 2, 3))) static inline void machine_file(const char *path,
                                                                      const char *fmt, ...)
{
    char text[4096];
    va_list args;
    int len;

    va_start(args, fmt);
    len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    tmp_write(path, text, (size_t)len);
}

static inline void machine_link(const char *to, const char *path)
{
    CHECK_EQ(symlink(to, tmp_file(path)), 0);
}

/* @param bus  of the sysfs path: "pci0000:00/0000:00:04.0/virtio1", or "virtual" */
static inline void machine_disk(const char *bus, const char *name, uint64_t bytes, unsigned sector)
{
    char path[MACHINE_PATH_CAP], to[MACHINE_PATH_CAP];
    int fd;

    snprintf(path, sizeof(path), "sys/devices/%s/block/%s/queue", bus, name);
    machine_mkdirs(path);
    machine_mkdirs("sys/class/block");
    machine_mkdirs("sys/dev/block");
    machine_mkdirs("dev");
    snprintf(path, sizeof(path), "sys/devices/%s/block/%s/queue/logical_block_size", bus, name);
    machine_file(path, "%u\n", sector);
    snprintf(path, sizeof(path), "sys/devices/%s/block/%s/size", bus, name);
    machine_file(path, "%" PRIu64 "\n", bytes / 512);
    if (strcmp(bus, "virtual") != 0) {
        snprintf(path, sizeof(path), "sys/devices/%s/block/%s/device", bus, name);
        machine_link("../..", path);
    }
    snprintf(path, sizeof(path), "sys/class/block/%s", name);
    snprintf(to, sizeof(to), "../../devices/%s/block/%s", bus, name);
    machine_link(to, path);
    snprintf(path, sizeof(path), "dev/%s", name);
    fd = open(tmp_file(path), O_RDWR | O_CREAT | O_EXCL, 0600);
    CHECK(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
    close(fd);
}

/* Known to the kernel; in the table only by machine_gpt(). */
static inline void machine_partition(const char *bus, const char *disk, const char *name,
                                     unsigned index, uint64_t start, uint64_t bytes)
{
    char path[MACHINE_PATH_CAP], to[MACHINE_PATH_CAP];
    int fd;

    snprintf(path, sizeof(path), "sys/devices/%s/block/%s/%s", bus, disk, name);
    machine_mkdirs(path);
    snprintf(path, sizeof(path), "sys/devices/%s/block/%s/%s/partition", bus, disk, name);
    machine_file(path, "%u\n", index);
    snprintf(path, sizeof(path), "sys/devices/%s/block/%s/%s/start", bus, disk, name);
    machine_file(path, "%" PRIu64 "\n", start / 512);
    snprintf(path, sizeof(path), "sys/class/block/%s", name);
    snprintf(to, sizeof(to), "../../devices/%s/block/%s/%s", bus, disk, name);
    machine_link(to, path);
    snprintf(path, sizeof(path), "dev/%s", name);
    fd = open(tmp_file(path), O_RDWR | O_CREAT | O_EXCL, 0600);
    CHECK(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
    close(fd);
}

static inline void machine_put(const char *device, uint64_t at, const void *data, size_t len)
{
    char path[MACHINE_PATH_CAP];
    int fd;

    snprintf(path, sizeof(path), "dev/%s", device);
    fd = open(tmp_file(path), O_WRONLY);
    CHECK(fd >= 0 && pwrite(fd, data, len, (off_t)at) == (ssize_t)len);
    close(fd);
}

struct machine_entry {
    const uint8_t *type;
    uint64_t start, bytes;
    const char *guid; /* 16 characters */
};

/* The primary table of a disk of @p bytes. */
static inline void machine_gpt(const char *disk, uint64_t bytes, unsigned sector,
                               const struct machine_entry *entries, unsigned count)
{
    uint8_t table[MACHINE_ENTRIES * MACHINE_ENTRY] = {0}, header[92];
    struct pnd_wr wr;
    uint64_t total = bytes / sector, spare = 1 + (sizeof(table) + sector - 1) / sector;

    for (unsigned i = 0; i < count; i++) {
        wr = pnd_wr(table + (size_t)i * MACHINE_ENTRY, MACHINE_ENTRY);
        pnd_wr_bytes(&wr, entries[i].type, 16);
        pnd_wr_bytes(&wr, entries[i].guid, 16);
        pnd_wr_le64(&wr, entries[i].start / sector);
        pnd_wr_le64(&wr, (entries[i].start + entries[i].bytes) / sector - 1);
    }
    for (int round = 0; round < 2; round++) {
        uint32_t crc = round ? pnd_crc32(0, header, sizeof(header)) : 0;

        wr = pnd_wr(header, sizeof(header));
        pnd_wr_bytes(&wr, "EFI PART", 8);
        pnd_wr_le32(&wr, 0x10000);
        pnd_wr_le32(&wr, sizeof(header));
        pnd_wr_le32(&wr, crc);
        pnd_wr_le32(&wr, 0);
        pnd_wr_le64(&wr, 1);
        pnd_wr_le64(&wr, total - 1);
        pnd_wr_le64(&wr, 1 + spare);
        pnd_wr_le64(&wr, total - 1 - spare);
        pnd_wr_bytes(&wr, "the disk's guid.", 16);
        pnd_wr_le64(&wr, 2);
        pnd_wr_le32(&wr, MACHINE_ENTRIES);
        pnd_wr_le32(&wr, MACHINE_ENTRY);
        pnd_wr_le32(&wr, pnd_crc32(0, table, sizeof(table)));
    }
    machine_put(disk, sector, header, sizeof(header));
    machine_put(disk, 2 * (uint64_t)sector, table, sizeof(table));
}

#endif
