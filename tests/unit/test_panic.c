/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The panic routine on a machine of paper: which dumps come, in which order, what the console says
 * about them, and how it ends. PROTOCOL.md#kdp-2.4, #kdp-2.8. */
#include "panic_machine.h"
#include "tap.h"

#include "wire/corefile.h"

#define NET "_panicd_ip=10.0.40.2 kdp_match_name=en0 "

static uint8_t core[1 << 20];

static struct pnd_panic_report report(void)
{
    struct pnd_panic_report out;

    pnd_panic_report(&machine.panic, &out);
    return out;
}

static void check_received(const char *name, const char *prefix)
{
    const struct owner_dump *dump = owner_last(&machine.owner);
    size_t len = machine_core(core, sizeof(core), prefix);

    CHECK(machine.owner.broken == NULL);
    CHECK(dump && dump->state == OWNER_COMPLETE);
    if (!dump)
        return;
    CHECK_STR(dump->name, name);
    CHECK_EQ(dump->len, len);
    if (dump->len == len)
        CHECK_MEM(dump->bytes, core, len);
}

static struct pnd_corefile_header header(void)
{
    struct pnd_corefile_header out = {0};

    CHECK_EQ(pnd_corefile_read(machine.disk_bytes, sizeof(machine.disk_bytes), DISK_BYTES, &out),
             PND_OK);
    return out;
}

static struct pnd_corefile_entry entry(uint32_t index)
{
    struct pnd_corefile_header head = header();
    struct pnd_corefile_entry out = {0};

    CHECK_EQ(pnd_corefile_entry(&head, machine.disk_bytes, sizeof(machine.disk_bytes), index, &out),
             PND_OK);
    return out;
}

static void check_kernel_on_disk(uint32_t index, const char *prefix,
                                 enum pnd_corefile_packing packing)
{
    struct pnd_corefile_entry kernel = entry(index);
    size_t len = machine_core(core, sizeof(core), prefix);

    CHECK_STR(kernel.name, "kernel");
    CHECK_EQ(kernel.flags, packing);
    CHECK_EQ(kernel.length, len);
    if (kernel.length == len)
        CHECK_MEM(machine.disk_bytes + kernel.offset, core, len);
}

static void a_core_goes_to_the_network_and_the_machine_waits(void)
{
    machine_reset();
    CHECK_EQ(machine_panic(NET "debug=0x20444"), RESUMED);
    check_received("core-xnu-11417.1.2-10.0.40.1-a5001516.gz", "GZIP");
    CHECK(report().net_core == PND_DONE_OK && report().local == PND_NOT_DONE);
    CHECK_EQ(report().core.regions, 2);
    CHECK_EQ(report().core.unreadable_bytes, 4096);
    CHECK_STR(report().name, "core-xnu-11417.1.2-10.0.40.1-a5001516.gz");
    CHECK_EQ(machine.disk_writes, 0);
    CHECK_EQ(machine.from_port, 1069);
    CHECK_EQ(machine.block_max, 1406);
}

static void its_texts_come_in_the_order_of_the_original(void)
{
    machine_reset();
    machine_panic(NET "debug=0x20444");
    CHECK(CONSOLE_HAS_IN_ORDER(
        "Entering system dump routine\n",
        "Attempting connection to panic server configured at IP 10.0.40.2, port 1069\n",
        "Resolved 10.0.40.2's (or proxy's) link level address\n",
        "Transmitting packets to link level address: 02:00:00:00:00:02\n",
        "Kernel map size is 163840\n",
        "Sending write request for core-xnu-11417.1.2-10.0.40.1-a5001516.gz\n",
        "Transmitting kernel state, please wait:\n", "10..20..30..40..50..60..70..80..90..100..\n",
        "Memory: 163840 bytes in 2 regions, of which 4096 could not be read and are X.\n",
        "The server holds all of the dump: ", " bytes in ", " s: ", " KiB/s.\n",
        "Packets: ", ", of which 0 were repeated; round trip ", " us.\n",
        "Staying in the debugger: after a panic the machine waits for a debugger.\n",
        "Ethernet MAC address: 02:00:00:00:00:01\n", "IP address: 10.0.40.1\n",
        "Waiting for remote debugger connection.\n"));
    CHECK(!console_has("Press c"));
    CHECK(!console_has("Error"));
}

