/* SPDX-License-Identifier: BSD-2-Clause */
#include "wire/ext.h"

#include "wire/cursor.h"

unsigned pnd_ext_op(const void *dgram, size_t len)
{
    const uint8_t *at = dgram;

    if (len < 2 || at[0] != 0 || at[1] < PND_EXT_OPEN || at[1] > PND_EXT_STOP)
        return 0;
    return at[1];
}

bool pnd_ext_granted(const struct pnd_kdp_packet *packet, const uint8_t **ret_cookie)
{
    if (packet->op != PND_KDP_ACK || packet->block != 0 || !(packet->features & PND_EXT_GRANT) ||
        packet->data_len != 1 + PND_EXT_COOKIE_BYTES || packet->data[0] != PND_EXT_VERSION)
        return false;
    *ret_cookie = packet->data + 1;
    return true;
}

static int finish(const struct pnd_wr *wr)
{
    return pnd_wr_ok(wr) ? (int)pnd_wr_len(wr) : PND_E_FULL;
}

int pnd_ext_build_grant(void *buf, size_t cap, uint8_t features,
                        const uint8_t cookie[PND_EXT_COOKIE_BYTES])
{
    struct pnd_wr wr = pnd_wr(buf, cap);

    pnd_wr_u8(&wr, features | PND_EXT_GRANT);
    pnd_wr_u8(&wr, PND_KDP_ACK);
    pnd_wr_be32(&wr, 0);
    pnd_wr_u8(&wr, PND_EXT_VERSION);
    pnd_wr_bytes(&wr, cookie, PND_EXT_COOKIE_BYTES);
    return finish(&wr);
}

/* All of it is read, and nothing is behind it. */
static int whole(const struct pnd_rd *rd)
{
    if (!pnd_rd_ok(rd))
        return PND_E_SHORT;
    return pnd_rd_left(rd) ? PND_E_LENGTH : PND_OK;
}

int pnd_ext_parse_open(const void *dgram, size_t len, struct pnd_ext_open *ret)
{
    struct pnd_rd rd = pnd_rd(dgram, len);
    struct pnd_ext_open out = {0};
    const uint8_t *cookie, *id;
    uint16_t version;

    if (pnd_ext_op(dgram, len) != PND_EXT_OPEN)
        return PND_E_TYPE;
    pnd_rd_be16(&rd);
    version = pnd_rd_be16(&rd);
    out.flags = pnd_rd_be16(&rd);
    out.dgram_max = pnd_rd_be16(&rd);
    cookie = pnd_rd_bytes(&rd, PND_EXT_COOKIE_BYTES);
    id = pnd_rd_bytes(&rd, PND_EXT_ID_BYTES);
    if (!pnd_rd_ok(&rd))
        return PND_E_SHORT;
    if (version != PND_EXT_VERSION)
        return PND_E_TYPE;
    memcpy(out.cookie, cookie, sizeof(out.cookie));
    memcpy(out.id, id, sizeof(out.id));
    out.name = pnd_rd_cstr(&rd, &out.name_len);
    if (!pnd_rd_ok(&rd))
        return PND_E_NAME;
    if (pnd_rd_left(&rd))
        return PND_E_LENGTH;
    *ret = out;
    return PND_OK;
}

int pnd_ext_build_open(void *buf, size_t cap, const struct pnd_ext_open *open)
{
    struct pnd_wr wr = pnd_wr(buf, cap);

    if (open->name_len >= PND_KDP_NAME_CAP)
        return PND_E_NAME;
    pnd_wr_be16(&wr, PND_EXT_OPEN);
    pnd_wr_be16(&wr, PND_EXT_VERSION);
    pnd_wr_be16(&wr, open->flags);
    pnd_wr_be16(&wr, open->dgram_max);
    pnd_wr_bytes(&wr, open->cookie, sizeof(open->cookie));
    pnd_wr_bytes(&wr, open->id, sizeof(open->id));
    pnd_wr_bytes(&wr, open->name, open->name_len);
    pnd_wr_u8(&wr, 0);
    return finish(&wr);
}

