/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The files of the directory of dumps: their names, and what becomes of them. */
#include <errno.h>
#include <time.h>

#include "unit/spool_fixture.h"

/* ---- names ---- */

static void a_safe_name_is_what_apple_and_freebsd_senders_use_and_nothing_else(void)
{
    char long_name[202];

    CHECK(pnd_spool_name_safe("core-xnu-10063.141.1-10.0.40.7-1a2b3c4d.gz"));
    CHECK(pnd_spool_name_safe("paniclog"));
    CHECK(pnd_spool_name_safe("a,b:c@d=e_f+g"));
    CHECK(!pnd_spool_name_safe(""));
    CHECK(!pnd_spool_name_safe("."));
    CHECK(!pnd_spool_name_safe(".."));
    CHECK(!pnd_spool_name_safe(".panicd"));
    CHECK(!pnd_spool_name_safe("-rf"));
    CHECK(!pnd_spool_name_safe("a/b"));
    CHECK(!pnd_spool_name_safe("../etc/passwd"));
    CHECK(!pnd_spool_name_safe("a b"));
    CHECK(!pnd_spool_name_safe("a\nb"));
    CHECK(!pnd_spool_name_safe("a\xc3\xa4"));
    CHECK(!pnd_spool_name_safe("core.part"));
    CHECK(!pnd_spool_name_safe("core.incomplete"));
    CHECK(pnd_spool_name_safe("part"));
    memset(long_name, 'a', sizeof(long_name));
    long_name[201] = '\0';
    CHECK(!pnd_spool_name_safe(long_name));
    long_name[200] = '\0';
    CHECK(pnd_spool_name_safe(long_name));
    for (int c = 1; c < 256; c++) {
        const char one[] = {'x', (char)c, '\0'};

        CHECK_EQ(pnd_spool_name_safe(one),
                 (c < 128 && (strchr("._+,:@=-", c) || (c >= '0' && c <= '9') ||
                              (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))));
    }
}

static void an_unsafe_name_is_replaced_by_peer_and_time(void)
{
    setup();
    CHECK_STR(pick("core.gz"), "core.gz");
    CHECK_STR(pick("../../etc/passwd"), "unnamed-10.0.40.7-20261122T063000Z");
    CHECK_STR(pick(""), "unnamed-10.0.40.7-20261122T063000Z");
    close(begin("/", "x"));
    CHECK_STR(pick("/"), "unnamed-10.0.40.7-20261122T063000Z.1");
    CHECK_EQ(pnd_spool_pick(&spool, "", "fe80::1%e/n0 \n", 0, name, &why), PND_OK);
    CHECK_STR(name, "unnamed-fe80::1_e_n0__-19700101T000000Z");
    teardown();
}

static void a_taken_name_gets_a_number_before_its_gz(void)
{
    static const char *const forms[] = {"", ".part", ".incomplete"};

    for (size_t i = 0; i < 3; i++) {
        char file[64];

        setup();
        snprintf(file, sizeof(file), "core.gz%s", forms[i]);
        tmp_write(file, "", 0);
        CHECK_STR(pick("core.gz"), "core.1.gz");
        snprintf(file, sizeof(file), "core.1.gz%s", forms[(i + 1) % 3]);
        tmp_write(file, "", 0);
        CHECK_STR(pick("core.gz"), "core.2.gz");
        CHECK_STR(pick("core"), "core");
        tmp_write("core", "", 0);
        CHECK_STR(pick("core"), "core.1");
        tmp_write("gz.gz.gz", "", 0);
        CHECK_STR(pick("gz.gz.gz"), "gz.gz.1.gz");
        teardown();
    }
}

static void a_dangling_link_takes_a_name_too(void)
{
    setup();
    CHECK_EQ(symlink("/nonexistent", tmp_file("core.part")), 0);
    CHECK_STR(pick("core"), "core.1");
    teardown();
}

static void when_every_number_is_taken_the_answer_says_so(void)
{
    setup();
    tmp_write("core", "", 0);
    for (int i = 1; i <= PND_SPOOL_TRIES_MAX; i++) {
        char file[32];

        snprintf(file, sizeof(file), "core.%d", i);
        tmp_write(file, "", 0);
    }
    CHECK_EQ(pnd_spool_pick(&spool, "core", "x", 0, name, &why), PND_E_EXISTS);
    CHECK(strstr(why.text, "core and its 1000 numbered names are taken") != NULL);
    unlink(tmp_file("core.1000"));
    CHECK_STR(pick("core"), "core.1000");
    teardown();
}

