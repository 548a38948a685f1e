/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a Mach-O core says: made here from a few lines each, for every architecture, whole, cut
 * short, and wrong. */
#include "inspect/pass.h"
#include "unit/check_fixture.h"
#include "wire/cursor.h"

enum {
    CORE_CAP = 1 << 20,
    PAGE = 4096,
    LC_THREAD = 4,
    LC_IDENT = 8,
    X86_64 = 0x01000007,
    ARM64 = 0x0100000c,
    I386 = 7,
    PPC = 18,
};

#define TEXT_AT  UINT64_C(0xffffff8000200000)
#define STACK_AT UINT64_C(0xffffff8010000000)

/* A core that grows: commands first, memory from page 4 on, notes behind it. */
struct maker {
    uint8_t buf[CORE_CAP];
    bool is64, big;
    uint32_t ncmds;
    size_t cmd_at, data_at;
};

static struct maker maker;

static void put(size_t at, uint64_t v, size_t size)
{
    for (size_t i = 0; i < size; i++)
        maker.buf[at + i] = (uint8_t)(v >> 8 * (maker.big ? size - 1 - i : i));
}

static void begin_core(uint32_t cputype, bool is64, bool big)
{
    memset(&maker, 0, sizeof(maker));
    maker.is64 = is64;
    maker.big = big;
    maker.cmd_at = is64 ? 32 : 28;
    maker.data_at = 4 * PAGE;
    put(0, is64 ? 0xfeedfacf : 0xfeedface, 4);
    put(4, cputype, 4);
    put(12, 4, 4);
}

static void add_command(uint32_t cmd, size_t len)
{
    put(maker.cmd_at, cmd, 4);
    put(maker.cmd_at + 4, len, 4);
    maker.cmd_at += len;
    maker.ncmds++;
    put(16, maker.ncmds, 4);
    put(20, maker.cmd_at - (maker.is64 ? 32 : 28), 4);
}

/* @return where in the file its bytes go */
static size_t add_segment(uint64_t address, size_t len, uint32_t prot)
{
    size_t at = maker.cmd_at, word = maker.is64 ? 8 : 4, data = maker.data_at;

    put(at + 24, address, word);
    put(at + 24 + word, len, word);
    put(at + 24 + 2 * word, data, word);
    put(at + 24 + 3 * word, len, word);
    put(at + 24 + 4 * word, prot, 4);
    add_command(maker.is64 ? 0x19 : 1, maker.is64 ? 72 : 56);
    maker.data_at += len;
    return data;
}

static void add_thread(uint32_t flavor, const uint64_t *regs, size_t count, size_t size)
{
    size_t at = maker.cmd_at + 16;

    put(maker.cmd_at + 8, flavor, 4);
    put(maker.cmd_at + 12, count * size / 4, 4);
    for (size_t i = 0; i < count; i++)
        put(at + i * size, regs[i], size);
    add_command(LC_THREAD, 16 + count * size);
}

static size_t add_note(const char *owner, size_t len)
{
    size_t at = maker.cmd_at, data = maker.data_at;

    memcpy(maker.buf + at + 8, owner, strlen(owner));
    put(at + 24, data, 8);
    put(at + 32, len, 8);
    add_command(0x31, 40);
    maker.data_at += len;
    return data;
}

static struct pnd_facts read_facts(size_t len)
{
    struct pnd_check check = {0};
    struct pnd_facts facts;
    struct pnd_why why = {0};
    int fd = file_of(maker.buf, len);

    CHECK_EQ(pnd_check_file(fd, NULL, NULL, &check, &facts, &why), PND_OK);
    CHECK_STR(why.text, "");
    close(fd);
    return facts;
}

static uint64_t reg(const struct pnd_facts *facts, unsigned cpu, const char *name)
{
    for (unsigned i = 0; cpu < facts->cpu_count && i < facts->cpus[cpu].register_count; i++) {
        if (strcmp(facts->cpus[cpu].registers[i].name, name) == 0)
            return facts->cpus[cpu].registers[i].value;
    }
    return UINT64_MAX - 1;
}

