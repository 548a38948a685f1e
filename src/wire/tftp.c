/* SPDX-License-Identifier: BSD-2-Clause */
#include "wire/tftp.h"

#include "wire/cursor.h"
#include "wire/divide.h"

enum { DECIMAL_CAP = 20 }; /* digits of the longest number of 64 bits */

static const struct {
    enum pnd_tftp_option option;
    const char *name;
} known[] = {
    {PND_TFTP_BLKSIZE, "blksize"},
    {PND_TFTP_TSIZE, "tsize"},
    {PND_TFTP_TIMEOUT, "timeout"},
    {PND_TFTP_WINDOWSIZE, "windowsize"},
};
enum { KNOWN = sizeof(known) / sizeof(known[0]) };

/* @p lower has no NUL within @p len unless it is shorter. */
static bool is_word(const char *text, size_t len, const char *lower)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] | 0x20) : text[i];

        if (c != lower[i]) /* also at its NUL: text has none */
            return false;
    }
    return lower[len] == '\0';
}

/* Digits alone, as many as 64 bits hold. */
static bool read_decimal(const char *text, size_t len, uint64_t *ret)
{
    uint64_t value = 0;

    if (len == 0)
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned digit = (unsigned)(unsigned char)text[i] - '0';

        if (digit > 9 || value > UINT64_MAX / 10 || value * 10 > UINT64_MAX - digit)
            return false;
        value = value * 10 + digit;
    }
    *ret = value;
    return true;
}

static void take_option(struct pnd_tftp_options *out, enum pnd_tftp_option option, uint64_t value)
{
    if (out->said & option)
        return;
    switch (option) {
    case PND_TFTP_BLKSIZE:
        if (value < PND_TFTP_BLOCK_MIN)
            return;
        out->block_bytes = value < PND_TFTP_BLOCK_MAX ? (uint32_t)value : PND_TFTP_BLOCK_MAX;
        break;
    case PND_TFTP_TSIZE:
        out->total_bytes = value;
        break;
    case PND_TFTP_TIMEOUT:
        if (value == 0 || value > PND_TFTP_TIMEOUT_MAX_S)
            return;
        out->timeout_s = (uint8_t)value;
        break;
    case PND_TFTP_WINDOWSIZE:
        if (value == 0 || value > PND_TFTP_WINDOW_MAX)
            return;
        out->window = (uint16_t)value;
        break;
    case PND_TFTP_OPTIONS:
        return;
    }
    out->said |= (uint8_t)option;
}

static void parse_options(struct pnd_rd *rd, struct pnd_tftp_options *out)
{
    for (int i = 0; i < PND_TFTP_OPTIONS_MAX; i++) {
        size_t name_len = 0, text_len = 0;
        const char *name = pnd_rd_cstr(rd, &name_len);
        const char *text = pnd_rd_cstr(rd, &text_len);
        uint64_t value = 0;

        if (!pnd_rd_ok(rd))
            return;
        if (!read_decimal(text, text_len, &value))
            continue;
        for (size_t k = 0; k < KNOWN; k++)
            if (is_word(name, name_len, known[k].name))
                take_option(out, known[k].option, value);
    }
}

static int parse_request(struct pnd_rd *rd, struct pnd_tftp_packet *out)
{
    size_t mode_len = 0;
    const char *mode;

    out->name = pnd_rd_cstr(rd, &out->name_len);
    mode = pnd_rd_cstr(rd, &mode_len);
    if (!pnd_rd_ok(rd))
        return PND_E_NAME;
    if (out->op == PND_TFTP_RRQ) /* refused, whatever else is in it */
        return PND_OK;
    if (!is_word(mode, mode_len, "octet"))
        return PND_E_MODE;
    parse_options(rd, &out->options);
    return PND_OK;
}

