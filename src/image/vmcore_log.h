/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The log of a Linux kernel that crashed, whole, as vmcore-dmesg prints it: records of the ring of
 * 5.10 and later, records of the log buffer of 3.5 and later, or the characters before. Also how
 * the ring is laid out, for whoever wants no more than its last words.
 * @source Linux kernel/printk/printk_ringbuffer; admin-guide/kdump/vmcoreinfo; what vmcore-dmesg
 * of kexec-tools 2.0.25 prints of logs made by hand; PROTOCOL.md#linux-4. Freestanding. */
#ifndef PND_IMAGE_VMCORE_LOG_H
#define PND_IMAGE_VMCORE_LOG_H

#include "image/vmcore.h"

enum {
    PND_VMCORE_LOG_BITS_MAX = 25,    /* a log of at most 2^25 bytes or records is looked at */
    PND_VMCORE_LOG_STRUCT_MAX = 256, /* bytes: printk_ringbuffer, prb_desc, printk_info are 88 */
    PND_VMCORE_LOG_TEXT_MIN = 64,    /* bytes of buffer that pnd_vmcore_log_text() needs */
};

/* The ring of records: descriptors say where the text of each lies in the data ring. */
struct pnd_vmcore_ring {
    uint64_t descs, infos, data; /* addresses */
    uint64_t desc_bits, data_bits, head_id, tail_id;
    uint64_t desc_bytes, info_bytes;
    uint64_t at_state, at_begin, at_next; /* in a descriptor */
    uint64_t at_text_len, at_ts;          /* in an info; at_ts UINT64_MAX: not known */
};

struct pnd_vmcore_record {
    uint64_t ts_ns;
    uint64_t text; /* address */
    uint32_t text_len;
};

/* @return PND_OK; PND_E_NOTFOUND this kernel has no such ring; PND_E_FORMAT what is known of it
 *         contradicts itself; as pnd_vmcore_read() */
int pnd_vmcore_ring_open(struct pnd_vmcore *vmcore, struct pnd_vmcore_ring *ret);

/* The record @p id, of head_id and before. @return PND_OK; PND_E_NOTFOUND it is not there (any
 * more), or not yet; PND_E_FORMAT; as pnd_vmcore_read() */
int pnd_vmcore_ring_record(struct pnd_vmcore *vmcore, const struct pnd_vmcore_ring *ring,
                           uint64_t id, struct pnd_vmcore_record *ret);

/* Numbers in the kernel's memory, in its byte order. */
int pnd_vmcore_read_number(struct pnd_vmcore *vmcore, uint64_t vaddr, size_t size, uint64_t *ret);
int pnd_vmcore_read_word(struct pnd_vmcore *vmcore, uint64_t vaddr, uint64_t *ret);

enum pnd_vmcore_log_kind {
    PND_VMCORE_LOG_RING,
    PND_VMCORE_LOG_RECORDS,
    PND_VMCORE_LOG_CHARACTERS,
};

struct pnd_vmcore_log {
    struct pnd_vmcore *vmcore;
    enum pnd_vmcore_log_kind kind;
    struct pnd_vmcore_ring ring;
    uint64_t id, ids_left;                 /* RING: the next record, and how many there may be */
    uint64_t buffer, bytes, at, end, seen; /* RECORDS and CHARACTERS: in the buffer */
    uint64_t at_ts, at_len, at_text_len, header_bytes; /* RECORDS */
    struct pnd_vmcore_record record;                   /* that is being printed */
    char head[32];                                     /* "[    1.234567] " */
    uint32_t head_len, head_at, text_at;
    bool printing;
    int after; /* what is wrong behind the record that is being printed; 0: nothing */
};

/* @return PND_OK; PND_E_NOTFOUND this dump tells of no log; PND_E_FORMAT; as pnd_vmcore_read() */
int pnd_vmcore_log_open(struct pnd_vmcore *vmcore, struct pnd_vmcore_log *ret);

/* The next record, oldest first. Of CHARACTERS, a piece of the text. To be called instead of
 * pnd_vmcore_log_text(), not between. @return PND_OK; PND_E_NOTFOUND that was all; PND_E_FORMAT;
 * as pnd_vmcore_read() */
int pnd_vmcore_log_next(struct pnd_vmcore_log *log, struct pnd_vmcore_record *ret);

/* The next bytes of the log as text: "[    1.234567] " before each record, a newline behind it,
 * what is neither printable ASCII nor white space as \xNN; CHARACTERS as they stand.
 *   @param cap  at least PND_VMCORE_LOG_TEXT_MIN
 *   @return PND_OK with @p ret_len 1 to cap, or 0 at the end; else as pnd_vmcore_log_next(), and
 *           what came before is good */
int pnd_vmcore_log_text(struct pnd_vmcore_log *log, char *buf, size_t cap, size_t *ret_len);

#endif
