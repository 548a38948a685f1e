/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A dump as a file of a directory: NAME.part while it is written, NAME when it is safe. Nothing
 * that is there is ever overwritten: a taken name gets a number, before its ".gz". A dump that did
 * not end is kept as NAME.incomplete, because its first bytes say why the kernel died, until a
 * later attempt ends well, or comes further. When the disk is full, only PND_LOCAL_KEPT bytes of it
 * are: the machine has to work again with this disk.
 * Memory: PND_LOCAL_BUFFER, and at most PND_LOCAL_WINDOW twice of the page cache. */
#ifndef PND_CAPTURE_LOCAL_FILE_H
#define PND_CAPTURE_LOCAL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panicd/stage.h"

#include "host/why.h"

enum {
    PND_LOCAL_BUFFER = 256 * 1024,
    PND_LOCAL_WINDOW = 4 << 20, /* bytes between two looks at the disk */
    PND_LOCAL_FLOOR = 16 << 20, /* bytes that stay free for those who run after the reboot */
    PND_LOCAL_KEPT = 16 << 20,  /* of a dump for which the disk was too small */
    PND_LOCAL_NAME_CAP = 256,   /* with a number and ".incomplete" */
    PND_LOCAL_NUMBER_MAX = 9999,
};

struct pnd_local_file {
    int dir, fd;                          /* dir is the caller's; -1: none */
    char name[PND_LOCAL_NAME_CAP];        /* the one it will have */
    char left_behind[PND_LOCAL_NAME_CAP]; /* what an earlier attempt left; "": nothing */
    uint64_t left_bytes;
    uint64_t bytes; /* taken so far, with what is in the buffer */
    uint64_t written, looked_at;
    uint64_t cut_to; /* PND_LOCAL_KEPT once the disk was full */
    size_t fill;
    struct pnd_why why; /* of the first thing that went wrong */
    uint8_t buffer[PND_LOCAL_BUFFER];
};

/* To be called once, before the first attempt. */
void pnd_local_file_init(struct pnd_local_file *file);

/* Begins NAME in the directory @p dir, open as long as the file is. Of what an earlier attempt
 * with the same struct left behind, PND_LOCAL_KEPT bytes stay for the time of this one.
 *   @return PND_OK; PND_E_NAME it cannot be one; PND_E_FULL 9999 of that name; PND_E_NOSPACE less
 *           than PND_LOCAL_FLOOR is free; PND_E_SYS */
int pnd_local_file_open(struct pnd_local_file *file, int dir, const char *name,
                        struct pnd_why *why);

/* The way in. write: PND_E_NOSPACE; PND_E_RANGE the file system has no files that long; PND_E_SYS.
 * end: PND_OK when the file, its name and its directory are on the disk. Runs of zeros are holes.
 */
void pnd_local_file_sink(struct pnd_local_file *file, struct pnd_sink *ret);

/* Ends what did not end: NAME.part becomes NAME.incomplete. After a success it does nothing.
 * @p why gets what happened, and what was kept. */
void pnd_local_file_close(struct pnd_local_file *file, struct pnd_why *why);

#endif
