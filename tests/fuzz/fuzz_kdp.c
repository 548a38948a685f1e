/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes through the parser; what is a packet is built again from its parts, and must come out
 * as it went in. */
#include <stdlib.h>
#include <string.h>

#include "wire/kdp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_seek(const struct pnd_kdp_packet *packet, const uint8_t *data)
{
    uint8_t built[14];
    uint64_t offset;

    for (int seek64 = 0; seek64 < 2; seek64++) {
        size_t need = seek64 ? 8 : 4;
        int err = pnd_kdp_seek_offset(packet, seek64, &offset);

        require(err == (packet->data_len < need ? PND_E_SHORT : PND_OK));
        if (err)
            continue;
        require(pnd_kdp_build_seek(built, sizeof(built), packet->block, offset, seek64) ==
                (int)(PND_KDP_HEADER_BYTES + need));
        require(memcmp(built, data, PND_KDP_HEADER_BYTES + need) == 0);
    }
}

static void check_wrq(const struct pnd_kdp_packet *packet)
{
    uint8_t built[PND_KDP_REQUEST_CAP];
    struct pnd_kdp_packet again;
    int len =
        pnd_kdp_build_wrq(built, sizeof(built), packet->name, packet->features, packet->block_max);

    require(strlen(packet->name) == packet->name_len);
    if (packet->name_len == 0 || packet->name_len >= PND_KDP_NAME_CAP) {
        require(len == PND_E_NAME);
        return;
    }
    require(len == (int)packet->name_len + 26);
    require(pnd_kdp_parse(built, (size_t)len, &again) == PND_OK);
    require(again.op == PND_KDP_WRQ && again.features == packet->features &&
            again.block_max == packet->block_max && again.name_len == packet->name_len &&
            memcmp(again.name, packet->name, packet->name_len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct pnd_kdp_packet packet;
    uint8_t built[PND_KDP_HEADER_BYTES];

    if (pnd_kdp_parse(data, len, &packet) != PND_OK)
        return 0;
    require(len >= PND_KDP_HEADER_BYTES && packet.op == data[1]);
    switch (packet.op) {
    case PND_KDP_RRQ:
    case PND_KDP_WRQ:
        check_wrq(&packet);
        return 0;
    case PND_KDP_DATA:
        pnd_kdp_build_data_header(built, sizeof(built), packet.block);
        break;
    case PND_KDP_SEEK:
        check_seek(&packet, data);
        return 0;
    case PND_KDP_ACK:
        pnd_kdp_build_ack(built, sizeof(built), packet.block, (uint8_t)packet.features);
        break;
    case PND_KDP_EOF:
        pnd_kdp_build_eof(built, sizeof(built), packet.block);
        break;
    case PND_KDP_ERROR:
        require(pnd_kdp_error_code(&packet) == packet.code ||
                pnd_kdp_error_code(&packet) << 16 == packet.code);
        require(packet.data_len == len - PND_KDP_HEADER_BYTES);
        return 0;
    }
    require(memcmp(built, data, sizeof(built)) == 0);
    require(packet.data == data + PND_KDP_HEADER_BYTES &&
            packet.data_len == len - PND_KDP_HEADER_BYTES);
    return 0;
}
