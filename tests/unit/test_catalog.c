/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The catalog: rows in and out. */
#include <sqlite3.h>

#include "unit/catalog_fixture.h"

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
    return tap_done();
}
