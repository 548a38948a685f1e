/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Dumps under the names of FreeBSD's netdumpd: PROTOCOL.md#netdump-11. */
#include <dirent.h>

#include "image/kdh.h"
#include "store/savecore.h"
#include "unit/catalog_fixture.h"

static struct pnd_savecore_beside beside;
static struct pnd_savecore_names names;
static struct pnd_dump dump;
static uint8_t header[PND_KDH_BYTES];
static const uint8_t key[] = {1, 2, 3, 4};

static void make_header(enum pnd_kdh_kind kind, uint8_t packing, uint32_t key_bytes)
{
    struct pnd_kdh kdh = {
        .kind = kind,
        .version = 4,
        .architecture_version = 2,
        .block_bytes = 4096,
        .key_bytes = key_bytes,
        .dump_bytes = 8192,
        .time_s = 1795329000,
        .packing = packing,
        .architecture = "amd64",
        .host = "crash-1.example.org",
        .os = "FreeBSD 14.1-RELEASE\n    GENERIC\n",
        .panic = "page fault\nDump complete",
    };

    CHECK_EQ(pnd_kdh_write(&kdh, header), PND_OK);
    beside = (struct pnd_savecore_beside){.header = header, .header_len = sizeof(header)};
}

/* A dump as the checker leaves it. */
static void a_file(uint64_t id, const char *file, enum pnd_dump_state state)
{
    dump = a_dump(id, file);
    dump.name[0] = '\0';
    dump.state = state;
    snprintf(dump.protocol, sizeof(dump.protocol), "netdump");
    snprintf(dump.format, sizeof(dump.format), "freebsd-minidump");
    tmp_write(file, "hello", 5);
}

static const char *content(const char *file)
{
    static char text[4096];
    int fd = open(tmp_file(file), O_RDONLY);
    ssize_t len = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;

    if (fd >= 0)
        close(fd);
    text[len > 0 ? len : 0] = '\0';
    return text;
}

static const char *link_of(const char *file)
{
    static char text[256];
    ssize_t len = readlink(tmp_file(file), text, sizeof(text) - 1);

    text[len > 0 ? len : 0] = '\0';
    return text;
}

