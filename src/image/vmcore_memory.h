/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The memory in an ELF core of a Linux kernel: by physical address, and by those virtual addresses
 * that no segment has (vmemmap, vmalloc), through the kernel's own page tables. x86-64 with four
 * and five levels, aarch64 with pages of 4, 16 and 64 KiB. Freestanding.
 * @source Intel SDM 3A, 4.5; Arm ARM, D8.3 (VMSAv8-64 descriptors); Linux
 * admin-guide/kdump/vmcoreinfo */
#ifndef PND_IMAGE_VMCORE_MEMORY_H
#define PND_IMAGE_VMCORE_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "image/vmcore.h"

enum {
    PND_VMCORE_RECENT = 4, /* segments that are found without a search */
};

struct pnd_vmcore_memory {
    struct pnd_vmcore *vmcore;
    struct pnd_vmcore_segment recent[PND_VMCORE_RECENT];
    unsigned oldest;
    /* How page tables are read; root 0: they cannot be found. */
    bool arm;
    unsigned page_shift, levels, address_bits;
    uint64_t root;                           /* physical */
    uint64_t frame_mask;                     /* of an entry */
    unsigned high_at, high_bits, high_shift; /* address bits that lie elsewhere in an entry */
    /* what was translated last */
    uint64_t start, bytes, paddr;
};

/* @p vmcore: in use as long as @p memory. Without page tables, what has segments is read. */
void pnd_vmcore_memory_open(struct pnd_vmcore_memory *memory, struct pnd_vmcore *vmcore);

/* Where a virtual address of the kernel is, and how far what follows it is mapped in one piece.
 *   @return PND_OK; PND_E_NOTFOUND nothing is mapped there; what the source returned */
int pnd_vmcore_memory_find(struct pnd_vmcore_memory *memory, uint64_t vaddr, uint64_t *ret_paddr,
                           uint64_t *ret_bytes);

/* The bytes at a physical address.
 *   @return PND_OK; PND_E_NOTFOUND not all of them are in the dump; what the source returned */
int pnd_vmcore_memory_physical(struct pnd_vmcore_memory *memory, uint64_t paddr, void *buf,
                               size_t len);

/* The bytes at a virtual address of the kernel.
 *   @return PND_OK; PND_E_NOTFOUND nothing is mapped there, or it is not in the dump; what the
 *           source returned */
int pnd_vmcore_memory_read(struct pnd_vmcore_memory *memory, uint64_t vaddr, void *buf, size_t len);

#endif
