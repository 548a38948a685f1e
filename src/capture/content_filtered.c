/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A filtered dump: see content.h. What is static here is one dump's, some 420 KiB; the bits of
 * pnd_content_filtered_bytes() come on top.
 *
 * As in makedumpfile's files, a page of zeros is no page that is missing: it has its descriptor,
 * and all of them share one page of data. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "capture/content.h"
#include "capture/frames.h"
#include "capture/memory.h"
#include "capture/options.h"
#include "host/clock.h"
#include "host/text.h"
#include "image/kdump_write.h"
#include "image/page_select.h"
#include "image/vmcore_layout.h"
#include "image/vmcore_memory.h"
#include "sender/stop.h"
#include "wire/cursor.h"

enum {
    READ_BYTES = 256 * 1024,
    OUT_BYTES = 64 * 1024,
    LOG_MAX = 2 * PND_LAYOUT_FIRST_MAX, /* runs of frames */
    NOTE_HEAD_BYTES = 12,
    NOTES_MAX = 16384, /* one or two for each processor */
    UTS_FIELD = 65,
    SELECT_FRAMES = 1 << 18, /* at a time: 1 GiB of memory */
    ROOM_LEFT = 4 << 20,     /* bytes, for everything else */
    ROOM_SMALL = 1 << 20,    /* bytes that may be had without a question */
    SAY_MS = 5000,
    PAGE_SHIFT = 12, /* of the fewest bytes that a page has */
};

/* Frames [start, end). */
struct run {
    uint64_t start, end;
};

static struct filtered {
    struct pnd_vmcore_file *file;
    struct pnd_frames frames;
    struct pnd_page_select select;
    struct pnd_kdump_what what;
    struct pnd_kdump_places places;
    uint64_t notes; /* in the file */
    /* one bit for each frame, mapped; zero is NULL unless zeros are to be found */
    uint8_t *dumped, *zero;
    uint64_t mapped;
    uint64_t zero_count, log_count; /* pages */
    struct run log[LOG_MAX];        /* ascending, disjoint */
    unsigned log_runs;
    uint64_t said_ms; /* when the console last heard how far it is */
    uint8_t buf[READ_BYTES];
    /* what goes to the sink */
    const struct pnd_sink *sink;
    uint64_t written;
    size_t used;
    uint8_t out[OUT_BYTES];
} filtered;

static bool bit(const uint8_t *bitmap, uint64_t frame)
{
    return bitmap[frame / 8] >> frame % 8 & 1;
}

static uint64_t round4(uint64_t n)
{
    return (n + 3) & ~UINT64_C(3);
}

/* Finds VMCOREINFO in the notes of a segment. @return PND_OK; PND_E_NOTFOUND */
static int find_info(struct filtered *f, const struct pnd_vmcore_segment *notes)
{
    static const char name[] = "VMCOREINFO";
    uint64_t at = 0;

    for (unsigned i = 0; i < NOTES_MAX && at < notes->bytes; i++) {
        uint8_t buf[NOTE_HEAD_BYTES + sizeof(name)];
        struct pnd_rd rd = pnd_rd(buf, sizeof(buf));
        uint32_t name_len, desc_len;

        if (notes->bytes - at < sizeof(buf) ||
            pnd_vmcore_file_read(f->file, notes->offset + at, buf, sizeof(buf)) != PND_OK)
            break;
        name_len = pnd_rd_le32(&rd);
        desc_len = pnd_rd_le32(&rd);
        at += NOTE_HEAD_BYTES + round4(name_len);
        if (at > notes->bytes || desc_len > notes->bytes - at)
            break;
        if (name_len == sizeof(name) && memcmp(buf + NOTE_HEAD_BYTES, name, sizeof(name)) == 0) {
            f->notes = notes->offset;
            f->what.notes_bytes = notes->bytes;
            f->what.info_at = at;
            f->what.info_bytes = desc_len;
            return PND_OK;
        }
        at += round4(desc_len);
    }
    return PND_E_NOTFOUND;
}

static int find_notes(struct filtered *f)
{
    for (uint32_t i = 0;; i++) {
        struct pnd_vmcore_segment segment;
        int err = pnd_vmcore_segment(&f->file->vmcore, i, &segment);

        if (err)
            return err;
        if (segment.type == PND_VMCORE_NOTE && find_info(f, &segment) == PND_OK)
            return PND_OK;
    }
}