static unsigned files(void)
{
    DIR *dir = opendir(tmp_path);
    unsigned count = 0;

    for (struct dirent *entry; dir && (entry = readdir(dir));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
                 strcmp(entry->d_name, ".panicd") != 0;
    if (dir)
        closedir(dir);
    return count;
}

static int place(void)
{
    memset(&names, 0xff, sizeof(names));
    return pnd_savecore_place(&spool, &beside, &dump, &names, &why);
}

/* ---- names ---- */

static void a_dump_gets_its_names(void)
{
    setup();
    make_header(PND_KDH_KERNEL, PND_KDH_PLAIN, 0);
    a_file(1, "core-x", PND_DUMP_COMPLETE);
    CHECK_EQ(place(), PND_OK);
    CHECK_STR(dump.file, "vmcore.crash-1.0");
    CHECK_STR(names.host, "crash-1");
    CHECK_STR(names.info, "info.crash-1.0");
    CHECK_STR(content("vmcore.crash-1.0"), "hello");
    CHECK_STR(content("bounds.crash-1"), "1\n");
    CHECK_STR(link_of("vmcore.crash-1.last"), "vmcore.crash-1.0");
    CHECK_STR(link_of("info.crash-1.last"), "info.crash-1.0");
    CHECK_STR(content("info.crash-1.0"), "Dump from crash-1 [10.0.40.7]\n"
                                         "  Architecture: amd64\n"
                                         "  Architecture Version: 2\n"
                                         "  Dump Length: 8192\n"
                                         "  Blocksize: 4096\n"
                                         "  Compression: none\n"
                                         "  Dumptime: 2026-11-22 06:30:00 +0000\n"
                                         "  Hostname: crash-1.example.org\n"
                                         "  Version String: FreeBSD 14.1-RELEASE     GENERIC\n"
                                         "  Panic String: page fault Dump complete\n"
                                         "  Header Parity Check: good\n"
                                         "Dump complete\n");
    CHECK_EQ(files(), 5);
    teardown();
}

static void each_kind_of_dump_has_its_name(void)
{
    static const struct {
        enum pnd_kdh_kind kind;
        uint8_t packing;
        bool key;
        enum pnd_dump_state state;
        const char *file;
    } rows[] = {
        {PND_KDH_KERNEL, PND_KDH_GZIP, false, PND_DUMP_COMPLETE, "vmcore.crash-1.0.gz"},
        {PND_KDH_KERNEL, PND_KDH_ZSTD, false, PND_DUMP_COMPLETE, "vmcore.crash-1.0.zst"},
        {PND_KDH_TEXT, PND_KDH_PLAIN, false, PND_DUMP_COMPLETE, "textdump.tar.crash-1.0"},
        {PND_KDH_KERNEL, PND_KDH_PLAIN, true, PND_DUMP_COMPLETE, "vmcore_encrypted.crash-1.0"},
        {PND_KDH_KERNEL, PND_KDH_ZSTD, true, PND_DUMP_COMPLETE, "vmcore_encrypted.crash-1.0.zst"},
        {PND_KDH_KERNEL, PND_KDH_GZIP, false, PND_DUMP_INCOMPLETE,
         "vmcore.crash-1.0.gz.incomplete"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct stat st = {0};

        setup();
        make_header(rows[i].kind, rows[i].packing, rows[i].key ? sizeof(key) : 0);
        if (rows[i].key) {
            beside.key = key;
            beside.key_len = sizeof(key);
        }
        a_file(1, "core-x", rows[i].state);
        CHECK_EQ(place(), PND_OK);
        CHECK_STR(dump.file, rows[i].file);
        CHECK(tmp_exists(rows[i].file) && !tmp_exists("core-x"));
        CHECK_EQ(lstat(tmp_file("key.crash-1.0"), &st) == 0, rows[i].key);
        if (rows[i].key) {
            CHECK_EQ(st.st_mode & 07777, 0400);
            CHECK_EQ(st.st_size, (long long)sizeof(key));
        }
        CHECK_EQ(pnd_savecore_remove(&spool, dump.file, &why), PND_OK);
        CHECK_EQ(files(), 2); /* the dump and its bounds */
        teardown();
    }
}

static void without_a_header_its_address_and_its_facts_do(void)
{
    struct pnd_facts facts = {0};
    char text[PND_SAVECORE_INFO_CAP];

    setup();
    beside = (struct pnd_savecore_beside){.facts = &facts};
    a_file(1, "a", PND_DUMP_INCOMPLETE);
    snprintf(dump.reason, sizeof(dump.reason), "the sender fell silent");
    snprintf(dump.format, sizeof(dump.format), "gzip");
    CHECK_EQ(place(), PND_OK);
    CHECK_STR(dump.file, "vmcore.10.0.40.7.0.gz.incomplete");
    CHECK_STR(content("info.10.0.40.7.0"), "Dump from 10.0.40.7 [10.0.40.7]\n"
                                           "  Dump Length: 5\n"
                                           "  Dumptime: 2026-11-22 06:30:00 +0000\n"
                                           "Dump incomplete: client timed out\n");
    pnd_facts_set(&facts, PND_FACT_HOST, "../../etc", 9);
    pnd_facts_set(&facts, PND_FACT_PANIC, "why\n  Hostname: other", 21);
    a_file(2, "b", PND_DUMP_INCOMPLETE);
    snprintf(dump.reason, sizeof(dump.reason), "disk\nfull");
    CHECK_EQ(place(), PND_OK);
    CHECK_STR(dump.file, "vmcore.10.0.40.7.1.incomplete");
    CHECK(strstr(content(names.info), "  Panic String: why   Hostname: other\n"));
    CHECK(strstr(content(names.info), "\nDump unsuccessful: disk\\x0afull\n"));
    pnd_facts_set(&facts, PND_FACT_HOST, "mac pro/\x1b.local", 15);
    a_file(3, "c", PND_DUMP_COMPLETE);
    CHECK_EQ(place(), PND_OK);
    CHECK_STR(names.host, "mac_pro__");
    dump.peer[0] = '\0';
    pnd_facts_set(&facts, PND_FACT_HOST, "17.example", 10);
    pnd_savecore_host(&beside, &dump, names.host);
    CHECK_STR(names.host, "unknown");
    snprintf(dump.peer, sizeof(dump.peer), "n]\n  Hostname: other"); /* a certificate's name */
    pnd_savecore_info(&beside, &dump, "h", text);
    CHECK(strncmp(text, "Dump from h [n]\\x0a  Hostname: other]\n", 37) == 0);
    pnd_facts_deinit(&facts);
    teardown();
}

static void names_of_what_lies_beside_are_no_dumps(void)
{
    static const char *const beside_names[] = {"info.h.0", "key.h.12", "info.10.0.0.7.3",
                                               "bounds.h"};
    static const char *const others[] = {"info.0",  "info.h",     "info.h.01",
                                         "info..1", "key.h.x",    "information.h.1",
                                         "bounds.", "vmcore.h.0", "info.h.12345678901234567890"};

    for (size_t i = 0; i < sizeof(beside_names) / sizeof(*beside_names); i++)
        CHECK(pnd_savecore_is_beside(beside_names[i]));
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        CHECK(!pnd_savecore_is_beside(others[i]));
    setup();
    CHECK_EQ(pnd_spool_pick(&spool, "info.h.0", "10.0.40.7", 1795329000, dump.file, &why), PND_OK);
    CHECK(strncmp(dump.file, "unnamed-", 8) == 0);
    make_header(PND_KDH_KERNEL, PND_KDH_PLAIN, 0);
    a_file(1, "x", PND_DUMP_COMPLETE);
    CHECK_EQ(place(), PND_OK);
    CHECK_EQ(pnd_catalog_put(catalog, &dump, 1, &why), PND_OK);
    CHECK_EQ(reconcile(), 0);
    CHECK_EQ(rows(), 1);
    teardown();
}

static void outcomes_are_those_of_netdumpd(void)
{
    dump = a_dump(1, "x");
    CHECK_STR(pnd_savecore_outcome(&dump), "success");
    dump.state = PND_DUMP_INCOMPLETE;
    snprintf(dump.reason, sizeof(dump.reason), "the sender started another dump");
    CHECK_STR(pnd_savecore_outcome(&dump), "timeout");
    snprintf(dump.reason, sizeof(dump.reason), "disk full");
    CHECK_STR(pnd_savecore_outcome(&dump), "error");
}

/* ---- numbers ---- */

static void numbers_go_up_and_around(void)
{
    setup();
    make_header(PND_KDH_KERNEL, PND_KDH_PLAIN, 0);
    tmp_write("bounds.crash-1", "999999\n", 7);
    a_file(1, "a", PND_DUMP_COMPLETE);
    CHECK_EQ(place(), PND_OK);
    CHECK_STR(dump.file, "vmcore.crash-1.999999");
    CHECK_STR(content("bounds.crash-1"), "0\n");
    a_file(2, "b", PND_DUMP_COMPLETE);
    CHECK_EQ(place(), PND_OK);
    CHECK_STR(dump.file, "vmcore.crash-1.0");
    teardown();
}

static void a_number_that_anything_has_is_left_out(void)
{
    static const char *const taken[] = {"info.crash-1.0", "key.crash-1.1", "vmcore.crash-1.2",
                                        "vmcore_encrypted.crash-1.3.gz",
                                        "textdump.tar.crash-1.4.incomplete"};

    setup();
    make_header(PND_KDH_KERNEL, PND_KDH_ZSTD, 0);
    for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++)
        tmp_write(taken[i], "theirs", 6);
    a_file(1, "a", PND_DUMP_COMPLETE);
    CHECK_EQ(place(), PND_OK);
    CHECK_STR(dump.file, "vmcore.crash-1.5.zst");
    for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++)
        CHECK_STR(content(taken[i]), "theirs");
    teardown();
}