static void put_uuid(size_t at)
{
    for (size_t i = 0; i < 16; i++)
        maker.buf[at + i] = (uint8_t)(0xa0 + i);
}

static const char uuid_text[] = "A0A1A2A3-A4A5-A6A7-A8A9-AAABACADAEAF";

/* An x86-64 core as xnu 8019 writes it: code, a stack with three frames, the note. */
static void make_x86_64(void)
{
    uint64_t regs[21];
    size_t stack, note;

    begin_core(X86_64, true, false);
    add_segment(TEXT_AT, PAGE, 1);
    stack = add_segment(STACK_AT, 2 * PAGE, 1);
    note = add_note("main bin spec", 40);
    for (size_t i = 0; i < 21; i++)
        regs[i] = 0x1000 + i;
    regs[6] = STACK_AT + 0x100;
    regs[16] = TEXT_AT + 0x123;
    add_thread(4, regs, 21, 8);
    put(stack + 0x100, STACK_AT + 0x200, 8);
    put(stack + 0x108, TEXT_AT + 0x456, 8);
    put(stack + 0x200, STACK_AT + 0x1300, 8);
    put(stack + 0x208, TEXT_AT + 0x789, 8);
    put(stack + 0x1300, 0, 8);
    put(stack + 0x1308, TEXT_AT + 0xabc, 8);
    put(note, 1, 4);
    put(note + 4, 1, 4);
    put(note + 8, TEXT_AT, 8);
    put_uuid(note + 16);
}

static void reads_the_registers_frames_and_notes_of_an_x86_64_core(void)
{
    static const uint64_t want[] = {0x123, 0x456, 0x789, 0xabc};
    struct pnd_facts facts;

    make_x86_64();
    facts = read_facts(maker.data_at);
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_ARCH), "x86_64");
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_BUILD_ID), uuid_text);
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_LOAD), "0xffffff8000200000");
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_SLIDE), "");
    CHECK_EQ(facts.cpu_count, 1);
    CHECK(facts.cpus[0].panicked);
    CHECK_EQ(facts.cpus[0].register_count, 21);
    CHECK_EQ(reg(&facts, 0, "rax"), 0x1000);
    CHECK_EQ(reg(&facts, 0, "gs"), 0x1014);
    CHECK_EQ(reg(&facts, 0, "rip"), TEXT_AT + 0x123);
    CHECK_EQ(facts.frame_count, 4);
    for (size_t i = 0; i < 4 && i < facts.frame_count; i++)
        CHECK_EQ(facts.frames[i].address, TEXT_AT + want[i]);
    CHECK_EQ(facts.frames[0].frame, STACK_AT + 0x100);
    CHECK_EQ(facts.frames[1].frame, STACK_AT + 0x200);
    pnd_facts_deinit(&facts);
}

static void reads_the_same_when_it_is_packed(void)
{
    static uint8_t packed[PACKED_CAP];
    struct pnd_facts plain, facts;
    struct pnd_check check = {0};
    struct pnd_why why = {0};
    json_t *a, *b;
    int fd;

    make_x86_64();
    plain = read_facts(maker.data_at);
    fd = file_of(packed, pack(maker.buf, maker.data_at, packed));
    CHECK_EQ(pnd_check_file(fd, NULL, NULL, &check, &facts, &why), PND_OK);
    CHECK_STR(check.format, "gzip+macho");
    a = pnd_facts_to_json(&plain, true);
    b = pnd_facts_to_json(&facts, true);
    CHECK(json_equal(a, b));
    json_decref(a);
    json_decref(b);
    pnd_facts_deinit(&plain);
    pnd_facts_deinit(&facts);
    close(fd);
}

