/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is armed: written when it was, read by status, test and disarm. It lies in /run, and is
 * gone with the kernel that it is about. */
#ifndef PND_ARM_STATE_H
#define PND_ARM_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "arm/kernel.h"
#include "arm/nmi.h"
#include "arm/route.h"
#include "capture/options.h"

#define PND_STATE_PATH "/run/panicd/armed.json"

enum {
    PND_STATE_BYTES_MAX = 64 * 1024,
    PND_STATE_WAIT_MS = 30000, /* for pnd_state_lock(), where a person waits, or a boot */
};

struct pnd_state {
    char release[PND_KERNEL_RELEASE_CAP];
    char kernel[PND_ROOTED_CAP]; /* the image */
    char loader[PND_KERNEL_LOADER_CAP];
    int64_t since_ms;                      /* since 1970 */
    char options[PND_CAPTURE_OPTIONS_CAP]; /* as pnd_capture_options_parse() reads them */
    char interface[IFNAMSIZ], port[IFNAMSIZ], driver[PND_ROUTE_DRIVER_CAP]; /* of the way */
    uint64_t kernel_bytes, initramfs_bytes, reserved_bytes, needed_bytes;
    uint32_t module_count;
    bool on_nmi;
    struct pnd_nmi nmi_before; /* as it was before; with on_nmi */
    bool unfinished; /* it was being loaded when this was written; when it still stands there,
                        whoever did it was killed, and what is loaded is not known */
};

/* Nobody else arms or disarms until @p ret is closed, or this process ends.
 *   @param wait_ms  how long somebody else is waited for
 *   @return PND_OK; PND_E_BUSY somebody else is at work; PND_E_SYS */
int pnd_state_lock(const char *root, unsigned wait_ms, int *ret, struct pnd_why *why);

/* @return PND_OK; PND_E_SYS */
int pnd_state_write(const char *root, const struct pnd_state *state, struct pnd_why *why);

/* @return PND_OK; PND_E_NOTFOUND nothing is armed, as far as this program knows: also when the file
 *         was written before the machine started, which a /run on a disk keeps; PND_E_FORMAT the
 *         file is none of these; PND_E_SYS */
int pnd_state_read(const char *root, struct pnd_state *ret, struct pnd_why *why);

/* @return PND_OK, also when there was none; PND_E_SYS */
int pnd_state_remove(const char *root, struct pnd_why *why);

#endif
