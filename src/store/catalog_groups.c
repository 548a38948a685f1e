/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Groups: the sightings of one panic, put together, and what a person wrote about it. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "host/clock.h"
#include "host/text.h"
#include "store/catalog_db.h"
#include "store/catalog_facts.h"

enum {
    COLUMN_ID,
    COLUMN_TITLE,
    COLUMN_COUNT,
    COLUMN_MACHINES,
    COLUMN_KEPT,
    COLUMN_FIRST_MS,
    COLUMN_LAST_MS,
    COLUMN_FIRST_ID,
    COLUMN_LAST_ID,
    COLUMN_NOTE,
    PREFIX_MIN = 4, /* digits of a group's id that may stand for it */
};

static uint64_t column_number(sqlite3_stmt *stmt, int column)
{
    int64_t number = sqlite3_column_int64(stmt, column);

    return number > 0 ? (uint64_t)number : 0;
}

static void read_group(sqlite3_stmt *stmt, struct pnd_group *ret)
{
    struct pnd_group group = {0};

    pnd_db_column_text(stmt, COLUMN_ID, group.signature.id, sizeof(group.signature.id));
    pnd_db_column_text(stmt, COLUMN_TITLE, group.signature.title, sizeof(group.signature.title));
    group.count = column_number(stmt, COLUMN_COUNT);
    group.machines = column_number(stmt, COLUMN_MACHINES);
    group.kept = column_number(stmt, COLUMN_KEPT);
    group.first_ms = sqlite3_column_int64(stmt, COLUMN_FIRST_MS);
    group.last_ms = sqlite3_column_int64(stmt, COLUMN_LAST_MS);
    group.first_id = column_number(stmt, COLUMN_FIRST_ID);
    group.last_id = column_number(stmt, COLUMN_LAST_ID);
    pnd_db_column_text(stmt, COLUMN_NOTE, group.note, sizeof(group.note));
    *ret = group;
}

/* All rows of @p stmt as an array of entries of @p size bytes: nothing is held open while a
 * callback does what it likes. @p ret is the caller's. */
static int read_all(const struct pnd_catalog *catalog, sqlite3_stmt *stmt, size_t size,
                    void (*read)(sqlite3_stmt *stmt, void *entry), void **ret, size_t *ret_count,
                    struct pnd_why *why)
{
    size_t count = 0, cap = 0;
    char *entries = NULL;
    int err;

    while ((err = sqlite3_step(stmt)) == SQLITE_ROW) {
        if (count == cap) {
            char *grown = reallocarray(entries, cap ? cap * 2 : 16, size);

            if (!grown) {
                free(entries);
                return pnd_why(why, PND_E_SYS, ENOMEM, "read the groups");
            }
            entries = grown;
            cap = cap ? cap * 2 : 16;
        }
        read(stmt, entries + size * count++);
    }
    if (err != SQLITE_DONE) {
        free(entries);
        return pnd_db_why(catalog, why, err, "read the catalog");
    }
    *ret = entries;
    *ret_count = count;
    return PND_OK;
}

static void read_group_entry(sqlite3_stmt *stmt, void *entry)
{
    read_group(stmt, entry);
}

int pnd_db_each_group(const struct pnd_catalog *catalog, sqlite3_stmt *stmt,
                      bool (*each)(const struct pnd_group *group, void *ctx), void *ctx,
                      struct pnd_why *why)
{
    void *entries = NULL;
    const struct pnd_group *groups;
    size_t count = 0;
    int err =
        read_all(catalog, stmt, sizeof(struct pnd_group), read_group_entry, &entries, &count, why);

    groups = entries;
    for (size_t i = 0; !err && i < count && each(&groups[i], ctx); i++)
        ;
    free(entries);
    return err;
}

int pnd_catalog_groups(struct pnd_catalog *catalog,
                       bool (*each)(const struct pnd_group *group, void *ctx), void *ctx,
                       struct pnd_why *why)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    char sql[sizeof(PND_DB_GROUPS)];
    int err;

    if (catalog->schema < 2)
        return PND_OK;
    snprintf(sql, sizeof(sql), PND_DB_GROUPS, "");
    err = pnd_db_prepare(catalog, sql, &stmt, why);
    return err ? err : pnd_db_each_group(catalog, stmt, each, ctx, why);
}