int pnd_ext_parse_opened(const void *dgram, size_t len, struct pnd_ext_opened *ret)
{
    struct pnd_rd rd = pnd_rd(dgram, len);
    struct pnd_ext_opened out;
    int err;

    if (pnd_ext_op(dgram, len) != PND_EXT_OPENED)
        return PND_E_TYPE;
    pnd_rd_be16(&rd);
    pnd_rd_be16(&rd);
    out.token = pnd_rd_be32(&rd);
    pnd_rd_be16(&rd);
    out.dgram_max = pnd_rd_be16(&rd);
    out.offset = pnd_rd_be64(&rd);
    out.sum = pnd_rd_be64(&rd);
    err = whole(&rd);
    if (err)
        return err;
    *ret = out;
    return PND_OK;
}

int pnd_ext_build_opened(void *buf, size_t cap, const struct pnd_ext_opened *opened)
{
    struct pnd_wr wr = pnd_wr(buf, cap);

    pnd_wr_be16(&wr, PND_EXT_OPENED);
    pnd_wr_be16(&wr, 0);
    pnd_wr_be32(&wr, opened->token);
    pnd_wr_be16(&wr, 0);
    pnd_wr_be16(&wr, opened->dgram_max);
    pnd_wr_be64(&wr, opened->offset);
    pnd_wr_be64(&wr, opened->sum);
    return finish(&wr);
}

/* A number of constant size in bytes that are there: on the packet path, where a loop shows. */
static uint32_t be32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint64_t be64(const uint8_t *at)
{
    return (uint64_t)be32(at) << 32 | be32(at + 4);
}

static int parse_eight(struct pnd_rd *rd, uint64_t *ret)
{
    *ret = pnd_rd_be64(rd);
    return whole(rd);
}

int pnd_ext_parse(const void *dgram, size_t len, struct pnd_ext_packet *ret)
{
    struct pnd_rd rd = pnd_rd(dgram, len);
    const uint8_t *header;
    int err = PND_OK;

    if (len < PND_EXT_HEADER_BYTES)
        return len >= 2 && pnd_ext_op(dgram, len) < PND_EXT_DATA ? PND_E_TYPE : PND_E_SHORT;
    header = pnd_rd_bytes(&rd, PND_EXT_HEADER_BYTES);
    *ret = (struct pnd_ext_packet){
        .op = pnd_ext_op(dgram, len),
        .flags = (uint16_t)(header[2] << 8 | header[3]),
        .token = be32(header + 4),
        .number = be32(header + 8),
        .offset = be64(header + 12),
        .len = pnd_rd_left(&rd),
        .data = header + PND_EXT_HEADER_BYTES,
    };
    switch (ret->op) {
    case PND_EXT_DATA:
        err = ret->len ? PND_OK : PND_E_LENGTH;
        break;
    case PND_EXT_ZERO:
        ret->data = NULL;
        err = parse_eight(&rd, &ret->len);
        if (!err && ret->len == 0)
            err = PND_E_LENGTH;
        break;
    case PND_EXT_END:
        ret->data = NULL;
        ret->len = 0;
        err = parse_eight(&rd, &ret->sum);
        break;
    case PND_EXT_PROBE:
        ret->len = len;
        return PND_OK;
    default:
        return PND_E_TYPE;
    }
    if (!err && ret->len > UINT64_MAX - ret->offset)
        err = PND_E_RANGE;
    return err;
}

int pnd_ext_build(void *buf, size_t cap, const struct pnd_ext_packet *packet)
{
    struct pnd_wr wr = pnd_wr(buf, cap);

    pnd_wr_be16(&wr, (uint16_t)packet->op);
    pnd_wr_be16(&wr, packet->flags);
    pnd_wr_be32(&wr, packet->token);
    pnd_wr_be32(&wr, packet->number);
    pnd_wr_be64(&wr, packet->offset);
    if (packet->op == PND_EXT_ZERO)
        pnd_wr_be64(&wr, packet->len);
    else if (packet->op == PND_EXT_END)
        pnd_wr_be64(&wr, packet->sum);
    return finish(&wr);
}

