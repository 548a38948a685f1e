/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a trap leads to. The order is that of a real kernel:
 *   1. the interrupted registers go to work memory, and the machine moves to the dump stack, so
 *      that the memory it was in stands still (run_first, run_nested)
 *   2. the panic log is written, and is final
 *   3. pnd_panic_run() dumps, and decides
 *   4. the machine goes on, restarts, or stands still
 * A panic within this comes the same way, on a stack of its own, and never returns. */
#include "panic.h"

#include <stdarg.h>
#include <string.h>

#include "client/format.h"
#include "console.h"
#include "devices.h"
#include "io.h"
#include "memory.h"
#include "panic_log.h"
#include "trap.h"

enum {
    MESSAGE_CAP = 512,
    NESTED_LOG_CAP = 8192,
    DEPTH_MAX = 8, /* panics within panics of the log itself, before pnd_panic_run() counts them */
    PAINT = 0xa5,
    PVPANIC_PANICKED = 1,
    CODE_SELECTOR = 0x08,
    DATA_SELECTOR = 0x10,
    RFLAGS_NONE = 0x2,
};

extern char box_main_stack_top[], box_dump_stack[], box_dump_stack_top[], box_nested_stack[],
    box_nested_stack_top[];

static BOX_WORK struct {
    struct pnd_panic panic;
    bool ready;
    unsigned depth;
    void (*idle)(void);
    /* Two, in turn: the one that box_resume() reads is not overwritten by the next NMI. */
    struct box_saved saved[2];
    unsigned turn;
    struct box_saved nested;
    struct box_death death, nested_death;
    struct pnd_event event;
    char nested_log[NESTED_LOG_CAP];
    /* What an int3 of our own means. */
    bool called;
    enum pnd_trigger trigger;
    enum pnd_asked asked;
    enum box_wish wish;
    uint64_t caller;
    char message[MESSAGE_CAP];
} state;

bool box_panic_active(void)
{
    return state.depth > 0;
}

const struct pnd_bootargs *box_panic_args(void)
{
    return pnd_panic_args(&state.panic);
}

__attribute__((noreturn)) static void stand_still(void)
{
    box_printf("panicbox: standing still\n");
    box_exit(BOX_EXIT_SPIN);
    for (;;)
        __asm__ volatile("cli; hlt" : : : "memory");
}

static size_t used(const char *bottom, const char *top)
{
    while (bottom < top && *(const uint8_t *)bottom == PAINT)
        bottom++;
    return (size_t)(top - bottom);
}

void box_panic_print_stack(void)
{
    size_t first = used(box_dump_stack, box_dump_stack_top);
    size_t nested = used(box_nested_stack, box_nested_stack_top);

    box_printf("panicbox: dump stack: %zu of %zu bytes\n", first > nested ? first : nested,
               (size_t)(box_dump_stack_top - box_dump_stack));
}

/* A fault cannot be returned to, and panic() does not return: the machine begins its idle loop
 * anew. By iretq, as NMIs may be off until one. */
__attribute__((noreturn)) static void begin_anew(void)
{
    struct box_saved *saved = &state.saved[state.turn++ % 2];

    memset(&saved->frame, 0, sizeof(saved->frame));
    __asm__ volatile("fxsave64 %0" : "=m"(saved->fx));
    saved->frame.rip = (uint64_t)(uintptr_t)state.idle;
    saved->frame.cs = CODE_SELECTOR;
    saved->frame.ss = DATA_SELECTOR;
    saved->frame.rflags = RFLAGS_NONE;
    saved->frame.rsp = (uint64_t)(uintptr_t)box_main_stack_top - sizeof(uint64_t);
    state.depth = 0;
    box_resume(saved);
}

__attribute__((noreturn)) static void finish(enum pnd_panic_end end, const struct box_death *death)
{
    const struct box_saved *saved = &state.saved[(state.turn - 1) % 2];

    box_panic_print_stack();
    switch (end) {
    case PND_PANIC_REBOOT:
        box_printf("panicbox: restarting\n");
        box_reboot();
    case PND_PANIC_CONTINUE:
        box_printf("panicbox: continuing\n");
        box_exit(BOX_EXIT_CONTINUE);
        if (death->trigger == PND_TRIGGER_PANIC)
            begin_anew();
        state.depth = 0;
        box_resume(saved);
    case PND_PANIC_SPIN:
    default:
        stand_still();
    }
}

static void touch_ports(void)
{
    const struct pnd_bootargs *args = box_panic_args();

    if (args->panic_io_port)
        (void)box_in8(args->panic_io_port);
    if (args->pvpanic_io_port)
        box_out8(args->pvpanic_io_port, PVPANIC_PANICKED);
}

static void copy_registers(const struct box_frame *f, struct pnd_regs_x86_64 *ret)
{
    uint16_t fs, gs;

    __asm__ volatile("mov %%fs, %0" : "=r"(fs));
    __asm__ volatile("mov %%gs, %0" : "=r"(gs));
    *ret = (struct pnd_regs_x86_64){
        .rax = f->rax,
        .rbx = f->rbx,
        .rcx = f->rcx,
        .rdx = f->rdx,
        .rdi = f->rdi,
        .rsi = f->rsi,
        .rbp = f->rbp,
        .rsp = f->rsp,
        .r8 = f->r8,
        .r9 = f->r9,
        .r10 = f->r10,
        .r11 = f->r11,
        .r12 = f->r12,
        .r13 = f->r13,
        .r14 = f->r14,
        .r15 = f->r15,
        .rip = f->rip,
        .rflags = f->rflags,
        .cs = f->cs,
        .fs = fs,
        .gs = gs,
    };
}

