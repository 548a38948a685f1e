/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See divide.h. */
#include "wire/divide.h"

#include <stdbool.h>

uint64_t pnd_divide(uint64_t number, uint64_t by, uint64_t *ret_rest)
{
    uint64_t quotient = 0, rest = 0;

    for (unsigned i = 0; by && i < 64; i++) {
        unsigned bit = 63 - i;
        bool carry = rest >> 63;

        rest = rest << 1 | (number >> bit & 1);
        if (carry || rest >= by) {
            rest -= by;
            quotient |= UINT64_C(1) << bit;
        }
    }
    *ret_rest = rest;
    return quotient;
}
