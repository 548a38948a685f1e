/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Crash dumps made by hand: a program header table, a VMCOREINFO note and a log, of which the
 * reader finds the release, the time and the reason. */
#include "tap.h"

#include "image/vmcore.h"

enum {
    CAP = 65536,
    NOTES_AT = 512,
    TEXT_AT = 8192, /* two segments of memory, at two virtual addresses */
    TEXT_BYTES = 4096,
    RAM_AT = TEXT_AT + TEXT_BYTES,
    RAM_BYTES = 32768,
    DESC_BITS = 4,
    DATA_BITS = 10,
    DESC_BYTES = 24,
    INFO_BYTES = 88,
};

static const uint64_t text_vaddr = UINT64_C(0xffffffff81000000),
                      ram_vaddr = UINT64_C(0xffff888000100000);

static struct image {
    uint8_t bytes[CAP];
    size_t len;
    uint64_t next_id, next_lpos; /* of the log's ring */
    unsigned reads;
    size_t broken_at; /* a read that passes here fails; 0: none */
} image;

static struct pnd_vmcore vmcore;

static int read_image(void *ctx, uint64_t offset, void *buf, size_t len)
{
    struct image *im = ctx;

    im->reads++;
    if (offset > im->len || len > im->len - offset)
        return PND_E_SOURCE;
    if (im->broken_at && offset <= im->broken_at && im->broken_at < offset + len)
        return PND_E_SOURCE;
    memcpy(buf, im->bytes + offset, len);
    return PND_OK;
}

static void put(size_t at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        image.bytes[at + i] = (uint8_t)(value >> i * 8);
}

static size_t ram(size_t offset)
{
    return RAM_AT + offset;
}

static void put_phdr(unsigned index, uint32_t type, uint64_t offset, uint64_t vaddr, uint64_t bytes)
{
    size_t at = 64 + (size_t)index * 56;

    put(at, type, 4);
    put(at + 8, offset, 8);
    put(at + 16, vaddr, 8);
    put(at + 32, bytes, 8);
    put(at + 40, bytes, 8);
}

static size_t put_note(size_t at, const char *name, const char *desc)
{
    size_t name_len = strlen(name) + 1, desc_len = strlen(desc);

    put(at, name_len, 4);
    put(at + 4, desc_len, 4);
    memcpy(image.bytes + at + 12, name, name_len);
    at += 12 + (name_len + 3) / 4 * 4;
    memcpy(image.bytes + at, desc, desc_len);
    return at + (desc_len + 3) / 4 * 4;
}

static void make(const char *info)
{
    static const uint8_t ident[] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    size_t at;

    memset(&image, 0, sizeof(image));
    image.len = RAM_AT + RAM_BYTES;
    memcpy(image.bytes, ident, sizeof(ident));
    put(16, 4, 2);
    put(32, 64, 8);
    put(54, 56, 2);
    put(56, 3, 2);
    at = put_note(NOTES_AT, "CORE", "registers of a cpu");
    at = put_note(at, "CORE", "odd");
    at = put_note(at, "VMCOREINFO", info);
    put_phdr(0, 4, NOTES_AT, 0, at - NOTES_AT);
    put_phdr(1, 1, TEXT_AT, text_vaddr, TEXT_BYTES);
    put_phdr(2, 1, RAM_AT, ram_vaddr, RAM_BYTES);
}

static int open_image(void)
{
    struct pnd_vmcore_source source = {.ctx = &image, .read = read_image};

    return pnd_vmcore_open(&vmcore, &source);
}

