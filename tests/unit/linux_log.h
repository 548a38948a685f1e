/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The log of a Linux kernel, laid into memory as each kernel does it: the ring of 5.10 and later,
 * the records and the characters before. And the lines of VMCOREINFO that tell of it. */
#ifndef PND_TESTS_LINUX_LOG_H
#define PND_TESTS_LINUX_LOG_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
    LOG_VARIABLES = 0x100, /* prb, or log_buf and its kin */
    LOG_RING = 0x200,
    LOG_DESCS = 0x400,
    LOG_INFOS = 0x800,
    LOG_DATA = 0x1800,
    LOG_BYTES = 0x2000, /* of memory that a log takes */
    LOG_DESC_BITS = 5,
    LOG_DATA_BITS = 11,
    LOG_INFO_BYTES = 88,
    LOG_OLD_BUFFER = 0x800,
    LOG_OLD_BYTES = 1024,
};

enum log_state { LOG_RESERVED, LOG_COMMITTED, LOG_FINALIZED, LOG_REUSABLE };

struct log_memory {
    uint8_t *at;   /* LOG_BYTES */
    uint64_t base; /* the kernel's address of it */
    bool is32, big;
    uint64_t next_id, next_lpos; /* of the ring */
    uint64_t first, next;        /* of the old buffer */
    char info[4096];             /* VMCOREINFO */
};

static inline void log_put(struct log_memory *log, size_t at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        log->at[at + (log->big ? size - 1 - i : i)] = (uint8_t)(value >> (8 * i));
}

static inline size_t log_word(const struct log_memory *log)
{
    return log->is32 ? 4 : 8;
}

static inline uint64_t log_id_mask(const struct log_memory *log)
{
    return log->is32 ? UINT32_MAX >> 2 : UINT64_MAX >> 2;
}

/* An empty ring. Ids begin a little below zero, so that they pass it early, as in the kernel. */
static inline void log_make_ring(struct log_memory *log)
{
    size_t w = log_word(log), d = LOG_RING, t = LOG_RING + 8 * w;

    memset(log->at, 0, LOG_BYTES);
    log_put(log, LOG_VARIABLES, log->base + LOG_RING, w);
    log_put(log, d, LOG_DESC_BITS, 4);
    log_put(log, d + w, log->base + LOG_DESCS, w);
    log_put(log, d + 2 * w, log->base + LOG_INFOS, w);
    log_put(log, t, LOG_DATA_BITS, 4);
    log_put(log, t + w, log->base + LOG_DATA, w);
    for (size_t i = 0; i < 1 << LOG_DESC_BITS; i++)
        log_put(log, LOG_DESCS + i * 3 * w, (uint64_t)LOG_REUSABLE << (8 * w - 2), w);
    log->next_id = log_id_mask(log) - 2;
    log->next_lpos = (UINT64_C(1) << LOG_DATA_BITS) * 3;
    log_put(log, d + 4 * w, log->next_id, w); /* tail */
    snprintf(log->info, sizeof(log->info),
             "OSRELEASE=6.1.0-test\nPAGESIZE=4096\nSYMBOL(prb)=%llx\n"
             "OFFSET(printk_ringbuffer.desc_ring)=0\n"
             "OFFSET(printk_ringbuffer.text_data_ring)=%zu\nOFFSET(prb_desc_ring.count_bits)=0\n"
             "OFFSET(prb_desc_ring.descs)=%zu\nOFFSET(prb_desc_ring.infos)=%zu\n"
             "OFFSET(prb_desc_ring.head_id)=%zu\nOFFSET(prb_desc_ring.tail_id)=%zu\n"
             "OFFSET(prb_data_ring.size_bits)=0\nOFFSET(prb_data_ring.data)=%zu\n"
             "SIZE(prb_desc)=%zu\nOFFSET(prb_desc.state_var)=0\n"
             "OFFSET(prb_desc.text_blk_lpos)=%zu\nOFFSET(prb_data_blk_lpos.begin)=0\n"
             "OFFSET(prb_data_blk_lpos.next)=%zu\nSIZE(printk_info)=%d\n"
             "OFFSET(printk_info.ts_nsec)=8\nOFFSET(printk_info.text_len)=16\n"
             "OFFSET(atomic_long_t.counter)=0\n",
             (unsigned long long)log->base + LOG_VARIABLES, 8 * w, w, 2 * w, 3 * w, 4 * w, w, 3 * w,
             w, w, LOG_INFO_BYTES);
}

