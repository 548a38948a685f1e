/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Runs of equal pages; see runs.h. */
#include "inspect/runs.h"

#include <stdlib.h>
#include <string.h>

#include "inspect/pass.h"

enum {
    PAGE = PND_PASS_PAGE,
    CAP_FIRST = 256,
    UNREADABLE_BYTE = 'X', /* @source PROTOCOL.md#kdp-6.3 */
};

void pnd_runs_init(struct pnd_runs *runs)
{
    *runs = (struct pnd_runs){.bytes_min = PAGE};
}

void pnd_runs_deinit(struct pnd_runs *runs)
{
    free(runs->runs);
    *runs = (struct pnd_runs){0};
}

static bool is_wanted(uint8_t byte)
{
    return byte == 0 || byte == UNREADABLE_BYTE;
}

static bool all_same(const uint8_t *data, size_t len)
{
    return data[0] == data[len / 2] && data[0] == data[len - 1] &&
           memcmp(data, data + 1, len - 1) == 0;
}

static bool same_page(const uint8_t *data)
{
    return is_wanted(data[0]) && all_same(data, PAGE);
}

/* Leaves out ever longer ones until half are gone. */
static void thin_out(struct pnd_runs *runs)
{
    size_t out;

    while (runs->count > PND_PASS_RUNS_MAX / 2) {
        runs->bytes_min *= 2;
        out = 0;
        for (size_t i = 0; i < runs->count; i++) {
            if (runs->runs[i].end - runs->runs[i].start >= runs->bytes_min)
                runs->runs[out++] = runs->runs[i];
        }
        runs->count = out;
    }
}

/* One place more than the runs that are closed: pnd_runs_list() puts the open one there. */
static bool make_room(struct pnd_runs *runs)
{
    size_t cap = runs->cap ? runs->cap * 2 : CAP_FIRST;
    struct pnd_pass_run *grown;

    if (runs->count + 1 < runs->cap)
        return true;
    if (runs->count + 1 >= PND_PASS_RUNS_MAX) {
        thin_out(runs);
        return true;
    }
    grown = reallocarray(runs->runs, cap, sizeof(*grown));
    if (!grown)
        return false;
    runs->runs = grown;
    runs->cap = cap;
    return true;
}

static void close_run(struct pnd_runs *runs)
{
    if (runs->open.end - runs->open.start >= runs->bytes_min && make_room(runs))
        runs->runs[runs->count++] = runs->open;
    runs->open = (struct pnd_pass_run){0};
}

static void add_pages(struct pnd_runs *runs, uint8_t byte, uint64_t start, uint64_t end)
{
    enum pnd_memory_kind kind = byte == 0 ? PND_MEMORY_ZERO : PND_MEMORY_UNREADABLE;

    if (runs->open.end == start && runs->open.kind == kind && runs->open.end) {
        runs->open.end = end;
        return;
    }
    if (runs->open.end)
        close_run(runs);
    runs->open = (struct pnd_pass_run){.start = start, .end = end, .kind = kind};
}

/* A page that comes in parts. */
static size_t take_part(struct pnd_runs *runs, const uint8_t *data, size_t len)
{
    size_t part = PAGE - runs->page_len < len ? PAGE - runs->page_len : len;

    if (runs->page_len == 0) {
        runs->page_byte = data[0];
        runs->page_same = is_wanted(data[0]);
    }
    if (runs->page_same)
        runs->page_same = data[0] == runs->page_byte && (part == 1 || all_same(data, part));
    runs->page_len += part;
    runs->at += part;
    if (runs->page_len == PAGE) {
        runs->page_len = 0;
        if (runs->page_same)
            add_pages(runs, runs->page_byte, runs->at - PAGE, runs->at);
    }
    return part;
}

size_t pnd_runs_take(struct pnd_runs *runs, const uint8_t *data, size_t len, bool *ret_same)
{
    size_t taken = PAGE;
    bool same;

    *ret_same = false;
    if (runs->page_len > 0 || len < PAGE)
        return take_part(runs, data, len);

    same = same_page(data);
    while (len - taken >= PAGE && same_page(data + taken) == same &&
           (!same || data[taken] == data[0]))
        taken += PAGE;
    if (same)
        add_pages(runs, data[0], runs->at, runs->at + taken);
    runs->at += taken;
    *ret_same = same;
    return taken;
}

size_t pnd_runs_list(struct pnd_runs *runs, const struct pnd_pass_run **ret)
{
    size_t count = runs->count;

    if (runs->open.end && make_room(runs)) {
        count = runs->count;
        runs->runs[count++] = runs->open;
    }
    *ret = runs->runs;
    return count;
}
