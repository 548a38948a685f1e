/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The reader of panic logs: every generation, cut anywhere, damaged anywhere; and what stands
 * around a log in memory. */
#include "image/kext_name.h"
#include "image/panic_log.h"
#include "image/panic_region.h"
#include "tap.h"
#include "panic_logs.h"
#include "wire/crc32.h"
#include "wire/cursor.h"

enum { LINE_CAP = 1024, ALL_CAP = 64 << 10 };

static void put(char *all, const char *text, size_t len)
{
    size_t used = strlen(all);

    if (len > 0 && used + len + 1 < ALL_CAP) {
        memcpy(all + used, text, len);
        all[used + len] = '\0';
    }
}

/* One line for each event, so that a test reads like the log. */
static void print_event(char *all, const struct pnd_panic_event *e)
{
    static const char *const kinds[PND_PANIC_KINDS] = {
        "string",    "debugger", "trap",    "register", "task",       "thread",
        "backtrace", "frame",    "end",     "kext",     "dependency", "core",
        "panicked",  "started",  "stopped", "loaded",   NULL};
    static const char *const fields[PND_PANIC_FIELDS] = {
        [PND_PANIC_PROCESS] = "process",
        [PND_PANIC_BOOT_ARGS] = "boot_args",
        [PND_PANIC_MAC_OS_VERSION] = "mac_os_version",
        [PND_PANIC_OS_VERSION] = "os_version",
        [PND_PANIC_MACOS_VERSION] = "macos_version",
        [PND_PANIC_OS_RELEASE_TYPE] = "os_release_type",
        [PND_PANIC_KERNEL_VERSION] = "kernel_version",
        [PND_PANIC_KERNEL_UUID] = "kernel_uuid",
        [PND_PANIC_FILESET_UUID] = "fileset_uuid",
        [PND_PANIC_BOOT_SESSION] = "boot_session",
        [PND_PANIC_MODEL] = "model",
        [PND_PANIC_DEVICE] = "device",
        [PND_PANIC_HARDWARE] = "hardware",
        [PND_PANIC_IBOOT] = "iboot",
        [PND_PANIC_UPTIME_NS] = "uptime_ns",
        [PND_PANIC_ABSOLUTE_TIME] = "absolute_time",
        [PND_PANIC_EPOCH_BOOT] = "epoch_boot",
        [PND_PANIC_EPOCH_SLEEP] = "epoch_sleep",
        [PND_PANIC_EPOCH_WAKE] = "epoch_wake",
        [PND_PANIC_EPOCH_CALENDAR] = "epoch_calendar",
        [PND_PANIC_KERNEL_SLIDE] = "kernel_slide",
        [PND_PANIC_KERNEL_BASE] = "kernel_base",
        [PND_PANIC_EXEC_SLIDE] = "exec_slide",
        [PND_PANIC_EXEC_BASE] = "exec_base",
        [PND_PANIC_CACHE_SLIDE] = "cache_slide",
        [PND_PANIC_CACHE_BASE] = "cache_base",
        [PND_PANIC_HIB_BASE] = "hib_base",
        [PND_PANIC_SHUTDOWN] = "shutdown",
    };
    bool field = e->kind == PND_PANIC_FIELD;
    char line[LINE_CAP];
    int len = snprintf(line, sizeof(line), "%s %" PRIu64 " %" PRIx64 " %" PRIx64 "-%" PRIx64,
                       field ? fields[e->field] : kinds[e->kind], field ? 0 : e->number, e->address,
                       e->start, e->end);
    const struct pnd_str texts[] = {e->name, e->version, e->uuid, e->text};

    put(all, line, (size_t)len);
    for (size_t i = 0; i < 4; i++) {
        put(all, "|", 1);
        put(all, texts[i].at, texts[i].len);
    }
    put(all, "\n", 1);
}

static const char *read_all(const char *text, size_t len)
{
    static char all[ALL_CAP];
    struct pnd_panic_event event;
    struct pnd_panic_log log;

    all[0] = '\0';
    pnd_panic_log_init(&log, text, len);
    while (pnd_panic_log_next(&log, &event))
        print_event(all, &event);
    return all;
}

