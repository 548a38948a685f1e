/* SPDX-License-Identifier: BSD-2-Clause
 *
 * An ELF core in another order: see vmcore_layout.h. Memory is told apart by physical address: the
 * old segments, sorted by it, become pieces that do not overlap; the pieces get their places in
 * the new file; and each old segment becomes as many new ones as its bytes lie in places. */
#include "image/vmcore_layout.h"

#include "wire/cursor.h"

enum {
    EHDR_BYTES = 64,
    PHDR_BYTES = 56,
    PHDR_NULL = 0,
    PHNUM_AT = 56,      /* in the ELF header */
    SPANS_MAX = 128,    /* of physical memory, that come first */
    SAMPLES_SHIFT = 4,  /* 17 samples of memory that is there twice */
    SAMPLE_BYTES = 512, /* of each */
};

/* [start, end) of physical memory, and when it is wanted. */
struct span {
    uint64_t start, end;
    uint32_t turn;
};

struct spans {
    struct span at[SPANS_MAX]; /* sorted, disjoint, not adjacent */
    size_t count;
};

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t page_start(uint64_t at)
{
    return at & ~(uint64_t)(PND_LAYOUT_PAGE - 1);
}

/* The first place at or behind @p at that lies in its page as @p paddr does. */
static uint64_t place_for(uint64_t at, uint64_t paddr)
{
    return at + ((paddr - at) & (PND_LAYOUT_PAGE - 1));
}

/* Of memory whose address is not told, there is nothing to count on. */
static bool has_vaddr(const struct pnd_vmcore_segment *segment)
{
    return segment->vaddr != 0 && segment->vaddr != UINT64_MAX;
}

/* ---- the core as it is ---- */

static bool can_be(const struct pnd_vmcore_segment *segment)
{
    const uint64_t most = INT64_MAX / 2; /* so that no sum overflows */

    return segment->memory_bytes >= segment->bytes && segment->memory_bytes <= most &&
           segment->paddr <= most && segment->offset <= most &&
           (!has_vaddr(segment) || segment->vaddr - 1 <= UINT64_MAX - segment->memory_bytes);
}

static bool stands_before(const struct pnd_vmcore_segment *a, const struct pnd_vmcore_segment *b)
{
    return a->paddr != b->paddr ? a->paddr < b->paddr : a->bytes > b->bytes;
}

static int add_old(struct pnd_vmcore_layout *layout, const struct pnd_vmcore_segment *segment)
{
    uint32_t i = layout->old_count;

    if (!can_be(segment))
        return PND_E_FORMAT;
    if (i == PND_LAYOUT_SEGMENTS_MAX)
        return PND_E_RANGE;
    for (; i > 0 && stands_before(segment, &layout->old[i - 1]); i--)
        layout->old[i] = layout->old[i - 1];
    layout->old[i] = *segment;
    layout->old_count++;
    return PND_OK;
}

static int add_notes(struct pnd_vmcore_layout *layout, const struct pnd_vmcore_segment *segment)
{
    if (layout->notes_bytes > 0 || segment->bytes > PND_LAYOUT_NOTES_MAX)
        return PND_E_FORMAT;
    layout->notes = segment->offset;
    layout->notes_bytes = segment->bytes;
    return PND_OK;
}

static int read_segments(struct pnd_vmcore_layout *layout, const struct pnd_vmcore *vmcore)
{
    struct pnd_vmcore_segment segment = {0};
    int err = PND_OK;

    for (uint32_t i = 0; !err && i < vmcore->phdr_count; i++) {
        err = pnd_vmcore_segment(vmcore, i, &segment);
        if (err || segment.type == PHDR_NULL)
            continue;
        if (segment.type == PND_VMCORE_NOTE)
            err = add_notes(layout, &segment);
        else if (segment.type != PND_VMCORE_LOAD)
            err = PND_E_FORMAT;
        else if (segment.memory_bytes > 0)
            err = add_old(layout, &segment);
    }
    return err;
}

/* ---- what comes first ---- */

/* Becomes one with those that it touches. What no longer fits comes later, which is no harm. */
static void add_span(struct spans *spans, uint64_t start, uint64_t end, uint32_t turn)
{
    size_t first = 0, last;

    while (first < spans->count && spans->at[first].end < start)
        first++;
    for (last = first; last < spans->count && spans->at[last].start <= end; last++) {
        start = lesser(start, spans->at[last].start);
        end = end > spans->at[last].end ? end : spans->at[last].end;
        turn = turn > spans->at[last].turn ? turn : spans->at[last].turn;
    }
    if (first == last && spans->count == SPANS_MAX)
        return;
    memmove(&spans->at[first + 1], &spans->at[last], (spans->count - last) * sizeof(spans->at[0]));
    spans->at[first] = (struct span){start, end, turn};
    spans->count += 1 + first - last;
}

