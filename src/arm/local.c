/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A place on this machine for a crash kernel: see local.h. */
#include "arm/local.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "arm/mounts.h"
#include "capture/block.h"
#include "host/guard.h"
#include "host/text.h"

static const char instead[] =
    "name a directory on ext4, xfs or vfat on a plain partition (/boot often is one), or a "
    "partition that is for dumps";

/* ---- names ---- */

/* The real path of @p path below @p root, as seen from there. @return NULL with errno */
static const char *resolve(const char *root, const char *path, char ret[PATH_MAX])
{
    char whole[PATH_MAX], top[PATH_MAX] = "";
    size_t len;

    if (root[0] && !realpath(root, top))
        return NULL;
    if (snprintf(whole, sizeof(whole), "%s%s", root, path) >= (int)sizeof(whole)) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    if (!realpath(whole, ret))
        return NULL;
    len = strlen(top);
    if (strncmp(ret, top, len) == 0 && (ret[len] == '/' || !ret[len]))
        memmove(ret, ret + len, strlen(ret + len) + 1);
    if (!ret[0])
        memcpy(ret, "/", 2);
    return ret;
}

/* Appends @p path with the escapes of target_local.h. @return false: it does not fit */
static bool append_path(char *dst, size_t cap, const char *path)
{
    size_t at = strlen(dst);

    for (; *path; path++) {
        bool plain = *path > ' ' && *path < 0x7f && *path != '\\' && *path != '"' && *path != '\'';

        if (at + (plain ? 2 : 5) > cap)
            return false;
        if (plain)
            dst[at++] = *path;
        else
            at += (size_t)snprintf(dst + at, cap - at, "\\%03o", (unsigned char)*path);
    }
    dst[at] = '\0';
    return true;
}

/* ---- devices ---- */

/* What is not a disk of its own, and why that is not for a crash kernel. */
static const char *virtual_text(const char *root, const char *name)
{
    static const struct {
        const char *start, *text;
    } by_uuid[] = {
        {"LVM-", "a logical volume (LVM), which a crash kernel does not put together"},
        {"CRYPT-", "encrypted, and nobody types a passphrase into a crash kernel"},
        {"mpath-", "a disk with several ways to it (multipath), which a crash kernel takes for "
                   "several disks"},
        {"", "a mapped device, which a crash kernel does not put together"},
    };
    static const struct {
        const char *start, *text;
    } by_name[] = {
        {"md", "a RAID, which a crash kernel does not put together"},
        {"loop", "a file that is seen as a disk"},
        {"zram", "in memory, and ends with this kernel"},
        {"ram", "in memory, and ends with this kernel"},
        {"nbd", "on another machine"},
        {"bcache", "behind a cache on another disk, which a crash kernel does not put together"},
        {"", "not a disk of its own"},
    };
    char path[PATH_MAX], uuid[128] = "";
    FILE *file;
    size_t i = 0;

    if (strncmp(name, "dm-", 3) == 0) {
        snprintf(path, sizeof(path), "%s/sys/class/block/%s/dm/uuid", root, name);
        file = fopen(path, "re");
        if (file && !fgets(uuid, sizeof(uuid), file))
            uuid[0] = '\0';
        pnd_guard_fclose(&file);
        while (strncmp(uuid, by_uuid[i].start, strlen(by_uuid[i].start)) != 0)
            i++;
        return by_uuid[i].text;
    }
    while (strncmp(name, by_name[i].start, strlen(by_name[i].start)) != 0)
        i++;
    return by_name[i].text;
}

/* The controller of a disk that has a name of its own among several ways to it. */
static void leave_subsystem(char path[PND_LOCAL_SYSFS_CAP])
{
    char way[PND_LOCAL_SYSFS_CAP + 32], real[PATH_MAX];

    if (!strstr(path, "/nvme-subsystem/"))
        return;
    for (unsigned i = 0; i < 64; i++) {
        snprintf(way, sizeof(way), "%s/nvme%u", path, i);
        if (realpath(way, real)) {
            snprintf(path, PND_LOCAL_SYSFS_CAP, "%s", real);
            return;
        }
    }
}

