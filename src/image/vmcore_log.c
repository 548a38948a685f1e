/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The whole log of a Linux kernel that crashed; see vmcore_log.h. */
#include "image/vmcore_log.h"

#include "wire/cursor.h"
#include "wire/divide.h"

enum {
    BYTES_MAX = 1 << PND_VMCORE_LOG_BITS_MAX,
    PIECE = 4096,      /* of characters, as one record */
    HEADER_MAX = 64,   /* struct printk_log: 16 bytes, a few more with the caller's id */
    ESCAPED_BYTES = 4, /* "\\x1b" */
    CHUNK = 256,
};

/* ---- opening ---- */

static int open_ring(struct pnd_vmcore *vm, struct pnd_vmcore_log *log)
{
    uint64_t mask = vm->is32 ? UINT32_MAX >> 2 : UINT64_MAX >> 2;
    int err = pnd_vmcore_ring_open(vm, &log->ring);

    log->kind = PND_VMCORE_LOG_RING;
    log->id = log->ring.tail_id;
    log->ids_left = ((log->ring.head_id - log->ring.tail_id) & mask) + 1;
    return err;
}

/* The address and length of log_buf; both are variables of the kernel. */
static int open_buffer(struct pnd_vmcore *vm, struct pnd_vmcore_log *log)
{
    uint64_t at = 0;
    int err;

    if (!pnd_vmcore_info_number(vm, "SYMBOL(log_buf)", 16, &at))
        return PND_E_NOTFOUND;
    err = pnd_vmcore_read_word(vm, at, &log->buffer);
    if (!err && !pnd_vmcore_info_number(vm, "SYMBOL(log_buf_len)", 16, &at))
        err = PND_E_FORMAT;
    if (!err)
        err = pnd_vmcore_read_number(vm, at, 4, &log->bytes);
    if (!err && (log->bytes == 0 || log->bytes > BYTES_MAX))
        err = PND_E_FORMAT;
    return err;
}

static int read_symbol(struct pnd_vmcore *vm, const char *key, uint64_t *ret)
{
    uint64_t at = 0;

    if (!pnd_vmcore_info_number(vm, key, 16, &at))
        return PND_E_NOTFOUND;
    return pnd_vmcore_read_number(vm, at, 4, ret);
}

/* A number of the struct that was first called "log". */
static bool find_number(struct pnd_vmcore *vm, const char *newer, const char *older, uint64_t *ret)
{
    return pnd_vmcore_info_number(vm, newer, 10, ret) || pnd_vmcore_info_number(vm, older, 10, ret);
}

static int open_records(struct pnd_vmcore *vm, struct pnd_vmcore_log *log)
{
    int err = read_symbol(vm, "SYMBOL(log_first_idx)", &log->at);

    if (!err)
        err = read_symbol(vm, "SYMBOL(log_next_idx)", &log->end);
    if (err)
        return err;
    log->kind = PND_VMCORE_LOG_RECORDS;
    if (!find_number(vm, "SIZE(printk_log)", "SIZE(log)", &log->header_bytes) ||
        !find_number(vm, "OFFSET(printk_log.ts_nsec)", "OFFSET(log.ts_nsec)", &log->at_ts) ||
        !find_number(vm, "OFFSET(printk_log.len)", "OFFSET(log.len)", &log->at_len) ||
        !find_number(vm, "OFFSET(printk_log.text_len)", "OFFSET(log.text_len)", &log->at_text_len))
        return PND_E_FORMAT;
    if (log->header_bytes == 0 || log->header_bytes > HEADER_MAX || log->at >= log->bytes ||
        log->end > log->bytes || log->at_ts > HEADER_MAX || log->at_len > HEADER_MAX ||
        log->at_text_len > HEADER_MAX)
        return PND_E_FORMAT;
    return PND_OK;
}

