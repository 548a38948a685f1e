/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The formats that are known; see reader.h. */
#include "inspect/reader.h"

/* The first that says yes has it. */
static const struct pnd_reader *const readers[] = {
    &pnd_reader_elf,
    &pnd_reader_macho,
    &pnd_reader_kdump,
    &pnd_reader_flattened,
    &pnd_reader_freebsd_minidump,
    &pnd_reader_freebsd_textdump,
    &pnd_reader_freebsd_device,
    &pnd_reader_corefile,
    &pnd_reader_panic_log,
    &pnd_reader_data,
};

const struct pnd_reader *pnd_reader_find(const void *head, size_t head_len)
{
    for (size_t i = 0; i < sizeof(readers) / sizeof(*readers); i++) {
        if (readers[i]->is(head, head_len))
            return readers[i];
    }
    return &pnd_reader_data;
}
