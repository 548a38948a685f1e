/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The PCI bus: see pci.h. */
#include "pci.h"

#include "console.h"
#include "io.h"
#include "memory.h"

enum {
    PORT_ADDRESS = 0xcf8,
    PORT_DATA = 0xcfc,
    BUSES = 256,
    SLOTS = 32,
    FUNCTIONS = 8,
    VENDOR = 0x00,
    COMMAND = 0x04,
    CLASS = 0x08,
    HEADER_TYPE = 0x0e,
    BAR0 = 0x10,
    SECONDARY_BUS = 0x19,
    COMMAND_IO = 0x1,
    COMMAND_MEMORY = 0x2,
    COMMAND_MASTER = 0x4,
    COMMAND_NO_INTX = 0x400,
    HEADER_MULTI = 0x80,
    HEADER_BRIDGE = 0x01,
    BAR_IO = 0x1,
    BAR_64 = 0x4,
    BAR_WIDTH = 0x6,
    POOL_BYTES = 1024 * 1024, /* eight NICs with queues of 256, and some disks */
};

static struct box_pci functions[BOX_PCI_CAP];
static unsigned count;
static bool scanned;

static BOX_WORK uint8_t pool[POOL_BYTES] __attribute__((aligned(BOX_PAGE)));
static size_t pool_taken;

static uint32_t read_at(unsigned bus, unsigned slot, unsigned function, unsigned offset)
{
    box_out32(PORT_ADDRESS,
              UINT32_C(1) << 31 | bus << 16 | slot << 11 | function << 8 | (offset & 0xfc));
    return box_in32(PORT_DATA);
}

uint32_t box_pci_read32(const struct box_pci *pci, uint8_t offset)
{
    return read_at(pci->bus, pci->slot, pci->function, offset);
}

uint16_t box_pci_read16(const struct box_pci *pci, uint8_t offset)
{
    return (uint16_t)(box_pci_read32(pci, offset) >> (offset & 2) * 8);
}

uint8_t box_pci_read8(const struct box_pci *pci, uint8_t offset)
{
    return (uint8_t)(box_pci_read32(pci, offset) >> (offset & 3) * 8);
}

void box_pci_write16(const struct box_pci *pci, uint8_t offset, uint16_t v)
{
    (void)box_pci_read32(pci, offset); /* selects the register */
    box_out16((uint16_t)(PORT_DATA + (offset & 2)), v);
}

/* @return its header type; 0xff: there is nobody */
static uint8_t look_at(unsigned bus, unsigned slot, unsigned function, struct box_pci *ret)
{
    uint32_t ids = read_at(bus, slot, function, VENDOR), class;

    if ((ids & 0xffff) == 0xffff)
        return 0xff;
    class = read_at(bus, slot, function, CLASS);
    *ret = (struct box_pci){
        .bus = (uint8_t)bus,
        .slot = (uint8_t)slot,
        .function = (uint8_t)function,
        .base_class = (uint8_t)(class >> 24),
        .subclass = (uint8_t)(class >> 16),
        .vendor = (uint16_t)ids,
        .device = (uint16_t)(ids >> 16),
    };
    return (uint8_t)(read_at(bus, slot, function, HEADER_TYPE) >> 16);
}

/* @param ret_buses  a bit for each bus that a bridge here leads to */
static void scan_bus(unsigned bus, uint64_t ret_buses[BUSES / 64])
{
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        unsigned functions_here = 1;

        for (unsigned function = 0; function < functions_here; function++) {
            struct box_pci found;
            uint8_t header = look_at(bus, slot, function, &found);

            if (header == 0xff)
                continue;
            if (function == 0 && header & HEADER_MULTI)
                functions_here = FUNCTIONS;
            if ((header & ~HEADER_MULTI) == HEADER_BRIDGE) {
                uint8_t behind = box_pci_read8(&found, SECONDARY_BUS);

                ret_buses[behind / 64] |= UINT64_C(1) << behind % 64;
                box_pci_enable(&found); /* it hands on what devices behind it do */
            }
            if (count == BOX_PCI_CAP) {
                box_kprintf("panicbox: pci: more than %u functions, the rest is not seen\n",
                            (unsigned)BOX_PCI_CAP);
                return;
            }
            functions[count++] = found;
        }
    }
}

/* A bus behind a bridge has a higher number than the one it is on, so one walk upwards finds all.
 */
static void scan(void)
{
    uint64_t buses[BUSES / 64] = {1};

    scanned = true;
    for (unsigned bus = 0; bus < BUSES; bus++) {
        if (buses[bus / 64] >> bus % 64 & 1)
            scan_bus(bus, buses);
    }
}

const struct box_pci *box_pci(unsigned index)
{
    if (!scanned)
        scan();
    return index < count ? &functions[index] : NULL;
}

const struct box_pci *box_pci_find(uint16_t vendor, uint16_t device)
{
    const struct box_pci *pci;

    for (unsigned i = 0; (pci = box_pci(i)); i++) {
        if (pci->vendor == vendor && pci->device == device)
            return pci;
    }
    return NULL;
}

void box_pci_enable(const struct box_pci *pci)
{
    uint16_t command = box_pci_read16(pci, COMMAND);

    box_pci_write16(pci, COMMAND,
                    command | COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER | COMMAND_NO_INTX);
}

static uint32_t read_bar(const struct box_pci *pci, unsigned bar)
{
    return box_pci_read32(pci, (uint8_t)(BAR0 + bar * 4));
}

bool box_pci_ports(const struct box_pci *pci, unsigned bar, uint16_t *ret_base)
{
    uint32_t v = read_bar(pci, bar);

    if (!(v & BAR_IO) || v >> 16 || (v & 0xfffc) == 0)
        return false;
    *ret_base = (uint16_t)(v & 0xfffc);
    return true;
}

bool box_pci_memory(const struct box_pci *pci, unsigned bar, uint32_t *ret_base)
{
    uint32_t v = read_bar(pci, bar);

    if (v & BAR_IO || (v & ~0xfU) == 0)
        return false;
    if ((v & BAR_WIDTH) == BAR_64 && (bar + 1 == BOX_PCI_BARS || read_bar(pci, bar + 1)))
        return false;
    *ret_base = v & ~0xfU;
    return true;
}

void *box_dma_take(size_t len, size_t align)
{
    size_t at = (pool_taken + align - 1) & ~(align - 1);

    if (at > POOL_BYTES || len > POOL_BYTES - at)
        return NULL;
    pool_taken = at + len;
    return pool + at; /* static, so zeros */
}
