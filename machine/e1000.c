/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Intel's 82540EM (e1000) and 82574L (e1000e), polled, with the legacy descriptors both know.
 *
 * The device's own tail registers say where the rings stand; nothing else does. So a driver that
 * was interrupted anywhere can go on.
 * @source Intel PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual, 3.2,
 *         3.3 and 13.4; Intel 82574 GbE Controller Family Datasheet, 7.1, 7.2 and 10.2 */
#include <string.h>

#include "clock.h"
#include "io.h"
#include "memory.h"
#include "netif.h"
#include "nic.h"

enum {
    VENDOR_INTEL = 0x8086,
    DEVICE_82540EM = 0x100e,
    DEVICE_82574L = 0x10d3,

    REGISTERS_BYTES = 128 * 1024,
    CTRL = 0x0000,
    CTRL_SLU = 1 << 6, /* set link up */
    CTRL_RST = 1 << 26,
    STATUS = 0x0008,
    STATUS_LU = 1 << 1,
    IMC = 0x00d8,
    RCTL = 0x0100,
    RCTL_EN = 1 << 1,
    RCTL_BAM = 1 << 15,   /* broadcasts */
    RCTL_SECRC = 1 << 26, /* without the frame's checksum; buffers of 2048 bytes */
    TCTL = 0x0400,
    TCTL_EN = 1 << 1,
    TCTL_PSP = 1 << 3,                        /* pad short packets */
    TCTL_COLLISIONS = 0x0f << 4 | 0x40 << 12, /* as the manual says, full duplex */
    TIPG = 0x0410,
    TIPG_IEEE = 10 | 8 << 10 | 6 << 20,
    RDBAL = 0x2800,
    RDBAH = 0x2804,
    RDLEN = 0x2808,
    RDH = 0x2810,
    RDT = 0x2818,
    TDBAL = 0x3800,
    TDBAH = 0x3804,
    TDLEN = 0x3808,
    TDH = 0x3810,
    TDT = 0x3818,
    MTA = 0x5200,
    MTA_WORDS = 128,
    RAL0 = 0x5400,
    RAH0 = 0x5404,

    DESC_DONE = 1,
    RX_WHOLE = 1 << 1,                /* end of packet */
    TX_COMMAND = 1 | 1 << 1 | 1 << 3, /* end of packet, add the checksum, say when it is done */
    BUFFER_BYTES = 2048,
    FRAME_MAX = 1514,
    RESET_US = 100000,
};

static const uint32_t RAH_VALID = UINT32_C(1) << 31;

struct rx_desc {
    uint64_t address;
    uint16_t len, checksum;
    uint8_t status, errors;
    uint16_t special;
};

struct tx_desc {
    uint64_t address;
    uint16_t len;
    uint8_t checksum_at, command, status, checksum_from;
    uint16_t special;
};

_Static_assert(sizeof(struct rx_desc) == 16 && sizeof(struct tx_desc) == 16, "the device's layout");

struct e1000 {
    volatile uint8_t *registers;
    volatile struct rx_desc *rx;
    volatile struct tx_desc *tx;
    uint8_t *rx_buffers, *tx_buffers;
};

static BOX_WORK struct e1000 nics[BOX_NETIF_CAP];
static unsigned nic_count;

static uint32_t get(const struct e1000 *nic, unsigned reg)
{
    return box_read32(nic->registers + reg);
}

static void set(const struct e1000 *nic, unsigned reg, uint32_t v)
{
    box_write32(nic->registers + reg, v);
}

static uint64_t nic_now_us(void *ctx)
{
    (void)ctx;
    return box_now_us();
}

static bool nic_link_up(void *ctx)
{
    return get(ctx, STATUS) & STATUS_LU;
}

/* Its descriptor says so; or the device has caught up, which also frees one that a send prepared,
 * and was interrupted before it gave it away. */
static bool tx_free(const struct e1000 *nic, uint32_t i)
{
    return nic->tx[i].status & DESC_DONE || get(nic, TDH) == get(nic, TDT);
}

static int nic_send(void *ctx, const void *frame, size_t len)
{
    struct e1000 *nic = ctx;
    uint64_t start_us = box_now_us();
    uint32_t i = get(nic, TDT) % BOX_NIC_TX;
    uint8_t *buffer = nic->tx_buffers + (size_t)i * BUFFER_BYTES;

    if (len > FRAME_MAX)
        return PND_E_ARG;
    while (!tx_free(nic, i)) {
        if (box_now_us() - start_us >= BOX_NIC_SEND_US)
            return PND_OK; /* lost on the way out, as frames are */
        box_pause();
    }
    memcpy(buffer, frame, len);
    nic->tx[i].address = box_physical(buffer);
    nic->tx[i].len = (uint16_t)len;
    nic->tx[i].checksum_at = 0;
    nic->tx[i].command = TX_COMMAND;
    nic->tx[i].status = 0;
    box_barrier();
    set(nic, TDT, (i + 1) % BOX_NIC_TX);
    return PND_OK;
}

/* The device fills the descriptors up to its tail, not the tail itself. So the frame behind the
 * tail is next, and moving the tail onto it is what takes it. */
