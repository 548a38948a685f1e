/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The writer of the disk corefile. What makes it safe against a power cut is one rule: the first
 * sector of the header is the only one that makes anything count. It holds the signature, the
 * number of files and the length of the log; a sector is written whole or not at all; and all
 * that it counts is on the medium before it is written. Entries in later sectors of the header
 * mean nothing until the first one counts them.
 * @source PROTOCOL.md#kdp-7.1, #kdp-7.2 */
#include "panicd/corefile.h"

#include <stdbool.h>
#include <string.h>

#include "wire/corefile.h"

enum {
    PIECE = 4096, /* the disk is written in pieces of it */
    SECTOR_MIN = 512,
    HEADER = PND_COREFILE_ALIGN,
    LOG_OFFSET = HEADER, /* no place for keys: nothing is encrypted here */
};

struct corefile {
    struct pnd_disk disk;
    uint64_t bytes; /* of the disk, up to the last whole 4096 */
    uint64_t log_room, log_length;
    uint64_t next; /* where the next file begins */
    uint32_t files;
    bool ready;
    bool log_counts; /* a header on the disk may give the log a length */
    bool begun;      /* a file is, and may be written to */
    struct pnd_corefile_entry file;
    uint64_t at; /* where on the disk the piece goes */
    size_t fill; /* bytes in it */
    uint8_t header[HEADER];
    uint8_t piece[PIECE];
};

_Static_assert(sizeof(struct corefile) <= sizeof(struct pnd_corefile),
               "the public struct holds it");
_Static_assert((int)HEADER >= (int)PND_COREFILE_HEADER_BYTES, "it is written as one piece");

static struct corefile *corefile_of(struct pnd_corefile *corefile)
{
    return (struct corefile *)(void *)corefile;
}

static const struct corefile *const_corefile_of(const struct pnd_corefile *corefile)
{
    return (const struct corefile *)(const void *)corefile;
}

static uint64_t round_up(uint64_t v, uint64_t unit)
{
    return (v + unit - 1) & ~(unit - 1);
}

/* The header's first sector, and with it everything that is to count. All it counts must have
 * been flushed. After an error the disk may hold the sector or not: so nothing that it counts is
 * given up or written over, and the next success puts it right. */
static int commit(struct corefile *c)
{
    const struct pnd_corefile_header header = {
        .files = c->files,
        .log_offset = LOG_OFFSET,
        .log_length = c->log_length,
    };
    struct pnd_wr wr = pnd_wr(c->header, PND_COREFILE_HEAD_BYTES);
    int err;

    pnd_corefile_put_head(&wr, &header);
    err = c->disk.write(c->disk.ctx, 0, c->header, c->disk.sector_bytes);
    return err != PND_OK ? err : c->disk.flush(c->disk.ctx);
}

/* The rest of the header, as far as bytes [start, end) are in it; not flushed. */
static int write_later_sectors(struct corefile *c, size_t start, size_t end)
{
    size_t sector = c->disk.sector_bytes;
    size_t from = start & ~(sector - 1), to = (size_t)round_up(end, sector);

    if (from < sector)
        from = sector;
    if (from >= to)
        return PND_OK;
    return c->disk.write(c->disk.ctx, from, c->header + from, to - from);
}

int pnd_corefile_open(struct pnd_corefile *corefile, const struct pnd_disk *disk, uint64_t log_len)
{
    struct corefile *c = corefile_of(corefile);
    uint32_t sector = disk->sector_bytes;
    int err;

    memset(c, 0, sizeof(*c));
    if (sector < SECTOR_MIN || sector > PIECE || (sector & (sector - 1)) != 0)
        return PND_E_ARG;
    c->disk = *disk;
    c->bytes = disk->bytes & ~(uint64_t)(PND_COREFILE_ALIGN - 1);
    if (c->bytes < PND_COREFILE_BYTES_MIN)
        return PND_E_NOSPACE;
    if (log_len > c->bytes - LOG_OFFSET - PND_COREFILE_OTHER_LOG_CAP)
        return PND_E_ARG;
    c->log_room = log_len;
    c->next = round_up(LOG_OFFSET + log_len + PND_COREFILE_OTHER_LOG_CAP, PND_COREFILE_ALIGN);
    /* The first sector alone ends what was there; had the others gone first, an older header
     * would still count entries that are no more. */
    err = commit(c);
    if (err == PND_OK)
        err = write_later_sectors(c, 0, HEADER);
    if (err == PND_OK)
        err = c->disk.flush(c->disk.ctx);
    c->ready = err == PND_OK;
    return err;
}

int pnd_corefile_begin(struct pnd_corefile *corefile, const char *name,
                       enum pnd_corefile_packing packing)
{
    struct corefile *c = corefile_of(corefile);

