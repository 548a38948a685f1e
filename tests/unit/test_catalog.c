/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The catalog: rows in and out, lost, damaged, rebuilt, shared. */
#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/xattr.h>

#include "store/catalog.h"
#include "tmpdir.h"

static struct pnd_spool spool;
static struct pnd_catalog *catalog;
static struct pnd_why why;
static struct pnd_dump found;
static bool fresh;

static void open_catalog(void)
{
    catalog = NULL;
    fresh = false;
    CHECK_EQ(pnd_catalog_open(&spool, false, &catalog, &fresh, &why), PND_OK);
}

static void setup(void)
{
    char state_dir[sizeof(tmp_path) + 16];

    tmp_make();
    snprintf(state_dir, sizeof(state_dir), "%s/.panicd", tmp_path);
    CHECK_EQ(mkdir(state_dir, 0700), 0); /* it has been a spool before */
    CHECK_EQ(pnd_spool_open(&spool, tmp_path, &why), PND_OK);
    CHECK(!spool.foreign);
    open_catalog();
}

static void reopen(void)
{
    pnd_catalog_close(catalog);
    open_catalog();
}

static void teardown(void)
{
    pnd_catalog_close(catalog);
    catalog = NULL;
    pnd_spool_close(&spool);
    tmp_remove();
}

static struct pnd_dump a_dump(uint64_t id, const char *name)
{
    struct pnd_dump dump = {
        .id = id,
        .state = PND_DUMP_COMPLETE,
        .checked = true,
        .format = "gzip+macho",
        .bytes = 5,
        .peer = "10.0.40.7",
        .peer_port = 1069,
        .protocol = "kdp",
        .started_ms = INT64_C(1795329000123),
        .received_ms = INT64_C(1795329060456),
        .packets = 77,
        .repeats = 3,
    };

    memset(dump.sha256, 'a', 64);
    snprintf(dump.file, sizeof(dump.file), "%s", name);
    snprintf(dump.name, sizeof(dump.name), "%s", name);
    return dump;
}

static void put(uint64_t id, const char *name)
{
    struct pnd_dump dump = a_dump(id, name);

    CHECK_EQ(pnd_catalog_put(catalog, &dump, 1, &why), PND_OK);
}

static int find(const char *sel)
{
    memset(&found, 0, sizeof(found));
    return pnd_catalog_find(catalog, sel, &found, &why);
}

static uint64_t last_id(void)
{
    uint64_t id = 12345;

    CHECK_EQ(pnd_catalog_last_id(catalog, &id, &why), PND_OK);
    return id;
}

static bool same(const struct pnd_dump *a, const struct pnd_dump *b)
{
    bool ok = a->id == b->id && strcmp(a->file, b->file) == 0 && strcmp(a->name, b->name) == 0 &&
              a->state == b->state && a->checked == b->checked &&
              strcmp(a->reason, b->reason) == 0 && strcmp(a->format, b->format) == 0 &&
              strcmp(a->sha256, b->sha256) == 0 && a->bytes == b->bytes &&
              strcmp(a->peer, b->peer) == 0 && a->peer_port == b->peer_port &&
              strcmp(a->protocol, b->protocol) == 0 && a->started_ms == b->started_ms &&
              a->received_ms == b->received_ms && a->packets == b->packets &&
              a->repeats == b->repeats && a->missing_count == b->missing_count;

    for (unsigned i = 0; ok && i < a->missing_count; i++)
        ok = a->missing[i].start == b->missing[i].start && a->missing[i].end == b->missing[i].end;
    return ok;
}

static unsigned reconcile_with(bool (*live)(const char *, void *), void *ctx, uint64_t first_id)
{
    unsigned changed = 999;

    CHECK_EQ(pnd_catalog_reconcile(catalog, &spool, live, ctx, first_id, &changed, &why), PND_OK);
    return changed;
}

static unsigned reconcile(void)
{
    return reconcile_with(NULL, NULL, 1);
}

static bool count_row(const struct pnd_dump *dump, void *ctx)
{
    (void)dump;
    ++*(unsigned *)ctx;
    return true;
}