static const char ring_info[] =
    "OSRELEASE=6.1.0-56-cloud-amd64\nPAGESIZE=4096\nSYMBOL(prb)=ffffffff81000100\n"
    "OFFSET(printk_ringbuffer.desc_ring)=0\nOFFSET(printk_ringbuffer.text_data_ring)=48\n"
    "OFFSET(prb_desc_ring.count_bits)=0\nOFFSET(prb_desc_ring.descs)=8\n"
    "OFFSET(prb_desc_ring.infos)=16\nOFFSET(prb_desc_ring.head_id)=24\n"
    "OFFSET(prb_data_ring.size_bits)=0\nOFFSET(prb_data_ring.data)=8\n"
    "SIZE(prb_desc)=24\nOFFSET(prb_desc.state_var)=0\nOFFSET(prb_desc.text_blk_lpos)=8\n"
    "OFFSET(prb_data_blk_lpos.begin)=0\nOFFSET(prb_data_blk_lpos.next)=8\n"
    "SIZE(printk_info)=88\nOFFSET(printk_info.text_len)=16\n"
    "OFFSET(atomic_long_t.counter)=0\nCRASHTIME=1790000000\n";

enum { RING = 0, DESCS = 256, INFOS = 1024, DATA = 4096 };

static void make_ring(void)
{
    make(ring_info);
    put(TEXT_AT + 0x100, ram_vaddr + RING, 8);
    put(ram(RING), DESC_BITS, 4);
    put(ram(RING + 8), ram_vaddr + DESCS, 8);
    put(ram(RING + 16), ram_vaddr + INFOS, 8);
    put(ram(RING + 48), DATA_BITS, 4);
    put(ram(RING + 56), ram_vaddr + DATA, 8);
    /* as the kernel begins: ids a little below zero, so that they pass it early */
    image.next_id = (UINT64_MAX >> 2) - 2;
    image.next_lpos = (UINT64_C(1) << DATA_BITS) * 3;
}

/* One record, as the kernel lays it: a block does not cross the end of the data ring. */
static void log_record(const char *text, unsigned state)
{
    const uint64_t size = UINT64_C(1) << DATA_BITS, id_mask = UINT64_MAX >> 2;
    uint64_t id = image.next_id++ & id_mask, index = id & ((1 << DESC_BITS) - 1);
    uint64_t len = (8 + strlen(text) + 7) / 8 * 8;
    uint64_t begin = image.next_lpos, next = begin + len, at = begin;

    if (begin / size != (next - 1) / size) {
        at = (begin / size + 1) * size;
        next = at + len;
    }
    image.next_lpos = next;
    put(ram(DESCS + index * DESC_BYTES), id | (uint64_t)state << 62, 8);
    put(ram(DESCS + index * DESC_BYTES + 8), begin, 8);
    put(ram(DESCS + index * DESC_BYTES + 16), next, 8);
    put(ram(INFOS + index * INFO_BYTES + 16), strlen(text), 2);
    memset(image.bytes + ram(DATA + at % size), '#', len); /* stale bytes behind the text */
    put(ram(DATA + at % size), id, 8);
    memcpy(image.bytes + ram(DATA + at % size + 8), text, strlen(text));
    put(ram(RING + 24), id, 8);
}

static const char *reason(void)
{
    static char text[PND_VMCORE_REASON_CAP];
    int err;

    snprintf(text, sizeof(text), "(untouched)");
    CHECK_EQ(open_image(), PND_OK);
    err = pnd_vmcore_reason(&vmcore, text);
    if (err == PND_E_NOTFOUND)
        CHECK_STR(text, "(untouched)");
    else
        CHECK_EQ(err, PND_OK);
    return err ? NULL : text;
}

static void release_and_time_are_in_the_notes(void)
{
    const char *value = NULL;
    size_t len = 0;

    make(ring_info);
    CHECK_EQ(open_image(), PND_OK);
    CHECK_STR(vmcore.release, "6.1.0-56-cloud-amd64");
    CHECK_EQ(vmcore.crash_time_s, 1790000000);
    CHECK(pnd_vmcore_info(&vmcore, "PAGESIZE", &value, &len));
    CHECK(len == 4 && memcmp(value, "4096", 4) == 0);
    CHECK(!pnd_vmcore_info(&vmcore, "PAGESIZ", &value, &len));
    CHECK(!pnd_vmcore_info(&vmcore, "NOTHING", &value, &len));
}