static bool has(const char *all, const char *line)
{
    char whole[LINE_CAP];

    snprintf(whole, sizeof(whole), "%s\n", line);
    for (const char *at = all; (at = strstr(at, whole)) != NULL; at++)
        if (at == all || at[-1] == '\n')
            return true;
    printf("# no line \"%s\" in:\n", line);
    return false;
}

static unsigned count_of(const char *all, const char *kind)
{
    unsigned count = 0;

    for (const char *at = all; *at; at = strchr(at, '\n') + 1)
        count += strncmp(at, kind, strlen(kind)) == 0 && at[strlen(kind)] == ' ';
    return count;
}

static void a_log_of_10_5_with_four_arguments_in_each_frame(void)
{
    const char *all = read_all(log_10_5, sizeof(log_10_5) - 1);

    CHECK(has(all, "trap 14 38b9b6 0-0|Kernel trap|||page fault"));
    CHECK(has(all, "register 3717558 0 0-0|EIP|||"));
    CHECK(has(all, "register 8 0 0-0|CS|||"));
    CHECK(has(all, "register 0 0 0-0|Error code|||"));
    CHECK(has(all, "backtrace 1 0 0-0||||"));
    CHECK(has(all, "frame 0 12b4f3 3d59bbd8-0||||"));
    CHECK_EQ(count_of(all, "frame"), 3);
    CHECK(has(all, "end 0 0 0-0||||Backtrace continues..."));
    CHECK(has(all, "kext 0 0 7a1000-7b3000|com.example.driver.Widget|1.0.4d2||"));
    CHECK(has(all, "dependency 0 0 6bb000-0|com.apple.iokit.IOPCIFamily|2.6||"));
    CHECK(has(all, "mac_os_version 0 0 0-0||||9G55"));
    CHECK(has(all, "process 0 0 0-0||||kernel_task"));
    CHECK_EQ(count_of(all, "loaded"), 2);
}

static void a_log_of_10_11_with_symbols_and_a_slide(void)
{
    const char *all = read_all(log_10_11, sizeof(log_10_11) - 1);

    CHECK_EQ(count_of(all, "string"), 1);
    CHECK_EQ(count_of(all, "trap"), 0);
    CHECK(has(all, "frame 0 ffffff8011cdab12 ffffff91f1f8bb10-0|mach_kernel|||_panic + 0xe2"));
    CHECK(has(all, "frame 0 ffffff7f93a1c0d4 ffffff91f1f8bc60-0|com.example.fs|||_fs_read + 0x44"));
    CHECK(has(all, "frame 0 ffffff8011df0000 0-0||||"));
    CHECK(has(all, "kext 0 0 ffffff7f93a1b000-ffffff7f93a2b000|com.example.fs|3.2.1|"
                   "11111111-2222-3333-4444-555555555555|"));
    CHECK(has(all, "started 86300000000000 0 ffffff7f93a1b000-ffffff7f93a2b000|com.example.fs|"
                   "3.2.1||"));
    CHECK(has(all, "stopped 8630 0 ffffff7f93b00000-ffffff7f93b07000|com.apple.driver.usb.cdc|"
                   "5.0.0||"));
    CHECK(has(all, "kernel_slide 0 0 0-0||||0x0000000011a00000"));
    CHECK(has(all, "boot_args 0 0 0-0||||keepsyms=1 debug=0xd44"));
}

static void a_log_of_11_with_a_kernel_collection(void)
{
    const char *all = read_all(log_11, sizeof(log_11) - 1);

    CHECK(has(all, "trap 13 ffffff8012abcdef 0-0|Kernel trap|||general protection"));
    CHECK(has(all, "register 10 0 0-0|R10|||"));
    CHECK(has(all, "register 4 0 0-0|Fault CPU|||"));
    CHECK(has(all, "register 0 0 0-0|VF|||"));
    CHECK_EQ(count_of(all, "register"), 29);
    CHECK(has(all, "task 512 ffffff86a1b2c3d4 0-0|com.example daemon|||"));
    CHECK(has(all, "backtrace 4 ffffff86a0a0a0a0 0-0||||"));
    CHECK(has(all, "process 0 0 0-0||||com.example daemon"));
    CHECK(has(all, "cache_slide 0 0 0-0||||0x0000000012000000"));
    CHECK(has(all, "started 3500000000 0 ffffff7fb1000000-ffffff7fb103d000|>!UAudio|405.39||"));
    CHECK(has(all, "loaded 0 0 0-0||IO!BSerialManager|8.0.5d7||"));
    CHECK_EQ(count_of(all, "loaded"), 5);
}

