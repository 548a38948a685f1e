/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Arming: all that is found out first, so that it can be shown; then what changes the machine, in
 * an order in which nothing is left half done. */
#ifndef PND_ARM_ARM_H
#define PND_ARM_ARM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arm/cmdline.h"
#include "arm/initramfs.h"
#include "arm/kernel.h"
#include "arm/local.h"
#include "arm/machine.h"
#include "arm/modules.h"
#include "arm/nmi.h"
#include "arm/program.h"
#include "arm/route.h"
#include "arm/state.h"
#include "capture/options.h"
#include "host/why.h"

/* What is asked for. The strings are the caller's, and stay as long as struct pnd_arm. */
struct pnd_arm_request {
    const char *root; /* "" for the real one */
    struct pnd_endpoint servers[PND_CAPTURE_SERVERS_MAX];
    size_t server_count;
    const char *interface; /* NULL: as the kernel would send */
    bool force;            /* also over a port that should not be taken */
    unsigned filter;
    bool makedumpfile; /* which then filters, instead of the crash kernel's own selection */
    enum pnd_after after;
    bool on_nmi;
    const char *also_local; /* a directory or device; NULL: none */
    const char *kernel;     /* the image; NULL: that of the running one, where it is */
    const char *append;     /* to the crash kernel's command line; NULL: nothing */
    const char *init;       /* the static panicdump; NULL: that beside this program */
    const struct pnd_kernel_calls *calls; /* see pnd_kernel_load(); NULL: the real ones */
};

struct pnd_arm {
    struct pnd_arm_request request;
    struct pnd_route routes[PND_CAPTURE_SERVERS_MAX]; /* one for each server */
    struct pnd_kernel kernel;
    struct pnd_modules modules; /* kmod NULL: this kernel has none, and wants none */
    struct pnd_capture_options options;
    char options_text[PND_CAPTURE_OPTIONS_CAP];
    struct pnd_local local; /* what also_local came to; word "": nothing */
    char cmdline[PND_CMDLINE_CAP];
    char init[PND_ROOTED_CAP];
    char shell[PND_ROOTED_CAP];      /* a static one, for PND_AFTER_SHELL; "": none */
    struct pnd_program makedumpfile; /* count 0: not taken along */
    int initramfs;                   /* to be read only; -1: none */
    uint64_t initramfs_bytes;
    struct pnd_machine machine;
    bool machine_ok;                    /* nothing of it FAILED */
    bool may_come;                      /* what failed was the network, or a disk: in a minute it
                                           may be there */
    char loader[PND_KERNEL_LOADER_CAP]; /* of pnd_arm_load(); "": not loaded */
    struct pnd_nmi nmi_before;
};

/* Finds everything out and makes the initramfs, in memory. Changes nothing on the machine. What
 * the machine lacks is no error: it stands in machine.
 *   @return PND_OK; what went wrong, with @p why; after both pnd_arm_deinit() */
int pnd_arm_prepare(struct pnd_arm *arm, const struct pnd_arm_request *request,
                    struct pnd_why *why);

/* Loads it, sets what an NMI does (or takes that back, when an earlier arming did), and writes down
 * that it is armed. The caller holds pnd_state_lock().
 *   @return PND_OK; PND_E_SYS, and the machine is as it was before, or, when the kernel had begun,
 *           without a crash kernel: then @p why says so */
int pnd_arm_load(struct pnd_arm *arm, struct pnd_why *why);

/* A copy of the initramfs, at @p path. @return PND_OK; PND_E_SYS */
int pnd_arm_save_initramfs(const struct pnd_arm *arm, const char *path, struct pnd_why *why);

void pnd_arm_deinit(struct pnd_arm *arm);

/* Takes the crash kernel out, the NMI settings back, and the record away.
 * The caller holds pnd_state_lock().
 *   @param force  also a crash kernel that is somebody else's
 *   @param calls  see pnd_kernel_unload(); NULL: the real ones
 *   @param ret    what was armed; release "" when this program had armed nothing
 *   @return PND_OK; PND_E_NOTFOUND nothing was loaded or written down; PND_E_BUSY what is loaded
 *           is somebody else's; PND_E_SYS */
int pnd_disarm(const char *root, bool force, const struct pnd_kernel_calls *calls,
               struct pnd_state *ret, struct pnd_why *why);

#endif
