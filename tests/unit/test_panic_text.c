/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a panic log says as facts; and the log found in a memory image, in a system log, in a panic
 * region, in NVRAM. */
#include "inspect/reader.h"
#include "panic_logs.h"
#include "tap.h"
#include "wire/crc32.h"
#include "wire/cursor.h"

#define FACT(fact, want) CHECK_STR(pnd_facts_text(&facts, PND_FACT_##fact), want)

static struct pnd_facts facts;

static void read_log(const char *text, size_t len)
{
    pnd_facts_deinit(&facts);
    pnd_facts_from_panic_log(text, len, &facts);
    CHECK(!facts.cut && !facts.no_memory);
}

static uint64_t value_of(unsigned cpu, const char *name)
{
    for (unsigned i = 0; cpu < facts.cpu_count && i < facts.cpus[cpu].register_count; i++)
        if (strcmp(facts.cpus[cpu].registers[i].name, name) == 0)
            return facts.cpus[cpu].registers[i].value;
    return 0xbad;
}

static const struct pnd_fact_module *module_of(const char *name)
{
    for (unsigned i = 0; i < facts.module_count; i++)
        if (strcmp(facts.modules[i].name, name) == 0)
            return &facts.modules[i];
    return NULL;
}

static void a_32_bit_log(void)
{
    const struct pnd_fact_module *module;

    read_log(log_10_5, sizeof(log_10_5) - 1);
    FACT(OS, "macOS");
    FACT(OS_VERSION, "9G55");
    FACT(KERNEL, "xnu-1228.12.14");
    FACT(ARCH, "i386");
    FACT(MODEL, "MacBook3,1 (Mac-F22788C8)");
    FACT(UPTIME, "5.128");
    FACT(TRIGGER, "trap");
    FACT(TASK, "kernel_task");
    FACT(PANIC, "Kernel trap at 0x0038b9b6, type 14=page fault, registers:");
    FACT(SLIDE, "");
    FACT(BUILD_ID, "");
    CHECK_EQ(facts.cpus[0].number, 1);
    CHECK_EQ(value_of(0, "eip"), 0x38b9b6);
    CHECK_EQ(facts.frame_count, 3);
    CHECK_EQ(facts.frames[2].address, 0x7a2004);
    CHECK(!facts.frames[0].text);
    module = module_of("com.example.driver.Widget");
    CHECK(module && module->in_backtrace && module->end == 0x7b3000);
    CHECK_EQ(facts.module_count, 2); /* told twice, there once */
}

static void a_log_with_the_kernels_own_symbols(void)
{
    read_log(log_10_11, sizeof(log_10_11) - 1);
    FACT(KERNEL, "xnu-3248.60.10");
    FACT(BUILD_ID, "B5AA8E3E-65B6-3D0E-867B-8DCCF81E536C");
    FACT(SLIDE, "0x11a00000");
    FACT(LOAD, "0xffffff8011c00000");
    FACT(UPTIME, "86400.000");
    FACT(TRIGGER, "panic");
    FACT(TASK, "mds");
    FACT(BOOT_ARGS, "keepsyms=1 debug=0xd44");
    CHECK_EQ(facts.frame_count, 4);
    CHECK_STR(facts.frames[0].text, "_panic + 0xe2");
    CHECK(!facts.frames[0].module);
    CHECK_STR(facts.frames[2].module, "com.example.fs");
    CHECK(module_of("com.apple.driver.AppleHDA") != NULL);
    CHECK(module_of("com.apple.kpi.bsd") && !module_of("com.apple.kpi.bsd")->in_backtrace);
    CHECK_EQ(facts.log_len, sizeof(log_10_11) - 1);
}

