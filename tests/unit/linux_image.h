/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A Linux machine of 256 KiB that has crashed, and its memory as a file: an ELF core as the crash
 * kernel or QEMU writes it, makedumpfile's compressed and flattened forms. */
#ifndef PND_TESTS_LINUX_IMAGE_H
#define PND_TESTS_LINUX_IMAGE_H

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <lzo/lzo1x.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

#include "image/kdump.h"
#include "inspect/check.h"
#include "tap.h"
#include "unit/linux_log.h"

enum {
    IMAGE_PAGE = 4096,
    IMAGE_PAGES = 64,
    IMAGE_BYTES = IMAGE_PAGES * IMAGE_PAGE,
    IMAGE_TABLES_AT = 0x2000, /* eight pages of page tables */
    IMAGE_LOG_AT = 0x10000,
    IMAGE_UTS_AT = 0x12000,
    IMAGE_INFO_AT = 0x13000,
    IMAGE_NOISE_AT = 0x20000,
    FILE_CAP = 1 << 20,
    CPUS_MAX = 4,
};

static const uint64_t image_text = UINT64_C(0xffffffff81000000); /* maps physical 0 */
static const uint64_t image_direct = UINT64_C(0xffff888000000000);
static const uint64_t image_direct_five_levels = UINT64_C(0xff11888000000000);

struct linux_image {
    uint8_t ram[IMAGE_BYTES];
    struct log_memory log;
    char info[8192];
    unsigned cpus;
    bool five_levels;
};

static struct linux_image image;

/* The file under test. */
static uint8_t file_bytes[FILE_CAP];
static size_t file_len;

