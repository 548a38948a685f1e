/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A FreeBSD dump as it lies on a disk: header, key, data, and the same header again. Such a file is
 * a copy of a dump partition's end; of a whole one "panicctl extract" finds it.
 * @source PROTOCOL.md#netdump-6, #netdump-9 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/kdh.h"
#include "inspect/core.h"
#include "inspect/freebsd_text.h"
#include "inspect/reader.h"

enum {
    HEAD_LEN = 64 << 10, /* of the dump between the headers */
    BLOCK_MIN = 512,
    BLOCK_MAX = 4096,
};

/* The dump between the headers, as a content of its own. */
struct inner {
    const struct pnd_content *outer;
    uint64_t offset, bytes;
    struct pnd_content content;
    struct pnd_scan scan; /* empty: what the scan found lies in the whole */
    uint8_t head[HEAD_LEN];
};

struct device {
    struct pnd_kdh kdh;
    uint64_t block, key_offset, data_offset;
};

static int read_inner(void *ctx, uint64_t offset, void *buf, size_t len)
{
    const struct inner *inner = ctx;

    if (offset > inner->bytes || len > inner->bytes - offset)
        return PND_E_SHORT;
    return inner->outer->read(inner->outer->ctx, inner->offset + offset, buf, len);
}

/* @return PND_OK; else as pnd_kdh_read(), or as the content's read() */
static int open_device(const struct pnd_content *content, struct device *ret)
{
    uint8_t head[PND_KDH_BYTES];
    int err = content->read(content->ctx, 0, head, sizeof(head));

    if (!err)
        err = pnd_kdh_read(head, sizeof(head), &ret->kdh);
    if (err)
        return err;
    /* A header takes up a block, whatever it says of them. */
    ret->block = ret->kdh.block_bytes >= BLOCK_MIN && ret->kdh.block_bytes <= BLOCK_MAX
                     ? ret->kdh.block_bytes
                     : BLOCK_MIN;
    ret->key_offset = ret->block;
    ret->data_offset = ret->block + ret->kdh.key_bytes;
    return PND_OK;
}

static struct inner *open_inner(const struct pnd_content *outer, const struct device *device)
{
    struct inner *inner = calloc(1, sizeof(*inner));
    uint64_t there;

    if (!inner)
        return NULL;
    there = outer->bytes > device->data_offset ? outer->bytes - device->data_offset : 0;
    inner->outer = outer;
    inner->offset = device->data_offset;
    inner->bytes = device->kdh.dump_bytes < there ? device->kdh.dump_bytes : there;
    inner->content = (struct pnd_content){.ctx = inner,
                                          .bytes = inner->bytes,
                                          .final = outer->final,
                                          .head = inner->head,
                                          .fd = -1,
                                          .read = read_inner};
    inner->content.head_len = inner->bytes < HEAD_LEN ? (size_t)inner->bytes : HEAD_LEN;
    if (read_inner(inner, 0, inner->head, inner->content.head_len) != PND_OK)
        inner->content.head_len = 0;
    return inner;
}

/* What reads the dump between the headers. @return NULL: nothing, it is packed or encrypted */
static const struct pnd_reader *inner_reader(const struct inner *inner, const struct device *device)
{
    static const struct pnd_reader *const readers[] = {
        &pnd_reader_freebsd_minidump, &pnd_reader_freebsd_textdump, &pnd_reader_elf};

    if (device->kdh.packing != PND_KDH_PLAIN || device->kdh.key_bytes > 0)
        return NULL;
    for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++) {
        if (readers[i]->is(inner->head, inner->content.head_len))
            return readers[i];
    }
    return NULL;
}

static void corrupt(const struct pnd_content *content, uint64_t at, const char *what,
                    struct pnd_check *check)
{
    check->verdict = PND_VERDICT_CORRUPT;
    check->offset = content->fd >= 0 ? at : 0;
    snprintf(check->reason, sizeof(check->reason), "%s", what);
}

/* The verdict on the dump between the headers, in offsets of the whole. */
static int check_inner(const struct pnd_content *content, const struct device *device,
                       struct pnd_check *check)
{
    struct inner *inner = open_inner(content, device);
    const struct pnd_reader *reader = inner ? inner_reader(inner, device) : NULL;
    struct pnd_check found = {.verdict = PND_VERDICT_COMPLETE};
    int err = inner ? PND_OK : PND_E_SYS;

