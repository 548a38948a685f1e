/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Can this machine run a crash kernel? What is missing, and what to type. Every path is below a
 * root, so that tests can build a machine out of files. */
#ifndef PND_ARM_MACHINE_H
#define PND_ARM_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/why.h"

enum { PND_MACHINE_CHECKS_MAX = 16, PND_MACHINE_TEXT_CAP = 512 };

enum pnd_machine_result { PND_MACHINE_OK, PND_MACHINE_WARNING, PND_MACHINE_FAILED };

struct pnd_machine_check {
    const char *name; /* "reservation", "lockdown", "kernel config", ... */
    enum pnd_machine_result result;
    char text[PND_MACHINE_TEXT_CAP]; /* what is so: whole sentences, safe to print */
    char fix[PND_MACHINE_TEXT_CAP];  /* what to type, a line or more; "": nothing */
};

struct pnd_machine {
    const char *root;        /* "" for the real one */
    uint64_t reserved_bytes; /* of the crash kernel; 0: none */
    uint64_t needed_bytes;   /* see pnd_machine_needed(); 0: not known */
    struct pnd_machine_check checks[PND_MACHINE_CHECKS_MAX];
    size_t count;
};

/* Looks at: crashkernel= and what is reserved of it, the kernel's configuration, secure boot and
 * lockdown (with what that means for kexec_file_load), kexec_load_disabled, whether another crash
 * kernel (kdump-tools, kdump) is set up, what an oops and an NMI do.
 *   @param machine  root is the caller's; the rest is written
 *   @param release  of the kernel that will be the crash kernel
 *   @param needed   bytes that must be reserved: pnd_machine_needed(). 0: not known yet, then
 *                   the image of @p release and an initramfs of PND_MACHINE_INITRAMFS_BYTES count
 *   @return PND_OK nothing FAILED; PND_E_NOTFOUND something did */
int pnd_machine_check(struct pnd_machine *machine, const char *release, uint64_t needed);

/* What else is set up to load a crash kernel at each boot: "kdump-tools", "kdump"; NULL: nothing.
 */
const char *pnd_machine_other(const char *root);

enum { PND_MACHINE_INITRAMFS_BYTES = 3 << 20 };

/* What a crash kernel has to hold. */
struct pnd_machine_load {
    uint64_t image_bytes;     /* memory that it takes while it starts: pnd_machine_image_memory() */
    uint64_t initramfs_bytes; /* unpacked */
    uint64_t dump_bytes;      /* memory of the dump itself: pnd_content_filtered_bytes() */
    const char *driver;       /* of the network port; NULL: not known yet */
};

/* What must be reserved, in bytes, a multiple of 1 MiB. The rule and what it was measured on stand
 * in machine_needed.c. */
uint64_t pnd_machine_needed(const struct pnd_machine_load *load);

/* How much memory the kernel in the file @p path takes until its init runs, as its header says;
 * for images without such a header, a guess from the file's size.
 *   @source the boot protocols in the kernel's documentation: init_size of x86 (2.10 and later),
 *           image_size of arm64 and riscv
 *   @return PND_OK; PND_E_SYS; PND_E_FORMAT smaller than any header */
int pnd_machine_image_memory(const char *path, uint64_t *ret, struct pnd_why *why);

#endif