static void after_a_core_that_succeeded_it_reboots_if_it_is_told_to(void)
{
    machine_reset();
    CHECK_EQ(machine_panic(NET "debug=0x24c44"), PND_PANIC_REBOOT);
    CHECK(console_has("Rebooting: a core was sent, and DB_REBOOT_POST_CORE (0x4000) is set.\n"));
    machine_reset();
    machine.serves = false;
    CHECK_EQ(machine_panic(NET "debug=0x24c44"), RESUMED);
    CHECK_EQ(report().net_core, PND_DONE_FAILED);
}

static void the_panic_log_alone_is_sent_as_it_is(void)
{
    const struct owner_dump *dump;

    machine_reset();
    CHECK_EQ(machine_panic(NET "debug=0x26444"), RESUMED);
    CHECK(CONSOLE_HAS_IN_ORDER("Entering system dump routine\n",
                               "Sending write request for paniclog-xnu-11417.1.2-10.0.40.1-",
                               "Transmitting panic log, please wait:\n",
                               "The server holds all of the dump: 39 bytes"));
    dump = owner_last(&machine.owner);
    CHECK(dump && dump->state == OWNER_COMPLETE && dump->len == machine.event.log_len);
    if (dump && dump->len == machine.event.log_len)
        CHECK_MEM(dump->bytes, machine.event.log, dump->len);
    CHECK(report().net_log == PND_DONE_OK && report().net_core == PND_NOT_DONE);
    CHECK(!console_has("Kernel map size"));
}

static const char *const ring[] = {"the older half, ", "and the newer one\n"};
static unsigned ring_parts;

static const void *system_log(void *ctx, unsigned part, size_t *ret_len)
{
    (void)ctx;
    if (part >= ring_parts)
        return NULL;
    *ret_len = strlen(ring[part]);
    return ring[part];
}

static void the_system_log_is_sent_when_it_is_asked_for(void)
{
    for (ring_parts = 0; ring_parts <= 2; ring_parts++) {
        char want[64];
        const struct owner_dump *dump;

        snprintf(want, sizeof(want), "%s%s", ring_parts > 0 ? ring[0] : "",
                 ring_parts > 1 ? ring[1] : "");
        machine_reset();
        machine.platform.system_log = system_log;
        machine.event.trigger = PND_TRIGGER_DEBUGGER;
        machine.event.asked = PND_ASKED_SYSTEM_LOG;
        CHECK_EQ(machine_panic(NET "debug=0x104c44"), PND_PANIC_CONTINUE);
        CHECK(CONSOLE_HAS_IN_ORDER("Sending write request for systemlog-xnu-11417.1.2-10.0.40.1-",
                                   "Transmitting system log, please wait:\n",
                                   "Continuing: what was asked for is done"));
        dump = owner_last(&machine.owner);
        CHECK(dump && dump->state == OWNER_COMPLETE && dump->len == strlen(want));
        if (dump && dump->len > 0 && dump->len == strlen(want))
            CHECK_MEM(dump->bytes, want, dump->len);
        CHECK_EQ(machine.disk_writes, 0);
    }
}

static void a_log_that_is_asked_for_and_not_there_is_missed(void)
{
    machine_reset();
    machine.event.asked = PND_ASKED_SYSTEM_LOG;
    CHECK_EQ(machine_panic(NET "debug=0x44"), RESUMED);
    CHECK(console_has("Error: there is no such log.\n"));
    CHECK_EQ(machine.datagrams, 0);
    machine_reset();
    machine.event.log = NULL;
    machine.event.asked = PND_ASKED_LOG;
    CHECK_EQ(machine_panic(NET "debug=0x44"), RESUMED);
    CHECK(console_has("Error: there is no such log.\n"));
    machine_reset();
    machine.platform.nic = NULL;
    machine.event.trigger = PND_TRIGGER_NMI;
    machine.event.asked = PND_ASKED_CORE;
    CHECK_EQ(machine_panic(NET "debug=0x44"), PND_PANIC_CONTINUE);
    CHECK(console_has("Error: No transport device registered for kernel crashdump\n"));
}

