/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What comes between a panic and the end of its dump: another panic, an NMI, a debugger, a link
 * that goes down. On a machine of paper. PROTOCOL.md#kdp-2.4, #kdp-2.7. */
#include "panic_machine.h"
#include "tap.h"

#include "client/panic.h"
#include "wire/corefile.h"
#include "wire/frame.h"

#define NET "_panicd_ip=10.0.40.2 kdp_match_name=en0 "

static struct pnd_panic_report report(void)
{
    struct pnd_panic_report out;

    pnd_panic_report(&machine.panic, &out);
    return out;
}

static uint32_t files_on_disk(void)
{
    struct pnd_corefile_header out = {0};

    CHECK_EQ(pnd_corefile_read(machine.disk_bytes, sizeof(machine.disk_bytes), DISK_BYTES, &out),
             PND_OK);
    return out.files;
}

static unsigned fault_at;

static void fault(struct machine *m, unsigned number)
{
    (void)m;
    if (number == fault_at)
        machine_panic_again();
}

static void always_fault(struct machine *m, unsigned number)
{
    (void)m;
    (void)number;
    machine_panic_again();
}

static void a_fault_in_the_dumped_memory_ends_the_network_dump(void)
{
    for (fault_at = 1; fault_at <= MEMORY_PAGES; fault_at++) {
        machine_reset();
        machine.on_map = fault;
        CHECK_EQ(machine_panic(NET "debug=0x24c44"), RESUMED);
        CHECK(CONSOLE_HAS_IN_ORDER("Transmitting kernel state, please wait:\n",
                                   "System dump aborted.\n", "Staying in the debugger: "));
        CHECK(report().aborted && report().net_core == PND_DONE_FAILED);
        CHECK_EQ(report().err, PND_E_ABORTED);
        CHECK_EQ(machine.errors, 1); /* the server is told, once */
        CHECK_EQ(machine.owner.dump_count, 0);
        CHECK(machine.owner.broken == NULL);
    }
}

static void a_fault_while_the_local_core_is_written_keeps_the_files_that_are_whole(void)
{
    static const char region[] = "FUNK";

    for (fault_at = 1; fault_at <= MEMORY_PAGES; fault_at += 3) {
        machine_reset();
        machine.event.panic_region = region;
        machine.event.panic_region_len = sizeof(region);
        machine.on_map = fault;
        CHECK_EQ(machine_panic(NET "debug=0xc44"), RESUMED);
        CHECK(CONSOLE_HAS_IN_ORDER("Writing local kernel core", "System dump aborted.\n",
                                   "Waiting for remote debugger connection."));
        CHECK(report().aborted && report().local == PND_DONE_FAILED);
        CHECK_EQ(files_on_disk(), 1);
        CHECK_EQ(machine.datagrams, 0); /* no other dump is begun */
    }
}

static void a_fault_in_the_driver_is_not_followed_by_another_packet(void)
{
    for (fault_at = 1; fault_at <= 40; fault_at += 3) {
        unsigned sent;

        machine_reset();
        machine.on_send = fault;
        machine.keys = "......";
        CHECK_EQ(machine_panic(NET "debug=0x24c44"), RESUMED);
        sent = machine.sends;
        CHECK_EQ(sent, fault_at);
        CHECK_EQ(machine.errors, 0);
        CHECK(console_has("System dump aborted.\n"));
    }
}

static void a_disk_driver_that_faults_ends_it_too(void)
{
    unsigned writes;

    machine_reset();
    machine_panic("debug=0x104c44");
    writes = machine.disk_writes;
    for (fault_at = 1; fault_at <= writes; fault_at += 1 + fault_at / 5) {
        machine_reset();
        machine.on_write = fault;
        CHECK_EQ(machine_panic("debug=0x104c44"), PND_PANIC_REBOOT);
        CHECK_EQ(report().local, PND_DONE_FAILED);
        CHECK_EQ(machine.disk_writes, fault_at);
    }
}

static int print_faults_left;

