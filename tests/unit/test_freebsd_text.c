/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What FreeBSD says when it panics, and what is understood of it. */
#include "inspect/freebsd_text.h"
#include "inspect/reader.h"
#include "tap.h"

static const char boot[] =
    "---<<BOOT>>---\n"
    "Copyright (c) 1992-2021 The FreeBSD Project.\n"
    "FreeBSD is a registered trademark of The FreeBSD Foundation.\n"
    "FreeBSD 13.0-RELEASE-p3 #0 releng/13.0-n244733: Fri Apr  9 04:24:09 UTC 2021\n"
    "    root@releng1.nyi.freebsd.org:/usr/obj/usr/src/amd64.amd64/sys/GENERIC amd64\n"
    "<118>Starting devd.\n";

static const char trap[] = "\n\nFatal trap 12: page fault while in kernel mode\n"
                           "cpuid = 3; apic id = 03\n"
                           "fault virtual address\t= 0x18\n"
                           "fault code\t\t= supervisor read data, page not present\n"
                           "instruction pointer\t= 0x20:0xffffffff80b4a2c1\n"
                           "stack pointer\t        = 0x28:0xfffffe00a1b2c3d0\n"
                           "frame pointer\t        = 0x28:0xfffffe00a1b2c400\n"
                           "code segment\t\t= base 0x0, limit 0xfffff, type 0x1b\n"
                           "\t\t\t= DPL 0, pres 1, long 1, def32 0, gran 1\n"
                           "processor eflags\t= interrupt enabled, resume, IOPL = 0\n"
                           "current process\t\t= 712 (sh)\n"
                           "rdi: fffff80003c59000 rsi: 0000000000000001 rdx: 00000000deadbeef\n"
                           " r8: 0000000000000002  r9: 0000000000000003 rax: 0000000000000004\n"
                           "trap number\t\t= 12\n"
                           "panic: page fault\n"
                           "cpuid = 3\n"
                           "time = 1618812840\n"
                           "KDB: stack backtrace:\n"
                           "#0 0xffffffff80c1d397 at kdb_backtrace+0x67\n"
                           "#1 0xffffffff80bd0e37 at vpanic+0x17f\n"
                           "#2 0xffffffff80bd0cb3 at panic+0x43\n"
                           "#3 0xffffffff81091047 at trap_fatal+0x387\n"
                           "Uptime: 3d2h15m7s\n"
                           "Dumping 335 out of 4062 MB:";

static struct pnd_facts facts;

static void read_log(const char *a, const char *b)
{
    static char log[8192];

    pnd_facts_deinit(&facts);
    memset(&facts, 0, sizeof(facts));
    snprintf(log, sizeof(log), "%s%s", a, b);
    pnd_facts_from_freebsd_log(log, strlen(log), &facts);
}

static const char *fact(enum pnd_fact which)
{
    return pnd_facts_text(&facts, which);
}

static void a_trap_says_where_it_was_and_who_ran(void)
{
    static const struct {
        const char *name;
        uint64_t value;
    } registers[] = {
        {"cr2", 0x18},
        {"rip", UINT64_C(0xffffffff80b4a2c1)},
        {"rsp", UINT64_C(0xfffffe00a1b2c3d0)},
        {"rbp", UINT64_C(0xfffffe00a1b2c400)},
        {"rdi", UINT64_C(0xfffff80003c59000)},
        {"rsi", 1},
        {"rdx", 0xdeadbeef},
        {"r8", 2},
        {"r9", 3},
        {"rax", 4},
    };

    read_log(boot, trap);
    CHECK_STR(fact(PND_FACT_OS), "FreeBSD");
    CHECK_STR(fact(PND_FACT_OS_VERSION), "13.0-RELEASE-p3");
    CHECK_STR(fact(PND_FACT_KERNEL), "13.0-RELEASE-p3");
    CHECK_STR(fact(PND_FACT_KERNEL_VERSION),
              "FreeBSD 13.0-RELEASE-p3 #0 releng/13.0-n244733: Fri Apr  9 04:24:09 UTC 2021");
    CHECK_STR(fact(PND_FACT_ARCH), "amd64");
    CHECK_STR(fact(PND_FACT_PANIC), "page fault");
    CHECK_STR(fact(PND_FACT_TRIGGER), "trap");
    CHECK_STR(fact(PND_FACT_TASK), "sh (pid 712)");
    CHECK_STR(fact(PND_FACT_CRASH_TIME), "1618812840");
    CHECK_STR(fact(PND_FACT_UPTIME), "267307");
    CHECK_EQ(facts.cpu_count, 1);
    CHECK(facts.cpu_count && facts.cpus[0].number == 3 && facts.cpus[0].panicked);
    CHECK_EQ(facts.cpus[0].register_count, sizeof(registers) / sizeof(*registers));
    for (unsigned i = 0; i < facts.cpus[0].register_count; i++) {
        CHECK_STR(facts.cpus[0].registers[i].name, registers[i].name);
        CHECK(facts.cpus[0].registers[i].value == registers[i].value);
    }
    CHECK(facts.log && facts.log_len == strlen(boot) + strlen(trap));
}