static void the_local_core_comes_first(void)
{
    struct pnd_corefile_header head;
    const char *log;

    machine_reset();
    CHECK_EQ(machine_panic(NET "debug=0xc44"), RESUMED);
    CHECK(CONSOLE_HAS_IN_ORDER("Writing local kernel core, please wait:\n", "10..20..", "..100..\n",
                               "Memory: 163840 bytes in 2 regions", "The local corefile has ",
                               "Entering system dump routine\n"));
    check_kernel_on_disk(0, "LZ4", PND_COREFILE_LZ4);
    check_received("core-xnu-11417.1.2-10.0.40.1-a5001516.gz", "GZIP");
    head = header();
    CHECK_EQ(head.files, 1);
    log = (const char *)machine.disk_bytes + head.log_offset;
    CHECK_MEM(log, machine.event.log, machine.event.log_len);
    CHECK(strstr(log, "The local corefile has ") != NULL);
    CHECK(report().local == PND_DONE_OK && report().net_core == PND_DONE_OK);
}

static void a_local_core_that_succeeded_may_be_all(void)
{
    static const char region[] = "FUNK and so on";

    machine_reset();
    machine.event.panic_region = region;
    machine.event.panic_region_len = sizeof(region);
    CHECK_EQ(machine_panic(NET "debug=0x104c44 keepsyms=1"), PND_PANIC_REBOOT);
    CHECK(!console_has("Entering system dump routine"));
    CHECK_EQ(machine.datagrams + machine.arp_requests, 0);
    CHECK_EQ(header().files, 2);
    CHECK_STR(entry(0).name, "panic_region");
    CHECK_EQ(entry(0).length, sizeof(region));
    CHECK_MEM(machine.disk_bytes + entry(0).offset, region, sizeof(region));
    check_kernel_on_disk(1, "LZ4", PND_COREFILE_LZ4);
}

static void how_the_local_core_is_packed_depends_on_the_train_and_on_what_is_there(void)
{
    machine_reset();
    machine_panic_xnu("debug=0x4c44", 8020);
    check_kernel_on_disk(0, "GZIP", PND_COREFILE_GZIP);
    machine_reset();
    machine.platform.lz4 = NULL;
    machine_panic("debug=0x4c44");
    check_kernel_on_disk(0, "GZIP", PND_COREFILE_GZIP);
    machine_reset();
    machine_panic("debug=0x44c44");
    check_kernel_on_disk(0, "", PND_COREFILE_RAW);
    CHECK_EQ(machine.begun, 0);
    machine_reset();
    machine.platform.lz4 = machine.platform.gzip = NULL;
    machine_panic("debug=0x4c44");
    check_kernel_on_disk(0, "", PND_COREFILE_RAW);
    CHECK(console_has("No compressor is there: the local core is written as it is.\n"));
}

static void without_a_place_for_a_local_core_it_says_why(void)
{
    machine_reset();
    machine.platform.disk = NULL;
    machine.platform.disk_why = "no Apple_KernelCoreDump partition";
    CHECK_EQ(machine_panic("debug=0x104c44"), PND_PANIC_REBOOT);
    CHECK(CONSOLE_HAS_IN_ORDER(
        "skipping local kernel core because core file could not be opened prior to panic "
        "(mode : 0x0, error : 0x13)\n",
        "There is no place for a local core: no Apple_KernelCoreDump partition.\n"));
    machine_reset();
    machine.platform.disk = NULL;
    machine_panic("debug=0x24c44");
    CHECK(!console_has("skipping local kernel core"));
    CHECK(console_has("No local core: DB_DISABLE_LOCAL_CORE (0x20000) is set.\n"));
    machine_reset();
    machine_panic("debug=0x444 coredump_encryption=3");
    CHECK(console_has("No local core: coredump_encryption demands an encrypted core"));
    CHECK_EQ(machine.disk_writes, 0);
}

