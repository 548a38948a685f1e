/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Every packet form of PROTOCOL.md#kdp-1.1 to #kdp-1.9, byte for byte, in both directions. */
#include "tap.h"
#include "wire/kdp.h"

/* The example of PROTOCOL.md#kdp-1.2. */
static const char example_name[] = "core-xnu-3789.72.11-192.168.136.130-a5001516.gz";
static const uint8_t example_wrq[] = {
    0x00, 0x02, 0x63, 0x6f, 0x72, 0x65, 0x2d, 0x78, 0x6e, 0x75, 0x2d, 0x33, 0x37, 0x38, 0x39,
    0x2e, 0x37, 0x32, 0x2e, 0x31, 0x31, 0x2d, 0x31, 0x39, 0x32, 0x2e, 0x31, 0x36, 0x38, 0x2e,
    0x31, 0x33, 0x36, 0x2e, 0x31, 0x33, 0x30, 0x2d, 0x61, 0x35, 0x30, 0x30, 0x31, 0x35, 0x31,
    0x36, 0x2e, 0x67, 0x7a, 0x00, 0x6f, 0x63, 0x74, 0x65, 0x74, 0x00, 0x66, 0x65, 0x61, 0x74,
    0x75, 0x72, 0x65, 0x73, 0x00, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x05, 0x7e,
};

#define PARSE(bytes, ret) pnd_kdp_parse((bytes), sizeof(bytes), (ret))

/* A copy on the heap, so that a sanitizer sees the first byte read beyond the packet. */
static int parse_exactly(const void *bytes, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    struct pnd_kdp_packet packet;
    int err;

    if (!copy)
        abort();
    memcpy(copy, bytes, len);
    err = pnd_kdp_parse(copy, len, &packet);
    free(copy);
    return err;
}

static void the_write_request_of_a_current_kernel_is_read_and_built_byte_for_byte(void)
{
    struct pnd_kdp_packet packet;
    uint8_t built[PND_KDP_REQUEST_CAP];

    CHECK_EQ(sizeof(example_wrq), 73);
    CHECK_EQ(PARSE(example_wrq, &packet), PND_OK);
    CHECK_EQ(packet.op, PND_KDP_WRQ);
    CHECK_EQ(packet.name_len, 47);
    CHECK_STR(packet.name, example_name);
    CHECK_EQ(packet.features, 3);
    CHECK_EQ(packet.block_max, 1406);
    CHECK_EQ(packet.block, 0);
    CHECK_EQ(pnd_kdp_build_wrq(built, sizeof(built), example_name, 3, 1406), 73);
    CHECK_MEM(built, example_wrq, 73);
}

static void the_write_requests_of_all_older_kernels_are_understood(void)
{
    static const struct {
        const char *bytes;
        size_t len;
        uint32_t features, block_max;
    } rows[] = {
        /* 517 to 1228, and i386 to 1504: three junk bytes behind the mode */
        {"\0\2n\0octet\0\0\0\0", 13, 0, 0},
        {"\0\2n\0octet\0fea", 13, 0, 0},
        {"\0\2n\0octet\0", 10, 0, 0},
        /* 1456 to 1504, x86_64: a mask, three junk bytes, no size */
        {"\0\2n\0octet\0features\0\0\0\0\1\x11\x22\x33", 26, 1, 0},
        {"\0\2n\0octet\0features\0\0\0\0\1", 23, 1, 0},
        /* 1699: only the high half of the size arrives */
        {"\0\2n\0octet\0features\0\0\0\0\3\0\0", 25, 3, 0},
        /* 2050 and later; trailing bytes are no reason to refuse */
        {"\0\2n\0octet\0features\0\0\0\0\3\0\0\5\x7e", 27, 3, 1406},
        {"\0\2n\0octet\0features\0\0\0\0\3\0\0\2\0zzzz", 31, 3, 512},
        {"\0\2n\0OcTeT\0features\0\xff\xff\xff\xff\xff\xff\xff\xff", 27, 0xffffffff, 0xffffffff},
        /* a tag that is none, or is cut */
        {"\0\2n\0octet\0Features\0\0\0\0\3\0\0\5\x7e", 27, 0, 0},
        {"\0\2n\0octet\0features\0\0\0\0", 22, 0, 0},
        {"\0\2n\0octet\0features", 18, 0, 0},
        {"\0\2\0octet\0", 9, 0, 0},
    };
    struct pnd_kdp_packet packet;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CHECK_EQ(pnd_kdp_parse(rows[i].bytes, rows[i].len, &packet), PND_OK);
        CHECK_EQ(packet.features, rows[i].features);
        CHECK_EQ(packet.block_max, rows[i].block_max);
        CHECK_STR(packet.name, i == sizeof(rows) / sizeof(rows[0]) - 1 ? "" : "n");
    }
}

