/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where this machine's kernel gets its command line from, and what to type to add a word to it. */
#ifndef PND_ARM_BOOTLOADER_H
#define PND_ARM_BOOTLOADER_H

#include <stddef.h>

enum { PND_BOOTLOADER_PATH_CAP = 256 };

enum pnd_bootloader_kind {
    PND_BOOTLOADER_UNKNOWN,
    PND_BOOTLOADER_OSTREE,         /* rpm-ostree keeps the kernel's arguments */
    PND_BOOTLOADER_GRUBBY,         /* Fedora, RHEL and their like: BLS entries */
    PND_BOOTLOADER_UPDATE_GRUB,    /* Debian, Ubuntu: /etc/default/grub.d and update-grub */
    PND_BOOTLOADER_MKCONFIG,       /* GRUB elsewhere: /etc/default/grub and grub-mkconfig */
    PND_BOOTLOADER_KERNEL_INSTALL, /* systemd-boot, entries by kernel-install */
    PND_BOOTLOADER_MKINITCPIO,     /* systemd-boot, unified images by mkinitcpio */
    PND_BOOTLOADER_ENTRY,          /* systemd-boot, an entry written by hand */
    PND_BOOTLOADER_EXTLINUX,
    PND_BOOTLOADER_CMDLINE_TXT, /* Raspberry Pi */
};

struct pnd_bootloader {
    enum pnd_bootloader_kind kind;
    const char *name;                   /* "GRUB" */
    char path[PND_BOOTLOADER_PATH_CAP]; /* the file that is edited or written; "" */
};

/* Looks below @p root; @p release: the running kernel. It does not fail: a machine that is like
 * none of these is PND_BOOTLOADER_UNKNOWN. */
void pnd_bootloader_find(const char *root, const char *release, struct pnd_bootloader *ret);

/* What to type, as root, so that the next boot has @p word ("crashkernel=96M") on its command line;
 * one command a line, the last is "reboot". @return PND_OK; PND_E_RANGE it does not fit */
int pnd_bootloader_fix(const struct pnd_bootloader *loader, const char *release, const char *word,
                       char *dst, size_t cap);

#endif
