/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Every packet form of PROTOCOL.md#kdp-12.1 to #kdp-12.3, byte for byte, in both directions. */
#include "tap.h"
#include "wire/ext.h"

static const uint8_t cookie[PND_EXT_COOKIE_BYTES] = "COOKIE!";
static const uint8_t id[PND_EXT_ID_BYTES] = "0123456789abcde";

static const uint8_t open_bytes[] = {
    0,   0x10, 0,   1,   0,   1,   0x05, 0xc0, 'C', 'O', 'O', 'K', 'I',
    'E', '!',  0,   '0', '1', '2', '3',  '4',  '5', '6', '7', '8', '9',
    'a', 'b',  'c', 'd', 'e', 0,   'c',  'o',  'r', 'e', 0,
};
static const uint8_t opened_bytes[] = {
    0, 0x11, 0, 0, 0xde, 0xad, 0xbe, 0xef, 0,  0,  0xff, 0xe3, 0,  1,
    2, 3,    4, 5, 6,    7,    8,    9,    10, 11, 12,   13,   14, 15,
};
static const uint8_t data_bytes[] = {
    0, 0x12, 0, 1, 0xde, 0xad, 0xbe, 0xef, 0, 0, 0, 7, 0, 1, 2, 3, 4, 5, 6, 7, 'a', 'b', 'c',
};
static const uint8_t zero_bytes[] = {
    0, 0x13, 0, 0, 0xde, 0xad, 0xbe, 0xef, 0xff, 0xff, 0xff, 0xff, 0,    1,
    2, 3,    4, 5, 6,    7,    0x80, 0,    0,    0,    0,    0,    0x10, 0,
};
static const uint8_t end_bytes[] = {
    0, 0x14, 0, 0, 0xde, 0xad, 0xbe, 0xef, 0,    0,    0,    9,    0,    1,
    2, 3,    4, 5, 6,    7,    0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,
};
static const uint8_t probe_bytes[] = {
    0, 0x15, 0, 0, 0xde, 0xad, 0xbe, 0xef, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 'x', 'x',
};
static const uint8_t ack_bytes[] = {
    0,    0x16, 0,    3,    0xde, 0xad, 0xbe, 0xef, 0, 0, 0, 7, 0,    0,    0x12, 0x34,
    0,    0,    0,    0,    0,    0,    0x10, 0,    0, 0, 0, 1, 0,    0,    0,    0,
    0xff, 0xff, 0xff, 0xff, 0x22, 0xb8, 0,    2,    0, 0, 0, 0, 0,    0,    0x18, 0,
    0,    0,    0x08, 0,    0,    0,    0x10, 0,    0, 0, 1, 0, 0xff, 0xff, 0xff, 0xff,
};
static const uint8_t stop_bytes[] = {
    0, 0x17, 0, 3, 0xde, 0xad, 0xbe, 0xef, 'f', 'u', 'l', 'l',
};

static struct pnd_ext_ack ack;

/* A copy on the heap, so that a sanitizer sees the first byte read beyond the packet. */
static void *exactly(const void *bytes, size_t len)
{
    void *copy = malloc(len ? len : 1);

    if (!copy)
        abort();
    memcpy(copy, bytes, len);
    return copy;
}

/* Through the parser of its opcode. */
static int parse_any(enum pnd_ext_op op, const void *bytes, size_t len)
{
    static union {
        struct pnd_ext_open open;
        struct pnd_ext_opened opened;
        struct pnd_ext_packet packet;
        struct pnd_ext_ack ack;
        struct pnd_ext_stop stop;
    } out;
    void *copy = exactly(bytes, len);
    int err;

    switch (op) {
    case PND_EXT_OPEN:
        err = pnd_ext_parse_open(copy, len, &out.open);
        break;
    case PND_EXT_OPENED:
        err = pnd_ext_parse_opened(copy, len, &out.opened);
        break;
    case PND_EXT_ACK:
        err = pnd_ext_parse_ack(copy, len, &out.ack);
        break;
    case PND_EXT_STOP:
        err = pnd_ext_parse_stop(copy, len, &out.stop);
        break;
    default:
        err = pnd_ext_parse(copy, len, &out.packet);
    }
    free(copy);
    return err;
}

