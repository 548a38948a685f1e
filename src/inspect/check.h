/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Is a dump whole? Reads a finished file once, from start to end, in bounded memory: SHA-256 of
 * the file as stored, the container it is, and whether the container is all there: a gzip
 * member's trailer, the segment bounds of a Mach-O core, the program headers of an ELF core
 * (each also inside gzip). Content that is none of these is "data": nothing contradicts it. */
#ifndef PND_INSPECT_CHECK_H
#define PND_INSPECT_CHECK_H

#include <stdbool.h>
#include <stdint.h>

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
    char format[32];        /* "elf", "macho", "gzip+elf", "gzip+macho", "gzip", "data", "empty" */
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

/* In this process. Reads @p fd from its start and moves its offset. @p progress (may be NULL) is
 * called now and then with bytes read so far.
 *   @return PND_OK (whatever the verdict); PND_E_SYS the file cannot be read */
int pnd_check_file(int fd, void (*progress)(uint64_t done, void *ctx), void *ctx,
                   struct pnd_check *ret, struct pnd_why *why);

/* The same in a child that can do nothing but read @p fd and answer: no other descriptors, no
 * new privileges, Landlock, seccomp, limits on memory (PND_CHECK_MEMORY_MAX) and CPU time. The
 * child is this program started anew (/proc/self/exe) with argv[0] "panicd-check": every program
 * that calls this calls pnd_check_child_main() first thing in main(). Non-blocking: a parent in
 * an event loop polls result_fd and calls pnd_check_collect() when it is readable.
 * The child reads through the caller's open file: lseek(fd, 0, SEEK_CUR) is its progress, and
 * @p fd must be a read-only descriptor of its own open(). Nobody else may reap the child. The child
 * has a minute of CPU time, and a second more for each 128 KiB of the file. */
enum { PND_CHECK_MEMORY_MAX = 64 << 20 };

struct pnd_check_child {
    int pid;       /* reaped by pnd_check_collect() */
    int result_fd; /* readable when the child has answered or died */
};

int pnd_check_start(int fd, struct pnd_check_child *ret, struct pnd_why *why);

/* Blocks only if called before result_fd is readable. A child that died, or whose answer makes
 * no sense, is an error here and costs nothing else.
 *   @return PND_OK; PND_E_FORMAT the child died or spoke nonsense (why says how); PND_E_SYS */
int pnd_check_collect(struct pnd_check_child *child, struct pnd_check *ret, struct pnd_why *why);

/* Does not return when this process is the child. */
void pnd_check_child_main(int argc, char **argv);

#endif
