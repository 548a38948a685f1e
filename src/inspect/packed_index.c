/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The index of a packed stream; see packed.h. */
#include <stdlib.h>
#include <string.h>

#include "inspect/packed.h"

enum {
    SPACING_FIRST = 1 << 20,
    BITS_MASK = 7, /* of z_stream.data_type: bits of the last byte that are not used yet */
};

void pnd_packed_index_init(struct pnd_packed_index *index)
{
    index->count = 0;
    index->spacing = SPACING_FIRST;
}

void pnd_packed_index_deinit(struct pnd_packed_index *index)
{
    for (unsigned i = 0; i < index->count; i++)
        free(index->points[i].window);
    index->count = 0;
}

bool pnd_packed_index_wants(const struct pnd_packed_index *index, uint64_t content)
{
    return index->count == 0 || content - index->points[index->count - 1].content >= index->spacing;
}

const struct pnd_packed_point *pnd_packed_index_find(const struct pnd_packed_index *index,
                                                     uint64_t content)
{
    unsigned low = 0, high = index->count;

    while (low < high) {
        unsigned mid = low + (high - low) / 2;

        if (index->points[mid].content <= content)
            low = mid + 1;
        else
            high = mid;
    }
    return low ? &index->points[low - 1] : NULL;
}

/* Every other point goes, but not the first. */
static void thin_out(struct pnd_packed_index *index)
{
    unsigned out = 0;

    for (unsigned i = 0; i < index->count; i++) {
        if (i % 2 == 0)
            index->points[out++] = index->points[i];
        else
            free(index->points[i].window);
    }
    index->count = out;
    index->spacing *= 2;
}

/* Copies what came before, as far back as deflate may refer. */
static bool take_window(struct pnd_packed *packed, struct pnd_packed_point *point)
{
    uInt len = 0;

    point->window = malloc(PND_PACKED_WINDOW);
    if (!point->window)
        return false;
    if (inflateGetDictionary(&packed->z, point->window, &len) != Z_OK) {
        free(point->window);
        return false;
    }
    point->window_len = len;
    point->bits = (uint8_t)(packed->z.data_type & BITS_MASK);
    point->byte = packed->last_byte;
    return true;
}

void pnd_packed_index_add(struct pnd_packed_index *index, struct pnd_packed *packed,
                          uint64_t stored, uint64_t content)
{
    struct pnd_packed_point point = {.stored = stored, .content = content};

    if (index->count == PND_PASS_POINTS_MAX)
        thin_out(index);
    if (!pnd_packed_index_wants(index, content))
        return;
    if (packed && !(packed->kind == PND_PACKED_LZ4 ? pnd_packed_lz4_mark(packed, &point)
                                                   : take_window(packed, &point)))
        return;
    index->points[index->count++] = point;
}
