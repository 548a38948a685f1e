/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Panic strings and backtraces as kernels write them: the same panic is one group, whatever the
 * slide, the process and the second; different ones stay apart. */
#include "facts/signature.h"
#include "tap.h"

#define FRAMES_MAX 12

struct panic {
    const char *os, *panic, *slide;
    const char *frames[FRAMES_MAX]; /* "symbol", or "=module" for one that has but an address */
};

static struct pnd_signature of(const struct panic *panic)
{
    struct pnd_facts facts = {0};
    struct pnd_signature signature;

    pnd_facts_set(&facts, PND_FACT_OS, panic->os, strlen(panic->os));
    pnd_facts_set(&facts, PND_FACT_PANIC, panic->panic, strlen(panic->panic));
    if (panic->slide)
        pnd_facts_set(&facts, PND_FACT_SLIDE, panic->slide, strlen(panic->slide));
    for (unsigned i = 0; i < FRAMES_MAX && panic->frames[i]; i++) {
        const char *text = panic->frames[i];

        if (text[0] == '=')
            pnd_facts_add_frame(&facts, 0xffffff8000000000 + i, 0, NULL, 0, text + 1,
                                strlen(text + 1));
        else
            pnd_facts_add_frame(&facts, 0, 0, text, strlen(text), NULL, 0);
    }
    CHECK(!facts.no_memory);
    pnd_signature(&facts, &signature);
    pnd_facts_deinit(&facts);
    return signature;
}

static struct pnd_signature line(const char *os, const char *panic)
{
    struct panic one = {.os = os, .panic = panic};

    return of(&one);
}

static bool same(const char *os, const char *a, const char *b)
{
    struct pnd_signature x = line(os, a), y = line(os, b);

    if (strcmp(x.id, y.id) != 0)
        printf("# \"%s\" is %s, \"%s\" is %s\n", a, x.id, b, y.id);
    return strcmp(x.id, y.id) == 0 && x.id[0];
}

static void an_id_is_twelve_digits_and_never_changes(void)
{
    /* when one of these fails, PND_SIGNATURE_VERSION goes up: groups of a catalog fall apart */
    static const struct panic xnu = {"macOS",
                                     "Kernel trap at 0xffffff8012345678, type 14=page fault, "
                                     "registers:\nCR0: 0x0000000080010033",
                                     NULL,
                                     {"=com.apple.driver.AppleHDA"}};
    static const struct panic linux_oops = {
        "Linux",
        "BUG: kernel NULL pointer dereference, address: 0000000000000010",
        NULL,
        {"ext4_find_entry+0x1/0x2 [ext4]", "vfs_read+0x1/0x2"}};

    CHECK_EQ(PND_SIGNATURE_VERSION, 1);
    CHECK_STR(of(&xnu).id, "aa83dd7fb62e");
    CHECK_STR(of(&linux_oops).id, "eb34c9d44b92");
    CHECK_STR(line("FreeBSD", "page fault").id, "02be94b5e666");
    CHECK_EQ(strspn(of(&xnu).id, "0123456789abcdef"), 12);
}

static void what_stands_before_a_panic_string_does_not_count(void)
{
    CHECK(same("macOS", "panic(cpu 3 caller 0xffffff8000c0ffee): zone map exhausted",
               "panic(cpu 0 caller 0xffffff801ba12345): \"zone map exhausted\""));
    CHECK(same("macOS", "zone map exhausted", "Debugger called: zone map exhausted"));
    CHECK(same("Linux", "Kernel panic - not syncing: Fatal exception in interrupt",
               "[   12.345678] Kernel panic - not syncing: Fatal exception in interrupt"));
    CHECK(same("Linux", "Hard LOCKUP", "<0>[  712.000001][  T712] Hard LOCKUP\n"));
    CHECK(same("FreeBSD", "panic: page fault", "page fault\n\n"));
}