static unsigned rows(void)
{
    unsigned count = 0;

    CHECK_EQ(pnd_catalog_each(catalog, false, count_row, &count, &why), PND_OK);
    return count;
}

/* A file of five bytes with the row as its label. @return false: no attributes here */
static bool labelled_file(const char *file, const struct pnd_dump *dump)
{
    int fd, err;

    tmp_write(file, "hello", 5);
    fd = open(tmp_file(file), O_RDONLY);
    err = pnd_catalog_label(fd, dump);
    close(fd);
    return err == PND_OK;
}

/* ---- rows ---- */

static void a_new_catalog_is_private_and_empty(void)
{
    struct stat st;

    setup();
    CHECK(fresh);
    CHECK_EQ(last_id(), 0);
    CHECK_EQ(rows(), 0);
    CHECK_EQ(find("latest"), PND_E_NOTFOUND);
    CHECK(strncmp(why.text, "no dump has been received in /", 30) == 0);
    put(1, "a");
    CHECK(stat(tmp_file(".panicd/catalog.db"), &st) == 0 && (st.st_mode & 07777) == 0600);
    CHECK(stat(tmp_file(".panicd/catalog.db-wal"), &st) == 0 && (st.st_mode & 07777) == 0600);
    reopen();
    CHECK(!fresh);
    CHECK_EQ(rows(), 1);
    teardown();
}

static void a_row_comes_back_as_it_was_put(void)
{
    struct pnd_dump dump = a_dump(7, "core-xnu.gz"), bare = {.id = 8, .file = "x"};

    setup();
    dump.state = PND_DUMP_INCOMPLETE;
    strcpy(dump.reason, "16 ranges of \"core\" never came");
    dump.missing_count = PND_DUMP_MISSING_CAP;
    for (unsigned i = 0; i < PND_DUMP_MISSING_CAP; i++) {
        dump.missing[i].start = UINT64_C(0x123456789ab) * i;
        dump.missing[i].end = i == 15 ? UINT64_MAX : dump.missing[i].start + i;
    }
    CHECK_EQ(pnd_catalog_put(catalog, &dump, 1, &why), PND_OK);
    CHECK_EQ(pnd_catalog_put(catalog, &bare, 1, &why), PND_OK);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(find("7"), PND_OK);
        CHECK(same(&found, &dump));
        CHECK_EQ(find("8"), PND_OK);
        CHECK(same(&found, &bare));
        reopen();
    }
    teardown();
}

static void names_of_any_bytes_come_back_from_rows_and_labels(void)
{
    static const char *const names[] = {
        "", "'; DROP TABLE dump; --", "a\nb\x1b[2J", "\xff\xfe\x80", "\xc3\xa4", "\"\\\x01", "%s%n",
    };
    char all_bytes[256];

    setup();
    for (int i = 0; i < 255; i++)
        all_bytes[i] = (char)(i + 1);
    all_bytes[255] = '\0';
    for (uint64_t id = 1; id <= 8; id++) {
        const char *name = id <= 7 ? names[id - 1] : all_bytes;
        struct pnd_dump dump = a_dump(id, name);
        char file[32], sel[32];

        snprintf(file, sizeof(file), "f%d", (int)id);
        snprintf(dump.file, sizeof(dump.file), "%s", file);
        CHECK_EQ(pnd_catalog_put(catalog, &dump, 1, &why), PND_OK);
        snprintf(sel, sizeof(sel), "%d", (int)id);
        CHECK_EQ(find(sel), PND_OK);
        CHECK(same(&found, &dump));
        CHECK_EQ(find(name), PND_OK);
        CHECK_EQ(found.id, id);
        if (!labelled_file(file, &dump)) {
            teardown();
            SKIP("this file system has no extended attributes: set TMPDIR");
        }
        CHECK_EQ(pnd_catalog_remove(catalog, id, &why), PND_OK);
        CHECK_EQ(reconcile(), 1);
        CHECK_EQ(find(file), PND_OK);
        CHECK(same(&found, &dump));
    }
    teardown();
}

