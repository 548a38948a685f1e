/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the logs of crashed Linux kernels say, of several versions and machines. */
#include "tap.h"

#include "inspect/linux_text.h"
#include "inspect/reader.h"

static struct pnd_facts facts;

static void read_text(const char *log)
{
    size_t len = strlen(log);
    char *copy = malloc(len ? len : 1); /* no NUL behind it */

    memcpy(copy, log, len);
    pnd_facts_deinit(&facts);
    pnd_facts_from_linux_log(copy, len, &facts);
    free(copy);
}

static const char *text(enum pnd_fact fact)
{
    return pnd_facts_text(&facts, fact);
}

/* "name+0x1/0x2 other+0x3/0x4[module]" */
static const char *frames(void)
{
    static char all[8192];
    size_t used = 0;

    all[0] = '\0';
    for (unsigned i = 0; i < facts.frame_count && used < sizeof(all); i++) {
        const struct pnd_fact_frame *frame = &facts.frames[i];

        used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s%s%s%s", i ? " " : "",
                                 frame->text ? frame->text : "0x", frame->module ? "[" : "",
                                 frame->module ? frame->module : "", frame->module ? "]" : "");
    }
    return all;
}

static const char sysrq[] =
    "[    0.000000] Linux version 6.1.0-56-cloud-amd64 (debian-kernel@lists.debian.org) (gcc-12) "
    "#1 SMP Debian 6.1.192-2\n"
    "[    0.000000] Command line: console=ttyS0 quiet\n"
    "[    3.311333] sysrq: Trigger a crash\n"
    "[    3.311857] Kernel panic - not syncing: sysrq triggered crash\n"
    "[    3.312045] CPU: 3 PID: 712 Comm: my shell Kdump: loaded Not tainted 6.1.0 #1  Debian\n"
    "[    3.312202] Hardware name: QEMU Standard PC (i440FX + PIIX, 1996), BIOS 1.16.2 04/01/2014\n"
    "[    3.312369] Call Trace:\n"
    "[    3.313595]  <TASK>\n"
    "[    3.313920]  dump_stack_lvl+0x44/0x5c\n"
    "[    3.314399]  panic+0x118/0x2f4\n"
    "[    3.316859]  ? _printk+0x68/0x83\n"
    "[    3.316936]  sysrq_handle_crash+0x16/0x20\n"
    "[    3.317214]  do_syscall_64+0x5d/0x90\n"
    "[    3.317581] RIP: 0033:0x439ce0\n"
    "[    3.317865] Code: 40 00 48 c7 <48> 3d 00 f0\n"
    "[    3.318087] RSP: 002b:00007ffc8a881c88 EFLAGS: 00000202 ORIG_RAX: 0000000000000001\n"
    "[    3.318186] RAX: ffffffffffffffda RBX: 0000000000000003 RCX: 0000000000439ce0\n"
    "[    3.318539]  </TASK>\n"
    "[    3.400000] Kernel Offset: disabled\n";

static void a_panic_is_told_with_all_that_belongs_to_it(void)
{
    read_text(sysrq);
    CHECK_STR(text(PND_FACT_OS), "Linux");
    CHECK_STR(text(PND_FACT_KERNEL), "6.1.0-56-cloud-amd64");
    CHECK_STR(text(PND_FACT_BOOT_ARGS), "console=ttyS0 quiet");
    CHECK_STR(text(PND_FACT_MODEL), "QEMU Standard PC (i440FX + PIIX, 1996)");
    CHECK_STR(text(PND_FACT_PANIC), "sysrq triggered crash");
    CHECK_STR(text(PND_FACT_TRIGGER), "panic");
    CHECK_STR(text(PND_FACT_TASK), "my shell (pid 712)");
    CHECK_STR(text(PND_FACT_UPTIME), "3.311857");
    CHECK_STR(frames(), "dump_stack_lvl+0x44/0x5c panic+0x118/0x2f4 sysrq_handle_crash+0x16/0x20 "
                        "do_syscall_64+0x5d/0x90");
    CHECK_EQ(pnd_linux_log_cpu(sysrq, sizeof(sysrq) - 1), 3);
    CHECK_EQ(facts.log_len, sizeof(sysrq) - 1);
}