static void draws_the_memory_with_zeros_x_and_what_is_missing(void)
{
    struct pnd_facts facts;
    size_t at;

    begin_core(X86_64, true, false);
    at = add_segment(TEXT_AT, 4 * PAGE, 1);
    add_segment(STACK_AT, 4 * PAGE, 1);
    memset(maker.buf + at, 'X', PAGE);
    memset(maker.buf + at + 2 * PAGE, 'y', PAGE);
    memset(maker.buf + at + 4 * PAGE, 'z', 4 * PAGE);
    facts = read_facts(at + 6 * PAGE + 100);
    CHECK(!facts.map_physical);
    CHECK_EQ(facts.range_count, 6);
    if (facts.range_count == 6) {
        const struct pnd_fact_range *r = facts.ranges;

        CHECK_EQ(r[0].start, TEXT_AT);
        CHECK_EQ(r[0].bytes[PND_MEMORY_UNREADABLE], PAGE);
        CHECK_EQ(r[1].bytes[PND_MEMORY_ZERO], PAGE);
        CHECK_EQ(r[2].bytes[PND_MEMORY_PRESENT], PAGE);
        CHECK_EQ(r[3].bytes[PND_MEMORY_ZERO], PAGE);
        CHECK_EQ(r[4].start, STACK_AT);
        CHECK_EQ(r[4].bytes[PND_MEMORY_PRESENT], 2 * PAGE + 100);
        CHECK_EQ(r[5].bytes[PND_MEMORY_MISSING], 2 * PAGE - 100);
        CHECK_EQ(r[5].end, STACK_AT + 4 * PAGE);
    }
    pnd_facts_deinit(&facts);
}

/* arm64: a thread for each processor, pointers with authentication in their upper bits. */
static void strips_what_authenticates_the_pointers_of_arm64(void)
{
    uint64_t base = UINT64_C(0xfffffe0007004000), stack_at = UINT64_C(0xfffffe8010000000);
    uint64_t regs[34] = {0}, none[34] = {0};
    struct pnd_facts facts;
    size_t stack, bits;

    begin_core(ARM64, true, false);
    add_segment(base, 4 * PAGE, 1);
    stack = add_segment(stack_at, 4 * PAGE, 1);
    bits = add_note("addrable bits", 16);
    put(bits, 3, 4);
    put(bits + 4, 47, 4);
    regs[0] = 0x77;
    regs[29] = (stack_at + 0x40) ^ UINT64_C(0x1230800000000000) ^ UINT64_C(0x0000800000000000);
    regs[30] = base + 8;
    regs[31] = stack_at;
    regs[32] = (base + 0x10) ^ UINT64_C(0x5a00000000000000);
    add_thread(6, none, 33, 8); /* count 66: cut short, and all zero */
    put(maker.cmd_at - 16 - 33 * 8 + 12, 66, 4);
    add_thread(6, regs, 34, 8);
    put(stack + 0x40, stack_at + 0x80, 8);
    put(stack + 0x48, (base + 0x20) ^ UINT64_C(0x3c40000000000000), 8);
    put(stack + 0x80, 0, 8);
    put(stack + 0x88, base + 0x30, 8);
    facts = read_facts(maker.data_at);
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_ARCH), "arm64");
    CHECK_EQ(facts.cpu_count, 1); /* the other is not known */
    CHECK_EQ(facts.cpus[0].number, 1);
    CHECK_EQ(reg(&facts, 0, "x0"), 0x77);
    CHECK_EQ(reg(&facts, 0, "lr"), base + 8);
    CHECK_EQ(facts.frame_count, 0); /* which one panicked, the file does not say */
    pnd_facts_deinit(&facts);

    begin_core(ARM64, true, false); /* with one thread there is no doubt */
    add_segment(base, 4 * PAGE, 1);
    stack = add_segment(stack_at, 4 * PAGE, 1);
    bits = add_note("addrable bits", 16);
    put(bits, 4, 4);
    put(bits + 4, 39, 4);
    put(bits + 8, 47, 4);
    add_thread(6, regs, 34, 8);
    put(stack + 0x40, stack_at + 0x80, 8);
    put(stack + 0x48, (base + 0x20) ^ UINT64_C(0x3c40000000000000), 8);
    put(stack + 0x80, 0, 8);
    put(stack + 0x88, base + 0x30, 8);
    facts = read_facts(maker.data_at);
    CHECK_EQ(facts.frame_count, 3);
    for (size_t i = 0; i < 3 && i < facts.frame_count; i++)
        CHECK_EQ(facts.frames[i].address, base + 0x10 * (i + 1));
    pnd_facts_deinit(&facts);
}

