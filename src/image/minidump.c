/* SPDX-License-Identifier: BSD-2-Clause
 *
 * FreeBSD's minidump; see minidump.h. */
#include "image/minidump.h"

#include "wire/cursor.h"

enum {
    MAGIC_FIELD = 24,
    MAGIC_MAX = 32, /* of a machine with a longer name */
    PAIR_BYTES = 16,
    PLAIN_VERSION = 2, /* of amd64: the last one whose layout is published */
    BITMAP_SLACK = 2 * PND_MINIDUMP_PAGE,
    PAGE_SHIFT = 12,
};

_Static_assert(PAIR_BYTES *(PND_MINIDUMP_RANGES_MAX + 1) <= PND_MINIDUMP_PIECE, "the list fits");
_Static_assert(1 << PAGE_SHIFT == PND_MINIDUMP_PAGE, "a page");

static const char magic[] = "minidump FreeBSD/";

bool pnd_minidump_is(const void *head, size_t len)
{
    return len >= sizeof(magic) - 1 && memcmp(head, magic, sizeof(magic) - 1) == 0;
}

static uint64_t round_page(uint64_t n)
{
    return (n + PND_MINIDUMP_PAGE - 1) & ~(uint64_t)(PND_MINIDUMP_PAGE - 1);
}

static bool arch_is(const struct pnd_minidump *md, const char *arch)
{
    size_t i = 0;

    while (arch[i] && md->arch[i] == arch[i])
        i++;
    return arch[i] == md->arch[i];
}

static void read_arch(struct pnd_minidump *md, const uint8_t *head, size_t len)
{
    for (size_t i = 0; i + 1 < sizeof(md->arch) && sizeof(magic) - 1 + i < len; i++) {
        uint8_t c = head[sizeof(magic) - 1 + i];

        if (c == 0)
            break;
        md->arch[i] = (char)(c > ' ' && c < 0x7f ? c : '?');
    }
}

/* ---- the list of memory ranges ---- */

/* Pairs of addresses, ascending, and a pair of zeros. @return the bits that a bitmap over them
 * has; 0: it is no such list */
static uint64_t read_list(struct pnd_minidump *md, size_t len)
{
    struct pnd_rd rd = pnd_rd(md->piece, len);
    uint64_t bits = 0, behind = 0;

    md->range_count = 0;
    for (;;) {
        uint64_t start = pnd_rd_le64(&rd), end = pnd_rd_le64(&rd);

        if (!pnd_rd_ok(&rd))
            return 0;
        if (start == 0 && end == 0)
            return bits;
        start &= ~(uint64_t)(PND_MINIDUMP_PAGE - 1);
        if (end > UINT64_MAX / 2 || start >= end || start < behind ||
            md->range_count == PND_MINIDUMP_RANGES_MAX)
            return 0;
        behind = round_page(end);
        md->ranges[md->range_count].start = start;
        md->ranges[md->range_count].end = behind;
        md->range_count++;
        bits += (behind - start) >> PAGE_SHIFT;
    }
}

/* Behind the list only zeros, to the end of its page. */
static bool list_ends_in_zeros(const struct pnd_minidump *md, size_t len)
{
    for (size_t i = (md->range_count + 1) * (size_t)PAIR_BYTES; i < len; i++) {
        if (md->piece[i])
            return false;
    }
    return true;
}

/* @return PND_OK it is one, or it is none; as the source */
static int find_list(struct pnd_minidump *md, uint64_t at, uint64_t bitmap_bytes, bool *ret)
{
    uint64_t bits, need;
    int err = md->source.read(md->source.ctx, at, md->piece, PND_MINIDUMP_PAGE);

    *ret = false;
    if (err)
        return err;
    bits = read_list(md, PND_MINIDUMP_PAGE);
    need = (bits + 7) >> 3;
    *ret = bits != 0 && need <= bitmap_bytes && bitmap_bytes - need <= BITMAP_SLACK &&
           list_ends_in_zeros(md, PND_MINIDUMP_PAGE);
    if (!*ret)
        md->range_count = 0;
    return PND_OK;
}

/* ---- the header ---- */

struct sizes {
    uint32_t log, bitmap, tables;
};

static void place(struct pnd_minidump *md, enum pnd_minidump_layout layout, uint64_t bitmap_offset,
                  const struct sizes *sizes)
{
    md->layout = layout;
    md->bitmap_offset = bitmap_offset;
    md->bitmap_bytes = sizes->bitmap;
    md->tables_offset = bitmap_offset + round_page(sizes->bitmap);
    md->tables_bytes = sizes->tables;
    md->pages_offset = md->tables_offset + round_page(sizes->tables);
    if (layout == PND_MINIDUMP_PLAIN) {
        md->range_count = 1;
        md->ranges[0].start = 0;
        md->ranges[0].end = md->bitmap_bytes << (PAGE_SHIFT + 3);
    }
}

