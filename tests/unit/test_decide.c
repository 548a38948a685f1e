/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a panic, an NMI, Debugger() or a boot leads to, row by row: a machine is played through, and
 * the steps it takes are told in words. Rows are those of PROTOCOL.md#kdp-4.1, #kdp-4.2 and
 * #kdp-2.8. */
#include "tap.h"

#include "unit/decide_play.h"

enum {
    STEPS_MAX = 6,
    CURRENT = 0,
};

struct row {
    const char *line;
    unsigned unusual;
    const char *want;
};

static const char *told(const struct pnd_bootargs *args, enum pnd_trigger trigger, unsigned unusual)
{
    static char text[80];
    struct pnd_situation now = situation(args, trigger, unusual);
    struct pnd_decision next;
    size_t len = 0;

    for (int i = 0; i < STEPS_MAX; i++) {
        pnd_decide(&now, &next);
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? " " : "",
                                words[next.step]);
        if (!is_dump(next.step))
            return text;
        take(&now, next.step, unusual);
    }
    return "no end";
}

static const char *play(uint32_t xnu, const char *line, enum pnd_trigger trigger, unsigned unusual)
{
    struct pnd_bootargs args;

    pnd_bootargs_read(line, xnu, &args);
    return told(&args, trigger, unusual);
}

static void check_rows(uint32_t xnu, enum pnd_trigger trigger, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *got = play(xnu, rows[i].line, trigger, rows[i].unusual);

        if (strcmp(got, rows[i].want) != 0)
            printf("# xnu %u, %s, unusual 0x%x:\n", xnu, rows[i].line, rows[i].unusual);
        CHECK_STR(got, rows[i].want);
    }
}

#define CHECK_ROWS(xnu, trigger, ...)                                                              \
    do {                                                                                           \
        static const struct row rows[] = {__VA_ARGS__};                                            \
        check_rows(xnu, trigger, rows, sizeof(rows) / sizeof(rows[0]));                            \
    } while (0)

static struct pnd_decision first(uint32_t xnu, const char *line, enum pnd_trigger trigger,
                                 unsigned unusual)
{
    struct pnd_bootargs args;
    struct pnd_situation now;
    struct pnd_decision ret;

    pnd_bootargs_read(line, xnu, &args);
    now = situation(&args, trigger, unusual);
    pnd_decide(&now, &ret);
    return ret;
}

/* kdp-4.1, from the top. */

static void a_network_core_on_panic_needs_0x400(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_PANIC, {"debug=0x440 _panicd_ip=10.0.0.1", NO_DISK, "net wait"},
               {"debug=0x440 _panicd_ip=10.0.0.1", 0, "disk net wait"},
               {"debug=0x440 _panicd_ip=10.0.0.1", NET_FAILS | DISK_FAILS, "disk net wait"},
               {"debug=0x20440 _panicd_ip=10.0.0.1", 0, "net wait"},
               {"debug=0x40 _panicd_ip=10.0.0.1", NO_DISK, "wait"},
               {"debug=0x100440 _panicd_ip=10.0.0.1", NO_DISK, "reboot"},
               {"debug=0x100440 _panicd_ip=10.0.0.1", 0, "disk reboot"});
}

static void without_a_server_the_network_routine_runs_and_fails(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_PANIC, {"debug=0x20440", NET_FAILS, "net wait"},
               {"debug=0x24440", NET_FAILS, "net wait"});
}

static void a_network_core_on_an_nmi_needs_0x804_and_the_machine_goes_on(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_NMI, {"debug=0x844", NO_DISK, "net continue"},
               {"debug=0x844", NO_DISK | NET_FAILS, "net continue"},
               {"debug=0x844", 0, "disk net continue"}, {"debug=0x20844", 0, "net continue"});
    CHECK_ROWS(CURRENT, PND_TRIGGER_DEBUGGER, {"debug=0x844", NO_DISK, "net continue"},
               {"debug=0x840", NO_DISK, "net continue"}, {"debug=0x844", 0, "disk net continue"});
}

static void with_0x1000_it_stays_in_the_debugger(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_NMI, {"debug=0x1844", NO_DISK, "net wait"},
               {"debug=0x21844", 0, "net wait"}, {"debug=0x1844", NO_DISK | NET_FAILS, "net wait"});
    CHECK_ROWS(CURRENT, PND_TRIGGER_DEBUGGER, {"debug=0x1844", NO_DISK, "net wait"});
}