static void reads_i386_and_big_endian_ppc(void)
{
    uint64_t regs[40] = {0};
    struct pnd_facts facts;
    size_t stack;

    begin_core(I386, false, false);
    stack = add_segment(0x1000000, PAGE, 7);
    regs[6] = 0x1000010;
    regs[10] = 0x1000abc;
    add_thread(1, regs, 16, 4);
    put(stack + 0x10, 0x1000040, 4);
    put(stack + 0x14, 0x1000def, 4);
    facts = read_facts(maker.data_at);
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_ARCH), "i386");
    CHECK_EQ(reg(&facts, 0, "eip"), 0x1000abc);
    CHECK_EQ(facts.frame_count, 2);
    CHECK_EQ(facts.frames[1].address, 0x1000def);
    pnd_facts_deinit(&facts);

    memset(regs, 0, sizeof(regs));
    begin_core(PPC, false, true);
    stack = add_segment(0x2000000, PAGE, 7);
    regs[0] = 0x2000abc;
    regs[3] = 0x2000100; /* r1 */
    regs[36] = 0x2000def;
    add_thread(1, regs, 40, 4);
    put(stack + 0x100, 0x2000140, 4);
    put(stack + 0x148, 0x2000222, 4); /* saved by the function whose frame is at 0x100 */
    put(stack + 0x140, 0x2000180, 4);
    put(stack + 0x188, 0x2000333, 4);
    facts = read_facts(maker.data_at);
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_ARCH), "ppc");
    CHECK_EQ(reg(&facts, 0, "r1"), 0x2000100);
    CHECK_EQ(facts.frame_count, 3);
    CHECK_EQ(facts.frames[1].address, 0x2000222);
    CHECK_EQ(facts.frames[2].address, 0x2000333);
    pnd_facts_deinit(&facts);
}

static void ends_a_backtrace_that_goes_in_circles_or_nowhere(void)
{
    uint64_t regs[21] = {0};
    struct pnd_facts facts;
    size_t stack;

    for (int kind = 0; kind < 5; kind++) {
        begin_core(X86_64, true, false);
        stack = add_segment(STACK_AT, 16 * PAGE, 1);
        regs[6] = STACK_AT + (kind == 4 ? 3 : 0x100);
        regs[16] = TEXT_AT;
        if (kind == 3)
            regs[6] = UINT64_MAX - 7;
        add_thread(4, regs, 21, 8);
        put(stack + 0x100, STACK_AT + (kind == 0 ? 0x100 : 0x200), 8); /* itself; a pair */
        put(stack + 0x108, TEXT_AT + 1, 8);
        put(stack + 0x200, STACK_AT + 0x100, 8);
        put(stack + 0x208, TEXT_AT + 2, 8);
        for (size_t at = 0x100; kind == 2 && at < 15 * PAGE; at += 16) { /* far too many */
            put(stack + at, STACK_AT + at + 16, 8);
            put(stack + at + 8, TEXT_AT + at, 8);
        }
        facts = read_facts(maker.data_at);
        CHECK(facts.frame_count >= 1);
        CHECK(facts.frame_count <= (kind == 2 ? PND_FACT_FRAMES_MAX : 16));
        if (kind == 2)
            CHECK_EQ(facts.frame_count, PND_FACT_FRAMES_MAX);
        if (kind >= 3)
            CHECK_EQ(facts.frame_count, 1);
        pnd_facts_deinit(&facts);
    }
}

