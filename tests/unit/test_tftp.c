/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Every packet form of PROTOCOL.md#tftp-1 and #tftp-2, byte for byte, in both directions. */
#include "tap.h"
#include "wire/tftp.h"

static const char wrq[] = "\0\2core-1\0octet\0blksize\0001428\0tsize\00070000\0timeout\0002"
                          "\0windowsize\00064";

#define PARSE(bytes, ret) pnd_tftp_parse((bytes), sizeof(bytes) - 1, (ret))

/* A copy on the heap, so that a sanitizer sees the first byte read beyond the packet. */
static int parse_exactly(const void *bytes, size_t len, struct pnd_tftp_packet *ret)
{
    uint8_t *copy = malloc(len ? len : 1);
    int err;

    if (!copy)
        abort();
    memcpy(copy, bytes, len);
    err = pnd_tftp_parse(copy, len, ret);
    free(copy);
    return err;
}

static void a_write_request_is_read_and_built_byte_for_byte(void)
{
    struct pnd_tftp_packet packet;
    uint8_t built[PND_TFTP_REQUEST_CAP];

    CHECK_EQ(pnd_tftp_parse(wrq, sizeof(wrq), &packet), PND_OK);
    CHECK_EQ(packet.op, PND_TFTP_WRQ);
    CHECK_EQ(packet.name_len, 6);
    CHECK_STR(packet.name, "core-1");
    CHECK_EQ(packet.options.said, PND_TFTP_OPTIONS);
    CHECK_EQ(packet.options.block_bytes, 1428);
    CHECK_EQ(packet.options.total_bytes, 70000);
    CHECK_EQ(packet.options.timeout_s, 2);
    CHECK_EQ(packet.options.window, 64);
    CHECK_EQ(pnd_tftp_build_wrq(built, sizeof(built), "core-1", &packet.options), sizeof(wrq));
    CHECK_MEM(built, wrq, sizeof(wrq));
}

static void the_other_packets_are_read_and_built_byte_for_byte(void)
{
    static const char data[] = "\0\3\xff\xfe"
                               "abc";
    static const char ack[] = "\0\4\1\2", error[] = "\0\5\0\3no room",
                      oack[] = "\0\6blksize\0008\0tsize\00018446744073709551615";
    struct pnd_tftp_packet packet;
    uint8_t built[PND_TFTP_ERROR_CAP];

    CHECK_EQ(PARSE(data, &packet), PND_OK);
    CHECK_EQ(packet.op, PND_TFTP_DATA);
    CHECK_EQ(packet.block, 0xfffe);
    CHECK_EQ(packet.data_len, 3);
    CHECK_MEM(packet.data, "abc", 3);
    CHECK_EQ(pnd_tftp_build_data_header(built, sizeof(built), 0xfffe), PND_TFTP_HEADER_BYTES);
    CHECK_MEM(built, data, PND_TFTP_HEADER_BYTES);

    CHECK_EQ(PARSE(ack, &packet), PND_OK);
    CHECK_EQ(packet.op, PND_TFTP_ACK);
    CHECK_EQ(packet.block, 0x102);
    CHECK_EQ(pnd_tftp_build_ack(built, sizeof(built), 0x102), PND_TFTP_ACK_BYTES);
    CHECK_MEM(built, ack, PND_TFTP_ACK_BYTES);

    CHECK_EQ(pnd_tftp_parse(error, sizeof(error), &packet), PND_OK);
    CHECK_EQ(packet.op, PND_TFTP_ERROR);
    CHECK_EQ(packet.code, PND_TFTP_E_NOSPACE);
    CHECK_EQ(packet.data_len, 8);
    CHECK_STR((const char *)packet.data, "no room");
    CHECK_EQ(pnd_tftp_build_error(built, sizeof(built), PND_TFTP_E_NOSPACE, "no room"),
             sizeof(error));
    CHECK_MEM(built, error, sizeof(error));

    CHECK_EQ(pnd_tftp_parse(oack, sizeof(oack), &packet), PND_OK);
    CHECK_EQ(packet.op, PND_TFTP_OACK);
    CHECK_EQ(packet.options.said, PND_TFTP_BLKSIZE | PND_TFTP_TSIZE);
    CHECK_EQ(packet.options.block_bytes, 8);
    CHECK(packet.options.total_bytes == UINT64_MAX);
    CHECK_EQ(pnd_tftp_build_oack(built, sizeof(built), &packet.options), sizeof(oack));
    CHECK_MEM(built, oack, sizeof(oack));
}

