/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Looks addresses up in the table of symbols.py: ascending, each with its name's place. */
#include "symbols.h"

#include <stddef.h>

extern const char box_text_start[], box_text_end[];

extern const uint32_t box_symbol_count;
extern const struct {
    uint32_t offset; /* from box_text_start */
    uint32_t name;   /* in box_symbol_names */
} box_symbols[];
extern const char box_symbol_names[];

const char *box_symbol(uint64_t address, uint64_t *ret_offset)
{
    uint64_t start = (uint64_t)(uintptr_t)box_text_start, offset = address - start;
    uint32_t low = 0, high = box_symbol_count;

    if (address < start || address >= (uint64_t)(uintptr_t)box_text_end)
        return NULL;
    while (low < high) { /* the first that begins behind it */
        uint32_t middle = low + (high - low) / 2;

        if (box_symbols[middle].offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    *ret_offset = offset - box_symbols[low - 1].offset;
    return box_symbol_names + box_symbols[low - 1].name;
}
