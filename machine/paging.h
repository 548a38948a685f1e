/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The page tables: four levels, pages of 4 KiB only. Accessed and dirty bits are set from the
 * start, so that the CPU never writes to a table: the tables are RAM, and are dumped. */
#ifndef BOX_PAGING_H
#define BOX_PAGING_H

#include <stdbool.h>
#include <stdint.h>

#define BOX_PTE_PRESENT  UINT64_C(0x001)
#define BOX_PTE_WRITE    UINT64_C(0x002)
#define BOX_PTE_UNCACHED UINT64_C(0x018)
#define BOX_PTE_USED     UINT64_C(0x060)
#define BOX_PTE_POISON   UINT64_C(0x200) /* ours: it belongs into a dump, and cannot be read */
#define BOX_PTE_NX       (UINT64_C(1) << 63)
#define BOX_PTE_ADDRESS  UINT64_C(0x000ffffffffff000)

/* Builds the tables for all RAM, and uses them. */
void box_paging_init(void);

/* The entry for a page, or NULL: there is no table for it. */
uint64_t *box_pte(uint64_t address);

/* Maps one page; makes the tables that are missing. */
void box_paging_map(uint64_t address, uint64_t physical, uint64_t flags);

/* An entry of this page has changed. */
void box_paging_forget(uint64_t address);

#endif
