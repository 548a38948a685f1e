/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The header of a disk corefile: version 2 is written, versions 0, 1 and 2 are read. Nothing in
 * it is trusted: an offset and a length are handed out only when they lie within the place.
 * Freestanding. @source PROTOCOL.md#kdp-7.1, #kdp-7.5 */
#ifndef PND_WIRE_COREFILE_H
#define PND_WIRE_COREFILE_H

#include <stddef.h>
#include <stdint.h>

#include "panicd/corefile.h"
#include "wire/cursor.h"

enum {
    PND_COREFILE_ALIGN = 4096,     /* files begin on multiples of it; so does the log */
    PND_COREFILE_HEAD_BYTES = 64,  /* version 2: before the entries */
    PND_COREFILE_ENTRY_BYTES = 40, /* version 2: each of them */
    /* All of the longest header: a reader that has this many bytes has enough. */
    PND_COREFILE_HEADER_BYTES =
        PND_COREFILE_HEAD_BYTES + PND_COREFILE_FILES_CAP * PND_COREFILE_ENTRY_BYTES,
    PND_COREFILE_VERSION = 2,
};

/* Beside enum pnd_corefile_packing, in the flags of a file; bit 0 of the header's says it of the
 * log. */
enum { PND_COREFILE_ENCRYPTED = 1 << 0 };

enum pnd_corefile_generation {
    PND_COREFILE_V0, /* "Sad Mac": one file, which has no name of its own */
    PND_COREFILE_V1, /* "Rad Mac": up to 16 */
    PND_COREFILE_V2, /* "Boss Mac" */
};

struct pnd_corefile_header {
    enum pnd_corefile_generation generation;
    uint32_t files;
    uint64_t flags; /* version 2 */
    uint64_t log_offset, log_length;
    uint64_t place_bytes; /* the size of the place, as the reader was told */
};

struct pnd_corefile_entry {
    uint64_t flags; /* of versions 0 and 1: PND_COREFILE_GZIP, which they leave unsaid */
    uint64_t offset, length;
    char name[PND_COREFILE_NAME_CAP]; /* usable as a file name: see pnd_corefile_name */
};

/* The first PND_COREFILE_HEAD_BYTES of a version 2 header: of @p header, the files, the flags and
 * the log; it has no keys. */
void pnd_corefile_put_head(struct pnd_wr *wr, const struct pnd_corefile_header *header);
/* PND_COREFILE_ENTRY_BYTES. */
void pnd_corefile_put_entry(struct pnd_wr *wr, const struct pnd_corefile_entry *entry);

/* A file's name as it is stored and handed out: cut to 15 bytes, and a byte that is not printable
 * ASCII, a `/`, or a `.` in front replaced by `_`; padded with zeros.
 *   @param name  at most the first @p cap bytes are looked at
 *   @return PND_OK; PND_E_NAME it is empty */
int pnd_corefile_name(const char *name, size_t cap, char ret[PND_COREFILE_NAME_CAP]);

/* The header without its entries.
 *   @param head  the first @p len bytes of the place; PND_COREFILE_HEADER_BYTES are enough
 *   @param place_bytes  its size
 *   @return PND_OK; PND_E_SHORT; PND_E_TYPE no corefile, or a version that is not known here;
 *           PND_E_RANGE more files than the version has entries, or a log or key that does not
 *           lie between the header and the end of the place */
int pnd_corefile_read(const void *head, size_t len, uint64_t place_bytes,
                      struct pnd_corefile_header *ret);

/* Entry @p index. One that is refused says nothing of the others.
 *   @return PND_OK; PND_E_NOTFOUND there are no more; PND_E_SHORT it is not within @p len bytes;
 *           PND_E_RANGE the file does not lie between the header and the end of the place;
 *           PND_E_NAME the name is empty, or has no NUL */
int pnd_corefile_entry(const struct pnd_corefile_header *header, const void *head, size_t len,
                       uint32_t index, struct pnd_corefile_entry *ret);

#endif
