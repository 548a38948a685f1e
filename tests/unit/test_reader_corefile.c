/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A disk corefile as a dump: every version, every way its files are stored, cut anywhere, damaged
 * anywhere. @source PROTOCOL.md#kdp-7.1 */
#include "facts/facts.h"
#include "unit/check_fixture.h"

enum {
    PLACE_LEN = 0x10000,
    LOG_AT = 0x1000,
    KERNEL_AT = 0x2000,
    OTHER_AT = 0xa000,
    OTHER_LEN = 0x900,
    ENTRY_V2 = 40,
    GZIP = 1 << 8,
    LZ4 = 1 << 9,
    ENCRYPTED = 1,
};

static const char log_text[] = "panic(cpu 1 caller 0xffffff8000200123): \"boom\"@x.c:1\n"
                               "Backtrace (CPU 1), Frame : Return Address\n"
                               "0xffffff8000000010 : 0xffffff8000234567 \n\n"
                               "Mac OS version:\n21A559\n\n";

struct place {
    uint8_t bytes[PLACE_LEN];
    size_t len, kernel_len;
};

static size_t put_gzip(uint8_t *at, const uint8_t *data, size_t len)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)len};

    z.next_out = at;
    z.avail_out = OTHER_AT - KERNEL_AT;
    deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY);
    if (deflate(&z, Z_FINISH) != Z_STREAM_END)
        abort();
    deflateEnd(&z);
    return z.total_out;
}

/* Apple's framing with stored blocks. */
static size_t put_lz4(uint8_t *at, const uint8_t *data, size_t len)
{
    memcpy(at, "bv4-", 4);
    set_le(at + 4, len, 4);
    memcpy(at + 8, data, len);
    memcpy(at + 8 + len, "bv4$", 4);
    return len + 12;
}

static void put_entry(uint8_t *at, uint64_t flags, uint64_t offset, uint64_t len, const char *name)
{
    set_le(at, flags, 8);
    set_le(at + 8, offset, 8);
    set_le(at + 16, len, 8);
    memset(at + 24, 0, 16);
    memcpy(at + 24, name, strlen(name));
}

/* The log, the core of make_macho() as "kernel", and noise as "other". */
static void make(struct place *place, unsigned version, uint64_t packing)
{
    uint8_t core[MACHO_LEN], *at = place->bytes;

    memset(place, 0, sizeof(*place));
    make_macho(core);
    memcpy(at + LOG_AT, log_text, sizeof(log_text) - 1);
    fill_noise(at + OTHER_AT, OTHER_LEN);
    if (packing == GZIP)
        place->kernel_len = put_gzip(at + KERNEL_AT, core, sizeof(core));
    else if (packing == LZ4)
        place->kernel_len = put_lz4(at + KERNEL_AT, core, sizeof(core));
    else
        memcpy(at + KERNEL_AT, core, place->kernel_len = sizeof(core));
    place->len = version == 0 ? KERNEL_AT + place->kernel_len : OTHER_AT + OTHER_LEN;
    memcpy(at,
           version == 0   ? "Sad Mac"
           : version == 1 ? "Rad Mac"
                          : "Boss Mac",
           version == 2 ? 8 : 7);
    if (version == 2) {
        set_le(at + 8, 2, 4);
        set_le(at + 40, LOG_AT, 8);
        set_le(at + 48, sizeof(log_text) - 1, 8);
        set_le(at + 56, 2, 8);
        put_entry(at + 64, packing, KERNEL_AT, place->kernel_len, "kernel");
        put_entry(at + 64 + ENTRY_V2, 0, OTHER_AT, OTHER_LEN, "other");
        return;
    }
    set_le(at + 8, LOG_AT, 8);
    set_le(at + 16, sizeof(log_text) - 1, 8);
    set_le(at + 24, version == 0 ? KERNEL_AT : 2, 8);
    set_le(at + 32, version == 0 ? place->kernel_len : KERNEL_AT, 8);
    if (version == 1) {
        set_le(at + 40, place->kernel_len, 8);
        memcpy(at + 48, "kernel", 6);
        set_le(at + 64, OTHER_AT, 8);
        set_le(at + 72, OTHER_LEN, 8);
        memcpy(at + 80, "other", 5);
    }
}

static struct pnd_check look(const void *bytes, size_t len, struct pnd_facts *facts)
{
    struct pnd_check check = {0};
    struct pnd_why why = {0};
    int fd = memfd_create("corefile", MFD_CLOEXEC);

    if (fd < 0 || (len && write(fd, bytes, len) != (ssize_t)len))
        abort();
    if (pnd_check_file(fd, NULL, NULL, &check, facts, &why) != PND_OK)
        abort();
    close(fd);
    return check;
}

