/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A Mach-O core as memory; see macho_core.h. */
#include "inspect/macho_core.h"

#include <stdlib.h>

enum {
    KERNEL_BIT = 55,           /* of a pointer of arm64: set in the kernel's half */
    ADDRESS_BITS_DEFAULT = 47, /* arm64, when the core does not say */
};

static int compare_memory(const void *a, const void *b)
{
    uint64_t x = ((const struct pnd_macho_memory *)a)->start;
    uint64_t y = ((const struct pnd_macho_memory *)b)->start;

    return x < y ? -1 : x > y;
}

static bool grow(void **at, size_t count, size_t max, size_t size)
{
    void *grown;

    if (count >= max)
        return false;
    if (count & (count - 1)) /* room for the next power of two */
        return true;
    grown = reallocarray(*at, count ? count * 2 : 1, size);
    if (!grown)
        return false;
    *at = grown;
    return true;
}

static void add_segment(struct pnd_macho_core *core, const struct pnd_macho_cmd *cmd)
{
    uint64_t end = cmd->vmaddr + cmd->vmsize;
    void *memory = core->memory;

    if (cmd->vmsize == 0 || end < cmd->vmaddr)
        return;
    if (!grow(&memory, core->memory_count, PND_MACHO_CORE_SEGMENTS, sizeof(*core->memory)))
        return;
    core->memory = memory;
    core->memory[core->memory_count++] = (struct pnd_macho_memory){
        .start = cmd->vmaddr, .end = end, .offset = cmd->offset, .size = cmd->size};
}

static void add_thread(struct pnd_macho_core *core, const struct pnd_macho_cmd *cmd)
{
    void *threads = core->threads;

    if (!grow(&threads, core->thread_count, PND_MACHO_CORE_THREADS, sizeof(*core->threads)))
        return;
    core->threads = threads;
    core->threads[core->thread_count++] = *cmd;
}

int pnd_macho_core_open(const struct pnd_reader_input *in, struct pnd_macho_core *ret)
{
    const struct pnd_content *content = in->content;
    struct pnd_macho_walk walk;
    struct pnd_macho_cmd cmd;
    int err;

    *ret = (struct pnd_macho_core){.in = in};
    err = pnd_macho_parse(content->head, content->head_len, &ret->macho);
    if (err)
        return err == PND_E_SHORT ? PND_E_SHORT : PND_E_FORMAT;
    pnd_macho_walk_init(&walk, &ret->macho, content->head, content->head_len);
    while (pnd_macho_walk_next(&walk, &cmd) == PND_OK) {
        if (cmd.kind == PND_MACHO_SEGMENT)
            add_segment(ret, &cmd);
        else if (cmd.kind == PND_MACHO_THREAD)
            add_thread(ret, &cmd);
    }
    if (ret->memory_count)
        qsort(ret->memory, ret->memory_count, sizeof(*ret->memory), compare_memory);
    return PND_OK;
}

void pnd_macho_core_close(struct pnd_macho_core *core)
{
    free(core->memory);
    free(core->threads);
}

int pnd_macho_core_read(const struct pnd_macho_core *core, uint64_t address, void *buf, size_t len)
{
    size_t low = 0, high = core->memory_count;
    const struct pnd_macho_memory *memory;
    uint64_t within;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (core->memory[mid].start <= address)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == 0)
        return PND_E_NOTFOUND;
    memory = &core->memory[low - 1];
    within = address - memory->start;
    if (address >= memory->end || within > memory->size || len > memory->size - within ||
        len > memory->end - address)
        return PND_E_NOTFOUND;
    return core->in->content->read(core->in->content->ctx, memory->offset + within, buf, len);
}

uint64_t pnd_macho_core_field(const struct pnd_macho_core *core, struct pnd_rd *rd, size_t size)
{
    return core->macho.big ? pnd_rd_be(rd, size) : pnd_rd_le(rd, size);
}

uint64_t pnd_macho_core_strip(const struct pnd_macho_core *core, uint64_t pointer)
{
    unsigned bits = core->address_bits ? core->address_bits : (unsigned)ADDRESS_BITS_DEFAULT;
    uint64_t mask;

    if (core->macho.cputype != PND_MACHO_CPU_ARM64 || bits >= KERNEL_BIT)
        return pointer;
    mask = (UINT64_C(1) << bits) - 1;
    return pointer >> KERNEL_BIT & 1 ? pointer | ~mask : pointer & mask;
}
