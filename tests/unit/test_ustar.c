/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Headers of a tar archive, whole and damaged. */
#include "image/ustar.h"
#include "tap.h"

static uint8_t block[PND_USTAR_BLOCK];
static struct pnd_ustar_member member;

/* Without its NUL. */
static void put_text(uint8_t *at, const char *text)
{
    while (*text)
        *at++ = (uint8_t)*text++;
}

static void sum_up(void)
{
    unsigned sum = 0;
    char text[9];

    memset(block + 148, ' ', 8);
    for (unsigned i = 0; i < sizeof(block); i++)
        sum += block[i];
    snprintf(text, sizeof(text), "%06o", sum & 0777777);
    memcpy(block + 148, text, 7);
}

static void make(const char *name, const char *size)
{
    memset(block, 0, sizeof(block));
    put_text(block, name);
    put_text(block + 100, "0000600");
    put_text(block + 124, size);
    put_text(block + 136, "14037412450");
    block[156] = '0';
    put_text(block + 257, "ustar");
    sum_up();
}

static int read_block(void)
{
    return pnd_ustar_read(block, sizeof(block), &member);
}

static void a_header_gives_name_size_and_time(void)
{
    make("msgbuf.txt", "00000200005");
    CHECK_EQ(read_block(), PND_OK);
    CHECK_STR(member.name, "msgbuf.txt");
    CHECK_EQ(member.bytes, 0200005);
    CHECK_EQ(member.mtime_s, 014037412450);
    CHECK_EQ(member.type, '0');
    CHECK_EQ(pnd_ustar_next(512, &member), 512 + 512 + 0200000 + 512);
    make("", "        0 ");
    block[156] = 0;
    memset(block + 136, 'x', 12); /* a time that is none costs only itself */
    put_text(block + 257, "ustar  ");
    sum_up();
    CHECK_EQ(read_block(), PND_OK);
    CHECK_EQ(member.bytes, 0);
    CHECK_EQ(member.type, '0');
    CHECK_EQ(member.mtime_s, 0);
    CHECK_EQ(pnd_ustar_next(0, &member), 512);
}

static void a_name_may_fill_its_field_and_have_a_prefix(void)
{
    make("", "1");
    memset(block, 'n', 100);
    memset(block + 345, 'p', 155);
    sum_up();
    CHECK_EQ(read_block(), PND_OK);
    CHECK_EQ(strlen(member.name), 256);
    CHECK_EQ(member.name[155], '/');
}

static void every_flipped_bit_is_found_by_the_checksum(void)
{
    make("panic.txt", "00000000012");
    for (unsigned bit = 0; bit < 8 * PND_USTAR_BLOCK; bit++) {
        int err;

        block[bit / 8] ^= (uint8_t)(1u << bit % 8);
        err = read_block();
        /* a NUL or 0 around the sum's own digits may as well be a blank */
        CHECK(err == PND_E_FORMAT || err == PND_E_TYPE ||
              (err == PND_OK && bit / 8 >= 148 && bit / 8 < 156));
        block[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void numbers_that_are_none_are_refused(void)
{
    static const char *const sizes[] = {"", "8", "12x", "-1", "1 2", "\x80\0\0\1"};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        make("ddb.txt", sizes[i]);
        CHECK_EQ(read_block(), PND_E_FORMAT);
    }
    make("ddb.txt", "777777777777");
    CHECK_EQ(read_block(), PND_OK);
    CHECK_EQ(member.bytes, UINT64_C(0777777777777));
    CHECK_EQ(pnd_ustar_next(UINT64_MAX - 600, &member), UINT64_MAX);
    CHECK_EQ(pnd_ustar_next(UINT64_MAX - 100, &member), UINT64_MAX);
}

static void zeros_end_an_archive_and_anything_else_is_none(void)
{
    memset(block, 0, sizeof(block));
    CHECK_EQ(read_block(), PND_E_NOTFOUND);
    block[511] = 1;
    CHECK_EQ(read_block(), PND_E_TYPE);
    make("ddb.txt", "0");
    for (size_t len = 0; len < sizeof(block); len++) {
        CHECK_EQ(pnd_ustar_read(block, len, &member), PND_E_SHORT);
        CHECK(!pnd_ustar_is(block, len));
    }
}

int main(void)
{
    RUN(a_header_gives_name_size_and_time);
    RUN(a_name_may_fill_its_field_and_have_a_prefix);
    RUN(every_flipped_bit_is_found_by_the_checksum);
    RUN(numbers_that_are_none_are_refused);
    RUN(zeros_end_an_archive_and_anything_else_is_none);
    return tap_done();
}
