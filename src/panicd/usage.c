/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicd/usage.h"

#include <stdlib.h>
#include <string.h>

static int compare_sources(const void *a, const void *b)
{
    return memcmp(((const struct pnd_usage_source *)a)->addr.b,
                  ((const struct pnd_usage_source *)b)->addr.b, 16);
}

/* One entry for each source. */
static void merge(struct pnd_usage *usage)
{
    unsigned out = 0;

    if (usage->count)
        qsort(usage->sources, usage->count, sizeof(usage->sources[0]), compare_sources);
    for (unsigned i = 0; i < usage->count; i++) {
        if (out && compare_sources(&usage->sources[out - 1], &usage->sources[i]) == 0)
            usage->sources[out - 1].bytes += usage->sources[i].bytes;
        else
            usage->sources[out++] = usage->sources[i];
    }
    usage->count = out;
}

static bool add_dump(const struct pnd_dump *dump, void *ctx)
{
    struct pnd_usage *usage = ctx;
    struct pnd_usage_source source = {.bytes = dump->bytes}, *grown;
    struct pnd_cidr cidr;

    usage->total += dump->bytes;
    usage->dumps++;
    usage->incomplete += dump->state == PND_DUMP_INCOMPLETE;
    usage->unchecked += !dump->checked;
    if (pnd_cidr_parse(dump->peer, &cidr))
        return true;
    source.addr = cidr.addr;
    if (usage->count == usage->cap)
        merge(usage);
    if (usage->count == PND_USAGE_SOURCES_MAX)
        return true;
    if (usage->count >= usage->cap / 2) { /* merging again soon would gain too little */
        grown = reallocarray(usage->sources, usage->cap ? usage->cap * 2 : 64, sizeof(source));
        if (!grown)
            return true;
        usage->sources = grown;
        usage->cap = usage->cap ? usage->cap * 2 : 64;
    }
    usage->sources[usage->count++] = source;
    return true;
}

int pnd_usage_sum(struct pnd_catalog *catalog, struct pnd_usage *ret)
{
    struct pnd_usage usage = {0};
    int err = pnd_catalog_each(catalog, false, add_dump, &usage, NULL);

    if (err) {
        pnd_usage_deinit(&usage);
        return err;
    }
    merge(&usage);
    *ret = usage;
    return PND_OK;
}

void pnd_usage_deinit(struct pnd_usage *usage)
{
    free(usage->sources);
    *usage = (struct pnd_usage){0};
}

static struct pnd_usage_source *find(const struct pnd_usage *usage, const struct pnd_addr *source)
{
    struct pnd_usage_source key = {.addr = *source};

    return usage->count ? bsearch(&key, usage->sources, usage->count, sizeof(key), compare_sources)
                        : NULL;
}

void pnd_usage_drop(struct pnd_usage *usage, const struct pnd_dump *dump)
{
    struct pnd_usage_source *source;
    struct pnd_cidr cidr;

    usage->total -= dump->bytes < usage->total ? dump->bytes : usage->total;
    usage->dumps -= usage->dumps > 0;
    usage->incomplete -= usage->incomplete > 0; /* only such a one arrives again */
    if (pnd_cidr_parse(dump->peer, &cidr))
        return;
    source = find(usage, &cidr.addr);
    if (source)
        source->bytes -= dump->bytes < source->bytes ? dump->bytes : source->bytes;
}

uint64_t pnd_usage_of(const struct pnd_usage *usage, const struct pnd_addr *source)
{
    const struct pnd_usage_source *found = find(usage, source);

    return found ? found->bytes : 0;
}
