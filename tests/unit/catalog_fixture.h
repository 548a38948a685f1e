/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A spool with its catalog, rows to put into it, and how they are looked at. */
#ifndef PND_TESTS_CATALOG_FIXTURE_H
#define PND_TESTS_CATALOG_FIXTURE_H

#include "store/catalog.h"
#include "unit/tmpdir.h"

static struct pnd_spool spool;
static struct pnd_catalog *catalog;
static struct pnd_why why;
static struct pnd_dump found;
static bool fresh;

static inline void open_catalog(void)
{
    catalog = NULL;
    fresh = false;
    CHECK_EQ(pnd_catalog_open(&spool, false, &catalog, &fresh, &why), PND_OK);
}

static inline void setup(void)
{
    char state_dir[sizeof(tmp_path) + 16];

    tmp_make();
    snprintf(state_dir, sizeof(state_dir), "%s/.panicd", tmp_path);
    CHECK_EQ(mkdir(state_dir, 0700), 0); /* it has been a spool before */
    CHECK_EQ(pnd_spool_open(&spool, tmp_path, &why), PND_OK);
    CHECK(!spool.foreign);
    open_catalog();
}

static inline void reopen(void)
{
    pnd_catalog_close(catalog);
    open_catalog();
}

static inline void teardown(void)
{
    pnd_catalog_close(catalog);
    catalog = NULL;
    pnd_spool_close(&spool);
    tmp_remove();
}

static inline struct pnd_dump a_dump(uint64_t id, const char *name)
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

static inline void put(uint64_t id, const char *name)
{
    struct pnd_dump dump = a_dump(id, name);

    CHECK_EQ(pnd_catalog_put(catalog, &dump, 1, &why), PND_OK);
}

static inline int find(const char *sel)
{
    memset(&found, 0, sizeof(found));
    return pnd_catalog_find(catalog, sel, &found, &why);
}

static inline uint64_t last_id(void)
{
    uint64_t id = 12345;

    CHECK_EQ(pnd_catalog_last_id(catalog, &id, &why), PND_OK);
    return id;
}

static inline bool same(const struct pnd_dump *a, const struct pnd_dump *b)
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

static inline unsigned reconcile_with(bool (*live)(const char *, void *), void *ctx,
                                      uint64_t first_id)
{
    unsigned changed = 999;

    CHECK_EQ(pnd_catalog_reconcile(catalog, &spool, live, ctx, first_id, &changed, &why), PND_OK);
    return changed;
}

static inline unsigned reconcile(void)
{
    return reconcile_with(NULL, NULL, 1);
}

static inline bool count_row(const struct pnd_dump *dump, void *ctx)
{
    (void)dump;
    ++*(unsigned *)ctx;
    return true;
}

static inline unsigned rows(void)
{
    unsigned count = 0;

    CHECK_EQ(pnd_catalog_each(catalog, false, count_row, &count, &why), PND_OK);
    return count;
}

/* A file of five bytes with the row as its label. @return false: no attributes here */
static inline bool labelled_file(const char *file, const struct pnd_dump *dump)
{
    int fd, err;

    tmp_write(file, "hello", 5);
    fd = open(tmp_file(file), O_RDONLY);
    err = pnd_catalog_label(fd, dump);
    close(fd);
    return err == PND_OK;
}

#endif