static void addresses_and_slides_do_not_count(void)
{
    CHECK(same("macOS", "Kernel trap at 0xffffff8012345678, type 14=page fault, registers:\nCR0: 0",
               "Kernel trap at 0xffffff801fe45678, type = 14=page fault, registers:\nCR0: 0x1"));
    CHECK(same("macOS",
               "Kernel data abort. at pc 0xfffffe0012345678, lr 0xfffffe0012345670 (saved state: "
               "0xfffffe3012345678)\n\t x0: 0x1",
               "Kernel data abort. at pc 0xfffffe00fe345678, lr 0xfffffe0012fff670 (saved state: "
               "0xfffffe30ab345678)\n\t x0: 0x2"));
    CHECK(same("Linux", "BUG: kernel NULL pointer dereference, address: 0000000000000000",
               "BUG: kernel NULL pointer dereference, address: 00000000000001d8"));
    CHECK(same("Linux", "BUG: unable to handle page fault for address: ffffb3c1c0a3d000",
               "BUG: unable to handle page fault for address: deadbeefdeadbeef"));
    CHECK(same("FreeBSD", "vm_fault: fault on nofault entry, addr: 0xfffffe0012345000",
               "vm_fault: fault on nofault entry, addr: 0xfffffe00abcde000"));
    CHECK(same("FreeBSD", "Duplicate free of 0xfffff80012345678 from zone 0xfffff80011223344(mbuf)",
               "Duplicate free of 0xfffff800abcdef00 from zone 0xfffff80055667788(mbuf)"));
    CHECK(same("macOS", "bad UUID 01234567-89AB-CDEF-FACE-0123456789AB, dead",
               "bad UUID FACEFEED-BEEF-CAFE-DEAD-AAAAAAAAAAAA, dead"));
    CHECK(same("Linux", "no answer from 00:1b:21:aa:bb:cc (10.0.40.7)",
               "no answer from de:ad:be:ef:fa:ce (192.168.1.20)"));
}

static void cpus_pids_times_and_what_ran_then_do_not_count(void)
{
    CHECK(same("Linux", "watchdog: BUG: soft lockup - CPU#2 stuck for 23s! [kworker/2:1:123]",
               "watchdog: BUG: soft lockup - CPU#11 stuck for 112s! [kworker/u24:0+flush:4567]"));
    CHECK(same("Linux", "watchdog: BUG: soft lockup - CPU#2 stuck for 23s! [kworker/2:1:123]",
               "watchdog: BUG: soft lockup - CPU#2 stuck for 22s! [swapper/2:0]"));
    CHECK(same("Linux", "INFO: task kworker/0:1:123 blocked for more than 120 seconds.",
               "INFO: task jbd2/sda1-8:4711 blocked for more than 241 seconds."));
    CHECK(same("Linux",
               "Oops: general protection fault, probably for non-canonical address "
               "0xdead000000000100: 0000 [#1] PREEMPT SMP NOPTI",
               "general protection fault, probably for non-canonical address "
               "0x6b6b6b6b6b6b6b6b: 0000 [#2] SMP"));
    CHECK(same("Linux", "divide error: 0000 [#1] PREEMPT SMP PTI", "divide error: 0000 [#3] SMP"));
    CHECK(same("Linux", "stack-protector: Kernel stack is corrupted in: do_thing+0x123/0x130 [mod]",
               "stack-protector: Kernel stack is corrupted in: do_thing+0x1/0x99 [mod]"));
    CHECK(
        same("Linux", "out of memory: killed pid 712 (bash)", "out of memory: killed pid 9 (sh)"));
    CHECK(same("macOS",
               "userspace watchdog timeout: no successful checkins from com.apple.WindowServer in "
               "120 seconds\nservice returned",
               "userspace watchdog timeout: no successful checkins from com.apple.WindowServer in "
               "241 seconds"));
    CHECK(same("Linux", "EXT4-fs (device sda1): panic forced after error",
               "EXT4-fs (device nvme0n1p2): panic forced after error"));
    CHECK(same("Linux", "EXT4-fs (device sda1): panic forced after error",
               "EXT4-fs (device sdb): panic forced after error"));
    CHECK(same("Linux", "eth0: transmit timed out", "eth12: transmit timed out"));
}

static void lines_and_build_directories_of_sources_do_not_count(void)
{
    CHECK(same("macOS",
               "bad thing @/System/Volumes/Data/SWE/macOS/BuildRoots/0032d1ee80/Sources/xnu/"
               "xnu-8020.140.41/osfmk/kern/zalloc.c:4711",
               "bad thing @zalloc.c:12"));
    CHECK(same("FreeBSD", "mutex foo not owned at /usr/src/sys/kern/kern_mutex.c:123",
               "mutex foo not owned at /home/me/src/sys/kern/kern_mutex.c:145"));
    CHECK(same("Linux", "kernel BUG at mm/slub.c:4023!", "kernel BUG at mm/slub.c:305!"));
    CHECK(strcmp(line("Linux", "kernel BUG at mm/slub.c:4023!").id,
                 line("Linux", "kernel BUG at mm/slab.c:4023!").id) != 0);
}

