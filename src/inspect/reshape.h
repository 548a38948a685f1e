/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What unpacked content becomes on its way out: a Mach-O core an ELF core, makedumpfile's
 * flattened stream the file it stands for. Bytes in, bytes out, in bounded memory; what comes in
 * is hostile, so this runs in the child of unpack.h.
 * @source PROTOCOL.md#kdp-6.1; makedumpfile(8), "flattened format" */
#ifndef PND_INSPECT_RESHAPE_H
#define PND_INSPECT_RESHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/why.h"
#include "inspect/unpack.h"

enum {
    PND_RESHAPE_HEAD_MAX = 8 << 20,     /* bytes of a Mach-O core before its first segment */
    PND_RESHAPE_SEGMENTS_MAX = 65000,   /* ELF counts in 16 bits */
    PND_RESHAPE_THREADS_MAX = 1024,     /* what is behind them is left out */
    PND_RESHAPE_ELF_ALIGN = 4096,       /* the content stands at a multiple of it */
    PND_RESHAPE_FLATTENED_HEADER = 4096 /* bytes before the first record */
};

struct pnd_reshape;

/* @p sink gets what comes out; it must live as long. Its seek() is needed for ARRANGED.
 *   @return PND_OK; PND_E_SYS no memory */
int pnd_reshape_create(enum pnd_unpack_form form, const struct pnd_unpack_sink *sink,
                       struct pnd_why *why, struct pnd_reshape **ret);
void pnd_reshape_destroy(struct pnd_reshape *reshape); /* NULL is fine */

/* A struct pnd_unpack_sink's write(), with the struct pnd_reshape for its ctx.
 *   @return PND_OK; PND_E_TYPE nothing of which an ELF core can be made; PND_E_FORMAT,
 *           PND_E_RANGE it contradicts itself, has too much; PND_E_SYS; what the sink returned */
int pnd_reshape_write(void *ctx, const void *data, size_t len, uint64_t done);

/* All has been written. @return PND_OK; PND_E_SHORT it ends too early; as pnd_reshape_write() */
int pnd_reshape_finish(struct pnd_reshape *reshape, uint64_t done);

/* Is this what makedumpfile -F wrote? By its first 16 bytes. */
bool pnd_reshape_is_flattened(const void *head, size_t len);

/* ---- reshape_elf.c ---- */

/* The head of an ELF core for a 64-bit Mach-O core, of which @p head has at least the header and
 * all commands. The core itself, as it is, follows it: its segments are described where they will
 * then stand, in order of address; each thread becomes a note.
 *   @param ret  malloc()ed, @p ret_len bytes, a multiple of PND_RESHAPE_ELF_ALIGN
 *   @return PND_OK; PND_E_TYPE 32 bits, no core, or a machine whose registers are not known here;
 *           PND_E_FORMAT; PND_E_RANGE too many segments; PND_E_SYS */
int pnd_reshape_elf_head(const void *head, size_t len, uint8_t **ret, size_t *ret_len,
                         struct pnd_why *why);

#endif
