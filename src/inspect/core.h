/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the headers of a dump promise, held against the bytes that came: for the readers. */
#ifndef PND_INSPECT_CORE_H
#define PND_INSPECT_CORE_H

#include "inspect/reader.h"

/* Adds [start, end) to the sorted, disjoint missing ranges; the last takes what no longer fits. */
void pnd_check_add_missing(struct pnd_check *check, uint64_t start, uint64_t end);

/* CORRUPT: the headers contradict themselves. Within a packed file the stored offset of a content
 * byte is not known, and the start of the file is named instead. */
__attribute__((format(printf, 4, 5))) void pnd_check_corrupt(const struct pnd_reader_input *in,
                                                             struct pnd_check *check, uint64_t at,
                                                             const char *fmt, ...);

/* INCOMPLETE: the content ends within its own headers. @param what  "ELF" */
void pnd_check_ends_in_headers(struct pnd_check *check, const char *what);

/* The note for headers behind the head that is kept, which were not looked at.
 * @param seen, announced  headers */
void pnd_check_note_unseen(struct pnd_check *check, uint32_t seen, uint32_t announced);

/* What one walk over the headers gathers. */
struct pnd_promise {
    uint64_t content_bytes, end;
};

/* @p start + @p size does not overflow. What has not come is missing. */
void pnd_promise_add(struct pnd_check *check, struct pnd_promise *promise, uint64_t start,
                     uint64_t size);

/* INCOMPLETE when something promised did not come. */
void pnd_promise_judge(struct pnd_check *check, const struct pnd_promise *promise,
                       const char *what);

#endif
