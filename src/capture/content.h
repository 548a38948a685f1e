/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The bytes of a dump in the order in which they are sent: headers, VMCOREINFO, the kernel's log,
 * then the rest, so that the receiver knows in the first second why the kernel died. */
#ifndef PND_CAPTURE_CONTENT_H
#define PND_CAPTURE_CONTENT_H

#include "panicd/stage.h"

#include "capture/vmcore_file.h"

/* A stream that can be written as often as it takes; each time it is the same.
 *   bytes  of the stream; 0: not known before its end
 *   write  all of it to @p sink, whose end is not called.
 *          @return PND_OK; what the sink returned; PND_E_ABORTED; PND_E_SOURCE */
struct pnd_content {
    void *ctx;
    uint64_t bytes;
    int (*write)(void *ctx, const struct pnd_sink *sink);
};

/* An ELF core of everything: the segments of /proc/vmcore, but no byte twice, the log's pages
 * first, and everything page-aligned. All memory is static, some 600 KiB: one dump at a time.
 *   @return PND_OK, and @p ret reads from @p file as long as it is used; PND_E_FORMAT,
 *           PND_E_RANGE: the same, but it gives the file as it stands, because of its segments */
int pnd_content_elf(struct pnd_vmcore_file *file, struct pnd_content *ret);

/* A kdump-compressed file (makedumpfile's format, pages plain: the stream is compressed as a
 * whole) of what makedumpfile -d @p level would keep, 1 to 31. Memory:
 * pnd_content_filtered_bytes(), taken by mmap until the next call, when that much is free; the rest
 * is static: one dump at a time. At odd levels this call reads every page that is kept.
 *   @return PND_OK; PND_E_NOTFOUND the VMCOREINFO lacks what is needed, named in @p why;
 *           PND_E_FORMAT what it says contradicts itself; PND_E_RANGE more than can be told;
 *           PND_E_FULL less memory is free than is needed; PND_E_ARG another level, or a file that
 *           is not understood; as pnd_vmcore_file_read(). Then, but for PND_E_ABORTED, everything
 *           should be sent. */
int pnd_content_filtered(struct pnd_vmcore_file *file, unsigned level, struct pnd_content *ret,
                         struct pnd_why *why);

/* The memory that it takes for a machine of @p machine bytes: one bit for each page of 4 KiB, and
 * at odd levels one more. 64 GiB: 2 and 4 MiB; 1 TiB: 32 and 64 MiB. Level 0: nothing. */
uint64_t pnd_content_filtered_bytes(uint64_t machine, unsigned level);

/* What `makedumpfile -F -c -d LEVEL` writes, when the program @p path ("makedumpfile": wherever it
 * usually is) is in this system: flattened. /proc must be mounted.
 *   @param why  in use as long as @p ret: why a write of it failed, with the program's last line
 *   @return PND_OK; PND_E_NOTFOUND it is not there; PND_E_ARG no such level */
int pnd_content_makedumpfile(struct pnd_vmcore_file *file, const char *path, unsigned level,
                             struct pnd_content *ret, struct pnd_why *why);

#endif
