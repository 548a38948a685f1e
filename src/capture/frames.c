/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Page frames of /proc/vmcore; see frames.h. */
#include "capture/frames.h"

#include <string.h>

enum {
    PAGE_SHIFT_MIN = 12,
    PAGE_SHIFT_MAX = 16,
};

/* Puts a segment at its place; that of the lower address first, and of two the longer. */
static int insert(struct pnd_frames *frames, const struct pnd_vmcore_segment *segment)
{
    struct pnd_frames_run run = {segment->paddr, segment->offset, segment->bytes};
    uint32_t at = frames->run_count;

    if (run.bytes > UINT64_MAX - run.paddr)
        return PND_E_FORMAT;
    if (at == PND_FRAMES_RUNS_MAX)
        return PND_E_FULL;
    for (; at > 0; at--) {
        const struct pnd_frames_run *before = &frames->runs[at - 1];

        if (before->paddr < run.paddr || (before->paddr == run.paddr && before->bytes >= run.bytes))
            break;
        frames->runs[at] = *before;
    }
    frames->runs[at] = run;
    frames->run_count++;
    return PND_OK;
}

/* Takes from each run what one before it has. */
static void make_disjoint(struct pnd_frames *frames)
{
    uint64_t end = 0;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < frames->run_count; i++) {
        struct pnd_frames_run run = frames->runs[i];

        if (run.paddr + run.bytes <= end)
            continue;
        if (run.paddr < end) {
            run.offset += end - run.paddr;
            run.bytes -= end - run.paddr;
            run.paddr = end;
        }
        end = run.paddr + run.bytes;
        frames->runs[kept++] = run;
    }
    frames->run_count = kept;
    frames->count = kept ? ((end - 1) >> frames->shift) + 1 : 0;
}

int pnd_frames_open(struct pnd_vmcore_file *file, struct pnd_frames *ret)
{
    uint64_t page = 1 << PAGE_SHIFT_MIN;

    ret->file = file;
    ret->run_count = 0;
    pnd_vmcore_info_number(&file->vmcore, "PAGESIZE", 10, &page);
    for (ret->shift = PAGE_SHIFT_MIN; page != UINT64_C(1) << ret->shift; ret->shift++)
        if (ret->shift == PAGE_SHIFT_MAX)
            return PND_E_FORMAT;
    for (uint32_t i = 0; i < file->vmcore.phdr_count; i++) {
        struct pnd_vmcore_segment segment;
        int err = pnd_vmcore_segment(&file->vmcore, i, &segment);

        if (!err && segment.type == PND_VMCORE_LOAD && segment.bytes > 0)
            err = insert(ret, &segment);
        if (err)
            return err;
    }
    make_disjoint(ret);
    return ret->count ? PND_OK : PND_E_FORMAT;
}

/* The first run that ends behind @p paddr; run_count: none. */
static uint32_t find(const struct pnd_frames *frames, uint64_t paddr)
{
    uint32_t low = 0, high = frames->run_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (frames->runs[middle].paddr + frames->runs[middle].bytes > paddr)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

bool pnd_frames_any(const struct pnd_frames *frames, uint64_t first, uint64_t count)
{
    uint32_t i = find(frames, first << frames->shift);

    return i < frames->run_count && frames->runs[i].paddr >> frames->shift < first + count;
}

uint64_t pnd_frames_next(const struct pnd_frames *frames, uint64_t at)
{
    uint32_t i = find(frames, at << frames->shift);
    uint64_t start = i < frames->run_count ? frames->runs[i].paddr >> frames->shift : frames->count;

    return start > at ? start : at < frames->count ? at : frames->count;
}

uint64_t pnd_frames_present(const struct pnd_frames *frames)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < frames->run_count; i++)
        count += (frames->runs[i].bytes >> frames->shift) + 1;
    return count;
}

void pnd_frames_bitmap(const struct pnd_frames *frames, uint64_t first, uint64_t count,
                       uint8_t *ret)
{
    memset(ret, 0, (size_t)(count / 8));
    for (uint32_t i = find(frames, first << frames->shift); i < frames->run_count; i++) {
        const struct pnd_frames_run *run = &frames->runs[i];
        uint64_t at = run->paddr >> frames->shift;
        uint64_t end = ((run->paddr + run->bytes - 1) >> frames->shift) + 1;

        if (at >= first + count)
            return;
        at = at > first ? at - first : 0;
        end = end - first < count ? end - first : count;
        for (; at < end; at++) {
            if (at % 8 == 0 && end - at >= 8) {
                ret[at / 8] = 0xff;
                at += 7;
            } else {
                ret[at / 8] |= (uint8_t)(1U << at % 8);
            }
        }
    }
}

int pnd_frames_read(const struct pnd_frames *frames, uint64_t first, uint64_t count, void *buf)
{
    uint64_t paddr = first << frames->shift, end = (first + count) << frames->shift;
    uint8_t *at = buf;

    for (uint32_t i = find(frames, paddr); paddr < end; i++) {
        const struct pnd_frames_run *run = &frames->runs[i];
        uint64_t start = end, bytes, stop;
        int err;

        if (i < frames->run_count && run->paddr < end)
            start = run->paddr > paddr ? run->paddr : paddr;
        memset(at, 0, (size_t)(start - paddr));
        at += start - paddr;
        if (start == end)
            break;
        stop = run->paddr + run->bytes < end ? run->paddr + run->bytes : end;
        bytes = stop - start;
        err = pnd_vmcore_file_read(frames->file, run->offset + (start - run->paddr), at,
                                   (size_t)bytes);
        if (err)
            return err;
        at += bytes;
        paddr = stop;
    }
    return PND_OK;
}
