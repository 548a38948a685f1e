/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Reboot, power-off, QEMU's exit device and the power button.
 * @source ACPI 6.3, 4.8.3 (PM1 registers); Intel 82371AB (PIIX4) datasheet, 7.1 and 7.2; Intel I/O
 *         Controller Hub 9 datasheet, 13.1 and 13.8.3 */
#include "clock.h"
#include "console.h"
#include "devices.h"
#include "io.h"
#include "pci.h"

enum {
    VENDOR_INTEL = 0x8086,
    DEVICE_PIIX4_PM = 0x7113,
    DEVICE_ICH9_LPC = 0x2918,
    PCI_PMBASE = 0x40, /* both have it there */
    PMBASE_MASK = 0xffc0,

    PM1_STATUS = 0,
    PM1_ENABLE = 2,
    PM1_CONTROL = 4,
    PM1_POWER_BUTTON = 1 << 8,
    PM1_SLEEP_ENABLE = 1 << 13,
    PM1_SLEEP_TYPE_SHIFT = 10,
    PIIX4_S5 = 0, /* and QEMU's ICH9, */
    ICH9_S5 = 7,  /* where the chip itself has this */

    OFF_US = 1000000, /* it takes effect a little later */

    PORT_RESET = 0xcf9,
    RESET_HARD = 0x02,
    RESET_NOW = 0x04,
    PORT_KEYBOARD = 0x64,
    KEYBOARD_RESET = 0xfe,
    PORT_EXIT = 0xf4,
    PORT_ABSENT = 0xff, /* what a port reads where no device is */
};

static uint16_t pm_base; /* 0: no power management was found */
static bool exits;

void box_power_init(void)
{
    const struct box_pci *pci = box_pci_find(VENDOR_INTEL, DEVICE_PIIX4_PM);

    if (!pci)
        pci = box_pci_find(VENDOR_INTEL, DEVICE_ICH9_LPC);
    if (pci)
        pm_base = box_pci_read16(pci, PCI_PMBASE) & PMBASE_MASK;
    if (!pm_base) {
        box_kprintf("panicbox: power: neither PIIX4 nor ICH9: no power-off, no power button\n");
        return;
    }
    /* The button is noted only while it may interrupt; nobody here listens to interrupts. */
    box_out16(pm_base + PM1_STATUS, PM1_POWER_BUTTON);
    box_out16(pm_base + PM1_ENABLE, PM1_POWER_BUTTON);
    box_kprintf("panicbox: power: registers at port 0x%x\n", pm_base);
}

void box_exit_enable(bool on)
{
    exits = on;
}

void box_exit(enum box_exit how)
{
    if (exits && box_in8(PORT_EXIT) != PORT_ABSENT)
        box_out32(PORT_EXIT, how);
}

__attribute__((noreturn)) static void stand(void)
{
    for (;;)
        __asm__ volatile("cli; hlt" : : : "memory");
}

__attribute__((noreturn)) void box_reboot(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) no_table = {0, 0};

    box_exit(BOX_EXIT_REBOOT);
    box_out8(PORT_RESET, RESET_HARD);
    box_out8(PORT_RESET, RESET_HARD | RESET_NOW);
    box_out8(PORT_KEYBOARD, KEYBOARD_RESET);
    /* A fault with nobody to handle it: the processor itself resets the machine. */
    __asm__ volatile("lidt %0; int3" : : "m"(no_table) : "memory");
    stand();
}

static void sleep_type(uint16_t type)
{
    box_out16(pm_base + PM1_CONTROL, (uint16_t)(PM1_SLEEP_ENABLE | type << PM1_SLEEP_TYPE_SHIFT));
}

__attribute__((noreturn)) void box_poweroff(void)
{
    box_exit(BOX_EXIT_POWEROFF);
    if (pm_base) {
        sleep_type(PIIX4_S5);
        sleep_type(ICH9_S5);
        box_wait_us(OFF_US);
    }
    box_printf("panicbox: the power cannot be switched off here; you may do it now\n");
    stand();
}

bool box_power_button(void)
{
    if (!pm_base || !(box_in16(pm_base + PM1_STATUS) & PM1_POWER_BUTTON))
        return false;
    box_out16(pm_base + PM1_STATUS, PM1_POWER_BUTTON); /* writing it clears it */
    return true;
}