/* The characters [at, end) of all that were ever printed, of which the buffer holds the last. */
static int open_characters(struct pnd_vmcore *vm, struct pnd_vmcore_log *log)
{
    int err = read_symbol(vm, "SYMBOL(log_end)", &log->end);

    log->kind = PND_VMCORE_LOG_CHARACTERS;
    log->at = log->end > log->bytes ? log->end - log->bytes : 0;
    return err;
}

int pnd_vmcore_log_open(struct pnd_vmcore *vmcore, struct pnd_vmcore_log *log)
{
    int err;

    memset(log, 0, sizeof(*log));
    log->vmcore = vmcore;
    err = open_ring(vmcore, log);
    if (err != PND_E_NOTFOUND)
        return err;
    err = open_buffer(vmcore, log);
    if (err)
        return err;
    err = open_records(vmcore, log);
    return err == PND_E_NOTFOUND ? open_characters(vmcore, log) : err;
}

/* ---- one record after the other ---- */

static int next_in_ring(struct pnd_vmcore_log *log, struct pnd_vmcore_record *ret)
{
    while (log->ids_left > 0) {
        int err = pnd_vmcore_ring_record(log->vmcore, &log->ring, log->id, ret);

        log->id++;
        log->ids_left--;
        if (err == PND_E_NOTFOUND)
            continue;
        log->seen += err ? 0 : ret->text_len;
        /* no two records share their text */
        return log->seen > UINT64_C(1) << log->ring.data_bits ? PND_E_FORMAT : err;
    }
    return PND_E_NOTFOUND;
}

static uint64_t number(const struct pnd_vmcore *vm, const uint8_t *buf, uint64_t at, size_t size)
{
    struct pnd_rd rd = pnd_rd(buf + at, size);

    return vm->big ? pnd_rd_be(&rd, size) : pnd_rd_le(&rd, size);
}

static int next_in_buffer(struct pnd_vmcore_log *log, struct pnd_vmcore_record *ret)
{
    uint8_t buf[HEADER_MAX + 8] = {0};
    uint64_t len, room;
    int err;

    if (log->at == log->end)
        return PND_E_NOTFOUND;
    if (log->at >= log->bytes || log->seen > log->bytes)
        return PND_E_FORMAT;
    err = pnd_vmcore_read(log->vmcore, log->buffer + log->at, buf, log->header_bytes);
    if (err)
        return err;
    ret->ts_ns = number(log->vmcore, buf, log->at_ts, 8);
    ret->text = log->buffer + log->at + log->header_bytes;
    ret->text_len = (uint32_t)number(log->vmcore, buf, log->at_text_len, 2);
    len = number(log->vmcore, buf, log->at_len, 2);
    room = len > log->header_bytes ? len - log->header_bytes : 0;
    if (ret->text_len > room)
        ret->text_len = (uint32_t)room; /* what follows is another record's */
    log->seen += len > 0 ? len : log->bytes - log->at;
    log->at = len > 0 ? log->at + len : 0; /* none: the rest is at the start of the buffer */
    return PND_OK;
}

static int next_characters(struct pnd_vmcore_log *log, struct pnd_vmcore_record *ret)
{
    uint64_t at, len = log->end - log->at;

    pnd_divide(log->at, log->bytes, &at);
    if (len == 0)
        return PND_E_NOTFOUND;
    len = len < log->bytes - at ? len : log->bytes - at;
    len = len < PIECE ? len : PIECE;
    *ret = (struct pnd_vmcore_record){.text = log->buffer + at, .text_len = (uint32_t)len};
    log->at += len;
    return PND_OK;
}

int pnd_vmcore_log_next(struct pnd_vmcore_log *log, struct pnd_vmcore_record *ret)
{
    struct pnd_vmcore_record record = {0};
    int err = log->kind == PND_VMCORE_LOG_RING      ? next_in_ring(log, &record)
              : log->kind == PND_VMCORE_LOG_RECORDS ? next_in_buffer(log, &record)
                                                    : next_characters(log, &record);

    if (!err)
        *ret = record;
    return err;
}

