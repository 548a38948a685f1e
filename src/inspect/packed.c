/* SPDX-License-Identifier: BSD-2-Clause
 *
 * gzip and zstd, and which kind it is; see packed.h. */
#include "inspect/packed.h"

#include <stdlib.h>
#include <string.h>

#include <zstd_errors.h>

#include "image/gzip_header.h"
#include "wire/cursor.h"

enum {
    BITS_GZIP = 15 + 16, /* zlib: any window, gzip framing */
    BITS_RAW = -15,
    TRAILER_LEN = 8, /* CRC-32 and length */
    MAGIC_LEN = 4,   /* of zstd, and of LZ4 */
    ZSTD_PIECE = 16 << 10,

    /* z_stream.data_type after Z_BLOCK */
    AT_BLOCK = 128,
    IN_LAST_BLOCK = 64,
};

#define ZSTD_MAGIC      UINT32_C(0xfd2fb528)
#define ZSTD_SKIP_MAGIC UINT32_C(0x184d2a50) /* and the 15 after it */

static bool is_zstd(const void *head, size_t len, bool skippable)
{
    struct pnd_rd rd = pnd_rd(head, len);
    uint32_t magic = pnd_rd_le32(&rd);

    if (!pnd_rd_ok(&rd))
        return false;
    return magic == ZSTD_MAGIC || (skippable && (magic & UINT32_C(0xfffffff0)) == ZSTD_SKIP_MAGIC);
}

enum pnd_packed_kind pnd_packed_find(const void *head, size_t len)
{
    if (pnd_gzip_is(head, len))
        return PND_PACKED_GZIP;
    if (pnd_packed_lz4_is(head, len, false))
        return PND_PACKED_LZ4;
    return is_zstd(head, len, false) ? PND_PACKED_ZSTD : PND_PACKED_NONE;
}

bool pnd_packed_goes_on(enum pnd_packed_kind kind, const void *head, size_t len)
{
    if (kind == PND_PACKED_LZ4)
        return pnd_packed_lz4_is(head, len, true);
    return kind == PND_PACKED_GZIP ? pnd_gzip_is(head, len) : is_zstd(head, len, true);
}

size_t pnd_packed_magic_len(enum pnd_packed_kind kind)
{
    return kind == PND_PACKED_GZIP ? (size_t)PND_GZIP_MAGIC_LEN : (size_t)MAGIC_LEN;
}

void pnd_packed_deinit(struct pnd_packed *packed)
{
    if (packed->z_ready)
        inflateEnd(&packed->z);
    ZSTD_freeDCtx(packed->zstd);
    LZ4F_freeDecompressionContext(packed->lz4.dctx);
    *packed = (struct pnd_packed){0};
}

static int start_zlib(struct pnd_packed *packed, int bits)
{
    int z = packed->z_ready ? inflateReset2(&packed->z, bits) : inflateInit2(&packed->z, bits);

    packed->z_ready |= z == Z_OK;
    packed->raw = bits < 0;
    packed->trailer_left = 0;
    return z == Z_OK ? PND_OK : PND_E_SYS;
}

static int start_zstd(struct pnd_packed *packed)
{
    if (!packed->zstd)
        packed->zstd = ZSTD_createDCtx();
    if (!packed->zstd)
        return PND_E_SYS;
    ZSTD_DCtx_reset(packed->zstd, ZSTD_reset_session_only);
    return PND_OK;
}

int pnd_packed_start(struct pnd_packed *packed, enum pnd_packed_kind kind)
{
    packed->kind = kind;
    if (kind == PND_PACKED_LZ4)
        return pnd_packed_lz4_start(packed);
    return kind == PND_PACKED_GZIP ? start_zlib(packed, BITS_GZIP) : start_zstd(packed);
}

int pnd_packed_resume(struct pnd_packed *packed, enum pnd_packed_kind kind,
                      const struct pnd_packed_point *point)
{
    int err;

    packed->kind = kind;
    if (point->lz4_flg)
        return pnd_packed_lz4_resume(packed, point);
    if (!point->window)
        return pnd_packed_start(packed, kind);
    err = start_zlib(packed, BITS_RAW);
    if (err)
        return err;
    if (point->bits &&
        inflatePrime(&packed->z, point->bits, point->byte >> (8 - point->bits)) != Z_OK)
        return PND_E_SYS;
    if (inflateSetDictionary(&packed->z, point->window, point->window_len) != Z_OK)
        return PND_E_SYS;
    packed->last_byte = point->byte;
    return PND_OK;
}