int pnd_tftp_parse(const void *dgram, size_t len, struct pnd_tftp_packet *ret)
{
    struct pnd_rd rd = pnd_rd(dgram, len);
    struct pnd_tftp_packet out = {0};
    uint16_t opcode;
    int err;

    if (len < PND_TFTP_HEADER_BYTES)
        return PND_E_SHORT;
    opcode = pnd_rd_be16(&rd);
    if (opcode < PND_TFTP_RRQ || opcode > PND_TFTP_OACK)
        return PND_E_TYPE;
    out.op = (enum pnd_tftp_op)opcode;
    switch (out.op) {
    case PND_TFTP_RRQ:
    case PND_TFTP_WRQ:
        err = parse_request(&rd, &out);
        if (err)
            return err;
        break;
    case PND_TFTP_OACK:
        parse_options(&rd, &out.options);
        break;
    case PND_TFTP_DATA:
    case PND_TFTP_ACK:
        out.block = pnd_rd_be16(&rd);
        break;
    case PND_TFTP_ERROR:
        out.code = pnd_rd_be16(&rd);
        break;
    }
    if (out.op == PND_TFTP_DATA || out.op == PND_TFTP_ERROR) {
        out.data_len = pnd_rd_left(&rd);
        out.data = pnd_rd_bytes(&rd, out.data_len);
    }
    *ret = out;
    return PND_OK;
}

static int finish(const struct pnd_wr *wr)
{
    return pnd_wr_ok(wr) ? (int)pnd_wr_len(wr) : PND_E_FULL;
}

static size_t text_len(const char *text, size_t cap)
{
    size_t len = 0;

    while (len < cap && text[len])
        len++;
    return len;
}

static void write_decimal(struct pnd_wr *wr, uint64_t value)
{
    char digits[DECIMAL_CAP];
    size_t at = sizeof(digits);
    uint64_t digit;

    do {
        value = pnd_divide(value, 10, &digit);
        digits[--at] = (char)('0' + digit);
    } while (value);
    pnd_wr_bytes(wr, digits + at, sizeof(digits) - at);
    pnd_wr_u8(wr, 0);
}

static uint64_t value_of(const struct pnd_tftp_options *options, enum pnd_tftp_option option)
{
    switch (option) {
    case PND_TFTP_BLKSIZE:
        return options->block_bytes;
    case PND_TFTP_TSIZE:
        return options->total_bytes;
    case PND_TFTP_TIMEOUT:
        return options->timeout_s;
    case PND_TFTP_WINDOWSIZE:
    case PND_TFTP_OPTIONS:
        break;
    }
    return options->window;
}

static void write_options(struct pnd_wr *wr, const struct pnd_tftp_options *options)
{
    for (size_t i = 0; i < KNOWN; i++) {
        if (!(options->said & known[i].option))
            continue;
        pnd_wr_bytes(wr, known[i].name, text_len(known[i].name, SIZE_MAX) + 1);
        write_decimal(wr, value_of(options, known[i].option));
    }
}

int pnd_tftp_build_wrq(void *buf, size_t cap, const char *name,
                       const struct pnd_tftp_options *options)
{
    struct pnd_wr wr = pnd_wr(buf, cap);
    size_t name_len = text_len(name, PND_TFTP_NAME_CAP);

    if (name_len == 0 || name_len == PND_TFTP_NAME_CAP)
        return PND_E_NAME;
    pnd_wr_be16(&wr, PND_TFTP_WRQ);
    pnd_wr_bytes(&wr, name, name_len + 1);
    pnd_wr_bytes(&wr, "octet", sizeof("octet"));
    write_options(&wr, options);
    return finish(&wr);
}

int pnd_tftp_build_oack(void *buf, size_t cap, const struct pnd_tftp_options *options)
{
    struct pnd_wr wr = pnd_wr(buf, cap);

    pnd_wr_be16(&wr, PND_TFTP_OACK);
    write_options(&wr, options);
    return finish(&wr);
}

static int build_header(void *buf, size_t cap, enum pnd_tftp_op op, uint16_t block)
{
    struct pnd_wr wr = pnd_wr(buf, cap);

    pnd_wr_be16(&wr, (uint16_t)op);
    pnd_wr_be16(&wr, block);
    return finish(&wr);
}

int pnd_tftp_build_ack(void *buf, size_t cap, uint16_t block)
{
    return build_header(buf, cap, PND_TFTP_ACK, block);
}

int pnd_tftp_build_data_header(void *buf, size_t cap, uint16_t block)
{
    return build_header(buf, cap, PND_TFTP_DATA, block);
}

int pnd_tftp_build_error(void *buf, size_t cap, enum pnd_tftp_error code, const char *message)
{
    struct pnd_wr wr = pnd_wr(buf, cap);

    pnd_wr_be16(&wr, PND_TFTP_ERROR);
    pnd_wr_be16(&wr, (uint16_t)code);
    pnd_wr_bytes(&wr, message, text_len(message, PND_TFTP_ERROR_CAP - PND_TFTP_HEADER_BYTES - 1));
    pnd_wr_u8(&wr, 0);
    return finish(&wr);
}
