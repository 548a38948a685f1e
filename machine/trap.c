/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Segments, the task state and the interrupt table. Interrupts are off but in box_doze(). An NMI
 * and a double fault have stacks of their own; any other trap is taken on the stack where it
 * happens, so that a stack that has run out becomes a double fault. */
#include "trap.h"

#include <stddef.h>

#include "panic.h"

enum {
    CODE = 0x08,
    DATA = 0x10,
    TASK = 0x18,
    IST_NMI = 1,
    IST_FAULT = 2,
    VECTOR_BYTES = 16,
    TIMER = 0x20, /* as quiet_pics() in clock.c has set it */
    IRQS = 16,
    INTERRUPT_GATE = 0x8e,
    MSR_FS_BASE = 0xc0000100,
};

struct gate {
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_middle;
    uint32_t offset_high, zero;
};

struct table_register {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

struct task {
    uint32_t zero;
    uint64_t rsp[3], zero2, ist[7], zero3;
    uint16_t zero4, io_map;
} __attribute__((packed));

_Static_assert(sizeof(struct gate) == 16, "a gate");
_Static_assert(sizeof(struct task) == 104, "a task state");

extern const char box_vectors[], box_timer_vector[], box_spurious_vector[];
extern const char box_nmi_stack_top[], box_fault_stack_top[];

static struct task task;
static struct gate gates[BOX_TRAPS + IRQS];
static uint64_t segments[5] = {
    [CODE / 8] = 0x00af9b000000ffff, /* accessed, so that the CPU need not write that */
    [DATA / 8] = 0x00cf93000000ffff,
};

/* %fs:0x28 is where a function compiled with a stack protector looks: those of libz.a. */
static const uint64_t thread_area[16] = {[5] = 0x1f00d5afe0ddba11};

static void set_gate(unsigned vector, const char *handler, uint8_t ist)
{
    uint64_t offset = (uint64_t)(uintptr_t)handler;

    gates[vector] = (struct gate){
        .offset_low = (uint16_t)offset,
        .selector = CODE,
        .ist = ist,
        .type = INTERRUPT_GATE,
        .offset_middle = (uint16_t)(offset >> 16),
        .offset_high = (uint32_t)(offset >> 32),
    };
}

static void set_task(void)
{
    uint64_t base = (uint64_t)(uintptr_t)&task;

    task.ist[IST_NMI - 1] = (uint64_t)(uintptr_t)box_nmi_stack_top;
    task.ist[IST_FAULT - 1] = (uint64_t)(uintptr_t)box_fault_stack_top;
    task.io_map = sizeof(task);
    segments[TASK / 8] = (sizeof(task) - 1) | (base & 0xffffff) << 16 | UINT64_C(0x89) << 40 |
                         (base >> 24 & 0xff) << 56;
    segments[TASK / 8 + 1] = base >> 32;
}

void box_trap_init(void)
{
    struct table_register gdt = {sizeof(segments) - 1, (uint64_t)(uintptr_t)segments};
    struct table_register idt = {sizeof(gates) - 1, (uint64_t)(uintptr_t)gates};
    uint64_t fs = (uint64_t)(uintptr_t)thread_area;

    set_task();
    for (unsigned i = 0; i < BOX_TRAPS; i++)
        set_gate(i, box_vectors + (size_t)i * VECTOR_BYTES,
                 i == BOX_TRAP_NMI            ? IST_NMI
                 : i == BOX_TRAP_DOUBLE_FAULT ? IST_FAULT
                                              : 0);
    for (unsigned i = 0; i < IRQS; i++)
        set_gate(BOX_TRAPS + i, i == 0 ? box_timer_vector : box_spurious_vector, 0);
    __asm__ volatile("lgdt %0" : : "m"(gdt));
    __asm__ volatile("lidt %0" : : "m"(idt));
    __asm__ volatile("ltr %w0" : : "r"(TASK));
    __asm__ volatile("wrmsr" : : "c"(MSR_FS_BASE), "a"((uint32_t)fs), "d"((uint32_t)(fs >> 32)));
}

const char *box_trap_name(uint64_t vector)
{
    static const char *const names[BOX_TRAPS] = {
        "divide error",
        "debug trap",
        "NMI",
        "int3 trap",
        "INTO detected overflow",
        "bounds check violation",
        "undefined/privileged instruction",
        "device not available",
        "double fault",
        "coprocessor segment overrun",
        "invalid TSS",
        "segment not present",
        "stack fault",
        "general protection",
        "page fault",
        "reserved",
        "floating point error",
        "alignment check",
        "machine check",
        "SIMD floating point error",
    };

    return vector < BOX_TRAPS && names[vector] ? names[vector] : "reserved";
}

void box_trap(const struct box_frame *frame, const void *fx)
{
    if (frame->vector == BOX_TRAP_NMI && box_panic_active())
        return; /* the dump goes on */
    box_panic_enter(frame, fx);
}