/* uname(2) of the kernel that died. */
static void read_names(struct filtered *f, struct pnd_vmcore_memory *memory)
{
    struct pnd_vmcore *vmcore = &f->file->vmcore;
    uint64_t at, offset = 0, ignored;
    uint8_t names[PND_KDUMP_UTS_FIELDS * UTS_FIELD];
    bool arm = pnd_vmcore_info_number(vmcore, "NUMBER(VA_BITS)", 10, &ignored);

    memcpy(f->what.uts[0], "Linux", sizeof("Linux"));
    memcpy(f->what.uts[2], vmcore->release, sizeof(vmcore->release));
    memcpy(f->what.uts[4], arm ? "aarch64" : "x86_64", arm ? sizeof("aarch64") : sizeof("x86_64"));
    pnd_vmcore_info_number(vmcore, "OFFSET(uts_namespace.name)", 10, &offset);
    if (!pnd_vmcore_info_number(vmcore, "SYMBOL(init_uts_ns)", 16, &at) ||
        pnd_vmcore_memory_read(memory, at + offset, names, sizeof(names)) != PND_OK ||
        memcmp(names, "Linux", sizeof("Linux")) != 0)
        return;
    for (unsigned i = 0; i < PND_KDUMP_UTS_FIELDS; i++)
        memcpy(f->what.uts[i], names + (size_t)i * UTS_FIELD, UTS_FIELD - 1);
}

static void add_log_run(struct filtered *f, struct run run)
{
    unsigned at = f->log_runs;

    if (run.end > f->frames.count)
        run.end = f->frames.count;
    if (f->log_runs == LOG_MAX || run.start >= run.end)
        return;
    for (; at > 0 && f->log[at - 1].start > run.start; at--)
        f->log[at] = f->log[at - 1];
    f->log[at] = run;
    f->log_runs++;
}

/* Where the kernel's log is, in frames. That it comes first is worth nothing to who reads the
 * whole dump: what cannot be found is no error. */
static void find_log(struct filtered *f, struct pnd_vmcore_memory *memory)
{
    struct pnd_vmcore_range ranges[PND_LAYOUT_FIRST_MAX];
    size_t count = 0;
    unsigned kept = 0;

    if (pnd_vmcore_log_ranges(&f->file->vmcore, ranges, &count) != PND_OK)
        return;
    for (size_t i = 0; i < count; i++) {
        uint64_t at = ranges[i].vaddr, left = ranges[i].bytes, paddr, bytes;

        while (left > 0 && f->log_runs < LOG_MAX &&
               pnd_vmcore_memory_find(memory, at, &paddr, &bytes) == PND_OK) {
            bytes = bytes < left ? bytes : left;
            add_log_run(f, (struct run){paddr >> f->frames.shift,
                                        ((paddr + bytes - 1) >> f->frames.shift) + 1});
            at += bytes;
            left -= bytes;
        }
    }
    for (unsigned i = 0; i < f->log_runs; i++) {
        if (kept > 0 && f->log[i].start <= f->log[kept - 1].end) {
            if (f->log[i].end > f->log[kept - 1].end)
                f->log[kept - 1].end = f->log[i].end;
        } else {
            f->log[kept++] = f->log[i];
        }
    }
    f->log_runs = kept;
}

/* Everything that can be said before a page is looked at. */
static int describe(struct filtered *f, unsigned level, struct pnd_why *why)
{
    struct pnd_vmcore *vmcore = &f->file->vmcore;
    struct pnd_vmcore_memory memory;
    int err = pnd_frames_open(f->file, &f->frames);

    if (err)
        return pnd_why(why, err, 0, "the segments of the dump: %s", pnd_err_text(err));
    err = find_notes(f);
    if (err)
        return pnd_why(why, err, 0, "the notes of the dump: %s", pnd_err_text(err));
    pnd_vmcore_memory_open(&memory, vmcore);
    read_names(f, &memory);
    f->what.block = UINT32_C(1) << f->frames.shift;
    f->what.level = level;
    f->what.frames = f->frames.count;
    f->what.time_s = vmcore->crash_time_s;
    pnd_vmcore_info_number(vmcore, "NUMBER(phys_base)", 10, &f->what.phys_base);
    err = pnd_kdump_places(&f->what, &f->places);
    if (err)
        return pnd_why(why, err, 0, "%" PRIu64 " page frames and %" PRIu64 " bytes of notes: %s",
                       f->what.frames, f->what.notes_bytes, pnd_err_text(err));
    find_log(f, &memory);
    return PND_OK;
}

/* How many bits are noted of each page. */
static unsigned maps(unsigned level)
{
    return level & PND_PAGE_ZERO ? 2 : 1;
}

