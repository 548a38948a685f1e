/* SPDX-License-Identifier: BSD-2-Clause
 *
 * virtio-blk: see virtio_blk.h.
 * @source Virtual I/O Device (VIRTIO) 1.1, "Block Device" */
#include "virtio_blk.h"

#include "console.h"
#include "io.h"
#include "memory.h"
#include "virtio.h"

enum {
    FEATURE_READ_ONLY = 1 << 5,
    FEATURE_SECTOR_BYTES = 1 << 6,
    FEATURE_FLUSH = 1 << 9,
    CONFIG_UNITS = 0,
    CONFIG_SECTOR_BYTES = 20,
    UNIT = 512, /* what the device counts in, whatever its sectors are */
    SECTOR_MAX = 4096,
    REQUEST_READ = 0,
    REQUEST_WRITE = 1,
    REQUEST_FLUSH = 4,
    STATUS_OK = 0,
    STATUS_NONE = 0xff,
    PIECE_MAX = 256 * 1024, /* bytes in one request */
    ANSWER_US = 30 * 1000 * 1000,
    REQUEST_DESCS = 3,
};

struct request {
    uint32_t type, priority;
    uint64_t sector;
};

struct box_blk {
    struct box_virtio virtio;
    struct box_virtq queue;
    uint64_t bytes;
    uint32_t sector_bytes;
    struct request request;
    volatile uint8_t status;
};

static BOX_WORK struct box_blk blks[BOX_BLK_CAP];
static unsigned blk_count;
static bool looked;

/* Waits for what is under way. A device that does not end it is made to forget it, so that it
 * writes no more into memory that is used for something else by then.
 * @return false: it had to be */
static bool settle(struct box_blk *blk)
{
    if (box_virtq_drain(&blk->queue, ANSWER_US))
        return true;
    box_virtio_reset(&blk->virtio);
    box_virtq_restart(&blk->queue);
    box_virtio_start(&blk->virtio);
    return false;
}

/* @param flags  BOX_DESC_WRITE when the device fills @p buf; @p len 0: there is none */
static int transfer(struct box_blk *blk, uint32_t type, uint64_t sector, const volatile void *buf,
                    size_t len, uint16_t flags)
{
    uint16_t last = len ? 2 : 1;

    (void)settle(blk); /* a request that was interrupted; this one is written anew */
    blk->request = (struct request){.type = type, .sector = sector};
    blk->status = STATUS_NONE;
    box_virtq_describe(&blk->queue, 0, &blk->request, sizeof(blk->request), BOX_DESC_NEXT, 1);
    if (len)
        box_virtq_describe(&blk->queue, 1, buf, len, flags | BOX_DESC_NEXT, 2);
    box_virtq_describe(&blk->queue, last, &blk->status, sizeof(blk->status), BOX_DESC_WRITE, 0);
    box_virtq_offer(&blk->queue, 0);
    box_virtq_notify(&blk->queue);
    if (!settle(blk))
        return PND_E_TIMEOUT;
    return blk->status == STATUS_OK ? PND_OK : PND_E_SYS;
}

static bool fits(const struct box_blk *blk, uint64_t offset, const volatile void *buf, size_t len)
{
    return offset % blk->sector_bytes == 0 && len % blk->sector_bytes == 0 &&
           offset <= blk->bytes && len <= blk->bytes - offset && (uintptr_t)buf >= BOX_BASE;
}

static int transfer_all(struct box_blk *blk, uint32_t type, uint64_t offset,
                        const volatile uint8_t *buf, size_t len, uint16_t flags)
{
    if (!fits(blk, offset, buf, len))
        return PND_E_ARG;
    for (size_t done = 0, piece; done < len; done += piece) {
        int err;

        piece = len - done < PIECE_MAX ? len - done : PIECE_MAX;
        err = transfer(blk, type, (offset + done) / UNIT, buf + done, piece, flags);
        if (err)
            return err;
    }
    return PND_OK;
}

int box_blk_read(struct box_blk *blk, uint64_t offset, void *buf, size_t len)
{
    return transfer_all(blk, REQUEST_READ, offset, buf, len, BOX_DESC_WRITE);
}

int box_blk_write(struct box_blk *blk, uint64_t offset, const void *buf, size_t len)
{
    return transfer_all(blk, REQUEST_WRITE, offset, buf, len, 0);
}

int box_blk_flush(struct box_blk *blk)
{
    if (!(blk->virtio.features & FEATURE_FLUSH))
        return PND_OK; /* then it has no cache that would have to be written */
    return transfer(blk, REQUEST_FLUSH, 0, NULL, 0, 0);
}

uint64_t box_blk_bytes(const struct box_blk *blk)
{
    return blk->bytes;
}

uint32_t box_blk_sector_bytes(const struct box_blk *blk)
{
    return blk->sector_bytes;
}

bool box_blk_read_only(const struct box_blk *blk)
{
    return blk->virtio.features & FEATURE_READ_ONLY;
}

static bool open_blk(const struct box_pci *pci, struct box_blk *blk)
{
    uint64_t units;

    if (!box_virtio_open(pci, FEATURE_READ_ONLY | FEATURE_SECTOR_BYTES | FEATURE_FLUSH,
                         &blk->virtio) ||
        !box_virtq_open(&blk->virtio, 0, &blk->queue) || blk->queue.size < REQUEST_DESCS)
        return false;
    units = box_virtio_config32(&blk->virtio, CONFIG_UNITS) |
            (uint64_t)box_virtio_config32(&blk->virtio, CONFIG_UNITS + 4) << 32;
    blk->bytes = units * UNIT;
    blk->sector_bytes = UNIT;
    if (blk->virtio.features & FEATURE_SECTOR_BYTES)
        blk->sector_bytes = box_virtio_config32(&blk->virtio, CONFIG_SECTOR_BYTES);
    if (blk->sector_bytes < UNIT || blk->sector_bytes > SECTOR_MAX ||
        blk->sector_bytes & (blk->sector_bytes - 1))
        return false;
    box_virtio_start(&blk->virtio);
    return true;
}

static void look(void)
{
    const struct box_pci *pci;

    looked = true;
    for (unsigned i = 0; (pci = box_pci(i)); i++) {
        struct box_blk *blk = &blks[blk_count];

        if (pci->vendor != BOX_VIRTIO_VENDOR ||
            (pci->device != BOX_VIRTIO_BLK && pci->device != BOX_VIRTIO_BLK_MODERN))
            continue;
        if (blk_count == BOX_BLK_CAP) {
            box_printf("panicbox: more than %u disks: the others are not used\n",
                       (unsigned)BOX_BLK_CAP);
            break;
        }
        if (pci->device == BOX_VIRTIO_BLK_MODERN) {
            box_printf("panicbox: a virtio disk has no legacy interface; give its -device the "
                       "option disable-legacy=off\n");
            continue;
        }
        if (!open_blk(pci, blk)) {
            box_printf("panicbox: a virtio disk is not usable: it wants a queue of 3 to %u and "
                       "sectors of 512 to %u bytes\n",
                       (unsigned)BOX_VIRTQ_SIZE_MAX, (unsigned)SECTOR_MAX);
            continue;
        }
        box_printf("panicbox: disk%u: virtio-blk, %llu MiB%s\n", blk_count,
                   (unsigned long long)(blk->bytes >> 20),
                   box_blk_read_only(blk) ? ", read-only" : "");
        blk_count++;
    }
}

struct box_blk *box_blk(unsigned index)
{
    if (!looked)
        look();
    return index < blk_count ? &blks[index] : NULL;
}
