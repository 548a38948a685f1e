/* SPDX-License-Identifier: BSD-2-Clause */
#include "wire/netdump.h"

#include "wire/cursor.h"

enum {
    MAGIC_BYTES = 20,
    LENGTH_AT = 40, /* @source PROTOCOL.md#netdump-6 */
    PARITY_AT = 508,
    WORD = 4,
};

int pnd_netdump_parse(const void *dgram, size_t len, struct pnd_netdump_packet *ret)
{
    struct pnd_rd rd = pnd_rd(dgram, len);
    struct pnd_netdump_packet out;
    uint32_t type = pnd_rd_be32(&rd), data_len;

    out.seqno = pnd_rd_be32(&rd);
    out.offset = pnd_rd_be64(&rd);
    data_len = pnd_rd_be32(&rd);
    pnd_rd_be32(&rd); /* of no meaning here */
    if (!pnd_rd_ok(&rd))
        return PND_E_SHORT;
    if (type < PND_NETDUMP_HERALD || type > PND_NETDUMP_EKCD_KEY)
        return PND_E_TYPE;
    if (data_len != pnd_rd_left(&rd) || data_len > UINT16_MAX)
        return PND_E_LENGTH;
    if (out.offset > UINT64_MAX - data_len)
        return PND_E_RANGE;
    out.type = (enum pnd_netdump_type)type;
    out.data_len = data_len;
    out.data = pnd_rd_bytes(&rd, data_len);
    *ret = out;
    return PND_OK;
}

static bool is_dot_dot(const char *component, size_t len)
{
    return len == 2 && component[0] == '.' && component[1] == '.';
}

int pnd_netdump_path(const struct pnd_netdump_packet *herald, const char **ret, size_t *ret_len)
{
    struct pnd_rd rd = pnd_rd(herald->data, herald->data_len);
    size_t len = 0, start = 0;
    const char *path;

    if (herald->data_len == 0) {
        *ret = "";
        *ret_len = 0;
        return PND_OK;
    }
    path = pnd_rd_cstr(&rd, &len);
    if (!path || pnd_rd_left(&rd) || len >= PND_NETDUMP_PATH_MAX || path[0] == '/')
        return PND_E_NAME;
    for (size_t i = 0; i <= len; i++) {
        if (i < len && path[i] != '/')
            continue;
        if (is_dot_dot(path + start, i - start))
            return PND_E_NAME;
        start = i + 1;
    }
    *ret = path;
    *ret_len = len;
    return PND_OK;
}

int pnd_netdump_dump_length(const uint8_t *kdh, size_t len, uint64_t *ret)
{
    /* What stands behind the NUL is not looked at. */
    static const struct {
        const char *text;
        size_t len;
    } magics[] = {{"FreeBSD Kernel Dump", 20}, {"FreeBSD Text Dump", 18}};
    struct pnd_rd rd = pnd_rd(kdh, len);
    const uint8_t *magic = pnd_rd_bytes(&rd, MAGIC_BYTES);
    uint64_t length;

    pnd_rd_bytes(&rd, LENGTH_AT - MAGIC_BYTES);
    length = pnd_rd_be64(&rd);
    if (!magic || !pnd_rd_ok(&rd))
        return PND_E_SHORT;
    for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
        if (memcmp(magic, magics[i].text, magics[i].len) != 0)
            continue;
        *ret = length;
        return PND_OK;
    }
    return PND_E_TYPE;
}

void pnd_netdump_set_dump_length(uint8_t kdh[PND_NETDUMP_KDH_BYTES], uint64_t length)
{
    struct pnd_wr wr = pnd_wr(kdh + LENGTH_AT, sizeof(length));
    struct pnd_rd rd = pnd_rd(kdh, PARITY_AT);
    uint32_t parity = 0;

    pnd_wr_be64(&wr, length);
    for (unsigned i = 0; i < PARITY_AT / WORD; i++)
        parity ^= pnd_rd_be32(&rd);
    wr = pnd_wr(kdh + PARITY_AT, WORD);
    pnd_wr_be32(&wr, parity);
}

int pnd_netdump_parse_ack(const void *dgram, size_t len, uint32_t *ret)
{
    struct pnd_rd rd = pnd_rd(dgram, len);
    uint32_t seqno = pnd_rd_be32(&rd);

    if (!pnd_rd_ok(&rd) || pnd_rd_left(&rd))
        return PND_E_LENGTH;
    *ret = seqno;
    return PND_OK;
}

static int finish(const struct pnd_wr *wr)
{
    return pnd_wr_ok(wr) ? (int)pnd_wr_len(wr) : PND_E_FULL;
}

int pnd_netdump_build_header(void *buf, size_t cap, enum pnd_netdump_type type, uint32_t seqno,
                             uint64_t offset, uint32_t data_len)
{
    struct pnd_wr wr = pnd_wr(buf, cap);

    pnd_wr_be32(&wr, type);
    pnd_wr_be32(&wr, seqno);
    pnd_wr_be64(&wr, offset);
    pnd_wr_be32(&wr, data_len);
    pnd_wr_be32(&wr, 0);
    return finish(&wr);
}

int pnd_netdump_build_ack(void *buf, size_t cap, uint32_t seqno)
{
    struct pnd_wr wr = pnd_wr(buf, cap);

    pnd_wr_be32(&wr, seqno);
    return finish(&wr);
}