static void an_oops_comes_with_the_panic_that_it_led_to(void)
{
    static const char oops[] =
        "[  100.000001] BUG: kernel NULL pointer dereference, address: 0000000000000008\n"
        "[  100.000002] #PF: supervisor write access in kernel mode\n"
        "[  100.000003] Oops: 0002 [#1] PREEMPT SMP NOPTI\n"
        "[  100.000004] CPU: 1 UID: 0 PID: 55 Comm: kworker/1:2 Tainted: G        W   E      6.12\n"
        "[  100.000005] RIP: 0010:failover_init+0x7/0x1000 [failover]\n"
        "[  100.000006] Code: Unable to access opcode bytes at 0xffffffffc0205fdd.\n"
        "[  100.000007] RSP: 0018:ffffc90000013ca8 EFLAGS: 00000246\n"
        "[  100.000008] FS:  0000000022ac7380(0000) GS:ffff88800e800000(0000)\n"
        "[  100.000009] Call Trace:\n"
        "[  100.000010]  <TASK>\n"
        "[  100.000011]  do_one_initcall+0x59/0x220\n"
        "[  100.000012]  nested+0x1/0x2 [other 0123456789abcdef0123456789abcdef01234567]\n"
        "[  100.000013]  </TASK>\n"
        "[  100.000014] Modules linked in: failover(E+) other virtio_net(O) [last unloaded: x]\n"
        "[  100.000015] CR2: 0000000000000008\n"
        "[  100.000016] ---[ end trace 0000000000000000 ]---\n"
        "[  100.000017] RIP: 0010:failover_init+0x7/0x1000 [failover]\n"
        "[  100.000018] Kernel panic - not syncing: Fatal exception in interrupt\n";

    read_text(oops);
    CHECK_STR(text(PND_FACT_PANIC),
              "BUG: kernel NULL pointer dereference, address: 0000000000000008\n"
              "Fatal exception in interrupt");
    CHECK_STR(text(PND_FACT_TRIGGER), "oops");
    CHECK_STR(text(PND_FACT_TASK), "kworker/1:2 (pid 55)");
    CHECK_STR(
        frames(),
        "failover_init+0x7/0x1000[failover] do_one_initcall+0x59/0x220 nested+0x1/0x2[other]");
    CHECK_EQ(facts.module_count, 3);
    CHECK_STR(facts.modules[0].name, "failover");
    CHECK(facts.modules[0].in_backtrace && !facts.modules[0].id);
    CHECK(facts.modules[1].in_backtrace);
    CHECK_STR(facts.modules[1].id, "0123456789abcdef0123456789abcdef01234567");
    CHECK_STR(facts.modules[2].name, "virtio_net");
    CHECK(!facts.modules[2].in_backtrace);
    CHECK_EQ(pnd_linux_log_cpu(oops, sizeof(oops) - 1), 1);
}

static void a_watchdog_is_told_from_a_panic_and_from_an_nmi(void)
{
    static const struct {
        const char *log, *trigger;
    } logs[] = {
        {"watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [init:1]\n"
         "Kernel panic - not syncing: softlockup: hung tasks\n",
         "watchdog"},
        {"Kernel panic - not syncing: hung_task: blocked tasks\n", "watchdog"},
        {"NMI watchdog: Watchdog detected hard LOCKUP on cpu 1\n"
         "Kernel panic - not syncing: Hard LOCKUP\n",
         "watchdog"},
        {"Kernel panic - not syncing: RCU Stall\n", "watchdog"},
        {"Uhhuh. NMI received for unknown reason 31 on CPU 0.\n"
         "Kernel panic - not syncing: NMI: Not continuing\n",
         "nmi"},
        {"kernel BUG at fs/ext4/inode.c:123!\nKernel panic - not syncing: Fatal exception\n",
         "oops"},
        {"Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100\n", "panic"},
        {"Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n",
         "panic"},
        {"nothing of the kind\n", ""},
    };

    for (size_t i = 0; i < sizeof(logs) / sizeof(logs[0]); i++) {
        read_text(logs[i].log);
        CHECK_STR(text(PND_FACT_TRIGGER), logs[i].trigger);
    }
}

