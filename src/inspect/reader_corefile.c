/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Apple's disk corefile as a dump: the partition as a file, or what the system made of it. Held to
 * its header, and each file in it to the way it is packed. @source PROTOCOL.md#kdp-7.1, #kdp-7.3,
 * #kdp-7.5 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/gzip_header.h"
#include "inspect/core.h"
#include "inspect/reader.h"
#include "inspect/unpack.h"
#include "wire/corefile.h"

enum {
    SIGNATURE_LEN = 8,
    KERNEL_HEAD_MAX = PND_CHECK_HEAD_CAP, /* of the kernel's core: its tables */
};

struct corefile {
    const struct pnd_reader_input *in;
    struct pnd_corefile_header header;
};

static bool is(const void *head, size_t len)
{
    struct pnd_corefile_header header;

    /* of whatever version: the first bytes alone say so */
    return len >= SIGNATURE_LEN &&
           pnd_corefile_read(head, SIGNATURE_LEN, INT64_MAX, &header) == PND_E_SHORT;
}

/* The partition may be longer than what was copied of it: what lies behind the content's end is
 * missing, and no contradiction. */
static int open_header(const struct pnd_reader_input *in, struct corefile *ret)
{
    ret->in = in;
    return pnd_corefile_read(in->content->head, in->content->head_len, INT64_MAX, &ret->header);
}

/* @return as pnd_corefile_entry() */
static int open_entry(const struct corefile *corefile, uint32_t index,
                      struct pnd_corefile_entry *ret)
{
    const struct pnd_content *content = corefile->in->content;

    return pnd_corefile_entry(&corefile->header, content->head, content->head_len, index, ret);
}

/* The older versions have no word for what is stored as it is: the bytes say. */
static enum pnd_unpack_packing packing_of(const struct corefile *corefile,
                                          const struct pnd_corefile_entry *entry)
{
    const struct pnd_content *content = corefile->in->content;
    uint8_t head[PND_GZIP_MAGIC_LEN];

    if (corefile->header.generation == PND_COREFILE_V2)
        return entry->flags & PND_COREFILE_GZIP  ? PND_UNPACK_GZIP
               : entry->flags & PND_COREFILE_LZ4 ? PND_UNPACK_LZ4
                                                 : PND_UNPACK_RAW;
    return entry->length >= sizeof(head) &&
                   content->read(content->ctx, entry->offset, head, sizeof(head)) == PND_OK &&
                   pnd_gzip_is(head, sizeof(head))
               ? PND_UNPACK_GZIP
               : PND_UNPACK_RAW;
}

/* ---- check ---- */

static int ignore(void *ctx, const void *data, size_t len, uint64_t done)
{
    (void)ctx;
    (void)data;
    (void)len;
    (void)done;
    return PND_OK;
}

static long read_content(void *ctx, uint64_t offset, void *buf, size_t len)
{
    long got = pnd_content_some(ctx, offset, buf, len);

    if (got < 0)
        errno = EIO;
    return got;
}

/* @param sink  what it is unpacked into. @return as pnd_unpack() */
static int unpack(const struct corefile *corefile, const struct pnd_corefile_entry *entry,
                  const struct pnd_unpack_sink *sink, uint64_t *ret_at, struct pnd_why *why)
{
    struct pnd_content *content = corefile->in->content;
    const struct pnd_unpack_source source = {.ctx = content, .read = read_content};
    const struct pnd_unpack_job job = {
        .offset = entry->offset, .length = entry->length, .packing = packing_of(corefile, entry)};

    return pnd_unpack_from(&source, &job, sink, ret_at, why);
}

/* A file that is all there. @return PND_OK whatever its verdict; PND_E_SYS */
static int check_file(const struct corefile *corefile, const struct pnd_corefile_entry *entry,
                      struct pnd_check *check)
{
    const struct pnd_unpack_sink sink = {.write = ignore};
    struct pnd_why why = {0};
    uint64_t at = 0;
    int err = unpack(corefile, entry, &sink, &at, &why);