static void find_spans(const struct pnd_vmcore_layout *layout, const struct pnd_vmcore_range *range,
                       uint32_t turn, struct spans *spans)
{
    for (uint32_t i = 0; i < layout->old_count; i++) {
        const struct pnd_vmcore_segment *old = &layout->old[i];
        uint64_t skip = 0, bytes = range->bytes; /* of the segment; of the range in it */

        if (!has_vaddr(old))
            continue;
        if (range->vaddr >= old->vaddr)
            skip = range->vaddr - old->vaddr;
        else if (old->vaddr - range->vaddr < bytes)
            bytes -= old->vaddr - range->vaddr;
        else
            continue;
        if (skip >= old->bytes || bytes == 0)
            continue;
        bytes = lesser(bytes, old->bytes - skip);
        add_span(spans, page_start(old->paddr + skip),
                 page_start(old->paddr + skip + bytes - 1) + PND_LAYOUT_PAGE, turn);
    }
}

/* ---- pieces, by physical address ---- */

static int add_piece(struct pnd_vmcore_layout *layout, uint64_t paddr, uint64_t source,
                     uint64_t bytes, uint32_t turn)
{
    if (layout->piece_count == PND_LAYOUT_SEGMENTS_MAX)
        return PND_E_RANGE;
    layout->pieces[layout->piece_count++] =
        (struct pnd_layout_piece){.paddr = paddr, .source = source, .bytes = bytes, .turn = turn};
    return PND_OK;
}

/* Cut where what comes first begins and ends. */
static int add_cut(struct pnd_vmcore_layout *layout, const struct spans *spans, uint64_t paddr,
                   uint64_t source, uint64_t bytes)
{
    size_t i = 0;
    int err = PND_OK;

    while (!err && bytes > 0) {
        uint64_t now = bytes;
        uint32_t turn = PND_LAYOUT_REST;

        while (i < spans->count && spans->at[i].end <= paddr)
            i++;
        if (i < spans->count && spans->at[i].start <= paddr) {
            now = lesser(bytes, spans->at[i].end - paddr);
            turn = spans->at[i].turn;
        } else if (i < spans->count) {
            now = lesser(bytes, spans->at[i].start - paddr);
        }
        err = add_piece(layout, paddr, source, now, turn);
        paddr += now;
        source += now;
        bytes -= now;
    }
    return err;
}

/* A few places of what stands in the file twice. What cannot be read says nothing. */
static bool is_same(const struct pnd_vmcore *vmcore, uint64_t a, uint64_t b, uint64_t bytes)
{
    const struct pnd_vmcore_source *source = &vmcore->source;
    uint8_t one[SAMPLE_BYTES], two[SAMPLE_BYTES];
    size_t len = (size_t)lesser(bytes, SAMPLE_BYTES);

    for (unsigned i = 0; i <= 1 << SAMPLES_SHIFT; i++) {
        uint64_t at = i < 1 << SAMPLES_SHIFT
                          ? lesser(page_start((bytes >> SAMPLES_SHIFT) * i), bytes - len)
                          : bytes - len;

        if (source->read(source->ctx, a + at, one, len) == PND_OK &&
            source->read(source->ctx, b + at, two, len) == PND_OK && memcmp(one, two, len) != 0)
            return false;
    }
    return true;
}

/* Memory in pieces that do not overlap. A kernel puts some of it into two segments, but none into
 * three; and what it puts into two is the same. A core of a process, where every segment is at
 * physical 0, does not pass here. */
static int make_pieces(struct pnd_vmcore_layout *layout, const struct pnd_vmcore *vmcore,
                       const struct spans *spans)
{
    struct pnd_layout_piece last = {0}; /* before it is cut */
    uint64_t end = 0, twice_end = 0;
    int err = PND_OK;

    for (uint32_t i = 0; !err && i < layout->old_count; i++) {
        const struct pnd_vmcore_segment *old = &layout->old[i];
        uint64_t common = end > old->paddr ? lesser(end - old->paddr, old->bytes) : 0;

        if (common > 0) {
            if (old->paddr < twice_end ||
                !is_same(vmcore, last.source + (old->paddr - last.paddr), old->offset, common))
                return PND_E_FORMAT;
            twice_end = old->paddr + common;
        }
        if (common == old->bytes)
            continue;
        last = (struct pnd_layout_piece){.paddr = old->paddr + common,
                                         .source = old->offset + common,
                                         .bytes = old->bytes - common};
        end = last.paddr + last.bytes;
        err = add_cut(layout, spans, last.paddr, last.source, last.bytes);
    }
    return err;
}

