/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The pass; see pass.h. */
#include "inspect/pass.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/io.h"
#include "inspect/pass_state.h"

enum {
    BLOCK = PND_PASS_BLOCK,
    PROGRESS_EVERY = 4 << 20,
    TEXT_FOLLOWS = 128 << 10, /* bytes behind a text that are read before it counts as news */
    NEWS_FIRST = 64 << 10,    /* bytes of content: headers, mostly */
    NEWS_GROWTH = 4,
};

/* ---- the content goes by ---- */

static void count_news(struct pnd_pass *pass)
{
    uint64_t hit = pass->scanner.last_hit;

    if (pass->awaited == UINT64_MAX && hit != UINT64_MAX && hit >= pass->news_from)
        pass->awaited = hit + TEXT_FOLLOWS;
    if (pass->content_bytes >= pass->awaited) {
        pass->news++;
        pass->news_from = pass->content_bytes;
        pass->awaited = UINT64_MAX;
    }
    if (pass->content_bytes >= pass->news_at) {
        pass->news++;
        pass->news_at = pass->content_bytes < PND_CHECK_HEAD_CAP
                            ? PND_CHECK_HEAD_CAP
                            : pass->content_bytes * NEWS_GROWTH;
    }
}

static void take_content(struct pnd_pass *pass, const uint8_t *data, size_t len)
{
    size_t room = PND_CHECK_HEAD_CAP - pass->head_len, part = len < room ? len : room;
    bool same;

    memcpy(pass->head + pass->head_len, data, part);
    pass->head_len += part;
    pass->content_bytes += len;
    while (len > 0) {
        part = pnd_runs_take(&pass->runs, data, len, &same);
        if (same)
            pnd_scanner_skip(&pass->scanner, data[0], part);
        else
            pnd_scanner_feed(&pass->scanner, data, part);
        data += part;
        len -= part;
    }
    count_news(pass);
}

/* ---- what is packed ---- */

/* One step of the unpacker. @return PND_OK; PND_E_SYS no memory */
static int unpack_some(struct pnd_pass *pass, struct pnd_packed_io *io, uint64_t at)
{
    bool to_block = pnd_packed_index_wants(&pass->index, pass->content_bytes);
    size_t before = io->in_len;
    enum pnd_packed_result result;

    io->out = pass->out;
    io->out_len = BLOCK;
    result = pnd_packed_step(&pass->packed, io, to_block);
    take_content(pass, pass->out, BLOCK - io->out_len);
    at += before - io->in_len;
    switch (result) {
    case PND_PACKED_MORE:
        break;
    case PND_PACKED_BLOCK:
        pnd_packed_index_add(&pass->index, &pass->packed, at, pass->content_bytes);
        break;
    case PND_PACKED_ENDED:
        pass->mode = PND_PASS_BETWEEN;
        pass->look_len = 0;
        pass->member_end = at;
        break;
    case PND_PACKED_BAD:
        pass->mode = PND_PASS_BAD;
        pass->bad_at = at;
        pass->bad_why = pass->packed.why;
        break;
    case PND_PACKED_LARGE:
        pass->mode = PND_PASS_LARGE;
        break;
    case PND_PACKED_NO_MEMORY:
        return PND_E_SYS;
    }
    return PND_OK;
}

/* Unpacks until the input or the member ends. @param ret_used  bytes of @p data consumed */
static int unpack(struct pnd_pass *pass, const uint8_t *data, size_t len, uint64_t at,
                  size_t *ret_used)
{
    struct pnd_packed_io io = {.in = data, .in_len = len};
    int err;

    do
        err = unpack_some(pass, &io, at + (len - io.in_len));
    while (!err && pass->mode == PND_PASS_MEMBER && (io.in_len > 0 || io.out_len == 0));
    *ret_used = len - io.in_len;
    return err;
}

static int start_member(struct pnd_pass *pass, uint64_t at)
{
    pnd_packed_index_add(&pass->index, NULL, at, pass->content_bytes);
    pass->mode = PND_PASS_MEMBER;
    pass->member_start = at;
    return pnd_packed_start(&pass->packed, pass->kind);
}

/* One byte of what follows a member.
 * @source PROTOCOL.md#kdp-6.4: a member may end early and the next go on */
static int look_further(struct pnd_pass *pass, uint8_t byte, uint64_t at)
{
    size_t used;
    int err;

    pass->look[pass->look_len++] = byte;
    if (pass->look_len < pnd_packed_magic_len(pass->kind))
        return PND_OK;
    if (!pnd_packed_goes_on(pass->kind, pass->look, pass->look_len)) {
        pass->mode = PND_PASS_TAIL;
        return PND_OK;
    }
    at = at + 1 - pass->look_len;
    err = start_member(pass, at);
    return err ? err : unpack(pass, pass->look, pass->look_len, at, &used);
}