static void a_log_of_a_kernel_collection(void)
{
    const struct pnd_fact_module *audio;

    read_log(log_11, sizeof(log_11) - 1);
    FACT(OS_VERSION, "20G1427");
    FACT(TASK, "com.example daemon (pid 512)");
    FACT(SLIDE, "0x12010000");
    FACT(LOAD, "0xffffff8012210000");
    FACT(TRIGGER, "trap");
    FACT(ARCH, "x86_64");
    CHECK_EQ(facts.cpus[0].number, 4);
    CHECK_EQ(value_of(0, "rip"), 0xffffff8012abcdef);
    CHECK_EQ(value_of(0, "error"), 2);
    CHECK_EQ(facts.cpus[0].register_count, 25); /* 16, RIP, RFL, CS, SS, four CRs, the error */
    CHECK_EQ(facts.frames[0].frame, 0xffffffa0b1c2d000);
    audio = module_of("com.apple.driver.AppleUSBAudio");
    CHECK(audio && audio->start == 0xffffff7fb1000000 && !audio->in_backtrace);
    CHECK(module_of("com.apple.iokit.IOBluetoothSerialManager") != NULL);
    CHECK(module_of("com.apple.security.quarantine") != NULL);
    CHECK(module_of("com.apple.driver.AppleHDA")->in_backtrace);
    CHECK_EQ(facts.module_count, 6);
}

static void a_log_of_apple_silicon(void)
{
    read_log(log_arm64, sizeof(log_arm64) - 1);
    FACT(OS, "macOS");
    FACT(OS_VERSION, "21F79");
    FACT(KERNEL, "xnu-8020.121.3");
    FACT(ARCH, "arm64");
    FACT(MODEL, "MacBookAir10,1 (J313AP)");
    FACT(CRASH_TIME, "1653607952");
    FACT(UPTIME, "3600");
    FACT(TASK, "WindowServer (pid 371)");
    FACT(TRIGGER, "trap");
    FACT(BUILD_ID, "58F06365-45C7-3CA5-9C0D-AC5D25FAC7D1");
    FACT(PANIC, "Kernel data abort. at pc 0xfffffe00209d0004, lr 0xfffffe00209cfff0 (saved state: "
                "0xfffffe304c1b3630)");
    CHECK_EQ(facts.cpu_count, 2);
    CHECK_EQ(facts.cpus[0].number, 5);
    CHECK(facts.cpus[0].panicked && !facts.cpus[1].panicked);
    CHECK_EQ(value_of(0, "far"), 0x18);
    CHECK_EQ(value_of(0, "x2"), 0x22);
    CHECK_EQ(value_of(1, "lr"), 0xfffffe0020e01004);
    CHECK_EQ(facts.frame_count, 3);
    CHECK(!facts.frames[0].module);
    CHECK_STR(facts.frames[1].module, "com.apple.iokit.IOGPUFamily"); /* by its address */
}

static void a_watchdog_and_an_nmi(void)
{
    read_log(log_watchdog, sizeof(log_watchdog) - 1);
    FACT(TRIGGER, "watchdog");
    FACT(TASK, "kernel_task");
    FACT(OS, "Darwin");
    CHECK(strstr(pnd_facts_text(&facts, PND_FACT_PANIC), "\nservice: WindowServer, ") != NULL);
    read_log(log_nmi, sizeof(log_nmi) - 1);
    FACT(OS, "panicbox");
    FACT(OS_VERSION, "0.1.0");
    FACT(KERNEL, "panicbox-0.1.0");
    FACT(TRIGGER, "nmi");
    FACT(PANIC, "NMI");
    FACT(SLIDE, "0x0");
    CHECK_EQ(facts.frame_count, 2);
}

static void an_early_panic_knows_no_version(void)
{
    static const char text[] =
        "panic(cpu 0 caller 0x1): \"early\"\nMac OS version:\nNot yet set\n\n"
        "Kernel version:\nDarwin Kernel Version 13.0.0\n";

    read_log(text, sizeof(text) - 1);
    FACT(OS, "macOS");
    FACT(OS_VERSION, "");
    FACT(KERNEL_VERSION, "Darwin Kernel Version 13.0.0");
    FACT(KERNEL, "");
}

