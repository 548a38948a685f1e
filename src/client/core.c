/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Core writers: three walks over the regions - count, describe, send - and one over the pages. */
#include "client/core.h"

#include <stdbool.h>
#include <string.h>

enum {
    PAGE_MIN = 4096,
    PAGE_MAX = 65536,
    FILL_PIECE = 256, /* on the stack */
    UNREADABLE = 'X', /* @source PROTOCOL.md#kdp-6.3 */
};

#define PROGRESS_BYTES (UINT64_C(1) << 20)

/* One walk over the regions. What it gathers is compared with the plan at its end: the memory
 * belongs to a machine that has just panicked. */
struct walk {
    uint64_t from; /* where the next region begins at the earliest */
    bool ended;    /* the last region ends where the address space does */
    uint32_t regions;
    uint64_t memory_bytes, fingerprint;
};

static void progress(const struct pnd_core *core)
{
    const struct pnd_core_config *config = core->config;

    if (config->progress)
        config->progress(config->progress_ctx, core->summary->bytes, core->total);
}

int pnd_core_put(struct pnd_core *core, const void *buf, size_t len)
{
    uint64_t before = core->summary->bytes;
    int err = core->sink->write(core->sink->ctx, buf, len);

    if (err)
        return err;
    core->summary->bytes = before + len;
    if (before / PROGRESS_BYTES != core->summary->bytes / PROGRESS_BYTES &&
        core->summary->bytes != core->total)
        progress(core);
    return PND_OK;
}

/* Apart, so that its buffer is on the stack only while it is in use. */
__attribute__((noinline)) static int fill(struct pnd_core *core, uint8_t byte, uint64_t len)
{
    uint8_t piece[FILL_PIECE];
    int err = PND_OK;

    memset(piece, byte, sizeof(piece));
    while (len > 0 && err == PND_OK) {
        size_t part = len < sizeof(piece) ? (size_t)len : sizeof(piece);

        err = pnd_core_put(core, piece, part);
        len -= part;
    }
    return err;
}

static uint64_t mix(uint64_t sum, uint64_t v) /* FNV-1a, a word at a time */
{
    return (sum ^ v) * UINT64_C(0x100000001b3);
}

/* The next region of a walk, found usable.
 *   @return PND_OK; PND_E_NOTFOUND; PND_E_ARG, PND_E_FORMAT as pnd_core_write(); what next
 *           returned */
static int step(struct walk *walk, const struct pnd_memory *memory, struct pnd_region *ret)
{
    struct pnd_region region = {0};
    uint64_t sum;
    int err;

    if (walk->ended)
        return PND_E_NOTFOUND;
    err = memory->next(memory->ctx, walk->from, &region);
    if (err)
        return err;
    if (region.len == 0 || ((region.address | region.len) & (memory->page_bytes - 1)) ||
        region.len - 1 > UINT64_MAX - region.address)
        return PND_E_ARG;
    if (region.address < walk->from)
        return PND_E_FORMAT;

    walk->from = region.address + region.len;
    walk->ended = walk->from == 0;
    walk->regions++;
    walk->memory_bytes += region.len;
    sum = mix(walk->fingerprint, region.address);
    sum = mix(sum, region.physical);
    walk->fingerprint = mix(sum, region.len);
    *ret = region;
    return PND_OK;
}

static bool beyond_plan(const struct walk *walk, const struct pnd_core *core)
{
    return walk->regions > core->regions || walk->memory_bytes > core->memory_bytes;
}

static bool as_planned(const struct walk *walk, const struct pnd_core *core)
{
    return walk->regions == core->regions && walk->memory_bytes == core->memory_bytes &&
           walk->fingerprint == core->fingerprint;
}

