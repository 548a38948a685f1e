/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Core writers: what they write is read back by the readers of core headers, and every page is
 * compared with the memory it came from. */
#include "image/elf.h"
#include "image/macho.h"
#include "unit/core_fixture.h"
#include "wire/cursor.h"

static bool zeros(uint64_t from, uint64_t to)
{
    for (uint64_t at = from; at < to; at++)
        if (out.buf[at] != 0)
            return false;
    return true;
}

/* Every byte of a region, at its place in the file. @return bytes that are wrong */
static uint64_t wrong_bytes(const struct pnd_region *region, uint64_t offset)
{
    uint64_t wrong = 0;

    if (offset > out.len || region->len > out.len - offset)
        return region->len;
    for (uint64_t i = 0; i < region->len; i++) {
        uint64_t address = region->address + i;

        wrong += out.buf[offset + i] != (unreadable(&mem, address) ? 'X' : byte_at(address));
    }
    return wrong;
}

static uint64_t check_macho_commands(const struct pnd_macho *macho, uint64_t data_at)
{
    struct pnd_macho_walk walk;
    struct pnd_macho_cmd cmd;
    uint64_t offset = data_at, wrong = 0;

    pnd_macho_walk_init(&walk, macho, out.buf, out.len);
    for (uint32_t i = 0; i < mem.count; i++) {
        const struct pnd_region *region = &mem.regions[i];

        if (pnd_macho_walk_next(&walk, &cmd) || cmd.cmd != PND_MACHO_LC_SEGMENT_64 ||
            cmd.vmaddr != region->address || cmd.vmsize != region->len || cmd.size != region->len ||
            cmd.offset != offset || cmd.maxprot != 1)
            wrong++;
        else
            wrong += wrong_bytes(region, cmd.offset);
        offset += region->len;
    }
    CHECK_EQ(pnd_macho_walk_next(&walk, &cmd), PND_OK);
    CHECK_EQ(cmd.cmd, PND_MACHO_LC_NOTE);
    CHECK_EQ(cmd.offset, offset);
    CHECK_EQ(cmd.size, MACHO_TAIL);
    CHECK(memcmp(out.buf + cmd.at + 8, "main bin spec\0\0\0", 16) == 0);
    CHECK_EQ(pnd_macho_walk_next(&walk, &cmd), PND_OK);
    CHECK_EQ(cmd.cmd, PND_MACHO_LC_THREAD);
    CHECK_EQ(pnd_macho_walk_next(&walk, &cmd), PND_E_NOTFOUND);
    return wrong;
}

static void check_macho(void)
{
    struct pnd_core_config config = config_for(PND_CORE_MACHO);
    struct pnd_macho macho = {0};
    struct pnd_rd rd;
    uint64_t data_at;

    CHECK_EQ(out.bytes, total_of(PND_CORE_MACHO));
    CHECK_EQ(pnd_macho_parse(out.buf, out.len, &macho), PND_OK);
    CHECK(macho.is64 && !macho.big);
    CHECK_EQ(macho.cputype, 0x01000007);
    CHECK_EQ(macho.cpusubtype, 3);
    CHECK_EQ(macho.filetype, PND_MACHO_TYPE_CORE);
    CHECK_EQ(macho.ncmds, mem.count + 2);
    CHECK_EQ(macho.sizeofcmds, 72 * mem.count + 40 + 184);
    data_at = round_up(macho.commands_end);
    CHECK(zeros(macho.commands_end, data_at));
    CHECK_EQ(check_macho_commands(&macho, data_at), 0);

    rd = pnd_rd(out.buf, out.len);
    pnd_rd_bytes(&rd, (size_t)macho.commands_end - 184);
    CHECK_EQ(pnd_rd_le32(&rd), 4);
    CHECK_EQ(pnd_rd_le32(&rd), 184);
    CHECK_EQ(pnd_rd_le32(&rd), 4);
    CHECK_EQ(pnd_rd_le32(&rd), 42);
    CHECK_EQ(pnd_rd_le64(&rd), config.regs.rax);
    for (uint64_t v = 2; v <= 7; v++)
        CHECK_EQ(pnd_rd_le64(&rd), v); /* rbx rcx rdx rdi rsi rbp */
    CHECK_EQ(pnd_rd_le64(&rd), config.regs.rsp);
    for (uint64_t v = 9; v <= 16; v++)
        CHECK_EQ(pnd_rd_le64(&rd), v); /* r8 to r15 */
    CHECK_EQ(pnd_rd_le64(&rd), config.regs.rip);
    for (uint64_t v = 18; v <= 21; v++)
        CHECK_EQ(pnd_rd_le64(&rd), v); /* rflags cs fs gs */

    rd = pnd_rd(out.buf, out.len);
    pnd_rd_bytes(&rd, out.len - MACHO_TAIL);
    CHECK_EQ(pnd_rd_le32(&rd), 1);
    CHECK_EQ(pnd_rd_le32(&rd), 1);
    CHECK_EQ(pnd_rd_le64(&rd), config.image_address);
    CHECK(memcmp(rd.at, config.uuid, 16) == 0);
    CHECK(zeros(out.len - 8, out.len));
}

