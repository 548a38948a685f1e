/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes through the parsers of the extension; what is a packet is built again from its parts,
 * and must come out as it went in. */
#include <stdlib.h>
#include <string.h>

#include "wire/ext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static bool is_inside(const void *at, size_t at_len, const uint8_t *data, size_t len)
{
    const uint8_t *start = at;

    return start >= data && start + at_len <= data + len;
}

static void check_open(const uint8_t *data, size_t len)
{
    struct pnd_ext_open open;
    uint8_t *built;

    if (pnd_ext_parse_open(data, len, &open) != PND_OK)
        return;
    require(is_inside(open.name, open.name_len + 1, data, len));
    require(strlen(open.name) == open.name_len);
    built = malloc(len);
    require(built != NULL);
    if (open.name_len >= PND_KDP_NAME_CAP) {
        require(pnd_ext_build_open(built, len, &open) == PND_E_NAME);
    } else {
        require(pnd_ext_build_open(built, len, &open) == (int)len);
        require(memcmp(built, data, len) == 0);
        require(pnd_ext_build_open(built, len - 1, &open) == PND_E_FULL);
    }
    free(built);
}

static void check_opened(const uint8_t *data, size_t len)
{
    uint8_t built[PND_EXT_OPENED_BYTES];
    struct pnd_ext_opened opened;

    if (pnd_ext_parse_opened(data, len, &opened) != PND_OK)
        return;
    require(pnd_ext_build_opened(built, sizeof(built), &opened) == (int)len);
    for (size_t i = 0; i < len; i++) /* but for what is always sent as 0 */
        require(built[i] == data[i] || i == 2 || i == 3 || i == 8 || i == 9);
}

static void check_packet(const uint8_t *data, size_t len)
{
    uint8_t built[PND_EXT_ZERO_BYTES];
    struct pnd_ext_packet packet;
    size_t header = PND_EXT_HEADER_BYTES;

    if (pnd_ext_parse(data, len, &packet) != PND_OK)
        return;
    require(packet.op == pnd_ext_op(data, len));
    require(packet.op == PND_EXT_PROBE || packet.len <= UINT64_MAX - packet.offset);
    if (packet.op == PND_EXT_DATA) {
        require(packet.len > 0 && is_inside(packet.data, (size_t)packet.len, data, len));
        require(packet.data + packet.len == data + len);
    } else if (packet.op != PND_EXT_PROBE) {
        require(!packet.data && len == PND_EXT_ZERO_BYTES);
        header = len;
    }
    require(pnd_ext_build(built, sizeof(built), &packet) == (int)header);
    require(memcmp(built, data, header) == 0);
}

static void check_ack(const uint8_t *data, size_t len)
{
    static struct pnd_ext_ack ack;
    static uint8_t built[PND_EXT_ACK_CAP];
    uint64_t last;

    if (pnd_ext_parse_ack(data, len, &ack) != PND_OK)
        return;
    require(ack.count <= PND_EXT_RANGES_CAP);
    require(ack.from >= ack.held);
    last = ack.from;
    for (unsigned i = 0; i < ack.count; i++) {
        require((i == 0 || ack.range[i].start > last) && ack.range[i].start >= last &&
                ack.range[i].end >= ack.range[i].start);
        last = ack.range[i].end;
    }
    /* Those that touch have become one, which may be longer than can be said. */
    if ((size_t)PND_EXT_ACK_BYTES + ack.count * (size_t)PND_EXT_RANGE_BYTES != len)
        return;
    require(pnd_ext_build_ack(built, sizeof(built), &ack) == (int)len);
    require(memcmp(built, data, len) == 0);
}

static void check_stop(const uint8_t *data, size_t len)
{
    uint8_t built[PND_EXT_STOP_CAP];
    char text[PND_EXT_STOP_CAP];
    struct pnd_ext_stop stop;

    if (pnd_ext_parse_stop(data, len, &stop) != PND_OK)
        return;
    require(is_inside(stop.text, stop.text_len, data, len) || stop.text_len == 0);
    require(stop.text_len == len - 8);
    if (len > PND_EXT_STOP_CAP || memchr(stop.text, 0, stop.text_len))
        return;
    memcpy(text, stop.text, stop.text_len);
    text[stop.text_len] = '\0';
    require(pnd_ext_build_stop(built, sizeof(built), stop.token, stop.code, text) == (int)len);
    require(memcmp(built, data, len) == 0);
}

static void check_grant(const uint8_t *data, size_t len)
{
    uint8_t built[PND_EXT_GRANT_BYTES];
    struct pnd_kdp_packet packet;
    const uint8_t *cookie;

    if (pnd_kdp_parse(data, len, &packet) != PND_OK || !pnd_ext_granted(&packet, &cookie))
        return;
    require(len == PND_EXT_GRANT_BYTES && is_inside(cookie, PND_EXT_COOKIE_BYTES, data, len));
    require(pnd_ext_build_grant(built, sizeof(built), (uint8_t)packet.features, cookie) ==
            (int)len);
    require(memcmp(built, data, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    check_grant(data, len);
    check_open(data, len);
    check_opened(data, len);
    check_packet(data, len);
    check_ack(data, len);
    check_stop(data, len);
    return 0;
}
