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
    &pnd_reader_data, /* says yes to anything */
};

const struct pnd_reader *pnd_reader_find(const void *head, size_t head_len)
{
    const struct pnd_reader *const *at = readers;

    while (!(*at)->is(head, head_len))
        at++;
    return *at;
}
