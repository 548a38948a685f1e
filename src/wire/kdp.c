/* SPDX-License-Identifier: BSD-2-Clause */
#include "wire/kdp.h"

#include "wire/cursor.h"

static const char features_tag[] = "features";

static bool is_octet(const char *mode, size_t len)
{
    static const char octet[] = "octet";

    if (len != sizeof(octet) - 1)
        return false;
    for (size_t i = 0; i < len; i++)
        if ((mode[i] | 0x20) != octet[i])
            return false;
    return true;
}

/* What follows the mode depends on the kernel's age, down to a size field of which only two
 * bytes arrive; what is not all there was not given. */
static void parse_wrq_tail(struct pnd_rd *rd, struct pnd_kdp_packet *out)
{
    const uint8_t *tag = pnd_rd_bytes(rd, sizeof(features_tag));
    uint32_t features, block_max;

    if (!tag || memcmp(tag, features_tag, sizeof(features_tag)) != 0)
        return;
    features = pnd_rd_be32(rd);
    if (!pnd_rd_ok(rd))
        return;
    out->features = features;
    block_max = pnd_rd_be32(rd);
    if (pnd_rd_ok(rd))
        out->block_max = block_max;
}

static int parse_request(struct pnd_rd *rd, struct pnd_kdp_packet *out)
{
    size_t mode_len = 0;
    const char *mode;

    out->name = pnd_rd_cstr(rd, &out->name_len);
    mode = pnd_rd_cstr(rd, &mode_len);
    if (!pnd_rd_ok(rd))
        return PND_E_NAME;
    if (!is_octet(mode, mode_len))
        return PND_E_MODE;
    parse_wrq_tail(rd, out);
    return PND_OK;
}

static int parse_opcode(struct pnd_rd *rd, struct pnd_kdp_packet *out)
{
    uint16_t opcode;

    if (pnd_rd_left(rd) < PND_KDP_HEADER_BYTES)
        return PND_E_SHORT;
    opcode = pnd_rd_be16(rd);
    if ((opcode & 0xff) == PND_KDP_ACK)
        out->features = opcode >> 8;
    else if (opcode >> 8)
        return PND_E_TYPE;
    out->op = opcode & 0xff;
    return PND_OK;
}

/* What follows the opcode, of all but requests. */
static void parse_rest(struct pnd_rd *rd, struct pnd_kdp_packet *out)
{
    uint32_t second = pnd_rd_be32(rd);

    if (out->op == PND_KDP_ERROR)
        out->code = second;
    else
        out->block = second;
    out->data_len = pnd_rd_left(rd);
    out->data = pnd_rd_bytes(rd, out->data_len);
}

int pnd_kdp_parse_answer(const void *dgram, size_t len, struct pnd_kdp_packet *ret)
{
    struct pnd_rd rd = pnd_rd(dgram, len);
    struct pnd_kdp_packet out = {0};
    int err = parse_opcode(&rd, &out);

    if (err)
        return err;
    if (out.op != PND_KDP_ACK && out.op != PND_KDP_ERROR)
        return PND_E_TYPE;
    parse_rest(&rd, &out);
    *ret = out;
    return PND_OK;
}

int pnd_kdp_parse(const void *dgram, size_t len, struct pnd_kdp_packet *ret)
{
    struct pnd_rd rd = pnd_rd(dgram, len);
    struct pnd_kdp_packet out = {0};
    int err = parse_opcode(&rd, &out);

    if (err)
        return err;
    switch (out.op) {
    case PND_KDP_RRQ:
    case PND_KDP_WRQ:
        err = parse_request(&rd, &out);
        if (err)
            return err;
        *ret = out;
        return PND_OK;
    case PND_KDP_DATA:
    case PND_KDP_ACK:
    case PND_KDP_ERROR:
    case PND_KDP_SEEK:
    case PND_KDP_EOF:
        break;
    default:
        return PND_E_TYPE;
    }
    parse_rest(&rd, &out);
    *ret = out;
    return PND_OK;
}

int pnd_kdp_seek_offset(const struct pnd_kdp_packet *seek, bool seek64, uint64_t *ret)
{
    struct pnd_rd rd = pnd_rd(seek->data, seek->data_len);
    uint64_t offset = seek64 ? pnd_rd_be64(&rd) : pnd_rd_be32(&rd);

    if (!pnd_rd_ok(&rd))
        return PND_E_SHORT;
    *ret = offset;
    return PND_OK;
}

static int finish(const struct pnd_wr *wr)
{
    return pnd_wr_ok(wr) ? (int)pnd_wr_len(wr) : PND_E_FULL;
}

int pnd_kdp_build_wrq(void *buf, size_t cap, const char *name, uint32_t features,
                      uint32_t block_max)
{
    struct pnd_wr wr = pnd_wr(buf, cap);
    size_t name_len = 0;

    while (name_len < PND_KDP_NAME_CAP && name[name_len])
        name_len++;
    if (name_len == 0 || name_len == PND_KDP_NAME_CAP)
        return PND_E_NAME;
    pnd_wr_be16(&wr, PND_KDP_WRQ);
    pnd_wr_bytes(&wr, name, name_len + 1);
    pnd_wr_bytes(&wr, "octet", sizeof("octet"));
    pnd_wr_bytes(&wr, features_tag, sizeof(features_tag));
    pnd_wr_be32(&wr, features);
    pnd_wr_be32(&wr, block_max);
    return finish(&wr);
}

static int build_header(void *buf, size_t cap, uint16_t opcode, uint32_t second)
{
    struct pnd_wr wr = pnd_wr(buf, cap);

    pnd_wr_be16(&wr, opcode);
    pnd_wr_be32(&wr, second);
    return finish(&wr);
}

int pnd_kdp_build_ack(void *buf, size_t cap, uint32_t block, uint8_t features)
{
    return build_header(buf, cap, (uint16_t)(features << 8 | PND_KDP_ACK), block);
}

int pnd_kdp_build_data_header(void *buf, size_t cap, uint32_t block)
{
    return build_header(buf, cap, PND_KDP_DATA, block);
}

int pnd_kdp_build_eof(void *buf, size_t cap, uint32_t block)
{
    return build_header(buf, cap, PND_KDP_EOF, block);
}

int pnd_kdp_build_seek(void *buf, size_t cap, uint32_t block, uint64_t offset, bool seek64)
{
    struct pnd_wr wr = pnd_wr(buf, cap);

    if (!seek64 && offset > UINT32_MAX)
        return PND_E_RANGE;
    pnd_wr_be16(&wr, PND_KDP_SEEK);
    pnd_wr_be32(&wr, block);
    pnd_wr_be(&wr, offset, seek64 ? 8 : 4);
    return finish(&wr);
}

int pnd_kdp_build_error(void *buf, size_t cap, enum pnd_kdp_error code, const char *message)
{
    struct pnd_wr wr = pnd_wr(buf, cap);
    size_t len = 0;

    while (len < PND_KDP_ERROR_CAP - PND_KDP_HEADER_BYTES - 1 && message[len])
        len++;
    pnd_wr_be16(&wr, PND_KDP_ERROR);
    pnd_wr_be32(&wr, code);
    pnd_wr_bytes(&wr, message, len);
    pnd_wr_u8(&wr, 0);
    return finish(&wr);
}

uint32_t pnd_kdp_error_code(const struct pnd_kdp_packet *error)
{
    bool swapped = (error->code & 0xffff) == 0 && error->code >> 16 != 0;

    return swapped ? error->code >> 16 : error->code;
}
