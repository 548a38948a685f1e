/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Unpacking, from start to end; see unpack.h. */
#include "inspect/unpack.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lz4.h>
#include <zlib.h>

#include "host/io.h"
#include "image/gzip_header.h"
#include "inspect/packed.h"
#include "inspect/reshape.h"
#include "wire/cursor.h"

enum {
    IN_CAP = 2 << 20, /* holds the longest block of LZ4 with its header */
    WINDOW = 64 << 10,
    OUT_CAP = WINDOW + PND_UNPACK_BLOCK_MAX,
    PIECE = 256 << 10,
    MAGIC_LEN = 4,
    STORED_HEADER = MAGIC_LEN + 4,
    PACKED_HEADER = MAGIC_LEN + 4 + 4,
    WINDOW_BITS_GZIP = 15 + 16,
};

_Static_assert(PACKED_HEADER + LZ4_COMPRESSBOUND(PND_UNPACK_BLOCK_MAX) <= IN_CAP, "a block fits");
_Static_assert((int)PIECE <= (int)PND_UNPACK_PIECE_MAX, "as the header says");

struct unpacker {
    const struct pnd_unpack_source *source;
    const struct pnd_unpack_job *job;
    const struct pnd_unpack_sink *sink;
    struct pnd_why *why;
    uint64_t read_bytes; /* of the job: read so far */
    size_t at, len;      /* what of it is in @p in, and not yet used */
    bool cut;            /* the source has ended before the job */
    uint8_t *in, *out;
};

/* Bytes of the job that are used up. */
static uint64_t position(const struct unpacker *un)
{
    return un->read_bytes - (un->len - un->at);
}

static size_t left(const struct unpacker *un)
{
    return un->len - un->at;
}

/* At least @p want bytes at hand, or all that there are; more where it costs nothing.
 *   @return PND_OK; PND_E_SOURCE */
static int fill(struct unpacker *un, size_t want)
{
    if (left(un) >= want)
        return PND_OK;
    memmove(un->in, un->in + un->at, left(un));
    un->len = left(un);
    un->at = 0;
    while (un->len < want && un->read_bytes < un->job->length && !un->cut) {
        uint64_t rest = un->job->length - un->read_bytes;
        size_t room = IN_CAP - un->len, part = room < PIECE ? room : PIECE;
        long n = un->source->read(un->source->ctx, un->job->offset + un->read_bytes,
                                  un->in + un->len, rest < part ? (size_t)rest : part);

        if (n < 0)
            return pnd_why(un->why, PND_E_SOURCE, errno, "read the source at byte %" PRIu64,
                           un->job->offset + un->read_bytes);
        un->cut = n == 0;
        un->len += (size_t)n;
        un->read_bytes += (uint64_t)n;
    }
    return PND_OK;
}

static int ends_early(struct unpacker *un)
{
    if (un->cut)
        return pnd_why(un->why, PND_E_SHORT, 0,
                       "the source ends within it, after %" PRIu64 " of %" PRIu64 " bytes",
                       un->read_bytes, un->job->length);
    return pnd_why(un->why, PND_E_SHORT, 0, "the packed bytes end too early");
}

static int put(struct unpacker *un, const void *data, size_t len)
{
    return len ? un->sink->write(un->sink->ctx, data, len, position(un)) : PND_OK;
}

/* Behind the end of what is packed there may be zeros, for the sake of a boundary. */
static int expect_zeros(struct unpacker *un)
{
    for (;;) {
        int err = fill(un, 1);

        if (err)
            return err;
        if (left(un) == 0)
            return PND_OK;
        for (; un->at < un->len; un->at++) {
            if (un->in[un->at] != 0)
                return pnd_why(un->why, PND_E_FORMAT, 0,
                               "something else follows the end of what is packed");
        }
    }
}

static int copy_raw(struct unpacker *un)
{
    while (position(un) < un->job->length) {
        size_t part;
        int err = fill(un, 1);

        if (err)
            return err;
        part = left(un);
        if (part == 0)
            return ends_early(un);
        un->at += part;
        err = put(un, un->in + un->at - part, part);
        if (err)
            return err;
    }
    return PND_OK;
}