static void only_the_panic_log_needs_0x2000_which_wins_over_0x400(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_PANIC, {"debug=0x2040", 0, "log wait"},
               {"debug=0x2440", NO_DISK, "log wait"}, {"debug=0x2440", 0, "disk log wait"},
               {"debug=0x22440", 0, "log wait"}, {"debug=0x2040", NO_LOG, "net wait"},
               {"debug=0x2440", NO_DISK | NO_LOG, "net wait"});
}

static void a_panic_log_is_for_panics(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_NMI, {"debug=0x2044", 0, "wait"},
               {"debug=0x2844", NO_DISK, "net continue"});
}

static void with_0x4000_success_reboots(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_PANIC, {"debug=0x4440", NO_DISK, "net reboot"},
               {"debug=0x4440", NO_DISK | NET_FAILS, "net wait"},
               {"debug=0x4440", 0, "disk reboot"}, {"debug=0x4440", DISK_FAILS, "disk net reboot"},
               {"debug=0x4440", DISK_FAILS | NET_FAILS, "disk net wait"},
               {"debug=0x24440", NET_FAILS, "net wait"});
    CHECK_ROWS(CURRENT, PND_TRIGGER_NMI, {"debug=0x4844", NO_DISK, "net reboot"},
               {"debug=0x4844", 0, "disk reboot"},
               {"debug=0x4844", NO_DISK | NET_FAILS, "net continue"},
               {"debug=0x5844", NO_DISK | NET_FAILS, "net wait"});
}

static void a_panic_log_never_counts_as_a_core(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_PANIC, {"debug=0x6040", 0, "log wait"},
               {"debug=0x6440", NO_DISK, "log wait"}, {"debug=0x26440", 0, "log wait"},
               {"debug=0x6440", 0, "disk reboot"}, {"debug=0x6440", DISK_FAILS, "disk log wait"});
}

static void debug_0x44_only_waits_for_a_debugger(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_PANIC, {"debug=0x44 kdp_match_name=en0", 0, "wait"},
               {"debug=0x44 kdp_match_name=en0", ARM, "wait"}, {"debug=0x44", ARM, "spin"});
    CHECK_ROWS(CURRENT, PND_TRIGGER_NMI, {"debug=0x44 kdp_match_name=en0", 0, "wait"},
               {"debug=0x44 kdp_match_name=en0", DEBUGGER, "wait"},
               {"debug=0x40 kdp_match_name=en0", 0, "continue"});
    CHECK_ROWS(CURRENT, PND_TRIGGER_DEBUGGER, {"debug=0x44", 0, "wait"}, {"debug=0x40", 0, "wait"});
    CHECK_ROWS(CURRENT, PND_TRIGGER_BOOT, {"debug=0x44", 0, "continue"});
}

static void with_0x1_a_debugger_attaches_at_boot(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_BOOT, {"debug=0x45", 0, "wait"},
               {"debug=0x45", NO_NIC, "continue"}, {"debug=0x45", RESTRICTED, "continue"},
               {"debug=0x45", ARM, "continue"}, {"debug=0x45 kdp_match_name=en0", ARM, "wait"},
               {"debug=0x100001", 0, "continue"}, {"", 0, "continue"},
               {"debug=0xfffffffe", 0, "continue"});
    CHECK_ROWS(4570, PND_TRIGGER_BOOT, {"debug=0x100001", 0, "wait"});
}

/* kdp-4.2, each value with a panic and with an NMI. */

static void debug_0x104c44_makes_no_network_dump_on_current_systems(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_PANIC,
               {"debug=0x104c44 keepsyms=1 _panicd_ip=10.0.0.1", 0, "disk reboot"},
               {"debug=0x104c44 keepsyms=1 _panicd_ip=10.0.0.1", DISK_FAILS, "disk reboot"},
               {"debug=0x104c44 keepsyms=1 _panicd_ip=10.0.0.1", NO_DISK, "reboot"});
    CHECK_ROWS(CURRENT, PND_TRIGGER_NMI, {"debug=0x104c44", 0, "disk reboot"},
               {"debug=0x104c44", NO_DISK, "reboot"});
    CHECK_ROWS(4903, PND_TRIGGER_PANIC, {"debug=0x104c44", 0, "disk reboot"},
               {"debug=0x104c44", NO_DISK, "reboot"});
}