static int find_layout(struct pnd_minidump *md, const struct sizes *sizes)
{
    uint64_t behind = md->log_offset + round_page(md->log_bytes);
    bool listed = false;
    int err;

    if (arch_is(md, "amd64") && md->version <= PLAIN_VERSION) {
        place(md, PND_MINIDUMP_PLAIN, behind, sizes);
        return PND_OK;
    }
    err = find_list(md, behind, sizes->bitmap, &listed);
    if (!err && listed)
        place(md, PND_MINIDUMP_LISTED, behind + PND_MINIDUMP_PAGE, sizes);
    return err;
}

int pnd_minidump_open(struct pnd_minidump *minidump, const struct pnd_minidump_source *source)
{
    uint8_t head[PND_MINIDUMP_HEADER_BYTES];
    struct sizes sizes;
    struct pnd_rd rd;
    int err;

    memset(minidump, 0, sizeof(*minidump));
    minidump->source = *source;
    err = source->read(source->ctx, 0, head, sizeof(head));
    if (err)
        return err;
    if (!pnd_minidump_is(head, sizeof(head)))
        return PND_E_TYPE;
    read_arch(minidump, head, MAGIC_MAX);
    if (!arch_is(minidump, "amd64") && !arch_is(minidump, "arm64") && !arch_is(minidump, "i386") &&
        !arch_is(minidump, "riscv"))
        return PND_OK; /* another length of magic, or another byte order: nothing is known */
    rd = pnd_rd(head + MAGIC_FIELD, sizeof(head) - MAGIC_FIELD);
    minidump->version = pnd_rd_le32(&rd);
    sizes.log = pnd_rd_le32(&rd);
    sizes.bitmap = pnd_rd_le32(&rd);
    sizes.tables = pnd_rd_le32(&rd);
    if (arch_is(minidump, "amd64")) {
        minidump->kernel_base = pnd_rd_le64(&rd);
        minidump->direct_base = pnd_rd_le64(&rd);
        minidump->direct_end = pnd_rd_le64(&rd);
    }
    minidump->log_offset = PND_MINIDUMP_PAGE;
    minidump->log_bytes = sizes.log;
    return find_layout(minidump, &sizes);
}

/* ---- the pages ---- */

/* @return PND_OK with the bit in @p ret_set, and how many of the bits from here on, all within
 * one byte, can be passed over when it and they are 0 */
static int read_bit(struct pnd_minidump *md, struct pnd_minidump_walk *walk, bool *ret_set,
                    unsigned *ret_zeros)
{
    uint64_t byte = walk->bit >> 3, piece = byte / PND_MINIDUMP_PIECE;
    unsigned in_byte = (unsigned)walk->bit & 7;

    if (walk->piece != piece + 1) {
        uint64_t start = piece * PND_MINIDUMP_PIECE, left = md->bitmap_bytes - start;
        size_t len = left < PND_MINIDUMP_PIECE ? (size_t)left : PND_MINIDUMP_PIECE;
        int err = md->source.read(md->source.ctx, md->bitmap_offset + start, md->piece, len);

        if (err)
            return err;
        walk->piece = piece + 1;
    }
    *ret_set = md->piece[byte % PND_MINIDUMP_PIECE] >> in_byte & 1;
    *ret_zeros = md->piece[byte % PND_MINIDUMP_PIECE] >> in_byte ? 1 : 8 - in_byte;
    return PND_OK;
}

/* The range that holds walk->bit. @return false: the bit stands for no page, and so do all behind
 * it */
static bool in_range(const struct pnd_minidump *md, struct pnd_minidump_walk *walk,
                     uint64_t *ret_address, uint64_t *ret_left)
{
    while (walk->range < md->range_count) {
        uint64_t start = md->ranges[walk->range].start;
        uint64_t bits = (md->ranges[walk->range].end - start) >> PAGE_SHIFT;
        uint64_t at = walk->bit - walk->range_bits;

        if (at < bits) {
            *ret_address = start + (at << PAGE_SHIFT);
            *ret_left = bits - at;
            return true;
        }
        walk->range_bits += bits;
        walk->range++;
    }
    return false;
}

int pnd_minidump_next(struct pnd_minidump *minidump, struct pnd_minidump_walk *walk,
                      struct pnd_minidump_run *ret)
{
    uint64_t bits = minidump->bitmap_bytes << 3, address, left;
    struct pnd_minidump_run run = {0};
    bool open = false;

    if (minidump->layout == PND_MINIDUMP_UNKNOWN)
        return PND_E_NOTFOUND;
    while (walk->bit < bits && in_range(minidump, walk, &address, &left)) {
        unsigned zeros = 1;
        bool set = false;
        int err;

        if (open && address != run.end)
            break;
        err = read_bit(minidump, walk, &set, &zeros);
        if (err)
            return err;
        if (!set && open)
            break;
        walk->bit += set ? 1 : zeros < left ? zeros : left;
        if (!set)
            continue;
        if (!open) {
            run.start = address;
            run.offset = minidump->pages_offset + (walk->pages << PAGE_SHIFT);
            open = true;
        }
        run.end = address + PND_MINIDUMP_PAGE;
        walk->pages++;
    }
    if (!open)
        return PND_E_NOTFOUND;
    *ret = run;
    return PND_OK;
}
