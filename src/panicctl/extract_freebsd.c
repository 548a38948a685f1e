/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What FreeBSD leaves at the end of the partition it dumps to; see extract.h. Files are named as
 * savecore(8) names its first, and the dump is copied as it is stored: its tools want it so.
 * @source PROTOCOL.md#netdump-6, #netdump-7, #netdump-9 */
#include "panicctl/extract.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "host/io.h"
#include "host/text.h"
#include "image/kdh.h"
#include "inspect/freebsd_text.h"

enum {
    SECTOR_MIN = 512,
    SECTOR_MAX = 4096,
    KEY_BYTES_MAX = 64 << 10, /* a key of 2 KiB fits in any block */
};

static const uint32_t sectors[] = {SECTOR_MIN, SECTOR_MAX, 1024, 2048};

/* A dump between its headers; offsets are those of the source. */
struct dump {
    struct pnd_kdh kdh;
    uint8_t header[PND_KDH_BYTES];
    uint32_t sector;
    uint64_t last, first, key, data;
    bool agree; /* the first header is there, and as the last */
};

/* The header in the last sector. @return its offset; UINT64_MAX: there is none */
static uint64_t find_last(int fd, uint64_t offset, uint64_t bytes, uint8_t ret[PND_KDH_BYTES],
                          uint32_t *ret_sector)
{
    for (size_t i = 0; i < sizeof(sectors) / sizeof(*sectors); i++) {
        uint64_t at = offset + bytes - sectors[i];

        if (bytes < sectors[i] ||
            pnd_io_read_at(fd, at, ret, PND_KDH_BYTES) != (ssize_t)PND_KDH_BYTES ||
            !pnd_kdh_is(ret, PND_KDH_BYTES))
            continue;
        *ret_sector = sectors[i];
        return at;
    }
    return UINT64_MAX;
}

bool pnd_extract_is_freebsd(int fd, uint64_t offset, uint64_t bytes)
{
    uint8_t header[PND_KDH_BYTES];
    uint32_t sector;

    return find_last(fd, offset, bytes, header, &sector) != UINT64_MAX;
}

__attribute__((format(printf, 3, 4))) static void refuse(struct pnd_extract_place *place,
                                                         enum pnd_extract_state state,
                                                         const char *fmt, ...)
{
    va_list args;

    place->state = state;
    va_start(args, fmt);
    vsnprintf(place->reason.text, sizeof(place->reason.text), fmt, args);
    va_end(args);
}

/* ---- where the parts lie ---- */

/* Tries the dump with @p room bytes for its data and headers of @p block bytes.
 * @return true the first header is where it must be then */
static bool try_first(int fd, const struct pnd_extract_place *place, struct dump *dump,
                      uint64_t room, uint32_t block)
{
    uint64_t above = dump->last - place->offset, ahead = (uint64_t)block + dump->kdh.key_bytes;
    uint8_t header[PND_KDH_BYTES];

    if (room > UINT64_MAX - block || above < ahead)
        return false;
    room = (room + block - 1) & ~(uint64_t)(block - 1);
    if (room > above - ahead || dump->kdh.dump_bytes > room)
        return false;
    dump->first = dump->last - room - ahead;
    dump->key = dump->first + block;
    dump->data = dump->key + dump->kdh.key_bytes;
    return pnd_io_read_at(fd, dump->first, header, sizeof(header)) == (ssize_t)sizeof(header) &&
           memcmp(header, dump->header, sizeof(header)) == 0;
}

static bool is_sector(uint32_t bytes)
{
    for (size_t i = 0; i < sizeof(sectors) / sizeof(*sectors); i++) {
        if (sectors[i] == bytes)
            return true;
    }
    return false;
}

/* More may have been set aside than a packed dump took up in the end; where the two headers agree,
 * there it lies.
 * @return false: its header announces what the place does not have room for */
