/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Shared by the two halves of the vmcore reader; others include vmcore.h. Freestanding. */
#ifndef PND_IMAGE_VMCORE_LOG_H
#define PND_IMAGE_VMCORE_LOG_H

#include "image/vmcore.h"

/* A number of VMCOREINFO, in digits of @p base (10 or 16) and nothing else.
 *   @return false: no such line, or not such a number; @p ret is left as it was */
bool pnd_vmcore_info_number(const struct pnd_vmcore *vmcore, const char *key, unsigned base,
                            uint64_t *ret);

#endif