static void bounds_that_say_nothing_are_begun_anew(void)
{
    static const char *const bad[] = {"", "x", "-1", "1234567", "12 ", "1\0002"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        setup();
        make_header(PND_KDH_KERNEL, PND_KDH_PLAIN, 0);
        tmp_write("bounds.crash-1", bad[i], strlen(bad[i]));
        a_file(1, "a", PND_DUMP_COMPLETE);
        CHECK_EQ(place(), PND_OK);
        CHECK_STR(dump.file, i == 5 ? "vmcore.crash-1.1" : "vmcore.crash-1.0");
        CHECK_STR(content("bounds.crash-1"), i == 5 ? "2\n" : "1\n");
        teardown();
    }
}

static void no_number_leaves_the_dump_as_it_is(void)
{
    setup();
    make_header(PND_KDH_KERNEL, PND_KDH_PLAIN, 0);
    for (unsigned i = 0; i < PND_SAVECORE_TRIES_MAX; i++) {
        char file[64];

        snprintf(file, sizeof(file), "vmcore.crash-1.%u", i);
        tmp_write(file, "x", 1);
    }
    a_file(1, "a", PND_DUMP_COMPLETE);
    CHECK_EQ(place(), PND_E_EXISTS);
    CHECK_STR(dump.file, "a");
    CHECK(tmp_exists("a"));
    tmp_write("bounds.crash-1", "1024\n", 5);
    CHECK_EQ(place(), PND_OK);
    CHECK_STR(dump.file, "vmcore.crash-1.1024");
    teardown();
}