static void options_are_taken_in_any_case_and_order_and_only_once(void)
{
    static const struct {
        const char *bytes;
        size_t len;
        uint8_t said;
        uint32_t block_bytes;
    } rows[] = {
#define ROW(options, said, block_bytes) {"\0\6" options, sizeof("\0\6" options), said, block_bytes}
        ROW("WINDOWSIZE\0001\0BlkSize\000512", PND_TFTP_BLKSIZE | PND_TFTP_WINDOWSIZE, 512),
        ROW("blksize\00010\0blksize\00020", PND_TFTP_BLKSIZE, 10),
        ROW("blksize\0007\0blksize\00020", PND_TFTP_BLKSIZE, 20),
        ROW("blksize2\00010\0blksiz\00010\0\00010", 0, 0),
        ROW("blksize\000", 0, 0),
        ROW("blksize\0+10", 0, 0),
        ROW("blksize\000 10", 0, 0),
        ROW("blksize\00010 ", 0, 0),
        ROW("blksize\000000000000000000000000000010", PND_TFTP_BLKSIZE, 10),
        ROW("blksize\00065463", PND_TFTP_BLKSIZE, 65463),
        ROW("blksize\0004294967808", PND_TFTP_BLKSIZE, 65464), /* 2^32 + 512 */
        ROW("tsize\00018446744073709551616\0timeout\000511\0windowsize\00065537", 0, 0),
        ROW("timeout\0000\0windowsize\0000\0blksize\0000", 0, 0),
        ROW("utimeout\0001000\0multicast\0\0blksize\0009", PND_TFTP_BLKSIZE, 9),
        ROW("blksize\0009\0tsize", PND_TFTP_BLKSIZE, 9), /* without a value */
#undef ROW
        {"\0\6blksize\00010", 12, 0, 0}, /* without the last NUL */
        {"\0\6\0\0", 4, 0, 0},
    };
    struct pnd_tftp_packet packet;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CHECK_EQ(parse_exactly(rows[i].bytes, rows[i].len, &packet), PND_OK);
        CHECK_EQ(packet.options.said, rows[i].said);
        CHECK_EQ(packet.options.block_bytes, rows[i].block_bytes);
    }
}

static void options_are_looked_at_up_to_a_limit(void)
{
    uint8_t dgram[512] = {0, PND_TFTP_OACK};
    struct pnd_tftp_packet packet;

    for (int before = PND_TFTP_OPTIONS_MAX - 1; before <= PND_TFTP_OPTIONS_MAX; before++) {
        size_t len = 2;

        for (int i = 0; i < before; i++, len += 4)
            memcpy(dgram + len, "x\0001", 4);
        memcpy(dgram + len, "tsize\0007", 8);
        CHECK_EQ(pnd_tftp_parse(dgram, len + 8, &packet), PND_OK);
        CHECK_EQ(packet.options.said, before < PND_TFTP_OPTIONS_MAX ? PND_TFTP_TSIZE : 0);
    }
}

static void what_is_no_packet_is_refused(void)
{
    struct pnd_tftp_packet packet;

    CHECK_EQ(PARSE("", &packet), PND_E_SHORT);
    CHECK_EQ(PARSE("\0\4\0", &packet), PND_E_SHORT);
    CHECK_EQ(PARSE("\0\0\0\0", &packet), PND_E_TYPE);
    CHECK_EQ(PARSE("\0\7\0\0", &packet), PND_E_TYPE);
    CHECK_EQ(PARSE("\1\4\0\0", &packet), PND_E_TYPE);
    CHECK_EQ(PARSE("\0\2core", &packet), PND_E_NAME);
    CHECK_EQ(PARSE("\0\2core\0octet", &packet), PND_E_NAME);
    CHECK_EQ(PARSE("\0\1core\0octet", &packet), PND_E_NAME);
    CHECK_EQ(PARSE("\0\2core\0netascii\0", &packet), PND_E_MODE);
    CHECK_EQ(PARSE("\0\2core\0mail\0", &packet), PND_E_MODE);
    CHECK_EQ(PARSE("\0\2core\0octe\0", &packet), PND_E_MODE);
    CHECK_EQ(PARSE("\0\2core\0octets\0", &packet), PND_E_MODE);
    CHECK_EQ(PARSE("\0\2core\0\0", &packet), PND_E_MODE);
    CHECK_EQ(PARSE("\0\2core\0OCTET\0", &packet), PND_OK);
    CHECK_EQ(PARSE("\0\1core\0netascii\0", &packet), PND_OK);
    CHECK_EQ(packet.op, PND_TFTP_RRQ);
    CHECK_EQ(PARSE("\0\2\0octet\0", &packet), PND_OK);
    CHECK_EQ(packet.name_len, 0);
}

