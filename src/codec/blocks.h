/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What codecs that pack block by block have in common: bytes become blocks, each with an effort
 * (adapt.h), and what comes out is passed on, with the time that took. Freestanding. */
#ifndef PND_CODEC_BLOCKS_H
#define PND_CODEC_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

#include "codec/adapt.h"
#include "panicd/stage.h"

enum { PND_BLOCKS_ZEROS = 15 }; /* more than any effort: there is nothing else in it */

struct pnd_blocks {
    void *ctx; /* whose blocks they are */
    /* Packs @p data of 1 to cap bytes and passes it on. @p effort  as in adapt.h, or
     * PND_BLOCKS_ZEROS. @return PND_OK; as the sink */
    int (*put)(struct pnd_blocks *blocks, const uint8_t *data, size_t len, unsigned effort);
    /* Is shown all bytes in their order, however they are cut; @p len > 0. NULL: need not be. */
    void (*see)(struct pnd_blocks *blocks, const uint8_t *data, size_t len);
    const struct pnd_sink *next; /* NULL: nothing is taken */
    struct pnd_adapt_clock clock;
    struct pnd_adapt adapt;
    unsigned top;
    uint8_t *block;
    size_t cap, len;   /* of the block; bytes in it so far */
    size_t out;        /* bytes passed on of the block that is being put */
    uint64_t write_us; /* spent on that */
    uint8_t *notes;    /* NULL: nothing is noted */
    size_t notes_cap;  /* blocks */
    size_t noted, at;  /* blocks; the next one */
};

/*   @param block  @p cap bytes, which it keeps
 *   @param clock  NULL: every block gets effort @p top */
void pnd_blocks_init(struct pnd_blocks *blocks, void *ctx, uint8_t *block, size_t cap, unsigned top,
                     const struct pnd_adapt_clock *clock);

/* What is given again has to become the same bytes, where the server of a resumed dump holds some
 * of them: what each block was worth is noted, and holds again after the next _begin, until it
 * comes further than before. Where there is no more room for notes, every block gets effort 1.
 *   @param notes  @p bytes, which it keeps: each has room for 4 blocks. NULL: nothing is noted */
void pnd_blocks_note(struct pnd_blocks *blocks, uint8_t *notes, size_t bytes);

void pnd_blocks_begin(struct pnd_blocks *blocks, const struct pnd_sink *next);

/*   @return PND_OK; PND_E_ARG not begun, ended, or failed before; as the sink */
int pnd_blocks_write(struct pnd_blocks *blocks, const void *buf, size_t len);

/* The last block, if there are bytes of one. @return as pnd_blocks_write() */
int pnd_blocks_flush(struct pnd_blocks *blocks);

/* For whoever cuts the bytes into blocks himself. All are shown, in order, to the blocks of the
 * stream, between its beginning and its end; each block is packed by any blocks of the same codec
 * that nobody else uses meanwhile, and becomes the same bytes as in one stream.
 *   @param len  1 to cap; cap but for the last
 *   @param next  where it goes; not ended
 *   @return PND_OK; as @p next */
void pnd_blocks_see(struct pnd_blocks *blocks, const uint8_t *data, size_t len);
int pnd_blocks_one(struct pnd_blocks *blocks, const uint8_t *data, size_t len, unsigned effort,
                   const struct pnd_sink *next);

/* Passes on; @p len may be 0. */
int pnd_blocks_out(struct pnd_blocks *blocks, const void *buf, size_t len);

/* Nothing more is taken. @return @p err */
int pnd_blocks_end(struct pnd_blocks *blocks, int err);

#endif
