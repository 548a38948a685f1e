/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The header of a disk corefile; see corefile.h. */
#include "wire/corefile.h"

#include <stdbool.h>
#include <string.h>

enum {
    SIGNATURE_BYTES = 8,
    V0_BYTES = 40,
    V1_HEAD_BYTES = 32,
    V1_ENTRY_BYTES = 32,
    V1_FILES_CAP = 16,
};

static const char signatures[][SIGNATURE_BYTES + 1] = {
    [PND_COREFILE_V0] = "Sad Mac",
    [PND_COREFILE_V1] = "Rad Mac",
    [PND_COREFILE_V2] = "Boss Mac",
};

static uint64_t header_bytes(enum pnd_corefile_generation generation)
{
    switch (generation) {
    case PND_COREFILE_V0:
        return V0_BYTES;
    case PND_COREFILE_V1:
        return V1_HEAD_BYTES + V1_FILES_CAP * V1_ENTRY_BYTES;
    case PND_COREFILE_V2:
    default:
        return PND_COREFILE_HEADER_BYTES;
    }
}

/* What is empty lies anywhere: a header without a log may say any offset. */
static bool lies_within(const struct pnd_corefile_header *header, uint64_t offset, uint64_t length)
{
    return length == 0 || (offset >= header_bytes(header->generation) &&
                           offset <= header->place_bytes && length <= header->place_bytes - offset);
}

int pnd_corefile_name(const char *name, size_t cap, char ret[PND_COREFILE_NAME_CAP])
{
    if (cap == 0 || name[0] == '\0')
        return PND_E_NAME;
    memset(ret, 0, PND_COREFILE_NAME_CAP);
    for (size_t i = 0; i < cap && i < PND_COREFILE_NAME_CAP - 1 && name[i]; i++) {
        bool usable = name[i] >= ' ' && name[i] <= '~' && name[i] != '/';

        ret[i] = usable && !(i == 0 && name[i] == '.') ? name[i] : '_';
    }
    return PND_OK;
}

void pnd_corefile_put_head(struct pnd_wr *wr, const struct pnd_corefile_header *header)
{
    pnd_wr_bytes(wr, signatures[PND_COREFILE_V2], SIGNATURE_BYTES);
    pnd_wr_le32(wr, PND_COREFILE_VERSION);
    pnd_wr_le32(wr, 0); /* padding */
    pnd_wr_le64(wr, header->flags);
    pnd_wr_le64(wr, 0); /* public key: offset, length and padding */
    pnd_wr_le64(wr, 0);
    pnd_wr_le64(wr, header->log_offset);
    pnd_wr_le64(wr, header->log_length);
    pnd_wr_le64(wr, header->files);
}

void pnd_corefile_put_entry(struct pnd_wr *wr, const struct pnd_corefile_entry *entry)
{
    pnd_wr_le64(wr, entry->flags);
    pnd_wr_le64(wr, entry->offset);
    pnd_wr_le64(wr, entry->length);
    pnd_wr_bytes(wr, entry->name, PND_COREFILE_NAME_CAP);
}

/* "Sad Mac" and "Rad Mac" carry their NUL, "Boss Mac" fills its eight bytes. */
static int read_generation(struct pnd_rd *rd, enum pnd_corefile_generation *ret)
{
    const uint8_t *signature = pnd_rd_bytes(rd, SIGNATURE_BYTES);

    if (!signature)
        return PND_E_SHORT;
    for (int i = PND_COREFILE_V0; i <= PND_COREFILE_V2; i++) {
        if (memcmp(signature, signatures[i], SIGNATURE_BYTES) == 0) {
            *ret = (enum pnd_corefile_generation)i;
            return PND_OK;
        }
    }
    return PND_E_TYPE;
}

/* Version 2, between the signature and the log. The fields behind a version that is not known are
 * not looked at. */
