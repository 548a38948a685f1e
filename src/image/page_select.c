/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which pages a filtered dump keeps; see page_select.h. What the documents leave open was found by
 * giving makedumpfile 1.7.2 dumps with made-up struct pages, and is held to it by tests:
 * - free is a page of the buddy allocator that is no slab; wherever it begins, the frames of its
 *   order are left out, none when the allocator has no such order;
 * - cache is a page on an LRU list or in the swap cache, user data an anonymous or a huge page;
 * - a page that has failed, or that a hypervisor took back, is left out at every level; at level 1
 *   only by kernels that tell PG_hwpoison;
 * - a compound page goes by its head, its tails by nothing of their own; one that does not begin at
 *   a multiple of its size is taken for a single page;
 * - what a page that is left out covers is not looked at. */
#include "image/page_select.h"

#include "image/vmcore_memory.h"
#include "wire/cursor.h"
#include "wire/divide.h"

enum {
    WINDOW_FRAMES = 512, /* at most; the last of them has no next one, as in makedumpfile */
    WINDOW_BYTES = 40960,
    STRUCT_MIN = 32,
    STRUCT_MAX = 1024,
    ORDER_CAP = 32,
    SECTION_FLAGS = 0xfff, /* low bits of section_mem_map, and then some: struct pages begin at a
                              multiple of a page */
    HAS_MEM_MAP = 2,
    ANONYMOUS = 1, /* in mapping */
    TAIL = 1,      /* in compound_head */
    ORDER_MASK = 0xff,
};

static const uint64_t TYPE_MASK = 0xff000000;

/* How the size and the kind of a compound page are told. */
enum compound {
    COMPOUND_NONE,    /* not at all, to 4.5: each page for itself, as with makedumpfile */
    COMPOUND_FIELDS,  /* 4.6 to 6.5: compound_dtor and compound_order of the next page */
    COMPOUND_FLAGS_1, /* since 6.6: the order in the low byte of the next page's flags, and a flag
                         there (to 6.8) or a type of the head say that it is a huge page */
};

/* Offsets within struct page, and what its numbers mean; 0: not told. */
struct layout {
    uint64_t bytes, flags, mapping, mapcount, private, head, dtor, order;
    uint64_t is_lru, is_private, swapcache, slab, hwpoison, head_mask; /* masks of flags */
    uint64_t buddy, offline, slab_type, huge_type;                     /* values of _mapcount */
    uint64_t huge;                                                     /* as `compound` says */
    uint64_t orders;                                                   /* free_area has so many */
    enum compound compound;
};

struct state {
    struct pnd_vmcore_memory memory;
    const char *missing;
    unsigned level;
    bool idle; /* nothing is left out */
    struct layout page;
    /* the table of sections */
    uint64_t table, section_count, section_bytes, section_map;
    uint64_t per_root; /* 0: one table of all sections; else of tables of so many */
    unsigned section_shift;
    /* the section that was looked up last */
    uint64_t section, mem_map;
    uint64_t covered_end;           /* a large page that is left out covers the frames up to here */
    uint64_t window_frames, loaded; /* the first frame of what is in the window */
    uint8_t window[WINDOW_BYTES];
};

_Static_assert(sizeof(struct state) <= sizeof(struct pnd_page_select), "it fits");
_Static_assert(_Alignof(struct state) <= _Alignof(struct pnd_page_select), "it may lie there");

static struct state *state_of(struct pnd_page_select *select)
{
    return (struct state *)(void *)select->opaque;
}

const char *pnd_page_select_missing(const struct pnd_page_select *select)
{
    return ((const struct state *)(const void *)select->opaque)->missing;
}

/* A line that cannot be done without. */
static bool need(struct state *st, const char *key, unsigned base, uint64_t *ret)
{
    if (st->missing)
        return false;
    if (!pnd_vmcore_info_number(st->memory.vmcore, key, base, ret))
        st->missing = key;
    return !st->missing;
}

static bool have(const struct state *st, const char *key, uint64_t *ret)
{
    return pnd_vmcore_info_number(st->memory.vmcore, key, 10, ret);
}

/* The number of a flag, as a mask; one beyond the word is none. */
static uint64_t mask(uint64_t bit)
{
    return bit < 64 ? UINT64_C(1) << bit : 0;
}

