/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the example takes from a kernel (hw_), and what it gives it (embed_). */
#ifndef EMBED_H
#define EMBED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panicd/panic.h"

/* Yours. All of them are called in a panic, with interrupts off: they poll, and never sleep. */
void hw_console_write(const char *text, size_t len);
uint64_t hw_time_us(void); /* goes only forward */
extern const uint8_t hw_nic_mac[6];
int hw_nic_transmit(const void *frame, size_t len); /* 0, or the ring is full */
size_t hw_nic_poll(void *frame, size_t cap);        /* length of the next frame; 0: none came */
/* RAM, block by block, in ascending order of virtual address. @return false: there is no more */
bool hw_memory_block(unsigned index, uint64_t *ret_virtual, uint64_t *ret_physical,
                     uint64_t *ret_len);
const void *hw_memory_page(uint64_t address); /* NULL: it cannot be read */
__attribute__((noreturn)) void hw_reboot(void);
__attribute__((noreturn)) void hw_halt(void);

/* Call the first when memory and the NIC are there, the second when the network is, and the last
 * from panic(), from the trap handler, and from there again for a fault within it. */
int embed_boot(const char *boot_args);
void embed_network_is_up(uint32_t own_ip, const uint8_t gateway_mac[6]);
void embed_panic(const char *log, size_t log_len, const struct pnd_regs_x86_64 *regs);

#endif
