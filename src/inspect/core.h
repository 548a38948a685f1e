/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the headers of a core file promise, held against the bytes that came. */
#ifndef PND_INSPECT_CORE_H
#define PND_INSPECT_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inspect/check.h"

/* What the content is, by its first bytes: "elf", "macho" or "data"; a constant. */
const char *pnd_core_format(const void *head, size_t len);

/* Sets verdict, reason, note and missing of @p check, which must be COMPLETE on entry, for content
 * of check->content_bytes bytes whose first @p len are at @p head. Content of format "data" stays
 * COMPLETE. */
void pnd_core_check(const void *head, size_t len, struct pnd_check *check);

/* Adds [start, end) to the sorted, disjoint missing ranges; the last takes what no longer fits. */
void pnd_check_add_missing(struct pnd_check *check, uint64_t start, uint64_t end);

#endif