size_t pnd_packed_bytes(const struct pnd_packed *packed)
{
    return packed->zstd ? ZSTD_sizeof_DCtx(packed->zstd) : 0;
}

enum pnd_packed_result pnd_packed_skip_trailer(struct pnd_packed *packed, struct pnd_packed_io *io)
{
    size_t part = packed->trailer_left < io->in_len ? packed->trailer_left : io->in_len;

    io->in += part;
    io->in_len -= part;
    packed->trailer_left -= (unsigned)part;
    return packed->trailer_left ? PND_PACKED_MORE : PND_PACKED_ENDED;
}

static enum pnd_packed_result gzip_result(struct pnd_packed *packed, struct pnd_packed_io *io,
                                          int z, bool to_block)
{
    if (z == Z_MEM_ERROR)
        return PND_PACKED_NO_MEMORY;
    if (z == Z_STREAM_END && packed->raw) {
        packed->trailer_left = TRAILER_LEN;
        return pnd_packed_skip_trailer(packed, io);
    }
    if (z == Z_STREAM_END)
        return PND_PACKED_ENDED;
    if (z != Z_OK && z != Z_BUF_ERROR) {
        packed->why = packed->z.msg ? packed->z.msg : "it asks for a dictionary";
        return PND_PACKED_BAD;
    }
    if (to_block && (packed->z.data_type & AT_BLOCK) && !(packed->z.data_type & IN_LAST_BLOCK))
        return PND_PACKED_BLOCK;
    return PND_PACKED_MORE;
}

static enum pnd_packed_result step_gzip(struct pnd_packed *packed, struct pnd_packed_io *io,
                                        bool to_block)
{
    size_t used;
    int z;

    if (packed->trailer_left)
        return pnd_packed_skip_trailer(packed, io);
    packed->z.next_in = (z_const Bytef *)(uintptr_t)io->in;
    packed->z.avail_in = (uInt)io->in_len;
    packed->z.next_out = io->out;
    packed->z.avail_out = (uInt)io->out_len;
    z = inflate(&packed->z, to_block ? Z_BLOCK : Z_NO_FLUSH);

    used = io->in_len - packed->z.avail_in;
    if (used)
        packed->last_byte = io->in[used - 1];
    io->in += used;
    io->in_len -= used;
    io->out += io->out_len - packed->z.avail_out;
    io->out_len = packed->z.avail_out;
    return gzip_result(packed, io, z, to_block);
}

static enum pnd_packed_result step_zstd(struct pnd_packed *packed, struct pnd_packed_io *io)
{
    /* how far it was when it failed is known by piece alone */
    ZSTD_inBuffer in = {.src = io->in,
                        .size = io->in_len < ZSTD_PIECE ? io->in_len : (size_t)ZSTD_PIECE};
    ZSTD_outBuffer out = {.dst = io->out, .size = io->out_len};
    size_t left = ZSTD_decompressStream(packed->zstd, &out, &in);

    io->in += in.pos;
    io->in_len -= in.pos;
    io->out += out.pos;
    io->out_len -= out.pos;
    if (left == 0)
        return PND_PACKED_ENDED;
    if (!ZSTD_isError(left))
        return PND_PACKED_MORE;
    packed->why = ZSTD_getErrorName(left);
    switch (ZSTD_getErrorCode(left)) {
    case ZSTD_error_memory_allocation:
        return PND_PACKED_NO_MEMORY;
    case ZSTD_error_frameParameter_windowTooLarge:
        return PND_PACKED_LARGE;
    default:
        return PND_PACKED_BAD;
    }
}

enum pnd_packed_result pnd_packed_step(struct pnd_packed *packed, struct pnd_packed_io *io,
                                       bool to_block)
{
    if (packed->kind == PND_PACKED_LZ4)
        return pnd_packed_lz4_step(packed, io, to_block);
    return packed->kind == PND_PACKED_GZIP ? step_gzip(packed, io, to_block)
                                           : step_zstd(packed, io);
}
