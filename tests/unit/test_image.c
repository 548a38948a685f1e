/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The readers of core headers, against headers written here field by field. */
#include "image/elf.h"
#include "image/gzip_header.h"
#include "image/macho.h"
#include "tap.h"
#include "wire/cursor.h"

enum { BUF_CAP = 4096 };

static void put(struct pnd_wr *wr, bool big, uint64_t v, size_t size)
{
    uint8_t *p = pnd_wr_room(wr, size);

    for (size_t i = 0; p && i < size; i++)
        p[big ? size - 1 - i : i] = i < 8 ? (uint8_t)(v >> (8 * i)) : 0;
}

static void put_elf_header(struct pnd_wr *wr, bool is64, bool big, uint64_t phoff, uint64_t shoff,
                           uint16_t phnum)
{
    const uint8_t ident[16] = {0x7f, 'E', 'L', 'F', is64 ? 2 : 1, big ? 2 : 1, 1};
    size_t word = is64 ? 8 : 4;

    pnd_wr_bytes(wr, ident, sizeof(ident));
    put(wr, big, PND_ELF_TYPE_CORE, 2);
    put(wr, big, 62, 2);
    put(wr, big, 1, 4);
    put(wr, big, 0, word);
    put(wr, big, phoff, word);
    put(wr, big, shoff, word);
    put(wr, big, 0, 4);
    put(wr, big, is64 ? 64 : 52, 2);
    put(wr, big, is64 ? 56 : 32, 2);
    put(wr, big, phnum, 2);
    put(wr, big, 0, 2 + 2 + 2);
}

static void put_elf_segment(struct pnd_wr *wr, bool is64, bool big, uint32_t type, uint64_t offset,
                            uint64_t size)
{
    size_t word = is64 ? 8 : 4;

    put(wr, big, type, 4);
    if (is64)
        put(wr, big, 4, 4);
    put(wr, big, offset, word);
    put(wr, big, 0x11110000, word);
    put(wr, big, 0x22220000, word);
    put(wr, big, size, word);
    put(wr, big, size + 7, word);
    if (!is64)
        put(wr, big, 4, 4);
    put(wr, big, 0, word);
}

static size_t make_elf(uint8_t *buf, bool is64, bool big)
{
    struct pnd_wr wr = pnd_wr(buf, BUF_CAP);

    put_elf_header(&wr, is64, big, is64 ? 64 : 52, 0, 2);
    put_elf_segment(&wr, is64, big, PND_ELF_PT_NOTE, 0x200, 0x30);
    put_elf_segment(&wr, is64, big, PND_ELF_PT_LOAD, 0x1000, 0x2000);
    return pnd_wr_len(&wr);
}

static void reads_elf_cores_of_both_sizes_and_byte_orders(void)
{
    for (int form = 0; form < 4; form++) {
        bool is64 = form & 1, big = form & 2;
        struct pnd_elf_segment seg;
        struct pnd_elf elf;
        uint8_t buf[BUF_CAP];
        size_t len = make_elf(buf, is64, big);

        CHECK(pnd_elf_is(buf, len));
        CHECK_EQ(pnd_elf_parse(buf, len, &elf), PND_OK);
        CHECK_EQ(elf.is64, is64);
        CHECK_EQ(elf.big, big);
        CHECK_EQ(elf.type, PND_ELF_TYPE_CORE);
        CHECK_EQ(elf.machine, 62);
        CHECK_EQ(elf.phnum, 2);
        CHECK_EQ(elf.table_end, len);
        CHECK_EQ(pnd_elf_segment(&elf, buf, len, 0, &seg), PND_OK);
        CHECK_EQ(seg.type, PND_ELF_PT_NOTE);
        CHECK_EQ(pnd_elf_segment(&elf, buf, len, 1, &seg), PND_OK);
        CHECK_EQ(seg.type, PND_ELF_PT_LOAD);
        CHECK_EQ(seg.offset, 0x1000);
        CHECK_EQ(seg.filesz, 0x2000);
        CHECK_EQ(seg.memsz, 0x2007);
        CHECK_EQ(seg.vaddr, 0x11110000);
        CHECK_EQ(seg.paddr, 0x22220000);
        CHECK_EQ(pnd_elf_segment(&elf, buf, len, 2, &seg), PND_E_NOTFOUND);
    }
}

