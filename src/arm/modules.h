/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The kernel modules that a crash kernel needs, with what they need, in the order in which they
 * are loaded; by libkmod. */
#ifndef PND_ARM_MODULES_H
#define PND_ARM_MODULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/why.h"

enum {
    PND_MODULES_MAX = 128,
    PND_MODULES_DEPTH_MAX = 32, /* of modules that need modules */
    PND_MODULES_FIRMWARE_MAX = 32,
    PND_MODULE_BYTES_MAX = 64 << 20,
};

struct pnd_module {
    char *name;    /* "virtio_net" */
    char *path;    /* of the file, perhaps compressed (.xz, .zst, .gz) */
    char *options; /* of modprobe.d and of the command line; "" */
};

/* A file that a module may ask for when it starts, and that this machine has. */
struct pnd_firmware {
    char *name; /* below /lib/firmware of the crash kernel: "rtl_nic/rtl8168g-2.fw" */
    char *path; /* here, perhaps compressed */
};

struct pnd_modules {
    struct kmod_ctx *kmod;
    const char *root, *release;
    struct pnd_module list[PND_MODULES_MAX];
    size_t count;
    struct pnd_firmware firmware[PND_MODULES_FIRMWARE_MAX]; /* of what is in the list */
    size_t firmware_count;
    const char *under_way[PND_MODULES_DEPTH_MAX]; /* whose needs are being added */
    size_t depth;
};

/* What is in /lib/modules/RELEASE and modprobe.d below @p root ("" for the real one). Both strings
 * are used until it is closed.
 *   @return PND_OK; PND_E_NOTFOUND no modules.dep.bin there; PND_E_SYS; after every return
 *           pnd_modules_close() may be called */
int pnd_modules_open(struct pnd_modules *modules, const char *root, const char *release,
                     struct pnd_why *why);
void pnd_modules_close(struct pnd_modules *modules);

/* By name or alias; one that is built in is fine, and adds nothing. Hard dependencies, and soft
 * ones that exist, come before it, or behind it when they are meant to. What an alias leads to is
 * left out when it is blacklisted.
 *   @return PND_OK; PND_E_NOTFOUND; PND_E_FULL; PND_E_SYS */
int pnd_modules_add(struct pnd_modules *modules, const char *name, struct pnd_why *why);

/* What the device at @p sysfs (/sys/class/net/eth0/device, below the root) is driven by, and each
 * device that it hangs on, by the modules that are loaded for them now; the device itself, when
 * nothing drives it, by its modalias.
 *   @return as pnd_modules_add(); PND_E_NOTFOUND also when there is no such device */
int pnd_modules_add_device(struct pnd_modules *modules, const char *sysfs, struct pnd_why *why);

/* Does a module drive the device or one that it hangs on? false: the kernel's own code does. */
bool pnd_modules_wanted(const char *root, const char *sysfs);

/* The file of a module, or of firmware, unpacked. *ret is malloc'ed.
 *   @return PND_OK; PND_E_SYS; PND_E_FORMAT it cannot be unpacked; PND_E_RANGE above
 *           PND_MODULE_BYTES_MAX */
int pnd_module_read(const char *path, void **ret, size_t *ret_len, struct pnd_why *why);

#endif