static int read_v2_start(struct pnd_rd *rd, struct pnd_corefile_header *header)
{
    uint32_t version = pnd_rd_le32(rd);
    uint64_t key_offset, key_bytes;

    if (!pnd_rd_ok(rd))
        return PND_E_SHORT;
    if (version != PND_COREFILE_VERSION)
        return PND_E_TYPE;
    pnd_rd_bytes(rd, 4); /* padding */
    header->flags = pnd_rd_le64(rd);
    key_offset = pnd_rd_le64(rd);
    key_bytes = pnd_rd_le16(rd);
    pnd_rd_bytes(rd, 6);
    if (!pnd_rd_ok(rd))
        return PND_E_SHORT;
    return key_offset == 0 || lies_within(header, key_offset, key_bytes) ? PND_OK : PND_E_RANGE;
}

int pnd_corefile_read(const void *head, size_t len, uint64_t place_bytes,
                      struct pnd_corefile_header *ret)
{
    struct pnd_rd rd = pnd_rd(head, len);
    struct pnd_corefile_header header = {.place_bytes = place_bytes};
    uint64_t files, cap = PND_COREFILE_FILES_CAP;
    int err = read_generation(&rd, &header.generation);

    if (err == PND_OK && header.generation == PND_COREFILE_V2)
        err = read_v2_start(&rd, &header);
    if (err != PND_OK)
        return err;
    header.log_offset = pnd_rd_le64(&rd);
    header.log_length = pnd_rd_le64(&rd);
    if (header.generation == PND_COREFILE_V0) {
        pnd_rd_le64(&rd); /* the file's offset */
        files = pnd_rd_le64(&rd) > 0;
    } else {
        files = pnd_rd_le64(&rd);
        if (header.generation == PND_COREFILE_V1)
            cap = V1_FILES_CAP;
    }
    if (!pnd_rd_ok(&rd))
        return PND_E_SHORT;
    if (files > cap || !lies_within(&header, header.log_offset, header.log_length))
        return PND_E_RANGE;
    header.files = (uint32_t)files;
    *ret = header;
    return PND_OK;
}

static const char *read_entry(enum pnd_corefile_generation generation, struct pnd_rd *rd,
                              uint32_t index, struct pnd_corefile_entry *entry)
{
    static const char only_name[PND_COREFILE_NAME_CAP] = "kernel";

    entry->flags = PND_COREFILE_GZIP;
    switch (generation) {
    case PND_COREFILE_V0:
        pnd_rd_bytes(rd, V0_BYTES - 16);
        break;
    case PND_COREFILE_V1:
        pnd_rd_bytes(rd, V1_HEAD_BYTES + (size_t)index * V1_ENTRY_BYTES);
        break;
    case PND_COREFILE_V2:
        pnd_rd_bytes(rd, PND_COREFILE_HEAD_BYTES + (size_t)index * PND_COREFILE_ENTRY_BYTES);
        entry->flags = pnd_rd_le64(rd);
        break;
    }
    entry->offset = pnd_rd_le64(rd);
    entry->length = pnd_rd_le64(rd);
    if (generation == PND_COREFILE_V0)
        return only_name;
    return (const char *)pnd_rd_bytes(rd, PND_COREFILE_NAME_CAP);
}

int pnd_corefile_entry(const struct pnd_corefile_header *header, const void *head, size_t len,
                       uint32_t index, struct pnd_corefile_entry *ret)
{
    struct pnd_rd rd = pnd_rd(head, len), name_rd;
    struct pnd_corefile_entry entry;
    const char *name;
    size_t name_len;

    if (index >= header->files)
        return PND_E_NOTFOUND;
    name = read_entry(header->generation, &rd, index, &entry);
    if (!pnd_rd_ok(&rd))
        return PND_E_SHORT;
    if (!lies_within(header, entry.offset, entry.length))
        return PND_E_RANGE;
    name_rd = pnd_rd(name, PND_COREFILE_NAME_CAP);
    if (!pnd_rd_cstr(&name_rd, &name_len) ||
        pnd_corefile_name(name, name_len, entry.name) != PND_OK)
        return PND_E_NAME;
    *ret = entry;
    return PND_OK;
}