static void memory_is_found_by_virtual_address(void)
{
    uint8_t buf[16];

    make(ring_info);
    memcpy(image.bytes + TEXT_AT + 8, "text", 4);
    memcpy(image.bytes + RAM_AT + RAM_BYTES - 4, "last", 4);
    CHECK_EQ(open_image(), PND_OK);
    CHECK_EQ(pnd_vmcore_read(&vmcore, text_vaddr + 8, buf, 4), PND_OK);
    CHECK_MEM(buf, "text", 4);
    CHECK_EQ(pnd_vmcore_read(&vmcore, ram_vaddr + RAM_BYTES - 4, buf, 4), PND_OK);
    CHECK_MEM(buf, "last", 4);
    CHECK_EQ(pnd_vmcore_read(&vmcore, ram_vaddr + RAM_BYTES - 4, buf, 5), PND_E_NOTFOUND);
    CHECK_EQ(pnd_vmcore_read(&vmcore, ram_vaddr - 1, buf, 2), PND_E_NOTFOUND);
    CHECK_EQ(pnd_vmcore_read(&vmcore, UINT64_MAX, buf, 2), PND_E_NOTFOUND);
}

static void the_last_panic_message_is_the_reason(void)
{
    make_ring();
    log_record("Linux version 6.1", 2);
    log_record("Kernel panic - not syncing: the first", 2);
    log_record("sysrq: Trigger a crash", 2);
    log_record("Kernel panic - not syncing: sysrq triggered crash", 2);
    log_record("CPU: 0 PID: 1 Comm: init", 1);
    CHECK_STR(reason(), "sysrq triggered crash");
}

static void a_record_that_is_not_finished_or_reused_does_not_count(void)
{
    make_ring();
    log_record("Kernel panic - not syncing: good", 2);
    log_record("Kernel panic - not syncing: half written", 0);
    log_record("Kernel panic - not syncing: reused", 3);
    CHECK_STR(reason(), "good");
}

static void records_are_followed_around_the_end_of_the_rings(void)
{
    char text[64];

    for (unsigned records = 0; records < 80; records++) {
        make_ring();
        for (unsigned i = 0; i < records; i++) {
            snprintf(text, sizeof(text), "line %u of some length %.*s", i, (int)(i % 11),
                     "abcdefghijk");
            log_record(text, 2);
        }
        log_record("Kernel panic - not syncing: Fatal exception", 2);
        for (unsigned i = 0; i < 5; i++)
            log_record("Kernel Offset: disabled", 2);
        CHECK_STR(reason(), "Fatal exception");
    }
}

static void what_the_ring_has_forgotten_is_not_found(void)
{
    make_ring();
    log_record("Kernel panic - not syncing: long ago", 2);
    for (unsigned i = 0; i < 1 << DESC_BITS; i++)
        log_record("another line", 2);
    CHECK(!reason());
}

static void an_oops_is_a_reason_when_nothing_panicked(void)
{
    make_ring();
    log_record("BUG: kernel NULL pointer dereference, address: 0000000000000008", 2);
    log_record("#PF: supervisor read access in kernel mode", 2);
    log_record("Oops: 0000 [#1] PREEMPT SMP", 2);
    CHECK_STR(reason(), "BUG: kernel NULL pointer dereference, address: 0000000000000008");
}

static void odd_bytes_of_a_message_are_not_passed_on(void)
{
    char text[400] = "Kernel panic - not syncing: \x1b[2J\xff\t";
    size_t used = strlen(text);

    make_ring();
    log_record("Kernel panic - not syncing: \x1b[2J\xff\tx\nsecond line", 2);
    CHECK_STR(reason(), "?[2J??x");
    memset(text + used, 'm', sizeof(text) - used - 1);
    make_ring();
    log_record(text, 2);
    CHECK_EQ(strlen(reason()), PND_VMCORE_REASON_CAP - 1);
}

