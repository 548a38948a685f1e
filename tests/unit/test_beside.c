/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What lies beside a dump: its name, its bytes, and where it goes when the dump does. */
#include <errno.h>
#include <sys/stat.h>

#include "store/beside.h"
#include "unit/spool_fixture.h"

static mode_t mode_of(const char *file)
{
    struct stat st;

    return lstat(tmp_file(file), &st) == 0 ? st.st_mode & 07777 : 0;
}

static void it_is_called_the_same_whatever_form_the_dump_has(void)
{
    char ret[PND_SPOOL_NAME_CAP], longest[PND_SPOOL_NAME_CAP];

    CHECK_STR(pnd_beside_name("vmcore-x", PND_BESIDE_HEADER, ret), "vmcore-x.kdh");
    CHECK_STR(pnd_beside_name("vmcore-x.part", PND_BESIDE_HEADER, ret), "vmcore-x.kdh");
    CHECK_STR(pnd_beside_name("vmcore-x.incomplete", PND_BESIDE_KEY, ret), "vmcore-x.key");
    CHECK_STR(pnd_beside_name("x.1.gz", PND_BESIDE_KEY, ret), "x.1.gz.key");
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    CHECK_EQ(strlen(pnd_beside_name(longest, PND_BESIDE_KEY, ret)), PND_SPOOL_NAME_CAP - 1);
    CHECK_STR(ret + strlen(ret) - 4, ".key");
}

static void no_dump_is_called_so(void)
{
    CHECK(pnd_beside_is("a.kdh") && pnd_beside_is("a.key"));
    CHECK(!pnd_beside_is(".key") && !pnd_beside_is("key") && !pnd_beside_is("a.key.part"));
    CHECK(!pnd_beside_is(""));
    CHECK(!pnd_spool_name_safe("a.kdh"));
    CHECK(!pnd_spool_name_safe("a.key"));
    setup();
    tmp_write("core.key", "", 0);
    CHECK_STR(pick("core"), "core.1");
    tmp_write("core.1.kdh", "", 0);
    CHECK_STR(pick("core"), "core.2");
    teardown();
}

static void its_bytes_come_in_any_order_and_are_bounded(void)
{
    uint8_t got[16];
    size_t len = 0;

    setup();
    CHECK_EQ(pnd_beside_read(&spool, "core", PND_BESIDE_KEY, got, sizeof(got), &len),
             PND_E_NOTFOUND);
    CHECK(!pnd_beside_there(&spool, "core", PND_BESIDE_KEY));
    CHECK_EQ(pnd_beside_write(&spool, "core", PND_BESIDE_KEY, "world", 5, 5), PND_OK);
    CHECK_EQ(pnd_beside_write(&spool, "core.part", PND_BESIDE_KEY, "hello", 5, 0), PND_OK);
    CHECK_EQ(pnd_beside_read(&spool, "core.incomplete", PND_BESIDE_KEY, got, sizeof(got), &len),
             PND_OK);
    CHECK(len == 10 && memcmp(got, "helloworld", 10) == 0);
    CHECK_EQ(pnd_beside_read(&spool, "core", PND_BESIDE_KEY, got, 4, &len), PND_OK);
    CHECK_EQ(len, 4);
    CHECK(pnd_beside_there(&spool, "core", PND_BESIDE_KEY));
    CHECK(!pnd_beside_there(&spool, "core", PND_BESIDE_HEADER));
    CHECK_EQ(pnd_beside_write(&spool, "core", PND_BESIDE_KEY, "x", 1, PND_BESIDE_BYTES_MAX - 1),
             PND_OK);
    CHECK_EQ(pnd_beside_write(&spool, "core", PND_BESIDE_KEY, "xy", 2, PND_BESIDE_BYTES_MAX - 1),
             PND_E_RANGE);
    CHECK_EQ(pnd_beside_write(&spool, "core", PND_BESIDE_KEY, "x", 1, UINT64_MAX), PND_E_RANGE);
    CHECK_EQ(mode_of("core.key"), 0600);
    teardown();
}