static void a_row_is_replaced_by_its_id_and_by_its_file(void)
{
    struct pnd_dump dump = a_dump(1, "core");

    setup();
    put(1, "core");
    dump.state = PND_DUMP_INCOMPLETE;
    strcpy(dump.file, "core.incomplete");
    CHECK_EQ(pnd_catalog_put(catalog, &dump, 1, &why), PND_OK);
    CHECK_EQ(rows(), 1);
    CHECK_EQ(find("1"), PND_OK);
    CHECK_STR(found.file, "core.incomplete");
    put(2, "core.incomplete");
    CHECK_EQ(rows(), 1);
    CHECK_EQ(find("1"), PND_E_NOTFOUND);
    teardown();
}

static void many_rows_are_put_all_or_none(void)
{
    struct pnd_dump many[3] = {a_dump(1, "a"), a_dump(2, "b"), a_dump(3, "c")};
    sqlite3 *other;

    setup();
    CHECK_EQ(sqlite3_open(tmp_file(".panicd/catalog.db"), &other), SQLITE_OK);
    CHECK_EQ(sqlite3_exec(other,
                          "CREATE TRIGGER t BEFORE INSERT ON dump WHEN new.id = 3 "
                          "BEGIN SELECT RAISE(ABORT, 'no threes'); END",
                          NULL, NULL, NULL),
             SQLITE_OK);
    CHECK_EQ(pnd_catalog_put(catalog, many, 3, &why), PND_E_SYS);
    CHECK_STR(why.text, "put dump 3: no threes");
    CHECK_EQ(rows(), 0);
    CHECK_EQ(pnd_catalog_put(catalog, many, 2, &why), PND_OK);
    CHECK_EQ(rows(), 2);
    CHECK_EQ(pnd_catalog_put(catalog, many, 0, &why), PND_OK);
    sqlite3_close(other);
    teardown();
}

static void a_dump_is_found_by_id_name_file_or_latest(void)
{
    struct pnd_dump half = a_dump(3, "half.gz");

    setup();
    put(1, "core");
    put(2, "core.1");
    strcpy(half.file, "half.gz.incomplete");
    CHECK_EQ(pnd_catalog_put(catalog, &half, 1, &why), PND_OK);
    half = a_dump(4, "core");
    strcpy(half.file, "core.2");
    CHECK_EQ(pnd_catalog_put(catalog, &half, 1, &why), PND_OK);
    put(5, "77");
    CHECK(find("latest") == PND_OK && found.id == 5);
    CHECK(find("2") == PND_OK && found.id == 2);
    CHECK(find("core.1") == PND_OK && found.id == 2);
    CHECK(find("core") == PND_OK && found.id == 4); /* the latest with that name */
    CHECK(find("half.gz") == PND_OK && found.id == 3);
    CHECK(find("half.gz.incomplete") == PND_OK && found.id == 3);
    CHECK(find("77") == PND_OK && found.id == 5);
    CHECK_EQ(find("core.3"), PND_E_NOTFOUND);
    CHECK(strstr(why.text, "no dump \"core.3\" in /") && strstr(why.text, "; type: panicctl list"));
    CHECK_EQ(find("6"), PND_E_NOTFOUND);
    CHECK_EQ(find("99999999999999999999"), PND_E_NOTFOUND);
    CHECK_EQ(find("\x1b"), PND_E_NOTFOUND);
    CHECK(strstr(why.text, "\"\\x1b\"") != NULL);
    teardown();
}

static void ids_are_not_given_again_after_a_row_is_removed(void)
{
    setup();
    put(1, "a");
    put(9, "b");
    CHECK_EQ(last_id(), 9);
    CHECK_EQ(pnd_catalog_remove(catalog, 9, &why), PND_OK);
    CHECK_EQ(pnd_catalog_remove(catalog, 9, &why), PND_E_NOTFOUND);
    CHECK(strstr(why.text, "no dump 9 in ") != NULL);
    CHECK_EQ(last_id(), 9);
    reopen();
    CHECK_EQ(last_id(), 9);
    tmp_write("a", "", 0);
    tmp_write("new", "", 0);
    CHECK_EQ(reconcile(), 1);
    CHECK(find("new") == PND_OK && found.id == 10);
    teardown();
}

