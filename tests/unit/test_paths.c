/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Directories that senders name: what they may be called, how a dump gets into one, and that
 * nothing is left of it when the dump goes. PROTOCOL.md#netdump-4. */
#include <dirent.h>
#include <errno.h>

#include "store/paths.h"
#include "unit/spool_fixture.h"

static char clean[PND_PATHS_PATH_CAP];

static int cleaned(const char *path)
{
    snprintf(clean, sizeof(clean), "untouched");
    return pnd_paths_clean(path, clean, &why);
}

static const char *link_of(const char *file)
{
    static char text[512];
    ssize_t len = readlink(tmp_file(file), text, sizeof(text) - 1);

    text[len > 0 ? len : 0] = '\0';
    return text;
}

/* Is the dump there in the directory, too, and is it the dump? */
static bool leads_to(const char *file, const char *content)
{
    char got[64];
    int fd = open(tmp_file(file), O_RDONLY);
    ssize_t len = fd >= 0 ? read(fd, got, sizeof(got)) : -1;

    if (fd >= 0)
        close(fd);
    return len == (ssize_t)strlen(content) && memcmp(got, content, (size_t)len) == 0;
}

static unsigned entries(const char *directory)
{
    DIR *dir = opendir(directory);
    unsigned count = 0;

    for (struct dirent *entry; dir && (entry = readdir(dir));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    if (dir)
        closedir(dir);
    return count;
}

/* Besides .panicd. */
static unsigned in_spool(void)
{
    return entries(tmp_path) - 1;
}

static unsigned records(void)
{
    return entries(tmp_file(".panicd/paths"));
}

static void make_dir(const char *file)
{
    CHECK_EQ(mkdir(tmp_file(file), 0700), 0);
}

static void make_link(const char *to, const char *file)
{
    CHECK_EQ(symlink(to, tmp_file(file)), 0);
}

static int place(const char *file, const char *path)
{
    return pnd_paths_place(&spool, file, path, &why);
}

static int drop(const char *file)
{
    return pnd_paths_remove(&spool, file, &why);
}

/* ---- what a path may be ---- */

static void a_path_is_cleaned(void)
{
    static const struct {
        const char *path, *clean;
    } rows[] = {
        {"", ""},
        {"host", "host"},
        {"host/a", "host/a"},
        {"a//b/", "a/b"},
        {"./a/./b", "a/b"},
        {".", ""},
        {"./", ""},
        {"a b/c\n", "a_b/c_"},
        {"-rf", "_rf"},
        {"a/-", "a/_"},
        {"\xc3\xa4", "__"},
        {"a..b/c.", "a..b/c."},
        {"x/key.a", "x/key.a"},
        {"a\\..\\b", "a_.._b"},
        {"infos", "infos"},
        {"keys", "keys"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        CHECK_EQ(cleaned(rows[i].path), PND_OK);
        CHECK_STR(clean, rows[i].clean);
        CHECK_EQ(cleaned(rows[i].clean), PND_OK); /* and stays as it is */
        CHECK_STR(clean, rows[i].clean);
    }
}

static void what_could_harm_is_no_path(void)
{
    static const char *const rows[] = {
        "/",
        "/etc",
        "..",
        "../a",
        "a/..",
        "a/../b",
        "a/.hidden",
        ".panicd",
        ".panicd/x",
        "a/.panicd",
        "a.part",
        "a.incomplete",
        "x/a.kdh",
        "x/a.key",
        "vmcore.h.1",
        "key.h.1",
        "info.h.1",
        "bounds.h",
        "bounds.h/x",
        "vmcore.h.last",
        "info.h.last",
        "./info.x",
        "textdump.tar.h.1",
        "...",
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        CHECK_EQ(cleaned(rows[i]), PND_E_NAME);
        CHECK_STR(clean, "untouched");
        CHECK(why.text[0] != '\0');
    }
}

static void length_and_depth_are_bounded(void)
{
    char path[PND_PATHS_PATH_CAP + 64];

    memset(path, 'a', sizeof(path));
    path[PND_PATHS_PATH_CAP - 1] = '\0';
    CHECK_EQ(cleaned(path), PND_OK);
    CHECK_STR(clean, path);
    memcpy(path + PND_PATHS_PATH_CAP - 1, "a", 2);
    CHECK_EQ(cleaned(path), PND_E_NAME);
    path[PND_PATHS_PATH_CAP - 3] = '/'; /* the same in two components */
    CHECK_EQ(cleaned(path), PND_E_NAME);
    path[PND_PATHS_PATH_CAP - 1] = '\0';
    CHECK_EQ(cleaned(path), PND_OK);
    CHECK_EQ(cleaned("1/2/3/4/5/6/7/8"), PND_OK);
    CHECK_EQ(cleaned("1/./2//3/4/5/6/7/8/"), PND_OK);
    CHECK_STR(clean, "1/2/3/4/5/6/7/8");
    CHECK_EQ(cleaned("1/2/3/4/5/6/7/8/9"), PND_E_NAME);
}

static void no_bytes_make_a_path_that_leads_out(void)
{
    static const char bytes[] = "./a-_~\x80\n\\k";
    char path[8] = "";

    for (unsigned number = 0; number < 11 * 11 * 11 * 11 * 11; number++) {
        unsigned rest = number;

        for (unsigned i = 0; i < 5; i++, rest /= 11)
            path[i] = rest % 11 == 10 ? '\0' : bytes[rest % 11];
        if (cleaned(path) != PND_OK || !*clean)
            continue;
        if (clean[0] == '/' || clean[0] == '.' || strstr(clean, "/.") || strstr(clean, "//") ||
            clean[strlen(clean) - 1] == '/' || strpbrk(clean, "\n\\~\x80"))
            CHECK_STR(clean, "a path beneath the directory");
    }
}

/* ---- into a directory ---- */

static void a_dump_lies_in_its_directory_and_leaves_it(void)
{
    struct stat st = {0};

    setup();
    tmp_write("core", "hello", 5);
    CHECK_EQ(place("core", "host/a"), PND_OK);
    CHECK(leads_to("host/a/core", "hello"));
    CHECK_STR(link_of("host/a/core"), "../../core");
    CHECK_EQ(lstat(tmp_file("host"), &st), 0);
    CHECK_EQ(st.st_mode & 07777, 0700);
    CHECK_EQ(place("core", "host/a"), PND_OK); /* again, by a server that was killed */
    CHECK_STR(link_of("host/a/core"), "../../core");
    CHECK_EQ(records(), 1);
    unlink(tmp_file("core"));
    CHECK_EQ(drop("core"), PND_OK);
    CHECK_EQ(in_spool(), 0);
    CHECK_EQ(records(), 0);
    CHECK_EQ(drop("core"), PND_OK);
    teardown();
}

static void the_deepest_and_longest_fit(void)
{
    char file[PND_SPOOL_NAME_CAP], deep[512];

    setup();
    memset(file, 'f', sizeof(file) - 1);
    file[sizeof(file) - 1] = '\0';
    tmp_write(file, "hello", 5);
    CHECK_EQ(place(file, "1/2/3/4/5/6/7/8"), PND_OK);
    snprintf(deep, sizeof(deep), "1/2/3/4/5/6/7/8/%s", file);
    CHECK(leads_to(deep, "hello"));
    unlink(tmp_file(file));
    CHECK_EQ(drop(file), PND_OK);
    CHECK_EQ(in_spool(), 0);
    teardown();
}

static void what_others_have_in_a_directory_stays(void)
{
    setup();
    tmp_write("one", "1", 1);
    tmp_write("two", "2", 1);
    CHECK_EQ(place("one", "host/a"), PND_OK);
    CHECK_EQ(place("two", "host"), PND_OK);
    unlink(tmp_file("one"));
    CHECK_EQ(drop("one"), PND_OK);
    CHECK(!tmp_exists("host/a") && leads_to("host/two", "2"));
    tmp_write("host/notes", "n", 1);
    unlink(tmp_file("two"));
    CHECK_EQ(drop("two"), PND_OK);
    CHECK(leads_to("host/notes", "n"));
    CHECK_EQ(entries(tmp_file("host")), 1);
    CHECK_EQ(records(), 0);
    teardown();
}

static void a_dump_has_one_directory(void)
{
    setup();
    tmp_write("core", "hello", 5);
    CHECK_EQ(place("core", "host/a"), PND_OK);
    CHECK_EQ(place("core", "b"), PND_OK);
    CHECK(!tmp_exists("host") && leads_to("b/core", "hello"));
    CHECK_EQ(records(), 1);
    CHECK_EQ(drop("core"), PND_OK);
    CHECK(leads_to("core", "hello") && !tmp_exists("b"));
    teardown();
}

static void what_is_in_the_way_is_left_alone(void)
{
    static const char *const in_the_way[] = {"file", "link", "dangling", "out", "d/file", "d/up"};

    setup();
    tmp_write("core", "hello", 5);
    tmp_write("file", "f", 1);
    make_dir("d");
    tmp_write("d/file", "f", 1);
    make_link("d", "link");
    make_link("nowhere", "dangling");
    make_link("/tmp", "out");
    make_link("..", "d/up");
    for (size_t i = 0; i < sizeof(in_the_way) / sizeof(*in_the_way); i++) {
        char path[64];

        CHECK_EQ(place("core", in_the_way[i]), PND_E_EXISTS);
        snprintf(path, sizeof(path), "%s/x", in_the_way[i]);
        CHECK_EQ(place("core", path), PND_E_EXISTS);
        CHECK(strstr(why.text, "no directory") != NULL);
        CHECK_EQ(records(), 0);
    }
    CHECK_EQ(in_spool(), 6);
    CHECK_EQ(entries(tmp_file("d")), 2);
    CHECK(!tmp_exists("nowhere") && leads_to("core", "hello"));
    teardown();
}

static void a_name_that_is_taken_stays_what_it_is(void)
{
    setup();
    tmp_write("core", "hello", 5);
    make_dir("d");
    tmp_write("d/core", "mine", 4);
    CHECK_EQ(place("core", "d"), PND_E_EXISTS);
    CHECK(leads_to("d/core", "mine"));
    unlink(tmp_file("d/core"));
    make_link("/etc/passwd", "d/core");
    CHECK_EQ(place("core", "d"), PND_E_EXISTS);
    CHECK_STR(link_of("d/core"), "/etc/passwd");
    unlink(tmp_file("d/core"));
    CHECK_EQ(place("core", "d"), PND_OK);
    unlink(tmp_file("d/core")); /* somebody puts his own there */
    make_link("../core.x", "d/core");
    CHECK_EQ(drop("core"), PND_OK);
    CHECK_STR(link_of("d/core"), "../core.x");
    CHECK_EQ(records(), 0);
    teardown();
}

static void only_a_dump_and_a_clean_path_will_do(void)
{
    setup();
    CHECK_EQ(place("core", "host"), PND_E_NOTFOUND);
    tmp_write("core", "hello", 5);
    CHECK_EQ(place("core", ""), PND_E_NAME);
    CHECK_EQ(place("core", "../x"), PND_E_NAME);
    CHECK_EQ(place("core", "/x"), PND_E_NAME);
    CHECK_EQ(place("core", "a//b"), PND_E_NAME);
    CHECK_EQ(in_spool(), 1);
    CHECK(!tmp_exists(".panicd/paths"));
    teardown();
}

/* ---- what a kill leaves ---- */

static void a_start_takes_away_what_leads_nowhere(void)
{
    /* how far the way was made, or taken away, when the server was killed */
    for (unsigned steps = 0; steps < 4; steps++) {
        setup();
        make_dir(".panicd/paths");
        make_link("host/a", ".panicd/paths/gone");
        if (steps > 0)
            make_dir("host");
        if (steps > 1)
            make_dir("host/a");
        if (steps > 2)
            make_link("../../gone", "host/a/gone");
        tmp_write("core", "hello", 5);
        CHECK_EQ(place("core", "b"), PND_OK);
        pnd_paths_sweep(&spool);
        CHECK(!tmp_exists("host") && leads_to("b/core", "hello"));
        CHECK_EQ(records(), 1);
        teardown();
    }
}

static void a_link_without_its_record_is_somebodys(void)
{
    setup();
    pnd_paths_sweep(&spool); /* of nothing */
    make_dir("d");
    make_link("../gone", "d/gone");
    make_dir("empty");
    pnd_paths_sweep(&spool);
    CHECK_STR(link_of("d/gone"), "../gone");
    CHECK(tmp_exists("empty"));
    teardown();
}

static void a_record_that_was_not_made_here_leads_nowhere(void)
{
    static const char *const paths[] = {"..", "../..", "/", "a/../..", ".panicd", "a//b"};

    setup();
    make_dir(".panicd/paths");
    make_dir("a");
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        make_link(paths[i], ".panicd/paths/gone");
        CHECK_EQ(drop("gone"), PND_OK);
        CHECK_EQ(records(), 0);
    }
    tmp_write(".panicd/paths/gone", "x", 1);
    pnd_paths_sweep(&spool);
    CHECK_EQ(records(), 0);
    CHECK(tmp_exists("a"));
    make_dir(".panicd/paths/core"); /* nor one that cannot be removed */
    CHECK_EQ(drop("core"), PND_E_SYS);
    tmp_write("core", "hello", 5);
    CHECK_EQ(place("core", "host"), PND_E_SYS);
    CHECK(!tmp_exists("host"));
    teardown();
}

static void records_that_cannot_be_opened_are_told_of(void)
{
    setup();
    tmp_write("core", "hello", 5);
    make_link("..", ".panicd/paths");
    CHECK_EQ(place("core", "host"), PND_E_SYS);
    CHECK_EQ(drop("core"), PND_E_SYS);
    pnd_paths_sweep(&spool);
    CHECK_EQ(in_spool(), 1);
    teardown();
}

/* ---- no room, and others ---- */

static void a_full_disk_leaves_nothing_behind(void)
{
    unsigned full = 0, placed = 0;

    for (unsigned inodes = 1; inodes <= 14; inodes++) {
        char options[64];
        int err;

        tmp_make();
        snprintf(options, sizeof(options), "size=1m,nr_inodes=%u", inodes);
        if (!tmp_mount(options)) {
            tmp_remove();
            printf("# skipped: it takes root to mount a small file system\n");
            return;
        }
        if (pnd_spool_open(&spool, tmp_path, &why) == PND_OK) {
            if (mknod(tmp_file("core"), S_IFREG | 0600, 0) == 0) {
                err = place("core", "a/b/c");
                CHECK(err == PND_OK || err == PND_E_NOSPACE);
                placed += err == PND_OK;
                full += err == PND_E_NOSPACE;
                CHECK_EQ(tmp_exists("a"), err == PND_OK);
                CHECK_EQ(records(), err == PND_OK);
            }
            pnd_spool_close(&spool);
        }
        tmp_unmount();
        tmp_remove();
    }
    CHECK(full >= 4 && placed > 0);
}

enum { ROUNDS = 150 };

static bool come_and_go(const char *file)
{
    bool good = true;

    for (unsigned i = 0; i < ROUNDS; i++) {
        good &= place(file, "host/a/b") == PND_OK;
        good &= drop(file) == PND_OK;
    }
    return good;
}

static void two_that_come_and_go_do_not_hinder_each_other(void)
{
    int status = -1;
    pid_t pid;

    setup();
    tmp_write("one", "1", 1);
    tmp_write("two", "2", 1);
    pid = fork();
    if (pid == 0)
        _exit(come_and_go("one") ? 0 : 1);
    CHECK(come_and_go("two"));
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK_EQ(in_spool(), 2);
    CHECK_EQ(records(), 0);
    teardown();
}

static void a_dump_that_is_removed_meanwhile_leaves_nothing(void)
{
    setup();
    for (unsigned i = 0; i < ROUNDS; i++) {
        int status = -1, err;
        pid_t pid;

        tmp_write("core", "hello", 5);
        pid = fork();
        if (pid == 0)
            _exit(unlink(tmp_file("core")) == 0 && drop("core") == PND_OK ? 0 : 1);
        err = place("core", "host/a");
        CHECK(err == PND_OK || err == PND_E_NOTFOUND);
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(status, 0);
        CHECK_EQ(in_spool(), 0);
    }
    CHECK_EQ(records(), 0);
    teardown();
}

int main(void)
{
    RUN(a_path_is_cleaned);
    RUN(what_could_harm_is_no_path);
    RUN(length_and_depth_are_bounded);
    RUN(no_bytes_make_a_path_that_leads_out);
    RUN(a_dump_lies_in_its_directory_and_leaves_it);
    RUN(the_deepest_and_longest_fit);
    RUN(what_others_have_in_a_directory_stays);
    RUN(a_dump_has_one_directory);
    RUN(what_is_in_the_way_is_left_alone);
    RUN(a_name_that_is_taken_stays_what_it_is);
    RUN(only_a_dump_and_a_clean_path_will_do);
    RUN(a_start_takes_away_what_leads_nowhere);
    RUN(a_link_without_its_record_is_somebodys);
    RUN(a_record_that_was_not_made_here_leads_nowhere);
    RUN(records_that_cannot_be_opened_are_told_of);
    RUN(a_full_disk_leaves_nothing_behind);
    RUN(two_that_come_and_go_do_not_hinder_each_other);
    RUN(a_dump_that_is_removed_meanwhile_leaves_nothing);
    return tap_done();
}