static void the_backtrace_of_kdb_has_addresses_and_names(void)
{
    read_log(boot, trap);
    CHECK_EQ(facts.frame_count, 4);
    if (facts.frame_count != 4)
        return;
    CHECK(facts.frames[0].address == UINT64_C(0xffffffff80c1d397));
    CHECK_STR(facts.frames[0].text, "kdb_backtrace+0x67");
    CHECK_STR(facts.frames[3].text, "trap_fatal+0x387");
}

static void the_backtrace_of_ddb_has_names_and_frames(void)
{
    read_log(boot, "panic: mutex foo not owned\n"
                   "cpuid = 0\n"
                   "time = 1700000000\n"
                   "KDB: stack backtrace:\n"
                   "db_trace_self_wrapper() at db_trace_self_wrapper+0x2b/frame 0xfffffe0001\n"
                   "vpanic() at vpanic+0x132/frame 0xfffffe0002\n"
                   "--- trap 0xc, rip = 0xffffffff80b4a2c1, rsp = 0xfffffe03, rbp = 0x4 ---\n"
                   "bar(1,2) at bar+0x10/frame 0xfffffe0003\n"
                   "KDB: enter: panic\n"
                   "nobody() at nobody+0x1/frame 0x9\n");
    CHECK_STR(fact(PND_FACT_PANIC), "mutex foo not owned");
    CHECK_STR(fact(PND_FACT_TRIGGER), "panic");
    CHECK_EQ(facts.frame_count, 3);
    if (facts.frame_count != 3)
        return;
    CHECK_STR(facts.frames[0].text, "db_trace_self_wrapper+0x2b");
    CHECK(facts.frames[1].frame == UINT64_C(0xfffffe0002) && facts.frames[1].address == 0);
    CHECK_STR(facts.frames[2].text, "bar+0x10");
}

static void the_first_panic_of_this_start_counts(void)
{
    static const char older[] = "panic: of yesterday\ncpuid = 7\nUptime: 1s\n";
    char log[4096];

    snprintf(log, sizeof(log), "%s%s", older, boot);
    read_log(log, "panic: first\ncpuid = 1\npanic: second, within the first\nUptime: 2m3s\n");
    CHECK_STR(fact(PND_FACT_PANIC), "first");
    CHECK_STR(fact(PND_FACT_UPTIME), "123");
    read_log(log, "");
    CHECK_STR(fact(PND_FACT_PANIC), "");
    CHECK_STR(fact(PND_FACT_OS_VERSION), "13.0-RELEASE-p3");
    read_log("<3>panic: with a priority in front\r\n", "");
    CHECK_STR(fact(PND_FACT_PANIC), "with a priority in front");
    read_log("xpanic: within a line\n", " panic: neither\n");
    CHECK_STR(fact(PND_FACT_PANIC), "");
}

