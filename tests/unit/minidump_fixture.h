/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Minidumps of a few pages, in memory: header, message buffer, list of ranges or none, bitmap, page
 * tables, pages. Each page of memory is filled with its own number. */
#ifndef PND_TESTS_MINIDUMP_FIXTURE_H
#define PND_TESTS_MINIDUMP_FIXTURE_H

#include "image/minidump.h"
#include "tap.h"

enum {
    FILE_CAP = 256 << 10,
    PAGE = PND_MINIDUMP_PAGE,
    LOG_BYTES = 3 * PAGE - 100,
    TABLE_BYTES = 2 * PAGE,
    BITMAP_AT_PLAIN = 4 * PAGE,
};

struct file {
    uint8_t bytes[FILE_CAP];
    uint64_t len;
    uint64_t fails_at; /* a read that touches this byte fails; 0: none */
    unsigned reads;
};

static inline void set_le(uint8_t *at, uint64_t v, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(v >> (8 * i));
}

/* Without its NUL. */
static inline void set_text(uint8_t *at, const char *text)
{
    while (*text)
        *at++ = (uint8_t)*text++;
}

static inline int file_read(void *ctx, uint64_t offset, void *buf, size_t len)
{
    struct file *file = ctx;

    file->reads++;
    if (offset > file->len || len > file->len - offset)
        return PND_E_SHORT;
    if (file->fails_at && file->fails_at >= offset && file->fails_at - offset < len)
        return PND_E_SOURCE;
    memcpy(buf, file->bytes + offset, len);
    return PND_OK;
}

static inline void make_head(struct file *file, const char *arch, uint32_t version,
                             uint32_t bitmap_bytes, const char *log)
{
    memset(file, 0, sizeof(*file));
    snprintf((char *)file->bytes, 40, "minidump FreeBSD/%s", arch);
    set_le(file->bytes + 24, version, 4);
    set_le(file->bytes + 28, LOG_BYTES, 4);
    set_le(file->bytes + 32, bitmap_bytes, 4);
    set_le(file->bytes + 36, TABLE_BYTES, 4);
    set_le(file->bytes + 40, UINT64_C(0xfffffe0000000000), 8);
    set_le(file->bytes + 48, UINT64_C(0xfffff80000000000), 8);
    set_le(file->bytes + 56, UINT64_C(0xfffff80100000000), 8);
    set_text(file->bytes + PAGE, log);
    file->len = BITMAP_AT_PLAIN;
}

/* The bitmap and all behind it. @param bits  pages that are kept, ascending, by their bit */
static inline void add_pages(struct file *file, uint32_t bitmap_bytes, const unsigned *bits,
                             unsigned count)
{
    uint64_t bitmap = file->len, at = bitmap + (bitmap_bytes + PAGE - 1) / PAGE * PAGE;

    memset(file->bytes + at, 0xee, TABLE_BYTES);
    at += TABLE_BYTES;
    for (unsigned i = 0; i < count; i++, at += PAGE) {
        file->bytes[bitmap + bits[i] / 8] |= (uint8_t)(1u << bits[i] % 8);
        for (unsigned k = 0; k < PAGE; k += 4)
            set_le(file->bytes + at + k, bits[i] + 1, 4);
    }
    file->len = at;
}

/* amd64, version 2. */
static inline void make_plain(struct file *file, const char *log, const unsigned *bits,
                              unsigned count)
{
    make_head(file, "amd64", 2, PAGE, log);
    add_pages(file, PAGE, bits, count);
}

/* Ranges 0x1000-0x5000 (4 pages) and 0x100000-0x110000 (16). */
static inline void make_listed(struct file *file, const char *arch, const char *log,
                               const unsigned *bits, unsigned count)
{
    static const uint64_t list[] = {0x1000, 0x5000, 0x100000, 0x110000};

    make_head(file, arch, 3, PAGE, log);
    for (unsigned i = 0; i < 4; i++)
        set_le(file->bytes + file->len + (size_t)8 * i, list[i], 8);
    file->len += PAGE;
    add_pages(file, PAGE, bits, count);
}

#endif
