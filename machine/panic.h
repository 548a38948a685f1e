/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Ways into a panic, and the state that a panic uses. */
#ifndef BOX_PANIC_H
#define BOX_PANIC_H

#include <stdbool.h>
#include <stdint.h>

#include "panicd/panic.h"

struct box_frame;

__attribute__((noreturn, format(printf, 1, 2))) void box_panic(const char *format, ...);

#ifdef __FILE_NAME__
#define BOX_FILE __FILE_NAME__
#else
#define BOX_FILE __FILE__
#endif

#define box_assert(condition)                                                                      \
    ((condition) ? (void)0                                                                         \
                 : box_panic("assertion failed: %s @%s:%d", #condition, BOX_FILE, __LINE__))

/* The same, of a caller who asks for the panic log and a reboot, or for no local core.
 * @source PROTOCOL.md#kdp-2.8, steps 2 and 3 */
enum box_wish { BOX_NO_WISH, BOX_REBOOT_ONLY, BOX_SKIP_LOCAL };
__attribute__((noreturn)) void box_panic_with(enum box_wish wish, const char *message);

/* Enters the debugger's path, as Debugger() of Apple's kernel; may return. */
void box_debugger(const char *message);

/* Sends one dump, whatever debug= says, and goes on. */
void box_ask(enum pnd_asked asked);

/* DB_HALT: the same, for the machine that comes up. */
void box_halt_at_boot(void);

/* Before it a panic prints its log and stands still; from then on it does what the boot-args say.
 *   @param idle  where the machine goes on after a panic that was continued */
void box_panic_init(const struct pnd_platform *platform, uint32_t xnu, void (*idle)(void));

const struct pnd_bootargs *box_panic_args(void);

/* What box_trap() does with a trap that is to be handled here: everything. May resume it.
 *   @param fx  the 512 bytes of fxsave */
void box_panic_enter(const struct box_frame *frame, const void *fx);

/* "panicbox: dump stack: N of M bytes": what was used of the stack that dumps run on. */
void box_panic_print_stack(void);

/* A panic, an NMI or a debugger's call is being handled. */
bool box_panic_active(void);

#endif
