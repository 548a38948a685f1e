/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The writer of the disk corefile on a disk that is cut off at every operation, that fails at
 * every operation, that is full, small, large, or held something else before. What it leaves is
 * read by the reader of the header. */
#include "corefile_disk.h"
#include "panicd/corefile.h"
#include "tap.h"
#include "wire/corefile.h"

enum {
    KIB = 1024,
    FILES_CAP = PND_COREFILE_FILES_CAP + 4,
    LOGS_CAP = 4,
    LOG_CAP = 64 * KIB,
    CUTS = 12, /* tries of what the cache lost, for each cut */
};

/* What was written, and during which operations of the disk. */
struct file_fact {
    const uint8_t *bytes;
    size_t len;
    enum pnd_corefile_packing packing;
    int asked; /* the first operation of its end */
    int whole; /* the one behind it, when the end succeeded */
};

struct log_fact {
    size_t len;
    int asked, done;
};

struct story {
    struct pnd_corefile corefile;
    int opened;
    unsigned file_count, log_count;
    struct file_fact files[FILES_CAP];
    struct log_fact logs[LOGS_CAP];
    size_t arena_used;
    uint8_t arena[DISK_CAP]; /* the bytes of all files */
};

static struct disk disk;
static struct story story;
static uint8_t bytes_buf[DISK_CAP];
static const uint8_t zeros[DISK_PIECE];
static const uint32_t sectors[] = {512, 1024, 4096};

static const uint8_t *bytes_of(unsigned id, size_t len)
{
    for (size_t i = 0; i < len; i++)
        bytes_buf[i] = (uint8_t)(id * 37 + i * 11 + (i >> 8) * 3 + 1);
    return bytes_buf;
}

static void story_begin(void)
{
    memset(&story, 0xa5, sizeof(story.corefile)); /* any memory will do */
    story.opened = DISK_NEVER;
    story.file_count = story.log_count = 0;
    story.arena_used = 0;
}

static int story_open(uint64_t log_len)
{
    int err = pnd_corefile_open(&story.corefile, &disk.disk, log_len);

    story.opened = err == PND_OK ? disk.count : DISK_NEVER;
    return err;
}

/* Writes file "file-N" in pieces that fit no sector. */
static int story_file(size_t len, enum pnd_corefile_packing packing)
{
    unsigned id = story.file_count++;
    struct file_fact *fact = &story.files[id];
    uint8_t *bytes = story.arena + story.arena_used;
    struct pnd_sink sink;
    char name[PND_COREFILE_NAME_CAP];
    int err;

    if (len > sizeof(story.arena) - story.arena_used)
        abort(); /* the test is too long for the model */
    memcpy(bytes, bytes_of(id, len), len);
    story.arena_used += len;
    *fact = (struct file_fact){bytes, len, packing, DISK_NEVER, DISK_NEVER};
    snprintf(name, sizeof(name), "file-%u", id);
    err = pnd_corefile_begin(&story.corefile, name, packing);
    if (err != PND_OK)
        return err;
    pnd_corefile_sink(&story.corefile, &sink);
    for (size_t at = 0, part = 1; at < len && err == PND_OK; at += part, part = part * 5 + 1) {
        if (part > len - at)
            part = len - at;
        err = sink.write(sink.ctx, bytes + at, part);
    }
    if (err != PND_OK)
        return err;
    fact->asked = disk.count;
    err = sink.end(sink.ctx);
    if (err == PND_OK)
        fact->whole = disk.count;
    return err;
}

/* Log N: bytes of 'a' + N, then of 'A' + N. @p kept is how much of it fits. */
static int story_log(size_t log_len, size_t other_len, size_t kept)
{
    static char log[LOG_CAP], other[LOG_CAP];
    unsigned id = story.log_count++;
    int err;

    memset(log, 'a' + (int)id, sizeof(log));
    memset(other, 'A' + (int)id, sizeof(other));
    story.logs[id] = (struct log_fact){kept, disk.count, DISK_NEVER};
    err = pnd_corefile_log(&story.corefile, log, log_len, other, other_len);
    if (err == PND_OK)
        story.logs[id].done = disk.count;
    return err;
}

