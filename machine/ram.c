/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The start info of PVH: a RAM map and the command line. */
#include "ram.h"

#include "memory.h"
#include "panic.h"
#include "wire/cursor.h"

/* struct hvm_start_info and struct hvm_memmap_table_entry of Xen's public headers */
enum {
    START_INFO_BYTES = 56,
    START_INFO_MAGIC = 0x336ec578,
    ENTRY_BYTES = 24,
    ENTRY_RAM = 1,
    LINE_CAP = 4096,
};

/* What boot.S has mapped, and therefore what can be read before there are page tables. */
static const uint64_t boot_window = UINT64_C(1) << 30;

extern const char box_image_start[], box_image_end[];

static struct {
    struct box_range ranges[BOX_RANGES_CAP];
    unsigned count;
    uint64_t bytes;
    uint64_t next, end; /* of the pages behind the kernel */
    bool sealed;
    char line[LINE_CAP];
} ram;

static void copy_line(uint64_t physical)
{
    const char *from = box_virt(physical);
    size_t len = 0;

    if (physical == 0 || physical >= boot_window)
        return;
    while (len + 1 < sizeof(ram.line) && from[len] != '\0') {
        ram.line[len] = from[len];
        len++;
    }
}

static void add(uint64_t start, uint64_t end)
{
    unsigned at = ram.count;

    start = (start + BOX_PAGE - 1) & ~(uint64_t)(BOX_PAGE - 1);
    end &= ~(uint64_t)(BOX_PAGE - 1);
    if (end <= start)
        return;
    if (ram.count == BOX_RANGES_CAP)
        box_panic("the RAM map has more than %d entries", BOX_RANGES_CAP);
    for (; at > 0 && ram.ranges[at - 1].start > start; at--)
        ram.ranges[at] = ram.ranges[at - 1];
    ram.ranges[at] = (struct box_range){start, end};
    ram.count++;
    ram.bytes += end - start;
}

static void read_map(uint64_t physical, uint32_t entries)
{
    if (physical == 0 || physical >= boot_window || entries == 0)
        box_panic("the loader gave no RAM map: start panicbox with QEMU's -kernel");
    for (uint32_t i = 0; i < entries; i++) {
        struct pnd_rd rd = pnd_rd(box_virt(physical + (uint64_t)i * ENTRY_BYTES), ENTRY_BYTES);
        uint64_t start = pnd_rd_le64(&rd);
        uint64_t len = pnd_rd_le64(&rd);

        if (pnd_rd_le32(&rd) == ENTRY_RAM)
            add(start, start + len);
    }
}

void box_ram_init(uint64_t start_info)
{
    struct pnd_rd rd = pnd_rd(box_virt(start_info), START_INFO_BYTES);
    uint32_t magic = pnd_rd_le32(&rd), version = pnd_rd_le32(&rd);
    uint64_t line, map, kernel = box_physical(box_image_start);

    if (start_info >= boot_window || magic != START_INFO_MAGIC || version < 1)
        box_panic("no PVH start info at 0x%llx: start panicbox with QEMU's -kernel",
                  (unsigned long long)start_info);
    (void)pnd_rd_le64(&rd); /* flags, modules */
    (void)pnd_rd_le64(&rd);
    line = pnd_rd_le64(&rd);
    (void)pnd_rd_le64(&rd); /* RSDP */
    map = pnd_rd_le64(&rd);
    copy_line(line);
    read_map(map, pnd_rd_le32(&rd));
    for (unsigned i = 0; i < ram.count; i++)
        if (ram.ranges[i].start <= kernel && kernel < ram.ranges[i].end)
            ram.end = ram.ranges[i].end;
    ram.next = box_physical(box_image_end);
}

const struct box_range *box_ram(unsigned *ret_count)
{
    *ret_count = ram.count;
    return ram.ranges;
}

uint64_t box_ram_take(void)
{
    uint64_t page = ram.next;

    if (ram.sealed)
        box_panic("device memory is mapped too late");
    if (page + BOX_PAGE > ram.end || page + BOX_PAGE > boot_window)
        box_panic("no room for page tables: give QEMU more memory with -m");
    ram.next += BOX_PAGE;
    memset(box_virt(page), 0, BOX_PAGE);
    return page;
}

struct box_range box_ram_seal(void)
{
    ram.sealed = true;
    return (struct box_range){box_physical(box_image_start), ram.next};
}

const char *box_command_line(void)
{
    return ram.line;
}

uint64_t box_ram_bytes(void)
{
    return ram.bytes;
}