/* ---- places in the new file ---- */

/* Turn by turn, in each by physical address. Places are counted from the end of the head.
 *   @return the end of the last */
static uint64_t place_pieces(struct pnd_vmcore_layout *layout)
{
    uint32_t turn = 0, next = 0;
    uint64_t at = 0;

    do {
        turn = next;
        next = PND_LAYOUT_REST;
        for (uint32_t i = 0; i < layout->piece_count; i++) {
            struct pnd_layout_piece *piece = &layout->pieces[i];

            if (piece->turn == turn) {
                piece->offset = place_for(at, piece->paddr);
                at = piece->offset + piece->bytes;
            } else if (piece->turn > turn && piece->turn < next) {
                next = piece->turn;
            }
        }
    } while (turn != PND_LAYOUT_REST);
    return at;
}

static void sort_pieces(struct pnd_vmcore_layout *layout)
{
    for (uint32_t i = 1; i < layout->piece_count; i++) {
        struct pnd_layout_piece piece = layout->pieces[i];
        uint32_t at = i;

        for (; at > 0 && layout->pieces[at - 1].offset > piece.offset; at--)
            layout->pieces[at] = layout->pieces[at - 1];
        layout->pieces[at] = piece;
    }
}

/* ---- segments of the new file ---- */

static int add_segment(struct pnd_vmcore_layout *layout, const struct pnd_vmcore_segment *segment)
{
    if (layout->segment_count == PND_LAYOUT_SEGMENTS_MAX)
        return PND_E_RANGE;
    layout->segments[layout->segment_count++] = *segment;
    return PND_OK;
}

/* Those of one of the old core. What has memory but no bytes keeps that, at its end. */
static int split_segment(struct pnd_vmcore_layout *layout, const struct pnd_vmcore_segment *old)
{
    struct pnd_vmcore_segment part = *old;
    uint64_t end = old->paddr + old->bytes;
    int err = PND_OK;

    part.offset = part.bytes = 0;
    for (uint32_t i = 0; !err && i < layout->piece_count; i++) {
        const struct pnd_layout_piece *piece = &layout->pieces[i];
        uint64_t from = part.paddr + part.bytes, skip, now;

        if (from < piece->paddr || from - piece->paddr >= piece->bytes || from == end)
            continue;
        skip = from - piece->paddr;
        now = lesser(piece->bytes - skip, end - from);
        if (part.bytes > 0 && part.offset + part.bytes != piece->offset + skip) {
            part.memory_bytes = part.bytes;
            err = add_segment(layout, &part);
            part.vaddr += has_vaddr(old) ? part.bytes : 0;
            part.paddr = from;
            part.bytes = 0;
        }
        if (part.bytes == 0)
            part.offset = piece->offset + skip;
        part.bytes += now;
    }
    part.memory_bytes = old->memory_bytes - (part.paddr - old->paddr);
    return err ? err : add_segment(layout, &part);
}

static void sort_segments(struct pnd_vmcore_layout *layout)
{
    for (uint32_t i = 1; i < layout->segment_count; i++) {
        struct pnd_vmcore_segment segment = layout->segments[i], *at = &layout->segments[i];

        for (; at > layout->segments &&
               (at[-1].vaddr != segment.vaddr ? at[-1].vaddr > segment.vaddr
                                              : at[-1].paddr > segment.paddr);
             at--)
            *at = at[-1];
        *at = segment;
    }
}

static uint64_t notes_at(const struct pnd_vmcore_layout *layout)
{
    return EHDR_BYTES + PHDR_BYTES * (uint64_t)(1 + layout->segment_count);
}

/* Its own headers are the first bytes of the file; there are no sections. */
static int make_header(struct pnd_vmcore_layout *layout, const struct pnd_vmcore *vmcore)
{
    struct pnd_wr wr;
    int err = vmcore->source.read(vmcore->source.ctx, 0, layout->elf_header, EHDR_BYTES);

    wr = pnd_wr(layout->elf_header + 32, 16);
    pnd_wr_le64(&wr, EHDR_BYTES);
    pnd_wr_le64(&wr, 0);
    wr = pnd_wr(layout->elf_header + PHNUM_AT, 8);
    pnd_wr_le16(&wr, (uint16_t)(1 + layout->segment_count));
    pnd_wr_le16(&wr, 0);
    pnd_wr_le16(&wr, 0);
    pnd_wr_le16(&wr, 0);
    return err;
}