struct walk {
    uint64_t seen[8];
    unsigned count, stop_after;
};

static bool walk_row(const struct pnd_dump *dump, void *ctx)
{
    struct walk *walk = ctx;
    struct pnd_dump checked = *dump;

    walk->seen[walk->count++] = dump->id;
    checked.checked = true;
    CHECK_EQ(pnd_catalog_put(catalog, &checked, 1, &why), PND_OK);
    return walk->count != walk->stop_after;
}

static void rows_come_in_order_and_may_be_changed_on_the_way(void)
{
    struct walk walk = {.stop_after = 99};

    setup();
    for (uint64_t id = 5; id > 0; id--) {
        struct pnd_dump dump = a_dump(id, (char[]){(char)('a' + id), '\0'});

        dump.checked = id % 2;
        CHECK_EQ(pnd_catalog_put(catalog, &dump, 1, &why), PND_OK);
    }
    CHECK_EQ(pnd_catalog_each(catalog, true, walk_row, &walk, &why), PND_OK);
    CHECK(walk.count == 2 && walk.seen[0] == 2 && walk.seen[1] == 4);
    CHECK_EQ(pnd_catalog_each(catalog, true, walk_row, &walk, &why), PND_OK);
    CHECK_EQ(walk.count, 2);
    walk = (struct walk){.stop_after = 3};
    CHECK_EQ(pnd_catalog_each(catalog, false, walk_row, &walk, &why), PND_OK);
    CHECK(walk.count == 3 && walk.seen[0] == 1 && walk.seen[2] == 3);
    teardown();
}

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
        CHECK(strstr(why.text, "is of a newer panicd (schema 99, this one knows 1)") != NULL);
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

/* ---- shared ---- */

static void readers_see_rows_while_a_server_runs_and_after_it_was_killed(void)
{
    struct pnd_catalog *writer;
    pid_t child;

    setup();
    writer = catalog;
    put(1, "a");
    CHECK_EQ(pnd_catalog_open(&spool, true, &catalog, NULL, &why), PND_OK);
    CHECK_EQ(find("1"), PND_OK);
    struct pnd_dump dump = a_dump(2, "b");
    CHECK_EQ(pnd_catalog_put(writer, &dump, 1, &why), PND_OK);
    CHECK_EQ(find("2"), PND_OK);
    CHECK(pnd_catalog_put(catalog, &dump, 1, &why) != PND_OK);
    pnd_catalog_close(catalog);
    pnd_catalog_close(writer);
    child = fork();
    if (child == 0) {
        dump = a_dump(3, "c");
        open_catalog();
        pnd_catalog_put(catalog, &dump, 1, &why);
        raise(SIGKILL);
    }
    waitpid(child, NULL, 0);
    CHECK(tmp_exists(".panicd/catalog.db-wal"));
    CHECK_EQ(pnd_catalog_open(&spool, true, &catalog, NULL, &why), PND_OK);
    CHECK_EQ(find("3"), PND_OK);
    teardown();
}