static void a_full_disk_keeps_the_log_and_leads_on_to_the_network(void)
{
    struct pnd_corefile_header head;

    machine_reset();
    machine.disk.bytes = 128 * 1024;
    CHECK_EQ(machine_panic(NET "debug=0x4c44"), PND_PANIC_REBOOT);
    CHECK(CONSOLE_HAS_IN_ORDER("Error: the kernel's memory is not in the local corefile: ",
                               "has 131072 bytes: make it larger", "Entering system dump routine"));
    head = header();
    CHECK_EQ(head.files, 0);
    CHECK_MEM(machine.disk_bytes + head.log_offset, machine.event.log, machine.event.log_len);
    CHECK(report().local == PND_DONE_FAILED && report().net_core == PND_DONE_OK);
    CHECK_EQ(report().err, PND_E_NOSPACE);
}

static void a_disk_that_fails_is_told_of_wherever_it_does(void)
{
    unsigned writes;

    machine_reset();
    machine_panic("debug=0x104c44");
    writes = machine.disk_writes;
    CHECK(writes > 20);
    for (unsigned at = 1; at <= writes; at += 1 + at / 4) {
        machine_reset();
        machine.disk_fails_from = at;
        machine_panic("debug=0x104c44");
        CHECK_EQ(report().local, PND_DONE_FAILED);
        CHECK_EQ(report().err, PND_E_SYS);
        CHECK(console_has("Error: the "));
    }
}

static void a_silent_server_is_told_from_one_that_is_not_there(void)
{
    uint64_t before_us;

    machine_reset();
    machine.serves = false;
    before_us = machine.now_us;
    CHECK_EQ(machine_panic(NET "debug=0x20444"), RESUMED);
    CHECK(console_has("Error: no answer from 10.0.40.2. Is panicd running there, and may UDP port "
                      "1069 come in?\n"));
    CHECK_EQ(report().err, PND_E_TIMEOUT);
    CHECK(machine.now_us - before_us > 50000000 && machine.now_us - before_us < 60000000);
    machine_reset();
    machine.answers_arp = false;
    machine_panic(NET "debug=0x20444");
    CHECK(console_has("Error: nobody answers for 10.0.40.2, and no gateway is known. Check "
                      "_panicd_ip, or name a router: _router_ip=a.b.c.d\n"));
    CHECK_EQ(report().err, PND_E_NOROUTE);
    CHECK_EQ(machine.arp_requests, 4);
    CHECK_EQ(machine.datagrams, 0);
}

static void a_server_that_falls_silent_is_given_up_without_an_end(void)
{
    machine_reset();
    machine.silent_after = 20;
    machine.platform.patience_us = 8000000;
    CHECK_EQ(machine_panic(NET "debug=0x20444"), RESUMED);
    CHECK(console_has("Error: 10.0.40.2 does not answer any more, after 26714 bytes.\n"));
    CHECK_EQ(machine.owner.dump_count, 0);
    CHECK_EQ(report().net_core, PND_DONE_FAILED);
}

static void a_server_that_only_answers_the_request_may_be_behind_a_firewall(void)
{
    machine_reset();
    machine.silent_after = 1;
    machine.platform.patience_us = 8000000;
    CHECK_EQ(machine_panic(NET "debug=0x20444"), RESUMED);
    CHECK(console_has("Error: 10.0.40.2 answered, and then no more. Does a firewall there block "
                      "the port that it answers from?\n"));
    CHECK(!console_has("Is panicd running"));
}

static void a_log_longer_than_the_place_leaves_room_for_the_memory(void)
{
    static char log[2 * DISK_BYTES];
    struct pnd_corefile_header head = {0};

    memset(log, 'l', sizeof(log));
    machine_reset();
    machine.event.log = log;
    machine.event.log_len = sizeof(log);
    CHECK_EQ(machine_panic("debug=0x404 kdp_match_name=en0"), RESUMED);
    CHECK_EQ(report().local, PND_DONE_OK);
    CHECK_EQ(pnd_corefile_read(machine.disk_bytes, sizeof(machine.disk_bytes), DISK_BYTES, &head),
             PND_OK);
    CHECK_EQ(head.files, 1);
    CHECK(head.log_length >= DISK_BYTES / 2 &&
          head.log_length <= DISK_BYTES / 2 + PND_COREFILE_OTHER_LOG_CAP);
}

