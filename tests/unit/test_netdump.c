/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Every packet form of PROTOCOL.md#netdump-2 to #netdump-4, byte for byte, in both directions. */
#include "tap.h"
#include "wire/netdump.h"

static const uint8_t example[] = {0,    0,    0, 3, 0, 0, 0, 9, 0, 0, 0,   1,   0,   0,
                                  0x10, 0x00, 0, 0, 0, 4, 0, 0, 0, 0, 'c', 'o', 'r', 'e'};

/* A copy on the heap, so that a sanitizer sees the first byte read beyond the packet. */
static int parse_exactly(const void *bytes, size_t len, struct pnd_netdump_packet *ret)
{
    uint8_t *copy = malloc(len ? len : 1);
    int err;

    if (!copy)
        abort();
    memcpy(copy, bytes, len);
    err = pnd_netdump_parse(copy, len, ret);
    free(copy);
    return err;
}

static void a_packet_is_read_and_built_byte_for_byte(void)
{
    struct pnd_netdump_packet packet;
    uint8_t built[sizeof(example)];

    CHECK_EQ(pnd_netdump_parse(example, sizeof(example), &packet), PND_OK);
    CHECK_EQ(packet.type, PND_NETDUMP_VMCORE);
    CHECK_EQ(packet.seqno, 9);
    CHECK(packet.offset == UINT64_C(0x100001000));
    CHECK_EQ(packet.data_len, 4);
    CHECK(packet.data == example + 24);
    memcpy(built, example, sizeof(built));
    memset(built, 0xff, PND_NETDUMP_HEADER_BYTES);
    CHECK_EQ(pnd_netdump_build_header(built, sizeof(built), PND_NETDUMP_VMCORE, 9,
                                      UINT64_C(0x100001000), 4),
             PND_NETDUMP_HEADER_BYTES);
    CHECK_MEM(built, example, sizeof(built));
}

static void every_type_is_read_and_every_other_is_refused(void)
{
    uint8_t bytes[PND_NETDUMP_HEADER_BYTES];
    struct pnd_netdump_packet packet;

    for (unsigned type = 0; type < 70000; type++) {
        pnd_netdump_build_header(bytes, sizeof(bytes), (enum pnd_netdump_type)type, 1, 0, 0);
        CHECK_EQ(pnd_netdump_parse(bytes, sizeof(bytes), &packet),
                 type >= 1 && type <= 5 ? PND_OK : PND_E_TYPE);
        if (type >= 1 && type <= 5)
            CHECK_EQ(packet.type, type);
    }
}

static void every_truncation_is_refused(void)
{
    struct pnd_netdump_packet packet;

    for (size_t len = 0; len < sizeof(example); len++)
        CHECK_EQ(parse_exactly(example, len, &packet),
                 len < PND_NETDUMP_HEADER_BYTES ? PND_E_SHORT : PND_E_LENGTH);
    CHECK_EQ(parse_exactly(example, sizeof(example), &packet), PND_OK);
}

static void a_length_that_is_not_the_payloads_is_refused(void)
{
    uint8_t bytes[sizeof(example) + 1] = {0};
    struct pnd_netdump_packet packet;

    memcpy(bytes, example, sizeof(example));
    CHECK_EQ(pnd_netdump_parse(bytes, sizeof(bytes), &packet), PND_E_LENGTH);
    bytes[16] = 1; /* 16 MiB and 4 bytes */
    CHECK_EQ(pnd_netdump_parse(bytes, sizeof(example), &packet), PND_E_LENGTH);
}

static void the_largest_datagram_is_read_and_a_larger_one_is_none(void)
{
    enum { LARGEST = 65535 };
    uint8_t *bytes = calloc(1, PND_NETDUMP_HEADER_BYTES + LARGEST + 1);
    struct pnd_netdump_packet packet;

    if (!bytes)
        abort();
    pnd_netdump_build_header(bytes, 24, PND_NETDUMP_VMCORE, 1, 0, LARGEST);
    CHECK_EQ(pnd_netdump_parse(bytes, PND_NETDUMP_HEADER_BYTES + LARGEST, &packet), PND_OK);
    CHECK_EQ(packet.data_len, LARGEST);
    pnd_netdump_build_header(bytes, 24, PND_NETDUMP_VMCORE, 1, 0, LARGEST + 1);
    CHECK_EQ(pnd_netdump_parse(bytes, PND_NETDUMP_HEADER_BYTES + LARGEST + 1, &packet),
             PND_E_LENGTH);
    free(bytes);
}

