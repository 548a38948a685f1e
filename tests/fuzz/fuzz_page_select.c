/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes as a machine: as an ELF core with page tables and struct pages, or, when it is none,
 * as VMCOREINFO (up to a NUL) and a memory in which every address is somewhere. Pages are chosen,
 * in one piece and in several, and it is the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/page_select.h"

enum { FRAMES = 2048 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct bytes {
    const uint8_t *data;
    size_t len;
};

static int read_file(void *ctx, uint64_t offset, void *buf, size_t len)
{
    const struct bytes *bytes = ctx;

    if (offset > bytes->len || bytes->len - offset < len)
        return PND_E_SOURCE;
    memcpy(buf, bytes->data + offset, len);
    return PND_OK;
}

/* Addresses go round; one in 256 blocks of 4 KiB cannot be read. */
static int read_memory(void *ctx, uint64_t vaddr, void *buf, size_t len)
{
    const struct bytes *bytes = ctx;
    uint8_t *to = buf;

    if (bytes->len == 0 || (vaddr >> 12 & 255) == 255)
        return PND_E_NOTFOUND;
    for (size_t i = 0; i < len; i++)
        to[i] = bytes->data[(vaddr + i) % bytes->len];
    return PND_OK;
}

static int choose(struct pnd_vmcore *vmcore, unsigned level, uint64_t first, unsigned piece,
                  uint8_t bitmap[FRAMES / 8])
{
    static struct pnd_page_select select;
    int err = pnd_page_select_open(&select, vmcore, level);

    if (err == PND_E_NOTFOUND && !pnd_page_select_missing(&select))
        abort();
    memset(bitmap, 0xff, FRAMES / 8);
    for (unsigned at = 0; !err && at < FRAMES; at += piece)
        err = pnd_page_select_run(&select, first + at, piece, bitmap + at / 8);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct pnd_vmcore vmcore;
    struct bytes bytes = {data, len};
    struct pnd_vmcore_source source = {&bytes, read_file};
    uint8_t whole[FRAMES / 8], pieces[FRAMES / 8];
    unsigned level = len ? data[len - 1] & 31 : 0;
    uint64_t first = len > 1 ? (uint64_t)data[len - 2] << 8 : 0;

    if (pnd_vmcore_open(&vmcore, &source) != PND_OK) {
        const uint8_t *end = len ? memchr(data, 0, len) : NULL;
        size_t info = end ? (size_t)(end - data) : len;
        struct pnd_vmcore_source memory = {&bytes, read_memory};

        bytes = (struct bytes){data + info, len - info};
        if (end) {
            bytes.data++;
            bytes.len--;
        }
        pnd_vmcore_attach(&vmcore, data, info, false, false, &memory);
    }
    if (choose(&vmcore, level, first, FRAMES, whole) != PND_OK)
        return 0;
    if (choose(&vmcore, level, first, 64, pieces) != PND_OK ||
        memcmp(whole, pieces, sizeof(whole)) != 0)
        abort();
    return 0;
}