static void fail_once(struct machine *m, unsigned number)
{
    m->disk_fails_from = number == 3 ? number : 0; /* the first of the panic region */
}

static void a_local_core_without_its_panic_region_has_failed(void)
{
    machine_reset();
    machine.event.panic_region = "a region";
    machine.event.panic_region_len = 8;
    machine.on_write = fail_once;
    CHECK_EQ(machine_panic(NET "debug=0x4c44"), PND_PANIC_REBOOT);
    CHECK(console_has("Error: the panic region is not in the local corefile"));
    CHECK_EQ(report().local, PND_DONE_FAILED);
    CHECK_EQ(report().net_core, PND_DONE_OK); /* so the network is tried */
}

static void a_refusal_is_shown_with_its_words_made_harmless(void)
{
    machine_reset();
    machine.refuses_code = 2;
    machine.refusal = "go\033[2J \"away\"";
    CHECK_EQ(machine_panic(NET "debug=0x20444"), RESUMED);
    CHECK(console_has("Error: 10.0.40.2 refuses the dump, with code 2 and the words "
                      "\"go\\x1b[2J \\x22away\\x22\"\n"));
    CHECK_EQ(report().err, PND_E_REFUSED);
    CHECK_EQ(machine.datagrams, 1);
    machine_reset();
    machine.refuses_code = 0;
    machine.refusal = "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20\21\22\23\24\25\26\27\30\31\32\33"
                      "\34\35\36\37\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20\21\22\23\24\25\26\27"
                      "\30\31\32\33\34\35\36\37\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20\21\22\23"
                      "\24\25\26\27\30\31\32\33\34\35\36\37\1\2\3\4\5\6\7\10\11\12\13\14\15\16";
    machine_panic(NET "debug=0x20444");
    CHECK(console_has("\"\\x01\\x02") && console_has("\\x0d\\x0e\"\n"));
}

static const char no_server[] =
    "A dump server was not specified in the boot-args, terminating kernel core dump.\n";

static void what_is_missing_is_named_and_what_to_type(void)
{
    machine_reset();
    CHECK_EQ(machine_panic("debug=0x20444 kdp_match_name=en0"), RESUMED);
    CHECK(CONSOLE_HAS_IN_ORDER("Entering system dump routine\n", no_server, "_panicd_ip=a.b.c.d\n",
                               "Waiting for remote debugger connection."));
    machine_reset();
    machine_panic("debug=0x20444 _panicd_ip=example\033.org");
    CHECK(console_has("Error: _panicd_ip takes an IPv4 address like 10.0.40.2, and not "
                      "\"example\\x1b.org\"\n"));
    machine_reset();
    machine.platform.own_ip = 0;
    machine_panic(NET "debug=0x20444");
    CHECK(console_has("Error: this machine has no IPv4 address: add kdp_ip_addr=a.b.c.d\n"));
    machine_reset();
    machine.platform.gzip = NULL;
    machine_panic(NET "debug=0x20444");
    CHECK(console_has("Zlib stage is not initialized. Cannot write a coredump to the network\n"));
    CHECK_EQ(machine.datagrams, 0);
}

static void without_an_interface_it_says_so_and_stands_still(void)
{
    machine_reset();
    pnd_panic_init(&machine.panic, &machine.platform, NET "debug=0x20444", 0);
    pnd_panic_set_nic(&machine.panic, NULL, 0, NULL);
    CHECK_EQ(machine_again(), PND_PANIC_SPIN);
    CHECK(CONSOLE_HAS_IN_ORDER(
        "Error: No transport device registered for kernel crashdump\n",
        "No interface that can dump has what kdp_match_name or kdp_match_mac asks for.\n",
        "Standing still: ", "Restart the machine by hand.\n"));
    CHECK(!console_has("Entering system dump routine"));
    machine_reset();
    machine.platform.nic = NULL;
    machine_panic("debug=0x20444 _panicd_ip=10.0.40.2");
    CHECK(console_has("kdp_match_name=en0\n"));
    machine_reset();
    machine.platform.nic = NULL;
    CHECK_EQ(machine_panic(""), PND_PANIC_REBOOT);
    CHECK(!console_has("Entering system dump routine"));
}