    if (reader && reader->check) {
        struct pnd_reader_input in = {.content = &inner->content, .scan = &inner->scan};

        found.bytes = found.content_bytes = inner->bytes;
        err = reader->check(&in, &found);
    }
    if (!err && found.verdict != PND_VERDICT_COMPLETE) {
        check->verdict = found.verdict;
        check->offset = found.offset ? found.offset + device->data_offset : 0;
        memcpy(check->reason, found.reason, sizeof(check->reason));
        for (unsigned i = 0; i < found.missing_count; i++)
            pnd_check_add_missing(check, found.missing[i].start + device->data_offset,
                                  found.missing[i].end == UINT64_MAX
                                      ? UINT64_MAX
                                      : found.missing[i].end + device->data_offset);
    }
    memcpy(check->note, found.note, sizeof(check->note));
    if (!err && device->kdh.packing != PND_KDH_PLAIN && !check->note[0])
        snprintf(check->note, sizeof(check->note),
                 "the dump in it is packed and was not looked at; panicctl extract takes it out");
    if (!err && device->kdh.key_bytes > 0)
        snprintf(check->note, sizeof(check->note),
                 "the dump in it is encrypted, and only its length was checked");
    free(inner);
    return err;
}

/* The second header ends the dump on its disk. */
static void check_trailer(const struct pnd_content *content, const struct device *device,
                          struct pnd_check *check)
{
    uint8_t first[PND_KDH_BYTES], last[PND_KDH_BYTES];
    uint64_t at = content->bytes > device->block ? content->bytes - device->block : 0;

    if (content->read(content->ctx, 0, first, sizeof(first)) ||
        content->read(content->ctx, at, last, sizeof(last)))
        return;
    if (at < device->data_offset + device->kdh.dump_bytes || !pnd_kdh_is(last, sizeof(last))) {
        if (!check->note[0])
            snprintf(check->note, sizeof(check->note), "the second header is not there");
    } else if (memcmp(first, last, sizeof(first)) != 0) {
        corrupt(content, at, "the two headers of the dump differ: it was written over in part",
                check);
    }
}

static int check_device(const struct pnd_reader_input *in, struct pnd_check *check)
{
    const struct pnd_content *content = in->content;
    struct device device;
    uint64_t end;
    int err = open_device(content, &device);

    if (err == PND_E_SYS)
        return err;
    if (err == PND_E_SHORT) {
        check->verdict = PND_VERDICT_INCOMPLETE;
        snprintf(check->reason, sizeof(check->reason), "the dump ends within its header");
        pnd_check_add_missing(check, content->bytes, UINT64_MAX);
        return PND_OK;
    }
    if (err || !device.kdh.parity_ok) {
        corrupt(content, 0,
                err ? "the version of the dump header cannot be"
                    : "the parity of the dump "
                      "header is wrong",
                check);
        return PND_OK;
    }
    end = device.data_offset + device.kdh.dump_bytes;
    if (end < device.data_offset) {
        corrupt(content, 0, "the dump header announces a length that cannot be", check);
        return PND_OK;
    }
    if (content->bytes < end) {
        check->verdict = PND_VERDICT_INCOMPLETE;
        snprintf(check->reason, sizeof(check->reason),
                 "the dump header announces %" PRIu64 " bytes behind it; %" PRIu64 " are there",
                 end - device.block,
                 content->bytes > device.block ? content->bytes - device.block : 0);
        pnd_check_add_missing(check, content->bytes, end);
        return PND_OK;
    }
    err = check_inner(content, &device, check);
    if (!err && check->verdict == PND_VERDICT_COMPLETE)
        check_trailer(content, &device, check);
    return err;
}

static int device_facts(const struct pnd_reader_input *in, struct pnd_facts *facts)
{
    const struct pnd_reader *reader;
    struct device device;
    struct inner *inner;
    int err = open_device(in->content, &device);

    if (err)
        return err == PND_E_SYS ? err : PND_OK;
    inner = open_inner(in->content, &device);
    if (!inner)
        return PND_E_SYS;
    reader = inner_reader(inner, &device);
    if (reader && reader->facts) {
        const struct pnd_reader_input inside = {.content = &inner->content, .scan = &inner->scan};

        err = reader->facts(&inside, facts);
    }
    if (!err && !facts->log)
        pnd_reader_freebsd_log(in, facts);
    pnd_facts_from_kdh(&device.kdh, facts);
    free(inner);
    return err;
}

static bool is_device(const void *head, size_t head_len)
{
    return pnd_kdh_is(head, head_len);
}

const struct pnd_reader pnd_reader_freebsd_device = {
    .format = "freebsd-device",
    .is = is_device,
    .check = check_device,
    .facts = device_facts,
};
