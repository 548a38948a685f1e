/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is known of dumps, in the catalog: groups that outlive their dumps, notes, catalogs of an
 * older panicd, rows that are damaged, and two processes at once. */
#include <sqlite3.h>

#include "store/catalog_facts.h"
#include "unit/catalog_fixture.h"

static const char hda[] = "Kernel trap at 0xffffff8012345678, type 14=page fault, registers:";
static const char oom[] = "zone map exhausted";

static void exec_sql(const char *sql)
{
    sqlite3 *db = NULL;
    char *error = NULL;

    CHECK_EQ(sqlite3_open(tmp_file(".panicd/catalog.db"), &db), SQLITE_OK);
    CHECK_EQ(sqlite3_exec(db, sql, NULL, NULL, &error), SQLITE_OK);
    if (error)
        printf("# %s\n", error);
    sqlite3_free(error);
    sqlite3_close(db);
}

static int64_t number_of(const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    int64_t number = -1;

    CHECK_EQ(sqlite3_open(tmp_file(".panicd/catalog.db"), &db), SQLITE_OK);
    CHECK_EQ(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    if (sqlite3_step(stmt) == SQLITE_ROW)
        number = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return number;
}

static void set(struct pnd_facts *facts, enum pnd_fact fact, const char *text)
{
    pnd_facts_set(facts, fact, text, strlen(text));
}

static void put_facts_at(uint64_t id, const char *panic, int64_t seen_ms, const char *machine)
{
    struct pnd_facts facts = {0};

    set(&facts, PND_FACT_OS, "macOS");
    set(&facts, PND_FACT_KERNEL, "xnu-8020.101.4");
    set(&facts, PND_FACT_PANIC, panic);
    CHECK_EQ(pnd_catalog_put_facts(catalog, id, &facts, true, seen_ms, machine, &why), PND_OK);
    pnd_facts_deinit(&facts);
}

static void put_facts(uint64_t id, const char *panic)
{
    put_facts_at(id, panic, (int64_t)id * 1000, "10.0.40.7");
}

static int get(uint64_t id, bool with_log, struct pnd_facts *ret)
{
    return pnd_catalog_get_facts(catalog, id, with_log, ret, &why);
}

static bool known(uint64_t id)
{
    struct pnd_facts facts;
    int err = get(id, false, &facts);

    CHECK(err == PND_OK || err == PND_E_NOTFOUND);
    pnd_facts_deinit(&facts);
    return err == PND_OK;
}

static struct pnd_group groups[16];

static bool take_group(const struct pnd_group *group, void *ctx)
{
    unsigned *count = ctx;

    groups[(*count)++] = *group;
    return *count < 16;
}

static unsigned read_groups(void)
{
    unsigned count = 0;

    CHECK_EQ(pnd_catalog_groups(catalog, take_group, &count, &why), PND_OK);
    return count;
}

static struct pnd_sighting sightings[64];

static bool take_sighting(const struct pnd_sighting *sighting, void *ctx)
{
    unsigned *count = ctx;

    sightings[(*count)++] = *sighting;
    return *count < 64;
}

static unsigned read_sightings(const char *signature)
{
    unsigned count = 0;

    CHECK_EQ(pnd_catalog_sightings(catalog, signature, take_sighting, &count, &why), PND_OK);
    return count;
}

static void what_is_put_comes_back_whole_with_the_log_when_asked_for(void)
{
    struct pnd_facts facts = {0}, got;
    struct pnd_facts_line line;
    struct pnd_fact_cpu *cpu;
    char *log = malloc(1 << 20);

    setup();
    put(1, "a");
    for (size_t i = 0; i < 1 << 20; i++)
        log[i] = i % 64 == 63 ? '\n' : (char)('a' + (i * 7 + i / 64) % 26);
    set(&facts, PND_FACT_OS, "Linux");
    set(&facts, PND_FACT_KERNEL, "6.1.0-56-cloud-amd64");
    set(&facts, PND_FACT_HOST, "sch\xc3\xb6n");
    set(&facts, PND_FACT_PANIC, "sysrq triggered crash");
    cpu = pnd_facts_add_cpu(&facts, 3, true);
    pnd_facts_add_register(&facts, cpu, "rip", UINT64_MAX);
    pnd_facts_add_frame(&facts, 0, 0, "foo+0x1/0x2", 11, NULL, 0);
    pnd_facts_add_range(&facts, 0, UINT64_C(1) << 40, PND_MEMORY_ZERO);
    pnd_facts_set_log(&facts, log, 1 << 20);
    CHECK_EQ(pnd_catalog_put_facts(catalog, 1, &facts, true, 1, "a", &why), PND_OK);
    reopen();
    CHECK_EQ(get(1, false, &got), PND_OK);
    CHECK_STR(pnd_facts_text(&got, PND_FACT_HOST), "sch\xc3\xb6n");
    CHECK(got.cpu_count == 1 && got.cpus[0].registers[0].value == UINT64_MAX);
    CHECK(got.frame_count == 1 && got.range_count == 1 && got.ranges[0].end >> 40 == 1);
    CHECK(!got.log);
    pnd_facts_deinit(&got);
    CHECK_EQ(get(1, true, &got), PND_OK);
    CHECK(got.log_len == 1 << 20 && memcmp(got.log, log, 1 << 20) == 0);
    pnd_facts_deinit(&got);
    CHECK(number_of("SELECT length(log) < log_bytes / 2 FROM facts_log") == 1);
    CHECK_EQ(pnd_catalog_facts_line(catalog, 1, &line, &why), PND_OK);
    CHECK_STR(line.os, "Linux");
    CHECK_STR(line.kernel, "6.1.0-56-cloud-amd64");
    CHECK_STR(line.host, "sch\xc3\xb6n");
    CHECK_STR(line.signature.title, "sysrq triggered crash in foo");
    CHECK(line.final);
    free(log);
    pnd_facts_deinit(&facts);
    teardown();
}

static void later_facts_replace_earlier_ones_and_their_log(void)
{
    struct pnd_facts facts = {0}, got;
    struct pnd_facts_line line;

    setup();
    set(&facts, PND_FACT_OS, "Linux");
    pnd_facts_set_log(&facts, "log", 3);
    CHECK_EQ(pnd_catalog_put_facts(catalog, 7, &facts, false, 1, "a", &why), PND_OK);
    CHECK_EQ(pnd_catalog_facts_line(catalog, 7, &line, &why), PND_OK);
    CHECK(!line.final && !line.signature.id[0]);
    CHECK_EQ(read_groups(), 0);
    put_facts(7, oom);
    CHECK_EQ(get(7, true, &got), PND_OK);
    CHECK(!got.log);
    CHECK_STR(pnd_facts_text(&got, PND_FACT_OS), "macOS");
    pnd_facts_deinit(&got);
    CHECK_EQ(read_groups(), 1);
    put_facts(7, hda); /* read again by a better reader: another group */
    CHECK_EQ(read_groups(), 1);
    CHECK_STR(groups[0].signature.title, "Kernel trap, type 14=page fault");
    CHECK_EQ(pnd_catalog_put_facts(catalog, 7, &facts, true, 1, "a", &why), PND_OK);
    CHECK_EQ(read_groups(), 0);
    pnd_facts_deinit(&facts);
    teardown();
}

static void nothing_is_known_of_what_was_never_read(void)
{
    struct pnd_facts facts = {.cut = true};
    struct pnd_facts_line line;

    setup();
    put(1, "a");
    CHECK_EQ(get(1, true, &facts), PND_E_NOTFOUND);
    CHECK(!facts.cut && !facts.log);
    CHECK_EQ(get(UINT64_MAX, true, &facts), PND_E_NOTFOUND);
    CHECK_EQ(pnd_catalog_facts_line(catalog, 1, &line, &why), PND_E_NOTFOUND);
    CHECK_EQ(read_groups(), 0);
    CHECK_EQ(pnd_catalog_group_find(catalog, "1", &groups[0], &why), PND_E_NOTFOUND);
    CHECK_STR(why.text, "dump 1 is in no group: it is not known why its machine died");
    CHECK_EQ(pnd_catalog_group_find(catalog, "x\x1b", &groups[0], &why), PND_E_NOTFOUND);
    CHECK(strncmp(why.text, "no group and no dump \"x\\x1b\"", 28) == 0);
    teardown();
}

static void a_group_counts_dumps_and_machines_newest_last(void)
{
    setup();
    for (uint64_t id = 1; id <= 4; id++) {
        char name[8];

        snprintf(name, sizeof(name), "d%d", (int)id);
        put(id, name);
    }
    put_facts_at(1, hda, 5000, "studio");
    put_facts_at(2, oom, 9000, "10.0.40.7");
    put_facts_at(3, hda, 3000, "lab");
    put_facts_at(4, hda, 7000, "studio");
    CHECK_EQ(read_groups(), 2);
    CHECK_STR(groups[0].signature.title, "Kernel trap, type 14=page fault");
    CHECK_EQ(groups[0].count, 3);
    CHECK_EQ(groups[0].machines, 2);
    CHECK_EQ(groups[0].kept, 3);
    CHECK_EQ(groups[0].first_ms, 3000);
    CHECK_EQ(groups[0].last_ms, 7000);
    CHECK_EQ(groups[0].first_id, 3);
    CHECK_EQ(groups[0].last_id, 4);
    CHECK_STR(groups[1].signature.title, oom);
    CHECK_EQ(read_sightings(groups[0].signature.id), 3);
    CHECK(sightings[0].id == 3 && sightings[1].id == 1 && sightings[2].id == 4);
    CHECK_STR(sightings[0].machine, "lab");
    CHECK_STR(sightings[0].kernel, "xnu-8020.101.4");
    CHECK(sightings[0].kept);
    teardown();
}

static void a_machine_is_its_name_or_else_the_senders_address(void)
{
    struct pnd_dump dump = a_dump(1, "a");
    struct pnd_facts facts = {0};

    setup();
    set(&facts, PND_FACT_PANIC, oom);
    CHECK_EQ(pnd_catalog_put_dump_facts(catalog, &dump, &facts, true, &why), PND_OK);
    CHECK_EQ(read_groups(), 1);
    CHECK_EQ(read_sightings(groups[0].signature.id), 1);
    CHECK_STR(sightings[0].machine, "10.0.40.7");
    CHECK_EQ(sightings[0].seen_ms, dump.received_ms);
    dump.received_ms = 0; /* it still arrives */
    set(&facts, PND_FACT_HOST, "studio");
    CHECK_EQ(pnd_catalog_put_dump_facts(catalog, &dump, &facts, false, &why), PND_OK);
    CHECK_EQ(read_sightings(groups[0].signature.id), 1);
    CHECK_STR(sightings[0].machine, "studio");
    CHECK_EQ(sightings[0].seen_ms, dump.started_ms);
    pnd_facts_deinit(&facts);
    teardown();
}

static void history_outlives_a_dump_that_is_removed(void)
{
    setup();
    put(1, "a");
    put(2, "b");
    put_facts(1, oom);
    put_facts(2, oom);
    CHECK_EQ(pnd_catalog_remove(catalog, 1, &why), PND_OK);
    CHECK(!known(1));
    CHECK(known(2));
    CHECK_EQ(read_groups(), 1);
    CHECK(groups[0].count == 2 && groups[0].kept == 1 && groups[0].first_id == 1);
    CHECK_EQ(read_sightings(groups[0].signature.id), 2);
    CHECK(!sightings[0].kept && sightings[1].kept);
    CHECK_EQ(pnd_catalog_group_find(catalog, "1", &groups[1], &why), PND_OK); /* gone, and known */
    CHECK_STR(groups[1].signature.id, groups[0].signature.id);
    CHECK_EQ(pnd_catalog_remove(catalog, 2, &why), PND_OK);
    CHECK_EQ(read_groups(), 1);
    CHECK_EQ(groups[0].kept, 0);
    CHECK_EQ(number_of("SELECT (SELECT count(*) FROM facts) + (SELECT count(*) FROM facts_log)"),
             0);
    teardown();
}

static void a_file_that_a_person_removed_takes_its_facts_along(void)
{
    struct pnd_facts facts = {0};

    setup();
    tmp_write("a", "hello", 5);
    tmp_write("b", "hello", 5);
    put(1, "a");
    put(2, "b");
    set(&facts, PND_FACT_PANIC, oom);
    pnd_facts_set_log(&facts, "log", 3);
    for (uint64_t id = 1; id <= 3; id++) /* 3 arrived when the server died */
        CHECK_EQ(pnd_catalog_put_facts(catalog, id, &facts, true, 1, "a", &why), PND_OK);
    unlink(tmp_file("a"));
    CHECK_EQ(reconcile(), 1);
    CHECK(!known(1) && known(2) && !known(3));
    CHECK_EQ(number_of("SELECT count(*) FROM facts_log"), 1);
    CHECK_EQ(read_groups(), 1);
    CHECK_EQ(groups[0].count, 3);
    pnd_facts_deinit(&facts);
    teardown();
}

static void so_does_a_dump_whose_name_another_gets_but_not_one_that_is_put_again(void)
{
    setup();
    put(1, "a");
    put_facts(1, oom);
    put(1, "a"); /* the verdict comes */
    CHECK(known(1));
    put(2, "a");
    CHECK_EQ(rows(), 1);
    CHECK(!known(1));
    CHECK_EQ(read_groups(), 1);
    teardown();
}

static void a_group_is_found_by_id_by_its_start_and_by_a_dump(void)
{
    struct pnd_group group;
    char id[PND_SIGNATURE_CAP], start[PND_SIGNATURE_CAP];

    setup();
    put(1, "core-a");
    put_facts(1, oom);
    CHECK_EQ(read_groups(), 1);
    memcpy(id, groups[0].signature.id, sizeof(id));
    snprintf(start, sizeof(start), "%.4s", id);
    CHECK_EQ(pnd_catalog_group_find(catalog, id, &group, &why), PND_OK);
    CHECK_EQ(pnd_catalog_group_find(catalog, start, &group, &why), PND_OK);
    CHECK_EQ(pnd_catalog_group_find(catalog, "core-a", &group, &why), PND_OK);
    CHECK_EQ(pnd_catalog_group_find(catalog, "latest", &group, &why), PND_OK);
    CHECK_EQ(pnd_catalog_group_find(catalog, "1", &group, &why), PND_OK);
    CHECK_STR(group.signature.id, id);
    start[3] = '\0';
    CHECK_EQ(pnd_catalog_group_find(catalog, start, &group, &why), PND_E_NOTFOUND);
    exec_sql("INSERT INTO sighting VALUES (1234, 'abcd00000001', '', 1, '', ''),"
             " (6, 'abcd00000002', '', 1, '', ''), (7, '123400000000', '', 1, '', '')");
    CHECK_EQ(pnd_catalog_group_find(catalog, "abcd", &group, &why), PND_E_NOTFOUND);
    CHECK_STR(why.text,
              "several groups begin with \"abcd\"; type more of it, as in: panicctl groups");
    CHECK_EQ(pnd_catalog_group_find(catalog, "abcd00000002", &group, &why), PND_OK);
    CHECK_EQ(group.first_id, 6);
    CHECK_EQ(pnd_catalog_group_find(catalog, "1234", &group, &why), PND_OK); /* dump 1234 */
    CHECK_STR(group.signature.id, "abcd00000001");
    CHECK_EQ(pnd_catalog_group_find(catalog, "12340", &group, &why), PND_OK);
    CHECK_EQ(group.first_id, 7);
    teardown();
}

static void notes_stay_with_their_group_and_have_an_end(void)
{
    char id[PND_SIGNATURE_CAP], text[PND_GROUP_NOTE_MAX + 2];

    setup();
    put(1, "a");
    put_facts(1, oom);
    CHECK_EQ(read_groups(), 1);
    memcpy(id, groups[0].signature.id, sizeof(id));
    CHECK_EQ(pnd_catalog_set_note(catalog, id, "fixed in 10.15.5 beta 4", &why), PND_OK);
    pnd_catalog_remove(catalog, 1, &why);
    put(2, "b");
    put_facts(2, oom);
    reopen();
    CHECK_EQ(read_groups(), 1);
    CHECK_STR(groups[0].note, "fixed in 10.15.5 beta 4");
    memset(text, 'x', sizeof(text));
    text[PND_GROUP_NOTE_MAX + 1] = '\0';
    CHECK_EQ(pnd_catalog_set_note(catalog, id, text, &why), PND_E_RANGE);
    CHECK_STR(why.text, "the note is too long: 1024 bytes, where 1023 may be");
    text[PND_GROUP_NOTE_MAX] = '\0';
    CHECK_EQ(pnd_catalog_set_note(catalog, id, text, &why), PND_OK);
    CHECK_EQ(pnd_catalog_set_note(catalog, id, "\xff", &why), PND_E_FORMAT);
    CHECK_EQ(pnd_catalog_group_of(catalog, 2, &groups[0], &why), PND_OK);
    CHECK_STR(groups[0].note, text);
    CHECK_EQ(pnd_catalog_set_note(catalog, id, "", &why), PND_OK);
    CHECK_EQ(read_groups(), 1);
    CHECK_STR(groups[0].note, "");
    CHECK_EQ(pnd_catalog_set_note(catalog, "0123456789ab", "x", &why), PND_E_NOTFOUND);
    CHECK_STR(why.text, "there is no group 0123456789ab; type: panicctl groups");
    teardown();
}

static bool collect_ids(const struct pnd_dump *dump, void *ctx)
{
    char *at = (char *)ctx + strlen(ctx);

    snprintf(at, 16, "%d ", (int)dump->id);
    return true;
}

static void those_that_were_never_read_to_the_end_are_named(void)
{
    struct pnd_facts facts = {0};
    struct pnd_dump unchecked = a_dump(4, "d");
    char ids[64] = "";

    setup();
    for (uint64_t id = 1; id <= 3; id++)
        put(id, id == 1 ? "a" : id == 2 ? "b" : "c");
    unchecked.checked = false;
    CHECK_EQ(pnd_catalog_put(catalog, &unchecked, 1, &why), PND_OK);
    CHECK_EQ(pnd_catalog_put_facts(catalog, 1, &facts, false, 1, "", &why), PND_OK);
    CHECK_EQ(pnd_catalog_put_facts(catalog, 2, &facts, true, 1, "", &why), PND_OK);
    CHECK_EQ(pnd_catalog_each_unread(catalog, collect_ids, ids, &why), PND_OK);
    CHECK_STR(ids, "1 3 ");
    teardown();
}

/* ---- damage ---- */

static void a_damaged_row_is_not_known_and_harms_no_other(void)
{
    static const char *const damages[] = {
        "UPDATE facts SET json = CAST('{\"os\":' AS BLOB), json_bytes = 6 WHERE dump = 1",
        "UPDATE facts SET json = CAST('[1]' AS BLOB), json_bytes = 3 WHERE dump = 1",
        "UPDATE facts SET json = x'', json_bytes = 0 WHERE dump = 1",
        "UPDATE facts SET json = x'00010203' WHERE dump = 1", /* no zlib */
        "UPDATE facts SET json_bytes = 9223372036854775807 WHERE dump = 1",
        "UPDATE facts SET json_bytes = -1 WHERE dump = 1",
        "UPDATE facts SET json_bytes = json_bytes - 1 WHERE dump = 1",
    };

    for (size_t i = 0; i < sizeof(damages) / sizeof(*damages); i++) {
        struct pnd_facts facts;

        setup();
        put(1, "a");
        put(2, "b");
        put_facts(1, oom);
        put_facts(2, oom);
        exec_sql(damages[i]);
        CHECK_EQ(get(1, true, &facts), PND_E_NOTFOUND);
        CHECK_STR(why.text, "what was known of dump 1 is damaged; to read the dump again type: "
                            "panicctl verify 1");
        CHECK(known(2));
        CHECK_EQ(read_groups(), 1);
        put_facts(1, oom);
        CHECK(known(1));
        teardown();
    }
}

static void json_that_lies_says_less_and_breaks_nothing(void)
{
    struct pnd_facts facts;

    setup();
    put_facts(1, oom);
    exec_sql("UPDATE facts SET json = CAST('{\"os\":7,\"cpus\":{},\"backtrace\":[null,3],"
             "\"memory\":[],\"panic\":\"x\"}' AS BLOB)");
    exec_sql("UPDATE facts SET json_bytes = length(json), signature = 'longer than it can be'");
    CHECK_EQ(get(1, true, &facts), PND_OK);
    CHECK(!facts.text[PND_FACT_OS] && facts.cpu_count == 0);
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_PANIC), "x");
    pnd_facts_deinit(&facts);
    teardown();
}