/* The child kills itself; its catalog, with a log or without, is then made unwritable. */
static void read_where_nothing_can_be_written(bool killed)
{
    pid_t child;

    setup();
    pnd_catalog_close(catalog);
    child = fork();
    if (child == 0) {
        struct pnd_dump dump = a_dump(3, "c");

        open_catalog();
        pnd_catalog_put(catalog, &dump, 1, &why);
        if (killed)
            raise(SIGKILL);
        pnd_catalog_close(catalog);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    CHECK_EQ(tmp_exists(".panicd/catalog.db-wal"), killed);
    if (killed) /* it is shared memory: not for other machines, nor kept by backups */
        unlink(tmp_file(".panicd/catalog.db-shm"));
    pnd_spool_close(&spool);
    catalog = NULL;
    if (mount(tmp_path, tmp_path, NULL, MS_BIND, NULL) < 0 ||
        mount(NULL, tmp_path, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) < 0) {
        tmp_unmount();
        teardown();
        SKIP("needs root to make a directory read-only");
    }
    CHECK_EQ(pnd_spool_open_readonly(&spool, tmp_path, &why), PND_OK);
    CHECK_EQ(pnd_catalog_open(&spool, true, &catalog, NULL, &why), PND_OK);
    CHECK_EQ(find("3"), PND_OK);
    CHECK_EQ(rows(), 1);
    pnd_catalog_close(catalog);
    catalog = NULL;
    CHECK_EQ(pnd_catalog_open(&spool, false, &catalog, NULL, &why), PND_E_SYS);
    pnd_spool_close(&spool);
    tmp_unmount();
    teardown();
}

static void a_catalog_on_a_read_only_disk_can_be_read(void)
{
    read_where_nothing_can_be_written(false);
}

static void so_can_one_whose_server_was_killed_there(void)
{
    read_where_nothing_can_be_written(true);
}

static void a_directory_whose_name_means_something_in_a_uri_can_be_read(void)
{
    struct pnd_catalog *reader = NULL;
    char path[400];

    tmp_make();
    snprintf(path, sizeof(path), "%s/a?mode=rwc&b#c%%41 \xff", tmp_path);
    CHECK_EQ(pnd_spool_open(&spool, path, &why), PND_OK);
    open_catalog();
    put(1, "a");
    CHECK_EQ(pnd_catalog_open(&spool, true, &reader, NULL, &why), PND_OK);
    CHECK_EQ(pnd_catalog_find(reader, "1", &found, &why), PND_OK);
    pnd_catalog_close(reader);
    teardown();
}

static void two_processes_write_at_once_and_no_row_is_lost(void)
{
    enum { EACH = 100 };
    pid_t children[2];

    setup();
    pnd_catalog_close(catalog);
    for (uint64_t i = 0; i < 2; i++) {
        children[i] = fork();
        if (children[i] != 0)
            continue;
        if (pnd_catalog_open(&spool, false, &catalog, NULL, &why))
            _exit(1);
        for (uint64_t id = 1 + i; id <= 2 * EACH; id += 2) {
            char name[32];
            struct pnd_dump dump;

            snprintf(name, sizeof(name), "dump-%d", (int)id);
            dump = a_dump(id, name);
            if (pnd_catalog_put(catalog, &dump, 1, &why))
                _exit(2);
        }
        pnd_catalog_close(catalog);
        _exit(0);
    }
    CHECK_EQ(tmp_wait(children[0]), 0);
    CHECK_EQ(tmp_wait(children[1]), 0);
    open_catalog();
    CHECK(!fresh);
    CHECK_EQ(rows(), 2 * EACH);
    CHECK_EQ(last_id(), 2 * EACH);
    teardown();
}

static void two_processes_create_it_at_once_and_one_schema_comes_of_it(void)
{
    pid_t children[4];

    for (int round = 0; round < 10; round++) {
        tmp_make();
        CHECK_EQ(pnd_spool_open(&spool, tmp_path, &why), PND_OK);
        for (uint64_t i = 0; i < 4; i++) {
            children[i] = fork();
            if (children[i] == 0) {
                struct pnd_dump dump = a_dump(i + 1, (char[]){(char)('a' + i), '\0'});

                if (pnd_catalog_open(&spool, false, &catalog, NULL, &why) ||
                    pnd_catalog_put(catalog, &dump, 1, &why)) {
                    printf("# %s\n", why.text);
                    fflush(stdout);
                    _exit(1);
                }
                _exit(0);
            }
        }
        for (int i = 0; i < 4; i++)
            CHECK_EQ(tmp_wait(children[i]), 0);
        open_catalog();
        CHECK_EQ(rows(), 4);
        teardown();
    }
}

static void killed_while_it_writes_every_row_that_was_promised_is_there(void)
{
    setup();
    pnd_catalog_close(catalog);
    for (int kills = 0; kills < 20; kills++) {
        int fds[2];
        uint64_t promised = 0, from = 0, id;
        pid_t child;

        open_catalog();
        from = last_id();
        pnd_catalog_close(catalog);
        CHECK_EQ(pipe(fds), 0);
        child = fork();
        if (child == 0) {
            open_catalog();
            for (id = from + 1;; id++) {
                char name[32];

                snprintf(name, sizeof(name), "dump-%d", (int)id);
                put(id, name);
                if (write(fds[1], &id, sizeof(id)) < 0)
                    _exit(1);
            }
        }
        close(fds[1]);
        for (int i = 0; i <= kills; i++)
            CHECK(read(fds[0], &promised, sizeof(promised)) == sizeof(promised));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        while (read(fds[0], &id, sizeof(id)) == sizeof(id))
            promised = id;
        close(fds[0]);
        open_catalog();
        CHECK(!fresh);
        CHECK(rows() >= promised && last_id() - promised <= 1);
        pnd_catalog_close(catalog);
    }
    open_catalog();
    teardown();
}

static void a_locked_catalog_is_busy_and_a_full_disk_is_no_space(void)
{
    struct pnd_dump dump = a_dump(2, "b");
    sqlite3 *other;
    int err = PND_OK;

    tmp_make();
    if (!tmp_mount("size=1m")) {
        tmp_remove();
        SKIP("needs root to mount a small file system");
    }
    CHECK_EQ(pnd_spool_open(&spool, tmp_path, &why), PND_OK);
    open_catalog();
    put(1, "a");
    CHECK_EQ(sqlite3_open(tmp_file(".panicd/catalog.db"), &other), SQLITE_OK);
    CHECK_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    CHECK_EQ(pnd_catalog_put(catalog, &dump, 1, &why), PND_E_BUSY);
    CHECK_STR(why.text, "catalog: another program has held it for 5 s");
    CHECK_EQ(find("1"), PND_OK);
    sqlite3_close(other);
    tmp_fill();
    for (uint64_t id = 2; id < 50 && !err; id++) {
        dump.id = id;
        snprintf(dump.file, sizeof(dump.file), "f%d", (int)id);
        err = pnd_catalog_put(catalog, &dump, 1, &why);
    }
    CHECK_EQ(err, PND_E_NOSPACE);
    CHECK_EQ(find("1"), PND_OK);
    unlink(tmp_file("filler"));
    CHECK_EQ(pnd_catalog_put(catalog, &dump, 1, &why), PND_OK);
    pnd_catalog_close(catalog);
    unlink(tmp_file(".panicd/catalog.db"));
    tmp_fill();
    CHECK_EQ(pnd_catalog_open(&spool, false, &catalog, NULL, &why), PND_E_NOSPACE);
    pnd_spool_close(&spool);
    tmp_unmount();
    tmp_remove();
}

static void a_label_that_cannot_be_written_says_so(void)
{
    struct pnd_dump dump = a_dump(1, "a");
    int fds[2];

    CHECK_EQ(pipe(fds), 0);
    CHECK_EQ(pnd_catalog_label(fds[1], &dump), PND_E_SYS);
    CHECK_EQ(pnd_catalog_label(-1, &dump), PND_E_SYS);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    RUN(a_new_catalog_is_private_and_empty);
    RUN(a_row_comes_back_as_it_was_put);
    RUN(names_of_any_bytes_come_back_from_rows_and_labels);
    RUN(a_row_is_replaced_by_its_id_and_by_its_file);
    RUN(many_rows_are_put_all_or_none);
    RUN(a_dump_is_found_by_id_name_file_or_latest);
    RUN(ids_are_not_given_again_after_a_row_is_removed);
    RUN(rows_come_in_order_and_may_be_changed_on_the_way);
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
    RUN(readers_see_rows_while_a_server_runs_and_after_it_was_killed);
    RUN(a_catalog_on_a_read_only_disk_can_be_read);
    RUN(so_can_one_whose_server_was_killed_there);
    RUN(a_directory_whose_name_means_something_in_a_uri_can_be_read);
    RUN(two_processes_write_at_once_and_no_row_is_lost);
    RUN(two_processes_create_it_at_once_and_one_schema_comes_of_it);
    RUN(killed_while_it_writes_every_row_that_was_promised_is_there);
    RUN(a_locked_catalog_is_busy_and_a_full_disk_is_no_space);
    RUN(a_label_that_cannot_be_written_says_so);
    return tap_done();
}
