/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The headers of panic regions, and packed logs; see panic_region.h. */
#include "image/panic_region.h"

#include "image/panic_log.h"
#include "wire/crc32.h"
#include "wire/cursor.h"

enum {
    MAGIC_LEN = 4,
    CRC_END = 8,
    EMBEDDED_LEN = 177,
    MACOS_LEN = 56,
    OS_VERSION_LEN = 32,
    SESSION_LEN = 37,
    STATE_LEN = 8,
    EMBEDDED_LEN_MIN = 44, /* up to the parts */
    PACKED_LEN = 7,
    UNPACKED_LEN = 8,
    CHARACTER_BITS = 7,
};

#define MAGIC_EMBEDDED UINT32_C(0x46554e4b)
#define MAGIC_MACOS    UINT32_C(0x44454544)

static const char *const embedded_flags[] = {
    "the core dump is complete",
    "the stackshot succeeded",
    "the stackshot failed: the processors did not stop",
    "the stackshot failed",
    "the stackshot is incomplete",
    "the stackshot failed in a panic within it",
    "a panic within a panic",
    "reset by the button",
    "initiated by the companion processor",
    "the core dump failed",
    "the stackshot could not be compressed",
    "the stackshot is compressed",
    "an encrypted core dump was left out",
    "the core dump was left out: its exclusions were being changed",
    "the core file was removed",
    "the log is incoherent",
    "a panic in an exclave",
    "initiated from user space",
    "initiated by an integrated coprocessor",
};

static const char *const macos_flags[] = {
    "a panic within a panic",
    "initiated by the companion processor",
    "the stackshot succeeded",
    "the stackshot is compressed",
    "the stackshot failed: the processors did not stop",
    "the stackshot failed",
    "the stackshot is incomplete",
    "the stackshot failed in a panic within it",
    "the core dump is complete",
    "the core dump failed",
    "the stackshot is of the kernel only",
    "the stackshot could not be compressed",
    "an encrypted core dump was left out",
    "the core dump was left out: its exclusions were being changed",
    "the core file was removed",
    "the log is incoherent",
    "initiated from user space",
    "initiated by an integrated coprocessor",
};

const char *pnd_panic_region_flag(enum pnd_panic_region_kind kind, unsigned bit)
{
    if (kind == PND_PANIC_REGION_EMBEDDED)
        return bit < sizeof(embedded_flags) / sizeof(embedded_flags[0]) ? embedded_flags[bit]
                                                                        : NULL;
    return bit < sizeof(macos_flags) / sizeof(macos_flags[0]) ? macos_flags[bit] : NULL;
}

static struct pnd_panic_part read_part(struct pnd_rd *rd)
{
    struct pnd_panic_part part;

    part.offset = pnd_rd_le32(rd);
    part.len = pnd_rd_le32(rd);
    return part;
}

/* A text of fixed size, up to its NUL; left empty when the header is an older one without it. */
static void read_text(struct pnd_rd *rd, size_t size, char *ret)
{
    const uint8_t *text = pnd_rd_bytes(rd, size);
    size_t len = 0;

    while (text && len < size && text[len]) {
        ret[len] = (char)text[len];
        len++;
    }
    ret[len] = '\0';
}

static size_t least_offset(const struct pnd_panic_region *region, size_t most)
{
    const struct pnd_panic_part *const parts[] = {&region->log, &region->stackshot, &region->other};

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (parts[i]->len > 0 && parts[i]->offset < most)
            most = parts[i]->offset;
    return most;
}

/* @return the length of the header, as far as it has fields */
static size_t read_embedded(struct pnd_rd rd, struct pnd_panic_region *ret)
{
    const uint8_t *start = rd.at - CRC_END;
    size_t len;

    ret->kind = PND_PANIC_REGION_EMBEDDED;
    ret->version = pnd_rd_le32(&rd);
    ret->flags = pnd_rd_le64(&rd);
    ret->log = read_part(&rd);
    ret->stackshot = read_part(&rd);
    ret->other = read_part(&rd);
    pnd_rd_bytes(&rd, STATE_LEN);
    len = least_offset(ret, EMBEDDED_LEN); /* an older header ends where its contents begin */
    if (pnd_rd_ok(&rd) && (size_t)(rd.end - start) > len && start + len >= rd.at)
        rd.end = start + len;
    read_text(&rd, OS_VERSION_LEN, ret->os_version);
    read_text(&rd, OS_VERSION_LEN, ret->macos_version);
    read_text(&rd, SESSION_LEN, ret->boot_session);
    ret->roots = pnd_rd_le64(&rd);
    ret->more = read_part(&rd);
    return len;
}

