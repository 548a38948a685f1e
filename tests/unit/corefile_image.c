/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Writes a disk corefile into a file, for test_corefile_image.py, which reads it with a program
 * that knows nothing of this one:
 *
 *   corefile-image IMAGE OFFSET BYTES SECTOR LOG OTHER-LOG [NAME raw|gzip|lz4 FILE]...
 *
 * With the word gpt as OFFSET the place is the disk's Apple_KernelCoreDump partition. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec/gzip.h"
#include "codec/lz4.h"
#include "image/gpt.h"
#include "panicd/corefile.h"

enum { FIRST_FILE = 7, PIECE = 70001 };

struct place {
    int fd;
    uint64_t offset, bytes;
};

static struct pnd_corefile corefile;
static struct pnd_gzip gzip;
static struct pnd_lz4 lz4;

static void check(int err, const char *what)
{
    if (err == PND_OK)
        return;
    fprintf(stderr, "corefile-image: %s: %s\n", what, pnd_err_text(err));
    exit(EXIT_FAILURE);
}

static int place_write(void *ctx, uint64_t offset, const void *buf, size_t len)
{
    const struct place *place = ctx;

    if (offset > place->bytes || len > place->bytes - offset)
        return PND_E_RANGE;
    return pwrite(place->fd, buf, len, (off_t)(place->offset + offset)) == (ssize_t)len ? PND_OK
                                                                                        : PND_E_SYS;
}

static int place_flush(void *ctx)
{
    (void)ctx; /* nobody cuts the power of a test */
    return PND_OK;
}

static int disk_read(void *ctx, uint64_t offset, void *buf, size_t len)
{
    const struct place *place = ctx;

    return pread(place->fd, buf, len, (off_t)offset) == (ssize_t)len ? PND_OK : PND_E_SYS;
}

static void find_partition(struct place *place, uint32_t sector)
{
    static struct pnd_gpt gpt;
    struct pnd_gpt_source source = {.ctx = place, .sector_bytes = sector, .read = disk_read};
    struct pnd_gpt_partition found;

    source.bytes = (uint64_t)lseek(place->fd, 0, SEEK_END);
    check(pnd_gpt_open(&gpt, &source), "partition table");
    check(pnd_gpt_find(&gpt, pnd_gpt_kernel_core_dump, 0, &found), "Apple_KernelCoreDump");
    place->offset = found.offset;
    place->bytes = found.bytes;
}

static char *slurp(const char *path, size_t *ret_len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    off_t len = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    char *bytes = len < 0 ? NULL : malloc((size_t)len + 1);

    if (!bytes || pread(fd, bytes, (size_t)len, 0) != len) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    close(fd);
    *ret_len = (size_t)len;
    return bytes;
}

static const struct pnd_codec *codec_of(const char *word, enum pnd_corefile_packing *ret)
{
    if (strcmp(word, "gzip") == 0) {
        check(pnd_gzip_init(&gzip), "gzip");
        *ret = PND_COREFILE_GZIP;
        return &gzip.codec;
    }
    if (strcmp(word, "lz4") == 0) {
        check(pnd_lz4_init(&lz4), "lz4");
        *ret = PND_COREFILE_LZ4;
        return &lz4.codec;
    }
    *ret = PND_COREFILE_RAW;
    return NULL;
}

static void write_file(const char *name, const char *packing_word, const char *path)
{
    enum pnd_corefile_packing packing;
    const struct pnd_codec *codec = codec_of(packing_word, &packing);
    struct pnd_sink sink, on_disk;
    size_t len;
    char *bytes = slurp(path, &len);

    check(pnd_corefile_begin(&corefile, name, packing), name);
    pnd_corefile_sink(&corefile, &on_disk);
    sink = on_disk;
    if (codec) {
        check(codec->begin(codec->ctx, &on_disk), name);
        sink = (struct pnd_sink){.ctx = codec->ctx, .write = codec->write};
    }
    for (size_t at = 0; at < len; at += PIECE)
        check(sink.write(sink.ctx, bytes + at, len - at < PIECE ? len - at : PIECE), name);
    if (codec)
        check(codec->finish(codec->ctx), name);
    check(on_disk.end(on_disk.ctx), name);
    free(bytes);
}

int main(int argc, char **argv)
{
    struct place place;
    struct pnd_disk disk = {.ctx = &place, .write = place_write, .flush = place_flush};
    size_t log_len, other_len;
    char *log, *other;

    if (argc < FIRST_FILE || (argc - FIRST_FILE) % 3 != 0) {
        fputs("usage: corefile-image IMAGE OFFSET BYTES SECTOR LOG OTHER-LOG "
              "[NAME raw|gzip|lz4 FILE]...\n",
              stderr);
        return 2;
    }
    place.fd = open(argv[1], O_RDWR | O_CLOEXEC);
    check(place.fd < 0 ? PND_E_SYS : PND_OK, argv[1]);
    place.offset = strtoull(argv[2], NULL, 10);
    place.bytes = strtoull(argv[3], NULL, 10);
    disk.sector_bytes = (uint32_t)strtoul(argv[4], NULL, 10);
    if (strcmp(argv[2], "gpt") == 0)
        find_partition(&place, disk.sector_bytes);
    disk.bytes = place.bytes;
    log = slurp(argv[5], &log_len);
    other = slurp(argv[6], &other_len);
    check(pnd_corefile_open(&corefile, &disk, log_len), "open");
    for (int i = FIRST_FILE; i < argc; i += 3)
        write_file(argv[i], argv[i + 1], argv[i + 2]);
    check(pnd_corefile_log(&corefile, log, log_len, other, other_len), "log");
    free(log);
    free(other);
    return close(place.fd) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