/* ---- files ---- */

static void a_dump_is_part_until_it_is_finished(void)
{
    struct stat st;
    int fd;

    setup();
    fd = begin("core.gz", "hello");
    CHECK(tmp_exists("core.gz.part") && !tmp_exists("core.gz"));
    CHECK(fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0600);
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    CHECK_EQ(pnd_spool_finish(&spool, fd, name, &why), PND_OK);
    CHECK_EQ(pnd_spool_sync(&spool, &why), PND_OK);
    CHECK_STR(name, "core.gz");
    CHECK(!tmp_exists("core.gz.part") && holds("core.gz", "hello"));
    close(fd);
    teardown();
}

static void finishing_never_replaces_a_file(void)
{
    int fd;

    setup();
    fd = begin("core.gz", "new");
    tmp_write("core.gz", "old", 3);
    tmp_write("core.1.gz", "old", 3);
    tmp_write("core.2.gz.part", "other", 5);
    CHECK_EQ(pnd_spool_finish(&spool, fd, name, &why), PND_OK);
    CHECK_STR(name, "core.3.gz");
    CHECK(holds("core.gz", "old") && holds("core.1.gz", "old") && holds("core.3.gz", "new"));
    CHECK(!tmp_exists("core.gz.part"));
    close(fd);
    teardown();
}

static void an_abandoned_dump_is_kept_as_incomplete(void)
{
    int fd;

    setup();
    fd = begin("core.gz", "half");
    strcpy(why.text, "old");
    CHECK_EQ(pnd_spool_abandon(&spool, fd, false, name, &why), PND_OK);
    CHECK_STR(why.text, "");
    CHECK_STR(name, "core.gz.incomplete");
    CHECK(holds("core.gz.incomplete", "half") && !tmp_exists("core.gz.part"));
    close(fd);
    fd = begin("other", "half");
    tmp_write("other.incomplete", "old", 3);
    CHECK_EQ(pnd_spool_abandon(&spool, -1, false, name, &why), PND_OK);
    CHECK_STR(name, "other.1.incomplete");
    CHECK(holds("other.incomplete", "old") && holds("other.1.incomplete", "half"));
    close(fd);
    teardown();
}

/* @return what pnd_spool_take_back() does; its descriptor is closed */
static int take_back(const char *file, uint64_t bytes, int64_t kept_ms)
{
    int fd = -1, err;

    strcpy(name, "untouched");
    why.text[0] = '\0';
    err = pnd_spool_take_back(&spool, file, bytes, kept_ms, name, &fd, &why);
    CHECK((err == PND_OK) == (fd >= 0) && (err == PND_OK) == (why.text[0] == '\0'));
    CHECK(err == PND_OK || strcmp(name, "untouched") == 0);
    if (fd >= 0) {
        CHECK_EQ(pnd_spool_write(fd, "!", 1, 0), PND_OK);
        close(fd);
    }
    return err;
}

static void what_was_kept_as_incomplete_can_be_taken_back(void)
{
    int64_t now_ms = (int64_t)time(NULL) * 1000 + 5000;

    setup();
    close(begin("core.gz", "half"));
    CHECK_EQ(pnd_spool_abandon(&spool, -1, false, name, &why), PND_OK);
    CHECK_EQ(take_back("core.gz.incomplete", 4, now_ms), PND_OK);
    CHECK_STR(name, "core.gz");
    CHECK(holds("core.gz.part", "!alf") && !tmp_exists("core.gz.incomplete"));
    teardown();
}

