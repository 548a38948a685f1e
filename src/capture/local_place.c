/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A dump as the content of a device: see local_place.h. */
#include "capture/local_place.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/guard.h"
#include "host/text.h"
#include "image/gzip_header.h"

static const char file_name[] = "vmcore";

/* As in local_file.c: the page cache of a crash kernel is small. */
static void look_at_disk(struct pnd_local_place *place, uint64_t end)
{
    uint64_t before = place->looked_at;

    if (end < before + PND_PLACE_WINDOW)
        return; /* the header, at the start, is written again and again */
    place->looked_at = end;
    sync_file_range(place->fd, (off_t)before, (off_t)(end - before), SYNC_FILE_RANGE_WRITE);
    if (before >= PND_PLACE_WINDOW) {
        uint64_t old = before - PND_PLACE_WINDOW;

        sync_file_range(place->fd, (off_t)old, PND_PLACE_WINDOW,
                        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                            SYNC_FILE_RANGE_WAIT_AFTER);
        posix_fadvise(place->fd, (off_t)old, PND_PLACE_WINDOW, POSIX_FADV_DONTNEED);
    }
}

static int disk_write(void *ctx, uint64_t offset, const void *buf, size_t len)
{
    struct pnd_local_place *place = ctx;
    const uint8_t *at = buf;

    while (len > 0) {
        ssize_t n = pwrite(place->fd, at, len, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return pnd_why(&place->why, PND_E_SYS, n < 0 ? errno : EIO, "write at %" PRIu64,
                           offset);
        at += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    look_at_disk(place, offset);
    return PND_OK;
}

static int disk_flush(void *ctx)
{
    struct pnd_local_place *place = ctx;

    return fsync(place->fd) < 0 ? pnd_why(&place->why, PND_E_SYS, errno, "sync") : PND_OK;
}

/* How it is packed, its first bytes say. */
static int begin(struct pnd_local_place *place, const uint8_t *head, size_t len)
{
    enum pnd_corefile_packing packing =
        pnd_gzip_is(head, len) ? PND_COREFILE_GZIP : PND_COREFILE_RAW;

    pnd_corefile_sink(&place->corefile, &place->inner);
    return pnd_corefile_begin(&place->corefile, file_name, packing);
}

/* The place is full: what is there says why the kernel died, so it ends as if it were all. Who
 * takes it out sees that it is cut. */
static int end_early(struct pnd_local_place *place)
{
    char size[PND_TEXT_BYTES_CAP], kept[PND_TEXT_BYTES_CAP];

    pnd_text_bytes(size, sizeof(size), place->bytes);
    pnd_text_bytes(kept, sizeof(kept), place->written);
    if (place->inner.end(place->inner.ctx) != PND_OK)
        return pnd_why(&place->why, PND_E_NOSPACE, 0, "the dump does not fit: it has %s", size);
    return pnd_why(&place->why, PND_E_NOSPACE, 0,
                   "the dump does not fit: it has %s; the first %s are kept there", size, kept);
}

static int take(void *ctx, const void *buf, size_t len)
{
    struct pnd_local_place *place = ctx;
    int err = place->written == 0 && len > 0 ? begin(place, buf, len) : PND_OK;
    uint64_t room = pnd_corefile_room(&place->corefile);
    size_t now = len < room ? len : (size_t)room;

    if (!err && now > 0)
        err = place->inner.write(place->inner.ctx, buf, now);
    if (err)
        return err;
    place->written += now;
    return now < len ? end_early(place) : PND_OK;
}

static int end(void *ctx)
{
    struct pnd_local_place *place = ctx;

    return place->written == 0 ? PND_E_SHORT : place->inner.end(place->inner.ctx);
}

static int check(struct pnd_local_place *place, const char *root, const struct pnd_block *block,
                 struct pnd_why *why)
{
    struct pnd_volume volume;

    if (pnd_volume_probe(place->fd, place->bytes, &volume) != PND_OK)
        return pnd_why(why, PND_E_SYS, errno, "read /dev/%s", block->name);
    return pnd_block_refusal(root, block, &volume, why) ? PND_E_EXISTS : PND_OK;
}

int pnd_local_place_open(struct pnd_local_place *place, const char *root,
                         const struct pnd_block *block, struct pnd_why *why)
{
    struct pnd_disk disk = {.ctx = place, .write = disk_write, .flush = disk_flush};
    int err;

    memset(place, 0, sizeof(*place));
    /* O_EXCL without O_CREAT: nobody else may have the block device, neither as a file system nor
     * as swap space nor as a part of another */
    place->fd = pnd_block_open(root, block, O_RDWR | O_EXCL, &place->bytes);
    if (place->fd < 0 && errno == EBUSY)
        return pnd_why(why, PND_E_BUSY, 0,
                       "/dev/%s is in use: mounted, swap space, or a part of another device",
                       block->name);
    if (place->fd < 0)
        return pnd_why(why, PND_E_SYS, errno, "open /dev/%s", block->name);
    disk.bytes = place->bytes;
    disk.sector_bytes = pnd_block_sector_bytes(root, block);
    err = check(place, root, block, why);
    if (err)
        return err;
    err = pnd_corefile_open(&place->corefile, &disk, 0);
    if (err == PND_E_NOSPACE)
        return pnd_why(why, err, 0, "/dev/%s has only %" PRIu64 " bytes", block->name,
                       place->bytes);
    return err ? pnd_why(why, err, 0, "/dev/%s: %s", block->name, place->why.text) : PND_OK;
}

void pnd_local_place_sink(struct pnd_local_place *place, struct pnd_sink *ret)
{
    *ret = (struct pnd_sink){.ctx = place, .write = take, .end = end};
}

void pnd_local_place_close(struct pnd_local_place *place, struct pnd_why *why)
{
    if (place->why.text[0])
        *why = place->why;
    if (place->fd >= 0)
        close(place->fd);
    place->fd = -1;
}