static void panic_restart_timeout_ends_the_standing_still(void)
{
    uint64_t before_us;

    machine_reset();
    machine.platform.nic = NULL;
    machine.step_us = 1000;
    before_us = machine.now_us;
    CHECK_EQ(machine_panic("debug=0x4 panic_restart_timeout=30"), PND_PANIC_REBOOT);
    CHECK(machine.now_us - before_us >= 30000000 && machine.now_us - before_us < 30100000);
    CHECK(console_has("The machine restarts in 30 s (panic_restart_timeout).\n"));
}

static void an_address_from_the_boot_args_stands_in_for_a_missing_one(void)
{
    static const uint8_t gateway[6] = {2, 0, 0, 0, 0, 0x77};

    machine_reset();
    pnd_panic_init(&machine.panic, &machine.platform,
                   NET "debug=0x20444 kdp_ip_addr=10.0.40.1 kdp_crashdump_pkt_size=700 "
                       "panicd_port=2000 _panicd_corename=mine",
                   0);
    pnd_panic_set_nic(&machine.panic, &machine.nic, 0, gateway);
    CHECK_EQ(machine_again(), RESUMED);
    check_received("mine", "GZIP");
    CHECK(console_has("configured at IP 10.0.40.2, port 2000\n"));
    CHECK(machine.from_port == 2000 && machine.to_port == 2000);
    CHECK_EQ(machine.block_max, 700);
    CHECK_EQ(pnd_panic_args(&machine.panic)->port, 2000);
}

static void an_older_train_may_ask_for_more_than_a_packet_takes(void)
{
    machine_reset();
    machine_panic_xnu(NET "debug=0x20444 kdp_crashdump_pkt_size=9000", 6153);
    check_received("core-xnu-11417.1.2-10.0.40.1-a5001516.gz", "GZIP");
    CHECK_EQ(machine.block_max, 1406);
}

static void without_compression_it_sends_the_core_as_it_is(void)
{
    machine_reset();
    machine.platform.gzip = NULL;
    CHECK_EQ(machine_panic(NET "debug=0x60444"), RESUMED);
    check_received("core-xnu-11417.1.2-10.0.40.1-a5001516", "");
    machine_reset();
    machine.platform.format = PND_CORE_ELF;
    machine_panic(NET "debug=0x60444");
    check_received("core-xnu-11417.1.2-10.0.40.1-a5001516", "");
    machine_reset();
    machine_panic_xnu(NET "debug=0x444", 2782); /* nothing is compressed before 3247 */
    check_received("core-xnu-11417.1.2-10.0.40.1-a5001516", "");
}

static void without_arp_only_the_gateway_is_used(void)
{
    static const uint8_t gateway[6] = {2, 0, 0, 0, 0, 0x77};

    machine_reset();
    machine_panic(NET "debug=0x20404");
    CHECK(console_has("Error: without DB_ARP (0x40) in debug= only the gateway can be used, and "
                      "none is known: add 0x40.\n"));
    CHECK_EQ(machine.arp_requests, 0);
    machine_reset();
    memcpy(machine.platform.gateway_mac, gateway, 6);
    machine_panic(NET "debug=0x20404 _router_ip=10.0.40.254");
    CHECK(console_has("Transmitting packets to link level address: 02:00:00:00:00:77\n"));
    CHECK(!console_has("Resolved") && !console_has("Routing"));
    CHECK_EQ(machine.arp_requests, 0);
    CHECK_MEM(machine.last_mac, gateway, 6);
    CHECK_EQ(report().net_core, PND_DONE_OK);
}

static void a_router_is_the_second_choice(void)
{
    machine_reset();
    machine.answers_arp = false;
    machine.router_answers_arp = true;
    machine_panic(NET "debug=0x20444 _router_ip=10.0.40.254");
    CHECK(CONSOLE_HAS_IN_ORDER("Routing through specified router IP 10.0.40.254\n",
                               "Transmitting packets to link level address: 02:00:00:00:00:fe\n"));
    CHECK_EQ(report().net_core, PND_DONE_OK);
}