static void a_panic_string_may_have_lines_and_a_reason(void)
{
    static const struct {
        const char *log, *panic, *trigger;
    } cases[] = {
        {"panic: one\ntwo\nthree\ncpuid = 1\nfour\n", "one\ntwo\nthree", "panic"},
        {"panic: watchdog timeout\ncpuid = 1\n", "watchdog timeout", "watchdog"},
        {"panic: NMI indicates hardware failure\n", "NMI indicates hardware failure", "nmi"},
        {"NMI ISA 2c, EISA ff\npanic: x\n", "x", "nmi"},
        {"Fatal trap 19: non-maskable interrupt trap while in kernel mode\npanic: y\n", "y", "nmi"},
        {"Fatal double fault\nrip = 0\npanic: double fault\n", "double fault", "trap"},
        {"panic: 1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n", "1\n2\n3\n4\n5\n6\n7\n8", "panic"},
        {"panic: \n", "", "panic"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        read_log(boot, cases[i].log);
        CHECK_STR(fact(PND_FACT_PANIC), cases[i].panic);
        CHECK_STR(fact(PND_FACT_TRIGGER), cases[i].trigger);
    }
}

static void values_that_are_none_set_nothing(void)
{
    read_log(boot, "Fatal trap 9: general protection fault\n"
                   "cpuid = 99999999999; apic id = 0\n"
                   "instruction pointer = nothing\n"
                   "current process = idle\n"
                   "panic: gpf\n"
                   "time = never\n"
                   "#0 at nothing\n"
                   "#x 0x12 at y\n"
                   "Uptime: forever\n");
    CHECK_STR(fact(PND_FACT_PANIC), "gpf");
    CHECK_STR(fact(PND_FACT_TASK), "");
    CHECK_STR(fact(PND_FACT_UPTIME), "");
    CHECK_STR(fact(PND_FACT_CRASH_TIME), "");
    CHECK_EQ(facts.cpu_count, 0);
    CHECK_EQ(facts.frame_count, 0);
}

static void a_32_bit_machine_has_its_own_register_names(void)
{
    read_log("", "Fatal trap 12: page fault while in kernel mode\n"
                 "cpuid = 0; apic id = 00\n"
                 "instruction pointer\t= 0x20:0xc0b4a2c1\n"
                 "panic: page fault\n");
    CHECK_EQ(facts.cpu_count, 1);
    CHECK(facts.cpu_count && facts.cpus[0].register_count == 1);
    CHECK_STR(facts.cpus[0].registers[0].name, "eip");
}

static void a_ring_that_was_filled_is_put_in_order(void)
{
    char ring[64] = "end\nDumping 1 out of 2 MB:first line\nsecond line\nthe ", unfilled[16] = "";
    size_t len = strlen(ring);

    CHECK_EQ(pnd_freebsd_straighten(ring, len), len);
    CHECK_STR(ring, "first line\nsecond line\nthe end\nDumping 1 out of 2 MB:");
    memcpy(unfilled, "\0log\0\0s\n", 8);
    CHECK_EQ(pnd_freebsd_straighten(unfilled, sizeof(unfilled)), 5);
    CHECK_MEM(unfilled, "logs\n", 5);
    CHECK_EQ(pnd_freebsd_straighten(ring, 0), 0);
    memcpy(ring, "no mark", 7);
    CHECK_EQ(pnd_freebsd_straighten(ring, 7), 7);
    CHECK_MEM(ring, "no mark", 7);
}

static void the_header_fills_in_what_the_log_did_not_say(void)
{
    struct pnd_kdh kdh = {.time_s = 5,
                          .architecture = "arm64",
                          .host = "h.example.org",
                          .os = "FreeBSD 14.1-RELEASE #1\n    root@b:/usr/src/sys/GENERIC",
                          .panic = "page fau"};

    read_log(boot, trap);
    pnd_facts_from_kdh(&kdh, &facts);
    CHECK_STR(fact(PND_FACT_PANIC), "page fault");
    CHECK_STR(fact(PND_FACT_OS_VERSION), "13.0-RELEASE-p3");
    CHECK_STR(fact(PND_FACT_ARCH), "amd64");
    CHECK_STR(fact(PND_FACT_CRASH_TIME), "1618812840");
    CHECK_STR(fact(PND_FACT_HOST), "h.example.org");
    read_log("", "");
    pnd_facts_from_kdh(&kdh, &facts);
    CHECK_STR(fact(PND_FACT_PANIC), "page fau");
    CHECK_STR(fact(PND_FACT_OS_VERSION), "14.1-RELEASE");
    CHECK_STR(fact(PND_FACT_KERNEL_VERSION), "FreeBSD 14.1-RELEASE #1");
    CHECK_STR(fact(PND_FACT_ARCH), "arm64");
    CHECK_STR(fact(PND_FACT_CRASH_TIME), "5");
}

/* Each ends the buffer that it lies in, so that a sanitizer sees a byte too far. */
static void any_bytes_and_every_cut_are_survived(void)
{
    char log[sizeof(boot) + sizeof(trap)];
    size_t full = (size_t)snprintf(log, sizeof(log), "%s%s", boot, trap);
    uint32_t x = 1;

    for (size_t len = 0; len <= full; len++) {
        char *cut = malloc(len + 1);

        if (!cut)
            abort();
        memcpy(cut, log + full - len, len);
        for (unsigned k = 0; len > 0 && k < len % 4; k++) {
            x = x * 1103515245 + 12345;
            cut[x / 65536 % len] = (char)(x >> 24);
        }
        cut = realloc(cut, len ? len : 1);
        if (!cut)
            abort();
        pnd_facts_deinit(&facts);
        memset(&facts, 0, sizeof(facts));
        pnd_facts_from_freebsd_log(cut, len, &facts);
        pnd_freebsd_straighten(cut, len);
        free(cut);
        CHECK(facts.frame_count <= 4 && facts.cpu_count <= 1);
    }
}

int main(void)
{
    RUN(a_trap_says_where_it_was_and_who_ran);
    RUN(the_backtrace_of_kdb_has_addresses_and_names);
    RUN(the_backtrace_of_ddb_has_names_and_frames);
    RUN(the_first_panic_of_this_start_counts);
    RUN(a_panic_string_may_have_lines_and_a_reason);
    RUN(values_that_are_none_set_nothing);
    RUN(a_32_bit_machine_has_its_own_register_names);
    RUN(a_ring_that_was_filled_is_put_in_order);
    RUN(the_header_fills_in_what_the_log_did_not_say);
    RUN(any_bytes_and_every_cut_are_survived);
    pnd_facts_deinit(&facts);
    return tap_done();
}
