/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The RAM there is, as the loader says, and the pages that were taken from it. Page tables are all
 * that is ever taken: everything else is static. */
#ifndef BOX_RAM_H
#define BOX_RAM_H

#include <stdint.h>

/* [start, end), physical, in whole pages. */
struct box_range {
    uint64_t start, end;
};

enum { BOX_RANGES_CAP = 32 };

void box_ram_init(uint64_t start_info);

/* In ascending order, without overlaps. */
const struct box_range *box_ram(unsigned *ret_count);

/* The next page behind the kernel, zeroed. @return its physical address */
uint64_t box_ram_take(void);

/* From here on nothing is taken. @return what the kernel and its pages occupy */
struct box_range box_ram_seal(void);

#endif
