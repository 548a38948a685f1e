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

#include "host/io.h"
#include "image/gzip_header.h"
#include "inspect/reshape.h"
#include "panicctl/sparse.h"

enum {
    BLOCK_LEN = 1 << 20,
    RANGE_LEN = 64 << 20, /* at most this much between two looks at the progress */
};

struct sink {
    const struct pnd_copy *copy;
    struct pnd_sparse to;
    uint64_t highest; /* the end of what was written */
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
        ssize_t n = pnd_io_read_at(sink->copy->in, start, buf, want);
        int err;

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

/* ---- unpacking ---- */

/* What was written before is not left out where it becomes zero. */
static int take(void *ctx, const void *data, size_t len, uint64_t done)
{
    struct sink *sink = ctx;
    int err = sink->to.at < sink->highest ? pnd_sparse_write_all(&sink->to, data, len, sink->why)
                                          : pnd_sparse_write(&sink->to, data, len, sink->why);

    sink->highest = sink->to.at > sink->highest ? sink->to.at : sink->highest;
    pnd_progress_update(sink->copy->progress, done);
    if (!err && sink->copy->ended && *sink->copy->ended)
        err = pnd_why(sink->why, PND_E_ABORTED, 0, "ended by a signal");
    return err;
}

static int go_to(void *ctx, uint64_t at, uint64_t done)
{
    struct sink *sink = ctx;

    (void)done;
    if (!sink->to.holes)
        return pnd_why(sink->why, PND_E_ARG, 0,
                       "the dump is flattened, and is put in order in a file only: name one with "
                       "-o");
    sink->to.at = at;
    return PND_OK;
}

bool pnd_copy_packing(int fd, enum pnd_unpack_packing *ret)
{
    uint8_t head[16];
    ssize_t n = pread(fd, head, sizeof(head), 0);

    return pnd_copy_packing_of(head, n > 0 ? (size_t)n : 0, ret);
}

bool pnd_copy_packing_of(const uint8_t *head, size_t len, enum pnd_unpack_packing *ret)
{
    *ret = pnd_gzip_is(head, len)                                 ? PND_UNPACK_GZIP
           : len >= 4 && memcmp(head, "\x28\xb5\x2f\xfd", 4) == 0 ? PND_UNPACK_ZSTD
           : len >= 4 && memcmp(head, "\x04\x22\x4d\x18", 4) == 0 ? PND_UNPACK_LZ4_FRAME
                                                                  : PND_UNPACK_RAW;
    return *ret != PND_UNPACK_RAW || pnd_reshape_is_flattened(head, len);
}

int pnd_copy_unpacked(const struct pnd_copy *copy, enum pnd_unpack_form form, uint64_t *ret_bytes,
                      struct pnd_why *why)
{
    struct sink sink = {.copy = copy, .to = {.fd = copy->out, .holes = copy->sparse}, .why = why};
    struct pnd_unpack_sink to = {.ctx = &sink, .write = take, .seek = go_to};
    struct pnd_unpack_job job = {.form = form, .packing = copy->packing, .key = copy->key};
    struct pnd_why cause = {0};
    struct stat st;
    uint64_t at;
    int err, end;

    if (fstat(copy->in, &st) != 0)
        return read_failed(&sink, 0);
    job.length = (uint64_t)st.st_size;
    if (!copy->key)
        pnd_copy_packing(copy->in, &job.packing);
    err = pnd_unpack_caged(copy->in, &job, &to, &at, &cause);
    if (cause.text[0] && err == PND_E_FORMAT)
        pnd_why(why, err, 0, "the dump is damaged at byte %" PRIu64 ": %s", at, cause.text);
    else if (cause.text[0]) /* else take() has said why */
        pnd_why(why, err, 0, "%s", cause.text);
    if (err == PND_OK || err == PND_E_SHORT || err == PND_E_FORMAT) {
        sink.to.at = sink.highest > sink.to.at ? sink.highest : sink.to.at;
        end = pnd_sparse_finish(&sink.to, ret_bytes, why);
        err = end ? end : err;
    }
    return err;
}