uint64_t pnd_content_filtered_bytes(uint64_t machine, unsigned level)
{
    return level ? (machine >> PAGE_SHIFT) / 8 * maps(level) : 0;
}

/* Only bits of frames that are memory are ever touched, and those that choose() takes with them. */
static uint64_t memory_of_bits(const struct filtered *f)
{
    uint64_t touched =
        pnd_frames_present(&f->frames) / 8 + (uint64_t)f->frames.run_count * (SELECT_FRAMES / 8);

    return touched < f->mapped ? touched : f->mapped;
}

/* A crash kernel without memory kills who wants more: everything, which needs none, is better. */
static int check_room(const struct filtered *f, unsigned level, struct pnd_why *why)
{
    uint64_t need = memory_of_bits(f) * maps(level), have = 0;
    char need_text[PND_TEXT_BYTES_CAP], have_text[PND_TEXT_BYTES_CAP];

    if (need <= ROOM_SMALL || !pnd_memory_available(&have) || have >= need + ROOM_LEFT)
        return PND_OK;
    return pnd_why(why, PND_E_FULL, 0,
                   "what is to be noted of each page takes %s, and %s are free: crashkernel= is "
                   "too small for that",
                   pnd_text_bytes(need_text, sizeof(need_text), need),
                   pnd_text_bytes(have_text, sizeof(have_text), have));
}

static uint8_t *map_bits(uint64_t bytes)
{
    void *bits = MAP_FAILED;

    if (bytes <= SIZE_MAX)
        bits = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return bits == MAP_FAILED ? NULL : bits;
}

static void unmap_bits(struct filtered *f)
{
    if (f->dumped)
        munmap(f->dumped, (size_t)f->mapped);
    if (f->zero)
        munmap(f->zero, (size_t)f->mapped);
    f->dumped = f->zero = NULL;
}

/* Nothing is sent meanwhile: whoever looks at the console is told. */
static void say_progress(struct filtered *f, const char *what, uint64_t frame)
{
    uint64_t now = pnd_clock_ms();

    if (now - f->said_ms < SAY_MS)
        return;
    f->said_ms = now;
    printf("panicdump: %s: %u %%\n", what, (unsigned)(frame * 100 / f->frames.count));
}

/* The frames that are memory, without those that the level leaves out. */
static int choose(struct filtered *f, unsigned level, struct pnd_why *why)
{
    int err = pnd_page_select_open(&f->select, &f->file->vmcore, level);

    if (err == PND_E_NOTFOUND)
        return pnd_why(why, err, 0, "VMCOREINFO has no %s, so pages cannot be told apart",
                       pnd_page_select_missing(&f->select));
    if (err)
        return pnd_why(why, err, 0, "VMCOREINFO: %s", pnd_err_text(err));
    err = check_room(f, level, why);
    if (err)
        return err;
    f->dumped = map_bits(f->mapped);
    f->zero = level & PND_PAGE_ZERO ? map_bits(f->mapped) : NULL;
    if (!f->dumped || ((level & PND_PAGE_ZERO) && !f->zero))
        return pnd_why(why, PND_E_FULL, errno, "%" PRIu64 " bytes for a bit of each page",
                       f->mapped);
    for (uint64_t at = 0; at < f->mapped * 8; at += SELECT_FRAMES) {
        uint64_t count = f->mapped * 8 - at < SELECT_FRAMES ? f->mapped * 8 - at : SELECT_FRAMES;

        if (pnd_stop_signal())
            return pnd_why(why, PND_E_ABORTED, 0, "stopped while pages are chosen");
        if (!pnd_frames_any(&f->frames, at, count))
            continue; /* a hole between memories may be large: it costs nothing */
        pnd_frames_bitmap(&f->frames, at, count, f->dumped + at / 8);
        err = pnd_page_select_run(&f->select, at, count, f->dumped + at / 8);
        if (err)
            return pnd_why(why, err, 0, "struct page: %s", pnd_err_text(err));
        say_progress(f, "choosing pages", at);
    }
    return PND_OK;
}

/* Has this page data of its own? */
static bool has_data(const struct filtered *f, uint64_t frame)
{
    return bit(f->dumped, frame) && !(f->zero && bit(f->zero, frame));
}

/* The first frame of [at, end) that is in the dump; @p end: none is. Where nothing is, a hole as
 * large as it may be costs neither time nor memory. */