/* The log is one of those that were written, whole; none only while one is being written. */
static bool log_is_right(const struct pnd_corefile_header *header, int at)
{
    const uint8_t *text = disk.cut + header->log_offset;
    bool lower = true;
    unsigned id, last = story.log_count;

    while (last > 0 && story.logs[last - 1].asked >= at)
        last--;
    if (header->log_length == 0)
        return last == 0 || story.logs[last - 1].done == DISK_NEVER ||
               story.logs[last - 1].done > at || story.logs[last - 1].len == 0;
    id = (unsigned)(text[0] - (text[0] >= 'a' ? 'a' : 'A'));
    if (id >= last || header->log_length != story.logs[id].len)
        return false;
    for (unsigned newer = id + 1; newer < last; newer++)
        if (story.logs[newer].done != DISK_NEVER && story.logs[newer].done <= at)
            return false;
    for (uint64_t i = 0; i < header->log_length; i++) {
        lower = lower && text[i] == 'a' + id;
        if (!lower && text[i] != 'A' + id)
            return false;
    }
    return true;
}

/* @return the number of the file that entry @p index names, when its bytes are right; or -1 */
static int file_of_entry(const struct pnd_corefile_header *header, uint32_t index)
{
    struct pnd_corefile_entry entry;
    uint64_t end, padding;
    unsigned long id;

    if (pnd_corefile_entry(header, disk.cut, PND_COREFILE_HEADER_BYTES, index, &entry) != PND_OK ||
        strncmp(entry.name, "file-", 5) != 0)
        return -1;
    id = strtoul(entry.name + 5, NULL, 10);
    if (id >= story.file_count)
        return -1;
    if (entry.flags != (uint64_t)story.files[id].packing || entry.length != story.files[id].len ||
        entry.offset % PND_COREFILE_ALIGN != 0)
        return -1;
    if (memcmp(disk.cut + entry.offset, story.files[id].bytes, entry.length) != 0)
        return -1;
    /* Nothing of the memory's past behind it. */
    end = entry.offset + entry.length;
    padding = (disk.disk.sector_bytes - end % disk.disk.sector_bytes) % disk.disk.sector_bytes;
    if (memcmp(disk.cut + end, zeros, padding) != 0)
        return -1;
    return (int)id;
}

/* What the place must hold after a cut before operation @p at; NULL, or what is wrong. */
static const char *cut_is_wrong(int at)
{
    struct pnd_corefile_header header;
    unsigned expected = 0; /* files from it on were not seen */
    size_t sector = disk.disk.sector_bytes;

    if ((story.opened == DISK_NEVER || story.opened > at) &&
        memcmp(disk.cut, disk.first, sector) == 0)
        return memcmp(disk.cut, disk.first, disk.disk.bytes) == 0 ? NULL : "half of the old";
    if (pnd_corefile_read(disk.cut, PND_COREFILE_HEADER_BYTES, disk.disk.bytes, &header) != PND_OK)
        return "no valid header";
    if (header.generation != PND_COREFILE_V2 || header.log_offset != 4096)
        return "another header";
    for (uint32_t i = 0; i <= header.files; i++) {
        int id = i < header.files ? file_of_entry(&header, i) : (int)story.file_count;

        if (id < (int)expected)
            return "a name without its bytes, or a file of before";
        for (; expected < (unsigned)id; expected++) {
            const struct file_fact *lost = &story.files[expected];

            if (lost->whole != DISK_NEVER && lost->whole <= at)
                return "a whole file is lost";
        }
        if (i < header.files && (story.files[id].asked == DISK_NEVER || story.files[id].asked > at))
            return "a file is named before its end";
        expected++;
    }
    return log_is_right(&header, at) ? NULL : "another log";
}

