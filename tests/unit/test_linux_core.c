/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ELF cores of Linux kernels, from the crash kernel and from QEMU: what the file says, whole or
 * cut anywhere. */
#include "unit/linux_image.h"

static uint64_t register_of(const struct pnd_fact_cpu *cpu, const char *name)
{
    for (unsigned i = 0; i < cpu->register_count; i++)
        if (strcmp(cpu->registers[i].name, name) == 0)
            return cpu->registers[i].value;
    return UINT64_MAX;
}

static uint64_t bytes_of(enum pnd_memory_kind kind)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < facts.range_count; i++)
        sum += facts.ranges[i].bytes[kind];
    return sum;
}

static void a_vmcore_tells_all_of_its_machine(void)
{
    image_make(2, false);
    make_elf_core(&(struct elf_how){.info = true, .virtual = true});
    look(file_len);
    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
    CHECK_STR(check.format, "elf");
    expect_machine();
}

static void the_cpu_that_panicked_comes_first(void)
{
    image_make(3, false);
    make_elf_core(&(struct elf_how){.info = true, .virtual = true});
    look(file_len);
    CHECK_EQ(facts.cpu_count, 3);
    CHECK_EQ(facts.cpus[0].number, 1);
    CHECK(facts.cpus[0].panicked && !facts.cpus[1].panicked && !facts.cpus[2].panicked);
    CHECK_EQ(register_of(&facts.cpus[0], "rip"), image_text + 0x1001);
    CHECK_EQ(register_of(&facts.cpus[0], "r15"), 0x101);
    CHECK_EQ(register_of(&facts.cpus[0], "rsp"), 0x1401);
    CHECK_EQ(register_of(&facts.cpus[0], "gs_base"), 0x1701);
    CHECK_EQ(facts.cpus[1].number, 0);
    CHECK_EQ(register_of(&facts.cpus[1], "rip"), image_text + 0x1000);
}

static void memory_that_is_there_twice_is_in_the_map_once(void)
{
    image_make(1, false);
    make_elf_core(&(struct elf_how){.info = true, .virtual = true});
    look(file_len);
    CHECK(facts.map_physical);
    CHECK_EQ(bytes_of(PND_MEMORY_PRESENT) + bytes_of(PND_MEMORY_ZERO), IMAGE_BYTES);
    CHECK(bytes_of(PND_MEMORY_ZERO) >= 16 * (uint64_t)IMAGE_PAGE);
}

static void what_a_segment_names_and_does_not_bring_was_left_out(void)
{
    image_make(1, false);
    make_elf_core(&(struct elf_how){.info = true});
    put_le(file_bytes + 64 + 56 + 40, IMAGE_BYTES + 0x100000, 8);
    look(file_len);
    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
    CHECK_EQ(bytes_of(PND_MEMORY_EXCLUDED), 0x100000);
    CHECK_EQ(bytes_of(PND_MEMORY_PRESENT) + bytes_of(PND_MEMORY_ZERO), IMAGE_BYTES);
}

static void addresses_are_found_through_the_page_tables(void)
{
    for (unsigned five_levels = 0; five_levels < 2; five_levels++) {
        image_make(2, five_levels);
        make_elf_core(&(struct elf_how){.info = true});
        look(file_len);
        expect_machine();
        make_elf_core(&(struct elf_how){.qemu = true});
        look(file_len);
        expect_machine();
    }
}

static void a_dump_of_qemu_has_vmcoreinfo_in_its_memory(void)
{
    image_make(2, false);
    make_elf_core(&(struct elf_how){.qemu = true});
    look(file_len);
    expect_machine();
    CHECK_EQ(register_of(&facts.cpus[0], "cr3"), image_table(0));
}

static void a_kernel_that_does_not_tell_its_base_is_found_by_cr3(void)
{
    char *base;

    image_make(2, false);
    base = strstr((char *)image.ram + IMAGE_INFO_AT, "NUMBER(phys_base)");
    memcpy(base, "NUMBER(else_what)", 17);
    make_elf_core(&(struct elf_how){.qemu = true});
    look(file_len);
    CHECK_STR(fact(PND_FACT_PANIC), "test crash");
    CHECK_STR(fact(PND_FACT_HOST), "crashed-host");
}