static void says_short_for_every_truncation_of_an_elf_core(void)
{
    for (int form = 0; form < 4; form++) {
        uint8_t buf[BUF_CAP];
        size_t len = make_elf(buf, form & 1, form & 2), head = form & 1 ? 64 : 52;

        for (size_t cut = 0; cut < len; cut++) {
            uint8_t *exact = malloc(cut + 1); /* so that a sanitizer sees one byte too far */
            struct pnd_elf_segment seg;
            struct pnd_elf elf;
            int err;

            if (!exact)
                abort();
            memcpy(exact + 1, buf, cut);
            err = pnd_elf_parse(exact + 1, cut, &elf);
            CHECK_EQ(err, cut < 4 ? PND_E_TYPE : cut < head ? PND_E_SHORT : PND_OK);
            if (err == PND_OK)
                CHECK_EQ(pnd_elf_segment(&elf, exact + 1, cut, 1, &seg), PND_E_SHORT);
            free(exact);
        }
    }
}

static void finds_the_segment_count_in_the_first_section_when_it_is_too_large_for_the_header(void)
{
    uint8_t buf[BUF_CAP];
    struct pnd_wr wr = pnd_wr(buf, sizeof(buf));
    struct pnd_elf elf;

    put_elf_header(&wr, true, false, 128, 64, PND_ELF_XNUM);
    put(&wr, false, 0, 44);
    put(&wr, false, 70000, 4);
    put(&wr, false, 0, 16);
    CHECK_EQ(pnd_elf_parse(buf, 128, &elf), PND_OK);
    CHECK_EQ(elf.phnum, 70000);
    CHECK(!elf.phnum_unknown);
    CHECK_EQ(elf.table_end, 128 + 70000 * 56);
    for (size_t cut = 64; cut < 112; cut++) {
        CHECK_EQ(pnd_elf_parse(buf, cut, &elf), PND_OK);
        CHECK(elf.phnum_unknown);
        CHECK_EQ(elf.phnum, PND_ELF_XNUM);
    }
    memset(buf + 64 + 44, 0xff, 4);
    CHECK_EQ(pnd_elf_parse(buf, 128, &elf), PND_E_RANGE);
}

static void refuses_elf_headers_that_cannot_be(void)
{
    struct pnd_elf_segment seg;
    struct pnd_elf elf;
    uint8_t buf[BUF_CAP];
    size_t len = make_elf(buf, true, false);

    buf[4] = 3;
    CHECK_EQ(pnd_elf_parse(buf, len, &elf), PND_E_FORMAT);
    len = make_elf(buf, true, false);
    buf[5] = 0;
    CHECK_EQ(pnd_elf_parse(buf, len, &elf), PND_E_FORMAT);
    len = make_elf(buf, true, false);
    buf[54] = 55; /* entry size */
    CHECK_EQ(pnd_elf_parse(buf, len, &elf), PND_E_FORMAT);
    len = make_elf(buf, true, false);
    memset(buf + 32, 0xff, 8); /* table offset */
    CHECK_EQ(pnd_elf_parse(buf, len, &elf), PND_E_FORMAT);
    len = make_elf(buf, true, false);
    memset(buf + 64 + 56 + 8, 0xff, 8); /* offset of segment 1 */
    CHECK_EQ(pnd_elf_parse(buf, len, &elf), PND_OK);
    CHECK_EQ(pnd_elf_segment(&elf, buf, len, 1, &seg), PND_E_FORMAT);
    buf[0] = 'x';
    CHECK_EQ(pnd_elf_parse(buf, len, &elf), PND_E_TYPE);
}

static void put_macho_header(struct pnd_wr *wr, bool is64, bool big, uint32_t ncmds, uint32_t size)
{
    put(wr, big, is64 ? 0xfeedfacf : 0xfeedface, 4);
    put(wr, big, 0x01000007, 4);
    put(wr, big, 3, 4);
    put(wr, big, PND_MACHO_TYPE_CORE, 4);
    put(wr, big, ncmds, 4);
    put(wr, big, size, 4);
    put(wr, big, 0, is64 ? 8 : 4);
}

