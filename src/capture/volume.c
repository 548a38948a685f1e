/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a volume holds: see volume.h. */
#include "capture/volume.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "host/io.h"
#include "wire/corefile.h"
#include "wire/cursor.h"

enum {
    HEAD = 128 * 1024, /* all marks at the start are in it; btrfs has the last, at 64 KiB */
    PIECE = 64 * 1024,
    UUID_BYTES = 16,
    EXT_AT = 1024,
    EXT_MAGIC_AT = EXT_AT + 56,
    EXT_UUID_AT = EXT_AT + 104,
    XFS_UUID_AT = 32,
    FAT16_ID_AT = 39,
    FAT16_TYPE_AT = 54,
    FAT32_ID_AT = 67,
    FAT32_TYPE_AT = 82,
    BOOT_MARK_AT = 510,
    LVM_LABEL_SECTORS = 4, /* the label is in one of the first four sectors */
    LVM_TYPE_AT = 24,
    MD_MAGIC_BYTES = 4,
    SIGNATURE = 8, /* of a corefile, of whatever version */
};

static const char md_magic[MD_MAGIC_BYTES + 1] = "\xfc\x4e\x2b\xa9";

/* What may not be overwritten, and is not mounted here. Pages of swap: the mark ends the first
 * page, and pages have these sizes. */
static const struct mark {
    uint32_t offset;
    uint8_t len;
    const char *magic, *type;
} marks[] = {
    {4086, 10, "SWAPSPACE2", "swap space"},
    {16374, 10, "SWAPSPACE2", "swap space"},
    {65526, 10, "SWAPSPACE2", "swap space"},
    {4086, 9, "S1SUSPEND", "a machine that was suspended to disk"},
    {65600, 8, "_BHRfS_M", "a btrfs file system"},
    {0, 6, "LUKS\xba\xbe", "encrypted data (LUKS)"},
    {1024, 4, "\x10\x20\xf5\xf2", "an f2fs file system"},
    {3, 8, "NTFS    ", "an NTFS file system"},
    {3, 8, "EXFAT   ", "an exFAT file system"},
    {32769, 5, "CD001", "an image of a CD"},
    {0, 4, "hsqs", "a squashfs file system"},
    {1024, 4, "\xe2\xe1\xf5\xe0", "an erofs file system"},
    {32, 4, "NXSB", "an APFS volume"},
    {1024, 2, "H+", "an HFS+ file system"},
    {0, 4, md_magic, "a part of a RAID"},
    {4096, 4, md_magic, "a part of a RAID"},
    {512, 8, "EFI PART", "a partition table"},
    {4096, 8, "EFI PART", "a partition table"},
};

static bool has(const uint8_t *head, size_t len, size_t at, const char *magic, size_t magic_len)
{
    return at + magic_len <= len && memcmp(head + at, magic, magic_len) == 0;
}

static void format_uuid(const uint8_t *u, char ret[PND_VOLUME_UUID_CAP])
{
    char *at = ret;

    for (int i = 0; i < UUID_BYTES; i++) {
        at += snprintf(at, 3, "%02x", u[i]);
        if (i == 3 || i == 5 || i == 7 || i == 9)
            *at++ = '-';
    }
    *at = '\0';
}

/* The serial number of a FAT volume, as blkid prints it. */
static void format_serial(const uint8_t *id, char ret[PND_VOLUME_UUID_CAP])
{
    snprintf(ret, PND_VOLUME_UUID_CAP, "%02X%02X-%02X%02X", id[3], id[2], id[1], id[0]);
}

/* Only of bytes that are there: behind them is what was looked at before. */
static bool is_files(const uint8_t *head, size_t len, struct pnd_volume *volume)
{
    bool boot = has(head, len, BOOT_MARK_AT, "\x55\xaa", 2);

    volume->kind = PND_VOLUME_FILES;
    if (len >= EXT_UUID_AT + UUID_BYTES && has(head, len, EXT_MAGIC_AT, "\x53\xef", 2)) {
        volume->type = "ext";
        format_uuid(head + EXT_UUID_AT, volume->uuid);
    } else if (len >= XFS_UUID_AT + UUID_BYTES && has(head, len, 0, "XFSB", 4)) {
        volume->type = "xfs";
        format_uuid(head + XFS_UUID_AT, volume->uuid);
    } else if (boot && has(head, len, FAT32_TYPE_AT, "FAT32   ", 8)) {
        volume->type = "vfat";
        format_serial(head + FAT32_ID_AT, volume->uuid);
    } else if (boot && has(head, len, FAT16_TYPE_AT, "FAT1", 4)) {
        volume->type = "vfat";
        format_serial(head + FAT16_ID_AT, volume->uuid);
    } else {
        return false;
    }
    return true;
}

