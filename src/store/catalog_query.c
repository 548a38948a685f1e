/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Some of the rows, by what a person looks for; see catalog_query.h. */
#include "store/catalog_query.h"

#include <stdio.h>
#include <string.h>

#include "store/catalog_db.h"

/* Parameters of every question: what is not asked for is NULL. */
enum {
    BIND_MACHINE = 1,
    BIND_OS,
    BIND_KERNEL,
    BIND_TEXT,
    BIND_GROUP,
    BIND_STATE,
    BIND_NUMBER, /* before; since */
    BIND_LIMIT,
    SQL_CAP = 4096,
    PATTERN_CAP = 2 * PND_FILTER_TEXT_CAP + 3, /* each byte escaped, a wildcard at both ends */
    LINE_AT = 17,                              /* behind pnd_db_columns */
};

/* d: a row, f: its facts, s: its sighting; of each there may be none. */
#define WHERE_FILTER                                                                               \
    "(?1 IS NULL OR f.host = ?1 COLLATE NOCASE OR d.peer = ?1 COLLATE NOCASE OR "                  \
    "s.machine = ?1 COLLATE NOCASE) AND "                                                          \
    "(?2 IS NULL OR f.os = ?2 COLLATE NOCASE) AND "                                                \
    "(?3 IS NULL OR f.kernel LIKE ?3 ESCAPE '\\' OR s.kernel LIKE ?3 ESCAPE '\\') AND "            \
    "(?4 IS NULL OR CAST(d.name AS TEXT) LIKE ?4 ESCAPE '\\' OR d.peer LIKE ?4 ESCAPE '\\' OR "    \
    "f.title LIKE ?4 ESCAPE '\\' OR f.host LIKE ?4 ESCAPE '\\' OR "                                \
    "s.title LIKE ?4 ESCAPE '\\' OR s.machine LIKE ?4 ESCAPE '\\' OR "                             \
    "EXISTS (SELECT 1 FROM note WHERE note.signature = coalesce(f.signature, s.signature) AND "    \
    "note.text LIKE ?4 ESCAPE '\\')) AND "                                                         \
    "(?5 IS NULL OR coalesce(f.signature, s.signature) = ?5) AND "                                 \
    "(?6 IS NULL OR d.state = ?6)"

#define FROM_ROWS                                                                                  \
    " FROM dump d LEFT JOIN facts f ON f.dump = d.id LEFT JOIN sighting s ON s.dump = d.id "

#define FROM_SIGHTINGS                                                                             \
    " FROM sighting s LEFT JOIN facts f ON f.dump = s.dump LEFT JOIN dump d ON d.id = s.dump "

/* @p before, @p after: "%" or "" */
static void make_pattern(const char *text, const char *before, const char *after,
                         char ret[PATTERN_CAP])
{
    size_t at = strlen(before);

    memcpy(ret, before, at);
    for (; *text && at + 4 < PATTERN_CAP; text++) {
        if (strchr("%_\\", *text))
            ret[at++] = '\\';
        ret[at++] = *text;
    }
    snprintf(ret + at, PATTERN_CAP - at, "%s", after);
}

static int bind_word(sqlite3_stmt *stmt, int at, const char *word)
{
    return word[0] ? sqlite3_bind_text(stmt, at, word, -1, SQLITE_TRANSIENT) : SQLITE_OK;
}

static int bind_pattern(sqlite3_stmt *stmt, int at, const char *word, const char *before)
{
    char pattern[PATTERN_CAP];

    if (!word[0])
        return SQLITE_OK;
    make_pattern(word, before, "%", pattern);
    return sqlite3_bind_text(stmt, at, pattern, -1, SQLITE_TRANSIENT);
}

static int bind_filter(sqlite3_stmt *stmt, const struct pnd_filter *filter)
{
    int err = bind_word(stmt, BIND_MACHINE, filter->machine);

    err = err ? err : bind_word(stmt, BIND_OS, filter->os);
    err = err ? err : bind_pattern(stmt, BIND_KERNEL, filter->kernel, "");
    err = err ? err : bind_pattern(stmt, BIND_TEXT, filter->text, "%");
    err = err ? err : bind_word(stmt, BIND_GROUP, filter->group);
    return err ? err : bind_word(stmt, BIND_STATE, filter->state);
}

/* The statement, with everything bound. */
static int ask(const struct pnd_catalog *catalog, const char *sql, const struct pnd_filter *filter,
               int64_t number, int64_t limit, sqlite3_stmt **ret, struct pnd_why *why)
{
    int err = pnd_db_prepare(catalog, sql, ret, why);

    if (err)
        return err;
    err = bind_filter(*ret, filter);
    if (!err && sqlite3_bind_parameter_count(*ret) >= BIND_NUMBER)
        err = sqlite3_bind_int64(*ret, BIND_NUMBER, number);
    if (!err && sqlite3_bind_parameter_count(*ret) >= BIND_LIMIT)
        err = sqlite3_bind_int64(*ret, BIND_LIMIT, limit);
    return err ? pnd_db_why(catalog, why, err, "ask the catalog") : PND_OK;
}

/* The one number that @p stmt gives. */
static int one_number(const struct pnd_catalog *catalog, sqlite3_stmt *stmt, int64_t *ret,
                      struct pnd_why *why)
{
    int err = sqlite3_step(stmt);

    if (err != SQLITE_ROW)
        return pnd_db_why(catalog, why, err, "read the catalog");
    *ret = sqlite3_column_int64(stmt, 0);
    return PND_OK;
}