static void check_cut(int at, const char *how)
{
    const char *wrong = cut_is_wrong(at);

    if (wrong && tap_ok)
        printf("# sector %u, fails at %d, cut before operation %d of %d, %s: %s\n",
               disk.disk.sector_bytes, disk.fail_at, at, disk.count, how, wrong);
    CHECK(!wrong);
}

/* Every operation, every sector of its write, and orders drawn by lot. */
static void check_cut_at(int at, int tries)
{
    int from = disk_settle(&disk, at);
    size_t last = at > 0 ? disk.ops[at - 1].len / disk.disk.sector_bytes : 0;

    for (size_t n = 0; n <= last; n++) {
        disk_cut_in_order(&disk, from, at, n);
        check_cut(at, "in order");
    }
    for (int i = 0; i < tries && from < at; i++) {
        disk_cut(&disk, from, at);
        check_cut(at, "reordered");
    }
}

static void check_every_cut(int tries)
{
    CHECK(!disk.bad);
    for (int at = 0; at <= disk.count && tap_ok; at++)
        check_cut_at(at, tries);
}

/* After the last operation, with all that was written. */
static void check_end(void)
{
    disk_settle(&disk, disk.count);
    disk_cut_in_order(&disk, 0, disk.count, SIZE_MAX / DISK_PIECE);
    check_cut(disk.count, "at the end");
}

/* A dump as it comes: a log, a few files of odd sizes, a longer log, one more. */
static int tell_a_dump(void)
{
    static const size_t lens[] = {0, 1, 511, 512, 4096, 4097, 20001};
    int err = story_open(5000), first = PND_OK;

    if (err != PND_OK)
        return err;
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        err = story_file(lens[i], i % 2 ? PND_COREFILE_LZ4 : PND_COREFILE_GZIP);
        first = first != PND_OK ? first : err;
        if (i == 1)
            err = story_log(4000, 30, 4030);
        first = first != PND_OK ? first : err;
    }
    err = story_log(5000, 7000, 12000);
    first = first != PND_OK ? first : err;
    err = story_file(700, PND_COREFILE_RAW);
    return first != PND_OK ? first : err;
}

static void a_cut_at_any_sector_in_any_order_leaves_the_files_that_were_whole(void)
{
    for (size_t i = 0; i < sizeof(sectors) / sizeof(sectors[0]); i++) {
        disk_init(&disk, sectors[i], 128 * KIB);
        story_begin();
        CHECK_EQ(tell_a_dump(), PND_OK);
        check_every_cut(CUTS * 4);
        check_end();
    }
}

static void sixty_four_files_fit_and_the_next_is_refused(void)
{
    for (size_t i = 0; i < sizeof(sectors) / sizeof(sectors[0]); i++) {
        uint32_t files;

        disk_init(&disk, sectors[i], 512 * KIB);
        story_begin();
        CHECK_EQ(story_open(0), PND_OK);
        for (unsigned n = 0; n < PND_COREFILE_FILES_CAP; n++)
            CHECK_EQ(story_file(n * 50, PND_COREFILE_LZ4), PND_OK);
        CHECK_EQ(story_file(1, PND_COREFILE_RAW), PND_E_FULL);
        CHECK_EQ(story_log(100, 9, 9), PND_OK); /* no room was kept for the first part */
        pnd_corefile_used(&story.corefile, &files);
        CHECK_EQ(files, PND_COREFILE_FILES_CAP);
        check_every_cut(CUTS);
        check_end();
    }
}