static void different_panics_stay_apart(void)
{
    static const char *const panics[] = {
        "Kernel trap at 0xffffff8012345678, type 14=page fault, registers:",
        "Kernel trap at 0xffffff8012345678, type 13=general protection, registers:",
        "Kernel data abort. at pc 0xfffffe0012345678, lr 0xfffffe0012345670",
        "BUG: kernel NULL pointer dereference, address: 0000000000000010",
        "BUG: unable to handle page fault for address: ffffb3c1c0a3d000",
        "watchdog: BUG: soft lockup - CPU#2 stuck for 23s! [kworker/2:1:123]",
        "rcu: INFO: rcu_preempt self-detected stall on CPU",
        "Fatal exception in interrupt",
        "Fatal exception",
        "sysrq triggered crash",
        "NMI: Not continuing",
        "hung_task: blocked tasks",
        "softlockup: hung tasks",
        "Attempted to kill init! exitcode=0x0000000b",
        "VFS: Unable to mount root fs on unknown-block(0,0)",
        "page fault",
        "general protection fault",
        "vm_fault: fault on nofault entry, addr: 0xfffffe0012345000",
        "mutex foo not owned at /usr/src/sys/kern/kern_mutex.c:123",
        "mutex bar not owned at /usr/src/sys/kern/kern_mutex.c:123",
        "zalloc: zone map exhausted, likely due to memory leak in zone kalloc.48 (123 elements)",
        "zalloc: zone map exhausted, likely due to memory leak in zone kalloc.4096 (1 elements)",
        "EXT4-fs (device sda1): panic forced after error",
        "EXT3-fs (device sda1): panic forced after error",
        "userspace watchdog timeout: no successful checkins from com.apple.WindowServer",
        "userspace watchdog timeout: no successful checkins from logd",
        "Suspected bundle: com.apple.iokit.IOPCIFamily. Thread 0x7b.",
        "Suspected bundle: com.apple.iokit.IOUSBHostFamily. Thread 0x7b.",
        "usercopy: Kernel memory exposure attempt detected from SLUB object 'kmalloc-64'!",
        "usercopy: Kernel memory exposure attempt detected from SLUB object 'kmalloc-128'!",
        "BUG: KASAN: slab-use-after-free in foo_read+0x12/0x40 [foo]",
        "BUG: KASAN: slab-out-of-bounds in foo_read+0x12/0x40 [foo]",
        "Out of memory: Killed process 712 (bash)",
        "Out of memory: system-wide panic_on_oom is enabled",
        "Asynchronous SError Interrupt",
        "corrupted stack end detected inside scheduler",
    };
    enum { COUNT = sizeof(panics) / sizeof(*panics) };
    struct pnd_signature got[COUNT];

    for (size_t i = 0; i < COUNT; i++) {
        got[i] = line("macOS", panics[i]);
        for (size_t j = 0; j < i; j++) {
            if (strcmp(got[i].id, got[j].id) == 0)
                printf("# \"%s\" and \"%s\"\n", panics[i], panics[j]);
            CHECK(strcmp(got[i].id, got[j].id) != 0);
        }
    }
    CHECK(strcmp(line("Linux", "page fault").id, line("FreeBSD", "page fault").id) != 0);
    CHECK_STR(line("Darwin", "page fault").id, line("macOS", "page fault").id);
}

static void frames_count_by_name_and_module_alone(void)
{
    static const struct panic a = {"Linux",
                                   "BUG: kernel NULL pointer dereference, address: 10",
                                   NULL,
                                   {"RIP: 0010:foo_read+0x16/0x20 [foo]", "vfs_read+0xa1/0x300",
                                    "ksys_read+0x5f/0xe0"}},
                              b = {"Linux",
                                   "BUG: kernel NULL pointer dereference, address: 18",
                                   NULL,
                                   {"foo_read+0x26/0x40 [foo]", "? leftover+0x1/0x2",
                                    "vfs_read.isra.0+0xa2/0x310", " ksys_read+0x60/0xe0"}},
                              c = {"Linux",
                                   "BUG: kernel NULL pointer dereference, address: 18",
                                   NULL,
                                   {"bar_read+0x26/0x40 [foo]", "vfs_read+0xa2/0x310",
                                    "ksys_read+0x60/0xe0"}},
                              d = {"Linux",
                                   "BUG: kernel NULL pointer dereference, address: 18",
                                   NULL,
                                   {"foo_read+0x26/0x40 [bar]", "vfs_read+0xa2/0x310",
                                    "ksys_read+0x60/0xe0"}};

    CHECK_STR(of(&a).id, of(&b).id);
    CHECK(strcmp(of(&a).id, of(&c).id) != 0);
    CHECK(strcmp(of(&a).id, of(&d).id) != 0);
    CHECK_STR(of(&a).title, "BUG: kernel NULL pointer dereference, address: 10 in foo_read [foo]");
}

