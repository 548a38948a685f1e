/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Physical memory. All RAM is mapped at BOX_BASE + its physical address, in pages of 4 KiB; the
 * kernel itself lies there too. Device memory has a window of its own, which is never dumped.
 * Nothing is mapped below BOX_DEVICES: a null pointer faults. */
#ifndef BOX_MEMORY_H
#define BOX_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panicd/stage.h"

#define BOX_BASE    UINT64_C(0xffffff8000000000)
#define BOX_DEVICES UINT64_C(0xffffff0000000000)

enum { BOX_PAGE = 4096 };

/* Memory that changes while a dump is written - rings, buffers, the console's own, the stack the
 * dump runs on, struct pnd_panic, codecs - carries this. It is left out of every dump, so that
 * what is dumped stands still. It begins as zeros. */
#define BOX_WORK __attribute__((section(".bss.work"), aligned(64)))

static inline void *box_virt(uint64_t physical)
{
    return (void *)(uintptr_t)(BOX_BASE + physical); /* NOLINT(performance-no-int-to-ptr) */
}

/* @p p is in RAM. */
static inline uint64_t box_physical(const volatile void *p)
{
    return (uint64_t)(uintptr_t)p - BOX_BASE;
}

/* The first thing after the boot code: @p start_info is the PVH one, physical. */
void box_memory_init(uint64_t start_info);

const char *box_command_line(void);
uint64_t box_ram_bytes(void);

/* Device memory, up to 512 GiB physical. Before box_memory_fill() only.
 * @return where it can be read and written */
volatile void *box_map_device(uint64_t physical, uint64_t len);

/* Fills all RAM that nobody uses with the pattern. Of physical page number n, at virtual address P,
 * the 64-bit word at A is 0 if n % 64 is 63; A * 0x9e3779b97f4a7c15 if n % 16 is 0 (which does not
 * compress); P else. */
void box_memory_fill(void);

/* What is dumped: every present mapping of RAM from BOX_BASE up, without the work memory. After
 * box_memory_poison() a page in the middle cannot be read: with @p faulting it faults when it is,
 * otherwise map() says so. After box_memory_fill() only. */
const struct pnd_memory *box_memory(void);
void box_memory_poison(bool faulting);

/* Is this address mapped (and in RAM)? For whoever follows pointers in a panic. */
bool box_readable(uint64_t address, size_t len);

#endif
