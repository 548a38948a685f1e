/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One pass over a dump; see check.h. */
#include "inspect/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <zlib.h>

#include "image/gzip_header.h"
#include "inspect/core.h"

enum {
    BLOCK_LEN = 256 << 10,
    PROGRESS_EVERY = 4 << 20,
    WINDOW_BITS_GZIP = 15 + 16, /* zlib: any window, gzip framing */
    SHA256_LEN = 32,
};

enum mode {
    MODE_RAW,     /* the file is its content */
    MODE_MEMBER,  /* within a gzip member */
    MODE_BETWEEN, /* a member has ended: another may start */
    MODE_TAIL,    /* bytes behind the last member */
    MODE_BAD,     /* the compressed data is damaged; hashing goes on */
};

struct run {
    enum mode mode;
    EVP_MD_CTX *md;
    uint8_t *in, *out, *head;
    size_t head_len;
    uint64_t stored, content; /* bytes so far */
    uint64_t data_end;        /* of the data that is being read; behind it may be a hole */
    z_stream z;
    bool z_ready;
    uint64_t member_end;              /* in the file as stored */
    uint8_t look[PND_GZIP_MAGIC_LEN]; /* MODE_BETWEEN: the bytes that decide */
    size_t look_len;
    struct pnd_check *check;
};

static void run_deinit(struct run *run)
{
    if (run->z_ready)
        inflateEnd(&run->z);
    EVP_MD_CTX_free(run->md);
    free(run->in);
    free(run->out);
    free(run->head);
}

static int run_init(struct run *run, struct pnd_why *why)
{
    run->md = EVP_MD_CTX_new();
    run->in = malloc(BLOCK_LEN);
    run->out = malloc(BLOCK_LEN);
    run->head = malloc(PND_CHECK_HEAD_CAP);
    if (!run->md || !run->in || !run->out || !run->head) {
        pnd_why(why, PND_E_SYS, ENOMEM, "make buffers for the check");
        return PND_E_SYS; /* said plainly, for the analyzer */
    }
    if (inflateInit2(&run->z, WINDOW_BITS_GZIP) != Z_OK)
        return pnd_why(why, PND_E_SYS, ENOMEM, "start zlib");
    run->z_ready = true;
    if (EVP_DigestInit_ex(run->md, EVP_sha256(), NULL) != 1)
        return pnd_why(why, PND_E_SYS, 0, "libcrypto has no SHA-256 here");
    return PND_OK;
}

static void take_content(struct run *run, const uint8_t *data, size_t len)
{
    size_t room = PND_CHECK_HEAD_CAP - run->head_len;
    size_t part = len < room ? len : room;

    memcpy(run->head + run->head_len, data, part);
    run->head_len += part;
    run->content += len;
}

static void damaged(struct run *run, uint64_t at)
{
    struct pnd_check *check = run->check;

    run->mode = MODE_BAD;
    check->verdict = PND_VERDICT_CORRUPT;
    check->offset = at;
    snprintf(check->reason, sizeof(check->reason),
             "the compressed data is damaged at byte %" PRIu64 " (%s)", at,
             run->z.msg ? run->z.msg : "it asks for a dictionary");
}

/* Inflates until the input or the member ends.
 *   @param ret_used  bytes of @p data consumed. @return PND_OK; PND_E_SYS out of memory */
static int inflate_some(struct run *run, const uint8_t *data, size_t len, uint64_t at,
                        size_t *ret_used)
{
    int z = Z_OK;

    run->z.next_in = (z_const Bytef *)(uintptr_t)data;
    run->z.avail_in = (uInt)len;
    do {
        run->z.next_out = run->out;
        run->z.avail_out = BLOCK_LEN;
        z = inflate(&run->z, Z_NO_FLUSH);
        take_content(run, run->out, BLOCK_LEN - run->z.avail_out);
    } while (z == Z_OK && (run->z.avail_in > 0 || run->z.avail_out == 0));

    *ret_used = len - run->z.avail_in;
    if (z == Z_MEM_ERROR)
        return PND_E_SYS;
    if (z == Z_STREAM_END) {
        run->mode = MODE_BETWEEN;
        run->look_len = 0;
        run->member_end = at + *ret_used;
    } else if (z != Z_OK && z != Z_BUF_ERROR) {
        damaged(run, at + *ret_used);
    }
    return PND_OK;
}

/* One byte of what follows a member.
 * @source PROTOCOL.md#kdp-6.4: a member may end early and the next go on */
static int look_further(struct run *run, uint8_t byte, uint64_t at)
{
    size_t used;

    run->look[run->look_len++] = byte;
    if (run->look_len < PND_GZIP_MAGIC_LEN)
        return PND_OK;
    if (!pnd_gzip_is(run->look, run->look_len)) {
        run->mode = MODE_TAIL;
        return PND_OK;
    }
    inflateReset(&run->z);
    run->mode = MODE_MEMBER;
    return inflate_some(run, run->look, run->look_len, at + 1 - run->look_len, &used);
}

static int take_block(struct run *run, const uint8_t *data, size_t len)
{
    size_t done = 0, used;
    int err = PND_OK;

    if (run->mode == MODE_RAW)
        take_content(run, data, len);
    while (!err && done < len && (run->mode == MODE_MEMBER || run->mode == MODE_BETWEEN)) {
        if (run->mode == MODE_BETWEEN) {
            err = look_further(run, data[done], run->stored + done);
            done++;
            continue;
        }
        err = inflate_some(run, data + done, len - done, run->stored + done, &used);
        done += used;
    }
    run->stored += len;
    return err;
}

