/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Core writers, when something is wrong: with the memory, with the sink, or with the size. */
#include "unit/core_fixture.h"

static void both_fail_with(int err)
{
    for (enum pnd_core_format format = PND_CORE_MACHO; format <= PND_CORE_ELF; format++) {
        CHECK_EQ(write_core(format, 1 << 16, UINT64_MAX), err);
        mem.broken_walk = false; /* regions that cannot be are followed by anything */
        done();
    }
}

static void no_other_page_size_is_taken(void)
{
    static const uint32_t sizes[] = {0, 1, 2048, 4095, 4097, 12288, 65535, 131072};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        begin(sizes[i]);
        both_fail_with(PND_E_ARG);
        CHECK_EQ(out.bytes, 0);
    }
}

static void an_unknown_format_is_refused(void)
{
    begin(PAGE);
    CHECK_EQ(write_core((enum pnd_core_format)2, 1, UINT64_MAX), PND_E_ARG);
    done();
}

static void regions_that_are_empty_or_not_aligned_are_refused(void)
{
    static const struct pnd_region bad[] = {
        {.address = BASE + 0x100000, .len = 0},
        {.address = BASE + 0x100001, .len = PAGE},
        {.address = BASE + 0x100000, .len = PAGE + 512},
        {.address = UINT64_MAX - PAGE + 1, .len = 2 * PAGE},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        begin(PAGE);
        add(BASE, PAGE);
        mem.regions[mem.count++] = bad[i];
        both_fail_with(PND_E_ARG);
        CHECK_EQ(out.bytes, 0);
    }
}

static void regions_that_overlap_or_descend_are_refused(void)
{
    static const uint64_t second[] = {BASE, BASE + 2 * PAGE, BASE + 3 * PAGE, BASE - PAGE};

    for (size_t i = 0; i < sizeof(second) / sizeof(second[0]); i++) {
        begin(PAGE);
        add(BASE, 4 * PAGE);
        add(second[i], PAGE);
        both_fail_with(PND_E_FORMAT);
        CHECK_EQ(out.bytes, 0);
    }
}

static unsigned changing_walk; /* 2 or 3 */

static bool changes_now(const struct memory *m)
{
    return m->walk == changing_walk && m->index == 2;
}

static int moves(struct memory *m, struct pnd_region *region)
{
    region->address += changes_now(m) ? PAGE : 0;
    return PND_OK;
}

static int moves_physically(struct memory *m, struct pnd_region *region)
{
    region->physical += changes_now(m) ? PAGE : 0;
    return PND_OK;
}

static int grows(struct memory *m, struct pnd_region *region)
{
    region->len += changes_now(m) ? PAGE : 0;
    return PND_OK;
}

static int grows_beyond_all_bounds(struct memory *m, struct pnd_region *region)
{
    region->len += changes_now(m) ? UINT64_C(1) << 36 : 0;
    return PND_OK;
}

static int shrinks(struct memory *m, struct pnd_region *region)
{
    region->len -= changes_now(m) ? PAGE : 0;
    return PND_OK;
}

static int goes_away(struct memory *m, struct pnd_region *region)
{
    (void)region;
    return changes_now(m) ? PND_E_NOTFOUND : PND_OK;
}

static int multiplies(struct memory *m, struct pnd_region *region)
{
    if (m->walk == changing_walk) {
        region->address = BASE + UINT64_C(0x10000) * m->index;
        region->len = PAGE;
        m->index = m->index == 3 ? 2 : m->index;
        if (m->from > region->address)
            region->address = m->from;
    }
    return PND_OK;
}

