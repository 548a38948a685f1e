/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a pass says in the end; see pass.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "inspect/pass.h"
#include "inspect/pass_state.h"
#include "inspect/core.h"

enum { SHA256_LEN = 32 };

static const char *const packed_names[] = {
    [PND_PACKED_GZIP] = "gzip",
    [PND_PACKED_ZSTD] = "zstd",
    [PND_PACKED_LZ4] = "lz4",
};

static int finish_hash(const struct pnd_pass *pass, struct pnd_check *check, struct pnd_why *why)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    uint8_t digest[SHA256_LEN];
    bool ok =
        md && EVP_MD_CTX_copy_ex(md, pass->md) == 1 && EVP_DigestFinal_ex(md, digest, NULL) == 1;

    EVP_MD_CTX_free(md);
    if (!ok)
        return pnd_why(why, PND_E_SYS, 0, "SHA-256 failed in libcrypto");
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(check->sha256 + 2 * i, 3, "%02x", digest[i]);
    return PND_OK;
}

static const struct pnd_reader *find_reader(const struct pnd_pass *pass)
{
    return pnd_reader_find(pass->head, pass->head_len);
}

static void set_format(const struct pnd_pass *pass, struct pnd_check *check)
{
    const char *inner = find_reader(pass)->format;

    if (pass->stored == 0)
        inner = "empty";
    if (pass->kind == PND_PACKED_NONE)
        snprintf(check->format, sizeof(check->format), "%s", inner);
    else if (strcmp(inner, pnd_reader_data.format) == 0)
        snprintf(check->format, sizeof(check->format), "%s", packed_names[pass->kind]);
    else
        snprintf(check->format, sizeof(check->format), "%s+%s", packed_names[pass->kind], inner);
}

static void judge_damaged(const struct pnd_pass *pass, struct pnd_check *check)
{
    check->verdict = PND_VERDICT_CORRUPT;
    check->offset = pass->bad_at;
    snprintf(check->reason, sizeof(check->reason),
             "the compressed data is damaged at byte %" PRIu64 " (%s)", pass->bad_at,
             pass->bad_why);
}

static const char *const ends[] = {
    [PND_PACKED_GZIP] = "its gzip trailer",
    [PND_PACKED_ZSTD] = "the end of its zstd frame",
    [PND_PACKED_LZ4] = "the end of its LZ4 frame",
};

static void judge_cut(const struct pnd_pass *pass, struct pnd_check *check)
{
    check->verdict = PND_VERDICT_INCOMPLETE;
    snprintf(check->reason, sizeof(check->reason),
             "the compressed data ends at byte %" PRIu64 ", before %s", pass->stored,
             ends[pass->kind]);
    if (check->missing_count == 0)
        pnd_check_add_missing(check, pass->content_bytes, UINT64_MAX);
}

/* What cannot be unpacked is held to the lengths of its blocks. */
static void judge_large(struct pnd_pass *pass, struct pnd_check *check)
{
    uint64_t at;

    snprintf(check->note, sizeof(check->note),
             "what is packed was not looked at: it asks for a window of over 128 MiB; unpack "
             "it with zstd -d --long=31");
    switch (pnd_packed_walk_zstd(pass->fd, pass->member_start, pass->stored, &at)) {
    case PND_PACKED_ENDED:
        break;
    case PND_PACKED_BAD:
        pass->bad_at = at;
        pass->bad_why = "a block of no kind";
        judge_damaged(pass, check);
        break;
    default:
        judge_cut(pass, check);
    }
}

int pnd_pass_check(struct pnd_pass *pass, struct pnd_check *ret, struct pnd_why *why)
{
    const struct pnd_reader_input *in = pnd_pass_input(pass);
    const struct pnd_reader *reader = find_reader(pass);
    struct pnd_check check = {.verdict = PND_VERDICT_COMPLETE,
                              .bytes = pass->stored,
                              .content_bytes = pass->content_bytes};
    int err = finish_hash(pass, &check, why);

    if (err)
        return err;
    set_format(pass, &check);
    if (pass->mode == PND_PASS_BAD) {
        judge_damaged(pass, &check);
    } else if (pass->mode == PND_PASS_LARGE) {
        judge_large(pass, &check);
    } else if (reader->check && reader->check(in, &check)) {
        return pnd_why(why, PND_E_SYS, 0, "check the %s headers", reader->format);
    }
    if (pass->mode == PND_PASS_MEMBER && check.verdict != PND_VERDICT_CORRUPT)
        judge_cut(pass, &check);
    if ((pass->mode == PND_PASS_TAIL || pass->mode == PND_PASS_BETWEEN) &&
        pass->stored > pass->member_end && check.note[0] == '\0')
        snprintf(check.note, sizeof(check.note),
                 "%" PRIu64 " bytes behind the end of the compressed data do not belong to it",
                 pass->stored - pass->member_end);
    *ret = check;
    return PND_OK;
}

int pnd_pass_facts(struct pnd_pass *pass, struct pnd_facts *ret, struct pnd_why *why)
{
    const struct pnd_reader_input *in = pnd_pass_input(pass);
    const struct pnd_reader *reader = find_reader(pass);

    *ret = (struct pnd_facts){0};
    if (reader->facts && reader->facts(in, ret)) {
        pnd_facts_deinit(ret);
        return pnd_why(why, PND_E_SYS, 0, "read what the %s dump says", reader->format);
    }
    return PND_OK;
}