static void an_nmi_dumps_and_the_machine_goes_on_twice(void)
{
    machine_reset();
    machine.event.trigger = PND_TRIGGER_NMI;
    machine.event.log = NULL;
    machine.event.log_len = 0;
    CHECK_EQ(machine_panic(NET "debug=0x20844"), PND_PANIC_CONTINUE);
    check_received("core-xnu-11417.1.2-10.0.40.1-a5001516.gz", "GZIP");
    CHECK_EQ(machine_again(), PND_PANIC_CONTINUE);
    check_received("core-xnu-11417.1.2-10.0.40.1-a5001517.gz", "GZIP");
    CHECK_EQ(machine.owner.dump_count, 2);
    CHECK_EQ(machine_panic(NET "debug=0x21844"), RESUMED);
    CHECK(console_has("Waiting for remote debugger connection."));
}

static void it_explains_itself_when_asked(void)
{
    machine_reset();
    machine_panic(NET "debug=0x24c44 verbose_panic_flow_logging=1");
    CHECK(CONSOLE_HAS_IN_ORDER(
        "Next step: network core, because DB_KERN_DUMP_ON_PANIC (0x400) is set.\n",
        "No local core: DB_DISABLE_LOCAL_CORE (0x20000) is set.\n",
        "Entering system dump routine\n", "Next step: reboot, because "));
}

static void keys_count_only_with_their_flag(void)
{
    machine_reset();
    machine.keys = "..xc";
    CHECK_EQ(machine_panic("debug=0x244"), PND_PANIC_CONTINUE);
    CHECK(console_has("Press c to continue, r to reboot.\n"));
    machine_reset();
    machine.keys = ".r";
    CHECK_EQ(machine_panic("debug=0x244"), PND_PANIC_REBOOT);
    machine_reset();
    machine.keys = "..cr..";
    CHECK_EQ(machine_panic("debug=0x44"), RESUMED);
    CHECK_EQ(machine.keys_asked, 7);
}

int main(void)
{
    RUN(a_core_goes_to_the_network_and_the_machine_waits);
    RUN(its_texts_come_in_the_order_of_the_original);
    RUN(after_a_core_that_succeeded_it_reboots_if_it_is_told_to);
    RUN(the_panic_log_alone_is_sent_as_it_is);
    RUN(the_system_log_is_sent_when_it_is_asked_for);
    RUN(a_log_that_is_asked_for_and_not_there_is_missed);
    RUN(the_local_core_comes_first);
    RUN(a_local_core_that_succeeded_may_be_all);
    RUN(how_the_local_core_is_packed_depends_on_the_train_and_on_what_is_there);
    RUN(without_a_place_for_a_local_core_it_says_why);
    RUN(a_full_disk_keeps_the_log_and_leads_on_to_the_network);
    RUN(a_disk_that_fails_is_told_of_wherever_it_does);
    RUN(a_silent_server_is_told_from_one_that_is_not_there);
    RUN(a_server_that_falls_silent_is_given_up_without_an_end);
    RUN(a_server_that_only_answers_the_request_may_be_behind_a_firewall);
    RUN(a_log_longer_than_the_place_leaves_room_for_the_memory);
    RUN(a_local_core_without_its_panic_region_has_failed);
    RUN(a_refusal_is_shown_with_its_words_made_harmless);
    RUN(what_is_missing_is_named_and_what_to_type);
    RUN(without_an_interface_it_says_so_and_stands_still);
    RUN(panic_restart_timeout_ends_the_standing_still);
    RUN(an_address_from_the_boot_args_stands_in_for_a_missing_one);
    RUN(an_older_train_may_ask_for_more_than_a_packet_takes);
    RUN(without_compression_it_sends_the_core_as_it_is);
    RUN(without_arp_only_the_gateway_is_used);
    RUN(a_router_is_the_second_choice);
    RUN(an_nmi_dumps_and_the_machine_goes_on_twice);
    RUN(it_explains_itself_when_asked);
    RUN(keys_count_only_with_their_flag);
    return tap_done();
}