static void a_log_of_arm64(void)
{
    const char *all = read_all(log_arm64, sizeof(log_arm64) - 1);

    CHECK(has(all, "trap 18446744073709551615 fffffe00209d0004 0-0|Kernel data abort.|||Kernel "
                   "data abort."));
    CHECK(has(all, "register 17 0 0-0|x1|||"));
    CHECK(has(all, "register 2516582406 0 0-0|esr|||"));
    CHECK(has(all, "register 24 0 0-0|far|||"));
    CHECK_EQ(count_of(all, "register"), 12);
    CHECK(has(all, "debugger 0 0 0-0||||panic"));
    CHECK(has(all, "core 0 fffffe0020e01000 fffffe3001010101-fffffe0020e01004||||"));
    CHECK(has(all, "panicked 5 0 0-0||||"));
    CHECK(has(all, "task 371 fffffe1b3a4b5c6d 0-0|WindowServer|||"));
    CHECK(has(all, "thread 2211 fffffe1b30303030 0-0||||"));
    CHECK(has(all, "frame 0 fffffe00209d0008 fffffe304c1b2f00-0||||"));
    CHECK_EQ(count_of(all, "frame"), 3);
    CHECK(has(all, "fileset_uuid 0 0 0-0||||5767972D464A264FEFEEB53D41AA1E68"));
    CHECK(has(all, "epoch_calendar 0 0 0-0||||0x62900e10 0x0009d5a1"));
    CHECK(has(all, "exec_base 0 0 0-0||||0xfffffe0020dfc000"));
    CHECK_EQ(count_of(all, "loaded"), 2);
}

static void a_panic_string_of_many_lines_is_one(void)
{
    struct pnd_panic_event event;
    struct pnd_panic_log log;
    struct pnd_str line;
    unsigned lines = 0;

    pnd_panic_log_init(&log, log_watchdog, sizeof(log_watchdog) - 1);
    CHECK(pnd_panic_log_next(&log, &event));
    CHECK_EQ(event.kind, PND_PANIC_STRING);
    CHECK(pnd_str_starts(event.text, "userspace watchdog timeout"));
    CHECK(event.text.at[event.text.len - 1] == 'd'); /* "wedged" */
    while (pnd_panic_string_next(&event.text, &line))
        lines++;
    CHECK_EQ(lines, 4);
}

static void lines_may_end_as_on_a_terminal(void)
{
    static char crlf[2 * sizeof(log_10_5)], plain[ALL_CAP];
    size_t len = 0;

    for (size_t i = 0; i < sizeof(log_10_5) - 1; i++) {
        if (log_10_5[i] == '\n')
            crlf[len++] = '\r';
        crlf[len++] = log_10_5[i];
    }
    snprintf(plain, sizeof(plain), "%s", read_all(log_10_5, sizeof(log_10_5) - 1));
    CHECK_STR(strstr(read_all(crlf, len), "\ntrap"), strstr(plain, "\ntrap"));
}

/* What an event points to lies within what was given. */
static bool is_within(const struct pnd_str *text, const char *start, size_t len)
{
    return text->len == 0 || (text->at >= start && text->at + text->len <= start + len);
}

static void check_events(const char *text, size_t len)
{
    struct pnd_panic_event e;
    struct pnd_panic_log log;
    size_t events = 0;

    pnd_panic_log_init(&log, text, len);
    while (pnd_panic_log_next(&log, &e)) {
        if (!is_within(&e.text, text, len) || !is_within(&e.name, text, len) ||
            !is_within(&e.version, text, len) || !is_within(&e.uuid, text, len) ||
            e.kind >= PND_PANIC_KINDS ||
            (e.end != 0 && e.kind != PND_PANIC_CORE && e.end < e.start))
            CHECK(!"an event within its bounds");
        if (++events > len)
            break;
    }
    CHECK(events <= len);
}

