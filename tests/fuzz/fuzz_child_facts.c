/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes as the facts that a checking child says: refused, or within the bounds of facts and the
 * same when they are said again. */
#include <stdint.h>
#include <stdlib.h>

#include "inspect/child.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct pnd_facts facts, back;
    json_t *json, *again;

    if (pnd_child_parse_facts(data, len, &facts) != PND_OK)
        return 0;
    if (facts.frame_count > PND_FACT_FRAMES_MAX || facts.cpu_count > PND_FACT_CPUS_MAX ||
        facts.range_count > PND_FACT_RANGES_MAX || facts.module_count > PND_FACT_MODULES_MAX ||
        facts.log_len > PND_FACT_LOG_MAX)
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
