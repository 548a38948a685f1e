/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The one function of <string.h> that the kernel misses. */
#ifndef BOX_TEXT_H
#define BOX_TEXT_H

#include <stdbool.h>

static inline bool box_same_text(const char *a, const char *b)
{
    for (; *a != '\0' && *a == *b; a++, b++)
        ;
    return *a == *b;
}

#endif
