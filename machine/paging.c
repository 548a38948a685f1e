/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Page tables. */
#include "paging.h"

#include "memory.h"
#include "ram.h"

enum { ENTRIES = 512, TABLE_SHIFT = 21 };

extern const char box_text_start[], box_text_end[], box_rodata_start[], box_rodata_end[];
extern const char box_main_guard[], box_nmi_guard[], box_fault_guard[], box_dump_guard[],
    box_nested_guard[];

static uint64_t root; /* physical */

static unsigned slot(uint64_t address, unsigned level)
{
    return (unsigned)(address >> (12 + 9 * level)) % ENTRIES;
}

/* The table of the lowest level, which covers 2 MiB. @param make  if it is not there */
static uint64_t *table_of(uint64_t address, bool make)
{
    uint64_t *table = box_virt(root);

    for (unsigned level = 3; level > 0; level--) {
        uint64_t *entry = &table[slot(address, level)];

        if (!(*entry & BOX_PTE_PRESENT)) {
            if (!make)
                return NULL;
            *entry = box_ram_take() | BOX_PTE_PRESENT | BOX_PTE_WRITE | BOX_PTE_USED;
        }
        table = box_virt(*entry & BOX_PTE_ADDRESS);
    }
    return table;
}

uint64_t *box_pte(uint64_t address)
{
    uint64_t *table;

    if ((uint64_t)((int64_t)(address << 16) >> 16) != address) /* not canonical */
        return NULL;
    table = table_of(address, false);
    return table ? &table[slot(address, 0)] : NULL;
}

void box_paging_map(uint64_t address, uint64_t physical, uint64_t flags)
{
    table_of(address, true)[slot(address, 0)] = physical | flags | BOX_PTE_PRESENT | BOX_PTE_USED;
}

void box_paging_forget(uint64_t address)
{
    __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

static bool within(uint64_t address, const char *start, const char *end)
{
    return address >= (uint64_t)(uintptr_t)start && address < (uint64_t)(uintptr_t)end;
}

static uint64_t flags_of(uint64_t address)
{
    if (within(address, box_text_start, box_text_end))
        return 0;
    if (within(address, box_rodata_start, box_rodata_end))
        return BOX_PTE_NX;
    return BOX_PTE_WRITE | BOX_PTE_NX;
}

static void map_range(const struct box_range *range)
{
    uint64_t *table = NULL;

    for (uint64_t at = range->start; at < range->end; at += BOX_PAGE) {
        uint64_t address = BOX_BASE + at;

        if (!table || at % (UINT64_C(1) << TABLE_SHIFT) == 0)
            table = table_of(address, true);
        table[slot(address, 0)] = at | flags_of(address) | BOX_PTE_PRESENT | BOX_PTE_USED;
    }
}

static void unmap(const char *page)
{
    *box_pte((uint64_t)(uintptr_t)page) = 0;
}

void box_paging_init(void)
{
    unsigned count;
    const struct box_range *ranges = box_ram(&count);

    root = box_ram_take();
    for (unsigned i = 0; i < count; i++)
        map_range(&ranges[i]);
    unmap(box_main_guard);
    unmap(box_nmi_guard);
    unmap(box_fault_guard);
    unmap(box_dump_guard);
    unmap(box_nested_guard);
    __asm__ volatile("mov %0, %%cr3" : : "r"(root) : "memory");
}