    if (err == PND_OK || err == PND_E_SYS)
        return err;
    if (err == PND_E_SOURCE) { /* which is not the file's fault */
        snprintf(check->note, sizeof(check->note), "the file %s in it could not be read again",
                 entry->name);
        return PND_OK;
    }
    pnd_check_corrupt(corefile->in, check, entry->offset + at,
                      "the file %s in it: %.150s, at byte %" PRIu64 " of its %" PRIu64, entry->name,
                      why.text, at, entry->length);
    return PND_OK;
}

struct walk {
    struct pnd_promise promise;
    unsigned encrypted, files;
    struct pnd_corefile_entry seen[PND_COREFILE_FILES_CAP]; /* files of them */
};

/* Two files that lie in each other are not both what their machine wrote.
 * @return the other one; NULL: there is none */
static const struct pnd_corefile_entry *find_overlap(const struct walk *walk,
                                                     const struct pnd_corefile_entry *entry)
{
    for (unsigned i = 0; i < walk->files; i++) {
        const struct pnd_corefile_entry *other = &walk->seen[i];

        if (entry->length && other->length && entry->offset < other->offset + other->length &&
            other->offset < entry->offset + entry->length)
            return other;
    }
    return NULL;
}

static int check_entry(const struct corefile *corefile, uint32_t index, struct walk *walk,
                       struct pnd_check *check)
{
    const struct pnd_corefile_entry *other;
    struct pnd_corefile_entry entry;
    int err = open_entry(corefile, index, &entry);

    if (err == PND_E_SHORT) {
        pnd_check_ends_in_headers(check, "corefile");
        return PND_OK;
    }
    if (err) {
        pnd_check_corrupt(
            corefile->in, check, 0, "entry %" PRIu32 " of the header is damaged (%s)", index,
            err == PND_E_RANGE ? "a file that begins or ends nowhere" : "a file without a name");
        return PND_OK;
    }
    other = find_overlap(walk, &entry);
    if (other) {
        pnd_check_corrupt(corefile->in, check, 0, "the files %s and %s in it lie in each other",
                          other->name, entry.name);
        return PND_OK;
    }
    walk->seen[walk->files++] = entry;
    walk->encrypted += (entry.flags & PND_COREFILE_ENCRYPTED) != 0;
    pnd_promise_add(check, &walk->promise, entry.offset, entry.length);
    if (entry.flags & PND_COREFILE_ENCRYPTED ||
        entry.offset + entry.length > corefile->in->content->bytes)
        return PND_OK;
    return check_file(corefile, &entry, check);
}

static void note_rest(const struct corefile *corefile, const struct walk *walk,
                      struct pnd_check *check)
{
    unsigned encrypted = walk->encrypted;

    if (corefile->header.files == 0 && corefile->header.log_length == 0 &&
        check->verdict == PND_VERDICT_COMPLETE) {
        check->verdict = PND_VERDICT_INCOMPLETE;
        snprintf(check->reason, sizeof(check->reason),
                 "no file is whole, and there is no log: the machine did not finish its dump");
        pnd_check_add_missing(check, check->content_bytes, UINT64_MAX);
    }
    if (encrypted)
        snprintf(check->note, sizeof(check->note),
                 "%u of its %u files %s encrypted (AEA), and cannot be looked into", encrypted,
                 walk->files, encrypted == 1 ? "is" : "are");
    else if (corefile->header.flags & PND_COREFILE_ENCRYPTED)
        snprintf(check->note, sizeof(check->note), "its log is encrypted (AEA)");
}

static int check_corefile(const struct pnd_reader_input *in, struct pnd_check *check)
{
    struct walk walk = {.promise = {.content_bytes = check->content_bytes}};
    struct corefile corefile;
    int err = open_header(in, &corefile);

    switch (err) {
    case PND_OK:
        break;
    case PND_E_SHORT:
        pnd_check_ends_in_headers(check, "corefile");
        return PND_OK;
    case PND_E_TYPE:
        snprintf(check->note, sizeof(check->note),
                 "a corefile of a version that is not known here; nothing of it was checked");
        return PND_OK;
    default:
        pnd_check_corrupt(in, check, 0,
                          "the corefile's header contradicts itself: too many files, or a log or "
                          "key that begins or ends nowhere");
        return PND_OK;
    }
    pnd_promise_add(check, &walk.promise, corefile.header.log_offset, corefile.header.log_length);
    err = PND_OK;
    for (uint32_t i = 0; !err && i < corefile.header.files && check->verdict != PND_VERDICT_CORRUPT;
         i++)
        err = check_entry(&corefile, i, &walk, check);
    if (!err && check->verdict != PND_VERDICT_CORRUPT)
        pnd_promise_judge(check, &walk.promise, "corefile");
    if (!err)
        note_rest(&corefile, &walk, check);
    return err;
}