static void a_link_or_a_directory_in_its_place_is_left_alone(void)
{
    setup();
    tmp_write("precious", "kept", 4);
    CHECK_EQ(symlink("precious", tmp_file("core.kdh")), 0);
    CHECK_EQ(mkdir(tmp_file("core.key"), 0700), 0);
    CHECK_EQ(pnd_beside_write(&spool, "core", PND_BESIDE_HEADER, "x", 1, 0), PND_E_SYS);
    CHECK_EQ(pnd_beside_write(&spool, "core", PND_BESIDE_KEY, "x", 1, 0), PND_E_SYS);
    CHECK_EQ(pnd_beside_keep(&spool, "core", PND_BESIDE_HEADER, &why), PND_E_SYS);
    CHECK_EQ(pnd_beside_remove(&spool, "core", &why), PND_E_SYS); /* the directory */
    CHECK(strstr(why.text, "core.key"));
    CHECK(holds("precious", "kept"));
    CHECK_EQ(rmdir(tmp_file("core.key")), 0);
    teardown();
}

static void a_key_that_is_kept_cannot_be_changed(void)
{
    setup();
    CHECK_EQ(pnd_beside_keep(&spool, "core", PND_BESIDE_KEY, &why), PND_E_NOTFOUND);
    CHECK_EQ(pnd_beside_write(&spool, "core", PND_BESIDE_KEY, "k", 1, 0), PND_OK);
    CHECK_EQ(pnd_beside_write(&spool, "core", PND_BESIDE_HEADER, "h", 1, 0), PND_OK);
    CHECK_EQ(pnd_beside_keep(&spool, "core", PND_BESIDE_KEY, &why), PND_OK);
    CHECK_EQ(pnd_beside_keep(&spool, "core", PND_BESIDE_HEADER, &why), PND_OK);
    CHECK_EQ(pnd_beside_keep(&spool, "core", PND_BESIDE_KEY, &why), PND_OK); /* a restart's */
    CHECK_EQ(mode_of("core.key"), 0400);
    CHECK_EQ(mode_of("core.kdh"), 0600);
    CHECK_EQ(pnd_beside_remove(&spool, "core", &why), PND_OK);
    CHECK_EQ(pnd_beside_remove(&spool, "core", &why), PND_OK);
    CHECK_EQ(mode_of("core.key") | mode_of("core.kdh"), 0);
    teardown();
}

static void a_dump_that_gets_a_number_takes_it_along(void)
{
    int fd;

    setup();
    fd = begin("core", "dump");
    CHECK_EQ(pnd_beside_write(&spool, "core", PND_BESIDE_KEY, "k", 1, 0), PND_OK);
    tmp_write("core", "somebody else's", 15);
    CHECK_EQ(pnd_spool_finish(&spool, fd, name, &why), PND_OK);
    close(fd);
    CHECK_STR(name, "core.1");
    CHECK(holds("core.1.key", "k"));
    CHECK_EQ(mode_of("core.key"), 0);
    tmp_write("core.1.incomplete", "", 0);
    CHECK_EQ(pnd_spool_abandon(&spool, -1, true, name, &why), PND_OK);
    CHECK_STR(name, "core.1.1.incomplete");
    CHECK(holds("core.1.1.key", "k"));
    teardown();
}

static void a_dump_that_keeps_its_name_leaves_it_where_it_is(void)
{
    int fd;

    setup();
    fd = begin("core", "dump");
    CHECK_EQ(pnd_beside_write(&spool, "core", PND_BESIDE_HEADER, "h", 1, 0), PND_OK);
    CHECK_EQ(pnd_spool_abandon(&spool, fd, false, name, &why), PND_OK);
    close(fd);
    CHECK_STR(name, "core.incomplete");
    CHECK(holds("core.kdh", "h"));
    teardown();
}

static nlink_t links_of(const char *file)
{
    struct stat st;

    return lstat(tmp_file(file), &st) == 0 ? st.st_nlink : 0;
}

