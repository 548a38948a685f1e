/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is mounted: see mounts.h. */
#include "arm/mounts.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/guard.h"

enum { LINE_CAP = 4 * PND_MOUNT_PATH_CAP };

static FILE *open_below(const char *root, const char *path)
{
    char whole[PATH_MAX];

    if (snprintf(whole, sizeof(whole), "%s%s", root, path) >= (int)sizeof(whole))
        return NULL;
    return fopen(whole, "re");
}

/* The next field, its "\040" undone. @return false: there is none, or it does not fit */
static bool take(char **line, char *ret, size_t cap)
{
    char *at = *line;
    size_t len = 0;

    while (*at && *at != ' ' && *at != '\n') {
        if (len + 1 >= cap)
            return false;
        if (at[0] == '\\' && at[1] >= '0' && at[1] <= '3' && at[2] >= '0' && at[2] <= '7' &&
            at[3] >= '0' && at[3] <= '7') {
            ret[len++] = (char)((at[1] - '0') * 64 + (at[2] - '0') * 8 + at[3] - '0');
            at += 4;
        } else {
            ret[len++] = *at++;
        }
    }
    ret[len] = '\0';
    *line = *at ? at + 1 : at;
    return len > 0;
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw" */
static bool parse(char *line, struct pnd_mount *ret)
{
    char field[PND_MOUNT_PATH_CAP];

    for (int i = 0; i < 3; i++) { /* its number, its parent's, the device's */
        if (!take(&line, field, sizeof(field)))
            return false;
    }
    if (sscanf(field, "%u:%u", &ret->major, &ret->minor) != 2 || /* NOLINT(cert-err34-c) */
        !take(&line, ret->root, sizeof(ret->root)) || !take(&line, ret->point, sizeof(ret->point)))
        return false;
    do {
        if (!take(&line, field, sizeof(field)))
            return false;
    } while (strcmp(field, "-") != 0);
    return take(&line, ret->fstype, sizeof(ret->fstype)) &&
           take(&line, ret->source, sizeof(ret->source));
}

static bool holds(const struct pnd_mount *mount, const char *dir)
{
    size_t len = strlen(mount->point);

    if (strcmp(mount->point, "/") == 0)
        return true;
    return strncmp(dir, mount->point, len) == 0 && (dir[len] == '/' || !dir[len]);
}

int pnd_mount_of(const char *root, const char *dir, struct pnd_mount *ret, struct pnd_why *why)
{
    PND_AUTO_FCLOSE FILE *file = open_below(root, "/proc/self/mountinfo");
    static struct pnd_mount mount;
    static char line[LINE_CAP];
    size_t longest = 0;

    if (!file)
        return pnd_why(why, PND_E_SYS, errno, "read /proc/self/mountinfo");
    while (fgets(line, sizeof(line), file)) {
        /* of two at one point, the later one covers the other */
        if (!parse(line, &mount) || !holds(&mount, dir) || strlen(mount.point) < longest)
            continue;
        longest = strlen(mount.point);
        *ret = mount;
    }
    return longest > 0 ? PND_OK : pnd_why(why, PND_E_NOTFOUND, 0, "nothing is mounted there");
}

int pnd_mount_block(const char *root, const struct pnd_mount *mount, struct pnd_block *ret)
{
    char path[PATH_MAX], real[PATH_MAX];

    if (mount->major == 0)
        return PND_E_NOTFOUND;
    snprintf(path, sizeof(path), "%s/sys/dev/block/%u:%u", root, mount->major, mount->minor);
    if (!realpath(path, real))
        return PND_E_NOTFOUND;
    return pnd_block_named(root, strrchr(real, '/') + 1, ret);
}

bool pnd_mount_uses(const char *root, const char *name)
{
    PND_AUTO_FCLOSE FILE *file = open_below(root, "/proc/self/mountinfo");
    PND_AUTO_FCLOSE FILE *swaps = open_below(root, "/proc/swaps");
    static struct pnd_mount mount;
    static char line[LINE_CAP];
    struct pnd_block block;
    char path[PND_MOUNT_PATH_CAP];
    bool used = false;

    while (!used && file && fgets(line, sizeof(line), file))
        used = parse(line, &mount) && pnd_mount_block(root, &mount, &block) == PND_OK &&
               strcmp(block.name, name) == 0;
    while (!used && swaps && fgets(line, sizeof(line), swaps)) {
        char *at = line;

        used = take(&at, path, sizeof(path)) && strncmp(path, "/dev/", 5) == 0 &&
               strcmp(path + 5, name) == 0;
    }
    return used;
}

const char *pnd_mount_kind(const struct pnd_mount *mount)
{
    static const struct {
        const char *names, *text;
    } kinds[] = {
        {" tmpfs ramfs devtmpfs hugetlbfs ", "which lies in memory and ends with this kernel"},
        {" nfs nfs4 cifs smb3 ceph 9p virtiofs fuse.sshfs afs glusterfs ocfs2 gfs2 ",
         "which is on another machine: a dump goes there best through panicd itself"},
        {" overlay aufs ", "which lies upon another: the directory below can be named"},
        {" squashfs iso9660 erofs udf cramfs ", "which cannot be written to"},
        {" btrfs ", "which may extend over several disks, and whose driver alone is as large as "
                    "all else in a crash kernel"},
        {" zfs bcachefs ", "which needs programs to find its disks"},
        {" proc sysfs devpts cgroup cgroup2 debugfs tracefs securityfs pstore efivarfs configfs ",
         "which is not for files"},
    };
    char word[PND_MOUNT_TYPE_CAP + 2];

    snprintf(word, sizeof(word), " %s ", mount->fstype);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strstr(kinds[i].names, word))
            return kinds[i].text;
    }
    return "which a crash kernel is not made to mount";
}

uint64_t pnd_memory_bytes(const char *root)
{
    PND_AUTO_FCLOSE FILE *file = open_below(root, "/proc/meminfo");
    static char line[256];
    unsigned long long kib = 0;

    while (file && fgets(line, sizeof(line), file)) {
        if (strncmp(line, "MemTotal:", 9) == 0) {
            kib = strtoull(line + 9, NULL, 10);
            break;
        }
    }
    return (uint64_t)kib * 1024;
}
