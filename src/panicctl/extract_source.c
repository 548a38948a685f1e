/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where dumps lie on a disk; see extract.h. */
#include "panicctl/extract.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/guard.h"
#include "host/io.h"
#include "image/gpt.h"

enum {
    SECTOR = 512,
    HEAD_LEN = 4096, /* what is looked at to say what something is */
};

static const char gpt_signature[] = "EFI PART";

/* What people have in hand when they look for a dump. Apple's partition and UDIF formats:
 * published by Apple; the others by their own specifications. */
static const struct {
    size_t offset, len;
    const char *magic, *text;
} known[] = {
    {0, 3, "\x1f\x8b\x08",
     "a gzip file, as a dump over the network is; \"panicctl verify\" checks it"},
    {0, 4, "\xcf\xfa\xed\xfe", "a Mach-O file: a core needs no extracting, lldb --core opens it"},
    {0, 4, "\xce\xfa\xed\xfe", "a Mach-O file: a core needs no extracting, lldb --core opens it"},
    {0, 4, "\xfe\xed\xfa\xce", "a Mach-O file: a core needs no extracting, lldb --core opens it"},
    {0, 4,
     "\x7f"
     "ELF",
     "an ELF file: a core needs no extracting, gdb and crash open it"},
    {0, 17, "minidump FreeBSD/",
     "a FreeBSD minidump: it needs no extracting, kgdb opens it with its kernel"},
    {0, 4, "QFI\xfb", "a qcow2 image; \"qemu-img convert -O raw\" makes a disk image of it"},
    {0, 4, "KDMV", "a VMDK image; \"qemu-img convert -O raw\" makes a disk image of it"},
    {0, 4, "\x28\xb5\x2f\xfd",
     "a zstd file, as a dump over the network can be; \"panicctl verify\" checks it"},
    {0, 4, "\x04\x22\x4d\x18",
     "an LZ4 file, as a dump over the network can be; \"panicctl verify\" checks it"},
    {0, 4, "PK\3\4", "a zip file; unpack it first"},
    {0, 6,
     "\xfd"
     "7zXZ",
     "an xz file; unpack it first"},
    {32, 4, "NXSB", "an APFS volume; the dump is in its file kernelcore, or on another partition"},
    {1024, 2, "H+", "an HFS+ volume; the dump is on another partition of the disk"},
    {SECTOR, 2, "PM", "a disk with an Apple partition map; Macs that write dumps have a GPT"},
    {SECTOR - 2, 2, "\x55\xaa",
     "a disk or volume with a boot sector, but without a GPT; name the partition itself"},
};

static bool has_gpt(const uint8_t *head, size_t len, size_t at)
{
    return len >= at + sizeof(gpt_signature) - 1 &&
           memcmp(head + at, gpt_signature, sizeof(gpt_signature) - 1) == 0;
}

const char *pnd_extract_what(const uint8_t *head, size_t len)
{
    size_t i = 0;

    for (i = 0; i < sizeof(known) / sizeof(*known); i++) {
        if (known[i].offset + known[i].len <= len &&
            memcmp(head + known[i].offset, known[i].magic, known[i].len) == 0)
            return known[i].text;
    }
    if (len == 0)
        return "empty";
    for (i = 0; i < len && head[i] == 0; i++)
        ;
    return i == len ? "zeros, as an unused disk or a partition that never held a dump"
                    : "something that is not known here";
}

bool pnd_extract_is_source(const char *path)
{
    PND_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    uint8_t head[HEAD_LEN + 8];
    struct stat st;
    ssize_t len;

    if (stat(path, &st) == 0 && S_ISBLK(st.st_mode))
        return true;
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return false;
    len = pnd_io_read_at(fd, 0, head, sizeof(head));
    return len > 0 && (pnd_extract_is_corefile(head, (size_t)len) ||
                       has_gpt(head, (size_t)len, SECTOR) || has_gpt(head, (size_t)len, HEAD_LEN) ||
                       pnd_extract_is_freebsd(fd, 0, (uint64_t)st.st_size));
}

/* ---- a disk ---- */

static int read_sectors(void *ctx, uint64_t offset, void *buf, size_t len)
{
    const struct pnd_extract_source *source = ctx;

    return pnd_io_read_at(source->fd, offset, buf, len) == (ssize_t)len ? PND_OK : PND_E_SOURCE;
}

/* An image does not say what sectors its disk has. */
static int open_table(struct pnd_extract_source *source, struct pnd_gpt *gpt)
{
    static const uint32_t sizes[] = {SECTOR, PND_GPT_SECTOR_MAX, 2 * SECTOR, 4 * SECTOR};
    int device_sector = 0, worst = PND_E_TYPE, err;
    struct pnd_gpt_source disk = {.ctx = source, .bytes = source->bytes, .read = read_sectors};

    if (ioctl(source->fd, BLKSSZGET, &device_sector) == 0 && device_sector > 0) {
        disk.sector_bytes = (uint32_t)device_sector;
        err = pnd_gpt_open(gpt, &disk);
        if (err != PND_E_TYPE)
            return err;
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        disk.sector_bytes = sizes[i];
        err = pnd_gpt_open(gpt, &disk);
        if (!err)
            return PND_OK;
        if (err != PND_E_TYPE)
            worst = err;
    }
    return worst;
}