/* What an older dump left: 2 is this version with @p files, 1 the one before, 0 noise. */
static void leave_an_old_dump(int version, unsigned files)
{
    if (version == 2) {
        story_begin();
        CHECK_EQ(story_open(10), PND_OK);
        for (unsigned n = 0; n < files; n++)
            CHECK_EQ(story_file(3000, PND_COREFILE_RAW), PND_OK);
        CHECK_EQ(story_log(10, 10, 20), PND_OK);
        disk_restart(&disk);
        return;
    }
    for (size_t i = 0; i < disk.disk.bytes; i++)
        disk.first[i] = (uint8_t)disk_random(&disk);
    if (version == 1) {
        memcpy(disk.first, "Rad Mac", 8);
        memset(disk.first + 8, 0, 544 - 8);
        disk.first[24] = 16;
    }
}

static void an_older_dump_is_whole_or_gone(void)
{
    static const struct {
        int version;
        unsigned files;
    } olds[] = {{2, 3}, {2, 64}, {1, 16}, {0, 0}};

    for (size_t i = 0; i < sizeof(olds) / sizeof(olds[0]); i++) {
        for (size_t k = 0; k < sizeof(sectors) / sizeof(sectors[0]); k++) {
            disk_init(&disk, sectors[k], 384 * KIB);
            leave_an_old_dump(olds[i].version, olds[i].files);
            story_begin();
            CHECK_EQ(tell_a_dump(), PND_OK);
            check_every_cut(CUTS);
            check_end();
        }
    }
}

static void any_operation_of_the_disk_may_fail(void)
{
    for (size_t i = 0; i < sizeof(sectors) / sizeof(sectors[0]); i++) {
        int count = 1;

        for (int n = 0; n < 2 * count && tap_ok; n++) {
            int err;

            disk_init(&disk, sectors[i], 128 * KIB);
            leave_an_old_dump(2, 3);
            disk.fail_at = n / 2;
            disk.fail_ever = n % 2;
            disk.seed = (uint64_t)n + 1;
            story_begin();
            err = tell_a_dump();
            if (n == 0) {
                CHECK_EQ(err, PND_E_SYS);
                CHECK_EQ(disk.count, 1); /* and nothing is written after that */
                count = 60;
            }
            CHECK(err == (disk.fail_at < disk.count ? PND_E_SYS : PND_OK));
            for (int at = 0; at <= disk.count && tap_ok; at += at < disk.fail_at ? 7 : 1)
                check_cut_at(at, 4);
            if (err == PND_OK) {
                CHECK(n > 60); /* a dump has more than thirty operations, and each one failed */
                break;
            }
        }
    }
}

static void a_panic_within_any_operation_can_still_write_its_log(void)
{
    for (volatile size_t i = 0; i < sizeof(sectors) / sizeof(sectors[0]); i++) {
        volatile bool more = true;

        for (volatile int n = 3; more && tap_ok; n++) { /* the three before are those of open */
            disk_init(&disk, sectors[i], 128 * KIB);
            leave_an_old_dump(2, 3);
            story_begin();
            disk.fault_at = n + (sectors[i] < 4096);
            if (setjmp(disk.fault) == 0) {
                tell_a_dump();
                more = false;
                CHECK(n > 30);
                continue;
            }
            CHECK_EQ(story_log(3000, 50, 3050), PND_OK);
            CHECK_EQ(story_file(5000, PND_COREFILE_RAW), PND_OK);
            for (int at = disk.fault_at; at <= disk.count && tap_ok; at++)
                check_cut_at(at, CUTS);
            check_end();
        }
    }
}

static void a_header_that_could_not_be_written_is_made_good_by_the_next(void)
{
    uint32_t files;

    disk_init(&disk, 512, 128 * KIB);
    story_begin();
    CHECK_EQ(story_open(0), PND_OK);
    CHECK_EQ(story_file(100, PND_COREFILE_RAW), PND_OK);
    disk.fail_at = disk.count + 2; /* the data and its flush succeed */
    CHECK_EQ(story_file(200, PND_COREFILE_RAW), PND_E_SYS);
    CHECK_EQ(disk.count, disk.fail_at + 1);
    pnd_corefile_used(&story.corefile, &files);
    CHECK_EQ(files, 2);
    CHECK_EQ(story_file(300, PND_COREFILE_RAW), PND_OK);
    story.files[1].whole = disk.count;
    check_end();
}