static void a_read_request_is_recognised_as_one(void)
{
    struct pnd_kdp_packet packet;

    CHECK_EQ(pnd_kdp_parse("\0\1x\0octet\0", 10, &packet), PND_OK);
    CHECK_EQ(packet.op, PND_KDP_RRQ);
    CHECK_STR(packet.name, "x");
}

static void a_write_request_without_its_strings_or_in_another_mode_is_refused(void)
{
    struct pnd_kdp_packet packet;

    CHECK_EQ(pnd_kdp_parse("\0\2name", 6, &packet), PND_E_NAME);
    CHECK_EQ(pnd_kdp_parse("\0\2name\0octet", 12, &packet), PND_E_NAME);
    CHECK_EQ(pnd_kdp_parse("\0\2name\0", 7, &packet), PND_E_NAME);
    CHECK_EQ(pnd_kdp_parse("\0\2name\0netascii\0", 16, &packet), PND_E_MODE);
    CHECK_EQ(pnd_kdp_parse("\0\2name\0octex\0", 13, &packet), PND_E_MODE);
    CHECK_EQ(pnd_kdp_parse("\0\2name\0octetoctet\0", 18, &packet), PND_E_MODE);
    CHECK_EQ(pnd_kdp_parse("\0\2name\0\0", 8, &packet), PND_E_MODE);
    CHECK_EQ(pnd_kdp_parse("\1\2name\0octet\0", 13, &packet), PND_E_TYPE);
}

