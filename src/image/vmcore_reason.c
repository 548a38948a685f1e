/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Why a Linux kernel crashed: the last panic message of its log. */
#include "image/vmcore_log.h"

#include <string.h>

enum {
    RAW_CHUNK = 1024,
    RAW_MAX = 1 << PND_VMCORE_LOG_BITS_MAX,
    LINE_CAP = 256,
};

static const char panic_says[] = "Kernel panic - not syncing: ";
static const char *const oops_says[] = {
    "BUG: ",
    "kernel BUG at ",
    "Oops: ",
    "general protection fault",
    "Unable to handle kernel ",
    "Internal error: ",
};

static bool starts_with(const char *text, size_t len, const char *with, size_t with_len)
{
    return len >= with_len && memcmp(text, with, with_len) == 0;
}

static bool is_printable(char c)
{
    return c >= ' ' && c <= '~';
}

static void copy_reason(char ret[PND_VMCORE_REASON_CAP], const char *text, size_t len)
{
    size_t n = 0;

    while (n < len && n < PND_VMCORE_REASON_CAP - 1 && text[n] != '\n' && text[n] != '\0') {
        ret[n] = is_printable(text[n]) ? text[n] : '?';
        n++;
    }
    ret[n] = '\0';
}

static bool is_oops(const char *text, size_t len)
{
    for (size_t i = 0; i < sizeof(oops_says) / sizeof(oops_says[0]); i++) {
        size_t with_len = 0;

        while (oops_says[i][with_len])
            with_len++;
        if (starts_with(text, len, oops_says[i], with_len))
            return true;
    }
    return false;
}

/* The first bytes of the text of record @p id.
 *   @return how many; 0 when the record is not there (any more); negative: unreadable */
static int record_text(struct pnd_vmcore *vm, const struct pnd_vmcore_ring *ring, uint64_t id,
                       char *ret, size_t cap)
{
    struct pnd_vmcore_record record = {0};
    int err = pnd_vmcore_ring_record(vm, ring, id, &record);
    size_t len = record.text_len < cap ? record.text_len : cap;

    if (err)
        return err == PND_E_NOTFOUND ? 0 : err;
    err = len > 0 ? pnd_vmcore_read(vm, record.text, ret, len) : PND_OK;
    return err ? err : (int)len;
}

/* From the newest record back: the first panic message wins, else the oldest line of the oops. */
static int reason_from_ring(struct pnd_vmcore *vm, char ret[PND_VMCORE_REASON_CAP])
{
    struct pnd_vmcore_ring ring = {0};
    bool oops = false;
    int err = pnd_vmcore_ring_open(vm, &ring);

    if (err)
        return err;
    for (uint64_t i = 0; i < UINT64_C(1) << ring.desc_bits; i++) {
        char text[LINE_CAP] = "";
        int len = record_text(vm, &ring, ring.head_id - i, text, sizeof(text));

        if (len < 0)
            return len;
        if (starts_with(text, (size_t)len, panic_says, sizeof(panic_says) - 1)) {
            copy_reason(ret, text + sizeof(panic_says) - 1, (size_t)len - (sizeof(panic_says) - 1));
            return PND_OK;
        }
        if (is_oops(text, (size_t)len)) {
            copy_reason(ret, text, (size_t)len);
            oops = true;
        }
    }
    return oops ? PND_OK : PND_E_NOTFOUND;
}

/* Before 5.10: records with a short header each, or plain text; the message is found as it
 * stands, and ends at the first byte that is not text. */
static int reason_from_buffer(struct pnd_vmcore *vm, char ret[PND_VMCORE_REASON_CAP])
{
    uint64_t buffer = 0, len = 0, at_symbol = 0;
    char window[RAW_CHUNK + LINE_CAP] = "";
    bool found = false;
    int err;

    if (!pnd_vmcore_info_number(vm, "SYMBOL(log_buf)", 16, &at_symbol))
        return PND_E_NOTFOUND;
    err = pnd_vmcore_read_word(vm, at_symbol, &buffer);
    if (!err && !pnd_vmcore_info_number(vm, "SYMBOL(log_buf_len)", 16, &at_symbol))
        err = PND_E_FORMAT;
    if (!err)
        err = pnd_vmcore_read_number(vm, at_symbol, 4, &len);
    if (!err && len > RAW_MAX)
        err = PND_E_FORMAT;
    for (uint64_t at = 0; !err && at < len; at += RAW_CHUNK) {
        size_t have = len - at < sizeof(window) ? (size_t)(len - at) : sizeof(window);
        size_t starts = have < RAW_CHUNK ? have : RAW_CHUNK;

        err = pnd_vmcore_read(vm, buffer + at, window, have);
        for (size_t i = 0; !err && i < starts; i++) {
            size_t text = i + sizeof(panic_says) - 1, end = text;

            if (!starts_with(window + i, have - i, panic_says, sizeof(panic_says) - 1))
                continue;
            while (end < have && is_printable(window[end]))
                end++;
            copy_reason(ret, window + text, end - text);
            found = true;
        }
    }
    if (err)
        return err;
    return found ? PND_OK : PND_E_NOTFOUND;
}

int pnd_vmcore_reason(struct pnd_vmcore *vmcore, char ret[PND_VMCORE_REASON_CAP])
{
    char out[PND_VMCORE_REASON_CAP] = "";
    int err = reason_from_ring(vmcore, out);

    if (err == PND_E_NOTFOUND)
        err = reason_from_buffer(vmcore, out);
    if (err)
        return err;
    memcpy(ret, out, sizeof(out));
    return PND_OK;
}

static bool contains(const char *text, const char *word, size_t word_len)
{
    size_t len = 0;

    while (text[len])
        len++;
    for (size_t i = 0; i + word_len <= len; i++)
        if (memcmp(text + i, word, word_len) == 0)
            return true;
    return false;
}

bool pnd_vmcore_reason_is_nmi(const char *reason)
{
    return contains(reason, "NMI", 3) || contains(reason, "ard LOCKUP", 10);
}
