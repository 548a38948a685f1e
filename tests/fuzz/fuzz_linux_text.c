/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes as the log of a Linux kernel: the facts are clean text within their bounds. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/linux_text.h"
#include "inspect/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_text(const char *text, size_t max)
{
    if (text && strlen(text) > max)
        abort();
    for (const char *p = text; p && *p; p++)
        if ((unsigned char)*p < 0x20 && *p != '\n' && *p != '\t')
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct pnd_facts facts = {0};

    pnd_facts_from_linux_log((const char *)data, len, &facts);
    for (int i = 0; i < PND_FACT_COUNT; i++)
        check_text(facts.text[i], PND_FACT_TEXT_MAX);
    for (unsigned i = 0; i < facts.frame_count; i++) {
        check_text(facts.frames[i].text, PND_FACT_WORD_MAX);
        check_text(facts.frames[i].module, PND_FACT_WORD_MAX);
        if (facts.frames[i].address == 0 && !facts.frames[i].text)
            abort();
    }
    if (strcmp(pnd_facts_text(&facts, PND_FACT_OS), "Linux") != 0 ||
        pnd_linux_log_cpu((const char *)data, len) < -1)
        abort();
    pnd_facts_deinit(&facts);
    return 0;
}