static void data_beyond_the_last_offset_is_refused(void)
{
    uint8_t bytes[sizeof(example)];
    struct pnd_netdump_packet packet;

    memcpy(bytes, example, sizeof(bytes));
    pnd_netdump_build_header(bytes, 24, PND_NETDUMP_VMCORE, 1, UINT64_MAX - 4, 4);
    CHECK_EQ(pnd_netdump_parse(bytes, sizeof(bytes), &packet), PND_OK);
    pnd_netdump_build_header(bytes, 24, PND_NETDUMP_VMCORE, 1, UINT64_MAX - 3, 4);
    CHECK_EQ(pnd_netdump_parse(bytes, sizeof(bytes), &packet), PND_E_RANGE);
}

static void the_last_field_of_the_header_means_nothing(void)
{
    uint8_t bytes[sizeof(example)];
    struct pnd_netdump_packet packet;

    memcpy(bytes, example, sizeof(bytes));
    memset(bytes + 20, 0xff, 4);
    CHECK_EQ(pnd_netdump_parse(bytes, sizeof(bytes), &packet), PND_OK);
}

static void an_ack_is_four_bytes_and_nothing_else_is_one(void)
{
    uint8_t bytes[5] = {0};
    uint32_t seqno = 0;

    CHECK_EQ(pnd_netdump_build_ack(bytes, sizeof(bytes), 0x01020304), 4);
    CHECK_MEM(bytes, "\1\2\3\4", 5);
    CHECK_EQ(pnd_netdump_parse_ack(bytes, 4, &seqno), PND_OK);
    CHECK_EQ(seqno, 0x01020304);
    for (size_t len = 0; len <= sizeof(bytes); len++)
        if (len != 4)
            CHECK_EQ(pnd_netdump_parse_ack(bytes, len, &seqno), PND_E_LENGTH);
}

static void nothing_is_built_where_there_is_no_room(void)
{
    uint8_t bytes[PND_NETDUMP_HEADER_BYTES];

    for (size_t cap = 0; cap < sizeof(bytes); cap++)
        CHECK_EQ(pnd_netdump_build_header(bytes, cap, PND_NETDUMP_KDH, 1, 0, 0), PND_E_FULL);
    for (size_t cap = 0; cap < PND_NETDUMP_ACK_BYTES; cap++)
        CHECK_EQ(pnd_netdump_build_ack(bytes, cap, 1), PND_E_FULL);
}

static const char *path_of(const void *payload, size_t len)
{
    struct pnd_netdump_packet herald = {
        .type = PND_NETDUMP_HERALD, .data = payload, .data_len = len};
    const char *path = NULL;
    size_t path_len = 0;

    if (pnd_netdump_path(&herald, &path, &path_len) != PND_OK)
        return "refused";
    CHECK_EQ(strlen(path), path_len);
    return path;
}