static void every_truncation_of_every_log_is_read(void)
{
    for (unsigned i = 0; i < PANIC_LOG_SAMPLES; i++)
        for (size_t len = 0; len <= panic_log_samples[i].len; len++) {
            char *exact = malloc(len ? len : 1);

            memcpy(exact, panic_log_samples[i].text, len);
            check_events(exact, len);
            free(exact);
        }
}

static void every_flipped_bit_of_every_log_is_read(void)
{
    for (unsigned i = 0; i < PANIC_LOG_SAMPLES; i++) {
        size_t len = panic_log_samples[i].len;
        char *copy = malloc(len);

        memcpy(copy, panic_log_samples[i].text, len);
        for (size_t bit = 0; bit < 8 * len; bit += 13) {
            copy[bit / 8] = (char)(copy[bit / 8] ^ 1 << bit % 8);
            check_events(copy, len);
            copy[bit / 8] = panic_log_samples[i].text[bit / 8];
        }
        free(copy);
    }
}

/* A line of a megabyte that could be read anew for each of its numbers. */
static void long_lines_take_no_longer_than_short_ones(void)
{
    enum { LEN = 1 << 20 };
    static char text[LEN];
    size_t len = (size_t)snprintf(text, sizeof(text),
                                  "panic(cpu 0 caller 0x1): Kernel trap at 0x1, type "
                                  "14=page fault, registers:\n");

    while (len + 8 < LEN)
        len += (size_t)snprintf(text + len, LEN - len, "x0: 0x1 ");
    check_events(text, len);
    for (size_t i = 0; i + 11 < LEN; i += 10)
        memcpy(text + i, "panic(cpu 0\n", 11);
    check_events(text, LEN);
}

static void names_of_kexts_come_back_in_full(void)
{
    static const char *const names[][2] = {
        {">!AHDA", "com.apple.driver.AppleHDA"},
        {">!UAudio", "com.apple.driver.AppleUSBAudio"},
        {"|IO!S!F", "com.apple.iokit.IOStorageFamily"},
        {"|IO!BHost!CUSBTransport", "com.apple.iokit.IOBluetoothHostControllerUSBTransport"},
        {"$quarantine", "com.apple.security.quarantine"},
        {"@kec.pthread", "com.apple.kec.pthread"},
        {">!A!IPCHPMC", "com.apple.driver.AppleIntelPCHPMC"},
        {"com.example.Apple", "com.example.Apple"},
        {"com.example.x!", "com.example.x!"},
        {"!A", "!A"}, /* the first character is none of a word */
        {"a!Z!", "a!Z!"},
        {"", ""},
    };
    char name[PND_KEXT_NAME_CAP], small[8];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        CHECK_EQ(pnd_kext_name_expand(names[i][0], strlen(names[i][0]), name, sizeof(name)),
                 strlen(names[i][1]));
        CHECK_STR(name, names[i][1]);
    }
    CHECK_EQ(pnd_kext_name_expand(">!AHDA", 6, small, sizeof(small)), 7);
    CHECK_STR(small, "com.app");
}

static void a_log_ends_where_its_text_ends(void)
{
    static const char around[] =
        "\x01junk\0panic(cpu 0 caller 0x1): a\nDebugger message: panic\n\0x";
    struct pnd_str log;
    size_t back = pnd_panic_text_len_back(around, sizeof(around) - 3);

    CHECK_EQ(pnd_panic_text_len(around, sizeof(around)), 0);
    CHECK_EQ(pnd_panic_text_len("abc\n\tx\0", 7), 6);
    CHECK_EQ(pnd_panic_text_len("ab\xc3\xa4\x80", 5), 4);
    CHECK_EQ(pnd_panic_text_len("ab\xc3", 3), 2);
    CHECK_EQ(pnd_panic_text_len_back("\xa4\xc3\xa4z", 4), 3);
    CHECK_EQ(back, sizeof(around) - 3 - 6);
    CHECK(pnd_panic_log_find((struct pnd_str){around + 6, back}, &log));
    CHECK_EQ(log.len, back);
    CHECK(!pnd_panic_log_find((struct pnd_str){"no log\n", 7}, &log));
    CHECK(pnd_panic_log_find((struct pnd_str){log_11, sizeof(log_11) - 1}, &log));
    CHECK_EQ(log.len, sizeof(log_11) - 1);
}