static void freebsd_with_a_linux_guest_is_freebsd(void)
{
    static const char log[] = "---<<BOOT>>---\nCopyright (c) 1992-2023 The FreeBSD Project.\n"
                              "FreeBSD 14.1-RELEASE releng/14.1-n267679 GENERIC amd64\n"
                              "panic: a test of the message buffer\ncpuid = 0\ntime = 1700000000\n";

    image_make(1, false);
    memcpy(image.ram + IMAGE_NOISE_AT / 2 + 0x8000, log, sizeof(log));
    make_elf_core(&(struct elf_how){0});
    look(file_len);
    CHECK_STR(fact(PND_FACT_PANIC), "test crash"); /* of Linux, as far as anybody can tell */
    file_bytes[7] = 9;
    look(file_len);
    CHECK_STR(fact(PND_FACT_OS), "FreeBSD");
    CHECK_STR(fact(PND_FACT_PANIC), "a test of the message buffer");
    CHECK(facts.log && strstr(facts.log, "---<<BOOT>>---"));
}

static void other_machines_have_other_registers(void)
{
    image_make(1, false);
    make_elf_core(&(struct elf_how){.info = true, .virtual = true});
    put_le(file_bytes + 18, 183, 2); /* as if it were aarch64 */
    look(file_len);
    CHECK_STR(fact(PND_FACT_PANIC), "test crash");
    CHECK_EQ(facts.cpu_count, 1);
    CHECK_EQ(register_of(&facts.cpus[0], "x0"), 0x100);
    CHECK_EQ(register_of(&facts.cpus[0], "rip"), UINT64_MAX);
    put_le(file_bytes + 18, 0x1234, 2);
    look(file_len);
    CHECK_STR(fact(PND_FACT_PANIC), "test crash");
    CHECK_EQ(facts.cpus[0].register_count, 0);
}

static void every_cut_is_noticed_and_what_is_there_is_told(void)
{
    size_t whole, told = 0;

    image_make(2, false);
    make_elf_core(&(struct elf_how){.info = true, .virtual = true});
    whole = file_len;
    for (size_t len = 1; len < whole; len += len < 4096 + 1024 ? 37 : 2111) {
        look(len);
        CHECK(check.verdict != PND_VERDICT_COMPLETE || len < 20);
        if (strcmp(fact(PND_FACT_KERNEL), "6.1.0-test") == 0 && told == 0)
            told = len;
    }
    CHECK(told > 0 && told < 16384); /* with the notes, long before the memory */
}

static void no_flipped_byte_is_more_than_a_wrong_fact(void)
{
    image_make(2, false);
    for (size_t at = 0; at < 8192; at += 5) {
        make_elf_core(&(struct elf_how){.info = at & 1, .virtual = at & 2, .qemu = at & 4});
        file_bytes[at] ^= 0xff;
        look(file_len);
    }
    for (size_t at = 0; at < IMAGE_NOISE_AT; at += 97) { /* tables, log, names */
        make_elf_core(&(struct elf_how){.info = at & 1, .qemu = true});
        file_bytes[file_len - IMAGE_BYTES + at] ^= 0xff;
        look(file_len);
        CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
    }
}

int main(void)
{
    RUN(a_vmcore_tells_all_of_its_machine);
    RUN(the_cpu_that_panicked_comes_first);
    RUN(memory_that_is_there_twice_is_in_the_map_once);
    RUN(what_a_segment_names_and_does_not_bring_was_left_out);
    RUN(addresses_are_found_through_the_page_tables);
    RUN(a_dump_of_qemu_has_vmcoreinfo_in_its_memory);
    RUN(a_kernel_that_does_not_tell_its_base_is_found_by_cr3);
    RUN(freebsd_with_a_linux_guest_is_freebsd);
    RUN(other_machines_have_other_registers);
    RUN(every_cut_is_noticed_and_what_is_there_is_told);
    RUN(no_flipped_byte_is_more_than_a_wrong_fact);
    pnd_facts_deinit(&facts);
    return tap_done();
}