static void every_truncation_is_refused_or_reads_what_is_there(void)
{
    struct pnd_tftp_packet packet;

    for (size_t len = 0; len < sizeof(wrq); len++) {
        uint8_t said = 0;

        if (len < 4) {
            CHECK_EQ(parse_exactly(wrq, len, &packet), PND_E_SHORT);
            continue;
        }
        if (len < 15) {
            CHECK_EQ(parse_exactly(wrq, len, &packet), PND_E_NAME);
            continue;
        }
        CHECK_EQ(parse_exactly(wrq, len, &packet), PND_OK);
        said |= len >= 28 ? PND_TFTP_BLKSIZE : 0;
        said |= len >= 40 ? PND_TFTP_TSIZE : 0;
        said |= len >= 50 ? PND_TFTP_TIMEOUT : 0;
        CHECK_EQ(packet.options.said, said);
    }
}

static void a_builder_refuses_what_does_not_fit(void)
{
    const struct pnd_tftp_options options = {.said = PND_TFTP_OPTIONS,
                                             .timeout_s = 255,
                                             .window = 65535,
                                             .block_bytes = 65464,
                                             .total_bytes = UINT64_MAX};
    uint8_t buf[PND_TFTP_REQUEST_CAP];
    char name[PND_TFTP_NAME_CAP + 1];
    int len;

    memset(name, 'n', sizeof(name));
    name[PND_TFTP_NAME_CAP] = '\0';
    CHECK_EQ(pnd_tftp_build_wrq(buf, sizeof(buf), name, &options), PND_E_NAME);
    CHECK_EQ(pnd_tftp_build_wrq(buf, sizeof(buf), "", &options), PND_E_NAME);
    name[PND_TFTP_NAME_CAP - 1] = '\0';
    len = pnd_tftp_build_wrq(buf, sizeof(buf), name, &options);
    CHECK(len > 0);
    for (int cap = 0; cap < len; cap++)
        CHECK_EQ(pnd_tftp_build_wrq(buf, (size_t)cap, name, &options), PND_E_FULL);
    len = pnd_tftp_build_oack(buf, PND_TFTP_OACK_CAP, &options);
    CHECK(len > 0);
    for (int cap = 0; cap < len; cap++)
        CHECK_EQ(pnd_tftp_build_oack(buf, (size_t)cap, &options), PND_E_FULL);
    for (size_t cap = 0; cap < 4; cap++) {
        CHECK_EQ(pnd_tftp_build_ack(buf, cap, 1), PND_E_FULL);
        CHECK_EQ(pnd_tftp_build_data_header(buf, cap, 1), PND_E_FULL);
        CHECK_EQ(pnd_tftp_build_error(buf, cap, PND_TFTP_E_ACCESS, ""), PND_E_FULL);
    }
    memset(name, 'n', sizeof(name));
    name[PND_TFTP_NAME_CAP] = '\0';
    CHECK_EQ(pnd_tftp_build_error(buf, sizeof(buf), PND_TFTP_E_ACCESS, name), PND_TFTP_ERROR_CAP);
    CHECK_EQ(buf[PND_TFTP_ERROR_CAP - 1], 0);
}

int main(void)
{
    RUN(a_write_request_is_read_and_built_byte_for_byte);
    RUN(the_other_packets_are_read_and_built_byte_for_byte);
    RUN(options_are_taken_in_any_case_and_order_and_only_once);
    RUN(options_are_looked_at_up_to_a_limit);
    RUN(what_is_no_packet_is_refused);
    RUN(every_truncation_is_refused_or_reads_what_is_there);
    RUN(a_builder_refuses_what_does_not_fit);
    return tap_done();
}
