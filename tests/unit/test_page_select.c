/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which pages a filtered dump keeps: machines of a few thousand made-up struct pages. That it is
 * what makedumpfile keeps is shown by tests/linux/test_filter.py. */
#include "tap.h"

#include "image/page_select.h"

enum {
    FRAMES = 4096,  /* that have a struct page in memory */
    SECTION = 1024, /* frames of a section */
    HOLE = 2,       /* the section without struct pages */
    STRUCT = 64,
    STRUCT_CAP = 160,
    SECTION_STRUCT = 16,
    TEXT_CAP = 8192,
    LRU = 1 << 4,
    SLAB = 1 << 9,
    SWAPCACHE = 1 << 10,
    PRIVATE = 1 << 13,
    HEAD = 1 << 16,
    SWAPBACKED = 1 << 19,
    HWPOISON = 1 << 22,
    BUDDY = -129,
    OFFLINE = -257,
    ANON = 0x1001,
    FILE_ = 0x1000,
    HUGETLB = 2,
    CACHE = PND_PAGE_CACHE,
    CACHES = PND_PAGE_CACHE_PRIVATE,
    USER = PND_PAGE_USER,
    FREE = PND_PAGE_FREE,
};

#define MEM_MAP  UINT64_C(0xffffea0000000000)
#define TABLE    UINT64_C(0xffff888000100000)
#define SECTIONS UINT64_C(0xffff888000200000)

static const char common[] =
    "OSRELEASE=6.1.0-test\nPAGESIZE=4096\nSYMBOL(mem_section)=ffff888000100000\n"
    "LENGTH(mem_section)=1\nSIZE(mem_section)=16\nOFFSET(mem_section.section_mem_map)=0\n"
    "NUMBER(SECTION_SIZE_BITS)=22\nNUMBER(MAX_PHYSMEM_BITS)=26\nSIZE(page)=64\n"
    "OFFSET(page.flags)=0\nOFFSET(page.mapping)=24\nOFFSET(page._mapcount)=48\n"
    "OFFSET(page.private)=40\nLENGTH(zone.free_area)=11\nNUMBER(PG_lru)=4\nNUMBER(PG_private)=13\n"
    "NUMBER(PG_swapcache)=10\nNUMBER(PG_swapbacked)=19\nNUMBER(PG_head_mask)=65536\n"
    "OFFSET(page.compound_head)=8\n";
static const char linux61[] =
    "NUMBER(PG_slab)=9\nNUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)=-129\n"
    "NUMBER(PAGE_OFFLINE_MAPCOUNT_VALUE)=-257\nOFFSET(page.compound_dtor)=16\n"
    "OFFSET(page.compound_order)=17\nNUMBER(HUGETLB_PAGE_DTOR)=2\n";

static uint8_t pages[FRAMES * STRUCT_CAP];
static unsigned stride = STRUCT; /* bytes of a struct page */
static uint64_t unreadable;      /* an address of a struct page that cannot be read */
static int read_error;
static struct pnd_vmcore vmcore;
static struct pnd_page_select select_;
static uint8_t bitmap[FRAMES / 8];

static void put(uint8_t *at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> i * 8);
}

/* The memory of the machine: a root of the table of sections, four sections, struct pages. */
static int read_memory(void *ctx, uint64_t vaddr, void *buf, size_t len)
{
    uint8_t sections[4 * SECTION_STRUCT] = {0}, root[8];

    (void)ctx;
    put(root, SECTIONS, 8);
    for (unsigned i = 0; i < 4; i++)
        put(sections + (size_t)i * SECTION_STRUCT, i == HOLE ? 0 : MEM_MAP | 0x1f, 8);
    if (unreadable >= vaddr && unreadable - vaddr < len)
        return read_error;
    if (vaddr >= TABLE && vaddr - TABLE + len <= sizeof(root))
        memcpy(buf, root + (vaddr - TABLE), len);
    else if (vaddr >= SECTIONS && vaddr - SECTIONS + len <= sizeof(sections))
        memcpy(buf, sections + (vaddr - SECTIONS), len);
    else if (vaddr >= MEM_MAP && vaddr - MEM_MAP + len <= sizeof(pages))
        memcpy(buf, pages + (vaddr - MEM_MAP), len);
    else
        return PND_E_NOTFOUND;
    return PND_OK;
}

