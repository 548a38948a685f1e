/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Copying out; see copy.h. */
#include "panicctl/copy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include "image/gzip_header.h"
#include "panicctl/sparse.h"

enum {
    BLOCK_LEN = 1 << 20,
    RANGE_LEN = 64 << 20, /* at most this much between two looks at the progress */
    WINDOW_BITS_GZIP = 15 + 16,
};

struct sink {
    const struct pnd_copy *copy;
    struct pnd_sparse to;
    struct pnd_why *why;
};

static int read_failed(struct sink *sink, uint64_t at)
{
    return pnd_why(sink->why, PND_E_SYS, errno, "read the dump at byte %" PRIu64, at);
}

/* [start, end) through this process. @return PND_OK, also at an early end of the file */
static int copy_through(struct sink *sink, uint8_t *buf, uint64_t start, uint64_t end)
{
    while (start < end) {
        size_t want = end - start < BLOCK_LEN ? (size_t)(end - start) : BLOCK_LEN;
        ssize_t n = pread(sink->copy->in, buf, want, (off_t)start);
        int err;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return read_failed(sink, start);
        if (n == 0)
            return PND_OK;
        err = pnd_sparse_write_all(&sink->to, buf, (size_t)n, sink->why);
        if (err)
            return err;
        start += (uint64_t)n;
        pnd_progress_update(sink->copy->progress, start);
    }
    return PND_OK;
}

/* [start, end) by the kernel, which may share the blocks; what it will not do is copied here. */
static int copy_range(struct sink *sink, uint8_t *buf, uint64_t start, uint64_t end)
{
    while (start < end) {
        off_t in = (off_t)start, out = (off_t)start;
        size_t want = end - start < RANGE_LEN ? (size_t)(end - start) : RANGE_LEN;
        ssize_t n = copy_file_range(sink->copy->in, &in, sink->copy->out, &out, want, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
            return pnd_sparse_failed(&sink->to, sink->why);
        if (n <= 0)
            break;
        start += (uint64_t)n;
        sink->to.at = start;
        pnd_progress_update(sink->copy->progress, start);
    }
    sink->to.at = start;
    return copy_through(sink, buf, start, end);
}

/* Data by data, over the holes. */
static int copy_extents(struct sink *sink, uint8_t *buf, uint64_t size)
{
    uint64_t at = 0;

    while (at < size) {
        off_t data = lseek(sink->copy->in, (off_t)at, SEEK_DATA), hole;
        int err;

        if (data < 0 && errno == ENXIO)
            break;
        if (data < 0) /* a file system without holes */
            return copy_range(sink, buf, at, size);
        hole = lseek(sink->copy->in, data, SEEK_HOLE);
        if (hole <= data)
            hole = (off_t)size;
        sink->to.at = (uint64_t)data;
        err = copy_range(sink, buf, (uint64_t)data, (uint64_t)hole < size ? (uint64_t)hole : size);
        if (err)
            return err;
        at = (uint64_t)hole;
    }
    sink->to.at = size;
    return PND_OK;
}

int pnd_copy_plain(const struct pnd_copy *copy, uint64_t *ret_bytes, struct pnd_why *why)
{
    struct sink sink = {.copy = copy, .to = {.fd = copy->out, .holes = copy->sparse}, .why = why};
    uint8_t *buf = malloc(BLOCK_LEN);
    struct stat st;
    int err;

    if (!buf)
        return pnd_why(why, PND_E_SYS, ENOMEM, "make a buffer");
    if (fstat(copy->in, &st) != 0)
        err = read_failed(&sink, 0);
    else if (copy->sparse)
        err = copy_extents(&sink, buf, (uint64_t)st.st_size);
    else
        err = copy_through(&sink, buf, 0, UINT64_MAX);
    if (!err)
        err = pnd_sparse_finish(&sink.to, ret_bytes, why);
    free(buf);
    return err;
}

/* ---- inflating ---- */

struct inflater {
    struct sink sink;
    z_stream z;
    uint8_t *in, *out;
    uint64_t read_bytes;
    bool eof;
};

/* Keeps what is left and reads behind it. */
static int refill(struct inflater *inf)
{
    ssize_t n = 0;

    memmove(inf->in, inf->z.next_in, inf->z.avail_in);
    do
        n = read(inf->sink.copy->in, inf->in + inf->z.avail_in, BLOCK_LEN - inf->z.avail_in);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return read_failed(&inf->sink, inf->read_bytes);
    inf->eof = n == 0;
    inf->read_bytes += (uint64_t)n;
    inf->z.next_in = inf->in;
    inf->z.avail_in += (uInt)n;
    pnd_progress_update(inf->sink.copy->progress, inf->read_bytes);
    return PND_OK;
}

/* One member. @return PND_OK at its end; PND_E_SHORT; PND_E_FORMAT; PND_E_NOSPACE; PND_E_SYS */
static int inflate_member(struct inflater *inf)
{
    struct pnd_why *why = inf->sink.why;

    for (;;) {
        int z, err = PND_OK;

        if (inf->z.avail_in == 0 && !inf->eof)
            err = refill(inf);
        if (err)
            return err;
        inf->z.next_out = inf->out;
        inf->z.avail_out = BLOCK_LEN;
        z = inflate(&inf->z, Z_NO_FLUSH);
        err = pnd_sparse_write(&inf->sink.to, inf->out, BLOCK_LEN - inf->z.avail_out, why);
        if (err)
            return err;
        if (z == Z_STREAM_END)
            return PND_OK;
        if (z == Z_BUF_ERROR && inf->eof)
            return pnd_why(why, PND_E_SHORT, 0, "the compressed data ends too early");
        if (z != Z_OK && z != Z_BUF_ERROR)
            return pnd_why(
                why, PND_E_FORMAT, 0, "the compressed data is damaged at byte %" PRIu64 " (%s)",
                inf->read_bytes - inf->z.avail_in, inf->z.msg ? inf->z.msg : "zlib refuses it");
    }
}

static int inflate_all(struct inflater *inf)
{
    int err;

    do {
        err = inflate_member(inf);
        if (!err && inf->z.avail_in < PND_GZIP_HEADER_LEN && !inf->eof)
            err = refill(inf);
    } while (!err && pnd_gzip_is(inf->z.next_in, inf->z.avail_in) && inflateReset(&inf->z) == Z_OK);
    return err;
}

int pnd_copy_inflated(const struct pnd_copy *copy, uint64_t *ret_bytes, struct pnd_why *why)
{
    struct inflater inf = {
        .sink = {.copy = copy, .to = {.fd = copy->out, .holes = copy->sparse}, .why = why}};
    int err, end;

    inf.in = malloc(BLOCK_LEN);
    inf.out = malloc(BLOCK_LEN);
    inf.z.next_in = inf.in;
    if (!inf.in || !inf.out || inflateInit2(&inf.z, WINDOW_BITS_GZIP) != Z_OK) {
        free(inf.in);
        free(inf.out);
        return pnd_why(why, PND_E_SYS, ENOMEM, "make buffers to inflate");
    }
    err = lseek(copy->in, 0, SEEK_SET) == 0 ? inflate_all(&inf) : read_failed(&inf.sink, 0);
    if (err == PND_OK || err == PND_E_SHORT || err == PND_E_FORMAT) {
        end = pnd_sparse_finish(&inf.sink.to, ret_bytes, why);
        err = end ? end : err;
    }
    inflateEnd(&inf.z);
    free(inf.in);
    free(inf.out);
    return err;
}