static void frames_of_the_panic_itself_are_left_out(void)
{
    static const struct panic
        plain = {"Linux", "Fatal exception", NULL, {"foo_read [foo]", "vfs_read+0xa1/0x300"}},
        deep = {"Linux",
                "Fatal exception",
                NULL,
                {"<TASK>", "dump_stack_lvl+0x44/0x5c", "panic+0x118/0x2ed", "oops_end.cold+0x1/0x2",
                 "page_fault_oops+0x1/0x2", "__die+0x1/0x2", "exc_page_fault+0x1/0x2",
                 "asm_exc_page_fault+0x22/0x30", "foo_read+0x1/0x2 [foo]", "vfs_read+0xa1/0x300"}},
        bsd = {"FreeBSD",
               "page fault",
               NULL,
               {"#0 0xffffffff80c53dc5 at kdb_backtrace+0x65",
                "#1 0xffffffff80c06741 at vpanic+0x151", "#2 0xffffffff80c065e3 at panic+0x43",
                "#3 0xffffffff810b1fa7 at trap_fatal+0x387",
                "#4 0xffffffff810b1fff at trap_pfault+0x4f",
                "#5 0xffffffff81088e78 at calltrap+0x8",
                "#6 0xffffffff80d3a1b4 at tcp_do_segment+0x2a4"}},
        bsd_ddb =
            {"FreeBSD",
             "page fault",
             NULL,
             {"db_trace_self_wrapper() at db_trace_self_wrapper+0x2b/frame 0xfffffe0012345000",
              "vpanic() at vpanic+0x182/frame 0xfffffe0012345050",
              "--- trap 0xc, rip = 0xffffffff80d3a1b4, rsp = 0xfffffe00 ---",
              "tcp_do_segment() at tcp_do_segment+0x300/frame 0xfffffe0012345100"}},
        xnu = {"macOS",
               "zone map exhausted",
               NULL,
               {"mach_kernel : _handle_debugger_trap + 0x495",
                "mach_kernel : _kdp_i386_trap + 0x155", "mach_kernel : _kernel_trap + 0x4ee",
                "mach_kernel : _return_from_trap + 0xe0",
                "mach_kernel : _DebuggerTrapWithState + 0x17",
                "mach_kernel : _panic_trap_to_debugger + 0x21c", "mach_kernel : _panic + 0x54",
                "mach_kernel : _zalloc_internal + 0x1"}},
        xnu_bare = {"macOS", "zone map exhausted", NULL, {"mach_kernel : _zalloc_internal + 0x99"}};

    CHECK_STR(of(&plain).id, of(&deep).id);
    CHECK_STR(of(&deep).title, "Fatal exception in foo_read [foo]");
    CHECK_STR(of(&bsd).id, of(&bsd_ddb).id);
    CHECK_STR(of(&bsd).title, "page fault in tcp_do_segment");
    CHECK_STR(of(&xnu).id, of(&xnu_bare).id);
}

static void kexts_without_names_count_once_and_without_addresses(void)
{
    static const struct panic
        one = {"macOS",
               "Kernel trap at 0xffffff8012345678, type 14=page fault, "
               "registers:\nCR0: 1",
               NULL,
               {"=com.apple.driver.AppleHDA", "=com.apple.driver.AppleHDA",
                "=com.apple.iokit.IOAudioFamily(300.2)[01234567]@0xffffff7f"}},
        two = {"macOS",
               "Kernel trap at 0xffffff801abcdef0, type 14=page fault, "
               "registers:\nCR0: 2",
               NULL,
               {"=com.apple.driver.AppleHDA", "=com.apple.iokit.IOAudioFamily"}};

    CHECK_STR(of(&one).id, of(&two).id);
    CHECK_STR(of(&one).title, "Kernel trap, type 14=page fault in [com.apple.driver.AppleHDA]");
}

static void a_trap_without_any_name_is_known_by_its_place_in_the_kernel(void)
{
    static const char form[] = "Kernel trap at 0x%llx, type 14=page fault, registers:";
    char text[4][128];
    struct panic panics[4] = {{0}};

    snprintf(text[0], sizeof(text[0]), form, 0xffffff8010345678ULL);
    snprintf(text[1], sizeof(text[1]), form, 0xffffff801a345678ULL);
    snprintf(text[2], sizeof(text[2]), form, 0xffffff801a345600ULL);
    snprintf(text[3], sizeof(text[3]), form, 0xffffff801a345600ULL);
    for (int i = 0; i < 4; i++)
        panics[i] = (struct panic){"macOS", text[i], i == 3 ? NULL : "0xa000000", {NULL}};
    panics[0].slide = "0x0";
    CHECK_STR(of(&panics[0]).id, of(&panics[1]).id);
    CHECK(strcmp(of(&panics[1]).id, of(&panics[2]).id) != 0);
    CHECK(strcmp(of(&panics[2]).id, of(&panics[3]).id) != 0);
    CHECK_STR(of(&panics[1]).title, "Kernel trap, type 14=page fault at 0xffffff8010345678");
    CHECK_STR(of(&panics[3]).title, "Kernel trap, type 14=page fault");
}

