/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The boot-args that touch a dump, as each generation reads them, and the table of debug=. */
#include "tap.h"

#include "panicd/bootargs.h"

enum { CURRENT = 0 };

static struct pnd_bootargs args_of(uint32_t xnu, const char *line)
{
    struct pnd_bootargs args;

    memset(&args, 0xa5, sizeof(args));
    pnd_bootargs_read(line, xnu, &args);
    return args;
}

static void an_empty_line_gives_the_defaults(void)
{
    struct pnd_bootargs args = args_of(CURRENT, "");

    CHECK_EQ(args.xnu, PND_XNU_CURRENT);
    CHECK_EQ(args.debug, 0);
    CHECK(!args.has_panicd_ip && !args.has_router_ip && !args.has_corename);
    CHECK(!args.has_ip_addr && !args.has_match_name && !args.has_match_mac);
    CHECK_STR(args.panicd_ip, "");
    CHECK_STR(args.router_ip, "");
    CHECK_STR(args.corename, "");
    CHECK_STR(args.ip_addr, "");
    CHECK_STR(args.match_name, "");
    CHECK_STR(args.match_mac, "");
    CHECK_EQ(args.server, 0);
    CHECK_EQ(args.router, 0);
    CHECK_EQ(args.own, 0);
    CHECK_EQ(args.port, 1069);
    CHECK_EQ(args.block_bytes, 1406);
    CHECK(!args.keepsyms);
    CHECK_EQ(args.corefile_mb, 0);
    CHECK_EQ(args.coredump_encryption, 1);
    CHECK_EQ(args.phys_carveout_mb, 0);
    CHECK(args.phys_carveout_core);
    CHECK(!args.verbose_panic_flow);
    CHECK_EQ(args.nested_panic_max, 2);
    CHECK_EQ(args.panic_restart_timeout, 0);
    CHECK_EQ(args.panic_io_port, 0);
    CHECK_EQ(args.pvpanic_io_port, 0);
    CHECK(!args.watchdog_off);
}

static void a_full_line_is_read_whole(void)
{
    struct pnd_bootargs args = args_of(
        CURRENT, "debug=0xd44 _panicd_ip=10.0.40.2 _router_ip=10.0.40.1 panicd_port=2069 "
                 "_panicd_corename=core-x kdp_crashdump_pkt_size=512 kdp_ip_addr=10.0.40.7 "
                 "kdp_match_name=en7 kdp_match_mac=001122aabbcc keepsyms=1 corefile_size_mb=2048 "
                 "coredump_encryption=3 phys_carveout_mb=16 phys_carveout_core=0 "
                 "verbose_panic_flow_logging=1 nested_panic_max=5 panic_restart_timeout=30 "
                 "panic_io_port=0x501 pvpanic_io_port=0x505 wdt=-1");

    CHECK_EQ(args.debug, 0xd44);
    CHECK(args.has_panicd_ip && args.has_router_ip && args.has_corename);
    CHECK(args.has_ip_addr && args.has_match_name && args.has_match_mac);
    CHECK_STR(args.panicd_ip, "10.0.40.2");
    CHECK_STR(args.router_ip, "10.0.40.1");
    CHECK_EQ(args.server, 0x0a002802);
    CHECK_EQ(args.router, 0x0a002801);
    CHECK_EQ(args.own, 0x0a002807);
    CHECK_EQ(args.port, 2069);
    CHECK_STR(args.corename, "core-x");
    CHECK_EQ(args.block_bytes, 512);
    CHECK_STR(args.match_name, "en7");
    CHECK_STR(args.match_mac, "001122aabbcc");
    CHECK(args.keepsyms);
    CHECK_EQ(args.corefile_mb, 2048);
    CHECK_EQ(args.coredump_encryption, 3);
    CHECK_EQ(args.phys_carveout_mb, 16);
    CHECK(!args.phys_carveout_core);
    CHECK(args.verbose_panic_flow);
    CHECK_EQ(args.nested_panic_max, 5);
    CHECK_EQ(args.panic_restart_timeout, 30);
    CHECK_EQ(args.panic_io_port, 0x501);
    CHECK_EQ(args.pvpanic_io_port, 0x505);
    CHECK(args.watchdog_off);
}