static const struct {
    enum pnd_ext_op op;
    const uint8_t *bytes;
    size_t len;
    int one_less, one_more; /* what its parser says then */
} packets[] = {
    {PND_EXT_OPEN, open_bytes, sizeof(open_bytes), PND_E_NAME, PND_E_LENGTH},
    {PND_EXT_OPENED, opened_bytes, sizeof(opened_bytes), PND_E_SHORT, PND_E_LENGTH},
    {PND_EXT_DATA, data_bytes, sizeof(data_bytes), PND_OK, PND_OK},
    {PND_EXT_ZERO, zero_bytes, sizeof(zero_bytes), PND_E_SHORT, PND_E_LENGTH},
    {PND_EXT_END, end_bytes, sizeof(end_bytes), PND_E_SHORT, PND_E_LENGTH},
    {PND_EXT_PROBE, probe_bytes, sizeof(probe_bytes), PND_OK, PND_OK},
    {PND_EXT_ACK, ack_bytes, sizeof(ack_bytes), PND_E_SHORT, PND_E_LENGTH},
    {PND_EXT_STOP, stop_bytes, sizeof(stop_bytes), PND_OK, PND_OK},
};

enum { PACKETS = sizeof(packets) / sizeof(packets[0]) };

static void a_grant_is_an_ack_0_with_a_version_and_a_cookie_behind_it(void)
{
    static const uint8_t want[] = {7, 4, 0, 0, 0, 0, 1, 'C', 'O', 'O', 'K', 'I', 'E', '!', 0};
    uint8_t built[PND_EXT_GRANT_BYTES];
    const uint8_t *found = NULL;
    struct pnd_kdp_packet packet;

    CHECK_EQ(pnd_ext_build_grant(built, sizeof(built), 3, cookie), 15);
    CHECK_MEM(built, want, sizeof(want));
    CHECK_EQ(pnd_kdp_parse(built, sizeof(built), &packet), PND_OK);
    CHECK(pnd_ext_granted(&packet, &found));
    CHECK(found == built + 7);
    CHECK_EQ(packet.features & PND_KDP_FEATURES, 3);
    for (size_t cap = 0; cap < sizeof(built); cap++)
        CHECK_EQ(pnd_ext_build_grant(built, cap, 3, cookie), PND_E_FULL);
}

static void a_grant_that_is_not_exactly_so_is_none(void)
{
    struct pnd_kdp_packet packet;
    uint8_t built[PND_EXT_GRANT_BYTES + 1] = {0};
    const uint8_t *found = NULL;

    pnd_ext_build_grant(built, sizeof(built), 3, cookie);
    for (size_t len = 6; len <= sizeof(built); len++) {
        CHECK_EQ(pnd_kdp_parse(built, len, &packet), PND_OK);
        CHECK_EQ(pnd_ext_granted(&packet, &found), len == PND_EXT_GRANT_BYTES);
    }
    for (size_t at = 0; at < 7; at++) {
        uint8_t bytes[PND_EXT_GRANT_BYTES];

        memcpy(bytes, built, sizeof(bytes));
        bytes[at] ^= at == 0 ? PND_EXT_GRANT : 3;
        if (pnd_kdp_parse(bytes, sizeof(bytes), &packet) == PND_OK)
            CHECK(!pnd_ext_granted(&packet, &found));
    }
}