static void before_4903_0x104c44_dumps_to_the_network_and_reboots(void)
{
    CHECK_ROWS(4570, PND_TRIGGER_PANIC, {"debug=0x104c44", NO_DISK, "net reboot"},
               {"debug=0x104c44", NO_DISK | NET_FAILS, "net wait"});
    CHECK_ROWS(3789, PND_TRIGGER_PANIC, {"debug=0x104c44", NO_DISK, "net reboot"},
               {"debug=0x104c44", 0, "disk net reboot"});
    CHECK_ROWS(2782, PND_TRIGGER_PANIC, {"debug=0x104c44", 0, "net reboot"});
}

static void debug_0xd44_dumps_on_panic_and_nmi_and_waits_after_a_panic(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_PANIC,
               {"debug=0xd44 _panicd_ip=10.0.40.2 kdp_match_name=en7", 0, "disk net wait"},
               {"debug=0xd44 _panicd_ip=10.0.40.2 kdp_match_name=en7", NO_DISK, "net wait"},
               {"debug=0xd44 _panicd_ip=10.0.40.2 kdp_match_name=en7", ARM, "disk net wait"});
    CHECK_ROWS(CURRENT, PND_TRIGGER_NMI, {"debug=0xd44", 0, "disk net continue"},
               {"debug=0xd44", NO_DISK, "net continue"});
}

static void debug_0x144_enters_the_debugger_and_dumps_nothing(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_PANIC, {"debug=0x144", 0, "wait"});
    CHECK_ROWS(CURRENT, PND_TRIGGER_NMI, {"debug=0x144", 0, "wait"});
    CHECK_ROWS(CURRENT, PND_TRIGGER_BOOT, {"debug=0x144", 0, "continue"});
}

static void debug_0x141_waits_at_boot(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_BOOT, {"debug=0x141", 0, "wait"});
    CHECK_ROWS(CURRENT, PND_TRIGGER_PANIC, {"debug=0x141", 0, "wait"});
    CHECK_ROWS(CURRENT, PND_TRIGGER_NMI, {"debug=0x141", 0, "continue"});
}

static void debug_0x444_dumps_on_panic_and_waits(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_PANIC, {"debug=0x444", 0, "disk net wait"},
               {"debug=0x444", NO_DISK, "net wait"});
    CHECK_ROWS(CURRENT, PND_TRIGGER_NMI, {"debug=0x444", 0, "wait"});
}

static void debug_0xc44_dumps_on_both(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_PANIC,
               {"debug=0xc44 kdp_match_name=en0 wdt=-1", 0, "disk net wait"});
    CHECK_ROWS(CURRENT, PND_TRIGGER_NMI, {"debug=0xc44", 0, "disk net continue"});
}

static void debug_0x14e_is_for_development(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_PANIC, {"debug=0x14e", 0, "wait"});
    CHECK_ROWS(CURRENT, PND_TRIGGER_NMI, {"debug=0x14e", 0, "wait"});
}

static void debug_0x24c44_dumps_to_the_network_only_and_reboots_on_success(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_PANIC, {"debug=0x24c44", 0, "net reboot"},
               {"debug=0x24c44", NET_FAILS, "net wait"});
    CHECK_ROWS(CURRENT, PND_TRIGGER_NMI, {"debug=0x24c44", 0, "net reboot"},
               {"debug=0x24c44", NET_FAILS, "net continue"});
}

static void debug_0x2444_sends_only_the_panic_log(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_PANIC, {"debug=0x2444", NO_DISK, "log wait"});
    CHECK_ROWS(CURRENT, PND_TRIGGER_NMI, {"debug=0x2444", 0, "wait"});
}

/* kdp-2.8, step by step. */

static void step_2_a_panic_may_ask_for_its_log_and_a_reboot(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_PANIC, {"debug=0xc44", REBOOT_ONLY, "reboot"},
               {"debug=0x24c44", REBOOT_ONLY, "reboot"}, {"", REBOOT_ONLY, "reboot"});
}

