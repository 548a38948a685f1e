/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The image of the crash kernel, and what is loaded: see kernel.h. */
#include "arm/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "host/guard.h"
#include "host/io.h"
#include "wire/cursor.h"

enum {
    MACHINE_ID_CAP = 48,
    HEAD_BYTES = 64 * 1024, /* the release stands within the setup code, at most 32 KiB */
    MAGIC_AT = 0x202,       /* of the setup header */
    RELEASE_AT = 0x20e,
    RELEASE_BASE = 0x200,
};

/* In the order in which they are tried. %1: the release, %2: the machine's id. */
static const struct {
    const char *before, *after;
    bool of_machine; /* before, the machine's id, a slash, the release, after */
} places[] = {
    {"/boot/vmlinuz-", "", false},            /* Debian, Fedora, openSUSE */
    {"/lib/modules/", "/vmlinuz", false},     /* Fedora, Arch */
    {"/usr/lib/modules/", "/vmlinuz", false}, /* the same without a merged /usr */
    {"/boot/", "/linux", true},               /* Boot Loader Specification */
    {"/efi/", "/linux", true},                /* the same, by where it is mounted */
    {"/boot/efi/", "/linux", true},           /* the same */
    {"/boot/", "/vmlinuz", false},            /* a directory for each release */
    {"/boot/kernel-", "", false},             /* Gentoo */
    {"/boot/vmlinux-", "", false},            /* POWER */
    {"/boot/image-", "", false},              /* s390x */
    {"/boot/Image-", "", false},              /* arm64, by hand */
    {"/boot/bzImage-", "", false},            /* by hand */
};

/* Without a release in the name: only taken when the image itself says that it is the one. */
static const char *const nameless[] = {"/boot/vmlinuz-linux",
                                       "/boot/vmlinuz-linux-lts",
                                       "/boot/vmlinuz-linux-zen",
                                       "/boot/vmlinuz-linux-hardened",
                                       "/boot/vmlinuz-lts",
                                       "/boot/vmlinuz-virt",
                                       "/boot/vmlinuz",
                                       "/vmlinuz",
                                       "/boot/bzImage"};

void pnd_kernel_image_release(const uint8_t *head, size_t len, char ret[PND_KERNEL_RELEASE_CAP])
{
    struct pnd_rd rd;
    size_t at;

    ret[0] = '\0';
    if (len < RELEASE_AT + 2 || memcmp(head + MAGIC_AT, "HdrS", 4) != 0)
        return;
    rd = pnd_rd(head + RELEASE_AT, 2);
    at = pnd_rd_le16(&rd);
    if (at == 0)
        return;
    at += RELEASE_BASE;
    for (size_t n = 0; n + 1 < PND_KERNEL_RELEASE_CAP && at + n < len; n++) {
        uint8_t c = head[at + n];

        if (c <= ' ' || c > '~') /* "6.1.0-56-amd64 (builder@host) #1 SMP ..." */
            return;
        ret[n] = (char)c;
        ret[n + 1] = '\0';
    }
}

int pnd_kernel_take(const char *path, const char *release, struct pnd_kernel *ret,
                    struct pnd_why *why)
{
    static uint8_t head[HEAD_BYTES];
    char says[PND_KERNEL_RELEASE_CAP];
    PND_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    ssize_t n;

    if (fd < 0 || fstat(fd, &st) < 0)
        return pnd_why(why, PND_E_SYS, errno, "open %s", path);
    n = S_ISREG(st.st_mode) ? pnd_io_read_at(fd, 0, head, sizeof(head)) : 0;
    if (n <= 0)
        return pnd_why(why, PND_E_SYS, n < 0 ? errno : 0, "%s is no kernel", path);
    pnd_kernel_image_release(head, (size_t)n, says);
    if (says[0] && strcmp(says, release) != 0)
        return pnd_why(why, PND_E_TYPE, 0, "%s is a kernel of release %s, not %s", path, says,
                       release);
    memset(ret, 0, sizeof(*ret));
    ret->bytes = (uint64_t)st.st_size;
    snprintf(ret->path, sizeof(ret->path), "%s", path);
    snprintf(ret->release, sizeof(ret->release), "%s", release);
    return PND_OK;
}

/* A file whose name does not name the release has to do it itself. */
static bool take_nameless(const char *path, const char *release, struct pnd_kernel *ret)
{
    static uint8_t head[HEAD_BYTES];
    char says[PND_KERNEL_RELEASE_CAP];
    PND_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : pnd_io_read_at(fd, 0, head, sizeof(head));

    if (n <= 0)
        return false;
    pnd_kernel_image_release(head, (size_t)n, says);
    return says[0] && pnd_kernel_take(path, release, ret, NULL) == PND_OK;
}

int pnd_kernel_find(const char *root, const char *release, struct pnd_kernel *ret,
                    struct pnd_why *why)
{
    char path[PND_ROOTED_CAP], machine[MACHINE_ID_CAP];

    pnd_rooted_read(root, "/etc/machine-id", machine, sizeof(machine));
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (places[i].of_machine && !machine[0])
            continue;
        pnd_rooted_path(path, root, "%s%s%s%s%s", places[i].before,
                        places[i].of_machine ? machine : "", places[i].of_machine ? "/" : "",
                        release, places[i].after);
        if (pnd_kernel_take(path, release, ret, NULL) == PND_OK)
            return PND_OK;
    }
    for (size_t i = 0; i < sizeof(nameless) / sizeof(nameless[0]); i++)
        if (take_nameless(pnd_rooted_path(path, root, "%s", nameless[i]), release, ret))
            return PND_OK;
    return pnd_why(why, PND_E_NOTFOUND, 0,
                   "no image of the running kernel, %s: it is neither /boot/vmlinuz-%s nor "
                   "/lib/modules/%s/vmlinuz; name it with --kernel, or restart into the kernel "
                   "that is installed",
                   release, release, release);
}

bool pnd_kernel_loaded(const char *root)
{
    char text[8];

    pnd_rooted_read(root, "/sys/kernel/kexec_crash_loaded", text, sizeof(text));
    return text[0] == '1';
}

uint64_t pnd_kernel_reserved(const char *root)
{
    char text[32];

    pnd_rooted_read(root, "/sys/kernel/kexec_crash_size", text, sizeof(text));
    return strtoull(text, NULL, 10);
}
