/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ELF core headers; see elf.h. */
#include "image/elf.h"

#include "wire/cursor.h"

enum {
    CLASS_32 = 1,
    CLASS_64 = 2,
    ORDER_LITTLE = 1,
    ORDER_BIG = 2,
    IDENT_LEN = 16,
    PHDR_LEN_32 = 32,
    PHDR_LEN_64 = 56,
    SHDR_INFO_AT_32 = 28,
    SHDR_INFO_AT_64 = 44,
};

/* The two things that decide how every later field is read. */
struct shape {
    bool is64, big;
};

static uint64_t field(struct pnd_rd *rd, const struct shape *shape, size_t size)
{
    return shape->big ? pnd_rd_be(rd, size) : pnd_rd_le(rd, size);
}

static uint64_t word(struct pnd_rd *rd, const struct shape *shape)
{
    return field(rd, shape, shape->is64 ? 8 : 4);
}

bool pnd_elf_is(const void *head, size_t len)
{
    static const uint8_t magic[PND_ELF_MAGIC_LEN] = {0x7f, 'E', 'L', 'F'};

    return len >= sizeof(magic) && memcmp(head, magic, sizeof(magic)) == 0;
}

static int read_ident(struct pnd_rd *rd, struct shape *ret)
{
    const uint8_t *ident = pnd_rd_bytes(rd, IDENT_LEN);

    if (!ident)
        return PND_E_SHORT;
    if (ident[4] != CLASS_32 && ident[4] != CLASS_64)
        return PND_E_FORMAT;
    if (ident[5] != ORDER_LITTLE && ident[5] != ORDER_BIG)
        return PND_E_FORMAT;
    *ret = (struct shape){.is64 = ident[4] == CLASS_64, .big = ident[5] == ORDER_BIG};
    return PND_OK;
}

int pnd_elf_type(const void *head, size_t len, uint16_t *ret)
{
    struct pnd_rd rd = pnd_rd(head, len);
    struct shape shape;
    uint16_t type;
    int err;

    if (!pnd_elf_is(head, len))
        return PND_E_TYPE;
    err = read_ident(&rd, &shape);
    if (err)
        return err;
    type = (uint16_t)field(&rd, &shape, 2);
    if (!pnd_rd_ok(&rd))
        return PND_E_SHORT;
    *ret = type;
    return PND_OK;
}

/* With 0xffff or more segments the count stands in the first section header. */
static void read_xnum(const void *head, size_t len, const struct shape *shape, uint64_t shoff,
                      struct pnd_elf *elf)
{
    size_t at = shape->is64 ? SHDR_INFO_AT_64 : SHDR_INFO_AT_32;
    struct pnd_rd rd = pnd_rd(head, len);

    elf->phnum_unknown = true;
    if (shoff == 0 || shoff > len || !pnd_rd_bytes(&rd, (size_t)shoff) || !pnd_rd_bytes(&rd, at))
        return;
    elf->phnum = (uint32_t)field(&rd, shape, 4);
    elf->phnum_unknown = !pnd_rd_ok(&rd);
    if (elf->phnum_unknown)
        elf->phnum = PND_ELF_XNUM;
}

int pnd_elf_parse(const void *head, size_t len, struct pnd_elf *ret)
{
    struct pnd_rd rd = pnd_rd(head, len);
    struct shape shape;
    struct pnd_elf elf = {0};
    uint64_t shoff, table;
    int err;

    if (!pnd_elf_is(head, len))
        return PND_E_TYPE;
    err = read_ident(&rd, &shape);
    if (err)
        return err;

    elf.is64 = shape.is64;
    elf.big = shape.big;
    elf.type = (uint16_t)field(&rd, &shape, 2);
    elf.machine = (uint16_t)field(&rd, &shape, 2);
    field(&rd, &shape, 4); /* version */
    word(&rd, &shape);     /* entry */
    elf.phoff = word(&rd, &shape);
    shoff = word(&rd, &shape);
    field(&rd, &shape, 4); /* flags */
    field(&rd, &shape, 2); /* size of this header */
    elf.phentsize = (uint16_t)field(&rd, &shape, 2);
    elf.phnum = (uint32_t)field(&rd, &shape, 2);
    pnd_rd_bytes(&rd, 6); /* the section table */
    if (!pnd_rd_ok(&rd))
        return PND_E_SHORT;

    if (elf.phnum == PND_ELF_XNUM)
        read_xnum(head, len, &shape, shoff, &elf);
    if (elf.phnum > PND_ELF_SEGMENTS_MAX)
        return PND_E_RANGE;
    if (elf.phnum && elf.phentsize < (elf.is64 ? PHDR_LEN_64 : PHDR_LEN_32))
        return PND_E_FORMAT;
    table = (uint64_t)elf.phnum * elf.phentsize;
    if (elf.phoff > UINT64_MAX - table)
        return PND_E_FORMAT;
    elf.table_end = elf.phoff + table;
    *ret = elf;
    return PND_OK;
}

int pnd_elf_segment(const struct pnd_elf *elf, const void *head, size_t len, uint32_t index,
                    struct pnd_elf_segment *ret)
{
    struct shape shape = {.is64 = elf->is64, .big = elf->big};
    struct pnd_elf_segment seg = {0};
    struct pnd_rd rd = pnd_rd(head, len);
    uint64_t at;

    if (index >= elf->phnum)
        return PND_E_NOTFOUND;
    at = elf->phoff + (uint64_t)index * elf->phentsize;
    if (at > len || !pnd_rd_bytes(&rd, (size_t)at))
        return PND_E_SHORT;

    seg.type = (uint32_t)field(&rd, &shape, 4);
    if (elf->is64)
        field(&rd, &shape, 4); /* flags, which stand later in the 32-bit form */
    seg.offset = word(&rd, &shape);
    seg.vaddr = word(&rd, &shape);
    seg.paddr = word(&rd, &shape);
    seg.filesz = word(&rd, &shape);
    seg.memsz = word(&rd, &shape);
    if (!elf->is64)
        field(&rd, &shape, 4); /* flags */
    word(&rd, &shape);         /* alignment */
    if (!pnd_rd_ok(&rd))
        return PND_E_SHORT;
    if (seg.offset > UINT64_MAX - seg.filesz)
        return PND_E_FORMAT;
    *ret = seg;
    return PND_OK;
}
