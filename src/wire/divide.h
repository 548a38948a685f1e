/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Division of 64 bits, which on 32-bit machines the compiler takes from a library. Freestanding. */
#ifndef PND_WIRE_DIVIDE_H
#define PND_WIRE_DIVIDE_H

#include <stdint.h>

/* @p number / @p by; by 0 it is 0, and so is the rest. */
uint64_t pnd_divide(uint64_t number, uint64_t by, uint64_t *ret_rest);

#endif
