/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Is a dump whole? Reads a finished file once, from start to end, in bounded memory: SHA-256 of
 * the file as stored, the container it is, and whether the container is all there: a gzip
 * member's trailer, the end of an LZ4 frame, the segment bounds of a Mach-O core, the program
 * headers of an ELF core (each also inside gzip). Content that is none of these is "data": nothing
 * contradicts it. */
#ifndef PND_INSPECT_CHECK_H
#define PND_INSPECT_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "facts/facts.h"
#include "host/why.h"

#define PND_CHECK_CHILD_NAME "panicd-check"

enum pnd_verdict {
    PND_VERDICT_COMPLETE,
    PND_VERDICT_INCOMPLETE, /* bytes are missing: see missing */
    PND_VERDICT_CORRUPT,    /* bytes are wrong, at offset */
};

enum {
    PND_CHECK_MISSING_CAP = 16,   /* the last range stands for all behind it */
    PND_CHECK_HEAD_CAP = 4 << 20, /* bytes of a core's start that are kept for its tables:
                                     some 58,000 segments; note says when they are more */
};

struct pnd_check_range {
    uint64_t start, end; /* offsets in the (uncompressed) content; end UINT64_MAX: unknown */
};

struct pnd_check {
    enum pnd_verdict verdict;
    char format[32];        /* "elf", "macho", ... (reader.h), "data", "empty"; "gzip+elf", "gzip",
                               "zstd+elf", "lz4" when the file is packed */
    char reason[256];       /* not COMPLETE: a sentence, from us, printable; else "" */
    char note[128];         /* whatever the verdict: something a person should know; mostly "" */
    uint64_t offset;        /* CORRUPT: where in the file as stored */
    uint64_t bytes;         /* size of the file as stored */
    uint64_t content_bytes; /* uncompressed */
    char sha256[65];
    unsigned missing_count;
    struct pnd_check_range missing[PND_CHECK_MISSING_CAP];
};

/* Only cores are held to their headers (ELF and Mach-O of type "core"): other ELF and Mach-O files
 * may leave out what they announce, and count as "data". A Mach-O core that ends before its last
 * segment is INCOMPLETE even where an old kernel meant it so, because the two look the same.
 * @source PROTOCOL.md#kdp-6.1, #kdp-6.4, #kdp-6.5 */

/* In this process. Reads @p fd with pread(). @p progress (may be NULL) is called now and then with
 * bytes read so far. @p facts (may be NULL) is overwritten; free with pnd_facts_deinit().
 *   @return PND_OK (whatever the verdict); PND_E_SYS the file cannot be read */
int pnd_check_file(int fd, void (*progress)(uint64_t done, void *ctx), void *ctx,
                   struct pnd_check *ret, struct pnd_facts *facts, struct pnd_why *why);

/* The same in a child that can do nothing but read @p fd and answer: no other descriptors, no
 * new privileges, Landlock, seccomp, limits on memory (PND_CHECK_MEMORY_MAX) and CPU time, and it
 * gives way to everybody else's work. The child is this program started anew (/proc/self/exe) with
 * argv[0] "panicd-check": every program that calls this calls pnd_check_child_main() first thing in
 * main(). @p fd must be a read-only descriptor of its own open(). Nobody else may reap the child.
 * The child has a minute of CPU time, and a second more for each 128 KiB of the file.
 *
 * @p follow: the file still grows. The child reads what pnd_check_allow() allows and waits for
 * more, until that says that all is there; it tells facts as soon as the bytes that hold them are
 * there. Bytes that were allowed must not change afterwards; when they do, destroy the child and
 * start anew. Without @p follow all is allowed. */
enum {
    PND_CHECK_MEMORY_MAX = 256 << 20, /* of address space, libraries included; ARCHITECTURE.md says
                                         under Memory what of it is touched */
};

struct pnd_check_child;

int pnd_check_start(int fd, bool follow, struct pnd_check_child **ret, struct pnd_why *why);

/* Readable when pnd_check_next() has something to say. For a parent in an event loop. */
int pnd_check_fd(const struct pnd_check_child *child);

/* The first @p bytes of the file are there (never fewer than before); with @p final that is all.
 * Never blocks. @return PND_OK; PND_E_SYS the child is gone (pnd_check_next() says how) */
int pnd_check_allow(struct pnd_check_child *child, uint64_t bytes, bool final);

/* Bytes of the file that the child has read; at most a second old. */
uint64_t pnd_check_done(const struct pnd_check_child *child);

enum pnd_check_news {
    PND_CHECK_NOTHING, /* yet */
    PND_CHECK_FACTS,   /* what is known by now: @p facts is set, the caller's to free */
    PND_CHECK_DONE,    /* the verdict: @p check is set; its last facts came before */
};

/* Reads what the child has said so far, without blocking. A child that died, or whose message
 * makes no sense, is an error here and costs nothing else.
 *   @return PND_OK, @p ret says what it is; PND_E_FORMAT the child died or spoke nonsense (why
 *           says how); PND_E_SYS */
int pnd_check_next(struct pnd_check_child *child, enum pnd_check_news *ret, struct pnd_check *check,
                   struct pnd_facts *facts, struct pnd_why *why);

/* Kills it if it still runs, and reaps it. NULL is fine. */
void pnd_check_destroy(struct pnd_check_child *child);

/* Start, wait, collect: for a program with nothing else to do. @p ended is asked ten times a second
 * whether to stop (may be NULL) and told how far the child is.
 *   @return as pnd_check_next(); PND_E_ABORTED @p ended said so */
int pnd_check_run(int fd, bool (*ended)(uint64_t done, void *ctx), void *ctx, struct pnd_check *ret,
                  struct pnd_facts *facts, struct pnd_why *why);

/* Does not return when this process is the child. */
void pnd_check_child_main(int argc, char **argv);

#endif
