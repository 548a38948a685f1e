/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the tests of the core writers share: memory whose every byte tells its address, and a sink
 * that can fail. */
#ifndef PND_TESTS_CORE_FIXTURE_H
#define PND_TESTS_CORE_FIXTURE_H

#include "panicd/core.h"
#include "tap.h"

enum {
    PAGE = 4096,
    PAGE_CAP = 65536,
    REGIONS_CAP = 2000,
    MACHO_FIXED = 32 + 40 + 184, /* header, note, thread */
    MACHO_TAIL = 40,
    ELF_NOTES = 400,
    ELF_FIXED = 64 + 56 + ELF_NOTES,
};

#define BASE UINT64_C(0xffffff8000000000)

/* Memory whose every byte tells its address; regions are given in the order of the table. */
struct memory {
    struct pnd_memory memory;
    struct pnd_region regions[REGIONS_CAP];
    uint32_t count, index;
    unsigned walk;    /* 1 to 3 */
    bool broken_walk; /* `from` was not the end of the region before */
    uint64_t from;
    int (*change)(struct memory *m, struct pnd_region *region); /* in the walks behind the first */
    int err; /* of next, at the end; PND_OK: PND_E_NOTFOUND */
    bool every_third_unreadable;
    uint8_t page[PAGE_CAP];
};

struct sink {
    struct pnd_sink sink;
    uint8_t *buf;
    size_t cap, len;
    uint64_t bytes, fail_at; /* a write that would go beyond fails */
    bool empty_write, write_behind_error, failed, ended;
};

static inline uint8_t byte_at(uint64_t address)
{
    return (uint8_t)(address ^ address >> 8 ^ address >> 12 ^ address >> 20);
}

static inline bool unreadable(const struct memory *m, uint64_t address)
{
    return m->every_third_unreadable && address / m->memory.page_bytes % 3 == 0;
}

static inline int next_region(void *ctx, uint64_t from, struct pnd_region *ret)
{
    struct memory *m = ctx;
    struct pnd_region region;
    int err = PND_OK;

    if (from == 0) {
        m->walk++;
        m->index = 0;
        m->from = 0;
    }
    m->broken_walk |= from != m->from;
    if (m->index >= m->count)
        return m->err ? m->err : PND_E_NOTFOUND;
    region = m->regions[m->index++];
    if (m->change && m->walk > 1)
        err = m->change(m, &region);
    if (err)
        return err;
    m->from = region.address + region.len;
    *ret = region;
    return PND_OK;
}

static inline const void *map_page(void *ctx, uint64_t address)
{
    struct memory *m = ctx;

    if (unreadable(m, address))
        return NULL;
    for (uint32_t i = 0; i < m->memory.page_bytes; i++)
        m->page[i] = byte_at(address + i);
    return m->page;
}

static inline int take(void *ctx, const void *buf, size_t len)
{
    struct sink *s = ctx;

    s->empty_write |= len == 0;
    s->write_behind_error |= s->failed;
    if (len > s->fail_at - s->bytes) {
        s->failed = true;
        return PND_E_LINK;
    }
    if (s->len < s->cap) {
        size_t part = len < s->cap - s->len ? len : s->cap - s->len;

        memcpy(s->buf + s->len, buf, part);
        s->len += part;
    }
    s->bytes += len;
    return PND_OK;
}

static inline int take_end(void *ctx)
{
    struct sink *s = ctx;

    s->ended = true;
    return PND_OK;
}

static struct memory mem;
static struct sink out;
static struct pnd_core_summary summary;

static inline void begin(uint32_t page_bytes)
{
    memset(&mem, 0, sizeof(mem));
    mem.memory = (struct pnd_memory){
        .ctx = &mem, .page_bytes = page_bytes, .next = next_region, .map = map_page};
}

static inline void add(uint64_t address, uint64_t len)
{
    mem.regions[mem.count++] = (struct pnd_region){
        .address = address, .physical = (address & 0xffffffff) + 0x1000000, .len = len};
}

static inline struct pnd_core_config config_for(enum pnd_core_format format)
{
    struct pnd_core_config config = {
        .format = format,
        .memory = &mem.memory,
        .regs = {.rax = 0x1a1a1a1a00000001,
                 .rbx = 2,
                 .rcx = 3,
                 .rdx = 4,
                 .rdi = 5,
                 .rsi = 6,
                 .rbp = 7,
                 .rsp = 0xffffff80000ffff8,
                 .r8 = 9,
                 .r9 = 10,
                 .r10 = 11,
                 .r11 = 12,
                 .r12 = 13,
                 .r13 = 14,
                 .r14 = 15,
                 .r15 = 16,
                 .rip = 0xffffff8000200004,
                 .rflags = 18,
                 .cs = 19,
                 .fs = 20,
                 .gs = 21},
        .image_address = 0xffffff8000200000,
        .uuid = {0xa0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xaf},
    };

    return config;
}

/* Writes into a buffer of @p cap bytes, which the caller frees by done(). */
static inline int write_core(enum pnd_core_format format, size_t cap, uint64_t fail_at)
{
    struct pnd_core_config config = config_for(format);

    out = (struct sink){.buf = malloc(cap), .cap = cap, .fail_at = fail_at};
    out.sink = (struct pnd_sink){.ctx = &out, .write = take, .end = take_end};
    if (!out.buf)
        abort();
    mem.walk = 0;
    return pnd_core_write(&config, &out.sink, &summary);
}

static inline void done(void)
{
    CHECK(!out.empty_write);
    CHECK(!out.write_behind_error);
    CHECK(!out.ended);
    CHECK(!mem.broken_walk);
    CHECK_EQ(summary.bytes, out.bytes);
    free(out.buf);
    out.buf = NULL;
}

static inline uint64_t memory_bytes(void)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < mem.count; i++)
        sum += mem.regions[i].len;
    return sum;
}

static inline uint64_t round_up(uint64_t v)
{
    return (v + mem.memory.page_bytes - 1) / mem.memory.page_bytes * mem.memory.page_bytes;
}

static inline uint64_t total_of(enum pnd_core_format format)
{
    uint64_t head = format == PND_CORE_ELF ? ELF_FIXED + UINT64_C(56) * mem.count
                                           : MACHO_FIXED + UINT64_C(72) * mem.count;

    return round_up(head) + memory_bytes() + (format == PND_CORE_ELF ? 0 : MACHO_TAIL);
}

static inline const void *same_page(void *ctx, uint64_t address)
{
    (void)ctx, (void)address;
    return mem.page;
}

#endif
