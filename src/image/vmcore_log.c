/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The log of a Linux kernel that crashed: the reason in its last panic message. Every offset comes
 * from VMCOREINFO, every address is looked up in the dump, every count is bounded. */
#include "image/vmcore_log.h"

#include "wire/cursor.h"

enum {
    STRUCT_CAP = 256, /* printk_ringbuffer, prb_desc and printk_info are 80 to 88 bytes */
    BITS_MAX = 25,    /* log_buf_len is at most 2^25 characters for what is looked at here */
    RAW_CHUNK = 1024,
    RAW_MAX = 1 << BITS_MAX,
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

/* The ring of records: descriptors say where the text of each lies in the data ring. */
struct ring {
    uint64_t descs, infos, data;
    uint64_t desc_bits, data_bits, head_id;
    uint64_t desc_bytes, info_bytes;
    uint64_t at_state, at_begin, at_next, at_text_len;
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

/* A field of at most 8 bytes in a struct that was read into @p buf. */
static int field(const uint8_t *buf, size_t len, uint64_t at, size_t size, uint64_t *ret)
{
    struct pnd_rd rd;

    if (at > len || size > len - at)
        return PND_E_FORMAT;
    rd = pnd_rd(buf + at, len - at);
    *ret = pnd_rd_le(&rd, size);
    return PND_OK;
}

static int read_field(struct pnd_vmcore *vm, uint64_t vaddr, size_t size, uint64_t *ret)
{
    uint8_t buf[8];
    int err = pnd_vmcore_read(vm, vaddr, buf, size);

    return err ? err : field(buf, sizeof(buf), 0, size, ret);
}

struct wanted {
    const char *key;
    uint64_t *ret;
};

static int find_layout(struct pnd_vmcore *vm, struct ring *ring, uint64_t *ret_desc_ring,
                       uint64_t *ret_data_ring, struct wanted *extra, size_t extra_count)
{
    uint64_t prb = 0, blk = 0, counter = 0, at_desc_ring = 0, at_data_ring = 0;
    uint64_t at_begin = 0, at_next = 0;
    const struct wanted wanted[] = {
        {"OFFSET(printk_ringbuffer.desc_ring)", &at_desc_ring},
        {"OFFSET(printk_ringbuffer.text_data_ring)", &at_data_ring},
        {"SIZE(prb_desc)", &ring->desc_bytes},
        {"SIZE(printk_info)", &ring->info_bytes},
        {"OFFSET(prb_desc.state_var)", &ring->at_state},
        {"OFFSET(prb_desc.text_blk_lpos)", &blk},
        {"OFFSET(prb_data_blk_lpos.begin)", &at_begin},
        {"OFFSET(prb_data_blk_lpos.next)", &at_next},
        {"OFFSET(printk_info.text_len)", &ring->at_text_len},
        {"OFFSET(atomic_long_t.counter)", &counter},
    };
    int err;

    if (!pnd_vmcore_info_number(vm, "SYMBOL(prb)", 16, &prb))
        return PND_E_NOTFOUND;
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        if (!pnd_vmcore_info_number(vm, wanted[i].key, 10, wanted[i].ret))
            return PND_E_FORMAT;
    for (size_t i = 0; i < extra_count; i++)
        if (!pnd_vmcore_info_number(vm, extra[i].key, 10, extra[i].ret))
            return PND_E_FORMAT;
    ring->at_state += counter;
    ring->at_begin = blk + at_begin;
    ring->at_next = blk + at_next;
    err = read_field(vm, prb, 8, &prb); /* a pointer to the ring buffer in use */
    if (err)
        return err;
    *ret_desc_ring = prb + at_desc_ring;
    *ret_data_ring = prb + at_data_ring;
    return PND_OK;
}

static int open_ring(struct pnd_vmcore *vm, struct ring *ring)
{
    uint64_t desc_ring = 0, data_ring = 0, at_bits = 0, at_descs = 0, at_infos = 0, at_head = 0;
    uint64_t at_size = 0, at_data = 0;
    struct wanted extra[] = {
        {"OFFSET(prb_desc_ring.count_bits)", &at_bits}, {"OFFSET(prb_desc_ring.descs)", &at_descs},
        {"OFFSET(prb_desc_ring.infos)", &at_infos},     {"OFFSET(prb_desc_ring.head_id)", &at_head},
        {"OFFSET(prb_data_ring.size_bits)", &at_size},  {"OFFSET(prb_data_ring.data)", &at_data},
    };
    int err =
        find_layout(vm, ring, &desc_ring, &data_ring, extra, sizeof(extra) / sizeof(extra[0]));

    if (!err)
        err = read_field(vm, desc_ring + at_bits, 4, &ring->desc_bits);
    if (!err)
        err = read_field(vm, desc_ring + at_descs, 8, &ring->descs);
    if (!err)
        err = read_field(vm, desc_ring + at_infos, 8, &ring->infos);
    if (!err)
        err = read_field(vm, desc_ring + at_head, 8, &ring->head_id);
    if (!err)
        err = read_field(vm, data_ring + at_size, 4, &ring->data_bits);
    if (!err)
        err = read_field(vm, data_ring + at_data, 8, &ring->data);
    if (!err && (ring->desc_bits == 0 || ring->desc_bits > BITS_MAX || ring->data_bits < 4 ||
                 ring->data_bits > BITS_MAX || ring->desc_bytes > STRUCT_CAP ||
                 ring->info_bytes > STRUCT_CAP))
        err = PND_E_FORMAT;
    return err;
}

/* The first bytes of the text of record @p id.
 *   @return how many; 0 when the record is not there (any more); negative: unreadable */
static int record_text(struct pnd_vmcore *vm, const struct ring *ring, uint64_t id, char *ret,
                       size_t cap)
{
    const uint64_t id_bits = UINT64_MAX >> 2; /* the two above are the record's state */
    uint64_t index = id & ((UINT64_C(1) << ring->desc_bits) - 1);
    uint64_t mask = (UINT64_C(1) << ring->data_bits) - 1;
    uint64_t state = 0, begin = 0, next = 0, text_len = 0;
    uint8_t buf[STRUCT_CAP];
    int err = pnd_vmcore_read(vm, ring->descs + index * ring->desc_bytes, buf, ring->desc_bytes);

    if (!err)
        err = field(buf, ring->desc_bytes, ring->at_state, 8, &state);
    if (!err)
        err = field(buf, ring->desc_bytes, ring->at_begin, 8, &begin);
    if (!err)
        err = field(buf, ring->desc_bytes, ring->at_next, 8, &next);
    if (err)
        return err;
    /* 1: committed, 2: finalized. A block position that is odd has no data. */
    if ((state & id_bits) != (id & id_bits) || (state >> 62 != 1 && state >> 62 != 2) || begin & 1)
        return 0;
    err = pnd_vmcore_read(vm, ring->infos + index * ring->info_bytes, buf, ring->info_bytes);
    if (!err)
        err = field(buf, ring->info_bytes, ring->at_text_len, 2, &text_len);
    if (err)
        return err;
    /* A block that would pass the end of the ring lies at its start instead. */
    if (begin >> ring->data_bits != next >> ring->data_bits && (next & mask) != 0)
        begin = 0;
    begin = (begin & mask) + 8; /* the record's id stands before its text */
    if (text_len > cap)
        text_len = cap;
    if (begin > mask || text_len > mask + 1 - begin)
        return 0;
    err = pnd_vmcore_read(vm, ring->data + begin, ret, text_len);
    return err ? err : (int)text_len;
}

/* From the newest record back: the first panic message wins, else the oldest line of the oops. */
static int reason_from_ring(struct pnd_vmcore *vm, char ret[PND_VMCORE_REASON_CAP])
{
    struct ring ring = {0};
    bool oops = false;
    int err = open_ring(vm, &ring);

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
    err = read_field(vm, at_symbol, 8, &buffer);
    if (!err && !pnd_vmcore_info_number(vm, "SYMBOL(log_buf_len)", 16, &at_symbol))
        err = PND_E_FORMAT;
    if (!err)
        err = read_field(vm, at_symbol, 4, &len);
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