static const struct pnd_vmcore_source memory = {NULL, read_memory};

static void attach(const char *first, const char *second)
{
    static char text[TEXT_CAP];

    snprintf(text, sizeof(text), "%s%s", first, second);
    pnd_vmcore_attach(&vmcore, text, strlen(text), false, false, &memory);
}

struct page {
    uint64_t flags, mapping, private;
    int mapcount; /* 0: -1, which is what most have */
    bool tail;
    uint8_t dtor, order;
};

static void set(unsigned frame, struct page page)
{
    uint8_t *at = pages + (size_t)frame * stride;

    memset(at, 0, stride);
    put(at, page.flags, 8);
    put(at + 8, page.tail ? MEM_MAP | 1 : 0, 8);
    if (page.dtor || page.order) {
        at[16] = page.dtor;
        at[17] = page.order;
    }
    put(at + 24, page.mapping, 8);
    put(at + 40, page.private, 8);
    put(at + 48, (uint32_t)(page.mapcount ? page.mapcount : -1), 4);
}

#define SET(frame, ...) set(frame, (struct page){__VA_ARGS__})

static void compound(unsigned frame, unsigned order, uint8_t dtor, struct page head)
{
    head.flags |= HEAD;
    set(frame, head);
    for (unsigned i = 1; i < 1U << order; i++)
        SET(frame + i, .tail = true, .dtor = i == 1 ? dtor : 0,
            .order = i == 1 ? (uint8_t)order : 0);
}

/* A machine whose pages all stay. */
static void start(void)
{
    for (unsigned i = 0; i < FRAMES; i++)
        SET(i, .flags = 0);
    unreadable = 0;
    read_error = PND_E_SOURCE;
    attach(common, linux61);
}

static int select_in_pieces(unsigned level, unsigned piece)
{
    int err = pnd_page_select_open(&select_, &vmcore, level);

    memset(bitmap, 0xff, sizeof(bitmap));
    for (unsigned at = 0; !err && at < FRAMES; at += piece) {
        unsigned count = piece < FRAMES - at ? piece : FRAMES - at;

        err = pnd_page_select_run(&select_, at, count, bitmap + at / 8);
    }
    return err;
}

static bool stays(unsigned frame)
{
    return bitmap[frame / 8] >> frame % 8 & 1;
}

/* How many of the frames [first, first + count) are left out at @p level. */
static unsigned out(unsigned level, unsigned first, unsigned count)
{
    unsigned left_out = 0;

    CHECK_EQ(select_in_pieces(level, FRAMES), PND_OK);
    for (unsigned i = first; i < first + count; i++)
        left_out += !stays(i);
    return left_out;
}

/* Of the levels 1 to 31, those at which frame 8 is left out, a bit for each; nothing else is. */
static uint32_t levels_without_frame_8(void)
{
    uint32_t levels = 0;

    for (unsigned level = 1; level < 32; level++) {
        unsigned all = out(level, 0, FRAMES);

        CHECK(all <= 1);
        CHECK_EQ(all, !stays(8));
        levels |= (uint32_t)all << level;
    }
    return levels;
}

/* The levels that have a bit of @p kinds. */
static uint32_t with(unsigned kinds)
{
    uint32_t levels = 0;

    for (unsigned level = 1; level < 32; level++)
        if (level & kinds)
            levels |= UINT32_C(1) << level;
    return levels;
}