static void step_3_without_the_local_core_and_with_0x4000_it_reboots(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_PANIC, {"debug=0x4c44", SKIP_LOCAL, "reboot"},
               {"debug=0x24c44", SKIP_LOCAL, "reboot"}, {"debug=0xc44", SKIP_LOCAL, "net wait"},
               {"debug=0x100c44", SKIP_LOCAL, "reboot"});
}

static void step_4_a_local_core_with_0x4000_reboots_before_the_network(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_PANIC, {"debug=0x4c44", 0, "disk reboot"},
               {"debug=0x4c44", DISK_FAILS, "disk net reboot"},
               {"debug=0x4c44", NO_DISK, "net reboot"}, {"debug=0xc44", 0, "disk net wait"});
}

static void step_5_0x100000_reboots_before_the_network(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_PANIC, {"debug=0x100c44", 0, "disk reboot"},
               {"debug=0x100c44", DISK_FAILS, "disk reboot"}, {"debug=0x102040", 0, "reboot"},
               {"debug=0x120c44", 0, "reboot"}, {"debug=0x100000", NO_NIC, "reboot"});
    CHECK_ROWS(CURRENT, PND_TRIGGER_NMI, {"debug=0x100004", 0, "reboot"},
               {"debug=0x100000", 0, "continue"});
    CHECK_ROWS(CURRENT, PND_TRIGGER_DEBUGGER, {"debug=0x100004", 0, "reboot"});
}

static void step_6_arm64_needs_kdp_match_name(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_PANIC, {"debug=0x444", ARM, "disk spin"},
               {"debug=0x444 kdp_match_name=en0", ARM, "disk net wait"},
               {"debug=0x440 kdp_match_mac=001122334455", ARM, "disk reboot"});
}

static void step_7_without_transport_it_reboots_or_stands(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_PANIC, {"", NO_NIC, "reboot"}, {"debug=0", NO_NIC, "reboot"},
               {"debug=0x100", NO_NIC, "spin"}, {"debug=0x80000000", NO_NIC, "spin"},
               {"debug=0xc44", NO_NIC, "disk spin"}, {"debug=0xc44", NO_NIC | NO_DISK, "spin"},
               {"debug=0x4c44", NO_NIC, "disk reboot"},
               {"debug=0x4c44", NO_NIC | DISK_FAILS, "disk spin"},
               {"debug=0x4 kdp_match_name=en0", NO_NIC | ARM, "spin"},
               {"debug=0x8 kdp_match_name=en0", NO_NIC | ARM, "reboot"});
}

static void without_transport_a_machine_that_did_not_panic_goes_on(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_NMI, {"debug=0x844", NO_NIC, "disk continue"},
               {"debug=0x44", NO_NIC, "continue"}, {"debug=0x4844", NO_NIC, "disk reboot"});
    CHECK_ROWS(CURRENT, PND_TRIGGER_DEBUGGER, {"debug=0x44", NO_NIC, "continue"});
}

/* kdp-2.1, 2.3, 2.9. */

static void without_debug_or_restricted_nothing_is_dumped(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_PANIC, {"_panicd_ip=10.0.0.1 kdp_match_name=en0", 0, "reboot"},
               {"debug=0 _panicd_ip=10.0.0.1", 0, "reboot"},
               {"debug=0xd44 _panicd_ip=10.0.0.1", RESTRICTED, "reboot"});
    CHECK_ROWS(CURRENT, PND_TRIGGER_NMI, {"", 0, "continue"},
               {"debug=0xd44", RESTRICTED, "continue"});
    CHECK_ROWS(CURRENT, PND_TRIGGER_DEBUGGER, {"", 0, "reboot"},
               {"debug=0xd44", RESTRICTED, "reboot"});
    CHECK_ROWS(8019, PND_TRIGGER_PANIC, {"debug=0xd44", RESTRICTED, "reboot"});
}

static void before_8019_nothing_was_restricted(void)
{
    CHECK_ROWS(7195, PND_TRIGGER_PANIC, {"debug=0xd44", RESTRICTED, "disk net wait"});
}

static void an_nmi_without_0x4_does_nothing(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_NMI, {"debug=0x840", 0, "continue"},
               {"debug=0x104840", 0, "continue"}, {"debug=0xfffffffb", 0, "continue"});
}

