/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Whole logs, read as those of a dump are: the group of a panic is the same after another boot, on
 * another machine, with other processes, and another one for another panic. */
#include <stdarg.h>

#include "facts/signature.h"
#include "inspect/reader.h"
#include "tap.h"

typedef void (*reader)(const char *log, size_t len, struct pnd_facts *facts);

static struct pnd_signature signature;

__attribute__((format(printf, 2, 3))) static const char *of(reader read, const char *fmt, ...)
{
    static char ids[4][PND_SIGNATURE_CAP];
    static unsigned next;
    static char log[16384];
    struct pnd_facts facts = {0};
    char *id = ids[next++ % 4];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(log, sizeof(log), fmt, ap);
    va_end(ap);
    read(log, strlen(log), &facts);
    pnd_signature(&facts, &signature);
    memcpy(id, signature.id, PND_SIGNATURE_CAP);
    pnd_facts_deinit(&facts);
    return id;
}

static const char xnu[] =
    "panic(cpu %d caller 0xffffff80%08x): Kernel trap at 0xffffff7f%08x, type %s, registers:\n"
    "CR0: 0x0000000080010033, CR2: 0x0000000000000010, CR3: 0x%016x, CR4: 0x00000000003626e0\n"
    "RAX: 0x0000000000000000, RBX: 0xffffff8034567890, RCX: 0x0000000000000001, RDX: 0x0\n"
    "Fault CR2: 0x0000000000000010, Error code: 0x0000000000000000, Fault CPU: 0x2, PL: 0\n\n"
    "Backtrace (CPU %d), Frame : Return Address\n"
    "0xffffff81a1b2c3d0 : 0xffffff80%08x \n"
    "0xffffff81a1b2c420 : 0xffffff80%08x \n"
    "0xffffff81a1b2c460 : 0xffffff7f%08x \n"
    "0xffffff81a1b2c4a0 : 0xffffff7f%08x \n"
    "      Kernel Extensions in backtrace:\n"
    "         com.apple.driver.AppleHDA(283.15)[01234567-89AB-CDEF-0123-456789ABCDEF]"
    "@0xffffff7f%08x->0xffffff7f%08x\n\n"
    "BSD process name corresponding to current thread: %s\n"
    "Boot args: debug=0xd44\n\n"
    "Mac OS version:\n21A559\n\n"
    "Kernel version:\nDarwin Kernel Version 21.1.0: Wed Oct 13 17:33:23 PDT 2021; "
    "root:xnu-8019.41.5~1/RELEASE_X86_64\n"
    "Kernel slide:     0x%016x\n"
    "System uptime in nanoseconds: %d0000000000\n";

static const char *xnu_log(unsigned slide, int cpu, const char *type, const char *process)
{
    unsigned kext = 0x90000000 + slide;

    return of(pnd_facts_from_panic_log, xnu, cpu, 0x00c0ffee + slide, kext + 0x1234, type, slide,
              cpu, 0x00345678 + slide, 0x00456789 + slide, kext + 0x1234, kext + 0x4321, kext,
              kext + 0xffff, process, slide, cpu + 1);
}

static void a_mac_that_panics_again_is_in_the_same_group(void)
{
    const char *first = xnu_log(0x0a000000, 2, "14=page fault", "kernel_task");

    CHECK_STR(signature.title, "Kernel trap, type 14=page fault in [com.apple.driver.AppleHDA]");
    CHECK_STR(xnu_log(0x01200000, 0, "14=page fault", "Safari"), first);
    CHECK(strcmp(xnu_log(0x0a000000, 2, "13=general protection", "kernel_task"), first) != 0);
}

static const char oops[] =
    "[  %d.000000] Linux version 6.1.0-56-cloud-amd64 (debian-kernel@lists.debian.org)\n"
    "[  %d.000001] BUG: kernel NULL pointer dereference, address: 00000000000000%02x\n"
    "[  %d.000002] #PF: supervisor write access in kernel mode\n"
    "[  %d.000003] Oops: 0002 [#1] PREEMPT SMP NOPTI\n"
    "[  %d.000004] CPU: %d PID: %d Comm: %s Tainted: G        W   E      6.1.0\n"
    "[  %d.000005] RIP: 0010:%s+0x%x/0x1000 [failover]\n"
    "[  %d.000006] Code: Unable to access opcode bytes at 0xffffffffc0205fdd.\n"
    "[  %d.000009] Call Trace:\n"
    "[  %d.000010]  <TASK>\n"
    "[  %d.000011]  do_one_initcall+0x%x/0x220\n"
    "[  %d.000012]  ? leftover_%d+0x1/0x2\n"
    "[  %d.000013]  </TASK>\n"
    "[  %d.000014] Modules linked in: failover(E+) virtio_net(O)\n"
    "[  %d.000015] Kernel panic - not syncing: Fatal exception in interrupt\n"
    "[  %d.000016] Kernel Offset: 0x%x000000 from 0xffffffff81000000\n";

static const char *linux_log(int n, const char *task, const char *function)
{
    return of(pnd_facts_from_linux_log, oops, n, n, n, n, n, n, n % 8, n * 7, task, n, function,
              n + 2, n, n, n, n, n + 3, n, n, n, n, n, n, n);
}

