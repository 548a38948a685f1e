/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a crash kernel must know of /proc/vmcore before it sends it: the release of the kernel
 * that crashed, when, and why. An ELF64 core, little-endian: program headers, the VMCOREINFO
 * note, and through them the old kernel's log - the ring of records of Linux 5.10 and later, or
 * the plain buffer before. No symbols are needed.
 * @source Linux admin-guide/kdump/vmcoreinfo; kernel/printk/printk_ringbuffer. Freestanding. */
#ifndef PND_IMAGE_VMCORE_H
#define PND_IMAGE_VMCORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panicd/err.h"

enum {
    PND_VMCORE_RELEASE_CAP = 65,
    PND_VMCORE_REASON_CAP = 200,
    PND_VMCORE_INFO_CAP = 8192, /* bytes of VMCOREINFO that are kept: it is 3 to 4 KiB */
};

/* Where the core is read, by offset, or its memory, by virtual address. @return PND_OK all @p len
 * bytes are in @p buf; else the dump cannot be read there, and the code is passed on. */
struct pnd_vmcore_source {
    void *ctx;
    int (*read)(void *ctx, uint64_t offset, void *buf, size_t len);
};

enum { PND_VMCORE_LOAD = 1, PND_VMCORE_NOTE = 4 }; /* types of segments */

/* A program header, as it stands in the core. offset + bytes does not overflow. */
struct pnd_vmcore_segment {
    uint32_t type, flags;
    uint64_t offset, bytes; /* in the file */
    uint64_t vaddr, paddr, memory_bytes;
};

struct pnd_vmcore {
    struct pnd_vmcore_source source;
    struct pnd_vmcore_source memory; /* .read NULL: the segments of the ELF core at source */
    bool is32, big;                  /* size and order of the kernel's words */
    uint64_t phdr_offset;
    uint32_t phdr_count;
    struct pnd_vmcore_segment last; /* the segment of the last address */
    char release[PND_VMCORE_RELEASE_CAP];
    uint64_t crash_time_s; /* since 1970; 0: not told */
    size_t info_len;
    char info[PND_VMCORE_INFO_CAP]; /* lines of key=value */
};

/* Reads headers and notes.
 *   @return PND_OK; PND_E_SHORT, PND_E_TYPE not an ELF64 little-endian core; PND_E_FORMAT its
 *           headers contradict themselves; PND_E_NOTFOUND no VMCOREINFO; what the source returned
 */
int pnd_vmcore_open(struct pnd_vmcore *vmcore, const struct pnd_vmcore_source *source);

/* The same for a core of any other format: @p info is its VMCOREINFO (of which the first
 * PND_VMCORE_INFO_CAP bytes are kept), @p memory reads by virtual address. */
void pnd_vmcore_attach(struct pnd_vmcore *vmcore, const void *info, size_t info_len, bool is32,
                       bool big, const struct pnd_vmcore_source *memory);

/* Program header @p index of a core that was opened.
 *   @return PND_OK; PND_E_NOTFOUND there are no more; PND_E_FORMAT its offset and size overflow;
 *           what the source returned */
int pnd_vmcore_segment(const struct pnd_vmcore *vmcore, uint32_t index,
                       struct pnd_vmcore_segment *ret);

/* The value of a line of VMCOREINFO: "OSRELEASE", "SYMBOL(prb)". @return false: not there */
bool pnd_vmcore_info(const struct pnd_vmcore *vmcore, const char *key, const char **ret,
                     size_t *ret_len);

/* A number of VMCOREINFO, in digits of @p base (10 or 16) and nothing else; of base 10 also
 * negative, as two's complement.
 *   @return false: no such line, or not such a number; @p ret is left as it was */
bool pnd_vmcore_info_number(const struct pnd_vmcore *vmcore, const char *key, unsigned base,
                            uint64_t *ret);

/* The bytes at a virtual address of the kernel that crashed.
 *   @return PND_OK; PND_E_NOTFOUND it is not in the dump; what the source returned */
int pnd_vmcore_read(struct pnd_vmcore *vmcore, uint64_t vaddr, void *buf, size_t len);

/* The last panic message of the log, without "Kernel panic - not syncing: "; of a kernel that
 * died of an oops and said no such thing, the line that began it. Printable ASCII, what is not is
 * '?'; NUL-terminated, cut to the size.
 *   @return PND_OK; PND_E_NOTFOUND no such message, or no log; PND_E_FORMAT the log contradicts
 *           itself; what the source returned */
int pnd_vmcore_reason(struct pnd_vmcore *vmcore, char ret[PND_VMCORE_REASON_CAP]);

/* Was it an NMI that ended the kernel (an NMI watchdog's hard lockup is one)? */
bool pnd_vmcore_reason_is_nmi(const char *reason);

#endif
