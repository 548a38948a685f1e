/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The TSC, whose rate is learned from the PIT. */
#include "clock.h"

#include <stdbool.h>

#include "io.h"

enum {
    PIT_HZ = 1193182,
    PIT_CHANNEL_0 = 0x40,
    PIT_CHANNEL_2 = 0x42,
    PIT_COMMAND = 0x43,
    SPEAKER = 0x61,          /* bit 0: channel 2 counts; bit 1: the speaker hears it */
    MEASURED_COUNTS = 23864, /* 20 ms */
    COUNTED_OUT = 0x20,      /* of the speaker port: channel 2 has reached 0 */
    TRIES = 8,
    PIC_COMMAND = 0x20,
    PIC_DATA = 0x21,
    PIC2_COMMAND = 0xa0,
    PIC2_DATA = 0xa1,
};

static uint64_t start, ticks_per_second = 1000000000; /* a guess, for a panic before the measure */

uint64_t box_ticks(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static uint16_t pit_count(void)
{
    uint8_t low;

    box_out8(PIT_COMMAND, 0x80); /* latch channel 2 */
    low = box_in8(PIT_CHANNEL_2);
    return (uint16_t)(box_in8(PIT_CHANNEL_2) << 8 | low);
}

/* A count and the time of it. The machine may be stopped between the two - it is a guest - so the
 * reading that took least is the one that counts. */
static uint64_t read_both(uint16_t *ret_count)
{
    uint64_t best = UINT64_MAX, time = 0;

    for (int i = 0; i < TRIES; i++) {
        uint64_t before = box_ticks();
        uint16_t count = pit_count();
        uint64_t took = box_ticks() - before;

        if (took < best) {
            best = took;
            time = before + took / 2;
            *ret_count = count;
        }
    }
    return time;
}

/* @return false: the measure is wrong */
static bool measure(void)
{
    uint16_t first, last;
    uint64_t from, to;

    box_out8(SPEAKER, (box_in8(SPEAKER) & 0xfc) | 0x01);
    box_out8(PIT_COMMAND, 0xb0); /* channel 2, both bytes, mode 0: down from 65535, once */
    box_out8(PIT_CHANNEL_2, 0xff);
    box_out8(PIT_CHANNEL_2, 0xff);
    from = read_both(&first);
    while ((uint16_t)(first - pit_count()) < MEASURED_COUNTS)
        box_pause();
    to = read_both(&last);
    ticks_per_second = (to - from) * PIT_HZ / (uint16_t)(first - last);
    /* The count has run through: the machine, a guest, was stopped for too long meanwhile. */
    return (box_in8(SPEAKER) & COUNTED_OUT) == 0;
}

/* Interrupts 0x20 to 0x2f, all masked: box_doze() lets one through. */
static void quiet_pics(void)
{
    box_out8(PIC_COMMAND, 0x11);
    box_out8(PIC2_COMMAND, 0x11);
    box_out8(PIC_DATA, 0x20);
    box_out8(PIC2_DATA, 0x28);
    box_out8(PIC_DATA, 0x04);
    box_out8(PIC2_DATA, 0x02);
    box_out8(PIC_DATA, 0x01);
    box_out8(PIC2_DATA, 0x01);
    box_out8(PIC_DATA, 0xff);
    box_out8(PIC2_DATA, 0xff);
}

/* The timer beats all the time: an NMI that comes just before the hlt may take long, and the hlt
 * must not wait for a beat that was over before it. Whoever dozes in that NMI leaves the mask as
 * it was. */
static void start_beat(void)
{
    const uint16_t counts = PIT_HZ / 100;

    box_out8(PIT_COMMAND, 0x34); /* channel 0, both bytes, mode 2: again and again */
    box_out8(PIT_CHANNEL_0, counts & 0xff);
    box_out8(PIT_CHANNEL_0, counts >> 8);
}

void box_clock_init(void)
{
    quiet_pics();
    for (int i = 0; i < TRIES && !measure(); i++)
        box_pause();
    start_beat();
    start = box_ticks();
}

uint64_t box_now_us(void)
{
    uint64_t ticks = box_ticks() - start;

    return ticks / ticks_per_second * 1000000 +
           ticks % ticks_per_second * 1000000 / ticks_per_second;
}

void box_wait_us(uint64_t us)
{
    uint64_t from = box_now_us();

    while (box_now_us() - from < us)
        box_pause();
}

void box_doze(void)
{
    box_out8(PIC_DATA, 0xfe);
    __asm__ volatile("sti; hlt; cli" : : : "memory");
    box_out8(PIC_DATA, 0xff);
}