static void a_connected_debugger_keeps_an_nmi_from_dumping(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_NMI, {"debug=0x844", DEBUGGER | NO_DISK, "wait"},
               {"debug=0x844", DEBUGGER, "disk wait"});
    CHECK_ROWS(CURRENT, PND_TRIGGER_PANIC, {"debug=0x444", DEBUGGER | NO_DISK, "net wait"});
}

static void the_local_core_needs_0x400_or_0x800(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_PANIC, {"debug=0x844", 0, "disk wait"},
               {"debug=0x444", NO_NIC, "disk spin"}, {"debug=0x2044", NO_NIC, "spin"},
               {"debug=0x20c44", NO_NIC, "spin"});
}

static void x86_writes_it_on_an_nmi_only_with_0x800(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_NMI, {"debug=0x444", 0, "wait"});
    CHECK_ROWS(CURRENT, PND_TRIGGER_DEBUGGER, {"debug=0x444", 0, "wait"},
               {"debug=0x444 kdp_match_name=en0", ARM, "disk wait"},
               {"debug=0x844", NO_NIC, "disk spin"});
}

static void an_enforced_encryption_leaves_out_the_local_core(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_PANIC, {"debug=0xc44 coredump_encryption=3", 0, "net wait"},
               {"debug=0xc44 coredump_encryption=2", 0, "net wait"},
               {"debug=0xc44 coredump_encryption=1", 0, "disk net wait"},
               {"debug=0xc44 coredump_encryption=0", 0, "disk net wait"});
    CHECK_ROWS(8019, PND_TRIGGER_PANIC, {"debug=0xc44 coredump_encryption=3", 0, "net wait"});
    CHECK_ROWS(7195, PND_TRIGGER_PANIC, {"debug=0xc44 coredump_encryption=3", 0, "disk net wait"});
}

static void an_aborted_dump_is_followed_by_no_other(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_PANIC, {"debug=0xc44", ABORT_DISK, "disk wait"},
               {"debug=0xc44", ABORT_NET, "disk net wait"},
               {"debug=0x24c44", ABORT_NET, "net wait"}, {"debug=0x4c44", ABORT_DISK, "disk wait"},
               {"debug=0x100c44", ABORT_DISK, "disk reboot"},
               {"debug=0x2044", TAKEN_OVER, "log wait"},
               {"debug=0xc44", ABORT_DISK | NO_NIC, "disk spin"});
    CHECK_ROWS(CURRENT, PND_TRIGGER_NMI, {"debug=0x844", NO_DISK | TAKEN_OVER, "net wait"});
    CHECK_ROWS(CURRENT, PND_TRIGGER_PANIC, {"debug=0xc44", ABORTED, "wait"},
               {"debug=0xc44", ABORTED | NO_NIC, "spin"}, {"debug=0x100c44", ABORTED, "reboot"});
    CHECK_STR(first(0, "debug=0xc44", PND_TRIGGER_PANIC, ABORTED).no_local, "the dump was aborted");
}

static void what_is_asked_for_is_sent_and_nothing_else(void)
{
    CHECK_ROWS(CURRENT, PND_TRIGGER_DEBUGGER, {"debug=0x44", ASK_CORE, "net continue"},
               {"debug=0x44", ASK_LOG, "log continue"},
               {"debug=0x44", ASK_SYSTEM_LOG, "syslog continue"},
               {"debug=0x104c44", ASK_CORE, "net continue"},
               {"debug=0x44", ASK_SYSTEM_LOG | NET_FAILS, "syslog continue"},
               {"debug=0x44", ASK_CORE | ABORT_NET, "net continue"},
               {"debug=0x44", ASK_CORE | NO_NIC, "continue"}, {"", ASK_CORE, "continue"},
               {"debug=0x44", ASK_CORE | RESTRICTED, "continue"});
    CHECK_ROWS(CURRENT, PND_TRIGGER_PANIC, {"debug=0x44", ASK_SYSTEM_LOG, "syslog wait"},
               {"debug=0x4c44", ASK_CORE, "net wait"});
    CHECK_ROWS(2782, PND_TRIGGER_DEBUGGER, {"debug=0x44", ASK_SYSTEM_LOG, "syslog continue"});
}

/* The older generations. */