/* ---- gzip ---- */

static int put_inflated(struct unpacker *un, z_stream *z)
{
    int err = put(un, un->out, PIECE - z->avail_out);

    z->next_out = un->out;
    z->avail_out = PIECE;
    return err;
}

/* One member. What comes out is handed on in whole pieces, so that their zeros can be holes.
 *   @return PND_OK at its end */
static int inflate_member(struct unpacker *un, z_stream *z)
{
    for (;;) {
        int end, put_err = PND_OK, err = fill(un, 1);

        if (err == PND_OK) {
            z->next_in = un->in + un->at;
            z->avail_in = (uInt)left(un);
            end = inflate(z, Z_NO_FLUSH);
            un->at = un->len - z->avail_in;
            if (end == Z_STREAM_END)
                return PND_OK;
            if (end == Z_BUF_ERROR && left(un) == 0)
                err = ends_early(un);
            else if (end != Z_OK && end != Z_BUF_ERROR)
                err = pnd_why(un->why, end == Z_MEM_ERROR ? PND_E_SYS : PND_E_FORMAT, 0,
                              "gzip is damaged (%s)", z->msg ? z->msg : "zlib refuses it");
        }
        if (err || z->avail_out == 0)
            put_err = put_inflated(un, z);
        if (err || put_err)
            return put_err ? put_err : err;
    }
}

static int copy_gzip(struct unpacker *un)
{
    z_stream z = {0};
    int err;

    if (inflateInit2(&z, WINDOW_BITS_GZIP) != Z_OK)
        return pnd_why(un->why, PND_E_SYS, ENOMEM, "make a window to inflate");
    z.next_out = un->out;
    z.avail_out = PIECE;
    do {
        err = inflate_member(un, &z);
        if (!err)
            err = fill(un, PND_GZIP_HEADER_LEN);
    } while (!err && pnd_gzip_is(un->in + un->at, left(un)) && inflateReset(&z) == Z_OK);
    if (!err)
        err = put_inflated(un, &z);
    inflateEnd(&z);
    return err ? err : expect_zeros(un);
}

/* ---- frames of zstd, and of LZ4 ---- */

static int frame_failed(struct unpacker *un, enum pnd_packed_kind kind,
                        enum pnd_packed_result result, const char *what)
{
    const char *name = kind == PND_PACKED_ZSTD ? "zstd" : "LZ4";

    if (result == PND_PACKED_NO_MEMORY)
        return pnd_why(un->why, PND_E_SYS, ENOMEM, "make a window for %s", name);
    if (result == PND_PACKED_LARGE)
        return pnd_why(un->why, PND_E_FORMAT, 0, "zstd wants a window of more than 128 MiB");
    return pnd_why(un->why, PND_E_FORMAT, 0, "%s is damaged (%s)", name,
                   what ? what : "it makes no sense");
}

/* One frame. @param filled  bytes in un->out that are not yet handed on */
static int unpack_frame(struct unpacker *un, struct pnd_packed *packed, size_t *filled)
{
    for (;;) {
        struct pnd_packed_io io;
        enum pnd_packed_result result;
        int err = fill(un, 1), put_err = PND_OK;
        bool none = !err && left(un) == 0;

        io = (struct pnd_packed_io){.in = un->in + un->at,
                                    .in_len = left(un),
                                    .out = un->out + *filled,
                                    .out_len = PIECE - *filled};
        result = err ? PND_PACKED_MORE : pnd_packed_step(packed, &io, false);
        un->at = un->len - io.in_len;
        if (!err && none && result == PND_PACKED_MORE && io.out_len == PIECE - *filled)
            err = ends_early(un);
        *filled = PIECE - io.out_len;
        if (!err && result != PND_PACKED_MORE && result != PND_PACKED_BLOCK &&
            result != PND_PACKED_ENDED)
            err = frame_failed(un, packed->kind, result, packed->why);
        if (err || *filled == PIECE) {
            put_err = put(un, un->out, *filled);
            *filled = 0;
        }
        if (err || put_err)
            return put_err ? put_err : err;
        if (result == PND_PACKED_ENDED)
            return PND_OK;
    }
}