static void addresses_keep_19_characters(void)
{
    struct pnd_bootargs args =
        args_of(CURRENT, "_panicd_ip=0123456789012345678901 _router_ip=abcdefghijklmnopqrstuvw");

    CHECK_STR(args.panicd_ip, "0123456789012345678");
    CHECK_STR(args.router_ip, "abcdefghijklmnopqrs");
    CHECK_EQ(args.server, 0);
    CHECK_EQ(args.router, 0);
}

static void a_core_name_keeps_99_characters_and_49_before_3789(void)
{
    char line[200] = "_panicd_corename=";

    memset(line + strlen(line), 'n', 120);
    CHECK_EQ(strlen(args_of(CURRENT, line).corename), 99);
    CHECK_EQ(strlen(args_of(3789, line).corename), 99);
    CHECK_EQ(strlen(args_of(3248, line).corename), 49);
    CHECK_EQ(strlen(args_of(1486, line).corename), 49);
    CHECK(args_of(1486, line).has_corename);
    CHECK_EQ(strlen(args_of(1456, line).corename), 0);
    CHECK(!args_of(1456, line).has_corename);
}

static void the_other_names_are_cut_to_their_room(void)
{
    struct pnd_bootargs args = args_of(CURRENT, "kdp_match_name=a123456789b123456789c123456789d12 "
                                                "kdp_match_mac=00:11:22:33:44:55:66 "
                                                "kdp_ip_addr=100.100.100.100xxxxxx");

    CHECK_STR(args.match_name, "a123456789b123456789c123456789d");
    CHECK_STR(args.match_mac, "00:11:22:33:44:55");
    CHECK_STR(args.ip_addr, "100.100.100.100xxxx");
    CHECK_EQ(args.own, 0);
}

static void the_port_is_a_boot_arg_since_1228_and_has_16_bits(void)
{
    CHECK_EQ(args_of(792, "panicd_port=2069").port, 1069);
    CHECK_EQ(args_of(1228, "panicd_port=2069").port, 2069);
    CHECK_EQ(args_of(CURRENT, "panicd_port=0x12345").port, 0x2345);
    CHECK_EQ(args_of(3789, "panicd_port=0x12345").port, 0x2345);
    CHECK_EQ(args_of(CURRENT, "panicd_port=0").port, 0);
    CHECK_EQ(args_of(CURRENT, "_panicd_port=2069").port, 1069);
    CHECK_EQ(args_of(CURRENT, "panicd_port=1 panicd_port=2").port, 2);
}

static void text_lands_in_the_port_as_in_the_original(void)
{
    CHECK_EQ(args_of(CURRENT, "panicd_port=ab").port, 0x0061);
    CHECK_EQ(args_of(7195, "panicd_port=ab").port, 0x0061);
    CHECK_EQ(args_of(6153, "panicd_port=ab").port, 0x6261);
}

static void the_block_is_a_boot_arg_since_1699_and_limited_since_7195(void)
{
    CHECK_EQ(args_of(1504, "kdp_crashdump_pkt_size=512").block_bytes, 1406);
    CHECK_EQ(args_of(1699, "kdp_crashdump_pkt_size=512").block_bytes, 512);
    CHECK_EQ(args_of(6153, "kdp_crashdump_pkt_size=9000").block_bytes, 9000);
    CHECK_EQ(args_of(7195, "kdp_crashdump_pkt_size=9000").block_bytes, 1406);
    CHECK_EQ(args_of(7195, "kdp_crashdump_pkt_size=1407").block_bytes, 1406);
    CHECK_EQ(args_of(7195, "kdp_crashdump_pkt_size=1406").block_bytes, 1406);
    CHECK_EQ(args_of(7195, "kdp_crashdump_pkt_size=1405").block_bytes, 1405);
    CHECK_EQ(args_of(7195, "kdp_crashdump_pkt_size=0").block_bytes, 0);
}

