/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The content of a dump, or of one file of a disk corefile, whichever way it is stored: as it is,
 * as gzip, zstd or LZ4 (any number of members or frames), or in Apple's LZ4 framing, whose blocks
 * may refer to the one before; and, whichever it is, encrypted by FreeBSD. Read once, from start to
 * end, in 4 MiB of memory and what zstd asks for as a window, at most 128 MiB, or LZ4 for a block,
 * at most 9. @source PROTOCOL.md#kdp-6.4, #kdp-7.3 */
#ifndef PND_INSPECT_UNPACK_H
#define PND_INSPECT_UNPACK_H

#include <stddef.h>
#include <stdint.h>

#include "host/why.h"
#include "inspect/decrypt.h"

#define PND_UNPACK_CHILD_NAME "panicd-unpack"

enum {
    PND_UNPACK_BLOCK_MAX = 1 << 20,    /* of LZ4, unpacked; Apple writes 64 KiB */
    PND_UNPACK_PIECE_MAX = 1 << 20,    /* what write() is given at once, at most */
    PND_UNPACK_MEMORY_MAX = 192 << 20, /* of address space, libraries included */
};

/* How it is stored. The first three are those of a corefile (panicd/corefile.h). */
enum pnd_unpack_packing {
    PND_UNPACK_RAW = 0,
    PND_UNPACK_GZIP = 1 << 8,
    PND_UNPACK_LZ4 = 1 << 9, /* Apple's framing */
    PND_UNPACK_ZSTD = 1 << 10,
    PND_UNPACK_LZ4_FRAME = 1 << 11, /* what lz4(1) opens */
};

/* What comes out. @source PROTOCOL.md#kdp-6.1; makedumpfile(8) */
enum pnd_unpack_form {
    PND_UNPACK_AS_IS,
    PND_UNPACK_ARRANGED, /* what makedumpfile has flattened is put in order; all else as it is */
    PND_UNPACK_ELF,      /* a Mach-O core of 64 bits becomes an ELF core for gdb; an ELF core says
                            that it is Linux's, which lldb wants to read */
};

struct pnd_unpack_job {
    uint64_t offset, length; /* in the source; their sum is at most INT64_MAX */
    enum pnd_unpack_packing packing;
    enum pnd_unpack_form form;
    const struct pnd_decrypt_key *key; /* packing is that of what is encrypted with it; NULL: it is
                                          not encrypted */
};

/* write()'s bytes follow those before, or stand where seek() said, which may be before what was
 * written already; it is called for ARRANGED only, and may be NULL without.
 * @param len  at least 1. @param done  bytes of the job's length that are behind us
 * @return PND_OK; anything else ends the work, and is what its caller gets */
struct pnd_unpack_sink {
    void *ctx;
    int (*write)(void *ctx, const void *data, size_t len, uint64_t done);
    int (*seek)(void *ctx, uint64_t at, uint64_t done);
};

/* In this process. All that comes before an error has been written.
 *   @param fd  only read, with pread()
 *   @param ret_at  where in the job's bytes it ended: its length, or the place of the damage
 *   @return PND_OK; PND_E_SHORT they end too early, or the source does; PND_E_FORMAT they are
 *           damaged, or something but zeros follows their end; PND_E_TYPE, PND_E_RANGE they cannot
 *           take the form; PND_E_SOURCE the source cannot be read; PND_E_SYS no memory; what
 *           write() and seek() returned */
int pnd_unpack(int fd, const struct pnd_unpack_job *job, const struct pnd_unpack_sink *sink,
               uint64_t *ret_at, struct pnd_why *why);

/* The same from what is no file of its own; job->key does not count. @param read  as much as there
 * is of @p len bytes at @p offset, called in ascending order: bytes, 0 behind the end, or a
 * negative error with errno */
struct pnd_unpack_source {
    void *ctx;
    long (*read)(void *ctx, uint64_t offset, void *buf, size_t len);
};
int pnd_unpack_from(const struct pnd_unpack_source *source, const struct pnd_unpack_job *job,
                    const struct pnd_unpack_sink *sink, uint64_t *ret_at, struct pnd_why *why);

/* The same from what pnd_decrypt_create() has opened for the job's bytes. */
int pnd_unpack_decrypted(struct pnd_decrypt *decrypt, const struct pnd_unpack_job *job,
                         const struct pnd_unpack_sink *sink, uint64_t *ret_at, struct pnd_why *why);

/* The same in a child that can do nothing but read @p fd and answer, like that of check.h: every
 * program that calls this calls pnd_unpack_child_main() first thing in main(). A key goes there
 * through a socket, before the cage closes. write() is called
 * here, outside. A child that dies costs only what it had not yet said: PND_E_FORMAT. */
int pnd_unpack_caged(int fd, const struct pnd_unpack_job *job, const struct pnd_unpack_sink *sink,
                     uint64_t *ret_at, struct pnd_why *why);

/* Does not return when this process is the child. */
void pnd_unpack_child_main(int argc, char **argv);

#endif
