/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Compressors for send; see compress.h. The static program, for an initramfs, has gzip alone. */
#include "panicdump/compress.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/gzip.h"
#include "host/io.h"
#include "host/text.h"

#ifndef PND_ONLY_CAPTURE
#include "codec/lz4_frame.h"
#include "codec/zstd.h"
#include "panicdump/packer.h"

enum {
    CODECS = 1 + PND_PACKER_LANES_MAX,
    LZ4_BLOCK = 256 << 10,
    ZSTD_BLOCK = 1 << 20, /* from level 3 on, smaller ones become larger by a fiftieth */
};
#endif

enum {
    MAGIC_LEN = 4,
    WORD_CAP = 32,
};

static const struct {
    const char *word, *suffix;
} hows[] = {
    [PND_COMPRESS_NONE] = {"none", ""},     [PND_COMPRESS_GZIP] = {"gzip", ".gz"},
    [PND_COMPRESS_LZ4] = {"lz4", ".lz4"},   [PND_COMPRESS_ZSTD] = {"zstd", ".zst"},
    [PND_COMPRESS_AUTO] = {"auto", ".zst"},
};

#ifdef PND_ONLY_CAPTURE
enum { HOW_COUNT = PND_COMPRESS_GZIP + 1 };
#define HOW_WORDS "none or gzip; lz4, zstd and auto are for the panicdump of the running system"
#else
enum { HOW_COUNT = PND_COMPRESS_AUTO + 1 };
#define HOW_WORDS "auto, lz4, zstd, gzip or none"
#endif

int pnd_compress_parse(const char *word, enum pnd_compress_how *ret, struct pnd_why *why)
{
    char escaped[WORD_CAP];

    for (unsigned i = 0; i < HOW_COUNT; i++) {
        if (strcmp(word, hows[i].word) == 0) {
            *ret = (enum pnd_compress_how)i;
            return PND_OK;
        }
    }
    pnd_text_escape(escaped, sizeof(escaped), word, strlen(word));
    return pnd_why(why, PND_E_ARG, 0, "\"%s\" is no compression: say " HOW_WORDS, escaped);
}

enum pnd_compress_how pnd_compress_settle(enum pnd_compress_how how, bool resume, int fd)
{
    static const uint8_t magics[][MAGIC_LEN] = {{0x1f, 0x8b, 8},
                                                {0x28, 0xb5, 0x2f, 0xfd},
                                                {0x04, 0x22, 0x4d, 0x18},
                                                {0xfd, '7', 'z', 'X'},
                                                {'B', 'Z', 'h'}};
    uint8_t head[MAGIC_LEN];
    ssize_t n = pnd_io_read_at(fd, 0, head, MAGIC_LEN);

    if (how != PND_COMPRESS_AUTO)
        return how;
    for (unsigned i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
        size_t len = magics[i][MAGIC_LEN - 1] ? (size_t)MAGIC_LEN : (size_t)MAGIC_LEN - 1;

        if (n >= (ssize_t)len && memcmp(head, magics[i], len) == 0)
            return PND_COMPRESS_NONE;
    }
    return resume ? PND_COMPRESS_ZSTD : how;
}

const char *pnd_compress_suffix(enum pnd_compress_how how)
{
    return hows[how].suffix;
}

static int make_gzip(const struct pnd_codec **ret, struct pnd_why *why)
{
    static _Alignas(16) uint8_t memory[PND_GZIP_LARGE_MEMORY];
    static struct pnd_gzip gzip;

    if (pnd_gzip_init_large(&gzip, memory, sizeof(memory)))
        return pnd_why(why, PND_E_FULL, 0, "this zlib wants more than %d bytes to compress",
                       PND_GZIP_LARGE_MEMORY);
    *ret = &gzip.codec;
    return PND_OK;
}

#ifdef PND_ONLY_CAPTURE

int pnd_compress_make(enum pnd_compress_how how, const struct pnd_compress_poll *poll,
                      const struct pnd_codec **ret, struct pnd_why *why)
{
    (void)poll;
    return how == PND_COMPRESS_NONE ? PND_OK : make_gzip(ret, why);
}