static void a_path_is_relative_ends_in_its_only_nul_and_never_climbs(void)
{
    static const struct {
        const char *payload;
        size_t len;
        const char *path;
    } rows[] = {
        {"", 0, ""},
        {"", 1, ""},
        {"lab", 4, "lab"},
        {"lab/rack.1/..x/...", 19, "lab/rack.1/..x/..."},
        {"lab", 3, "refused"},
        {"lab\0x", 6, "refused"},
        {"lab\0", 5, "refused"},
        {"/lab", 5, "refused"},
        {"..", 3, "refused"},
        {"../lab", 7, "refused"},
        {"lab/..", 7, "refused"},
        {"lab/../etc", 11, "refused"},
        {"lab//../etc", 12, "refused"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        CHECK_STR(path_of(rows[i].payload, rows[i].len), rows[i].path);
}

static void a_path_of_4095_bytes_is_the_longest(void)
{
    char path[PND_NETDUMP_PATH_MAX + 1];

    memset(path, 'a', sizeof(path));
    path[PND_NETDUMP_PATH_MAX - 1] = '\0';
    CHECK_EQ(strlen(path_of(path, PND_NETDUMP_PATH_MAX)), PND_NETDUMP_PATH_MAX - 1);
    path[PND_NETDUMP_PATH_MAX - 1] = 'a';
    path[PND_NETDUMP_PATH_MAX] = '\0';
    CHECK_STR(path_of(path, sizeof(path)), "refused");
}

static void a_length_that_is_written_is_read_back_and_the_parity_is_right(void)
{
    static const uint64_t lengths[] = {0, 1, 4096, UINT64_C(0x123456789abcdef0), UINT64_MAX};
    uint8_t kdh[PND_NETDUMP_KDH_BYTES] = "FreeBSD Kernel Dump";
    uint64_t length = 7;

    memset(kdh + 100, 0x5a, 411);
    for (unsigned i = 0; i < 5; i++) {
        uint8_t sum[4] = {0};

        pnd_netdump_set_dump_length(kdh, lengths[i]);
        CHECK_EQ(pnd_netdump_dump_length(kdh, sizeof(kdh), &length), PND_OK);
        CHECK(length == lengths[i]);
        for (unsigned at = 0; at < sizeof(kdh); at++)
            sum[at % 4] ^= kdh[at];
        CHECK_MEM(sum, "\0\0\0\0", 4);
        CHECK(kdh[99] == 0 && kdh[100] == 0x5a && kdh[507] == 0x5a);
    }
}

static void the_length_of_a_dump_is_read_from_both_headers_and_from_no_other(void)
{
    uint8_t kdh[512] = "FreeBSD Kernel Dump";
    uint64_t length = 0;

    kdh[44] = 0x12;
    kdh[47] = 0x34;
    for (size_t len = 0; len < 48; len++)
        CHECK_EQ(pnd_netdump_dump_length(kdh, len, &length), PND_E_SHORT);
    CHECK_EQ(pnd_netdump_dump_length(kdh, 48, &length), PND_OK);
    CHECK_EQ(length, 0x12000034);
    kdh[40] = 1;
    CHECK_EQ(pnd_netdump_dump_length(kdh, sizeof(kdh), &length), PND_OK);
    CHECK(length == UINT64_C(0x0100000012000034));
    memcpy(kdh, "FreeBSD Text Dump\0x", 20);
    CHECK_EQ(pnd_netdump_dump_length(kdh, sizeof(kdh), &length), PND_OK);
    memcpy(kdh, "Cleared Kernel Dump", 20);
    CHECK_EQ(pnd_netdump_dump_length(kdh, sizeof(kdh), &length), PND_E_TYPE);
    memcpy(kdh, "FreeBSD Kernel Dumpx", 20);
    CHECK_EQ(pnd_netdump_dump_length(kdh, sizeof(kdh), &length), PND_E_TYPE);
}

int main(void)
{
    RUN(a_packet_is_read_and_built_byte_for_byte);
    RUN(every_type_is_read_and_every_other_is_refused);
    RUN(every_truncation_is_refused);
    RUN(a_length_that_is_not_the_payloads_is_refused);
    RUN(the_largest_datagram_is_read_and_a_larger_one_is_none);
    RUN(data_beyond_the_last_offset_is_refused);
    RUN(the_last_field_of_the_header_means_nothing);
    RUN(an_ack_is_four_bytes_and_nothing_else_is_one);
    RUN(nothing_is_built_where_there_is_no_room);
    RUN(a_path_is_relative_ends_in_its_only_nul_and_never_climbs);
    RUN(a_path_of_4095_bytes_is_the_longest);
    RUN(a_length_that_is_written_is_read_back_and_the_parity_is_right);
    RUN(the_length_of_a_dump_is_read_from_both_headers_and_from_no_other);
    return tap_done();
}