static void print_and_fault(void *ctx, const char *text, size_t len)
{
    (void)ctx;
    (void)text;
    (void)len;
    print_faults_left--;
    machine_panic_again();
}

static void too_many_panics_within_a_panic_stand_still(void)
{
    machine_reset();
    print_faults_left = 100;
    machine.platform.print = print_and_fault;
    CHECK_EQ(machine_panic(NET "debug=0x24c44"), PND_PANIC_SPIN);
    /* The run, two within it, and the word about the third. */
    CHECK_EQ(print_faults_left, 96);
    CHECK_EQ(machine.datagrams, 0);
    machine_reset();
    fault_at = 3;
    machine.on_map = fault;
    CHECK_EQ(machine_panic(NET "debug=0x24c44 nested_panic_max=0"), PND_PANIC_SPIN);
    CHECK(console_has("Panic number 1 within the panic: the machine stands still.\n"));
    CHECK_EQ(machine.errors, 0);
}

static void fault_and_break_the_driver(struct machine *m, unsigned number)
{
    if (number != fault_at)
        return;
    m->on_send = always_fault;
    machine_panic_again();
}

static void telling_the_server_may_fault_as_well(void)
{
    unsigned sent;

    machine_reset();
    fault_at = 5;
    machine.on_map = fault_and_break_the_driver;
    CHECK_EQ(machine_panic(NET "debug=0x24c44"), RESUMED);
    sent = machine.sends;
    CHECK_EQ(machine.errors, 0);
    CHECK_EQ(sent, 1); /* frames are counted from where the driver broke: one try, and no other */
    CHECK(CONSOLE_HAS_IN_ORDER("System dump aborted.\n", "Waiting for remote debugger"));
}

static void (*print_before)(void *ctx, const char *text, size_t len);

static void print_or_fault(void *ctx, const char *text, size_t len)
{
    print_before(ctx, text, len);
    if (len == strlen("System dump aborted.\n") && memcmp(text, "System dump aborted.", 20) == 0)
        machine_panic_again();
}

static void only_the_first_panic_within_it_tells_the_server(void)
{
    machine_reset();
    fault_at = 5;
    machine.on_map = fault;
    print_before = machine.platform.print;
    machine.platform.print = print_or_fault;
    CHECK_EQ(machine_panic(NET "debug=0x24c44"), RESUMED);
    CHECK(console_has("Waiting for remote debugger connection.\n"));
    CHECK_EQ(machine.errors, 0);
}

static void ask_for_it(void)
{
    struct pnd_arp arp = {.op = PND_ARP_REQUEST, .from_ip = ROUTER, .to_ip = OWN};
    uint8_t to[6] = {255, 255, 255, 255, 255, 255};
    int len = pnd_arp_build(machine.frames[0].bytes, sizeof(machine.frames[0].bytes), to, &arp);

    CHECK(len > 0);
    machine.frames[0].len = (size_t)len;
    machine.frame_count = 1;
}

static int nmi(void)
{
    static const struct pnd_event event = {.trigger = PND_TRIGGER_NMI};

    return (int)pnd_panic_run(&machine.panic, &event);
}

static void press_the_button(struct machine *m, unsigned number)
{
    (void)m;
    if (number % 7 == 0)
        CHECK_EQ(nmi(), PND_PANIC_CONTINUE);
}

static void an_nmi_within_a_dump_changes_nothing(void)
{
    static const char *const lines[] = {NET "debug=0x20440", NET "debug=0x20c44",
                                        NET "debug=0x21844"};

    for (unsigned i = 0; i < 3; i++) {
        machine_reset();
        machine.on_map = machine.on_send = press_the_button;
        if (i == 2)
            machine.event.trigger = PND_TRIGGER_NMI;
        CHECK_EQ(machine_panic(lines[i]), RESUMED);
        CHECK(!console_has("aborted"));
        CHECK_EQ(report().net_core, PND_DONE_OK);
        CHECK_EQ(machine.owner.dump_count, 1);
        for (unsigned again = 0; i < 2 && again < 5; again++) /* nor when it waits after a panic */
            CHECK_EQ(nmi(), PND_PANIC_CONTINUE);
    }
}