static int find_driver(const char *root, const struct pnd_block *block, struct pnd_local *local,
                       struct pnd_why *why)
{
    char path[PATH_MAX], real[PATH_MAX];

    snprintf(path, sizeof(path), "%s/sys/class/block/%s/device", root, block->disk);
    if (block->virtual || !realpath(path, real))
        return pnd_why(why, PND_E_ARG, 0, "it is %s: %s", virtual_text(root, block->disk), instead);
    if (strstr(real, "/session"))
        return pnd_why(why, PND_E_ARG, 0, "it is on another machine (iSCSI): %s", instead);
    snprintf(local->sysfs, sizeof(local->sysfs), "%s", real);
    leave_subsystem(local->sysfs);
    return PND_OK;
}

static int probe(const char *root, const struct pnd_block *block, uint64_t *ret_bytes,
                 struct pnd_volume *ret, struct pnd_why *why)
{
    PND_AUTO_CLOSE int fd = pnd_block_open(root, block, O_RDONLY | O_NONBLOCK, ret_bytes);

    if (fd < 0 || pnd_volume_probe(fd, *ret_bytes, ret) != PND_OK)
        return pnd_why(why, PND_E_SYS, errno, "read /dev/%s%s", block->name,
                       errno == EACCES ? " (disks are for root to read: try sudo)" : "");
    return PND_OK;
}

/* A line for who must know that a dump may not fit. */
static void note_room(const char *root, struct pnd_local *local)
{
    uint64_t memory = pnd_memory_bytes(root);
    char room[PND_TEXT_BYTES_CAP], all[PND_TEXT_BYTES_CAP];

    if (local->note[0] || local->free_bytes >= memory / 4)
        return;
    snprintf(local->note, sizeof(local->note),
             "it has %s free, and this machine %s of memory: a dump may not fit; --filter 31 makes "
             "it small",
             pnd_text_bytes(room, sizeof(room), local->free_bytes),
             pnd_text_bytes(all, sizeof(all), memory));
}

/* ---- a directory ---- */

static void add_module(struct pnd_local *local, const char *name, bool optional)
{
    local->modules[local->module_count++] = (struct pnd_local_module){name, optional};
}

/* By the alias that a file system's driver has, which is right also when ext4's driver mounts ext2.
 * FAT wants the tables of two character sets, and which, this kernel's configuration says: so all
 * that it may be. */
static int add_modules(struct pnd_local *local, const struct pnd_mount *mount, struct pnd_why *why)
{
    static const struct {
        const char *fstype, *alias;
    } known[] = {{"ext4", "fs-ext4"},
                 {"ext3", "fs-ext3"},
                 {"ext2", "fs-ext2"},
                 {"xfs", "fs-xfs"},
                 {"vfat", "fs-vfat"}};
    char safe[64];

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(mount->fstype, known[i].fstype) != 0)
            continue;
        add_module(local, known[i].alias, false);
        if (strcmp(mount->fstype, "vfat") == 0) {
            add_module(local, "nls_cp437", true);
            add_module(local, "nls_ascii", true);
            add_module(local, "nls_iso8859-1", true);
            add_module(local, "nls_utf8", true);
        }
        return PND_OK;
    }
    return pnd_why(why, PND_E_ARG, 0, "it is %s, %s: %s",
                   pnd_text_escape(safe, sizeof(safe), mount->fstype, strlen(mount->fstype)),
                   pnd_mount_kind(mount), instead);
}

static int find_uuid(const char *root, const struct pnd_block *block, const struct pnd_mount *mount,
                     struct pnd_volume *ret, struct pnd_why *why)
{
    struct pnd_block found;
    uint64_t bytes = 0;
    int err = probe(root, block, &bytes, ret, why);

