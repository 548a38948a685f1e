/* SPDX-License-Identifier: BSD-2-Clause
 *
 * An ELF core in another order: what is asked for first, no byte twice (the kernel's text lies in
 * two segments of /proc/vmcore), everything at multiples of a page. Freestanding.
 * @source System V ABI, "Program Loading"; Linux admin-guide/kdump */
#ifndef PND_IMAGE_VMCORE_LAYOUT_H
#define PND_IMAGE_VMCORE_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/vmcore.h"

enum {
    PND_LAYOUT_SEGMENTS_MAX = 2048, /* of the core as it is, and of the new one; pieces, too */
    PND_LAYOUT_FIRST_MAX = 64,      /* ranges that are wanted first */
    PND_LAYOUT_NOTES_MAX = 1 << 26, /* bytes: as many processors as there can be */
    PND_LAYOUT_PAGE = 4096,
};

#define PND_LAYOUT_REST UINT32_MAX

/* A range of virtual addresses of the kernel. */
struct pnd_vmcore_range {
    uint64_t vaddr, bytes;
};

/* A run of the new file's bytes, in its order, and where they stand in the old one. What lies
 * between two of them is zeros, less than a page: each stands in its page as its memory does. */
struct pnd_layout_piece {
    uint64_t offset, source, bytes;
    uint64_t paddr;
    uint32_t turn; /* the range with which it is wanted; or PND_LAYOUT_REST */
};

struct pnd_vmcore_layout {
    uint64_t head_bytes; /* ELF header, program headers, notes: made by pnd_vmcore_layout_head() */
    uint64_t bytes;      /* of the whole new file */
    uint32_t piece_count, segment_count;
    struct pnd_layout_piece pieces[PND_LAYOUT_SEGMENTS_MAX];
    struct pnd_vmcore_segment segments[PND_LAYOUT_SEGMENTS_MAX]; /* LOAD, by virtual address */
    /* of the core as it is */
    uint64_t notes, notes_bytes;
    uint32_t old_count;
    struct pnd_vmcore_segment old[PND_LAYOUT_SEGMENTS_MAX]; /* LOAD, by physical address */
    uint8_t elf_header[64];                                 /* of the new file */
};

/* Where the log of the kernel lies: the ring's struct, descriptors, infos and text, or the buffer,
 * and the variables that lead there. They are all that a reader of the log needs.
 *   @return PND_OK with @p ret_count ranges; as pnd_vmcore_log_open(): then @p ret is not valid */
int pnd_vmcore_log_ranges(struct pnd_vmcore *vmcore,
                          struct pnd_vmcore_range ret[PND_LAYOUT_FIRST_MAX], size_t *ret_count);

/* @p first: ranges that come first, in this order, widened to pages; those that touch come with
 * the last of them; what is not in the dump is left out. All else follows, by physical address.
 * Memory that is in two segments is in the file once, if a few samples of it are the same in both.
 *   @return PND_OK, and @p ret is filled; PND_E_RANGE more segments than PND_LAYOUT_SEGMENTS_MAX;
 *           PND_E_FORMAT segments that overlap, or notes, in a way that no kernel makes: then it
 *           should be sent as it stands; what the source returned. @p ret is scratch after these */
int pnd_vmcore_layout(struct pnd_vmcore *vmcore, const struct pnd_vmcore_range *first,
                      size_t first_count, struct pnd_vmcore_layout *ret);

/* Bytes [offset, offset + len) of the new file's head. The notes are read from @p vmcore, of which
 * nothing but its source is used.
 *   @return PND_OK; PND_E_RANGE beyond head_bytes; what the source returned */
int pnd_vmcore_layout_head(const struct pnd_vmcore_layout *layout, struct pnd_vmcore *vmcore,
                           uint64_t offset, void *buf, size_t len);

#endif
