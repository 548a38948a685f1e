/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One line of a panic log, by its form alone. Shared by the parts of the reader of panic logs;
 * others include panic_log.h. Freestanding. Each sets what its kind of event has, on success only.
 */
#ifndef PND_IMAGE_PANIC_LINE_H
#define PND_IMAGE_PANIC_LINE_H

#include "image/panic_log.h"

/* "panic(cpu 0 caller 0x..): "; what follows stays in @p line */
bool pnd_panic_line_string(struct pnd_str *line, struct pnd_panic_event *ret);

/* "name: 0x..", one of a line of such. @return false: no more, or it is no such line */
bool pnd_panic_line_register(struct pnd_str *line, struct pnd_panic_event *ret);

/* In the first line of a panic string: "Kernel trap at 0x.., type 14=page fault, registers:";
 * "... at pc 0x.., lr 0x.. (saved state: 0x..)" */
bool pnd_panic_line_trap(struct pnd_str line, struct pnd_panic_event *ret);

/* "Backtrace (CPU 0), ..." and the like, "Panicked thread: ..." */
bool pnd_panic_line_backtrace(struct pnd_str line, struct pnd_panic_event *ret);
bool pnd_panic_line_backtrace_end(struct pnd_str line, struct pnd_panic_event *ret);

/* "0xffffff.. : 0xffffff.. mach_kernel : _panic + 0x1f"; "lr: 0x..  fp: 0x.." */
bool pnd_panic_line_frame(struct pnd_str line, struct pnd_panic_event *ret);

/* "com.example.kext(1.0)[UUID]@0x..->0x..", maybe behind "dependency: " */
bool pnd_panic_line_kext(struct pnd_str line, struct pnd_panic_event *ret);

/* "last started kext at 1: name version (addr 0x.., size 1)" */
bool pnd_panic_line_last_kext(struct pnd_str line, struct pnd_panic_event *ret);

/* "name<tab>version", below "loaded kexts:" */
bool pnd_panic_line_loaded(struct pnd_str line, struct pnd_panic_event *ret);

/* "Panicked task 0x..: 2 threads: pid 0: kernel_task" */
bool pnd_panic_line_task(struct pnd_str line, struct pnd_panic_event *ret);

/* "CORE 0: PC=0x.., LR=0x.., FP=0x..", "CORE 0 is the one that panicked." */
bool pnd_panic_line_core(struct pnd_str line, struct pnd_panic_event *ret);

#endif