static int copy_frames(struct unpacker *un, enum pnd_packed_kind kind)
{
    struct pnd_packed packed = {0};
    size_t filled = 0, magic = pnd_packed_magic_len(kind);
    int err;

    do {
        err = pnd_packed_start(&packed, kind) ? frame_failed(un, kind, PND_PACKED_NO_MEMORY, NULL)
                                              : unpack_frame(un, &packed, &filled);
        if (!err)
            err = fill(un, magic);
    } while (!err && left(un) >= magic && pnd_packed_goes_on(kind, un->in + un->at, left(un)));
    if (!err)
        err = put(un, un->out, filled);
    pnd_packed_deinit(&packed);
    return err ? err : expect_zeros(un);
}

/* ---- LZ4 in Apple's framing ---- */

struct lz4_block {
    bool end, packed;
    uint32_t raw_len, len; /* unpacked, and behind the header */
};

static int lz4_header(struct unpacker *un, struct lz4_block *ret)
{
    int err = fill(un, PACKED_HEADER);
    struct pnd_rd rd = pnd_rd(un->in + un->at, left(un));
    const uint8_t *magic = pnd_rd_bytes(&rd, MAGIC_LEN);

    *ret = (struct lz4_block){0};
    if (err)
        return err;
    if (!magic)
        return ends_early(un);
    ret->end = memcmp(magic, "bv4$", MAGIC_LEN) == 0;
    ret->packed = memcmp(magic, "bv41", MAGIC_LEN) == 0;
    if (!ret->end && !ret->packed && memcmp(magic, "bv4-", MAGIC_LEN) != 0)
        return pnd_why(un->why, PND_E_FORMAT, 0, "LZ4 is damaged (no block begins here)");
    if (!ret->end)
        ret->raw_len = ret->len = pnd_rd_le32(&rd);
    if (ret->packed)
        ret->len = pnd_rd_le32(&rd);
    if (!pnd_rd_ok(&rd))
        return ends_early(un);
    if (ret->raw_len > PND_UNPACK_BLOCK_MAX ||
        ret->len > (uint32_t)LZ4_COMPRESSBOUND(PND_UNPACK_BLOCK_MAX))
        return pnd_why(un->why, PND_E_FORMAT, 0, "LZ4 is damaged (a block of %" PRIu32 " bytes)",
                       ret->raw_len > ret->len ? ret->raw_len : ret->len);
    return PND_OK;
}

/* One block, behind the window: what was unpacked last, of which @p window bytes there are. */
static int lz4_block(struct unpacker *un, const struct lz4_block *block, size_t window)
{
    size_t header = block->packed ? PACKED_HEADER : STORED_HEADER;
    int err = fill(un, header + block->len), n = (int)block->len;
    const uint8_t *data = un->in + un->at + header;
    uint8_t *to = un->out + WINDOW;

    if (err)
        return err;
    if (left(un) < header + block->len)
        return ends_early(un);
    if (block->packed)
        n = LZ4_decompress_safe_usingDict((const char *)data, (char *)to, n, PND_UNPACK_BLOCK_MAX,
                                          (const char *)to - window, (int)window);
    else
        memcpy(to, data, block->len);
    if (n < 0)
        return pnd_why(un->why, PND_E_FORMAT, 0, "LZ4 is damaged (within a block)");
    if ((uint32_t)n != block->raw_len)
        return pnd_why(un->why, PND_E_FORMAT, 0,
                       "LZ4 is damaged (a block of %d bytes says %" PRIu32 ")", n, block->raw_len);
    un->at += header + block->len;
    return put(un, to, block->raw_len);
}