    if (err)
        return err;
    if (ret->kind != PND_VOLUME_FILES || !pnd_volume_mounts_as(ret->type, mount->fstype))
        return pnd_why(why, PND_E_ARG, 0, "/dev/%s is mounted as %s, but holds %s", block->name,
                       mount->fstype, ret->type);
    err = pnd_block_by_uuid(root, ret->uuid, &found, why);
    if (err)
        return pnd_why_add(why, err, "its UUID %s", ret->uuid);
    return PND_OK;
}

static int set_word(struct pnd_local *local, const struct pnd_mount *mount, const char *uuid,
                    const char *dir, struct pnd_why *why)
{
    const char *beyond = dir + (strcmp(mount->point, "/") == 0 ? 0 : strlen(mount->point));
    const char *top = strcmp(mount->root, "/") == 0 ? "" : mount->root;
    bool fits;

    if (strcmp(beyond, "/") == 0 && top[0])
        beyond = "";
    snprintf(local->word, sizeof(local->word), "UUID=%s:%.15s:", uuid, mount->fstype);
    fits = append_path(local->word, sizeof(local->word), top) &&
           append_path(local->word, sizeof(local->word), beyond[0] || top[0] ? beyond : "/");
    if (!fits)
        return pnd_why(why, PND_E_ARG, 0,
                       "its path in the file system is longer than the %d bytes "
                       "that a word of boot-args takes",
                       PND_CAPTURE_LOCAL_CAP - 1);
    return PND_OK;
}

static void describe_directory(const char *root, const char *dir, const struct pnd_block *block,
                               const struct pnd_mount *mount, struct pnd_local *local)
{
    char whole[PATH_MAX], safe[256];
    struct statvfs fs;

    pnd_text_escape(safe, sizeof(safe), dir, strlen(dir));
    snprintf(local->text, sizeof(local->text), "%s on /dev/%s (%.15s)", safe, block->name,
             mount->fstype);
    if (snprintf(whole, sizeof(whole), "%s%s", root, dir) < (int)sizeof(whole) &&
        statvfs(whole, &fs) == 0)
        local->free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (strcmp(mount->fstype, "vfat") == 0)
        snprintf(local->note, sizeof(local->note),
                 "FAT has no files of 4 GiB or more: a dump that is larger does not end");
}

static int find_directory(const char *root, const char *dir, struct pnd_local *local,
                          struct pnd_why *why)
{
    struct pnd_volume volume = {.type = ""};
    struct pnd_mount mount;
    struct pnd_block block;
    int err = pnd_mount_of(root, dir, &mount, why);

    if (!err)
        err = add_modules(local, &mount, why);
    if (err)
        return err;
    if (pnd_mount_block(root, &mount, &block) != PND_OK)
        return pnd_why(why, PND_E_ARG, 0, "it is on %s, which is no disk: %s", mount.source,
                       instead);
    err = find_driver(root, &block, local, why);
    if (!err)
        err = find_uuid(root, &block, &mount, &volume, why);
    if (!err)
        err = set_word(local, &mount, volume.uuid, dir, why);
    if (!err)
        describe_directory(root, dir, &block, &mount, local);
    return err;
}

/* ---- a device ---- */

static int check_use(const char *root, const struct pnd_block *block, struct pnd_why *why)
{
    uint64_t bytes;
    PND_AUTO_CLOSE int fd = -1;

    if (pnd_mount_uses(root, block->name))
        return pnd_why(
            why, PND_E_BUSY, 0,
            "it is mounted, or swap space: what is in it would be lost; name a directory "
            "of it, or a partition that is for dumps");
    fd = pnd_block_open(root, block, O_RDONLY | O_EXCL, &bytes);
    if (fd < 0 && errno == EBUSY)
        return pnd_why(why, PND_E_BUSY, 0, "it is in use, as a part of another device");
    return PND_OK;
}

