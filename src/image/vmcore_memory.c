/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Physical and virtual memory of a core; see vmcore_memory.h. */
#include "image/vmcore_memory.h"

#include "wire/cursor.h"

enum {
    PRESENT = 1,
    X86_LARGE = 0x80,
    ARM_TABLE = 2, /* of a table or a page; a block has 0 */
};

#define KERNEL_MAP UINT64_C(0xffffffff80000000) /* of x86-64, where phys_base begins */

static bool holds(const struct pnd_vmcore_segment *segment, uint64_t paddr)
{
    return segment->type == PND_VMCORE_LOAD && paddr >= segment->paddr &&
           paddr - segment->paddr < segment->bytes;
}

static int find_segment(struct pnd_vmcore_memory *memory, uint64_t paddr,
                        struct pnd_vmcore_segment *ret)
{
    for (unsigned i = 0; i < PND_VMCORE_RECENT; i++) {
        if (holds(&memory->recent[i], paddr)) {
            *ret = memory->recent[i];
            return PND_OK;
        }
    }
    for (uint32_t i = 0; i < memory->vmcore->phdr_count; i++) {
        int err = pnd_vmcore_segment(memory->vmcore, i, ret);

        if (err)
            return err;
        if (!holds(ret, paddr))
            continue;
        memory->recent[memory->oldest] = *ret;
        memory->oldest = (memory->oldest + 1) % PND_VMCORE_RECENT;
        return PND_OK;
    }
    return PND_E_NOTFOUND;
}

int pnd_vmcore_memory_physical(struct pnd_vmcore_memory *memory, uint64_t paddr, void *buf,
                               size_t len)
{
    uint8_t *at = buf;

    while (len > 0) { /* segments may meet */
        struct pnd_vmcore_segment segment = {0};
        uint64_t into, piece;
        int err = find_segment(memory, paddr, &segment);

        if (err)
            return err;
        into = paddr - segment.paddr;
        piece = segment.bytes - into < len ? segment.bytes - into : len;
        err = memory->vmcore->source.read(memory->vmcore->source.ctx, segment.offset + into, at,
                                          (size_t)piece);
        if (err)
            return err;
        at += piece;
        paddr += piece;
        len -= (size_t)piece;
    }
    return PND_OK;
}

/* Where a segment holds a virtual address, and how much from there on. */
static int by_segment(const struct pnd_vmcore *vmcore, uint64_t vaddr, uint64_t *ret_paddr,
                      uint64_t *ret_bytes)
{
    for (uint32_t i = 0;; i++) {
        struct pnd_vmcore_segment segment = {0};
        int err = pnd_vmcore_segment(vmcore, i, &segment);

        if (err)
            return err;
        if (segment.type != PND_VMCORE_LOAD || vaddr < segment.vaddr ||
            vaddr - segment.vaddr >= segment.bytes)
            continue;
        *ret_paddr = segment.paddr + (vaddr - segment.vaddr);
        *ret_bytes = segment.bytes - (vaddr - segment.vaddr);
        return PND_OK;
    }
}