static void in_4570_an_nmi_sends_nothing(void)
{
    CHECK_ROWS(4570, PND_TRIGGER_NMI, {"debug=0x844", NO_DISK, "wait"},
               {"debug=0x844", 0, "disk wait"}, {"debug=0x4844", 0, "disk reboot"});
    CHECK_ROWS(4570, PND_TRIGGER_PANIC, {"debug=0x444", NO_DISK, "net wait"},
               {"debug=0x844", NO_DISK, "net wait"}, {"debug=0x4444", NO_DISK, "net reboot"},
               {"debug=0x4444", 0, "disk reboot"});
    CHECK_ROWS(4903, PND_TRIGGER_NMI, {"debug=0x844", NO_DISK, "net continue"});
    CHECK_ROWS(4903, PND_TRIGGER_PANIC, {"debug=0x844", NO_DISK, "wait"});
}

static void in_3247_to_3789_the_disk_comes_first_in_the_network_routine(void)
{
    static const uint32_t trains[] = {3247, 3248, 3789};

    for (size_t i = 0; i < sizeof(trains) / sizeof(trains[0]); i++) {
        CHECK_ROWS(trains[i], PND_TRIGGER_PANIC, {"debug=0xc44", 0, "disk net wait"},
                   {"debug=0xc44", NO_NIC, "spin"}, {"debug=0x4c44", 0, "disk net reboot"},
                   {"debug=0x4c44", DISK_FAILS | NET_FAILS, "disk net reboot"},
                   {"debug=0x24c44", 0, "net reboot"}, {"debug=0x6444", NO_DISK, "log reboot"},
                   {"debug=0x844", 0, "wait"}, {"debug=0xc44", SKIP_LOCAL, "net wait"});
        CHECK_ROWS(trains[i], PND_TRIGGER_NMI, {"debug=0x844", 0, "disk net continue"},
                   {"debug=0x1844", 0, "disk net wait"},
                   {"debug=0x4844", NET_FAILS, "disk net reboot"});
    }
}

static void in_3247_to_3789_local_is_the_disk_only(void)
{
    CHECK_ROWS(3789, PND_TRIGGER_PANIC, {"debug=0xc44 _panicd_ip=local", 0, "disk wait"},
               {"debug=0x4c44 _panicd_ip=local", 0, "disk reboot"},
               {"debug=0x4c44 _panicd_ip=local", NO_DISK, "reboot"},
               {"debug=0xc44 _panicd_ip=locale", 0, "disk net wait"},
               {"debug=0xc44 _panicd_ip=loca", 0, "disk net wait"});
    CHECK_ROWS(3247, PND_TRIGGER_NMI, {"debug=0x844 _panicd_ip=local", 0, "disk continue"},
               {"debug=0x844 _panicd_ip=local", NO_DISK, "continue"});
    CHECK_ROWS(2782, PND_TRIGGER_PANIC, {"debug=0xc44 _panicd_ip=local", 0, "net wait"});
    CHECK_ROWS(CURRENT, PND_TRIGGER_PANIC, {"debug=0x20c44 _panicd_ip=local", 0, "net wait"});
}

static void up_to_2782_there_is_only_the_network(void)
{
    CHECK_ROWS(2782, PND_TRIGGER_PANIC, {"debug=0xc44", 0, "net wait"},
               {"debug=0x20c44", 0, "net wait"}, {"debug=0xc44", NO_NIC, "spin"});
    CHECK_ROWS(2782, PND_TRIGGER_NMI, {"debug=0x844", 0, "net continue"},
               {"debug=0x840", 0, "continue"});
}

static void from_1456_to_3789_any_attempt_reboots(void)
{
    static const uint32_t trains[] = {1456, 1699, 2782, 3789};

    for (size_t i = 0; i < sizeof(trains) / sizeof(trains[0]); i++) {
        CHECK_ROWS(trains[i], PND_TRIGGER_PANIC, {"debug=0x4c44", NO_DISK, "net reboot"},
                   {"debug=0x4c44", NO_DISK | NET_FAILS, "net reboot"},
                   {"debug=0x6044", NO_DISK | NET_FAILS, "log reboot"}, {"debug=0x4044", 0, "wait"},
                   {"debug=0x4c44", NO_DISK | ABORT_NET, "net reboot"},
                   {"debug=0x4c44", NO_DISK | TAKEN_OVER, "net wait"});
        CHECK_ROWS(trains[i], PND_TRIGGER_NMI, {"debug=0x4844", NO_DISK | NET_FAILS, "net reboot"},
                   {"debug=0x4044", 0, "wait"});
    }
}