/* ---- versions ---- */

/* What the first panicd made, in its words. */
static const char version_1[] =
    "PRAGMA journal_mode = WAL;"
    "CREATE TABLE dump (id INTEGER PRIMARY KEY AUTOINCREMENT CHECK (id > 0), file BLOB NOT NULL "
    "UNIQUE, name BLOB NOT NULL, state TEXT NOT NULL CHECK (state IN ('receiving', 'complete', "
    "'incomplete')), checked INTEGER NOT NULL CHECK (checked IN (0, 1)), reason TEXT NOT NULL, "
    "format TEXT NOT NULL, sha256 TEXT NOT NULL, bytes INTEGER NOT NULL, peer TEXT NOT NULL, "
    "peer_port INTEGER NOT NULL, protocol TEXT NOT NULL, started_ms INTEGER NOT NULL, received_ms "
    "INTEGER NOT NULL, packets INTEGER NOT NULL, repeats INTEGER NOT NULL, missing TEXT NOT NULL) "
    "STRICT;"
    "CREATE INDEX dump_by_name ON dump (name);"
    "CREATE INDEX dump_unchecked ON dump (id) WHERE checked = 0;"
    "INSERT INTO dump VALUES (3, CAST('core-a.gz' AS BLOB), CAST('core-a.gz' AS BLOB), 'complete', "
    "1, '', 'gzip+macho', 'abc', 5, '10.0.40.7', 1069, 'kdp', 1795329000123, 1795329060456, 77, 3, "
    "'[]'), (4, CAST('core-b.incomplete' AS BLOB), CAST('core-b' AS BLOB), 'incomplete', 1, 'cut', "
    "'elf', 'def', 6, '10.0.40.8', 1070, 'kdp', 1795329000124, 1795329060457, 78, 4, "
    "'[{\"start\":6,\"end\":null}]');"
    "PRAGMA user_version = 1;";

