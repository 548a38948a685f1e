/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a dump sees of memory, and what it is filled with. */
#include "memory.h"

#include "paging.h"
#include "ram.h"

extern const char box_work_start[], box_work_end[];

static const uint64_t table_covers = UINT64_C(1) << 21; /* a page table of the lowest level */

static struct {
    bool faulting;
    struct box_range own; /* the kernel and its page tables */
} memory;

void box_memory_init(uint64_t start_info)
{
    box_ram_init(start_info);
    box_paging_init();
}

volatile void *box_map_device(uint64_t physical, uint64_t len)
{
    uint64_t start = physical & ~(uint64_t)(BOX_PAGE - 1);

    for (uint64_t at = start; at < physical + len; at += BOX_PAGE)
        box_paging_map(BOX_DEVICES + at, at, BOX_PTE_WRITE | BOX_PTE_NX | BOX_PTE_UNCACHED);
    /* NOLINTNEXTLINE(performance-no-int-to-ptr) */
    return (volatile void *)(uintptr_t)(BOX_DEVICES + physical);
}

typedef uint64_t pair __attribute__((vector_size(16)));

static void fill_alike(pair *page, uint64_t word)
{
    const pair value = {word, word};

    for (unsigned i = 0; i < BOX_PAGE / sizeof(pair); i += 8) { /* unrolled: it is most of a boot */
        page[i] = page[i + 1] = page[i + 2] = page[i + 3] = value;
        page[i + 4] = page[i + 5] = page[i + 6] = page[i + 7] = value;
    }
}

static void fill_page(uint64_t physical)
{
    void *page = box_virt(physical);
    uint64_t address = BOX_BASE + physical, number = physical / BOX_PAGE;
    uint64_t *words = page;

    if (number % 64 == 63)
        fill_alike(page, 0);
    else if (number % 16 != 0)
        fill_alike(page, address);
    else
        for (unsigned i = 0; i < BOX_PAGE / sizeof(*words); i++)
            words[i] = (address + i * sizeof(*words)) * UINT64_C(0x9e3779b97f4a7c15);
}

void box_memory_fill(void)
{
    unsigned count;
    const struct box_range *ranges = box_ram(&count);

    memory.own = box_ram_seal();
    for (unsigned i = 0; i < count; i++)
        for (uint64_t at = ranges[i].start; at < ranges[i].end; at += BOX_PAGE)
            if (at < memory.own.start || at >= memory.own.end)
                fill_page(at);
}

/* Virtual; nothing is mapped behind it. */
static uint64_t ram_end(void)
{
    unsigned count;
    const struct box_range *ranges = box_ram(&count);

    return count ? BOX_BASE + ranges[count - 1].end
                 : BOX_BASE; /* none: a panic before it is known */
}

static bool dumped(uint64_t pte, uint64_t address)
{
    if (address >= (uint64_t)(uintptr_t)box_work_start &&
        address < (uint64_t)(uintptr_t)box_work_end)
        return false;
    return (pte & (BOX_PTE_PRESENT | BOX_PTE_POISON)) != 0;
}

static int next_region(void *ctx, uint64_t from, struct pnd_region *ret)
{
    uint64_t at = from < BOX_BASE ? BOX_BASE : (from + BOX_PAGE - 1) & ~(uint64_t)(BOX_PAGE - 1);
    uint64_t end = ram_end();
    const uint64_t *pte = NULL;
    struct pnd_region region = {0};

    (void)ctx;
    while (at >= BOX_BASE && at < end) {
        pte = pte && at % table_covers != 0 ? pte + 1 : box_pte(at);
        if (!pte || !dumped(*pte, at)) {
            if (region.len > 0)
                break;
            at = pte ? at + BOX_PAGE : (at + table_covers) & ~(table_covers - 1);
            continue;
        }
        if (region.len == 0)
            region = (struct pnd_region){.address = at, .physical = *pte & BOX_PTE_ADDRESS};
        else if ((*pte & BOX_PTE_ADDRESS) != region.physical + region.len)
            break;
        region.len += BOX_PAGE;
        at += BOX_PAGE;
    }
    if (region.len == 0)
        return PND_E_NOTFOUND;
    *ret = region;
    return PND_OK;
}

static const void *map_page(void *ctx, uint64_t address)
{
    const uint64_t *pte = box_pte(address);

    (void)ctx;
    if (!pte || !(*pte & (BOX_PTE_PRESENT | BOX_PTE_POISON)))
        return NULL;
    if ((*pte & BOX_PTE_POISON) && !memory.faulting)
        return NULL;
    return (const void *)(uintptr_t)address; /* NOLINT(performance-no-int-to-ptr) */
}

const struct pnd_memory *box_memory(void)
{
    static const struct pnd_memory dump = {
        .page_bytes = BOX_PAGE, .next = next_region, .map = map_page};

    return &dump;
}

/* The page in the middle of what is free behind the kernel. */
void box_memory_poison(bool faulting)
{
    unsigned count;
    const struct box_range *ranges = box_ram(&count);

    for (unsigned i = 0; i < count; i++)
        if (ranges[i].start <= memory.own.start && memory.own.start < ranges[i].end) {
            uint64_t middle = (memory.own.end + ranges[i].end) / 2 / BOX_PAGE * BOX_PAGE;
            uint64_t *pte = box_pte(BOX_BASE + middle);

            memory.faulting = faulting;
            *pte = (*pte & ~BOX_PTE_PRESENT) | BOX_PTE_POISON;
            box_paging_forget(BOX_BASE + middle);
        }
}

bool box_readable(uint64_t address, size_t len)
{
    uint64_t at = address & ~(uint64_t)(BOX_PAGE - 1);

    if (len > 0 && address + len - 1 < address)
        return false;
    for (; len > 0 && at <= address + len - 1; at += BOX_PAGE) {
        const uint64_t *pte = at >= BOX_BASE && at < ram_end() ? box_pte(at) : NULL;

        if (!pte || !(*pte & BOX_PTE_PRESENT))
            return false;
    }
    return true;
}
