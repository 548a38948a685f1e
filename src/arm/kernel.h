/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The crash kernel: which image it is, what is loaded now, and how it is loaded. */
#ifndef PND_ARM_KERNEL_H
#define PND_ARM_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arm/rooted.h"
#include "host/why.h"

enum { PND_KERNEL_RELEASE_CAP = 65, PND_KERNEL_LOADER_CAP = 32 };

struct pnd_kernel {
    char path[PND_ROOTED_CAP];
    char release[PND_KERNEL_RELEASE_CAP];
    uint64_t bytes; /* of the file */
};

/* The image of the kernel called @p release below @p root, as distributions lay it out: Debian and
 * Fedora, the Boot Loader Specification, Arch, or none of them. One that says that it is of
 * another release is passed by.
 *   @return PND_OK; PND_E_NOTFOUND, and @p why says where it was looked for */
int pnd_kernel_find(const char *root, const char *release, struct pnd_kernel *ret,
                    struct pnd_why *why);

/* The image at @p path, which somebody named. @return PND_OK; PND_E_SYS; PND_E_TYPE it says that
 * it is of another release, or is a unified image; PND_E_FORMAT it is not all there */
int pnd_kernel_take(const char *path, const char *release, struct pnd_kernel *ret,
                    struct pnd_why *why);

/* The release that the first bytes of an image name; "": of a form that does not.
 * @source Linux Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header" */
void pnd_kernel_image_release(const uint8_t *head, size_t len, char ret[PND_KERNEL_RELEASE_CAP]);

/* What does the work; tests have their own.
 *   file_load  kexec_file_load(2). @return 0; -1 with errno
 *   kexec      runs the program. @return its exit status; -1 it is not there. What it said last
 *              is in @p said
 *   unload     whatever is loaded. @return 0; -1 with errno */
struct pnd_kernel_calls {
    long (*file_load)(int kernel, int initramfs, const char *cmdline, unsigned long flags);
    int (*kexec)(const char *const argv[], char *said, size_t said_cap);
    long (*unload)(void);
};

/* Loads the kernel for the case of a panic, in place of what is loaded. Where the kernel does not
 * want to read files itself, the kexec of kexec-tools does it.
 *   @param initramfs   a regular file that nobody has open for writing
 *   @param calls       NULL: the real ones
 *   @param ret_loader  "kexec_file_load" or "kexec-tools"
 *   @return PND_OK; PND_E_SYS, and @p why says what is wrong and what to do */
int pnd_kernel_load(const struct pnd_kernel *kernel, int initramfs, const char *cmdline,
                    const struct pnd_kernel_calls *calls, char ret_loader[PND_KERNEL_LOADER_CAP],
                    struct pnd_why *why);

/* What an errno of kexec_file_load means, and what to do. Never NULL. */
const char *pnd_kernel_load_text(int errnum);

/* Takes out whatever is loaded.
 *   @param calls  NULL: the real ones
 *   @return PND_OK, also when nothing was; PND_E_SYS */
int pnd_kernel_unload(const struct pnd_kernel_calls *calls, struct pnd_why *why);

/* Is a crash kernel loaded, whoever did it? */
bool pnd_kernel_loaded(const char *root);

/* What crashkernel= has reserved, in bytes; 0: nothing, or this kernel cannot. */
uint64_t pnd_kernel_reserved(const char *root);

#endif