static void make_version_1(void)
{
    setup();
    pnd_catalog_close(catalog);
    catalog = NULL;
    unlink(tmp_file(".panicd/catalog.db"));
    unlink(tmp_file(".panicd/catalog.db-wal"));
    unlink(tmp_file(".panicd/catalog.db-shm"));
    exec_sql(version_1);
}

static void a_catalog_of_version_1_is_brought_up_to_date_and_loses_nothing(void)
{
    char ids[64] = "";

    make_version_1();
    open_catalog();
    CHECK(!fresh);
    CHECK_EQ(number_of("PRAGMA user_version"), 2);
    CHECK_EQ(rows(), 2);
    CHECK_EQ(find("core-b"), PND_OK);
    CHECK(found.id == 4 && found.packets == 78 && found.missing_count == 1);
    CHECK_EQ(last_id(), 4);
    CHECK_EQ(pnd_catalog_each_unread(catalog, collect_ids, ids, &why), PND_OK);
    CHECK_STR(ids, "3 4 ");
    put_facts(3, oom);
    CHECK_EQ(read_groups(), 1);
    CHECK_EQ(pnd_catalog_remove(catalog, 3, &why), PND_OK);
    CHECK(!known(3));
    teardown();
}

static void a_readonly_catalog_of_version_1_is_read_without_facts(void)
{
    struct pnd_facts_line line;
    struct pnd_group group;
    char ids[64] = "";

    make_version_1();
    CHECK_EQ(pnd_catalog_open(&spool, true, &catalog, NULL, &why), PND_OK);
    CHECK_EQ(rows(), 2);
    CHECK_EQ(find("3"), PND_OK);
    CHECK(!known(3));
    CHECK(strstr(why.text, "start panicd, which reads them all"));
    CHECK_EQ(pnd_catalog_facts_line(catalog, 3, &line, &why), PND_E_NOTFOUND);
    CHECK_EQ(read_groups(), 0);
    CHECK_EQ(read_sightings("0123456789ab"), 0);
    CHECK_EQ(pnd_catalog_group_find(catalog, "3", &group, &why), PND_E_NOTFOUND);
    CHECK_EQ(pnd_catalog_group_find(catalog, "0123456789ab", &group, &why), PND_E_NOTFOUND);
    CHECK_EQ(pnd_catalog_each_unread(catalog, collect_ids, ids, &why), PND_OK);
    CHECK_STR(ids, "3 4 ");
    CHECK_EQ(number_of("PRAGMA user_version"), 1); /* untouched */
    teardown();
}

