/* SPDX-License-Identifier: BSD-2-Clause
 *
 * gzip members, zstd and LZ4 frames, unpacked step by step, and the index that lets a reader start
 * in the middle of them. @source RFC 1952; RFC 8878; LZ4 Frame Format Description 1.6;
 * PROTOCOL.md#kdp-6.4 */
#ifndef PND_INSPECT_PACKED_H
#define PND_INSPECT_PACKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lz4frame.h>
#include <zlib.h>
#include <zstd.h>

#include "inspect/pass.h"

enum pnd_packed_kind {
    PND_PACKED_NONE,
    PND_PACKED_GZIP,
    PND_PACKED_ZSTD,
    PND_PACKED_LZ4, /* the frames of lz4(1), not Apple's */
};

enum {
    PND_PACKED_LOOK_LEN = 4, /* bytes that tell a start: the longest magic */
    PND_PACKED_WINDOW = 32 << 10,
};

/* What starts here? @param len  at least PND_PACKED_LOOK_LEN, unless nothing follows */
enum pnd_packed_kind pnd_packed_find(const void *head, size_t len);

/* Does another member or frame of the same kind start here?
 * @param len  at least pnd_packed_magic_len() */
bool pnd_packed_goes_on(enum pnd_packed_kind kind, const void *head, size_t len);
size_t pnd_packed_magic_len(enum pnd_packed_kind kind);

/* A place where unpacking can start: of a member or frame; between two blocks of deflate, which
 * needs the 32 KiB before it; or between two of LZ4 that need nothing. */
struct pnd_packed_point {
    uint64_t stored, content;
    uint8_t *window;         /* NULL at a start */
    uint32_t window_len;     /* bytes */
    uint8_t bits;            /* of the byte before stored that belong to what follows */
    uint8_t byte;            /* that byte */
    uint8_t lz4_flg, lz4_bd; /* of the frame in which it is; 0: at a start, or another kind */
};

struct pnd_packed_index {
    struct pnd_packed_point points[PND_PASS_POINTS_MAX];
    unsigned count;
    uint64_t spacing; /* bytes of content between points; doubles when the table is full */
};

void pnd_packed_index_init(struct pnd_packed_index *index);
void pnd_packed_index_deinit(struct pnd_packed_index *index);
bool pnd_packed_index_wants(const struct pnd_packed_index *index, uint64_t content);
/* The last point at or before @p content; NULL: none. */
const struct pnd_packed_point *pnd_packed_index_find(const struct pnd_packed_index *index,
                                                     uint64_t content);

/* Where in a frame it is: its header, a block's length, a block. */
struct pnd_packed_lz4 {
    LZ4F_dctx *dctx;
    unsigned stage, have; /* bytes in head */
    uint32_t left;        /* bytes of the block */
    uint8_t flg, bd, head[19];
};

struct pnd_packed {
    enum pnd_packed_kind kind;
    z_stream z;
    struct pnd_packed_lz4 lz4;
    bool z_ready, raw; /* raw: started in the middle; trailer_left bytes follow its end */
    unsigned trailer_left;
    uint8_t last_byte; /* that was used */
    ZSTD_DCtx *zstd;
    const char *why; /* of PND_PACKED_BAD */
};

enum pnd_packed_result {
    PND_PACKED_MORE,  /* the input is used up, or the output is full */
    PND_PACKED_BLOCK, /* a point can be made here */
    PND_PACKED_ENDED, /* the member or frame is over */
    PND_PACKED_BAD,
    PND_PACKED_LARGE, /* zstd wants a window of more than 128 MiB */
    PND_PACKED_NO_MEMORY,
};

struct pnd_packed_io {
    const uint8_t *in;
    size_t in_len;
    uint8_t *out;
    size_t out_len;
};

void pnd_packed_deinit(struct pnd_packed *packed);

/* At the start of a member or frame. @return PND_OK; PND_E_SYS no memory */
int pnd_packed_start(struct pnd_packed *packed, enum pnd_packed_kind kind);
/* At a point of the index. */
int pnd_packed_resume(struct pnd_packed *packed, enum pnd_packed_kind kind,
                      const struct pnd_packed_point *point);

/* Moves @p io forward. @param to_block  stop where a point can be made */
enum pnd_packed_result pnd_packed_step(struct pnd_packed *packed, struct pnd_packed_io *io,
                                       bool to_block);

/* zstd frames from @p start on, by what their blocks say of their length alone.
 *   @param end  of the file. @param ret_at  behind the last frame; or where it goes wrong
 *   @return PND_PACKED_ENDED; PND_PACKED_MORE they are not all there; PND_PACKED_BAD */
enum pnd_packed_result pnd_packed_walk_zstd(int fd, uint64_t start, uint64_t end, uint64_t *ret_at);

/* packed_lz4.c: the same for one kind. mark: false where no point can be. */
bool pnd_packed_lz4_is(const void *head, size_t len, bool skippable);
int pnd_packed_lz4_start(struct pnd_packed *packed);
int pnd_packed_lz4_resume(struct pnd_packed *packed, const struct pnd_packed_point *point);
bool pnd_packed_lz4_mark(const struct pnd_packed *packed, struct pnd_packed_point *ret);
enum pnd_packed_result pnd_packed_lz4_step(struct pnd_packed *packed, struct pnd_packed_io *io,
                                           bool to_block);

/* What follows the end of a member or frame that was started in the middle. */
enum pnd_packed_result pnd_packed_skip_trailer(struct pnd_packed *packed, struct pnd_packed_io *io);

/* Bytes of memory that it holds, as far as they may be many. */
size_t pnd_packed_bytes(const struct pnd_packed *packed);

/* Adds a point: after PND_PACKED_BLOCK (@p packed), or at a start (NULL). One that cannot be kept
 * only makes reading slower. */
void pnd_packed_index_add(struct pnd_packed_index *index, struct pnd_packed *packed,
                          uint64_t stored, uint64_t content);

#endif