static void every_version_is_whole_and_says_what_its_log_and_its_core_say(void)
{
    static const struct {
        unsigned version;
        uint64_t packing;
    } kinds[] = {{0, 0}, {0, GZIP}, {1, 0}, {1, GZIP}, {2, 0}, {2, GZIP}, {2, LZ4}};
    struct place place;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        struct pnd_facts facts = {0};
        struct pnd_check check;

        make(&place, kinds[i].version, kinds[i].packing);
        check = look(place.bytes, place.len, &facts);
        CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
        CHECK_STR(check.format, "corefile");
        CHECK_STR(check.note, "");
        CHECK_STR(pnd_facts_text(&facts, PND_FACT_OS_VERSION), "21A559");
        CHECK_STR(pnd_facts_text(&facts, PND_FACT_ARCH), "x86_64");
        CHECK(strstr(pnd_facts_text(&facts, PND_FACT_PANIC), "boom"));
        CHECK_EQ(facts.frame_count, 1);
        CHECK(facts.log && strncmp(facts.log, log_text, 40) == 0);
        pnd_facts_deinit(&facts);
    }
}

static void every_cut_is_missed(void)
{
    static const unsigned versions[] = {0, 1, 2};
    struct place place;

    for (size_t i = 0; i < 3; i++) {
        uint32_t random = 7;

        make(&place, versions[i], GZIP);
        for (unsigned n = 0; n < 300; n++) {
            struct pnd_facts facts = {0};
            struct pnd_check check;
            size_t len;

            random = random * 1664525 + 1013904223;
            len = n < 100 ? n + 8 : (size_t)((uint64_t)random * place.len >> 32);
            if (len < 8)
                continue;
            check = look(place.bytes, len, &facts);
            CHECK_STR(check.format, "corefile");
            CHECK_EQ(check.verdict, PND_VERDICT_INCOMPLETE);
            CHECK(check.missing_count > 0 && check.missing[0].start >= len);
            pnd_facts_deinit(&facts);
        }
        CHECK_EQ(look(place.bytes, place.len, NULL).verdict, PND_VERDICT_COMPLETE);
    }
}

static void a_packed_file_that_is_damaged_is_found_and_the_place_named(void)
{
    struct place place;
    uint32_t random = 3;

    make(&place, 2, GZIP);
    for (unsigned n = 0; n < 100; n++) {
        size_t at;
        struct pnd_check check;

        random = random * 1664525 + 1013904223;
        at = KERNEL_AT + 10 + (size_t)((uint64_t)random * (place.kernel_len - 10) >> 32);
        place.bytes[at] ^= (uint8_t)(1 << n % 8);
        check = look(place.bytes, place.len, NULL);
        CHECK_EQ(check.verdict, PND_VERDICT_CORRUPT);
        CHECK(check.offset >= KERNEL_AT && check.offset <= KERNEL_AT + place.kernel_len);
        CHECK(strstr(check.reason, "the file kernel in it"));
        place.bytes[at] ^= (uint8_t)(1 << n % 8);
    }
    make(&place, 2, LZ4);
    place.bytes[KERNEL_AT + place.kernel_len - 1] = '?'; /* no end of blocks */
    CHECK_EQ(look(place.bytes, place.len, NULL).verdict, PND_VERDICT_CORRUPT);
}

