/* SPDX-License-Identifier: BSD-2-Clause
 *
 * virtio over PCI: see virtio.h. */
#include "virtio.h"

#include <string.h>

#include "clock.h"
#include "io.h"
#include "memory.h"

enum {
    REG_DEVICE_FEATURES = 0,
    REG_DRIVER_FEATURES = 4,
    REG_QUEUE_PAGE = 8,
    REG_QUEUE_SIZE = 12,
    REG_QUEUE_SELECT = 14,
    REG_QUEUE_NOTIFY = 16,
    REG_STATUS = 18,
    REG_CONFIG = 20,
    STATUS_ACKNOWLEDGE = 1,
    STATUS_DRIVER = 2,
    STATUS_DRIVER_OK = 4,
    AVAIL_NO_INTERRUPT = 1,
};

static void write_status(const struct box_virtio *virtio, uint8_t status)
{
    box_out8(virtio->io + REG_STATUS, status);
}

bool box_virtio_open(const struct box_pci *pci, uint32_t features, struct box_virtio *ret)
{
    struct box_virtio out = {0};

    box_pci_enable(pci);
    if (!box_pci_ports(pci, 0, &out.io))
        return false;
    out.features = features & box_in32(out.io + REG_DEVICE_FEATURES);
    box_virtio_reset(&out);
    *ret = out;
    return true;
}

void box_virtio_reset(const struct box_virtio *virtio)
{
    write_status(virtio, 0);
    (void)box_in8(virtio->io + REG_STATUS); /* the write has arrived */
    write_status(virtio, STATUS_ACKNOWLEDGE);
    write_status(virtio, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
    box_out32(virtio->io + REG_DRIVER_FEATURES, virtio->features);
}

void box_virtio_start(const struct box_virtio *virtio)
{
    write_status(virtio, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_DRIVER_OK);
}

uint8_t box_virtio_config8(const struct box_virtio *virtio, unsigned offset)
{
    return box_in8((uint16_t)(virtio->io + REG_CONFIG + offset));
}

uint32_t box_virtio_config32(const struct box_virtio *virtio, unsigned offset)
{
    return box_in32((uint16_t)(virtio->io + REG_CONFIG + offset));
}

static size_t page_up(size_t len)
{
    return (len + BOX_PAGE - 1) & ~(size_t)(BOX_PAGE - 1);
}

bool box_virtq_open(const struct box_virtio *virtio, uint16_t number, struct box_virtq *ret)
{
    struct box_virtq out = {.io = virtio->io, .number = number};
    size_t desc_len, used_at;
    uint8_t *memory;

    box_out16(virtio->io + REG_QUEUE_SELECT, number);
    out.size = box_in16(virtio->io + REG_QUEUE_SIZE);
    if (out.size == 0 || out.size > BOX_VIRTQ_SIZE_MAX)
        return false;
    desc_len = sizeof(struct box_virtq_desc) * out.size;
    used_at = page_up(desc_len + sizeof(struct box_virtq_avail) + sizeof(uint16_t) * out.size);
    out.memory_len = page_up(used_at + sizeof(struct box_virtq_used) + sizeof(uint64_t) * out.size);
    memory = box_dma_take(out.memory_len, BOX_PAGE);
    if (!memory)
        return false;
    out.memory = memory;
    out.desc = (volatile void *)memory;
    out.avail = (volatile void *)(memory + desc_len);
    out.used = (volatile void *)(memory + used_at);
    box_virtq_restart(&out);
    *ret = out;
    return true;
}

void box_virtq_restart(const struct box_virtq *q)
{
    memset(q->memory, 0, q->memory_len);
    q->avail->flags = AVAIL_NO_INTERRUPT;
    box_out16(q->io + REG_QUEUE_SELECT, q->number);
    box_out32(q->io + REG_QUEUE_PAGE, (uint32_t)(box_physical(q->memory) / BOX_PAGE));
}

void box_virtq_describe(const struct box_virtq *q, uint16_t desc, const volatile void *memory,
                        size_t len, uint16_t flags, uint16_t next)
{
    q->desc[desc].address = box_physical(memory);
    q->desc[desc].len = (uint32_t)len;
    q->desc[desc].flags = flags;
    q->desc[desc].next = next;
}

void box_virtq_offer(const struct box_virtq *q, uint16_t head)
{
    uint16_t number = q->avail->index;

    q->avail->ring[number % q->size] = head;
    box_barrier();
    q->avail->index = (uint16_t)(number + 1);
}

void box_virtq_notify(const struct box_virtq *q)
{
    box_barrier();
    box_out16(q->io + REG_QUEUE_NOTIFY, q->number);
}

uint16_t box_virtq_offered(const struct box_virtq *q)
{
    return q->avail->index;
}

uint16_t box_virtq_done(const struct box_virtq *q)
{
    return q->used->index;
}

uint16_t box_virtq_result(const struct box_virtq *q, uint16_t number, uint32_t *ret_len)
{
    *ret_len = q->used->ring[number % q->size].len;
    return (uint16_t)(q->used->ring[number % q->size].head % q->size);
}

bool box_virtq_drain(const struct box_virtq *q, uint64_t timeout_us)
{
    uint64_t start_us = box_now_us();

    while (box_virtq_done(q) != box_virtq_offered(q)) {
        if (box_now_us() - start_us >= timeout_us)
            return false;
        box_pause();
    }
    return true;
}
