/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The panic log, in the layout of Apple's kernel, as far as this machine has the facts; and the
 * panic region, which is that log behind a header. PROTOCOL.md#kdp-9.1, #kdp-9.2, #kdp-9.4 */
#ifndef BOX_PANIC_LOG_H
#define BOX_PANIC_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panicd/bootargs.h"

struct box_frame;

#define BOX_KERNEL_VERSION                                                                         \
    "Panicbox Kernel Version " PND_VERSION ": root:panicbox-" PND_VERSION "/RELEASE_X86_64"

/* What happened. */
struct box_death {
    enum pnd_trigger trigger;
    const char *message; /* NULL: the frame is a trap, which says it itself */
    uint64_t caller;     /* of panic(); with a trap: where it happened */
    const struct box_frame *frame;
    bool symbols; /* keepsyms */
};

/* @return the length of the text in @p ret, without its NUL; what does not fit is left out */
size_t box_panic_log_write(const struct box_death *death, char *ret, size_t cap);

/* Writes the log into the region, which lies in dumped memory and is final when this returns.
 * @return the log within it; it ends in a NUL */
const char *box_panic_log_make(const struct box_death *death, size_t *ret_len);

/* @return the region, page-aligned */
const void *box_panic_region(size_t *ret_len);

#endif
