/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes as a tar archive. The first byte says whether the checksums are put right first (1),
 * without which a fuzzer would hardly come behind them. The walk goes forward and ends. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/ustar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { SUM_AT = 148, SUM_BYTES = 8 };

static void mend(uint8_t block[PND_USTAR_BLOCK])
{
    unsigned sum = 0;

    memset(block + SUM_AT, ' ', SUM_BYTES);
    for (unsigned i = 0; i < PND_USTAR_BLOCK; i++)
        sum += block[i];
    for (unsigned i = 0; i < 6; i++, sum >>= 3)
        block[SUM_AT + 5 - i] = (uint8_t)('0' + (sum & 7));
    block[SUM_AT + 6] = '\0';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint64_t at = 0;

    if (len < 1)
        return 0;
    while (at < len - 1) {
        size_t left = (size_t)(len - 1 - at),
               part = left < PND_USTAR_BLOCK ? left : PND_USTAR_BLOCK;
        uint8_t block[PND_USTAR_BLOCK] = {0};
        struct pnd_ustar_member member;
        uint64_t next;
        int err;

        memcpy(block, data + 1 + at, part);
        if (data[0] & 1 && pnd_ustar_is(block, part))
            mend(block);
        err = pnd_ustar_read(block, part, &member);
        if ((err == PND_E_SHORT) != (part < PND_USTAR_BLOCK))
            abort();
        if (err)
            break;
        if (strlen(member.name) >= sizeof(member.name) || member.bytes > INT64_MAX)
            abort();
        next = pnd_ustar_next(at, &member);
        if (next <= at || next - at < PND_USTAR_BLOCK + member.bytes)
            abort();
        at = next;
    }
    return 0;
}
