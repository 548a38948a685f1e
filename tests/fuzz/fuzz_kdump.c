/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes as a Linux dump - kdump-compressed, flattened, or an ELF core: the readers end, what
 * they say is within its bounds, and nothing that ends early is whole. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct bytes {
    const uint8_t *data;
    size_t len;
};

static int read_bytes(void *ctx, uint64_t offset, void *buf, size_t len)
{
    const struct bytes *bytes = ctx;

    if (offset > bytes->len || bytes->len - offset < len)
        return PND_E_SHORT;
    memcpy(buf, bytes->data + offset, len);
    return PND_OK;
}

/* VMCOREINFO is where the pass would have found it. */
static void scan(const struct bytes *bytes, struct pnd_scan *ret)
{
    static const char word[] = "OSRELEASE=";

    for (size_t i = 0; i + sizeof(word) < bytes->len && ret->count[PND_SCAN_LINUX_INFO] < 4; i++)
        if (memcmp(bytes->data + i, word, sizeof(word) - 1) == 0)
            ret->at[PND_SCAN_LINUX_INFO][ret->count[PND_SCAN_LINUX_INFO]++] = i;
}

static void check_facts(const struct pnd_facts *facts)
{
    if (facts->cpu_count > PND_FACT_CPUS_MAX || facts->frame_count > PND_FACT_FRAMES_MAX ||
        facts->range_count > PND_FACT_RANGES_MAX || facts->log_len > PND_FACT_LOG_MAX)
        abort();
    for (unsigned i = 0; i < facts->range_count; i++) {
        uint64_t sum = 0;

        for (int k = 0; k < PND_MEMORY_COUNT; k++)
            sum += facts->ranges[i].bytes[k];
        if (facts->ranges[i].start >= facts->ranges[i].end ||
            sum > facts->ranges[i].end - facts->ranges[i].start)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes bytes = {data, len};
    struct pnd_content content = {.ctx = &bytes,
                                  .bytes = len,
                                  .final = true,
                                  .head = data,
                                  .head_len = len,
                                  .fd = -1,
                                  .read = read_bytes};
    struct pnd_scan found = {0};
    struct pnd_reader_input in = {.content = &content, .scan = &found};
    const struct pnd_reader *reader = pnd_reader_find(data, len);
    struct pnd_facts facts = {0};
    struct pnd_check check = {.verdict = PND_VERDICT_COMPLETE, .bytes = len, .content_bytes = len};

    if (reader != &pnd_reader_kdump && reader != &pnd_reader_flattened && reader != &pnd_reader_elf)
        return 0;
    scan(&bytes, &found);
    if (reader->facts(&in, &facts) == PND_OK)
        check_facts(&facts);
    pnd_facts_deinit(&facts);
    if (reader->check(&in, &check) == PND_OK &&
        (check.verdict == PND_VERDICT_COMPLETE) != (check.reason[0] == '\0'))
        abort();
    return 0;
}
