/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A kernel's memory by its page tables. The machine: physical memory from 1 MiB on in two segments
 * that meet, whose every byte is told by its address; page tables that are built here. */
#include "tap.h"

#include "image/vmcore_memory.h"

enum {
    BASE = 1 << 20, /* of physical memory */
    MIDDLE = BASE + (1 << 20) + 1000,
    END = BASE + (5 << 20),
    HEADS = 4096,
    NOTE_AT = 512,
    FILE_CAP = HEADS + END - BASE,
    INFO_CAP = 512,
    TABLES_AT = BASE + (1 << 16), /* a multiple of all page sizes */
};

#define DIRECT UINT64_C(0xffff888000000000)

static uint8_t file[FILE_CAP];
static size_t file_len;
static struct pnd_vmcore vmcore;
static struct pnd_vmcore_memory memory;
static uint64_t broken; /* a place of the file that cannot be read */

static struct machine {
    bool arm;
    unsigned page_shift, levels, va_bits;
    bool lpa, lpa2; /* where the high bits of an address lie */
    uint64_t encrypted;
    uint64_t next_table;
} machine;

static void put(size_t at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        file[at + i] = (uint8_t)(value >> i * 8);
}

static uint64_t get(size_t at)
{
    uint64_t value = 0;

    for (size_t i = 8; i > 0; i--)
        value = value << 8 | file[at + i - 1];
    return value;
}

static uint8_t memory_at(uint64_t paddr)
{
    return (uint8_t)((paddr * UINT64_C(0x9e3779b97f4a7c15)) >> 40);
}

static size_t place(uint64_t paddr)
{
    return HEADS + (size_t)(paddr - BASE);
}

static int read_file(void *ctx, uint64_t offset, void *buf, size_t len)
{
    (void)ctx;
    if (offset > file_len || len > file_len - offset)
        return PND_E_SOURCE;
    if (broken >= offset && broken - offset < len)
        return PND_E_ABORTED;
    memcpy(buf, file + offset, len);
    return PND_OK;
}

static void put_segment(unsigned index, uint32_t type, uint64_t offset, uint64_t vaddr,
                        uint64_t paddr, uint64_t bytes)
{
    size_t at = 64 + (size_t)index * 56;

    put(at, type, 4);
    put(at + 8, offset, 8);
    put(at + 16, vaddr, 8);
    put(at + 24, paddr, 8);
    put(at + 32, bytes, 8);
}

/* A core of that machine with these lines of VMCOREINFO. */
static void start(const struct machine *how, const char *lines)
{
    static const uint8_t ident[] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    char info[INFO_CAP];
    int len = snprintf(info, sizeof(info), "OSRELEASE=test\nPAGESIZE=%u\n%s", 1U << how->page_shift,
                       lines);

    machine = *how;
    machine.next_table = TABLES_AT;
    broken = UINT64_MAX;
    memset(file, 0, HEADS);
    memcpy(file, ident, sizeof(ident));
    put(16, 4, 2);
    put(32, 64, 8);
    put(54, 56, 2);
    put(56, 3, 2);
    put(NOTE_AT, 11, 4);
    put(NOTE_AT + 4, (uint64_t)len, 4);
    memcpy(file + NOTE_AT + 12, "VMCOREINFO", 11);
    memcpy(file + NOTE_AT + 24, info, (size_t)len);
    put_segment(0, PND_VMCORE_NOTE, NOTE_AT, 0, 0, 24 + (uint64_t)(len + 3) / 4 * 4);
    put_segment(1, PND_VMCORE_LOAD, place(MIDDLE), DIRECT + MIDDLE, MIDDLE, END - MIDDLE);
    put_segment(2, PND_VMCORE_LOAD, place(BASE), DIRECT + BASE, BASE, MIDDLE - BASE);
    file_len = sizeof(file);
    for (uint64_t at = BASE; at < END; at++)
        file[place(at)] = memory_at(at);
}

static uint64_t new_table(void)
{
    uint64_t table = machine.next_table;

    machine.next_table += UINT64_C(1) << machine.page_shift;
    memset(file + place(table), 0, (size_t)1 << machine.page_shift);
    return table;
}