static void a_failed_open_leaves_nothing_that_can_be_used(void)
{
    struct pnd_sink sink;
    uint32_t files;
    int count;

    for (int fail = 0; fail < 4; fail++) {
        disk_init(&disk, 512, 128 * KIB);
        disk.fail_at = fail;
        story_begin();
        CHECK_EQ(story_open(0), PND_E_SYS);
        count = disk.count;
        CHECK_EQ(pnd_corefile_begin(&story.corefile, "kernel", PND_COREFILE_RAW), PND_E_ARG);
        CHECK_EQ(pnd_corefile_log(&story.corefile, "x", 1, NULL, 0), PND_E_ARG);
        pnd_corefile_sink(&story.corefile, &sink);
        CHECK_EQ(sink.write(sink.ctx, "x", 1), PND_E_ARG);
        CHECK_EQ(sink.end(sink.ctx), PND_E_ARG);
        CHECK_EQ(pnd_corefile_used(&story.corefile, &files), 0);
        CHECK_EQ(files, 0);
        CHECK_EQ(disk.count, count);
    }
}

static void a_full_place_keeps_the_files_before_and_takes_a_shorter_one(void)
{
    disk_init(&disk, 512, PND_COREFILE_BYTES_MIN + 4095); /* the last 4095 are not used */
    story_begin();
    CHECK_EQ(story_open(1), PND_OK); /* files from 24576 on: ten pages */
    CHECK_EQ(story_file(5000, PND_COREFILE_RAW), PND_OK);
    CHECK_EQ(story_file(32769, PND_COREFILE_RAW), PND_E_NOSPACE);
    CHECK_EQ(story_file(32768, PND_COREFILE_RAW), PND_OK); /* to the last byte */
    CHECK_EQ(story_file(1, PND_COREFILE_RAW), PND_E_NOSPACE);
    CHECK_EQ(story_log(1, 5, 6), PND_OK);
    check_every_cut(CUTS);
    check_end();
}

static void after_an_error_a_file_takes_nothing_more(void)
{
    struct pnd_sink sink;

    disk_init(&disk, 512, PND_COREFILE_BYTES_MIN);
    story_begin();
    CHECK_EQ(story_open(0), PND_OK);
    pnd_corefile_sink(&story.corefile, &sink);
    CHECK_EQ(sink.write(sink.ctx, "x", 1), PND_E_ARG); /* none is begun */
    CHECK_EQ(pnd_corefile_begin(&story.corefile, "kernel", PND_COREFILE_RAW), PND_OK);
    CHECK_EQ(sink.write(sink.ctx, NULL, 0), PND_OK);
    CHECK_EQ(sink.write(sink.ctx, bytes_of(1, 65536), 65536), PND_E_NOSPACE);
    CHECK_EQ(sink.write(sink.ctx, "x", 1), PND_E_ARG);
    CHECK_EQ(sink.end(sink.ctx), PND_E_ARG);
    CHECK_EQ(pnd_corefile_begin(&story.corefile, "kernel", PND_COREFILE_RAW), PND_OK);
    disk.fail_at = disk.count;
    CHECK_EQ(sink.write(sink.ctx, bytes_of(1, 4096), 4096), PND_E_SYS);
    CHECK_EQ(sink.write(sink.ctx, "x", 1), PND_E_ARG);
    CHECK_EQ(sink.end(sink.ctx), PND_E_ARG);
    check_end();
}