/* The group whose id is @p signature. @return PND_OK; PND_E_NOTFOUND (why is untouched) */
static int group_by_id(const struct pnd_catalog *catalog, const char *signature,
                       struct pnd_group *ret, struct pnd_why *why)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    static const char which[] = "WHERE signature = ?1";
    char sql[sizeof(PND_DB_GROUPS) + sizeof(which)];
    int err;

    if (catalog->schema < 2)
        return PND_E_NOTFOUND;
    snprintf(sql, sizeof(sql), PND_DB_GROUPS, which);
    err = pnd_db_prepare(catalog, sql, &stmt, why);
    if (err)
        return err;
    err = sqlite3_bind_text(stmt, 1, signature, -1, SQLITE_TRANSIENT);
    if (!err)
        err = sqlite3_step(stmt);
    if (err == SQLITE_DONE)
        return PND_E_NOTFOUND;
    if (err != SQLITE_ROW)
        return pnd_db_why(catalog, why, err, "read the catalog");
    read_group(stmt, ret);
    return PND_OK;
}

/* The signature that @p sql gives for @p number and @p text. @return PND_OK; PND_E_NOTFOUND (why
 * is untouched); PND_E_FULL more than one */
static int select_signature(const struct pnd_catalog *catalog, const char *sql, uint64_t number,
                            const char *text, char ret[PND_SIGNATURE_CAP], struct pnd_why *why)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    int err;

    if (catalog->schema < 2 || number > INT64_MAX)
        return PND_E_NOTFOUND;
    err = pnd_db_prepare(catalog, sql, &stmt, why);
    if (err)
        return err;
    err = text ? sqlite3_bind_text(stmt, 1, text, -1, SQLITE_TRANSIENT)
               : sqlite3_bind_int64(stmt, 1, (int64_t)number);
    if (!err)
        err = sqlite3_step(stmt);
    if (err == SQLITE_DONE)
        return PND_E_NOTFOUND;
    if (err == SQLITE_ROW) {
        pnd_db_column_text(stmt, 0, ret, PND_SIGNATURE_CAP);
        err = sqlite3_step(stmt);
        if (err == SQLITE_DONE)
            return PND_OK;
    }
    return err == SQLITE_ROW ? PND_E_FULL : pnd_db_why(catalog, why, err, "read the catalog");
}

int pnd_catalog_group_of(struct pnd_catalog *catalog, uint64_t id, struct pnd_group *ret,
                         struct pnd_why *why)
{
    char signature[PND_SIGNATURE_CAP];
    int err = select_signature(catalog, "SELECT signature FROM sighting WHERE dump = ?1", id, NULL,
                               signature, why);

    if (!err)
        err = group_by_id(catalog, signature, ret, why);
    if (err == PND_E_NOTFOUND)
        return pnd_why(why, err, 0,
                       "dump %" PRIu64 " is in no group: it is not known why its machine died", id);
    return err;
}

static bool is_prefix(const char *sel)
{
    size_t len = strspn(sel, "0123456789abcdef");

    return len >= PREFIX_MIN && len < PND_SIGNATURE_CAP && !sel[len];
}

int pnd_catalog_group_find(struct pnd_catalog *catalog, const char *sel, struct pnd_group *ret,
                           struct pnd_why *why)
{
    char signature[PND_SIGNATURE_CAP], safe[128];
    struct pnd_dump dump;
    uint64_t id;
    int err = PND_E_NOTFOUND;

    if (is_prefix(sel) && strlen(sel) == PND_SIGNATURE_CAP - 1)
        err = group_by_id(catalog, sel, ret, why);
    /* a number is a dump's first, gone or not */
    if (err == PND_E_NOTFOUND && pnd_text_parse_uint(sel, &id) == PND_OK)
        err = pnd_catalog_group_of(catalog, id, ret, NULL);
    if (err == PND_E_NOTFOUND && is_prefix(sel)) {
        err = select_signature(catalog,
                               "SELECT DISTINCT signature FROM sighting WHERE signature >= ?1 AND "
                               "signature < ?1 || 'g' ORDER BY signature LIMIT 2",
                               0, sel, signature, why);
        if (err == PND_E_FULL)
            return pnd_why(why, PND_E_NOTFOUND, 0,
                           "several groups begin with \"%s\"; type more of it, as in: panicctl "
                           "groups",
                           sel);
        if (!err)
            err = group_by_id(catalog, signature, ret, why);
    }
    if (err != PND_E_NOTFOUND)
        return err;
    err = pnd_catalog_find(catalog, sel, &dump, NULL);
    if (!err)
        return pnd_catalog_group_of(catalog, dump.id, ret, why);
    if (err != PND_E_NOTFOUND || (pnd_catalog_last_id(catalog, &id, NULL) == PND_OK && id == 0))
        return pnd_catalog_find(catalog, sel, &dump, why); /* says why */
    return pnd_why(why, PND_E_NOTFOUND, 0,
                   "no group and no dump \"%s\" in %s; type: panicctl groups",
                   pnd_text_escape(safe, sizeof(safe), sel, strlen(sel)), catalog->directory);
}