static uint64_t next_dumped(const struct filtered *f, uint64_t at, uint64_t end)
{
    while (at < end && !bit(f->dumped, at))
        at = at % 8 == 0 && f->dumped[at / 8] == 0 ? pnd_frames_next(&f->frames, at + 8) : at + 1;
    return at < end ? at : end;
}

/* The next run of pages with data in [at, end), as many as are read at once.
 *   @return how many, 0: there are no more */
static uint64_t next_run(const struct filtered *f, uint64_t at, uint64_t end, uint64_t *ret_start)
{
    uint64_t most = READ_BYTES >> f->frames.shift, count = 0;

    at = next_dumped(f, at, end);
    while (at < end && !has_data(f, at))
        at = next_dumped(f, at + 1, end);
    while (at + count < end && count < most && has_data(f, at + count))
        count++;
    *ret_start = at;
    return count;
}

static bool is_zero(const uint8_t *page, size_t bytes)
{
    return page[0] == 0 && memcmp(page, page + 1, bytes - 1) == 0;
}

/* Which of the pages are nothing but zeros: this reads them all. */
static int find_zeros(struct filtered *f, struct pnd_why *why)
{
    uint64_t start = 0, count;

    while (f->zero && (count = next_run(f, start, f->frames.count, &start)) > 0) {
        int err = pnd_frames_read(&f->frames, start, count, f->buf);

        if (err)
            return pnd_why(why, err, 0, "pages from frame %#" PRIx64 ": %s", start,
                           pnd_err_text(err));
        for (uint64_t i = 0; i < count; i++)
            if (is_zero(f->buf + (i << f->frames.shift), f->what.block))
                f->zero[(start + i) / 8] |= (uint8_t)(1U << (start + i) % 8);
        start += count;
        say_progress(f, "looking for zeros", start);
    }
    return PND_OK;
}

/* Counts, now that it is known which pages there are. */
static int settle(struct filtered *f, uint64_t *ret_bytes)
{
    uint64_t end = f->frames.count, with_data;

    f->what.dumped = f->zero_count = f->log_count = 0;
    for (uint64_t i = next_dumped(f, 0, end); i < end; i = next_dumped(f, i + 1, end)) {
        f->what.dumped++;
        f->zero_count += f->zero && bit(f->zero, i);
    }
    for (unsigned i = 0; i < f->log_runs; i++)
        for (uint64_t at = f->log[i].start; at < f->log[i].end; at++)
            f->log_count += has_data(f, at);
    with_data = f->what.dumped - f->zero_count + (f->zero_count > 0);
    if (pnd_kdump_places(&f->what, &f->places))
        return PND_E_FORMAT;
    *ret_bytes = f->places.data + (with_data << f->frames.shift);
    return PND_OK;
}

static int flush(struct filtered *f)
{
    size_t len = f->used;

    f->used = 0;
    return len ? f->sink->write(f->sink->ctx, f->out, len) : PND_OK;
}

static int put(struct filtered *f, const void *data, uint64_t len)
{
    const uint8_t *at = data;

    f->written += len;
    while (len > 0) {
        size_t room = sizeof(f->out) - f->used, piece = len < room ? (size_t)len : room;
        int err;

        memcpy(f->out + f->used, at, piece);
        f->used += piece;
        at += piece;
        len -= piece;
        err = f->used == sizeof(f->out) ? flush(f) : PND_OK;
        if (err)
            return err;
    }
    return PND_OK;
}

/* Zeros, up to a place. */
static int pad(struct filtered *f, uint64_t to)
{
    static const uint8_t zeros[4096];
    int err = PND_OK;

    while (!err && f->written < to)
        err = put(f, zeros, to - f->written < sizeof(zeros) ? to - f->written : sizeof(zeros));
    return err;
}

static int put_headers(struct filtered *f)
{
    uint8_t first[PND_KDUMP_FIRST_BYTES], second[PND_KDUMP_SECOND_BYTES];
    int err;

    pnd_kdump_write_first(&f->what, &f->places, first);
    pnd_kdump_write_second(&f->what, &f->places, second);
    err = put(f, first, sizeof(first));
    if (!err)
        err = pad(f, f->places.second);
    if (!err)
        err = put(f, second, sizeof(second));
    for (uint64_t at = 0; !err && at < f->what.notes_bytes; at += READ_BYTES) {
        uint64_t left = f->what.notes_bytes - at, len = left < READ_BYTES ? left : READ_BYTES;

        err = pnd_vmcore_file_read(f->file, f->notes + at, f->buf, (size_t)len);
        if (!err)
            err = put(f, f->buf, len);
    }
    return err ? err : pad(f, f->places.exists);
}

