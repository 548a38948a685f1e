/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Cores in another order. Each is made of segments of a machine whose every byte is told by its
 * physical address; the new file is put together as a sender does it, and every byte of every old
 * segment is looked for in it, through its own headers. */
#include "tap.h"

#include "image/vmcore_layout.h"

enum {
    PAGE = PND_LAYOUT_PAGE,
    FILE_CAP = 16 << 20,
    SEGMENTS_CAP = 3000,
    HEADERS_CAP = 64 + 56 * (SEGMENTS_CAP + 1),
    NOTES_AT = (HEADERS_CAP + PAGE - 1) / PAGE * PAGE,
    DATA_AT = NOTES_AT + 2 * PAGE,
};

static const uint64_t text = UINT64_C(0xffffffff81000000), direct = UINT64_C(0xffff888000000000);
static const char info[] = "OSRELEASE=6.1.0-test\nPAGESIZE=4096\n";

static struct old {
    uint8_t bytes[FILE_CAP];
    size_t len;
    uint32_t count; /* of LOAD segments */
    struct pnd_vmcore_segment segments[SEGMENTS_CAP];
    size_t notes_len;
    uint64_t broken_start, broken_end; /* cannot be read */
} old;

static uint8_t new_bytes[FILE_CAP];
static size_t new_len;
static struct pnd_vmcore vmcore;
static struct pnd_vmcore_layout layout;

static uint8_t memory_at(uint64_t paddr)
{
    return (uint8_t)((paddr * UINT64_C(0x9e3779b97f4a7c15)) >> 40);
}

static void put(size_t at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        old.bytes[at + i] = (uint8_t)(value >> i * 8);
}

static void put_phdr(uint32_t index, const struct pnd_vmcore_segment *segment)
{
    size_t at = 64 + (size_t)index * 56;

    put(at, segment->type, 4);
    put(at + 4, segment->flags, 4);
    put(at + 8, segment->offset, 8);
    put(at + 16, segment->vaddr, 8);
    put(at + 24, segment->paddr, 8);
    put(at + 32, segment->bytes, 8);
    put(at + 40, segment->memory_bytes, 8);
}

static void start(void)
{
    static const uint8_t ident[] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    struct pnd_vmcore_segment notes = {.type = PND_VMCORE_NOTE, .offset = NOTES_AT};

    memset(old.bytes, 0, old.len);
    old.count = 0;
    old.broken_start = old.broken_end = 0;
    memcpy(old.bytes, ident, sizeof(ident));
    put(16, 4, 2);
    put(18, 62, 2);
    put(20, 1, 4);
    put(32, 64, 8);
    put(40, 4711, 8); /* a section table that nobody needs */
    put(52, 64, 2);
    put(54, 56, 2);
    put(56, 1, 2);
    put(60, 1, 2);
    put(NOTES_AT, 11, 4);
    put(NOTES_AT + 4, sizeof(info) - 1, 4);
    memcpy(old.bytes + NOTES_AT + 12, "VMCOREINFO", 11);
    memcpy(old.bytes + NOTES_AT + 24, info, sizeof(info) - 1);
    old.notes_len = 24 + (sizeof(info) + 2) / 4 * 4;
    notes.bytes = notes.memory_bytes = old.notes_len;
    put_phdr(0, &notes);
    old.len = DATA_AT;
}

static struct pnd_vmcore_segment *put_segment(uint64_t vaddr, uint64_t paddr, uint64_t bytes)
{
    struct pnd_vmcore_segment *segment = &old.segments[old.count++];
    size_t at = old.len + (size_t)((paddr - old.len) % PAGE); /* as /proc/vmcore has it */

    *segment = (struct pnd_vmcore_segment){.type = PND_VMCORE_LOAD,
                                           .flags = 7,
                                           .offset = at,
                                           .vaddr = vaddr,
                                           .paddr = paddr,
                                           .bytes = bytes,
                                           .memory_bytes = bytes};
    for (uint64_t i = 0; i < bytes; i++)
        old.bytes[at + i] = memory_at(paddr + i);
    old.len = at + bytes;
    put_phdr(old.count, segment);
    put(56, old.count + 1, 2);
    return segment;
}

