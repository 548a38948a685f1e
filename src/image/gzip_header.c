/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The start of a gzip member; see gzip_header.h. */
#include "image/gzip_header.h"

#include "wire/cursor.h"

enum { FLAGS_RESERVED = 0xe0 };

bool pnd_gzip_is(const void *head, size_t len)
{
    static const uint8_t magic[PND_GZIP_MAGIC_LEN] = {0x1f, 0x8b, 8};
    struct pnd_rd rd = pnd_rd(head, len);
    const uint8_t *start = pnd_rd_bytes(&rd, sizeof(magic));

    if (!start || memcmp(start, magic, sizeof(magic)) != 0)
        return false;
    return (pnd_rd_u8(&rd) & FLAGS_RESERVED) == 0; /* 0 when it is not there */
}
