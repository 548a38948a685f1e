/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Block devices: see block.h. */
#include "capture/block.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "host/guard.h"
#include "host/io.h"
#include "host/text.h"

enum {
    SYSFS_SECTOR = 512, /* the unit of sysfs, whatever the disk's sectors are */
};

/* In which order the bytes of a GUID are printed. @source UEFI Specification 2.10, appendix A */
static const uint8_t guid_order[PND_GPT_GUID_BYTES] = {3, 2, 1,  0,  5,  4,  7,  6,
                                                       8, 9, 10, 11, 12, 13, 14, 15};

void pnd_guid_format(const uint8_t guid[PND_GPT_GUID_BYTES], char ret[PND_GUID_TEXT_CAP])
{
    char *at = ret;

    for (int i = 0; i < PND_GPT_GUID_BYTES; i++) {
        at += snprintf(at, 3, "%02X", guid[guid_order[i]]);
        if (i == 3 || i == 5 || i == 7 || i == 9)
            *at++ = '-';
    }
    *at = '\0';
}

int pnd_guid_parse(const char *text, uint8_t ret[PND_GPT_GUID_BYTES])
{
    uint8_t guid[PND_GPT_GUID_BYTES];
    char again[PND_GUID_TEXT_CAP];

    if (strlen(text) != PND_GUID_TEXT_CAP - 1)
        return PND_E_FORMAT;
    for (int i = 0; i < PND_GPT_GUID_BYTES; i++) {
        const char *at = text + 2 * i + (i > 3) + (i > 5) + (i > 7) + (i > 9);
        char digits[3] = {at[0], at[1], '\0'};

        guid[guid_order[i]] = (uint8_t)strtoul(digits, NULL, 16);
    }
    pnd_guid_format(guid, again); /* what else was among the digits is seen here */
    if (strcasecmp(text, again) != 0)
        return PND_E_FORMAT;
    memcpy(ret, guid, sizeof(guid));
    return PND_OK;
}

/* ---- sysfs ---- */

/* A number in a file of the device's directory. @return false: no such file */
static bool attribute(const char *root, const char *name, const char *file, uint64_t *ret)
{
    char path[PND_BLOCK_PATH_CAP], text[32];
    PND_AUTO_CLOSE int fd = -1;
    ssize_t len;

    snprintf(path, sizeof(path), "%s/sys/class/block/%s/%s", root, name, file);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    len = fd < 0 ? -1 : pnd_io_read_at(fd, 0, text, sizeof(text) - 1);
    if (len <= 0)
        return false;
    text[len] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return pnd_text_parse_uint(text, ret) == PND_OK;
}

int pnd_block_named(const char *root, const char *name, struct pnd_block *ret)
{
    struct pnd_block block = {.partition = 0};
    char path[PND_BLOCK_PATH_CAP], real[PATH_MAX], *last;
    uint64_t partition = 0;

    if (!name[0] || name[0] == '.' || strchr(name, '/') || strlen(name) >= sizeof(block.name))
        return PND_E_NAME;
    snprintf(path, sizeof(path), "%s/sys/class/block/%s", root, name);
    if (!realpath(path, real))
        return PND_E_NOTFOUND;
    /* NVMe disks with several ways to them stand among the virtual ones */
    block.virtual = strstr(real, "/devices/virtual/") &&
                    !strstr(real, "/devices/virtual/nvme-subsystem/");
    snprintf(block.name, sizeof(block.name), "%s", name);
    snprintf(block.disk, sizeof(block.disk), "%s", name);
    if (attribute(root, name, "partition", &partition)) {
        last = strrchr(real, '/');
        *last = '\0'; /* the directory of a partition is in that of its disk */
        last = strrchr(real, '/');
        block.partition = (uint32_t)partition;
        snprintf(block.disk, sizeof(block.disk), "%s", last ? last + 1 : "");
    }
    *ret = block;
    return PND_OK;
}