#else

/* The first is the stream's, the others are the lanes'. */
static void set_codec(struct pnd_packer_config *config, unsigned at, const struct pnd_codec *codec,
                      struct pnd_blocks *blocks)
{
    if (at > 0) {
        config->lanes[at - 1] = blocks;
        return;
    }
    config->stream = codec;
    config->blocks = blocks;
}

/* Only what is used of it is there: of the stream's next to nothing. */
static void *take(size_t bytes, struct pnd_why *why)
{
    void *memory = malloc(bytes);

    if (!memory)
        pnd_why(why, PND_E_SYS, ENOMEM, "take %zu bytes to compress", bytes);
    return memory;
}

static int add_lz4(struct pnd_packer_config *config, unsigned at, struct pnd_why *why)
{
    static struct pnd_lz4_frame lz4[CODECS];
    size_t bytes = PND_LZ4_FRAME_MEMORY(LZ4_BLOCK);
    void *memory = take(bytes, why);

    if (!memory)
        return PND_E_SYS;
    if (pnd_lz4_frame_init(&lz4[at], LZ4_BLOCK, memory, bytes, NULL))
        return pnd_why(why, PND_E_FULL, 0, "this liblz4 wants more than %d bytes to compress",
                       PND_LZ4_FRAME_STATE);
    set_codec(config, at, &lz4[at].codec, &lz4[at].blocks);
    return PND_OK;
}

static int add_zstd(struct pnd_packer_config *config, unsigned at, struct pnd_why *why)
{
    static struct pnd_zstd zstd[CODECS];
    size_t bytes = pnd_zstd_memory(ZSTD_BLOCK, PND_ZSTD_EFFORTS - 1);
    void *memory = take(bytes, why);

    if (!memory)
        return PND_E_SYS;
    if (pnd_zstd_init(&zstd[at], ZSTD_BLOCK, PND_ZSTD_EFFORTS - 1, memory, bytes, NULL))
        return pnd_why(why, PND_E_FULL, 0, "this libzstd wants more than %zu bytes to compress",
                       bytes);
    set_codec(config, at, &zstd[at].codec, &zstd[at].blocks);
    return PND_OK;
}

static unsigned processors(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

    return count < PND_PACKER_LANES_MAX ? (unsigned)count : (unsigned)PND_PACKER_LANES_MAX;
}

static int make_packer(enum pnd_compress_how how, const struct pnd_compress_poll *poll,
                       const struct pnd_codec **ret, struct pnd_why *why)
{
    struct pnd_packer_config config = {
        .count = processors(),
        .poll = poll->poll,
        .poll_ctx = poll->ctx,
        .effort = how == PND_COMPRESS_LZ4    ? PND_LZ4_FRAME_EFFORTS - 1
                  : how == PND_COMPRESS_ZSTD ? PND_ZSTD_EFFORT
                                             : PND_ZSTD_EFFORT_FIRST,
        .worth = PND_ZSTD_EFFORT,
        .top = how == PND_COMPRESS_AUTO ? PND_ZSTD_EFFORTS - 1 : 0,
    };
    static struct pnd_packer *packer; /* until the process ends */
    int err = PND_OK;

    config.threads = config.count;
    for (unsigned i = 0; !err && i <= config.count; i++)
        err = how == PND_COMPRESS_LZ4 ? add_lz4(&config, i, why) : add_zstd(&config, i, why);
    if (!err)
        err = pnd_packer_create(&packer, &config, why);
    if (!err)
        *ret = pnd_packer_codec(packer);
    return err;
}

int pnd_compress_make(enum pnd_compress_how how, const struct pnd_compress_poll *poll,
                      const struct pnd_codec **ret, struct pnd_why *why)
{
    switch (how) {
    case PND_COMPRESS_NONE:
        return PND_OK;
    case PND_COMPRESS_GZIP:
        return make_gzip(ret, why);
    case PND_COMPRESS_LZ4:
    case PND_COMPRESS_ZSTD:
    case PND_COMPRESS_AUTO:
        break;
    }
    return make_packer(how, poll, ret, why);
}

#endif
