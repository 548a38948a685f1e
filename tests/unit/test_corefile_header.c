/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The header of the disk corefile, against headers written here byte by byte. */
#include "tap.h"
#include "wire/corefile.h"
#include "wire/cursor.h"

enum { PLACE = 1 << 20 };

static uint8_t head[4096];
static struct pnd_corefile_header header;
static struct pnd_corefile_entry entry;

/* @return where entries go */
static struct pnd_wr put_v2(uint32_t version, uint64_t log_offset, uint64_t log_length,
                            uint64_t files)
{
    struct pnd_wr wr = pnd_wr(head, sizeof(head));

    memset(head, 0xee, sizeof(head));
    pnd_wr_bytes(&wr, "Boss Mac", 8);
    pnd_wr_le32(&wr, version);
    pnd_wr_le32(&wr, 0xdeadbeef); /* padding says nothing */
    pnd_wr_le64(&wr, 0x10001);
    pnd_wr_le64(&wr, 4096);
    pnd_wr_le16(&wr, 65);
    pnd_wr_bytes(&wr, "\1\2\3\4\5\6", 6);
    pnd_wr_le64(&wr, log_offset);
    pnd_wr_le64(&wr, log_length);
    pnd_wr_le64(&wr, files);
    return wr;
}

static void put_entry(struct pnd_wr *wr, uint64_t flags, uint64_t offset, uint64_t length,
                      const char *name)
{
    size_t len = strlen(name);

    pnd_wr_le64(wr, flags);
    pnd_wr_le64(wr, offset);
    pnd_wr_le64(wr, length);
    pnd_wr_bytes(wr, name, len);
    pnd_wr_zeros(wr, PND_COREFILE_NAME_CAP - len);
}

static int read_with(size_t len)
{
    return pnd_corefile_read(head, len, PLACE, &header);
}

static int entry_with(size_t len, uint32_t index)
{
    return pnd_corefile_entry(&header, head, len, index, &entry);
}

static void reads_version_2(void)
{
    struct pnd_wr wr = put_v2(2, 12288, 777, 2);

    put_entry(&wr, PND_COREFILE_LZ4, 32768, 5, "kernel");
    put_entry(&wr, PND_COREFILE_GZIP | PND_COREFILE_ENCRYPTED, PLACE - 7, 7, "fifteen-letters");
    CHECK_EQ(read_with(sizeof(head)), PND_OK);
    CHECK_EQ(header.generation, PND_COREFILE_V2);
    CHECK_EQ(header.flags, 0x10001);
    CHECK_EQ(header.log_offset, 12288);
    CHECK_EQ(header.log_length, 777);
    CHECK_EQ(header.files, 2);
    CHECK_EQ(entry_with(sizeof(head), 0), PND_OK);
    CHECK_EQ(entry.flags, PND_COREFILE_LZ4);
    CHECK_EQ(entry.offset, 32768);
    CHECK_EQ(entry.length, 5);
    CHECK_STR(entry.name, "kernel");
    CHECK_EQ(entry_with(sizeof(head), 1), PND_OK);
    CHECK_EQ(entry.flags, PND_COREFILE_GZIP | PND_COREFILE_ENCRYPTED);
    CHECK_STR(entry.name, "fifteen-letters");
    CHECK_EQ(entry_with(sizeof(head), 2), PND_E_NOTFOUND);
    CHECK_EQ(entry_with(sizeof(head), UINT32_MAX), PND_E_NOTFOUND);
}

static void reads_version_1(void)
{
    struct pnd_wr wr = pnd_wr(head, sizeof(head));

    pnd_wr_bytes(&wr, "Rad Mac", 8);
    pnd_wr_le64(&wr, 4096);
    pnd_wr_le64(&wr, 100);
    pnd_wr_le64(&wr, 16);
    for (int i = 0; i < 16; i++) {
        pnd_wr_le64(&wr, UINT64_C(24576) + 4096 * (unsigned)i);
        pnd_wr_le64(&wr, 4000 + (unsigned)i);
        pnd_wr_bytes(&wr, i == 15 ? "panic_stackshot" : "kernel\0\0\0\0\0\0\0\0\0", 16);
    }
    CHECK_EQ(pnd_wr_len(&wr), 544);
    CHECK_EQ(read_with(544), PND_OK);
    CHECK_EQ(header.generation, PND_COREFILE_V1);
    CHECK_EQ(header.log_offset, 4096);
    CHECK_EQ(header.log_length, 100);
    CHECK_EQ(header.files, 16);
    CHECK_EQ(entry_with(544, 15), PND_OK);
    CHECK_EQ(entry.flags, PND_COREFILE_GZIP);
    CHECK_EQ(entry.offset, 24576 + 15 * 4096);
    CHECK_EQ(entry.length, 4015);
    CHECK_STR(entry.name, "panic_stackshot");
    CHECK_EQ(entry_with(543, 15), PND_E_SHORT);
    CHECK_EQ(entry_with(543, 14), PND_OK);
    head[24] = 17;
    CHECK_EQ(read_with(544), PND_E_RANGE);
}