static void what_a_generation_does_not_know_is_not_read(void)
{
    CHECK(!args_of(1504, "kdp_ip_addr=10.0.0.1").has_ip_addr);
    CHECK_EQ(args_of(1504, "kdp_ip_addr=10.0.0.1").own, 0);
    CHECK_EQ(args_of(1699, "kdp_ip_addr=10.0.0.1").own, 0x0a000001);
    CHECK_EQ(args_of(4570, "corefile_size_mb=7").corefile_mb, 0);
    CHECK_EQ(args_of(4903, "corefile_size_mb=7").corefile_mb, 7);
    CHECK_EQ(args_of(7195, "coredump_encryption=3").coredump_encryption, 1);
    CHECK_EQ(args_of(8019, "coredump_encryption=3").coredump_encryption, 3);
}

static void a_watchdog_is_off_only_with_minus_one(void)
{
    CHECK(args_of(CURRENT, "wdt=-1").watchdog_off);
    CHECK(!args_of(CURRENT, "wdt=1").watchdog_off);
    CHECK(!args_of(CURRENT, "wdt").watchdog_off);
}

static void debug_is_kept_as_given(void)
{
    CHECK_EQ(args_of(CURRENT, "debug=0x80000144").debug, 0x80000144);
    CHECK_EQ(args_of(CURRENT, "debug=0x100000044").debug, 0x44);
    CHECK_EQ(args_of(CURRENT, "debug").debug, 1);
    CHECK_EQ(args_of(CURRENT, "debug=1 debug=0x144").debug, 0x144);
    CHECK_EQ(args_of(CURRENT, "debug=0x14E").debug, 0x14e);
    CHECK_EQ(args_of(CURRENT, "debug=0X14e").debug, 0x315830); /* "0X1", as text */
}

static void an_address_is_four_numbers_up_to_255(void)
{
    static const char *const bad[] = {
        "",          "1",         "1.2.3",     "1.2.3.",     "1.2.3.4.",  "1.2.3.4.5", ".1.2.3",
        "1..2.3",    "256.0.0.1", "1.2.3.999", "1.2.3.0004", "a.b.c.d",   "1.2.3.4 ",  " 1.2.3.4",
        "1.2.3.4/8", "1.2.3.-4",  "1,2,3,4",   "0x1.2.3.4",  "localhost", "local",     "1.2.3.4a",
    };
    uint32_t address = 0xdeadbeef;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK_EQ(pnd_dotted_quad(bad[i], &address), PND_E_FORMAT);
        CHECK_EQ(address, 0xdeadbeef);
    }
    CHECK_EQ(pnd_dotted_quad("0.0.0.0", &address), PND_OK);
    CHECK_EQ(address, 0);
    CHECK_EQ(pnd_dotted_quad("255.255.255.255", &address), PND_OK);
    CHECK_EQ(address, 0xffffffff);
    CHECK_EQ(pnd_dotted_quad("192.168.1.20", &address), PND_OK);
    CHECK_EQ(address, 0xc0a80114);
    CHECK_EQ(pnd_dotted_quad("010.001.000.009", &address), PND_OK);
    CHECK_EQ(address, 0x0a010009);
}

static const struct {
    uint32_t bit;
    const char *name;
    uint16_t since, until;
    const char *word; /* of its meaning */
} flags[] = {
    {0x1, "DB_HALT", 123, 0, "booting"},
    {0x2, "DB_PRT", 123, 0, "print"},
    {0x4, "DB_NMI", 123, 0, "NMI"},
    {0x8, "DB_KPRT", 123, 0, "kprintf"},
    {0x10, "DB_KDB", 123, 0, "debugger"},
    {0x20, "DB_SLOG", 123, 3789, "syslog"},
    {0x40, "DB_ARP", 344, 0, "ARP"},
    {0x80, "DB_KDP_BP_DIS", 344, 0, "breakpoints"},
    {0x100, "DB_LOG_PI_SCRN", 344, 3789, "screen"},
    {0x200, "DB_KDP_GETC_ENA", 517, 0, "keys"},
    {0x400, "DB_KERN_DUMP_ON_PANIC", 517, 0, "panic"},
    {0x800, "DB_KERN_DUMP_ON_NMI", 517, 0, "NMI"},
    {0x1000, "DB_DBG_POST_CORE", 517, 0, "stay"},
    {0x2000, "DB_PANICLOG_DUMP", 517, 0, "panic log"},
    {0x4000, "DB_REBOOT_POST_CORE", 1456, 0, "reboot"},
    {0x8000, "DB_NMI_BTN_ENA", 2422, 0, "button"},
    {0x10000, "DB_PRT_KDEBUG", 3247, 6153, "kdebug"},
    {0x20000, "DB_DISABLE_LOCAL_CORE", 3247, 0, "local core"},
    {0x40000, "DB_DISABLE_GZIP_CORE", 3789, 0, "compress"},
    {0x80000, "DB_DISABLE_CROSS_PANIC", 4903, 0, "co-processor"},
    {0x100000, "DB_REBOOT_ALWAYS", 4903, 0, "never wait"},
    {0x200000, "DB_DISABLE_STACKSHOT_TO_DISK", 6153, 0, "stackshot"},
    {0x400000, "DB_DEBUG_IP_INIT", 8796, 0, "boot loader"},
    {0x800000, "DB_SOC_HALT_ENABLE", 8796, 0, "boot loader"},
};

