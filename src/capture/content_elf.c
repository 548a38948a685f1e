/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Everything that /proc/vmcore has, in the order in which it is worth having: see content.h. */
#include "capture/content.h"

#include <string.h>

#include "image/vmcore_layout.h"

enum {
    READ_BYTES = 256 * 1024,
    UTS_BYTES = 512, /* six names of 65 bytes, and what is before them */
};

static struct elf_content {
    struct pnd_vmcore_file *file;
    struct pnd_vmcore reader; /* its source gives X for what cannot be read */
    struct pnd_vmcore_layout layout;
    uint8_t buf[READ_BYTES];
} content;

static int read_any(void *ctx, uint64_t offset, void *buf, size_t len)
{
    return pnd_vmcore_file_read(ctx, offset, buf, len);
}

/* Is all of it in the file? One that was cut short is sent as it is. */
static bool is_there(const struct pnd_vmcore_layout *layout, uint64_t bytes)
{
    for (uint32_t i = 0; i < layout->piece_count; i++)
        if (layout->pieces[i].source > bytes ||
            layout->pieces[i].bytes > bytes - layout->pieces[i].source)
            return false;
    return layout->notes <= bytes && layout->notes_bytes <= bytes - layout->notes;
}

/* What the machine calls itself, then why it died: the text of the log is the last of its ranges.
 * Without a log, or with one that cannot be read, the rest is worth as much.
 *   @return ranges */
static size_t find_first(struct pnd_vmcore *vmcore, struct pnd_vmcore_range *ret)
{
    struct pnd_vmcore_range log[PND_LAYOUT_FIRST_MAX];
    size_t log_count = 0, count = 0;

    if (pnd_vmcore_info_number(vmcore, "SYMBOL(init_uts_ns)", 16, &ret[0].vaddr))
        ret[count++].bytes = UTS_BYTES;
    if (pnd_vmcore_log_ranges(vmcore, log, &log_count))
        return count;
    memcpy(ret + count, log, log_count * sizeof(log[0]));
    return count + log_count;
}

static int lay_out(struct elf_content *c)
{
    struct pnd_vmcore_range first[1 + PND_LAYOUT_FIRST_MAX];
    int err;

    if (!c->file->understood)
        return PND_E_FORMAT;
    err =
        pnd_vmcore_layout(&c->file->vmcore, first, find_first(&c->file->vmcore, first), &c->layout);
    return err == PND_OK && !is_there(&c->layout, c->file->bytes) ? PND_E_FORMAT : err;
}

/* One piece, which is the file. */
static void as_it_stands(struct elf_content *c)
{
    c->layout.head_bytes = 0;
    c->layout.bytes = c->file->bytes;
    c->layout.piece_count = c->file->bytes > 0;
    c->layout.pieces[0] = (struct pnd_layout_piece){.bytes = c->file->bytes};
}

static size_t part_of(uint64_t left)
{
    return left < READ_BYTES ? (size_t)left : (size_t)READ_BYTES;
}

static int write_head(struct elf_content *c, const struct pnd_sink *sink)
{
    uint64_t end = c->layout.head_bytes;
    int err = PND_OK;

    for (uint64_t at = 0; !err && at < end;) {
        size_t len = part_of(end - at);

        err = pnd_vmcore_layout_head(&c->layout, &c->reader, at, c->buf, len);
        if (!err)
            err = sink->write(sink->ctx, c->buf, len);
        at += len;
    }
    return err;
}

static int write_piece(struct elf_content *c, const struct pnd_layout_piece *piece,
                       const struct pnd_sink *sink)
{
    int err = PND_OK;

    for (uint64_t at = 0; !err && at < piece->bytes;) {
        size_t len = part_of(piece->bytes - at);

        err = pnd_vmcore_file_read(c->file, piece->source + at, c->buf, len);
        if (!err)
            err = sink->write(sink->ctx, c->buf, len);
        at += len;
    }
    return err;
}

static int write_elf(void *ctx, const struct pnd_sink *sink)
{
    struct elf_content *c = ctx;
    uint64_t at = c->layout.head_bytes;
    int err;

    c->file->unreadable_pages = 0;
    err = write_head(c, sink);
    for (uint32_t i = 0; !err && i < c->layout.piece_count; i++) {
        const struct pnd_layout_piece *piece = &c->layout.pieces[i];
        size_t gap = (size_t)(piece->offset - at); /* less than a page */

        memset(c->buf, 0, gap);
        if (gap > 0)
            err = sink->write(sink->ctx, c->buf, gap);
        if (!err)
            err = write_piece(c, piece, sink);
        at = piece->offset + piece->bytes;
    }
    return err;
}

int pnd_content_elf(struct pnd_vmcore_file *file, struct pnd_content *ret)
{
    int err;

    content.file = file;
    content.reader.source = (struct pnd_vmcore_source){.ctx = file, .read = read_any};
    err = lay_out(&content);
    if (err)
        as_it_stands(&content);
    *ret = (struct pnd_content){.ctx = &content, .bytes = content.layout.bytes, .write = write_elf};
    return err;
}