static void no_bit_of_the_header_makes_it_crash_or_lie_about_its_size(void)
{
    static const unsigned versions[] = {0, 1, 2};
    struct place place;

    for (size_t i = 0; i < 3; i++) {
        make(&place, versions[i], GZIP);
        for (unsigned bit = 0; bit < 8 * (64 + 2 * ENTRY_V2); bit += 3) {
            struct pnd_facts facts = {0};
            struct pnd_check check;

            place.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            check = look(place.bytes, place.len, &facts);
            CHECK_EQ(check.content_bytes, place.len);
            CHECK(check.verdict != PND_VERDICT_CORRUPT || check.offset <= place.len);
            pnd_facts_deinit(&facts);
            place.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}

static void what_lies_nowhere_is_a_contradiction(void)
{
    struct place place;
    struct pnd_check check;

    make(&place, 2, 0);
    set_le(place.bytes + 64 + 8, UINT64_MAX - 5, 8);
    check = look(place.bytes, place.len, NULL);
    CHECK_EQ(check.verdict, PND_VERDICT_CORRUPT);
    CHECK(strstr(check.reason, "entry 0 of the header"));
    make(&place, 2, 0);
    set_le(place.bytes + 56, 65, 8); /* more files than there are entries */
    CHECK_EQ(look(place.bytes, place.len, NULL).verdict, PND_VERDICT_CORRUPT);
    make(&place, 2, 0);
    memset(place.bytes + 64 + 24, 0, 16); /* no name */
    CHECK(strstr(look(place.bytes, place.len, NULL).reason, "without a name"));
}

static void files_that_lie_in_each_other_are_a_contradiction(void)
{
    struct place place;
    struct pnd_check check;

    make(&place, 2, 0);
    set_le(place.bytes + 64 + ENTRY_V2 + 8, KERNEL_AT + place.kernel_len - 1, 8);
    check = look(place.bytes, place.len, NULL);
    CHECK_EQ(check.verdict, PND_VERDICT_CORRUPT);
    CHECK_STR(check.reason, "the files kernel and other in it lie in each other");
    set_le(place.bytes + 64 + ENTRY_V2 + 8, KERNEL_AT + place.kernel_len, 8);
    CHECK_EQ(look(place.bytes, place.len, NULL).verdict, PND_VERDICT_COMPLETE);
}

static void what_is_encrypted_is_said_to_be_so_and_not_looked_into(void)
{
    struct pnd_facts facts = {0};
    struct place place;
    struct pnd_check check;

    make(&place, 2, GZIP);
    set_le(place.bytes + 64, GZIP | ENCRYPTED, 8);
    memset(place.bytes + KERNEL_AT, 0x5a, place.kernel_len);
    check = look(place.bytes, place.len, &facts);
    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
    CHECK_STR(check.note, "1 of its 2 files is encrypted (AEA), and cannot be looked into");
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_ARCH), "");
    pnd_facts_deinit(&facts);

    make(&place, 2, GZIP);
    set_le(place.bytes + 16, ENCRYPTED, 8); /* the log */
    facts = (struct pnd_facts){0};
    check = look(place.bytes, place.len, &facts);
    CHECK_STR(check.note, "its log is encrypted (AEA)");
    CHECK(!facts.log);
    pnd_facts_deinit(&facts);
}

static void a_version_that_is_not_known_is_no_verdict(void)
{
    struct place place;
    struct pnd_check check;

    make(&place, 2, 0);
    set_le(place.bytes + 8, 3, 4);
    check = look(place.bytes, place.len, NULL);
    CHECK_STR(check.format, "corefile");
    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
    CHECK(strstr(check.note, "version that is not known"));
}

static void a_dump_that_was_never_finished_is_incomplete(void)
{
    struct place place;
    struct pnd_check check;

    make(&place, 2, 0);
    set_le(place.bytes + 48, 0, 8);
    set_le(place.bytes + 56, 0, 8);
    check = look(place.bytes, place.len, NULL);
    CHECK_EQ(check.verdict, PND_VERDICT_INCOMPLETE);
    CHECK(strstr(check.reason, "did not finish its dump"));
}

static void a_corefile_within_gzip_is_read_as_well(void)
{
    static uint8_t packed[PLACE_LEN];
    struct pnd_facts facts = {0};
    struct place place;
    struct pnd_check check;
    uLongf len = sizeof(packed);
    z_stream z = {.next_out = packed, .avail_out = sizeof(packed)};

    for (unsigned damaged = 0; damaged < 2; damaged++) {
        make(&place, 2, GZIP);
        place.bytes[KERNEL_AT + 100] ^= (uint8_t)(damaged * 0x10);
        z = (z_stream){.next_in = place.bytes, .avail_in = (uInt)place.len, .next_out = packed};
        z.avail_out = (uInt)len;
        deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY);
        if (deflate(&z, Z_FINISH) != Z_STREAM_END)
            abort();
        deflateEnd(&z);
        facts = (struct pnd_facts){0};
        check = look(packed, z.total_out, &facts);
        CHECK_STR(check.format, "gzip+corefile");
        CHECK_EQ(check.verdict, damaged ? PND_VERDICT_CORRUPT : PND_VERDICT_COMPLETE);
        CHECK_STR(pnd_facts_text(&facts, PND_FACT_OS_VERSION), "21A559");
        pnd_facts_deinit(&facts);
    }
}

int main(void)
{
    RUN(every_version_is_whole_and_says_what_its_log_and_its_core_say);
    RUN(every_cut_is_missed);
    RUN(a_packed_file_that_is_damaged_is_found_and_the_place_named);
    RUN(no_bit_of_the_header_makes_it_crash_or_lie_about_its_size);
    RUN(what_lies_nowhere_is_a_contradiction);
    RUN(files_that_lie_in_each_other_are_a_contradiction);
    RUN(what_is_encrypted_is_said_to_be_so_and_not_looked_into);
    RUN(a_version_that_is_not_known_is_no_verdict);
    RUN(a_dump_that_was_never_finished_is_incomplete);
    RUN(a_corefile_within_gzip_is_read_as_well);
    return tap_done();
}