int pnd_vmcore_layout(struct pnd_vmcore *vmcore, const struct pnd_vmcore_range *first,
                      size_t first_count, struct pnd_vmcore_layout *layout)
{
    struct spans spans = {.count = 0};
    uint64_t end;
    int err;

    layout->piece_count = layout->segment_count = layout->old_count = 0;
    layout->notes = layout->notes_bytes = 0;
    err = read_segments(layout, vmcore);
    for (size_t i = 0; !err && i < first_count; i++)
        find_spans(layout, &first[i], (uint32_t)i, &spans);
    if (!err)
        err = make_pieces(layout, vmcore, &spans);
    if (err)
        return err;
    end = place_pieces(layout);
    for (uint32_t i = 0; !err && i < layout->old_count; i++)
        err = split_segment(layout, &layout->old[i]);
    if (err)
        return err;
    sort_segments(layout);
    sort_pieces(layout);
    layout->head_bytes = page_start(notes_at(layout) + layout->notes_bytes + PND_LAYOUT_PAGE - 1);
    layout->bytes = layout->head_bytes + end;
    for (uint32_t i = 0; i < layout->piece_count; i++)
        layout->pieces[i].offset += layout->head_bytes;
    for (uint32_t i = 0; i < layout->segment_count; i++)
        layout->segments[i].offset += layout->head_bytes;
    return make_header(layout, vmcore);
}

/* ---- the head ---- */

static void put_phdr(uint8_t buf[PHDR_BYTES], const struct pnd_vmcore_segment *segment)
{
    struct pnd_wr wr = pnd_wr(buf, PHDR_BYTES);

    pnd_wr_le32(&wr, segment->type);
    pnd_wr_le32(&wr, segment->flags);
    pnd_wr_le64(&wr, segment->offset);
    pnd_wr_le64(&wr, segment->vaddr);
    pnd_wr_le64(&wr, segment->paddr);
    pnd_wr_le64(&wr, segment->bytes);
    pnd_wr_le64(&wr, segment->memory_bytes);
    pnd_wr_le64(&wr, 0); /* no alignment is promised, as in /proc/vmcore */
}

/* Some bytes of the program headers, as many as one of them holds. @return how many */
static size_t head_phdr(const struct pnd_vmcore_layout *layout, uint32_t at, void *buf, size_t len)
{
    struct pnd_vmcore_segment notes = {.type = PND_VMCORE_NOTE,
                                       .offset = notes_at(layout),
                                       .bytes = layout->notes_bytes,
                                       .memory_bytes = layout->notes_bytes};
    uint32_t index = at / PHDR_BYTES, skip = at % PHDR_BYTES;
    uint8_t phdr[PHDR_BYTES];

    put_phdr(phdr, index == 0 ? &notes : &layout->segments[index - 1]);
    len = (size_t)lesser(len, PHDR_BYTES - skip);
    memcpy(buf, phdr + skip, len);
    return len;
}

int pnd_vmcore_layout_head(const struct pnd_vmcore_layout *layout, struct pnd_vmcore *vmcore,
                           uint64_t offset, void *buf, size_t len)
{
    const uint64_t notes = notes_at(layout), end = notes + layout->notes_bytes;
    const struct pnd_vmcore_source *source = &vmcore->source;
    uint8_t *out = buf;
    int err = PND_OK;

    if (offset > layout->head_bytes || len > layout->head_bytes - offset)
        return PND_E_RANGE;
    while (!err && len > 0) {
        size_t now;

        if (offset < EHDR_BYTES) {
            now = (size_t)lesser(len, EHDR_BYTES - offset);
            memcpy(out, layout->elf_header + offset, now);
        } else if (offset < notes) {
            now = head_phdr(layout, (uint32_t)(offset - EHDR_BYTES), out, len);
        } else if (offset < end) {
            now = (size_t)lesser(len, end - offset);
            err = source->read(source->ctx, layout->notes + (offset - notes), out, now);
        } else {
            now = len;
            memset(out, 0, now);
        }
        out += now;
        offset += now;
        len -= now;
    }
    return err;
}
