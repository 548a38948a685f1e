/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Does a gzip member start here? Freestanding; what inflates it is inspect's.
 * @source RFC 1952, 2.3; PROTOCOL.md#kdp-6.4 */
#ifndef PND_IMAGE_GZIP_HEADER_H
#define PND_IMAGE_GZIP_HEADER_H

#include <stdbool.h>
#include <stddef.h>

enum {
    PND_GZIP_MAGIC_LEN = 3, /* ID1, ID2 and the method, which is always deflate */
    PND_GZIP_HEADER_LEN = 10,
};

/* @return true when the first PND_GZIP_MAGIC_LEN of @p len bytes are those of a gzip member, and
 *         its flags, when they are there too, have no reserved bit set */
bool pnd_gzip_is(const void *head, size_t len);

#endif