static void a_readonly_catalog_takes_no_facts(void)
{
    struct pnd_catalog *writer;
    struct pnd_facts facts = {0};

    setup();
    writer = catalog;
    put_facts(1, oom);
    CHECK_EQ(pnd_catalog_open(&spool, true, &catalog, NULL, &why), PND_OK);
    CHECK(known(1));
    CHECK(pnd_catalog_put_facts(catalog, 1, &facts, true, 1, "", &why) != PND_OK);
    CHECK_EQ(read_groups(), 1);
    CHECK(pnd_catalog_set_note(catalog, groups[0].signature.id, "x", &why) != PND_OK);
    pnd_catalog_close(writer);
    teardown();
}

/* ---- two at once ---- */

static void two_processes_put_at_once_and_nothing_is_lost(void)
{
    enum { EACH = 40, WRITERS = 3 };
    pid_t children[WRITERS];
    int status;

    setup();
    pnd_catalog_close(catalog);
    catalog = NULL;
    for (int i = 0; i < WRITERS; i++) {
        children[i] = fork();
        if (children[i] != 0)
            continue;
        open_catalog();
        for (int n = 0; n < EACH; n++) {
            uint64_t id = (uint64_t)n * WRITERS + (uint64_t)i + 1;

            put_facts_at(id, n % 2 ? oom : hda, (int64_t)id, i ? "lab" : "studio");
            if (read_groups() == 0 ||
                pnd_catalog_set_note(catalog, groups[0].signature.id, "known", &why))
                _exit(1);
        }
        pnd_catalog_close(catalog);
        _exit(tap_ok ? 0 : 1);
    }
    for (int i = 0; i < WRITERS; i++) {
        waitpid(children[i], &status, 0);
        CHECK_EQ(status, 0);
    }
    open_catalog();
    CHECK_EQ(read_groups(), 2);
    CHECK_EQ(groups[0].count + groups[1].count, WRITERS * EACH);
    CHECK(groups[0].machines == 2 && groups[1].machines == 2);
    CHECK_EQ(groups[0].kept + groups[1].kept, WRITERS * EACH);
    CHECK_STR(groups[0].note, "known");
    teardown();
}

