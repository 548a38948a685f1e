/* SPDX-License-Identifier: BSD-2-Clause */
#include "proto/ranges.h"

#include <stdbool.h>
#include <string.h>

/* @return the number of ranges that end at or before @p offset: the next one is the first that
 *         may hold a byte at or behind it */
static unsigned before(const struct pnd_ranges *ranges, uint64_t offset)
{
    unsigned low = 0, high = ranges->count;

    /* What has arrived is behind all the rest, but for what fills a hole. */
    if (high && ranges->at[high - 1].end <= offset)
        return high;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;

        if (ranges->at[middle].end <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int pnd_ranges_missing(const struct pnd_ranges *ranges, uint64_t start, uint64_t end,
                       struct pnd_span *ret)
{
    unsigned next = before(ranges, start);

    if (next < ranges->count && ranges->at[next].start <= start)
        start = ranges->at[next++].end;
    if (next < ranges->count && ranges->at[next].start < end)
        end = ranges->at[next].start;
    if (start >= end)
        return PND_E_NOTFOUND;
    *ret = (struct pnd_span){.start = start, .end = end, .sum = 0};
    return PND_OK;
}

static void move(struct pnd_ranges *ranges, unsigned to, unsigned from)
{
    memmove(&ranges->at[to], &ranges->at[from], (ranges->count - from) * sizeof(ranges->at[0]));
    ranges->count = ranges->count - from + to;
}

int pnd_ranges_add(struct pnd_ranges *ranges, const struct pnd_span *span)
{
    unsigned next = before(ranges, span->start);
    bool joins_left = next > 0 && ranges->at[next - 1].end == span->start;
    bool joins_right = next < ranges->count && ranges->at[next].start == span->end;

    if (joins_left) {
        struct pnd_span *left = &ranges->at[next - 1];

        left->end = joins_right ? ranges->at[next].end : span->end;
        left->sum += span->sum;
        if (joins_right) {
            left->sum += ranges->at[next].sum;
            move(ranges, next, next + 1);
        }
    } else if (joins_right) {
        ranges->at[next].start = span->start;
        ranges->at[next].sum += span->sum;
    } else if (ranges->count == PND_RANGES_CAP) {
        return PND_E_FULL;
    } else {
        move(ranges, next + 1, next);
        ranges->at[next] = *span;
    }
    return PND_OK;
}

int pnd_ranges_take(struct pnd_ranges *ranges, uint64_t start, struct pnd_span *ret)
{
    if (ranges->count == 0 || ranges->at[0].start != start)
        return PND_E_NOTFOUND;
    *ret = ranges->at[0];
    move(ranges, 0, 1);
    return PND_OK;
}
