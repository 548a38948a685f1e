/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The ring of records of a Linux kernel's log. Every offset comes from VMCOREINFO, every address
 * is looked up in the dump, every count is bounded. */
#include "image/vmcore_log.h"

#include "wire/cursor.h"

enum {
    BITS_MAX = PND_VMCORE_LOG_BITS_MAX,
    STRUCT_MAX = PND_VMCORE_LOG_STRUCT_MAX,
    COMMITTED = 1, /* states of a record */
    FINALIZED = 2,
};

static size_t word_bytes(const struct pnd_vmcore *vm)
{
    return vm->is32 ? 4 : 8;
}

/* A field of at most 8 bytes in a struct that was read into @p buf. */
static int field(const struct pnd_vmcore *vm, const uint8_t *buf, size_t len, uint64_t at,
                 size_t size, uint64_t *ret)
{
    struct pnd_rd rd;

    if (at > len || size > len - at)
        return PND_E_FORMAT;
    rd = pnd_rd(buf + at, len - at);
    *ret = vm->big ? pnd_rd_be(&rd, size) : pnd_rd_le(&rd, size);
    return PND_OK;
}

int pnd_vmcore_read_number(struct pnd_vmcore *vm, uint64_t vaddr, size_t size, uint64_t *ret)
{
    uint8_t buf[8];
    int err = pnd_vmcore_read(vm, vaddr, buf, size);

    return err ? err : field(vm, buf, sizeof(buf), 0, size, ret);
}

int pnd_vmcore_read_word(struct pnd_vmcore *vm, uint64_t vaddr, uint64_t *ret)
{
    return pnd_vmcore_read_number(vm, vaddr, word_bytes(vm), ret);
}

struct wanted {
    const char *key;
    uint64_t *ret;
};

/* Where the fields of the ring's own structs lie. */
struct layout {
    uint64_t desc_ring, data_ring;
    uint64_t bits, descs, infos, head, tail; /* in the ring of descriptors */
    uint64_t data_bits, data;                /* in the ring of text */
};

static int find_layout(struct pnd_vmcore *vm, struct pnd_vmcore_ring *ring, struct layout *at)
{
    uint64_t block = 0, counter = 0, begin = 0, next = 0;
    const struct wanted wanted[] = {
        {"OFFSET(printk_ringbuffer.desc_ring)", &at->desc_ring},
        {"OFFSET(printk_ringbuffer.text_data_ring)", &at->data_ring},
        {"OFFSET(prb_desc_ring.count_bits)", &at->bits},
        {"OFFSET(prb_desc_ring.descs)", &at->descs},
        {"OFFSET(prb_desc_ring.infos)", &at->infos},
        {"OFFSET(prb_desc_ring.head_id)", &at->head},
        {"OFFSET(prb_data_ring.size_bits)", &at->data_bits},
        {"OFFSET(prb_data_ring.data)", &at->data},
        {"SIZE(prb_desc)", &ring->desc_bytes},
        {"SIZE(printk_info)", &ring->info_bytes},
        {"OFFSET(prb_desc.state_var)", &ring->at_state},
        {"OFFSET(prb_desc.text_blk_lpos)", &block},
        {"OFFSET(prb_data_blk_lpos.begin)", &begin},
        {"OFFSET(prb_data_blk_lpos.next)", &next},
        {"OFFSET(printk_info.text_len)", &ring->at_text_len},
        {"OFFSET(atomic_long_t.counter)", &counter},
    };

    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        if (!pnd_vmcore_info_number(vm, wanted[i].key, 10, wanted[i].ret))
            return PND_E_FORMAT;
    at->tail = UINT64_MAX; /* not needed for the last words */
    ring->at_ts = UINT64_MAX;
    pnd_vmcore_info_number(vm, "OFFSET(prb_desc_ring.tail_id)", 10, &at->tail);
    pnd_vmcore_info_number(vm, "OFFSET(printk_info.ts_nsec)", 10, &ring->at_ts);
    ring->at_state += counter;
    ring->at_begin = block + begin;
    ring->at_next = block + next;
    return PND_OK;
}

static uint64_t id_mask(const struct pnd_vmcore *vm)
{
    return vm->is32 ? UINT32_MAX >> 2 : UINT64_MAX >> 2; /* the two above are the state */
}

/* Head and tail: not more records apart than there are. */
static int read_ends(struct pnd_vmcore *vm, struct pnd_vmcore_ring *ring, uint64_t head,
                     uint64_t tail)
{
    uint64_t count = UINT64_C(1) << ring->desc_bits;
    int err = pnd_vmcore_read_word(vm, head, &ring->head_id);

    ring->head_id &= id_mask(vm);
    ring->tail_id = ring->head_id - (count - 1);
    if (!err && tail)
        err = pnd_vmcore_read_word(vm, tail, &ring->tail_id);
    ring->tail_id &= id_mask(vm);
    if (((ring->head_id - ring->tail_id) & id_mask(vm)) >= count)
        ring->tail_id = (ring->head_id - (count - 1)) & id_mask(vm);
    return err;
}

