/* SPDX-License-Identifier: BSD-2-Clause
 *
 * virtio over PCI, by the legacy interface (ports in BAR 0), and its queues, polled.
 *
 * A queue keeps no state besides its rings, and an offer is published by one store. So a driver
 * that was interrupted anywhere - by an NMI, by a fault of its own - finds the queue as it was
 * before or after that store, and can go on.
 * @source Virtual I/O Device (VIRTIO) 1.1, the sections "Legacy Interface" */
#ifndef BOX_VIRTIO_H
#define BOX_VIRTIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pci.h"

enum {
    BOX_VIRTIO_VENDOR = 0x1af4,
    BOX_VIRTIO_NET = 0x1000, /* ids of devices that have the legacy interface ... */
    BOX_VIRTIO_BLK = 0x1001,
    BOX_VIRTIO_NET_MODERN = 0x1041, /* ... and of those that have not */
    BOX_VIRTIO_BLK_MODERN = 0x1042,
    BOX_VIRTQ_SIZE_MAX = 1024,
    BOX_DESC_NEXT = 1,  /* the chain goes on */
    BOX_DESC_WRITE = 2, /* the device writes, otherwise it reads */
};

struct box_virtio {
    uint16_t io;
    uint32_t features; /* both sides have them */
};

struct box_virtq_desc {
    uint64_t address; /* physical */
    uint32_t len;
    uint16_t flags, next;
};

struct box_virtq_avail {
    uint16_t flags, index;
    uint16_t ring[];
};

struct box_virtq_used {
    uint16_t flags, index;
    struct {
        uint32_t head, len; /* bytes the device wrote */
    } ring[];
};

struct box_virtq {
    uint16_t io, number, size;
    volatile struct box_virtq_desc *desc;
    volatile struct box_virtq_avail *avail;
    volatile struct box_virtq_used *used;
    void *memory;
    size_t memory_len;
};

/* Resets the device and agrees on features, of those in @p features.
 * @return false: it has no legacy interface */
bool box_virtio_open(const struct box_pci *pci, uint32_t features, struct box_virtio *ret);
/* Also after box_virtio_reset(), with the features agreed on before. */
void box_virtio_start(const struct box_virtio *virtio);
/* The device forgets everything and touches no memory any more. Follow it by box_virtq_restart()
 * for each queue and box_virtio_start(). */
void box_virtio_reset(const struct box_virtio *virtio);
/* The device's own configuration. */
uint8_t box_virtio_config8(const struct box_virtio *virtio, unsigned offset);
uint32_t box_virtio_config32(const struct box_virtio *virtio, unsigned offset);

/* @return false: the device has no such queue, one above BOX_VIRTQ_SIZE_MAX, or there is no
 *         work memory left */
bool box_virtq_open(const struct box_virtio *virtio, uint16_t number, struct box_virtq *ret);
void box_virtq_restart(const struct box_virtq *q);

/* @param next  the descriptor that follows, with BOX_DESC_NEXT in @p flags */
void box_virtq_describe(const struct box_virtq *q, uint16_t desc, const volatile void *memory,
                        size_t len, uint16_t flags, uint16_t next);
/* Gives the chain that begins at @p head to the device; it looks when it is notified. */
void box_virtq_offer(const struct box_virtq *q, uint16_t head);
void box_virtq_notify(const struct box_virtq *q);

/* How many chains were ever offered, and done, modulo 65536. */
uint16_t box_virtq_offered(const struct box_virtq *q);
uint16_t box_virtq_done(const struct box_virtq *q);
/* The chain that was done as the one with this number.
 * @return its head, less than the size of the queue */
uint16_t box_virtq_result(const struct box_virtq *q, uint16_t number, uint32_t *ret_len);
/* Waits until all that was offered is done. @return false: that took longer than @p timeout_us */
bool box_virtq_drain(const struct box_virtq *q, uint64_t timeout_us);

#endif