/* @source include/linux/mmzone.h: the roots of SPARSEMEM_EXTREME have a page each */
static int open_sections(struct state *st)
{
    uint64_t length = 0, section_bits = 0, memory_bits = 0, page = 4096, ignored;
    unsigned shift = 0;

    have(st, "PAGESIZE", &page);
    need(st, "SYMBOL(mem_section)", 16, &st->table);
    need(st, "LENGTH(mem_section)", 10, &length);
    need(st, "SIZE(mem_section)", 10, &st->section_bytes);
    need(st, "OFFSET(mem_section.section_mem_map)", 10, &st->section_map);
    need(st, "NUMBER(SECTION_SIZE_BITS)", 10, &section_bits);
    if (!need(st, "NUMBER(MAX_PHYSMEM_BITS)", 10, &memory_bits))
        return PND_E_NOTFOUND;
    while (shift < 16 && page >> shift > 1)
        shift++;
    if (shift < 12 || page != UINT64_C(1) << shift || section_bits <= shift + 9 ||
        memory_bits <= section_bits || memory_bits > 56 || st->section_bytes < 8 ||
        st->section_bytes > page || st->section_map > st->section_bytes - 8)
        return PND_E_FORMAT;
    st->section_shift = (unsigned)section_bits - shift;
    st->section_count = UINT64_C(1) << (memory_bits - section_bits);
    st->per_root = pnd_divide(page, st->section_bytes, &ignored);
    if (length == st->section_count)
        st->per_root = 0;
    else if (length != pnd_divide(st->section_count + st->per_root - 1, st->per_root, &ignored))
        return PND_E_FORMAT;
    st->section = st->loaded = UINT64_MAX;
    return PND_OK;
}

static void open_flags(struct state *st)
{
    struct layout *page = &st->page;
    uint64_t lru = 64, private = 64, swapcache = 64, swapbacked = 64, slab = 64, hwpoison = 64;

    need(st, "NUMBER(PG_lru)", 10, &lru);
    need(st, "NUMBER(PG_private)", 10, &private);
    need(st, "NUMBER(PG_swapcache)", 10, &swapcache);
    need(st, "NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)", 10, &page->buddy);
    need(st, "LENGTH(zone.free_area)", 10, &page->orders);
    page->buddy = (uint32_t)page->buddy;
    page->is_lru = mask(lru);
    page->is_private = mask(private);
    page->swapcache = mask(swapcache);
    if (have(st, "NUMBER(PG_swapbacked)", &swapbacked))
        page->swapcache |= mask(swapbacked); /* the bit has two meanings since 4.10 */
    have(st, "NUMBER(PG_slab)", &slab);
    page->slab = mask(slab);
    if (have(st, "NUMBER(PAGE_SLAB_MAPCOUNT_VALUE)", &page->slab_type))
        page->slab_type = (uint32_t)page->slab_type;
    have(st, "NUMBER(PG_hwpoison)", &hwpoison);
    page->hwpoison = mask(hwpoison);
    if (have(st, "NUMBER(PAGE_OFFLINE_MAPCOUNT_VALUE)", &page->offline))
        page->offline = (uint32_t)page->offline;
}

/* Compound pages, of which each generation of kernels told in another way. */
static void open_compound(struct state *st)
{
    struct layout *page = &st->page;
    uint64_t bit = 64;

    if (!have(st, "NUMBER(PG_head_mask)", &page->head_mask))
        return;
    if (have(st, "OFFSET(page.compound_order)", &page->order)) {
        page->compound = COMPOUND_FIELDS;
        need(st, "OFFSET(page.compound_dtor)", 10, &page->dtor);
        need(st, "OFFSET(page.compound_head)", 10, &page->head);
        have(st, "NUMBER(HUGETLB_PAGE_DTOR)", &page->huge);
    } else if (have(st, "OFFSET(page.compound_head)", &page->head)) {
        page->compound = COMPOUND_FLAGS_1;
        if (have(st, "NUMBER(PG_hugetlb)", &bit))
            page->huge = mask(bit);
        if (have(st, "NUMBER(PAGE_HUGETLB_MAPCOUNT_VALUE)", &page->huge_type))
            page->huge_type = (uint32_t)page->huge_type;
    }
}

