/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which pages of a Linux kernel's memory are worth sending: those that makedumpfile -d keeps, told
 * from VMCOREINFO and struct page alone. x86-64 and aarch64, sparse memory with and without
 * vmemmap, little-endian. Compound pages are known as such of Linux 4.6 and later; before, each of
 * their pages goes by itself, so that more is kept. Freestanding.
 * @source makedumpfile(8), -d; Linux admin-guide/kdump/vmcoreinfo; include/linux/page-flags.h */
#ifndef PND_IMAGE_PAGE_SELECT_H
#define PND_IMAGE_PAGE_SELECT_H

#include <stdint.h>

#include "image/vmcore.h"

/* What is left out; the level of -d is their sum. */
enum pnd_page_kind {
    PND_PAGE_ZERO = 1, /* the caller's: it has the content */
    PND_PAGE_CACHE = 2,
    PND_PAGE_CACHE_PRIVATE = 4,
    PND_PAGE_USER = 8,
    PND_PAGE_FREE = 16,
};

enum {
    PND_PAGE_SELECT_BYTES = 45056, /* of struct pnd_page_select, with its window of struct page */
};

struct pnd_page_select {
    uint64_t opaque[PND_PAGE_SELECT_BYTES / 8];
};

/* @param vmcore  in use as long as @p select
 * @param level   a sum of enum pnd_page_kind. PND_PAGE_ZERO alone needs nothing of VMCOREINFO
 *   @return PND_OK; PND_E_NOTFOUND a line of VMCOREINFO is missing: pnd_page_select_missing();
 *           PND_E_FORMAT it contradicts itself, or is of a 32-bit or big-endian kernel */
int pnd_page_select_open(struct pnd_page_select *select, struct pnd_vmcore *vmcore, unsigned level);

/* The line that is missing, a constant; NULL: none is. */
const char *pnd_page_select_missing(const struct pnd_page_select *select);

/* Clears the bits of pages that are left out: bit i of @p bitmap (LSB first) is page frame
 * @p first + i. In ascending order, each frame once: a large page of one call may reach into the
 * next. A page that has no struct page, or whose struct page cannot be read, stays. Pages whose
 * memory has failed, or that a hypervisor took back, are left out at every level that knows them.
 *   @param first, count  multiples of 8
 *   @return PND_OK; PND_E_ABORTED as the source */
int pnd_page_select_run(struct pnd_page_select *select, uint64_t first, uint64_t count,
                        uint8_t *bitmap);

#endif
