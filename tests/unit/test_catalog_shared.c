/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The catalog read and written by several processes, killed ones among them, and on disks that
 * are full or read-only. */
#include <signal.h>
#include <sqlite3.h>

#include "unit/catalog_fixture.h"

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