static void reads_every_kind_of_note(void)
{
    static const char version[] = "Darwin Kernel Version 19.6.0: Mon; root:xnu-6153.141.1~1/X; "
                                  "UUID=A0A1A2A3-A4A5-A6A7-A8A9-AAABACADAEAF; stext=0xffffff8004a";
    struct pnd_facts facts;
    size_t at;

    begin_core(X86_64, true, false); /* version 2 of the first has the slide */
    at = add_note("main bin spec", 48);
    put(at, 2, 4);
    put(at + 4, 1, 4);
    put(at + 8, TEXT_AT, 8);
    put(at + 16, 0x1a00000, 8);
    put_uuid(at + 24);
    facts = read_facts(maker.data_at);
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_SLIDE), "0x1a00000");
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_BUILD_ID), uuid_text);
    pnd_facts_deinit(&facts);

    begin_core(X86_64, true, false); /* nothing said */
    at = add_note("main bin spec", 40);
    put(at, 1, 4);
    put(at + 8, UINT64_MAX, 8);
    facts = read_facts(maker.data_at);
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_LOAD), "");
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_BUILD_ID), "");
    pnd_facts_deinit(&facts);

    begin_core(X86_64, true, false);
    at = add_note("kern ver str", 4 + sizeof(version));
    put(at, 1, 4);
    memcpy(maker.buf + at + 4, version, sizeof(version));
    facts = read_facts(maker.data_at);
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_KERNEL), "xnu-6153.141.1");
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_OS), "Darwin");
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_BUILD_ID), uuid_text);
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_LOAD), "0xffffff8004a");
    pnd_facts_deinit(&facts);

    begin_core(X86_64, true, false); /* 3789 to 7195: a command of its own */
    memcpy(maker.buf + maker.cmd_at + 8, version, sizeof(version));
    add_command(LC_IDENT, 264);
    facts = read_facts(maker.data_at);
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_KERNEL), "xnu-6153.141.1");
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_BUILD_ID), uuid_text);
    pnd_facts_deinit(&facts);

    begin_core(ARM64, true, false);
    at = add_note("load binary", 68);
    put(at, 1, 4);
    put(at + 20, 0x4000, 8);
    put(at + 28, 0x3000, 8);
    memcpy(maker.buf + at + 36, "xnu", 3);
    at = add_note("load binary", 68);
    put(at, 1, 4);
    put(at + 20, 0x9000, 8);
    memset(maker.buf + at + 36, 't', 32); /* no NUL */
    facts = read_facts(maker.data_at);
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_LOAD), "0x4000");
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_SLIDE), "0x3000");
    CHECK_EQ(facts.module_count, 1);
    CHECK_EQ(strlen(facts.modules[0].name), 32);
    pnd_facts_deinit(&facts);
}

static void takes_the_uuid_from_the_kernels_own_header_when_no_note_has_it(void)
{
    struct pnd_facts facts;
    size_t text, note;

    begin_core(X86_64, true, false);
    text = add_segment(TEXT_AT, 8 * PAGE, 1);
    note = add_note("main bin spec", 40);
    put(note, 1, 4);
    put(note + 8, TEXT_AT, 8);
    put(text, 0xfeedfacf, 4);
    put(text + 4, X86_64, 4);
    put(text + 12, 2, 4);
    put(text + 16, 1, 4);
    put(text + 20, 24, 4);
    put(text + 32, 0x1b, 4);
    put(text + 36, 24, 4);
    put_uuid(text + 40);
    facts = read_facts(maker.data_at);
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_BUILD_ID), uuid_text);
    pnd_facts_deinit(&facts);
}

static void reads_the_kernel_version_from_its_memory(void)
{
    static const char full[] = "Darwin Kernel Version 21.1.0: Wed Oct 13 17:33:01 PDT 2021; "
                               "root:xnu-8019.41.5~1/RELEASE_X86_64";
    struct pnd_facts facts;
    size_t at;

    begin_core(X86_64, true, false);
    at = add_segment(TEXT_AT, 4 * PAGE, 1);
    put_text(maker.buf + at + 50, "Darwin Kernel Version 21.1.0");
    put_text(maker.buf + at + 4090, full);
    facts = read_facts(maker.data_at);
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_KERNEL_VERSION), full);
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_KERNEL), "xnu-8019.41.5");
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_OS), "Darwin");
    pnd_facts_deinit(&facts);
}

