/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes as /proc/vmcore, which a damaged kernel has left. It is always sent: laid out anew, or
 * as it stands; filtered, or refused. What is said before about the stream's length is so, it is
 * the same each time, and a filtered one begins with headers that our own reader takes. The last
 * byte is a level of the filter. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/content.h"
#include "capture/frames.h"
#include "capture/options.h"
#include "host/io.h"
#include "image/kdump.h"
#include "image/page_select.h"
#include "wire/crc32.h"

enum {
    STREAM_MAX = 8 << 20, /* bytes: headers may promise any number */
    FRAMES_MAX = 1 << 20,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct stream {
    uint64_t bytes;
    uint32_t crc;
    size_t head_len;
    uint8_t head[PND_KDUMP_HEAD_MIN];
};

static struct stream once, again;
static struct pnd_vmcore_file file;

static int take(void *ctx, const void *buf, size_t len)
{
    struct stream *stream = ctx;
    size_t room = sizeof(stream->head) - stream->head_len, part = len < room ? len : room;

    memcpy(stream->head + stream->head_len, buf, part);
    stream->head_len += part;
    stream->bytes += len;
    stream->crc = pnd_crc32(stream->crc, buf, len);
    return stream->bytes > STREAM_MAX ? PND_E_FULL : PND_OK;
}

static int write_to(const struct pnd_content *content, struct stream *stream)
{
    struct pnd_sink sink = {.ctx = stream, .write = take};

    stream->bytes = stream->crc = 0;
    stream->head_len = 0;
    return content->write(content->ctx, &sink);
}

/* @return as each writing of it: PND_OK; PND_E_SOURCE the core is cut; PND_E_FULL it is too long */
static int check_stream(const struct pnd_content *content)
{
    int err = write_to(content, &once);

    if (write_to(content, &again) != err || again.bytes != once.bytes || again.crc != once.crc)
        abort();
    if (err != PND_E_SOURCE && err != (content->bytes > STREAM_MAX ? PND_E_FULL : PND_OK))
        abort();
    if (err ? once.bytes > content->bytes : once.bytes != content->bytes)
        abort();
    return err;
}

static bool few_frames(void)
{
    static struct pnd_frames frames;

    return file.understood && pnd_frames_open(&file, &frames) == PND_OK &&
           frames.count <= FRAMES_MAX;
}

/* A core that is cut is refused at once, or when it is read: then, too, everything is sent. */
static void check_filtered(unsigned level)
{
    struct pnd_content content = {.bytes = 0};
    struct pnd_why why = {.text = ""};
    struct pnd_kdump kdump;

    if (pnd_content_filtered(&file, level, &content, &why) != PND_OK) {
        if (!why.text[0])
            abort();
        return;
    }
    if (check_stream(&content) == PND_OK &&
        pnd_kdump_parse(once.head, once.head_len, &kdump) != PND_OK)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    unsigned level = len ? data[len - 1] & PND_CAPTURE_FILTER_MAX : 0;
    int fd = memfd_create("vmcore", MFD_CLOEXEC);
    struct pnd_content content;
    struct pnd_why why;
    char path[32];

    if (fd < 0 || pnd_io_write(fd, data, len) != PND_OK)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (pnd_vmcore_file_open(&file, path, &why) != PND_OK)
        abort();
    if (pnd_content_elf(&file, &content) != PND_OK && content.bytes != len)
        abort();
    if (check_stream(&content) == PND_E_SOURCE)
        abort();
    if (few_frames()) {
        check_filtered(level ? level : PND_PAGE_ZERO);
        check_filtered(PND_CAPTURE_FILTER_MAX);
    }
    pnd_vmcore_file_close(&file);
    close(fd);
    return 0;
}
