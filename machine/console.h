/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The console: the first serial line, polled. What is printed is also kept, for the corefile. */
#ifndef BOX_CONSOLE_H
#define BOX_CONSOLE_H

#include <stddef.h>
#include <stdint.h>

void box_console_init(void);
void box_print(const char *text, size_t len);
void box_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Messages of drivers (kprintf): printed with DB_KPRT or -v, dropped otherwise. */
void box_kprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void box_console_verbose(int on);

/* @return a byte that was typed, or -1 */
int box_key(void);

/* The system log: what was printed while nothing was wrong, the last 16 KiB, as a ring whose older
 * part comes first. It is not in work memory, and stands still in a panic.
 * @return part 0 or 1; NULL: there is no such part */
const void *box_system_log(unsigned part, size_t *ret_len);

/* What was printed since box_console_mark(), at most the last 16 KiB; in work memory. */
void box_console_mark(void);
const void *box_console_printed(size_t *ret_len);

#endif