static size_t read_macos(struct pnd_rd rd, struct pnd_panic_region *ret)
{
    ret->kind = PND_PANIC_REGION_MACOS;
    ret->version = pnd_rd_le32(&rd);
    pnd_rd_le32(&rd); /* padding */
    ret->flags = pnd_rd_le64(&rd);
    ret->log = read_part(&rd);
    ret->stackshot = read_part(&rd);
    ret->other = read_part(&rd);
    ret->roots = pnd_rd_le64(&rd);
    return MACOS_LEN;
}

static size_t cut_part(struct pnd_panic_part *part, size_t len)
{
    if (part->offset >= len)
        part->len = 0;
    else if (part->len > len - part->offset)
        part->len = (uint32_t)(len - part->offset);
    return part->len > 0 ? (size_t)part->offset + part->len : 0;
}

static size_t cut_parts(struct pnd_panic_region *region, size_t len)
{
    struct pnd_panic_part *const parts[] = {&region->log, &region->stackshot, &region->other,
                                            &region->more};
    size_t end = 0;

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        size_t part_end = cut_part(parts[i], len);

        if (part_end > end)
            end = part_end;
    }
    return end;
}

/* Of everything behind the checksum: to the end of the last part, or to the end of the region. */
static bool is_intact(const uint8_t *bytes, size_t end, size_t len, uint32_t want)
{
    uint32_t crc;

    if (end < CRC_END)
        return false;
    crc = pnd_crc32(0, bytes + CRC_END, end - CRC_END);
    return crc == want || pnd_crc32(crc, bytes + end, len - end) == want;
}

int pnd_panic_region_parse(const void *head, size_t len, struct pnd_panic_region *ret)
{
    struct pnd_panic_region region = {0};
    struct pnd_rd rd = pnd_rd(head, len);
    uint32_t magic = pnd_rd_le32(&rd);
    size_t header;

    pnd_rd_le32(&rd); /* the checksum */
    if (len >= MAGIC_LEN && magic != MAGIC_EMBEDDED && magic != MAGIC_MACOS)
        return PND_E_TYPE;
    if (len < PND_PANIC_REGION_HEAD)
        return PND_E_SHORT;
    header = magic == MAGIC_EMBEDDED ? read_embedded(rd, &region) : read_macos(rd, &region);
    if (header < EMBEDDED_LEN_MIN || (region.log.len > 0 && region.log.offset < header))
        return PND_E_FORMAT;
    *ret = region;
    return PND_OK;
}

int pnd_panic_region_read(const void *buf, size_t len, struct pnd_panic_region *ret)
{
    struct pnd_panic_region region;
    int err = pnd_panic_region_parse(buf, len, &region);
    struct pnd_rd rd = pnd_rd(buf, len);

    if (err)
        return err;
    pnd_rd_le32(&rd); /* magic */
    region.intact = is_intact(buf, cut_parts(&region, len), len, pnd_rd_le32(&rd));
    *ret = region;
    return PND_OK;
}

/* ---- packed ---- */

static void unpack_eight(const uint8_t *packed, bool high_first, char *ret)
{
    uint64_t bits = 0;

    for (unsigned i = 0; i < PACKED_LEN; i++)
        bits |= (uint64_t)packed[i] << 8 * (high_first ? PACKED_LEN - 1 - i : i);
    for (unsigned i = 0; i < UNPACKED_LEN; i++) {
        unsigned at = CHARACTER_BITS * (high_first ? UNPACKED_LEN - 1 - i : i);

        ret[i] = (char)(bits >> at & 0x7f);
    }
}

/* @p ret NULL: only counts. */
static size_t unpack(const uint8_t *packed, size_t len, bool high_first, char *ret, size_t cap)
{
    size_t done = 0;

    for (; len > 0 && done < cap; packed += PACKED_LEN) {
        uint8_t block[PACKED_LEN] = {0};
        size_t take = len < PACKED_LEN ? len : PACKED_LEN, text;
        char eight[UNPACKED_LEN];

        memcpy(block, packed, take);
        unpack_eight(block, high_first, eight);
        text = pnd_panic_text_len(eight, UNPACKED_LEN);
        if (text > cap - done)
            text = cap - done;
        if (ret)
            memcpy(ret + done, eight, text);
        done += text;
        len -= take;
        if (text < UNPACKED_LEN || take < PACKED_LEN)
            break;
    }
    return done;
}

size_t pnd_panic_unpack(const void *packed, size_t len, char *ret, size_t cap)
{
    bool high_first = unpack(packed, len, true, NULL, cap) > unpack(packed, len, false, NULL, cap);

    return unpack(packed, len, high_first, ret, cap);
}
