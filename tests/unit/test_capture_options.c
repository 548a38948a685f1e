/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The options of a crash kernel: what is read of its words, what is said of each mistake, and that
 * what is written is read as it was. */
#include "tap.h"

#include "capture/options.h"

static struct pnd_capture_options o;
static struct pnd_why why;

static int parse(const char *text)
{
    memset(&o, 0xa5, sizeof(o));
    strcpy(why.text, "of something else");
    return pnd_capture_options_parse(text, &o, &why);
}

static void a_server_alone_is_enough(void)
{
    CHECK_EQ(parse("_panicd_ip=10.0.40.2"), PND_OK);
    CHECK_EQ(o.server_count, 1);
    CHECK_EQ(o.servers[0].at.ip, 0x0a002802);
    CHECK_EQ(o.servers[0].at.port, 1069);
    CHECK_EQ(o.servers[0].via[0] | o.servers[0].via[5], 0);
    CHECK_EQ(o.after, PND_AFTER_REBOOT);
    CHECK_EQ(o.packing, PND_PACKING_AUTO);
    CHECK(!o.plain);
    CHECK_EQ(o.retry_s, 600);
    CHECK_EQ(o.watchdog_s, 120);
    CHECK_STR(o.vmcore, "/proc/vmcore");
    CHECK_EQ(o.filter + o.vlan + o.mtu + o.prefix + o.own_ip + o.router_ip, 0);
    CHECK_STR(o.local, "");
    CHECK_STR(o.match_name, "");
    CHECK_STR(o.match_mac, "");
    CHECK_STR(o.corename, "");
}

static void a_local_place_alone_is_enough(void)
{
    CHECK_EQ(parse("panicd_local=/dev/vda1"), PND_OK);
    CHECK_EQ(o.server_count, 0);
    CHECK_STR(o.local, "/dev/vda1");
}

static void every_option_is_read(void)
{
    CHECK_EQ(parse("quiet _panicd_ip=10.0.40.2:2069,10.0.40.3 panicd_port=1070\n"
                   "panicd_via=52:54:00:12:34:56,- _router_ip=10.0.40.1 "
                   "kdp_ip_addr=10.0.40.7/22\tkdp_match_name=eth1 "
                   "kdp_match_mac=52:54:00:AB:cd:EF panicd_vlan=4094 panicd_mtu=576 "
                   "_panicd_corename=mine panicd_vmcore=/tmp/core panicd_filter=31 "
                   "panicd_compress=none panicd_local=UUID=12-34:ext4:/var/crash panicd_retry=0 "
                   "panicd_watchdog=0 panicd_after=shell"),
             PND_OK);
    CHECK_EQ(o.server_count, 2);
    CHECK_EQ(o.servers[0].at.port, 2069);
    CHECK_EQ(o.servers[0].via[5], 0x56);
    CHECK_EQ(o.servers[1].at.ip, 0x0a002803);
    CHECK_EQ(o.servers[1].at.port, 1070);
    CHECK_EQ(o.servers[1].via[0], 0);
    CHECK_EQ(o.router_ip, 0x0a002801);
    CHECK_EQ(o.own_ip, 0x0a002807);
    CHECK_EQ(o.prefix, 22);
    CHECK_STR(o.match_name, "eth1");
    CHECK_STR(o.match_mac, "525400abcdef");
    CHECK_EQ(o.vlan, 4094);
    CHECK_EQ(o.mtu, 576);
    CHECK_STR(o.corename, "mine");
    CHECK_STR(o.vmcore, "/tmp/core");
    CHECK_EQ(o.filter, 31);
    CHECK_EQ(o.packing, PND_PACKING_NONE);
    CHECK_STR(o.local, "UUID=12-34:ext4:/var/crash");
    CHECK_EQ(o.retry_s + o.watchdog_s, 0);
    CHECK_EQ(o.after, PND_AFTER_SHELL);
}

static void of_a_word_that_stands_twice_the_first_counts(void)
{
    CHECK_EQ(parse("kdp_match_name=eth0 _panicd_ip=1.2.3.4 panicd_filter=1 "
                   "kdp_match_name=eth1 _panicd_ip=1.2.3.5 panicd_filter=31 panicd_filter=no"),
             PND_OK);
    CHECK_STR(o.match_name, "eth0");
    CHECK_EQ(o.server_count, 1);
    CHECK_EQ(o.servers[0].at.ip, 0x01020304);
    CHECK_EQ(o.filter, 1);
}

static void other_words_are_none_of_ours(void)
{
    CHECK_EQ(parse("x_panicd_ip=9.9.9.9 _panicd_ipx=9.9.9.9 _panicd_ip panicd_filter "
                   "panicd_filter= _panicd_ip=1.2.3.4 panicd_filters=7"),
             PND_OK);
    CHECK_EQ(o.servers[0].at.ip, 0x01020304);
    CHECK_EQ(o.filter, 0);
}