/* An NMI that nobody asked for: nothing to tell. */
static bool is_idle_nmi(const struct box_death *death)
{
    const struct pnd_bootargs *args = box_panic_args();

    return state.ready && death->trigger == PND_TRIGGER_NMI &&
           !(pnd_debug_effective(args->debug, args->xnu) & PND_DB_NMI);
}

/* They were meant for the int3 behind them, and for no NMI that comes in between. */
static void take_wishes(struct pnd_event *event)
{
    event->asked = state.asked;
    event->reboot_only = state.wish == BOX_REBOOT_ONLY;
    event->skip_local = state.wish == BOX_SKIP_LOCAL;
    state.asked = PND_ASKED_NOTHING;
    state.wish = BOX_NO_WISH;
}

/* On the dump stack. */
static void run_first(void *arg)
{
    const struct box_death *death = arg;
    struct pnd_event *event = &state.event;

    memset(event, 0, sizeof(*event));
    event->trigger = death->trigger;
    if (death->frame->vector == BOX_TRAP_BREAKPOINT)
        take_wishes(event);
    copy_registers(death->frame, &event->regs);
    if (death->trigger != PND_TRIGGER_BOOT && !is_idle_nmi(death)) {
        event->log = box_panic_log_make(death, &event->log_len);
        event->panic_region = box_panic_region(&event->panic_region_len);
        box_print(event->log, event->log_len);
    }
    if (!state.ready)
        stand_still();
    if (death->trigger == PND_TRIGGER_PANIC)
        touch_ports();
    box_console_mark();
    finish(pnd_panic_run(&state.panic, event), death);
}

/* On the nested stack: what is dumped, and the first panic's log in it, stay as they are. */
static void run_nested(void *arg)
{
    const struct box_death *death = arg;
    struct pnd_event *event = &state.event;
    size_t len = box_panic_log_write(death, state.nested_log, sizeof(state.nested_log));

    box_print(state.nested_log, len);
    if (!state.ready)
        stand_still();
    event->trigger = PND_TRIGGER_PANIC;
    if (!event->log) {
        event->log = state.nested_log;
        event->log_len = len;
    }
    finish(pnd_panic_run(&state.panic, event), death);
}

static void describe(const struct box_frame *frame, struct box_death *ret)
{
    *ret = (struct box_death){.trigger = PND_TRIGGER_PANIC, .caller = frame->rip, .frame = frame};
    if (state.ready)
        ret->symbols = box_panic_args()->keepsyms;
    if (frame->vector == BOX_TRAP_NMI) {
        ret->trigger = PND_TRIGGER_NMI;
        ret->message = "NMI";
    } else if (frame->vector == BOX_TRAP_BREAKPOINT && state.called) {
        ret->trigger = state.trigger;
        ret->message = state.message;
        ret->caller = state.caller;
        state.called = false;
    }
}

static void save(const struct box_frame *frame, const void *fx, struct box_saved *ret)
{
    memcpy(ret->fx, fx, sizeof(ret->fx));
    ret->frame = *frame;
}

void box_panic_enter(const struct box_frame *frame, const void *fx)
{
    if (++state.depth > DEPTH_MAX)
        stand_still();
    if (state.depth == 1) {
        struct box_saved *saved = &state.saved[state.turn++ % 2];

        save(frame, fx, saved);
        describe(&saved->frame, &state.death);
        box_run_on(box_dump_stack_top, run_first, &state.death);
    }
    save(frame, fx, &state.nested);
    describe(&state.nested.frame, &state.nested_death);
    state.nested_death.trigger = PND_TRIGGER_PANIC;
    box_run_on(box_nested_stack_top, run_nested, &state.nested_death);
}

/* Always inlined: the registers are then those of whoever was called. */
__attribute__((always_inline)) static inline void call(enum pnd_trigger trigger, uint64_t caller)
{
    state.trigger = trigger;
    state.caller = caller;
    state.called = true;
    __asm__ volatile("int3" : : : "memory");
}

__attribute__((noinline)) void box_panic(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    pnd_vformat(state.message, sizeof(state.message), format, args);
    va_end(args);
    call(PND_TRIGGER_PANIC, (uint64_t)(uintptr_t)__builtin_return_address(0));
    __builtin_trap(); /* it begins anew, or ends; and rip lies in this function */
}

__attribute__((noinline)) void box_panic_with(enum box_wish wish, const char *message)
{
    pnd_format(state.message, sizeof(state.message), "%s", message);
    state.wish = wish;
    call(PND_TRIGGER_PANIC, (uint64_t)(uintptr_t)__builtin_return_address(0));
    __builtin_trap();
}

__attribute__((noinline)) void box_debugger(const char *message)
{
    pnd_format(state.message, sizeof(state.message), "%s", message);
    call(PND_TRIGGER_DEBUGGER, (uint64_t)(uintptr_t)__builtin_return_address(0));
}

void box_ask(enum pnd_asked asked)
{
    state.asked = asked;
    box_debugger("a dump was asked for");
}

__attribute__((noinline)) void box_halt_at_boot(void)
{
    pnd_format(state.message, sizeof(state.message), "DB_HALT");
    call(PND_TRIGGER_BOOT, (uint64_t)(uintptr_t)__builtin_return_address(0));
}

void box_panic_init(const struct pnd_platform *platform, uint32_t xnu, void (*idle)(void))
{
    int err = pnd_panic_init(&state.panic, platform, box_command_line(), xnu);

    if (err != PND_OK)
        box_panic("pnd_panic_init: %s", pnd_err_text(err));
    memset(box_dump_stack, PAINT, (size_t)(box_dump_stack_top - box_dump_stack));
    memset(box_nested_stack, PAINT, (size_t)(box_nested_stack_top - box_nested_stack));
    state.idle = idle;
    state.ready = true;
}
