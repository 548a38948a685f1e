/* SPDX-License-Identifier: BSD-2-Clause
 *
 * kdump-compressed and flattened headers; see kdump.h. The structs are those of the C compiler on
 * the machine that wrote the file: word size and byte order are found by trying which of them
 * makes sense. */
#include "image/kdump.h"

#include "wire/cursor.h"

enum {
    SIGNATURE_BYTES = 8,
    UTS_FIELD = 65,
    VERSION_MAX = 16,
    BLOCK_MIN = 4096,
    SUB_BLOCKS_MAX = 4096, /* the notes lie there: 350 bytes for each processor */
    SUB_BYTES = 104,
};

static const char kdump_signature[] = "KDUMP   ";
static const char flat_signature[] = "makedumpfile\0\0\0";

bool pnd_kdump_is(const void *head, size_t len)
{
    return len >= SIGNATURE_BYTES && memcmp(head, kdump_signature, SIGNATURE_BYTES) == 0;
}

bool pnd_flat_is(const void *head, size_t len)
{
    return len >= sizeof(flat_signature) &&
           memcmp(head, flat_signature, sizeof(flat_signature)) == 0;
}

static uint64_t number(const struct pnd_kdump *kdump, struct pnd_rd *rd, size_t size)
{
    return kdump->big ? pnd_rd_be(rd, size) : pnd_rd_le(rd, size);
}

static uint64_t word(const struct pnd_kdump *kdump, struct pnd_rd *rd)
{
    return number(kdump, rd, kdump->is32 ? 4 : 8);
}

static void uts_field(struct pnd_rd *rd, char ret[PND_KDUMP_UTS_CAP])
{
    const uint8_t *text = pnd_rd_bytes(rd, UTS_FIELD);
    size_t len = 0;

    while (text && len < UTS_FIELD && text[len] != 0) {
        ret[len] = (char)text[len];
        len++;
    }
    ret[len] = '\0';
}

/* What the first header says that is needed to find the rest. */
struct geometry {
    uint32_t sub_blocks, bitmap_blocks, max_frame;
};

static bool parse_main(struct pnd_rd rd, struct pnd_kdump *kdump, struct geometry *ret)
{
    char ignored[PND_KDUMP_UTS_CAP];

    pnd_rd_bytes(&rd, SIGNATURE_BYTES);
    kdump->version = (unsigned)number(kdump, &rd, 4);
    uts_field(&rd, ignored); /* "Linux" */
    uts_field(&rd, kdump->node);
    uts_field(&rd, kdump->release);
    uts_field(&rd, kdump->kernel);
    uts_field(&rd, kdump->machine);
    uts_field(&rd, ignored);
    pnd_rd_bytes(&rd, kdump->is32 ? 2 : 6); /* so that the time is aligned */
    kdump->time_s = word(kdump, &rd);
    word(kdump, &rd);
    kdump->status = (uint32_t)number(kdump, &rd, 4);
    kdump->block = (uint32_t)number(kdump, &rd, 4);
    ret->sub_blocks = (uint32_t)number(kdump, &rd, 4);
    ret->bitmap_blocks = (uint32_t)number(kdump, &rd, 4);
    ret->max_frame = (uint32_t)number(kdump, &rd, 4);
    return pnd_rd_ok(&rd) && kdump->version >= 1 && kdump->version <= VERSION_MAX &&
           kdump->block >= BLOCK_MIN && kdump->block <= PND_KDUMP_BLOCK_MAX &&
           (kdump->block & (kdump->block - 1)) == 0 && ret->sub_blocks >= 1 &&
           ret->sub_blocks <= SUB_BLOCKS_MAX && ret->bitmap_blocks >= 1;
}

