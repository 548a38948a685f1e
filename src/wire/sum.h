/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The sum that proves that a dump arrived as it was sent. It is linear: parts of a dump may be
 * summed in any order, in any pieces, by several parties, as long as every byte is counted once;
 * zeros count nothing. No defence against somebody who means harm.
 * PROTOCOL.md#kdp-12.4. Freestanding. */
#ifndef PND_WIRE_SUM_H
#define PND_WIRE_SUM_H

#include <stddef.h>
#include <stdint.h>

/* @return what the @p len bytes of @p buf, which stand at @p offset of the dump, add to its sum;
 *         add them with +, modulo 2^64 */
uint64_t pnd_sum(uint64_t offset, const void *buf, size_t len);

#endif