static inline void put_le(uint8_t *at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static inline void put_be(uint8_t *at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[size - 1 - i] = (uint8_t)(value >> (8 * i));
}

/* ---- memory ---- */

static inline void image_entry(unsigned table, unsigned index, uint64_t target)
{
    put_le(image.ram + IMAGE_TABLES_AT + (size_t)table * IMAGE_PAGE + (size_t)index * 8,
           target | 0x63, 8); /* present, writable, accessed, dirty */
}

static inline uint64_t image_table(unsigned table)
{
    return IMAGE_TABLES_AT + (uint64_t)table * IMAGE_PAGE;
}

/* Table 0 is the highest of four levels, table 7 the one above it. */
static inline void image_map(void)
{
    image_entry(0, 511, image_table(1));
    image_entry(1, 510, image_table(2));
    image_entry(2, 8, image_table(3));
    image_entry(0, 273, image_table(4));
    image_entry(4, 0, image_table(5));
    image_entry(5, 0, image_table(6));
    for (unsigned i = 0; i < IMAGE_PAGES; i++) {
        image_entry(3, i, (uint64_t)i * IMAGE_PAGE);
        image_entry(6, i, (uint64_t)i * IMAGE_PAGE);
    }
    image_entry(7, 511, image_table(0));
    image_entry(7, 273, image_table(0));
}

static inline void image_uts(void)
{
    static const char *const words[] = {"Linux",           "crashed-host", "6.1.0-test",
                                        "#1 SMP Test 6.1", "x86_64",       "(none)"};

    for (size_t i = 0; i < 6; i++)
        memcpy(image.ram + IMAGE_UTS_AT + 4 + i * 65, words[i], strlen(words[i]) + 1);
}

static inline void image_make(unsigned cpus, bool five_levels)
{
    uint32_t x = 0x12345678;
    size_t used;

    memset(&image, 0, sizeof(image));
    image.cpus = cpus;
    image.five_levels = five_levels;
    image.log.at = image.ram + IMAGE_LOG_AT;
    image.log.base = (five_levels ? image_direct_five_levels : image_direct) + IMAGE_LOG_AT;
    log_make_ring(&image.log);
    log_line(&image.log, 0, "Linux version 6.1.0-test (somebody@somewhere) #1 SMP Test 6.1");
    log_line(&image.log, 1000000000, "Kernel panic - not syncing: test crash");
    log_line(&image.log, 1000001000, "CPU: 1 PID: 42 Comm: test Not tainted 6.1.0-test #1");
    log_line(&image.log, 1000002000, "Call Trace:");
    log_line(&image.log, 1000003000, " panic+0x118/0x2f4");
    image_uts();
    image_map();
    for (size_t i = IMAGE_NOISE_AT; i < IMAGE_BYTES / 2 + IMAGE_NOISE_AT / 2; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        image.ram[i] = (uint8_t)x;
    }
    used = (size_t)snprintf(
        image.info, sizeof(image.info),
        "%sBUILD-ID=3b43fad5034874490492495d552c0af6a5fab235\nSYMBOL(init_uts_ns)=%" PRIx64 "\n"
        "OFFSET(uts_namespace.name)=4\nSYMBOL(swapper_pg_dir)=%" PRIx64 "\nSYMBOL(_stext)=%" PRIx64
        "\n"
        "NUMBER(phys_base)=%lld\nNUMBER(pgtable_l5_enabled)=%d\nKERNELOFFSET=1c000000\n"
        "CRASHTIME=1790000000\n",
        image.log.info, image_text + IMAGE_UTS_AT, image_text + image_table(five_levels ? 7 : 0),
        image_text, -0x1000000LL, five_levels);
    memcpy(image.ram + IMAGE_INFO_AT, image.info, used);
}

/* ---- notes ---- */

static inline size_t put_note(uint8_t *at, const char *name, uint32_t type, const void *desc,
                              size_t desc_len)
{
    size_t name_len = strlen(name) + 1, used = 12 + (name_len + 3) / 4 * 4;

    memset(at, 0, used + (desc_len + 3) / 4 * 4);
    put_le(at, name_len, 4);
    put_le(at + 4, desc_len, 4);
    put_le(at + 8, type, 4);
    memcpy(at + 12, name, name_len);
    memcpy(at + used, desc, desc_len);
    return used + (desc_len + 3) / 4 * 4;
}

/* The registers of every processor: rip is 0xffffffff81001000 and its number. */
static inline size_t put_cpu_notes(uint8_t *at, bool qemu)
{
    uint8_t desc[440];
    size_t used = 0;

    for (unsigned i = 0; i < image.cpus; i++) {
        memset(desc, 0, sizeof(desc));
        for (size_t r = 0; r < 27; r++)
            put_le(desc + 112 + r * 8, 0x100 * (r + 1) + i, 8);
        put_le(desc + 112 + (size_t)16 * 8, image_text + 0x1000 + i, 8);
        used += put_note(at + used, "CORE", 1, desc, 336);
    }
    for (unsigned i = 0; qemu && i < image.cpus; i++) {
        memset(desc, 0, sizeof(desc));
        put_le(desc, 1, 4);
        put_le(desc + 4, sizeof(desc), 4);
        put_le(desc + 392 + 24, image_table(image.five_levels ? 7 : 0), 8);
        used += put_note(at + used, "QEMU", 0, desc, sizeof(desc));
    }
    return used;
}

/* ---- ELF ---- */

struct elf_how {
    bool info;    /* a VMCOREINFO note */
    bool virtual; /* segments say where they were mapped, and the text is there twice */
    bool qemu;    /* notes of QEMU */
};

static inline void put_segment(size_t index, uint32_t type, uint64_t offset, uint64_t virtual,
                               uint64_t physical, uint64_t bytes)
{
    uint8_t *at = file_bytes + 64 + index * 56;

    put_le(at, type, 4);
    put_le(at + 8, offset, 8);
    put_le(at + 16, virtual, 8);
    put_le(at + 24, physical, 8);
    put_le(at + 32, bytes, 8);
    put_le(at + 40, bytes, 8);
}

static inline void make_elf_core(const struct elf_how *how)
{
    static const uint8_t ident[] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    size_t at = IMAGE_PAGE, text = IMAGE_BYTES / 2, ram;

    memset(file_bytes, 0, sizeof(file_bytes));
    memcpy(file_bytes, ident, sizeof(ident));
    put_le(file_bytes + 16, 4, 2);
    put_le(file_bytes + 18, 62, 2);
    put_le(file_bytes + 32, 64, 8);
    put_le(file_bytes + 54, 56, 2);
    put_le(file_bytes + 56, how->virtual ? 4 : 2, 2);
    at += put_cpu_notes(file_bytes + at, how->qemu);
    if (how->info)
        at += put_note(file_bytes + at, "VMCOREINFO", 0, image.info, strlen(image.info));
    put_segment(0, 4, IMAGE_PAGE, 0, 0, at - IMAGE_PAGE);
    ram = (at + IMAGE_PAGE - 1) / IMAGE_PAGE * IMAGE_PAGE;
    memcpy(file_bytes + ram, image.ram, IMAGE_BYTES);
    file_len = ram + IMAGE_BYTES;
    if (!how->virtual) {
        put_segment(1, 1, ram, 0, 0, IMAGE_BYTES);
        return;
    }
    put_segment(1, 1, file_len, image_text, 0, text);
    put_segment(2, 1, ram, image_direct, 0, IMAGE_BYTES / 4);
    put_segment(3, 1, ram + IMAGE_BYTES / 4, image_direct + IMAGE_BYTES / 4, IMAGE_BYTES / 4,
                IMAGE_BYTES - IMAGE_BYTES / 4);
    memcpy(file_bytes + file_len, image.ram, text);
    file_len += text;
}

/* ---- kdump-compressed ---- */

struct kdump_how {
    enum pnd_kdump_packing packing;
    bool info;         /* VMCOREINFO, where the second header says */
    uint64_t excluded; /* a bit for each page that is left out */
    uint32_t status;   /* of the header */
    bool big, is32;    /* the words of the machine that writes */
};

static inline void put_word(const struct kdump_how *how, uint8_t *at, uint64_t value, size_t size)
{
    if (how->big)
        put_be(at, value, size);
    else
        put_le(at, value, size);
}

/* @return bytes in @p ret; a page that does not get smaller stays as it is */
static inline size_t pack_page(const struct kdump_how *how, const uint8_t *page, uint8_t *ret,
                               uint32_t *flags)
{
    static uint8_t lzo_work[LZO1X_1_MEM_COMPRESS], buf[2 * IMAGE_PAGE];
    uLongf zlib_len = sizeof(buf);
    lzo_uint lzo_len = 0;
    size_t len = sizeof(buf);

    if (how->packing == PND_KDUMP_ZLIB && compress2(buf, &zlib_len, page, IMAGE_PAGE, 1) == Z_OK)
        len = zlib_len;
    else if (how->packing == PND_KDUMP_LZO &&
             lzo1x_1_compress(page, IMAGE_PAGE, buf, &lzo_len, lzo_work) == LZO_E_OK)
        len = lzo_len;
    else if (how->packing == PND_KDUMP_SNAPPY)
        snappy_compress((const char *)page, IMAGE_PAGE, (char *)buf, &len);
    else if (how->packing == PND_KDUMP_ZSTD)
        len = ZSTD_compress(buf, sizeof(buf), page, IMAGE_PAGE, 1);
    *flags = len < IMAGE_PAGE ? how->packing : PND_KDUMP_PLAIN;
    if (len >= IMAGE_PAGE)
        len = IMAGE_PAGE;
    memcpy(ret, *flags ? buf : page, len);
    return len;
}

static inline void put_kdump_headers(const struct kdump_how *how, size_t info_at, size_t notes_at,
                                     size_t notes_len)
{
    static const char *const words[] = {"Linux",           "crashed-host", "6.1.0-test",
                                        "#1 SMP Test 6.1", "x86_64",       "(none)"};
    uint8_t *h = file_bytes, *sub = file_bytes + IMAGE_PAGE;
    size_t w = how->is32 ? 4 : 8, at = how->is32 ? 404 : 408;

    memcpy(h, "KDUMP   ", 8);
    put_word(how, h + 8, 6, 4);
    for (size_t i = 0; i < 6; i++)
        memcpy(h + 12 + i * 65, words[i], strlen(words[i]) + 1);
    put_word(how, h + at, 1790000000, w);
    put_word(how, h + at + 2 * w, how->status, 4);
    put_word(how, h + at + 2 * w + 4, IMAGE_PAGE, 4);
    put_word(how, h + at + 2 * w + 8, 1, 4);
    put_word(how, h + at + 2 * w + 12, 2, 4);
    put_word(how, h + at + 2 * w + 16, IMAGE_PAGES, 4);
    at = how->is32 ? 20 : 32;
    if (how->info) {
        put_word(how, sub + at, info_at, 8);
        put_word(how, sub + at + 8, strlen(image.info), w);
    }
    put_word(how, sub + at + 8 + w, notes_at, 8);
    put_word(how, sub + at + 16 + w, notes_len, w);
    put_word(how, sub + at + 16 + 2 * w + 8 + w + 16, IMAGE_PAGES, 8);
}

static inline void make_kdump(const struct kdump_how *how)
{
    size_t bitmap = 2 * IMAGE_PAGE, descs = 4 * IMAGE_PAGE, at = descs, notes = IMAGE_PAGE + 256;
    size_t notes_len, info, count = 0;

    memset(file_bytes, 0, sizeof(file_bytes));
    notes_len = put_cpu_notes(file_bytes + notes, true);
    info = notes + notes_len;
    if (how->info)
        memcpy(file_bytes + info, image.info, strlen(image.info));
    put_kdump_headers(how, info, notes, notes_len);
    for (size_t i = 0; i < IMAGE_PAGES; i++)
        count += !(how->excluded >> i & 1);
    at += count * PND_KDUMP_DESC_BYTES;
    for (size_t i = 0; i < IMAGE_PAGES; i++) {
        uint32_t flags;
        size_t len;

        file_bytes[bitmap + i / 8] |= (uint8_t)(1U << i % 8);
        if (how->excluded >> i & 1)
            continue;
        file_bytes[bitmap + IMAGE_PAGE + i / 8] |= (uint8_t)(1U << i % 8);
        len = pack_page(how, image.ram + i * IMAGE_PAGE, file_bytes + at, &flags);
        put_word(how, file_bytes + descs, at, 8);
        put_word(how, file_bytes + descs + 8, len, 4);
        put_word(how, file_bytes + descs + 12, flags, 4);
        descs += PND_KDUMP_DESC_BYTES;
        at += len;
    }
    file_len = at;
}

/* ---- flattened ---- */

/* Makes the file flattened: records of @p piece bytes, the first of them last but one. */
static inline void flatten(size_t piece)
{
    static uint8_t plain[FILE_CAP];
    size_t len = file_len, at = 4096;

    memcpy(plain, file_bytes, len);
    memset(file_bytes, 0, sizeof(file_bytes));
    memcpy(file_bytes, "makedumpfile", 12);
    put_be(file_bytes + 16, 1, 8);
    put_be(file_bytes + 24, 1, 8);
    for (size_t i = piece; i < len + piece; i += piece) {
        size_t from = i < len ? i : 0, now = len - from < piece ? len - from : piece;

        put_be(file_bytes + at, from, 8);
        put_be(file_bytes + at + 8, now, 8);
        memcpy(file_bytes + at + 16, plain + from, now);
        at += 16 + now;
    }
    memset(file_bytes + at, 0xff, 16);
    file_len = at + 16;
}

/* ---- what is said of it ---- */

static struct pnd_check check;
static struct pnd_facts facts;

/* Of the first @p len bytes of the file. */
static inline void look(size_t len)
{
    struct pnd_why why = {0};
    int fd = memfd_create("image", MFD_CLOEXEC);

    pnd_facts_deinit(&facts);
    if (fd < 0 || write(fd, file_bytes, len) != (ssize_t)len) {
        printf("Bail out! no memory for a file\n");
        exit(EXIT_FAILURE);
    }
    memset(&check, 0xff, sizeof(check));
    CHECK_EQ(pnd_check_file(fd, NULL, NULL, &check, &facts, &why), PND_OK);
    close(fd);
}

static inline const char *fact(enum pnd_fact which)
{
    return pnd_facts_text(&facts, which);
}

/* The facts of the machine above, from a file that has all of it. */
static inline void expect_machine(void)
{
    CHECK_STR(fact(PND_FACT_OS), "Linux");
    CHECK_STR(fact(PND_FACT_KERNEL), "6.1.0-test");
    CHECK_STR(fact(PND_FACT_ARCH), "x86_64");
    CHECK_STR(fact(PND_FACT_HOST), "crashed-host");
    CHECK_STR(fact(PND_FACT_BUILD_ID), "3b43fad5034874490492495d552c0af6a5fab235");
    CHECK_STR(fact(PND_FACT_CRASH_TIME), "1790000000");
    CHECK_STR(fact(PND_FACT_LOAD), "0xffffffff81000000");
    CHECK_STR(fact(PND_FACT_SLIDE), "0x1c000000");
    CHECK_STR(fact(PND_FACT_PANIC), "test crash");
    CHECK_STR(fact(PND_FACT_TASK), "test (pid 42)");
    CHECK_EQ(facts.frame_count, 1);
    CHECK(facts.log && strstr(facts.log, "[    1.000001] CPU: 1 PID: 42"));
    CHECK_EQ(facts.cpu_count, image.cpus);
}

#endif