static void read_sighting(sqlite3_stmt *stmt, void *entry)
{
    struct pnd_sighting sighting = {.id = column_number(stmt, 0)};

    sighting.seen_ms = sqlite3_column_int64(stmt, 1);
    pnd_db_column_text(stmt, 2, sighting.machine, sizeof(sighting.machine));
    pnd_db_column_text(stmt, 3, sighting.kernel, sizeof(sighting.kernel));
    sighting.kept = sqlite3_column_int(stmt, 4) != 0;
    memcpy(entry, &sighting, sizeof(sighting));
}

int pnd_catalog_sightings(struct pnd_catalog *catalog, const char *signature,
                          bool (*each)(const struct pnd_sighting *sighting, void *ctx), void *ctx,
                          struct pnd_why *why)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    const struct pnd_sighting *sightings;
    void *entries = NULL;
    size_t count = 0;
    int err;

    if (catalog->schema < 2)
        return PND_OK;
    err = pnd_db_prepare(catalog,
                         "SELECT dump, seen_ms, machine, kernel, EXISTS (SELECT 1 FROM facts WHERE "
                         "facts.dump = sighting.dump) FROM sighting WHERE signature = ?1 ORDER BY "
                         "seen_ms, dump",
                         &stmt, why);
    if (err)
        return err;
    if (sqlite3_bind_text(stmt, 1, signature, -1, SQLITE_TRANSIENT))
        return pnd_db_why(catalog, why, SQLITE_NOMEM, "read the catalog");
    err =
        read_all(catalog, stmt, sizeof(struct pnd_sighting), read_sighting, &entries, &count, why);
    sightings = entries;
    for (size_t i = 0; !err && i < count && each(&sightings[i], ctx); i++)
        ;
    free(entries);
    return err;
}

static int check_note(const char *note, struct pnd_why *why)
{
    json_t *utf8;

    if (strlen(note) > PND_GROUP_NOTE_MAX)
        return pnd_why(why, PND_E_RANGE, 0, "the note is too long: %zu bytes, where %d may be",
                       strlen(note), PND_GROUP_NOTE_MAX);
    utf8 = json_string(note);
    json_decref(utf8);
    return utf8 ? PND_OK : pnd_why(why, PND_E_FORMAT, 0, "the note is not valid UTF-8");
}

int pnd_catalog_set_note(struct pnd_catalog *catalog, const char *signature, const char *note,
                         struct pnd_why *why)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    char known[PND_SIGNATURE_CAP];
    int err = check_note(note, why);

    if (err)
        return err;
    err = select_signature(catalog, "SELECT signature FROM sighting WHERE signature = ?1 LIMIT 1",
                           0, signature, known, why);
    if (err == PND_E_NOTFOUND)
        return pnd_why(why, err, 0, "there is no group %.12s; type: panicctl groups", signature);
    if (!err)
        err = pnd_db_prepare(catalog,
                             note[0] ? "INSERT OR REPLACE INTO note VALUES (?1, ?2, ?3)"
                                     : "DELETE FROM note WHERE signature = ?1",
                             &stmt, why);
    if (err)
        return err;
    err = sqlite3_bind_text(stmt, 1, signature, -1, SQLITE_TRANSIENT);
    if (note[0])
        err |= sqlite3_bind_text(stmt, 2, note, -1, SQLITE_TRANSIENT) |
               sqlite3_bind_int64(stmt, 3, pnd_clock_wall_ms());
    if (!err)
        err = sqlite3_step(stmt);
    return err == SQLITE_DONE ? PND_OK : pnd_db_why(catalog, why, err, "keep the note");
}
