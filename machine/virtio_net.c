/* SPDX-License-Identifier: BSD-2-Clause
 *
 * virtio-net, polled: two queues, no offloads.
 * @source Virtual I/O Device (VIRTIO) 1.1, "Network Device" */
#include <string.h>

#include "clock.h"
#include "io.h"
#include "memory.h"
#include "netif.h"
#include "nic.h"
#include "virtio.h"

enum {
    FEATURE_MAC = 1 << 5,
    FEATURE_STATUS = 1 << 16,
    CONFIG_STATUS = 6,
    STATUS_LINK_UP = 1,
    QUEUE_RX = 0,
    QUEUE_TX = 1,
    HEADER_BYTES = 10, /* without merged buffers; all zeros means no offloads */
    BUFFER_BYTES = 1536,
    FRAME_MAX = 1514,
};

/* Descriptors 2i and 2i + 1 are the header and the frame of buffer i. */
struct virtio_net {
    struct box_virtio virtio;
    struct box_virtq rx, tx;
    uint8_t *rx_buffers, *tx_buffers;
    uint8_t rx_header[HEADER_BYTES], tx_header[HEADER_BYTES];
};

static BOX_WORK struct virtio_net nets[BOX_NETIF_CAP];
static unsigned net_count;

static uint64_t nic_now_us(void *ctx)
{
    (void)ctx;
    return box_now_us();
}

static bool nic_link_up(void *ctx)
{
    const struct virtio_net *net = ctx;

    if (!(net->virtio.features & FEATURE_STATUS))
        return true;
    return box_virtio_config8(&net->virtio, CONFIG_STATUS) & STATUS_LINK_UP;
}

/* Buffers are used in turn, and the turn begins anew only when the device is done with all of
 * them: so it does not matter in which order it finishes them. */
static int nic_send(void *ctx, const void *frame, size_t len)
{
    struct virtio_net *net = ctx;
    unsigned i = box_virtq_offered(&net->tx) % BOX_NIC_TX;
    uint8_t *buffer = net->tx_buffers + (size_t)i * BUFFER_BYTES;

    if (len > FRAME_MAX)
        return PND_E_ARG;
    if (i == 0 && !box_virtq_drain(&net->tx, BOX_NIC_SEND_US))
        return PND_OK; /* lost on the way out, as frames are */
    memcpy(buffer, frame, len);
    box_virtq_describe(&net->tx, (uint16_t)(2 * i), net->tx_header, HEADER_BYTES, BOX_DESC_NEXT,
                       (uint16_t)(2 * i + 1));
    box_virtq_describe(&net->tx, (uint16_t)(2 * i + 1), buffer, len, 0, 0);
    box_virtq_offer(&net->tx, (uint16_t)(2 * i));
    box_virtq_notify(&net->tx);
    return PND_OK;
}

/* All buffers are always with the device or done and waiting here, so the number of offers tells
 * which frame is next; offering its buffer again is what takes it. */
static int nic_receive(void *ctx, void *buf, size_t cap, uint64_t timeout_us)
{
    struct virtio_net *net = ctx;
    uint64_t start_us = box_now_us();
    uint16_t next = (uint16_t)(box_virtq_offered(&net->rx) - BOX_NIC_RX);
    uint32_t len;
    uint16_t head;

    while (box_virtq_done(&net->rx) == next) {
        if (box_now_us() - start_us >= timeout_us)
            return PND_E_TIMEOUT;
        box_pause();
    }
    head = box_virtq_result(&net->rx, next, &len) & (2 * BOX_NIC_RX - 2);
    len = len < HEADER_BYTES ? 0 : len - HEADER_BYTES;
    if (len > BUFFER_BYTES)
        len = BUFFER_BYTES;
    if (len > cap)
        len = (uint32_t)cap;
    memcpy(buf, net->rx_buffers + (size_t)head / 2 * BUFFER_BYTES, len);
    box_virtq_offer(&net->rx, head);
    box_virtq_notify(&net->rx);
    return (int)len;
}

static void fill(struct virtio_net *net)
{
    for (unsigned i = 0; i < BOX_NIC_RX; i++) {
        box_virtq_describe(&net->rx, (uint16_t)(2 * i), net->rx_header, HEADER_BYTES,
                           BOX_DESC_NEXT | BOX_DESC_WRITE, (uint16_t)(2 * i + 1));
        box_virtq_describe(&net->rx, (uint16_t)(2 * i + 1),
                           net->rx_buffers + (size_t)i * BUFFER_BYTES, BUFFER_BYTES, BOX_DESC_WRITE,
                           0);
        box_virtq_offer(&net->rx, (uint16_t)(2 * i));
    }
}

const char *box_virtio_net_fits(const struct box_pci *pci)
{
    if (pci->vendor != BOX_VIRTIO_VENDOR)
        return NULL;
    if (pci->device != BOX_VIRTIO_NET && pci->device != BOX_VIRTIO_NET_MODERN)
        return NULL;
    return "virtio-net";
}

static bool take_memory(struct virtio_net *net)
{
    net->rx_buffers = box_dma_take((size_t)BOX_NIC_RX * BUFFER_BYTES, 64);
    net->tx_buffers = box_dma_take((size_t)BOX_NIC_TX * BUFFER_BYTES, 64);
    return net->rx_buffers && net->tx_buffers && box_virtq_open(&net->virtio, QUEUE_RX, &net->rx) &&
           box_virtq_open(&net->virtio, QUEUE_TX, &net->tx) && net->rx.size >= 2 * BOX_NIC_RX &&
           net->tx.size >= 2 * BOX_NIC_TX;
}

bool box_virtio_net_open(const struct box_pci *pci, struct pnd_nic *ret, const char **ret_why)
{
    struct virtio_net *net = &nets[net_count];
    struct pnd_nic out = {
        .ctx = net,
        .now_us = nic_now_us,
        .send = nic_send,
        .receive = nic_receive,
        .link_up = nic_link_up,
        .mtu = BOX_NIC_MTU,
    };

    if (net_count == BOX_NETIF_CAP || pci->device != BOX_VIRTIO_NET ||
        !box_virtio_open(pci, FEATURE_MAC | FEATURE_STATUS, &net->virtio)) {
        *ret_why = "it has no legacy interface; give its -device the option disable-legacy=off";
        return false;
    }
    net_count++;
    if (!(net->virtio.features & FEATURE_MAC)) {
        *ret_why = "it has no MAC address; give its -device the option mac=";
        return false;
    }
    if (!take_memory(net)) {
        *ret_why = "its queues do not fit; give its -device rx_queue_size=256,tx_queue_size=256";
        return false;
    }
    for (unsigned i = 0; i < sizeof(out.mac); i++)
        out.mac[i] = box_virtio_config8(&net->virtio, i);
    fill(net);
    box_virtio_start(&net->virtio);
    box_virtq_notify(&net->rx);
    *ret = out;
    return true;
}
