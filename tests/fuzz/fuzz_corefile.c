/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes as the header of a disk corefile, in a place of the size that the first eight say.
 * Whatever is handed out lies within the place and has a name that leads nowhere else. */
#include <stdint.h>
#include <stdlib.h>

#include "wire/corefile.h"
#include "wire/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_range(const struct pnd_corefile_header *header, uint64_t offset, uint64_t length)
{
    if (length > 0 &&
        (offset < 40 || offset > header->place_bytes || length > header->place_bytes - offset))
        abort();
}

static void check_name(const char name[PND_COREFILE_NAME_CAP])
{
    if (name[0] == '\0' || name[0] == '.' || memchr(name, '\0', PND_COREFILE_NAME_CAP) == NULL)
        abort();
    for (size_t i = 0; name[i]; i++)
        if (name[i] < ' ' || name[i] > '~' || name[i] == '/')
            abort();
}

/* What was read can be written, and is read again as the same. */
static void check_round_trip(const struct pnd_corefile_header *header,
                             const struct pnd_corefile_entry *entry)
{
    uint8_t out[PND_COREFILE_HEAD_BYTES + PND_COREFILE_ENTRY_BYTES];
    struct pnd_corefile_header one = *header, header2;
    struct pnd_corefile_entry entry2;
    struct pnd_wr wr = pnd_wr(out, sizeof(out));

    one.files = 1;
    pnd_corefile_put_head(&wr, &one);
    pnd_corefile_put_entry(&wr, entry);
    if (!pnd_wr_ok(&wr) ||
        pnd_corefile_read(out, sizeof(out), header->place_bytes, &header2) != PND_OK ||
        pnd_corefile_entry(&header2, out, sizeof(out), 0, &entry2) != PND_OK)
        abort();
    if (header2.log_offset != header->log_offset || header2.log_length != header->log_length ||
        header2.flags != header->flags || entry2.flags != entry->flags ||
        entry2.offset != entry->offset || entry2.length != entry->length ||
        memcmp(entry2.name, entry->name, sizeof(entry2.name)) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct pnd_rd rd = pnd_rd(data, len);
    uint64_t place = pnd_rd_le64(&rd);
    struct pnd_corefile_header header;
    struct pnd_corefile_entry entry;
    size_t left = pnd_rd_left(&rd);

    if (!pnd_rd_ok(&rd) || pnd_corefile_read(rd.at, left, place, &header) != PND_OK)
        return 0;
    if (header.files > PND_COREFILE_FILES_CAP || header.place_bytes != place)
        abort();
    check_range(&header, header.log_offset, header.log_length);
    for (uint32_t i = 0; i < header.files; i++) {
        int err = pnd_corefile_entry(&header, rd.at, left, i, &entry);

        if (err != PND_OK && err != PND_E_SHORT && err != PND_E_RANGE && err != PND_E_NAME)
            abort();
        if (err != PND_OK)
            continue;
        check_range(&header, entry.offset, entry.length);
        check_name(entry.name);
        if (header.generation == PND_COREFILE_V2)
            check_round_trip(&header, &entry);
    }
    if (pnd_corefile_entry(&header, rd.at, left, header.files, &entry) != PND_E_NOTFOUND)
        abort();
    return 0;
}