static int open_page(struct state *st)
{
    struct layout *page = &st->page;
    uint64_t last;

    need(st, "SIZE(page)", 10, &page->bytes);
    need(st, "OFFSET(page.flags)", 10, &page->flags);
    need(st, "OFFSET(page.mapping)", 10, &page->mapping);
    need(st, "OFFSET(page._mapcount)", 10, &page->mapcount);
    need(st, "OFFSET(page.private)", 10, &page->private);
    open_flags(st);
    open_compound(st);
    if (st->missing)
        return PND_E_NOTFOUND;
    if (page->bytes < STRUCT_MIN || page->bytes > STRUCT_MAX)
        return PND_E_FORMAT;
    last = page->bytes - 8;
    if (page->flags > last || page->mapping > last || page->private > last || page->head > last ||
        page->mapcount > last + 4 || page->dtor > last + 7 || page->order > last + 7 ||
        page->orders > ORDER_CAP)
        return PND_E_FORMAT;
    for (st->window_frames = WINDOW_FRAMES; st->window_frames * page->bytes > WINDOW_BYTES;)
        st->window_frames /= 2;
    return PND_OK;
}

int pnd_page_select_open(struct pnd_page_select *select, struct pnd_vmcore *vmcore, unsigned level)
{
    struct state *st = state_of(select);
    const char *text;
    size_t len;
    int err;

    memset(st, 0, sizeof(*st));
    st->level = level & ~(unsigned)PND_PAGE_ZERO;
    st->idle = st->level == 0 && !pnd_vmcore_info(vmcore, "NUMBER(PG_hwpoison)", &text, &len);
    if (st->idle)
        return PND_OK; /* nothing that struct page tells */
    pnd_vmcore_memory_open(&st->memory, vmcore);
    err = vmcore->is32 || vmcore->big ? PND_E_FORMAT : open_sections(st);
    if (!err)
        err = open_page(st);
    st->idle = err != PND_OK;
    return st->level == 0 ? PND_OK : err; /* zeros are found without it */
}

/* A word of the kernel's memory. @return false: it cannot be read */
static bool read_word(struct state *st, uint64_t vaddr, uint64_t *ret)
{
    uint8_t buf[8] = {0};
    struct pnd_rd rd = pnd_rd(buf, sizeof(buf));

    if (pnd_vmcore_memory_read(&st->memory, vaddr, buf, sizeof(buf)) != PND_OK)
        return false;
    *ret = pnd_rd_le64(&rd);
    return true;
}

/* Where the struct page of frame 0 would be, by the section @p section; 0: it has none. */
static uint64_t find_mem_map(struct state *st, uint64_t section)
{
    uint64_t at = st->table, index = section, map = 0;

    if (section >= st->section_count)
        return 0;
    if (st->per_root) {
        at += pnd_divide(section, st->per_root, &index) * sizeof(at);
        if (!read_word(st, at, &at) || at == 0)
            return 0;
    }
    if (!read_word(st, at + index * st->section_bytes + st->section_map, &map))
        return 0;
    return map & HAS_MEM_MAP ? map & ~(uint64_t)SECTION_FLAGS : 0;
}

/* A field of 8 bytes. */
static uint64_t word(const uint8_t *page, uint64_t offset)
{
    struct pnd_rd rd = pnd_rd(page + offset, 8);

    return pnd_rd_le64(&rd);
}

static uint32_t mapcount(const struct layout *layout, const uint8_t *page)
{
    struct pnd_rd rd = pnd_rd(page + layout->mapcount, 4);

    return pnd_rd_le32(&rd);
}

/* Does _mapcount hold this type? Since 6.12 it is the high byte. */
static bool is_type(uint32_t count, uint64_t type)
{
    return type != 0 &&
           (count == type || ((type & ~TYPE_MASK) == 0 && (count & TYPE_MASK) == type));
}

/* The order of a compound page, as far as it can be one at this frame; and is it a huge page?
 * @p next: the struct page behind it, NULL: none is at hand */
static unsigned compound(const struct layout *layout, const uint8_t *page, const uint8_t *next,
                         uint64_t frame, bool *ret_huge)
{
    uint64_t order = 0;

    *ret_huge = false;
    if (layout->compound == COMPOUND_NONE || !(word(page, layout->flags) & layout->head_mask) ||
        !next)
        return 0;
    if (layout->compound == COMPOUND_FIELDS) {
        order = next[layout->order];
        *ret_huge = layout->huge != 0 && next[layout->dtor] == layout->huge;
    } else {
        order = word(next, layout->flags) & ORDER_MASK;
        *ret_huge = (word(next, layout->flags) & layout->huge) != 0 ||
                    is_type(mapcount(layout, page), layout->huge_type);
    }
    return order < ORDER_CAP && (frame & ((UINT64_C(1) << order) - 1)) == 0 ? (unsigned)order : 0;
}

static bool is_slab(const struct layout *layout, const uint8_t *page)
{
    return (word(page, layout->flags) & layout->slab) != 0 ||
           is_type(mapcount(layout, page), layout->slab_type);
}