/* ---- as text ---- */

/* @p value in decimal, at least @p width wide, at the end of @p ret. */
static void print_number(char *ret, uint32_t *len, uint64_t value, unsigned width, char fill)
{
    char digits[20];
    unsigned n = 0;
    uint64_t digit;
    uint32_t small;

    while (value > UINT32_MAX) {
        value = pnd_divide(value, 10, &digit);
        digits[n++] = (char)('0' + digit);
    }
    small = (uint32_t)value;
    do {
        digits[n++] = (char)('0' + small % 10);
        small /= 10;
    } while (small > 0);
    for (unsigned i = n; i < width; i++)
        ret[(*len)++] = fill;
    while (n > 0)
        ret[(*len)++] = digits[--n];
}

static void print_head(struct pnd_vmcore_log *log)
{
    const uint32_t second = 1000000000, microsecond = 1000;
    uint64_t ns, seconds = pnd_divide(log->record.ts_ns, second, &ns);

    log->head_len = log->head_at = 0;
    log->head[log->head_len++] = '[';
    print_number(log->head, &log->head_len, seconds, 5, ' ');
    log->head[log->head_len++] = '.';
    print_number(log->head, &log->head_len, (uint32_t)ns / microsecond, 6, '0');
    log->head[log->head_len++] = ']';
    log->head[log->head_len++] = ' ';
}

static bool is_plain(uint8_t c)
{
    return (c >= ' ' && c <= '~') || (c >= '\t' && c <= '\r');
}

static size_t print_text(const uint8_t *text, size_t len, bool escape, char *ret)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        if (!escape || is_plain(text[i])) {
            ret[n++] = (char)text[i];
            continue;
        }
        ret[n++] = '\\';
        ret[n++] = 'x';
        ret[n++] = digits[text[i] >> 4];
        ret[n++] = digits[text[i] & 15];
    }
    return n;
}

/* Some of the record that is being printed; at its end the record is done. */
static int print_some(struct pnd_vmcore_log *log, char *buf, size_t cap, size_t *used)
{
    bool characters = log->kind == PND_VMCORE_LOG_CHARACTERS;
    uint8_t chunk[CHUNK];
    size_t len;
    int err;

    while (log->head_at < log->head_len && *used < cap)
        buf[(*used)++] = log->head[log->head_at++];
    if (log->head_at < log->head_len)
        return PND_OK;
    len = (cap - *used) / ESCAPED_BYTES;
    len = len < sizeof(chunk) ? len : sizeof(chunk);
    len = len < log->record.text_len - log->text_at ? len : log->record.text_len - log->text_at;
    err = len > 0 ? pnd_vmcore_read(log->vmcore, log->record.text + log->text_at, chunk, len) : 0;
    if (err)
        return err;
    *used += print_text(chunk, len, !characters, buf + *used);
    log->text_at += (uint32_t)len;
    if (log->text_at < log->record.text_len || (!characters && *used == cap))
        return PND_OK;
    if (!characters)
        buf[(*used)++] = '\n';
    log->printing = false;
    return PND_OK;
}

int pnd_vmcore_log_text(struct pnd_vmcore_log *log, char *buf, size_t cap, size_t *ret_len)
{
    size_t used = 0;

    if (cap < PND_VMCORE_LOG_TEXT_MIN)
        return PND_E_ARG;
    while (!log->after && cap - used >= ESCAPED_BYTES) {
        if (!log->printing)
            log->after = pnd_vmcore_log_next(log, &log->record);
        if (!log->after && !log->printing) {
            log->printing = true;
            log->text_at = log->head_len = log->head_at = 0;
            if (log->kind != PND_VMCORE_LOG_CHARACTERS)
                print_head(log);
        }
        if (!log->after)
            log->after = print_some(log, buf, cap, &used);
    }
    if (used == 0 && log->after && log->after != PND_E_NOTFOUND)
        return log->after;
    *ret_len = used;
    return PND_OK;
}