/* The second header; its fields came with the versions. */
static void parse_sub(struct pnd_rd rd, struct pnd_kdump *kdump, const struct geometry *geometry)
{
    uint64_t split, first, end;
    bool arm = memcmp(kdump->machine, "arm", 3) == 0;

    word(kdump, &rd);      /* phys_base */
    number(kdump, &rd, 4); /* dump level */
    split = number(kdump, &rd, 4);
    first = word(kdump, &rd);
    end = word(kdump, &rd);
    if (kdump->is32 && arm)
        pnd_rd_bytes(&rd, 4); /* 64-bit numbers are aligned there, and not on i386 */
    kdump->info = number(kdump, &rd, 8);
    kdump->info_bytes = word(kdump, &rd);
    if (kdump->is32 && arm)
        pnd_rd_bytes(&rd, 4);
    kdump->notes = number(kdump, &rd, 8);
    kdump->notes_bytes = word(kdump, &rd);
    if (kdump->is32 && arm)
        pnd_rd_bytes(&rd, 4);
    number(kdump, &rd, 8); /* what was erased */
    word(kdump, &rd);
    if (kdump->is32 && arm)
        pnd_rd_bytes(&rd, 4);
    if (kdump->version < 3)
        kdump->info = kdump->info_bytes = 0;
    if (kdump->version < 4)
        kdump->notes = kdump->notes_bytes = 0;
    kdump->pages = geometry->max_frame;
    if (kdump->version >= 6) {
        first = number(kdump, &rd, 8);
        end = number(kdump, &rd, 8);
        kdump->pages = number(kdump, &rd, 8);
    }
    split = kdump->version >= 2 ? split : 0;
    kdump->first = split ? first : 0;
    kdump->end = split && end < kdump->pages ? end : kdump->pages;
}

static bool make_sense(struct pnd_kdump *kdump, const struct geometry *geometry)
{
    uint64_t block = kdump->block, bits = (uint64_t)geometry->bitmap_blocks * block * 8;

    kdump->exists = block * (1 + geometry->sub_blocks);
    kdump->descs = kdump->exists + geometry->bitmap_blocks * block;
    kdump->bitmap_bytes = geometry->bitmap_blocks / 2 * block;
    kdump->dumped = kdump->exists + kdump->bitmap_bytes;
    return kdump->pages > 0 && kdump->pages <= bits / 2 && kdump->pages <= PND_KDUMP_PAGES_MAX &&
           kdump->first <= kdump->end && kdump->info <= INT64_MAX &&
           kdump->info_bytes <= INT64_MAX && kdump->notes <= INT64_MAX &&
           kdump->notes_bytes <= INT64_MAX;
}

int pnd_kdump_parse(const void *head, size_t len, struct pnd_kdump *ret)
{
    struct geometry geometry;
    bool wants_more = false;

    if (!pnd_kdump_is(head, len))
        return len < SIGNATURE_BYTES ? PND_E_SHORT : PND_E_TYPE;
    if (len < BLOCK_MIN)
        return PND_E_SHORT;
    for (unsigned i = 0; i < 4; i++) {
        struct pnd_kdump kdump = {.is32 = i & 1, .big = i & 2};
        const uint8_t *bytes = head;

        if (!parse_main(pnd_rd(head, len), &kdump, &geometry))
            continue;
        if (len < kdump.block + SUB_BYTES) {
            wants_more = true;
            continue;
        }
        parse_sub(pnd_rd(bytes + kdump.block, SUB_BYTES), &kdump, &geometry);
        if (!make_sense(&kdump, &geometry))
            continue;
        *ret = kdump;
        return PND_OK;
    }
    return wants_more ? PND_E_SHORT : PND_E_FORMAT;
}

int pnd_kdump_page(const struct pnd_kdump *kdump, const void *desc, struct pnd_kdump_page *ret)
{
    struct pnd_rd rd = pnd_rd(desc, PND_KDUMP_DESC_BYTES);
    struct pnd_kdump_page page = {.offset = number(kdump, &rd, 8)};

    page.bytes = (uint32_t)number(kdump, &rd, 4);
    page.flags = (uint32_t)number(kdump, &rd, 4);
    if (page.offset > INT64_MAX || page.bytes == 0 || page.bytes > kdump->block)
        return PND_E_FORMAT;
    if (page.flags != PND_KDUMP_PLAIN && page.flags != PND_KDUMP_ZLIB &&
        page.flags != PND_KDUMP_LZO && page.flags != PND_KDUMP_SNAPPY &&
        page.flags != PND_KDUMP_ZSTD)
        return PND_E_FORMAT;
    if (page.flags == PND_KDUMP_PLAIN && page.bytes != kdump->block)
        return PND_E_FORMAT;
    *ret = page;
    return PND_OK;
}

int pnd_flat_record(const void *head, uint64_t *ret_offset, uint64_t *ret_bytes)
{
    struct pnd_rd rd = pnd_rd(head, PND_FLAT_RECORD_BYTES);
    uint64_t offset = pnd_rd_be64(&rd), bytes = pnd_rd_be64(&rd);

    if (offset == UINT64_MAX && bytes == UINT64_MAX)
        return PND_E_NOTFOUND;
    if (offset > INT64_MAX || bytes > INT64_MAX || offset > INT64_MAX - bytes)
        return PND_E_FORMAT;
    *ret_offset = offset;
    *ret_bytes = bytes;
    return PND_OK;
}