static void logs_are_cut_to_the_room_that_was_kept(void)
{
    disk_init(&disk, 512, PND_COREFILE_BYTES_MIN);
    story_begin();
    CHECK_EQ(story_open(3000), PND_OK);
    CHECK_EQ(story_file(20000, PND_COREFILE_RAW), PND_OK);
    CHECK_EQ(story_log(LOG_CAP, LOG_CAP, 3000 + 16384), PND_OK);
    CHECK_EQ(story_log(0, LOG_CAP, 16384), PND_OK);
    CHECK_EQ(story_log(2999, 0, 2999), PND_OK);
    CHECK_EQ(story_log(0, 0, 0), PND_OK);
    check_every_cut(CUTS);
    check_end();
}

static void a_file_that_was_not_ended_is_forgotten(void)
{
    struct pnd_sink sink;
    uint64_t used;
    uint32_t files;

    disk_init(&disk, 512, 128 * KIB);
    story_begin();
    CHECK_EQ(story_open(0), PND_OK);
    CHECK_EQ(pnd_corefile_used(&story.corefile, &files), 4096);
    CHECK_EQ(pnd_corefile_begin(&story.corefile, "lost", PND_COREFILE_RAW), PND_OK);
    pnd_corefile_sink(&story.corefile, &sink);
    CHECK_EQ(sink.write(sink.ctx, bytes_of(9, 30000), 30000), PND_OK);
    CHECK_EQ(story_file(10, PND_COREFILE_RAW), PND_OK);
    CHECK_EQ(pnd_corefile_begin(&story.corefile, "lost", PND_COREFILE_RAW), PND_OK);
    CHECK_EQ(sink.write(sink.ctx, bytes_of(9, 30000), 30000), PND_OK);
    CHECK_EQ(story_log(0, 10, 10), PND_OK);
    CHECK_EQ(sink.write(sink.ctx, "x", 1), PND_E_ARG); /* it went with the log */
    CHECK_EQ(sink.end(sink.ctx), PND_E_ARG);
    used = pnd_corefile_used(&story.corefile, &files);
    CHECK_EQ(used, 20480 + 4096);
    CHECK_EQ(files, 1);
    check_every_cut(CUTS);
    check_end();
}

static void places_and_names_that_cannot_be_are_refused(void)
{
    static const uint32_t bad_sectors[] = {0, 1, 256, 513, 768, 8192};

    for (size_t i = 0; i < sizeof(bad_sectors) / sizeof(bad_sectors[0]); i++) {
        disk_init(&disk, bad_sectors[i], 128 * KIB);
        CHECK_EQ(story_open(0), PND_E_ARG);
    }
    disk_init(&disk, 512, PND_COREFILE_BYTES_MIN - 1);
    CHECK_EQ(story_open(0), PND_E_NOSPACE);
    disk_init(&disk, 512, PND_COREFILE_BYTES_MIN);
    CHECK_EQ(story_open(UINT64_MAX), PND_E_ARG);
    CHECK_EQ(story_open(UINT64_MAX - 20000), PND_E_ARG);
    CHECK_EQ(story_open(65536 - 20480 + 1), PND_E_ARG);
    CHECK_EQ(disk.count, 0);
    CHECK_EQ(story_open(65536 - 20480), PND_OK); /* a place for a log alone */
    CHECK_EQ(pnd_corefile_begin(&story.corefile, "kernel", PND_COREFILE_RAW), PND_E_NOSPACE);
    CHECK_EQ(story_open(0), PND_OK);
    CHECK_EQ(pnd_corefile_begin(&story.corefile, "", PND_COREFILE_RAW), PND_E_NAME);
}

/* A disk that holds only what was written to it last, as far as there is room: for offsets that
 * no array reaches. */
struct wide_disk {
    unsigned count;
    uint64_t offsets[64];
    uint8_t pages[64][4096];
};