static int count_rows(const struct pnd_catalog *catalog, const struct pnd_filter *filter,
                      uint64_t *ret, struct pnd_why *why)
{
    static const struct pnd_filter any;
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    int64_t count = 0;
    int err = ask(catalog,
                  memcmp(filter, &any, sizeof(any)) == 0 ? "SELECT COUNT(*) FROM dump"
                                                         : "SELECT COUNT(*)" FROM_ROWS
                                                           "WHERE " WHERE_FILTER,
                  filter, 0, 0, &stmt, why);

    if (!err)
        err = one_number(catalog, stmt, &count, why);
    if (!err)
        *ret = count > 0 ? (uint64_t)count : 0;
    return err;
}

int pnd_catalog_count(struct pnd_catalog *catalog, uint64_t *ret, struct pnd_why *why)
{
    static const struct pnd_filter any;

    return count_rows(catalog, &any, ret, why);
}

static void read_line(sqlite3_stmt *stmt, int at, struct pnd_facts_line *ret)
{
    struct pnd_facts_line line = {0};

    pnd_db_column_text(stmt, at, line.signature.id, sizeof(line.signature.id));
    pnd_db_column_text(stmt, at + 1, line.signature.title, sizeof(line.signature.title));
    pnd_db_column_text(stmt, at + 2, line.os, sizeof(line.os));
    pnd_db_column_text(stmt, at + 3, line.kernel, sizeof(line.kernel));
    pnd_db_column_text(stmt, at + 4, line.host, sizeof(line.host));
    line.final = sqlite3_column_int(stmt, at + 5) != 0;
    *ret = line;
}

int pnd_catalog_select(struct pnd_catalog *catalog, const struct pnd_filter *filter,
                       uint64_t before, unsigned limit,
                       bool (*each)(const struct pnd_dump *dump, const struct pnd_facts_line *line,
                                    void *ctx),
                       void *ctx, uint64_t *ret_total, struct pnd_why *why)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    char sql[SQL_CAP];
    int err = PND_OK;

    if (catalog->schema < 2)
        return pnd_why(why, PND_E_NOTFOUND, 0,
                       "the catalog of %s was made by an older panicd; start this one, which "
                       "brings it up to date",
                       catalog->directory);
    if (ret_total)
        err = count_rows(catalog, filter, ret_total, why);
    if (err)
        return err;
    snprintf(sql, sizeof(sql),
             "SELECT d.%s, f.signature, f.title, f.os, f.kernel, f.host, f.final" FROM_ROWS
             "WHERE (?7 = 0 OR d.id < ?7) AND " WHERE_FILTER " ORDER BY d.id DESC LIMIT ?8",
             pnd_db_columns);
    err = ask(catalog, sql, filter, before > INT64_MAX ? INT64_MAX : (int64_t)before, limit, &stmt,
              why);
    if (err)
        return err;
    while ((err = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct pnd_facts_line line;
        struct pnd_dump dump;

        pnd_db_read_row(stmt, &dump);
        read_line(stmt, LINE_AT, &line);
        if (!each(&dump, &line, ctx))
            return PND_OK;
    }
    return err == SQLITE_DONE ? PND_OK : pnd_db_why(catalog, why, err, "read the catalog");
}

int pnd_catalog_groups_select(struct pnd_catalog *catalog, const struct pnd_filter *filter,
                              bool (*each)(const struct pnd_group *group, void *ctx), void *ctx,
                              struct pnd_why *why)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    char sql[SQL_CAP];
    int err;

    if (catalog->schema < 2)
        return PND_OK;
    snprintf(sql, sizeof(sql), PND_DB_GROUPS,
             "WHERE signature IN (SELECT s.signature" FROM_SIGHTINGS "WHERE " WHERE_FILTER ")");
    err = ask(catalog, sql, filter, 0, 0, &stmt, why);
    return err ? err : pnd_db_each_group(catalog, stmt, each, ctx, why);
}

int pnd_catalog_points(struct pnd_catalog *catalog, const struct pnd_filter *filter,
                       int64_t since_ms, unsigned limit,
                       bool (*each)(const struct pnd_point *point, void *ctx), void *ctx,
                       struct pnd_why *why)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    struct pnd_point point;
    int err;

    if (catalog->schema < 2)
        return PND_OK;
    err = ask(catalog,
              "SELECT s.seen_ms AS ms, s.machine, s.dump AS dump, s.signature, "
              "d.id IS NOT NULL" FROM_SIGHTINGS "WHERE s.seen_ms >= ?7 AND " WHERE_FILTER
              " UNION ALL SELECT d.received_ms, CASE WHEN f.host <> '' THEN f.host ELSE d.peer "
              "END, d.id, '', 1" FROM_ROWS
              "WHERE s.dump IS NULL AND d.received_ms >= ?7 AND " WHERE_FILTER
              " ORDER BY ms DESC, dump DESC LIMIT ?8",
              filter, since_ms, limit, &stmt, why);
    if (err)
        return err;
    while ((err = sqlite3_step(stmt)) == SQLITE_ROW) {
        int64_t id = sqlite3_column_int64(stmt, 2);

        point = (struct pnd_point){.ms = sqlite3_column_int64(stmt, 0),
                                   .id = id > 0 ? (uint64_t)id : 0,
                                   .kept = sqlite3_column_int(stmt, 4) != 0};
        pnd_db_column_text(stmt, 1, point.machine, sizeof(point.machine));
        pnd_db_column_text(stmt, 3, point.group, sizeof(point.group));
        if (!each(&point, ctx))
            return PND_OK;
    }
    return err == SQLITE_DONE ? PND_OK : pnd_db_why(catalog, why, err, "read the catalog");
}

int pnd_catalog_version(struct pnd_catalog *catalog, int64_t *ret, struct pnd_why *why)
{
    PND_AUTO_STMT sqlite3_stmt *stmt = NULL;
    int err = pnd_db_prepare(catalog, "PRAGMA data_version", &stmt, why);

    return err ? err : one_number(catalog, stmt, ret, why);
}
