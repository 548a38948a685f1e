/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The rest of the hardware: the disk and its corefile partition, fw_cfg, power. */
#ifndef BOX_DEVICES_H
#define BOX_DEVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panicd/stage.h"

/* The Apple_KernelCoreDump partition of the first virtio disk that has one, found through its
 * GPT. @return NULL, and why in @p ret_why ("no disk", "no Apple_KernelCoreDump partition") */
const struct pnd_disk *box_corefile_partition(const char **ret_why);

/* A file of QEMU's fw_cfg, as text. @return false: there is none (and @p ret is empty) */
bool box_property(const char *name, char *ret, size_t cap);

/* With `box_exit=1` each of them ends QEMU through isa-debug-exit with its own status instead. */
enum box_exit {
    BOX_EXIT_REBOOT = 0x10,   /* 33 as QEMU's exit status */
    BOX_EXIT_POWEROFF = 0x11, /* 35 */
    BOX_EXIT_WAIT = 0x12,     /* 37: it waits for a debugger */
    BOX_EXIT_SPIN = 0x13,     /* 39 */
    BOX_EXIT_CONTINUE = 0x14, /* 41: it goes on after a trap */
};

void box_power_init(void);
void box_exit_enable(bool on);
/* Ends QEMU if box_exit_enable(true) was said and the device is there; returns otherwise. */
void box_exit(enum box_exit how);
__attribute__((noreturn)) void box_reboot(void);
__attribute__((noreturn)) void box_poweroff(void);
/* Has the power button been pressed since the last call? For DB_NMI_BTN_ENA. */
bool box_power_button(void);

#endif