/* The log says which processor it was, and its frames win over those of the registers. */
static void takes_the_processor_and_the_frames_from_the_panic_log(void)
{
    static const char log[] =
        "panic(cpu 1 caller 0xfffffe0007004010): bench\n"
        "Debugger message: panic\nMemory ID: 0x6\nOS release type: User\nOS version: 21A559\n"
        "Kernel version: Darwin Kernel Version 21.1.0: Wed Oct 13 17:33:24 PDT 2021; "
        "root:xnu-8019.41.5~1/RELEASE_ARM64_T6000\n"
        "Panicked task 0xfffffe1000000000: 0 pages, 1 threads: pid 0: kernel_task\n"
        "Panicked thread: 0xfffffe1000000000, backtrace: 0xfffffe8010000000, tid: 100\n"
        "\t\t  lr: 0xfffffe0007004aaa  fp: 0xfffffe8010000040\n"
        "\t\t  lr: 0xfffffe0007004bbb  fp: 0xfffffe8010000080\n";
    uint64_t base = UINT64_C(0xfffffe0007004000), regs[34] = {0};
    struct pnd_facts facts;
    size_t at;

    for (int with_log = 0; with_log < 2; with_log++) {
        begin_core(ARM64, true, false);
        at = add_segment(base, 16 * PAGE, 1);
        if (with_log)
            memcpy(maker.buf + at + 3 * PAGE, log, sizeof(log));
        for (size_t i = 0; i < 3; i++) {
            regs[0] = 0x70 + i;
            regs[32] = base + i;
            add_thread(6, regs, 34, 8);
        }
        facts = read_facts(maker.data_at);
        CHECK_EQ(facts.cpu_count, 3);
        if (facts.cpu_count < 3)
            return;
        CHECK_EQ(facts.cpus[0].number, with_log ? 1 : 0);
        CHECK_EQ(facts.cpus[0].panicked, with_log);
        CHECK(!facts.cpus[1].panicked && !facts.cpus[2].panicked);
        CHECK_EQ(reg(&facts, 0, "x0"), with_log ? 0x71 : 0x70);
        CHECK_EQ(facts.frame_count, with_log ? 2 : 0);
        if (facts.frame_count == 2)
            CHECK_EQ(facts.frames[1].address, base + 0xbbb);
        CHECK_STR(pnd_facts_text(&facts, PND_FACT_PANIC), with_log ? "bench" : "");
        pnd_facts_deinit(&facts);
    }
}

/* What an old kernel leaves: device memory that is announced and not there, commands of zeros. */
static void reads_old_layouts_with_regions_that_were_never_sent(void)
{
    uint64_t regs[40] = {1};
    struct pnd_facts facts;
    struct pnd_check check;
    size_t at;

    begin_core(PPC, false, true);
    at = add_segment(0x1000, PAGE, 7);
    memset(maker.buf + at, 'a', PAGE);
    add_thread(1, regs, 40, 4);
    add_segment(0x80000000, 64 * PAGE, 3);
    put(16, maker.ncmds + 2, 4); /* announced, never written */
    put(20, maker.cmd_at - 28 + 112, 4);
    facts = read_facts(at + PAGE);
    CHECK_EQ(facts.cpu_count, 1);
    CHECK_EQ(facts.range_count, 2);
    CHECK_EQ(facts.ranges[1].bytes[PND_MEMORY_MISSING], 64 * PAGE);
    pnd_facts_deinit(&facts);
    check = check_bytes(maker.buf, at + PAGE);
    CHECK_EQ(check.verdict, PND_VERDICT_INCOMPLETE);
    CHECK(strstr(check.note, "device memory") != NULL);
}

static void says_what_it_can_at_every_length(void)
{
    struct pnd_facts facts;
    unsigned known = 0;

    make_x86_64();
    for (size_t len = 0; len <= maker.data_at; len += len < maker.cmd_at + 9 ? 1 : 97) {
        facts = read_facts(len);
        known += facts.cpu_count;
        CHECK(facts.cpu_count <= 1);
        CHECK(len < 32 || facts.text[PND_FACT_ARCH] != NULL);
        pnd_facts_deinit(&facts);
    }
    CHECK(known > 50);
}