static void reads_version_0(void)
{
    struct pnd_wr wr = pnd_wr(head, sizeof(head));

    pnd_wr_bytes(&wr, "Sad Mac", 8);
    pnd_wr_le64(&wr, 4096);
    pnd_wr_le64(&wr, 0);
    pnd_wr_le64(&wr, 8192);
    pnd_wr_le64(&wr, 999);
    for (size_t len = 0; len < 40; len++)
        CHECK_EQ(read_with(len), PND_E_SHORT);
    CHECK_EQ(read_with(40), PND_OK);
    CHECK_EQ(header.generation, PND_COREFILE_V0);
    CHECK_EQ(header.files, 1);
    CHECK_EQ(entry_with(40, 0), PND_OK);
    CHECK_EQ(entry.flags, PND_COREFILE_GZIP);
    CHECK_EQ(entry.offset, 8192);
    CHECK_EQ(entry.length, 999);
    CHECK_STR(entry.name, "kernel");
    memset(head + 32, 0, 8);
    CHECK_EQ(read_with(40), PND_OK);
    CHECK_EQ(header.files, 0);
}

static void refuses_what_it_does_not_know(void)
{
    put_v2(3, 4096, 0, 0);
    CHECK_EQ(read_with(sizeof(head)), PND_E_TYPE);
    put_v2(1, 4096, 0, 0);
    CHECK_EQ(read_with(12), PND_E_TYPE); /* before anything behind the version is looked at */
    put_v2(2, 4096, 0, 0);
    for (int i = 0; i < 8; i++) {
        head[i] ^= 0x20;
        CHECK_EQ(read_with(sizeof(head)), PND_E_TYPE);
        head[i] ^= 0x20;
    }
    memset(head, 0, sizeof(head));
    CHECK_EQ(read_with(sizeof(head)), PND_E_TYPE);
}

static void every_truncation_is_short(void)
{
    struct pnd_wr wr = put_v2(2, 4096, 9, 64);

    for (int i = 0; i < 64; i++)
        put_entry(&wr, 0, 65536, 1, "kernel");
    CHECK_EQ(pnd_wr_len(&wr), PND_COREFILE_HEADER_BYTES);
    for (size_t len = 0; len < 64; len++)
        CHECK_EQ(read_with(len), PND_E_SHORT);
    CHECK_EQ(read_with(64), PND_OK);
    for (size_t len = 64; len <= PND_COREFILE_HEADER_BYTES; len++)
        for (uint32_t i = 0; i < 64; i++)
            CHECK_EQ(entry_with(len, i), len < 64 + (i + 1) * 40 ? PND_E_SHORT : PND_OK);
}

static void nothing_lies_outside_the_place_or_over_the_header(void)
{
    static const struct {
        uint64_t offset, length;
        int err;
    } ranges[] = {
        {4096, PLACE - 4096, PND_OK},
        {4096, PLACE - 4095, PND_E_RANGE},
        {PLACE, 0, PND_OK},
        {UINT64_MAX, 0, PND_OK}, /* what is empty is nowhere */
        {PLACE, 1, PND_E_RANGE},
        {UINT64_MAX, 1, PND_E_RANGE},
        {4096, UINT64_MAX, PND_E_RANGE},
        {UINT64_MAX - 10, 20, PND_E_RANGE},
        {PND_COREFILE_HEADER_BYTES, 1, PND_OK},
        {PND_COREFILE_HEADER_BYTES - 1, 1, PND_E_RANGE},
        {0, 1, PND_E_RANGE},
    };

    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        struct pnd_wr wr = put_v2(2, ranges[i].offset, ranges[i].length, 0);

        CHECK_EQ(read_with(sizeof(head)), ranges[i].err);
        wr = put_v2(2, 4096, 1, 2);
        put_entry(&wr, 0, ranges[i].offset, ranges[i].length, "kernel");
        put_entry(&wr, 0, 65536, 1, "other");
        CHECK_EQ(read_with(sizeof(head)), PND_OK);
        CHECK_EQ(entry_with(sizeof(head), 0), ranges[i].err);
        CHECK_EQ(entry_with(sizeof(head), 1), PND_OK);
    }
    put_v2(2, 4096, 1, 65);
    CHECK_EQ(read_with(sizeof(head)), PND_E_RANGE);
    put_v2(2, 4096, 1, UINT64_C(1) << 32);
    CHECK_EQ(read_with(sizeof(head)), PND_E_RANGE);
    put_v2(2, 4096, 1, 0);
    memset(head + 24, 0xff, 8); /* the key */
    CHECK_EQ(read_with(sizeof(head)), PND_E_RANGE);
}

