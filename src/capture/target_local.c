/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A disk of this machine as the place of a dump: see target.h, target_local.h. */
#include "capture/target_local.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture/child.h"
#include "capture/watchdog.h"
#include "host/clock.h"
#include "host/guard.h"
#include "host/text.h"

enum {
    POLL_MS = 200,
    MOUNT_MAX_MS = 15 * 60 * 1000,
};

static const char mountpoint[] = "/mnt";
static const char *const fstypes[] = {"ext4", "xfs", "vfat", "ext3", "ext2"};

/* ---- the word ---- */

static bool is_octal(const char *at)
{
    return at[0] >= '0' && at[0] <= '3' && at[1] >= '0' && at[1] <= '7' && at[2] >= '0' &&
           at[2] <= '7';
}

/* @return false: no path of a directory that can be in a file system, or too long */
static bool take_path(const char *text, char ret[PND_CAPTURE_LOCAL_CAP])
{
    size_t len = 0;

    if (text[0] != '/')
        return false;
    while (*text == '/')
        text++;
    while (*text && len + 1 < PND_CAPTURE_LOCAL_CAP) {
        if (text[0] == '\\' && is_octal(text + 1)) {
            ret[len++] = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + text[3] - '0');
            text += 4;
        } else {
            ret[len++] = *text++;
        }
    }
    ret[len] = '\0';
    return !*text && strlen(ret) == len;
}

static int refuse_word(const char *text, struct pnd_why *why)
{
    char safe[PND_CAPTURE_LOCAL_CAP];

    return pnd_why(why, PND_E_ARG, 0,
                   "panicd_local=%s: say UUID=...:ext4:/var/crash (or xfs, vfat), PARTUUID=..., or "
                   "/dev/NAME",
                   pnd_text_escape(safe, sizeof(safe), text, strlen(text)));
}

/* UUID:FSTYPE:PATH */
static bool take_directory(const char *text, struct pnd_local_word *word)
{
    size_t id = strcspn(text, ":"), type = text[id] ? strcspn(text + id + 1, ":") : 0;

    if (id == 0 || id >= PND_VOLUME_UUID_CAP || !text[id] || type == 0 ||
        type >= sizeof(word->fstype) || text[id + 1 + type] != ':')
        return false;
    snprintf(word->id, sizeof(word->id), "%.*s", (int)id, text);
    snprintf(word->fstype, sizeof(word->fstype), "%.*s", (int)type, text + id + 1);
    for (size_t i = 0; i < sizeof(fstypes) / sizeof(fstypes[0]); i++) {
        if (strcmp(word->fstype, fstypes[i]) == 0)
            return take_path(text + id + type + 2, word->path);
    }
    return false;
}

int pnd_local_parse(const char *text, struct pnd_local_word *ret, struct pnd_why *why)
{
    static const char uuid[] = "UUID=", partuuid[] = "PARTUUID=", dev[] = "/dev/";
    struct pnd_local_word word = {.kind = PND_LOCAL_UUID};
    uint8_t guid[PND_GPT_GUID_BYTES];
    bool good;

    if (strncmp(text, uuid, sizeof(uuid) - 1) == 0) {
        good = take_directory(text + sizeof(uuid) - 1, &word);
    } else if (strncmp(text, partuuid, sizeof(partuuid) - 1) == 0) {
        word.kind = PND_LOCAL_PARTUUID;
        good = pnd_guid_parse(text + sizeof(partuuid) - 1, guid) == PND_OK;
        if (good)
            snprintf(word.id, sizeof(word.id), "%s", text + sizeof(partuuid) - 1);
    } else {
        size_t len = strlen(text);

        word.kind = PND_LOCAL_NAME;
        good = strncmp(text, dev, sizeof(dev) - 1) == 0 && text[sizeof(dev) - 1] &&
               text[sizeof(dev) - 1] != '.' && !strchr(text + sizeof(dev) - 1, '/') &&
               len - (sizeof(dev) - 1) < PND_BLOCK_NAME_CAP;
        if (good)
            snprintf(word.id, sizeof(word.id), "%s", text + sizeof(dev) - 1);
    }
    if (!good)
        return refuse_word(text, why);
    *ret = word;
    return PND_OK;
}

/* ---- the device ---- */

