/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What Apple's disk corefile holds; see extract.h. */
#include "panicctl/extract.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "host/io.h"
#include "image/gzip_header.h"

static const char *const generations[] = {
    [PND_COREFILE_V0] = "Sad Mac, version 0",
    [PND_COREFILE_V1] = "Rad Mac, version 1",
    [PND_COREFILE_V2] = "Boss Mac, version 2",
};

bool pnd_extract_is_corefile(const uint8_t *head, size_t len)
{
    struct pnd_corefile_header header;

    /* a version that is not known is still one: its first eight bytes say so */
    return pnd_corefile_read(head, len < 8 ? len : 8, INT64_MAX, &header) == PND_E_SHORT &&
           len >= 8;
}

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
                   pnd_io_read_at(source->fd, place->offset + entry->offset, head, sizeof(head)) ==
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
        if (pnd_extract_is_corefile(head, len)) {
            pnd_why(&place->reason, err, 0, "its version is not known here");
            return;
        }
        place->state = PND_EXTRACT_EMPTY;
        pnd_why(&place->reason, err, 0, "it holds no dump: it begins with %s",
                pnd_extract_what(head, len));
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
int pnd_extract_read_apple(const struct pnd_extract_source *source, uint64_t place_bytes,
                           struct pnd_extract_place *place, struct pnd_why *why)
{
    uint8_t head[PND_COREFILE_HEADER_BYTES];
    size_t want = place->bytes < sizeof(head) ? (size_t)place->bytes : sizeof(head);
    ssize_t len = pnd_io_read_at(source->fd, place->offset, head, want);
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
    snprintf(place->format, sizeof(place->format), "%s", generations[header.generation]);
    add_log(place, &header);
    for (uint32_t i = 0; i < header.files; i++) {
        struct pnd_corefile_entry entry;

        err = pnd_corefile_entry(&header, head, (size_t)len, i, &entry);
        add_file(source, place, err, i, &entry);
    }
    return PND_OK;
}