/* ---- what goes wrong ---- */

/* Whatever was there when it was killed: the same names come out. */
static void it_is_taken_up_where_it_was_killed(void)
{
    static const char *const gone[] = {"info.crash-1.0", "key.crash-1.0", "bounds.crash-1",
                                       "vmcore.crash-1.last", "info.crash-1.last"};

    for (unsigned missing = 0; missing < 32; missing++) {
        setup();
        make_header(PND_KDH_KERNEL, PND_KDH_PLAIN, sizeof(key));
        beside.key = key;
        beside.key_len = sizeof(key);
        a_file(1, "a", PND_DUMP_COMPLETE);
        CHECK_EQ(place(), PND_OK);
        for (unsigned i = 0; i < 5; i++)
            if (missing & 1U << i)
                unlink(tmp_file(gone[i]));
        tmp_write(".savecore-new", "half", 4);
        CHECK_EQ(place(), PND_OK);
        CHECK_STR(dump.file, "vmcore_encrypted.crash-1.0");
        CHECK_STR(content("bounds.crash-1"), "1\n");
        CHECK_STR(link_of("info.crash-1.last"), "info.crash-1.0");
        CHECK_STR(link_of("vmcore.crash-1.last"), dump.file);
        CHECK(strstr(content("info.crash-1.0"), "\nDump complete\n"));
        CHECK(tmp_exists("key.crash-1.0"));
        CHECK_EQ(files(), 6);
        teardown();
    }
}

