/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes as the core of a Linux kernel: its panic message is found or not, and is printable. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/vmcore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct bytes {
    const uint8_t *data;
    size_t len;
};

static int read_bytes(void *ctx, uint64_t offset, void *buf, size_t len)
{
    const struct bytes *bytes = ctx;

    if (offset > bytes->len || bytes->len - offset < len)
        return PND_E_SOURCE;
    memcpy(buf, bytes->data + offset, len);
    return PND_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct pnd_vmcore vmcore;
    struct bytes bytes = {data, len};
    struct pnd_vmcore_source source = {&bytes, read_bytes};
    char reason[PND_VMCORE_REASON_CAP];

    if (pnd_vmcore_open(&vmcore, &source) != PND_OK)
        return 0;
    if (pnd_vmcore_reason(&vmcore, reason) != PND_OK)
        return 0;
    if (strlen(reason) >= sizeof(reason))
        abort();
    for (const char *p = reason; *p; p++)
        if (*p < 0x20 || *p > 0x7e)
            abort();
    (void)pnd_vmcore_reason_is_nmi(reason);
    return 0;
}
