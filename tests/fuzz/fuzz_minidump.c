/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes as a FreeBSD minidump, without the space between its parts: 64 bytes of header, a byte
 * that says how many bytes follow for the list of memory ranges, those, and the bitmap. Runs of
 * pages ascend, do not touch one another, lie in the ranges, and follow one another in the file. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/minidump.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { READS_MAX = 8 };

struct parts {
    const uint8_t *head, *list, *bitmap;
    size_t list_len, bitmap_len;
    unsigned reads;
};

static struct pnd_minidump md;

static void copy(void *buf, size_t len, const uint8_t *from, size_t from_len, uint64_t offset)
{
    size_t there = offset < from_len ? from_len - (size_t)offset : 0;

    memset(buf, 0, len);
    if (there > 0)
        memcpy(buf, from + offset, there < len ? there : len);
}

static int read_parts(void *ctx, uint64_t offset, void *buf, size_t len)
{
    struct parts *parts = ctx;

    if (parts->reads++ == READS_MAX)
        return PND_E_SHORT;
    if (len > PND_MINIDUMP_PIECE)
        abort();
    if (offset == 0)
        copy(buf, len, parts->head, PND_MINIDUMP_HEADER_BYTES, 0);
    else if (md.layout == PND_MINIDUMP_UNKNOWN)
        copy(buf, len, parts->list, parts->list_len, 0);
    else if (offset < md.bitmap_offset || offset - md.bitmap_offset > md.bitmap_bytes - len)
        abort();
    else
        copy(buf, len, parts->bitmap, parts->bitmap_len, offset - md.bitmap_offset);
    return PND_OK;
}

static bool in_a_range(const struct pnd_minidump_run *run)
{
    uint64_t at = run->start;

    for (unsigned i = 0; i < md.range_count && at < run->end; i++) {
        if (md.ranges[i].start <= at && at < md.ranges[i].end)
            at = md.ranges[i].end;
    }
    return at >= run->end;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct parts parts = {.head = data};
    const struct pnd_minidump_source source = {.ctx = &parts, .read = read_parts};
    struct pnd_minidump_walk walk = {0};
    struct pnd_minidump_run run;
    uint64_t behind = 0, pages = 0;

    if (len < PND_MINIDUMP_HEADER_BYTES + 1)
        return 0;
    parts.list = data + PND_MINIDUMP_HEADER_BYTES + 1;
    parts.list_len = data[PND_MINIDUMP_HEADER_BYTES];
    if (parts.list_len > len - PND_MINIDUMP_HEADER_BYTES - 1)
        return 0;
    parts.bitmap = parts.list + parts.list_len;
    parts.bitmap_len = len - PND_MINIDUMP_HEADER_BYTES - 1 - parts.list_len;
    if (pnd_minidump_open(&md, &source) != PND_OK)
        return 0;
    if (strlen(md.arch) >= sizeof(md.arch) || md.range_count > PND_MINIDUMP_RANGES_MAX)
        abort();
    while (pnd_minidump_next(&md, &walk, &run) == PND_OK) {
        if (run.start >= run.end || (pages > 0 && run.start <= behind - 1) || !in_a_range(&run) ||
            run.offset != md.pages_offset + pages * PND_MINIDUMP_PAGE)
            abort();
        behind = run.end;
        pages += (run.end - run.start) / PND_MINIDUMP_PAGE;
        if (pages != walk.pages)
            abort();
    }
    return 0;
}