static int read_old(void *ctx, uint64_t offset, void *buf, size_t len)
{
    (void)ctx;
    if (offset > old.len || len > old.len - offset)
        return PND_E_SOURCE;
    if (offset < old.broken_end && offset + len > old.broken_start)
        return PND_E_SOURCE;
    memcpy(buf, old.bytes + offset, len);
    return PND_OK;
}

static int read_new(void *ctx, uint64_t offset, void *buf, size_t len)
{
    (void)ctx;
    if (offset > new_len || len > new_len - offset)
        return PND_E_SOURCE;
    memcpy(buf, new_bytes + offset, len);
    return PND_OK;
}

static int lay_out(const struct pnd_vmcore_range *first, size_t count)
{
    struct pnd_vmcore_source source = {.read = read_old};

    memset(&layout, 0xa5, sizeof(layout));
    CHECK_EQ(pnd_vmcore_open(&vmcore, &source), PND_OK);
    return pnd_vmcore_layout(&vmcore, first, count, &layout);
}

/* The new file, its head in parts of @p part bytes. */
static void write_new(size_t part)
{
    new_len = (size_t)layout.bytes;
    CHECK(layout.bytes <= FILE_CAP && layout.head_bytes <= layout.bytes);
    CHECK_EQ(layout.head_bytes % PAGE, 0);
    memset(new_bytes, 0, new_len);
    for (uint64_t at = 0; at < layout.head_bytes; at += part) {
        uint64_t left = layout.head_bytes - at;

        CHECK_EQ(pnd_vmcore_layout_head(&layout, &vmcore, at, new_bytes + at,
                                        left < part ? (size_t)left : part),
                 PND_OK);
    }
    for (uint32_t i = 0; i < layout.piece_count; i++) {
        const struct pnd_layout_piece *piece = &layout.pieces[i];
        uint64_t end = i ? piece[-1].offset + piece[-1].bytes : layout.head_bytes;

        CHECK(piece->offset >= end && piece->offset - end < PAGE);
        CHECK(piece->bytes > 0 && piece->offset % PAGE == piece->paddr % PAGE);
        memcpy(new_bytes + piece->offset, old.bytes + piece->source, piece->bytes);
        end = piece->offset + piece->bytes;
        if (i + 1 == layout.piece_count)
            CHECK_EQ(layout.bytes, end);
    }
}

/* Where the byte of @p segment that is @p at behind its start stands in the new file, and how far
 * it goes on there. */
static uint64_t find_new(const struct pnd_vmcore *core, const struct pnd_vmcore_segment *segment,
                         uint64_t at, uint64_t *ret_bytes)
{
    struct pnd_vmcore_segment now;
    bool told = segment->vaddr != 0 && segment->vaddr != UINT64_MAX;

    for (uint32_t i = 0; pnd_vmcore_segment(core, i, &now) == PND_OK; i++) {
        uint64_t skip = segment->paddr + at - now.paddr;

        if (now.type != PND_VMCORE_LOAD || segment->paddr + at < now.paddr || skip >= now.bytes)
            continue;
        if (now.vaddr != (told ? segment->vaddr + at - skip : segment->vaddr))
            continue;
        CHECK_EQ(now.flags, segment->flags);
        *ret_bytes = now.bytes - skip;
        return now.offset + skip;
    }
    CHECK(!"there is a segment for it");
    *ret_bytes = UINT64_MAX;
    return 0;
}

