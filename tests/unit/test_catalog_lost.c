/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The catalog lost or damaged, and rebuilt from the files and their labels. */
#include <sqlite3.h>
#include <sys/xattr.h>

#include "unit/catalog_fixture.h"

/* ---- lost and damaged ---- */

static void a_lost_catalog_is_rebuilt_from_the_labels_with_its_ids(void)
{
    struct pnd_dump whole = a_dump(41, "core.gz"), half = a_dump(17, "half");

    setup();
    half.state = PND_DUMP_INCOMPLETE;
    strcpy(half.reason, "the sender stopped");
    strcpy(half.file, "half.incomplete");
    half.missing_count = 1;
    half.missing[0] = (struct pnd_dump_range){5, UINT64_MAX};
    if (!labelled_file("core.gz", &whole)) {
        teardown();
        SKIP("this file system has no extended attributes: set TMPDIR");
    }
    labelled_file("half.incomplete", &half);
    tmp_write("zz-without-label", "12", 2);
    tmp_write("aa-without-label", "12", 2);
    pnd_catalog_close(catalog);
    unlink(tmp_file(".panicd/catalog.db"));
    open_catalog();
    CHECK(fresh);
    CHECK_EQ(reconcile(), 4);
    CHECK_EQ(find("41"), PND_OK);
    CHECK(same(&found, &whole));
    CHECK_EQ(find("17"), PND_OK);
    CHECK(same(&found, &half));
    CHECK(find("aa-without-label") == PND_OK && found.id > 41);
    CHECK(find("zz-without-label") == PND_OK && found.id > 41);
    CHECK_EQ(last_id(), 43);
    CHECK_EQ(reconcile(), 0);
    teardown();
}

static void files_without_rows_or_labels_get_rows(void)
{
    setup();
    tmp_write("core.gz", "hello", 5);
    tmp_write("half.gz.incomplete", "he", 2);
    tmp_write(".hidden", "x", 1);
    CHECK_EQ(mkdir(tmp_file("directory"), 0700), 0);
    CHECK_EQ(symlink("core.gz", tmp_file("link")), 0);
    CHECK_EQ(mkfifo(tmp_file("fifo"), 0600), 0);
    CHECK_EQ(reconcile_with(NULL, NULL, 100), 2);
    CHECK_EQ(find("core.gz"), PND_OK);
    CHECK(found.id >= 100 && found.state == PND_DUMP_RECEIVING && !found.checked);
    CHECK(found.bytes == 5 && found.received_ms > INT64_C(1600000000000));
    CHECK_STR(found.peer, "");
    CHECK_STR(found.name, "core.gz");
    CHECK_EQ(find("half.gz"), PND_OK);
    CHECK(found.id >= 100 && found.state == PND_DUMP_INCOMPLETE && !found.checked);
    CHECK_STR(found.name, "half.gz");
    CHECK(found.reason[0] != '\0');
    CHECK_EQ(rows(), 2);
    CHECK_EQ(reconcile(), 0);
    teardown();
}

static void rows_without_files_go(void)
{
    setup();
    put(1, "gone");
    put(2, "kept");
    put(3, "now-a-directory");
    tmp_write("kept", "", 0);
    CHECK_EQ(mkdir(tmp_file("now-a-directory"), 0700), 0);
    CHECK_EQ(reconcile(), 2);
    CHECK_EQ(rows(), 1);
    CHECK_EQ(find("2"), PND_OK);
    teardown();
}

static bool is_live(const char *part_file, void *ctx)
{
    ++*(unsigned *)ctx;
    return strcmp(part_file, "live.part") == 0;
}

static void a_directory_that_was_no_spool_keeps_its_files_to_itself(void)
{
    tmp_make();
    tmp_write("notes.txt", "x", 1);
    tmp_write("movie.part", "x", 1);
    tmp_write("core-xnu-1", "x", 1);
    tmp_write("core-xnu-2.part", "x", 1);
    CHECK_EQ(pnd_spool_open(&spool, tmp_path, &why), PND_OK);
    CHECK(spool.foreign);
    open_catalog();
    CHECK_EQ(reconcile(), 2);
    CHECK_EQ(find("core-xnu-1"), PND_OK);
    CHECK_EQ(find("core-xnu-2"), PND_OK);
    CHECK_EQ(find("notes.txt"), PND_E_NOTFOUND);
    CHECK(tmp_exists("movie.part") && tmp_exists("notes.txt"));
    teardown();
}