static void an_open_is_read_and_built_byte_for_byte(void)
{
    struct pnd_ext_open open;
    uint8_t built[sizeof(open_bytes)];

    CHECK_EQ(pnd_ext_parse_open(open_bytes, sizeof(open_bytes), &open), PND_OK);
    CHECK_EQ(open.flags, PND_EXT_FRESH);
    CHECK_EQ(open.dgram_max, 1472);
    CHECK_MEM(open.cookie, cookie, sizeof(cookie));
    CHECK_MEM(open.id, id, sizeof(id));
    CHECK_STR(open.name, "core");
    CHECK_EQ(open.name_len, 4);
    for (size_t cap = 0; cap < sizeof(built); cap++)
        CHECK_EQ(pnd_ext_build_open(built, cap, &open), PND_E_FULL);
    CHECK_EQ(pnd_ext_build_open(built, sizeof(built), &open), sizeof(open_bytes));
    CHECK_MEM(built, open_bytes, sizeof(open_bytes));
}

static void an_opened_is_read_and_built_byte_for_byte(void)
{
    struct pnd_ext_opened opened;
    uint8_t built[PND_EXT_OPENED_BYTES];

    CHECK_EQ(pnd_ext_parse_opened(opened_bytes, sizeof(opened_bytes), &opened), PND_OK);
    CHECK_EQ(opened.token, 0xdeadbeef);
    CHECK_EQ(opened.dgram_max, 65507);
    CHECK_EQ(opened.offset, 0x0001020304050607);
    CHECK_EQ(opened.sum, 0x08090a0b0c0d0e0f);
    for (size_t cap = 0; cap < sizeof(built); cap++)
        CHECK_EQ(pnd_ext_build_opened(built, cap, &opened), PND_E_FULL);
    CHECK_EQ(pnd_ext_build_opened(built, sizeof(built), &opened), sizeof(opened_bytes));
    CHECK_MEM(built, opened_bytes, sizeof(opened_bytes));
}

/* What is written of it is the header and, of ZERO and END, the number behind. */
static void rebuild(const struct pnd_ext_packet *packet, const uint8_t *bytes, size_t len)
{
    uint8_t built[PND_EXT_ZERO_BYTES];

    for (size_t cap = 0; cap < len; cap++)
        CHECK_EQ(pnd_ext_build(built, cap, packet), PND_E_FULL);
    CHECK_EQ(pnd_ext_build(built, sizeof(built), packet), len);
    CHECK_MEM(built, bytes, len);
}

static void the_packets_of_a_dump_are_read_and_built_byte_for_byte(void)
{
    struct pnd_ext_packet packet;

    CHECK_EQ(pnd_ext_parse(data_bytes, sizeof(data_bytes), &packet), PND_OK);
    CHECK_EQ(packet.op, PND_EXT_DATA);
    CHECK_EQ(packet.flags, PND_EXT_ACK_NOW);
    CHECK_EQ(packet.token, 0xdeadbeef);
    CHECK_EQ(packet.number, 7);
    CHECK_EQ(packet.offset, 0x0001020304050607);
    CHECK_EQ(packet.len, 3);
    CHECK(packet.data == data_bytes + 20);
    rebuild(&packet, data_bytes, PND_EXT_HEADER_BYTES);

    CHECK_EQ(pnd_ext_parse(zero_bytes, sizeof(zero_bytes), &packet), PND_OK);
    CHECK_EQ(packet.op, PND_EXT_ZERO);
    CHECK_EQ(packet.flags, 0);
    CHECK_EQ(packet.number, 0xffffffff);
    CHECK(packet.len == UINT64_C(0x8000000000001000));
    CHECK(packet.data == NULL);
    rebuild(&packet, zero_bytes, sizeof(zero_bytes));

    CHECK_EQ(pnd_ext_parse(end_bytes, sizeof(end_bytes), &packet), PND_OK);
    CHECK_EQ(packet.op, PND_EXT_END);
    CHECK_EQ(packet.offset, 0x0001020304050607);
    CHECK(packet.sum == UINT64_C(0xf1f2f3f4f5f6f7f8));
    CHECK_EQ(packet.len, 0);
    CHECK(packet.data == NULL);
    rebuild(&packet, end_bytes, sizeof(end_bytes));

    CHECK_EQ(pnd_ext_parse(probe_bytes, sizeof(probe_bytes), &packet), PND_OK);
    CHECK_EQ(packet.op, PND_EXT_PROBE);
    CHECK_EQ(packet.len, sizeof(probe_bytes));
    rebuild(&packet, probe_bytes, PND_EXT_HEADER_BYTES);
}