/* The next partition made for dumps, of whichever type. @return as pnd_gpt_find() */
static int next_partition(struct pnd_gpt *gpt, uint32_t from, struct pnd_gpt_partition *ret,
                          enum pnd_extract_kind *ret_kind)
{
    struct pnd_gpt_partition swap = {0};
    int err = pnd_gpt_find(gpt, pnd_gpt_kernel_core_dump, from, ret);
    int other = pnd_gpt_find(gpt, pnd_gpt_freebsd_swap, from, &swap);
    bool found = err == PND_OK || err == PND_E_FORMAT;

    *ret_kind = PND_EXTRACT_APPLE;
    if (other == PND_OK || other == PND_E_FORMAT ? found && ret->index < swap.index
                                                 : other == PND_E_NOTFOUND || found)
        return err;
    *ret_kind = PND_EXTRACT_FREEBSD;
    *ret = swap;
    return other;
}

/* Its entry in the table is there, but nothing of it can be read. */
static void refuse_bounds(struct pnd_extract_place *place)
{
    place->state = PND_EXTRACT_DAMAGED;
    pnd_why(&place->reason, PND_E_FORMAT, 0,
            "it is %s, but by the table it does not lie within the disk; is the image cut off?",
            place->kind == PND_EXTRACT_APPLE ? "an Apple_KernelCoreDump partition"
                                             : "a freebsd-swap partition");
}

static int nothing_found(const struct pnd_extract_source *source, int err, struct pnd_why *why)
{
    if (err == PND_E_NOTFOUND)
        return pnd_why(why, PND_E_NOTFOUND, 0,
                       "%s is a disk with a GPT, but no partition of it is of the type "
                       "Apple_KernelCoreDump (5361644D-6163-11AA-AA11-00306543ECAC) or "
                       "freebsd-swap (516E7CB5-6ECF-11D6-8FF8-00022D09712B); newer systems of "
                       "Apple's write the file kernelcore instead, and FreeBSD may have been told "
                       "another partition: name that",
                       source->path);
    return pnd_why(why, PND_E_SYS, 0, "the partition table of %s cannot be read", source->path);
}

static int find_partitions(struct pnd_extract_source *source, struct pnd_gpt *gpt,
                           struct pnd_why *why)
{
    struct pnd_gpt_partition partition = {0};
    uint32_t from = 0;
    int err = PND_OK, read_err = PND_OK;

    while (!read_err && source->place_count < PND_EXTRACT_PLACES_CAP) {
        struct pnd_extract_place *place = &source->places[source->place_count];

        err = next_partition(gpt, from, &partition, &place->kind);
        if (err && err != PND_E_FORMAT)
            break;
        place->partition = partition.index + 1;
        place->offset = partition.offset;
        place->bytes = partition.bytes;
        if (err)
            refuse_bounds(place);
        else if (place->kind == PND_EXTRACT_APPLE)
            read_err = pnd_extract_read_apple(source, partition.bytes, place, why);
        else
            read_err = pnd_extract_read_freebsd(source, place, why);
        source->place_count++;
        from = partition.index + 1;
    }
    if (read_err)
        return read_err;
    return source->place_count > 0 ? PND_OK : nothing_found(source, err, why);
}

static int look(struct pnd_extract_source *source, struct pnd_why *why)
{
    uint8_t head[HEAD_LEN];
    ssize_t len = pnd_io_read_at(source->fd, 0, head, sizeof(head));
    struct pnd_gpt gpt;
    int err;

    if (len < 0)
        return pnd_why(why, PND_E_SYS, errno, "read %s", source->path);
    if (pnd_extract_is_corefile(head, (size_t)len)) {
        source->place_count = 1;
        source->places[0] = (struct pnd_extract_place){.bytes = source->bytes};
        return pnd_extract_read_apple(source, INT64_MAX, &source->places[0], why);
    }
    err = open_table(source, &gpt);
    if (err == PND_E_TYPE && pnd_extract_is_freebsd(source->fd, 0, source->bytes)) {
        source->place_count = 1;
        source->places[0] =
            (struct pnd_extract_place){.kind = PND_EXTRACT_FREEBSD, .bytes = source->bytes};
        return pnd_extract_read_freebsd(source, &source->places[0], why);
    }
    if (err == PND_E_TYPE)
        return pnd_why(
            why, PND_E_TYPE, 0,
            "%s is neither a disk with a GPT nor a corefile, and does not end with a FreeBSD "
            "dump; it begins with %s",
            source->path, pnd_extract_what(head, (size_t)len));
    if (err)
        return pnd_why(why, PND_E_FORMAT, 0,
                       "%s has a GPT, but neither it nor its backup is whole (%s)", source->path,
                       pnd_err_text(err));
    return find_partitions(source, &gpt, why);
}

int pnd_extract_open(const char *path, struct pnd_extract_source *ret, struct pnd_why *why)
{
    struct stat st;
    off_t end;

    ret->path = path;
    ret->place_count = 0;
    ret->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (ret->fd < 0 || fstat(ret->fd, &st) != 0)
        return pnd_why(why, PND_E_SYS, errno, "open %s%s", path,
                       errno == EACCES ? " (disks are for root to read: try sudo)" : "");
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        return pnd_why(why, PND_E_SYS, 0, "%s is %s; name a disk, an image of one, or a corefile",
                       path, S_ISDIR(st.st_mode) ? "a directory" : "neither a file nor a disk");
    end = lseek(ret->fd, 0, SEEK_END);
    if (end < 0)
        return pnd_why(why, PND_E_SYS, errno, "find the end of %s", path);
    ret->bytes = (uint64_t)end;
    ret->dev = S_ISREG(st.st_mode) ? st.st_dev : 0;
    ret->ino = S_ISREG(st.st_mode) ? st.st_ino : 0;
    return look(ret, why);
}