static void the_frames_below_an_interrupt_belong_to_the_trace(void)
{
    read_text("Kernel panic - not syncing: softlockup: hung tasks\n"
              "CPU: 0 PID: 1 Comm: init Not tainted 6.1\n"
              "Call Trace:\n"
              " <IRQ>\n"
              " panic+0x118/0x2f4\n"
              " </IRQ>\n"
              " <TASK>\n"
              " asm_sysvec_apic_timer_interrupt+0x16/0x20\n"
              "RIP: 0010:failover_init+0x5/0x1000 [failover]\n"
              "Code: Unable to access opcode bytes at 0xffffffffc0205fdb.\n"
              "RSP: 0018:ffffc90000013cd0 EFLAGS: 00000246\n"
              "R13: 0000000000000000 R14: 0000000000000000 R15: 0000000000000000\n"
              " ? 0xffffffffc0206000\n"
              " do_one_initcall+0x59/0x220\n"
              " </TASK>\n"
              "Another line of the log\n"
              " not_a_frame_of_it+0x1/0x2\n");
    CHECK_STR(frames(), "panic+0x118/0x2f4 asm_sysvec_apic_timer_interrupt+0x16/0x20 "
                        "failover_init+0x5/0x1000[failover] do_one_initcall+0x59/0x220");
}

static void kernels_before_4_10_print_addresses(void)
{
    read_text("<1>[  52.1] BUG: unable to handle kernel NULL pointer dereference at (null)\n"
              "<1>[  52.2] IP: [<ffffffff8134d446>] sysrq_handle_crash+0x16/0x20\n"
              "<4>[  52.3] Oops: 0002 [#1] SMP\n"
              "<4>[  52.4] Pid: 812, comm: bash Not tainted 3.10.0\n"
              "<4>[  52.5] RIP: 0010:[<ffffffff8134d446>]  [<ffffffff8134d446>] "
              "sysrq_handle_crash+0x16/0x20\n"
              "<4>[  52.6] Call Trace:\n"
              "<4>[  52.7]  [<ffffffff8134dbd2>] ? __handle_sysrq+0xa2/0x170\n"
              "<4>[  52.8]  [<ffffffff8134dfef>] write_sysrq_trigger+0x2f/0x40\n"
              "<0>[  52.9] Kernel panic - not syncing: Fatal exception\n");
    CHECK_STR(text(PND_FACT_TRIGGER), "oops");
    CHECK_STR(frames(), "sysrq_handle_crash+0x16/0x20 write_sysrq_trigger+0x2f/0x40");
    CHECK_STR(text(PND_FACT_TASK), "bash (pid 812)");
    CHECK_EQ(facts.frames[0].address, UINT64_C(0xffffffff8134d446));
    CHECK_EQ(facts.frames[1].address, UINT64_C(0xffffffff8134dfef));
    CHECK_STR(text(PND_FACT_UPTIME), "52.9");
}

static void a_trace_of_aarch64_begins_with_its_instruction(void)
{
    read_text("[   12.500000][  T431] Unable to handle kernel NULL pointer dereference at virtual "
              "address 0000000000000000\n"
              "[   12.500001][  T431] Internal error: Oops: 96000045 [#1] PREEMPT SMP\n"
              "[   12.500002][  T431] CPU: 2 PID: 431 Comm: sh Not tainted 5.10.0 #1\n"
              "[   12.500003][  T431] Hardware name: linux,dummy-virt (DT)\n"
              "[   12.500004][  T431] pstate: 60000005 (nZCv daif -PAN -UAO -TCO BTYPE=--)\n"
              "[   12.500005][  T431] pc : lkdtm_EXCEPTION+0xc/0x18 [lkdtm]\n"
              "[   12.500006][  T431] lr : lkdtm_do_action+0x1c/0x28 [lkdtm]\n"
              "[   12.500007][  T431] sp : ffff800011b2bd10\n"
              "[   12.500008][  T431] x29: ffff800011b2bd10 x28: ffff0000c0c60000\n"
              "[   12.500009][  T431] Call trace:\n"
              "[   12.500010][  T431]  lkdtm_EXCEPTION+0xc/0x18 [lkdtm]\n"
              "[   12.500011][  T431]  direct_entry+0xc8/0x130 [lkdtm]\n"
              "[   12.500012][  T431]  el0_svc+0x20/0x30\n"
              "[   12.500013][  T431] Code: d2800000 (b900001f)\n"
              "[   12.500014][  T431] ---[ end trace 1 ]---\n");
    CHECK_STR(text(PND_FACT_MODEL), "linux,dummy-virt (DT)");
    CHECK_STR(text(PND_FACT_TASK), "sh (pid 431)");
    CHECK_STR(frames(),
              "lkdtm_EXCEPTION+0xc/0x18[lkdtm] direct_entry+0xc8/0x130[lkdtm] el0_svc+0x20/0x30");
    CHECK_STR(text(PND_FACT_UPTIME), "12.500000");
}