static int take_block(struct pnd_pass *pass, const uint8_t *data, size_t len)
{
    size_t done = 0, used;
    int err = PND_OK;

    if (pass->mode == PND_PASS_RAW)
        take_content(pass, data, len);
    while (!err && done < len &&
           (pass->mode == PND_PASS_MEMBER || pass->mode == PND_PASS_BETWEEN)) {
        if (pass->mode == PND_PASS_BETWEEN) {
            err = look_further(pass, data[done], pass->stored + done);
            done++;
            continue;
        }
        err = unpack(pass, data + done, len - done, pass->stored + done, &used);
        done += used;
    }
    return err;
}

/* ---- what is stored ---- */

/* The bytes of a hole, without reading them: that would fill the page cache with zeros. A file
 * system that cannot tell says there are none.
 *   @return bytes of the hole in the block; 0: there is data here, or the end */
static size_t hole_block(struct pnd_pass *pass, size_t len)
{
    off_t at = (off_t)pass->stored, data, end;

    if (pass->stored < pass->data_end)
        return 0;
    data = lseek(pass->fd, at, SEEK_DATA);
    if (data < 0 && errno == ENXIO)
        data = lseek(pass->fd, 0, SEEK_END);
    if (data > at) {
        len = (uint64_t)(data - at) < len ? (size_t)(data - at) : len;
        memset(pass->in, 0, len);
        return len;
    }
    end = lseek(pass->fd, at, SEEK_HOLE);
    pass->data_end = end > at ? (uint64_t)end : pass->stored;
    return 0;
}

/* Fills the block as far as the file, or a hole, goes. @return bytes; -1 with errno */
static ssize_t next_block(struct pnd_pass *pass, uint64_t end)
{
    uint64_t left = end - pass->stored;
    size_t len = left < BLOCK ? (size_t)left : (size_t)BLOCK, hole;

    hole = hole_block(pass, len);
    if (hole)
        return (ssize_t)hole;
    if (pass->data_end > pass->stored && pass->data_end - pass->stored < len)
        len = (size_t)(pass->data_end - pass->stored);
    return pnd_io_read_at(pass->fd, pass->stored, pass->in, len);
}

/* @return PND_OK, the mode is set; PND_E_SHORT the bytes that tell are not there yet; PND_E_SYS */
static int begin(struct pnd_pass *pass, uint64_t end, bool final, struct pnd_why *why)
{
    ssize_t n =
        pnd_io_read_at(pass->fd, pass->stored, pass->in,
                       end < PND_PACKED_LOOK_LEN ? (size_t)end : (size_t)PND_PACKED_LOOK_LEN);

    if (n < 0)
        return pnd_why(why, PND_E_SYS, errno, "read the dump at byte 0");
    if (n < PND_PACKED_LOOK_LEN && !final)
        return PND_E_SHORT;
    pass->kind = pnd_packed_find(pass->in, (size_t)n);
    pnd_unpacked_init(&pass->unpacked, pass->fd, pass->kind, &pass->index);
    pass->mode = PND_PASS_RAW;
    if (pass->kind != PND_PACKED_NONE && start_member(pass, 0))
        return pnd_why(why, PND_E_SYS, ENOMEM, "start to unpack the dump");
    return PND_OK;
}

static int read_all(struct pnd_pass *pass, uint64_t end, void (*progress)(uint64_t done, void *ctx),
                    void *ctx, struct pnd_why *why)
{
    uint64_t told = pass->stored;
    ssize_t n = 0;

    while (pass->stored < end && (n = next_block(pass, end)) > 0) {
        if (EVP_DigestUpdate(pass->md, pass->in, (size_t)n) != 1)
            return pnd_why(why, PND_E_SYS, 0, "SHA-256 failed in libcrypto");
        if (take_block(pass, pass->in, (size_t)n))
            return pnd_why(why, PND_E_SYS, ENOMEM, "unpack the dump at byte %" PRIu64,
                           pass->stored);
        pass->stored += (uint64_t)n;
        if (progress && pass->stored - told >= PROGRESS_EVERY) {
            told = pass->stored;
            progress(told, ctx);
        }
    }
    if (n < 0)
        return pnd_why(why, PND_E_SYS, errno, "read the dump at byte %" PRIu64, pass->stored);
    if (progress)
        progress(pass->stored, ctx);
    return PND_OK;
}

