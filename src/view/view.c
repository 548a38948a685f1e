/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Catalog, server and directory put together; see view.h. */
#include "view/view.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/guard.h"
#include "view/socket.h"

static const char part_suffix[] = ".part";

static int views_add(struct pnd_views *views, const struct pnd_view *view)
{
    if (views->count == views->cap) {
        size_t cap = views->cap ? views->cap * 2 : 32;
        struct pnd_view *grown = reallocarray(views->at, cap, sizeof(*grown));

        if (!grown)
            return PND_E_SYS;
        views->at = grown;
        views->cap = cap;
    }
    views->at[views->count++] = *view;
    return PND_OK;
}

void pnd_views_deinit(struct pnd_views *views)
{
    free(views->at);
    *views = (struct pnd_views){0};
}

static void take_text(const json_t *from, const char *key, char *ret, size_t cap)
{
    const char *text = json_string_value(json_object_get(from, key));

    snprintf(ret, cap, "%s", text ? text : "");
}

static uint64_t take_uint(const json_t *from, const char *key)
{
    json_int_t v = json_integer_value(json_object_get(from, key));

    return v > 0 ? (uint64_t)v : 0;
}

int64_t pnd_view_time(const json_t *from, const char *key)
{
    const char *text = json_string_value(json_object_get(from, key));
    struct tm tm = {0};
    char *rest = NULL;
    long ms = 0;

    if (text)
        text = strptime(text, "%Y-%m-%dT%H:%M:%S.", &tm);
    if (text)
        ms = strtol(text, &rest, 10);
    if (!text || rest != text + 3 || strcmp(rest, "Z") != 0)
        return 0;
    return (int64_t)timegm(&tm) * 1000 + ms;
}

void pnd_view_from_json(const json_t *transfer, struct pnd_view *ret)
{
    struct pnd_view view = {.arriving = true};
    struct pnd_dump *dump = &view.dump;
    const char *phase = json_string_value(json_object_get(transfer, "phase"));

    dump->id = take_uint(transfer, "id");
    take_text(transfer, "name", dump->name, sizeof(dump->name));
    take_text(transfer, "file", dump->file, sizeof(dump->file));
    take_text(transfer, "peer", dump->peer, sizeof(dump->peer));
    take_text(transfer, "protocol", dump->protocol, sizeof(dump->protocol));
    dump->state = PND_DUMP_RECEIVING;
    dump->bytes = take_uint(transfer, "bytes");
    dump->peer_port = (uint16_t)take_uint(transfer, "peer_port");
    dump->started_ms = pnd_view_time(transfer, "started_at");
    dump->packets = take_uint(transfer, "packets");
    dump->repeats = take_uint(transfer, "repeats");
    view.rate = take_uint(transfer, "rate");
    view.idle_ms = take_uint(transfer, "idle_ms");
    view.resumed = json_is_true(json_object_get(transfer, "resumed"));
    if (phase && strcmp(phase, "live") != 0)
        snprintf(dump->reason, sizeof(dump->reason), "all bytes came, being written to the disk");
    *ret = view;
}

/* ---- the catalog ---- */

struct gather {
    struct pnd_views *views;
    int err;
};

static bool gather_row(const struct pnd_dump *dump, void *ctx)
{
    struct pnd_view view = {.dump = *dump};
    struct gather *gather = ctx;

    gather->err = views_add(gather->views, &view);
    return !gather->err;
}

static bool is_unchecked(const struct pnd_dump *dump)
{
    return dump->state == PND_DUMP_RECEIVING && !dump->checked;
}

static bool note_unchecked(const struct pnd_dump *dump, void *ctx)
{
    bool *found = ctx;

    *found = is_unchecked(dump);
    return !*found;
}

static void nap(void)
{
    struct timespec pause = {.tv_nsec = PND_VIEW_POLL_MS * 1000000L};

    nanosleep(&pause, NULL);
}