static bool find_parts(int fd, const struct pnd_extract_place *place, struct dump *dump)
{
    uint32_t blocks[] = {dump->sector,
                         is_sector(dump->kdh.block_bytes) ? dump->kdh.block_bytes : dump->sector};

    for (size_t i = 0; i < sizeof(blocks) / sizeof(*blocks); i++) {
        if ((dump->kdh.extent_bytes &&
             try_first(fd, place, dump, dump->kdh.extent_bytes, blocks[i])) ||
            try_first(fd, place, dump, dump->kdh.dump_bytes, blocks[i])) {
            dump->agree = true;
            return true;
        }
    }
    dump->data = 0; /* then the last one alone says where: as much room as was set aside */
    try_first(fd, place, dump,
              dump->kdh.extent_bytes ? dump->kdh.extent_bytes : dump->kdh.dump_bytes, dump->sector);
    return dump->data != 0;
}

/* ---- the files ---- */

static struct pnd_extract_file *add_file(struct pnd_extract_place *place, const char *name,
                                         uint64_t offset, uint64_t length)
{
    struct pnd_extract_file *file = &place->files[place->file_count++];

    *file =
        (struct pnd_extract_file){.offset = offset, .length = length, .packing = PND_COREFILE_RAW};
    snprintf(file->name, sizeof(file->name), "%s", name);
    return file;
}

static void add_files(const struct dump *dump, struct pnd_extract_place *place)
{
    bool encrypted = dump->kdh.key_bytes > 0;
    char name[PND_EXTRACT_NAME_CAP];

    add_file(place, "info.0", dump->last, PND_KDH_BYTES)->info = true;
    if (encrypted)
        add_file(place, "key.0", dump->key, dump->kdh.key_bytes)->key = true;
    snprintf(name, sizeof(name), "%s.0%s",
             dump->kdh.kind == PND_KDH_TEXT ? "textdump.tar"
             : encrypted                    ? "vmcore_encrypted"
                                            : "vmcore",
             dump->kdh.packing == PND_KDH_GZIP   ? ".gz"
             : dump->kdh.packing == PND_KDH_ZSTD ? ".zst"
                                                 : "");
    add_file(place, name, dump->data, dump->kdh.dump_bytes)->encrypted = encrypted;
}

/* One line of the header's, or two: what could move a cursor becomes '?'. */
static const char *clean(const char *text, char *dst, size_t cap)
{
    size_t i = 0;

    for (; text[i] && i + 1 < cap; i++) {
        unsigned char c = (unsigned char)text[i];

        dst[i] = (char)((c < ' ' && c != '\n' && c != '\t') || c == 0x7f ? '?' : c);
    }
    dst[i] = '\0';
    return dst;
}

/* The keys and their order are savecore's. */
static void write_info(const struct pnd_extract_source *source, const struct dump *dump,
                       struct pnd_extract_place *place)
{
    static const char *const magics[] = {"FreeBSD Kernel Dump", "FreeBSD Text Dump",
                                         "Cleared Kernel Dump"};
    const struct pnd_kdh *kdh = &dump->kdh;
    char path[256], arch[PND_KDH_ARCH_CAP], host[PND_KDH_HOST_CAP], os[PND_KDH_TEXT_CAP],
        panic[PND_KDH_TEXT_CAP], when[64] = "";
    time_t time_s = (time_t)kdh->time_s;
    struct tm tm;