/* The registers of NT_PRSTATUS, as gdb numbers them, and the note of our own. */
static void check_elf_notes(uint64_t at)
{
    static const uint64_t regs[27] = {16,
                                      15,
                                      14,
                                      13,
                                      7,
                                      2,
                                      12,
                                      11,
                                      10,
                                      9,
                                      0x1a1a1a1a00000001,
                                      3,
                                      4,
                                      6,
                                      5,
                                      UINT64_MAX,
                                      0xffffff8000200004,
                                      19,
                                      18,
                                      0xffffff80000ffff8,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      20,
                                      21};
    struct pnd_core_config config = config_for(PND_CORE_ELF);
    struct pnd_rd rd = pnd_rd(out.buf, out.len);

    pnd_rd_bytes(&rd, (size_t)at);
    CHECK_EQ(pnd_rd_le32(&rd), 5);
    CHECK_EQ(pnd_rd_le32(&rd), 336);
    CHECK_EQ(pnd_rd_le32(&rd), 1);
    CHECK(memcmp(rd.at, "CORE\0\0\0", 8) == 0);
    pnd_rd_bytes(&rd, 8);
    CHECK_EQ(pnd_rd_le32(&rd), 6); /* SIGABRT, twice */
    pnd_rd_bytes(&rd, 12 - 4);
    CHECK_EQ(pnd_rd_le16(&rd), 6);
    pnd_rd_bytes(&rd, 32 - 14);
    CHECK_EQ(pnd_rd_le32(&rd), 1); /* pid */
    pnd_rd_bytes(&rd, 112 - 36);
    for (size_t i = 0; i < sizeof(regs) / sizeof(regs[0]); i++)
        CHECK_EQ(pnd_rd_le64(&rd), regs[i]);
    CHECK_EQ(pnd_rd_le64(&rd), 0);
    CHECK_EQ(pnd_rd_le32(&rd), 7);
    CHECK_EQ(pnd_rd_le32(&rd), 24);
    CHECK_EQ(pnd_rd_le32(&rd), 0x504e4401);
    CHECK(memcmp(rd.at, "PANICD\0", 8) == 0);
    pnd_rd_bytes(&rd, 8);
    CHECK_EQ(pnd_rd_le64(&rd), config.image_address);
    CHECK(memcmp(rd.at, config.uuid, 16) == 0);
}