static void an_nmi_is_one_group_whatever_ran(void)
{
    static const struct panic one = {"Linux",
                                     "NMI: Not continuing",
                                     NULL,
                                     {"default_idle+0x1/0x2"}},
                              two = {"Linux", "NMI: Not continuing", NULL, {"memcpy+0x1/0x2"}};

    static const struct panic both = {
        "Linux",
        "Uhhuh. NMI received for unknown reason 31 on CPU 0.\nNMI: Not continuing",
        NULL,
        {"schedule+0x1/0x2"}};

    CHECK_STR(of(&one).id, of(&two).id);
    CHECK_STR(of(&one).id, of(&both).id);
    CHECK_STR(of(&one).title, "NMI: Not continuing");
}

static void the_line_that_says_more_counts(void)
{
    CHECK(same("Linux",
               "Fatal exception in interrupt\nBUG: kernel NULL pointer dereference, address: 10",
               "BUG: kernel NULL pointer dereference, address: 0000000000000020\n#PF: supervisor"));
    CHECK_STR(line("Linux", "\n \nFatal exception in interrupt\n").title,
              "Fatal exception in interrupt");
}

static void without_anything_to_go_by_there_is_no_group(void)
{
    static const struct panic nothing = {"Linux", "", NULL, {NULL}},
                              blank = {"Linux", " \n\t\n  \n", NULL, {"panic+0x1/0x2", "<TASK>"}},
                              frames = {"Linux", "", NULL, {"panic+0x1/0x2", "foo+0x1/0x2"}};

    CHECK_STR(of(&nothing).id, "");
    CHECK_STR(of(&nothing).title, "");
    CHECK_STR(of(&blank).id, "");
    CHECK_STR(of(&frames).title, "in foo");
    CHECK_EQ(strlen(of(&frames).id), 12);
}

static void titles_are_one_line_and_end_between_characters(void)
{
    char text[2000];
    struct pnd_signature got;

    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'x', shift);
        for (size_t i = shift; i + 4 < sizeof(text); i += 3)
            memcpy(text + i, "\xe2\x82\xac", 4);
        got = line("macOS", text);
        CHECK(strlen(got.title) > PND_SIGNATURE_TITLE - 5);
        CHECK_EQ((strlen(got.title) - shift) % 3, 0);
        CHECK(!strchr(got.title, '\n'));
    }
    CHECK_STR(line("macOS", "a \"quoted\"\tword\nsecond line").title, "a quoted word");
}

static void no_text_however_odd_breaks_it(void)
{
    static const char pieces[] = "[0x#:]@/. +pid (kworker/task Comm: _\"\n<12>-fF9\xc3\xa9";
    uint64_t random = 1;
    char text[700];

    for (int round = 0; round < 20000; round++) {
        size_t len = (size_t)(random >> 33) % (sizeof(text) - 1);

        for (size_t i = 0; i < len; i++) {
            random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            text[i] = pieces[(random >> 33) % (sizeof(pieces) - 1)];
        }
        text[len] = '\0';
        CHECK(strlen(line("macOS", text).title) < PND_SIGNATURE_TITLE);
    }
}

int main(void)
{
    RUN(an_id_is_twelve_digits_and_never_changes);
    RUN(what_stands_before_a_panic_string_does_not_count);
    RUN(addresses_and_slides_do_not_count);
    RUN(cpus_pids_times_and_what_ran_then_do_not_count);
    RUN(lines_and_build_directories_of_sources_do_not_count);
    RUN(different_panics_stay_apart);
    RUN(frames_count_by_name_and_module_alone);
    RUN(frames_of_the_panic_itself_are_left_out);
    RUN(kexts_without_names_count_once_and_without_addresses);
    RUN(a_trap_without_any_name_is_known_by_its_place_in_the_kernel);
    RUN(an_nmi_is_one_group_whatever_ran);
    RUN(the_line_that_says_more_counts);
    RUN(without_anything_to_go_by_there_is_no_group);
    RUN(titles_are_one_line_and_end_between_characters);
    RUN(no_text_however_odd_breaks_it);
    return tap_done();
}