/* ---- within something else ---- */

enum { IMAGE = 1 << 20 };

static uint8_t image[IMAGE];

static int read_image(void *ctx, uint64_t offset, void *buf, size_t len)
{
    const struct pnd_content *content = ctx;

    if (offset > content->bytes || content->bytes - offset < len)
        return PND_E_SHORT;
    memcpy(buf, image + offset, len);
    return PND_OK;
}

static void add_hit(struct pnd_scan *scan, enum pnd_scan_text text, const char *word)
{
    size_t len = strlen(word);

    for (size_t at = 0; at + len < IMAGE && scan->count[text] < PND_SCAN_HITS; at++)
        if (memcmp(image + at, word, len) == 0 && image[at + len] >= '0' && image[at + len] <= '9')
            scan->at[text][scan->count[text]++] = at;
}

/* Hits as the scan has them, on the image as it is. */
static bool find_log(size_t bytes)
{
    struct pnd_content content = {.bytes = bytes, .fd = -1, .read = read_image};
    struct pnd_scan scan = {0};
    struct pnd_reader_input in = {.content = &content, .scan = &scan};

    content.ctx = &content;
    add_hit(&scan, PND_SCAN_XNU_PANIC, "panic(cpu ");
    add_hit(&scan, PND_SCAN_XNU_VERSION, "Darwin Kernel Version ");
    add_hit(&scan, PND_SCAN_PANICBOX, "panicbox ");
    pnd_facts_deinit(&facts);
    return pnd_reader_xnu_log(&in, &facts);
}

static void put(size_t at, const char *text)
{
    while (*text)
        image[at++] = (uint8_t)*text++;
}

/* Neither the kernel's own texts, nor a copy of the first line, nor a longer tale of another. */
static void the_log_is_found_among_what_looks_like_it(void)
{
    memset(image, 0, sizeof(image));
    put(0x1000, "panic(cpu %d caller 0x%016llx): ");
    put(0x1100, "Darwin Kernel Version 20.6.0: Thu; root:xnu-7195.141.49~1/RELEASE_X86_64");
    put(0x2000, "kernel: panic(cpu 4 caller 0xffffff8012345678): copy\n");
    put(0x3000, "panic(cpu 4 caller 0xffffff8012345678): copy in the message buffer\n");
    put(0x8000, log_11);
    put(0x40000, "panic(cpu 1 caller 0x1): of before\nKernel version:\nDarwin Kernel Version 9\n");
    CHECK(find_log(IMAGE));
    FACT(OS_VERSION, "20G1427");
    CHECK_EQ(facts.log_len, sizeof(log_11) - 1);
    CHECK(strcmp(facts.log, log_11) == 0);
}

static void texts_of_a_kernel_that_did_not_panic_are_no_log(void)
{
    memset(image, 0xff, sizeof(image));
    put(0x1000, "panic(cpu %d caller 0x%016llx): ");
    put(0x2000, "panic(cpu 4 caller 0xffffff8012345678): in some document\n");
    put(0x1100, "Darwin Kernel Version 20.6.0: Thu; root:xnu-7195.141.49~1/RELEASE_X86_64");
    CHECK(!find_log(IMAGE));
    FACT(PANIC, "");
}

static void a_log_without_a_panic_string_is_found_by_its_version(void)
{
    memset(image, 0, sizeof(image));
    put(0x7010, log_nmi);
    CHECK(find_log(IMAGE));
    FACT(PANIC, "NMI");
    FACT(OS, "panicbox");
}

