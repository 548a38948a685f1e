/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What several readers need; see reader.h and content.h. */
#include "inspect/reader.h"

#include <stdio.h>
#include <string.h>

long pnd_content_some(const struct pnd_content *content, uint64_t offset, void *buf, size_t len)
{
    uint64_t left = offset < content->bytes ? content->bytes - offset : 0;
    int err;

    len = left < len ? (size_t)left : len;
    if (len == 0)
        return 0;
    err = content->read(content->ctx, offset, buf, len);
    if (err == PND_E_SHORT) /* not at this time */
        return 0;
    return err ? err : (long)len;
}

size_t pnd_reader_line(const struct pnd_reader_input *in, uint64_t offset, char *ret, size_t cap)
{
    long got = pnd_content_some(in->content, offset, ret, cap - 1);
    size_t len = 0;

    while ((long)len < got && ret[len] != '\0' && ret[len] != '\n' &&
           ((uint8_t)ret[len] >= 0x20 || ret[len] == '\t') && ret[len] != 0x7f)
        len++;
    ret[len] = '\0';
    return len;
}

/* ---- the map ---- */

/* The first run that ends behind @p offset. */
static size_t find_run(const struct pnd_reader_input *in, uint64_t offset)
{
    size_t low = 0, high = in->run_count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (in->runs[mid].end <= offset)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

void pnd_reader_add_memory(const struct pnd_reader_input *in, uint64_t start, uint64_t end,
                           uint64_t offset, uint64_t present, struct pnd_facts *facts)
{
    uint64_t have = offset < in->content->bytes ? in->content->bytes - offset : 0, at = offset;
    uint64_t stop;

    if (end <= start)
        return;
    if (present > end - start)
        present = end - start;
    if (have > present)
        have = present;
    stop = offset + have;
    for (size_t i = find_run(in, offset); i < in->run_count && at < stop; i++) {
        const struct pnd_pass_run *run = &in->runs[i];
        uint64_t from = run->start > at ? run->start : at;
        uint64_t to = run->end < stop ? run->end : stop;

        if (run->start >= stop)
            break;
        if (from > at)
            pnd_facts_add_range(facts, start + (at - offset), start + (from - offset),
                                PND_MEMORY_PRESENT);
        pnd_facts_add_range(facts, start + (from - offset), start + (to - offset), run->kind);
        at = to;
    }
    if (at < stop)
        pnd_facts_add_range(facts, start + (at - offset), start + have, PND_MEMORY_PRESENT);
    if (have < end - start)
        pnd_facts_add_range(facts, start + have, end, PND_MEMORY_MISSING);
}

struct pnd_reader_input pnd_reader_map_input(const struct pnd_reader_input *in, uint64_t present,
                                             uint64_t *used)
{
    enum { TIMES_MAX = 2 }; /* the kernel's text may lie in two segments */
    struct pnd_reader_input ret = *in;
    uint64_t bytes = in->content->bytes, most = bytes < INT64_MAX ? bytes * TIMES_MAX : UINT64_MAX;

    present = present < bytes ? present : bytes; /* no more is there */
    if (present > most - *used)
        ret.run_count = 0;
    else
        *used += present;
    return ret;
}

/* ---- Darwin's version ---- */

enum { VERSION_CAP = 512 };

static const char darwin[] = "Darwin Kernel Version ";

void pnd_reader_xnu_version(const char *text, struct pnd_facts *facts)
{
    const char *at = strstr(text, darwin), *root, *end;

    if (!at)
        return;
    pnd_facts_set(facts, PND_FACT_OS, "Darwin", strlen("Darwin"));
    pnd_facts_set(facts, PND_FACT_KERNEL_VERSION, at, strlen(at));
    root = strstr(at, "root:");
    if (root) {
        root += strlen("root:");
        end = root + strcspn(root, "~/ ;");
        pnd_facts_set(facts, PND_FACT_KERNEL, root, (size_t)(end - root));
    }
}

void pnd_reader_xnu_version_found(const struct pnd_reader_input *in, struct pnd_facts *facts)
{
    const struct pnd_scan *scan = in->scan;
    char line[VERSION_CAP], best[VERSION_CAP] = "";

    for (unsigned i = 0; i < scan->count[PND_SCAN_XNU_VERSION]; i++) {
        pnd_reader_line(in, scan->at[PND_SCAN_XNU_VERSION][i], line, sizeof(line));
        if (best[0] == '\0')
            memcpy(best, line, sizeof(best));
        if (strstr(line, "root:")) { /* the whole of it, not what somebody printed of it */
            memcpy(best, line, sizeof(best));
            break;
        }
    }
    if (best[0])
        pnd_reader_xnu_version(best, facts);
}