static uint64_t entry_of(uint64_t paddr, uint64_t flags)
{
    uint64_t low = paddr & ((UINT64_C(1) << 48) - 1), high = paddr >> 48;

    if (machine.lpa)
        return low | high << 12 | flags;
    if (machine.lpa2)
        return (paddr & ((UINT64_C(1) << 50) - 1)) | (paddr >> 50) << 8 | flags;
    return paddr | flags | machine.encrypted;
}

/* Maps 1 << (page_shift + level * step) bytes. The root is the first table. */
static void map(uint64_t vaddr, uint64_t paddr, unsigned level)
{
    unsigned step = machine.page_shift - 3;
    uint64_t table = TABLES_AT;

    if (machine.next_table == TABLES_AT)
        new_table();
    for (unsigned at = machine.levels; at-- > level;) {
        unsigned shift = machine.page_shift + at * step;
        uint64_t mask = machine.va_bits >= 64 ? UINT64_MAX : (UINT64_C(1) << machine.va_bits) - 1;
        size_t slot = place(table) + (size_t)((vaddr & mask) >> shift & ((1U << step) - 1)) * 8;

        if (at == level) {
            uint64_t leaf = machine.arm ? (level ? 1 : 3) : (level ? 0xe3 : 0x63);

            put(slot, entry_of(paddr, leaf | (machine.arm ? 0 : UINT64_C(1) << 63)), 8);
            return;
        }
        if (get(slot) == 0)
            put(slot, entry_of(new_table(), machine.arm ? 3 : 0x63), 8);
        table = get(slot) & UINT64_C(0x0000fffffffff000) & ~machine.encrypted;
        table &= ~((UINT64_C(1) << machine.page_shift) - 1);
    }
}

static void open_it(void)
{
    struct pnd_vmcore_source source = {NULL, read_file};

    CHECK_EQ(pnd_vmcore_open(&vmcore, &source), PND_OK);
    pnd_vmcore_memory_open(&memory, &vmcore);
}

/* Is @p len bytes at @p vaddr the memory at @p paddr? */
static bool is_memory(uint64_t vaddr, uint64_t paddr, size_t len)
{
    static uint8_t buf[4 << 20];

    memset(buf, 0xa5, len);
    if (pnd_vmcore_memory_read(&memory, vaddr, buf, len) != PND_OK)
        return false;
    return memcmp(buf, file + place(paddr), len) == 0;
}

static int read_byte(uint64_t vaddr)
{
    uint8_t byte;

    return pnd_vmcore_memory_read(&memory, vaddr, &byte, 1);
}

static const struct machine x86_4 = {.page_shift = 12, .levels = 4, .va_bits = 48};
static const struct machine x86_5 = {.page_shift = 12, .levels = 5, .va_bits = 57};

static void pages_of_each_size_are_found(void)
{
    static const char *const lines[] = {
        "SYMBOL(swapper_pg_dir)=ffffffff80110000\nNUMBER(phys_base)=0\n"
        "NUMBER(pgtable_l5_enabled)=0\n",
        "SYMBOL(swapper_pg_dir)=ffffffff80110000\nNUMBER(phys_base)=0\n"
        "NUMBER(pgtable_l5_enabled)=1\n"};

    for (unsigned five = 0; five < 2; five++) {
        uint64_t at = five ? UINT64_C(0xff11000000200000) : UINT64_C(0xffffea0000200000);

        start(five ? &x86_5 : &x86_4, lines[five]);
        map(at, BASE + 0x40000, 0);
        map(at + 0x1000, BASE + 0x80000, 0);
        map(at + 0x2000, BASE + 0x30000, 0);
        map(at + (2 << 20), 2 << 20, 1);
        map(at + (UINT64_C(1) << 30), 0, 2);
        open_it();
        CHECK(is_memory(at, BASE + 0x40000, 4096));
        CHECK(is_memory(at + 0x1ffe, BASE + 0x80ffe, 2));
        CHECK(is_memory(at + (2 << 20) + 17, (2 << 20) + 17, (2 << 20) - 17));
        CHECK(is_memory(at + (UINT64_C(1) << 30), BASE + (1 << 20), 4096));
        CHECK_EQ(read_byte(at + 0x3000), PND_E_NOTFOUND);
        CHECK_EQ(read_byte(at - 1), PND_E_NOTFOUND);
        CHECK_EQ(read_byte(at ^ UINT64_C(1) << 63), PND_E_NOTFOUND); /* no kernel's */
        CHECK(is_memory(at, BASE + 0x40000, 1));                     /* still */
    }
}