/* A script that sends and then lists wants the verdict, not the moment before it. */
static int wait_for_checks(struct pnd_catalog *catalog, unsigned wait_ms, struct pnd_why *why)
{
    uint64_t until = pnd_clock_ms() + wait_ms;

    for (;;) {
        bool found = false;
        int err = pnd_catalog_each(catalog, true, note_unchecked, &found, why);

        if (err || !found || pnd_clock_ms() >= until)
            return err;
        nap();
    }
}

void pnd_view_say_unchecked(struct pnd_dump *dump, bool serving)
{
    if (!is_unchecked(dump) || dump->reason[0])
        return;
    if (serving)
        snprintf(dump->reason, sizeof(dump->reason), "being checked");
    else
        snprintf(dump->reason, sizeof(dump->reason),
                 "not checked yet: start panicd or run panicctl verify %llu",
                 (unsigned long long)dump->id);
}

/* ---- the server, or the files that wait for one ---- */

static bool has_id(const struct pnd_views *views, uint64_t id)
{
    for (size_t i = 0; i < views->count; i++) {
        if (views->at[i].dump.id == id)
            return true;
    }
    return false;
}

static int add_transfers(const json_t *answer, struct pnd_views *views)
{
    const json_t *list = json_object_get(answer, "transfers"), *transfer;
    struct pnd_view view;
    size_t i;
    int err = PND_OK;

    json_array_foreach(list, i, transfer)
    {
        pnd_view_from_json(transfer, &view);
        if (!err && !(view.dump.id && has_id(views, view.dump.id)))
            err = views_add(views, &view);
    }
    return err;
}

static bool is_part(const char *file)
{
    size_t len = strlen(file), suffix = sizeof(part_suffix) - 1;

    return len > suffix && len < PND_SPOOL_NAME_CAP && file[0] != '.' &&
           strcmp(file + len - suffix, part_suffix) == 0;
}

