/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The initramfs of a crash kernel: one static program, the modules it loads, and what it is told.
 * The same parts always give the same bytes. Not compressed: the crash kernel then needs no
 * decompressor of its own, and what is small stays small.
 * @source Linux Documentation/driver-api/early-userspace/buffer-format.rst */
#ifndef PND_ARM_INITRAMFS_H
#define PND_ARM_INITRAMFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arm/modules.h"
#include "host/why.h"

enum {
    PND_INITRAMFS_BYTES_MAX = 16 << 20, /* with firmware; without it, a tenth of that is usual */
    PND_INITRAMFS_FILES_MAX = 32,
};

/* A file as it is on this machine, executable. */
struct pnd_initramfs_file {
    const char *name; /* in the initramfs, without the first slash: "bin/busybox" */
    const char *path; /* here */
    bool linked;      /* to libraries, or it is one: they are files of their own */
};

struct pnd_initramfs {
    const char *init;                  /* the path of panicdump-static */
    const char *options;               /* for PND_CAPTURE_OPTIONS_PATH, a line */
    const struct pnd_modules *modules; /* NULL: the kernel has all it needs */
    struct pnd_initramfs_file files[PND_INITRAMFS_FILES_MAX];
    size_t file_count;
};

/* Writes it to @p fd, from where that stands. /init goes without its symbols and sections.
 *   @return PND_OK; PND_E_FORMAT a program that is not a static one, a module that cannot be
 *           unpacked; PND_E_RANGE above PND_INITRAMFS_BYTES_MAX; PND_E_SYS */
int pnd_initramfs_write(const struct pnd_initramfs *initramfs, int fd, uint64_t *ret_bytes,
                        struct pnd_why *why);

/* The part of an ELF program that is loaded, in place: symbols and debug information, which lie
 * behind it, go.
 *   @return PND_OK; PND_E_FORMAT no ELF program, or one that wants an interpreter */
int pnd_initramfs_trim(void *program, size_t len, size_t *ret_len, struct pnd_why *why);

#endif