static void an_ack_is_read_and_built_byte_for_byte(void)
{
    uint8_t built[sizeof(ack_bytes)];

    CHECK_EQ(sizeof(ack_bytes), PND_EXT_ACK_BYTES + 2 * PND_EXT_RANGE_BYTES);
    CHECK_EQ(pnd_ext_parse_ack(ack_bytes, sizeof(ack_bytes), &ack), PND_OK);
    CHECK_EQ(ack.flags, PND_EXT_DONE | PND_EXT_MORE);
    CHECK_EQ(ack.token, 0xdeadbeef);
    CHECK_EQ(ack.number, 7);
    CHECK_EQ(ack.age_us, 0x1234);
    CHECK_EQ(ack.held, 0x1000);
    CHECK_EQ(ack.limit, 0x100000000);
    CHECK_EQ(ack.packets, 0xffffffff);
    CHECK_EQ(ack.probed, 8888);
    CHECK_EQ(ack.count, 2);
    CHECK_EQ(ack.from, 0x1800);
    CHECK_EQ(ack.range[0].start, 0x2000);
    CHECK_EQ(ack.range[0].end, 0x3000);
    CHECK_EQ(ack.range[1].start, 0x3100);
    CHECK_EQ(ack.range[1].end, 0x1000030ff);
    CHECK_EQ(pnd_ext_build_ack(built, sizeof(built), &ack), sizeof(built));
    CHECK_MEM(built, ack_bytes, sizeof(ack_bytes));
}