static void check_order(const struct pnd_vmcore *core)
{
    struct pnd_vmcore_segment now, before = {0};
    uint64_t memory = 0, wanted = 0;

    for (uint32_t i = 1; pnd_vmcore_segment(core, i, &now) == PND_OK; i++) {
        CHECK_EQ(now.type, PND_VMCORE_LOAD);
        CHECK(now.vaddr > before.vaddr || (now.vaddr == before.vaddr && now.paddr >= before.paddr));
        CHECK(now.bytes == 0 || now.offset % PAGE == now.paddr % PAGE);
        CHECK(now.offset >= layout.head_bytes && now.offset + now.bytes <= new_len);
        memory += now.memory_bytes;
        before = now;
    }
    for (uint32_t i = 0; i < old.count; i++)
        wanted += old.segments[i].memory_bytes;
    CHECK_EQ(memory, wanted);
}

/* The new file says what the old one said. */
static void check_new(void)
{
    static struct pnd_vmcore core;
    struct pnd_vmcore_source source = {.read = read_new};
    struct pnd_vmcore_segment notes = {0};

    write_new(SIZE_MAX);
    CHECK_EQ(pnd_vmcore_open(&core, &source), PND_OK);
    CHECK_STR(core.release, "6.1.0-test");
    CHECK_EQ(core.phdr_offset, 64);
    CHECK_EQ(core.phdr_count, layout.segment_count + 1);
    CHECK_EQ(pnd_vmcore_segment(&core, 0, &notes), PND_OK);
    CHECK_EQ(notes.type, PND_VMCORE_NOTE);
    CHECK_EQ(notes.bytes, old.notes_len);
    CHECK_MEM(new_bytes + notes.offset, old.bytes + NOTES_AT, old.notes_len);
    CHECK_MEM(new_bytes, old.bytes, 32);
    check_order(&core);
    for (uint32_t i = 0; i < old.count; i++) {
        const struct pnd_vmcore_segment *segment = &old.segments[i];
        uint64_t now = 0;

        for (uint64_t at = 0; at < segment->bytes; at += now) {
            uint64_t place = find_new(&core, segment, at, &now);

            now = now < segment->bytes - at ? now : segment->bytes - at;
            CHECK_MEM(new_bytes + place, old.bytes + segment->offset + at, now);
        }
    }
}

/* Physical memory that the old file has, each byte counted once. */
static uint64_t distinct_bytes(void)
{
    static bool seen[1 << 20];
    uint64_t count = 0;

    memset(seen, 0, sizeof(seen));
    for (uint32_t i = 0; i < old.count; i++)
        for (uint64_t at = 0; at < old.segments[i].bytes; at++)
            seen[old.segments[i].paddr + at] = true;
    for (size_t i = 0; i < sizeof(seen); i++)
        count += seen[i];
    return count;
}

/* The machine of QEMU: text and data, and all memory but that of the crash kernel. */
static void make_machine(void)
{
    start();
    put_segment(text, 0x40000, 0x30000);
    put_segment(direct + 0x1000, 0x1000, 0x9f000);
    put_segment(direct + 0xc0000, 0xc0000, 0x20000);
}

static void the_kernels_text_is_there_once(void)
{
    make_machine();
    CHECK_EQ(lay_out(NULL, 0), PND_OK);
    check_new();
    CHECK_EQ(layout.bytes, layout.head_bytes + distinct_bytes());
    CHECK_EQ(layout.bytes + 0x30000 - layout.head_bytes, old.len - DATA_AT);
    CHECK_EQ(layout.segment_count, 3); /* nothing was cut */
    CHECK_EQ(layout.segments[2].vaddr, text);
}

/* In the order in which it is asked for; the page of the first range is asked for again, by its
 * other address, with the fourth, and waits for that. */