/* The server was killed before the row was put, or the dump was taken up again. */
static void it_keeps_its_number_whatever_its_sender_calls_it(void)
{
    static const struct {
        const char *name, *file, *placed;
    } cases[] = {
        {"vmcore.gz", "vmcore.gz", "vmcore.crash-1.0"},
        {"vmcore.gz", "vmcore.1.gz", "vmcore.crash-1.0"},
        {"vmcore.crash-1.7", "vmcore.crash-1.7", "vmcore.crash-1.0"},
        {"vmcore.a b", "unnamed-10.0.40.7-x", "vmcore.crash-1.0"},
        {"var/vmcore.0", "unnamed-10.0.40.7-x", "vmcore.crash-1.0"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        setup();
        make_header(PND_KDH_KERNEL, PND_KDH_PLAIN, 0);
        a_file(1, cases[i].file, PND_DUMP_COMPLETE);
        snprintf(dump.name, sizeof(dump.name), "%s", cases[i].name);
        for (unsigned again = 0; again < 3; again++) {
            CHECK_EQ(place(), PND_OK);
            CHECK_STR(dump.file, cases[i].placed);
            CHECK_STR(content("bounds.crash-1"), "1\n");
        }
        CHECK_EQ(files(), 5);
        teardown();
    }
}

static void a_sender_cannot_take_another_dumps_place(void)
{
    setup();
    make_header(PND_KDH_KERNEL, PND_KDH_PLAIN, 0);
    a_file(1, "a", PND_DUMP_COMPLETE);
    CHECK_EQ(place(), PND_OK);
    a_file(2, "vmcore.crash-1.0.gz", PND_DUMP_COMPLETE);
    snprintf(dump.name, sizeof(dump.name), "vmcore.crash-1.0.gz");
    snprintf(dump.peer, sizeof(dump.peer), "10.6.6.6");
    CHECK_EQ(pnd_savecore_remove(&spool, dump.file, &why), PND_OK); /* not its info */
    CHECK(strstr(content("info.crash-1.0"), "[10.0.40.7]"));
    CHECK_EQ(place(), PND_OK);
    CHECK_STR(dump.file, "vmcore.crash-1.1");
    CHECK(strstr(content("info.crash-1.0"), "[10.0.40.7]"));
    teardown();
}

#define PARTS ".incomplete.part.part.part.part.part.part.part" /* 46 bytes */

/* Nor by a name that is made safe first. */
static void nor_can_a_stream(void)
{
    static const struct {
        const char *name, *file;
    } cases[] = {
        {"vmcore.crash 1.7", "vmcore.crash_1.7"},
        {"vmcore.crash/1.7", "vmcore.crash_1.7"},
        {"vmcore.crash/1.gz", "vmcore.crash_1.7.gz"},
        {"vmcore.crash_1.7.part", "vmcore.crash_1.7"},
        {"vmcore.crash/1.7.incomplete.part", "vmcore.crash_1.7.incomplete"},
        {"vmcore.crash/1.7" PARTS PARTS PARTS PARTS "x", "vmcore.crash_1.7"}, /* cut at 200 */
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        setup();
        make_header(PND_KDH_KERNEL, PND_KDH_PLAIN, sizeof(key));
        beside.key = key;
        beside.key_len = sizeof(key);
        tmp_write("vmcore_encrypted.crash_1.7", "theirs", 6);
        tmp_write("info.crash_1.7", "theirs", 6);
        tmp_write("key.crash_1.7", "theirs", 6);
        a_file(2, cases[i].file,
               strstr(cases[i].file, "incomplete") ? PND_DUMP_INCOMPLETE : PND_DUMP_COMPLETE);
        snprintf(dump.name, sizeof(dump.name), "%s", cases[i].name);
        CHECK_EQ(place(), PND_OK);
        CHECK(strncmp(dump.file, "vmcore_encrypted.crash-1.0", 26) == 0);
        CHECK_STR(content("info.crash_1.7"), "theirs");
        CHECK_STR(content("key.crash_1.7"), "theirs");
        teardown();
    }
}

static void links_and_directories_in_the_way_stay(void)
{
    setup();
    make_header(PND_KDH_KERNEL, PND_KDH_PLAIN, 0);
    tmp_write("precious", "old", 3);
    CHECK_EQ(symlink("precious", tmp_file("bounds.crash-1")), 0);
    CHECK_EQ(symlink("precious", tmp_file("info.crash-1.0")), 0);
    tmp_write("vmcore.crash-1.last", "mine", 4);
    a_file(1, "a", PND_DUMP_COMPLETE);
    CHECK_EQ(place(), PND_OK);
    CHECK_STR(dump.file, "vmcore.crash-1.1");
    CHECK_STR(content("precious"), "old");
    CHECK_STR(content("vmcore.crash-1.last"), "mine");
    CHECK_STR(content("bounds.crash-1"), "2\n");
    a_file(2, "b", PND_DUMP_COMPLETE);
    unlink(tmp_file("bounds.crash-1"));
    CHECK_EQ(mkdir(tmp_file("bounds.crash-1"), 0700), 0);
    CHECK_EQ(place(), PND_E_SYS); /* it has its name all the same */
    CHECK_STR(dump.file, "vmcore.crash-1.2");
    CHECK(tmp_exists("info.crash-1.2") && !tmp_exists(".savecore-new"));
    CHECK_EQ(rmdir(tmp_file("bounds.crash-1")), 0);
    teardown();
}

static void what_came_with_it_goes_along_and_never_over_anothers(void)
{
    setup();
    make_header(PND_KDH_KERNEL, PND_KDH_PLAIN, 0);
    a_file(1, "a", PND_DUMP_COMPLETE);
    tmp_write("a.kdh", "header", 6);
    tmp_write("vmcore.crash-1.0.key", "theirs", 6);
    CHECK_EQ(place(), PND_OK);
    CHECK_STR(dump.file, "vmcore.crash-1.1");
    CHECK_STR(content("vmcore.crash-1.1.kdh"), "header");
    CHECK_STR(content("vmcore.crash-1.0.key"), "theirs");
    CHECK(!tmp_exists("a.kdh") && !tmp_exists("vmcore.crash-1.1.key") &&
          !tmp_exists("vmcore.crash-1.0.kdh"));
    teardown();
}

static void a_dump_that_is_gone_and_a_key_that_is_too_long_are_told(void)
{
    static uint8_t long_key[PND_SAVECORE_KEY_MAX + 1];

    setup();
    make_header(PND_KDH_KERNEL, PND_KDH_PLAIN, 0);
    a_file(1, "a", PND_DUMP_COMPLETE);
    unlink(tmp_file("a"));
    CHECK_EQ(place(), PND_E_NOTFOUND);
    CHECK_EQ(files(), 0);
    a_file(1, "a", PND_DUMP_COMPLETE);
    beside.key = long_key;
    beside.key_len = sizeof(long_key);
    CHECK_EQ(place(), PND_E_RANGE);
    CHECK_STR(dump.file, "a");
    beside.key_len--;
    CHECK_EQ(place(), PND_OK);
    teardown();
}

static void a_full_disk_leaves_a_dump_with_its_name(void)
{
    static uint8_t long_key[PND_SAVECORE_KEY_MAX];

    tmp_make();
    if (!tmp_mount("size=64k,mode=0700")) {
        tmp_remove();
        SKIP("may not mount");
    }
    CHECK_EQ(mkdir(tmp_file(".panicd"), 0700), 0);
    CHECK_EQ(pnd_spool_open(&spool, tmp_path, &why), PND_OK);
    make_header(PND_KDH_KERNEL, PND_KDH_PLAIN, sizeof(long_key));
    beside.key = long_key;
    beside.key_len = sizeof(long_key);
    a_file(1, "a", PND_DUMP_COMPLETE);
    CHECK_EQ(place(), PND_E_NOSPACE);
    CHECK_STR(dump.file, "vmcore_encrypted.crash-1.0");
    CHECK_STR(content(dump.file), "hello");
    CHECK(!tmp_exists("key.crash-1.0") && !tmp_exists("info.crash-1.0") &&
          !tmp_exists(".savecore-new"));
    CHECK_STR(names.info, "");
    CHECK_STR(content("bounds.crash-1"), "1\n");
    pnd_spool_close(&spool);
    tmp_unmount();
    tmp_remove();
}

static void what_is_removed_leaves_the_younger_ones_links(void)
{
    char first[PND_SPOOL_NAME_CAP];

    setup();
    make_header(PND_KDH_KERNEL, PND_KDH_PLAIN, 0);
    a_file(1, "a", PND_DUMP_COMPLETE);
    CHECK_EQ(place(), PND_OK);
    memcpy(first, dump.file, sizeof(first));
    a_file(2, "b", PND_DUMP_COMPLETE);
    CHECK_EQ(place(), PND_OK);
    CHECK_EQ(pnd_savecore_remove(&spool, first, &why), PND_OK);
    CHECK(!tmp_exists("info.crash-1.0") && tmp_exists("info.crash-1.1"));
    CHECK_STR(link_of("vmcore.crash-1.last"), "vmcore.crash-1.1");
    CHECK_EQ(pnd_savecore_remove(&spool, dump.file, &why), PND_OK);
    CHECK(!tmp_exists("info.crash-1.1") && !tmp_exists("vmcore.crash-1.last") &&
          !tmp_exists("info.crash-1.last"));
    CHECK_EQ(pnd_savecore_remove(&spool, dump.file, &why), PND_OK);
    CHECK_EQ(pnd_savecore_remove(&spool, "core-x", &why), PND_OK);
    CHECK_STR(content("bounds.crash-1"), "2\n");
    teardown();
}

int main(void)
{
    RUN(a_dump_gets_its_names);
    RUN(each_kind_of_dump_has_its_name);
    RUN(without_a_header_its_address_and_its_facts_do);
    RUN(names_of_what_lies_beside_are_no_dumps);
    RUN(outcomes_are_those_of_netdumpd);
    RUN(numbers_go_up_and_around);
    RUN(a_number_that_anything_has_is_left_out);
    RUN(bounds_that_say_nothing_are_begun_anew);
    RUN(no_number_leaves_the_dump_as_it_is);
    RUN(it_is_taken_up_where_it_was_killed);
    RUN(it_keeps_its_number_whatever_its_sender_calls_it);
    RUN(a_sender_cannot_take_another_dumps_place);
    RUN(nor_can_a_stream);
    RUN(links_and_directories_in_the_way_stay);
    RUN(what_came_with_it_goes_along_and_never_over_anothers);
    RUN(a_dump_that_is_gone_and_a_key_that_is_too_long_are_told);
    RUN(a_full_disk_leaves_a_dump_with_its_name);
    RUN(what_is_removed_leaves_the_younger_ones_links);
    return tap_done();
}
