/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Something like a kernel, with what a backtrace has: a function in a function in a function, two
 * of the same name, one that nothing calls. It is never run. */
volatile int kernel_state;

int kernel_deep(int value);
int kernel_entry(int value);

static inline __attribute__((always_inline)) int innermost(int value)
{
    kernel_state = value;
    return kernel_deep(value + kernel_state);
}

static inline __attribute__((always_inline)) int middle(int value)
{
    kernel_state++;
    return innermost(value) + 1;
}

__attribute__((noinline)) int kernel_entry(int value)
{
    kernel_state--;
    return middle(value) + middle(value * 2);
}

__attribute__((noinline)) int kernel_deep(int value)
{
    return kernel_state + value;
}
