/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One pass over a dump, from start to end, in bounded memory and in as many steps as there are
 * arrivals: SHA-256 of the bytes as stored, what gzip, zstd or LZ4 has packed, the head of the
 * content, texts that tell what it is, pages of zeros, and an index by which any of it is found
 * again without unpacking all before it. */
#ifndef PND_INSPECT_PASS_H
#define PND_INSPECT_PASS_H

#include "host/why.h"
#include "inspect/check.h"
#include "inspect/reader.h"

enum {
    PND_PASS_POINTS_MAX = 256,      /* of the index, each with a window of 32 KiB: 8 MiB */
    PND_PASS_RUNS_MAX = 65536,      /* runs of equal pages: 1.5 MiB; when full, the short ones go */
    PND_PASS_CACHE_BYTES = 8 << 20, /* of unpacked content, for random access */
};

struct pnd_pass;

/* @param fd  only pread() from here. Free with pnd_pass_destroy(). @return PND_OK; PND_E_SYS */
int pnd_pass_create(int fd, struct pnd_pass **ret, struct pnd_why *why);
void pnd_pass_destroy(struct pnd_pass *pass); /* NULL is fine */

/* Goes on to @p end of the stored bytes, or to the end of the file when it is nearer; with
 * @p final nothing follows what is there then. @p progress may be NULL.
 * @return PND_OK; PND_E_SYS the file cannot be read, or no memory */
int pnd_pass_advance(struct pnd_pass *pass, uint64_t end, bool final,
                     void (*progress)(uint64_t done, void *ctx), void *ctx, struct pnd_why *why);

/* Bytes of the file that it has read. */
uint64_t pnd_pass_done(const struct pnd_pass *pass);

/* What the readers are given, as of now; valid until the next call with @p pass. */
const struct pnd_reader_input *pnd_pass_input(struct pnd_pass *pass);

/* After a final advance: the verdict of container and reader. @return PND_OK; PND_E_SYS */
int pnd_pass_check(struct pnd_pass *pass, struct pnd_check *ret, struct pnd_why *why);

/* What is known by now. @p ret is overwritten; free with pnd_facts_deinit(). */
int pnd_pass_facts(struct pnd_pass *pass, struct pnd_facts *ret, struct pnd_why *why);

/* Counts up when facts that were not there may be there now: the head is there, a text was found
 * and what follows it has come, or four times as much as at the last count. */
unsigned pnd_pass_news(const struct pnd_pass *pass);

#endif