static void a_read_goes_over_pages_that_lie_anywhere(void)
{
    uint8_t buf[3 * 4096 - 200];

    start(&x86_4, "SYMBOL(swapper_pg_dir)=ffffffff80110000\nNUMBER(phys_base)=0\n");
    map(UINT64_C(0xffffea0000000000), BASE + 0x40000, 0);
    map(UINT64_C(0xffffea0000001000), BASE + 0x30000, 0);
    map(UINT64_C(0xffffea0000002000), BASE + 0x90000, 0);
    open_it();
    CHECK_EQ(pnd_vmcore_memory_read(&memory, UINT64_C(0xffffea0000000064), buf, sizeof(buf)),
             PND_OK);
    CHECK_MEM(buf, file + place(BASE + 0x40064), 4096 - 100);
    CHECK_MEM(buf + 4096 - 100, file + place(BASE + 0x30000), 4096);
    CHECK_MEM(buf + 2 * 4096 - 100, file + place(BASE + 0x90000), 4096 - 100);
    CHECK_EQ(pnd_vmcore_memory_read(&memory, UINT64_C(0xffffea0000000064), buf, sizeof(buf)),
             PND_OK);
    CHECK_EQ(pnd_vmcore_memory_read(&memory, UINT64_C(0xffffea00000000c9), buf, sizeof(buf)),
             PND_E_NOTFOUND);
}

static void segments_that_meet_are_one_memory(void)
{
    uint8_t buf[64];

    start(&x86_4, "SYMBOL(swapper_pg_dir)=ffffffff80110000\nNUMBER(phys_base)=0\n");
    open_it();
    CHECK_EQ(pnd_vmcore_memory_physical(&memory, MIDDLE - 30, buf, sizeof(buf)), PND_OK);
    CHECK_MEM(buf, file + place(MIDDLE - 30), sizeof(buf));
    CHECK_EQ(pnd_vmcore_memory_physical(&memory, END - 63, buf, sizeof(buf)), PND_E_NOTFOUND);
    CHECK_EQ(pnd_vmcore_memory_physical(&memory, BASE - 1, buf, 1), PND_E_NOTFOUND);
    CHECK_EQ(pnd_vmcore_memory_physical(&memory, UINT64_MAX, buf, 1), PND_E_NOTFOUND);
    broken = place(MIDDLE + 3);
    CHECK_EQ(pnd_vmcore_memory_physical(&memory, MIDDLE, buf, 16), PND_E_ABORTED);
}

static void without_page_tables_segments_are_read(void)
{
    uint64_t paddr = 0, bytes = 0;

    start(&x86_4, "");
    open_it();
    CHECK(is_memory(DIRECT + BASE + 5, BASE + 5, 4096));
    CHECK_EQ(read_byte(UINT64_C(0xffffea0000000000)), PND_E_NOTFOUND);
    CHECK_EQ(pnd_vmcore_memory_find(&memory, DIRECT + MIDDLE - 7, &paddr, &bytes), PND_OK);
    CHECK_EQ(paddr, MIDDLE - 7);
    CHECK_EQ(bytes, 7);
}