static void each_kind_of_page_is_left_out_by_its_bits_alone(void)
{
    static const struct {
        struct page page;
        unsigned kinds;
    } rows[] = {
        {{.flags = 0}, 0},
        {{.flags = LRU, .mapping = FILE_}, CACHE | CACHES},
        {{.flags = LRU}, CACHE | CACHES},
        {{.flags = LRU | SWAPBACKED, .mapping = FILE_}, CACHE | CACHES},
        {{.flags = LRU | PRIVATE, .mapping = FILE_}, CACHES},
        {{.flags = PRIVATE, .mapping = FILE_}, 0},
        {{.mapping = FILE_}, 0},
        {{.flags = SWAPCACHE | SWAPBACKED, .mapping = FILE_}, CACHE | CACHES},
        {{.flags = SWAPCACHE | SWAPBACKED | PRIVATE}, CACHES},
        {{.flags = SWAPCACHE}, 0}, /* the bit means something else there */
        {{.flags = SWAPBACKED}, 0},
        {{.flags = SWAPCACHE | SWAPBACKED, .mapping = ANON}, USER},
        {{.flags = LRU, .mapping = ANON}, USER},
        {{.flags = LRU | PRIVATE, .mapping = ANON}, USER},
        {{.mapping = ANON}, USER},
        {{.flags = LRU, .mapping = FILE_ | 2}, CACHE | CACHES},
        {{.mapping = ANON | 2}, USER}, /* merged by KSM */
        {{.flags = SLAB, .mapping = ANON}, 0},
        {{.mapcount = BUDDY}, FREE},
        {{.mapcount = BUDDY, .flags = SLAB}, 0},
        {{.mapcount = BUDDY, .private = 11}, 0},
        {{.mapcount = BUDDY, .private = 64}, 0},
        {{.mapcount = BUDDY, .private = UINT64_C(1) << 32}, 0},
        {{.mapcount = -2}, 0},
        {{.mapcount = BUDDY - 1}, 0},
        {{.mapcount = -513}, 0}, /* a page table */
        {{.mapcount = OFFLINE}, CACHE | CACHES | USER | FREE},
        {{.mapcount = OFFLINE, .flags = SLAB}, 0},
        {{.tail = true, .flags = LRU, .mapping = FILE_}, 0},
        {{.tail = true, .mapcount = BUDDY}, 0},
        {{.tail = true, .mapping = ANON}, 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        start();
        set(8, rows[i].page);
        CHECK_EQ(levels_without_frame_8(), with(rows[i].kinds));
        if (!tap_ok) {
            printf("# in row %zu\n", i);
            return;
        }
    }
}

static void a_page_that_failed_is_left_out_at_every_level(void)
{
    start();
    SET(8, .flags = HWPOISON | SLAB);
    SET(16, .mapcount = OFFLINE);
    CHECK_EQ(out(31, 8, 1), 0); /* nobody knows */
    CHECK_EQ(out(1, 0, FRAMES), 0);
    attach(common, "NUMBER(PG_hwpoison)=22\nNUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)=-129\n"
                   "NUMBER(PAGE_OFFLINE_MAPCOUNT_VALUE)=-257\n");
    for (unsigned level = 1; level < 32; level++)
        CHECK_EQ(out(level, 0, FRAMES), 2);
    CHECK(!stays(8) && !stays(16));
}

static void free_pages_go_by_their_order(void)
{
    for (unsigned order = 0; order <= 10; order++) {
        start();
        SET(1024, .mapcount = BUDDY, .private = order);
        SET(1025, .flags = LRU, .mapping = FILE_); /* is not looked at when it is covered */
        CHECK_EQ(out(FREE, 0, FRAMES), 1U << order);
        CHECK_EQ(out(FREE, 1024, 1U << order), 1U << order);
        CHECK_EQ(out(CACHE, 0, FRAMES), 1);
    }
}

static void a_free_page_may_begin_anywhere_and_covers_what_begins_in_it(void)
{
    start();
    SET(509, .mapcount = BUDDY, .private = 4);
    SET(520, .mapcount = BUDDY, .private = 8); /* covered */
    CHECK_EQ(out(FREE, 0, FRAMES), 16);
    CHECK_EQ(out(FREE, 509, 16), 16);
}

static void a_compound_page_goes_by_its_head(void)
{
    static const struct page anon = {.mapping = ANON}, cache = {.flags = LRU, .mapping = FILE_},
                             plain = {.flags = 0};

    start();
    compound(512, 9, 1, anon);
    compound(2048 + 1024, 3, HUGETLB, plain);
    compound(3200, 3, 1, cache);
    compound(3216, 3, 1, plain);
    SET(3218, .tail = true, .flags = LRU, .mapping = FILE_);
    CHECK_EQ(out(USER, 0, FRAMES), 512 + 8);
    CHECK_EQ(out(USER, 512, 512), 512);
    CHECK_EQ(out(CACHE, 0, FRAMES), 8);
    CHECK_EQ(out(CACHE, 3200, 8), 8);
    CHECK_EQ(out(FREE, 0, FRAMES), 0);
}

static void a_compound_page_that_begins_where_it_cannot_is_a_single_one(void)
{
    start();
    compound(516, 3, 1, (struct page){.mapping = ANON});
    compound(1023, 1, HUGETLB, (struct page){.flags = 0}); /* the next one is another window's */
    SET(600, .flags = HEAD, .mapping = ANON);
    SET(601, .tail = true, .order = 64, .dtor = 1);
    CHECK_EQ(out(USER, 0, FRAMES), 2);
    CHECK(!stays(516) && !stays(600));
}

static void what_has_no_struct_page_stays(void)
{
    start();
    for (unsigned i = 0; i < FRAMES; i++)
        SET(i, .mapcount = BUDDY);
    CHECK_EQ(out(FREE, 0, FRAMES), FRAMES - SECTION);
    CHECK(stays(HOLE * SECTION) && stays(HOLE * SECTION + SECTION - 1));
    unreadable = MEM_MAP + 700 * STRUCT;
    CHECK_EQ(out(FREE, 512, 512), 0); /* its window cannot be read */
    CHECK_EQ(out(FREE, 0, 512), 512);
    unreadable = TABLE;
    CHECK_EQ(out(FREE, 0, FRAMES), 0);
    unreadable = SECTIONS + 4;
    CHECK_EQ(out(FREE, 0, FRAMES), FRAMES - 2 * SECTION);
}

static void beyond_the_last_section_all_stays(void)
{
    uint8_t bits[64];

    start();
    memset(bits, 0xff, sizeof(bits));
    CHECK_EQ(pnd_page_select_open(&select_, &vmcore, 30), PND_OK);
    CHECK_EQ(pnd_page_select_run(&select_, 1 << 20, sizeof(bits) * 8, bits), PND_OK);
    CHECK_EQ(pnd_page_select_run(&select_, UINT64_C(1) << 40, sizeof(bits) * 8, bits), PND_OK);
    for (size_t i = 0; i < sizeof(bits); i++)
        CHECK_EQ(bits[i], 0xff);
}

static void who_asks_to_stop_is_heard(void)
{
    start();
    unreadable = MEM_MAP;
    read_error = PND_E_ABORTED;
    CHECK_EQ(select_in_pieces(FREE, FRAMES), PND_E_ABORTED);
}

static uint32_t random_state = 1;

static unsigned random_below(unsigned n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % n;
}

static void make_random_pages(void)
{
    static const uint64_t mappings[] = {0, FILE_, ANON};
    static const int counts[] = {-1, -1, -1, 1, BUDDY, OFFLINE};
    static const unsigned flags[] = {LRU, SLAB, SWAPCACHE, PRIVATE, HEAD, SWAPBACKED};

    for (unsigned i = 0; i < FRAMES; i++) {
        struct page page = {.mapping = mappings[random_below(3)],
                            .mapcount = counts[random_below(6)],
                            .private = random_below(12),
                            .tail = random_below(8) == 0,
                            .dtor = (uint8_t)random_below(4),
                            .order = (uint8_t)random_below(12)};

        for (size_t f = 0; f < sizeof(flags) / sizeof(flags[0]); f++)
            page.flags |= random_below(3) == 0 ? flags[f] : 0;
        set(i, page);
    }
}

static void it_does_not_matter_in_how_many_calls_it_is_asked(void)
{
    static uint8_t whole[sizeof(bitmap)];

    start();
    for (unsigned round = 0; round < 20; round++) {
        make_random_pages();
        for (unsigned level = 2; level < 32; level += 7) {
            CHECK_EQ(select_in_pieces(level, FRAMES), PND_OK);
            memcpy(whole, bitmap, sizeof(whole));
            for (unsigned piece = 8; piece < 2000; piece = piece * 2 + 8) {
                CHECK_EQ(select_in_pieces(level, piece), PND_OK);
                CHECK_MEM(bitmap, whole, sizeof(whole));
            }
        }
    }
}

/* 6.6 to 6.8: the order lies in the flags of the next page, and so does a flag. */
static void kernels_with_folios_are_understood(void)
{
    start();
    attach(common, "NUMBER(PG_slab)=9\nNUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)=-129\n"
                   "NUMBER(PG_hugetlb)=8\n");
    SET(512, .flags = HEAD);
    SET(513, .tail = true, .flags = 5 | 1 << 8);
    SET(1024, .flags = HEAD, .mapping = ANON);
    SET(1025, .tail = true, .flags = 4);
    SET(3200, .flags = HEAD, .mapping = FILE_);
    SET(3201, .tail = true, .flags = 3);
    CHECK_EQ(out(USER, 0, FRAMES), 32 + 16);
    CHECK_EQ(out(USER, 512, 32), 32);
    CHECK_EQ(out(USER, 1024, 16), 16);
}

/* Since 6.9 what a page is is told by its type, since 6.12 by the high byte of it. */
static void kernels_with_types_of_pages_are_understood(void)
{
    for (unsigned bytes = 0; bytes < 2; bytes++) {
        int huge = bytes ? (int)0xf4000000 : -2049, buddy = bytes ? (int)0xf0000000 : -129;
        int slab = bytes ? (int)0xf5000000 : -4097;
        char lines[256];

        start();
        snprintf(lines, sizeof(lines),
                 "NUMBER(PAGE_SLAB_MAPCOUNT_VALUE)=%d\nNUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)=%d\n"
                 "NUMBER(PAGE_HUGETLB_MAPCOUNT_VALUE)=%d\n",
                 slab, buddy, huge);
        attach(common, lines);
        SET(512, .flags = HEAD, .mapcount = bytes ? huge | 5 : huge);
        SET(513, .tail = true, .flags = 6);
        SET(1024, .mapping = ANON, .mapcount = bytes ? slab | 1 : slab); /* its own word */
        SET(1032, .mapcount = buddy, .private = 3);
        SET(3200, .flags = HEAD, .mapping = ANON, .mapcount = 7);
        SET(3201, .tail = true, .flags = 3);
        CHECK_EQ(out(USER, 0, FRAMES), 64 + 8);
        CHECK_EQ(out(USER, 512, 64), 64);
        CHECK_EQ(out(FREE, 0, FRAMES), 8);
        CHECK_EQ(out(CACHE, 0, FRAMES), 0);
    }
}

static void a_table_of_sections_without_roots_is_understood(void)
{
    static const char flat[] = "SYMBOL(mem_section)=ffff888000200000\nLENGTH(mem_section)=16\n";

    start();
    attach(flat, common);
    snprintf(vmcore.info + vmcore.info_len, sizeof(vmcore.info) - vmcore.info_len, "%s", linux61);
    vmcore.info_len += strlen(linux61);
    SET(5, .mapcount = BUDDY, .private = 1);
    CHECK_EQ(out(FREE, 0, FRAMES), 2);
}

static void attach_changed(const char *key, const char *value);

static void struct_pages_of_any_size_are_read(void)
{
    static const char *const sizes[] = {"56", "64", "80", "96", "160"};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        stride = (unsigned)strtoul(sizes[i], NULL, 10);
        start();
        attach_changed("SIZE(page)", sizes[i]);
        compound(512, 8, 1, (struct page){.mapping = ANON});
        compound(1022, 1, HUGETLB, (struct page){.flags = 0});
        SET(3200, .mapcount = BUDDY, .private = 5);
        CHECK_EQ(out(USER, 0, FRAMES), 256 + 2);
        CHECK_EQ(out(USER, 512, 256), 256);
        CHECK_EQ(out(FREE, 3200, 32), 32);
    }
    stride = STRUCT;
}