/* A number that arm64 writes as 0x... */
static bool hex_number(const struct pnd_vmcore *vmcore, const char *key, uint64_t *ret)
{
    const char *text = NULL;
    size_t len = 0;
    uint64_t value = 0;

    if (!pnd_vmcore_info(vmcore, key, &text, &len) || len < 3 || len > 18 || text[0] != '0' ||
        text[1] != 'x')
        return false;
    for (size_t i = 2; i < len; i++) {
        char c = text[i];

        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
            return false;
        value = value << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *ret = value;
    return true;
}

static void open_arm(struct pnd_vmcore_memory *memory, uint64_t tables, uint64_t va_bits)
{
    uint64_t t1sz, offset, physical_bits = 48, ignored;
    unsigned step = memory->page_shift - 3;

    memory->arm = true;
    /* What this processor does of what was configured; with pages of 64 KiB the root table is that
     * of the configuration all the same. */
    if (memory->page_shift < 16 && hex_number(memory->vmcore, "NUMBER(TCR_EL1_T1SZ)", &t1sz) &&
        t1sz < 64)
        va_bits = 64 - t1sz;
    pnd_vmcore_info_number(memory->vmcore, "NUMBER(MAX_PHYSMEM_BITS)", 10, &physical_bits);
    if (memory->page_shift != 12 && memory->page_shift != 14 && memory->page_shift != 16)
        return;
    if (va_bits < 36 || va_bits > 52)
        return;
    memory->address_bits = (unsigned)va_bits;
    memory->levels = (memory->address_bits - memory->page_shift + step - 1) / step;
    memory->frame_mask = ((UINT64_C(1) << 48) - 1) & ~((UINT64_C(1) << memory->page_shift) - 1);
    if (memory->page_shift == 16 && physical_bits > 48) {
        memory->high_at = 12; /* LPA: bits 15 to 12 are those from 48 */
        memory->high_bits = 4;
        memory->high_shift = 48;
    } else if (memory->page_shift < 16 && va_bits > 48) {
        memory->frame_mask |= UINT64_C(3) << 48;
        memory->high_at = 8; /* LPA2: bits 9 and 8 are those from 50 */
        memory->high_bits = 2;
        memory->high_shift = 50;
    }
    if (hex_number(memory->vmcore, "NUMBER(kimage_voffset)", &offset))
        memory->root = tables - offset;
    else
        by_segment(memory->vmcore, tables, &memory->root, &ignored);
}

static void open_x86(struct pnd_vmcore_memory *memory, uint64_t tables)
{
    uint64_t five = 0, base = 0, encrypted = 0, ignored;

    pnd_vmcore_info_number(memory->vmcore, "NUMBER(pgtable_l5_enabled)", 10, &five);
    pnd_vmcore_info_number(memory->vmcore, "NUMBER(sme_mask)", 10, &encrypted);
    memory->levels = five ? 5 : 4;
    memory->address_bits = five ? 57 : 48;
    memory->frame_mask = UINT64_C(0x000ffffffffff000) & ~encrypted;
    if (tables >= KERNEL_MAP &&
        pnd_vmcore_info_number(memory->vmcore, "NUMBER(phys_base)", 10, &base))
        memory->root = tables - KERNEL_MAP + base;
    else
        by_segment(memory->vmcore, tables, &memory->root, &ignored);
}

void pnd_vmcore_memory_open(struct pnd_vmcore_memory *memory, struct pnd_vmcore *vmcore)
{
    uint64_t tables, va_bits, page = 4096;

    memset(memory, 0, sizeof(*memory));
    memory->vmcore = vmcore;
    if (vmcore->memory.read || vmcore->is32 ||
        !pnd_vmcore_info_number(vmcore, "SYMBOL(swapper_pg_dir)", 16, &tables))
        return;
    pnd_vmcore_info_number(vmcore, "PAGESIZE", 10, &page);
    for (memory->page_shift = 12; memory->page_shift < 16; memory->page_shift++)
        if (page >> memory->page_shift <= 1)
            break;
    if (pnd_vmcore_info_number(vmcore, "NUMBER(VA_BITS)", 10, &va_bits))
        open_arm(memory, tables, va_bits);
    else if (page == 4096)
        open_x86(memory, tables);
}

/* What an entry of a table points to. */
static uint64_t output(const struct pnd_vmcore_memory *memory, uint64_t entry)
{
    uint64_t high = entry >> memory->high_at & ((UINT64_C(1) << memory->high_bits) - 1);

    return (entry & memory->frame_mask) | high << memory->high_shift;
}

/* @p level: 0 is that of pages. */
static bool ends_here(const struct pnd_vmcore_memory *memory, uint64_t entry, unsigned level)
{
    if (level == 0)
        return true;
    return memory->arm ? !(entry & ARM_TABLE) : level < 3 && (entry & X86_LARGE);
}

/* Through the tables. @return PND_OK: start, bytes and paddr are those around @p vaddr */
static int walk(struct pnd_vmcore_memory *memory, uint64_t vaddr)
{
    unsigned step = memory->page_shift - 3;
    uint64_t table = memory->root;

    if (memory->root == 0 || ~vaddr >> memory->address_bits != 0)
        return PND_E_NOTFOUND;
    for (unsigned level = memory->levels; level-- > 0;) {
        unsigned shift = memory->page_shift + level * step;
        unsigned bits = memory->address_bits - shift < step ? memory->address_bits - shift : step;
        uint64_t index = vaddr >> shift & ((UINT64_C(1) << bits) - 1), bytes, entry;
        uint8_t buf[8];
        struct pnd_rd rd = pnd_rd(buf, sizeof(buf));
        int err = pnd_vmcore_memory_physical(memory, table + index * sizeof(buf), buf, sizeof(buf));

        if (err)
            return err;
        entry = pnd_rd_le64(&rd);
        if (!(entry & PRESENT))
            return PND_E_NOTFOUND;
        table = output(memory, entry);
        if (!ends_here(memory, entry, level))
            continue;
        bytes = UINT64_C(1) << shift;
        memory->start = vaddr & ~(bytes - 1);
        memory->bytes = bytes;
        memory->paddr = table & ~(bytes - 1);
        return PND_OK;
    }
    return PND_E_NOTFOUND;
}

int pnd_vmcore_memory_find(struct pnd_vmcore_memory *memory, uint64_t vaddr, uint64_t *ret_paddr,
                           uint64_t *ret_bytes)
{
    if (vaddr - memory->start >= memory->bytes && walk(memory, vaddr) != PND_OK)
        return by_segment(memory->vmcore, vaddr, ret_paddr, ret_bytes);
    *ret_paddr = memory->paddr + (vaddr - memory->start);
    *ret_bytes = memory->bytes - (vaddr - memory->start);
    return PND_OK;
}

int pnd_vmcore_memory_read(struct pnd_vmcore_memory *memory, uint64_t vaddr, void *buf, size_t len)
{
    uint8_t *at = buf;

    if (memory->vmcore->memory.read)
        return pnd_vmcore_read(memory->vmcore, vaddr, buf, len);
    while (len > 0) {
        uint64_t paddr = 0, bytes = 0, piece;
        int err = pnd_vmcore_memory_find(memory, vaddr, &paddr, &bytes);

        piece = bytes < len ? bytes : len;
        if (!err)
            err = pnd_vmcore_memory_physical(memory, paddr, at, (size_t)piece);
        if (err)
            return err;
        at += piece;
        vaddr += piece;
        len -= (size_t)piece;
    }
    return PND_OK;
}
