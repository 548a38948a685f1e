/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where the machine begins, and where it ends up. */
#ifndef BOX_MAIN_H
#define BOX_MAIN_H

#include <stdint.h>

/* boot.S comes here. @param start_info  of PVH, physical */
__attribute__((noreturn)) void box_main(uint64_t start_info);

/* Waits to be told something; says once a second that it is alive. */
__attribute__((noreturn)) void box_idle(void);

#endif
