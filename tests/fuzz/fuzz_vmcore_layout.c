/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes as a core that is to be laid out anew: it is refused, or the new file has every byte
 * of the old segments once, in pieces that do not overlap, where its own headers say. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/vmcore_layout.h"

enum { HEAD_READ_MAX = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct bytes {
    const uint8_t *data;
    size_t len;
};

static struct pnd_vmcore vmcore;
static struct pnd_vmcore_layout layout;

static int read_bytes(void *ctx, uint64_t offset, void *buf, size_t len)
{
    const struct bytes *bytes = ctx;

    if (offset > bytes->len || bytes->len - offset < len)
        return PND_E_SOURCE;
    memcpy(buf, bytes->data + offset, len);
    return PND_OK;
}

static void check_pieces(void)
{
    uint64_t end = layout.head_bytes;

    for (uint32_t i = 0; i < layout.piece_count; i++) {
        const struct pnd_layout_piece *piece = &layout.pieces[i];

        if (piece->bytes == 0 || piece->offset < end || piece->offset - end >= PND_LAYOUT_PAGE)
            abort();
        if (i > 0 && piece->turn < piece[-1].turn)
            abort();
        end = piece->offset + piece->bytes;
    }
    if (layout.bytes != end)
        abort();
}

/* The bytes of an old segment, by their address, stand where the new headers say. */
static void check_source(const struct pnd_vmcore_segment *old, const struct pnd_vmcore_segment *new)
{
    uint64_t at = new->offset, paddr = new->paddr;

    for (uint32_t i = 0; i < layout.piece_count; i++) {
        const struct pnd_layout_piece *piece = &layout.pieces[i];

        if (at < piece->offset || at >= piece->offset + piece->bytes ||
            at >= new->offset + new->bytes)
            continue;
        if (piece->paddr + (at - piece->offset) != paddr)
            abort();
        paddr += piece->bytes - (at - piece->offset);
        at = piece->offset + piece->bytes;
    }
    if (at < new->offset + new->bytes || old->flags != new->flags)
        abort();
}

static void check_segments(void)
{
    uint64_t memory = 0, bytes = 0;

    for (uint32_t i = 0; i < layout.segment_count; i++) {
        const struct pnd_vmcore_segment *segment = &layout.segments[i];

        for (uint32_t o = 0; o < layout.old_count; o++) {
            const struct pnd_vmcore_segment *old = &layout.old[o];

            if (segment->paddr >= old->paddr && segment->paddr - old->paddr < old->bytes &&
                segment->bytes <= old->bytes - (segment->paddr - old->paddr) &&
                segment->vaddr - old->vaddr == segment->paddr - old->paddr &&
                segment->flags == old->flags) {
                check_source(old, segment);
                break;
            }
        }
        memory += segment->memory_bytes;
        bytes += segment->bytes;
    }
    for (uint32_t o = 0; o < layout.old_count; o++) {
        memory -= layout.old[o].memory_bytes;
        bytes -= layout.old[o].bytes;
    }
    if (memory != 0 || bytes != 0)
        abort();
}

static void check_head(void)
{
    static uint8_t head[HEAD_READ_MAX];
    size_t len = layout.head_bytes < sizeof(head) ? (size_t)layout.head_bytes : sizeof(head);
    struct pnd_vmcore_segment segment;
    struct bytes bytes = {head, len};
    struct pnd_vmcore again = {
        .source = {&bytes, read_bytes}, .phdr_offset = 64, .phdr_count = layout.segment_count + 1};

    if (pnd_vmcore_layout_head(&layout, &vmcore, 0, head, len) != PND_OK)
        return; /* the notes are not all there */
    for (uint32_t i = 0; i < layout.segment_count && 64 + (i + 2) * 56 <= len; i++)
        if (pnd_vmcore_segment(&again, i + 1, &segment) != PND_OK ||
            segment.offset != layout.segments[i].offset ||
            segment.bytes != layout.segments[i].bytes)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct pnd_vmcore_range first[PND_LAYOUT_FIRST_MAX];
    struct bytes bytes = {data, len};
    struct pnd_vmcore_source source = {&bytes, read_bytes};
    size_t count = 0;

    if (pnd_vmcore_open(&vmcore, &source) != PND_OK)
        return 0;
    if (pnd_vmcore_log_ranges(&vmcore, first, &count) != PND_OK) {
        for (count = 0; count < 4 && (count + 1) * sizeof(first[0]) < len; count++)
            memcpy(&first[count], data + len - (count + 1) * sizeof(first[0]), sizeof(first[0]));
    }
    if (pnd_vmcore_layout(&vmcore, first, count, &layout) != PND_OK)
        return 0;
    check_pieces();
    check_segments();
    check_head();
    return 0;
}