/* ---- facts ---- */

/* The first bytes of a core that is packed, as if there were no more of it yet. */
struct kernel {
    uint8_t *head;
    size_t len;
};

static int take_head(void *ctx, const void *data, size_t len, uint64_t done)
{
    struct kernel *kernel = ctx;
    size_t room = KERNEL_HEAD_MAX - kernel->len;

    (void)done;
    memcpy(kernel->head + kernel->len, data, len < room ? len : room);
    kernel->len += len < room ? len : room;
    return len < room ? PND_OK : PND_E_ABORTED;
}

static int read_head(void *ctx, uint64_t offset, void *buf, size_t len)
{
    const struct kernel *kernel = ctx;

    if (offset > kernel->len || len > kernel->len - offset)
        return PND_E_SHORT;
    memcpy(buf, kernel->head + offset, len);
    return PND_OK;
}

/* What the core of the kernel says of itself. Its memory is not looked at: to unpack all of it
 * again each time would be too much. */
static void kernel_facts(const struct corefile *corefile, const struct pnd_corefile_entry *entry,
                         struct pnd_facts *facts)
{
    struct kernel kernel = {.head = malloc(KERNEL_HEAD_MAX)};
    const struct pnd_unpack_sink sink = {.ctx = &kernel, .write = take_head};
    static const struct pnd_scan nothing_found;
    struct pnd_content content = {
        .ctx = &kernel, .bytes = INT64_MAX, .head = kernel.head, .fd = -1, .read = read_head};
    const struct pnd_reader_input in = {.content = &content, .scan = &nothing_found};
    struct pnd_why why;
    uint64_t at;

    if (!kernel.head) {
        facts->no_memory = true;
        return;
    }
    unpack(corefile, entry, &sink, &at, &why); /* as far as it goes */
    content.head_len = kernel.len;
    if (pnd_reader_macho.is(kernel.head, kernel.len) && pnd_reader_macho.facts)
        pnd_reader_macho.facts(&in, facts);
    free(kernel.head);
}

static void log_facts(const struct corefile *corefile, struct pnd_facts *facts)
{
    const struct pnd_content *content = corefile->in->content;
    uint64_t at = corefile->header.log_offset, len = corefile->header.log_length;
    char *log;

    if (corefile->header.flags & PND_COREFILE_ENCRYPTED || at >= content->bytes || !len)
        return;
    len = len < content->bytes - at ? len : content->bytes - at;
    len = len < PND_FACT_LOG_MAX ? len : PND_FACT_LOG_MAX;
    log = malloc((size_t)len);
    if (!log)
        facts->no_memory = true;
    else if (content->read(content->ctx, at, log, (size_t)len) == PND_OK)
        pnd_facts_from_panic_log(log, strnlen(log, (size_t)len), facts);
    free(log);
}

/* The log has the last word: it was written for people. */
static int facts_of(const struct pnd_reader_input *in, struct pnd_facts *facts)
{
    struct pnd_corefile_entry entry;
    struct corefile corefile;

    if (open_header(in, &corefile))
        return PND_OK; /* nothing to say, or not yet */
    for (uint32_t i = 0; i < corefile.header.files; i++) {
        if (open_entry(&corefile, i, &entry) || strcmp(entry.name, "kernel") != 0 ||
            entry.flags & PND_COREFILE_ENCRYPTED)
            continue;
        if (entry.offset < in->content->bytes)
            kernel_facts(&corefile, &entry, facts);
        break;
    }
    log_facts(&corefile, facts);
    return PND_OK;
}

const struct pnd_reader pnd_reader_corefile = {
    .format = "corefile",
    .is = is,
    .check = check_corefile,
    .facts = facts_of,
};