static int nic_receive(void *ctx, void *buf, size_t cap, uint64_t timeout_us)
{
    struct e1000 *nic = ctx;
    uint64_t start_us = box_now_us();
    uint32_t tail = get(nic, RDT) % BOX_NIC_RX, next = (tail + 1) % BOX_NIC_RX;
    size_t len;
    bool whole;

    while (!(nic->rx[next].status & DESC_DONE)) {
        if (box_now_us() - start_us >= timeout_us)
            return PND_E_TIMEOUT;
        box_pause();
    }
    whole = nic->rx[next].status & RX_WHOLE && nic->rx[next].errors == 0;
    len = nic->rx[next].len;
    if (len > BUFFER_BYTES)
        len = BUFFER_BYTES;
    if (len > cap)
        len = cap;
    if (whole)
        memcpy(buf, nic->rx_buffers + (size_t)next * BUFFER_BYTES, len);
    nic->rx[tail].status = 0;
    box_barrier();
    set(nic, RDT, next);
    return whole ? (int)len : PND_E_TIMEOUT;
}

static bool reset(const struct e1000 *nic)
{
    uint64_t start_us = box_now_us();

    set(nic, IMC, UINT32_MAX);
    set(nic, RCTL, 0);
    set(nic, TCTL, 0);
    set(nic, CTRL, get(nic, CTRL) | CTRL_RST);
    box_wait_us(1000); /* it must not be asked at once */
    while (get(nic, CTRL) & CTRL_RST) {
        if (box_now_us() - start_us >= RESET_US)
            return false;
        box_pause();
    }
    set(nic, IMC, UINT32_MAX);
    return true;
}

static void start(const struct e1000 *nic)
{
    for (unsigned i = 0; i < BOX_NIC_RX; i++) {
        nic->rx[i].address = box_physical(nic->rx_buffers + (size_t)i * BUFFER_BYTES);
        nic->rx[i].status = 0;
    }
    for (unsigned i = 0; i < BOX_NIC_TX; i++)
        nic->tx[i].status = DESC_DONE;
    for (unsigned i = 0; i < MTA_WORDS; i++)
        set(nic, MTA + 4 * i, 0);
    set(nic, CTRL, get(nic, CTRL) | CTRL_SLU);

    set(nic, TDBAL, (uint32_t)box_physical(nic->tx));
    set(nic, TDBAH, (uint32_t)(box_physical(nic->tx) >> 32));
    set(nic, TDLEN, BOX_NIC_TX * sizeof(struct tx_desc));
    set(nic, TDH, 0);
    set(nic, TDT, 0);
    set(nic, TIPG, TIPG_IEEE);
    set(nic, TCTL, TCTL_EN | TCTL_PSP | TCTL_COLLISIONS);

    set(nic, RDBAL, (uint32_t)box_physical(nic->rx));
    set(nic, RDBAH, (uint32_t)(box_physical(nic->rx) >> 32));
    set(nic, RDLEN, BOX_NIC_RX * sizeof(struct rx_desc));
    set(nic, RDH, 0);
    set(nic, RDT, BOX_NIC_RX - 1);
    /* QEMU's e1000 receives nothing for a second after this is written, so it is written once. */
    set(nic, RCTL, RCTL_EN | RCTL_BAM | RCTL_SECRC);
}

static bool take_memory(struct e1000 *nic)
{
    nic->rx = box_dma_take(BOX_NIC_RX * sizeof(struct rx_desc), 128);
    nic->tx = box_dma_take(BOX_NIC_TX * sizeof(struct tx_desc), 128);
    nic->rx_buffers = box_dma_take((size_t)BOX_NIC_RX * BUFFER_BYTES, 64);
    nic->tx_buffers = box_dma_take((size_t)BOX_NIC_TX * BUFFER_BYTES, 64);
    return nic->rx && nic->tx && nic->rx_buffers && nic->tx_buffers;
}

const char *box_e1000_fits(const struct box_pci *pci)
{
    if (pci->vendor != VENDOR_INTEL)
        return NULL;
    if (pci->device == DEVICE_82540EM)
        return "e1000";
    return pci->device == DEVICE_82574L ? "e1000e" : NULL;
}

bool box_e1000_open(const struct box_pci *pci, struct pnd_nic *ret, const char **ret_why)
{
    struct e1000 *nic = &nics[nic_count];
    struct pnd_nic out = {
        .ctx = nic,
        .now_us = nic_now_us,
        .send = nic_send,
        .receive = nic_receive,
        .link_up = nic_link_up,
        .mtu = BOX_NIC_MTU,
    };
    uint32_t base, low, high;

    box_pci_enable(pci);
    if (nic_count == BOX_NETIF_CAP || !box_pci_memory(pci, 0, &base)) {
        *ret_why = "the firmware gave its registers no address below 4 GiB";
        return false;
    }
    nic_count++;
    nic->registers = box_map_device(base, REGISTERS_BYTES);
    if (!nic->registers || !take_memory(nic)) {
        *ret_why = "no memory is left for its rings; take another interface away";
        return false;
    }
    if (!reset(nic)) {
        *ret_why = "it does not come back from a reset";
        return false;
    }
    low = get(nic, RAL0);
    high = get(nic, RAH0);
    if (!(high & RAH_VALID)) {
        *ret_why = "it has no MAC address";
        return false;
    }
    for (unsigned i = 0; i < sizeof(out.mac); i++)
        out.mac[i] = (uint8_t)(i < 4 ? low >> i * 8 : high >> (i - 4) * 8);
    start(nic);
    *ret = out;
    return true;
}