static void a_dump_that_gets_another_name_has_it_under_both_until_then(void)
{
    setup();
    CHECK_EQ(pnd_beside_write(&spool, "core", PND_BESIDE_HEADER, "h", 1, 0), PND_OK);
    CHECK_EQ(pnd_beside_write(&spool, "core", PND_BESIDE_KEY, "k", 1, 0), PND_OK);
    CHECK_EQ(pnd_beside_keep(&spool, "core", PND_BESIDE_KEY, &why), PND_OK);
    CHECK_EQ(pnd_beside_link(&spool, "core", "other.incomplete"), PND_OK);
    CHECK(holds("core.kdh", "h") && holds("other.kdh", "h") && holds("other.key", "k"));
    CHECK_EQ(pnd_beside_link(&spool, "core", "other"), PND_OK); /* killed, and again */
    CHECK_EQ(pnd_beside_remove(&spool, "core", &why), PND_OK);
    CHECK(holds("other.kdh", "h") && holds("other.key", "k") && !tmp_exists("core.kdh"));
    CHECK_EQ(mode_of("other.key"), 0400);
    CHECK_EQ(pnd_beside_link(&spool, "nothing", "new"), PND_OK);
    CHECK(!tmp_exists("new.kdh") && !tmp_exists("new.key"));
    teardown();
}

static void what_is_anothers_is_not_taken(void)
{
    setup();
    CHECK_EQ(pnd_beside_write(&spool, "core", PND_BESIDE_HEADER, "h", 1, 0), PND_OK);
    CHECK_EQ(pnd_beside_write(&spool, "other", PND_BESIDE_HEADER, "o", 1, 0), PND_OK);
    CHECK_EQ(pnd_beside_write(&spool, "third", PND_BESIDE_KEY, "t", 1, 0), PND_OK);
    CHECK_EQ(pnd_beside_link(&spool, "core", "other"), PND_E_EXISTS);
    CHECK_EQ(pnd_beside_link(&spool, "core", "third"), PND_E_EXISTS); /* it would become its key */
    CHECK(holds("core.kdh", "h") && holds("other.kdh", "o") && holds("third.key", "t"));
    teardown();
}

static void only_other_names_of_what_is_there_are_swept_away(void)
{
    setup();
    for (unsigned i = 0; i < PND_BESIDE_COUNT; i++) {
        CHECK_EQ(pnd_beside_write(&spool, "core", i, "x", 1, 0), PND_OK);
        CHECK_EQ(pnd_beside_write(&spool, "moved-away", i, "x", 1, 0), PND_OK);
    }
    tmp_write("new.incomplete", "dump", 4);
    CHECK_EQ(pnd_beside_link(&spool, "core", "new"), PND_OK);
    pnd_beside_sweep(&spool);
    CHECK(!tmp_exists("core.kdh") && !tmp_exists("core.key"));
    CHECK_EQ(links_of("new.kdh"), 1);
    CHECK_EQ(links_of("new.key"), 1);
    CHECK(tmp_exists("moved-away.key") && tmp_exists("moved-away.kdh"));
    CHECK_EQ(pnd_beside_link(&spool, "new", "arriving"), PND_OK);
    tmp_write("arriving.part", "dump", 4);
    pnd_beside_sweep(&spool);
    CHECK(tmp_exists("arriving.kdh") && tmp_exists("new.kdh"));
    teardown();
}

int main(void)
{
    RUN(it_is_called_the_same_whatever_form_the_dump_has);
    RUN(no_dump_is_called_so);
    RUN(its_bytes_come_in_any_order_and_are_bounded);
    RUN(a_link_or_a_directory_in_its_place_is_left_alone);
    RUN(a_key_that_is_kept_cannot_be_changed);
    RUN(a_dump_that_gets_a_number_takes_it_along);
    RUN(a_dump_that_keeps_its_name_leaves_it_where_it_is);
    RUN(a_dump_that_gets_another_name_has_it_under_both_until_then);
    RUN(what_is_anothers_is_not_taken);
    RUN(only_other_names_of_what_is_there_are_swept_away);
    return tap_done();
}