static void a_part_that_nobody_claims_is_abandoned(void)
{
    unsigned asked = 0;

    setup();
    tmp_write("live.part", "x", 1);
    tmp_write("dead.gz.part", "x", 1);
    CHECK_EQ(reconcile_with(is_live, &asked, 1), 1);
    CHECK_EQ(asked, 2);
    CHECK(tmp_exists("live.part") && tmp_exists("dead.gz.incomplete") &&
          !tmp_exists("dead.gz.part"));
    CHECK(find("dead.gz") == PND_OK && found.state == PND_DUMP_INCOMPLETE);
    CHECK_EQ(reconcile(), 1);
    CHECK(tmp_exists("live.incomplete"));
    teardown();
}

static void a_label_is_believed_as_far_as_name_and_size_bear_it_out(void)
{
    struct pnd_dump dump = a_dump(5, "core");

    setup();
    if (!labelled_file("core.incomplete", &dump)) { /* renamed, not yet labelled anew */
        teardown();
        SKIP("this file system has no extended attributes: set TMPDIR");
    }
    dump.id = 6;
    dump.bytes = 4; /* the file has 5 */
    labelled_file("grown", &dump);
    dump.id = 7;
    dump.bytes = 5;
    dump.state = PND_DUMP_INCOMPLETE;
    strcpy(dump.reason, "not whole");
    labelled_file("renamed-by-hand", &dump);
    CHECK_EQ(reconcile(), 3);
    CHECK_EQ(find("5"), PND_OK);
    CHECK(found.state == PND_DUMP_INCOMPLETE && !found.checked && found.reason[0]);
    CHECK_STR(found.peer, "10.0.40.7");
    CHECK_EQ(find("6"), PND_OK);
    CHECK(found.state == PND_DUMP_RECEIVING && !found.checked && found.bytes == 5);
    CHECK_STR(found.sha256, "");
    CHECK_EQ(find("7"), PND_OK);
    CHECK(found.state == PND_DUMP_RECEIVING && !found.checked);
    CHECK_STR(found.reason, "");
    teardown();
}

static void a_copied_file_gets_an_id_of_its_own_and_a_bad_label_is_none(void)
{
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "null",
        "{\"id\":0}",
        "{\"id\":-1}",
        "{\"id\":\"5\"}",
        "{\"id\":9223372036854775807}",
        "{\"id\":281474976710656}",
        "\xff\xff",
    };
    struct pnd_dump dump = a_dump(5, "core");

    setup();
    if (!labelled_file("core", &dump)) {
        teardown();
        SKIP("this file system has no extended attributes: set TMPDIR");
    }
    labelled_file("copy", &dump);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char file[32];

        snprintf(file, sizeof(file), "bad-%d", (int)i);
        tmp_write(file, "x", 1);
        CHECK_EQ(setxattr(tmp_file(file), "user.panicd", bad[i], strlen(bad[i]), 0), 0);
    }
    tmp_write("odd", "hello", 5);
    static const char odd[] = "{\"id\":6,\"name\":7,\"peer\":\"a\\u0000b\",\"state\":\"mad\","
                              "\"name_hex\":\"zz\",\"missing\":[1,{\"start\":-1}],\"bytes\":5,"
                              "\"started_at\":\"yesterday\"}";
    CHECK_EQ(setxattr(tmp_file("odd"), "user.panicd", odd, strlen(odd), 0), 0);
    CHECK_EQ(reconcile(), 13);
    CHECK_EQ(rows(), 13);
    CHECK(find("5") == PND_OK && find("core") == PND_OK && find("copy") == PND_OK);
    CHECK_EQ(last_id(), 17); /* 5 and 6 from labels, eleven new ones */
    CHECK(find("6") == PND_OK && found.state == PND_DUMP_RECEIVING && found.peer[0] == '\0');
    CHECK_EQ(reconcile(), 0);
    teardown();
}

static bool bad_was_set_aside(void)
{
    char line[64] = "";
    char command[512];
    FILE *pipe;

    snprintf(command, sizeof(command), "ls %s/.panicd | grep -c '^catalog.db.bad-2.*Z$'", tmp_path);
    pipe = popen(command, "r");
    CHECK(pipe && fgets(line, sizeof(line), pipe));
    pclose(pipe);
    return strtol(line, NULL, 10) == 1;
}

static void damage(off_t offset, size_t len)
{
    static const char noise[4096] = "\xa5\x5a noise";
    int fd = open(tmp_file(".panicd/catalog.db"), O_WRONLY);

    CHECK(pwrite(fd, noise, len, offset) == (ssize_t)len);
    close(fd);
}

/* The catalog with its rows in the main file, and nobody at it. */
static void make_damaged(off_t offset, size_t len)
{
    setup();
    put(3, "core");
    tmp_write("core", "x", 1);
    pnd_catalog_close(catalog);
    damage(offset, len);
}

