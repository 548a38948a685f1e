/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes as a Mach-O core: what is said of it is within the bounds of facts, and the same after
 * a way through JSON. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct memory {
    const uint8_t *data;
    size_t len;
};

static int read_memory(void *ctx, uint64_t offset, void *buf, size_t len)
{
    const struct memory *memory = ctx;

    if (offset > memory->len || len > memory->len - offset)
        return PND_E_SHORT;
    memcpy(buf, memory->data + offset, len);
    return PND_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct memory memory = {.data = data, .len = len};
    struct pnd_content content = {.ctx = &memory,
                                  .bytes = len,
                                  .final = true,
                                  .head = data,
                                  .head_len = len,
                                  .fd = -1,
                                  .read = read_memory};
    struct pnd_scan scan = {0};
    struct pnd_reader_input in = {.content = &content, .scan = &scan};
    struct pnd_facts facts = {0}, back;
    json_t *json, *again;

    if (pnd_reader_macho.facts(&in, &facts) != PND_OK)
        abort();
    if (facts.frame_count > PND_FACT_FRAMES_MAX || facts.cpu_count > PND_FACT_CPUS_MAX ||
        facts.range_count > PND_FACT_RANGES_MAX || facts.module_count > PND_FACT_MODULES_MAX)
        abort();
    json = pnd_facts_to_json(&facts, true);
    if (!json || pnd_facts_from_json(json, &back) != PND_OK)
        abort();
    again = pnd_facts_to_json(&back, true);
    if (!again || !json_equal(json, again))
        abort();
    json_decref(json);
    json_decref(again);
    pnd_facts_deinit(&back);
    pnd_facts_deinit(&facts);
    return 0;
}
