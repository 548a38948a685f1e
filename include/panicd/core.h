/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Core writers: the memory of a kernel and the registers of its panic, as a file that a debugger
 * opens. The file is written strictly in order, nothing in it is rewritten.
 * Stack: less than 1 KiB, besides what the sink and the memory's functions take. No static memory
 * but constants.
 * Time: the regions are walked three times, the pages are read once.
 * PROTOCOL.md#kdp-6.1, #kdp-6.2, #kdp-6.7 */
#ifndef PANICD_CORE_H
#define PANICD_CORE_H

#include <stddef.h>
#include <stdint.h>

#include "panicd/stage.h"

/* The order of Mach-O's x86_THREAD_STATE64. @source PROTOCOL.md#kdp-6.1 */
struct pnd_regs_x86_64 {
    uint64_t rax, rbx, rcx, rdx, rdi, rsi, rbp, rsp;
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t rip, rflags, cs, fs, gs;
};

enum pnd_core_format {
    PND_CORE_MACHO, /* lldb; what Apple's kernel sends */
    PND_CORE_ELF,   /* gdb, lldb, and whatever reads a vmcore */
};

struct pnd_core_config {
    enum pnd_core_format format;
    const struct pnd_memory *memory;
    struct pnd_regs_x86_64 regs;
    uint64_t image_address; /* run-time address of the kernel's image; UINT64_MAX: unspecified */
    uint8_t uuid[16];       /* of the image; zeros: unspecified */
    /* Called after every mebibyte and at the end: bytes of the file, of how many. NULL: none. */
    void (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *progress_ctx;
};

struct pnd_core_summary {
    uint32_t regions;
    uint64_t memory_bytes;     /* of pages */
    uint64_t unreadable_bytes; /* of them, written as `X` */
    uint64_t bytes;            /* of the file, before any codec */
};

/* Writes one core. The sink is not ended, and is never given an empty write.
 *   @param ret  what was written; filled also on error, as far as it came
 *   @return PND_OK; PND_E_ARG page_bytes or the format, or a region that is empty, not aligned, or
 *           beyond 2^64; PND_E_FORMAT the regions overlap, do not ascend, or changed while they
 *           were walked; PND_E_FULL more than 65533 regions (ELF), load commands beyond 2^32 bytes
 *           (Mach-O), or a file beyond 2^64; what the sink, or next, returned */
int pnd_core_write(const struct pnd_core_config *config, const struct pnd_sink *sink,
                   struct pnd_core_summary *ret);

#endif
