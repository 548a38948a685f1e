/* SPDX-License-Identifier: BSD-2-Clause
 *
 * FreeBSD's dump header, in all versions: the tables of PROTOCOL.md#netdump-6 written down once
 * more, and held against what the code makes of them. */
#include "image/kdh.h"
#include "tap.h"

enum { NONE = 0 };

/* Offsets, by version. */
static const struct {
    unsigned extent, time, key, block, packing, host, os, panic, panic_bytes;
} table[5] = {
    {0},
    {NONE, 48, NONE, 56, NONE, 60, 124, 316, 192},
    {NONE, 48, 56, 60, NONE, 64, 128, 320, 188},
    {48, 56, 64, 68, 72, 73, 137, 329, 179},
    {496, 48, 56, 60, 495, 64, 128, 320, 175},
};

static uint8_t header[PND_KDH_BYTES];
static struct pnd_kdh kdh;

/* Without its NUL. */
static void put_text(uint8_t *at, const char *text)
{
    while (*text)
        *at++ = (uint8_t)*text++;
}

static void put(unsigned at, uint64_t value, unsigned size)
{
    for (unsigned i = 0; at && i < size; i++)
        header[at + i] = (uint8_t)(value >> (8 * (size - 1 - i)));
}

static void mend(void)
{
    memset(header + 508, 0, 4);
    for (unsigned i = 0; i < 508; i++)
        header[508 + i % 4] ^= header[i];
}

static void make(unsigned version)
{
    memset(header, 0, sizeof(header));
    put_text(header, "FreeBSD Kernel Dump");
    put_text(header + 20, "amd64");
    put(32, version, 4);
    put(36, 2, 4);
    put(40, UINT64_C(0x123456789abc), 8);
    put(table[version].extent, UINT64_C(0x223456789abc), 8);
    put(table[version].time, 1618812840, 8);
    put(table[version].key, 512, 4);
    put(table[version].block, 4096, 4);
    put(table[version].packing, 2, 1);
    put_text(header + table[version].host, "crash.example.org");
    put_text(header + table[version].os, "FreeBSD 13.0-RELEASE #0");
    put_text(header + table[version].panic, "page fault");
    mend();
}

static void every_field_of_every_version_is_where_the_table_says(void)
{
    for (unsigned version = 1; version <= 4; version++) {
        make(version);
        CHECK(pnd_kdh_is(header, sizeof(header)));
        CHECK_EQ(pnd_kdh_read(header, sizeof(header), &kdh), PND_OK);
        CHECK(kdh.parity_ok);
        CHECK_EQ(kdh.kind, PND_KDH_KERNEL);
        CHECK_STR(kdh.architecture, "amd64");
        CHECK_EQ(kdh.version, version);
        CHECK_EQ(kdh.architecture_version, 2);
        CHECK_EQ(kdh.dump_bytes, UINT64_C(0x123456789abc));
        CHECK_EQ(kdh.extent_bytes, version >= 3 ? UINT64_C(0x223456789abc) : 0);
        CHECK_EQ(kdh.time_s, 1618812840);
        CHECK_EQ(kdh.key_bytes, version >= 2 ? 512 : 0);
        CHECK_EQ(kdh.block_bytes, 4096);
        CHECK_EQ(kdh.packing, version >= 3 ? PND_KDH_ZSTD : PND_KDH_PLAIN);
        CHECK_STR(kdh.host, "crash.example.org");
        CHECK_STR(kdh.os, "FreeBSD 13.0-RELEASE #0");
        CHECK_STR(kdh.panic, "page fault");
    }
}

static void what_is_written_is_what_was_read(void)
{
    uint8_t again[PND_KDH_BYTES];

    for (unsigned version = 1; version <= 4; version++) {
        make(version);
        CHECK_EQ(pnd_kdh_read(header, sizeof(header), &kdh), PND_OK);
        kdh.parity = 1;
        CHECK_EQ(pnd_kdh_write(&kdh, again), PND_OK);
        CHECK_MEM(again, header, sizeof(header));
    }
    kdh.version = 5;
    CHECK_EQ(pnd_kdh_write(&kdh, again), PND_E_ARG);
    kdh.version = 0;
    CHECK_EQ(pnd_kdh_write(&kdh, again), PND_E_ARG);
}

static void texts_end_even_when_the_header_fills_them(void)
{
    uint8_t again[PND_KDH_BYTES];

    for (unsigned version = 1; version <= 4; version++) {
        make(version);
        memset(header + 20, 'a', 12);
        memset(header + table[version].host, 'h', 64);
        memset(header + table[version].os, 'v', 192);
        memset(header + table[version].panic, 'p', table[version].panic_bytes);
        mend();
        CHECK_EQ(pnd_kdh_read(header, sizeof(header), &kdh), PND_OK);
        CHECK_EQ(strlen(kdh.architecture), 11);
        CHECK_EQ(strlen(kdh.host), 63);
        CHECK_EQ(strlen(kdh.os), 191);
        CHECK_EQ(strlen(kdh.panic), table[version].panic_bytes - 1);
        CHECK_EQ(kdh.packing, version >= 3 ? PND_KDH_ZSTD : PND_KDH_PLAIN);
        memset(kdh.panic, 'q', sizeof(kdh.panic) - 1); /* cut when it is written */
        CHECK_EQ(pnd_kdh_write(&kdh, again), PND_OK);
        CHECK_EQ(pnd_kdh_read(again, sizeof(again), &kdh), PND_OK);
        CHECK_EQ(strlen(kdh.panic), table[version].panic_bytes - 1);
        CHECK(kdh.parity_ok && kdh.time_s == 1618812840 && kdh.block_bytes == 4096);
    }
}

