/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes through the parser; what is a packet is built again from its parts, and must be read
 * as the same. */
#include <stdlib.h>
#include <string.h>

#include "wire/tftp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_options(const struct pnd_tftp_options *options)
{
    uint8_t built[PND_TFTP_OACK_CAP];
    struct pnd_tftp_packet again;
    int len = pnd_tftp_build_oack(built, sizeof(built), options);

    require((options->said & ~PND_TFTP_OPTIONS) == 0);
    require(!(options->said & PND_TFTP_BLKSIZE) || (options->block_bytes >= PND_TFTP_BLOCK_MIN &&
                                                    options->block_bytes <= PND_TFTP_BLOCK_MAX));
    require(!(options->said & PND_TFTP_TIMEOUT) == (options->timeout_s == 0));
    require(!(options->said & PND_TFTP_WINDOWSIZE) == (options->window == 0));
    require(len >= 2);
    if (len < PND_TFTP_HEADER_BYTES) /* an OACK of nothing is never sent */
        return;
    require(pnd_tftp_parse(built, (size_t)len, &again) == PND_OK && again.op == PND_TFTP_OACK);
    require(memcmp(&again.options, options, sizeof(*options)) == 0);
}

static void check_wrq(const struct pnd_tftp_packet *packet)
{
    uint8_t built[PND_TFTP_REQUEST_CAP];
    struct pnd_tftp_packet again;
    int len = pnd_tftp_build_wrq(built, sizeof(built), packet->name, &packet->options);

    require(strlen(packet->name) == packet->name_len);
    check_options(&packet->options);
    if (packet->name_len == 0 || packet->name_len >= PND_TFTP_NAME_CAP) {
        require(len == PND_E_NAME);
        return;
    }
    require(pnd_tftp_parse(built, (size_t)len, &again) == PND_OK && again.op == PND_TFTP_WRQ);
    require(again.name_len == packet->name_len &&
            memcmp(again.name, packet->name, packet->name_len) == 0);
    require(memcmp(&again.options, &packet->options, sizeof(again.options)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct pnd_tftp_packet packet;
    uint8_t built[PND_TFTP_HEADER_BYTES];

    if (pnd_tftp_parse(data, len, &packet) != PND_OK)
        return 0;
    require(len >= PND_TFTP_HEADER_BYTES && data[0] == 0 && packet.op == data[1]);
    switch (packet.op) {
    case PND_TFTP_RRQ:
        require(strlen(packet.name) == packet.name_len);
        return 0;
    case PND_TFTP_WRQ:
        check_wrq(&packet);
        return 0;
    case PND_TFTP_OACK:
        check_options(&packet.options);
        return 0;
    case PND_TFTP_DATA:
        pnd_tftp_build_data_header(built, sizeof(built), packet.block);
        break;
    case PND_TFTP_ACK:
        pnd_tftp_build_ack(built, sizeof(built), packet.block);
        require(memcmp(built, data, sizeof(built)) == 0);
        return 0;
    case PND_TFTP_ERROR:
        require(packet.code == (data[2] << 8 | data[3]));
        memcpy(built, data, sizeof(built));
        break;
    }
    require(memcmp(built, data, sizeof(built)) == 0);
    require(packet.data == data + PND_TFTP_HEADER_BYTES &&
            packet.data_len == len - PND_TFTP_HEADER_BYTES);
    return 0;
}