/* One that is shorter, but that a header points to. */
static void a_header_before_a_log_decides(void)
{
    struct pnd_wr wr = pnd_wr(image + 0x20000, 64);

    memset(image, 0, sizeof(image));
    put(0x8000, log_11);
    pnd_wr_le32(&wr, 0x46554e4b);
    pnd_wr_zeros(&wr, 16);
    pnd_wr_le32(&wr, 192);
    pnd_wr_le32(&wr, sizeof(log_watchdog) - 1);
    put(0x20000 + 192, log_watchdog);
    put(0x20000 + 192 + sizeof(log_watchdog) - 1, "Boot args: of another log that was here\n");
    CHECK(find_log(IMAGE));
    FACT(TRIGGER, "watchdog");
    FACT(BOOT_ARGS, "");
}

static void a_log_that_still_arrives_is_read_as_far_as_it_is_there(void)
{
    memset(image, 0, sizeof(image));
    put(0x100, log_11);
    for (size_t bytes = 0; bytes < 0x200 + sizeof(log_11); bytes += 97)
        if (find_log(bytes))
            CHECK(facts.log_len <= bytes);
    CHECK(find_log(0x100 + 2500));
    FACT(TASK, "com.example daemon (pid 512)");
}

/* The reader of files. */
static const char *format_of(size_t len)
{
    return pnd_reader_find(image, len)->format;
}

static struct pnd_check check_file(size_t len)
{
    struct pnd_content content = {
        .bytes = len, .final = true, .head = image, .head_len = len, .fd = -1, .read = read_image};
    struct pnd_scan scan = {0};
    struct pnd_reader_input in = {.content = &content, .scan = &scan};
    struct pnd_check check = {.verdict = PND_VERDICT_COMPLETE, .content_bytes = len};

    content.ctx = &content;
    pnd_facts_deinit(&facts);
    CHECK_EQ(pnd_reader_panic_log.facts(&in, &facts), PND_OK);
    CHECK_EQ(pnd_reader_panic_log.check(&in, &check), PND_OK);
    return check;
}

static void a_panic_log_that_came_as_a_file(void)
{
    for (unsigned i = 0; i < PANIC_LOG_SAMPLES; i++) {
        put(0, panic_log_samples[i].text);
        CHECK_STR(format_of(panic_log_samples[i].len), "panic-log");
        CHECK_EQ(check_file(panic_log_samples[i].len).verdict, PND_VERDICT_COMPLETE);
        CHECK_EQ(facts.log_len, panic_log_samples[i].len);
        CHECK(facts.frame_count > 0);
    }
    put(0, "just any text that came in a file, and that is long enough\n");
    CHECK_STR(format_of(50), "data");
}

static void a_system_log_with_a_panic_in_it(void)
{
    static const char before[] =
        "Darwin Kernel Version 20.6.0: Thu Mar  9 20:39:26 PST 2023; "
        "root:xnu-7195.141.49.700.6~1/RELEASE_X86_64\nvm_page_bootstrap: 987323 free pages\n";

    put(0, before);
    put(sizeof(before) - 1, log_10_11);
    CHECK_STR(format_of(sizeof(before) - 1 + sizeof(log_10_11) - 1), "panic-log");
    check_file(sizeof(before) - 1 + sizeof(log_10_11) - 1);
    FACT(TASK, "mds");
    CHECK(strncmp(facts.log, before, sizeof(before) - 1) == 0);
}

static void a_panic_region_that_came_as_a_file(void)
{
    size_t end = 192 + sizeof(log_arm64) - 1;
    struct pnd_wr wr = pnd_wr(image, 192);
    struct pnd_check check;

    memset(image, 0, sizeof(image));
    pnd_wr_le32(&wr, 0x46554e4b);
    pnd_wr_zeros(&wr, 16);
    pnd_wr_le32(&wr, 192);
    pnd_wr_le32(&wr, sizeof(log_arm64) - 1);
    put(192, log_arm64);
    wr = pnd_wr(image + 4, 4);
    pnd_wr_le32(&wr, pnd_crc32(0, image + 8, end - 8));
    CHECK_STR(format_of(end), "panic-log");
    check = check_file(end);
    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
    CHECK_STR(check.note, "");
    CHECK_EQ(facts.log_len, sizeof(log_arm64) - 1);
    FACT(TASK, "WindowServer (pid 371)");
    image[end - 1] = '!';
    check = check_file(end);
    CHECK_STR(check.note, "the checksum of the panic region does not fit its content");
    check = check_file(end - 100);
    CHECK_EQ(check.verdict, PND_VERDICT_INCOMPLETE);
    CHECK_EQ(check.missing[0].start, end - 100);
    CHECK_EQ(check.missing[0].end, end);
}