static int look(struct pnd_local_target *target, struct pnd_why *why)
{
    const char *id = target->word.id;
    uint64_t bytes = 0;
    int fd, err;

    switch (target->word.kind) {
    case PND_LOCAL_UUID:
        return pnd_block_by_uuid(target->root, id, &target->block, why);
    case PND_LOCAL_PARTUUID:
        return pnd_block_by_partuuid(target->root, id, &target->block, why);
    default:
        err = pnd_block_named(target->root, id, &target->block);
    }
    if (err)
        return pnd_why(why, err, 0, "there is no such device");
    fd = pnd_block_open(target->root, &target->block, O_RDONLY | O_NONBLOCK, &bytes);
    if (fd < 0)
        return pnd_why(why, PND_E_NOTFOUND, errno, "open it");
    close(fd);
    return bytes > 0 ? PND_OK : pnd_why(why, PND_E_NOTFOUND, 0, "the device has no medium");
}

static const char *kind_text(const struct pnd_local_word *word)
{
    return word->kind == PND_LOCAL_UUID       ? "UUID="
           : word->kind == PND_LOCAL_PARTUUID ? "PARTUUID="
                                              : "/dev/";
}

/* Disks are found while this program already runs. */
static int find(struct pnd_local_target *target, struct pnd_why *why)
{
    uint64_t start = pnd_clock_ms();
    char safe[sizeof(target->word.id) * 4];
    int err;

    for (;;) {
        err = look(target, why);
        if (err != PND_E_NOTFOUND || pnd_clock_ms() - start >= target->wait_ms)
            break;
        pnd_watchdog_alive();
        usleep(POLL_MS * 1000);
    }
    if (!err)
        return PND_OK;
    return pnd_why_add(
        why, err, "%s%s%s", kind_text(&target->word),
        pnd_text_escape(safe, sizeof(safe), target->word.id, strlen(target->word.id)),
        err == PND_E_NOTFOUND ? ": not among the disks of this kernel (is the "
                                "driver's module in its initramfs?)"
                              : "");
}

/* ---- a directory ---- */

/* mount(2) in a process of its own: the journal of a machine that crashed may take minutes, and a
 * disk that does not answer for ever. @return PND_OK; PND_E_SYS with errno; PND_E_TIMEOUT, _ABORTED
 */
static int mount_slowly(const char *device, const char *where, const char *fstype)
{
    const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME;
    struct pnd_child child;
    int status = 0, err;
    pid_t pid = fork();

    if (pid < 0)
        return mount(device, where, fstype, flags, NULL) < 0 ? PND_E_SYS : PND_OK;
    if (pid == 0)
        _exit(mount(device, where, fstype, flags, NULL) < 0 ? errno : 0);
    pnd_child_watch(&child, pid, MOUNT_MAX_MS);
    err = pnd_child_wait(&child, &status);
    if (err || status == 0)
        return err;
    errno = WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
    return PND_E_SYS;
}

static int mount_it(struct pnd_local_target *target, struct pnd_why *why)
{
    const char *fstype = target->word.fstype, *name = target->block.name;
    char device[PND_BLOCK_PATH_CAP];
    int err;

    snprintf(device, sizeof(device), "%s/dev/%s", target->root, name);
    mkdir(target->mountpoint, 0755);
    err = mount_slowly(device, target->mountpoint, fstype);
    target->mounted = err == PND_OK;
    if (err == PND_E_SYS && errno == ENODEV)
        return pnd_why(why, err, 0,
                       "this kernel cannot mount %s: its module is not in the initramfs", fstype);
    if (err == PND_E_TIMEOUT)
        return pnd_why(why, err, 0, "mount /dev/%s as %s: the disk does not answer", name, fstype);
    return err ? pnd_why(why, err, errno, "mount /dev/%s as %s", name, fstype) : PND_OK;
}

/* What stands in the file system stays in it: a symbolic link must not lead into the initramfs,
 * where a dump would lie in memory. */
static int open_beneath(int top, const char *path)
{
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_XDEV};
    long fd = syscall(SYS_openat2, top, path, &how, sizeof(how));

    if (fd < 0 && errno == ENOSYS) /* before Linux 5.6 */
        return openat(top, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return (int)fd;
}