/* A kernel whose trap returns into the wait that it interrupted. */
static int (*key_before)(void *ctx);
static unsigned keys_seen;

static int an_nmi_comes_between_keys(void *ctx)
{
    if (++keys_seen == 3) {
        CHECK_EQ(nmi(), PND_PANIC_CONTINUE);
        ask_for_it();
    }
    return key_before(ctx);
}

static void a_wait_goes_on_after_an_nmi_that_dumped(void)
{
    static const char *const lines[] = {
        "debug=0xa45 kdp_match_name=en0",                      /* the disk only */
        NET "debug=0x20a45", NET "debug=0xa45",                /* the network only; both */
        "debug=0x20a45 kdp_match_name=en0 _panicd_ip=nowhere", /* neither */
    };

    for (unsigned i = 0; i < 4; i++) {
        machine_reset();
        keys_seen = 0;
        key_before = machine.platform.key;
        machine.platform.key = an_nmi_comes_between_keys;
        machine.keys = ".......c";
        machine.event.trigger = PND_TRIGGER_BOOT;
        CHECK_EQ(machine_panic(lines[i]), PND_PANIC_CONTINUE);
        CHECK_EQ(machine.keys_asked, 8);
        CHECK_EQ(machine.arp_replies, 1);
        CHECK_EQ(machine.owner.dump_count, i == 1 || i == 2);
        CHECK(CONSOLE_HAS_IN_ORDER("Staying in the debugger: DB_HALT", "Continuing: "));
        machine.event.trigger = PND_TRIGGER_PANIC; /* and what comes later is no panic within it */
        machine.platform.key = key_before;
        machine.keys = "c";
        CHECK_EQ(machine_again(), PND_PANIC_CONTINUE);
        CHECK(!console_has("aborted"));
    }
}

static void a_panic_while_a_run_begins_begins_it_anew(void)
{
    struct panic *p = (struct panic *)(void *)&machine.panic;

    machine_reset();
    CHECK_EQ(pnd_panic_init(&machine.panic, &machine.platform, NET "debug=0x24c44", 0), PND_OK);
    p->depth = 1; /* the first of all runs was interrupted before it knew anything */
    CHECK_EQ(machine_again(), PND_PANIC_REBOOT);
    CHECK_EQ(report().net_core, PND_DONE_OK);
    machine_reset();
    CHECK_EQ(machine_panic("debug=0x4c44 kdp_match_name=en0"), PND_PANIC_REBOOT);
    CHECK_EQ(report().local, PND_DONE_OK);
    p->depth = 1; /* the second one was */
    p->armed = false;
    machine.disk_writes = 0;
    CHECK_EQ(machine_again(), PND_PANIC_REBOOT);
    CHECK(machine.disk_writes > 0); /* what the first one wrote does not count */
}

static void a_fault_in_what_was_asked_for_is_followed_by_what_debug_says(void)
{
    machine_reset();
    fault_at = 5;
    machine.on_map = fault;
    machine.event.trigger = PND_TRIGGER_DEBUGGER;
    machine.event.asked = PND_ASKED_CORE;
    CHECK_EQ(machine_panic(NET "debug=0x104c44"), PND_PANIC_REBOOT);
    CHECK(CONSOLE_HAS_IN_ORDER("System dump aborted.\n", "DB_REBOOT_ALWAYS"));
    CHECK_EQ(machine.errors, 1);
}

static void a_debuggers_packet_before_the_first_answer_tells_the_server(void)
{
    machine_reset();
    machine.debugger_after = 1;
    machine.silent_after = 0;
    machine.platform.follow_debugger_packets = true;
    CHECK_EQ(machine_panic(NET "debug=0x24c44"), RESUMED);
    CHECK_EQ(machine.errors, 1);
}

