/* SPDX-License-Identifier: BSD-2-Clause
 *
 * virtio-blk, polled: one request at a time, straight from and to the caller's memory. */
#ifndef BOX_VIRTIO_BLK_H
#define BOX_VIRTIO_BLK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panicd/err.h"

enum { BOX_BLK_CAP = 4 };

struct box_blk;

/* The disks, in the order of the PCI bus; the first call starts their driver, and must be before
 * any panic. @return NULL when @p index is past the last */
struct box_blk *box_blk(unsigned index);
uint64_t box_blk_bytes(const struct box_blk *blk);
uint32_t box_blk_sector_bytes(const struct box_blk *blk); /* 512 to 4096, a power of two */
bool box_blk_read_only(const struct box_blk *blk);

/* @p offset and @p len are multiples of a sector; @p buf is in RAM. Each may be called in a panic,
 * also when the panic came out of one of them.
 *   @return PND_OK; PND_E_ARG not such a piece of this disk; PND_E_SYS the disk reports an error;
 *           PND_E_TIMEOUT it does not answer for half a minute */
int box_blk_read(struct box_blk *blk, uint64_t offset, void *buf, size_t len);
int box_blk_write(struct box_blk *blk, uint64_t offset, const void *buf, size_t len);
/* All that was written is on the medium. @return as above */
int box_blk_flush(struct box_blk *blk);

#endif
