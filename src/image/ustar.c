/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Headers of a tar archive; see ustar.h. */
#include "image/ustar.h"

#include "wire/cursor.h"

enum {
    NAME_BYTES = 100,
    MTIME_AT = 136,
    SIZE_AT = 124,
    NUMBER_BYTES = 12,
    SUM_AT = 148,
    SUM_BYTES = 8,
    TYPE_AT = 156,
    MAGIC_AT = 257,
    PREFIX_AT = 345,
    PREFIX_BYTES = 155,
};

/* POSIX ends the magic with NUL, older archives with a blank. */
bool pnd_ustar_is(const void *block, size_t len)
{
    static const char magic[] = {'u', 's', 't', 'a', 'r'};

    return len >= PND_USTAR_BLOCK &&
           memcmp((const uint8_t *)block + MAGIC_AT, magic, sizeof(magic)) == 0;
}

/* Octal digits, blanks in front, and NUL, a blank or the field's end behind them. */
static bool read_octal(const uint8_t *field, size_t len, uint64_t *ret)
{
    uint64_t value = 0;
    size_t i = 0, digits = 0;

    while (i < len && field[i] == ' ')
        i++;
    for (; i < len && field[i] >= '0' && field[i] <= '7'; i++, digits++)
        value = value << 3 | (uint64_t)(field[i] - '0');
    for (; i < len; i++) {
        if (field[i] != '\0' && field[i] != ' ')
            return false;
    }
    *ret = value;
    return digits > 0;
}

static uint64_t sum_of(const uint8_t *block)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < PND_USTAR_BLOCK; i++)
        sum += i >= SUM_AT && i < SUM_AT + SUM_BYTES ? ' ' : block[i];
    return sum;
}

static size_t text_len(const uint8_t *text, size_t cap)
{
    size_t len = 0;

    while (len < cap && text[len])
        len++;
    return len;
}

static void read_name(const uint8_t *block, char *ret)
{
    size_t prefix = text_len(block + PREFIX_AT, PREFIX_BYTES), name = text_len(block, NAME_BYTES);
    struct pnd_wr wr = pnd_wr(ret, PND_USTAR_NAME_CAP);

    pnd_wr_bytes(&wr, block + PREFIX_AT, prefix);
    if (prefix)
        pnd_wr_u8(&wr, '/');
    pnd_wr_bytes(&wr, block, name);
    pnd_wr_u8(&wr, '\0');
}

int pnd_ustar_read(const void *block, size_t len, struct pnd_ustar_member *ret)
{
    const uint8_t *bytes = block;
    struct pnd_ustar_member member;
    uint64_t sum;
    size_t zeros = 0;

    if (len < PND_USTAR_BLOCK)
        return PND_E_SHORT;
    if (!pnd_ustar_is(block, len)) {
        while (zeros < PND_USTAR_BLOCK && bytes[zeros] == 0)
            zeros++;
        return zeros == PND_USTAR_BLOCK ? PND_E_NOTFOUND : PND_E_TYPE;
    }
    memset(&member, 0, sizeof(member));
    if (!read_octal(bytes + SUM_AT, SUM_BYTES, &sum) || sum != sum_of(bytes) ||
        !read_octal(bytes + SIZE_AT, NUMBER_BYTES, &member.bytes))
        return PND_E_FORMAT;
    if (!read_octal(bytes + MTIME_AT, NUMBER_BYTES, &member.mtime_s))
        member.mtime_s = 0;
    read_name(bytes, member.name);
    member.type = bytes[TYPE_AT] ? (char)bytes[TYPE_AT] : '0';
    *ret = member;
    return PND_OK;
}

uint64_t pnd_ustar_next(uint64_t at, const struct pnd_ustar_member *member)
{
    uint64_t padded = (member->bytes + PND_USTAR_BLOCK - 1) & ~(uint64_t)(PND_USTAR_BLOCK - 1);

    if (at > UINT64_MAX - PND_USTAR_BLOCK || at + PND_USTAR_BLOCK > UINT64_MAX - padded)
        return UINT64_MAX;
    return at + PND_USTAR_BLOCK + padded;
}
