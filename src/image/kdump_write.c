/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The headers of a kdump-compressed file; see kdump_write.h. */
#include "image/kdump_write.h"

#include "wire/cursor.h"

enum {
    VERSION = 6,
    BLOCK_MIN = 4096,
    UTS_FIELD = 65,
    UTS_PADDING = 6, /* so that the time is aligned */
    PROCESSORS = 1,  /* of the tasks behind the header, which nobody reads */
};

static uint64_t round_up(uint64_t n, uint64_t block)
{
    return (n + block - 1) & ~(block - 1);
}

int pnd_kdump_places(const struct pnd_kdump_what *what, struct pnd_kdump_places *ret)
{
    struct pnd_kdump_places places;
    uint64_t block = what->block;

    if (block < BLOCK_MIN || block > PND_KDUMP_BLOCK_MAX || (block & (block - 1)) != 0 ||
        what->frames == 0 || what->frames > PND_KDUMP_PAGES_MAX || what->dumped > what->frames ||
        what->notes_bytes > PND_KDUMP_NOTES_MAX || what->info_at > what->notes_bytes ||
        what->info_bytes > what->notes_bytes - what->info_at)
        return PND_E_RANGE;
    places.second = block;
    places.notes = block + PND_KDUMP_SECOND_BYTES;
    places.exists = round_up(places.notes + what->notes_bytes, block);
    places.bitmap_bytes = round_up((what->frames + 7) / 8, block);
    places.dumped = places.exists + places.bitmap_bytes;
    places.descs = places.dumped + places.bitmap_bytes;
    places.data = round_up(places.descs + what->dumped * PND_KDUMP_DESC_BYTES, block);
    *ret = places;
    return PND_OK;
}

/* How many blocks @p bytes are; the block is a power of two. */
static uint32_t blocks(uint64_t bytes, uint32_t block)
{
    unsigned shift = 0;

    while (block >> shift > 1)
        shift++;
    return (uint32_t)(bytes >> shift);
}

void pnd_kdump_write_first(const struct pnd_kdump_what *what, const struct pnd_kdump_places *places,
                           uint8_t ret[PND_KDUMP_FIRST_BYTES])
{
    struct pnd_wr wr = pnd_wr(ret, PND_KDUMP_FIRST_BYTES);

    pnd_wr_bytes(&wr, "KDUMP   ", 8);
    pnd_wr_le32(&wr, VERSION);
    for (unsigned i = 0; i < PND_KDUMP_UTS_FIELDS; i++)
        pnd_wr_bytes(&wr, what->uts[i], UTS_FIELD);
    pnd_wr_zeros(&wr, UTS_PADDING);
    pnd_wr_le64(&wr, what->time_s);
    pnd_wr_le64(&wr, 0); /* microseconds */
    pnd_wr_le32(&wr, 0); /* no page is packed, and none is missing */
    pnd_wr_le32(&wr, what->block);
    pnd_wr_le32(&wr, blocks(places->exists - places->second, what->block));
    pnd_wr_le32(&wr, blocks(2 * places->bitmap_bytes, what->block));
    pnd_wr_le32(&wr, what->frames < UINT32_MAX ? (uint32_t)what->frames : UINT32_MAX);
    pnd_wr_zeros(&wr, 4 * 4); /* blocks of RAM, of the device, that are written; this processor */
    pnd_wr_le32(&wr, PROCESSORS);
}

void pnd_kdump_write_second(const struct pnd_kdump_what *what,
                            const struct pnd_kdump_places *places,
                            uint8_t ret[PND_KDUMP_SECOND_BYTES])
{
    struct pnd_wr wr = pnd_wr(ret, PND_KDUMP_SECOND_BYTES);

    pnd_wr_le64(&wr, what->phys_base);
    pnd_wr_le32(&wr, what->level);
    pnd_wr_le32(&wr, 0); /* it is not split, ... */
    pnd_wr_le64(&wr, 0); /* ... from here ... */
    pnd_wr_le64(&wr, 0); /* ... to here */
    pnd_wr_le64(&wr, what->info_bytes ? places->notes + what->info_at : 0);
    pnd_wr_le64(&wr, what->info_bytes);
    pnd_wr_le64(&wr, what->notes_bytes ? places->notes : 0);
    pnd_wr_le64(&wr, what->notes_bytes);
    pnd_wr_le64(&wr, 0); /* nothing was erased */
    pnd_wr_le64(&wr, 0);
    pnd_wr_le64(&wr, 0); /* not split, in 64 bits */
    pnd_wr_le64(&wr, 0);
    pnd_wr_le64(&wr, what->frames);
}

void pnd_kdump_write_desc(uint64_t offset, uint32_t bytes, uint8_t ret[PND_KDUMP_DESC_BYTES])
{
    struct pnd_wr wr = pnd_wr(ret, PND_KDUMP_DESC_BYTES);

    pnd_wr_le64(&wr, offset);
    pnd_wr_le32(&wr, bytes);
    pnd_wr_le32(&wr, PND_KDUMP_PLAIN);
    pnd_wr_le64(&wr, 0); /* the page's own flags */
}