static void the_last_panic_and_its_own_trace_count(void)
{
    read_text("[    1.0] BUG: sleeping function called from invalid context at mm/slab.h:1\n"
              "[    1.1] CPU: 0 PID: 1 Comm: early Not tainted 6.1\n"
              "[    1.2] Call Trace:\n"
              "[    1.3]  earlier_trouble+0x1/0x2\n"
              "[    1.4] \n"
              "[   50.0] Kernel panic - not syncing: out of memory: panic_on_oom is selected\n"
              "[   50.1] CPU: 1 PID: 2 Comm: late Not tainted 6.1\n"
              "[   50.2] Call Trace:\n"
              "[   50.3]  out_of_memory+0x1/0x2\n");
    CHECK_STR(text(PND_FACT_PANIC), "out of memory: panic_on_oom is selected");
    CHECK_STR(text(PND_FACT_TASK), "late (pid 2)");
    CHECK_STR(text(PND_FACT_TRIGGER), "panic");
    CHECK_STR(frames(), "out_of_memory+0x1/0x2");
}

static void a_log_without_a_crash_says_what_it_can(void)
{
    read_text("[    0.000000] Linux version 5.4.0-1 (x) #1\n[   77.123456] all is well\n");
    CHECK_STR(text(PND_FACT_KERNEL), "5.4.0-1");
    CHECK_STR(text(PND_FACT_UPTIME), "77.123456");
    CHECK_STR(text(PND_FACT_PANIC), "");
    CHECK_EQ(facts.frame_count, 0);
    CHECK_EQ(pnd_linux_log_cpu("all is well\n", 12), -1);
    read_text("");
    CHECK_STR(text(PND_FACT_OS), "Linux");
}

static void every_cut_and_every_flip_of_a_log_is_survived(void)
{
    char *copy = malloc(sizeof(sysrq));

    for (size_t len = 0; len < sizeof(sysrq); len++) {
        char *exact = malloc(len + 1);

        memcpy(exact, sysrq, len);
        pnd_facts_deinit(&facts);
        pnd_facts_from_linux_log(exact, len, &facts);
        (void)pnd_linux_log_cpu(exact, len);
        CHECK(facts.frame_count <= 4);
        free(exact);
    }
    for (size_t at = 0; at < sizeof(sysrq) - 1; at++) {
        memcpy(copy, sysrq, sizeof(sysrq));
        copy[at] = (char)(copy[at] ^ 0x55);
        pnd_facts_deinit(&facts);
        pnd_facts_from_linux_log(copy, sizeof(sysrq) - 1, &facts);
        CHECK_STR(text(PND_FACT_OS), "Linux");
    }
    free(copy);
}

int main(void)
{
    RUN(a_panic_is_told_with_all_that_belongs_to_it);
    RUN(an_oops_comes_with_the_panic_that_it_led_to);
    RUN(a_watchdog_is_told_from_a_panic_and_from_an_nmi);
    RUN(the_frames_below_an_interrupt_belong_to_the_trace);
    RUN(kernels_before_4_10_print_addresses);
    RUN(a_trace_of_aarch64_begins_with_its_instruction);
    RUN(the_last_panic_and_its_own_trace_count);
    RUN(a_log_without_a_crash_says_what_it_can);
    RUN(every_cut_and_every_flip_of_a_log_is_survived);
    pnd_facts_deinit(&facts);
    return tap_done();
}