/* What the kernel had to say after the log was closed stands in a part of its own. */
static void the_later_part_of_a_region_follows_its_log(void)
{
    static const char log[] = "panic(cpu 0 caller 0x1): boo\nDebugger message: WDT timeout\n";
    static const char more[] = "Boot args: -v\n";
    struct pnd_wr wr = pnd_wr(image, 192);

    memset(image, 0, sizeof(image));
    pnd_wr_le32(&wr, 0x46554e4b);
    pnd_wr_zeros(&wr, 16);
    pnd_wr_le32(&wr, 192);
    pnd_wr_le32(&wr, sizeof(log) - 1);
    wr = pnd_wr(image + 161, 8);
    pnd_wr_le32(&wr, 1024);
    pnd_wr_le32(&wr, sizeof(more) - 1);
    put(192, log);
    put(1024, more);
    check_file(2048);
    FACT(PANIC, "boo");
    FACT(BOOT_ARGS, "-v");
    CHECK_EQ(facts.log_len, sizeof(log) - 1 + sizeof(more) - 1);
    put(192, "Debugger message: WDT timeout"); /* and no panic string before it */
    check_file(2048);
    FACT(TRIGGER, "watchdog");
}

static void a_log_as_it_lies_in_nvram(void)
{
    size_t len = 0;

    memset(image, 0, sizeof(image));
    for (size_t at = 0; at < sizeof(log_10_11) - 1; at += 8, len += 7)
        for (unsigned bit = 0; bit < 56; bit++)
            if (at + bit / 7 < sizeof(log_10_11) - 1 && log_10_11[at + bit / 7] >> bit % 7 & 1)
                image[len + bit / 8] = (uint8_t)(image[len + bit / 8] | 1 << bit % 8);
    CHECK_STR(format_of(len), "panic-log");
    check_file(len);
    CHECK(facts.log && strcmp(facts.log, log_10_11) == 0);
    FACT(TASK, "mds");
}

static void facts_of_every_truncation_are_facts(void)
{
    for (unsigned i = 0; i < PANIC_LOG_SAMPLES; i++)
        for (size_t len = 0; len < panic_log_samples[i].len; len += 5)
            read_log(panic_log_samples[i].text, len);
}

int main(void)
{
    RUN(a_32_bit_log);
    RUN(a_log_with_the_kernels_own_symbols);
    RUN(a_log_of_a_kernel_collection);
    RUN(a_log_of_apple_silicon);
    RUN(a_watchdog_and_an_nmi);
    RUN(an_early_panic_knows_no_version);
    RUN(the_log_is_found_among_what_looks_like_it);
    RUN(texts_of_a_kernel_that_did_not_panic_are_no_log);
    RUN(a_log_without_a_panic_string_is_found_by_its_version);
    RUN(a_header_before_a_log_decides);
    RUN(a_log_that_still_arrives_is_read_as_far_as_it_is_there);
    RUN(a_panic_log_that_came_as_a_file);
    RUN(a_system_log_with_a_panic_in_it);
    RUN(a_panic_region_that_came_as_a_file);
    RUN(the_later_part_of_a_region_follows_its_log);
    RUN(a_log_as_it_lies_in_nvram);
    RUN(facts_of_every_truncation_are_facts);
    pnd_facts_deinit(&facts);
    return tap_done();
}
