/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The kernel modules that a crash kernel needs, with what they need, in the order in which they
 * are loaded; by libkmod. */
#ifndef PND_ARM_MODULES_H
#define PND_ARM_MODULES_H

#include <stddef.h>
#include <stdint.h>

#include "host/why.h"

enum { PND_MODULES_MAX = 128, PND_MODULE_BYTES_MAX = 64 << 20 };

struct pnd_module {
    char *name;    /* "virtio_net" */
    char *path;    /* of the file, perhaps compressed (.xz, .zst, .gz) */
    char *options; /* of modprobe.d; "" */
};

struct pnd_modules {
    struct kmod_ctx *kmod;
    struct pnd_module list[PND_MODULES_MAX];
    size_t count;
};

/* @param directory  /lib/modules/RELEASE
 *   @return PND_OK; PND_E_NOTFOUND no modules.dep there; PND_E_SYS */
int pnd_modules_open(struct pnd_modules *modules, const char *directory, struct pnd_why *why);
void pnd_modules_close(struct pnd_modules *modules);

/* By name or alias; one that is built in is fine, and adds nothing. Hard dependencies, and soft
 * ones that exist, come before it.
 *   @return PND_OK; PND_E_NOTFOUND; PND_E_FULL; PND_E_SYS */
int pnd_modules_add(struct pnd_modules *modules, const char *name, struct pnd_why *why);

/* What the device at @p sysfs (/sys/class/net/eth0/device) is driven by, and each device that it
 * hangs on, by the modules that are loaded for them now, else by their modalias. */
int pnd_modules_add_device(struct pnd_modules *modules, const char *sysfs, struct pnd_why *why);

/* The module's file, unpacked. *ret is malloc'ed.
 *   @return PND_OK; PND_E_SYS; PND_E_FORMAT it cannot be unpacked; PND_E_RANGE */
int pnd_module_read(const struct pnd_module *module, void **ret, size_t *ret_len,
                    struct pnd_why *why);

#endif