    if (!c->ready)
        return PND_E_ARG;
    c->begun = false;
    if (c->files == PND_COREFILE_FILES_CAP)
        return PND_E_FULL;
    if (c->next >= c->bytes)
        return PND_E_NOSPACE;
    if (pnd_corefile_name(name, PND_COREFILE_NAME_CAP, c->file.name) != PND_OK)
        return PND_E_NAME;
    c->file.flags = packing;
    c->file.offset = c->next;
    c->file.length = 0;
    c->at = c->next;
    c->fill = 0;
    c->begun = true;
    return PND_OK;
}

/* What is in the piece, the last sector filled up with zeros. */
static int write_piece(struct corefile *c)
{
    size_t len = (size_t)round_up(c->fill, c->disk.sector_bytes);
    int err;

    if (len == 0)
        return PND_OK;
    memset(c->piece + c->fill, 0, len - c->fill);
    err = c->disk.write(c->disk.ctx, c->at, c->piece, len);
    if (err != PND_OK)
        return err;
    c->at += len;
    c->fill = 0;
    return PND_OK;
}

static int append(struct corefile *c, const void *buf, size_t len)
{
    const uint8_t *from = buf;

    while (len > 0) {
        size_t part = PIECE - c->fill < len ? PIECE - c->fill : len;
        int err;

        memcpy(c->piece + c->fill, from, part);
        c->fill += part;
        from += part;
        len -= part;
        err = c->fill == PIECE ? write_piece(c) : PND_OK;
        if (err != PND_OK)
            return err;
    }
    return PND_OK;
}

static int sink_write(void *ctx, const void *buf, size_t len)
{
    struct corefile *c = ctx;
    int err;

    if (!c->begun)
        return PND_E_ARG;
    if (len > c->bytes - c->file.offset - c->file.length)
        err = PND_E_NOSPACE;
    else
        err = append(c, buf, len);
    c->file.length += len;
    c->begun = err == PND_OK;
    return err;
}

/* Data and the entry's later sectors may reach the medium in any order: neither counts before the
 * first sector says so. */
static int sink_end(void *ctx)
{
    struct corefile *c = ctx;
    size_t entry = PND_COREFILE_HEAD_BYTES + (size_t)c->files * PND_COREFILE_ENTRY_BYTES;
    struct pnd_wr wr = pnd_wr(c->header + entry, PND_COREFILE_ENTRY_BYTES);
    int err;

    if (!c->begun)
        return PND_E_ARG;
    c->begun = false;
    err = write_piece(c);
    if (err != PND_OK)
        return err;
    pnd_corefile_put_entry(&wr, &c->file);
    err = write_later_sectors(c, entry, entry + PND_COREFILE_ENTRY_BYTES);
    if (err == PND_OK)
        err = c->disk.flush(c->disk.ctx);
    if (err != PND_OK)
        return err;
    /* In this order: a panic between the two must not begin its file on top of this one. */
    c->next = round_up(c->file.offset + c->file.length, PND_COREFILE_ALIGN);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    c->files++;
    return commit(c);
}

void pnd_corefile_sink(struct pnd_corefile *corefile, struct pnd_sink *ret)
{
    *ret = (struct pnd_sink){.ctx = corefile_of(corefile), .write = sink_write, .end = sink_end};
}

int pnd_corefile_log(struct pnd_corefile *corefile, const void *log, size_t log_len,
                     const void *other, size_t other_len)
{
    struct corefile *c = corefile_of(corefile);
    int err;

    if (!c->ready)
        return PND_E_ARG;
    c->begun = false; /* the piece is needed */
    if (log_len > c->log_room)
        log_len = (size_t)c->log_room;
    if (other_len > PND_COREFILE_OTHER_LOG_CAP)
        other_len = PND_COREFILE_OTHER_LOG_CAP;
    c->log_length = 0;
    if (c->log_counts) { /* no header may vouch for a text that is half the old and half the new */
        err = commit(c);
        if (err != PND_OK)
            return err;
    }
    c->at = LOG_OFFSET;
    c->fill = 0;
    err = append(c, log, log_len);
    if (err == PND_OK)
        err = append(c, other, other_len);
    if (err == PND_OK)
        err = write_piece(c);
    if (err == PND_OK)
        err = c->disk.flush(c->disk.ctx);
    if (err != PND_OK)
        return err;
    c->log_length = log_len + other_len;
    c->log_counts = true;
    return commit(c);
}

uint64_t pnd_corefile_used(const struct pnd_corefile *corefile, uint32_t *ret_files)
{
    const struct corefile *c = const_corefile_of(corefile);

    *ret_files = c->files;
    if (c->files > 0)
        return c->next;
    return c->ready ? LOG_OFFSET + round_up(c->log_length, PND_COREFILE_ALIGN) : 0;
}

uint64_t pnd_corefile_room(const struct pnd_corefile *corefile)
{
    const struct corefile *c = const_corefile_of(corefile);

    return c->begun ? c->bytes - c->file.offset - c->file.length : 0;
}
