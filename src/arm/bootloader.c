/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Boot loaders, told apart by the files that they leave. What is found first is what is really
 * asked at boot: rpm-ostree stands before grubby, grubby before the files of GRUB that Fedora has
 * too. */
#include "arm/bootloader.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "arm/look.h"
#include "arm/rooted.h"
#include "panicd/err.h"

static const char *const names[] = {
    [PND_BOOTLOADER_UNKNOWN] = "a boot loader that panicdump does not know",
    [PND_BOOTLOADER_OSTREE] = "rpm-ostree",
    [PND_BOOTLOADER_GRUBBY] = "grubby",
    [PND_BOOTLOADER_UPDATE_GRUB] = "GRUB",
    [PND_BOOTLOADER_MKCONFIG] = "GRUB",
    [PND_BOOTLOADER_KERNEL_INSTALL] = "systemd-boot, by kernel-install",
    [PND_BOOTLOADER_MKINITCPIO] = "systemd-boot, by mkinitcpio",
    [PND_BOOTLOADER_ENTRY] = "systemd-boot",
    [PND_BOOTLOADER_EXTLINUX] = "extlinux",
    [PND_BOOTLOADER_CMDLINE_TXT] = "the Raspberry Pi's firmware",
};

/* Where the EFI system partition, or a partition for boot entries beside it, is mounted.
 * @source systemd's bootctl(1) and the Boot Loader Specification of the UAPI group */
static const char *const boot_places[] = {"/efi", "/boot", "/boot/efi"};

static bool take(struct pnd_bootloader *loader, enum pnd_bootloader_kind kind, const char *path)
{
    loader->kind = kind;
    snprintf(loader->path, sizeof(loader->path), "%s", path);
    return true;
}

static bool first_that_exists(const char *root, const char *const *paths, size_t count,
                              enum pnd_bootloader_kind kind, struct pnd_bootloader *ret)
{
    for (size_t i = 0; i < count; i++)
        if (pnd_rooted_exists(root, paths[i]))
            return take(ret, kind, paths[i]);
    return false;
}

static bool ends_with(const char *name, const char *end)
{
    size_t len = strlen(name), end_len = strlen(end);

    return len > end_len && strcmp(name + len - end_len, end) == 0;
}

/* A name that the shell takes as it is: it will stand in a command. */
static bool is_plain(const char *name)
{
    return name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                             "._+-")] == '\0';
}

/* The entry of the kernel @p release below @p place, else the one that loader.conf starts, else
 * the first by name. */
static bool find_entry(const char *root, const char *place, const char *release,
                       char ret[PND_BOOTLOADER_PATH_CAP])
{
    char path[PND_BOOTLOADER_PATH_CAP], full[PND_ROOTED_CAP], conf[2048], wanted[128] = "";
    char best[128] = "";
    int best_rank = 0;
    const struct dirent *entry;
    DIR *dir;

    snprintf(path, sizeof(path), "%s/loader/loader.conf", place);
    pnd_rooted_read(root, path, conf, sizeof(conf));
    for (const char *at = conf; at; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (sscanf(at, "default %127s", wanted) == 1)
            break;
    }
    snprintf(path, sizeof(path), "%s/loader/entries", place);
    dir = opendir(pnd_rooted_path(full, root, "%s", path));
    while (dir && (entry = readdir(dir))) {
        int rank = 1;
        size_t len = strlen(entry->d_name);

        if (!ends_with(entry->d_name, ".conf") || len >= sizeof(best) || !is_plain(entry->d_name))
            continue;
        if (strncmp(wanted, entry->d_name, len - 5) == 0 &&
            (wanted[len - 5] == '\0' || strcmp(wanted + len - 5, ".conf") == 0))
            rank = 2;
        if (strstr(entry->d_name, release))
            rank = 3;
        if (rank > best_rank || (rank == best_rank && strcmp(entry->d_name, best) < 0)) {
            memcpy(best, entry->d_name, len + 1);
            best_rank = rank;
        }
    }
    if (dir)
        closedir(dir);
    if (best_rank == 0)
        return false;
    snprintf(ret, PND_BOOTLOADER_PATH_CAP, "%s/loader/entries/%s", place, best);
    return true;
}

/* kernel-install calls its entries by the machine or by a token, and the kernel: a name that ends
 * so, beside its own command line, was not written by hand.
 * @source systemd's kernel-install(8): ENTRY-TOKEN-KERNEL-VERSION.conf, /etc/kernel/cmdline */
static bool is_from_kernel_install(const char *root, const char *entry, const char *release)
{
    char end[160];

    snprintf(end, sizeof(end), "-%s.conf", release);
    return ends_with(entry, end) && pnd_look_program(root, "kernel-install");
}

static bool find_systemd_boot(const char *root, const char *release, struct pnd_bootloader *ret)
{
    char entry[PND_BOOTLOADER_PATH_CAP], path[PND_BOOTLOADER_PATH_CAP];

    for (size_t i = 0; i < sizeof(boot_places) / sizeof(boot_places[0]); i++) {
        if (find_entry(root, boot_places[i], release, entry)) {
            if (is_from_kernel_install(root, entry, release))
                return take(ret, PND_BOOTLOADER_KERNEL_INSTALL, "/etc/kernel/cmdline");
            return take(ret, PND_BOOTLOADER_ENTRY, entry);
        }
        snprintf(path, sizeof(path), "%s/EFI/Linux", boot_places[i]);
        if (!pnd_rooted_exists(root, path) || !pnd_rooted_exists(root, "/etc/kernel/cmdline"))
            continue;
        if (pnd_rooted_exists(root, "/etc/mkinitcpio.d"))
            return take(ret, PND_BOOTLOADER_MKINITCPIO, "/etc/kernel/cmdline");
        if (pnd_look_program(root, "kernel-install"))
            return take(ret, PND_BOOTLOADER_KERNEL_INSTALL, "/etc/kernel/cmdline");
    }
    return false;
}