/* VMCOREINFO with the line of @p key given the value @p value; NULL: without that line. */
static void attach_changed(const char *key, const char *value)
{
    static char whole[TEXT_CAP], text[TEXT_CAP];
    char *out_at = text;

    snprintf(whole, sizeof(whole), "%s%s", common, linux61);
    for (char *line = whole; *line;) {
        size_t len = strcspn(line, "\n"), key_len = strlen(key);
        bool this_one = len > key_len && memcmp(line, key, key_len) == 0 && line[key_len] == '=';

        if (!this_one)
            out_at += sprintf(out_at, "%.*s\n", (int)len, line);
        else if (value)
            out_at += sprintf(out_at, "%s=%s\n", key, value);
        line += len + (line[len] == '\n');
    }
    attach(text, "");
}

static const char *const needed[] = {
    "SYMBOL(mem_section)",
    "LENGTH(mem_section)",
    "SIZE(mem_section)",
    "OFFSET(mem_section.section_mem_map)",
    "NUMBER(SECTION_SIZE_BITS)",
    "NUMBER(MAX_PHYSMEM_BITS)",
    "SIZE(page)",
    "OFFSET(page.flags)",
    "OFFSET(page.mapping)",
    "OFFSET(page._mapcount)",
    "OFFSET(page.private)",
    "NUMBER(PG_lru)",
    "NUMBER(PG_private)",
    "NUMBER(PG_swapcache)",
    "LENGTH(zone.free_area)",
    "NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)",
    "OFFSET(page.compound_dtor)",
    "OFFSET(page.compound_head)",
};