static void a_damaged_catalog_is_set_aside_by_the_server_and_rebuilt(void)
{
    static const struct {
        off_t offset;
        size_t len;
    } damages[] = {{0, 16}, {0, 4096}, {100, 64}, {4096, 4096}};

    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        make_damaged(damages[i].offset, damages[i].len);
        open_catalog();
        CHECK(fresh);
        CHECK(bad_was_set_aside());
        CHECK_EQ(rows(), 0);
        CHECK_EQ(reconcile(), 1);
        CHECK_EQ(find("core"), PND_OK);
        teardown();
    }
    setup();
    put(1, "a");
    pnd_catalog_close(catalog);
    CHECK_EQ(truncate(tmp_file(".panicd/catalog.db"), 5000), 0);
    open_catalog();
    CHECK(fresh && bad_was_set_aside());
    teardown();
}

static void a_damaged_catalog_is_left_alone_by_the_tools(void)
{
    struct pnd_spool reader;

    make_damaged(0, 16);
    catalog = NULL;
    CHECK_EQ(pnd_spool_open_readonly(&reader, tmp_path, &why), PND_OK);
    for (int readonly = 0; readonly < 2; readonly++) {
        CHECK_EQ(pnd_catalog_open(&reader, readonly, &catalog, NULL, &why), PND_E_FORMAT);
        CHECK(strstr(why.text, "is damaged; start panicd, which rebuilds it") != NULL);
    }
    CHECK(!bad_was_set_aside());
    pnd_spool_close(&reader);
    teardown();
}

static void a_catalog_of_a_newer_panicd_is_not_touched(void)
{
    sqlite3 *other;

    setup();
    pnd_catalog_close(catalog);
    catalog = NULL;
    CHECK_EQ(sqlite3_open(tmp_file(".panicd/catalog.db"), &other), SQLITE_OK);
    CHECK_EQ(sqlite3_exec(other, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
    for (int readonly = 0; readonly < 2; readonly++) {
        CHECK_EQ(pnd_catalog_open(&spool, readonly, &catalog, NULL, &why), PND_E_SYS);
        CHECK(strstr(why.text, "is of a newer panicd (schema 99, this one knows 2)") != NULL);
    }
    CHECK(!bad_was_set_aside());
    teardown();
}

static void a_catalog_that_was_only_begun_is_made_anew(void)
{
    struct pnd_catalog *reader = NULL;

    tmp_make();
    CHECK_EQ(pnd_spool_open(&spool, tmp_path, &why), PND_OK);
    CHECK_EQ(pnd_catalog_open(&spool, true, &reader, NULL, &why), PND_E_NOTFOUND);
    CHECK(!tmp_exists(".panicd/catalog.db"));
    tmp_write(".panicd/catalog.db", "", 0);
    CHECK_EQ(pnd_catalog_open(&spool, true, &reader, NULL, &why), PND_E_NOTFOUND);
    open_catalog();
    CHECK(fresh);
    teardown();
}

static void a_link_in_the_place_of_the_catalog_is_refused(void)
{
    setup();
    pnd_catalog_close(catalog);
    catalog = NULL;
    CHECK_EQ(rename(tmp_file(".panicd/catalog.db"), "/tmp/pnd-test-elsewhere.db"), 0);
    CHECK_EQ(symlink("/tmp/pnd-test-elsewhere.db", tmp_file(".panicd/catalog.db")), 0);
    CHECK_EQ(pnd_catalog_open(&spool, false, &catalog, NULL, &why), PND_E_SYS);
    CHECK_EQ(pnd_catalog_open(&spool, true, &catalog, NULL, &why), PND_E_SYS);
    unlink("/tmp/pnd-test-elsewhere.db");
    teardown();
}

int main(void)
{
    RUN(a_lost_catalog_is_rebuilt_from_the_labels_with_its_ids);
    RUN(files_without_rows_or_labels_get_rows);
    RUN(rows_without_files_go);
    RUN(a_part_that_nobody_claims_is_abandoned);
    RUN(a_directory_that_was_no_spool_keeps_its_files_to_itself);
    RUN(a_label_is_believed_as_far_as_name_and_size_bear_it_out);
    RUN(a_copied_file_gets_an_id_of_its_own_and_a_bad_label_is_none);
    RUN(a_damaged_catalog_is_set_aside_by_the_server_and_rebuilt);
    RUN(a_damaged_catalog_is_left_alone_by_the_tools);
    RUN(a_catalog_of_a_newer_panicd_is_not_touched);
    RUN(a_catalog_that_was_only_begun_is_made_anew);
    RUN(a_link_in_the_place_of_the_catalog_is_refused);
    return tap_done();
}