/* Made when it is missing: somebody may have tidied up since it was chosen. */
static int open_directory(struct pnd_local_target *target, struct pnd_why *why)
{
    const char *path = target->word.path;
    int top = open(target->mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char safe[PND_CAPTURE_LOCAL_CAP];

    if (top < 0)
        return pnd_why(why, PND_E_SYS, errno, "open the file system on /dev/%s",
                       target->block.name);
    target->dir = open_beneath(top, path[0] ? path : ".");
    if (target->dir < 0 && errno == ENOENT && mkdirat(top, path, 0700) == 0)
        target->dir = open_beneath(top, path);
    pnd_guard_close(&top);
    if (target->dir >= 0)
        return PND_OK;
    return pnd_why(why, PND_E_SYS, errno, "the directory /%s on /dev/%s",
                   pnd_text_escape(safe, sizeof(safe), path, strlen(path)), target->block.name);
}

/* Somebody may have made another file system since, and kept its UUID. */
static int check_type(const struct pnd_local_target *target, struct pnd_why *why)
{
    struct pnd_volume volume = {.type = ""};
    uint64_t bytes = 0;
    PND_AUTO_CLOSE int fd = pnd_block_open(target->root, &target->block, O_RDONLY, &bytes);

    if (fd < 0 || pnd_volume_probe(fd, bytes, &volume) != PND_OK)
        return pnd_why(why, PND_E_SYS, errno, "read /dev/%s", target->block.name);
    if (pnd_volume_mounts_as(volume.type, target->word.fstype))
        return PND_OK;
    return pnd_why(why, PND_E_TYPE, 0, "/dev/%s: it is %s, not %s", target->block.name, volume.type,
                   target->word.fstype);
}

static int open_file(struct pnd_local_target *target, const char *name, struct pnd_sink *ret,
                     struct pnd_why *why)
{
    int err = check_type(target, why);

    if (!err)
        err = mount_it(target, why);
    if (!err)
        err = open_directory(target, why);
    if (!err)
        err = pnd_local_file_open(&target->file, target->dir, name, why);
    if (!err)
        pnd_local_file_sink(&target->file, ret);
    return err;
}

/* ---- the target ---- */

static int open_target(void *ctx, struct pnd_target_dump *dump, struct pnd_sink *ret,
                       struct pnd_why *why)
{
    struct pnd_local_target *target = ctx;
    int err = find(target, why);

    if (err)
        return err;
    if (target->word.kind == PND_LOCAL_UUID)
        return open_file(target, dump->name, ret, why);
    err = pnd_local_place_open(&target->place, target->root, &target->block, why);
    if (!err)
        pnd_local_place_sink(&target->place, ret);
    return err;
}

static int close_target(void *ctx, int err, struct pnd_why *why)
{
    struct pnd_local_target *target = ctx;

    if (target->word.kind != PND_LOCAL_UUID) {
        pnd_local_place_close(&target->place, why);
        return err;
    }
    pnd_local_file_close(&target->file, why);
    if (target->dir >= 0)
        close(target->dir);
    target->dir = -1;
    if (target->mounted && umount(target->mountpoint) < 0)
        sync(); /* what counts is synced; the journal will do the rest */
    target->mounted = false;
    return err;
}

void pnd_target_local_init(struct pnd_local_target *target, struct pnd_target *ret)
{
    const struct pnd_local_word *word = &target->word;
    char safe[PND_TARGET_LABEL_CAP];

    *ret = (struct pnd_target){.ctx = target, .open = open_target, .close = close_target};
    target->dir = -1;
    target->mounted = false;
    if (word->kind == PND_LOCAL_UUID) {
        pnd_local_file_init(&target->file);
        pnd_text_escape(safe, sizeof(safe) - 60, word->path, strlen(word->path));
        snprintf(ret->label, sizeof(ret->label), "/%.64s on UUID=%.40s (%.15s)", safe, word->id,
                 word->fstype);
        return;
    }
    target->place.fd = -1;
    snprintf(ret->label, sizeof(ret->label), "%s%.100s", kind_text(word), word->id);
}

int pnd_target_local(const struct pnd_capture_options *options, struct pnd_target *ret,
                     struct pnd_why *why)
{
    static struct pnd_local_target target;
    int err = pnd_local_parse(options->local, &target.word, why);

    if (err)
        return err;
    target.root = "";
    target.mountpoint = mountpoint;
    target.wait_ms = PND_LOCAL_WAIT_MS;
    pnd_target_local_init(&target, ret);
    return PND_OK;
}
