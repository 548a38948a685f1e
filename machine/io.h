/* SPDX-License-Identifier: BSD-2-Clause
 *
 * I/O ports, device memory, and the instructions C has no words for. */
#ifndef BOX_IO_H
#define BOX_IO_H

#include <stdint.h>

static inline void box_out8(uint16_t port, uint8_t v)
{
    __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void box_out16(uint16_t port, uint16_t v)
{
    __asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void box_out32(uint16_t port, uint32_t v)
{
    __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline uint8_t box_in8(uint16_t port)
{
    uint8_t v;

    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
    return v;
}

static inline uint16_t box_in16(uint16_t port)
{
    uint16_t v;

    __asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port) : "memory");
    return v;
}

static inline uint32_t box_in32(uint16_t port)
{
    uint32_t v;

    __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
    return v;
}

static inline uint32_t box_read32(const volatile void *address)
{
    return *(const volatile uint32_t *)address;
}

static inline void box_write32(volatile void *address, uint32_t v)
{
    *(volatile uint32_t *)address = v;
}

/* What was written before it is seen by devices before what is written after it. */
static inline void box_barrier(void)
{
    __asm__ volatile("mfence" : : : "memory");
}

static inline void box_pause(void)
{
    __asm__ volatile("pause");
}

#endif