static void what_is_asked_for_comes_first(void)
{
    const struct pnd_vmcore_range first[] = {
        {text + 0x12345, 8},         /* the kernel's own data */
        {direct + 0xc8000, 0x2000},  /* what was allocated */
        {text + 0x20fff, 2},         /* across a page */
        {direct + 0x52000, 0x800},   /* the page of the first, by its other address */
        {direct + 0x9f800, 0x21000}, /* beyond what there is, and into the next segment */
    };
    static const uint64_t pages[] = {0xc8000, 0xc9000, 0x60000, 0x61000, 0x52000, 0x9f000, 0xc0000};
    uint64_t at;

    make_machine();
    CHECK_EQ(lay_out(first, 5), PND_OK);
    check_new();
    CHECK_EQ(layout.bytes, layout.head_bytes + distinct_bytes());
    at = layout.head_bytes;
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++, at += PAGE)
        for (size_t b = 0; b < PAGE; b++)
            if (new_bytes[at + b] != memory_at(pages[i] + b)) {
                CHECK(!"the page is where it was asked for");
                break;
            }
    CHECK(layout.pieces[0].turn == 1 && layout.pieces[0].paddr == 0xc8000);
}

/* Every page on its own: the first, the last, and each that ends a segment. */
static void any_page_may_come_first(void)
{
    make_machine();
    for (uint64_t page = 0x1000; page < 0xe0000; page += PAGE) {
        const struct pnd_vmcore_range first = {direct + page + 17, 1};
        bool there = page < 0xa0000 || page >= 0xc0000;

        CHECK_EQ(lay_out(&first, 1), PND_OK);
        CHECK_EQ(layout.pieces[0].turn, there ? 0 : PND_LAYOUT_REST);
        CHECK_EQ(layout.pieces[0].paddr, there ? page : 0x1000);
        CHECK_EQ(layout.bytes, layout.head_bytes + distinct_bytes());
        if (page % 0x7000 == 0)
            check_new();
    }
}

static void what_is_not_in_the_dump_is_left_out(void)
{
    const struct pnd_vmcore_range first[] = {
        {0x1000, 0x1000},         {direct + 0xa0000, 0x1000}, {direct + 0xe0000, 0x1000000},
        {UINT64_MAX, 1},          {text + 0x30000, 1},        {direct + 0x40000, 0},
        {UINT64_MAX, UINT64_MAX},
    };

    make_machine();
    CHECK_EQ(lay_out(first, 7), PND_OK);
    check_new();
    for (uint32_t i = 0; i < layout.piece_count; i++)
        CHECK_EQ(layout.pieces[i].turn, PND_LAYOUT_REST);
    CHECK_EQ(layout.segment_count, 3);
}

static void all_may_be_asked_for(void)
{
    const struct pnd_vmcore_range first = {1, UINT64_MAX};

    make_machine();
    CHECK_EQ(lay_out(&first, 1), PND_OK);
    check_new();
    CHECK_EQ(layout.bytes, layout.head_bytes + distinct_bytes());
}

static void segments_that_end_within_a_page_stay_in_their_place_of_it(void)
{
    const struct pnd_vmcore_range first[] = {{direct + 0x9f000, 1}, {direct + 0xc0400, 1}};

    for (unsigned i = 0; i < 2; i++) {
        start();
        put_segment(direct + 0x1000, 0x1000, 0x9ec00); /* to 0x9fc00, as of the first MiB */
        put_segment(direct + 0x9fc00, 0x9fc00, 0x400);
        put_segment(direct + 0xc0200, 0xc0200, 0x20301);
        put_segment(direct + 0xf0fff, 0xf0fff, 1);
        CHECK_EQ(lay_out(first, i ? 2 : 0), PND_OK);
        check_new();
        CHECK(layout.bytes < layout.head_bytes + distinct_bytes() + (uint64_t)4 * PAGE);
    }
}

static void memory_that_was_left_out_stays_named(void)
{
    const struct pnd_vmcore_range first[] = {{direct + 0x12000, 1}, {text + 0x3000, 1}};
    struct pnd_vmcore_segment *segment;

    start();
    segment = put_segment(direct + 0x10000, 0x10000, 0x8000);
    segment->memory_bytes = 0x20000;
    put_phdr(1, segment);
    segment = put_segment(direct + 0x40000, 0x40000, 0);
    segment->memory_bytes = 0x10000;
    put_phdr(2, segment);
    put_segment(text, 0x14000, 0x4000);
    CHECK_EQ(lay_out(first, 2), PND_OK);
    check_new();
    CHECK_EQ(layout.bytes, layout.head_bytes + 0x8000);
}