static void a_log_before_5_10_is_searched_as_it_stands(void)
{
    char info[300], old[] = "Kernel panic - not syncing: early",
                    last[] = "Kernel panic - not syncing: NMI: Not continuing";

    snprintf(info, sizeof(info),
             "OSRELEASE=4.19.0\nSYMBOL(log_buf)=ffffffff81000200\nSYMBOL(log_buf_len)="
             "ffffffff81000208\n");
    for (size_t at = 900; at < 1300; at += 13) { /* around the end of a chunk, too */
        make(info);
        put(TEXT_AT + 0x200, ram_vaddr + 100, 8);
        put(TEXT_AT + 0x208, 8192, 4);
        memcpy(image.bytes + ram(100 + 10), old, sizeof(old));
        memcpy(image.bytes + ram(100 + at), last, sizeof(last) - 1);
        CHECK_STR(reason(), "NMI: Not continuing");
    }
    CHECK_STR(vmcore.release, "4.19.0");
}

static void an_nmi_is_told_from_a_panic(void)
{
    CHECK(pnd_vmcore_reason_is_nmi("NMI: Not continuing"));
    CHECK(pnd_vmcore_reason_is_nmi("NMI IOCK error: Not continuing"));
    CHECK(pnd_vmcore_reason_is_nmi("Hard LOCKUP"));
    CHECK(pnd_vmcore_reason_is_nmi("Watchdog detected hard LOCKUP on cpu 1"));
    CHECK(!pnd_vmcore_reason_is_nmi("sysrq triggered crash"));
    CHECK(!pnd_vmcore_reason_is_nmi("softlockup: hung tasks"));
    CHECK(!pnd_vmcore_reason_is_nmi(""));
}

static void other_files_are_refused(void)
{
    make(ring_info);
    image.bytes[4] = 1; /* 32 bits */
    CHECK_EQ(open_image(), PND_E_TYPE);
    make(ring_info);
    put(16, 2, 2); /* a program */
    CHECK_EQ(open_image(), PND_E_TYPE);
    make(ring_info);
    put(54, 32, 2); /* odd program headers */
    CHECK_EQ(open_image(), PND_E_FORMAT);
    make(ring_info);
    put(NOTES_AT + 4, UINT32_MAX, 4); /* a note without end */
    CHECK_EQ(open_image(), PND_E_FORMAT);
    make(ring_info);
    put_phdr(0, 0, 0, 0, 0); /* no notes */
    CHECK_EQ(open_image(), PND_E_NOTFOUND);
    make(ring_info);
    put_phdr(0, 4, UINT64_MAX - 3, 0, 100);
    CHECK_EQ(open_image(), PND_E_FORMAT);
}

static void every_truncation_ends_with_an_error(void)
{
    size_t whole;

    make_ring();
    log_record("Kernel panic - not syncing: sysrq triggered crash", 2);
    whole = ram(DATA) + 200;
    for (size_t len = 0; len < whole; len += 7) {
        char text[PND_VMCORE_REASON_CAP];
        int err;

        image.len = len;
        err = open_image();
        if (!err)
            err = pnd_vmcore_reason(&vmcore, text);
        if (len < ram(DATA))
            CHECK(err != PND_OK);
    }
}

static void every_flipped_byte_ends_in_bounded_time(void)
{
    for (size_t at = 0; at < ram(INFOS + 200); at += 3) {
        char text[PND_VMCORE_REASON_CAP];

        make_ring();
        log_record("Kernel panic - not syncing: sysrq triggered crash", 2);
        image.bytes[at] ^= 0xff;
        if (open_image() == PND_OK)
            (void)pnd_vmcore_reason(&vmcore, text);
        CHECK(image.reads < 20000);
    }
}

int main(void)
{
    RUN(release_and_time_are_in_the_notes);
    RUN(memory_is_found_by_virtual_address);
    RUN(the_last_panic_message_is_the_reason);
    RUN(a_record_that_is_not_finished_or_reused_does_not_count);
    RUN(records_are_followed_around_the_end_of_the_rings);
    RUN(what_the_ring_has_forgotten_is_not_found);
    RUN(an_oops_is_a_reason_when_nothing_panicked);
    RUN(odd_bytes_of_a_message_are_not_passed_on);
    RUN(a_log_before_5_10_is_searched_as_it_stands);
    RUN(an_nmi_is_told_from_a_panic);
    RUN(other_files_are_refused);
    RUN(every_truncation_ends_with_an_error);
    RUN(every_flipped_byte_ends_in_bounded_time);
    return tap_done();
}
