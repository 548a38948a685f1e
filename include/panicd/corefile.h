/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The disk corefile: the panic log and up to 64 files in a partition of type Apple_KernelCoreDump,
 * written at panic time and copied out after the restart. Version 2 of Apple's format ("Boss Mac").
 *
 *     pnd_corefile_open(&corefile, &disk, log_len);      what the place held before is forgotten
 *     pnd_corefile_begin(&corefile, "kernel", PND_COREFILE_LZ4);
 *     pnd_corefile_sink(&corefile, &sink);               ... written, and ended, by a core writer
 *     pnd_corefile_log(&corefile, log, log_len, other, other_len);
 *
 * The header is rewritten after each file is whole. A power cut, at any sector of any write and
 * in whatever order the disk's cache let go of its sectors, leaves a header that is valid and
 * names the files that were whole before it - never another.
 * After pnd_corefile_open, each function may also be called by a panic that happened within one
 * of them, on the same struct: what was under way is forgotten.
 * Memory: struct pnd_corefile, 9 KiB; the disk is written in pieces of at most 4 KiB, which lie in
 * it anywhere: a driver that needs physical addresses asks for both pages. Stack: 512 bytes,
 * besides the disk's own.
 * PROTOCOL.md#kdp-7.1, #kdp-7.2 */
#ifndef PANICD_COREFILE_H
#define PANICD_COREFILE_H

#include <stddef.h>
#include <stdint.h>

#include "panicd/stage.h"

enum {
    PND_COREFILE_FILES_CAP = 64,
    PND_COREFILE_NAME_CAP = 16,         /* with its NUL; longer names are cut */
    PND_COREFILE_OTHER_LOG_CAP = 16384, /* messages of the dump itself, behind the panic log */
    PND_COREFILE_BYTES_MIN = 65536,     /* a smaller place is refused */
    PND_COREFILE_BYTES = 9216,
};

/* How a file is stored. @source PROTOCOL.md#kdp-7.1 */
enum pnd_corefile_packing {
    PND_COREFILE_RAW = 0,
    PND_COREFILE_GZIP = 1 << 8,
    PND_COREFILE_LZ4 = 1 << 9, /* the framing of PROTOCOL.md#kdp-7.3 */
};

struct pnd_corefile {
    uint64_t opaque[PND_COREFILE_BYTES / 8];
};

/* Writes a header without files, and makes it durable.
 *   @param disk     copied
 *   @param log_len  the panic log's length so far: its place is kept free, and 16 KiB behind it
 *   @return PND_OK; PND_E_ARG the disk's sector size, or a log too long for the place;
 *           PND_E_NOSPACE the disk has less than PND_COREFILE_BYTES_MIN; what the disk returned.
 *           After an error the other calls do nothing and return PND_E_ARG */
int pnd_corefile_open(struct pnd_corefile *corefile, const struct pnd_disk *disk, uint64_t log_len);

/* Begins the next file, on a boundary of 4096. A file that was begun and not ended is forgotten.
 * After an error of the disk the next file may be tried all the same.
 *   @param name  bytes that are not printable ASCII, a `/`, and a `.` in front become `_`
 *   @return PND_OK; PND_E_FULL 64 files; PND_E_NOSPACE; PND_E_NAME it is empty */
int pnd_corefile_begin(struct pnd_corefile *corefile, const char *name,
                       enum pnd_corefile_packing packing);

/* The way into the file that was begun; valid until its end. write returns PND_E_NOSPACE when the
 * place is full: the file is then lost, those before it are not. end makes the file durable, and
 * then the header that names it; when only that last step fails, the file is kept, and named by
 * the next header that can be written. Both return PND_E_ARG when no file is begun. */
void pnd_corefile_sink(struct pnd_corefile *corefile, struct pnd_sink *ret);

/* Writes the log: the panic log, cut to log_len, and right behind it the dump's own messages, cut
 * to 16 KiB. A file that was begun and not ended is forgotten. The header is rewritten. It may be
 * called again with other texts: the header first gives the older one up, so that no cut leaves a
 * mixture of the two.
 *   @param log    @p log_len bytes; NULL when there are none. So with @p other
 *   @return PND_OK; what the disk returned: there is no log, or the next header names it */
int pnd_corefile_log(struct pnd_corefile *corefile, const void *log, size_t log_len,
                     const void *other, size_t other_len);

/* Bytes from the start of the place to the end of what it holds, a multiple of 4096, and the
 * number of files that are whole. */
uint64_t pnd_corefile_used(const struct pnd_corefile *corefile, uint32_t *ret_files);

/* Bytes that still fit into the file that was begun; 0: none is. */
uint64_t pnd_corefile_room(const struct pnd_corefile *corefile);

#endif