static void debug_decides_only_when_nothing_else_does(void)
{
    static const struct {
        const char *text;
        enum pnd_after after;
    } rows[] = {
        {"debug=0xd44 ", PND_AFTER_POWEROFF},
        {"debug=0x4d44 ", PND_AFTER_REBOOT},
        {"debug=0x100000 ", PND_AFTER_REBOOT},
        {"debug=0xd44 panicd_after=halt ", PND_AFTER_HALT},
        {"panicd_after=wait debug=0xd44 ", PND_AFTER_WAIT},
        {"debug ", PND_AFTER_REBOOT}, /* Linux' own word */
        {"debug=all ", PND_AFTER_REBOOT},
    };
    char text[128];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(text, sizeof(text), "%s_panicd_ip=1.2.3.4", rows[i].text);
        CHECK_EQ(parse(text), PND_OK);
        CHECK_EQ(o.after, rows[i].after);
    }
}

/* Each mistake is named with the option and its value; the rest holds. */
static void each_mistake_is_named_and_harms_nothing_else(void)
{
    static const char *const rows[][2] = {
        {"panicd_port=70000", "panicd_port=70000: not a number from 1 to 65535"},
        {"panicd_port=0", "panicd_port=0:"},
        {"panicd_via=52:54:00:12:34", "panicd_via=52:54:00:12:34: not the MAC"},
        {"panicd_via=01:00:5e:00:00:01", "panicd_via=01:00:5e:00:00:01: not the MAC"},
        {"panicd_via=00:00:00:00:00:00", "panicd_via=00:00:00:00:00:00: not the MAC"},
        {"panicd_via=5254:00:12:34:56", "panicd_via=5254:00:12:34:56:"},
        {"panicd_via=52:54:00:12:34:56:78", "panicd_via=52:54:00:12:34:56:78:"},
        {"panicd_via=-,-", "panicd_via=: 2 MACs for 1 servers"},
        {"_router_ip=10.0.40", "_router_ip=10.0.40: not an IPv4 address"},
        {"kdp_ip_addr=0.0.0.0", "kdp_ip_addr=0.0.0.0: not an IPv4 address"},
        {"kdp_ip_addr=10.0.40.7/33", "kdp_ip_addr=10.0.40.7/33: the network's size is /1 to /32"},
        {"kdp_ip_addr=10.0.40.7/", "kdp_ip_addr=10.0.40.7/: the network's size"},
        {"kdp_match_name=an-interface-of-16", "kdp_match_name=an-interface-of-16: at most 15 byte"},
        {"kdp_match_mac=52540012345", "kdp_match_mac=52540012345: not a MAC"},
        {"kdp_match_mac=5254001234567", "kdp_match_mac=5254001234567:"},
        {"panicd_vlan=4095", "panicd_vlan=4095: not a number from 1 to 4094"},
        {"panicd_vlan=0", "panicd_vlan=0:"},
        {"panicd_mtu=575", "panicd_mtu=575: not a number from 576 to 9000"},
        {"panicd_mtu=9001", "panicd_mtu=9001:"},
        {"panicd_filter=32", "panicd_filter=32: not a number from 0 to 31"},
        {"panicd_filter=-1", "panicd_filter=-1:"},
        {"panicd_compress=zstd", "panicd_compress=zstd: say auto, gzip, lz4 or none"},
        {"panicd_plain=2", "panicd_plain=2: not a number from 0 to 1"},
        {"panicd_retry=1h", "panicd_retry=1h: not a number"},
        {"panicd_watchdog=x\x1b[2J", "panicd_watchdog=x\\x1b[2J:"},
        {"panicd_after=sleep", "panicd_after=sleep: say reboot, poweroff, halt, wait or shell"},
    };
    char text[256];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(text, sizeof(text), "%s _panicd_ip=1.2.3.4 panicd_mtu=1400 panicd_after=halt",
                 rows[i][0]);
        CHECK_EQ(parse(text), PND_E_ARG);
        if (!strstr(why.text, rows[i][1])) {
            CHECK_STR(why.text, rows[i][1]);
        }
        CHECK(!strstr(why.text, "of something else"));
        CHECK_EQ(o.server_count, 1);
        CHECK_EQ(o.servers[0].at.ip, 0x01020304);
        CHECK_EQ(o.servers[0].at.port, 1069);
        CHECK_EQ(o.after, strstr(rows[i][0], "panicd_after") ? PND_AFTER_REBOOT : PND_AFTER_HALT);
        CHECK_EQ(o.mtu, strstr(rows[i][0], "panicd_mtu") ? 0 : 1400);
        CHECK_EQ(o.retry_s, 600);
    }
}

