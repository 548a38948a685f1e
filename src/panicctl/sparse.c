/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Writing with holes; see sparse.h. */
#include "panicctl/sparse.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum { HOLE_LEN = 4096 }; /* zeros of this length and alignment are left out */

int pnd_sparse_failed(const struct pnd_sparse *to, struct pnd_why *why)
{
    int err = errno == ENOSPC || errno == EDQUOT ? PND_E_NOSPACE : PND_E_SYS;

    return pnd_why(why, err, errno, "write the copy at byte %" PRIu64, to->at);
}

int pnd_sparse_write_all(struct pnd_sparse *to, const uint8_t *data, size_t len,
                         struct pnd_why *why)
{
    while (len > 0) {
        ssize_t n = to->holes ? pwrite(to->fd, data, len, (off_t)to->at) : write(to->fd, data, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return pnd_sparse_failed(to, why);
        data += n;
        len -= (size_t)n;
        to->at += (uint64_t)n;
    }
    return PND_OK;
}

static bool all_zero(const uint8_t *data, size_t len)
{
    return len > 0 && data[0] == 0 && memcmp(data, data + 1, len - 1) == 0;
}

/* @return how much of @p data, which goes to @p at, comes before the first block of zeros */
static size_t until_zeros(uint64_t at, const uint8_t *data, size_t len)
{
    size_t full = 0;

    while (full < len) {
        size_t part = HOLE_LEN - (at + full) % HOLE_LEN;

        if (part == HOLE_LEN && len - full >= part && all_zero(data + full, part))
            return full;
        full += part < len - full ? part : len - full;
    }
    return full;
}

/* Zeros become holes, where there can be some. */
int pnd_sparse_write(struct pnd_sparse *to, const uint8_t *data, size_t len, struct pnd_why *why)
{
    while (to->holes && len > 0) {
        size_t full = until_zeros(to->at, data, len);
        int err = pnd_sparse_write_all(to, data, full, why);

        if (err)
            return err;
        data += full;
        len -= full;
        if (len > 0) { /* a block of zeros is next */
            to->at += HOLE_LEN;
            data += HOLE_LEN;
            len -= HOLE_LEN;
        }
    }
    return pnd_sparse_write_all(to, data, len, why);
}

/* A hole at the end is only the size. */
int pnd_sparse_finish(struct pnd_sparse *to, uint64_t *ret_bytes, struct pnd_why *why)
{
    if (to->holes && ftruncate(to->fd, (off_t)to->at) != 0)
        return pnd_sparse_failed(to, why);
    *ret_bytes = to->at;
    return PND_OK;
}