static void a_stop_is_read_and_built_byte_for_byte_and_a_long_text_is_cut(void)
{
    uint8_t built[PND_EXT_STOP_CAP + 1];
    struct pnd_ext_stop stop;
    char text[300];

    CHECK_EQ(pnd_ext_parse_stop(stop_bytes, sizeof(stop_bytes), &stop), PND_OK);
    CHECK_EQ(stop.token, 0xdeadbeef);
    CHECK_EQ(stop.code, PND_KDP_E_NOSPACE);
    CHECK_EQ(stop.text_len, 4);
    CHECK_MEM(stop.text, "full", 4);
    CHECK_EQ(pnd_ext_build_stop(built, sizeof(built), stop.token, stop.code, "full"),
             sizeof(stop_bytes));
    CHECK_MEM(built, stop_bytes, sizeof(stop_bytes));
    for (size_t cap = 0; cap < sizeof(stop_bytes); cap++)
        CHECK_EQ(pnd_ext_build_stop(built, cap, 1, 3, "full"), PND_E_FULL);
    memset(text, 't', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    CHECK_EQ(pnd_ext_build_stop(built, sizeof(built), 1, 0, text), PND_EXT_STOP_CAP);
    CHECK_EQ(pnd_ext_parse_stop(built, PND_EXT_STOP_CAP, &stop), PND_OK);
    CHECK_EQ(stop.text_len, PND_EXT_STOP_CAP - 8);
    CHECK_EQ(pnd_ext_build_stop(built, sizeof(built), 1, 0, ""), 8);
    CHECK_EQ(pnd_ext_parse_stop(built, 8, &stop), PND_OK);
    CHECK_EQ(stop.text_len, 0);
}

static void every_truncation_of_every_packet_is_refused_and_so_is_one_byte_more(void)
{
    static const size_t shortest[] = {[0] = 33,
                                      [PND_EXT_DATA - PND_EXT_OPEN] = 21,
                                      [PND_EXT_PROBE - PND_EXT_OPEN] = 20,
                                      [PND_EXT_STOP - PND_EXT_OPEN] = 8};

    for (unsigned i = 0; i < PACKETS; i++) {
        enum pnd_ext_op op = packets[i].op;
        size_t whole = packets[i].len, least = shortest[op - PND_EXT_OPEN];
        uint8_t more[sizeof(ack_bytes) + 1] = {0};

        for (size_t len = 0; len < whole; len++) {
            int err = parse_any(op, packets[i].bytes, len);

            CHECK((err == PND_OK) == (packets[i].one_less == PND_OK && len >= least));
            if (len == whole - 1)
                CHECK_EQ(err, packets[i].one_less);
        }
        CHECK_EQ(parse_any(op, packets[i].bytes, whole), PND_OK);
        memcpy(more, packets[i].bytes, whole);
        CHECK_EQ(parse_any(op, more, whole + 1), packets[i].one_more);
    }
    CHECK_EQ(parse_any(PND_EXT_DATA, data_bytes, 20), PND_E_LENGTH);
    CHECK_EQ(parse_any(PND_EXT_DATA, data_bytes, 19), PND_E_SHORT);
    CHECK_EQ(parse_any(PND_EXT_OPEN, open_bytes, 31), PND_E_SHORT);
    CHECK_EQ(parse_any(PND_EXT_OPEN, open_bytes, 32), PND_E_NAME);
}

static void every_opcode_is_read_by_its_own_parser_alone(void)
{
    struct pnd_ext_open open;
    struct pnd_ext_opened opened;
    struct pnd_ext_packet packet;
    struct pnd_ext_stop stop;

    for (unsigned i = 0; i < PACKETS; i++) {
        const uint8_t *bytes = packets[i].bytes;
        size_t len = packets[i].len;
        enum pnd_ext_op op = packets[i].op;

        CHECK_EQ(pnd_ext_op(bytes, len), op);
        if (op != PND_EXT_OPEN)
            CHECK_EQ(pnd_ext_parse_open(bytes, len, &open), PND_E_TYPE);
        if (op != PND_EXT_OPENED)
            CHECK_EQ(pnd_ext_parse_opened(bytes, len, &opened), PND_E_TYPE);
        if (op != PND_EXT_ACK)
            CHECK_EQ(pnd_ext_parse_ack(bytes, len, &ack), PND_E_TYPE);
        if (op != PND_EXT_STOP)
            CHECK_EQ(pnd_ext_parse_stop(bytes, len, &stop), PND_E_TYPE);
        if ((op < PND_EXT_DATA || op > PND_EXT_PROBE) && len >= PND_EXT_HEADER_BYTES)
            CHECK_EQ(pnd_ext_parse(bytes, len, &packet), PND_E_TYPE);
    }
    for (unsigned opcode = 0; opcode < 0x10000; opcode++) {
        uint8_t bytes[2] = {(uint8_t)(opcode >> 8), (uint8_t)opcode};

        CHECK_EQ(pnd_ext_op(bytes, 2), opcode >= 0x10 && opcode <= 0x17 ? opcode : 0);
        CHECK_EQ(pnd_ext_op(bytes, 1), 0);
    }
    CHECK_EQ(pnd_ext_op("", 0), 0);
}

/* None of them is a packet of section 1 either, so that neither Apple's client nor its server
 * draws anything from one. */
static void no_packet_of_the_extension_is_one_of_apples(void)
{
    struct pnd_kdp_packet packet;

    for (unsigned i = 0; i < PACKETS; i++)
        CHECK_EQ(pnd_kdp_parse(packets[i].bytes, packets[i].len, &packet), PND_E_TYPE);
}

static void an_open_of_another_version_is_refused_and_a_long_name_is_not_built(void)
{
    uint8_t bytes[PND_EXT_OPEN_BYTES + 400];
    struct pnd_ext_open open;
    char name[301];

    memcpy(bytes, open_bytes, sizeof(open_bytes));
    bytes[3] = 2;
    CHECK_EQ(pnd_ext_parse_open(bytes, sizeof(open_bytes), &open), PND_E_TYPE);
    pnd_ext_parse_open(open_bytes, sizeof(open_bytes), &open);
    memset(name, 'n', sizeof(name));
    name[300] = '\0';
    open.name = name;
    open.name_len = PND_KDP_NAME_CAP - 1;
    CHECK_EQ(pnd_ext_build_open(bytes, sizeof(bytes), &open), 32 + PND_KDP_NAME_CAP);
    CHECK_EQ(pnd_ext_parse_open(bytes, 32 + PND_KDP_NAME_CAP, &open), PND_OK);
    CHECK_EQ(open.name_len, PND_KDP_NAME_CAP - 1);
    open.name = name;
    open.name_len = PND_KDP_NAME_CAP;
    CHECK_EQ(pnd_ext_build_open(bytes, sizeof(bytes), &open), PND_E_NAME);
    open.name_len = 0;
    CHECK_EQ(pnd_ext_build_open(bytes, sizeof(bytes), &open), 33);
    CHECK_EQ(pnd_ext_parse_open(bytes, 33, &open), PND_OK);
    CHECK_STR(open.name, "");
}

static void a_piece_that_reaches_beyond_the_last_offset_is_refused(void)
{
    struct pnd_ext_packet packet = {.op = PND_EXT_ZERO, .token = 1, .number = 1, .len = 1};
    uint8_t bytes[PND_EXT_ZERO_BYTES] = {0};

    packet.offset = UINT64_MAX - 1;
    pnd_ext_build(bytes, sizeof(bytes), &packet);
    CHECK_EQ(parse_any(PND_EXT_ZERO, bytes, sizeof(bytes)), PND_OK);
    packet.len = 2;
    pnd_ext_build(bytes, sizeof(bytes), &packet);
    CHECK_EQ(parse_any(PND_EXT_ZERO, bytes, sizeof(bytes)), PND_E_RANGE);
    packet.offset = 0;
    packet.len = UINT64_MAX;
    pnd_ext_build(bytes, sizeof(bytes), &packet);
    CHECK_EQ(parse_any(PND_EXT_ZERO, bytes, sizeof(bytes)), PND_OK);
    packet.len = 0;
    pnd_ext_build(bytes, sizeof(bytes), &packet);
    CHECK_EQ(parse_any(PND_EXT_ZERO, bytes, sizeof(bytes)), PND_E_LENGTH);
    packet.op = PND_EXT_DATA;
    packet.offset = UINT64_MAX;
    pnd_ext_build(bytes, sizeof(bytes), &packet);
    CHECK_EQ(parse_any(PND_EXT_DATA, bytes, 21), PND_E_RANGE);
    packet.op = PND_EXT_END;
    pnd_ext_build(bytes, sizeof(bytes), &packet);
    CHECK_EQ(parse_any(PND_EXT_END, bytes, PND_EXT_END_BYTES), PND_OK);
}

static int parse_ranges(unsigned count, const struct pnd_ext_range *ranges, uint64_t from)
{
    static uint8_t bytes[PND_EXT_ACK_CAP];
    int len;

    ack.count = (uint16_t)count;
    ack.held = 10;
    ack.from = from;
    memcpy(ack.range, ranges, count * sizeof(*ranges));
    len = pnd_ext_build_ack(bytes, sizeof(bytes), &ack);
    return len < 0 ? len : pnd_ext_parse_ack(bytes, (size_t)len, &ack);
}

static void what_reaches_beyond_the_last_offset_or_lies_before_what_is_held_is_refused(void)
{
    static const struct {
        uint64_t from;
        struct pnd_ext_range range[2];
        int want;
    } rows[] = {
        {10, {{11, 12}, {13, 14}}, PND_OK},
        {10, {{10, 12}, {13, 14}}, PND_OK},
        {9, {{11, 12}, {13, 14}}, PND_E_FORMAT},
        {UINT64_MAX - 9, {{UINT64_MAX - 8, UINT64_MAX - 7}, {UINT64_MAX - 1, UINT64_MAX}}, PND_OK},
        {UINT64_MAX - 9, {{UINT64_MAX - 8, UINT64_MAX - 7}, {UINT64_MAX, 0}}, PND_E_RANGE},
        {UINT64_MAX - 9, {{1, 2}, {3, 4}}, PND_E_RANGE},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        CHECK_EQ(parse_ranges(2, rows[i].range, rows[i].from), rows[i].want);
}

static void ranges_that_touch_are_one_however_long(void)
{
    const uint64_t most = UINT32_MAX;
    const struct pnd_ext_range touching[] = {
        {20, 20 + most}, {20 + most, 20 + 2 * most}, {21 + 2 * most, 22 + 2 * most}};
    const struct pnd_ext_range far[] = {{10 + most, 10 + most}, {10 + 2 * most, 11 + 2 * most}};

    CHECK_EQ(parse_ranges(3, touching, 10), PND_OK);
    CHECK_EQ(ack.count, 2);
    CHECK_EQ(ack.range[0].start, 20);
    CHECK_EQ(ack.range[0].end, 20 + 2 * most);
    CHECK_EQ(ack.range[1].start, 21 + 2 * most);
    CHECK_EQ(parse_ranges(2, far, 10), PND_OK);
    CHECK_EQ(ack.count, 2);
    CHECK_EQ(ack.range[0].end - ack.range[0].start, 0);
    CHECK_EQ(ack.range[1].start, 10 + 2 * most);
    CHECK_EQ(ack.range[1].end, 11 + 2 * most);
}

static void an_ack_has_57_ranges_and_no_more_and_every_path_carries_it(void)
{
    struct pnd_ext_range ranges[PND_EXT_RANGES_CAP];
    static uint8_t bytes[PND_EXT_ACK_CAP + 16];

    for (unsigned i = 0; i < PND_EXT_RANGES_CAP; i++) {
        ranges[i] = (struct pnd_ext_range){2 * i + 11, 2 * i + 12};
        CHECK_EQ(parse_ranges(i + 1, ranges, 10), PND_OK);
        CHECK_EQ(ack.count, i + 1);
    }
    CHECK_EQ(pnd_ext_build_ack(bytes, sizeof(bytes), &ack), PND_EXT_ACK_CAP);
    CHECK(PND_EXT_ACK_CAP <= PND_EXT_DGRAM_MIN);
    CHECK_EQ(pnd_ext_build_ack(bytes, PND_EXT_ACK_CAP - 1, &ack), PND_E_FULL);
    for (size_t len = 0; len < PND_EXT_ACK_CAP; len++)
        CHECK_EQ(parse_any(PND_EXT_ACK, bytes, len), len < 2 ? PND_E_TYPE : PND_E_SHORT);
    for (unsigned count = PND_EXT_RANGES_CAP + 1; count < 0x10000; count += 97) {
        bytes[38] = (uint8_t)(count >> 8);
        bytes[39] = (uint8_t)count;
        CHECK_EQ(parse_any(PND_EXT_ACK, bytes, sizeof(bytes)), PND_E_LENGTH);
    }
}

int main(void)
{
    RUN(a_grant_is_an_ack_0_with_a_version_and_a_cookie_behind_it);
    RUN(a_grant_that_is_not_exactly_so_is_none);
    RUN(an_open_is_read_and_built_byte_for_byte);
    RUN(an_opened_is_read_and_built_byte_for_byte);
    RUN(the_packets_of_a_dump_are_read_and_built_byte_for_byte);
    RUN(an_ack_is_read_and_built_byte_for_byte);
    RUN(a_stop_is_read_and_built_byte_for_byte_and_a_long_text_is_cut);
    RUN(every_truncation_of_every_packet_is_refused_and_so_is_one_byte_more);
    RUN(every_opcode_is_read_by_its_own_parser_alone);
    RUN(no_packet_of_the_extension_is_one_of_apples);
    RUN(an_open_of_another_version_is_refused_and_a_long_name_is_not_built);
    RUN(a_piece_that_reaches_beyond_the_last_offset_is_refused);
    RUN(what_reaches_beyond_the_last_offset_or_lies_before_what_is_held_is_refused);
    RUN(ranges_that_touch_are_one_however_long);
    RUN(an_ack_has_57_ranges_and_no_more_and_every_path_carries_it);
    return tap_done();
}