static void what_was_changed_is_not_taken_back_and_no_file_is_replaced(void)
{
    int64_t now_ms = (int64_t)time(NULL) * 1000 + 5000;

    setup();
    tmp_write("core.incomplete", "half", 4);
    CHECK_EQ(take_back("core.incomplete", 5, now_ms), PND_E_NOTFOUND);           /* shorter */
    CHECK_EQ(take_back("core.incomplete", 4, now_ms - 3600000), PND_E_NOTFOUND); /* written */
    CHECK_EQ(take_back("gone.incomplete", 0, now_ms), PND_E_NOTFOUND);
    CHECK_EQ(take_back("core", 0, now_ms), PND_E_NOTFOUND);
    CHECK_EQ(take_back(".incomplete", 0, now_ms), PND_E_NOTFOUND);
    CHECK_EQ(symlinkat("core.incomplete", spool.dir_fd, "link.incomplete"), 0);
    CHECK_EQ(take_back("link.incomplete", 4, now_ms), PND_E_NOTFOUND);
    CHECK_EQ(mkdirat(spool.dir_fd, "dir.incomplete", 0700), 0);
    CHECK(take_back("dir.incomplete", 0, now_ms) != PND_OK);
    tmp_write("core.part", "other", 5);
    CHECK_EQ(take_back("core.incomplete", 4, now_ms), PND_E_EXISTS);
    CHECK(holds("core.incomplete", "half") && holds("core.part", "other"));
    teardown();
}

static void a_whole_dump_can_turn_out_incomplete(void)
{
    setup();
    tmp_write("core.gz", "x", 1);
    strcpy(name, "core.gz");
    CHECK_EQ(pnd_spool_abandon(&spool, -1, true, name, &why), PND_OK);
    CHECK_STR(name, "core.gz.incomplete");
    strcpy(name, "core.gz");
    CHECK_EQ(pnd_spool_abandon(&spool, -1, true, name, &why), PND_E_SYS);
    CHECK_STR(name, "core.gz");
    teardown();
}

static void a_file_that_cannot_be_synced_is_not_finished_but_still_abandoned(void)
{
    int fds[2];

    setup();
    close(begin("core", "x"));
    CHECK_EQ(pipe(fds), 0); /* fsync says EINVAL */
    CHECK_EQ(pnd_spool_finish(&spool, fds[1], name, &why), PND_E_SYS);
    CHECK_STR(why.text, "write core.part to the disk: Invalid argument");
    CHECK_STR(name, "core");
    CHECK(tmp_exists("core.part") && !tmp_exists("core"));
    CHECK_EQ(pnd_spool_abandon(&spool, fds[1], false, name, &why), PND_OK);
    CHECK_STR(why.text, "write core to the disk: Invalid argument");
    CHECK_STR(name, "core.incomplete");
    close(fds[0]);
    close(fds[1]);
    teardown();
}

static void names_of_255_bytes_are_cut_to_make_room(void)
{
    char file[PND_SPOOL_NAME_CAP];
    int fd = -1;

    setup();
    memset(file, 'n', 255);
    file[255] = '\0';
    memcpy(file + 252, ".gz", 3);
    tmp_write(file, "x", 1);
    snprintf(name, sizeof(name), "%s", file);
    CHECK_EQ(pnd_spool_abandon(&spool, -1, true, name, &why), PND_OK);
    CHECK_EQ(strlen(name), 255);
    CHECK_STR(name + 255 - 15, "n.gz.incomplete");
    CHECK(tmp_exists(name));
    tmp_write(file, "y", 1);
    snprintf(name, sizeof(name), "%s", file);
    CHECK_EQ(pnd_spool_abandon(&spool, -1, true, name, &why), PND_OK);
    CHECK_EQ(strlen(name), 255);
    CHECK_STR(name + 255 - 17, "n.1.gz.incomplete");
    CHECK_EQ(pnd_spool_create(&spool, file, false, &fd, &why), PND_E_SYS);
    CHECK_EQ(errno, ENAMETOOLONG);
    file[250] = '\0';
    CHECK_EQ(pnd_spool_create(&spool, file, false, &fd, &why), PND_OK);
    snprintf(name, sizeof(name), "%s", file);
    CHECK_EQ(pnd_spool_finish(&spool, fd, name, &why), PND_OK);
    CHECK_EQ(strlen(name), 244);
    close(fd);
    teardown();
}

static void the_longest_safe_name_can_take_every_suffix(void)
{
    char wanted[201];
    int fd;

    setup();
    memset(wanted, 'w', 200);
    wanted[200] = '\0';
    tmp_write(wanted, "", 0);
    fd = begin(wanted, "x");
    CHECK_EQ(strlen(name), 202);
    CHECK_EQ(pnd_spool_abandon(&spool, fd, false, name, &why), PND_OK);
    CHECK_EQ(strlen(name), 213);
    close(fd);
    teardown();
}