static void check_elf(void)
{
    struct pnd_elf elf = {0};
    struct pnd_elf_segment seg = {0};
    uint64_t offset, wrong = 0;

    CHECK_EQ(out.bytes, total_of(PND_CORE_ELF));
    CHECK_EQ(pnd_elf_parse(out.buf, out.len, &elf), PND_OK);
    CHECK(elf.is64 && !elf.big);
    CHECK_EQ(out.buf[7], 3);
    CHECK_EQ(elf.type, PND_ELF_TYPE_CORE);
    CHECK_EQ(elf.machine, 62);
    CHECK_EQ(elf.phnum, mem.count + 1);
    CHECK_EQ(pnd_elf_segment(&elf, out.buf, out.len, 0, &seg), PND_OK);
    CHECK_EQ(seg.type, PND_ELF_PT_NOTE);
    CHECK_EQ(seg.offset, elf.table_end);
    CHECK_EQ(seg.filesz, ELF_NOTES);
    check_elf_notes(seg.offset);
    offset = round_up(elf.table_end + ELF_NOTES);
    CHECK(zeros(elf.table_end + ELF_NOTES, offset));
    for (uint32_t i = 0; i < mem.count; i++) {
        const struct pnd_region *region = &mem.regions[i];

        if (pnd_elf_segment(&elf, out.buf, out.len, i + 1, &seg) || seg.type != PND_ELF_PT_LOAD ||
            seg.vaddr != region->address || seg.paddr != region->physical ||
            seg.filesz != region->len || seg.memsz != region->len || seg.offset != offset)
            wrong++;
        else
            wrong += wrong_bytes(region, seg.offset);
        offset += region->len;
    }
    CHECK_EQ(wrong, 0);
}

/* Both formats of what is in mem. */
static void both_are_right(void)
{
    for (enum pnd_core_format format = PND_CORE_MACHO; format <= PND_CORE_ELF; format++) {
        CHECK_EQ(write_core(format, (size_t)total_of(format) + 1, UINT64_MAX), PND_OK);
        if (format == PND_CORE_ELF)
            check_elf();
        else
            check_macho();
        CHECK_EQ(summary.regions, mem.count);
        CHECK_EQ(summary.memory_bytes, memory_bytes());
        CHECK_EQ(mem.walk, 3);
        done();
    }
}

static void no_memory_at_all_is_a_core_with_registers(void)
{
    begin(PAGE);
    both_are_right();
}

static void one_region_is_written_page_by_page(void)
{
    begin(PAGE);
    add(BASE + 0x200000, 5 * PAGE);
    both_are_right();
    CHECK_EQ(summary.unreadable_bytes, 0);
}

static void two_thousand_regions_are_written_in_order(void)
{
    begin(PAGE);
    for (uint32_t i = 0; i < REGIONS_CAP; i++)
        add(BASE + i * UINT64_C(0x10000), (i % 3 + 1) * PAGE);
    both_are_right();
}

/* 72 bytes for each region, 56 in ELF: some number ends on a page without any padding. */
static void every_number_of_regions_is_padded_to_a_page(void)
{
    bool without_padding = false;

    begin(PAGE);
    for (uint32_t i = 0; i < 600; i++) {
        CHECK_EQ(write_core(PND_CORE_MACHO, (size_t)total_of(PND_CORE_MACHO), UINT64_MAX), PND_OK);
        CHECK_EQ(out.bytes, total_of(PND_CORE_MACHO));
        without_padding |= (MACHO_FIXED + 72 * mem.count) % PAGE == 0;
        done();
        add(BASE + i * UINT64_C(0x2000), PAGE);
    }
    CHECK(without_padding);
}

static void every_page_size_is_taken(void)
{
    for (uint32_t page_bytes = PAGE; page_bytes <= PAGE_CAP; page_bytes *= 2) {
        begin(page_bytes);
        add(BASE, page_bytes);
        add(BASE + 0x100000, 2 * page_bytes);
        both_are_right();
    }
}

static void unreadable_pages_are_written_as_X(void)
{
    begin(PAGE);
    mem.every_third_unreadable = true;
    add(BASE, 9 * PAGE);
    add(BASE + 0x100000, PAGE);
    both_are_right();
    CHECK(summary.unreadable_bytes >= 3 * PAGE && summary.unreadable_bytes <= 4 * PAGE);
}

static void a_region_may_end_where_the_address_space_ends(void)
{
    begin(PAGE);
    add(0, PAGE);
    add(UINT64_MAX - 4 * PAGE + 1, 4 * PAGE);
    both_are_right();
}