static int add_part(const struct pnd_spool *spool, const char *file, struct pnd_views *views)
{
    struct pnd_view view = {.arriving = true, .dump.state = PND_DUMP_RECEIVING};
    struct pnd_dump *dump = &view.dump;
    struct stat st;

    if (fstatat(spool->dir_fd, file, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
        return PND_OK; /* gone meanwhile, or none of ours */
    snprintf(dump->file, sizeof(dump->file), "%s", file);
    snprintf(dump->name, sizeof(dump->name), "%.*s",
             (int)(strlen(file) - (sizeof(part_suffix) - 1)), file);
    snprintf(dump->reason, sizeof(dump->reason),
             "no server is running: start panicd and the sender goes on where it was");
    dump->bytes = (uint64_t)st.st_size;
    return views_add(views, &view);
}

static int add_parts(const struct pnd_spool *spool, struct pnd_views *views, struct pnd_why *why)
{
    int fd = openat(spool->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = PND_OK;
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;

    if (!dir) {
        err = pnd_why(why, PND_E_SYS, errno, "read %s", spool->path);
        if (fd >= 0)
            close(fd);
        return err;
    }
    while (!err && (entry = readdir(dir)) != NULL) {
        if (is_part(entry->d_name))
            err = add_part(spool, entry->d_name, views);
    }
    closedir(dir);
    return err;
}

static int compare(const void *a, const void *b)
{
    const struct pnd_dump *x = &((const struct pnd_view *)a)->dump;
    const struct pnd_dump *y = &((const struct pnd_view *)b)->dump;

    if (x->id == y->id)
        return strcmp(x->file, y->file);
    if (x->id == 0 || y->id == 0)
        return x->id == 0 ? 1 : -1;
    return x->id < y->id ? -1 : 1;
}

/* What arrives. A dump that has ended early is neither among it nor in the catalog while its file
 * is made durable: that is waited for. */
static int ask_for_transfers(const struct pnd_spool *spool, unsigned wait_ms, json_t **ret,
                             struct pnd_why *why)
{
    uint64_t until = pnd_clock_ms() + wait_ms;

    for (;;) {
        int err = pnd_socket_get(spool, "transfers", ret, why);

        if (err || json_integer_value(json_object_get(*ret, "ending")) == 0 ||
            pnd_clock_ms() >= until)
            return err;
        json_decref(*ret);
        *ret = NULL;
        nap();
    }
}

int pnd_views_read(const struct pnd_spool *spool, struct pnd_catalog *catalog, unsigned wait_ms,
                   struct pnd_views *ret, struct pnd_why *why)
{
    struct pnd_views views = {0};
    struct gather gather = {.views = &views};
    json_t *answer = NULL;
    int err = ask_for_transfers(spool, wait_ms, &answer, why);

    /* The server is asked first: a dump that ends in between is then in the catalog. */
    if (err && err != PND_E_NOTFOUND)
        return err;
    views.serving = !err;
    err = wait_for_checks(catalog, views.serving ? wait_ms : 0, why);
    if (!err)
        err = pnd_catalog_each(catalog, false, gather_row, &gather, why);
    for (size_t i = 0; i < views.count; i++)
        pnd_view_say_unchecked(&views.at[i].dump, views.serving);
    if (!err)
        err = gather.err;
    if (!err)
        err = views.serving ? add_transfers(answer, &views) : add_parts(spool, &views, why);
    json_decref(answer);
    if (err) {
        pnd_views_deinit(&views);
        return err;
    }
    if (views.count)
        qsort(views.at, views.count, sizeof(*views.at), compare);
    *ret = views;
    return PND_OK;
}

/* ---- one of them ---- */

static bool is_named(const struct pnd_view *view, const char *sel)
{
    char id[24];

    snprintf(id, sizeof(id), "%llu", (unsigned long long)view->dump.id);
    if (view->dump.id && strcmp(sel, id) == 0)
        return true;
    return strcmp(sel, view->dump.name) == 0 || strcmp(sel, view->dump.file) == 0;
}

static int find_arriving(const struct pnd_spool *spool, const char *sel, struct pnd_view *ret,
                         struct pnd_why *why)
{
    struct pnd_views views = {0};
    json_t *answer = NULL;
    int err = pnd_socket_get(spool, "transfers", &answer, why), found = PND_E_NOTFOUND;

    if (err && err != PND_E_NOTFOUND)
        return err;
    err = err ? add_parts(spool, &views, why) : add_transfers(answer, &views);
    json_decref(answer);
    if (!err && views.count)
        qsort(views.at, views.count, sizeof(*views.at), compare);
    for (size_t i = 0; !err && i < views.count; i++) {
        if (!(strcmp(sel, "latest") == 0 || is_named(&views.at[i], sel)))
            continue;
        *ret = views.at[i];
        found = PND_OK;
    }
    pnd_views_deinit(&views);
    return err ? err : found;
}

int pnd_view_find(const struct pnd_spool *spool, struct pnd_catalog *catalog, const char *sel,
                  unsigned wait_ms, struct pnd_view *ret, struct pnd_why *why)
{
    struct pnd_view view = {0};
    struct pnd_why other;
    uint64_t until = pnd_clock_ms() + wait_ms;
    bool serving = false;
    int err = pnd_catalog_find(catalog, sel, &view.dump, why);

    if (err == PND_E_NOTFOUND) {
        int arriving = find_arriving(spool, sel, ret, &other);

        if (arriving == PND_E_SYS && why)
            *why = other;
        return arriving == PND_E_NOTFOUND ? err : arriving;
    }
    if (!err && is_unchecked(&view.dump))
        serving = pnd_socket_there(spool);
    while (!err && serving && is_unchecked(&view.dump) && pnd_clock_ms() < until) {
        char id[24];

        nap();
        snprintf(id, sizeof(id), "%llu", (unsigned long long)view.dump.id);
        err = pnd_catalog_find(catalog, id, &view.dump, why);
    }
    if (err)
        return err;
    pnd_view_say_unchecked(&view.dump, serving);
    *ret = view;
    return PND_OK;
}
