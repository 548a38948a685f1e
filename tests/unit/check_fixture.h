/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Cores to be checked: whole ones of every kind, and files that hold them. */
#ifndef PND_TESTS_CHECK_FIXTURE_H
#define PND_TESTS_CHECK_FIXTURE_H

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <zlib.h>

#include "inspect/check.h"
#include "tap.h"

enum {
    ELF_LEN = 0x3000,   /* what make_elf() promises */
    MACHO_LEN = 0x2028, /* what make_macho() promises: the last thing is a note */
    PACKED_CAP = 1 << 16,
};

static inline void set_le(uint8_t *at, uint64_t v, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(v >> (8 * i));
}

/* Text without its NUL. */
static inline void put_text(void *at, const char *text)
{
    for (uint8_t *to = at; *text; text++)
        *to++ = (uint8_t)*text;
}

/* Bytes that no compressor shortens much, so that cuts fall within data. */
static inline void fill_noise(uint8_t *at, size_t len)
{
    uint32_t x = 0x12345678;

    for (size_t i = 0; i < len; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        at[i] = (uint8_t)x;
    }
}

/* A note at 0x1000 of 0x800, a load at 0x2000 of 0x1000. */
static inline void make_elf(uint8_t buf[ELF_LEN])
{
    const uint8_t ident[7] = {0x7f, 'E', 'L', 'F', 2, 1, 1};

    memset(buf, 0, 0x1000);
    fill_noise(buf + 0x1000, ELF_LEN - 0x1000);
    memcpy(buf, ident, sizeof(ident));
    set_le(buf + 16, 4, 2);
    set_le(buf + 18, 62, 2);
    set_le(buf + 32, 64, 8);
    set_le(buf + 54, 56, 2);
    set_le(buf + 56, 2, 2);
    set_le(buf + 64, 4, 4);
    set_le(buf + 64 + 8, 0x1000, 8);
    set_le(buf + 64 + 32, 0x800, 8);
    set_le(buf + 120, 1, 4);
    set_le(buf + 120 + 8, 0x2000, 8);
    set_le(buf + 120 + 32, 0x1000, 8);
}

/* A segment at 0x1000 of 0x1000, a thread, a note at 0x2000 of 40. */
static inline void make_macho(uint8_t buf[MACHO_LEN])
{
    uint8_t *at = buf + 32;

    memset(buf, 0, 0x1000);
    fill_noise(buf + 0x1000, MACHO_LEN - 0x1000);
    set_le(buf, 0xfeedfacf, 4);
    set_le(buf + 4, 0x01000007, 4);
    set_le(buf + 12, 4, 4);
    set_le(buf + 16, 3, 4);
    set_le(buf + 20, 72 + 16 + 40, 4);
    set_le(at, 0x19, 4);
    set_le(at + 4, 72, 4);
    set_le(at + 32, 0x1000, 8);
    set_le(at + 40, 0x1000, 8);
    set_le(at + 48, 0x1000, 8);
    set_le(at + 56, 1, 4);
    at += 72;
    set_le(at, 4, 4);
    set_le(at + 4, 16, 4);
    at += 16;
    set_le(at, 0x31, 4);
    set_le(at + 4, 40, 4);
    set_le(at + 24, 0x2000, 8);
    set_le(at + 32, 40, 8);
}

/* As the panicking kernel does it: level 1, 4 KiB window. */
static inline size_t pack(const uint8_t *data, size_t len, uint8_t packed[PACKED_CAP])
{
    z_stream z = {0};
    size_t got;

    if (deflateInit2(&z, 1, Z_DEFLATED, 12 + 16, 3, Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
    z.next_in = (z_const Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)len;
    z.next_out = packed;
    z.avail_out = PACKED_CAP;
    if (deflate(&z, Z_FINISH) != Z_STREAM_END)
        abort();
    got = PACKED_CAP - z.avail_out;
    deflateEnd(&z);
    return got;
}

static inline int file_of(const void *data, size_t len)
{
    int fd = memfd_create("dump", MFD_CLOEXEC);

    if (fd < 0 || pwrite(fd, data, len, 0) != (ssize_t)len)
        abort();
    return fd;
}

static inline struct pnd_check check_bytes(const void *data, size_t len)
{
    struct pnd_check check = {0};
    struct pnd_why why = {0};
    int fd = file_of(data, len);

    CHECK_EQ(pnd_check_file(fd, NULL, NULL, &check, NULL, &why), PND_OK);
    CHECK_STR(why.text, "");
    CHECK_EQ(check.bytes, len);
    close(fd);
    return check;
}

#endif