static void every_truncation_of_every_packet_is_refused_or_read_without_its_end(void)
{
    static const uint8_t data[] = {0, 3, 0, 0, 0, 9, 'a', 'b', 'c'};
    static const uint8_t seek[] = {0, 6, 0, 0, 0, 9, 0, 0, 0, 1, 2, 3, 4, 5};
    static const uint8_t eof[] = {0, 7, 0, 0, 0, 9};
    static const uint8_t ack[] = {3, 4, 0, 0, 0, 0};
    static const uint8_t error[] = {0, 5, 0, 0, 0, 3, 'f', 'u', 'l', 'l', 0};
    static const struct {
        const uint8_t *bytes;
        size_t len;
    } rows[] = {{data, sizeof(data)},
                {seek, sizeof(seek)},
                {eof, sizeof(eof)},
                {ack, sizeof(ack)},
                {error, sizeof(error)}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (size_t len = 0; len <= rows[i].len; len++)
            CHECK_EQ(parse_exactly(rows[i].bytes, len), len < 6 ? PND_E_SHORT : PND_OK);
    for (size_t len = 0; len <= sizeof(example_wrq); len++)
        CHECK_EQ(parse_exactly(example_wrq, len), len < 6                ? PND_E_SHORT
                                                  : len < 2 + 47 + 1 + 6 ? PND_E_NAME
                                                                         : PND_OK);
}

static void opcodes_that_are_none_are_refused_and_a_high_byte_belongs_to_an_ack_alone(void)
{
    struct pnd_kdp_packet packet;

    for (unsigned opcode = 0; opcode < 0x10000; opcode++) {
        uint8_t bytes[] = {
            (uint8_t)(opcode >> 8), (uint8_t)opcode, 'a', 0, 'o', 'c', 't', 'e', 't', 0};
        bool known = (opcode & 0xff) == PND_KDP_ACK || (opcode >= 1 && opcode <= 7);

        CHECK_EQ(PARSE(bytes, &packet), known ? PND_OK : PND_E_TYPE);
        if (known) {
            CHECK_EQ(packet.op, opcode & 0xff);
            CHECK_EQ(packet.features, opcode >> 8);
        }
    }
}

static void an_ack_carries_its_features_in_the_high_byte(void)
{
    uint8_t built[PND_KDP_ACK_BYTES];
    struct pnd_kdp_packet packet;

    CHECK_EQ(pnd_kdp_build_ack(built, sizeof(built), 0, 3), 6);
    CHECK_MEM(built, "\3\4\0\0\0\0", 6);
    CHECK_EQ(pnd_kdp_build_ack(built, sizeof(built), 0x01020304, 0), 6);
    CHECK_MEM(built, "\0\4\1\2\3\4", 6);
    CHECK_EQ(pnd_kdp_build_ack(built, sizeof(built), UINT32_MAX, 0xff), 6);
    CHECK_EQ(PARSE(built, &packet), PND_OK);
    CHECK_EQ(packet.op, PND_KDP_ACK);
    CHECK_EQ(packet.block, UINT32_MAX);
    CHECK_EQ(packet.features, 0xff);
}

static void data_keeps_every_byte_that_came_and_may_be_empty(void)
{
    uint8_t built[10] = {0, 0, 0, 0, 0, 0, 'w', 'x', 'y', 'z'};
    struct pnd_kdp_packet packet;

    CHECK_EQ(pnd_kdp_build_data_header(built, sizeof(built), 0x80000001), 6);
    CHECK_EQ(PARSE(built, &packet), PND_OK);
    CHECK_EQ(packet.op, PND_KDP_DATA);
    CHECK_EQ(packet.block, 0x80000001);
    CHECK_EQ(packet.data_len, 4);
    CHECK(packet.data == built + 6);
    CHECK_EQ(pnd_kdp_parse(built, 6, &packet), PND_OK);
    CHECK_EQ(packet.data_len, 0);
}

static void a_seek_has_64_bits_when_granted_and_32_otherwise(void)
{
    uint8_t built[14];
    struct pnd_kdp_packet packet;
    uint64_t offset = 0;

    CHECK_EQ(pnd_kdp_build_seek(built, 14, 7, UINT64_C(0x0102030405060708), true), 14);
    CHECK_MEM(built, "\0\6\0\0\0\7\1\2\3\4\5\6\7\x8", 14);
    CHECK_EQ(PARSE(built, &packet), PND_OK);
    CHECK_EQ(packet.block, 7);
    CHECK_EQ(pnd_kdp_seek_offset(&packet, true, &offset), PND_OK);
    CHECK_EQ(offset, 0x0102030405060708);
    /* Kernels without the grant may send four stale bytes behind the low half. */
    CHECK_EQ(pnd_kdp_seek_offset(&packet, false, &offset), PND_OK);
    CHECK_EQ(offset, 0x01020304);

    CHECK_EQ(pnd_kdp_build_seek(built, 14, 8, 0xfffffffe, false), 10);
    CHECK_MEM(built, "\0\6\0\0\0\x8\xff\xff\xff\xfe", 10);
    for (size_t len = 6; len <= 14; len++) {
        CHECK_EQ(pnd_kdp_parse(built, len, &packet), PND_OK);
        CHECK_EQ(pnd_kdp_seek_offset(&packet, false, &offset), len < 10 ? PND_E_SHORT : PND_OK);
        CHECK_EQ(pnd_kdp_seek_offset(&packet, true, &offset), len < 14 ? PND_E_SHORT : PND_OK);
    }
    CHECK_EQ(pnd_kdp_build_seek(built, 14, 8, UINT64_C(1) << 32, false), PND_E_RANGE);
    CHECK_EQ(pnd_kdp_build_seek(built, 14, 8, UINT64_MAX, true), 14);
}

static void an_eof_is_six_bytes(void)
{
    uint8_t built[8];
    struct pnd_kdp_packet packet;

    CHECK_EQ(pnd_kdp_build_eof(built, sizeof(built), 0x0a0b0c0d), 6);
    CHECK_MEM(built, "\0\7\x0a\x0b\x0c\x0d", 6);
    CHECK_EQ(pnd_kdp_parse(built, 6, &packet), PND_OK);
    CHECK_EQ(packet.op, PND_KDP_EOF);
    CHECK_EQ(packet.block, 0x0a0b0c0d);
}

static void an_error_has_a_32_bit_code_and_its_whole_text_with_a_nul(void)
{
    uint8_t built[PND_KDP_ERROR_CAP];
    struct pnd_kdp_packet packet;
    char text[300];

    CHECK_EQ(pnd_kdp_build_error(built, sizeof(built), PND_KDP_E_NOSPACE, "full"), 11);
    CHECK_MEM(built, "\0\5\0\0\0\3full\0", 11);
    CHECK_EQ(pnd_kdp_parse(built, 11, &packet), PND_OK);
    CHECK_EQ(packet.op, PND_KDP_ERROR);
    CHECK_EQ(pnd_kdp_error_code(&packet), PND_KDP_E_NOSPACE);
    CHECK_EQ(packet.data_len, 5);
    CHECK_STR((const char *)packet.data, "full");

    memset(text, 'e', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    CHECK_EQ(pnd_kdp_build_error(built, sizeof(built), PND_KDP_E_ACCESS, text), PND_KDP_ERROR_CAP);
    CHECK_EQ(built[PND_KDP_ERROR_CAP - 1], 0);
    CHECK_EQ(built[PND_KDP_ERROR_CAP - 2], 'e');
    text[PND_KDP_ERROR_CAP - 7] = '\0'; /* the longest that fits whole */
    CHECK_EQ(pnd_kdp_build_error(built, sizeof(built), PND_KDP_E_ACCESS, text), PND_KDP_ERROR_CAP);
    CHECK_STR((char *)built + 6, text);
    CHECK_EQ(pnd_kdp_build_error(built, sizeof(built), PND_KDP_E_UNDEFINED, ""), 7);
}

static void the_swapped_error_code_of_apples_server_is_decoded(void)
{
    struct pnd_kdp_packet packet;

    for (uint8_t code = 0; code < 8; code++) {
        uint8_t little[] = {0, 5, 0, code, 0, 0, 'n', 'o'}, big[] = {0, 5, 0, 0, 0, code};

        CHECK_EQ(PARSE(little, &packet), PND_OK);
        CHECK_EQ(pnd_kdp_error_code(&packet), code);
        CHECK_EQ(PARSE(big, &packet), PND_OK);
        CHECK_EQ(pnd_kdp_error_code(&packet), code);
    }
    packet.code = 0x00020001;
    CHECK_EQ(pnd_kdp_error_code(&packet), 0x00020001);
}

static void names_reach_255_bytes_and_no_more(void)
{
    uint8_t built[PND_KDP_REQUEST_CAP];
    struct pnd_kdp_packet packet;
    char name[PND_KDP_NAME_CAP + 1];

    memset(name, 'n', sizeof(name));
    name[PND_KDP_NAME_CAP] = '\0';
    CHECK_EQ(pnd_kdp_build_wrq(built, sizeof(built), name, 3, 1406), PND_E_NAME);
    name[PND_KDP_NAME_CAP - 1] = '\0';
    CHECK_EQ(pnd_kdp_build_wrq(built, sizeof(built), name, 3, 1406), 255 + 26);
    CHECK_EQ(pnd_kdp_parse(built, 255 + 26, &packet), PND_OK);
    CHECK_EQ(packet.name_len, 255);
    CHECK_STR(packet.name, name);
    CHECK_EQ(pnd_kdp_build_wrq(built, sizeof(built), "", 3, 1406), PND_E_NAME);
    CHECK_EQ(pnd_kdp_build_wrq(built, sizeof(built), "x", 0, 0), 27);
}

static void no_builder_writes_beyond_the_room_it_has(void)
{
    uint8_t *small;

    for (size_t cap = 0; cap < 80; cap++) {
        small = malloc(cap ? cap : 1);
        CHECK_EQ(pnd_kdp_build_wrq(small, cap, example_name, 3, 1406), cap < 73 ? PND_E_FULL : 73);
        CHECK_EQ(pnd_kdp_build_ack(small, cap, 1, 0), cap < 6 ? PND_E_FULL : 6);
        CHECK_EQ(pnd_kdp_build_data_header(small, cap, 1), cap < 6 ? PND_E_FULL : 6);
        CHECK_EQ(pnd_kdp_build_eof(small, cap, 1), cap < 6 ? PND_E_FULL : 6);
        CHECK_EQ(pnd_kdp_build_seek(small, cap, 1, 5, true), cap < 14 ? PND_E_FULL : 14);
        CHECK_EQ(pnd_kdp_build_seek(small, cap, 1, 5, false), cap < 10 ? PND_E_FULL : 10);
        CHECK_EQ(pnd_kdp_build_error(small, cap, PND_KDP_E_EXISTS, "taken"),
                 cap < 12 ? PND_E_FULL : 12);
        free(small);
    }
}

static void every_result_has_its_own_words(void)
{
    for (int err = 0; err >= PND_E_BUSY; err--) {
        CHECK(strlen(pnd_err_text(err)) > 1);
        for (int other = err - 1; other >= PND_E_BUSY; other--)
            CHECK(strcmp(pnd_err_text(err), pnd_err_text(other)) != 0);
    }
    CHECK(strlen(pnd_err_text(-1000)) > 1);
    CHECK(strlen(pnd_err_text(1)) > 1);
}

int main(void)
{
    RUN(the_write_request_of_a_current_kernel_is_read_and_built_byte_for_byte);
    RUN(the_write_requests_of_all_older_kernels_are_understood);
    RUN(a_read_request_is_recognised_as_one);
    RUN(a_write_request_without_its_strings_or_in_another_mode_is_refused);
    RUN(every_truncation_of_every_packet_is_refused_or_read_without_its_end);
    RUN(opcodes_that_are_none_are_refused_and_a_high_byte_belongs_to_an_ack_alone);
    RUN(an_ack_carries_its_features_in_the_high_byte);
    RUN(data_keeps_every_byte_that_came_and_may_be_empty);
    RUN(a_seek_has_64_bits_when_granted_and_32_otherwise);
    RUN(an_eof_is_six_bytes);
    RUN(an_error_has_a_32_bit_code_and_its_whole_text_with_a_nul);
    RUN(the_swapped_error_code_of_apples_server_is_decoded);
    RUN(names_reach_255_bytes_and_no_more);
    RUN(no_builder_writes_beyond_the_room_it_has);
    RUN(every_result_has_its_own_words);
    return tap_done();
}