    if (kdh->time_s > INT64_MAX || !gmtime_r(&time_s, &tm) ||
        !strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S +0000", &tm))
        snprintf(when, sizeof(when), "%" PRIu64, kdh->time_s);
    snprintf(place->info, sizeof(place->info),
             "Dump header from device: %s\n"
             "  Architecture: %s\n"
             "  Architecture Version: %" PRIu32 "\n"
             "  Dump Length: %" PRIu64 "\n"
             "  Blocksize: %" PRIu32 "\n"
             "  Compression: %s\n"
             "  Dumptime: %s\n"
             "  Hostname: %s\n"
             "  Magic: %s\n"
             "  Version String: %s\n"
             "  Panic String: %s\n"
             "  Dump Parity: %" PRIu32 "\n"
             "  Bounds: 0\n"
             "  Dump Status: %s\n",
             pnd_text_escape(path, sizeof(path), source->path, strlen(source->path)),
             clean(kdh->architecture, arch, sizeof(arch)), kdh->architecture_version,
             kdh->dump_bytes, kdh->block_bytes, pnd_kdh_packing_name(kdh->packing), when,
             clean(kdh->host, host, sizeof(host)), magics[kdh->kind],
             clean(kdh->os, os, sizeof(os)), clean(kdh->panic, panic, sizeof(panic)), kdh->parity,
             dump->agree && kdh->parity_ok ? "good" : "bad");
}

/* ---- a place ---- */

/* @return false: it is no dump that can be read, and the place says why */
static bool read_header(struct pnd_extract_place *place, struct dump *dump)
{
    int err = pnd_kdh_read(dump->header, sizeof(dump->header), &dump->kdh);

    if (err) {
        refuse(place, PND_EXTRACT_DAMAGED, "the version of its dump header is not known here");
        return false;
    }
    if (!dump->kdh.parity_ok) {
        refuse(place, PND_EXTRACT_DAMAGED,
               "its last sector is a damaged dump header: its parity is wrong");
        return false;
    }
    if (dump->kdh.kind == PND_KDH_CLEARED) {
        refuse(place, PND_EXTRACT_EMPTY,
               "its dump has been saved already, and marked so; look for vmcore or textdump.tar "
               "in /var/crash of the machine that has used it since");
        return false;
    }
    if (dump->kdh.dump_bytes == 0 || dump->kdh.key_bytes > KEY_BYTES_MAX) {
        refuse(place, PND_EXTRACT_DAMAGED, "its dump header announces %s",
               dump->kdh.dump_bytes == 0 ? "no bytes" : "a key of a size that cannot be");
        return false;
    }
    return true;
}

void pnd_extract_header_facts(const struct pnd_extract_source *source,
                              const struct pnd_extract_place *place, struct pnd_facts *facts)
{
    uint8_t header[PND_KDH_BYTES];
    struct pnd_kdh kdh;
    uint32_t sector;

    if (place->kind == PND_EXTRACT_FREEBSD &&
        find_last(source->fd, place->offset, place->bytes, header, &sector) != UINT64_MAX &&
        pnd_kdh_read(header, sizeof(header), &kdh) == PND_OK && kdh.parity_ok)
        pnd_facts_from_kdh(&kdh, facts);
}

int pnd_extract_read_freebsd(const struct pnd_extract_source *source,
                             struct pnd_extract_place *place, struct pnd_why *why)
{
    struct dump dump = {0};

    place->file_count = 0;
    if (pnd_io_read_at(source->fd, place->offset, dump.header, SECTOR_MIN) < 0)
        return pnd_why(why, PND_E_SYS, errno, "read %s at byte %" PRIu64, source->path,
                       place->offset);
    dump.last = find_last(source->fd, place->offset, place->bytes, dump.header, &dump.sector);
    if (dump.last == UINT64_MAX) {
        refuse(place, PND_EXTRACT_EMPTY,
               "it holds no dump: a FreeBSD dump ends with a header in the last sector");
        return PND_OK;
    }
    if (!read_header(place, &dump))
        return PND_OK;
    if (!find_parts(source->fd, place, &dump)) {
        refuse(place, PND_EXTRACT_DAMAGED,
               "its header announces a dump of %" PRIu64 " bytes, for which it has no room; is "
               "the image cut off at its start?",
               dump.kdh.dump_bytes);
        return PND_OK;
    }
    place->state = PND_EXTRACT_DUMP;
    snprintf(place->format, sizeof(place->format), "FreeBSD %s dump, header version %" PRIu32,
             dump.kdh.kind == PND_KDH_TEXT ? "text" : "kernel", dump.kdh.version);
    if (!dump.agree)
        refuse(place, PND_EXTRACT_DUMP,
               "the header ahead of the dump is not there or differs from the one behind it: part "
               "of the dump may be written over");
    write_info(source, &dump, place);
    add_files(&dump, place);
    return PND_OK;
}