static void addresses_that_are_not_told_stay_so(void)
{
    const struct pnd_vmcore_range first[] = {{0x2000, 0x1000}, {text + 0x1000, 1}};

    start();
    put_segment(0, 0x10000, 0x8000);
    put_segment(UINT64_MAX, 0x20000, 0x8000);
    put_segment(0, 0, 0x8000);
    put_segment(text, 0x22000, 0x3000);
    CHECK_EQ(lay_out(first, 2), PND_OK);
    check_new();
    CHECK_EQ(layout.pieces[0].paddr, 0x23000);
    CHECK_EQ(layout.pieces[1].turn, PND_LAYOUT_REST);
}

/* Text that lies in two segments of memory, or begins where one ends. */
static void overlaps_of_every_kind_are_sent_once(void)
{
    const struct pnd_vmcore_range first[] = {{text + 0x7000, 0x2000}, {direct + 0x4000, 1}};

    for (uint64_t from = 0; from <= 0x20000; from += 0x1000) {
        for (uint64_t bytes = 0x1000; bytes <= 0x20000; bytes += 0x3000) {
            start();
            put_segment(direct + 0x8000, 0x8000, 0x8000);
            put_segment(direct + 0x10000, 0x10000, 0x8000);
            put_segment(text, from, bytes);
            CHECK_EQ(lay_out(first, 2), PND_OK);
            CHECK_EQ(layout.bytes, layout.head_bytes + distinct_bytes());
            check_new();
        }
    }
}

static void cores_that_no_kernel_makes_are_left_as_they_are(void)
{
    start(); /* a process: addresses are virtual alone, and memory differs */
    put_segment(0x400000, 0, 0x4000);
    put_segment(0x600000, 0, 0x4000);
    old.bytes[old.segments[1].offset] ^= 1;
    CHECK_EQ(lay_out(NULL, 0), PND_E_FORMAT);
    make_machine();
    old.bytes[old.segments[0].offset + 0x2ffff] ^= 1; /* its last byte alone */
    CHECK_EQ(lay_out(NULL, 0), PND_E_FORMAT);
    make_machine();
    put_segment(direct + 0x60000, 0x60000, 0x1000); /* the third time */
    CHECK_EQ(lay_out(NULL, 0), PND_E_FORMAT);
    make_machine();
    old.segments[2].type = 7;
    put_phdr(3, &old.segments[2]);
    CHECK_EQ(lay_out(NULL, 0), PND_E_FORMAT);
    make_machine();
    old.segments[2].type = PND_VMCORE_NOTE; /* the second one */
    put_phdr(3, &old.segments[2]);
    CHECK_EQ(lay_out(NULL, 0), PND_E_FORMAT);
    make_machine();
    old.segments[2].type = 0; /* PT_NULL is no segment */
    put_phdr(3, &old.segments[2]);
    CHECK_EQ(lay_out(NULL, 0), PND_OK);
    CHECK_EQ(layout.segment_count, 2);
}

static void headers_that_cannot_be_are_refused(void)
{
    static const uint64_t odd[] = {UINT64_MAX,       UINT64_MAX - 1, UINT64_MAX / 2,
                                   INT64_MAX - 1,    INT64_MAX,      (uint64_t)INT64_MAX + 1,
                                   UINT64_C(1) << 62};

    for (size_t field = 0; field < 3; field++) {
        for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
            struct pnd_vmcore_segment *segment;
            int err;

            make_machine();
            segment = &old.segments[2];
            *(field == 0   ? &segment->paddr
              : field == 1 ? &segment->bytes
                           : &segment->memory_bytes) = odd[i];
            if (field == 1)
                segment->memory_bytes = odd[i];
            put_phdr(3, segment);
            err = lay_out(NULL, 0);
            CHECK(err == PND_E_FORMAT || (err == PND_OK && odd[i] == UINT64_C(1) << 62));
        }
    }
    make_machine();
    old.segments[2].bytes = old.segments[2].memory_bytes + 1;
    put_phdr(3, &old.segments[2]);
    CHECK_EQ(lay_out(NULL, 0), PND_E_FORMAT);
    make_machine();
    old.segments[1].vaddr = UINT64_MAX - 0x1000; /* it would pass the end of all addresses */
    put_phdr(2, &old.segments[1]);
    CHECK_EQ(lay_out(NULL, 0), PND_E_FORMAT);
}