static void bad_servers_are_named_and_the_good_ones_keep_their_macs(void)
{
    CHECK_EQ(parse("_panicd_ip=mac.local,1.2.3.4,1.2.3.5:x "
                   "panicd_via=02:00:00:00:00:01,02:00:00:00:00:02"),
             PND_E_ARG);
    CHECK(strstr(why.text, "_panicd_ip=mac.local: not an IPv4 address") != NULL);
    CHECK(strstr(why.text, "; _panicd_ip=1.2.3.5:x: the port is") != NULL);
    CHECK_EQ(o.server_count, 1);
    CHECK_EQ(o.servers[0].at.ip, 0x01020304);
    CHECK_EQ(o.servers[0].via[5], 2);
    CHECK_EQ(parse("_panicd_ip=1.1.1.1,1.1.1.2,1.1.1.3,1.1.1.4,1.1.1.5,1.1.1.6,1.1.1.7,1.1.1.8,"
                   "1.1.1.9"),
             PND_E_ARG);
    CHECK(strstr(why.text, "at most 8 servers") != NULL);
    CHECK_EQ(o.server_count, 8);
    CHECK_EQ(o.servers[7].at.ip, 0x01010108);
}

static void nowhere_to_go_is_a_mistake(void)
{
    CHECK_EQ(parse("quiet panicd_filter=1 panicd_after=wait"), PND_E_ARG);
    CHECK(strstr(why.text, "add _panicd_ip=ADDRESS") != NULL);
    CHECK_EQ(o.after, PND_AFTER_WAIT);
    CHECK_EQ(parse(""), PND_E_ARG);
    CHECK_EQ(pnd_capture_options_parse("", &o, NULL), PND_E_ARG);
}

static void no_number_of_mistakes_overruns(void)
{
    static const char bad[] = "panicd_via=x,x,x,x,x,x,x,x _panicd_ip=y,y,y,y,y,y,y,y x=z ";
    char text[8192] = "";

    for (size_t i = 0; i < 40; i++) {
        memcpy(text + i * (sizeof(bad) - 1), bad, sizeof(bad));
        CHECK_EQ(parse(text), PND_E_ARG);
        CHECK(memchr(why.text, 0, sizeof(why.text)) != NULL);
    }
    memset(text, 'a', sizeof(text) - 1);
    memcpy(text, "panicd_local=", 13);
    text[sizeof(text) - 1] = '\0';
    CHECK_EQ(parse(text), PND_E_ARG);
    CHECK(strstr(why.text, "panicd_local=aaaa") != NULL);
    CHECK(strstr(why.text, "at most 255 bytes") != NULL);
}

static bool same(const struct pnd_capture_options *a, const struct pnd_capture_options *b)
{
    for (size_t i = 0; i < a->server_count; i++)
        if (a->servers[i].at.ip != b->servers[i].at.ip ||
            a->servers[i].at.port != b->servers[i].at.port ||
            memcmp(a->servers[i].via, b->servers[i].via, 6) != 0)
            return false;
    return a->server_count == b->server_count && a->router_ip == b->router_ip &&
           a->own_ip == b->own_ip && a->prefix == b->prefix && a->vlan == b->vlan &&
           a->mtu == b->mtu && a->filter == b->filter && a->packing == b->packing &&
           a->plain == b->plain && a->retry_s == b->retry_s && a->watchdog_s == b->watchdog_s &&
           a->after == b->after && strcmp(a->match_name, b->match_name) == 0 &&
           strcmp(a->match_mac, b->match_mac) == 0 && strcmp(a->corename, b->corename) == 0 &&
           strcmp(a->vmcore, b->vmcore) == 0 && strcmp(a->local, b->local) == 0;
}

static void what_is_written_is_read_as_it_was(void)
{
    static const char *const rows[] = {
        "_panicd_ip=10.0.40.2",
        "panicd_local=/dev/vda",
        "_panicd_ip=10.0.40.2:2069,10.0.40.3 panicd_via=-,52:54:00:12:34:56 kdp_ip_addr=1.2.3.4",
        "_panicd_ip=10.0.40.2 panicd_after=poweroff kdp_ip_addr=1.2.3.4/32 panicd_retry=0",
        "_panicd_ip=10.0.40.2 panicd_after=shell panicd_watchdog=0 panicd_compress=none",
        "_panicd_ip=10.0.40.2 panicd_compress=lz4 panicd_plain=1",
        "_panicd_ip=10.0.40.2 panicd_after=wait kdp_match_mac=525400ABCDEF _router_ip=1.2.3.9",
        "_panicd_ip=10.0.40.2 panicd_vlan=1 panicd_mtu=9000 panicd_filter=31 kdp_match_name=eth0",
        "_panicd_ip=1.2.3.4 _panicd_corename=a panicd_vmcore=/x panicd_local=PARTUUID=12",
    };
    struct pnd_capture_options before;
    char text[1024], again[1024];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CHECK_EQ(parse(rows[i]), PND_OK);
        before = o;
        CHECK_EQ(pnd_capture_options_format(&before, text, sizeof(text)), PND_OK);
        CHECK_EQ(parse(text), PND_OK);
        CHECK(same(&before, &o));
        CHECK_EQ(pnd_capture_options_format(&o, again, sizeof(again)), PND_OK);
        CHECK_STR(again, text);
    }
}