static void a_machine_that_waits_since_its_boot_dumps_on_an_nmi(void)
{
    machine_reset();
    machine.event.trigger = PND_TRIGGER_BOOT;
    CHECK_EQ(machine_panic(NET "debug=0x20845"), RESUMED);
    CHECK(console_has("Staying in the debugger: DB_HALT (0x1) is set.\n"));
    CHECK_EQ(machine.owner.dump_count, 0);
    machine.event.trigger = PND_TRIGGER_NMI;
    CHECK_EQ(machine_again(), PND_PANIC_CONTINUE);
    CHECK_EQ(machine.owner.dump_count, 1);

    machine_reset();
    machine.event.trigger = PND_TRIGGER_BOOT;
    CHECK_EQ(machine_panic(NET "debug=0x21845"), RESUMED);
    machine.event.trigger = PND_TRIGGER_NMI;
    for (unsigned i = 1; i <= OWNER_DUMPS_CAP; i++) { /* again and again: none is within another */
        CHECK_EQ(machine_again(), RESUMED);
        CHECK_EQ(machine.owner.dump_count, i);
    }
}

static void a_debuggers_packet_takes_the_machine_over_if_one_is_followed(void)
{
    machine_reset();
    machine.debugger_after = 5;
    CHECK_EQ(machine_panic(NET "debug=0x24c44"), PND_PANIC_REBOOT);
    CHECK_EQ(report().net_core, PND_DONE_OK);
    machine_reset();
    machine.debugger_after = 5;
    machine.platform.follow_debugger_packets = true;
    CHECK_EQ(machine_panic(NET "debug=0x24c44"), RESUMED);
    CHECK(CONSOLE_HAS_IN_ORDER("Transmitting kernel state, please wait:\n",
                               "Received a debugger packet,transferring control to debugger\n",
                               "Waiting for remote debugger connection.\n"));
    CHECK(report().aborted && report().net_core == PND_DONE_FAILED);
    CHECK_EQ(machine.errors, 1);
    CHECK(machine.owner.broken == NULL);
}

static void a_link_that_is_down_is_waited_for(void)
{
    machine_reset();
    machine.down_from_us = machine.now_us;
    machine.down_until_us = machine.now_us + 20000000;
    CHECK_EQ(machine_panic(NET "debug=0x24c44"), PND_PANIC_REBOOT);
    CHECK(console_has("Waiting for link to become available.\n"));
    CHECK_EQ(report().net_core, PND_DONE_OK);
    CHECK_EQ(report().net.retransmissions, 0);
    CHECK_EQ(machine.arp_requests, 1);

    machine_reset();
    machine.down_from_us =
        machine.now_us + 5000; /* in the middle of it, longer than it is patient */
    machine.down_until_us = machine.now_us + 90000000;
    CHECK_EQ(machine_panic(NET "debug=0x24c44"), PND_PANIC_REBOOT);
    CHECK(CONSOLE_HAS_IN_ORDER("Transmitting kernel state",
                               "Waiting for link to become available.\n",
                               "The server holds all of the dump"));
}

static void take_the_link_down(struct machine *m, unsigned number)
{
    if (number % 10)
        return;
    m->down_from_us = m->now_us;
    m->down_until_us = m->now_us + 20000000;
}

static void a_link_that_comes_and_goes_is_told_of_once(void)
{
    const char *first;

    machine_reset();
    machine.on_map = take_the_link_down;
    CHECK_EQ(machine_panic(NET "debug=0x24c44"), PND_PANIC_REBOOT);
    CHECK(machine.now_us > 80000000);
    first = strstr(machine.console, "Waiting for link");
    CHECK(first && !strstr(first + 1, "Waiting for link"));
}

static void lose_the_link_and_fault(struct machine *m, unsigned number)
{
    if (number != fault_at)
        return;
    m->down_from_us = m->now_us;
    m->down_until_us = UINT64_MAX;
    machine_panic_again();
}