static void a_segment_may_end_where_addresses_end(void)
{
    start();
    put_segment(UINT64_MAX - 0xfff, 0x10000, 0x1000);
    CHECK_EQ(lay_out(NULL, 0), PND_OK);
    check_new();
}

static void there_are_only_so_many_segments(void)
{
    const struct pnd_vmcore_range first = {direct + (uint64_t)100 * 2 * PAGE + 2 * PAGE, 1};

    for (uint32_t count = 2046; count <= 2050; count++) {
        start();
        for (uint32_t i = 0; i < count; i++)
            put_segment(direct + (uint64_t)i * 2 * PAGE, (uint64_t)i * 2 * PAGE, 16);
        CHECK_EQ(lay_out(NULL, 0), count <= 2048 ? PND_OK : PND_E_RANGE);
        if (count == 2048)
            check_new();
    }
    start();
    for (uint32_t i = 0; i < 2047; i++)
        put_segment(direct + (uint64_t)i * 2 * PAGE, (uint64_t)i * 2 * PAGE, i == 101 ? PAGE : 16);
    CHECK_EQ(lay_out(&first, 1), PND_OK); /* the whole of one: nothing is cut */
    start();
    for (uint32_t i = 0; i < 2047; i++)
        put_segment(direct + (uint64_t)i * 4 * PAGE, (uint64_t)i * 4 * PAGE,
                    i == 50 ? 3 * PAGE : 16);
    CHECK_EQ(lay_out(&first, 1), PND_OK); /* its last third: one more */
    CHECK_EQ(layout.segment_count, 2048);
    put_segment(direct + (uint64_t)2047 * 4 * PAGE, (uint64_t)2047 * 4 * PAGE, 16);
    CHECK_EQ(lay_out(NULL, 0), PND_OK);
    CHECK_EQ(lay_out(&first, 1), PND_E_RANGE);
}

/* Memory that is there twice is cut twice: there are fewer pieces than segments. */
static void segments_of_the_same_memory_are_counted_each(void)
{
    for (uint32_t count = 1022; count <= 1023; count++) {
        const struct pnd_vmcore_range first = {direct + 3 * PAGE + 1, 1};

        start();
        for (uint32_t i = 0; i < count; i++) {
            uint64_t at = (uint64_t)i * 8 * PAGE, bytes = i == 0 ? 7 * PAGE : 16;

            put_segment(direct + at, at, bytes);
            put_segment(text + at, at, bytes);
        }
        CHECK_EQ(lay_out(NULL, 0), PND_OK);
        CHECK_EQ(lay_out(&first, 1), count == 1022 ? PND_OK : PND_E_RANGE);
        if (count == 1022) {
            CHECK_EQ(layout.segment_count, 2048);
            CHECK_EQ(layout.piece_count, 1024);
            check_new();
        }
    }
}

static void more_ranges_than_are_kept_come_later(void)
{
    static struct pnd_vmcore_range first[400];

    start();
    put_segment(direct, 0, 0x400000);
    for (size_t i = 0; i < 400; i++)
        first[i] = (struct pnd_vmcore_range){direct + (399 - i) * 2 * PAGE, 1};
    CHECK_EQ(lay_out(first, 400), PND_OK);
    CHECK(layout.pieces[100].turn < 400 && layout.pieces[200].turn == PND_LAYOUT_REST);
    check_new();
}

