/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes as the message buffer of a FreeBSD kernel: what is found keeps to its bounds. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/freebsd_text.h"
#include "inspect/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct pnd_facts facts = {0};
    char *ring = malloc(len ? len : 1);
    size_t left;

    if (!ring)
        abort();
    memcpy(ring, data, len);
    left = pnd_freebsd_straighten(ring, len);
    if (left > len)
        abort();
    pnd_facts_from_freebsd_log(ring, left, &facts);
    if (facts.frame_count > PND_FACT_FRAMES_MAX || facts.cpu_count > 1 || facts.log_len > left + 3)
        abort();
    for (unsigned i = 0; i < PND_FACT_COUNT; i++) {
        if (strlen(pnd_facts_text(&facts, (enum pnd_fact)i)) > PND_FACT_TEXT_MAX)
            abort();
    }
    pnd_facts_deinit(&facts);
    free(ring);
    return 0;
}