static int count(struct pnd_core *core, const struct pnd_core_writer *writer)
{
    const struct pnd_memory *memory = core->config->memory;
    uint64_t mask = memory->page_bytes - 1;
    struct pnd_region region;
    struct walk walk = {0};
    int err;

    while ((err = step(&walk, memory, &region)) == PND_OK)
        if (walk.regions > writer->regions_max)
            return PND_E_FULL;
    if (err != PND_E_NOTFOUND)
        return err;

    core->regions = walk.regions;
    core->memory_bytes = walk.memory_bytes;
    core->fingerprint = walk.fingerprint;
    core->head_bytes = writer->fixed_bytes + (uint64_t)walk.regions * writer->region_bytes;
    core->data_at = (core->head_bytes + mask) & ~mask;
    if (core->memory_bytes > UINT64_MAX - core->data_at - writer->tail_bytes)
        return PND_E_FULL;
    core->total = core->data_at + core->memory_bytes + writer->tail_bytes;
    return PND_OK;
}

static int describe(struct pnd_core *core, const struct pnd_core_writer *writer)
{
    struct pnd_region region;
    struct walk walk = {0};
    int err = writer->head(core);

    if (err)
        return err;
    while ((err = step(&walk, core->config->memory, &region)) == PND_OK) {
        if (beyond_plan(&walk, core))
            return PND_E_FORMAT;
        err = writer->describe(core, &region, core->data_at + walk.memory_bytes - region.len);
        if (err)
            return err;
    }
    if (err != PND_E_NOTFOUND)
        return err;
    if (!as_planned(&walk, core))
        return PND_E_FORMAT;
    err = writer->behind(core);
    if (err)
        return err;
    return fill(core, 0, core->data_at - core->head_bytes);
}

static int send_page(struct pnd_core *core, uint64_t address)
{
    const struct pnd_memory *memory = core->config->memory;
    const void *page = memory->map(memory->ctx, address);
    int err = page ? pnd_core_put(core, page, memory->page_bytes)
                   : fill(core, UNREADABLE, memory->page_bytes);

    if (err)
        return err;
    core->summary->memory_bytes += memory->page_bytes;
    if (!page)
        core->summary->unreadable_bytes += memory->page_bytes;
    return PND_OK;
}

static int send_pages(struct pnd_core *core, const struct pnd_region *region)
{
    uint32_t page_bytes = core->config->memory->page_bytes;
    int err = PND_OK;

    core->summary->regions++;
    for (uint64_t done = 0; done < region->len && err == PND_OK; done += page_bytes)
        err = send_page(core, region->address + done);
    return err;
}

static int send(struct pnd_core *core)
{
    struct pnd_region region;
    struct walk walk = {0};
    int err;

    while ((err = step(&walk, core->config->memory, &region)) == PND_OK) {
        if (beyond_plan(&walk, core))
            return PND_E_FORMAT;
        err = send_pages(core, &region);
        if (err)
            return err;
    }
    if (err != PND_E_NOTFOUND)
        return err;
    return as_planned(&walk, core) ? PND_OK : PND_E_FORMAT;
}

int pnd_core_write(const struct pnd_core_config *config, const struct pnd_sink *sink,
                   struct pnd_core_summary *ret)
{
    struct pnd_core core = {.config = config, .sink = sink, .summary = ret};
    uint32_t page_bytes = config->memory->page_bytes;
    const struct pnd_core_writer *writer;
    int err;

    memset(ret, 0, sizeof(*ret));
    if (page_bytes < PAGE_MIN || page_bytes > PAGE_MAX || (page_bytes & (page_bytes - 1)))
        return PND_E_ARG;
    switch (config->format) {
    case PND_CORE_MACHO:
        writer = &pnd_core_macho;
        break;
    case PND_CORE_ELF:
        writer = &pnd_core_elf;
        break;
    default:
        return PND_E_ARG;
    }

    err = count(&core, writer);
    if (!err)
        err = describe(&core, writer);
    if (!err)
        err = send(&core);
    if (!err && writer->tail)
        err = writer->tail(&core);
    if (!err)
        progress(&core);
    return err;
}