static void memory_that_cannot_be_read_is_no_reason_to_give_up(void)
{
    make_machine();
    old.broken_start = old.segments[0].offset;
    old.broken_end = old.broken_start + old.segments[0].bytes;
    CHECK_EQ(lay_out(NULL, 0), PND_OK);
    CHECK_EQ(layout.bytes, layout.head_bytes + distinct_bytes());
}

static void the_head_is_the_same_in_parts_of_any_size(void)
{
    static uint8_t whole[FILE_CAP];
    static const size_t parts[] = {1, 7, 55, 56, 63, 64, 65, 4095, 4097};

    make_machine();
    CHECK_EQ(lay_out(NULL, 0), PND_OK);
    write_new(SIZE_MAX);
    memcpy(whole, new_bytes, (size_t)layout.head_bytes);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        write_new(parts[i]);
        CHECK_MEM(new_bytes, whole, (size_t)layout.head_bytes);
    }
    CHECK_EQ(pnd_vmcore_layout_head(&layout, &vmcore, layout.head_bytes, whole, 0), PND_OK);
    CHECK_EQ(pnd_vmcore_layout_head(&layout, &vmcore, layout.head_bytes, whole, 1), PND_E_RANGE);
    CHECK_EQ(pnd_vmcore_layout_head(&layout, &vmcore, UINT64_MAX, whole, 1), PND_E_RANGE);
    old.broken_start = NOTES_AT;
    old.broken_end = NOTES_AT + 1;
    CHECK_EQ(pnd_vmcore_layout_head(&layout, &vmcore, 0, whole, (size_t)layout.head_bytes),
             PND_E_SOURCE);
}

static void every_piece_of_luck_keeps_every_byte(void)
{
    uint64_t x = 1;

    for (unsigned round = 0; round < 300; round++) {
        struct pnd_vmcore_range first[8];
        uint64_t at = 0;

        start();
        for (unsigned i = 0; i < 6; i++) {
            x = x * UINT64_C(6364136223846793005) + 1442695040888963407U;
            at += (x >> 33) % 5 * 0x800;
            put_segment(direct + at, at, 1 + (x >> 40) % 0x6000);
            at += old.segments[i].bytes;
        }
        if (at > 0x2000)
            put_segment(text, at / 2 / PAGE * PAGE, at / 3);
        for (size_t i = 0; i < 8; i++) {
            x = x * UINT64_C(6364136223846793005) + 1442695040888963407U;
            first[i] = (struct pnd_vmcore_range){(i & 1 ? text : direct) + (x >> 33) % at,
                                                 (x >> 20) % 0x3000};
        }
        CHECK_EQ(lay_out(first, round % 9), PND_OK);
        check_new();
    }
}

int main(void)
{
    RUN(the_kernels_text_is_there_once);
    RUN(what_is_asked_for_comes_first);
    RUN(any_page_may_come_first);
    RUN(what_is_not_in_the_dump_is_left_out);
    RUN(all_may_be_asked_for);
    RUN(segments_that_end_within_a_page_stay_in_their_place_of_it);
    RUN(memory_that_was_left_out_stays_named);
    RUN(addresses_that_are_not_told_stay_so);
    RUN(overlaps_of_every_kind_are_sent_once);
    RUN(cores_that_no_kernel_makes_are_left_as_they_are);
    RUN(headers_that_cannot_be_are_refused);
    RUN(a_segment_may_end_where_addresses_end);
    RUN(there_are_only_so_many_segments);
    RUN(segments_of_the_same_memory_are_counted_each);
    RUN(more_ranges_than_are_kept_come_later);
    RUN(memory_that_cannot_be_read_is_no_reason_to_give_up);
    RUN(the_head_is_the_same_in_parts_of_any_size);
    RUN(every_piece_of_luck_keeps_every_byte);
    return tap_done();
}