static void a_kernel_that_was_moved_and_memory_that_is_encrypted_are_known(void)
{
    struct machine how = x86_4;

    how.encrypted = UINT64_C(1) << 47;
    start(&how, "SYMBOL(swapper_pg_dir)=ffffffff80010000\nNUMBER(phys_base)=1048576\n"
                "NUMBER(sme_mask)=140737488355328\n");
    map(UINT64_C(0xffffea0000000000), 2 << 20, 1);
    open_it();
    CHECK(is_memory(UINT64_C(0xffffea0000000000), 2 << 20, 2 << 20));
    /* moved down: phys_base is negative */
    start(&x86_4, "SYMBOL(swapper_pg_dir)=ffffffff81110000\nNUMBER(phys_base)=-16777216\n");
    map(UINT64_C(0xffffea0000000000), 2 << 20, 1);
    open_it();
    CHECK(is_memory(UINT64_C(0xffffea0000000000), 2 << 20, 4096));
}

/* Each granule of aarch64, with the sizes of addresses that it is used with. */
static void page_tables_of_aarch64_are_read(void)
{
    static const struct {
        struct machine machine;
        const char *lines;
        uint64_t vaddr;
        unsigned largest; /* level of a block that fits the memory here */
    } rows[] = {
        {{.arm = true, .page_shift = 12, .levels = 4, .va_bits = 48},
         "NUMBER(VA_BITS)=48\nNUMBER(TCR_EL1_T1SZ)=0x10\n",
         UINT64_C(0xfffffc0000200000),
         1},
        {{.arm = true, .page_shift = 12, .levels = 3, .va_bits = 39},
         "NUMBER(VA_BITS)=39\n",
         UINT64_C(0xfffffffe00200000),
         1},
        {{.arm = true, .page_shift = 14, .levels = 3, .va_bits = 47},
         "NUMBER(VA_BITS)=47\n",
         UINT64_C(0xfffffc0000200000),
         0},
        {{.arm = true, .page_shift = 16, .levels = 3, .va_bits = 48},
         "NUMBER(VA_BITS)=48\n",
         UINT64_C(0xfffffc0000200000),
         0},
        {{.arm = true, .page_shift = 16, .levels = 3, .va_bits = 52, .lpa = true},
         "NUMBER(VA_BITS)=52\nNUMBER(MAX_PHYSMEM_BITS)=52\nNUMBER(TCR_EL1_T1SZ)=0x10\n",
         UINT64_C(0xfffffc0000200000),
         0},
        {{.arm = true, .page_shift = 12, .levels = 5, .va_bits = 52, .lpa2 = true},
         "NUMBER(VA_BITS)=52\nNUMBER(MAX_PHYSMEM_BITS)=52\nNUMBER(TCR_EL1_T1SZ)=0xc\n",
         UINT64_C(0xfff7fc0000200000),
         1},
        {{.arm = true, .page_shift = 12, .levels = 4, .va_bits = 48},
         "NUMBER(VA_BITS)=52\nNUMBER(TCR_EL1_T1SZ)=0x10\n", /* that the processor has not */
         UINT64_C(0xfffffc0000200000),
         1},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t page = UINT64_C(1) << rows[i].machine.page_shift, at = rows[i].vaddr;
        char lines[256];

        snprintf(lines, sizeof(lines),
                 "SYMBOL(swapper_pg_dir)=ffff800008110000\n"
                 "NUMBER(kimage_voffset)=0xffff800008000000\n%s",
                 rows[i].lines);
        start(&rows[i].machine, lines);
        map(at, BASE + (1 << 20) + 4 * page, 0);
        map(at + page, BASE + (1 << 20) + 2 * page, 0);
        if (rows[i].largest)
            map(at + (2 << 20), 4 << 20, 1);
        open_it();
        CHECK(is_memory(at, BASE + (1 << 20) + 4 * page, page));
        CHECK(is_memory(at + page + 9, BASE + (1 << 20) + 2 * page + 9, page - 9));
        CHECK_EQ(read_byte(at + 2 * page), PND_E_NOTFOUND);
        if (rows[i].largest)
            CHECK(is_memory(at + (2 << 20), 4 << 20, 1 << 20));
        if (!tap_ok) {
            printf("# in row %zu\n", i);
            return;
        }
    }
}

