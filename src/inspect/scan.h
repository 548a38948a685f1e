/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Texts that tell what a memory image is, found while its bytes go by: no symbols, no page tables.
 * A hit is a byte offset in the content. */
#ifndef PND_INSPECT_SCAN_H
#define PND_INSPECT_SCAN_H

#include <stddef.h>
#include <stdint.h>

enum pnd_scan_text {
    PND_SCAN_XNU_PANIC,     /* "panic(cpu " and a digit. @source PROTOCOL.md#kdp-9.1 */
    PND_SCAN_XNU_DEBUGGER,  /* "Debugger message: " */
    PND_SCAN_XNU_VERSION,   /* "Darwin Kernel Version " and a digit */
    PND_SCAN_LINUX_INFO,    /* "OSRELEASE=" at the start of VMCOREINFO */
    PND_SCAN_LINUX_VERSION, /* "Linux version " and a digit */
    PND_SCAN_LINUX_PANIC,   /* "Kernel panic - not syncing: " */
    PND_SCAN_BSD_PANIC,     /* "panic: " behind a newline or NUL, FreeBSD's message buffer */
    PND_SCAN_BSD_VERSION,   /* "FreeBSD " and a digit, and "-" among the next 8 bytes */
    PND_SCAN_PANICBOX,      /* "panicbox " and a digit */
    PND_SCAN_COUNT,
};

enum { PND_SCAN_HITS = 32 }; /* of each: the first half is the first, the rest the last found */

struct pnd_scan {
    unsigned count[PND_SCAN_COUNT];             /* entries of at; at most PND_SCAN_HITS */
    uint64_t at[PND_SCAN_COUNT][PND_SCAN_HITS]; /* ascending */
};

#endif