int pnd_pass_advance(struct pnd_pass *pass, uint64_t end, bool final,
                     void (*progress)(uint64_t done, void *ctx), void *ctx, struct pnd_why *why)
{
    int err = pass->mode == PND_PASS_START ? begin(pass, end, final, why) : PND_OK;

    if (err == PND_E_SHORT)
        return PND_OK;
    if (!err)
        err = read_all(pass, end, progress, ctx, why);
    if (err || !final || pass->final)
        return err;
    pnd_scanner_end(&pass->scanner);
    pass->final = true;
    pnd_packed_deinit(&pass->packed); /* its window is what a reader's may need */
    return PND_OK;
}

uint64_t pnd_pass_done(const struct pnd_pass *pass)
{
    return pass->stored;
}

unsigned pnd_pass_news(const struct pnd_pass *pass)
{
    return pass->news;
}

/* ---- what the readers are given ---- */

static int read_stored(int fd, uint64_t offset, uint8_t *buf, size_t len)
{
    return pnd_io_read_at(fd, offset, buf, len) == (ssize_t)len ? PND_OK : PND_E_SOURCE;
}

/* While the stream is still open its unpacker keeps its window; a second one of that size would be
 * beyond the memory that there is. */
static bool has_large_window(const struct pnd_pass *pass)
{
    return !pass->final && pnd_packed_bytes(&pass->packed) > PND_PASS_SECOND_MAX;
}

static int read_content(void *ctx, uint64_t offset, void *buf, size_t len)
{
    struct pnd_pass *pass = ctx;

    if (offset > pass->content_bytes || len > pass->content_bytes - offset)
        return PND_E_SHORT;
    if (offset < pass->head_len && len <= pass->head_len - offset) {
        memcpy(buf, pass->head + offset, len);
        return PND_OK;
    }
    if (pass->kind == PND_PACKED_NONE)
        return read_stored(pass->fd, offset, buf, len);
    if (has_large_window(pass))
        return PND_E_SHORT;
    return pnd_unpacked_read(&pass->unpacked, pass->stored, pass->content_bytes, offset, buf, len);
}

const struct pnd_reader_input *pnd_pass_input(struct pnd_pass *pass)
{
    pass->content = (struct pnd_content){
        .ctx = pass,
        .bytes = pass->content_bytes,
        .final = pass->final,
        .head = pass->head,
        .head_len = pass->head_len,
        .fd = pass->kind == PND_PACKED_NONE ? pass->fd : -1,
        .read = read_content,
    };
    pass->input.content = &pass->content;
    pass->input.scan = &pass->scanner.scan;
    pass->input.run_count = pnd_runs_list(&pass->runs, &pass->input.runs);
    pass->unpacked.budget = PND_PASS_BUDGET_MIN + PND_PASS_BUDGET_TIMES * pass->content_bytes;
    return &pass->input;
}

/* ---- from nothing to nothing ---- */

void pnd_pass_destroy(struct pnd_pass *pass)
{
    if (!pass)
        return;
    pnd_packed_deinit(&pass->packed);
    pnd_unpacked_deinit(&pass->unpacked);
    pnd_packed_index_deinit(&pass->index);
    pnd_runs_deinit(&pass->runs);
    EVP_MD_CTX_free(pass->md);
    free(pass->in);
    free(pass->out);
    free(pass->head);
    free(pass);
}

int pnd_pass_create(int fd, struct pnd_pass **ret, struct pnd_why *why)
{
    struct pnd_pass *pass = calloc(1, sizeof(*pass));

    if (!pass)
        return pnd_why(why, PND_E_SYS, ENOMEM, "make buffers for the check");
    pass->fd = fd;
    pass->md = EVP_MD_CTX_new();
    pass->in = malloc(BLOCK);
    pass->out = malloc(BLOCK);
    pass->head = malloc(PND_CHECK_HEAD_CAP);
    pass->awaited = UINT64_MAX;
    pass->news_at = NEWS_FIRST;
    pnd_scanner_init(&pass->scanner);
    pnd_runs_init(&pass->runs);
    pnd_packed_index_init(&pass->index);
    if (!pass->md || !pass->in || !pass->out || !pass->head) {
        pnd_pass_destroy(pass);
        return pnd_why(why, PND_E_SYS, ENOMEM, "make buffers for the check");
    }
    if (EVP_DigestInit_ex(pass->md, EVP_sha256(), NULL) != 1) {
        pnd_pass_destroy(pass);
        return pnd_why(why, PND_E_SYS, 0, "libcrypto has no SHA-256 here");
    }
    *ret = pass;
    return PND_OK;
}