int pnd_block_open(const char *root, const struct pnd_block *block, int flags, uint64_t *ret_bytes)
{
    char path[PND_BLOCK_PATH_CAP];
    int fd;
    off_t end;

    /* sysfs writes the "/" of a name like cciss/c0d0 as "!" */
    snprintf(path, sizeof(path), "%s/dev/%s", root, block->name);
    for (char *at = path + strlen(root); *at; at++)
        *at = *at == '!' ? '/' : *at;
    fd = open(path, flags | O_CLOEXEC);
    end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    if (end < 0) {
        pnd_guard_close(&fd);
        return -1;
    }
    *ret_bytes = (uint64_t)end;
    return fd;
}

uint32_t pnd_block_sector_bytes(const char *root, const struct pnd_block *block)
{
    uint64_t bytes = 0;

    if (attribute(root, block->disk, "queue/logical_block_size", &bytes) && bytes >= 512 &&
        bytes <= PND_GPT_SECTOR_MAX)
        return (uint32_t)bytes;
    return SYSFS_SECTOR;
}

/* ---- partition tables ---- */

static int read_disk(void *ctx, uint64_t offset, void *buf, size_t len)
{
    const int *fd = ctx;

    return pnd_io_read_at(*fd, offset, buf, len) == (ssize_t)len ? PND_OK : PND_E_SYS;
}

/* @param fd  of the disk; is kept in @p gpt */
static int open_gpt(const char *root, const struct pnd_block *disk, int *fd, struct pnd_gpt *gpt)
{
    struct pnd_gpt_source source = {.ctx = fd, .read = read_disk};

    *fd = pnd_block_open(root, disk, O_RDONLY, &source.bytes);
    if (*fd < 0)
        return PND_E_SYS;
    source.sector_bytes = pnd_block_sector_bytes(root, disk);
    return pnd_gpt_open(gpt, &source);
}

int pnd_block_gpt(const char *root, const struct pnd_block *block, struct pnd_gpt_partition *ret)
{
    static struct pnd_gpt gpt;
    struct pnd_gpt_partition found;
    PND_AUTO_CLOSE int fd = -1;
    struct pnd_block disk;
    uint64_t start = 0;
    int err;

    if (!block->partition || pnd_block_named(root, block->disk, &disk) != PND_OK)
        return PND_E_NOTFOUND;
    err = open_gpt(root, &disk, &fd, &gpt);
    if (!err)
        err = pnd_gpt_entry(&gpt, block->partition - 1, &found);
    if (err)
        return err == PND_E_SYS ? err : PND_E_NOTFOUND;
    /* the kernel may still go by an older table */
    if (!attribute(root, block->name, "start", &start) || start * SYSFS_SECTOR != found.offset)
        return PND_E_NOTFOUND;
    *ret = found;
    return PND_OK;
}

/* ---- search ---- */

struct search {
    const char *root, *wanted; /* a UUID */
    uint8_t guid[PND_GPT_GUID_BYTES];
    bool (*matches)(const struct search *search, const struct pnd_block *block);
    unsigned found;
    struct pnd_block block, other;
};

static bool has_uuid(const struct search *search, const struct pnd_block *block)
{
    struct pnd_volume volume;
    uint64_t bytes = 0;
    PND_AUTO_CLOSE int fd = pnd_block_open(search->root, block, O_RDONLY | O_NONBLOCK, &bytes);

    return fd >= 0 && bytes > 0 && pnd_volume_probe(fd, bytes, &volume) == PND_OK &&
           volume.kind == PND_VOLUME_FILES && strcasecmp(volume.uuid, search->wanted) == 0;
}

static bool has_partuuid(const struct search *search, const struct pnd_block *block)
{
    struct pnd_gpt_partition partition;

    return block->partition && pnd_block_gpt(search->root, block, &partition) == PND_OK &&
           memcmp(partition.guid, search->guid, sizeof(partition.guid)) == 0;
}