static void regions_beyond_4_gib_take_no_memory_and_stand_where_they_should(void)
{
    const uint64_t first = UINT64_C(64) << 30, second = UINT64_C(5) << 30;

    for (enum pnd_core_format format = PND_CORE_MACHO; format <= PND_CORE_ELF; format++) {
        uint64_t offset = 0;

        begin(PAGE_CAP);
        mem.memory.map = same_page;
        add(BASE, first);
        add(BASE + (UINT64_C(1) << 38), second);
        CHECK_EQ(write_core(format, PAGE_CAP, UINT64_MAX), PND_OK);
        CHECK_EQ(out.bytes, total_of(format));
        CHECK_EQ(summary.memory_bytes, first + second);
        if (format == PND_CORE_ELF) {
            struct pnd_elf elf;
            struct pnd_elf_segment seg = {0};

            CHECK_EQ(pnd_elf_parse(out.buf, out.len, &elf), PND_OK);
            CHECK_EQ(pnd_elf_segment(&elf, out.buf, out.len, 2, &seg), PND_OK);
            CHECK_EQ(seg.filesz, second);
            offset = seg.offset;
        } else {
            struct pnd_macho macho;
            struct pnd_macho_walk walk;
            struct pnd_macho_cmd cmd = {0};

            CHECK_EQ(pnd_macho_parse(out.buf, out.len, &macho), PND_OK);
            pnd_macho_walk_init(&walk, &macho, out.buf, out.len);
            CHECK_EQ(pnd_macho_walk_next(&walk, &cmd), PND_OK);
            CHECK_EQ(pnd_macho_walk_next(&walk, &cmd), PND_OK);
            CHECK_EQ(cmd.size, second);
            offset = cmd.offset;
            CHECK_EQ(pnd_macho_walk_next(&walk, &cmd), PND_OK);
            CHECK_EQ(cmd.offset, PAGE_CAP + first + second);
        }
        CHECK_EQ(offset, PAGE_CAP + first);
        done();
    }
}

static uint64_t progress_calls, progress_last, progress_total;
static bool progress_wrong;

static void on_progress(void *ctx, uint64_t done_bytes, uint64_t total)
{
    progress_wrong |= ctx != &progress_calls || done_bytes > total || done_bytes <= progress_last;
    progress_wrong |= done_bytes - progress_last > (1 << 20) + PAGE;
    progress_calls++;
    progress_last = done_bytes;
    progress_total = total;
}

static void progress_comes_for_every_mebibyte_and_at_the_end(void)
{
    static const uint64_t pages[] = {0, 1, 255, 256, 257, 1023, 2048};

    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        struct pnd_core_config config = config_for(PND_CORE_ELF);

        begin(PAGE);
        if (pages[i])
            add(BASE, pages[i] * PAGE);
        config.progress = on_progress;
        config.progress_ctx = &progress_calls;
        progress_calls = progress_last = 0;
        progress_wrong = false;
        out = (struct sink){.fail_at = UINT64_MAX};
        out.sink = (struct pnd_sink){.ctx = &out, .write = take, .end = take_end};
        CHECK_EQ(pnd_core_write(&config, &out.sink, &summary), PND_OK);
        CHECK(!progress_wrong);
        CHECK_EQ(progress_last, total_of(PND_CORE_ELF));
        CHECK_EQ(progress_total, total_of(PND_CORE_ELF));
        CHECK_EQ(progress_calls, (total_of(PND_CORE_ELF) + (1 << 20) - 1) >> 20);
        done();
    }
}

int main(void)
{
    RUN(no_memory_at_all_is_a_core_with_registers);
    RUN(one_region_is_written_page_by_page);
    RUN(two_thousand_regions_are_written_in_order);
    RUN(every_number_of_regions_is_padded_to_a_page);
    RUN(every_page_size_is_taken);
    RUN(unreadable_pages_are_written_as_X);
    RUN(a_region_may_end_where_the_address_space_ends);
    RUN(regions_beyond_4_gib_take_no_memory_and_stand_where_they_should);
    RUN(progress_comes_for_every_mebibyte_and_at_the_end);
    return tap_done();
}