/* One record, as the kernel lays it: a block does not cross the end of the data ring. */
static inline void log_record(struct log_memory *log, uint64_t ts_ns, const void *text, size_t len,
                              enum log_state state)
{
    const uint64_t size = UINT64_C(1) << LOG_DATA_BITS;
    size_t w = log_word(log), block = (w + len + w - 1) / w * w;
    uint64_t id = log->next_id, index = id & ((1 << LOG_DESC_BITS) - 1);
    uint64_t begin = log->next_lpos, next = begin + block, at = begin;

    log->next_id = (id + 1) & log_id_mask(log);
    if (begin / size != (next - 1) / size) {
        at = (begin / size + 1) * size;
        next = at + block;
    }
    log->next_lpos = next;
    log_put(log, LOG_DESCS + index * 3 * w, id | (uint64_t)state << (8 * w - 2), w);
    log_put(log, LOG_DESCS + index * 3 * w + w, begin, w);
    log_put(log, LOG_DESCS + index * 3 * w + 2 * w, next, w);
    log_put(log, LOG_INFOS + index * LOG_INFO_BYTES + 8, ts_ns, 8);
    log_put(log, LOG_INFOS + index * LOG_INFO_BYTES + 16, len, 2);
    memset(log->at + LOG_DATA + at % size, '#', block); /* stale bytes behind the text */
    log_put(log, LOG_DATA + at % size, id, w);
    memcpy(log->at + LOG_DATA + at % size + w, text, len);
    log_put(log, LOG_RING + 3 * w, id, w); /* head */
}

static inline void log_line(struct log_memory *log, uint64_t ts_ns, const char *text)
{
    log_record(log, ts_ns, text, strlen(text), LOG_FINALIZED);
}

/* The record of 3.5 to 5.9; @p name is what the kernel calls its struct. */
static inline void log_make_records(struct log_memory *log, const char *name, uint64_t first)
{
    unsigned long long at = log->base + LOG_VARIABLES;

    memset(log->at, 0, LOG_BYTES);
    log->first = log->next = first;
    log_put(log, LOG_VARIABLES, log->base + LOG_OLD_BUFFER, log_word(log));
    log_put(log, LOG_VARIABLES + 8, LOG_OLD_BYTES, 4);
    log_put(log, LOG_VARIABLES + 16, first, 4);
    log_put(log, LOG_VARIABLES + 24, first, 4);
    snprintf(log->info, sizeof(log->info),
             "OSRELEASE=4.19.0-test\nPAGESIZE=4096\nSYMBOL(log_buf)=%llx\n"
             "SYMBOL(log_buf_len)=%llx\nSYMBOL(log_first_idx)=%llx\nSYMBOL(log_next_idx)=%llx\n"
             "SIZE(%s)=16\nOFFSET(%s.ts_nsec)=0\nOFFSET(%s.len)=8\nOFFSET(%s.text_len)=10\n",
             at, at + 8, at + 16, at + 24, name, name, name, name);
}

static inline void log_old_record(struct log_memory *log, uint64_t ts_ns, const char *text,
                                  const char *dict)
{
    size_t text_len = strlen(text), dict_len = strlen(dict);
    size_t len = (16 + text_len + dict_len + 3) / 4 * 4;
    size_t at;

    if (log->next + len + 16 > LOG_OLD_BYTES) /* the header that stays empty says so */
        log->next = 0;
    at = LOG_OLD_BUFFER + log->next;
    log_put(log, at, ts_ns, 8);
    log_put(log, at + 8, len, 2);
    log_put(log, at + 10, text_len, 2);
    log_put(log, at + 12, dict_len, 2);
    memcpy(log->at + at + 16, text, text_len);
    memcpy(log->at + at + 16 + text_len, dict, dict_len);
    log->next += len;
    log_put(log, LOG_VARIABLES + 24, log->next, 4);
}

/* The characters of kernels before 3.5: @p count were printed, the buffer holds the last. */
static inline void log_make_characters(struct log_memory *log, const char *text, size_t count)
{
    unsigned long long at = log->base + LOG_VARIABLES;

    memset(log->at, 0, LOG_BYTES);
    log_put(log, LOG_VARIABLES, log->base + LOG_OLD_BUFFER, log_word(log));
    log_put(log, LOG_VARIABLES + 8, LOG_OLD_BYTES, 4);
    log_put(log, LOG_VARIABLES + 16, count, 4);
    for (size_t i = 0; i < count; i++)
        log->at[LOG_OLD_BUFFER + i % LOG_OLD_BYTES] = (uint8_t)text[i];
    snprintf(
        log->info, sizeof(log->info),
        "OSRELEASE=2.6.32-test\nPAGESIZE=4096\nSYMBOL(log_buf)=%llx\nSYMBOL(log_buf_len)=%llx\n"
        "SYMBOL(log_end)=%llx\n",
        at, at + 8, at + 16);
}

#endif
