/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes through the parser; what is a packet is built again from its parts, and must come out
 * as it went in, but for its last field. */
#include <stdlib.h>
#include <string.h>

#include "wire/netdump.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(int holds)
{
    if (!holds)
        abort();
}

static void check_path(const struct pnd_netdump_packet *herald)
{
    const char *path;
    size_t len;

    if (pnd_netdump_path(herald, &path, &len) != PND_OK)
        return;
    require(strlen(path) == len && len < PND_NETDUMP_PATH_MAX);
    require(len == herald->data_len || len + 1 == herald->data_len);
    require(path[0] != '/' && strncmp(path, "../", 3) != 0 && strcmp(path, "..") != 0);
    require(!strstr(path, "/../"));
    require(len < 3 || strcmp(path + len - 3, "/..") != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct pnd_netdump_packet packet;
    uint8_t built[PND_NETDUMP_HEADER_BYTES];
    uint64_t length;
    uint32_t seqno;

    if (pnd_netdump_parse_ack(data, len, &seqno) == PND_OK) {
        require(len == PND_NETDUMP_ACK_BYTES);
        require(pnd_netdump_build_ack(built, sizeof(built), seqno) == PND_NETDUMP_ACK_BYTES);
        require(memcmp(built, data, PND_NETDUMP_ACK_BYTES) == 0);
    }
    if (pnd_netdump_parse(data, len, &packet) != PND_OK)
        return 0;
    require(packet.data == data + PND_NETDUMP_HEADER_BYTES);
    require(packet.data_len == len - PND_NETDUMP_HEADER_BYTES);
    require(packet.offset + packet.data_len >= packet.offset);
    require(pnd_netdump_build_header(built, sizeof(built), packet.type, packet.seqno, packet.offset,
                                     (uint32_t)packet.data_len) == PND_NETDUMP_HEADER_BYTES);
    require(memcmp(built, data, 20) == 0);
    if (packet.type == PND_NETDUMP_HERALD)
        check_path(&packet);
    if (packet.type == PND_NETDUMP_KDH &&
        pnd_netdump_dump_length(packet.data, packet.data_len, &length) == PND_OK)
        require(packet.data_len >= 48);
    return 0;
}
