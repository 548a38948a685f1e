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
    char text[PND_MACHINE_TEXT_CAP]; /* what is so */
    char fix[PND_MACHINE_TEXT_CAP];  /* what to type, a line or more; "": nothing */
};

struct pnd_machine {
    const char *root;        /* "" for the real one */
    uint64_t reserved_bytes; /* of the crash kernel; 0: none */
    uint64_t needed_bytes;   /* see pnd_machine_needed() */
    struct pnd_machine_check checks[PND_MACHINE_CHECKS_MAX];
    size_t count;
};

/* Looks at: crashkernel= and what is reserved of it, the kernel's configuration, secure boot and
 * lockdown (with what that means for kexec_file_load), kexec_load_disabled, whether another crash
 * kernel (kdump-tools, kdump) is set up, what an NMI does.
 *   @param release     of the kernel that will be the crash kernel
 *   @param payload     bytes of its image and of the initramfs, unpacked; 0: not known yet
 *   @return PND_OK nothing FAILED; PND_E_NOTFOUND something did */
int pnd_machine_check(struct pnd_machine *machine, const char *release, uint64_t payload);

/* What must be reserved, from what was measured for this kernel, driver and initramfs. In bytes, a
 * multiple of 1 MiB. */
uint64_t pnd_machine_needed(uint64_t image_bytes, uint64_t initramfs_bytes, const char *driver);

#endif
