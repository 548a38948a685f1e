/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The two halves of a signature: for facts/signature*.c alone. Whatever changes what these give
 * changes PND_SIGNATURE_VERSION. */
#ifndef PND_FACTS_SIGNATURE_PARTS_H
#define PND_FACTS_SIGNATURE_PARTS_H

#include "facts/facts.h"
#include "facts/signature.h"

enum {
    PND_SIGNATURE_LINE = 512,   /* bytes with NUL: of the panic string's line that counts */
    PND_SIGNATURE_NAME = 160,   /* of a frame: "ext4_find_entry [ext4]" */
    PND_SIGNATURE_WALK_MAX = 64 /* frames looked at */
};

/* The first line that says something, without "panic(cpu 0 caller 0x...): ", "Kernel panic - not
 * syncing: ", times, quotes and what a compiler's build directory was. "" for none. */
void pnd_signature_line(const char *panic, char ret[PND_SIGNATURE_LINE]);

/* What of such a line is the same on every machine: '#' stands for each number, address and
 * instance; names of the processes that happened to run are left out. */
void pnd_signature_reduce(const char *line, char ret[PND_SIGNATURE_LINE]);

/* The names of the frames that count, at most PND_SIGNATURE_FRAMES. @return how many */
unsigned pnd_signature_frames(const struct pnd_facts *facts,
                              char ret[PND_SIGNATURE_FRAMES][PND_SIGNATURE_NAME]);

#endif
