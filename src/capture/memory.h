/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How much memory a crash kernel has, and how much of it this program took. */
#ifndef PND_CAPTURE_MEMORY_H
#define PND_CAPTURE_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

/* What can be had without something else being thrown out. @source proc(5), MemAvailable
 *   @return false: /proc does not tell */
bool pnd_memory_available(uint64_t *ret_bytes);

/* The most that this process has had at a time, VmHWM. @return false: /proc does not tell */
bool pnd_memory_used_max(uint64_t *ret_bytes);

#endif
