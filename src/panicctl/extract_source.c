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
#include "image/gpt.h"
#include "image/gzip_header.h"

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
    {0, 4, "QFI\xfb", "a qcow2 image; \"qemu-img convert -O raw\" makes a disk image of it"},
    {0, 4, "KDMV", "a VMDK image; \"qemu-img convert -O raw\" makes a disk image of it"},
    {0, 4, "PK\3\4", "a zip file; unpack it first"},
    {0, 6,
     "\xfd"
     "7zXZ",
     "an xz file; unpack it first"},
    {32, 4, "NXSB", "an APFS volume; the dump is in its file kernelcore, or on another partition"},
    {1024, 2, "H+", "an HFS+ volume; the dump is on another partition of the disk"},
    {SECTOR, 2, "PM", "a disk with an Apple partition map; Macs that write dumps have a GPT"},
    {SECTOR - 2, 2, "\x55\xaa", "a disk or volume with a boot sector, but without a GPT"},
};

static ssize_t read_at(int fd, uint64_t offset, void *buf, size_t len)
{
    size_t got = 0;

    while (got < len) {
        ssize_t n = pread(fd, (uint8_t *)buf + got, len - got, (off_t)(offset + got));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

static bool is_corefile(const uint8_t *head, size_t len)
{
    struct pnd_corefile_header header;

    /* a version that is not known is still one: its first eight bytes say so */
    return pnd_corefile_read(head, len < 8 ? len : 8, INT64_MAX, &header) == PND_E_SHORT &&
           len >= 8;
}

static bool has_gpt(const uint8_t *head, size_t len, size_t at)
{
    return len >= at + sizeof(gpt_signature) - 1 &&
           memcmp(head + at, gpt_signature, sizeof(gpt_signature) - 1) == 0;
}

static const char *what_it_is(const uint8_t *head, size_t len)
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
    len = read_at(fd, 0, head, sizeof(head));
    return len > 0 && (is_corefile(head, (size_t)len) || has_gpt(head, (size_t)len, SECTOR) ||
                       has_gpt(head, (size_t)len, HEAD_LEN));
}

/* ---- a place ---- */

static bool name_taken(const struct pnd_extract_place *place, const char *name)
{
    for (unsigned i = 0; i < place->file_count; i++) {
        if (strcmp(place->files[i].name, name) == 0)
            return true;
    }
    return false;
}

/* A second file of a name gets a number behind it. */
static void name_file(const struct pnd_extract_place *place, const char *name, bool encrypted,
                      char ret[PND_EXTRACT_NAME_CAP])
{
    const char *suffix = encrypted ? ".aea" : "";
    char first = name[0] == '-' ? '_' : name[0]; /* or it is an option of what opens it */

    snprintf(ret, PND_EXTRACT_NAME_CAP, "%c%.15s%s", first, name + 1, suffix);
    for (unsigned n = 1; name_taken(place, ret); n++)
        snprintf(ret, PND_EXTRACT_NAME_CAP, "%c%.15s.%u%s", first, name + 1, n, suffix);
}

/* The older versions have no word for what is stored as it is: the bytes say. */
static enum pnd_corefile_packing packing_of(const struct pnd_extract_source *source,
                                            const struct pnd_extract_place *place,
                                            const struct pnd_corefile_entry *entry)
{
    uint8_t head[PND_GZIP_MAGIC_LEN];

    if (place->generation == PND_COREFILE_V2)
        return entry->flags & PND_COREFILE_GZIP  ? PND_COREFILE_GZIP
               : entry->flags & PND_COREFILE_LZ4 ? PND_COREFILE_LZ4
                                                 : PND_COREFILE_RAW;
    return entry->length >= sizeof(head) &&
                   read_at(source->fd, place->offset + entry->offset, head, sizeof(head)) ==
                       (ssize_t)sizeof(head) &&
                   pnd_gzip_is(head, sizeof(head))
               ? PND_COREFILE_GZIP
               : PND_COREFILE_RAW;
}

static void add_log(struct pnd_extract_place *place, const struct pnd_corefile_header *header)
{
    struct pnd_extract_file *file = &place->files[place->file_count];

    if (header->log_length == 0)
        return;
    *file = (struct pnd_extract_file){.offset = place->offset + header->log_offset,
                                      .length = header->log_length,
                                      .log = true,
                                      .encrypted = header->flags & PND_COREFILE_ENCRYPTED};
    name_file(place, "panic.log", file->encrypted, file->name);
    place->file_count++;
}

static void add_file(const struct pnd_extract_source *source, struct pnd_extract_place *place,
                     int err, uint32_t index, const struct pnd_corefile_entry *entry)
{
    struct pnd_extract_file *file = &place->files[place->file_count];
    char name[PND_COREFILE_NAME_CAP];

    *file = (struct pnd_extract_file){0};
    if (err) {
        snprintf(name, sizeof(name), "file-%" PRIu32, index);
        pnd_why(&file->reason, err, 0, "the header's entry %" PRIu32 " is damaged (%s)", index,
                err == PND_E_RANGE  ? "the file lies outside the place"
                : err == PND_E_NAME ? "it has no name"
                                    : "it is cut off");
        name_file(place, name, false, file->name);
    } else {
        file->offset = place->offset + entry->offset;
        file->length = entry->length;
        file->encrypted = entry->flags & PND_COREFILE_ENCRYPTED;
        file->packing = file->encrypted ? PND_COREFILE_RAW : packing_of(source, place, entry);
        name_file(place, entry->name, file->encrypted, file->name);
    }
    place->file_count++;
}

static void refuse_place(struct pnd_extract_place *place, int err, const uint8_t *head, size_t len)
{
    place->state = PND_EXTRACT_DAMAGED;
    switch (err) {
    case PND_E_TYPE:
        if (is_corefile(head, len)) {
            pnd_why(&place->reason, err, 0, "its version is not known here");
            return;
        }
        place->state = PND_EXTRACT_EMPTY;
        pnd_why(&place->reason, err, 0, "it holds no dump: it begins with %s",
                what_it_is(head, len));
        return;
    case PND_E_RANGE:
        pnd_why(&place->reason, err, 0,
                "its header is damaged: too many files, or a log or key outside the place");
        return;
    default:
        pnd_why(&place->reason, err, 0, "its header is cut off after %zu bytes", len);
        return;
    }
}

/* Fills in the place. Of a file that was cut off when it was copied, what is there counts: so its
 * own size is no bound for what the header says of @p place_bytes. */
static int read_place(const struct pnd_extract_source *source, uint64_t place_bytes,
                      struct pnd_extract_place *place, struct pnd_why *why)
{
    uint8_t head[PND_COREFILE_HEADER_BYTES];
    size_t want = place->bytes < sizeof(head) ? (size_t)place->bytes : sizeof(head);
    ssize_t len = read_at(source->fd, place->offset, head, want);
    struct pnd_corefile_header header;
    int err;

    if (len < 0)
        return pnd_why(why, PND_E_SYS, errno, "read %s at byte %" PRIu64, source->path,
                       place->offset);
    place->file_count = 0;
    err = pnd_corefile_read(head, (size_t)len, place_bytes, &header);
    if (err) {
        refuse_place(place, err, head, (size_t)len);
        return PND_OK;
    }
    place->state = PND_EXTRACT_DUMP;
    place->generation = header.generation;
    add_log(place, &header);
    for (uint32_t i = 0; i < header.files; i++) {
        struct pnd_corefile_entry entry;

        err = pnd_corefile_entry(&header, head, (size_t)len, i, &entry);
        add_file(source, place, err, i, &entry);
    }
    return PND_OK;
}

/* ---- a disk ---- */

static int read_sectors(void *ctx, uint64_t offset, void *buf, size_t len)
{
    const struct pnd_extract_source *source = ctx;

    return read_at(source->fd, offset, buf, len) == (ssize_t)len ? PND_OK : PND_E_SOURCE;
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

static int find_partitions(struct pnd_extract_source *source, struct pnd_gpt *gpt,
                           struct pnd_why *why)
{
    struct pnd_gpt_partition partition;
    uint32_t from = 0;
    int err = PND_OK;

    while (!err && source->place_count < PND_EXTRACT_PLACES_CAP) {
        struct pnd_extract_place *place = &source->places[source->place_count];

        err = pnd_gpt_find(gpt, pnd_gpt_kernel_core_dump, from, &partition);
        if (err)
            break;
        place->partition = partition.index + 1;
        place->offset = partition.offset;
        place->bytes = partition.bytes;
        source->place_count++;
        err = read_place(source, partition.bytes, place, why);
        if (err)
            return err;
        from = partition.index + 1;
    }
    if (source->place_count > 0)
        return PND_OK;
    if (err == PND_E_FORMAT)
        return pnd_why(why, PND_E_FORMAT, 0,
                       "%s has an Apple_KernelCoreDump partition, but it does not lie within the "
                       "disk; is the image cut off?",
                       source->path);
    if (err == PND_E_NOTFOUND)
        return pnd_why(why, PND_E_NOTFOUND, 0,
                       "%s is a disk with a GPT, but no partition of it is of the type "
                       "Apple_KernelCoreDump (5361644D-6163-11AA-AA11-00306543ECAC); newer "
                       "systems write the file kernelcore instead: name that",
                       source->path);
    return pnd_why(why, PND_E_SYS, 0, "the partition table of %s cannot be read", source->path);
}

static int look(struct pnd_extract_source *source, struct pnd_why *why)
{
    uint8_t head[HEAD_LEN];
    ssize_t len = read_at(source->fd, 0, head, sizeof(head));
    struct pnd_gpt gpt;
    int err;

    if (len < 0)
        return pnd_why(why, PND_E_SYS, errno, "read %s", source->path);
    if (is_corefile(head, (size_t)len)) {
        source->place_count = 1;
        source->places[0] = (struct pnd_extract_place){.bytes = source->bytes};
        return read_place(source, INT64_MAX, &source->places[0], why);
    }
    err = open_table(source, &gpt);
    if (err == PND_E_TYPE)
        return pnd_why(why, PND_E_TYPE, 0,
                       "%s is neither a disk with a GPT nor a corefile; it begins with %s",
                       source->path, what_it_is(head, (size_t)len));
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