static void survives_every_flipped_byte_of_its_headers(void)
{
    struct pnd_facts facts;

    make_x86_64();
    for (size_t at = 0; at < maker.cmd_at; at++) {
        for (int i = 0; i < 2; i++) {
            uint8_t was = maker.buf[at];

            maker.buf[at] = i ? 0xff : (uint8_t)(was ^ 0x80);
            facts = read_facts(maker.data_at);
            CHECK(facts.frame_count <= PND_FACT_FRAMES_MAX);
            pnd_facts_deinit(&facts);
            maker.buf[at] = was;
        }
    }
}

static void says_as_early_as_it_can_while_the_core_arrives(void)
{
    struct pnd_pass *pass = NULL;
    struct pnd_facts facts;
    struct pnd_why why = {0};
    int fd;

    make_x86_64();
    fd = file_of(maker.buf, maker.data_at);
    CHECK_EQ(pnd_pass_create(fd, &pass, &why), PND_OK);
    CHECK_EQ(pnd_pass_advance(pass, 5 * PAGE + 0x200, false, NULL, NULL, &why), PND_OK);
    CHECK_EQ(pnd_pass_facts(pass, &facts, &why), PND_OK);
    CHECK_EQ(facts.cpu_count, 1);
    CHECK_EQ(facts.frame_count, 2); /* the stack is there in part */
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_BUILD_ID), "");
    pnd_facts_deinit(&facts);
    CHECK_EQ(pnd_pass_advance(pass, maker.data_at, true, NULL, NULL, &why), PND_OK);
    CHECK_EQ(pnd_pass_facts(pass, &facts, &why), PND_OK);
    CHECK_EQ(facts.frame_count, 4);
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_BUILD_ID), uuid_text);
    pnd_facts_deinit(&facts);
    pnd_pass_destroy(pass);
    close(fd);
}

static void reads_plain_memory_by_its_texts(void)
{
    struct pnd_facts facts;

    memset(&maker, 0, sizeof(maker));
    put_text(maker.buf + 5000, "Linux version 6.1.0-18-amd64 (gcc) #1 SMP\n");
    put_text(maker.buf + 9000, "<0>Kernel panic - not syncing: Fatal exception\n");
    facts = read_facts(64 << 10);
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_OS), "Linux");
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_KERNEL), "6.1.0-18-amd64");
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_PANIC), "Fatal exception");
    pnd_facts_deinit(&facts);

    memset(&maker, 0, sizeof(maker));
    put_text(maker.buf + 5000, "FreeBSD 14.1-RELEASE releng/14.1 GENERIC\n");
    put_text(maker.buf + 9000, "panic: page fault\ncpuid = 0\n");
    facts = read_facts(64 << 10);
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_OS), "FreeBSD");
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_OS_VERSION), "14.1-RELEASE");
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_PANIC), "page fault");
    pnd_facts_deinit(&facts);
}

int main(void)
{
    RUN(reads_the_registers_frames_and_notes_of_an_x86_64_core);
    RUN(reads_the_same_when_it_is_packed);
    RUN(draws_the_memory_with_zeros_x_and_what_is_missing);
    RUN(strips_what_authenticates_the_pointers_of_arm64);
    RUN(reads_i386_and_big_endian_ppc);
    RUN(ends_a_backtrace_that_goes_in_circles_or_nowhere);
    RUN(reads_every_kind_of_note);
    RUN(takes_the_uuid_from_the_kernels_own_header_when_no_note_has_it);
    RUN(reads_the_kernel_version_from_its_memory);
    RUN(takes_the_processor_and_the_frames_from_the_panic_log);
    RUN(reads_old_layouts_with_regions_that_were_never_sent);
    RUN(says_what_it_can_at_every_length);
    RUN(survives_every_flipped_byte_of_its_headers);
    RUN(says_as_early_as_it_can_while_the_core_arrives);
    RUN(reads_plain_memory_by_its_texts);
    return tap_done();
}