static int put_bitmaps(struct filtered *f)
{
    const uint64_t block = f->what.block;
    int err = PND_OK;

    for (uint64_t at = 0; !err && at < f->places.bitmap_bytes; at += block) {
        pnd_frames_bitmap(&f->frames, at * 8, block * 8, f->buf);
        err = put(f, f->buf, block);
    }
    memset(f->buf, 0, (size_t)block);
    for (uint64_t at = 0; !err && at < f->places.bitmap_bytes; at += block)
        err =
            put(f, pnd_frames_any(&f->frames, at * 8, block * 8) ? f->dumped + at : f->buf, block);
    return err;
}

/* Descriptors of the frames [at, end); the data of those that have their own comes in their order,
 * from @p data on. */
static int put_descs(struct filtered *f, uint64_t at, uint64_t end, uint64_t *data)
{
    int err = PND_OK;

    for (at = next_dumped(f, at, end); !err && at < end; at = next_dumped(f, at + 1, end)) {
        uint8_t desc[PND_KDUMP_DESC_BYTES];

        if (has_data(f, at)) {
            pnd_kdump_write_desc(*data, f->what.block, desc);
            *data += f->what.block;
        } else {
            pnd_kdump_write_desc(f->places.data, f->what.block, desc);
        }
        err = put(f, desc, sizeof(desc));
    }
    return err;
}

static int put_all_descs(struct filtered *f)
{
    uint64_t log = f->places.data + (f->zero_count ? f->what.block : 0), at = 0;
    uint64_t rest = log + (f->log_count << f->frames.shift);
    int err = PND_OK;

    for (unsigned i = 0; !err && i < f->log_runs; i++) {
        err = put_descs(f, at, f->log[i].start, &rest);
        if (!err)
            err = put_descs(f, f->log[i].start, f->log[i].end, &log);
        at = f->log[i].end;
    }
    if (!err)
        err = put_descs(f, at, f->frames.count, &rest);
    return err ? err : pad(f, f->places.data);
}

static int put_pages(struct filtered *f, uint64_t start, uint64_t end)
{
    uint64_t count;

    while ((count = next_run(f, start, end, &start)) > 0) {
        int err = pnd_frames_read(&f->frames, start, count, f->buf);

        if (!err)
            err = put(f, f->buf, count << f->frames.shift);
        if (err)
            return err;
        start += count;
    }
    return PND_OK;
}

/* The log, then the rest. */
static int put_all_pages(struct filtered *f)
{
    uint64_t at = 0;
    int err = f->zero_count ? pad(f, f->places.data + f->what.block) : PND_OK;

    for (unsigned i = 0; !err && i < f->log_runs; i++)
        err = put_pages(f, f->log[i].start, f->log[i].end);
    for (unsigned i = 0; !err && i < f->log_runs; i++) {
        err = put_pages(f, at, f->log[i].start);
        at = f->log[i].end;
    }
    return err ? err : put_pages(f, at, f->frames.count);
}

static int write_filtered(void *ctx, const struct pnd_sink *sink)
{
    struct filtered *f = ctx;
    int err;

    f->sink = sink;
    f->written = 0;
    f->used = 0;
    err = put_headers(f);
    if (!err)
        err = put_bitmaps(f);
    if (!err)
        err = put_all_descs(f);
    if (!err)
        err = put_all_pages(f);
    return err ? err : flush(f);
}

int pnd_content_filtered(struct pnd_vmcore_file *file, unsigned level, struct pnd_content *ret,
                         struct pnd_why *why)
{
    struct filtered *f = &filtered;
    uint64_t unreadable = file->unreadable_pages, bytes = 0;
    int err;

    unmap_bits(f);
    f->file = file;
    f->log_runs = 0;
    f->said_ms = pnd_clock_ms();
    memset(&f->what, 0, sizeof(f->what));
    if (level == 0 || level > PND_CAPTURE_FILTER_MAX || !file->understood)
        return pnd_why(why, PND_E_ARG, 0, "level %u of a dump that is%s understood", level,
                       file->understood ? "" : " not");
    err = describe(f, level, why);
    f->mapped = f->places.bitmap_bytes;
    if (!err)
        err = choose(f, level, why);
    if (!err)
        err = find_zeros(f, why);
    if (!err)
        err = settle(f, &bytes);
    file->unreadable_pages = unreadable; /* it counts what is sent */
    if (err) {
        unmap_bits(f);
        return err;
    }
    *ret = (struct pnd_content){.ctx = f, .bytes = bytes, .write = write_filtered};
    return PND_OK;
}