static void up_to_1228_nothing_reboots_after_a_dump(void)
{
    CHECK_ROWS(1228, PND_TRIGGER_PANIC, {"debug=0x4c44", 0, "net wait"},
               {"debug=0x6c44", NET_FAILS, "log wait"});
    CHECK_ROWS(792, PND_TRIGGER_NMI, {"debug=0x4844", 0, "net continue"},
               {"debug=0x1844", 0, "net wait"});
    CHECK_ROWS(517, PND_TRIGGER_PANIC, {"debug=0x444", 0, "net wait"});
}

static void before_517_there_are_no_dumps(void)
{
    CHECK_ROWS(344, PND_TRIGGER_PANIC, {"debug=0x6c44", 0, "wait"});
    CHECK_ROWS(123, PND_TRIGGER_NMI, {"debug=0x844", 0, "wait"});
}

static void a_request_to_reboot_is_heard_in_every_generation(void)
{
    CHECK_ROWS(2782, PND_TRIGGER_PANIC, {"debug=0x444", REBOOT_ONLY, "reboot"});
    CHECK_ROWS(3789, PND_TRIGGER_PANIC, {"debug=0x444", REBOOT_ONLY, "reboot"});
}

/* The words. */

static void the_reason_names_the_flag(void)
{
    CHECK_STR(first(0, "debug=0x104c44", PND_TRIGGER_PANIC, NO_DISK).why,
              "DB_REBOOT_ALWAYS (0x100000) is set");
    CHECK_STR(first(0, "debug=0x24c44", PND_TRIGGER_PANIC, 0).why,
              "DB_KERN_DUMP_ON_PANIC (0x400) is set");
    CHECK_STR(first(0, "debug=0x2444", PND_TRIGGER_PANIC, NO_DISK).why,
              "DB_PANICLOG_DUMP (0x2000) is set");
    CHECK_STR(first(0, "debug=0x840", PND_TRIGGER_NMI, 0).why,
              "DB_NMI (0x4) is not set, so an NMI does nothing");
    CHECK_STR(first(0, "debug=0x1", PND_TRIGGER_BOOT, 0).why, "DB_HALT (0x1) is set");
    CHECK_STR(first(0, "", PND_TRIGGER_PANIC, 0).why,
              "debug= is absent or 0, so nothing is registered");
    CHECK_STR(first(0, "debug=0x444", PND_TRIGGER_PANIC, RESTRICTED).why,
              "kernel debugging is restricted on this machine");
    CHECK_STR(first(4570, "debug=0x844", PND_TRIGGER_NMI, NO_DISK).why,
              "xnu 4570 sends no core on an NMI, and stays in the debugger");
    CHECK_STR(first(0, "debug=0x44", PND_TRIGGER_NMI, 0).why,
              "DB_NMI (0x4) is set, so an NMI enters the debugger");
    CHECK_STR(first(0, "debug=0x44", PND_TRIGGER_DEBUGGER, 0).why, "Debugger() was called");
    CHECK_STR(first(0, "debug=0x844", PND_TRIGGER_NMI, NO_DISK | DEBUGGER).why,
              "a debugger is connected, which decides about dumps");
    CHECK_STR(first(0, "debug=0x2040", PND_TRIGGER_PANIC, NO_LOG).why,
              "DB_PANICLOG_DUMP (0x2000) is set, but there is no panic log: a core instead");
    CHECK_STR(first(4570, "debug=0x844", PND_TRIGGER_PANIC, NO_DISK).why,
              "DB_KERN_DUMP_ON_NMI (0x800) is set, which xnu 4570 takes for panics");
    CHECK_STR(first(0, "debug=0x1", PND_TRIGGER_BOOT, RESTRICTED).why,
              "kernel debugging is restricted on this machine");
}