static void resuming_opens_what_is_there_and_creates_what_is_not(void)
{
    int fd;

    setup();
    close(begin("core", "hello"));
    CHECK_EQ(pnd_spool_create(&spool, "core", false, &fd, &why), PND_E_EXISTS);
    CHECK_EQ(pnd_spool_create(&spool, "core", true, &fd, &why), PND_OK);
    CHECK_EQ(lseek(fd, 0, SEEK_END), 5);
    close(fd);
    CHECK_EQ(pnd_spool_create(&spool, "new", true, &fd, &why), PND_OK);
    CHECK(tmp_exists("new.part"));
    close(fd);
    teardown();
}

static void links_and_paths_lead_nowhere(void)
{
    int fd = -1;

    setup();
    tmp_write("precious", "kept", 4);
    CHECK_EQ(symlink("precious", tmp_file("core.part")), 0);
    CHECK_EQ(symlink("/etc/passwd", tmp_file("link")), 0);
    CHECK_EQ(mkfifo(tmp_file("fifo.part"), 0600), 0);
    CHECK_EQ(mkdir(tmp_file("dir.part"), 0700), 0);
    CHECK_EQ(pnd_spool_create(&spool, "core", false, &fd, &why), PND_E_EXISTS);
    CHECK_EQ(pnd_spool_create(&spool, "core", true, &fd, &why), PND_E_SYS);
    CHECK_EQ(pnd_spool_create(&spool, "fifo", true, &fd, &why), PND_E_EXISTS);
    CHECK(pnd_spool_create(&spool, "dir", true, &fd, &why) != PND_OK);
    CHECK(pnd_spool_create(&spool, "../core", false, &fd, &why) != PND_OK);
    CHECK(pnd_spool_create(&spool, ".panicd/x", false, &fd, &why) != PND_OK);
    CHECK_EQ(fd, -1);
    CHECK_EQ(pnd_spool_open_file(&spool, "link"), PND_E_NOTFOUND);
    CHECK_EQ(pnd_spool_open_file(&spool, "fifo.part"), PND_E_NOTFOUND);
    CHECK_EQ(pnd_spool_open_file(&spool, ".panicd"), PND_E_NOTFOUND);
    CHECK_EQ(pnd_spool_open_file(&spool, ".panicd/lock"), PND_E_NOTFOUND);
    CHECK_EQ(pnd_spool_open_file(&spool, ".."), PND_E_NOTFOUND);
    CHECK_EQ(pnd_spool_open_file(&spool, "/etc/passwd"), PND_E_NOTFOUND);
    CHECK_EQ(pnd_spool_open_file(&spool, ""), PND_E_NOTFOUND);
    CHECK_EQ(pnd_spool_open_file(&spool, "none"), PND_E_NOTFOUND);
    CHECK(holds("precious", "kept"));
    teardown();
}

int main(void)
{
    RUN(a_safe_name_is_what_apple_and_freebsd_senders_use_and_nothing_else);
    RUN(an_unsafe_name_is_replaced_by_peer_and_time);
    RUN(a_taken_name_gets_a_number_before_its_gz);
    RUN(a_dangling_link_takes_a_name_too);
    RUN(when_every_number_is_taken_the_answer_says_so);
    RUN(a_dump_is_part_until_it_is_finished);
    RUN(finishing_never_replaces_a_file);
    RUN(an_abandoned_dump_is_kept_as_incomplete);
    RUN(what_was_kept_as_incomplete_can_be_taken_back);
    RUN(what_was_changed_is_not_taken_back_and_no_file_is_replaced);
    RUN(a_whole_dump_can_turn_out_incomplete);
    RUN(a_file_that_cannot_be_synced_is_not_finished_but_still_abandoned);
    RUN(names_of_255_bytes_are_cut_to_make_room);
    RUN(the_longest_safe_name_can_take_every_suffix);
    RUN(resuming_opens_what_is_there_and_creates_what_is_not);
    RUN(links_and_paths_lead_nowhere);
    return tap_done();
}