/* A floppy or CD drive: to look into it takes seconds, and it is not meant. */
static bool is_slow(const char *name)
{
    return strncmp(name, "fd", 2) == 0 || strncmp(name, "sr", 2) == 0;
}

static void take(struct search *search, const char *name)
{
    struct pnd_block block;

    if (is_slow(name) || pnd_block_named(search->root, name, &block) != PND_OK || block.virtual ||
        !search->matches(search, &block))
        return;
    search->found++;
    if (search->found == 1)
        search->block = block;
    else
        search->other = block;
}

static int find(struct search *search, struct pnd_block *ret, struct pnd_why *why)
{
    char path[PND_BLOCK_PATH_CAP];
    struct dirent *entry;
    DIR *dir;

    snprintf(path, sizeof(path), "%s/sys/class/block", search->root);
    dir = opendir(path);
    while (dir && (entry = readdir(dir)) != NULL)
        take(search, entry->d_name);
    if (dir)
        closedir(dir);
    if (search->found == 0)
        return pnd_why(why, PND_E_NOTFOUND, 0, "no disk has it");
    if (search->found > 1)
        return pnd_why(why, PND_E_EXISTS, 0,
                       "/dev/%s and /dev/%s both have it, as the halves of a mirror or a copy do; "
                       "which of them is meant cannot be known",
                       search->block.name, search->other.name);
    *ret = search->block;
    return PND_OK;
}

int pnd_block_by_uuid(const char *root, const char *uuid, struct pnd_block *ret,
                      struct pnd_why *why)
{
    struct search search = {.root = root, .wanted = uuid, .matches = has_uuid};

    return find(&search, ret, why);
}

int pnd_block_by_partuuid(const char *root, const char *guid, struct pnd_block *ret,
                          struct pnd_why *why)
{
    struct search search = {.root = root, .matches = has_partuuid};

    if (pnd_guid_parse(guid, search.guid) != PND_OK)
        return pnd_why(why, PND_E_NOTFOUND, 0, "it is no GUID of a partition in a GPT");
    return find(&search, ret, why);
}

/* ---- may it be written over? ---- */

static void describe(const struct pnd_volume *volume, char ret[64])
{
    if (volume->kind == PND_VOLUME_FILES)
        snprintf(ret, 64, "a file system (%s)", volume->type);
    else
        snprintf(ret, 64, "%s", volume->type);
}

const char *pnd_block_refusal(const char *root, const struct pnd_block *block,
                              const struct pnd_volume *volume, struct pnd_why *why)
{
    struct pnd_gpt_partition partition;
    bool typed = pnd_block_gpt(root, block, &partition) == PND_OK &&
                 memcmp(partition.type, pnd_gpt_kernel_core_dump, sizeof(partition.type)) == 0;
    const char *name = block->name;
    char what[64];

    if (volume->kind == PND_VOLUME_COREFILE && volume->whole) {
        pnd_why(why, PND_E_EXISTS, 0,
                "/dev/%s holds a dump, and the first panic says more than those that follow: take "
                "it away with `panicctl extract /dev/%s`, then make room for another with `dd "
                "if=/dev/zero of=/dev/%s bs=4096 count=1`",
                name, name, name);
        return why->text;
    }
    if (typed || volume->kind == PND_VOLUME_COREFILE || volume->kind == PND_VOLUME_BLANK)
        return NULL;
    describe(volume, what);
    if (block->partition)
        pnd_why(why, PND_E_EXISTS, 0,
                "/dev/%s holds %s: if it is for dumps, say so with `sfdisk --part-type /dev/%s "
                "%" PRIu32 " 5361644D-6163-11AA-AA11-00306543ECAC`",
                name, what, block->disk, block->partition);
    else
        pnd_why(why, PND_E_EXISTS, 0,
                "/dev/%s holds %s: a dump is written only to a disk that is blank, or to a "
                "partition of type 5361644D-6163-11AA-AA11-00306543ECAC",
                name, what);
    return why->text;
}
