/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Readers that arrive with the next merge; this file goes with them. */
#include "inspect/reader.h"

__attribute__((weak)) bool pnd_reader_xnu_log(const struct pnd_reader_input *in, struct pnd_facts *facts)
{
    (void)in;
    (void)facts;
    return false;
}

__attribute__((weak)) void pnd_facts_from_freebsd_log(const char *log, size_t len,
                                                      struct pnd_facts *facts)
{
    pnd_facts_set_log(facts, log, len);
}
