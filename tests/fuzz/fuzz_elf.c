/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes as the start of an ELF core. */
#include <stdint.h>
#include <stdlib.h>

#include "image/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct pnd_elf_segment seg;
    struct pnd_elf elf;
    uint16_t type;
    int err = pnd_elf_parse(data, len, &elf);

    if (err != PND_OK)
        return 0;
    if (pnd_elf_type(data, len, &type) != PND_OK || type != elf.type ||
        elf.phnum > PND_ELF_SEGMENTS_MAX || elf.table_end < elf.phoff)
        abort();
    for (uint32_t i = 0; i <= elf.phnum; i++) {
        err = pnd_elf_segment(&elf, data, len, i, &seg);
        if (err == PND_E_SHORT || err == PND_E_NOTFOUND)
            break;
        if (err == PND_OK && seg.offset + seg.filesz < seg.offset)
            abort();
    }
    /* The end is said as the end, or the table is cut. */
    if (err == PND_E_SHORT ? elf.table_end <= len : err != PND_E_NOTFOUND)
        abort();
    return 0;
}