static int check_content(const char *root, const struct pnd_block *block, struct pnd_local *local,
                         struct pnd_why *why)
{
    struct pnd_volume volume = {.type = ""};
    struct pnd_why refusal;
    int err = probe(root, block, &local->free_bytes, &volume, why);

    if (err || !pnd_block_refusal(root, block, &volume, &refusal))
        return err;
    if (volume.kind != PND_VOLUME_COREFILE) {
        *why = refusal;
        return PND_E_EXISTS;
    }
    /* it is the right place, and will be free once the dump is taken away */
    snprintf(local->note, sizeof(local->note), "%s", refusal.text);
    return PND_OK;
}

static int find_device(const char *root, const struct pnd_block *block, struct pnd_local *local,
                       struct pnd_why *why)
{
    struct pnd_gpt_partition partition;
    char guid[PND_GUID_TEXT_CAP];
    int err = find_driver(root, block, local, why);

    if (!err)
        err = check_use(root, block, why);
    if (!err)
        err = check_content(root, block, local, why);
    if (err)
        return err;
    snprintf(local->text, sizeof(local->text), "/dev/%s, all of it", block->name);
    if (pnd_block_gpt(root, block, &partition) == PND_OK) {
        pnd_guid_format(partition.guid, guid);
        snprintf(local->word, sizeof(local->word), "PARTUUID=%s", guid);
        return PND_OK;
    }
    snprintf(local->word, sizeof(local->word), "/dev/%s", block->name);
    if (!local->note[0])
        snprintf(local->note, sizeof(local->note),
                 "it is known by its name alone, which disks may change among each other; a "
                 "partition of a GPT is known for good");
    return PND_OK;
}

/* ---- both ---- */

static int find(const char *root, const char *what, struct pnd_local *local, struct pnd_why *why)
{
    char real[PATH_MAX], whole[2 * PATH_MAX];
    struct pnd_block block;
    struct stat st;

    if (what[0] != '/')
        return pnd_why(why, PND_E_NOTFOUND, 0, "say the whole path, from / on");
    if (!resolve(root, what, real))
        return pnd_why(
            why, PND_E_NOTFOUND, errno, "no directory or device%s",
            errno == ENOENT && strncmp(what, "/dev/", 5) != 0 ? " (make it with mkdir -p)" : "");
    if (strncmp(real, "/dev/", 5) == 0 && pnd_block_named(root, real + 5, &block) == PND_OK)
        return find_device(root, &block, local, why);
    snprintf(whole, sizeof(whole), "%.*s%s", PATH_MAX - 1, root, real);
    if (stat(whole, &st) != 0 || !S_ISDIR(st.st_mode))
        return pnd_why(why, PND_E_ARG, 0, "it is neither a directory nor a disk or partition");
    return find_directory(root, real, local, why);
}

int pnd_local_find(const char *root, const char *what, struct pnd_local *ret, struct pnd_why *why)
{
    struct pnd_local local = {.module_count = 0};
    char safe[256];
    int err = find(root, what, &local, why);

    if (err)
        return pnd_why_add(why, err, "%s", pnd_text_escape(safe, sizeof(safe), what, strlen(what)));
    note_room(root, &local);
    *ret = local;
    return PND_OK;
}

int pnd_local_watchdog(const char *root, unsigned index, char ret[PND_LOCAL_SYSFS_CAP])
{
    enum { WATCHDOGS_MAX = 16 };
    char path[PATH_MAX], real[PATH_MAX];

    for (unsigned i = 0; i < WATCHDOGS_MAX; i++) {
        snprintf(path, sizeof(path), "%s/sys/class/watchdog/watchdog%u/device", root, i);
        if (!realpath(path, real) || index-- > 0)
            continue;
        snprintf(ret, PND_LOCAL_SYSFS_CAP, "%s", real);
        return PND_OK;
    }
    return PND_E_NOTFOUND;
}