static void what_is_so_anyway_is_not_written_but_the_end_always_is(void)
{
    char text[256];

    CHECK_EQ(
        parse("_panicd_ip=10.0.40.2:1069 panicd_filter=0 panicd_retry=600 "
              "panicd_watchdog=120 panicd_compress=auto panicd_plain=0 panicd_vmcore=/proc/vmcore"),
        PND_OK);
    CHECK_EQ(pnd_capture_options_format(&o, text, sizeof(text)), PND_OK);
    CHECK_STR(text, "_panicd_ip=10.0.40.2 panicd_after=reboot");
}

static void what_does_not_fit_is_not_written(void)
{
    char text[256], whole[256];
    struct pnd_capture_options odd;

    CHECK_EQ(parse("_panicd_ip=10.0.40.2,10.0.40.3 panicd_via=-,52:54:00:12:34:56 "
                   "kdp_ip_addr=10.0.40.7/24 kdp_match_name=eth0 panicd_vlan=7"),
             PND_OK);
    CHECK_EQ(pnd_capture_options_format(&o, whole, sizeof(whole)), PND_OK);
    for (size_t cap = 0; cap <= strlen(whole); cap++) {
        memset(text, 'x', sizeof(text));
        CHECK_EQ(pnd_capture_options_format(&o, text, cap), PND_E_RANGE);
        CHECK(cap == 0 ? text[0] == 'x' : text[0] == '\0');
        CHECK_EQ(text[cap], 'x');
    }
    CHECK_EQ(pnd_capture_options_format(&o, text, strlen(whole) + 1), PND_OK);
    CHECK_STR(text, whole);
    odd = o;
    strcpy(odd.local, "UUID=1:ext4:/my dumps");
    CHECK_EQ(pnd_capture_options_format(&odd, text, sizeof(text)), PND_E_ARG);
    CHECK_STR(text, "");
    odd = o;
    odd.after = (enum pnd_after)5;
    CHECK_EQ(pnd_capture_options_format(&odd, text, sizeof(text)), PND_E_ARG);
}

/* In memory that ends with it, so that a sanitizer sees who reads on. */
static void every_truncation_is_read_to_its_end_and_no_further(void)
{
    static const char whole[] =
        "_panicd_ip=10.0.40.2:2069,10.0.40.3 panicd_port=1070 panicd_via=52:54:00:12:34:56,- "
        "_router_ip=10.0.40.1 kdp_ip_addr=10.0.40.7/22 kdp_match_name=eth1 "
        "kdp_match_mac=525400abcdef debug=0x44 panicd_vlan=7 panicd_compress=none "
        "panicd_local=UUID=12-34:ext4:/var/crash panicd_after=shell";
    unsigned good = 0;

    for (size_t len = 0; len < sizeof(whole); len++) {
        char *text = malloc(len + 1);

        if (!text)
            abort();
        memcpy(text, whole, len);
        text[len] = '\0';
        if (parse(text) == PND_OK) {
            good++;
            CHECK(o.server_count > 0 && o.server_count <= 2);
        } else {
            CHECK(why.text[0] && strcmp(why.text, "of something else") != 0);
        }
        free(text);
    }
    CHECK(good > 0 && good < sizeof(whole));
    CHECK_EQ(o.after, PND_AFTER_SHELL);
}

int main(void)
{
    RUN(a_server_alone_is_enough);
    RUN(a_local_place_alone_is_enough);
    RUN(every_option_is_read);
    RUN(of_a_word_that_stands_twice_the_first_counts);
    RUN(other_words_are_none_of_ours);
    RUN(debug_decides_only_when_nothing_else_does);
    RUN(each_mistake_is_named_and_harms_nothing_else);
    RUN(bad_servers_are_named_and_the_good_ones_keep_their_macs);
    RUN(nowhere_to_go_is_a_mistake);
    RUN(no_number_of_mistakes_overruns);
    RUN(every_truncation_is_read_to_its_end_and_no_further);
    RUN(what_is_written_is_read_as_it_was);
    RUN(what_is_so_anyway_is_not_written_but_the_end_always_is);
    RUN(what_does_not_fit_is_not_written);
    return tap_done();
}