static const char *taken_by(const uint8_t *head, size_t len)
{
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        if (has(head, len, marks[i].offset, marks[i].magic, marks[i].len))
            return marks[i].type;
    }
    for (size_t sector = 0; sector < LVM_LABEL_SECTORS; sector++) {
        if (has(head, len, sector * 512, "LABELONE", 8) &&
            has(head, len, sector * 512 + LVM_TYPE_AT, "LVM2", 4))
            return "a physical volume of LVM";
    }
    return has(head, len, BOOT_MARK_AT, "\x55\xaa", 2) ? "a boot sector" : NULL;
}

/* Reads until what is not zero, or the edge is done.
 * @return PND_OK and @p ret_zeros; PND_E_SYS */
static int look_for_zeros(int fd, uint64_t from, uint64_t bytes, bool *ret_zeros)
{
    static uint8_t piece[PIECE];

    *ret_zeros = true;
    for (uint64_t at = from; *ret_zeros && at < from + bytes; at += PIECE) {
        size_t len = from + bytes - at < PIECE ? (size_t)(from + bytes - at) : PIECE;

        if (pnd_io_read_at(fd, at, piece, len) != (ssize_t)len)
            return PND_E_SYS;
        *ret_zeros = piece[0] == 0 && memcmp(piece, piece + 1, len - 1) == 0;
    }
    return PND_OK;
}

/* RAIDs of old keep their mark at the end: the superblock of version 0.90 in the last whole 64 KiB
 * but one, that of 1.0 some 8 KiB before the end. What is mirrored looks like a file system from
 * the start. @source kernel.org: RAID superblock formats */
static int look_for_raid(int fd, uint64_t bytes, bool *ret)
{
    static const uint8_t little[] = {0xfc, 0x4e, 0x2b, 0xa9}, big[] = {0xa9, 0x2b, 0x4e, 0xfc};
    uint64_t places[] = {0, 0};
    uint8_t magic[MD_MAGIC_BYTES];

    *ret = false;
    if (bytes < 2 * PIECE)
        return PND_OK;
    places[0] = (bytes & ~(uint64_t)(PIECE - 1)) - PIECE;
    places[1] = ((bytes >> 9) - 16) / 8 * 8 << 9;
    for (size_t i = 0; i < 2; i++) {
        if (pnd_io_read_at(fd, places[i], magic, sizeof(magic)) != sizeof(magic))
            return PND_E_SYS;
        if (memcmp(magic, little, sizeof(magic)) == 0 || memcmp(magic, big, sizeof(magic)) == 0)
            *ret = true;
    }
    return PND_OK;
}

static int look_at_edges(int fd, uint64_t bytes, struct pnd_volume *volume)
{
    uint64_t edge = bytes < PND_VOLUME_EDGE ? bytes : PND_VOLUME_EDGE;
    bool zeros = false;
    int err = look_for_zeros(fd, 0, edge, &zeros);

    if (!err && zeros)
        err = look_for_zeros(fd, bytes - edge, edge, &zeros);
    volume->kind = zeros ? PND_VOLUME_BLANK : PND_VOLUME_UNKNOWN;
    volume->type = zeros ? "nothing" : "something that is not known here";
    return err;
}

static bool is_corefile(const uint8_t *head, size_t len, uint64_t bytes, struct pnd_volume *volume)
{
    struct pnd_corefile_header header;
    int err = pnd_corefile_read(head, len, bytes, &header);

    /* of a version that is not known, or damaged: its first bytes say that it is one */
    if (err &&
        (len < SIGNATURE || pnd_corefile_read(head, SIGNATURE, bytes, &header) != PND_E_SHORT))
        return false;
    volume->kind = PND_VOLUME_COREFILE;
    volume->type = "a dump";
    volume->whole = err ? err == PND_E_TYPE : header.files > 0 || header.log_length > 0;
    return true;
}

int pnd_volume_probe(int fd, uint64_t bytes, struct pnd_volume *ret)
{
    static uint8_t head[HEAD];
    struct pnd_volume volume = {.type = ""};
    size_t want = bytes < HEAD ? (size_t)bytes : HEAD;
    ssize_t len = pnd_io_read_at(fd, 0, head, want);
    bool raid = false;
    int err = len == (ssize_t)want ? look_for_raid(fd, bytes, &raid) : PND_E_SYS;

    if (err)
        return err;
    if (raid) {
        volume.kind = PND_VOLUME_TAKEN;
        volume.type = "a part of a RAID";
    } else if (!is_files(head, want, &volume) && !is_corefile(head, want, bytes, &volume)) {
        volume.kind = PND_VOLUME_TAKEN;
        volume.type = taken_by(head, want);
        if (!volume.type)
            err = look_at_edges(fd, bytes, &volume);
    }
    if (!err)
        *ret = volume;
    return err;
}

bool pnd_volume_mounts_as(const char *type, const char *fstype)
{
    if (strcmp(type, "ext") == 0)
        return strcmp(fstype, "ext2") == 0 || strcmp(fstype, "ext3") == 0 ||
               strcmp(fstype, "ext4") == 0;
    return strcmp(type, fstype) == 0;
}
