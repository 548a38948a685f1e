/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes as a stream, in pieces of any size: no byte of the file lies behind the limit, and it
 * is the same in one piece. The first byte says how the rest is cut. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "panicctl/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { FILE_MAX = 256 << 10 };

static uint8_t one[FILE_MAX], other[FILE_MAX];

/* @return what the two calls returned, as one number */
static int receive(const uint8_t *data, size_t len, size_t piece, uint8_t *ret, uint64_t *ret_bytes)
{
    int fd = memfd_create("stream", 0), err = PND_OK, end;
    struct pnd_stream_file *file;
    struct pnd_why why;
    struct stat st;

    if (fd < 0 || pnd_stream_file_create(fd, false, FILE_MAX, 0, NULL, &file))
        abort();
    for (size_t at = 0; at < len && !err; at += piece)
        err = pnd_stream_file_write(file, data + at, len - at < piece ? len - at : piece, &why);
    end = pnd_stream_file_finish(file, ret_bytes, &why);
    pnd_stream_file_destroy(file);
    if (fstat(fd, &st) != 0 || (uint64_t)st.st_size != *ret_bytes || *ret_bytes > FILE_MAX)
        abort();
    memset(ret, 0, FILE_MAX);
    if (pread(fd, ret, FILE_MAX, 0) != (ssize_t)*ret_bytes)
        abort();
    close(fd);
    return err * 256 + end;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint64_t one_bytes, other_bytes;
    int result;

    if (len < 2)
        return 0;
    result = receive(data + 1, len - 1, len, one, &one_bytes);
    if (result == PND_OK && one_bytes == 0)
        abort();
    /* A limit is met by the piece that crosses it, so that only what succeeds must be the same. */
    if (receive(data + 1, len - 1, (size_t)data[0] + 1, other, &other_bytes) / 256 == PND_OK &&
        result / 256 == PND_OK && (one_bytes != other_bytes || memcmp(one, other, FILE_MAX) != 0))
        abort();
    return 0;
}