static void a_verdict_and_its_facts_come_together_or_not_at_all(void)
{
    struct pnd_dump dump = a_dump(1, "core-a");
    struct pnd_facts facts = {0};
    struct pnd_facts_line line;

    setup();
    put(1, "core-a");
    set(&facts, PND_FACT_PANIC, oom);
    CHECK_EQ(pnd_catalog_conclude(catalog, &dump, &facts, &why), PND_OK);
    CHECK_EQ(pnd_catalog_facts_line(catalog, 1, &line, &why), PND_OK);
    CHECK(line.final);
    CHECK_EQ(pnd_catalog_remove(catalog, 1, &why), PND_OK);
    CHECK_EQ(pnd_catalog_conclude(catalog, &dump, &facts, &why), PND_E_NOTFOUND);
    CHECK_EQ(rows(), 0);
    CHECK_EQ(pnd_catalog_facts_line(catalog, 1, &line, &why), PND_E_NOTFOUND);
    pnd_facts_deinit(&facts);
    teardown();
}

/* A dump that was taken up again ends twice, under one id. */
static void a_verdict_on_what_was_kept_first_is_none_on_what_came_since(void)
{
    struct pnd_dump first = a_dump(1, "core-a.incomplete"), second = a_dump(1, "core-a"), got;
    struct pnd_facts facts = {0};
    struct pnd_facts_line line;

    setup();
    first.state = PND_DUMP_INCOMPLETE;
    second.received_ms = first.received_ms + 1;
    set(&facts, PND_FACT_PANIC, oom);
    CHECK_EQ(pnd_catalog_put(catalog, &first, 1, &why), PND_OK);
    CHECK_EQ(pnd_catalog_forget(catalog, &second, &why), PND_E_NOTFOUND);
    CHECK_EQ(pnd_catalog_forget(catalog, &first, &why), PND_OK);
    CHECK_EQ(rows(), 0);
    CHECK_EQ(pnd_catalog_put(catalog, &second, 1, &why), PND_OK);
    first.checked = true;
    CHECK_EQ(pnd_catalog_conclude(catalog, &first, &facts, &why), PND_E_NOTFOUND);
    CHECK_EQ(pnd_catalog_forget(catalog, &first, &why), PND_E_NOTFOUND);
    CHECK_EQ(pnd_catalog_find(catalog, "1", &got, &why), PND_OK);
    CHECK_STR(got.file, "core-a");
    CHECK_EQ(pnd_catalog_facts_line(catalog, 1, &line, &why), PND_E_NOTFOUND);
    pnd_facts_deinit(&facts);
    teardown();
}