static void a_missing_local_core_has_its_reason(void)
{
    CHECK(!first(0, "debug=0xc44", PND_TRIGGER_PANIC, 0).no_local);
    CHECK_STR(first(0, "debug=0x24c44", PND_TRIGGER_PANIC, 0).no_local,
              "DB_DISABLE_LOCAL_CORE (0x20000) is set");
    CHECK_STR(first(0, "debug=0xc44", PND_TRIGGER_PANIC, NO_DISK).no_local,
              "the core file could not be opened prior to panic");
    CHECK_STR(first(0, "debug=0xc44 coredump_encryption=3", PND_TRIGGER_PANIC, 0).no_local,
              "coredump_encryption demands an encrypted core, which cannot be made here");
    CHECK_STR(first(0, "debug=0x444", PND_TRIGGER_NMI, 0).no_local,
              "DB_KERN_DUMP_ON_NMI (0x800) is not set, and this is no panic");
    CHECK_STR(first(0, "debug=0xc44", PND_TRIGGER_PANIC, SKIP_LOCAL).no_local,
              "the panic asked for no local core");
    CHECK_STR(first(0, "", PND_TRIGGER_PANIC, 0).no_local,
              "debug= is absent or 0, so nothing is registered");
    CHECK_STR(first(2782, "debug=0xc44", PND_TRIGGER_PANIC, 0).no_local,
              "this generation of xnu writes no local core");
}

int main(void)
{
    RUN(a_network_core_on_panic_needs_0x400);
    RUN(without_a_server_the_network_routine_runs_and_fails);
    RUN(a_network_core_on_an_nmi_needs_0x804_and_the_machine_goes_on);
    RUN(with_0x1000_it_stays_in_the_debugger);
    RUN(only_the_panic_log_needs_0x2000_which_wins_over_0x400);
    RUN(a_panic_log_is_for_panics);
    RUN(with_0x4000_success_reboots);
    RUN(a_panic_log_never_counts_as_a_core);
    RUN(debug_0x44_only_waits_for_a_debugger);
    RUN(with_0x1_a_debugger_attaches_at_boot);
    RUN(debug_0x104c44_makes_no_network_dump_on_current_systems);
    RUN(before_4903_0x104c44_dumps_to_the_network_and_reboots);
    RUN(debug_0xd44_dumps_on_panic_and_nmi_and_waits_after_a_panic);
    RUN(debug_0x144_enters_the_debugger_and_dumps_nothing);
    RUN(debug_0x141_waits_at_boot);
    RUN(debug_0x444_dumps_on_panic_and_waits);
    RUN(debug_0xc44_dumps_on_both);
    RUN(debug_0x14e_is_for_development);
    RUN(debug_0x24c44_dumps_to_the_network_only_and_reboots_on_success);
    RUN(debug_0x2444_sends_only_the_panic_log);
    RUN(step_2_a_panic_may_ask_for_its_log_and_a_reboot);
    RUN(step_3_without_the_local_core_and_with_0x4000_it_reboots);
    RUN(step_4_a_local_core_with_0x4000_reboots_before_the_network);
    RUN(step_5_0x100000_reboots_before_the_network);
    RUN(step_6_arm64_needs_kdp_match_name);
    RUN(step_7_without_transport_it_reboots_or_stands);
    RUN(without_transport_a_machine_that_did_not_panic_goes_on);
    RUN(without_debug_or_restricted_nothing_is_dumped);
    RUN(before_8019_nothing_was_restricted);
    RUN(an_nmi_without_0x4_does_nothing);
    RUN(a_connected_debugger_keeps_an_nmi_from_dumping);
    RUN(the_local_core_needs_0x400_or_0x800);
    RUN(x86_writes_it_on_an_nmi_only_with_0x800);
    RUN(an_enforced_encryption_leaves_out_the_local_core);
    RUN(an_aborted_dump_is_followed_by_no_other);
    RUN(what_is_asked_for_is_sent_and_nothing_else);
    RUN(in_4570_an_nmi_sends_nothing);
    RUN(in_3247_to_3789_the_disk_comes_first_in_the_network_routine);
    RUN(in_3247_to_3789_local_is_the_disk_only);
    RUN(up_to_2782_there_is_only_the_network);
    RUN(from_1456_to_3789_any_attempt_reboots);
    RUN(up_to_1228_nothing_reboots_after_a_dump);
    RUN(before_517_there_are_no_dumps);
    RUN(a_request_to_reboot_is_heard_in_every_generation);
    RUN(the_reason_names_the_flag);
    RUN(a_missing_local_core_has_its_reason);
    return tap_done();
}
