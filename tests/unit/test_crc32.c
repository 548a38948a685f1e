/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The checksum of tables and lines, against values that everybody has. */
#include "tap.h"
#include "wire/crc32.h"

static void crc32_is_that_of_the_standard(void)
{
    static const uint8_t zeros[32];

    CHECK_EQ(pnd_crc32(0, "123456789", 9), 0xcbf43926);
    CHECK_EQ(pnd_crc32(0, "", 0), 0);
    CHECK_EQ(pnd_crc32(0, zeros, sizeof(zeros)), 0x190a55ad);
}

static void a_sum_goes_on_where_it_stopped(void)
{
    static const char text[] = "123456789";

    for (size_t cut = 0; cut <= 9; cut++)
        CHECK_EQ(pnd_crc32(pnd_crc32(0, text, cut), text + cut, 9 - cut), 0xcbf43926);
}

int main(void)
{
    RUN(crc32_is_that_of_the_standard);
    RUN(a_sum_goes_on_where_it_stopped);
    return tap_done();
}