int pnd_vmcore_ring_open(struct pnd_vmcore *vm, struct pnd_vmcore_ring *ring)
{
    struct layout at = {0};
    uint64_t prb = 0, descs, data;
    int err;

    memset(ring, 0, sizeof(*ring));
    if (!pnd_vmcore_info_number(vm, "SYMBOL(prb)", 16, &prb))
        return PND_E_NOTFOUND;
    err = find_layout(vm, ring, &at);
    if (!err)
        err = pnd_vmcore_read_word(vm, prb, &prb); /* a pointer to the ring buffer in use */
    if (err)
        return err;
    descs = prb + at.desc_ring;
    data = prb + at.data_ring;
    err = pnd_vmcore_read_number(vm, descs + at.bits, 4, &ring->desc_bits);
    if (!err)
        err = pnd_vmcore_read_word(vm, descs + at.descs, &ring->descs);
    if (!err)
        err = pnd_vmcore_read_word(vm, descs + at.infos, &ring->infos);
    if (!err)
        err = pnd_vmcore_read_number(vm, data + at.data_bits, 4, &ring->data_bits);
    if (!err)
        err = pnd_vmcore_read_word(vm, data + at.data, &ring->data);
    if (!err && (ring->desc_bits == 0 || ring->desc_bits > BITS_MAX || ring->data_bits < 4 ||
                 ring->data_bits > BITS_MAX || ring->desc_bytes > STRUCT_MAX ||
                 ring->info_bytes > STRUCT_MAX))
        err = PND_E_FORMAT;
    return err ? err
               : read_ends(vm, ring, descs + at.head, at.tail == UINT64_MAX ? 0 : descs + at.tail);
}

/* Where the text of a block lies: behind the record's id, up to the block's end. */
static int find_text(const struct pnd_vmcore *vm, const struct pnd_vmcore_ring *ring,
                     uint64_t begin, uint64_t next, struct pnd_vmcore_record *record)
{
    uint64_t mask = (UINT64_C(1) << ring->data_bits) - 1, end = next & mask;

    if ((begin | next) & 1) { /* a record without text */
        record->text_len = 0;
        return PND_OK;
    }
    /* A block that would pass the end of the ring lies at its start instead. */
    if (begin >> ring->data_bits != next >> ring->data_bits && end != 0)
        begin = 0;
    begin = (begin & mask) + word_bytes(vm);
    end = end == 0 ? mask + 1 : end;
    if (begin > end)
        return PND_E_NOTFOUND;
    record->text = ring->data + begin;
    record->text_len = record->text_len < end - begin ? record->text_len : (uint32_t)(end - begin);
    return PND_OK;
}

int pnd_vmcore_ring_record(struct pnd_vmcore *vm, const struct pnd_vmcore_ring *ring, uint64_t id,
                           struct pnd_vmcore_record *ret)
{
    uint64_t index = id & ((UINT64_C(1) << ring->desc_bits) - 1), word = word_bytes(vm);
    uint64_t state = 0, begin = 0, next = 0, text_len = 0;
    struct pnd_vmcore_record record = {0};
    uint8_t buf[STRUCT_MAX];
    int err = pnd_vmcore_read(vm, ring->descs + index * ring->desc_bytes, buf, ring->desc_bytes);

    if (!err)
        err = field(vm, buf, ring->desc_bytes, ring->at_state, word, &state);
    if (!err)
        err = field(vm, buf, ring->desc_bytes, ring->at_begin, word, &begin);
    if (!err)
        err = field(vm, buf, ring->desc_bytes, ring->at_next, word, &next);
    if (err)
        return err;
    if (((state ^ id) & id_mask(vm)) != 0)
        return PND_E_NOTFOUND;
    state >>= word * 8 - 2;
    if (state != COMMITTED && state != FINALIZED)
        return PND_E_NOTFOUND;
    err = pnd_vmcore_read(vm, ring->infos + index * ring->info_bytes, buf, ring->info_bytes);
    if (!err)
        err = field(vm, buf, ring->info_bytes, ring->at_text_len, 2, &text_len);
    if (!err && ring->at_ts != UINT64_MAX)
        err = field(vm, buf, ring->info_bytes, ring->at_ts, 8, &record.ts_ns);
    record.text_len = (uint32_t)text_len;
    if (!err)
        err = find_text(vm, ring, begin, next, &record);
    if (!err)
        *ret = record;
    return err;
}