static void so_is_a_linux_machine(void)
{
    const char *first = linux_log(17, "insmod", "failover_init");

    CHECK_STR(signature.title, "BUG: kernel NULL pointer dereference, address: 0000000000000011 in "
                               "failover_init [failover]");
    CHECK_STR(linux_log(94, "kworker/1:2", "failover_init"), first);
    CHECK(strcmp(linux_log(17, "insmod", "failover_exit"), first) != 0);
}

static const char lockup[] =
    "[  %d.1] watchdog: BUG: soft lockup - CPU#%d stuck for %ds! [%s:%d]\n"
    "[  %d.2] Modules linked in: failover(E+)\n"
    "[  %d.3] CPU: %d PID: %d Comm: %s Tainted: G        W   E      6.1.0\n"
    "[  %d.4] RIP: 0010:spin_forever+0x%x/0x30 [failover]\n"
    "[  %d.5] Call Trace:\n"
    "[  %d.6]  <TASK>\n"
    "[  %d.7]  do_one_initcall+0x59/0x220\n"
    "[  %d.8]  </TASK>\n"
    "[  %d.9] Kernel panic - not syncing: softlockup: hung tasks\n"
    "[  %d.9] CPU: %d PID: %d Comm: %s Tainted: G        W   E      6.1.0\n"
    "[  %d.9] Call Trace:\n"
    "[  %d.9]  <IRQ>\n"
    "[  %d.9]  dump_stack_lvl+0x44/0x5c\n"
    "[  %d.9]  panic+0x118/0x2f4\n"
    "[  %d.9]  watchdog_timer_fn.cold+0xc/0x16\n"
    "[  %d.9]  __hrtimer_run_queues+0x10b/0x2b0\n"
    "[  %d.9]  hrtimer_interrupt+0xf4/0x210\n"
    "[  %d.9]  </IRQ>\n"
    "[  %d.9]  <TASK>\n"
    "[  %d.9]  asm_sysvec_apic_timer_interrupt+0x16/0x20\n"
    "[  %d.9] RIP: 0010:spin_forever+0x%x/0x30 [failover]\n"
    "[  %d.9]  do_one_initcall+0x59/0x220\n"
    "[  %d.9]  </TASK>\n";

static const char *lockup_log(int n, const char *task)
{
    return of(pnd_facts_from_linux_log, lockup, n, n % 8, 20 + n % 9, task, n, n, n, n % 8, n, task,
              n, n + 1, n, n, n, n, n, n, n % 8, n, task, n, n, n, n, n, n, n, n, n, n, n, n + 1, n,
              n);
}

static void a_lockup_is_known_by_what_hung_and_not_by_who_ran(void)
{
    const char *first = lockup_log(11, "insmod");

    CHECK_STR(signature.title, "softlockup: hung tasks in spin_forever [failover]");
    CHECK_STR(lockup_log(26, "kworker/3:1"), first);
    CHECK(strcmp(linux_log(17, "insmod", "spin_forever"), first) != 0);
}

static const char bsd[] =
    "FreeBSD 13.0-RELEASE-p3 #0 releng/13.0-n244733: Fri Apr  9 04:24:09 UTC 2021\n"
    "Fatal trap %s while in kernel mode\n"
    "cpuid = %d; apic id = %02d\n"
    "fault virtual address\t= 0x%x\n"
    "instruction pointer\t= 0x20:0xffffffff80b4a2c1\n"
    "current process\t\t= %d (%s)\n"
    "trap number\t\t= 12\n"
    "panic: %s\n"
    "cpuid = %d\n"
    "time = 161881%04d\n"
    "KDB: stack backtrace:\n"
    "#0 0xffffffff80c1d397 at kdb_backtrace+0x67\n"
    "#1 0xffffffff80bd0d57 at vpanic+0x187\n"
    "#2 0xffffffff80bd0bc3 at panic+0x43\n"
    "#3 0xffffffff8108b1a7 at trap_fatal+0x387\n"
    "#4 0xffffffff8108b1ff at trap_pfault+0x4f\n"
    "#5 0xffffffff81061958 at calltrap+0x8\n"
    "#6 0xffffffff80d3a1b4 at %s+0x%x\n"
    "Uptime: 3d2h15m7s\n";

static const char *bsd_log(int n, const char *trap, const char *process, const char *function)
{
    const char *name = strchr(trap, ':') + 2;

    return of(pnd_facts_from_freebsd_log, bsd, trap, n % 8, n % 8, n, n, process, name, n % 8, n,
              function, n);
}

static void and_a_freebsd_machine(void)
{
    const char *first = bsd_log(712, "12: page fault", "sh", "tcp_do_segment");

    CHECK_STR(signature.title, "page fault in tcp_do_segment");
    CHECK_STR(bsd_log(9, "12: page fault", "ifconfig", "tcp_do_segment"), first);
    CHECK(strcmp(bsd_log(9, "12: page fault", "sh", "udp_input"), first) != 0);
    CHECK(strcmp(bsd_log(9, "9: general protection fault", "sh", "tcp_do_segment"), first) != 0);
}

int main(void)
{
    RUN(a_mac_that_panics_again_is_in_the_same_group);
    RUN(so_is_a_linux_machine);
    RUN(a_lockup_is_known_by_what_hung_and_not_by_who_ran);
    RUN(and_a_freebsd_machine);
    return tap_done();
}