static int parse_ranges(struct pnd_rd *rd, unsigned count, struct pnd_ext_ack *out)
{
    uint64_t at = out->from;

    if (count > PND_EXT_RANGES_CAP)
        return PND_E_LENGTH;
    for (; count; count--) {
        uint64_t start = at + pnd_rd_be32(rd), end = start + pnd_rd_be32(rd);

        if (end < at)
            return PND_E_RANGE;
        if (out->count == 0 || start != at)
            out->range[out->count++].start = start;
        out->range[out->count - 1].end = at = end;
    }
    return whole(rd);
}

int pnd_ext_parse_ack(const void *dgram, size_t len, struct pnd_ext_ack *ret)
{
    struct pnd_rd rd = pnd_rd(dgram, len);
    unsigned count;

    if (pnd_ext_op(dgram, len) != PND_EXT_ACK)
        return PND_E_TYPE;
    pnd_rd_be16(&rd);
    ret->flags = pnd_rd_be16(&rd);
    ret->token = pnd_rd_be32(&rd);
    ret->number = pnd_rd_be32(&rd);
    ret->age_us = pnd_rd_be32(&rd);
    ret->held = pnd_rd_be64(&rd);
    ret->limit = pnd_rd_be64(&rd);
    ret->packets = pnd_rd_be32(&rd);
    ret->probed = pnd_rd_be16(&rd);
    count = pnd_rd_be16(&rd);
    ret->from = pnd_rd_be64(&rd);
    ret->count = 0;
    if (!pnd_rd_ok(&rd))
        return PND_E_SHORT;
    return ret->from < ret->held ? PND_E_FORMAT : parse_ranges(&rd, count, ret);
}

int pnd_ext_build_ack(void *buf, size_t cap, const struct pnd_ext_ack *ack)
{
    struct pnd_wr wr = pnd_wr(buf, cap);
    uint64_t at = ack->from;

    pnd_wr_be16(&wr, PND_EXT_ACK);
    pnd_wr_be16(&wr, ack->flags);
    pnd_wr_be32(&wr, ack->token);
    pnd_wr_be32(&wr, ack->number);
    pnd_wr_be32(&wr, ack->age_us);
    pnd_wr_be64(&wr, ack->held);
    pnd_wr_be64(&wr, ack->limit);
    pnd_wr_be32(&wr, ack->packets);
    pnd_wr_be16(&wr, ack->probed);
    pnd_wr_be16(&wr, ack->count);
    pnd_wr_be64(&wr, ack->from);
    for (unsigned i = 0; i < ack->count; i++) {
        pnd_wr_be32(&wr, (uint32_t)(ack->range[i].start - at));
        pnd_wr_be32(&wr, (uint32_t)(ack->range[i].end - ack->range[i].start));
        at = ack->range[i].end;
    }
    return finish(&wr);
}

int pnd_ext_parse_stop(const void *dgram, size_t len, struct pnd_ext_stop *ret)
{
    struct pnd_rd rd = pnd_rd(dgram, len);
    struct pnd_ext_stop out;

    if (pnd_ext_op(dgram, len) != PND_EXT_STOP)
        return PND_E_TYPE;
    pnd_rd_be16(&rd);
    out.code = pnd_rd_be16(&rd);
    out.token = pnd_rd_be32(&rd);
    if (!pnd_rd_ok(&rd))
        return PND_E_SHORT;
    out.text_len = pnd_rd_left(&rd);
    out.text = (const char *)pnd_rd_bytes(&rd, out.text_len);
    *ret = out;
    return PND_OK;
}

int pnd_ext_build_stop(void *buf, size_t cap, uint32_t token, uint16_t code, const char *text)
{
    struct pnd_wr wr = pnd_wr(buf, cap);
    size_t len = 0;

    while (len < PND_EXT_STOP_CAP - 8 && text[len])
        len++;
    pnd_wr_be16(&wr, PND_EXT_STOP);
    pnd_wr_be16(&wr, code);
    pnd_wr_be32(&wr, token);
    pnd_wr_bytes(&wr, text, len);
    return finish(&wr);
}