static void a_log_says_more_than_its_copy_in_another(void)
{
    static const char alone[] = "panic(cpu 0 caller 0xffffff8000200000): \"boo\"\n";
    static const char format[] = "panic(cpu %d caller 0x%016lx): ";

    CHECK_EQ(pnd_panic_log_score(format, sizeof(format) - 1), 0);
    CHECK_EQ(pnd_panic_log_score(alone, sizeof(alone) - 1), 1);
    for (unsigned i = 0; i < PANIC_LOG_SAMPLES; i++)
        CHECK(pnd_panic_log_score(panic_log_samples[i].text, panic_log_samples[i].len) >= 8);
}

enum { LOG_AT = 192, STACKSHOT_AT = 4096, REGION = 8192 };

static void put_text(uint8_t *at, const char *text)
{
    while (*text)
        *at++ = (uint8_t)*text++;
}

static void make_embedded(uint8_t region[REGION], const char *log, size_t len)
{
    struct pnd_wr wr = pnd_wr(region + 8, REGION - 8);

    memset(region, 0, REGION);
    pnd_wr_le32(&wr, 6);
    pnd_wr_le64(&wr, 0x1 | 0x20000);
    pnd_wr_le32(&wr, LOG_AT);
    pnd_wr_le32(&wr, (uint32_t)len);
    pnd_wr_le32(&wr, STACKSHOT_AT);
    pnd_wr_le32(&wr, 100);
    put_text(region + 52, "21F79");
    put_text(region + 116, "01020304-0506-0708-090A-0B0C0D0E0F10");
    memcpy(region + LOG_AT, log, len);
    wr = pnd_wr(region, 8);
    pnd_wr_le32(&wr, 0x46554e4b);
    pnd_wr_le32(&wr, pnd_crc32(0, region + 8, REGION - 8));
}

static void a_panic_region_of_the_embedded_kind(void)
{
    static uint8_t bytes[REGION];
    struct pnd_panic_region region;

    make_embedded(bytes, log_watchdog, sizeof(log_watchdog) - 1);
    CHECK(memcmp(bytes, "KNUF", 4) == 0);
    CHECK_EQ(pnd_panic_region_read(bytes, sizeof(bytes), &region), PND_OK);
    CHECK_EQ(region.kind, PND_PANIC_REGION_EMBEDDED);
    CHECK_EQ(region.version, 6);
    CHECK(region.intact);
    CHECK_EQ(region.log.offset, LOG_AT);
    CHECK_EQ(region.log.len, sizeof(log_watchdog) - 1);
    CHECK_STR(region.os_version, "21F79");
    CHECK_STR(region.boot_session, "01020304-0506-0708-090A-0B0C0D0E0F10");
    CHECK_STR(pnd_panic_region_flag(region.kind, 0), "the core dump is complete");
    CHECK_STR(pnd_panic_region_flag(region.kind, 17), "initiated from user space");
    CHECK(!pnd_panic_region_flag(region.kind, 19));
    bytes[REGION - 1] ^= 1;
    CHECK_EQ(pnd_panic_region_read(bytes, sizeof(bytes), &region), PND_OK);
    CHECK(!region.intact);
    CHECK_EQ(pnd_panic_region_read(bytes, LOG_AT + 10, &region), PND_OK);
    CHECK_EQ(region.log.len, 10);
    CHECK_EQ(region.stackshot.len, 0);
}

/* Its header ends where its contents begin; what would stand there is no text of the header. */
static void an_older_region_has_fewer_fields(void)
{
    uint8_t bytes[128] = {'K', 'N', 'U', 'F'};
    struct pnd_panic_region region;
    struct pnd_wr wr = pnd_wr(bytes + 8, sizeof(bytes) - 8);

    pnd_wr_le32(&wr, 1);
    pnd_wr_le64(&wr, 0);
    pnd_wr_le32(&wr, 52);
    pnd_wr_le32(&wr, 40);
    memset(bytes + 52, 'x', 40);
    CHECK_EQ(pnd_panic_region_read(bytes, sizeof(bytes), &region), PND_OK);
    CHECK_STR(region.os_version, "");
    CHECK_EQ(region.log.len, 40);
    bytes[20] = 30; /* within the header */
    CHECK_EQ(pnd_panic_region_read(bytes, sizeof(bytes), &region), PND_E_FORMAT);
}