static int wide_write(void *ctx, uint64_t offset, const void *buf, size_t len)
{
    struct wide_disk *wide = ctx;
    unsigned i = 0;

    if (offset % 512 != 0 || offset % 4096 + len > 4096)
        return PND_E_ARG;
    while (i < wide->count && wide->offsets[i] != offset - offset % 4096)
        i++;
    if (i == 64)
        return PND_E_FULL;
    if (i == wide->count)
        wide->offsets[wide->count++] = offset - offset % 4096;
    memcpy(wide->pages[i] + offset % 4096, buf, len);
    return PND_OK;
}

static int wide_flush(void *ctx)
{
    (void)ctx;
    return PND_OK;
}

static const uint8_t *wide_page(const struct wide_disk *wide, uint64_t offset)
{
    for (unsigned i = 0; i < wide->count; i++)
        if (wide->offsets[i] == offset)
            return wide->pages[i];
    return NULL;
}

/* Files in the last 64 KiB of a place: of the usual size, and beyond what 32 bits can say. */
static void offsets_are_exact_to_the_end_of_large_places(void)
{
    static const uint64_t places[] = {655360000, UINT64_C(5) << 30, (UINT64_C(1) << 43) + 4096};
    static struct wide_disk wide;

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        const struct pnd_disk on_wide = {&wide, 512, places[i], wide_write, wide_flush};
        uint64_t start = places[i] - 65536;
        struct pnd_corefile_header header = {0};
        struct pnd_corefile_entry entry = {0};
        struct pnd_sink sink;
        const uint8_t *head;

        memset(&wide, 0, sizeof(wide));
        CHECK_EQ(pnd_corefile_open(&story.corefile, &on_wide, start - 20480), PND_OK);
        pnd_corefile_sink(&story.corefile, &sink);
        CHECK_EQ(pnd_corefile_begin(&story.corefile, "first", PND_COREFILE_RAW), PND_OK);
        CHECK_EQ(sink.write(sink.ctx, bytes_of(1, 100), 100), PND_OK);
        CHECK_EQ(sink.end(sink.ctx), PND_OK);
        CHECK_EQ(pnd_corefile_begin(&story.corefile, "kernel", PND_COREFILE_LZ4), PND_OK);
        CHECK_EQ(sink.write(sink.ctx, bytes_of(2, 61440), 61440), PND_OK);
        CHECK_EQ(sink.end(sink.ctx), PND_OK);
        head = wide_page(&wide, 0);
        CHECK(head && pnd_corefile_read(head, 4096, places[i], &header) == PND_OK);
        CHECK_EQ(header.files, 2);
        CHECK_EQ(pnd_corefile_entry(&header, head, 4096, 1, &entry), PND_OK);
        CHECK_EQ(entry.offset, start + 4096);
        CHECK_EQ(entry.length, 61440);
        for (uint64_t at = 0; at < 61440; at += 4096) {
            const uint8_t *page = wide_page(&wide, entry.offset + at);

            CHECK(page && memcmp(page, bytes_buf + at, 4096) == 0);
        }
        CHECK_EQ(pnd_corefile_begin(&story.corefile, "more", PND_COREFILE_RAW), PND_E_NOSPACE);
    }
}

int main(void)
{
    RUN(a_cut_at_any_sector_in_any_order_leaves_the_files_that_were_whole);
    RUN(sixty_four_files_fit_and_the_next_is_refused);
    RUN(an_older_dump_is_whole_or_gone);
    RUN(any_operation_of_the_disk_may_fail);
    RUN(a_panic_within_any_operation_can_still_write_its_log);
    RUN(a_header_that_could_not_be_written_is_made_good_by_the_next);
    RUN(a_failed_open_leaves_nothing_that_can_be_used);
    RUN(a_full_place_keeps_the_files_before_and_takes_a_shorter_one);
    RUN(after_an_error_a_file_takes_nothing_more);
    RUN(logs_are_cut_to_the_room_that_was_kept);
    RUN(a_file_that_was_not_ended_is_forgotten);
    RUN(places_and_names_that_cannot_be_are_refused);
    RUN(offsets_are_exact_to_the_end_of_large_places);
    return tap_done();
}