/* Where LPA and LPA2 put the high bits of an address. */
static void addresses_beyond_48_bits_are_put_together(void)
{
    uint64_t paddr = 0, bytes = 0, high = UINT64_C(0x000d000000200000);
    static const struct machine lpa = {
        .arm = true, .page_shift = 16, .levels = 3, .va_bits = 52, .lpa = true};
    static const struct machine lpa2 = {
        .arm = true, .page_shift = 12, .levels = 5, .va_bits = 52, .lpa2 = true};

    start(&lpa, "SYMBOL(swapper_pg_dir)=ffff800008110000\nNUMBER(VA_BITS)=52\n"
                "NUMBER(kimage_voffset)=0xffff800008000000\nNUMBER(MAX_PHYSMEM_BITS)=52\n");
    map(UINT64_C(0xfffffc0000200000), high, 0);
    open_it();
    CHECK_EQ(pnd_vmcore_memory_find(&memory, UINT64_C(0xfffffc0000200000), &paddr, &bytes), PND_OK);
    CHECK_EQ(paddr, high);
    CHECK_EQ(bytes, 65536);
    start(&lpa2, "SYMBOL(swapper_pg_dir)=ffff800008110000\nNUMBER(VA_BITS)=52\n"
                 "NUMBER(kimage_voffset)=0xffff800008000000\nNUMBER(TCR_EL1_T1SZ)=0xc\n");
    map(UINT64_C(0xfff7fc0000200000), high, 0);
    open_it();
    CHECK_EQ(pnd_vmcore_memory_find(&memory, UINT64_C(0xfff7fc0000200000), &paddr, &bytes), PND_OK);
    CHECK_EQ(paddr, high);
    CHECK_EQ(bytes, 4096);
}

static uint32_t random_state = 1;

static uint32_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

static void broken_page_tables_and_numbers_do_no_harm(void)
{
    static const char *const lines[] = {
        "SYMBOL(swapper_pg_dir)=ffffffff80110000\nNUMBER(phys_base)=0\n",
        "SYMBOL(swapper_pg_dir)=ffffffff80110000\nNUMBER(phys_base)=-99999999999\n",
        "SYMBOL(swapper_pg_dir)=ffffffffffffffff\nNUMBER(phys_base)=0\n",
        "SYMBOL(swapper_pg_dir)=ffff888000110000\nNUMBER(VA_BITS)=48\n",
        "SYMBOL(swapper_pg_dir)=ffff888000110000\nNUMBER(VA_BITS)=0\n",
        "SYMBOL(swapper_pg_dir)=ffff888000110000\nNUMBER(VA_BITS)=99\n",
        "SYMBOL(swapper_pg_dir)=ffff888000110000\nNUMBER(VA_BITS)=36\n",
        ("SYMBOL(swapper_pg_dir)=ffff888000110000\nNUMBER(VA_BITS)=52\n"
         "NUMBER(TCR_EL1_T1SZ)=0x40\nNUMBER(kimage_voffset)=0xg\n"),
        "SYMBOL(swapper_pg_dir)=ffff888000110000\nPAGESIZE=0\n",
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        start(&x86_4, lines[i]);
        open_it();
        for (unsigned n = 0; n < 2000; n++) {
            uint64_t vaddr = (uint64_t)next_random() << 40 ^ (uint64_t)next_random() << 16;
            int err;

            for (unsigned k = 0; k < 64; k++)
                put(place(TABLES_AT + next_random() % 4096 / 8 * 8),
                    TABLES_AT + next_random() % 16 * 4096 + (next_random() & 0xff), 8);
            err = read_byte(vaddr | UINT64_C(0xffff) << 48);
            CHECK(err == PND_OK || err == PND_E_NOTFOUND);
        }
    }
}

int main(void)
{
    RUN(pages_of_each_size_are_found);
    RUN(a_read_goes_over_pages_that_lie_anywhere);
    RUN(segments_that_meet_are_one_memory);
    RUN(without_page_tables_segments_are_read);
    RUN(a_kernel_that_was_moved_and_memory_that_is_encrypted_are_known);
    RUN(page_tables_of_aarch64_are_read);
    RUN(addresses_beyond_48_bits_are_put_together);
    RUN(broken_page_tables_and_numbers_do_no_harm);
    return tap_done();
}
