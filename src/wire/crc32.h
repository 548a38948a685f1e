/* SPDX-License-Identifier: BSD-2-Clause
 *
 * CRC-32 as in Ethernet, gzip and GPT (polynomial 0x04c11db7, reflected). Freestanding. */
#ifndef PND_WIRE_CRC32_H
#define PND_WIRE_CRC32_H

#include <stddef.h>
#include <stdint.h>

/*   @param crc  0, or what the bytes before gave */
uint32_t pnd_crc32(uint32_t crc, const void *buf, size_t len);

#endif