static void put_macho_segment(struct pnd_wr *wr, bool is64, bool big, uint64_t offset,
                              uint64_t size)
{
    size_t word = is64 ? 8 : 4;

    put(wr, big, is64 ? PND_MACHO_LC_SEGMENT_64 : PND_MACHO_LC_SEGMENT, 4);
    put(wr, big, is64 ? 72 : 56, 4);
    pnd_wr_bytes(wr, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    put(wr, big, 0x44440000, word);
    put(wr, big, size, word);
    put(wr, big, offset, word);
    put(wr, big, size, word);
    put(wr, big, 1, 4);
    put(wr, big, 1, 4);
    put(wr, big, 0, 8);
}

/* A segment, a note, a thread, an ident. */
static size_t make_macho(uint8_t *buf, bool is64, bool big)
{
    uint32_t size = (is64 ? 72 : 56) + 40 + 16 + 264;
    struct pnd_wr wr = pnd_wr(buf, BUF_CAP);

    put_macho_header(&wr, is64, big, 4, size);
    put_macho_segment(&wr, is64, big, 0x1000, 0x3000);
    put(&wr, big, PND_MACHO_LC_NOTE, 4);
    put(&wr, big, 40, 4);
    pnd_wr_bytes(&wr, "main bin spec\0\0", 16);
    put(&wr, big, 0x4000, 8);
    put(&wr, big, 40, 8);
    put(&wr, big, PND_MACHO_LC_THREAD, 4);
    put(&wr, big, 16, 4);
    put(&wr, big, 4, 4);
    put(&wr, big, 0, 4);
    put(&wr, big, 8, 4);
    put(&wr, big, 264, 4);
    for (int i = 0; i < 32; i++)
        put(&wr, big, 0, 8);
    return pnd_wr_len(&wr);
}

static void walks_macho_cores_of_both_sizes_and_byte_orders(void)
{
    for (int form = 0; form < 4; form++) {
        bool is64 = form & 1, big = form & 2;
        struct pnd_macho_walk walk;
        struct pnd_macho_cmd cmd;
        struct pnd_macho macho;
        uint8_t buf[BUF_CAP];
        size_t len = make_macho(buf, is64, big);

        CHECK(pnd_macho_is(buf, len));
        CHECK_EQ(pnd_macho_parse(buf, len, &macho), PND_OK);
        CHECK_EQ(macho.is64, is64);
        CHECK_EQ(macho.big, big);
        CHECK_EQ(macho.filetype, PND_MACHO_TYPE_CORE);
        CHECK_EQ(macho.commands_end, len);
        pnd_macho_walk_init(&walk, &macho, buf, len);
        CHECK_EQ(pnd_macho_walk_next(&walk, &cmd), PND_OK);
        CHECK_EQ(cmd.kind, PND_MACHO_SEGMENT);
        CHECK_EQ(cmd.offset, 0x1000);
        CHECK_EQ(cmd.size, 0x3000);
        CHECK_EQ(cmd.vmaddr, 0x44440000);
        CHECK_EQ(cmd.maxprot, 1);
        CHECK_EQ(pnd_macho_walk_next(&walk, &cmd), PND_OK);
        CHECK_EQ(cmd.kind, PND_MACHO_NOTE);
        CHECK_EQ(cmd.offset, 0x4000);
        CHECK_EQ(cmd.size, 40);
        CHECK_EQ(pnd_macho_walk_next(&walk, &cmd), PND_OK);
        CHECK_EQ(cmd.kind, PND_MACHO_THREAD);
        CHECK_EQ(pnd_macho_walk_next(&walk, &cmd), PND_OK);
        CHECK_EQ(cmd.kind, PND_MACHO_OTHER);
        CHECK_EQ(pnd_macho_walk_next(&walk, &cmd), PND_E_NOTFOUND);
    }
}

static void says_short_for_every_truncation_of_a_macho_core(void)
{
    for (int form = 0; form < 4; form++) {
        uint8_t buf[BUF_CAP];
        size_t len = make_macho(buf, form & 1, form & 2), head = form & 1 ? 32 : 28;

        for (size_t cut = 0; cut < len; cut++) {
            uint8_t *exact = malloc(cut + 1);
            struct pnd_macho_walk walk;
            struct pnd_macho_cmd cmd;
            struct pnd_macho macho;
            int err;

            if (!exact)
                abort();
            memcpy(exact + 1, buf, cut);
            err = pnd_macho_parse(exact + 1, cut, &macho);
            CHECK_EQ(err, cut < 4 ? PND_E_TYPE : cut < head ? PND_E_SHORT : PND_OK);
            if (err == PND_OK) {
                pnd_macho_walk_init(&walk, &macho, exact + 1, cut);
                while ((err = pnd_macho_walk_next(&walk, &cmd)) == PND_OK)
                    ;
                CHECK_EQ(err, PND_E_SHORT);
            }
            free(exact);
        }
    }
}

static void ends_the_walk_at_commands_that_were_never_written(void)
{
    struct pnd_macho_walk walk;
    struct pnd_macho_cmd cmd;
    struct pnd_macho macho;
    uint8_t buf[BUF_CAP];
    size_t len = make_macho(buf, true, false);

    memset(buf + 32 + 72, 0, len - 32 - 72);
    CHECK_EQ(pnd_macho_parse(buf, len, &macho), PND_OK);
    pnd_macho_walk_init(&walk, &macho, buf, len);
    CHECK_EQ(pnd_macho_walk_next(&walk, &cmd), PND_OK);
    CHECK_EQ(cmd.kind, PND_MACHO_SEGMENT);
    CHECK_EQ(pnd_macho_walk_next(&walk, &cmd), PND_OK);
    CHECK_EQ(cmd.kind, PND_MACHO_ZERO);
    CHECK_EQ(cmd.index, 1);
    CHECK_EQ(pnd_macho_walk_next(&walk, &cmd), PND_E_NOTFOUND);
}

static int walk_with(size_t at, uint32_t value)
{
    struct pnd_macho_walk walk;
    struct pnd_macho_cmd cmd;
    struct pnd_macho macho;
    uint8_t buf[BUF_CAP];
    size_t len = make_macho(buf, true, false);
    struct pnd_wr wr = pnd_wr(buf + at, 4);
    int err;

    put(&wr, false, value, 4);
    err = pnd_macho_parse(buf, len, &macho);
    if (err)
        return err;
    pnd_macho_walk_init(&walk, &macho, buf, len);
    while ((err = pnd_macho_walk_next(&walk, &cmd)) == PND_OK)
        ;
    return err;
}

static void refuses_macho_sizes_that_cannot_be(void)
{
    const size_t first_size = 32 + 4, offset_high = 32 + 8 + 16 + 16 + 4, ncmds = 16, size = 20;

    CHECK_EQ(walk_with(first_size, 72), PND_E_NOTFOUND);
    CHECK_EQ(walk_with(first_size, 0), PND_E_FORMAT);
    CHECK_EQ(walk_with(first_size, 7), PND_E_FORMAT);
    CHECK_EQ(walk_with(first_size, 71), PND_E_FORMAT);
    CHECK_EQ(walk_with(first_size, 0xffffffff), PND_E_FORMAT);
    CHECK_EQ(walk_with(offset_high, 0xffffffff), PND_E_NOTFOUND); /* large, but no overflow */
    CHECK_EQ(walk_with(ncmds, 0xffffffff), PND_E_RANGE);
    CHECK_EQ(walk_with(ncmds, 200), PND_E_FORMAT);
    CHECK_EQ(walk_with(size, 72 + 40 + 16), PND_E_FORMAT);
    CHECK_EQ(walk_with(size, 0), PND_E_FORMAT);
}

static void knows_the_start_of_a_gzip_member(void)
{
    const uint8_t apple[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 0x13};
    uint8_t other[10];

    for (size_t cut = 0; cut <= sizeof(apple); cut++)
        CHECK_EQ(pnd_gzip_is(apple, cut), cut >= PND_GZIP_MAGIC_LEN);
    for (size_t i = 0; i < 4; i++) {
        memcpy(other, apple, sizeof(other));
        other[i] ^= 0x80;
        CHECK(!pnd_gzip_is(other, sizeof(other)));
    }
}

int main(void)
{
    RUN(reads_elf_cores_of_both_sizes_and_byte_orders);
    RUN(says_short_for_every_truncation_of_an_elf_core);
    RUN(finds_the_segment_count_in_the_first_section_when_it_is_too_large_for_the_header);
    RUN(refuses_elf_headers_that_cannot_be);
    RUN(walks_macho_cores_of_both_sizes_and_byte_orders);
    RUN(says_short_for_every_truncation_of_a_macho_core);
    RUN(ends_the_walk_at_commands_that_were_never_written);
    RUN(refuses_macho_sizes_that_cannot_be);
    RUN(knows_the_start_of_a_gzip_member);
    return tap_done();
}
