/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The PCI bus, by configuration mechanism 1, as the firmware has set it up: every bus that is
 * reached through bridges from the first. And the memory that devices read and write by
 * themselves. */
#ifndef BOX_PCI_H
#define BOX_PCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BOX_PCI_CAP = 128, /* functions that are kept; there is no more room on four full buses */
    BOX_PCI_BARS = 6,
    BOX_PCI_NETWORK = 0x02, /* base classes */
    BOX_PCI_BRIDGE = 0x06,
};

struct box_pci {
    uint8_t bus, slot, function;
    uint8_t base_class, subclass;
    uint16_t vendor, device;
};

/* The functions in the order of bus, slot and function; the first call looks for them.
 * @return NULL when @p index is past the last */
const struct box_pci *box_pci(unsigned index);
/* The first with these ids at @p from or behind it. @return NULL: there is none */
const struct box_pci *box_pci_find(uint16_t vendor, uint16_t device);

/* Configuration space; @p offset is a multiple of the size. */
uint8_t box_pci_read8(const struct box_pci *pci, uint8_t offset);
uint16_t box_pci_read16(const struct box_pci *pci, uint8_t offset);
uint32_t box_pci_read32(const struct box_pci *pci, uint8_t offset);
void box_pci_write16(const struct box_pci *pci, uint8_t offset, uint16_t v);

/* The device answers at its BARs, reads and writes memory, and interrupts nobody. */
void box_pci_enable(const struct box_pci *pci);

/* @return false: @p bar is of the other sort, or nobody gave it an address, or it lies beyond
 *         64 KiB of ports, 4 GiB of memory */
bool box_pci_ports(const struct box_pci *pci, unsigned bar, uint16_t *ret_base);
bool box_pci_memory(const struct box_pci *pci, unsigned bar, uint32_t *ret_base);

/* Takes @p len bytes of zeroed work memory, physically contiguous, for rings and buffers. It is
 * never given back. Before a panic only.
 * @param align  a power of two, at most 4096
 * @return NULL: there is no more */
void *box_dma_take(size_t len, size_t align);

#endif