int main(void)
{
    RUN(what_is_put_comes_back_whole_with_the_log_when_asked_for);
    RUN(later_facts_replace_earlier_ones_and_their_log);
    RUN(a_verdict_and_its_facts_come_together_or_not_at_all);
    RUN(a_verdict_on_what_was_kept_first_is_none_on_what_came_since);
    RUN(nothing_is_known_of_what_was_never_read);
    RUN(a_group_counts_dumps_and_machines_newest_last);
    RUN(a_machine_is_its_name_or_else_the_senders_address);
    RUN(history_outlives_a_dump_that_is_removed);
    RUN(a_file_that_a_person_removed_takes_its_facts_along);
    RUN(so_does_a_dump_whose_name_another_gets_but_not_one_that_is_put_again);
    RUN(a_group_is_found_by_id_by_its_start_and_by_a_dump);
    RUN(notes_stay_with_their_group_and_have_an_end);
    RUN(those_that_were_never_read_to_the_end_are_named);
    RUN(a_damaged_row_is_not_known_and_harms_no_other);
    RUN(json_that_lies_says_less_and_breaks_nothing);
    RUN(a_catalog_of_version_1_is_brought_up_to_date_and_loses_nothing);
    RUN(a_readonly_catalog_of_version_1_is_read_without_facts);
    RUN(a_readonly_catalog_takes_no_facts);
    RUN(two_processes_put_at_once_and_nothing_is_lost);
    return tap_done();
}