static void regions_that_change_between_the_walks_end_the_dump(void)
{
    static int (*const changes[])(struct memory *, struct pnd_region *) = {
        moves, moves_physically, grows, grows_beyond_all_bounds, shrinks, goes_away, multiplies};

    for (unsigned i = 0; i < 4 * sizeof(changes) / sizeof(changes[0]); i++) {
        enum pnd_core_format format = i & 1 ? PND_CORE_ELF : PND_CORE_MACHO;

        changing_walk = i & 2 ? 3 : 2;
        begin(PAGE);
        add(BASE, 2 * PAGE);
        add(BASE + 0x10000, 2 * PAGE);
        add(BASE + 0x20000, 2 * PAGE);
        mem.change = changes[i / 4];
        CHECK_EQ(write_core(format, 1 << 16, UINT64_MAX), PND_E_FORMAT);
        CHECK_EQ(mem.walk, changing_walk);
        /* no more than was planned is described, or sent */
        if (changing_walk == 2)
            CHECK(out.bytes <= (format == PND_CORE_ELF ? 64 + 4 * 56 : 32 + 3 * 72));
        else
            CHECK(out.bytes <= total_of(format));
        CHECK_EQ(summary.memory_bytes > 0, changing_walk == 3);
        done();
    }
}

static void what_the_memory_returns_ends_the_dump(void)
{
    begin(PAGE);
    add(BASE, PAGE);
    mem.err = PND_E_ABORTED;
    both_fail_with(PND_E_ABORTED);
}

static void a_sink_may_fail_after_any_number_of_bytes(void)
{
    begin(PAGE);
    add(BASE, PAGE);
    mem.every_third_unreadable = true;
    for (enum pnd_core_format format = PND_CORE_MACHO; format <= PND_CORE_ELF; format++) {
        uint64_t total = total_of(format);

        for (uint64_t n = 0; n < total; n++) {
            if (write_core(format, 1, n) != PND_E_LINK || summary.bytes > n)
                CHECK(!"the sink's error comes back");
            done();
        }
        CHECK_EQ(write_core(format, 1, total), PND_OK);
        done();
    }
}

/* A generator, for more regions than a table would hold. */
static uint32_t endless_count;

static int endless_next(void *ctx, uint64_t from, struct pnd_region *ret)
{
    uint64_t index = from < BASE ? 0 : (from - BASE + 2 * PAGE - 1) / (2 * PAGE);

    (void)ctx;
    if (index >= endless_count)
        return PND_E_NOTFOUND;
    *ret = (struct pnd_region){.address = BASE + index * 2 * PAGE, .len = PAGE};
    return PND_OK;
}

static int write_endless(enum pnd_core_format format, uint32_t count)
{
    begin(PAGE);
    mem.memory.next = endless_next;
    mem.memory.map = same_page;
    endless_count = count;
    return write_core(format, 1, UINT64_MAX);
}

static void an_elf_core_has_at_most_65533_regions(void)
{
    CHECK_EQ(write_endless(PND_CORE_ELF, 65533), PND_OK);
    CHECK_EQ(summary.regions, 65533);
    done();
    CHECK_EQ(write_endless(PND_CORE_ELF, 65534), PND_E_FULL);
    CHECK_EQ(out.bytes, 0);
    done();
    CHECK_EQ(write_endless(PND_CORE_MACHO, 65534), PND_OK);
    done();
}

static void a_macho_core_has_at_most_4_gib_of_commands(void)
{
    CHECK_EQ(write_endless(PND_CORE_MACHO, UINT32_MAX / 72), PND_E_FULL);
    CHECK_EQ(out.bytes, 0);
    done();
}

static void more_than_64_bits_of_file_are_refused(void)
{
    begin(PAGE);
    add(0, UINT64_MAX - PAGE + 1);
    both_fail_with(PND_E_FULL);
    CHECK_EQ(out.bytes, 0);
}

int main(void)
{
    RUN(no_other_page_size_is_taken);
    RUN(an_unknown_format_is_refused);
    RUN(regions_that_are_empty_or_not_aligned_are_refused);
    RUN(regions_that_overlap_or_descend_are_refused);
    RUN(regions_that_change_between_the_walks_end_the_dump);
    RUN(what_the_memory_returns_ends_the_dump);
    RUN(a_sink_may_fail_after_any_number_of_bytes);
    RUN(an_elf_core_has_at_most_65533_regions);
    RUN(a_macho_core_has_at_most_4_gib_of_commands);
    RUN(more_than_64_bits_of_file_are_refused);
    return tap_done();
}