static void every_flipped_bit_is_found_by_the_parity(void)
{
    make(4);
    for (unsigned bit = 0; bit < 8 * PND_KDH_BYTES; bit++) {
        int err;

        header[bit / 8] ^= (uint8_t)(1u << bit % 8);
        err = pnd_kdh_read(header, sizeof(header), &kdh);
        CHECK(err == PND_E_TYPE || err == PND_E_FORMAT || (err == PND_OK && !kdh.parity_ok));
        if (bit < 8 * 20)
            CHECK_EQ(err, PND_E_TYPE);
        header[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    CHECK_EQ(pnd_kdh_read(header, sizeof(header), &kdh), PND_OK);
    CHECK(kdh.parity_ok);
}

static void every_truncation_is_short(void)
{
    make(3);
    for (size_t len = 0; len < PND_KDH_BYTES; len++) {
        CHECK_EQ(pnd_kdh_read(header, len, &kdh), PND_E_SHORT);
        CHECK_EQ(pnd_kdh_is(header, len), len >= 20);
    }
}

static void the_three_magics_are_told_apart_and_others_refused(void)
{
    static const struct {
        const char *magic;
        int err;
        enum pnd_kdh_kind kind;
    } cases[] = {
        {"FreeBSD Kernel Dump", PND_OK, PND_KDH_KERNEL},
        {"FreeBSD Text Dump", PND_OK, PND_KDH_TEXT},
        {"Cleared Kernel Dump", PND_OK, PND_KDH_CLEARED},
        {"FreeBSD Kernel Dumq", PND_E_TYPE, PND_KDH_KERNEL},
        {"FreeBSD Text Dumps", PND_E_TYPE, PND_KDH_KERNEL},
        {"FreeBSD", PND_E_TYPE, PND_KDH_KERNEL},
        {"", PND_E_TYPE, PND_KDH_KERNEL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        make(4);
        memset(header, 0, 20);
        put_text(header, cases[i].magic);
        mend();
        CHECK_EQ(pnd_kdh_read(header, sizeof(header), &kdh), cases[i].err);
        if (!cases[i].err)
            CHECK_EQ(kdh.kind, cases[i].kind);
    }
    for (unsigned version = 0; version < 300; version += version == 0 ? 5 : 1) {
        make(4);
        put(32, version, 4);
        mend();
        CHECK_EQ(pnd_kdh_read(header, sizeof(header), &kdh), PND_E_FORMAT);
    }
}

static void a_key_blob_is_read_and_every_truncation_of_it_refused(void)
{
    uint8_t blob[37 + 256 + 219] = {2}; /* and zeros up to 512 */
    struct pnd_kdh_key key;

    for (unsigned i = 0; i < 32; i++)
        blob[1 + i] = (uint8_t)(i + 1);
    blob[35] = 1; /* 256 bytes */
    memset(blob + 37, 0x5a, 256);
    CHECK_EQ(pnd_kdh_key_read(blob, sizeof(blob), &key), PND_OK);
    CHECK_EQ(key.cipher, 2);
    CHECK_STR(pnd_kdh_cipher_name(key.cipher), "ChaCha20");
    CHECK_EQ(key.bytes, 256);
    CHECK(key.wrapped == blob + 37);
    CHECK_MEM(key.iv, blob + 1, 32);
    for (size_t len = 0; len < 37 + 256; len++)
        CHECK_EQ(pnd_kdh_key_read(blob, len, &key), PND_E_SHORT);
    blob[35] = 8; /* 2048 fit in no blob of 512 */
    CHECK_EQ(pnd_kdh_key_read(blob, sizeof(blob), &key), PND_E_SHORT);
    blob[36] = 1;
    CHECK_EQ(pnd_kdh_key_read(blob, sizeof(blob), &key), PND_E_RANGE);
    memset(blob + 33, 0xff, 4);
    CHECK_EQ(pnd_kdh_key_read(blob, sizeof(blob), &key), PND_E_RANGE);
}

static void what_is_not_known_has_a_word(void)
{
    CHECK_STR(pnd_kdh_packing_name(PND_KDH_PLAIN), "none");
    CHECK_STR(pnd_kdh_packing_name(PND_KDH_GZIP), "gzip");
    CHECK_STR(pnd_kdh_packing_name(PND_KDH_ZSTD), "zstd");
    CHECK_STR(pnd_kdh_packing_name(3), "unknown");
    CHECK_STR(pnd_kdh_cipher_name(1), "AES-256-CBC");
    CHECK_STR(pnd_kdh_cipher_name(0), "unknown");
}

int main(void)
{
    RUN(every_field_of_every_version_is_where_the_table_says);
    RUN(what_is_written_is_what_was_read);
    RUN(texts_end_even_when_the_header_fills_them);
    RUN(every_flipped_bit_is_found_by_the_parity);
    RUN(every_truncation_is_short);
    RUN(the_three_magics_are_told_apart_and_others_refused);
    RUN(a_key_blob_is_read_and_every_truncation_of_it_refused);
    RUN(what_is_not_known_has_a_word);
    return tap_done();
}