static int copy_lz4(struct unpacker *un)
{
    size_t window = 0;

    for (;;) {
        struct lz4_block block;
        int err = lz4_header(un, &block);

        if (!err && block.end) {
            un->at += MAGIC_LEN;
            return expect_zeros(un);
        }
        if (!err)
            err = lz4_block(un, &block, window);
        if (err)
            return err;
        memmove(un->out, un->out + block.raw_len, WINDOW);
        window = window + block.raw_len < WINDOW ? window + block.raw_len : WINDOW;
    }
}

/* AS_IS. */
static int unpack_content(const struct pnd_unpack_source *source, const struct pnd_unpack_job *job,
                          const struct pnd_unpack_sink *sink, uint64_t *ret_at, struct pnd_why *why)
{
    struct unpacker un = {.source = source, .job = job, .sink = sink, .why = why};
    int err;

    un.in = malloc(IN_CAP);
    un.out = calloc(1, OUT_CAP);
    if (!un.in || !un.out)
        err = pnd_why(why, PND_E_SYS, ENOMEM, "make buffers to unpack");
    else if (job->packing == PND_UNPACK_GZIP)
        err = copy_gzip(&un);
    else if (job->packing == PND_UNPACK_ZSTD)
        err = copy_frames(&un, PND_PACKED_ZSTD);
    else if (job->packing == PND_UNPACK_LZ4_FRAME)
        err = copy_frames(&un, PND_PACKED_LZ4);
    else if (job->packing == PND_UNPACK_LZ4)
        err = copy_lz4(&un);
    else
        err = copy_raw(&un);
    *ret_at = position(&un);
    free(un.in);
    free(un.out);
    return err;
}

int pnd_unpack_from(const struct pnd_unpack_source *source, const struct pnd_unpack_job *job,
                    const struct pnd_unpack_sink *sink, uint64_t *ret_at, struct pnd_why *why)
{
    struct pnd_unpack_sink reshaping = {.write = pnd_reshape_write};
    struct pnd_reshape *reshape;
    int err;

    if (job->form == PND_UNPACK_AS_IS)
        return unpack_content(source, job, sink, ret_at, why);
    *ret_at = 0;
    err = pnd_reshape_create(job->form, sink, why, &reshape);
    if (err)
        return err;
    reshaping.ctx = reshape;
    err = unpack_content(source, job, &reshaping, ret_at, why);
    if (!err)
        err = pnd_reshape_finish(reshape, *ret_at);
    pnd_reshape_destroy(reshape);
    return err;
}

static long read_fd(void *ctx, uint64_t offset, void *buf, size_t len)
{
    const int *fd = ctx;

    return pnd_io_read_at(*fd, offset, buf, len);
}

int pnd_unpack_decrypted(struct pnd_decrypt *decrypt, const struct pnd_unpack_job *job,
                         const struct pnd_unpack_sink *sink, uint64_t *ret_at, struct pnd_why *why)
{
    const struct pnd_unpack_source source = {.ctx = decrypt, .read = pnd_decrypt_read};
    int err = pnd_unpack_from(&source, job, sink, ret_at, why);

    if (err == PND_E_SHORT && pnd_decrypt_odd(decrypt))
        return pnd_why(why, err, 0,
                       "it was cut off within a block of the cipher, of which %u bytes are there",
                       pnd_decrypt_odd(decrypt));
    return err;
}

int pnd_unpack(int fd, const struct pnd_unpack_job *job, const struct pnd_unpack_sink *sink,
               uint64_t *ret_at, struct pnd_why *why)
{
    const struct pnd_unpack_source source = {.ctx = &fd, .read = read_fd};
    struct pnd_decrypt *decrypt;
    int err;

    if (!job->key)
        return pnd_unpack_from(&source, job, sink, ret_at, why);
    *ret_at = 0;
    err = pnd_decrypt_create(fd, job->offset, job->length, job->key, &decrypt, why);
    if (err)
        return err;
    err = pnd_unpack_decrypted(decrypt, job, sink, ret_at, why);
    pnd_decrypt_destroy(decrypt);
    return err;
}