static void a_link_that_stays_down_ends_it_after_an_hour(void)
{
    machine_reset();
    machine.down_until_us = UINT64_MAX;
    CHECK_EQ(machine_panic(NET "debug=0x24c44"), RESUMED);
    CHECK(console_has("Error: the interface has no link, or has failed.\n"));
    CHECK(machine.now_us > 3600000000 && machine.now_us < 3700000000);
    machine_reset();
    fault_at = 5; /* and nobody is told over it */
    machine.on_map = lose_the_link_and_fault;
    CHECK_EQ(machine_panic(NET "debug=0x24c44"), RESUMED);
    CHECK(console_has("System dump aborted.\n"));
    CHECK_EQ(machine.errors, 0);
    CHECK(machine.now_us < 10000000); /* nor is it waited for */
}

static void while_it_waits_it_can_be_found(void)
{
    machine_reset();
    machine.keys = "..";
    ask_for_it();
    CHECK_EQ(machine_panic("debug=0x44 kdp_match_name=en0"), RESUMED);
    CHECK_EQ(machine.arp_replies, 1);
    machine_reset();
    machine.keys = "..";
    ask_for_it();
    CHECK_EQ(machine_panic("debug=0x4 kdp_match_name=en0"), RESUMED); /* without DB_ARP */
    CHECK_EQ(machine.arp_replies, 0);
    machine_reset();
    machine.keys = "....";
    machine.send_err = PND_E_LINK;
    ask_for_it();
    CHECK_EQ(machine_panic("debug=0x44 kdp_match_name=en0"), RESUMED);
    CHECK_EQ(machine.keys_asked, 5);
}

static void what_cannot_be_used_is_refused(void)
{
    machine_reset();
    machine.platform.memory = NULL;
    CHECK_EQ(pnd_panic_init(&machine.panic, &machine.platform, "", 0), PND_E_ARG);
    machine_reset();
    machine.platform.print = NULL;
    CHECK_EQ(pnd_panic_init(&machine.panic, &machine.platform, "", 0), PND_E_ARG);
    machine_reset();
    machine.platform.now_us = NULL;
    CHECK_EQ(pnd_panic_init(&machine.panic, &machine.platform, "", 0), PND_E_ARG);
    machine_reset();
    machine.platform.ticks = NULL;
    CHECK_EQ(pnd_panic_init(&machine.panic, &machine.platform, "", 0), PND_E_ARG);
    machine_reset();
    machine.platform.key = NULL; /* these may be missing */
    machine.platform.printed = NULL;
    machine.platform.disk = NULL;
    machine.platform.nic = NULL;
    CHECK_EQ(machine_panic("debug=0x4"), PND_PANIC_SPIN);
}

int main(void)
{
    RUN(a_fault_in_the_dumped_memory_ends_the_network_dump);
    RUN(a_fault_while_the_local_core_is_written_keeps_the_files_that_are_whole);
    RUN(a_fault_in_the_driver_is_not_followed_by_another_packet);
    RUN(a_disk_driver_that_faults_ends_it_too);
    RUN(too_many_panics_within_a_panic_stand_still);
    RUN(telling_the_server_may_fault_as_well);
    RUN(only_the_first_panic_within_it_tells_the_server);
    RUN(an_nmi_within_a_dump_changes_nothing);
    RUN(a_wait_goes_on_after_an_nmi_that_dumped);
    RUN(a_panic_while_a_run_begins_begins_it_anew);
    RUN(a_fault_in_what_was_asked_for_is_followed_by_what_debug_says);
    RUN(a_debuggers_packet_before_the_first_answer_tells_the_server);
    RUN(a_machine_that_waits_since_its_boot_dumps_on_an_nmi);
    RUN(a_debuggers_packet_takes_the_machine_over_if_one_is_followed);
    RUN(a_link_that_is_down_is_waited_for);
    RUN(a_link_that_comes_and_goes_is_told_of_once);
    RUN(a_link_that_stays_down_ends_it_after_an_hour);
    RUN(while_it_waits_it_can_be_found);
    RUN(what_cannot_be_used_is_refused);
    return tap_done();
}
