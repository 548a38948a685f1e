/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Traps: descriptors, stacks, and the registers as trap.S saves them. */
#ifndef BOX_TRAP_H
#define BOX_TRAP_H

#include <stdint.h>

enum {
    BOX_TRAP_NMI = 2,
    BOX_TRAP_BREAKPOINT = 3,
    BOX_TRAP_DOUBLE_FAULT = 8,
    BOX_TRAP_GENERAL_PROTECTION = 13,
    BOX_TRAP_PAGE_FAULT = 14,
    BOX_TRAPS = 32,
};

/* On the stack, from its lowest address. trap.S knows the order. */
struct box_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rsi, rdi, rdx, rcx, rbx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
};

/* All of an interrupted context. box_resume() knows the order. */
struct box_saved {
    _Alignas(16) uint8_t fx[512];
    struct box_frame frame;
};

void box_trap_init(void);

/* "page fault" */
const char *box_trap_name(uint64_t vector);

/* Called by trap.S. Returns to what was interrupted. */
void box_trap(const struct box_frame *frame, const void *fx);

__attribute__((noreturn)) void box_resume(const struct box_saved *saved);

/* Leaves the stack it is called on for good. @param run  does not return */
__attribute__((noreturn)) void box_run_on(void *stack_top, void (*run)(void *arg), void *arg);

#endif
