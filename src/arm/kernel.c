/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The image of the crash kernel, and what is loaded: see kernel.h. */
#include "arm/kernel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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
    VERSION_AT = 0x206,
    SYSSIZE_AT = 0x1f4, /* of the protected-mode code, in 16 bytes; 4 bytes wide since 2.04 */
    SECTS_AT = 0x1f1,   /* of the setup code, in 512 bytes, behind one more; 0: 4 */
    RELEASE_AT = 0x20e,
    RELEASE_BASE = 0x200,
    ENTRY_CAP = 4096,
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

/* What an image of x86 says of its length: one that is shorter was not written to its end, and
 * kexec takes it all the same. 0: it does not say. */
static uint64_t said_bytes(const uint8_t *head, size_t len)
{
    struct pnd_rd rd;

    if (len < RELEASE_AT || memcmp(head + MAGIC_AT, "HdrS", 4) != 0)
        return 0;
    rd = pnd_rd(head + VERSION_AT, 2);
    if (pnd_rd_le16(&rd) < 0x204)
        return 0;
    rd = pnd_rd(head + SYSSIZE_AT, 4);
    return (uint64_t)((head[SECTS_AT] ? head[SECTS_AT] : 4) + 1) * 512 +
           (uint64_t)pnd_rd_le32(&rd) * 16;
}

/* A kernel, its initramfs and its command line in one EFI program, which kexec does not take apart.
 * @source UAPI Group, Unified Kernel Image: a section .linux */
static bool is_unified(const uint8_t *head, size_t len)
{
    return len > RELEASE_AT && memcmp(head, "MZ", 2) == 0 &&
           memcmp(head + MAGIC_AT, "HdrS", 4) != 0 && memmem(head, len, ".linux\0", 7) != NULL;
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
    if (is_unified(head, (size_t)n))
        return pnd_why(why, PND_E_TYPE, 0,
                       "%s is a unified image, of which kexec takes the kernel alone: objcopy -O "
                       "binary -j .linux %s /lib/modules/%s/vmlinuz",
                       path, path, release);
    if (said_bytes(head, (size_t)n) > (uint64_t)st.st_size)
        return pnd_why(why, PND_E_FORMAT, 0,
                       "%s is cut: %" PRIu64 " bytes of %" PRIu64 " are there; install that kernel "
                       "anew",
                       path, (uint64_t)st.st_size, said_bytes(head, (size_t)n));
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

/* The value of a key of a boot entry. @return false: there is none */
static bool entry_value(const char *text, const char *key, char *ret, size_t cap)
{
    size_t key_len = strlen(key);

    for (const char *at = text; at; at = strchr(at, '\n')) {
        size_t len;

        at += strspn(at, "\n \t");
        if (strncmp(at, key, key_len) != 0 || !strchr(" \t", at[key_len]) || !at[key_len])
            continue;
        at += key_len + strspn(at + key_len, " \t");
        len = strcspn(at, " \t\r\n");
        if (len == 0 || len >= cap)
            return false;
        memcpy(ret, at, len);
        ret[len] = '\0';
        return true;
    }
    return false;
}

/* The entries below @p place, whatever names they have, and where they say that their image is.
 * @source UAPI Group, Boot Loader Specification, "Type #1": version, linux */
static bool find_by_entry(const char *root, const char *place, const char *release,
                          struct pnd_kernel *ret)
{
    char path[PND_ROOTED_CAP], text[ENTRY_CAP], version[128], image[512];
    const struct dirent *entry;
    bool found = false;
    DIR *dir = opendir(pnd_rooted_path(path, root, "%s/loader/entries", place));

    while (dir && !found && (entry = readdir(dir))) {
        pnd_rooted_path(path, "", "%s/loader/entries/%s", place, entry->d_name);
        if (pnd_rooted_read(root, path, text, sizeof(text)) ||
            !entry_value(text, "linux", image, sizeof(image)))
            continue;
        if (!entry_value(text, "version", version, sizeof(version)))
            version[0] = '\0';
        if (strcmp(version, release) != 0 && !strstr(image, release))
            continue;
        pnd_rooted_path(path, root, "%s/%s", place, image + strspn(image, "/"));
        found = pnd_kernel_take(path, release, ret, NULL) == PND_OK;
    }
    if (dir)
        closedir(dir);
    return found;
}

static bool find_by_place(const char *root, const char *release, struct pnd_kernel *ret,
                          struct pnd_why *refused)
{
    char path[PND_ROOTED_CAP], machine[MACHINE_ID_CAP];
    struct pnd_why why;

    pnd_rooted_read(root, "/etc/machine-id", machine, sizeof(machine));
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        int err;

        if (places[i].of_machine && !machine[0])
            continue;
        pnd_rooted_path(path, root, "%s%s%s%s%s", places[i].before,
                        places[i].of_machine ? machine : "", places[i].of_machine ? "/" : "",
                        release, places[i].after);
        err = pnd_kernel_take(path, release, ret, &why);
        if (!err)
            return true;
        if ((err == PND_E_TYPE || err == PND_E_FORMAT) && !refused->text[0])
            *refused = why;
    }
    return false;
}

int pnd_kernel_find(const char *root, const char *release, struct pnd_kernel *ret,
                    struct pnd_why *why)
{
    static const char *const boot_places[] = {"/boot", "/efi", "/boot/efi"};
    struct pnd_why refused = {""};
    char path[PND_ROOTED_CAP];

    if (find_by_place(root, release, ret, &refused))
        return PND_OK;
    for (size_t i = 0; i < sizeof(boot_places) / sizeof(boot_places[0]); i++)
        if (find_by_entry(root, boot_places[i], release, ret))
            return PND_OK;
    for (size_t i = 0; i < sizeof(nameless) / sizeof(nameless[0]); i++)
        if (take_nameless(pnd_rooted_path(path, root, "%s", nameless[i]), release, ret))
            return PND_OK;
    if (refused.text[0])
        return pnd_why(why, PND_E_NOTFOUND, 0, "no image of the running kernel, %s: %s", release,
                       refused.text);
    return pnd_why(why, PND_E_NOTFOUND, 0,
                   "no image of the running kernel, %s: it is neither /boot/vmlinuz-%s nor "
                   "/lib/modules/%s/vmlinuz, and no boot entry names it (is /boot mounted?); name "
                   "it with --kernel, or restart into the kernel that is installed",
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
