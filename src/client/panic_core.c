/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The kernel's memory on its way: core writer, compressor, and whatever comes behind.
 * Freestanding. */
#include "client/panic.h"

#include <string.h>

enum { REGIONS_MAX = 1 << 24 };

int pnd_panic_core(struct panic *p, const struct pnd_codec *codec, const struct pnd_sink *sink)
{
    const struct pnd_sink *into = sink;
    struct pnd_sink stage;
    int err = PND_OK;

    p->core = (struct pnd_core_config){
        .format = p->platform.format,
        .memory = p->platform.memory,
        .regs = p->event->regs,
        .image_address = p->platform.image_address,
        .progress = pnd_panic_progress,
        .progress_ctx = p,
    };
    memcpy(p->core.uuid, p->platform.uuid, sizeof(p->core.uuid));
    p->tenths = 0;
    if (codec) {
        stage = (struct pnd_sink){.ctx = codec->ctx, .write = codec->write, .end = codec->finish};
        into = &stage;
        err = codec->begin(codec->ctx, sink);
    }
    if (err == PND_OK)
        err = pnd_core_write(&p->core, into, &p->report.core);
    if (err == PND_OK && codec)
        err = codec->finish(codec->ctx);
    return err;
}

void pnd_panic_say_core(struct panic *p)
{
    const struct pnd_core_summary *core = &p->report.core;

    pnd_panic_say(p, "Memory: %llu bytes in %u regions", (unsigned long long)core->memory_bytes,
                  (unsigned)core->regions);
    if (core->unreadable_bytes)
        pnd_panic_say(p, ", of which %llu could not be read and are X",
                      (unsigned long long)core->unreadable_bytes);
    pnd_panic_say(p, ".\n");
}

/* The core writer is what complains about regions; here a walk that gets nowhere only ends. */
uint64_t pnd_panic_memory_bytes(const struct panic *p)
{
    const struct pnd_memory *memory = p->platform.memory;
    struct pnd_region region;
    uint64_t from = 0, bytes = 0;

    for (uint32_t i = 0; i < REGIONS_MAX; i++) {
        if (memory->next(memory->ctx, from, &region) != PND_OK || region.len == 0)
            break;
        bytes += region.len;
        if (region.address + region.len <= from)
            break;
        from = region.address + region.len;
    }
    return bytes;
}