static bool find(const char *root, const char *release, struct pnd_bootloader *ret)
{
    static const char *const extlinux[] = {"/boot/extlinux/extlinux.conf",
                                           "/boot/syslinux/syslinux.cfg"};
    static const char *const raspberry[] = {"/boot/firmware/cmdline.txt", "/boot/cmdline.txt"};

    if (pnd_rooted_exists(root, "/run/ostree-booted"))
        return take(ret, PND_BOOTLOADER_OSTREE, "");
    if (pnd_look_program(root, "grubby"))
        return take(ret, PND_BOOTLOADER_GRUBBY, "");
    if (pnd_look_program(root, "update-grub") && pnd_rooted_exists(root, "/etc/default/grub"))
        return take(ret, PND_BOOTLOADER_UPDATE_GRUB, "/etc/default/grub.d/panicd.cfg");
    if (find_systemd_boot(root, release, ret))
        return true;
    if (pnd_rooted_exists(root, "/etc/default/grub")) {
        const char *dir =
            pnd_rooted_exists(root, "/boot/grub2") ? "/boot/grub2/grub.cfg" : "/boot/grub/grub.cfg";

        return take(ret, PND_BOOTLOADER_MKCONFIG, dir);
    }
    return first_that_exists(root, extlinux, 2, PND_BOOTLOADER_EXTLINUX, ret) ||
           first_that_exists(root, raspberry, 2, PND_BOOTLOADER_CMDLINE_TXT, ret);
}

void pnd_bootloader_find(const char *root, const char *release, struct pnd_bootloader *ret)
{
    struct pnd_bootloader loader = {0};

    find(root, release, &loader);
    loader.name = names[loader.kind];
    *ret = loader;
}

static int fix_debian(const char *path, const char *word, char *dst, size_t cap)
{
    /* The file sorts behind cloud images' 50-cloudimg-settings.cfg, which sets the variable anew,
     * and kdump-tools.cfg; the kernel takes the last crashkernel= of its line. */
    return snprintf(dst, cap,
                    "echo 'GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT %s\"' > %s\n"
                    "update-grub\nreboot",
                    word, path);
}

static int fix_mkconfig(const char *path, const char *word, char *dst, size_t cap)
{
    return snprintf(dst, cap,
                    "echo 'GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT %s\"' >> "
                    "/etc/default/grub\n%s -o %s\nreboot",
                    word, strstr(path, "grub2") ? "grub2-mkconfig" : "grub-mkconfig", path);
}

static int fix_kernel_install(const char *release, const char *word, char *dst, size_t cap)
{
    /* Without the file kernel-install takes the words of the running kernel, but for these two. */
    return snprintf(dst, cap,
                    "mkdir -p /etc/kernel\n[ -s /etc/kernel/cmdline ] || sed -E "
                    "'s/(BOOT_IMAGE|initrd)=[^ ]* ?//g' /proc/cmdline > /etc/kernel/cmdline\n"
                    "sed -i '1s/$/ %s/' /etc/kernel/cmdline\n"
                    "kernel-install add %s /lib/modules/%s/vmlinuz\nreboot",
                    word, release, release);
}

int pnd_bootloader_fix(const struct pnd_bootloader *loader, const char *release, const char *word,
                       char *dst, size_t cap)
{
    const char *path = loader->path;
    int len = 0;

    switch (loader->kind) {
    case PND_BOOTLOADER_OSTREE:
        len = snprintf(dst, cap, "rpm-ostree kargs --append=%s\nreboot", word);
        break;
    case PND_BOOTLOADER_GRUBBY:
        len = snprintf(dst, cap, "grubby --update-kernel=ALL --args=%s\nreboot", word);
        break;
    case PND_BOOTLOADER_UPDATE_GRUB:
        len = fix_debian(path, word, dst, cap);
        break;
    case PND_BOOTLOADER_MKCONFIG:
        len = fix_mkconfig(path, word, dst, cap);
        break;
    case PND_BOOTLOADER_KERNEL_INSTALL:
        len = fix_kernel_install(release, word, dst, cap);
        break;
    case PND_BOOTLOADER_MKINITCPIO:
        len = snprintf(dst, cap, "sed -i '1s/$/ %s/' %s\nmkinitcpio -P\nreboot", word, path);
        break;
    case PND_BOOTLOADER_ENTRY:
        len = snprintf(dst, cap, "sed -i '/^options/ s/$/ %s/' %s\nreboot", word, path);
        break;
    case PND_BOOTLOADER_EXTLINUX:
        len = snprintf(dst, cap, "sed -i '/^ *append /I s/$/ %s/' %s\nreboot", word, path);
        break;
    case PND_BOOTLOADER_CMDLINE_TXT:
        len = snprintf(dst, cap, "sed -i '1s/$/ %s/' %s\nreboot", word, path);
        break;
    case PND_BOOTLOADER_UNKNOWN:
        len = snprintf(dst, cap,
                       "add %s to the command line that the boot loader gives to the kernel\n"
                       "reboot",
                       word);
        break;
    }
    return len < 0 || (size_t)len >= cap ? PND_E_RANGE : PND_OK;
}