/* A page of the allocator, of the order in `private`. */
static bool is_free(const struct layout *layout, const uint8_t *page)
{
    return mapcount(layout, page) == layout->buddy && !is_slab(layout, page);
}

/* Nobody may read it: the memory has failed, or is not there any more. */
static bool is_gone(const struct layout *layout, const uint8_t *page)
{
    return (word(page, layout->flags) & layout->hwpoison) != 0 ||
           (layout->offline != 0 && mapcount(layout, page) == layout->offline &&
            !is_slab(layout, page));
}

/* How many frames from this one on are left out; 0: it stays. */
static uint64_t left_out(const struct state *st, const uint8_t *page, const uint8_t *next,
                         uint64_t frame)
{
    const struct layout *layout = &st->page;
    uint64_t flags = word(page, layout->flags), free_order;
    bool huge, cache, anonymous, out = false;
    unsigned order;

    if (layout->head && (word(page, layout->head) & TAIL))
        return 0;
    order = compound(layout, page, next, frame, &huge);
    if ((st->level & PND_PAGE_FREE) && is_free(layout, page)) {
        free_order = word(page, layout->private);
        return free_order < layout->orders ? UINT64_C(1) << free_order : 0;
    }
    anonymous = (word(page, layout->mapping) & ANONYMOUS) && !is_slab(layout, page);
    cache = (flags & layout->is_lru) ||
            (layout->swapcache && (flags & layout->swapcache) == layout->swapcache);
    if (cache && !anonymous)
        out = (st->level & PND_PAGE_CACHE_PRIVATE) ||
              ((st->level & PND_PAGE_CACHE) && !(flags & layout->is_private));
    if (anonymous || huge)
        out = out || (st->level & PND_PAGE_USER);
    return out || is_gone(layout, page) ? UINT64_C(1) << order : 0;
}

static void clear(uint8_t *bitmap, uint64_t start, uint64_t end)
{
    while (start < end) {
        if (start % 8 == 0 && end - start >= 8) {
            bitmap[start / 8] = 0;
            start += 8;
            continue;
        }
        bitmap[start / 8] &= (uint8_t) ~(1U << start % 8);
        start++;
    }
}

/* The window of struct pages that begins with that of @p frame.
 *   @return PND_OK; PND_E_ABORTED; they cannot be had */
static int load(struct state *st, uint64_t frame)
{
    uint64_t section = frame >> st->section_shift;
    int err;

    if (section != st->section) {
        st->section = section;
        st->mem_map = find_mem_map(st, section);
    }
    if (st->mem_map == 0)
        return PND_E_NOTFOUND;
    st->loaded = UINT64_MAX;
    err = pnd_vmcore_memory_read(&st->memory, st->mem_map + frame * st->page.bytes, st->window,
                                 (size_t)(st->window_frames * st->page.bytes));
    if (!err)
        st->loaded = frame;
    return err;
}

/* Of one window: @p count frames from @p frame on, whose bits are from @p bit on. */
static int run_window(struct state *st, uint64_t frame, uint64_t count, uint8_t *bitmap,
                      uint64_t bit)
{
    uint64_t into = frame & (st->window_frames - 1);
    int err = st->loaded == frame - into ? PND_OK : load(st, frame - into);

    if (err)
        return err == PND_E_ABORTED ? err : PND_OK;
    for (uint64_t i = 0; i < count; i++) {
        const uint8_t *page = st->window + (into + i) * st->page.bytes;
        const uint8_t *next = into + i + 1 < st->window_frames ? page + st->page.bytes : NULL;
        uint64_t end;

        if (frame + i < st->covered_end)
            continue;
        end = left_out(st, page, next, frame + i);
        if (end == 0)
            continue;
        st->covered_end = frame + i + end;
        clear(bitmap, bit + i, bit + (end < count - i ? i + end : count));
    }
    return PND_OK;
}

int pnd_page_select_run(struct pnd_page_select *select, uint64_t first, uint64_t count,
                        uint8_t *bitmap)
{
    struct state *st = state_of(select);
    int err = PND_OK;

    for (uint64_t at = 0; !err && !st->idle && at < count;) {
        uint64_t frame = first + at, piece = st->window_frames - (frame & (st->window_frames - 1));

        if (piece > count - at)
            piece = count - at;
        if (frame < st->covered_end)
            clear(bitmap, at,
                  at + (st->covered_end - frame < piece ? st->covered_end - frame : piece));
        if (st->covered_end < frame + piece)
            err = run_window(st, frame, piece, bitmap, at);
        at += piece;
    }
    return err;
}
