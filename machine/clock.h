/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Time, from the TSC, measured against the PIT at boot. Works with interrupts off. */
#ifndef BOX_CLOCK_H
#define BOX_CLOCK_H

#include <stdint.h>

void box_clock_init(void);
uint64_t box_ticks(void);
uint64_t box_now_us(void); /* since box_clock_init() */
void box_wait_us(uint64_t us);

/* Halts for up to 10 ms, with only the timer's interrupt on: an idle machine takes nobody's
 * processor. In a panic only while it waits for a debugger. box_trap_init() comes before it. */
void box_doze(void);

#endif
