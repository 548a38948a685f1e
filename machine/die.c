/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Ways to die. Each is a function of its own, called through others, so that a backtrace has
 * something to show. */
#include "die.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory.h"
#include "panic.h"
#include "text.h"

#define NOINLINE __attribute__((noinline))

/* What the compiler must not know. */
static volatile uint64_t nothing;
static volatile bool always = true;

NOINLINE static void die_now(void)
{
    box_panic("asked to, by the boot-arg panic= or by hand");
}

/* The pointer lies on the stack: a function that uses none gets no frame, and its caller would be
 * missing from the backtrace. */
NOINLINE static void store(uint64_t address)
{
    volatile uint64_t *volatile where;

    where = (volatile uint64_t *)(uintptr_t)address; /* NOLINT(performance-no-int-to-ptr) */
    *where = 1;
}

NOINLINE static void die_nullptr(void)
{
    store(nothing);
    always = true; /* so that the call is not the last thing, and has a frame */
}

NOINLINE static void die_gpf(void)
{
    store(nothing + UINT64_C(0x8000000000000000)); /* not canonical */
    always = true;
}

NOINLINE static uint64_t die_stack(uint64_t depth)
{
    volatile uint64_t room[32] = {0};

    room[depth % 32] = depth;
    if (always)
        room[0] += die_stack(depth + 1); /* NOLINT(misc-no-recursion) */
    return room[0];
}

NOINLINE static void die_stack_of(void)
{
    nothing = die_stack(0);
}

NOINLINE static void die_assert(void)
{
    box_assert(nothing == 1);
}

NOINLINE static void die_nested(void)
{
    box_memory_poison(true);
    box_panic("asked to, and there will be a second one: a page of memory cannot be read");
}

NOINLINE static void die_reboot(void)
{
    box_panic_with(BOX_REBOOT_ONLY, "asked to, and to restart with nothing but a panic log");
}

NOINLINE static void die_skip_local(void)
{
    box_panic_with(BOX_SKIP_LOCAL, "asked to, and to write no local core");
}

NOINLINE void box_die(const char *how)
{
    static const struct {
        const char *name;
        void (*die)(void);
    } ways[] = {
        {"now", die_now},       {"panic", die_now},
        {"1", die_now},         {"nullptr", die_nullptr},
        {"gpf", die_gpf},       {"stack", die_stack_of},
        {"assert", die_assert}, {"nested", die_nested},
        {"reboot", die_reboot}, {"skip-local", die_skip_local},
    };

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
        if (box_same_text(how, ways[i].name)) {
            ways[i].die();
            always = true;
        }
}