enum { FLAG_COUNT = sizeof(flags) / sizeof(flags[0]) };

static void every_flag_has_its_name_meaning_and_range(void)
{
    for (unsigned i = 0; i < FLAG_COUNT; i++) {
        const struct pnd_debug_flag *flag = pnd_debug_flag(i);

        CHECK(flag != NULL);
        if (!flag)
            return;
        CHECK_EQ(flag->bit, flags[i].bit);
        CHECK_STR(flag->name, flags[i].name);
        CHECK_EQ(flag->since, flags[i].since);
        CHECK_EQ(flag->until, flags[i].until);
        CHECK(strstr(flag->meaning, flags[i].word) != NULL);
        CHECK(flag->meaning[strlen(flag->meaning) - 1] != '.');
    }
    CHECK(pnd_debug_flag(FLAG_COUNT) == NULL);
    CHECK(pnd_debug_flag(UINT32_MAX) == NULL);
}

static void a_flag_means_something_in_its_generations_only(void)
{
    for (unsigned i = 0; i < FLAG_COUNT; i++) {
        uint32_t bit = flags[i].bit;
        uint16_t until = flags[i].until ? flags[i].until : UINT16_MAX;

        CHECK_EQ(pnd_debug_effective(bit, flags[i].since - 1U), 0);
        CHECK_EQ(pnd_debug_effective(bit, flags[i].since), bit);
        CHECK_EQ(pnd_debug_effective(bit, until), bit);
        CHECK_EQ(pnd_debug_effective(UINT32_MAX, until + 1U) & bit, flags[i].until ? 0 : bit);
    }
}

static void bits_without_a_meaning_have_none(void)
{
    CHECK_EQ(pnd_debug_effective(UINT32_MAX, CURRENT), 0xfefedf);
    CHECK_EQ(pnd_debug_effective(UINT32_MAX, 1228), 0x3fff);
    CHECK_EQ(pnd_debug_effective(0, CURRENT), 0);
    CHECK_EQ(pnd_debug_effective(0x104c44, 4570), 0x4c44);
    CHECK_EQ(pnd_debug_effective(0x104c44, 4903), 0x104c44);
    CHECK_EQ(pnd_debug_effective(0xd44, CURRENT), 0xc44);
}

int main(void)
{
    RUN(an_empty_line_gives_the_defaults);
    RUN(a_full_line_is_read_whole);
    RUN(addresses_keep_19_characters);
    RUN(a_core_name_keeps_99_characters_and_49_before_3789);
    RUN(the_other_names_are_cut_to_their_room);
    RUN(the_port_is_a_boot_arg_since_1228_and_has_16_bits);
    RUN(text_lands_in_the_port_as_in_the_original);
    RUN(the_block_is_a_boot_arg_since_1699_and_limited_since_7195);
    RUN(what_a_generation_does_not_know_is_not_read);
    RUN(a_watchdog_is_off_only_with_minus_one);
    RUN(debug_is_kept_as_given);
    RUN(an_address_is_four_numbers_up_to_255);
    RUN(every_flag_has_its_name_meaning_and_range);
    RUN(a_flag_means_something_in_its_generations_only);
    RUN(bits_without_a_meaning_have_none);
    return tap_done();
}