/* Fills @p len bytes as far as the file goes. @return bytes; -1 with errno */
static ssize_t read_block(int fd, uint8_t *buf, size_t len)
{
    size_t have = 0;

    while (have < len) {
        ssize_t n = read(fd, buf + have, len - have);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        have += (size_t)n;
    }
    return (ssize_t)have;
}

/* The bytes of a hole, without reading them: that would fill the page cache with zeros. A file
 * system that cannot tell says there are none.
 *   @return bytes of the hole in the block; 0: there is data here, or the end */
static size_t hole_block(struct run *run, int fd)
{
    off_t at = (off_t)run->stored, data, end;
    size_t len;

    if (run->stored < run->data_end)
        return 0;
    data = lseek(fd, at, SEEK_DATA);
    if (data < 0 && errno == ENXIO)
        data = lseek(fd, 0, SEEK_END);
    if (data > at) {
        len = data - at < BLOCK_LEN ? (size_t)(data - at) : (size_t)BLOCK_LEN;
        memset(run->in, 0, len);
        lseek(fd, at + (off_t)len, SEEK_SET);
        return len;
    }
    end = lseek(fd, at, SEEK_HOLE);
    run->data_end = end > at ? (uint64_t)end : UINT64_MAX;
    lseek(fd, at, SEEK_SET);
    return 0;
}

/* Fills the block as far as the file, or a hole, goes. @return bytes; -1 with errno */
static ssize_t next_block(struct run *run, int fd)
{
    size_t hole = hole_block(run, fd);
    uint64_t left = run->data_end - run->stored;

    return hole ? (ssize_t)hole
                : read_block(fd, run->in, left < BLOCK_LEN ? (size_t)left : (size_t)BLOCK_LEN);
}

static int read_all(struct run *run, int fd, void (*progress)(uint64_t done, void *ctx), void *ctx,
                    struct pnd_why *why)
{
    uint64_t told = 0;
    ssize_t n;

    while ((n = next_block(run, fd)) > 0) {
        if (run->stored == 0 && pnd_gzip_is(run->in, (size_t)n))
            run->mode = MODE_MEMBER;
        if (EVP_DigestUpdate(run->md, run->in, (size_t)n) != 1)
            return pnd_why(why, PND_E_SYS, 0, "SHA-256 failed in libcrypto");
        if (take_block(run, run->in, (size_t)n))
            return pnd_why(why, PND_E_SYS, ENOMEM, "inflate at byte %" PRIu64, run->stored);
        if (progress && run->stored - told >= PROGRESS_EVERY) {
            told = run->stored;
            progress(told, ctx);
        }
    }
    if (n < 0)
        return pnd_why(why, PND_E_SYS, errno, "read the dump at byte %" PRIu64, run->stored);
    if (progress)
        progress(run->stored, ctx);
    return PND_OK;
}

static int finish_hash(struct run *run, struct pnd_why *why)
{
    uint8_t digest[SHA256_LEN];

    if (EVP_DigestFinal_ex(run->md, digest, NULL) != 1)
        return pnd_why(why, PND_E_SYS, 0, "SHA-256 failed in libcrypto");
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(run->check->sha256 + 2 * i, 3, "%02x", digest[i]);
    return PND_OK;
}

static void set_format(struct run *run)
{
    const char *inner = pnd_core_format(run->head, run->head_len);
    struct pnd_check *check = run->check;

    if (run->stored == 0)
        inner = "empty";
    if (run->mode == MODE_RAW)
        snprintf(check->format, sizeof(check->format), "%s", inner);
    else if (strcmp(inner, "data") == 0)
        snprintf(check->format, sizeof(check->format), "gzip");
    else
        snprintf(check->format, sizeof(check->format), "gzip+%s", inner);
}

static void judge(struct run *run)
{
    struct pnd_check *check = run->check;
    bool cut = run->mode == MODE_MEMBER;

    check->bytes = run->stored;
    check->content_bytes = run->content;
    set_format(run);
    if (run->mode == MODE_BAD)
        return;

    pnd_core_check(run->head, run->head_len, check);
    if (cut && check->verdict != PND_VERDICT_CORRUPT) {
        check->verdict = PND_VERDICT_INCOMPLETE;
        snprintf(check->reason, sizeof(check->reason),
                 "the compressed data ends at byte %" PRIu64 ", before its gzip trailer",
                 run->stored);
        if (check->missing_count == 0)
            pnd_check_add_missing(check, run->content, UINT64_MAX);
    }
    if ((run->mode == MODE_TAIL || run->mode == MODE_BETWEEN) && run->stored > run->member_end &&
        check->note[0] == '\0')
        snprintf(check->note, sizeof(check->note),
                 "%" PRIu64 " bytes behind the end of the compressed data do not belong to it",
                 run->stored - run->member_end);
}

int pnd_check_file(int fd, void (*progress)(uint64_t done, void *ctx), void *ctx,
                   struct pnd_check *ret, struct pnd_why *why)
{
    struct pnd_check check = {.verdict = PND_VERDICT_COMPLETE};
    struct run run = {.mode = MODE_RAW, .check = &check};
    int err = PND_OK;

    if (lseek(fd, 0, SEEK_SET) != 0)
        err = pnd_why(why, PND_E_SYS, errno, "go to the start of the dump");
    if (!err)
        err = run_init(&run, why);
    if (!err)
        err = read_all(&run, fd, progress, ctx, why);
    if (!err)
        err = finish_hash(&run, why);
    if (!err) {
        judge(&run);
        *ret = check;
    }
    run_deinit(&run);
    return err;
}
