/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames of zstd by their headers, for those that cannot be unpacked here; see packed.h.
 * @source RFC 8878, 3.1.1 and 3.1.2 */
#include "inspect/packed.h"

#include <errno.h>
#include <unistd.h>

#include "host/io.h"
#include "wire/cursor.h"

enum {
    MAGIC_LEN = 4,
    BLOCK_HEAD = 3,
    CHECKSUM_LEN = 4,
    BLOCK_RLE = 1,
    BLOCK_RESERVED = 3,
};

#define ZSTD_SKIP_MAGIC UINT32_C(0x184d2a50)

/* @return bytes read: fewer at the end of what there is; -1 with errno */
static ssize_t read_at(int fd, uint64_t at, uint64_t end, uint8_t *buf, size_t len)
{
    return pnd_io_read_at(fd, at, buf, end - at < len ? (size_t)(end - at) : len);
}

/* @param first  the byte behind the magic. @return bytes of the header, with the magic */
static unsigned header_len(uint8_t first)
{
    static const uint8_t dictionary[] = {0, 1, 2, 4}, size[] = {0, 2, 4, 8};
    unsigned single = first >> 5 & 1, of_size = size[first >> 6];

    return MAGIC_LEN + 1 + !single + dictionary[first & 3] + (of_size == 0 && single ? 1 : of_size);
}

/* @p ret_at is behind the header of a frame, and will be behind the frame. */
static enum pnd_packed_result walk_blocks(int fd, uint64_t end, bool checksum, uint64_t *ret_at)
{
    uint8_t head[BLOCK_HEAD];
    bool last = false;

    while (!last) {
        struct pnd_rd rd = pnd_rd(head, sizeof(head));
        uint32_t block;

        if (*ret_at > end || read_at(fd, *ret_at, end, head, BLOCK_HEAD) != BLOCK_HEAD)
            return PND_PACKED_MORE;
        block = (uint32_t)pnd_rd_le(&rd, BLOCK_HEAD);
        if ((block >> 1 & 3) == BLOCK_RESERVED)
            return PND_PACKED_BAD;
        *ret_at += BLOCK_HEAD + ((block >> 1 & 3) == BLOCK_RLE ? 1 : block >> 3);
        last = block & 1;
    }
    *ret_at += checksum ? CHECKSUM_LEN : 0;
    return *ret_at <= end ? PND_PACKED_ENDED : PND_PACKED_MORE;
}

enum pnd_packed_result pnd_packed_walk_zstd(int fd, uint64_t start, uint64_t end, uint64_t *ret_at)
{
    enum pnd_packed_result result = PND_PACKED_ENDED;

    *ret_at = start;
    while (result == PND_PACKED_ENDED && *ret_at < end) {
        uint8_t head[MAGIC_LEN + 4] = {0};
        struct pnd_rd rd = pnd_rd(head, sizeof(head));
        ssize_t n = read_at(fd, *ret_at, end, head, sizeof(head));
        uint32_t magic = pnd_rd_le32(&rd);

        if (n < MAGIC_LEN || !pnd_packed_goes_on(PND_PACKED_ZSTD, head, MAGIC_LEN))
            break; /* what follows does not belong to it */
        if ((magic & UINT32_C(0xfffffff0)) == ZSTD_SKIP_MAGIC) {
            *ret_at += sizeof(head) + (uint64_t)pnd_rd_le32(&rd);
            result = *ret_at <= end ? PND_PACKED_ENDED : PND_PACKED_MORE;
            continue;
        }
        *ret_at += header_len(head[MAGIC_LEN]);
        result = walk_blocks(fd, end, head[MAGIC_LEN] >> 2 & 1, ret_at);
    }
    return result;
}
