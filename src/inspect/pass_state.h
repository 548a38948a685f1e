/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a pass knows while it is under way: for pass.c, which reads, and pass_judge.c, which says
 * what it was. */
#ifndef PND_INSPECT_PASS_STATE_H
#define PND_INSPECT_PASS_STATE_H

#include <openssl/evp.h>

#include "inspect/packed.h"
#include "inspect/runs.h"
#include "inspect/scanner.h"
#include "inspect/unpacked.h"

enum {
    PND_PASS_BLOCK = 256 << 10,
    PND_PASS_SECOND_MAX = 16 << 20,  /* bytes of an unpacker that may be there twice */
    PND_PASS_BUDGET_TIMES = 2,       /* readers may have everything unpacked again so often ... */
    PND_PASS_BUDGET_MIN = 256 << 20, /* ... and this many bytes more */
};

enum pnd_pass_mode {
    PND_PASS_START,   /* not enough is there to tell what it is */
    PND_PASS_RAW,     /* the file is its content */
    PND_PASS_MEMBER,  /* within a gzip member, or a frame of zstd or LZ4 */
    PND_PASS_BETWEEN, /* one has ended: another may start */
    PND_PASS_TAIL,    /* bytes behind the last one */
    PND_PASS_BAD,     /* the compressed data is damaged; hashing goes on */
    PND_PASS_LARGE,   /* it cannot be unpacked here; hashing goes on */
};

struct pnd_pass {
    int fd;
    enum pnd_pass_mode mode;
    bool final;
    EVP_MD_CTX *md;
    uint8_t *in, *out, *head;
    size_t head_len;
    uint64_t stored, content_bytes; /* bytes so far */
    uint64_t data_end;              /* of the data that is being read; behind it may be a hole */

    enum pnd_packed_kind kind;
    struct pnd_packed packed;
    uint64_t member_start, member_end, bad_at; /* in the file as stored */
    const char *bad_why;
    uint8_t look[PND_PACKED_LOOK_LEN]; /* BETWEEN: the bytes that decide */
    size_t look_len;

    struct pnd_scanner scanner;
    struct pnd_runs runs;
    struct pnd_packed_index index;
    struct pnd_unpacked unpacked;
    struct pnd_content content;
    struct pnd_reader_input input;

    unsigned news;
    uint64_t news_at;   /* bytes of content that are news */
    uint64_t news_from; /* texts from here on are */
    uint64_t awaited;   /* bytes of content with which a text counts; UINT64_MAX: none */
};

#endif
