/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The names of the kernel's functions, and what identifies this build; symbols.py makes both from
 * the linked kernel. */
#ifndef BOX_SYMBOLS_H
#define BOX_SYMBOLS_H

#include <stdint.h>

/* Of this build: the same sources and compiler give the same, anything else another. */
extern const uint8_t box_uuid[16];

/* The function that @p address lies in. @return its name, with its offset in it; NULL: none */
const char *box_symbol(uint64_t address, uint64_t *ret_offset);

#endif