static void names_are_made_safe_for_a_file_system(void)
{
    static const struct {
        const char *stored, *read;
    } names[] = {
        {"kernel", "kernel"},
        {"../../etc/x", "_._.._etc_x"},
        {".", "_"},
        {"..", "_."},
        {"/", "_"},
        {"a b~", "a b~"},
        {"tab\there", "tab_here"},
        {"\xc3\xa9", "__"},
        {"\x7f", "_"},
    };
    char cut[PND_COREFILE_NAME_CAP];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct pnd_wr wr = put_v2(2, 4096, 1, 1);

        put_entry(&wr, 0, 65536, 1, names[i].stored);
        CHECK_EQ(read_with(sizeof(head)), PND_OK);
        CHECK_EQ(entry_with(sizeof(head), 0), PND_OK);
        CHECK_STR(entry.name, names[i].read);
    }
    CHECK_EQ(pnd_corefile_name("panic_stackshot.kcdata", 16, cut), PND_OK);
    CHECK_STR(cut, "panic_stackshot");
    CHECK_EQ(pnd_corefile_name("", 16, cut), PND_E_NAME);
}

static void a_name_that_is_empty_or_has_no_end_is_refused_alone(void)
{
    struct pnd_wr wr = put_v2(2, 4096, 1, 3);

    put_entry(&wr, 0, 65536, 1, "");
    put_entry(&wr, 0, 65536, 1, "sixteen--letters");
    put_entry(&wr, 0, 65536, 1, "kernel");
    CHECK_EQ(read_with(sizeof(head)), PND_OK);
    CHECK_EQ(entry_with(sizeof(head), 0), PND_E_NAME);
    CHECK_EQ(entry_with(sizeof(head), 1), PND_E_NAME);
    CHECK_EQ(entry_with(sizeof(head), 2), PND_OK);
}

/* The bytes as the format's description has them, not as the reader sees them. */
static void writes_the_bytes_of_version_2(void)
{
    static const uint8_t want[] = {
        'B', 'o', 's', 's', ' ', 'M', 'a', 'c', 2,   0,    0,   0,   0,   0,   0, 0, /* version */
        0,   0,   0,   0,   0,   0,   0,   0,   0,   0,    0,   0,   0,   0,   0, 0, /* flags, key
                                                                                      */
        0,   0,   0,   0,   0,   0,   0,   0,   0,   0x10, 0,   0,   0,   0,   0, 0, /* key length,
                                                                                        log */
        0x3, 0x2, 0x1, 0,   0,   0,   0,   0,   1,   0,    0,   0,   0,   0,   0, 0, /* log length,
                                                                                        files */
        0,   2,   0,   0,   0,   0,   0,   0,   0,   0x50, 0,   0,   1,   0,   0, 0, /* LZ4, offset
                                                                                      */
        9,   8,   7,   6,   5,   0,   0,   0,   'k', 'e',  'r', 'n', 'e', 'l', 0, 0, 0,
        0,   0,   0,   0,   0,   0,   0,
    };
    const struct pnd_corefile_header out = {.files = 1, .log_offset = 4096, .log_length = 0x10203};
    struct pnd_wr wr = pnd_wr(head, sizeof(head));

    entry = (struct pnd_corefile_entry){PND_COREFILE_LZ4, UINT64_C(0x100005000),
                                        UINT64_C(0x506070809), "kernel"};
    pnd_corefile_put_head(&wr, &out);
    CHECK_EQ(pnd_wr_len(&wr), PND_COREFILE_HEAD_BYTES);
    pnd_corefile_put_entry(&wr, &entry);
    CHECK_EQ(pnd_wr_len(&wr), sizeof(want));
    CHECK_MEM(head, want, sizeof(want));
}

int main(void)
{
    RUN(reads_version_2);
    RUN(reads_version_1);
    RUN(reads_version_0);
    RUN(refuses_what_it_does_not_know);
    RUN(every_truncation_is_short);
    RUN(nothing_lies_outside_the_place_or_over_the_header);
    RUN(names_are_made_safe_for_a_file_system);
    RUN(a_name_that_is_empty_or_has_no_end_is_refused_alone);
    RUN(writes_the_bytes_of_version_2);
    return tap_done();
}