static void a_panic_region_of_the_other_kind(void)
{
    uint8_t bytes[64] = {0};
    struct pnd_panic_region region;
    struct pnd_wr wr = pnd_wr(bytes + 8, sizeof(bytes) - 8);

    pnd_wr_le32(&wr, 3);
    pnd_wr_le32(&wr, 0);
    pnd_wr_le64(&wr, 0x100);
    pnd_wr_le32(&wr, 56);
    pnd_wr_le32(&wr, 5);
    put_text(bytes + 56, "panic");
    wr = pnd_wr(bytes, 8);
    pnd_wr_le32(&wr, 0x44454544);
    pnd_wr_le32(&wr, pnd_crc32(0, bytes + 8, 56 + 5 - 8));
    CHECK_EQ(pnd_panic_region_read(bytes, sizeof(bytes), &region), PND_OK);
    CHECK_EQ(region.kind, PND_PANIC_REGION_MACOS);
    CHECK(region.intact);
    CHECK_EQ(region.log.offset, 56);
    CHECK_STR(pnd_panic_region_flag(region.kind, 8), "the core dump is complete");
    for (size_t len = 0; len < PND_PANIC_REGION_HEAD; len++)
        CHECK_EQ(pnd_panic_region_read(bytes, len, &region), PND_E_SHORT);
    bytes[0] = 'x';
    CHECK_EQ(pnd_panic_region_read(bytes, sizeof(bytes), &region), PND_E_TYPE);
}

/* The first character in the lowest bits, or in the highest. */
static size_t pack(const char *text, size_t len, bool high_first, uint8_t *ret)
{
    size_t done = 0;

    for (size_t at = 0; at < len; at += 8) {
        uint64_t bits = 0;

        for (unsigned i = 0; i < 8; i++) {
            uint64_t c = at + i < len ? (uint8_t)text[at + i] : 0;

            bits |= c << 7 * (high_first ? 7 - i : i);
        }
        for (unsigned i = 0; i < 7; i++)
            ret[done++] = (uint8_t)(bits >> 8 * (high_first ? 6 - i : i));
    }
    return done;
}

static void a_log_packed_in_seven_bits_is_unpacked(void)
{
    static uint8_t packed[sizeof(log_10_11)];
    static char text[sizeof(log_10_11) + 8];

    for (int high = 0; high < 2; high++) {
        size_t len = pack(log_10_11, sizeof(log_10_11) - 1, high, packed);

        CHECK_EQ(pnd_panic_unpack(packed, len, text, sizeof(text)), sizeof(log_10_11) - 1);
        CHECK_MEM(text, log_10_11, sizeof(log_10_11) - 1);
        CHECK_EQ(pnd_panic_unpack(packed, len, text, 10), 10);
        CHECK_EQ(pnd_panic_unpack(packed, 3, text, sizeof(text)) <= 8, true);
    }
    CHECK_EQ(pnd_panic_unpack(packed, 0, text, sizeof(text)), 0);
}

int main(void)
{
    RUN(a_log_of_10_5_with_four_arguments_in_each_frame);
    RUN(a_log_of_10_11_with_symbols_and_a_slide);
    RUN(a_log_of_11_with_a_kernel_collection);
    RUN(a_log_of_arm64);
    RUN(a_panic_string_of_many_lines_is_one);
    RUN(lines_may_end_as_on_a_terminal);
    RUN(every_truncation_of_every_log_is_read);
    RUN(every_flipped_bit_of_every_log_is_read);
    RUN(long_lines_take_no_longer_than_short_ones);
    RUN(names_of_kexts_come_back_in_full);
    RUN(a_log_ends_where_its_text_ends);
    RUN(a_log_says_more_than_its_copy_in_another);
    RUN(a_panic_region_of_the_embedded_kind);
    RUN(an_older_region_has_fewer_fields);
    RUN(a_panic_region_of_the_other_kind);
    RUN(a_log_packed_in_seven_bits_is_unpacked);
    return tap_done();
}