static void a_line_that_is_missing_is_named(void)
{
    start();
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        attach_changed(needed[i], NULL);
        CHECK_EQ(pnd_page_select_open(&select_, &vmcore, 31), PND_E_NOTFOUND);
        CHECK_STR(pnd_page_select_missing(&select_), needed[i]);
        CHECK_EQ(pnd_page_select_open(&select_, &vmcore, 1), PND_OK); /* which needs none */
        CHECK_EQ(out(1, 0, FRAMES), 0);
    }
}

static void numbers_that_cannot_be_do_no_harm(void)
{
    static const char *const values[] = {"0",     "1",          "7",          "12",
                                         "63",    "64",         "65",         "4096",
                                         "40960", "4294967295", "4294967296", "9223372036854775807",
                                         "-1",    "-8"};
    static const char *const more[] = {"OFFSET(page.compound_order)",
                                       "NUMBER(PG_head_mask)",
                                       "NUMBER(PG_slab)",
                                       "NUMBER(PG_swapbacked)",
                                       "PAGESIZE",
                                       "NUMBER(HUGETLB_PAGE_DTOR)",
                                       "NUMBER(PAGE_OFFLINE_MAPCOUNT_VALUE)"};
    size_t count = sizeof(needed) / sizeof(needed[0]), all = count + sizeof(more) / sizeof(more[0]);

    start();
    make_random_pages();
    for (size_t i = 0; i < all; i++) {
        for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
            int err;

            attach_changed(i < count ? needed[i] : more[i - count], values[v]);
            err = select_in_pieces(31, FRAMES);
            CHECK(err == PND_OK || err == PND_E_FORMAT || err == PND_E_NOTFOUND);
        }
    }
    attach_changed("SIZE(page)", "31");
    CHECK_EQ(pnd_page_select_open(&select_, &vmcore, 31), PND_E_FORMAT);
    attach_changed("OFFSET(page.private)", "57");
    CHECK_EQ(pnd_page_select_open(&select_, &vmcore, 31), PND_E_FORMAT);
    attach_changed("LENGTH(mem_section)", "2");
    CHECK_EQ(pnd_page_select_open(&select_, &vmcore, 31), PND_E_FORMAT);
}

int main(void)
{
    RUN(each_kind_of_page_is_left_out_by_its_bits_alone);
    RUN(a_page_that_failed_is_left_out_at_every_level);
    RUN(free_pages_go_by_their_order);
    RUN(a_free_page_may_begin_anywhere_and_covers_what_begins_in_it);
    RUN(a_compound_page_goes_by_its_head);
    RUN(a_compound_page_that_begins_where_it_cannot_is_a_single_one);
    RUN(what_has_no_struct_page_stays);
    RUN(beyond_the_last_section_all_stays);
    RUN(who_asks_to_stop_is_heard);
    RUN(it_does_not_matter_in_how_many_calls_it_is_asked);
    RUN(kernels_with_folios_are_understood);
    RUN(kernels_with_types_of_pages_are_understood);
    RUN(a_table_of_sections_without_roots_is_understood);
    RUN(struct_pages_of_any_size_are_read);
    RUN(a_line_that_is_missing_is_named);
    RUN(numbers_that_cannot_be_do_no_harm);
    return tap_done();
}
